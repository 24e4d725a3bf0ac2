//! Vectors of the layer `ice`: `ice-priority`, `ice-pair-priority`.

use halloo::ice::{pair_priority, priority};
use serde_json::Value;

use super::case::{number, same, text};

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
    let of_type = number(case, "type_preference");
    let local = number(case, "local_preference");
    let component = number(case, "component");
    same("priority", &priority(of_type, local, component), &number(case, "priority"))
}

/// rfc8445-6.1.2.3-1
fn whole_pair_priority(case: &Value) -> Result<(), String> {
    let computed = pair_priority(number(case, "controlling"), number(case, "controlled"));
    let expected = text(case, "pair_priority");
    same("pair priority", &computed.to_string(), &expected.to_owned())
}
