//! What is inside: the payload formats of a call, and how long their packets last.
//!
//! RFC 7587 (Opus), RFC 3551 (G722, PCMU, PCMA), RFC 4733 (telephone-event), RFC 2198 (RED). Decoding is the
//! business of [`crate::audio`]; here is only what the jitter buffer must know: how much time a packet
//! covers, and whether it holds a second, rougher copy of the packet before it. Read next: `opus.rs`.

mod opus;
mod red;
mod telephone_event;

use std::time::Duration;

use crate::wire::ParseError;

pub use opus::{Bandwidth, Mode, OpusPacket, Toc};
pub use red::{RedBlock, RedBlocks};
pub use telephone_event::TelephoneEvent;

/// A payload format that carries sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Opus, 48 kHz on the clock whatever the encoder does inside.
    Opus,
    /// G.722, payload type 9: its clock has half as many ticks as it has samples.
    G722,
    /// G.711 mu-law, payload type 0.
    Pcmu,
    /// G.711 A-law, payload type 8.
    Pcma,
}

impl Codec {
    /// The codec of a payload type that needs no agreement (RFC 3551 section 6).
    #[must_use]
    pub const fn of_static_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            9 => Some(Self::G722),
            _ => None,
        }
    }

    /// Ticks of the RTP clock in a second.
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 | Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// How many ticks of the RTP clock a payload lasts.
    ///
    /// # Errors
    /// An empty or malformed payload, or one that lasts longer than a packet may.
    pub fn ticks(self, payload: &[u8]) -> Result<u32, ParseError> {
        match self {
            Self::Opus => Ok(OpusPacket::parse(payload)?.ticks()),
            // One byte a tick. 1,600 bytes are 200 ms, RFC 3551's longest packet.
            Self::G722 | Self::Pcmu | Self::Pcma => match u32::try_from(payload.len()) {
                Ok(samples @ 1..=1_600) => Ok(samples),
                _ => Err(ParseError::invalid(0, "a G.711 or G.722 payload of no possible length")),
            },
        }
    }

    /// How long a payload lasts.
    ///
    /// # Errors
    /// As [`Codec::ticks`].
    pub fn duration(self, payload: &[u8]) -> Result<Duration, ParseError> {
        let ticks = self.ticks(payload)?;
        Ok(Duration::from_micros(u64::from(ticks) * 1_000_000 / u64::from(self.clock_rate())))
    }

    /// Whether the payload also holds a copy of the frame before it, in lower quality.
    #[must_use]
    pub fn has_fec(self, payload: &[u8]) -> bool {
        self == Self::Opus && OpusPacket::parse(payload).is_ok_and(|opus| opus.has_fec(payload))
    }

    /// Whether the payload says "silence from here on": an encoder in DTX sends one such packet, then
    /// none for up to 400 ms.
    #[must_use]
    pub fn announces_silence(self, payload: &[u8]) -> bool {
        self == Self::Opus && payload.len() <= 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g711_and_g722_last_a_tick_a_byte() {
        // rfc3551-4.5.14-1, rfc3551-4.5.2: ptime 10 to 60
        for ptime in [10, 20, 30, 40, 60] {
            let payload = vec![0xff; ptime * 8];
            for codec in [Codec::G722, Codec::Pcmu, Codec::Pcma] {
                let lasts = codec.duration(&payload).unwrap();
                assert_eq!(lasts, Duration::from_millis(ptime as u64));
            }
        }
        assert!(Codec::Pcmu.ticks(&[]).is_err());
        assert!(Codec::Pcma.ticks(&[0; 1_601]).is_err());
    }

    #[test]
    fn static_payload_types_keep_their_meaning() {
        // rfc3551-6-1, rfc3550-5.1-2
        assert_eq!(Codec::of_static_payload_type(0), Some(Codec::Pcmu));
        assert_eq!(Codec::of_static_payload_type(8), Some(Codec::Pcma));
        assert_eq!(Codec::of_static_payload_type(9), Some(Codec::G722));
        assert_eq!(Codec::of_static_payload_type(111), None);
        assert_eq!((Codec::Opus.clock_rate(), Codec::Pcma.clock_rate()), (48_000, 8_000));
    }

    #[test]
    fn a_packet_of_one_or_two_bytes_announces_silence() {
        assert!(Codec::Opus.announces_silence(&[0x78]));
        assert!(!Codec::Opus.announces_silence(&[0x78, 1, 2]));
        assert!(!Codec::Pcmu.announces_silence(&[0xff]));
    }
}
