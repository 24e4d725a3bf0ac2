//! Takes the pictures in `book/pictures/`: run it by `scripts/screenshots`.
//!
//! Each is of a real call between a real browser or terminal and a real halloo, in a network of their
//! own, so that no picture shows what the program doesn't do. It checks nothing but that it got there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub)]

use std::path::Path;
use std::time::Duration;

use serde_json::json;

mod common {
    pub mod chromium;
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod page;
    pub mod png;
    pub mod skip;
    pub mod stage;
    pub mod stall;
    pub mod terminal;
}
use common::chromium::{Browser, Page};
use common::halloo::Halloo;
use common::page::{INSECURE, NOWHERE, is_in, microphone_fails, misheard, says, talk, wait};
use common::png;
use common::stage::Stage;
use common::terminal::Terminal;

/// A phone, and a window in which there is room beside the call.
const PHONE: u32 = 360;
const WIDE: u32 = 900;

/// Some distance between the two, or the curve would be a flat line.
const FAR: [&str; 4] = ["--impair", "delay=18ms,jitter=9ms,loss=0.6%,seed=4", "--name", "Ada"];

fn stage() -> Stage {
    Stage::new().expect("network namespaces: run it as root")
}

fn keep(name: &str, png: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/pictures");
    std::fs::create_dir_all(&folder).unwrap();
    let png = png::small(png);
    assert!(png.len() < 100_000, "{name} has {} bytes", png.len());
    std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
}

/// The page as a phone shows it.
fn on_a_phone(page: &Page, name: &str) {
    keep(name, &page.picture(PHONE, 2.0, "light"));
}

/// The same at night.
fn at_night(page: &Page, name: &str) {
    keep(&format!("{name}-dark"), &page.picture(PHONE, 2.0, "dark"));
}

#[test]
fn a_call_from_its_beginning_to_its_end() {
    let stage = stage();
    let idle = {
        let (halloo, _) = stage.listen(&["--name", "Ada"]);
        let browser = stage.browser();
        let page = browser.open(&halloo.url());
        on_a_phone(&page, "page-idle");
        at_night(&page, "page-idle");
        keep("page-idle-wide", &page.picture(WIDE, 1.5, "light"));
        (halloo, browser)
    };
    drop(idle);

    let mut talk = talk(&stage, &FAR, "");
    let page = &talk.page;
    page.wait_for("document.querySelector('#curve').points.numberOfItems > 25");
    keep("page-talking-wide", &page.picture(WIDE, 1.5, "light"));
    keep("page-talking-wide-dark", &page.picture(WIDE, 1.5, "dark"));
    on_a_phone(page, "page-talking");
    at_night(page, "page-talking");
    page.click("#mute");
    on_a_phone(page, "page-muted");
    page.click("#mute");
    page.click("#hold");
    says(page, "On hold");
    wait(page, 1_500);
    on_a_phone(page, "page-hold");
    at_night(page, "page-hold");
    page.click("#hold");
    says(page, "You are talking.");
    talk.halloo.terminate();
    is_in(page, "ended");
    on_a_phone(page, "page-ended");
}

#[test]
fn a_page_that_rings() {
    let stage = stage();
    let sound = ["--input", "tone:700", "--output", "null"];
    let tab = ["call", "tab", "--bind", "127.0.0.1:0", "--name", "Ada"];
    let mut halloo = Halloo::start(stage.here(), &[&tab[..], &sound].concat());
    halloo.wait_for("listening", |_| true);
    let browser = stage.browser();
    let page = browser.open(&halloo.url());
    is_in(&page, "ringing");
    on_a_phone(&page, "page-ringing");
    at_night(&page, "page-ringing");
}

#[test]
fn a_call_that_halloo_keeps_on_hold() {
    let stage = stage();
    let more = ["--answer", "auto", "--name", "Ada"];
    let (mut terminal, address) = Terminal::listen(stage.here(), "tone:700", &more);
    let browser = stage.browser();
    let page = browser.open(&format!("http://{address}/"));
    page.click("#call");
    is_in(&page, "connected");
    terminal.wait_for("connected");
    page.wait_for("document.querySelector('#curve').points.numberOfItems > 6");
    terminal.press("h");
    says(&page, "halloo put you on hold.");
    wait(&page, 500);
    on_a_phone(&page, "page-held");
}

#[test]
fn a_call_that_is_asked_for_and_declined() {
    let stage = stage();
    let more = ["--answer", "ask", "--name", "Ada"];
    let (mut terminal, address) = Terminal::listen(stage.here(), "tone:700", &more);
    let browser = stage.browser();
    let page = browser.open(&format!("http://{address}/"));
    page.click("#call");
    is_in(&page, "calling");
    terminal.wait_for("127.0.0.1");
    on_a_phone(&page, "page-calling");
    wait(&page, 300);
    let asked = terminal.text().to_owned();
    terminal.press("n");
    is_in(&page, "failed");
    on_a_phone(&page, "page-declined");
    on_a_terminal(&browser, "terminal-asks", "halloo listen --answer ask", &asked);
}

#[test]
fn a_page_that_needs_a_token() {
    let stage = stage();
    let (halloo, _) = stage.listen(&["--token", "open-sesame", "--name", "Ada"]);
    let browser = stage.browser();
    let page = browser.open(&halloo.url());
    page.click("#call");
    is_in(&page, "locked");
    on_a_phone(&page, "page-token");
    at_night(&page, "page-token");
    page.call("Input.insertText", json!({ "text": "open-says-me" }));
    page.press("Enter");
    page.wait_for("document.querySelector('#reason').innerText.includes('not its token')");
    on_a_phone(&page, "page-token-wrong");
}

#[test]
fn each_way_not_to_get_through() {
    let stage = stage();
    let (mut halloo, _) = stage.listen(&["--timeout", "3", "--max-calls", "1", "--name", "Ada"]);
    let browser = stage.browser();
    for (name, script) in [
        ("page-microphone-refused", microphone_fails("NotAllowedError")),
        ("page-microphone-none", microphone_fails("NotFoundError")),
        ("page-microphone-busy", microphone_fails("NotReadableError")),
        ("page-no-way", misheard(NOWHERE)),
        ("page-insecure", INSECURE.to_owned()),
    ] {
        let page = browser.open_after(&halloo.url(), &script);
        page.click("#call");
        is_in(&page, "failed");
        on_a_phone(&page, name);
        if name == "page-no-way" {
            at_night(&page, name);
        }
        page.close();
    }
    let first = browser.open(&halloo.url());
    first.click("#call");
    is_in(&first, "connected");
    let page = browser.open(&halloo.url());
    page.click("#call");
    is_in(&page, "failed");
    on_a_phone(&page, "page-too-many");
    halloo.kill();
    halloo.wait(Duration::from_secs(10));
    page.click("#call");
    page.wait_for("document.querySelector('#reason').innerText.includes('cannot be reached')");
    on_a_phone(&page, "page-unreachable");
    is_in(&first, "interrupted");
    on_a_phone(&first, "page-interrupted");
}

/// What a terminal shows after these bytes.
fn on_a_terminal(browser: &Browser, name: &str, title: &str, text: &str) {
    let page = concat!("file://", env!("CARGO_MANIFEST_DIR"), "/tests/pages/terminal.html");
    let page = browser.open(page);
    page.wait_for("window.ready");
    let size = page.evaluate(&format!("show({}, {}, false)", json!(title), json!(text)));
    let width = u32::try_from(size[0].as_u64().unwrap()).unwrap();
    keep(name, &page.picture(width, 1.5, "light"));
    page.close();
}

#[test]
fn the_terminal_in_a_call() {
    let stage = stage();
    let browser = stage.browser();
    let (halloo, _) = stage.listen(&[]);
    let url = halloo.url();
    let arguments = ["call", &url, "--input", "tone:440", "--output", "null"];
    let mut terminal = Terminal::start(stage.here(), &arguments);
    for _ in 0..6 {
        terminal.wait_for("loss");
    }
    let typed = format!("\x1b[1m$\x1b[0m halloo call {url} --input tone:440 --output null\r\n");
    let shown = format!("{typed}{}", terminal.text());
    on_a_terminal(&browser, "terminal-call", "halloo call", &shown);
    terminal.press("q");
    terminal.wait();

    let mut terminal = Terminal::start(stage.here(), &["call", "self"]);
    terminal.wait();
    let shown = format!("\x1b[1m$\x1b[0m halloo call self\r\n{}", terminal.text());
    on_a_terminal(&browser, "terminal-self", "halloo call self", &shown);
}
