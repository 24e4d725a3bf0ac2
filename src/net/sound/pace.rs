//! Ten milliseconds after ten milliseconds, without a sound card to count them.
//!
//! Each deadline is the one before plus 10 ms, not "10 ms from now": a loop that wakes a little late
//! each time would otherwise send a little less than real time, and the other side would run dry.

use crate::audio::Frame;
use crate::time::Instant;

/// When the next frame is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    next: Instant,
}

/// Later than this, the machine slept: what was missed is past, and not to be made up in a burst.
const ASLEEP: std::time::Duration = std::time::Duration::from_millis(500);

impl Pace {
    /// The first frame is due at once.
    pub(crate) const fn from(now: Instant) -> Self {
        Self { next: now }
    }

    pub(crate) const fn due(self) -> Instant {
        self.next
    }

    /// Whether a frame is due; ask until none is.
    pub(crate) fn tick(&mut self, now: Instant) -> bool {
        if self.next > now {
            return false;
        }
        if now - self.next > ASLEEP {
            self.next = now;
        }
        self.next += Frame::DURATION;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames_at(pace: &mut Pace, now: Instant) -> usize {
        std::iter::from_fn(|| pace.tick(now).then_some(())).count()
    }

    #[test]
    fn waking_late_each_time_loses_no_frame() {
        let mut pace = Pace::from(Instant::ZERO);
        let mut frames = 0;
        let mut now = Instant::ZERO;
        while now < Instant::from_millis(10_000) {
            frames += frames_at(&mut pace, now);
            now = pace.due() + std::time::Duration::from_micros(1_700);
        }
        assert_eq!(frames, 1_000);
    }

    #[test]
    fn a_machine_that_slept_goes_on_from_now() {
        let mut pace = Pace::from(Instant::ZERO);
        assert_eq!(frames_at(&mut pace, Instant::from_millis(200)), 21, "a hiccup is made up");
        assert_eq!(frames_at(&mut pace, Instant::from_millis(60_000)), 1, "sleep is not");
    }
}
