//! Our side of a description: the lines that an offer and an answer have in common.
//!
//! ```text
//! v=0 o=- … s=- t=0 0                     head
//! a=group:BUNDLE 0
//! a=ice-options:trickle ice2 renomination
//! m=audio 49170 UDP/TLS/RTP/SAVPF 111 0   the section: default destination, best candidate's
//! c=IN IP4 192.0.2.10
//! a=mid:0 … a=sendrecv … a=msid:… …       the caller's own
//! a=ssrc:… cname:…                        source
//! a=rtpmap: a=fmtp: a=extmap: …           formats
//! a=ice-ufrag: … a=candidate: …           transport
//! ```
//! Left out: `a=tls-id`, which no browser writes, and `a=rtcp`, which means nothing beside rtcp-mux.

use std::net::IpAddr;

use super::agreement::{Capabilities, ExtensionIds};
use super::attribute::Attribute;
use super::candidate::{Address, Candidate, Transport};
use super::codec::{ExtMap, Fmtp, RtcpFeedback, RtpMap};
use super::session::{Description, Media, Origin, TextLine};
use super::value::{Direction, Fingerprint, Group, Msid, Setup, SourceAttribute};

/// What we tell about ourselves.
#[derive(Clone, Debug)]
pub struct Local {
    /// Random, below 2^63; the same as long as the call lasts.
    pub session_id: u64,
    /// One more with every description that we write, taken back or not (RFC 9429 section 5.2.2).
    pub version: u64,
    /// Our ICE user name fragment.
    pub ice_ufrag: String,
    /// Our ICE password.
    pub ice_pwd: String,
    /// Our addresses, the one most likely to work first: some clients use only that one.
    pub candidates: Vec<Candidate>,
    /// Whether these are all.
    pub end_of_candidates: bool,
    /// Hashes of our certificate.
    pub fingerprints: Vec<Fingerprint>,
    /// The source that we send from.
    pub ssrc: u32,
    /// The name of our clock.
    pub cname: String,
    /// Our stream and track.
    pub msid: Msid,
}

/// What a description is written from.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    /// Ourselves.
    pub local: &'a Local,
    /// What we can do.
    pub capabilities: &'a Capabilities,
    /// Our description before this one, once both sides had agreed: it fixes names and numbers.
    pub previous: Option<&'a Description>,
}

/// A payload type of ours with all its lines.
pub(super) struct Format {
    pub map: RtpMap,
    pub fmtp: String,
    pub feedback: Vec<String>,
}

impl Local {
    /// The lines before the first section.
    pub(super) fn head(&self, bundle: Option<&str>, ice_options: &[&str]) -> Description {
        let mut attributes = Vec::new();
        if let Some(mid) = bundle {
            let (semantics, mids) = ("BUNDLE".to_owned(), vec![mid.to_owned()]);
            attributes.push(Attribute::Group(Group { semantics, mids }));
        }
        if !ice_options.is_empty() {
            attributes.push(Attribute::IceOptions(ice_options.join(" ")));
        }
        Description {
            origin: Origin {
                username: "-".to_owned(),
                session_id: self.session_id.to_string(),
                version: self.version,
                address_type: "IP4".to_owned(),
                address: "0.0.0.0".to_owned(),
            },
            name: "-".to_owned(),
            lines: vec![TextLine('t', "0 0".to_owned())],
            attributes,
            media: Vec::new(),
        }
    }

    /// An audio section without attributes, its destination that of the first usable candidate.
    pub(super) fn section(&self, protocol: &str, formats: &[Format]) -> Media {
        let destination = self.candidates.iter().find_map(|candidate| match candidate {
            Candidate { transport: Transport::Udp, address: Address::Ip(ip), port, .. } => {
                Some((*ip, *port))
            }
            _ => None,
        });
        let (connection, port) = match destination {
            Some((IpAddr::V4(ip), port)) => (format!("IN IP4 {ip}"), port),
            Some((IpAddr::V6(ip), port)) => (format!("IN IP6 {ip}"), port),
            // RFC 8840 section 4.1.1: candidates may come later, and a name is no destination.
            None => (NOWHERE.to_owned(), 9),
        };
        Media {
            kind: "audio".to_owned(),
            port,
            ports: None,
            protocol: protocol.to_owned(),
            formats: formats.iter().map(|format| format.map.payload_type.to_string()).collect(),
            lines: vec![TextLine('c', connection)],
            attributes: Vec::new(),
        }
    }

    /// Who sends in this section, if anybody. A stream once named keeps its name while it is silent
    /// (RFC 9429 section 5.2.2).
    pub(super) fn source_lines(&self, direction: Direction, named_before: bool) -> Vec<Attribute> {
        let source = |name: &str, value: String| {
            let (ssrc, name) = (self.ssrc, name.to_owned());
            Attribute::Ssrc(SourceAttribute { ssrc, name, value: Some(value) })
        };
        let mut lines = vec![Attribute::Direction(direction)];
        let named = direction.sends() || named_before;
        lines.extend(named.then(|| Attribute::Msid(self.msid.clone())));
        lines.push(source("cname", self.cname.clone()));
        lines.extend(named.then(|| source("msid", self.msid.to_string())));
        lines
    }

    /// How to reach us, and how to know that it is us.
    pub(super) fn transport_lines(&self, setup: Setup) -> Vec<Attribute> {
        let mut lines = vec![
            Attribute::IceUfrag(self.ice_ufrag.clone()),
            Attribute::IcePwd(self.ice_pwd.clone()),
        ];
        lines.extend(self.fingerprints.iter().cloned().map(Attribute::Fingerprint));
        lines.push(Attribute::Setup(setup));
        lines.extend(self.candidates.iter().cloned().map(Attribute::Candidate));
        lines.extend(self.end_of_candidates.then_some(Attribute::EndOfCandidates));
        lines
    }
}

/// What the payload types mean.
pub(super) fn format_lines(formats: Vec<Format>) -> Vec<Attribute> {
    let mut lines = Vec::new();
    for Format { map, fmtp, feedback } in formats {
        let payload_type = map.payload_type;
        lines.push(Attribute::RtpMap(map));
        if !fmtp.is_empty() {
            let format = payload_type.to_string();
            lines.push(Attribute::Fmtp(Fmtp { format, parameters: fmtp }));
        }
        lines.extend(feedback.into_iter().map(|feedback| {
            Attribute::RtcpFeedback(RtcpFeedback { payload_type: Some(payload_type), feedback })
        }));
    }
    lines
}

/// Which header extension has which number.
pub(super) fn extension_lines(capabilities: &Capabilities, ids: &ExtensionIds) -> Vec<Attribute> {
    let line = |extension: super::agreement::HeaderExtension| {
        let id = ids.of(extension)?;
        let uri = extension.uri().to_owned();
        Some(Attribute::ExtMap(ExtMap { id: id.into(), direction: None, uri }))
    };
    capabilities.extensions.iter().copied().filter_map(line).collect()
}

/// A section that we don't take: in its place, port 0, its name kept (RFC 3264 section 6).
pub(super) fn refused(offered: &Media) -> Media {
    let mid = offered.mid().map(|mid| Attribute::Mid(mid.to_owned()));
    Media {
        kind: offered.kind.clone(),
        port: 0,
        ports: None,
        protocol: offered.protocol.clone(),
        formats: offered.formats.clone(),
        lines: vec![TextLine('c', NOWHERE.to_owned())],
        attributes: mid.into_iter().chain([Attribute::Direction(Direction::Inactive)]).collect(),
    }
}

/// Keys 0 to 9, `*`, `#` and A to D.
pub(super) const TELEPHONE_EVENTS: &str = "0-15";

/// The line that names telephone events of a clock rate.
pub(super) fn telephone_event_map(payload_type: u8, clock_rate: u32) -> RtpMap {
    RtpMap { payload_type, name: TELEPHONE_EVENT.to_owned(), clock_rate, channels: 1 }
}

/// Its name in `a=rtpmap`.
pub(super) const TELEPHONE_EVENT: &str = "telephone-event";

/// The destination of what has none.
const NOWHERE: &str = "IN IP4 0.0.0.0";
