//! Extended reports (RFC 3611), of which two blocks matter here: how someone who sends nothing learns the
//! round trip.
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |  block type   | type-specific | length in words, less one     |
//! +---------------+---------------+-------------------------------+
//! | 4: NTP time (8)          5: SSRC, LRR, DLRR (4 each), many    |
//! ```
//! A receiver sends its time in a block 4; the sender answers in a block 5, as LSR and DLSR would.
//! halloo sends sound in both directions and needs neither; others put them behind their reports. Read
//! next: `write.rs`.

use crate::time::NtpTime;
use crate::wire::{ParseError, Reader};

use super::super::Ssrc;

/// XR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedReport<'a> {
    /// The five bits that mean nothing.
    pub reserved: u8,
    /// Who sends it.
    pub ssrc: Ssrc,
    /// The blocks as they came.
    pub bytes: &'a [u8],
}

impl<'a> ExtendedReport<'a> {
    pub(super) fn read(reserved: u8, r: &mut Reader<'a>) -> Result<Self, ParseError> {
        Ok(Self { reserved, ssrc: Ssrc(r.u32()?), bytes: r.rest() })
    }

    /// The blocks, up to the first that is cut off.
    pub fn blocks(&self) -> impl Iterator<Item = XrBlock<'a>> + use<'a> {
        let mut r = Reader::new(self.bytes);
        std::iter::from_fn(move || XrBlock::read(&mut r).ok())
    }
}

/// One block of an extended report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XrBlock<'a> {
    /// Type 4: the time at a receiver.
    ReceiverReferenceTime(NtpTime),
    /// Type 5: when that time was seen by a sender, and how long ago: `ssrc`, `lrr`, `dlrr`.
    DelaySinceLast(&'a [[u8; 12]]),
    /// Any other.
    Other {
        /// The block's type.
        block_type: u8,
        /// All behind its first word.
        body: &'a [u8],
    },
}

impl<'a> XrBlock<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let [block_type, _specific, l0, l1] = r.array()?;
        let body = r.take(4 * usize::from(u16::from_be_bytes([l0, l1])))?;
        Ok(match (block_type, body.as_array()) {
            (4, Some(time)) => Self::ReceiverReferenceTime(NtpTime(u64::from_be_bytes(*time))),
            (5, _) => Self::DelaySinceLast(body.as_chunks().0),
            _ => Self::Other { block_type, body },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_a_cut_block_ends_the_list() {
        let body = [
            0, 0, 0, 7, 4, 0, 0, 2, 0, 0, 0, 1, 0x80, 0, 0, 0, 42, 0, 0, 1, 1, 2, 3, 4, 5, 0, 0, 3,
        ];
        let report = ExtendedReport::read(0, &mut Reader::new(&body)).unwrap();
        let blocks: Vec<_> = report.blocks().collect();
        let expected = [
            XrBlock::ReceiverReferenceTime(NtpTime(0x1_8000_0000)),
            XrBlock::Other { block_type: 42, body: &[1, 2, 3, 4] },
        ];
        assert_eq!((report.ssrc, &blocks[..]), (Ssrc(7), &expected[..]));
    }
}
