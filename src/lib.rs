//! halloo: a two-way, peer-to-peer voice call over WebRTC, its protocols written by hand.
//!
//! Protocol modules take time, randomness and bytes as arguments and return outputs; nothing below
//! [`net`] reads a clock, opens a socket or starts a task. Read them in this order:
//!
//! 1. [`wire`] and [`time`]: how received bytes are read, how time is told.
//! 2. [`sdp`]: what two sides say they can do.
//! 3. [`stun`], then [`ice`]: finding a way through, and keeping it.
//! 4. [`dtls_srtp`]: who is there, and the keys; every packet sealed.
//! 5. [`rtp`]: sound in packets, and reports about it.
//! 6. [`audio`]: from samples to payloads and back, and the sound card.
//! 7. [`peer`]: all of the above as one object: a WebRTC audio peer.
//! 8. [`signal`], [`net`], [`cli`]: HTTP, sockets, commands.

pub mod audio;
pub mod cli;
pub mod dtls_srtp;
pub mod ice;
pub mod net;
pub mod peer;
pub mod rtp;
pub mod sdp;
pub mod signal;
pub mod stun;
pub mod time;
pub mod wire;
