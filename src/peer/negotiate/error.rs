//! Why descriptions are refused. HTTP has a status for each (`net/http_server`).

use crate::sdp::Refusal;

/// Why a description or fragment was not taken. The call goes on as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NegotiateError {
    /// It holds nothing that we can do.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Both sides offered at once.
    #[error("our own offer is still open")]
    OfferIsOpen,
    /// An answer, but to nothing.
    #[error("there is no open offer")]
    NoOpenOffer,
    /// Candidates of a session that has no description yet, or of another.
    #[error("the fragment belongs to no description of this call")]
    ForeignFragment,
    /// The other side would be another one: another certificate or DTLS role.
    #[error(
        "a running call keeps its certificates and DTLS roles, and no fingerprint here is that of \
         the certificate in use: call anew"
    )]
    NewAssociation,
    /// New ICE credentials in answer to an offer that kept its own.
    #[error("an answer can't restart ICE, only an offer can")]
    AnswerRestartsIce,
    /// The call is over.
    #[error("the call has ended")]
    Ended,
}
