//! aiortc's example page, unmodified, calls halloo through a web server of its own origin.
//!
//! Plain `cargo test` leaves this file out (Cargo.toml says `test = false`), for it fetches aiortc's source
//! package; `./check --all` runs it, as does
//!
//! ```sh
//! cargo test --test aiortc_page                                                   # from the package
//! HALLOO_AIORTC_PAGE=aiortc/examples/server cargo test --test aiortc_page         # your own
//! ```
//!
//! A page that does the same and is always there is in `json_page.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod answer;
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

use common::answer::assert_fits;
use common::chromium::Page;
use common::script::{self, Script};
use common::stage::{OURS, QUARTER, Stage, TONE, halloo_heard, is_tone, on_stage};

const AIORTC: &str = "aiortc==1.16.0";

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
fn aiortcs_own_page_calls() {
    aiortcs_page_calls("0");
}

#[test]
fn aiortcs_own_page_calls_with_its_codec_filter() {
    aiortcs_page_calls("document.querySelector('#audio-codec').value = 'opus/48000/2'");
    aiortcs_page_calls("document.querySelector('#audio-codec').value = 'PCMU/8000'");
}

#[test]
fn aiortcs_own_page_calls_without_its_data_channel() {
    aiortcs_page_calls("document.querySelector('#use-datachannel').checked = false");
}
