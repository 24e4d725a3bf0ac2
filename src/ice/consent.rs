//! May we still send? (RFC 7675)
//!
//! The other side agrees to be sent to by answering a check, provably, and the agreement lasts 30 s. So
//! a check goes out every 4 to 6 s on the pair that carries media, and when none was answered for 30 s,
//! sending stops: nobody can be made the target of somebody else's call for longer. Only an
//! authenticated answer counts; packets that arrive prove nothing of the kind.
//!
//! Each check is sent once, so where packets are lost some go unanswered: at a loss of a fifth each way
//! four in eleven. Then the next one comes as soon as the RFC allows, after 4 s; and the pair is in doubt
//! (`doubt.rs`), so that ordinary connectivity checks ask the same question at once, whose answers renew
//! consent as well. Consent therefore ends when the way is closed, and not by bad luck.
//!
//! These checks also keep NAT bindings open, so the keepalives of RFC 8445 section 11 (every 15 s)
//! never fall due.
//!
//! ```text
//! Fresh   --next is due--> Fresh     a check leaves; the next one in 4 to 6 s
//! Fresh   --answered-----> Fresh     30 s from now
//! Fresh   --30 s---------> expired   the agent stops sending
//! ```
//! Driven by `agent/advance.rs`, answered through `agent/response.rs`. Read next: `agent.rs`.

use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::candidate::{PathId, Transport};
use super::pair::PairId;
use crate::stun::TransactionId;
use crate::time::Instant;

/// How long an answer permits sending (RFC 7675 section 5.1).
pub const EXPIRY: Duration = Duration::from_secs(30);
/// Nothing heard for this long, two checks of either side: the connection is called disconnected.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// Nothing heard for this long: a controlling side that checks several pairs has left this one.
const QUIET: Duration = Duration::from_secs(5);
/// The period between checks is 5 s, times 0.8 to 1.2, so that calls don't check in step.
const PERIOD_MS: std::ops::RangeInclusive<u64> = 4_000..=6_000;
/// The same while an answer is missing: never less than 4 s.
const HURRIED_MS: std::ops::RangeInclusive<u64> = 4_000..=4_400;
/// How long an answer may take before its check counts as unanswered: four round trips, within this.
const PATIENCE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(1_000)..=Duration::from_millis(3_000);
/// At least 4 s apart and discarded after 30 s: no more can be open.
const OPEN: usize = 8;

/// Where media goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// Of which session's credentials.
    pub(super) session: u32,
    pub(super) pair: PairId,
    pub(super) path: PathId,
    pub(super) to: SocketAddr,
    pub(super) transport: Transport,
    /// What PRIORITY checks by it carry.
    pub(super) priority: u32,
}

/// Consent to send by one route.
#[derive(Debug)]
pub(super) struct Consent {
    pub(super) route: Route,
    expires: Instant,
    next: Instant,
    /// When the other side last gave a sign of life: an answer, or a check of its own.
    heard: Instant,
    /// When they last answered, whatever asked.
    answered: Instant,
    /// The latest round trip.
    round_trip: Duration,
    /// Checks without an answer yet. An answer to an older one counts, too.
    open: [Option<(TransactionId, Instant)>; OPEN],
}

impl Consent {
    /// Starts with the last answer on that pair. If it is long ago, a check is due at once.
    pub(super) fn new(route: Route, answered: Instant, rng: &mut StdRng) -> Self {
        let next = answered + period(rng, PERIOD_MS);
        let (expires, heard, round_trip) = (answered + EXPIRY, answered, Duration::ZERO);
        Self { route, expires, next, heard, answered, round_trip, open: [None; OPEN] }
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expires <= now
    }

    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.heard + SILENCE <= now
    }

    /// Their checks, which come every few seconds, have begun to fail here: if they choose another
    /// pair now, they have a reason.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        self.heard + QUIET <= now
    }

    /// If a check is due: its id. Each is sent once and never repeated.
    pub(super) fn poll_check(&mut self, now: Instant, rng: &mut StdRng) -> Option<TransactionId> {
        if now < self.next {
            return None;
        }
        let hurried = self.open.iter().flatten().any(|(_, sent)| *sent > self.answered);
        self.next = now + period(rng, if hurried { HURRIED_MS } else { PERIOD_MS });
        let id = TransactionId::random(rng);
        // The oldest place: empty, or of a check that nobody will answer any more.
        if let Some(place) = self.open.iter_mut().min_by_key(|place| place.map(|(_, sent)| sent)) {
            *place = Some((id, now));
        }
        Some(id)
    }

    /// Whether a check with this `id` is open.
    pub(super) fn awaits(&self, id: TransactionId) -> bool {
        self.open.iter().flatten().any(|(open, _)| *open == id)
    }

    /// An authenticated answer came: 30 s more. Says how long it took.
    pub(super) fn answered(&mut self, now: Instant, id: TransactionId) -> Option<Duration> {
        let place = self.open.iter_mut().find(|place| place.is_some_and(|(open, _)| open == id))?;
        let (_, sent) = place.take()?;
        self.round_trip = now - sent;
        self.extend(now);
        Some(now - sent)
    }

    /// When the oldest check that nobody answered, by whatever way, counts as unanswered.
    pub(super) fn doubtful_at(&self) -> Option<Instant> {
        let patience = (self.round_trip * 4).clamp(*PATIENCE.start(), *PATIENCE.end());
        let sent = self.open.iter().flatten().map(|(_, sent)| *sent);
        sent.filter(|sent| *sent > self.answered).min().map(|sent| sent + patience)
    }

    /// A connectivity check of the pair was answered then: that counts as well.
    pub(super) fn extend(&mut self, answered: Instant) {
        self.expires = self.expires.max(answered + EXPIRY);
        self.heard = self.heard.max(answered);
        self.answered = self.answered.max(answered);
    }

    /// A check of theirs came in by this route. It says that they live, not that they consent.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// When [`Self::poll_check`], [`Self::is_expired`] or [`Self::is_silent`] has news.
    pub(super) fn due(&self, now: Instant) -> Instant {
        let silent = self.heard + SILENCE;
        let due = self.expires.min(self.next);
        if now < silent { due.min(silent) } else { due }
    }
}

fn period(rng: &mut StdRng, milliseconds: std::ops::RangeInclusive<u64>) -> Duration {
    Duration::from_millis(rng.random_range(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn consent(rng: &mut StdRng) -> Consent {
        let route = Route {
            session: 0,
            pair: PairId(0),
            path: PathId(0),
            to: "192.0.2.1:1".parse().unwrap(),
            transport: Transport::Udp,
            priority: 1,
        };
        Consent::new(route, Instant::ZERO, rng)
    }

    #[test]
    fn checks_leave_4_to_6_seconds_apart_each_with_its_own_id() {
        // rfc7675-5.1-2, rfc7675-5.1-3
        let mut rng = StdRng::seed_from_u64(7);
        let mut consent = consent(&mut rng);
        let mut sent: Vec<(u64, TransactionId)> = Vec::new();
        for ms in 0..120_000 {
            if let Some(id) = consent.poll_check(Instant::from_millis(ms), &mut rng) {
                sent.push((ms, id));
            }
        }
        let gaps: Vec<u64> = sent.windows(2).map(|two| two[1].0 - two[0].0).collect();
        assert!(gaps.iter().all(|gap| (4_000..=6_000).contains(gap)), "{gaps:?}");
        assert!(gaps.iter().any(|gap| *gap != gaps[0]), "not in step");
        let ids: std::collections::HashSet<_> = sent.iter().map(|(_, id)| *id).collect();
        assert_eq!(ids.len(), sent.len());
    }

    #[test]
    fn consent_ends_30_seconds_after_the_last_answer_and_not_earlier() {
        // rfc7675-5.1-1
        let mut rng = StdRng::seed_from_u64(7);
        let mut consent = consent(&mut rng);
        let at = Instant::from_millis(6_000);
        let id = consent.poll_check(at, &mut rng).unwrap();
        let answered = Instant::from_millis(6_040);
        assert_eq!(consent.answered(answered, id), Some(Duration::from_millis(40)));
        assert!(!consent.is_expired(Instant::from_millis(36_039)));
        assert!(consent.is_expired(Instant::from_millis(36_040)));
        assert_eq!(consent.answered(answered, id), None, "an answer counts once");
    }

    #[test]
    fn a_missing_answer_makes_doubt_and_hurry_until_any_answer_comes() {
        let mut rng = StdRng::seed_from_u64(7);
        let mut consent = consent(&mut rng);
        assert_eq!(consent.doubtful_at(), None);
        let first = consent.due(Instant::ZERO);
        consent.poll_check(first, &mut rng).unwrap();
        assert_eq!(consent.doubtful_at(), Some(first + Duration::from_secs(1)));
        for _ in 0..20 {
            let due = consent.next;
            consent.poll_check(due, &mut rng).unwrap();
            let period = consent.next - due;
            assert!((4_000..=4_400).contains(&period.as_millis()), "{period:?}");
        }
        consent.extend(consent.next);
        assert_eq!(consent.doubtful_at(), None, "another check was answered");
    }

    #[test]
    fn a_check_of_theirs_is_a_sign_of_life_but_no_consent() {
        let mut rng = StdRng::seed_from_u64(7);
        let mut consent = consent(&mut rng);
        consent.heard(Instant::from_millis(29_000));
        assert!(!consent.is_silent(Instant::from_millis(30_000)));
        assert!(consent.is_expired(Instant::from_millis(30_000)));
    }

    #[test]
    fn the_next_due_moment_is_exact() {
        let mut rng = StdRng::seed_from_u64(7);
        let mut consent = consent(&mut rng);
        let due = consent.due(Instant::ZERO);
        let before = Instant::from(due.since_start() - Duration::from_nanos(1));
        assert_eq!(consent.poll_check(before, &mut rng), None);
        assert!(consent.poll_check(due, &mut rng).is_some());
    }
}
