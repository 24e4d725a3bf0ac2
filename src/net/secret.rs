//! A secret that a person gave: it can be used, and is shown nowhere.
//!
//! `--token` comes as a [`Secret`], so that neither `{:?}` nor a log line ever has it.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// The text of a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for whoever it is meant for.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether an `Authorization: Bearer` header can hold it: visible characters of ASCII, at least one
    /// (RFC 6750 section 2.1 allows fewer still).
    #[must_use]
    pub fn is_token(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_header_can_hold_is_no_token() {
        for (text, is_token) in [
            ("s3cret/+~=", true),
            ("", false),
            ("a b", false),
            ("a\r\nb", false),
            ("schlüssel", false),
        ] {
            let Ok(secret) = text.parse::<Secret>();
            assert_eq!(secret.is_token(), is_token, "{text:?}");
            assert_eq!(format!("{secret:?}"), "Secret(..)");
        }
    }
}
