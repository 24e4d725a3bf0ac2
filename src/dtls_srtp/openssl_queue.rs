//! The socket that OpenSSL believes it has: one datagram in, any number out.
//!
//! The one trap: datagrams must never be merged or split. A read gives exactly one, or would block; a
//! write takes exactly one.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// Datagrams between us and OpenSSL.
#[derive(Debug, Default)]
pub(super) struct Queue {
    arrived: Option<Vec<u8>>,
    leaving: VecDeque<Vec<u8>>,
}

/// More than a repeated flight with a long certificate chain.
const LEAVING_MAX: usize = 64;

impl Queue {
    /// Lays down a datagram for OpenSSL to read. It reads until nothing is left, so none waits here.
    pub(super) fn arrive(&mut self, datagram: &[u8]) {
        self.arrived = Some(datagram.to_vec());
    }

    /// Sends a datagram beside OpenSSL's own; past the limit the oldest is lost, as a network would
    /// lose it.
    pub(super) fn send(&mut self, datagram: &[u8]) {
        if self.leaving.len() == LEAVING_MAX {
            self.leaving.pop_front();
        }
        self.leaving.push_back(datagram.to_vec());
    }

    /// The next datagram to send.
    pub(super) fn leave(&mut self) -> Option<Vec<u8>> {
        self.leaving.pop_front()
    }

    /// All that is about to be sent.
    pub(super) fn leaving(&self) -> impl Iterator<Item = &[u8]> {
        self.leaving.iter().map(Vec::as_slice)
    }
}

impl Read for Queue {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = self.arrived.take().ok_or(io::ErrorKind::WouldBlock)?;
        datagram.as_slice().read(buffer) // what doesn't fit is lost, as with a socket
    }
}

impl Write for Queue {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.send(datagram);
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_takes_one_datagram_and_never_two() {
        let mut queue = Queue::default();
        let mut buffer = [0; 8];
        assert_eq!(queue.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        queue.arrive(&[1, 2, 3]);
        assert_eq!(queue.read(&mut buffer[..2]).unwrap(), 2);
        assert_eq!(queue.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_nobody_sends_does_not_pile_up() {
        let mut queue = Queue::default();
        for i in 0..200_u8 {
            queue.write_all(&[i]).unwrap();
        }
        assert_eq!(queue.leaving().count(), LEAVING_MAX);
        assert_eq!(queue.leave(), Some(vec![136]), "the newest are kept");
    }
}
