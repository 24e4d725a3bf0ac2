//! From a master key to session keys (RFC 3711 section 4.3).
//!
//! Every key and salt is a stretch of AES counter mode key stream under the master key; only the
//! starting counter differs, by a label:
//!
//! ```text
//!   112 bits:  master salt  XOR  ( 00 .. 00 | label, 8 bits | r, 48 bits )
//!   then 16 bits of block counter, from 0
//! ```
//! `r` is the packet index divided by the key derivation rate. DTLS-SRTP has rate 0: keys are derived
//! once, and r is 0 (rfc3711-4.3-1). A 12-byte salt gets two zero bytes behind it (RFC 7714 section 11).
//!
//! Comes from [`super::keys`]; read next: [`super::srtp`].

use std::fmt;

use super::cm_hmac::AesCm;
use super::error::Error;
use super::keys::{SrtpProfile, wipe};

/// What a stretch of key stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label(pub u8);

impl Label {
    /// RTP: encryption.
    pub const RTP_ENCRYPTION: Self = Self(0);
    /// RTP: authentication.
    pub const RTP_AUTHENTICATION: Self = Self(1);
    /// RTP: salt.
    pub const RTP_SALT: Self = Self(2);
    /// RTCP: encryption.
    pub const RTCP_ENCRYPTION: Self = Self(3);
    /// RTCP: authentication.
    pub const RTCP_AUTHENTICATION: Self = Self(4);
    /// RTCP: salt.
    pub const RTCP_SALT: Self = Self(5);
}

/// Fills `output` with the key stream of a label.
///
/// # Errors
/// The key has no AES length, the salt is longer than 14 bytes, or OpenSSL fails.
pub fn derive(
    master_key: &[u8],
    master_salt: &[u8],
    label: Label,
    r: u64,
    output: &mut [u8],
) -> Result<(), Error> {
    let mut start = u128::from(label.0) << 64 | u128::from(r & 0xffff_ffff_ffff) << 16;
    start ^= salt_in_counter(master_salt)?;
    AesCm::new(master_key)?.key_stream(start, output)
}

/// A salt as the first 112 bits of a counter block.
pub(super) fn salt_in_counter(salt: &[u8]) -> Result<u128, Error> {
    let mut block = [0; 16];
    match block.get_mut(..salt.len().min(SALT_MAX + 1)) {
        Some(front) if salt.len() <= SALT_MAX => front.copy_from_slice(salt),
        _ => return Err(Error::KeyLength { what: "salt", want: SALT_MAX, got: salt.len() }),
    }
    Ok(u128::from_be_bytes(block))
}

/// What the last 16 bits of a counter block leave.
const SALT_MAX: usize = 14;
/// HMAC-SHA1 keys (RFC 3711 section 5.2).
const AUTHENTICATION_KEY: usize = 20;

/// What one protocol of one direction is sealed with. Zeroed when dropped, never printed.
#[derive(Clone)]
pub struct SessionKey {
    /// For the cipher.
    pub encryption: Vec<u8>,
    /// For HMAC; a cipher that authenticates doesn't need it.
    pub authentication: Vec<u8>,
    /// For the counter or nonce.
    pub salt: Vec<u8>,
}

impl SessionKey {
    /// For RTP.
    ///
    /// # Errors
    /// As for [`derive()`].
    pub fn rtp(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Result<Self, Error> {
        let labels = [Label::RTP_ENCRYPTION, Label::RTP_AUTHENTICATION, Label::RTP_SALT];
        Self::derived(profile, key, salt, labels)
    }

    /// For RTCP.
    ///
    /// # Errors
    /// As for [`derive()`].
    pub fn rtcp(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Result<Self, Error> {
        let labels = [Label::RTCP_ENCRYPTION, Label::RTCP_AUTHENTICATION, Label::RTCP_SALT];
        Self::derived(profile, key, salt, labels)
    }

    fn derived(
        profile: SrtpProfile,
        key: &[u8],
        salt: &[u8],
        [encryption, authentication, salting]: [Label; 3],
    ) -> Result<Self, Error> {
        check_length("key", profile.key_length(), key)?;
        check_length("salt", profile.salt_length(), salt)?;
        let make = |label, length| {
            let mut output = vec![0; length];
            derive(key, salt, label, 0, &mut output).map(|()| output)
        };
        Ok(Self {
            encryption: make(encryption, profile.key_length())?,
            authentication: make(authentication, AUTHENTICATION_KEY)?,
            salt: make(salting, profile.salt_length())?,
        })
    }
}

/// Refuses a key or salt of another length than the profile's.
pub(super) fn check_length(what: &'static str, want: usize, got: &[u8]) -> Result<(), Error> {
    if got.len() == want { Ok(()) } else { Err(Error::KeyLength { what, want, got: got.len() }) }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(secret)")
    }
}

impl Drop for SessionKey {
    fn drop(&mut self) {
        for secret in [&mut self.encryption, &mut self.authentication, &mut self.salt] {
            wipe(secret);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// rfc3711-4.3-1: labels 0, 1, 2 for SRTP and 3, 4, 5 for SRTCP. (Values: `tests/vectors`.)
    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let profile = SrtpProfile::AesCm128HmacSha1_80;
        let (key, salt) = ([7; 16], [9; 14]);
        let rtp = SessionKey::rtp(profile, &key, &salt).unwrap();
        let rtcp = SessionKey::rtcp(profile, &key, &salt).unwrap();
        for (label, made, length) in [
            (0, &rtp.encryption, 16),
            (1, &rtp.authentication, 20),
            (2, &rtp.salt, 14),
            (3, &rtcp.encryption, 16),
            (4, &rtcp.authentication, 20),
            (5, &rtcp.salt, 14),
        ] {
            let mut expected = vec![0; length];
            derive(&key, &salt, Label(label), 0, &mut expected).unwrap();
            assert_eq!(*made, expected, "label {label}");
        }
    }

    #[test]
    fn foreign_lengths_are_refused() {
        let profile = SrtpProfile::AeadAes128Gcm;
        assert!(SessionKey::rtp(profile, &[0; 32], &[0; 12]).is_err());
        assert!(SessionKey::rtp(profile, &[0; 16], &[0; 14]).is_err());
        assert!(derive(&[0; 16], &[0; 15], Label(0), 0, &mut []).is_err());
        assert!(derive(&[0; 17], &[0; 14], Label(0), 0, &mut []).is_err());
    }
}
