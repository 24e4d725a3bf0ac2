//! Headless Chromium calls halloo and is called by it, and sound arrives in both directions.
//!
//! Each test has a network namespace of its own, in which halloo listens on loopback (so that pages are
//! a secure context) and media takes the veth address. Sound is checked by its pitch: in the page from
//! the samples that the browser decoded, at halloo from its recording. The tests run one after another:
//! two browsers on a small machine would make each other's sound stutter.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

mod common {
    pub mod chromium;
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod skip;
    pub mod stall;
}
use common::chromium::{Browser, Options, Page};
use common::halloo::{Halloo, recording};
use common::listen::Recording;
use common::namespace::{Namespace, Namespaces};
use common::stall::undisturbed;

/// What halloo sends, and what the browser does, in hertz.
const OURS: u32 = 700;
const THEIRS: f64 = 440.0;

/// The page's remote track, and a foreign page's.
const REMOTE: &str = "document.querySelector('#sound').srcObject.getAudioTracks()[0]";

/// A network, and the turn to use the machine.
struct Stage {
    pair: Namespaces,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    /// `None` where namespaces are not allowed: the test is skipped.
    fn new() -> Option<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let test = std::thread::current();
        let pair = common::skip::namespaces(test.name().unwrap_or("a browser test"))?;
        Some(Self { pair, _turn: turn })
    }

    fn here(&self) -> Option<&Namespace> {
        Some(&self.pair.left)
    }

    /// A browser whose microphone hears [`THEIRS`].
    fn browser(&self) -> Browser {
        let microphone = Path::new(env!("CARGO_TARGET_TMPDIR")).join("microphone.wav");
        // Ten seconds hold whole periods: no click where the file starts over.
        Recording::tone(THEIRS, 0.25, 10.0, 48_000).write(&microphone);
        let options =
            Options { namespace: self.here(), microphone: Some(&microphone), ..Options::default() };
        Browser::launch(&options)
    }

    /// A site with the foreign page, and its origin.
    fn foreign_site(&self) -> (Server, String) {
        let mut python = self.pair.left.command("python3");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pages");
        // -u: the line with the port must not stay in a buffer.
        python.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder]);
        let mut child = python.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.split_whitespace().nth(5).expect("Serving HTTP on .. port N ..");
        (Server(child), format!("http://127.0.0.1:{port}"))
    }
}

/// A process that ends with its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The page hears our tone, at its pitch and level and without a gap.
fn page_hears(page: &Page) -> Result<(), String> {
    page.wait_for(&format!("{REMOTE}.muted === false"));
    let heard = page.record(REMOTE, 2.0);
    is_tone("the page", &heard.between(0.5, 2.0), OURS.into(), TONE)
}

/// Two seconds from the first sound on, the recording has their tone at its pitch and level.
fn halloo_heard(file: &Path, level: f64) -> Result<(), String> {
    let heard = Recording::read(file).after_silence(0.02);
    is_tone("halloo", &heard.between(0.5, 2.0), THEIRS, level)
}

/// A second and a half of a tone. Silence or another pitch is never the machine's fault.
fn is_tone(who: &str, heard: &Recording, hz: f64, level: f64) -> Result<(), String> {
    let (seconds, pitch) = (heard.seconds(), heard.pitch());
    assert!(seconds > 1.4, "{who} heard only {seconds} s of sound");
    let pitch = pitch.unwrap_or_else(|| panic!("{who} heard silence"));
    assert!((pitch - hz).abs() < 20.0, "{who} heard {pitch} Hz, not {hz}");
    let glitches = heard.glitches(hz);
    let right = (pitch - hz).abs() < 1.0 && (heard.level() - level).abs() < 2.0 && glitches <= 3;
    let wrong = || {
        let level = heard.level();
        format!("{who} heard {pitch} Hz, {level} dBFS; {glitches} of 150 pieces of 10 ms are wrong")
    };
    if right { Ok(()) } else { Err(wrong()) }
}

/// A sine of a quarter of full scale, as the fake microphone has, and of half, as a foreign page sends.
const QUARTER: f64 = -15.0;
const HALF: f64 = -9.0;
/// halloo's own tone.
const TONE: f64 = -13.0;

fn open_foreign(browser: &Browser, origin: &str) -> Page {
    let page = browser.open(&format!("{origin}/foreign.html"));
    page.wait_for("window.ready");
    page
}

fn connected(page: &Page) {
    page.wait_for("window.pc.connectionState === 'connected'");
}

#[test]
fn the_page_calls_and_both_hear_each_other() {
    let Some(stage) = Stage::new() else { return };
    undisturbed(|| {
        let file = recording("browser-page");
        let mut halloo = Halloo::listen(stage.here(), OURS, &file, &[]);
        let browser = stage.browser();
        let page = browser.open(&halloo.url());
        page.screenshot("page-1-idle");
        assert!(page.text("#state").contains("Ready"));

        page.click("#call");
        page.wait_for("document.body.dataset.state === 'connected'");
        halloo.wait_for("connected", |_| true);
        page_hears(&page)?;
        page.screenshot("page-2-connected");
        // Both meters move, each with what it is for.
        let level = |id: &str| {
            page.wait_for(&format!("document.querySelector('#{id}').ariaValueNow > -50"));
        };
        level("mine");
        level("theirs");

        page.look(320, 568, "dark");
        page.click("#hang-up");
        let ended = halloo.wait_for("ended", |_| true);
        assert_eq!(ended["end"], "hung_up_by_peer", "{ended}");
        assert_eq!(page.text("#state"), "You hung up.");
        page.screenshot("page-3-ended-dark");
        halloo_heard(&file, QUARTER)?;
        assert_eq!(page.complaints(), Vec::<String>::new());
        Ok(())
    });
}

#[test]
fn the_page_is_worked_by_keyboard_and_mute_is_silence() {
    let Some(stage) = Stage::new() else { return };
    let file = recording("browser-keyboard");
    let mut halloo = Halloo::listen(stage.here(), OURS, &file, &[]);
    let browser = stage.browser();
    let page = browser.open(&halloo.url());
    let focused = || page.evaluate("document.activeElement.id");

    page.press("Tab");
    assert_eq!(focused(), "call");
    page.press("Enter");
    page.wait_for("document.body.dataset.state === 'connected'");
    assert_eq!(focused(), "hang-up", "the focus is not lost with the button");
    halloo.wait_for("media", |event| event["first"] == "packet_received");
    page.evaluate("new Promise((resolve) => setTimeout(resolve, 1000))");

    page.evaluate("document.querySelector('#mute').focus()");
    page.press(" ");
    assert_eq!(page.text("#mute"), "Unmute");
    assert!(page.text("#state").contains("muted"));
    page.screenshot("page-4-muted");
    page.evaluate("new Promise((resolve) => setTimeout(resolve, 1500))");
    let muted = Recording::read(&file).last(0.5);
    assert!(muted.level() < -60.0, "muted, and halloo hears {} dBFS", muted.level());
    page.press(" ");
    page.evaluate("new Promise((resolve) => setTimeout(resolve, 1500))");
    let again = Recording::read(&file).last(0.5);
    assert!((again.level() - QUARTER).abs() < 2.0, "unmuted: {} dBFS", again.level());

    page.press("Tab");
    assert_eq!(focused(), "hang-up");
    page.press("Enter");
    halloo.wait_for("ended", |_| true);
    assert_eq!(focused(), "call");
}

#[test]
fn the_page_asks_for_the_token_and_calls_with_it() {
    let Some(stage) = Stage::new() else { return };
    let file = recording("browser-token");
    let mut halloo = Halloo::listen(stage.here(), OURS, &file, &["--token", "open-sesame"]);
    let browser = stage.browser();
    let page = browser.open(&halloo.url());
    let enter = |token: &str| {
        assert_eq!(page.evaluate("document.activeElement.id"), "token");
        page.call("Input.insertText", json!({ "text": token }));
        page.press("Enter");
    };
    page.click("#call");
    page.wait_for("document.body.dataset.state === 'locked'");
    page.screenshot("page-11-token");
    enter("open-says-me");
    page.wait_for("document.querySelector('#reason').innerText.includes('not its token')");
    page.look(320, 568, "dark");
    page.screenshot("page-12-wrong-token");
    enter("open-sesame");
    page.wait_for("document.body.dataset.state === 'connected'");
    halloo.wait_for("connected", |_| true);
    page.click("#hang-up");
    halloo.wait_for("ended", |_| true);
    let console = page.complaints().join("\n");
    assert!(!console.contains("sesame"), "{console}");
}

#[test]
fn when_halloo_hangs_up_the_page_says_so_at_once() {
    let Some(stage) = Stage::new() else { return };
    let mut halloo = Halloo::listen(stage.here(), OURS, &recording("browser-hang-up"), &[]);
    let browser = stage.browser();
    let page = browser.open(&halloo.url());
    page.click("#call");
    page.wait_for("document.body.dataset.state === 'connected'");
    halloo.wait_for("connected", |_| true);
    halloo.terminate();
    let status = halloo.wait(Duration::from_secs(3));
    page.wait_for("document.body.dataset.state === 'ended'");
    assert_eq!(page.text("#state"), "halloo hung up.");
    page.screenshot("page-5-halloo-hung-up");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn the_page_says_why_there_is_no_call() {
    let Some(stage) = Stage::new() else { return };
    let mut halloo =
        Halloo::listen(stage.here(), OURS, &recording("browser-reasons"), &["--max-calls", "1"]);
    let url = halloo.url();
    let browser = stage.browser();
    let refused = |page: &Page, words: &str, picture: &str| {
        page.click("#call");
        page.wait_for("document.body.dataset.state === 'failed'");
        let reason = page.text("#reason");
        assert!(reason.contains(words), "{reason}");
        page.screenshot(picture);
        assert!(page.evaluate("!document.querySelector('#call').hidden").as_bool().unwrap());
    };
    let rejecting = |name: &str| {
        format!(
            "navigator.mediaDevices.getUserMedia =
                () => Promise.reject(new DOMException('no', '{name}'));"
        )
    };

    let page = browser.open_after(&url, &rejecting("NotAllowedError"));
    refused(&page, "The microphone was refused", "page-6-refused");
    let page = browser.open_after(&url, &rejecting("NotFoundError"));
    refused(&page, "No microphone was found", "page-7-no-microphone");
    let page = browser.open_after(&url, &rejecting("NotReadableError"));
    refused(&page, "another program", "page-8-busy-microphone");
    let insecure = "Object.defineProperty(window, 'isSecureContext', { value: false });";
    let page = browser.open_after(&url, insecure);
    refused(&page, "https", "page-9-insecure");

    let first = browser.open(&url);
    first.click("#call");
    first.wait_for("document.body.dataset.state === 'connected'");
    let page = browser.open(&url);
    refused(&page, "cannot take the call now", "page-10-busy");

    halloo.kill();
    halloo.wait(Duration::from_secs(3));
    page.click("#call");
    page.wait_for("document.querySelector('#reason').innerText.includes('cannot be reached')");
}

#[test]
fn a_foreign_page_is_refused_unless_its_origin_is_allowed() {
    let Some(stage) = Stage::new() else { return };
    undisturbed(|| {
        let (_site, origin) = stage.foreign_site();
        let browser = stage.browser();

        let mut closed = Halloo::listen(stage.here(), OURS, &recording("browser-closed"), &[]);
        let page = open_foreign(&browser, &origin);
        let tried = page.try_evaluate(&format!("offer('{}/whip', {THEIRS})", closed.url()));
        assert!(tried.unwrap_err().contains("Failed to fetch"), "it must not even read the answer");
        let own = browser.open(&closed.url());
        assert_eq!(own.evaluate("fetch('/calls').then((r) => r.json())"), json!([]));
        let names: Vec<_> = closed.catch_up().iter().map(|event| event["event"].clone()).collect();
        assert_eq!(names, ["listening"], "no call, so no microphone");
        drop(closed);

        let file = recording("browser-allowed");
        let allow = ["--allow-origin", origin.as_str()];
        let mut open = Halloo::listen(stage.here(), OURS, &file, &allow);
        let page = open_foreign(&browser, &origin);
        page.evaluate(&format!("offer('{}/whip', {THEIRS}, {{ wait: true }})", open.url()));
        connected(&page);
        open.wait_for("connected", |_| true);
        page_hears(&page)?;
        page.evaluate("fetch(session, { method: 'DELETE' })");
        open.wait_for("ended", |_| true);
        halloo_heard(&file, HALF)?;
        Ok(())
    });
}

#[test]
fn a_page_takes_halloos_offer() {
    let Some(stage) = Stage::new() else { return };
    undisturbed(|| {
        let (_site, origin) = stage.foreign_site();
        let file = recording("browser-offered");
        let allow = ["--allow-origin", origin.as_str()];
        let mut halloo = Halloo::listen(stage.here(), OURS, &file, &allow);
        let browser = stage.browser();
        let page = open_foreign(&browser, &origin);
        let result = page.evaluate(&format!("takeOffer('{}/whip', {THEIRS})", halloo.url()));
        assert_eq!(result, json!({ "posted": 201, "type": "application/sdp", "patched": 204 }));
        connected(&page);
        page_hears(&page)?;
        page.evaluate("fetch(session, { method: 'DELETE' })");
        halloo.wait_for("ended", |_| true);
        halloo_heard(&file, HALF)?;
        Ok(())
    });
}

#[test]
fn video_and_a_data_channel_are_declined_in_place_and_the_sound_is_taken() {
    let Some(stage) = Stage::new() else { return };
    undisturbed(|| {
        let (_site, origin) = stage.foreign_site();
        let file = recording("browser-video");
        let mut halloo = Halloo::listen(stage.here(), OURS, &file, &["--allow-origin", "*"]);
        let browser = stage.browser();
        let page = open_foreign(&browser, &origin);
        let wishes = "{ wait: true, video: true, channel: true }";
        page.evaluate(&format!("offer('{}/whip', {THEIRS}, {wishes})", halloo.url()));
        let answer = page.evaluate("answered");
        let sections = lines(&answer, "m=");
        assert_eq!(sections.len(), 3, "{answer}");
        assert!(sections[0].starts_with("m=audio 9 ") || !sections[0].starts_with("m=audio 0 "));
        assert!(sections[1].starts_with("m=video 0 "), "{}", sections[1]);
        assert!(sections[2].starts_with("m=application 0 "), "{}", sections[2]);
        connected(&page);
        page_hears(&page)?;
        page.evaluate("pc.close()");
        page.evaluate("fetch(session, { method: 'DELETE' })");
        halloo.wait_for("ended", |_| true);
        halloo_heard(&file, HALF)?;
        Ok(())
    });
}

#[test]
fn candidates_that_are_names_of_mdns_delay_nothing() {
    let Some(stage) = Stage::new() else { return };
    undisturbed(|| {
        let (_site, origin) = stage.foreign_site();
        let file = recording("browser-mdns");
        let mut halloo = Halloo::listen(stage.here(), OURS, &file, &["--allow-origin", "*"]);
        // It names the address that would reach the internet, so there must be a way there.
        let gateway = stage.pair.right.address.to_string();
        stage.pair.left.ip(&["route", "replace", "default", "via", &gateway]);
        let options =
            Options { namespace: stage.here(), microphone_denied: true, ..Options::default() };
        let browser = Browser::launch(&options);
        let page = open_foreign(&browser, &origin);
        page.evaluate(&format!("offer('{}/whip', {THEIRS}, {{ wait: true }})", halloo.url()));
        let candidates = lines(&page.evaluate("offered"), "a=candidate:");
        assert!(!candidates.is_empty());
        assert!(candidates.iter().all(|line| line.contains(".local ")), "{candidates:?}");
        connected(&page);
        let took = halloo.wait_for("connected", |_| true)["ms"].as_f64().unwrap();
        assert!(took < 3_000.0, "{took} ms");
        page_hears(&page)?;
        page.evaluate("fetch(session, { method: 'DELETE' })");
        halloo.wait_for("ended", |_| true);
        halloo_heard(&file, HALF)?;
        Ok(())
    });
}

#[test]
fn candidates_may_follow_by_patch() {
    let Some(stage) = Stage::new() else { return };
    undisturbed(|| {
        let (_site, origin) = stage.foreign_site();
        let file = recording("browser-trickle");
        let mut halloo = Halloo::listen(stage.here(), OURS, &file, &["--allow-origin", "*"]);
        let browser = stage.browser();
        let page = open_foreign(&browser, &origin);
        page.evaluate(&format!("offer('{}/whip', {THEIRS})", halloo.url()));
        assert_eq!(lines(&page.evaluate("offered"), "a=candidate:"), Vec::<String>::new());
        assert_eq!(page.evaluate("trickle()"), 204);
        connected(&page);
        halloo.wait_for("candidate", |event| event["side"] == "remote");
        page_hears(&page)?;
        page.evaluate("fetch(session, { method: 'DELETE' })");
        halloo.wait_for("ended", |_| true);
        halloo_heard(&file, HALF)?;
        Ok(())
    });
}

#[test]
fn a_tab_that_is_closed_hangs_up() {
    let Some(stage) = Stage::new() else { return };
    let mut halloo = Halloo::listen(stage.here(), OURS, &recording("browser-closed-tab"), &[]);
    let browser = stage.browser();
    let page = browser.open(&halloo.url());
    page.click("#call");
    page.wait_for("document.body.dataset.state === 'connected'");
    page.close();
    let ended = halloo.wait_at_most(Duration::from_secs(5), "ended", |_| true);
    assert_eq!(ended["end"], "hung_up_by_peer", "{ended}");
}

/// `halloo call tab`, ready for a tab to open its page.
fn calls_tab(stage: &Stage, file: &Path) -> Halloo {
    let (input, output) = (format!("tone:{OURS}"), format!("file:{}", file.display()));
    let arguments =
        ["call", "tab", "--bind", "127.0.0.1:0", "--input", &input, "--output", &output];
    let mut halloo = Halloo::start(stage.here(), &arguments);
    halloo.wait_for("listening", |_| true);
    halloo
}

#[test]
fn a_tab_rings_and_answers_and_both_hear_each_other() {
    let Some(stage) = Stage::new() else { return };
    undisturbed(|| {
        let file = recording("browser-tab");
        let mut halloo = calls_tab(&stage, &file);
        let browser = stage.browser();
        let page = browser.open(&halloo.url());
        page.wait_for("document.body.dataset.state === 'ringing'");
        halloo.wait_for("ringing", |_| true);
        page.screenshot("page-13-ringing");
        page.look(320, 568, "dark");
        page.screenshot("page-14-ringing-dark");
        assert_eq!(page.evaluate("document.title"), "halloo is calling");
        page.click("#answer");
        page.wait_for("document.body.dataset.state === 'connected'");
        halloo.wait_for("connected", |_| true);
        page_hears(&page)?;
        page.click("#hang-up");
        let ended = halloo.wait_for("ended", |_| true);
        assert_eq!(ended["end"], "hung_up_by_peer", "{ended}");
        assert_eq!(halloo.wait(Duration::from_secs(5)).code(), Some(0));
        halloo_heard(&file, QUARTER)?;
        assert_eq!(page.complaints(), Vec::<String>::new());
        assert!(page.evaluate("document.querySelector('#call').hidden").as_bool().unwrap());
        Ok(())
    });
}

#[test]
fn the_page_shows_how_the_call_goes_and_changes_its_devices() {
    let Some(stage) = Stage::new() else { return };
    let mut halloo = Halloo::listen(stage.here(), OURS, &recording("browser-figures"), &[]);
    let browser = stage.browser();
    let page = browser.open(&halloo.url());
    assert!(page.evaluate("document.querySelector('#figures').hidden").as_bool().unwrap());
    page.click("#call");
    page.wait_for("document.body.dataset.state === 'connected'");
    halloo.wait_for("connected", |_| true);
    page.wait_for("document.querySelectorAll('#curve')[0].points.numberOfItems > 3");
    for (id, unit) in [("round-trip", "ms"), ("loss", "%"), ("jitter", "ms"), ("delay", "ms")] {
        let text = page.text(&format!("#{id}"));
        let number = text.strip_suffix(unit).and_then(|number| number.trim().parse::<f64>().ok());
        assert!(number.is_some_and(|number| (0.0..1_000.0).contains(&number)), "{id}: {text}");
    }
    assert_eq!(page.text("#codec"), "opus, 48 kHz");
    let address = stage.pair.left.address.to_string();
    assert!(page.text("#remote").starts_with(&format!("{address} port ")));

    // Another microphone: the call goes on, by the new track.
    let names =
        page.evaluate("[...document.querySelector('#microphone').options].map((o) => o.text)");
    assert!(names.as_array().unwrap().len() > 1, "{names}");
    page.evaluate(
        "(() => {
            const select = document.querySelector('#microphone');
            select.selectedIndex = 1;
            select.dispatchEvent(new Event('change'));
        })()",
    );
    let received = halloo.wait_for("stats", |_| true)["packets_received"].as_u64();
    halloo
        .wait_for("stats", |stats| stats["packets_received"].as_u64() > received.map(|n| n + 100));
    assert_eq!(page.text("#state"), "You are talking.");
    page.look(800, 900, "light");
    page.screenshot("page-16-figures");
    page.look(320, 900, "dark");
    page.screenshot("page-17-figures-dark");
    let wide = page.evaluate("document.documentElement.scrollWidth");
    assert!(wide.as_u64().unwrap() <= 320, "{wide} pixels on a narrow screen");
    page.click("#hang-up");
    halloo.wait_for("ended", |_| true);
    assert!(page.evaluate("document.querySelector('#figures').hidden").as_bool().unwrap());
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn a_tab_declines_and_the_call_has_failed() {
    let Some(stage) = Stage::new() else { return };
    let mut halloo = calls_tab(&stage, &recording("browser-declined"));
    let browser = stage.browser();
    let page = browser.open(&halloo.url());
    page.wait_for("document.body.dataset.state === 'ringing'");
    page.press("Tab");
    assert_eq!(page.evaluate("document.activeElement.id"), "answer");
    page.press("Tab");
    page.press("Enter");
    assert_eq!(halloo.wait(Duration::from_secs(5)).code(), Some(1));
    assert!(halloo.messages().starts_with("signalling: the call was declined"));
    assert_eq!(page.text("#state"), "You declined the call.");
    page.screenshot("page-15-declined");
}

#[test]
fn the_tab_that_was_opened_last_rings() {
    let Some(stage) = Stage::new() else { return };
    let mut halloo = calls_tab(&stage, &recording("browser-two-tabs"));
    let browser = stage.browser();
    let first = browser.open(&halloo.url());
    first.wait_for("document.body.dataset.state === 'ringing'");
    // Loaded again, it rings again, and nobody has declined.
    first.navigate(&format!("{}/?again", halloo.url()));
    first.wait_for("document.body.dataset.state === 'ringing'");
    let second = browser.open(&halloo.url());
    second.wait_for("document.body.dataset.state === 'ringing'");
    first.wait_for("document.body.dataset.state === 'ended'");
    second.click("#answer");
    second.wait_for("document.body.dataset.state === 'connected'");
    halloo.wait_for("connected", |_| true);
    // A third comes too late, and no other way leads in either.
    let third = browser.open(&halloo.url());
    third.wait_for("document.body.dataset.state === 'failed'");
    let offered = "fetch('/whip', { method: 'POST', headers: { 'Content-Type': 'application/sdp' },
        body: 'v=0\\r\\no=- 1 1 IN IP4 127.0.0.1\\r\\ns=-\\r\\nt=0 0\\r\\n' }).then((r) => r.status)";
    assert_eq!(third.evaluate(offered), 403);
    halloo.terminate();
    assert_eq!(halloo.wait(Duration::from_secs(5)).code(), Some(0));
    second.wait_for("document.body.dataset.state === 'ended'");
}

/// RFC 7675 section 5.1: consent expires 30 seconds after the last answer.
#[test]
fn a_tab_that_crashes_loses_its_consent() {
    let Some(stage) = Stage::new() else { return };
    let mut halloo = Halloo::listen(stage.here(), OURS, &recording("browser-crash"), &[]);
    let browser = stage.browser();
    let page = browser.open(&halloo.url());
    page.click("#call");
    page.wait_for("document.body.dataset.state === 'connected'");
    halloo.wait_for("connected", |_| true);
    page.crash();
    let ended = halloo.wait_at_most(Duration::from_secs(45), "ended", |_| true);
    assert_eq!((&ended["end"], &ended["step"]), (&json!("failed"), &json!("ice")), "{ended}");
}

/// The lines of a description that start with `prefix`.
fn lines(sdp: &Value, prefix: &str) -> Vec<String> {
    let sdp = sdp.as_str().unwrap_or_default();
    sdp.lines().filter(|line| line.starts_with(prefix)).map(str::to_owned).collect()
}
