//! What leads to a TURN server: a socket, or a stream.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::task::{Context, Poll, ready};

use socket2::SockRef;

use crate::net::message_stream::{MessageStream, Taken};

/// One of them, of one call.
#[derive(Debug)]
pub(super) enum Link {
    Socket(tokio::net::UdpSocket),
    Stream(Box<MessageStream>),
}

/// A socket to this server from an address of ours.
pub(super) fn socket(from: IpAddr, server: SocketAddr) -> io::Result<tokio::net::UdpSocket> {
    let socket = UdpSocket::bind(SocketAddr::new(from, 0))?;
    socket.connect(server)?; // what comes from elsewhere never gets here
    socket.set_nonblocking(true)?;
    tokio::net::UdpSocket::from_std(socket)
}

impl Link {
    pub(super) const fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Sends to the server, now or never; what a stream does not take at once leaves when it is polled.
    pub(super) fn send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        match self {
            Self::Stream(stream) => stream.send(cx, bytes),
            Self::Socket(socket) => {
                let _lost = SockRef::from(&*socket).send(bytes);
            }
        }
    }

    /// Ready when [`Self::take`] may have something; a stream also writes what is queued.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Stream(stream) => stream.poll(cx),
            Self::Socket(socket) => socket.poll_recv_ready(cx).map(drop),
        }
    }

    /// The next datagram or message, copied into `buffer`.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> Taken {
        match self {
            Self::Stream(stream) => stream.take(buffer),
            Self::Socket(socket) => match socket.try_recv(buffer) {
                Ok(length) => Taken::Message(length),
                // Also "port unreachable", as anybody can send it: the server's silence tells.
                Err(_) => Taken::Nothing,
            },
        }
    }

    /// Writes as much as the system takes at once: the last messages before the end.
    pub(super) fn flush_now(&mut self) {
        if let Self::Stream(stream) = self {
            stream.flush_now();
        }
    }

    /// The length of the next one, when there is one; `None` if there will be none.
    pub(super) fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Option<usize>> {
        loop {
            match self.take(buffer) {
                Taken::Message(length) => return Poll::Ready(Some(length)),
                Taken::Broken => return Poll::Ready(None),
                Taken::Nothing => ready!(self.poll(cx)),
            }
        }
    }
}
