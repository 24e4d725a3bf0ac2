//! AES counter mode and HMAC-SHA1: what every WebRTC endpoint has (RFC 3711 sections 4.1.1, 4.2.1).
//!
//! ```text
//!   counter block:  ( salt | 00 00 )  XOR  ( SSRC << 64 )  XOR  ( index << 16 )  +  block number
//!   key stream:     AES(key, block 0) | AES(key, block 1) | ...
//!   cipher text:    payload XOR key stream
//!   tag:            the first bytes of HMAC-SHA1(authentication key, packet | ROC)
//! ```
//! So the counter blocks are laid out by hand, encrypted in one call, and XORed by hand. Two things
//! make it fast: the AES context is kept (a new one costs more than a packet), and the HMAC is keyed
//! once and copied for each packet (keying takes as long as hashing 128 bytes).
//!
//! Used by [`super::srtp`] and [`super::srtcp`]; its sibling is [`super::gcm`].

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use sha1::Sha1;

use super::derive::{SessionKey, salt_in_counter};
use super::error::{Error, SrtpError};
use crate::rtp::Ssrc;

/// AES in counter mode, under one key.
pub struct AesCm {
    /// AES on single blocks. Encryption only: counter mode never decrypts.
    block_cipher: CipherCtx,
    /// Counter blocks, then key stream. The last block is room that `CipherCtx` asks for.
    blocks: [u8; (BLOCKS_AT_ONCE + 1) * BLOCK],
}

const BLOCK: usize = 16;
/// A whole 20 ms packet of Opus at 64 kbit/s in one call.
const BLOCKS_AT_ONCE: usize = 12;

impl AesCm {
    /// For a key of 16, 24 or 32 bytes.
    ///
    /// # Errors
    /// Another length, or OpenSSL fails.
    pub fn new(key: &[u8]) -> Result<Self, Error> {
        let cipher = match key.len() {
            16 => Cipher::aes_128_ecb(),
            24 => Cipher::aes_192_ecb(),
            32 => Cipher::aes_256_ecb(),
            got => return Err(Error::KeyLength { what: "key", want: 16, got }),
        };
        let mut block_cipher = CipherCtx::new()?;
        block_cipher.encrypt_init(Some(cipher), Some(key), None)?;
        block_cipher.set_padding(false);
        Ok(Self { block_cipher, blocks: [0; (BLOCKS_AT_ONCE + 1) * BLOCK] })
    }

    /// Fills `output` with the key stream from this counter block on.
    ///
    /// # Errors
    /// OpenSSL fails.
    pub fn key_stream(&mut self, start: u128, output: &mut [u8]) -> Result<(), Error> {
        output.fill(0);
        Ok(self.apply(start, output)?)
    }

    /// XORs `text` with the key stream: encrypts and decrypts.
    pub(super) fn apply(
        &mut self,
        start: u128,
        text: &mut [u8],
    ) -> Result<(), openssl::error::ErrorStack> {
        let mut counter = start;
        for chunk in text.chunks_mut(BLOCKS_AT_ONCE * BLOCK) {
            let used = chunk.len().next_multiple_of(BLOCK);
            for (block, _) in self.blocks.chunks_exact_mut(BLOCK).zip(chunk.chunks(BLOCK)) {
                block.copy_from_slice(&counter.to_be_bytes());
                counter = counter.wrapping_add(1);
            }
            self.block_cipher.cipher_update_inplace(&mut self.blocks, used)?;
            for (byte, key) in chunk.iter_mut().zip(&self.blocks) {
                *byte ^= key;
            }
        }
        Ok(())
    }
}

/// The cipher and authenticator of one protocol in one direction.
pub struct CmHmac {
    cipher: AesCm,
    salt: u128,
    hmac: Hmac<Sha1>,
    tag_length: usize,
}

impl CmHmac {
    /// Keyed once for all packets.
    ///
    /// # Errors
    /// Key or salt has no usable length, or OpenSSL fails.
    pub fn new(key: &SessionKey, tag_length: usize) -> Result<Self, Error> {
        let wrong = Error::KeyLength { what: "key", want: 20, got: key.authentication.len() };
        Ok(Self {
            cipher: AesCm::new(&key.encryption)?,
            salt: salt_in_counter(&key.salt)?,
            hmac: Hmac::new_from_slice(&key.authentication).map_err(|_| wrong)?,
            tag_length,
        })
    }

    /// Bytes of a tag.
    #[must_use]
    pub fn tag_length(&self) -> usize {
        self.tag_length
    }

    /// Encrypts or decrypts in place (rfc3711-4.1.1-1).
    ///
    /// # Errors
    /// OpenSSL fails.
    pub fn apply(&mut self, ssrc: Ssrc, index: u64, text: &mut [u8]) -> Result<(), SrtpError> {
        let start = self.salt ^ u128::from(ssrc.0) << 64 ^ u128::from(index) << 16;
        self.cipher.apply(start, text).map_err(|_| SrtpError::Cipher)
    }

    /// The tag of a packet whose two parts lie apart, written to the whole of `tag`.
    pub fn write_tag(&self, packet: &[u8], behind: &[u8], tag: &mut [u8]) {
        let whole = self.hashed(packet, behind).finalize().into_bytes();
        for (to, from) in tag.iter_mut().zip(whole) {
            *to = from;
        }
    }

    /// Compares in constant time.
    ///
    /// # Errors
    /// The tag is another.
    pub fn verify_tag(&self, packet: &[u8], behind: &[u8], tag: &[u8]) -> Result<(), SrtpError> {
        self.hashed(packet, behind)
            .verify_truncated_left(tag)
            .map_err(|_| SrtpError::AuthenticationFailed)
    }

    fn hashed(&self, packet: &[u8], behind: &[u8]) -> Hmac<Sha1> {
        let mut hmac = self.hmac.clone();
        hmac.update(packet);
        hmac.update(behind);
        hmac
    }
}

impl fmt::Debug for AesCm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AesCm(secret)")
    }
}

impl fmt::Debug for CmHmac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CmHmac(secret)")
    }
}
