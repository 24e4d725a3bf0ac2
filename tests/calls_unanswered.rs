//! Calls that are not answered, or not connected: what the one who called is told of it, as events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod http;
    pub mod namespace;
    pub mod skip;
    pub mod terminal;
}

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use common::halloo::Halloo;
use common::http::Listener;
use common::namespace::Namespaces;
use common::terminal::Terminal;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(15);
const SOUND: [&str; 4] = ["--input", "silence", "--output", "null"];

fn call(target: &str, more: &[&str]) -> Halloo {
    Halloo::start(None, &[&["call", target][..], &SOUND, more].concat())
}

/// The last event of a call that fails, which says what stderr says.
fn failed(caller: &mut Halloo) -> Value {
    assert_eq!(caller.wait(LIMIT).code(), Some(1), "{}", caller.messages());
    let ended = caller.events.last().unwrap().clone();
    assert_eq!(ended["event"], "ended", "{:?}", caller.events);
    ended
}

/// An endpoint that answers a POST with this, or holds it for ever.
fn endpoint(answer: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            if let Some(answer) = answer {
                let _all_of_the_request = stream.read(&mut [0; 65_536]);
                let _client_may_be_gone = stream.write_all(answer.as_bytes());
            }
            held.push(stream);
        }
    });
    format!("http://{at}")
}

#[test]
fn a_call_without_an_answer_ends_with_its_step_and_its_reason() {
    let declined = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    let ending = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    let useless = "HTTP/1.1 201 Created\r\nContent-Length: 15\r\n\r\nv=0\r\nnonsense\r\n";
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (target, reason) in [
        (endpoint(Some(declined)), "403 Forbidden"),
        (endpoint(Some(ending)), "503 Service Unavailable"),
        (endpoint(Some(useless)), "can't be read"),
        (endpoint(None), "did not answer within"),
        (nobody, "nobody is listening"),
    ] {
        let mut caller = call(&target, &["--timeout", "1"]);
        let ended = failed(&mut caller);
        assert_eq!((&ended["end"], &ended["step"]), (&"failed".into(), &"signalling".into()));
        let told = ended["reason"].as_str().unwrap();
        assert!(told.contains(reason) && caller.messages().contains(told), "{ended}");
    }
}

#[test]
fn who_gives_up_before_the_answer_has_hung_up() {
    let mut caller = call(&endpoint(None), &[]);
    caller.wait_for("candidate", |candidate| candidate["side"] == "local");
    caller.signal("INT");
    let ended = failed(&mut caller);
    assert_eq!(ended["end"], "hung_up");
    assert_eq!(ended["reason"], "given up before it was answered");
    assert!(caller.messages().starts_with("signalling: "), "{}", caller.messages());
}

#[test]
fn while_it_rings_there_a_person_is_told_to_wait() {
    let target = endpoint(None);
    let mut caller = Terminal::start(None, &[&["call", &target][..], &SOUND].concat());
    caller.wait_for("waiting for an answer");
    caller.interrupt();
    assert_eq!(caller.wait(), Some(1));
}

/// What could be said by hand as well.
#[test]
fn pasting_that_comes_to_nothing_ends_the_call_with_its_reason() {
    let mut caller = Halloo::start_reading(None, &[&["call", "paste"][..], &SOUND].concat());
    caller.wait_for("paste", |_| true);
    caller.stop_typing();
    let ended = failed(&mut caller);
    assert_eq!((&ended["end"], &ended["step"]), (&"failed".into(), &"signalling".into()));
    assert_eq!(ended["reason"], "standard input ended before a line was pasted");
}

/// Two computers on a cable, of which the left one answers calls at 8080 and lets nothing else in.
fn guarded(test: &str) -> Option<Namespaces> {
    let pair = common::skip::namespaces(test)?;
    let rules = "table inet firewall { chain guard {
        type filter hook input priority 0
        iifname != lo meta l4proto udp drop
        iifname != lo tcp dport != 8080 drop
    }
}";
    assert!(pair.left.command("nft").arg(rules).status().unwrap().success());
    Some(pair)
}

/// Calls the left one, which has less patience, from the right one.
fn call_through(pair: &Namespaces) -> [Halloo; 2] {
    let listen = ["listen", "--bind", "0.0.0.0:8080", "--timeout", "2"];
    let mut listener = Halloo::start(Some(&pair.left), &[&listen[..], &SOUND].concat());
    listener.wait_for("listening", |_| true);
    let target = format!("http://{}:8080", pair.left.address);
    let caller = Halloo::start(Some(&pair.right), &[&["call", &target][..], &SOUND].concat());
    [listener, caller]
}

#[test]
fn when_the_other_side_is_the_first_to_find_no_way_ice_has_failed_here_too() {
    let Some(pair) = guarded("no way, told by the other side") else { return };
    let [mut listener, mut caller] = call_through(&pair);
    let ended = failed(&mut caller);
    assert_eq!((&ended["end"], &ended["step"]), (&"failed".into(), &"ice".into()), "{ended}");
    let reason = ended["reason"].as_str().unwrap();
    assert!(reason.starts_with("no way through: "), "{reason}");
    let theirs = listener.wait_for("ended", |_| true);
    assert_ne!(theirs["reason"], reason, "it has evidence of its own: checks came in here only");
    assert!(caller.messages().starts_with("ice: no way through"), "{}", caller.messages());
}

/// Of a browser that is long gone, at an address that nobody has.
fn browsers_answer() -> String {
    let path = format!("{}/vectors/sdp_browsers.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut cases = vectors["cases"].as_array().unwrap().iter();
    let case = cases.find(|case| case["id"] == "chromium156-audio-answer").unwrap();
    case["sdp"].as_str().unwrap().to_owned()
}

/// An endpoint whose answer leads nowhere, and which tells then how the call ended for it.
fn ending(ended: &str) -> String {
    let reply = |head: &str, body: &str| {
        format!(
            "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let created = reply("201 Created\r\nLocation: /calls/1", &browsers_answer());
    let told = reply("200 OK\r\nContent-Type: text/event-stream", &format!("data: {ended}\n\n"));
    let anything_else = reply("405 Method Not Allowed", "");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = [0; 65_536];
            let length = stream.read(&mut request).unwrap_or(0);
            let reply = match &request[..length] {
                [b'P', b'O', ..] => &created,
                [b'G', ..] => &told,
                _ => &anything_else,
            };
            let _client_may_be_gone = stream.write_all(reply.as_bytes());
            held.push(stream); // closed with something unread, it would take the reply along
        }
    });
    format!("http://{at}")
}

/// A person who hangs up there is no riddle of the network; of other failures they know more than we do.
#[test]
fn how_the_other_side_says_that_it_ended_counts_before_it_is_connected() {
    for (ended, end, message) in [
        (
            r#"{"event":"ended","reason":"hung up","end":"hung_up"}"#,
            "hung_up_by_peer",
            "signalling: the call ended before it was connected",
        ),
        (
            r#"{"event":"ended","reason":"theirs","end":"failed","step":"ice"}"#,
            "failed",
            "ice: no way through: ",
        ),
        (
            r#"{"event":"ended","reason":"no keys","end":"failed","step":"dtls"}"#,
            "failed",
            "dtls: the other side says: no keys",
        ),
    ] {
        let mut caller = call(&ending(ended), &[]);
        assert_eq!(failed(&mut caller)["end"], end, "{ended}");
        assert!(caller.messages().contains(message), "{}", caller.messages());
    }
}

#[test]
fn a_tab_declines_before_it_answers_and_hangs_up_after() {
    for (answer, message) in [
        (None, "signalling: the call was declined in the browser"),
        (Some(browsers_answer()), "signalling: the call ended before it was connected"),
    ] {
        let arguments = ["call", "tab", "--bind", "127.0.0.1:0"];
        let mut program = Halloo::start(None, &[&arguments[..], &SOUND].concat());
        program.wait_for("listening", |_| true);
        let at = program.url().trim_start_matches("http://").parse().unwrap();
        let mut tab = Listener { program, at };
        let offered = tab.ask("POST", "/whip", &[], b"");
        let call = offered.header("location").unwrap();
        if let Some(answer) = answer {
            let sdp = [("Content-Type", "application/sdp")];
            assert_eq!(tab.ask("PATCH", call, &sdp, answer.as_bytes()).status, 204);
        }
        assert_eq!(tab.ask("DELETE", call, &[], b"").status, 200);
        assert_eq!(tab.program.wait(LIMIT).code(), Some(1));
        let messages = tab.program.messages();
        assert!(messages.starts_with(message), "{messages}");
    }
}
