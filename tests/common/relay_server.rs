//! A STUN and TURN server of a few lines, without a socket: datagrams in, datagrams out (RFC 8656).
//!
//! Use it with `mod common { pub mod relay_server; }`. It checks what a client must do: permissions before
//! packets, channels before ChannelData, a proof with every request.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use halloo::stun::{
    Attribute, Class, ErrorCode, IntegrityKey, Message, MessageWriter, Method, PasswordAlgorithm,
    TransactionId, XorAddress,
};
use halloo::turn::ChannelData;

pub const USER: &str = "alice";
pub const PASSWORD: &str = "s3cret";
const REALM: &str = "example.org";
const NONCE: &str = "a nonce";

/// From where, to where, what.
pub type Packet = (SocketAddr, SocketAddr, Vec<u8>);

/// The server. Its relayed addresses have its own IP address, and ports from 50000 on.
#[derive(Debug)]
pub struct RelayServer {
    /// Where it listens.
    pub addr: SocketAddr,
    /// It doesn't answer, nor pass anything on.
    pub dead: bool,
    /// It refuses allocations with this.
    pub refuses: Option<u16>,
    /// Peers that it doesn't serve.
    pub forbidden: BTreeSet<IpAddr>,
    /// What was asked of it, in order.
    pub asked: Vec<Method>,
    /// Packets passed on by Send or Data indications, and on channels.
    pub by_indication: u64,
    pub by_channel: u64,
    /// Packets that it dropped for want of a permission or a channel.
    pub dropped: u64,
    allocations: BTreeMap<SocketAddr, Allocation>,
    next_port: u16,
    key: IntegrityKey,
}

#[derive(Debug)]
struct Allocation {
    /// Who asked twice for the same gets the same.
    id: TransactionId,
    relayed: SocketAddr,
    permitted: BTreeSet<IpAddr>,
    channels: HashMap<u16, SocketAddr>,
}

impl RelayServer {
    pub fn new(addr: &str) -> Self {
        let md5 = PasswordAlgorithm::Md5;
        Self {
            addr: addr.parse().unwrap(),
            dead: false,
            refuses: None,
            forbidden: BTreeSet::new(),
            asked: Vec::new(),
            by_indication: 0,
            by_channel: 0,
            dropped: 0,
            allocations: BTreeMap::new(),
            next_port: 50_000,
            key: IntegrityKey::long_term(USER, REALM, PASSWORD, md5).unwrap(),
        }
    }

    /// Whether datagrams to this address are for it.
    pub fn is_at(&self, addr: SocketAddr) -> bool {
        addr.ip() == self.addr.ip()
    }

    /// How many allocations there are.
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// It was restarted, and knows nobody.
    pub fn forget_all(&mut self) {
        self.allocations.clear();
    }

    /// Takes a datagram; says what it sends.
    pub fn receive(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Vec<Packet> {
        if self.dead {
            return Vec::new();
        }
        if to == self.addr {
            return self.take_from_client(from, bytes).into_iter().collect();
        }
        let found = self.allocations.iter().find(|(_, allocation)| allocation.relayed == to);
        let Some((client, allocation)) = found else { return Vec::new() };
        if !allocation.permitted.contains(&from.ip()) {
            self.dropped += 1;
            return Vec::new();
        }
        let channel = allocation.channels.iter().find(|(_, peer)| **peer == from);
        let packet = match channel {
            Some((number, _)) => {
                self.by_channel += 1;
                on_channel(*number, bytes)
            }
            None => {
                self.by_indication += 1;
                data_indication(from, bytes)
            }
        };
        vec![(self.addr, *client, packet)]
    }

    fn take_from_client(&mut self, from: SocketAddr, bytes: &[u8]) -> Option<Packet> {
        if let Ok(packet) = ChannelData::parse(bytes) {
            let allocation = self.allocations.get(&from);
            let peer =
                allocation.and_then(|a| Some((a.relayed, *a.channels.get(&packet.channel)?)));
            let Some((relayed, peer)) = peer else {
                self.dropped += 1;
                return None;
            };
            self.by_channel += 1;
            return Some((relayed, peer, packet.data.to_vec()));
        }
        let message = Message::parse(bytes).ok()?;
        match (message.class(), message.method()) {
            (Class::Request, method) => {
                self.asked.push(method);
                let answer = self.answer(from, &message);
                Some((self.addr, from, answer))
            }
            (Class::Indication, Method::SEND) => {
                let (peer, packet) = (message.xor_peer_address()?, message.data()?);
                let allocation = self.allocations.get(&from)?;
                if !allocation.permitted.contains(&peer.ip()) {
                    self.dropped += 1;
                    return None;
                }
                self.by_indication += 1;
                Some((allocation.relayed, peer, packet.to_vec()))
            }
            _ => None,
        }
    }

    fn answer(&mut self, from: SocketAddr, message: &Message<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let mapped = Attribute::XorMappedAddress(XorAddress(from));
        if message.method() == Method::BINDING {
            MessageWriter::success(&mut out, message).attribute(mapped).finish();
            return out;
        }
        if message.verify_integrity(&self.key).is_err() {
            let error = ErrorCode { code: 401, reason: "Unauthorized" };
            MessageWriter::error(&mut out, message, error)
                .attribute(Attribute::Realm(REALM))
                .attribute(Attribute::Nonce(NONCE))
                .finish();
            return out;
        }
        match self.carry_out(from, message) {
            Ok(relayed) => {
                let relayed = relayed.map(|addr| Attribute::XorRelayedAddress(XorAddress(addr)));
                MessageWriter::success(&mut out, message)
                    .attribute(mapped)
                    .attributes(relayed)
                    .attribute(Attribute::Lifetime(600))
                    .integrity(&self.key)
                    .finish();
            }
            Err(code) => {
                MessageWriter::error(&mut out, message, ErrorCode { code, reason: "No" })
                    .integrity(&self.key)
                    .finish();
            }
        }
        out
    }

    fn carry_out(
        &mut self,
        from: SocketAddr,
        message: &Message<'_>,
    ) -> Result<Option<SocketAddr>, u16> {
        let peers: Vec<SocketAddr> = message
            .attributes()
            .filter_map(|attribute| match attribute {
                Attribute::XorPeerAddress(peer) => Some(peer.0),
                _ => None,
            })
            .collect();
        let channel = message.attributes().find_map(|attribute| match attribute {
            Attribute::ChannelNumber(channel) => Some(channel.0),
            _ => None,
        });
        if message.method() == Method::ALLOCATE {
            if let Some(code) = self.refuses {
                return Err(code);
            }
            let id = message.id();
            if let Some(known) = self.allocations.get(&from) {
                return if known.id == id { Ok(Some(known.relayed)) } else { Err(437) };
            }
            let relayed = SocketAddr::new(self.addr.ip(), self.next_port);
            self.next_port += 1;
            let (permitted, channels) = (BTreeSet::new(), HashMap::new());
            self.allocations.insert(from, Allocation { id, relayed, permitted, channels });
            return Ok(Some(relayed));
        }
        let Some(allocation) = self.allocations.get_mut(&from) else { return Err(437) };
        if peers.iter().any(|peer| self.forbidden.contains(&peer.ip())) {
            return Err(403);
        }
        allocation.permitted.extend(peers.iter().map(SocketAddr::ip));
        if message.method() == Method::CHANNEL_BIND {
            allocation.channels.insert(channel.unwrap(), peers[0]);
        }
        if message.method() == Method::REFRESH && message.lifetime() == Some(0) {
            self.allocations.remove(&from);
        }
        Ok(None)
    }
}

fn on_channel(number: u16, bytes: &[u8]) -> Vec<u8> {
    let mut out = halloo::turn::channel::header(number, bytes.len()).unwrap().to_vec();
    out.extend_from_slice(bytes);
    out
}

fn data_indication(from: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    MessageWriter::new(&mut out, Class::Indication, Method::DATA, TransactionId([4; 12]))
        .attribute(Attribute::XorPeerAddress(XorAddress(from)))
        .attribute(Attribute::Data(bytes))
        .finish();
    out
}
