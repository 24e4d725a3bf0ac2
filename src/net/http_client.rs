//! Calls a WHIP endpoint: POST an offer, read the answer, DELETE to hang up.
//!
//! RFC 9725 sections 4.2 to 4.5, from the client's side. Servers differ: some answer 200 instead of
//! 201, know no DELETE, write a relative `Location` or none. All of that is
//! taken; what can't be done is left out politely, since the media goes on without it.
//!
//! Comes from `cli::call` with an offer of the driver; what comes back goes to the driver again.
//! A token goes to the host that was called and to no other, wherever the endpoint sends us on to.
//! Left out: TLS, `Link: rel="ice-server"`; trickling by PATCH, because all our
//! candidates are in the offer.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use super::secret::Secret;
use super::target::{Endpoint, TargetError};
use crate::signal::whip::SDP;

/// An HTTP client for WHIP.
#[derive(Clone, Debug)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    patience: Duration,
    /// The `Authorization` header, and who may see it.
    token: Option<(Authority, HeaderValue)>,
}

/// A call that an endpoint has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The answer, as text.
    pub answer: String,
    /// The call's own URL, if the endpoint gave one: DELETE goes there.
    pub url: Option<Uri>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The name has no address.
    #[error("no address is known for {host}: {why}")]
    Unresolved {
        /// The name.
        host: String,
        /// The resolver's words.
        why: io::Error,
    },
    /// Nothing listens there.
    #[error("nobody is listening at {at} (connection refused)")]
    Refused {
        /// Host and port.
        at: String,
    },
    /// No connection, for another reason.
    #[error("can't reach {at}: {why}")]
    Unreachable {
        /// Host and port.
        at: String,
        /// The system's words.
        why: String,
    },
    /// Nothing came back in time.
    #[error("{at} did not answer within {seconds:.0} s")]
    Timeout {
        /// Host and port.
        at: String,
        /// How long we waited.
        seconds: f64,
    },
    /// The connection broke, or what came is no HTTP.
    #[error("{at} speaks no HTTP, or the connection broke: {why}")]
    Broken {
        /// Host and port.
        at: String,
        /// What was wrong.
        why: String,
    },
    /// An error status.
    #[error("the endpoint answered {status}{}", told(title, retry_after))]
    Status {
        /// The status.
        status: StatusCode,
        /// Title and detail of a problem document (RFC 9457), or the beginning of a text.
        title: Option<String>,
        /// How many seconds to wait before trying again.
        retry_after: Option<String>,
    },
    /// A redirect that leads nowhere, or too many of them.
    #[error("the endpoint sends us in circles, or to no address: {0:?}")]
    Redirect(String),
    /// A redirect to where we can't go.
    #[error("the endpoint sends us on: {0}")]
    Target(#[from] TargetError),
    /// Success without a description.
    #[error("the endpoint answered {0} without an SDP answer")]
    NoAnswer(StatusCode),
}

impl Failure {
    /// What a person may try.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unresolved { .. } => "check the name, or use an address",
            Self::Refused { .. } => {
                "start `halloo listen` there (with --bind 0.0.0.0:8080 for other computers), \
                 or check the port"
            }
            Self::Unreachable { .. } | Self::Timeout { .. } => {
                "check the address, the network and the firewall in between"
            }
            Self::Status { status, .. } => status_hint(*status),
            Self::Broken { .. } | Self::NoAnswer(_) | Self::Redirect(_) => {
                "is there a WHIP endpoint at this URL? halloo's is http://HOST:8080/whip"
            }
            Self::Target(_) => "call the address it sends to yourself, over http",
        }
    }
}

/// What an endpoint said beside the status.
fn told(title: &Option<String>, retry_after: &Option<String>) -> String {
    let title = title.iter().map(|title| format!(": {title}"));
    let retry = retry_after.iter().map(|seconds| format!("; it asks to wait {seconds} s"));
    title.chain(retry).collect()
}

/// rfc9725-4.1-1: a status that we don't know means what the first of its hundred means.
fn status_hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "the endpoint wants the right token: give it by --token or HALLOO_TOKEN",
        403 => "the other side doesn't take this call",
        404 | 405 => "the path may be wrong; halloo's endpoint is /whip",
        406 => "no codec in common: try without --codec",
        429 | 503 => "the other side is busy: try again later",
        400..=499 => "the endpoint doesn't take our offer; -v shows it",
        _ => "the endpoint has a problem: look at its log, or try again later",
    }
}

impl Client {
    /// A client that waits this long for each answer.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(patience.min(CONNECT_WITHIN)));
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Self { pool, patience, token: None }
    }

    /// Bears this token to the endpoint's host, from now on.
    #[must_use]
    pub fn bearing(mut self, token: &Secret, to: &Endpoint) -> Self {
        let header = HeaderValue::try_from(format!("Bearer {}", token.reveal())).ok();
        self.token = to.uri().authority().cloned().zip(header).map(|(host, mut header)| {
            header.set_sensitive(true); // no log shows it
            (host, header)
        });
        self
    }

    /// Posts an offer, and follows redirects.
    ///
    /// # Errors
    /// There is no answer; the failure says why.
    pub async fn post_offer(&self, to: &Endpoint, offer: &str) -> Result<Session, Failure> {
        let mut endpoint = to.clone();
        for _ in 0..=REDIRECTS {
            let response = self.send(Method::POST, endpoint.uri(), SDP, offer).await?;
            // rfc9725-4.5-1: 307 and 308. 301 and 302 must not be used here; who uses them anyway
            // means the same.
            if matches!(response.status().as_u16(), 301 | 302 | 307 | 308) {
                let location = text_of(response.headers(), header::LOCATION).unwrap_or_default();
                let next = resolve(endpoint.uri(), &location);
                endpoint = Endpoint::from_uri(&next.ok_or(Failure::Redirect(location))?)?;
                continue;
            }
            return self.read_answer(endpoint.uri(), response).await;
        }
        Err(Failure::Redirect(endpoint.to_string()))
    }

    async fn read_answer(
        &self,
        url: &Uri,
        response: Response<Incoming>,
    ) -> Result<Session, Failure> {
        let (head, body) = response.into_parts();
        let body = self.read(url, body).await?;
        if !head.status.is_success() {
            return Err(status_failure(head.status, &head.headers, &body));
        }
        let mut answer = String::from_utf8(body).unwrap_or_default();
        // Some servers trim; the length of the body has shown that nothing else is missing.
        answer.push_str(if answer.ends_with('\n') { "" } else { "\r\n" });
        if !answer.trim_start().starts_with("v=") {
            return Err(Failure::NoAnswer(head.status));
        }
        let location = text_of(&head.headers, header::LOCATION);
        Ok(Session { answer, url: location.and_then(|location| resolve(url, &location)) })
    }

    /// Hangs up. The media's own goodbye (BYE, close_notify) has gone out already, so nothing that
    /// may happen here matters.
    pub async fn hang_up(&self, session: &Session) {
        let Some(url) = &session.url else { return };
        // rfc9725-4.3.1: without If-Match.
        let asked = timeout(HANG_UP_WITHIN, self.send(Method::DELETE, url, "", "")).await;
        match asked {
            Ok(Ok(response)) => tracing::debug!(status = %response.status(), "DELETE {url}"),
            Ok(Err(failure)) => tracing::debug!("DELETE {url}: {failure}"),
            Err(_) => tracing::debug!("DELETE {url}: no answer"),
        }
    }

    async fn send(
        &self,
        method: Method,
        url: &Uri,
        content_type: &str,
        body: &str,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder().method(method).uri(url);
        if !content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some((host, token)) = &self.token
            && url.authority() == Some(host)
        {
            request = request.header(header::AUTHORIZATION, token.clone());
        }
        let request = request
            .header(header::USER_AGENT, concat!("halloo/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .map_err(|e| Failure::Broken { at: at(url), why: e.to_string() })?;
        match timeout(self.patience, self.pool.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(connection_failure(url, &error)),
            Err(_) => Err(self.too_slow(url)),
        }
    }

    async fn read(&self, url: &Uri, body: Incoming) -> Result<Vec<u8>, Failure> {
        match timeout(self.patience, Limited::new(body, ANSWER_LIMIT).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes().into()),
            Ok(Err(error)) => Err(Failure::Broken { at: at(url), why: error.to_string() }),
            Err(_) => Err(self.too_slow(url)),
        }
    }

    fn too_slow(&self, url: &Uri) -> Failure {
        Failure::Timeout { at: at(url), seconds: self.patience.as_secs_f64() }
    }
}

/// The address of an endpoint, before anything is sent: a call over loopback is to be offered
/// loopback candidates.
///
/// # Errors
/// The name has no address.
pub async fn resolve_endpoint(endpoint: &Endpoint) -> Result<std::net::SocketAddr, Failure> {
    let (host, port) = endpoint.host_and_port();
    let unresolved = |why| Failure::Unresolved { host: host.to_owned(), why };
    let mut addresses = tokio::net::lookup_host((host, port)).await.map_err(unresolved)?;
    addresses.next().ok_or_else(|| unresolved(io::ErrorKind::NotFound.into()))
}

fn at(url: &Uri) -> String {
    url.authority().map(ToString::to_string).unwrap_or_default()
}

fn connection_failure(url: &Uri, error: &hyper_util::client::legacy::Error) -> Failure {
    let mut cause = error.source();
    let mut innermost = error.to_string();
    while let Some(inner) = cause {
        innermost = inner.to_string();
        if let Some(system) = inner.downcast_ref::<io::Error>() {
            match system.kind() {
                io::ErrorKind::ConnectionRefused => return Failure::Refused { at: at(url) },
                io::ErrorKind::TimedOut if error.is_connect() => break,
                _ => {}
            }
        }
        cause = inner.source();
    }
    match error.is_connect() {
        true => Failure::Unreachable { at: at(url), why: innermost },
        false => Failure::Broken { at: at(url), why: innermost },
    }
}

/// Says in one line what an error answer tells: a problem document's title and detail, else the
/// first line of a text.
fn status_failure(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let problem: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let member = |name| problem.as_ref()?.get(name)?.as_str().map(one_line);
    let title = match (member("title"), member("detail")) {
        (Some(title), Some(detail)) => Some(format!("{title} ({detail})")),
        (Some(only), None) | (None, Some(only)) => Some(only),
        (None, None) => match std::str::from_utf8(body).unwrap_or_default().trim() {
            "" => None,
            html if html.starts_with('<') || problem.is_some() => None,
            text => Some(one_line(text)),
        },
    };
    // It may also be a date, which nobody wants to read here.
    let retry_after = text_of(headers, header::RETRY_AFTER)
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    Failure::Status { status, title, retry_after }
}

/// What a stranger sent, fit for a terminal: one line, no control characters, not without end.
fn one_line(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    first.chars().filter(|character| !character.is_control()).take(200).collect()
}

fn text_of(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// A `Location` seen from the URL that was asked (RFC 3986 section 5.2, without dot segments, which
/// servers resolve themselves).
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.trim();
    let scheme = base.scheme_str()?;
    let authority = base.authority()?;
    if location.is_empty() {
        return None;
    }
    if location.contains("://") {
        return location.parse().ok();
    }
    if let Some(other) = location.strip_prefix("//") {
        return format!("{scheme}://{other}").parse().ok();
    }
    if location.starts_with('/') {
        return format!("{scheme}://{authority}{location}").parse().ok();
    }
    let folder = match base.path().rsplit_once('/') {
        Some((folder, _)) => folder,
        None => "",
    };
    format!("{scheme}://{authority}{folder}/{location}").parse().ok()
}

/// A connection takes a round trip or two; one lost SYN is sent again after a second.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(5);
/// The other side has heard the media's goodbye; this is only politeness.
const HANG_UP_WITHIN: Duration = Duration::from_millis(1_000);
/// How often we let ourselves be sent on.
const REDIRECTS: usize = 5;
/// An answer is a few kilobytes.
const ANSWER_LIMIT: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_seen_from_the_url_that_was_asked() {
        let base = "http://a.example:81/in/whip?x=1".parse().unwrap();
        for (location, url) in [
            ("/calls/1", "http://a.example:81/calls/1"),
            ("1", "http://a.example:81/in/1"),
            ("http://b.example/2", "http://b.example/2"),
            ("//b.example/2", "http://b.example/2"),
        ] {
            assert_eq!(resolve(&base, location), url.parse().ok(), "{location}");
        }
        assert_eq!(resolve(&base, " "), None);
    }

    #[test]
    fn a_problem_is_told_in_one_line() {
        let told = |body: &str| {
            let failure =
                status_failure(StatusCode::BAD_REQUEST, &HeaderMap::new(), body.as_bytes());
            failure.to_string()
        };
        let problem = r#"{"title":"Not so","detail":"line 3\u001b[31m"}"#;
        assert_eq!(told(problem), "the endpoint answered 400 Bad Request: Not so (line 3[31m)");
        assert_eq!(told("no\nreally"), "the endpoint answered 400 Bad Request: no");
        assert_eq!(told("<html>"), "the endpoint answered 400 Bad Request");
        assert_eq!(told(""), "the endpoint answered 400 Bad Request");
    }
}
