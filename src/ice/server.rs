//! `stun:` and `turn:` URIs: which server, by what transport (RFC 7064, RFC 7065).
//!
//! ```text
//! stun:host[:3478]                            where do you see me? by UDP
//! stuns:host[:5349]                           the same by TLS
//! turn:host[:3478][?transport=udp|tcp]        pass on my packets; UDP unless it says otherwise
//! turns:host[:5349][?transport=tcp]           by TLS
//! ```
//! They are no URLs: there is no `//`, no path and no user in them; user and password of a `turn:` server are
//! given apart, so that a URI can be shown. DTLS (`turns:…?transport=udp`) is left out: what lets DTLS pass lets
//! the packets of a call pass, too.
//!
//! Comes from the command line; names are resolved by `net`. Next: `gather.rs`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A server, as a URI names it.
///
/// ```
/// use halloo::ice::{Purpose, Server, ServerTransport};
/// let server: Server = "turns:relay.example".parse()?;
/// assert_eq!((server.purpose, server.port), (Purpose::Relay, 5349));
/// assert_eq!(server.transport, ServerTransport::Tls);
/// assert_eq!(server.to_string(), "turns:relay.example:5349?transport=tcp");
/// # Ok::<(), halloo::ice::ServerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// What we want of it.
    pub purpose: Purpose,
    /// A name, or an address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How we talk to it.
    pub transport: ServerTransport,
}

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// It says where it sees us.
    Reflection,
    /// It passes packets on.
    Relay,
}

/// How we talk to a server, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerTransport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream that looks like the web's.
    Tls,
}

/// The text is no such URI; shows the part that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// Another scheme, or none.
    #[error("{0:?} begins with neither stun:, stuns:, turn: nor turns:")]
    Scheme(String),
    /// `turn://host`.
    #[error("{0:?}: after the scheme comes the host, without //")]
    Slashes(String),
    /// `turn:user@host`.
    #[error("a user name before {0:?}: give it apart (for TURN: --turn-user, --turn-password)")]
    User(String),
    /// No host, or one with impossible characters.
    #[error("{0:?} is no host name or address")]
    Host(String),
    /// No number from 1 to 65535.
    #[error("{0:?} is no port")]
    Port(String),
    /// Something behind a `?` that has no place there.
    #[error("{0:?} is not understood here")]
    Query(String),
    /// A transport that there is not, or that does not go with the scheme.
    #[error("{0:?} is no transport for {1}")]
    Transport(String, &'static str),
}

/// RFC 8489 section 18.6, RFC 8656 section 20.
const PORT: u16 = 3478;
const TLS_PORT: u16 = 5349;

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let (scheme, rest) =
            text.split_once(':').ok_or_else(|| ServerError::Scheme(text.to_owned()))?;
        let (scheme, purpose, security) = match scheme.to_ascii_lowercase().as_str() {
            "stun" => ("stun:", Purpose::Reflection, Security::None),
            "stuns" => ("stuns:", Purpose::Reflection, Security::Tls),
            "turn" => ("turn:", Purpose::Relay, Security::None),
            "turns" => ("turns:", Purpose::Relay, Security::Tls),
            _ => return Err(ServerError::Scheme(text.to_owned())),
        };
        if rest.starts_with("//") {
            return Err(ServerError::Slashes(text.to_owned()));
        }
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        if let Some((_perhaps_secret, host)) = authority.rsplit_once('@') {
            return Err(ServerError::User(format!("@{host}")));
        }
        let (host, port) = split_port(authority)?;
        let port = match (port, security) {
            (Some(port), _) => port,
            (None, Security::None) => PORT,
            (None, Security::Tls) => TLS_PORT,
        };
        let transport = transport(scheme, purpose, security, query)?;
        Ok(Self { purpose, host, port, transport })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Security {
    None,
    Tls,
}

fn transport(
    scheme: &'static str,
    purpose: Purpose,
    security: Security,
    query: Option<&str>,
) -> Result<ServerTransport, ServerError> {
    let named = match query {
        None => None,
        Some(query) if purpose == Purpose::Relay => {
            let value = query.split_once('=').filter(|(name, _)| *name == "transport");
            let (_, value) = value.ok_or_else(|| ServerError::Query(query.to_owned()))?;
            Some(value.to_ascii_lowercase())
        }
        Some(query) => return Err(ServerError::Query(query.to_owned())),
    };
    match (security, named.as_deref()) {
        (Security::None, None | Some("udp")) => Ok(ServerTransport::Udp),
        (Security::None, Some("tcp")) => Ok(ServerTransport::Tcp),
        (Security::Tls, None | Some("tcp")) => Ok(ServerTransport::Tls),
        (_, Some(other)) => Err(ServerError::Transport(other.to_owned(), scheme)),
    }
}

/// Host and port; an IPv6 address stands in brackets.
fn split_port(authority: &str) -> Result<(String, Option<u16>), ServerError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) =
                rest.split_once(']').ok_or_else(|| ServerError::Host(authority.to_owned()))?;
            host.parse::<Ipv6Addr>().map_err(|_| ServerError::Host(host.to_owned()))?;
            (host, behind)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            authority.split_at_checked(end).unwrap_or((authority, ""))
        }
    };
    let is_address = authority.starts_with('[');
    if !is_address && (host.is_empty() || host.len() > 253 || !host.chars().all(is_name_char)) {
        return Err(ServerError::Host(host.to_owned()));
    }
    let Some(digits) = port.strip_prefix(':') else {
        // Behind the brackets there is nothing, or a port.
        let nothing_else = port.is_empty();
        return nothing_else.then(|| (host.to_owned(), None)).ok_or(ServerError::Port(port.into()));
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let number = digits.parse().ok().filter(|number| is_number && *number != 0);
    number
        .map(|number| (host.to_owned(), Some(number)))
        .ok_or_else(|| ServerError::Port(digits.to_owned()))
}

/// What DNS names are made of; others would have to be encoded, and no server has such a name.
fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')
}

impl Server {
    /// The address, where the URI has one and no name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_tls = self.transport == ServerTransport::Tls;
        let scheme = match (self.purpose, is_tls) {
            (Purpose::Reflection, false) => "stun",
            (Purpose::Reflection, true) => "stuns",
            (Purpose::Relay, false) => "turn",
            (Purpose::Relay, true) => "turns",
        };
        match self.address() {
            Some(IpAddr::V6(ip)) => write!(f, "{scheme}:[{ip}]:{}", self.port)?,
            _ => write!(f, "{scheme}:{}:{}", self.host, self.port)?,
        }
        match (self.purpose, self.transport) {
            (Purpose::Reflection, _) => Ok(()),
            (Purpose::Relay, ServerTransport::Udp) => f.write_str("?transport=udp"),
            (Purpose::Relay, ServerTransport::Tcp | ServerTransport::Tls) => {
                f.write_str("?transport=tcp")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// (what is written, what it means; of those that are refused, what is shown)
    const TABLE: &[(&str, Result<&str, &str>)] = &[
        // rfc7064-3.1-1, and its appendix A
        ("stun:example.org", Ok("stun:example.org:3478")),
        ("stuns:example.org", Ok("stuns:example.org:5349")),
        ("stun:example.org:8000", Ok("stun:example.org:8000")),
        ("STUN:192.0.2.1", Ok("stun:192.0.2.1:3478")),
        ("stun:[2001:db8::1]", Ok("stun:[2001:db8::1]:3478")),
        ("stun:[2001:db8::1]:19302", Ok("stun:[2001:db8::1]:19302")),
        ("stun:example.org?transport=udp", Err("transport=udp")),
        ("stun:example.org/path", Err("example.org/path")),
        ("stun:user@example.org", Err("@example.org")),
        // RFC 7065 appendix A
        ("turn:example.org", Ok("turn:example.org:3478?transport=udp")),
        ("turns:example.org", Ok("turns:example.org:5349?transport=tcp")),
        ("turn:example.org:8000", Ok("turn:example.org:8000?transport=udp")),
        ("turn:example.org?transport=udp", Ok("turn:example.org:3478?transport=udp")),
        ("turn:example.org?transport=tcp", Ok("turn:example.org:3478?transport=tcp")),
        ("turns:example.org?transport=tcp", Ok("turns:example.org:5349?transport=tcp")),
        ("turns:example.org:443", Ok("turns:example.org:443?transport=tcp")),
        ("turn:example.org?transport=TCP", Ok("turn:example.org:3478?transport=tcp")),
        ("turns:example.org?transport=udp", Err("udp")),
        ("turn:example.org?transport=sctp", Err("sctp")),
        ("turn:example.org?ttl=5", Err("ttl=5")),
        ("turn:alice:secret@example.org", Err("@example.org")),
        // what people write instead
        ("turn://example.org", Err("without //")),
        ("example.org", Err("example.org")),
        ("example.org:3478", Err("neither stun:")),
        ("http://example.org", Err("http")),
        ("turn:", Err("\"\"")),
        ("turn::3478", Err("\"\"")),
        ("turn:exa mple.org", Err("exa mple.org")),
        ("turn:example.org:", Err("\"\"")),
        ("turn:example.org:0", Err("\"0\"")),
        ("turn:example.org:65536", Err("65536")),
        ("turn:example.org:+5", Err("+5")),
        ("turn:example.org:80:90", Err("80:90")),
        ("turn:2001:db8::1", Err("db8::1")),
        ("turn:[2001:db8::1", Err("2001:db8::1")),
        ("turn:[192.0.2.1]", Err("192.0.2.1")),
        ("turn:[2001:db8::1]x", Err("x")),
        ("", Err("\"\"")),
    ];

    #[test]
    fn each_uri_means_one_server_or_shows_what_is_wrong_with_it() {
        for (written, meant) in TABLE {
            match (written.parse::<Server>(), meant) {
                (Ok(server), Ok(meant)) => {
                    assert_eq!(server.to_string(), *meant, "{written}");
                    assert_eq!(meant.parse(), Ok(server), "{meant} means the same");
                }
                (Err(error), Err(shown)) => {
                    let error = error.to_string();
                    assert!(error.contains(shown), "{written}: {error}");
                    assert!(!error.contains("secret"), "{error}");
                }
                (read, _) => panic!("{written}: {read:?}"),
            }
        }
    }

    #[test]
    fn udp_ranks_before_tcp_and_tcp_before_tls() {
        assert!(ServerTransport::Udp < ServerTransport::Tcp);
        assert!(ServerTransport::Tcp < ServerTransport::Tls);
    }

    proptest! {
        #[test]
        fn no_text_panics(scheme in "(stun|turn)s?:", text in ".*") {
            let _ = text.parse::<Server>();
            let _ = format!("{scheme}{text}").parse::<Server>();
        }
    }
}
