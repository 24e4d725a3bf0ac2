//! Pairs that stand by: what a call goes on with when the pair in use dies.
//!
//! RFC 8445 ends all checks once a pair is chosen (section 8.1.2), and leaves a call whose cable is
//! pulled with nothing but a restart. So the other pairs are kept: by a probe now and then, which is a
//! Binding request as any (section 11 allows them as keepalives), sent once and not repeated. It holds
//! NAT bindings open, and its answer renews the consent to send (RFC 7675 section 5.1).
//!
//! ```text
//! untried --probe------------> untried    500 ms, 1 s, 2 s … apart, five times
//! untried --unanswered-------> given up
//! untried --answered---------> proven
//! proven  --probe------------> proven     every 8 to 12 s; 2 s after one that nobody answered
//! proven  --30 s unanswered--> given up   its consent has run out
//! ```
//! While the pair in use is in doubt (`doubt.rs`), every pair is probed at short intervals, but never
//! more than one at a time: the pace of all probes together is that of connectivity checks, Ta.
//!
//! Asked by `agent/rescue.rs`. Read next: `doubt.rs`.

use std::collections::VecDeque;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::doubt::LONGEST_ROUND_TRIP;
use super::pair::PairId;
use crate::stun::TransactionId;
use crate::time::Instant;

/// Between two probes of a pair that answers: NATs forget after 30 s at the earliest in practice.
const PERIOD_MS: std::ops::RangeInclusive<u64> = 8_000..=12_000;
/// After a probe of such a pair that is not answered.
const RETRY: Duration = Duration::from_secs(2);
/// The first wait of an untried pair; each later one is double.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Probes that an untried pair gets.
const TRIES: u32 = 5;
/// Between any two probes, when nothing presses.
const CALM_PACE: Duration = Duration::from_millis(200);
/// Probes that may be unanswered at a time; the oldest is forgotten.
const MAX_OPEN: usize = 64;

/// How one pair stands by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standby {
    /// When it is probed next; none: not at all.
    pub(super) due: Option<Instant>,
    /// Probes since the last answer.
    pub(super) unanswered: u32,
}

impl Standby {
    /// A probe leaves. Says when the next one does, if nothing comes of it.
    pub(super) fn probed(&mut self, now: Instant, proven: Proven, urgency: Urgency) {
        self.unanswered = self.unanswered.saturating_add(1);
        self.due = match (urgency, proven) {
            (Urgency::Pressing(again), _) => Some(now + again),
            (Urgency::Calm, Proven::Yes) => Some(now + RETRY),
            (Urgency::Calm, Proven::No) if self.unanswered < TRIES => {
                Some(now + FIRST_WAIT * (1 << self.unanswered))
            }
            (Urgency::Calm, Proven::No) => None,
        };
    }

    /// It answered, or another pair is in use from now on.
    pub(super) fn rest(&mut self, now: Instant, proven: Proven, rng: &mut StdRng) {
        if proven == Proven::Yes {
            self.unanswered = 0;
            self.due = Some(now + Duration::from_millis(rng.random_range(PERIOD_MS)));
        } else if self.unanswered < TRIES {
            self.due = Some(now + FIRST_WAIT);
        } else {
            self.due = None;
        }
    }
}

/// Whether a pair has worked, and consent lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proven {
    Yes,
    No,
}

/// Whether the pair in use is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    Calm,
    /// Every pair is probed anew after so long.
    Pressing(Duration),
}

/// Probes that wait for their answers, and the pace of those to come.
#[derive(Debug, Default)]
pub(super) struct Probes {
    open: VecDeque<(TransactionId, PairId, Instant)>,
    next_slot: Instant,
}

impl Probes {
    /// When the next one may leave.
    pub(super) fn next_slot(&self) -> Instant {
        self.next_slot
    }

    /// One leaves; `pace` is Ta.
    pub(super) fn sent(
        &mut self,
        now: Instant,
        id: TransactionId,
        pair: PairId,
        pace: Duration,
        urgency: Urgency,
    ) {
        if self.open.len() == MAX_OPEN {
            self.open.pop_front();
        }
        self.open.push_back((id, pair, now));
        self.next_slot = now
            + match urgency {
                Urgency::Calm => pace.max(CALM_PACE),
                Urgency::Pressing(_) => pace,
            };
    }

    /// The next one may leave as soon as Ta allows: something presses.
    pub(super) fn hurry(&mut self, now: Instant, pace: Duration) {
        self.next_slot = self.next_slot.min(now + pace);
    }

    /// Whose probe this id names, and when it left.
    pub(super) fn find(&self, id: TransactionId) -> Option<(PairId, Instant)> {
        self.open.iter().find(|(open, _, _)| *open == id).map(|(_, pair, sent)| (*pair, *sent))
    }

    /// Whether one of this pair has left so lately that its answer may be on its way: perhaps its last.
    pub(super) fn await_answer_by(&self, pair: PairId, now: Instant) -> bool {
        self.open.iter().any(|(_, of, sent)| *of == pair && now - *sent < LONGEST_ROUND_TRIP)
    }

    /// An answer came: each counts once.
    pub(super) fn take(&mut self, id: TransactionId) -> Option<(PairId, Instant)> {
        let place = self.open.iter().position(|(open, _, _)| *open == id)?;
        self.open.remove(place).map(|(_, pair, sent)| (pair, sent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn an_untried_pair_is_probed_five_times_and_given_up() {
        let mut standby = Standby::default();
        let mut now = Instant::ZERO;
        standby.rest(now, Proven::No, &mut StdRng::seed_from_u64(1));
        let mut sent = Vec::new();
        while let Some(due) = standby.due {
            now = due;
            sent.push(now.since_start().as_millis());
            standby.probed(now, Proven::No, Urgency::Calm);
        }
        assert_eq!(sent, [500, 1_500, 3_500, 7_500, 15_500]);
    }

    #[test]
    fn a_proven_pair_is_probed_every_8_to_12_seconds_and_sooner_after_silence() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            let mut standby = Standby::default();
            standby.rest(Instant::ZERO, Proven::Yes, &mut rng);
            let due = standby.due.unwrap();
            assert!((8_000..=12_000).contains(&due.since_start().as_millis()));
            standby.probed(due, Proven::Yes, Urgency::Calm);
            assert_eq!(standby.due, Some(due + Duration::from_secs(2)));
        }
    }

    #[test]
    fn probes_keep_the_pace_and_an_answer_counts_once() {
        let (mut probes, ta) = (Probes::default(), Duration::from_millis(50));
        let id = |n| TransactionId([n; 12]);
        probes.sent(Instant::ZERO, id(1), PairId(1), ta, Urgency::Calm);
        assert_eq!(probes.next_slot(), Instant::from_millis(200));
        probes.hurry(Instant::from_millis(10), ta);
        assert_eq!(probes.next_slot(), Instant::from_millis(60));
        assert_eq!(probes.take(id(1)), Some((PairId(1), Instant::ZERO)));
        assert_eq!(probes.take(id(1)), None);
        for n in 0..=64 {
            probes.sent(Instant::ZERO, id(n), PairId(0), ta, Urgency::Calm);
        }
        assert_eq!(probes.find(id(0)), None, "the oldest is forgotten");
    }
}
