//! Vectors of the layer `audio`: `g711`, `opus-packet`, `opus-toc`.

use halloo::audio::Channels;
use halloo::audio::g711::Law;
use halloo::audio::opus_packet::{Bandwidth, Mode, OpusPacket, Toc};
use serde_json::Value;

use super::hex;

/// Whether the case holds; `None` if another layer reads this kind.
pub fn check(kind: &str, case: &Value) -> Option<Result<(), String>> {
    match kind {
        "g711" => Some(g711(case)),
        "opus-packet" => Some(opus_packet(case)),
        "opus-toc" => Some(opus_toc(case)),
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

/// rfc6716-3.4-1, rfc6716-3.4-2, rfc6716-3.4-3
fn opus_packet(case: &Value) -> Result<(), String> {
    let bytes = hex(case["packet"].as_str().unwrap());
    let parsed = OpusPacket::parse(&bytes);
    match (case["verdict"].as_str(), parsed) {
        (Some("accept"), Ok(packet)) => {
            let expected: Vec<usize> = case["frame_sizes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|size| usize::try_from(size.as_u64().unwrap()).unwrap())
                .collect();
            same("frame sizes", packet.sizes(), &expected[..])
        }
        (Some("accept"), Err(error)) => Err(format!("refused: {error}")),
        (_, Ok(packet)) => Err(format!("taken as frames of {:?}", packet.sizes())),
        (_, Err(_)) => Ok(()),
    }
}

/// rfc6716-3.1-1
fn opus_toc(case: &Value) -> Result<(), String> {
    let toc = Toc(u8::try_from(case["toc"].as_u64().unwrap()).unwrap());
    let mode = match toc.mode() {
        Mode::Silk => "SILK",
        Mode::Hybrid => "Hybrid",
        Mode::Celt => "CELT",
    };
    let bandwidth = match toc.bandwidth() {
        Bandwidth::Narrow => "NB",
        Bandwidth::Medium => "MB",
        Bandwidth::Wide => "WB",
        Bandwidth::SuperWide => "SWB",
        Bandwidth::Full => "FB",
    };
    same("config", Some(u64::from(toc.config())), case["config"].as_u64())?;
    same("mode", Some(mode), case["mode"].as_str())?;
    same("bandwidth", Some(bandwidth), case["bandwidth"].as_str())?;
    let frame_us = toc.frame_samples() as u64 * 1_000 / 48;
    same("frame length", Some(frame_us), case["frame_us"].as_u64())?;
    same("stereo", Some(toc.channels() == Channels::Stereo), case["stereo"].as_bool())?;
    same("code", Some(u64::from(toc.code())), case["code"].as_u64())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, expected: T) -> Result<(), String> {
    if ours == expected { Ok(()) } else { Err(format!("{what}: {ours:?}, not {expected:?}")) }
}
