//! The hash by which people tell certificates apart: SHA-256 over the certificate's DER.
//!
//! Browsers show the same one ("SHA-256 fingerprint"), so two people can compare what they see.
//! Goes to [`super::trust`]. Read next: `trust.rs`.

use std::fmt;
use std::str::FromStr;

use openssl::x509::X509Ref;
use sha2::{Digest, Sha256};

/// A certificate's SHA-256.
///
/// ```
/// use halloo::net::tls::Fingerprint;
/// let colons = ["5A"; 32].join(":");
/// let fingerprint: Fingerprint = colons.parse()?;
/// assert_eq!(fingerprint.to_string(), colons);
/// assert_eq!("5a".repeat(32).parse(), Ok(fingerprint));
/// # Ok::<(), halloo::net::tls::FingerprintError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// The text is no SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a fingerprint is a SHA-256: 64 hexadecimal digits, or 32 pairs of them with colons between"
)]
pub struct FingerprintError;

impl Fingerprint {
    /// Hashes a certificate.
    ///
    /// # Errors
    /// OpenSSL can't write it as DER.
    pub fn of(certificate: &X509Ref) -> Result<Self, openssl::error::ErrorStack> {
        Ok(Self(Sha256::digest(certificate.to_der()?).into()))
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Takes what we print and what browsers and `openssl x509 -fingerprint` do: the hash's name may
    /// stand before it.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let text = text.trim().to_ascii_lowercase();
        let value = ["sha-256", "sha256"].iter().find_map(|name| text.strip_prefix(name));
        let value = value.map_or(text.as_str(), |rest| {
            let rest = rest.trim_start();
            rest.strip_prefix("fingerprint=")
                .or(rest.strip_prefix(':'))
                .unwrap_or(rest)
                .trim_start()
        });
        let pairs: Vec<&[u8]> = match value.contains(':') {
            true => value.split(':').map(str::as_bytes).collect(),
            false => value.as_bytes().chunks(2).collect(),
        };
        let bytes: Option<Vec<u8>> = pairs.into_iter().map(byte).collect();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(FingerprintError)
    }
}

/// Two hexadecimal digits.
fn byte(pair: &[u8]) -> Option<u8> {
    let &[high, low] = pair else { return None };
    let digit = |character: u8| char::from(character).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if i == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_way_to_write_it_is_read() {
        let bare = "0123456789abcdef".repeat(4);
        let expected: Fingerprint = bare.parse().unwrap();
        let colons = expected.to_string();
        assert!(colons.starts_with("01:23:45:67:89:AB:CD:EF:01"), "{colons}");
        for text in [
            colons.clone(),
            colons.to_lowercase(),
            bare.to_uppercase(),
            format!("sha-256 {colons}"),
            format!("SHA-256:{bare}"),
            format!("sha256 Fingerprint={colons}"),
            format!("  {colons}\n"),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        let bare = "0123456789abcdef".repeat(4);
        let colons = bare.parse::<Fingerprint>().unwrap().to_string();
        for text in [
            "",
            "no",
            "sha-256",
            &bare[1..],
            &bare[2..],
            &format!("{bare}00"),
            &format!("{colons}:"),
            &format!("{colons}:00"),
            &colons.replacen(':', "", 1),
            &colons.replacen('0', "+", 1),
            &bare.replacen('0', "g", 1),
            &format!("sha-1 {bare}"),
            &"ä".repeat(32),
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(FingerprintError), "{text}");
        }
    }
}
