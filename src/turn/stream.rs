//! Messages on a stream: where one ends and the next begins (RFC 8656 section 12.5, RFC 8489 section
//! 6.2.2).
//!
//! Both kinds carry their length: a STUN message in its header, always a multiple of 4; ChannelData in its
//! own, padded to a multiple of 4. So the first two bits and a length say all, and nothing is put between
//! messages. A stream that has lost its rhythm can't find it again: the first byte that is neither ends it.
//!
//! Comes from `net`, which owns the connection; whole messages go to [`super::Client::receive`].

use crate::stun::header::HEADER_LEN;

/// Bytes that have come, and of which messages are taken.
#[derive(Debug, Default)]
pub struct Messages {
    bytes: Vec<u8>,
    /// Those before were taken.
    taken: usize,
}

/// The stream carries something else than TURN, or is out of step: close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream carries something else than STUN and ChannelData")]
pub struct OutOfStep;

/// The longest message: a STUN header, and as much as its length field counts.
const LONGEST: usize = HEADER_LEN + 0xffff;

impl Messages {
    /// These bytes have come. Says whether there was room: take messages in between, and there is.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        let fits = self.bytes.len() + bytes.len() <= 2 * LONGEST;
        if fits {
            self.bytes.extend_from_slice(bytes);
        }
        fits
    }

    /// The next whole message; `None` if more has to come first.
    ///
    /// # Errors
    /// The stream is of no use any more.
    pub fn next_message(&mut self) -> Result<Option<&mut [u8]>, OutOfStep> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((length, padded)) = lengths(rest)? else { return Ok(None) };
        if rest.len() < padded {
            return Ok(None);
        }
        let begin = self.taken;
        self.taken += padded;
        Ok(self.bytes.get_mut(begin..begin + length))
    }
}

/// Length of the message that `bytes` begins with, without padding and with it.
fn lengths(bytes: &[u8]) -> Result<Option<(usize, usize)>, OutOfStep> {
    let Some([first, _, l0, l1]) = bytes.first_chunk::<4>() else { return Ok(None) };
    let counted = usize::from(u16::from_be_bytes([*l0, *l1]));
    match first >> 6 {
        0 if counted % 4 == 0 => Ok(Some((HEADER_LEN + counted, HEADER_LEN + counted))),
        1 => {
            let length = super::channel::HEADER_LEN + counted;
            Ok(Some((length, length.next_multiple_of(4))))
        }
        _ => Err(OutOfStep),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken(stream: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, OutOfStep> {
        let mut messages = Messages::default();
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
        let mut messages = Messages::default();
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
