//! The way to and from the sound card's own thread, which must never wait.
//!
//! The card calls us back when it has samples or wants some, and if we are late it crackles. So a callback
//! does nothing but convert numbers, move them through a lock-free ring of fixed size and wake the driver
//! ([`super::bell::Bell`]); no allocation, lock or log. [`CaptureCallback`] and [`PlaybackCallback`] are those ends, [`CaptureRing`]
//! and [`PlaybackRing`] the others: they resample between the card's rate and 48 kHz.
//!
//! ```text
//! card's thread: CaptureCallback ==ring==> CaptureRing: driver      (frames as they come)
//! card's thread: PlaybackCallback <==ring== PlaybackRing: driver    (frames as they are wanted)
//!                                  Gauge: counts, as atomics
//! ```
//! How much is kept for the loudspeaker: what its largest callback takes, and a margin: what was needed
//! of it in the last half minute, when the driver was late, and a step more. Read next: `device.rs`.

use std::fmt;
use std::sync::Arc;

use rtrb::{Consumer, Producer, RingBuffer};

use super::frame::{Channels, FRAME_SAMPLES, Frame, SAMPLE_RATE};
pub use super::gauge::Gauge;
use super::resample::{RateError, Resampler};

/// How a card's samples come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Samples per second and channel.
    pub rate: u32,
    /// Channels, interleaved; at least one.
    pub channels: usize,
}

/// Both ends for a microphone.
///
/// # Errors
/// The card's rate can't be converted.
pub fn capture(
    layout: Layout,
    channels: Channels,
    gauge: &Arc<Gauge>,
) -> Result<(CaptureCallback, CaptureRing), RateError> {
    let (producer, consumer) = RingBuffer::new(room(layout.rate) * channels.count());
    let callback = CaptureCallback {
        producer,
        gauge: gauge.clone(),
        theirs: layout.channels.max(1),
        channels,
    };
    let resampler = Resampler::new(layout.rate, SAMPLE_RATE, channels)?;
    let ring = CaptureRing {
        consumer,
        resampler,
        moved: vec![0.0; room(layout.rate) * channels.count()],
        frame: Frame::silence(channels),
        rate: layout.rate,
        late: 0,
    };
    Ok((callback, ring))
}

/// Both ends for a loudspeaker.
///
/// # Errors
/// The card's rate can't be converted.
pub fn playback(
    layout: Layout,
    channels: Channels,
    gauge: &Arc<Gauge>,
) -> Result<(PlaybackCallback, PlaybackRing), RateError> {
    let (producer, consumer) = RingBuffer::new(room(layout.rate) * channels.count());
    let callback = PlaybackCallback {
        consumer,
        gauge: gauge.clone(),
        theirs: layout.channels.max(1),
        channels,
    };
    let resampler = Resampler::new(SAMPLE_RATE, layout.rate, channels)?;
    let ring = PlaybackRing {
        producer,
        resampler,
        gauge: gauge.clone(),
        moved: vec![0.0; room(layout.rate) * channels.count()],
        frame: Frame::silence(channels),
        rate: layout.rate,
        margin: Margin::new(layout.rate),
    };
    Ok((callback, ring))
}

/// 300 ms: the longest that a driver which is held up may leave us alone.
const fn room(rate: u32) -> usize {
    rate as usize * 3 / 10
}

/// The card's end of a microphone.
pub struct CaptureCallback {
    producer: Producer<f32>,
    gauge: Arc<Gauge>,
    theirs: usize,
    channels: Channels,
}

impl CaptureCallback {
    /// Takes what the card has heard. Safe in real time if `to_f32` is.
    pub fn heard<T: Copy>(&mut self, samples: &[T], to_f32: impl Fn(T) -> f32) {
        let frames = samples.len() / self.theirs;
        let room = self.producer.slots() / self.channels.count();
        for frame in samples.chunks_exact(self.theirs).take(room) {
            match self.channels {
                Channels::Mono => {
                    let sum: f32 = frame.iter().map(|sample| to_f32(*sample)).sum();
                    let _ = self.producer.push(sum / self.theirs as f32);
                }
                Channels::Stereo => {
                    let mut both = frame.iter().map(|sample| to_f32(*sample));
                    let left = both.next().unwrap_or_default();
                    let _ = self.producer.push(left);
                    let _ = self.producer.push(both.next().unwrap_or(left));
                }
            }
        }
        let lost = frames.saturating_sub(room) as u64;
        self.gauge.lost(lost);
        self.gauge.called(frames);
    }
}

/// The driver's end of a microphone.
pub struct CaptureRing {
    consumer: Consumer<f32>,
    resampler: Resampler,
    moved: Vec<f32>,
    frame: Frame,
    rate: u32,
    late: u64,
}

impl CaptureRing {
    /// The next 10 ms, if they are there.
    pub fn take(&mut self, frame: &mut Frame) -> bool {
        self.move_over();
        if !self.resampler.take(self.frame.samples_mut()) {
            return false;
        }
        frame.copy_from(&self.frame);
        true
    }

    /// Throws away what waits behind a pause of the card, as far as `frames` of silence went out instead:
    /// else the call would be behind by as much from then on. Whether anything waits.
    pub fn catch_up(&mut self, frames: usize) -> bool {
        self.move_over();
        let spare = self.resampler.ready().saturating_sub(FRAME_SAMPLES);
        self.late += self.resampler.skip(spare.min(frames * FRAME_SAMPLES)) as u64;
        self.resampler.ready() >= FRAME_SAMPLES
    }

    /// Samples per channel at 48 kHz that were thrown away because nobody took them in time.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    fn move_over(&mut self) {
        let waiting = self.consumer.slots().min(self.moved.len());
        let moved = self.moved.get_mut(..waiting).unwrap_or_default();
        if !moved.is_empty() && self.consumer.pop_entire_slice(moved).is_ok() {
            self.resampler.push(moved);
        }
        // After a pause of ours: old sound would be behind for the rest of the call.
        let ready = self.resampler.ready();
        if ready > MOST_WAITING {
            self.late += self.resampler.skip(ready - 2 * FRAME_SAMPLES) as u64;
        }
    }
}

/// The card's end of a loudspeaker.
pub struct PlaybackCallback {
    consumer: Consumer<f32>,
    gauge: Arc<Gauge>,
    theirs: usize,
    channels: Channels,
}

impl PlaybackCallback {
    /// Gives the card what it is to play, silence where there is too little. Safe in real time if
    /// `from_f32` is.
    pub fn wanted<T: Copy>(&mut self, samples: &mut [T], from_f32: impl Fn(f32) -> T) {
        let frames = samples.len() / self.theirs;
        let ready = self.consumer.slots() / self.channels.count();
        for frame in samples.chunks_mut(self.theirs) {
            let left = self.consumer.pop().unwrap_or_default();
            match (self.channels, frame) {
                (Channels::Mono, frame) => frame.fill(from_f32(left)),
                (Channels::Stereo, [one]) => {
                    let right = self.consumer.pop().unwrap_or_default();
                    *one = from_f32((left + right) / 2.0);
                }
                (Channels::Stereo, frame) => {
                    let right = self.consumer.pop().unwrap_or_default();
                    frame.fill(from_f32(0.0));
                    for (out, sample) in frame.iter_mut().zip([left, right]) {
                        *out = from_f32(sample);
                    }
                }
            }
        }
        self.gauge.gave(ready, frames);
        self.gauge.called(frames);
    }
}

/// The driver's end of a loudspeaker.
pub struct PlaybackRing {
    producer: Producer<f32>,
    resampler: Resampler,
    gauge: Arc<Gauge>,
    moved: Vec<f32>,
    frame: Frame,
    rate: u32,
    margin: Margin,
}

impl PlaybackRing {
    /// How many frames to push now, so that the next callback finds enough. None before the card has
    /// begun to ask: they would only be old when it does.
    pub fn wanted(&mut self) -> usize {
        let callbacks = self.gauge.callbacks();
        if callbacks == 0 {
            return 0;
        }
        let largest = self.largest();
        let needed = self.gauge.needed(self.margin.samples).min(self.margin.samples + largest);
        let margin = self.margin.after(callbacks, needed, largest);
        let missing = (largest + margin).saturating_sub(self.kept());
        // In samples at 48 kHz, and from there in whole frames.
        let missing = missing as u64 * u64::from(SAMPLE_RATE) / u64::from(self.rate.max(1));
        usize::try_from(missing.div_ceil(FRAME_SAMPLES as u64)).unwrap_or(0)
    }

    /// The next 10 ms. What doesn't fit is thrown away.
    pub fn push(&mut self, frame: &Frame) {
        self.frame.copy_from(frame);
        self.resampler.push(self.frame.samples());
        let channels = self.frame.channels().count();
        let ready = (self.resampler.ready() * channels).min(self.moved.len());
        let moved = self.moved.get_mut(..ready).unwrap_or_default();
        if self.resampler.take(moved) {
            let _ = self.producer.push_partial_slice(moved);
        }
    }

    /// Samples per channel, at the card's rate, that wait in the ring.
    #[must_use]
    pub fn kept(&self) -> usize {
        let capacity = self.producer.buffer().capacity();
        (capacity - self.producer.slots()) / self.frame.channels().count()
    }

    fn largest(&self) -> usize {
        self.gauge.largest()
    }
}

/// How much more than one callback's worth is kept: the driver may be late, and callbacks come in pairs.
#[derive(Debug)]
struct Margin {
    step: usize,
    samples: usize,
    /// The most that was needed of it in this half minute.
    needed: usize,
    /// Callbacks when this half minute began.
    since: u64,
}

impl Margin {
    fn new(rate: u32) -> Self {
        let step = rate as usize / 400;
        Self { step, samples: FIRST_STEPS * step, needed: 0, since: 0 }
    }

    /// What to keep from now on, in samples per channel.
    fn after(&mut self, callbacks: u64, needed: usize, largest: usize) -> usize {
        // The first callbacks always find nothing: nobody could push before them.
        if callbacks <= STARTING {
            return self.samples;
        }
        self.needed = self.needed.max(needed);
        let wanted = (self.needed + self.step).min(MOST_STEPS * self.step);
        let half_a_minute = 30 * 400 * self.step / largest.max(1);
        if callbacks - self.since > half_a_minute as u64 {
            (self.samples, self.needed, self.since) = (wanted, 0, callbacks);
        }
        self.samples = self.samples.max(wanted);
        self.samples
    }
}

/// 100 ms at 48 kHz.
const MOST_WAITING: usize = 4_800;
/// Steps of 2.5 ms: 10 ms until it is known what this machine needs.
const FIRST_STEPS: usize = 4;
/// 60 ms at most.
const MOST_STEPS: usize = 24;
/// Callbacks until a card runs evenly.
const STARTING: u64 = 8;

impl fmt::Debug for CaptureCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaptureCallback({} channels)", self.theirs)
    }
}

impl fmt::Debug for PlaybackCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlaybackCallback({} channels)", self.theirs)
    }
}

impl fmt::Debug for CaptureRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaptureRing({} Hz, {} late)", self.rate, self.late)
    }
}

impl fmt::Debug for PlaybackRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlaybackRing({} Hz, {:?})", self.rate, self.margin)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_possible_truncation, reason = "sound needs no more digits")]
    use super::*;

    const CARD: Layout = Layout { rate: 48_000, channels: 2 };

    /// Ten periods.
    fn tone(frame: &mut Frame) {
        for (n, sample) in frame.samples_mut().iter_mut().enumerate() {
            *sample = 0.5 * (n as f32 * 1_000.0 * std::f32::consts::TAU / 48_000.0).sin();
        }
    }

    #[test]
    fn what_the_card_hears_comes_out_in_frames_whatever_its_callbacks_and_channels() {
        let gauge = Arc::new(Gauge::default());
        let (mut callback, mut ring) = capture(CARD, Channels::Mono, &gauge).unwrap();
        let mut heard = Vec::new();
        let mut frame = Frame::silence(Channels::Mono);
        for number in 0..30_i16 {
            let samples: Vec<i16> = (0..640).map(|n| number * 640 + n / 2 * 2).collect();
            callback.heard(&samples, |sample| f32::from(sample) / 32_768.0);
            while ring.take(&mut frame) {
                heard.extend(frame.samples().iter().map(|s| (s * 32_768.0) as i32));
            }
        }
        assert_eq!(heard.len(), 30 * 320 / 480 * 480);
        assert!(heard.iter().enumerate().all(|(n, sample)| *sample == 2 * n as i32));
        assert_eq!((gauge.callbacks(), gauge.overflowed()), (30, 0));
    }

    #[test]
    fn a_driver_that_was_away_gets_the_newest_sound() {
        let gauge = Arc::new(Gauge::default());
        let (mut callback, mut ring) = capture(CARD, Channels::Mono, &gauge).unwrap();
        for _ in 0..100 {
            callback.heard(&[0.1_f32; 960], |sample| sample);
        }
        assert_eq!(gauge.overflowed(), 48_000 - 14_400, "300 ms are kept");
        let (mut frame, mut frames) = (Frame::silence(Channels::Mono), 0);
        while ring.take(&mut frame) {
            frames += 1;
        }
        assert_eq!(frames, 2);
        assert_eq!(ring.late(), 14_400 - 960);
    }

    #[test]
    fn what_silence_stood_in_for_is_left_out() {
        let gauge = Arc::new(Gauge::default());
        let (mut callback, mut ring) = capture(CARD, Channels::Mono, &gauge).unwrap();
        assert!(!ring.catch_up(3), "nothing came yet");
        for _ in 0..8 {
            callback.heard(&[0.1_f32; 960], |sample| sample);
        }
        assert!(ring.catch_up(3));
        let (mut frame, mut frames) = (Frame::silence(Channels::Mono), 0);
        while ring.take(&mut frame) {
            frames += 1;
        }
        assert_eq!((frames, ring.late()), (5, 3 * 480));
    }

    /// Runs a card of `rate` for `seconds`; the driver comes every 5 ms, which is late for some callbacks.
    fn run(rate: u32, period: usize, seconds: usize) -> (Vec<f32>, Arc<Gauge>, usize) {
        let gauge = Arc::new(Gauge::default());
        let layout = Layout { rate, channels: 2 };
        let (mut callback, mut ring) = playback(layout, Channels::Mono, &gauge).unwrap();
        let mut frame = Frame::silence(Channels::Mono);
        let (mut played, mut most_kept) = (Vec::new(), 0);
        tone(&mut frame);
        let mut card = 0;
        for step in 0..seconds * 200 {
            card += rate as usize / 200;
            while card >= period {
                card -= period;
                let mut samples = vec![0.0_f32; period * 2];
                callback.wanted(&mut samples, |sample| sample);
                if step > 40 {
                    played.extend(samples.chunks(2).map(|pair| pair[0]));
                    assert!(samples.chunks(2).all(|pair| pair[0] == pair[1]));
                }
            }
            for _ in 0..ring.wanted() {
                ring.push(&frame);
            }
            most_kept = most_kept.max(ring.kept());
        }
        (played, gauge, most_kept)
    }

    #[test]
    fn a_loudspeaker_of_any_rate_and_period_is_fed_without_a_gap_and_with_little_delay() {
        for (rate, period) in [(48_000, 640), (48_000, 1_024), (44_100, 441), (96_000, 256)] {
            let (played, gauge, kept) = run(rate, period, 3);
            let steepest =
                played.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
            let own = 0.5 * std::f32::consts::TAU * 1_000.0 / rate as f32;
            assert!(steepest < own * 1.01, "{rate}/{period}: a step of {steepest}");
            assert!(gauge.dry() <= 3, "{rate}/{period}: ran dry {} times", gauge.dry());
            let most = period + rate as usize / 100 + rate as usize / 400 * 5;
            assert!(kept <= most, "{rate}/{period}: {kept} kept, {most} are enough");
        }
    }

    #[test]
    fn nothing_is_kept_for_a_card_that_has_not_begun() {
        let gauge = Arc::new(Gauge::default());
        let (mut callback, mut ring) = playback(CARD, Channels::Stereo, &gauge).unwrap();
        assert_eq!(ring.wanted(), 0);
        callback.wanted(&mut [0.0_f32; 1_280], |sample| sample);
        assert_eq!(ring.wanted(), 3, "640 and the margin");
    }

    #[test]
    fn the_margin_is_what_was_needed_lately_and_a_step_more() {
        let mut margin = Margin::new(48_000);
        assert_eq!(
            margin.after(1, 1_280, 640),
            480,
            "nobody could push before the first callbacks"
        );
        assert_eq!(margin.after(100, 400, 640), 520);
        assert_eq!(margin.after(200, 900, 640), 1_020, "more than there was: it ran dry");
        assert_eq!(margin.after(201, 0, 640), 1_020);
        let half_a_minute = 30 * 75;
        assert_eq!(margin.after(201 + half_a_minute, 0, 640), 1_020, "the needy half minute");
        assert_eq!(margin.after(300 + 2 * half_a_minute, 200, 640), 320, "a calm one");
        assert_eq!(margin.after(400 + 3 * half_a_minute, 0, 640), 120);
        assert_eq!(margin.after(500 + 3 * half_a_minute, 9_000, 640), 24 * 120);
    }

    /// A driver that is late by more than a callback lasts is heard once, not again and again.
    #[test]
    fn a_late_driver_is_heard_at_most_once() {
        let gauge = Arc::new(Gauge::default());
        let (mut callback, mut ring) = playback(CARD, Channels::Mono, &gauge).unwrap();
        let frame = Frame::silence(Channels::Mono);
        let mut samples = [0.0_f32; 1_280];
        for period in 0..300 {
            callback.wanted(&mut samples, |sample| sample);
            // Every second of them is served only after the next one.
            if period < 20 || period % 2 == 0 {
                for _ in 0..ring.wanted() {
                    ring.push(&frame);
                }
            }
        }
        let started = 1;
        assert!(gauge.dry() <= started + 1, "{} times", gauge.dry());
    }
}
