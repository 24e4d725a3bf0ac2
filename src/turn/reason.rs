//! Why there is no allocation, in words that a person can act on (RFC 8656 sections 7.4 and 19).

use std::fmt;

use crate::stun::ErrorCode;
use crate::stun::credential::Declined;

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The server said no.
    #[error("{0}")]
    Refused(Refusal),
    /// The server asks who we are, and we were told no name to give.
    #[error("the server wants a user and a password")]
    NoCredential,
    /// Authentication failed.
    #[error("{0}")]
    Credential(#[from] Declined),
    /// Nothing came back.
    #[error("the server does not answer")]
    Silent,
    /// Something came back, and none of it was proved: the server doesn't know the password, or somebody
    /// else answers in its place (RFC 8489 section 9.2.5).
    #[error("the server's answers are not proved by the password")]
    Unproven,
    /// An answer that makes no sense, or demands what we don't know.
    #[error("the server's answer is not to be understood")]
    NotUnderstood,
    /// The server gave no address that packets could come to.
    #[error("the server gave no usable address")]
    NoUsableAddress,
    /// It was there, and the server has forgotten it.
    #[error("the server has lost the allocation")]
    Lost,
    /// The stream broke.
    #[error("the connection to the server broke")]
    Disconnected,
}

impl Reason {
    /// An error response with this code, in the server's own words.
    #[must_use]
    pub fn refused(code: u16, said: &str) -> Self {
        Self::Refused(Refusal::from(ErrorCode { code, reason: said }))
    }

    /// Whether another port of ours may have more luck: the server takes us for somebody who had this
    /// one before (437).
    #[must_use]
    pub fn wants_another_port(&self) -> bool {
        matches!(self, Self::Refused(Refusal { code: 437, .. }))
    }

    /// Whether another user or password would do.
    #[must_use]
    pub fn is_about_credentials(&self) -> bool {
        matches!(
            self,
            Self::NoCredential
                | Self::Credential(Declined::Refused)
                | Self::Unproven
                | Self::Refused(Refusal { code: 401 | 441, .. })
        )
    }

    /// Whether the server would do it if it had anything left to give (486, 508): it can still be asked
    /// where it sees us.
    #[must_use]
    pub fn is_lack_of_resources(&self) -> bool {
        matches!(self, Self::Refused(Refusal { code: 486 | 508, .. }))
    }
}

/// An error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// As RFC 8656 section 19 lists them.
    pub code: u16,
    /// The server's own words, as far as they can be shown.
    pub said: String,
}

/// As much of a server's own words as is shown.
const MOST_SAID: usize = 80;

impl From<ErrorCode<'_>> for Refusal {
    fn from(error: ErrorCode<'_>) -> Self {
        let shown = error.reason.chars().filter(|c| !c.is_control());
        Self { code: error.code, said: shown.take(MOST_SAID).collect() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match self.code {
            400 => "the server takes our request for malformed",
            401 => "the server refuses this user or password",
            403 => "the server forbids it",
            420 => "the server does not know what we need",
            437 => "the server takes us for somebody else who had our port before",
            440 => "the server has no relay address of this family",
            441 => "the allocation was made with another user or password",
            442 => "the server does not relay UDP",
            443 => "the peer's address is of another family than the relay's",
            486 => "this user has as many allocations as the server allows: end another call",
            508 => "the server has no relay port left: try again in a minute, or another server",
            500..=599 => "the server has a problem of its own",
            _ => "the server refuses",
        };
        write!(f, "{meaning} ({}", self.code)?;
        if self.said.is_empty() { f.write_str(")") } else { write!(f, " {})", self.said) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_the_rfc_is_told_in_words_of_its_own() {
        let said = |code| Refusal { code, said: "Said".into() }.to_string();
        let codes = [400, 401, 403, 420, 437, 440, 441, 442, 443, 486, 500, 508, 699];
        let told: std::collections::BTreeSet<_> = codes.map(said).into_iter().collect();
        assert_eq!(told.len(), codes.len());
        assert!(said(486).ends_with("end another call (486 Said)"), "{}", said(486));
    }

    #[test]
    fn a_servers_words_can_not_write_to_the_terminal() {
        let error = ErrorCode { code: 403, reason: "\x1b[2Jno\n" };
        assert_eq!(Refusal::from(error).said, "[2Jno");
        let long = "x".repeat(500);
        assert_eq!(Refusal::from(ErrorCode { code: 403, reason: &long }).said.len(), 80);
    }
}
