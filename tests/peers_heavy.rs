//! Other WebRTC stacks call halloo and are called by it: those that take large packages.
//!
//! Plain `cargo test` leaves this file out (Cargo.toml says `test = false`); `./check --all` installs what
//! it needs and runs it, as does `cargo test --test peers_heavy`. `tests/peers_quick.rs` has the others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod peers;
    pub mod pulse;
    pub mod script;
    pub mod skip;
    pub mod stall;
}

use std::path::Path;
use std::process::Command;

use common::namespace::Namespace;
use common::peers::{THEIRS, halloo_calls, on_stage, peer_calls};
use common::pulse::SoundServer;
use common::script;

const WRTC: &str = "@roamhq/wrtc@0.10.0";
const FFMPEG: &str = "imageio-ffmpeg==0.8.1";

/// libwebrtc, the stack of Chromium, in node.
fn wrtc(place: &Namespace, arguments: &[&str]) -> Command {
    let mut command = place.command("node");
    command.env("NODE_PATH", script::npm("wrtc", &[WRTC]));
    command.arg(script::source("node/wrtc.js")).args(arguments);
    command
}

#[test]
fn libwebrtc_calls_with_opus() {
    peer_calls(&wrtc, "opus");
}

#[test]
fn libwebrtc_calls_with_pcmu() {
    peer_calls(&wrtc, "pcmu");
}

#[test]
fn libwebrtc_calls_with_g722() {
    peer_calls(&wrtc, "g722");
}

#[test]
fn libwebrtc_is_called_with_g722() {
    halloo_calls(&wrtc, "g722");
}

#[test]
fn libwebrtc_is_called_with_opus() {
    halloo_calls(&wrtc, "opus");
}

#[test]
fn libwebrtc_is_called_with_pcmu() {
    halloo_calls(&wrtc, "pcmu");
}

/// Debian's own Python has GStreamer's introspection, a virtual environment's has not.
fn gstreamer(place: &Namespace, arguments: &[&str]) -> Command {
    let mut command = place.command("/usr/bin/python3");
    command.arg(script::source("gstreamer.py")).args(arguments);
    command
}

#[test]
fn gstreamer_calls_with_opus() {
    peer_calls(&gstreamer, "opus");
}

#[test]
fn gstreamer_calls_with_pcmu() {
    peer_calls(&gstreamer, "pcmu");
}

#[test]
fn gstreamer_is_called_with_opus() {
    halloo_calls(&gstreamer, "opus");
}

#[test]
fn gstreamer_is_called_with_pcmu() {
    halloo_calls(&gstreamer, "pcmu");
}

/// Built from our few lines and Debian's package of Pion, without a module.
fn pion(place: &Namespace, arguments: &[&str]) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/pion");
    let program = folder.join("pion");
    let mut go = Command::new("go");
    go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode");
    go.env("GOCACHE", folder.join("cache")).args(["build", "-o"]).arg(&program);
    script::run(
        go.arg(script::source("pion/main.go")),
        "golang-go golang-github-pion-webrtc.v3-dev",
    );
    let mut command = place.command(program);
    command.args(arguments);
    command
}

/// Pion has no codecs, and G.711 is the one that is a few lines.
#[test]
fn pion_calls_with_pcmu() {
    peer_calls(&pion, "pcmu");
}

#[test]
fn pion_is_called_with_pcmu() {
    halloo_calls(&pion, "pcmu");
}

/// ffmpeg only sends. It offers `setup:passive`, uses the first candidate alone, and its answers to
/// connectivity checks have no XOR-MAPPED-ADDRESS.
#[test]
fn ffmpeg_publishes_by_whip() {
    let python = script::python("ffmpeg", &[FFMPEG]);
    let read = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())";
    let output = Command::new(python).args(["-c", read]).output().unwrap();
    let ffmpeg = String::from_utf8(output.stdout).unwrap();
    on_stage(|stage| {
        let mut halloo = stage.listen(&[]);
        // Its sine has an eighth of full scale; ours here a quarter.
        let sine = format!("sine=frequency={THEIRS}:sample_rate=48000:duration=9,volume=2");
        let mut command = stage.peer.command(ffmpeg.trim());
        command.args(["-loglevel", "error", "-re", "-f", "lavfi", "-i", &sine, "-ac", "2"]);
        command.args(["-af", "pan=stereo|c0=c0|c1=c0", "-c:a", "libopus", "-f", "whip"]);
        let status = command.arg(format!("{}/whip", halloo.url())).status().unwrap();
        assert!(status.success(), "{status}");
        let ended = halloo.wait_for("ended", |_| true);
        assert!(ended["end"].as_str().unwrap().starts_with("hung_up"), "{ended}");
        // It begins with a burst: what of its delay is beyond bearing is dropped within the first second, and
        // the rest goes unheard.
        stage.halloo_heard_after(2.0)
    });
}

/// The table in README.md is kept by hand, its versions by this; Debian's change by themselves.
#[test]
fn the_readme_has_the_versions_that_are_tested() {
    let readme = include_str!("../README.md");
    for package in [WRTC.replacen("c@", "c ", 1), FFMPEG.replace("==", " ")] {
        assert!(readme.contains(&package), "{package}");
    }
}

/// Firefox, its AudioContext kept running by a software sound server.
fn firefox(sound: &SoundServer) -> impl Fn(&Namespace, &[&str]) -> Command {
    let environment = sound.environment();
    move |place, arguments| {
        // A page without the microphone's permission tells only the address that leads to the internet.
        place.ip(&["route", "replace", "default", "dev", &place.interface]);
        let mut command = place.command("python3");
        command.envs(environment.iter().cloned()).arg(script::source("firefox.py")).args(arguments);
        command
    }
}

#[test]
fn firefox_calls_with_opus() {
    peer_calls(&firefox(&SoundServer::start()), "opus");
}

#[test]
fn firefox_calls_with_pcmu() {
    peer_calls(&firefox(&SoundServer::start()), "pcmu");
}

#[test]
fn firefox_is_called_with_opus() {
    halloo_calls(&firefox(&SoundServer::start()), "opus");
}

#[test]
fn firefox_is_called_with_pcmu() {
    halloo_calls(&firefox(&SoundServer::start()), "pcmu");
}
