//! From payloads to packets: sequence numbers, timestamps that count samples, the marker bit.
//!
//! The caller owns the buffer: [`Packetizer::header`] writes header and extensions to its front, the
//! encoder writes the payload right behind, SRTP protects both in place. Nothing is copied.
//!
//! Time goes on in silence (RFC 3550 section 5.1): a frame that isn't sent is [`Packetizer::skip`]ped,
//! so that the receiver sees a jump of the timestamp without a jump of the sequence number, and knows
//! that nothing was lost. Read next: `payload/mod.rs`.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::time::{Instant, NtpTime};

use super::cursor::{Cursor, NoRoom};
use super::header::ExtensionHeader;
use super::rtcp::SenderInfo;
use super::{ExtensionIds, Extensions, Header, RtpTimestamp, SequenceNumber, Ssrc};

/// One stream of packets that we send.
///
/// ```
/// use halloo::rtp::{ExtensionIds, Extensions, Packet, Packetizer, Ssrc};
/// use halloo::time::Instant;
/// # use rand::{SeedableRng, rngs::StdRng};
/// let mut stream = Packetizer::new(Ssrc(7), &mut StdRng::seed_from_u64(1));
/// let mut buffer = [0; 100];
/// let header = stream.header(111, &Extensions::default(), &ExtensionIds::default(), &mut buffer)?;
/// buffer[header] = 0xfc; // the encoder's work
/// stream.sent(Instant::ZERO, 1, 960);
/// let packet = Packet::parse(&buffer[..header + 1])?;
/// assert_eq!(packet.payload, [0xfc]);
/// assert!(packet.header.marker, "the first packet follows silence");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Packetizer {
    ssrc: Ssrc,
    next: SequenceNumber,
    timestamp: RtpTimestamp,
    /// Whether nothing was sent for the frame before this one.
    after_silence: bool,
    /// A moment and its timestamp, for sender reports.
    last_frame: Option<(Instant, RtpTimestamp)>,
    /// The number of the first packet that left.
    first: Option<SequenceNumber>,
    packets: u64,
    octets: u64,
}

impl Packetizer {
    /// Starts a stream at a random sequence number and timestamp (RFC 3550 section 5.1): known plain
    /// text helps who attacks the cipher. The number starts in the lower half: SRTP's receiver guesses
    /// wrong about the rollover if the first packets are lost and the number wraps meanwhile (RFC 3711
    /// section 3.3.1).
    #[must_use]
    pub fn new(ssrc: Ssrc, rng: &mut StdRng) -> Self {
        Self {
            ssrc,
            next: SequenceNumber(rng.random_range(0..1 << 15)),
            timestamp: RtpTimestamp(rng.random()),
            after_silence: true,
            last_frame: None,
            first: None,
            packets: 0,
            octets: 0,
        }
    }

    /// Writes the header of the next packet, extensions included, to the front of `out`; says where the
    /// payload begins. Nothing changes until [`Packetizer::sent`].
    ///
    /// # Errors
    /// When `out` is too small.
    pub fn header(
        &self,
        payload_type: u8,
        extensions: &Extensions<'_>,
        ids: &ExtensionIds,
        out: &mut [u8],
    ) -> Result<usize, NoRoom> {
        let mut header = Header {
            marker: self.after_silence,
            payload_type,
            sequence_number: self.next,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            padded: false,
            csrc_count: 0,
            extension: None,
        };
        let mut out = Cursor::new(out);
        out.put(&header.fixed())?;
        if extensions.write(ids, &mut out)? {
            // Only that there is one shows in the fixed header; its length is written already.
            header.extension = Some(ExtensionHeader { profile: 0, words: 0 });
            out.put_at(0, &header.fixed())?;
        }
        Ok(out.length())
    }

    /// The packet whose header was written has left, at `now`, with so many bytes of payload that last
    /// `ticks` of the codec's clock.
    pub fn sent(&mut self, now: Instant, payload_bytes: usize, ticks: u32) {
        self.last_frame = Some((now, self.timestamp));
        self.first.get_or_insert(self.next);
        self.next = self.next.next();
        self.timestamp = self.timestamp.after(ticks);
        self.after_silence = false;
        self.packets += 1;
        self.octets += payload_bytes as u64;
    }

    /// Nothing is sent for `ticks` of time: silence, or a microphone that is off.
    pub fn skip(&mut self, ticks: u32) {
        self.timestamp = self.timestamp.after(ticks);
        self.after_silence = true;
    }

    /// The next packet has this number and this timestamp: its place is somebody else's choice, as when
    /// a received stream is sent back with its gaps.
    pub fn follow(&mut self, number: SequenceNumber, timestamp: RtpTimestamp) {
        self.after_silence |= number == self.next && timestamp != self.timestamp;
        (self.next, self.timestamp) = (number, timestamp);
    }

    /// Takes another SSRC after a collision, and starts counting anew (RFC 3550 section 8.2).
    pub fn change_ssrc(&mut self, ssrc: Ssrc, rng: &mut StdRng) {
        *self = Self::new(ssrc, rng);
    }

    /// Whose packets these are.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// The number that the next packet will have.
    #[must_use]
    pub fn next_sequence_number(&self) -> SequenceNumber {
        self.next
    }

    /// The timestamp that the next packet will have.
    #[must_use]
    pub fn timestamp(&self) -> RtpTimestamp {
        self.timestamp
    }

    /// How many packets came, as far as a report of the other side tells (W3C `packetsReceived` of
    /// `remote-inbound-rtp`): it reached from our first to `highest`, and `lost` of them were missing.
    #[must_use]
    pub fn arrived(&self, highest: u32, lost: i32) -> u64 {
        let first = self.first.map_or(0, |first| u32::from(first.0));
        let expected = i64::from(highest.wrapping_sub(first).wrapping_add(1));
        u64::try_from(expected - i64::from(lost)).unwrap_or(0)
    }

    /// Packets sent so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Bytes of payload sent so far: no headers, no padding.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// What a sender report says at `now`, which is `ntp` on the wall: the timestamp of this very
    /// moment, not of the last packet (RFC 3550 section 6.4.1). `None` before the first packet.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the report's counters wrap")]
    pub fn sender_info(&self, now: Instant, ntp: NtpTime, clock_rate: u32) -> Option<SenderInfo> {
        let (at, timestamp) = self.last_frame?;
        Some(SenderInfo {
            ntp,
            timestamp: timestamp.after(ticks(now - at, clock_rate)),
            packets: self.packets as u32,
            octets: self.octets as u32,
        })
    }
}

/// `time` in ticks of a clock, modulo 2^32, rounded down.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "RTP timestamps wrap")]
pub fn ticks(time: Duration, clock_rate: u32) -> u32 {
    (time.as_nanos() * u128::from(clock_rate) / 1_000_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::super::{AudioLevel, Packet};
    use super::*;
    use rand::SeedableRng;

    fn stream(seed: u64) -> Packetizer {
        Packetizer::new(Ssrc(0x1234), &mut StdRng::seed_from_u64(seed))
    }

    fn header(stream: &Packetizer) -> Header {
        let mut wire = [0; 12];
        stream.header(111, &Extensions::default(), &ExtensionIds::default(), &mut wire).unwrap();
        Packet::parse(&wire).unwrap().header
    }

    #[test]
    fn streams_start_at_random_and_in_the_lower_half() {
        // rfc3550-5.1-1
        let starts: Vec<_> = (0..50).map(|seed| header(&stream(seed))).collect();
        assert!(starts.iter().all(|start| start.sequence_number.0 < 1 << 15));
        assert!(starts.windows(2).all(|two| two[0].sequence_number != two[1].sequence_number));
        assert!(starts.windows(2).all(|two| two[0].timestamp != two[1].timestamp));
    }

    #[test]
    fn a_report_tells_how_many_arrived() {
        let mut stream = stream(1);
        let first = u32::from(header(&stream).sequence_number.0);
        (0..5).for_each(|_| stream.sent(Instant::ZERO, 80, 960));
        assert_eq!(stream.arrived(first + 4, 0), 5);
        assert_eq!(stream.arrived((1 << 16) + first, 2), 65_535, "once around, and two were lost");
        assert_eq!(stream.arrived(first, 7), 0, "nonsense is nothing");
    }

    #[test]
    fn timestamps_count_samples_also_through_silence() {
        // rfc3550-5.1-2, rfc3551-4.1-1
        let mut stream = stream(1);
        let first = header(&stream);
        stream.sent(Instant::ZERO, 80, 960);
        let second = header(&stream);
        stream.sent(Instant::from_millis(20), 80, 960);
        stream.skip(960);
        stream.skip(960);
        let third = header(&stream);
        assert_eq!(second.timestamp, first.timestamp.after(960));
        assert_eq!(third.timestamp, first.timestamp.after(4 * 960), "two frames were silent");
        assert_eq!(third.sequence_number.since(first.sequence_number), 2, "but none was lost");
        assert_eq!([first.marker, second.marker, third.marker], [true, false, true]);
    }

    #[test]
    fn extensions_stand_between_header_and_payload() {
        let ids = ExtensionIds { mid: Some(4), audio_level: Some(1), ..ExtensionIds::default() };
        let level = AudioLevel { voice: true, below_overload: 20 };
        let extensions =
            Extensions { mid: Some(b"0"), audio_level: Some(level), ..Extensions::default() };
        let mut wire = [0; 21];
        let length = stream(1).header(111, &extensions, &ids, &mut wire).unwrap();
        assert_eq!(length, 20);
        wire[20] = 0xfc;
        let packet = Packet::parse(&wire).unwrap();
        assert_eq!((Extensions::read(&packet, &ids), packet.payload), (extensions, &[0xfc][..]));
        assert_eq!(stream(1).header(111, &extensions, &ids, &mut wire[..19]), Err(NoRoom));
    }

    #[test]
    fn a_sender_report_names_the_timestamp_of_its_own_moment() {
        // rfc3550-6.4.1-1
        let mut stream = stream(1);
        let (now, ntp) = (Instant::from_millis(1_000), NtpTime(77));
        assert_eq!(stream.sender_info(now, ntp, 48_000), None, "nothing was sent");
        let start = stream.timestamp();
        stream.sent(now, 80, 960);
        stream.sent(now + Duration::from_millis(20), 70, 960);
        let info = stream.sender_info(now + Duration::from_millis(50), ntp, 48_000).unwrap();
        assert_eq!(info.timestamp, start.after(50 * 48));
        assert_eq!((info.packets, info.octets, info.ntp), (2, 150, ntp));
    }

    #[test]
    fn numbers_wrap() {
        let mut stream = stream(1);
        let start = header(&stream);
        for _ in 0..=u16::MAX {
            stream.sent(Instant::ZERO, 1, u32::MAX);
        }
        assert_eq!(header(&stream).sequence_number, start.sequence_number);
    }
}
