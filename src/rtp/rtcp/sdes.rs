//! Source descriptions: which streams belong to one participant (RFC 3550 section 6.5, RFC 7022).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---+-+---------+---------------+-------------------------------+
//! |V=2|P|   SC    |    SDES=202   |             length            |
//! +===============================================================+
//! |                             SSRC                              |  SC times
//! +---------------+---------------+-------------------------------+
//! |    CNAME=1    |    length     | text … other items … 0, filled to a word
//! +---------------+---------------+-------------------------------+
//! ```
//! The CNAME is random: it joins the streams of one call and says nothing about who calls. Read next:
//! `bye.rs`.

use std::fmt;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::wire::{ParseError, Reader};

use super::super::Ssrc;

/// SDES, found sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceDescription<'a> {
    count: u8,
    chunks: &'a [u8],
}

impl<'a> SourceDescription<'a> {
    pub(super) fn read(count: u8, r: Reader<'a>) -> Result<Self, ParseError> {
        let chunks = r.rest();
        // Counted from the packet's body, which starts at a word of the datagram.
        let mut r = r;
        let start = r.offset();
        for _ in 0..count {
            Chunk::read(&mut r, start)?;
        }
        Ok(Self { count, chunks })
    }

    /// One chunk for each source.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'a>> + use<'a> {
        let mut r = Reader::new(self.chunks);
        (0..self.count).map_while(move |_| Chunk::read(&mut r, 0).ok())
    }
}

/// What is said about one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The source.
    pub ssrc: Ssrc,
    items: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// Reads up to the next word behind the chunk's closing zero; `start` is where words are counted
    /// from.
    fn read(r: &mut Reader<'a>, start: usize) -> Result<Self, ParseError> {
        let ssrc = Ssrc(r.u32()?);
        let items = r.rest();
        let items_at = r.offset();
        while Item::read(r)?.is_some() {}
        let length = r.offset() - items_at;
        // The last chunk of a padded packet may be short of its filling.
        while !(r.offset() - start).is_multiple_of(4) && !r.is_empty() {
            r.u8()?;
        }
        Ok(Self { ssrc, items: items.get(..length).unwrap_or_default() })
    }

    /// The items in order.
    pub fn items(&self) -> impl Iterator<Item = Item<'a>> + use<'a> {
        let mut r = Reader::new(self.items);
        std::iter::from_fn(move || Item::read(&mut r).ok().flatten())
    }

    /// The canonical name, as it came.
    #[must_use]
    pub fn cname(&self) -> Option<&'a [u8]> {
        self.items().find(|item| item.kind == CNAME).map(|item| item.text)
    }
}

/// One thing that is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// What the text is: 1 is the CNAME.
    pub kind: u8,
    /// The text, UTF-8 if the sender is honest.
    pub text: &'a [u8],
}

impl<'a> Item<'a> {
    /// `None` at the closing zero.
    fn read(r: &mut Reader<'a>) -> Result<Option<Self>, ParseError> {
        let kind = r.u8()?;
        if kind == 0 {
            return Ok(None);
        }
        let length = usize::from(r.u8()?);
        Ok(Some(Self { kind, text: r.take(length)? }))
    }
}

/// The item kind of a canonical name.
pub(super) const CNAME: u8 = 1;

/// Our own canonical name: 96 random bits in base64 (RFC 7022 section 4.2), one for each call and the
/// same for all its streams.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cname([u8; 16]);

impl Cname {
    /// Draws a name.
    #[must_use]
    pub fn new(rng: &mut StdRng) -> Self {
        Self(std::array::from_fn(|_| {
            // 16 letters of 6 bits are 96 bits, and base64 of 12 bytes has no padding.
            BASE64.get(usize::from(rng.random_range(0..64_u8))).copied().unwrap_or(b'A')
        }))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Cname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Cname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cname({self})")
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_name_is_96_random_bits_of_base64() {
        // rfc7022-4.2-1, rfc8834-4.9-1
        let names: Vec<_> =
            (0..20).map(|seed| Cname::new(&mut StdRng::seed_from_u64(seed)).to_string()).collect();
        for (at, name) in names.iter().enumerate() {
            assert_eq!(name.len(), 16);
            assert!(name.bytes().all(|letter| BASE64.contains(&letter)), "{name}");
            assert!(!names[..at].contains(name));
        }
    }

    #[test]
    fn chunks_start_at_words() {
        let body = [0, 0, 0, 1, 1, 1, b'a', 0, 0, 0, 0, 2, 1, 2, b'b', b'c', 0, 0, 0, 0];
        let sdes = SourceDescription::read(2, Reader::new(&body)).unwrap();
        let names: Vec<_> = sdes.chunks().map(|chunk| (chunk.ssrc, chunk.cname())).collect();
        assert_eq!(names, [(Ssrc(1), Some(&b"a"[..])), (Ssrc(2), Some(&b"bc"[..]))]);
        assert!(SourceDescription::read(3, Reader::new(&body)).is_err());
    }
}
