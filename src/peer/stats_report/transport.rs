//! How packets get to the other side: ICE, DTLS, and the certificates.

use openssl::base64;

use super::{Facts, LOCAL_CERTIFICATE, REMOTE_CERTIFICATE, TRANSPORT};
use crate::dtls_srtp::{Fingerprint, HashAlgorithm, Role as DtlsRole};
use crate::ice::{self, PairReport, PairState};
use crate::peer::call::life::ice_state;
use crate::peer::stats::{self, Report, Stats};
use crate::peer::transport::Transport;
use crate::sdp;

impl Facts<'_> {
    pub(super) fn transport(&self, transport: &Transport) -> stats::Transport {
        let (agent, traffic) = (&transport.agent, &transport.traffic.all);
        let agreed = transport.agreed.as_ref();
        stats::Transport {
            packets_sent: traffic.packets_sent,
            packets_received: traffic.packets_received,
            bytes_sent: traffic.bytes_sent,
            bytes_received: traffic.bytes_received,
            ice_role: match agent.role() {
                ice::Role::Controlling => "controlling",
                ice::Role::Controlled => "controlled",
            },
            ice_local_username_fragment: agent.local_credentials().ufrag.clone(),
            ice_state: ice_state(agent.state()),
            dtls_state: self.dtls,
            dtls_role: transport.role().map(|role| match role {
                DtlsRole::Client => "client",
                DtlsRole::Server => "server",
            }),
            selected_candidate_pair_id: agent
                .every_pair()
                .find(|pair| pair.selected)
                .map(|pair| pair_id(pair.id)),
            selected_candidate_pair_changes: transport.selections,
            local_certificate_id: LOCAL_CERTIFICATE,
            remote_certificate_id: agreed.map(|_| REMOTE_CERTIFICATE),
            tls_version: agreed.map(|_| "FEFD".to_owned()), // the version on the wire: DTLS 1.2
            dtls_cipher: agreed.map(|agreed| agreed.cipher.to_owned()),
            srtp_cipher: agreed.map(|agreed| agreed.profile.registered_name()),
        }
    }

    pub(super) fn candidates(&self, agent: &ice::Agent, report: &mut Report) {
        let now = self.time(self.now);
        let ours = &agent.local_credentials().ufrag;
        for (id, candidate) in agent.every_local_candidate() {
            let stats = self.local(agent, id, candidate, ours);
            report.insert(&local_id(agent.session(), id), now, Stats::LocalCandidate(stats));
        }
        let theirs = agent.remote_credentials().map(|credentials| &credentials.ufrag);
        for (id, candidate) in agent.remote_candidates() {
            let stats = candidate_stats(candidate, &self.line(candidate), theirs);
            report.insert(&remote_id(id), now, Stats::RemoteCandidate(stats));
        }
        // In a restart media goes by a pair of the session before: its candidates know their own ufrags.
        for pair in agent.every_pair().filter(|pair| pair.session != agent.session()) {
            let local = self.local(agent, pair.local_id, pair.local, ours);
            let local_id = local_id(pair.session, pair.local_id);
            report.insert(&local_id, now, Stats::LocalCandidate(local));
            let remote = candidate_stats(pair.remote, &self.line(pair.remote), theirs);
            report.insert(&remote_id(pair.remote_id), now, Stats::RemoteCandidate(remote));
        }
    }

    pub(super) fn pairs(&self, transport: &Transport, report: &mut Report) {
        for pair in transport.agent.every_pair() {
            let stats = Stats::CandidatePair(self.pair(transport, &pair));
            report.insert(&pair_id(pair.id), self.time(self.now), stats);
        }
    }

    /// With the server that it came from. `ufrag` is that of the session.
    fn local(
        &self,
        agent: &ice::Agent,
        id: ice::LocalId,
        candidate: &ice::Candidate,
        ufrag: &String,
    ) -> stats::Candidate {
        let mut stats = candidate_stats(candidate, &self.line(candidate), Some(ufrag));
        if let Some(source) = agent.source(id) {
            stats.url = self.servers.uri_of(&source);
            stats.relay_protocol = source.transport.map(|transport| match transport {
                ice::ServerTransport::Udp => "udp",
                ice::ServerTransport::Tcp => "tcp",
                ice::ServerTransport::Tls => "tls",
            });
        }
        stats
    }

    fn line(&self, candidate: &ice::Candidate) -> sdp::Candidate {
        self.negotiation.candidate_line(candidate)
    }

    fn pair(&self, transport: &Transport, pair: &PairReport<'_>) -> stats::CandidatePair {
        let figures = &pair.figures;
        let way = (pair.session, pair.path, pair.remote.addr);
        let traffic = transport.traffic.of(way);
        stats::CandidatePair {
            transport_id: TRANSPORT,
            local_candidate_id: local_id(pair.session, pair.local_id),
            remote_candidate_id: remote_id(pair.remote_id),
            state: pair_state(pair.state),
            nominated: pair.nominated,
            packets_sent: traffic.packets_sent,
            packets_received: traffic.packets_received,
            bytes_sent: traffic.bytes_sent,
            bytes_received: traffic.bytes_received,
            last_packet_sent_timestamp: traffic.last_sent.map(|at| self.time(at)),
            last_packet_received_timestamp: traffic.last_received.map(|at| self.time(at)),
            total_round_trip_time: figures.total_round_trip_time.as_secs_f64(),
            current_round_trip_time: figures.current_round_trip_time.map(|rtt| rtt.as_secs_f64()),
            requests_received: figures.requests_received,
            requests_sent: figures.requests_sent,
            responses_received: figures.responses_received,
            responses_sent: figures.responses_sent,
            consent_requests_sent: figures.consent_requests_sent,
        }
    }
}

pub(super) fn certificate(der: &[u8]) -> Stats {
    let text = Fingerprint::of(HashAlgorithm::Sha256, der).to_string();
    let (algorithm, fingerprint) = text.split_once(' ').unwrap_or_default();
    Stats::Certificate(stats::Certificate {
        fingerprint: fingerprint.to_owned(),
        fingerprint_algorithm: algorithm.to_owned(),
        base64_certificate: base64::encode_block(der),
    })
}

/// `ufrag` is that of the session, for candidates that don't name their own.
/// `line` has the addresses as they may be shown.
fn candidate_stats(
    candidate: &ice::Candidate,
    line: &sdp::Candidate,
    ufrag: Option<&String>,
) -> stats::Candidate {
    stats::Candidate {
        transport_id: TRANSPORT,
        address: line.address.to_string(),
        port: candidate.addr.port(),
        protocol: match candidate.transport {
            ice::Transport::Udp => "udp",
            ice::Transport::Tcp => "tcp",
        },
        candidate_type: candidate.kind.name(),
        priority: candidate.priority,
        url: None,
        relay_protocol: None,
        foundation: candidate.foundation.clone(),
        related_address: line.related.as_ref().map(|(address, _)| address.to_string()),
        related_port: line.related.as_ref().map(|(_, port)| *port),
        username_fragment: candidate.ufrag.as_ref().or(ufrag).cloned(),
        tcp_type: candidate.tcp_type.map(|kind| match kind {
            ice::TcpType::Active => "active",
            ice::TcpType::Passive => "passive",
            ice::TcpType::SimultaneousOpen => "so",
        }),
    }
}

/// A restart offers the same candidate under another ufrag, perhaps with another priority: that is another one.
fn local_id(session: u32, id: ice::LocalId) -> String {
    format!("L{session}.{}", id.0)
}

fn remote_id(id: ice::RemoteId) -> String {
    format!("R{}", id.0)
}

fn pair_id(id: ice::PairId) -> String {
    format!("P{}", id.0)
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
