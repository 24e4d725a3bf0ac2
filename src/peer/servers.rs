//! Servers of a call: which socket leads to which, what to do when one fails, and what to say of it.
//!
//! ```text
//! Config::servers --> the world resolves names, opens sockets --> Input::RelaySocket, Input::StunServer
//! ice::Event::RelayEnded --> again by another port (437), or at another server (300), or a warning
//! Input::ServerUnreachable --> again in a moment, if it was there before, or a warning
//! ```
//! A server can send us round in circles, so each is tried a few times at most, and no address twice. Where a
//! redirection leads is the word of whoever answered: it stays with the same transport and certificate, and
//! may not lead to this very machine.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::ice::{PathId, Purpose, RelayEnd, RelayReason, Server, Source};
use crate::peer::reason::NoHelp;
use crate::time::Instant;

/// The servers that were configured, by their place in the configuration.
#[derive(Debug)]
pub(super) struct Servers {
    list: Vec<State>,
    /// What was told of STUN servers that do not answer.
    silent: Vec<String>,
}

#[derive(Debug)]
struct State {
    server: Server,
    /// Where it is, if it only says where it sees us.
    addresses: Vec<SocketAddr>,
    /// Its sockets, the last one in use.
    sockets: Vec<(PathId, SocketAddr)>,
    /// A socket to it is being opened, in place of one that led nowhere.
    is_opening: bool,
    /// It was there, and does not take our connection any more.
    away: Option<Away>,
    /// Why it is of no use, if it isn't.
    failure: Option<String>,
    /// Whether that is because it does not know us.
    refuses_us: bool,
}

/// A server that may be back in a moment, as one that is started anew.
#[derive(Clone, Copy, Debug)]
struct Away {
    since: Instant,
    /// When to try again; `None` while a try is under way.
    again: Option<Instant>,
}

/// What the end of a relay leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Open a socket to this server at this address.
    Open { server: usize, addr: SocketAddr },
    /// Tell people.
    Warn(String),
    /// It was meant so.
    Nothing,
}

/// Sockets that are opened to one server in a call: the first, three for the port's sake, and a few for
/// servers that were restarted or sent us on.
const MOST_SOCKETS: usize = 8;
/// For so long a server that was there is tried again; each time after as long as it has been away until then.
const AWAY: Duration = Duration::from_secs(30);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Silent STUN servers that are told of when a call fails.
const MOST_SILENT: usize = 4;

impl Servers {
    pub(super) fn new(servers: &[Server]) -> Self {
        let state = |server: &Server| State {
            server: server.clone(),
            addresses: Vec::new(),
            sockets: Vec::new(),
            is_opening: false,
            away: None,
            failure: None,
            refuses_us: false,
        };
        Self { list: servers.iter().map(state).collect(), silent: Vec::new() }
    }

    /// An address of the STUN server at this place.
    pub(super) fn found(&mut self, place: usize, addr: SocketAddr) {
        if let Some(state) = self.list.get_mut(place) {
            state.addresses.push(addr);
        }
    }

    /// The URI of the server that a candidate of ours came from. A TURN server can say where it sees us as any
    /// STUN server can, and is named as such then: so browsers do it.
    pub(super) fn uri_of(&self, source: &Source) -> Option<String> {
        if source.transport.is_some() {
            let leads = |state: &&State| state.sockets.iter().any(|(path, _)| *path == source.path);
            return Some(self.list.iter().find(leads)?.server.to_string());
        }
        let is_at = |addr: &SocketAddr| *addr == source.server;
        let reflects = self.list.iter().find(|state| state.addresses.iter().any(is_at));
        let is_relay = |state: &&State| state.sockets.iter().any(|(_, addr)| is_at(addr));
        let found = reflects.or_else(|| self.list.iter().find(is_relay))?;
        Some(Server { purpose: Purpose::Reflection, ..found.server.clone() }.to_string())
    }

    /// A socket to the server at this place.
    pub(super) fn connected(&mut self, place: usize, path: PathId, addr: SocketAddr) {
        if let Some(state) = self.list.get_mut(place) {
            state.sockets.push((path, addr));
            state.is_opening = false;
            (state.away, state.failure, state.refuses_us) = (None, None, false);
        }
    }

    /// The server at this place can't be reached. Says how to tell it; one that was there before is tried
    /// again for a while first.
    pub(super) fn unreachable(&mut self, now: Instant, place: usize, why: &str) -> Option<String> {
        let state = self.list.get_mut(place)?;
        state.is_opening = false;
        // Who fails meanwhile for want of a server is told, too.
        let told = state.fail(why);
        if !state.sockets.is_empty() {
            let since = state.away.map_or(now, |away| away.since);
            let pause = (now - since).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            if now - since < AWAY {
                state.away = Some(Away { since, again: Some(now + pause) });
                return None;
            }
        }
        Some(told)
    }

    /// Whether sockets are on their way in place of others.
    pub(super) fn are_opening(&self) -> bool {
        self.list.iter().any(|state| state.is_opening)
    }

    /// When [`Self::next_try`] has something.
    pub(super) fn due(&self) -> Option<Instant> {
        self.list.iter().filter_map(|state| state.away?.again).min()
    }

    /// A server that is to be tried again now, and its address.
    pub(super) fn next_try(&mut self, now: Instant) -> Option<(usize, SocketAddr)> {
        let is_due = |state: &State| {
            state.away.and_then(|away| away.again).is_some_and(|again| again <= now)
        };
        let place = self.list.iter().position(is_due)?;
        let state = self.list.get_mut(place)?;
        state.away.as_mut()?.again = None;
        Some((place, state.sockets.last()?.1))
    }

    /// An allocation is no more, or never was.
    pub(super) fn ended(&mut self, path: PathId, ended: RelayEnd) -> Next {
        let of_path = |state: &State| state.sockets.iter().any(|(known, _)| *known == path);
        let Some(place) = self.list.iter().position(of_path) else { return Next::Nothing };
        let Some(state) = self.list.get_mut(place) else { return Next::Nothing };
        let Some((_, addr)) = state.sockets.last().copied() else { return Next::Nothing };
        let again = match &ended {
            RelayEnd::Closed => return Next::Nothing,
            RelayEnd::Alternate { servers, domain } => state.alternate(addr, servers, domain),
            RelayEnd::Failed(RelayReason::Lost | RelayReason::Disconnected) => Some(addr),
            RelayEnd::Failed(reason) if reason.wants_another_port() => {
                (state.sockets.len() <= 3).then_some(addr)
            }
            RelayEnd::Failed(_) => None,
        };
        match again.filter(|_| state.sockets.len() < MOST_SOCKETS) {
            Some(addr) => {
                state.is_opening = true;
                Next::Open { server: place, addr }
            }
            None => {
                state.refuses_us =
                    matches!(&ended, RelayEnd::Failed(reason) if reason.is_about_credentials());
                Next::Warn(state.fail(&why(&ended)))
            }
        }
    }

    /// A STUN server does not answer. Says how to tell it.
    pub(super) fn silent(&mut self, addr: SocketAddr) -> String {
        let told = format!("the STUN server {addr} does not answer");
        if self.silent.len() < MOST_SILENT && !self.silent.contains(&told) {
            self.silent.push(told.clone());
        }
        told
    }

    /// What is wrong with the servers that are of no use; none if nothing is.
    pub(super) fn why_no_help(&self) -> Option<NoHelp> {
        self.no_help(self.list.iter().filter_map(|state| state.failure.clone()))
    }

    /// The same where no server has given us a relay: one that has not even refused is silent.
    pub(super) fn why_no_relay(&self) -> Option<NoHelp> {
        let why = |state: &State| match &state.failure {
            None if state.server.purpose == Purpose::Relay => {
                Some(format!("{}: it does not answer", state.server))
            }
            failure => failure.clone(),
        };
        self.no_help(self.list.iter().filter_map(why))
    }

    fn no_help(&self, failed: impl Iterator<Item = String>) -> Option<NoHelp> {
        let failures: Vec<_> = failed.chain(self.silent.iter().cloned()).collect();
        let refuses_us = self.list.iter().any(|state| state.refuses_us);
        (!failures.is_empty()).then(|| NoHelp { told: failures.join("; "), refuses_us })
    }
}

impl State {
    fn fail(&mut self, why: &str) -> String {
        let failure = format!("{}: {why}", self.server);
        self.failure = Some(failure.clone());
        failure
    }

    /// The first of `servers` that may be tried.
    fn alternate(
        &self,
        current: SocketAddr,
        servers: &[SocketAddr],
        domain: &Option<String>,
    ) -> Option<SocketAddr> {
        let is_same_name = domain.as_ref().is_none_or(|domain| *domain == self.server.host);
        let is_new = |addr: &SocketAddr| !self.sockets.iter().any(|(_, known)| known == addr);
        let may_be = |addr: &SocketAddr| {
            addr.is_ipv4() == current.is_ipv4()
                && addr.port() != 0
                && is_one_machines(addr.ip())
                && (!addr.ip().is_loopback() || current.ip().is_loopback())
        };
        let found = servers.iter().find(|addr| is_new(addr) && may_be(addr));
        found.copied().filter(|_| is_same_name)
    }
}

fn is_one_machines(ip: IpAddr) -> bool {
    !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::from([255, 255, 255, 255])
}

fn why(ended: &RelayEnd) -> String {
    match ended {
        RelayEnd::Closed => "closed".to_owned(),
        RelayEnd::Alternate { .. } => "it sends us to servers that can't be used".to_owned(),
        RelayEnd::Failed(reason) => reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(uri: &str) -> Servers {
        let mut servers = Servers::new(&[uri.parse().unwrap()]);
        servers.connected(0, PathId(10), addr("203.0.113.9:3478"));
        servers
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn alternate(to: &str) -> RelayEnd {
        RelayEnd::Alternate { servers: vec![addr("[2001:db8::1]:3478"), addr(to)], domain: None }
    }

    fn refused(code: u16) -> RelayEnd {
        RelayEnd::Failed(RelayReason::refused(code, "No"))
    }

    #[test]
    fn a_redirection_is_followed_to_each_server_once() {
        let mut servers = servers("turn:relay.example");
        let other = addr("203.0.113.10:3478");
        let next = servers.ended(PathId(10), alternate("203.0.113.10:3478"));
        assert_eq!(next, Next::Open { server: 0, addr: other });
        servers.connected(0, PathId(11), other);
        let back = servers.ended(PathId(11), alternate("203.0.113.9:3478"));
        assert!(matches!(back, Next::Warn(_)), "{back:?}");
        assert!(
            servers.why_no_help().is_some_and(|why| why.told.starts_with("turn:relay.example"))
        );
    }

    #[test]
    fn a_redirection_does_not_lead_to_this_machine_or_another_certificate() {
        for to in ["127.0.0.1:80", "0.0.0.0:3478", "224.0.0.1:3478", "203.0.113.10:0"] {
            let next = servers("turn:relay.example").ended(PathId(10), alternate(to));
            assert!(matches!(next, Next::Warn(_)), "{to}");
        }
        let domain = Some("other.example".to_owned());
        let ended = RelayEnd::Alternate { servers: vec![addr("203.0.113.10:3478")], domain };
        let next = servers("turns:relay.example").ended(PathId(10), ended);
        assert!(matches!(next, Next::Warn(_)));
    }

    #[test]
    fn who_gave_no_relay_is_named_even_if_nothing_came_from_there() {
        let uris = ["turn:silent.example", "stun:mirror.example", "turn:closed.example"];
        let mut servers = Servers::new(&uris.map(|uri| uri.parse().unwrap()));
        servers.unreachable(Instant::ZERO, 2, "refused");
        let told = servers.why_no_relay().unwrap().told;
        let expected = "turn:silent.example:3478?transport=udp: it does not answer; \
                        turn:closed.example:3478?transport=udp: refused";
        assert_eq!(told, expected);
    }

    #[test]
    fn another_port_is_tried_three_times() {
        // rfc8656-7.4-1
        let mut servers = servers("turn:relay.example");
        let mut path = 10;
        let opened = std::iter::from_fn(|| match servers.ended(PathId(path), refused(437)) {
            Next::Open { addr, .. } => {
                path += 1;
                servers.connected(0, PathId(path), addr);
                Some(addr)
            }
            _ => None,
        });
        assert_eq!(opened.count(), 3);
    }

    #[test]
    fn a_server_that_was_there_is_tried_again_for_half_a_minute() {
        let mut servers = servers("turn:relay.example?transport=tcp");
        let at = addr("203.0.113.9:3478");
        let gone = servers.ended(PathId(10), RelayEnd::Failed(RelayReason::Disconnected));
        assert_eq!(gone, Next::Open { server: 0, addr: at });
        let (mut tried, mut now) = (Vec::new(), Instant::from_millis(5_000));
        let told = loop {
            if let Some(told) = servers.unreachable(now, 0, "refused") {
                break told;
            }
            assert!(servers.why_no_help().is_some_and(|why| why.told.ends_with("refused")));
            now = servers.due().unwrap();
            assert_eq!(servers.next_try(now), Some((0, at)));
            assert_eq!((servers.next_try(now), servers.due()), (None, None), "under way");
            tried.push((now - Instant::from_millis(5_000)).as_millis());
        };
        assert_eq!(tried[..6], [100, 200, 400, 800, 1_600, 2_600]);
        assert_eq!(tried.last(), Some(&30_600));
        assert!(told.ends_with("refused"), "{told}");

        servers.connected(0, PathId(11), at);
        assert_eq!(servers.why_no_help(), None, "it is back");
        let mut never_there = Servers::new(&["turn:relay.example".parse().unwrap()]);
        assert!(never_there.unreachable(now, 0, "refused").is_some());
    }

    #[test]
    fn a_refusal_is_told_in_words() {
        let mut servers = servers("turn:relay.example");
        let Next::Warn(told) = servers.ended(PathId(10), refused(486)) else { panic!() };
        assert!(told.starts_with("turn:relay.example:3478?transport=udp: this user has"), "{told}");
        assert_eq!(servers.why_no_help(), Some(NoHelp { told, refuses_us: false }));
        assert_eq!(servers.ended(PathId(99), refused(486)), Next::Nothing, "not one of ours");
    }
}
