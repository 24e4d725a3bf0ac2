//! A cursor over received bytes that can run out but not panic.

use std::fmt;

/// Reads a byte slice from front to back.
///
/// ```
/// use halloo::wire::Reader;
/// let mut r = Reader::new(&[0x00, 0x2a, 0xff]);
/// assert_eq!(u16::from_be_bytes(r.array()?), 42);
/// assert_eq!((r.offset(), r.rest()), (2, &[0xff][..]));
/// # Ok::<(), halloo::wire::ParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte, offset 0.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    /// Starts inside a larger message: errors then carry offsets of that message.
    #[must_use]
    pub fn at(offset: usize, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset }
    }

    /// Bytes read so far, counted from the start of the message.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What is left, without taking it.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether all was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes the next `N` bytes by value.
    ///
    /// # Errors
    /// [`Why::Truncated`] at the field's first byte when fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ParseError> {
        let Some((field, rest)) = self.rest.split_first_chunk() else {
            return Err(ParseError { at: self.offset, why: Why::Truncated { need: N } });
        };
        (self.rest, self.offset) = (rest, self.offset + N);
        Ok(*field)
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// [`Why::Truncated`] when none is left.
    pub fn u8(&mut self) -> Result<u8, ParseError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// Takes a 16-bit number in network order.
    ///
    /// # Errors
    /// [`Why::Truncated`] when fewer than 2 bytes are left.
    pub fn u16(&mut self) -> Result<u16, ParseError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// Takes a 32-bit number in network order.
    ///
    /// # Errors
    /// [`Why::Truncated`] when fewer than 4 bytes are left.
    pub fn u32(&mut self) -> Result<u32, ParseError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// Takes a 64-bit number in network order.
    ///
    /// # Errors
    /// [`Why::Truncated`] when fewer than 8 bytes are left.
    pub fn u64(&mut self) -> Result<u64, ParseError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// Takes the next `len` bytes, borrowed.
    ///
    /// # Errors
    /// [`Why::Truncated`] at the field's first byte when fewer are left.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], ParseError> {
        let Some((field, rest)) = self.rest.split_at_checked(len) else {
            return Err(ParseError { at: self.offset, why: Why::Truncated { need: len } });
        };
        (self.rest, self.offset) = (rest, self.offset + len);
        Ok(field)
    }
}

/// Where a message stops making sense, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Offset of the field that is wrong, from the start of the message.
    pub at: usize,
    /// What is wrong there.
    pub why: Why,
}

impl ParseError {
    /// A field whose value is wrong: `rule` names the rule it breaks.
    #[must_use]
    pub fn invalid(at: usize, rule: &'static str) -> Self {
        Self { at, why: Why::Invalid(rule) }
    }
}

/// What can be wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The message ends inside the field.
    Truncated {
        /// Bytes the field needs.
        need: usize,
    },
    /// An address family that nobody assigned.
    UnknownFamily(u8),
    /// The value breaks this rule.
    Invalid(&'static str),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: ", self.at)?;
        match self.why {
            Why::Truncated { need } => write!(f, "the message ends, but {need} bytes are needed"),
            Why::UnknownFamily(family) => write!(f, "address family {family} is unknown"),
            Why::Invalid(rule) => f.write_str(rule),
        }
    }
}

impl std::error::Error for ParseError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_names_the_field_that_did_not_fit() {
        let mut r = Reader::new(&[1, 2, 3]);
        assert_eq!(r.u16(), Ok(0x0102));
        assert_eq!(r.u32(), Err(ParseError { at: 2, why: Why::Truncated { need: 4 } }));
        assert_eq!(r.take(1), Ok(&[3][..]), "a failed read takes nothing");
        assert!(r.is_empty());
    }

    #[test]
    fn a_reader_inside_a_message_counts_from_its_start() {
        let mut r = Reader::at(20, &[7]);
        assert_eq!(r.take(2), Err(ParseError { at: 20, why: Why::Truncated { need: 2 } }));
    }
}
