//! Writing a message into a buffer that the caller keeps (RFC 8489 section 6.1).
//!
//! The header's length field is right after every call, because HMAC and CRC need it that way; so a
//! message is finished at any moment. The buffer keeps its capacity: after the first message nothing
//! is allocated.
//!
//! Read next: `integrity.rs`.

use super::attribute::{Attribute, types};
use super::header::{Class, HEADER_LEN, MAGIC_COOKIE, Method, TransactionId, message_type};
use super::integrity::{self, IntegrityKey, IntegrityKind, SHA256_LEN};
use super::message::Message;
use super::value::ErrorCode;

/// A message under construction. Attributes in order, then integrity, then fingerprint.
#[derive(Debug)]
pub struct MessageWriter<'b> {
    out: &'b mut Vec<u8>,
    id: TransactionId,
}

impl<'b> MessageWriter<'b> {
    /// Empties `out` and starts a message in it.
    pub fn new(out: &'b mut Vec<u8>, class: Class, method: Method, id: TransactionId) -> Self {
        out.clear();
        let [t0, t1] = message_type(class, method).to_be_bytes();
        out.extend_from_slice(&[t0, t1, 0, 0]);
        out.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
        out.extend_from_slice(&id.0);
        Self { out, id }
    }

    /// Starts the success response to a request: same method, same transaction id.
    pub fn success(out: &'b mut Vec<u8>, request: &Message<'_>) -> Self {
        Self::new(out, Class::Success, request.method(), request.id())
    }

    /// Starts an error response to a request, with its ERROR-CODE.
    pub fn error(out: &'b mut Vec<u8>, request: &Message<'_>, error: ErrorCode<'_>) -> Self {
        Self::new(out, Class::Error, request.method(), request.id())
            .attribute(Attribute::ErrorCode(error))
    }

    /// Appends an attribute. One that no longer fits into 65,535 bytes is left out: only DATA can be
    /// so long, and no datagram could carry it.
    pub fn attribute(self, attribute: Attribute<'_>) -> Self {
        let id = self.id;
        self.append(attribute.number(), |out| attribute.write(out, id))
    }

    /// Appends several attributes, or an optional one.
    pub fn attributes<'v>(self, attributes: impl IntoIterator<Item = Attribute<'v>>) -> Self {
        attributes.into_iter().fold(self, |writer, attribute| writer.attribute(attribute))
    }

    /// Appends UNKNOWN-ATTRIBUTES, for a 420.
    pub fn unknown_attributes(self, numbers: impl IntoIterator<Item = u16>) -> Self {
        self.append(types::UNKNOWN_ATTRIBUTES, |out| {
            numbers.into_iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
        })
    }

    /// Appends MESSAGE-INTEGRITY over all before it.
    pub fn integrity(self, key: &IntegrityKey) -> Self {
        let mac = key.seal_sha1(self.out);
        self.attribute(Attribute::MessageIntegrity(mac))
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 over all before it.
    pub fn integrity_sha256(self, key: &IntegrityKey) -> Self {
        self.integrity_sha256_cut(key, SHA256_LEN)
    }

    /// The same with only the first `len` bytes (16 to 32 in steps of 4), for usages that allow it.
    pub fn integrity_sha256_cut(self, key: &IntegrityKey, len: usize) -> Self {
        let mac = key.seal_sha256(self.out, len);
        self.append(types::MESSAGE_INTEGRITY_SHA256, |out| {
            out.extend(mac.iter().take(len));
        })
    }

    /// Appends the integrity attribute that `request` has: a response uses the same (section 9.1.3).
    pub fn integrity_like(self, request: &Message<'_>, key: &IntegrityKey) -> Self {
        match request.integrity_kind() {
            Some(IntegrityKind::Sha1) => self.integrity(key),
            Some(IntegrityKind::Sha256) => self.integrity_sha256(key),
            None => self,
        }
    }

    /// Appends FINGERPRINT over all before it.
    pub fn fingerprint(self) -> Self {
        // The CRC covers the length field, which must count this attribute already.
        let total = self.out.len() + 8;
        set_length(self.out, total);
        let crc = integrity::fingerprint(self.out);
        self.attribute(Attribute::Fingerprint(crc))
    }

    /// The message.
    pub fn finish(self) -> &'b [u8] {
        self.out
    }

    fn append(self, number: u16, write_value: impl FnOnce(&mut Vec<u8>)) -> Self {
        let start = self.out.len();
        let [n0, n1] = number.to_be_bytes();
        self.out.extend_from_slice(&[n0, n1, 0, 0]);
        let value_start = self.out.len();
        write_value(self.out);
        let length = self.out.len() - value_start;
        self.out.resize(value_start + length.next_multiple_of(4), 0);
        let total = self.out.len();
        match u16::try_from(length) {
            Ok(length) if total - HEADER_LEN <= usize::from(u16::MAX) => {
                put(self.out, start + 2, length);
                set_length(self.out, total);
            }
            _ => self.out.truncate(start),
        }
        self
    }
}

/// Sets the header's length field for a message of `total` bytes.
fn set_length(out: &mut [u8], total: usize) {
    put(out, 2, u16::try_from(total.saturating_sub(HEADER_LEN)).unwrap_or(u16::MAX));
}

fn put(out: &mut [u8], at: usize, number: u16) {
    if let Some(field) = out.get_mut(at..at + 2) {
        field.copy_from_slice(&number.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TransactionId = TransactionId([1; 12]);

    /// rfc8489-14-1
    #[test]
    fn values_are_padded_with_zeros_that_the_length_does_not_count() {
        let mut out = vec![0xff; 64];
        MessageWriter::new(&mut out, Class::Request, Method::BINDING, ID)
            .attribute(Attribute::Username("a:bcd"))
            .finish();
        assert_eq!(out[20..], *b"\x00\x06\x00\x05a:bcd\x00\x00\x00");
        assert_eq!(out[2..4], [0, 12]);
    }

    #[test]
    fn an_attribute_that_does_not_fit_is_left_out() {
        let long = vec![0; 65_536];
        let nearly = vec![0; 65_500];
        let mut out = Vec::new();
        MessageWriter::new(&mut out, Class::Indication, Method::SEND, ID)
            .attribute(Attribute::Data(&long))
            .attribute(Attribute::Data(&nearly))
            .attribute(Attribute::Data(&nearly))
            .attribute(Attribute::Priority(1))
            .finish();
        let message = Message::parse(&out).unwrap();
        assert_eq!(message.attributes().count(), 2);
        assert_eq!(message.data().map(<[u8]>::len), Some(65_500));
    }

    /// rfc8489-5-5, rfc8489-6.3.1.1-2, rfc8489-6.3.1.1-3, rfc8489-9.1.3-4
    #[test]
    fn an_answer_carries_the_id_the_address_and_the_kind_of_proof_of_its_request() {
        let key = IntegrityKey::short_term("secret");
        let (mut request, mut response) = (Vec::new(), Vec::new());
        for kind in [IntegrityKind::Sha1, IntegrityKind::Sha256] {
            let writer = MessageWriter::new(&mut request, Class::Request, Method::BINDING, ID)
                .attribute(Attribute::Username("a:b"));
            match kind {
                IntegrityKind::Sha1 => writer.integrity(&key).finish(),
                IntegrityKind::Sha256 => writer.integrity_sha256(&key).finish(),
            };
            let asked = Message::parse(&request).unwrap();
            let seen = "192.0.2.1:32853".parse().unwrap();
            MessageWriter::success(&mut response, &asked)
                .attribute(Attribute::XorMappedAddress(crate::stun::XorAddress(seen)))
                .integrity_like(&asked, &key)
                .fingerprint()
                .finish();
            let answer = Message::parse(&response).unwrap();
            assert_eq!((answer.class(), answer.id()), (Class::Success, ID));
            assert_eq!(answer.xor_mapped_address(), Some(seen));
            assert_eq!(answer.integrity_kind(), Some(kind));
            assert_eq!(answer.verify_integrity(&key), Ok(()));
            assert_eq!(answer.username(), None);
        }
    }

    /// rfc8489-6.1-1: the longest check there can be, two ufrags of 256 characters aside (RFC 8839 has
    /// them; ours have 4), and the longest answer fit into any network's packet.
    #[test]
    fn a_check_of_ours_fits_into_576_bytes() {
        let mut out = Vec::new();
        let name = "u".repeat(400);
        MessageWriter::new(&mut out, Class::Request, Method::BINDING, ID)
            .attribute(Attribute::Username(&name))
            .attribute(Attribute::Priority(1))
            .attribute(Attribute::IceControlling(1))
            .attribute(Attribute::UseCandidate)
            .integrity(&IntegrityKey::short_term("secret"))
            .fingerprint()
            .finish();
        assert!(out.len() + 20 + 8 <= 576, "{} bytes, IP and UDP headers aside", out.len());
    }

    /// rfc8489-6.3.1-2: a Binding request is idempotent, so a copy gets the same answer.
    #[test]
    fn the_same_request_gets_the_same_answer_and_nothing_is_allocated_for_it() {
        let mut buffer = Vec::with_capacity(128);
        let start = buffer.as_ptr();
        let key = IntegrityKey::short_term("secret");
        let mut write = || {
            MessageWriter::new(&mut buffer, Class::Success, Method::BINDING, ID)
                .integrity(&key)
                .fingerprint()
                .finish()
                .to_vec()
        };
        assert_eq!(write(), write());
        assert_eq!(buffer.as_ptr(), start);
    }
}
