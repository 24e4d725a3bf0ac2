//! One call after another, many at once, calls that begin ICE anew, calls from a page of elsewhere.
//!
//! Use it with all that `common/stage.rs` needs. Whichever browser it is: Chromium by `browser.rs` and
//! `browser_many.rs`, Firefox by `firefox_codecs.rs`.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use super::listen::Recording;
use super::stage::{
    Browses, HALF, OURS, REMOTE, Stage, THEIRS, Tab, Visit, halloo_heard, is_tone, lines,
    page_hears,
};

const CONNECTED: &str = "document.body.dataset.state === 'connected'";

/// Where the call of this number is recorded.
fn recording_of(file: &Path, call: usize) -> PathBuf {
    let stem = file.file_stem().unwrap().to_str().unwrap();
    match call {
        1 => file.to_owned(),
        _ => file.with_file_name(format!("{stem}-{call}.wav")),
    }
}

/// A short piece of a tone: silence or another pitch is never the machine's fault, a pitch that sways may be.
fn sounds(who: &str, heard: &Recording, hz: f64) -> Result<(), String> {
    let pitch = heard.pitch().unwrap_or_else(|| panic!("{who}: silence"));
    assert!((pitch - hz).abs() < 20.0, "{who}: {pitch} Hz");
    if (pitch - hz).abs() < 5.0 { Ok(()) } else { Err(format!("{who}: {pitch} Hz")) }
}

/// halloo's own page calls ten times; the tab that it is in.
pub fn ten_calls<B: Browses>(stage: &Stage, browser: &Rc<B>) -> Result<B::Tab, String> {
    let (mut halloo, file) = stage.listen(&[]);
    let page = browser.open(&halloo.url());
    let mut open_files = Vec::new();
    for call in 1..=10 {
        page.click("#call");
        page.wait_for(CONNECTED);
        page.wait_for(&format!("{REMOTE}.muted === false"));
        sounds(&format!("the page in call {call}"), &page.hear(0.7).last(0.5), OURS.into())?;
        page.click("#hang-up");
        let mut ends = 0;
        halloo.wait_for("ended", |_| {
            ends += 1;
            ends == call
        });
        open_files.push(halloo.open_files());
        // Not its end: the page's goodbye may take longer than its sound.
        let heard = Recording::read(&recording_of(&file, call)).after_silence(0.02);
        sounds(&format!("halloo in call {call}"), &heard.between(0.1, 0.4), THEIRS)?;
    }
    assert_eq!(open_files[1], open_files[9], "sockets and files are given back: {open_files:?}");
    let calls = page.evaluate("fetch('/calls').then((answer) => answer.json())");
    let states: Vec<_> = calls.as_array().unwrap().iter().map(|call| &call["state"]).collect();
    assert_eq!(states, vec!["ended"; 10]);
    Ok(page)
}

/// Five of halloo's own page.
pub fn five_tabs<B: Browses>(stage: &Stage, browser: &Rc<B>) -> Result<(), String> {
    let (mut halloo, file) = stage.listen(&[]);
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
    pages[0].pass(2.0);
    for call in 1..=5 {
        let heard = Recording::read(&recording_of(&file, call)).last(1.6).between(0.0, 1.5);
        is_tone(&format!("halloo, in call {call},"), &heard, THEIRS, B::MICROPHONE)?;
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
}

/// The last second and a half that halloo has heard of a foreign page.
pub fn hears_now<B: Browses>(visit: &Visit<B>) -> Result<(), String> {
    is_tone("halloo", &Recording::read(&visit.file).last(1.6).between(0.0, 1.5), THEIRS, HALF)
}

/// Ways in which a foreign page begins ICE anew.
pub const RESTARTS: [&str; 3] = [
    "offerAgain((pc) => pc.restartIce())",
    // Chromium checks from its new sockets at once, by the names of the session before.
    "offerAgain((pc) => pc.restartIce(), { late: 700 })",
    "restartByFragment()",
];

/// One of [`RESTARTS`]: new credentials on both sides, and the sound goes on.
pub fn restart<B: Browses>(stage: &Stage, browser: &Rc<B>, how: &str) -> Result<(), String> {
    let mut visit = stage.visit_by(browser, &[]);
    visit.calls("{ wait: true }");
    page_hears(&visit.page)?;
    let ufrags = |visit: &Visit<B>| {
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
    hears_now(&visit)?;
    visit.hang_up();
    Ok(())
}

/// A page of elsewhere calls where its origin is allowed, and nowhere else.
pub fn foreign<B: Browses>(stage: &Stage, browser: &Rc<B>) -> Result<(), String> {
    let mut visit = stage.visit_by(browser, &[]);
    let (mut closed, _) = stage.listen(&[]);
    let refused = visit.page.try_evaluate(&format!("offer('{}/whip', {THEIRS})", closed.url()));
    assert!(refused.unwrap_err().contains(B::UNREADABLE), "it must not even read the answer");
    let own = browser.open(&closed.url());
    let calls = own.evaluate("fetch('/calls').then((answer) => answer.json())");
    assert_eq!(calls, json!([]));
    let names: Vec<_> = closed.catch_up().iter().map(|event| event["event"].clone()).collect();
    assert_eq!(names, ["listening"], "no call, so no microphone");

    visit.calls("{ wait: true }");
    visit.both_hear()
}

/// A page of elsewhere calls with the token, and not without it.
pub fn token<B: Browses>(stage: &Stage, browser: &Rc<B>) -> Result<(), String> {
    let site = stage.site();
    let (mut halloo, file) = stage.listen(&["--token", "open-sesame"]);
    let page = site.open(browser.as_ref());
    let offer = |token: &str| {
        format!("offer('{}/whip', {THEIRS}, {{ wait: true, token: {token} }})", halloo.url())
    };
    for wrong in ["undefined", "'open-says-me'"] {
        let refused = page.try_evaluate(&offer(wrong)).unwrap_err();
        assert!(refused.contains(B::UNREADABLE), "{refused}");
    }
    page.evaluate(&offer("'open-sesame'"));
    page.wait_for("pc.connectionState === 'connected'");
    halloo.wait_for("connected", |_| true);
    page_hears(&page)?;
    let status =
        "fetch(session, { method: 'DELETE', headers: { Authorization: `Bearer ${token}` } })
        .then(({ status }) => status)";
    assert_eq!(page.evaluate(status), 200);
    halloo.wait_for("ended", |_| true);
    halloo_heard(&file, HALF)
}
