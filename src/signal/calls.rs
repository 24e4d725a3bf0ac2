//! What can be read about calls: `GET /calls`, `/calls/ID`, `/calls/ID/stats`, as JSON.
//!
//! ```text
//! GET /calls  ->  200 [{"id":"…","state":"connected","since":"2026-01-02T03:04:05.678Z", …}]
//! ```
//! RFC 9725 section 4.1 would have GET on a call's URL answer without content, because it defines
//! nothing to be read there; we do have something to tell.
//!
//! The driver's rows come as [`Row`], made by `net::http_server`. Next layer: [`crate::net`].

use super::{Response, offer::JSON};
use crate::peer::event::Directions;
use crate::peer::stats::Report;
use serde::Serialize;
use std::time::Duration;

/// What is told about one call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its name, as in its path.
    pub id: String,
    /// `ringing`, `connecting`, `connected` or `ended`.
    pub state: &'static str,
    /// When it came into that state (RFC 3339, UTC).
    pub since: String,
    /// When it began.
    pub began: String,
    /// Where its signalling comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Which way media is to flow, and does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Directions>,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// 200: all calls, the oldest first.
#[must_use]
pub fn list(rows: &[Row]) -> Response {
    json(rows)
}

/// 200: one call.
#[must_use]
pub fn one(row: &Row) -> Response {
    json(row)
}

/// 200: its statistics, id → dictionary, with W3C's names.
#[must_use]
pub fn stats(report: &Report) -> Response {
    json(report)
}

fn json(value: &(impl Serialize + ?Sized)) -> Response {
    // These types have string keys and no other way to fail; a failure would be an empty 500.
    serde_json::to_vec(value)
        .map_or_else(|_| Response::new(500), |body| Response::new(200).body(JSON, body))
}

/// A moment since 1970 as RFC 3339 writes it, in UTC with milliseconds.
///
/// ```
/// use halloo::signal::calls::rfc3339;
/// use std::time::Duration;
/// assert_eq!(rfc3339(Duration::from_millis(1_709_164_800_250)), "2024-02-29T00:00:00.250Z");
/// ```
#[must_use]
pub fn rfc3339(since_1970: Duration) -> String {
    let (days, seconds) = (since_1970.as_secs() / 86_400, since_1970.as_secs() % 86_400);
    // Years that begin in March put the leap day last; 400 of them always have 146,097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let (month, carry) = if from_march < 10 { (from_march + 3, 0) } else { (from_march - 9, 1) };
    let year = era * 400 + year_of_era + carry;
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let ms = since_1970.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_around_leap_days_and_new_year() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_767_225_599, "2025-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn an_open_call_has_no_reason() {
        let row = Row {
            id: "abc".into(),
            state: "connected",
            since: "2026-01-02T03:04:05.678Z".into(),
            began: "2026-01-02T03:04:05.000Z".into(),
            caller: None,
            direction: None,
            reason: None,
        };
        let list = list(std::slice::from_ref(&row));
        let json: serde_json::Value = serde_json::from_slice(&list.body).unwrap();
        assert_eq!((&json[0]["id"], &json[0]["state"]), (&"abc".into(), &"connected".into()));
        assert!(json[0].get("reason").is_none());
        assert_eq!(one(&row).find("content-type"), Some("application/json"));
    }
}
