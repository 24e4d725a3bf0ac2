//! A check of theirs (RFC 8445 section 7.3).
//!
//! Proof first: who doesn't know our password gets a refusal and changes nothing. Then: which of us is
//! in charge. Then the answer leaves, and the same pair is checked from our side at once, since the
//! path is open in one direction and NATs that our check crosses open it in the other.
//!
//! A name is of one session or of none. RFC 8445 section 7.3 looks at its first half only; but a browser
//! that restarts checks from its new sockets before our answer tells it our new name, by `our old:its
//! new`. Answered, it would keep that pair for good and never learn the new session's of the same
//! addresses, while we wait for a check of the new one.

use std::net::SocketAddr;

use super::super::candidate::PathId;
use super::super::candidates::least_reflexive_priority;
use super::super::checklist::{Cause, has_consent};
use super::super::interface::Role;
use super::super::message::{Answer, Outgoing, Refusal};
use super::super::nominate::Nomination;
use super::super::pair::{PairId, PairSignal, PairState};
use super::{Agent, MAX_OUTGOING};
use crate::stun::{ErrorCode, Message};

/// Early checks that are kept until the remote credentials come.
const MAX_EARLY: usize = 16;

/// A check of theirs that was genuine and was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checked {
    pub(super) path: PathId,
    pub(super) from: SocketAddr,
    priority: u32,
    /// Whether it nominates the pair, and as which nomination.
    nominates: Option<Nomination>,
}

/// One that came before the remote credentials.
#[derive(Clone, Debug)]
pub(super) struct Early {
    /// The part of USERNAME behind the colon: who it claims to be.
    pub(super) sender: String,
    pub(super) checked: Checked,
}

/// Whether a request's claim about roles fits ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It does, or now does.
    Settled,
    /// It doesn't, and the sender is to give way.
    Conflict,
}

impl Agent {
    pub(super) fn on_request(&mut self, path: PathId, from: SocketAddr, message: &Message<'_>) {
        if self.outgoing.len() >= MAX_OUTGOING {
            self.dropped.surplus_answers += 1;
            return;
        }
        let mut answer = Answer { id: message.id(), path, to: from, proof: None };
        let (Some(username), Some(kind)) = (message.username(), message.integrity_kind()) else {
            self.dropped.unauthenticated_requests += 1;
            return self.refuse_stranger(answer, message, ErrorCode::BAD_REQUEST);
        };
        let sessions = std::iter::once(&self.session).chain(self.previous.as_ref());
        let known = sessions
            .filter_map(|session| Some((session, session.sender(username)?)))
            .find(|(session, _)| message.verify_integrity(&session.local_key).is_ok());
        let Some((session, sender)) = known else {
            self.dropped.foreign_requests += 1;
            return self.refuse_stranger(answer, message, ErrorCode::UNAUTHENTICATED);
        };
        let is_current = session.number == self.session.number;
        answer.proof = Some((session.number, kind));
        if session.remote.as_ref().is_some_and(|remote| remote.credentials.ufrag != sender) {
            self.dropped.unknown_senders += 1;
            return self.refuse(answer, ErrorCode::UNAUTHENTICATED, Vec::new());
        }
        let unknown: Vec<u16> = message.unknown_required().take(MAX_UNKNOWN).collect();
        if !unknown.is_empty() {
            self.dropped.unknown_attributes += 1;
            return self.refuse(answer, ErrorCode::UNKNOWN_ATTRIBUTE, unknown);
        }
        if self.settle_roles(message) == Claim::Conflict {
            return self.refuse(answer, ErrorCode::ROLE_CONFLICT, Vec::new());
        }
        self.outgoing.push_back(Outgoing::Success(answer));
        self.on_sign_of_life(path, from);
        if is_current {
            let priority = message.priority().unwrap_or_else(least_reflexive_priority);
            let nominates =
                message.use_candidate().then(|| Nomination::numbered(message.nomination()));
            self.on_genuine(sender, Checked { path, from, priority, nominates });
        } else {
            self.count_old_check(path, from);
            self.remember_way(path, from);
        }
    }

    fn refuse(&mut self, answer: Answer, error: ErrorCode<'static>, unknown: Vec<u16>) {
        self.outgoing.push_back(Outgoing::Error(answer, Refusal { error, unknown }));
    }

    /// Who has proved nothing may have made up where he is, and nobody is to get more from us than was sent to
    /// us: a short request is refused without words. (The shortest get a few bytes more all the same: RFC 8489
    /// section 9.1.3 has each of them refused.)
    fn refuse_stranger(
        &mut self,
        answer: Answer,
        request: &Message<'_>,
        error: ErrorCode<'static>,
    ) {
        let length = |reason: &str| BARE_REFUSAL + reason.len().next_multiple_of(4);
        let fits = length(error.reason) <= request.bytes().len();
        let reason = if fits { error.reason } else { "" };
        self.refuse(answer, ErrorCode { reason, ..error }, Vec::new());
    }

    /// Two in charge, or none: the larger tie-breaker controls (RFC 8445 section 7.3.1.1).
    fn settle_roles(&mut self, message: &Message<'_>) -> Claim {
        if self.remote_is_lite {
            return Claim::Settled;
        }
        let theirs = match self.role {
            Role::Controlling => message.ice_controlling(),
            Role::Controlled => message.ice_controlled(),
        };
        let Some(theirs) = theirs else { return Claim::Settled };
        let controls =
            if self.tie_breaker >= theirs { Role::Controlling } else { Role::Controlled };
        if controls == self.role {
            return Claim::Conflict;
        }
        self.set_role(controls);
        Claim::Settled
    }

    /// Media's route is alive in one direction at least.
    fn on_sign_of_life(&mut self, path: PathId, from: SocketAddr) {
        let now = self.now;
        if let Some(consent) = &mut self.consent
            && (consent.route.path, consent.route.to) == (path, from)
        {
            consent.heard(now);
        }
    }

    fn on_genuine(&mut self, sender: &str, checked: Checked) {
        match &self.session.remote {
            Some(_) => self.on_checked(checked),
            None => self.remember(sender, checked),
        }
    }

    /// The answer with their credentials is still on its way: this check was quicker.
    fn remember(&mut self, sender: &str, checked: Checked) {
        let same = |early: &&mut Early| {
            let other = early.checked;
            early.sender == sender && (other.path, other.from) == (checked.path, checked.from)
        };
        if let Some(known) = self.early.iter_mut().find(same) {
            known.checked.nominates = known.checked.nominates.max(checked.nominates);
        } else if self.early.len() < MAX_EARLY {
            self.early.push(Early { sender: sender.to_owned(), checked });
        } else {
            self.dropped.surplus_early_checks += 1;
        }
    }

    /// Check back (RFC 8445 section 7.3.1.4), and take a nomination (section 7.3.1.5). Once a pair is
    /// chosen, others are probed when they are checked, and no more.
    pub(super) fn on_checked(&mut self, checked: Checked) {
        let known = self.list.between(checked.path, checked.from).map(|pair| pair.id);
        let Some((local, ours)) = self.locals.base_of(checked.path, checked.from.ip()) else {
            return;
        };
        let remote = self.remotes.met(checked.from, ours.candidate.transport, checked.priority);
        self.dropped.surplus_candidates += u64::from(remote.is_none());
        let id = known.or_else(|| self.pair(local, remote?, Cause::Checked));
        let Some(id) = id else { return };
        if let Some(pair) = self.list.get_mut(id) {
            pair.figures.requests_received += 1;
            pair.figures.responses_sent += 1;
        }
        if self.selected.is_some() {
            self.probe_soon(id);
        } else {
            self.trigger(id);
        }
        if let Some(nomination) = checked.nominates.filter(|_| self.role == Role::Controlled) {
            self.on_nominated_by_them(id, nomination);
        }
    }

    /// Our check of the pair goes to the front of the queue. One that is under way is given up, but
    /// may still be answered.
    fn trigger(&mut self, id: PairId) {
        let Some(pair) = self.list.get(id) else { return };
        let stale = pair.valid.is_some_and(|valid| !has_consent(valid, self.now));
        if stale {
            // It worked once, long ago: no proof for today.
            self.list.signal(id, PairSignal::Fail);
        }
        if self.list.get(id).is_some_and(|pair| pair.state != PairState::Succeeded) {
            self.checks.cancel(id);
        }
        self.list.trigger(id);
    }

    /// The controlling side chose this pair.
    fn on_nominated_by_them(&mut self, id: PairId, nomination: Nomination) {
        let Some(pair) = self.list.get_mut(id) else { return };
        if pair.state == PairState::Succeeded {
            self.on_nominated(id, nomination);
        } else {
            pair.nominate_when_valid = pair.nominate_when_valid.max(Some(nomination));
        }
    }

    /// A valid pair is nominated. Of numbered nominations the largest counts (renomination). Without
    /// numbers: a peer of RFC 5245 nominates several, of which the highest priority counts (RFC 8445
    /// section 8.1.1); but when the pair in use has fallen silent, or was never nominated, its next
    /// choice does.
    pub(super) fn on_nominated(&mut self, id: PairId, nomination: Nomination) {
        let is_latest = nomination > self.rescue.latest_nomination;
        let Some(pair) = self.list.get_mut(id) else { return };
        pair.nominated = true;
        pair.nominate_when_valid = None;
        let valid = pair.valid;
        if self.selected == Some(id) {
            self.rescue.latest_nomination = nomination.max(self.rescue.latest_nomination);
            return self.on_confirmed();
        }
        if nomination.value().is_some() || self.rescue.latest_nomination.value().is_some() {
            if is_latest {
                self.rescue.latest_nomination = nomination;
                self.select(id);
            }
            return;
        }
        let selected = self.selected.and_then(|selected| self.list.get(selected));
        let outranks = selected.is_none_or(|selected| {
            valid.map(|valid| valid.priority) > selected.valid.map(|valid| valid.priority)
        });
        if outranks || self.is_movable_to(valid) {
            self.select(id);
        }
    }
}

/// The header, ERROR-CODE without words, FINGERPRINT.
const BARE_REFUSAL: usize = 36;
/// As many unknown attributes as a 420 names.
const MAX_UNKNOWN: usize = 8;
