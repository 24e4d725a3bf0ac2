//! One RTP packet, sealed or opened in place, its index being known (RFC 3711 section 3.1, RFC 7714
//! section 8).
//!
//! ```text
//! +------------------------------+---------------------------+- - - - - - +
//! | header, CSRCs and extension  | payload, padding included | tag        |
//! +------------------------------+---------------------------+- - - - - - +
//!   in the clear                   encrypted
//! |<----------------- authenticated ------------------------>|
//! ```
//! Counter mode authenticates the rollover counter too, which is not sent (rfc3711-4.2-1); GCM has it
//! in its nonce. Which index a packet has is [`super::context`]'s business. Read next:
//! [`super::srtcp`].

use super::cm_hmac::CmHmac;
use super::derive::SessionKey;
use super::error::{Error, SrtpError};
use super::gcm::{Gcm, Nonce, TAG};
use super::index::PacketIndex;
use super::keys::SrtpProfile;
use crate::rtp::{SequenceNumber, Ssrc};
use crate::wire::{ParseError, Reader};

/// Seals and opens RTP packets of one direction.
#[derive(Debug)]
pub struct Srtp {
    cipher: Cipher,
}

/// How a direction is sealed.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one for each direction of a call, not in lists")]
pub(super) enum Cipher {
    CmHmac(CmHmac),
    Gcm(Gcm),
}

impl Cipher {
    pub(super) fn new(
        profile: SrtpProfile,
        key: &SessionKey,
        tag_length: usize,
    ) -> Result<Self, Error> {
        Ok(if profile.is_aead() {
            Self::Gcm(Gcm::new(key)?)
        } else {
            Self::CmHmac(CmHmac::new(key, tag_length)?)
        })
    }

    pub(super) fn tag_length(&self) -> usize {
        match self {
            Self::CmHmac(cipher) => cipher.tag_length(),
            Self::Gcm(_) => TAG,
        }
    }
}

impl Srtp {
    /// Keyed once for all packets.
    ///
    /// # Errors
    /// The key's lengths are not the profile's, or OpenSSL fails.
    pub fn new(profile: SrtpProfile, key: &SessionKey) -> Result<Self, Error> {
        Ok(Self { cipher: Cipher::new(profile, key, profile.rtp_tag_length())? })
    }

    /// Seals the packet in the first `length` bytes of `buffer`; the rest is room for the tag. Returns
    /// the sealed packet's length. `rollover_counter` is that of the packet.
    ///
    /// # Errors
    /// The packet is none, there is no room, or OpenSSL fails.
    pub fn protect(
        &mut self,
        rollover_counter: u32,
        buffer: &mut [u8],
        length: usize,
    ) -> Result<usize, SrtpError> {
        let head = Head::parse(buffer.get(..length).ok_or(SrtpError::NoRoom)?)?;
        self.seal(head, rollover_counter, buffer, length)
    }

    /// Opens a packet; returns the plain packet's length. On failure the packet is garbage.
    ///
    /// # Errors
    /// The packet is none, or not authentic.
    pub fn unprotect(
        &mut self,
        rollover_counter: u32,
        packet: &mut [u8],
    ) -> Result<usize, SrtpError> {
        let head = self.parse_sealed(packet)?;
        self.open(head, rollover_counter, packet)
    }

    /// Reads the header of a sealed packet, which has room for a tag behind it.
    pub(super) fn parse_sealed(&self, packet: &[u8]) -> Result<Head, SrtpError> {
        let length = packet.len().checked_sub(self.cipher.tag_length());
        let plain = length.and_then(|length| packet.get(..length)).ok_or(SrtpError::TooShort)?;
        Head::parse(plain)
    }

    /// [`Self::protect`] once the header was read.
    pub(super) fn seal(
        &mut self,
        head: Head,
        rollover_counter: u32,
        buffer: &mut [u8],
        length: usize,
    ) -> Result<usize, SrtpError> {
        let sealed_length = length + self.cipher.tag_length();
        let sealed = buffer.get_mut(..sealed_length).ok_or(SrtpError::NoRoom)?;
        let (packet, tag) = sealed.split_at_mut_checked(length).ok_or(SrtpError::NoRoom)?;
        let nonce = head.nonce(rollover_counter);
        let (header, payload) = head.split(packet)?;
        match &mut self.cipher {
            Cipher::CmHmac(cipher) => {
                cipher.apply(nonce.ssrc, nonce.index, payload)?;
                cipher.write_tag(packet, &rollover_counter.to_be_bytes(), tag);
            }
            Cipher::Gcm(cipher) => {
                tag.copy_from_slice(&cipher.seal(nonce, [header, &[]], payload)?);
            }
        }
        Ok(sealed_length)
    }

    /// [`Self::unprotect`] once the header was read.
    pub(super) fn open(
        &mut self,
        head: Head,
        rollover_counter: u32,
        packet: &mut [u8],
    ) -> Result<usize, SrtpError> {
        let length = packet.len().saturating_sub(self.cipher.tag_length());
        let (packet, tag) = packet.split_at_mut_checked(length).ok_or(SrtpError::TooShort)?;
        let nonce = head.nonce(rollover_counter);
        match &mut self.cipher {
            Cipher::CmHmac(cipher) => {
                // rfc3711-3.1-1: authenticate first, then decrypt.
                cipher.verify_tag(packet, &rollover_counter.to_be_bytes(), tag)?;
                let (_, payload) = head.split(packet)?;
                cipher.apply(nonce.ssrc, nonce.index, payload)?;
            }
            Cipher::Gcm(cipher) => {
                let tag = tag.first_chunk().ok_or(SrtpError::TooShort)?;
                let (header, payload) = head.split(packet)?;
                cipher.open(nonce, [header, &[]], payload, tag)?;
            }
        }
        Ok(length)
    }
}

/// What sealing must know of a header: how long it is, and which packet it heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) ssrc: Ssrc,
    pub(super) sequence_number: SequenceNumber,
    length: usize,
}

impl Head {
    /// Reads the fixed header, and past CSRCs and extension (RFC 3550 sections 5.1, 5.3.1).
    pub(super) fn parse(packet: &[u8]) -> Result<Self, SrtpError> {
        if packet.len() < FIXED_HEADER {
            return Err(SrtpError::TooShort);
        }
        let mut r = Reader::new(packet);
        Self::read(&mut r).map_err(|_| SrtpError::Malformed)
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let [first, _payload_type, s1, s2, _, _, _, _, c1, c2, c3, c4] = r.array()?;
        if first >> 6 != VERSION {
            return Err(ParseError::invalid(0, "RTP is of version 2"));
        }
        let csrc_count = usize::from(first & 0x0f);
        r.take(4 * csrc_count)?;
        if first & EXTENSION != 0 {
            let _profile = r.u16()?;
            let words = r.u16()?;
            r.take(4 * usize::from(words))?;
        }
        Ok(Self {
            ssrc: Ssrc(u32::from_be_bytes([c1, c2, c3, c4])),
            sequence_number: SequenceNumber(u16::from_be_bytes([s1, s2])),
            length: r.offset(),
        })
    }

    fn nonce(self, rollover_counter: u32) -> Nonce {
        let index = PacketIndex::new(rollover_counter, self.sequence_number);
        Nonce { ssrc: self.ssrc, index: index.value() }
    }

    /// rfc3711-3.3-1: CSRCs and extension stay in the clear.
    fn split(self, packet: &mut [u8]) -> Result<(&[u8], &mut [u8]), SrtpError> {
        let (header, payload) =
            packet.split_at_mut_checked(self.length).ok_or(SrtpError::Malformed)?;
        Ok((header, payload))
    }
}

const FIXED_HEADER: usize = 12;
const VERSION: u8 = 2;
const EXTENSION: u8 = 0x10;
