//! STUN as strangers may send it: no input panics, and what is written is read back the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use halloo::stun::{
    Attribute, Class, ErrorCode, IntegrityKey, Message, MessageWriter, Method, TransactionId,
    XorAddress, is_stun,
};
use proptest::prelude::*;

/// RFC 5769 section 2.1.
const REQUEST: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\
    \xdf\xae\x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\
    \x2f\xf9\xb1\x51\x26\x3b\x36\x00\x06\x00\x09evtj:h6vY\x20\x20\x20\x00\x08\x00\x14\x9a\xea\xa7\
    \x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\
    \x3b\xcf";

/// Everything that can be asked of a datagram.
fn look_at(bytes: &[u8]) {
    let looks = is_stun(bytes);
    let Ok(message) = Message::parse(bytes) else { return };
    assert!(looks, "what parses looks like STUN");
    let key = IntegrityKey::short_term("VOkJxbRl1RmTxUk/WvJxBt");
    let _ = (message.verify_integrity(&key), message.verify_fingerprint());
    let _ = (message.unknown_required().count(), format!("{message:?}"));
    let _ = (message.username(), message.error_code(), message.xor_mapped_address());
    assert!(message.attributes().count() <= message.every_attribute().count());
}

/// Attributes with owned values, as proptest wants them.
#[derive(Clone, Debug)]
enum Owned {
    Username(String),
    Data(Vec<u8>),
    Error(u16, String),
    Mapped(std::net::SocketAddr),
    Peer(std::net::SocketAddr),
    Priority(u32),
    Controlling(u64),
    UseCandidate,
    Unknown(u16, Vec<u8>),
}

impl Owned {
    fn attribute(&self) -> Attribute<'_> {
        match self {
            Self::Username(name) => Attribute::Username(name),
            Self::Data(bytes) => Attribute::Data(bytes),
            Self::Error(code, reason) => Attribute::ErrorCode(ErrorCode { code: *code, reason }),
            Self::Mapped(address) => Attribute::MappedAddress(*address),
            Self::Peer(address) => Attribute::XorPeerAddress(XorAddress(*address)),
            Self::Priority(priority) => Attribute::Priority(*priority),
            Self::Controlling(tie_breaker) => Attribute::IceControlling(*tie_breaker),
            Self::UseCandidate => Attribute::UseCandidate,
            Self::Unknown(number, value) => Attribute::Unknown { number: *number, value },
        }
    }
}

fn address() -> impl Strategy<Value = std::net::SocketAddr> {
    prop_oneof![
        any::<([u8; 4], u16)>().prop_map(|(ip, port)| (ip, port).into()),
        any::<([u8; 16], u16)>().prop_map(|(ip, port)| (ip, port).into()),
    ]
}

fn owned() -> impl Strategy<Value = Owned> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        ".{0,30}".prop_map(Owned::Username),
        bytes().prop_map(Owned::Data),
        (300_u16..700, ".{0,30}").prop_map(|(code, reason)| Owned::Error(code, reason)),
        address().prop_map(Owned::Mapped),
        address().prop_map(Owned::Peer),
        any::<u32>().prop_map(Owned::Priority),
        any::<u64>().prop_map(Owned::Controlling),
        Just(Owned::UseCandidate),
        (0xc000_u16.., bytes()).prop_map(|(number, value)| Owned::Unknown(number, value)),
    ]
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        look_at(&bytes);
    }

    #[test]
    fn no_attributes_panic(attributes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let length = u16::try_from(attributes.len() & !3).unwrap();
        let mut bytes = REQUEST[..20].to_vec();
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&attributes[..usize::from(length)]);
        look_at(&bytes);
    }

    #[test]
    fn no_damage_to_a_request_panics_or_goes_unnoticed(at in 0..REQUEST.len(), flip in 1..=255_u8) {
        let mut bytes = REQUEST.to_vec();
        bytes[at] ^= flip;
        look_at(&bytes);
        let key = IntegrityKey::short_term("VOkJxbRl1RmTxUk/WvJxBt");
        if let Ok(message) = Message::parse(&bytes) {
            // The length field is the one that both proofs put in themselves; it is checked by itself.
            let proved = message.verify_integrity(&key).is_ok();
            let whole = message.verify_fingerprint().is_ok();
            prop_assert!(!(proved && whole), "byte {at} may change");
        }
    }

    #[test]
    fn no_cut_panics(end in 0..REQUEST.len()) {
        prop_assert!(Message::parse(&REQUEST[..end]).is_err());
    }

    #[test]
    fn what_is_written_is_read_back(
        id in any::<[u8; 12]>(),
        class in prop_oneof![
            Just(Class::Request), Just(Class::Indication), Just(Class::Success), Just(Class::Error)
        ],
        method in (0_u16..0x1000).prop_map(|number| Method::new(number).unwrap()),
        attributes in proptest::collection::vec(owned(), 0..10),
        password in ".{1,80}",
    ) {
        let key = IntegrityKey::short_term(&password);
        let mut out = Vec::new();
        MessageWriter::new(&mut out, class, method, TransactionId(id))
            .attributes(attributes.iter().map(Owned::attribute))
            .integrity(&key)
            .integrity_sha256(&key)
            .fingerprint()
            .finish();
        let message = Message::parse(&out).unwrap();
        prop_assert_eq!((message.class(), message.method()), (class, method));
        prop_assert_eq!(message.id(), TransactionId(id));
        prop_assert_eq!(message.verify_integrity(&key), Ok(()));
        prop_assert_eq!(message.verify_fingerprint(), Ok(()));
        let read: Vec<_> = message.attributes().take(attributes.len()).collect();
        let written: Vec<_> = attributes.iter().map(Owned::attribute).collect();
        prop_assert_eq!(read, written);
    }
}
