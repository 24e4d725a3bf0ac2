//! `halloo call` and the servers there are: those that do less than RFC 9725, those that do it otherwise,
//! and those that mean no good. Each is written by hand here, with a real `halloo listen` behind it
//! where a call shall come about.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod http;
    pub mod namespace;
}

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use common::http::{Listener, run, timed};
use serde_json::{Value, json};

/// What a server was asked.
#[derive(Clone, Debug)]
struct Asked {
    method: String,
    path: String,
    head: String,
    body: String,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A server of our own. What its function writes is the answer; then the connection ends.
struct Server {
    at: SocketAddr,
    asked: Receiver<Asked>,
}

impl Server {
    fn start(answer: impl Fn(&Asked, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (tell, asked) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                // First this: the program may end with the answer, and then all was asked.
                let _test_has_ended = tell.send(request.clone());
                answer(&request, &mut stream);
                let _gone = stream.shutdown(std::net::Shutdown::Write);
            }
        });
        Self { at, asked }
    }

    /// What was asked, in order; the program has ended, so no more comes.
    fn asked(&self) -> Vec<Asked> {
        let mut all = Vec::new();
        while let Ok(one) = self.asked.recv_timeout(Duration::from_millis(300)) {
            all.push(one);
        }
        all
    }

    /// The same in short; that the caller also asks for the call's events is told elsewhere.
    fn lines(&self) -> Vec<String> {
        let lines = self.asked().into_iter().map(|one| one.line());
        lines.filter(|line| !line.contains("/events")).collect()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let (line, rest) = head.split_once("\r\n")?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut asked = Asked { method, path, head: rest.to_owned(), body: String::new() };
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).unwrap();
    Some(asked)
}

/// Writes an answer with the length of its body.
fn write(stream: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n");
    let _gone = stream.write_all((head + body).as_bytes());
}

/// The answer of a real halloo to the offer that was posted.
fn answer_of(halloo: SocketAddr, offer: &str) -> String {
    let length = offer.len();
    let mut stream = TcpStream::connect(halloo).unwrap();
    let head = format!(
        "POST /whip HTTP/1.1\r\nHost: {halloo}\r\nContent-Type: application/sdp\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all((head + offer).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Calls a URL for a moment.
fn call(url: &str, more: &[&str]) -> Output {
    let mut arguments = vec!["call", url, "--input", "silence", "--output", "null"];
    arguments.extend(["--duration", "0.2"]);
    arguments.extend(more);
    run(&arguments)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A call that came about.
#[track_caller]
fn assert_called(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
}

/// A call that did not, for a reason that stands in one line, with another on what to do.
#[track_caller]
fn assert_refused(output: &Output, says: &str) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let last: Vec<&str> = told.lines().rev().take(2).collect();
    assert!(last[1].contains("signalling") && last[1].contains(says), "{says:?}: {told}");
    assert!(last[1].chars().count() < 400 && !told.contains('\x1b'), "{told}");
}

const SDP: &str = "Content-Type: application/sdp\r\n";

#[test]
fn a_location_may_be_written_in_any_way() {
    // RFC 9110 section 10.2.2
    let halloo = Listener::start(&[]);
    let elsewhere = Server::start(|_, stream| write(stream, "200 OK", "", ""));
    let other = format!("http://{}/session/7", elsewhere.at);
    for (location, then) in [
        ("/calls/7", Some("DELETE /calls/7")),
        ("7", Some("DELETE /live/7")),
        ("../s/7?k=v", Some("DELETE /s/7?k=v")),
        ("?id=7", Some("DELETE /live/whip?id=7")),
        (&other, None),
        ("mailto:nobody@host.example", None),
        ("", None),
    ] {
        let at = halloo.at;
        let header = match location {
            "" => SDP.to_owned(),
            location => format!("{SDP}Location: {location}\r\n"),
        };
        let server = Server::start(move |asked, stream| match asked.method.as_str() {
            "POST" => write(stream, "201 Created", &header, &answer_of(at, &asked.body)),
            _ => write(stream, "200 OK", "", ""),
        });
        assert_called(&call(&format!("http://{}/live/whip", server.at), &[]));
        let asked = ["POST /live/whip"].into_iter().chain(then);
        assert_eq!(server.lines(), asked.collect::<Vec<_>>(), "{location}");
    }
    assert_eq!(elsewhere.lines(), ["DELETE /session/7"]);
}

#[test]
fn servers_may_do_less_than_the_rfc_asks() {
    let halloo = Listener::start(&[]);
    let head = "Content-Type: application/sdp\r\nLocation: /s/1\r\n";
    type Write = fn(&mut TcpStream, &str, &str);
    let ways: [(&str, Write); 7] = [
        ("200 instead of 201", |stream, head, answer| write(stream, "200 OK", head, answer)),
        ("no length: the end of the connection is the end", |stream, head, answer| {
            write!(stream, "HTTP/1.1 201 Created\r\n{head}\r\n{answer}").unwrap();
        }),
        ("HTTP/1.0", |stream, head, answer| {
            write!(stream, "HTTP/1.0 201 Created\r\n{head}\r\n{answer}").unwrap();
        }),
        ("in chunks", |stream, head, answer| {
            write!(stream, "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n{head}\r\n")
                .unwrap();
            for chunk in answer.as_bytes().chunks(100) {
                write!(stream, "{:x}\r\n", chunk.len()).unwrap();
                stream.write_all(&[chunk, b"\r\n"].concat()).unwrap();
            }
            write!(stream, "0\r\n\r\n").unwrap();
        }),
        ("no type, a weak tag, trimmed, bare line feeds", |stream, _, answer| {
            let answer = answer.replace('\r', "");
            let tag = "Location: /s/1\r\nETag: W/\"1\"\r\n";
            write(stream, "201 Created", tag, answer.trim_end());
        }),
        ("ICE servers, which nobody asked for", |stream, head, answer| {
            let links = "Link: <stun:stun.example>; rel=\"ice-server\"\r\n\
                Link: <turn:turn.example?transport=udp>; rel=\"ice-server\"; username=\"u\"; \
                credential=\"c\"; credential-type=\"password\"\r\nLink: <<<;;;\r\n";
            write(stream, "201 Created", &format!("{head}{links}"), answer);
        }),
        ("after an informational answer", |stream, head, answer| {
            write!(stream, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n").unwrap();
            write(stream, "201 Created", head, answer);
        }),
    ];
    for (what, way) in ways {
        let at = halloo.at;
        let server = Server::start(move |asked, stream| match asked.method.as_str() {
            "POST" => way(stream, head, &answer_of(at, &asked.body)),
            // It knows no way to hang up.
            _ => write(stream, "405 Method Not Allowed", "Allow: POST\r\n", ""),
        });
        let output = call(&format!("http://{}", server.at), &[]);
        assert_eq!(output.status.code(), Some(0), "{what}: {}", stderr(&output));
        assert_eq!(server.lines(), ["POST /whip", "DELETE /s/1"], "{what}");
    }
}

#[test]
fn who_does_not_answer_to_the_hanging_up_holds_nobody_up() {
    let halloo = Listener::start(&[]);
    let at = halloo.at;
    let (_held, hold) = mpsc::channel::<()>();
    let server = Server::start(move |asked, stream| match asked.method.as_str() {
        "POST" => {
            let head = "Content-Type: application/sdp\r\nLocation: /s/1\r\n";
            write(stream, "201 Created", head, &answer_of(at, &asked.body));
        }
        _ => drop(hold.recv()),
    });
    let (output, took) = timed(|| call(&format!("http://{}", server.at), &[]));
    assert_called(&output);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// As many read the events of calls there as may: that is no reason never to hear that the call is over.
#[test]
fn who_finds_no_room_to_follow_the_call_asks_again_and_follows_then() {
    let halloo = Listener::start(&[]);
    let at = halloo.at;
    let (halloo, readers) = (Mutex::new(Some(halloo)), AtomicU32::new(0));
    let server = Server::start(move |asked, stream| match asked.line().as_str() {
        "POST /whip" => {
            let head = format!("{SDP}Location: /calls/7\r\n");
            write(stream, "201 Created", &head, &answer_of(at, &asked.body));
        }
        "GET /calls/7/events" if readers.fetch_add(1, Ordering::Relaxed) < 2 => {
            write(stream, "503 Service Unavailable", "Retry-After: 10\r\n", "");
        }
        "GET /calls/7/events" => {
            // It ends here: nobody waits for this thread to.
            let mut halloo = halloo.lock().unwrap().take().unwrap();
            halloo.program.wait_for("connected", |_| true);
            let ended = "data: {\"event\":\"ended\",\"reason\":\"enough\"}\n\n";
            write(stream, "200 OK", "Content-Type: text/event-stream\r\n", ended);
        }
        _ => write(stream, "200 OK", "", ""),
    });
    let url = format!("http://{}", server.at);
    let arguments = ["call", &url, "--json", "--input", "silence", "--output", "null"];
    let output = run(&arguments);
    assert_called(&output);
    let told = String::from_utf8(output.stdout).unwrap();
    let ended: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!((&ended["event"], &ended["end"]), (&json!("ended"), &json!("hung_up_by_peer")));
    let asked = server.asked().into_iter().filter(|one| one.path == "/calls/7/events");
    assert_eq!(asked.count(), 3);
}

#[test]
fn a_server_that_sends_us_on_is_followed_with_the_offer() {
    // rfc9725-4.5-1
    let halloo = Listener::start(&[]);
    let url = format!("http://{}/whip", halloo.at);
    for status in ["307 Temporary Redirect", "308 Permanent Redirect"] {
        let url = url.clone();
        let server = Server::start(move |asked, stream| match asked.path.as_str() {
            "/whip" => write(stream, status, "Location: eu/whip\r\n", "<h1>over there</h1>"),
            _ => write(stream, status, &format!("Location: {url}\r\n"), ""),
        });
        assert_called(&call(&format!("http://{}", server.at), &["--token", "s3cret"]));
        let asked = server.asked();
        let lines: Vec<_> = asked.iter().map(Asked::line).collect();
        assert_eq!(lines, ["POST /whip", "POST /eu/whip"]);
        assert!(asked.iter().all(|one| one.body.starts_with("v=0") && one.body == asked[0].body));
        assert!(asked.iter().all(|one| one.header("authorization") == Some("Bearer s3cret")));
    }
    let calls = halloo.json("/calls");
    let states: Vec<_> = calls.as_array().unwrap().iter().map(|call| &call["state"]).collect();
    assert_eq!(states, ["ended", "ended"], "hung up where the call is");

    for (location, times) in [("/whip", 6), ("", 1), ("ftp://host.example/", 1), ("http://", 1)] {
        let header = format!("Location: {location}\r\n");
        let server =
            Server::start(move |_, stream| write(stream, "307 Temporary Redirect", &header, ""));
        assert_refused(&call(&format!("http://{}", server.at), &[]), "sends us");
        assert_eq!(server.lines().len(), times, "{location}");
    }
}

#[test]
fn a_server_that_speaks_json_is_spoken_to_in_json() {
    let halloo = Listener::start(&[]);
    let at = halloo.at;
    let json_only = move |asked: &Asked, stream: &mut TcpStream| {
        let Some("application/json") = asked.header("content-type") else {
            return write(stream, "415 Unsupported Media Type", "", "JSON only");
        };
        let message: Value = serde_json::from_str(&asked.body).unwrap();
        assert_eq!(message["type"], "offer");
        let answer = answer_of(at, message["sdp"].as_str().unwrap());
        let answer = json!({"type": "answer", "sdp": answer, "peer": 7}).to_string();
        write(stream, "200 OK", "Content-Type: application/json; charset=utf-8\r\n", &answer);
    };
    let server = Server::start(json_only);
    assert_called(&call(&format!("http://{}/offer", server.at), &[]));
    assert_eq!(server.lines(), ["POST /offer"], "at once, by its path");
    let server = Server::start(json_only);
    assert_called(&call(&format!("http://{}/rtc", server.at), &[]));
    assert_eq!(server.lines(), ["POST /rtc", "POST /rtc"]);

    // Halloo's own, and one at that path that speaks WHIP.
    assert_called(&call(&format!("http://{at}/offer"), &[]));
    let server = Server::start(move |asked, stream| match asked.header("content-type") {
        Some("application/sdp") => write(stream, "201 Created", SDP, &answer_of(at, &asked.body)),
        _ => write(stream, "415 Unsupported Media Type", "", ""),
    });
    assert_called(&call(&format!("http://{}/offer", server.at), &[]));

    let server =
        Server::start(|_, stream| write(stream, "415 Unsupported Media Type", "", "speak Greek"));
    assert_refused(&call(&format!("http://{}", server.at), &[]), "speak Greek");
    assert_eq!(server.lines().len(), 2, "no third way is tried");
    let server = Server::start(|_, stream| write(stream, "200 OK", "", r#"{"type":"offer"}"#));
    assert_refused(&call(&format!("http://{}/offer", server.at), &[]), "without an SDP answer");
}

#[test]
fn a_refusal_is_told_in_one_line() {
    let html = "<!DOCTYPE html>\n<html><head><title>Door &lt;closed&gt;</title></head>\n<body>x";
    let problem = r#"{"type":"about:blank","title":"Nobody home","detail":"try\nlater\u001b[2J"}"#;
    for (status, headers, body, says) in [
        ("404 Not Found", "", "", "404 Not Found"),
        ("404 Not Found", "Content-Type: text/html\r\n", html, "404 Not Found: Door <closed>"),
        ("403 Forbidden", "", "go\naway", "403 Forbidden: go"),
        ("503 Service Unavailable", "Retry-After: 7\r\n", problem, "Nobody home (try"),
        ("599 Whatever", "", r#"{"error":"no room"}"#, "599"),
        ("401 Unauthorized", "WWW-Authenticate: Bearer\r\n", "", "401"),
        ("204 No Content", "", "", "204"),
        ("201 Created", "", "<html>welcome</html>", "without an SDP answer"),
        ("200 OK", "Content-Type: application/sdp\r\n", "v=0\r\nnonsense", "line 2"),
        ("303 See Other", "Location: /\r\n", "", "303"),
    ] {
        let server = Server::start(move |_, stream| {
            let line = format!("{status}\r\nServer: by hand");
            write(stream, &line, headers, body);
        });
        assert_refused(&call(&format!("http://{}", server.at), &[]), says);
    }
}

#[test]
fn a_server_that_means_no_good_costs_little() {
    type Write = fn(&mut TcpStream);
    let ways: [(&str, Write, &str); 6] = [
        (
            "a body without end",
            |stream| {
                let _head = write!(stream, "HTTP/1.1 201 Created\r\n\r\nv=0\r\n");
                while stream.write_all(&[b'a'; 65_536]).is_ok() {}
            },
            "length limit",
        ),
        (
            "a body that is announced and never comes",
            |stream| {
                let _head = write!(stream, "HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\nv=");
                let _until_they_go = stream.read(&mut [0]);
            },
            "did not answer within 2 s",
        ),
        (
            "headers without end",
            |stream| {
                let _head = write!(stream, "HTTP/1.1 201 Created\r\n");
                while stream.write_all(b"X-And: another\r\n").is_ok() {}
            },
            "speaks no HTTP",
        ),
        (
            "a byte a moment",
            |stream| {
                for byte in "HTTP/1.1 201 Created\r\nX-Long: ".bytes().chain([b'x'; 999]) {
                    if stream.write_all(&[byte]).is_err() {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
            },
            "did not answer within 2 s",
        ),
        (
            "promises without end",
            |stream| while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {},
            "",
        ),
        ("nothing at all", |_| {}, "speaks no HTTP"),
    ];
    for (what, way, says) in ways {
        let server = Server::start(move |_, stream| way(stream));
        let url = format!("http://{}", server.at);
        let (output, took) = timed(|| call(&url, &["--timeout", "2"]));
        assert_refused(&output, says);
        assert!(took < Duration::from_secs(5), "{what}: {took:?}");
    }
}
