//! Does the pair in use still work? When it becomes doubtful, and when doubt is enough to leave it.
//!
//! Consent (RFC 7675) takes 30 s to say so; a person hangs up after five. So whatever makes the pair
//! doubtful sends probes at once, by the pair itself and by all that stand by, and the first answers
//! decide:
//!
//! ```text
//! sure     --something is odd---> doubtful   probes by every pair, 100 ms apart at first
//! doubtful --its own answer-----> sure
//! doubtful --another's answer---> moved      not before the pair itself has had its chance
//! doubtful --nobody's answer----> doubtful   a restart is asked for; again 5 s later, then every 10 s
//! ```
//! Being wrong costs a few packets: the other pair works, too, and the other side follows. A restart that
//! was not needed costs an exchange of descriptions: media stays where it is until the new session has chosen
//! (RFC 8445 section 9).
//!
//! How long nobody's answer is waited for depends on what is odd. No pair is left to wait for: not at all.
//! Sound has stopped: as long as answers take, and some losses. Sound still comes, and only a question of ours
//! went unanswered, which on a bad line happens every few seconds: longer.
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
    /// Our own socket, connection or relay is gone.
    PathGone,
}

/// How long answers took of late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RoundTrips {
    /// By the pair in use.
    pub(super) in_use: Option<Duration>,
    /// By the slowest pair that works.
    pub(super) slowest: Option<Duration>,
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
    restart_due: Instant,
    /// How long an answer by a pair that is new may take.
    new_chance: Duration,
    /// How long the next wait for a restart is; `None`: none was asked for yet.
    asks_again: Option<Duration>,
}

/// The pair itself gets so many probes and a round trip before another's answer is preferred, or a restart
/// asked for: at a loss of a fifth each way five probes all go unanswered six times in a thousand. For a restart
/// those of all pairs count, nine in that time: at a fifth once in ten thousand, at two fifths once in fifty.
const CHANCE: Duration = Duration::from_millis(400);
/// Where media flows and only a consent check went unanswered, leaving is less urgent.
const LONG_CHANCE: Duration = Duration::from_millis(1_000);
/// A round trip counts for no more than this.
pub(super) const LONGEST_ROUND_TRIP: Duration = Duration::from_millis(500);
/// Where media flows and no pair at all has answered for so long, the other side has to be reached anew.
const HOPELESS: Duration = Duration::from_secs(2);
/// Pairs that nobody has tried yet, where the one in use is gone: a probe of three, and a round trip.
const NEW_CHANCE: Duration = Duration::from_millis(150);
/// A restart that changed nothing is asked for again, first so soon, then after twice as long.
const ASK_AGAIN: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Doubt {
    /// Something is odd; answers are expected after a round trip.
    pub(super) fn new(now: Instant, why: Why, took: RoundTrips) -> Self {
        let [in_use, slowest] = [took.in_use, took.slowest].map(answer_within);
        let new_chance = NEW_CHANCE + in_use;
        let (decides, hopeless) = match why {
            Why::MediaStopped => (CHANCE + in_use, CHANCE + slowest.max(in_use)),
            Why::Unanswered | Why::TheyMoved => (LONG_CHANCE + in_use, HOPELESS),
            Why::PathGone => (Duration::ZERO, new_chance),
        };
        Self {
            since: now,
            decides: now + decides,
            they_moved: why == Why::TheyMoved,
            restart_due: now + hopeless,
            new_chance,
            asks_again: None,
        }
    }

    /// Something else is odd, too: the sooner decision counts.
    pub(super) fn or(self, other: Self) -> Self {
        let decides = self.decides.min(other.decides);
        let restart_due = match self.asks_again {
            None => self.restart_due.min(other.restart_due),
            Some(_) => self.restart_due,
        };
        Self { decides, restart_due, they_moved: self.they_moved || other.they_moved, ..self }
    }

    /// A way has come that was not there before: it gets its chance, and if nothing comes of it, a restart may
    /// do now what it could not do before.
    pub(super) fn or_new_way(self, now: Instant) -> Self {
        Self { restart_due: self.restart_due.min(now + self.new_chance), ..self }
    }

    /// When a restart is asked for, if nothing happens before.
    pub(super) fn restart_due(&self) -> Instant {
        self.restart_due
    }

    /// How soon after a probe of a pair the next one follows. A pair that is alone may have every slot of the
    /// pace: no other wants the next one.
    pub(super) fn urgency(&self, now: Instant, is_alone: bool) -> Urgency {
        Urgency::Pressing(Duration::from_millis(match (now - self.since).as_millis() {
            0..1_500 if is_alone => 50,
            0..1_500 => 100,
            1_500..6_000 => 500,
            _ => 2_000,
        }))
    }

    /// Whether a restart is needed as of now; not again for a while. Where nobody is left who could answer, the
    /// first one is due at once.
    pub(super) fn asks_for_restart(&mut self, now: Instant, may_be_answered: bool) -> bool {
        if self.asks_again.is_none() && !may_be_answered {
            self.restart_due = self.restart_due.min(now);
        }
        let due = self.restart_due <= now;
        if due {
            let pause = self.asks_again.unwrap_or(ASK_AGAIN);
            self.restart_due = now + pause;
            self.asks_again = Some((2 * pause).min(LONGEST_PAUSE));
        }
        due
    }
}

/// How long an answer may take.
fn answer_within(took: Option<Duration>) -> Duration {
    took.unwrap_or(LONGEST_ROUND_TRIP).min(LONGEST_ROUND_TRIP)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    const NEAR: RoundTrips = RoundTrips {
        in_use: Some(Duration::from_millis(40)),
        slowest: Some(Duration::from_millis(90)),
    };

    /// When a restart is asked for.
    fn asked(mut doubt: Doubt, may_be_answered: bool) -> Vec<u64> {
        (0..35_000).filter(|now| doubt.asks_for_restart(ms(*now), may_be_answered)).collect()
    }

    #[test]
    fn the_pair_in_use_has_its_chance_and_the_sooner_decision_counts() {
        let unanswered = Doubt::new(ms(100), Why::Unanswered, NEAR);
        assert_eq!(unanswered.decides, ms(1_140));
        let stopped = Doubt::new(ms(200), Why::MediaStopped, NEAR);
        assert_eq!(unanswered.or(stopped).decides, ms(640));
        assert_eq!(unanswered.or(stopped).since, ms(100));
        assert_eq!(Doubt::new(ms(0), Why::PathGone, NEAR).decides, ms(0));
    }

    #[test]
    fn a_restart_is_asked_for_when_answers_should_have_come_and_again_later() {
        let of = |why| Doubt::new(ms(0), why, NEAR);
        assert_eq!(asked(of(Why::MediaStopped), true), [490, 5_490, 15_490, 25_490]);
        assert_eq!(asked(of(Why::Unanswered), true)[0], 2_000);
        assert_eq!(asked(of(Why::PathGone), true)[0], 190, "pairs nobody has tried get a try");
        let unmeasured = Doubt::new(ms(0), Why::MediaStopped, RoundTrips::default());
        assert_eq!(asked(unmeasured, true)[0], 900);
        let both = of(Why::Unanswered).or(Doubt::new(ms(300), Why::MediaStopped, NEAR));
        assert_eq!(asked(both, true)[0], 790, "sound stopped as well");
    }

    #[test]
    fn where_nobody_can_answer_a_restart_is_asked_for_at_once() {
        for why in [Why::PathGone, Why::MediaStopped, Why::Unanswered] {
            let asked = asked(Doubt::new(ms(0), why, NEAR), false);
            assert_eq!(asked, [0, 5_000, 15_000, 25_000], "{why:?}");
        }
        let mut doubt = Doubt::new(ms(0), Why::PathGone, NEAR);
        assert!(doubt.asks_for_restart(ms(0), false));
        let doubt = doubt.or_new_way(ms(500));
        assert_eq!(doubt.restart_due(), ms(690), "another network has come");
    }

    #[test]
    fn probes_get_rarer_and_more_of_them_go_by_a_pair_that_is_alone() {
        let doubt = Doubt::new(ms(0), Why::MediaStopped, NEAR);
        let again = |now, is_alone| match doubt.urgency(ms(now), is_alone) {
            Urgency::Pressing(again) => again.as_millis(),
            Urgency::Calm => 0,
        };
        assert_eq!([0, 1_500, 6_000].map(|now| again(now, false)), [100, 500, 2_000]);
        assert_eq!([0, 1_500, 6_000].map(|now| again(now, true)), [50, 500, 2_000]);
    }
}
