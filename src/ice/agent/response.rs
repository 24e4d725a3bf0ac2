//! An answer to a check of ours (RFC 8445 section 7.2.5).
//!
//! The transaction id says whose answer it is, the integrity whether the other side wrote it. Only then
//! does it mean anything: a forged one leaves the check as it was, waiting for the real one.

use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;

use super::super::candidate::PathId;
use super::super::check::{Check, UseCandidate};
use super::super::interface::Role;
use super::super::pair::{LocalId, PairId, PairSignal, PairState, Valid};
use super::Agent;
use super::remote::priority_of;
use crate::stun::{Class, Message, TransactionId};

/// RFC 8445 section 7.2.5.1.
pub(super) const ROLE_CONFLICT: u16 = 487;
/// RFC 8445 section 7.3, by RFC 8489 section 9.1.3: their user name or password is not ours.
const UNAUTHENTICATED: u16 = 401;
/// RFC 7675 section 5.2.
pub(super) const FORBIDDEN: u16 = 403;

impl Agent {
    pub(super) fn on_response(&mut self, path: PathId, from: SocketAddr, message: &Message<'_>) {
        let id = message.id();
        let consent = self.consent.as_ref().filter(|consent| consent.awaits(id));
        let check = self.checks.find(id);
        let Some((session, sent_by, sent_to)) = consent
            .map(|consent| consent.route)
            .map(|route| (route.session, route.path, route.to))
            .or_else(|| {
                let request = check?.request;
                Some((request.session, request.path, request.to))
            })
            .or_else(|| self.probed_by(id))
        else {
            self.dropped.unknown_transactions += 1;
            return;
        };
        let remote = self.session_numbered(session).and_then(|session| session.remote.as_ref());
        if remote.is_none_or(|remote| message.verify_integrity(&remote.key).is_err()) {
            self.dropped.forged_responses += 1;
            self.dropped.refused_checks += u64::from(is_error(message, UNAUTHENTICATED));
            return;
        }
        let symmetric = (path, from) == (sent_by, sent_to);
        if !symmetric {
            self.dropped.asymmetric_responses += 1;
        }
        if consent.is_some() {
            if symmetric {
                self.on_consent_response(id, message);
            }
        } else if let Some(check) = self.checks.take(id) {
            self.on_check_response(&check, message, symmetric);
        } else if let Some((pair, sent)) = self.rescue.probes.take(id) {
            self.on_probe_response(pair, sent, message, symmetric);
        }
    }

    fn on_check_response(&mut self, check: &Check, message: &Message<'_>, symmetric: bool) {
        let is_fit = symmetric && message.unknown_required().next().is_none();
        match message.class() {
            Class::Success if is_fit => self.on_success(check, message.xor_mapped_address()),
            Class::Error if is_fit && is_error(message, ROLE_CONFLICT) => {
                self.on_role_conflict(check);
            }
            // A cancelled check has been replaced: what went wrong with it says nothing.
            _ if check.is_cancelled() => {}
            _ => self.fail(check.pair),
        }
    }

    fn on_success(&mut self, check: &Check, mapped: Option<SocketAddr>) {
        let Some(valid) = self.on_proof(check.pair, check.round_trip(self.now), mapped) else {
            return;
        };
        self.checks.cancel(check.pair);
        self.list.unfreeze_like(check.pair);
        self.first_success.get_or_insert(self.now);
        let nominates = check.request.use_candidate == UseCandidate::Yes;
        if self.role == Role::Controlling && nominates {
            self.on_nominated(valid, check.request.nomination);
        }
    }

    /// The pair works (RFC 8445 section 7.2.5.3): says which pair is the valid one.
    ///
    /// An answer has to say as what it saw us (RFC 8489 section 3); ffmpeg's WHIP muxer never does. It
    /// has proved all the same that packets pass both ways, so it counts as having seen the base.
    pub(super) fn on_proof(
        &mut self,
        pair: PairId,
        round_trip: Duration,
        mapped: Option<SocketAddr>,
    ) -> Option<PairId> {
        let pair = self.list.get_mut(pair)?;
        let (id, base) = (pair.id, pair.local);
        self.answered = Some(self.now);
        pair.answered(round_trip);
        pair.on(PairSignal::Answer);
        let seen_as = mapped.and_then(|mapped| self.locals.seen_as(mapped, base)).unwrap_or(base);
        let valid = self.valid_pair(id, seen_as);
        let waiting = self.list.get(valid)?.nominate_when_valid;
        if let Some(nomination) = waiting.filter(|_| self.role == Role::Controlled) {
            self.on_nominated(valid, nomination);
        }
        Some(valid)
    }

    /// Notes the valid pair that a check of pair `id` built: from the candidate that the other side
    /// saw, to where the check went (RFC 8445 section 7.2.5.3.2). A reflexive candidate sends by its
    /// base, so its valid pair is kept with the pair that was checked. If the other side saw another
    /// base of ours, the pair of that one is the valid one.
    fn valid_pair(&mut self, id: PairId, seen_as: LocalId) -> PairId {
        let now = self.now;
        let Some(pair) = self.list.get(id) else { return id };
        let (Some(ours), Some(theirs)) = (self.locals.get(seen_as), self.remotes.get(pair.remote))
        else {
            return id;
        };
        let priority = priority_of(self.role, ours, theirs);
        let other = ours.is_base().then(|| self.list.between(ours.path, pair.to)).flatten();
        let valid = other.map_or(id, |other| other.id);
        if let Some(pair) = self.list.get_mut(valid) {
            pair.on(PairSignal::Answer);
            pair.valid = Some(Valid { local: seen_as, priority, answered: now });
        }
        valid
    }

    /// The other side insists on the role we claimed (RFC 8445 section 7.2.5.1). Several checks may
    /// come back so: what counts is the role that this one had claimed. A pair that works goes on
    /// working; one that was being checked is checked again. A lite peer has no say in it.
    fn on_role_conflict(&mut self, check: &Check) {
        if self.remote_is_lite {
            return self.fail(check.pair);
        }
        self.give_way(check.request.role);
        let state = self.list.get(check.pair).map(|pair| pair.state);
        if state == Some(PairState::InProgress) && !check.is_cancelled() {
            self.list.trigger(check.pair);
        }
    }

    pub(super) fn give_way(&mut self, claimed: Role) {
        if self.role == claimed && !self.remote_is_lite {
            self.set_role(claimed.opposite());
            self.tie_breaker = self.rng.random();
        }
    }

    /// No answer at all (RFC 8445 section 7.2.5.2.3). But if it was to nominate a pair that answered
    /// other checks meanwhile, the other side has probably taken the nomination, and only answers got
    /// lost: choosing another pair now would part the two sides. So the same one is chosen again.
    pub(super) fn on_timed_out(&mut self, check: &Check) {
        let valid = self.list.get(check.pair).and_then(|pair| pair.valid);
        let is_alive = valid.is_some_and(|valid| valid.answered > check.first_sent);
        if self.nominating == Some(check.pair) && is_alive {
            self.nominating = None;
            self.renominate_if_unconfirmed();
        } else {
            self.fail(check.pair);
        }
    }

    /// The pair doesn't work (RFC 8445 section 7.2.5.2). If we had chosen it, another may be chosen.
    pub(super) fn fail(&mut self, pair: PairId) {
        if self.nominating == Some(pair) {
            self.nominating = None;
            self.checks.cancel_nominations();
        }
        self.list.signal(pair, PairSignal::Fail);
    }

    /// RFC 7675 section 5.1: only a success counts. 403 takes consent back at once.
    fn on_consent_response(&mut self, id: TransactionId, message: &Message<'_>) {
        let now = self.now;
        let Some(consent) = &mut self.consent else { return };
        let pair = consent.route.pair;
        if message.class() == Class::Error {
            if is_error(message, ROLE_CONFLICT) {
                self.give_way(self.role);
            } else if is_error(message, FORBIDDEN) {
                self.on_consent_refused();
            }
            return;
        }
        let Some(round_trip) = consent.answered(now, id) else { return };
        self.answered = Some(now);
        if let Some(pair) = self.counted(pair) {
            pair.answered(round_trip);
            if let Some(valid) = &mut pair.valid {
                valid.answered = now;
            }
        }
    }
}

pub(super) fn is_error(message: &Message<'_>, code: u16) -> bool {
    message.error_code().is_some_and(|error| error.code == code)
}
