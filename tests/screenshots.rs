//! Takes the pictures in `book/pictures/`: run it by `scripts/screenshots`.
//!
//! Each is of a real call between a real browser or terminal and a real halloo, in a network of their
//! own, so that no picture shows what the program doesn't do. It checks nothing but that it got there; but
//! `words.txt` beside the pictures has what each of them says, so that `tests/pictures.rs` finds those that
//! have become old.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub)]

use std::collections::BTreeMap;
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
use common::page::{
    INSECURE, NOWHERE, is_in, lose_sound, microphone_fails, misheard, says, talk, wait,
};
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

/// The folder of the pictures.
fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/book/pictures"))
}

/// Keeps a picture, and what it says.
fn keep(name: &str, png: &[u8], says: &str) {
    let png = png::small(png);
    assert!(png.len() < 100_000, "{name} has {} bytes", png.len());
    std::fs::write(folder().join(format!("{name}.png")), png).unwrap();
    let file = folder().join("words.txt");
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    let mut all: BTreeMap<_, _> = before.lines().filter_map(|line| line.split_once(": ")).collect();
    all.insert(name, says);
    let lines: Vec<_> = all.iter().map(|(name, says)| format!("{name}: {says}\n")).collect();
    std::fs::write(file, lines.concat()).unwrap();
}

/// Keeps a picture of the page.
fn keep_page(page: &Page, name: &str, png: &[u8]) {
    let words = page.evaluate(
        "['state', 'hint', 'why', 'advice']
            .map((id) => document.getElementById(id))
            .filter((element) => element.getClientRects().length > 0)
            .map((element) => element.innerText)
            .join(' | ')",
    );
    keep(name, png, words.as_str().unwrap());
}

/// The page as a phone shows it, less what one scrolls to.
fn on_a_phone(page: &Page, name: &str) {
    keep_page(page, name, &page.picture(".call", PHONE, 1.5, "light"));
}

/// The same at night.
fn at_night(page: &Page, name: &str) {
    keep_page(page, &format!("{name}-dark"), &page.picture(".call", PHONE, 1.5, "dark"));
}

/// All of it, in a window and at night as well.
fn in_full(page: &Page, name: &str) {
    keep_page(page, &format!("{name}-phone"), &page.picture("body", PHONE, 1.5, "light"));
    keep_page(page, &format!("{name}-phone-dark"), &page.picture("body", PHONE, 1.5, "dark"));
    keep_page(page, &format!("{name}-wide"), &page.picture("body", WIDE, 1.5, "light"));
    keep_page(page, &format!("{name}-wide-dark"), &page.picture("body", WIDE, 1.5, "dark"));
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
        (halloo, browser)
    };
    drop(idle);

    let mut talk = talk(&stage, &FAR, "");
    let page = &talk.page;
    page.wait_for("document.querySelector('#curve').points.numberOfItems > 25");
    in_full(page, "page-talking");
    on_a_phone(page, "page-talking");
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
fn a_call_that_either_side_keeps_on_hold() {
    let stage = stage();
    let more = ["--answer", "auto", "--name", "Ada"];
    let (mut terminal, address) = Terminal::listen(stage.here(), "tone:700", &more);
    let browser = stage.browser();
    let page = browser.open(&format!("http://{address}/"));
    page.click("#call");
    is_in(&page, "connected");
    terminal.wait_for("connected");
    terminal.press("h");
    says(&page, "halloo put you on hold.");
    wait(&page, 500);
    on_a_phone(&page, "page-held");
    page.click("#hold");
    page.wait_for("document.querySelector('#hint').innerText.startsWith('Here and there')");
    wait(&page, 500);
    on_a_phone(&page, "page-hold-both");
    page.click("#hang-up");
    is_in(&page, "ended");
    on_a_phone(&page, "page-hung-up");
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
    let asked = format!("{}{}", typed("listen --answer ask --name Ada"), terminal.text());
    terminal.press("n");
    is_in(&page, "failed");
    on_a_phone(&page, "page-declined");
    on_a_terminal(&browser, "terminal-asks", "halloo listen", &asked);
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
    let asks = "navigator.mediaDevices.getUserMedia = () => new Promise(() => {});";
    let page = browser.open_after(&halloo.url(), asks);
    page.click("#call");
    is_in(&page, "microphone");
    on_a_phone(&page, "page-microphone");
    page.close();
    for (name, script) in [
        ("page-microphone-refused", microphone_fails("NotAllowedError")),
        ("page-microphone-none", microphone_fails("NotFoundError")),
        ("page-microphone-busy", microphone_fails("NotReadableError")),
        ("page-insecure", INSECURE.to_owned()),
    ] {
        let page = browser.open_after(&halloo.url(), &script);
        page.click("#call");
        is_in(&page, "failed");
        on_a_phone(&page, name);
        page.close();
    }
    let page = browser.open_after(&halloo.url(), &misheard(NOWHERE));
    page.click("#call");
    is_in(&page, "connecting");
    on_a_phone(&page, "page-connecting");
    is_in(&page, "failed");
    on_a_phone(&page, "page-no-way");
    at_night(&page, "page-no-way");
    page.close();

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
    wait(&first, 20_000); // of the 30 s that it takes
    is_in(&first, "broken");
    on_a_phone(&first, "page-broken");
}

#[test]
fn a_call_in_which_nothing_is_heard() {
    let stage = stage();
    let more = ["--udp-port", "5004", "--name", "Ada"];
    for (name, words, port) in [
        ("page-quiet", "No sound comes from halloo.", "udp sport 5004"),
        ("page-unheard", "halloo does not hear you.", "udp dport 5004"),
    ] {
        let talk = talk(&stage, &more, "");
        let _loss = lose_sound(&stage.pair.left, port);
        says(&talk.page, words);
        on_a_phone(&talk.page, name);
    }
    let refuses = "HTMLMediaElement.prototype.play = async () => {
        throw new DOMException('not unasked', 'NotAllowedError');
    };";
    let talk = talk(&stage, &more, refuses);
    talk.page.wait_for("document.querySelector('#hint').innerText.includes('plays no sound')");
    on_a_phone(&talk.page, "page-blocked");
}

/// What was typed, as it stands behind the prompt.
fn typed(arguments: &str) -> String {
    format!("\x1b[1m$\x1b[0m halloo {arguments}\r\n")
}

/// What a terminal shows after these bytes.
fn on_a_terminal(browser: &Browser, name: &str, title: &str, text: &str) {
    let page = concat!("file://", env!("CARGO_MANIFEST_DIR"), "/tests/pages/terminal.html");
    let page = browser.open(page);
    page.wait_for("window.ready");
    let size = page.evaluate(&format!("show({}, {}, false)", json!(title), json!(text)));
    let width = u32::try_from(size[0].as_u64().unwrap()).unwrap();
    let picture = page.picture("body", width, 1.5, "light");
    keep(name, &picture, page.text("#screen").trim_end().lines().last().unwrap());
    page.close();
}

#[test]
fn the_terminal_in_a_call() {
    let stage = stage();
    let browser = stage.browser();
    let (halloo, _) = stage.listen(&FAR);
    let url = halloo.url();
    let arguments = ["call", &url, "--input", "tone:440", "--output", "null"];
    // Wide enough for the longest words: a narrower one would break that line.
    let mut terminal = Terminal::start_as("xterm", 116, stage.here(), &arguments);
    terminal.wait_for("0:08");
    terminal.wait_for("rtt");
    let shown = format!("{}{}", typed(&arguments.join(" ")), terminal.text());
    on_a_terminal(&browser, "terminal-call", "halloo call", &shown);
    terminal.press("q");
    terminal.wait();

    let mut terminal = Terminal::start(stage.here(), &["call", "self"]);
    terminal.wait();
    let shown = format!("{}{}", typed("call self"), terminal.text());
    on_a_terminal(&browser, "terminal-self", "halloo call self", &shown);
}
