//! What servers found out becomes candidates, and relays carry what goes by them (RFC 8445 sections
//! 5.1.1.2 and 5.1.3, RFC 8838 section 9).
//!
//! A reflexive candidate is one more name of its base: checks leave from the base. A relayed candidate is a
//! base of its own, whose socket leads to the server: [`Agent::frame`] puts in front of a packet what the
//! server needs, [`Agent::arrive`] says whose packet came from it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use super::super::candidate::{Kind, PathId, TcpType, Transport, canonical};
use super::super::gather::{Found, Passage, RelaySocket};
use super::super::interface::{Event, Output, Policy};
use super::super::pair::{LocalId, RemoteId};
use super::Agent;
use crate::time::Instant;
use crate::turn;

/// What a datagram is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// What it looks like: it came straight from whoever sent it.
    Direct,
    /// A peer's packet that a relay passed on: whose, and in which bytes.
    Relayed(SocketAddr, Range<usize>),
    /// The relay's own, and taken care of; or nothing that we want.
    Consumed,
}

impl Agent {
    /// A server to be asked where it sees us.
    pub(super) fn on_stun_server(&mut self, server: SocketAddr) {
        if self.config.policy == Policy::All && self.gatherer.add_server(canonical(server)) {
            self.ask_servers();
        }
    }

    /// A socket to a TURN server. One that talks UDP is asked where it sees our other sockets, too: the
    /// answer costs nothing, and is all there is when it has no address left to lend
    /// (rfc8445-5.1.1.2-4).
    pub(super) fn on_relay_socket(&mut self, socket: RelaySocket) {
        let (server, transport) = (socket.server, socket.transport);
        self.gatherer.add_relay(socket);
        if transport == super::super::server::ServerTransport::Udp {
            self.on_stun_server(server);
        }
    }

    /// Every host base asks every server.
    pub(super) fn ask_servers(&mut self) {
        if self.selected.is_some() {
            return;
        }
        let hosts = self.locals.iter().filter(|(_, local)| {
            let candidate = &local.candidate;
            (candidate.kind, candidate.transport) == (Kind::Host, Transport::Udp)
        });
        for (rank, (id, local)) in hosts.enumerate() {
            self.gatherer.ask_from(id, local.path, local.base, rank);
        }
    }

    /// Announces the addresses at which a person says we can be reached as well: those of a machine
    /// whose router maps every port one to one, as clouds do.
    pub(super) fn add_public_addresses(&mut self, path: PathId) {
        let Some((base, local)) = self.locals.iter().find(|(_, local)| local.path == path) else {
            return;
        };
        let addr = local.base;
        let connects = local.candidate.tcp_type == Some(TcpType::Active);
        if addr.ip().is_loopback() || connects {
            return;
        }
        let public = self.config.public_addresses.clone();
        for ip in public.into_iter().filter(|ip| ip.is_ipv4() == addr.is_ipv4()) {
            let seen_as = SocketAddr::new(ip, addr.port());
            self.add_reflexive(base, ip, seen_as, None);
        }
    }

    /// Whether [`Self::has_all_candidates`] is true for good.
    pub(super) fn gather(&mut self) {
        let now = self.now;
        self.gatherer.tick(now, &mut self.rng);
        if self.selected.is_some() {
            self.gatherer.conclude();
        }
        if self.state.is_alive() {
            self.start_gathering_next();
        }
        self.pump_gatherer();
        if !self.told_gathered && self.has_all_candidates_of_ours() {
            (self.told_gathered, self.told_gathered_at) = (true, now);
            self.events.push_back(Event::Gathered);
        }
    }

    /// One new request per Ta, checks included (RFC 8445 section 14.2).
    fn start_gathering_next(&mut self) {
        if self.now >= self.next_slot && self.gatherer.has_next() {
            self.gatherer.start_next(self.now, &mut self.rng);
            self.next_slot = self.now + self.config.pace;
        }
    }

    /// When [`Self::gather`] has something to do.
    pub(super) fn gathering_due(&self) -> Option<Instant> {
        let waits = self.gatherer.has_next() && self.state.is_alive();
        let next = waits.then_some(self.next_slot);
        [next, self.gatherer_due].into_iter().flatten().min()
    }

    /// Every peer that a relayed base is paired with has to be permitted before it can be checked
    /// (rfc8445-7.2.1-1).
    pub(super) fn permit(&mut self, path: PathId, to: SocketAddr) {
        if let Some(client) = self.gatherer.client(path) {
            client.handle_input(self.now, turn::Input::Permit(to.ip()));
        }
    }

    /// Packets of the pair in use get a channel (rfc8445-7.2.1-2).
    pub(super) fn bind_channel(&mut self) {
        let Some((path, to)) = self.in_use().map(|pair| (pair.path, pair.to)) else { return };
        if let Some(client) = self.gatherer.client(path) {
            client.handle_input(self.now, turn::Input::Bind(to));
        }
    }

    /// Lets the machines below say what they have to say, until they are silent.
    fn pump_gatherer(&mut self) {
        loop {
            let (found, due) = self.gatherer.pump();
            self.gatherer_due = due;
            if found.is_empty() {
                return;
            }
            found.into_iter().for_each(|found| self.on_found(found));
        }
    }

    pub(super) fn on_found(&mut self, found: Found) {
        match found {
            Found::Reflexive { base, server, mapped } => {
                self.add_reflexive(base, server.ip(), canonical(mapped), Some(server));
            }
            Found::Unanswered(server) => self.events.push_back(Event::ServerSilent(server)),
            Found::Relay(path, event) => self.on_relay_event(path, event),
        }
    }

    fn add_reflexive(
        &mut self,
        base: LocalId,
        seen_by: IpAddr,
        addr: SocketAddr,
        server: Option<SocketAddr>,
    ) {
        if let Some(id) = self.locals.add_reflexive(base, seen_by, addr) {
            if let Some(server) = server {
                self.locals.came_from(id, server);
            }
            self.tell_of(id);
            self.reprioritize();
        }
    }

    /// After the choice or the end of candidates none is told without a restart (rfc8838-13-1). One that comes
    /// when nothing else works is worth one; so is one while the pair in use is in doubt, for a relay that was
    /// started anew has lost the allocations of both sides.
    fn tell_of(&mut self, id: LocalId) {
        if self.selected.is_none() && !self.told_gathered {
            return self.announce(id);
        }
        self.unannounced.push(id);
        let is_dead = match self.selected {
            Some(_) => self.rescue.doubts(),
            None => self.rescue.old_is_dead(),
        };
        let has_way = self.consent.is_some() && !is_dead;
        if !has_way && self.session.remote.is_some() {
            self.need_restart();
        }
    }

    fn on_relay_event(&mut self, path: PathId, event: turn::Event) {
        match event {
            turn::Event::Allocated { relayed, mapped } => {
                relayed.into_iter().for_each(|addr| self.add_relayed(path, addr, mapped));
            }
            turn::Event::Permitted(ip) => {
                self.outgoing.extend(self.gatherer.release(path, ip));
            }
            turn::Event::Forbidden(ip, _) => {
                self.gatherer.release(path, ip);
                self.fail_pairs(|pair_path, to| pair_path == path && to.ip() == ip);
            }
            turn::Event::Ended(ended) => {
                self.on_path_gone(path);
                self.events.push_back(Event::RelayEnded { path, ended });
            }
        }
    }

    fn fail_pairs(&mut self, affected: impl Fn(PathId, SocketAddr) -> bool) {
        let affected = self.list.pairs().iter().filter(|pair| affected(pair.path, pair.to));
        let ids: Vec<_> = affected.map(|pair| pair.id).collect();
        ids.into_iter().for_each(|id| self.fail(id));
    }

    fn add_relayed(&mut self, path: PathId, addr: SocketAddr, mapped: SocketAddr) {
        let Some(socket) = self.gatherer.relay_socket(path) else { return };
        let (server, transport) = (socket.server, socket.transport);
        // What a relay hides must not be shown beside it (RFC 8828 section 5.2, mode 4).
        let related = match self.config.policy {
            Policy::All => canonical(mapped),
            Policy::Relay if addr.is_ipv4() => (Ipv4Addr::UNSPECIFIED, 0).into(),
            Policy::Relay => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let from = (server.ip(), transport);
        let added = self.locals.add_relayed(path, from, canonical(addr), related);
        let Some(id) = added else { return };
        self.locals.came_from(id, server);
        self.tell_of(id);
        let remotes: Vec<RemoteId> = self.remotes.iter().map(|(remote, _)| remote).collect();
        for remote in remotes {
            self.pair(id, remote, super::super::checklist::Cause::Paired);
        }
    }

    /// What a datagram is, before anybody else looks at it: on a relay's path the relay's framing is
    /// around it.
    pub fn arrive(
        &mut self,
        now: Instant,
        path: PathId,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Arrival {
        let Some(socket) = self.gatherer.relay_socket(path) else { return Arrival::Direct };
        if socket.server != canonical(from) {
            self.dropped.not_the_relay += 1;
            return Arrival::Consumed;
        }
        let Some(client) = self.gatherer.client(path) else { return Arrival::Consumed };
        if let Some((peer, range)) = client.receive(now, datagram) {
            return Arrival::Relayed(canonical(peer), range);
        }
        self.now = self.now.max(now);
        self.advance();
        Arrival::Consumed
    }

    /// Frames a packet for its way from `path` to `to`, in place: it lies in `bytes` from `start` to the
    /// end, with [`crate::turn::HEADROOM`] free in front. Says where to send it, and from which byte on;
    /// `None` if it can't go.
    pub fn frame(
        &mut self,
        path: PathId,
        to: SocketAddr,
        bytes: &mut Vec<u8>,
        start: usize,
    ) -> Option<(SocketAddr, usize)> {
        let Some(socket) = self.gatherer.relay_socket(path) else { return Some((to, start)) };
        let server = socket.server;
        let begin = self.gatherer.client(path)?.wrap(to, bytes, start)?;
        Some((server, begin))
    }

    /// The next message to a server, or check or answer to the other side.
    pub(super) fn next_datagram(&mut self) -> Option<Output<'_>> {
        if let Some((path, to, bytes)) = self.gatherer.next_outgoing() {
            self.datagram = bytes;
            return Some(Output::Transmit { path, to, bytes: &self.datagram });
        }
        while let Some(outgoing) = self.outgoing.pop_front() {
            let (path, to) = outgoing.route();
            let passage = self.gatherer.passage(path, to);
            match passage {
                Passage::Direct | Passage::Relayed => {}
                Passage::Later => {
                    self.gatherer.hold(outgoing);
                    continue;
                }
                Passage::Closed => continue,
            }
            let session =
                |number| super::find_session(&self.session, self.previous.as_ref(), number);
            if outgoing.write(&mut self.datagram, session).is_none() {
                continue;
            }
            if passage == Passage::Direct {
                return Some(Output::Transmit { path, to, bytes: &self.datagram });
            }
            let framed = self.gatherer.frame(path, to, &self.datagram);
            return framed.map(|(to, bytes)| Output::Transmit { path, to, bytes });
        }
        None
    }

    /// After [`super::super::Input::Close`]: the allocations that are being given back, each by its socket. The
    /// server may have to be answered once more.
    pub fn take_returning(&mut self) -> Vec<(PathId, turn::Client)> {
        self.gatherer.take_returning()
    }

    /// Whether no candidate of ours can still come.
    pub(super) fn has_all_candidates_of_ours(&self) -> bool {
        self.gathering != super::Gathering::Running && self.gatherer.is_idle()
    }
}
