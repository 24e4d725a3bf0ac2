//! TLS for HTTP, on both sides: one library for what is encrypted, one place for whom to believe.
//!
//! Nobody signs a certificate for a computer at home. So the listening side makes its own and keeps it,
//! and the calling side does as SSH does: it shows a certificate's [`Fingerprint`] when it meets it first,
//! remembers it, and refuses another one later. Where a certificate authority vouches, as for any site on
//! the internet, nothing needs to be remembered.
//!
//! ```text
//! listening: kept::Kept -> server::Acceptor -> net::http_server
//! calling:   net::http_client -> client::TlsClient -> Shown -> trust::Trust -> HTTP
//!                                        asks known_hosts, then authorities
//! ```
//! [`client`] knows nothing of remembering: TURN over TLS (`turns:`) uses it with the system's own trust.
//! RFC 8446 and 5280 by OpenSSL; RFC 6125 names. Left out: client certificates, ALPN, revocation lists.
//!
//! Read first: [`client`], then [`trust`]. Then [`kept`], [`server`].

mod authorities;
pub mod client;
mod fingerprint;
pub mod kept;
mod known_hosts;
mod self_signed;
pub mod server;
mod stream;
pub mod trust;

pub use fingerprint::{Fingerprint, FingerprintError};
pub use known_hosts::KnownHosts;
