//! Packets on a TCP connection to the other side: each has its length in two bytes in front (RFC 4571
//! section 2), be it STUN, DTLS or SRTP (RFC 6544 section 3).
//!
//! ```text
//!  0                   1
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//! +-------------------------------+---------------- - -
//! |            length             | the packet
//! +-------------------------------+---------------- - -
//! ```
//! Comes from `net`, which owns the connection; whole packets go to [`super::Agent`] as datagrams do. Read
//! next: `agent.rs`.

use crate::wire::{Extent, Messages, OutOfStep};

/// Bytes of the length.
const LENGTH: usize = 2;

/// What comes by a connection that has just begun.
#[must_use]
pub const fn messages() -> Messages {
    Messages::new(extent, LENGTH + 0xffff)
}

/// Where the packet lies that `bytes` begin with. None is wrong: an empty one means nothing.
fn extent(bytes: &[u8]) -> Result<Option<Extent>, OutOfStep> {
    let counted = bytes.first_chunk::<LENGTH>().map(|length| u16::from_be_bytes(*length).into());
    Ok(counted.map(|length| Extent { skip: LENGTH, length, whole: LENGTH + length }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_whole_however_the_stream_is_cut() {
        let stream = b"\0\x05sound\0\0\0\x01!\0\x09and a bi";
        for piece in 1..=stream.len() {
            let mut messages = messages();
            let mut taken = Vec::new();
            for piece in stream.chunks(piece) {
                assert!(messages.push(piece));
                while let Some(packet) = messages.next_message().unwrap() {
                    taken.push(packet.to_vec());
                }
            }
            assert_eq!(taken, [&b"sound"[..], b"", b"!"], "in pieces of {piece}");
        }
    }

    #[test]
    fn a_stream_that_promises_much_takes_no_more_than_that() {
        let mut messages = messages();
        messages.push(&[0xff, 0xff]);
        let pushed = (0..1_000).filter(|_| messages.push(&[0; 1_000])).count();
        assert_eq!(pushed, 131);
        assert_eq!(messages.next_message().unwrap().map(|packet| packet.len()), Some(0xffff));
    }
}
