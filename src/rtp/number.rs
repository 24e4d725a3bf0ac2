//! Numbers that wrap: sequence numbers and timestamps, and the name of a source (RFC 3550 section 5.1).
//!
//! Order on a circle: `a` is newer than `b` if less than half the circle lies from `b` to `a` (RFC
//! 1982). There is no `<` on these types, so nobody compares raw numbers by accident.

use std::fmt;

/// An RTP sequence number: one more for each packet, modulo 2^16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number of the next packet.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Steps from `earlier` to `self`, negative if `self` is the older one. Exactly half the circle
    /// counts as older.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i16 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    /// Whether `self` comes after `other`.
    #[must_use]
    pub const fn is_newer_than(self, other: Self) -> bool {
        self.since(other) > 0
    }
}

/// An RTP timestamp: the sampling instant of a packet's first sample, in ticks of the payload's clock,
/// modulo 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RtpTimestamp(pub u32);

impl RtpTimestamp {
    /// The timestamp `ticks` later.
    #[must_use]
    pub const fn after(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }

    /// Ticks from `earlier` to `self`, negative if `self` is the older one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    /// Whether `self` comes after `other`.
    #[must_use]
    pub const fn is_newer_than(self, other: Self) -> bool {
        self.since(other) > 0
    }
}

/// A synchronization source: whose packets these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Widens a wrapping 16-bit number to 64 bits, relative to the last one seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequenceUnwrapper {
    last: Option<u64>,
}

impl SequenceUnwrapper {
    /// The first number starts in the second lap, so that older ones have room below it.
    const FIRST_LAP: u64 = 1 << 16;

    /// The extended number nearest to the newest one seen so far.
    pub fn unwrap(&mut self, number: SequenceNumber) -> u64 {
        let extended = self.peek(number);
        self.last = Some(self.last.map_or(extended, |last| last.max(extended)));
        extended
    }

    /// The same without remembering `number`.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low 16 bits are the number on the wire"
    )]
    pub fn peek(&self, number: SequenceNumber) -> u64 {
        match self.last {
            None => Self::FIRST_LAP | u64::from(number.0),
            Some(last) => {
                let step = number.since(SequenceNumber(last as u16));
                last.saturating_add_signed(i64::from(step))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_holds_across_the_wrap() {
        assert!(SequenceNumber(2).is_newer_than(SequenceNumber(65_534)));
        assert!(!SequenceNumber(65_534).is_newer_than(SequenceNumber(2)));
        assert_eq!(SequenceNumber(65_535).next(), SequenceNumber(0));
        assert_eq!(RtpTimestamp(10).since(RtpTimestamp(u32::MAX)), 11);
    }

    #[test]
    fn unwrapping_survives_reordering_across_the_wrap() {
        let mut unwrapper = SequenceUnwrapper::default();
        let first = unwrapper.unwrap(SequenceNumber(65_535));
        assert_eq!(unwrapper.unwrap(SequenceNumber(1)), first + 2);
        assert_eq!(unwrapper.unwrap(SequenceNumber(65_534)), first - 1);
        assert_eq!(unwrapper.unwrap(SequenceNumber(2)), first + 3);
    }
}
