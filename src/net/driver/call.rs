//! What the outside sees of a call: who calls, how far it is, what happened.

use std::net::SocketAddr;

use crate::net::driver::CallId;
use crate::peer::event::{Directions, End, Event};
use crate::time::Instant;

/// Who is at the other end of the signalling, as far as the sockets need to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The address that the signalling comes from or goes to; none when a person carries the
    /// descriptions by hand. A call signalled over loopback also gets loopback candidates.
    pub signalling: Option<SocketAddr>,
}

impl Caller {
    /// The peer address of an HTTP request, or the address of the endpoint that we call.
    #[must_use]
    pub fn at(signalling: SocketAddr) -> Self {
        Self { signalling: Some(signalling) }
    }

    /// Whether both ends are on this machine, by what the signalling says.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.signalling.is_some_and(|address| address.ip().to_canonical().is_loopback())
    }
}

/// How far a call is: `state` of `GET /calls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// We offered and wait for the answer, or a person has yet to take the call.
    Ringing,
    /// Both descriptions are there.
    Connecting,
    /// A pair is selected, DTLS is done, the certificate is the promised one.
    Connected,
    /// Over; readable for another minute.
    Ended,
}

/// One row of `GET /calls`.
#[derive(Clone, Debug, PartialEq)]
pub struct CallSummary {
    /// Its name.
    pub id: CallId,
    /// How far it is.
    pub state: CallState,
    /// When it reached that state.
    pub since: Instant,
    /// When it began.
    pub began: Instant,
    /// Who is at the other end.
    pub caller: Caller,
    /// How and why it ended, if it did.
    pub ended: Option<(End, String)>,
    /// Our present ICE ufrag: it changes with each ICE restart, so an `ETag` can be made of it
    /// (RFC 9725 section 4.3.1).
    pub ufrag: String,
    /// Which way media is to flow, and does; none before it was agreed on, and after the end.
    pub directions: Option<Directions>,
}

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedEvent {
    /// When.
    pub at: Instant,
    /// What.
    pub event: Event,
}
