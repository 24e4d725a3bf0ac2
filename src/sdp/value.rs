//! What stands behind the colon: direction, setup, fingerprint, group, msid, ssrc.
//!
//! Each is read from and written as the value of the `a=` line that bears its name; `attribute.rs` has the
//! table of those names.

use std::fmt;
use std::str::FromStr;

use super::codec;
use super::lex::Reason;

/// Which way media flows, seen by the writer of the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Both ways; also when no line says anything (RFC 8866 section 6.7).
    #[default]
    SendRecv,
    /// The writer sends only.
    SendOnly,
    /// The writer receives only.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// Reads `sendrecv` and so on.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.name() == text)
    }

    /// Whether the writer sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the writer receives.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flow seen from the other end.
    pub fn reversed(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            both_or_none => both_or_none,
        }
    }

    /// What both allow; `self` and `other` are of one end.
    pub fn intersection(self, other: Self) -> Self {
        let sends = self.sends() && other.sends();
        let receives = self.receives() && other.receives();
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `b=`: the most that may be sent to the writer, in bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bandwidth {
    /// `AS`: with all headers, those of IP too (RFC 8866 section 5.8).
    ApplicationSpecific(u32),
    /// `TIAS`: without the headers of IP and UDP (RFC 3890).
    TransportIndependent(u32),
}

impl FromStr for Bandwidth {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, value) = text.split_once(':').ok_or(())?;
        let value: u32 = value.trim().parse().map_err(|_| ())?;
        match kind {
            "AS" => Ok(Self::ApplicationSpecific(value.saturating_mul(1_000))),
            "TIAS" => Ok(Self::TransportIndependent(value)),
            _ => Err(()),
        }
    }
}

/// Who starts the DTLS handshake (RFC 4145 section 4, RFC 5763 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setup {
    /// The writer: it is the DTLS client.
    Active,
    /// The other side.
    Passive,
    /// The answerer chooses.
    ActPass,
    /// Nobody for now; never written by us.
    HoldConn,
}

impl Setup {
    pub(super) fn parse(text: &str) -> Result<Self, Reason> {
        [Self::Active, Self::Passive, Self::ActPass, Self::HoldConn]
            .into_iter()
            .find(|setup| setup.name() == text)
            .ok_or(Reason::Invalid("setup is active, passive, actpass or holdconn"))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The hash of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Such as `sha-256`; compared without case.
    pub algorithm: String,
    /// The hash itself.
    pub bytes: Vec<u8>,
}

/// (algorithm, bytes of its hash)
const HASHES: &[(&str, usize)] = &[
    ("sha-1", 20),
    ("sha-224", 28),
    ("sha-256", 32),
    ("sha-384", 48),
    ("sha-512", 64),
    ("md5", 16),
];

impl Fingerprint {
    pub(super) fn parse(text: &str) -> Result<Self, Reason> {
        let rule = Reason::Invalid("fingerprint is `algorithm AB:CD:…`, two hex digits a byte");
        let (algorithm, hash) = text.split_once(' ').ok_or(rule)?;
        let byte = |hex: &str| {
            let is_hex = hex.len() == 2 && hex.bytes().all(|c| c.is_ascii_hexdigit());
            is_hex.then(|| u8::from_str_radix(hex, 16).ok()).flatten().ok_or(rule)
        };
        let bytes = hash.split(':').map(byte).collect::<Result<Vec<_>, _>>()?;
        match HASHES.iter().find(|(name, _)| name.eq_ignore_ascii_case(algorithm)) {
            Some((_, length)) if *length != bytes.len() => {
                Err(Reason::Invalid("the fingerprint's length is not that of its algorithm"))
            }
            _ => Ok(Self { algorithm: algorithm.to_owned(), bytes }),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.algorithm)?;
        let mut separator = ' ';
        for byte in &self.bytes {
            write!(f, "{separator}{byte:02X}")?;
            separator = ':';
        }
        Ok(())
    }
}

/// `a=group:BUNDLE 0 1`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `BUNDLE` or `LS`.
    pub semantics: String,
    /// Its sections.
    pub mids: Vec<String>,
}

impl Group {
    pub(super) fn parse(text: &str) -> Self {
        let mut words = text.split_ascii_whitespace().map(str::to_owned);
        Self { semantics: words.next().unwrap_or_default(), mids: words.collect() }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.semantics)?;
        self.mids.iter().try_for_each(|mid| write!(f, " {mid}"))
    }
}

/// `a=msid:stream track`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msid {
    /// The stream; `-` for none.
    pub stream: String,
    /// The track.
    pub track: Option<String>,
}

impl Msid {
    pub(super) fn parse(text: &str) -> Self {
        let (stream, track) =
            text.split_once(' ').map_or((text, None), |(stream, track)| (stream, Some(track)));
        Self { stream: stream.to_owned(), track: track.map(str::to_owned) }
    }
}

impl fmt::Display for Msid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stream)?;
        self.track.iter().try_for_each(|track| write!(f, " {track}"))
    }
}

/// `a=ssrc:1819351029 cname:bfL4`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceAttribute {
    /// Whose attribute this is.
    pub ssrc: u32,
    /// Such as `cname`; unknown ones are ignored.
    pub name: String,
    /// What follows the second colon.
    pub value: Option<String>,
}

impl SourceAttribute {
    pub(super) fn parse(text: &str) -> Result<Self, Reason> {
        let (ssrc, attribute) = text.split_once(' ').unwrap_or((text, ""));
        let ssrc = codec::digits(ssrc).ok_or(Reason::Invalid("ssrc is `number attribute`"))?;
        let (name, value) = attribute
            .split_once(':')
            .map_or((attribute, None), |(name, value)| (name, Some(value.to_owned())));
        Ok(Self { ssrc, name: name.to_owned(), value })
    }
}

impl fmt::Display for SourceAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.ssrc, self.name)?;
        self.value.iter().try_for_each(|value| write!(f, ":{value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_has_the_length_of_its_hash() {
        let lower = "sha-1 4a:ad:b9:b1:3f:82:18:3b:54:02:12:df:3e:5d:49:6b:19:e5:7c:ab";
        let fingerprint = Fingerprint::parse(lower).unwrap();
        assert_eq!(fingerprint.bytes[..2], [0x4a, 0xad]);
        assert!(fingerprint.to_string().starts_with("sha-1 4A:AD:B9"), "written in upper case");
        for broken in ["sha-1 4a:ad", "sha-1", "x 4aad", "x 4a:+d", "x 4a:a", "x 4a: ad"] {
            assert!(Fingerprint::parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn directions_meet_as_rfc_3264_says() {
        // rfc3264-6.1-1: offered to us, ours when we would do both
        for (offered, answered) in [
            (Direction::SendRecv, Direction::SendRecv),
            (Direction::SendOnly, Direction::RecvOnly),
            (Direction::RecvOnly, Direction::SendOnly),
            (Direction::Inactive, Direction::Inactive),
        ] {
            assert_eq!(offered.reversed().intersection(Direction::SendRecv), answered);
        }
        let listener = Direction::SendOnly.reversed().intersection(Direction::SendOnly);
        assert_eq!(listener, Direction::Inactive, "both only want to send");
    }
}
