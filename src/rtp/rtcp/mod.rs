//! RTCP: how the sound arrived, who we are, and goodbye.
//!
//! RFC 3550 section 6, feedback by RFC 4585, reduced-size packets by RFC 5506, extended reports by RFC
//! 3611, names by RFC 7022. All of these are read; sender and receiver reports, names and goodbyes are
//! written.
//!
//! [`Schedule`] says when a report is due; [`Writer`] puts it into a datagram. One that arrives is read
//! by [`Compound`]: its report blocks tell the round trip and the loss at the other end
//! ([`super::round_trip`]), its sender report goes to [`super::Reception`].
//!
//! Read first: `compound.rs`. Then `report.rs`, `sdes.rs`, `bye.rs`, `feedback.rs`, `xr.rs`,
//! `write.rs`, `schedule.rs`.

mod bye;
mod compound;
mod feedback;
mod report;
mod schedule;
mod sdes;
mod write;
mod xr;

pub use bye::Goodbye;
pub use compound::{Compound, Packet};
pub use feedback::{Arrival, Feedback, Nack, Remb, TransportFeedback};
pub use report::{ReceiverReport, ReportBlock, SenderInfo, SenderReport};
pub use schedule::{Members, Profile, Schedule};
pub use sdes::{Chunk, Cname, Item, SourceDescription};
pub use write::{ENOUGH, Writer};
pub use xr::{ExtendedReport, XrBlock};

/// RTCP packet types, as they stand in the second byte (RFC 3550 section 12.1).
pub mod packet_type {
    /// Sender report.
    pub const SR: u8 = 200;
    /// Receiver report.
    pub const RR: u8 = 201;
    /// Source description.
    pub const SDES: u8 = 202;
    /// Goodbye.
    pub const BYE: u8 = 203;
    /// Feedback about the transport (RFC 4585).
    pub const RTPFB: u8 = 205;
    /// Feedback about the payload (RFC 4585).
    pub const PSFB: u8 = 206;
    /// Extended report (RFC 3611).
    pub const XR: u8 = 207;
}

/// Whether a datagram is RTCP if it isn't STUN or DTLS: the second byte without its top bit is 64 to 95
/// (RFC 5761 section 4).
#[must_use]
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, second, ..] if (64..96).contains(&(second & 0x7f)))
}
