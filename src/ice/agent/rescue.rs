//! The pair in use dies, and the call goes on: pairs stand by, doubt is weighed, another pair is taken.
//!
//! Who moves: each side moves its own sending as soon as it knows better, since packets that arrive by
//! another way are taken all the same. What both sides then agree on is the controlling side's to say:
//! by renomination where that was agreed. Else either side asks the layer above for a restart: the controlling
//! one may not choose twice in a session, and a browser goes on sending by the dead pair for three seconds. The
//! controlled side follows the pair that answers its checks until a nomination comes.
//!
//! The machines behind it: `standby.rs` (when pairs are probed), `doubt.rs` (when one is left). Read next:
//! `probing.rs`.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::candidate::PathId;
use super::super::check::UseCandidate;
use super::super::checklist::{Cause, has_consent};
use super::super::doubt::{Doubt, RoundTrips, Why};
use super::super::interface::{Event, Role};
use super::super::nominate::Nomination;
use super::super::pair::{LocalId, Pair, PairId, PairState, RemoteId, Valid};
use super::super::standby::{Probes, Proven};
use super::Agent;
use super::probing::proven;
use crate::time::Instant;

/// After doubt that proved wrong, media that still comes by another way is no news for so long.
const SETTLED: Duration = Duration::from_secs(5);
/// Else a way that breaks each time would have both sides describe themselves as fast as signalling goes.
const BETWEEN_RESTARTS: Duration = Duration::from_secs(1);

/// What the agent knows beside the check list, once a pair is chosen.
#[derive(Debug, Default)]
pub(super) struct Rescue {
    pub(super) probes: Probes,
    pub(super) doubt: Option<Doubt>,
    /// When we took a pair that no nomination has confirmed.
    moved: Option<Instant>,
    /// The latest nomination: ours if we are controlling, else theirs.
    pub(super) latest_nomination: Nomination,
    /// Until then their moving alone makes no doubt.
    settled_until: Instant,
    /// After a restart: the pair of the session before is dead, so its successor need not be chosen first.
    old_is_dead: bool,
    /// A restart would help, and was not asked for yet.
    needs_restart: bool,
}

impl Rescue {
    /// Whether something speaks against the pair in use.
    pub(super) fn doubts(&self) -> bool {
        self.doubt.is_some()
    }

    /// Whether the pair of the session before a restart is.
    pub(super) fn old_is_dead(&self) -> bool {
        self.old_is_dead
    }

    /// Gives all away: a new session. What stays is the doubt about the old pair.
    pub(super) fn restart(&mut self) -> Self {
        let old_is_dead = self.old_is_dead || self.doubt.is_some();
        std::mem::replace(self, Self { old_is_dead, ..Self::default() })
    }
}

impl Agent {
    /// Media stopped that was expected to go on.
    pub(super) fn on_media_stopped(&mut self) {
        if self.selected.is_some() {
            self.doubt(Why::MediaStopped);
        } else {
            self.rescue.old_is_dead = true;
        }
    }

    /// Their media comes by another pair than ours goes by. Before both have chosen that is normal.
    pub(super) fn on_heard_elsewhere(&mut self, path: PathId, from: SocketAddr) {
        let elsewhere = self.list.between(path, from).map(|pair| pair.id);
        if self.selected.is_some()
            && elsewhere.is_some_and(|pair| Some(pair) != self.selected)
            && self.rescue.settled_until <= self.now
        {
            self.doubt(Why::TheyMoved);
        }
    }

    /// Something speaks against the pair in use: all pairs are asked, that one first.
    pub(super) fn doubt(&mut self, why: Why) {
        self.doubt_that_took(why, self.round_trips());
    }

    /// The same, when the pair in use is gone, and with it how long its answers took.
    pub(super) fn doubt_that_took(&mut self, why: Why, took: RoundTrips) {
        let now = self.now;
        let new = Doubt::new(now, why, took);
        if let Some(doubt) = self.rescue.doubt {
            self.rescue.doubt = Some(doubt.or(new));
            return;
        }
        self.rescue.doubt = Some(new);
        self.rescue.probes.hurry(now, Duration::ZERO);
        for pair in self.list.pairs_mut() {
            if pair.valid.is_some() || pair.standby.due.is_some() {
                pair.standby.due = Some(now);
            }
        }
    }

    pub(super) fn round_trips(&self) -> RoundTrips {
        let took = |pair: &Pair| pair.figures.current_round_trip_time;
        RoundTrips {
            in_use: self.in_use().and_then(took),
            slowest: self.list.valid().filter_map(|(pair, _)| took(pair)).max(),
        }
    }

    /// Runs whenever something happened or is due: doubt is weighed, the next probe leaves.
    pub(super) fn stand_by(&mut self) {
        if self.selected.is_none() {
            return;
        }
        let unanswered = self.consent.as_ref().and_then(|consent| consent.doubtful_at());
        if self.rescue.doubt.is_none() && unanswered.is_some_and(|at| at <= self.now) {
            self.doubt(Why::Unanswered);
        }
        self.weigh();
        self.probe_next();
    }

    /// When [`Self::stand_by`] has something to do.
    pub(super) fn standby_due(&self) -> Option<Instant> {
        self.selected?;
        let probe = self.list.pairs().iter().filter(|pair| self.may_be_probed(pair));
        let probe = probe.filter_map(|pair| pair.standby.due).min();
        let probe = probe.map(|due| due.max(self.rescue.probes.next_slot()));
        let other = match &self.rescue.doubt {
            Some(doubt) => {
                let decides = Some(doubt.decides).filter(|decides| *decides > self.now);
                decides.into_iter().chain([doubt.restart_due()]).min()
            }
            None => self.consent.as_ref().and_then(|consent| consent.doubtful_at()),
        };
        probe.into_iter().chain(other).min()
    }

    fn weigh(&mut self) {
        let (now, Some(mut doubt)) = (self.now, self.rescue.doubt) else { return };
        let answered = |valid: Valid| valid.answered > doubt.since;
        let in_use = self.in_use().and_then(|pair| pair.valid);
        if in_use.is_some_and(answered) {
            return self.on_reassured(doubt);
        }
        let others = self.list.valid().filter(|(pair, _)| Some(pair.id) != self.selected);
        let best = others.filter(|(_, valid)| answered(*valid)).max_by_key(|(_, v)| v.priority);
        if let Some(other) = best.map(|(pair, _)| pair.id).filter(|_| doubt.decides <= now) {
            return self.move_to(other);
        }
        let asks = doubt.asks_for_restart(now, self.may_be_answered());
        self.rescue.doubt = Some(doubt);
        self.rescue.needs_restart |= asks;
    }

    /// Whether some pair is there whose probes may yet be answered.
    fn may_be_answered(&self) -> bool {
        let mut pairs = self.list.pairs().iter().filter(|pair| self.may_be_probed(pair));
        let probes = &self.rescue.probes;
        pairs.any(|pair| pair.standby.due.is_some() || probes.await_answer_by(pair.id, self.now))
    }

    /// The pair in use answers. If they have left it, they are to come back; where that can't be said,
    /// each sends by the pair that it likes.
    fn on_reassured(&mut self, doubt: Doubt) {
        self.calm_down();
        if doubt.they_moved {
            self.rescue.settled_until = self.now + SETTLED;
            self.renominate();
        }
    }

    fn calm_down(&mut self) {
        self.rescue.doubt = None;
        let (now, selected) = (self.now, self.selected);
        for pair in self.list.pairs_mut() {
            let proven = proven(pair, now);
            if Some(pair.id) == selected || pair.lost_consent || pair.state == PairState::Failed {
                pair.standby.due = None;
            } else {
                pair.standby.rest(now, proven, &mut self.rng);
            }
        }
    }

    /// Leaves the pair in use for another that works.
    pub(super) fn move_to(&mut self, other: PairId) {
        self.rescue.moved = Some(self.now);
        self.rescue.settled_until = self.now + SETTLED;
        self.use_pair(other);
        let follows = match self.role {
            Role::Controlling => self.renominate(),
            Role::Controlled => self.renomination,
        };
        self.rescue.needs_restart = !follows;
    }

    /// A restart would help: it is asked for as soon as it may be.
    pub(super) fn need_restart(&mut self) {
        self.rescue.needs_restart = true;
    }

    /// Asks the layer above for the restart that is needed.
    pub(super) fn ask_for_restart(&mut self) {
        self.rescue.needs_restart &= !self.is_well();
        if self.restart_due().is_some_and(|at| at <= self.now) {
            self.rescue.needs_restart = false;
            self.events.push_back(Event::RestartNeeded);
        }
    }

    /// When it may be asked for, if it still helps by then: not within a second of the latest, by whomever, nor
    /// while the other side has yet to take part in one of ours.
    pub(super) fn restart_due(&self) -> Option<Instant> {
        let may = self.rescue.needs_restart && self.before_restart.is_none();
        may.then(|| self.restarted.map_or(self.now, |latest| latest + BETWEEN_RESTARTS))
    }

    /// Nothing speaks against the pair in use any more, and both sides have agreed on it.
    fn is_well(&self) -> bool {
        let is_unsure = self.rescue.doubts() || self.rescue.moved.is_some();
        self.selected.is_some() && self.consent.is_some() && !is_unsure
    }

    /// Says by a nomination that the pair in use is the one, if the other side knows such. Says whether
    /// it does.
    fn renominate(&mut self) -> bool {
        let may = self.renomination && self.role == Role::Controlling && !self.remote_is_lite;
        let Some(selected) = self.selected.filter(|_| may) else { return false };
        self.checks.cancel_nominations();
        self.rescue.latest_nomination = self.rescue.latest_nomination.next();
        self.nominating = Some(selected);
        self.send_check(selected, UseCandidate::Yes);
        true
    }

    /// A nomination was not answered in time, though its pair works.
    pub(super) fn renominate_if_unconfirmed(&mut self) {
        if self.rescue.moved.is_some() {
            self.renominate();
        }
    }

    /// The pair in use is one that both sides know of.
    pub(super) fn on_confirmed(&mut self) {
        self.rescue.moved = None;
        self.nominating = None;
    }

    /// From here on this pair carries the media; the others stand by.
    pub(super) fn use_pair(&mut self, id: PairId) {
        self.selected = Some(id);
        self.rescue.old_is_dead = false; // the old one is left
        self.bind_channel();
        self.calm_down();
        if let Some(selected) = self.selected_pair() {
            self.events.push_back(Event::SelectedPair(Box::new(selected)));
        }
        let bases: Vec<LocalId> = self.locals.bases().map(|(local, _)| local).collect();
        let remotes: Vec<RemoteId> = self.remotes.iter().map(|(remote, _)| remote).collect();
        for (local, remote) in
            bases.into_iter().flat_map(|local| remotes.iter().map(move |remote| (local, *remote)))
        {
            self.pair(local, remote, Cause::Paired);
        }
    }

    /// Whether a nomination without a number may take us from the pair in use to this one: only if that
    /// one is silent or was never agreed on, and this one has answered since.
    pub(super) fn is_movable_to(&self, valid: Option<Valid>) -> bool {
        let answered = |since: Instant| valid.is_some_and(|valid| valid.answered > since);
        let quiet = self.consent.as_ref().is_some_and(|consent| consent.is_quiet(self.now));
        quiet
            || self.rescue.doubt.is_some_and(|doubt| answered(doubt.since))
            || self.rescue.moved.is_some_and(answered)
    }

    /// Whether media may leave the pair of the session before a restart although none was chosen anew.
    pub(super) fn may_leave_old_route(&self) -> bool {
        let works = || self.list.valid().any(|(_, valid)| has_consent(valid, self.now));
        self.rescue.old_is_dead && works()
    }

    /// The best of the pairs that could carry media at once, now that the way to `dead` is: one to another
    /// of their addresses has less in common with it, for what leads to an address is chosen by the
    /// system, whatever socket a packet leaves from.
    pub(super) fn best_standby(&self, dead: SocketAddr) -> Option<PairId> {
        let others = self.list.valid().filter(|(pair, valid)| {
            Some(pair.id) != self.selected && has_consent(*valid, self.now)
        });
        // One whose last probes went unanswered is the second choice.
        let best = others.max_by_key(|(pair, valid)| {
            (pair.standby.unanswered < 2, pair.to != dead, valid.priority)
        });
        best.map(|(pair, _)| pair.id)
    }

    /// A new pair beside the one in use.
    pub(super) fn let_stand_by(&mut self, id: PairId) {
        let now = self.now;
        let Some(pair) = self.list.get_mut(id) else { return };
        match self.rescue.doubt {
            Some(_) => pair.standby.due = Some(now),
            None => pair.standby.rest(now, Proven::No, &mut self.rng),
        }
    }

    /// A socket of ours has come, which the other side does not know yet.
    pub(super) fn on_new_way(&mut self) {
        let now = self.now;
        self.rescue.doubt = self.rescue.doubt.map(|doubt| doubt.or_new_way(now));
    }

    /// The selected pair. Once the agent has failed none is in use, though they can still be asked for.
    pub(super) fn in_use(&self) -> Option<&Pair> {
        self.list.get(self.selected.filter(|_| self.state.is_alive())?)
    }
}
