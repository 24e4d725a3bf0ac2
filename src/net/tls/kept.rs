//! Our certificate, the same at every start, so that those who have seen it know it again.
//!
//! ```text
//! no file         -> made, put in place whole
//! file            -> read                 -> expires within 30 days: a new one takes its place
//!   \-> broken    -> an error: who remembers the old one would be frightened by a new one
//! can't be kept   -> made for this run, and said so
//! ```
//! One file holds both certificate and key, so that neither is ever there without the other. Whoever
//! has a certificate of an authority gives its files instead ([`Identity::from_files`]).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

pub use super::self_signed::Holder;
use super::{Fingerprint, self_signed};
use crate::net::data_folder;

/// A certificate with its key and those who signed it.
#[derive(Clone)]
pub struct Identity {
    pub(super) certificate: X509,
    pub(super) chain: Vec<X509>,
    pub(super) key: PKey<Private>,
    fingerprint: Fingerprint,
}

/// Where a certificate came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was there.
    Found,
    /// It is new, because there was none.
    Made,
    /// It is new, because the one there expires soon.
    Renewed,
    /// It is new, and will be so the next time: it can't be kept.
    NotKept {
        /// Why.
        why: String,
    },
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct IdentityError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl Identity {
    /// The kept one in this folder; made if there is none. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// There is one, and it can't be used.
    pub fn kept(
        folder: Option<&Path>,
        holder: &Holder,
        now: i64,
    ) -> Result<(Self, Origin), IdentityError> {
        let made = || Self::make(holder, now);
        let Some(folder) = folder else {
            let why = "no folder for it; XDG_DATA_HOME names one".to_owned();
            return made().map(|made| (made, Origin::NotKept { why }));
        };
        let file = folder.join("certificate.pem");
        let found = match fs::read(&file) {
            Ok(pem) => {
                let why = |why| IdentityError { file: file.clone(), why };
                let found = Self::from_pem(&pem, &pem).map_err(why)?;
                if found.is_good_for_long(now) {
                    keep_private(&file);
                    return Ok((found, Origin::Found));
                }
                Some(found)
            }
            Err(error) if is_nowhere(&error) => None,
            Err(error) => return Err(IdentityError { file, why: error.to_string() }),
        };
        let new = made()?;
        let (placed, origin) = match found {
            Some(_expiring) => (data_folder::replace(&file, &new.to_pem()?), Origin::Renewed),
            None => (data_folder::create(&file, &new.to_pem()?), Origin::Made),
        };
        match placed {
            Ok(()) => Ok((new, origin)),
            // Another halloo was faster: theirs is as good.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Self::kept(Some(folder), holder, now)
            }
            Err(error) => {
                let why = format!("{}: {error}", file.display());
                Ok((new, Origin::NotKept { why }))
            }
        }
    }

    /// The one in these PEM files: the certificate first, then those who signed it; and its key.
    ///
    /// # Errors
    /// The files can't be read, or don't belong together.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let read = |file: &Path| {
            let refuse =
                |error: io::Error| IdentityError { file: file.to_owned(), why: error.to_string() };
            fs::read(file).map_err(refuse)
        };
        let (certificates, private) = (read(certificate)?, read(key)?);
        let refuse = |file: &Path, why| IdentityError { file: file.to_owned(), why };
        let chain = chain(&certificates).map_err(|why| refuse(certificate, why))?;
        let private = private_key(&private).map_err(|why| refuse(key, why))?;
        Self::new(chain, private).map_err(|why| refuse(key, why))
    }

    /// What those who call will see.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn make(holder: &Holder, now: i64) -> Result<Self, IdentityError> {
        let (certificate, key) = self_signed::make(holder, now)?;
        let fingerprint = Fingerprint::of(&certificate)?;
        Ok(Self { certificate, chain: Vec::new(), key, fingerprint })
    }

    fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, String> {
        Self::new(chain(certificates)?, private_key(key)?)
    }

    fn new(chain: Vec<X509>, key: PKey<Private>) -> Result<Self, String> {
        let mut chain = chain.into_iter();
        let certificate = chain.next().ok_or_else(|| NO_CERTIFICATE.to_owned())?;
        let is_its_key = certificate.public_key().is_ok_and(|public| public.public_eq(&key));
        if !is_its_key {
            return Err("the key is not that of the certificate".to_owned());
        }
        let fingerprint = Fingerprint::of(&certificate).map_err(|error| error.to_string())?;
        Ok(Self { certificate, chain: chain.collect(), key, fingerprint })
    }

    fn to_pem(&self) -> Result<Vec<u8>, ErrorStack> {
        let mut pem = self.certificate.to_pem()?;
        pem.extend(self.key.private_key_to_pem_pkcs8()?);
        Ok(pem)
    }

    fn is_good_for_long(&self, now: i64) -> bool {
        let soon = Asn1Time::from_unix(now + RENEWED_BEFORE_DAYS * self_signed::DAY);
        soon.is_ok_and(|soon| self.certificate.not_after() > soon)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.fingerprint)
    }
}

impl From<ErrorStack> for IdentityError {
    fn from(error: ErrorStack) -> Self {
        Self { file: "OpenSSL".into(), why: error.to_string() }
    }
}

fn chain(pem: &[u8]) -> Result<Vec<X509>, String> {
    match X509::stack_from_pem(pem) {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(NO_CERTIFICATE.to_owned()),
    }
}

fn private_key(pem: &[u8]) -> Result<PKey<Private>, String> {
    // With an empty passphrase nobody is asked for one, in the middle of the terminal.
    PKey::private_key_from_pem_passphrase(pem, b"")
        .map_err(|_| "there is no private key in it, as PEM and without a passphrase".to_owned())
}

/// There is no such file, nor can there be one where a file stands in the folder's place.
fn is_nowhere(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Somebody copied it, perhaps, and the copy may be read by others: no longer.
fn keep_private(file: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(file).map(|metadata| metadata.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o077 != 0) {
            let done = fs::set_permissions(file, fs::Permissions::from_mode(0o600));
            let file = file.display();
            match done {
                Ok(()) => tracing::warn!("{file} could be read by others; now only by its owner"),
                Err(error) => tracing::warn!("{file} can be read by others, and stays so: {error}"),
            }
        }
    }
    #[cfg(not(unix))]
    let _in_the_users_profile = file;
}

const NO_CERTIFICATE: &str = "there is no certificate in it, as PEM";
/// Who is warned by a new certificate should be so at a start, not in the middle of the year.
const RENEWED_BEFORE_DAYS: i64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("halloo-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn kept(folder: &Path, now: i64) -> (Fingerprint, Origin) {
        let (identity, origin) = Identity::kept(Some(folder), &Holder::default(), now).unwrap();
        (identity.fingerprint(), origin)
    }

    #[test]
    fn it_stays_the_same_until_it_is_about_to_expire() {
        let folder = folder("kept");
        let (first, origin) = kept(&folder, NOW);
        assert_eq!(origin, Origin::Made);
        let almost = NOW + (self_signed::VALID_DAYS - 32) * self_signed::DAY;
        assert_eq!(kept(&folder, NOW), (first, Origin::Found));
        assert_eq!(kept(&folder, almost), (first, Origin::Found));
        let (renewed, origin) = kept(&folder, almost + 2 * self_signed::DAY);
        assert_eq!(origin, Origin::Renewed);
        assert_ne!(renewed, first);
        assert_eq!(kept(&folder, almost + 2 * self_signed::DAY), (renewed, Origin::Found));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_broken_one_is_not_replaced() {
        let folder = folder("kept-broken");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("certificate.pem");
        let (other, _) = Identity::kept(None, &Holder::default(), NOW).unwrap();
        let certificate_only = String::from_utf8(other.certificate.to_pem().unwrap()).unwrap();
        for text in ["", "nonsense", &certificate_only] {
            fs::write(&file, text).unwrap();
            let error = Identity::kept(Some(&folder), &Holder::default(), NOW).unwrap_err();
            assert!(error.to_string().contains("certificate.pem: "), "{error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let folder = folder("kept-files");
        fs::create_dir_all(&folder).unwrap();
        let [one, other] = [0, 1].map(|_| Identity::make(&Holder::default(), NOW).unwrap());
        let write = |name: &str, content: &[u8]| {
            let file = folder.join(name);
            fs::write(&file, content).unwrap();
            file
        };
        let certificate = write("one.pem", &one.certificate.to_pem().unwrap());
        let key = write("one.key", &one.key.private_key_to_pem_pkcs8().unwrap());
        let wrong = write("other.key", &other.key.private_key_to_pem_pkcs8().unwrap());
        let locked = one
            .key
            .private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_128_cbc(), b"secret");
        let locked = write("locked.key", &locked.unwrap());
        let whole = Identity::from_files(&certificate, &key).unwrap();
        assert_eq!(whole.fingerprint(), one.fingerprint());
        for (certificate, key, shown) in [
            (&certificate, &wrong, "other.key"),
            (&certificate, &locked, "locked.key"),
            (&certificate, &certificate, "one.pem"),
            (&key, &key, "one.key"),
            (&certificate, &folder.join("none"), "none"),
        ] {
            let error = Identity::from_files(certificate, key).unwrap_err();
            assert!(error.to_string().contains(shown), "{error}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
