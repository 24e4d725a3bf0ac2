//! aiortc, a WebRTC stack in Python, as the other side: in a virtual environment under `target/`.
//!
//! Use it with `mod common { pub mod aiortc; pub mod namespace; }`. The environment is made by the
//! first test that wants it, which takes the network and half a minute, and kept; after that nothing
//! is downloaded. What it runs is `tests/peers/aiortc_peer.py`, whose lines are JSON.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use super::namespace::Namespace;

/// What the environment holds; another list makes another environment.
const PACKAGES: &[&str] = &["aiortc==1.16.0", "aiohttp==3.14.5"];

/// A running script.
pub struct Aiortc {
    child: Child,
    lines: Receiver<String>,
    events: Vec<Value>,
}

impl Aiortc {
    /// Starts the script in a namespace with its arguments (its doc lists them).
    pub fn start(namespace: &Namespace, arguments: &[&str]) -> Self {
        let mut command = namespace.command(python());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/aiortc_peer.py");
        let mut child = command.arg(script).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        Self { child, lines, events: Vec::new() }
    }

    /// The first event of that name, those that came before included.
    pub fn wait_for(&mut self, name: &str) -> Value {
        if let Some(event) = self.events.iter().find(|event| event["event"] == name) {
            return event.clone();
        }
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(30));
            let line =
                line.unwrap_or_else(|why| panic!("no `{name}` ({why}) after {:?}", self.events));
            let event: Value = serde_json::from_str(&line).unwrap();
            self.events.push(event.clone());
            if event["event"] == name {
                return event;
            }
        }
    }
}

impl Drop for Aiortc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The environment's Python, made if it is not there.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/aiortc");
        let (python, complete) = (folder.join("bin/python"), folder.join("complete"));
        if std::fs::read_to_string(&complete).is_ok_and(|list| list == PACKAGES.join("\n")) {
            return python;
        }
        let _ = std::fs::remove_dir_all(&folder);
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES));
        std::fs::write(complete, PACKAGES.join("\n")).unwrap();
        python
    })
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} (Debian: apt install python3-venv): {said}");
}
