//! Connectivity checks under way: Binding requests that wait for their answer (RFC 8445 section 7.2).
//!
//! A check is repeated after RTO, twice RTO, four times …, seven times in all, and fails 16 RTO after
//! the last (RFC 8489 section 6.2.1). A cancelled check is not repeated and its silence means nothing,
//! but an answer to it still counts (RFC 8445 section 7.3.1.4): that is how a pair whose first check
//! crossed the other side's becomes valid at the earliest moment.
//!
//! A check that nominates goes to an address that has answered before, and both sides wait for it: it is
//! repeated after every RTO, and fails at the same time as any other. Doubling would make one call in
//! fifty wait for ten seconds where a fifth of all packets is lost.
//!
//! By TCP nothing is lost: a check is sent once, and fails at the same time as any other (RFC 8489 section
//! 6.2.2).
//!
//! ```text
//! sent      --RTO---------> sent       again, fewer than 7 times so far; the next RTO is double
//! sent      --16 RTO------> timed out  after the 7th; the pair fails
//! sent      --cancel------> cancelled
//! cancelled --its time up-> forgotten
//! ```
//! Read next: `message.rs`, which writes them.

use std::net::SocketAddr;
use std::time::Duration;

use super::candidate::{PathId, Transport};
use super::interface::{Config, Role};
use super::nominate::Nomination;
use super::pair::PairId;
use crate::stun::TransactionId;
use crate::time::Instant;

/// Never less (RFC 8445 section 14.3).
pub(super) const SHORTEST_RTO: Duration = Duration::from_millis(500);
/// Rc of RFC 8489 section 6.2.1.
const SENDS: u32 = 7;
/// Sends of a check that nominates: one each RTO, up to the moment of another's last send.
const NOMINATING_SENDS: u32 = 1 << (SENDS - 1);
/// Rm of RFC 8489 section 6.2.1.
const LAST_WAIT: u32 = 16;
/// Cancelled checks are forgotten from the oldest on beyond this many checks.
const MAX_OPEN: usize = 256;

/// How long the first answer may take. One RTO is enough for all checks to have had their turn, so
/// that repetitions don't crowd out first checks. RFC 8445 section 14.3 also multiplies by the number
/// of checks, and allows other ways: with 20 pairs that would be 20 s for the first repetition.
pub(super) fn rto(pace: Duration, waiting_and_in_progress: usize) -> Duration {
    let turns = u32::try_from(waiting_and_in_progress).unwrap_or(u32::MAX);
    pace.saturating_mul(turns).max(SHORTEST_RTO)
}

/// A Binding request, as far as it isn't the same for all of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) id: TransactionId,
    /// Whose credentials.
    pub(super) session: u32,
    pub(super) path: PathId,
    pub(super) to: SocketAddr,
    pub(super) transport: Transport,
    pub(super) role: Role,
    pub(super) tie_breaker: u64,
    pub(super) priority: u32,
    pub(super) use_candidate: UseCandidate,
    /// The value of NOMINATION, where the other side knows it.
    pub(super) nomination: Nomination,
}

/// Whether a request nominates its pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UseCandidate {
    Yes,
    No,
}

/// A request that waits for its answer.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) request: Request,
    pub(super) pair: PairId,
    pub(super) first_sent: Instant,
    sends: u32,
    last_sent: Instant,
    rto: Duration,
    due: Instant,
    cancelled: bool,
}

impl Check {
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Since the last time it was sent: an answer to an earlier one makes this too short, never too
    /// long.
    pub(super) fn round_trip(&self, now: Instant) -> Duration {
        now - self.last_sent
    }
}

/// What became due.
#[derive(Clone, Debug)]
pub(super) enum Due {
    /// The same request again.
    Repeat(Request),
    /// No answer: the pair fails.
    TimedOut(Check),
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Checks(Vec<Check>);

impl Checks {
    /// A request leaves for the first time.
    pub(super) fn start(&mut self, now: Instant, pair: PairId, request: Request, rto: Duration) {
        if self.0.len() >= MAX_OPEN
            && let Some(oldest) = self.0.iter().position(|check| check.cancelled)
        {
            self.0.remove(oldest);
        }
        let mut check = Check {
            request,
            pair,
            first_sent: now,
            sends: 1,
            last_sent: now,
            rto,
            due: now,
            cancelled: false,
        };
        check.due = now + check.wait();
        self.0.push(check);
    }

    /// The check with this id.
    pub(super) fn find(&self, id: TransactionId) -> Option<&Check> {
        self.0.iter().find(|check| check.request.id == id)
    }

    /// The check with this id is over.
    pub(super) fn take(&mut self, id: TransactionId) -> Option<Check> {
        let place = self.0.iter().position(|check| check.request.id == id)?;
        Some(self.0.remove(place))
    }

    /// Cancels the checks of a pair, except one that nominates it.
    pub(super) fn cancel(&mut self, pair: PairId) {
        for check in self.0.iter_mut().filter(|check| check.pair == pair) {
            if check.request.use_candidate == UseCandidate::No {
                check.cancel();
            }
        }
    }

    /// Cancels every check: a pair is chosen, or our role in it changed.
    pub(super) fn cancel_all(&mut self) {
        self.0.iter_mut().for_each(Check::cancel);
    }

    /// Cancels those that nominate.
    pub(super) fn cancel_nominations(&mut self) {
        for check in &mut self.0 {
            if check.request.use_candidate == UseCandidate::Yes {
                check.cancel();
            }
        }
    }

    /// Forgets those by ways that are no more.
    pub(super) fn forget(&mut self, is_gone: impl Fn(PathId, SocketAddr) -> bool) {
        self.0.retain(|check| !is_gone(check.request.path, check.request.to));
    }

    /// They rested for so long and go on where they were: what would have been repeated meanwhile must not
    /// leave all at once, to addresses that have perhaps never answered.
    pub(super) fn put_off(&mut self, by: Duration) {
        self.0.iter_mut().for_each(|check| check.due += by);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The next thing that is due by `now`; call until `None`.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Due> {
        self.0.retain(|check| !(check.cancelled && check.due <= now));
        let place = self.0.iter().position(|check| check.due <= now)?;
        let check = self.0.get_mut(place)?;
        if check.sends == check.most() {
            return Some(Due::TimedOut(self.0.remove(place)));
        }
        check.sends += 1;
        check.last_sent = now;
        check.due = now + check.wait();
        Some(Due::Repeat(check.request))
    }

    /// When [`Self::poll`] has something. Cancelled checks are in no hurry.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().filter(|check| !check.cancelled).map(|check| check.due).min()
    }
}

impl Check {
    /// How often it is sent before it fails.
    fn most(&self) -> u32 {
        match (self.request.transport, self.request.use_candidate) {
            (Transport::Tcp, _) => 1,
            (Transport::Udp, UseCandidate::Yes) => NOMINATING_SENDS,
            (Transport::Udp, UseCandidate::No) => SENDS,
        }
    }

    /// How many RTOs to wait after that many sends.
    fn turns(&self, sends: u32) -> u32 {
        match self.request.use_candidate {
            _ if sends == self.most() => LAST_WAIT,
            UseCandidate::Yes => 1,
            UseCandidate::No => 1 << (sends - 1),
        }
    }

    /// How long after the latest send.
    fn wait(&self) -> Duration {
        match self.request.transport {
            Transport::Udp => self.rto.saturating_mul(self.turns(self.sends)),
            Transport::Tcp => Config::PATIENCE,
        }
    }

    /// From here on only an answer counts, as long as one could have come.
    fn cancel(&mut self) {
        if self.cancelled {
            return;
        }
        self.cancelled = true;
        if self.request.transport == Transport::Udp {
            let turns = (self.sends..=self.most()).map(|sends| self.turns(sends)).sum();
            self.due = self.last_sent + self.rto.saturating_mul(turns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: u8, use_candidate: UseCandidate) -> Request {
        Request {
            id: TransactionId([id; 12]),
            session: 0,
            path: PathId(0),
            to: "192.0.2.1:5000".parse().unwrap(),
            transport: Transport::Udp,
            role: Role::Controlling,
            tie_breaker: 1,
            priority: 1,
            use_candidate,
            nomination: Nomination::FIRST,
        }
    }

    fn started(rto: Duration) -> Checks {
        let mut checks = Checks::default();
        let request = request(1, UseCandidate::No);
        checks.start(Instant::ZERO, PairId(0), request, rto);
        checks
    }

    #[test]
    fn a_silent_check_is_repeated_and_fails_as_rfc_8489_says() {
        // rfc8445-7.2.5.2.3-1, rfc8445-14.3-1; the times are those of rfc8489-6.2.1-1 and -2
        let mut checks = started(Duration::from_millis(500));
        for ms in [500, 1_500, 3_500, 7_500, 15_500, 31_500] {
            assert_eq!(checks.due(), Some(Instant::from_millis(ms)));
            assert!(checks.poll(Instant::from_millis(ms - 1)).is_none(), "{ms}");
            let due = checks.poll(Instant::from_millis(ms));
            assert!(matches!(due, Some(Due::Repeat(_))), "{ms}");
        }
        assert!(checks.poll(Instant::from_millis(39_499)).is_none());
        assert!(matches!(checks.poll(Instant::from_millis(39_500)), Some(Due::TimedOut(_))));
        assert_eq!(checks.due(), None);
    }

    #[test]
    fn a_silent_nomination_is_repeated_steadily_and_fails_when_others_do() {
        let mut checks = Checks::default();
        checks.start(Instant::ZERO, PairId(0), request(1, UseCandidate::Yes), SHORTEST_RTO);
        for repetition in 1..NOMINATING_SENDS {
            let due = Instant::from_millis(500 * u64::from(repetition));
            assert_eq!(checks.due(), Some(due));
            assert!(matches!(checks.poll(due), Some(Due::Repeat(_))));
        }
        assert_eq!(checks.due(), Some(Instant::from_millis(39_500)));
        assert!(matches!(checks.poll(Instant::from_millis(39_500)), Some(Due::TimedOut(_))));
    }

    #[test]
    fn a_check_by_tcp_is_sent_once_and_fails_when_others_do() {
        for use_candidate in [UseCandidate::No, UseCandidate::Yes] {
            let mut checks = Checks::default();
            let request = Request { transport: Transport::Tcp, ..request(1, use_candidate) };
            checks.start(Instant::ZERO, PairId(0), request, SHORTEST_RTO);
            assert!(checks.poll(Instant::from_millis(39_499)).is_none());
            let due = checks.poll(Instant::from_millis(39_500));
            assert!(matches!(due, Some(Due::TimedOut(_))), "{due:?}");
        }
    }

    #[test]
    fn a_cancelled_check_is_silent_but_can_be_answered_until_it_would_have_failed() {
        let mut checks = started(Duration::from_millis(500));
        checks.poll(Instant::from_millis(500));
        checks.cancel(PairId(0));
        assert_eq!(checks.due(), None);
        assert!(checks.poll(Instant::from_millis(39_499)).is_none());
        assert!(checks.find(TransactionId([1; 12])).is_some());
        assert!(checks.poll(Instant::from_millis(39_500)).is_none());
        assert!(checks.find(TransactionId([1; 12])).is_none());
    }

    #[test]
    fn cancelling_a_pairs_checks_spares_the_one_that_nominates_it() {
        let mut checks = Checks::default();
        let nomination = request(2, UseCandidate::Yes);
        checks.start(Instant::ZERO, PairId(0), nomination, SHORTEST_RTO);
        checks.cancel(PairId(0));
        assert_eq!(checks.due(), Some(Instant::from_millis(500)));
    }

    #[test]
    fn the_rto_leaves_every_check_its_turn_and_is_never_below_500_ms() {
        // rfc8445-14.3-1
        let pace = Duration::from_millis(50);
        assert_eq!(rto(pace, 1), Duration::from_millis(500));
        assert_eq!(rto(pace, 100), Duration::from_secs(5));
    }
}
