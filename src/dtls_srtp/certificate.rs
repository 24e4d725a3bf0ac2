//! Our certificate, and fingerprints: how SDP names a certificate (RFC 8122).
//!
//! Nobody signs these certificates. Their hash travels with the description (`a=fingerprint`), so
//! whoever trusts the signalling can tell that the DTLS handshake reached the right one:
//!
//! ```text
//! a=fingerprint:sha-256 D2:A3:38:05:E0:68:...
//!               ------- ---------------------
//!               HashAlgorithm   bytes: that hash of the certificate's DER
//! ```
//! Read next: [`super::handshake`].

use std::fmt;
use std::str::FromStr;

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::ssl::SslContext;
use openssl::x509::{X509, X509Ref};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::error::Error;
use super::{openssl_config, self_issued};

/// A self-signed P-256 certificate with its key, ready for any number of handshakes in both roles.
///
/// Making one takes 0.2 ms, so there is no reason to keep it longer than a call (rfc8827-6.5-6).
pub struct Certificate {
    context: SslContext,
    der: Vec<u8>,
}

impl Certificate {
    /// Makes a key and a certificate for it. OpenSSL draws the randomness.
    ///
    /// # Errors
    /// OpenSSL fails.
    pub fn generate() -> Result<Self, Error> {
        let key = self_issued::key()?;
        let x509 = self_signed(&key)?;
        Self::from_parts(&x509, &key)
    }

    /// Takes a certificate made elsewhere.
    ///
    /// # Errors
    /// OpenSSL refuses it: for instance, the key is not the certificate's.
    pub fn from_parts(x509: &X509Ref, key: &PKey<Private>) -> Result<Self, Error> {
        Ok(Self { context: openssl_config::configure(x509, key)?, der: x509.to_der()? })
    }

    /// The certificate as DER bytes.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What our description says about it. SHA-256 is always among those we offer (rfc8122-5.1-1).
    #[must_use]
    pub fn fingerprint(&self, algorithm: HashAlgorithm) -> Fingerprint {
        Fingerprint::of(algorithm, &self.der)
    }

    /// OpenSSL's configuration with this certificate in it.
    pub(super) fn context(&self) -> &SslContext {
        &self.context
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.fingerprint(HashAlgorithm::Sha256))
    }
}

/// Signs `key` with itself. The dates say nothing: they would only tell when the program was started,
/// and peers go by the fingerprint.
fn self_signed(key: &PKey<Private>) -> Result<X509, Error> {
    let (not_before, not_after) =
        (Asn1Time::from_str("20200101000000Z")?, Asn1Time::from_str("20491231235959Z")?);
    let mut builder = self_issued::unsigned(key, [&not_before, &not_after])?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(builder.build())
}

/// The kind of key in a certificate: it decides which cipher suites can be used with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertificateKind {
    /// An elliptic curve key, as browsers and we have.
    Ecdsa,
    /// An RSA key, as GStreamer has.
    Rsa,
}

impl fmt::Display for CertificateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ecdsa => "ECDSA",
            Self::Rsa => "RSA",
        })
    }
}

/// A hash that fingerprints may use, weakest first. MD2, MD5 and SHA-1 are refused (rfc8122-5-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashAlgorithm {
    /// SHA-256: everybody has it.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// The name in SDP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// Bytes of a hash value.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

/// The hash of a certificate, as `a=fingerprint` carries it.
///
/// ```
/// use halloo::dtls_srtp::{Certificate, Fingerprint, HashAlgorithm};
/// let ours = Certificate::generate()?.fingerprint(HashAlgorithm::Sha256);
/// let text = ours.to_string(); // sha-256 D2:A3:38:...
/// assert_eq!(text.to_lowercase().parse::<Fingerprint>()?, ours);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Which hash.
    pub algorithm: HashAlgorithm,
    /// Its value.
    pub bytes: Vec<u8>,
}

impl Fingerprint {
    /// Hashes a certificate's DER bytes.
    #[must_use]
    pub fn of(algorithm: HashAlgorithm, der: &[u8]) -> Self {
        Self { algorithm, bytes: algorithm.digest(der) }
    }

    /// Whether a certificate is one of those signalled.
    ///
    /// Of several hashes only the strongest counts, so that a weak one beside it opens no door; of
    /// several values of that hash, any (RFC 8122 section 5.1). None signalled: no certificate will do.
    #[must_use]
    pub fn any_matches(signalled: &[Self], der: &[u8]) -> bool {
        let Some(strongest) = signalled.iter().map(|fingerprint| fingerprint.algorithm).max()
        else {
            return false;
        };
        let shown = Self::of(strongest, der);
        signalled.contains(&shown)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        for (i, byte) in self.bytes.iter().enumerate() {
            write!(f, "{}{byte:02X}", if i == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Why a fingerprint's text is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// A hash that is broken, or that nobody uses here.
    #[error("fingerprints by {0:?} are not accepted")]
    Algorithm(String),
    /// Not hash, space, value.
    #[error("a fingerprint is a hash name, a space and a value")]
    Shape,
    /// Something else than pairs of hexadecimal digits with colons between.
    #[error("the value is not pairs of hexadecimal digits with colons between")]
    Hex,
    /// The value is not as long as the hash's values are.
    #[error("a {algorithm} value has {want} bytes, not {got}", algorithm = .algorithm.name(), want = .algorithm.length())]
    Length {
        /// The hash.
        algorithm: HashAlgorithm,
        /// The length found.
        got: usize,
    },
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Reads the attribute's value. Case counts neither in the name nor in the digits (rfc8122-5-1).
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let (name, value) = text.trim().split_once(' ').ok_or(FingerprintError::Shape)?;
        let algorithm = HashAlgorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| FingerprintError::Algorithm(name.to_owned()))?;
        let bytes: Vec<u8> = value.trim().split(':').map(hex_byte).collect::<Result<_, _>>()?;
        if bytes.len() != algorithm.length() {
            return Err(FingerprintError::Length { algorithm, got: bytes.len() });
        }
        Ok(Self { algorithm, bytes })
    }
}

/// Two hexadecimal digits; no sign, which `from_str_radix` alone would take.
fn hex_byte(pair: &str) -> Result<u8, FingerprintError> {
    if pair.len() != 2 || !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(FingerprintError::Hex);
    }
    u8::from_str_radix(pair, 16).map_err(|_| FingerprintError::Hex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::nid::Nid;

    /// rfc8122-5-1
    #[test]
    fn a_fingerprint_is_written_in_upper_case_and_read_in_any() {
        let fingerprint = Fingerprint::of(HashAlgorithm::Sha256, b"certificate");
        let text = fingerprint.to_string();
        assert_eq!(text.len(), "sha-256 ".len() + 32 * 3 - 1);
        assert!(text["sha-256 ".len()..].bytes().all(|c| c == b':' || !c.is_ascii_lowercase()));
        assert_eq!(text.parse(), Ok(fingerprint.clone()));
        assert_eq!(text.to_lowercase().parse(), Ok(fingerprint.clone()));
        assert_eq!(text.to_uppercase().parse(), Ok(fingerprint));
    }

    /// rfc8122-5-2, and SHA-1 with them
    #[test]
    fn broken_hashes_are_refused() {
        for name in ["sha-1", "SHA-1", "md5", "md2", "sha-224", "none"] {
            let refused = format!("{name} AB:CD").parse::<Fingerprint>();
            assert_eq!(refused, Err(FingerprintError::Algorithm(name.to_owned())));
        }
    }

    #[test]
    fn a_value_that_is_no_hash_is_refused() {
        let short = ["AB"; 31].join(":");
        for (text, why) in [
            ("sha-256".to_owned(), FingerprintError::Shape),
            ("sha-256 +1:AB".to_owned(), FingerprintError::Hex),
            ("sha-256 ABC:D".to_owned(), FingerprintError::Hex),
            ("sha-256 ".to_owned() + &short + ":", FingerprintError::Hex),
            (
                format!("sha-256 {short}"),
                FingerprintError::Length { algorithm: HashAlgorithm::Sha256, got: 31 },
            ),
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(why), "{text}");
        }
    }

    /// rfc8122-5.1-1
    #[test]
    fn the_strongest_signalled_hash_decides() {
        let [ours, theirs] = [b"ours".as_slice(), b"theirs"];
        let of = |algorithm, der| Fingerprint::of(algorithm, der);
        let (weak, strong) = (HashAlgorithm::Sha256, HashAlgorithm::Sha512);
        assert!(Fingerprint::any_matches(&[of(weak, ours), of(strong, theirs)], theirs));
        assert!(!Fingerprint::any_matches(&[of(weak, ours), of(strong, theirs)], ours));
        assert!(Fingerprint::any_matches(&[of(weak, theirs), of(weak, ours)], ours));
        assert!(!Fingerprint::any_matches(&[], ours), "nothing signalled proves nothing");
    }

    /// rfc8122-5.1-1 and rfc8827-6.5-1: a P-256 key; every certificate is new.
    #[test]
    fn each_certificate_has_a_p256_key_of_its_own() {
        let (one, other) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
        let x509 = X509::from_der(one.der()).unwrap();
        let key = x509.public_key().unwrap();
        assert_eq!(key.ec_key().unwrap().group().curve_name(), Some(Nid::X9_62_PRIME256V1));
        assert!(x509.verify(&key).unwrap(), "signed by itself");
        for algorithm in HashAlgorithm::ALL {
            assert_ne!(one.fingerprint(algorithm), other.fingerprint(algorithm));
        }
    }
}
