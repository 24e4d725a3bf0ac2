//! Channels: a peer's address in 2 bytes, so that a packet of sound costs 4 bytes more and not 36
//! (RFC 8656 section 12).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+-------------------------------+
//! |    channel, 0x4000 - 0x4fff   |        length of data         |
//! +-------------------------------+-------------------------------+
//! |  data, over TCP padded with 0 to 3 bytes to 32 bits, which
//! |  the length does not count
//! +----------------------------------------------------------------
//! ```
//! The first byte, 64 to 79, tells it from everything else on the socket (RFC 7983).
//!
//! A number once bound to an address stays with it: rebinding would have to wait for five minutes after
//! the end, and a late packet would be taken for another's. There are 4096, and a call needs few.
//! Read next: `data.rs`.

use std::net::SocketAddr;
use std::time::Duration;

use crate::time::Instant;
use crate::wire::{ParseError, Reader};

/// Length of what stands in front of the data.
pub const HEADER_LEN: usize = 4;

/// The numbers there are (RFC 8656 section 12; RFC 5766 had more).
const NUMBERS: std::ops::RangeInclusive<u16> = 0x4000..=0x4fff;

/// A packet on a channel, borrowed from the datagram it came in.
///
/// ```
/// use halloo::turn::ChannelData;
/// let packet = ChannelData::parse(&[0x40, 0x01, 0, 2, b'h', b'i'])?;
/// assert_eq!((packet.channel, packet.data), (0x4001, &b"hi"[..]));
/// # Ok::<(), halloo::wire::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelData<'a> {
    /// Which channel.
    pub channel: u16,
    /// What the peer sent.
    pub data: &'a [u8],
}

impl<'a> ChannelData<'a> {
    /// Reads a datagram. What is behind the data is padding, which UDP doesn't need and allows.
    ///
    /// # Errors
    /// No channel number, or less data than the length says.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(bytes);
        let channel = r.u16()?;
        if !NUMBERS.contains(&channel) {
            return Err(ParseError::invalid(0, "channels are numbered 0x4000 to 0x4fff"));
        }
        let length = usize::from(r.u16()?);
        Ok(Self { channel, data: r.take(length)? })
    }
}

/// What stands in front of `length` bytes of data; `None` if they are too many.
#[must_use]
pub fn header(channel: u16, length: usize) -> Option<[u8; HEADER_LEN]> {
    let [c0, c1] = channel.to_be_bytes();
    let [l0, l1] = u16::try_from(length).ok()?.to_be_bytes();
    Some([c0, c1, l0, l1])
}

/// Peers that have a number at a time; the rest is sent the long way.
const MOST: usize = 16;
/// A binding lasts ten minutes; the request may have to be repeated for 39.5 s.
const RENEW_AFTER: Duration = Duration::from_secs(540);
/// Section 12.
const LIFETIME: Duration = Duration::from_secs(600);

/// Which peer has which number.
#[derive(Debug, Default)]
pub(super) struct Channels(Vec<Binding>);

#[derive(Debug)]
struct Binding {
    channel: u16,
    peer: SocketAddr,
    state: State,
    /// The server knows it until then.
    until: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Wanted,
    Asked,
    Bound { renew: Instant },
    Refused,
}

impl Channels {
    /// This peer shall have a number.
    pub(super) fn want(&mut self, peer: SocketAddr) {
        let is_known = self.0.iter().any(|binding| binding.peer == peer);
        let next = self.0.last().map_or(*NUMBERS.start(), |last| last.channel.saturating_add(1));
        if !is_known && self.0.len() < MOST {
            self.0.push(Binding { channel: next, peer, state: State::Wanted, until: None });
        }
    }

    /// The next to ask for; it counts as asked for.
    pub(super) fn next(&mut self, now: Instant) -> Option<(u16, SocketAddr)> {
        let due = |binding: &&mut Binding| binding.due().is_some_and(|due| due <= now);
        let binding = self.0.iter_mut().find(due)?;
        binding.state = State::Asked;
        Some((binding.channel, binding.peer))
    }

    /// The server agreed.
    pub(super) fn bound(&mut self, now: Instant, channel: u16) {
        if let Some(binding) = self.0.iter_mut().find(|binding| binding.channel == channel) {
            binding.state = State::Bound { renew: now + RENEW_AFTER };
            binding.until = Some(now + LIFETIME);
        }
    }

    /// The server did not, or said nothing: the number is used until it expires, and never again.
    pub(super) fn refused(&mut self, channel: u16) {
        if let Some(binding) = self.0.iter_mut().find(|binding| binding.channel == channel) {
            binding.state = State::Refused;
        }
    }

    /// The number to send by.
    pub(super) fn number_of(&self, now: Instant, peer: SocketAddr) -> Option<u16> {
        let is_bound = |binding: &&Binding| {
            binding.peer == peer && binding.until.is_some_and(|until| until > now)
        };
        self.0.iter().find(is_bound).map(|binding| binding.channel)
    }

    /// Who sent a packet on this channel. The server may have bound it before its answer got here.
    pub(super) fn peer_of(&self, now: Instant, channel: u16) -> Option<SocketAddr> {
        let is_open = |binding: &&Binding| {
            binding.channel == channel
                && (binding.state == State::Asked || binding.until.is_some_and(|until| until > now))
        };
        self.0.iter().find(is_open).map(|binding| binding.peer)
    }

    /// When [`Self::next`] has something.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().filter_map(Binding::due).min()
    }
}

impl Binding {
    fn due(&self) -> Option<Instant> {
        match self.state {
            State::Wanted => Some(Instant::ZERO),
            State::Bound { renew } => Some(renew),
            State::Asked | State::Refused => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> SocketAddr {
        ([198, 51, 100, 7], port).into()
    }

    fn secs(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_peer_has_one_number_and_a_number_one_peer() {
        // rfc8656-12-1, rfc8656-12-2
        let mut channels = Channels::default();
        channels.want(peer(1));
        channels.want(peer(2));
        channels.want(peer(1));
        let now = Instant::ZERO;
        assert_eq!(channels.next(now), Some((0x4000, peer(1))));
        assert_eq!(channels.next(now), Some((0x4001, peer(2))));
        assert_eq!(channels.next(now), None);
        assert_eq!(channels.number_of(now, peer(1)), None, "not before the server agrees");
        assert_eq!(channels.peer_of(now, 0x4000), Some(peer(1)), "but it may be quicker");
        channels.bound(now, 0x4000);
        channels.refused(0x4001);
        assert_eq!(channels.number_of(now, peer(1)), Some(0x4000));
        assert_eq!(channels.number_of(now, peer(2)), None);
        assert_eq!(channels.peer_of(now, 0x4001), None);
        channels.want(peer(2));
        assert_eq!(channels.next(now), None, "refused once and for all");
    }

    #[test]
    fn a_binding_is_renewed_before_its_600_s_are_over() {
        // rfc8656-12.1-1
        let mut channels = Channels::default();
        channels.want(peer(1));
        channels.next(Instant::ZERO);
        channels.bound(Instant::ZERO, 0x4000);
        assert_eq!(channels.due(), Some(secs(540)));
        assert_eq!(channels.next(secs(539)), None);
        assert_eq!(channels.next(secs(540)), Some((0x4000, peer(1))));
        assert_eq!(channels.number_of(secs(599), peer(1)), Some(0x4000), "it holds meanwhile");
        assert_eq!(channels.number_of(secs(600), peer(1)), None);
        channels.bound(secs(601), 0x4000);
        assert_eq!(channels.number_of(secs(1_200), peer(1)), Some(0x4000));
    }

    #[test]
    fn no_more_numbers_are_given_than_a_call_needs() {
        let mut channels = Channels::default();
        (0..10_000).for_each(|port| channels.want(peer(port)));
        let given = std::iter::from_fn(|| channels.next(Instant::ZERO)).count();
        assert_eq!(given, MOST);
    }

    #[test]
    fn the_length_must_fit_its_field() {
        assert_eq!(header(0x4000, 65_535), Some([0x40, 0, 0xff, 0xff]));
        assert_eq!(header(0x4000, 65_536), None);
    }
}
