//! TURN: when no direct way leads through, a server in the middle passes the packets on.
//!
//! RFC 8656, as a client, with the long-term credentials of RFC 8489; URIs are `ice/server.rs`'s. Left
//! out: EVEN-PORT and reservations, because one port carries all of a call; DONT-FRAGMENT, because packets
//! of sound are small; RFC 6062 (TCP towards the peer), because sound goes in datagrams.
//!
//! ```text
//! this machine                          TURN server                            peer
//!   | Allocate, 401, Allocate signed ------> |
//!   | <------- "you are 203.0.113.9:41000"   |   the relayed address: a candidate
//!   | CreatePermission 198.51.100.7 -------> |
//!   | Send indication (36 bytes and data) -> | ------------- data -------------> |
//!   | <- Data indication (36 bytes and data) | <------------ data -------------- |
//!   | ChannelBind 0x4000 = 198.51.100.7:7000 |
//!   | ChannelData (4 bytes and data) ------> | ------------- data -------------> |
//!   | Refresh, every nine minutes ---------> |
//!   | Refresh, LIFETIME 0 -----------------> |   over
//! ```
//! The server knows us by our 5-tuple, so every [`Client`] has a socket or a stream of its own, which is
//! the caller's. Who may send to us is our choice, an address at a time; what comes from elsewhere never
//! gets here, and if it does, it is dropped and counted.
//!
//! ```
//! use halloo::time::Instant;
//! use halloo::turn::{Carrier, Client, Config, Output};
//! use rand::{SeedableRng, rngs::StdRng};
//!
//! let config = Config::new("user", "password", Carrier::Datagrams);
//! let mut client = Client::new(Instant::ZERO, &config, StdRng::seed_from_u64(1));
//! let Output::Transmit(allocate) = client.poll_output() else { panic!() };
//! assert_eq!(allocate[..2], [0, 3]);
//! ```
//!
//! Read first: `allocation.rs`, `permission.rs`, `channel.rs`: what there is to keep alive. Then `client.rs`,
//! which joins them; `data.rs` for the packets, `stream.rs` for TCP. Next layer: [`crate::ice`].

mod allocation;
pub mod channel;
mod client;
mod data;
mod interface;
mod permission;
mod reason;
pub mod stream;
mod transaction;

pub use channel::ChannelData;
pub use client::Client;
pub use data::HEADROOM;
pub use interface::{Carrier, Config, Dropped, Ended, Event, Input, Output, User};
pub use reason::{Reason, Refusal};
