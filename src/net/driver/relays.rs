//! The sockets and streams to TURN servers: one for each call and server, for the server knows us by them
//! (RFC 8656 section 6).
//!
//! Their paths are numbered behind those of the shared sockets, and never used again. What arrives on one is
//! the business of the call that owns it, and of no other. Only those that have something cost anything: see
//! `roused.rs`.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::ice::PathId;
use crate::net::driver::calls::CallKey;
use crate::net::driver::relay_link::Link;
use crate::net::driver::roused::{Alarm, Roused};
use crate::net::message_stream::{MessageStream, Taken};
use crate::net::udp::Received;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Relays {
    relays: BTreeMap<PathId, Relay>,
    opened: u32,
    /// Those that may have something now, or have never been looked at.
    roused: Roused<PathId>,
    /// The same while they are looked at; here, so that it is allocated once.
    looked_at: Vec<PathId>,
    /// Those that have something, each in its turn.
    readable: VecDeque<PathId>,
    /// Streams that broke, for their calls to be told.
    broken: Vec<(CallKey, PathId)>,
}

#[derive(Debug)]
struct Relay {
    owner: CallKey,
    server: SocketAddr,
    link: Link,
    readiness: Readiness,
    alarm: Arc<Alarm<PathId>>,
    /// The same, as sockets want it.
    waker: Waker,
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
        let (readiness, alarm) = (Readiness::Drained, self.roused.alarm(path));
        let waker = Waker::from(Arc::clone(&alarm));
        self.relays.insert(path, Relay { owner, server, link, readiness, alarm, waker });
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
        let mut roused = std::mem::take(&mut self.looked_at);
        self.roused.take(cx.waker(), &mut roused);
        for path in roused.drain(..) {
            let Some(relay) = self.relays.get_mut(&path) else { continue };
            relay.alarm.reset();
            let poll = relay.link.poll(&mut Context::from_waker(&relay.waker));
            if poll.is_ready() && relay.readiness == Readiness::Drained {
                relay.readiness = Readiness::Readable;
                self.readable.push_back(path);
            }
        }
        self.looked_at = roused;
        if self.readable.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// The next datagram or message of any of them, of each in turn; none when all are drained.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Option<Received> {
        while let Some(path) = self.readable.pop_front() {
            let Some(relay) = self.relays.get_mut(&path) else { continue };
            match relay.link.take(buffer) {
                Taken::Message(length) => {
                    self.readable.push_back(path);
                    return Some(Received { path, from: relay.server, length });
                }
                Taken::Nothing => {}
                Taken::Broken => self.broken.push((relay.owner, path)),
            }
            relay.readiness = Readiness::Drained;
            relay.alarm.raise(); // only who was looked at in vain wakes us
        }
        None
    }

    /// Sends to the server, now or never; says whether the path is one of them.
    pub(super) fn send(&mut self, path: PathId, bytes: &[u8]) -> bool {
        let Some(relay) = self.relays.get_mut(&path) else { return false };
        relay.link.send(&mut Context::from_waker(&relay.waker), bytes);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::net::driver::calls::Calls;
    use crate::net::driver::relay_link;
    use crate::net::message_stream::Framing;
    use crate::net::message_stream::tests::Counted;

    async fn next(relays: &mut Relays, buffer: &mut [u8]) -> Received {
        loop {
            if let Some(received) = relays.receive(buffer) {
                return received;
            }
            poll_fn(|cx| relays.poll_readable(cx)).await;
        }
    }

    #[tokio::test]
    async fn whoever_has_nothing_is_not_looked_at() {
        let (owner, server) = (Calls::default().next_key(), "192.0.2.1:3478".parse().unwrap());
        let mut relays = Relays::default();
        let looks: Vec<Arc<AtomicUsize>> = (0..40).map(|_| Arc::default()).collect();
        let mut far: Vec<_> = looks
            .iter()
            .map(|looks| {
                let (stream, far) = Counted::pipe(looks, Framing::Turn);
                relays.add_stream(owner, server, stream);
                far
            })
            .collect();
        let mut buffer = [0; 100];
        for _ in 0..100 {
            use tokio::io::AsyncWriteExt;
            far[7].write_all(b"\x40\x00\x00\x02hi\0\0").await.unwrap();
            assert_eq!(next(&mut relays, &mut buffer).await.path, PathId(FIRST_PATH + 7));
        }
        let looks: Vec<_> = looks.iter().map(|looks| looks.load(Ordering::Relaxed)).collect();
        assert!((100..=210).contains(&looks[7]), "twice for each message: {looks:?}");
        assert!(looks.iter().enumerate().all(|(n, looks)| n == 7 || *looks == 1), "{looks:?}");
    }

    #[tokio::test]
    async fn each_has_its_turn_and_is_heard_again_later() {
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = server.local_addr().unwrap();
        let owner = Calls::default().next_key();
        let mut relays = Relays::default();
        let ours = [(); 3].map(|()| {
            let socket = relay_link::socket(addr.ip(), addr).unwrap();
            let to = socket.local_addr().unwrap();
            (relays.add_socket(owner, addr, socket), to)
        });
        let mut buffer = [0; 100];
        for round in 0..3 {
            for (_, to) in ours.iter().chain(&ours[..1]) {
                server.send_to(b"hello", to).unwrap();
            }
            let mut heard = Vec::new();
            for _ in 0..4 {
                heard.push(next(&mut relays, &mut buffer).await.path);
            }
            heard.sort();
            let [(first, _), (second, _), (third, _)] = ours;
            assert_eq!(heard, [first, first, second, third], "round {round}");
        }
        relays.close(ours[1].0);
        server.send_to(b"hello", ours[2].1).unwrap();
        assert_eq!(next(&mut relays, &mut buffer).await.path, ours[2].0);
    }
}
