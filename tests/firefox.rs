//! halloo's own page in Firefox: it calls and is called, mutes and holds, and either side hangs up.
//!
//! Plain `cargo test` leaves this file out (Cargo.toml says `test = false`); `./check --all` installs what it
//! needs and runs it. The page's sound is heard at the loudspeaker, of a sound server without a card.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod chromium;
    pub mod firefox;
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod pulse;
    pub mod skip;
    pub mod stage;
    pub mod stall;
}
use std::path::Path;
use std::time::Duration;

use common::firefox::{Firefox, Page, in_firefox};
use common::halloo::Halloo;
use common::listen::Recording;
use common::stage::{Browses, OURS, THEIRS, Tab, is_tone, page_hears};

fn is_in(page: &Page, state: &str) {
    page.wait_for(&format!("document.body.dataset.state === '{state}'"));
}

/// The latest second and a half in halloo's recording.
fn halloo_hears(file: &Path) -> Result<(), String> {
    let heard = Recording::read(file).last(1.6).between(0.0, 1.5);
    is_tone("halloo", &heard, THEIRS, Firefox::MICROPHONE)
}

#[test]
fn the_page_calls_mutes_holds_and_hangs_up() {
    in_firefox(|stage, firefox| {
        let (mut halloo, file) = stage.listen(&[]);
        let page = firefox.open(&halloo.url());
        page.click("#call");
        is_in(&page, "connected");
        halloo.wait_for("connected", |_| true);
        page_hears(&page)?;
        halloo_hears(&file)?;
        page.screenshot("firefox-1-connected");

        page.click("#mute");
        page.pass(1.5);
        let level = Recording::read(&file).last(0.5).level();
        assert!(level < -60.0, "muted, and halloo hears {level} dBFS");
        page.click("#mute");
        page.pass(2.0);
        halloo_hears(&file)?;

        page.click("#hold");
        page.pass(1.5);
        let level = page.hear(0.8).level();
        assert!(level < -60.0, "on hold, and the person hears {level} dBFS");
        let level = Recording::read(&file).last(0.5).level();
        assert!(level < -60.0, "on hold, and halloo hears {level} dBFS");
        page.click("#hold");
        page.pass(0.5);
        page_hears(&page)?;
        halloo_hears(&file)?;

        page.click("#hang-up");
        let ended = halloo.wait_for("ended", |_| true);
        assert_eq!(ended["end"], "hung_up_by_peer", "{ended}");
        assert_eq!(page.text("#state"), "You hung up.");
        Ok(())
    });
}

/// From the network, as `--lan` serves it; the person has said yes to halloo's own certificate.
#[test]
fn the_page_calls_by_https() {
    in_firefox(|stage, firefox| {
        let (mut halloo, file) = stage.listen(&["--lan", "--bind", "0.0.0.0:0"]);
        let url = halloo.url();
        assert!(url.starts_with(&format!("https://{}:", stage.pair.left.address)), "{url}");
        let page = firefox.open(&url);
        assert_eq!(page.evaluate("window.isSecureContext"), true);
        page.click("#call");
        is_in(&page, "connected");
        halloo.wait_for("connected", |_| true);
        page_hears(&page)?;
        halloo_hears(&file)?;
        page.click("#hang-up");
        halloo.wait_for("ended", |event| event["end"] == "hung_up_by_peer");
        Ok(())
    });
}

#[test]
fn the_page_says_that_halloo_hung_up_and_a_closed_tab_hangs_up() {
    in_firefox(|stage, firefox| {
        let (mut halloo, _) = stage.listen(&[]);
        let page = firefox.open(&halloo.url());
        page.click("#call");
        is_in(&page, "connected");
        halloo.wait_for("connected", |_| true);
        halloo.terminate();
        assert_eq!(halloo.wait(Duration::from_secs(10)).code(), Some(0));
        is_in(&page, "ended");
        assert_eq!(page.text("#state"), "halloo hung up.");

        let (mut halloo, _) = stage.listen(&[]);
        let page = firefox.open(&halloo.url());
        page.click("#call");
        is_in(&page, "connected");
        page.close();
        let ended = halloo.wait_at_most(Duration::from_secs(5), "ended", |_| true);
        assert_eq!(ended["end"], "hung_up_by_peer", "{ended}");
        Ok(())
    });
}

#[test]
fn the_tab_rings_and_the_person_answers() {
    in_firefox(|stage, firefox| {
        let file = stage.recording();
        let (input, output) = (format!("tone:{OURS}"), format!("file:{}", file.display()));
        let arguments =
            ["call", "tab", "--bind", "127.0.0.1:0", "--input", &input, "--output", &output];
        let mut halloo = Halloo::start(stage.here(), &arguments);
        halloo.wait_for("listening", |_| true);
        let page = firefox.open(&halloo.url());
        is_in(&page, "ringing");
        page.screenshot("firefox-2-ringing");
        page.click("#answer");
        is_in(&page, "connected");
        halloo.wait_for("connected", |_| true);
        page_hears(&page)?;
        halloo_hears(&file)?;
        page.click("#hang-up");
        assert_eq!(halloo.wait(Duration::from_secs(10)).code(), Some(0));
        Ok(())
    });
}
