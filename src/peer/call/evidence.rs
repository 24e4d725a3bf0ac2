//! What was seen of a call that does not come about: the facts for `reason.rs`.

use std::net::{IpAddr, Ipv6Addr};

use super::Peer;
use super::phase::Phase;
use crate::ice::{Agent, Candidate, Kind, Policy, SelectedPair, Transport};
use crate::peer::absence::{Expected, Missing};
use crate::peer::event::{Concern, Event};
use crate::peer::reason::{self, Checked, Consent, NoMedia, NoPair, Place, Reason};
use crate::time::Instant;

impl Peer {
    /// Why no pair worked.
    pub(super) fn why_no_pair(&self) -> Reason {
        let agent = self.transport.as_ref().map(|transport| &transport.agent);
        let Some(agent) = agent.filter(|agent| agent.remote_credentials().is_some()) else {
            return reason::no_description();
        };
        let checked = agent.pairs().filter(|pair| pair.figures.requests_sent > 0);
        let ours: Vec<_> = agent.every_local_candidate().map(|(_, candidate)| candidate).collect();
        let theirs: Vec<_> = agent.remote_candidates().map(|(_, candidate)| candidate).collect();
        if ours.is_empty() && self.config.policy == Policy::Relay {
            return reason::no_relay(self.servers.why_no_relay());
        }
        let dropped = agent.dropped();
        reason::no_pair(&NoPair {
            checked: checked
                .map(|pair| Checked(pair.local.kind, pair.remote.kind, pair.local.transport))
                .collect(),
            ours: place(&ours),
            theirs: place(&theirs),
            hidden: agent.hidden_candidates(),
            came_in: agent.pairs().map(|pair| pair.figures.requests_received).sum(),
            refused_by_them: dropped.refused_checks,
            refused_by_us: dropped.foreign_requests,
            servers: self.servers.why_no_help(),
        })
    }

    /// Why the pair that worked may not be used any more.
    pub(super) fn why_consent_is_lost(&self) -> Reason {
        let agent = self.transport.as_ref().map(|transport| &transport.agent);
        let consent = match agent.is_some_and(Agent::was_consent_refused) {
            true => Consent::Refused,
            false => Consent::Expired(crate::ice::CONSENT_EXPIRY),
        };
        reason::consent_lost(consent, self.in_use.as_deref())
    }

    /// Why there are no keys after all that time.
    pub(super) fn why_no_keys(&self) -> Reason {
        let transport = self.transport.as_ref();
        let dtls_came = transport.map_or(0, |transport| transport.dtls_received);
        reason::no_keys(self.config.connect_timeout, dtls_came, self.pair_in_use().as_deref())
    }

    /// The pair that DTLS was tried by: the selected one, else the one that packets go by.
    fn pair_in_use(&self) -> Option<String> {
        let agent = &self.transport.as_ref()?.agent;
        let sends = agent.send_pair();
        let pair = agent.pairs().find(|pair| Some((pair.path, pair.remote.addr)) == sends);
        pair.map(|pair| pair_text(pair.local, pair.remote)).or_else(|| self.in_use.clone())
    }

    /// Warns if the call is connected, and sound that is expected does not come.
    pub(super) fn check_silence(&mut self, now: Instant) {
        let dropped = self.dropped();
        let facts = NoMedia {
            they_sent: self.reports.they_sent,
            unopened: dropped.forged,
            unknown: dropped.unknown_format + dropped.other_section,
        };
        let text = match self.absence.check(now, self.expected(), facts) {
            Some(Missing::Ever(waited, facts)) => reason::no_media(waited, facts),
            Some(Missing::Now(silent, facts)) => reason::media_stopped(silent, facts),
            None => return,
        };
        self.events.push_back(Event::Warning { text, about: Some(Concern::Silence) });
    }

    fn expected(&self) -> Expected {
        let agent = self.transport.as_ref().map(|transport| &transport.agent);
        let expects = self.phase == Phase::Connected && self.left.is_none();
        match agent.filter(|_| expects && self.negotiation.receives()) {
            None => Expected::Nothing,
            Some(agent) if !agent.is_sure() => Expected::Doubtful,
            Some(_) if self.config.opus.dtx => Expected::First,
            Some(_) => Expected::Sound,
        }
    }
}

/// How a pair is called where one line has to do.
pub(super) fn selected_text(pair: &SelectedPair) -> String {
    pair_text(&pair.local, &pair.remote)
}

fn pair_text(local: &Candidate, remote: &Candidate) -> String {
    let by = if local.transport == Transport::Tcp { " by TCP" } else { "" };
    format!("{}-{} to {}{by}", local.kind.name(), remote.kind.name(), remote.addr)
}

/// Where a side with these candidates stands.
fn place(candidates: &[&Candidate]) -> Place {
    let is_public =
        |candidate: &&&Candidate| candidate.kind == Kind::Host && !is_private(candidate.addr.ip());
    if candidates.iter().any(|candidate| is_public(&candidate)) {
        return Place::Public;
    }
    let mut reflexive = candidates.iter().filter(|one| one.kind == Kind::ServerReflexive);
    if reflexive.clone().any(|one| candidates.iter().any(|other| are_of_one_socket(one, other))) {
        return Place::BehindSymmetricNat;
    }
    match reflexive.next() {
        Some(_) => Place::BehindNat,
        None if candidates.is_empty() => Place::Nowhere,
        None => Place::Private,
    }
}

/// Whether two destinations saw one socket at different ports: a mapping of its own for each (RFC 4787
/// section 4.1). Browsers that hide their addresses name no socket (0.0.0.0:0), which proves nothing.
fn are_of_one_socket(one: &Candidate, other: &Candidate) -> bool {
    let is_reflexive = matches!(other.kind, Kind::ServerReflexive | Kind::PeerReflexive);
    let is_known = one.related.is_some_and(|addr| addr.port() != 0 && !addr.ip().is_unspecified());
    is_reflexive
        && is_known
        && one.related == other.related
        && one.addr.ip() == other.addr.ip()
        && one.addr.port() != other.addr.port()
}

/// Whether an address means something in a local network alone.
pub(crate) fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_carriers = first == 100 && (64..128).contains(&second); // RFC 6598
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || is_carriers
        }
        IpAddr::V6(ip) => {
            ip == Ipv6Addr::LOCALHOST || ip.is_unique_local() || ip.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(kind: Kind, addr: &str, related: Option<&str>) -> Candidate {
        Candidate {
            foundation: "f".into(),
            component: 1,
            transport: Transport::Udp,
            priority: 1,
            addr: addr.parse().unwrap(),
            kind,
            related: related.map(|addr| addr.parse().unwrap()),
            tcp_type: None,
            ufrag: None,
        }
    }

    #[test]
    fn candidates_tell_where_a_side_stands() {
        use Kind::{Host, PeerReflexive, Relayed, ServerReflexive};
        let host = |addr| candidate(Host, addr, None);
        let home = || host("192.168.1.2:5000");
        let seen = |kind, addr| candidate(kind, addr, Some("192.168.1.2:5000"));
        for (candidates, expected) in [
            (vec![], Place::Nowhere),
            (vec![home(), host("[fd00::1]:5000"), host("100.64.3.2:1")], Place::Private),
            (vec![home(), host("[2001:db8::1]:5000")], Place::Public),
            (vec![home(), seen(ServerReflexive, "203.0.113.1:4000")], Place::BehindNat),
            (
                vec![
                    seen(ServerReflexive, "203.0.113.1:4000"),
                    seen(ServerReflexive, "203.0.113.1:4001"),
                ],
                Place::BehindSymmetricNat,
            ),
            (
                vec![
                    seen(ServerReflexive, "203.0.113.1:4000"),
                    seen(PeerReflexive, "203.0.113.1:4001"),
                ],
                Place::BehindSymmetricNat,
            ),
            (
                vec![
                    seen(ServerReflexive, "203.0.113.1:4000"),
                    seen(Relayed, "203.0.113.1:4001"), // the server is on the router itself
                ],
                Place::BehindNat,
            ),
        ] {
            assert_eq!(place(&candidates.iter().collect::<Vec<_>>()), expected, "{candidates:?}");
        }
    }

    #[test]
    fn two_hidden_sockets_behind_one_nat_make_it_no_symmetric_one() {
        let hidden = |addr| candidate(Kind::ServerReflexive, addr, Some("0.0.0.0:0"));
        let both = [hidden("203.0.113.1:4000"), hidden("203.0.113.1:4001")];
        assert_eq!(place(&both.iter().collect::<Vec<_>>()), Place::BehindNat);
    }
}
