//! Whether the machine itself stood still: figures of sound in real time mean nothing then.
//!
//! Use it with `mod common { pub mod stall; }`. A test machine runs other tests beside this one; when all
//! its processors are busy, a thread that wants to run now may wait longer than a packet lasts. A test that
//! was repeated for that says so in the file that `HALLOO_STALLED` names.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often the watcher wants to run.
const EVERY: Duration = Duration::from_millis(5);
/// A wait this much longer than asked for is the machine's doing, and long enough to be heard.
const STALL: Duration = Duration::from_millis(15);
/// So many runs may be spoiled; after that the machine is no place for this test.
const RUNS: usize = 6;

/// Runs `test` until it succeeds. It may only fail while the machine stalls, and not each time.
pub fn undisturbed(test: impl Fn() -> Result<(), String>) {
    for run in 1..=RUNS {
        let (outcome, stalled) = watched(&test);
        match outcome {
            Ok(()) => return,
            Err(wrong) if stalled < STALL => panic!("{wrong} (the machine never stood still)"),
            Err(wrong) => note(&format!("run {run} spoiled by a stall of {stalled:?}: {wrong}")),
        }
    }
    panic!("{RUNS} runs were spoiled: this machine is too busy for sound in real time");
}

/// A repetition must be visible: `./check` counts and names them at its end.
fn note(spoiled: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("{test}: {spoiled}");
    if let Some(file) = std::env::var_os("HALLOO_STALLED") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        let line = spoiled.replace('\n', " ");
        file.write_all(format!("{test}: {line}\n").as_bytes()).unwrap();
    }
}

/// The outcome, and the longest time that a thread had to wait meanwhile.
fn watched<T>(test: impl FnOnce() -> T) -> (T, Duration) {
    let (done, watch) = channel::<()>();
    let watcher = thread::spawn(move || {
        let mut longest = Duration::ZERO;
        loop {
            let asleep = now();
            if watch.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                return longest;
            }
            longest = longest.max(asleep.elapsed().saturating_sub(EVERY));
        }
    });
    let outcome = test();
    drop(done);
    (outcome, watcher.join().unwrap())
}

#[expect(clippy::disallowed_methods, reason = "a test of real processes runs in real time")]
fn now() -> Instant {
    Instant::now()
}
