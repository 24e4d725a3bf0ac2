//! Choosing the pair, when we are controlling (RFC 8445 section 8.1.1).
//!
//! The RFC leaves open when to choose. Too early takes a detour for the whole call, since nothing but
//! a restart changes the choice; too late keeps peers waiting that send nothing before it. So:
//!
//! - At once, when no better pair is left that could still succeed.
//! - Else [`settle`] after the first success, or after the check of a better pair left, if that is
//!   later: a better pair that works has answered by then. But never later than [`LIMIT`] after the
//!   first success: dead pairs take half a minute to fail, and nobody waits for them.
//! - A pair by TCP waits for one repetition of the others' checks besides: sound by it suffers for the whole
//!   call if that was all that was lost, and goes by it meanwhile anyhow. One by UDP waits for none by TCP.
//! - A pair through a NAT's or a server's address gets that time, too, while candidates can still come.
//!
//! Stacks that wait for every check to end take up to 40 s to choose; stacks that choose by the clock
//! alone, counted from the start, choose a relay when the direct check was lost once.
//!
//! Asked by `agent/advance.rs`. Read next: `consent.rs`.

use std::time::Duration;

use super::candidate::Transport;
use super::check::SHORTEST_RTO;
use super::pair::{Pair, PairId, PairState, Valid};
use crate::time::Instant;

/// Better pairs get this long from the first success on, whatever the round trip is.
pub(super) const LIMIT: Duration = Duration::from_millis(500);
/// And at least this long.
const SHORTEST: Duration = Duration::from_millis(50);

/// About two round trips: whoever hasn't answered by then has lost a packet.
pub(super) fn settle(round_trip: Duration) -> Duration {
    (round_trip * 2).clamp(SHORTEST, LIMIT)
}

/// Which of several nominations of a session one is. Later ones count where both sides know
/// renomination (draft-thatcher-ice-renomination section 4); any value precedes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Nomination(Option<u32>);

impl Nomination {
    /// As RFC 8445 knows it: without a number.
    pub(super) const FIRST: Self = Self(None);

    /// One that bears the attribute NOMINATION with this value. Its top byte means nothing.
    pub(super) fn numbered(value: Option<u32>) -> Self {
        Self(value.map(|value| value & 0x00ff_ffff))
    }

    /// The one after this.
    pub(super) fn next(self) -> Self {
        Self(Some(self.0.map_or(1, |value| value.saturating_add(1).min(0x00ff_ffff))))
    }

    /// What NOMINATION says, if it is there.
    pub(super) const fn value(self) -> Option<u32> {
        self.0
    }
}

/// What to do about nomination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Nominate this pair now.
    Nominate(PairId),
    /// Look again then.
    Wait(Instant),
    /// No pair is valid.
    Nothing,
}

/// What can still change about the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// Candidates may still come that make a better kind of pair than the best valid one.
    BetterCandidates,
    /// What is in the list is all that matters.
    Nothing,
}

/// The choice among `pairs`, which are in order of priority. `first_success` is when the first of
/// them became valid.
pub(super) fn choose(
    now: Instant,
    pairs: &[Pair],
    first_success: Option<Instant>,
    expect: Expect,
) -> Choice {
    let valid = || pairs.iter().filter_map(|pair| pair.valid.map(|valid| (pair, valid)));
    let Some((best, valid)) = valid().max_by_key(|(_, valid)| valid.priority) else {
        return Choice::Nothing;
    };
    let repetition = match best.transport {
        Transport::Udp => Duration::ZERO,
        Transport::Tcp => SHORTEST_RTO,
    };
    let first_success = first_success.unwrap_or(now) + repetition;
    let due = due(pairs, (best, valid), first_success, expect);
    match due {
        Some(due) if now < due => Choice::Wait(due),
        _ => Choice::Nominate(best.id),
    }
}

/// When the best valid pair has been the best for long enough; `None`: no better one can come.
fn due(
    pairs: &[Pair],
    (best, valid): (&Pair, Valid),
    first_success: Instant,
    expect: Expect,
) -> Option<Instant> {
    let settle = settle(round_trip(best));
    let limit = first_success + LIMIT;
    let better = pairs.iter().filter(|pair| pair.priority > valid.priority);
    let better =
        better.filter(|pair| pair.transport == Transport::Udp || best.transport == Transport::Tcp);
    let could_be_better = better.filter(|pair| {
        matches!(pair.state, PairState::Frozen | PairState::Waiting | PairState::InProgress)
    });
    let answers_by = could_be_better.map(|pair| match pair.first_sent {
        Some(sent) => sent + settle,
        None => limit,
    });
    let after_first = first_success + settle;
    match answers_by.max() {
        Some(by) => Some(by.max(after_first).min(limit)),
        None if expect == Expect::BetterCandidates => Some(after_first),
        None => None,
    }
}

fn round_trip(pair: &Pair) -> Duration {
    pair.figures.current_round_trip_time.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::candidate::PathId;
    use super::super::pair::{Foundation, LocalId, PairFigures, RemoteId};
    use super::super::standby::Standby;
    use super::*;
    use std::net::{IpAddr, SocketAddr};

    const fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    /// A pair with this state; `at` is when it was sent, or answered after 20 ms.
    fn pair(priority: u32, state: PairState, at: Option<u64>) -> Pair {
        let ip = IpAddr::from([192, 0, 2, 1]);
        let succeeded = state == PairState::Succeeded;
        let valid = at.filter(|_| succeeded).map(|at| Valid {
            local: LocalId(0),
            priority: u64::from(priority),
            answered: ms(at),
        });
        Pair {
            id: PairId(priority),
            local: LocalId(0),
            remote: RemoteId(0),
            path: PathId(0),
            to: SocketAddr::new(ip, 1),
            transport: Transport::Udp,
            foundation: Foundation { local: "1".into(), remote: "1".into(), remote_base: ip },
            priority: u64::from(priority),
            state,
            valid,
            nominated: false,
            nominate_when_valid: None,
            lost_consent: false,
            standby: Standby::default(),
            repeated: false,
            first_sent: at.map(ms),
            figures: PairFigures {
                current_round_trip_time: succeeded.then_some(Duration::from_millis(20)),
                ..PairFigures::default()
            },
        }
    }

    use PairState::{Failed, Frozen, InProgress, Succeeded, Waiting};

    #[test]
    fn the_best_pair_of_all_is_nominated_at_once() {
        let pairs = [pair(3, Succeeded, Some(20)), pair(2, InProgress, Some(50))];
        let choice = choose(ms(20), &pairs, Some(ms(20)), Expect::Nothing);
        assert_eq!(choice, Choice::Nominate(PairId(3)));
    }

    #[test]
    fn a_pair_is_nominated_at_once_when_all_better_ones_failed() {
        let pairs = [pair(3, Failed, Some(0)), pair(2, Succeeded, Some(70))];
        let choice = choose(ms(70), &pairs, Some(ms(70)), Expect::Nothing);
        assert_eq!(choice, Choice::Nominate(PairId(2)));
    }

    #[test]
    fn dead_pairs_are_waited_for_no_longer_than_two_round_trips_or_50_ms() {
        let pairs = [pair(3, InProgress, Some(0)), pair(2, Succeeded, Some(70))];
        let at = |now| choose(ms(now), &pairs, Some(ms(70)), Expect::Nothing);
        assert_eq!(at(70), Choice::Wait(ms(120)));
        assert_eq!(at(120), Choice::Nominate(PairId(2)));
    }

    #[test]
    fn by_tcp_one_repetition_of_the_others_checks_is_waited_for() {
        let by_tcp = Pair { transport: Transport::Tcp, ..pair(2, Succeeded, Some(70)) };
        let pairs = [pair(3, InProgress, Some(0)), by_tcp.clone()];
        let at = |now| choose(ms(now), &pairs, Some(ms(70)), Expect::Nothing);
        assert_eq!(at(120), Choice::Wait(ms(620)));
        assert_eq!(at(620), Choice::Nominate(PairId(2)));
        let better = Pair { transport: Transport::Tcp, ..pair(3, InProgress, Some(60)) };
        let relayed = [better, pair(2, Succeeded, Some(70))];
        let choice = choose(ms(70), &relayed, Some(ms(70)), Expect::Nothing);
        assert_eq!(choice, Choice::Nominate(PairId(2)), "nothing is later for TCP");
        let alone = [by_tcp];
        let choice = choose(ms(70), &alone, Some(ms(70)), Expect::Nothing);
        assert_eq!(choice, Choice::Nominate(PairId(2)), "nothing better can come");
    }

    #[test]
    fn a_better_pair_whose_check_left_late_gets_its_time() {
        let pairs = [pair(3, InProgress, Some(100)), pair(2, Succeeded, Some(70))];
        let at = |now| choose(ms(now), &pairs, Some(ms(70)), Expect::Nothing);
        assert_eq!(at(120), Choice::Wait(ms(150)), "it left at 100");
        assert_eq!(at(150), Choice::Nominate(PairId(2)));
    }

    #[test]
    fn better_pairs_whose_checks_keep_coming_do_not_put_it_off_for_ever() {
        let pairs = [pair(3, InProgress, Some(560)), pair(2, Succeeded, Some(70))];
        let choice = choose(ms(565), &pairs, Some(ms(70)), Expect::Nothing);
        assert_eq!(choice, Choice::Wait(ms(570)));
    }

    #[test]
    fn better_pairs_that_have_not_left_are_waited_for_but_not_for_ever() {
        for state in [Waiting, Frozen] {
            let pairs = [pair(3, state, None), pair(2, Succeeded, Some(70))];
            let choice = choose(ms(120), &pairs, Some(ms(70)), Expect::Nothing);
            assert_eq!(choice, Choice::Wait(ms(570)));
        }
    }

    #[test]
    fn a_detour_waits_a_moment_while_better_candidates_may_come() {
        let pairs = [pair(2, Succeeded, Some(70))];
        let choice = choose(ms(70), &pairs, Some(ms(70)), Expect::BetterCandidates);
        assert_eq!(choice, Choice::Wait(ms(120)));
    }

    #[test]
    fn without_a_valid_pair_there_is_nothing_to_choose() {
        let pairs = [pair(2, InProgress, Some(0))];
        assert_eq!(choose(ms(9), &pairs, None, Expect::Nothing), Choice::Nothing);
    }
}
