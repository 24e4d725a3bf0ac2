//! Real calls by microphone and loudspeaker: `halloo` processes beside a sound server.
#![cfg(all(feature = "device", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod pulse;
}

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use common::halloo::{Halloo, recording};
use common::listen::Recording;
use common::pulse::SoundServer;
use serde_json::Value;

/// What the person says, and what the other side sends, Hz.
const VOICE: f64 = 700.0;
const TONE: u32 = 440;

/// One sound server at a time has enough to do.
static QUIET: Mutex<()> = Mutex::new(());

fn quiet() -> std::sync::MutexGuard<'static, ()> {
    QUIET.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A halloo whose default devices are those of the server.
fn with_sound(server: &SoundServer, arguments: &[&str]) -> Halloo {
    let environment = server.environment();
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| (*name, value.to_str().unwrap())).collect();
    Halloo::start_with(None, arguments, &environment)
}

fn say(server: &SoundServer) -> common::pulse::Running {
    server.say(&Recording::tone(VOICE, 0.5, 60.0, 48_000))
}

/// Lets so many seconds of a call go by, by its own clock.
fn seconds(halloo: &mut Halloo, count: usize) {
    let stats = |events: &[Value]| events.iter().filter(|e| e["event"] == "stats").count();
    let target = stats(halloo.catch_up()) + count;
    let mut seen = f64::MIN;
    while stats(&halloo.events) < target {
        let last = halloo.wait_for("stats", |event| event["t"].as_f64().unwrap() > seen);
        seen = last["t"].as_f64().unwrap();
    }
}

/// Whether this pitch is there, and loud enough to be no accident.
fn hears(heard: &Recording, hz: f64) -> bool {
    heard.amplitude(hz) > 0.05
}

/// How many streams take sound from the server; some are the server's and the test's own.
fn captures(server: &SoundServer) -> usize {
    let list = Command::new("pactl")
        .args(["list", "short", "source-outputs"])
        .envs(server.environment())
        .output()
        .unwrap();
    String::from_utf8(list.stdout).unwrap().lines().count()
}

#[test]
fn a_person_speaks_and_hears_and_the_microphone_is_open_only_for_the_call() {
    let _quiet = quiet();
    let server = SoundServer::start();
    let _speaking = say(&server);
    let mut listener = with_sound(&server, &["listen", "--bind", "127.0.0.1:0"]);
    listener.wait_for("listening", |_| true);
    let idle = captures(&server);

    let heard = recording("card-caller");
    let (input, output) = (format!("tone:{TONE}"), format!("file:{}", heard.display()));
    let url = listener.url();
    let changes = server.changes();
    let mut caller = Halloo::start(None, &["call", &url, "--input", &input, "--output", &output]);
    seconds(&mut caller, 1);
    changes.wait_for("'new' on source-output");
    assert_eq!(captures(&server), idle + 1, "the microphone, once somebody calls");
    let tape = server.record();
    seconds(&mut caller, 2);
    let played = tape.stop().last(1.0);
    caller.terminate();
    assert!(caller.wait(Duration::from_secs(10)).success());
    listener.wait_for("ended", |_| true);
    assert!(hears(&played, TONE.into()), "loudspeaker: {:?} Hz", played.pitch());
    let heard = Recording::read(&heard).last(1.0);
    assert!(hears(&heard, VOICE), "microphone: {:?} Hz", heard.pitch());
    // Closing takes the device's own thread a moment. The tape's end was told, too.
    while captures(&server) != idle {
        changes.wait_for("'remove' on source-output");
    }
}

#[test]
fn the_loudspeaker_plays_all_callers_and_each_hears_the_person_alone() {
    let _quiet = quiet();
    let server = SoundServer::start();
    let _speaking = say(&server);
    let mut listener = with_sound(&server, &["listen", "--bind", "127.0.0.1:0"]);
    listener.wait_for("listening", |_| true);
    let url = listener.url();
    let pitches = [500, 900];
    let mut callers = pitches.map(|hz| {
        let heard = recording(&format!("card-caller-{hz}"));
        let (input, output) = (format!("tone:{hz}"), format!("file:{}", heard.display()));
        let arguments = ["call", &url, "--input", &input, "--output", &output];
        (Halloo::start(None, &arguments), heard)
    });
    for (caller, _) in &mut callers {
        seconds(caller, 1);
    }
    let tape = server.record();
    seconds(&mut callers[0].0, 2);
    let played = tape.stop().last(1.0);
    for hz in pitches {
        assert!(hears(&played, hz.into()), "{hz} Hz is missing from the sum");
    }
    for (caller, heard) in &mut callers {
        caller.terminate();
        assert!(caller.wait(Duration::from_secs(10)).success());
        assert_only_the_person(heard);
    }
}

fn assert_only_the_person(heard: &Path) {
    let last = Recording::read(heard).last(1.0);
    assert!(hears(&last, VOICE), "{}: {:?} Hz", heard.display(), last.pitch());
    for hz in [500.0, 900.0] {
        assert!(last.amplitude(hz) < 0.02, "{}: {hz} Hz too", heard.display());
    }
}

#[test]
fn a_sound_server_that_dies_is_a_warning_and_the_call_goes_on() {
    let _quiet = quiet();
    let mut server = SoundServer::start();
    let speaking = say(&server);
    let at_listener = recording("card-dies");
    let mut listener = Halloo::listen(None, TONE, &at_listener, &[]);
    let url = listener.url();
    let mut caller = with_sound(&server, &["call", &url]);
    seconds(&mut caller, 1);
    server.kill();
    drop(speaking);
    let lost = |event: &Value| event["text"].as_str().unwrap().contains("was lost");
    caller.wait_for("warning", lost);
    seconds(&mut caller, 2);
    server.restart();
    let _speaking = say(&server);
    for device in ["microphone", "loudspeaker"] {
        let back = format!("the {device} is back");
        caller.wait_for("warning", |event| event["text"].as_str().unwrap().contains(&back));
    }
    // A server that has just been started may stand still once more before it plays.
    let is_heard = (0..5).any(|_| {
        let tape = server.record();
        seconds(&mut caller, 2);
        hears(&tape.stop().last(1.0), TONE.into())
    });
    assert!(is_heard, "the loudspeaker stays silent");
    caller.terminate();
    assert!(caller.wait(Duration::from_secs(10)).success());
    listener.terminate();
    assert!(listener.wait(Duration::from_secs(10)).success());
    let heard = Recording::read(&at_listener).last(1.0);
    assert!(hears(&heard, VOICE), "microphone, again: {:?} Hz", heard.pitch());
    let warnings = caller.catch_up().iter().filter(|e| e["event"] == "warning").count();
    assert!(warnings < 16, "{warnings} warnings are a storm");
}
