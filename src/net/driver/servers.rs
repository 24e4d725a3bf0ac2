//! STUN and TURN servers of a call: names resolved, sockets opened, streams connected.
//!
//! ```text
//! Config::servers -> literal address ---------------------------> Input::StunServer, Input::RelaySocket
//!                 -> name -> the system's resolver -> Reached --> the same
//!                 -> TCP, TLS -> connect -----------> Reached --> the same, or Input::ServerUnreachable
//! ```
//! The call is in the table and looks for addresses meanwhile. Its description is written when all of them are
//! known, or after [`super::Options::gather_within`]: what comes later is told by events.

use std::net::{IpAddr, SocketAddr};

use crate::ice::{self, Purpose, Server, ServerTransport};
use crate::net::driver::calls::{Call, CallKey, Progress, Waiting};
use crate::net::driver::handle::{Answer, Bell, Command};
use crate::net::driver::made::Made;
use crate::net::driver::{CallId, CallState, Caller, Driver, Refusal, relay_link};
use crate::net::message_stream::MessageStream;
use crate::net::relay_stream;
use crate::peer::event::Event;
use crate::peer::{Input, Peer};
use crate::sdp::Description;
use crate::time::Instant;

/// A server of a call, as far as it was reached.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) call: CallKey,
    /// Its place in the configuration.
    pub(super) server: usize,
    pub(super) outcome: Result<Contact, String>,
}

/// How.
#[derive(Debug)]
pub(super) enum Contact {
    /// Its addresses are known, and no more is needed for UDP.
    Addresses(Vec<SocketAddr>),
    /// It took our connection.
    Stream(SocketAddr, Box<MessageStream>),
}

impl Driver {
    /// Whether descriptions have to wait for servers.
    pub(super) fn has_servers(&self) -> bool {
        !self.options.peer.servers.is_empty()
    }

    /// Answers an offer when the servers have told what they have to tell.
    pub(super) fn answer_later(
        &mut self,
        now: Instant,
        offer: Box<Description>,
        caller: Caller,
        reply: Answer<Made>,
    ) {
        let begun = self.room().and_then(|()| {
            let mut peer = self.new_peer(now, caller)?;
            peer.can_take(&offer).map_err(super::commands::refusal)?;
            peer.gather(now, ice::Role::Controlled);
            self.begin(now, peer, caller, CallState::Connecting)
        });
        match begun {
            Ok(id) => self.look_for_servers(now, id, Waiting::Answer { offer, reply }),
            Err(refusal) => super::commands::reply(reply, Err(refusal)),
        }
    }

    /// Makes an offer when the servers have told what they have to tell.
    pub(super) fn offer_later(
        &mut self,
        now: Instant,
        caller: Caller,
        bell: Bell,
        reply: Answer<Made>,
    ) {
        let begun = self.room().and_then(|()| {
            let mut peer = self.new_peer(now, caller)?;
            peer.gather(now, ice::Role::Controlling);
            self.begin(now, peer, caller, CallState::Ringing)
        });
        match begun {
            Ok(id) => self.look_for_servers(now, id, Waiting::Offer { bell, reply }),
            Err(refusal) => super::commands::reply(reply, Err(refusal)),
        }
    }

    pub(super) fn look_for_servers(&mut self, now: Instant, id: CallId, waiting: Waiting) {
        let Some(key) = self.calls.key(id) else { return };
        if let Some(call) = self.calls.get_mut(key) {
            call.waiting = Some((now + self.options.gather_within, waiting));
        }
        self.schedule_chore(key);
        self.reach_servers(now, key);
    }

    /// Begins to reach every server of a call that gathers.
    fn reach_servers(&mut self, now: Instant, key: CallKey) {
        let servers = self.options.peer.servers.clone();
        if let Some(call) = self.calls.get_mut(key) {
            call.unreached = (0..servers.len()).collect();
        }
        for (place, server) in servers.into_iter().enumerate() {
            let at_once = server.address().filter(|_| server.transport == ServerTransport::Udp);
            match at_once {
                Some(ip) => {
                    let contact = Contact::Addresses(vec![SocketAddr::new(ip, server.port)]);
                    self.reached(now, Reached { call: key, server: place, outcome: Ok(contact) });
                }
                None => self.reach(key, place, server, None),
            }
        }
    }

    /// Resolves and connects on the side, and tells the loop by a command.
    fn reach(&self, call: CallKey, place: usize, server: Server, addr: Option<SocketAddr>) {
        let (commands, from) = (self.own_commands.clone(), self.network.sockets.chosen());
        tokio::spawn(async move {
            let outcome = contact(&server, addr, &from).await;
            if let Some(driver) = commands.upgrade() {
                let reached = Reached { call, server: place, outcome };
                let _driver_has_ended = driver.send(Command::Reached(Box::new(reached)));
            }
        });
    }

    /// A server was reached, or can't be.
    pub(super) fn reached(&mut self, now: Instant, reached: Reached) {
        let Reached { call: key, server: place, outcome } = reached;
        let Some(server) = self.options.peer.servers.get(place).cloned() else { return };
        if self.calls.peer(key).is_none() {
            return; // it ended meanwhile
        }
        match outcome {
            Ok(Contact::Addresses(addresses)) => match server.purpose {
                Purpose::Reflection => self.use_reflection(now, key, place, &addresses),
                Purpose::Relay => self.open_socket(now, key, place, &addresses),
            },
            Ok(Contact::Stream(addr, stream)) => {
                let path = self.network.relays.add_stream(key, addr, *stream);
                let transport = server.transport;
                self.tell_peer(
                    now,
                    key,
                    Input::RelaySocket { server: place, path, addr, transport },
                );
            }
            Err(why) => self.tell_peer(now, key, Input::ServerUnreachable { server: place, why }),
        }
        let Some(call) = self.calls.get_mut(key) else { return };
        // A relay that is opened again was counted before.
        if call.unreached.remove(&place) && call.unreached.is_empty() {
            self.tell_peer(now, key, Input::LocalAddressesDone);
        }
        self.drain(now, key);
    }

    /// One address of each family is enough.
    fn use_reflection(
        &mut self,
        now: Instant,
        key: CallKey,
        server: usize,
        addresses: &[SocketAddr],
    ) {
        for family in [SocketAddr::is_ipv4, SocketAddr::is_ipv6] {
            if let Some(addr) = addresses.iter().find(|addr| family(addr)).copied() {
                self.tell_peer(now, key, Input::StunServer { server, addr });
            }
        }
    }

    /// A socket to the first of these addresses that we have a way to.
    fn open_socket(&mut self, now: Instant, key: CallKey, place: usize, addresses: &[SocketAddr]) {
        let opened = addresses.iter().find_map(|addr| {
            let from = self.network.sockets.towards(*addr)?;
            Some((*addr, relay_link::socket(from, *addr).ok()?))
        });
        let input = match opened {
            Some((addr, socket)) => {
                let path = self.network.relays.add_socket(key, addr, socket);
                Input::RelaySocket { server: place, path, addr, transport: ServerTransport::Udp }
            }
            None => Input::ServerUnreachable {
                server: place,
                why: "no address of this machine leads there".to_owned(),
            },
        };
        self.tell_peer(now, key, input);
    }

    /// The peer wants to try another port, or another server that the first one named.
    pub(super) fn open_relay(
        &mut self,
        now: Instant,
        key: CallKey,
        place: usize,
        addr: SocketAddr,
    ) {
        match self.options.peer.servers.get(place).cloned() {
            Some(server) if server.transport == ServerTransport::Udp => {
                self.open_socket(now, key, place, &[addr]);
            }
            Some(server) => self.reach(key, place, server, Some(addr)),
            None => {}
        }
    }

    fn tell_peer(&mut self, now: Instant, key: CallKey, input: Input<'_>) {
        if let Some(peer) = self.calls.peer(key) {
            peer.handle_input(now, input);
        }
    }

    /// Whether the description that somebody waits for can be written now.
    pub(super) fn is_ready(call: &Call) -> bool {
        call.waiting.is_some()
            && call.unreached.is_empty()
            && call.peer().is_some_and(Peer::has_gathered)
    }

    /// Writes the description that somebody waits for, with what was found until now.
    pub(super) fn describe_now(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some((_, waiting)) = call.waiting.take() else { return };
        let id = call.id;
        let made = match &mut call.progress {
            Progress::Running { peer, .. } => super::ringing::describe(peer, now, waiting.offer()),
            Progress::Ended { reason, .. } => Err(Refusal::NoWay { detail: reason.clone() }),
            Progress::Ringing { .. } => Err(Refusal::UnknownCall),
        };
        let rings = matches!(waiting, Waiting::Offer { bell: Bell::Heard, .. });
        let is_made = made.is_ok();
        let made = made.map(|description| Made::new(id, description, self.own_commands.clone()));
        if !waiting.hand_over(made) {
            self.nobody_waits(now, key);
        } else if rings && is_made {
            self.tell(now, key, Event::Ringing);
        }
        self.schedule_chore(key);
        self.drain(now, key);
    }
}

/// Resolves a server's name and, unless it is to be reached by UDP, connects.
async fn contact(
    server: &Server,
    addr: Option<SocketAddr>,
    from: &[IpAddr],
) -> Result<Contact, String> {
    let addresses: Vec<SocketAddr> = match addr {
        Some(addr) => vec![addr],
        None => resolve(server).await?,
    };
    if server.purpose == Purpose::Reflection && server.transport == ServerTransport::Tls {
        return Err("behind TLS it sees no UDP; stun: is what helps a call".to_owned());
    }
    if server.transport == ServerTransport::Udp {
        return Ok(Contact::Addresses(addresses));
    }
    let mut why = String::new();
    for addr in addresses {
        let ours = from.iter().find(|ip| ip.is_ipv4() == addr.is_ipv4()).copied();
        match relay_stream::connect(&server.host, addr, ours, server.transport).await {
            Ok(stream) => return Ok(Contact::Stream(addr, Box::new(stream))),
            Err(error) => why = error,
        }
    }
    Err(why)
}

async fn resolve(server: &Server) -> Result<Vec<SocketAddr>, String> {
    let found = tokio::net::lookup_host((server.host.as_str(), server.port)).await;
    let addresses: Vec<_> =
        found.map_err(|error| format!("its name is unknown: {error}"))?.collect();
    if addresses.is_empty() { Err("its name has no address".to_owned()) } else { Ok(addresses) }
}
