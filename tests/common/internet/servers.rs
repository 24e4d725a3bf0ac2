//! STUN and TURN servers on the small internet, and how hosts get to them.
//!
//! ```text
//! host -- its own socket for each TURN server -- NAT -- server -- its relayed address -- anybody
//! ```
//! A server at port 443 is talked to by TCP: firewalls let that pass, and nothing of it is lost or overtakes.
//! What a server sends to itself, from one relayed address to another, takes no time. Servers stand half way
//! between any two hosts: what is lost or late, is so near the one or near the other.

use std::net::SocketAddr;
use std::time::Duration;

use halloo::ice::{PathId, Purpose, Role, ServerTransport};
use halloo::peer::Input;
use halloo::peer::demux::{Protocol, classify};
use halloo::stun::Message;
use halloo::turn::ChannelData;

use super::{Cable, INTERNET, Interface, Network, Packet, World};

/// The port of servers that are talked to by TCP.
const BY_TCP: u16 = 443;
/// Sockets to TURN servers are named from here on, and numbered from [`RELAY_PORT`].
const RELAY_PATH: u32 = 100;
const RELAY_PORT: u16 = 6_000;

impl World {
    /// A host begins to look for its addresses, and asks all of its servers.
    pub fn gather(&mut self, host: usize, role: Role) {
        self.with(host, |peer, now| peer.gather(now, role));
        for (place, server) in self.hosts[host].servers.clone().into_iter().enumerate() {
            let addr = SocketAddr::new(server.address().unwrap(), server.port);
            match server.purpose {
                Purpose::Reflection => self.tell(host, Input::StunServer { server: place, addr }),
                Purpose::Relay => self.open_relay(host, place, addr),
            }
        }
        self.tell(host, Input::LocalAddressesDone);
    }

    /// A socket to a TURN server, from the first network that leads there.
    pub(super) fn open_relay(&mut self, number: usize, server: usize, addr: SocketAddr) {
        let leads = |interface: &&Interface| self.leads(interface.network, addr);
        let Some(from) = self.hosts[number].interfaces.iter().find(leads).cloned() else {
            let why = "no address of this machine leads there".to_owned();
            return self.tell(number, Input::ServerUnreachable { server, why });
        };
        let host = &mut self.hosts[number];
        let path = PathId(RELAY_PATH + host.relays_opened);
        let port = RELAY_PORT + u16::try_from(host.relays_opened).unwrap();
        host.relays_opened += 1;
        host.interfaces.push(Interface {
            path,
            addr: SocketAddr::new(from.addr.ip(), port),
            network: from.network,
            cable: Cable::Plugged,
            extra_delay: Duration::ZERO,
        });
        let transport = match addr.port() {
            BY_TCP => ServerTransport::Tcp,
            _ => ServerTransport::Udp,
        };
        self.tell(number, Input::RelaySocket { server, path, addr, transport });
    }

    /// Whether packets from this network get to a server there.
    fn leads(&self, network: Network, to: SocketAddr) -> bool {
        let out = || self.routers.iter().find(|router| router.inside == network);
        let is_stopped = to.port() != BY_TCP && self.walled.contains(&network);
        network == INTERNET
            || !is_stopped && out().is_some_and(|router| self.leads(router.outside, to))
    }

    /// The server that a packet has come to.
    pub(super) fn server_at(&self, packet: &Packet) -> Option<usize> {
        let is_there = packet.network == INTERNET;
        self.servers.iter().position(|server| is_there && server.is_at(packet.to))
    }

    /// A server does with a packet what it has to.
    pub(super) fn serve(&mut self, server: usize, packet: Packet) {
        let mut come = vec![(packet.from, packet.to, packet.bytes)];
        while let Some((from, to, bytes)) = come.pop() {
            for (from, to, bytes) in self.servers[server].receive(from, to, &bytes) {
                if self.servers[server].is_at(to) {
                    come.push((from, to, bytes));
                } else {
                    let packet = Packet { network: INTERNET, from, to, bytes };
                    self.put_on_wire(packet, false, Duration::ZERO);
                }
            }
        }
    }
}

pub(super) fn is_by_tcp(packet: &Packet) -> bool {
    packet.to.port() == BY_TCP || packet.from.port() == BY_TCP
}

/// Whether it is a packet of the handshake, or has one inside for a relay.
pub(super) fn carries_dtls(bytes: &[u8]) -> bool {
    match classify(bytes) {
        Some(Protocol::Dtls) => true,
        Some(Protocol::TurnChannel) => {
            ChannelData::parse(bytes).is_ok_and(|packet| carries_dtls(packet.data))
        }
        Some(Protocol::Stun) => {
            Message::parse(bytes).is_ok_and(|message| message.data().is_some_and(carries_dtls))
        }
        _ => false,
    }
}
