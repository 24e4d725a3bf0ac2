//! What sender and sound card do: pauses, new starts, other codecs, other clocks.

use super::*;

#[test]
fn a_sender_that_stops_and_goes_on_is_heard_at_the_same_delay() {
    let mut call = Call::new();
    call.frames(500, |_| Some(30));
    let before = call.lag_ms();
    call.heard.clear();
    for minutes in [1, 5] {
        call.pause(minutes * 3_000);
        call.run();
        call.frames(200, |_| Some(30));
    }
    assert!(call.count(Heard::Missing) <= 20, "two times 200 ms until it's clear");
    assert!(call.packets().len() >= 397, "{}", call.packets().len());
    assert!(call.lag_ms() <= before + 10, "{} ms", call.lag_ms());
}

#[test]
fn a_sender_that_starts_anew_is_heard_after_two_packets() {
    let mut call = Call::new();
    call.frames(300, |_| Some(30));
    (call.number, call.timestamp) = (60_000, 7);
    call.heard.clear();
    call.frames(300, |_| Some(30));
    assert!(call.packets().contains(&60_001));
    assert!(call.packets().len() >= 296, "{}", call.packets().len());
    assert_eq!(call.buffer.stats().refused, 1);
    assert!(call.lag_ms() <= 40);
}

#[test]
fn a_clock_that_is_set_back_by_a_second_costs_a_fifth_of_one() {
    let mut call = Call::new();
    call.frames(300, |_| Some(30));
    call.timestamp -= 48_000;
    call.heard.clear();
    call.frames(300, |_| Some(30));
    assert!(call.packets().len() >= 285, "{}", call.packets().len());
    assert!(call.lag_ms() <= 40);
}

#[test]
fn a_path_that_gets_longer_or_shorter_is_followed() {
    let mut call = Call::new();
    call.frames(500, |_| Some(30));
    call.heard.clear();
    call.frames(1_500, |_| Some(110));
    assert!(call.count(Heard::Missing) <= 5, "{}", call.count(Heard::Missing));
    assert!(call.lag_ms() <= 50, "{} ms behind the fastest", call.lag_ms());
    call.heard.clear();
    call.frames(1_500, |_| Some(30));
    assert!(call.lag_ms() <= 40, "{} ms", call.lag_ms());
    assert_eq!(call.count(Heard::Missing), 0);
    call.assert_in_order();
}

#[test]
fn a_sound_card_that_starts_late_hears_the_newest() {
    let mut call = Call::new();
    for _ in 0..100 {
        call.send(Some(30));
    }
    call.card_at_ns = call.send_at_us * 1_000 - 500_000_000;
    call.run();
    assert!(call.lag_ms() <= 100, "{} ms", call.lag_ms());
    assert!(call.packets().len() >= 20);
    call.frames(1_000, |_| Some(30));
    assert!(call.lag_ms() <= 40, "{} ms: and then comes closer", call.lag_ms());
}

#[test]
fn a_sound_card_that_stalls_is_not_behind_for_long() {
    let mut call = Call::new();
    call.frames(300, |_| Some(30));
    call.card_at_ns += 400_000_000;
    call.frames(100, |_| Some(30));
    assert!(call.lag_ms() <= 60, "{} ms", call.lag_ms());
    call.assert_in_order();
}

#[test]
fn padding_and_telephone_events_are_not_missing() {
    let mut call = Call::new();
    for frame in 0..500 {
        call.send(Some(30));
        if frame % 5 == 0 {
            // A probe takes a number but no time.
            call.buffer.insert_nothing(SequenceNumber(call.number));
            call.number += 1;
        }
        call.run();
    }
    assert_eq!(call.count(Heard::Missing), 0);
    assert!(call.packets().len() >= 497, "{}", call.packets().len());
}

/// Packets of another codec: `frames` of `ms`, beginning at the given number and time.
fn g711(buffer: &mut JitterBuffer, from: (u16, u64), ms: &[u32]) -> Vec<(u64, Duration, Codec)> {
    let (mut number, mut at_ms) = from;
    let (mut timestamp, mut left, mut played) = (77, Duration::ZERO, Vec::new());
    for &ms in ms {
        let payload = vec![0xff; 8 * ms as usize];
        buffer.insert(
            Instant::from_millis(at_ms),
            &Incoming {
                payload_type: 0,
                codec: Codec::Pcmu,
                ..incoming(number, timestamp, &payload)
            },
        );
        (number, timestamp) = (number.wrapping_add(1), timestamp + 8 * ms);
        for _ in 0..ms / 10 {
            if left.is_zero() {
                let now = Instant::from_millis(at_ms + 3);
                let playout = buffer.next(now);
                left = playout.duration();
                if let Playout::Packet { codec, .. } = playout {
                    played.push((at_ms, left, codec));
                }
            }
            left -= Duration::from_millis(10).min(left);
            at_ms += 10;
        }
    }
    played
}

#[test]
fn packets_of_10_20_40_and_60_ms_may_be_mixed() {
    // rfc3551-4.5.14-1
    let lengths: Vec<_> = (0..400).map(|at| [10, 20, 40, 60][at / 7 % 4]).collect();
    let mut buffer = JitterBuffer::new();
    let played = g711(&mut buffer, (1, 1_000), &lengths);
    assert!(played.len() >= 394, "{}", played.len());
    let durations: Vec<_> = played.iter().map(|(_, lasts, _)| lasts.as_millis()).collect();
    assert!([10, 20, 40, 60].iter().all(|ms| durations.contains(ms)));
}

#[test]
fn the_codec_may_change_in_mid_stream() {
    // rfc8834-4.3-1
    let mut call = Call::new();
    call.frames(200, |_| Some(0));
    let at_ms = call.card_at_ns.max(call.send_at_us * 1_000) / 1_000_000;
    let played = g711(&mut call.buffer, (call.number, at_ms), &[20; 200]);
    let pcmu = played.iter().filter(|(_, _, codec)| *codec == Codec::Pcmu).count();
    assert!(pcmu >= 196, "{pcmu}");
    assert_eq!(call.buffer.stats().refused, 0);
}

#[test]
fn a_quiet_packet_is_dropped_before_a_loud_one() {
    let run = |level: u8| {
        let mut buffer = JitterBuffer::new();
        let mut at_ms = 0;
        for frame in 0..500_u16 {
            // A path that gets shorter by 15 ms after 3 s leaves the delay that much too long.
            at_ms = u64::from(frame) * 20 + if frame < 150 { 15 } else { 0 };
            let payload = [0x48, 0x80, 0, 0];
            let level = AudioLevel { voice: level < QUIET, below_overload: level };
            let packet = incoming(frame, 960 * u32::from(frame), &payload);
            buffer.insert(
                Instant::from_millis(at_ms),
                &Incoming { audio_level: Some(level), ..packet },
            );
            buffer.next(Instant::from_millis(u64::from(frame) * 20 + 16));
        }
        assert!(at_ms > 0);
        buffer.stats()
    };
    assert_eq!((run(20).dropped, run(60).dropped), (0, 1));
}

#[test]
fn buffers_are_used_again() {
    let mut call = Call::new();
    call.frames(400, |_| Some(30));
    let buffers = |call: &Call| -> HashSet<_> {
        let numbers = (1_u64 << 16)..(1 << 16) + 2_000;
        numbers.filter_map(|number| Some(call.buffer.ring.get(number)?.payload.as_ptr())).collect()
    };
    let before = buffers(&call);
    assert_eq!(before.len(), usize::try_from(ring::SLOTS).unwrap());
    call.frames(400, |_| Some(30));
    let after = buffers(&call);
    assert_eq!(before, after);
}
