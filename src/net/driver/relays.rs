//! The sockets and streams to TURN servers: one for each call and server, for the server knows us by them
//! (RFC 8656 section 6).
//!
//! Their paths are numbered behind those of the shared sockets, and never used again. What arrives on one is
//! the business of the call that owns it, and of no other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::ice::PathId;
use crate::net::driver::calls::CallKey;
use crate::net::driver::relay_link::Link;
use crate::net::message_stream::{MessageStream, Taken};
use crate::net::udp::Received;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Relays {
    relays: BTreeMap<PathId, Relay>,
    opened: u32,
    /// Streams that broke, for their calls to be told.
    broken: Vec<(CallKey, PathId)>,
}

#[derive(Debug)]
struct Relay {
    owner: CallKey,
    server: SocketAddr,
    link: Link,
    readiness: Readiness,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Readable,
    Drained,
}

/// Shared sockets have lower numbers.
const FIRST_PATH: u32 = 1 << 16;

impl Relays {
    pub(super) fn add_socket(
        &mut self,
        owner: CallKey,
        server: SocketAddr,
        socket: tokio::net::UdpSocket,
    ) -> PathId {
        self.add(owner, server, Link::Socket(socket))
    }

    pub(super) fn add_stream(
        &mut self,
        owner: CallKey,
        server: SocketAddr,
        stream: MessageStream,
    ) -> PathId {
        self.add(owner, server, Link::Stream(Box::new(stream)))
    }

    fn add(&mut self, owner: CallKey, server: SocketAddr, link: Link) -> PathId {
        let path = PathId(FIRST_PATH.saturating_add(self.opened));
        self.opened = self.opened.saturating_add(1);
        let readiness = Readiness::Drained;
        self.relays.insert(path, Relay { owner, server, link, readiness });
        path
    }

    /// Whose it is, if it is one of them.
    pub(super) fn owner(&self, path: PathId) -> Option<CallKey> {
        self.relays.get(&path).map(|relay| relay.owner)
    }

    /// Whether it is a stream: what goes by it is neither lost nor overtaken.
    pub(super) fn is_stream(&self, path: PathId) -> bool {
        self.relays.get(&path).is_some_and(|relay| relay.link.is_stream())
    }

    pub(super) fn close(&mut self, path: PathId) {
        if let Some(mut link) = self.take(path) {
            link.flush_now();
        }
    }

    /// Somebody else cares for it from here on.
    pub(super) fn take(&mut self, path: PathId) -> Option<Link> {
        Some(self.relays.remove(&path)?.link)
    }

    /// Closes all that an ended call had.
    pub(super) fn close_of(&mut self, owner: CallKey) {
        let paths: Vec<PathId> =
            self.relays.iter().filter(|(_, r)| r.owner == owner).map(|(path, _)| *path).collect();
        paths.into_iter().for_each(|path| self.close(path));
    }

    /// Streams that broke since the last time.
    pub(super) fn take_broken(&mut self) -> Vec<(CallKey, PathId)> {
        std::mem::take(&mut self.broken)
    }

    /// Ready when one may have something; streams also write what is queued.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut any = Poll::Pending;
        for relay in self.relays.values_mut() {
            let ready = relay.link.poll(cx).is_ready();
            if ready || relay.readiness == Readiness::Readable {
                relay.readiness = Readiness::Readable;
                any = Poll::Ready(());
            }
        }
        any
    }

    /// The next datagram or message of any of them; none when all are drained.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Option<Received> {
        for (path, relay) in &mut self.relays {
            while relay.readiness == Readiness::Readable {
                match relay.link.take(buffer) {
                    Taken::Message(length) => {
                        return Some(Received { path: *path, from: relay.server, length });
                    }
                    Taken::Nothing => relay.readiness = Readiness::Drained,
                    Taken::Broken => {
                        relay.readiness = Readiness::Drained;
                        self.broken.push((relay.owner, *path));
                    }
                }
            }
        }
        None
    }

    /// Sends to the server, now or never; says whether the path is one of them.
    pub(super) fn send(&mut self, path: PathId, bytes: &[u8]) -> bool {
        let Some(relay) = self.relays.get_mut(&path) else { return false };
        relay.link.send(bytes);
        true
    }
}
