//! Judging from counts whether a stream is alive, and keeping the call's pace while it is not.
//!
//! A sound server that dies doesn't say so: the error callback fires 1,000 to 100,000 times a second, or
//! nothing at all is called any more. But the same storm, for a few milliseconds, follows every start and
//! every moment in which the card ran dry or over, and the stream then goes on by itself. [`Watch`] is
//! asked by the supervisor every 50 ms and tells them apart: what moves lives. It reads no clock: it
//! counts how often it was asked. [`Pace`] is the driver's substitute: without a microphone it still
//! sends (silence), without a loudspeaker it still takes what arrives.
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
    /// Nothing but errors, for a fifth of a second.
    Errors,
    /// It broke off again and again: a larger buffer may help.
    Crackling,
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
            Self::Crackling => "sound broke off again and again",
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
    /// Looks in a row at a stream that stood still; and of those, with errors.
    still: u32,
    failing: u32,
    /// Looks since sound last broke off, and how often it did shortly before.
    since_break: u32,
    breaks: u32,
    /// Breaks that nobody was told of, and looks since somebody was.
    untold: u64,
    since_told: Option<u32>,
}

/// What to make of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Health {
    Fine,
    /// It goes on, but so often was it interrupted: told soon, then at most once a minute.
    Interrupted(u64),
    Lost(Lost),
}

impl Watch {
    /// Call every [`LOOK_EVERY`].
    pub(super) fn look(&mut self, gauge: &Gauge) -> Health {
        let (callbacks, errors) = (gauge.callbacks(), gauge.errors());
        let (moved, failed) = (callbacks != self.callbacks, errors != self.errors);
        (self.callbacks, self.errors) = (callbacks, errors);
        self.still = if moved { 0 } else { self.still + 1 };
        self.failing = if moved || !failed { 0 } else { self.failing + 1 };
        // A sound server that was asleep fills its buffers, and then takes up to two seconds.
        let starting = callbacks < STARTING;
        let patience = if starting { FIRST_LOOKS } else { LOOKS };
        if gauge.gone() {
            Health::Lost(Lost::Gone)
        } else if self.failing >= FAILING_LOOKS {
            Health::Lost(Lost::Errors)
        } else if self.still >= patience {
            Health::Lost(Lost::Stalled)
        } else {
            self.count_break(failed && !starting)
        }
    }

    /// Errors in one look or in neighbouring ones are one break.
    fn count_break(&mut self, failed: bool) -> Health {
        if failed && self.since_break > 1 {
            self.breaks = if self.since_break < LONG_AGO { self.breaks + 1 } else { 1 };
            self.untold += 1;
        }
        self.since_break = if failed { 0 } else { self.since_break.saturating_add(1) };
        self.since_told = self.since_told.map(|looks| looks.saturating_add(1));
        if self.breaks >= MANY_BREAKS {
            return Health::Lost(Lost::Crackling);
        }
        let told_lately = self.since_told.is_some_and(|looks| looks < TELL_AFTER);
        if self.untold == 0 || told_lately || self.since_break < SURVIVED {
            return Health::Fine;
        }
        self.since_told = Some(0);
        Health::Interrupted(std::mem::take(&mut self.untold))
    }
}

/// Half a second.
const LOOKS: u32 = 10;
/// Callbacks until a stream runs evenly.
const STARTING: u64 = 8;
/// Three seconds.
const FIRST_LOOKS: u32 = 60;
/// A fifth of a second: a storm that passes lasts 10 ms.
const FAILING_LOOKS: u32 = 4;
/// Five seconds without a break: the machine has become calm.
const LONG_AGO: u32 = 100;
/// So many breaks, each soon after the other: this buffer is too small for this machine.
const MANY_BREAKS: u32 = 4;
/// Longer than it takes to give a stream up: whoever reads of a break shall not read of its end as well.
const SURVIVED: u32 = LOOKS + 2;
/// A minute.
const TELL_AFTER: u32 = 1_200;

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
        if lost == Lost::Crackling {
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

    /// When [`Self::due`] may say so next.
    pub(super) fn next_due(&self) -> Instant {
        self.next.unwrap_or(Instant::ZERO)
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

    /// A stream whose callbacks come, each followed by as many errors as `errors` says of this look.
    fn looks(errors: impl Fn(u32) -> u32, count: u32) -> Vec<(u32, Health)> {
        let (gauge, mut watch) = (Arc::new(Gauge::default()), Watch::default());
        let layout = Layout { rate: 48_000, channels: 1 };
        let (mut callback, _ring) = ring::capture(layout, Channels::Mono, &gauge).unwrap();
        let mut told = Vec::new();
        for look in 1..=count {
            callback.heard(&[0.0_f32; 480], |sample| sample);
            (0..errors(look)).for_each(|_| gauge.error());
            match watch.look(&gauge) {
                Health::Fine => {}
                other => told.push((look, other)),
            }
        }
        told
    }

    #[test]
    fn an_error_storm_ends_a_stream_unless_it_passes() {
        let (gauge, mut watch) = (Gauge::default(), Watch::default());
        for look in 1..=4 {
            (0..1_000).for_each(|_| gauge.error());
            let ended = watch.look(&gauge) == Health::Lost(Lost::Errors);
            assert_eq!(ended, look == 4);
        }
        assert_eq!(looks(|look| if look == 3 { 5_000 } else { 0 }, 2_000), [], "while starting");
        let passing = looks(|look| if look == 20 || look == 21 { 5_000 } else { 0 }, 2_000);
        assert_eq!(passing, [(33, Health::Interrupted(1))]);
    }

    #[test]
    fn breaks_are_told_once_it_goes_on_and_then_not_often() {
        // One each 10 seconds.
        let told = looks(|look| u32::from(look.is_multiple_of(200)), 3_000);
        let said: Vec<_> = told.iter().map(|(look, health)| (*look, health)).collect();
        let once = |n| Health::Interrupted(n);
        assert_eq!(said, [(212, &once(1)), (1_412, &once(6)), (2_612, &once(6))]);
    }

    #[test]
    fn a_stream_that_breaks_off_again_and_again_is_given_up() {
        // One each second.
        let told = looks(|look| 40 * u32::from(look.is_multiple_of(20)), 80);
        let ends = (80, Health::Lost(Lost::Crackling));
        assert_eq!(told, [(32, Health::Interrupted(1)), ends]);
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
    fn crackling_enlarges_the_buffer_and_nothing_else_does() {
        let mut buffer = Buffer::default();
        buffer.after(Lost::Gone);
        buffer.after(Lost::Stalled);
        buffer.after(Lost::Errors);
        assert_eq!(buffer.millis(), 20);
        (0..5).for_each(|_| buffer.after(Lost::Crackling));
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
