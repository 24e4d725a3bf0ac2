//! RED: a packet that carries older payloads again, in front of its own (RFC 2198 section 3).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-------------+---------------------------+-------------------+
//! |1|  block PT   |      timestamp offset     |   block length    |  once for each older block
//! +-+-------------+---------------------------+-------------------+
//! |0|  block PT   |   then all older blocks, oldest first, then the primary block
//! +-+-------------+
//! ```
//! halloo doesn't ask for RED: Opus has its own copy inside. But it can read it: the primary block is
//! the packet that would have come without it. Read next: `telephone_event.rs`.

use crate::wire::{ParseError, Reader};

/// One payload inside a RED payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedBlock<'a> {
    /// What the block is.
    pub payload_type: u8,
    /// How many ticks older than the packet's own timestamp; 0 for the primary block.
    pub timestamp_offset: u16,
    /// The payload itself.
    pub payload: &'a [u8],
}

/// The blocks of a RED payload that was found sound: oldest first, the primary block last.
#[derive(Clone, Debug)]
pub struct RedBlocks<'a> {
    headers: Reader<'a>,
    blocks: Reader<'a>,
    primary_seen: bool,
}

impl<'a> RedBlocks<'a> {
    /// Reads all block headers and measures the blocks.
    ///
    /// # Errors
    /// A header list without a primary block, or blocks longer than the payload.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ParseError> {
        let mut blocks = Reader::new(payload);
        let mut length = 0;
        while let (_, _, Some(block)) = header(&mut blocks)? {
            length += block;
        }
        blocks.clone().take(length)?;
        Ok(Self { headers: Reader::new(payload), blocks, primary_seen: false })
    }

    /// The payload that would have come without RED.
    #[must_use]
    pub fn primary(self) -> Option<RedBlock<'a>> {
        self.last()
    }
}

impl<'a> Iterator for RedBlocks<'a> {
    type Item = RedBlock<'a>;

    fn next(&mut self) -> Option<RedBlock<'a>> {
        if self.primary_seen {
            return None;
        }
        let (payload_type, timestamp_offset, length) = header(&mut self.headers).ok()?;
        self.primary_seen = length.is_none();
        let payload = self.blocks.take(length.unwrap_or(self.blocks.rest().len())).ok()?;
        Some(RedBlock { payload_type, timestamp_offset, payload })
    }
}

/// Payload type, timestamp offset, and the length, which only the primary block's header lacks.
fn header(r: &mut Reader<'_>) -> Result<(u8, u16, Option<usize>), ParseError> {
    let first = r.u8()?;
    if first & 0x80 == 0 {
        return Ok((first, 0, None));
    }
    let [a, b, c] = r.array()?;
    let offset = u16::from_be_bytes([a, b]) >> 2;
    let length = usize::from(u16::from_be_bytes([b & 0x03, c]));
    Ok((first & 0x7f, offset, Some(length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_primary_block_is_the_packet_without_red() {
        // rfc2198-3-1
        let wire = [0xef, 0x0f, 0x00, 0x03, 0x6f, 1, 2, 3, 10, 11];
        let blocks = RedBlocks::parse(&wire).unwrap();
        let older = RedBlock { payload_type: 111, timestamp_offset: 960, payload: &[1, 2, 3] };
        assert_eq!(blocks.clone().next(), Some(older));
        let primary = RedBlock { payload_type: 111, timestamp_offset: 0, payload: &[10, 11] };
        assert_eq!(blocks.primary(), Some(primary));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(wire in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(blocks) = RedBlocks::parse(&wire) {
                prop_assert!(blocks.clone().count() >= 1);
                prop_assert_eq!(blocks.primary().unwrap().timestamp_offset, 0);
            }
        }
    }
}
