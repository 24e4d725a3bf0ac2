//! Everything that INTERFACE promises of `halloo listen` over HTTP, asked of the real program.
//!
//! Each test has a listener of its own on a free port of loopback. The offers are those of real
//! browsers (`vectors/sdp_browsers.json`): whether media flows is not asked here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod http;
    pub mod namespace;
}

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use common::halloo::Halloo;
use common::http::{Listener, Reply, timed};
use serde_json::{Value, json};

const SDP: (&str, &str) = ("Content-Type", "application/sdp");
const JSON: (&str, &str) = ("Content-Type", "application/json");
const FRAGMENT: (&str, &str) = ("Content-Type", "application/trickle-ice-sdpfrag");

/// A description of a browser.
fn browser(id: &str) -> String {
    vector("sdp_browsers.json", id, "sdp")
}

fn vector(file: &str, id: &str, member: &str) -> String {
    let case = cases(file).into_iter().find(|case| case["id"] == id);
    case.unwrap_or_else(|| panic!("{file} has no {id}"))[member].as_str().unwrap().to_owned()
}

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file["cases"].as_array().unwrap().clone()
}

/// The body of a trickle PATCH that belongs to this description.
fn fragment_of(sdp: &str) -> String {
    let line = |start: &str| sdp.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    [
        &line("a=ice-ufrag:"),
        &line("a=ice-pwd:"),
        "m=audio 9 UDP/TLS/RTP/SAVPF 0",
        &line("a=mid:"),
        "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host",
        "a=candidate:2 1 udp 2122260222 unknown-name.local 61764 typ host",
        "a=candidate:3 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active",
        "a=end-of-candidates",
        "",
    ]
    .join("\r\n")
}

fn post(listener: &Listener, offer: &str) -> Reply {
    listener.ask("POST", "/whip", &[SDP], offer.as_bytes())
}

#[test]
fn an_offer_is_answered_as_rfc_9725_asks() {
    // rfc9725-4.2-1, rfc9725-4.3.1-2
    let listener = Listener::start(&[]);
    let reply = post(&listener, &browser("chromium156-audio-sendrecv"));
    assert_eq!((reply.status, reply.header("content-type")), (201, Some("application/sdp")));
    let location = reply.header("location").unwrap();
    assert!(location.starts_with("/calls/") && location.len() > 20, "{location}");
    let etag = reply.header("etag").unwrap();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 4, "{etag}");
    let length: usize = reply.header("content-length").unwrap().parse().unwrap();
    assert_eq!(length, reply.body.len());
    assert!(reply.text().starts_with("v=0\r\n"));
    let listed = listener.json("/calls");
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(format!("/calls/{}", listed[0]["id"].as_str().unwrap()), location);
}

#[test]
fn a_call_lives_between_post_and_delete() {
    let listener = Listener::start(&[]);
    let offer = browser("chromium156-audio-sendrecv");
    let created = post(&listener, &offer);
    let (location, etag) = (created.header("location").unwrap(), created.header("etag").unwrap());

    // rfc9725-4.3.2-1: candidates, even useless ones, are 204 without an ETag.
    let trickle = fragment_of(&offer);
    let patch = |headers: &[(&str, &str)], body: &str| {
        listener.ask("PATCH", location, headers, body.as_bytes())
    };
    let reply = patch(&[FRAGMENT, ("If-Match", etag)], &trickle);
    assert_eq!((reply.status, reply.header("etag"), reply.body.len()), (204, None, 0), "{reply:?}");
    // rfc9725-4.3.1-2
    assert_eq!(patch(&[FRAGMENT], &trickle).status, 428);
    assert_eq!(patch(&[FRAGMENT, ("If-Match", "\"other\"")], &trickle).status, 412);

    // rfc9725-4.3.3-1: new credentials restart ICE.
    let restart = vector("trickle_ice_fragments.json", "rfc9725-4.3.3-restart-request", "fragment");
    let reply = patch(&[FRAGMENT, ("If-Match", "*")], &restart);
    assert_eq!((reply.status, reply.header("content-type")), (200, Some(FRAGMENT.1)), "{reply:?}");
    assert!(reply.text().contains("a=ice-ufrag:") && reply.text().contains("a=ice-pwd:"));
    let options = created.text().lines().find(|line| line.starts_with("a=ice-options:")).unwrap();
    assert!(reply.text().lines().any(|line| line == options), "{}", reply.text());
    assert_ne!(reply.header("etag").unwrap(), etag);
    assert_eq!(patch(&[FRAGMENT, ("If-Match", etag)], &trickle).status, 412, "the old session");

    let stats = listener.json(&format!("{location}/stats"));
    for (id, dictionary) in stats.as_object().unwrap() {
        assert_eq!(&dictionary["id"], id);
        assert!(dictionary["type"].is_string());
    }

    // rfc9725-4.2-3; an If-Match is ignored there (section 4.3.1).
    let reply = listener.ask("DELETE", location, &[("If-Match", "\"other\"")], b"");
    assert_eq!(reply.status, 200);
    let ended = listener.json(location);
    assert_eq!(ended["state"], "ended", "readable for a minute: {ended}");
    assert!(ended["since"].is_string() && ended["reason"].is_string());
    assert_eq!(listener.ask("DELETE", location, &[], b"").status, 404);
    assert_eq!(patch(&[FRAGMENT, ("If-Match", "*")], &trickle).status, 404);
    assert_eq!(patch(&[SDP], "anything").status, 404);
    assert_eq!(listener.ask("GET", &format!("{location}/stats"), &[], b"").status, 200);
}

#[test]
fn an_empty_post_gets_our_offer_and_its_answer_is_patched() {
    let listener = Listener::start(&[]);
    let created = listener.ask("POST", "/whip", &[], b"");
    assert_eq!((created.status, created.header("content-type")), (201, Some("application/sdp")));
    assert!(created.text().contains("a=setup:actpass"));
    let location = created.header("location").unwrap();
    assert_eq!(listener.json(location)["state"], "ringing");

    // An offer while ours is open: glare.
    let theirs = browser("chromium156-audio-sendrecv");
    assert_eq!(listener.ask("PATCH", location, &[SDP], theirs.as_bytes()).status, 409);

    let other = Listener::start(&[]);
    let answer = post(&other, created.text());
    assert_eq!(answer.status, 201);
    let patched = listener.ask("PATCH", location, &[SDP], &answer.body);
    assert_eq!((patched.status, patched.body.len()), (204, 0), "{patched:?}");
    assert_ne!(listener.json(location)["state"], "ringing");
}

#[test]
fn what_aiortcs_page_sends_is_answered_in_json() {
    let listener = Listener::start(&[]);
    let message = json!({
        "sdp": browser("chromium156-audio-video-data"),
        "type": "offer",
        "video_transform": "none",
    });
    let reply = listener.ask("POST", "/offer", &[JSON], message.to_string().as_bytes());
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let answer: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(answer["type"], "answer");
    assert!(answer["sdp"].as_str().unwrap().starts_with("v=0\r\n"));
}

#[test]
fn every_error_has_its_status_and_a_problem_document() {
    let listener = Listener::start(&[]);
    let running = post(&listener, &browser("chromium156-audio-sendrecv"));
    let location = running.header("location").unwrap();
    let offer = browser("chromium156-audio-sendrecv");
    let text = ("Content-Type", "text/plain");
    let any = ("If-Match", "*");
    type Case<'a> = (u16, &'a str, &'a str, Vec<(&'a str, &'a str)>, &'a str);
    let cases: Vec<Case<'_>> = vec![
        // rfc9725-4.2-2
        (400, "POST", "/whip", vec![SDP], "hello"),
        (400, "POST", "/whip", vec![SDP], "v=0\r\n"),
        (415, "POST", "/whip", vec![text], &offer),
        (415, "POST", "/whip", vec![], &offer),
        (415, "POST", "/whip", vec![JSON], "{}"),
        (400, "POST", "/offer", vec![JSON], "{"),
        (400, "POST", "/offer", vec![JSON], ""),
        (400, "POST", "/offer", vec![JSON], "{\"sdp\":\"v=0\"}"),
        (400, "POST", "/offer", vec![JSON], "{\"sdp\":\"v=0\",\"type\":\"offer\"}"),
        (400, "POST", "/offer", vec![JSON], "{\"sdp\":\"v=0\",\"type\":\"answer\"}"),
        (415, "POST", "/offer", vec![SDP], &offer),
        // rfc9725-4.3.1-1
        (415, "PATCH", location, vec![text, any], "x"),
        (400, "PATCH", location, vec![FRAGMENT, any], "hello"),
        (400, "PATCH", location, vec![SDP], "hello"),
        (404, "GET", "/calls/nobody", vec![], ""),
        (404, "GET", "/calls/AAAAAAAAAAAAAAAAAAAAAA", vec![], ""),
        (404, "GET", "/calls/AAAAAAAAAAAAAAAAAAAAAA/stats", vec![], ""),
        (404, "DELETE", "/calls/AAAAAAAAAAAAAAAAAAAAAA", vec![], ""),
        (404, "PATCH", "/calls/AAAAAAAAAAAAAAAAAAAAAA", vec![FRAGMENT, any], "x"),
        (404, "PATCH", "/calls/nobody", vec![SDP], &offer),
        (404, "GET", "/elsewhere", vec![], ""),
        (404, "GET", "/calls/", vec![], ""),
        (404, "POST", "/whip/", vec![SDP], &offer),
        (404, "GET", "/../Cargo.toml", vec![], ""),
        (405, "PUT", "/whip", vec![SDP], &offer),
        (405, "POST", "/calls", vec![JSON], "{}"),
        (405, "DELETE", "/calls", vec![], ""),
        (405, "GET", "/offer", vec![], ""),
        (405, "PUT", location, vec![SDP], &offer),
        (405, "BREW", "/", vec![], ""),
    ];
    for (status, method, path, headers, body) in cases {
        let reply = listener.ask(method, path, &headers, body.as_bytes());
        assert_eq!(reply.status, status, "{method} {path} {headers:?} {body:.40}: {reply:?}");
        reply.problem();
        match status {
            405 => assert!(reply.header("allow").is_some(), "{reply:?}"),
            415 if method == "POST" => assert!(reply.header("accept-post").is_some(), "{reply:?}"),
            415 => assert!(reply.header("accept-patch").is_some(), "{reply:?}"),
            _ => {}
        }
    }
    let state = &listener.json(location)["state"];
    assert!(state == "connecting" || state == "connected", "still there: {state}");
    assert_eq!(listener.json("/calls").as_array().unwrap().len(), 1, "and no other call was made");
}

#[test]
fn an_offer_without_usable_audio_is_not_acceptable() {
    let listener = Listener::start(&["--codec", "opus"]);
    for id in
        ["chromium156-data-only", "chromium156-audio-pcmu-only", "chromium156-audio-stopped-offer"]
    {
        let reply = post(&listener, &browser(id));
        assert_eq!(reply.status, 406, "{id}: {reply:?}");
        reply.problem();
    }
    assert_eq!(listener.json("/calls"), json!([]));
}

#[test]
fn every_malformed_description_is_refused_with_its_line() {
    let listener = Listener::start(&[]);
    for case in cases("sdp_malformed.json") {
        let sdp = case["sdp"].as_str().unwrap();
        if case["verdict"] != "reject" || sdp.is_empty() {
            continue;
        }
        for reply in [
            post(&listener, sdp),
            listener.ask(
                "POST",
                "/offer",
                &[JSON],
                json!({"sdp": sdp, "type": "offer"}).to_string().as_bytes(),
            ),
        ] {
            assert_eq!(reply.status, 400, "{}: {reply:?}", case["id"]);
            let problem = reply.problem();
            assert!(problem["line"].as_u64().is_some_and(|line| line > 0), "{problem}");
            assert!(problem["detail"].as_str().unwrap().contains("line "), "{problem}");
        }
    }
    assert_eq!(listener.json("/calls"), json!([]));
}

#[test]
fn a_body_over_64_kib_is_refused_however_it_comes() {
    let listener = Listener::start(&[]);
    let large = vec![b'x'; 64 * 1024 + 1];
    let fits = vec![b'x'; 64 * 1024];
    assert_eq!(listener.ask("POST", "/whip", &[SDP], &fits).status, 400, "the limit itself");
    let reply = listener.ask("POST", "/whip", &[SDP], &large);
    assert_eq!(reply.status, 413);
    reply.problem();
    assert_eq!(listener.ask("POST", "/offer", &[JSON], &large).status, 413);
    assert_eq!(listener.ask("POST", "/whip", &[SDP], &vec![b'x'; 900_000]).status, 413);

    let head = format!("POST /whip HTTP/1.1\r\nHost: {}\r\n{}: {}\r\n", listener.at, SDP.0, SDP.1);
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in large.chunks(5_000) {
        chunked.extend(format!("{:x}\r\n", chunk.len()).bytes());
        chunked.extend(chunk);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    assert_eq!(listener.ask_raw(&chunked).status, 413, "in chunks");

    // Announced, and held back until we say that we want it: we don't, and say so at once.
    let announced = format!("{head}Content-Length: 9999999\r\nExpect: 100-continue\r\n\r\n");
    let (reply, took) = timed(|| listener.ask_raw(announced.as_bytes()));
    assert_eq!(reply.status, 413);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn an_offer_in_small_chunks_is_taken() {
    let listener = Listener::start(&[]);
    let head = format!(
        "POST /whip HTTP/1.1\r\nHost: {}\r\nContent-Type: application/sdp\r\n\
         Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        listener.at
    );
    let mut stream = TcpStream::connect(listener.at).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    for chunk in browser("firefox153-audio-sendrecv").as_bytes().chunks(100) {
        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).unwrap();
        stream.write_all(chunk).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(Reply::read(&mut stream).status, 201);
}

/// rfc9112-6.1: what is packed in a way that we don't know is not taken for what it isn't.
#[test]
fn a_transfer_coding_that_is_not_known_is_refused() {
    let listener = Listener::start(&[]);
    let offer = browser("chromium156-audio-sendrecv");
    for (coding, status) in [("chunked", 201), ("gzip, chunked", 501)] {
        let mut request = format!(
            "POST /whip HTTP/1.1\r\nHost: {}\r\nContent-Type: application/sdp\r\n\
             Connection: close\r\nTransfer-Encoding: {coding}\r\n\r\n{:x}\r\n",
            listener.at,
            offer.len()
        );
        request += &offer;
        request += "\r\n0\r\n\r\n";
        let reply = listener.ask_raw(request.as_bytes());
        assert_eq!(reply.status, status, "{reply:?}");
        if status != 201 {
            reply.problem();
        }
    }
    assert_eq!(listener.json("/calls").as_array().unwrap().len(), 1);
}

#[test]
fn who_sends_slowly_holds_up_nobody_and_is_sent_away() {
    let listener = Listener::start(&[]);
    let begun: Vec<_> = (0..20)
        .map(|n| {
            let mut stream = TcpStream::connect(listener.at).unwrap();
            let length = if n % 2 == 0 { "Content-Length: 1000\r\n\r\nv=0" } else { "X-Half-A-He" };
            write!(
                stream,
                "POST /whip HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n{length}"
            )
            .unwrap();
            stream
        })
        .collect();
    let (reply, took) = timed(|| post(&listener, &browser("chromium156-audio-sendrecv")));
    assert_eq!(reply.status, 201);
    assert!(took < Duration::from_secs(2), "{took:?}");
    let mut slow = begun.into_iter().next().unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    assert_eq!(Reply::read(&mut slow).status, 408);
}

#[test]
fn what_is_no_http_gets_400_or_is_cut_off() {
    let listener = Listener::start(&[]);
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"hello\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(listener.at).unwrap();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _reset_or_closed = std::io::Read::read_to_end(&mut stream, &mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    }
    assert_eq!(listener.json("/calls"), json!([]));
}

#[test]
fn a_foreign_page_is_refused_and_no_call_is_made() {
    let listener = Listener::start(&[]);
    let offer = browser("chromium156-audio-sendrecv");
    let own = format!("http://{}", listener.at);
    let other_scheme = format!("https://{}", listener.at);
    let port = listener.at.port();
    let (local, evil) = (format!("localhost:{port}"), format!("evil.example:{port}"));
    let (local_origin, evil_origin) = (format!("http://{local}"), format!("http://{evil}"));
    let refused: &[&[(&str, &str)]] = &[
        &[("Origin", "http://evil.example")],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
        &[("Origin", &other_scheme)],
        &[("Origin", &local_origin)], // another origin than the one by which we are asked
        &[("Origin", &evil_origin), ("Host", &evil)], // DNS rebinding
        &[("Origin", &own), ("Host", &evil)],
        &[("Origin", &own), ("Origin", "http://evil.example")],
    ];
    for headers in refused {
        let with = |more: (&'static str, &'static str)| {
            let mut all = headers.to_vec();
            all.push(more);
            all
        };
        for reply in [
            listener.ask("POST", "/whip", &with(SDP), offer.as_bytes()),
            listener.ask("POST", "/whip", headers, b""),
            listener.ask("POST", "/offer", &with(JSON), b"{}"),
            listener.ask("GET", "/calls", headers, b""),
            listener.ask("GET", "/", headers, b""),
            listener.ask("OPTIONS", "/whip", &with(("Access-Control-Request-Method", "POST")), b""),
        ] {
            assert_eq!(reply.status, 403, "{headers:?}: {reply:?}");
            assert!(reply.headers.iter().all(|(name, _)| !name.starts_with("access-control")));
            reply.problem();
        }
    }
    // A GET within a rebound page bears no Origin, but what only browsers send.
    let rebound = [("Host", evil.as_str()), ("Accept-Language", "de")];
    assert_eq!(listener.ask("GET", "/calls", &rebound, b"").status, 403);
    assert_eq!(listener.json("/calls"), json!([]), "no call was made");

    for headers in [
        &[SDP][..],
        &[SDP, ("Origin", &own)],
        &[SDP, ("Origin", &local_origin), ("Host", &local)],
        &[SDP, ("Host", "behind.a.proxy")],
    ] {
        let reply = listener.ask("POST", "/whip", headers, offer.as_bytes());
        assert_eq!(reply.status, 201, "{headers:?}: {reply:?}");
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
}

#[test]
fn an_allowed_page_gets_cors_headers_on_every_answer() {
    let listener = Listener::start(&["--allow-origin", "https://app.example"]);
    let origin = ("Origin", "https://app.example");
    let preflight = listener.ask(
        "OPTIONS",
        "/whip",
        &[
            origin,
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "content-type"),
            ("Access-Control-Request-Private-Network", "true"),
        ],
        b"",
    );
    // rfc9725-4.2-4
    assert_eq!(preflight.status, 200);
    assert_eq!(preflight.header("accept-post"), Some("application/sdp"));
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("POST"));
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("Content-Type"));
    assert_eq!(preflight.header("access-control-allow-private-network"), Some("true"));

    let offer = browser("chromium156-audio-sendrecv");
    let created = listener.ask("POST", "/whip", &[SDP, origin], offer.as_bytes());
    assert_eq!(created.status, 201);
    let location = created.header("location").unwrap();
    let patch = listener.ask("OPTIONS", location, &[origin], b"");
    assert!(patch.header("accept-patch").unwrap().contains("application/trickle-ice-sdpfrag"));
    assert!(patch.header("access-control-allow-methods").unwrap().contains("PATCH"));
    assert!(patch.header("access-control-allow-headers").unwrap().contains("If-Match"));
    for reply in [
        created,
        listener.ask("POST", "/whip", &[SDP, origin], b"nonsense"),
        listener.ask("GET", "/nowhere", &[origin], b""),
        listener.ask("GET", "/calls", &[origin], b""),
    ] {
        assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
        assert!(reply.header("access-control-expose-headers").unwrap().contains("Location"));
        assert_eq!(reply.header("vary"), Some("Origin"));
    }
    let other = [SDP, ("Origin", "https://other.example")];
    assert_eq!(listener.ask("POST", "/whip", &other, offer.as_bytes()).status, 403);

    let any = Listener::start(&["--allow-origin", "*"]);
    let reply = any.ask("POST", "/whip", &other, offer.as_bytes());
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (201, Some("*")));
}

#[test]
fn options_say_what_each_place_takes() {
    let listener = Listener::start(&[]);
    for (path, methods, accepts) in [
        ("/", "GET", None),
        ("/whip", "POST", Some(("accept-post", "application/sdp"))),
        ("/offer", "POST", Some(("accept-post", "application/json"))),
        ("/calls", "GET", None),
        ("/calls/x", "PATCH", Some(("accept-patch", "application/trickle-ice-sdpfrag"))),
        ("/calls/x/stats", "GET", None),
    ] {
        let reply = listener.ask("OPTIONS", path, &[], b"");
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.header("allow").unwrap().contains(methods), "{path}: {reply:?}");
        if let Some((name, content_type)) = accepts {
            assert!(reply.header(name).unwrap().contains(content_type), "{path}: {reply:?}");
        }
    }
    // rfc9725-4.1-2
    let reply = listener.ask("GET", "/whip", &[], b"");
    assert_eq!((reply.status, reply.body.len()), (204, 0));
}

#[test]
fn the_page_is_complete_and_can_run_nothing_foreign() {
    let listener = Listener::start(&[]);
    for (path, content_type) in
        [("/", "text/html"), ("/call.js", "text/javascript"), ("/style.css", "text/css")]
    {
        let reply = listener.ask("GET", path, &[], b"");
        assert_eq!(reply.status, 200);
        assert!(reply.header("content-type").unwrap().starts_with(content_type), "{path}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        let policy = reply.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"));
        assert!(!reply.body.is_empty());
        let head = listener.ask("HEAD", path, &[], b"");
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
    assert_eq!(listener.ask("GET", "/?from=a-bookmark", &[], b"").status, 200);
    assert_eq!(listener.ask("POST", "/", &[SDP], b"x").status, 405);
}

#[test]
fn one_call_too_many_is_told_when_to_come_back() {
    let listener = Listener::start(&["--max-calls", "2"]);
    let offer = browser("chromium156-audio-sendrecv");
    let first = post(&listener, &offer);
    assert_eq!((first.status, post(&listener, &offer).status), (201, 201));
    let reply = post(&listener, &offer);
    assert!(reply.status == 503 || reply.status == 429, "{reply:?}");
    assert!(reply.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    reply.problem();
    assert_eq!(listener.ask("POST", "/whip", &[], b"").status, reply.status, "nor do we offer");
    listener.ask("DELETE", first.header("location").unwrap(), &[], b"");
    assert_eq!(post(&listener, &offer).status, 201, "room again");
}

#[test]
fn a_bad_request_never_disturbs_a_running_call() {
    let listener = Listener::start(&["--input", "tone:440"]);
    let at = listener.at.to_string();
    let mut call = Halloo::start(None, &["call", &at, "--input", "tone:660", "--output", "null"]);
    call.wait_for("connected", |_| true);
    let id = listener.json("/calls")[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/calls/{id}");
    for _ in 0..20 {
        post(&listener, "nonsense");
        listener.ask("PATCH", &path, &[SDP], b"v=0\r\nnonsense");
        listener.ask("PATCH", &path, &[FRAGMENT, ("If-Match", "*")], b"a=ice-ufrag:x");
        listener.ask("PATCH", &path, &[FRAGMENT], b"");
        listener.ask("PUT", &path, &[], b"");
        listener.ask("POST", "/offer", &[JSON], b"[]");
        listener.ask("POST", "/whip", &[SDP], &[0xff; 70_000]);
        listener.ask("DELETE", &path, &[("Origin", "http://evil.example")], b"");
    }
    // A description without audio is no offer that this call could take.
    let refused = listener.ask("PATCH", &path, &[SDP], browser("chromium156-data-only").as_bytes());
    assert!((400..500).contains(&refused.status), "{refused:?}");
    call.wait_for("stats", |stats| stats["packets_received"].as_u64() > Some(60));
    assert_eq!(listener.json(&path)["state"], "connected");
    call.terminate();
    assert!(call.wait(Duration::from_secs(10)).success());
}
