//! WHIP: a call set up by HTTP (RFC 9725), spoken in both directions.
//!
//! ```text
//! POST   /whip       offer          -> 201 answer, Location, ETag
//! POST   /whip       (empty)        -> 201 offer, Location, ETag      halloo offers
//! PATCH  Location    answer         -> 204                            ... and is answered
//! PATCH  Location    offer          -> 200 answer                     hold, resume
//! PATCH  Location    sdpfrag        -> 204, or 200 sdpfrag and a new ETag after an ICE restart
//! DELETE Location                   -> 200                            hang up
//! ```
//! Why the ETag: PATCH requests can overtake each other, and a candidate of an old ICE session must
//! not be put into the new one. It is made of our ufrag, which names the ICE session already.
//!
//! Comes from [`super::route`]; the driver's results go out by [`created`], [`answered`], [`renegotiated`],
//! [`restarted`]. Read next: `offer.rs`, the same for pages that speak JSON.

use super::{Ask, Dialect, Problem, Request, Response, is_type};
use crate::sdp::{Description, Fragment, SdpError, Setup};

/// The media type of a description.
pub const SDP: &str = "application/sdp";
/// The media type of trickled candidates (RFC 8840).
pub const SDPFRAG: &str = "application/trickle-ice-sdpfrag";
/// What PATCH takes.
pub const PATCH_TYPES: &str = "application/trickle-ice-sdpfrag, application/sdp";

/// What a description on a running call may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// It says `setup:actpass`, so it is an offer.
    Offer,
    /// The answer if an offer of ours is open, else an offer.
    AnswerOrOffer,
}

/// `POST /whip`.
pub(super) fn post(request: &Request<'_>) -> Result<Ask, Problem> {
    // Some clients name a type even for a body that is not there.
    if request.body.is_empty() {
        return Ok(Ask::MakeOffer);
    }
    if !is_type(request.content_type, SDP) {
        return Err(Problem::wrong_type(request.content_type, "Accept-Post", SDP));
    }
    let offer = description(request.body)?;
    Ok(Ask::AcceptOffer(Box::new(offer), Dialect::Whip))
}

/// `PATCH /calls/ID`.
pub(super) fn patch(id: &str, request: &Request<'_>) -> Result<Ask, Problem> {
    if is_type(request.content_type, SDP) {
        let sdp = description(request.body)?;
        let exchange = match says_actpass(&sdp) {
            true => Exchange::Offer,
            false => Exchange::AnswerOrOffer,
        };
        return Ok(Ask::Exchange(id.to_owned(), Box::new(sdp), exchange));
    }
    if is_type(request.content_type, SDPFRAG) {
        let fragment = text(request.body)?.parse::<Fragment>().map_err(malformed)?;
        return Ok(Ask::Fragment(id.to_owned(), Box::new(fragment)));
    }
    Err(Problem::wrong_type(request.content_type, "Accept-Patch", PATCH_TYPES))
}

/// 201: a call exists now. The body is our answer, or our offer if the POST was empty.
#[must_use]
pub fn created(id: &str, ufrag: &str, description: &Description) -> Response {
    let mut response = Response::new(201).body(SDP, description.to_string());
    // An absolute path: we can't know by which scheme and name a proxy is reached.
    response.header("Location", location(id));
    response.header("ETag", entity_tag(ufrag));
    response.header("Accept-Patch", PATCH_TYPES);
    response
}

/// 204: the answer to our offer holds. The ETag is new if the offer began ICE anew.
#[must_use]
pub fn answered(ufrag: &str) -> Response {
    let mut response = Response::new(204);
    response.header("ETag", entity_tag(ufrag));
    response
}

/// 200: a new offer on a running call was answered; the ETag is new if it restarted ICE.
#[must_use]
pub fn renegotiated(ufrag: &str, answer: &Description) -> Response {
    let mut response = Response::new(200).body(SDP, answer.to_string());
    response.header("ETag", entity_tag(ufrag));
    response
}

/// 200: ICE was restarted; here are our new ufrag, password and candidates.
#[must_use]
pub fn restarted(ufrag: &str, fragment: &Fragment) -> Response {
    let mut response = Response::new(200).body(SDPFRAG, fragment.to_string());
    response.header("ETag", entity_tag(ufrag));
    response
}

/// 204: applied, nothing to tell. rfc9725-4.3.2-1: without an ETag.
#[must_use]
pub const fn applied() -> Response {
    Response::new(204)
}

/// 200: hung up.
#[must_use]
pub const fn hung_up() -> Response {
    Response::new(200)
}

/// The path of a call.
#[must_use]
pub fn location(id: &str) -> String {
    format!("/calls/{id}")
}

/// A strong entity tag that names the ICE session.
#[must_use]
pub fn entity_tag(ufrag: &str) -> String {
    format!("\"{ufrag}\"")
}

/// Whether a fragment may be applied to the ICE session that our `ufrag` names (RFC 9725 section
/// 4.3.1).
///
/// # Errors
/// 428 without `If-Match`; 412 if it names another session.
pub fn precondition(if_match: Option<&str>, ufrag: &str) -> Result<(), Problem> {
    let Some(tags) = if_match.map(str::trim).filter(|tags| !tags.is_empty()) else {
        return Err(Problem::new(428, "Which ICE session?").detail(
            "send If-Match with the ETag of the 201, or with * for an ICE restart (RFC 9725)",
        ));
    };
    let current = entity_tag(ufrag);
    // Strong comparison: `W/"..."` never matches (RFC 9110 section 13.1.1). RFC 9725's own example writes
    // the star in quotes; no ufrag of ours is a star.
    if matches!(tags, "*" | "\"*\"") || tags.split(',').any(|tag| tag.trim() == current) {
        return Ok(());
    }
    Err(Problem::new(412, "Another ICE session")
        .detail("If-Match names an ICE session that a restart has replaced"))
}

/// Whether it leaves the DTLS role to the other side, as only an offer may (RFC 5763 section 5).
fn says_actpass(sdp: &Description) -> bool {
    sdp.sections().any(|section| section.setup() == Some(Setup::ActPass))
}

/// Reads a description from a body.
pub(super) fn description(body: &[u8]) -> Result<Description, Problem> {
    text(body)?.parse().map_err(malformed)
}

fn malformed(error: SdpError) -> Problem {
    Problem::malformed_sdp(error.line, error.column, &error.reason.to_string())
}

/// SDP is UTF-8 (RFC 8866 section 5); the first byte that isn't is shown by its line and column.
fn text(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|e| {
        let good = body.get(..e.valid_up_to()).unwrap_or_default();
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        let column = 1 + good.iter().rev().take_while(|byte| **byte != b'\n').count();
        Problem::malformed_sdp(line, column, "this byte is not UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Step, route};

    fn status(step: Step) -> (u16, Response) {
        match step {
            Step::Respond(response) => (response.status, response),
            Step::Ask(ask) => panic!("asked the driver: {ask:?}"),
        }
    }

    #[test]
    fn an_empty_post_asks_for_an_offer_whatever_its_type() {
        for content_type in [None, Some("application/sdp"), Some("application/octet-stream")] {
            let request =
                Request { method: "POST", path: "/whip", content_type, ..Request::default() };
            assert!(matches!(route(&request), Step::Ask(Ask::MakeOffer)));
        }
    }

    #[test]
    fn what_is_no_description_is_refused_with_its_line() {
        // rfc9725-4.2-2
        let post = |body| Request {
            method: "POST",
            path: "/whip",
            content_type: Some("application/SDP; charset=utf-8"),
            body,
            ..Request::default()
        };
        for (body, line) in [(&b"hello"[..], 1), (b"v=0\r\n\xff", 2), (b"v=0\r\nbye\r\n", 2)] {
            let (status, response) = status(route(&post(body)));
            let problem: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
            assert_eq!((status, &problem["line"]), (400, &line.into()), "{problem}");
        }
    }

    #[test]
    fn a_wrong_type_is_told_the_right_ones() {
        let mut request = Request {
            method: "POST",
            path: "/whip",
            content_type: Some("text/plain"),
            body: b"v=0\r\n",
            ..Request::default()
        };
        let (code, response) = status(route(&request));
        assert_eq!((code, response.find("Accept-Post")), (415, Some(SDP)));
        (request.method, request.path) = ("PATCH", "/calls/abc");
        let (code, response) = status(route(&request));
        assert_eq!((code, response.find("Accept-Patch")), (415, Some(PATCH_TYPES)));
    }

    #[test]
    fn if_match_is_compared_as_rfc_9725_asks() {
        // rfc9725-4.3.1-2
        for (if_match, refused) in [
            (None, Some(428)),
            (Some(" "), Some(428)),
            (Some("\"abcd\""), None),
            (Some("\"x\", \"abcd\""), None),
            (Some("*"), None),
            (Some("\"*\""), None),
            (Some("abcd"), Some(412)),
            (Some("W/\"abcd\""), Some(412)),
            (Some("\"efgh\""), Some(412)),
        ] {
            let result = precondition(if_match, "abcd");
            assert_eq!(result.err().map(|problem| problem.status), refused, "{if_match:?}");
        }
    }
}
