//! Attribute values: each Rust type of the table in `attribute.rs`, read and written (RFC 8489
//! section 14).
//!
//! Addresses are in `xor_address.rs`; numbers, text and bytes are as you expect; the five composite
//! ones have a type of their own here. A value's `parse` gets a reader that ends where the value ends,
//! and `attribute.rs` refuses what it leaves over.
//!
//! Read next: `xor_address.rs`.

use std::net::SocketAddr;

use super::header::TransactionId;
use super::xor_address::{self, XorAddress};
use crate::wire::{ParseError, Reader};

/// How a value stands on the wire; `parse` and `write` mirror each other.
pub(super) trait Value<'a>: Sized {
    fn parse(r: &mut Reader<'a>, id: TransactionId) -> Result<Self, ParseError>;
    fn write(&self, out: &mut Vec<u8>, id: TransactionId);
}

/// ERROR-CODE (section 14.8).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-----------------------------------------+-----+---------------+
/// |                reserved                 |class|    number     |
/// +-----------------------------------------+-----+---------------+
/// |     reason phrase (variable), UTF-8
/// +----------------------------------------------
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode<'a> {
    /// 300 to 699: class times 100 plus number.
    pub code: u16,
    /// For people.
    pub reason: &'a str,
}

impl ErrorCode<'static> {
    /// The request is malformed, or lacks what authenticates it.
    pub const BAD_REQUEST: Self = Self { code: 400, reason: "Bad Request" };
    /// The credentials are missing or wrong.
    pub const UNAUTHENTICATED: Self = Self { code: 401, reason: "Unauthenticated" };
    /// There is an unknown comprehension-required attribute.
    pub const UNKNOWN_ATTRIBUTE: Self = Self { code: 420, reason: "Unknown Attribute" };
    /// The nonce is too old: ask again with the new one.
    pub const STALE_NONCE: Self = Self { code: 438, reason: "Stale Nonce" };
    /// Both agents believe that they have the same ICE role (RFC 8445 section 7.3.1.1).
    pub const ROLE_CONFLICT: Self = Self { code: 487, reason: "Role Conflict" };
    /// A temporary error of the server.
    pub const SERVER_ERROR: Self = Self { code: 500, reason: "Server Error" };
}

impl<'a> Value<'a> for ErrorCode<'a> {
    fn parse(r: &mut Reader<'a>, id: TransactionId) -> Result<Self, ParseError> {
        let [_, _] = r.array()?; // receivers ignore the reserved bits
        let class_at = r.offset();
        let class = r.u8()? & 0b111;
        if !(3..=6).contains(&class) {
            return Err(ParseError::invalid(class_at, "an error class other than 3 to 6"));
        }
        let number = r.u8()?;
        if number > 99 {
            return Err(ParseError::invalid(class_at + 1, "an error number over 99"));
        }
        let reason = Value::parse(r, id)?;
        Ok(Self { code: u16::from(class) * 100 + u16::from(number), reason })
    }

    fn write(&self, out: &mut Vec<u8>, id: TransactionId) {
        let [_, class] = (self.code / 100).to_be_bytes();
        let [_, number] = (self.code % 100).to_be_bytes();
        out.extend_from_slice(&[0, 0, class & 0b111, number]);
        self.reason.write(out, id);
    }
}

/// UNKNOWN-ATTRIBUTES: type numbers, 16 bits each (section 14.13).
///
/// To write one, see [`super::MessageWriter::unknown_attributes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeList<'a>(&'a [u8]);

impl<'a> TypeList<'a> {
    /// The type numbers, in order.
    pub fn iter(self) -> impl Iterator<Item = u16> + 'a {
        let mut r = Reader::new(self.0);
        std::iter::from_fn(move || r.u16().ok())
    }
}

impl<'a> Value<'a> for TypeList<'a> {
    fn parse(r: &mut Reader<'a>, id: TransactionId) -> Result<Self, ParseError> {
        let at = r.offset();
        let list: &[u8] = Value::parse(r, id)?;
        if !list.len().is_multiple_of(2) {
            return Err(ParseError::invalid(at, "half a type number"));
        }
        Ok(Self(list))
    }
    fn write(&self, out: &mut Vec<u8>, id: TransactionId) {
        self.0.write(out, id);
    }
}

/// PASSWORD-ALGORITHMS and PASSWORD-ALGORITHM: entries of algorithm number, length of its parameters,
/// and those, padded to 32 bits (sections 14.11 and 14.12). No algorithm has parameters yet.
///
/// Kept as bytes, because a client sends the list back exactly as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlgorithmList<'a>(pub &'a [u8]);

impl<'a> AlgorithmList<'a> {
    /// The algorithm numbers in order, up to where the list is malformed, if it is.
    pub fn numbers(self) -> impl Iterator<Item = u16> + 'a {
        let mut r = Reader::new(self.0);
        std::iter::from_fn(move || {
            let number = r.u16().ok()?;
            let parameters = usize::from(r.u16().ok()?);
            r.take(parameters.next_multiple_of(4)).ok()?;
            Some(number)
        })
    }
}

impl<'a> Value<'a> for AlgorithmList<'a> {
    fn parse(r: &mut Reader<'a>, id: TransactionId) -> Result<Self, ParseError> {
        Value::parse(r, id).map(Self)
    }
    fn write(&self, out: &mut Vec<u8>, id: TransactionId) {
        self.0.write(out, id);
    }
}

/// MESSAGE-INTEGRITY-SHA256: the HMAC or its first part, 16 to 32 bytes in steps of 4 (section 14.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac256<'a>(&'a [u8]);

impl<'a> Mac256<'a> {
    /// The bytes that were sent.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Value<'a> for Mac256<'a> {
    fn parse(r: &mut Reader<'a>, id: TransactionId) -> Result<Self, ParseError> {
        let at = r.offset();
        let mac: &[u8] = Value::parse(r, id)?;
        if !matches!(mac.len(), 16 | 20 | 24 | 28 | 32) {
            return Err(ParseError::invalid(
                at,
                "an HMAC-SHA256 that is not 16, 20, .. 32 bytes long",
            ));
        }
        Ok(Self(mac))
    }
    fn write(&self, out: &mut Vec<u8>, id: TransactionId) {
        self.0.write(out, id);
    }
}

/// A number at the front of 32 bits whose rest is reserved: zero when sent, ignored when received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leading<T>(pub T);

impl<'a> Value<'a> for Leading<u8> {
    fn parse(r: &mut Reader<'a>, _: TransactionId) -> Result<Self, ParseError> {
        let [number, _, _, _] = r.array()?;
        Ok(Self(number))
    }
    fn write(&self, out: &mut Vec<u8>, _: TransactionId) {
        out.extend_from_slice(&[self.0, 0, 0, 0]);
    }
}

impl<'a> Value<'a> for Leading<u16> {
    fn parse(r: &mut Reader<'a>, _: TransactionId) -> Result<Self, ParseError> {
        let [high, low, _, _] = r.array()?;
        Ok(Self(u16::from_be_bytes([high, low])))
    }
    fn write(&self, out: &mut Vec<u8>, _: TransactionId) {
        out.extend_from_slice(&self.0.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
    }
}

impl<'a> Value<'a> for SocketAddr {
    fn parse(r: &mut Reader<'a>, _: TransactionId) -> Result<Self, ParseError> {
        xor_address::parse_plain(r)
    }
    fn write(&self, out: &mut Vec<u8>, _: TransactionId) {
        xor_address::write_plain(*self, out);
    }
}

impl<'a> Value<'a> for XorAddress {
    fn parse(r: &mut Reader<'a>, id: TransactionId) -> Result<Self, ParseError> {
        Self::parse(r, id)
    }
    fn write(&self, out: &mut Vec<u8>, id: TransactionId) {
        Self::write(*self, out, id);
    }
}

impl<'a> Value<'a> for &'a [u8] {
    fn parse(r: &mut Reader<'a>, _: TransactionId) -> Result<Self, ParseError> {
        r.take(r.rest().len())
    }
    fn write(&self, out: &mut Vec<u8>, _: TransactionId) {
        out.extend_from_slice(self);
    }
}

impl<'a> Value<'a> for &'a str {
    fn parse(r: &mut Reader<'a>, _: TransactionId) -> Result<Self, ParseError> {
        let at = r.offset();
        let bytes = r.take(r.rest().len())?;
        std::str::from_utf8(bytes).map_err(|_| ParseError::invalid(at, "text that is not UTF-8"))
    }
    fn write(&self, out: &mut Vec<u8>, _: TransactionId) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl<'a, const N: usize> Value<'a> for [u8; N] {
    fn parse(r: &mut Reader<'a>, _: TransactionId) -> Result<Self, ParseError> {
        r.array()
    }
    fn write(&self, out: &mut Vec<u8>, _: TransactionId) {
        out.extend_from_slice(self);
    }
}

macro_rules! number_values {
    ($($number:ident)*) => {$(
        impl<'a> Value<'a> for $number {
            fn parse(r: &mut Reader<'a>, _: TransactionId) -> Result<Self, ParseError> {
                r.$number()
            }
            fn write(&self, out: &mut Vec<u8>, _: TransactionId) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }
    )*};
}
number_values!(u8 u32 u64);

#[cfg(test)]
mod tests {
    use super::super::attribute::{Attribute, types};
    use super::*;

    const ID: TransactionId = TransactionId([1; 12]);

    fn read(number: u16, value: &[u8]) -> Result<Attribute<'_>, ParseError> {
        Attribute::parse(number, &mut Reader::new(value), ID)
    }

    /// rfc8489-14.8-1
    #[test]
    fn an_error_is_class_and_number_and_its_reserved_bits_are_nothing() {
        let Ok(Attribute::ErrorCode(error)) = read(types::ERROR_CODE, b"\xff\xff\xfc\x57Role")
        else {
            panic!("not read");
        };
        assert_eq!(error, ErrorCode { code: 487, reason: "Role" });
        for (wrong, at) in [(&[0, 0, 2, 0], 2), (&[0, 0, 7, 0], 2), (&[0, 0, 4, 100], 3)] {
            assert_eq!(read(types::ERROR_CODE, wrong).unwrap_err().at, at);
        }
        assert!(read(types::ERROR_CODE, b"\0\0\x04\x00\xff").is_err(), "the reason is UTF-8");
    }

    #[test]
    fn a_value_longer_than_its_type_is_refused_behind_its_end() {
        assert_eq!(read(types::PRIORITY, &[0; 5]).unwrap_err().at, 4);
        assert_eq!(read(types::USE_CANDIDATE, &[0]).unwrap_err().at, 0);
        assert!(read(types::PRIORITY, &[0; 3]).is_err());
    }

    #[test]
    fn a_list_of_algorithms_is_read_up_to_where_it_breaks() {
        let numbers = |list| AlgorithmList(list).numbers().collect::<Vec<_>>();
        assert_eq!(numbers(&[0, 2, 0, 0, 0, 1, 0, 0]), [2, 1]);
        assert_eq!(
            numbers(&[0, 9, 0, 1, 7, 0, 0, 0, 0, 1, 0, 0]),
            [9, 1],
            "parameters are skipped"
        );
        assert_eq!(numbers(&[0, 2, 0, 0, 0, 1, 0, 4]), [2]);
    }

    #[test]
    fn half_a_type_number_is_refused() {
        assert!(read(types::UNKNOWN_ATTRIBUTES, &[0, 1, 2]).is_err());
        let mut out = Vec::new();
        read(types::UNKNOWN_ATTRIBUTES, &[0, 1, 0x7f, 0xff]).unwrap().write(&mut out, ID);
        assert_eq!(out, [0, 1, 0x7f, 0xff]);
    }

    #[test]
    fn an_hmac_is_cut_in_steps_of_four_bytes() {
        for length in 0..=36 {
            let bytes = vec![0; length];
            let read = read(types::MESSAGE_INTEGRITY_SHA256, &bytes);
            assert_eq!(read.is_ok(), (16..=32).contains(&length) && length % 4 == 0, "{length}");
        }
    }
}
