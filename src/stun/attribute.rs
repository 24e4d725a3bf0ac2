//! Attributes: what a STUN message says, and the one table of them all (RFC 8489 section 14).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+-------------------------------+
//! |             type              |       length of value         |
//! +-------------------------------+-------------------------------+
//! |            value, padded with 0 to 3 bytes to 32 bits         |
//! +---------------------------------------------------------------+
//! ```
//! Types below 0x8000 must be understood by whoever reads the message; an unknown one is answered
//! with error 420. Unknown types from 0x8000 on are ignored.
//!
//! A row of the table is type, constant, name on the wire, and the variant with the Rust type of its
//! value; `value.rs` says how a value of that Rust type is read and written, once for each.
//! `message.rs` finds attributes and calls [`Attribute::parse`]; `writer.rs` calls
//! [`Attribute::write`]. Read next: `value.rs`.

use std::net::SocketAddr;

use super::header::TransactionId;
use super::value::{AlgorithmList, ErrorCode, Leading, Mac256, TypeList, Value};
use super::xor_address::XorAddress;
use crate::wire::{ParseError, Reader};

macro_rules! registry {
    ($($(#[doc = $doc:literal])* $number:literal $constant:ident $name:literal
        => $variant:ident $(($field:ident: $value:ty))?;)*) => {
        /// Type numbers as IANA lists them.
        pub mod types {
            $($(#[doc = $doc])* pub const $constant: u16 = $number;)*
        }

        /// An attribute with its value, borrowed from the message it was read from.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Attribute<'a> {
            $($(#[doc = $doc])* $variant $(($value))?,)*
            /// Of a type that is not in the table.
            Unknown {
                /// The type number.
                number: u16,
                /// The value without padding.
                value: &'a [u8],
            },
        }

        impl<'a> Attribute<'a> {
            /// Reads the value of an attribute of type `number`; `id` is that of its message.
            ///
            /// # Errors
            /// A value that its type does not allow: wrong length, family, code or encoding.
            pub fn parse(
                number: u16,
                r: &mut Reader<'a>,
                id: TransactionId,
            ) -> Result<Self, ParseError> {
                let attribute = match number {
                    $($number => Self::$variant $((<$value as Value<'a>>::parse(r, id)?))?,)*
                    _ => Self::Unknown { number, value: Value::parse(r, id)? },
                };
                if r.is_empty() {
                    return Ok(attribute);
                }
                Err(ParseError::invalid(r.offset(), "the value is longer than its type allows"))
            }

            /// Appends the value, without type, length and padding.
            pub fn write(&self, out: &mut Vec<u8>, id: TransactionId) {
                match self {
                    $(Self::$variant $(($field))? => {$($field.write(out, id);)?})*
                    Self::Unknown { value, .. } => value.write(out, id),
                }
            }

            /// The type number.
            #[must_use]
            pub fn number(&self) -> u16 {
                match self {
                    $(Self::$variant { .. } => $number,)*
                    Self::Unknown { number, .. } => *number,
                }
            }

            /// The name as the RFCs write it; `unknown` for one that is not in the table.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                    Self::Unknown { .. } => "unknown",
                }
            }
        }
    };
}

registry! {
    /// RFC 8489 section 14.1: the reflexive address, for old clients.
    0x0001 MAPPED_ADDRESS "MAPPED-ADDRESS" => MappedAddress(address: SocketAddr);
    /// RFC 5780 section 7.2: from where the server is to answer; 4 its other address, 2 its other port.
    0x0003 CHANGE_REQUEST "CHANGE-REQUEST" => ChangeRequest(flags: u32);
    /// RFC 8489 section 14.3: whose password protects the message.
    0x0006 USERNAME "USERNAME" => Username(name: &'a str);
    /// RFC 8489 section 14.5: HMAC-SHA1; see `integrity.rs`.
    0x0008 MESSAGE_INTEGRITY "MESSAGE-INTEGRITY" => MessageIntegrity(mac: [u8; 20]);
    /// RFC 8489 section 14.8: why a request was refused.
    0x0009 ERROR_CODE "ERROR-CODE" => ErrorCode(error: ErrorCode<'a>);
    /// RFC 8489 section 14.13: what error 420 is about.
    0x000A UNKNOWN_ATTRIBUTES "UNKNOWN-ATTRIBUTES" => UnknownAttributes(list: TypeList<'a>);
    /// RFC 8656 section 18.1: channel number, then 16 reserved bits.
    0x000C CHANNEL_NUMBER "CHANNEL-NUMBER" => ChannelNumber(channel: Leading<u16>);
    /// RFC 8656 section 18.2: seconds for which an allocation lives.
    0x000D LIFETIME "LIFETIME" => Lifetime(seconds: u32);
    /// RFC 8656 section 18.3: whom a relay is to reach, or was reached by.
    0x0012 XOR_PEER_ADDRESS "XOR-PEER-ADDRESS" => XorPeerAddress(address: XorAddress);
    /// RFC 8656 section 18.4: a relayed datagram.
    0x0013 DATA "DATA" => Data(datagram: &'a [u8]);
    /// RFC 8489 section 14.9: where a long-term credential is valid.
    0x0014 REALM "REALM" => Realm(realm: &'a str);
    /// RFC 8489 section 14.10: a server's challenge.
    0x0015 NONCE "NONCE" => Nonce(nonce: &'a str);
    /// RFC 8656 section 18.5: the address that a relay listens on for us.
    0x0016 XOR_RELAYED_ADDRESS "XOR-RELAYED-ADDRESS" => XorRelayedAddress(address: XorAddress);
    /// RFC 8656 section 18.6: the family of the relayed address we want.
    0x0017 REQUESTED_ADDRESS_FAMILY "REQUESTED-ADDRESS-FAMILY"
        => RequestedAddressFamily(family: Leading<u8>);
    /// RFC 8656 section 18.7: top bit set if the next higher port is to be reserved, too.
    0x0018 EVEN_PORT "EVEN-PORT" => EvenPort(flags: u8);
    /// RFC 8656 section 18.8: IP protocol number between relay and peer; 17 is UDP.
    0x0019 REQUESTED_TRANSPORT "REQUESTED-TRANSPORT" => RequestedTransport(protocol: Leading<u8>);
    /// RFC 8656 section 18.9: the relay is to set IP's DF bit.
    0x001A DONT_FRAGMENT "DONT-FRAGMENT" => DontFragment;
    /// RFC 8489 section 14.6: HMAC-SHA256, possibly cut; see `integrity.rs`.
    0x001C MESSAGE_INTEGRITY_SHA256 "MESSAGE-INTEGRITY-SHA256"
        => MessageIntegritySha256(mac: Mac256<'a>);
    /// RFC 8489 section 14.12: which algorithm made the key.
    0x001D PASSWORD_ALGORITHM "PASSWORD-ALGORITHM" => PasswordAlgorithm(algorithm: AlgorithmList<'a>);
    /// RFC 8489 section 14.4: a username that others can't read.
    0x001E USERHASH "USERHASH" => Userhash(hash: [u8; 32]);
    /// RFC 8489 section 14.2: the reflexive address.
    0x0020 XOR_MAPPED_ADDRESS "XOR-MAPPED-ADDRESS" => XorMappedAddress(address: XorAddress);
    /// RFC 8656 section 18.10: claims a port reserved by EVEN-PORT.
    0x0022 RESERVATION_TOKEN "RESERVATION-TOKEN" => ReservationToken(token: [u8; 8]);
    /// RFC 8445 section 16.1: priority of the peer-reflexive candidate this check may create.
    0x0024 PRIORITY "PRIORITY" => Priority(priority: u32);
    /// RFC 8445 section 16.1: the controlling agent nominates this pair.
    0x0025 USE_CANDIDATE "USE-CANDIDATE" => UseCandidate;
    /// RFC 8656 section 18.11: a second relayed address, of this family.
    0x8000 ADDITIONAL_ADDRESS_FAMILY "ADDITIONAL-ADDRESS-FAMILY"
        => AdditionalAddressFamily(family: Leading<u8>);
    /// RFC 8656 section 18.12: why one of two families was not allocated (family, then an error).
    0x8001 ADDRESS_ERROR_CODE "ADDRESS-ERROR-CODE" => AddressErrorCode(raw: &'a [u8]);
    /// RFC 8489 section 14.11: which algorithms the server takes, best first.
    0x8002 PASSWORD_ALGORITHMS "PASSWORD-ALGORITHMS"
        => PasswordAlgorithms(algorithms: AlgorithmList<'a>);
    /// RFC 8489 section 14.16: the name in the alternate server's certificate.
    0x8003 ALTERNATE_DOMAIN "ALTERNATE-DOMAIN" => AlternateDomain(name: &'a str);
    /// RFC 8656 section 18.13: an ICMP error that the relay got (2 reserved bytes, type, code, data).
    0x8004 ICMP "ICMP" => Icmp(raw: &'a [u8]);
    /// RFC 8489 section 14.14: who wrote the sender.
    0x8022 SOFTWARE "SOFTWARE" => Software(name: &'a str);
    /// RFC 8489 section 14.15: try this server.
    0x8023 ALTERNATE_SERVER "ALTERNATE-SERVER" => AlternateServer(address: SocketAddr);
    /// RFC 8489 section 14.7: CRC-32; see `integrity.rs`.
    0x8028 FINGERPRINT "FINGERPRINT" => Fingerprint(crc: u32);
    /// RFC 8445 section 16.1: the sender is controlled; its tie-breaker.
    0x8029 ICE_CONTROLLED "ICE-CONTROLLED" => IceControlled(tie_breaker: u64);
    /// RFC 8445 section 16.1: the sender is controlling; its tie-breaker.
    0x802A ICE_CONTROLLING "ICE-CONTROLLING" => IceControlling(tie_breaker: u64);
    /// RFC 5780 section 7.3: the address the response was sent from.
    0x802B RESPONSE_ORIGIN "RESPONSE-ORIGIN" => ResponseOrigin(address: SocketAddr);
    /// RFC 5780 section 7.4: the server's other address and port.
    0x802C OTHER_ADDRESS "OTHER-ADDRESS" => OtherAddress(address: SocketAddr);
    /// ICE renomination (an expired draft, section 4; the number is libwebrtc's): of several nominations
    /// the one with the largest value counts.
    0xC001 NOMINATION "NOMINATION" => Nomination(value: u32);
}
