//! A sender, a network and a sound card in virtual time.

use std::collections::{BTreeMap, HashSet};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

mod hostile;
mod path;
mod stream;
mod tempo;

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
    /// After how many samples the sound repeats itself; `None`: it's a noise.
    cycle: Option<u32>,
    /// When sound was stretched, and by how many samples.
    stretched: Vec<(u64, isize)>,
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
            cycle: Some(437),
            stretched: Vec::new(),
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
                let tempo = match playout {
                    Playout::Packet { tempo, .. } => tempo,
                    _ => Tempo::AsSent,
                };
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
                self.stretch(now, tempo);
            }
            self.left_us -= 10_000;
            self.card_at_ns += self.card_ns;
        }
    }

    /// What a decoder would make of the wish.
    fn stretch(&mut self, now: Instant, tempo: Tempo) {
        let Some(cycle) = self.cycle.filter(|_| tempo != Tempo::AsSent) else { return };
        let us = u64::from(cycle * 1_000 / 48);
        let longer = isize::try_from(cycle).unwrap();
        let by = if tempo == Tempo::Faster { -longer } else { longer };
        self.left_us = if by < 0 { self.left_us - us } else { self.left_us + us };
        self.buffer.stretched(now, by);
        self.stretched.push((self.card_at_ns / 1_000, by));
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
