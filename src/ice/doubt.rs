//! Does the pair in use still work? When it becomes doubtful, and when doubt is enough to leave it.
//!
//! Consent (RFC 7675) takes 30 s to say so; a person hangs up after five. So whatever makes the pair
//! doubtful sends probes at once, by the pair itself and by all that stand by, and the first answers
//! decide:
//!
//! ```text
//! sure     --something is odd-----> doubtful   probes by every pair, 100 ms apart at first
//! doubtful --its own answer-------> sure
//! doubtful --another's answer-----> moved      not before the pair itself has had its chance
//! doubtful --2 s without answers--> doubtful   a restart is asked for; again every 10 s
//! ```
//! Being wrong costs a few packets: the other pair works, too, and the other side follows.
//!
//! Asked by `agent/rescue.rs`. Read next: `agent/rescue.rs`.

use std::time::Duration;

use super::standby::Urgency;
use crate::time::Instant;

/// What is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Media came steadily, and stopped.
    MediaStopped,
    /// A consent check is not answered.
    Unanswered,
    /// Their media comes by another pair: they have left this one.
    TheyMoved,
    /// Our own socket is gone.
    PathGone,
}

/// Doubt, while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) since: Instant,
    /// From here on another pair's answer is enough.
    pub(super) decides: Instant,
    /// Whether it began because they moved.
    pub(super) they_moved: bool,
    /// When a restart is asked for (again).
    pub(super) restart_due: Instant,
}

/// The pair itself gets so many probes and a round trip before another's answer is preferred: at a loss of
/// a fifth each way five probes all go unanswered six times in a thousand.
const CHANCE: Duration = Duration::from_millis(400);
/// Where media flows and only a consent check went unanswered, leaving is less urgent.
const LONG_CHANCE: Duration = Duration::from_millis(1_000);
/// A round trip counts for no more than this.
const LONGEST_ROUND_TRIP: Duration = Duration::from_millis(500);
/// No pair at all has answered for so long: the other side has to be reached anew.
const HOPELESS: Duration = Duration::from_secs(2);
/// A restart that changed nothing is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(10);

impl Doubt {
    /// Something is odd; answers are expected after `round_trip`.
    pub(super) fn new(now: Instant, why: Why, round_trip: Option<Duration>) -> Self {
        let round_trip = round_trip.unwrap_or(LONGEST_ROUND_TRIP).min(LONGEST_ROUND_TRIP);
        let decides = now
            + match why {
                Why::MediaStopped => CHANCE + round_trip,
                Why::Unanswered | Why::TheyMoved => LONG_CHANCE + round_trip,
                Why::PathGone => Duration::ZERO,
            };
        let they_moved = why == Why::TheyMoved;
        Self { since: now, decides, they_moved, restart_due: now + HOPELESS }
    }

    /// Something else is odd, too: the sooner decision counts.
    pub(super) fn or(self, other: Self) -> Self {
        let decides = self.decides.min(other.decides);
        Self { decides, they_moved: self.they_moved || other.they_moved, ..self }
    }

    /// How soon after a probe of a pair the next one follows.
    pub(super) fn urgency(&self, now: Instant) -> Urgency {
        Urgency::Pressing(Duration::from_millis(match (now - self.since).as_millis() {
            0..1_500 => 100,
            1_500..6_000 => 500,
            _ => 2_000,
        }))
    }

    /// Whether a restart has to be asked for now; not again for a while.
    pub(super) fn asks_for_restart(&mut self, now: Instant) -> bool {
        let due = self.restart_due <= now;
        if due {
            self.restart_due = now + ASK_AGAIN;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn the_pair_in_use_has_its_chance_and_the_sooner_decision_counts() {
        let rtt = Some(Duration::from_millis(40));
        let unanswered = Doubt::new(ms(100), Why::Unanswered, rtt);
        assert_eq!(unanswered.decides, ms(1_140));
        let stopped = Doubt::new(ms(200), Why::MediaStopped, rtt);
        assert_eq!(unanswered.or(stopped).decides, ms(640));
        assert_eq!(unanswered.or(stopped).since, ms(100));
        assert_eq!(Doubt::new(ms(0), Why::PathGone, rtt).decides, ms(0));
    }

    #[test]
    fn probes_get_rarer_and_a_restart_is_asked_for_again() {
        let mut doubt = Doubt::new(ms(0), Why::MediaStopped, None);
        let again = |now| match doubt.urgency(ms(now)) {
            Urgency::Pressing(again) => again.as_millis(),
            Urgency::Calm => 0,
        };
        assert_eq!([again(0), again(1_500), again(6_000)], [100, 500, 2_000]);
        let asked: Vec<u64> = (0..25_000).filter(|now| doubt.asks_for_restart(ms(*now))).collect();
        assert_eq!(asked, [2_000, 12_000, 22_000]);
    }
}
