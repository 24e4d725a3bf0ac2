//! What the network does to the packets.

use super::*;

#[test]
fn on_a_clean_path_every_packet_is_played_within_two_frames() {
    let mut call = Call::new();
    call.frames(3_000, |_| Some(30));
    assert_eq!(call.count(Heard::Missing), 0);
    assert!(call.packets().len() >= 2_997, "all but those still waiting");
    assert!(call.lag_ms() <= 40, "{} ms", call.lag_ms());
    let first = call.heard.iter().find(|(_, heard)| matches!(heard, Heard::Packet(_))).unwrap();
    assert!(first.0 <= 1_000_000 + 30_000 + 40_000, "first sound at {} us", first.0);
    let stats = call.buffer.stats();
    let mean = stats.delay / stats.emitted as f64;
    assert!((0.01..0.04).contains(&mean), "jitterBufferDelay / EmittedCount = {mean}");
    assert!(stats.target_delay / stats.emitted as f64 <= 0.02);
    assert_eq!(stats.discarded() + stats.inserted + stats.removed, 0);
}

#[test]
fn jitter_of_40_ms_raises_the_delay_and_little_is_concealed() {
    let mut call = Call::new();
    call.frames(500, jitter(1, 30, 70));
    call.heard.clear();
    call.frames(3_000, jitter(2, 30, 70));
    assert!(call.concealed() < 0.012, "{}", call.concealed());
    assert!((35..=75).contains(&call.lag_ms()), "{} ms", call.lag_ms());
    call.assert_in_order();
    // A path that calms down is heard sooner again.
    call.frames(1_500, |_| Some(30));
    assert!(call.lag_ms() <= 40, "{} ms", call.lag_ms());
}

#[test]
fn at_20_percent_loss_the_copies_are_used() {
    let mut call = Call::new();
    call.fec = true;
    let mut rng = StdRng::seed_from_u64(3);
    call.frames(3_000, |_| (!rng.random_bool(0.2)).then_some(30));
    let (fec, missing) = (call.buffer.stats().fec, call.count(Heard::Missing));
    // Of 600 lost, 80 % have their neighbour; the others, and a few at the start, can't be helped.
    assert!((450..=500).contains(&fec), "{fec}");
    assert!((100..=150).contains(&missing), "{missing}");
    assert!(call.lag_ms() <= 60, "{} ms", call.lag_ms());
    call.assert_in_order();
}

#[test]
fn a_single_loss_costs_one_frame_and_no_delay() {
    let mut call = Call::new();
    call.frames(500, |_| Some(30));
    let before = call.lag_ms();
    call.frames(100, |frame| (frame != 10).then_some(30));
    assert_eq!((call.count(Heard::Missing), call.lag_ms()), (1, before));
    assert_eq!(call.packets().len(), call.packets().iter().collect::<HashSet<_>>().len());
}

#[test]
fn a_burst_of_losses_costs_what_it_lost_and_no_delay() {
    let mut call = Call::new();
    call.frames(500, |_| Some(30));
    let before = call.lag_ms();
    call.frames(200, |frame| (!(50..55).contains(&frame)).then_some(30));
    assert_eq!((call.count(Heard::Missing), call.lag_ms()), (5, before));
    // After 200 ms concealment has faded out: the rest of a longer one is silence.
    call.heard.clear();
    call.frames(200, |frame| (!(50..75).contains(&frame)).then_some(30));
    assert_eq!((call.count(Heard::Missing), call.count(Heard::Silence)), (10, 15));
    assert!(call.lag_ms() <= before, "{} ms", call.lag_ms());
}

#[test]
fn a_burst_that_was_held_up_is_played_late_and_the_delay_comes_back() {
    let mut call = Call::new();
    call.frames(500, |_| Some(30));
    let before = call.lag_ms();
    call.heard.clear();
    // Nothing for 140 ms, then all at once.
    call.frames(300, |frame| Some(if frame < 7 { 30 + 140 - 20 * u64::from(frame) } else { 30 }));
    let (played, first) = (call.packets(), 100 + 500);
    assert!((first..first + 20).all(|number| played.contains(&number)), "{played:?}");
    call.assert_in_order();
    call.frames(1_800, |_| Some(30));
    assert!(call.lag_ms() <= before + 20, "{} ms", call.lag_ms());
}

#[test]
fn packets_out_of_order_and_twice_are_played_in_order_and_once() {
    let mut call = Call::new();
    let mut rng = StdRng::seed_from_u64(5);
    for frame in 0..3_000 {
        // Every tenth packet is overtaken by the one behind; every twentieth comes again.
        let delay = if frame % 10 == 3 { 55 } else { 30 };
        if rng.random_bool(0.05) {
            let copy = (call.number, call.timestamp, call.send_at_us);
            call.send(Some(delay));
            let [n0, n1] = copy.0.to_be_bytes();
            let arrival = (copy.2 + 35_000 + delay * 1_000, u32::MAX - call.sent);
            call.network.insert(arrival, (copy.0, copy.1, vec![0x48, 0x80, n0, n1]));
        } else {
            call.send(Some(delay));
        }
    }
    call.run();
    call.assert_in_order();
    assert!(call.buffer.stats().duplicates > 100);
    assert!(call.count(Heard::Missing) < 15, "{}", call.count(Heard::Missing));
}

#[test]
fn numbers_wrap_twice_with_packets_out_of_order_across_the_wrap() {
    let mut call = Call::new();
    call.number = 65_530;
    call.timestamp = u32::MAX - 5_000;
    let mut rng = StdRng::seed_from_u64(6);
    call.frames(140_000, |_| Some(if rng.random_bool(0.3) { 52 } else { 30 }));
    assert!(call.concealed() < 0.001, "{}", call.concealed());
    assert!(call.packets().len() > 139_950, "{}", call.packets().len());
    call.assert_in_order();
}

#[test]
fn a_sound_card_that_drifts_is_followed_for_half_an_hour() {
    for (card_ns, cycle) in
        [(10_002_000, Some(437)), (9_998_000, Some(437)), (10_002_000, None), (9_998_000, None)]
    {
        let mut call = Call::new();
        (call.card_ns, call.cycle) = (card_ns, cycle);
        for _minute in 0..30 {
            call.frames(3_000, jitter(7, 30, 33));
            assert!((2..=60).contains(&call.lag_ms()), "{} ms", call.lag_ms());
        }
        let stats = call.buffer.stats();
        // 200 ppm of 30 minutes are 360 ms: 18 frames dropped or concealed, or 40 cycles.
        let (dropped, missing) = (stats.dropped, call.count(Heard::Missing));
        let most = if cycle.is_some() { 0 } else { 24 };
        assert!(dropped + (missing as u64) <= most, "{dropped} dropped, {missing} concealed");
        assert!(call.stretched.len() <= 60, "{} cycles", call.stretched.len());
        assert_eq!(stats.late, 0);
    }
}

#[test]
fn pauses_of_a_sender_in_dtx_are_silence() {
    let mut call = Call::new();
    for _talk in 0..20 {
        for _ in 0..50 {
            call.send(Some(30));
        }
        // The announcement, then one packet each 400 ms, as libopus does.
        for _ in 0..4 {
            let arrival = (call.send_at_us + 30_000, call.sent);
            call.network.insert(arrival, (call.number, call.timestamp, vec![0x48]));
            call.number += 1;
            call.sent += 1;
            call.pause(20);
        }
        call.run();
    }
    assert_eq!(call.count(Heard::Missing), 0);
    assert!(call.lag_ms() <= 40, "{} ms", call.lag_ms());
    assert!(call.packets().len() >= 998, "{}", call.packets().len());
}
