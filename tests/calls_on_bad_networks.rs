//! Whole calls over networks that lose, delay, reorder, repeat and forge, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]

mod common {
    pub mod call;
    pub mod listen;
}

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use common::call::{Call, Who};
use halloo::net::impair::Impairment;
use halloo::peer::config::{Config, OpusSettings};
use halloo::peer::demux::{Protocol, classify};
use halloo::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn network() -> Impairment {
    Impairment { delay: Duration::from_millis(20), ..Impairment::default() }
}

fn is_rtp(bytes: &[u8]) -> bool {
    classify(bytes) == Some(Protocol::Rtp)
}

/// Keeps a copy of every RTP packet that `who` sends.
fn record_rtp(call: &mut Call, who: Who) -> Rc<RefCell<Vec<Vec<u8>>>> {
    let packets = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&packets);
    call.filter = Box::new(move |_, by, bytes| {
        if by == who && is_rtp(bytes) {
            kept.borrow_mut().push(bytes.clone());
        }
        true
    });
    packets
}

#[test]
fn at_20_percent_loss_every_call_connects_and_most_with_one_repetition() {
    // DTLS datagrams are not lost here: tests/dtls_loss.rs loses each of them in real time.
    let lossy = Impairment { loss: 0.2, ..network() };
    let mut set_up: Vec<Duration> = (0..200)
        .map(|seed| {
            let mut call = Call::new(seed, &lossy);
            call.signal();
            call.connect();
            call.now.since_start()
        })
        .collect();
    set_up.sort();
    let (median, slowest) = (set_up[set_up.len() / 2], set_up[set_up.len() - 1]);
    println!("median {median:?}, 95 % within {:?}, slowest {slowest:?}", set_up[190]);
    assert!(median <= Duration::from_millis(650), "median {median:?}");
    assert!(slowest <= 8 * SECOND, "slowest {slowest:?}");
}

#[test]
fn at_20_percent_loss_a_tone_keeps_its_pitch() {
    for seed in 0..5 {
        let lossy = Impairment { loss: 0.2, ..network() };
        let mut call = Call::new(seed, &lossy);
        call.signal();
        call.connect();
        call.run_for(10 * SECOND);
        for side in [&call.alice, &call.bob] {
            let pitch = side.heard_last(5.0).pitch().unwrap();
            let others = 1_100.0 - f64::from(side.tone);
            assert!((pitch - others).abs() < 2.0, "{pitch} Hz instead of {others}");
            let figures = side.peer.figures();
            let lost = figures.packets_lost as f64 / figures.packets_received as f64;
            assert!((0.15..0.35).contains(&lost), "{lost} lost for each one received");
            // What was lost is made up, and hardly more.
            let made_up = figures.concealed_samples as f64 / figures.total_samples as f64;
            assert!(made_up < 0.25, "{made_up} made up");
            assert!(figures.jitter_buffer_delay < 200.0, "{} ms", figures.jitter_buffer_delay);
        }
    }
}

#[test]
fn overtaken_and_repeated_packets_are_neither_lost_nor_heard_twice() {
    // rfc3711-3.3.2-1, rfc7587-4.1-2
    let messy = Impairment { reorder: 0.05, duplicate: 0.1, ..network() };
    let mut call = Call::new(1, &messy);
    call.signal();
    call.connect();
    call.run_for(20 * SECOND);
    for side in [&call.alice, &call.bob] {
        let figures = side.peer.figures();
        // An overtaken one counts as lost until it comes.
        assert!(figures.packets_lost <= 2, "{} lost", figures.packets_lost);
        assert!(figures.packets_received <= 1_001, "{} received", figures.packets_received);
        let replayed = side.peer.dropped().replayed;
        assert!((60..160).contains(&replayed), "{replayed} replays for 100 repeated packets");
        let made_up = figures.concealed_samples as f64 / figures.total_samples as f64;
        assert!(made_up < 0.01, "{made_up} made up");
        let others = 1_100.0 - f64::from(side.tone);
        assert!((side.heard_last(5.0).pitch().unwrap() - others).abs() < 1.0);
    }
}

#[test]
fn a_single_lost_packet_is_restored_from_the_one_behind_it() {
    // rfc7587-3.3-1
    let voice = |fec| {
        let opus = OpusSettings { fec, ..OpusSettings::default() };
        let config = Config { opus, ..Config::default() };
        let mut call = Call::with_configs(2, &network(), config.clone(), config);
        call.alice.tone = 150.0;
        call.alice.overtones = 20;
        let mut sent = 0;
        call.filter = Box::new(move |_, who, bytes| {
            sent += u32::from(who == Who::Alice && is_rtp(bytes));
            who == Who::Bob || !is_rtp(bytes) || !sent.is_multiple_of(8)
        });
        call.signal();
        call.connect();
        call.run_for(20 * SECOND);
        let figures = call.bob.peer.figures();
        assert!((120..130).contains(&figures.packets_lost), "{} lost", figures.packets_lost);
        let fec = call.bob.stat(call.now, "inbound-rtp", "fecPacketsReceived").as_u64().unwrap();
        (fec, figures.concealed_samples)
    };
    let (restored, made_up) = voice(true);
    assert!(restored >= 80, "{restored} of 125 were restored");
    let (not_restored, all_made_up) = voice(false);
    assert_eq!(not_restored, 0);
    assert!(made_up < all_made_up / 2, "{made_up} samples made up, {all_made_up} without FEC");
}

#[test]
fn jitter_is_played_smoothly() {
    let jittery = Impairment { jitter: Duration::from_millis(60), ..network() };
    let mut call = Call::new(3, &jittery);
    call.signal();
    call.connect();
    call.run_for(30 * SECOND);
    for side in [&call.alice, &call.bob] {
        let figures = side.peer.figures();
        let made_up = figures.concealed_samples as f64 / figures.total_samples as f64;
        assert!(made_up < 0.02, "{made_up} made up");
        assert!((30.0..150.0).contains(&figures.jitter_buffer_delay), "{figures:?}");
        assert!(figures.jitter > 5.0, "{figures:?}");
    }
}

#[test]
fn replayed_and_forged_packets_are_counted_and_the_call_goes_on() {
    // rfc3711-3.3.2-1, rfc3711-3.3-1: nothing moves before a packet has proved itself.
    let mut call = Call::new(4, &network());
    let packets = record_rtp(&mut call, Who::Alice);
    call.signal();
    call.connect();
    call.run_for(2 * SECOND);
    let replayed: Vec<_> = packets.borrow().iter().take(50).cloned().collect();
    for packet in &replayed {
        call.inject(Who::Bob, packet);
    }
    assert_eq!(call.bob.peer.dropped().replayed, 50);
    let last = packets.borrow().last().unwrap().clone();
    for n in 0..1_000_u16 {
        let mut forged = last.clone();
        match n % 4 {
            // A number that would make Bob believe in another rollover.
            0 => forged[2..4].copy_from_slice(&n.wrapping_mul(65).to_be_bytes()),
            // Somebody else's source.
            1 => forged[8..12].copy_from_slice(&u32::from(n).to_be_bytes()),
            2 => *forged.last_mut().unwrap() ^= 1,
            _ => forged[12..].reverse(),
        }
        call.inject(Who::Bob, &forged);
    }
    let dropped = call.bob.peer.dropped();
    let all = dropped.replayed + dropped.forged + dropped.malformed;
    assert_eq!(all, 1_050, "every one is counted: {dropped:?}");
    assert!(dropped.forged > 500, "{dropped:?}");
    let before = call.bob.peer.figures().packets_received;
    call.run_for(3 * SECOND);
    let figures = call.bob.peer.figures();
    assert!((149..=151).contains(&(figures.packets_received - before)), "as if nothing had been");
    assert_eq!((figures.packets_lost, figures.concealed_samples), (0, 0));
    assert_eq!(call.bob.heard_last(2.0).glitches(440.0), 0);
}

#[test]
fn media_from_an_unproven_address_is_not_even_opened() {
    // rfc8834-4.7-1
    let mut call = Call::new(4, &network());
    let packets = record_rtp(&mut call, Who::Alice);
    call.signal();
    call.connect();
    call.run_for(SECOND);
    let mut packet = packets.borrow().last().unwrap().clone();
    let from = "198.51.100.7:5000".parse().unwrap();
    let path = halloo::ice::PathId(0);
    let input = halloo::peer::Input::Datagram { path, from, bytes: &mut packet };
    call.bob.peer.handle_input(call.now, input);
    let dropped = call.bob.peer.dropped();
    assert_eq!((dropped.unproven, dropped.replayed), (1, 0));
}

#[test]
fn the_sequence_number_wraps_twice_amid_reordering() {
    // rfc3711-3.3.1-1: 22 minutes of 10 ms packets, every second one near the wrap overtaken.
    let opus = OpusSettings { frame: Duration::from_millis(10), ..OpusSettings::default() };
    let config = Config { opus, ..Config::default() };
    let messy = Impairment { reorder: 0.05, duplicate: 0.02, ..network() };
    let mut call = Call::with_configs(5, &messy, config.clone(), config);
    let sendonly = |offer: String| offer.replace("a=sendrecv", "a=sendonly");
    call.signal_edited(Who::Alice, sendonly, |answer| answer);
    // Numbers on both sides of a wrap, as they arrive.
    let (arrived, seen) = (Rc::new(RefCell::new(Vec::<u16>::new())), Rc::default());
    let wraps: Rc<RefCell<Vec<Instant>>> = Rc::clone(&seen);
    let numbers = Rc::clone(&arrived);
    call.arrival = Box::new(move |_, by, bytes| {
        if by == Who::Alice && is_rtp(bytes) {
            let number = u16::from_be_bytes([bytes[2], bytes[3]]);
            if !(5..=u16::MAX - 5).contains(&number) {
                numbers.borrow_mut().push(number);
            }
        }
        true
    });
    call.filter = Box::new(move |now, by, bytes| {
        if by == Who::Alice && is_rtp(bytes) && bytes[2..4] == [0, 0] {
            wraps.borrow_mut().push(now);
        }
        true
    });
    call.connect();
    call.alice.tone = 0.0;
    (call.alice.has_loudspeaker, call.bob.has_microphone) = (false, false);
    call.detour = Box::new(|_, bytes| {
        let near_the_wrap =
            is_rtp(bytes) && matches!(bytes[2..4], [0xff, 0xf0..=0xff] | [0, 0..0x10]);
        let late = near_the_wrap && bytes[3] % 2 == 1;
        Duration::from_millis(if late { 35 } else { 0 })
    });
    let twice = |_: &Call| seen.borrow().len() == 2;
    assert!(call.run_until(1_400 * SECOND, twice), "wrapped {} times", seen.borrow().len());
    call.alice.tone = 440.0;
    call.run_for(3 * SECOND);
    let arrived = arrived.borrow();
    let back = |two: &[u16]| two[0] < 10 && two[1] > u16::MAX - 10;
    let crossings = arrived.windows(2).filter(|two| back(two)).count();
    assert!(crossings >= 2, "no packet crossed the wrap backwards: {arrived:?}");
    let (sent, figures) = (call.alice.peer.figures().packets_sent, call.bob.peer.figures());
    assert!(sent > 1 << 17 >> 1);
    assert!(sent - figures.packets_received <= 6, "{sent} sent, {figures:?}");
    assert!(figures.packets_lost <= 5, "{figures:?}");
    assert_eq!(call.bob.peer.dropped().forged, 0, "a wrong guess about the rollover");
    let made_up = figures.concealed_samples as f64 / figures.total_samples as f64;
    assert!(made_up < 0.01, "{made_up} made up");
    assert!((call.bob.heard_last(2.0).pitch().unwrap() - 440.0).abs() < 1.0);
}

#[test]
fn a_gap_of_ten_seconds_is_survived() {
    let mut call = Call::new(6, &network());
    call.signal();
    call.connect();
    call.run_for(5 * SECOND);
    let end = call.now + 10 * SECOND;
    call.filter = Box::new(move |now, _, _| now >= end);
    call.run_for(20 * SECOND);
    for side in [&call.alice, &call.bob] {
        assert!(side.ended().is_none(), "{:?}", side.ended());
        let others = 1_100.0 - f64::from(side.tone);
        assert_eq!(side.heard_last(2.0).glitches(others), 0);
        let figures = side.peer.figures();
        assert!((480..=520).contains(&figures.packets_lost), "{} lost", figures.packets_lost);
        assert!(figures.jitter_buffer_delay < 100.0, "{} ms", figures.jitter_buffer_delay);
    }
}
