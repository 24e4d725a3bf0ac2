//! The pair that media stays on while ICE begins anew. The new session's check list doesn't have it, but it
//! is in use, its consent is kept, and so it is counted and told of until media leaves it (W3C: the selected
//! pair is the one that packets are sent by).
//!
//! ```text
//! pair in use --restart--> carried --media goes by a pair of the new session--> forgotten
//!                             |----our restart is taken back---> in the check list again
//!                             '----the call ends---------------> told of as the last one in use
//! ```
//! Comes from `restart.rs`, goes to `report.rs`.

use std::net::SocketAddr;

use super::super::candidate::{Candidate, PathId};
use super::super::interface::PairReport;
use super::super::pair::{LocalId, Pair, PairId};
use super::super::session::Session;
use super::Agent;

/// It, and its candidates as they were in its session.
#[derive(Debug)]
pub(super) struct Carried {
    session: u32,
    pair: Pair,
    local_id: LocalId,
    local: Candidate,
    remote: Candidate,
}

impl Carried {
    fn report(&self, in_use: Option<PairId>) -> PairReport<'_> {
        let (local, remote) = ((self.local_id, &self.local), &self.remote);
        PairReport::of(&self.pair, self.session, local, remote, in_use)
    }
}

impl Agent {
    /// The pair that media goes by, if it is of this session, which ends: with candidates that tell its names.
    pub(super) fn carry(&self, ends: &Session) -> Option<Carried> {
        let pair = self.list.get(self.consent.as_ref()?.route.pair)?.clone();
        let local_id = pair.valid.map_or(pair.local, |valid| valid.local);
        let mut local = self.locals.get(local_id)?.candidate.clone();
        let mut remote = self.remotes.get(pair.remote)?.clone();
        local.ufrag = Some(ends.local.ufrag.clone());
        remote.ufrag = ends.remote.as_ref().map(|remote| remote.credentials.ufrag.clone());
        Some(Carried { session: ends.number, pair, local_id, local, remote })
    }

    /// Its session goes on: what was counted meanwhile counts.
    pub(super) fn put_carried_back(&mut self) {
        let number = self.session.number;
        if let Some(Carried { pair: carried, .. }) =
            self.carried.take_if(|carried| carried.session == number)
            && let Some(pair) = self.list.get_mut(carried.id)
        {
            pair.figures = carried.figures;
        }
    }

    /// A check of the session before came by this way.
    pub(super) fn count_old_check(&mut self, path: PathId, from: SocketAddr) {
        let carried = self.carried.as_mut().map(|carried| &mut carried.pair);
        if let Some(pair) = carried.filter(|pair| (pair.path, pair.to) == (path, from)) {
            pair.figures.requests_received += 1;
            pair.figures.responses_sent += 1;
        }
    }

    /// A pair of this session, or the one that is carried.
    pub(super) fn counted(&mut self, id: PairId) -> Option<&mut Pair> {
        let carried = self.carried.as_mut().map(|carried| &mut carried.pair);
        self.list.get_mut(id).or(carried.filter(|pair| pair.id == id))
    }

    /// No media is sent any more, for good: by which pair it went last can still be asked.
    pub(super) fn stop_media(&mut self) {
        self.last_in_use = self.pair_in_use();
        self.set_consent(None);
    }

    /// The pair that media goes by; once that is over, the last one.
    pub(super) fn pair_in_use(&self) -> Option<PairId> {
        let works = |id: &PairId| self.list.get(*id).is_some_and(|pair| pair.valid.is_some());
        let route = self.consent.as_ref().map(|consent| consent.route.pair);
        self.selected.filter(works).or(route).or(self.last_in_use)
    }

    /// The pair of the session before, if media goes by it, or went by it to the last.
    pub(super) fn carried_pair(&self) -> Option<PairReport<'_>> {
        let in_use = self.pair_in_use();
        let carried = self.carried.as_ref()?;
        Some(carried.report(in_use)).filter(|pair| pair.selected)
    }
}
