//! Whether the machine itself stood still: figures of sound in real time mean nothing then.
//!
//! Use it with `mod common { pub mod stall; }`. A test machine runs other tests beside this one; when all
//! its processors are busy, a thread that wants to run now may wait longer than a packet lasts. A test that
//! was repeated for that says so in the file that `HALLOO_STALLED` names.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
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
///
/// A thread stays with the processor it slept on: each is watched by one of its own, or a neighbour that takes
/// one of two would go unnoticed by half.
fn watched<T>(test: impl FnOnce() -> T) -> (T, Duration) {
    let watchers = processors().into_iter().map(|processor| {
        let (done, watch) = channel::<()>();
        (done, thread::spawn(move || longest_wait(processor, &watch)))
    });
    let (done, watchers): (Vec<_>, Vec<_>) = watchers.unzip();
    let outcome = test();
    drop(done);
    let longest = watchers.into_iter().map(|watcher| watcher.join().unwrap()).max();
    (outcome, longest.unwrap())
}

/// On this processor, until `watch` is closed.
fn longest_wait(processor: Processor, watch: &Receiver<()>) -> Duration {
    stay_on(processor);
    let mut longest = Duration::ZERO;
    loop {
        let asleep = now();
        if watch.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
            return longest;
        }
        longest = longest.max(asleep.elapsed().saturating_sub(EVERY));
    }
}

#[cfg(target_os = "linux")]
use linux::{Processor, processors, stay_on};

#[cfg(target_os = "linux")]
mod linux {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    pub(super) type Processor = usize;

    /// Those that this process may use.
    pub(super) fn processors() -> Vec<Processor> {
        let ours = sched_getaffinity(None).unwrap();
        (0..CpuSet::MAX_CPU).filter(|processor| ours.is_set(*processor)).collect()
    }

    /// This thread runs there and nowhere else.
    pub(super) fn stay_on(processor: Processor) {
        let mut only = CpuSet::new();
        only.set(processor);
        sched_setaffinity(None, &only).unwrap();
    }
}

/// Elsewhere one watcher goes where it likes.
#[cfg(not(target_os = "linux"))]
type Processor = ();

#[cfg(not(target_os = "linux"))]
fn processors() -> [Processor; 1] {
    [()]
}

#[cfg(not(target_os = "linux"))]
fn stay_on((): Processor) {}

#[expect(clippy::disallowed_methods, reason = "a test of real processes runs in real time")]
fn now() -> Instant {
    Instant::now()
}
