//! What a peer is told, and what it asks for: the types at its border.

use std::net::SocketAddr;

use crate::audio::Frame;
use crate::ice::PathId;
use crate::peer::event::Event;
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
    /// A socket of ours, to be given before the first description, the best first.
    LocalAddress {
        /// The socket.
        path: PathId,
        /// Its address.
        addr: SocketAddr,
    },
    /// No more sockets.
    LocalAddressesDone,
    /// Hang up: RTCP BYE and close_notify come out, then [`Event::Ended`].
    Close,
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
    /// Tell whoever listens.
    Event(Event),
    /// All done until this moment (`None`: until there is input).
    Timeout(Option<Instant>),
}
