//! Who may talk to us from inside a browser: the Origin and Host rule.
//!
//! Any page that a person opens can send requests to a port on loopback, and a page whose name is
//! made to resolve to 127.0.0.1 (DNS rebinding) even looks like our own. A call opens a microphone,
//! so [`judge`] refuses both: an `Origin` must be the page's own or be allowed by name, and the
//! `Host` it was reached by must really be this machine. Programs send no `Origin` and are let
//! through; a browser that sends none (it does so for GET within a page's own origin) is told by
//! the headers that only browsers send.
//!
//! RFC 6454 (origins), RFC 9110 section 7.2 (Host), the Fetch standard (CORS).
//! Comes from `net::http_server` with the request's head; goes to [`super::route`] or is the end.

use super::token::{Bearing, Token};
use super::{Problem, Response};
use std::net::{IpAddr, Ipv6Addr};

/// The parts of a request's head that the rule looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// The `Origin` header.
    pub origin: Option<&'a str>,
    /// The `Host` header.
    pub host: Option<&'a str>,
    /// How the request came: a page's origin is of its own scheme, too.
    pub scheme: Scheme,
    /// Whether the request bears marks that only browsers leave ([`BROWSER_MARKS`]).
    pub browser: Browser,
    /// Whether it bears the token: who was told the secret may call from anywhere.
    pub bearing: Bearing,
}

/// What stands before `://` in the address of the page that a connection serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    #[default]
    Http,
    /// By TLS. Whoever is in between can put a page at `http://` and our name, but none at `https://`.
    Https,
}

/// Whether a request seems to come from a browser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Browser {
    /// It has one of [`BROWSER_MARKS`].
    Marked,
    /// It has none.
    #[default]
    Unmarked,
}

/// Headers that every browser sends with every request and a script can't take away.
pub const BROWSER_MARKS: [&str; 3] = ["sec-fetch-site", "accept-language", "referer"];

/// What counts as this machine, and who else is welcome.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Names of this machine, without `.local`; `localhost` need not be among them.
    pub names: Vec<String>,
    /// Addresses of this machine; loopback need not be among them.
    pub addresses: Vec<IpAddr>,
    /// What `--allow-origin` gave; `*` allows any.
    pub allowed: Vec<String>,
    /// What `--token` gave.
    pub token: Option<Token>,
}

/// What the rule says about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No browser, or our own page: served, without CORS headers.
    Own,
    /// Another page that was allowed: served, with this `Access-Control-Allow-Origin`.
    Allowed(String),
    /// 403, because of this.
    Refused(Why),
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// A page from elsewhere.
    ForeignOrigin(String),
    /// Our own page, it seems, but reached by a name that is not this machine's.
    ForeignHost(String),
}

/// Applies the rule.
///
/// ```
/// use halloo::signal::origin::{Head, Policy, Verdict, judge};
/// let own = Head {
///     origin: Some("http://localhost:8080"),
///     host: Some("localhost:8080"),
///     ..Head::default()
/// };
/// assert_eq!(judge(&own, &Policy::default()), Verdict::Own);
/// ```
#[must_use]
pub fn judge(head: &Head<'_>, policy: &Policy) -> Verdict {
    let host = head.host.unwrap_or_default();
    let is_trusted = matches!(head.bearing, Bearing::Right | Bearing::Promised);
    let Some(origin) = head.origin else {
        return match head.browser {
            Browser::Marked if !is_trusted && !policy.is_this_machine(host) => {
                Verdict::Refused(Why::ForeignHost(host.to_owned()))
            }
            _ => Verdict::Own,
        };
    };
    if let Some(allowed) = policy.allows(origin) {
        return Verdict::Allowed(allowed);
    }
    match host_of(origin, head.scheme) {
        Some(named) if named == without_default_port(host, head.scheme) => {
            match policy.is_this_machine(host) {
                true => Verdict::Own,
                false if is_trusted => Verdict::Own,
                false => Verdict::Refused(Why::ForeignHost(host.to_owned())),
            }
        }
        _ if is_trusted => Verdict::Allowed(origin.to_owned()),
        _ => Verdict::Refused(Why::ForeignOrigin(origin.to_owned())),
    }
}

impl Policy {
    fn allows(&self, origin: &str) -> Option<String> {
        if self.allowed.iter().any(|one| one == "*") {
            return Some("*".to_owned());
        }
        let origin = origin.to_ascii_lowercase();
        self.allowed
            .iter()
            .any(|one| one.trim_end_matches('/').eq_ignore_ascii_case(&origin))
            .then_some(origin)
    }

    /// Whether `host` (with or without port) is an address or a name of this machine.
    fn is_this_machine(&self, host: &str) -> bool {
        let name = without_port(host).trim_end_matches('.').to_ascii_lowercase();
        if let Some(address) = address(&name) {
            return address.is_loopback() || self.addresses.contains(&address);
        }
        // Browsers resolve `localhost` and what is below it themselves, without DNS.
        if name == "localhost" || name.ends_with(".localhost") {
            return true;
        }
        let bare = name.strip_suffix(".local").unwrap_or(&name);
        !bare.is_empty() && self.names.iter().any(|own| own.eq_ignore_ascii_case(bare))
    }
}

impl Verdict {
    /// Adds to a response what the browser must know about it.
    pub fn mark(&self, response: &mut Response) {
        if let Self::Allowed(origin) = self {
            response.header("Access-Control-Allow-Origin", origin.clone());
            response.header("Access-Control-Expose-Headers", EXPOSED);
            response.header("Vary", "Origin");
        }
    }

    /// Adds to the answer to `OPTIONS` what an allowed page may send.
    pub fn mark_preflight(&self, response: &mut Response, methods: &str) {
        if let Self::Allowed(_) = self {
            response.header("Access-Control-Allow-Methods", methods);
            response
                .header("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match");
            // Chromium asks before a public page may reach a loopback or private address.
            response.header("Access-Control-Allow-Private-Network", "true");
            response.header("Access-Control-Max-Age", "600");
        }
    }
}

impl From<&Why> for Problem {
    fn from(why: &Why) -> Self {
        match why {
            Why::ForeignOrigin(origin) => Self::new(403, "This page may not call here").detail(
                format!("the origin {origin:?} is not halloo's own page; --allow-origin or --token allows it"),
            ),
            Why::ForeignHost(host) => Self::new(403, "This is not the host you asked for")
                .detail(format!("{host:?} is neither an address nor a name of this machine")),
        }
    }
}

/// Response headers that a page of an allowed origin may read.
const EXPOSED: &str = "Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After";

/// `host:port` of an origin of this scheme, without the scheme's own port; `None` for any other.
fn host_of(origin: &str, scheme: Scheme) -> Option<String> {
    let origin = origin.to_ascii_lowercase();
    let rest = origin.strip_prefix(match scheme {
        Scheme::Http => "http://",
        Scheme::Https => "https://",
    })?;
    Some(without_default_port(rest, scheme))
}

/// A `Host` header in the shape in which an origin of this scheme would name it.
fn without_default_port(host: &str, scheme: Scheme) -> String {
    let default = match scheme {
        Scheme::Http => ":80",
        Scheme::Https => ":443",
    };
    host.strip_suffix(default).unwrap_or(host).to_ascii_lowercase()
}

/// `host`, `host:port`, `[v6]` or `[v6]:port` without the port (RFC 3986 section 3.2.2).
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// An address as `Host` writes it: IPv6 stands in brackets.
fn address(name: &str) -> Option<IpAddr> {
    match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(|v6| IpAddr::from(v6).to_canonical()),
        None => name.parse::<std::net::Ipv4Addr>().ok().map(IpAddr::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allowed: &[&str]) -> Policy {
        Policy {
            names: vec!["quiet".into(), "quiet.example".into()],
            addresses: vec!["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
            allowed: allowed.iter().map(|&one| one.into()).collect(),
            token: None,
        }
    }

    /// That of the page, so that the rest of its origin decides.
    fn scheme_of(origin: Option<&str>) -> Scheme {
        let is_https = origin.is_some_and(|origin| origin.starts_with("https:"));
        if is_https { Scheme::Https } else { Scheme::Http }
    }

    /// Whoever is in between can answer for `http://` and our name: nothing there is our page's.
    #[test]
    fn a_page_of_the_other_scheme_is_not_ours() {
        for (origin, scheme, own) in [
            ("https://192.0.2.7:8443", Scheme::Https, true),
            ("http://192.0.2.7:8443", Scheme::Https, false),
            ("http://192.0.2.7:8443", Scheme::Http, true),
            ("https://192.0.2.7:8443", Scheme::Http, false),
        ] {
            let host = Some("192.0.2.7:8443");
            let head = Head { origin: Some(origin), host, scheme, ..Head::default() };
            let verdict = judge(&head, &policy(&[]));
            assert_eq!(verdict == Verdict::Own, own, "{origin} by {scheme:?}: {verdict:?}");
        }
    }

    #[test]
    fn the_rule_as_a_table() {
        use Browser::{Marked, Unmarked};
        // (origin, host, browser, --allow-origin, served?)
        type Case<'a> = (Option<&'a str>, &'a str, Browser, &'a [&'a str], bool);
        let cases: &[Case<'_>] = &[
            // no browser: not concerned
            (None, "localhost:8080", Unmarked, &[], true),
            (None, "anything.example", Unmarked, &[], true),
            (None, "", Unmarked, &[], true),
            // a browser that sends no Origin, as it does for GET within an origin
            (None, "localhost:8080", Marked, &[], true),
            (None, "rebound.example:8080", Marked, &[], false),
            (None, "192.0.2.99:8080", Marked, &[], false),
            // our own page, by every name and address we have
            (Some("http://localhost:8080"), "localhost:8080", Marked, &[], true),
            (Some("http://LOCALHOST:8080"), "localhost:8080", Marked, &[], true),
            (Some("http://127.0.0.1:8080"), "127.0.0.1:8080", Marked, &[], true),
            (Some("http://127.0.0.1"), "127.0.0.1:80", Marked, &[], true),
            (Some("http://[::1]:8080"), "[::1]:8080", Marked, &[], true),
            (Some("http://192.0.2.7:8080"), "192.0.2.7:8080", Marked, &[], true),
            (Some("http://[2001:db8::7]:8080"), "[2001:db8::7]:8080", Marked, &[], true),
            (Some("http://quiet:8080"), "quiet:8080", Marked, &[], true),
            (Some("http://quiet.local:8080"), "quiet.local:8080", Marked, &[], true),
            (Some("http://quiet.local.:8080"), "quiet.local.:8080", Marked, &[], true),
            (Some("http://quiet.example:8080"), "quiet.example:8080", Marked, &[], true),
            (Some("https://127.0.0.1:8443"), "127.0.0.1:8443", Marked, &[], true),
            (Some("https://192.0.2.7:8443"), "192.0.2.7:8443", Marked, &[], true),
            (Some("https://quiet.local:8443"), "quiet.local:8443", Marked, &[], true),
            (Some("https://quiet.local"), "quiet.local", Marked, &[], true),
            (Some("https://quiet.local"), "quiet.local:443", Marked, &[], true),
            (Some("https://[2001:db8::7]"), "[2001:db8::7]:443", Marked, &[], true),
            // https from elsewhere, or from another port of ours
            (Some("https://evil.example"), "192.0.2.7:8443", Marked, &[], false),
            (Some("https://evil.example:8443"), "evil.example:8443", Marked, &[], false),
            (Some("https://192.0.2.7"), "192.0.2.7:8443", Marked, &[], false),
            (Some("https://192.0.2.7"), "192.0.2.7:80", Marked, &[], false),
            (Some("http://192.0.2.7"), "192.0.2.7:443", Marked, &[], false),
            // a page from elsewhere
            (Some("http://evil.example"), "127.0.0.1:8080", Marked, &[], false),
            (Some("http://evil.example"), "127.0.0.1:8080", Unmarked, &[], false),
            (Some("http://127.0.0.1:3000"), "127.0.0.1:8080", Marked, &[], false),
            (Some("http://localhost:8080"), "127.0.0.1:8080", Marked, &[], false),
            (Some("null"), "127.0.0.1:8080", Marked, &[], false),
            (Some(""), "127.0.0.1:8080", Marked, &[], false),
            (Some("file://"), "127.0.0.1:8080", Marked, &[], false),
            (Some("chrome-extension://abc"), "127.0.0.1:8080", Marked, &[], false),
            // DNS rebinding: the origin is that of the Host, but the Host is not us
            (Some("http://evil.example:8080"), "evil.example:8080", Marked, &[], false),
            (Some("http://192.0.2.99:8080"), "192.0.2.99:8080", Marked, &[], false),
            (Some("http://evil.local:8080"), "evil.local:8080", Marked, &[], false),
            (Some("http://.local:8080"), ".local:8080", Marked, &[], false),
            (Some("http://localhost.evil.example"), "localhost.evil.example", Marked, &[], false),
            (Some("http://127.0.0.1.evil.example"), "127.0.0.1.evil.example", Marked, &[], false),
            // allowed by name
            (Some("http://app.example"), "x:8080", Marked, &["http://app.example"], true),
            (Some("http://app.example"), "x:8080", Marked, &["http://app.example/"], true),
            (Some("https://app.example"), "x:8080", Marked, &["http://app.example"], false),
            (Some("http://app.example.evil"), "x", Marked, &["http://app.example"], false),
            (Some("null"), "127.0.0.1:8080", Marked, &["null"], true),
            (Some("http://any.example"), "x:8080", Marked, &["*"], true),
        ];
        for (origin, host, browser, allowed, served) in cases {
            let head = Head {
                origin: *origin,
                host: Some(host),
                scheme: scheme_of(*origin),
                browser: *browser,
                bearing: Bearing::Nothing,
            };
            let verdict = judge(&head, &policy(allowed));
            let refused = matches!(verdict, Verdict::Refused(_));
            assert_eq!(
                !refused, *served,
                "{origin:?} to {host:?} allowing {allowed:?}: {verdict:?}"
            );
        }
    }

    #[test]
    fn who_bears_the_token_may_call_from_anywhere() {
        let judged = |origin, host, bearing| {
            let browser = Browser::Marked;
            let head = Head { origin, host: Some(host), browser, bearing, ..Head::default() };
            judge(&head, &policy(&[]))
        };
        let evil = Some("http://evil.example");
        for bearing in [Bearing::Right, Bearing::Promised] {
            let allowed = Verdict::Allowed("http://evil.example".into());
            assert_eq!(judged(evil, "127.0.0.1:8080", bearing), allowed);
            assert_eq!(judged(evil, "evil.example", bearing), Verdict::Own);
            assert_eq!(judged(None, "evil.example", bearing), Verdict::Own);
        }
        for bearing in [Bearing::Nothing, Bearing::Wrong] {
            for (origin, host) in [(evil, "127.0.0.1"), (evil, "evil.example"), (None, "evil")] {
                let verdict = judged(origin, host, bearing);
                assert!(matches!(verdict, Verdict::Refused(_)), "{origin:?} {host}: {verdict:?}");
            }
        }
    }

    #[test]
    fn only_an_allowed_origin_gets_cors_headers() {
        let mut response = Response::new(200);
        Verdict::Own.mark(&mut response);
        Verdict::Own.mark_preflight(&mut response, "POST");
        Verdict::Refused(Why::ForeignOrigin("x".into())).mark(&mut response);
        assert!(response.headers.is_empty());
        Verdict::Allowed("http://app.example".into()).mark(&mut response);
        assert_eq!(response.find("access-control-allow-origin"), Some("http://app.example"));
        assert_eq!(response.find("vary"), Some("Origin"));
    }
}
