//! The candidates of both sides that the agent knows (RFC 8445 sections 5.1, 7.2.5.3.1, 7.3.1.3).
//!
//! Names of candidates are never used twice, so a restart can drop some without confusing who holds
//! one. Strangers can make remote candidates only with the password, and then only so many.
//!
//! Read next: `checklist.rs`.

use std::net::{IpAddr, SocketAddr};

use super::candidate::{
    COMPONENT, Candidate, DISCARD, Foundations, Kind, Local, Origin, PathId, Preferences, TcpType,
    Transport, is_reachable, priority, with_type,
};
use super::pair::{LocalId, RemoteId};
use super::server::ServerTransport;

/// Peer-reflexive candidates of either side, beside the others.
const MAX_REFLEXIVE: usize = 16;

/// Between the local preferences of relays by one transport and by the next.
const RELAY_STEP: u16 = 1 << 14;

/// Ours.
#[derive(Debug, Default)]
pub(super) struct Locals {
    list: Vec<(LocalId, Local)>,
    next_id: usize,
    foundations: Foundations,
    preferences: Preferences,
    tcp_preferences: Preferences,
    /// Of relays over UDP, TCP and TLS.
    relay_preferences: [Preferences; 3],
}

impl Locals {
    pub(super) fn get(&self, id: LocalId) -> Option<&Local> {
        self.iter().find(|(other, _)| *other == id).map(|(_, local)| local)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LocalId, &Local)> {
        self.list.iter().map(|(id, local)| (*id, local))
    }

    /// Those that checks leave from.
    pub(super) fn bases(&self) -> impl Iterator<Item = (LocalId, &Local)> {
        self.iter().filter(|(_, local)| local.is_base())
    }

    /// What datagrams of this path are addressed to, if they come from an address of this family: a relay
    /// may have lent us one of each.
    pub(super) fn base_of(&self, path: PathId, from: IpAddr) -> Option<(LocalId, &Local)> {
        let mut bases = self.bases();
        bases.find(|(_, local)| local.path == path && local.base.is_ipv4() == from.is_ipv4())
    }

    /// A bound socket; `None` if its address is a candidate already or can't be one.
    pub(super) fn add_host(&mut self, path: PathId, addr: SocketAddr) -> Option<LocalId> {
        let known = self.at(addr, None).is_some() || self.iter().any(|(_, it)| it.path == path);
        if known || addr.ip().is_unspecified() || addr.ip().is_multicast() {
            return None;
        }
        let local_preference = self.preferences.next(addr.ip());
        let priority = priority(Kind::Host.type_preference(), local_preference, COMPONENT);
        let origin = Origin { kind: Kind::Host, base: addr.ip(), server: None, tcp_type: None };
        Some(self.push(origin, path, (addr, addr), None, priority))
    }

    /// An address of ours where we listen for connections, or from which we connect; `None` if it is a
    /// candidate already or can't be one.
    pub(super) fn add_tcp_host(
        &mut self,
        path: PathId,
        mut addr: SocketAddr,
        tcp_type: TcpType,
    ) -> Option<LocalId> {
        if tcp_type == TcpType::Active {
            addr.set_port(DISCARD); // each connection has a port of its own
        }
        let known = self.at(addr, Some(tcp_type)).is_some()
            || self.iter().any(|(_, local)| local.path == path);
        if known || addr.ip().is_unspecified() || addr.ip().is_multicast() {
            return None;
        }
        let local_preference = self.tcp_preferences.next_tcp(addr.ip(), tcp_type);
        let type_preference = Transport::Tcp.type_preference(Kind::Host);
        let priority = priority(type_preference, local_preference, COMPONENT);
        let tcp_type = Some(tcp_type);
        let origin = Origin { kind: Kind::Host, base: addr.ip(), server: None, tcp_type };
        Some(self.push(origin, path, (addr, addr), None, priority))
    }

    /// The place of the candidate with this address.
    fn at(&self, addr: SocketAddr, tcp_type: Option<TcpType>) -> Option<usize> {
        self.list.iter().position(|(_, local)| {
            (local.candidate.addr, local.candidate.tcp_type) == (addr, tcp_type)
        })
    }

    /// What the other side saw us as, through this base: one of our candidates, perhaps a new one
    /// (RFC 8445 section 7.2.5.3.1). `None` if there are too many.
    pub(super) fn seen_as(&mut self, mapped: SocketAddr, base_id: LocalId) -> Option<LocalId> {
        let base = self.get(base_id)?;
        let (path, base_addr, priority) = (base.path, base.base, base.reflexive_priority());
        let tcp_type = base.candidate.tcp_type;
        // A connection's own port says nothing: the address is what may have been translated.
        if tcp_type == Some(TcpType::Active) && mapped.ip() == base_addr.ip() {
            return Some(base_id);
        }
        let same = self.at(mapped, tcp_type).and_then(|place| self.list.get(place));
        if let Some((id, _)) = same {
            return Some(*id);
        }
        let is_reflexive = |local: &Local| local.candidate.kind == Kind::PeerReflexive;
        if self.iter().filter(|(_, local)| is_reflexive(local)).count() >= MAX_REFLEXIVE {
            return None;
        }
        let kind = Kind::PeerReflexive;
        let origin = Origin { kind, base: base_addr.ip(), server: None, tcp_type };
        Some(self.push(origin, path, (mapped, base_addr), Some(base_addr), priority))
    }

    /// Notes which server told or lent a candidate.
    pub(super) fn came_from(&mut self, id: LocalId, server: SocketAddr) {
        if let Some((_, local)) = self.list.iter_mut().find(|(other, _)| *other == id) {
            local.server = Some(server);
        }
    }

    /// What a server saw this base as. `None` if that is known already (rfc8445-5.1.3-1), or there are too many.
    pub(super) fn add_reflexive(
        &mut self,
        base: LocalId,
        server: IpAddr,
        addr: SocketAddr,
    ) -> Option<LocalId> {
        let base = self.get(base)?;
        let (path, base_addr) = (base.path, base.base);
        let (transport, tcp_type) = (base.candidate.transport, base.candidate.tcp_type);
        let wanted = with_type(base.candidate.priority, transport, Kind::ServerReflexive);
        let same = self.at(addr, tcp_type);
        let is_met = |place: usize| {
            self.list.get(place).is_some_and(|(_, local)| {
                local.candidate.kind == Kind::PeerReflexive && local.base == base_addr
            })
        };
        let kinds = self.iter().map(|(_, local)| local.candidate.kind);
        let too_many = kinds.filter(|kind| *kind == Kind::ServerReflexive).count() >= MAX_REFLEXIVE;
        if same.is_some_and(|place| !is_met(place)) || too_many || !is_reachable(addr) {
            return None;
        }
        let priority = self.unused(wanted);
        let server = Some(server);
        let kind = Kind::ServerReflexive;
        let origin = Origin { kind, base: base_addr.ip(), server, tcp_type };
        if let Some((id, met)) = same.and_then(|place| self.list.get_mut(place)) {
            // A check had shown it before; now it gets its proper name.
            met.candidate.kind = origin.kind;
            met.candidate.priority = priority;
            met.candidate.foundation = self.foundations.of(origin);
            return Some(*id);
        }
        Some(self.push(origin, path, (addr, base_addr), Some(base_addr), priority))
    }

    /// An address that a TURN server has lent us; `related` is what may be told of ours. `None` if it is
    /// known (rfc8445-5.1.1.2-3). Relays by UDP come before those by TCP, for a stream that lost a packet delays all
    /// that follow, and those by TLS come last.
    pub(super) fn add_relayed(
        &mut self,
        path: PathId,
        (server, transport): (IpAddr, ServerTransport),
        addr: SocketAddr,
        related: SocketAddr,
    ) -> Option<LocalId> {
        if self.at(addr, None).is_some() || !is_reachable(addr) {
            return None;
        }
        let [udp, tcp, tls] = &mut self.relay_preferences;
        let (preferences, below) = match transport {
            ServerTransport::Udp => (udp, 0),
            ServerTransport::Tcp => (tcp, RELAY_STEP),
            ServerTransport::Tls => (tls, 2 * RELAY_STEP),
        };
        let local_preference = preferences.next(addr.ip()).saturating_sub(below);
        let wanted = priority(Kind::Relayed.type_preference(), local_preference, COMPONENT);
        let priority = self.unused(wanted);
        let (kind, server) = (Kind::Relayed, Some(server));
        let origin = Origin { kind, base: addr.ip(), server, tcp_type: None };
        Some(self.push(origin, path, (addr, addr), Some(related), priority))
    }

    /// The next lower priority that no candidate has (rfc8445-5.1.2-1).
    fn unused(&self, wanted: u32) -> u32 {
        let is_used = |priority| self.iter().any(|(_, local)| local.candidate.priority == priority);
        let lower = std::iter::successors(Some(wanted), |priority| priority.checked_sub(1 << 8));
        lower.take(self.list.len() + 1).find(|priority| !is_used(*priority)).unwrap_or(wanted)
    }

    /// Forgets a socket that is no more, and what was learnt through it. Says whether there was one.
    pub(super) fn forget_path(&mut self, path: PathId) -> bool {
        let before = self.list.len();
        self.list.retain(|(_, local)| local.path != path);
        self.list.len() < before
    }

    /// Gives away what the other side saw: a new session.
    pub(super) fn restart(&mut self) -> Vec<(LocalId, Local)> {
        let is_reflexive =
            |(_, local): &(LocalId, Local)| local.candidate.kind == Kind::PeerReflexive;
        let (seen, own) = std::mem::take(&mut self.list).into_iter().partition(is_reflexive);
        self.list = own;
        seen
    }

    /// The old session goes on: what the other side saw in it counts again.
    pub(super) fn put_back(&mut self, seen: Vec<(LocalId, Local)>) {
        self.restart();
        self.list.extend(seen);
    }

    fn push(
        &mut self,
        origin: Origin,
        path: PathId,
        (addr, base): (SocketAddr, SocketAddr),
        related: Option<SocketAddr>,
        priority: u32,
    ) -> LocalId {
        let kind = origin.kind;
        let foundation = self.foundations.of(origin);
        let candidate = Candidate {
            foundation,
            component: COMPONENT,
            transport: origin.transport(),
            priority,
            addr,
            kind,
            related,
            tcp_type: origin.tcp_type,
            ufrag: None,
        };
        let id = LocalId(self.next_id);
        self.next_id += 1;
        self.list.push((id, Local { candidate, path, base, server: None }));
        id
    }
}

/// Theirs.
#[derive(Debug)]
pub(super) struct Remotes {
    list: Vec<(RemoteId, Candidate)>,
    next_id: usize,
    max_signalled: usize,
}

/// What became of a remote candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// There was none with its address.
    New(RemoteId),
    /// Its address was known, and is now known better.
    Updated(RemoteId),
    /// Its address was known as well or better.
    Redundant,
    /// There are too many.
    Surplus,
}

impl Remotes {
    pub(super) fn new(max_signalled: usize) -> Self {
        Self { list: Vec::new(), next_id: 0, max_signalled }
    }

    pub(super) fn get(&self, id: RemoteId) -> Option<&Candidate> {
        self.iter().find(|(other, _)| *other == id).map(|(_, candidate)| candidate)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RemoteId, &Candidate)> {
        self.list.iter().map(|(id, candidate)| (*id, candidate))
    }

    /// The candidate with this address: UDP and TCP have ports of their own.
    pub(super) fn at(&self, addr: SocketAddr, transport: Transport) -> Option<RemoteId> {
        let is_at =
            |candidate: &Candidate| (candidate.addr, candidate.transport) == (addr, transport);
        self.iter().find(|(_, candidate)| is_at(candidate)).map(|(id, _)| id)
    }

    /// A candidate from signalling. One that was met as peer-reflexive before is now known by its
    /// real kind, priority and foundation: both sides then see the same priorities (RFC 8838 section
    /// 11). Of two with one address the higher priority stays (RFC 8445 section 5.1.3).
    pub(super) fn add(&mut self, new: Candidate) -> Added {
        let known = self
            .list
            .iter_mut()
            .find(|(_, known)| (known.addr, known.transport) == (new.addr, new.transport));
        if let Some((id, known)) = known {
            let better = known.kind == Kind::PeerReflexive || new.priority > known.priority;
            if !better {
                return Added::Redundant;
            }
            *known = new;
            return Added::Updated(*id);
        }
        let signalled = self.iter().filter(|(_, known)| known.kind != Kind::PeerReflexive).count();
        if signalled >= self.max_signalled {
            return Added::Surplus;
        }
        Added::New(self.push(new))
    }

    /// The source of a check: known, or a new peer-reflexive candidate (RFC 8445 section 7.3.1.3).
    /// `None` if there are too many. Who has connected to us is always new: the port is that of the
    /// connection, and no description has it.
    pub(super) fn met(
        &mut self,
        from: SocketAddr,
        transport: Transport,
        priority: u32,
    ) -> Option<RemoteId> {
        if let Some(id) = self.at(from, transport) {
            return Some(id);
        }
        let is_reflexive = |candidate: &Candidate| candidate.kind == Kind::PeerReflexive;
        if self.iter().filter(|(_, known)| is_reflexive(known)).count() >= MAX_REFLEXIVE {
            return None;
        }
        // "Different from all others": `*` is no ice-char, so no other side can have sent it.
        let foundation = format!("*{}", self.next_id);
        Some(self.push(Candidate {
            foundation,
            component: COMPONENT,
            transport,
            priority,
            addr: from,
            kind: Kind::PeerReflexive,
            related: None,
            tcp_type: (transport == Transport::Tcp).then_some(TcpType::Active),
            ufrag: None,
        }))
    }

    /// Whether a genuine check came from an address that was not announced.
    pub(super) fn has_met(&self, from: SocketAddr, transport: Transport) -> bool {
        let known = self.at(from, transport).and_then(|id| self.get(id));
        known.is_some_and(|candidate| candidate.foundation.starts_with('*'))
    }

    /// Gives all away: a new session. Their names stay used.
    pub(super) fn restart(&mut self) -> Self {
        let list = std::mem::take(&mut self.list);
        Self { list, ..*self }
    }

    /// Forgets those that `keep` doesn't want.
    pub(super) fn retain(&mut self, keep: impl Fn(&Candidate) -> bool) {
        self.list.retain(|(_, candidate)| keep(candidate));
    }

    fn push(&mut self, candidate: Candidate) -> RemoteId {
        let id = RemoteId(self.next_id);
        self.next_id += 1;
        self.list.push((id, candidate));
        id
    }
}

/// Whether a remote candidate is of the sort that we check: one that takes what is sent to it, our
/// component, an address where somebody can be.
pub(super) fn is_usable(candidate: &Candidate) -> bool {
    let takes_packets = matches!(
        (candidate.transport, candidate.tcp_type),
        (Transport::Udp, _) | (Transport::Tcp, Some(TcpType::Passive))
    );
    takes_packets && candidate.component == COMPONENT && is_reachable(candidate.addr)
}

/// Whether it is one that connects to us, and till then leads nowhere: its checks tell all there is to know.
pub(super) fn comes_to_us(candidate: &Candidate) -> bool {
    matches!(candidate.tcp_type, Some(TcpType::Active | TcpType::SimultaneousOpen))
}

/// The address that a remote candidate's packets start from, as far as we can know it.
pub(super) fn remote_base(candidate: &Candidate) -> IpAddr {
    let behind = candidate.related.map(|related| related.ip());
    match (candidate.kind, behind) {
        (Kind::ServerReflexive, Some(ip)) if !ip.is_unspecified() => ip,
        _ => candidate.addr.ip(),
    }
}

/// The PRIORITY of a check that came without one: the least that a peer-reflexive candidate has.
pub(super) const fn least_reflexive_priority() -> u32 {
    with_type(priority(0, 0, COMPONENT), Transport::Tcp, Kind::PeerReflexive)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(addr: &str, priority: u32) -> Candidate {
        Candidate {
            foundation: "f".into(),
            component: 1,
            transport: Transport::Udp,
            priority,
            addr: addr.parse().unwrap(),
            kind: Kind::Host,
            related: None,
            tcp_type: None,
            ufrag: None,
        }
    }

    #[test]
    fn one_host_candidate_per_socket_with_the_priority_of_its_turn() {
        // rfc8445-5.1.1.1-2, rfc8445-5.1.2.1-1, rfc8445-5.1.3-1
        let mut locals = Locals::default();
        let addr = "192.0.2.1:5000".parse().unwrap();
        let id = locals.add_host(PathId(1), addr).unwrap();
        assert_eq!(locals.get(id).unwrap().candidate.priority, 2_130_706_431);
        assert_eq!(locals.add_host(PathId(2), addr), None, "the same address");
        assert_eq!(locals.add_host(PathId(3), "0.0.0.0:5000".parse().unwrap()), None);
    }

    #[test]
    fn an_unknown_mapped_address_becomes_a_peer_reflexive_candidate_once() {
        // rfc8445-7.2.5.3.1-1
        let mut locals = Locals::default();
        let base = locals.add_host(PathId(1), "192.0.2.1:5000".parse().unwrap()).unwrap();
        assert_eq!(locals.seen_as("192.0.2.1:5000".parse().unwrap(), base), Some(base));
        let mapped = "203.0.113.5:40000".parse().unwrap();
        let reflexive = locals.seen_as(mapped, base).unwrap();
        let found = locals.get(reflexive).unwrap();
        assert_eq!(found.candidate.kind, Kind::PeerReflexive);
        assert_eq!(found.candidate.priority, priority(110, 65_535, 1));
        assert_eq!(found.candidate.related, Some("192.0.2.1:5000".parse().unwrap()));
        assert!(!found.is_base());
        assert_eq!(locals.seen_as(mapped, base), Some(reflexive));
        let many = (0..100u16)
            .filter_map(|n| locals.seen_as(SocketAddr::new(mapped.ip(), 41_000 + n), base));
        assert_eq!(many.count(), MAX_REFLEXIVE - 1);
    }

    #[test]
    fn an_address_met_by_its_check_is_known_by_its_own_line_later() {
        let mut remotes = Remotes::new(64);
        let addr = "198.51.100.7:6000";
        let udp = Transport::Udp;
        let met = remotes.met(addr.parse().unwrap(), udp, 1_862_270_975).unwrap();
        // rfc8445-7.3.1.3-1
        assert_eq!(remotes.get(met).unwrap().priority, 1_862_270_975);
        assert_eq!(remotes.get(met).unwrap().foundation, "*0");
        assert_eq!(remotes.add(host(addr, 2_130_706_431)), Added::Updated(met));
        assert_eq!(remotes.get(met).unwrap().kind, Kind::Host);
        assert_eq!(remotes.add(host(addr, 9)), Added::Redundant);
        assert_eq!(remotes.met(addr.parse().unwrap(), udp, 1), Some(met));
    }

    #[test]
    fn remote_candidates_have_limits_each_sort_its_own() {
        let mut remotes = Remotes::new(2);
        let addr = |port: u16| SocketAddr::new(IpAddr::from([198, 51, 100, 7]), port);
        let added: Vec<_> =
            (1..=3).map(|n| remotes.add(host(&addr(n).to_string(), n.into()))).collect();
        assert_eq!(added[2], Added::Surplus);
        let met = (100..200).filter_map(|port| remotes.met(addr(port), Transport::Udp, 1)).count();
        assert_eq!(met, MAX_REFLEXIVE, "a flood of lines leaves room for checks");
    }

    #[test]
    fn tcp_other_components_and_dead_addresses_are_not_for_us() {
        // rfc6544-4.5-1, rfc8839-5.1-1
        let good = host("192.0.2.1:5000", 1);
        assert!(is_usable(&good));
        let tcp = |tcp_type| Candidate {
            transport: Transport::Tcp,
            tcp_type: Some(tcp_type),
            ..good.clone()
        };
        assert!(is_usable(&tcp(TcpType::Passive)));
        assert!(!is_usable(&tcp(TcpType::Active)) && comes_to_us(&tcp(TcpType::Active)));
        assert!(!is_usable(&Candidate { component: 2, ..good.clone() }));
        assert!(!is_usable(&Candidate { addr: "192.0.2.1:9".parse().unwrap(), ..good }));
    }
}
