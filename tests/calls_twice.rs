//! One who calls twice: at the same time, again right after a crash from the same port, and hung up by HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod http;
    pub mod listen;
    pub mod namespace;
    pub mod port;
}

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use common::halloo::{Halloo, recording};
use common::http::Listener;
use common::listen::Recording;
use common::port::free_port;
use serde_json::Value;

/// Calls that are judged by their sound have the machine to themselves.
static QUIET: Mutex<()> = Mutex::new(());

fn quiet() -> std::sync::MutexGuard<'static, ()> {
    QUIET.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn listener(name: &str) -> (Listener, PathBuf) {
    let heard = recording(name);
    let second = second(&heard);
    let _of_the_last_run = std::fs::remove_file(second);
    let output = format!("file:{}", heard.display());
    (Listener::start(&["--input", "tone:440", "--output", &output]), heard)
}

/// Where the second call is recorded.
fn second(first: &Path) -> PathBuf {
    let stem = first.file_stem().unwrap().to_str().unwrap();
    first.with_file_name(format!("{stem}-2.wav"))
}

fn call(at: &str, hz: u32, more: &[&str]) -> Halloo {
    let input = format!("tone:{hz}");
    let arguments = ["call", at, "--input", &input, "--output", "null"];
    Halloo::start(None, &[&arguments[..], more].concat())
}

/// Waits for so many reports of figures from now on.
fn seconds_pass(program: &mut Halloo, seconds: usize) {
    for _ in 0..seconds {
        let now = program.catch_up().last().unwrap()["t"].as_f64();
        program.wait_for("stats", |stats| stats["t"].as_f64() > now);
    }
}

/// Whoever is heard, it is this one. A busy machine may spoil the tone, but makes it nobody else's.
fn assert_last_second_is(path: &Path, hz: f64) {
    let heard = Recording::read(path).last(0.8);
    let amplitudes = [660.0, 880.0].map(|hz| heard.amplitude(hz));
    let (other, own) = if hz < 700.0 { (1, 0) } else { (0, 1) };
    let right = amplitudes[own] > 0.03 && amplitudes[own] > 4.0 * amplitudes[other];
    assert!(right, "{}: not {hz} Hz: {amplitudes:?}", path.display());
}

#[test]
fn two_calls_at_the_same_time_are_two_calls() {
    let _quiet = quiet();
    let (mut listener, heard) = listener("twice-at-once");
    let at = listener.at.to_string();
    let mut callers = [call(&at, 660, &[]), call(&at, 880, &[])];
    for caller in &mut callers {
        caller.wait_for("connected", |_| true);
    }
    seconds_pass(&mut callers[0], 2);
    let listed = listener.json("/calls");
    let ids: Vec<&Value> = listed.as_array().unwrap().iter().map(|call| &call["id"]).collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{listed}");
    // Who came first is anybody's guess, but each has a recording of its own.
    let recordings = [heard.clone(), second(&heard)].map(|path| Recording::read(&path).last(0.8));
    let is_660 = recordings.each_ref().map(|heard| heard.amplitude(660.0) > heard.amplitude(880.0));
    assert_ne!(is_660[0], is_660[1]);

    // One of them is hung up by HTTP; the other one goes on.
    let of_first = listener.program.wait_for("connected", |_| true);
    let path = format!("/calls/{}", of_first["call"].as_str().unwrap());
    assert_eq!(listener.ask("DELETE", &path, &[], b"").status, 200);
    assert_eq!(listener.ask("DELETE", &path, &[], b"").status, 404);
    let hung_up = usize::from(!is_660[0]);
    callers[hung_up].wait_for("ended", |_| true);
    let count = |callers: &mut [Halloo; 2]| {
        callers
            .iter_mut()
            .filter_map(|caller| {
                let ended = caller.catch_up().iter().any(|event| event["event"] == "ended");
                ended.then_some(())
            })
            .count()
    };
    listener.program.wait_for("ended", |_| true);
    seconds_pass(&mut listener.program, 2);
    assert_eq!(count(&mut callers), 1);
    let still = listener.json("/calls");
    let connected = still.as_array().unwrap().iter().filter(|call| call["state"] == "connected");
    assert_eq!(connected.count(), 1, "{still}");
}

#[test]
fn who_crashes_and_calls_again_from_the_same_port_is_heard_at_once() {
    let _quiet = quiet();
    let (mut listener, heard) = listener("twice-crash");
    let at = listener.at.to_string();
    let port = free_port().to_string();
    let mut first = call(&at, 660, &["--udp-port", &port]);
    first.wait_for("connected", |_| true);
    seconds_pass(&mut first, 2);
    assert_last_second_is(&heard, 660.0);
    first.kill();
    let _status = first.wait(Duration::from_secs(10));

    let mut again = call(&at, 880, &["--udp-port", &port]);
    let connected = again.wait_for("connected", |_| true);
    assert!(connected["ms"].as_f64() < Some(2_000.0), "{connected}");
    seconds_pass(&mut again, 2);
    assert_last_second_is(&second(&heard), 880.0);
    let figures = again.catch_up().iter().rfind(|event| event["event"] == "stats").unwrap().clone();
    assert!(figures["level_out"].as_f64() > Some(-20.0), "it hears, too: {figures}");
    assert_eq!(listener.json("/calls").as_array().unwrap().len(), 2);

    // The first call is missed once consent has run out, and the second one doesn't notice.
    let ended = listener.program.wait_at_most(Duration::from_secs(50), "ended", |_| true);
    assert_eq!(ended["step"], "ice", "{ended}");
    // Answers to the first call's checks come from the second one's address, and take nothing from it.
    let is_second = |event: &&Value| event["event"] == "stats" && event["call"] != ended["call"];
    let figures: Vec<_> = listener.program.events.iter().filter(is_second).collect();
    let packets: Vec<_> = figures.iter().map(|f| f["packets_received"].as_u64().unwrap()).collect();
    assert!(packets.len() > 20, "{packets:?}");
    assert!(packets.windows(2).all(|two| two[1] > two[0]), "a second without sound: {packets:?}");
    seconds_pass(&mut again, 1);
    assert_last_second_is(&second(&heard), 880.0);
    again.terminate();
    assert!(again.wait(Duration::from_secs(10)).success());
}
