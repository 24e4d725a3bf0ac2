//! Vectors of the layer `ice`: `ice-priority`, `ice-pair-priority`.

use halloo::ice::{pair_priority, priority};
use serde_json::Value;

/// Whether the case holds; `None` if another layer reads this kind.
pub fn check(kind: &str, case: &Value) -> Option<Result<(), String>> {
    match kind {
        "ice-priority" => Some(candidate_priority(case)),
        "ice-pair-priority" => Some(whole_pair_priority(case)),
        _ => None,
    }
}

/// rfc8445-5.1.2.1-1
fn candidate_priority(case: &Value) -> Result<(), String> {
    let of_type = number(case, "type_preference")?;
    let local = number(case, "local_preference")?;
    let component = number(case, "component")?;
    same(u64::from(priority(of_type, local, component)), number(case, "priority")?)
}

/// rfc8445-6.1.2.3-1
fn whole_pair_priority(case: &Value) -> Result<(), String> {
    let computed = pair_priority(number(case, "controlling")?, number(case, "controlled")?);
    let expected = case["pair_priority"].as_str().ok_or("no pair_priority")?;
    same(computed, expected.parse().map_err(|_| "pair_priority is no number")?)
}

fn number<N: TryFrom<u64>>(case: &Value, field: &str) -> Result<N, String> {
    let number = case[field].as_u64().ok_or_else(|| format!("no {field}"))?;
    N::try_from(number).map_err(|_| format!("{field} is too large"))
}

fn same(computed: u64, expected: u64) -> Result<(), String> {
    if computed == expected { Ok(()) } else { Err(format!("{computed}, expected {expected}")) }
}
