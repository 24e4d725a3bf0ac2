//! The state of both directions: which index a packet has, and whether it was seen (RFC 3711 section
//! 3.2.3).
//!
//! ```text
//! received:  header --> stream of this SSRC --> estimate the index --> seen? --> authenticate, decrypt
//!                                                                                     |
//!                                     move counter and window, or make a stream <-----+
//! ```
//! Nothing moves, and no stream is made, before a packet was authentic: a stranger can neither shift a
//! counter nor fill memory, and a peer gone mad can make only so many streams.
//!
//! Comes from [`super::keys`]; everything else of SRTP is below it.

use super::derive::SessionKey;
use super::error::{Error, SrtpError};
use super::index::PacketIndex;
use super::keys::SrtpProfile;
use super::replay::ReplayWindow;
use super::srtcp::{RtcpIndex, Secrecy, Srtcp, sender};
use super::srtp::{Head, Srtp};
use crate::rtp::Ssrc;

/// Streams of one direction that state is kept for, RTP and RTCP apart.
pub const STREAMS_MAX: usize = 64;

/// Seals what we send.
#[derive(Debug)]
pub struct Outbound {
    profile: SrtpProfile,
    srtp: Srtp,
    srtcp: Srtcp,
    rtp: Streams<ReplayWindow>,
    rtcp: Streams<u32>,
}

impl Outbound {
    /// From our master key and salt.
    ///
    /// # Errors
    /// The lengths are not the profile's, or OpenSSL fails.
    pub fn new(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            profile,
            srtp: Srtp::new(profile, &SessionKey::rtp(profile, key, salt)?)?,
            srtcp: Srtcp::new(profile, &SessionKey::rtcp(profile, key, salt)?)?,
            rtp: Streams::default(),
            rtcp: Streams::default(),
        })
    }

    /// How packets are sealed.
    #[must_use]
    pub fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// Seals the RTP packet in the first `length` bytes of `buffer` in place, and returns its new
    /// length: [`SrtpProfile::rtp_tag_length`] more. Packets of a stream come in order, or nearly.
    ///
    /// # Errors
    /// Ours to mend: no packet, no room, an index used before (rfc3711-9.1-1), a key used up.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let head = Head::parse(buffer.get(..length).ok_or(SrtpError::NoRoom)?)?;
        let mut stream = self.rtp.find_or(head.ssrc, ReplayWindow::default())?;
        let window = stream.state();
        let index = PacketIndex::estimate(newest(window), head.sequence_number)?;
        if !window.admits(index.value()) {
            return Err(SrtpError::IndexReused);
        }
        let sealed = self.srtp.seal(head, index.rollover_counter(), buffer, length)?;
        window.mark(index.value());
        stream.keep();
        Ok(sealed)
    }

    /// Seals the RTCP packet in the first `length` bytes of `buffer` in place, and returns its new
    /// length: [`SrtpProfile::rtcp_tag_length`] and 4 more.
    ///
    /// # Errors
    /// Ours to mend: no packet, no room, a key used up.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let ssrc = sender(buffer.get(..length).ok_or(SrtpError::NoRoom)?)?;
        let mut stream = self.rtcp.find_or(ssrc, 0)?; // rfc3711-3.4-1: from zero, never reset
        let next = stream.state();
        let index = RtcpIndex::new(*next).ok_or(SrtpError::KeyExhausted)?;
        let sealed = self.srtcp.protect(index, Secrecy::Encrypted, buffer, length)?;
        *next += 1;
        stream.keep();
        Ok(sealed)
    }
}

/// Opens what the other side sends.
#[derive(Debug)]
pub struct Inbound {
    srtp: Srtp,
    srtcp: Srtcp,
    rtp: Streams<ReplayWindow>,
    rtcp: Streams<ReplayWindow>,
    empty: ReplayWindow,
}

impl Inbound {
    /// From the other side's master key and salt.
    ///
    /// # Errors
    /// The lengths are not the profile's, or OpenSSL fails.
    pub fn new(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Result<Self, Error> {
        Self::with_window(profile, key, salt, ReplayWindow::SIZE)
    }

    /// The same with a replay window of another size, 64 to 128.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn with_window(
        profile: SrtpProfile,
        key: &[u8],
        salt: &[u8],
        window: u32,
    ) -> Result<Self, Error> {
        Ok(Self {
            srtp: Srtp::new(profile, &SessionKey::rtp(profile, key, salt)?)?,
            srtcp: Srtcp::new(profile, &SessionKey::rtcp(profile, key, salt)?)?,
            rtp: Streams::default(),
            rtcp: Streams::default(),
            empty: ReplayWindow::new(window),
        })
    }

    /// Opens an RTP packet in place, and returns the plain packet's length. On failure the packet is
    /// garbage and no state has changed.
    ///
    /// # Errors
    /// Why the packet is dropped.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let head = self.srtp.parse_sealed(packet)?;
        let mut stream = self.rtp.find_or(head.ssrc, self.empty)?;
        let window = stream.state();
        let index = PacketIndex::estimate(newest(window), head.sequence_number)?;
        if !window.admits(index.value()) {
            return Err(SrtpError::Replayed);
        }
        let length = self.srtp.open(head, index.rollover_counter(), packet)?;
        window.mark(index.value()); // rfc3711-3.3.1-3: only now
        stream.keep();
        Ok(length)
    }

    /// Opens an RTCP packet in place, and returns the plain packet's length. On failure the packet is
    /// garbage and no state has changed.
    ///
    /// # Errors
    /// Why the packet is dropped.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let claim = self.srtcp.parse_sealed(packet)?;
        let index = u64::from(claim.index.value());
        let mut stream = self.rtcp.find_or(claim.ssrc, self.empty)?;
        let window = stream.state();
        if !window.admits(index) {
            return Err(SrtpError::Replayed);
        }
        let length = self.srtcp.open(claim, packet)?;
        window.mark(index);
        stream.keep();
        Ok(length)
    }

    /// The rollover counter of a stream, if it has sent an authentic packet.
    #[must_use]
    pub fn rollover_counter(&self, ssrc: Ssrc) -> Option<u32> {
        let (_, window) = self.rtp.0.iter().find(|(of, _)| *of == ssrc)?;
        Some(newest(window)?.rollover_counter())
    }
}

/// A window's newest index as that of an RTP packet.
fn newest(window: &ReplayWindow) -> Option<PacketIndex> {
    window.newest().map(PacketIndex::from_value)
}

/// State by SSRC. A call has a handful, so walking a list beats hashing.
#[derive(Debug)]
struct Streams<T>(Vec<(Ssrc, T)>);

impl<T> Streams<T> {
    /// The state of a stream, or `fresh` for a new one, which must be [`Stream::keep`]t to stay.
    fn find_or(&mut self, ssrc: Ssrc, fresh: T) -> Result<Stream<'_, T>, SrtpError> {
        match self.0.iter().position(|(of, _)| *of == ssrc) {
            Some(at) => self.0.get_mut(at).map(|(_, state)| Stream::Known(state)),
            None if self.0.len() < STREAMS_MAX => Some(Stream::New(&mut self.0, ssrc, fresh)),
            None => None,
        }
        .ok_or(SrtpError::TooManySources)
    }
}

impl<T> Default for Streams<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// A stream while its packet is not yet proved.
enum Stream<'s, T> {
    Known(&'s mut T),
    New(&'s mut Vec<(Ssrc, T)>, Ssrc, T),
}

impl<T> Stream<'_, T> {
    fn state(&mut self) -> &mut T {
        match self {
            Self::Known(state) => state,
            Self::New(_, _, state) => state,
        }
    }

    fn keep(self) {
        if let Self::New(streams, ssrc, state) = self {
            streams.push((ssrc, state));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::SequenceNumber;

    /// rfc3711-3.3.1-4: 2^48 RTP and 2^31 RTCP packets, and not one more.
    #[test]
    fn a_used_up_key_seals_nothing_more() {
        for profile in SrtpProfile::OFFERED {
            let (key, salt) = (vec![1; profile.key_length()], vec![2; profile.salt_length()]);
            let mut outbound = Outbound::new(profile, &key, &salt).unwrap();
            let ssrc = Ssrc(u32::from_be_bytes([1; 4]));
            let mut window = ReplayWindow::default();
            window.mark(PacketIndex::new(u32::MAX, SequenceNumber(65_534)).value());
            outbound.rtp.0.push((ssrc, window));
            let rtp = |sequence_number: u16| {
                let mut packet = [1; 40];
                packet[0] = 0x80;
                packet[2..4].copy_from_slice(&sequence_number.to_be_bytes());
                packet
            };
            assert!(outbound.protect_rtp(&mut rtp(65_535), 20).is_ok());
            assert_eq!(outbound.protect_rtp(&mut rtp(0), 20), Err(SrtpError::KeyExhausted));

            outbound.rtcp.0.push((ssrc, RtcpIndex::MAX.value()));
            let mut rtcp = [1; 40];
            rtcp[0] = 0x80;
            assert!(outbound.protect_rtcp(&mut rtcp.clone(), 20).is_ok());
            assert_eq!(outbound.protect_rtcp(&mut rtcp, 20), Err(SrtpError::KeyExhausted));
        }
    }
}
