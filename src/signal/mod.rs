//! Signalling: how two sides that can't reach each other's media yet hand over their descriptions.
//!
//! WHIP, RFC 9725, both ways: an HTTP POST carries an offer and brings back the answer; a URL of the
//! call's own then takes candidates (PATCH) and the hang-up (DELETE). Beside it what aiortc's example
//! page speaks ([`offer`]), JSON that tells about calls ([`calls`]), and their [`events`] as they
//! happen. Without any server, people carry lines of text ([`paste`]). Errors are problem documents ([`problem`], RFC 9457). Left out: `Link: rel="ice-server"`.
//!
//! No IO here. [`route`] turns a request into a [`Step`]: either the response, or an [`Ask`] that
//! names what the driver of the calls must do first. The file that made the ask also turns its
//! result into the response. `net::http_server` carries both ways; [`origin`] and [`token`] are asked
//! before.
//!
//! ```text
//! request -> origin::judge -> route -> Respond(response)
//!                                  \-> Ask(...) -> driver -> whip::created, calls::list, ...
//! ```
//! Read first: [`whip`]. Then [`origin`]. Next layer: [`crate::net`].

pub mod calls;
pub mod events;
pub mod offer;
pub mod origin;
pub mod paste;
pub mod problem;
pub mod token;
pub mod whip;

pub use problem::Problem;

use crate::sdp::{Description, Fragment};

/// No body may be larger: 64 KiB; a browser's offer with video is about 8.
pub const BODY_LIMIT: usize = 64 * 1024;

/// A request, with the headers that matter here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    /// The `Content-Type` header.
    pub content_type: Option<&'a str>,
    /// The `If-Match` header.
    pub if_match: Option<&'a str>,
    /// All of the body.
    pub body: &'a [u8],
}

/// What a request leads to.
#[derive(Debug)]
pub enum Step {
    /// This is the answer already.
    Respond(Response),
    /// The driver must be asked.
    Ask(Ask),
}

/// What the driver must be asked.
#[derive(Debug)]
pub enum Ask {
    /// Take this offer; the answer goes out by [`whip::created`] or [`offer::answered`].
    AcceptOffer(Box<Description>, Dialect),
    /// Make an offer; it goes out by [`whip::created`].
    MakeOffer,
    /// An answer to our offer, or an offer on a running call: [`whip::Exchange`] says which to try.
    Exchange(String, Box<Description>, whip::Exchange),
    /// Candidates, or an ICE restart.
    Fragment(String, Box<Fragment>),
    /// End the call.
    HangUp(String),
    /// All calls: [`calls::list`].
    Calls,
    /// One call: [`calls::one`].
    Call(String),
    /// Its statistics: [`calls::stats`].
    Stats(String),
    /// Its events from the beginning: [`events::head`], then each as [`events::message`].
    Events(String),
}

/// How an offer came, and so how its answer must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 9725.
    Whip,
    /// JSON, as aiortc's example page.
    Json,
}

/// Decides what a request means. Its origin was judged before.
#[must_use]
pub fn route(request: &Request<'_>) -> Step {
    let Some(place) = Place::at(request.path) else {
        let detail = "there are /, /whip, /offer, /calls, /calls/ID, its /stats and /events";
        return Problem::new(404, "Nothing here").detail(detail).into();
    };
    let step = match (request.method, place) {
        ("OPTIONS", place) => return Step::Respond(place.options()),
        ("GET" | "HEAD", Place::Whip) => return Step::Respond(Response::new(204)),
        ("POST", Place::Whip) => whip::post(request),
        ("PATCH", Place::Call(id)) => whip::patch(id, request),
        ("DELETE", Place::Call(id)) => Ok(Ask::HangUp(id.to_owned())),
        ("POST", Place::Offer) => offer::post(request),
        ("GET" | "HEAD", Place::Calls) => Ok(Ask::Calls),
        ("GET" | "HEAD", Place::Call(id)) => Ok(Ask::Call(id.to_owned())),
        ("GET" | "HEAD", Place::Stats(id)) => Ok(Ask::Stats(id.to_owned())),
        ("GET" | "HEAD", Place::Events(id)) => Ok(Ask::Events(id.to_owned())),
        (_, place) => Err(Problem::new(405, "Not a method for this place")
            .detail(format!("this takes {}", place.methods()))
            .header("Allow", place.methods())),
    };
    step.map_or_else(Step::from, Step::Ask)
}

impl From<Problem> for Step {
    fn from(problem: Problem) -> Self {
        Self::Respond(problem.into_response())
    }
}

/// The places that requests can go to. The page itself is `net::http_server`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// `/` and the page's other files.
    Page,
    /// `/whip`
    Whip,
    /// `/offer`
    Offer,
    /// `/calls`
    Calls,
    /// `/calls/ID`
    Call(&'a str),
    /// `/calls/ID/stats`
    Stats(&'a str),
    /// `/calls/ID/events`
    Events(&'a str),
}

impl<'a> Place<'a> {
    /// The place at this path, if there is one.
    #[must_use]
    pub fn at(path: &'a str) -> Option<Self> {
        match path {
            "/" | "*" => return Some(Self::Page),
            "/whip" => return Some(Self::Whip),
            "/offer" => return Some(Self::Offer),
            "/calls" => return Some(Self::Calls),
            _ => {}
        }
        let call = path.strip_prefix("/calls/")?;
        match call.split_once('/') {
            None if !call.is_empty() => Some(Self::Call(call)),
            Some((id, "stats")) if !id.is_empty() => Some(Self::Stats(id)),
            Some((id, "events")) if !id.is_empty() => Some(Self::Events(id)),
            _ => None,
        }
    }

    /// What may be done there, as `Allow` says it.
    #[must_use]
    pub const fn methods(self) -> &'static str {
        match self {
            Self::Page | Self::Calls | Self::Stats(_) | Self::Events(_) => "GET, HEAD, OPTIONS",
            Self::Whip => "POST, GET, HEAD, OPTIONS",
            Self::Offer => "POST, OPTIONS",
            Self::Call(_) => "GET, HEAD, PATCH, DELETE, OPTIONS",
        }
    }

    /// rfc9725-4.2-4: OPTIONS says which types POST and PATCH take.
    fn options(self) -> Response {
        let mut response = Response::new(200);
        response.header("Allow", self.methods());
        match self {
            Self::Whip => response.header("Accept-Post", whip::SDP),
            Self::Offer => response.header("Accept-Post", offer::JSON),
            Self::Call(_) => response.header("Accept-Patch", whip::PATCH_TYPES),
            Self::Page | Self::Calls | Self::Stats(_) | Self::Events(_) => {}
        }
        response
    }
}

/// What goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Headers in the order in which they go out; `Content-Length` is added by the carrier.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Only a status.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Gives it a body.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        self.header("Content-Type", content_type);
        self.body = body.into();
        self
    }

    /// Adds a header.
    pub fn header(&mut self, name: &'static str, value: impl Into<String>) {
        self.headers.push((name, value.into()));
    }

    /// The first header of this name, in any case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// Whether a `Content-Type` is this media type; parameters and case don't count (RFC 9110 8.3.1).
fn is_type(content_type: Option<&str>, wanted: &str) -> bool {
    let bare = content_type.and_then(|it| it.split(';').next()).unwrap_or_default();
    bare.trim().eq_ignore_ascii_case(wanted)
}
