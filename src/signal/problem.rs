//! What went wrong, so that a person and a program can both read it (RFC 9457).
//!
//! ```text
//! HTTP/1.1 400 Bad Request
//! Content-Type: application/problem+json
//!
//! {"type":"about:blank","title":"The SDP can't be read","status":400,
//!  "detail":"line 3, column 1: …","line":3,"column":1}
//! ```
//! Comes from every file here and from `net::http_server`, which turns a refusal of the driver into
//! one; goes out as a [`Response`].

use super::Response;
use serde_json::{Map, Value};

/// A problem document, and the headers that its status asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The kind of problem, in a few words; the same each time.
    pub title: &'static str,
    /// What it was this time.
    pub detail: Option<String>,
    members: Vec<(&'static str, Value)>,
    headers: Vec<(&'static str, String)>,
}

impl Problem {
    /// A problem of this kind.
    #[must_use]
    pub fn new(status: u16, title: &'static str) -> Self {
        Self { status, title, detail: None, members: Vec::new(), headers: Vec::new() }
    }

    /// Says what it was this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds a member for programs.
    #[must_use]
    pub fn member(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// 404: no such call, or it has ended.
    #[must_use]
    pub fn unknown_call(id: &str) -> Self {
        Self::new(404, "No such call")
            .detail(format!("there is no call {:?}, or it has ended", shortened(id)))
    }

    /// 415: the body is not of a type that this place reads. `accept` is `Accept-Post` or
    /// `Accept-Patch` (RFC 5789 section 2.2).
    #[must_use]
    pub fn wrong_type(got: Option<&str>, accept: &'static str, types: &'static str) -> Self {
        let got = match got {
            Some(got) => format!("{:?}", shortened(got)),
            None => "no Content-Type".to_owned(),
        };
        Self::new(415, "Wrong Content-Type")
            .detail(format!("got {got}; this takes {types}"))
            .header(accept, types)
    }

    /// 413: the body is larger than [`super::BODY_LIMIT`].
    #[must_use]
    pub fn too_large() -> Self {
        Self::new(413, "The body is too large")
            .detail(format!("{} bytes are the limit", super::BODY_LIMIT))
    }

    /// 400: the SDP breaks off or breaks a rule at this place; lines and columns count from 1.
    #[must_use]
    pub fn malformed_sdp(line: usize, column: usize, why: &str) -> Self {
        Self::new(400, "The SDP can't be read")
            .detail(format!("line {line}, column {column}: {why}"))
            .member("line", line)
            .member("column", column)
    }

    /// The response that carries it.
    #[must_use]
    pub fn into_response(self) -> Response {
        let mut document = Map::new();
        document.insert("type".into(), "about:blank".into());
        document.insert("title".into(), self.title.into());
        document.insert("status".into(), self.status.into());
        document.extend(self.detail.map(|detail| ("detail".into(), detail.into())));
        document.extend(self.members.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let mut response = Response::new(self.status)
            .body("application/problem+json", Value::Object(document).to_string());
        response.headers.extend(self.headers);
        response
    }
}

/// At most 100 characters of what a stranger sent: enough to recognise it.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_where_the_sdp_breaks() {
        let response = Problem::malformed_sdp(3, 1, "no `=`").into_response();
        assert_eq!(response.status, 400);
        assert_eq!(response.find("content-type"), Some("application/problem+json"));
        let document: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(document["title"], "The SDP can't be read");
        assert_eq!(document["detail"], "line 3, column 1: no `=`");
        assert_eq!((&document["line"], &document["status"]), (&3.into(), &400.into()));
    }

    #[test]
    fn a_wrong_type_is_told_the_right_one_and_not_echoed_without_end() {
        let response =
            Problem::wrong_type(Some(&"x".repeat(9_000)), "Accept-Post", "application/sdp")
                .into_response();
        assert_eq!((response.status, response.find("accept-post")), (415, Some("application/sdp")));
        assert!(response.body.len() < 400);
    }
}
