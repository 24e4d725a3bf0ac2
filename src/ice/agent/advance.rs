//! What is due now, and when the next thing will be.
//!
//! Runs after every input, in this order: repetitions and time-outs of checks; the choice, if we are
//! controlling; the next check, if the pace allows it; the pairs that stand by; consent and where media
//! goes; the state. Each part has its counterpart in [`Agent::due`], so the timer fires for something or not at all.

use super::super::candidate::{Kind, Transport};
use super::super::check::{Due, Request, UseCandidate, rto};
use super::super::checklist::has_consent;
use super::super::consent::{Consent, EXPIRY, Route, SILENCE};
use super::super::interface::{Config, Event, Role, SelectedPair};
use super::super::message::Outgoing;
use super::super::nominate::{Choice, Expect, Nomination, choose};
use super::super::pair::PairId;
use super::super::state::{Signal, State};
use super::Agent;
use crate::stun::TransactionId;
use crate::time::Instant;

impl Agent {
    pub(super) fn advance(&mut self) {
        self.gather();
        if self.state.is_alive() {
            self.repeat_checks();
            self.nominate();
            self.begin_next_round();
            self.send_next_check();
            self.stand_by();
            self.choose_route();
            self.keep_consent_fresh();
            self.update_state();
            self.ask_for_restart();
        }
    }

    /// The earliest moment at which [`Self::advance`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let gathering = self.gathering_due();
        if !self.state.is_alive() {
            return gathering;
        }
        let next_check =
            (self.session.remote.is_some() && self.list.has_next()).then_some(self.next_slot);
        let choice = match self.choice() {
            Choice::Wait(until) => Some(until),
            _ => None,
        };
        let consent = self.consent.as_ref().map(|consent| consent.due(self.now));
        let rounds = [self.next_round(), self.fails_at(), self.standby_due(), gathering];
        let ends = [self.consent_ends(), self.silent_at().filter(|at| self.now < *at)];
        let checks = [self.checks.due(), next_check, choice, consent, self.restart_due()];
        checks.into_iter().chain(rounds).chain(ends).flatten().min()
    }

    fn repeat_checks(&mut self) {
        while let Some(due) = self.checks.poll(self.now) {
            match due {
                Due::Repeat(request) => {
                    self.list.repeated(request.path, request.to);
                    self.outgoing.push_back(Outgoing::Request(request));
                }
                Due::TimedOut(check) => self.on_timed_out(&check),
            }
        }
    }

    /// The controlling side's choice, as things are.
    fn choice(&self) -> Choice {
        let chosen = self.selected.is_some() || self.nominating.is_some();
        if self.role == Role::Controlled || chosen || self.session.remote.is_none() {
            return Choice::Nothing;
        }
        choose(self.now, self.list.pairs(), self.first_success, self.expect())
    }

    /// A direct pair is as good as pairs get. Others may be outdone while candidates can still come.
    fn expect(&self) -> Expect {
        let complete = self.has_all_candidates() && self.names.is_empty();
        let is_direct = self.list.best_valid().is_some_and(|(pair, valid)| {
            let local = self.locals.get(valid.local).map(|local| local.candidate.kind);
            let remote = self.remotes.get(pair.remote).map(|remote| remote.kind);
            pair.transport == Transport::Udp
                && (local, remote) == (Some(Kind::Host), Some(Kind::Host))
        });
        if complete || is_direct { Expect::Nothing } else { Expect::BetterCandidates }
    }

    fn has_all_candidates(&self) -> bool {
        self.has_all_candidates_of_ours() && self.remote_done
    }

    /// Repeats the check of the chosen pair with USE-CANDIDATE. It doesn't wait for its turn: pacing
    /// protects addresses that have not answered, and this one has.
    fn nominate(&mut self) {
        if let Choice::Nominate(pair) = self.choice() {
            self.nominating = Some(pair);
            self.send_check(pair, UseCandidate::Yes);
        }
    }

    /// A patient agent whose pairs have all failed tries them again.
    fn begin_next_round(&mut self) {
        if self.next_round().is_some_and(|at| at <= self.now) {
            self.round = self.now;
            self.list.begin_anew();
        }
    }

    fn next_round(&self) -> Option<Instant> {
        let patient = self.config.patience > Config::PATIENCE && self.state == State::Checking;
        let in_vain = || self.list.is_exhausted() && self.list.best_valid().is_none();
        let began = self.started?;
        (patient && !self.list.pairs().is_empty() && in_vain())
            .then(|| self.round.max(began) + Config::ROUND)
    }

    /// One check per Ta; the first at once (RFC 8445 section 6.1.4.2).
    fn send_next_check(&mut self) {
        if self.session.remote.is_none() || self.now < self.next_slot {
            return;
        }
        if let Some(pair) = self.list.next() {
            self.send_check(pair, UseCandidate::No);
            self.next_slot = self.now + self.config.pace;
        }
    }

    pub(super) fn send_check(&mut self, id: PairId, use_candidate: UseCandidate) {
        let rto = rto(self.config.pace, self.list.waiting_and_in_progress());
        let Some(request) = self.request(id, use_candidate) else { return };
        self.checks.start(self.now, id, request, rto);
        self.outgoing.push_back(Outgoing::Request(request));
    }

    /// A new check of a pair, which is counted as sent.
    pub(super) fn request(&mut self, id: PairId, use_candidate: UseCandidate) -> Option<Request> {
        let pair = self.list.get_mut(id)?;
        let local = self.locals.get(pair.local)?;
        pair.first_sent.get_or_insert(self.now);
        pair.figures.requests_sent += 1;
        Some(Request {
            id: TransactionId::random(&mut self.rng),
            session: self.session.number,
            path: pair.path,
            to: pair.to,
            transport: pair.transport,
            role: self.role,
            tie_breaker: self.tie_breaker,
            priority: local.reflexive_priority(),
            use_candidate,
            nomination: match use_candidate {
                UseCandidate::Yes => self.rescue.latest_nomination,
                UseCandidate::No => Nomination::FIRST,
            },
        })
    }

    /// The nominated pair is now the selected one: checks end, all data goes by it
    /// (RFC 8445 section 8.1.2).
    pub(super) fn select(&mut self, id: PairId) {
        self.nominating = None;
        self.list.conclude();
        self.checks.cancel_all();
        self.use_pair(id);
        self.on_confirmed();
    }

    /// What is selected, or `None`.
    pub(super) fn selected_pair(&self) -> Option<SelectedPair> {
        let pair = self.list.get(self.selected?)?;
        Some(SelectedPair {
            pair: pair.id,
            local: self.locals.get(pair.valid?.local)?.candidate.clone(),
            remote: self.remotes.get(pair.remote)?.clone(),
            path: pair.path,
            round_trip_time: pair.figures.current_round_trip_time,
        })
    }

    /// Media goes by the selected pair; before there is one, in a restart by the old one, else by the
    /// best valid one (RFC 8445 section 12.1). Where consent has run out, nothing goes.
    fn choose_route(&mut self) {
        if self.consent_ends().is_some_and(|at| at <= self.now) {
            return self.on_consent_lost();
        }
        if self.consent.as_ref().is_some_and(|consent| consent.is_expired(self.now)) {
            self.on_expired();
        }
        match (self.best_route(), &mut self.consent) {
            (Some((route, answered)), Some(consent)) if consent.route == route => {
                consent.extend(answered);
            }
            (best, _) => {
                let rng = &mut self.rng;
                let consent = best.map(|(route, answered)| Consent::new(route, answered, rng));
                self.set_consent(consent);
            }
        }
    }

    fn best_route(&self) -> Option<(Route, Instant)> {
        let current = self.consent.as_ref().map(|consent| (consent.route, Instant::ZERO));
        let old = current.filter(|(route, _)| route.session != self.session.number);
        let (pair, valid) = match self.selected {
            Some(selected) => {
                let pair = self.list.get(selected)?;
                (pair, pair.valid?)
            }
            None if old.is_some() && !self.may_leave_old_route() => return old,
            None => {
                let usable = self.list.valid().filter(|(_, valid)| has_consent(*valid, self.now));
                usable.max_by_key(|(_, valid)| valid.priority)?
            }
        };
        let local = self.locals.get(pair.local)?;
        let route = Route {
            session: self.session.number,
            pair: pair.id,
            path: pair.path,
            to: pair.to,
            transport: pair.transport,
            priority: local.reflexive_priority(),
        };
        Some((route, valid.answered))
    }

    /// 30 s without an answer on the route of media (RFC 7675 section 5.1).
    fn on_expired(&mut self) {
        let Some(route) = self.consent.as_ref().map(|consent| consent.route) else { return };
        if route.session != self.session.number {
            return self.set_consent(None); // another way was answered since; `consent_ends` watches
        }
        self.fail(route.pair);
        if let Some(pair) = self.list.get_mut(route.pair) {
            pair.lost_consent = true;
        }
        match self.best_standby(route.to) {
            None => return self.on_consent_lost(),
            Some(other) if self.selected == Some(route.pair) => self.move_to(other),
            Some(_) => {}
        }
        self.set_consent(None); // the next route has a consent of its own
    }

    /// They want nothing more of us (403).
    pub(super) fn on_consent_refused(&mut self) {
        self.consent_refused = true;
        self.on_consent_lost();
    }

    /// When all consent ends, whatever is tried meanwhile: another pair, a restart, or several. Nobody has agreed
    /// to be sent to for longer, and where the only way is gone there is no route whose consent could run out.
    fn consent_ends(&self) -> Option<Instant> {
        self.answered.map(|answered| answered + EXPIRY)
    }

    /// When all has been silent for long, where there is no way that media could go by.
    fn silent_at(&self) -> Option<Instant> {
        self.answered.filter(|_| self.consent.is_none()).map(|answered| answered + SILENCE)
    }

    /// Nothing may be sent any more by these credentials: only a restart helps.
    pub(super) fn on_consent_lost(&mut self) {
        self.answered = None;
        self.stop_media();
        self.checks.clear();
        self.events.push_back(Event::ConsentLost);
        self.signal(Signal::Lost);
    }

    /// Changes where media goes, and tells.
    pub(super) fn set_consent(&mut self, consent: Option<Consent>) {
        let target = |consent: &Consent| (consent.route.path, consent.route.to);
        let before = self.consent.as_ref().map(target);
        let after = consent.as_ref().map(target);
        if consent.as_ref().is_some_and(|it| it.route.session == self.session.number) {
            self.carried = None; // media has left it
        }
        self.consent = consent;
        if before != after {
            self.events.push_back(Event::SendPair(after));
        }
    }

    fn keep_consent_fresh(&mut self) {
        let Some(consent) = &mut self.consent else { return };
        let Some(id) = consent.poll_check(self.now, &mut self.rng) else { return };
        let route = consent.route;
        let request = Request {
            id,
            session: route.session,
            path: route.path,
            to: route.to,
            transport: route.transport,
            role: self.role,
            tie_breaker: self.tie_breaker,
            priority: route.priority,
            use_candidate: UseCandidate::No,
            nomination: Nomination::FIRST,
        };
        self.outgoing.push_back(Outgoing::Request(request));
        if let Some(pair) = self.counted(route.pair) {
            pair.figures.requests_sent += 1;
            pair.figures.consent_requests_sent += 1;
        }
    }

    fn update_state(&mut self) {
        if self.list.best_valid().is_some() {
            self.signal(Signal::Valid);
        }
        if let Some(consent) = &self.consent {
            let silent = consent.is_silent(self.now);
            self.signal(if silent { Signal::Silent } else { Signal::Heard });
        } else if self.silent_at().is_some_and(|at| at <= self.now) {
            self.signal(Signal::Silent);
        }
        if self.selected.is_some() && self.has_all_candidates() {
            self.signal(Signal::Concluded);
        }
        if self.fails_at().is_some_and(|at| at <= self.now) {
            self.signal(Signal::Lost);
            self.checks.clear();
            self.stop_media(); // that of the session before a restart, too
        }
    }

    /// When checking ends in failure, if nothing happens: not before the PAC timer, and not while a
    /// check is under way (RFC 8863 section 4), unless we were told to be less patient.
    fn fails_at(&self) -> Option<Instant> {
        if self.state != State::Checking {
            return None;
        }
        let at = self.started? + self.config.patience;
        let told = self.config.patience != Config::PATIENCE;
        (told || self.list.is_exhausted()).then_some(at)
    }
}
