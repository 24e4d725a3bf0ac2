//! The sockets as the loop sees them: perfect, or spoiled by `--impair`.
//!
//! Unspoiled, a datagram goes straight from the socket into the loop's one buffer, and from a peer's
//! buffer straight to the socket. Only a spoiled network holds copies of packets, until they arrive.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::ice::PathId;
use crate::net::driver::relays::Relays;
use crate::net::impair::{Direction, Held, Impairment, Link};
use crate::net::udp::{Received, Sockets};
use crate::time::Instant;

/// Sockets, and what is done to their packets.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) sockets: Sockets,
    pub(super) relays: Relays,
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
        Self { sockets, relays: Relays::default(), spoiled }
    }

    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let [sockets, relays] = [self.sockets.poll_readable(cx), self.relays.poll_readable(cx)];
        if sockets.is_ready() { sockets } else { relays }
    }

    /// The next datagram that has arrived, in `buffer`.
    pub(super) fn receive(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Received> {
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

    /// Sends a datagram, or lets it go lost.
    pub(super) fn send(&mut self, now: Instant, path: PathId, to: SocketAddr, datagram: &[u8]) {
        let is_stream = self.relays.is_stream(path);
        let Some(spoiled) = self.spoiled.as_mut().filter(|_| !is_stream) else {
            return self.send_now(path, to, datagram);
        };
        spoiled.out.carry(now, path, to, datagram);
        self.release(now);
    }

    /// Sends what was held back until now.
    pub(super) fn release(&mut self, now: Instant) {
        while let Some(spoiled) = &mut self.spoiled
            && let Some((path, to, bytes)) = spoiled.out.held.release(now)
        {
            self.send_now(path, to, &bytes);
        }
    }

    fn send_now(&mut self, path: PathId, to: SocketAddr, datagram: &[u8]) {
        if !self.relays.send(path, datagram) {
            self.sockets.send(path, to, datagram);
        }
    }

    /// When a held packet is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let spoiled = self.spoiled.as_ref()?;
        let [out, incoming] = [&spoiled.out, &spoiled.incoming].map(|way| way.held.next_release());
        out.into_iter().chain(incoming).min()
    }

    /// Whether something is still to be sent.
    pub(super) fn is_sending(&self) -> bool {
        self.spoiled.as_ref().is_some_and(|spoiled| spoiled.out.held.next_release().is_some())
    }
}

impl Way {
    fn carry(&mut self, now: Instant, path: PathId, address: SocketAddr, bytes: &[u8]) {
        for at in self.link.carry(now) {
            self.held.hold(at, (path, address, bytes.into()));
        }
    }
}
