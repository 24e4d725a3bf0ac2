//! SDP: what two sides say they can do, and what comes of it.
//!
//! RFC 8866 for the text, RFC 3264 for offer and answer, RFC 9429 (JSEP) for what WebRTC makes of
//! both; RFC 8839, 8843, 8122, 5761, 8285 and 7587 for single attributes. Vectors: descriptions of Chromium,
//! Firefox, aiortc and others, RFC examples, and malformed ones. Left out: everything that only
//! video, data channels, SDES keys or multicast need; such lines are kept and written back, not understood.
//!
//! A text is cut into lines by [`lex`], its `a=` lines read by [`attribute`], [`codec`] and
//! [`candidate`], and put together by [`session`]. [`section`] asks a section for what it holds. Then
//! [`answer`] chooses what we take of an offer and writes it down, or reads what was taken of ours,
//! which [`offer`] wrote; both come to an [`agreement`]. Candidates that come later travel in a
//! [`fragment`]. Nothing here has a state: `peer` keeps the descriptions, and hands what was agreed on to
//! ICE, DTLS and RTP.
//!
//! ```
//! use halloo::sdp::{Capabilities, Description, answer};
//! # let text = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
//! #     m=video 9 UDP/TLS/RTP/SAVPF 96\r\n";
//! let offer: Description = text.parse()?;
//! let refusal = answer::choose(&offer, &Capabilities::default()).unwrap_err();
//! assert_eq!(refusal.to_string(), "there is no audio section");
//! # Ok::<(), halloo::sdp::SdpError>(())
//! ```
//!
//! Read first: [`session`]. Then [`answer`]. Next layer: [`crate::stun`].

pub mod agreement;
pub mod answer;
pub mod attribute;
pub mod candidate;
pub mod codec;
pub mod fragment;
pub mod lex;
pub mod local;
pub mod offer;
pub mod section;
pub mod session;
pub mod value;

pub use agreement::{Agreed, Capabilities, DtlsRole, Refusal};
pub use attribute::Attribute;
pub use candidate::Candidate;
pub use codec::{Codec, OpusParameters};
pub use fragment::Fragment;
pub use lex::SdpError;
pub use local::{Local, Parameters};
pub use section::Section;
pub use session::{Description, Media, Origin};
pub use value::{Bandwidth, Direction, Fingerprint, Group, Msid, Setup};
