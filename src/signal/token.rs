//! The secret that callers must know: `Authorization: Bearer SECRET` (RFC 6750, RFC 9725 section 4.6).
//!
//! ```text
//! no header    -> 401, WWW-Authenticate: Bearer realm="halloo"
//! a wrong one  -> 401, WWW-Authenticate: Bearer realm="halloo", error="invalid_token"
//! ```
//! Only a hash of the secret is kept, and hashes are compared, in a time that depends on neither: how
//! long a refusal takes tells nothing about how much of a guess was right, and no log shows the secret.
//!
//! Comes from `--token`; asked by `net::http_server` for each request, before [`super::origin::judge`].

use std::fmt;

use openssl::memcmp;
use sha2::{Digest, Sha256};

use super::Problem;

/// What callers must know, as a hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

/// Whether a request bears the token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bearing {
    /// It has no `Authorization: Bearer`, or no token is asked for.
    #[default]
    Nothing,
    /// It has another secret.
    Wrong,
    /// It has the right one.
    Right,
    /// It is a browser's question beforehand (CORS preflight), which says that a token will come.
    Promised,
}

impl Token {
    /// Callers must know this secret.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Looks at an `Authorization` header.
    ///
    /// ```
    /// use halloo::signal::token::{Bearing, Token};
    /// let token = Token::new("open sesame");
    /// assert_eq!(token.borne_by(Some(b"Bearer open sesame")), Bearing::Right);
    /// assert_eq!(token.borne_by(Some(b"Bearer open says me")), Bearing::Wrong);
    /// assert_eq!(token.borne_by(None), Bearing::Nothing);
    /// ```
    #[must_use]
    pub fn borne_by(&self, authorization: Option<&[u8]>) -> Bearing {
        // RFC 9110 section 11.1: the scheme in any case, then at least one space.
        let Some((scheme, rest)) = authorization.and_then(|header| header.split_at_checked(6))
        else {
            return Bearing::Nothing;
        };
        if !scheme.eq_ignore_ascii_case(b"bearer") || !rest.starts_with(b" ") {
            return Bearing::Nothing;
        }
        let guess: [u8; 32] = Sha256::digest(rest.trim_ascii()).into();
        if memcmp::eq(&guess, &self.0) { Bearing::Right } else { Bearing::Wrong }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Problem {
    /// 401: the request doesn't bear the token.
    #[must_use]
    pub fn unauthorized(bearing: Bearing) -> Self {
        let (detail, challenge) = match bearing {
            Bearing::Wrong => {
                ("this is not the token", r#"Bearer realm="halloo", error="invalid_token""#)
            }
            _ => ("send Authorization: Bearer and the token", r#"Bearer realm="halloo""#),
        };
        Self::new(401, "This halloo wants a token")
            .detail(detail)
            .header("WWW-Authenticate", challenge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_as_a_table() {
        let token = Token::new("s3cret");
        for (header, bearing) in [
            ("Bearer s3cret", Bearing::Right),
            ("bearer s3cret", Bearing::Right),
            ("BEARER   s3cret ", Bearing::Right),
            ("Bearer S3cret", Bearing::Wrong),
            ("Bearer s3cre", Bearing::Wrong),
            ("Bearer s3crets", Bearing::Wrong),
            ("Bearer s3cret s3cret", Bearing::Wrong),
            ("Bearer ", Bearing::Wrong),
            ("Bearer", Bearing::Nothing),
            ("Bearers3cret", Bearing::Nothing),
            ("Basic s3cret", Bearing::Nothing),
            ("s3cret", Bearing::Nothing),
            ("", Bearing::Nothing),
        ] {
            assert_eq!(token.borne_by(Some(header.as_bytes())), bearing, "{header:?}");
        }
        assert_eq!(token.borne_by(Some(b"Bearer \xff\xfe")), Bearing::Wrong);
    }

    #[test]
    fn the_secret_is_in_no_log() {
        assert_eq!(format!("{:?}", Token::new("s3cret")), "Token(..)");
    }

    #[test]
    fn a_refusal_says_how_to_bear_a_token() {
        let response = Problem::unauthorized(Bearing::Nothing).into_response();
        let challenge = response.find("www-authenticate");
        assert_eq!((response.status, challenge), (401, Some(r#"Bearer realm="halloo""#)));
        let wrong = Problem::unauthorized(Bearing::Wrong).into_response();
        assert!(wrong.find("www-authenticate").unwrap().contains("invalid_token"));
    }
}
