//! Whom to believe: the rule for each connection of a call.
//!
//! | the certificate | with `--pin` | without |
//! | --- | --- | --- |
//! | is the pinned one | believed, and remembered | |
//! | is another one | refused, whoever vouches for it | |
//! | is the one that this host showed last time | | believed |
//! | is vouched for by the system's authorities, for this name and today | | believed |
//! | is signed by itself, from a host not met before | | believed, shown, remembered |
//! | is signed by itself, from a host that showed another one | | refused, with both |
//! | anything else: another's name, expired, unknown authority | | refused, with the reason |
//!
//! An unencrypted connection is made only to loopback when there is a secret to keep (a token) or the
//! other side is to be proved (a pin), and once a connection of the call was encrypted. With a pin it has to be
//! the second choice: who pins a certificate and writes `http://` is told that it can't be had.
//!
//! Asked by `net::http_client` after each handshake, before anything is sent. Read next:
//! `known_hosts.rs`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::client::Signer;
use super::{Fingerprint, KnownHosts};

/// The rule, with what one call has to go by.
#[derive(Debug)]
pub struct Trust {
    pin: Option<Fingerprint>,
    known: Option<KnownHosts>,
    clear: Clear,
    was_encrypted: AtomicBool,
    /// Told when the next unencrypted connection stands.
    on_clear: Mutex<Option<Note>>,
    notes: UnboundedSender<Note>,
}

/// Where an unencrypted connection may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clear {
    /// Anywhere.
    Anywhere,
    /// To this machine only: a token would be read on the way.
    Loopback,
}

/// What the person is to know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// A certificate that nobody vouches for is believed from now on.
    #[error(
        "first call to {at}: nobody vouches for its certificate, so it is remembered: sha-256 {shown} \
         (compare it with what is shown there)"
    )]
    FirstUse {
        /// Host and port.
        at: String,
        /// The certificate.
        shown: Fingerprint,
    },
    /// It can't be remembered.
    #[error("the certificate of {at} can't be remembered: {why}")]
    NotRemembered {
        /// Host and port.
        at: String,
        /// The system's words.
        why: String,
    },
    /// The pinned certificate takes the place of the remembered one.
    #[error("{at} is remembered with the pinned certificate from now on")]
    Replaced {
        /// Host and port.
        at: String,
    },
    /// Nobody takes encrypted calls there.
    #[error("no TLS at {first}: calling {at} unencrypted (media is encrypted in any case)")]
    Unencrypted {
        /// Host and port that were tried before.
        first: String,
        /// Host and port.
        at: String,
    },
}

/// Why somebody is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// Not the certificate that `--pin` names.
    #[error("the certificate of {at} is not the pinned one: it is sha-256 {shown}")]
    Pin {
        /// Host and port.
        at: String,
        /// What it showed.
        shown: Fingerprint,
    },
    /// Not the certificate of last time.
    #[error("the certificate of {at} has changed: it was sha-256 {known}, now it is {shown}")]
    Changed {
        /// Host and port.
        at: String,
        /// What it showed last time.
        known: Fingerprint,
        /// What it shows now.
        shown: Fingerprint,
    },
    /// The certificate authorities object.
    #[error("the certificate of {at} is not valid: {why} (sha-256 {shown})")]
    Invalid {
        /// Host and port.
        at: String,
        /// OpenSSL's words.
        why: String,
        /// What it showed.
        shown: Fingerprint,
    },
    /// What was remembered can't be read.
    #[error("can't read which certificates are known, {}: {why}", file.display())]
    Forgotten {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The connection would be readable for all on the way.
    #[error("{at} would be called unencrypted, for all on the way to read")]
    InTheClear {
        /// Host and port.
        at: String,
    },
    /// There is a pin, and nothing to compare it with.
    #[error(
        "{at} would be called by plain http, which shows no certificate: there is nothing to pin"
    )]
    NothingToPin {
        /// Host and port.
        at: String,
    },
    /// It took encrypted calls before.
    #[error("{at} took encrypted calls before and does not now: it may be somebody else")]
    Downgraded {
        /// Host and port.
        at: String,
    },
}

impl Trust {
    /// A rule, and where it tells what a person is to know.
    #[must_use]
    pub fn new(
        pin: Option<Fingerprint>,
        known: Option<KnownHosts>,
        clear: Clear,
    ) -> (Self, UnboundedReceiver<Note>) {
        let (notes, told) = unbounded_channel();
        // Who names a certificate wants no connection without one.
        let clear = if pin.is_some() { Clear::Loopback } else { clear };
        let (was_encrypted, on_clear) = (AtomicBool::new(false), Mutex::new(None));
        (Self { pin, known, clear, was_encrypted, on_clear, notes }, told)
    }

    /// The table above, for the host and port that were asked for, and what was shown there.
    /// `objection` asks the authorities, which is done only where it matters.
    ///
    /// # Errors
    /// It is not to be believed.
    pub async fn judge(
        &self,
        at: &str,
        (shown, signed_by): (Fingerprint, Signer),
        objection: impl AsyncFnOnce() -> Option<String>,
    ) -> Result<(), Distrust> {
        match self.pin {
            Some(pin) if pin == shown => self.remember_pinned(at, shown),
            Some(_) => return Err(Distrust::Pin { at: at.to_owned(), shown }),
            None => {
                let known = self.known(at)?;
                if known != Some(shown)
                    && let Some(why) = objection().await
                {
                    self.judge_unvouched(at, known, (shown, signed_by), why)?;
                }
            }
        }
        self.was_encrypted.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// What nobody vouches for, and is not what was shown last time.
    fn judge_unvouched(
        &self,
        at: &str,
        known: Option<Fingerprint>,
        (shown, signed_by): (Fingerprint, Signer),
        why: String,
    ) -> Result<(), Distrust> {
        let at = at.to_owned();
        match (known, signed_by) {
            (Some(known), _) => Err(Distrust::Changed { at, known, shown }),
            (None, Signer::Another) => Err(Distrust::Invalid { at, why, shown }),
            (None, Signer::Itself) => {
                self.note(Note::FirstUse { at: at.clone(), shown });
                self.remember(&at, shown);
                Ok(())
            }
        }
    }

    /// Whether an unencrypted connection may be used.
    ///
    /// # Errors
    /// It leaves this machine, and must not.
    pub fn judge_clear(&self, at: &str, peer: SocketAddr) -> Result<(), Distrust> {
        let stays_here = peer.ip().to_canonical().is_loopback();
        let is_downgrade = self.was_encrypted.load(Ordering::Relaxed);
        if !stays_here && (self.clear == Clear::Loopback || is_downgrade) {
            return Err(Distrust::InTheClear { at: at.to_owned() });
        }
        let note = self.on_clear.lock().unwrap_or_else(PoisonError::into_inner).take();
        note.into_iter().for_each(|note| self.note(note));
        Ok(())
    }

    /// Whether a host may be called that is to be called unencrypted and not otherwise.
    ///
    /// # Errors
    /// A certificate is asked for, or it leaves this machine, and must not.
    pub fn judge_only_clear(&self, at: &str, peer: SocketAddr) -> Result<(), Distrust> {
        self.judge_clear(at, peer)?;
        match self.pin {
            None => Ok(()),
            Some(_) => Err(Distrust::NothingToPin { at: at.to_owned() }),
        }
    }

    /// Whether the second choice, unencrypted, may be tried where the first, encrypted, is not there.
    ///
    /// # Errors
    /// The host is known to take encrypted calls there.
    pub fn allow_clear(&self, first: &str, at: &str) -> Result<(), Distrust> {
        if self.known(first)?.is_some() {
            return Err(Distrust::Downgraded { at: first.to_owned() });
        }
        let note = Note::Unencrypted { first: first.to_owned(), at: at.to_owned() };
        *self.on_clear.lock().unwrap_or_else(PoisonError::into_inner) = Some(note);
        Ok(())
    }

    fn known(&self, at: &str) -> Result<Option<Fingerprint>, Distrust> {
        let Some(known) = &self.known else { return Ok(None) };
        let file = || known.path().to_owned();
        known.find(at).map_err(|e| Distrust::Forgotten { file: file(), why: e.to_string() })
    }

    fn remember_pinned(&self, at: &str, shown: Fingerprint) {
        match self.known(at) {
            Ok(Some(known)) if known == shown => {}
            Ok(Some(_)) => {
                self.remember(at, shown);
                self.note(Note::Replaced { at: at.to_owned() });
            }
            // A file that can't be read is added to, too: the last line counts.
            Ok(None) | Err(_) => self.remember(at, shown),
        }
    }

    fn remember(&self, at: &str, shown: Fingerprint) {
        let written = match &self.known {
            Some(known) => known.remember(at, shown).map_err(|error| error.to_string()),
            None => Err("there is no folder to keep it in; XDG_DATA_HOME names one".to_owned()),
        };
        if let Err(why) = written {
            self.note(Note::NotRemembered { at: at.to_owned(), why });
        }
    }

    fn note(&self, note: Note) {
        let _nobody_wants_to_know = self.notes.send(note);
    }
}

impl Distrust {
    /// What a person may try.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Pin { shown, .. } => {
                format!("compare it with what is shown there; if it is right: --pin {shown}")
            }
            Self::Changed { shown, .. } => format!(
                "ask at the other side whether it is theirs; if so, accept it: --pin {shown}"
            ),
            Self::Invalid { shown, .. } => format!(
                "check the name; SSL_CERT_FILE names further authorities, --pin {shown} believes this one"
            ),
            Self::Forgotten { .. } => {
                "mend or remove that file, or name the certificate: --pin FINGERPRINT".to_owned()
            }
            Self::InTheClear { .. } => {
                "start the other side with --tls or --lan; or carry it through \
                 a tunnel, such as ssh -L 8080:127.0.0.1:8080, and call localhost"
                    .to_owned()
            }
            Self::NothingToPin { .. } => {
                "write https:// and start the other side with --tls or --lan; or leave --pin out"
                    .to_owned()
            }
            Self::Downgraded { .. } => {
                "start it there with --tls or --lan; to call it unencrypted write http://"
                    .to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(pair: &str) -> Fingerprint {
        pair.repeat(32).parse().unwrap()
    }

    /// A certificate: its fingerprint, who signed it, what the authorities say.
    type Shown = (&'static str, Signer, Option<&'static str>);

    async fn judge(trust: &Trust, (pair, signer, objection): Shown) -> Result<(), Distrust> {
        let objection = objection.map(str::to_owned);
        trust.judge("a:1", (fingerprint(pair), signer), async || objection).await
    }

    fn file(name: &str) -> KnownHosts {
        let folder = std::env::temp_dir().join(format!("halloo-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        KnownHosts::within(&folder)
    }

    fn trust(pin: Option<&str>, known: &KnownHosts) -> (Trust, UnboundedReceiver<Note>) {
        Trust::new(pin.map(fingerprint), Some(known.clone()), Clear::Anywhere)
    }

    const SELF_SIGNED: Option<&str> = Some("self-signed certificate");
    const EXPIRED: Option<&str> = Some("certificate has expired");

    #[tokio::test]
    async fn each_row_of_the_table_holds() {
        use Signer::{Another, Itself};
        // (what is known of the host, --pin, shown, believed?)
        type Row = (Option<&'static str>, Option<&'static str>, Shown, bool);
        let rows: &[Row] = &[
            (None, Some("11"), ("11", Itself, SELF_SIGNED), true),
            (Some("22"), Some("11"), ("11", Itself, SELF_SIGNED), true),
            (None, Some("11"), ("11", Another, EXPIRED), true),
            (None, Some("11"), ("22", Itself, SELF_SIGNED), false),
            (Some("22"), Some("11"), ("22", Itself, SELF_SIGNED), false),
            (None, Some("11"), ("22", Another, None), false),
            (Some("11"), None, ("11", Itself, SELF_SIGNED), true),
            (Some("11"), None, ("11", Another, EXPIRED), true),
            (None, None, ("11", Another, None), true),
            (Some("22"), None, ("11", Another, None), true),
            (None, None, ("11", Itself, SELF_SIGNED), true),
            (Some("22"), None, ("11", Itself, SELF_SIGNED), false),
            (Some("22"), None, ("11", Another, EXPIRED), false),
            (None, None, ("11", Another, EXPIRED), false),
        ];
        for (i, (before, pin, shown, believed)) in rows.iter().enumerate() {
            let known = file(&format!("trust-{i}"));
            if let Some(pair) = before {
                known.remember("a:1", fingerprint(pair)).unwrap();
            }
            let (trust, _) = trust(*pin, &known);
            let judged = judge(&trust, *shown).await;
            assert_eq!(judged.is_ok(), *believed, "{before:?} {pin:?} {shown:?}: {judged:?}");
            let _ = std::fs::remove_dir_all(known.path().parent().unwrap());
        }
    }

    #[tokio::test]
    async fn a_first_use_is_told_once_and_remembered() {
        let known = file("first-use");
        let own = ("11", Signer::Itself, SELF_SIGNED);
        let (first, mut notes) = trust(None, &known);
        judge(&first, own).await.unwrap();
        judge(&first, own).await.unwrap();
        let note = Note::FirstUse { at: "a:1".into(), shown: fingerprint("11") };
        assert_eq!((notes.try_recv().ok(), notes.try_recv().ok()), (Some(note), None));
        // The pinned one takes its place, and needs no pin from then on.
        let renewed = ("22", Signer::Itself, SELF_SIGNED);
        let (pinned, mut notes) = trust(Some("22"), &known);
        judge(&pinned, renewed).await.unwrap();
        assert_eq!(notes.try_recv().ok(), Some(Note::Replaced { at: "a:1".into() }));
        judge(&trust(None, &known).0, renewed).await.unwrap();
        judge(&trust(None, &known).0, own).await.unwrap_err();
        std::fs::remove_dir_all(known.path().parent().unwrap()).unwrap();
    }

    #[tokio::test]
    async fn unencrypted_only_where_nothing_is_lost() {
        let known = file("clear");
        let far = "192.0.2.1:80".parse().unwrap();
        let near = "127.0.0.1:80".parse().unwrap();
        let judged = |trust: &Trust, peer| trust.judge_clear("a:80", peer).is_ok();
        let (open, mut notes) = trust(None, &known);
        open.allow_clear("a:443", "a:80").unwrap();
        assert_eq!(notes.try_recv().ok(), None, "not before there is a connection");
        assert!(judged(&open, far) && judged(&open, near));
        let note = Note::Unencrypted { first: "a:443".into(), at: "a:80".into() };
        assert_eq!((notes.try_recv().ok(), notes.try_recv().ok()), (Some(note), None));
        judge(&open, ("11", Signer::Another, None)).await.unwrap();
        assert!(!judged(&open, far) && judged(&open, near), "after an encrypted one");
        let (pinned, _notes) = trust(Some("11"), &known);
        assert!(!judged(&pinned, far) && judged(&pinned, near));
        let (secret, _notes) = Trust::new(None, None, Clear::Loopback);
        assert!(!judged(&secret, far) && judged(&secret, near));
        known.remember("a:443", fingerprint("11")).unwrap();
        assert!(trust(None, &known).0.allow_clear("a:443", "a:80").is_err());
        std::fs::remove_dir_all(known.path().parent().unwrap()).unwrap();
    }
}
