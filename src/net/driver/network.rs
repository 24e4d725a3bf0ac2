//! The sockets as the loop sees them: perfect, or spoiled by `--impair`. Streams are never spoiled: where there
//! is an impairment no media goes by TCP, but what a TURN server gets or sends by it.
//!
//! Unspoiled, a datagram goes straight from the socket into the loop's one buffer, and from a peer's
//! buffer straight to the socket. Only a spoiled network holds copies of packets, until they arrive.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::ice::PathId;
use crate::net::driver::calls::CallKey;
use crate::net::driver::relays::Relays;
use crate::net::driver::streams::Streams;
use crate::net::impair::{Direction, Held, Impairment, Link};
use crate::net::udp::{Received, Sockets};
use crate::peer::{Input, Peer};
use crate::time::Instant;

/// A packet that lies in the caller's buffer, and who may have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    pub(super) packet: Received,
    pub(super) whose: Whose,
}

/// Whose packets a way carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Every call's.
    Anybodys,
    /// This call's alone.
    Of(CallKey),
    /// Those of whoever connected to us: of this call, if it named one, and proof is to come.
    Strangers(Option<CallKey>),
}

/// Sockets, and what is done to their packets.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) sockets: Sockets,
    pub(super) relays: Relays,
    pub(super) streams: Streams,
    spoiled: Option<Box<Spoiled>>,
}

#[derive(Debug)]
struct Spoiled {
    out: Way,
    incoming: Way,
}

/// One direction: the link, and what is on its way.
#[derive(Debug)]
struct Way {
    link: Link,
    held: Held<(PathId, SocketAddr, Box<[u8]>)>,
}

/// Five seconds of fifty calls; more is a flood, and routers drop those too.
const QUEUE: usize = 12_500;

impl Network {
    pub(super) fn new(sockets: Sockets, impairment: Option<&Impairment>) -> Self {
        let way = |impairment, direction| Way {
            link: Link::new(impairment, direction),
            held: Held::new(QUEUE),
        };
        let spoiled = impairment.map(|impairment| {
            let out = way(impairment, Direction::Out);
            Box::new(Spoiled { out, incoming: way(impairment, Direction::In) })
        });
        Self { sockets, relays: Relays::default(), streams: Streams::default(), spoiled }
    }

    pub(super) fn poll_readable(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready((path, from, stream)) = self.sockets.poll_accept(cx) {
            self.streams.accepted(now, path, from, stream);
        }
        let ready = [
            self.sockets.poll_readable(cx),
            self.relays.poll_readable(cx),
            self.streams.poll_readable(cx),
        ];
        ready.into_iter().find(Poll::is_ready).unwrap_or(Poll::Pending)
    }

    /// The addresses that serve a call, for its peer.
    pub(super) fn give_addresses(
        &self,
        now: Instant,
        peer: &mut Peer,
        serving: Vec<(PathId, SocketAddr)>,
    ) {
        let by_tcp = serving.iter().filter_map(|(path, _)| self.sockets.tcp_beside(*path));
        let by_tcp: Vec<_> = by_tcp.collect();
        for (path, addr) in serving {
            peer.handle_input(now, Input::LocalAddress { path, addr });
        }
        for (path, addr, tcp_type) in by_tcp {
            peer.handle_input(now, Input::LocalTcpAddress { path, addr, tcp_type });
        }
    }

    /// The next packet that has arrived, in `buffer`.
    pub(super) fn receive(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Arrived> {
        let datagram = self.receive_datagram(now, buffer);
        datagram
            .map(|packet| {
                let owner = self.relays.owner(packet.path);
                Arrived { packet, whose: owner.map_or(Whose::Anybodys, Whose::Of) }
            })
            .or_else(|| self.streams.receive(buffer))
    }

    fn receive_datagram(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Received> {
        let Some(spoiled) = &mut self.spoiled else {
            return self.sockets.receive(buffer).or_else(|| self.relays.receive(buffer));
        };
        while let Some(received) =
            self.sockets.receive(buffer).or_else(|| self.relays.receive(buffer))
        {
            if self.relays.is_stream(received.path) {
                return Some(received); // a stream neither loses nor reorders
            }
            let bytes = buffer.get(..received.length).unwrap_or_default();
            spoiled.incoming.carry(now, received.path, received.from, bytes);
        }
        let (path, from, bytes) = spoiled.incoming.held.release(now)?;
        let room = buffer.get_mut(..bytes.len())?;
        room.copy_from_slice(&bytes);
        Some(Received { path, from, length: bytes.len() })
    }

    /// Sends a call's packet, or lets it go lost.
    pub(super) fn send(
        &mut self,
        now: Instant,
        call: CallKey,
        (path, to): (PathId, SocketAddr),
        datagram: &[u8],
    ) {
        let Some(spoiled) = self.spoiled.as_mut().filter(|_| !self.relays.is_stream(path)) else {
            if !self.send_now(path, to, datagram) {
                let from = self.sockets.connects_from(path);
                self.streams.send(now, call, (path, to), from, datagram);
            }
            return;
        };
        spoiled.out.carry(now, path, to, datagram);
        self.release(now);
    }

    /// Sends what was held back until now.
    pub(super) fn release(&mut self, now: Instant) {
        while let Some(spoiled) = &mut self.spoiled
            && let Some((path, to, bytes)) = spoiled.out.held.release(now)
        {
            let _gone_meanwhile = self.send_now(path, to, &bytes);
        }
    }

    /// Says whether the path is a socket, or leads to a relay.
    fn send_now(&mut self, path: PathId, to: SocketAddr, datagram: &[u8]) -> bool {
        self.sockets.send(path, to, datagram) || self.relays.send(path, datagram)
    }

    /// When a held packet or a connection is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let spoiled = self.spoiled.iter().flat_map(|spoiled| [&spoiled.out, &spoiled.incoming]);
        let held = spoiled.filter_map(|way| way.held.next_release());
        held.chain(self.streams.due()).min()
    }

    /// Whether something is still to be sent.
    pub(super) fn is_sending(&self) -> bool {
        self.spoiled.as_ref().is_some_and(|spoiled| spoiled.out.held.next_release().is_some())
    }
}

impl Way {
    fn carry(&mut self, now: Instant, path: PathId, address: SocketAddr, bytes: &[u8]) {
        for at in self.link.carry(now, bytes) {
            self.held.hold(at, (path, address, bytes.into()));
        }
    }
}
