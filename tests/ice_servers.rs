//! Agents with STUN and TURN servers, in virtual time: what is gathered, in which order, and what goes by a
//! relay (RFC 8445 sections 5.1 and 7.2.1, RFC 8656).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod relay_server;
}

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use common::relay_server::{PASSWORD, RelayServer, USER};
use halloo::ice::{
    Agent, Arrival, Candidate, Config, Event, Input, Kind, Output, PathId, Policy, RelayEnd,
    RelayReason, RelaySocket, RelayUser, Role, ServerTransport, State,
};
use halloo::stun::{Message, Method, is_stun};
use halloo::time::Instant;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// One agent, its sockets and what it has told.
struct Node {
    agent: Agent,
    sockets: Vec<SocketAddr>,
    events: Vec<(Instant, Event)>,
}

/// Agents and servers on one network, 10 ms from each other.
struct Net {
    now: Instant,
    nodes: Vec<Node>,
    servers: Vec<RelayServer>,
    /// Private address → public address of the NAT before it, which lets in only answers.
    nats: HashMap<IpAddr, IpAddr>,
    /// Nothing passes but to and from servers.
    is_closed: bool,
    opened: Vec<(SocketAddr, SocketAddr)>,
    wire: Vec<(Instant, SocketAddr, SocketAddr, Vec<u8>)>,
    trace: Vec<(Instant, SocketAddr, SocketAddr, Vec<u8>)>,
}

const DELAY: Duration = Duration::from_millis(10);

impl Net {
    fn new(servers: &[&str]) -> Self {
        Self {
            now: Instant::ZERO,
            nodes: Vec::new(),
            servers: servers.iter().map(|addr| RelayServer::new(addr)).collect(),
            nats: HashMap::new(),
            is_closed: false,
            opened: Vec::new(),
            wire: Vec::new(),
            trace: Vec::new(),
        }
    }

    fn add(&mut self, config: Config, sockets: &[&str]) -> usize {
        let mut agent = Agent::new(config, StdRng::seed_from_u64(self.nodes.len() as u64 + 1));
        let sockets: Vec<SocketAddr> = sockets.iter().map(|addr| addr.parse().unwrap()).collect();
        for (number, addr) in (0..).zip(&sockets) {
            let candidate = Input::LocalCandidate { path: PathId(number), addr: *addr };
            agent.handle_input(self.now, candidate);
        }
        self.nodes.push(Node { agent, sockets, events: Vec::new() });
        self.nodes.len() - 1
    }

    /// A socket of its own for this server.
    fn add_relay(&mut self, node: usize, server: usize, transport: ServerTransport) -> PathId {
        let node = &mut self.nodes[node];
        let number = u32::try_from(node.sockets.len()).unwrap();
        let port = 6_000 + u16::try_from(number).unwrap();
        node.sockets.push(SocketAddr::new(node.sockets[0].ip(), port));
        let socket = RelaySocket {
            path: PathId(number),
            server: self.servers[server].addr,
            transport,
            user: Some(RelayUser::new(USER, PASSWORD)),
        };
        node.agent.handle_input(self.now, Input::RelaySocket(socket));
        PathId(number)
    }

    fn tell(&mut self, node: usize, input: Input<'_>) {
        self.nodes[node].agent.handle_input(self.now, input);
        self.drain(node);
    }

    fn done(&mut self, node: usize) {
        self.tell(node, Input::LocalCandidatesDone);
    }

    /// Each learns what the other has found until now.
    fn exchange(&mut self) {
        for (of, to) in [(0, 1), (1, 0)] {
            let credentials = self.nodes[of].agent.local_credentials().clone();
            self.tell(to, Input::RemoteCredentials(credentials));
            for candidate in self.candidates(of) {
                self.tell(to, Input::RemoteCandidate(candidate));
            }
        }
    }

    fn candidates(&self, node: usize) -> Vec<Candidate> {
        self.nodes[node].agent.local_candidates().into_iter().cloned().collect()
    }

    fn kinds(&self, node: usize) -> Vec<Kind> {
        self.candidates(node).iter().map(|candidate| candidate.kind).collect()
    }

    fn when(&self, node: usize, wanted: impl Fn(&Event) -> bool) -> Option<Instant> {
        self.nodes[node].events.iter().find(|(_, event)| wanted(event)).map(|(at, _)| *at)
    }

    fn run_until(&mut self, until: Instant) {
        for node in 0..self.nodes.len() {
            self.drain(node);
        }
        loop {
            let timers = (0..self.nodes.len()).filter_map(|node| self.drain(node)).min();
            let arrival = self.wire.iter().map(|(at, ..)| *at).min();
            let next = timers.into_iter().chain(arrival).min().filter(|next| *next <= until);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            let due = self.now;
            let (arrived, wire) = self.wire.drain(..).partition(|(at, ..)| *at <= due);
            self.wire = wire;
            let arrived: Vec<_> = arrived;
            for (_, from, to, bytes) in arrived {
                self.deliver(from, to, &bytes);
            }
            for node in 0..self.nodes.len() {
                if self.drain(node).is_some_and(|at| at <= due) {
                    self.tell(node, Input::Timer);
                }
            }
        }
        self.now = self.now.max(until);
    }

    fn run_for(&mut self, ms: u64) {
        self.run_until(self.now + Duration::from_millis(ms));
    }

    fn drain(&mut self, node: usize) -> Option<Instant> {
        loop {
            let now = self.now;
            let Node { agent, sockets, events } = &mut self.nodes[node];
            match agent.poll_output() {
                Output::Event(event) => events.push((now, event)),
                Output::Timeout(at) => return at,
                Output::Transmit { path, to, bytes } => {
                    let from = sockets[path.0 as usize];
                    let bytes = bytes.to_vec();
                    self.send(from, to, bytes);
                }
            }
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.trace.push((self.now, from, to, bytes.clone()));
        let public = self.nats.get(&from.ip()).copied();
        if public.is_some() {
            self.opened.push((from, to));
        }
        let from = SocketAddr::new(public.unwrap_or(from.ip()), from.port());
        self.wire.push((self.now + DELAY, from, to, bytes));
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if let Some(server) = self.servers.iter_mut().find(|server| server.is_at(to)) {
            for (from, to, bytes) in server.receive(from, to, bytes) {
                self.wire.push((self.now + DELAY, from, to, bytes));
            }
            return;
        }
        if self.is_closed && !self.servers.iter().any(|server| server.is_at(from)) {
            return;
        }
        if self.nats.contains_key(&to.ip()) {
            return; // a private address, seen from outside
        }
        let behind = self.nats.iter().find(|(_, public)| **public == to.ip());
        let private = SocketAddr::new(behind.map_or(to.ip(), |(ip, _)| *ip), to.port());
        if behind.is_some() && !self.opened.contains(&(private, from)) {
            return;
        }
        let found = self.nodes.iter().enumerate().find_map(|(number, node)| {
            Some((number, node.sockets.iter().position(|socket| *socket == private)?))
        });
        let Some((node, place)) = found else { return };
        let path = PathId(u32::try_from(place).unwrap());
        let agent = &mut self.nodes[node].agent;
        match agent.arrive(self.now, path, from, bytes) {
            Arrival::Consumed => {}
            Arrival::Direct => {
                agent.handle_input(self.now, Input::Datagram { path, from, bytes });
            }
            Arrival::Relayed(from, range) => {
                let bytes = &bytes[range];
                agent.handle_input(self.now, Input::Datagram { path, from, bytes });
            }
        }
        self.drain(node);
    }

    /// Sends a packet of sound, as the layer above does.
    fn send_sound(&mut self, node: usize, sound: &[u8]) {
        let (path, to) = self.nodes[node].agent.send_pair().unwrap();
        let mut bytes = vec![0; halloo::turn::HEADROOM];
        let start = bytes.len();
        bytes.extend_from_slice(sound);
        let (to, begin) = self.nodes[node].agent.frame(path, to, &mut bytes, start).unwrap();
        let from = self.nodes[node].sockets[path.0 as usize];
        self.send(from, to, bytes[begin..].to_vec());
    }
}

fn config(role: Role) -> Config {
    Config::new(role)
}

fn relay_only(role: Role) -> Config {
    Config { policy: Policy::Relay, ..Config::new(role) }
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

const HOME: &str = "10.0.0.2:5000";
const SERVER: &str = "203.0.113.9:3478";

/// One agent behind a NAT, with the servers it has.
fn behind_nat(config: Config) -> Net {
    let mut net = Net::new(&[SERVER]);
    net.nats.insert(addr(HOME).ip(), "192.0.2.1".parse().unwrap());
    net.add(config, &[HOME]);
    net
}

#[test]
fn a_stun_server_gives_the_base_another_name() {
    // rfc8445-5.1.1.2-1, rfc8445-5.1.1.3-1
    let mut net = behind_nat(config(Role::Controlling));
    net.tell(0, Input::StunServer(addr(SERVER)));
    net.done(0);
    assert_eq!(net.when(0, |event| *event == Event::Gathered), None);
    net.run_for(100);
    let [host, reflexive] = &net.candidates(0)[..] else { panic!("{:?}", net.candidates(0)) };
    assert_eq!(reflexive.kind, Kind::ServerReflexive);
    assert_eq!(reflexive.addr, addr("192.0.2.1:5000"));
    assert_eq!(reflexive.related, Some(addr(HOME)));
    assert_eq!(reflexive.priority, halloo::ice::priority(100, 65_535, 1));
    assert_ne!(reflexive.foundation, host.foundation);
    let gathered = net.when(0, |event| *event == Event::Gathered);
    assert_eq!(gathered, Some(Instant::from_millis(20)));
}

#[test]
fn without_a_nat_there_is_no_second_name() {
    // rfc8445-5.1.3-1
    let mut net = Net::new(&[SERVER]);
    net.add(config(Role::Controlling), &["192.0.2.7:5000"]);
    net.tell(0, Input::StunServer(addr(SERVER)));
    net.done(0);
    net.run_for(100);
    assert_eq!(net.kinds(0), [Kind::Host]);
}

#[test]
fn requests_leave_one_per_ta_and_the_best_base_asks_first() {
    // rfc8445-5.1.1.2-2
    let mut net = Net::new(&["203.0.113.9:3478", "203.0.113.10:3478"]);
    net.servers[0].dead = true;
    let bases = [HOME, "10.0.1.2:5000", "10.0.2.2:5000", "10.0.3.2:5000", "10.0.4.2:5000"];
    for (number, base) in (1..).zip(bases) {
        net.nats.insert(addr(base).ip(), IpAddr::from([192, 0, 2, number]));
    }
    net.add(config(Role::Controlling), &bases);
    for server in ["203.0.113.9:3478", "203.0.113.10:3478"] {
        net.tell(0, Input::StunServer(addr(server)));
    }
    net.add_relay(0, 1, ServerTransport::Udp);
    net.done(0);
    net.run_for(499);
    let mut firsts: Vec<(Instant, SocketAddr, SocketAddr)> = Vec::new();
    for (at, from, to, bytes) in &net.trace {
        let is_first = !firsts.iter().any(|(_, a, b)| (a, b) == (from, to));
        let method = Message::parse(bytes).unwrap().method();
        if is_first && [Method::BINDING, Method::ALLOCATE].contains(&method) {
            firsts.push((*at, *from, *to));
        }
    }
    assert_eq!(firsts.len(), 10);
    for (number, (at, ..)) in (0..).zip(&firsts) {
        assert_eq!(*at, Instant::from_millis(50 * number));
    }
    assert!(firsts[..2].iter().all(|(_, from, _)| *from == addr(HOME)), "{firsts:?}");
    assert_eq!(firsts[2].1.port(), 6_005, "the relay");
    let kinds = net.kinds(0);
    assert!(kinds.contains(&Kind::Relayed) && kinds.contains(&Kind::ServerReflexive), "{kinds:?}");
}

#[test]
fn a_dead_server_is_given_up_after_40_s_and_named() {
    let mut net = behind_nat(config(Role::Controlling));
    net.servers[0].dead = true;
    net.tell(0, Input::StunServer(addr(SERVER)));
    net.done(0);
    net.run_for(39_499);
    assert_eq!(net.when(0, |event| *event == Event::Gathered), None);
    net.run_for(1);
    assert!(net.when(0, |event| *event == Event::ServerSilent(addr(SERVER))).is_some());
    assert!(net.when(0, |event| *event == Event::Gathered).is_some());
}

#[test]
fn the_transaction_id_decides_whose_answer_it_is_and_not_the_address() {
    let mut net = behind_nat(config(Role::Controlling));
    net.servers[0].dead = true;
    net.tell(0, Input::StunServer(addr(SERVER)));
    let (_, from, _, request) = net.trace.last().unwrap().clone();
    let asked = Message::parse(&request).unwrap().id();
    assert!(net.nodes[0].agent.awaits(asked));
    let mut honest = RelayServer::new(SERVER);
    let (_, _, mut answer) = honest.receive(from, addr(SERVER), &request).remove(0);
    // Another id from the right address: nobody's.
    answer[8] ^= 1;
    let tell = |net: &mut Net, from: &str, bytes: &[u8]| {
        net.tell(0, Input::Datagram { path: PathId(0), from: addr(from), bytes });
    };
    tell(&mut net, SERVER, &answer);
    assert_eq!(net.nodes[0].agent.dropped().unknown_transactions, 1);
    answer[8] ^= 1;
    tell(&mut net, "203.0.113.99:1", &answer);
    assert!(!net.nodes[0].agent.awaits(asked));
}

#[test]
fn what_was_found_is_kept_alive_until_the_choice() {
    // rfc8445-5.1.1.4-1
    let mut net = behind_nat(config(Role::Controlling));
    net.tell(0, Input::StunServer(addr(SERVER)));
    net.done(0);
    net.run_for(60_000);
    let times: Vec<_> = net.trace.iter().map(|(at, ..)| at.since_start().as_secs()).collect();
    assert_eq!(times, [0, 15, 30, 45], "20 ms later each");
}

#[test]
fn a_turn_server_lends_an_address_and_shows_where_it_sees_us() {
    // rfc8445-5.1.1.2-1, rfc8445-5.1.1.2-4
    let mut net = behind_nat(config(Role::Controlling));
    net.add_relay(0, 0, ServerTransport::Udp);
    net.done(0);
    net.run_for(200);
    let [_, reflexive, relayed] = &net.candidates(0)[..] else { panic!("{:?}", net.candidates(0)) };
    assert_eq!(reflexive.addr, addr("192.0.2.1:5000"), "the media socket, not the relay's");
    assert_eq!(relayed.kind, Kind::Relayed);
    assert_eq!(relayed.addr, addr("203.0.113.9:50000"));
    assert_eq!(
        relayed.related,
        Some(addr("192.0.2.1:6001")),
        "as the server sees the relay's socket"
    );
    assert_eq!(relayed.priority, halloo::ice::priority(0, 65_535, 1));
}

#[test]
fn relays_rank_by_transport() {
    let mut net = Net::new(&["203.0.113.9:3478", "203.0.113.10:3478", "203.0.113.11:3478"]);
    net.add(config(Role::Controlling), &["192.0.2.7:5000"]);
    net.add_relay(0, 0, ServerTransport::Tls);
    net.add_relay(0, 1, ServerTransport::Tcp);
    net.add_relay(0, 2, ServerTransport::Udp);
    net.done(0);
    net.run_for(500);
    let relays: Vec<_> =
        net.candidates(0).iter().skip(1).map(|candidate| candidate.addr.ip()).collect();
    let best_first = ["203.0.113.11", "203.0.113.10", "203.0.113.9"];
    assert_eq!(relays, best_first.map(|ip| ip.parse::<IpAddr>().unwrap()));
    let foundations: std::collections::BTreeSet<_> =
        net.candidates(0).into_iter().map(|candidate| candidate.foundation).collect();
    assert_eq!(foundations.len(), 4);
}

#[test]
fn relay_only_shows_and_uses_nothing_else() {
    let mut net = behind_nat(relay_only(Role::Controlling));
    net.nats.insert("10.0.9.9".parse().unwrap(), "192.0.2.2".parse().unwrap());
    net.add(relay_only(Role::Controlled), &["10.0.9.9:5000"]);
    for node in [0, 1] {
        net.tell(node, Input::StunServer(addr(SERVER)));
        net.add_relay(node, 0, ServerTransport::Udp);
        net.done(node);
    }
    net.run_for(200);
    for node in [0, 1] {
        let [relayed] = &net.candidates(node)[..] else { panic!("{:?}", net.candidates(node)) };
        assert_eq!((relayed.kind, relayed.related), (Kind::Relayed, Some(addr("0.0.0.0:0"))));
    }
    net.exchange();
    net.run_for(1_000);
    for node in [0, 1] {
        let selected = net.nodes[node].agent.selected().expect("a pair");
        assert_eq!((selected.local.kind, selected.remote.kind), (Kind::Relayed, Kind::Relayed));
    }
    let used: Vec<_> = net.trace.iter().map(|(_, from, ..)| from.port()).collect();
    assert!(used.iter().all(|port| *port == 6_001), "the other sockets stay silent: {used:?}");
}

#[test]
fn a_check_is_preceded_by_a_permission_and_a_choice_followed_by_a_channel() {
    // rfc8445-7.2.1-1, rfc8445-7.2.1-2
    let mut net = behind_nat(relay_only(Role::Controlling));
    net.add(config(Role::Controlled), &["192.0.2.7:5000"]);
    net.add_relay(0, 0, ServerTransport::Udp);
    net.done(0);
    net.done(1);
    net.run_for(200);
    net.exchange();
    net.run_for(2_000);
    let asked = &net.servers[0].asked;
    let [Method::ALLOCATE, Method::ALLOCATE, rest @ ..] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(rest, [Method::CREATE_PERMISSION, Method::CHANNEL_BIND]);
    assert_eq!(net.servers[0].dropped, 1, "the other side's check came before our permission");
    let before = net.servers[0].by_channel;
    for sound in [&b"\x80to"[..], b"\x80them"] {
        net.send_sound(0, sound);
    }
    let (_, _, to, framed) = net.trace.last().unwrap();
    assert_eq!((*to, &framed[..]), (addr(SERVER), &b"\x40\x00\x00\x05\x80them"[..]));
    net.run_for(100);
    assert_eq!(net.servers[0].by_channel, before + 2);
    let (path, from) = net.nodes[1].agent.send_pair().unwrap();
    assert_eq!((path, from), (PathId(0), addr("203.0.113.9:50000")));
}

#[test]
fn a_direct_way_is_preferred_to_a_relay() {
    let mut net = Net::new(&[SERVER]);
    net.add(config(Role::Controlling), &["192.0.2.7:5000"]);
    net.add(config(Role::Controlled), &["192.0.2.8:5000"]);
    for node in [0, 1] {
        net.add_relay(node, 0, ServerTransport::Udp);
        net.done(node);
    }
    net.run_for(300);
    net.exchange();
    net.run_for(2_000);
    for node in [0, 1] {
        let selected = net.nodes[node].agent.selected().expect("a pair");
        assert_eq!((selected.local.kind, selected.remote.kind), (Kind::Host, Kind::Host));
    }
}

#[test]
fn a_refused_peer_fails_its_pairs_and_no_others() {
    let mut net = behind_nat(relay_only(Role::Controlling));
    let (inside, outside) = ("10.0.9.9:5000", "192.0.2.7:5000");
    net.add(config(Role::Controlled), &[inside, outside]);
    net.servers[0].forbidden.insert(addr(inside).ip());
    net.add_relay(0, 0, ServerTransport::Udp);
    net.done(0);
    net.done(1);
    net.run_for(200);
    net.exchange();
    net.run_for(1_500);
    let selected = net.nodes[0].agent.selected().expect("a pair");
    assert_eq!(selected.remote.addr, addr(outside));
}

#[test]
fn a_refusal_is_told_with_its_reason_and_the_server_still_says_where_it_sees_us() {
    // rfc8445-5.1.1.2-4
    let mut net = behind_nat(config(Role::Controlling));
    net.servers[0].refuses = Some(486);
    let path = net.add_relay(0, 0, ServerTransport::Udp);
    net.done(0);
    net.run_for(300);
    let reason = net.nodes[0].events.iter().find_map(|(_, event)| match event {
        Event::RelayEnded { path: ended, ended: RelayEnd::Failed(reason) } if *ended == path => {
            Some(reason.clone())
        }
        _ => None,
    });
    assert!(reason.is_some_and(|reason| reason.is_lack_of_resources()));
    assert_eq!(net.kinds(0), [Kind::Host, Kind::ServerReflexive]);
    assert!(net.when(0, |event| *event == Event::Gathered).is_some());
}

#[test]
fn a_relay_that_is_gone_fails_its_pairs() {
    let mut net = behind_nat(relay_only(Role::Controlling));
    net.add(config(Role::Controlled), &["192.0.2.7:5000"]);
    let path = net.add_relay(0, 0, ServerTransport::Tcp);
    net.done(0);
    net.done(1);
    net.run_for(200);
    net.exchange();
    net.run_for(1_000);
    assert!(net.nodes[0].agent.selected().is_some());
    net.tell(0, Input::RelayDisconnected(path));
    let ended = RelayEnd::Failed(RelayReason::Disconnected);
    assert!(
        net.when(0, |event| *event == Event::RelayEnded { path, ended: ended.clone() }).is_some()
    );
    assert_eq!(net.candidates(0), []);
    assert_eq!(net.nodes[0].agent.send_pair(), None);
}

/// One request leaves per Ta: the second server is not asked yet.
#[test]
fn a_connection_that_breaks_before_the_server_is_asked_is_told_of() {
    let mut net = Net::new(&[SERVER, "203.0.113.10:3478"]);
    net.add(relay_only(Role::Controlling), &[HOME]);
    net.add_relay(0, 0, ServerTransport::Tcp);
    let path = net.add_relay(0, 1, ServerTransport::Tcp);
    net.done(0);
    net.tell(0, Input::RelayDisconnected(path));
    let told = Event::RelayEnded { path, ended: RelayEnd::Failed(RelayReason::Disconnected) };
    net.run_for(1_000);
    assert_eq!(net.nodes[0].events.iter().filter(|(_, event)| *event == told).count(), 1);
    assert_eq!(net.kinds(0), [Kind::Relayed], "the other one's");
}

#[test]
fn servers_that_hang_up_leave_room_for_others() {
    let mut net = Net::new(&[SERVER, "203.0.113.10:3478"]);
    net.add(relay_only(Role::Controlling), &[HOME]);
    for _ in 0..40 {
        let path = net.add_relay(0, 0, ServerTransport::Tcp);
        net.tell(0, Input::RelayDisconnected(path));
    }
    net.add_relay(0, 1, ServerTransport::Tcp);
    net.done(0);
    net.run_for(1_000);
    assert_eq!(net.kinds(0), [Kind::Relayed]);
}

#[test]
fn the_end_gives_every_allocation_back() {
    // rfc8656-8-2
    let mut net = behind_nat(config(Role::Controlling));
    net.add_relay(0, 0, ServerTransport::Udp);
    net.done(0);
    net.run_for(300);
    assert_eq!(net.servers[0].allocations(), 1);
    net.tell(0, Input::Close);
    net.run_for(100);
    assert_eq!(net.servers[0].allocations(), 0);
    assert_eq!(net.nodes[0].agent.state(), State::Closed);
}

#[test]
fn a_stranger_on_the_relays_socket_is_not_the_relay() {
    let mut net = behind_nat(config(Role::Controlling));
    let path = net.add_relay(0, 0, ServerTransport::Udp);
    net.done(0);
    net.run_for(300);
    let agent = &mut net.nodes[0].agent;
    for bytes in [&b"\x40\x00\x00\x01x"[..], b"\x80sound"] {
        assert_eq!(
            agent.arrive(net.now, path, addr("198.51.100.66:3478"), bytes),
            Arrival::Consumed
        );
    }
    assert_eq!(agent.dropped().not_the_relay, 2);
    assert_eq!(agent.arrive(net.now, PathId(0), addr(SERVER), b"\x80"), Arrival::Direct);
    assert!(net.trace.iter().all(|(.., bytes)| is_stun(bytes)));
}

#[test]
fn a_public_address_is_announced_beside_the_own_and_first() {
    let public_addresses = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let mut net = Net::new(&[]);
    let config = Config { public_addresses, ..config(Role::Controlled) };
    net.add(config, &[HOME, "127.0.0.1:5001"]);
    net.done(0);
    let [public, host, loopback] = &net.candidates(0)[..] else {
        panic!("{:?}", net.candidates(0))
    };
    assert_eq!((public.kind, public.addr), (Kind::ServerReflexive, addr("192.0.2.1:5000")));
    assert_eq!(public.related, Some(addr(HOME)));
    assert_eq!([host.kind, loopback.kind], [Kind::Host, Kind::Host]);
}

/// Node 0 has this role and no way but a relay, whose path is told too; the call has run for a second.
fn by_one_relay(role: Role, transport: ServerTransport) -> (Net, PathId) {
    let mut net = behind_nat(relay_only(role));
    net.add(config(role.opposite()), &["192.0.2.7:5000"]);
    let path = net.add_relay(0, 0, transport);
    net.done(0);
    net.done(1);
    net.run_for(200);
    net.exchange();
    net.run_for(1_000);
    (net, path)
}

#[test]
fn a_server_that_was_restarted_is_found_out_when_sound_stops_and_asked_anew() {
    let (mut net, path) = by_one_relay(Role::Controlling, ServerTransport::Udp);
    net.servers[0].forget_all();
    net.tell(0, Input::MediaStopped);
    net.run_for(100);
    let ended = RelayEnd::Failed(RelayReason::Lost);
    assert!(
        net.when(0, |event| *event == Event::RelayEnded { path, ended: ended.clone() }).is_some()
    );
    net.add_relay(0, 0, ServerTransport::Udp);
    net.run_for(300);
    assert!(net.when(0, |event| *event == Event::RestartNeeded).is_some());
    assert_eq!(net.kinds(0), [], "not in this session");
    net.tell(0, Input::Restart);
    assert_eq!(net.kinds(0), [Kind::Relayed]);
}

/// The one way is lost, and whoever has lost it knows: the other side, which only hears nothing, need not
/// find out.
#[test]
fn a_relay_that_is_lost_with_the_only_pair_asks_for_a_restart_at_once() {
    for role in [Role::Controlling, Role::Controlled] {
        let (mut net, path) = by_one_relay(role, ServerTransport::Tcp);
        net.run_for(9_000);
        let asked = |net: &Net| net.when(0, |event| *event == Event::RestartNeeded);
        assert_eq!(asked(&net), None);
        net.tell(0, Input::RelayDisconnected(path));
        assert_eq!(asked(&net), Some(net.now), "{role:?}");
        net.tell(0, Input::Restart);
        net.tell(0, Input::Rollback); // it was not taken
        net.nodes[0].events.clear();
        net.run_for(10_000);
        assert!(asked(&net).is_some(), "{role:?}: once more");
    }
}

/// The end of candidates was told with the restart; what comes later would be ignored (rfc8838-14-1).
#[test]
fn a_relay_that_turns_out_to_be_lost_during_a_restart_is_worth_another_one() {
    let (mut net, path) = by_one_relay(Role::Controlling, ServerTransport::Udp);
    net.servers[0].dead = true;
    net.tell(0, Input::MediaStopped);
    net.run_for(500);
    net.tell(0, Input::Restart);
    net.exchange();
    net.run_for(100);
    net.servers[0].dead = false;
    net.servers[0].forget_all();
    net.nodes[0].events.clear();
    net.run_for(3_000);
    let ended = |event: &Event| matches!(event, Event::RelayEnded { .. });
    assert!(net.when(0, ended).is_some(), "{:?}", net.nodes[0].events);
    net.tell(0, Input::RelaysExpected(true));
    let _another = net.add_relay(0, 0, ServerTransport::Udp);
    net.tell(0, Input::RelaysExpected(false));
    net.run_for(300);
    let told = |event: &Event| matches!(event, Event::LocalCandidate(_));
    assert_eq!(net.when(0, told), None, "{path:?} was replaced too late");
    assert!(net.when(0, |event| *event == Event::RestartNeeded).is_some());
    net.tell(0, Input::Restart);
    net.exchange();
    net.run_for(500);
    assert!(net.nodes[0].agent.send_pair().is_some());
}

/// Who has a standby moves to it at once; but what killed one way may have killed the other, too.
#[test]
fn an_allocation_that_is_made_anew_in_doubt_is_worth_a_restart() {
    let mut net = Net::new(&[SERVER, "203.0.113.20:3478"]);
    net.add(relay_only(Role::Controlling), &["10.0.0.2:5000"]);
    net.add(config(Role::Controlled), &["192.0.2.7:5000"]);
    let path = net.add_relay(0, 0, ServerTransport::Udp);
    net.add_relay(0, 1, ServerTransport::Udp);
    net.done(0);
    net.done(1);
    net.run_for(300);
    net.exchange();
    net.run_for(20_000);
    let (used, _) = net.nodes[0].agent.send_pair().unwrap();
    let (restarted, dead) = if used == path { (0, 1) } else { (1, 0) };
    net.servers[restarted].forget_all();
    net.servers[dead].dead = true;
    net.tell(0, Input::MediaStopped);
    net.run_for(100);
    let standby = net.nodes[0].agent.send_pair();
    assert!(standby.is_some_and(|(path, _)| path != used), "moved: {standby:?}");
    net.nodes[0].events.clear();
    net.add_relay(0, restarted, ServerTransport::Udp);
    net.run_for(300);
    let asked = net.when(0, |event| *event == Event::RestartNeeded);
    assert!(asked.is_some(), "{:?}", net.nodes[0].events);
}

/// A firewall opens after the relay was chosen.
#[test]
fn the_direct_way_takes_over_from_a_relay_that_died() {
    let mut net = Net::new(&[SERVER]);
    net.add(config(Role::Controlling), &["192.0.2.7:5000"]);
    net.add(config(Role::Controlled), &["192.0.2.8:5000"]);
    net.add_relay(0, 0, ServerTransport::Udp);
    net.is_closed = true;
    net.done(0);
    net.done(1);
    net.run_for(300);
    net.exchange();
    net.run_for(3_000);
    let kinds = |net: &Net, node: usize| {
        let selected = net.nodes[node].agent.selected().expect("a pair");
        [selected.local.kind, selected.remote.kind]
    };
    assert_eq!(kinds(&net, 0), [Kind::Relayed, Kind::Host]);
    net.is_closed = false;
    net.run_for(30_000);
    assert_eq!(kinds(&net, 0), [Kind::Relayed, Kind::Host], "what works is kept");

    net.servers[0].dead = true;
    for node in [0, 1] {
        net.nodes[node].events.clear();
        net.tell(node, Input::MediaStopped);
    }
    net.run_for(500);
    let direct = [(PathId(0), addr("192.0.2.8:5000")), (PathId(0), addr("192.0.2.7:5000"))];
    for (node, way) in direct.into_iter().enumerate() {
        let Node { agent, events, .. } = &net.nodes[node];
        assert_eq!(agent.send_pair(), Some(way), "{node}: {events:?}");
        assert_eq!(kinds(&net, node), [Kind::Host, Kind::Host]);
    }
    net.run_for(60_000);
    let states = [0, 1].map(|node| net.nodes[node].agent.state());
    assert_eq!(states, [State::Connected; 2], "consent goes on");
}

/// Another network: its socket's reflexive address is found while the restart is being described.
#[test]
fn what_servers_tell_after_a_restart_is_announced_and_so_is_its_end() {
    let mut net = behind_nat(config(Role::Controlling));
    net.add(config(Role::Controlled), &["192.0.2.7:5000"]);
    net.tell(0, Input::StunServer(addr(SERVER)));
    net.done(0);
    net.done(1);
    net.run_for(100);
    net.exchange();
    net.run_for(1_000);
    assert!(net.nodes[0].agent.send_pair().is_some());

    net.nats.insert(addr("10.0.1.2:0").ip(), addr("198.51.100.8:0").ip());
    net.nodes[0].sockets.push(addr("10.0.1.2:5000"));
    let path = PathId(u32::try_from(net.nodes[0].sockets.len()).unwrap() - 1);
    net.tell(0, Input::LocalCandidate { path, addr: addr("10.0.1.2:5000") });
    net.nodes[0].events.clear();
    net.tell(0, Input::Restart);
    let told = |net: &Net| net.when(0, |event| *event == Event::Gathered);
    assert_eq!(told(&net), None, "the server has not answered yet");
    net.run_for(500);
    let found = net.when(0, |event| match event {
        Event::LocalCandidate(found) => found.addr == addr("198.51.100.8:5000"),
        _ => false,
    });
    assert!(found.is_some() && found <= told(&net), "{:?}", net.nodes[0].events);
}

/// Sent on to another server, or to try another port: what that gives belongs to the same session.
#[test]
fn a_relay_in_place_of_another_is_waited_for_and_announced() {
    let mut net = behind_nat(config(Role::Controlling));
    let path = net.add_relay(0, 0, ServerTransport::Udp);
    net.done(0);
    net.run_for(60); // it is being asked
    net.tell(0, Input::RelayDisconnected(path));
    net.tell(0, Input::RelaysExpected(true));
    assert!(net.when(0, |event| matches!(event, Event::RelayEnded { .. })).is_some());
    net.nodes[0].events.clear();
    net.run_for(200);
    assert!(!net.nodes[0].agent.has_gathered());
    net.add_relay(0, 0, ServerTransport::Udp);
    net.tell(0, Input::RelaysExpected(false));
    net.run_for(300);
    let relayed = net.when(0, |event| match event {
        Event::LocalCandidate(found) => found.kind == Kind::Relayed,
        _ => false,
    });
    let told = net.when(0, |event| *event == Event::Gathered);
    assert!(relayed.is_some() && relayed <= told, "{:?}", net.nodes[0].events);
}

/// Both sides have begun ICE anew while the server was away, and do not know yet that their relays are lost.
#[test]
fn relays_that_come_during_a_restart_connect_both_sides() {
    let mut net = Net::new(&[SERVER]);
    net.add(relay_only(Role::Controlling), &["10.0.0.2:5000"]);
    net.add(relay_only(Role::Controlled), &["10.0.1.2:5000"]);
    for node in [0, 1] {
        net.add_relay(node, 0, ServerTransport::Udp);
        net.tell(node, Input::StunServer(addr(SERVER)));
        net.done(node);
    }
    net.run_for(300);
    net.exchange();
    net.run_for(3_000);
    assert!([0, 1].iter().all(|node| net.nodes[*node].agent.selected().is_some()));
    net.servers[0].dead = true;
    for node in [0, 1] {
        net.tell(node, Input::MediaStopped);
    }
    net.run_for(500);
    for node in [0, 1] {
        net.tell(node, Input::RelaysExpected(true)); // something else is still being looked for
    }
    net.tell(0, Input::Restart);
    net.exchange();
    net.run_for(600);
    net.servers[0].dead = false;
    net.servers[0].forget_all();
    net.nodes.iter_mut().for_each(|node| node.events.clear());
    for _ in 0..150 {
        net.run_for(10);
        for node in [0, 1] {
            for (_, event) in std::mem::take(&mut net.nodes[node].events) {
                match event {
                    Event::RelayEnded { .. } => {
                        net.add_relay(node, 0, ServerTransport::Udp);
                    }
                    Event::LocalCandidate(found) => {
                        net.tell(1 - node, Input::RemoteCandidate(found));
                    }
                    _ => {}
                }
            }
        }
    }
    // The old relay of the other side has the foundation of the new one, and nobody answers there.
    for node in &net.nodes {
        assert!(node.agent.selected().is_some());
    }
}
