//! A STUN message: a header, then attributes (RFC 8489 section 5).
//!
//! [`Message::parse`] walks all attributes once: framing and every known value are then known to be
//! right, and the getters can't fail. It copies nothing. What follows the integrity attribute is not
//! protected by it, so it is as if it were not there, except a second kind of integrity and
//! FINGERPRINT (section 9): else anyone on the path could add USE-CANDIDATE to somebody's check.
//!
//! Comes from `peer::demux`; goes to `integrity.rs` for proof. Read first: `header.rs`. Read next:
//! `attribute.rs`.

use std::fmt;

use super::attribute::{Attribute, types};
use super::header::{Class, HEADER_LEN, MAGIC_COOKIE, Method, TransactionId, class_and_method};
use super::integrity::{self, IntegrityError, IntegrityKey, IntegrityKind};
use super::value::ErrorCode;
use crate::wire::{ParseError, Reader};

/// A message, borrowed from the datagram it came in.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    class: Class,
    method: Method,
    id: TransactionId,
    seals: Seals,
}

/// Where the attributes that prove something start, as far as they count.
#[derive(Clone, Copy, Default)]
struct Seals {
    sha1: Option<usize>,
    sha256: Option<usize>,
    fingerprint: Option<usize>,
}

impl Seals {
    /// Whether the attribute at `at` counts (section 9), given those before it; notes it if it seals.
    fn counts(&mut self, number: u16, at: usize) -> bool {
        match number {
            types::FINGERPRINT => {
                self.fingerprint = Some(at);
                true
            }
            types::MESSAGE_INTEGRITY if self.sha1.is_none() && self.sha256.is_none() => {
                self.sha1 = Some(at);
                true
            }
            types::MESSAGE_INTEGRITY_SHA256 if self.sha256.is_none() => {
                self.sha256 = Some(at);
                true
            }
            _ => self.sha1.is_none() && self.sha256.is_none(),
        }
    }
}

impl<'a> Message<'a> {
    /// Reads a datagram that holds one message and nothing else.
    ///
    /// # Errors
    /// Not STUN, or a length, attribute or known value that breaks a rule: drop the datagram.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(bytes);
        let message_type = r.u16()?;
        if message_type & 0xc000 != 0 {
            return Err(ParseError::invalid(0, "the first two bits of STUN are zero"));
        }
        let length = usize::from(r.u16()?);
        if r.u32()? != MAGIC_COOKIE {
            return Err(ParseError::invalid(4, "STUN has the cookie 2112a442 here"));
        }
        let id = TransactionId(r.array()?);
        if length % 4 != 0 || length != r.rest().len() {
            return Err(ParseError::invalid(2, "not the length of the attributes"));
        }
        let (class, method) = class_and_method(message_type);
        let mut seals = Seals::default();
        while !r.is_empty() {
            let raw = RawAttribute::parse(&mut r)?;
            raw.decode(id)?;
            seals.counts(raw.number, raw.at);
            if raw.number == types::FINGERPRINT && !r.is_empty() {
                return Err(ParseError::invalid(raw.at, "FINGERPRINT is the last attribute"));
            }
        }
        Ok(Self { bytes, class, method, id, seals })
    }

    /// Request, indication, success or error.
    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }

    /// What it is about.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// What pairs it with its answer.
    #[must_use]
    pub fn id(&self) -> TransactionId {
        self.id
    }

    /// The whole datagram.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes that count, in order: those that no integrity attribute precedes, and the
    /// integrity attributes and FINGERPRINT themselves.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let id = self.id;
        self.counting().filter_map(move |raw| raw.decode(id).ok())
    }

    /// All attributes in order, also those that must have no effect: for showing them.
    pub fn every_attribute(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let id = self.id;
        self.walk().filter_map(move |raw| raw.decode(id).ok())
    }

    /// Types below 0x8000 that this library does not know: for a 420 answer, or a reason to drop an
    /// indication or to let a transaction fail (sections 6.3.1 to 6.3.4).
    pub fn unknown_required(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.attributes().filter_map(|attribute| match attribute {
            Attribute::Unknown { number: number @ ..0x8000, .. } => Some(number),
            _ => None,
        })
    }

    fn walk(&self) -> impl Iterator<Item = RawAttribute<'a>> + use<'a> {
        let attributes = self.bytes.split_at_checked(HEADER_LEN).map_or(&[][..], |(_, rest)| rest);
        let mut r = Reader::at(HEADER_LEN, attributes);
        std::iter::from_fn(move || RawAttribute::parse(&mut r).ok())
    }

    fn counting(&self) -> impl Iterator<Item = RawAttribute<'a>> + use<'a> {
        let mut seals = Seals::default();
        self.walk().filter(move |raw| seals.counts(raw.number, raw.at))
    }

    /// The first attribute of a type that counts (section 14: later ones may be ignored).
    fn first(&self, number: u16) -> Option<Attribute<'a>> {
        self.counting().find(|raw| raw.number == number)?.decode(self.id).ok()
    }

    /// Checks the integrity attributes, each that is there, in constant time.
    ///
    /// # Errors
    /// There is none, or one was not made with this key over these bytes, or a SHA-256 one is cut,
    /// which neither ICE nor TURN allows.
    pub fn verify_integrity(&self, key: &IntegrityKey) -> Result<(), IntegrityError> {
        self.verify_integrity_cut(key, integrity::SHA256_LEN)
    }

    /// The same, for a usage that lets HMAC-SHA256 be cut to `shortest` bytes (section 14.6).
    ///
    /// # Errors
    /// As [`Message::verify_integrity`], a SHA-256 one of fewer than `shortest` bytes included.
    pub fn verify_integrity_cut(
        &self,
        key: &IntegrityKey,
        shortest: usize,
    ) -> Result<(), IntegrityError> {
        if self.integrity_kind().is_none() {
            return Err(IntegrityError::Missing);
        }
        if let Some((covered, mac)) = self.seal(self.seals.sha1) {
            key.verify_sha1(covered, mac)?;
        }
        if let Some((covered, mac)) = self.seal(self.seals.sha256) {
            if mac.len() < shortest {
                return Err(IntegrityError::Cut);
            }
            key.verify_sha256(covered, mac)?;
        }
        Ok(())
    }

    /// Checks the CRC of FINGERPRINT (section 7).
    ///
    /// # Errors
    /// There is none, or it is another's: then this is no STUN.
    pub fn verify_fingerprint(&self) -> Result<(), IntegrityError> {
        let (covered, crc) = self.seal(self.seals.fingerprint).ok_or(IntegrityError::Missing)?;
        if integrity::fingerprint(covered).to_be_bytes() == *crc {
            Ok(())
        } else {
            Err(IntegrityError::Mismatch)
        }
    }

    /// Which HMAC protects the message, the stronger if both: an answer uses the same (section 9.1.3).
    #[must_use]
    pub fn integrity_kind(&self) -> Option<IntegrityKind> {
        match self.seals {
            Seals { sha256: Some(_), .. } => Some(IntegrityKind::Sha256),
            Seals { sha1: Some(_), .. } => Some(IntegrityKind::Sha1),
            _ => None,
        }
    }

    /// The bytes before the attribute at `at`, and its value.
    fn seal(&self, at: Option<usize>) -> Option<(&'a [u8], &'a [u8])> {
        let (covered, rest) = self.bytes.split_at_checked(at?)?;
        let raw = RawAttribute::parse(&mut Reader::at(covered.len(), rest)).ok()?;
        Some((covered, raw.value))
    }
}

macro_rules! getters {
    ($($(#[doc = $doc:literal])* $getter:ident $number:ident $variant:ident $ty:ty;)*) => {
        /// One attribute each: the first of its type, if it counts.
        impl<'a> Message<'a> {
            $($(#[doc = $doc])*
            #[must_use]
            pub fn $getter(&self) -> Option<$ty> {
                match self.first(types::$number)? {
                    Attribute::$variant(value) => Some(value.into()),
                    _ => None,
                }
            })*

            /// Whether the controlling agent nominates this pair (RFC 8445 section 7.1.2).
            #[must_use]
            pub fn use_candidate(&self) -> bool {
                self.first(types::USE_CANDIDATE).is_some()
            }
        }
    };
}

getters! {
    /// Whose password protects the message.
    username USERNAME Username &'a str;
    /// Why a request was refused.
    error_code ERROR_CODE ErrorCode ErrorCode<'a>;
    /// Where the sender of the response saw us.
    xor_mapped_address XOR_MAPPED_ADDRESS XorMappedAddress std::net::SocketAddr;
    /// The same from an old server.
    mapped_address MAPPED_ADDRESS MappedAddress std::net::SocketAddr;
    /// The address that a relay listens on for us.
    xor_relayed_address XOR_RELAYED_ADDRESS XorRelayedAddress std::net::SocketAddr;
    /// Who is behind the relay.
    xor_peer_address XOR_PEER_ADDRESS XorPeerAddress std::net::SocketAddr;
    /// A relayed datagram.
    data DATA Data &'a [u8];
    /// Seconds for which an allocation lives.
    lifetime LIFETIME Lifetime u32;
    /// Where a long-term credential is valid.
    realm REALM Realm &'a str;
    /// A server's challenge.
    nonce NONCE Nonce &'a str;
    /// Which password algorithms the server takes.
    password_algorithms PASSWORD_ALGORITHMS PasswordAlgorithms super::value::AlgorithmList<'a>;
    /// Priority of the peer-reflexive candidate that this check may create.
    priority PRIORITY Priority u32;
    /// Which of several nominations this is; the largest counts.
    nomination NOMINATION Nomination u32;
    /// The sender believes it is controlled: its tie-breaker.
    ice_controlled ICE_CONTROLLED IceControlled u64;
    /// The sender believes it is controlling: its tie-breaker.
    ice_controlling ICE_CONTROLLING IceControlling u64;
    /// Who wrote the sender.
    software SOFTWARE Software &'a str;
    /// The server's other address and port (RFC 5780).
    other_address OTHER_ADDRESS OtherAddress std::net::SocketAddr;
    /// Another server to try.
    alternate_server ALTERNATE_SERVER AlternateServer std::net::SocketAddr;
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:#x} {:?} ", self.class, self.method.number(), self.id)?;
        f.debug_list().entries(self.every_attribute()).finish()
    }
}

/// An attribute as it was found: where, and the value without padding.
#[derive(Clone, Copy)]
struct RawAttribute<'a> {
    at: usize,
    number: u16,
    value: &'a [u8],
}

impl<'a> RawAttribute<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let at = r.offset();
        let number = r.u16()?;
        let length = usize::from(r.u16()?);
        let value = r.take(length)?;
        r.take(length.wrapping_neg() % 4)?; // padding: any value (section 14)
        Ok(Self { at, number, value })
    }

    fn decode(self, id: TransactionId) -> Result<Attribute<'a>, ParseError> {
        Attribute::parse(self.number, &mut Reader::at(self.at + 4, self.value), id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::TypeList;
    use super::super::{MessageWriter, is_stun};
    use super::*;
    use crate::wire::Why;

    /// RFC 5769 section 2.1.
    const REQUEST: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\
        \xdf\xae\x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\
        \x2f\xf9\xb1\x51\x26\x3b\x36\x00\x06\x00\x09evtj:h6vY\x20\x20\x20\x00\x08\x00\x14\x9a\xea\xa7\
        \x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\
        \x3b\xcf";

    fn written(attributes: &[Attribute<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        MessageWriter::new(&mut out, Class::Request, Method::BINDING, TransactionId([1; 12]))
            .attributes(attributes.iter().copied())
            .finish();
        out
    }

    #[test]
    fn a_check_says_who_asks_and_proves_it() {
        let message = Message::parse(REQUEST).unwrap();
        assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
        assert_eq!(message.username(), Some("evtj:h6vY"));
        assert_eq!(message.priority(), Some(0x6e00_01ff));
        assert_eq!(message.ice_controlled(), Some(0x932f_f9b1_5126_3b36));
        assert!(!message.use_candidate());
        assert_eq!(message.verify_fingerprint(), Ok(()));
        let key = IntegrityKey::short_term("VOkJxbRl1RmTxUk/WvJxBt");
        assert_eq!(message.verify_integrity(&key), Ok(()));
        let wrong = IntegrityKey::short_term("VOkJxbRl1RmTxUk/WvJxBT");
        assert_eq!(message.verify_integrity(&wrong), Err(IntegrityError::Mismatch));
    }

    /// rfc8489-5-1, rfc8489-5-2, rfc8489-6.3-2
    #[test]
    fn what_is_no_stun_is_told_by_its_first_bytes() {
        assert!(is_stun(REQUEST));
        let mut other = REQUEST.to_vec();
        other[0] |= 0x40;
        assert!(!is_stun(&other));
        assert_eq!(Message::parse(&other).unwrap_err().at, 0);
        let mut old = REQUEST.to_vec();
        old[4] = 0;
        assert!(!is_stun(&old));
        assert_eq!(Message::parse(&old).unwrap_err().at, 4);
        assert!(!is_stun(&REQUEST[..7]));
    }

    /// rfc8489-5-6
    #[test]
    fn the_length_counts_whole_words_to_the_end_of_the_datagram() {
        for (length, bytes) in [(0x57, REQUEST.len()), (0x5c, REQUEST.len()), (0x58, 100)] {
            let mut wrong = REQUEST[..bytes].to_vec();
            wrong[3] = length;
            assert_eq!(Message::parse(&wrong).unwrap_err().at, 2, "{length:#x}");
        }
    }

    #[test]
    fn an_attribute_that_runs_past_the_message_is_refused_where_it_starts() {
        let mut cut = written(&[Attribute::Priority(1)]);
        cut[23] = 5;
        let error = Message::parse(&cut).unwrap_err();
        assert_eq!((error.at, error.why), (24, Why::Truncated { need: 5 }));
    }

    /// rfc8489-9-1
    #[test]
    fn what_follows_the_integrity_has_no_effect() {
        let key = IntegrityKey::short_term("secret");
        let mut out = Vec::new();
        let id = TransactionId([1; 12]);
        MessageWriter::new(&mut out, Class::Request, Method::BINDING, id)
            .attribute(Attribute::Username("a:b"))
            .integrity(&key)
            .attribute(Attribute::UseCandidate)
            .attribute(Attribute::Unknown { number: 0x7ff0, value: &[] })
            .integrity_sha256(&key)
            .attribute(Attribute::Priority(5))
            .fingerprint()
            .finish();
        let message = Message::parse(&out).unwrap();
        assert!(!message.use_candidate());
        assert_eq!(message.priority(), None);
        assert_eq!(message.unknown_required().count(), 0);
        assert_eq!(message.attributes().count(), 4, "username, two proofs, fingerprint");
        assert_eq!(message.every_attribute().count(), 7);
        assert_eq!(message.verify_integrity(&key), Ok(()));
        assert_eq!(message.verify_fingerprint(), Ok(()));
    }

    #[test]
    fn a_second_proof_of_the_same_kind_is_not_looked_at() {
        let (key, other) = (IntegrityKey::short_term("ours"), IntegrityKey::short_term("other"));
        let mut out = Vec::new();
        MessageWriter::new(&mut out, Class::Request, Method::BINDING, TransactionId([1; 12]))
            .integrity(&other)
            .integrity(&key)
            .finish();
        let message = Message::parse(&out).unwrap();
        assert_eq!(message.verify_integrity(&key), Err(IntegrityError::Mismatch));
        assert_eq!(message.verify_integrity(&other), Ok(()));
    }

    #[test]
    fn both_proofs_must_be_right() {
        let (key, other) = (IntegrityKey::short_term("ours"), IntegrityKey::short_term("other"));
        for (first, second) in [(&key, &other), (&other, &key)] {
            let mut out = Vec::new();
            MessageWriter::new(&mut out, Class::Request, Method::BINDING, TransactionId([1; 12]))
                .integrity(first)
                .integrity_sha256(second)
                .finish();
            let message = Message::parse(&out).unwrap();
            assert_eq!(message.verify_integrity(&key), Err(IntegrityError::Mismatch));
        }
    }

    /// rfc8489-14.6-1
    #[test]
    fn a_cut_sha256_is_for_usages_that_allow_it() {
        let key = IntegrityKey::short_term("secret");
        let mut out = Vec::new();
        MessageWriter::new(&mut out, Class::Request, Method::BINDING, TransactionId([1; 12]))
            .integrity_sha256_cut(&key, 20)
            .finish();
        let message = Message::parse(&out).unwrap();
        assert_eq!(message.verify_integrity(&key), Err(IntegrityError::Cut));
        assert_eq!(message.verify_integrity_cut(&key, 20), Ok(()));
        assert_eq!(message.verify_integrity_cut(&key, 24), Err(IntegrityError::Cut));
    }

    /// rfc8489-14-2
    #[test]
    fn only_the_first_of_a_type_counts() {
        let bytes = written(&[Attribute::Priority(1), Attribute::Priority(2)]);
        assert_eq!(Message::parse(&bytes).unwrap().priority(), Some(1));
    }

    /// rfc8489-6.3-1, rfc8489-6.3.1-1
    #[test]
    fn unknown_types_below_0x8000_are_listed_for_a_420() {
        let unknown = |number| Attribute::Unknown { number, value: b"abc" };
        let bytes = written(&[unknown(0x7ff0), unknown(0x8777), unknown(0x0033)]);
        let request = Message::parse(&bytes).unwrap();
        let mut out = Vec::new();
        MessageWriter::error(&mut out, &request, ErrorCode::UNKNOWN_ATTRIBUTE)
            .unknown_attributes(request.unknown_required())
            .finish();
        let answer = Message::parse(&out).unwrap();
        assert_eq!((answer.class(), answer.id()), (Class::Error, request.id()));
        assert_eq!(answer.error_code().unwrap().code, 420);
        let list = answer.attributes().find_map(|attribute| match attribute {
            Attribute::UnknownAttributes(list) => Some(TypeList::iter(list).collect::<Vec<_>>()),
            _ => None,
        });
        assert_eq!(list, Some(vec![0x7ff0, 0x0033]));
    }

    /// rfc8489-14.7-1, rfc8489-7-1
    #[test]
    fn fingerprint_is_last_or_the_message_is_none() {
        let bytes = written(&[Attribute::Fingerprint(0), Attribute::Priority(2)]);
        assert_eq!(Message::parse(&bytes).unwrap_err().at, 20);
        let bytes = written(&[Attribute::Fingerprint(0)]);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.verify_fingerprint(), Err(IntegrityError::Mismatch));
        let none = written(&[]);
        let message = Message::parse(&none).unwrap();
        assert_eq!(message.verify_fingerprint(), Err(IntegrityError::Missing));
    }

    /// rfc8489-14.3-1
    #[test]
    fn a_username_of_763_bytes_parses() {
        let name = "u".repeat(763);
        let bytes = written(&[Attribute::Username(&name)]);
        assert_eq!(Message::parse(&bytes).unwrap().username(), Some(name.as_str()));
    }
}
