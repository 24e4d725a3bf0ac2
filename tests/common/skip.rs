//! Skipping a test that this machine can't run, so that nobody takes it for one that passed.
//!
//! Use it with `mod common { pub mod namespace; pub mod skip; }`. Only for what a person can't simply have (root, network
//! namespaces): what can be installed is a failure with its reason. `./check` counts and names the
//! skipped at its end; under CI a skip is a failure.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::panic, clippy::unwrap_used, clippy::print_stderr)]

use std::io::Write;

use super::namespace::Namespaces;

/// Two network namespaces for `test`, or `None` where they take rights that nobody gave.
pub fn namespaces(test: &str) -> Option<Namespaces> {
    match Namespaces::new() {
        Ok(pair) => Some(pair),
        Err(why) if why.contains("permitted") || why.contains("denied") => {
            skip(test, &why);
            None
        }
        Err(why) => panic!("{why}"),
    }
}

/// Notes that `test` can't run here; the caller returns afterwards.
pub fn skip(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{test} can't be skipped under CI: {why}");
    eprintln!("skipped: {test}: {why}");
    if let Some(file) = std::env::var_os("HALLOO_SKIPPED") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        file.write_all(format!("{test}: {why}\n").as_bytes()).unwrap();
    }
}
