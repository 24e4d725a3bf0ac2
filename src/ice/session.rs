//! One ICE session: the credentials of both sides. A restart begins a new one (RFC 8445 section 9).
//!
//! The session before is kept, since media stays on its pair, with consent kept fresh by its
//! credentials, until the new session has chosen a pair.

use super::credentials::Credentials;
use crate::stun::IntegrityKey;

/// Credentials with the keys made from them, once.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Counts restarts.
    pub(super) number: u32,
    pub(super) local: Credentials,
    /// Proves requests to us, and our answers.
    pub(super) local_key: IntegrityKey,
    pub(super) remote: Option<RemoteSide>,
}

/// What we know of the other side.
#[derive(Clone, Debug)]
pub(super) struct RemoteSide {
    pub(super) credentials: Credentials,
    /// Proves our requests, and answers to us.
    pub(super) key: IntegrityKey,
    /// Of our requests: their ufrag, a colon, ours (RFC 8445 section 7.2.2).
    pub(super) username: String,
}

impl Session {
    pub(super) fn new(number: u32, local: Credentials) -> Self {
        let local_key = IntegrityKey::short_term(&local.pwd);
        Self { number, local, local_key, remote: None }
    }

    pub(super) fn set_remote(&mut self, credentials: Credentials) {
        let key = IntegrityKey::short_term(&credentials.pwd);
        let username = format!("{}:{}", credentials.ufrag, self.local.ufrag);
        self.remote = Some(RemoteSide { credentials, key, username });
    }

    /// If a request with this USERNAME is for this session: the sender's ufrag. RFC 8445 section 7.3:
    /// what stands before the colon must be ours.
    pub(super) fn sender<'u>(&self, username: &'u str) -> Option<&'u str> {
        username.strip_prefix(self.local.ufrag.as_str())?.strip_prefix(':')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_ours_if_our_ufrag_and_a_colon_lead_it() {
        // rfc8445-7.3-1, rfc8445-7.2.2-1
        let of = |ufrag: &str| Credentials { ufrag: ufrag.into(), pwd: "p".repeat(24) };
        let mut session = Session::new(0, of("ours"));
        assert_eq!(session.sender("ours:their"), Some("their"));
        assert_eq!(session.sender("our:their"), None);
        assert_eq!(session.sender("ourself:their"), None);
        session.set_remote(of("their"));
        assert_eq!(session.remote.unwrap().username, "their:ours");
    }
}
