//! The only reader of the clock and of the system's randomness.
//!
//! Protocol code takes time and a seeded [`StdRng`] as arguments, so that tests can choose both. The real
//! ones are made here and nowhere else; `tests/architecture.rs` and `clippy.toml` see to it.
//!
//! ```
//! use halloo::net::world::World;
//! let world = World::new();
//! let earlier = world.now();
//! assert!(world.now() >= earlier, "the clock never goes back, even if somebody sets the time");
//! ```

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::rngs::{StdRng, SysRng};
use rand::{SeedableRng, TryRng};

use crate::time::{Instant, NtpTime};

/// This process's clock: monotonic since the start, and what the wall said at the start.
///
/// Cheap to copy; copies show the same time.
#[derive(Clone, Copy, Debug)]
pub struct World {
    start: std::time::Instant,
    wall_at_start: Duration,
}

impl World {
    /// Starts the clock: now is [`Instant::ZERO`].
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of both clocks")]
    pub fn new() -> Self {
        let wall_at_start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: std::time::Instant::now(), wall_at_start }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::from(self.start.elapsed())
    }

    /// What the wall clock said at [`Instant::ZERO`]. Sender reports count on from there, so that a
    /// wall clock set during a call doesn't tear sound and time apart (RFC 3550 section 4 asks for
    /// a common reference, not for the right time).
    #[must_use]
    pub fn ntp_at_start(&self) -> NtpTime {
        NtpTime::from_unix(self.wall_at_start)
    }

    /// `now` on the wall, as time since 1970: for people, and for the W3C's timestamps.
    #[must_use]
    pub fn since_1970(&self, now: Instant) -> Duration {
        self.wall_at_start + now.since_start()
    }

    /// The moment as the async runtime's timers want it.
    #[must_use]
    pub fn to_runtime(&self, moment: Instant) -> tokio::time::Instant {
        let start = tokio::time::Instant::from_std(self.start);
        // A timer for the end of time is as good as one in a year.
        start + moment.since_start().min(Duration::from_secs(365 * 24 * 3_600))
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// A generator seeded by the system: a new one for each call.
///
/// # Errors
/// The system has no randomness to give; nothing safe can be built then.
pub fn rng() -> std::io::Result<StdRng> {
    StdRng::try_from_rng(&mut SysRng).map_err(std::io::Error::other)
}

/// 128 bits from the system, for names that nobody may guess.
///
/// # Errors
/// As [`rng`].
pub fn unguessable() -> std::io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    SysRng.try_fill_bytes(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_differ() {
        assert_ne!(unguessable().unwrap(), unguessable().unwrap());
    }

    #[test]
    fn the_wall_clock_counts_on_from_the_start() {
        let world = World::new();
        let later = world.since_1970(Instant::from_millis(1_500));
        assert_eq!(later - world.since_1970(Instant::ZERO), Duration::from_millis(1_500));
        let ntp = world.ntp_at_start().to_unix();
        let difference = ntp.abs_diff(world.since_1970(Instant::ZERO));
        assert!(
            difference < Duration::from_micros(1),
            "NTP's fractions are 232 ps: {difference:?}"
        );
    }
}
