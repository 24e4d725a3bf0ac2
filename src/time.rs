//! How time is told: a clock that starts at zero, and NTP time for sender reports.
//!
//! Protocol code never asks what time it is; it is told, as an [`Instant`] argument. Tests write the
//! time down, and a whole call runs in virtual time.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A moment, counted from the start of the program (or of the test).
///
/// ```
/// use halloo::time::Instant;
/// use std::time::Duration;
/// let later = Instant::from_millis(20) + Duration::from_millis(5);
/// assert_eq!(later - Instant::from_millis(20), Duration::from_millis(5));
/// assert_eq!(Instant::ZERO - later, Duration::ZERO, "never negative");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(Duration);

impl Instant {
    /// The start.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// `ms` milliseconds after the start.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    /// `us` microseconds after the start.
    #[must_use]
    pub const fn from_micros(us: u64) -> Self {
        Self(Duration::from_micros(us))
    }

    /// Time since the start.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        self.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, later: Duration) {
        *self = *self + later;
    }
}

impl Sub for Instant {
    type Output = Duration;
    /// Time from `earlier` to `self`; zero if `earlier` is later.
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl From<Duration> for Instant {
    fn from(since_start: Duration) -> Self {
        Self(since_start)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// An NTP timestamp: seconds since 1900 in the upper 32 bits, fractions of one in the lower
/// (RFC 3550 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtpTime(pub u64);

/// Seconds from 1900 to 1970.
const UNIX_EPOCH_IN_NTP: u64 = 2_208_988_800;

impl NtpTime {
    /// From the time since 1970. The era wraps in 2036, as the format does.
    #[must_use]
    pub fn from_unix(since_1970: Duration) -> Self {
        Self((UNIX_EPOCH_IN_NTP << 32).wrapping_add(fixed_point(since_1970)))
    }

    /// Time since 1970 to the nearest nanosecond, within the era that ends in 2036.
    #[must_use]
    pub fn to_unix(self) -> Duration {
        let since_1970 = self.0.wrapping_sub(UNIX_EPOCH_IN_NTP << 32);
        let nanos = ((since_1970 & 0xffff_ffff) * 1_000_000_000 + (1 << 31)) >> 32;
        Duration::from_secs(since_1970 >> 32) + Duration::from_nanos(nanos)
    }

    /// The middle 32 bits, as report blocks carry them: 16 bits of seconds, 16 of fractions.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the middle bits are what is asked for")]
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

impl Add<Duration> for NtpTime {
    type Output = Self;
    fn add(self, later: Duration) -> Self {
        Self(self.0.wrapping_add(fixed_point(later)))
    }
}

/// 32.32 fixed point.
fn fixed_point(duration: Duration) -> u64 {
    let fraction = (u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000;
    (duration.as_secs() << 32) | fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unix_epoch_is_70_years_of_ntp_time() {
        let epoch = NtpTime::from_unix(Duration::ZERO);
        assert_eq!(epoch.0 >> 32, 2_208_988_800);
        let later = epoch + Duration::from_millis(1_500);
        assert_eq!(later.to_unix(), Duration::from_millis(1_500));
        assert_eq!(later.middle(), 0x7e81_8000);
    }
}
