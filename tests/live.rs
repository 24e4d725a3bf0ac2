//! The line that stays on a terminal while a call runs, on terminals wide and narrow, dumb and resized; and
//! who wants no colours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod http;
    pub mod namespace;
    pub mod skip;
    pub mod terminal;
}

use common::halloo::Halloo;
use common::http::Listener;
use common::skip;
use common::terminal::Terminal;

const SOUND: [&str; 4] = ["--input", "tone:440", "--output", "null"];

/// A call from a terminal of this kind and width to a listener that sends a tone.
fn call(kind: &str, columns: u16, more: &[&str]) -> (Listener, Terminal) {
    let listener = Listener::start(&["--input", "tone:440"]);
    let at = listener.at.to_string();
    let arguments = [&["call", &at], &SOUND[..], more].concat();
    let mut terminal = Terminal::start_as(kind, columns, None, &arguments);
    terminal.wait_for("connected");
    (listener, terminal)
}

/// Every state of the line, as it was written over the one before.
fn states(text: &str) -> Vec<&str> {
    let rest = text.split('\r').skip(1);
    rest.filter_map(|piece| Some(piece.split_once("\x1b[J")?.0)).filter(|l| !l.is_empty()).collect()
}

#[test]
fn one_line_tells_time_levels_loss_and_delay_and_fits() {
    let (_listener, mut terminal) = call("xterm", 100, &[]);
    terminal.wait_for("0:01  you ");
    terminal.wait_for("  they #####.  loss 0.0%  delay ");
    terminal.resize(30);
    terminal.wait_for("0:04  you ");
    terminal.press("m");
    terminal.wait_for("muted: the other side hears silence");
    terminal.wait_for("you (muted)");
    terminal.interrupt();
    assert_eq!(terminal.wait(), Some(0));
    let text = terminal.text().to_owned();
    let wide = states(&text).into_iter().find(|line| line.contains("delay")).unwrap();
    assert!(wide.len() < 100, "{wide}");
    let behind = text.split("0:04").nth(1).unwrap();
    for line in states(behind) {
        let drawn = line.trim_start_matches("\x1b[2A");
        assert!(drawn.len() < 30, "{drawn:?} is broken by the terminal");
    }
    // The narrower terminal had broken the line in several rows: they are taken away, too.
    assert!(text.contains("A\r0:0"), "{text:?}");
    // Nothing is hidden, coloured or left behind: what is printed last stands on a line of its own.
    let mut controls = text.split("\x1b[").skip(1);
    let moves_or_erases = |control: &str| {
        control.trim_start_matches(|one: char| one.is_ascii_digit()).starts_with(['A', 'J'])
    };
    assert!(controls.all(moves_or_erases), "{text:?}");
    let last = text.rsplit("\x1b[J").next().unwrap();
    assert!(last.contains("ended: hung up"), "{last:?}");
}

#[test]
fn the_terminal_is_as_before_however_the_call_ends() {
    for signal in ["INT", "TERM", "HUP"] {
        let (_listener, mut terminal) = call("xterm", 80, &[]);
        terminal.wait_for("0:01  you ");
        assert!(!terminal.echoes(), "keys count at once");
        terminal.signal(signal);
        assert_eq!(terminal.wait(), Some(0), "{signal}");
        assert!(terminal.echoes(), "{signal}");
    }
}

#[test]
fn a_terminal_that_cannot_write_over_a_line_gets_plain_ones() {
    let (_listener, mut terminal) = call("dumb", 80, &["--duration", "2"]);
    terminal.wait_for("ended");
    assert_eq!(terminal.wait(), Some(0));
    let text = terminal.text();
    assert!(!text.contains('\x1b') && !text.contains("  loss "), "{text:?}");

    let (_listener, mut terminal) = call("dumb", 80, &["--duration", "3", "-v"]);
    terminal.wait_for("loss 0.0%");
    assert_eq!(terminal.wait(), Some(0));
    assert!(!terminal.text().contains('\x1b'), "{:?}", terminal.text());
}

#[test]
fn several_calls_share_the_line_of_who_listens() {
    let arguments = ["listen", "--bind", "127.0.0.1:0", "--answer", "auto"];
    let mut terminal = Terminal::start_as("xterm", 80, None, &[&arguments, &SOUND[..]].concat());
    let at = terminal.listening_at().to_string();
    let mut calls: Vec<_> =
        (0..2).map(|_| Halloo::start(None, &[&["call", &at], &SOUND[..]].concat())).collect();
    terminal.wait_for("2 calls  0:0");
    calls.pop();
    calls[0].terminate();
    assert!(calls[0].wait(std::time::Duration::from_secs(5)).success());
    terminal.interrupt();
    assert_eq!(terminal.wait(), Some(0));
}

/// <https://no-color.org>: set to anything but nothing.
#[test]
fn the_picture_for_a_phone_has_colours_unless_somebody_wants_none() {
    let Some(pair) =
        skip::namespaces("the_picture_for_a_phone_has_colours_unless_somebody_wants_none")
    else {
        return;
    };
    let arguments = [&["listen", "--lan", "--bind", "0.0.0.0:0"], &SOUND[..]].concat();
    for (no_color, coloured) in [(None, true), (Some(""), true), (Some("1"), false)] {
        let environment: Vec<_> = no_color.map(|value| ("NO_COLOR", value)).into_iter().collect();
        let here = Some(&pair.left);
        let mut terminal = Terminal::start_with("xterm", 100, here, &arguments, &environment);
        terminal.wait_for("\u{2580}");
        terminal.interrupt();
        assert_eq!(terminal.wait(), Some(0));
        let text = terminal.text();
        // Black on white, by number; and nothing else that a terminal obeys.
        let is_coloured = text.contains("\x1b[38;5;16;48;5;231m");
        assert_eq!((is_coloured, text.contains("\x1b[")), (coloured, coloured), "{text}");
    }
}
