//! A stream that carries messages: to a TURN server by TCP or by TLS on it, or to the other side (RFC 4571).
//!
//! ```text
//! messages out --> the stream
//!              '-> a queue of 64 KiB, if it takes no more  what finds no room is dropped: late sound is no sound
//! the stream --> wire::Messages --> whole messages
//! ```
//! Whoever polls it writes what is queued and reads what has come; nothing here waits.
//!
//! Made by `relay_stream.rs` and `driver/streams.rs`.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};

use crate::wire::Messages;
use crate::{ice, turn};

/// What carries it.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connected stream.
pub struct MessageStream {
    stream: Box<dyn Duplex>,
    messages: Messages,
    framing: Framing,
    queue: Vec<u8>,
    state: State,
    /// Messages that found the queue full, told at the end.
    dropped: u64,
}

/// How messages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By what they are: STUN and ChannelData (RFC 8656 section 12.5).
    Turn,
    /// By their length, in two bytes in front (RFC 4571).
    Length,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// It broke, and nobody was told yet.
    Broken,
    Told,
}

/// What comes next out of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A message of this length, in the caller's buffer.
    Message(usize),
    /// Nothing yet.
    Nothing,
    /// The stream broke; said once.
    Broken,
}

/// Bytes that may wait for the network: a second of several calls' sound.
const QUEUE: usize = 64 << 10;

/// A TCP connection from an address of ours, if one is named.
///
/// # Errors
/// The other side refuses, or there is no way there.
pub async fn connect(addr: SocketAddr, from: Option<SocketAddr>) -> io::Result<TcpStream> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(mut from) = from {
        from.set_port(0);
        socket.bind(from)?;
    }
    let stream = socket.connect(addr).await?;
    stream.set_nodelay(true)?; // a packet of sound waits for no other
    Ok(stream)
}

impl MessageStream {
    /// Messages by a stream that has just begun.
    #[must_use]
    pub fn new(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        framing: Framing,
    ) -> Self {
        Self {
            stream: Box::new(stream),
            messages: match framing {
                Framing::Turn => turn::stream::messages(),
                Framing::Length => ice::stream::messages(),
            },
            framing,
            queue: Vec::new(),
            state: State::Open,
            dropped: 0,
        }
    }

    /// Sends a message at once, as far as the stream takes it; the rest waits for the next poll, unless too much
    /// waits already.
    pub fn send(&mut self, cx: &mut Context<'_>, message: &[u8]) {
        let length = match self.framing {
            Framing::Turn => None,
            Framing::Length => match u16::try_from(message.len()) {
                Ok(length) => Some(length.to_be_bytes()),
                Err(_) => return self.dropped += 1,
            },
        };
        if self.queue.len() + message.len() > QUEUE {
            return self.dropped += 1;
        }
        let is_blocked = !self.queue.is_empty();
        let written = match length {
            None if !is_blocked => self.write_now(cx, message),
            _ => 0,
        };
        self.queue.extend(length.into_iter().flatten());
        self.queue.extend_from_slice(message.get(written..).unwrap_or_default());
        if !is_blocked {
            self.flush(cx);
        }
    }

    /// Says how much of it has left.
    fn write_now(&mut self, cx: &mut Context<'_>, message: &[u8]) -> usize {
        if self.state != State::Open {
            return 0;
        }
        match Pin::new(&mut self.stream).poll_write(cx, message) {
            Poll::Pending => 0,
            Poll::Ready(Ok(written)) if written > 0 => written,
            Poll::Ready(_) => {
                self.break_off(cx);
                0
            }
        }
    }

    /// Writes what is queued, and reads what has come. Ready when [`Self::take`] may have something.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.flush(cx);
        if self.state != State::Open {
            return if self.state == State::Broken { Poll::Ready(()) } else { Poll::Pending };
        }
        let mut bytes = [MaybeUninit::uninit(); 16 << 10];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                if !self.messages.push(buffer.filled()) {
                    self.state = State::Broken;
                }
            }
            Poll::Ready(_) => self.state = State::Broken,
        }
        Poll::Ready(())
    }

    /// The next message, copied into `buffer`.
    pub fn take(&mut self, buffer: &mut [u8]) -> Taken {
        match self.messages.next_message() {
            Ok(Some(message)) => {
                let Some(room) = buffer.get_mut(..message.len()) else { return Taken::Nothing };
                room.copy_from_slice(message);
                return Taken::Message(message.len());
            }
            Ok(None) => {}
            Err(_out_of_step) if self.state == State::Open => self.state = State::Broken,
            Err(_) => {}
        }
        if self.state == State::Broken {
            self.state = State::Told;
            return Taken::Broken;
        }
        Taken::Nothing
    }

    /// Writes as much as the system takes at once: the last messages before the end.
    pub fn flush_now(&mut self) {
        self.flush(&mut Context::from_waker(Waker::noop()));
    }

    fn flush(&mut self, cx: &mut Context<'_>) {
        while !self.queue.is_empty() && self.state == State::Open {
            match Pin::new(&mut self.stream).poll_write(cx, &self.queue) {
                Poll::Pending => return,
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.queue.drain(..written.min(self.queue.len()));
                }
                Poll::Ready(_) => self.break_off(cx),
            }
        }
        if let Poll::Ready(Err(_)) = Pin::new(&mut self.stream).poll_flush(cx)
            && self.state == State::Open
        {
            self.break_off(cx);
        }
    }

    /// Has it looked at: somebody is to be told.
    fn break_off(&mut self, cx: &mut Context<'_>) {
        self.state = State::Broken;
        cx.waker().wake_by_ref();
    }
}

impl Drop for MessageStream {
    fn drop(&mut self) {
        if self.dropped > 0 {
            tracing::debug!("{} messages were dropped: their stream took no more", self.dropped);
        }
    }
}

impl std::fmt::Debug for MessageStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MessageStream({:?}, {} bytes queued)", self.state, self.queue.len())
    }
}

#[cfg(test)]
pub(in crate::net) mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A pipe that counts how often somebody looks for something in it.
    pub(in crate::net) struct Counted(tokio::io::DuplexStream, Arc<AtomicUsize>);

    impl Counted {
        pub(in crate::net) fn pipe(
            looks: &Arc<AtomicUsize>,
            framing: Framing,
        ) -> (MessageStream, tokio::io::DuplexStream) {
            let (ours, theirs) = tokio::io::duplex(1_024);
            (MessageStream::new(Self(ours, Arc::clone(looks)), framing), theirs)
        }
    }

    impl AsyncRead for Counted {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for Counted {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    fn noop() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    async fn readable(stream: &mut MessageStream) {
        poll_fn(|cx| stream.poll(cx)).await;
    }

    #[tokio::test]
    async fn messages_pass_both_ways_and_the_end_is_told_once() {
        let (ours, mut theirs) = tokio::io::duplex(1_024);
        let mut stream = MessageStream::new(ours, Framing::Turn);
        let mut buffer = [0; 100];
        theirs.write_all(b"\x40\x00\x00\x02hi\0\0\x40\x00\x00\x00\x40").await.unwrap();
        readable(&mut stream).await;
        assert_eq!(stream.take(&mut buffer), Taken::Message(6));
        assert_eq!(buffer[..6], *b"\x40\x00\x00\x02hi");
        assert_eq!(stream.take(&mut buffer), Taken::Message(4));
        assert_eq!(stream.take(&mut buffer), Taken::Nothing, "half of one");
        stream.send(&mut noop(), b"\x40\x00\x00\x02yo\0\0");
        let mut got = [0; 8];
        theirs.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"\x40\x00\x00\x02yo\0\0");
        drop(theirs);
        readable(&mut stream).await;
        assert_eq!(stream.take(&mut buffer), Taken::Broken);
        assert_eq!(stream.take(&mut buffer), Taken::Nothing);
    }

    #[tokio::test]
    async fn packets_to_the_other_side_have_their_length_in_front() {
        let (ours, mut theirs) = tokio::io::duplex(1_024);
        let mut stream = MessageStream::new(ours, Framing::Length);
        let mut buffer = [0; 100];
        theirs.write_all(b"\0\x03one\0\0\0\x05th").await.unwrap();
        readable(&mut stream).await;
        assert_eq!(stream.take(&mut buffer), Taken::Message(3));
        assert_eq!(buffer[..3], *b"one");
        assert_eq!(stream.take(&mut buffer), Taken::Message(0));
        assert_eq!(stream.take(&mut buffer), Taken::Nothing);
        theirs.write_all(b"ree").await.unwrap();
        readable(&mut stream).await;
        assert_eq!(stream.take(&mut buffer), Taken::Message(5));
        stream.send(&mut noop(), b"hi");
        stream.send(&mut noop(), &[0; 0x1_0000]); // longer than a length can say
        let mut got = [0; 4];
        theirs.read_exact(&mut got).await.unwrap();
        assert_eq!((&got, stream.dropped), (b"\0\x02hi", 1));
    }

    #[tokio::test]
    async fn what_a_blocked_stream_does_not_take_is_dropped() {
        let (ours, theirs) = tokio::io::duplex(16);
        let mut stream = MessageStream::new(ours, Framing::Turn);
        for _ in 0..1_000 {
            stream.send(&mut noop(), &[0x40; 100]);
        }
        assert!(stream.queue.len() <= QUEUE && stream.dropped > 300, "{stream:?}");
        drop(theirs);
    }

    #[tokio::test]
    async fn a_server_that_speaks_something_else_is_left() {
        let (ours, mut theirs) = tokio::io::duplex(1_024);
        let mut stream = MessageStream::new(ours, Framing::Turn);
        theirs.write_all(&[0x80, 1, 2, 3]).await.unwrap();
        readable(&mut stream).await;
        assert_eq!(stream.take(&mut [0; 100]), Taken::Broken);
    }
}
