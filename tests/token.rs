//! `--token`: who knows the secret may call, from anywhere; nobody else may do anything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod http;
    pub mod namespace;
}

use std::time::Duration;

use common::halloo::Halloo;
use common::http::{Listener, halloo, run};

const SECRET: &str = "correct.horse~battery";
const BEARER: (&str, &str) = ("Authorization", "Bearer correct.horse~battery");
const WRONG: (&str, &str) = ("Authorization", "Bearer correct.horse~batterz");
const EVIL: (&str, &str) = ("Origin", "http://evil.example");

fn locked() -> Listener {
    Listener::start(&["--token", SECRET])
}

#[test]
fn without_the_token_there_is_only_the_page() {
    let listener = locked();
    let made = listener.ask("POST", "/whip", &[BEARER], b"");
    assert_eq!(made.status, 201, "{made:?}");
    let call = made.header("location").unwrap();
    let stats = format!("{call}/stats");
    let events = format!("{call}/events");
    for (method, path) in [
        ("POST", "/whip"),
        ("GET", "/whip"),
        ("POST", "/offer"),
        ("GET", "/calls"),
        ("GET", call),
        ("GET", &stats),
        ("GET", &events),
        ("PATCH", call),
        ("DELETE", call),
        ("GET", "/elsewhere"),
    ] {
        let reply = listener.ask(method, path, &[], b"");
        assert_eq!(reply.status, 401, "{method} {path}: {reply:?}");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"halloo\""));
        reply.problem();
    }
    let reply = listener.ask("DELETE", call, &[WRONG], b"");
    assert_eq!(reply.status, 401);
    assert!(reply.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    for path in ["/", "/call.js", "/style.css"] {
        assert_eq!(listener.ask("GET", path, &[], b"").status, 200, "{path}");
    }
    assert_eq!(listener.ask("OPTIONS", "/whip", &[], b"").status, 200);
    assert_eq!(listener.ask("GET", call, &[BEARER], b"").status, 200, "nothing has happened to it");
    // A body that is still on its way does not keep the answer from being read.
    assert_eq!(listener.ask("POST", "/whip", &[], &vec![b'x'; 500_000]).status, 401);
}

#[test]
fn a_page_from_elsewhere_may_call_with_the_token_and_not_without() {
    let listener = locked();
    let preflight = |headers: &str| {
        let asks = [
            EVIL,
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", headers),
        ];
        listener.ask("OPTIONS", "/whip", &asks, b"")
    };
    let promised = preflight("authorization,content-type");
    assert_eq!(promised.status, 200, "{promised:?}");
    assert_eq!(promised.header("access-control-allow-origin"), Some(EVIL.1));
    assert!(promised.header("access-control-allow-headers").unwrap().contains("Authorization"));
    assert_eq!(preflight("content-type").status, 403, "a page that won't bear it");

    let made = listener.ask("POST", "/whip", &[EVIL, BEARER], b"");
    assert_eq!((made.status, made.header("access-control-allow-origin")), (201, Some(EVIL.1)));
    for headers in [&[EVIL][..], &[EVIL, WRONG]] {
        let refused = listener.ask("POST", "/whip", headers, b"");
        assert_eq!(refused.status, 403, "{refused:?}");
        assert!(refused.headers.iter().all(|(name, _)| !name.starts_with("access-control")));
    }
    // Without a token to know, a promise is worth nothing.
    let open = Listener::start(&[]);
    let promise = [EVIL, ("Access-Control-Request-Headers", "authorization")];
    assert_eq!(open.ask("OPTIONS", "/whip", &promise, b"").status, 403);
    assert_eq!(open.ask("POST", "/whip", &[EVIL, BEARER], b"").status, 403);
}

#[test]
fn halloo_bears_the_token_when_it_calls() {
    let listener = locked();
    let at = listener.at.to_string();
    let mut arguments = vec!["call", &at, "--input", "tone:440", "--output", "null"];
    let refused = run(&arguments);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr.contains("signalling: ") && stderr.contains("HALLOO_TOKEN"), "{stderr}");

    let variable = [("HALLOO_TOKEN", SECRET)];
    let mut call = Halloo::start_with(None, &arguments, &variable);
    call.wait_for("connected", |_| true);
    call.terminate();
    assert!(call.wait(Duration::from_secs(10)).success());
    // DELETE bore it, too.
    let mut asked = (0..500).map(|_| listener.ask("GET", "/calls", &[BEARER], b""));
    let rows = asked.find(|rows| rows.text().contains("\"ended\"")).expect("it has ended");
    let rows = rows.text();
    assert!(!rows.contains(SECRET));

    arguments.extend(["--token", SECRET, "--duration", "0.2", "-vv"]);
    let output = run(&arguments);
    assert!(output.status.success());
    for told in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(told).contains("horse"), "the secret is shown");
    }
}

#[test]
fn what_is_no_token_is_refused_without_being_shown() {
    for wrong in ["", "two words", "schlüssel"] {
        for command in [&["listen"][..], &["call", "localhost"]] {
            let output = run(&[command, &["--token", wrong]].concat());
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{stderr}");
            assert!(stderr.contains("--token") && !stderr.contains("schl"), "{stderr}");
        }
    }
    let help = halloo(&["listen", "--help"]).env("HALLOO_TOKEN", SECRET).output().unwrap();
    assert!(!String::from_utf8_lossy(&help.stdout).contains("horse"), "help shows the variable");
}

#[test]
fn a_token_does_not_travel_in_the_clear() {
    // A documentation address: nobody is there, and nobody is asked.
    let output = run(&["call", "http://192.0.2.1:8080", "--token", SECRET, "--timeout", "5"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("unencrypted"), "{stderr}");
}
