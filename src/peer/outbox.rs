//! Datagrams that wait to be polled, in buffers that are used again: once warm, nothing is allocated
//! per packet.
//!
//! ```text
//! | room for what a relay wants in front | the packet | its tag |
//!                                  ^ begin, or further to the left if it goes by a relay
//! ```

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::ice::{self, PathId};

/// More than this waiting means that nobody polls: the oldest go. A datagram late is a datagram lost.
const MOST_WAITING: usize = 64;

/// Room for a packet of the largest kind that we build, and its tag.
const BUFFER: usize = 1_500;

/// A first-in, first-out queue of datagrams.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Datagram>,
    lent: Option<Datagram>,
    spare: Vec<Vec<u8>>,
    dropped: u64,
}

#[derive(Debug)]
struct Datagram {
    path: PathId,
    to: SocketAddr,
    bytes: Vec<u8>,
    begin: usize,
}

/// How much room every buffer has in front.
pub(crate) const HEADROOM: usize = ice::HEADROOM;

impl Outbox {
    /// A buffer to append a packet to, with [`HEADROOM`] in front; give it back by [`Self::push`] or
    /// [`Self::recycle`].
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        let mut buffer = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(BUFFER));
        buffer.resize(HEADROOM, 0);
        buffer
    }

    /// Queues a datagram, which begins there in its buffer.
    pub(crate) fn push(&mut self, path: PathId, to: SocketAddr, bytes: Vec<u8>, begin: usize) {
        if self.waiting.len() == MOST_WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.dropped += 1;
            self.recycle(oldest.bytes);
        }
        self.waiting.push_back(Datagram { path, to, bytes, begin });
    }

    /// Queues a copy of what another machine lends.
    pub(crate) fn push_copy(&mut self, path: PathId, to: SocketAddr, bytes: &[u8]) {
        let mut copy = self.buffer();
        copy.extend_from_slice(bytes);
        self.push(path, to, copy, HEADROOM);
    }

    /// Takes a buffer back.
    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < MOST_WAITING {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Turns to the oldest datagram that waits, if there is one: [`Self::lent`] lends it.
    pub(crate) fn advance(&mut self) -> bool {
        if let Some(sent) = self.lent.take() {
            self.recycle(sent.bytes);
        }
        self.lent = self.waiting.pop_front();
        self.lent.is_some()
    }

    /// The datagram that was turned to.
    pub(crate) fn lent(&self) -> Option<(PathId, SocketAddr, &[u8])> {
        let next = self.lent.as_ref()?;
        Some((next.path, next.to, next.bytes.get(next.begin..)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[test]
    fn datagrams_leave_in_order_and_buffers_come_back() {
        let mut outbox = Outbox::default();
        outbox.push_copy(PathId(0), to(1), b"first");
        outbox.push_copy(PathId(0), to(2), b"second");
        assert!(outbox.advance());
        assert_eq!(outbox.lent(), Some((PathId(0), to(1), &b"first"[..])));
        assert!(outbox.advance());
        assert_eq!(outbox.lent(), Some((PathId(0), to(2), &b"second"[..])));
        assert!(!outbox.advance());
        assert_eq!(outbox.spare.len(), 2);
        assert_eq!(outbox.buffer().len(), HEADROOM, "a used buffer comes back empty");
    }

    #[test]
    fn an_outbox_that_nobody_polls_keeps_the_newest() {
        let mut outbox = Outbox::default();
        for port in 0..100 {
            outbox.push_copy(PathId(0), to(port), b"x");
        }
        assert_eq!(outbox.dropped, 36);
        assert!(outbox.advance());
        assert_eq!(outbox.lent().map(|(_, to, _)| to.port()), Some(36));
    }
}
