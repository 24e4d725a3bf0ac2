//! A datagram of RTCP packets, one behind the other (RFC 3550 section 6.1 and appendix A.2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---+-+---------+---------------+-------------------------------+
//! |V=2|P|  count  |  packet type  |   length in words, less one   |
//! +---+-+---------+---------------+-------------------------------+
//! |                     what the packet type says …               |
//! ```
//! A compound proper starts with a report. Feedback also comes alone (RFC 5506), from libwebrtc even if
//! nobody agreed to it, so any packet may come first. Types that nobody knows are stepped over; a
//! datagram with a malformed packet is dropped whole, because its lengths can't be trusted. Read next:
//! `report.rs`.

use crate::wire::{ParseError, Reader};

use super::{
    ExtendedReport, Feedback, Goodbye, ReceiverReport, SenderReport, SourceDescription, packet_type,
};

/// A datagram in which every packet was found sound.
///
/// ```
/// use halloo::rtp::rtcp::{Compound, Packet};
/// let datagram = [0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 203, 0, 1, 0, 0, 0, 7];
/// let mut packets = Compound::parse(&datagram)?.packets();
/// assert!(matches!(packets.next(), Some(Packet::ReceiverReport(_))));
/// assert!(matches!(packets.next(), Some(Packet::Goodbye(_))));
/// assert!(packets.next().is_none());
/// # Ok::<(), halloo::wire::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a>(&'a [u8]);

impl<'a> Compound<'a> {
    /// Reads the whole datagram.
    ///
    /// # Errors
    /// An empty datagram, or the first packet that doesn't hold what it claims.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(datagram);
        Packet::read(&mut r)?;
        while !r.is_empty() {
            Packet::read(&mut r)?;
        }
        Ok(Self(datagram))
    }

    /// The packets in order.
    pub fn packets(self) -> impl Iterator<Item = Packet<'a>> {
        let mut r = Reader::new(self.0);
        std::iter::from_fn(move || if r.is_empty() { None } else { Packet::read(&mut r).ok() })
    }

    /// Whether this is a compound proper, which starts with a report: the sender can be heard of in
    /// every interval. Feedback alone is not.
    #[must_use]
    pub fn is_full(self) -> bool {
        matches!(self.packets().next(), Some(Packet::SenderReport(_) | Packet::ReceiverReport(_)))
    }
}

/// One RTCP packet.
#[derive(Clone, Copy, Debug)]
pub enum Packet<'a> {
    /// SR: what a sender sent, and what it received.
    SenderReport(SenderReport<'a>),
    /// RR: what someone who sends nothing received.
    ReceiverReport(ReceiverReport<'a>),
    /// SDES: who is who.
    SourceDescription(SourceDescription<'a>),
    /// BYE: sources that leave.
    Goodbye(Goodbye<'a>),
    /// Feedback about the transport: NACK, transport-cc.
    TransportFeedback(Feedback<'a>),
    /// Feedback about the payload: PLI, REMB.
    PayloadFeedback(Feedback<'a>),
    /// XR.
    ExtendedReport(ExtendedReport<'a>),
    /// A type that nobody here knows.
    Unknown {
        /// The type.
        packet_type: u8,
        /// The five bits behind the padding bit.
        count: u8,
        /// All behind the packet's first word.
        body: &'a [u8],
    },
}

impl<'a> Packet<'a> {
    /// Reads the next packet of a datagram.
    fn read(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let start = r.offset();
        let [first, packet_type, l0, l1] = r.array()?;
        if first >> 6 != 2 {
            return Err(ParseError::invalid(start, "the RTCP version is not 2"));
        }
        let count = first & 0x1f;
        let body_at = r.offset();
        let mut body = r.take(4 * usize::from(u16::from_be_bytes([l0, l1])))?;
        if first & 0x20 != 0 {
            body = without_padding(body, start, r)?;
        }
        let mut body = Reader::at(body_at, body);
        Ok(match packet_type {
            packet_type::SR => Self::SenderReport(SenderReport::read(count, &mut body)?),
            packet_type::RR => Self::ReceiverReport(ReceiverReport::read(count, &mut body)?),
            packet_type::SDES => Self::SourceDescription(SourceDescription::read(count, body)?),
            packet_type::BYE => Self::Goodbye(Goodbye::read(count, &mut body)?),
            packet_type::RTPFB => Self::TransportFeedback(Feedback::read_transport(count, body)?),
            packet_type::PSFB => Self::PayloadFeedback(Feedback::read(count, body)?),
            packet_type::XR if body.rest().len() >= 4 => {
                Self::ExtendedReport(ExtendedReport::read(count, &mut body)?)
            }
            _ => Self::Unknown { packet_type, count, body: body.rest() },
        })
    }
}

/// Only the last packet may be padded, by whole words.
fn without_padding<'a>(
    body: &'a [u8],
    start: usize,
    behind: &Reader<'_>,
) -> Result<&'a [u8], ParseError> {
    if !behind.is_empty() {
        return Err(ParseError::invalid(start, "only the last packet may be padded"));
    }
    let count = body.last().map_or(0, |count| usize::from(*count));
    match body.len().checked_sub(count) {
        Some(length) if count > 0 && count.is_multiple_of(4) => {
            Ok(body.get(..length).unwrap_or_default())
        }
        _ => {
            let at = behind.offset().saturating_sub(1);
            Err(ParseError::invalid(at, "the padding count is impossible"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::is_rtcp;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_unknown_type_is_stepped_over() {
        // rfc3550-6.1-2
        let datagram = [0x80, 204, 0, 1, b'n', b'a', b'm', b'e', 0x80, 201, 0, 1, 0, 0, 0, 7];
        let packets: Vec<_> = Compound::parse(&datagram).unwrap().packets().collect();
        let [Packet::Unknown { packet_type: 204, count: 0, body }, Packet::ReceiverReport(_)] =
            packets[..]
        else {
            panic!("{packets:?}")
        };
        assert_eq!(body, b"name");
    }

    #[test]
    fn feedback_is_taken_alone() {
        // rfc8834-4.6-1
        let lone = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
        let compound = Compound::parse(&lone).unwrap();
        assert!(matches!(compound.packets().next(), Some(Packet::PayloadFeedback(_))));
        assert!(!compound.is_full());
    }

    #[test]
    fn an_error_names_its_byte_in_the_datagram() {
        let datagram = [0x80, 201, 0, 1, 0, 0, 0, 7, 0x41, 203, 0, 0];
        assert_eq!(Compound::parse(&datagram).unwrap_err().at, 8);
    }

    #[test]
    fn the_second_byte_tells_rtcp_from_rtp() {
        // rfc5761-4-1, rfc8834-4.5-1
        assert!(is_rtcp(&[0x80, 192, 0, 0]) && is_rtcp(&[0x80, 223, 0, 0]));
        assert!(!is_rtcp(&[0x80, 191, 0, 0]) && !is_rtcp(&[0x80, 224, 0, 0]));
        assert!(!is_rtcp(&[0x80, 111, 0, 0]) && !is_rtcp(&[0, 200]));
    }

    /// Bytes that start like RTCP, so that the search gets past the first checks.
    fn rtcp_like() -> impl Strategy<Value = Vec<u8>> {
        let packet = (0_u8..32, 198_u8..210, prop::collection::vec(any::<u8>(), 0..80)).prop_map(
            |(count, packet_type, body)| {
                let words = body.len() / 4;
                let mut packet = vec![0x80 | count, packet_type, 0, u8::try_from(words).unwrap()];
                packet.extend(&body[..4 * words]);
                packet
            },
        );
        prop::collection::vec(packet, 0..4).prop_map(|packets| packets.concat())
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(datagram in rtcp_like(),
                                         flip in any::<prop::sample::Index>(), bits: u8) {
            let mut datagram = datagram;
            if !datagram.is_empty() {
                let at = flip.index(datagram.len());
                datagram[at] ^= bits;
            }
            if let Ok(compound) = Compound::parse(&datagram) {
                for packet in compound.packets() {
                    let _ = format!("{packet:?}");
                    if let Packet::TransportFeedback(feedback) = packet {
                        let _ = feedback.nack().map(|nack| nack.lost().count());
                        let _ = feedback.transport_cc().map(|cc| cc.arrivals().count());
                    }
                    if let Packet::PayloadFeedback(feedback) = packet {
                        let _ = feedback.remb();
                    }
                    if let Packet::ExtendedReport(report) = packet {
                        let _ = report.blocks().count();
                    }
                }
            }
        }
    }
}
