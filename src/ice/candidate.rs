//! Candidates: addresses at which one side may be reached (RFC 8445 section 5.1).
//!
//! A candidate has a priority, which orders the checks, and a foundation, which groups candidates that
//! will probably work or fail together. Both sides compute the same pair priorities from the same
//! numbers, so they check the same pairs at about the same time, which is what opens NATs.
//!
//! Comes from the layer above (sockets, signalling); goes to [`super::pair`]. Read next: `pair.rs`.

use std::net::{IpAddr, SocketAddr};

/// One socket or stream of ours. Numbers are given by the layer above and mean nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(pub u32);

/// Where a candidate was learnt (RFC 8445 section 5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An address of the machine itself.
    Host,
    /// What a STUN server saw.
    ServerReflexive,
    /// What the other side saw, in a connectivity check.
    PeerReflexive,
    /// An address on a TURN server.
    Relayed,
}

impl Kind {
    /// RFC 8445 section 5.1.2.2: direct before translated before relayed. A peer-reflexive address is
    /// above a server-reflexive one, because a check has already come through it.
    #[must_use]
    pub const fn type_preference(self) -> u8 {
        match self {
            Self::Host => 126,
            Self::PeerReflexive => 110,
            Self::ServerReflexive => 100,
            Self::Relayed => 0,
        }
    }

    /// The word of `a=candidate` lines (RFC 8839 section 5.1) and of W3C's `RTCIceCandidateType`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
        }
    }
}

/// What carries the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream, framed by RFC 4571.
    Tcp,
}

/// Who opens the stream of a TCP candidate (RFC 6544 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TcpType {
    /// The candidate's owner connects.
    Active,
    /// The candidate's owner listens.
    Passive,
    /// Both connect at once.
    SimultaneousOpen,
}

/// RTP with RTCP on the same port (RFC 5761): the only component there is here.
pub const COMPONENT: u16 = 1;

/// An address with what both sides need to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Same for candidates that share type, base address, transport and server.
    pub foundation: String,
    /// 1 for RTP, 2 for RTCP on a port of its own.
    pub component: u16,
    /// What carries the packets.
    pub transport: Transport,
    /// Higher is better; see [`priority`].
    pub priority: u32,
    /// Where to send.
    pub addr: SocketAddr,
    /// Where it was learnt.
    pub kind: Kind,
    /// For all but host candidates: what lies behind the address.
    pub related: Option<SocketAddr>,
    /// For TCP: who connects.
    pub tcp_type: Option<TcpType>,
    /// The generation it belongs to, where the line says so (`ufrag` extension).
    pub ufrag: Option<String>,
}

/// 2^24 type + 2^8 local + (256 - component), RFC 8445 section 5.1.2.1.
///
/// ```
/// use halloo::ice::{Kind, priority};
/// assert_eq!(priority(Kind::Host.type_preference(), 65_535, 1), 2_130_706_431);
/// ```
#[must_use]
pub const fn priority(type_preference: u8, local_preference: u16, component: u16) -> u32 {
    // `as` widens: a const fn can't call `From`.
    let of_addresses = ((type_preference as u32) << 24) + ((local_preference as u32) << 8);
    of_addresses.saturating_add(256u32.saturating_sub(component as u32))
}

/// What the local preference of a priority was, whatever its type.
#[must_use]
pub(super) const fn with_type(priority: u32, kind: Kind) -> u32 {
    (priority & 0x00ff_ffff) | ((kind.type_preference() as u32) << 24)
}

/// A candidate of ours: with the socket that it is reached through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) candidate: Candidate,
    /// The socket, or the TURN server's stand-in for one.
    pub(super) path: PathId,
    /// From where packets for this candidate leave (RFC 8445 section 4, "base").
    pub(super) base: SocketAddr,
    /// The server that told or lent it.
    pub(super) server: Option<SocketAddr>,
}

impl Local {
    /// Whether checks leave from it: reflexive candidates are checked through their base
    /// (RFC 8445 section 6.1.2.4).
    pub(super) fn is_base(&self) -> bool {
        matches!(self.candidate.kind, Kind::Host | Kind::Relayed)
    }

    /// What checks carry as PRIORITY: this base, if the other side should see it as a new address
    /// (RFC 8445 section 7.1.1).
    pub(super) fn reflexive_priority(&self) -> u32 {
        with_type(self.candidate.priority, Kind::PeerReflexive)
    }
}

/// Gives out foundations: the same number for the same origin (RFC 8445 section 5.1.1.3).
#[derive(Debug, Default)]
pub(super) struct Foundations(Vec<Origin>);

/// What candidates of one foundation have in common. All of ours are UDP, so that is no part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) kind: Kind,
    pub(super) base: IpAddr,
    /// The server that it was learnt from.
    pub(super) server: Option<IpAddr>,
}

impl Foundations {
    /// The foundation of candidates of this origin.
    pub(super) fn of(&mut self, origin: Origin) -> String {
        let known = self.0.iter().position(|other| *other == origin);
        let index = known.unwrap_or_else(|| {
            self.0.push(origin);
            self.0.len() - 1
        });
        (index + 1).to_string()
    }
}

/// Gives out local preferences, each once: the families take turns, in the order in which addresses
/// come (RFC 8421 section 4), so a broken family costs every second check and not all the first ones.
#[derive(Debug, Default)]
pub(super) struct Preferences {
    first_is_ipv6: Option<bool>,
    given: [u16; 2],
}

impl Preferences {
    /// The next preference for an address of the family of `ip`; the first of all is 65535.
    pub(super) fn next(&mut self, ip: IpAddr) -> u16 {
        let first_is_ipv6 = *self.first_is_ipv6.get_or_insert(ip.is_ipv6());
        let second = u16::from(ip.is_ipv6() != first_is_ipv6);
        let [of_first, of_second] = &mut self.given;
        let given = if second == 0 { of_first } else { of_second };
        let preference = u16::MAX.saturating_sub(given.saturating_mul(2)).saturating_sub(second);
        *given = given.saturating_add(1);
        preference
    }
}

/// The address as candidates have it: without the scope and flow that only this machine knows. A
/// socket that is bound to a link-local address has its scope by itself.
pub(super) fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip(), addr.port())
}

/// Whether packets can pass between the two: same family, and link-local IPv6 only with link-local
/// (RFC 8445 section 6.1.2.2).
pub(super) fn can_pair(local: IpAddr, remote: IpAddr) -> bool {
    match (local, remote) {
        (IpAddr::V4(_), IpAddr::V4(_)) => true,
        (IpAddr::V6(a), IpAddr::V6(b)) => a.is_unicast_link_local() == b.is_unicast_link_local(),
        _ => false,
    }
}

/// Whether anything can be sent there: a port, and an address that is one machine's.
pub(super) fn is_reachable(addr: SocketAddr) -> bool {
    /// "discard", which TCP active candidates carry (RFC 6544 section 4.5): nobody listens there.
    const DISCARD: u16 = 9;
    let one_machine = !addr.ip().is_unspecified()
        && !addr.ip().is_multicast()
        && addr.ip() != IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    one_machine && addr.port() != 0 && addr.port() != DISCARD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn type_preferences_are_those_recommended() {
        // rfc8445-5.1.2.2-1
        let kinds = [Kind::Host, Kind::PeerReflexive, Kind::ServerReflexive, Kind::Relayed];
        assert_eq!(kinds.map(Kind::type_preference), [126, 110, 100, 0]);
    }

    #[test]
    fn a_check_is_announced_as_peer_reflexive() {
        // rfc8445-7.1.1-1
        let host = priority(126, 65_535, 1);
        assert_eq!(with_type(host, Kind::PeerReflexive), priority(110, 65_535, 1));
    }

    #[test]
    fn families_take_turns_and_no_preference_is_given_twice() {
        // rfc8421-4-1, rfc8445-5.1.2-1, rfc8445-5.1.2.1-2
        let mut preferences = Preferences::default();
        let mut of = |text| preferences.next(ip(text));
        assert_eq!(of("2001:db8::1"), 65_535);
        assert_eq!(of("2001:db8::2"), 65_533);
        assert_eq!(of("192.0.2.1"), 65_534);
        assert_eq!(of("2001:db8::3"), 65_531);
        assert_eq!(of("192.0.2.2"), 65_532);
        let mut ipv4_only = Preferences::default();
        assert_eq!(ipv4_only.next(ip("192.0.2.1")), 65_535);
        assert_eq!(ipv4_only.next(ip("192.0.2.2")), 65_533);
    }

    #[test]
    fn foundations_are_equal_exactly_when_what_they_stand_for_is() {
        // rfc8445-5.1.1.3-1
        let mut foundations = Foundations::default();
        let mut of = |kind, base, server: Option<&str>| {
            foundations.of(Origin { kind, base: ip(base), server: server.map(ip) })
        };
        let first = of(Kind::Host, "192.0.2.1", None);
        assert_eq!(of(Kind::Host, "192.0.2.1", None), first);
        assert_ne!(of(Kind::Host, "192.0.2.2", None), first);
        assert_ne!(of(Kind::PeerReflexive, "192.0.2.1", None), first);
        let reflexive = of(Kind::ServerReflexive, "192.0.2.1", Some("203.0.113.1"));
        assert_ne!(of(Kind::ServerReflexive, "192.0.2.1", Some("203.0.113.2")), reflexive);
        assert_eq!(of(Kind::ServerReflexive, "192.0.2.1", Some("203.0.113.1")), reflexive);
    }

    #[test]
    fn families_do_not_mix_and_link_local_stays_among_its_own() {
        // rfc8445-6.1.2.2-1
        assert!(can_pair(ip("192.0.2.1"), ip("198.51.100.1")));
        assert!(!can_pair(ip("192.0.2.1"), ip("2001:db8::1")));
        assert!(can_pair(ip("fe80::1"), ip("fe80::2")));
        assert!(!can_pair(ip("fe80::1"), ip("2001:db8::1")));
        assert!(!can_pair(ip("2001:db8::1"), ip("fe80::1")));
    }

    #[test]
    fn nothing_is_sent_where_nobody_can_be() {
        for nowhere in ["192.0.2.1:0", "192.0.2.1:9", "0.0.0.0:5000", "224.0.0.1:5000", "[::]:1"] {
            assert!(!is_reachable(nowhere.parse().unwrap()), "{nowhere}");
        }
        assert!(is_reachable("192.0.2.1:5000".parse().unwrap()));
    }
}
