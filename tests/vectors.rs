//! Every published vector, and any that you drop in: `vectors/*.json` and the folder `HALLOO_VECTORS`.
//!
//! A file holds cases; each case has a `kind`, or takes it from its file. Every layer has a reader in
//! `tests/vectors/`: `check(kind, case)` answers `None` for a kind that isn't its own, else whether the
//! case holds. A kind that nobody reads is a failure, unless [`NOT_READ`] says why; a kind listed there
//! that somebody does read is a failure too, so the list can't go stale.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation, unreachable_pub)]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde_json::Value;

mod vectors {
    pub mod audio;
    pub mod case;
    pub mod dtls_srtp;
    pub mod ice;
    pub mod peer;
    pub mod rtp;
    pub mod sdp;
    pub mod stun;
    pub mod turn;
}

/// A layer's reader.
type Check = fn(&str, &Value) -> Option<Result<(), String>>;

const LAYERS: &[Check] = &[
    vectors::sdp::check,
    vectors::stun::check,
    vectors::turn::check,
    vectors::ice::check,
    vectors::dtls_srtp::check,
    vectors::peer::check,
    vectors::rtp::check,
    vectors::audio::check,
];

/// Kinds that nobody reads yet, and why. Whoever reads one strikes it out here.
const NOT_READ: &[(&str, &str)] = &[];

#[test]
fn every_vector_holds() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")];
    folders.extend(std::env::var_os("HALLOO_VECTORS").map(PathBuf::from));

    let mut report = Report::default();
    for folder in &folders {
        let files = json_files(folder);
        if files.is_empty() {
            report.failures.push(format!("{}: no vectors there", folder.display()));
        }
        for file in files {
            report.read_file(&file.display().to_string(), &std::fs::read(&file).unwrap());
        }
    }
    report.print();
    assert!(report.failures.is_empty(), "{} vectors fail", report.failures.len());
}

/// The folder's `.json` files and those of its subfolders, in order of name.
fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files.extend(json_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// What the walk found.
#[derive(Default)]
struct Report {
    /// Cases of each kind, and how many of them somebody read.
    kinds: BTreeMap<String, (usize, usize)>,
    failures: Vec<String>,
}

impl Report {
    fn read_file(&mut self, name: &str, text: &[u8]) {
        let file: Value = match serde_json::from_slice(text) {
            Ok(file) => file,
            Err(error) => return self.failures.push(format!("{name}: {error}")),
        };
        let cases = file["cases"].as_array().map_or(&[][..], Vec::as_slice);
        if cases.is_empty() {
            self.failures.push(format!("{name}: a file without a case"));
        }
        for case in cases {
            let case_name = format!("{name}, {}", case["id"].as_str().unwrap_or("without id"));
            match case["kind"].as_str().or(file["kind"].as_str()) {
                Some(kind) => self.check(&case_name, kind, case),
                None => {
                    self.failures.push(format!("{case_name}: neither case nor file has a kind"))
                }
            }
        }
    }

    fn check(&mut self, name: &str, kind: &str, case: &Value) {
        let verdicts: Vec<_> = LAYERS.iter().filter_map(|layer| run(*layer, kind, case)).collect();
        let excused = NOT_READ.iter().any(|(not_read, _why)| *not_read == kind);
        match (verdicts.is_empty(), excused) {
            (true, false) => self.failures.push(format!("{name}: nobody reads kind `{kind}`")),
            (false, true) => {
                self.failures.push(format!("{name}: `{kind}` is read: strike it out of NOT_READ"));
            }
            _ => {}
        }
        let count = self.kinds.entry(kind.to_owned()).or_default();
        count.0 += 1;
        count.1 += usize::from(!verdicts.is_empty());
        let wrong = verdicts.into_iter().filter_map(Result::err);
        self.failures.extend(wrong.map(|why| format!("{name} ({kind}): {why}")));
    }

    fn print(&self) {
        for (kind, (cases, read)) in &self.kinds {
            let why = NOT_READ.iter().find(|(not_read, _why)| not_read == kind);
            let note = why.map_or(String::new(), |(_, why)| format!("  ({why})"));
            println!("{kind:20} {read:4} of {cases:4} cases run{note}");
        }
        for failure in &self.failures {
            println!("FAILED {failure}");
        }
    }
}

/// One case by one layer; a panic is a failure of this case, not the end of the walk.
fn run(layer: Check, kind: &str, case: &Value) -> Option<Result<(), String>> {
    catch_unwind(AssertUnwindSafe(|| layer(kind, case))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?");
        Some(Err(format!("panicked: {text}")))
    })
}

#[test]
fn the_walk_fails_where_it_must() {
    let failures = |text: &str| {
        let mut report = Report::default();
        report.read_file("file", text.as_bytes());
        report.failures.join("\n")
    };
    assert!(failures("{").contains("EOF"), "no JSON");
    assert!(failures(r#"{"kind": "sdp", "cases": []}"#).contains("without a case"));
    assert!(failures(r#"{"cases": [{"id": "a"}]}"#).contains("has a kind"));
    let unknown = failures(r#"{"kind": "sdp", "cases": [{"id": "a", "kind": "quic"}]}"#);
    assert!(unknown.contains("nobody reads kind `quic`"), "the case's own kind counts: {unknown}");
}
