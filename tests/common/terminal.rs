//! The binary on a terminal of its own, as a person has it: what is written, and keys pressed.
//!
//! Use it with `mod common { pub mod namespace; pub mod terminal; }`. The terminal is a real one (a
//! pseudo-terminal); `setsid --ctty` (util-linux) makes it the program's own.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::disallowed_methods)] // waits have a limit in real time
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::Winsize;

use super::halloo::data_folder;
use super::namespace::Namespace;

/// A terminal and the program in it.
pub struct Terminal {
    child: Child,
    keyboard: File,
    /// A terminal's settings are read through either end.
    settings: File,
    written: Receiver<Vec<u8>>,
    /// What was written so far; a character may arrive in two parts.
    bytes: Vec<u8>,
    screen: String,
    /// Up to where [`Terminal::wait_for`] has looked.
    seen: usize,
}

impl Terminal {
    /// Starts `halloo ARGUMENTS` there.
    pub fn start(namespace: Option<&Namespace>, arguments: &[&str]) -> Self {
        Self::start_as("xterm", 80, namespace, arguments)
    }

    /// `halloo listen` on loopback, with this input and no loudspeaker; and where it listens.
    pub fn listen(namespace: Option<&Namespace>, input: &str, more: &[&str]) -> (Self, SocketAddr) {
        let sound = ["--input", input, "--output", "null"];
        let listen = ["listen", "--bind", "127.0.0.1:0"];
        let mut terminal = Self::start(namespace, &[&listen[..], &sound, more].concat());
        let address = terminal.listening_at();
        (terminal, address)
    }

    /// The same on a terminal of this kind (`TERM`) and width.
    pub fn start_as(
        kind: &str,
        columns: u16,
        namespace: Option<&Namespace>,
        arguments: &[&str],
    ) -> Self {
        Self::start_with(kind, columns, namespace, arguments, &[])
    }

    /// The same with variables in its environment. Whoever runs the test may not want colours: that is no
    /// matter here.
    pub fn start_with(
        kind: &str,
        columns: u16,
        namespace: Option<&Namespace>,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        set_width(&ours, columns);
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = File::options().read(true).write(true).open(name).unwrap();
        let mut command = match namespace {
            Some(namespace) => namespace.command("setsid"),
            None => Command::new("setsid"),
        };
        // As a shell starts it, however the tests were started (`nohup` ignores HUP).
        command.args(["--ctty", "env", "--default-signal=HUP"]);
        command.arg(env!("CARGO_BIN_EXE_halloo")).args(arguments);
        command.env("XDG_DATA_HOME", data_folder());
        command.env_remove("NO_COLOR").envs(environment.iter().copied());
        let end = || Stdio::from(theirs.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).env("TERM", kind);
        let child = child.spawn().expect("setsid (Debian: util-linux)");
        drop(command);
        let keyboard = File::from(ours);
        let settings = keyboard.try_clone().unwrap();
        let mut reader = keyboard.try_clone().unwrap();
        let (sender, written) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The last program to leave a terminal makes reading it an error.
            while let Ok(length) = reader.read(&mut buffer) {
                if length == 0 || sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            keyboard,
            settings,
            written,
            bytes: Vec::new(),
            screen: String::new(),
            seen: 0,
        }
    }

    /// Waits until this stands behind what was waited for before.
    pub fn wait_for(&mut self, text: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(at) = self.screen[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            match self.written.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take_in(&bytes),
                Err(_) => panic!("no {text:?} in:\n{}", &self.screen[self.seen..]),
            }
        }
    }

    /// The address that it says it listens on.
    pub fn listening_at(&mut self) -> SocketAddr {
        self.wait_for("listening on http://");
        let begin = self.seen;
        self.wait_for("/");
        self.screen[begin..self.seen - 1].parse().unwrap()
    }

    /// All that was written so far.
    pub fn text(&mut self) -> &str {
        while let Ok(bytes) = self.written.try_recv() {
            self.take_in(&bytes);
        }
        &self.screen
    }

    fn take_in(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.screen = String::from_utf8_lossy(&self.bytes).into_owned();
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        self.keyboard.write_all(key.as_bytes()).unwrap();
    }

    /// Makes it as wide as this, as a person does with a window's edge.
    pub fn resize(&self, columns: u16) {
        set_width(&self.settings, columns);
    }

    /// Sends the program a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        // `setsid` has become halloo itself, so the number is right.
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Whether what is pressed is shown.
    pub fn echoes(&self) -> bool {
        let modes = rustix::termios::tcgetattr(&self.settings).unwrap().local_modes;
        modes.contains(rustix::termios::LocalModes::ECHO)
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&mut self) {
        self.press("\x03");
    }

    /// Waits for its end; the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let end = Instant::now() + Duration::from_secs(10);
        // Its end closes the terminal, which ends what is written: an event, not a poll.
        while let Ok(bytes) =
            self.written.recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            self.take_in(&bytes);
        }
        assert!(Instant::now() < end, "it does not end: {}", self.screen);
        self.child.wait().unwrap().code()
    }
}

fn set_width(terminal: impl std::os::fd::AsFd, columns: u16) {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, size).unwrap();
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
