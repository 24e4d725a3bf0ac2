//! What is sent, received and played, and what both sides say about it.

use super::{
    Facts, INBOUND, OUTBOUND, PLAYOUT, REMOTE_INBOUND, REMOTE_OUTBOUND, SOURCE, TRANSPORT,
    milliseconds,
};
use crate::audio::Codec;
use crate::peer::receive::Stream;
use crate::peer::stats::{self, Report, Stats};
use crate::rtp::rtcp::SenderInfo;
use crate::sdp;

/// Which way packets of a codec go.
#[derive(Clone, Copy)]
enum Way {
    Inbound,
    Outbound,
}

impl Facts<'_> {
    /// What we send, in what codec, and what they say of it.
    pub(super) fn sent(&self, report: &mut Report) {
        let Some((codec, payload_type)) = self.sender.codec() else { return };
        let (now, id) = (self.time(self.now), codec_id(Way::Outbound, payload_type));
        report.insert(&id, now, Stats::Codec(self.codec(Way::Outbound, codec, payload_type)));
        report.insert(OUTBOUND, now, Stats::OutboundRtp(self.outbound(&id)));
        if let Some((_, at)) = self.reports.remote
            && let Some(remote) = self.remote_inbound(codec, &id)
        {
            report.insert(REMOTE_INBOUND, self.time(at), Stats::RemoteInboundRtp(remote));
        }
    }

    /// What we receive, in what codec, and what they say of it.
    pub(super) fn received(&self, report: &mut Report) {
        let Some(stream) = self.receiver.stream() else { return };
        let now = self.time(self.now);
        let codec = self.receiver.codec();
        let id = codec.map(|(_, payload_type)| codec_id(Way::Inbound, payload_type));
        if let (Some((codec, payload_type)), Some(id)) = (codec, &id) {
            report.insert(id, now, Stats::Codec(self.codec(Way::Inbound, codec, payload_type)));
        }
        if let Some((info, at)) = stream.reception.last_sender_report() {
            let remote = remote_outbound(stream, info, id.clone());
            report.insert(REMOTE_OUTBOUND, self.time(at), Stats::RemoteOutboundRtp(remote));
        }
        report.insert(INBOUND, now, Stats::InboundRtp(self.inbound(stream, id)));
    }

    fn inbound(&self, stream: &Stream, codec_id: Option<String>) -> stats::InboundRtp {
        let (reception, jitter) = (&stream.reception, self.receiver.jitter_stats());
        let counters = self.receiver.counters();
        stats::InboundRtp {
            ssrc: reception.ssrc().0,
            kind: "audio",
            transport_id: TRANSPORT,
            codec_id,
            remote_id: reception.last_sender_report().map(|_| REMOTE_OUTBOUND),
            playout_id: PLAYOUT,
            track_identifier: self.negotiation.agreed().map(remote_track).unwrap_or_default(),
            mid: self.mid(),
            packets_received: reception.packets(),
            packets_lost: reception.cumulative_lost().into(),
            packets_discarded: jitter.discarded(),
            fec_packets_received: jitter.copies,
            fec_packets_discarded: jitter.copies_discarded(),
            bytes_received: reception.payload_octets(),
            header_bytes_received: reception.header_octets(),
            jitter: reception.jitter().as_secs_f64(),
            // A packet is decoded the moment it leaves the jitter buffer.
            total_processing_delay: jitter.delay,
            jitter_buffer_delay: jitter.delay,
            jitter_buffer_target_delay: jitter.target_delay,
            jitter_buffer_minimum_delay: jitter.target_delay,
            jitter_buffer_emitted_count: jitter.emitted,
            total_samples_received: counters.total_samples_received,
            concealed_samples: counters.concealed_samples,
            silent_concealed_samples: counters.silent_concealed_samples,
            concealment_events: counters.concealment_events,
            inserted_samples_for_deceleration: jitter.inserted,
            removed_samples_for_acceleration: jitter.removed,
            audio_level: linear(self.receiver.level().dbov()),
            total_audio_energy: counters.total_audio_energy,
            total_samples_duration: counters.total_samples_duration(),
            last_packet_received_timestamp: Some(self.time(reception.last_packet_at())),
            estimated_playout_timestamp: self.estimated_playout(stream),
            // Nothing is asked for again, and so nothing comes again.
            ..stats::InboundRtp::default()
        }
    }

    /// Which moment of the sender's clock is heard now, in milliseconds since 1900: its report says
    /// what time a timestamp was.
    fn estimated_playout(&self, stream: &Stream) -> Option<f64> {
        let (info, _) = stream.reception.last_sender_report()?;
        let sounding = stream.jitter.sounding()?;
        let ticks = sounding.timestamp.since(info.timestamp);
        let since_report = f64::from(ticks) / f64::from(sounding.clock_rate);
        let since_then = (self.now - sounding.since).as_secs_f64();
        Some(milliseconds(info.ntp) + FROM_1900_TO_1970 + (since_report + since_then) * 1e3)
    }

    fn outbound(&self, codec_id: &str) -> stats::OutboundRtp {
        stats::OutboundRtp {
            ssrc: self.sender.ssrc().0,
            kind: "audio",
            transport_id: TRANSPORT,
            codec_id: Some(codec_id.to_owned()),
            remote_id: self.reports.remote.map(|_| REMOTE_INBOUND),
            media_source_id: SOURCE,
            mid: self.mid(),
            packets_sent: self.sender.stream.packets(),
            bytes_sent: self.sender.stream.octets(),
            header_bytes_sent: self.sender.header_bytes,
            target_bitrate: f64::from(self.sender.target_bitrate()),
            active: self.is_sending,
            nack_count: self.reports.nacks,
            // Nothing is sent twice, and nothing waits for its turn.
            ..stats::OutboundRtp::default()
        }
    }

    fn remote_inbound(&self, codec: Codec, codec_id: &str) -> Option<stats::RemoteInboundRtp> {
        let (block, _) = self.reports.remote?;
        let sent = &self.sender.stream;
        Some(stats::RemoteInboundRtp {
            ssrc: block.ssrc.0,
            kind: "audio",
            transport_id: TRANSPORT,
            codec_id: Some(codec_id.to_owned()),
            local_id: OUTBOUND,
            packets_received: sent.arrived(block.highest_sequence, block.cumulative_lost),
            packets_lost: block.cumulative_lost.into(),
            fraction_lost: f64::from(block.fraction_lost) / 256.0,
            jitter: block.jitter_duration(codec.clock_rate()).as_secs_f64(),
            round_trip_time: self.reports.round_trip.map(|time| time.as_secs_f64()),
            total_round_trip_time: self.reports.total_round_trip.as_secs_f64(),
            round_trip_time_measurements: self.reports.round_trips,
        })
    }

    /// What is there to be sent, muted or not wanted as it may be.
    pub(super) fn source(&self) -> stats::MediaSource {
        let source = self.sender.source;
        stats::MediaSource {
            kind: "audio",
            track_identifier: self.negotiation.own_track().to_owned(),
            audio_level: linear(self.sender.level().dbov()),
            total_audio_energy: source.energy,
            total_samples_duration: seconds(source.samples),
        }
    }

    /// What the listener fetched. How long it takes from there to the ear is not known here, and what a
    /// sound card made up because we were late isn't either.
    pub(super) fn playout(&self) -> stats::MediaPlayout {
        stats::MediaPlayout {
            kind: "audio",
            total_samples_duration: seconds(self.receiver.played),
            total_samples_count: self.receiver.played,
            ..stats::MediaPlayout::default()
        }
    }

    fn codec(&self, way: Way, codec: Codec, payload_type: u8) -> stats::Codec {
        let (mime_type, channels) = match codec {
            Codec::Opus => ("audio/opus", 2),
            Codec::G722 => ("audio/G722", 1),
            Codec::Pcmu => ("audio/PCMU", 1),
            Codec::Pcma => ("audio/PCMA", 1),
        };
        // What the receiver of the packets wishes, which is said in its own description.
        let wishes = match (codec, way) {
            (Codec::G722 | Codec::Pcmu | Codec::Pcma, _) => None,
            (Codec::Opus, Way::Inbound) => self.negotiation.own_wishes(),
            (Codec::Opus, Way::Outbound) => self.negotiation.agreed().and_then(their_wishes),
        };
        stats::Codec {
            payload_type,
            transport_id: TRANSPORT,
            mime_type,
            clock_rate: codec.clock_rate(),
            channels,
            sdp_fmtp_line: wishes.map(|opus| opus.to_string()).filter(|line| !line.is_empty()),
        }
    }

    fn mid(&self) -> Option<String> {
        self.negotiation.agreed().and_then(|agreed| agreed.mid.clone())
    }
}

fn remote_outbound(
    stream: &Stream,
    info: SenderInfo,
    codec_id: Option<String>,
) -> stats::RemoteOutboundRtp {
    stats::RemoteOutboundRtp {
        ssrc: stream.reception.ssrc().0,
        kind: "audio",
        transport_id: TRANSPORT,
        codec_id,
        local_id: INBOUND,
        packets_sent: info.packets.into(),
        bytes_sent: info.octets.into(),
        reports_sent: stream.reception.sender_reports(),
        remote_timestamp: milliseconds(info.ntp),
        ..stats::RemoteOutboundRtp::default()
    }
}

fn their_wishes(agreed: &sdp::Agreed) -> Option<sdp::OpusParameters> {
    agreed.codecs.iter().find(|codec| codec.codec == sdp::Codec::Opus).map(|codec| codec.wishes)
}

fn remote_track(agreed: &sdp::Agreed) -> String {
    agreed.remote.msid.as_ref().and_then(|msid| msid.track.clone()).unwrap_or_default()
}

fn codec_id(way: Way, payload_type: u8) -> String {
    match way {
        Way::Inbound => format!("CI{payload_type}"),
        Way::Outbound => format!("CO{payload_type}"),
    }
}

/// Milliseconds: W3C counts this one moment as NTP does.
const FROM_1900_TO_1970: f64 = 2_208_988_800_000.0;

/// Of samples at 48 kHz.
fn seconds(samples: u64) -> f64 {
    samples as f64 / 48_000.0
}

/// 0 to 1, from decibels below overload.
fn linear(dbov: u8) -> f64 {
    if dbov >= 127 { 0.0 } else { 10_f64.powf(-f64::from(dbov) / 20.0) }
}
