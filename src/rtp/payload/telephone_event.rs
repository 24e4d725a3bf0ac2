//! A key pressed on a telephone, told instead of sung (RFC 4733 section 2.3).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+-+-+-----------+-------------------------------+
//! |     event     |E|R|  volume   |            duration           |
//! +---------------+-+-+-----------+-------------------------------+
//! ```
//! Such packets share sequence numbers with the sound, but are no sound: to the jitter buffer they are
//! like padding. Read next: `../reception.rs`.

use crate::wire::{ParseError, Reader};

/// The state of one key press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// Which key: 0 to 9, then `*`, `#`, A to D; 16 is a flash of the hook.
    pub event: u8,
    /// Whether the key was released; sent three times, for loss.
    pub end: bool,
    /// The bit that means nothing.
    pub reserved: bool,
    /// How loud the tone would be, in dB below 1 mW.
    pub volume: u8,
    /// How long the key is down, in ticks since the packet's timestamp.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads the payload; further events behind the first are left alone.
    ///
    /// # Errors
    /// A payload of fewer than 4 bytes.
    pub fn parse(payload: &[u8]) -> Result<Self, ParseError> {
        let [event, flags, d0, d1] = Reader::new(payload).array()?;
        Ok(Self {
            event,
            end: flags & 0x80 != 0,
            reserved: flags & 0x40 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([d0, d1]),
        })
    }

    /// The payload's four bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 4] {
        let end = if self.end { 0x80 } else { 0 };
        let reserved = if self.reserved { 0x40 } else { 0 };
        let [d0, d1] = self.duration.to_be_bytes();
        [self.event, end | reserved | self.volume & 0x3f, d0, d1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_back() {
        let wire = [0x01, 0x8a, 0x03, 0xc0];
        let event = TelephoneEvent::parse(&wire).unwrap();
        assert_eq!((event.event, event.end, event.volume, event.duration), (1, true, 10, 960));
        assert_eq!(event.to_bytes(), wire);
        assert_eq!(TelephoneEvent::parse(&wire[..3]).unwrap_err().at, 0);
    }
}
