//! Writing a compound packet into the caller's buffer: report, name, and perhaps goodbye.
//!
//! The order is the protocol's (RFC 3550 section 6.1): a report first, so that every datagram shows how
//! the sound arrives; then the name; BYE last, because behind it there is nobody left to speak. Read
//! next: `schedule.rs`.

use super::super::Ssrc;
use super::super::cursor::{Cursor, NoRoom};
use super::report::BLOCK;
use super::sdes::CNAME;
use super::{ReportBlock, SenderInfo, packet_type};

/// Writes one compound packet.
///
/// ```
/// use halloo::rtp::Ssrc;
/// use halloo::rtp::rtcp::{Compound, Writer};
/// let mut buffer = [0; 200];
/// let length = Writer::new(&mut buffer)
///     .receiver_report(Ssrc(7), &[])?
///     .cname(&[Ssrc(7)], "X9+dZi2nyyRo/sHr")?
///     .goodbye(&[Ssrc(7)], "")?;
/// assert_eq!(Compound::parse(&buffer[..length])?.packets().count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Writer<'b>(Cursor<'b>);

impl<'b> Writer<'b> {
    /// Starts at the front of `buffer`.
    #[must_use]
    pub fn new(buffer: &'b mut [u8]) -> Self {
        Self(Cursor::new(buffer))
    }

    /// SR: what `ssrc` sent, and what it received. At most 31 blocks fit in one report.
    ///
    /// # Errors
    /// When the buffer is full.
    pub fn sender_report(
        mut self,
        ssrc: Ssrc,
        info: &SenderInfo,
        blocks: &[ReportBlock],
    ) -> Result<Self, NoRoom> {
        let words = 6 + BLOCK / 4 * blocks.len();
        self.first_word(blocks.len(), packet_type::SR, words)?;
        self.0.put(&ssrc.0.to_be_bytes())?;
        self.0.put(&info.ntp.0.to_be_bytes())?;
        self.0.put(&info.timestamp.0.to_be_bytes())?;
        self.0.put(&info.packets.to_be_bytes())?;
        self.0.put(&info.octets.to_be_bytes())?;
        self.blocks(blocks)
    }

    /// RR: what `ssrc` received, if it sends nothing.
    ///
    /// # Errors
    /// When the buffer is full.
    pub fn receiver_report(mut self, ssrc: Ssrc, blocks: &[ReportBlock]) -> Result<Self, NoRoom> {
        self.first_word(blocks.len(), packet_type::RR, 1 + BLOCK / 4 * blocks.len())?;
        self.0.put(&ssrc.0.to_be_bytes())?;
        self.blocks(blocks)
    }

    fn blocks(mut self, blocks: &[ReportBlock]) -> Result<Self, NoRoom> {
        blocks.iter().try_for_each(|block| self.0.put(&block.to_bytes()))?;
        Ok(self)
    }

    /// SDES: all `sources` belong to `cname`.
    ///
    /// # Errors
    /// When the buffer is full, or the name is longer than 255 bytes.
    pub fn cname(mut self, sources: &[Ssrc], cname: &str) -> Result<Self, NoRoom> {
        let length = u8::try_from(cname.len()).map_err(|_| NoRoom)?;
        // SSRC, kind and length, text, the closing zero; filled to a word.
        let unfilled = 4 + 2 + cname.len() + 1;
        let words = unfilled.div_ceil(4);
        self.first_word(sources.len(), packet_type::SDES, words * sources.len())?;
        for source in sources {
            self.0.put(&source.0.to_be_bytes())?;
            self.0.put(&[CNAME, length])?;
            self.0.put(cname.as_bytes())?;
            self.0.zeros(1 + 4 * words - unfilled)?;
        }
        Ok(self)
    }

    /// BYE: `sources` leave, with a reason for people to read, or none. Ends the compound; says how long
    /// it is.
    ///
    /// # Errors
    /// When the buffer is full, or the reason is longer than 255 bytes.
    pub fn goodbye(mut self, sources: &[Ssrc], reason: &str) -> Result<usize, NoRoom> {
        let length = u8::try_from(reason.len()).map_err(|_| NoRoom)?;
        let unfilled = if reason.is_empty() { 0 } else { 1 + reason.len() };
        let words = unfilled.div_ceil(4);
        self.first_word(sources.len(), packet_type::BYE, sources.len() + words)?;
        for source in sources {
            self.0.put(&source.0.to_be_bytes())?;
        }
        if length > 0 {
            self.0.put(&[length])?;
            self.0.put(reason.as_bytes())?;
            self.0.zeros(4 * words - unfilled)?;
        }
        Ok(self.finish())
    }

    /// Bytes written.
    #[must_use]
    pub fn finish(self) -> usize {
        self.0.length()
    }

    fn first_word(&mut self, count: usize, packet_type: u8, words: usize) -> Result<(), NoRoom> {
        let count = u8::try_from(count).ok().filter(|count| *count < 32).ok_or(NoRoom)?;
        self.0.put(&[0x80 | count, packet_type])?;
        self.0.put(&u16::try_from(words).map_err(|_| NoRoom)?.to_be_bytes())
    }
}

/// A buffer of this size takes a sender report with one block, a name of ours for one source, a goodbye,
/// and the index and tag that SRTCP puts behind.
pub const ENOUGH: usize = (28 + BLOCK) + 28 + 8 + 20;

#[cfg(test)]
mod tests {
    use super::super::super::RtpTimestamp;
    use super::super::{Compound, Packet};
    use super::*;
    use crate::time::NtpTime;

    const INFO: SenderInfo = SenderInfo {
        ntp: NtpTime(0xde46_475b_151a_005c),
        timestamp: RtpTimestamp(77),
        packets: 5,
        octets: 400,
    };

    const BLOCK_OF_9: ReportBlock = ReportBlock {
        ssrc: Ssrc(9),
        fraction_lost: 3,
        cumulative_lost: -2,
        highest_sequence: 1 << 16,
        jitter: 4,
        lsr: 5,
        dlsr: 6,
    };

    #[test]
    fn a_compound_starts_with_a_report_names_its_sender_and_ends_with_goodbye() {
        // rfc3550-6.1-1, rfc5506-4.2.3-1, rfc3550-6.6-1, rfc3550-6.5.1-1, rfc8108-5.1-1
        let mut wire = [0; 200];
        let length = Writer::new(&mut wire)
            .sender_report(Ssrc(7), &INFO, &[BLOCK_OF_9])
            .and_then(|writer| writer.cname(&[Ssrc(7), Ssrc(8)], "name"))
            .and_then(|writer| writer.goodbye(&[Ssrc(7), Ssrc(8)], "over"))
            .unwrap();
        let packets: Vec<_> = Compound::parse(&wire[..length]).unwrap().packets().collect();
        let [Packet::SenderReport(sr), Packet::SourceDescription(sdes), Packet::Goodbye(bye)] =
            packets[..]
        else {
            panic!("{packets:?}")
        };
        assert_eq!((sr.ssrc, sr.info), (Ssrc(7), INFO));
        assert_eq!(sr.blocks().collect::<Vec<_>>(), [BLOCK_OF_9]);
        let names: Vec<_> = sdes.chunks().map(|chunk| (chunk.ssrc, chunk.cname())).collect();
        assert_eq!(names, [(Ssrc(7), Some(&b"name"[..])), (Ssrc(8), Some(&b"name"[..]))]);
        assert_eq!(bye.sources().collect::<Vec<_>>(), [Ssrc(7), Ssrc(8)]);
        assert_eq!(bye.reason, Some(&b"over"[..]));
    }

    #[test]
    fn a_buffer_that_is_too_small_is_not_overrun() {
        let whole = |wire: &mut [u8]| {
            Writer::new(wire)
                .sender_report(Ssrc(7), &INFO, &[BLOCK_OF_9])?
                .cname(&[Ssrc(7)], "X9+dZi2nyyRo/sHr")?
                .goodbye(&[Ssrc(7)], "")
        };
        let length = whole(&mut [0; 200]).unwrap();
        assert!(length + 20 <= ENOUGH, "{length}");
        for size in 0..length {
            assert_eq!(whole(&mut vec![0; size]), Err(NoRoom));
        }
        assert!(Writer::new(&mut [0; 999]).receiver_report(Ssrc(1), &[BLOCK_OF_9; 32]).is_err());
    }
}
