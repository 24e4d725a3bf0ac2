//! What `getStats()` would say: the dictionaries of the W3C's webrtc-stats, for the audio of one call.
//!
//! Member names and units are the W3C's: seconds, samples, bytes; timestamps in milliseconds since 1970.
//! A member that has no value yet is absent, as in a browser.

use std::collections::BTreeMap;

use serde::Serialize;

use super::event::{DtlsState, IceState};

/// `RTCStatsReport`: dictionaries by id.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Report(pub BTreeMap<String, Entry>);

impl Report {
    /// Adds a dictionary under its id.
    pub fn insert(&mut self, id: &str, timestamp: f64, stats: Stats) {
        let entry = Entry { id: id.to_owned(), timestamp, stats };
        self.0.insert(id.to_owned(), entry);
    }
}

/// `RTCStats`: what every dictionary has, then its own members.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// The key in the report.
    pub id: String,
    /// Milliseconds since 1970.
    pub timestamp: f64,
    /// The rest.
    #[serde(flatten)]
    pub stats: Stats,
}

/// One dictionary by its `type`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Stats {
    /// What we receive.
    InboundRtp(InboundRtp),
    /// What we send.
    OutboundRtp(OutboundRtp),
    /// What the other side says of what we send.
    RemoteInboundRtp(RemoteInboundRtp),
    /// What the other side says of what it sends.
    RemoteOutboundRtp(RemoteOutboundRtp),
    /// What we have to send.
    MediaSource(MediaSource),
    /// What we play.
    MediaPlayout(MediaPlayout),
    /// A payload type in use.
    Codec(Codec),
    /// ICE and DTLS.
    Transport(Transport),
    /// A pair of candidates.
    CandidatePair(CandidatePair),
    /// Our candidate.
    LocalCandidate(Candidate),
    /// Theirs.
    RemoteCandidate(Candidate),
    /// A certificate.
    Certificate(Certificate),
}

/// `RTCInboundRtpStreamStats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are the W3C's; their text is there")]
pub struct InboundRtp {
    pub ssrc: u32,
    pub kind: &'static str,
    pub transport_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<&'static str>,
    pub playout_id: &'static str,
    pub track_identifier: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
    pub packets_received: u64,
    pub packets_lost: i64,
    pub packets_discarded: u64,
    pub fec_packets_received: u64,
    pub fec_packets_discarded: u64,
    pub bytes_received: u64,
    pub header_bytes_received: u64,
    pub retransmitted_packets_received: u64,
    pub retransmitted_bytes_received: u64,
    pub nack_count: u64,
    pub jitter: f64,
    pub total_processing_delay: f64,
    pub jitter_buffer_delay: f64,
    pub jitter_buffer_target_delay: f64,
    pub jitter_buffer_minimum_delay: f64,
    pub jitter_buffer_emitted_count: u64,
    pub total_samples_received: u64,
    pub concealed_samples: u64,
    pub silent_concealed_samples: u64,
    pub concealment_events: u64,
    pub inserted_samples_for_deceleration: u64,
    pub removed_samples_for_acceleration: u64,
    pub audio_level: f64,
    pub total_audio_energy: f64,
    pub total_samples_duration: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_packet_received_timestamp: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_playout_timestamp: Option<f64>,
}

/// `RTCOutboundRtpStreamStats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are the W3C's; their text is there")]
pub struct OutboundRtp {
    pub ssrc: u32,
    pub kind: &'static str,
    pub transport_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<&'static str>,
    pub media_source_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
    pub packets_sent: u64,
    pub bytes_sent: u64,
    pub header_bytes_sent: u64,
    pub retransmitted_packets_sent: u64,
    pub retransmitted_bytes_sent: u64,
    pub total_packet_send_delay: f64,
    pub nack_count: u64,
    pub target_bitrate: f64,
    pub active: bool,
}

/// `RTCRemoteInboundRtpStreamStats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are the W3C's; their text is there")]
pub struct RemoteInboundRtp {
    pub ssrc: u32,
    pub kind: &'static str,
    pub transport_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec_id: Option<String>,
    pub local_id: &'static str,
    pub packets_received: u64,
    pub packets_lost: i64,
    pub fraction_lost: f64,
    pub jitter: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip_time: Option<f64>,
    pub total_round_trip_time: f64,
    pub round_trip_time_measurements: u64,
}

/// `RTCRemoteOutboundRtpStreamStats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are the W3C's; their text is there")]
pub struct RemoteOutboundRtp {
    pub ssrc: u32,
    pub kind: &'static str,
    pub transport_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec_id: Option<String>,
    pub local_id: &'static str,
    pub packets_sent: u64,
    pub bytes_sent: u64,
    pub reports_sent: u64,
    pub remote_timestamp: f64,
    /// Always 0, and `roundTripTime` absent: they come with extended reports, which we don't ask for.
    pub total_round_trip_time: f64,
    pub round_trip_time_measurements: u64,
}

/// `RTCAudioSourceStats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are the W3C's; their text is there")]
pub struct MediaSource {
    pub kind: &'static str,
    pub track_identifier: String,
    pub audio_level: f64,
    pub total_audio_energy: f64,
    pub total_samples_duration: f64,
}

/// `RTCAudioPlayoutStats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are the W3C's; their text is there")]
pub struct MediaPlayout {
    pub kind: &'static str,
    pub synthesized_samples_duration: f64,
    pub synthesized_samples_events: u64,
    pub total_samples_duration: f64,
    pub total_playout_delay: f64,
    pub total_samples_count: u64,
}

/// `RTCCodecStats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are the W3C's; their text is there")]
pub struct Codec {
    pub payload_type: u8,
    pub transport_id: &'static str,
    pub mime_type: &'static str,
    pub clock_rate: u32,
    pub channels: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sdp_fmtp_line: Option<String>,
}

/// `RTCTransportStats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are the W3C's; their text is there")]
pub struct Transport {
    pub packets_sent: u64,
    pub packets_received: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub ice_role: &'static str,
    pub ice_local_username_fragment: String,
    pub ice_state: IceState,
    pub dtls_state: DtlsState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtls_role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected_candidate_pair_id: Option<String>,
    pub selected_candidate_pair_changes: u64,
    pub local_certificate_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_certificate_id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtls_cipher: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub srtp_cipher: Option<&'static str>,
}

/// `RTCIceCandidatePairStats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are the W3C's; their text is there")]
pub struct CandidatePair {
    pub transport_id: &'static str,
    pub local_candidate_id: String,
    pub remote_candidate_id: String,
    pub state: &'static str,
    pub nominated: bool,
    pub packets_sent: u64,
    pub packets_received: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_packet_sent_timestamp: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_packet_received_timestamp: Option<f64>,
    pub total_round_trip_time: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_round_trip_time: Option<f64>,
    pub requests_received: u64,
    pub requests_sent: u64,
    pub responses_received: u64,
    pub responses_sent: u64,
    pub consent_requests_sent: u64,
}

/// `RTCIceCandidateStats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are the W3C's; their text is there")]
pub struct Candidate {
    pub transport_id: &'static str,
    pub address: String,
    pub port: u16,
    pub protocol: &'static str,
    pub candidate_type: &'static str,
    pub priority: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay_protocol: Option<&'static str>,
    pub foundation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username_fragment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_type: Option<&'static str>,
}

/// `RTCCertificateStats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the members are the W3C's; their text is there")]
pub struct Certificate {
    pub fingerprint: String,
    pub fingerprint_algorithm: String,
    pub base64_certificate: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_has_the_w3c_type_and_member_names() {
        let mut report = Report::default();
        let pair = CandidatePair { nominated: true, bytes_sent: 7, ..CandidatePair::default() };
        report.insert("P1", 1_000.0, Stats::CandidatePair(pair));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["P1"]["type"], "candidate-pair");
        assert_eq!(json["P1"]["id"], "P1");
        assert_eq!(json["P1"]["bytesSent"], 7);
        assert!(json["P1"].get("currentRoundTripTime").is_none(), "absent until measured");
    }
}
