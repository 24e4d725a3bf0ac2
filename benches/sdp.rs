//! What a description costs: read, answered, written.
//!
//! `cargo bench --bench sdp`. The offer is Chromium 156's for audio: 39 lines, 1.7 kB, four candidates.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use divan::{Bencher, black_box};
use halloo::sdp::{Capabilities, Description, answer};

fn main() {
    divan::main();
}

fn offer() -> String {
    let text = std::fs::read_to_string("vectors/sdp_browsers.json").unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["id"] == "chromium156-audio-sendrecv").unwrap();
    case["sdp"].as_str().unwrap().to_owned()
}

/// Mark: under 10 us.
#[divan::bench]
fn parse_chromiums_offer(bencher: Bencher<'_, '_>) {
    let text = offer();
    bencher.bench_local(|| black_box(&text).parse::<Description>().unwrap());
}

#[divan::bench]
fn choose_what_to_answer(bencher: Bencher<'_, '_>) {
    let offer: Description = offer().parse().unwrap();
    let capabilities = Capabilities::default();
    bencher.bench_local(|| answer::choose(black_box(&offer), &capabilities).unwrap());
}

#[divan::bench]
fn write_it_again(bencher: Bencher<'_, '_>) {
    let offer: Description = offer().parse().unwrap();
    bencher.bench_local(|| black_box(&offer).to_string());
}
