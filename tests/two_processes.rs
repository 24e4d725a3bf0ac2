//! Two real `halloo` processes call each other: on loopback, and as two computers joined by a cable.
//!
//! Each sends a tone of its own pitch and records what it hears.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod skip;
    pub mod stall;
}

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use common::halloo::{Halloo, recording};
use common::listen::Recording;
use common::namespace::Namespace;
use common::{skip, stall};
use serde_json::Value;

/// What listens sends this, Hz, and what calls that.
const LISTENER: u32 = 440;
const CALLER: u32 = 660;

/// A tone of amplitude 0.3 (see `audio/source.rs`), as root mean square in dBFS.
const TONE_LEVEL: f64 = -13.5;

/// Seconds of each call.
const LASTS: u32 = 5;

/// Calls that are judged by their sound have the machine to themselves.
static QUIET: Mutex<()> = Mutex::new(());

fn quiet() -> std::sync::MutexGuard<'static, ()> {
    QUIET.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A process that listens, and one that calls it, each with its recording.
struct Pair {
    listener: Halloo,
    caller: Halloo,
    at_listener: PathBuf,
    at_caller: PathBuf,
}

impl Pair {
    /// Starts both; `places` are where each runs, `bind` is where the listener takes calls.
    fn start(name: &str, places: [Option<&Namespace>; 2], bind: &str, duration: u32) -> Self {
        let [at_listener, at_caller] =
            ["listener", "caller"].map(|side| recording(&format!("{name}-{side}")));
        let listener = Halloo::listen(places[0], LISTENER, &at_listener, &["--bind", bind]);
        let url = listener.url();
        let [input, output] = [format!("tone:{CALLER}"), format!("file:{}", at_caller.display())];
        let duration = duration.to_string();
        let caller = Halloo::start(
            places[1],
            &["call", &url, "--input", &input, "--output", &output, "--duration", &duration],
        );
        Self { listener, caller, at_listener, at_caller }
    }

    /// Waits for the end that `--duration` brings, and judges both sides.
    fn hear_each_other(mut self) -> Result<(), String> {
        let status = self.caller.wait(Duration::from_secs(30));
        assert!(status.success(), "{status}");
        self.listener.wait_for("ended", |_| true);
        self.listener.terminate();
        let status = self.listener.wait(Duration::from_secs(10));
        assert!(status.success(), "{status}");
        is_tone(&self.at_caller, LISTENER.into())?;
        is_tone(&self.at_listener, CALLER.into())?;
        is_unconcealed(self.caller.catch_up())?;
        is_unconcealed(self.listener.catch_up())
    }
}

/// Pitch and level of what was recorded, once the call is in full swing.
fn is_tone(path: &Path, hz: f64) -> Result<(), String> {
    let heard = Recording::read(path).after_silence(0.01);
    let steady = heard.between(0.5, f64::from(LASTS) - 1.0);
    assert!(steady.seconds() > 3.0, "{}: only {} s", path.display(), heard.seconds());
    let (pitch, level) = (steady.pitch().expect("silence"), steady.level());
    let right = (pitch - hz).abs() < 1.0 && (level - TONE_LEVEL).abs() < 1.0;
    let wrong = || format!("{}: {pitch} Hz, {level} dBFS", path.display());
    if right { Ok(()) } else { Err(wrong()) }
}

/// Under 0.1 % of what was played was made up.
fn is_unconcealed(events: &[Value]) -> Result<(), String> {
    let last = events.iter().rev().find(|event| event["event"] == "stats").expect("stats");
    let figure = |name: &str| last[name].as_u64().unwrap_or_else(|| panic!("{name} in {last}"));
    let (concealed, played) = (figure("concealed_samples"), figure("total_samples"));
    assert!(played > 3 * 48_000, "{last}");
    let wrong = || format!("{concealed} of {played} samples were concealed: {last}");
    if 1_000 * concealed < played { Ok(()) } else { Err(wrong()) }
}

#[test]
fn on_loopback_both_hear_the_others_tone() {
    let _quiet = quiet();
    stall::undisturbed(|| {
        Pair::start("loopback", [None; 2], "127.0.0.1:0", LASTS).hear_each_other()
    });
}

#[test]
fn two_computers_on_a_cable_hear_each_other() {
    let test = "two_computers_on_a_cable_hear_each_other";
    let Some(cable) = skip::namespaces(test) else { return };
    let _quiet = quiet();
    let bind = format!("{}:0", cable.left.address);
    let places = [Some(&cable.left), Some(&cable.right)];
    stall::undisturbed(|| {
        let mut pair = Pair::start("cable", places, &bind, LASTS);
        let selected = pair.caller.wait_for("pair", |_| true);
        for (side, address) in [("local", cable.right.address), ("remote", cable.left.address)] {
            let candidate = selected[side].as_str().unwrap();
            assert!(candidate.contains(&format!(" {address} ")), "{side}: {candidate}");
        }
        pair.hear_each_other()
    });
}

/// What five callers send, Hz.
const FIVE: [u32; 5] = [500, 600, 700, 800, 900];

/// The last two seconds of a recording that grows: nine tenths of them are this tone, at its level.
fn ends_with_tone(path: &Path, hz: u32) -> Result<(), String> {
    let heard = Recording::read(path).last(2.0);
    let level = heard.level();
    let tenth = |n: u32| heard.between(f64::from(n) / 10.0, f64::from(n + 1) / 10.0);
    let pure = (0..20).filter(|n| tenth(*n).purity(hz.into()) > 0.99).count();
    let right = pure >= 18 && (level - TONE_LEVEL).abs() < 1.0;
    let wrong = || {
        let (pitch, seconds) = (heard.pitch(), heard.seconds());
        format!("{}: {pitch:?} Hz, {level} dBFS, {pure} of 20 pure, {seconds} s", path.display())
    };
    if right { Ok(()) } else { Err(wrong()) }
}

/// While five calls begin, a machine of two processors has no time to spare, and that may be heard. All of them
/// come about all the same, and are heard when that is over.
#[test]
fn five_calls_of_the_same_moment_come_about_and_are_heard() {
    let _quiet = quiet();
    let each = recording("five-{call}");
    let mut listener = Halloo::listen(None, LISTENER, &each, &[]);
    let url = listener.url();
    let mut callers = FIVE.map(|hz| {
        let heard = recording(&format!("five-{hz}"));
        let [input, output] = [format!("tone:{hz}"), format!("file:{}", heard.display())];
        let arguments = ["call", &url, "--input", &input, "--output", &output];
        (heard, Halloo::start(None, &arguments))
    });
    let mut calls = BTreeSet::new();
    listener.wait_for("connected", |event| {
        calls.insert(event["call"].as_str().unwrap().to_owned());
        calls.len() == FIVE.len()
    });
    for (_, caller) in &mut callers {
        caller.wait_for("connected", |_| true);
    }

    let at_listener = calls.iter().map(|call| each.to_str().unwrap().replace("{call}", call));
    let at_listener: Vec<_> = at_listener.map(PathBuf::from).collect();
    let listener = RefCell::new(listener);
    // What is spoiled is judged by what comes later.
    stall::undisturbed(|| {
        // Four seconds in which nothing begins.
        let mut listener = listener.borrow_mut();
        let mut so_far = listener.catch_up().len();
        for _ in 0..4 * FIVE.len() {
            so_far = listener.wait_for_next("stats", so_far).0 + 1;
        }
        callers.iter().try_for_each(|(heard, _)| ends_with_tone(heard, LISTENER))?;
        // Which of its calls is whose, the listener does not know: each caller is one of them.
        let mut voices = FIVE.to_vec();
        at_listener.iter().try_for_each(|heard| {
            let pitch = Recording::read(heard).last(2.0).pitch().unwrap_or_default();
            let voice = voices.iter().position(|hz| (f64::from(*hz) - pitch).abs() < 20.0);
            let voice = voice.unwrap_or_else(|| panic!("{pitch} Hz is none of {voices:?}"));
            ends_with_tone(heard, voices.remove(voice))
        })
    });
    for (_, caller) in &mut callers {
        caller.terminate();
    }
    for (_, caller) in &mut callers {
        assert!(caller.wait(Duration::from_secs(10)).success());
    }
}

#[test]
fn a_listener_that_is_told_to_end_says_goodbye_first() {
    let mut pair = Pair::start("goodbye", [None; 2], "127.0.0.1:0", 60);
    pair.caller.wait_for("connected", |_| true);
    pair.listener.wait_for("connected", |_| true);
    pair.listener.terminate();
    let status = pair.listener.wait(Duration::from_secs(10));
    assert!(status.success(), "{status}");
    let ended = pair.caller.wait_for("ended", |_| true);
    assert_eq!(ended["end"], "hung_up_by_peer", "{ended}");
    assert!(pair.caller.wait(Duration::from_secs(10)).success());
}

/// RFC 7675 section 5.1: 30 s without an answer, and consent is lost.
#[test]
fn a_caller_that_vanishes_is_missed_and_its_listener_takes_the_next_call() {
    let mut pair = Pair::start("vanished", [None; 2], "127.0.0.1:0", 60);
    pair.listener.wait_for("connected", |_| true);
    pair.listener.wait_for("stats", |_| true);
    pair.caller.kill();
    let ended = pair.listener.wait_at_most(Duration::from_secs(50), "ended", |_| true);
    assert_eq!(ended["step"], "ice", "{ended}");
    // What it recorded until then can be read, though nobody closed the file.
    let heard = Recording::read(&pair.at_caller);
    assert!(heard.seconds() > 0.5, "{} s", heard.seconds());

    let again = recording("vanished-again");
    let url = pair.listener.url();
    let output = format!("file:{}", again.display());
    let mut next = Halloo::start(
        None,
        &["call", &url, "--input", "tone:660", "--output", &output, "--duration", "1"],
    );
    assert!(next.wait(Duration::from_secs(20)).success());
}

/// A machine without sound: a warning, a tone, and a call all the same.
#[test]
fn without_a_sound_card_a_tone_is_sent_after_a_warning() {
    let _quiet = quiet();
    let heard = recording("no-card");
    let mut listener = Halloo::listen(None, LISTENER, &heard, &[]);
    let url = listener.url();
    // libasound finds no configuration, and so no device, whatever the machine has.
    let mut caller = Halloo::start_with(
        None,
        &["call", &url, "--duration", "3"],
        &[("ALSA_CONFIG_PATH", "/dev/null"), ("PULSE_SERVER", "unix:/dev/null")],
    );
    for device in ["microphone", "loudspeaker"] {
        let is_told = |event: &Value| event["text"].as_str().unwrap().contains(device);
        caller.wait_for("warning", is_told);
    }
    assert!(caller.wait(Duration::from_secs(20)).success());
    listener.terminate();
    assert!(listener.wait(Duration::from_secs(10)).success());
    let pitch = Recording::read(&heard).after_silence(0.01).between(0.5, 1.5).pitch();
    assert!((pitch.expect("silence") - 440.0).abs() < 3.0, "{pitch:?}");
}

/// A host of both families as a network of IPv4 alone sees it: that IPv6 leads nowhere must not hide that
/// nobody takes TLS at the other address.
#[test]
fn an_address_without_a_route_is_no_reason_not_to_call() {
    let Some(cable) = skip::namespaces("an_address_without_a_route_is_no_reason_not_to_call")
    else {
        return;
    };
    let (here, there) = (&cable.left, &cable.right);
    // What `ip netns exec` shows as /etc/hosts.
    let hosts = Path::new("/etc/netns").join(&here.name);
    std::fs::create_dir_all(&hosts).unwrap();
    let both = format!("{} anna.example\n2001:db8::1 anna.example\n", there.address);
    std::fs::write(hosts.join("hosts"), both).unwrap();
    let at = recording("unrouted-listener");
    let bind = format!("{}:8080", there.address);
    let listener = Halloo::listen(Some(there), LISTENER, &at, &["--bind", &bind]);
    listener.url();
    let mute = ["--input", "silence", "--output", "null", "--duration", "1"];
    let mut caller = Halloo::start(Some(here), &[&["call", "anna.example"][..], &mute].concat());
    caller.wait_for("connected", |_| true);
    let status = caller.wait(Duration::from_secs(10));
    std::fs::remove_dir_all(hosts).unwrap();
    assert!(status.success(), "{status}");
}
