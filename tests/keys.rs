//! The keys of a call on a terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod http;
    pub mod namespace;
    pub mod terminal;
}

use common::http::Listener;
use common::terminal::Terminal;

#[test]
fn m_mutes_and_q_hangs_up() {
    let mut listener = Listener::start(&[]);
    let at = listener.at.to_string();
    let arguments = ["call", &at, "--input", "tone:660", "--output", "null"];
    let mut terminal = Terminal::start(None, &arguments);
    terminal.wait_for("keys: m mutes");
    // What the other side hears from now on, in its own figures.
    let mut hears = |loud: bool| {
        let events = listener.program.catch_up();
        let now = events.last().unwrap()["t"].as_f64();
        listener.program.wait_for("stats", |stats| {
            stats["t"].as_f64() > now && (stats["level_out"].as_f64() > Some(-40.0)) == loud
        })
    };
    hears(true);
    terminal.press("m");
    terminal.wait_for("muted: the other side hears silence");
    let muted = hears(false);
    assert!(muted["packets_received"].as_u64().unwrap() > 50, "packets go on: {muted}");
    terminal.press("m");
    terminal.wait_for("no longer muted");
    hears(true);
    terminal.press("q");
    terminal.wait_for("ended: hung up");
    assert_eq!(terminal.wait(), Some(0));
    let ended = listener.program.wait_for("ended", |_| true);
    assert_eq!(ended["end"], "hung_up_by_peer", "{ended}");
}

#[test]
fn m_also_mutes_what_is_reflected() {
    let listener = Listener::start(&["--input", "tone:440"]);
    let at = listener.at.to_string();
    let mut program = listener.program;
    for codec in ["opus", "pcmu"] {
        let reflect = ["--input", "reflect", "--output", "null", "--codec", codec];
        let mut terminal = Terminal::start(None, &[&["call", &at][..], &reflect].concat());
        terminal.wait_for("keys: m mutes");
        let mut hears = |loud: bool| {
            let now = program.catch_up().last().unwrap()["t"].as_f64();
            program.wait_for("stats", |stats| {
                stats["t"].as_f64() > now && (stats["level_out"].as_f64() > Some(-40.0)) == loud
            })
        };
        hears(true);
        terminal.press("m");
        let muted = hears(false);
        let later = hears(false);
        let packets = |stats: &serde_json::Value| stats["packets_received"].as_u64().unwrap();
        assert!(packets(&later) > packets(&muted) + 20, "packets go on: {muted} {later}");
        terminal.press("m");
        let open = hears(true);
        assert_eq!(open["packets_lost"], 0, "{codec}: silence is no loss: {open}");
        terminal.press("q");
        assert_eq!(terminal.wait(), Some(0));
    }
}

#[test]
fn q_gives_up_before_there_is_an_answer() {
    // It takes connections, as every open port does, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}", silent.local_addr().unwrap());
    let arguments = ["call", &target, "--input", "tone:660", "--output", "null"];
    let mut terminal = Terminal::start(None, &arguments);
    terminal.wait_for("calling");
    terminal.press("q");
    terminal.wait_for("signalling: ");
    assert_eq!(terminal.wait(), Some(1));
}

#[test]
fn the_terminal_is_as_before_afterwards() {
    let listener = Listener::start(&["--answer", "auto"]);
    let at = listener.at.to_string();
    let arguments = ["call", &at, "--input", "tone:660", "--output", "null"];
    let mut terminal = Terminal::start(None, &arguments);
    terminal.wait_for("keys: ");
    assert!(!terminal.echoes(), "keys are not shown");
    terminal.interrupt();
    assert_eq!(terminal.wait(), Some(0));
    assert!(terminal.echoes());
}
