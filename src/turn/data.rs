//! Packets to and from peers: by a channel where there is one, else in Send and Data indications
//! (RFC 8656 sections 11 and 12.4).
//!
//! ```text
//! buffer to send:  | HEADROOM bytes      | the packet | padding                |
//! by channel:      |              | 4    | the packet | on a stream, to 32 bits |
//! by indication:   | 20 | address | 4    | the packet | to 32 bits             |
//! ```
//! What is in front of a packet is written into room that was left there, and what comes in is handed on
//! where it lies: no packet is copied, and none costs an allocation.

use std::net::SocketAddr;
use std::ops::Range;

use super::channel::{self, ChannelData};
use crate::stun::attribute::types;
use crate::stun::{
    Attribute, Class, Message, MessageWriter, Method, TransactionId, XorAddress, header,
};

/// Room that a packet needs in front: header, an IPv6 address, and the head of the DATA attribute.
pub const HEADROOM: usize = header::HEADER_LEN + ATTRIBUTE_HEAD + 20 + ATTRIBUTE_HEAD;

/// Type and length.
const ATTRIBUTE_HEAD: usize = 4;

/// Puts a ChannelData header in front of the packet that begins at `start`. Says where the message
/// begins; `None` if there is no room or the packet is too long.
pub(super) fn on_channel(number: u16, packet: &[u8], start: usize) -> Option<Framing> {
    let length = packet.len().checked_sub(start)?;
    let header = channel::header(number, length)?;
    let begin = start.checked_sub(header.len())?;
    Some(Framing { begin, header, length })
}

/// A ChannelData header, and where it goes.
pub(super) struct Framing {
    pub(super) begin: usize,
    pub(super) header: [u8; channel::HEADER_LEN],
    pub(super) length: usize,
}

/// Writes into `head` what stands in front of `length` bytes in a Send indication (section 11.1).
pub(super) fn write_send_head(
    head: &mut Vec<u8>,
    id: TransactionId,
    peer: SocketAddr,
    length: usize,
) -> Option<()> {
    MessageWriter::new(head, Class::Indication, Method::SEND, id)
        .attribute(Attribute::XorPeerAddress(XorAddress(peer)))
        .finish();
    head.extend_from_slice(&types::DATA.to_be_bytes());
    head.extend_from_slice(&u16::try_from(length).ok()?.to_be_bytes());
    // The header counts all attributes, the packet and its padding included.
    let counted = head.len() - header::HEADER_LEN + length.next_multiple_of(4);
    let field = head.get_mut(2..4)?;
    field.copy_from_slice(&u16::try_from(counted).ok()?.to_be_bytes());
    Some(())
}

/// Application data, or something for the client itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// On a channel, in these bytes of the datagram.
    Channel(u16, Range<usize>),
    /// From this peer, in a Data indication.
    Indication(SocketAddr, Range<usize>),
    /// Another STUN message.
    Message,
    /// Nothing that we can read.
    Malformed,
}

/// Looks into a datagram from the server.
pub(super) fn content(datagram: &[u8]) -> Content {
    if datagram.first().is_some_and(|first| first & 0xc0 != 0) {
        let Ok(packet) = ChannelData::parse(datagram) else { return Content::Malformed };
        let begin = channel::HEADER_LEN;
        return Content::Channel(packet.channel, begin..begin + packet.data.len());
    }
    let Ok(message) = Message::parse(datagram) else { return Content::Malformed };
    if (message.class(), message.method()) != (Class::Indication, Method::DATA) {
        return Content::Message;
    }
    // Section 11.4: both attributes, and none that must be known and isn't.
    let understood = message.unknown_required().next().is_none();
    match (message.xor_peer_address(), message.data()) {
        (Some(peer), Some(data)) if understood => {
            let begin = data.as_ptr().addr() - datagram.as_ptr().addr();
            Content::Indication(peer, begin..begin + data.len())
        }
        _ => Content::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TransactionId = TransactionId([9; 12]);

    #[test]
    fn what_is_written_in_front_makes_a_send_indication() {
        // rfc8656-11.1-1, rfc8656-3.7-1
        for (peer, overhead) in [("198.51.100.7:7000", 36), ("[2001:db8::7]:7000", 48)] {
            let peer = peer.parse().unwrap();
            let mut bytes = Vec::new();
            write_send_head(&mut bytes, ID, peer, 5).unwrap();
            assert_eq!(bytes.len(), overhead);
            assert!(bytes.len() <= HEADROOM);
            bytes.extend_from_slice(b"sound\0\0\0");
            let message = Message::parse(&bytes).unwrap();
            assert_eq!((message.class(), message.method()), (Class::Indication, Method::SEND));
            assert_eq!(
                (message.xor_peer_address(), message.data()),
                (Some(peer), Some(&b"sound"[..]))
            );
        }
    }

    #[test]
    fn a_packet_too_long_for_its_length_field_is_not_written() {
        let peer = "198.51.100.7:7000".parse().unwrap();
        assert_eq!(write_send_head(&mut Vec::new(), ID, peer, 65_530), None);
        assert!(on_channel(0x4000, &vec![0; 70_000], 48).is_none());
        assert!(on_channel(0x4000, &[0; 10], 3).is_none(), "no room in front");
    }

    #[test]
    fn a_data_indication_says_where_its_data_lies() {
        // rfc8656-11.4-1
        let peer = "198.51.100.7:7000".parse().unwrap();
        let mut bytes = Vec::new();
        MessageWriter::new(&mut bytes, Class::Indication, Method::DATA, ID)
            .attribute(Attribute::Data(b"sound"))
            .attribute(Attribute::XorPeerAddress(XorAddress(peer)))
            .finish();
        let Content::Indication(from, range) = content(&bytes) else { panic!() };
        assert_eq!((from, &bytes[range]), (peer, &b"sound"[..]));
        for lacking in [Attribute::Data(b"sound"), Attribute::XorPeerAddress(XorAddress(peer))] {
            MessageWriter::new(&mut bytes, Class::Indication, Method::DATA, ID)
                .attribute(lacking)
                .finish();
            assert_eq!(content(&bytes), Content::Malformed);
        }
    }
}
