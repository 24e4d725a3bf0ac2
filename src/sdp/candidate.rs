//! `a=candidate`: one address where a peer may be reached, as text (RFC 8839 section 5.1).
//!
//! ```text
//! candidate:1 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 10.0.1.1 rport 8998 generation 0
//!           | |  |      |          |      |        |     '----- related -----' '-extensions-'
//!           | |  |      |          |      port     kind
//!           | |  |      |          address, or a name such as `….local`
//!           | |  |      priority
//!           | |  transport
//!           | component: 1 RTP (and RTCP when multiplexed), 2 RTCP
//!           foundation
//! ```
//! This is only the text; what a candidate means is the matter of `ice`. A transport, kind or extension
//! that nobody knows is kept, so that an agent can skip the line and a writer can repeat it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::lex::Reason;

/// A candidate as it stands in SDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Alike for candidates of one kind, base and server.
    pub foundation: String,
    /// 1 for RTP, 2 for RTCP.
    pub component: u16,
    /// What carries the packets.
    pub transport: Transport,
    /// The higher, the better: 1 to 2^31 - 1.
    pub priority: u32,
    /// Where.
    pub address: Address,
    /// 9 for active TCP, which has none.
    pub port: u16,
    /// How it was found.
    pub kind: Kind,
    /// `raddr` and `rport`: the base of a reflexive, or what a relay saw.
    pub related: Option<(Address, u16)>,
    /// The rest: pairs of name and value, separated by spaces, in their order.
    pub extensions: String,
}

impl Candidate {
    /// The value of an extension such as `generation`, `ufrag` or `network-cost`.
    pub fn extension(&self, name: &str) -> Option<&str> {
        let mut words = self.extensions.split(' ');
        while let (Some(found), Some(value)) = (words.next(), words.next()) {
            if found == name {
                return Some(value);
            }
        }
        None
    }
}

/// What carries a candidate's packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP, with its `tcptype` (RFC 6544).
    Tcp(TcpType),
    /// Something else: such a candidate is of no use to us, but no error.
    Other(String),
}

/// Who opens a TCP candidate's connection (RFC 6544 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpType {
    /// The candidate's owner.
    Active,
    /// The other side.
    Passive,
    /// Both at once.
    SimultaneousOpen,
}

/// How a candidate was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An own interface.
    Host,
    /// A STUN server saw it.
    ServerReflexive,
    /// A peer's check showed it.
    PeerReflexive,
    /// A TURN server lent it.
    Relayed,
    /// Something else: of no use to us, but no error.
    Other(String),
}

/// An address, or a name that has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// IPv4 or IPv6.
    Ip(IpAddr),
    /// A DNS or `.local` name.
    Name(String),
}

/// Reads the attribute's value, with or without `candidate:` in front.
impl FromStr for Candidate {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let mut words = text.strip_prefix("candidate:").unwrap_or(text).split(' ');
        let mut word =
            |rule| words.next().filter(|word| !word.is_empty()).ok_or(Reason::Invalid(rule));

        let foundation = word("a candidate starts with its foundation")?;
        let foundation = is_foundation(foundation)
            .then(|| foundation.to_owned())
            .ok_or(Reason::Invalid("a foundation has 1 to 32 letters, digits, + or /"))?;
        let component = number(word("a candidate needs a component")?, 1..=256)
            .ok_or(Reason::Invalid("a component is a number from 1 to 256"))?;
        let transport = word("a candidate needs a transport")?;
        let priority = number(word("a candidate needs a priority")?, 1..=0x7fff_ffff)
            .ok_or(Reason::Invalid("a priority is a number from 1 to 2147483647"))?;
        let address = Address::from(word("a candidate needs an address")?);
        let port = number(word("a candidate needs a port")?, 0..=65535)
            .ok_or(Reason::Invalid("a port is a number up to 65535"))?;
        if word("a candidate needs `typ`")? != "typ" {
            return Err(Reason::Invalid("a candidate needs `typ` behind its port"));
        }
        let kind = Kind::from(word("`typ` needs a value")?);

        let mut rest = Extensions::default();
        while let Some(name) = words.next() {
            let value = words.next().ok_or(Reason::Invalid("an extension needs a value"))?;
            rest.push(name, value)?;
        }
        let transport = rest.transport(transport)?;
        let related = rest.related()?;
        let component = u16::try_from(component).unwrap_or_default();
        let port = u16::try_from(port).unwrap_or_default();
        let extensions = rest.others;
        Ok(Self {
            foundation,
            component,
            transport,
            priority,
            address,
            port,
            kind,
            related,
            extensions,
        })
    }
}

/// What follows `typ`: the pairs that have a field of their own, and the others.
#[derive(Default)]
struct Extensions<'a> {
    address: Option<&'a str>,
    port: Option<&'a str>,
    tcp_type: Option<&'a str>,
    others: String,
}

impl<'a> Extensions<'a> {
    fn push(&mut self, name: &'a str, value: &'a str) -> Result<(), Reason> {
        if name.is_empty() || value.is_empty() {
            return Err(Reason::Invalid("an extension is a name and a value"));
        }
        match name {
            "raddr" => self.address = Some(value),
            "rport" => self.port = Some(value),
            "tcptype" => self.tcp_type = Some(value),
            _ => {
                let space = if self.others.is_empty() { "" } else { " " };
                self.others.extend([space, name, " ", value]);
            }
        }
        Ok(())
    }

    fn transport(&self, name: &str) -> Result<Transport, Reason> {
        if name.eq_ignore_ascii_case("udp") {
            return Ok(Transport::Udp);
        }
        if !name.eq_ignore_ascii_case("tcp") {
            return Ok(Transport::Other(name.to_owned()));
        }
        match self.tcp_type {
            Some("active") => Ok(Transport::Tcp(TcpType::Active)),
            Some("passive") => Ok(Transport::Tcp(TcpType::Passive)),
            Some("so") => Ok(Transport::Tcp(TcpType::SimultaneousOpen)),
            _ => Err(Reason::Invalid("a TCP candidate needs tcptype active, passive or so")),
        }
    }

    /// `0.0.0.0` and port 0 are there in place of what a browser hides, and as good as any.
    fn related(&self) -> Result<Option<(Address, u16)>, Reason> {
        match (self.address, self.port) {
            (Some(address), Some(port)) => {
                let port = port.parse().map_err(|_| Reason::Invalid("rport is no port"))?;
                Ok(Some((Address::from(address), port)))
            }
            _ => Ok(None),
        }
    }
}

fn is_foundation(word: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'+' || c == b'/';
    (1..=32).contains(&word.len()) && word.bytes().all(allowed)
}

/// A decimal number without a sign.
fn number(word: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    let digits = word.bytes().all(|c| c.is_ascii_digit());
    word.parse().ok().filter(|number| digits && range.contains(number))
}

impl From<&str> for Address {
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Ip)
    }
}

impl From<&str> for Kind {
    fn from(text: &str) -> Self {
        match text {
            "host" => Self::Host,
            "srflx" => Self::ServerReflexive,
            "prflx" => Self::PeerReflexive,
            "relay" => Self::Relayed,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
            Self::Other(other) => other,
        })
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp(_) => "tcp",
            Self::Other(other) => other,
        })
    }
}

impl fmt::Display for TcpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::SimultaneousOpen => "so",
        })
    }
}

/// Writes the value, `candidate:` in front left out.
impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { foundation, component, transport, priority, address, port, kind, .. } = self;
        write!(f, "{foundation} {component} {transport} {priority} {address} {port} typ {kind}")?;
        if let Some((address, port)) = &self.related {
            write!(f, " raddr {address} rport {port}")?;
        }
        if let Transport::Tcp(tcp_type) = transport {
            write!(f, " tcptype {tcp_type}")?;
        }
        if !self.extensions.is_empty() {
            write!(f, " {}", self.extensions)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_field() {
        // rfc8839-5.1-2
        let text = "842163049 1 udp 1677729535 198.51.100.7 46154 typ srflx raddr 0.0.0.0 rport 0 \
                    generation 0 ufrag Yz9k network-cost 999";
        let candidate: Candidate = text.parse().unwrap();
        assert_eq!(candidate.foundation, "842163049");
        assert_eq!((candidate.component, candidate.priority), (1, 1_677_729_535));
        assert_eq!(candidate.related, Some((Address::from("0.0.0.0"), 0)));
        assert_eq!(candidate.extension("ufrag"), Some("Yz9k"));
        assert_eq!(candidate.extension("999"), None, "a value is no name");
        assert_eq!(candidate.to_string(), text);
    }

    #[test]
    fn a_name_in_place_of_an_address_is_kept() {
        let text = "1 1 udp 2113937151 8d2b1a2e.local 54321 typ host";
        let candidate: Candidate = text.parse().unwrap();
        assert_eq!(candidate.address, Address::Name("8d2b1a2e.local".into()));
        assert_eq!(candidate.to_string(), text);
    }

    #[test]
    fn unknown_transports_and_kinds_are_no_errors() {
        for text in ["5 1 sctp 1 192.0.2.1 9 typ host", "5 1 udp 1 192.0.2.1 9 typ anycast"] {
            assert_eq!(text.parse::<Candidate>().map(|c| c.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_sign_is_no_digit() {
        assert!("1 +1 udp 1 192.0.2.1 9 typ host".parse::<Candidate>().is_err());
        assert!("1 1 udp 1 192.0.2.1 +9 typ host".parse::<Candidate>().is_err());
    }
}
