//! Credentials: from a name and a password to the key of an HMAC (RFC 8489 section 9).
//!
//! Read next: `transaction.rs`.

use std::borrow::Cow;

use openssl::hash::{MessageDigest, hash};

/// How a long-term key is made from name, realm and password (section 18.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordAlgorithm {
    /// 16 bytes, as it always was.
    Md5,
    /// 32 bytes, since RFC 8489.
    Sha256,
}

/// The key bytes of a long-term credential (section 9.2.2).
///
/// # Errors
/// The system's OpenSSL refuses the hash, as one in FIPS mode refuses MD5.
pub fn long_term_key(
    username: &str,
    realm: &str,
    password: &str,
    algorithm: PasswordAlgorithm,
) -> Result<Vec<u8>, HashUnavailable> {
    let text = format!("{username}:{}:{}", opaque_string(realm), opaque_string(password));
    let digest = match algorithm {
        PasswordAlgorithm::Md5 => MessageDigest::md5(),
        PasswordAlgorithm::Sha256 => MessageDigest::sha256(),
    };
    hash(digest, text.as_bytes()).map(|key| key.to_vec()).map_err(|_| HashUnavailable)
}

/// The system's OpenSSL refuses a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this system's OpenSSL refuses the password algorithm's hash")]
pub struct HashUnavailable;

/// A password or realm as it is hashed (RFC 8265 section 4.2.2): every kind of space becomes U+0020.
///
/// The profile's other step, normalization to NFC, is left out: it would take Unicode's tables, and
/// ICE passwords are ASCII.
#[must_use]
pub fn opaque_string(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_space_separator(c) { ' ' } else { c }).collect())
}

/// Unicode category Zs.
fn is_space_separator(c: char) -> bool {
    matches!(
        c,
        ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}
