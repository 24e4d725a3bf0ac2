//! The fixed header of an RTP packet, and where its payload lies (RFC 3550 sections 5.1 and 5.3.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---+-+-+-------+-+-------------+-------------------------------+
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! +---+-+-+-------+-+-------------+-------------------------------+
//! |                           timestamp                           |
//! +---------------------------------------------------------------+
//! |           synchronization source (SSRC) identifier            |
//! +===============================================================+
//! |            CC contributing sources (CSRC), 4 bytes each       |
//! +---------------------------------------------------------------+
//! | X: profile of the extension   | its length in words           |
//! | X: the extension                                              |
//! +---------------------------------------------------------------+
//! | payload …                                                     |
//! |               … P: padding, whose last byte counts its bytes  |
//! +---------------------------------------------------------------+
//! ```
//! [`Header`] is what stays in the clear under SRTP: its length says where decryption begins, and
//! padding can't be checked yet. [`Packet`] is a whole packet in the clear. Read next:
//! `extension.rs`.

use crate::wire::{ParseError, Reader};

use super::{RtpTimestamp, SequenceNumber, Ssrc};

/// Bytes of a header without contributing sources and extension.
pub const FIXED_HEADER: usize = 12;

/// The header of an RTP packet, by value.
///
/// ```
/// use halloo::rtp::{Header, SequenceNumber};
/// let packet = [0x80, 0xef, 0, 7, 0, 0, 3, 0xc0, 0, 0, 0, 9, 0xfc];
/// let header = Header::parse(&packet)?;
/// assert_eq!((header.payload_type, header.marker), (111, true));
/// assert_eq!(header.sequence_number, SequenceNumber(7));
/// assert_eq!(header.length(), 12);
/// # Ok::<(), halloo::wire::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// In audio: the first packet after silence (RFC 3551 section 4.1).
    pub marker: bool,
    /// What the payload is, as the descriptions agreed.
    pub payload_type: u8,
    /// One more for each packet.
    pub sequence_number: SequenceNumber,
    /// When the first sample of the payload was taken.
    pub timestamp: RtpTimestamp,
    /// Who sent it.
    pub ssrc: Ssrc,
    /// Whether the payload ends in padding.
    pub padded: bool,
    /// How many contributing sources are named.
    pub csrc_count: u8,
    /// Profile and length in 32-bit words of the extension.
    pub extension: Option<ExtensionHeader>,
}

/// What stands before a header extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionHeader {
    /// Which layout the extension has: 0xBEDE or 0x100X (RFC 8285), or something foreign.
    pub profile: u16,
    /// Its length in 32-bit words.
    pub words: u16,
}

impl Header {
    /// Reads the header, contributing sources and extension included; whatever follows is payload.
    ///
    /// # Errors
    /// A packet shorter than its own header says, or of another version than 2.
    pub fn parse(packet: &[u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(packet);
        let [first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = r.array()?;
        if first >> 6 != VERSION {
            return Err(ParseError::invalid(0, "the RTP version is not 2"));
        }
        let csrc_count = first & 0x0f;
        r.take(4 * usize::from(csrc_count))?;
        let extension = if first & EXTENSION == 0 {
            None
        } else {
            let [p0, p1, w0, w1] = r.array()?;
            let words = u16::from_be_bytes([w0, w1]);
            r.take(4 * usize::from(words))?;
            Some(ExtensionHeader { profile: u16::from_be_bytes([p0, p1]), words })
        };
        Ok(Self {
            marker: second & MARKER != 0,
            payload_type: second & !MARKER,
            sequence_number: SequenceNumber(u16::from_be_bytes([s0, s1])),
            timestamp: RtpTimestamp(u32::from_be_bytes([t0, t1, t2, t3])),
            ssrc: Ssrc(u32::from_be_bytes([i0, i1, i2, i3])),
            padded: first & PADDING != 0,
            csrc_count,
            extension,
        })
    }

    /// Bytes before the payload.
    #[must_use]
    pub fn length(&self) -> usize {
        let extension = self.extension.map_or(0, |e| 4 + 4 * usize::from(e.words));
        FIXED_HEADER + 4 * usize::from(self.csrc_count) + extension
    }

    /// The twelve bytes on the wire that every header starts with.
    #[must_use]
    pub fn fixed(&self) -> [u8; FIXED_HEADER] {
        let padding = if self.padded { PADDING } else { 0 };
        let extension = if self.extension.is_some() { EXTENSION } else { 0 };
        let marker = if self.marker { MARKER } else { 0 };
        let [s0, s1] = self.sequence_number.0.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.0.to_be_bytes();
        let [i0, i1, i2, i3] = self.ssrc.0.to_be_bytes();
        let first = VERSION << 6 | padding | extension | self.csrc_count & 0x0f;
        let second = marker | self.payload_type & !MARKER;
        [first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3]
    }
}

/// A whole packet in the clear, borrowed from the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The header.
    pub header: Header,
    /// Contributing sources, 4 bytes each.
    csrcs: &'a [u8],
    /// The extension behind its own header; empty if there is none.
    pub extension: &'a [u8],
    /// The payload, without padding.
    pub payload: &'a [u8],
    /// Bytes of padding behind the payload.
    pub padding: u8,
}

impl<'a> Packet<'a> {
    /// Reads a packet in the clear.
    ///
    /// # Errors
    /// As [`Header::parse`]; also a padding count that is zero or larger than what is there.
    pub fn parse(packet: &'a [u8]) -> Result<Self, ParseError> {
        let header = Header::parse(packet)?;
        let mut r = Reader::new(packet);
        r.take(FIXED_HEADER)?;
        let csrcs = r.take(4 * usize::from(header.csrc_count))?;
        let extension = match header.extension {
            None => &[][..],
            Some(ExtensionHeader { words, .. }) => {
                r.take(4)?;
                r.take(4 * usize::from(words))?
            }
        };
        let padding = if header.padded { padding(&r, packet)? } else { 0 };
        let payload = r.take(r.rest().len().saturating_sub(usize::from(padding)))?;
        Ok(Self { header, csrcs, extension, payload, padding })
    }

    /// Whose sounds a mixer put into this packet.
    pub fn csrcs(&self) -> impl Iterator<Item = Ssrc> + '_ {
        self.csrcs.as_chunks().0.iter().map(|csrc| Ssrc(u32::from_be_bytes(*csrc)))
    }

    /// Whether nothing but padding is inside: a probe for bandwidth, neither sound nor loss.
    #[must_use]
    pub fn is_padding_only(&self) -> bool {
        self.payload.is_empty()
    }
}

/// The count in the packet's last byte, if it is possible.
fn padding(r: &Reader<'_>, packet: &[u8]) -> Result<u8, ParseError> {
    match r.rest().last() {
        Some(&count) if count > 0 && usize::from(count) <= r.rest().len() => Ok(count),
        Some(_) => Err(ParseError::invalid(packet.len() - 1, "the padding count is impossible")),
        None => Err(ParseError::invalid(packet.len(), "padding is announced, but none is there")),
    }
}

const VERSION: u8 = 2;
const PADDING: u8 = 0x20;
const EXTENSION: u8 = 0x10;
const MARKER: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Why;
    use proptest::prelude::*;

    const PCMU: [u8; 14] = [0x80, 0, 0x3d, 0x7f, 0xea, 0xaa, 0x63, 0xf4, 1, 2, 3, 4, 0xff, 0xff];

    #[test]
    fn the_fields_stand_where_rfc_3550_puts_them() {
        let packet = Packet::parse(&PCMU).unwrap();
        assert_eq!(packet.header.sequence_number, SequenceNumber(15_743));
        assert_eq!(packet.header.ssrc, Ssrc(0x0102_0304));
        assert_eq!((packet.payload, packet.padding), (&[0xff, 0xff][..], 0));
        assert_eq!(packet.header.fixed(), PCMU[..12]);
    }

    #[test]
    fn padding_is_not_payload() {
        // rfc3550-5.1-4
        let mut wire = PCMU;
        wire[0] |= PADDING;
        wire[13] = 1;
        assert_eq!(Packet::parse(&wire).unwrap().payload, &[0xff]);
        wire[13] = 2;
        assert!(Packet::parse(&wire).unwrap().is_padding_only());
        for impossible in [0, 3, 255] {
            wire[13] = impossible;
            let refused = ParseError::invalid(13, "the padding count is impossible");
            assert_eq!(Packet::parse(&wire), Err(refused));
        }
    }

    #[test]
    fn an_extension_of_any_profile_is_stepped_over() {
        // rfc3550-5.3.1-1
        let mut wire = PCMU[..12].to_vec();
        wire[0] |= EXTENSION;
        wire.extend([0x12, 0x34, 0, 1, 9, 9, 9, 9, 0xaa]);
        let packet = Packet::parse(&wire).unwrap();
        assert_eq!(packet.header.extension, Some(ExtensionHeader { profile: 0x1234, words: 1 }));
        assert_eq!((packet.extension, packet.payload), (&[9; 4][..], &[0xaa][..]));
        assert_eq!(packet.header.length(), 20);
    }

    #[test]
    fn only_version_2_is_rtp() {
        // rfc3550-5.1-1
        for version in [0, 1, 3] {
            let mut wire = PCMU;
            wire[0] = version << 6;
            assert_eq!(Header::parse(&wire).unwrap_err().at, 0);
        }
        let cut = Header::parse(&PCMU[..11]).unwrap_err();
        assert_eq!(cut, ParseError { at: 0, why: Why::Truncated { need: 12 } });
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut wire in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(first) = wire.first_mut() {
                *first = *first & 0x3f | 0x80;
            }
            if let Ok(packet) = Packet::parse(&wire) {
                let length = packet.header.length();
                prop_assert_eq!(
                    length + packet.payload.len() + usize::from(packet.padding),
                    wire.len()
                );
                prop_assert_eq!(&packet.header.fixed()[..], &wire[..12]);
            }
        }
    }
}
