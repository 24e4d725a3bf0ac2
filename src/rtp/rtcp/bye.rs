//! Goodbye: sources that leave (RFC 3550 section 6.6).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---+-+---------+---------------+-------------------------------+
//! |V=2|P|   SC    |    BYE=203    |             length            |
//! +---+-+---------+---------------+-------------------------------+
//! |                          SSRC, SC times                       |
//! +---------------+-----------------------------------------------+
//! |    length     |   why, filled to a word                       |  may be missing
//! +---------------+-----------------------------------------------+
//! ```
//! It is the last packet of its compound; aiortc sends it alone. Read next: `feedback.rs`.

use crate::wire::{ParseError, Reader};

use super::super::Ssrc;

/// BYE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goodbye<'a> {
    sources: &'a [u8],
    /// Why they leave, if they say: UTF-8 if the sender is honest.
    pub reason: Option<&'a [u8]>,
}

impl<'a> Goodbye<'a> {
    pub(super) fn read(count: u8, r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let sources = r.take(4 * usize::from(count))?;
        let reason = if r.is_empty() {
            None
        } else {
            let length = usize::from(r.u8()?);
            Some(r.take(length)?)
        };
        Ok(Self { sources, reason })
    }

    /// Who leaves.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = Ssrc> + 'a {
        self.sources.as_chunks().0.iter().map(|ssrc| Ssrc(u32::from_be_bytes(*ssrc)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_and_may_be_missing() {
        let body = [0, 0, 0, 1, 3, b'F', b'O', b'O'];
        let bye = Goodbye::read(1, &mut Reader::new(&body)).unwrap();
        assert_eq!(bye.sources().collect::<Vec<_>>(), [Ssrc(1)]);
        assert_eq!(bye.reason, Some(&b"FOO"[..]));
        assert_eq!(Goodbye::read(1, &mut Reader::new(&body[..4])).unwrap().reason, None);
        assert_eq!(Goodbye::read(1, &mut Reader::new(&body[..7])).unwrap_err().at, 5);
    }
}
