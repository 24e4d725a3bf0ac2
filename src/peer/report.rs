//! RTCP: what we tell about the sound that comes and goes, and what we are told (RFC 3550 section 6).
//!
//! About once a second a compound leaves: SR if we sent sound since the last one or the one before, else
//! RR; a block about what we hear; our name. The other side's reports tell how our sound arrives: the
//! loss sets how much FEC the encoder makes ready, and LSR and DLSR give the round trip.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::peer::receive::Receiver;
use crate::peer::send::Sender;
use crate::rtp::rtcp::{Cname, Compound, Members, Packet, Profile, ReportBlock, Schedule, Writer};
use crate::rtp::{NoRoom, Ssrc, round_trip};
use crate::time::{Instant, NtpTime};

/// Our reports, and theirs about us.
pub(super) struct Reports {
    cname: Cname,
    schedule: Option<Schedule>,
    rng: StdRng,
    /// Packets that we had sent when the report before the last left, and when the last did.
    sent_before: [u64; 2],
    /// The latest block about our stream, and when it came.
    pub(super) remote: Option<(ReportBlock, Instant)>,
    pub(super) round_trip: Option<Duration>,
    pub(super) total_round_trip: Duration,
    pub(super) round_trips: u64,
    /// Packets of theirs that ask for lost ones again, in vain: sound is not sent twice.
    pub(super) nacks: u64,
    /// Packets of sound that the other side says it has sent; none before its first report.
    pub(super) they_sent: Option<u32>,
    /// Datagrams that were no RTCP inside.
    pub(super) malformed: u64,
}

/// Bits per second of the whole session, both ways: RTCP may take 5 % of it.
const SESSION_BANDWIDTH: u32 = 2 * 50_000;

/// The least time between two reports.
const INTERVAL: Duration = Duration::from_secs(1);

/// Who is in the call.
#[derive(Clone, Copy)]
pub(super) enum Leave {
    /// We stay.
    No,
    /// This source of ours goes: BYE.
    Yes(Ssrc),
}

/// What a compound says about its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Stays,
    /// It holds a BYE.
    Leaves,
}

impl Reports {
    pub(super) fn new(rng: &mut StdRng) -> Self {
        Self {
            cname: Cname::new(rng),
            schedule: None,
            rng: StdRng::from_rng(rng),
            sent_before: [0; 2],
            remote: None,
            round_trip: None,
            total_round_trip: Duration::ZERO,
            round_trips: 0,
            nacks: 0,
            they_sent: None,
            malformed: 0,
        }
    }

    pub(super) fn cname(&self) -> &str {
        self.cname.as_str()
    }

    /// Packets can travel: the first report is due soon.
    pub(super) fn start(&mut self, now: Instant) {
        let rng = StdRng::from_rng(&mut self.rng);
        let profile = Profile::Avpf(INTERVAL);
        self.schedule = Some(Schedule::new(now, profile, SESSION_BANDWIDTH, rng));
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.schedule.as_ref().map(Schedule::next)
    }

    /// Whether to [`Self::write`] a report now.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        self.schedule.as_mut().is_some_and(|schedule| schedule.is_due(now, Members::CALL))
    }

    /// A report of so many bytes has left.
    pub(super) fn sent(&mut self, now: Instant, bytes: usize) {
        if let Some(schedule) = &mut self.schedule {
            schedule.sent(now, bytes, Members::CALL);
        }
    }

    /// Appends a compound to `buffer`.
    pub(super) fn write(
        &mut self,
        (now, ntp): (Instant, NtpTime),
        sender: &Sender,
        receiver: &mut Receiver,
        leave: Leave,
        buffer: &mut Vec<u8>,
    ) -> Result<(), NoRoom> {
        let ssrc = match leave {
            Leave::No => sender.ssrc(),
            Leave::Yes(old) => old,
        };
        let begin = buffer.len();
        buffer.resize(begin + MOST, 0);
        let block = receiver.report(now);
        let writer = Writer::new(buffer.split_at_mut(begin).1);
        let [earlier, last] = self.sent_before;
        let talked = sender.stream.packets() > earlier; // RFC 3550 section 6.4
        self.sent_before = [last, sender.stream.packets()];
        let clock_rate = sender.codec().map_or(48_000, |(codec, _)| codec.clock_rate());
        let info = sender.stream.sender_info(now, ntp, clock_rate).filter(|_| talked);
        let writer = match info {
            Some(info) => writer.sender_report(ssrc, &info, block.as_slice())?,
            None => writer.receiver_report(ssrc, block.as_slice())?,
        };
        let writer = writer.cname(&[ssrc], self.cname.as_str())?;
        let length = match leave {
            Leave::No => writer.finish(),
            Leave::Yes(old) => writer.goodbye(&[old], "")?,
        };
        buffer.truncate(begin + length);
        Ok(())
    }

    /// Reads a compound in the clear. Says whether somebody leaves.
    pub(super) fn receive(
        &mut self,
        (now, ntp): (Instant, NtpTime),
        datagram: &[u8],
        sender: &mut Sender,
        receiver: &mut Receiver,
    ) -> Presence {
        let mut presence = Presence::Stays;
        let Ok(compound) = Compound::parse(datagram) else {
            self.malformed += 1;
            return presence;
        };
        if let Some(schedule) = &mut self.schedule {
            schedule.received(datagram.len());
        }
        for packet in compound.packets() {
            match packet {
                Packet::SenderReport(report) => {
                    self.they_sent = Some(report.info.packets);
                    receiver.sender_report(now, report.ssrc, report.info);
                    report.blocks().for_each(|block| self.block((now, ntp), block, sender));
                }
                Packet::ReceiverReport(report) => {
                    self.they_sent.get_or_insert(0);
                    report.blocks().for_each(|block| self.block((now, ntp), block, sender));
                }
                Packet::Goodbye(bye) => {
                    presence = Presence::Leaves;
                    bye.sources().for_each(|ssrc| receiver.goodbye(ssrc));
                }
                Packet::TransportFeedback(feedback) => {
                    let ours = feedback.media_ssrc == sender.ssrc();
                    self.nacks += u64::from(ours && feedback.nack().is_some());
                }
                // No video, no bandwidth estimate: nothing here to act on.
                Packet::SourceDescription(_)
                | Packet::PayloadFeedback(_)
                | Packet::ExtendedReport(_)
                | Packet::Unknown { .. } => {}
            }
        }
        presence
    }

    fn block(&mut self, (now, ntp): (Instant, NtpTime), block: ReportBlock, sender: &mut Sender) {
        if block.ssrc != sender.ssrc() {
            return;
        }
        let percent = u16::from(block.fraction_lost) * 100 / 256;
        sender.expect_loss(u8::try_from(percent).unwrap_or(100).max(LEAST_EXPECTED_LOSS));
        self.remote = Some((block, now));
        if let Some(time) = round_trip(ntp, &block) {
            self.round_trip = Some(time);
            self.total_round_trip += time;
            self.round_trips += 1;
        }
    }
}

/// Percent: a little FEC is there before the first loss is reported.
const LEAST_EXPECTED_LOSS: u8 = 5;

/// Larger than any compound of ours: two reports, one name, one goodbye.
const MOST: usize = 200;
