//! From the words of descriptions to those of the machines, and back: `sdp` knows neither ICE nor DTLS
//! nor codecs, and they don't know `sdp`.
//!
//! Why three layers have a `Codec` each: to `sdp` it is a name in a description; to
//! `rtp` a clock and how long a payload lasts; to `audio` what can be coded. A type for all of them would
//! have to lie below all of them, in a place that knows nothing of sound; a new codec is a line in each
//! `match` here instead, and the compiler asks for it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::audio;
use crate::dtls_srtp::{Fingerprint, HashAlgorithm, Role};
use crate::ice;
use crate::rtp;
use crate::sdp;
use crate::sdp::candidate::{Address, Kind, TcpType, Transport};

/// A candidate as a line, its address behind its name if it is a hidden one of ours.
pub(super) fn candidate_line(
    candidate: &ice::Candidate,
    hidden: &BTreeMap<IpAddr, String>,
) -> sdp::Candidate {
    let kind = match candidate.kind {
        ice::Kind::Host => Kind::Host,
        ice::Kind::ServerReflexive => Kind::ServerReflexive,
        ice::Kind::PeerReflexive => Kind::PeerReflexive,
        ice::Kind::Relayed => Kind::Relayed,
    };
    let transport = match (candidate.transport, candidate.tcp_type) {
        (ice::Transport::Udp, _) => Transport::Udp,
        (ice::Transport::Tcp, Some(ice::TcpType::Passive)) => Transport::Tcp(TcpType::Passive),
        (ice::Transport::Tcp, Some(ice::TcpType::SimultaneousOpen)) => {
            Transport::Tcp(TcpType::SimultaneousOpen)
        }
        (ice::Transport::Tcp, _) => Transport::Tcp(TcpType::Active),
    };
    sdp::Candidate {
        foundation: candidate.foundation.clone(),
        component: candidate.component,
        transport,
        priority: candidate.priority,
        address: match hidden.get(&candidate.addr.ip()) {
            Some(name) => Address::Name(name.clone()),
            None => Address::Ip(candidate.addr.ip()),
        },
        port: candidate.addr.port(),
        kind,
        related: candidate.related.map(|addr| related(addr, hidden)),
        extensions: String::new(),
    }
}

/// The base of a reflexive candidate; a hidden one is not told (RFC 8839 section 5.1).
fn related(addr: SocketAddr, hidden: &BTreeMap<IpAddr, String>) -> (Address, u16) {
    match addr.ip() {
        ip if !hidden.contains_key(&ip) => (Address::Ip(ip), addr.port()),
        IpAddr::V4(_) => (Address::Ip(Ipv4Addr::UNSPECIFIED.into()), 9),
        IpAddr::V6(_) => (Address::Ip(Ipv6Addr::UNSPECIFIED.into()), 9),
    }
}

/// A candidate as events and browsers' scripts have it.
pub(super) fn candidate_text(line: &sdp::Candidate) -> String {
    format!("candidate:{line}")
}

/// What the agent is told of a line of theirs; none for kinds and transports that nobody here knows.
pub(super) fn remote_candidate(line: &sdp::Candidate) -> Option<ice::Input<'static>> {
    let kind = match line.kind {
        Kind::Host => ice::Kind::Host,
        Kind::ServerReflexive => ice::Kind::ServerReflexive,
        Kind::PeerReflexive => ice::Kind::PeerReflexive,
        Kind::Relayed => ice::Kind::Relayed,
        Kind::Other(_) => return None,
    };
    let (transport, tcp_type) = match line.transport {
        Transport::Udp => (ice::Transport::Udp, None),
        Transport::Tcp(TcpType::Active) => (ice::Transport::Tcp, Some(ice::TcpType::Active)),
        Transport::Tcp(TcpType::Passive) => (ice::Transport::Tcp, Some(ice::TcpType::Passive)),
        Transport::Tcp(TcpType::SimultaneousOpen) => {
            (ice::Transport::Tcp, Some(ice::TcpType::SimultaneousOpen))
        }
        Transport::Other(_) => return None,
    };
    let ip = match &line.address {
        Address::Ip(ip) => *ip,
        Address::Name(_) => Ipv4Addr::UNSPECIFIED.into(),
    };
    let related = match &line.related {
        Some((Address::Ip(ip), port)) => Some(SocketAddr::new(*ip, *port)),
        _ => None,
    };
    let candidate = ice::Candidate {
        foundation: line.foundation.clone(),
        component: line.component,
        transport,
        priority: line.priority,
        addr: SocketAddr::new(ip, line.port),
        kind,
        related,
        tcp_type,
        ufrag: line.extension("ufrag").map(str::to_owned),
    };
    Some(match &line.address {
        Address::Ip(_) => ice::Input::RemoteCandidate(candidate),
        Address::Name(name) => ice::Input::NamedCandidate { name: name.clone(), candidate },
    })
}

/// Fingerprints by hashes that are still to be trusted.
pub(super) fn fingerprints(lines: &[sdp::Fingerprint]) -> Vec<Fingerprint> {
    let known = |line: &sdp::Fingerprint| {
        let algorithm = HashAlgorithm::ALL
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(&line.algorithm))?;
        Some(Fingerprint { algorithm, bytes: line.bytes.clone() })
    };
    lines.iter().filter_map(known).collect()
}

/// Our fingerprint as a line.
pub(super) fn fingerprint_line(fingerprint: Fingerprint) -> sdp::Fingerprint {
    let Fingerprint { algorithm, bytes } = fingerprint;
    sdp::Fingerprint { algorithm: algorithm.name().to_owned(), bytes }
}

/// Our part in the handshake.
pub(super) const fn dtls_role(role: sdp::DtlsRole) -> Role {
    match role {
        sdp::DtlsRole::Client => Role::Client,
        sdp::DtlsRole::Server => Role::Server,
    }
}

/// A codec in descriptions.
pub(super) const fn sdp_codec(codec: audio::Codec) -> sdp::Codec {
    match codec {
        audio::Codec::Opus => sdp::Codec::Opus,
        audio::Codec::G722 => sdp::Codec::G722,
        audio::Codec::Pcmu => sdp::Codec::Pcmu,
        audio::Codec::Pcma => sdp::Codec::Pcma,
    }
}

/// The same codec for sound.
pub(super) const fn audio_codec(codec: sdp::Codec) -> audio::Codec {
    match codec {
        sdp::Codec::Opus => audio::Codec::Opus,
        sdp::Codec::G722 => audio::Codec::G722,
        sdp::Codec::Pcmu => audio::Codec::Pcmu,
        sdp::Codec::Pcma => audio::Codec::Pcma,
    }
}

/// The same codec for packets.
pub(super) const fn rtp_codec(codec: audio::Codec) -> rtp::Codec {
    match codec {
        audio::Codec::Opus => rtp::Codec::Opus,
        audio::Codec::G722 => rtp::Codec::G722,
        audio::Codec::Pcmu => rtp::Codec::Pcmu,
        audio::Codec::Pcma => rtp::Codec::Pcma,
    }
}

/// The same codec for the decoder.
pub(super) const fn decoder_codec(codec: rtp::Codec) -> audio::Codec {
    match codec {
        rtp::Codec::Opus => audio::Codec::Opus,
        rtp::Codec::G722 => audio::Codec::G722,
        rtp::Codec::Pcmu => audio::Codec::Pcmu,
        rtp::Codec::Pcma => audio::Codec::Pcma,
    }
}

/// How fast the jitter buffer wants a packet played.
pub(super) const fn tempo(tempo: rtp::jitter::Tempo) -> audio::Tempo {
    match tempo {
        rtp::jitter::Tempo::AsSent => audio::Tempo::AsSent,
        rtp::jitter::Tempo::Faster => audio::Tempo::Faster,
        rtp::jitter::Tempo::Slower => audio::Tempo::Slower,
    }
}

/// Numbers of header extensions.
pub(super) const fn extension_ids(ids: sdp::agreement::ExtensionIds) -> rtp::ExtensionIds {
    rtp::ExtensionIds {
        mid: ids.mid,
        audio_level: ids.audio_level,
        abs_send_time: ids.abs_send_time,
        transport_cc: ids.transport_cc,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_survives_the_way_to_a_line_and_back() {
        let line = "1 1 udp 2130706431 192.0.2.1 5000 typ host";
        let Some(ice::Input::RemoteCandidate(read)) = remote_candidate(&line.parse().unwrap())
        else {
            panic!("an address");
        };
        assert_eq!(candidate_line(&read, &BTreeMap::new()).to_string(), line);
    }

    #[test]
    fn a_name_is_not_an_address() {
        let line = "1 1 udp 2130706431 4f2c.local 5000 typ host ufrag abcd".parse().unwrap();
        let Some(ice::Input::NamedCandidate { name, candidate }) = remote_candidate(&line) else {
            panic!("a name");
        };
        assert_eq!(
            (name.as_str(), candidate.ufrag.as_deref(), candidate.addr.port()),
            ("4f2c.local", Some("abcd"), 5_000)
        );
    }

    #[test]
    fn weak_fingerprints_count_as_none() {
        let line = |algorithm: &str, length| sdp::Fingerprint {
            algorithm: algorithm.to_owned(),
            bytes: vec![7; length],
        };
        let known = fingerprints(&[line("sha-1", 20), line("SHA-256", 32)]);
        assert_eq!(known.len(), 1);
        assert_eq!(known[0].algorithm, HashAlgorithm::Sha256);
    }
}
