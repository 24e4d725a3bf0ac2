//! One RTCP packet, sealed or opened in place (RFC 3711 section 3.4, RFC 7714 section 9).
//!
//! ```text
//! counter mode
//! +-------------+--------------+--------------+---------+
//! | header,     | the rest of  | E | index,   | tag, 10 |
//! | SSRC: 8     | the compound |   | 31 bits  |         |
//! +-------------+--------------+--------------+---------+
//!  in the clear   encrypted
//! |<------- authenticated ------------------->|
//!
//! GCM
//! +-------------+--------------+---------+--------------+
//! | header,     | the rest of  | tag, 16 | E | index,   |
//! | SSRC: 8     | the compound |         |   | 31 bits  |
//! +-------------+--------------+---------+--------------+
//! ```
//! The index is in the packet: nothing has to be guessed. E says that the middle is encrypted; without
//! it the packet is only authenticated, which is legal but never done here (rfc3711-3.4-1). Read next:
//! [`super::context`].

use super::derive::SessionKey;
use super::error::{Error, SrtpError};
use super::gcm::{Nonce, TAG};
use super::keys::SrtpProfile;
use super::srtp::Cipher;
use crate::rtp::Ssrc;
use crate::wire::Reader;

/// Seals and opens RTCP packets of one direction.
#[derive(Debug)]
pub struct Srtcp {
    cipher: Cipher,
}

/// Whether the middle of a packet is encrypted: the E bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrecy {
    /// E is set.
    Encrypted,
    /// E is clear: anybody can read the packet, nobody can change it.
    AuthenticatedOnly,
}

/// The index of an RTCP packet under its key and SSRC: 31 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RtcpIndex(u32);

impl RtcpIndex {
    /// The last one; then the key is used up (rfc3711-3.3.1-4).
    pub const MAX: Self = Self(0x7fff_ffff);

    /// `None` if it doesn't fit into 31 bits.
    #[must_use]
    pub fn new(index: u32) -> Option<Self> {
        (index <= Self::MAX.0).then_some(Self(index))
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }
}

/// What a sealed packet says of itself, before anything is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) ssrc: Ssrc,
    pub(super) index: RtcpIndex,
    pub(super) secrecy: Secrecy,
}

impl Claim {
    /// E and index as on the wire.
    fn trailer(self) -> [u8; INDEX] {
        let e = match self.secrecy {
            Secrecy::Encrypted => E,
            Secrecy::AuthenticatedOnly => 0,
        };
        (e | self.index.0).to_be_bytes()
    }

    fn nonce(self) -> Nonce {
        Nonce { ssrc: self.ssrc, index: self.index.0.into() }
    }

    /// What stays in the clear, and what is encrypted.
    fn split(self, packet: &mut [u8]) -> Result<(&[u8], &mut [u8]), SrtpError> {
        let clear = match self.secrecy {
            Secrecy::Encrypted => CLEAR,
            Secrecy::AuthenticatedOnly => packet.len(),
        };
        let (header, text) = packet.split_at_mut_checked(clear).ok_or(SrtpError::TooShort)?;
        Ok((header, text))
    }
}

impl Srtcp {
    /// Keyed once for all packets.
    ///
    /// # Errors
    /// The key's lengths are not the profile's, or OpenSSL fails.
    pub fn new(profile: SrtpProfile, key: &SessionKey) -> Result<Self, Error> {
        Ok(Self { cipher: Cipher::new(profile, key, profile.rtcp_tag_length())? })
    }

    /// Seals the packet in the first `length` bytes of `buffer`; the rest is room for index and tag.
    /// Returns the sealed packet's length.
    ///
    /// # Errors
    /// The packet is none, there is no room, or OpenSSL fails.
    pub fn protect(
        &mut self,
        index: RtcpIndex,
        secrecy: Secrecy,
        buffer: &mut [u8],
        length: usize,
    ) -> Result<usize, SrtpError> {
        let ssrc = sender(buffer.get(..length).ok_or(SrtpError::NoRoom)?)?;
        let claim = Claim { ssrc, index, secrecy };
        let trailer = claim.trailer();
        let sealed_length = length + self.overhead();
        let sealed = buffer.get_mut(..sealed_length).ok_or(SrtpError::NoRoom)?;
        let (packet, behind) = sealed.split_at_mut_checked(length).ok_or(SrtpError::NoRoom)?;
        let (header, text) = claim.split(packet)?;
        match &mut self.cipher {
            Cipher::CmHmac(cipher) => {
                cipher.apply(ssrc, index.0.into(), text)?;
                let (place, tag) = behind.split_at_mut_checked(INDEX).ok_or(SrtpError::NoRoom)?;
                place.copy_from_slice(&trailer);
                cipher.write_tag(packet, &trailer, tag);
            }
            Cipher::Gcm(cipher) => {
                let made = cipher.seal(claim.nonce(), [header, &trailer], text)?;
                let (tag, place) = behind.split_at_mut_checked(TAG).ok_or(SrtpError::NoRoom)?;
                tag.copy_from_slice(&made);
                place.copy_from_slice(&trailer);
            }
        }
        Ok(sealed_length)
    }

    /// Opens a packet; returns the plain packet's length. On failure the packet is garbage.
    ///
    /// # Errors
    /// The packet is none, or not authentic.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let claim = self.parse_sealed(packet)?;
        self.open(claim, packet)
    }

    /// Reads SSRC, index and E bit of a sealed packet.
    pub(super) fn parse_sealed(&self, packet: &[u8]) -> Result<Claim, SrtpError> {
        let length = packet.len().checked_sub(self.overhead());
        let (plain, behind) =
            length.and_then(|at| packet.split_at_checked(at)).ok_or(SrtpError::TooShort)?;
        let ssrc = sender(plain)?;
        let trailer = match &self.cipher {
            Cipher::CmHmac(_) => behind.first_chunk(),
            Cipher::Gcm(_) => behind.last_chunk(),
        };
        let word = u32::from_be_bytes(*trailer.ok_or(SrtpError::TooShort)?);
        let secrecy = if word & E == 0 { Secrecy::AuthenticatedOnly } else { Secrecy::Encrypted };
        Ok(Claim { ssrc, index: RtcpIndex(word & !E), secrecy })
    }

    /// [`Self::unprotect`] once the claim was read.
    pub(super) fn open(&mut self, claim: Claim, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let length = packet.len().saturating_sub(self.overhead());
        let trailer = claim.trailer();
        let (packet, behind) = packet.split_at_mut_checked(length).ok_or(SrtpError::TooShort)?;
        match &mut self.cipher {
            Cipher::CmHmac(cipher) => {
                let tag = behind.get(INDEX..).ok_or(SrtpError::TooShort)?;
                cipher.verify_tag(packet, &trailer, tag)?;
                let (_, text) = claim.split(packet)?;
                cipher.apply(claim.ssrc, claim.index.0.into(), text)?;
            }
            Cipher::Gcm(cipher) => {
                let tag = behind.first_chunk().ok_or(SrtpError::TooShort)?;
                let (header, text) = claim.split(packet)?;
                cipher.open(claim.nonce(), [header, &trailer], text, tag)?;
            }
        }
        Ok(length)
    }

    /// What sealing adds to a packet.
    fn overhead(&self) -> usize {
        INDEX + self.cipher.tag_length()
    }
}

/// The SSRC in the first packet of a compound: its sender, whose index it is.
pub(super) fn sender(packet: &[u8]) -> Result<Ssrc, SrtpError> {
    let mut r = Reader::new(packet);
    let [first, _, _, _, ssrc @ ..] = r.array::<CLEAR>().map_err(|_| SrtpError::TooShort)?;
    if first >> 6 != VERSION {
        return Err(SrtpError::Malformed);
    }
    Ok(Ssrc(u32::from_be_bytes(ssrc)))
}

/// Header and SSRC, which are never encrypted.
const CLEAR: usize = 8;
/// Bytes of E bit and index.
const INDEX: usize = 4;
const E: u32 = 0x8000_0000;
const VERSION: u8 = 2;
