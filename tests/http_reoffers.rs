//! Descriptions on running calls over HTTP, by a peer written by hand: what `halloo listen` answers, and the
//! offers that it makes itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod http;
    pub mod namespace;
    pub mod terminal;
}

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use common::http::{Listener, Reply};
use common::terminal::Terminal;
use serde_json::Value;

const SDP: (&str, &str) = ("Content-Type", "application/sdp");
const FRAGMENT: (&str, &str) = ("Content-Type", "application/trickle-ice-sdpfrag");

fn browser() -> String {
    let path = format!("{}/vectors/sdp_browsers.json", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["id"] == "chromium156-audio-sendrecv").unwrap();
    case["sdp"].as_str().unwrap().to_owned()
}

fn line<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines()
        .find(|line| line.starts_with(start))
        .unwrap_or_else(|| panic!("no {start}: {text}"))
}

/// The same description, later.
fn later(sdp: &str, version: u32) -> String {
    let origin = line(sdp, "o=");
    let mut words: Vec<_> = origin.split(' ').map(str::to_owned).collect();
    words[2] = version.to_string();
    sdp.replace(origin, &words.join(" "))
}

/// A fragment that begins ICE anew.
fn restart(number: u32) -> String {
    format!(
        "a=ice-ufrag:new{number}\r\na=ice-pwd:a+password+of+24+chars+{number}\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
         a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n"
    )
}

fn ask(at: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    Reply::read(&mut stream)
}

/// The events of a call, as they come.
struct Events(BufReader<TcpStream>);

impl Events {
    fn of(at: SocketAddr, call: &str) -> Self {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "GET {call}/events HTTP/1.1\r\nHost: {at}\r\n\r\n").unwrap();
        Self(BufReader::new(stream))
    }

    fn next(&mut self, name: &str) -> Value {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "no {name}: the stream has ended");
            if let Some(data) = line.strip_prefix("data: ") {
                let event: Value = serde_json::from_str(data).unwrap();
                if event["event"] == name {
                    return event;
                }
            }
        }
    }
}

/// A listener at its terminal, and a call that it has answered.
struct Called {
    terminal: Terminal,
    at: SocketAddr,
    path: String,
}

impl Called {
    fn by(offer: &str) -> Self {
        let arguments = ["listen", "--bind", "127.0.0.1:0", "--answer", "auto", "-v"];
        let sound = ["--input", "silence", "--output", "null"];
        let mut terminal = Terminal::start(None, &[&arguments[..], &sound].concat());
        let at = terminal.listening_at();
        let created = ask(at, "POST", "/whip", &[SDP], offer);
        assert_eq!(created.status, 201, "{created:?}");
        let path = created.header("location").unwrap().to_owned();
        Self { terminal, at, path }
    }

    fn patch(&self, body: &str) -> Reply {
        ask(self.at, "PATCH", &self.path, &[SDP], body)
    }

    fn direction(&self) -> Value {
        let reply = ask(self.at, "GET", &self.path, &[], "");
        let call: Value = serde_json::from_slice(&reply.body).unwrap();
        call["direction"].clone()
    }
}

#[test]
fn an_offer_of_halloo_goes_out_as_an_event_and_its_answer_comes_by_patch() {
    let theirs = browser();
    let mut called = Called::by(&theirs);
    let mut events = Events::of(called.at, &called.path);
    events.next("answered");
    called.terminal.press("h");
    let offer = events.next("offer");
    let sdp = offer["sdp"].as_str().unwrap();
    assert!(sdp.contains("a=inactive\r\n") && sdp.contains("a=setup:actpass\r\n"), "{sdp}");
    assert_eq!(
        (line(sdp, "a=mid:"), &offer["change"]),
        (line(&theirs, "a=mid:"), &"direction".into())
    );
    assert_eq!(called.direction()["current"], "inactive", "it holds at once");

    // An offer meanwhile: glare. What can't be read or taken leaves ours open.
    let glare = called.patch(&later(&theirs, 3));
    assert_eq!(glare.status, 409);
    glare.problem();
    let glare = ask(called.at, "PATCH", &called.path, &[FRAGMENT, ("If-Match", "*")], &restart(1));
    assert_eq!(glare.status, 409, "{glare:?}");
    assert_eq!(called.patch("v=0\r\nnonsense").status, 400);
    let answer = later(&theirs, 4)
        .replace("a=setup:actpass", "a=setup:passive")
        .replace("a=sendrecv", "a=inactive");
    let foreign = answer.replace(line(&answer, "a=ice-ufrag:"), "a=ice-ufrag:other");
    assert_eq!(called.patch(&foreign).status, 406, "an answer can't begin ICE anew");
    let stopped = "m=audio 0 UDP/TLS/RTP/SAVPF 111";
    let refused = called.patch(&answer.replace(line(&answer, "m=audio"), stopped));
    assert_eq!(refused.status, 406, "no audio is left: {refused:?}");

    let taken = called.patch(&answer);
    assert_eq!((taken.status, taken.body.len()), (204, 0), "{taken:?}");
    let etag = taken.header("etag").unwrap().to_owned();
    let again = called.patch(&answer);
    assert_eq!((again.status, again.header("etag")), (204, Some(etag.as_str())), "sent twice");
    let direction = called.direction();
    assert_eq!(
        (&direction["local"], &direction["remote"]),
        (&"inactive".into(), &"inactive".into())
    );
    called.terminal.wait_for("on hold: nobody is heard");

    called.terminal.press("h");
    let offer = events.next("offer");
    assert!(offer["sdp"].as_str().unwrap().contains("a=sendrecv\r\n"));
    let resumed = answer.replace("a=inactive", "a=sendrecv");
    assert_eq!(called.patch(&later(&resumed, 5)).status, 204);
    called.terminal.wait_for("both are heard");

    called.terminal.press("r");
    let offer = events.next("offer");
    assert_eq!(offer["change"], "ice_restart");
    let sdp = offer["sdp"].as_str().unwrap();
    assert_ne!(format!("a=ice-ufrag:{}", etag.trim_matches('"')), line(sdp, "a=ice-ufrag:"));
    let answer = later(&resumed, 6)
        .replace(line(&resumed, "a=ice-ufrag:"), "a=ice-ufrag:anew")
        .replace(line(&resumed, "a=ice-pwd:"), "a=ice-pwd:another+password+of+them");
    let taken = called.patch(&answer);
    assert_eq!(taken.status, 204, "{taken:?}");
    let ufrag = line(sdp, "a=ice-ufrag:").trim_start_matches("a=ice-ufrag:");
    assert_eq!(taken.header("etag"), Some(format!("\"{ufrag}\"").as_str()), "a new session");
}

#[test]
fn where_nobody_reads_events_hold_is_said_to_be_ones_own() {
    let mut called = Called::by(&browser());
    called.terminal.press("h");
    called.terminal.wait_for("nobody tells the other side");
    assert_eq!(called.direction()["current"], "inactive");
    // Their offers are answered all the same, with what we want.
    let answer = called.patch(&later(&browser(), 3));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.text().contains("a=inactive"), "{}", answer.text());
    called.terminal.press("r");
    called.terminal.wait_for("can't look for another way");
    // Who reads from now on is told what has changed since that answer.
    called.terminal.press("h");
    called.terminal.wait_for("nobody tells the other side");
    let mut events = Events::of(called.at, &called.path);
    let offer = events.next("offer");
    assert!(offer["sdp"].as_str().unwrap().contains("a=sendrecv"), "{offer}");
}

#[test]
fn a_new_offer_of_theirs_is_answered_and_a_bad_one_changes_nothing() {
    let listener = Listener::start(&[]);
    let at = listener.at;
    let offer = browser();
    let created = ask(at, "POST", "/whip", &[SDP], &offer);
    let (path, etag) = (created.header("location").unwrap(), created.header("etag").unwrap());
    let call = || listener.json(path);
    let patch = |body: &str| ask(at, "PATCH", path, &[SDP], body);
    let before = call();
    assert_eq!(before["direction"]["current"], "sendrecv", "{before}");

    let print = line(&offer, "a=fingerprint:");
    let other = format!("a=fingerprint:sha-256 {}", ["AB"; 32].join(":"));
    let other_codec = "m=audio 9 UDP/TLS/RTP/SAVPF 13";
    for (status, what, body) in [
        (400, "no SDP", "hello".to_owned()),
        (400, "half of one", offer[..offer.len() / 2].to_owned() + "\r\nx"),
        (406, "no codec of ours", offer.replace(line(&offer, "m=audio"), other_codec)),
        (406, "no audio", offer.replace("m=audio", "m=video")),
        (406, "another certificate", offer.replace(print, &other)),
        (406, "another role", offer.replace("a=setup:actpass", "a=setup:active")),
    ] {
        let refused = patch(&if status == 400 { body } else { later(&body, 3) });
        assert_eq!(refused.status, status, "{what}: {refused:?}");
        refused.problem();
        assert_eq!(call(), before, "{what}");
    }
    let trickle = format!(
        "{}\r\n{}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n",
        line(&offer, "a=ice-ufrag:"),
        line(&offer, "a=ice-pwd:")
    );
    let same = ask(at, "PATCH", path, &[FRAGMENT, ("If-Match", etag)], &trickle);
    assert_eq!(same.status, 204, "the ETag is still that of the 201: {same:?}");

    // The certificate in use among others: taken. Twice the same: one answer.
    let more = offer.replace(print, &format!("{other}\r\n{print}"));
    let hold = later(&more, 3).replace("a=sendrecv", "a=sendonly");
    let first = patch(&hold);
    assert_eq!((first.status, first.header("etag")), (200, Some(etag)), "{first:?}");
    assert!(first.text().contains("a=recvonly") && first.text().contains("a=setup:active"));
    let second = patch(&hold);
    assert_eq!((second.status, second.text()), (200, first.text()));
    let direction = call()["direction"].clone();
    let words = ["local", "remote", "current"].map(|of| direction[of].as_str().unwrap().to_owned());
    assert_eq!(words, ["sendrecv", "sendonly", "recvonly"]);

    // ICE anew within an offer has a new ETag.
    let anew = later(&offer, 4)
        .replace(line(&offer, "a=ice-ufrag:"), "a=ice-ufrag:anew")
        .replace(line(&offer, "a=ice-pwd:"), "a=ice-pwd:another+password+of+them");
    let answer = patch(&anew);
    assert_eq!(answer.status, 200);
    assert_ne!(answer.header("etag"), Some(etag));
    let late = ask(at, "PATCH", path, &[FRAGMENT, ("If-Match", etag)], &trickle);
    assert_eq!(late.status, 412, "candidates of the session before");
}

#[test]
fn of_two_requests_at_once_each_sees_the_call_before_or_behind_the_other() {
    let listener = Listener::start(&[]);
    let at = listener.at;
    let created = ask(at, "POST", "/whip", &[SDP], &browser());
    let path = created.header("location").unwrap();
    let mut etag = created.header("etag").unwrap().to_owned();
    for round in 0..10 {
        // Both restart the same session: one comes first, the other one's session is gone.
        let replies: Vec<Reply> = std::thread::scope(|scope| {
            let both = [2 * round, 2 * round + 1].map(|number| {
                let headers = [FRAGMENT, ("If-Match", etag.as_str())];
                scope.spawn(move || ask(at, "PATCH", path, &headers, &restart(10 + number)))
            });
            both.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "{replies:?}");
        let taken = replies.iter().find(|reply| reply.status == 200).unwrap();
        etag = taken.header("etag").unwrap().to_owned();
        assert!(taken.text().contains(&format!("a=ice-ufrag:{}", etag.trim_matches('"'))));
    }
    // With `*` both are taken, one after the other; the same one twice is one.
    let any = [FRAGMENT, ("If-Match", "*")];
    let first = ask(at, "PATCH", path, &any, &restart(90));
    let again = ask(at, "PATCH", path, &any, &restart(90));
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!((first.header("etag"), first.text()), (again.header("etag"), again.text()));
    let offers = ["a=sendonly", "a=inactive"].map(|direction| {
        let version = u32::try_from(direction.len()).unwrap();
        later(&browser(), version).replace("a=sendrecv", direction)
    });
    std::thread::scope(|scope| {
        for offer in &offers {
            scope.spawn(move || assert_eq!(ask(at, "PATCH", path, &[SDP], offer).status, 200));
        }
    });
    assert_eq!(ask(at, "DELETE", path, &[], "").status, 200);
    assert_eq!(ask(at, "PATCH", path, &any, &restart(91)).status, 404);
    assert_eq!(ask(at, "PATCH", path, &[SDP], &browser()).status, 404);
    assert_eq!(ask(at, "DELETE", path, &[], "").status, 404);
}
