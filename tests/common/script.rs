//! Another stack as halloo's other side: a script of `tests/peers/`, started, its JSON lines read, ended.
//!
//! Use it with `mod common { pub mod script; }`. What a script imports is installed by the first test
//! that wants it, under `target/peers/`, and kept: after that nothing is downloaded.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A running script.
pub struct Script {
    child: Child,
    lines: Receiver<String>,
    events: Vec<Value>,
}

impl Script {
    /// Starts a command whose stdout is lines of JSON, each with its `event`; other lines are passed over.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        Self { child, lines, events: Vec::new() }
    }

    /// The next event of that name; those before it are passed over.
    pub fn wait_for(&mut self, name: &str) -> Value {
        let end = now() + LIMIT;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(now())) {
                Ok(line) => {
                    if let Ok(event) = serde_json::from_str::<Value>(&line) {
                        self.events.push(event.clone());
                        if event["event"] == name {
                            return event;
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no `{name}`: {:#?}", self.events),
                Err(_) => {
                    let status = self.child.wait().unwrap();
                    panic!("it ended ({status}) without `{name}`: {:#?}", self.events)
                }
            }
        }
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let end = now() + LIMIT;
        // Its end closes stdout, which ends the lines: an event, not a poll.
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap(),
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {:#?}", self.events),
            }
        }
    }

    /// Asks it to end.
    pub fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of `tests/peers/`.
pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name)
}

/// A folder with npm packages in its `node_modules`, for `NODE_PATH`.
pub fn npm(name: &str, packages: &[&str]) -> PathBuf {
    let folder = environment(name, packages, |folder| {
        std::fs::write(folder.join("package.json"), r#"{ "private": true }"#).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error"]).args(packages);
        run(npm.current_dir(folder), "nodejs npm");
    });
    folder.join("node_modules")
}

/// The Python of a virtual environment with packages of PyPI.
pub fn python(name: &str, packages: &[&str]) -> PathBuf {
    let folder = environment(name, packages, |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder), "python3-venv");
        let mut pip = Command::new(folder.join("bin/python"));
        run(pip.args(["-m", "pip", "install", "--quiet"]).args(packages), "python3-venv");
    });
    folder.join("bin/python")
}

/// The unpacked source package of a package of PyPI, `name==version`.
pub fn python_source(name: &str, package: &str) -> PathBuf {
    environment(name, &[package], |folder| {
        // The installer of a virtual environment, as above. Only of this package the source is wanted,
        // not of what it takes to look into it.
        let (venv, archives) = (folder.join("venv"), folder.join("archives"));
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv), "python3-venv");
        let bare = package.split("==").next().unwrap();
        let mut pip = Command::new(venv.join("bin/python"));
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", bare]);
        run(pip.arg("--dest").arg(&archives).arg(package), "python3-venv");
        let archive = std::fs::read_dir(archives).unwrap().next().unwrap().unwrap().path();
        let mut tar = Command::new("tar");
        run(
            tar.args(["-xz", "--strip-components=1", "-f"]).arg(archive).arg("-C").arg(folder),
            "tar",
        );
    })
}

/// A folder under `target/peers/`, filled by `make` unless it holds just that list already.
fn environment(name: &str, list: &[&str], make: impl FnOnce(&Path)) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers").join(name);
    let complete = folder.join("complete");
    if !std::fs::read_to_string(&complete).is_ok_and(|had| had == list.join("\n")) {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        make(&folder);
        std::fs::write(complete, list.join("\n")).unwrap();
    }
    folder
}

/// Runs a command to its end; `debian` are the packages that have it.
pub fn run(command: &mut Command, debian: &str) {
    let hint = format!("(Debian: apt install {debian})");
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} {hint}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} {hint}: {said}");
}

/// So long anything may take.
const LIMIT: Duration = Duration::from_secs(30);

#[expect(clippy::disallowed_methods, reason = "a test of real processes runs in real time")]
fn now() -> Instant {
    Instant::now()
}
