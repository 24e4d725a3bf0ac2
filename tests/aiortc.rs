//! aiortc calls halloo and is called by it, across a cable, and sound arrives in both directions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

mod common {
    pub mod aiortc;
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod skip;
    pub mod stall;
}
use common::aiortc::Aiortc;
use common::halloo::{Halloo, recording};
use common::listen::Recording;
use common::namespace::Namespaces;
use common::stall::undisturbed;

/// What halloo sends, and what aiortc does, in hertz.
const OURS: f64 = 700.0;
const THEIRS: f64 = 440.0;

/// One at a time: a busy Python sends late, and late is what halloo then hears.
static TURN: Mutex<()> = Mutex::new(());

/// A second and a half of the tone, once the jitter buffers have found their delay.
fn heard(who: &str, file: &Path, hz: f64) -> Result<(), String> {
    let heard = Recording::read(file).after_silence(0.02);
    let steady = heard.between(0.7, 2.2);
    assert!(steady.seconds() > 1.4, "{who} recorded only {} s of sound", heard.seconds());
    let pitch = steady.pitch().unwrap_or_else(|| panic!("{who} heard silence"));
    assert!((pitch - hz).abs() < 20.0, "{who} heard {pitch} Hz, not {hz}");
    let (level, glitches) = (steady.level(), steady.glitches(hz));
    // aiortc makes two channels of one, each 3 dB quieter.
    let right = (pitch - hz).abs() < 1.0 && (level - -10.5).abs() < 3.0 && glitches <= 3;
    let wrong = || {
        format!("{who} heard {pitch} Hz, {level} dBFS; {glitches} of 150 pieces of 10 ms are wrong")
    };
    if right { Ok(()) } else { Err(wrong()) }
}

fn is_called_at(path: &str, name: &str) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(pair) = common::skip::namespaces(name) else { return };
    undisturbed(|| calls(&pair, path, name));
}

fn calls(pair: &Namespaces, path: &str, name: &str) -> Result<(), String> {
    let (ours, theirs) =
        (recording(&format!("{name}-halloo")), recording(&format!("{name}-aiortc")));
    let bind = format!("{}:0", pair.left.address);
    let mut halloo = Halloo::listen(Some(&pair.left), 700, &ours, &["--bind", &bind]);
    let url = format!("{}{path}", halloo.url());
    let file = theirs.display().to_string();
    let mut aiortc = Aiortc::start(&pair.right, &["call", &url, "440", &file, "4"]);
    let answer = aiortc.wait_for("answer");
    halloo.wait_for("connected", |_| true);
    aiortc.wait_for("done");
    let ended = halloo.wait_for("ended", |_| true);
    assert_eq!(ended["end"], "hung_up_by_peer", "{ended}");
    heard("halloo", &ours, THEIRS)?;
    match path {
        "/whip" => assert_eq!(
            (&answer["status"], &answer["type"]),
            (&201.into(), &"application/sdp".into())
        ),
        _ => assert_eq!(
            (&answer["status"], &answer["type"]),
            (&200.into(), &"application/json".into())
        ),
    }
    heard("aiortc", &theirs, OURS)
}

#[test]
fn aiortc_calls_by_whip() {
    is_called_at("/whip", "aiortc-whip");
}

#[test]
fn aiortc_calls_as_its_example_page_does() {
    is_called_at("/offer", "aiortc-offer");
}

#[test]
fn aiortc_is_called() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(pair) = common::skip::namespaces("aiortc_is_called") else { return };
    undisturbed(|| {
        let (ours, theirs) = (recording("aiortc-called-halloo"), recording("aiortc-called-aiortc"));
        let address = format!("{}:0", pair.left.address);
        let file = theirs.display().to_string();
        let mut aiortc = Aiortc::start(&pair.left, &["listen", &address, "440", &file]);
        let port = aiortc.wait_for("listening")["port"].to_string();
        let url = format!("http://{}:{port}/whip", pair.left.address);
        let output = format!("file:{}", ours.display());
        let arguments =
            ["call", &url, "--input", "tone:700", "--output", &output, "--duration", "4"];
        let mut halloo = Halloo::start(Some(&pair.right), &arguments);
        halloo.wait_for("connected", |_| true);
        let status = halloo.wait(Duration::from_secs(15));
        assert_eq!(status.code(), Some(0), "{}", halloo.messages());
        aiortc.wait_for("delete");
        aiortc.wait_for("track ended");
        heard("halloo", &ours, THEIRS)?;
        heard("aiortc", &theirs, OURS)
    });
}
