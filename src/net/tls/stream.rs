//! A TCP stream that remembers how the other side began: does it speak TLS at all?
//!
//! OpenSSL only says "wrong version number" when a plain HTTP server answers a TLS handshake. The first
//! bytes tell more, and a person who called an unencrypted port is told so.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How the other side answered our first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// Not yet, or not at all.
    Nothing,
    /// With a TLS record.
    Tls,
    /// With an HTTP answer in the clear.
    Http,
    /// With something else.
    Other,
}

/// The stream and its first bytes.
#[derive(Debug)]
pub struct Noted<S> {
    stream: S,
    first: [u8; 5],
    length: usize,
}

impl<S> Noted<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, first: [0; 5], length: 0 }
    }

    /// The stream itself.
    pub const fn inner(&self) -> &S {
        &self.stream
    }

    pub(super) fn beginning(&self) -> Beginning {
        match self.first.get(..self.length).unwrap_or_default() {
            [] => Beginning::Nothing,
            [ALERT | HANDSHAKE, ..] => Beginning::Tls,
            begun if b"HTTP/".starts_with(begun) => Beginning::Http,
            _ => Beginning::Other,
        }
    }

    fn note(&mut self, read: &[u8]) {
        let room = self.first.iter_mut().skip(self.length);
        let noted = room.zip(read).map(|(place, byte)| *place = *byte).count();
        self.length += noted;
    }
}

/// TLS record types (RFC 8446 section 5.1).
const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        if this.length < this.first.len() {
            this.note(buffer.filled().get(before..).unwrap_or_default());
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_is_spoken() {
        let began = |parts: &[&[u8]]| {
            let mut noted = Noted::new(());
            parts.iter().for_each(|part| noted.note(part));
            noted.beginning()
        };
        assert_eq!(began(&[]), Beginning::Nothing);
        assert_eq!(began(&[b"\x16\x03\x03"]), Beginning::Tls);
        assert_eq!(began(&[b"\x15", b"\x03\x01\0\x02\x02"]), Beginning::Tls);
        assert_eq!(began(&[b"HTTP/1.1 400 Bad Request"]), Beginning::Http);
        assert_eq!(began(&[b"HT", b"TP", b"/1.0", b"x"]), Beginning::Http);
        assert_eq!(began(&[b"SSH-2.0-x"]), Beginning::Other);
        assert_eq!(began(&[b"HT", b"ML"]), Beginning::Other);
    }
}
