//! A call's events for those who follow it: `GET /calls/ID/events`, as server-sent events.
//!
//! ```text
//! data: {"t":1.204,"event":"connected","call":"bXk…","ms":31.4}
//! (an empty line ends each)
//! ```
//! The format is that of the HTML standard, section 9.2. Its own `event:` field is left out on purpose:
//! a browser's `EventSource` then gives every event to one `onmessage`, and the JSON has the name anyway.
//! It is the same JSON that `--json` prints, made by [`line()`].
//!
//! Comes from [`super::route`] as `Ask::Events`; `net::http_server` carries the stream. Read next:
//! [`stream`], the reader's side.

pub mod stream;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Response;
use crate::peer::event::Event;
use crate::time::Instant;

/// The media type.
pub const EVENT_STREAM: &str = "text/event-stream";

/// A line that means nothing: it shows both ends, and what is in between, that the stream still lives.
pub const KEEP_ALIVE: &str = ":\n\n";

/// The head of the answer; its body comes bit by bit.
#[must_use]
pub fn head() -> Response {
    let mut response = Response::new(200);
    response.header("Content-Type", EVENT_STREAM);
    // A proxy that collects answers before it passes them on would make the events old (nginx).
    response.header("X-Accel-Buffering", "no");
    response
}

/// An event as JSON in one line: `t`, `event` and `call` first, then what the event has. Commands tell what
/// they find in the same way, whatever it is that serializes with a member `event`.
///
/// ```
/// use halloo::{peer::event::Event, signal::events::line, time::Instant};
/// let ringing = line(Instant::from_millis(1_204), Some("bXk"), &Event::Ringing);
/// assert_eq!(ringing, r#"{"t":1.204,"event":"ringing","call":"bXk"}"#);
/// ```
#[must_use]
pub fn line(at: Instant, call: Option<&str>, event: &impl Serialize) -> String {
    let micros = at.since_start().as_micros();
    let mut line = Map::new();
    line.insert("t".into(), json!(u64::try_from(micros).map_or(0.0, |us| us as f64 / 1e6)));
    let mut event = match serde_json::to_value(event) {
        Ok(Value::Object(event)) => event,
        _ => Map::new(),
    };
    line.extend(event.shift_remove_entry("event"));
    line.extend(call.map(|id| ("call".to_owned(), id.into())));
    line.extend(event);
    Value::Object(line).to_string()
}

/// The same as a server-sent event. JSON has no line ends of its own, so nothing can break out.
#[must_use]
pub fn message(at: Instant, call: &str, event: &Event) -> String {
    format!("data: {}\n\n", line(at, Some(call), event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::event::{End, Step};

    #[test]
    fn a_line_starts_with_time_event_and_call() {
        let end = End::Failed { step: Step::Ice };
        let event = Event::Ended { reason: "gone".into(), end, remedy: None };
        assert_eq!(
            line(Instant::from_micros(1_204_500), Some("AAAA"), &event),
            r#"{"t":1.2045,"event":"ended","call":"AAAA","reason":"gone","end":"failed","step":"ice"}"#
        );
    }

    #[test]
    fn figures_stand_beside_the_event() {
        let line = line(Instant::ZERO, None, &Event::Stats(Default::default()));
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["event"], &line["loss"]), (&"stats".into(), &0.0.into()));
        assert!(line.get("call").is_none());
    }

    #[test]
    fn what_a_stranger_sent_cannot_begin_an_event_of_its_own() {
        let event = Event::warning("a\n\ndata: {\"event\":\"ended\"}\r\n");
        let message = message(Instant::ZERO, "AAAA", &event);
        assert_eq!(message.matches(['\n', '\r']).count(), 2, "{message}");
        assert!(message.ends_with("\n\n"));
    }
}
