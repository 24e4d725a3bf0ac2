//! What can be asked of the agent at any moment.

use std::net::SocketAddr;

use super::super::candidate::{Candidate, Kind, PathId, canonical};
use super::super::credentials::Credentials;
use super::super::interface::{Dropped, PairReport, Role, SelectedPair, Source};
use super::super::pair::{LocalId, RemoteId};
use super::super::state::State;
use super::Agent;
use crate::stun::TransactionId;

impl Agent {
    /// Our ufrag and pwd in the current session.
    #[must_use]
    pub fn local_credentials(&self) -> &Credentials {
        &self.session.local
    }

    /// Their ufrag and pwd in the current session, once known.
    #[must_use]
    pub fn remote_credentials(&self) -> Option<&Credentials> {
        self.session.remote.as_ref().map(|remote| &remote.credentials)
    }

    /// The credentials that both sides know of: while the answer to a restart of ours is awaited, those of
    /// the session before it.
    #[must_use]
    pub fn settled_credentials(&self) -> (&Credentials, Option<&Credentials>) {
        let session = self.before_restart.as_ref().map_or(&self.session, |before| before.session());
        (&session.local, session.remote.as_ref().map(|remote| &remote.credentials))
    }

    /// What the other side is to be told, the best first.
    #[must_use]
    pub fn local_candidates(&self) -> Vec<&Candidate> {
        let told = self.locals.iter().filter(|(id, _)| !self.unannounced.contains(id));
        let all = told.map(|(_, local)| &local.candidate);
        let mut announced: Vec<_> =
            all.filter(|candidate| candidate.kind != Kind::PeerReflexive).collect();
        // An address that a person named in addition is how those get here who can't by the others.
        let is_named =
            |candidate: &Candidate| self.config.public_addresses.contains(&candidate.addr.ip());
        announced
            .sort_by_key(|candidate| (!is_named(candidate), std::cmp::Reverse(candidate.priority)));
        announced
    }

    /// All of ours in this session, for statistics.
    pub fn every_local_candidate(&self) -> impl Iterator<Item = (LocalId, &Candidate)> {
        self.locals.iter().map(|(id, local)| (id, &local.candidate))
    }

    /// The server that a candidate of ours came from.
    #[must_use]
    pub fn source(&self, id: LocalId) -> Option<Source> {
        let local = self.locals.get(id)?;
        let relay = self.gatherer.relay_socket(local.path);
        Some(Source {
            path: local.path,
            server: local.server?,
            transport: relay.map(|r| r.transport),
        })
    }

    /// All of theirs in this session, for statistics.
    pub fn remote_candidates(&self) -> impl Iterator<Item = (RemoteId, &Candidate)> {
        self.remotes.iter()
    }

    /// How many candidates of theirs are names without an address, or of which it isn't known yet.
    #[must_use]
    pub fn hidden_candidates(&self) -> usize {
        let unresolved = usize::try_from(self.dropped.unresolved_candidates).unwrap_or(usize::MAX);
        self.names.len().saturating_add(unresolved)
    }

    /// Whether consent ended because the other side took it back (RFC 7675 section 5.2), and not by silence.
    #[must_use]
    pub fn was_consent_refused(&self) -> bool {
        self.consent_refused
    }

    /// Whether all candidates of ours are known.
    #[must_use]
    pub fn has_gathered(&self) -> bool {
        self.has_all_candidates_of_ours()
    }

    /// Whether we choose.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether nothing speaks against the pair in use: its checks are answered, and no restart is under way.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        let is_well = matches!(self.state, State::Connected | State::Completed);
        is_well && self.selected.is_some() && !self.rescue.doubts()
    }

    /// The nominated pair.
    #[must_use]
    pub fn selected(&self) -> Option<SelectedPair> {
        self.selected_pair()
    }

    /// Where DTLS and media go now: the selected pair, else the best valid one; `None` while there is
    /// neither, and when consent to send is lost.
    #[must_use]
    pub fn send_pair(&self) -> Option<(PathId, SocketAddr)> {
        self.consent.as_ref().map(|consent| (consent.route.path, consent.route.to))
    }

    /// Whether packets that come from there may be the other side's: from an address that a genuine
    /// check came from, or that they announced, or that worked in the session before. What comes from
    /// elsewhere is not worth decrypting.
    #[must_use]
    pub fn accepts(&self, path: PathId, from: SocketAddr) -> bool {
        let from = canonical(from);
        self.send_pair() == Some((path, from))
            || (self.state.is_alive()
                && (self.is_known(path, from) || self.old_ways.contains(&(path, from))))
    }

    fn is_known(&self, path: PathId, from: SocketAddr) -> bool {
        let Some((_, ours)) = self.locals.base_of(path, from.ip()) else { return false };
        let mut early = self.early.iter().map(|early| early.checked);
        self.remotes.at(from, ours.candidate.transport).is_some()
            || early.any(|early| (early.path, early.from) == (path, from))
    }

    /// Whether somebody who knows our password was heard from there: a check of theirs was genuine, or
    /// an answer to one of ours. Weaker than [`Self::accepts`] by nothing but their word: an address
    /// that was only announced is not enough, for anybody can announce another one's.
    #[must_use]
    pub fn has_proof_of(&self, path: PathId, from: SocketAddr) -> bool {
        let from = canonical(from);
        let base = self.locals.base_of(path, from.ip());
        let early = self.early.iter().map(|early| (early.checked.path, early.checked.from));
        early.chain(self.send_pair()).any(|proven| proven == (path, from))
            || base.is_some_and(|(_, ours)| self.remotes.has_met(from, ours.candidate.transport))
            || self.pairs().any(|pair| {
                let answered = pair.figures.requests_received + pair.figures.responses_received > 0;
                answered && (pair.path, pair.remote.addr) == (path, from)
            })
    }

    /// Whether there is a pair by this way in this session.
    #[must_use]
    pub fn has_pair(&self, path: PathId, to: SocketAddr) -> bool {
        self.list.between(path, canonical(to)).is_some()
    }

    /// All pairs of this session, the best first.
    pub fn pairs(&self) -> impl Iterator<Item = PairReport<'_>> {
        let in_use = self.pair_in_use();
        self.list.pairs().iter().filter_map(move |pair| {
            let local_id = pair.valid.map_or(pair.local, |valid| valid.local);
            let local = (local_id, &self.locals.get(local_id)?.candidate);
            let remote = self.remotes.get(pair.remote)?;
            Some(PairReport::of(pair, self.session.number, local, remote, in_use))
        })
    }

    /// The same, and in a restart the pair that media goes by, for statistics.
    pub fn every_pair(&self) -> impl Iterator<Item = PairReport<'_>> {
        self.pairs().chain(self.carried_pair())
    }

    /// Names the session; each restart begins another one.
    #[must_use]
    pub fn session(&self) -> u32 {
        self.session.number
    }

    /// The session whose pairs media goes by: in a restart, the one before.
    #[must_use]
    pub fn media_session(&self) -> u32 {
        self.consent.as_ref().map_or(self.session.number, |consent| consent.route.session)
    }

    /// The session whose pair a packet from there came by: in a restart the one before, as long as ours goes by
    /// the same way or the new one has none by this way. They may have left it before us.
    #[must_use]
    pub fn session_of(&self, path: PathId, from: SocketAddr) -> u32 {
        let (media, new) = (self.media_session(), self.session.number);
        let goes_by = self.send_pair() == Some((path, canonical(from)));
        if media != new && !goes_by && self.has_pair(path, from) { new } else { media }
    }

    /// Whether the request with this id is ours, and its answer would be welcome.
    #[must_use]
    pub fn awaits(&self, id: TransactionId) -> bool {
        self.checks.find(id).is_some()
            || self.gatherer.awaits(id)
            || self.rescue.probes.find(id).is_some()
            || self.consent.as_ref().is_some_and(|consent| consent.awaits(id))
    }

    /// What was dropped, by reason.
    #[must_use]
    pub fn dropped(&self) -> &Dropped {
        &self.dropped
    }
}
