//! What a person writes behind `halloo call`: a URL, a host, or a keyword.
//!
//! ```text
//! self                      two peers in this process
//! tab                       the browser tab that opens our page
//! paste                     whoever gets the line that we print
//! http://host:port/path     a WHIP endpoint; the path defaults to /whip
//! host:port                 http on that port
//! host                      http on port 8080, where `halloo listen` is
//! ```
//! Left out for now: https. A URL that asks for it is refused rather than called in the clear.
//!
//! Comes from `cli::call`; an [`Endpoint`] goes to [`super::http_client`].

use std::fmt;
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
    Endpoint(Endpoint),
}

/// A WHIP endpoint: an `http` URL with host, port and path.
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
    #[error("{0:?} is no scheme to call by; http is")]
    Scheme(String),
    /// `https:`.
    #[error("{0:?} asks for TLS, which this build can't do yet; http works")]
    Tls(String),
    /// `user:password@host`.
    #[error("{0:?} bears a user name, which this build can't send")]
    User(String),
}

impl Endpoint {
    /// An endpoint at this URL.
    ///
    /// # Errors
    /// It is not `http`, or has no usable host and port.
    pub fn from_uri(uri: &Uri) -> Result<Self, TargetError> {
        let shown = || uri.to_string();
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(TargetError::Tls(shown())),
            Some(other) => return Err(TargetError::Scheme(other.to_owned())),
            None => return Err(TargetError::Malformed(shown())),
        }
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
            .scheme(Scheme::HTTP)
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

    /// The host without brackets, and the port: what the resolver takes.
    #[must_use]
    pub fn host_and_port(&self) -> (&str, u16) {
        let host = self.0.host().unwrap_or_default();
        (host.trim_start_matches('[').trim_end_matches(']'), self.0.port_u16().unwrap_or(80))
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
            return Endpoint::from_uri(&uri).map(Self::Endpoint);
        }
        if text.contains(['/', '?', '#', ' ']) {
            return Err(malformed());
        }
        let authority = match split_port(text)? {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => format!("{host}:8080"),
        };
        let uri = format!("http://{authority}/whip").parse().map_err(|_| malformed())?;
        Endpoint::from_uri(&uri).map(Self::Endpoint)
    }
}

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

    #[test]
    fn urls_hosts_and_ports_become_endpoints() {
        for (text, url) in [
            ("http://a.example", "http://a.example/whip"),
            ("http://a.example/", "http://a.example/whip"),
            ("HTTP://a.example:81/in/1?x=2", "http://a.example:81/in/1?x=2"),
            ("http://[::1]:81", "http://[::1]:81/whip"),
            ("a.example", "http://a.example:8080/whip"),
            ("a.example:81", "http://a.example:81/whip"),
            ("127.0.0.1:81", "http://127.0.0.1:81/whip"),
            ("[::1]:81", "http://[::1]:81/whip"),
            ("[::1]", "http://[::1]:8080/whip"),
            ("::1", "http://[::1]:8080/whip"),
        ] {
            match text.parse::<Target>() {
                Ok(Target::Endpoint(endpoint)) => assert_eq!(endpoint.to_string(), url, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert_eq!("self".parse(), Ok(Target::Myself));
        assert_eq!("paste".parse(), Ok(Target::Paste));
        assert_eq!("tab".parse(), Ok(Target::Tab));
        let Ok(Target::Endpoint(v6)) = "[::1]:81".parse::<Target>() else { panic!() };
        assert_eq!(v6.host_and_port(), ("::1", 81));
    }

    #[test]
    fn what_is_no_target_is_shown() {
        for text in [
            "",
            " ",
            "a b",
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
            "https://a.example",
            "ftp://a.example",
            "http://me@a.example",
            "http://a b/",
        ] {
            let Err(error) = text.parse::<Target>() else { panic!("{text:?} was taken") };
            assert!(!error.to_string().is_empty());
        }
        let tls = "https://a.example/x".parse::<Target>();
        assert!(matches!(tls, Err(TargetError::Tls(_))));
    }
}
