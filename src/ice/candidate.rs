//! Candidates: addresses at which one side may be reached (RFC 8445 section 5.1).
//!
//! A candidate has a priority, which orders the checks, and a foundation, which groups candidates that
//! will probably work or fail together. Both sides compute the same pair priorities from the same
//! numbers, so they check the same pairs at about the same time, which is what opens NATs.
//!
//! Comes from the layer above (sockets, signalling); goes to [`super::pair`]. Read next: `pair.rs`.

use std::net::{IpAddr, SocketAddr};

use super::checklist::Cause;

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

impl Transport {
    /// As people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// What [`Kind::type_preference`] is for this transport. Sound by TCP waits for what was lost, so each
    /// kind by TCP is below every direct one by UDP (RFC 6544 section 4.2); but above a relay, whose server
    /// costs more and is further away. The numbers are those of browsers.
    #[must_use]
    pub const fn type_preference(self, kind: Kind) -> u8 {
        match (self, kind) {
            (Self::Udp, kind) => kind.type_preference(),
            (Self::Tcp, Kind::Host) => 90,
            (Self::Tcp, Kind::PeerReflexive) => 80,
            (Self::Tcp, Kind::ServerReflexive) => 70,
            (Self::Tcp, Kind::Relayed) => 0,
        }
    }
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

impl TcpType {
    /// The local preference of a host candidate of this type, of which `other` tells it from others: 3 bits
    /// and 13 bits (RFC 6544 section 4.2). Who connects passes more firewalls than who listens.
    pub(super) const fn local_preference(self, other: u16) -> u16 {
        let direction = match self {
            Self::Active => 6,
            Self::Passive => 4,
            Self::SimultaneousOpen => 2,
        };
        (direction << OTHER_BITS) + (other & ((1 << OTHER_BITS) - 1))
    }
}

/// How much of a local preference tells TCP candidates of one type apart.
const OTHER_BITS: u32 = 13;

/// "discard", which TCP active candidates carry (RFC 6544 section 4.5): nobody listens there.
pub(super) const DISCARD: u16 = 9;

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
pub(super) const fn with_type(priority: u32, transport: Transport, kind: Kind) -> u32 {
    (priority & 0x00ff_ffff) | ((transport.type_preference(kind) as u32) << 24)
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
        with_type(self.candidate.priority, self.candidate.transport, Kind::PeerReflexive)
    }
}

/// Gives out foundations: the same number for the same origin (RFC 8445 section 5.1.1.3).
#[derive(Debug, Default)]
pub(super) struct Foundations(Vec<Origin>);

/// What candidates of one foundation have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) kind: Kind,
    pub(super) base: IpAddr,
    /// The server that it was learnt from.
    pub(super) server: Option<IpAddr>,
    /// Of those by TCP.
    pub(super) tcp_type: Option<TcpType>,
}

impl Origin {
    pub(super) const fn transport(&self) -> Transport {
        if self.tcp_type.is_some() { Transport::Tcp } else { Transport::Udp }
    }
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

    /// The same for candidates by TCP, which have fewer bits to themselves.
    pub(super) fn next_tcp(&mut self, ip: IpAddr, tcp_type: TcpType) -> u16 {
        let others = (1 << OTHER_BITS) - 1;
        tcp_type.local_preference(self.next(ip).saturating_sub(u16::MAX - others))
    }
}

/// The address as candidates have it: without the scope and flow that only this machine knows. A
/// socket that is bound to a link-local address has its scope by itself.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
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

/// Whether a check can make its way: datagrams to datagrams, and who connects to who listens. A listener
/// has no pair before somebody has connected, for nothing can be sent until then (RFC 6544 section 6.2).
pub(super) const fn can_carry(
    ours: Option<TcpType>,
    theirs: Option<TcpType>,
    cause: Cause,
) -> bool {
    use TcpType::{Active, Passive};
    matches!(
        (ours, theirs, cause),
        (None, None, _)
            | (Some(Active), Some(Passive), _)
            | (Some(Passive), Some(Active), Cause::Checked)
    )
}

/// Whether anything can be sent there: a port, and an address that is one machine's.
pub(super) fn is_reachable(addr: SocketAddr) -> bool {
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
        let seen = |host, transport| with_type(host, transport, Kind::PeerReflexive);
        assert_eq!(seen(host, Transport::Udp), priority(110, 65_535, 1));
        assert_eq!(seen(priority(90, 57_343, 1), Transport::Tcp), priority(80, 57_343, 1));
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
            let origin = Origin { kind, base: ip(base), server: server.map(ip), tcp_type: None };
            foundations.of(origin)
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
    fn each_kind_by_tcp_ranks_below_every_direct_one_by_udp_and_above_a_relay() {
        let direct = [Kind::Host, Kind::PeerReflexive, Kind::ServerReflexive];
        for kind in direct {
            let by_tcp = Transport::Tcp.type_preference(kind);
            assert!(direct.iter().all(|udp| by_tcp < udp.type_preference()), "{kind:?}");
            assert!(by_tcp > Kind::Relayed.type_preference(), "{kind:?}");
        }
    }

    #[test]
    fn tcp_preferences_have_the_direction_on_top_and_are_given_once() {
        let mut preferences = Preferences::default();
        let mut of = |tcp_type| preferences.next_tcp(ip("192.0.2.1"), tcp_type);
        assert_eq!(of(TcpType::Active), (6 << 13) + 8_191);
        assert_eq!(of(TcpType::Active), (6 << 13) + 8_189);
        assert_eq!(of(TcpType::Passive), (4 << 13) + 8_187);
    }

    #[test]
    fn who_connects_is_paired_with_who_listens() {
        use TcpType::{Active, Passive, SimultaneousOpen};
        let types = [None, Some(Active), Some(Passive), Some(SimultaneousOpen)];
        let all = types.iter().flat_map(|ours| types.map(|theirs| (*ours, theirs)));
        let (paired, others): (Vec<_>, Vec<_>) =
            all.partition(|(ours, theirs)| can_carry(*ours, *theirs, Cause::Paired));
        assert_eq!(paired, [(None, None), (Some(Active), Some(Passive))]);
        let checked = others.into_iter().filter(|(a, b)| can_carry(*a, *b, Cause::Checked));
        assert_eq!(checked.collect::<Vec<_>>(), [(Some(Passive), Some(Active))]);
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
