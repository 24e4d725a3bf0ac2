//! Which way to a host: encrypted first.
//!
//! ```text
//! https -> an answer, whatever it is                                  that is it
//!      |-> connection refused; the port answers TLS with plain HTTP   http, after a warning
//!      \-> anything else                                              that is it
//! ```
//! A port that answers a TLS handshake in plain HTTP has refused TLS as clearly as a closed port does,
//! and whoever could fake one on the way could fake the other. On loopback, where nobody is on the way,
//! whatever is no TLS will do. Neither is ever a way around: not for a host that is known to take
//! encrypted calls, and not out of this machine when there is a token or a pin ([`Trust`]).
//!
//! [`Trust`]: crate::net::tls::trust::Trust

use std::net::SocketAddr;

use super::{Client, Failure, Session};
use crate::net::target::{Endpoint, Routes};

impl Client {
    /// Whether a host at this address may be called as the routes say; asked before anything else, so
    /// that nothing is opened in vain. The connection itself is judged again.
    ///
    /// # Errors
    /// The one way is unencrypted, and must not be, or shows no certificate where one is pinned.
    pub fn may_call(&self, to: &Routes, address: SocketAddr) -> Result<(), Failure> {
        match to.first.is_encrypted() {
            true => Ok(()),
            false => Ok(self.connector.trust().judge_only_clear(&to.first.authority(), address)?),
        }
    }

    /// Posts an offer, and follows redirects.
    ///
    /// # Errors
    /// There is no answer; the failure says why.
    pub async fn post_offer(&self, to: &Routes, offer: &str) -> Result<Session, Failure> {
        let refusal = match (self.post_to(&to.first, offer).await, &to.otherwise) {
            (Err(refusal), Some(otherwise)) if leads_on(&refusal, &to.first, otherwise) => refusal,
            (posted, _) => return posted,
        };
        let Some(otherwise) = &to.otherwise else { return Err(refusal) };
        self.connector.trust().allow_clear(&to.first.authority(), &otherwise.authority())?;
        match self.post_to(otherwise, offer).await {
            Err(Failure::Refused { at }) => {
                Err(Failure::Refused { at: format!("{}, nor at {at}", to.first.authority()) })
            }
            posted => posted,
        }
    }
}

fn leads_on(refusal: &Failure, first: &Endpoint, otherwise: &Endpoint) -> bool {
    match refusal {
        // Where nobody listens, nobody listens for anything.
        Failure::Refused { .. } => first.authority() != otherwise.authority(),
        Failure::NoTls { plain, .. } => *plain && first.authority() == otherwise.authority(),
        _ => false,
    }
}
