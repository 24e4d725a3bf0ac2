//! HTTP as plain as it goes over the wire, to a `halloo listen` that a test has started.
//!
//! Use it with `mod common { pub mod halloo; pub mod http; pub mod namespace; }`. Nothing waits by the
//! clock: a listener is ready when it has told where it listens.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::disallowed_methods)] // how long something really took
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::halloo::{Halloo, data_folder};

/// The binary under test.
pub fn halloo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halloo"));
    command.args(arguments).stdin(Stdio::null()).env("XDG_DATA_HOME", data_folder());
    command
}

/// Runs `halloo` to its end, which must come within half a minute.
pub fn run(arguments: &[&str]) -> Output {
    let child = halloo(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id().to_string();
    let (ended, waits) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait_with_output().unwrap()));
    let output = waits.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|_| {
        let _gone = Command::new("kill").args(["-KILL", &id]).status();
        panic!("{arguments:?} does not end: {:?}", waits.recv());
    });
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked") && !stderr.contains("RUST_BACKTRACE"), "{stderr}");
    output
}

/// A `halloo listen` on a free port of loopback, ready for calls.
pub struct Listener {
    pub program: Halloo,
    pub at: SocketAddr,
}

impl Listener {
    pub fn start(arguments: &[&str]) -> Self {
        let mut all = vec!["listen", "--bind", "127.0.0.1:0"];
        if !arguments.contains(&"--input") {
            all.extend(["--input", "silence"]);
        }
        if !arguments.contains(&"--output") {
            all.extend(["--output", "null"]);
        }
        all.extend(arguments);
        let mut program = Halloo::start(None, &all);
        program.wait_for("listening", |_| true);
        let at = program.url().trim_start_matches("http://").parse().unwrap();
        Self { program, at }
    }

    /// Sends a request with the usual `Host`, and reads the answer.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.at);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || method == "POST" {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        let mut request = head.into_bytes();
        request.extend(body);
        self.ask_raw(&request)
    }

    /// Sends these bytes, and reads the answer.
    pub fn ask_raw(&self, request: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request).unwrap();
        Reply::read(&mut stream)
    }

    /// GET, as JSON.
    pub fn json(&self, path: &str) -> Value {
        let reply = self.ask("GET", path, &[], b"");
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
        serde_json::from_slice(&reply.body).unwrap()
    }
}

/// An answer.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}

impl Reply {
    /// Reads an answer that ends with the connection.
    pub fn read(stream: &mut impl Read) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(&bytes)));
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned())).collect();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The problem document that every error has.
    pub fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        for member in ["title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| text.len() > 3), "{problem}");
        }
        problem
    }
}

/// How long something took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}
