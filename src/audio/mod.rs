//! Sound: from the microphone to a payload, and from a payload to the loudspeaker.
//!
//! RFC 7874 says which codecs, RFC 6716 and 7587 how Opus, RFC 3551 how G.711. Left out: writing a codec
//! ourselves (libopus does it), echo cancelling and noise suppression (they come later).
//!
//! A [`Frame`] is 10 ms at 48 kHz. One comes from a [`source`] or the sound card, an [`Encoder`] turns a
//! few of them into a payload, and `peer/send.rs` sends it. What arrives goes through a [`Decoder`], which
//! fills gaps too and can [`stretch`] sound; [`mix`] sums the calls up, and a [`sink`] or the sound card plays that.
//!
//! Nothing here opens a file or reads a clock. Only `device.rs` and the files below it know the sound card.
//!
//! Read first: [`frame`]. Then [`codec`], [`decode`], [`source`]. Next layer: [`crate::peer`].

pub mod bell;
mod bytewise;
pub mod codec;
mod comfort;
mod conceal;
mod decimate;
pub mod decode;
#[cfg(feature = "device")]
pub mod device;
pub mod frame;
pub mod g711;
pub mod g722;
mod gauge;
pub mod mix;
mod opus;
pub mod resample;
pub mod ring;
pub mod sink;
pub mod source;
pub mod stretch;
pub mod wav;

pub use codec::{Codec, CodecError, Dtx, Encoded, Encoder, Fec, PacketTime, Settings};
pub use decode::Decoder;
pub use frame::{AudioLevel, Channels, FRAME_SAMPLES, Frame, SAMPLE_RATE};
pub use mix::Mixer;
pub use sink::Sink;
pub use source::Source;
pub use stretch::Tempo;
