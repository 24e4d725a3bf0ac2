//! The jitter buffer: packets come when the network likes, sound leaves when the sound card asks.
//!
//! RFC 3550 leaves this to implementers; what W3C webrtc-stats wants to know about it is in [`Stats`].
//! Left out: making sound. The buffer says what to play and how fast; a decoder does it and tells.
//!
//! ```text
//!  packet ──> Timeline: where does its sound belong?  ──> Ring: waits there
//!                      │                                      │
//!                      └──> Delay: how late was it?           │
//!                                │ target, lag                v
//!  sound card asks ──────────────┴──────────────────> next(): Packet, Fec, Missing or Silence
//! ```
//! The buffer keeps a *position*: up to where the sender's sound was played. Each answer moves it on by
//! the answer's duration, whatever came of it. So a loss costs one concealed frame and no delay; a packet
//! that comes when its time was filled is dropped. Only these change the delay:
//!
//! - the target is above the lag, or far below: packets are played slower or faster, by one cycle of what
//!   repeats itself in them (`tempo.rs`);
//! - the sender pauses: nobody hears it if the pause is cut short or lasts longer, or a quiet packet is dropped;
//! - a burst of packets was held up: its sound is played late rather than lost;
//! - sound can't be stretched, or the lag is beyond bearing: a frame is concealed, or packets are dropped.
//!
//! Read first: `ring.rs`, `timeline.rs`, `delay.rs`; then the decisions, `playout.rs` and `tempo.rs`. Next:
//! [`super::rtcp`].

mod delay;
mod playout;
mod ring;
mod tempo;
mod timeline;

use std::time::Duration;

use crate::time::Instant;

use super::{AudioLevel, Codec, RtpTimestamp, SequenceNumber};
use delay::Delay;
use ring::Ring;
use tempo::Wish;
use timeline::{Fit, Place, Stamp, Timeline};

pub use tempo::Tempo;

/// A packet with sound, as it arrives.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// From its header.
    pub sequence_number: SequenceNumber,
    /// From its header.
    pub timestamp: RtpTimestamp,
    /// From its header; given back with the payload.
    pub payload_type: u8,
    /// What the payload type stands for.
    pub codec: Codec,
    /// From its extension: a quiet packet is the one to drop when the delay should shrink.
    pub audio_level: Option<AudioLevel>,
    /// The payload, which is copied.
    pub payload: &'a [u8],
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It waits for its turn.
    Kept,
    /// Its time is over.
    Late,
    /// It was there before.
    Duplicate,
    /// Its payload is malformed, or it doesn't belong to the stream.
    Refused,
}

/// What to play next. A decoder makes so much sound from it as `duration` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Playout<'a> {
    /// Decode this payload.
    Packet {
        /// What the payload is.
        payload_type: u8,
        /// What the payload type stood for when the packet came.
        codec: Codec,
        /// The payload.
        payload: &'a [u8],
        /// How long it lasts.
        duration: Duration,
        /// How fast to play it, as far as its sound allows; see [`JitterBuffer::stretched`].
        tempo: Tempo,
    },
    /// The packet is lost; decode the copy that the one behind it holds. That one comes next.
    Fec {
        /// What the payload is.
        payload_type: u8,
        /// What the payload type stood for when the packet came.
        codec: Codec,
        /// The payload of the packet behind.
        payload: &'a [u8],
        /// How long the lost sound lasts.
        duration: Duration,
    },
    /// The packet is lost or late: conceal.
    Missing {
        /// How long.
        duration: Duration,
    },
    /// Nobody is speaking, or nobody is there.
    Silence {
        /// How long.
        duration: Duration,
    },
}

impl Playout<'_> {
    /// How much sound there is in it.
    #[must_use]
    pub fn duration(&self) -> Duration {
        match *self {
            Self::Packet { duration, .. }
            | Self::Fec { duration, .. }
            | Self::Missing { duration }
            | Self::Silence { duration } => duration,
        }
    }
}

/// What happened so far; the names in `code` are those of W3C webrtc-stats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// `jitterBufferDelay`: seconds waited, summed over all samples played.
    pub delay: f64,
    /// `jitterBufferTargetDelay`: seconds wanted, summed alike.
    pub target_delay: f64,
    /// `jitterBufferEmittedCount`: samples of 48 kHz played.
    pub emitted: u64,
    /// Packets whose time was over when they came, or before it was their turn.
    pub late: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets refused: malformed, stray, or displaced by others.
    pub refused: u64,
    /// Packets dropped to shorten the delay.
    pub dropped: u64,
    /// `removedSamplesForAcceleration`, of 48 kHz: sound and silence left out to shorten the delay.
    pub removed: u64,
    /// `insertedSamplesForDeceleration`, of 48 kHz: played twice, concealed or silent to lengthen it.
    pub inserted: u64,
    /// Lost packets replaced by the copy in the one behind.
    pub fec: u64,
    /// `fecPacketsReceived`: packets that hold a copy of the one before them.
    pub copies: u64,
}

impl Stats {
    /// `packetsDiscarded`.
    #[must_use]
    pub fn discarded(&self) -> u64 {
        self.late + self.refused + self.dropped
    }

    /// `fecPacketsDiscarded`: copies of what had come by itself, or that came too late.
    #[must_use]
    pub fn copies_discarded(&self) -> u64 {
        self.copies.saturating_sub(self.fec)
    }
}

/// What a listener hears: this moment of the sender's clock began to sound at that of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sounding {
    /// The packet's timestamp.
    pub timestamp: RtpTimestamp,
    /// Its ticks a second.
    pub clock_rate: u32,
    /// When it was handed out.
    pub since: Instant,
}

/// The jitter buffer of one source. Another source needs another buffer.
///
/// ```
/// use halloo::rtp::{Codec, JitterBuffer, Playout, RtpTimestamp, SequenceNumber};
/// use halloo::rtp::jitter::Incoming;
/// use halloo::time::Instant;
/// let mut buffer = JitterBuffer::new();
/// buffer.insert(Instant::ZERO, &Incoming {
///     sequence_number: SequenceNumber(1), timestamp: RtpTimestamp(0), payload_type: 0,
///     codec: Codec::Pcmu, audio_level: None, payload: &[0xff; 160],
/// });
/// assert!(matches!(buffer.next(Instant::from_millis(10)), Playout::Silence { .. }), "too early");
/// assert!(matches!(buffer.next(Instant::from_millis(20)), Playout::Packet { .. }));
/// ```
#[derive(Clone, Debug)]
pub struct JitterBuffer {
    timeline: Timeline,
    ring: Ring,
    delay: Delay,
    /// Up to where the sender's sound was played; `None` before the first packet is.
    position_us: Option<i64>,
    /// How long the last packet lasted: the best guess about one that doesn't come.
    frame_us: i64,
    /// Filled since the last packet, because the one behind it isn't there.
    concealed_us: i64,
    /// Whether the sender is thought to be silent.
    silent: bool,
    /// Packets in a row whose time was over.
    late_in_a_row: u32,
    wish: Wish,
    sounding: Option<Sounding>,
    stats: Stats,
}

impl JitterBuffer {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self {
            timeline: Timeline::default(),
            ring: Ring::new(),
            delay: Delay::new(),
            position_us: None,
            frame_us: playout::DEFAULT_FRAME_US,
            concealed_us: 0,
            silent: false,
            late_in_a_row: 0,
            wish: Wish::default(),
            sounding: None,
            stats: Stats::default(),
        }
    }

    /// Takes a packet. It may come in any order, again, late, or from a hostile sender.
    pub fn insert(&mut self, now: Instant, packet: &Incoming<'_>) -> Inserted {
        let Ok(duration) = packet.codec.duration(packet.payload) else { return self.refuse() };
        let stamp = Stamp {
            number: packet.sequence_number,
            timestamp: packet.timestamp,
            clock_rate: packet.codec.clock_rate(),
            duration_us: micros(duration),
            arrived_us: micros(now.since_start()),
        };
        let place = match self.timeline.place(stamp) {
            Fit::Placed(place) => place,
            Fit::Start(place) => {
                self.start_anew(place.number);
                place
            }
            Fit::Stray => return self.refuse(),
        };
        self.keep(packet, stamp, place)
    }

    /// Takes the number of a packet without sound: padding, a telephone event. It isn't missing then.
    pub fn insert_nothing(&mut self, sequence_number: SequenceNumber) {
        let Some(number) = self.timeline.number(sequence_number) else { return };
        if number <= self.ring.taken || self.ring.get(number).is_some() {
            return;
        }
        if let Some((slot, displaced)) = self.ring.put(number) {
            slot.sound = false;
            self.stats.refused += displaced;
        }
    }

    fn keep(&mut self, packet: &Incoming<'_>, stamp: Stamp, place: Place) -> Inserted {
        if self.ring.get(place.number).is_some() {
            self.stats.duplicates += 1;
            return Inserted::Duplicate;
        }
        self.delay.arrived(stamp.arrived_us, place.media_us);
        let fec = packet.codec.has_fec(packet.payload);
        self.delay.repeats(fec);
        self.stats.copies += u64::from(fec);
        if place.number <= self.ring.taken {
            self.stats.late += 1;
            return Inserted::Late;
        }
        let Some((slot, displaced)) = self.ring.put(place.number) else { return self.refuse() };
        slot.sound = true;
        slot.payload_type = packet.payload_type;
        slot.codec = packet.codec;
        slot.media_us = place.media_us;
        slot.duration_us = stamp.duration_us;
        slot.arrived_us = stamp.arrived_us;
        slot.timestamp = packet.timestamp;
        slot.fec = fec;
        slot.quiet = packet.codec.announces_silence(packet.payload)
            || packet.audio_level.is_some_and(|level| level.below_overload >= QUIET);
        slot.payload.clear();
        slot.payload.extend_from_slice(packet.payload);
        self.stats.refused += displaced;
        Inserted::Kept
    }

    /// The sender says nothing until its next packet: what is missing until then isn't lost.
    pub fn expect_silence(&mut self) {
        self.silent = true;
    }

    fn refuse(&mut self) -> Inserted {
        self.stats.refused += 1;
        Inserted::Refused
    }

    /// The stream starts here: nothing that was measured or waits counts any more.
    fn start_anew(&mut self, number: u64) {
        self.ring.restart(number);
        self.delay = Delay::new();
        self.position_us = None;
        self.concealed_us = 0;
        self.silent = false;
        self.late_in_a_row = 0;
        self.wish = Wish::default();
    }

    /// The delay aimed at, between the arrival of the fastest packet and its turn.
    #[must_use]
    pub fn target(&self) -> Duration {
        duration(self.target_us())
    }

    /// The delay as it is now; `None` before the first packet is played.
    #[must_use]
    pub fn lag(&self) -> Option<Duration> {
        self.position_us?;
        self.delay.lag_us().map(duration)
    }

    /// The latest packet that was handed out.
    #[must_use]
    pub fn sounding(&self) -> Option<Sounding> {
        self.sounding
    }

    /// How much sound waits.
    #[must_use]
    pub fn depth(&self) -> Duration {
        duration(self.ring.waiting_us())
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self::new()
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}

fn duration(us: i64) -> Duration {
    Duration::from_micros(u64::try_from(us).unwrap_or(0))
}

/// Samples of 48 kHz.
fn samples(us: i64) -> u64 {
    u64::try_from(us).unwrap_or(0) * 48 / 1_000
}

/// 50 dB below overload: room noise, not speech.
const QUIET: u8 = 50;

#[cfg(test)]
mod tests;
