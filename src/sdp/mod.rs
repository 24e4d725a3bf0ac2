//! SDP: what two sides say they can do, and what comes of it.
//!
//! RFC 8866 for the text, RFC 3264 for offer and answer, RFC 9429 (JSEP) for what WebRTC makes of
//! both; RFC 8839, 8843, 8122, 5761, 8285 and 7587 for single attributes. Left out: everything that only
//! video, data channels, SDES keys or multicast need; such lines are kept and written back, not understood.

pub mod attribute;
pub mod candidate;
pub mod codec;
pub mod fragment;
pub mod lex;
pub mod section;
pub mod session;

pub use attribute::{Attribute, Direction, Fingerprint, Group, Msid, Setup};
pub use candidate::Candidate;
pub use codec::{Codec, OpusParameters};
pub use fragment::Fragment;
pub use lex::SdpError;
pub use section::Section;
pub use session::{Description, Media, Origin};
