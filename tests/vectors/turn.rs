//! Vectors of the layer `turn`: `channel-data`.

use halloo::turn::ChannelData;
use serde_json::Value;

use super::case::{hex, number, same, text, to_hex};

/// Whether the case holds; `None` if another layer reads this kind.
pub fn check(kind: &str, case: &Value) -> Option<Result<(), String>> {
    (kind == "channel-data").then(|| channel_data(case))
}

/// rfc8656-12-1, rfc8656-12.4-1, rfc8656-12.5-1
fn channel_data(case: &Value) -> Result<(), String> {
    let packet = hex(text(case, "packet"));
    match (text(case, "verdict"), ChannelData::parse(&packet)) {
        ("accept", Ok(read)) => {
            same("channel", &read.channel, &number(case, "channel"))?;
            same("data", to_hex(read.data).as_str(), text(case, "data"))
        }
        ("accept", Err(error)) => Err(format!("refused: {error}")),
        (_, Ok(read)) => Err(format!("accepted: {read:?}")),
        (_, Err(_)) => Ok(()),
    }
}
