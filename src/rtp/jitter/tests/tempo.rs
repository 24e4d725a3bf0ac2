//! How the delay changes while somebody speaks.

use super::*;

/// Every second packet is later than the others, by up to 60 ms, and a little more each second: none is
/// later than the delay that was measured before it.
fn rising(call: &mut Call) {
    call.frames(500, |_| Some(30));
    call.frames(400, |frame| Some(30 + u64::from(frame * 60 / 400 * (frame % 2))));
    call.frames(200, |frame| Some(30 + 60 * u64::from(frame % 2)));
}

#[test]
fn a_delay_that_rises_and_falls_by_60_ms_costs_no_frame() {
    let mut call = Call::new();
    rising(&mut call);
    assert!((60..=90).contains(&call.lag_ms()), "{} ms", call.lag_ms());
    let inserted = call.buffer.stats().inserted;
    assert!((1_920..=4_320).contains(&inserted), "{inserted} samples are 40 to 90 ms");
    // Ten seconds later it is forgotten.
    call.frames(700, |_| Some(30));
    assert!(call.lag_ms() <= 30, "{} ms", call.lag_ms());
    assert_eq!((call.count(Heard::Missing), call.buffer.stats().discarded()), (0, 0));
    let removed = call.buffer.stats().removed;
    assert!((1_440..=4_320).contains(&removed), "{removed} samples");
    call.assert_in_order();

    // One change at a time, and no more than the fifteenth part of the time.
    let times: Vec<u64> = call.stretched.iter().map(|(at, _)| *at).collect();
    assert!(times.windows(2).all(|two| two[1] - two[0] >= 60_000), "{times:?}");
    let falling = call.stretched.iter().filter(|(_, by)| *by < 0).map(|(at, _)| *at);
    let took = falling.clone().max().unwrap() - falling.min().unwrap();
    assert!(took < 1_000_000, "{took} us");
}

#[test]
fn a_delay_that_is_right_is_left_alone() {
    for cycle in [120, 300, 437, 720] {
        let mut call = Call::new();
        call.cycle = Some(cycle);
        call.frames(500, jitter(8, 30, 60));
        call.stretched.clear();
        // The target itself moves by a step now and then, as late packets come and are forgotten.
        call.frames(9_000, jitter(9, 30, 60));
        assert!(call.stretched.len() <= 12, "{cycle}: {:?}", call.stretched);
    }
}

#[test]
fn a_noise_that_cannot_be_stretched_is_cut_and_concealed_seldom() {
    let mut call = Call::new();
    call.cycle = None;
    rising(&mut call);
    assert!(call.lag_ms() >= 50, "{} ms", call.lag_ms());
    call.frames(700, |_| Some(30));
    assert!(call.lag_ms() <= 45, "{} ms", call.lag_ms());
    let (missing, dropped) = (call.count(Heard::Missing), call.buffer.stats().dropped);
    assert!((2..=12).contains(&missing), "{missing} concealed");
    assert!((2..=4).contains(&dropped), "{dropped} dropped");
}

#[test]
fn a_delay_for_copies_comes_and_stays_without_a_frame_concealed_for_it() {
    let mut call = Call::new();
    call.frames(500, |_| Some(30));
    let before = call.lag_ms();
    // One of ten is lost, and repeated; between words nothing is worth a copy.
    for word in 0..40 {
        call.fec = word % 2 == 0;
        call.frames(25, |frame| (frame % 10 != 9).then_some(30));
    }
    let stats = call.buffer.stats();
    assert!(call.lag_ms() >= before.max(25), "{} ms", call.lag_ms());
    assert_eq!(stats.dropped, 0);
    assert!(stats.inserted <= 1_440, "{} samples: 20 ms are wanted, once", stats.inserted);
    assert_eq!(stats.removed, 0, "and not given back between words");
    // 40 lost ones have no copy, and the first few come before it's clear that there are any.
    assert!((40..=46).contains(&call.count(Heard::Missing)), "{}", call.count(Heard::Missing));
}

#[test]
fn what_was_stretched_is_counted() {
    let mut buffer = JitterBuffer::new();
    buffer.stretched(Instant::ZERO, 437);
    buffer.stretched(Instant::ZERO, -200);
    buffer.stretched(Instant::ZERO, 0);
    assert_eq!((buffer.stats().inserted, buffer.stats().removed), (437, 200));
}
