//! TCP connections to the other side (RFC 6544): who made them, whose they are, how long they may be nobody's.
//!
//! ```text
//! a check leaves by a path that connects --> connecting --> open --> the call's until its end
//! somebody connects to us --> a stranger --names a call--> named --proves it--> the call's until its end
//!                                 '--anything else--> closed
//! ```
//! A stranger is known by the first packet: a check whose USERNAME names a call of ours, at once, and soon with
//! the right password. There are only so many strangers; the longest one goes for a new one, since who means
//! it is no stranger for longer than a round trip.
//!
//! What one can't take now waits in a bounded queue, and beyond that is dropped, as on any busy network.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::ice::PathId;
use crate::net::driver::calls::CallKey;
use crate::net::driver::network::{Arrived, Whose};
use crate::net::message_stream::{self, Framing, MessageStream, Taken};
use crate::net::udp::Received;
use crate::time::Instant;

/// A connection's two ends: our path, their address.
type Ends = (PathId, SocketAddr);

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// The oldest first.
    streams: Vec<Stream>,
    /// Those of calls that broke, for their calls to be told.
    broken: Vec<(CallKey, PathId, SocketAddr)>,
}

#[derive(Debug)]
struct Stream {
    ends: Ends,
    call: Option<CallKey>,
    link: Link,
    readiness: Readiness,
    /// Until then it has to be open and proven.
    due: Option<Instant>,
    /// Packets that came before that.
    unproven: usize,
}

enum Link {
    /// With the packets that wait for it.
    Connecting(Connecting, Vec<Vec<u8>>),
    Open(MessageStream),
    Broken,
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Readable,
    Drained,
}

/// Who connected and has proven nothing yet.
const MOST_STRANGERS: usize = 64;
/// For so long. Also how long a connection of ours may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a stranger may send before that, and how much at a time: checks.
const MOST_UNPROVEN: usize = 16;
const LONGEST_UNPROVEN: usize = 1_500;
/// Connections that a call makes: their description may list any addresses.
const MOST_OF_A_CALL: usize = 32;
/// Packets that wait for a connection: a check, and those that the other side's checks cause.
const MOST_WAITING: usize = 4;

impl Streams {
    /// Somebody connected to us.
    pub(super) fn accepted(
        &mut self,
        now: Instant,
        path: PathId,
        from: SocketAddr,
        stream: TcpStream,
    ) {
        let is_stranger =
            |it: &Stream| it.due.is_some() && !matches!(it.link, Link::Connecting(..));
        if self.streams.iter().filter(|it| is_stranger(it)).count() >= MOST_STRANGERS
            && let Some(oldest) = self.streams.iter().position(is_stranger)
        {
            self.streams.remove(oldest);
        }
        let link = Link::Open(MessageStream::new(stream, Framing::Length));
        self.streams.push(Stream::new((path, from), None, link, now));
    }

    /// Sends a packet of a call. A check that is to go by a path that connects makes the connection.
    pub(super) fn send(
        &mut self,
        now: Instant,
        call: CallKey,
        ends: Ends,
        from: Option<SocketAddr>,
        packet: &[u8],
    ) {
        let of_call = |it: &&mut Stream| it.ends == ends && it.call == Some(call);
        if let Some(stream) = self.streams.iter_mut().find(of_call) {
            return stream.link.send(packet);
        }
        let made = self.streams.iter().filter(|it| it.call == Some(call)).count();
        let (Some(from), true) = (from, is_check(packet) && made < MOST_OF_A_CALL) else { return };
        let (_, to) = ends;
        let connecting = Box::pin(message_stream::connect(to, Some(from)));
        let link = Link::Connecting(connecting, vec![packet.to_vec()]);
        self.streams.push(Stream::new(ends, Some(call), link, now));
    }

    /// A stranger named this call.
    pub(super) fn belongs_to(&mut self, ends: Ends, call: CallKey) -> Option<CallKey> {
        self.stranger(ends)?.call = Some(call);
        Some(call)
    }

    /// A stranger is none any more.
    pub(super) fn is_proven(&mut self, ends: Ends) {
        if let Some(stream) = self.stranger(ends) {
            stream.due = None;
        }
    }

    /// A stranger sent something else than a check for one of us.
    pub(super) fn close_strangers(&mut self, ends: Ends) {
        self.streams.retain(|it| it.ends != ends || it.due.is_none());
    }

    fn stranger(&mut self, ends: Ends) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|it| it.ends == ends && it.due.is_some())
    }

    /// Closes those of a call that are of no use to it.
    pub(super) fn retain_of(
        &mut self,
        call: CallKey,
        is_used: impl Fn(PathId, SocketAddr) -> bool,
    ) {
        self.streams.retain_mut(|it| {
            let stays = it.call != Some(call) || is_used(it.ends.0, it.ends.1);
            if let (false, Link::Open(stream)) = (stays, &mut it.link) {
                stream.flush_now();
            }
            stays
        });
    }

    /// Those that broke since the last time, or took too long.
    pub(super) fn take_broken(&mut self, now: Instant) -> Vec<(CallKey, PathId, SocketAddr)> {
        let broken = &mut self.broken;
        self.streams.retain(|it| {
            let is_late = it.due.is_some_and(|due| due <= now);
            let is_over = is_late || matches!(it.link, Link::Broken);
            if is_over {
                broken.extend(it.call.map(|call| (call, it.ends.0, it.ends.1)));
            }
            !is_over
        });
        std::mem::take(broken)
    }

    /// When one has taken too long.
    pub(super) fn due(&self) -> Option<Instant> {
        self.streams.iter().filter_map(|it| it.due).min()
    }

    /// Ready when one may have something; also connects, and writes what is queued.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut any = Poll::Pending;
        for stream in &mut self.streams {
            if stream.poll(cx).is_ready() {
                stream.readiness = Readiness::Readable;
            }
            if stream.readiness == Readiness::Readable {
                any = Poll::Ready(());
            }
        }
        any
    }

    /// The next packet of any of them; none when all are drained.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Option<Arrived> {
        self.streams.iter_mut().find_map(|stream| stream.receive(buffer))
    }
}

impl Stream {
    fn new(ends: Ends, call: Option<CallKey>, link: Link, now: Instant) -> Self {
        let (readiness, due) = (Readiness::Drained, Some(now + PATIENCE));
        Self { ends, call, link, readiness, due, unproven: 0 }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Link::Connecting(connecting, waiting) = &mut self.link {
            let Poll::Ready(connected) = connecting.as_mut().poll(cx) else {
                return Poll::Pending;
            };
            let Ok(stream) = connected else {
                self.link = Link::Broken;
                return Poll::Ready(());
            };
            let mut stream = MessageStream::new(stream, Framing::Length);
            waiting.iter().for_each(|packet| stream.send(cx, packet));
            (self.link, self.due) = (Link::Open(stream), None);
        }
        match &mut self.link {
            Link::Open(stream) => stream.poll(cx),
            Link::Connecting(..) | Link::Broken => Poll::Pending,
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Option<Arrived> {
        while self.readiness == Readiness::Readable {
            let taken = match &mut self.link {
                Link::Open(stream) => stream.take(buffer),
                Link::Connecting(..) | Link::Broken => Taken::Nothing,
            };
            match taken {
                Taken::Message(0) => {}
                Taken::Message(length) if self.is_too_much(length) => self.link = Link::Broken,
                Taken::Message(length) => {
                    let (path, from) = self.ends;
                    let whose = match (self.due, self.call) {
                        (None, Some(call)) => Whose::Of(call),
                        (_, call) => Whose::Strangers(call),
                    };
                    let packet = Received { path, from, length };
                    return Some(Arrived { packet, whose });
                }
                Taken::Nothing => self.readiness = Readiness::Drained,
                Taken::Broken => self.link = Link::Broken,
            }
        }
        None
    }

    /// Whether a stranger sends more than checks would be.
    fn is_too_much(&mut self, length: usize) -> bool {
        self.unproven += usize::from(self.due.is_some());
        self.due.is_some() && (self.unproven > MOST_UNPROVEN || length > LONGEST_UNPROVEN)
    }
}

impl Link {
    fn send(&mut self, packet: &[u8]) {
        match self {
            Self::Connecting(_, waiting) if waiting.len() < MOST_WAITING => {
                waiting.push(packet.to_vec());
            }
            // What it does not take is written when it is polled, before anybody sleeps.
            Self::Open(stream) => stream.send(&mut Context::from_waker(Waker::noop()), packet),
            Self::Connecting(..) | Self::Broken => {}
        }
    }
}

/// Whether it is a Binding request: nothing else begins anything.
fn is_check(packet: &[u8]) -> bool {
    packet.starts_with(&[0, 1])
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connecting(..) => f.write_str("Connecting"),
            Self::Open(stream) => stream.fmt(f),
            Self::Broken => f.write_str("Broken"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const PATH: PathId = PathId(1);

    /// Somebody who connected to us at the very beginning, and the other end.
    async fn stranger(streams: &mut Streams) -> (SocketAddr, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, from) = listener.accept().await.unwrap();
        streams.accepted(Instant::ZERO, PATH, from, stream);
        (from, other)
    }

    #[tokio::test]
    async fn a_stranger_has_ten_seconds_and_who_is_proven_has_the_call() {
        let mut streams = Streams::default();
        let (silent, _silent) = stranger(&mut streams).await;
        let (named, _named) = stranger(&mut streams).await;
        let (proven, _proven) = stranger(&mut streams).await;
        let call = super::super::calls::Calls::default().next_key();
        for from in [named, proven] {
            assert_eq!(streams.belongs_to((PATH, from), call), Some(call));
        }
        streams.is_proven((PATH, proven));
        assert_eq!(streams.due(), Some(Instant::from_millis(10_000)));
        assert_eq!(streams.take_broken(Instant::from_millis(9_999)), []);
        let gone = streams.take_broken(Instant::from_millis(10_000));
        assert_eq!(gone, [(call, PATH, named)], "the silent one was nobody's: {silent}");
        assert_eq!((streams.streams.len(), streams.due()), (1, None));
        streams.retain_of(call, |path, to| (path, to) != (PATH, proven));
        assert!(streams.streams.is_empty());
    }

    #[tokio::test]
    async fn a_check_makes_one_connection_for_its_call_and_nothing_else_makes_any() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ends = (PATH, listener.local_addr().unwrap());
        let from = Some(([127, 0, 0, 1], 0).into());
        let mut calls = super::super::calls::Calls::default();
        let mut streams = Streams::default();
        let mut send = |call, from, packet: &[u8]| {
            streams.send(Instant::ZERO, call, ends, from, packet);
            streams.streams.len()
        };
        let [one, other] = [(); 2].map(|()| calls.next_key());
        assert_eq!(send(one, from, b"\x16\xfe\xfd"), 0, "DTLS comes later");
        assert_eq!(send(one, None, b"\0\x01"), 0, "a path that listens");
        assert_eq!(send(one, from, b"\0\x01"), 1);
        assert_eq!(send(one, from, b"\0\x01"), 1, "on its way");
        assert_eq!(send(other, from, b"\0\x01"), 2, "calls share none");
    }
}
