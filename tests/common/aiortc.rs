//! aiortc, a WebRTC stack in Python, as the other side: in a virtual environment under `target/`.
//!
//! Use it with `mod common { pub mod aiortc; pub mod namespace; }`. The environment is made by the
//! first test that wants it, which takes the network and half a minute, and kept; after that nothing
//! is downloaded. What it runs is `tests/peers/aiortc_peer.py`, whose lines are JSON.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use super::namespace::Namespace;

/// What the environment holds; another list makes another environment.
const PACKAGES: &[&str] = &["aiortc==1.16.0", "aiohttp==3.14.5"];

/// A running script.
pub struct Aiortc {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Aiortc {
    /// Starts the script in a namespace with its arguments (its doc lists them).
    pub fn start(namespace: &Namespace, arguments: &[&str]) -> Self {
        let mut command = namespace.command(python());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/aiortc_peer.py");
        let mut child = command.arg(script).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next event of that name; those before it are skipped.
    pub fn wait_for(&mut self, name: &str) -> Value {
        loop {
            let line = self.lines.next().unwrap_or_else(|| panic!("it ended without `{name}`"));
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
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
