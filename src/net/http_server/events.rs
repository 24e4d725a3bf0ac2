//! The stream of `GET /calls/ID/events`: what was, then what is, until `ended`.
//!
//! The driver's events are copied into a short queue of each reader. Whoever reads too slowly for it is
//! cut off, connection and all, and may come again: a call's story is kept, a reader's backlog is not.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use crate::net::driver::{CallId, Followed, TimedEvent};
use crate::peer::event::Event;
use crate::signal::events;

/// The body of an answer.
pub(super) enum Outgoing {
    /// All of it is there; its length is told.
    Whole(Full<Bytes>),
    /// It comes as things happen.
    Events(mpsc::Receiver<Bytes>),
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Events(events) => {
                events.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

/// Starts the stream. `cut` ends the connection; `place` is given back when nobody follows any more.
pub(super) fn stream(
    call: CallId,
    (history, live, reader): Followed,
    cut: Arc<Notify>,
    place: impl Send + 'static,
) -> Outgoing {
    let (queue, read) = mpsc::channel(QUEUE);
    let follower = Follower { call: call.to_string(), queue };
    tokio::spawn(async move {
        if follower.follow(call, history, live).await == Left::TooSlow {
            tracing::debug!(%call, "a reader of its events is too slow, and is cut off");
            cut.notify_one();
        }
        drop((place, reader));
    });
    Outgoing::Events(read)
}

/// One reader.
struct Follower {
    call: String,
    queue: mpsc::Sender<Bytes>,
}

/// How a stream came to its end.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    /// The call is over, or the program, or the reader is gone.
    Done,
    /// The reader doesn't keep up.
    TooSlow,
}

impl Follower {
    async fn follow(
        &self,
        call: CallId,
        history: Vec<TimedEvent>,
        mut live: broadcast::Receiver<(CallId, TimedEvent)>,
    ) -> Left {
        let mut alive = interval(KEEP_ALIVE_EACH);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for timed in history {
            // The past is not too much for anybody: it waits until it is read, but not for ever.
            let sent = tokio::time::timeout(PAST_WITHIN, self.queue.send(self.message(&timed)));
            match sent.await {
                Ok(Ok(())) if is_last(&timed) => return Left::Done,
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Left::Done,
                Err(_) => return Left::TooSlow,
            }
        }
        loop {
            let (bytes, last) = tokio::select! {
                happened = live.recv() => match happened {
                    Ok((of, timed)) if of == call => (self.message(&timed), is_last(&timed)),
                    Ok(_) => continue,
                    Err(broadcast::error::RecvError::Lagged(_)) => return Left::TooSlow,
                    Err(broadcast::error::RecvError::Closed) => return Left::Done,
                },
                _ = alive.tick() => (Bytes::from_static(events::KEEP_ALIVE.as_bytes()), false),
                () = self.queue.closed() => return Left::Done,
            };
            match self.queue.try_send(bytes) {
                Ok(()) if last => return Left::Done,
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Closed(_)) => return Left::Done,
                Err(mpsc::error::TrySendError::Full(_)) => return Left::TooSlow,
            }
        }
    }

    fn message(&self, timed: &TimedEvent) -> Bytes {
        events::message(timed.at, &self.call, &timed.event).into()
    }
}

fn is_last(timed: &TimedEvent) -> bool {
    matches!(timed.event, Event::Ended { .. })
}

/// Events that a reader may be behind; beside them the system keeps some for the connection.
const QUEUE: usize = 64;
/// How long a reader may take for a piece of the past.
const PAST_WITHIN: Duration = Duration::from_secs(10);
/// Proxies give up on a silent connection after 30 s and more.
const KEEP_ALIVE_EACH: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::driver::Reader;
    use crate::peer::event::End;
    use crate::time::Instant;

    fn id(bits: u8) -> CallId {
        CallId::from_random([bits; 16])
    }

    fn timed(event: Event) -> TimedEvent {
        TimedEvent { at: Instant::ZERO, event }
    }

    fn ended() -> TimedEvent {
        timed(Event::Ended { reason: "so".into(), end: End::HungUp, remedy: None })
    }

    /// A follower of call 1, and the other ends.
    fn following() -> (Follower, mpsc::Receiver<Bytes>, broadcast::Sender<(CallId, TimedEvent)>) {
        let (queue, read) = mpsc::channel(QUEUE);
        (Follower { call: id(1).to_string(), queue }, read, broadcast::Sender::new(1_024))
    }

    #[tokio::test]
    async fn the_past_comes_first_and_other_calls_are_left_out() {
        let (follower, mut read, events) = following();
        let live = events.subscribe();
        for (call, event) in [
            (id(2), timed(Event::Answered)),
            (id(1), timed(Event::Connected { ms: 1.0, phrase: None })),
            (id(2), ended()),
            (id(1), ended()),
        ] {
            events.send((call, event)).unwrap();
        }
        let left = follower.follow(id(1), vec![timed(Event::Ringing)], live).await;
        assert_eq!(left, Left::Done);
        drop(follower);
        let mut names = Vec::new();
        while let Some(message) = read.recv().await {
            let text = String::from_utf8(message.to_vec()).unwrap();
            names.extend(
                text.split("\"event\":\"")
                    .nth(1)
                    .map(|rest| rest.split('"').next().unwrap().to_owned()),
            );
        }
        assert_eq!(names, ["ringing", "connected", "ended"]);
    }

    #[tokio::test]
    async fn a_call_that_has_ended_ends_the_stream_at_once() {
        let (follower, _read, events) = following();
        let left = follower.follow(id(1), vec![ended()], events.subscribe()).await;
        assert_eq!(left, Left::Done);
    }

    #[tokio::test]
    async fn who_does_not_read_is_cut_off_and_gives_the_place_back() {
        let (_, _, events) = following();
        let (cut, places) = (Arc::new(Notify::new()), Arc::new(tokio::sync::Semaphore::new(1)));
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let live = (Vec::new(), events.subscribe(), Reader::default());
        let _unread = stream(id(1), live, Arc::clone(&cut), place);
        for _ in 0..=QUEUE {
            events.send((id(1), timed(Event::Answered))).unwrap();
        }
        cut.notified().await;
        let _free_again = places.acquire().await.unwrap();
    }

    #[tokio::test]
    async fn who_has_gone_gives_the_place_back() {
        let (_, _, events) = following();
        let places = Arc::new(tokio::sync::Semaphore::new(1));
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let live = (Vec::new(), events.subscribe(), Reader::default());
        drop(stream(id(1), live, Arc::new(Notify::new()), place));
        let _free_again = places.acquire().await.unwrap();
    }
}
