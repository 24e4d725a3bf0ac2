//! `GET /calls/ID/events`: a call's story from its beginning to its end, read as it comes over the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod http;
    pub mod namespace;
}

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::halloo::Halloo;
use common::http::Listener;
use serde_json::Value;

/// One who follows a call.
struct Follower {
    lines: BufReader<TcpStream>,
    head: String,
}

impl Follower {
    fn of(listener: &Listener, path: &str) -> Self {
        let mut stream = TcpStream::connect(listener.at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "GET {path}/events HTTP/1.1\r\nHost: {}\r\n\r\n", listener.at).unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).unwrap() > 0, "{head}");
        }
        Self { lines, head: head.to_ascii_lowercase() }
    }

    /// The next chunk's text; none behind the last.
    fn chunk(&mut self) -> Option<String> {
        let mut size = String::new();
        self.lines.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.lines.read_exact(&mut chunk).unwrap();
        assert!(chunk.ends_with(b"\r\n"));
        chunk.truncate(size);
        (size > 0).then(|| String::from_utf8(chunk).unwrap())
    }

    /// The next event; none behind the last.
    fn event(&mut self) -> Option<Value> {
        loop {
            let chunk = self.chunk()?;
            if chunk == ":\n\n" {
                continue;
            }
            let line = chunk.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\n\n"));
            return Some(serde_json::from_str(line.expect("one event")).unwrap());
        }
    }

    fn until(&mut self, name: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.event().unwrap_or_else(|| panic!("no {name} in {events:#?}"));
            let found = event["event"] == name;
            events.push(event);
            if found {
                return events;
            }
        }
    }
}

fn path_of_the_only_call(listener: &Listener) -> String {
    format!("/calls/{}", listener.json("/calls")[0]["id"].as_str().unwrap())
}

#[test]
fn the_story_begins_at_the_beginning_and_ends_with_the_call() {
    let mut listener = Listener::start(&["--input", "tone:440"]);
    let at = listener.at.to_string();
    let mut call = Halloo::start(None, &["call", &at, "--input", "tone:660", "--output", "null"]);
    call.wait_for("connected", |_| true);
    let path = path_of_the_only_call(&listener);

    let mut early = Follower::of(&listener, &path);
    assert!(early.head.starts_with("http/1.1 200 "), "{}", early.head);
    assert!(early.head.contains("\r\ncontent-type: text/event-stream\r\n"), "{}", early.head);
    assert!(early.head.contains("\r\ncache-control: no-store\r\n"), "{}", early.head);
    let mut story = early.until("stats");
    let mut late = Follower::of(&listener, &path);
    assert_eq!(listener.ask("DELETE", &path, &[], b"").status, 200);
    story.extend(early.until("ended"));
    assert_eq!(early.event(), None, "nothing follows, and the answer is complete");
    let late = late.until("ended");

    // Who comes later hears the same, but for figures of the past; and so does `--json`.
    let told = |events: &[Value]| {
        let kept = events.iter().filter(|event| event["event"] != "stats");
        kept.cloned().collect::<Vec<_>>()
    };
    assert_eq!(told(&late), told(&story));
    listener.program.wait_for("ended", |_| true);
    let printed = told(&listener.program.events);
    assert_eq!(printed[1..], told(&story), "behind `listening`");
    for name in ["answered", "candidate", "ice", "pair", "dtls", "connected", "media"] {
        assert!(story.iter().any(|event| event["event"] == name), "no {name} in {story:#?}");
    }
    assert!(story.iter().all(|event| path.ends_with(event["call"].as_str().unwrap())));

    // An ended call's story can still be read, and ends at once.
    assert_eq!(told(&Follower::of(&listener, &path).until("ended")), told(&story));
}

#[test]
fn a_call_that_is_not_there_has_no_story() {
    let listener = Listener::start(&[]);
    for path in ["/calls/AAAAAAAAAAAAAAAAAAAAAA/events", "/calls/nobody/events"] {
        let reply = listener.ask("GET", path, &[], b"");
        assert_eq!(reply.status, 404, "{reply:?}");
        reply.problem();
    }
    assert_eq!(listener.ask("POST", "/calls/x/events", &[], b"").status, 405);
    let reply = listener.ask("OPTIONS", "/calls/x/events", &[], b"");
    assert_eq!((reply.status, reply.header("allow")), (200, Some("GET, HEAD, OPTIONS")));
}

#[test]
fn a_foreign_page_hears_nothing() {
    let listener = Listener::start(&[]);
    let made = listener.ask("POST", "/whip", &[], b"");
    let path = format!("{}/events", made.header("location").unwrap());
    let origin = ("Origin", "http://evil.example");
    assert_eq!(listener.ask("GET", &path, &[origin], b"").status, 403);
    assert_eq!(listener.ask("HEAD", &path, &[], b"").status, 200);
}

#[test]
fn those_who_follow_leave_room_for_those_who_call() {
    let listener = Listener::start(&[]);
    let made = listener.ask("POST", "/whip", &[], b"");
    let path = made.header("location").unwrap();
    let mut followers: Vec<_> = (0..64).map(|_| Follower::of(&listener, path)).collect();
    assert!(followers.iter().all(|follower| follower.head.starts_with("http/1.1 200 ")));
    let refused = listener.ask("GET", &format!("{path}/events"), &[], b"");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("10")));
    refused.problem();
    assert_eq!(listener.ask("POST", "/whip", &[], b"").status, 201);

    // All hear the end, and make room.
    listener.ask("DELETE", path, &[], b"");
    for follower in &mut followers {
        follower.until("ended");
    }
    assert!(Follower::of(&listener, path).head.starts_with("http/1.1 200 "));
}

#[test]
fn the_end_of_the_program_ends_every_story() {
    let mut listener = Listener::start(&[]);
    let made = listener.ask("POST", "/whip", &[], b"");
    let mut follower = Follower::of(&listener, made.header("location").unwrap());
    listener.program.terminate();
    follower.until("ended");
    assert!(listener.program.wait(Duration::from_secs(10)).success());
}

/// A member's name, and whether a value is what it should be.
type Member = (&'static str, fn(&Value) -> bool);

fn text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

fn fingerprint(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("sha-256 ") && text.len() == 8 + 95)
}

/// What INTERFACE says of each event, and of `dtls` when it is connected.
const MEMBERS: &[(&str, &[Member])] = &[
    ("listening", &[("urls", |urls| urls.as_array().is_some_and(|urls| urls.iter().all(text)))]),
    ("ringing", &[]),
    ("answered", &[]),
    ("gathering", &[("state", text)]),
    (
        "candidate",
        &[
            ("side", |side| side == "local" || side == "remote"),
            ("candidate", |line| line.as_str().is_some_and(|line| line.starts_with("candidate:"))),
        ],
    ),
    ("ice", &[("state", text)]),
    ("pair", &[("local", text), ("remote", text), ("rtt", Value::is_f64)]),
    ("dtls", &[("state", text)]),
    (
        "connected",
        &[
            ("ms", Value::is_f64),
            ("phrase", |words| words.as_str().is_some_and(|w| w.split(' ').count() == 6)),
        ],
    ),
    (
        "media",
        &[
            ("first", |first| {
                ["packet_sent", "packet_received", "sound_played"].iter().any(|one| first == one)
            }),
            ("ms", Value::is_f64),
        ],
    ),
    (
        "stats",
        &[
            ("loss", Value::is_f64),
            ("jitter", Value::is_f64),
            ("level_in", Value::is_f64),
            ("level_out", Value::is_f64),
            ("jitter_buffer_delay", Value::is_f64),
            ("concealed_samples", Value::is_u64),
        ],
    ),
    ("warning", &[("text", text)]),
    ("ended", &[("reason", text)]),
];

const WHEN_DTLS_IS_CONNECTED: &[Member] = &[
    ("version", text),
    ("cipher", text),
    ("srtp_profile", text),
    ("local_fingerprint", fingerprint),
    ("remote_fingerprint", fingerprint),
];

fn assert_members(event: &Value) {
    let name = event["event"].as_str().unwrap_or_else(|| panic!("an event without name: {event}"));
    assert!(event["t"].as_f64().is_some_and(|t| t >= 0.0), "{event}");
    assert_eq!(event.get("call").is_some(), name != "listening", "{event}");
    // Events beyond INTERFACE's may have what they like.
    let Some((_, members)) = MEMBERS.iter().find(|row| row.0 == name) else { return };
    let agreed = name == "dtls" && event["state"] == "connected";
    let more = if agreed { WHEN_DTLS_IS_CONNECTED } else { &[] };
    for (member, is_right) in members.iter().chain(more) {
        assert!(event.get(member).is_some_and(is_right), "{member} of {event}");
    }
}

#[test]
fn every_event_of_both_sides_has_its_members_and_stdout_nothing_else() {
    // No sound system here: a warning each.
    let nothing = [("PULSE_SERVER", "unix:/nowhere"), ("HOME", "/nowhere")];
    let arguments = ["listen", "--bind", "127.0.0.1:0"];
    let mut listener = Halloo::start_with(None, &arguments, &nothing);
    listener.wait_for("listening", |_| true);
    let url = listener.url();
    let mut caller = Halloo::start_with(None, &["call", &url, "--duration", "2.5"], &nothing);
    assert!(caller.wait(Duration::from_secs(20)).success());
    listener.wait_for("ended", |_| true);
    listener.terminate();
    assert!(listener.wait(Duration::from_secs(10)).success());

    let mut asking = Halloo::start(None, &[&arguments[..], &["--answer", "ask"]].concat());
    asking.wait_for("listening", |_| true);
    let mut patient = Halloo::start(None, &["call", &asking.url(), "--input", "silence"]);
    asking.wait_for("ringing", |_| true);
    patient.kill();

    let caller_only_hears = ["listening", "ringing"];
    for (name, _) in MEMBERS {
        let told = |events: &[Value]| events.iter().any(|event| event["event"] == *name);
        let by_listener = told(&listener.events) || told(&asking.events);
        assert!(by_listener, "the listener tells no {name}: {:#?}", listener.events);
        let by_caller = told(&caller.events) || caller_only_hears.contains(name);
        assert!(by_caller, "the caller tells no {name}: {:#?}", caller.events);
    }
    // The round trip is told once it was measured, which takes an RTCP report or a check.
    for side in [&listener, &caller] {
        let last = side.events.iter().rfind(|event| event["event"] == "stats").unwrap();
        assert!(last["rtt"].is_f64(), "{last}");
        assert!(!side.messages().contains('{'), "events on stderr: {}", side.messages());
    }
    for event in listener.events.iter().chain(&caller.events).chain(&asking.events) {
        assert_members(event);
    }
}
