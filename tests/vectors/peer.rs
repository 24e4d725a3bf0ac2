//! Vectors of the layer `peer`: which protocol a datagram belongs to.

use halloo::peer::demux::{Protocol, classify};
use serde_json::Value;

use super::case::{hex, same, text};

/// Whether the case holds; `None` if another layer reads this kind.
pub fn check(kind: &str, case: &Value) -> Option<Result<(), String>> {
    match kind {
        "demux" => Some(demux(case)),
        "datagram" => Some(datagram(case)),
        _ => None,
    }
}

/// Every first byte, then every second byte of what may be RTCP (RFC 7983, RFC 5761).
fn demux(case: &Value) -> Result<(), String> {
    for first in 0..=u8::MAX {
        let expected = case["by_first_byte"][usize::from(first)].as_str().ok_or("no such byte")?;
        let found = match name(classify(&[first, 0])) {
            "rtp" => "rtp-or-rtcp",
            other => other,
        };
        same(&format!("first byte {first}"), found, expected)?;
    }
    let rtcp = case["rtcp_second_bytes"].as_array().ok_or("no rtcp_second_bytes")?;
    for second in 0..=u8::MAX {
        let expected = if rtcp.contains(&Value::from(second)) { "rtcp" } else { "rtp" };
        same(&format!("second byte {second}"), name(classify(&[0x80, second])), expected)?;
    }
    Ok(())
}

fn datagram(case: &Value) -> Result<(), String> {
    let packet = hex(text(case, "packet"));
    same("class", name(classify(&packet)), text(case, "class"))
}

fn name(protocol: Option<Protocol>) -> &'static str {
    match protocol {
        Some(Protocol::Stun) => "stun",
        Some(Protocol::Zrtp) => "zrtp",
        Some(Protocol::Dtls) => "dtls",
        Some(Protocol::TurnChannel) => "turn-channel",
        Some(Protocol::Quic) => "quic",
        Some(Protocol::Rtp) => "rtp",
        Some(Protocol::Rtcp) => "rtcp",
        None => "drop",
    }
}
