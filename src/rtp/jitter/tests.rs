//! A sender, a network and a sound card in virtual time.

use std::collections::{BTreeMap, HashSet};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// What the sound card got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Packet(u16),
    Fec(u16),
    Missing,
    Silence,
}

/// The far end and the way between.
struct Call {
    buffer: JitterBuffer,
    /// Packets on their way, by arrival in microseconds.
    network: BTreeMap<(u64, u32), (u16, u32, Vec<u8>)>,
    sent: u32,
    /// The next packet's number, timestamp and time of sending.
    number: u16,
    timestamp: u32,
    send_at_us: u64,
    /// How fast our sound card runs: 10 ms of sound in this many nanoseconds.
    card_ns: u64,
    card_at_ns: u64,
    /// Sound that waits in the card, in microseconds.
    left_us: u64,
    heard: Vec<(u64, Heard)>,
    fec: bool,
}

const FRAME_US: u64 = 20_000;

impl Call {
    fn new() -> Self {
        Self {
            buffer: JitterBuffer::new(),
            network: BTreeMap::new(),
            sent: 0,
            number: 100,
            timestamp: 5_000,
            send_at_us: 1_000_000,
            card_ns: 10_000_000,
            card_at_ns: 1_003_000_000,
            left_us: 0,
            heard: Vec::new(),
            fec: false,
        }
    }

    /// Sends a frame that takes `delay_ms`; `None` if it's lost.
    fn send(&mut self, delay_ms: Option<u64>) {
        if let Some(delay_ms) = delay_ms {
            let [n0, n1] = self.number.to_be_bytes();
            // SILK, 20 ms, one voice flag, then the flag that says a copy of the frame before is there.
            let flags = if self.fec { 0xc0 } else { 0x80 };
            let payload = vec![0x48, flags, n0, n1];
            let arrival = (self.send_at_us + delay_ms * 1_000, self.sent);
            self.network.insert(arrival, (self.number, self.timestamp, payload));
        }
        self.sent += 1;
        self.number = self.number.wrapping_add(1);
        self.pause(1);
    }

    /// Says nothing for some frames.
    fn pause(&mut self, frames: u32) {
        self.timestamp = self.timestamp.wrapping_add(960 * frames);
        self.send_at_us += FRAME_US * u64::from(frames);
    }

    /// Lets time pass until all that was sent has been sent.
    fn run(&mut self) {
        while self.card_at_ns < self.send_at_us * 1_000 {
            let now = Instant::from_micros(self.card_at_ns / 1_000);
            while let Some(first) = self.network.first_entry()
                && first.key().0 * 1_000 <= self.card_at_ns
            {
                let arrival = Instant::from_micros(first.key().0);
                let (number, timestamp, payload) = first.remove();
                self.buffer.insert(arrival, &incoming(number, timestamp, &payload));
            }
            while self.left_us < 10_000 {
                let playout = self.buffer.next(now);
                let heard = match playout {
                    Playout::Packet { payload: [_], .. } => Heard::Silence,
                    Playout::Packet { payload, .. } => Heard::Packet(number_in(payload)),
                    Playout::Fec { payload, .. } => Heard::Fec(number_in(payload)),
                    Playout::Missing { .. } => Heard::Missing,
                    Playout::Silence { .. } => Heard::Silence,
                };
                let us = u64::try_from(playout.duration().as_micros()).unwrap();
                assert!(us > 0, "an answer of no duration");
                self.left_us += us;
                self.heard.push((self.card_at_ns / 1_000, heard));
            }
            self.left_us -= 10_000;
            self.card_at_ns += self.card_ns;
        }
    }

    fn frames(&mut self, count: u32, mut delay_ms: impl FnMut(u32) -> Option<u64>) -> &mut Self {
        for frame in 0..count {
            let delay_ms = delay_ms(frame);
            self.send(delay_ms);
        }
        self.run();
        self
    }

    fn count(&self, what: Heard) -> usize {
        self.heard.iter().filter(|(_, heard)| *heard == what).count()
    }

    fn packets(&self) -> Vec<u16> {
        let number = |(_, heard): &(u64, Heard)| match heard {
            Heard::Packet(number) => Some(*number),
            _ => None,
        };
        self.heard.iter().filter_map(number).collect()
    }

    /// The share of concealed answers since the first packet.
    fn concealed(&self) -> f64 {
        let spoken = self.heard.len() - self.count(Heard::Silence);
        self.count(Heard::Missing) as f64 / spoken as f64
    }

    fn lag_ms(&self) -> u128 {
        self.buffer.lag().unwrap().as_millis()
    }

    fn assert_in_order(&self) {
        let packets = self.packets();
        assert!(packets.windows(2).all(|two| two[1].wrapping_sub(two[0]) < 30_000), "{packets:?}");
        let different: HashSet<_> = packets.iter().collect();
        assert!(packets.len() > 60_000 || different.len() == packets.len(), "played twice");
    }
}

fn incoming(number: u16, timestamp: u32, payload: &[u8]) -> Incoming<'_> {
    Incoming {
        sequence_number: SequenceNumber(number),
        timestamp: RtpTimestamp(timestamp),
        payload_type: 111,
        codec: Codec::Opus,
        audio_level: None,
        payload,
    }
}

fn number_in(payload: &[u8]) -> u16 {
    u16::from_be_bytes([payload[2], payload[3]])
}

fn jitter(seed: u64, least: u64, most: u64) -> impl FnMut(u32) -> Option<u64> {
    let mut rng = StdRng::seed_from_u64(seed);
    move |_| Some(rng.random_range(least..=most))
}

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
    // Nothing for 120 ms, then all at once.
    call.frames(600, |frame| Some(if frame < 6 { 30 + 120 - 20 * u64::from(frame) } else { 30 }));
    assert!(call.packets().len() >= 594, "{} played", call.packets().len());
    call.assert_in_order();
    call.frames(1_500, |_| Some(30));
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
    for card_ns in [10_002_000, 9_998_000] {
        let mut call = Call::new();
        call.card_ns = card_ns;
        let mut most = 0;
        for _minute in 0..30 {
            call.frames(3_000, jitter(7, 30, 33));
            most = most.max(call.lag_ms());
            assert!((2..=60).contains(&call.lag_ms()), "{} ms", call.lag_ms());
        }
        let stats = call.buffer.stats();
        // 200 ppm of 30 minutes are 360 ms: 18 frames dropped or concealed.
        let (dropped, missing) = (stats.dropped, call.count(Heard::Missing));
        assert!(dropped + (missing as u64) <= 24, "{dropped} dropped, {missing} concealed");
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

mod hostile {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Act {
        Insert { number: u16, timestamp: u32, codec: Codec, payload: Vec<u8> },
        Nothing(u16),
        Ask(u8),
        Wait(u32),
    }

    fn act() -> impl Strategy<Value = Act> {
        let codec = prop_oneof![Just(Codec::Opus), Just(Codec::Pcmu), Just(Codec::Pcma)];
        // Half of the numbers are close to each other, so that packets do get in.
        let number = prop_oneof![any::<u16>(), 65_500..=u16::MAX, 0_u16..40];
        let timestamp = prop_oneof![any::<u32>(), (0_u32..90).prop_map(|at| at * 960)];
        let payload = prop::collection::vec(any::<u8>(), 0..40);
        prop_oneof![
            6 => (number.clone(), timestamp, codec, payload).prop_map(
                |(number, timestamp, codec, payload)| Act::Insert { number, timestamp, codec, payload }
            ),
            1 => number.prop_map(Act::Nothing),
            3 => (1_u8..5).prop_map(Act::Ask),
            3 => prop_oneof![0_u32..50_000, any::<u32>()].prop_map(Act::Wait),
        ]
    }

    proptest! {
        #[test]
        fn no_sequence_of_packets_upsets_the_buffer(acts in prop::collection::vec(act(), 1..200)) {
            let mut buffer = JitterBuffer::new();
            let mut now = Instant::ZERO;
            for act in acts {
                match act {
                    Act::Insert { number, timestamp, codec, payload } => {
                        buffer.insert(now, &Incoming { codec, ..incoming(number, timestamp, &payload) });
                    }
                    Act::Nothing(number) => buffer.insert_nothing(SequenceNumber(number)),
                    Act::Wait(us) => now += Duration::from_micros(u64::from(us)),
                    Act::Ask(times) => for _ in 0..times {
                        let duration = buffer.next(now).duration();
                        prop_assert!(duration > Duration::ZERO && duration <= Duration::from_millis(200));
                    },
                }
                prop_assert!(buffer.depth() <= Duration::from_millis(200) * 128);
                prop_assert!(buffer.target() <= Duration::from_millis(800));
            }
        }
    }
}
