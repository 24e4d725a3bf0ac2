//! Who may import whom, and who may touch the world: read from the source itself.
//!
//! The layers of `lib.rs` only hold as long as nobody reaches up or sideways, or looks at a clock on the
//! quiet. So every `crate::` path under `src/` is held against [`LAYERS`], and every name in [`WORLD`]
//! below `net` is an error. Tests inside the files are left out, as are comments and strings.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, unreachable_pub)]

use std::path::Path;

#[path = "architecture/source.rs"]
mod source;

use source::{Source, files};

/// (module, what it may import from this crate beside itself). `a::b` allows, `-a::b` forbids, a part.
const LAYERS: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("time", &[]),
    ("sdp", &["wire", "time"]),
    ("stun", &["wire", "time"]),
    ("rtp", &["wire", "time"]),
    ("audio", &["wire", "time"]),
    ("turn", &["wire", "time", "stun"]),
    ("ice", &["wire", "time", "stun", "turn"]),
    ("dtls_srtp", &["wire", "time", "rtp"]),
    ("peer", &["wire", "time", "sdp", "ice", "dtls_srtp", "rtp", "audio", "-audio::device"]),
    ("signal", &["wire", "time", "sdp", "peer::stats", "peer::event"]),
    ("inspect", &["wire", "time", "sdp", "stun", "turn", "rtp", "dtls_srtp"]),
    ("net", BELOW_NET),
    ("conform", &["*"]),
    ("cli", &["*"]),
    ("lib", &["*"]),
    ("main", &["*"]),
];

const BELOW_NET: &[&str] = &[
    "wire",
    "time",
    "sdp",
    "stun",
    "rtp",
    "audio",
    "turn",
    "ice",
    "dtls_srtp",
    "peer",
    "signal",
    "inspect",
];

/// What only `net` and what is above it may name, and the sound card's own file.
const WORLD: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "SysRng",
    "OsRng",
    "thread_rng",
    "rand::rng",
    "rand::random",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "tokio",
    "std::fs",
];

/// Lines of a file without its tests.
const LONGEST_FILE: usize = 500;

/// The one place for `unsafe`.
const UNSAFE: &str = "dtls_srtp/openssl_timer.rs";

#[test]
fn no_file_breaks_a_rule() {
    let sources = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(sources.len() > 50, "the walk finds the files");
    let broken: Vec<_> = sources.iter().flat_map(broken_rules).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// Every rule that a file breaks, in words.
fn broken_rules(source: &Source) -> Vec<String> {
    let mut broken = imports(source);
    broken.extend(world(source));
    if source.lines() > LONGEST_FILE {
        broken.push(format!("has {} lines without its tests: split it by idea", source.lines()));
    }
    if source.file != UNSAFE && source.has("unsafe") {
        broken.push(format!("is unsafe; only {UNSAFE} may be"));
    }
    broken.into_iter().map(|rule| format!("{}: {rule}", source.file)).collect()
}

fn imports(source: &Source) -> Vec<String> {
    let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == source.layer()) else {
        return vec![format!("belongs to `{}`, which has no row in the table", source.layer())];
    };
    let mut broken: Vec<_> = source
        .paths("crate::")
        .into_iter()
        .filter(|path| !may_import(source.layer(), allowed, path))
        .map(|path| format!("may not import crate::{path}"))
        .collect();
    if source.reaches_root_by_super() {
        broken.push("reaches the crate's root by `super`: write `crate::`".to_owned());
    }
    broken
}

fn may_import(layer: &str, allowed: &[&str], path: &str) -> bool {
    let within = |rule: &str| {
        path == rule || path.strip_prefix(rule).is_some_and(|rest| rest.starts_with("::"))
    };
    let forbidden = allowed.iter().filter_map(|rule| rule.strip_prefix('-')).any(within);
    let allowed = allowed.iter().any(|rule| *rule == "*" || within(rule));
    within(layer) || allowed && !forbidden
}

fn world(source: &Source) -> Vec<String> {
    let above = ["net", "conform", "cli", "main"].contains(&source.layer());
    if above || source.file.starts_with("audio/device") {
        return Vec::new();
    }
    let names = WORLD.iter().filter(|name| source.has(name));
    names.map(|name| format!("touches the world: {name}")).collect()
}

#[test]
fn every_rule_can_be_broken() {
    let broken = |file: &str, text: &str| broken_rules(&Source::new(file, text)).join("; ");
    for (file, text, rule) in [
        ("sdp/lex.rs", "use crate::ice::Agent;", "may not import crate::ice::Agent"),
        (
            "ice/check.rs",
            "use crate::{time, sdp::Candidate};",
            "may not import crate::sdp::Candidate",
        ),
        ("ice/check.rs", "fn f() { crate::peer::f() }", "may not import crate::peer::f"),
        (
            "peer/mod.rs",
            "use crate::audio::device::Speaker;",
            "may not import crate::audio::device",
        ),
        (
            "peer/mod.rs",
            "use crate::audio::{Frame, device};",
            "may not import crate::audio::device",
        ),
        ("signal/whip.rs", "use crate::peer::Peer;", "may not import crate::peer::Peer"),
        ("net/driver.rs", "use crate::cli;", "may not import crate::cli"),
        ("wire/reader.rs", "use crate::time::Instant;", "may not import crate::time"),
        ("rtp/mod.rs", "use super::audio::Frame;", "reaches the crate's root by `super`"),
        ("rtp/rtcp/sdes.rs", "use super::super::super::ice;", "reaches the crate's root"),
        ("odd/mod.rs", "", "belongs to `odd`"),
        ("ice/agent.rs", "let now = std::time::Instant::now();", "touches the world: Instant::now"),
        ("ice/agent.rs", "use rand::{rng, Rng};", "touches the world: rand::rng"),
        ("peer/mod.rs", "use std::{fs, io};", "touches the world: std::fs"),
        ("peer/mod.rs", "use std::net::{IpAddr, UdpSocket};", "touches the world: UdpSocket"),
        ("audio/sink.rs", "tokio::spawn(f)", "touches the world: tokio"),
        ("cli/mod.rs", "fn f() { unsafe { g() } }", "is unsafe"),
        ("cli/mod.rs", &"// a\n".repeat(501), "has 501 lines"),
    ] {
        assert!(broken(file, text).contains(rule), "{file}: {text}: {}", broken(file, text));
    }
}

#[test]
fn what_is_allowed_is_not_complained_about() {
    let broken = |file: &str, text: &str| broken_rules(&Source::new(file, text));
    for (file, text) in [
        ("sdp/lex.rs", "use super::attribute; use crate::sdp::codec; use crate::time::Instant;"),
        ("sdp/lex.rs", "// use crate::ice;\n/* tokio */ const A: &str = \"crate::net std::fs\";"),
        (
            "sdp/lex.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests { use std::fs; fn g() { crate::net::f() } }",
        ),
        ("signal/calls.rs", "use crate::peer::{event::Event, stats};"),
        ("rtp/rtcp/sdes.rs", "use super::super::number; const QUOTE: char = '\"'; // tokio"),
        ("audio/device.rs", "let t = std::time::Instant::now();"),
        ("net/udp.rs", "use tokio::net::UdpSocket;"),
        ("dtls_srtp/openssl_timer.rs", "unsafe { f() }"),
        ("cli/mod.rs", &format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// a\n".repeat(900))),
    ] {
        assert_eq!(broken(file, text), Vec::<String>::new(), "{text}");
    }
}
