//! What a page that speaks as aiortc's example page does needs of an answer.
//!
//! Use it with `mod common { pub mod answer; pub mod stage; … }`, the rest being what `stage.rs` asks for.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, unreachable_pub)]

use serde_json::Value;

use super::stage::lines;

/// Judges the answer to what was offered.
pub fn assert_fits(offered: &Value, answered: &Value) {
    let sections = |sdp: &Value| -> Vec<(String, bool)> {
        let lines = lines(sdp, "m=").into_iter();
        let words = lines.map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        words.map(|words| (words[0].clone(), words[1] == "0")).collect()
    };
    // libwebrtc refuses a description that ends with a line of nothing.
    let text = answered.as_str().unwrap();
    assert!(text.ends_with("\r\n") && !text.ends_with("\r\n\r\n"), "{text:?}");
    // Without it there is no `event.streams[0]`.
    assert!(!lines(answered, "a=msid:").is_empty(), "{text}");
    let (offer, answer) = (sections(offered), sections(answered));
    assert_eq!(offer.len(), answer.len());
    for ((kind, _), (answered, is_refused)) in offer.iter().zip(&answer) {
        assert_eq!((kind, *is_refused), (answered, kind != "m=audio"), "{text}");
    }
    assert_eq!(lines(offered, "a=mid:"), lines(answered, "a=mid:"));
}
