//! A whole WebRTC audio peer as one object, without a socket or a clock.
//!
//! Datagrams, time and sound go in by [`Peer::handle_input`]; datagrams, events and the next moment at
//! which something is due come out of [`Peer::poll_output`]; what is heard is fetched by [`Peer::play`], in
//! the loudspeaker's own time. Descriptions are exchanged by [`Peer::make_offer`], [`Peer::accept_offer`]
//! and [`Peer::accept_answer`]. How all of them travel is somebody else's business.
//!
//! ```text
//!                 +-- negotiate ---- descriptions
//! datagrams --> demux --> transport (ICE, DTLS, SRTP) --> receive --> jitter buffer --> decoder --> play
//!             outbox <--    "                         <-- send    <-- encoder       <-- frames
//!                                                     <-> report  (RTCP)
//! ```
//!
//! ```
//! use std::sync::Arc;
//! use halloo::dtls_srtp::Certificate;
//! use halloo::ice::PathId;
//! use halloo::peer::{Input, Peer, config::Config};
//! use halloo::time::Instant;
//! use rand::{SeedableRng, rngs::StdRng};
//!
//! let peer = |seed, addr: &str| {
//!     let certificate = Arc::new(Certificate::generate().unwrap());
//!     let mut peer = Peer::new(Config::default(), certificate, StdRng::seed_from_u64(seed));
//!     let addr = addr.parse().unwrap();
//!     peer.handle_input(Instant::ZERO, Input::LocalAddress { path: PathId(0), addr });
//!     peer
//! };
//! let mut alice = peer(1, "192.0.2.1:5000");
//! let mut bob = peer(2, "192.0.2.2:5000");
//! let offer = alice.make_offer(Instant::ZERO)?;
//! let answer = bob.accept_offer(Instant::ZERO, &offer)?;
//! alice.accept_answer(Instant::ZERO, &answer)?;
//! # Ok::<(), halloo::peer::NegotiateError>(())
//! ```
//!
//! Read first: [`demux`], `transport.rs`, then `negotiate.rs`; `send.rs` and `receive.rs` for the sound,
//! `call.rs` for how a call goes from its first description to its end. Next layer: [`crate::signal`].

mod absence;
mod call;
pub mod config;
pub mod demux;
mod early;
pub mod event;
mod interface;
mod negotiate;
mod outbox;
mod reason;
mod receive;
mod report;
pub mod router;
mod send;
mod servers;
mod silence;
pub mod stats;
mod stats_report;
mod traffic;
mod translate;
mod transport;
mod vigil;

pub use call::Peer;
pub(crate) use call::evidence::is_private;
pub use interface::{Dropped, Input, Output};
pub use negotiate::NegotiateError;
pub use router::{Route, Router};
