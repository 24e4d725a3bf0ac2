//! INTERFACE's table of endpoints, line by line, and HTTP itself as RFC 9110 and 9112 have it: what any
//! client, proxy or script may rely on, whichever way it spells its requests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod http;
    pub mod namespace;
}

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::http::{Listener, Reply, timed};
use serde_json::Value;

type Headers<'a> = &'a [(&'a str, &'a str)];
/// Method, path, headers, body; then the status, the type of the body, other headers that must be there.
type Row<'a> = (&'a str, &'a str, Headers<'a>, &'a str, u16, &'a str, &'a [&'a str]);
const SDP: (&str, &str) = ("Content-Type", "application/sdp");

fn offer() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/sdp_browsers.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut cases = file["cases"].as_array().unwrap().iter();
    let case = cases.find(|case| case["id"] == "chromium156-audio-sendrecv").unwrap();
    case["sdp"].as_str().unwrap().to_owned()
}

fn json_offer() -> String {
    serde_json::json!({"sdp": offer(), "type": "offer", "video_transform": "none"}).to_string()
}

/// A trickled candidate of the offer above.
fn fragment() -> String {
    let offer = offer();
    let lines: Vec<&str> = offer.lines().filter(|line| line.starts_with("a=ice-")).collect();
    let (ufrag, pwd) = (lines[0], lines[1]);
    format!(
        "{ufrag}\r\n{pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
         a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n"
    )
}

/// A connection that is used for more than one request.
struct KeptAlive(TcpStream);

impl KeptAlive {
    fn open(listener: &Listener) -> Self {
        let stream = TcpStream::connect(listener.at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(stream)
    }

    fn write(&mut self, listener: &Listener, request: &str, body: &str) {
        let (line, headers) = request.split_once("\r\n").unwrap_or((request, ""));
        let gap = if headers.is_empty() { "" } else { "\r\n" };
        let host = listener.at;
        let all = format!("{line} HTTP/1.1\r\nHost: {host}{gap}{headers}\r\n\r\n{body}");
        self.0.write_all(all.as_bytes()).unwrap();
    }

    /// One answer, by its own length: what follows belongs to the next.
    fn read(&mut self, of: &str) -> Reply {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).expect("the connection ended");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned())).collect();
        let mut reply = Reply { status, headers, body: Vec::new() };
        let length = match reply.header("content-length") {
            Some(length) if of != "HEAD" => length.parse().unwrap(),
            _ => 0,
        };
        reply.body.resize(length, 0);
        self.0.read_exact(&mut reply.body).unwrap();
        reply
    }

    /// Whether it is closed, as far as one can see now.
    fn is_closed(&mut self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let mut unread = Vec::new();
        let end = self.0.read_to_end(&mut unread);
        self.0.set_nonblocking(false).unwrap();
        end.map_or_else(|error| error.kind() != ErrorKind::WouldBlock, |_| true)
    }
}

#[test]
fn the_table_line_by_line() {
    // rfc9725-4.1-2, rfc9725-4.2-1, rfc9725-4.2-2, rfc9725-4.2-4
    let listener = Listener::start(&[]);
    let (offer, json, fragment) = (offer(), json_offer(), fragment());
    let array = serde_json::json!([offer, "offer"]).to_string();
    let created = listener.ask("POST", "/whip", &[SDP], offer.as_bytes());
    let call = created.header("location").unwrap().to_owned();
    let etag = created.header("etag").unwrap().to_owned();
    let (stats, events) = (format!("{call}/stats"), format!("{call}/events"));
    let trickle = |value: &'static str| [("Content-Type", FRAGMENT), ("If-Match", value)];
    const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
    let current = [("Content-Type", FRAGMENT), ("If-Match", &etag)];
    let listed = format!("\"x\" , {etag}");
    let listed = [("Content-Type", FRAGMENT), ("If-Match", &listed)];
    let weak = format!("W/{etag}");
    let weak = [("Content-Type", FRAGMENT), ("If-Match", &weak)];
    let json_type = |value: &'static str| [("Content-Type", value)];
    #[rustfmt::skip]
    let table: &[Row<'_>] = &[
        ("GET", "/", &[], "", 200, "text/html; charset=utf-8", &["content-security-policy"]),
        ("HEAD", "/", &[], "", 200, "text/html; charset=utf-8", &[]),
        ("OPTIONS", "/", &[], "", 200, "", &["allow"]),
        ("OPTIONS", "*", &[], "", 200, "", &["allow"]),
        ("POST", "/", &[], "", 405, "problem", &["allow"]),
        ("GET", "/%70age.js", &[], "", 200, "text/javascript; charset=utf-8", &[]),
        ("OPTIONS", "/page.js", &[], "", 200, "", &["allow"]),
        ("POST", "/page.js", &[], "", 405, "problem", &["allow"]),
        ("DELETE", "/style.css", &[], "", 405, "problem", &["allow"]),
        ("GET", "/whip", &[], "", 204, "", &[]),
        ("GET", "/whip?room=7", &[], "", 204, "", &[]),
        ("HEAD", "/whip", &[], "", 204, "", &[]),
        ("OPTIONS", "/whip", &[], "", 200, "", &["allow", "accept-post"]),
        ("POST", "/whip", &[SDP], &offer, 201, "application/sdp", &["location", "etag"]),
        ("POST", "/whip?room=7", &[SDP], &offer, 201, "application/sdp", &["location", "etag"]),
        ("POST", "/whip", &[("content-TYPE", "Application/SDP;charset=\"utf-8\"")], &offer, 201, "application/sdp", &["location", "etag"]),
        ("POST", "/whip", &[("Content-Type", " application/sdp ; a=b; c=d")], &offer, 201, "application/sdp", &["location"]),
        ("POST", "/whip", &[], "", 201, "application/sdp", &["location", "etag"]),
        ("POST", "/whip", &[SDP], "", 201, "application/sdp", &["location", "etag"]),
        ("POST", "/whip", &[], &offer, 415, "problem", &["accept-post"]),
        ("POST", "/whip", &[("Content-Type", "application/sdpx")], &offer, 415, "problem", &["accept-post"]),
        ("POST", "/whip", &[("Content-Type", "text/plain")], &offer, 415, "problem", &["accept-post"]),
        ("POST", "/whip", &[SDP], "v=1\r\n", 400, "problem", &[]),
        ("DELETE", "/whip", &[], "", 405, "problem", &["allow"]),
        ("PATCH", "/whip", &[SDP], &offer, 405, "problem", &["allow"]),
        ("OPTIONS", "/offer", &[], "", 200, "", &["allow", "accept-post"]),
        ("POST", "/offer", &json_type("application/json"), &json, 200, "application/json", &["location"]),
        ("POST", "/%6fffer", &json_type("application/json"), &json, 200, "application/json", &["location"]),
        ("POST", "/offer", &json_type("APPLICATION/json; charset=UTF-8"), &json, 200, "application/json", &[]),
        ("POST", "/offer", &json_type("application/sdp"), &json, 415, "problem", &["accept-post"]),
        ("POST", "/offer", &json_type("application/json"), "[1", 400, "problem", &[]),
        ("POST", "/offer", &json_type("application/json"), &array, 400, "problem", &[]),
        ("POST", "/whip", &[SDP, ("Content-Encoding", "gzip")], &offer, 415, "problem", &["accept-encoding"]),
        ("POST", "/whip", &[SDP, ("Content-Encoding", "identity")], &offer, 201, "application/sdp", &["location"]),
        ("GET", "/offer", &[], "", 405, "problem", &["allow"]),
        ("GET", "/calls", &[], "", 200, "application/json", &[]),
        ("HEAD", "/calls", &[], "", 200, "application/json", &[]),
        ("OPTIONS", "/calls", &[], "", 200, "", &["allow"]),
        ("GET", &call, &[], "", 200, "application/json", &[]),
        ("HEAD", &call, &[], "", 200, "application/json", &[]),
        ("OPTIONS", &call, &[], "", 200, "", &["allow", "accept-patch"]),
        ("POST", &call, &[SDP], &offer, 405, "problem", &["allow"]),
        ("GET", &stats, &[], "", 200, "application/json", &[]),
        ("OPTIONS", &stats, &[], "", 200, "", &["allow"]),
        ("HEAD", &events, &[], "", 200, "text/event-stream", &[]),
        ("OPTIONS", &events, &[], "", 200, "", &["allow"]),
        ("DELETE", &events, &[], "", 405, "problem", &["allow"]),
        ("PATCH", &call, &current, &fragment, 204, "", &[]),
        ("PATCH", &call, &listed, &fragment, 204, "", &[]),
        ("PATCH", &call, &trickle("*"), &fragment, 204, "", &[]),
        ("PATCH", &call, &weak, &fragment, 412, "problem", &[]),
        ("PATCH", &call, &trickle("\"older\""), &fragment, 412, "problem", &[]),
        ("PATCH", &call, &[("Content-Type", FRAGMENT)], &fragment, 428, "problem", &[]),
        ("PATCH", &call, &trickle("*"), "m=", 400, "problem", &[]),
        ("PATCH", &call, &[SDP, ("If-Match", "\"older\"")], &offer, 412, "problem", &[]),
        ("PATCH", &call, &[SDP], "v=0", 400, "problem", &[]),
        ("PATCH", &call, &json_type("application/json"), "{}", 415, "problem", &["accept-patch"]),
        ("PATCH", &call, &[], &fragment, 415, "problem", &["accept-patch"]),
        ("PATCH", "/calls/nobody", &current, &fragment, 404, "problem", &[]),
        ("GET", "/calls/nobody/events", &[], "", 404, "problem", &[]),
        ("GET", "/favicon.ico", &[], "", 404, "problem", &[]),
        ("OPTIONS", "/nowhere", &[], "", 404, "problem", &[]),
        ("DELETE", &call, &[("If-Match", "\"older\"")], "", 200, "", &[]),
        ("GET", &call, &[], "", 200, "application/json", &[]),
        ("GET", &stats, &[], "", 200, "application/json", &[]),
        ("DELETE", &call, &[], "", 404, "problem", &[]),
        ("PATCH", &call, &current, &fragment, 404, "problem", &[]),
        ("PATCH", &call, &[SDP], &offer, 404, "problem", &[]),
    ];
    for (method, path, headers, body, status, kind, others) in table {
        let reply = listener.ask(method, path, headers, body.as_bytes());
        let what = format!("{method} {path} {headers:?} {body:.20?}: {reply:?}");
        assert_eq!(reply.status, *status, "{what}");
        match *kind {
            "problem" => drop(reply.problem()),
            "" => assert_eq!((reply.header("content-type"), reply.body.len()), (None, 0), "{what}"),
            kind => assert_eq!(reply.header("content-type"), Some(kind), "{what}"),
        }
        for name in *others {
            assert!(reply.header(name).is_some(), "{name}: {what}");
        }
        let length = reply.header("content-length").map(|length| length.parse::<usize>().unwrap());
        match (*status, *method) {
            // RFC 9110 section 8.6: not here.
            (204, _) => assert_eq!(length, None, "{what}"),
            // A stream has no length; of the rest HEAD tells that of GET.
            (_, "HEAD") => assert_eq!(length.is_some_and(|l| l > 0), !path.ends_with("events")),
            _ => assert_eq!(length, Some(reply.body.len()), "{what}"),
        }
        assert_eq!(reply.header("etag").is_some(), *status == 201, "{what}");
        if let Some(location) = reply.header("location") {
            assert!(location.starts_with("/calls/") && !location.contains("//"), "{what}");
        }
    }
}

#[test]
fn a_caller_that_calls_twice_has_two_calls() {
    let listener = Listener::start(&[]);
    let offer = offer();
    let twice = [(); 2].map(|()| listener.ask("POST", "/whip", &[SDP], offer.as_bytes()));
    let [first, second] = twice.each_ref().map(|reply| reply.header("location").unwrap());
    assert_ne!(first, second);
    assert_ne!(twice[0].header("etag"), twice[1].header("etag"));
    assert_eq!(listener.ask("DELETE", first, &[], b"").status, 200);
    let state = |of: &str| listener.json(of)["state"].as_str().unwrap().to_owned();
    assert_eq!((state(first).as_str(), state(second).as_str()), ("ended", "connecting"));
    assert_eq!(listener.ask("DELETE", second, &[], b"").status, 200);
    assert_eq!(listener.json("/calls").as_array().unwrap().len(), 2, "readable for a minute");
}

#[test]
fn one_connection_carries_any_number_of_requests() {
    let listener = Listener::start(&[]);
    let (offer, mut connection) = (offer(), KeptAlive::open(&listener));
    let length = offer.len();
    let post = format!("POST /whip\r\nContent-Type: application/sdp\r\nContent-Length: {length}");
    for (request, body, status) in [
        ("GET /calls", "", 200),
        ("GET /whip", "", 204),
        ("HEAD /", "", 200),
        ("GET /nowhere", "", 404),
        (&post, &offer, 201),
        ("POST /whip\r\nContent-Type: application/sdp\r\nContent-Length: 5", "hello", 400),
        ("PUT /whip\r\nContent-Length: 5", "hello", 405),
        ("OPTIONS /whip", "", 200),
        ("POST /whip\r\nContent-Length: 0", "", 201),
    ] {
        connection.write(&listener, request, body);
        let reply = connection.read(request.split(' ').next().unwrap());
        assert_eq!(reply.status, status, "{request}: {reply:?}");
        assert_ne!(reply.header("connection"), Some("close"), "{request}");
    }
    // All at once: answered in order (RFC 9112 section 9.3.2).
    connection.write(&listener, "GET /nowhere", "");
    connection.write(&listener, &post, &offer);
    connection.write(&listener, "GET /calls", "");
    let statuses = [(); 3].map(|()| connection.read("GET").status);
    assert_eq!(statuses, [404, 201, 200]);
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    // RFC 9110 section 10.1.1
    let listener = Listener::start(&[]);
    let (offer, mut connection) = (offer(), KeptAlive::open(&listener));
    let length = offer.len();
    let head = "POST /whip\r\nContent-Type: application/sdp\r\nExpect: 100-continue";
    connection.write(&listener, &format!("{head}\r\nContent-Length: {length}"), "");
    assert_eq!(connection.read("POST").status, 100);
    connection.0.write_all(offer.as_bytes()).unwrap();
    assert_eq!(connection.read("POST").status, 201);
}

#[test]
fn a_request_names_one_host() {
    // RFC 9112 section 3.2
    let listener = Listener::start(&[]);
    let (at, close) = (listener.at, "Connection: close\r\n\r\n");
    for (request, status) in [
        (format!("GET /calls HTTP/1.1\r\n{close}"), 400),
        (format!("GET /calls HTTP/1.1\r\nHost: {at}\r\nHost: {at}\r\n{close}"), 400),
        (format!("GET /calls HTTP/1.0\r\n{close}"), 200),
        (format!("GET http://{at}/calls HTTP/1.1\r\nHost: {at}\r\n{close}"), 200),
    ] {
        let reply = listener.ask_raw(request.as_bytes());
        assert_eq!(reply.status, status, "{request:?}: {reply:?}");
    }
}

#[test]
fn a_head_without_end_is_cut_short() {
    let listener = Listener::start(&[]);
    let long = "x".repeat(100_000);
    let many = "X-A: b\r\n".repeat(1_000);
    for head in [
        format!("GET /{long} HTTP/1.1\r\n"),
        format!("GET / HTTP/1.1\r\nX-Long: {long}\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {}\r\n{many}\r\n", listener.at),
    ] {
        let mut stream = TcpStream::connect(listener.at).unwrap();
        let _cut_off_already = stream.write_all(head.as_bytes());
        let mut answer = Vec::new();
        let _cut_off = stream.read_to_end(&mut answer);
        let told = String::from_utf8_lossy(&answer);
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
    }
    assert_eq!(listener.ask("GET", "/calls", &[], b"").status, 200);
}

#[test]
fn hundreds_of_silent_connections_keep_nobody_out() {
    let listener = Listener::start(&[]);
    // Some say nothing, some half a head, some half a body, some have asked and been answered.
    let mut silent: Vec<KeptAlive> = Vec::new();
    for n in 0..600 {
        let mut connection = KeptAlive::open(&listener);
        let begun = match n % 4 {
            0 => "",
            1 => "GET /calls HTTP/1.1\r\nX-Half",
            2 => {
                "POST /whip HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: 9\r\n\r\nv="
            }
            _ => "GET /whip HTTP/1.1\r\nHost: x\r\n\r\n",
        };
        // The oldest may be gone by now; they are not asked any more.
        connection.0.write_all(begun.as_bytes()).unwrap();
        silent.push(connection);
    }
    let (reply, took) = timed(|| listener.ask("POST", "/whip", &[SDP], offer().as_bytes()));
    assert_eq!(reply.status, 201);
    assert!(took < Duration::from_secs(2), "{took:?}");
    let open = silent.iter_mut().filter_map(|one| (!one.is_closed()).then_some(())).count();
    assert!(open <= 256, "{open} are still open");
}

#[test]
fn idle_connections_are_closed_after_a_while() {
    let listener = Listener::start(&[]);
    let mut idle: Vec<_> = (0..50).map(|_| KeptAlive::open(&listener)).collect();
    for connection in &mut idle {
        connection.write(&listener, "GET /whip", "");
        assert_eq!(connection.read("GET").status, 204);
    }
    let (_, took) = timed(|| {
        for connection in &mut idle {
            assert_eq!(connection.0.read(&mut [0]).unwrap(), 0, "closed, not reset");
        }
    });
    let expected = Duration::from_secs(15)..Duration::from_secs(25);
    assert!(expected.contains(&took), "{took:?}");
}
