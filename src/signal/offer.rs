//! `POST /offer`: descriptions in JSON, as aiortc's example page and many others send them.
//!
//! ```text
//! POST /offer  {"sdp": "v=0...", "type": "offer"}  ->  200 {"sdp": "v=0...", "type": "answer"}
//! ```
//! It is W3C's `RTCSessionDescriptionInit`. There is no way to hang up but through the media; the
//! `Location` header names the call for those who look.
//!
//! Comes from [`super::route`]; goes out by [`answered`]. A caller asks by [`asked`] and reads
//! [`answer_in`]. Read next: `calls.rs`.

use super::{Ask, Dialect, Problem, Request, Response, is_type, whip};
use crate::sdp::Description;
use serde::Deserialize;
use serde_json::json;

/// The media type.
pub const JSON: &str = "application/json";

/// Members that nobody asked for (aiortc's page sends `video_transform`) are ignored.
#[derive(Deserialize)]
struct SessionDescription {
    sdp: String,
    #[serde(rename = "type")]
    kind: String,
}

impl SessionDescription {
    fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        // What is derived would take an array of both members, too.
        match json.trim_ascii_start() {
            [b'[', ..] => {
                Err(serde::de::Error::custom("it must be an object with `sdp` and `type`"))
            }
            _ => serde_json::from_slice(json),
        }
    }
}

/// `POST /offer`.
pub(super) fn post(request: &Request<'_>) -> Result<Ask, Problem> {
    if !is_type(request.content_type, JSON) {
        return Err(Problem::wrong_type(request.content_type, "Accept-Post", JSON));
    }
    let message = SessionDescription::read(request.body).map_err(malformed)?;
    if message.kind != "offer" {
        return Err(Problem::new(400, "Not an offer").detail("`type` must be \"offer\""));
    }
    let offer = whip::description(message.sdp.as_bytes())?;
    Ok(Ask::AcceptOffer(Box::new(offer), Dialect::Json))
}

/// 200: the answer.
#[must_use]
pub fn answered(id: &str, answer: &Description) -> Response {
    let message = json!({ "sdp": answer.to_string(), "type": "answer" });
    let mut response = Response::new(200).body(JSON, message.to_string());
    response.header("Location", whip::location(id));
    response
}

/// An offer of ours, for endpoints that speak JSON.
#[must_use]
pub fn asked(offer: &str) -> String {
    json!({ "sdp": offer, "type": "offer" }).to_string()
}

/// The answer in what such an endpoint sends back; none if there is none.
#[must_use]
pub fn answer_in(body: &[u8]) -> Option<String> {
    let message = SessionDescription::read(body).ok()?;
    (message.kind == "answer").then_some(message.sdp)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn malformed(error: serde_json::Error) -> Problem {
    let problem = Problem::new(400, "The JSON can't be read").detail(error.to_string());
    match error.line() {
        0 => problem, // all of it
        line => problem.member("line", line).member("column", error.column()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_json_is_said() {
        for (body, says) in [
            ("{", "line 1"),
            ("", "line 1"),
            ("[]", "must be an object"),
            (r#" ["v=0","offer"]"#, "must be an object"),
            (r#"{"type":"offer"}"#, "missing field `sdp`"),
            (r#"{"sdp":1,"type":"offer"}"#, "invalid type"),
            (r#"{"sdp":"v=0","type":"answer"}"#, "must be \\\"offer\\\""),
            (r#"{"sdp":"nonsense","type":"offer","x":1}"#, "line 1"),
        ] {
            let request = Request {
                content_type: Some("Application/JSON;charset=UTF-8"),
                body: body.as_bytes(),
                ..Request::default()
            };
            let response = post(&request).unwrap_err().into_response();
            let text = String::from_utf8(response.body).unwrap();
            assert!(response.status == 400 && text.contains(says), "{body}: {text}");
        }
    }

    #[test]
    fn a_json_body_of_another_type_is_refused() {
        // A page elsewhere may send text/plain without asking first; JSON it may not.
        let request = Request {
            content_type: Some("text/plain"),
            body: br#"{"sdp":"v=0","type":"offer"}"#,
            ..Request::default()
        };
        assert_eq!(post(&request).unwrap_err().status, 415);
    }
}
