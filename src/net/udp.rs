//! The UDP sockets: one for each usable address of this machine, shared by all calls.
//!
//! One socket per address and not one for all: a connectivity check must leave from the address that
//! its candidate names (RFC 8445 section 5.1.1.1). One for all calls and not one per call: a packet
//! costs the same however many calls there are, and a firewall needs one port.
//!
//! ```text
//!                    poll_readable            receive, until nothing is left
//! the kernel's buffer ----------> the loop wakes ----------> one buffer, lent to a Peer
//! the kernel's buffer <---------------------------- send, or drop and count
//! ```
//! Sound that can't leave now is worth nothing later: a send that would block drops its packet.
//! Errors that a stranger can cause (an ICMP "port unreachable" shows up as `ECONNREFUSED`) are counted
//! and otherwise ignored.
//!
//! Comes from [`super::interfaces`]; goes to [`super::driver`].

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket};
use std::task::{Context, Poll};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use tokio::net::TcpStream;

use crate::ice::{PathId, TcpType};
use crate::net::interfaces::{self, Address, Link, Serves};
use crate::net::tcp::{Base, Tcp};

/// The sockets of a driver. A path names the same socket for good: when its address goes, so does the
/// socket, and its number is not used again.
#[derive(Debug)]
pub struct Sockets {
    sockets: Vec<Bound>,
    wanted: Vec<String>,
    port: u16,
    tcp: Tcp,
    opened: u32,
    /// Since [`Sockets::take_changes`].
    changes: Changes,
    /// What was lost on our side.
    pub counters: Counters,
}

/// Datagrams lost on our side of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The socket was busy: more than the network takes.
    pub send_blocked: u64,
    /// The system refused to send: no route, no permission, a vanished address.
    pub send_failed: u64,
    /// The system had an error to tell instead of a datagram.
    pub receive_failed: u64,
}

/// Sockets that came and went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Their addresses are new.
    pub come: Vec<PathId>,
    /// Their addresses are no more.
    pub gone: Vec<PathId>,
}

#[derive(Debug)]
struct Bound {
    path: PathId,
    local: SocketAddr,
    serves: Serves,
    link: Link,
    socket: tokio::net::UdpSocket,
    readiness: Readiness,
    /// For connections from and to this address.
    tcp: Option<Base>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Readable,
    Drained,
}

/// A datagram that lies in the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// The socket it came to.
    pub path: PathId,
    /// Who sent it.
    pub from: SocketAddr,
    /// How much of the buffer it fills.
    pub length: usize,
}

/// No more sockets than this: each is a candidate, and each candidate costs the other side a check.
const SOCKETS: usize = 16;
/// Room for a burst while the loop is busy, as far as the system allows.
const RECEIVE_BUFFER: usize = 4 << 20;
const SEND_BUFFER: usize = 1 << 20;

impl Sockets {
    /// Binds a socket to every usable address; `port` 0 takes any free one.
    ///
    /// # Errors
    /// The chosen port is in use, or the system names no addresses.
    pub fn bind(wanted: &[String], port: u16, tcp: Tcp) -> io::Result<Self> {
        let mut sockets = Self {
            sockets: Vec::new(),
            wanted: wanted.to_vec(),
            port,
            tcp,
            opened: 0,
            changes: Changes::default(),
            counters: Counters::default(),
        };
        sockets.refresh()?;
        sockets.take_changes(); // no call has any of them
        Ok(sockets)
    }

    /// Looks at the addresses again: binds a socket to each new one, closes those of addresses that are no
    /// more. [`Sockets::take_changes`] says which.
    ///
    /// # Errors
    /// As [`Sockets::bind`].
    pub fn refresh(&mut self) -> io::Result<()> {
        let addresses = interfaces::addresses()?;
        let usable = interfaces::usable(&addresses, &self.wanted);
        let changes = &mut self.changes;
        self.sockets.retain(|bound| {
            let stays = usable.iter().any(|(address, _)| address.ip == bound.local.ip());
            if !stays {
                changes.gone.push(bound.path);
                changes.gone.extend(bound.tcp.as_ref().map(|base| base.path));
            }
            stays
        });
        for (address, serves) in usable {
            if let Some(bound) = self.sockets.iter_mut().find(|it| it.local.ip() == address.ip) {
                bound.serves = serves;
                continue;
            }
            if serves == Serves::OldCalls || self.sockets.len() >= SOCKETS {
                continue;
            }
            match bind(address.ip, address.index, self.port) {
                Ok(socket) => self.add(socket, address, serves)?,
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
                // An IPv6 address that is still being checked for duplicates can't be bound yet.
                Err(error) => tracing::debug!(ip = %address.ip, %error, "not bound"),
            }
        }
        Ok(())
    }

    fn add(&mut self, socket: UdpSocket, address: &Address, serves: Serves) -> io::Result<()> {
        let with_scope = socket.local_addr()?;
        let local = without_scope(with_scope);
        let path = self.next_path();
        let (link, readiness) = (address.link, Readiness::Drained);
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        let tcp = Base::beside(self.tcp, self.next_path(), with_scope);
        self.sockets.push(Bound { path, local, serves, link, socket, readiness, tcp });
        self.changes.come.push(path);
        Ok(())
    }

    fn next_path(&mut self) -> PathId {
        self.opened = self.opened.wrapping_add(1);
        PathId(self.opened - 1)
    }

    /// Who listens or connects by TCP at the address of a UDP socket.
    #[must_use]
    pub fn tcp_beside(&self, path: PathId) -> Option<(PathId, SocketAddr, TcpType)> {
        let base = self.sockets.iter().find(|bound| bound.path == path)?.tcp.as_ref()?;
        Some((base.path, without_scope(base.addr), base.tcp_type()))
    }

    /// From where connections of this path are made; `None` if they aren't.
    #[must_use]
    pub fn connects_from(&self, path: PathId) -> Option<SocketAddr> {
        let mut bases = self.sockets.iter().filter_map(|bound| bound.tcp.as_ref());
        let base = bases.find(|base| base.path == path)?;
        (base.tcp_type() == TcpType::Active).then_some(base.addr)
    }

    /// The next connection that somebody made, and to whom.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<(PathId, SocketAddr, TcpStream)> {
        let bases = self.sockets.iter().filter_map(|bound| bound.tcp.as_ref());
        for base in bases {
            if let Poll::Ready((stream, from)) = base.poll_accept(cx) {
                return Poll::Ready((base.path, without_scope(from), stream));
            }
        }
        Poll::Pending
    }

    /// What came and went since the last time.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// The sockets that serve a call, the best first: that from which the signalling's other end is
    /// reached, then the others, tunnels after networks, loopback last.
    #[must_use]
    pub fn serving(&self, signalling: Option<SocketAddr>) -> Vec<(PathId, SocketAddr)> {
        let towards = signalling.and_then(|to| route_towards(to).ok());
        let is_local = signalling.is_some_and(|to| to.ip().to_canonical().is_loopback());
        let mut serving: Vec<_> = self
            .sockets
            .iter()
            .filter(|bound| match bound.serves {
                Serves::EveryCall => true,
                Serves::LocalCalls => is_local,
                Serves::CallsByIt => is_local || towards == Some(bound.local.ip()),
                Serves::OldCalls => false,
            })
            .collect();
        serving.sort_by_key(|bound| {
            let ip = bound.local.ip();
            (ip.is_loopback(), towards != Some(ip), bound.link)
        });
        serving.into_iter().map(|bound| (bound.path, bound.local)).collect()
    }

    /// Our address from which to reach `to`; of those that were chosen, if some were.
    #[must_use]
    pub fn towards(&self, to: SocketAddr) -> Option<IpAddr> {
        let route = route_towards(to).ok()?;
        let chosen = self.chosen();
        if chosen.is_empty() || chosen.contains(&route) {
            return Some(route);
        }
        chosen.into_iter().find(|ip| ip.is_ipv4() == to.is_ipv4())
    }

    /// Our addresses, if only some interfaces were chosen; empty if the system may choose.
    #[must_use]
    pub fn chosen(&self) -> Vec<IpAddr> {
        let all = self.sockets.iter().map(|bound| bound.local.ip());
        if self.wanted.is_empty() { Vec::new() } else { all.collect() }
    }

    /// Ready when a socket may have datagrams; then call [`Sockets::receive`] until it has none.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut any = Poll::Pending;
        for bound in &mut self.sockets {
            // An error of readiness shows again as one of receiving, and is counted there.
            if bound.readiness == Readiness::Readable || bound.socket.poll_recv_ready(cx).is_ready()
            {
                bound.readiness = Readiness::Readable;
                any = Poll::Ready(());
            }
        }
        any
    }

    /// The next datagram of any socket; none when all are drained.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Option<Received> {
        for bound in &mut self.sockets {
            while bound.readiness == Readiness::Readable {
                match bound.socket.try_recv_from(buffer) {
                    Ok((length, from)) => {
                        return Some(Received {
                            path: bound.path,
                            from: without_scope(from),
                            length,
                        });
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        bound.readiness = Readiness::Drained;
                    }
                    Err(_) => {
                        // Taken off the socket by having been read; the next look finds the rest.
                        self.counters.receive_failed += 1;
                        bound.readiness = Readiness::Drained;
                    }
                }
            }
        }
        None
    }

    /// Sends a datagram now or never; says whether the path is a socket.
    pub fn send(&mut self, path: PathId, to: SocketAddr, datagram: &[u8]) -> bool {
        let Some(bound) = self.sockets.iter().find(|bound| bound.path == path) else {
            return false;
        };
        // Past the runtime: it would first wait to be told that a new socket can be written to.
        match SockRef::from(&bound.socket).send_to(datagram, &SockAddr::from(to)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.counters.send_blocked += 1;
            }
            Err(_) => self.counters.send_failed += 1,
        }
        true
    }
}

fn bind(ip: IpAddr, index: u32, port: u16) -> io::Result<UdpSocket> {
    let socket =
        Socket::new(Domain::for_address((ip, port).into()), Type::DGRAM, Some(Protocol::UDP))?;
    let address: SocketAddr = match ip {
        IpAddr::V4(ip) => (ip, port).into(),
        IpAddr::V6(ip) => {
            socket.set_only_v6(true)?;
            // The scope says which link a link-local address is on; other addresses ignore it.
            let scope = if ip.is_unicast_link_local() { index } else { 0 };
            SocketAddrV6::new(ip, port, 0, scope).into()
        }
    };
    // As much as the system gives; less is no reason to have no call.
    let _less = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    let _less = socket.set_send_buffer_size(SEND_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Candidates have no scope, so nothing above has: the socket's own binding names the link.
fn without_scope(address: SocketAddr) -> SocketAddr {
    (address.ip(), address.port()).into()
}

/// Our address from which `to` is reached. Nothing is sent: connecting a UDP socket only looks up the
/// route.
pub(in crate::net) fn route_towards(to: SocketAddr) -> io::Result<IpAddr> {
    let to = SocketAddr::new(to.ip().to_canonical(), to.port());
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => ([0_u8; 4], 0).into(),
        SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(to)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    fn loopback() -> Sockets {
        Sockets::bind(&["lo".to_owned(), "lo0".to_owned()], 0, Tcp::Off).unwrap()
    }

    fn local(sockets: &Sockets, ip: &str) -> (PathId, SocketAddr) {
        let ip: IpAddr = ip.parse().unwrap();
        *sockets.serving(None).iter().find(|(_, local)| local.ip() == ip).unwrap()
    }

    async fn readable(sockets: &mut Sockets) {
        let readable = poll_fn(|cx| sockets.poll_readable(cx));
        tokio::time::timeout(Duration::from_secs(5), readable).await.unwrap();
    }

    #[tokio::test]
    async fn one_wake_up_serves_many_datagrams_on_both_families() {
        let mut sockets = loopback();
        for ip in ["127.0.0.1", "::1"] {
            let (path, here) = local(&sockets, ip);
            for n in 0..10_u8 {
                sockets.send(path, here, &[n; 100]);
            }
            readable(&mut sockets).await;
            let mut buffer = [0; 2_000];
            for n in 0..10_u8 {
                // A busy kernel may deliver the rest a moment later.
                let received = loop {
                    match sockets.receive(&mut buffer) {
                        Some(received) => break received,
                        None => readable(&mut sockets).await,
                    }
                };
                assert_eq!(received, Received { path, from: here, length: 100 });
                assert_eq!(buffer[0], n);
            }
            assert_eq!(sockets.receive(&mut buffer), None);
        }
        assert_eq!(sockets.counters, Counters::default());
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_disturbs_nothing() {
        let mut sockets = loopback();
        let (path, here) = local(&sockets, "127.0.0.1");
        let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        sockets.send(path, closed, b"anybody?");
        sockets.send(path, here, b"still here");
        readable(&mut sockets).await;
        let mut buffer = [0; 100];
        assert_eq!(sockets.receive(&mut buffer).unwrap().length, 10);
    }

    #[tokio::test]
    async fn loopback_serves_only_calls_signalled_over_it_and_comes_last() {
        let sockets = Sockets::bind(&[], 0, Tcp::Off).unwrap();
        let elsewhere = sockets.serving(Some("192.0.2.77:80".parse().unwrap()));
        assert!(elsewhere.iter().all(|(_, local)| !local.ip().is_loopback()), "{elsewhere:?}");
        let here = sockets.serving(Some("[::ffff:127.0.0.1]:80".parse().unwrap()));
        assert_eq!(here.len(), sockets.sockets.len());
        let is_loopback: Vec<_> = here.iter().map(|(_, local)| local.ip().is_loopback()).collect();
        assert!(is_loopback.is_sorted() && is_loopback.contains(&true), "{here:?}");
    }

    #[tokio::test]
    async fn a_port_in_use_is_an_error_and_free_again_after_a_drop() {
        // Free at every address: other tests hold ports of their own at some.
        let everywhere = UdpSocket::bind("[::]:0").or_else(|_| UdpSocket::bind("0.0.0.0:0"));
        let port = everywhere.unwrap().local_addr().unwrap().port();
        let lo = ["lo".to_owned(), "lo0".to_owned()];
        let first = Sockets::bind(&lo, port, Tcp::Off).unwrap();
        let (_, taken) = local(&first, "127.0.0.1");
        let refused = Sockets::bind(&lo, taken.port(), Tcp::Off).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        let again = Sockets::bind(&lo, taken.port(), Tcp::Off).unwrap();
        assert_eq!(local(&again, "127.0.0.1").1, taken);
    }
}
