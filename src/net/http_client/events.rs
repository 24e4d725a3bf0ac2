//! Reads `/calls/ID/events` of the call that we placed, for as long as it lasts.
//!
//! Only a halloo has such a place. Any other server answers something else than a stream of events, or
//! nothing, and is not asked again. A stream that breaks is asked for again; what it then tells once more
//! is left out.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::Client;
use crate::signal::events::EVENT_STREAM;
use crate::signal::events::stream::{Parser, Told, Unheard, told};

/// Why there is no stream.
enum NoStream {
    /// Too many read already: there may be room later.
    Full,
    /// Nothing came back.
    Silence,
    /// Something that is no stream of events.
    SomethingElse,
}

/// Why a stream ended.
enum Left {
    /// There is none, or its call has ended, or nobody listens here any more.
    ForGood,
    /// It broke.
    Broken,
}

impl Client {
    /// Sends on what the events of the call at `call` mean, until it ends.
    pub(super) async fn follow(self, call: Uri, to: mpsc::Sender<Told>) {
        let Some(events) = events_of(&call) else { return };
        let mut unheard = Unheard::default();
        let mut wait = FIRST_WAIT;
        let mut is_halloo = false;
        loop {
            match self.open(&events).await {
                Ok(body) => {
                    is_halloo = true;
                    wait = FIRST_WAIT;
                    if let Left::ForGood = read(body, &mut unheard, &to).await {
                        return;
                    }
                }
                Err(NoStream::Full) => {}
                Err(NoStream::Silence) if is_halloo => {}
                // The media may do without.
                Err(NoStream::Silence | NoStream::SomethingElse) => return,
            }
            tokio::select! {
                () = sleep(wait) => wait = (2 * wait).min(LONGEST_WAIT),
                () = to.closed() => return,
            }
        }
    }

    async fn open(&self, events: &Uri) -> Result<Incoming, NoStream> {
        let asked = self.send_with(Method::GET, events, &[(header::ACCEPT, EVENT_STREAM)], "");
        let Ok(Ok(response)) = timeout(HEAD_WITHIN, asked).await else {
            return Err(NoStream::Silence);
        };
        let content_type = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::to_str);
        let is_stream = content_type.is_some_and(|it| {
            let bare = it.ok().and_then(|it| it.split(';').next()).unwrap_or_default();
            bare.trim().eq_ignore_ascii_case(EVENT_STREAM)
        });
        match (response.status(), is_stream) {
            (StatusCode::OK, true) => Ok(response.into_body()),
            (StatusCode::SERVICE_UNAVAILABLE, _) => Err(NoStream::Full),
            _ => Err(NoStream::SomethingElse),
        }
    }
}

async fn read(mut body: Incoming, unheard: &mut Unheard, to: &mpsc::Sender<Told>) -> Left {
    let mut parser = Parser::default();
    loop {
        let frame = tokio::select! {
            frame = timeout(SILENT_FOR, body.frame()) => frame,
            () = to.closed() => return Left::ForGood,
        };
        let Ok(Some(Ok(frame))) = frame else { return Left::Broken };
        let Ok(bytes) = frame.into_data() else { continue };
        parser.push(&bytes);
        match parser.take_dropped() {
            0 => {}
            many => tracing::debug!("{many} of the call's events were dropped: too long"),
        }
        while let Some(message) = parser.next_message() {
            if !unheard.is_new(&message) {
                continue;
            }
            let Some(told) = told(&message) else { continue };
            let last = matches!(told, Told::Ended { .. });
            if to.send(told).await.is_err() || last {
                return Left::ForGood;
            }
        }
    }
}

/// `/calls/ID` to `/calls/ID/events`, on the same host.
fn events_of(call: &Uri) -> Option<Uri> {
    let (scheme, authority) = (call.scheme_str()?, call.authority()?);
    format!("{scheme}://{authority}{}/events", call.path().trim_end_matches('/')).parse().ok()
}

/// How long the head may take.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// halloo says something every 15 s, if only that it is still there.
const SILENT_FOR: Duration = Duration::from_secs(40);
/// Before the first new try; then twice as long each time.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_below_the_call() {
        for (call, events) in [
            ("http://a.example:81/calls/x", "http://a.example:81/calls/x/events"),
            ("https://a.example/r/7/?key=1", "https://a.example/r/7/events"),
        ] {
            assert_eq!(events_of(&call.parse().unwrap()), Some(events.parse().unwrap()));
        }
    }
}
