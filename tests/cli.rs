//! The command line as a person and a script meet it: what is printed where, and every exit code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod http;
    pub mod namespace;
    pub mod stall;
}

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use common::halloo::Halloo;
use common::http::{Listener, run, timed};
use common::stall::undisturbed;
use serde_json::Value;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// stderr's lines of a run that must have ended with this code.
fn complaint(output: &Output, code: i32) -> Vec<String> {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    stderr.lines().map(str::to_owned).collect()
}

/// Exit code 1: a line that names the step, and a line on what to try; returns the first.
fn could_not(output: &Output, step: &str) -> String {
    let lines = complaint(output, 1);
    let [.., what, hint] = lines.as_slice() else { panic!("too little was said: {lines:?}") };
    assert!(what.starts_with(&format!("{step}: ")), "{lines:?}");
    assert!(hint.starts_with("try: ") && hint.len() > 10, "{lines:?}");
    what.clone()
}

/// A file of this content, for as long as the test runs.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, content: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("halloo-cli-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}

/// A server that answers each connection with the next of these texts, and then never again.
fn server(answers: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            read_request(&mut stream);
            let _client_may_be_gone = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{at}")
}

fn read_request(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    let mut some = [0; 4096];
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = text(&bytes[..end]).to_ascii_lowercase();
            let length = head
                .split("content-length: ")
                .nth(1)
                .map_or(0, |rest| rest.lines().next().unwrap().trim().parse::<usize>().unwrap());
            if bytes.len() >= end + 4 + length {
                return;
            }
        }
        match stream.read(&mut some) {
            Ok(0) | Err(_) => return,
            Ok(n) => bytes.extend(&some[..n]),
        }
    }
}

fn http(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Nothing here takes longer.
const LIMIT: Duration = Duration::from_secs(10);

const SOUND: [&str; 4] = ["--input", "tone:440", "--output", "null"];

fn call(target: &str, more: &[&str]) -> Output {
    run(&[&["call", target], &SOUND[..], more].concat())
}

#[test]
fn help_has_an_example_for_each_command_and_shows_nothing_that_does_not_work_yet() {
    for command in
        [&["--help"][..], &["listen", "--help"], &["call", "--help"], &["devices", "--help"]]
    {
        let output = run(command);
        assert_eq!(output.status.code(), Some(0));
        let help = text(&output.stdout);
        assert!(help.contains("Examples:\n  halloo "), "{help}");
        assert!(!help.contains("--trace"), "what comes later is shown: {help}");
    }
    assert_eq!(text(&run(&["--version"]).stdout), "halloo 0.1.0\n");
    complaint(&run(&[]), 2);
    let help = text(&run(&["--help"]).stdout);
    for command in ["listen", "call", "peers", "probe", "devices", "completions", "man"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
    }
    // Lines are broken as the terminal is wide.
    let target = text(&run(&["call", "--help"]).stdout);
    let target = target.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["`host[:port]`", "a name that `halloo peers` shows", "`self`", "`paste`"] {
        assert!(target.contains(words), "{words}: {target}");
    }
}

/// What is looked at before a call must be as it was: a recording that may be wanted still.
#[test]
fn a_file_that_was_there_is_not_touched_by_a_call_that_fails() {
    let old = TempFile::new("old.wav", b"what was heard before");
    let output = format!("file:{}", old.0.display());
    let failed = run(&["call", "127.0.0.1:1", "--input", "silence", "--output", &output]);
    could_not(&failed, "signalling");
    assert_eq!(std::fs::read(&old.0).unwrap(), b"what was heard before");
    let new = old.0.with_file_name(format!("halloo-new-{}.wav", std::process::id()));
    let output = format!("file:{}", new.display());
    run(&["call", "127.0.0.1:1", "--input", "silence", "--output", &output]);
    assert!(!new.exists());
}

#[test]
fn wrong_usage_exits_2_and_shows_what_is_wrong() {
    let text_file =
        TempFile::new("no.wav", b"this is no sound at all, but long enough for a header");
    let empty = TempFile::new("empty.wav", b"");
    let no_wav = format!("file:{}", text_file.0.display());
    let empty = format!("file:{}", empty.0.display());
    let pipe = std::env::temp_dir().join(format!("halloo-pipe-{}", std::process::id()));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _removed = TempFile(pipe.clone());
    let pipe = format!("file:{}", pipe.display());
    let kept = TempFile::new("kept.wav", &wav());
    let sound = format!("file:{}", kept.0.display());
    let link = TempFile(kept.0.with_extension("link"));
    std::os::unix::fs::symlink(&kept.0, &link.0).unwrap();
    let roundabout = format!("file:{}", link.0.display());
    let cases: &[(&[&str], &str)] = &[
        (&["call"], "TARGET"),
        (&["sing"], "sing"),
        (&["call", "a.example", "--pin", "12:34"], "12:34"),
        (&["call", "ftp://a.example"], "ftp"),
        (&["call", "a.example:99999"], "99999"),
        (&["call", "localhost", "--bind", "127.0.0.1:0"], "--bind"),
        (&["call", "localhost", "--input", "file:no such.wav"], "there is no such file"),
        (&["call", "localhost", "--output", "file:/proc/heard.wav"], "it can't be written"),
        (&["listen", "--interface", "no0such"], "no0such: no such interface with an address"),
        (&["listen", "--interface", "no0such"], "There are: "),
        (&["peers", "--interface", "no0such"], "There are: "),
        (&["probe", "--interface", "no0such"], "There are: "),
        (&["call", "a", "--impair", "loss=lots"], "lots"),
        (&["call", "a", "--impair", "weather=bad"], "weather"),
        (&["call", "a", "--codec", "mp3"], "mp3"),
        (&["call", "a", "--frame", "15"], "15"),
        (&["call", "a", "--bitrate", "1"], "1"),
        (&["call", "a", "--input", "kazoo"], "kazoo"),
        (&["call", "a", "--output", "tone:440"], "tone:440"),
        (&["call", "a", "--input", "tone:x"], "tone:x"),
        (&["call", "a", "--input", &no_wav], "no.wav"),
        (&["call", "a", "--input", &empty], "empty.wav"),
        (&["call", "a", "--input", "file:/nowhere/x.wav"], "/nowhere/x.wav"),
        (&["call", "a", "--input", "file:/"], "file:/"),
        (&["call", "a", "--output", "file:/nowhere/x.wav"], "/nowhere"),
        (&["call", "a", "--output", "file:/"], "file:/"),
        (&["call", "a", "--output", "file:/nowhere/{call}.wav"], "there is no folder /nowhere"),
        (&["call", "a", "--output", "file:/nowhere/{call}/x.wav"], "there is no folder /nowhere"),
        (&["call", "a", "--input", &pipe], "it is a pipe"),
        (&["call", "a", "--output", &pipe], "it is a pipe"),
        (&["call", "a", "--input", &sound, "--output", &sound], "the same file"),
        (&["call", "a", "--input", &sound, "--output", &roundabout], "the same file"),
        (&["call", "a", "--token", ""], "is empty"),
        (&["listen", "--input", "device:No Such Microphone"], "There are:\n  "),
        (&["listen", "--output", "device:No Such Loudspeaker"], "No Such Loudspeaker"),
        (&["listen", "--bind", "8080"], "8080"),
        (&["listen", "--allow-origin", "app.example/x"], "app.example/x"),
        (&["listen", "--max-calls", "none"], "none"),
        (&["call", "self", "--input", "silence"], "--input"),
    ];
    for (arguments, shown) in cases {
        let lines = complaint(&run(arguments), 2).join("\n");
        assert!(lines.contains(shown), "{arguments:?}: {lines}");
    }
    assert_eq!(std::fs::read(&kept.0).unwrap(), wav(), "what is to be said is there still");
}

/// The shortest of all sounds: a sample of 16 bits, 48 kHz, mono.
fn wav() -> Vec<u8> {
    let format = [16, 0, 0, 0, 1, 0, 1, 0, 0x80, 0xbb, 0, 0, 0, 0x77, 1, 0, 2, 0, 16, 0];
    [&b"RIFF\x26\0\0\0WAVEfmt "[..], &format[..], b"data\x02\0\0\0\0\0"].concat()
}

/// A script that gets less than all must not take it for all.
#[test]
fn data_that_cannot_be_written_is_missed() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for arguments in [
        &["devices"][..],
        &["devices", "--json"],
        &["probe", "--interface", "lo"],
        &["man"],
        &["completions", "bash"],
        &["listen", "--bind", "127.0.0.1:0", "--input", "silence", "--output", "null"],
    ] {
        let mut child = common::http::halloo(arguments);
        let mut child = child.stdout(full()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        if arguments[0] == "listen" {
            let mut lines = std::io::BufReader::new(child.stderr.take().unwrap());
            let mut line = String::new();
            std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
            assert!(line.starts_with("signalling: standard output can't be written: "), "{line}");
            let kill = std::process::Command::new("kill").arg(child.id().to_string()).status();
            assert!(kill.unwrap().success());
            assert_eq!(child.wait().unwrap().code(), Some(1));
            continue;
        }
        let output = child.wait_with_output().unwrap();
        let said = could_not(&output, "signalling");
        assert!(said.contains("standard output can't be written"), "{arguments:?}: {said}");
        assert_eq!(complaint(&output, 1).len(), 2, "it is told once");
    }
    // A reader that has read enough is none of it.
    let mut child = common::http::halloo(&["man"]);
    let child = child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = child.spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(complaint(&child.wait_with_output().unwrap(), 0), [""; 0]);
}

/// A shell hangs up its programs when its terminal is closed, wherever their input comes from; `nohup` keeps
/// them.
#[test]
fn a_closed_terminal_ends_the_call_unless_hangups_are_ignored() {
    for (at_start, ends) in [("--default-signal=HUP", true), ("--ignore-signal=HUP", false)] {
        let mut listener = Listener::start(&["--input", "tone:440"]);
        let at = listener.at.to_string();
        let mut caller = std::process::Command::new("env");
        let program = env!("CARGO_BIN_EXE_halloo");
        caller.args([at_start, program, "call", &at]).args(SOUND);
        let mut caller = caller.stdin(std::process::Stdio::null()).spawn().unwrap();
        listener.program.wait_for("connected", |_| true);
        let signal = |name: &str| {
            let pid = caller.id().to_string();
            let sent = std::process::Command::new("kill").args(["-s", name, &pid]).status();
            assert!(sent.unwrap().success());
        };
        signal("HUP");
        if !ends {
            listener.program.wait_for_next("stats", 0);
            signal("TERM");
        }
        let ended = listener.program.wait_for("ended", |_| true);
        assert_eq!(ended["end"], "hung_up_by_peer", "{ended}");
        assert_eq!(caller.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_port_in_use_is_told_with_what_to_try() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let said = could_not(&run(&["listen", "--bind", &at.to_string()]), "signalling");
    assert!(said.contains("in use") && said.contains(&at.port().to_string()), "{said}");
    let said = could_not(&run(&["listen", "--bind", "192.0.2.1:0"]), "signalling");
    assert!(said.contains("192.0.2.1"), "{said}");
}

#[test]
fn nobody_listening_fails_at_signalling() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = could_not(&call(&free.to_string(), &[]), "signalling");
    assert!(said.contains("nobody is listening") && said.contains(&free.to_string()), "{said}");
    let said = could_not(&call("no-such-host.invalid", &["--no-mdns"]), "signalling");
    assert!(said.contains("no-such-host.invalid"), "{said}");
}

#[test]
fn an_endpoint_that_never_answers_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap().to_string();
    let (output, took) = timed(|| call(&at, &["--timeout", "0.5"]));
    assert!(could_not(&output, "signalling").contains("did not answer"));
    assert!(took < LIMIT, "{took:?}");
}

#[test]
fn what_an_endpoint_answers_instead_of_a_call_is_told_in_one_line() {
    let problem = r#"{"title":"No room","detail":"all lines\nare busy"}"#;
    let problem_type = "Content-Type: application/problem+json\r\nRetry-After: 3\r\n";
    for (answer, shown) in [
        (
            http("503 Service Unavailable", problem_type, problem),
            "503 Service Unavailable: No room (all lines); it asks to wait 3 s",
        ),
        (http("404 Not Found", "", "<html>gone</html>"), "404 Not Found"),
        (http("418 I'm a teapot", "", "short and stout"), "418 I'm a teapot: short and stout"),
        (
            http("201 Created", "Content-Type: application/sdp\r\n", "hello"),
            "without an SDP answer",
        ),
        (http("201 Created", "", "v=0\r\nnonsense\r\n"), "line 2"),
        (http("204 No Content", "", ""), "204 No Content"),
        (http("307 Temporary Redirect", "", ""), "circles"),
        (http("307 Temporary Redirect", "Location: https://127.0.0.1:1/\r\n", ""), "127.0.0.1:1"),
        ("SSH-2.0-OpenSSH_9.2\r\n".into(), "no HTTP"),
        (String::new(), "connection"),
    ] {
        let at = server(vec![answer]);
        let said = could_not(&call(&at, &["--timeout", "5"]), "signalling");
        assert!(said.contains(shown), "{shown}: {said}");
    }
}

#[test]
fn a_redirect_in_circles_comes_to_an_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            read_request(&mut stream);
            let again = http("308 Permanent Redirect", "Location: /again\r\n", "");
            let _client_may_be_gone = stream.write_all(again.as_bytes());
        }
    });
    assert!(could_not(&call(&format!("http://{at}"), &[]), "signalling").contains("circles"));
}

#[test]
fn a_redirect_is_followed_and_the_call_connects() {
    // rfc9725-4.5-1
    let listener = Listener::start(&["--input", "tone:440"]);
    for status in ["307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("Location: http://{}/whip\r\n", listener.at);
        let at = server(vec![http(status, &location, "")]);
        let output = call(&at, &["--duration", "0.3"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
}

#[test]
fn a_call_that_connects_and_ends_by_its_duration_exits_0() {
    let mut listener = Listener::start(&["--input", "tone:440"]);
    let output = call(&listener.at.to_string(), &["--duration", "0.5", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let events: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut last = 0.0;
    for event in &events {
        let t = event["t"].as_f64().unwrap();
        assert!(t >= last, "time goes on: {event}");
        last = t;
        assert!(event["event"].is_string() && event["call"].is_string(), "{event}");
    }
    for name in ["candidate", "answered", "ice", "pair", "dtls", "connected", "media", "ended"] {
        assert!(events.iter().any(|event| event["event"] == name), "no {name}: {events:#?}");
    }
    // When it happened, which may be told later.
    let at = |name| events.iter().find(|event| event["event"] == name).unwrap()["t"].as_f64();
    let lasted = at("ended").unwrap() - at("connected").unwrap();
    assert!((0.5..2.0).contains(&lasted), "{lasted} s");
    listener.program.wait_for("connected", |_| true);
    listener.program.wait_for("ended", |_| true);
}

#[test]
fn a_call_hung_up_by_the_other_side_exits_0() {
    let listener = Listener::start(&["--input", "tone:440"]);
    let at = listener.at.to_string();
    let mut caller = Halloo::start(None, &[&["call", &at], &SOUND[..]].concat());
    caller.wait_for("connected", |_| true);
    let calls = listener.json("/calls");
    let path = format!("/calls/{}", calls[0]["id"].as_str().unwrap());
    assert_eq!(listener.ask("DELETE", &path, &[], b"").status, 200);
    assert_eq!(caller.wait(LIMIT).code(), Some(0));
    caller.wait_for("ended", |ended| ended["end"] == "hung_up_by_peer");
}

#[test]
fn ctrl_c_and_sigterm_hang_up_a_connected_call_and_exit_0() {
    for signal in ["INT", "TERM"] {
        let mut listener = Listener::start(&["--input", "tone:440"]);
        let at = listener.at.to_string();
        let mut caller = Halloo::start(None, &[&["call", &at], &SOUND[..]].concat());
        caller.wait_for("connected", |_| true);
        caller.signal(signal);
        assert_eq!(caller.wait(Duration::from_secs(10)).code(), Some(0));
        listener.program.wait_for("ended", |_| true);
    }
}

#[test]
fn ctrl_c_and_sigterm_end_a_probe_without_a_verdict() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = format!("stun:{}", nobody.local_addr().unwrap());
    for signal in ["INT", "TERM"] {
        let arguments = ["probe", "--interface", "lo", "--stun", &server];
        let mut probe = Halloo::start(None, &arguments);
        probe.wait_for("address", |_| true);
        probe.signal(signal);
        assert_eq!(probe.wait(LIMIT).code(), Some(1), "{}", probe.messages());
        assert!(probe.events.iter().all(|event| event["event"] != "verdict"), "it has none");
    }
}

#[test]
fn a_listener_that_is_told_to_end_hangs_up_within_2_s_and_exits_0() {
    for signal in ["INT", "TERM"] {
        undisturbed(|| {
            let mut listener = Listener::start(&["--input", "tone:440"]);
            let at = listener.at.to_string();
            let mut caller = Halloo::start(None, &[&["call", &at], &SOUND[..]].concat());
            caller.wait_for("connected", |_| true);
            listener.program.signal(signal);
            let (status, took) = timed(|| listener.program.wait(LIMIT));
            assert_eq!(status.code(), Some(0));
            listener.program.wait_for("ended", |_| true);
            assert_eq!(caller.wait(LIMIT).code(), Some(0), "hung up by the other side");
            if took < Duration::from_secs(2) { Ok(()) } else { Err(format!("{took:?}")) }
        });
    }
}

#[test]
fn a_call_that_finds_no_way_fails_at_ice() {
    // The answer of a browser that is long gone, at an address that nobody has.
    let path = format!("{}/vectors/sdp_browsers.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let answer = vectors["cases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|case| case["id"] == "chromium156-audio-answer")
        .unwrap()["sdp"]
        .as_str()
        .unwrap();
    let created = http("200 OK", "Content-Type: application/sdp\r\nLocation: calls/1\r\n", answer);
    let no_delete = http("405 Method Not Allowed", "", "");
    let answers = vec![created, no_delete];
    let at = server(answers.clone());
    let (output, took) = timed(|| call(&at, &["--timeout", "3"]));
    could_not(&output, "ice");
    assert!(took < LIMIT, "{took:?}");

    // A relay that is to carry everything, and is not there.
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let relay = format!("turn:{}", nobody.local_addr().unwrap());
    let only = ["--turn", &relay, "--turn-user", "a", "--turn-password", "b"];
    let only = [&only[..], &["--ice-policy", "relay", "--timeout", "1"]].concat();
    let said = could_not(&call(&server(answers), &only), "ice");
    assert!(said.contains(&format!("{relay}?transport=udp: it does not answer")), "{said}");
}

/// Its tones are clean only where the machine itself ran on.
#[test]
fn a_call_to_oneself_tells_its_stages_and_a_verdict() {
    undisturbed(|| {
        let output = run(&["call", "self", "--duration", "1.5"]);
        let stdout = text(&output.stdout);
        if output.status.code() != Some(0) {
            return Err(format!("{stdout}\n{}", text(&output.stderr)));
        }
        for stage in [
            "offer made",
            "answered",
            "ICE",
            "DTLS",
            "connected",
            "first sound",
            "heard 440",
            "heard 620",
            "good",
        ] {
            assert!(stdout.contains(stage), "no {stage}: {stdout}");
        }
        Ok(())
    });
    undisturbed(|| {
        let output = run(&["call", "self", "--duration", "1.5", "--json", "--codec", "pcmu"]);
        let stdout = text(&output.stdout);
        let events: Vec<Value> =
            stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(events.iter().all(|event| event["t"].is_f64() && event["event"].is_string()));
        let one = |name| events.iter().find(|event| event["event"] == name).unwrap();
        assert_eq!(one("connected")["phrase"].as_str().unwrap().split(' ').count(), 6);
        // No network is needed.
        let pair = one("pair");
        for side in ["local", "remote"] {
            let candidate = pair[side].as_str().unwrap();
            assert!(candidate.contains(" 127.0.0.1 ") || candidate.contains(" ::1 "), "{pair}");
        }
        if one("verdict")["ok"] == true { Ok(()) } else { Err(stdout) }
    });
}

#[test]
fn devices_are_listed_or_said_not_to_be_there() {
    let output = run(&["devices"]);
    assert_eq!(output.status.code(), Some(0));
    let stdout = text(&output.stdout);
    assert!(stdout.contains("inputs") || stdout.contains("no sound system"), "{stdout}");
    let lines = text(&run(&["devices", "--json"]).stdout);
    assert!(!lines.is_empty(), "that there are none is told, too");
    for line in lines.lines() {
        let device: Value = serde_json::from_str(line).unwrap();
        assert!(device["t"].is_f64(), "{device}");
        let is_listed = device["name"].is_string() && device["formats"].is_array();
        assert!(is_listed || device["event"] == "warning", "{device}");
    }
}

#[test]
fn without_json_the_address_is_data_and_the_rest_is_not() {
    let mut child = common::http::halloo(&["listen", "--bind", "127.0.0.1:0"])
        .args(["--input", "silence", "--output", "null"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    assert!(line.starts_with("listening on http://127.0.0.1:"), "{line}");
    let kill = std::process::Command::new("kill").arg(child.id().to_string()).status();
    assert!(kill.unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!((child.wait().unwrap().code(), rest.as_str()), (Some(0), ""));
}

#[test]
fn completions_and_manual_pages_come_from_the_definition() {
    for (shell, mark) in
        [("bash", "complete -F"), ("zsh", "#compdef halloo"), ("fish", "complete -c")]
    {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        let script = text(&output.stdout);
        assert!(script.contains(mark) && script.contains("impair"), "{shell}: {script}");
    }
    let page = text(&run(&["man", "listen"]).stdout);
    assert!(page.contains(".TH halloo-listen") && page.contains("allow\\-origin"), "{page}");
    assert!(text(&run(&["man"]).stdout).contains(".TH halloo"));
    assert!(complaint(&run(&["man", "sing"]), 2).concat().contains("sing"));
    assert!(complaint(&run(&["completions", "klingon"]), 2).concat().contains("klingon"));
}
