//! What the handshake leaves behind: a profile, and master keys split by role (RFC 5764 section 4.2).
//!
//! ```text
//!  exporter "EXTRACTOR-dtls_srtp"
//! +------------------+------------------+-------------+-------------+
//! | client write key | server write key | client salt | server salt |
//! +------------------+------------------+-------------+-------------+
//! ```
//! Each side seals with its own pair and opens with the other's. Comes from [`super::handshake`]; read
//! next: [`super::derive`].

use std::fmt;
use std::str::FromStr;

use super::context::{Inbound, Outbound};
use super::error::Error;
use super::handshake::Role;
use crate::wire::{ParseError, Reader};

/// How packets are sealed: cipher, key sizes, tag (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types, reason = "the registered names, which end in the bits of the tag")]
pub enum SrtpProfile {
    /// AES-128 in counter mode, HMAC-SHA1 cut to 80 bits: everybody has it.
    AesCm128HmacSha1_80,
    /// The same with 32 bits under each packet. Not offered: too easily forged.
    AesCm128HmacSha1_32,
    /// RFC 6188. Not offered: browsers lack it.
    AesCm192HmacSha1_80,
    /// RFC 6188. Not offered: browsers lack it.
    AesCm256HmacSha1_80,
    /// RFC 6188. Not offered: browsers lack it.
    AesCm256HmacSha1_32,
    /// AES-128 in Galois counter mode.
    AeadAes128Gcm,
    /// AES-256 in Galois counter mode.
    AeadAes256Gcm,
}

impl SrtpProfile {
    /// Those a handshake may agree on, dearest first.
    pub const OFFERED: [Self; 3] =
        [Self::AeadAes128Gcm, Self::AeadAes256Gcm, Self::AesCm128HmacSha1_80];

    /// All that packets can be sealed with.
    pub const ALL: [Self; 7] = [
        Self::AesCm128HmacSha1_80,
        Self::AesCm128HmacSha1_32,
        Self::AesCm192HmacSha1_80,
        Self::AesCm256HmacSha1_80,
        Self::AesCm256HmacSha1_32,
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
    ];

    /// The name as crypto suites have it (RFC 4568, 6188, 7714).
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// The name in IANA's registry of DTLS-SRTP profiles, which W3C statistics use (RFC 5764 section
    /// 4.1.2, RFC 7714 section 14.2). What no handshake can agree on has none there.
    #[must_use]
    pub const fn registered_name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "SRTP_AES128_CM_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "SRTP_AES128_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
            Self::AesCm192HmacSha1_80 | Self::AesCm256HmacSha1_80 | Self::AesCm256HmacSha1_32 => {
                self.name()
            }
        }
    }

    /// Bytes of a master key, and of the session keys made from it.
    #[must_use]
    pub const fn key_length(self) -> usize {
        self.row().1
    }

    /// Bytes of a salt.
    #[must_use]
    pub const fn salt_length(self) -> usize {
        self.row().2
    }

    /// Bytes of the tag on an RTP packet: what sealing adds to it.
    #[must_use]
    pub const fn rtp_tag_length(self) -> usize {
        self.row().3
    }

    /// Bytes of the tag on an RTCP packet; four more carry its index.
    #[must_use]
    pub const fn rtcp_tag_length(self) -> usize {
        self.row().4
    }

    /// Whether one operation encrypts and authenticates.
    #[must_use]
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }

    /// name, key, salt, RTP tag, RTCP tag. A short tag is for RTP only (RFC 3711 section 5.2).
    const fn row(self) -> (&'static str, usize, usize, usize, usize) {
        match self {
            Self::AesCm128HmacSha1_80 => ("AES_CM_128_HMAC_SHA1_80", 16, 14, 10, 10),
            Self::AesCm128HmacSha1_32 => ("AES_CM_128_HMAC_SHA1_32", 16, 14, 4, 10),
            Self::AesCm192HmacSha1_80 => ("AES_192_CM_HMAC_SHA1_80", 24, 14, 10, 10),
            Self::AesCm256HmacSha1_80 => ("AES_256_CM_HMAC_SHA1_80", 32, 14, 10, 10),
            Self::AesCm256HmacSha1_32 => ("AES_256_CM_HMAC_SHA1_32", 32, 14, 4, 10),
            Self::AeadAes128Gcm => ("AEAD_AES_128_GCM", 16, 12, 16, 16),
            Self::AeadAes256Gcm => ("AEAD_AES_256_GCM", 32, 12, 16, 16),
        }
    }
}

impl fmt::Display for SrtpProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SrtpProfile {
    type Err = ();

    /// Reads a name.
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|profile| profile.name() == name).ok_or(())
    }
}

/// A master key with its salt: what one side seals with. Zeroed when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    /// The key.
    pub key: Vec<u8>,
    /// The salt.
    pub salt: Vec<u8>,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(secret)")
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        wipe(&mut self.key);
        wipe(&mut self.salt);
    }
}

/// Zeroes memory that is about to be freed; the black box keeps the compiler from leaving it out.
pub(super) fn wipe(secret: &mut [u8]) {
    secret.fill(0);
    std::hint::black_box(secret);
}

/// The master keys of both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterKeys {
    /// How to use them.
    pub profile: SrtpProfile,
    /// What we seal with.
    pub local: MasterKey,
    /// What we open with.
    pub remote: MasterKey,
}

impl MasterKeys {
    /// The exporter's label (RFC 5764 section 4.2).
    pub const LABEL: &'static str = "EXTRACTOR-dtls_srtp";

    /// How many bytes to export.
    #[must_use]
    pub const fn exported_length(profile: SrtpProfile) -> usize {
        2 * (profile.key_length() + profile.salt_length())
    }

    /// Splits exported bytes; `role` is ours in the handshake.
    ///
    /// # Errors
    /// Fewer bytes than the profile needs.
    pub fn split(profile: SrtpProfile, role: Role, exported: &[u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(exported);
        let client_key = r.take(profile.key_length())?.to_vec();
        let server_key = r.take(profile.key_length())?.to_vec();
        let client_salt = r.take(profile.salt_length())?.to_vec();
        let server_salt = r.take(profile.salt_length())?.to_vec();
        let client = MasterKey { key: client_key, salt: client_salt };
        let server = MasterKey { key: server_key, salt: server_salt };
        Ok(match role {
            Role::Client => Self { profile, local: client, remote: server },
            Role::Server => Self { profile, local: server, remote: client },
        })
    }

    /// Contexts for both directions.
    ///
    /// # Errors
    /// The lengths are not the profile's, or OpenSSL fails.
    pub fn contexts(&self) -> Result<(Outbound, Inbound), Error> {
        Ok((
            Outbound::new(self.profile, &self.local.key, &self.local.salt)?,
            Inbound::new(self.profile, &self.remote.key, &self.remote.salt)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// rfc5764-4.2-1: client key, server key, client salt, server salt.
    /// rfc5764-4.2-2: each side sends with its own and receives with the other's.
    #[test]
    fn the_export_is_split_by_role() {
        let profile = SrtpProfile::AeadAes128Gcm;
        let exported: Vec<u8> = (0..56).collect();
        let client = MasterKeys::split(profile, Role::Client, &exported).unwrap();
        let server = MasterKeys::split(profile, Role::Server, &exported).unwrap();
        assert_eq!((client.local.key[0], client.local.salt[0]), (0, 32));
        assert_eq!((client.remote.key[0], client.remote.salt[0]), (16, 44));
        assert_eq!((&client.local, &client.remote), (&server.remote, &server.local));
        assert!(MasterKeys::split(profile, Role::Client, &exported[..55]).is_err());
    }

    #[test]
    fn no_key_is_ever_printed() {
        let keys =
            MasterKeys::split(SrtpProfile::AesCm128HmacSha1_80, Role::Client, &[0xab; 60]).unwrap();
        let printed = format!("{keys:?}");
        assert!(!printed.contains("ab") && !printed.contains("171"), "{printed}");
    }

    /// rfc3711-4.2.1-1 and rfc7714-13.2-1
    #[test]
    fn tags_are_80_32_and_128_bits_and_only_rtp_has_short_ones() {
        for profile in SrtpProfile::ALL {
            let tags = (profile.rtp_tag_length(), profile.rtcp_tag_length());
            assert_eq!(
                tags,
                match profile.name() {
                    name if name.ends_with("_32") => (4, 10),
                    name if name.ends_with("_80") => (10, 10),
                    _ => (16, 16),
                }
            );
            assert_eq!(profile.name().parse(), Ok(profile));
        }
    }
}
