//! Why an endpoint gave no answer, in words for a person.
//!
//! What comes from a stranger is cut to one line without control characters: it is shown on a terminal.

use std::error::Error as _;
use std::io;

use hyper::header::{self, HeaderMap};
use hyper::{StatusCode, Uri};

use super::text_of;
use crate::net::target::TargetError;

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

pub(super) fn at(url: &Uri) -> String {
    url.authority().map(ToString::to_string).unwrap_or_default()
}

pub(super) fn connection_failure(url: &Uri, error: &hyper_util::client::legacy::Error) -> Failure {
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
pub(super) fn status_failure(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
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

#[cfg(test)]
mod tests {
    use super::*;

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
