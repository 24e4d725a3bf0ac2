//! Headless Chromium calls halloo and is called by it, and sound arrives in both directions.
//!
//! Each test has a network namespace of its own (`common/stage.rs`). What else a browser may offer is in
//! `browser_codecs.rs`; many calls are in `browser_many.rs`, the figures in `browser_stats.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub)]

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

mod common {
    pub mod chromium;
    pub mod halloo;
    pub mod listen;
    pub mod many;
    pub mod namespace;
    pub mod skip;
    pub mod stage;
    pub mod stall;
}
use common::chromium::{Browser, Options, Page};
use common::halloo::Halloo;
use common::listen::Recording;
use common::many;
use common::stage::{
    OURS, QUARTER, Stage, THEIRS, halloo_heard, lines, on_stage, on_stage_in_browser, page_hears,
};

/// halloo's own page calls and gets through.
fn calls(page: &Page, halloo: &mut Halloo) {
    page.click("#call");
    page.wait_for("document.body.dataset.state === 'connected'");
    halloo.wait_for("connected", |_| true);
}

#[test]
fn the_page_calls_and_both_hear_each_other() {
    on_stage(|stage| {
        let (mut halloo, file) = stage.listen(&[]);
        let browser = stage.browser();
        let page = browser.open(&halloo.url());
        page.screenshot("page-1-idle");
        assert!(page.text("#state").contains("Ready"));

        calls(&page, &mut halloo);
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

/// The certificate is halloo's own, and the person has said yes to it.
#[test]
fn the_page_calls_from_the_network_by_https() {
    on_stage(|stage| {
        let address = stage.pair.left.address.to_string();
        let (mut halloo, file) = stage.listen(&["--tls", "--bind", &format!("{address}:0")]);
        assert!(halloo.url().starts_with(&format!("https://{address}:")), "{}", halloo.url());
        let browser = stage.browser_with(&["--ignore-certificate-errors"]);
        let page = browser.open(&halloo.url());
        assert_eq!(page.evaluate("window.isSecureContext"), true);
        calls(&page, &mut halloo);
        page_hears(&page)?;
        page.click("#hang-up");
        halloo.wait_for("ended", |event| event["end"] == "hung_up_by_peer");
        halloo_heard(&file, QUARTER)
    });
}

#[test]
fn the_page_is_worked_by_keyboard_and_mute_is_silence() {
    let Some(stage) = Stage::new() else { return };
    let (mut halloo, file) = stage.listen(&[]);
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
    assert_eq!(focused(), "hold");
    page.press("Tab");
    assert_eq!(focused(), "hang-up");
    page.press("Enter");
    halloo.wait_for("ended", |_| true);
    assert_eq!(focused(), "call");
}

#[test]
fn the_page_asks_for_the_token_and_calls_with_it() {
    let Some(stage) = Stage::new() else { return };
    let (mut halloo, _) = stage.listen(&["--token", "open-sesame"]);
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
    let (mut halloo, _) = stage.listen(&[]);
    let browser = stage.browser();
    let page = browser.open(&halloo.url());
    calls(&page, &mut halloo);
    halloo.terminate();
    let status = halloo.wait(Duration::from_secs(10));
    page.wait_for("document.body.dataset.state === 'ended'");
    assert_eq!(page.text("#state"), "halloo hung up.");
    page.screenshot("page-5-halloo-hung-up");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn the_page_says_why_there_is_no_call() {
    let Some(stage) = Stage::new() else { return };
    let (mut halloo, _) = stage.listen(&["--max-calls", "1"]);
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
    halloo.wait(Duration::from_secs(10));
    page.click("#call");
    page.wait_for("document.querySelector('#reason').innerText.includes('cannot be reached')");
}

#[test]
fn a_foreign_page_is_refused_unless_its_origin_is_allowed() {
    on_stage_in_browser(many::foreign);
}

#[test]
fn a_page_takes_halloos_offer() {
    on_stage(|stage| {
        let mut visit = stage.visit(&[]);
        let result = visit.runs(&format!("takeOffer(WHIP, {THEIRS})"));
        assert_eq!(result, json!({ "posted": 201, "type": "application/sdp", "patched": 204 }));
        visit.get_connected();
        visit.both_hear()
    });
}

#[test]
fn video_and_a_data_channel_are_declined_in_place_and_the_sound_is_taken() {
    on_stage(|stage| {
        let mut visit = stage.visit(&[]);
        visit.calls("{ wait: true, video: true, channel: true }");
        let sections = lines(&visit.page.evaluate("answered"), "m=");
        assert_eq!(sections.len(), 3, "{sections:?}");
        assert!(sections[0].starts_with("m=audio ") && !sections[0].starts_with("m=audio 0 "));
        assert!(sections[1].starts_with("m=video 0 "), "{}", sections[1]);
        assert!(sections[2].starts_with("m=application 0 "), "{}", sections[2]);
        visit.both_hear()
    });
}

#[test]
fn candidates_that_are_names_of_mdns_delay_nothing() {
    on_stage(|stage| {
        // It names the address that would reach the internet, so there must be a way there.
        let gateway = stage.pair.right.address.to_string();
        stage.pair.left.ip(&["route", "replace", "default", "via", &gateway]);
        let options =
            Options { namespace: stage.here(), microphone_denied: true, ..Options::default() };
        let mut visit = stage.visit_by(&Rc::new(Browser::launch(&options)), &[]);
        visit.calls("{ wait: true }");
        let candidates = lines(&visit.page.evaluate("offered"), "a=candidate:");
        assert!(!candidates.is_empty());
        assert!(candidates.iter().all(|line| line.contains(".local ")), "{candidates:?}");
        let took = visit.halloo.wait_for("connected", |_| true)["ms"].as_f64().unwrap();
        assert!(took < 3_000.0, "{took} ms");
        visit.both_hear()
    });
}

#[test]
fn candidates_may_follow_by_patch() {
    on_stage(|stage| {
        let mut visit = stage.visit(&[]);
        visit.runs(&format!("offer(WHIP, {THEIRS})"));
        assert_eq!(lines(&visit.page.evaluate("offered"), "a=candidate:"), Vec::<String>::new());
        assert_eq!(visit.page.evaluate("trickle()"), 204);
        visit.get_connected();
        visit.halloo.wait_for("candidate", |event| event["side"] == "remote");
        visit.both_hear()
    });
}

#[test]
fn a_tab_that_is_closed_hangs_up() {
    let Some(stage) = Stage::new() else { return };
    let (mut halloo, _) = stage.listen(&[]);
    let browser = stage.browser();
    let page = browser.open(&halloo.url());
    page.click("#call");
    page.wait_for("document.body.dataset.state === 'connected'");
    page.close();
    let ended = halloo.wait_for("ended", |_| true);
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
    on_stage(|stage| {
        let file = stage.recording();
        let mut halloo = calls_tab(stage, &file);
        let browser = stage.browser();
        let page = browser.open(&halloo.url());
        page.wait_for("document.body.dataset.state === 'ringing'");
        halloo.wait_for("ringing", |_| true);
        page.screenshot("page-13-ringing");
        page.look(320, 568, "dark");
        page.screenshot("page-14-ringing-dark");
        let title = page.evaluate("document.title");
        assert!(title.as_str().unwrap().starts_with("halloo is calling you"), "{title}");
        page.click("#answer");
        page.wait_for("document.body.dataset.state === 'connected'");
        halloo.wait_for("connected", |_| true);
        page_hears(&page)?;
        page.click("#hang-up");
        let ended = halloo.wait_for("ended", |_| true);
        assert_eq!(ended["end"], "hung_up_by_peer", "{ended}");
        assert_eq!(halloo.wait(Duration::from_secs(10)).code(), Some(0));
        halloo_heard(&file, QUARTER)?;
        assert_eq!(page.complaints(), Vec::<String>::new());
        assert!(page.evaluate("document.querySelector('#call').hidden").as_bool().unwrap());
        Ok(())
    });
}

#[test]
fn the_page_shows_how_the_call_goes_and_changes_its_devices() {
    let Some(stage) = Stage::new() else { return };
    let (mut halloo, _) = stage.listen(&[]);
    let browser = stage.browser();
    let page = browser.open(&halloo.url());
    assert!(page.evaluate("document.querySelector('#figures').hidden").as_bool().unwrap());
    calls(&page, &mut halloo);
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
    let mut halloo = calls_tab(&stage, &stage.recording());
    let browser = stage.browser();
    let page = browser.open(&halloo.url());
    page.wait_for("document.body.dataset.state === 'ringing'");
    page.press("Tab");
    assert_eq!(page.evaluate("document.activeElement.id"), "answer");
    page.press("Tab");
    page.press("Enter");
    assert_eq!(halloo.wait(Duration::from_secs(10)).code(), Some(1));
    assert!(halloo.messages().starts_with("signalling: the call was declined"));
    assert_eq!(page.text("#state"), "You declined the call.");
    page.screenshot("page-15-declined");
}

#[test]
fn the_tab_that_was_opened_last_rings() {
    let Some(stage) = Stage::new() else { return };
    let mut halloo = calls_tab(&stage, &stage.recording());
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
    assert_eq!(halloo.wait(Duration::from_secs(10)).code(), Some(0));
    second.wait_for("document.body.dataset.state === 'ended'");
}

/// RFC 7675 section 5.1: consent expires 30 seconds after the last answer.
#[test]
fn a_tab_that_crashes_loses_its_consent() {
    let Some(stage) = Stage::new() else { return };
    let (mut halloo, _) = stage.listen(&[]);
    let browser = stage.browser();
    let page = browser.open(&halloo.url());
    calls(&page, &mut halloo);
    page.crash();
    let ended = halloo.wait_at_most(Duration::from_secs(45), "ended", |_| true);
    assert_eq!((&ended["end"], &ended["step"]), (&json!("failed"), &json!("ice")), "{ended}");
}
