//! Two real `halloo` processes that can reach each other only through a real TURN server: coturn.
//!
//! Three namespaces: datagrams between the two callers are not forwarded, so sound that arrives came by the
//! relay, over UDP, TCP or TLS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub, clippy::print_stdout)]

mod common {
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod relay_lab;
    pub mod skip;
    pub mod stall;
    pub mod turn_server;
}

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use common::halloo::{Halloo, recording};
use common::listen::Recording;
use common::relay_lab::RelayLab;
use common::turn_server::{Coturn, PASSWORD, PORT, USER};
use common::{skip, stall};
use serde_json::Value;

/// Calls that are judged by their sound have the machine to themselves.
static QUIET: Mutex<()> = Mutex::new(());

/// The laboratory for `test`, or `None` where it takes rights that nobody gave.
fn laboratory(test: &str) -> Option<RelayLab> {
    match RelayLab::new() {
        Ok(lab) => Some(lab),
        Err(why) if why.contains("permitted") || why.contains("denied") => {
            skip::skip(test, &why);
            None
        }
        Err(why) => panic!("{why}"),
    }
}

/// What both sides are given beside their sound.
fn options<'a>(uri: &'a str, policy: &'a str) -> Vec<&'a str> {
    let turn = ["--turn", uri, "--turn-user", USER, "--turn-password", PASSWORD];
    [&turn[..], &["--ice-policy", policy]].concat()
}

struct Call {
    listener: Halloo,
    caller: Halloo,
    heard: [std::path::PathBuf; 2],
}

impl Call {
    fn start(lab: &RelayLab, coturn: &Coturn, name: &str, options: &[&str], lasts: &str) -> Self {
        let heard = ["listener", "caller"].map(|side| recording(&format!("{name}-{side}")));
        let environment = [("SSL_CERT_FILE", coturn.certificate())];
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let bind = format!("{}:8080", lab.right.address);
        let output = heard.each_ref().map(|path| format!("file:{}", path.display()));
        let listen = ["listen", "--bind", &bind, "--input", "tone:440", "--output", &output[0]];
        let mut listener =
            Halloo::start_with(Some(&lab.right), &[&listen[..], options].concat(), &environment);
        listener.wait_for("listening", |_| true);
        let url = format!("http://{bind}");
        let call =
            ["call", &url, "--input", "tone:660", "--output", &output[1], "--duration", lasts];
        let caller =
            Halloo::start_with(Some(&lab.left), &[&call[..], options].concat(), &environment);
        Self { listener, caller, heard }
    }

    fn end(&mut self) {
        assert!(self.caller.wait(Duration::from_secs(40)).success());
        self.listener.wait_for("ended", |_| true);
        self.listener.terminate();
        assert!(self.listener.wait(Duration::from_secs(5)).success());
    }
}

fn is_tone(path: &Path, hz: f64) -> Result<(), String> {
    let heard = Recording::read(path).after_silence(0.01).between(0.8, 2.8);
    let pitch = heard.pitch().unwrap_or(0.0);
    let right = (pitch - hz).abs() < 2.0;
    if right { Ok(()) } else { Err(format!("{}: {pitch} Hz", path.display())) }
}

/// Types of both candidates of the selected pair.
fn kinds(pair: &Value) -> [String; 2] {
    ["local", "remote"].map(|side| {
        let words: Vec<_> = pair[side].as_str().unwrap().split(' ').collect();
        words[words.iter().position(|word| *word == "typ").unwrap() + 1].to_owned()
    })
}

fn relayed_by(transport: &str) {
    let test = format!("a_call_by_turn_over_{transport}_is_heard_on_both_sides");
    let Some(lab) = laboratory(&test) else { return };
    let _quiet = QUIET.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let coturn = Coturn::start(Some(&lab.server), lab.server.address.into(), &[]);
    let uri = coturn.uri(transport);
    stall::undisturbed(|| {
        let name = format!("relayed-{transport}");
        let mut call = Call::start(&lab, &coturn, &name, &options(&uri, "relay"), "4");
        for side in [&mut call.caller, &mut call.listener] {
            let pair = side.wait_for("pair", |_| true);
            assert_eq!(kinds(&pair), ["relay", "relay"], "{pair}");
            let connected = side.wait_for("connected", |_| true);
            println!("by {transport}: connected after {} ms", connected["ms"]);
        }
        call.end();
        for side in [&mut call.caller, &mut call.listener] {
            let shown = side.catch_up().iter().filter(|event| event["event"] == "candidate");
            let lines: Vec<_> = shown.map(|event| event["candidate"].to_string()).collect();
            assert!(lines.iter().all(|line| line.contains("typ relay raddr 0.0.0.0")), "{lines:?}");
            let own = [lab.left.address, lab.right.address].map(|address| address.to_string());
            assert!(!lines.iter().any(|line| own.iter().any(|own| line.contains(own.as_str()))));
        }
        is_tone(&call.heard[0], 660.0)?;
        is_tone(&call.heard[1], 440.0)
    });
    coturn.wait_for(&["CHANNEL_BIND processed, success", "lifetime=0"]);
}

#[test]
fn a_call_by_turn_over_udp_is_heard_on_both_sides() {
    // rfc8835-3.4-1
    relayed_by("udp");
}

#[test]
fn a_call_by_turn_over_tcp_is_heard_on_both_sides() {
    // rfc8835-3.4-1
    relayed_by("tcp");
}

#[test]
fn a_call_by_turn_over_tls_is_heard_on_both_sides() {
    // rfc8835-3.4-1
    relayed_by("tls");
}

/// With everything allowed it finds the relay by itself, and only one side needs it.
#[test]
fn where_datagrams_are_blocked_one_relay_is_enough() {
    let test = "where_datagrams_are_blocked_one_relay_is_enough";
    let Some(lab) = laboratory(test) else { return };
    let _quiet = QUIET.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let coturn = Coturn::start(Some(&lab.server), lab.server.address.into(), &[]);
    let uri = coturn.uri("udp");
    let mut call = Call::start(&lab, &coturn, "one-relay", &options(&uri, "all"), "2");
    let pair = call.caller.wait_for("pair", |_| true);
    assert!(kinds(&pair).contains(&"relay".to_owned()), "{pair}");
    call.end();
}

#[test]
fn a_refused_password_is_told_and_ends_a_call_that_needs_the_relay() {
    let test = "a_refused_password_is_told_and_ends_a_call_that_needs_the_relay";
    let Some(lab) = laboratory(test) else { return };
    let coturn = Coturn::start(Some(&lab.server), lab.server.address.into(), &[]);
    let uri = coturn.uri("udp");
    let bind = format!("http://{}:8080", lab.right.address);
    let wrong = ["--turn", &uri, "--turn-user", USER, "--turn-password", "wrong"];
    let sound = ["--input", "tone:440", "--output", "null", "--ice-policy", "relay"];
    let mut caller =
        Halloo::start(Some(&lab.left), &[&["call", &bind][..], &wrong, &sound].concat());
    let warning = caller.wait_for("warning", |_| true);
    let text = warning["text"].as_str().unwrap();
    assert!(text.contains("the server refuses this user or password"), "{text}");
    assert_eq!(caller.wait(Duration::from_secs(10)).code(), Some(1));
    let said = caller.messages();
    assert!(said.contains("ice: ") && said.contains("refuses this user"), "{said}");
    assert!(!said.contains("wrong"), "the password is shown: {said}");
}

/// Neither side has an address when the descriptions are written: all of them are trickled, by PATCH from the
/// caller and by events from the listener.
#[test]
fn relays_that_come_late_are_trickled() {
    let test = "relays_that_come_late_are_trickled";
    let Some(lab) = laboratory(test) else { return };
    let coturn = Coturn::start(Some(&lab.server), lab.server.address.into(), &[]);
    // Allocate, 401, Allocate, the address: 800 ms; descriptions wait for 500.
    let _slow = lab.slow_port(3_479, PORT, Duration::from_millis(200));
    let uri = format!("turn:{}:3479", lab.server.address);
    let mut call = Call::start(&lab, &coturn, "late", &options(&uri, "relay"), "2");
    for side in [&mut call.caller, &mut call.listener] {
        let pair = side.wait_for("pair", |_| true);
        assert_eq!(kinds(&pair), ["relay", "relay"], "{pair}");
    }
    // Each side let the other wait for half a second, and then told what it had: nothing.
    let events = call.caller.catch_up();
    let at = |name: &str, side: Option<&str>| {
        let fits = |event: &&Value| {
            event["event"] == name && side.is_none_or(|side| event["side"] == side)
        };
        events.iter().find(fits).and_then(|event| event["t"].as_f64()).unwrap()
    };
    let offered = at("gathering", None) + 0.5;
    assert!(at("candidate", Some("local")) > offered, "it was in the offer: {events:?}");
    let answered = at("answered", None);
    assert!(at("candidate", Some("remote")) > answered, "it was in the answer: {events:?}");
    call.end();
}

/// A server that doesn't answer costs an answer half a second and no more.
#[test]
fn a_dead_server_delays_a_call_by_half_a_second_at_most() {
    let test = "a_dead_server_delays_a_call_by_half_a_second_at_most";
    let Some(lab) = laboratory(test) else { return };
    let coturn = Coturn::start(Some(&lab.server), lab.server.address.into(), &[]);
    let uri = coturn.uri("udp");
    // A network that nothing answers from: packets to it are dropped on the way.
    let dead = ["--stun", "stun:10.214.255.9", "--turn", "turn:10.214.255.9"];
    let options = [&options(&uri, "all")[..], &dead].concat();
    let mut call = Call::start(&lab, &coturn, "dead-server", &options, "1");
    let connected = call.caller.wait_for("connected", |_| true);
    let ms = connected["ms"].as_f64().unwrap();
    println!("connected {ms} ms after the offer, the answer waited for a dead server");
    assert!(ms < 2_000.0, "{ms} ms");
    call.end();
}
