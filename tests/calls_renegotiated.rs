//! Running calls that are described anew, in virtual time: hold, ICE restarts, crossed and bad offers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]

mod common {
    pub mod call;
    pub mod listen;
}

use std::time::Duration;

use common::call::{Call, Who, edited};
use halloo::dtls_srtp::{Fingerprint, HashAlgorithm};
use halloo::net::impair::Impairment;
use halloo::peer::config::Config;
use halloo::peer::demux::{Protocol, classify};
use halloo::peer::event::{End, Event, Step};
use halloo::peer::{NegotiateError, Peer};
use halloo::sdp::{Description, Direction, Fragment};
use halloo::stun::Message;

const SECOND: Duration = Duration::from_secs(1);

fn network() -> Impairment {
    Impairment { delay: Duration::from_millis(20), ..Impairment::default() }
}

fn connected(seed: u64) -> Call {
    let mut call = Call::new(seed, &network());
    call.signal();
    call.connect();
    call.run_for(2 * SECOND);
    call
}

type Edit = fn(String) -> String;

fn same(text: String) -> String {
    text
}

fn line<'a>(text: &'a str, name: &str) -> &'a str {
    let start = format!("a={name}:");
    text.lines().find_map(|line| line.strip_prefix(start.as_str())).unwrap()
}

fn assert_both_hear_the_others_tone(call: &Call) {
    for side in [&call.alice, &call.bob] {
        let others = 1_100.0 - f64::from(side.tone);
        let glitches = side.heard_last(1.0).glitches(others);
        assert_eq!(glitches, 0, "{others} Hz");
    }
}

#[test]
fn hold_stops_the_sound_one_way_or_both_and_resume_brings_it_back() {
    // rfc3264-8.4-1, rfc8829-5.3.1: each way round, offered by each side.
    for offerer in [Who::Alice, Who::Bob] {
        for (direction, offerer_sends, offerer_hears) in
            [("sendonly", true, false), ("inactive", false, false), ("recvonly", false, true)]
        {
            let mut call = connected(1);
            let roles = [&call.alice, &call.bob]
                .map(|side| side.stat(call.now, "transport", "dtlsRole").to_string());
            let on_hold = format!("a={direction}");
            call.signal_edited(offerer, |offer| offer.replace("a=sendrecv", &on_hold), same);
            call.run_for(2 * SECOND);
            let other = call.side(offerer.other()).heard_last(1.0).level() > -20.0;
            let own = call.side(offerer).heard_last(1.0).level() > -20.0;
            assert_eq!((other, own), (offerer_sends, offerer_hears), "{direction} by {offerer:?}");
            assert_eq!(call.side(offerer).peer.is_sending(), offerer_sends);

            // The other side resumes, and who keeps its DTLS role says so (rfc8842-5.5-1).
            call.signal_from(offerer.other());
            call.run_for(3 * SECOND);
            assert_both_hear_the_others_tone(&call);
            for (side, role) in [&call.alice, &call.bob].into_iter().zip(roles) {
                assert_eq!(side.stat(call.now, "transport", "dtlsRole").to_string(), role);
                let connects = |event: &Event| matches!(event, Event::Dtls { .. });
                let told = side.events.iter().filter(|(_, event)| connects(event)).count();
                assert_eq!(told, 2, "one handshake for the whole call");
                let lost = side.peer.figures().packets_lost;
                assert!(lost <= 3, "{lost}: hold is no loss, only what was under way is");
                assert!(side.peer.figures().jitter_buffer_delay < 100.0);
            }
        }
    }
}

#[test]
fn descriptions_of_one_call_count_up_and_keep_their_lines() {
    // rfc8866-5.2-1, rfc8829-5.2.2-1
    let mut call = connected(2);
    let first = call.alice.peer.make_offer(call.now).unwrap();
    call.alice.peer.rollback(call.now).unwrap();
    let second = call.alice.peer.make_offer(call.now).unwrap();
    assert_eq!(first.origin.session_id, second.origin.session_id);
    assert!(second.origin.version > first.origin.version);
    let but_the_version =
        |offer: &Description| Description { origin: first.origin.clone(), ..offer.clone() };
    assert_eq!(but_the_version(&first), but_the_version(&second));
}

/// What a call was like, as far as a description could change it.
fn likeness(peer: &Peer, call_now: halloo::time::Instant) -> (String, bool, bool, String) {
    let report = serde_json::to_value(peer.stats(call_now)).unwrap();
    let codecs = report.as_object().unwrap().values().filter(|s| s["type"] == "codec");
    let codecs: Vec<_> = codecs.map(|codec| codec["payloadType"].to_string()).collect();
    (peer.ufrag().to_owned(), peer.is_connected(), peer.is_sending(), codecs.join(" "))
}

#[test]
fn offers_that_cross_are_refused_on_both_sides_and_the_call_goes_on() {
    // rfc8829-4.1.10.2-1: then one takes its own back.
    let mut call = connected(3);
    let now = call.now;
    let of_alice = call.alice.peer.make_offer(now).unwrap();
    let of_bob = call.bob.peer.make_offer(now).unwrap();
    assert_eq!(call.alice.peer.accept_offer(now, &of_bob), Err(NegotiateError::OfferIsOpen));
    assert_eq!(call.bob.peer.accept_offer(now, &of_alice), Err(NegotiateError::OfferIsOpen));
    assert_eq!(call.alice.peer.make_offer(now), Err(NegotiateError::OfferIsOpen));
    call.run_for(2 * SECOND);
    assert_both_hear_the_others_tone(&call);

    call.bob.peer.rollback(call.now).unwrap();
    assert_eq!(call.bob.peer.rollback(call.now), Err(NegotiateError::NoOpenOffer));
    let answer = call.bob.peer.accept_offer(call.now, &of_alice).unwrap();
    call.alice.peer.accept_answer(call.now, &answer).unwrap();
    let again = call.alice.peer.accept_answer(call.now, &answer);
    assert_eq!(again, Ok(()), "a request that was sent twice");
    let other = edited(&answer, |text| text.replace("IN IP4 0.0.0.0", "IN IP4 0.0.0.1"));
    let again = call.alice.peer.accept_answer(call.now, &other);
    assert_eq!(again, Err(NegotiateError::NoOpenOffer), "an answer counts once");
    call.run_for(2 * SECOND);
    assert_both_hear_the_others_tone(&call);
}

#[test]
fn first_offers_may_cross_too() {
    let mut call = Call::new(4, &network());
    let of_alice = call.alice.peer.make_offer(call.now).unwrap();
    let of_bob = call.bob.peer.make_offer(call.now).unwrap();
    let crossed = call.bob.peer.accept_offer(call.now, &of_alice);
    assert_eq!(crossed, Err(NegotiateError::OfferIsOpen));
    call.alice.peer.rollback(call.now).unwrap();
    let answer = call.alice.peer.accept_offer(call.now, &of_bob).unwrap();
    call.bob.peer.accept_answer(call.now, &answer).unwrap();
    call.connect();
    call.run_for(2 * SECOND);
    assert_both_hear_the_others_tone(&call);
}

#[test]
fn a_bad_offer_or_answer_leaves_the_call_as_it_was() {
    // rfc8829-5.10-1
    let bad: [(&str, Edit); 8] = [
        ("no audio", |text| text.replace("m=audio", "m=video")),
        ("refused", |text| text.replace("m=audio 5000", "m=audio 0")),
        ("no codec of ours", |text| {
            text.replace("opus/48000/2", "lyra/16000").replace("AVPF 111 9 0 8", "AVPF 111")
        }),
        ("another certificate", |text| {
            let print = line(&text, "fingerprint").to_owned();
            let (rest, last) = print.split_at(print.len() - 1);
            text.replace(&print, &format!("{rest}{}", if last == "0" { 1 } else { 0 }))
        }),
        ("no fingerprint", |text| text.replace("a=fingerprint", "a=finger-print")),
        ("a weak one", |text| {
            let weak = format!("sha-1 {}", ["AB"; 20].join(":"));
            text.replace(line(&text, "fingerprint"), &weak)
        }),
        ("another role", |text| {
            let setup = line(&text, "setup").to_owned();
            let to = match setup.as_str() {
                "actpass" | "passive" => "active",
                _ => "passive",
            };
            // Alice was the server: she can't become active; nor Bob passive.
            text.replace(&format!("a=setup:{setup}"), &format!("a=setup:{to}"))
        }),
        ("no rtcp-mux", |text| text.replace("a=rtcp-mux\r\n", "")),
    ];
    for (what, spoil) in bad {
        let mut call = connected(5);
        let before = likeness(&call.bob.peer, call.now);
        let offer = call.alice.peer.make_offer(call.now).unwrap();
        let refused = call.bob.peer.accept_offer(call.now, &edited(&offer, spoil));
        assert!(refused.is_err(), "{what}: {refused:?}");
        assert_eq!(likeness(&call.bob.peer, call.now), before, "{what}");

        let answer = call.bob.peer.accept_offer(call.now, &offer).unwrap();
        let before = likeness(&call.alice.peer, call.now);
        let refused = call.alice.peer.accept_answer(call.now, &edited(&answer, spoil));
        assert!(refused.is_err(), "{what}: {refused:?}");
        assert_eq!(likeness(&call.alice.peer, call.now), before, "{what}");
        call.run_for(2 * SECOND);
        assert_both_hear_the_others_tone(&call);
        call.alice.peer.accept_answer(call.now, &answer).unwrap();
        call.run_for(SECOND);
        assert_both_hear_the_others_tone(&call);
    }
}

#[test]
fn fingerprints_may_be_listed_otherwise_as_long_as_the_certificate_in_use_is_among_them() {
    // rfc8122-5-1, rfc8842-5.1-1
    type Edit = fn(&str, &str) -> String;
    let lists: [(&str, Edit); 4] = [
        ("another hash", |_, sha512| sha512.to_owned()),
        ("two hashes", |sha256, sha512| format!("{sha512}\r\na=fingerprint:{sha256}")),
        ("a certificate more", |sha256, _| {
            let other = format!("sha-256 {}", ["AB"; 32].join(":"));
            format!("{other}\r\na=fingerprint:{sha256}")
        }),
        ("small letters", |sha256, _| sha256.to_ascii_lowercase()),
    ];
    let mut call = connected(14);
    for (what, list) in lists {
        for who in [Who::Alice, Who::Bob] {
            let now = call.now;
            let der = call.side(who).stat(now, "certificate", "base64Certificate");
            let der = openssl::base64::decode_block(der.as_str().unwrap()).unwrap();
            let sha512 = Fingerprint::of(HashAlgorithm::Sha512, &der).to_string();
            let sha256 = Fingerprint::of(HashAlgorithm::Sha256, &der).to_string();
            let edit = |text: String| {
                assert!(text.contains(&sha256), "the first certificate of the list is the own one");
                text.replace(&sha256, &list(&sha256, &sha512))
            };
            let offer = edited(&call.side(who).peer.make_offer(now).unwrap(), edit);
            let answer = call.side(who.other()).peer.accept_offer(now, &offer);
            let answer = answer.unwrap_or_else(|refused| panic!("{what}: {refused}"));
            call.side(who).peer.accept_answer(now, &answer).unwrap();
        }
    }
    // In an answer as well; and one without it is refused in words.
    let offer = call.alice.peer.make_offer(call.now).unwrap();
    let answer = call.bob.peer.accept_offer(call.now, &offer).unwrap();
    let foreign = format!("sha-256 {}", ["AB"; 32].join(":"));
    let own = line(&answer.to_string(), "fingerprint").to_owned();
    let other = edited(&answer, |text| text.replace(&own, &foreign));
    let refused = call.alice.peer.accept_answer(call.now, &other).unwrap_err();
    assert_eq!(refused, NegotiateError::NewAssociation);
    assert!(refused.to_string().contains("call anew"), "{refused}");
    let two = format!("{foreign}\r\na=fingerprint:{own}");
    let more = edited(&answer, |text| text.replace(&own, &two));
    call.alice.peer.accept_answer(call.now, &more).unwrap();
    call.run_for(2 * SECOND);
    assert_both_hear_the_others_tone(&call);
    let handshakes = |event: &Event| matches!(event, Event::Dtls { .. });
    let told = call.bob.events.iter().filter(|(_, event)| handshakes(event)).count();
    assert_eq!(told, 2, "no second handshake");
}

#[test]
fn an_answer_cannot_begin_ice_anew() {
    // rfc8839-4.4.1.1.1-1
    let mut call = connected(15);
    let offer = call.alice.peer.make_offer(call.now).unwrap();
    let answer = call.bob.peer.accept_offer(call.now, &offer).unwrap();
    let text = answer.to_string();
    let new = text.replace(line(&text, "ice-ufrag"), "newufrag");
    let new = new.replace(line(&text, "ice-pwd"), "a+new+password+of+24+char");
    let refused = call.alice.peer.accept_answer(call.now, &new.parse().unwrap());
    assert_eq!(refused, Err(NegotiateError::AnswerRestartsIce));
    call.alice.peer.accept_answer(call.now, &answer).unwrap();
    call.run_for(2 * SECOND);
    assert_both_hear_the_others_tone(&call);
}

#[test]
fn requests_that_are_sent_twice_are_answered_twice_and_done_once() {
    let mut call = connected(16);
    call.alice.peer.set_direction(Direction::Inactive).unwrap();
    let offer = call.alice.peer.make_offer(call.now).unwrap();
    let answer = call.bob.peer.accept_offer(call.now, &offer).unwrap();
    assert_eq!(call.bob.peer.accept_offer(call.now, &offer), Ok(answer.clone()));
    call.alice.peer.accept_answer(call.now, &answer).unwrap();
    call.alice.peer.accept_answer(call.now, &answer).unwrap();
    call.run_for(SECOND);
    call.alice.peer.set_direction(Direction::SendRecv).unwrap();
    call.signal();
    call.run_for(2 * SECOND);
    assert_both_hear_the_others_tone(&call);
    let directions = |(_, event): &&(_, Event)| matches!(event, Event::Direction(_));
    for side in [&call.alice, &call.bob] {
        // Alice's own wish, then Bob's view of it; and back.
        let told: Vec<_> = side.events.iter().filter(directions).collect();
        assert!((2..=4).contains(&told.len()), "{told:?}");
    }
    // An ICE restart twice is one restart.
    call.alice.peer.restart_ice().unwrap();
    let offer = call.alice.peer.make_offer(call.now).unwrap();
    let answer = call.bob.peer.accept_offer(call.now, &offer).unwrap();
    let ufrag = call.bob.peer.ufrag().to_owned();
    assert_eq!(call.bob.peer.accept_offer(call.now, &offer), Ok(answer.clone()));
    assert_eq!(call.bob.peer.ufrag(), ufrag);
    call.alice.peer.accept_answer(call.now, &answer).unwrap();
    call.run_for(2 * SECOND);
    assert_both_hear_the_others_tone(&call);
}

/// Checks with the new credentials, from here on.
fn new_checks(call: &mut Call, ufrag: String) -> std::rc::Rc<std::cell::Cell<usize>> {
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let counter = std::rc::Rc::clone(&count);
    call.filter = Box::new(move |_, _, bytes| {
        let username = Message::parse(bytes).ok().and_then(|m| m.username().map(str::to_owned));
        let is_new = username.is_some_and(|name| name.contains(&ufrag));
        counter.set(counter.get() + usize::from(is_new));
        true
    });
    count
}

#[test]
fn ice_begins_anew_by_a_later_offer_while_the_sound_goes_on() {
    // rfc8445-9-1, rfc8839-4.4.1.1.1-1
    for who in [Who::Alice, Who::Bob] {
        let mut call = connected(6);
        let before = [&call.alice, &call.bob].map(|side| side.peer.ufrag().to_owned());
        let now = call.now;
        call.side(who).peer.restart_ice().unwrap();
        // Signalling takes a second: the old pair carries the sound meanwhile.
        let offer = call.side(who).peer.make_offer(now).unwrap();
        call.run_for(SECOND);
        assert_both_hear_the_others_tone(&call);
        let new = call.side(who).peer.ufrag().to_owned();
        let checks = new_checks(&mut call, new);
        let now = call.now;
        let answer = call.side(who.other()).peer.accept_offer(now, &offer).unwrap();
        call.run_for(SECOND);
        assert_both_hear_the_others_tone(&call);
        let after = [&call.alice, &call.bob].map(|side| side.peer.ufrag().to_owned());
        assert!(before[0] != after[0] && before[1] != after[1], "both have new credentials");
        assert_eq!(line(&answer.to_string(), "ice-ufrag"), call.side(who.other()).peer.ufrag());
        let now = call.now;
        call.side(who).peer.accept_answer(now, &answer).unwrap();
        call.run_for(2 * SECOND);
        assert!(checks.get() >= 2, "new checks with new credentials");
        for side in [&call.alice, &call.bob] {
            let pairs = side.events.iter().filter(|(_, e)| matches!(e, Event::Pair { .. })).count();
            assert_eq!(pairs, 2, "a pair was chosen again");
            assert_eq!(side.peer.figures().packets_lost, 0, "nothing was lost on the way");
            let changes = side.stat(call.now, "transport", "selectedCandidatePairChanges");
            assert_eq!(changes, 2);
        }
        assert_both_hear_the_others_tone(&call);
        call.run_for(60 * SECOND);
        assert!(call.alice.ended().is_none() && call.bob.ended().is_none(), "consent goes on");
    }
}

fn fragment(ufrag: &str, pwd: &str, rest: &str) -> Fragment {
    let head = format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n");
    format!("{head}m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n{rest}").parse().unwrap()
}

#[test]
fn ice_begins_anew_by_a_fragment() {
    // rfc9725-4.3.3-1: as WHIP does it: Alice restarts, and tells in a PATCH.
    let mut call = connected(7);
    call.alice.peer.restart_ice().unwrap();
    let text = call.alice.peer.make_offer(call.now).unwrap().to_string();
    let candidate = format!("a=candidate:{}\r\na=end-of-candidates\r\n", line(&text, "candidate"));
    let patch = fragment(line(&text, "ice-ufrag"), line(&text, "ice-pwd"), &candidate);
    let old = call.bob.peer.ufrag().to_owned();
    let answer = call.bob.peer.apply_fragment(call.now, &patch).unwrap().expect("an answer");
    assert_ne!(call.bob.peer.ufrag(), old);
    let (ufrag, pwd) = answer.credentials().unwrap();
    assert_eq!(ufrag, call.bob.peer.ufrag());
    assert_eq!(answer.candidates().count(), 1);
    // As the offer and the answer had them (RFC 9725 section 4.3.3).
    assert_eq!(line(&answer.to_string(), "ice-options"), line(&text, "ice-options"));
    call.run_for(SECOND);
    assert_both_hear_the_others_tone(&call);

    // Alice's page knows Bob's new credentials from the fragment; here they go into an answer's place.
    let later = call.bob.peer.make_offer(call.now).unwrap().to_string();
    call.bob.peer.rollback(call.now).unwrap();
    let later = later
        .replace(line(&later, "ice-ufrag"), ufrag)
        .replace("a=setup:actpass", "a=setup:active");
    assert_eq!(line(&later, "ice-pwd"), pwd);
    call.alice.peer.accept_answer(call.now, &later.parse().unwrap()).unwrap();
    call.run_for(2 * SECOND);
    for side in [&call.alice, &call.bob] {
        let pairs = side.events.iter().filter(|(_, e)| matches!(e, Event::Pair { .. })).count();
        assert_eq!(pairs, 2);
        assert_eq!(side.peer.figures().packets_lost, 0);
    }
    assert_both_hear_the_others_tone(&call);

    // The same again is no restart, but a request whose answer was lost.
    let again = call.bob.peer.apply_fragment(call.now, &patch).unwrap().expect("the same answer");
    assert_eq!(again.credentials(), answer.credentials());
    assert_eq!(call.bob.peer.ufrag(), answer.credentials().unwrap().0);
}

#[test]
fn a_fragment_of_another_session_is_refused() {
    // rfc8840-4-1
    let mut call = Call::new(8, &network());
    let (ufrag, pwd) = ("abcdefgh", "abcdefghijklmnopqrstuvwx");
    let foreign = Err(NegotiateError::ForeignFragment);
    assert_eq!(call.bob.peer.apply_fragment(call.now, &fragment(ufrag, pwd, "")), foreign);
    let offer = call.alice.peer.make_offer(call.now).unwrap();
    let early = fragment(ufrag, pwd, "");
    assert_eq!(call.alice.peer.apply_fragment(call.now, &early), foreign, "no answer yet");
    let answer = call.bob.peer.accept_offer(call.now, &offer).unwrap();
    call.alice.peer.accept_answer(call.now, &answer).unwrap();
    call.connect();
    let text = offer.to_string();
    let (ufrag, pwd) = (line(&text, "ice-ufrag").to_owned(), line(&text, "ice-pwd").to_owned());
    for half in [fragment(&ufrag, "abcdefghijklmnopqrstuvwx", ""), fragment("abcdefgh", &pwd, "")] {
        assert_eq!(call.bob.peer.apply_fragment(call.now, &half), foreign, "both change or none");
    }
    // A candidate that took longer than a restart.
    let before = fragment(&ufrag, &pwd, "a=candidate:7 1 udp 1 192.0.2.77 5000 typ host\r\n");
    assert_eq!(call.bob.peer.apply_fragment(call.now, &before), Ok(None));
    call.alice.peer.restart_ice().unwrap();
    call.signal();
    let now_ufrag = call.bob.peer.ufrag().to_owned();
    assert_eq!(call.bob.peer.apply_fragment(call.now, &before), foreign, "too late");
    assert_eq!(call.bob.peer.ufrag(), now_ufrag, "and no restart");
}

#[test]
fn candidates_may_come_one_by_one() {
    // rfc8838-8-1: the offer names no address, a fragment does later.
    let mut call = Call::new(9, &network());
    let bare = |text: String| {
        let keep = |line: &&str| !line.starts_with("a=candidate") && !line.starts_with("a=end-of");
        text.lines().filter(keep).map(|line| format!("{line}\r\n")).collect()
    };
    let offer = call.alice.peer.make_offer(call.now).unwrap();
    let text = offer.to_string();
    let answer = call.bob.peer.accept_offer(call.now, &edited(&offer, bare)).unwrap();
    // Neither side knows where the other one is.
    call.alice.peer.accept_answer(call.now, &edited(&answer, bare)).unwrap();
    call.run_for(2 * SECOND);
    assert!(!call.alice.peer.is_connected());
    let candidate = format!("a=candidate:{}\r\n", line(&text, "candidate"));
    let trickled = fragment(line(&text, "ice-ufrag"), line(&text, "ice-pwd"), &candidate);
    assert_eq!(call.bob.peer.apply_fragment(call.now, &trickled), Ok(None));
    let since = call.now;
    call.connect();
    assert!(call.now - since < Duration::from_millis(400), "{:?}", call.now - since);
}

#[test]
fn a_restart_that_finds_no_way_ends_the_call() {
    let mut call = connected(10);
    call.alice.peer.restart_ice().unwrap();
    call.signal();
    call.filter = Box::new(|_, _, bytes| classify(bytes) != Some(Protocol::Stun));
    let ended = |call: &Call| call.alice.ended().is_some() && call.bob.ended().is_some();
    assert!(call.run_until(60 * SECOND, ended), "it hangs");
    for side in [&call.alice, &call.bob] {
        assert!(matches!(side.ended(), Some((_, End::Failed { step: Step::Ice }, _))));
    }
}

#[test]
fn whatever_was_offered_is_heard_before_the_answer_comes() {
    // rfc3264-5.1-1, rfc8834-4.3-1: Alice offers Opus to one who so far spoke PCMU only.
    let mut call = Call::with_configs(11, &network(), Config::default(), Config::default());
    let only_pcmu = |text: String| {
        let gone = ["111 ", "9 ", "8 ", "110 ", "126 "];
        let keep = |line: &&str| {
            let about = |kind: &str| line.strip_prefix(&format!("a={kind}:"));
            let of = |number: &&str| {
                ["rtpmap", "fmtp", "rtcp-fb"]
                    .iter()
                    .any(|k| about(k).is_some_and(|l| l.starts_with(*number)))
            };
            !gone.iter().any(of)
        };
        let kept: String = text.lines().filter(keep).map(|line| format!("{line}\r\n")).collect();
        let start = kept.find("AVPF ").unwrap() + 5;
        let end = start + kept[start..].find("\r\n").unwrap();
        [&kept[..start], "0", &kept[end..]].concat()
    };
    call.signal_edited(Who::Alice, only_pcmu, same);
    call.connect();
    call.run_for(2 * SECOND);
    let codec = |side: &common::call::Side, now| side.stat(now, "outbound-rtp", "codecId");
    assert_eq!(codec(&call.bob, call.now), "CO0");
    let offer = call.alice.peer.make_offer(call.now).unwrap();
    let answer = call.bob.peer.accept_offer(call.now, &offer).unwrap();
    call.run_for(2 * SECOND);
    assert_eq!(codec(&call.bob, call.now), "CO111", "Bob has changed to Opus");
    assert_eq!(call.alice.peer.dropped().unknown_format, 0);
    assert_eq!(call.alice.heard_last(1.0).glitches(660.0), 0);
    assert_eq!(call.alice.peer.figures().packets_lost, 0);
    call.alice.peer.accept_answer(call.now, &answer).unwrap();
    call.run_for(2 * SECOND);
    assert_both_hear_the_others_tone(&call);
}

#[test]
fn a_codec_that_is_preferred_later_takes_over_in_mid_sentence() {
    // rfc8834-4.3-1
    let mut call = connected(12);
    let pcma_first = |text: String| text.replace("AVPF 111 9 0 8", "AVPF 8 111 9 0");
    call.signal_edited(Who::Alice, pcma_first, same);
    call.run_for(3 * SECOND);
    let codec = call.bob.stat(call.now, "outbound-rtp", "codecId");
    assert_eq!(codec, "CO8");
    for side in [&call.alice, &call.bob] {
        let others = 1_100.0 - f64::from(side.tone);
        assert!((side.heard_last(1.0).pitch().unwrap() - others).abs() < 1.0);
        let figures = side.peer.figures();
        // The change may begin in the middle of a packet: then the delay is set anew, once.
        assert!(figures.concealed_samples <= 960, "{figures:?}");
        assert_eq!(figures.packets_lost, 0);
    }
}
