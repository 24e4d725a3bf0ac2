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
//! What one can't take now waits in a bounded queue, and beyond that is dropped, as on any busy network. Only
//! those that have something cost anything: see `roused.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::ice::PathId;
use crate::net::driver::calls::CallKey;
use crate::net::driver::network::{Arrived, Whose};
use crate::net::driver::roused::{Alarm, Roused};
use crate::net::message_stream::{self, Framing, MessageStream, Taken};
use crate::net::udp::Received;
use crate::time::Instant;

/// A connection's two ends: our path, their address.
type Ends = (PathId, SocketAddr);

/// Names one; never used again.
type Number = u64;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// The oldest first.
    streams: BTreeMap<Number, Stream>,
    made: Number,
    /// Those that a call sends by.
    of_calls: HashMap<(CallKey, Ends), Number>,
    /// Those that may have something now, or have never been looked at.
    roused: Roused<Number>,
    /// The same while they are looked at; here, so that it is allocated once.
    looked_at: Vec<Number>,
    /// Those that have something, each in its turn.
    readable: VecDeque<Number>,
    /// Until when some have to be open and proven.
    due: BTreeSet<(Instant, Number)>,
    /// Those that broke, for their calls to be told.
    broken: Vec<Number>,
}

#[derive(Debug)]
struct Stream {
    ends: Ends,
    call: Option<CallKey>,
    link: Link,
    readiness: Readiness,
    alarm: Arc<Alarm<Number>>,
    /// The same, as sockets want it.
    waker: Waker,
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
        let is_stranger = |number: &Number| {
            let stream = self.streams.get(number);
            stream.is_some_and(|it| !matches!(it.link, Link::Connecting(..)))
        };
        let mut strangers = self.due.iter().map(|(_, number)| *number).filter(is_stranger);
        let oldest = strangers.next();
        if 1 + strangers.count() >= MOST_STRANGERS
            && let Some(oldest) = oldest
        {
            self.remove(oldest);
        }
        let link = Link::Open(MessageStream::new(stream, Framing::Length));
        self.add(now, (path, from), None, link);
    }

    fn add(&mut self, now: Instant, ends: Ends, call: Option<CallKey>, link: Link) {
        let (number, due) = (self.made, now + PATIENCE);
        self.made = self.made.wrapping_add(1);
        let (readiness, alarm) = (Readiness::Drained, self.roused.alarm(number));
        let waker = Waker::from(Arc::clone(&alarm));
        let (due_at, unproven) = (Some(due), 0);
        let stream = Stream { ends, call, link, readiness, alarm, waker, due: due_at, unproven };
        self.streams.insert(number, stream);
        self.due.insert((due, number));
        self.of_calls.extend(call.map(|call| ((call, ends), number)));
    }

    fn remove(&mut self, number: Number) -> Option<Stream> {
        let stream = self.streams.remove(&number)?;
        if let Some(due) = stream.due {
            self.due.remove(&(due, number));
        }
        if let Some(call) = stream.call
            && self.of_calls.get(&(call, stream.ends)) == Some(&number)
        {
            self.of_calls.remove(&(call, stream.ends));
        }
        Some(stream)
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
        let of_call = self.of_calls.get(&(call, ends));
        if let Some(stream) = of_call.and_then(|number| self.streams.get_mut(number)) {
            return stream.send(packet);
        }
        let Some(from) = from.filter(|_| is_check(packet)) else { return };
        if self.streams.values().filter(|it| it.call == Some(call)).count() >= MOST_OF_A_CALL {
            return;
        }
        let (_, to) = ends;
        let connecting = Box::pin(message_stream::connect(to, Some(from)));
        self.add(now, ends, Some(call), Link::Connecting(connecting, vec![packet.to_vec()]));
    }

    /// A stranger named this call.
    pub(super) fn belongs_to(&mut self, ends: Ends, call: CallKey) -> Option<CallKey> {
        let (number, stream) = self.stranger(ends)?;
        stream.call = Some(call);
        self.of_calls.insert((call, ends), number);
        Some(call)
    }

    /// A stranger is none any more.
    pub(super) fn is_proven(&mut self, ends: Ends) {
        if let Some((number, stream)) = self.stranger(ends)
            && let Some(due) = stream.due.take()
        {
            self.due.remove(&(due, number));
        }
    }

    /// A stranger sent something else than a check for one of us.
    pub(super) fn close_strangers(&mut self, ends: Ends) {
        while let Some((number, _)) = self.stranger(ends) {
            self.remove(number);
        }
    }

    fn stranger(&mut self, ends: Ends) -> Option<(Number, &mut Stream)> {
        let mut strangers = self.due.iter().map(|(_, number)| *number);
        let is_it = |number: &Number| self.streams.get(number).is_some_and(|it| it.ends == ends);
        let number = strangers.find(is_it)?;
        Some((number, self.streams.get_mut(&number)?))
    }

    /// Closes those of a call that are of no use to it.
    pub(super) fn retain_of(
        &mut self,
        call: CallKey,
        is_used: impl Fn(PathId, SocketAddr) -> bool,
    ) {
        let is_idle = |it: &Stream| it.call == Some(call) && !is_used(it.ends.0, it.ends.1);
        let idle = self.streams.iter().filter(|(_, it)| is_idle(it)).map(|(number, _)| *number);
        for number in idle.collect::<Vec<_>>() {
            if let Some(Stream { link: Link::Open(mut stream), .. }) = self.remove(number) {
                stream.flush_now();
            }
        }
    }

    /// Those that broke since the last time, or took too long.
    pub(super) fn take_broken(&mut self, now: Instant) -> Vec<(CallKey, PathId, SocketAddr)> {
        let late = self.due.iter().take_while(|(due, _)| *due <= now).map(|(_, number)| *number);
        self.broken.extend(late);
        let mut told = Vec::new();
        while let Some(number) = self.broken.pop() {
            let Some(Stream { ends, call, .. }) = self.remove(number) else { continue };
            told.extend(call.map(|call| (call, ends.0, ends.1)));
        }
        told
    }

    /// When one has taken too long.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Ready when one may have something; also connects, and writes what is queued.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut roused = std::mem::take(&mut self.looked_at);
        self.roused.take(cx.waker(), &mut roused);
        for number in roused.drain(..) {
            let Some(stream) = self.streams.get_mut(&number) else { continue };
            stream.alarm.reset();
            let due = stream.due;
            let poll = stream.poll();
            if let (Some(due), None) = (due, stream.due) {
                self.due.remove(&(due, number));
            }
            if poll.is_ready() && stream.readiness == Readiness::Drained {
                stream.readiness = Readiness::Readable;
                self.readable.push_back(number);
            }
        }
        self.looked_at = roused;
        if self.readable.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// The next packet of any of them, of each in turn; none when all are drained.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Option<Arrived> {
        while let Some(number) = self.readable.pop_front() {
            let Some(stream) = self.streams.get_mut(&number) else { continue };
            match stream.take(buffer) {
                Taken::Message(length) => {
                    self.readable.push_back(number);
                    return Some(stream.arrived(length));
                }
                Taken::Nothing => {}
                Taken::Broken => {
                    stream.link = Link::Broken;
                    self.broken.push(number);
                }
            }
            stream.readiness = Readiness::Drained;
            stream.alarm.raise(); // only who was looked at in vain wakes us
        }
        None
    }
}

impl Stream {
    fn poll(&mut self) -> Poll<()> {
        let cx = &mut Context::from_waker(&self.waker);
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

    fn send(&mut self, packet: &[u8]) {
        match &mut self.link {
            Link::Connecting(_, waiting) if waiting.len() < MOST_WAITING => {
                waiting.push(packet.to_vec());
            }
            // What it does not take is written when it is polled.
            Link::Open(stream) => stream.send(&mut Context::from_waker(&self.waker), packet),
            Link::Connecting(..) | Link::Broken => {}
        }
    }

    fn take(&mut self, buffer: &mut [u8]) -> Taken {
        loop {
            let taken = match &mut self.link {
                Link::Open(stream) => stream.take(buffer),
                Link::Connecting(..) => Taken::Nothing,
                Link::Broken => Taken::Broken,
            };
            match taken {
                Taken::Message(0) => {}
                Taken::Message(length) if self.is_too_much(length) => return Taken::Broken,
                taken => return taken,
            }
        }
    }

    fn arrived(&self, length: usize) -> Arrived {
        let (path, from) = self.ends;
        let whose = match (self.due, self.call) {
            (None, Some(call)) => Whose::Of(call),
            (_, call) => Whose::Strangers(call),
        };
        Arrived { packet: Received { path, from, length }, whose }
    }

    /// Whether a stranger sends more than checks would be.
    fn is_too_much(&mut self, length: usize) -> bool {
        self.unproven += usize::from(self.due.is_some());
        self.due.is_some() && (self.unproven > MOST_UNPROVEN || length > LONGEST_UNPROVEN)
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
    use crate::net::message_stream::tests::Counted;
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;
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
    async fn whoever_has_nothing_is_not_looked_at() {
        use std::sync::atomic::Ordering;
        use tokio::io::AsyncWriteExt;
        let mut streams = Streams::default();
        let call = super::super::calls::Calls::default().next_key();
        let looks: Vec<Arc<AtomicUsize>> = (0..40).map(|_| Arc::default()).collect();
        let addr = |port: u16| SocketAddr::from(([192, 0, 2, 1], port));
        let mut far: Vec<_> = (5_000..)
            .zip(&looks)
            .map(|(port, looks)| {
                let (stream, far) = Counted::pipe(looks, Framing::Length);
                streams.add(Instant::ZERO, (PATH, addr(port)), Some(call), Link::Open(stream));
                streams.is_proven((PATH, addr(port)));
                far
            })
            .collect();
        let mut buffer = [0; 100];
        for _ in 0..100 {
            far[7].write_all(b"\0\x02hi").await.unwrap();
            let arrived = loop {
                if let Some(arrived) = streams.receive(&mut buffer) {
                    break arrived;
                }
                poll_fn(|cx| streams.poll_readable(cx)).await;
            };
            assert_eq!((arrived.packet.from, arrived.whose), (addr(5_007), Whose::Of(call)));
            assert_eq!(buffer[..arrived.packet.length], *b"hi");
        }
        let looks: Vec<_> = looks.iter().map(|looks| looks.load(Ordering::Relaxed)).collect();
        assert!((100..=210).contains(&looks[7]), "twice for each message: {looks:?}");
        assert!(looks.iter().enumerate().all(|(n, looks)| n == 7 || *looks == 1), "{looks:?}");
        drop(far.remove(3));
        poll_fn(|cx| streams.poll_readable(cx)).await;
        assert!(streams.receive(&mut buffer).is_none());
        assert_eq!(streams.take_broken(Instant::ZERO), [(call, PATH, addr(5_003))]);
        assert_eq!(streams.take_broken(Instant::ZERO), [], "told once");
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
