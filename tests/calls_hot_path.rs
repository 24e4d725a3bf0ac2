//! What a running call costs in memory: nothing for a media packet, nothing that grows for a hostile one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]

mod common {
    pub mod call;
    pub mod listen;
}

use std::time::Duration;

use allocation_counter::measure;
use common::call::{Call, Side, recorded};
use halloo::audio::{Channels, Frame};
use halloo::ice::PathId;
use halloo::net::impair::Impairment;
use halloo::peer::config::{CodecName, Config, Sending};
use halloo::peer::demux::{Protocol, classify};
use halloo::peer::{Input, Output};
use halloo::sdp::{Description, Fragment};
use halloo::time::Instant;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

fn connected(alice: Config, bob: Config) -> Call {
    let mut call = Call::with_configs(1, &Impairment::default(), alice, bob);
    call.signal();
    call.connect();
    call.run_for(Duration::from_secs(3));
    call
}

/// What a side sends goes to the other at once; says how many media packets that were.
fn pass_on(now: Instant, from: &mut Side, to: &mut Side, datagram: &mut Vec<u8>) -> usize {
    let mut media = 0;
    loop {
        match from.peer.poll_output() {
            Output::Timeout(_) => return media,
            Output::Event(_) | Output::NameToResolve(_) => {}
            other @ (Output::OpenRelay { .. } | Output::CloseRelay(_)) => panic!("{other:?}"),
            Output::Transmit { path, bytes, .. } => {
                media += usize::from(classify(bytes) == Some(Protocol::Rtp));
                datagram.clear();
                datagram.extend_from_slice(bytes);
                let input = Input::Datagram { path, from: from.addr, bytes: datagram };
                to.peer.handle_input(now, input);
            }
        }
    }
}

#[test]
fn a_media_packet_allocates_nothing_from_the_microphone_to_the_loudspeaker() {
    let only = |codec| Config { codecs: vec![codec], ..Config::default() };
    let reflect = Config { sending: Sending::Reflect, ..Config::default() };
    for (what, alice, bob) in [
        ("Opus", Config::default(), Config::default()),
        ("G722", only(CodecName::G722), only(CodecName::G722)),
        ("PCMU", only(CodecName::Pcmu), only(CodecName::Pcmu)),
        ("a mirror", Config::default(), reflect),
    ] {
        let mut call = connected(alice, bob);
        let mut datagram = Vec::with_capacity(2_000);
        let mut spoken = Frame::silence(Channels::Mono);
        for (n, sample) in spoken.samples_mut().iter_mut().enumerate() {
            *sample = 0.3 * (n as f32 * 0.2).sin();
        }
        let mut heard = Frame::silence(Channels::Mono);
        let mut now = call.now;
        let mut tick = |call: &mut Call| {
            now += Frame::DURATION;
            let mut packets = 0;
            call.alice.peer.handle_input(now, Input::Audio(&spoken));
            packets += pass_on(now, &mut call.alice, &mut call.bob, &mut datagram);
            call.bob.peer.handle_input(now, Input::Audio(&spoken));
            packets += pass_on(now, &mut call.bob, &mut call.alice, &mut datagram);
            call.alice.peer.play(now, &mut heard);
            call.bob.peer.play(now, &mut heard);
            packets
        };
        (0..300).for_each(|_| assert!(tick(&mut call) <= 2));
        let mut packets = 0;
        let counted = measure(|| packets = (0..400).map(|_| tick(&mut call)).sum());
        assert_eq!(packets, 400, "{what}: two each 20 ms");
        assert_eq!(counted.count_total, 0, "{what}: {counted:?}");
    }
}

/// Datagrams that a stranger might send: noise, noise behind a protocol's first bytes, spoilt real ones.
fn hostile(rng: &mut StdRng, real: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = match rng.random_range(0..4_u8) {
        0 => vec![0; rng.random_range(0..1_500)],
        1 => {
            let first = [0, 20, 22, 23, 64, 128, 144][rng.random_range(0..7)];
            let mut bytes = vec![0; rng.random_range(2..200)];
            rng.fill_bytes(&mut bytes);
            bytes[0] = first;
            return bytes;
        }
        _ => real[rng.random_range(0..real.len())].clone(),
    };
    match rng.random_range(0..3_u8) {
        0 => rng.fill_bytes(&mut bytes),
        1 => bytes.truncate(rng.random_range(0..=bytes.len())),
        _ => {
            for _ in 0..rng.random_range(1..4) {
                if !bytes.is_empty() {
                    let at = rng.random_range(0..bytes.len());
                    bytes[at] = rng.random();
                }
            }
        }
    }
    bytes
}

#[test]
fn ten_thousand_hostile_datagrams_do_not_make_a_call_grow() {
    let real = recorded(2);
    let mut rng = StdRng::seed_from_u64(3);
    for is_connected in [true, false] {
        let mut call = if is_connected {
            connected(Config::default(), Config::default())
        } else {
            // The most open moment: Alice's offer is out, and nobody is known yet.
            let mut call = Call::new(4, &Impairment::default());
            call.alice.peer.make_offer(call.now).unwrap();
            call
        };
        let (mut now, known) = (call.now, call.bob.addr);
        let mut attack = |count: u32| {
            for n in 0..count {
                now += Duration::from_millis(1);
                let mut bytes = hostile(&mut rng, &real);
                let stranger = ([198, 51, 100, (n % 250) as u8], 1_024 + (n % 60_000) as u16);
                let from = if n % 2 == 0 { known } else { stranger.into() };
                let input = Input::Datagram { path: PathId(0), from, bytes: &mut bytes };
                call.alice.peer.handle_input(now, input);
                while !matches!(call.alice.peer.poll_output(), Output::Timeout(_)) {}
            }
        };
        attack(2_000);
        let counted = measure(|| attack(10_000));
        assert!(counted.bytes_current < 20_000, "it grew: {counted:?}");
        assert!(!call.alice.peer.is_ended());
        if is_connected {
            let before = call.alice.peer.figures().packets_received;
            call.now = now;
            call.run_for(Duration::from_secs(2));
            assert!(call.alice.peer.figures().packets_received - before > 90, "it goes on");
        }
    }
}

#[test]
fn no_datagram_makes_a_peer_panic() {
    let real = recorded(2);
    let mut runner = TestRunner::default();
    let strategy = (any::<u64>(), prop::collection::vec(any::<u8>(), 0..300));
    let mut calls =
        [connected(Config::default(), Config::default()), Call::new(5, &Impairment::default())];
    calls[1].alice.peer.make_offer(Instant::ZERO).unwrap();
    let calls = std::cell::RefCell::new(calls);
    let attack = |(seed, mut noise): (u64, Vec<u8>)| {
        let mut rng = StdRng::seed_from_u64(seed);
        for call in calls.borrow_mut().iter_mut() {
            let (now, from, path) = (call.now, call.bob.addr, PathId(0));
            let mut spoilt = hostile(&mut rng, &real);
            for bytes in [&mut spoilt, &mut noise] {
                call.alice.peer.handle_input(now, Input::Datagram { path, from, bytes });
            }
            while !matches!(call.alice.peer.poll_output(), Output::Timeout(_)) {}
        }
        Ok(())
    };
    runner.run(&strategy, attack).unwrap();
}

/// Lines of a description, some of them twice, missing, moved or with another number.
fn shuffled(text: &str, seed: u64) -> String {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..rng.random_range(1..5) {
        let at = rng.random_range(0..lines.len());
        let other = rng.random_range(0..lines.len());
        match rng.random_range(0..4_u8) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[other].clone()),
            2 => lines.swap(at, other),
            _ => {
                let digit = char::from(b'0' + rng.random_range(0..10_u8));
                lines[at] = lines[at].replace(digit, &rng.random_range(0..99_999_u32).to_string());
            }
        }
        if lines.is_empty() {
            break;
        }
    }
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

#[test]
fn no_description_or_fragment_makes_a_peer_panic_or_a_refused_one_change_it() {
    let mut taken = 0;
    for seed in 0..600 {
        let mut call = Call::new(seed, &Impairment::default());
        let now = call.now;
        let offer = call.alice.peer.make_offer(now).unwrap().to_string();
        if let Ok(offer) = shuffled(&offer, seed).parse::<Description>() {
            let answer = call.bob.peer.accept_offer(now, &offer);
            if let Ok(answer) = answer {
                let text = answer.to_string();
                assert!(text.parse::<Description>().is_ok(), "our own answer reads: {text}");
                let spoilt = shuffled(&text, seed + 1);
                let spoilt = spoilt
                    .parse::<Description>()
                    .map(|answer| call.alice.peer.accept_answer(now, &answer).is_ok());
                taken += u32::from(spoilt == Ok(true));
            }
        }
        let candidates = offer.lines().filter(|line| {
            ["a=ice", "a=cand", "a=mid", "a=end", "m="].iter().any(|start| line.starts_with(start))
        });
        let text: String = candidates.map(|line| format!("{line}\r\n")).collect();
        if let Ok(fragment) = shuffled(&text, seed + 2).parse::<Fragment>() {
            let _ = call.bob.peer.apply_fragment(now, &fragment);
        }
        call.run_for(Duration::from_millis(200));
    }
    assert!(taken > 50, "{taken} of 600 spoilt answers were still good");
}
