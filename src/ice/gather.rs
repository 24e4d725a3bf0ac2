//! Asking servers: where do you see us, and what address can you lend us? (RFC 8445 sections 5.1.1.2 to
//! 5.1.1.4.)
//!
//! ```text
//! every host base  x  every STUN server   one Binding request each     -> a server-reflexive candidate
//! every TURN server, by its own socket    one `turn::Client` each      -> a relayed candidate or two
//! ```
//! All of it at once, but one new request per Ta: NATs drop bursts. The best base asks first, so that five
//! interfaces and a dead server don't keep the one answer waiting that matters. What was found is kept alive:
//! a NAT forgets a mapping that isn't used, and an allocation expires.
//!
//! Who asked which server is known by the transaction id alone: the shared socket has many calls, and an
//! answer may come from another address than the one that was asked.
//!
//! Servers and sockets come by [`super::Input`]; what is found goes to `agent/gathering.rs`, which makes
//! candidates of it. Read next: that.

mod query;
mod relay;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use rand::rngs::StdRng;

use super::candidate::PathId;
use super::message::Outgoing;
use super::pair::LocalId;
use crate::stun::{Message, TransactionId};
use crate::time::Instant;
use crate::turn::{self, Client, HEADROOM};
use query::Query;
use relay::Relay;
pub use relay::RelaySocket;

/// All that is asked of servers.
#[derive(Debug, Default)]
pub(super) struct Gatherer {
    servers: Vec<SocketAddr>,
    queries: Vec<Query>,
    relays: Vec<Relay>,
    outgoing: VecDeque<Sent>,
    /// A message to be framed for a relay.
    framed: Vec<u8>,
    /// Another socket to a TURN server is on its way.
    expects: bool,
    /// Streams that broke before their server was asked anything.
    broken: Vec<PathId>,
}

/// A message to a server: by which socket, where to, and its bytes.
type Sent = (PathId, SocketAddr, Vec<u8>);

/// What came of it.
#[derive(Debug)]
pub(super) enum Found {
    /// A server saw this base as this address.
    Reflexive { base: LocalId, server: SocketAddr, mapped: SocketAddr },
    /// A STUN server did not answer, or not what was asked.
    Unanswered(SocketAddr),
    /// A TURN client says.
    Relay(PathId, turn::Event),
}

/// Whether a message can go by a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// It is a socket of our own.
    Direct,
    /// The relay passes it on.
    Relayed,
    /// Not yet.
    Later,
    /// The relay is gone.
    Closed,
}

/// STUN servers; each costs a request per base.
const MAX_SERVERS: usize = 8;
/// Requests to them in all.
const MAX_QUERIES: usize = 64;
/// Sockets to TURN servers at once.
const MAX_RELAYS: usize = 16;
/// The end of a relay that never was.
const BROKEN: turn::Ended = turn::Ended::Failed(turn::Reason::Disconnected);

impl Gatherer {
    /// Says whether it is one more.
    pub(super) fn add_server(&mut self, server: SocketAddr) -> bool {
        let is_new = !self.servers.contains(&server) && self.servers.len() < MAX_SERVERS;
        if is_new {
            self.servers.push(server);
        }
        is_new
    }

    /// Every server of its family shall be asked from this base, if it wasn't.
    pub(super) fn ask_from(&mut self, base: LocalId, path: PathId, addr: SocketAddr, rank: usize) {
        for server in &self.servers {
            let is_known =
                self.queries.iter().any(|query| (query.path, query.server) == (path, *server));
            let fits = server.is_ipv4() == addr.is_ipv4()
                && (server.ip().is_loopback() || !addr.ip().is_loopback());
            if fits && !is_known && self.queries.len() < MAX_QUERIES {
                self.queries.push(Query::new(base, path, *server, rank));
            }
        }
    }

    /// A socket to a TURN server; it is asked for an allocation when its turn comes.
    pub(super) fn add_relay(&mut self, socket: RelaySocket) {
        let is_known = self.relays.iter().any(|relay| relay.socket.path == socket.path);
        // A server that closes each connection must not take the room of one that doesn't.
        self.relays.retain(|relay| !relay.is_over());
        if !is_known && self.relays.len() < MAX_RELAYS {
            self.relays.push(Relay::new(socket));
        }
    }

    /// Whether sockets to TURN servers are on their way.
    pub(super) fn expect(&mut self, expects: bool) {
        self.expects = expects;
    }

    /// A socket is no more.
    pub(super) fn forget(&mut self, now: Instant, path: PathId) {
        self.queries.retain(|query| query.path != path);
        let Some(relay) = self.relay(path) else { return };
        let is_unasked = relay.waits();
        relay.end(now, turn::Input::Disconnected);
        self.broken.extend(is_unasked.then_some(path));
    }

    /// Are the allocations still there?
    pub(super) fn probe(&mut self, now: Instant) {
        for client in self.relays.iter_mut().filter_map(|relay| relay.client.as_mut()) {
            client.handle_input(now, turn::Input::Probe);
        }
    }

    /// The choice is made: nothing more is looked for, and what was found need not be kept alive but for
    /// the allocations, which may yet be needed.
    pub(super) fn conclude(&mut self) {
        self.queries.clear();
    }

    /// Gives all allocations back.
    pub(super) fn close(&mut self, now: Instant) {
        self.queries.clear();
        for relay in &mut self.relays {
            relay.end(now, turn::Input::Close);
        }
    }

    /// The clients that wait for the server to take an allocation back.
    pub(super) fn take_returning(&mut self) -> Vec<(PathId, Client)> {
        let returning = |relay: &mut Relay| {
            Some((relay.socket.path, relay.client.take_if(|c| c.is_closing())?))
        };
        self.relays.iter_mut().filter_map(returning).collect()
    }

    /// Whether nothing more can be found.
    pub(super) fn is_idle(&self) -> bool {
        let waits = self.expects || self.relays.iter().any(|relay| relay.pending);
        !waits && !self.queries.iter().any(Query::is_open)
    }

    /// Whether [`Self::start_next`] has something to start.
    pub(super) fn has_next(&self) -> bool {
        self.queries.iter().any(Query::waits) || self.relays.iter().any(Relay::waits)
    }

    /// Starts one request: of the best base first, and relays beside it.
    pub(super) fn start_next(&mut self, now: Instant, rng: &mut StdRng) {
        let best = self.queries.iter_mut().filter(|query| query.waits());
        let best = best.min_by_key(|query| query.rank);
        let relay = self.relays.iter_mut().find(|relay| relay.waits());
        match (best, relay) {
            (Some(query), relay) if query.rank == 0 || relay.is_none() => query.ask(now, rng),
            (_, Some(relay)) => relay.start(now, rng),
            _ => {}
        }
    }

    /// Time has come for whatever is due.
    pub(super) fn tick(&mut self, now: Instant, rng: &mut StdRng) {
        for query in &mut self.queries {
            self.outgoing.extend(query.tick(now, rng));
        }
        for client in self.relays.iter_mut().filter_map(|relay| relay.client.as_mut()) {
            client.handle_input(now, turn::Input::Timer);
        }
    }

    /// Queues what is to be sent, and says what has come of it; and when something is due next.
    pub(super) fn pump(&mut self) -> (Vec<Found>, Option<Instant>) {
        let (mut found, mut due): (Vec<Found>, Vec<Instant>) = (Vec::new(), Vec::new());
        for query in &mut self.queries {
            query.pump(&mut self.outgoing, &mut found, &mut due);
        }
        for relay in &mut self.relays {
            relay.pump(&mut self.outgoing, &mut found, &mut due);
        }
        let broken =
            self.broken.drain(..).map(|path| Found::Relay(path, turn::Event::Ended(BROKEN)));
        found.extend(broken);
        (found, due.into_iter().min())
    }

    /// The next message to a server.
    pub(super) fn next_outgoing(&mut self) -> Option<(PathId, SocketAddr, Vec<u8>)> {
        self.outgoing.pop_front()
    }

    /// Whether a STUN server's answer with this id is awaited.
    pub(super) fn awaits(&self, id: TransactionId) -> bool {
        self.queries.iter().any(|query| query.awaits(id))
    }

    /// A STUN server's answer.
    pub(super) fn on_response(
        &mut self,
        now: Instant,
        path: PathId,
        message: &Message<'_>,
    ) -> Option<Found> {
        let awaits = |query: &&mut Query| query.path == path && query.awaits(message.id());
        Some(self.queries.iter_mut().find(awaits)?.on_response(now, message))
    }

    /// The socket of this name, if it leads to a TURN server.
    pub(super) fn relay_socket(&self, path: PathId) -> Option<&RelaySocket> {
        self.relays.iter().map(|relay| &relay.socket).find(|socket| socket.path == path)
    }

    /// The client that uses this socket.
    pub(super) fn client(&mut self, path: PathId) -> Option<&mut Client> {
        self.relay(path)?.client.as_mut()
    }

    /// Whether a message of ours can go from here to there now.
    pub(super) fn passage(&mut self, path: PathId, to: SocketAddr) -> Passage {
        let Some(relay) = self.relay(path) else { return Passage::Direct };
        match &relay.client {
            Some(client) if client.may_send(to) => Passage::Relayed,
            Some(client) if client.is_open() => Passage::Later,
            _ => Passage::Closed,
        }
    }

    /// Keeps a message until its peer is permitted; the oldest go.
    pub(super) fn hold(&mut self, outgoing: Outgoing) {
        let (path, _) = outgoing.route();
        let Some(relay) = self.relay(path) else { return };
        relay.hold(outgoing);
    }

    /// The messages that waited for this peer.
    pub(super) fn release(&mut self, path: PathId, ip: IpAddr) -> Vec<Outgoing> {
        self.relay(path).map(|relay| relay.release(ip)).unwrap_or_default()
    }

    /// Frames a message for a relay: to which server, and what.
    pub(super) fn frame(
        &mut self,
        path: PathId,
        to: SocketAddr,
        message: &[u8],
    ) -> Option<(SocketAddr, &[u8])> {
        let mut framed = std::mem::take(&mut self.framed);
        framed.clear();
        framed.resize(HEADROOM, 0);
        framed.extend_from_slice(message);
        let server = self.relay_socket(path)?.server;
        let begin = self.client(path)?.wrap(to, &mut framed, HEADROOM);
        self.framed = framed;
        Some((server, self.framed.get(begin?..)?))
    }

    fn relay(&mut self, path: PathId) -> Option<&mut Relay> {
        self.relays.iter_mut().find(|relay| relay.socket.path == path)
    }
}
