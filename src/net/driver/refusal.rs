//! Why the driver doesn't do what it was asked: as data, so that HTTP can make a problem document of
//! it (RFC 9457) and the command line a sentence.

use std::time::Duration;

/// A request that changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such call, or it has ended.
    #[error("there is no such call, or it has ended")]
    UnknownCall,
    /// The description or fragment can be read but makes no sense.
    #[error("{detail}")]
    Malformed {
        /// What, and where.
        detail: String,
    },
    /// No audio m-line, or no codec, that both sides can use.
    #[error("{detail}")]
    NoUsableAudio {
        /// What was missing.
        detail: String,
    },
    /// It can be read, but a running call can't become that.
    #[error("{detail}")]
    NotAcceptable {
        /// What is in the way.
        detail: String,
    },
    /// It belongs to an ICE session that a restart has replaced.
    #[error("an ICE restart came first: this belongs to the session before it")]
    OtherSession,
    /// The call failed before it had a description: no address that may be used.
    #[error("{detail}")]
    NoWay {
        /// Why.
        detail: String,
    },
    /// A person said no.
    #[error("the call was declined")]
    Declined,
    /// It was hung up by a request while it rang, before a person decided.
    #[error("the call was deleted while it rang")]
    Deleted,
    /// It rang, and nobody came.
    #[error("nobody answered")]
    NobodyAnswered,
    /// As many calls run as may.
    #[error("no more than {limit} calls at once are taken")]
    TooMany {
        /// How many may run.
        limit: usize,
        /// When to try again.
        retry_after: Duration,
    },
    /// The request doesn't fit what the call is doing, such as an answer to no offer.
    #[error("{detail}")]
    WrongState {
        /// What the call is doing.
        detail: String,
    },
    /// The system has no socket, no randomness, no certificate for us.
    #[error("the system refused: {detail}")]
    System {
        /// What failed.
        detail: String,
    },
    /// The program is ending.
    #[error("no calls are taken any more: the program is ending")]
    ShuttingDown,
}
