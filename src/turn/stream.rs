//! Messages on a stream: where one ends and the next begins (RFC 8656 section 12.5, RFC 8489 section
//! 6.2.2).
//!
//! Both kinds carry their length: a STUN message in its header, always a multiple of 4; ChannelData in its
//! own, padded to a multiple of 4. So the first two bits and a length say all, and nothing is put between
//! messages. A stream that has lost its rhythm can't find it again: the first byte that is neither ends it.
//!
//! Comes from `net`, which owns the connection; whole messages go to [`super::Client::receive`].

use crate::stun::header::HEADER_LEN;
use crate::wire::{Extent, Messages, OutOfStep};

/// The longest message: a STUN header, and as much as its length field counts.
const LONGEST: usize = HEADER_LEN + 0xffff;

/// What comes by a stream that has just begun.
#[must_use]
pub const fn messages() -> Messages {
    Messages::new(extent, LONGEST)
}

/// Where the message lies that `bytes` begin with.
fn extent(bytes: &[u8]) -> Result<Option<Extent>, OutOfStep> {
    let Some([first, _, l0, l1]) = bytes.first_chunk::<4>() else { return Ok(None) };
    let counted = usize::from(u16::from_be_bytes([*l0, *l1]));
    match first >> 6 {
        0 if counted % 4 == 0 => {
            let length = HEADER_LEN + counted;
            Ok(Some(Extent { skip: 0, length, whole: length }))
        }
        1 => {
            let length = super::channel::HEADER_LEN + counted;
            Ok(Some(Extent { skip: 0, length, whole: length.next_multiple_of(4) }))
        }
        _ => Err(OutOfStep),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken(stream: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, OutOfStep> {
        let mut messages = messages();
        let mut taken = Vec::new();
        for piece in stream.chunks(piece.max(1)) {
            assert!(messages.push(piece));
            while let Some(message) = messages.next_message()? {
                taken.push(message.to_vec());
            }
        }
        Ok(taken)
    }

    fn stun(attributes: usize) -> Vec<u8> {
        let mut message = vec![1, 1, 0, u8::try_from(attributes).unwrap()];
        message.resize(HEADER_LEN + attributes, 7);
        message
    }

    #[test]
    fn messages_come_whole_however_the_stream_is_cut() {
        // rfc8656-12.5-1
        let padded = b"\x40\x00\x00\x05sound\0\0\0";
        let stream = [&stun(8)[..], padded, &stun(0), b"\x4f\xff\x00\x04four"].concat();
        let whole =
            [stun(8), padded[..9].to_vec(), stun(0), b"\x4f\xff\x00\x04four".to_vec()].to_vec();
        for piece in 1..=stream.len() {
            assert_eq!(taken(&stream, piece).unwrap(), whole, "in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_neither_ends_the_stream() {
        assert_eq!(taken(b"HTTP/1.1 400 Bad Request\r\n", 100), Ok(vec![]), "0x48: it could be");
        assert_eq!(taken(&[0x16 | 0x80, 3, 1, 0], 4), Err(OutOfStep));
        assert_eq!(taken(&[0, 1, 0, 3], 4), Err(OutOfStep), "no STUN has 3 bytes of attributes");
    }

    #[test]
    fn a_stream_that_promises_much_takes_no_more_than_that() {
        let mut messages = messages();
        messages.push(&[0x40, 0, 0xff, 0xff]);
        let pushed = (0..1_000).filter(|_| messages.push(&[0; 1_000])).count();
        assert_eq!(pushed, 131);
        assert_eq!(messages.next_message().unwrap().map(|message| message.len()), Some(65_539));
    }

    proptest! {
        #[test]
        fn no_stream_panics(stream: Vec<u8>, piece in 1_usize..50) {
            let _ = taken(&stream, piece);
        }
    }
}
