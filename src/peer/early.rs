//! What overtook the datagram that it waits for: DTLS before there is a pair, media before there are keys.
//!
//! Kept by `transport.rs` for a moment.

use std::collections::VecDeque;

/// Datagrams kept for a moment, the oldest first, and not more than a few: a stranger can send many.
pub(super) struct Early {
    kept: VecDeque<Vec<u8>>,
    most: usize,
}

impl Early {
    pub(super) fn new(most: usize) -> Self {
        Self { kept: VecDeque::new(), most }
    }

    /// Says whether there was room.
    pub(super) fn keep(&mut self, datagram: &[u8]) -> bool {
        let room = self.kept.len() < self.most;
        if room {
            self.kept.push_back(datagram.to_vec());
        }
        room
    }

    /// The oldest, which is kept no more.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        self.kept.pop_front()
    }
}
