//! A candidate pair: one of ours, one of theirs, and how its check stands (RFC 8445 section 6.1.2).
//!
//! ```text
//! Frozen     --Unfreeze-> Waiting      a pair of its foundation worked, or none of them is on its way
//! Waiting    --Yield----> Frozen       a better pair of its foundation came
//! Waiting    --Send-----> InProgress   its turn: the check leaves
//! InProgress --Answer---> Succeeded
//! InProgress --Fail-----> Failed       no answer, or one that ends it
//! Frozen     --Answer---> Succeeded    the check of another pair of ours showed that this one works
//! Waiting    --Answer---> Succeeded    an earlier check of the pair was answered after all
//! Failed     --Answer---> Succeeded
//! Succeeded  --Fail-----> Failed       it was chosen, and then did not work
//! Frozen     --Trigger--> Waiting      the other side checks this pair: so do we, at once
//! InProgress --Trigger--> Waiting
//! Failed     --Trigger--> Waiting
//! ```
//! Everything else changes nothing: above all, a succeeded pair is not checked again because the other
//! side checks it (RFC 8445 section 7.3.1.4). Read next: `checklist.rs`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::candidate::{PathId, Transport};
use super::nominate::Nomination;
use super::standby::Standby;
use crate::time::Instant;

/// How a pair's check stands (RFC 8445 section 6.1.2.6); W3C's `RTCStatsIceCandidatePairState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PairState {
    /// Waits for a pair of the same foundation.
    Frozen,
    /// Will be checked in its turn.
    Waiting,
    /// Checked, not answered yet.
    InProgress,
    /// Answered.
    Succeeded,
    /// Not answered, or refused.
    Failed,
}

/// What can move a pair's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PairSignal {
    Unfreeze,
    Yield,
    Send,
    Answer,
    Fail,
    Trigger,
}

impl PairState {
    /// The state after `signal`: the table above.
    pub(super) const fn after(self, signal: PairSignal) -> Self {
        use PairSignal::{Answer, Fail, Send, Trigger, Unfreeze, Yield};
        match (self, signal) {
            (Self::Frozen, Unfreeze | Trigger) | (Self::InProgress | Self::Failed, Trigger) => {
                Self::Waiting
            }
            (Self::Waiting, Yield) => Self::Frozen,
            (Self::Waiting, Send) => Self::InProgress,
            (Self::Frozen | Self::Waiting | Self::InProgress | Self::Failed, Answer) => {
                Self::Succeeded
            }
            (Self::InProgress | Self::Succeeded, Fail) => Self::Failed,
            (unchanged, _) => unchanged,
        }
    }
}

/// 2^32 min(G,D) + 2 max(G,D) + (G>D), RFC 8445 section 6.1.2.3: G is the controlling side's
/// candidate, D the controlled side's.
///
/// ```
/// use halloo::ice::pair_priority;
/// assert_eq!(pair_priority(2_130_706_431, 1_862_270_975), 7_998_392_938_176_446_463);
/// ```
#[must_use]
pub fn pair_priority(controlling: u32, controlled: u32) -> u64 {
    let (g, d) = (u64::from(controlling), u64::from(controlled));
    // Priorities are below 2^31; larger ones, which a peer might send, must not overflow.
    (g.min(d) << 32).saturating_add(2 * g.max(d) + u64::from(g > d))
}

/// Names a pair for the life of the agent; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairId(pub u32);

/// Names one of our candidates; never used twice. A candidate that is offered again after a restart keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalId(pub usize);

/// Names one of their candidates; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteId(pub usize);

/// Pairs with equal foundations probably work or fail together. RFC 8445 section 5.1.1.3 makes the
/// base address part of a foundation; some servers give all their candidates the same one, so their
/// address is part of the key here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Foundation {
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) remote_base: IpAddr,
}

/// Figures of one pair, for W3C's `RTCIceCandidatePairStats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairFigures {
    /// Connectivity and consent checks sent, without retransmissions.
    pub requests_sent: u64,
    /// Authenticated requests received.
    pub requests_received: u64,
    /// Answers sent.
    pub responses_sent: u64,
    /// Authenticated answers received.
    pub responses_received: u64,
    /// Those of the requests that were to keep consent fresh.
    pub consent_requests_sent: u64,
    /// The latest round trip.
    pub current_round_trip_time: Option<Duration>,
    /// The sum of all of them.
    pub total_round_trip_time: Duration,
}

/// One pair of the check list.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) id: PairId,
    pub(super) local: LocalId,
    pub(super) remote: RemoteId,
    /// Our base.
    pub(super) path: PathId,
    /// Their address.
    pub(super) to: SocketAddr,
    pub(super) transport: Transport,
    pub(super) foundation: Foundation,
    pub(super) priority: u64,
    pub(super) state: PairState,
    /// Once it succeeded: what the other side sees us as (RFC 8445 section 7.2.5.3.2).
    pub(super) valid: Option<Valid>,
    /// Chosen, by us or by them; the pair may be selected.
    pub(super) nominated: bool,
    /// The controlling side nominated it, but our own check isn't through (RFC 8445 section 7.3.1.5).
    pub(super) nominate_when_valid: Option<Nomination>,
    /// 30 s without an answer while it carried media: never again in this session (RFC 7675 section 5.1).
    pub(super) lost_consent: bool,
    /// When it is probed, once another pair is in use.
    pub(super) standby: Standby,
    /// Whether the check that is under way had to be repeated.
    pub(super) repeated: bool,
    /// When its first check left.
    pub(super) first_sent: Option<Instant>,
    pub(super) figures: PairFigures,
}

/// The valid pair that a check built: the mapped address with the remote candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Valid {
    /// The candidate whose address is the mapped one.
    pub(super) local: LocalId,
    /// Priority of the valid pair: not that of the pair that was checked.
    pub(super) priority: u64,
    /// When the latest answer came: consent to send lasts 30 s from here.
    pub(super) answered: Instant,
}

impl Pair {
    /// Moves the state.
    pub(super) fn on(&mut self, signal: PairSignal) {
        self.state = self.state.after(signal);
        if self.state == PairState::Failed {
            self.valid = None;
            self.nominated = false;
        }
    }

    /// A check that nobody answered the first time holds up no others of its foundation. RFC 8445 (section
    /// 6.1.4.2) has them wait until it fails, 39.5 s later; but a relay that was lost has the foundation of the one
    /// in its place, and each side would wait for the other's check.
    pub(super) fn had_its_chance(&self) -> bool {
        self.state == PairState::InProgress && self.repeated
    }

    /// Takes down an answer that came after `rtt`.
    pub(super) fn answered(&mut self, rtt: Duration) {
        self.figures.responses_received += 1;
        self.figures.current_round_trip_time = Some(rtt);
        self.figures.total_round_trip_time += rtt;
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::{arrows_drawn, arrows_of};
    use super::*;

    #[test]
    fn the_diagram_is_the_table() {
        use PairSignal::{Answer, Fail, Send, Trigger, Unfreeze, Yield};
        use PairState::{Failed, Frozen, InProgress, Succeeded, Waiting};
        let states = [Frozen, Waiting, InProgress, Succeeded, Failed];
        let signals = [Unfreeze, Yield, Send, Answer, Fail, Trigger];
        let table = arrows_of(&states, &signals, PairState::after);
        assert_eq!(arrows_drawn(include_str!("pair.rs")), table);
    }

    #[test]
    fn priorities_that_break_the_rules_do_not_overflow() {
        assert_eq!(pair_priority(u32::MAX, u32::MAX), u64::MAX);
    }

    #[test]
    fn the_other_sides_check_does_not_disturb_a_succeeded_pair() {
        // rfc8445-7.3.1.4-1
        assert_eq!(PairState::Succeeded.after(PairSignal::Trigger), PairState::Succeeded);
    }
}
