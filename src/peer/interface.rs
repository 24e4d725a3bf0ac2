//! What a peer is told, and what it asks for: the types at its border.

use std::net::{IpAddr, SocketAddr};

use crate::audio::Frame;
use crate::ice::{PathId, ServerTransport, TcpType};
use crate::peer::event::{Event, Step};
use crate::time::Instant;

/// What happens to a peer.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram came in.
    Datagram {
        /// The socket it came in by.
        path: PathId,
        /// Who sent it, as the network says.
        from: SocketAddr,
        /// All of it. Media is opened in place, so what is left is garbage.
        bytes: &'a mut [u8],
    },
    /// 10 ms of what is to be said.
    Audio(&'a Frame),
    /// The moment of the last [`Output::Timeout`] has come.
    Timer,
    /// A socket of ours, the best first. One that comes while the call runs stands by, in case the way
    /// in use dies; the other side learns of it by checks from it, or by an ICE restart.
    LocalAddress {
        /// The socket.
        path: PathId,
        /// Its address.
        addr: SocketAddr,
    },
    /// An address of ours where we listen for TCP connections, or from which we make them; give it after
    /// those of sockets. What is sent by one that connects makes the connection, if there is none yet.
    LocalTcpAddress {
        /// Whose connections; one is named by this and the other side's address.
        path: PathId,
        /// The address.
        addr: SocketAddr,
        /// Whether we listen or connect.
        tcp_type: TcpType,
    },
    /// A TCP connection to the other side broke, or can't be made.
    StreamGone {
        /// Whose.
        path: PathId,
        /// The other side's address.
        to: SocketAddr,
    },
    /// A STUN server's name was resolved, or its URI has an address.
    StunServer {
        /// The server's place in [`super::config::Config::servers`].
        server: usize,
        /// The address.
        addr: SocketAddr,
    },
    /// A socket or stream of this call's own to a TURN server.
    RelaySocket {
        /// The server's place in [`super::config::Config::servers`].
        server: usize,
        /// The socket; no other of this call ever had this name.
        path: PathId,
        /// Where it leads.
        addr: SocketAddr,
        /// What it is.
        transport: ServerTransport,
    },
    /// A relay's stream broke.
    RelayDisconnected(PathId),
    /// A server can't be reached: its name is unknown, or it takes no connection.
    ServerUnreachable {
        /// Its place in [`super::config::Config::servers`].
        server: usize,
        /// In words.
        why: String,
    },
    /// No more sockets.
    LocalAddressesDone,
    /// A socket, its address or its interface is gone: what went by it goes another way at once.
    LocalAddressGone {
        /// The socket.
        path: PathId,
    },
    /// What became of [`Output::NameToResolve`].
    NameResolved {
        /// The name.
        name: String,
        /// Where it is, if anywhere.
        addr: Option<IpAddr>,
    },
    /// Hang up: RTCP BYE and close_notify come out, then [`Event::Ended`].
    Close,
    /// It has failed elsewhere: in the signalling, or at the other side, where nobody is to be told any more.
    Failed {
        /// Where. If that is ICE, and we have no way either, our own evidence is told in place of the reason.
        step: Step,
        /// In words.
        reason: String,
    },
}

/// What was dropped, by reason: what strangers, accidents and bad networks send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Sealed packets that were seen before, or are older than the replay window.
    pub replayed: u64,
    /// Sealed packets that are forged, damaged, or of another call.
    pub forged: u64,
    /// Packets that are not what their first bytes say.
    pub malformed: u64,
    /// Media and DTLS from an address that no authenticated check came from.
    pub unproven: u64,
    /// Media that came before the keys, beyond what is kept.
    pub surplus_early: u64,
    /// Authentic packets of a payload type that nobody agreed to.
    pub unknown_format: u64,
    /// Authentic packets that name a section that was refused.
    pub other_section: u64,
    /// Authentic packets of a second source that talks beside the first.
    pub other_source: u64,
    /// Connectivity checks and their answers.
    pub ice: crate::ice::Dropped,
}

/// What a peer asks of the world.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send this datagram.
    Transmit {
        /// By this socket.
        path: PathId,
        /// To this address.
        to: SocketAddr,
        /// Lent until the next call.
        bytes: &'a [u8],
    },
    /// Open another socket to a TURN server, and give it by [`Input::RelaySocket`]. No description waits
    /// for it.
    OpenRelay {
        /// The server's place in [`super::config::Config::servers`].
        server: usize,
        /// Where it is.
        addr: SocketAddr,
    },
    /// This relay's socket has served its purpose.
    CloseRelay(PathId),
    /// Tell whoever listens.
    Event(Event),
    /// Look up this name of a candidate of theirs, and answer by [`Input::NameResolved`]. Nothing waits
    /// for it.
    NameToResolve(String),
    /// All done until this moment (`None`: until there is input).
    Timeout(Option<Instant>),
}
