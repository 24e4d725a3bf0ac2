//! DTLS-SRTP: who is there, the keys, and every packet sealed.
//!
//! RFC 5763, 5764, 8122 (DTLS as the key agreement), RFC 3711, 7714 (the packets). Vectors: RFC 3711
//! appendix B, RFC 6188 section 7, RFC 7714 sections 16 and 17. Left out: MKI and SDES, which WebRTC
//! forbids (RFC 8827 section 6.5), and DTLS itself, which OpenSSL does: a TLS stack is another book.
//!
//! The signalled description names the fingerprint of the certificate that the other side will show.
//! [`handshake`] runs DTLS as datagrams in and out, checks the shown [`certificate`] against it, and
//! only then hands out [`keys`]: four of them, split by role. [`mod@derive`] turns each pair into session
//! keys; [`srtp`] and [`srtcp`] seal and open one packet whose index is known, with [`cm_hmac`] or
//! [`gcm`] inside. Which index that is, [`context`] knows: it guesses it ([`index`]), refuses what was
//! seen before ([`replay`]), and moves only after a packet proved itself. Two people can make sure of
//! each other by a [`phrase`] made of both certificates.
//!
//! ```text
//!  SDP fingerprint --+
//!                    v
//!  datagrams --> handshake --> keys --> derive --> context --> srtp, srtcp --> sealed packets
//!                                                 (index, replay)  (cm_hmac, gcm)
//! ```
//!
//! Read first: [`certificate`], [`handshake`]. Then [`srtp`], and [`context`] last. Next layer:
//! [`crate::rtp`].

pub mod alert;
pub mod certificate;
pub mod cm_hmac;
pub mod context;
pub mod derive;
mod error;
mod failure;
pub mod gcm;
pub mod handshake;
pub mod index;
pub mod keys;
mod last_flight;
mod openssl_config;
mod openssl_queue;
mod openssl_timer;
pub mod phrase;
pub mod replay;
pub(crate) mod self_issued;
pub mod srtcp;
pub mod srtp;

pub use alert::{Alert, Sender};
pub use certificate::{Certificate, CertificateKind, Fingerprint, FingerprintError, HashAlgorithm};
pub use context::{Inbound, Outbound};
pub use error::{Error, SrtpError};
pub use failure::Failure;
pub use handshake::{Connected, Event, Handshake, Input, Output, Role};
pub use keys::{MasterKey, MasterKeys, SrtpProfile};
pub use phrase::{CertificateHash, Phrase};
