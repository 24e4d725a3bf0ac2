//! ICE begins anew (RFC 8445 section 9), and a restart of ours is taken back.
//!
//! ```text
//! session n, its pair in use --Restart--> session n+1, nobody to check yet --their credentials--> checks
//!            ^                                        |
//!            '--------------- Rollback ---------------'
//! ```
//! Media stays on the old pair meanwhile, and its consent is kept. What belonged to the old session is put
//! aside until the other side takes part in the new one: an offer may be refused, cross another one, or
//! get lost, and then the old session has to go on as if nothing had been (RFC 9429 section 4.1.10.2). So the
//! state stays that of the old one until then. Whatever is tried, the call ends 30 s after the last answer.
//!
//! Read next: `request.rs`.

use std::net::SocketAddr;

use super::super::candidate::{Local, PathId};
use super::super::candidates::Remotes;
use super::super::check::Checks;
use super::super::checklist::Checklist;
use super::super::credentials::Credentials;
use super::super::doubt::Why;
use super::super::pair::{LocalId, PairId};
use super::super::session::Session;
use super::super::state::Signal;
use super::rescue::Rescue;
use super::{Agent, Candidate, Gathering};
use crate::time::Instant;

/// Ways of the session before that are remembered.
const MAX_OLD_WAYS: usize = 16;

/// All that belongs to one session, except where media goes.
#[derive(Debug)]
pub(super) struct Before {
    /// When it was put aside.
    since: Instant,
    session: Session,
    previous: Option<Session>,
    started: Option<Instant>,
    gathering: Gathering,
    told_gathered: bool,
    /// Ours, as they were ranked.
    locals: Vec<(LocalId, Local)>,
    remotes: Remotes,
    remote_done: bool,
    names: Vec<(String, Candidate)>,
    list: Checklist,
    checks: Checks,
    first_success: Option<Instant>,
    nominating: Option<PairId>,
    selected: Option<PairId>,
    rescue: Rescue,
    unannounced: Vec<LocalId>,
}

impl Before {
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Ways are no more: nothing can be taken back to them.
    pub(super) fn forget(&mut self, is_gone: impl Fn(PathId, SocketAddr) -> bool) {
        self.list.forget(&is_gone);
        self.checks.forget(&is_gone);
    }

    /// A socket is no more.
    pub(super) fn forget_path(&mut self, path: PathId) {
        self.locals.retain(|(_, local)| local.path != path);
    }
}

impl Agent {
    /// We begin anew. Of several restarts in a row, the first one is what can be taken back to.
    pub(super) fn begin_restart(&mut self) {
        let before = self.restart();
        if self.before_restart.is_none() && before.session.remote.is_some() {
            self.before_restart = Some(Box::new(before));
        }
    }

    /// Begins a new session. Roles stay; media stays on its pair, and consent goes on there, until
    /// the new session has chosen one (RFC 8445 section 9, RFC 7675 section 5.1).
    pub(super) fn restart(&mut self) -> Before {
        self.restarts = self.restarts.wrapping_add(1);
        self.restarted = Some(self.now);
        self.last_in_use = None;
        let credentials = Credentials::generate(&mut self.rng);
        let last = std::mem::replace(&mut self.session, Session::new(self.restarts, credentials));
        let previous = self.previous.clone();
        // Restarted twice without a choice between: media is still where the session before it was.
        let carries = self.consent.as_ref().map(|consent| consent.route.session);
        if carries.is_none_or(|carries| carries == last.number) {
            self.previous = Some(last.clone());
            self.carried = self.carry(&last);
            self.old_ways.clear();
        }
        let works: Vec<_> = self.list.valid().map(|(pair, _)| (pair.path, pair.to)).collect();
        works.into_iter().for_each(|(path, to)| self.remember_way(path, to));
        let locals = self.rank_locals();
        let before = Before {
            since: self.now,
            session: last,
            previous,
            started: self.started.take(),
            gathering: self.gathering,
            told_gathered: self.told_gathered,
            locals,
            remotes: self.remotes.restart(),
            remote_done: std::mem::replace(&mut self.remote_done, false),
            names: std::mem::take(&mut self.names),
            list: self.list.restart(),
            checks: std::mem::take(&mut self.checks),
            first_success: self.first_success.take(),
            nominating: self.nominating.take(),
            selected: self.selected.take(),
            unannounced: std::mem::take(&mut self.unannounced),
            rescue: self.rescue.restart(),
        };
        for late in &before.unannounced {
            self.announce(*late);
        }
        if self.gathering == Gathering::Done {
            self.gathering = Gathering::Restarted;
        }
        self.early.clear();
        self.ask_servers(); // from sockets that came since the choice
        self.told_gathered = self.has_all_candidates_of_ours();
        self.told_gathered_at = self.now;
        if !self.state.is_alive() {
            self.signal(Signal::Restarted); // there is no session that could go on
        }
        before
    }

    /// The socket that works is the best one of the new session, and one in doubt the last. A browser that has
    /// to choose between pairs of both sessions leaves the old one for one that is as good, but for a worse
    /// one only after seconds.
    fn rank_locals(&mut self) -> Vec<(LocalId, Local)> {
        let in_use = self.consent.as_ref().map(|consent| consent.route.path);
        // A second restart in a row has no doubt of its own: nothing was chosen since the first.
        let is_in_doubt = self.rescue.doubts() || self.rescue.old_is_dead();
        self.locals.restart(|path| match (Some(path) == in_use, is_in_doubt) {
            (true, false) => 0,
            (false, _) => 1,
            (true, true) => 2,
        })
    }

    /// A way of the session before: media that comes by it is the other side's.
    pub(super) fn remember_way(&mut self, path: PathId, to: SocketAddr) {
        if self.old_ways.len() < MAX_OLD_WAYS && !self.old_ways.contains(&(path, to)) {
            self.old_ways.push((path, to));
        }
    }

    /// The old session goes on. Sockets that came since then stay; nobody was told of them.
    pub(super) fn take_restart_back(&mut self) {
        let Some(before) = self.before_restart.take() else { return };
        self.session = before.session;
        self.previous = before.previous;
        self.started = before.started;
        self.gathering = before.gathering;
        self.told_gathered = before.told_gathered;
        self.locals.put_back(before.locals);
        self.remotes.put_back(before.remotes);
        self.remote_done = before.remote_done;
        self.names = before.names;
        self.list = before.list;
        self.put_carried_back();
        self.checks = before.checks;
        self.checks.put_off(self.now - before.since);
        self.first_success = before.first_success;
        self.nominating = before.nominating;
        self.selected = before.selected;
        self.unannounced.extend(before.unannounced);
        self.rescue = before.rescue;
        self.early.clear();
        if self.selected.is_some() && self.in_use().is_none() {
            self.doubt(Why::PathGone); // meanwhile
        }
    }
}
