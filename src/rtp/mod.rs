//! RTP: sound in packets, and reports about it.

mod number;

pub use number::{RtpTimestamp, SequenceNumber, SequenceUnwrapper, Ssrc};
