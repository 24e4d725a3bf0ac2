//! ICE: finding a way between two machines that both sit behind something, and keeping it.
//!
//! RFC 8445 (full agent), trickled candidates by RFC 8838, consent by RFC 7675, patience by RFC 8863,
//! order of address families by RFC 8421, connections by RFC 6544; vectors: RFC 8445's formulas. Left out: being ICE-lite,
//! because lite agents are for servers with public addresses; opening TCP from both sides at once, which
//! browsers don't do. Renomination is an expired draft, and done where both sides know it, since nothing else lets a call leave a dead pair
//! without signalling.
//!
//! Both sides list the addresses at which they may be reached: their [candidates](Candidate). Every
//! one of ours with every one of theirs makes a pair ([`PairState`]). Pairs are checked in order of
//! priority: a STUN request by that path, and an answer. A pair whose check was answered is valid, and
//! may carry media at once. The controlling side then chooses one for good: it nominates. From there
//! on, an answer every 30 s at least says that the other side still wants our packets. Other pairs stand
//! by; when the chosen one falls silent, one of them takes its place.
//!
//! Where no UDP passes, a TCP connection may: one side listens, the other connects when it is the turn of
//! that pair, below those by UDP. To the agent a connection is its path and the other side's address, as
//! with datagrams; it differs in that nothing is repeated, and in that it breaks.
//!
//! A datagram comes from `peer::demux` into [`Agent::handle_input`], is read by [`crate::stun`], and
//! leaves as an answer, a check or an [`Event`]. Sockets and signalling are the caller's: it gives
//! addresses and credentials in, and carries out what [`Agent::poll_output`] says.
//!
//! ```
//! use halloo::ice::{Agent, Config, Event, Input, Output, PathId, Role};
//! use halloo::time::Instant;
//! use rand::{SeedableRng, rngs::StdRng};
//!
//! let mut agent = Agent::new(Config::new(Role::Controlling), StdRng::seed_from_u64(1));
//! let addr = "192.0.2.1:5000".parse().unwrap();
//! agent.handle_input(Instant::ZERO, Input::LocalCandidate { path: PathId(0), addr });
//! let Output::Event(Event::LocalCandidate(host)) = agent.poll_output() else { panic!() };
//! assert_eq!((host.addr, host.priority), (addr, 2_130_706_431));
//! ```
//!
//! Read first: `candidate.rs`, `pair.rs`, `checklist.rs`: what is checked, and when. Then `check.rs`,
//! `nominate.rs`, `consent.rs`, `standby.rs`, `doubt.rs`; `server.rs` and `gather.rs`: servers that help;
//! `stream.rs`: packets by TCP; and `agent.rs`, which joins them. Next layer: [`crate::dtls_srtp`].

mod agent;
mod candidate;
mod candidates;
mod check;
mod checklist;
mod consent;
mod credentials;
mod doubt;
mod gather;
mod interface;
mod locals;
mod message;
mod nominate;
mod pair;
mod recipient;
mod server;
mod session;
mod standby;
mod state;
pub mod stream;

pub use agent::{Agent, Arrival};
pub(crate) use candidate::canonical;
pub use candidate::{COMPONENT, Candidate, Kind, PathId, TcpType, Transport, priority};
pub use consent::EXPIRY as CONSENT_EXPIRY;
pub use credentials::Credentials;
pub use gather::RelaySocket;
pub use interface::{
    Config, Dropped, Event, Input, Output, PairReport, Policy, Role, SelectedPair, Source,
};
pub use pair::{LocalId, PairFigures, PairId, PairState, RemoteId, pair_priority};
pub use recipient::Recipient;
pub use server::{Purpose, Server, ServerError, ServerTransport};
pub use state::State;

/// Names a request and its answer.
pub use crate::stun::TransactionId;
/// What the layer above has to know of relays.
pub use crate::turn::{
    Client as RelayClient, Ended as RelayEnd, HEADROOM, Reason as RelayReason, User as RelayUser,
};
