//! Which packet is it? 48 bits, of which the wire carries 16 (RFC 3711 section 3.3.1).
//!
//! ```text
//!  47                            16 15              0
//! +--------------------------------+-----------------+
//! |  rollover counter (ROC), never | sequence number |
//! |  sent                          | of the packet   |
//! +--------------------------------+-----------------+
//! ```
//! The receiver guesses the counter: of the three laps around the newest authentic packet, the one that
//! puts the packet nearest. A wrong guess fails authentication, so only authentic packets may move the
//! state; else one forged packet would cut off a stream for good.
//!
//! Comes from [`super::context`]; read next: [`super::replay`].

use super::error::SrtpError;
use crate::rtp::SequenceNumber;

/// The index of an RTP packet under its key and SSRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PacketIndex(u64);

impl PacketIndex {
    /// From its two halves.
    #[must_use]
    pub const fn new(rollover_counter: u32, sequence_number: SequenceNumber) -> Self {
        Self((rollover_counter as u64) << 16 | sequence_number.0 as u64)
    }

    /// From the number that [`Self::value`] gives; more than 48 bits are cut off.
    #[must_use]
    pub const fn from_value(value: u64) -> Self {
        Self(value & 0xffff_ffff_ffff)
    }

    /// The 48 bits as a number.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// How many times the sequence number had wrapped.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "an index has 48 bits")]
    pub const fn rollover_counter(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// The part on the wire.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are asked for")]
    pub const fn sequence_number(self) -> SequenceNumber {
        SequenceNumber(self.0 as u16)
    }

    /// The index of a packet, given the newest one so far.
    ///
    /// The first packet of a stream is in lap 0.
    ///
    /// # Errors
    /// It would lie before lap 0, and is then too old; or past the last, and the key is used up
    /// (rfc3711-3.3.1-4).
    pub fn estimate(newest: Option<Self>, arrived: SequenceNumber) -> Result<Self, SrtpError> {
        let Some(newest) = newest else { return Ok(Self::new(0, arrived)) };
        let (roc, s_l, seq) = (newest.rollover_counter(), newest.sequence_number().0, arrived.0);
        // RFC 3711 appendix A, word for word: exactly half the circle is in the lap of s_l.
        let lap = if s_l < HALF {
            if seq.saturating_sub(s_l) > HALF {
                roc.checked_sub(1).ok_or(SrtpError::Replayed)?
            } else {
                roc
            }
        } else if s_l - HALF > seq {
            roc.checked_add(1).ok_or(SrtpError::KeyExhausted)?
        } else {
            roc
        };
        Ok(Self::new(lap, arrived))
    }
}

const HALF: u16 = 0x8000;

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(roc: u32, s_l: u16, seq: u16) -> Result<u32, SrtpError> {
        let newest = PacketIndex::new(roc, SequenceNumber(s_l));
        let index = PacketIndex::estimate(Some(newest), SequenceNumber(seq))?;
        assert_eq!(index.sequence_number(), SequenceNumber(seq));
        Ok(index.rollover_counter())
    }

    /// rfc3711-3.3.1-1 and rfc3711-3.3.1-2
    #[test]
    fn the_lap_is_the_one_nearest_to_the_newest_packet() {
        let first = PacketIndex::estimate(None, SequenceNumber(65_535)).unwrap();
        assert_eq!(first.value(), 65_535, "a stream starts in lap 0");
        for (roc, s_l, seq, lap) in [
            (0, 65_535, 0, Ok(1)),
            (0, 65_535, 32_766, Ok(1)),
            (0, 65_535, 32_767, Ok(0)),
            (1, 2, 65_534, Ok(0)),
            (1, 0, 32_768, Ok(1)),
            (1, 0, 32_769, Ok(0)),
            (0, 0, 32_769, Err(SrtpError::Replayed)),
            (7, 40_000, 39_999, Ok(7)),
        ] {
            assert_eq!(estimate(roc, s_l, seq), lap, "{seq} after {s_l} in lap {roc}");
        }
    }

    /// rfc3711-3.3.1-4
    #[test]
    fn after_the_last_lap_there_is_no_index() {
        assert_eq!(estimate(u32::MAX, 65_535, 0), Err(SrtpError::KeyExhausted));
        assert_eq!(estimate(u32::MAX, 65_534, 65_535), Ok(u32::MAX));
    }
}
