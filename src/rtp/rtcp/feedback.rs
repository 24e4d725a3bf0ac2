//! Feedback between reports: what was lost, what should be sent (RFC 4585 section 6).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---+-+---------+---------------+-------------------------------+
//! |V=2|P|   FMT   | RTPFB or PSFB |             length            |
//! +---+-+---------+---------------+-------------------------------+
//! |                       SSRC of the sender                      |
//! +---------------------------------------------------------------+
//! |                 SSRC of the source that is meant              |
//! +---------------------------------------------------------------+
//! |                  what the format says (FCI) …                 |
//! ```
//! Formats that nobody knows are ignored. The body of a format beyond RFC 4585 is read only when asked
//! for: if it is malformed, the reports beside it still count. Read next: `xr.rs`.

use crate::wire::{ParseError, Reader};

use super::super::{SequenceNumber, Ssrc};

/// A feedback packet of either type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback<'a> {
    /// Which of the type's formats this is.
    pub format: u8,
    /// Who sends it.
    pub ssrc: Ssrc,
    /// Whose packets are meant.
    pub media_ssrc: Ssrc,
    /// What the format says.
    pub fci: &'a [u8],
}

impl<'a> Feedback<'a> {
    pub(super) fn read(format: u8, mut r: Reader<'a>) -> Result<Self, ParseError> {
        let (ssrc, media_ssrc) = (Ssrc(r.u32()?), Ssrc(r.u32()?));
        Ok(Self { format, ssrc, media_ssrc, fci: r.rest() })
    }

    /// As [`Feedback::read`], and a NACK must be made of whole words.
    pub(super) fn read_transport(format: u8, r: Reader<'a>) -> Result<Self, ParseError> {
        let at = r.offset();
        let feedback = Self::read(format, r)?;
        if format == NACK && !feedback.fci.len().is_multiple_of(4) {
            return Err(ParseError::invalid(at, "a NACK that is not made of whole words"));
        }
        Ok(feedback)
    }

    /// The body of a NACK, in transport feedback.
    #[must_use]
    pub fn nack(&self) -> Option<Nack<'a>> {
        (self.format == NACK).then_some(Nack(self.fci.as_chunks().0))
    }

    /// The body of transport-cc feedback, in transport feedback, if it is sound.
    #[must_use]
    pub fn transport_cc(&self) -> Option<TransportFeedback<'a>> {
        if self.format != TRANSPORT_CC {
            return None;
        }
        TransportFeedback::read(Reader::new(self.fci)).ok()
    }

    /// Whether this is a PLI, in payload feedback: "send me a whole picture". Sound has none to send.
    #[must_use]
    pub fn is_pli(&self) -> bool {
        self.format == PLI
    }

    /// The body of a REMB, in payload feedback, if it is one and sound.
    #[must_use]
    pub fn remb(&self) -> Option<Remb> {
        if self.format != AFB {
            return None;
        }
        Remb::read(&mut Reader::new(self.fci)).ok().flatten()
    }
}

/// Packets that are missing (RFC 4585 section 6.2.1): a number, and 16 bits for those behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack<'a>(&'a [[u8; 4]]);

impl Nack<'_> {
    /// The numbers of the missing packets.
    pub fn lost(&self) -> impl Iterator<Item = SequenceNumber> + '_ {
        self.0.iter().flat_map(|[n0, n1, m0, m1]| {
            let first = u16::from_be_bytes([*n0, *n1]);
            let mask = u16::from_be_bytes([*m0, *m1]);
            let behind = (0..16_u16).filter(move |bit| mask >> bit & 1 == 1);
            let behind = behind.map(move |bit| first.wrapping_add(bit + 1));
            std::iter::once(first).chain(behind).map(SequenceNumber)
        })
    }
}

/// The bitrate a receiver can take (draft-alvestrand-rmcat-remb-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remb {
    /// Bits per second.
    pub bitrate: u64,
    /// How many sources share it.
    pub sources: u8,
}

impl Remb {
    /// `None` if it's another application's feedback.
    fn read(r: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        if r.array()? != *b"REMB" {
            return Ok(None);
        }
        let [sources, e, m0, m1] = r.array()?;
        let mantissa = u64::from(u32::from_be_bytes([0, e & 3, m0, m1]));
        r.take(4 * usize::from(sources))?;
        // An exponent beyond the type is "no limit", as the largest number is.
        let bitrate = mantissa.saturating_mul(1 << (e >> 2).min(46));
        Ok(Some(Self { bitrate, sources }))
    }
}

/// Which packets of the whole transport arrived, and when (draft-holmer-rmcat-transport-wide-cc-01).
///
/// ```text
/// base number (2), count (2), reference time (3, in 64 ms), number of this feedback (1),
/// chunks of 2 bytes:  0 | symbol (2 bits) | run length (13 bits)
///                     1 | 0 | 14 symbols of one bit      1 | 1 | 7 symbols of two
/// then for each symbol 1 a byte, for each symbol 2 two bytes: time since the one before, in 250 us
/// ```
#[derive(Clone, Debug)]
pub struct TransportFeedback<'a> {
    /// The first packet told about.
    pub base: SequenceNumber,
    /// How many packets are told about.
    pub count: u16,
    /// The time that the first delta counts from, in 64 ms, signed.
    pub reference_time: i32,
    /// The number of this feedback packet.
    pub feedback_number: u8,
    chunks: Reader<'a>,
    deltas: Reader<'a>,
}

/// What became of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The packet's transport-cc number.
    pub number: SequenceNumber,
    /// Microseconds since the reference time; `None` if it did not arrive.
    pub at_us: Option<i64>,
}

impl<'a> TransportFeedback<'a> {
    fn read(mut r: Reader<'a>) -> Result<Self, ParseError> {
        let [b0, b1, c0, c1, t0, t1, t2, feedback_number] = r.array()?;
        let count = u16::from_be_bytes([c0, c1]);
        let chunks = r.clone();
        let mut told = 0;
        while told < count {
            told += Symbols::of_chunk(u16::from_be_bytes(r.array()?)).length.min(count - told);
        }
        Ok(Self {
            base: SequenceNumber(u16::from_be_bytes([b0, b1])),
            count,
            reference_time: i32::from_be_bytes([t0, t1, t2, 0]) >> 8,
            feedback_number,
            chunks,
            deltas: r,
        })
    }

    /// Every packet told about, in order of number, as far as the deltas reach.
    pub fn arrivals(&self) -> impl Iterator<Item = Arrival> + use<'a> {
        let (mut chunks, mut deltas) = (self.chunks.clone(), self.deltas.clone());
        let (base, mut symbols, mut at_us) = (self.base, Symbols::default(), 0_i64);
        (0..self.count).map_while(move |told| {
            if symbols.length == 0 {
                symbols = Symbols::of_chunk(u16::from_be_bytes(chunks.array().ok()?));
            }
            let step = match symbols.take() {
                1 => Some(i64::from(deltas.u8().ok()?)),
                2 => Some(i64::from(i16::from_be_bytes(deltas.array().ok()?))),
                _ => None,
            };
            at_us += step.unwrap_or(0) * 250;
            let number = SequenceNumber(base.0.wrapping_add(told));
            Some(Arrival { number, at_us: step.map(|_| at_us) })
        })
    }
}

/// The packet status symbols of one chunk that are not used yet.
#[derive(Clone, Copy, Debug, Default)]
struct Symbols {
    chunk: u16,
    length: u16,
}

impl Symbols {
    fn of_chunk(chunk: u16) -> Self {
        let length = match chunk >> 14 {
            0 | 1 => chunk & 0x1fff,
            2 => 14,
            _ => 7,
        };
        // A run of nothing would never end: it counts as told once.
        Self { chunk, length: length.max(1) }
    }

    fn take(&mut self) -> u16 {
        self.length = self.length.saturating_sub(1);
        match self.chunk >> 14 {
            0 | 1 => self.chunk >> 13 & 3,
            2 => self.chunk >> self.length.min(13) & 1,
            _ => self.chunk >> (2 * self.length.min(6)) & 3,
        }
    }
}

const NACK: u8 = 1;
const TRANSPORT_CC: u8 = 15;
const PLI: u8 = 1;
const AFB: u8 = 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn feedback(format: u8, fci: &[u8]) -> Feedback<'_> {
        Feedback { format, ssrc: Ssrc(1), media_ssrc: Ssrc(2), fci }
    }

    #[test]
    fn a_nack_names_a_packet_and_the_16_behind_it() {
        // rfc4585-6.2.1-1
        let fci = [0xff, 0xfe, 0x80, 0x05];
        let lost: Vec<_> = feedback(1, &fci).nack().unwrap().lost().map(|n| n.0).collect();
        assert_eq!(lost, [65_534, 65_535, 1, 14]);
    }

    #[test]
    fn unknown_formats_are_nothing() {
        // rfc4585-6.1-1
        let unknown = feedback(9, &[1, 2, 3, 4]);
        assert!(unknown.nack().is_none() && unknown.transport_cc().is_none());
        assert!(unknown.remb().is_none() && !unknown.is_pli());
        assert!(feedback(1, &[]).is_pli());
    }

    #[test]
    fn remb_is_a_number_and_an_exponent() {
        let mut fci = b"REMB\x01\x0b\xff\xff\x00\x00\x00\x07".to_vec();
        let expected = Remb { bitrate: 0x3ffff << 2, sources: 1 };
        assert_eq!(feedback(15, &fci).remb(), Some(expected));
        fci[5] = 0xff;
        assert!(feedback(15, &fci).remb().unwrap().bitrate > 1 << 60, "no overflow");
        fci[0] = b'r';
        assert_eq!(feedback(15, &fci).remb(), None);
        assert_eq!(feedback(15, &fci[..9]).remb(), None);
    }

    #[test]
    fn transport_feedback_tells_arrivals_by_all_three_kinds_of_chunk() {
        // base 10, 2 + 14 + 3 packets: a run of two arrivals, 14 bits of which two are set, 7 pairs
        let fci = [
            0, 10, 0, 19, 0, 0, 5, 1, 0x20, 0x02, 0xa0, 0x01, 0xd0, 0x00, 4, 8, 1, 2, 4, 0xff, 0xfe,
        ];
        let feedback = feedback(15, &fci).transport_cc().unwrap();
        assert_eq!((feedback.reference_time, feedback.feedback_number), (5, 1));
        let arrived: Vec<_> = feedback
            .arrivals()
            .filter_map(|arrival| Some((arrival.number.0, arrival.at_us?)))
            .collect();
        assert_eq!(feedback.arrivals().count(), 19);
        assert_eq!(arrived, [(10, 1_000), (11, 3_000), (12, 3_250), (25, 3_750), (26, 4_750)]);
    }

    #[test]
    fn deltas_may_be_negative_and_are_followed_as_far_as_they_reach() {
        let fci = [0, 1, 0, 3, 0, 0, 0, 0, 0xda, 0x00, 4, 0xff, 0xfe, 9];
        let feedback = feedback(15, &fci).transport_cc().unwrap();
        let at: Vec<_> = feedback.arrivals().map(|arrival| arrival.at_us).collect();
        assert_eq!(at, [Some(1_000), Some(500)]);
    }
}
