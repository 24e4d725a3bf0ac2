//! Is media still coming? Noticed in half a second, where consent would take 30.
//!
//! Packets that came steadily and stop are a sign that the way is dead; they may also mean that the other
//! side muted itself. So this only raises doubt, and checks decide (`ice/doubt.rs`): a false alarm
//! costs a few of them.
//!
//! ```text
//! idle   --ten packets in a row--> steady   none later than 250 ms after the one before
//! steady --a later one-----------> idle
//! steady --none for 500 ms-------> idle     and it is told
//! ```
//! Where discontinuous transmission was agreed on, silence is normal, and nothing is expected; the same
//! on hold. Consent alone decides there.

use std::time::Duration;

use crate::time::Instant;

/// Watches the packets of one direction.
#[derive(Debug, Default)]
pub(super) struct Vigil {
    latest: Option<Instant>,
    in_a_row: u32,
}

/// Two packets of 60 ms lost between two that came.
const STEADY: Duration = Duration::from_millis(250);
/// So many make a habit.
const HABIT: u32 = 10;
/// Silence for so long is none of the network's usual jokes.
const STOPPED: Duration = Duration::from_millis(500);

impl Vigil {
    /// A packet came.
    pub(super) fn packet(&mut self, now: Instant) {
        let steady = self.latest.is_some_and(|latest| now - latest <= STEADY);
        self.in_a_row = if steady { self.in_a_row.saturating_add(1) } else { 1 };
        self.latest = Some(now);
    }

    /// Nothing is expected any more: hold, or a goodbye.
    pub(super) fn rest(&mut self) {
        self.in_a_row = 0;
    }

    /// When silence will be worth telling.
    pub(super) fn due(&self) -> Option<Instant> {
        self.latest.filter(|_| self.in_a_row >= HABIT).map(|latest| latest + STOPPED)
    }

    /// Whether it is; told once, until packets come steadily again.
    pub(super) fn has_stopped(&mut self, now: Instant) -> bool {
        let stopped = self.due().is_some_and(|due| due <= now);
        if stopped {
            self.rest();
        }
        stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn after(arrivals: impl IntoIterator<Item = u64>) -> Vigil {
        let mut vigil = Vigil::default();
        arrivals.into_iter().for_each(|at| vigil.packet(ms(at)));
        vigil
    }

    #[test]
    fn silence_after_steady_packets_is_told_once_and_half_a_second_later() {
        let mut vigil = after((0..20).map(|n| n * 20));
        assert_eq!(vigil.due(), Some(ms(880)));
        assert!(!vigil.has_stopped(ms(879)));
        assert!(vigil.has_stopped(ms(880)));
        assert!(!vigil.has_stopped(ms(9_000)));
        (500..510).for_each(|n| vigil.packet(ms(n * 20)));
        assert!(vigil.has_stopped(ms(10_700)), "steady again, stopped again");
    }

    #[test]
    fn nothing_is_expected_after_a_few_packets_or_rare_ones_or_a_goodbye() {
        assert_eq!(after([0, 20, 40, 60]).due(), None);
        assert_eq!(after((0..50).map(|n| n * 400)).due(), None, "DTX");
        let mut vigil = after((0..20).map(|n| n * 20));
        vigil.rest();
        assert_eq!(vigil.due(), None);
        assert!(
            after((0..20).map(|n| n * 180)).due().is_some(),
            "of packets of 60 ms two are lost"
        );
    }
}
