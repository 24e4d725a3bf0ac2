//! halloo: a two-way, peer-to-peer voice call over WebRTC, its protocols written by hand.
//!
//! Protocol modules take time, randomness and bytes as arguments and return outputs; nothing below
//! [`net`] reads a clock, opens a socket or starts a task. Read them in this order:
//!
//! 1. [`wire`] and [`time`]: how received bytes are read, how time is told.
//! 2. [`sdp`]: what two sides say they can do.
//! 3. [`stun`], [`turn`], then [`ice`]: finding a way through, and keeping it.
//! 4. [`dtls_srtp`]: who is there, and the keys; every packet sealed.
//! 5. [`rtp`]: sound in packets, and reports about it.
//! 6. [`audio`]: from samples to payloads and back, and the sound card.
//! 7. [`peer`]: all of the above as one object: a WebRTC audio peer.
//! 8. [`signal`], [`net`], [`cli`]: HTTP, sockets, commands.
//!
//! # A received datagram
//!
//! 1. [`net::udp`] reads it, [`net::world`] says when, [`peer::router`] whose it is;
//!    [`net::driver`] gives it to [`peer::Peer::handle_input`] of that call.
//! 2. [`peer::demux`] looks at its first byte. STUN goes to [`ice::Agent`], which reads it by
//!    [`stun::message`] and has it proved by [`stun::integrity`]. DTLS goes to
//!    [`dtls_srtp::handshake`]; when that is done, [`dtls_srtp::keys`] and [`mod@dtls_srtp::derive`]
//!    make the keys of the packets.
//! 3. SRTP goes to [`dtls_srtp::context`]: [`dtls_srtp::index`] guesses the packet's index,
//!    [`dtls_srtp::replay`] refuses what was there before, [`dtls_srtp::srtp`] proves and opens it in
//!    place; SRTCP alike by [`dtls_srtp::srtcp`].
//! 4. [`rtp::Packet`] reads what was inside, [`rtp::reception`] counts it, [`rtp::jitter`] keeps it.
//! 5. The loudspeaker sets the pace. When [`audio::ring`] runs low, [`net::sound`] asks for 10 ms, and
//!    the driver calls [`peer::Peer::play`]: the jitter buffer answers packet, FEC, missing or silence,
//!    and [`audio::decode`] makes sound of it.
//!
//! # A microphone frame
//!
//! 1. The sound card's callback puts samples into [`audio::ring`]: no lock, no allocation, no system
//!    call.
//! 2. [`net::sound`] takes 10 ms out, [`audio::resample`]d to 48 kHz; the driver gives them to
//!    [`peer::Peer::handle_input`] of every call.
//! 3. [`audio::codec`] gathers frames to a payload, [`rtp::Packetizer`] writes the header with its
//!    extensions in front, [`dtls_srtp::Outbound`] seals all of it in place.
//! 4. [`peer::Peer::poll_output`] lends the packet, with the pair of addresses that
//!    [`ice::Agent::send_pair`] names; the driver hands it to [`net::udp`]. A socket that is full drops
//!    it.

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
pub mod turn;
pub mod wire;
