//! A peer's media, packet by packet: the far end is written by hand, so that it can do what no other would.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]

mod common {
    pub mod by_hand;
    pub mod listen;
}

use std::time::Duration;

use common::by_hand::{Hand, Rtp, tone};
use common::listen::Recording;
use halloo::audio::Codec;
use halloo::peer::config::{Config, Sending};
use halloo::peer::event::{End, Event};
use halloo::rtp::rtcp::{Compound, Packet as Rtcp};
use halloo::rtp::{Header, Packet};

fn heard_last(hand: &Hand, seconds: f64) -> Recording {
    Recording { samples: hand.heard.clone(), rate: 48_000 }.last(seconds)
}

/// Sends PCMU packets, each followed by the 20 ms that it lasts.
fn speak(hand: &mut Hand, payloads: &[Vec<u8>], first: &Rtp<'_>) {
    for (n, payload) in (0..).zip(payloads) {
        let (number, timestamp) = (first.number.wrapping_add(n), 160 * u32::from(n));
        let timestamp = first.timestamp.wrapping_add(timestamp);
        hand.send(&Rtp { number, timestamp, payload, ..*first });
        hand.tick();
        hand.tick();
    }
}

fn stat(hand: &Hand, member: &str) -> serde_json::Value {
    serde_json::to_value(hand.peer.stats(hand.now)).unwrap()["I0"][member].clone()
}

#[test]
fn sound_from_a_source_that_nobody_announced_is_played() {
    // rfc8834-4.8-1
    let mut hand = Hand::connected(Config::default());
    speak(&mut hand, &tone(Codec::Pcmu, 500.0, 100), &Rtp::default());
    assert!((heard_last(&hand, 1.0).pitch().unwrap() - 500.0).abs() < 1.0);
    assert_eq!(hand.peer.figures().packets_received, 100);
}

#[test]
fn a_packet_of_nothing_but_padding_is_neither_sound_nor_loss() {
    let mut hand = Hand::connected(Config::default());
    let payloads = tone(Codec::Pcmu, 500.0, 150);
    let (mut number, mut timestamp) = (65_500_u16, 0_u32);
    for (n, payload) in payloads.iter().enumerate() {
        hand.send(&Rtp { number, timestamp, payload, ..Rtp::default() });
        number = number.wrapping_add(1);
        if n % 5 == 0 {
            // As Chromium probes: the timestamp of the packet before.
            for _ in 0..3 {
                hand.send(&Rtp { number, timestamp, padding: 200, ..Rtp::default() });
                number = number.wrapping_add(1);
            }
        }
        timestamp += 160;
        hand.tick();
        hand.tick();
    }
    let figures = hand.peer.figures();
    assert_eq!((figures.packets_lost, figures.concealed_samples), (0, 0), "{figures:?}");
    assert_eq!(heard_last(&hand, 2.0).glitches(500.0), 0);
    // Nor a reason to wait for what FEC might restore.
    assert!(figures.jitter_buffer_delay <= 20.0, "{} ms", figures.jitter_buffer_delay);
}

#[test]
fn another_source_takes_over_when_the_first_has_left_or_fallen_silent() {
    let mut hand = Hand::connected(Config::default());
    let (low, high) = (tone(Codec::Pcmu, 500.0, 60), tone(Codec::Pcmu, 700.0, 60));
    speak(&mut hand, &low, &Rtp::default());
    let second = Rtp { ssrc: 0x2222_2222, number: 9, timestamp: 77, ..Rtp::default() };
    // Beside the first, while it speaks, the second is not played.
    for (n, payload) in (0..).zip(low.iter().take(10)) {
        let (number, timestamp) = (60 + n, 160 * (60 + u32::from(n)));
        hand.send(&Rtp { number, timestamp, payload, ..Rtp::default() });
        hand.send(&Rtp { number: 500 + n, payload: &high[0], ..second });
        hand.tick();
        hand.tick();
    }
    assert_eq!(hand.peer.dropped().other_source, 10);
    assert!((heard_last(&hand, 0.5).pitch().unwrap() - 500.0).abs() < 2.0);
    // The first falls silent: after 200 ms the second is heard, from its first packet on.
    (0..25).for_each(|_| hand.tick());
    speak(&mut hand, &high, &Rtp { number: 600, timestamp: 90_000, ..second });
    assert_eq!(stat(&hand, "ssrc"), 0x2222_2222);
    assert!((heard_last(&hand, 1.0).pitch().unwrap() - 700.0).abs() < 2.0);
    assert_eq!(hand.peer.figures().packets_lost, 0);
    // The second says goodbye: the first may speak at once.
    hand.send_rtcp(&compound(0x2222_2222, Some(0x2222_2222)));
    speak(&mut hand, &low, &Rtp { number: 100, timestamp: 400_000, ..Rtp::default() });
    assert_eq!(stat(&hand, "ssrc"), 0x1111_1111);
    assert!((heard_last(&hand, 1.0).pitch().unwrap() - 500.0).abs() < 2.0);
    (0..500).for_each(|_| hand.tick());
    assert!(!hand.peer.is_ended(), "who speaks on after a goodbye has not left");
}

/// An empty receiver report, a name, and perhaps a goodbye.
fn compound(ssrc: u32, leaves: Option<u32>) -> Vec<u8> {
    let mut bytes = vec![0x80, 201, 0, 1];
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend([0x81, 202, 0, 3]);
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend([1, 4, b'h', b'a', b'n', b'd', 0, 0]);
    if let Some(left) = leaves {
        bytes.extend([0x81, 203, 0, 1]);
        bytes.extend(left.to_be_bytes());
    }
    bytes
}

#[test]
fn a_goodbye_outside_a_compound_and_then_silence_ends_the_call() {
    // As aiortc says it; and its close_notify may be lost.
    let mut hand = Hand::connected(Config::default());
    speak(&mut hand, &tone(Codec::Pcmu, 500.0, 20), &Rtp::default());
    let mut bye = vec![0x81, 203, 0, 1];
    bye.extend(0x1111_1111_u32.to_be_bytes());
    hand.send_rtcp(&bye);
    let since = hand.now;
    while !hand.peer.is_ended() && hand.now - since < Duration::from_secs(10) {
        hand.tick();
    }
    assert!(hand.now - since <= Duration::from_millis(3_010), "{:?}", hand.now - since);
    let last = hand.events.last().unwrap();
    assert!(matches!(last, Event::Ended { end: End::HungUpByPeer, .. }), "{last:?}");
}

#[test]
fn packets_of_unknown_formats_and_of_refused_sections_are_not_played() {
    // rfc3550-5.1-3, rfc8843-9.2-1
    let mut hand = Hand::connected(Config::default());
    let payloads = tone(Codec::Pcmu, 500.0, 100);
    for (n, payload) in (0..).zip(&payloads) {
        let timestamp = 160 * u32::from(n);
        let own = Rtp { number: 3 * n, timestamp, payload, ..Rtp::default() };
        hand.send(&Rtp { mid: Some("0"), ..own });
        hand.send(&Rtp { number: 3 * n + 1, payload_type: 99, ..own });
        hand.send(&Rtp { number: 3 * n + 2, payload_type: 99, payload: &[7; 30], ..own });
        hand.send(&Rtp { mid: Some("video"), ssrc: 0x3333_3333, number: n, ..own });
        hand.tick();
        hand.tick();
    }
    let dropped = hand.peer.dropped();
    assert_eq!((dropped.unknown_format, dropped.other_section), (200, 100));
    let figures = hand.peer.figures();
    assert_eq!((figures.packets_lost, figures.concealed_samples), (0, 0), "{figures:?}");
    assert_eq!(heard_last(&hand, 1.0).glitches(500.0), 0);
}

#[test]
fn a_codec_may_change_with_any_packet() {
    // rfc8834-4.3-1
    let mut hand = Hand::connected(Config::default());
    let (law, opus) = (tone(Codec::Pcma, 500.0, 200), tone(Codec::Opus, 500.0, 200));
    let mut timestamp = 1_000_u32;
    for n in 0..200_u16 {
        let is_opus = n / 50 % 2 == 1;
        let payload = if is_opus { &opus[usize::from(n)] } else { &law[usize::from(n)] };
        let payload_type = if is_opus { 111 } else { 8 };
        hand.send(&Rtp { number: n, timestamp, payload_type, payload, ..Rtp::default() });
        timestamp += if is_opus { 960 } else { 160 };
        hand.tick();
        hand.tick();
    }
    assert_eq!(hand.peer.figures().packets_lost, 0);
    for second in 0..4 {
        let from = hand.heard.len() as f64 / 48_000.0 - 4.0 + f64::from(second);
        let all = Recording { samples: hand.heard.clone(), rate: 48_000 };
        let pitch = all.between(from + 0.3, from + 0.9).pitch().unwrap();
        assert!((pitch - 500.0).abs() < 3.0, "{pitch} Hz in second {second}");
    }
}

#[test]
fn a_source_with_our_own_number_makes_us_take_another() {
    // rfc3550-8.2-1, rfc3550-8.2-2
    let mut hand = Hand::connected(Config::default());
    (0..20).for_each(|_| hand.tick());
    let own = Header::parse(&hand.rtp[0]).unwrap().ssrc;
    let payloads = tone(Codec::Pcmu, 500.0, 100);
    hand.rtcp.clear();
    hand.send(&Rtp { ssrc: own.0, payload: &payloads[0], ..Rtp::default() });
    let goodbyes: Vec<_> = hand.rtcp.iter().flat_map(|bytes| goodbyes(bytes)).collect();
    assert_eq!(goodbyes, [own.0], "BYE under the old number");
    hand.rtp.clear();
    let first = Rtp { ssrc: own.0, number: 1, timestamp: 160, ..Rtp::default() };
    speak(&mut hand, &payloads[1..], &first);
    let new = Header::parse(&hand.rtp[0]).unwrap().ssrc;
    assert_ne!(new, own);
    assert!(hand.rtp.iter().all(|packet| Header::parse(packet).unwrap().ssrc == new), "once");
    assert!((heard_last(&hand, 1.0).pitch().unwrap() - 500.0).abs() < 1.0, "theirs is played");
    let described = hand.peer.make_offer(hand.now).unwrap().to_string();
    assert!(described.contains(&format!("a=ssrc:{} cname:", new.0)), "{described}");
}

#[test]
fn our_own_packets_that_come_back_are_ignored() {
    // rfc3550-8.2-1: whatever number we take, somebody sends under it.
    let mut hand = Hand::connected(Config::default());
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..200_u16 {
        hand.tick();
        if let Some(packet) = hand.rtp.last() {
            let ssrc = Header::parse(packet).unwrap().ssrc.0;
            seen.insert(ssrc);
            let payload = [0xff; 160];
            let timestamp = 160 * u32::from(n);
            hand.send(&Rtp { ssrc, number: n, timestamp, payload: &payload, ..Rtp::default() });
        }
    }
    assert_eq!(seen.len(), 4, "three times, and no more");
    assert!(hand.peer.figures().packets_received <= 3, "none of them is sound");
}

fn goodbyes(compound: &[u8]) -> Vec<u32> {
    let packets = Compound::parse(compound).unwrap().packets();
    let bye = |packet| match packet {
        Rtcp::Goodbye(bye) => bye.sources().map(|ssrc| ssrc.0).collect(),
        _ => Vec::new(),
    };
    packets.flat_map(bye).collect()
}

#[test]
fn reports_leave_about_once_a_second_in_whole_compounds() {
    // rfc3550-6.1-1, rfc5506-4.2.3-1, rfc3550-6.4.1-1: SR while we speak, our name in each.
    let mut hand = Hand::connected(Config::default());
    hand.rtcp.clear();
    (0..3_000).for_each(|_| hand.tick());
    assert!((25..45).contains(&hand.rtcp.len()), "{} in 30 s", hand.rtcp.len());
    let own = Header::parse(&hand.rtp[0]).unwrap().ssrc;
    for (n, bytes) in hand.rtcp.iter().enumerate() {
        let compound = Compound::parse(bytes).unwrap();
        assert!(compound.is_full());
        let packets: Vec<_> = compound.packets().collect();
        assert!(matches!(packets[0], Rtcp::SenderReport(report) if report.ssrc == own), "{n}");
        assert!(matches!(packets[1], Rtcp::SourceDescription(_)));
        assert_eq!(packets.len(), 2);
    }
    // The counts are those of what we received.
    let Rtcp::SenderReport(last) =
        Compound::parse(hand.rtcp.last().unwrap()).unwrap().packets().next().unwrap()
    else {
        panic!("no sender report");
    };
    assert!(u64::from(last.info.packets) <= hand.rtp.len() as u64);
    assert!(u64::from(last.info.packets) > hand.rtp.len() as u64 - 80);
}

#[test]
fn a_hang_up_is_a_goodbye_inside_a_compound_and_then_close_notify() {
    // rfc3550-6.1-1, rfc3550-6.3.7-1
    let mut hand = Hand::connected(Config::default());
    (0..20).for_each(|_| hand.tick());
    let own = Header::parse(&hand.rtp[0]).unwrap().ssrc;
    hand.rtcp.clear();
    hand.peer_hangs_up();
    let [last] = hand.rtcp.as_slice() else { panic!("{:?}", hand.rtcp) };
    assert!(Compound::parse(last).unwrap().is_full(), "a report comes first");
    assert_eq!(goodbyes(last), [own.0]);
    assert!(hand.was_closed());
}

#[test]
fn close_notify_ends_the_call_and_all_sending_at_once() {
    // rfc7675-5.2-1
    let mut hand = Hand::connected(Config::default());
    (0..20).for_each(|_| hand.tick());
    hand.close();
    assert!(hand.peer.is_ended());
    let sent = (hand.rtp.len(), hand.rtcp.len());
    (0..3_000).for_each(|_| hand.tick());
    assert_eq!((hand.rtp.len(), hand.rtcp.len()), sent);
    let last = hand.events.last().unwrap();
    assert!(matches!(last, Event::Ended { end: End::HungUpByPeer, .. }), "{last:?}");
}

#[test]
fn our_packets_name_their_section_and_say_how_loud_they_are() {
    // rfc6464-3-1, rfc8843-9.2-1
    let mut hand = Hand::connected(Config::default());
    (0..50).for_each(|_| hand.tick());
    for bytes in &hand.rtp {
        let packet = Packet::parse(bytes).unwrap();
        let ids =
            halloo::rtp::ExtensionIds { mid: Some(1), audio_level: Some(2), ..Default::default() };
        let extensions = halloo::rtp::Extensions::read(&packet, &ids);
        assert_eq!(extensions.mid, Some(&b"0"[..]));
        let level = extensions.audio_level.unwrap();
        assert!(level.voice && (10..25).contains(&level.below_overload), "{level:?}");
    }
    let numbers: Vec<_> =
        hand.rtp.iter().map(|packet| Header::parse(packet).unwrap().sequence_number.0).collect();
    assert!(numbers.windows(2).all(|two| two[1] == two[0].wrapping_add(1)));
    assert!(numbers[0] < 1 << 15, "rfc3711-3.3.1-2: the first is in the lower half");
}

#[test]
fn a_mirror_sends_each_packet_back_in_its_place() {
    let mirror = Config { sending: Sending::Reflect, ..Config::default() };
    let mut hand = Hand::connected(mirror);
    let payloads = tone(Codec::Pcmu, 500.0, 6);
    // One lost, two in the wrong order, a pause; and another codec than the mirror's own favourite.
    let order: [(u16, u32); 6] =
        [(65_534, 0), (65_535, 160), (2, 640), (1, 480), (3, 800), (4, 16_000)];
    for (payload, (number, timestamp)) in payloads.iter().zip(order) {
        hand.send(&Rtp { number, timestamp, payload, ..Rtp::default() });
    }
    let back: Vec<_> = hand.rtp.iter().map(|packet| Packet::parse(packet).unwrap()).collect();
    assert_eq!(back.len(), 6);
    let first = back[0].header;
    for ((packet, payload), (number, timestamp)) in back.iter().zip(&payloads).zip(order) {
        assert_eq!(packet.header.payload_type, 0);
        assert_eq!(packet.payload, payload);
        let moved = packet.header.sequence_number.0.wrapping_sub(first.sequence_number.0);
        assert_eq!(moved, number.wrapping_sub(65_534));
        assert_eq!(packet.header.timestamp.0.wrapping_sub(first.timestamp.0), timestamp);
        assert_eq!(packet.header.marker, [65_534, 4].contains(&number), "{number}");
    }
}
