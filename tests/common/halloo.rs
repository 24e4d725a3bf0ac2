//! The binary itself, as a person or a script runs it: started, its events read, ended.
//!
//! Use it with `mod common { pub mod halloo; pub mod namespace; }`. It always runs with `--json`, whose
//! lines are the events; messages on stderr are kept for whoever has to find out why a test failed.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::namespace::Namespace;

/// A running process and what it said so far.
pub struct Halloo {
    child: Child,
    lines: Receiver<String>,
    /// Every event so far, in order.
    pub events: Vec<Value>,
    messages: Arc<Mutex<String>>,
    /// Copies stderr into `messages`; done when both are whole.
    listener: Option<JoinHandle<()>>,
}

impl Halloo {
    /// Starts `halloo ARGUMENTS --json`, in a namespace or here.
    pub fn start(namespace: Option<&Namespace>, arguments: &[&str]) -> Self {
        Self::start_with(namespace, arguments, &[])
    }

    /// The same with variables in its environment.
    pub fn start_with(
        namespace: Option<&Namespace>,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::spawn(namespace, arguments, environment, Stdio::null())
    }

    /// The same with a standard input to write lines to.
    pub fn start_reading(namespace: Option<&Namespace>, arguments: &[&str]) -> Self {
        Self::spawn(namespace, arguments, &[], Stdio::piped())
    }

    fn spawn(
        namespace: Option<&Namespace>,
        arguments: &[&str],
        environment: &[(&str, &str)],
        stdin: Stdio,
    ) -> Self {
        let program = env!("CARGO_BIN_EXE_halloo");
        let mut command = match namespace {
            Some(namespace) => namespace.command(program),
            None => Command::new(program),
        };
        command.args(arguments).arg("--json").stdin(stdin);
        command.env("XDG_DATA_HOME", data_folder());
        command.envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        let messages = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let listener = std::thread::spawn({
            let messages = Arc::clone(&messages);
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    messages.lock().unwrap().extend([line.as_str(), "\n"]);
                }
            }
        });
        Self { child, lines, events: Vec::new(), messages, listener: Some(listener) }
    }

    /// `halloo listen` on any port of loopback, ready; it sends a tone and records into a file.
    pub fn listen(namespace: Option<&Namespace>, tone: u32, output: &Path, more: &[&str]) -> Self {
        let input = format!("tone:{tone}");
        let output = format!("file:{}", output.display());
        let mut arguments = vec!["listen", "--output", &output];
        if !more.contains(&"--input") {
            arguments.extend(["--input", &input]);
        }
        if !more.contains(&"--bind") {
            arguments.extend(["--bind", "127.0.0.1:0"]);
        }
        arguments.extend(more);
        let mut halloo = Self::start(namespace, &arguments);
        halloo.wait_for("listening", |_| true);
        halloo
    }

    /// Where it listens: the first URL it told, without a slash at its end.
    pub fn url(&self) -> String {
        let listening = self.events.iter().find(|event| event["event"] == "listening");
        let url = listening.and_then(|event| event["urls"][0].as_str());
        url.expect("a `listening` event with urls").trim_end_matches('/').to_owned()
    }

    /// Waits for an event by name and test, those that came before included, the earliest first.
    pub fn wait_for(&mut self, name: &str, holds: impl FnMut(&Value) -> bool) -> Value {
        self.wait_at_most(Duration::from_secs(30), name, holds)
    }

    /// Waits for the first event of this name behind the first `so_far` ones; and where it is.
    pub fn wait_for_next(&mut self, name: &str, so_far: usize) -> (usize, Value) {
        let before: Vec<_> = self.events.drain(..so_far.min(self.events.len())).collect();
        let event = self.wait_for(name, |_| true);
        let at = before.len() + self.events.iter().position(|one| *one == event).unwrap();
        self.events.splice(..0, before);
        (at, event)
    }

    /// Like [`Self::wait_for`], with a limit of its own.
    pub fn wait_at_most(
        &mut self,
        limit: Duration,
        name: &str,
        mut holds: impl FnMut(&Value) -> bool,
    ) -> Value {
        let mut fits = |event: &Value| event["event"] == name && holds(event);
        if let Some(event) = self.events.iter().find(|event| fits(event)) {
            return event.clone();
        }
        let end = now() + limit;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(now())) {
                Ok(line) => {
                    let event: Value = serde_json::from_str(&line)
                        .unwrap_or_else(|error| panic!("not JSON ({error}): {line}"));
                    self.events.push(event.clone());
                    if fits(&event) {
                        return event;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no such `{name}`{}", self.story()),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("it ended without such `{name}`{}", self.story())
                }
            }
        }
    }

    /// Waits for four seconds, behind the first `so_far` events, in which nearly every packet of 20 ms came.
    ///
    /// Who was told that much was lost sends copies from then on. That halloo waits a frame longer for them
    /// isn't heard, but that Opus goes over to another way of coding: these seconds it may take.
    pub fn four_whole_seconds(&mut self, mut so_far: usize) {
        let (mut before, mut whole) = (u64::MAX, 0);
        while whole < 4 {
            let (at, stats) = self.wait_for_next("stats", so_far);
            let received = stats["packets_received"].as_u64().unwrap();
            whole += u32::from(received.saturating_sub(before) > 48);
            (before, so_far) = (received, at + 1);
        }
    }

    /// Takes in what it has said by now.
    pub fn catch_up(&mut self) -> &[Value] {
        let lines = self.lines.try_iter();
        self.events.extend(lines.map(|line| serde_json::from_str::<Value>(&line).unwrap()));
        &self.events
    }

    /// Writes a line to its standard input.
    pub fn type_line(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Ends its standard input.
    pub fn stop_typing(&mut self) {
        self.child.stdin = None;
    }

    /// Asks it to end, as Ctrl-C and service managers do.
    pub fn terminate(&mut self) {
        self.signal("TERM");
    }

    /// Ends it at once: nothing is said to anyone.
    pub fn kill(&mut self) {
        self.signal("KILL");
    }

    /// Sends it a signal, such as `INT`.
    pub fn signal(&self, name: &str) {
        // `ip netns exec` has become halloo itself, so the number is right there, too.
        let pid = self.child.id().to_string();
        let done = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(done.success(), "no process {pid} to signal");
    }

    /// Waits until it has ended, not longer than `limit`; all it said has arrived then.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let end = now() + limit;
        // Its end closes stdout, which ends the lines: an event, not a poll.
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(now())) {
                Ok(line) => self.events.push(serde_json::from_str(&line).unwrap()),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end{}", self.story()),
            }
        }
        let status = self.child.wait().unwrap();
        // Its last words may still be on their way to us.
        self.listener.take().map(JoinHandle::join).transpose().unwrap();
        status
    }

    /// How many sockets and files it has open now, less connections over TCP: how many of those a browser
    /// keeps, and for how long, is its own affair.
    pub fn open_files(&self) -> usize {
        let process = format!("/proc/{}", self.child.id());
        let tables = ["tcp", "tcp6"].map(|table| {
            std::fs::read_to_string(format!("{process}/net/{table}")).unwrap_or_default()
        });
        let connections: Vec<String> = tables
            .iter()
            .flat_map(|table| table.lines().skip(1))
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|columns| columns[3] != "0A") // a socket that listens
            .map(|columns| format!("socket:[{}]", columns[9]))
            .collect();
        let open = std::fs::read_dir(format!("{process}/fd")).unwrap();
        let targets = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        targets
            .filter(|file| !connections.iter().any(|other| file.as_os_str() == other.as_str()))
            .count()
    }

    /// What it wrote on stderr: all of it after [`Self::wait`], before that what has arrived.
    pub fn messages(&self) -> String {
        self.messages.lock().unwrap().clone()
    }

    fn story(&self) -> String {
        let events: Vec<_> = self.events.iter().map(Value::to_string).collect();
        format!("\nevents:\n{}\nmessages:\n{}", events.join("\n"), self.messages())
    }
}

impl Drop for Halloo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            self.catch_up();
            eprintln!("halloo's story{}", self.story());
        }
    }
}

/// A path for a recording of this test, without the one of the last run.
pub fn recording(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.wav"));
    let _ = std::fs::remove_file(&path);
    path
}

/// A folder for what a halloo keeps (certificates), of its own and not there yet: none of it is the
/// user's.
pub fn data_folder() -> PathBuf {
    static FOLDERS: AtomicU32 = AtomicU32::new(0);
    let name = format!("data-{}-{}", std::process::id(), FOLDERS.fetch_add(1, Ordering::Relaxed));
    let all = Path::new(env!("CARGO_TARGET_TMPDIR"));
    static SWEPT: std::sync::Once = std::sync::Once::new();
    SWEPT.call_once(|| sweep(all));
    all.join(name)
}

/// Removes the folders of tests that have ended, and those of an earlier process with our number.
fn sweep(all: &Path) {
    for entry in std::fs::read_dir(all).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let owner = name.strip_prefix("data-").and_then(|rest| rest.split('-').next());
        let Some(owner) = owner.and_then(|owner| owner.parse::<u32>().ok()) else { continue };
        let runs = Path::new("/proc").join(owner.to_string()).exists();
        if owner == std::process::id() || (Path::new("/proc").exists() && !runs) {
            let _gone = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The tests' own clock, which halloo's code must not read.
#[expect(clippy::disallowed_methods, reason = "a test of real processes runs in real time")]
fn now() -> Instant {
    Instant::now()
}
