//! One call after another, many at once, and calls that change or end while they run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub)]

mod common {
    pub mod chromium;
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod skip;
    pub mod stage;
    pub mod stall;
}
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::chromium::Page;
use common::listen::Recording;
use common::stage::{
    HALF, OURS, QUARTER, REMOTE, THEIRS, Visit, is_tone, lines, on_stage, on_stage_for_each,
    page_hears,
};
use serde_json::json;

const CONNECTED: &str = "document.body.dataset.state === 'connected'";

/// Where the call of this number is recorded.
fn recording_of(file: &Path, call: usize) -> PathBuf {
    let stem = file.file_stem().unwrap().to_str().unwrap();
    match call {
        1 => file.to_owned(),
        _ => file.with_file_name(format!("{stem}-{call}.wav")),
    }
}

/// The pitch of what a page hears now, in half a second.
fn pitch(page: &Page) -> f64 {
    page.wait_for(&format!("{REMOTE}.muted === false"));
    page.record(REMOTE, 0.7).last(0.5).pitch().expect("sound")
}

#[test]
fn ten_calls_from_one_tab_are_as_good_as_the_first() {
    on_stage(|stage| {
        let (mut halloo, file) = stage.listen(&[]);
        let browser = stage.browser();
        let page = browser.open(&halloo.url());
        let mut open_files = Vec::new();
        for call in 1..=10 {
            page.click("#call");
            page.wait_for(CONNECTED);
            let heard = pitch(&page);
            assert!((heard - f64::from(OURS)).abs() < 5.0, "call {call}: {heard} Hz");
            page.click("#hang-up");
            let mut ends = 0;
            halloo.wait_for("ended", |_| {
                ends += 1;
                ends == call
            });
            open_files.push(halloo.open_files());
            // Not its end: the page's goodbye may take longer than its sound.
            let heard = Recording::read(&recording_of(&file, call));
            let heard = heard.after_silence(0.02).between(0.1, 0.4);
            let heard = heard.pitch().unwrap_or_else(|| panic!("call {call}: silence"));
            assert!((heard - THEIRS).abs() < 5.0, "call {call}: {heard} Hz");
        }
        assert_eq!(
            open_files[1], open_files[9],
            "sockets and files are given back: {open_files:?}"
        );
        let calls = page.evaluate("fetch('/calls').then((answer) => answer.json())");
        let states: Vec<_> = calls.as_array().unwrap().iter().map(|call| &call["state"]).collect();
        assert_eq!(states, vec!["ended"; 10]);
        assert_eq!(page.complaints(), Vec::<String>::new());
        Ok(())
    });
}

#[test]
fn five_tabs_talk_at_once() {
    on_stage(|stage| {
        let (mut halloo, file) = stage.listen(&[]);
        let browser = stage.browser();
        let pages: Vec<_> = (0..5).map(|_| browser.open(&halloo.url())).collect();
        for page in &pages {
            page.click("#call");
            page.wait_for(CONNECTED);
        }
        for page in &pages {
            page_hears(page)?;
        }
        let calls = pages[0].evaluate("fetch('/calls').then((answer) => answer.json())");
        assert_eq!(calls.as_array().unwrap().len(), 5);
        // Now that no tab starts or records, nothing is in the way of the sound of all five.
        pass(&pages[0], 2.0);
        for call in 1..=5 {
            let heard = Recording::read(&recording_of(&file, call)).last(1.6).between(0.0, 1.5);
            is_tone(&format!("halloo, in call {call},"), &heard, THEIRS, QUARTER)?;
        }
        // One leaves, and nobody else notices.
        pages[2].click("#hang-up");
        halloo.wait_for("ended", |_| true);
        page_hears(&pages[4])?;
        halloo.terminate();
        assert_eq!(halloo.wait(Duration::from_secs(10)).code(), Some(0));
        for page in &pages {
            page.wait_for("document.body.dataset.state === 'ended'");
        }
        Ok(())
    });
}

/// The last second and a half that halloo has heard.
fn halloo_hears_now(visit: &Visit) -> Result<(), String> {
    is_tone("halloo", &Recording::read(&visit.file).last(1.6).between(0.0, 1.5), THEIRS, HALF)
}

/// Lets the call run.
fn pass(page: &Page, seconds: f64) {
    page.evaluate(&format!("new Promise((resolve) => setTimeout(resolve, {seconds} * 1000))"));
}

#[test]
fn a_page_starts_ice_anew_and_the_sound_goes_on() {
    let ways = [
        "offerAgain((pc) => pc.restartIce())",
        // Chromium checks from its new sockets at once, by the names of the session before.
        "offerAgain((pc) => pc.restartIce(), { late: 700 })",
        "restartByFragment()",
    ];
    on_stage_for_each(&ways, |stage, browser, how| {
        let mut visit = stage.visit_by(browser, &[]);
        visit.calls("{ wait: true }");
        page_hears(&visit.page)?;
        let ufrags = |visit: &Visit| {
            ["Local", "Remote"].map(|whose| {
                let sdp = visit.page.evaluate(&format!("pc.current{whose}Description.sdp"));
                lines(&sdp, "a=ice-ufrag:")
            })
        };
        let before = ufrags(&visit);
        let connected = visit.halloo.wait_for("connected", |_| true)["t"].as_f64();
        assert_eq!(visit.page.evaluate(how), 200, "{how}");
        let after = ufrags(&visit);
        assert!(before[0] != after[0] && before[1] != after[1], "{before:?} {after:?}");
        // A second pair was selected, of the new session.
        visit.halloo.wait_for("pair", |event| event["t"].as_f64() > connected);
        page_hears(&visit.page)?;
        halloo_hears_now(&visit)?;
        visit.hang_up();
        Ok(())
    });
}

#[test]
fn a_page_holds_the_call_and_takes_it_up_again() {
    on_stage(|stage| {
        let mut visit = stage.visit(&[]);
        visit.calls("{ wait: true }");
        page_hears(&visit.page)?;
        let turn = |direction: &str, answered: &str| {
            let change = format!(
                "offerAgain((pc) => {{ pc.getTransceivers()[0].direction = '{direction}'; }})"
            );
            assert_eq!(visit.page.evaluate(&change), 200);
            let answer = lines(&visit.page.evaluate("answered"), &format!("a={answered}"));
            assert_eq!(answer, [format!("a={answered}")], "offered {direction}");
            // A setup role once taken is kept (RFC 8842 section 5.5).
            let setup = lines(&visit.page.evaluate("answered"), "a=setup:");
            assert_eq!(setup, ["a=setup:active"]);
            pass(&visit.page, 2.0);
        };
        let halloos = |member: &str| {
            let found = "find(({ type }) => type === 'outbound-rtp')";
            visit.page.evaluate(&format!("halloos().then((all) => all.{found}.{member})"))
        };

        turn("sendonly", "recvonly");
        assert_eq!(halloos("active"), false);
        let sent = halloos("packetsSent");
        halloo_hears_now(&visit)?;
        assert_eq!(halloos("packetsSent"), sent, "on hold, halloo sends nothing");

        turn("inactive", "inactive");
        let heard = Recording::read(&visit.file).last(1.0).level();
        assert!(heard < -60.0, "halloo hears {heard} dBFS of a call that rests");

        turn("recvonly", "sendonly");
        page_hears(&visit.page)?;
        let heard = Recording::read(&visit.file).last(1.0).level();
        assert!(heard < -60.0, "halloo hears {heard} dBFS of a page that only listens");

        turn("sendrecv", "sendrecv");
        page_hears(&visit.page)?;
        halloo_hears_now(&visit)?;
        visit.hang_up();
        Ok(())
    });
}

/// Chromium's `connectionState` stays; the transport of the sender tells at once.
#[test]
fn a_foreign_page_learns_that_halloo_hung_up() {
    on_stage(|stage| {
        let mut visit = stage.visit(&[]);
        visit.calls("{}");
        visit.halloo.terminate();
        visit.page.wait_for("pc.getSenders()[0].transport.state === 'closed'");
        assert_eq!(visit.halloo.wait(Duration::from_secs(10)).code(), Some(0));
        Ok(())
    });
}

#[test]
fn the_token_opens_the_door_for_any_page() {
    on_stage(|stage| {
        let (browser, site) = (stage.browser(), stage.site());
        let (mut halloo, file) = stage.listen(&["--token", "open-sesame"]);
        let page = site.open(&browser);
        let offer = |token: &str| {
            format!("offer('{}/whip', {THEIRS}, {{ wait: true, token: {token} }})", halloo.url())
        };
        for wrong in ["undefined", "'open-says-me'"] {
            let refused = page.try_evaluate(&offer(wrong)).unwrap_err();
            assert!(refused.contains("Failed to fetch") || refused.contains("40"), "{refused}");
        }
        page.evaluate(&offer("'open-sesame'"));
        page.wait_for("pc.connectionState === 'connected'");
        halloo.wait_for("connected", |_| true);
        page_hears(&page)?;
        let status =
            "fetch(session, { method: 'DELETE', headers: { Authorization: `Bearer ${token}` } })
            .then(({ status }) => status)";
        assert_eq!(page.evaluate(status), json!(200));
        halloo.wait_for("ended", |_| true);
        common::stage::halloo_heard(&file, HALF)
    });
}
