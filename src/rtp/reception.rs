//! What became of a source's packets: lost, late by how much, and what to report about it.
//!
//! RFC 3550 appendix A.1 (is this a source at all?), A.3 (loss), A.8 (jitter), section 6.4 (report
//! blocks). Sound is played from the first packet on: SRTP has proved who sent it. The two packets in
//! sequence that A.1 asks for only decide from where on losses are counted.
//!
//! Packets come from `peer/receive.rs`, report blocks go to `rtcp::report`. A packet of padding only has a
//! sequence number but no sound: it counts as received, and says nothing about jitter. Silence (DTX)
//! moves timestamps without sequence numbers: neither loss nor jitter. Read next: `jitter/mod.rs`.

use std::time::Duration;

use crate::time::{Instant, NtpTime};

use super::packetize::ticks;
use super::rtcp::{ReportBlock, SenderInfo};
use super::{Packet, RtpTimestamp, SequenceNumber, Ssrc};

/// What we know of one source's packets.
#[derive(Clone, Debug)]
pub struct Reception {
    ssrc: Ssrc,
    validation: Validation,
    jitter: Jitter,
    /// The last sender report: the middle of its NTP time, and when it came.
    last_sender_report: Option<(SenderInfo, Instant)>,
    sender_reports: u64,
    /// Expected and received at the last report.
    prior: (i64, i64),
    last_packet_at: Instant,
    packets: u64,
    payload_octets: u64,
    header_octets: u64,
}

impl Reception {
    /// Starts with the source's first packet, which must be given to [`Reception::received`] too.
    #[must_use]
    pub fn new(now: Instant, first: &Packet<'_>) -> Self {
        Self {
            ssrc: first.header.ssrc,
            validation: Validation::new(first.header.sequence_number, MIN_SEQUENTIAL),
            jitter: Jitter::default(),
            last_sender_report: None,
            sender_reports: 0,
            prior: (0, 0),
            last_packet_at: now,
            packets: 0,
            payload_octets: 0,
            header_octets: 0,
        }
    }

    /// Counts a packet. `clock_rate` is that of its payload type.
    pub fn received(&mut self, now: Instant, packet: &Packet<'_>, clock_rate: u32) -> Validity {
        let header = &packet.header;
        self.last_packet_at = now;
        self.packets += 1;
        self.payload_octets += packet.payload.len() as u64;
        self.header_octets += (header.length() + usize::from(packet.padding)) as u64;
        if !packet.is_padding_only() {
            self.jitter.packet(now, header.timestamp, clock_rate);
        }
        self.validation.update(header.sequence_number)
    }

    /// Remembers a sender report of this source.
    pub fn sender_report(&mut self, now: Instant, info: SenderInfo) {
        self.last_sender_report = Some((info, now));
        self.sender_reports += 1;
    }

    /// The report block about the time since the last one.
    pub fn report(&mut self, now: Instant) -> ReportBlock {
        let (expected, received) = (self.validation.expected(), self.validation.received());
        let (expected_before, received_before) = self.prior;
        self.prior = (expected, received);
        let (lsr, dlsr) = self
            .last_sender_report
            .map_or((0, 0), |(info, at)| (info.ntp.middle(), ticks(now - at, DLSR_RATE)));
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: fraction_lost(expected - expected_before, received - received_before),
            cumulative_lost: self.cumulative_lost(),
            highest_sequence: self.validation.highest(),
            jitter: self.jitter.reported(),
            lsr,
            dlsr,
        }
    }

    /// Whose packets these are.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// `packetsLost`: expected less received, negative with duplicates, within 24 bits.
    #[must_use]
    pub fn cumulative_lost(&self) -> i32 {
        let lost = self.validation.expected() - self.validation.received();
        i32::try_from(lost.clamp(-MOST_LOST - 1, MOST_LOST)).unwrap_or(0)
    }

    /// `jitter`, in time.
    #[must_use]
    pub fn jitter(&self) -> Duration {
        self.jitter.duration()
    }

    /// `packetsReceived`.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// `bytesReceived`: payload only.
    #[must_use]
    pub fn payload_octets(&self) -> u64 {
        self.payload_octets
    }

    /// `headerBytesReceived`: headers and padding.
    #[must_use]
    pub fn header_octets(&self) -> u64 {
        self.header_octets
    }

    /// When the last packet came.
    #[must_use]
    pub fn last_packet_at(&self) -> Instant {
        self.last_packet_at
    }

    /// The last sender report and when it came.
    #[must_use]
    pub fn last_sender_report(&self) -> Option<(SenderInfo, Instant)> {
        self.last_sender_report
    }

    /// `reportsSent`: sender reports that came.
    #[must_use]
    pub fn sender_reports(&self) -> u64 {
        self.sender_reports
    }

    /// Whether the source has been silent for five report intervals (RFC 3550 section 6.3.5).
    #[must_use]
    pub fn is_timed_out(&self, now: Instant, report_interval: Duration) -> bool {
        now - self.last_packet_at > report_interval * 5
    }
}

/// Packets in sequence that make a source valid.
pub const MIN_SEQUENTIAL: u8 = 2;

/// What a sequence number says about its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Counted.
    Valid,
    /// Not counted: too few packets in sequence so far, or a jump that the next packet must confirm.
    Unconfirmed,
}

/// Appendix A.1: which sequence numbers belong to a running source, and how often they wrapped.
///
/// ```text
///            MAX_MISORDER behind        MAX_DROPOUT ahead
/// ──── jump ────┤·· late or again ··┤max├·· next, after loss ··├──── jump ────
/// ```
/// A jump counts only if the next packet follows it: then the sender has started anew.
#[derive(Clone, Copy, Debug)]
pub struct Validation {
    highest: SequenceNumber,
    cycles: u32,
    base: SequenceNumber,
    /// What would follow the last jump.
    after_jump: Option<SequenceNumber>,
    probation: u8,
    received: i64,
}

impl Validation {
    /// A source that must show `probation` packets in sequence, before its first packet is counted by
    /// [`Validation::update`].
    #[must_use]
    pub fn new(first: SequenceNumber, probation: u8) -> Self {
        let before = SequenceNumber(first.0.wrapping_sub(1));
        Self { highest: before, probation, ..Self::started(first) }
    }

    fn started(at: SequenceNumber) -> Self {
        Self { highest: at, cycles: 0, base: at, after_jump: None, probation: 0, received: 0 }
    }

    /// Takes the number of a packet.
    pub fn update(&mut self, number: SequenceNumber) -> Validity {
        if self.probation > 0 {
            return self.prove(number);
        }
        match number.0.wrapping_sub(self.highest.0) {
            0..MAX_DROPOUT => {
                if number.0 < self.highest.0 {
                    self.cycles = self.cycles.wrapping_add(1 << 16);
                }
                self.highest = number;
            }
            MAX_DROPOUT..=JUMP_BACK if self.after_jump == Some(number) => {
                *self = Self::started(number);
            }
            MAX_DROPOUT..=JUMP_BACK => {
                self.after_jump = Some(number.next());
                return Validity::Unconfirmed;
            }
            _ => {} // late, or again
        }
        self.received += 1;
        Validity::Valid
    }

    fn prove(&mut self, number: SequenceNumber) -> Validity {
        let in_sequence = number == self.highest.next();
        self.probation = if in_sequence { self.probation - 1 } else { MIN_SEQUENTIAL - 1 };
        self.highest = number;
        if self.probation > 0 || !in_sequence {
            return Validity::Unconfirmed;
        }
        *self = Self { received: 1, ..Self::started(number) };
        Validity::Valid
    }

    /// The highest number so far; how often numbers wrapped is in the upper half.
    #[must_use]
    pub fn highest(&self) -> u32 {
        self.cycles.wrapping_add(u32::from(self.highest.0))
    }

    /// Packets that were sent, as far as the numbers tell.
    #[must_use]
    pub fn expected(&self) -> i64 {
        i64::from(self.highest()) - i64::from(self.base.0) + 1
    }

    /// Packets that came, duplicates included.
    #[must_use]
    pub fn received(&self) -> i64 {
        self.received
    }
}

/// The share of an interval's packets that was lost, in 256ths; duplicates can't make it negative
/// (appendix A.3).
#[must_use]
pub fn fraction_lost(expected: i64, received: i64) -> u8 {
    let lost = expected.saturating_sub(received);
    if expected <= 0 || lost <= 0 {
        return 0;
    }
    u8::try_from(lost.saturating_mul(256) / expected).unwrap_or(u8::MAX)
}

/// Appendix A.8: how much the spacing of arrivals differs from the spacing of timestamps, smoothed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jitter {
    /// Arrival less timestamp of the last packet, in ticks, and its clock.
    transit: Option<(u32, u32)>,
    /// The mean deviation, times 16.
    scaled: i64,
}

impl Jitter {
    /// Takes a packet that came at `now`. A change of the clock starts a new comparison.
    pub fn packet(&mut self, now: Instant, timestamp: RtpTimestamp, clock_rate: u32) {
        self.arrived(ticks(now.since_start(), clock_rate), timestamp, clock_rate);
    }

    /// The same with the arrival in ticks of the payload's clock.
    pub fn arrived(&mut self, arrival: u32, timestamp: RtpTimestamp, clock_rate: u32) {
        let transit = arrival.wrapping_sub(timestamp.0);
        if let Some((before, rate)) = self.transit
            && rate == clock_rate
        {
            let deviation = i64::from(transit.wrapping_sub(before).cast_signed()).abs();
            self.scaled += deviation - ((self.scaled + 8) >> 4);
        }
        self.transit = Some((transit, clock_rate));
    }

    /// As report blocks carry it, in ticks.
    #[must_use]
    pub fn reported(&self) -> u32 {
        u32::try_from(self.scaled >> 4).unwrap_or(u32::MAX)
    }

    /// The same in time.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let Some((_, rate @ 1..)) = self.transit else { return Duration::ZERO };
        Duration::from_micros(u64::from(self.reported()) * 1_000_000 / u64::from(rate))
    }
}

/// How long our report took to come back as a report block about us (RFC 3550 section 6.4.1): arrival
/// less LSR less DLSR. `None` if the block answers no report, or its numbers make no sense.
#[must_use]
pub fn round_trip(arrival: NtpTime, block: &ReportBlock) -> Option<Duration> {
    if block.lsr == 0 {
        return None;
    }
    let trip = round_trip_ticks(arrival.middle(), block.lsr, block.dlsr);
    // A peer whose clock runs fast may claim to have waited longer than it took: call that nothing.
    let trip = u32::try_from(trip.cast_signed()).unwrap_or(0);
    let trip = Duration::from_micros((u64::from(trip) * 1_000_000) >> 16);
    (trip <= LONGEST_TRIP).then_some(trip)
}

/// The same in 1/65536 s, modulo 2^32.
#[must_use]
pub fn round_trip_ticks(arrival: u32, lsr: u32, dlsr: u32) -> u32 {
    arrival.wrapping_sub(lsr).wrapping_sub(dlsr)
}

const MAX_DROPOUT: u16 = 3_000;
const MAX_MISORDER: u16 = 100;
/// Further back than [`MAX_MISORDER`]; that is, not so far ahead.
const JUMP_BACK: u16 = u16::MAX - MAX_MISORDER + 1;
/// Loss is a signed 24-bit number.
const MOST_LOST: i64 = (1 << 23) - 1;
/// DLSR counts 1/65536 s.
const DLSR_RATE: u32 = 1 << 16;
/// An hour's round trip is an error, not a path.
const LONGEST_TRIP: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests;
