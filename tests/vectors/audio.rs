//! Vectors of the layer `audio`: `g711`, `g722`.

use halloo::audio::g711::Law;
use halloo::audio::g722;
use serde_json::Value;

use super::case::{hex, same, text, to_hex};

/// Whether the case holds; `None` if another layer reads this kind.
pub fn check(kind: &str, case: &Value) -> Option<Result<(), String>> {
    match kind {
        "g711" => Some(g711(case)),
        "g722" => Some(g722(case)),
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

/// Another implementation's bytes and samples, one by one.
fn g722(case: &Value) -> Result<(), String> {
    let pcm = samples(text(case, "pcm"));
    let mut encoder = g722::Encoder::new();
    let coded: Vec<u8> = pcm.as_chunks::<2>().0.iter().map(|pair| encoder.encode(*pair)).collect();
    same("payload", to_hex(&coded).as_str(), text(case, "payload"))?;
    let mut decoder = g722::Decoder::new();
    let payload = hex(text(case, "payload"));
    let decoded: Vec<i16> = payload.iter().flat_map(|byte| decoder.decode(*byte)).collect();
    same("decoded", &decoded, &samples(text(case, "decoded")))
}

fn samples(digits: &str) -> Vec<i16> {
    let bytes = hex(digits);
    bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}
