//! Calls a WHIP endpoint: POST an offer, read the answer, DELETE to hang up.
//!
//! RFC 9725 sections 4.2 to 4.5, from the client's side. Servers differ: some answer 200 instead of
//! 201, know no DELETE, write a relative `Location` or none, speak JSON (aiortc's example server). All
//! of that is taken; what can't be done is left out politely, since the media goes on without it.
//!
//! ```text
//! POST /offer  JSON --+-- 415 --> the other way, once
//! POST else    SDP ---+-- 3xx --> there, at most five times
//!                     '-- 2xx --> an answer; Location: DELETE goes there
//! ```
//!
//! Comes from `cli::call` with an offer of the driver; what comes back goes to the driver again.
//! A token goes to the host that was called and to no other, wherever the endpoint sends us on to.
//! Left out: `Link: rel="ice-server"`.
//!
//! Read next: `routes.rs`, `connect.rs`, then `failure.rs`, `location.rs`; `carrier.rs` for what comes after
//! the answer.

mod carrier;
mod connect;
mod events;
mod failure;
mod location;
mod resolve;
mod routes;
mod told;
mod trickle;

pub use carrier::Carrier;
pub use failure::Failure;

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::{Authority, Scheme};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use super::secret::Secret;
use super::target::{Endpoint, Routes};
use super::tls::trust::Trust;
use crate::signal::offer::{self as json, JSON};
use crate::signal::whip::SDP;
use connect::Connector;
use failure::{at, connection_failure, status_failure};
use location::resolve;

/// An HTTP client for WHIP.
#[derive(Clone, Debug)]
pub struct Client {
    pool: Pool<Connector, Full<Bytes>>,
    connector: Connector,
    patience: Duration,
    /// The `Authorization` header, and who may see it.
    token: Option<(Vec<Place>, HeaderValue)>,
}

/// Scheme, and host with port.
type Place = (Option<Scheme>, Authority);

/// A call that an endpoint has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The answer, as text.
    pub answer: String,
    /// The call's own URL, if the endpoint gave one: DELETE goes there.
    pub url: Option<Uri>,
    /// The name of its ICE session: an endpoint that gives one takes candidates later on.
    pub etag: Option<String>,
}

impl Client {
    /// A client that waits this long for each answer, and believes whom this rule believes.
    #[must_use]
    pub fn new(patience: Duration, trust: Trust) -> Self {
        let connector = Connector::new(patience.min(CONNECT_WITHIN), trust);
        let pool = Pool::builder(TokioExecutor::new())
            // A call asks for little, and seldom: by then the other side may have closed the connection,
            // and nobody knows whether a POST that broke off was read (RFC 9112 section 9.3.1).
            .pool_max_idle_per_host(0)
            .build(connector.clone());
        Self { pool, connector, patience, token: None }
    }

    /// Bears this token to the host of these endpoints, from now on.
    #[must_use]
    pub fn bearing(mut self, token: &Secret, to: &Routes) -> Self {
        let header = HeaderValue::try_from(format!("Bearer {}", token.reveal())).ok();
        self.token = header.map(|mut header| {
            header.set_sensitive(true); // no log shows it
            let places = [Some(&to.first), to.otherwise.as_ref()].into_iter().flatten();
            let place =
                |to: &Endpoint| Some((to.uri().scheme().cloned(), to.uri().authority().cloned()?));
            (places.filter_map(place).collect(), header)
        });
        self
    }

    /// Posts an offer, and follows redirects.
    ///
    /// # Errors
    /// There is no answer; the failure says why.
    async fn post_to(&self, to: &Endpoint, offer: &str) -> Result<Session, Failure> {
        let posted = timeout(self.patience, self.post(to, offer)).await;
        posted.unwrap_or_else(|_| Err(self.too_slow(to.uri())))
    }

    async fn post(&self, to: &Endpoint, offer: &str) -> Result<Session, Failure> {
        let mut endpoint = to.clone();
        let json = json::asked(offer);
        let (sdp, json) = ((SDP, offer), (JSON, json.as_str()));
        let (mut said, mut otherwise) = match endpoint.uri().path().ends_with("/offer") {
            true => (json, Some(sdp)),
            false => (sdp, Some(json)),
        };
        for _ in 0..=REDIRECTS {
            let response = self.send(Method::POST, endpoint.uri(), said.0, said.1).await?;
            // rfc9725-4.5-1: 307 and 308. 301 and 302 must not be used here; who uses them anyway
            // means the same.
            if matches!(response.status().as_u16(), 301 | 302 | 307 | 308) {
                let location = text_of(response.headers(), header::LOCATION).unwrap_or_default();
                let next = resolve(endpoint.uri(), &location);
                endpoint = Endpoint::from_uri(&next.ok_or(Failure::Redirect(location))?)?;
                continue;
            }
            if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE
                && let Some(other) = otherwise.take()
            {
                said = other;
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
        let answer = json::answer_in(&body).or_else(|| String::from_utf8(body).ok());
        let mut answer = answer.unwrap_or_default();
        // Some servers trim; the length of the body has shown that nothing else is missing.
        answer.push_str(if answer.ends_with('\n') { "" } else { "\r\n" });
        if !answer.trim_start().starts_with("v=") {
            return Err(Failure::NoAnswer(head.status));
        }
        let location = text_of(&head.headers, header::LOCATION);
        let etag = text_of(&head.headers, header::ETAG);
        Ok(Session { answer, url: location.and_then(|location| resolve(url, &location)), etag })
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
        self.send_with(method, url, &[(header::CONTENT_TYPE, content_type)], body).await
    }

    /// The same with other headers; those without a value are left out.
    async fn send_with(
        &self,
        method: Method,
        url: &Uri,
        headers: &[(HeaderName, &str)],
        body: &str,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(name, *value);
        }
        if let Some((hosts, token)) = &self.token
            && let Some(authority) = url.authority()
            && hosts.iter().any(|place| (place.0.as_ref(), &place.1) == (url.scheme(), authority))
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

fn text_of(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// A connection takes a round trip or two; one lost SYN is sent again after a second.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// The other side has heard the media's goodbye; this is only politeness.
const HANG_UP_WITHIN: Duration = Duration::from_millis(1_000);
/// How often we let ourselves be sent on.
const REDIRECTS: usize = 5;
/// An answer is a few kilobytes.
const ANSWER_LIMIT: usize = 256 * 1024;
