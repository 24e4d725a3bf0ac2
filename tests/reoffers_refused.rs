//! `halloo call` offers anew to servers that don't take it, or over a network that loses requests: the call
//! goes on, and its person is told.
//!
//! The server is a real `halloo listen` behind a gate of ours, which lets POST and DELETE through and does
//! with PATCH as it is told. Media goes past the gate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod http;
    pub mod namespace;
    pub mod terminal;
}

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::http::Listener;
use common::terminal::Terminal;

/// What becomes of a PATCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Answered so by the gate itself.
    Refused(u16),
    /// It gets there, and the answer gets lost.
    Taken,
    /// As if there were no gate.
    Passed,
}

/// A listener behind a gate.
struct Gate {
    at: SocketAddr,
    fate: Arc<Mutex<Fate>>,
    /// A word for each PATCH that was taken.
    taken: Receiver<()>,
}

impl Gate {
    fn before(listener: SocketAddr, fate: Fate) -> Self {
        let gate = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = gate.local_addr().unwrap();
        let fate = Arc::new(Mutex::new(fate));
        let shared = Arc::clone(&fate);
        let (taking, taken) = channel();
        std::thread::spawn(move || {
            for stream in gate.incoming().map_while(Result::ok) {
                let (fate, taking) = (Arc::clone(&shared), taking.clone());
                std::thread::spawn(move || serve(stream, listener, at, &fate, &taking));
            }
        });
        Self { at, fate, taken }
    }

    fn is_now(&self, fate: Fate) {
        *self.fate.lock().unwrap() = fate;
    }
}

/// One connection, one request.
fn serve(
    mut stream: TcpStream,
    listener: SocketAddr,
    gate: SocketAddr,
    fate: &Mutex<Fate>,
    taking: &Sender<()>,
) {
    let Some(request) = read_request(&mut stream) else { return };
    let method = request.split(' ').next().unwrap();
    let fate = *fate.lock().unwrap();
    match (method, fate) {
        ("PATCH", Fate::Refused(status)) => {
            let head = format!("HTTP/1.1 {status} No\r\nConnection: close\r\n");
            let _gone = write!(stream, "{head}Content-Length: 0\r\n\r\n");
            return;
        }
        ("GET", _) => {
            let _gone =
                write!(stream, "HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }
        _ => {}
    }
    let request = request.replace(&gate.to_string(), &listener.to_string()).replacen(
        "\r\n",
        "\r\nConnection: close\r\n",
        1,
    );
    let mut there = TcpStream::connect(listener).unwrap();
    there.write_all(request.as_bytes()).unwrap();
    let mut reply = Vec::new();
    there.read_to_end(&mut reply).unwrap();
    if (method, fate) == ("PATCH", Fate::Taken) {
        let _test_has_ended = taking.send(());
        let mut rest = Vec::new();
        let _until_they_give_up = stream.read_to_end(&mut rest);
        return;
    }
    let _gone = stream.write_all(&reply);
}

fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text.into_owned());
            }
        }
        let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
        request.extend_from_slice(&buffer[..length]);
    }
}

fn call_through(gate: &Gate) -> Terminal {
    let at = format!("http://{}", gate.at);
    let sound = ["--input", "tone:660", "--output", "null", "-v"];
    let mut terminal = Terminal::start(None, &[&["call", &at][..], &sound].concat());
    terminal.wait_for("keys: m mutes");
    terminal
}

/// Waits until the listener hears a tone, or silence, from now on.
fn hears(listener: &mut Listener, loud: bool) {
    let now = listener.program.catch_up().last().unwrap()["t"].as_f64();
    listener.program.wait_for("stats", |stats| {
        stats["t"].as_f64() > now && (stats["level_out"].as_f64() > Some(-40.0)) == loud
    });
}

#[test]
fn a_server_that_takes_no_new_offers_has_a_call_that_goes_on() {
    let mut listener = Listener::start(&[]);
    let gate = Gate::before(listener.at, Fate::Refused(405));
    let mut caller = call_through(&gate);
    hears(&mut listener, true);
    for status in [404, 405, 415, 501] {
        gate.is_now(Fate::Refused(status));
        caller.press("r");
        caller.wait_for(&format!(
            "warning: our new offer was refused: the endpoint answered {status}"
        ));
        caller.press("h");
        caller.wait_for("on hold: nobody is heard");
        caller.wait_for("our new offer was refused");
        hears(&mut listener, false);
        caller.press("h");
        caller.wait_for("both are heard");
        hears(&mut listener, true);
    }
    let state = &listener.json("/calls")[0]["state"];
    assert_eq!(state, "connected");
    caller.press("q");
    assert_eq!(caller.wait(), Some(0));
}

#[test]
fn after_an_exchange_whose_fate_is_unknown_both_come_together_again() {
    // The listener has begun ICE anew, and the caller doesn't know: left so, the call would end.
    let mut listener = Listener::start(&[]);
    let gate = Gate::before(listener.at, Fate::Taken);
    let mut caller = call_through(&gate);
    listener.program.wait_for("pair", |_| true);
    caller.press("r");
    // What is not answered is sent three times; the offer after that gets through.
    for _ in 0..3 {
        gate.taken.recv_timeout(Duration::from_secs(20)).unwrap();
    }
    gate.is_now(Fate::Passed);
    caller.wait_for("our new offer did not arrive");
    caller.wait_for("pair selected");
    let begun = listener.program.catch_up().last().unwrap()["t"].as_f64();
    listener.program.wait_for("ice", |ice| {
        ice["state"] == "completed" && ice["t"].as_f64() > begun.map(|t| t - 3.0)
    });
    hears(&mut listener, true);
    caller.press("q");
    assert_eq!(caller.wait(), Some(0));
}

#[test]
fn a_listener_that_is_gone_is_looked_for_and_then_given_up() {
    let mut listener = Listener::start(&[]);
    let at = format!("http://{}", listener.at);
    let sound = ["--input", "tone:660", "--output", "null"];
    let mut caller = common::halloo::Halloo::start(None, &[&["call", &at][..], &sound].concat());
    caller.wait_for("connected", |_| true);
    caller.wait_for("stats", |_| true);
    listener.program.kill();
    caller.wait_for("ice", |ice| ice["state"] == "disconnected");
    let told = caller.wait_for("warning", |_| true);
    assert!(told["text"].as_str().unwrap().contains("did not arrive"), "{told}");
    let offers = caller.events.iter().filter(|event| event["event"] == "offer").count();
    assert!(offers < 3, "not one after the other: {offers}");
    let ended = caller.wait_at_most(Duration::from_secs(60), "ended", |_| true);
    assert_eq!((&ended["end"], &ended["step"]), (&"failed".into(), &"ice".into()), "{ended}");
    assert_eq!(caller.wait(Duration::from_secs(10)).code(), Some(1));
}
