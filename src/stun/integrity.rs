//! MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT: who sent this, and is it STUN at all?
//! (RFC 8489 sections 14.5 to 14.7.)
//!
//! ```text
//!   header            attributes                      integrity           fingerprint
//! +--------+--------+-----------------------------+-----------------+-----------------+
//! | length | id ... | USERNAME, PRIORITY, ...     | HMAC of what is | CRC of what is  |
//! +--------+--------+-----------------------------+ before, length  | before          |
//!     ^ as if this attribute were the last        | set to end here |                 |
//!                                                 +-----------------+-----------------+
//! ```
//! The trap is the length field: each of the three counts a message that ends with itself, so that it
//! can be made before those behind it exist. An HMAC of 120 bytes costs three SHA-1 blocks; keying it
//! would cost two more, so [`IntegrityKey`] keeps the keyed state and each message starts from a copy.
//!
//! Comes from `message.rs` and `writer.rs`; keys are made by `credential.rs`. Read next: that.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::credential::{self, HashUnavailable, PasswordAlgorithm};

/// Length of an HMAC-SHA1.
pub const SHA1_LEN: usize = 20;
/// Length of an HMAC-SHA256 that nobody cut.
pub const SHA256_LEN: usize = 32;

/// Block length of SHA-1 and of SHA-256: HMAC pads a key to it.
const BLOCK_LEN: usize = 64;

/// Which of the two HMACs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegrityKind {
    /// MESSAGE-INTEGRITY, which all of ICE uses.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256.
    Sha256,
}

/// Why a message proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntegrityError {
    /// The attribute is not there.
    #[error("the message carries no proof")]
    Missing,
    /// It was made with another key or over other bytes.
    #[error("the proof does not match the message")]
    Mismatch,
    /// Its HMAC is shorter than the usage allows.
    #[error("the proof is cut shorter than allowed")]
    Cut,
}

/// The key of a credential, with both HMACs keyed and kept.
#[derive(Clone)]
pub struct IntegrityKey {
    sha1: Hmac<Sha1>,
    sha256: Hmac<Sha256>,
}

impl IntegrityKey {
    /// From the key bytes themselves.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        let sha1 = block(key, |long| Sha1::digest(long).to_vec());
        let sha256 = block(key, |long| Sha256::digest(long).to_vec());
        Self { sha1: Hmac::new(&sha1.into()), sha256: Hmac::new(&sha256.into()) }
    }

    /// As ICE does: the key is the password (section 9.1.1).
    #[must_use]
    pub fn short_term(password: &str) -> Self {
        Self::new(credential::opaque_string(password).as_bytes())
    }

    /// As TURN does: the key is a hash over user, realm and password (section 9.2.2).
    ///
    /// # Errors
    /// The system's OpenSSL refuses the hash.
    pub fn long_term(
        username: &str,
        realm: &str,
        password: &str,
        algorithm: PasswordAlgorithm,
    ) -> Result<Self, HashUnavailable> {
        Ok(Self::new(&credential::long_term_key(username, realm, password, algorithm)?))
    }

    /// HMAC-SHA1 over any bytes.
    #[must_use]
    pub fn hmac_sha1(&self, bytes: &[u8]) -> [u8; SHA1_LEN] {
        self.sha1.clone().chain_update(bytes).finalize().into_bytes().into()
    }

    /// HMAC-SHA256 over any bytes.
    #[must_use]
    pub fn hmac_sha256(&self, bytes: &[u8]) -> [u8; SHA256_LEN] {
        self.sha256.clone().chain_update(bytes).finalize().into_bytes().into()
    }

    /// MESSAGE-INTEGRITY of a message that goes to `covered` so far.
    pub(super) fn seal_sha1(&self, covered: &[u8]) -> [u8; SHA1_LEN] {
        sealed(&self.sha1, covered, SHA1_LEN).finalize().into_bytes().into()
    }

    /// MESSAGE-INTEGRITY-SHA256 of a message that goes to `covered` so far; `len` bytes will be kept.
    pub(super) fn seal_sha256(&self, covered: &[u8], len: usize) -> [u8; SHA256_LEN] {
        sealed(&self.sha256, covered, len).finalize().into_bytes().into()
    }

    pub(super) fn verify_sha1(&self, covered: &[u8], mac: &[u8]) -> Result<(), IntegrityError> {
        let expected = sealed(&self.sha1, covered, mac.len());
        expected.verify_slice(mac).map_err(|_| IntegrityError::Mismatch)
    }

    pub(super) fn verify_sha256(&self, covered: &[u8], mac: &[u8]) -> Result<(), IntegrityError> {
        let expected = sealed(&self.sha256, covered, mac.len());
        expected.verify_truncated_left(mac).map_err(|_| IntegrityError::Mismatch)
    }
}

impl fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntegrityKey(secret)")
    }
}

/// FINGERPRINT of a message whose header already counts that attribute.
#[must_use]
pub fn fingerprint(covered: &[u8]) -> u32 {
    crc32fast::hash(covered) ^ FINGERPRINT_MASK
}

/// "STUN": so that a CRC-32 of another protocol at the same place doesn't look right.
const FINGERPRINT_MASK: u32 = 0x5354_554E;

/// A copy of the keyed state that has seen `covered`, its length field set to end `mac_len` + 4 bytes
/// behind it.
fn sealed<M: Mac + Clone>(keyed: &M, covered: &[u8], mac_len: usize) -> M {
    let mut mac = keyed.clone();
    if let Some(([t0, t1, _, _], rest)) = covered.split_first_chunk::<4>() {
        let length = (covered.len() + 4 + mac_len).saturating_sub(super::header::HEADER_LEN);
        let [l0, l1] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        mac.update(&[*t0, *t1, l0, l1]);
        mac.update(rest);
    }
    mac
}

/// A key as HMAC takes it: padded with zeros to a block, and hashed before if longer (RFC 2104).
fn block(key: &[u8], hash: impl Fn(&[u8]) -> Vec<u8>) -> [u8; BLOCK_LEN] {
    let mut block = [0; BLOCK_LEN];
    let hashed;
    let key = if key.len() > BLOCK_LEN {
        hashed = hash(key);
        &hashed
    } else {
        key
    };
    for (padded, byte) in block.iter_mut().zip(key) {
        *padded = *byte;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2202 cases 3 and 6 are in vectors/hmac_sha1.json; here the edge between them.
    #[test]
    fn a_key_of_a_block_is_taken_as_it_is_and_a_longer_one_hashed() {
        let direct = |key: &[u8]| {
            let mac = <Hmac<Sha1> as KeyInit>::new_from_slice(key).unwrap();
            <[u8; 20]>::from(mac.chain_update(b"text").finalize().into_bytes())
        };
        for length in [0, 1, 63, 64, 65, 200] {
            let key = vec![0xaa; length];
            assert_eq!(IntegrityKey::new(&key).hmac_sha1(b"text"), direct(&key), "{length}");
        }
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let shown = format!("{:?}", IntegrityKey::short_term("hunter2"));
        assert_eq!(shown, "IntegrityKey(secret)");
    }

    /// rfc8489-14.5-1: the length that is hashed ends with the attribute, whatever the header says.
    #[test]
    fn the_proof_counts_only_up_to_itself() {
        let key = IntegrityKey::short_term("secret");
        let header = |length| [&[0, 1, 0, length, 0x21, 0x12, 0xa4, 0x42][..], &[0; 12]].concat();
        assert_eq!(key.seal_sha1(&header(0)), key.seal_sha1(&header(99)));
        assert_eq!(key.seal_sha1(&header(0)), key.hmac_sha1(&header(24)));
        assert_eq!(key.seal_sha256(&header(0), 16), key.hmac_sha256(&header(20)));
    }
}
