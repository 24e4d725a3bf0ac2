//! Six words that both ends of a call show: the same at both, or somebody is in between.
//!
//! ```text
//! certificates   SHA-256 of ours, SHA-256 of theirs, the smaller first: 64 bytes
//!                PBKDF2-HMAC-SHA256, salt "halloo phrase 1", 600,000 rounds
//! first 66 bits  |11 bits |11 bits |11 bits |11 bits |11 bits |11 bits |
//!                 reveal   panther  illegal  expose   cup      remove
//! ```
//! Whoever carries the descriptions can put fingerprints of their own in, and then sits in the middle of
//! two calls that are each perfectly encrypted. Two people who read the words to each other find out.
//!
//! Why so many rounds: the one in the middle may make certificates until both calls have the same words.
//! 66 bits are few for that, so each try is made to cost a fifth of a second instead of nothing. That is
//! why nobody calls this where something waits for it (`net::driver` has a thread for it).
//!
//! The words are BIP-39's (`phrase/README.md`): no two of them share their first four letters. Theirs is
//! the certificate that was shown in the handshake, so it doesn't matter by which hash the description
//! named it. Comes from [`super::handshake`].

use std::fmt;

use openssl::hash::MessageDigest;
use openssl::pkcs5::pbkdf2_hmac;

use super::error::Error;

/// SHA-256 of a certificate's DER.
pub type CertificateHash = [u8; 32];

/// The words.
///
/// ```
/// use halloo::dtls_srtp::Phrase;
/// let (ours, theirs) = ([1; 32], [2; 32]);
/// let phrase = Phrase::of(&ours, &theirs)?;
/// assert_eq!(phrase, Phrase::of(&theirs, &ours)?); // both ends show the same
/// assert_eq!(phrase.to_string().split(' ').count(), 6);
/// # Ok::<(), halloo::dtls_srtp::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phrase([&'static str; WORDS]);

impl Phrase {
    /// Computes it: a fifth of a second of work.
    ///
    /// # Errors
    /// OpenSSL fails.
    pub fn of(one: &CertificateHash, other: &CertificateHash) -> Result<Self, Error> {
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        let password = [first.as_slice(), second].concat();
        let mut key = [0; 16];
        pbkdf2_hmac(&password, SALT, ROUNDS, MessageDigest::sha256(), &mut key)?;
        let bits = u128::from_be_bytes(key);
        let mut words = [""; WORDS];
        for (place, word) in words.iter_mut().enumerate() {
            let index = (bits >> (128 - BITS_PER_WORD * (place + 1))) & MOST;
            let line = usize::try_from(index).unwrap_or_default();
            *word = ENGLISH.lines().nth(line).unwrap_or_default();
        }
        Ok(Self(words))
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

const WORDS: usize = 6;
const BITS_PER_WORD: usize = 11;
/// The largest number of so many bits.
const MOST: u128 = (1 << BITS_PER_WORD) - 1;
const SALT: &[u8] = b"halloo phrase 1";
const ROUNDS: usize = 600_000;
const ENGLISH: &str = include_str!("phrase/english.txt");

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn hash(of: &str) -> CertificateHash {
        Sha256::digest(of).into()
    }

    #[test]
    fn the_words_are_those_of_an_independent_computation() {
        // Python's hashlib.pbkdf2_hmac and the word list:
        //   key = pbkdf2_hmac("sha256", min(a, b) + max(a, b), b"halloo phrase 1", 600000)
        //   n = int.from_bytes(key, "big") >> 190
        //   [words[n >> shift & 2047] for shift in (55, 44, 33, 22, 11, 0)]
        let up = std::array::from_fn(|n| u8::try_from(n).unwrap());
        let down = up.map(|byte: u8| 255 - byte);
        for (one, other, words) in [
            (up, down, "reveal panther illegal expose cup remove"),
            (down, up, "reveal panther illegal expose cup remove"),
            (hash("alice"), hash("bob"), "thought danger door wasp talent still"),
            ([0; 32], [0; 32], "gaze crowd tunnel custom then bacon"),
        ] {
            assert_eq!(Phrase::of(&one, &other).unwrap().to_string(), words);
        }
    }

    #[test]
    fn the_list_is_bip_39s() {
        let sum = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda";
        let digest = hash(ENGLISH);
        assert_eq!(digest.iter().map(|b| format!("{b:02x}")).collect::<String>(), sum);
        assert_eq!(ENGLISH.lines().count(), 1 << BITS_PER_WORD);
    }
}
