//! Why there will be no keys, as data.
//!
//! OpenSSL gives a stack of error numbers; what a person can act on is in three places: what our own
//! callbacks objected to, which alert came, and which alert is about to leave.

use super::alert::{Alert, Sender};
use super::certificate::{CertificateKind, Fingerprint};
use super::openssl_config::Shared;

/// Why there will be no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nobody answered, or the answers stopped.
    #[error("no answer")]
    NoAnswer,
    /// One side refused to go on.
    #[error("{} alert {alert}", match .sender { Sender::Local => "our", Sender::Remote => "their" })]
    Alert {
        /// Which alert.
        alert: Alert,
        /// Whose.
        sender: Sender,
    },
    /// We are the server, and the client's cipher suites don't go with our certificate.
    #[error("no shared cipher{}", match .client_insists_on {
        Some(kind) => format!(": the other side insists on {kind} certificates"),
        None => String::new(),
    })]
    NoSharedCipher {
        /// The only kind of certificate that its suites are for.
        client_insists_on: Option<CertificateKind>,
    },
    /// No SRTP profile in common: there is no media without SRTP (RFC 8827 section 6.5).
    #[error("no shared SRTP profile")]
    NoSharedProfile,
    /// The certificate is not the signalled one: somebody else answered (RFC 5763 section 5).
    #[error("the other side's certificate ({shown}) is not the one that its description promised")]
    FingerprintMismatch {
        /// The one shown, by SHA-256.
        shown: Fingerprint,
    },
    /// OpenSSL failed otherwise.
    #[error("OpenSSL: {0}")]
    OpenSsl(String),
}

impl Failure {
    /// Makes data of OpenSSL's error.
    pub(super) fn classify<'a>(
        error: &openssl::ssl::Error,
        shared: &mut Shared,
        mut leaving: impl Iterator<Item = &'a [u8]>,
    ) -> Self {
        if let Some(verdict) = shared.verdict.take() {
            return verdict;
        }
        let reasons = error.ssl_error().map(|stack| stack.errors()).unwrap_or_default();
        let reasons =
            || reasons.iter().filter(|r| r.library_code() == SSL_LIBRARY).map(|r| r.reason_code());
        if reasons().any(|reason| reason == NO_SHARED_CIPHER) {
            return Self::NoSharedCipher { client_insists_on: shared.client_insists_on };
        }
        if let Some(alert) = reasons().find_map(|reason| u8::try_from(reason - RECEIVED_ALERT).ok())
        {
            return Self::Alert { alert: Alert(alert), sender: Sender::Remote };
        }
        match leaving.find_map(Alert::find_fatal) {
            Some(alert) => Self::Alert { alert, sender: Sender::Local },
            None => Self::OpenSsl(error.to_string()),
        }
    }
}

/// OpenSSL's number for the part of it that is TLS (`ERR_LIB_SSL`).
const SSL_LIBRARY: i32 = 20;
/// OpenSSL's number for "no shared cipher".
const NO_SHARED_CIPHER: i32 = 193;
/// Added to the number of an alert that was received (`SSL_AD_REASON_OFFSET`).
const RECEIVED_ALERT: i32 = 1_000;
