//! Judging from counts whether a stream is alive, and keeping the call's pace while it is not.
//!
//! A sound server that dies doesn't say so: the error callback fires 1,000 to 100,000 times a second, or
//! nothing at all is called any more. [`Watch`] is asked by the supervisor every 50 ms and sees both. It
//! reads no clock: it counts how often it was asked. [`Pace`] is the driver's substitute: without a
//! microphone it still sends (silence), without a loudspeaker it still takes what arrives.
//!
//! Used by `device.rs`. Read next: `choose.rs`.

use std::time::Duration;

use crate::audio::frame::Frame;
use crate::audio::ring::Gauge;
use crate::time::Instant;

/// How often the supervisor looks.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why a stream was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The device said that it is gone.
    Gone,
    /// More than about 100 errors a second.
    Errors,
    /// No samples came or were asked for, for half a second.
    Stalled,
    /// The system's default is another device now.
    DefaultChanged,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gone => "the device is gone",
            Self::Errors => "the device only gives errors",
            Self::Stalled => "the device stands still",
            Self::DefaultChanged => "the default device has changed",
        })
    }
}

/// What was seen of a stream so far.
#[derive(Debug, Default)]
pub(super) struct Watch {
    callbacks: u64,
    errors: u64,
    told: u64,
    still: u32,
    since_told: u32,
}

/// What to make of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Health {
    Fine,
    /// It goes on, but so many errors are new: told at most once in 5 seconds.
    Errors(u64),
    Lost(Lost),
}

impl Watch {
    /// Call every [`LOOK_EVERY`].
    pub(super) fn look(&mut self, gauge: &Gauge) -> Health {
        let (callbacks, errors) = (gauge.callbacks(), gauge.errors());
        let new_errors = errors - self.errors;
        self.still = if callbacks == self.callbacks { self.still + 1 } else { 0 };
        (self.callbacks, self.errors) = (callbacks, errors);
        self.since_told = self.since_told.saturating_add(1);
        // A sound server that was asleep fills its buffers, and then takes up to two seconds.
        let patience = if callbacks < STARTING { FIRST_LOOKS } else { LOOKS };
        if gauge.gone() {
            Health::Lost(Lost::Gone)
        } else if new_errors > ERRORS_A_LOOK {
            Health::Lost(Lost::Errors)
        } else if self.still >= patience {
            Health::Lost(Lost::Stalled)
        } else if errors > self.told && self.since_told >= TELL_AFTER {
            let untold = errors - self.told;
            (self.told, self.since_told) = (errors, 0);
            Health::Errors(untold)
        } else {
            Health::Fine
        }
    }
}

/// Half a second.
const LOOKS: u32 = 10;
/// Callbacks until a stream runs evenly.
const STARTING: u64 = 8;
/// Three seconds.
const FIRST_LOOKS: u32 = 60;
/// 100 a second.
const ERRORS_A_LOOK: u64 = 5;
/// Five seconds.
const TELL_AFTER: u32 = 100;

/// How long until it is tried again: at once, then ever more slowly.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    failed: u32,
}

impl BackOff {
    pub(super) fn after_failure(&mut self) -> Duration {
        self.failed += 1;
        let doubled = FIRST_WAIT.saturating_mul(1 << self.failed.min(6).saturating_sub(1));
        doubled.min(LONGEST_WAIT)
    }

    pub(super) fn succeeded(&mut self) {
        self.failed = 0;
    }
}

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How much a callback is asked to take: little, so that there is little delay, but where the machine
/// is too slow for that (streams die of it), more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffer {
    millis: u32,
}

impl Buffer {
    pub(super) const fn millis(self) -> u32 {
        self.millis
    }

    pub(super) fn after(&mut self, lost: Lost) {
        if lost == Lost::Errors {
            self.millis = (self.millis * 2).min(LARGEST_BUFFER);
        }
    }
}

impl Default for Buffer {
    /// Sound servers make two thirds of it.
    fn default() -> Self {
        Self { millis: 20 }
    }
}

const LARGEST_BUFFER: u32 = 80;

/// Stands in for a device that doesn't move: one frame per 10 ms, once it has stood still for 60.
#[derive(Debug, Default)]
pub(super) struct Pace {
    next: Option<Instant>,
}

impl Pace {
    /// The device moved.
    pub(super) fn moved(&mut self, now: Instant) {
        self.next = Some(now + PATIENCE);
    }

    /// Whether a frame is due that the device doesn't deal with; call until it isn't.
    pub(super) fn due(&mut self, now: Instant) -> bool {
        let next = *self.next.get_or_insert(now + PATIENCE);
        if now < next {
            return false;
        }
        let behind = now - next > MOST_BEHIND;
        self.next = Some(if behind { now } else { next } + Frame::DURATION);
        true
    }
}

const PATIENCE: Duration = Duration::from_millis(60);
/// After a pause of ours, what is older is left out.
const MOST_BEHIND: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Channels;
    use crate::audio::ring::{self, Layout};
    use std::sync::Arc;

    #[test]
    fn an_error_storm_is_seen_at_the_first_look() {
        let (gauge, mut watch) = (Gauge::default(), Watch::default());
        assert_eq!(watch.look(&gauge), Health::Fine);
        (0..6).for_each(|_| gauge.error());
        assert_eq!(watch.look(&gauge), Health::Lost(Lost::Errors));
    }

    #[test]
    fn single_errors_are_told_together_and_not_often() {
        let (gauge, mut watch) = (Arc::new(Gauge::default()), Watch::default());
        let layout = Layout { rate: 48_000, channels: 1 };
        let (mut callback, _ring) = ring::capture(layout, Channels::Mono, &gauge).unwrap();
        let mut told = Vec::new();
        for look in 1..=250 {
            callback.heard(&[0.0_f32; 480], |sample| sample);
            gauge.error();
            if let Health::Errors(errors) = watch.look(&gauge) {
                told.push((look, errors));
            }
        }
        assert_eq!(told, [(100, 100), (200, 100)]);
    }

    #[test]
    fn a_stream_without_callbacks_is_given_up_after_half_a_second_but_not_at_its_start() {
        let looks_until_lost = |watch: &mut Watch, gauge: &Gauge| {
            (1..).find(|_| watch.look(gauge) == Health::Lost(Lost::Stalled)).unwrap()
        };
        let (gauge, mut watch) = (Arc::new(Gauge::default()), Watch::default());
        assert_eq!(looks_until_lost(&mut watch, &gauge), 60);
        let layout = Layout { rate: 48_000, channels: 1 };
        let (mut callback, _ring) = ring::capture(layout, Channels::Mono, &gauge).unwrap();
        (0..8).for_each(|_| callback.heard(&[0.0_f32; 480], |sample| sample));
        assert_eq!(watch.look(&gauge), Health::Fine);
        assert_eq!(looks_until_lost(&mut watch, &gauge), 10);
        gauge.set_gone();
        assert_eq!(watch.look(&gauge), Health::Lost(Lost::Gone));
    }

    #[test]
    fn each_failure_waits_longer_and_success_starts_anew() {
        let mut back_off = BackOff::default();
        let waits: Vec<_> = (0..8).map(|_| back_off.after_failure().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000]);
        back_off.succeeded();
        assert_eq!(back_off.after_failure().as_millis(), 100);
    }

    #[test]
    fn errors_enlarge_the_buffer_but_nothing_else_does() {
        let mut buffer = Buffer::default();
        buffer.after(Lost::Gone);
        buffer.after(Lost::Stalled);
        assert_eq!(buffer.millis(), 20);
        (0..5).for_each(|_| buffer.after(Lost::Errors));
        assert_eq!(buffer.millis(), 80);
    }

    #[test]
    fn a_device_that_stands_still_is_stood_in_for_in_real_time() {
        let at = Instant::from_millis;
        let mut pace = Pace::default();
        pace.moved(at(1_000));
        assert!(!pace.due(at(1_059)), "it may only be slow");
        let mut frames = 0;
        for ms in 1_060..2_060 {
            while pace.due(at(ms)) {
                frames += 1;
            }
        }
        assert_eq!(frames, 100, "a second of frames in a second");
        pace.moved(at(2_060));
        assert!(!pace.due(at(2_100)), "and no longer when it moves again");
        let mut late = 0;
        while pace.due(at(60_000)) {
            late += 1;
        }
        assert!(late <= 2, "{late}: what nobody waits for any more is left out");
    }
}
