//! The delay of a call follows the network, and nobody hears it: a tone through real codecs, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]

mod common {
    pub mod call;
    pub mod listen;
}

use std::time::Duration;

use common::call::{Call, Who};
use common::listen::Recording;
use halloo::net::impair::Impairment;
use halloo::peer::config::{CodecName, Config, OpusSettings};
use halloo::peer::demux::{Protocol, classify};

/// Eleven cycles in 25 ms, and no whole number of them in a packet: one that is dropped is heard.
const TONE: f64 = 440.0;
const SECOND: Duration = Duration::from_secs(1);

/// Alice's tone is heard by Bob; all is steady.
fn talk(config: &Config) -> Call {
    let network = Impairment { delay: Duration::from_millis(20), ..Impairment::default() };
    let mut call = Call::with_configs(7, &network, config.clone(), config.clone());
    call.alice.tone = TONE as f32;
    call.signal();
    call.connect();
    call.run_for(3 * SECOND);
    call.bob.heard.clear();
    call
}

/// Says which of Alice's packets this is, by number.
fn packets_of_alice() -> impl FnMut(Who, &[u8]) -> Option<u32> {
    let mut sent = 0;
    move |who, bytes| {
        let counts = who == Who::Alice && classify(bytes) == Some(Protocol::Rtp);
        sent += u32::from(counts);
        counts.then_some(sent)
    }
}

/// How long Bob's jitter buffer holds a packet, in milliseconds.
fn delay(call: &Call) -> f64 {
    call.bob.peer.figures().jitter_buffer_delay
}

/// Seconds until `done`, seen each 20 ms.
fn seconds_until(call: &mut Call, limit: u32, done: impl Fn(f64) -> bool) -> f64 {
    let start = call.now;
    while !done(delay(call)) {
        assert!(call.now - start < limit * SECOND, "the delay is still {} ms", delay(call));
        call.run_for(Duration::from_millis(20));
    }
    (call.now - start).as_secs_f64()
}

/// Every 25 ms of it are the tone, as loud as all others; and it goes on without a jump.
fn assert_is_smooth(what: &str, heard: &[f32]) {
    let heard = Recording { rate: 48_000, samples: heard.to_vec() };
    let usual = heard.last(0.5).amplitude(TONE);
    assert!((0.45..0.55).contains(&usual), "{what}: {usual}");
    let mut spoiled = Vec::new();
    for (n, piece) in heard.samples.chunks_exact(1_200).enumerate() {
        let piece = Recording { rate: heard.rate, samples: piece.to_vec() };
        let (level, purity) = (piece.amplitude(TONE) / usual, piece.purity(TONE));
        if !(0.97..1.03).contains(&level) || purity < 0.997 {
            spoiled.push((n, level, purity));
        }
    }
    assert!(spoiled.is_empty(), "{what}: {spoiled:?}");
    assert_eq!(heard.glitches(TONE), 0, "{what}");
}

/// Each with the length of its packets.
fn configs() -> Vec<(&'static str, Duration, Config)> {
    let only = |codec| Config { codecs: vec![codec], ..Config::default() };
    let opus = |ms| {
        let frame = Duration::from_millis(ms);
        (
            frame,
            Config { opus: OpusSettings { frame, ..OpusSettings::default() }, ..Config::default() },
        )
    };
    let [(short, short_opus), (usual, usual_opus), (long, long_opus)] = [10, 20, 60].map(opus);
    vec![
        ("Opus", usual, usual_opus),
        ("Opus, 10 ms", short, short_opus),
        ("Opus, 60 ms", long, long_opus),
        ("G.722", usual, only(CodecName::G722)),
        ("PCMU", usual, only(CodecName::Pcmu)),
    ]
}

/// Every second packet comes later than the others, by more and more, up to 60 ms; after a while no more.
#[test]
fn a_delay_that_rises_and_falls_by_60_ms_is_not_heard() {
    for (what, frame, config) in configs() {
        let mut call = talk(&config);
        let before = delay(&call);
        let mut number = packets_of_alice();
        call.detour = Box::new(move |who, bytes| {
            let Some(number) = number(who, bytes) else { return Duration::ZERO };
            let at = frame * number;
            let share = at.as_secs_f64() / 8.0;
            let most = if at > 11 * SECOND { 0.0 } else { 0.06 * share.min(1.0) };
            Duration::from_secs_f64(most * f64::from(number % 2))
        });
        call.run_for(11 * SECOND);
        assert!(delay(&call) >= before + 30.0, "{what}: {before} to {} ms", delay(&call));
        let long = delay(&call);
        // Forgotten after 512 packets, and then it goes quickly.
        seconds_until(&mut call, 40, |delay| delay <= long - 5.0);
        let took = seconds_until(&mut call, 5, |delay| delay <= 35.0);
        println!("{what}: {before:.1} to {long:.1} ms and back in {took:.2} s");
        assert!(took <= 1.5, "{what}: {took} s");
        call.run_for(SECOND);
        assert_is_smooth(what, &call.bob.heard);
        assert_eq!(call.bob.peer.figures().concealed_samples, 0, "{what}");
        let inserted = call.bob.stat(call.now, "inbound-rtp", "insertedSamplesForDeceleration");
        let removed = call.bob.stat(call.now, "inbound-rtp", "removedSamplesForAcceleration");
        let (inserted, removed) = (inserted.as_u64().unwrap(), removed.as_u64().unwrap());
        assert!(inserted > 1_400 && removed > 1_400, "{what}: +{inserted} -{removed}");
    }
}
