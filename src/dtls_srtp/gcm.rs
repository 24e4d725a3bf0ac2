//! AES-GCM: one operation encrypts and authenticates (RFC 7714).
//!
//! ```text
//!   nonce, 12 bytes:  salt  XOR  ( 00 00 | SSRC, 4 bytes | 48 bits of index )
//!   RTP:   associated data = header             index = ROC | sequence number
//!   RTCP:  associated data = header | E, index  index = 00 00 | 31-bit index
//! ```
//! OpenSSL's context is kept with its key; each packet only brings a new nonce.
//!
//! Used by [`super::srtp`] and [`super::srtcp`]; its sibling is [`super::cm_hmac`].

use std::fmt;

use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;

use super::derive::{SessionKey, check_length};
use super::error::{Error, SrtpError};
use crate::rtp::Ssrc;

/// Bytes of a tag (rfc7714-13.2-1).
pub const TAG: usize = 16;
const NONCE: usize = 12;

/// The cipher of one protocol in one direction.
pub struct Gcm {
    cipher: CipherCtx,
    salt: [u8; NONCE],
}

impl Gcm {
    /// Keyed once for all packets: 16 or 32 bytes of key, 12 of salt.
    ///
    /// # Errors
    /// Another length, or OpenSSL fails.
    pub fn new(key: &SessionKey) -> Result<Self, Error> {
        let suite = match key.encryption.len() {
            16 => Cipher::aes_128_gcm(),
            32 => Cipher::aes_256_gcm(),
            got => return Err(Error::KeyLength { what: "key", want: 16, got }),
        };
        check_length("salt", NONCE, &key.salt)?;
        let mut salt = [0; NONCE];
        salt.copy_from_slice(&key.salt);
        let mut cipher = CipherCtx::new()?;
        cipher.encrypt_init(Some(suite), Some(&key.encryption), None)?;
        Ok(Self { cipher, salt })
    }

    /// Encrypts in place and returns the tag over text and associated data, which comes in two parts.
    ///
    /// # Errors
    /// OpenSSL fails.
    pub fn seal(
        &mut self,
        nonce: Nonce,
        associated: [&[u8]; 2],
        text: &mut [u8],
    ) -> Result<[u8; TAG], SrtpError> {
        self.try_seal(&nonce.salted(self.salt), associated, text).map_err(|_| SrtpError::Cipher)
    }

    /// Decrypts in place. On failure the text is garbage.
    ///
    /// # Errors
    /// The tag is another. OpenSSL compares in constant time.
    pub fn open(
        &mut self,
        nonce: Nonce,
        associated: [&[u8]; 2],
        text: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), SrtpError> {
        self.try_open(&nonce.salted(self.salt), associated, text, tag)
            .map_err(|_| SrtpError::AuthenticationFailed)
    }

    fn try_seal(
        &mut self,
        nonce: &[u8; NONCE],
        associated: [&[u8]; 2],
        text: &mut [u8],
    ) -> Result<[u8; TAG], ErrorStack> {
        self.cipher.encrypt_init(None, None, Some(nonce))?;
        self.update(associated, text)?;
        self.cipher.cipher_final(&mut [])?;
        let mut tag = [0; TAG];
        self.cipher.tag(&mut tag)?;
        Ok(tag)
    }

    fn try_open(
        &mut self,
        nonce: &[u8; NONCE],
        associated: [&[u8]; 2],
        text: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), ErrorStack> {
        self.cipher.decrypt_init(None, None, Some(nonce))?;
        self.update(associated, text)?;
        self.cipher.set_tag(tag)?;
        self.cipher.cipher_final(&mut []).map(drop)
    }

    fn update(&mut self, associated: [&[u8]; 2], text: &mut [u8]) -> Result<(), ErrorStack> {
        for part in associated {
            if !part.is_empty() {
                self.cipher.cipher_update(part, None)?;
            }
        }
        if !text.is_empty() {
            let length = text.len();
            self.cipher.cipher_update_inplace(text, length)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Gcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gcm(secret)")
    }
}

/// What no two packets under one key may share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// Whose packet.
    pub ssrc: Ssrc,
    /// Which: 48 bits.
    pub index: u64,
}

impl Nonce {
    /// rfc7714-8.1-1
    fn salted(self, salt: [u8; NONCE]) -> [u8; NONCE] {
        let mut nonce = salt;
        let [_, _, index @ ..] = self.index.to_be_bytes();
        let unique = self.ssrc.0.to_be_bytes().into_iter().chain(index);
        for (byte, unique) in nonce.iter_mut().skip(2).zip(unique) {
            *byte ^= unique;
        }
        nonce
    }
}
