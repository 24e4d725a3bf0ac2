//! Two real `halloo` processes on computers with two cables between them, of which the one in use dies:
//! the call goes on by the other, and how long that is heard.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation, unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod skip;
    pub mod stall;
}

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use common::halloo::{Halloo, recording};
use common::listen::Recording;
use common::namespace::{End, Namespaces};
use common::{skip, stall};
use serde_json::Value;

/// What listens sends this, Hz, and what calls that.
const LISTENER: u32 = 440;
const CALLER: u32 = 660;

/// Calls that are judged by their sound have the machine to themselves.
static QUIET: Mutex<()> = Mutex::new(());

/// Seconds of each call.
const LASTS: u32 = 12;

/// The tone has a root mean square of -13.5 dBFS; what is made up where nothing comes soon has -29.
const SILENT: f64 = -20.0;

/// The longest silence within a recording that began and went on, in seconds.
fn longest_silence(path: &Path) -> f64 {
    let heard = Recording::read(path).after_silence(0.01);
    let (mut longest, mut lasts) = (0.0_f64, 0.0);
    let frames = (heard.seconds() * 100.0) as u32;
    for frame in 0..frames.saturating_sub(50) {
        let at = f64::from(frame) / 100.0;
        lasts = if heard.between(at, at + 0.01).level() < SILENT { lasts + 0.01 } else { 0.0 };
        longest = longest.max(lasts);
    }
    longest
}

/// Pitch of the last two seconds but a half.
fn last_pitch(path: &Path) -> f64 {
    let heard = Recording::read(path);
    heard.between(heard.seconds() - 2.5, heard.seconds() - 0.5).pitch().expect("silence")
}

fn goes_by(event: &Value, side: &str, end: &End) -> bool {
    event[side].as_str().unwrap().contains(&format!(" {} ", end.address))
}

/// A call whose cable dies by `kill`: what each heard of it, seconds.
fn silences(
    name: &str,
    cables: &Namespaces,
    kill: impl FnOnce(&Namespaces),
) -> Result<[f64; 2], String> {
    let [at_listener, at_caller] =
        ["listener", "caller"].map(|side| recording(&format!("uplinks-{name}-{side}")));
    let second = cables.second_cable()?;
    let bind = format!("{}:0", cables.left.address);
    let mut listener = Halloo::listen(
        Some(&cables.left),
        LISTENER,
        &at_listener,
        &["--bind", &bind, "--answer", "auto"],
    );
    let [input, output] = [format!("tone:{CALLER}"), format!("file:{}", at_caller.display())];
    let duration = LASTS.to_string();
    let url = listener.url();
    let mut caller = Halloo::start(
        Some(&cables.right),
        &["call", &url, "--input", &input, "--output", &output, "--duration", &duration],
    );
    let first = caller.wait_for("pair", |_| true);
    assert!(!goes_by(&first, "local", &second[1]), "the way to the signalling is best: {first}");
    for _ in 0..4 {
        caller.events.retain(|event| event["event"] != "stats");
        caller.wait_for("stats", |_| true);
    }
    kill(cables);
    let moved = caller.wait_for("pair", |event| goes_by(event, "local", &second[1]));
    assert!(goes_by(&moved, "remote", &second[0]), "{moved}");
    let status = caller.wait(Duration::from_secs(30));
    assert!(status.success(), "{status}");
    listener.wait_for("ended", |_| true);
    listener.terminate();
    assert!(listener.wait(Duration::from_secs(10)).success());
    for (path, pitch) in [(&at_caller, LISTENER), (&at_listener, CALLER)] {
        let heard = last_pitch(path);
        if (heard - f64::from(pitch)).abs() > 2.0 {
            return Err(format!("{}: {heard} Hz", path.display()));
        }
    }
    Ok([&at_caller, &at_listener].map(|path| longest_silence(path)))
}

fn judge(name: &str, bearable: f64, kill: impl Fn(&Namespaces)) {
    let test = format!("uplinks: {name}");
    if skip::namespaces(&test).is_none() {
        return;
    }
    let _quiet = QUIET.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    stall::undisturbed(|| {
        let cables = Namespaces::new()?; // a dead cable is no use for another try
        let heard = silences(name, &cables, &kill)?;
        println!(
            "{name}: the caller heard nothing for {:.2} s, the listener for {:.2} s",
            heard[0], heard[1]
        );
        match heard.iter().all(|silence| *silence < bearable) {
            true => Ok(()),
            false => Err(format!("{name}: {heard:?} s of silence")),
        }
    });
}

#[test]
fn a_cable_that_is_unplugged_is_hardly_heard() {
    judge("unplugged", 0.6, |cables| {
        cables.left.ip(&["link", "set", "dev", &cables.left.interface, "down"]);
    });
}

#[test]
fn a_cable_that_dies_without_a_word_is_heard_for_less_than_a_second_and_a_half() {
    judge("dead", 1.5, Namespaces::cut_first_cable);
}
