//! One request: judged, read, routed, asked of the driver, answered.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio::time::sleep;

use super::events::{Outgoing, stream};
use super::path::plain_path;
use super::{Context, Link, Role, body, page, redirect, tab};
use crate::net::driver::{
    Applied, CallId, CallState, CallSummary, Caller, Exchanged, Handle, Refusal,
};
use crate::net::world::World;
use crate::peer::event::Side;
use crate::sdp::{Description, Fragment};
use crate::signal::origin::{self, BROWSER_MARKS, Browser, Head, Policy, Verdict};
use crate::signal::token::Bearing;
use crate::signal::whip::{self, Exchange};
use crate::signal::{self, Ask, Dialect, Place, Problem, Step, calls, events, offer};

/// Answers one request. Whatever it holds, there is an answer.
pub(super) async fn answer(context: Context, request: Request<Incoming>) -> Response<Outgoing> {
    let head = head(&request, &context);
    let (verdict, bearing) = (origin::judge(&head, &context.policy), head.bearing);
    let served = match &verdict {
        _ if !names_one_host(&request) => Err(Problem::new(400, "Which host?").detail(
            "HTTP/1.1 asks for one Host header, no less and no more (RFC 9112 section 3.2)",
        )),
        Verdict::Refused(why) => Err(Problem::from(why)),
        _ if context.link == Link::Exposed => redirected(&context, request).await,
        Verdict::Own | Verdict::Allowed(_) => served(&context, request, &verdict, bearing).await,
    };
    let mut answer = served.unwrap_or_else(|problem| problem.into_response().into());
    verdict.mark(&mut answer.response);
    carried(answer)
}

/// An answer; its body is that of the response unless it comes as a stream.
struct Answer {
    response: signal::Response,
    stream: Option<Outgoing>,
}

impl From<signal::Response> for Answer {
    fn from(response: signal::Response) -> Self {
        Self { response, stream: None }
    }
}

fn head<'a>(request: &'a Request<Incoming>, context: &Context) -> Head<'a> {
    let marked = BROWSER_MARKS.iter().any(|name| request.headers().contains_key(*name));
    Head {
        origin: text_of(request.headers(), &header::ORIGIN),
        // A request through a proxy names the host in its first line instead (RFC 9112 3.2.2).
        host: match request.uri().authority() {
            Some(authority) => Some(authority.as_str()),
            None => text_of(request.headers(), &header::HOST),
        },
        scheme: context.scheme,
        browser: if marked { Browser::Marked } else { Browser::Unmarked },
        bearing: bearing(request, &context.policy),
    }
}

/// A request that names none, or two, means one thing to us and another to a proxy in front.
fn names_one_host(request: &Request<Incoming>) -> bool {
    let named = request.headers().get_all(header::HOST).iter().count();
    named == 1 || (named == 0 && request.version() < Version::HTTP_11)
}

fn bearing(request: &Request<Incoming>, policy: &Policy) -> Bearing {
    let Some(token) = &policy.token else { return Bearing::Nothing };
    let headers = request.headers();
    // A preflight can't bear the token itself; it names the headers that will come.
    let promised = text_of(headers, &header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    let mut promised = promised.split(',').map(str::trim);
    if request.method() == Method::OPTIONS
        && promised.any(|name| name.eq_ignore_ascii_case(header::AUTHORIZATION.as_str()))
    {
        return Bearing::Promised;
    }
    token.borne_by(headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes))
}

/// A header as text; one that is no text, or comes twice, is as good as `""`, which is refused everywhere.
fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().unwrap_or_default();
    Some(if values.next().is_none() { first } else { "" })
}

/// No call in the clear: not even looked at.
async fn redirected(context: &Context, request: Request<Incoming>) -> Result<Answer, Problem> {
    let (parts, body) = request.into_parts();
    if !parts.headers.contains_key(header::EXPECT) {
        let _taken_so_that_the_answer_is_read = body::read(body, false).await;
    }
    let host = text_of(&parts.headers, &header::HOST);
    redirect::to_https(host, &parts.uri, context.port).map(Answer::from)
}

async fn served(
    context: &Context,
    request: Request<Incoming>,
    verdict: &Verdict,
    bearing: Bearing,
) -> Result<Answer, Problem> {
    let (head, body) = request.into_parts();
    let (method, path) = (head.method.as_str(), plain_path(head.uri.path()));
    let file = page::file(&path, context.role, &context.name);
    // All files of the page are one place: what can't be done there is told alike.
    let path = if file.is_some() { "/" } else { &*path };
    if let ("GET" | "HEAD", Some(file)) = (method, file) {
        return Ok(file.into());
    }
    let waits = head.headers.contains_key(header::EXPECT);
    if context.policy.token.is_some() && bearing != Bearing::Right && method != "OPTIONS" {
        if bearing == Bearing::Wrong {
            let _others_who_guess = context.guesses.lock().await;
            sleep(BETWEEN_GUESSES).await;
        }
        if !waits {
            let _taken_so_that_the_answer_is_read = body::read(body, waits).await;
        }
        return Err(Problem::unauthorized(bearing));
    }
    let body = body::read(body, waits).await?;
    body::refuse_packed(&head.headers)?;
    let _until_answered = context.seat.owe();
    let if_match = text_of(&head.headers, &header::IF_MATCH);
    // What can't be changed any more is said first, whatever the change would have been.
    if let (Some(Place::Call(id)), "PATCH" | "DELETE") = (Place::at(path), method) {
        running(context, id).await?;
    }
    let step = signal::route(&signal::Request {
        method,
        path,
        content_type: text_of(&head.headers, &header::CONTENT_TYPE),
        if_match,
        body: &body,
    });
    match step {
        Step::Respond(mut response) => {
            if let (Some(place), "OPTIONS") = (Place::at(path), method) {
                verdict.mark_preflight(&mut response, place.methods());
            }
            Ok(response.into())
        }
        Step::Ask(ask) => perform(context, ask, if_match).await,
    }
}

/// The call in a path, if it can still be changed.
async fn running(context: &Context, id: &str) -> Result<CallSummary, Problem> {
    let call = context.calls.call(named(id)?).await.map_err(|refusal| problem(refusal, id))?;
    match call.state {
        CallState::Ended => Err(Problem::unknown_call(id)),
        CallState::Ringing | CallState::Connecting | CallState::Connected => Ok(call),
    }
}

fn named(id: &str) -> Result<CallId, Problem> {
    id.parse().map_err(|_| Problem::unknown_call(id))
}

/// Asks the driver, and makes its result the response.
async fn perform(context: &Context, ask: Ask, if_match: Option<&str>) -> Result<Answer, Problem> {
    let driver = &context.calls;
    let caller = Caller::at(context.remote);
    let refused = |refusal| problem(refusal, "");
    let done = match ask {
        Ask::AcceptOffer(sdp, dialect) => {
            tab::takes_calls(context)?;
            // Held while it rings; dropped with the connection, it stops ringing.
            let taken = match context.answering.asks(&caller) {
                false => driver.accept_offer(*sdp, caller).await,
                true => decided(driver, Some(*sdp), caller).await,
            };
            let (id, sdp) = taken.map_err(refused)?;
            match dialect {
                Dialect::Json => Ok(offer::answered(&id.to_string(), &sdp)),
                Dialect::Whip => Ok(created(id, &sdp)),
            }
        }
        Ask::MakeOffer => {
            let made = match context.answering.asks(&caller) {
                _ if context.role == Role::CallsTab => tab::offer(context, caller).await,
                false => driver.make_offer(caller).await,
                true => decided(driver, None, caller).await,
            };
            let (id, sdp) = made.map_err(refused)?;
            Ok(created(id, &sdp))
        }
        Ask::Exchange(id, sdp, exchange) => exchanged(context, &id, *sdp, exchange, if_match).await,
        Ask::Fragment(id, fragment) => trickled(context, &id, *fragment, if_match).await,
        Ask::HangUp(id) => {
            driver
                .hang_up(named(&id)?, Side::Remote)
                .await
                .map_err(|refusal| problem(refusal, &id))?;
            Ok(whip::hung_up())
        }
        Ask::Calls => {
            let rows: Vec<_> =
                driver.calls().await.iter().map(|call| row(call, driver.world())).collect();
            Ok(calls::list(&rows))
        }
        Ask::Call(id) => {
            let call = driver.call(named(&id)?).await.map_err(|refusal| problem(refusal, &id))?;
            Ok(calls::one(&row(&call, driver.world())))
        }
        Ask::Stats(id) => {
            let stats = driver.stats(named(&id)?).await;
            Ok(calls::stats(&stats.map_err(|refusal| problem(refusal, &id))?))
        }
        Ask::Events(id) => return followed(context, &id).await,
    };
    done.map(Answer::from)
}

/// What the person says to a call.
async fn decided(
    driver: &Handle,
    offer: Option<Description>,
    caller: Caller,
) -> Result<(CallId, Description), Refusal> {
    driver.ring(offer, caller).await?.decided().await
}

/// The events of a call, as they happen.
async fn followed(context: &Context, id: &str) -> Result<Answer, Problem> {
    let call = named(id)?;
    let place = Arc::clone(&context.followers).try_acquire_owned().map_err(|_| {
        Problem::new(503, "Too many followers")
            .detail("as many as may do so follow the events of calls already")
            .header("Retry-After", "10")
    })?;
    let story = context.calls.follow(call).await.map_err(|refusal| problem(refusal, id))?;
    let place = (place, context.seat.owe());
    let stream = stream(call, story, Arc::clone(&context.seat.cut), place);
    Ok(Answer { response: events::head(), stream: Some(stream) })
}

/// Made without a further question: whoever goes meanwhile would leave the call behind.
fn created(id: CallId, sdp: &Description) -> signal::Response {
    let ufrag = sdp.sections().find_map(|section| section.ice_ufrag()).unwrap_or_default();
    whip::created(&id.to_string(), ufrag, sdp)
}

/// A description on a running call: the driver knows whether an offer of ours is open.
async fn exchanged(
    context: &Context,
    id: &str,
    sdp: Description,
    exchange: Exchange,
    if_match: Option<&str>,
) -> Result<signal::Response, Problem> {
    // It need not be there (RFC 9725 knows no such PATCH); if it is, it counts (RFC 9110 13.1.1).
    if if_match.is_some() {
        whip::precondition(if_match, &running(context, id).await?.ufrag)?;
    }
    let done = context.calls.exchange(named(id)?, sdp, exchange).await;
    let Exchanged { answer, ufrag } = done.map_err(|refusal| problem(refusal, id))?;
    Ok(match answer {
        Some(answer) => whip::renegotiated(&ufrag, &answer),
        None => whip::answered(&ufrag),
    })
}

async fn trickled(
    context: &Context,
    id: &str,
    fragment: Fragment,
    if_match: Option<&str>,
) -> Result<signal::Response, Problem> {
    let (driver, call) = (&context.calls, named(id)?);
    let session = running(context, id).await?.ufrag;
    whip::precondition(if_match, &session)?;
    let done = driver.apply_fragment(call, fragment, Some(session)).await;
    let Applied { restarted, ufrag } = done.map_err(|refusal| problem(refusal, id))?;
    Ok(restarted.map_or_else(whip::applied, |fragment| whip::restarted(&ufrag, &fragment)))
}

fn problem(refusal: Refusal, id: &str) -> Problem {
    let detail = refusal.to_string();
    match refusal {
        Refusal::UnknownCall => Problem::unknown_call(id),
        Refusal::Malformed { detail } => Problem::new(400, "The SDP makes no sense").detail(detail),
        Refusal::NoUsableAudio { detail } => Problem::new(406, "No usable audio").detail(detail),
        Refusal::NotAcceptable { detail } => {
            Problem::new(406, "A running call can't become that").detail(detail)
        }
        Refusal::OtherSession => Problem::new(412, "Another ICE session").detail(detail),
        Refusal::Declined => Problem::new(403, "The call was declined")
            .detail("the person who was asked did not take it"),
        Refusal::Deleted => Problem::new(410, "The call was hung up").detail(detail),
        Refusal::NobodyAnswered => Problem::new(503, "Nobody answered")
            .detail("it rang, and nobody took the call")
            .header("Retry-After", "60"),
        Refusal::TooMany { limit, retry_after } => Problem::new(503, "Too many calls")
            .detail(format!("no more than {limit} at a time"))
            .header("Retry-After", retry_after.as_secs().max(1).to_string()),
        Refusal::WrongState { detail } => Problem::new(409, "Not now").detail(detail),
        Refusal::System { detail } => {
            Problem::new(500, "This machine can't take the call").detail(detail)
        }
        Refusal::NoWay { detail } => {
            Problem::new(503, "No way through").detail(detail).header("Retry-After", "60")
        }
        Refusal::ShuttingDown => Problem::new(503, "halloo is ending")
            .detail("the program was told to end; no call is taken any more")
            .header("Retry-After", "10"),
    }
}

fn row(call: &CallSummary, world: World) -> calls::Row {
    let moment = |at| calls::rfc3339(world.since_1970(at));
    calls::Row {
        id: call.id.to_string(),
        state: match call.state {
            CallState::Ringing => "ringing",
            CallState::Connecting => "connecting",
            CallState::Connected => "connected",
            CallState::Ended => "ended",
        },
        since: moment(call.since),
        began: moment(call.began),
        caller: call.caller.signalling.map(|address| address.to_string()),
        direction: call.directions,
        reason: call.ended.as_ref().map(|(_, reason)| reason.clone()),
    }
}

/// Puts a response into hyper's types; `Content-Length` comes from the body's known size.
fn carried(Answer { response, stream }: Answer) -> Response<Outgoing> {
    let whole = || Outgoing::Whole(Full::new(Bytes::from(response.body)));
    let mut carried = Response::new(stream.unwrap_or_else(whole));
    *carried.status_mut() =
        StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = carried.headers_mut();
    for (name, value) in response.headers {
        // A value that no header can hold is left out; none of ours is.
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value))
        {
            headers.append(name, value);
        }
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    carried
}

/// Ten guesses a second, all who guess together, find no secret worth the name.
const BETWEEN_GUESSES: Duration = Duration::from_millis(100);
