//! When a packet's sound belongs: RTP timestamps as microseconds on the sender's clock.
//!
//! Sequence numbers and timestamps wrap, change their clock with the codec, and start anew when a sender
//! does. What moves with the time of arrival, give or take [`JUMP_US`], is believed. What doesn't must be
//! confirmed by the packet behind it, as RFC 3550 appendix A.1 asks for sequence numbers: one stray packet
//! moves nothing. Read next: `delay.rs`.

use super::super::{RtpTimestamp, SequenceNumber, SequenceUnwrapper};

/// How a packet fits to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It belongs to the stream.
    Placed(Place),
    /// The stream starts here, for the first time or anew: nothing before it counts.
    Start(Place),
    /// It doesn't fit, and nothing confirms it yet.
    Stray,
}

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its extended sequence number.
    pub(super) number: u64,
    /// When its first sample is due.
    pub(super) media_us: i64,
}

/// What a packet says about its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) number: SequenceNumber,
    pub(super) timestamp: RtpTimestamp,
    pub(super) clock_rate: u32,
    pub(super) duration_us: i64,
    pub(super) arrived_us: i64,
}

/// The stream so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    numbers: SequenceUnwrapper,
    /// The newest packet and its place.
    newest: Option<(Stamp, Place)>,
    /// A packet that did not fit.
    stray: Option<Stamp>,
}

impl Timeline {
    /// The extended number of a packet without a meaningful timestamp, if it fits.
    pub(super) fn number(&self, number: SequenceNumber) -> Option<u64> {
        let (newest, _) = self.newest?;
        fits_in_sequence(number, newest.number).then(|| self.numbers.peek(number))
    }

    /// Places a packet.
    pub(super) fn place(&mut self, stamp: Stamp) -> Fit {
        let Some((newest, place)) = self.newest else { return self.start(stamp) };
        let fit = if !fits_in_sequence(stamp.number, newest.number) {
            None
        } else if stamp.clock_rate == newest.clock_rate {
            self.beside(stamp, newest, place)
        } else {
            self.behind(stamp, newest, place)
        };
        if let Some(placed) = fit {
            self.stray = None;
            self.numbers.unwrap(stamp.number);
            if placed.number > place.number {
                self.newest = Some((stamp, placed));
            }
            return Fit::Placed(placed);
        }
        if self.stray.is_some_and(|stray| confirms(stamp, stray)) {
            return self.start(stamp);
        }
        self.stray = Some(stamp);
        Fit::Stray
    }

    /// Begins at this packet: the sender's clock is set to ours.
    fn start(&mut self, stamp: Stamp) -> Fit {
        self.numbers = SequenceUnwrapper::default();
        let number = self.numbers.unwrap(stamp.number);
        let place = Place { number, media_us: stamp.arrived_us };
        self.newest = Some((stamp, place));
        self.stray = None;
        Fit::Start(place)
    }

    /// Same clock: the timestamps tell how far apart the two are.
    fn beside(&self, stamp: Stamp, newest: Stamp, place: Place) -> Option<Place> {
        let apart_us = to_us(stamp.timestamp.since(newest.timestamp), stamp.clock_rate);
        is_plausible(apart_us, stamp.arrived_us - newest.arrived_us).then(|| Place {
            number: self.numbers.peek(stamp.number),
            media_us: place.media_us + apart_us,
        })
    }

    /// Another codec's clock: its timestamps can't be compared, but the sound goes on where it was, if
    /// not much more time has passed than the packets between them can have lasted.
    fn behind(&self, stamp: Stamp, newest: Stamp, place: Place) -> Option<Place> {
        let number = self.numbers.peek(stamp.number);
        let steps = i64::try_from(number.checked_sub(place.number + 1)?).ok()?;
        let by_number = newest.duration_us * (steps + 1);
        let by_arrival = stamp.arrived_us - newest.arrived_us;
        let apart_us = if by_arrival - by_number > PAUSE_US { by_arrival } else { by_number };
        is_plausible(apart_us, by_arrival)
            .then_some(Place { number, media_us: place.media_us + apart_us })
    }
}

/// RFC 3550 appendix A.1: neither far ahead nor far behind.
fn fits_in_sequence(number: SequenceNumber, newest: SequenceNumber) -> bool {
    (-MAX_MISORDER..MAX_DROPOUT).contains(&number.since(newest))
}

/// Whether a packet follows the one that did not fit.
fn confirms(stamp: Stamp, stray: Stamp) -> bool {
    let apart_us = to_us(stamp.timestamp.since(stray.timestamp), stamp.clock_rate);
    (1..=MAX_CONFIRM).contains(&stamp.number.since(stray.number))
        && stamp.clock_rate == stray.clock_rate
        && is_plausible(apart_us, stamp.arrived_us - stray.arrived_us)
}

fn is_plausible(media_apart_us: i64, arrivals_apart_us: i64) -> bool {
    (media_apart_us - arrivals_apart_us).abs() < JUMP_US
}

fn to_us(ticks: i32, clock_rate: u32) -> i64 {
    i64::from(ticks) * 1_000_000 / i64::from(clock_rate.max(1))
}

/// Two seconds: no network in which a call is bearable delays packets so differently.
const JUMP_US: i64 = 2_000_000;
/// A codec that changes after a pause, and not in mid-sentence.
const PAUSE_US: i64 = 200_000;
const MAX_DROPOUT: i16 = 3_000;
const MAX_MISORDER: i16 = 100;
/// Packets behind a stray one that still confirm it: some may be lost.
const MAX_CONFIRM: i16 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(number: u16, timestamp: u32, ms: i64) -> Stamp {
        Stamp {
            number: SequenceNumber(number),
            timestamp: RtpTimestamp(timestamp),
            clock_rate: 48_000,
            duration_us: 20_000,
            arrived_us: ms * 1_000,
        }
    }

    fn media_us(fit: Fit) -> Option<i64> {
        match fit {
            Fit::Placed(place) | Fit::Start(place) => Some(place.media_us),
            Fit::Stray => None,
        }
    }

    #[test]
    fn timestamps_and_numbers_may_wrap_out_of_order() {
        let mut timeline = Timeline::default();
        timeline.place(stamp(65_534, u32::MAX - 959, 0));
        assert_eq!(media_us(timeline.place(stamp(0, 960, 40))), Some(40_000));
        assert_eq!(media_us(timeline.place(stamp(65_535, 0, 41))), Some(20_000));
    }

    #[test]
    fn one_stray_packet_moves_nothing_and_two_in_sequence_start_anew() {
        let mut timeline = Timeline::default();
        timeline.place(stamp(1, 0, 0));
        assert_eq!(timeline.place(stamp(40_000, 960, 20)), Fit::Stray);
        assert_eq!(media_us(timeline.place(stamp(2, 960, 20))), Some(20_000));
        assert_eq!(timeline.place(stamp(3, 1 << 30, 40)), Fit::Stray, "a timestamp from nowhere");
        let fit = timeline.place(stamp(4, (1 << 30) + 960, 60));
        assert!(matches!(fit, Fit::Start(Place { media_us: 60_000, .. })), "{fit:?}");
    }

    #[test]
    fn a_pause_of_minutes_is_no_jump() {
        let mut timeline = Timeline::default();
        timeline.place(stamp(1, 0, 0));
        let fit = timeline.place(stamp(2, 48_000 * 600, 600_000));
        assert_eq!(media_us(fit), Some(600_000_000));
    }

    #[test]
    fn another_codecs_clock_goes_on_where_the_sound_was() {
        let mut timeline = Timeline::default();
        timeline.place(stamp(1, 960, 0));
        let pcmu = Stamp { clock_rate: 8_000, ..stamp(2, 5, 20) };
        assert_eq!(media_us(timeline.place(pcmu)), Some(20_000));
        let next = Stamp { clock_rate: 8_000, ..stamp(3, 165, 40) };
        assert_eq!(media_us(timeline.place(next)), Some(40_000));
        assert_eq!(timeline.place(stamp(1, 960, 41)), Fit::Stray, "the old clock is forgotten");
        let later = Stamp { clock_rate: 48_000, ..stamp(4, 7, 5_000) };
        assert_eq!(media_us(timeline.place(later)), Some(5_000_000), "after a pause");
    }
}
