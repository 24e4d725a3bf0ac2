//! The candidates of the other side that the agent knows (RFC 8445 section 7.3.1.3). Ours: `locals.rs`.
//!
//! Names of candidates are never used twice, so a restart can drop some without confusing who holds
//! one. Strangers can make remote candidates only with the password, and then only so many.
//!
//! Read next: `checklist.rs`.

use std::net::{IpAddr, SocketAddr};

use super::candidate::{
    COMPONENT, Candidate, Kind, TcpType, Transport, is_reachable, priority, with_type,
};
use super::pair::RemoteId;

/// Peer-reflexive candidates of either side, beside the others.
pub(super) const MAX_REFLEXIVE: usize = 16;

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

    /// The old session goes on with its own. Names that were given meanwhile stay used.
    pub(super) fn put_back(&mut self, before: Self) {
        *self = Self { next_id: self.next_id, ..before };
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
    fn a_name_is_not_used_again_when_a_restart_is_taken_back() {
        let mut remotes = Remotes::new(64);
        let first = remotes.add(host("198.51.100.7:6000", 1));
        let before = remotes.restart();
        let second = remotes.add(host("198.51.100.7:6001", 1));
        remotes.put_back(before);
        let third = remotes.add(host("198.51.100.7:6002", 1));
        assert_eq!([first, second, third], [0, 1, 2].map(|id| Added::New(RemoteId(id))));
        assert_eq!(remotes.iter().count(), 2);
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
