//! A call without any server: two real processes, and a person who carries two lines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod skip;
    pub mod stall;
    pub mod terminal;
}

use std::path::Path;
use std::time::Duration;

use common::halloo::{Halloo, recording};
use common::listen::Recording;
use common::terminal::Terminal;
use common::{skip, stall};
use serde_json::Value;

const MUTE: [&str; 4] = ["--input", "silence", "--output", "null"];

fn with<'a>(command: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [command, more].concat()
}

/// The line that it prints for the other side.
fn line(halloo: &mut Halloo) -> String {
    halloo.wait_for("paste", |_| true)["line"].as_str().unwrap().to_owned()
}

fn hears(path: &Path, hz: f64) -> Result<(), String> {
    let heard = Recording::read(path).after_silence(0.01).between(0.5, 2.5);
    let pitch = heard.pitch().unwrap_or(0.0);
    let right = heard.seconds() > 1.5 && (pitch - hz).abs() < 1.0;
    if right { Ok(()) } else { Err(format!("{}: {pitch} Hz", path.display())) }
}

#[test]
fn two_lines_make_a_call_between_two_computers() {
    let Some(cable) = skip::namespaces("two_lines_make_a_call_between_two_computers") else {
        return;
    };
    stall::undisturbed(|| {
        let at = ["caller", "listener"].map(|side| recording(&format!("paste-{side}")));
        let outputs = at.each_ref().map(|path| format!("file:{}", path.display()));
        let call =
            ["call", "paste", "--input", "tone:660", "--output", &outputs[0], "--duration", "3"];
        let listen = ["listen", "paste", "--input", "tone:440", "--output", &outputs[1]];
        let mut caller = Halloo::start_reading(Some(&cable.left), &call);
        let mut listener = Halloo::start_reading(Some(&cable.right), &listen);
        // As a chat might show it: quoted, wrapped, and with a greeting.
        let offer = line(&mut caller);
        assert!(offer.len() < 400, "{} characters: {offer}", offer.len());
        let (front, back) = offer.split_at(70);
        listener.type_line(&format!("> Hi Bob, halloo! {front}"));
        listener.type_line(&format!("> {back} Ann"));
        let answer = line(&mut listener);
        caller.type_line(&answer);
        for side in [&mut caller, &mut listener] {
            side.wait_for("connected", |_| true);
            let status = side.wait(Duration::from_secs(30));
            assert!(status.success(), "{status}");
        }
        hears(&at[0], 440.0)?;
        hears(&at[1], 660.0)
    });
}

#[test]
fn a_wrong_line_is_named_and_another_one_may_follow() {
    let mut caller = Halloo::start_reading(None, &with(&["call", "paste"], &MUTE));
    let mut other = Halloo::start_reading(None, &with(&["call", "paste"], &MUTE));
    let mut listener = Halloo::start_reading(None, &with(&["listen", "paste"], &MUTE));
    let (offer, other_offer) = (line(&mut caller), line(&mut other));
    caller.type_line("good morning");
    caller.type_line(&offer);
    caller.type_line(&other_offer);
    listener.type_line(&offer.replace(".offer.", ".offer.A"));
    listener.type_line(&offer);
    let answer = line(&mut listener);
    other.type_line(&answer);
    other.type_line(&answer[..answer.len() - 3]);
    other.stop_typing();
    assert_eq!(other.wait(Duration::from_secs(10)).code(), Some(2));
    caller.type_line(&answer);
    caller.wait_for("connected", |_| true);
    caller.terminate();
    assert_eq!(caller.wait(Duration::from_secs(10)).code(), Some(0));
    assert_eq!(listener.wait(Duration::from_secs(10)).code(), Some(0));
    assert!(other.messages().contains("cut short"), "{}", other.messages());
}

#[test]
fn what_is_wrong_stands_on_the_terminal() {
    let mut listener = Halloo::start_reading(None, &with(&["call", "paste"], &MUTE));
    let offer = line(&mut listener);
    let mut terminal = Terminal::start(None, &with(&["listen", "paste"], &MUTE));
    terminal.wait_for("paste the line");
    terminal.press("good morning\n");
    terminal.wait_for("that is no line of halloo's");
    terminal.press(&format!("{}\n", offer.replace(".offer.", ".offer.A")));
    terminal.wait_for("altered");
    terminal.press(&format!("{offer}\n"));
    terminal.wait_for("send this line back");
    terminal.wait_for("halloo1.answer.");
    terminal.interrupt();
    assert_eq!(terminal.wait(), Some(1), "it was never connected");
}

#[test]
fn without_a_line_it_ends() {
    let mut listener = Halloo::start_reading(None, &with(&["listen", "paste"], &MUTE));
    listener.stop_typing();
    assert_eq!(listener.wait(Duration::from_secs(10)).code(), Some(1));
    assert!(listener.messages().contains("signalling: "), "{}", listener.messages());
    let ended = listener.events.iter().any(|event: &Value| event["event"] == "ended");
    assert!(!ended, "there was no call");
}
