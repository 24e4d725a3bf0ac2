//! Whole calls between two peers on a good network, in virtual time: who may begin, and what is heard.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]

mod common {
    pub mod call;
    pub mod listen;
}

use std::collections::BTreeSet;
use std::time::Duration;

use common::call::{Call, Who, edited};
use halloo::audio::Channels;
use halloo::net::impair::Impairment;
use halloo::peer::config::{CodecName, Config, OpusSettings, Sending};
use halloo::peer::demux::Protocol;
use halloo::peer::event::{Event, MediaFirst};

fn good_network() -> Impairment {
    Impairment { delay: Duration::from_millis(10), ..Impairment::default() }
}

fn with_opus(opus: OpusSettings) -> Config {
    Config { opus, ..Config::default() }
}

/// Both hear the other's tone, and nothing of it was made up.
fn assert_both_hear_the_others_tone(call: &Call) {
    for side in [&call.alice, &call.bob] {
        let heard = side.heard_last(1.0);
        let pitch = heard.pitch().expect("silence");
        let others = 1_100.0 - f64::from(side.tone);
        assert!((pitch - others).abs() < 1.0, "{pitch} Hz instead of {others}");
        assert!((heard.level() - -9.0).abs() < 1.5, "{} dBFS", heard.level());
        assert_eq!(side.peer.figures().concealed_samples, 0);
    }
}

#[test]
fn a_clean_call_connects_and_both_hear_the_others_tone() {
    let mut call = Call::new(1, &good_network());
    call.signal();
    call.connect();
    // One round trip for a check and its answer, one for the nomination, two for the handshake.
    let took = call.now.since_start();
    assert!(took <= Duration::from_millis(140), "connected after {took:?}");
    call.run_for(Duration::from_secs(3));
    assert_both_hear_the_others_tone(&call);
    for side in [&call.alice, &call.bob] {
        let heard = side.heard_last(1.0);
        assert_eq!(heard.glitches(1_100.0 - f64::from(side.tone)), 0);
        for first in [MediaFirst::PacketSent, MediaFirst::PacketReceived, MediaFirst::SoundPlayed] {
            let is_it =
                |event: &Event| matches!(event, Event::Media { first: f, .. } if *f == first);
            assert_eq!(
                side.events.iter().filter(|(_, event)| is_it(event)).count(),
                1,
                "{first:?}"
            );
        }
        let figures = side.peer.figures();
        assert_eq!((figures.packets_lost, figures.loss), (0, 0.0));
        let rtt = figures.rtt.unwrap();
        assert!((rtt - 20.0).abs() < 1.0, "{rtt} ms there and back");
    }
}

#[test]
fn every_mixture_of_roles_makes_a_call() {
    // rfc5763-5-1, rfc8445-7.3.1.1-1: where both want to be in charge, the larger tie-breaker is.
    let mut seen = BTreeSet::new();
    let setups = [("actpass", "client"), ("active", "server"), ("passive", "client")];
    for seed in 0..12 {
        for offerer in [Who::Alice, Who::Bob] {
            for (setup, answerers_role) in setups {
                for crossed in [false, true] {
                    let mut call = Call::new(seed, &good_network());
                    if crossed {
                        // An offer taken back leaves the answerer thinking that it is in charge.
                        let now = call.now;
                        let answerer = call.side(offerer.other());
                        answerer.peer.make_offer(now).unwrap();
                        answerer.peer.rollback(now).unwrap();
                    }
                    let setup_line = format!("a=setup:{setup}");
                    let edit = |offer: String| offer.replace("a=setup:actpass", &setup_line);
                    call.signal_edited(offerer, edit, |answer| answer);
                    call.connect();
                    call.run_for(Duration::from_millis(200));
                    let now = call.now;
                    let role = |side: &common::call::Side, which| {
                        side.stat(now, "transport", which).as_str().unwrap().to_owned()
                    };
                    let ice = [&call.alice, &call.bob].map(|side| role(side, "iceRole"));
                    let dtls = [&call.alice, &call.bob].map(|side| role(side, "dtlsRole"));
                    assert_ne!(ice[0], ice[1], "one is in charge");
                    assert_ne!(dtls[0], dtls[1], "one begins");
                    let of_answerer = if offerer == Who::Alice { 1 } else { 0 };
                    assert_eq!(dtls[of_answerer], answerers_role_of(setup, answerers_role));
                    for side in [&call.alice, &call.bob] {
                        assert!(side.peer.figures().packets_received > 5, "media flows");
                    }
                    seen.insert((offerer, ice[0].clone(), dtls[0].clone()));
                }
            }
        }
    }
    assert_eq!(seen.len(), 8, "2 offerers, 2 ICE roles, 2 DTLS roles: {seen:?}");
}

fn answerers_role_of<'a>(setup: &str, otherwise: &'a str) -> &'a str {
    if setup == "active" { "server" } else { otherwise }
}

#[test]
fn each_codec_carries_the_tones() {
    for codec in [CodecName::Opus, CodecName::G722, CodecName::Pcmu, CodecName::Pcma] {
        let only = Config { codecs: vec![codec], ..Config::default() };
        let mut call = Call::with_configs(2, &good_network(), only.clone(), only);
        call.signal();
        call.connect();
        call.run_for(Duration::from_secs(3));
        assert_both_hear_the_others_tone(&call);
        for side in [&call.alice, &call.bob] {
            let others = 1_100.0 - f64::from(side.tone);
            assert_eq!(side.heard_last(1.0).glitches(others), 0, "{codec:?}, {others} Hz");
        }
        let mime = call.alice.stat(call.now, "codec", "mimeType");
        let name = mime.as_str().unwrap().rsplit('/').next().unwrap().to_lowercase();
        assert_eq!(name, format!("{codec:?}").to_lowercase());
    }
}

#[test]
fn packets_are_as_long_as_the_other_side_wishes() {
    // rfc8866-6.4-1 and rfc7587-6.1: ptime is a wish about what we send.
    for codec in [CodecName::Opus, CodecName::Pcmu] {
        for ms in [10, 20, 40, 60] {
            let opus = OpusSettings { frame: Duration::from_millis(ms), ..OpusSettings::default() };
            let config = Config { codecs: vec![codec], ..with_opus(opus) };
            let mut call = Call::with_configs(3, &good_network(), config.clone(), config);
            call.signal();
            call.connect();
            let before = call.alice.peer.figures().packets_sent;
            call.run_for(Duration::from_secs(3));
            let sent = call.alice.peer.figures().packets_sent - before;
            assert!(sent.abs_diff(3_000 / ms) <= 1, "{codec:?}: {sent} packets of {ms} ms in 3 s");
            assert_both_hear_the_others_tone(&call);
        }
    }
}

#[test]
fn a_tone_on_each_ear_arrives_on_its_ear() {
    // rfc7587-7.1-1: stereo only because both asked for it.
    let stereo =
        with_opus(OpusSettings { stereo: true, bitrate: 64_000, ..OpusSettings::default() });
    let mut call = Call::with_configs(4, &good_network(), stereo.clone(), stereo);
    call.alice.right = Some(880.0);
    call.signal();
    call.connect();
    call.run_for(Duration::from_secs(3));
    let left = call.bob.heard_last(1.0);
    let right = common::listen::Recording { samples: call.bob.heard_right.clone(), rate: 48_000 };
    for (ear, own, others) in [(left, 440.0, 880.0), (right.last(1.0), 880.0, 440.0)] {
        assert!((ear.pitch().unwrap() - own).abs() < 1.0);
        assert!(ear.amplitude(others) < 0.1 * ear.amplitude(own), "it leaks to the other ear");
    }
}

#[test]
fn nobody_who_wants_mono_is_sent_stereo() {
    // rfc7587-7.1-1
    let stereo = with_opus(OpusSettings { stereo: true, ..OpusSettings::default() });
    let mut call = Call::with_configs(4, &good_network(), stereo, Config::default());
    call.alice.right = Some(880.0);
    call.bob.loudspeakers = Channels::Stereo;
    call.signal();
    call.connect();
    call.run_for(Duration::from_secs(2));
    let heard = call.bob.heard_last(1.0);
    let right = common::listen::Recording { samples: call.bob.heard_right.clone(), rate: 48_000 };
    let right = right.last(1.0);
    assert!((heard.amplitude(440.0) - right.amplitude(440.0)).abs() < 0.01, "the same on both");
    assert!(heard.amplitude(880.0) > 0.1, "both tones are in the middle");
}

#[test]
fn silence_with_dtx_takes_hardly_any_packets_and_is_no_loss() {
    let dtx = with_opus(OpusSettings { dtx: true, ..OpusSettings::default() });
    let mut call = Call::with_configs(5, &good_network(), dtx.clone(), dtx);
    call.signal();
    call.connect();
    call.run_for(Duration::from_secs(2));
    call.alice.tone = 0.0;
    call.run_for(Duration::from_secs(2));
    let before = call.alice.peer.figures().packets_sent;
    call.run_for(Duration::from_secs(5));
    let sent = call.alice.peer.figures().packets_sent - before;
    assert!(sent <= 30, "{sent} packets in 5 s of silence"); // two every 400 ms
    call.alice.tone = 440.0;
    call.run_for(Duration::from_secs(2));
    assert_both_hear_the_others_tone(&call);
    assert_eq!(call.bob.peer.figures().packets_lost, 0);
    let delay = call.bob.peer.figures().jitter_buffer_delay;
    assert!(delay < 100.0, "{delay} ms behind after the pause");
}

#[test]
fn who_reflects_sends_back_what_it_hears() {
    for codec in [CodecName::Opus, CodecName::Pcmu] {
        let mirror = Config { sending: Sending::Reflect, ..Config::default() };
        // Alice wants this codec only; the mirror would have preferred another.
        let alice = Config { codecs: vec![codec], ..Config::default() };
        let mut call = Call::with_configs(6, &good_network(), alice, mirror);
        call.signal();
        call.connect();
        call.run_for(Duration::from_secs(3));
        let heard = call.alice.heard_last(1.0);
        assert!((heard.pitch().unwrap() - 440.0).abs() < 1.0, "her own tone");
        assert_eq!(heard.glitches(440.0), 0);
        let (alice, bob) = (call.alice.peer.figures(), call.bob.peer.figures());
        assert!(bob.packets_sent.abs_diff(bob.packets_received) <= 1);
        assert_eq!(alice.packets_lost, 0);
    }
}

#[test]
fn a_mirror_keeps_pauses_as_pauses() {
    let mirror = Config { sending: Sending::Reflect, ..Config::default() };
    let dtx = with_opus(OpusSettings { dtx: true, ..OpusSettings::default() });
    let mut call = Call::with_configs(6, &good_network(), dtx, mirror);
    call.signal();
    call.connect();
    for tone in [440.0, 0.0, 440.0] {
        call.alice.tone = tone;
        call.run_for(Duration::from_secs(4));
    }
    let figures = call.alice.peer.figures();
    assert_eq!((figures.packets_lost, figures.concealed_samples), (0, 0));
    assert!(figures.jitter_buffer_delay < 100.0, "{} ms", figures.jitter_buffer_delay);
    assert_eq!(call.alice.heard_last(1.0).glitches(440.0), 0);
}

#[test]
fn a_bandwidth_that_the_other_side_allows_is_kept() {
    // rfc8834-7.1-2, rfc7587-7.1-1
    let wishes = [
        ("a=mid:0", "b=AS:44\r\na=mid:0", 44_000, 28),
        ("a=mid:0", "b=TIAS:30000\r\na=mid:0", 30_000, 0),
        ("useinbandfec=1", "useinbandfec=1;maxaveragebitrate=14000", 14_000 + 25_600, 28),
    ];
    for (line, with_limit, limit, below) in wishes {
        let loud = with_opus(OpusSettings { bitrate: 128_000, ..OpusSettings::default() });
        let mut call = Call::with_configs(7, &good_network(), loud.clone(), loud);
        call.signal_edited(Who::Alice, |offer| offer, |answer| answer.replace(line, with_limit));
        call.connect();
        call.run_for(Duration::from_secs(1));
        let (since, end) = (call.now, call.now + Duration::from_secs(10));
        call.run_for(Duration::from_secs(10));
        let bits = |who| {
            let of = call.trace.iter().filter(|sent| {
                sent.1 == who && sent.2 == Some(Protocol::Rtp) && sent.0 >= since && sent.0 < end
            });
            of.map(|sent| (sent.3 + below) as u64 * 8 / 10).sum::<u64>()
        };
        assert!(bits(Who::Alice) <= limit + limit / 50, "{with_limit}: {} bit/s", bits(Who::Alice));
        assert!(bits(Who::Alice) > limit / 2, "{with_limit}: {} bit/s", bits(Who::Alice));
        assert!(bits(Who::Bob) > 100_000, "Alice set no limit");
    }
}

#[test]
fn an_answer_that_comes_late_loses_nothing_that_was_kept() {
    // Bob's checks and his ClientHello reach Alice before his answer does.
    let mut call = Call::new(8, &good_network());
    let now = call.now;
    let offer = call.alice.peer.make_offer(now).unwrap();
    let answer = call.bob.peer.accept_offer(now, &offer).unwrap();
    call.run_for(Duration::from_millis(400));
    assert!(call.trace.iter().any(|sent| sent.1 == Who::Bob && sent.2 == Some(Protocol::Dtls)));
    assert!(!call.alice.was_told(|event| matches!(event, Event::Dtls { .. })));
    let now = call.now;
    call.alice.peer.accept_answer(now, &answer).unwrap();
    call.connect();
    // A round trip for Alice's own check, then her first flight answers the hello that she has kept:
    // nobody waits for a repetition, which in virtual time would never come.
    let took = call.now - now;
    assert!(took <= Duration::from_millis(80), "connected {took:?} after the answer");
    call.run_for(Duration::from_secs(3));
    assert_both_hear_the_others_tone(&call);
}

#[test]
fn media_that_overtakes_the_last_flight_of_the_handshake_is_kept() {
    // Alice, the DTLS server, has the keys when Bob's Finished comes; hers reaches him after her sound.
    let mut call = Call::new(9, &good_network());
    let held_back = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let holds = std::rc::Rc::clone(&held_back);
    call.filter = Box::new(move |_, who, bytes| {
        // Her second flight begins with ChangeCipherSpec.
        if who == Who::Alice && bytes.first() == Some(&20) {
            holds.borrow_mut().push(bytes.clone());
            return false;
        }
        true
    });
    call.signal();
    let secured = |call: &Call| call.alice.peer.figures().packets_sent >= 4;
    assert!(call.run_until(Duration::from_secs(2), secured), "Alice speaks");
    call.run_for(Duration::from_millis(15));
    assert_eq!(call.bob.peer.figures().packets_received, 0, "Bob has no keys yet");
    let held: Vec<Vec<u8>> = held_back.borrow().clone();
    assert!(!held.is_empty());
    call.filter = Box::new(|_, _, _| true);
    for datagram in held {
        call.inject(Who::Bob, &datagram);
    }
    assert!(call.bob.peer.figures().packets_received >= 4, "what came early counts");
    call.connect();
    call.run_for(Duration::from_secs(3));
    assert_eq!(call.bob.peer.figures().packets_lost, 0);
    assert_both_hear_the_others_tone(&call);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    // DTLS is left out: OpenSSL draws its own random bytes, and signatures differ in length.
    let impairment = Impairment { loss: 0.1, duplicate: 0.05, reorder: 0.05, ..good_network() };
    let run = |seed| {
        let mut call = Call::new(seed, &impairment);
        call.signal();
        call.connect();
        call.run_for(Duration::from_secs(3));
        call.hang_up(Who::Alice);
        let trace: Vec<_> =
            call.trace.iter().filter(|sent| sent.2 != Some(Protocol::Dtls)).copied().collect();
        let names = |side: &common::call::Side| {
            let name = |event: &Event| serde_json::to_value(event).unwrap()["event"].to_string();
            side.events.iter().map(|(at, event)| (*at, name(event))).collect::<Vec<_>>()
        };
        (trace, names(&call.alice), names(&call.bob), call.bob.heard)
    };
    let first = run(10);
    assert!(first.0.len() > 300);
    assert_eq!(first, run(10));
    assert_ne!(first.0, run(11).0);
}

#[test]
fn a_description_with_lines_of_the_future_makes_a_call() {
    let mut call = Call::new(12, &good_network());
    let offer = call.alice.peer.make_offer(call.now).unwrap();
    let offer = edited(&offer, |text| text.replace("a=mid:0", "a=mid:0\r\na=of-the-future:yes"));
    let answer = call.bob.peer.accept_offer(call.now, &offer).unwrap();
    call.alice.peer.accept_answer(call.now, &answer).unwrap();
    call.connect();
}
