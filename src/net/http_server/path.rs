//! One place has one path, however its letters are written (RFC 3986 section 6.2.2.2).
//!
//! ```text
//! /%6fffer  ->  /offer        a letter needs no percent sign
//! /a%2Fb    ->  /a%2Fb        a slash that stands for itself is no separator
//! ```
//! Asked by `answer.rs` before anything is looked for.

use std::borrow::Cow;

/// The path with its letters, digits, `-`, `.`, `_` and `~` as themselves; what else was escaped stays so.
pub(super) fn plain_path(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return path.into();
    }
    let mut pieces = path.split('%');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let escaped = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (escaped.filter(|byte| is_unreserved(*byte)), piece.get(2..)) {
            (Some(byte), Some(rest)) => {
                plain.push(char::from(byte));
                plain.push_str(rest);
            }
            _ => {
                plain.push('%');
                plain.push_str(piece);
            }
        }
    }
    plain.into()
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_no_percent_sign_loses_it() {
        for (path, plain) in [
            ("/offer", "/offer"),
            ("/%6fffer", "/offer"),
            ("/%6F%66fer", "/offer"),
            ("/calls/a%2Db%5Fc%7e/stats", "/calls/a-b_c~/stats"),
            ("/calls%2Fa", "/calls%2Fa"),
            ("/a%25b%3fc", "/a%25b%3fc"),
            ("/%+6ffer%", "/%+6ffer%"),
            ("/%6", "/%6"),
            ("/%2", "/%2"),
            ("/%c3%a4%256f", "/%c3%a4%256f"),
        ] {
            assert_eq!(plain_path(path), plain, "{path}");
        }
    }
}
