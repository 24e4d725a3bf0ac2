//! Who comes in the clear where there is TLS is told the same address with https.
//!
//! 308, so that a POST stays a POST (RFC 9110 section 15.4.9, and RFC 9725 section 4.5 asks clients to
//! follow it). No `Strict-Transport-Security`: with a certificate that nobody vouches for, it would take
//! away the button by which a person goes on past the browser's warning.

use hyper::Uri;
use hyper::http::uri::Authority;

use crate::signal::{Problem, Response};

/// The same place, encrypted. `host` is the `Host` header.
pub(super) fn to_https(host: Option<&str>, url: &Uri, port: u16) -> Result<Response, Problem> {
    let asked = host.and_then(|host| host.parse::<Authority>().ok());
    let asked = asked.filter(|asked| !asked.host().is_empty() && !asked.as_str().contains('@'));
    let asked = asked.ok_or_else(|| {
        Problem::new(400, "This port wants https").detail("a Host header would tell which URL")
    })?;
    let path = url.path_and_query().map(|path| path.as_str());
    // `OPTIONS *` asks about the server as a whole.
    let path = path.filter(|path| path.starts_with('/')).unwrap_or("/");
    // Without a port it came to 80, where https is not; this is the port where it is.
    let to = match asked.port_u16().unwrap_or(port) {
        443 => asked.host().to_owned(),
        port => format!("{}:{port}", asked.host()),
    };
    let mut response = Response::new(308);
    response.header("Location", format!("https://{to}{path}"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_host_path_and_query() {
        for (host, url, location) in [
            ("192.0.2.7:8443", "/", "https://192.0.2.7:8443/"),
            ("quiet.local:8443", "/whip?a=b", "https://quiet.local:8443/whip?a=b"),
            ("[2001:db8::7]:8443", "/calls", "https://[2001:db8::7]:8443/calls"),
            ("quiet", "/", "https://quiet:8443/"),
            ("quiet", "*", "https://quiet:8443/"),
            ("quiet:443", "/", "https://quiet/"),
            ("quiet:9000", "http://quiet:9000/x", "https://quiet:9000/x"),
        ] {
            let response = to_https(Some(host), &url.parse().unwrap(), 8443).unwrap();
            assert_eq!(response.status, 308);
            assert_eq!(response.find("location"), Some(location));
        }
        for host in [None, Some(""), Some("a b"), Some("me@quiet"), Some("a\r\nb"), Some(":80")] {
            assert!(to_https(host, &"/".parse().unwrap(), 8443).is_err(), "{host:?}");
        }
    }
}
