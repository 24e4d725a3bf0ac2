//! What the client is told, what it says, and how it is set up: the types at its border.
//!
//! [`super::Client`] takes an [`Input`] at a time and answers with [`Output`]s. Read next: `client.rs`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::reason::Reason;
use crate::stun::credential::LongTerm;
use crate::time::Instant;

/// How a client is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whose allocation it is; `None` for a server that lets everybody in.
    pub user: Option<User>,
    /// What lies between us and the server.
    pub carrier: Carrier,
}

impl Config {
    /// With a user and a password, which nothing prints.
    #[must_use]
    pub fn new(username: &str, password: &str, carrier: Carrier) -> Self {
        Self { user: Some(User::new(username, password)), carrier }
    }
}

/// Who we are to a server. The password is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    name: String,
    password: String,
}

impl User {
    /// As the server knows it.
    #[must_use]
    pub fn new(name: &str, password: &str) -> Self {
        Self { name: name.to_owned(), password: password.to_owned() }
    }

    pub(super) fn credential(&self) -> LongTerm {
        LongTerm::new(&self.name, &self.password)
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({}, secret)", self.name)
    }
}

/// What lies between us and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// UDP: requests are repeated, and messages come one to a datagram.
    Datagrams,
    /// TCP or TLS: nothing is repeated, and ChannelData is padded to 32 bits.
    Stream,
}

/// What happens to the client. What the server sends comes by [`super::Client::receive`].
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// The moment of the last [`Output::Timeout`] has come.
    Timer,
    /// We want to hear from this address, and to send to it.
    Permit(IpAddr),
    /// Most of what we send goes there: call it by a number from now on, in 4 bytes instead of 36.
    Bind(SocketAddr),
    /// Is the allocation still there? Ask now, and not only when it is about to expire.
    Probe,
    /// The stream broke, or the server can't be reached.
    Disconnected,
    /// We need it no more.
    Close,
}

/// What the client asks of the world.
#[derive(Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// Send these bytes to the server, lent until the next call.
    Transmit(&'a [u8]),
    /// Tell the layer above.
    Event(Event),
    /// All done until this moment (`None`: until there is input).
    Timeout(Option<Instant>),
}

/// What the layer above is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server listens for us there.
    Allocated {
        /// One address, or one of each family.
        relayed: Vec<SocketAddr>,
        /// Where the server sees us.
        mapped: SocketAddr,
    },
    /// Packets to and from this address pass.
    Permitted(IpAddr),
    /// The server lets nothing pass to this address.
    Forbidden(IpAddr, Reason),
    /// There is no allocation any more, or there never was one. Nothing comes after this.
    Ended(Ended),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// We wanted it so.
    Closed,
    /// The server wants us to ask another one (RFC 8489 section 10): by the same transport, and no oftener
    /// than once each, which is for the layer above to see to.
    Alternate {
        /// Where; of the families that the server named.
        servers: Vec<SocketAddr>,
        /// Whose certificate to expect there, if another's than until now.
        domain: Option<String>,
    },
    /// It went wrong.
    Failed(Reason),
}

/// What was dropped, by reason: what strangers and accidents send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Neither STUN nor ChannelData, or wrong inside.
    pub malformed: u64,
    /// Answers to no request of ours: late, repeated or made up.
    pub unknown_transactions: u64,
    /// Answers that prove nothing, or another's knowledge.
    pub unproven_answers: u64,
    /// Data on a channel that we never bound.
    pub unknown_channels: u64,
    /// Data from an address that we did not permit.
    pub unpermitted: u64,
    /// Requests, and indications of other kinds.
    pub ignored_messages: u64,
    /// Packets of ours to where nothing may be sent.
    pub unsendable: u64,
}
