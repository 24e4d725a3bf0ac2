//! `a=` lines: those that an audio call uses, each a row of one table; all others kept as they are.
//!
//! ```text
//! a=rtcp-mux                a flag:  name
//! a=mid:0                   a value: name, colon, value
//! ```
//! Names compare with case, and unknown ones are ignored, which here means: kept in their place and
//! written back (RFC 8866 section 5.13). A known one that doesn't parse refuses the whole description
//! (RFC 9429 section 5.8), for a description half understood is worse than none. Two rows forgive: a
//! broken candidate is only a way less (one stands in an example of RFC 8839), and `a=rtcp` and `ptime`
//! say nothing that we couldn't do without.
//!
//! Read next: `session.rs`, which puts the lines into sections.

use std::fmt;

use super::candidate::Candidate;
use super::codec::{self, ExtMap, Fmtp, RtcpFeedback, RtpMap};
use super::lex::Reason;
use super::value::{Direction, Fingerprint, Group, Msid, Setup, SourceAttribute};

/// One `a=` line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "a variant is the attribute of that name; see the table below")]
pub enum Attribute {
    Group(Group),
    Mid(String),
    BundleOnly,
    Direction(Direction),
    RtpMap(RtpMap),
    Fmtp(Fmtp),
    RtcpFeedback(RtcpFeedback),
    Ptime(u32),
    MaxPtime(u32),
    ExtMap(ExtMap),
    RtcpMux,
    RtcpMuxOnly,
    RtcpRsize,
    Rtcp(u16),
    IceUfrag(String),
    IcePwd(String),
    IceOptions(String),
    IceLite,
    Candidate(Candidate),
    EndOfCandidates,
    Fingerprint(Fingerprint),
    Setup(Setup),
    Msid(Msid),
    Ssrc(SourceAttribute),
    /// Any other, with what follows the colon.
    Other(String, Option<String>),
}

/// A row: the name on the wire, where it comes from, and how to read what follows the colon.
struct Row {
    name: &'static str,
    read: Read,
    malformed: Malformed,
    source: &'static str,
}

enum Read {
    Flag(fn() -> Attribute),
    Value(fn(&str) -> Result<Attribute, Reason>),
}

/// What a line that doesn't parse does to the description.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Malformed {
    RefusesAll,
    IsIgnored,
}

const fn row(name: &'static str, read: Read, source: &'static str) -> Row {
    Row { name, read, malformed: Malformed::RefusesAll, source }
}

const fn lenient_row(name: &'static str, read: Read, source: &'static str) -> Row {
    Row { name, read, malformed: Malformed::IsIgnored, source }
}

use Read::{Flag, Value};

/// Sorted by how often they come.
const TABLE: &[Row] = &[
    row("rtpmap", Value(|v| RtpMap::parse(v).map(Attribute::RtpMap)), "RFC 8866 6.6"),
    row("rtcp-fb", Value(|v| RtcpFeedback::parse(v).map(Attribute::RtcpFeedback)), "RFC 4585 4.2"),
    row("fmtp", Value(fmtp), "RFC 8866 6.15"),
    row("extmap", Value(|v| ExtMap::parse(v).map(Attribute::ExtMap)), "RFC 8285 5"),
    lenient_row("candidate", Value(|v| v.parse().map(Attribute::Candidate)), "RFC 8839 5.1"),
    row("ssrc", Value(|v| SourceAttribute::parse(v).map(Attribute::Ssrc)), "RFC 5576 4.1"),
    row("group", Value(|v| Ok(Attribute::Group(Group::parse(v)))), "RFC 5888 5"),
    row("mid", Value(|v| token(v).map(Attribute::Mid)), "RFC 5888 4"),
    row("msid", Value(|v| Ok(Attribute::Msid(Msid::parse(v)))), "RFC 8830 2"),
    row("sendrecv", Flag(|| Attribute::Direction(Direction::SendRecv)), "RFC 8866 6.7"),
    row("sendonly", Flag(|| Attribute::Direction(Direction::SendOnly)), "RFC 8866 6.7"),
    row("recvonly", Flag(|| Attribute::Direction(Direction::RecvOnly)), "RFC 8866 6.7"),
    row("inactive", Flag(|| Attribute::Direction(Direction::Inactive)), "RFC 8866 6.7"),
    row("rtcp-mux", Flag(|| Attribute::RtcpMux), "RFC 5761 5.1.1"),
    row("rtcp-mux-only", Flag(|| Attribute::RtcpMuxOnly), "RFC 8858 3"),
    row("rtcp-rsize", Flag(|| Attribute::RtcpRsize), "RFC 5506 5"),
    lenient_row("rtcp", Value(rtcp_port), "RFC 3605 2.1"),
    row("ice-ufrag", Value(|v| secret(v, 4).map(Attribute::IceUfrag)), "RFC 8839 5.4"),
    row("ice-pwd", Value(|v| secret(v, 22).map(Attribute::IcePwd)), "RFC 8839 5.4"),
    row("ice-options", Value(|v| Ok(Attribute::IceOptions(v.to_owned()))), "RFC 8839 5.6"),
    row("ice-lite", Flag(|| Attribute::IceLite), "RFC 8839 5.3"),
    row("end-of-candidates", Flag(|| Attribute::EndOfCandidates), "RFC 8840 8.2"),
    row("fingerprint", Value(|v| Fingerprint::parse(v).map(Attribute::Fingerprint)), "RFC 8122 5"),
    row("setup", Value(|v| Setup::parse(v).map(Attribute::Setup)), "RFC 4145 4"),
    row("bundle-only", Flag(|| Attribute::BundleOnly), "RFC 8843 6"),
    lenient_row("ptime", Value(|v| milliseconds(v).map(Attribute::Ptime)), "RFC 8866 6.4"),
    lenient_row("maxptime", Value(|v| milliseconds(v).map(Attribute::MaxPtime)), "RFC 8866 6.5"),
];

impl Attribute {
    /// The RFC and section that define an attribute, if it is one of the table.
    pub fn defined_in(name: &str) -> Option<&'static str> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.source)
    }

    /// Reads what follows `a=`.
    ///
    /// # Errors
    /// The rule that the value of a known attribute breaks.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let (name, value) =
            text.split_once(':').map_or((text, None), |(name, value)| (name, Some(value)));
        let row = TABLE.iter().find(|row| row.name == name);
        let read = match (row.map(|row| (&row.read, row.malformed)), value) {
            (Some((Read::Flag(read), _)), None) => return Ok(read()),
            (Some((Read::Value(read), malformed)), Some(value)) => Some((read(value), malformed)),
            (Some((Read::Value(_), malformed)), None) => {
                Some((Err(Reason::Invalid("this attribute needs a value")), malformed))
            }
            _ => None,
        };
        match read {
            Some((Ok(attribute), _)) => Ok(attribute),
            Some((Err(reason), Malformed::RefusesAll)) => Err(reason),
            _ => Ok(Self::Other(name.to_owned(), value.map(str::to_owned))),
        }
    }
}

/// Writes what follows `a=`.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => write!(f, "group:{group}"),
            Self::Mid(mid) => write!(f, "mid:{mid}"),
            Self::BundleOnly => f.write_str("bundle-only"),
            Self::Direction(direction) => direction.fmt(f),
            Self::RtpMap(map) => write!(f, "rtpmap:{map}"),
            Self::Fmtp(fmtp) => write!(f, "fmtp:{} {}", fmtp.format, fmtp.parameters),
            Self::RtcpFeedback(feedback) => write!(f, "rtcp-fb:{feedback}"),
            Self::Ptime(ms) => write!(f, "ptime:{ms}"),
            Self::MaxPtime(ms) => write!(f, "maxptime:{ms}"),
            Self::ExtMap(map) => write!(f, "extmap:{map}"),
            Self::RtcpMux => f.write_str("rtcp-mux"),
            Self::RtcpMuxOnly => f.write_str("rtcp-mux-only"),
            Self::RtcpRsize => f.write_str("rtcp-rsize"),
            Self::Rtcp(port) => write!(f, "rtcp:{port}"),
            Self::IceUfrag(ufrag) => write!(f, "ice-ufrag:{ufrag}"),
            Self::IcePwd(pwd) => write!(f, "ice-pwd:{pwd}"),
            Self::IceOptions(options) => write!(f, "ice-options:{options}"),
            Self::IceLite => f.write_str("ice-lite"),
            Self::Candidate(candidate) => write!(f, "candidate:{candidate}"),
            Self::EndOfCandidates => f.write_str("end-of-candidates"),
            Self::Fingerprint(fingerprint) => write!(f, "fingerprint:{fingerprint}"),
            Self::Setup(setup) => write!(f, "setup:{setup}"),
            Self::Msid(msid) => write!(f, "msid:{msid}"),
            Self::Ssrc(source) => write!(f, "ssrc:{source}"),
            Self::Other(name, Some(value)) => write!(f, "{name}:{value}"),
            Self::Other(name, None) => f.write_str(name),
        }
    }
}

fn fmtp(value: &str) -> Result<Attribute, Reason> {
    let (format, parameters) = value.split_once(' ').unwrap_or((value, ""));
    Ok(Attribute::Fmtp(Fmtp { format: format.to_owned(), parameters: parameters.to_owned() }))
}

/// The address that may follow means nothing where ICE is in use.
fn rtcp_port(value: &str) -> Result<Attribute, Reason> {
    let port = value.split(' ').next().and_then(codec::digits);
    port.map(Attribute::Rtcp).ok_or(Reason::Invalid("rtcp is a port"))
}

fn milliseconds(value: &str) -> Result<u32, Reason> {
    codec::digits(value)
        .filter(|ms| *ms > 0)
        .ok_or(Reason::Invalid("a packet's length is a whole number of milliseconds"))
}

fn token(value: &str) -> Result<String, Reason> {
    let word = !value.is_empty() && !value.contains(' ');
    word.then(|| value.to_owned()).ok_or(Reason::Invalid("mid is one word"))
}

/// ICE's ufrag and password: at most 256 characters. More are seen than RFC 8839's ice-char allows.
fn secret(value: &str, shortest: usize) -> Result<String, Reason> {
    if !(shortest..=256).contains(&value.len()) {
        return Err(Reason::Invalid("ice-ufrag has 4 to 256 characters, ice-pwd 22 to 256"));
    }
    let printable = value.bytes().all(|c| c.is_ascii_graphic());
    printable
        .then(|| value.to_owned())
        .ok_or(Reason::Invalid("ice-ufrag and ice-pwd are letters, digits, + and /"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_written_as_it_is_read() {
        for text in [
            "group:BUNDLE 0 1",
            "mid:audio",
            "bundle-only",
            "recvonly",
            "rtpmap:111 opus/48000/2",
            "fmtp:63 111/111",
            "rtcp-fb:* nack pli",
            "ptime:20",
            "maxptime:60",
            "extmap:4 urn:a",
            "rtcp-mux",
            "rtcp-mux-only",
            "rtcp-rsize",
            "rtcp:9",
            "ice-ufrag:RVV7",
            "ice-pwd:lUmMX7W9Z5AthnqQUbMzk+kX",
            "ice-options:trickle ice2",
            "ice-lite",
            "candidate:1 1 udp 1 192.0.2.1 9 typ host generation 0",
            "end-of-candidates",
            "setup:actpass",
            "msid:{a} {b}",
            "ssrc:1 cname:a:b",
        ] {
            let attribute = Attribute::parse(text).unwrap();
            assert!(!matches!(attribute, Attribute::Other(..)), "{text} has a row");
            assert_eq!(attribute.to_string(), text);
        }
        assert_eq!(Attribute::defined_in("mid"), Some("RFC 5888 4"));
    }

    #[test]
    fn unknown_names_are_kept_and_names_compare_with_case() {
        // rfc8866-5.13-1
        for text in ["x-new", "msid-semantic: WMS", "MID:0", "rtcp-mux:1", "x:"] {
            let attribute = Attribute::parse(text).unwrap();
            assert!(matches!(attribute, Attribute::Other(..)), "{text}");
            assert_eq!(attribute.to_string(), text);
        }
    }

    #[test]
    fn a_known_attribute_that_does_not_parse_is_an_error() {
        // rfc8829-5.8-1, rfc4145-4-1
        for text in ["setup:bogus", "mid:", "mid", "ice-ufrag:abc", "ice-pwd:123456789012345678901"]
        {
            assert!(Attribute::parse(text).is_err(), "{text}");
        }
        let long = format!("ice-ufrag:{}", "x".repeat(257));
        assert!(Attribute::parse(&long).is_err());
    }

    #[test]
    fn a_broken_candidate_is_only_a_way_less() {
        let line = "candidate:2 1 UDP 1694498815 2001:db8::1";
        let attribute = Attribute::parse(line).unwrap();
        assert!(matches!(attribute, Attribute::Other(..)));
        assert_eq!(attribute.to_string(), line);
    }
}
