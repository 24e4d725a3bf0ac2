//! A TURN server played by hand: it answers what it is told to, and remembers what it was asked.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use halloo::stun::value::AlgorithmList;
use halloo::stun::{
    Attribute, Class, ErrorCode, IntegrityKey, Message, MessageWriter, Method, PasswordAlgorithm,
    TransactionId, XorAddress,
};
use halloo::time::Instant;
use halloo::turn::{Carrier, Client, Config, Event, HEADROOM, Input, Output};
use rand::SeedableRng;
use rand::rngs::StdRng;

pub const USER: &str = "alice";
pub const PASSWORD: &str = "s3cret";

pub fn relayed() -> SocketAddr {
    "203.0.113.9:41000".parse().unwrap()
}

pub fn mapped() -> SocketAddr {
    "192.0.2.1:5000".parse().unwrap()
}

pub fn peer() -> SocketAddr {
    "198.51.100.7:7000".parse().unwrap()
}

pub fn secs(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

/// What the server does with the next request.
#[derive(Clone, Debug)]
pub enum Act {
    /// What a good server does.
    Properly,
    /// Refuse, with these attributes too.
    Refuse(u16, Vec<Owned>),
    /// Nothing.
    BeSilent,
    /// What a good server does; but somebody else refuses first in its name, with these attributes too.
    Outrun(u16, Vec<Owned>),
    /// Say yes with a proof made of another password.
    Forge,
    /// Say no without a proof.
    RefuseUnproven(u16),
}

/// Attributes that answers carry.
#[derive(Clone, Debug)]
pub enum Owned {
    Realm(&'static str),
    Nonce(&'static str),
    Alternate(SocketAddr),
    Relayed(SocketAddr),
    Mapped(SocketAddr),
    Lifetime(u32),
    Unknown(u16),
}

impl Owned {
    fn attribute(&self) -> Attribute<'_> {
        match self {
            Self::Realm(realm) => Attribute::Realm(realm),
            Self::Nonce(nonce) => Attribute::Nonce(nonce),
            Self::Alternate(addr) => Attribute::AlternateServer(*addr),
            Self::Relayed(addr) => Attribute::XorRelayedAddress(XorAddress(*addr)),
            Self::Mapped(addr) => Attribute::XorMappedAddress(XorAddress(*addr)),
            Self::Lifetime(seconds) => Attribute::Lifetime(*seconds),
            Self::Unknown(number) => Attribute::Unknown { number: *number, value: &[] },
        }
    }
}

/// What the server saw of a request.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub id: TransactionId,
    pub user: Option<String>,
    pub has_userhash: bool,
    pub realm: Option<String>,
    pub nonce: Option<String>,
    pub sha256: bool,
    pub lifetime: Option<u32>,
    pub peers: Vec<SocketAddr>,
    pub channel: Option<u16>,
    pub wants_both_families: bool,
    pub wants_ipv6_alone: bool,
    pub wants_udp: bool,
}

/// Server and client at one table, with a clock.
pub struct Table {
    pub client: Client,
    pub now: Instant,
    pub realm: &'static str,
    pub nonce: &'static str,
    /// With it the server is one of RFC 8489.
    pub algorithms: Option<&'static [u8]>,
    /// What answers to Allocate say.
    pub allocation: Vec<Owned>,
    /// What to do with the next requests; after these, properly.
    pub acts: VecDeque<Act>,
    pub seen: Vec<Seen>,
    pub events: Vec<Event>,
    /// What else was sent to the server: nothing, if all is well.
    pub others: Vec<Vec<u8>>,
}

impl Table {
    pub fn new() -> Self {
        Self::by(Carrier::Datagrams)
    }

    pub fn by(carrier: Carrier) -> Self {
        Self::with(Config::new(USER, PASSWORD, carrier))
    }

    pub fn with(config: Config) -> Self {
        Self {
            client: Client::new(Instant::ZERO, &config, StdRng::seed_from_u64(7)),
            now: Instant::ZERO,
            realm: "example.org",
            nonce: "nonce one",
            algorithms: None,
            allocation: vec![
                Owned::Relayed(relayed()),
                Owned::Mapped(mapped()),
                Owned::Lifetime(600),
            ],
            acts: VecDeque::new(),
            seen: Vec::new(),
            events: Vec::new(),
            others: Vec::new(),
        }
    }

    /// With an allocation, and this peer permitted.
    pub fn ready(carrier: Carrier) -> Self {
        let mut table = Self::by(carrier);
        table.run();
        table.tell(Input::Permit(peer().ip()));
        assert_eq!(table.events.last(), Some(&Event::Permitted(peer().ip())));
        table
    }

    /// With a channel to the peer as well.
    pub fn bound(carrier: Carrier) -> Self {
        let mut table = Self::ready(carrier);
        table.tell(Input::Bind(peer()));
        table
    }

    pub fn tell(&mut self, input: Input) {
        self.client.handle_input(self.now, input);
        self.run();
    }

    /// Lets both talk until there is nothing to say; the clock stands.
    pub fn run(&mut self) -> Option<Instant> {
        loop {
            match self.client.poll_output() {
                Output::Transmit(bytes) => {
                    let bytes = bytes.to_vec();
                    for answer in self.serve(&bytes) {
                        assert_eq!(self.client.receive(self.now, &answer), None);
                    }
                }
                Output::Event(event) => self.events.push(event),
                Output::Timeout(due) => return due,
            }
        }
    }

    /// Lets the clock run until then.
    pub fn run_until(&mut self, until: Instant) {
        while let Some(due) = self.run().filter(|due| *due <= until) {
            assert!(due > self.now || due == Instant::ZERO, "the clock stands at {due:?}");
            self.now = self.now.max(due);
            self.client.handle_input(self.now, Input::Timer);
        }
        self.now = until;
        self.client.handle_input(self.now, Input::Timer);
        self.run();
    }

    pub fn methods(&self) -> Vec<Method> {
        self.seen.iter().map(|seen| seen.method).collect()
    }

    fn key(&self) -> IntegrityKey {
        let algorithm = if self.algorithms.is_some() {
            PasswordAlgorithm::Sha256
        } else {
            PasswordAlgorithm::Md5
        };
        IntegrityKey::long_term(USER, self.realm, PASSWORD, algorithm).unwrap()
    }

    fn serve(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let message = match Message::parse(bytes) {
            Ok(message) if message.class() == Class::Request => message,
            _ => {
                self.others.push(bytes.to_vec());
                return Vec::new();
            }
        };
        assert_eq!(message.verify_fingerprint(), Ok(()));
        self.seen.push(see(&message));
        let acts = match self.acts.pop_front() {
            None => vec![Act::Properly],
            Some(Act::BeSilent) => Vec::new(),
            Some(Act::Outrun(code, attributes)) => {
                let refusal = match code {
                    401 | 438 => Act::Refuse(code, attributes),
                    _ => Act::RefuseUnproven(code),
                };
                vec![refusal, Act::Properly]
            }
            Some(act) => vec![act],
        };
        acts.into_iter().map(|act| self.answer(act, &message)).collect()
    }

    fn answer(&mut self, act: Act, message: &Message<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        match act {
            Act::BeSilent | Act::Outrun(..) => {}
            Act::Properly => self.answer_properly(message, &mut out),
            Act::Forge => {
                let key = IntegrityKey::new(b"another");
                MessageWriter::success(&mut out, message)
                    .attributes(self.allocation.iter().map(Owned::attribute))
                    .integrity(&key)
                    .finish();
            }
            Act::RefuseUnproven(code) => {
                MessageWriter::error(&mut out, message, ErrorCode { code, reason: "No" }).finish();
            }
            Act::Refuse(code, attributes) => {
                let error = ErrorCode { code, reason: "No" };
                let writer = MessageWriter::error(&mut out, message, error)
                    .attributes(attributes.iter().map(Owned::attribute));
                let writer = match code {
                    401 | 438 => writer,
                    _ => writer.integrity_like(message, &self.key()),
                };
                writer.finish();
            }
        }
        out
    }

    fn answer_properly(&mut self, message: &Message<'_>, out: &mut Vec<u8>) {
        let proved = message.verify_integrity(&self.key()).is_ok();
        let code = match message.nonce() {
            Some(nonce) if nonce == self.nonce && proved => None,
            Some(_) if proved => Some(438),
            _ => Some(401),
        };
        if let Some(code) = code {
            let list =
                self.algorithms.map(|list| Attribute::PasswordAlgorithms(AlgorithmList(list)));
            MessageWriter::error(out, message, ErrorCode { code, reason: "Who?" })
                .attribute(Attribute::Realm(self.realm))
                .attribute(Attribute::Nonce(self.nonce))
                .attributes(list)
                .finish();
            return;
        }
        let writer = MessageWriter::success(out, message);
        let writer = match message.method() {
            Method::ALLOCATE => writer.attributes(self.allocation.iter().map(Owned::attribute)),
            Method::REFRESH => {
                writer.attribute(Attribute::Lifetime(message.lifetime().unwrap_or(600)))
            }
            _ => writer,
        };
        writer.integrity_like(message, &self.key()).fingerprint().finish();
    }

    /// Frames a packet as the layer above does.
    pub fn wrap(&mut self, to: SocketAddr, packet: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = vec![0xee; HEADROOM];
        buffer.extend_from_slice(packet);
        let begin = self.client.wrap(to, &mut buffer, HEADROOM)?;
        Some(buffer[begin..].to_vec())
    }

    /// Hands a datagram to the client; the peer's packet in it.
    pub fn receive(&mut self, datagram: &[u8]) -> Option<(SocketAddr, Vec<u8>)> {
        let (from, range) = self.client.receive(self.now, datagram)?;
        Some((from, datagram[range].to_vec()))
    }
}

fn see(message: &Message<'_>) -> Seen {
    let has = |wanted: &dyn Fn(&Attribute<'_>) -> bool| message.attributes().any(|a| wanted(&a));
    Seen {
        method: message.method(),
        id: message.id(),
        user: message.username().map(str::to_owned),
        has_userhash: has(&|a| matches!(a, Attribute::Userhash(_))),
        realm: message.realm().map(str::to_owned),
        nonce: message.nonce().map(str::to_owned),
        sha256: has(&|a| matches!(a, Attribute::MessageIntegritySha256(_))),
        lifetime: message.lifetime(),
        peers: message
            .attributes()
            .filter_map(|attribute| match attribute {
                Attribute::XorPeerAddress(address) => Some(address.0),
                _ => None,
            })
            .collect(),
        channel: message.attributes().find_map(|attribute| match attribute {
            Attribute::ChannelNumber(channel) => Some(channel.0),
            _ => None,
        }),
        wants_both_families: has(
            &|a| matches!(a, Attribute::AdditionalAddressFamily(f) if f.0 == 2),
        ),
        wants_ipv6_alone: has(&|a| matches!(a, Attribute::RequestedAddressFamily(f) if f.0 == 2)),
        wants_udp: has(&|a| matches!(a, Attribute::RequestedTransport(p) if p.0 == 17)),
    }
}

/// A Data indication.
pub fn data_indication(from: SocketAddr, packet: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    MessageWriter::new(&mut out, Class::Indication, Method::DATA, TransactionId([4; 12]))
        .attribute(Attribute::XorPeerAddress(XorAddress(from)))
        .attribute(Attribute::Data(packet))
        .finish();
    out
}

pub fn ip(last: u8) -> IpAddr {
    IpAddr::from([198, 51, 100, last])
}
