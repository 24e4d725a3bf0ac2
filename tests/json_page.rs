//! A page that speaks as aiortc's example page does: JSON to `/offer`, from another origin.
//!
//! `tests/pages/json.html` does what that page does; the page itself, unmodified, is in `aiortc_page.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod answer;
    pub mod chromium;
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod skip;
    pub mod stage;
    pub mod stall;
}

use common::answer::assert_fits;
use common::stage::{QUARTER, halloo_heard, lines, on_stage, page_hears};

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
