//! Other WebRTC stacks call halloo and are called by it, and each hears the other's tone.
//!
//! These are the quick ones, from npm; `tests/peers_heavy.rs` has those that take large packages. README.md
//! lists all with their versions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod peers;
    pub mod script;
    pub mod skip;
    pub mod stall;
}

use std::process::Command;

use common::namespace::Namespace;
use common::peers::{halloo_calls, peer_calls, peer_calls_with};
use common::script;

/// The stacks, and the Opus that both lack.
const PACKAGES: &[&str] = &["werift@0.25.2", "node-datachannel@0.33.4", "opusscript@0.1.1"];

fn werift(place: &Namespace, arguments: &[&str]) -> Command {
    node("werift", place, arguments)
}

fn node_datachannel(place: &Namespace, arguments: &[&str]) -> Command {
    node("node_datachannel", place, arguments)
}

fn node(name: &str, place: &Namespace, arguments: &[&str]) -> Command {
    let mut command = place.command("node");
    command.env("NODE_PATH", script::npm("node", PACKAGES));
    command.arg(script::source(&format!("node/{name}.js"))).args(arguments);
    command
}

#[test]
fn werift_calls_with_opus() {
    peer_calls(&werift, "opus");
}

#[test]
fn werift_calls_with_pcmu() {
    peer_calls(&werift, "pcmu");
}

#[test]
fn werift_is_called_with_opus() {
    halloo_calls(&werift, "opus");
}

#[test]
fn werift_is_called_with_pcmu() {
    halloo_calls(&werift, "pcmu");
}

/// libdatachannel gives our answer to its ICE before it has noted the fingerprint in it, so a handshake that is
/// faster than its next few lines fails with its alert `unknown_ca`. On a cable of no length that happens once
/// in some dozens of calls on a busy machine; 20 ms each way, as a Wi-Fi has, leave it time.
const A_ROOM_APART: [&str; 2] = ["--impair", "delay=20ms"];

#[test]
fn node_datachannel_calls_with_opus() {
    peer_calls_with(&node_datachannel, "opus", &A_ROOM_APART);
}

#[test]
fn node_datachannel_calls_with_pcmu() {
    peer_calls_with(&node_datachannel, "pcmu", &A_ROOM_APART);
}

#[test]
fn node_datachannel_is_called_with_opus() {
    halloo_calls(&node_datachannel, "opus");
}

#[test]
fn node_datachannel_is_called_with_pcmu() {
    halloo_calls(&node_datachannel, "pcmu");
}

/// The table in README.md is kept by hand, its versions by this.
#[test]
fn the_readme_has_the_versions_that_are_tested() {
    let readme = include_str!("../README.md");
    for package in PACKAGES.iter().filter(|name| !name.starts_with("opus")) {
        let (name, version) = package.rsplit_once('@').unwrap();
        assert!(readme.contains(&format!("| {name} {version} ")), "{package}");
    }
}
