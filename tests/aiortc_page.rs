//! Pages that speak as aiortc's example page does: JSON to `/offer`, from another origin and from their own.
//!
//! `tests/pages/json.html` does what that page does and is always run. The page itself, unmodified, is run
//! by `./check --all`, or by
//!
//! ```sh
//! cargo test --test aiortc_page -- --ignored                               # from aiortc's source package
//! HALLOO_AIORTC_PAGE=aiortc/examples/server cargo test --test aiortc_page -- --ignored     # your own
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod chromium;
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod script;
    pub mod skip;
    pub mod stage;
    pub mod stall;
}

use std::path::{Path, PathBuf};
use std::process::Command;

use common::chromium::Page;
use common::script::{self, Script};
use common::stage::{
    OURS, QUARTER, Stage, TONE, halloo_heard, is_tone, lines, on_stage, page_hears,
};
use serde_json::Value;

const AIORTC: &str = "aiortc==1.16.0";

/// What such a page needs of an answer.
fn assert_fits(offered: &Value, answered: &Value) {
    let sections = |sdp: &Value| -> Vec<(String, bool)> {
        let lines = lines(sdp, "m=").into_iter();
        let words = lines.map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        words.map(|words| (words[0].clone(), words[1] == "0")).collect()
    };
    // libwebrtc refuses a description that ends with a line of nothing.
    let text = answered.as_str().unwrap();
    assert!(text.ends_with("\r\n") && !text.ends_with("\r\n\r\n"), "{text:?}");
    // Without it there is no `event.streams[0]`.
    assert!(!lines(answered, "a=msid:").is_empty(), "{text}");
    let (offer, answer) = (sections(offered), sections(answered));
    assert_eq!(offer.len(), answer.len());
    for ((kind, _), (answered, is_refused)) in offer.iter().zip(&answer) {
        assert_eq!((kind, *is_refused), (answered, kind != "m=audio"), "{text}");
    }
    assert_eq!(lines(offered, "a=mid:"), lines(answered, "a=mid:"));
}

/// The page calls from another origin, which takes a preflight; both hear each other.
fn json_call(options: &str) {
    on_stage(|stage| {
        let site = stage.site();
        let (mut halloo, file) = stage.listen(&["--allow-origin", &site.origin]);
        let browser = stage.browser();
        let page = browser.open(&format!("{}/json.html", site.origin));
        page.wait_for("window.ready");
        page.evaluate(&format!("call('{}/offer', {options})", halloo.url()));
        page.wait_for("window.pc.connectionState === 'connected'");
        halloo.wait_for("connected", |_| true);
        let offered = page.evaluate("offered");
        if options.contains("codec") {
            let text = offered.as_str().unwrap();
            assert!(text.ends_with("\r\n\n"), "a line of nothing: {text:?}");
            assert!(!lines(&offered, "m=audio")[0].ends_with('\r'), "a bare line feed");
        }
        assert_fits(&offered, &page.evaluate("answered"));
        page_hears(&page)?;
        page.evaluate("stop()");
        let ended = halloo.wait_for("ended", |_| true);
        assert_eq!(ended["end"], "hung_up_by_peer", "{ended}");
        assert_eq!(page.complaints(), Vec::<String>::new());
        halloo_heard(&file, QUARTER)
    });
}

#[test]
fn a_page_that_speaks_json_calls_with_a_data_channel_beside_the_sound() {
    json_call("{}");
}

#[test]
fn a_page_that_leaves_only_opus_in_its_offer_leaves_odd_line_ends() {
    json_call("{ codec: 'opus/48000/2' }");
}

#[test]
fn a_page_that_leaves_only_pcmu_in_its_offer_gets_pcmu() {
    json_call("{ codec: 'PCMU/8000' }");
}

#[test]
fn a_page_that_wants_sound_alone_gets_it() {
    json_call("{ codec: 'PCMA/8000', channel: false }");
}

/// The folder with aiortc's page.
fn aiortcs_page() -> PathBuf {
    if let Some(folder) = std::env::var_os("HALLOO_AIORTC_PAGE") {
        return folder.into();
    }
    let package = script::python_source("aiortc-source", AIORTC);
    package.join("examples/server")
}

/// A web server with these files, whose POSTs reach halloo.
fn front(stage: &Stage, folder: &Path, halloo: &str) -> (Script, String) {
    let mut python: Command = stage.pair.left.command("python3");
    python.arg(script::source("front.py")).arg(folder).arg(halloo);
    let mut server = Script::start(python);
    let url = server.wait_for("listening")["url"].as_str().unwrap().to_owned();
    (server, url)
}

fn aiortcs_page_calls(choose: &str) {
    on_stage(|stage| {
        let (mut halloo, file) = stage.listen(&[]);
        let (_front, url) = front(stage, &aiortcs_page(), &halloo.url());
        let browser = stage.browser();
        let page: Page = browser.open(&format!("{url}/index.html"));
        page.evaluate(choose);
        page.click("#start");
        page.wait_for("pc && pc.connectionState === 'connected'");
        halloo.wait_for("connected", |_| true);
        let shown =
            |id: &str| page.evaluate(&format!("document.querySelector('{id}').textContent"));
        assert_fits(&shown("#offer-sdp"), &shown("#answer-sdp"));
        let track = "document.querySelector('#audio').srcObject.getAudioTracks()[0]";
        page.wait_for(&format!("{track}.muted === false"));
        let heard = page.record(track, 2.0);
        is_tone("aiortc's page", &heard.between(0.5, 2.0), OURS.into(), TONE)?;
        page.click("#stop");
        let ended = halloo.wait_for("ended", |_| true);
        assert_eq!(ended["end"], "hung_up_by_peer", "{ended}");
        halloo_heard(&file, QUARTER)
    });
}

#[test]
#[ignore = "fetches aiortc's source package; ./check --all runs it"]
fn aiortcs_own_page_calls() {
    aiortcs_page_calls("0");
}

#[test]
#[ignore = "fetches aiortc's source package; ./check --all runs it"]
fn aiortcs_own_page_calls_with_its_codec_filter() {
    aiortcs_page_calls("document.querySelector('#audio-codec').value = 'opus/48000/2'");
    aiortcs_page_calls("document.querySelector('#audio-codec').value = 'PCMU/8000'");
}

#[test]
#[ignore = "fetches aiortc's source package; ./check --all runs it"]
fn aiortcs_own_page_calls_without_its_data_channel() {
    aiortcs_page_calls("document.querySelector('#use-datachannel').checked = false");
}
