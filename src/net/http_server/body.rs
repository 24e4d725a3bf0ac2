//! Reads a request's body, as long and as large as it may be, and packed in no way.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{self, HeaderMap};
use tokio::time::timeout;

use crate::signal::{BODY_LIMIT, Problem};

/// Refuses what would have to be unpacked first: a body is taken as it stands.
pub(super) fn refuse_packed(headers: &HeaderMap) -> Result<(), Problem> {
    let other = |name, plain: &str| {
        let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"));
        let mut codings = values.flat_map(|value| value.split(',')).map(str::trim);
        codings.find(|one| !one.is_empty() && !one.eq_ignore_ascii_case(plain)).map(str::to_owned)
    };
    // RFC 9112 section 6.1.
    if let Some(coding) = other(header::TRANSFER_ENCODING, "chunked") {
        return Err(Problem::new(501, "This Transfer-Encoding is not known here")
            .detail(format!("got {coding:.100?}; this takes chunked")));
    }
    // RFC 9110 section 15.5.16, RFC 7694 section 3.
    if let Some(coding) = other(header::CONTENT_ENCODING, "identity") {
        return Err(Problem::new(415, "This Content-Encoding is not known here")
            .detail(format!("got {coding:.100?}; this takes a body as it is"))
            .header("Accept-Encoding", "identity"));
    }
    Ok(())
}

/// Reads a body, within limits of size and time.
pub(super) async fn read(mut body: Incoming, client_waits: bool) -> Result<Vec<u8>, Problem> {
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

/// How long a body may take: 64 KiB in this time is a slow modem.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// How much of a body that is too large is taken before the answer.
const DRAIN_LIMIT: usize = 1024 * 1024;
/// And for how long.
const DRAIN_WITHIN: Duration = Duration::from_secs(1);
