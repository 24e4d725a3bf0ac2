//! The header of a STUN message: 20 bytes that every one of them starts with (RFC 8489 section 5).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---+---------------------------+-------------------------------+
//! |0 0|  type: class and method   |  length of the attributes     |
//! +---+---------------------------+-------------------------------+
//! |                    magic cookie 0x2112A442                    |
//! +---------------------------------------------------------------+
//! |                    transaction id (96 bits)                   |
//! +---------------------------------------------------------------+
//! ```
//!
//! Read next: `message.rs`.

use std::fmt;

use rand::{Rng, RngExt};

/// In every message since RFC 5389; tells STUN from what came before it.
pub const MAGIC_COOKIE: u32 = 0x2112_A442;

/// Length of the header.
pub const HEADER_LEN: usize = 20;

/// Whether a datagram looks like STUN: two zero bits and the cookie. FINGERPRINT makes it sure.
#[must_use]
pub fn is_stun(datagram: &[u8]) -> bool {
    matches!(datagram, [0..=0x3f, _, _, _, 0x21, 0x12, 0xA4, 0x42, ..])
}

/// Pairs a response with its request; 96 bits that nobody can guess.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub [u8; 12]);

impl TransactionId {
    /// A new one. `rng` must be cryptographically strong, as `StdRng` is: whoever can guess the id
    /// can forge the answer of an unauthenticated server.
    pub fn random(rng: &mut impl Rng) -> Self {
        Self(rng.random())
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What kind of message of a method it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// To be answered.
    Request,
    /// Not to be answered.
    Indication,
    /// Answer: done.
    Success,
    /// Answer: refused, with an ERROR-CODE.
    Error,
}

/// What a message is about; 12 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Method(u16);

impl Method {
    /// "Where do you see me?" and, between peers, "do you hear me?" (RFC 8489).
    pub const BINDING: Self = Self(0x001);
    /// Give me an address on the relay (RFC 8656, as all that follow).
    pub const ALLOCATE: Self = Self(0x003);
    /// Keep my allocation.
    pub const REFRESH: Self = Self(0x004);
    /// Relay this datagram for me.
    pub const SEND: Self = Self(0x006);
    /// This datagram was relayed to you.
    pub const DATA: Self = Self(0x007);
    /// Let this address reach me.
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// Call this peer by a number, in 4 bytes instead of 36.
    pub const CHANNEL_BIND: Self = Self(0x009);

    /// A method by number; `None` if it has more than 12 bits.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number > 0xfff { None } else { Some(Self(number)) }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// The header's first 16 bits. The two class bits stand among the method's, since RFC 3489 had put
/// "response" at 0x0100 and "error" at 0x0010:
///
/// ```text
///  bit 13 ...... 9  8  7 . 5  4  3 .. 0
///     |M11 .... M7|C1|M6-M4|C0|M3 - M0|
/// ```
/// ```
/// use halloo::stun::{Class, Method, header::message_type};
/// assert_eq!(message_type(Class::Success, Method::BINDING), 0x0101);
/// ```
#[must_use]
pub const fn message_type(class: Class, method: Method) -> u16 {
    let class = match class {
        Class::Request => 0,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    let Method(m) = method;
    class | (m & 0xf80) << 2 | (m & 0x070) << 1 | (m & 0x00f)
}

/// Class and method of a message type; its two top bits are not looked at.
#[must_use]
pub const fn class_and_method(message_type: u16) -> (Class, Method) {
    let class = match message_type & 0x0110 {
        0 => Class::Request,
        0x0010 => Class::Indication,
        0x0100 => Class::Success,
        _ => Class::Error,
    };
    let t = message_type;
    (class, Method((t & 0x3e00) >> 2 | (t & 0x00e0) >> 1 | (t & 0x000f)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// rfc8489-5-3: the two ends of the range are not special, and no byte is fixed.
    #[test]
    fn transaction_ids_come_from_the_generator_they_are_given() {
        use rand::SeedableRng;
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        let ids: Vec<_> = (0..256).map(|_| TransactionId::random(&mut rng)).collect();
        for byte in 0..12 {
            let values: std::collections::HashSet<_> = ids.iter().map(|id| id.0[byte]).collect();
            assert!(values.len() > 128, "byte {byte} takes {} values of 256", values.len());
        }
        let mut again = rand::rngs::StdRng::seed_from_u64(7);
        assert_eq!(TransactionId::random(&mut again), ids[0], "the same seed, the same trace");
    }
}
