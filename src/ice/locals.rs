//! The candidates of our own (RFC 8445 sections 5.1 and 7.2.5.3.1): sockets, what servers and checks say of
//! them, relays; and how they rank, which a restart decides anew.
//!
//! Names of candidates are never used twice, so a restart can drop some without confusing who holds one.
//!
//! Read next: `candidates.rs`.

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};

use super::candidate::{
    COMPONENT, Candidate, DISCARD, Foundations, Kind, Local, Origin, PathId, Preferences, TcpType,
    Transport, is_reachable, priority, with_type,
};
use super::candidates::MAX_REFLEXIVE;
use super::pair::LocalId;
use super::server::ServerTransport;

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
        let wanted = priority(Kind::Host.type_preference(), local_preference, COMPONENT);
        let priority = self.unused(wanted);
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

    /// A new session: what the other side saw is no more, and addresses are ranked anew, as `rank` says and then
    /// as they were. Says how all was.
    pub(super) fn restart(&mut self, rank: impl Fn(PathId) -> u8) -> Vec<(LocalId, Local)> {
        let before = self.list.clone();
        self.list.retain(|(_, local)| local.candidate.kind != Kind::PeerReflexive);
        self.rank(rank);
        before
    }

    fn rank(&mut self, rank: impl Fn(PathId) -> u8) {
        let udp = self.list.iter_mut().map(|(_, local)| local);
        let udp = udp.filter(|local| local.candidate.transport == Transport::Udp);
        let (mut hosts, mut others): (Vec<_>, Vec<_>) =
            udp.partition(|local| local.candidate.kind == Kind::Host);
        hosts.sort_by_key(|local| (rank(local.path), Reverse(local.candidate.priority)));
        self.preferences = Preferences::default();
        let mut ranked = Vec::new();
        for host in hosts {
            let local_preference = self.preferences.next(host.base.ip());
            let priority = priority(Kind::Host.type_preference(), local_preference, COMPONENT);
            host.candidate.priority = priority;
            ranked.push((host.base, priority));
        }
        // Two of one base keep their order, and each a priority of its own (RFC 8445 section 5.1.2).
        others.sort_by_key(|local| Reverse(local.candidate.priority));
        let mut given = Vec::new();
        for local in others {
            let base = ranked.iter().find(|(base, _)| *base == local.base);
            if let (Kind::ServerReflexive, Some((_, priority))) = (local.candidate.kind, base) {
                let mut wanted = with_type(*priority, Transport::Udp, Kind::ServerReflexive);
                while given.contains(&wanted) {
                    wanted = wanted.saturating_sub(1 << 8);
                }
                given.push(wanted);
                local.candidate.priority = wanted;
            }
        }
    }

    /// The old session goes on. What has come since then stays.
    pub(super) fn put_back(&mut self, before: Vec<(LocalId, Local)>) {
        self.list.retain(|(_, local)| local.candidate.kind != Kind::PeerReflexive);
        for (id, local) in before {
            match self.list.iter_mut().find(|(known, _)| *known == id) {
                Some((_, known)) => *known = local,
                None if local.candidate.kind == Kind::PeerReflexive => self.list.push((id, local)),
                None => {} // it has gone
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn ranked_anew_each_candidate_has_a_priority_of_its_own() {
        // rfc8445-5.1.2-1
        let mut locals = Locals::default();
        let addr = |text: &str| text.parse().unwrap();
        let first = locals.add_host(PathId(1), addr("192.0.2.1:5000")).unwrap();
        let second = locals.add_host(PathId(2), addr("192.0.2.2:5000")).unwrap();
        for (base, seen) in [
            (first, "203.0.113.5:40000"),
            (first, "203.0.113.5:40001"),
            (first, "203.0.113.6:40000"),
            (second, "203.0.113.5:40002"),
        ] {
            locals.add_reflexive(base, "198.51.100.1".parse().unwrap(), addr(seen)).unwrap();
        }
        let order = |locals: &Locals| {
            let mut all: Vec<_> = locals.iter().map(|(_, local)| &local.candidate).collect();
            all.sort_by_key(|candidate| Reverse(candidate.priority));
            let all: Vec<_> = all.into_iter().map(|it| (it.priority, it.addr)).collect();
            assert!(all.windows(2).all(|two| two[0].0 > two[1].0), "{all:?}");
            all.into_iter().map(|(_, addr)| addr).collect::<Vec<_>>()
        };
        let before = order(&locals);
        locals.restart(|_| 1);
        assert_eq!(order(&locals), before, "where all are ranked alike");
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
}
