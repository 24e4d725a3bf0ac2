//! What a person writes behind `halloo call`: a URL, a host, or a keyword.
//!
//! ```text
//! self                      two peers in this process
//! tab                       the browser tab that opens our page
//! paste                     whoever gets the line that we print
//! https://host:port/path    a WHIP endpoint; the path defaults to /whip
//! http://host:port/path     the same, unencrypted
//! name                      whoever announces it on this network, else the host of that name
//! host:port                 https, then http, on that port
//! host                      https on port 8443 (`listen --lan`), then http on port 8080 (`listen`)
//! ```
//! The second of two ways is taken only where nobody takes the first (see `http_client/routes.rs`).
//!
//! Comes from `cli::call`; [`Routes`] go to [`super::http_client`].

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use hyper::Uri;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};

/// Whom to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `self`.
    Myself,
    /// `tab`.
    Tab,
    /// `paste`.
    Paste,
    /// Somebody behind HTTP.
    Routes(Routes),
    /// A bare word.
    Named(Named),
}

/// A name of the local network or of the DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// As it was written.
    pub name: String,
    /// The ways to the host of that name; none if no host can be called so.
    pub routes: Option<Routes>,
}

/// The ways to one host, the best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    /// The one to try.
    pub first: Endpoint,
    /// An unencrypted one, where nobody takes the first; a URL has none.
    pub otherwise: Option<Endpoint>,
}

/// A WHIP endpoint: an `http` or `https` URL with host, port and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Uri);

/// The text is no target; shows the part that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither URL nor host.
    #[error("{0:?} is neither a URL nor a host")]
    Malformed(String),
    /// Port 0 or above 65535, or no number.
    #[error("{0:?} is no port")]
    Port(String),
    /// `ftp:` and the like.
    #[error("{0:?} is no scheme to call by; https and http are")]
    Scheme(String),
    /// `user:password@host`.
    #[error("{0:?} bears a user name, which this build can't send")]
    User(String),
}

impl Endpoint {
    /// An endpoint at this URL.
    ///
    /// # Errors
    /// It is neither `http` nor `https`, or has no usable host and port.
    pub fn from_uri(uri: &Uri) -> Result<Self, TargetError> {
        let shown = || uri.to_string();
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::HTTP,
            Some("https") => Scheme::HTTPS,
            Some(other) => return Err(TargetError::Scheme(other.to_owned())),
            None => return Err(TargetError::Malformed(shown())),
        };
        let authority = uri.authority().ok_or_else(|| TargetError::Malformed(shown()))?;
        if authority.as_str().contains('@') {
            return Err(TargetError::User(authority.to_string()));
        }
        if authority.host().is_empty() {
            return Err(TargetError::Malformed(shown()));
        }
        if authority.port_u16() == Some(0) || has_bad_port(authority) {
            return Err(TargetError::Port(authority.to_string()));
        }
        let path = match uri.path_and_query() {
            None => PathAndQuery::from_static("/whip"),
            Some(path) if path.as_str() == "/" => PathAndQuery::from_static("/whip"),
            Some(path) => path.clone(),
        };
        Uri::builder()
            .scheme(scheme)
            .authority(authority.clone())
            .path_and_query(path)
            .build()
            .map(Self)
            .map_err(|_| TargetError::Malformed(shown()))
    }

    /// The URL.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether it is `https`.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTPS)
    }

    /// The host without brackets, and the port: what the resolver takes.
    #[must_use]
    pub fn host_and_port(&self) -> (&str, u16) {
        let host = self.0.host().unwrap_or_default();
        let port = if self.is_encrypted() { 443 } else { 80 };
        (host.trim_start_matches('[').trim_end_matches(']'), self.0.port_u16().unwrap_or(port))
    }

    /// Host and port, always both, in the one way to write them.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.0.host().unwrap_or_default().to_ascii_lowercase();
        format!("{host}:{}", self.host_and_port().1)
    }
}

impl From<Endpoint> for Routes {
    fn from(first: Endpoint) -> Self {
        Self { first, otherwise: None }
    }
}

/// What a person wrote is shown when it says which way; else only the host.
impl fmt::Display for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.otherwise, self.first.host_and_port()) {
            (None, _) => self.first.fmt(f),
            (Some(_), (_, port)) if port != TLS_PORT => f.write_str(&self.first.authority()),
            (Some(_), _) => f.write_str(self.first.uri().host().unwrap_or_default()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let malformed = || TargetError::Malformed(text.to_owned());
        match text {
            "self" => return Ok(Self::Myself),
            "tab" => return Ok(Self::Tab),
            "paste" => return Ok(Self::Paste),
            _ => {}
        }
        if text.contains("://") {
            let uri = text.parse::<Uri>().map_err(|_| malformed())?;
            return Endpoint::from_uri(&uri).map(|endpoint| Self::Routes(endpoint.into()));
        }
        if text.trim().is_empty() || text.contains(['/', '?', '#']) {
            return Err(malformed());
        }
        if text.contains(' ') && !text.contains(':') {
            return Ok(Self::Named(Named { name: text.to_owned(), routes: None }));
        }
        let (host, port) = split_port(text)?;
        let endpoint = |scheme, default| {
            let port = port.unwrap_or(default);
            let uri = format!("{scheme}://{host}:{port}/whip").parse().map_err(|_| malformed())?;
            Endpoint::from_uri(&uri)
        };
        let first = endpoint("https", TLS_PORT)?;
        let otherwise = Some(endpoint("http", CLEAR_PORT)?);
        let routes = Routes { first, otherwise };
        let is_address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
        if port.is_some() || is_address || host == "localhost" {
            return Ok(Self::Routes(routes));
        }
        Ok(Self::Named(Named { name: host, routes: Some(routes) }))
    }
}

/// Where `listen --lan` is.
const TLS_PORT: u16 = 8443;
/// Where `listen` is.
const CLEAR_PORT: u16 = 8080;

/// A host, in brackets if it is IPv6, and the port if there is one.
fn split_port(text: &str) -> Result<(String, Option<u16>), TargetError> {
    // An IPv6 address is often written without the brackets that a URL needs.
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok((format!("[{text}]"), None));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.ends_with(']') => {
            let port = port.parse().ok().filter(|port| *port != 0);
            port.map_or_else(
                || Err(TargetError::Port(text.to_owned())),
                |port| Ok((host.to_owned(), Some(port))),
            )
        }
        Some(("", _)) => Err(TargetError::Malformed(text.to_owned())),
        _ => Ok((text.to_owned(), None)),
    }
}

/// `http::uri` takes any digits behind the colon, and none.
fn has_bad_port(authority: &Authority) -> bool {
    let text = authority.as_str();
    text.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'))
        && authority.port_u16().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes_of(text: &str) -> Routes {
        match text.parse::<Target>() {
            Ok(Target::Routes(routes)) => routes,
            Ok(Target::Named(Named { routes: Some(routes), .. })) => routes,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_bare_word_may_be_a_name_of_this_network() {
        for text in ["anna", "a.example", "Anna's laptop"] {
            let Ok(Target::Named(named)) = text.parse::<Target>() else { panic!("{text}") };
            assert_eq!((named.name.as_str(), named.routes.is_none()), (text, text.contains(' ')));
        }
        for text in ["anna:8080", "localhost", "192.0.2.7", "::1", "[::1]", "https://anna"] {
            assert!(matches!(text.parse(), Ok(Target::Routes(_))), "{text}");
        }
    }

    #[test]
    fn urls_have_one_way_and_hosts_have_two() {
        for (text, first, otherwise) in [
            ("http://a.example", "http://a.example/whip", ""),
            ("http://a.example/", "http://a.example/whip", ""),
            ("HTTP://a.example:81/in/1?x=2", "http://a.example:81/in/1?x=2", ""),
            ("http://[::1]:81", "http://[::1]:81/whip", ""),
            ("https://a.example", "https://a.example/whip", ""),
            ("HTTPS://a.example:81/in", "https://a.example:81/in", ""),
            ("a.example", "https://a.example:8443/whip", "http://a.example:8080/whip"),
            ("a.example:81", "https://a.example:81/whip", "http://a.example:81/whip"),
            ("127.0.0.1:81", "https://127.0.0.1:81/whip", "http://127.0.0.1:81/whip"),
            ("[::1]:81", "https://[::1]:81/whip", "http://[::1]:81/whip"),
            ("[::1]", "https://[::1]:8443/whip", "http://[::1]:8080/whip"),
            ("::1", "https://[::1]:8443/whip", "http://[::1]:8080/whip"),
        ] {
            let routes = routes_of(text);
            assert_eq!(routes.first.to_string(), first, "{text}");
            let second = routes.otherwise.map(|endpoint| endpoint.to_string()).unwrap_or_default();
            assert_eq!(second, otherwise, "{text}");
        }
        assert_eq!("self".parse(), Ok(Target::Myself));
        assert_eq!("paste".parse(), Ok(Target::Paste));
        assert_eq!("tab".parse(), Ok(Target::Tab));
    }

    #[test]
    fn an_endpoint_has_one_name_for_its_host_and_port() {
        for (text, host, port, authority) in [
            ("[::1]:81", "::1", 81, "[::1]:81"),
            ("https://A.example", "A.example", 443, "a.example:443"),
            ("http://a.example/x", "a.example", 80, "a.example:80"),
            ("a.example", "a.example", 8443, "a.example:8443"),
        ] {
            let routes = routes_of(text);
            assert_eq!(routes.first.host_and_port(), (host, port), "{text}");
            assert_eq!(routes.first.authority(), authority, "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_shown() {
        for text in [
            "",
            " ",
            "host:",
            "host:0",
            "host:65536",
            "host:abc",
            ":80",
            "a/b",
            "http://",
            "http:///x",
            "http://a:0",
            "http://a:99999",
            "http://a:",
            "https://a:",
            "https://",
            "ftp://a.example",
            "http://me@a.example",
            "http://a b/",
        ] {
            let Err(error) = text.parse::<Target>() else { panic!("{text:?} was taken") };
            assert!(!error.to_string().is_empty());
        }
    }
}
