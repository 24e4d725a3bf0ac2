//! One TURN server: the client that talks to it, and what waits for its permissions.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Found, Sent};
use crate::ice::candidate::PathId;
use crate::ice::message::Outgoing;
use crate::ice::server::ServerTransport;
use crate::time::Instant;
use crate::turn::{self, Carrier, Client};

/// A socket or stream to a TURN server, of this call alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelaySocket {
    /// Its name; no other socket of this agent ever had it.
    pub path: PathId,
    /// The server's address.
    pub server: SocketAddr,
    /// What lies between.
    pub transport: ServerTransport,
    /// Who we are to it.
    pub user: Option<turn::User>,
}

/// One TURN server.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) socket: RelaySocket,
    /// `None` until its turn has come.
    pub(super) client: Option<Client>,
    /// Whether an allocation may still come.
    pub(super) pending: bool,
    /// Messages of ours that wait for a permission.
    held: VecDeque<Outgoing>,
}

/// Messages that wait for one relay's permissions.
const MAX_HELD: usize = 64;
impl Relay {
    pub(super) fn new(socket: RelaySocket) -> Self {
        Self { socket, client: None, pending: true, held: VecDeque::new() }
    }

    /// Nothing more comes of it.
    pub(super) fn end(&mut self, now: Instant, how: turn::Input) {
        self.pending = false;
        self.held.clear();
        if let Some(client) = &mut self.client {
            client.handle_input(now, how);
        }
    }

    /// Keeps a message until its peer is permitted.
    pub(super) fn hold(&mut self, outgoing: Outgoing) {
        if self.held.len() == MAX_HELD {
            self.held.pop_front();
        }
        self.held.push_back(outgoing);
    }

    /// The messages that waited for this peer.
    pub(super) fn release(&mut self, ip: IpAddr) -> Vec<Outgoing> {
        let is_for = |outgoing: &Outgoing| outgoing.route().1.ip() == ip;
        let (released, held) = self.held.drain(..).partition(is_for);
        self.held = held;
        Vec::from(released)
    }

    pub(super) fn waits(&self) -> bool {
        self.pending && self.client.is_none()
    }

    /// Whether it had its end: nothing is to be had, nor to be given back.
    pub(super) fn is_over(&self) -> bool {
        let is_in_use = |client: &Client| client.is_open() || client.is_closing();
        !self.pending && !self.client.as_ref().is_some_and(is_in_use)
    }

    pub(super) fn start(&mut self, now: Instant, rng: &mut StdRng) {
        let carrier = match self.socket.transport {
            ServerTransport::Udp => Carrier::Datagrams,
            ServerTransport::Tcp | ServerTransport::Tls => Carrier::Stream,
        };
        let config = turn::Config { user: self.socket.user.clone(), carrier };
        self.client = Some(Client::new(now, &config, StdRng::from_rng(rng)));
    }

    pub(super) fn pump(
        &mut self,
        outgoing: &mut VecDeque<Sent>,
        found: &mut Vec<Found>,
        due: &mut Vec<Instant>,
    ) {
        let (path, server) = (self.socket.path, self.socket.server);
        while let Some(client) = &mut self.client {
            match client.poll_output() {
                turn::Output::Transmit(bytes) => outgoing.push_back((path, server, bytes.to_vec())),
                turn::Output::Event(event) => {
                    self.pending &=
                        !matches!(event, turn::Event::Allocated { .. } | turn::Event::Ended(_));
                    found.push(Found::Relay(path, event));
                }
                turn::Output::Timeout(at) => {
                    due.extend(at);
                    return;
                }
            }
        }
    }
}
