//! Where the protocol meets the world: sockets, clocks, randomness, the sound card, HTTP.
//!
//! Everything below this layer is told what time it is and handed its bytes; here is who tells it.
//! Left out: a task per call. One loop owns the sockets and all calls, because a packet that must
//! first find its way to a sleeping task costs more than the packet itself.
//!
//! A datagram is read by [`udp`], stamped by [`world`], named by `peer::Router`, and handed in place to
//! its `peer::Peer` by [`driver`]; what the peer wants to send leaves by the same loop. Sound comes and
//! goes through [`sound`]. [`impair`] makes all of it worse on request. [`interfaces`] says which of
//! this machine's addresses a call may use, [`watch`] that they have changed.
//!
//! Calls come in over HTTP by [`http_server`], which carries [`crate::signal`], and go out by
//! [`http_client`] to a [`target`], which [`discovery`] may find on the local network; a [`secret`] may be
//! asked for on the way. Both by [`tls`] where they leave the machine; what is remembered of it is in the
//! [`data_folder`].
//!
//! Read first: [`driver`]. Then [`udp`], [`sound`]. Next layer: [`crate::cli`].

pub mod data_folder;
pub mod discovery;
pub mod driver;
pub mod http_client;
pub mod http_server;
pub mod impair;
pub mod interfaces;
pub mod message_stream;
pub mod probe;
pub mod relay_stream;
pub mod secret;
pub mod sound;
pub mod target;
pub mod tcp;
pub mod tls;
pub mod udp;
pub mod watch;
pub mod world;
