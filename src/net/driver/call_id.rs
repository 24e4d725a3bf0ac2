//! A call's name, as in `/calls/ID`.
//!
//! Whoever knows it may hang up (`DELETE /calls/ID`), so it is 128 bits that nobody can guess, written
//! in the 22 characters that URLs leave alone (base64url, RFC 4648 section 5).

use std::fmt;
use std::str::FromStr;

/// The name of a call; unguessable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u128);

impl CallId {
    /// From 128 random bits of the system.
    #[must_use]
    pub const fn from_random(bits: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bits))
    }
}

/// 22 characters of 6 bits are 4 bits more than 128.
const LENGTH: u32 = 22;
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The last character holds 2 bits and 4 zeros behind them, as base64 pads.
        for place in 0..LENGTH {
            let shift = 122_i64 - 6 * i64::from(place);
            let six = match u32::try_from(shift) {
                Ok(right) => self.0 >> right,
                Err(_) => self.0 << 4,
            } & 0x3f;
            let digit = usize::try_from(six).ok().and_then(|six| DIGITS.get(six));
            write!(f, "{}", char::from(digit.copied().unwrap_or(b'-')))?;
        }
        Ok(())
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The text is no call's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a call's id is 22 characters of A-Z, a-z, 0-9, - and _")]
pub struct NotACallId;

impl FromStr for CallId {
    type Err = NotACallId;

    fn from_str(text: &str) -> Result<Self, NotACallId> {
        let mut bits = 0_u128;
        for (place, character) in text.bytes().enumerate() {
            let six = DIGITS.iter().position(|digit| *digit == character).ok_or(NotACallId)?;
            let six = u128::try_from(six).map_err(|_| NotACallId)?;
            bits = if place < 21 {
                bits << 6 | six
            } else if place == 21 && six & 0xf == 0 {
                bits << 2 | six >> 4
            } else {
                return Err(NotACallId); // too long, or a second spelling of the same name
            };
        }
        if text.len() == 22 { Ok(Self(bits)) } else { Err(NotACallId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_reads_back_and_has_one_spelling() {
        for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let id = CallId::from_random(bits.to_be_bytes());
            assert_eq!(id.to_string().len(), 22);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        // RFC 4648: sixteen 0xff bytes.
        assert_eq!(CallId(u128::MAX).to_string(), "_____________________w");
        assert_eq!("_____________________x".parse::<CallId>(), Err(NotACallId));
        for wrong in ["", "short", "_____________________w_", "____________________/w"] {
            assert_eq!(wrong.parse::<CallId>(), Err(NotACallId), "{wrong}");
        }
    }
}
