//! What every reader does with a case: take a member, compare it.
//!
//! A member that isn't there panics; the walk counts that as a failure of the case.

use std::fmt::Debug;

use serde_json::Value;

/// Bytes of a hexadecimal text.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "half a byte in {text}");
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// And back.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A member that is a text.
pub fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap_or_else(|| panic!("no {name}"))
}

/// A member that is a number, in the width that is wanted.
pub fn number<N: TryFrom<u64>>(case: &Value, name: &str) -> N {
    let number = case[name].as_u64().unwrap_or_else(|| panic!("no {name}"));
    N::try_from(number).unwrap_or_else(|_| panic!("{name} is too large"))
}

/// An error that shows both, unless they are equal.
pub fn same<T: PartialEq + Debug + ?Sized>(
    what: &str,
    found: &T,
    expected: &T,
) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, not {expected:?}")) }
}
