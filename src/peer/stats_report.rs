//! Fills in the W3C's dictionaries from what the machines have counted.

use openssl::base64;

use crate::audio::Codec;
use crate::dtls_srtp::{Certificate, Fingerprint, HashAlgorithm, Role as DtlsRole};
use crate::ice::{self, PairState};
use crate::peer::event::DtlsState;
use crate::peer::negotiate::Negotiation;
use crate::peer::receive::Receiver;
use crate::peer::report::Reports;
use crate::peer::send::Sender;
use crate::peer::stats::{self, Report, Stats};
use crate::peer::transport::Transport;
use crate::time::{Instant, NtpTime};

const TRANSPORT: &str = "T0";
const INBOUND: &str = "I0";
const OUTBOUND: &str = "O0";
const REMOTE_INBOUND: &str = "RI0";
const REMOTE_OUTBOUND: &str = "RO0";
const PLAYOUT: &str = "AP0";
const LOCAL_CERTIFICATE: &str = "CL";
const REMOTE_CERTIFICATE: &str = "CR";

/// All that there is to tell about a call.
pub(super) struct Facts<'a> {
    pub(super) now: Instant,
    pub(super) wall_clock: NtpTime,
    pub(super) certificate: &'a Certificate,
    pub(super) negotiation: &'a Negotiation,
    pub(super) transport: Option<&'a Transport>,
    pub(super) sender: &'a Sender,
    pub(super) is_sending: bool,
    pub(super) receiver: &'a Receiver,
    pub(super) reports: &'a Reports,
    pub(super) dtls: DtlsState,
}

/// Writes the whole report.
pub(super) fn write(facts: &Facts<'_>) -> Report {
    let mut report = Report::default();
    let timestamp = facts.time(facts.now);
    let mut insert = |id: &str, stats| report.insert(id, timestamp, stats);
    insert(LOCAL_CERTIFICATE, certificate(facts.certificate.der()));
    insert(PLAYOUT, Stats::MediaPlayout(facts.playout()));
    if let Some(transport) = facts.transport {
        insert(TRANSPORT, Stats::Transport(facts.transport(transport)));
        if let Some(agreed) = &transport.agreed {
            insert(REMOTE_CERTIFICATE, certificate(&agreed.remote_certificate));
        }
        candidates(&transport.agent, &mut insert);
        pairs(transport, &mut insert);
    }
    if let Some((codec, payload_type)) = facts.sender.codec() {
        insert(&codec_id('O', payload_type), Stats::Codec(codec_stats(codec, payload_type)));
        insert(OUTBOUND, Stats::OutboundRtp(facts.outbound()));
        if let Some(remote) = facts.remote_inbound() {
            insert(REMOTE_INBOUND, Stats::RemoteInboundRtp(remote));
        }
    }
    if let Some(inbound) = facts.inbound() {
        insert(INBOUND, Stats::InboundRtp(inbound));
    }
    if let Some((codec, payload_type)) = facts.receiver.codec() {
        insert(&codec_id('I', payload_type), Stats::Codec(codec_stats(codec, payload_type)));
    }
    if let Some(remote) = facts.remote_outbound() {
        insert(REMOTE_OUTBOUND, Stats::RemoteOutboundRtp(remote));
    }
    report
}

impl Facts<'_> {
    /// Milliseconds since 1970.
    fn time(&self, at: Instant) -> f64 {
        (self.wall_clock + at.since_start()).to_unix().as_secs_f64() * 1e3
    }

    fn mid(&self) -> Option<String> {
        self.negotiation.agreed().and_then(|agreed| agreed.mid.clone())
    }

    fn inbound(&self) -> Option<stats::InboundRtp> {
        let stream = self.receiver.stream()?;
        let (reception, jitter) = (&stream.reception, self.receiver.jitter_stats());
        let counters = self.receiver.counters();
        Some(stats::InboundRtp {
            ssrc: reception.ssrc().0,
            kind: "audio",
            transport_id: TRANSPORT,
            codec_id: self.receiver.codec().map(|(_, payload_type)| codec_id('I', payload_type)),
            remote_id: reception.last_sender_report().map(|_| REMOTE_OUTBOUND),
            playout_id: PLAYOUT,
            track_identifier: self.negotiation.agreed().map(remote_track).unwrap_or_default(),
            mid: self.mid(),
            packets_received: reception.packets(),
            packets_lost: reception.cumulative_lost().into(),
            packets_discarded: jitter.discarded(),
            fec_packets_received: counters.fec_packets,
            bytes_received: reception.payload_octets(),
            header_bytes_received: reception.header_octets(),
            jitter: reception.jitter().as_secs_f64(),
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
        })
    }

    fn outbound(&self) -> stats::OutboundRtp {
        stats::OutboundRtp {
            ssrc: self.sender.ssrc().0,
            kind: "audio",
            transport_id: TRANSPORT,
            codec_id: self.sender.codec().map(|(_, payload_type)| codec_id('O', payload_type)),
            remote_id: self.reports.remote.map(|_| REMOTE_INBOUND),
            mid: self.mid(),
            packets_sent: self.sender.stream.packets(),
            bytes_sent: self.sender.stream.octets(),
            header_bytes_sent: self.sender.header_bytes,
            target_bitrate: f64::from(self.sender.target_bitrate()),
            active: self.is_sending,
            ..stats::OutboundRtp::default()
        }
    }

    fn remote_inbound(&self) -> Option<stats::RemoteInboundRtp> {
        let (block, (codec, payload_type)) = (self.reports.remote?, self.sender.codec()?);
        Some(stats::RemoteInboundRtp {
            ssrc: block.ssrc.0,
            kind: "audio",
            transport_id: TRANSPORT,
            codec_id: Some(codec_id('O', payload_type)),
            local_id: OUTBOUND,
            packets_lost: block.cumulative_lost.into(),
            fraction_lost: f64::from(block.fraction_lost) / 256.0,
            jitter: block.jitter_duration(codec.clock_rate()).as_secs_f64(),
            round_trip_time: self.reports.round_trip.map(|time| time.as_secs_f64()),
            total_round_trip_time: self.reports.total_round_trip.as_secs_f64(),
            round_trip_time_measurements: self.reports.round_trips,
        })
    }

    fn remote_outbound(&self) -> Option<stats::RemoteOutboundRtp> {
        let reception = &self.receiver.stream()?.reception;
        let (info, _) = reception.last_sender_report()?;
        Some(stats::RemoteOutboundRtp {
            ssrc: reception.ssrc().0,
            kind: "audio",
            transport_id: TRANSPORT,
            codec_id: self.receiver.codec().map(|(_, payload_type)| codec_id('I', payload_type)),
            local_id: INBOUND,
            packets_sent: info.packets.into(),
            bytes_sent: info.octets.into(),
            reports_sent: self.reports.reports_received,
            remote_timestamp: info.ntp.to_unix().as_secs_f64() * 1e3,
        })
    }

    fn playout(&self) -> stats::MediaPlayout {
        let counters = self.receiver.counters();
        stats::MediaPlayout {
            kind: "audio",
            synthesized_samples_duration: counters.concealed_samples as f64 / 48_000.0,
            synthesized_samples_events: counters.concealment_events,
            total_samples_duration: counters.total_samples_duration(),
            total_playout_delay: 0.0,
            total_samples_count: counters.total_samples_received,
        }
    }

    fn transport(&self, transport: &Transport) -> stats::Transport {
        let (agent, counters) = (&transport.agent, &transport.counters);
        let agreed = transport.agreed.as_ref();
        stats::Transport {
            packets_sent: counters.packets_sent,
            packets_received: counters.packets_received,
            bytes_sent: counters.bytes_sent,
            bytes_received: counters.bytes_received,
            ice_role: match agent.role() {
                ice::Role::Controlling => "controlling",
                ice::Role::Controlled => "controlled",
            },
            ice_local_username_fragment: agent.local_credentials().ufrag.clone(),
            ice_state: ice_state(agent.state()),
            dtls_state: dtls_state(self.dtls),
            dtls_role: transport.role().map(|role| match role {
                DtlsRole::Client => "client",
                DtlsRole::Server => "server",
            }),
            selected_candidate_pair_id: agent.selected().map(|pair| pair_id(pair.pair)),
            selected_candidate_pair_changes: transport.selections,
            local_certificate_id: LOCAL_CERTIFICATE,
            remote_certificate_id: agreed.map(|_| REMOTE_CERTIFICATE),
            tls_version: agreed.map(|_| "FEFD".to_owned()),
            dtls_cipher: agreed.map(|agreed| agreed.cipher.to_owned()),
            srtp_cipher: agreed.map(|agreed| agreed.profile.to_string()),
        }
    }
}

fn candidates(agent: &ice::Agent, insert: &mut impl FnMut(&str, Stats)) {
    for (id, candidate) in agent.every_local_candidate() {
        insert(&local_id(id), Stats::LocalCandidate(candidate_stats(candidate)));
    }
    for (id, candidate) in agent.remote_candidates() {
        insert(&remote_id(id), Stats::RemoteCandidate(candidate_stats(candidate)));
    }
}

fn pairs(transport: &Transport, insert: &mut impl FnMut(&str, Stats)) {
    for pair in transport.agent.pairs() {
        let figures = &pair.figures;
        let mut stats = stats::CandidatePair {
            transport_id: TRANSPORT,
            local_candidate_id: local_id(pair.local_id),
            remote_candidate_id: remote_id(pair.remote_id),
            state: pair_state(pair.state),
            nominated: pair.nominated,
            total_round_trip_time: figures.total_round_trip_time.as_secs_f64(),
            current_round_trip_time: figures.current_round_trip_time.map(|rtt| rtt.as_secs_f64()),
            requests_received: figures.requests_received,
            requests_sent: figures.requests_sent,
            responses_received: figures.responses_received,
            responses_sent: figures.responses_sent,
            consent_requests_sent: figures.consent_requests_sent,
            ..stats::CandidatePair::default()
        };
        if pair.selected {
            // Nearly all went by this one: packets are counted for the transport as a whole.
            let counters = &transport.counters;
            stats.packets_sent = counters.packets_sent;
            stats.packets_received = counters.packets_received;
            stats.bytes_sent = counters.bytes_sent;
            stats.bytes_received = counters.bytes_received;
        }
        insert(&pair_id(pair.id), Stats::CandidatePair(stats));
    }
}

fn certificate(der: &[u8]) -> Stats {
    let text = Fingerprint::of(HashAlgorithm::Sha256, der).to_string();
    let (algorithm, fingerprint) = text.split_once(' ').unwrap_or_default();
    Stats::Certificate(stats::Certificate {
        fingerprint: fingerprint.to_owned(),
        fingerprint_algorithm: algorithm.to_owned(),
        base64_certificate: base64::encode_block(der),
    })
}

fn candidate_stats(candidate: &ice::Candidate) -> stats::Candidate {
    stats::Candidate {
        transport_id: TRANSPORT,
        address: candidate.addr.ip().to_string(),
        port: candidate.addr.port(),
        protocol: match candidate.transport {
            ice::Transport::Udp => "udp",
            ice::Transport::Tcp => "tcp",
        },
        candidate_type: candidate.kind.name(),
        priority: candidate.priority,
        foundation: candidate.foundation.clone(),
        related_address: candidate.related.map(|addr| addr.ip().to_string()),
        related_port: candidate.related.map(|addr| addr.port()),
    }
}

fn codec_stats(codec: Codec, payload_type: u8) -> stats::Codec {
    let (mime_type, channels) = match codec {
        Codec::Opus => ("audio/opus", 2),
        Codec::Pcmu => ("audio/PCMU", 1),
        Codec::Pcma => ("audio/PCMA", 1),
    };
    stats::Codec {
        payload_type,
        transport_id: TRANSPORT,
        mime_type,
        clock_rate: codec.clock_rate(),
        channels,
        sdp_fmtp_line: None,
    }
}

fn remote_track(agreed: &crate::sdp::Agreed) -> String {
    agreed.remote.msid.as_ref().and_then(|msid| msid.track.clone()).unwrap_or_default()
}

/// 0 to 1, from decibels below overload.
fn linear(dbov: u8) -> f64 {
    if dbov >= 127 { 0.0 } else { 10_f64.powf(-f64::from(dbov) / 20.0) }
}

fn codec_id(way: char, payload_type: u8) -> String {
    format!("C{way}{payload_type}")
}

fn local_id(id: ice::LocalId) -> String {
    format!("L{}", id.0)
}

fn remote_id(id: ice::RemoteId) -> String {
    format!("R{}", id.0)
}

fn pair_id(id: ice::PairId) -> String {
    format!("P{}", id.0)
}

const fn ice_state(state: ice::State) -> &'static str {
    match state {
        ice::State::New => "new",
        ice::State::Checking => "checking",
        ice::State::Connected => "connected",
        ice::State::Completed => "completed",
        ice::State::Disconnected => "disconnected",
        ice::State::Failed => "failed",
        ice::State::Closed => "closed",
    }
}

const fn dtls_state(state: DtlsState) -> &'static str {
    match state {
        DtlsState::New => "new",
        DtlsState::Connecting => "connecting",
        DtlsState::Connected => "connected",
        DtlsState::Closed => "closed",
        DtlsState::Failed => "failed",
    }
}

const fn pair_state(state: PairState) -> &'static str {
    match state {
        PairState::Frozen => "frozen",
        PairState::Waiting => "waiting",
        PairState::InProgress => "in-progress",
        PairState::Succeeded => "succeeded",
        PairState::Failed => "failed",
    }
}
