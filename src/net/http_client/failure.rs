//! Why an endpoint gave no answer, in words for a person.
//!
//! Read next: `told.rs`.

use std::borrow::Cow;
use std::error::Error as _;
use std::io;

use hyper::header::{self, HeaderMap};
use hyper::{StatusCode, Uri};

use super::connect::ConnectError;
use super::text_of;
use super::told::in_one_line;
use crate::net::target::TargetError;
use crate::net::tls::client::TlsError;
use crate::net::tls::trust::Distrust;

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
    /// The other side takes no TLS.
    #[error("no TLS at {at}: {why}")]
    NoTls {
        /// Host and port.
        at: String,
        /// What it does instead.
        why: String,
        /// Whether to try plain HTTP makes sense.
        plain: bool,
    },
    /// Their TLS and ours don't fit.
    #[error("can't reach {at}: {why}")]
    Tls {
        /// Host and port.
        at: String,
        /// OpenSSL's words.
        why: String,
    },
    /// The other side is not to be believed.
    #[error(transparent)]
    Distrust(#[from] Distrust),
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
    #[error("the endpoint sends us in circles, to no address, or out of encryption: {0:?}")]
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
    pub fn hint(&self) -> Cow<'static, str> {
        let hint = match self {
            Self::Distrust(distrust) => return distrust.hint().into(),
            Self::NoTls { .. } => "start the other side with --tls or --lan, or write http://",
            Self::Tls { .. } => {
                "is there a current HTTPS server at this port? http:// is unencrypted"
            }
            Self::Unresolved { .. } => "check the name, or use an address",
            Self::Refused { .. } => {
                "start `halloo listen` there (with --lan for other computers), or check the port"
            }
            Self::Unreachable { .. } | Self::Timeout { .. } => {
                "check the address, the network and the firewall in between"
            }
            Self::Status { status, .. } => status_hint(*status),
            Self::Broken { .. } | Self::NoAnswer(_) | Self::Redirect(_) => {
                "is there a WHIP endpoint at this URL? halloo's is http://HOST:8080/whip"
            }
            Self::Target(_) => "call the address it sends to yourself",
        };
        hint.into()
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
        410 => "somebody hung it up over HTTP before it was answered: call again",
        406 => "no codec in common: try without --codec",
        429 | 503 => "the other side is busy: try again later",
        400..=499 => "the endpoint doesn't take our offer; -v shows it",
        _ => "the endpoint has a problem: look at its log, or try again later",
    }
}

pub(super) fn at(url: &Uri) -> String {
    url.authority().map(ToString::to_string).unwrap_or_default()
}

pub(super) fn connection_failure(url: &Uri, error: &hyper_util::client::legacy::Error) -> Failure {
    let mut cause = error.source();
    let mut innermost = error.to_string();
    while let Some(inner) = cause {
        innermost = inner.to_string();
        if let Some(failure) = inner.downcast_ref().and_then(|error| secure_failure(url, error)) {
            return failure;
        }
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

/// What was wrong after TCP's part was done.
fn secure_failure(url: &Uri, error: &ConnectError) -> Option<Failure> {
    let at = at(url);
    match error {
        ConnectError::Tls { error: TlsError::PlainHttp, .. } => {
            let why = TlsError::PlainHttp.to_string();
            Some(Failure::NoTls { at, why, plain: true })
        }
        ConnectError::Tls { error: TlsError::NoTls, peer } => {
            let plain = peer.ip().to_canonical().is_loopback();
            Some(Failure::NoTls { at, why: TlsError::NoTls.to_string(), plain })
        }
        ConnectError::Tls { error, .. } => Some(Failure::Tls { at, why: error.to_string() }),
        ConnectError::Distrust(distrust) => Some(Failure::Distrust(distrust.clone())),
        ConnectError::Tcp(_) | ConnectError::Io(_) => None,
    }
}

/// An error answer.
pub(super) fn status_failure(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    // It may also be a date, which nobody wants to read here.
    let retry_after = text_of(headers, header::RETRY_AFTER)
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    Failure::Status { status, title: in_one_line(status, body), retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_one_line() {
        let mut headers = HeaderMap::new();
        let told = |headers: &HeaderMap, body: &str| {
            status_failure(StatusCode::SERVICE_UNAVAILABLE, headers, body.as_bytes()).to_string()
        };
        let bare = "the endpoint answered 503 Service Unavailable";
        assert_eq!(told(&headers, ""), bare);
        assert_eq!(told(&headers, "full"), format!("{bare}: full"));
        headers.insert(header::RETRY_AFTER, "Fri, 31 Dec 1999 23:59:59 GMT".parse().unwrap());
        assert_eq!(told(&headers, ""), bare);
        headers.insert(header::RETRY_AFTER, "7".parse().unwrap());
        assert_eq!(told(&headers, ""), format!("{bare}; it asks to wait 7 s"));
    }
}
