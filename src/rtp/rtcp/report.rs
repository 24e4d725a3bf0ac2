//! Sender and receiver reports (RFC 3550 sections 6.4.1 and 6.4.2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---+-+---------+---------------+-------------------------------+
//! |V=2|P|   RC    | SR=200 RR=201 |             length            |
//! +---+-+---------+---------------+-------------------------------+
//! |                         SSRC of the sender                    |
//! +===============================================================+
//! | SR only: NTP time (8), RTP timestamp of the same moment (4),  |
//! |          packets sent (4), bytes of payload sent (4)          |
//! +===============================================================+
//! |                  SSRC of the source reported on               |  RC times
//! +---------------+-----------------------------------------------+
//! | fraction lost |           packets lost in all, signed         |
//! +---------------+-----------------------------------------------+
//! |     wraps of the number       |         highest number        |
//! +-------------------------------+-------------------------------+
//! |                       jitter, in ticks                        |
//! +---------------------------------------------------------------+
//! |    LSR: the middle of the NTP time of its last sender report  |
//! +---------------------------------------------------------------+
//! |    DLSR: how long ago that came, in 1/65536 s                 |
//! +---------------------------------------------------------------+
//! ```
//! LSR and DLSR are how a sender learns the round trip without the clocks being equal. What follows the
//! last block is a profile's own and ignored. Read next: `sdes.rs`.

use std::time::Duration;

use crate::time::NtpTime;
use crate::wire::{ParseError, Reader};

use super::super::{RtpTimestamp, Ssrc};

/// SR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderReport<'a> {
    /// Who sends it.
    pub ssrc: Ssrc,
    /// What was sent.
    pub info: SenderInfo,
    blocks: &'a [u8],
}

impl<'a> SenderReport<'a> {
    pub(super) fn read(count: u8, r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let ssrc = Ssrc(r.u32()?);
        let info = SenderInfo {
            ntp: NtpTime(r.u64()?),
            timestamp: RtpTimestamp(r.u32()?),
            packets: r.u32()?,
            octets: r.u32()?,
        };
        Ok(Self { ssrc, info, blocks: r.take(BLOCK * usize::from(count))? })
    }

    /// What the sender received.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = ReportBlock> + 'a {
        blocks(self.blocks)
    }
}

/// RR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverReport<'a> {
    /// Who sends it.
    pub ssrc: Ssrc,
    blocks: &'a [u8],
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn read(count: u8, r: &mut Reader<'a>) -> Result<Self, ParseError> {
        Ok(Self { ssrc: Ssrc(r.u32()?), blocks: r.take(BLOCK * usize::from(count))? })
    }

    /// What was received.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = ReportBlock> + 'a {
        blocks(self.blocks)
    }
}

/// What a sender says about its own stream: one moment in two clocks, and how much it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// The moment on the wall.
    pub ntp: NtpTime,
    /// The same moment on the stream's clock.
    pub timestamp: RtpTimestamp,
    /// Packets sent so far.
    pub packets: u32,
    /// Bytes of payload sent so far.
    pub octets: u32,
}

impl SenderInfo {
    /// The timestamp that a sample taken at `ntp` has.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "RTP timestamps wrap")]
    pub fn timestamp_at(&self, ntp: NtpTime, clock_rate: u32) -> RtpTimestamp {
        let apart = i128::from(ntp.0.wrapping_sub(self.ntp.0).cast_signed());
        let ticks = (apart.abs() * i128::from(clock_rate) + (1 << 31)) >> 32;
        RtpTimestamp(self.timestamp.0.wrapping_add((ticks * apart.signum()) as u32))
    }
}

/// What a receiver says about one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: Ssrc,
    /// The share of packets lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; 24 bits, negative with duplicates.
    pub cumulative_lost: i32,
    /// The highest sequence number, with its wraps in the upper half.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks.
    pub jitter: u32,
    /// The middle of the NTP time of the last sender report; 0 before any.
    pub lsr: u32,
    /// How long ago that came, in 1/65536 s; 0 before any.
    pub dlsr: u32,
}

impl ReportBlock {
    /// Interarrival jitter as time.
    #[must_use]
    pub fn jitter_duration(&self, clock_rate: u32) -> Duration {
        Duration::from_micros(u64::from(self.jitter) * 1_000_000 / u64::from(clock_rate.max(1)))
    }

    fn from_bytes(block: &[u8; BLOCK]) -> Self {
        let [s0, s1, s2, s3, fraction_lost, c0, c1, c2, rest @ ..] = *block;
        let [h0, h1, h2, h3, j0, j1, j2, j3, l0, l1, l2, l3, d0, d1, d2, d3] = rest;
        Self {
            ssrc: Ssrc(u32::from_be_bytes([s0, s1, s2, s3])),
            fraction_lost,
            // The sign is in the 24th bit: read into the upper bytes, then shifted down.
            cumulative_lost: i32::from_be_bytes([c0, c1, c2, 0]) >> 8,
            highest_sequence: u32::from_be_bytes([h0, h1, h2, h3]),
            jitter: u32::from_be_bytes([j0, j1, j2, j3]),
            lsr: u32::from_be_bytes([l0, l1, l2, l3]),
            dlsr: u32::from_be_bytes([d0, d1, d2, d3]),
        }
    }

    /// The block's bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let [_, c0, c1, c2] = self.cumulative_lost.clamp(-(1 << 23), (1 << 23) - 1).to_be_bytes();
        let words = [
            self.ssrc.0.to_be_bytes(),
            [self.fraction_lost, c0, c1, c2],
            self.highest_sequence.to_be_bytes(),
            self.jitter.to_be_bytes(),
            self.lsr.to_be_bytes(),
            self.dlsr.to_be_bytes(),
        ];
        for (to, word) in block.as_chunks_mut().0.iter_mut().zip(words) {
            *to = word;
        }
        block
    }
}

fn blocks(bytes: &[u8]) -> impl ExactSizeIterator<Item = ReportBlock> + '_ {
    bytes.as_chunks().0.iter().map(ReportBlock::from_bytes)
}

/// Bytes of a report block.
pub(super) const BLOCK: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_block_is_read_as_it_was_written(bytes: [u8; BLOCK]) {
            prop_assert_eq!(ReportBlock::from_bytes(&bytes).to_bytes(), bytes);
        }
    }

    #[test]
    fn loss_is_kept_within_24_bits() {
        // rfc3550-6.4.1-3
        let mut block = ReportBlock::from_bytes(&[0; BLOCK]);
        for (lost, kept) in [(1 << 24, (1 << 23) - 1), (-(1 << 24), -(1 << 23)), (-1, -1)] {
            block.cumulative_lost = lost;
            assert_eq!(ReportBlock::from_bytes(&block.to_bytes()).cumulative_lost, kept);
        }
    }

    #[test]
    fn a_moment_on_the_wall_has_a_timestamp() {
        let info = SenderInfo {
            ntp: NtpTime(5 << 32),
            timestamp: RtpTimestamp(100),
            packets: 0,
            octets: 0,
        };
        assert_eq!(info.timestamp_at(NtpTime(6 << 32), 8_000), RtpTimestamp(8_100));
        assert_eq!(
            info.timestamp_at(NtpTime(4 << 32), 8_000),
            RtpTimestamp(100).after(u32::MAX - 7_999)
        );
    }
}
