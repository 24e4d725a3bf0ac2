//! Server-sent events, read (HTML standard, section 9.2), and what halloo's mean to a caller.
//!
//! ```text
//! bytes --> lines --> messages: the `data:` lines up to an empty one --> Told
//! ```
//! What comes is a stranger's: a line or an event that is too long is dropped, and so is what can't be
//! read; neither ends the stream. Nothing is kept of an event but its data.
//!
//! Fed by `net::http_client`. Read next: `problem.rs`.

use std::collections::{HashSet, VecDeque};

use serde::Deserialize;
use serde_json::Value;

use crate::peer::event::Step;
use crate::sdp::{Candidate, Description};

/// The longest line, and the longest event: a description is a few kilobytes.
pub const LONGEST: usize = 128 * 1024;

/// Turns bytes into events.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    data: Vec<u8>,
    /// How many `data:` lines stand in `data`.
    lines: usize,
    /// The line or the event is too long: it goes on to its end, and counts for nothing.
    surplus: Surplus,
    after_return: bool,
    messages: VecDeque<String>,
    /// What was too long.
    dropped: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Surplus {
    line: bool,
    event: bool,
}

impl Parser {
    /// Takes bytes as they come, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if after_return => {} // of one line end
                b'\r' | b'\n' => self.end_line(),
                _ if self.line.len() >= LONGEST => self.surplus.line = true,
                byte => self.line.push(*byte),
            }
        }
    }

    /// The next event's data.
    pub fn next_message(&mut self) -> Option<String> {
        self.messages.pop_front()
    }

    /// Events that were dropped because they are too long, since this was asked last.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    fn end_line(&mut self) {
        let too_long = std::mem::take(&mut self.surplus.line);
        if self.line.is_empty() && !too_long {
            return self.end_message();
        }
        self.surplus.event |= too_long;
        // `id:`, `event:`, `retry:` and comments mean nothing to us: the data says it all.
        if let Some(data) = self.line.strip_prefix(b"data:") {
            let data = data.strip_prefix(b" ").unwrap_or(data);
            if self.data.len() + data.len() >= LONGEST {
                self.surplus.event = true;
            } else {
                if self.lines > 0 {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(data);
                self.lines += 1;
            }
        }
        self.line.clear();
    }

    fn end_message(&mut self) {
        let data = std::mem::take(&mut self.data);
        let lines = std::mem::take(&mut self.lines);
        if std::mem::take(&mut self.surplus.event) {
            self.dropped += 1;
        } else if lines > 0 {
            self.messages.extend(String::from_utf8(data));
        }
    }
}

/// What an event of the other side's halloo means to us.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// It offers anew.
    Offer(Box<Description>),
    /// It has one more address.
    Candidate(Candidate),
    /// It has no more.
    EndOfCandidates,
    /// For it, the call is over.
    Ended {
        /// Its words, in one line.
        reason: String,
        /// Where it failed, if it did.
        failed: Option<Step>,
    },
}

/// Reads an event's data. Most of what halloo tells is for people: that is `None`, and so is what can't be
/// read.
#[must_use]
pub fn told(message: &str) -> Option<Told> {
    let event: Value = serde_json::from_str(message).ok()?;
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    match text("event")? {
        "offer" => text("sdp")?.parse().ok().map(|offer| Told::Offer(Box::new(offer))),
        "candidate" if text("side") == Some("local") => {
            let line = text("candidate")?.strip_prefix("candidate:")?;
            line.parse().ok().map(Told::Candidate)
        }
        "gathering" if text("state") == Some("complete") => Some(Told::EndOfCandidates),
        "ended" => {
            let reason = text("reason").unwrap_or_default();
            let printable = reason.chars().filter(|character| !character.is_control());
            let reason = printable.take(LONGEST_REASON).collect();
            let failed = (text("end") == Some("failed")).then(|| event.get("step")).flatten();
            Some(Told::Ended {
                reason,
                failed: failed.and_then(|step| Step::deserialize(step).ok()),
            })
        }
        _ => None,
    }
}

/// As much as a person reads.
const LONGEST_REASON: usize = 200;

/// Tells what is new. Whoever asks again is first told the call's whole story again: its times never go
/// back, and several events may have one time.
#[derive(Debug)]
pub struct Unheard {
    until: f64,
    then: HashSet<String>,
}

impl Default for Unheard {
    fn default() -> Self {
        Self { until: -1.0, then: HashSet::new() }
    }
}

/// Events of one moment that are told apart.
const SAME_TIME: usize = 256;

impl Unheard {
    /// Whether this event's data has not been there before.
    pub fn is_new(&mut self, message: &str) -> bool {
        let event: Option<Value> = serde_json::from_str(message).ok();
        let Some(at) = event.as_ref().and_then(|event| event.get("t")?.as_f64()) else {
            return true; // no event of ours: it means what it means
        };
        if at > self.until {
            self.until = at;
            self.then.clear();
        }
        at >= self.until && self.then.len() < SAME_TIME && self.then.insert(message.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(parser: &mut Parser) -> Vec<String> {
        std::iter::from_fn(|| parser.next_message()).collect()
    }

    #[test]
    fn a_stream_is_read_however_it_is_cut_and_whatever_its_line_ends_are() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ": hello\n\nid: 7\nevent: x\ndata: {\"a\":1}\n\ndata:b\ndata: c\n\nretry: 9\n\n\ndata: half"
                .replace('\n', end);
            for size in [1, 2, 3, 7, text.len()] {
                let mut parser = Parser::default();
                text.as_bytes().chunks(size).for_each(|bytes| parser.push(bytes));
                assert_eq!(messages(&mut parser), ["{\"a\":1}", "b\nc"], "{end:?} by {size}");
            }
        }
    }

    #[test]
    fn what_is_too_long_is_dropped_and_the_next_event_is_read() {
        let long = "x".repeat(LONGEST);
        let many = format!("data: {}\n", "y".repeat(LONGEST / 4)).repeat(9);
        let mut parser = Parser::default();
        for event in [format!("data: {long}\n\n"), format!("{long}{long}\n\n"), many + "\n"] {
            parser.push(event.as_bytes());
            parser.push(b"data: next\n\n");
            assert_eq!(messages(&mut parser), ["next"]);
        }
        assert_eq!(parser.take_dropped(), 3);
        assert!(parser.line.capacity() <= 2 * LONGEST && parser.data.capacity() <= 2 * LONGEST);
    }

    #[test]
    fn bytes_that_are_no_text_are_no_event() {
        let mut parser = Parser::default();
        parser.push(b"data: \xff\xfe\n\ndata: a\n\n");
        assert_eq!(messages(&mut parser), ["a"]);
    }

    #[test]
    fn what_halloo_tells_is_understood_and_the_rest_is_not_ours() {
        let candidate = "1 1 udp 2130706431 192.0.2.1 5000 typ host";
        let line = format!(
            r#"{{"event":"candidate","side":"local","candidate":"candidate:{candidate}"}}"#
        );
        assert_eq!(told(&line), Some(Told::Candidate(candidate.parse().unwrap())));
        assert_eq!(told(&line.replace("local", "remote")), None, "one that we told it");
        assert_eq!(
            told(r#"{"event":"gathering","state":"complete"}"#),
            Some(Told::EndOfCandidates)
        );
        let ended = told(r#"{"event":"ended","reason":"a\u001b[31m\nb","end":"hung_up"}"#);
        assert_eq!(ended, Some(Told::Ended { reason: "a[31mb".into(), failed: None }));
        let failed = |step| told(&format!(r#"{{"event":"ended","end":"failed","step":"{step}"}}"#));
        for (step, failed_at) in [("ice", Some(Step::Ice)), ("dtls", Some(Step::Dtls)), ("x", None)]
        {
            let ended = Told::Ended { reason: String::new(), failed: failed_at };
            assert_eq!(failed(step), Some(ended), "{step}");
        }
        for other in ["", "[]", "{}", r#"{"event":"stats"}"#, r#"{"event":"offer","sdp":"v=0"}"#] {
            assert_eq!(told(other), None, "{other}");
        }
    }

    #[test]
    fn a_story_told_again_holds_no_news() {
        let story = [
            r#"{"t":1.0,"event":"answered"}"#,
            r#"{"t":1.5,"event":"candidate"}"#,
            r#"{"t":1.5,"event":"ice"}"#,
        ];
        let mut unheard = Unheard::default();
        assert!(story.iter().all(|event| unheard.is_new(event)));
        assert!(!story.iter().any(|event| unheard.is_new(event)));
        assert!(unheard.is_new(r#"{"t":1.5,"event":"pair"}"#));
        assert!(unheard.is_new(r#"{"t":2,"event":"offer"}"#));
        assert!(unheard.is_new("no JSON"));
    }
}
