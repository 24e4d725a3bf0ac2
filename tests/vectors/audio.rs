//! Vectors of the layer `audio`: `g711`.

use halloo::audio::g711::Law;
use serde_json::Value;

/// Whether the case holds; `None` if another layer reads this kind.
pub fn check(kind: &str, case: &Value) -> Option<Result<(), String>> {
    match kind {
        "g711" => Some(g711(case)),
        _ => None,
    }
}

/// rfc3551-4.5.14-2
fn g711(case: &Value) -> Result<(), String> {
    let law = match case["law"].as_str() {
        Some("mulaw") => Law::Mu,
        Some("alaw") => Law::A,
        other => return Err(format!("no such law: {other:?}")),
    };
    for (byte, expected) in (0..=255).zip(case["decode"].as_array().unwrap()) {
        let decoded = law.decode(byte);
        if Some(i64::from(decoded)) != expected.as_i64() {
            return Err(format!("{byte:#04x} is {decoded}, not {expected}"));
        }
        // Written back: mu-law's second zero is the one byte that no sample encodes to.
        let back = law.encode(decoded);
        if back != byte && decoded != 0 {
            return Err(format!("{decoded} is written as {back:#04x}, not {byte:#04x}"));
        }
    }
    Ok(())
}
