//! Which protocol a datagram belongs to: its first byte decides (RFC 7983 section 7), and for RTCP
//! beside RTP its second (RFC 5761 section 4).
//!
//! ```text
//! first byte     0..3   STUN
//!              16..19   ZRTP            dropped
//!              20..63   DTLS
//!              64..79   TURN channel    only from our own TURN server
//!             80..127   QUIC            dropped (RFC 9443)
//!            128..191   RTP or RTCP     RTCP if the second byte without its top bit is 64..95
//!            192..255   QUIC            dropped
//! ```

/// What a datagram claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Connectivity checks and their answers.
    Stun,
    /// A key agreement that halloo doesn't have.
    Zrtp,
    /// Handshake and alerts.
    Dtls,
    /// ChannelData of a TURN server.
    TurnChannel,
    /// A transport that halloo doesn't have.
    Quic,
    /// Sound.
    Rtp,
    /// Reports.
    Rtcp,
}

/// Sorts a datagram; none if it is empty, or nobody's.
#[must_use]
pub fn classify(datagram: &[u8]) -> Option<Protocol> {
    let (first, rest) = datagram.split_first()?;
    Some(match first {
        0..=3 => Protocol::Stun,
        16..=19 => Protocol::Zrtp,
        20..=63 => Protocol::Dtls,
        64..=79 => Protocol::TurnChannel,
        80..=127 | 192..=255 => Protocol::Quic,
        128..=191 if rest.first().is_some_and(|second| is_rtcp(*second)) => Protocol::Rtcp,
        128..=191 => Protocol::Rtp,
        4..=15 => return None,
    })
}

/// RTCP's packet types 192 to 223 stand where RTP has its marker and payload types 64 to 95.
fn is_rtcp(second_byte: u8) -> bool {
    (64..=95).contains(&(second_byte & 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_the_unassigned_belong_to_nobody() {
        assert_eq!(classify(&[]), None);
        assert_eq!(classify(&[4, 0]), None);
    }

    #[test]
    fn the_first_byte_decides() {
        // rfc7983-7-1, rfc9443-3-1
        let table = [
            (0..=3, Some(Protocol::Stun)),
            (4..=15, None),
            (16..=19, Some(Protocol::Zrtp)),
            (20..=63, Some(Protocol::Dtls)),
            (64..=79, Some(Protocol::TurnChannel)),
            (80..=127, Some(Protocol::Quic)),
            (128..=191, Some(Protocol::Rtp)),
            (192..=255, Some(Protocol::Quic)),
        ];
        for (bytes, protocol) in table {
            for first in bytes {
                assert_eq!(classify(&[first, 0]), protocol, "{first}");
            }
        }
    }

    #[test]
    fn a_marked_rtp_packet_is_not_rtcp() {
        assert_eq!(classify(&[0x80, 0x80 | 111]), Some(Protocol::Rtp));
        assert_eq!(classify(&[0x80, 200]), Some(Protocol::Rtcp));
        assert_eq!(classify(&[0x80]), Some(Protocol::Rtp));
    }
}
