//! One call between halloo and another stack, on two computers joined by a cable, judged by its sound.
//!
//! Use it with `mod common { pub mod halloo; pub mod listen; pub mod namespace; pub mod peers; pub mod
//! script; pub mod skip; pub mod stall; }`. halloo sends [`OURS`], the peer [`THEIRS`]; both record.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::halloo::{Halloo, recording};
use super::listen::Recording;
use super::namespace::{Namespace, Namespaces};
use super::script::Script;
use super::{skip, stall};

/// What halloo sends, Hz, and what the peer does.
pub const OURS: u32 = 700;
pub const THEIRS: u32 = 440;
/// halloo's tone has amplitude 0.3, a peer's 0.25: their root mean squares in dBFS.
const OUR_LEVEL: f64 = -13.5;
const THEIR_LEVEL: f64 = -15.05;
/// Seconds of each call.
const LASTS: &str = "4";

/// How a peer is started: `run(namespace, arguments)`, the arguments as in `tests/peers/node/call.js`.
pub type Peer<'a> = &'a dyn Fn(&Namespace, &[&str]) -> Command;

/// The peer calls halloo by WHIP, both hear each other, and it hangs up by DELETE.
pub fn peer_calls(peer: Peer<'_>, codec: &str) {
    peer_calls_with(peer, codec, &[]);
}

/// The same, with more options for halloo.
pub fn peer_calls_with(peer: Peer<'_>, codec: &str, more: &[&str]) {
    on_stage(|stage| stage.peer_calls(peer, codec, more));
}

/// halloo calls the peer by WHIP, both hear each other, and it hangs up by DELETE.
pub fn halloo_calls(peer: Peer<'_>, codec: &str) {
    on_stage(|stage| stage.halloo_calls(peer, codec));
}

/// A call whose sound may only be wrong (`Err`) while the machine stalls.
pub fn on_stage(call: impl Fn(&Stage) -> Result<(), String>) {
    stall::undisturbed(|| Stage::new().map_or(Ok(()), |stage| call(&stage)));
}

/// A network with a computer for halloo and one for the peer, and the turn to use this machine.
pub struct Stage {
    pub halloo: Namespace,
    pub peer: Namespace,
    /// What each side recorded.
    pub at_halloo: PathBuf,
    pub at_peer: PathBuf,
    _cable: Namespaces,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    /// `None` where namespaces are not allowed: the test is skipped.
    pub fn new() -> Option<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let test = std::thread::current().name().unwrap_or("a peer's test").replace("::", "-");
        let cable = skip::namespaces(&test)?;
        let [at_halloo, at_peer] =
            ["halloo", "peer"].map(|side| recording(&format!("{test}-{side}")));
        let (halloo, peer) = (cable.left.clone(), cable.right.clone());
        Some(Self { halloo, peer, at_halloo, at_peer, _cable: cable, _turn: turn })
    }

    /// halloo on its computer, ready for calls.
    pub fn listen(&self, more: &[&str]) -> Halloo {
        let bind = format!("{}:0", self.halloo.address);
        let arguments = [&["--bind", bind.as_str()], more].concat();
        Halloo::listen(Some(&self.halloo), OURS, &self.at_halloo, &arguments)
    }

    /// halloo calls an URL.
    pub fn call(&self, url: &str, more: &[&str]) -> Halloo {
        let [input, output] =
            [format!("tone:{OURS}"), format!("file:{}", self.at_halloo.display())];
        let arguments = ["call", url, "--input", &input, "--output", &output, "--duration", LASTS];
        Halloo::start(Some(&self.halloo), &[&arguments[..], more].concat())
    }

    fn peer_calls(&self, peer: Peer<'_>, codec: &str, more: &[&str]) -> Result<(), String> {
        let mut halloo = self.listen(more);
        let (url, hz) = (format!("{}/whip", halloo.url()), THEIRS.to_string());
        let path = self.at_peer.to_str().unwrap();
        let command = peer(&self.peer, &["call", &url, codec, &hz, path, LASTS]);
        let mut script = Script::start(command);
        halloo.wait_for("connected", |_| true);
        // Before the hang-up, or there is nothing left to ask.
        self.assert_codec(&mut halloo, codec);
        assert_eq!(script.wait_for("deleted")["status"], 200);
        let ended = halloo.wait_for("ended", |_| true);
        assert!(ended["end"].as_str().unwrap().starts_with("hung_up"), "{ended}");
        assert!(script.wait().success());
        assert_nothing_lost(&mut halloo);
        self.both_heard()
    }

    fn halloo_calls(&self, peer: Peer<'_>, codec: &str) -> Result<(), String> {
        let (here, hz) = (format!("{}:0", self.peer.address), THEIRS.to_string());
        let path = self.at_peer.to_str().unwrap();
        let mut script = Script::start(peer(&self.peer, &["listen", &here, codec, &hz, path]));
        let port = script.wait_for("listening")["port"].as_u64().unwrap();
        let url = format!("http://{}:{port}/whip", self.peer.address);
        // The only codec that is offered is the one that is used.
        let mut halloo = self.call(&url, &["--codec", codec]);
        halloo.wait_for("connected", |_| true);
        let status = halloo.wait(Duration::from_secs(20));
        assert!(status.success(), "{status}: {}", halloo.messages());
        script.wait_for("recorded");
        assert!(script.wait().success());
        assert_nothing_lost(&mut halloo);
        self.both_heard()
    }

    /// The codec in halloo's statistics of its only call.
    pub fn assert_codec(&self, halloo: &mut Halloo, codec: &str) {
        let connected = halloo.wait_for("connected", |_| true);
        let call = connected["call"].as_str().unwrap();
        let url = format!("{}/calls/{call}/stats", halloo.url());
        let mut python = self.halloo.command("python3");
        let read = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())";
        let output = python.args(["-c", read, &url]).output().unwrap();
        let stats: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut types = stats.as_object().unwrap().values().map(|entry| &entry["mimeType"]);
        let is_it = |name: &str| name.eq_ignore_ascii_case(&format!("audio/{codec}"));
        assert!(types.any(|name| name.as_str().is_some_and(is_it)), "{stats:#}");
    }

    /// Both recordings are the other side's tone.
    pub fn both_heard(&self) -> Result<(), String> {
        self.halloo_heard()?;
        is_tone(&self.at_peer, OURS, OUR_LEVEL, 1.0)
    }

    /// halloo's recording is the peer's tone: where the peer can't hear.
    pub fn halloo_heard(&self) -> Result<(), String> {
        self.halloo_heard_after(1.0)
    }

    /// The same for a peer whose sound is only steady after so many seconds.
    pub fn halloo_heard_after(&self, seconds: f64) -> Result<(), String> {
        is_tone(&self.at_halloo, THEIRS, THEIR_LEVEL, seconds)
    }
}

/// Pitch, level and purity of what was recorded, once the call is in full swing: for two seconds from then.
fn is_tone(path: &Path, hz: u32, level: f64, from: f64) -> Result<(), String> {
    let heard = Recording::read(path).after_silence(0.02);
    let steady = heard.between(from, from + 2.0);
    let (hz, seconds, pitch) = (f64::from(hz), heard.seconds(), steady.pitch().unwrap_or_default());
    let (loud, pure) = (steady.level(), steady.purity(hz));
    let right = steady.seconds() > 1.5
        && (pitch - hz).abs() < 1.0
        && (loud - level).abs() < 1.0
        && pure > 0.95;
    let wrong = format!("{seconds} s of sound: {pitch} Hz, {loud} dBFS, purity {pure}");
    if right { Ok(()) } else { Err(format!("{}: {wrong}; not {hz} Hz, {level}", path.display())) }
}

/// On a cable every packet arrives; a lost one is a number that we read or counted wrongly.
fn assert_nothing_lost(halloo: &mut Halloo) {
    let events = halloo.catch_up();
    let last = events.iter().rev().find(|event| event["event"] == "stats").expect("stats");
    assert_eq!(last["packets_lost"], 0, "{last}");
    // GStreamer puts 128 ms of PCMU into each.
    assert!(last["packets_received"].as_u64().unwrap() > 15, "{last}");
}
