//! Media by TCP (RFC 6544): beside each UDP socket, somebody who listens, or who connects.
//!
//! Whoever answers calls listens, by the port of the UDP socket if that is free, so that a firewall needs one
//! number; whoever calls connects, as browsers do. Both would be no gain: one of the two has to be reachable
//! in any case, and who isn't would only announce it.
//!
//! Comes from [`super::udp`]; connections go to `driver/streams.rs`.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::ice::{PathId, TcpType};

/// What a driver does with TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tcp {
    /// Nothing.
    #[default]
    Off,
    /// It takes connections.
    Listens,
    /// It makes them.
    Connects,
}

/// One address of ours.
#[derive(Debug)]
pub struct Base {
    /// Names its connections, together with the other side's address.
    pub path: PathId,
    /// With the scope of a link-local one.
    pub addr: SocketAddr,
    listener: Option<TcpListener>,
}

/// Connections that the system keeps until they are taken.
const BACKLOG: i32 = 64;

impl Base {
    /// Who listens or connects at the address of a UDP socket; none if it is off, or the system lets nobody
    /// listen there: calls go by UDP then.
    pub fn beside(tcp: Tcp, path: PathId, udp: SocketAddr) -> Option<Self> {
        let any_port = || SocketAddr::new(udp.ip(), 0);
        match tcp {
            Tcp::Off => None,
            Tcp::Connects => Some(Self { path, addr: udp, listener: None }),
            Tcp::Listens => {
                let listener = listen(udp).or_else(|_| listen(any_port()));
                let bound = listener.and_then(|it| Ok((it.local_addr()?, it)));
                match bound {
                    Ok((addr, listener)) => Some(Self { path, addr, listener: Some(listener) }),
                    Err(error) => {
                        tracing::debug!(%udp, %error, "no TCP for media");
                        None
                    }
                }
            }
        }
    }

    /// Its kind of candidate.
    pub const fn tcp_type(&self) -> TcpType {
        if self.listener.is_some() { TcpType::Passive } else { TcpType::Active }
    }

    /// The next connection that somebody made.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<(TcpStream, SocketAddr)> {
        let Some(listener) = &self.listener else { return Poll::Pending };
        match listener.poll_accept(cx) {
            Poll::Ready(Ok((stream, from))) => {
                let _slower = stream.set_nodelay(true); // a packet of sound waits for no other
                Poll::Ready((stream, from))
            }
            // Too many open files, or whoever came is gone again: the next look shows the rest.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of the program that had the port before must not keep us from it. Where that word lets
    // two listen at one port, it is not said.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_port_is_that_of_the_udp_socket_unless_it_is_taken() {
        // A connection of another test may have the port of this or that socket.
        let udp = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut bases = std::iter::repeat_with(|| udp().local_addr().unwrap())
            .map(|addr| (addr, Base::beside(Tcp::Listens, PathId(1), addr).unwrap()));
        let (addr, first) =
            bases.by_ref().take(10).find(|(addr, base)| base.addr == *addr).unwrap();
        let second = Base::beside(Tcp::Listens, PathId(2), addr).unwrap();
        assert_eq!((first.addr, first.tcp_type()), (addr, TcpType::Passive));
        assert_ne!(second.addr.port(), addr.port());
        assert_eq!(second.addr.ip(), addr.ip());
    }
}
