//! One request: judged, read, routed, asked of the driver, answered.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::time::timeout;

use super::{Context, page};
use crate::net::driver::{CallId, CallState, CallSummary, Caller, Refusal};
use crate::net::world::World;
use crate::sdp::{Description, Fragment};
use crate::signal::origin::{self, BROWSER_MARKS, Browser, Head, Verdict};
use crate::signal::whip::{self, Exchange};
use crate::signal::{self, Ask, BODY_LIMIT, Dialect, Place, Problem, Step, calls, offer};

/// Answers one request. Whatever it holds, there is an answer.
pub(super) async fn answer(context: Context, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let verdict = origin::judge(&head(&request), &context.policy);
    let mut response = match &verdict {
        Verdict::Refused(why) => Problem::from(why).into_response(),
        Verdict::Own | Verdict::Allowed(_) => match served(&context, request, &verdict).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        },
    };
    verdict.mark(&mut response);
    carried(response)
}

fn head(request: &Request<Incoming>) -> Head<'_> {
    let marked = BROWSER_MARKS.iter().any(|name| request.headers().contains_key(*name));
    Head {
        origin: text_of(request.headers(), &header::ORIGIN),
        // A request through a proxy names the host in its first line instead (RFC 9112 3.2.2).
        host: match request.uri().authority() {
            Some(authority) => Some(authority.as_str()),
            None => text_of(request.headers(), &header::HOST),
        },
        browser: if marked { Browser::Marked } else { Browser::Unmarked },
    }
}

/// A header as text; one that is no text is as good as `""`, which matches nothing.
fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

async fn served(
    context: &Context,
    request: Request<Incoming>,
    verdict: &Verdict,
) -> Result<signal::Response, Problem> {
    let (head, body) = request.into_parts();
    let (method, path) = (head.method.as_str(), head.uri.path());
    if matches!(method, "GET" | "HEAD")
        && let Some(file) = page::file(path)
    {
        return Ok(file);
    }
    let waits = head.headers.contains_key(header::EXPECT);
    let body = read(body, waits).await?;
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
            Ok(response)
        }
        Step::Ask(ask) => perform(context, ask, if_match).await,
    }
}

/// Reads a body, within limits of size and time.
async fn read(mut body: Incoming, client_waits: bool) -> Result<Vec<u8>, Problem> {
    let announced = body.size_hint().lower();
    let too_large = usize::try_from(announced).map_or(true, |announced| announced > BODY_LIMIT);
    let mut read = Vec::new();
    if !too_large {
        match timeout(BODY_WITHIN, read_some(&mut body, &mut read)).await {
            Ok(Read::All) => return Ok(read),
            Ok(Read::Broken) => {
                return Err(Problem::new(400, "The body can't be read")
                    .detail("it breaks off, or its chunks are malformed"));
            }
            Err(_) => {
                return Err(Problem::new(408, "The body comes too slowly")
                    .detail(format!("{} s are the limit", BODY_WITHIN.as_secs()))
                    .header("Connection", "close"));
            }
            Ok(Read::TooMuch) => {}
        }
    }
    // A client that is still writing would see a reset connection instead of our answer, so what it
    // sends is taken and dropped for a while; unless it waits for our word first.
    if !client_waits {
        let _enough = timeout(DRAIN_WITHIN, drain(&mut body)).await;
    }
    Err(Problem::too_large().header("Connection", "close"))
}

enum Read {
    All,
    TooMuch,
    Broken,
}

async fn read_some(body: &mut Incoming, into: &mut Vec<u8>) -> Read {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Read::Broken };
        let Ok(bytes) = frame.into_data() else { continue };
        if into.len() + bytes.len() > BODY_LIMIT {
            return Read::TooMuch;
        }
        into.extend_from_slice(&bytes);
    }
    Read::All
}

async fn drain(body: &mut Incoming) {
    let mut dropped = 0;
    while let Some(Ok(frame)) = body.frame().await {
        dropped += frame.data_ref().map_or(0, Bytes::len);
        if dropped > DRAIN_LIMIT {
            return;
        }
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
async fn perform(
    context: &Context,
    ask: Ask,
    if_match: Option<&str>,
) -> Result<signal::Response, Problem> {
    let driver = &context.calls;
    let caller = Caller::at(context.remote);
    let refused = |refusal| problem(refusal, "");
    match ask {
        Ask::AcceptOffer(sdp, dialect) => {
            let (id, sdp) = driver.accept_offer(*sdp, caller).await.map_err(refused)?;
            match dialect {
                Dialect::Json => Ok(offer::answered(&id.to_string(), &sdp)),
                Dialect::Whip => created(context, id, &sdp).await,
            }
        }
        Ask::MakeOffer => {
            let (id, sdp) = driver.make_offer(caller).await.map_err(refused)?;
            created(context, id, &sdp).await
        }
        Ask::Exchange(id, sdp, exchange) => exchanged(context, &id, *sdp, exchange).await,
        Ask::Fragment(id, fragment) => trickled(context, &id, *fragment, if_match).await,
        Ask::HangUp(id) => {
            driver.hang_up(named(&id)?).await.map_err(|refusal| problem(refusal, &id))?;
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
    }
}

async fn created(
    context: &Context,
    id: CallId,
    sdp: &Description,
) -> Result<signal::Response, Problem> {
    let id_text = id.to_string();
    let call = context.calls.call(id).await.map_err(|refusal| problem(refusal, &id_text))?;
    Ok(whip::created(&id_text, &call.ufrag, sdp))
}

/// A description on a running call: the driver knows whether an offer of ours is open.
async fn exchanged(
    context: &Context,
    id: &str,
    sdp: Description,
    exchange: Exchange,
) -> Result<signal::Response, Problem> {
    let (driver, call) = (&context.calls, named(id)?);
    let refused = |refusal| problem(refusal, id);
    if exchange == Exchange::AnswerOrOffer {
        match driver.accept_answer(call, sdp.clone()).await {
            Ok(()) => return Ok(whip::applied()),
            Err(Refusal::WrongState { .. }) => {} // no offer is open: so this is one
            Err(refusal) => return Err(refused(refusal)),
        }
    }
    let answer = driver.renegotiate(call, sdp).await.map_err(refused)?;
    let ufrag = driver.call(call).await.map_err(refused)?.ufrag;
    Ok(whip::renegotiated(&ufrag, &answer))
}

async fn trickled(
    context: &Context,
    id: &str,
    fragment: Fragment,
    if_match: Option<&str>,
) -> Result<signal::Response, Problem> {
    let (driver, call) = (&context.calls, named(id)?);
    let refused = |refusal| problem(refusal, id);
    whip::precondition(if_match, &running(context, id).await?.ufrag)?;
    let Some(restarted) = driver.apply_fragment(call, fragment).await.map_err(refused)? else {
        return Ok(whip::applied());
    };
    let ufrag = driver.call(call).await.map_err(refused)?.ufrag;
    Ok(whip::restarted(&ufrag, &restarted))
}

fn problem(refusal: Refusal, id: &str) -> Problem {
    match refusal {
        Refusal::UnknownCall => Problem::unknown_call(id),
        Refusal::Malformed { detail } => Problem::new(400, "The SDP makes no sense").detail(detail),
        Refusal::NoUsableAudio { detail } => {
            Problem::new(406, "No usable audio in the offer").detail(detail)
        }
        Refusal::TooMany { limit, retry_after } => Problem::new(503, "Too many calls")
            .detail(format!("{limit} calls are running, and no more are taken"))
            .header("Retry-After", retry_after.as_secs().max(1).to_string()),
        Refusal::WrongState { detail } => Problem::new(409, "Not now").detail(detail),
        Refusal::System { detail } => {
            Problem::new(500, "This machine can't take the call").detail(detail)
        }
        Refusal::ShuttingDown => Problem::new(503, "halloo is ending").header("Retry-After", "10"),
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
        reason: call.ended.as_ref().map(|(_, reason)| reason.clone()),
    }
}

/// Puts a response into hyper's types; `Content-Length` comes from the body's known size.
fn carried(response: signal::Response) -> Response<Full<Bytes>> {
    let mut carried = Response::new(Full::new(Bytes::from(response.body)));
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

/// How long a body may take: 64 KiB in this time is a slow modem.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// How much of a body that is too large is taken before the answer.
const DRAIN_LIMIT: usize = 1024 * 1024;
/// And for how long.
const DRAIN_WITHIN: Duration = Duration::from_secs(1);
