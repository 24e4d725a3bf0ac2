//! What signalling brings: sockets of ours, credentials and candidates of theirs
//! (RFC 8838 sections 9 to 15).

use std::net::{IpAddr, SocketAddr};

use super::super::candidate::{
    Candidate, Local, PathId, TcpType, Transport, can_carry, can_pair, canonical,
};
use super::super::candidates::{Added, comes_to_us, is_usable, remote_base};
use super::super::checklist::{Cause, NewPair};
use super::super::credentials::Credentials;
use super::super::interface::{Event, Role};
use super::super::pair::{Foundation, LocalId, RemoteId, pair_priority};
use super::super::state::Signal;
use super::request::Early;
use super::{Agent, Gathering};

/// Names that may be looked up at a time.
const MAX_NAMES: usize = 16;

impl Agent {
    /// A socket of ours. After the end of candidates, or once a pair is chosen, none is told to the other
    /// side without a restart (RFC 8838 section 13). Beside a chosen pair it stands by; where there is none
    /// yet, a restart is asked for. Checks leave from it all the same: they may get through, and to the
    /// other side it is then peer-reflexive (RFC 8445 section 7.3.1.3).
    pub(super) fn on_local_candidate(&mut self, path: PathId, addr: SocketAddr) {
        if let Some(id) = self.locals.add_host(path, addr) {
            self.use_local(id);
        }
    }

    /// An address where we listen, or from which we connect.
    pub(super) fn on_local_tcp_candidate(
        &mut self,
        path: PathId,
        addr: SocketAddr,
        tcp_type: TcpType,
    ) {
        if let Some(id) = self.locals.add_tcp_host(path, addr, tcp_type) {
            self.use_local(id);
        }
    }

    fn use_local(&mut self, id: LocalId) {
        if self.gathering == Gathering::Done || self.selected.is_some() {
            self.unannounced.push(id);
            match self.selected {
                None => self.need_restart(),
                Some(_) => self.on_new_way(),
            }
        } else {
            self.gathering = Gathering::Running;
            self.told_gathered = false;
            self.announce(id);
        }
        let remotes: Vec<RemoteId> = self.remotes.iter().map(|(remote, _)| remote).collect();
        for remote in remotes {
            self.pair(id, remote, Cause::Paired);
        }
    }

    pub(super) fn announce(&mut self, id: LocalId) {
        if let Some(local) = self.locals.get(id) {
            self.events.push_back(Event::LocalCandidate(local.candidate.clone()));
        }
    }

    /// The other side's ufrag and pwd. Checks can begin, and those that came too early are made up for
    /// (RFC 8445 section 7.3).
    pub(super) fn on_remote_credentials(&mut self, credentials: Credentials) {
        match &self.session.remote {
            Some(known) if known.credentials == credentials => return,
            Some(_) => drop(self.restart()),
            None => {}
        }
        self.before_restart = None;
        self.remotes.retain(|candidate| is_of(candidate, &credentials));
        self.names.retain(|(_, candidate)| is_of(candidate, &credentials));
        let early = std::mem::take(&mut self.early);
        let is_theirs = |early: &Early| early.sender == credentials.ufrag;
        let theirs: Vec<_> = early.into_iter().filter(is_theirs).collect();
        self.session.set_remote(credentials);
        self.started = Some(self.now);
        self.signal(Signal::Started);
        if self.restarts > 0 {
            self.restarted = Some(self.now);
            self.signal(Signal::Restarted);
        }
        let remotes: Vec<RemoteId> = self.remotes.iter().map(|(remote, _)| remote).collect();
        for remote in remotes {
            self.pair_remote(remote);
        }
        for early in theirs {
            self.on_checked(early.checked);
        }
    }

    /// A candidate of theirs, from its line.
    pub(super) fn on_remote_candidate(&mut self, candidate: Candidate) {
        if self.remote_done {
            self.dropped.late_candidates += 1;
            return;
        }
        self.add_remote(candidate);
    }

    fn add_remote(&mut self, mut candidate: Candidate) {
        candidate.addr = canonical(candidate.addr);
        if comes_to_us(&candidate) {
            return;
        }
        if !is_usable(&candidate) {
            self.dropped.unusable_candidates += 1;
            return;
        }
        let remote = self.session.remote.as_ref();
        if remote.is_some_and(|remote| !is_of(&candidate, &remote.credentials)) {
            self.dropped.late_candidates += 1;
            return;
        }
        match self.remotes.add(candidate) {
            Added::New(remote) => self.pair_remote(remote),
            Added::Updated(remote) => self.on_remote_updated(remote),
            Added::Redundant => {}
            Added::Surplus => self.dropped.surplus_candidates += 1,
        }
    }

    /// A candidate that checks had shown is now known by its line.
    fn on_remote_updated(&mut self, remote: RemoteId) {
        if let Some(candidate) = self.remotes.get(remote) {
            let foundation = foundation("", candidate);
            self.list.rename_foundation(remote, &foundation);
        }
        self.reprioritize();
        self.pair_remote(remote);
    }

    /// A candidate with a name for an address. Nothing waits for the answer: if there is none, the
    /// other side's own checks show us its address.
    pub(super) fn on_named_candidate(&mut self, name: String, candidate: Candidate) {
        let resolved = Candidate { addr: placeholder(candidate.addr), ..candidate.clone() };
        if comes_to_us(&resolved) {
            // Nobody has to know where it is.
        } else if !is_usable(&resolved) {
            self.dropped.unusable_candidates += 1;
        } else if self.remote_done {
            self.dropped.late_candidates += 1;
        } else if self.names.len() >= MAX_NAMES {
            self.dropped.surplus_candidates += 1;
        } else {
            if !self.names.iter().any(|(known, _)| *known == name) {
                self.events.push_back(Event::NameToResolve(name.clone()));
            }
            self.names.push((name, candidate));
        }
    }

    /// What the name stands for; it may have been announced before the end of candidates.
    pub(super) fn on_name_resolved(&mut self, name: &str, addr: Option<IpAddr>) {
        let names = std::mem::take(&mut self.names);
        for (waiting, mut candidate) in names {
            if waiting != name {
                self.names.push((waiting, candidate));
            } else if let Some(ip) = addr {
                candidate.addr.set_ip(ip);
                self.add_remote(candidate);
            } else {
                self.dropped.unresolved_candidates += 1;
            }
        }
    }

    /// Pairs a remote candidate with all of ours.
    fn pair_remote(&mut self, remote: RemoteId) {
        let bases: Vec<LocalId> = self.locals.bases().map(|(local, _)| local).collect();
        for local in bases {
            self.pair(local, remote, Cause::Paired);
        }
    }

    /// Makes a pair, if there is none between the two yet and packets could pass. Before the remote
    /// credentials come there are none; once a pair is chosen, others only stand by.
    pub(super) fn pair(
        &mut self,
        local: LocalId,
        remote: RemoteId,
        cause: Cause,
    ) -> Option<super::super::pair::PairId> {
        self.session.remote.as_ref()?;
        let ours = self.locals.get(local)?;
        let theirs = self.remotes.get(remote)?;
        let transport = ours.candidate.transport;
        // Beside the pair in use none is tried by TCP: that would be a connection made in vain.
        let in_vain =
            transport == Transport::Tcp && self.selected.is_some() && cause == Cause::Paired;
        if !can_pair(ours.base.ip(), theirs.addr.ip())
            || !can_carry(ours.candidate.tcp_type, theirs.tcp_type, cause)
            || in_vain
            || self.list.between(ours.path, theirs.addr).is_some()
        {
            return None;
        }
        let new = NewPair {
            local,
            remote,
            path: ours.path,
            to: theirs.addr,
            transport,
            foundation: foundation(&ours.candidate.foundation, theirs),
            priority: priority_of(self.role, ours, theirs),
        };
        let (path, to) = (new.path, new.to);
        let id = self.list.insert(new, cause)?;
        self.permit(path, to);
        if self.selected.is_some() {
            self.let_stand_by(id);
        }
        Some(id)
    }

    /// Roles or candidates changed: all pair priorities anew.
    pub(super) fn reprioritize(&mut self) {
        let (role, locals, remotes) = (self.role, &self.locals, &self.remotes);
        self.list.reprioritize(|local, remote| {
            Some(priority_of(role, locals.get(local)?, remotes.get(remote)?))
        });
    }
}

/// The pair priority of two candidates, from our side.
pub(super) fn priority_of(role: Role, ours: &Local, theirs: &Candidate) -> u64 {
    match role {
        Role::Controlling => pair_priority(ours.candidate.priority, theirs.priority),
        Role::Controlled => pair_priority(theirs.priority, ours.candidate.priority),
    }
}

fn foundation(ours: &str, theirs: &Candidate) -> Foundation {
    Foundation {
        local: ours.to_owned(),
        remote: theirs.foundation.clone(),
        remote_base: remote_base(theirs),
    }
}

/// Whether a candidate belongs to the session of these credentials, as far as it says.
fn is_of(candidate: &Candidate, credentials: &Credentials) -> bool {
    candidate.ufrag.as_ref().is_none_or(|ufrag| *ufrag == credentials.ufrag)
}

/// Any address with this port: to look at the rest of a candidate before its name is resolved.
fn placeholder(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(IpAddr::from([192, 0, 2, 1]), addr.port())
}
