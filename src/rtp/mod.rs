//! RTP: sound in packets, and reports about it.
//!
//! RFC 3550 and 3551, header extensions by RFC 8285 and 6464, payloads by RFC 7587, 4733 and 2198,
//! feedback by RFC 4585 and 5506. Left out: sending feedback of our own (NACK, transport-cc): sound that
//! must be asked for again comes too late; RED on the way out: Opus repeats itself.
//!
//! A packet leaves by [`Packetizer`], which writes its header in front of what the encoder makes. One
//! that arrives is read by [`Packet`], counted by [`Reception`], kept by [`JitterBuffer`] until the
//! loudspeaker asks for it. Once a second [`rtcp`] says how it went.
//!
//! Read first: `header.rs`. Then `extension.rs`, `number.rs`, `packetize.rs`, [`payload`],
//! `reception.rs`, [`jitter`], [`rtcp`]. Next layer: [`crate::audio`].

mod cursor;
mod extension;
mod header;
pub mod jitter;
mod number;
mod packetize;
pub mod payload;
pub mod reception;
pub mod rtcp;
mod ssrc;

pub use cursor::NoRoom;
pub use extension::{
    AbsSendTime, AudioLevel, Elements, ExtensionIds, Extensions, ONE_BYTE as ONE_BYTE_PROFILE,
};
pub use header::{ExtensionHeader, FIXED_HEADER, Header, Packet};
pub use jitter::{JitterBuffer, Playout};
pub use number::{RtpTimestamp, SequenceNumber, SequenceUnwrapper, Ssrc};
pub use packetize::{Packetizer, ticks};
pub use payload::Codec;
pub use reception::{Reception, Validity, round_trip};
pub use ssrc::{Conflict, OwnSsrc};
