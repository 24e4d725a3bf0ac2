//! The XORed addresses: where our packet seemed to come from, where a relay listens, who is behind it
//! (RFC 8489 section 14.2; RFC 8656 sections 18.3 and 18.5).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------------+
//! |   reserved    |    family     | port XOR first half of cookie |
//! +---------------+---------------+-------------------------------+
//! |  address XOR (cookie, and for IPv6 then the transaction id)   |
//! +---------------------------------------------------------------+
//! ```
//! Why XOR: some NATs rewrite payload bytes that look like an address they translate. MAPPED-ADDRESS
//! (section 14.1) is the same without the XOR.
//!
//! Comes from `message.rs`, which finds attributes; goes to `ice`. Read next: `transaction.rs`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::header::{MAGIC_COOKIE, TransactionId};
use crate::wire::{ParseError, Reader, Why};

/// The address of XOR-MAPPED-ADDRESS, XOR-RELAYED-ADDRESS or XOR-PEER-ADDRESS, in the clear.
///
/// ```
/// use halloo::stun::{TransactionId, XorAddress};
/// use halloo::wire::Reader;
/// let wire = [0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]; // RFC 5769 section 2.2
/// let seen = XorAddress::parse(&mut Reader::new(&wire), TransactionId([0; 12]))?;
/// assert_eq!(seen.0.to_string(), "192.0.2.1:32853");
/// # Ok::<(), halloo::wire::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XorAddress(pub SocketAddr);

impl XorAddress {
    /// Reads the value; `id` is that of the enclosing message.
    ///
    /// # Errors
    /// A family that nobody assigned, or an address that is cut off.
    pub fn parse(r: &mut Reader<'_>, id: TransactionId) -> Result<Self, ParseError> {
        parse(r, mask(id)).map(Self)
    }

    /// Appends the value; `id` is that of the enclosing message.
    pub fn write(self, out: &mut Vec<u8>, id: TransactionId) {
        write(self.0, out, mask(id));
    }
}

impl From<XorAddress> for SocketAddr {
    fn from(XorAddress(address): XorAddress) -> Self {
        address
    }
}

/// Reads an address that is not XORed, as MAPPED-ADDRESS has it.
pub(super) fn parse_plain(r: &mut Reader<'_>) -> Result<SocketAddr, ParseError> {
    parse(r, [0; 16])
}

/// Appends an address that is not XORed.
pub(super) fn write_plain(address: SocketAddr, out: &mut Vec<u8>) {
    write(address, out, [0; 16]);
}

fn parse(r: &mut Reader<'_>, mask: [u8; 16]) -> Result<SocketAddr, ParseError> {
    let [_reserved] = r.array()?; // receivers ignore it
    let family_at = r.offset();
    let [family] = r.array()?;
    let port = u16::from_be_bytes(xor(r.array()?, mask));
    let ip: IpAddr = match family {
        IPV4 => Ipv4Addr::from(xor(r.array()?, mask)).into(),
        IPV6 => Ipv6Addr::from(xor(r.array()?, mask)).into(),
        other => return Err(ParseError { at: family_at, why: Why::UnknownFamily(other) }),
    };
    Ok(SocketAddr::new(ip, port))
}

fn write(address: SocketAddr, out: &mut Vec<u8>, mask: [u8; 16]) {
    let family = if address.is_ipv4() { IPV4 } else { IPV6 };
    out.extend_from_slice(&[0, family]);
    out.extend_from_slice(&xor(address.port().to_be_bytes(), mask));
    match address.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&xor(ip.octets(), mask)),
        IpAddr::V6(ip) => out.extend_from_slice(&xor(ip.octets(), mask)),
    }
}

/// The cookie and then the id: port and addresses are XORed with as much of it as they are long.
fn mask(TransactionId(id): TransactionId) -> [u8; 16] {
    let [a, b, c, d] = MAGIC_COOKIE.to_be_bytes();
    let [e, f, g, h, i, j, k, l, m, n, o, p] = id;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

fn xor<const N: usize>(mut field: [u8; N], mask: [u8; 16]) -> [u8; N] {
    for (byte, mask) in field.iter_mut().zip(mask) {
        *byte ^= mask;
    }
    field
}

const IPV4: u8 = 1;
const IPV6: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_family_is_refused_at_its_own_byte() {
        let refused = XorAddress::parse(&mut Reader::new(&[0, 3, 0, 0]), TransactionId([0; 12]));
        assert_eq!(refused, Err(ParseError { at: 1, why: Why::UnknownFamily(3) }));
    }

    /// rfc8489-14.2-1, with the bytes of RFC 5769 section 2.3.
    #[test]
    fn an_ipv6_address_is_masked_with_cookie_and_transaction_id() {
        let id = TransactionId(*b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae");
        let wire =
            *b"\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9";
        let seen = XorAddress::parse(&mut Reader::new(&wire), id).unwrap();
        assert_eq!(seen.0.to_string(), "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
        let mut written = Vec::new();
        seen.write(&mut written, id);
        assert_eq!(written, wire);
    }

    #[test]
    fn the_reserved_byte_may_hold_anything() {
        let wire = [0xff, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
        let seen = XorAddress::parse(&mut Reader::new(&wire), TransactionId([9; 12])).unwrap();
        assert_eq!(seen.0.to_string(), "192.0.2.1:32853");
    }
}
