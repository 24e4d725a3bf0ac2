//! Servers of a call, their sockets, and what came of them.

use std::net::SocketAddr;

use super::phase::Phase;
use super::{Chore, Peer};
use crate::ice::{self, PathId, RelayClient, RelayEnd, RelaySocket, Role, ServerTransport};
use crate::peer::event::{End, Event, GatheringState, Step};
use crate::peer::negotiate::NegotiateError;
use crate::peer::reason;
use crate::peer::servers::Next;
use crate::sdp::Description;
use crate::time::Instant;

impl Peer {
    /// Begins to look for addresses; servers' sockets may come from here on. The role is controlling for
    /// whoever will offer. A description made later has what was found by then, the rest is told by
    /// [`Event::Candidate`] as it comes.
    pub fn gather(&mut self, now: Instant, role: Role) {
        self.start_transport(now, role);
    }

    /// Whether no address can be found any more: nothing is gained by waiting.
    #[must_use]
    pub fn has_gathered(&self) -> bool {
        self.transport.as_ref().is_some_and(|transport| transport.agent.has_gathered())
    }

    /// Whether this offer could be answered; nothing changes.
    ///
    /// # Errors
    /// What [`Peer::accept_offer`] would refuse it for.
    pub fn can_take(&self, offer: &Description) -> Result<(), NegotiateError> {
        self.negotiation.choose(offer).map(drop)
    }

    pub(super) fn tell_agent(&mut self, now: Instant, input: ice::Input<'_>) {
        self.addresses_done |= matches!(input, ice::Input::LocalCandidatesDone);
        if let Some(transport) = &mut self.transport {
            transport.agent.handle_input(now, input);
        }
    }

    pub(super) fn relay_socket(
        &mut self,
        now: Instant,
        place: usize,
        path: PathId,
        (server, transport): (SocketAddr, ServerTransport),
    ) {
        self.servers.connected(place, path, server);
        let user = self.config.relay_user.clone();
        let socket = RelaySocket { path, server, transport, user };
        self.tell_agent(now, ice::Input::RelaySocket(socket));
        self.tell_of_relays(now);
    }

    fn tell_of_relays(&mut self, now: Instant) {
        let expected = self.servers.are_opening();
        self.tell_agent(now, ice::Input::RelaysExpected(expected));
    }

    pub(super) fn server_unreachable(&mut self, now: Instant, place: usize, why: &str) {
        if let Some(text) = self.servers.unreachable(now, place, why) {
            self.events.push_back(Event::warning(text));
        }
        self.tell_of_relays(now);
    }

    /// Servers that were away may be back.
    pub(super) fn try_servers_again(&mut self, now: Instant) {
        while let Some((server, addr)) = self.servers.next_try(now) {
            self.chores.push_back(Chore::Open { server, addr });
        }
    }

    pub(super) fn server_silent(&mut self, addr: SocketAddr) {
        let text = self.servers.silent(addr);
        self.events.push_back(Event::warning(text));
    }

    pub(super) fn relay_ended(&mut self, now: Instant, path: PathId, ended: RelayEnd) {
        self.chores.push_back(Chore::Close(path));
        match self.servers.ended(path, ended) {
            Next::Open { server, addr } => self.chores.push_back(Chore::Open { server, addr }),
            Next::Warn(text) => self.events.push_back(Event::warning(text)),
            Next::Nothing => {}
        }
        self.tell_of_relays(now);
    }

    /// What an ended call still has to give back: the server may ask once more who we are.
    pub fn take_relays(&mut self) -> Vec<(PathId, RelayClient)> {
        let agent = self.transport.as_mut().map(|transport| &mut transport.agent);
        agent.map(ice::Agent::take_returning).unwrap_or_default()
    }

    /// All addresses are known. Where only relays may be used and there is none, nothing can come of it;
    /// once connected, consent decides: a server may be back in time.
    pub(super) fn gathered(&mut self, now: Instant) {
        if !self.has_gathered() {
            return; // a relay ended in the same moment, and there is to be another
        }
        self.events.push_back(Event::Gathering { state: GatheringState::Complete });
        let agent = self.transport.as_ref().map(|transport| &transport.agent);
        let has_none = agent.is_some_and(|agent| agent.local_candidates().is_empty());
        let is_new = matches!(self.phase, Phase::New | Phase::Connecting);
        if self.config.policy == ice::Policy::Relay && is_new && has_none {
            let reason = reason::no_relay(self.servers.why_no_help());
            self.end(now, End::Failed { step: Step::Ice }, reason);
        }
    }
}
