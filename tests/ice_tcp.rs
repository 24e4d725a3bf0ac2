//! ICE by TCP (RFC 6544) in virtual time: who connects to whom, when, and what becomes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::SocketAddr;
use std::time::Duration;

use halloo::ice::{
    Agent, Candidate, Config, Event, Input, Kind, Output, PairState, PathId, Policy, Role, TcpType,
    Transport,
};
use halloo::stun::Message;
use halloo::time::Instant;
use rand::SeedableRng;
use rand::rngs::StdRng;

const UDP: PathId = PathId(0);
const TCP: PathId = PathId(1);
const CALLER: &str = "192.0.2.1:5000";
/// Its UDP socket and its listener have one number.
const LISTENER: &str = "198.51.100.2:6000";
/// From where the caller's connection comes.
const CONNECTION: &str = "192.0.2.1:40000";

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A packet on its way, or gone.
#[derive(Clone, Debug)]
struct Packet {
    at: Instant,
    path: PathId,
    bytes: Vec<u8>,
}

/// One side: an agent with a UDP socket and a way by TCP.
struct Side {
    agent: Agent,
    events: Vec<Event>,
    sent: Vec<Packet>,
}

impl Side {
    fn new(config: Config, here: &str, tcp_type: TcpType) -> Self {
        let agent = Agent::new(config, StdRng::seed_from_u64(1));
        let mut side = Self { agent, events: Vec::new(), sent: Vec::new() };
        let addr = addr(here);
        for input in [
            Input::LocalCandidate { path: UDP, addr },
            Input::LocalTcpCandidate { path: TCP, addr, tcp_type },
            Input::LocalCandidatesDone,
        ] {
            side.tell(Instant::ZERO, input);
        }
        side
    }

    fn tell(&mut self, now: Instant, input: Input<'_>) {
        self.agent.handle_input(now, input);
    }

    /// What it sends now, and when it wants to be asked again.
    fn poll(&mut self, now: Instant) -> (Vec<Packet>, Option<Instant>) {
        let before = self.sent.len();
        loop {
            match self.agent.poll_output() {
                Output::Transmit { path, bytes, .. } => {
                    self.sent.push(Packet { at: now, path, bytes: bytes.to_vec() });
                }
                Output::Event(event) => self.events.push(event),
                Output::Timeout(due) => return (self.sent[before..].to_vec(), due),
            }
        }
    }

    fn selected(&self) -> Option<(Candidate, Candidate)> {
        self.agent.selected().map(|pair| (pair.local, pair.remote))
    }

    fn by(&self, path: PathId) -> impl Iterator<Item = &Packet> {
        self.sent.iter().filter(move |packet| packet.path == path)
    }
}

/// What gets through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Both,
    TcpAlone,
    Nothing,
}

/// Who calls, and who is called.
struct World {
    sides: [Side; 2],
    open: Open,
    now: Instant,
    /// On its way: when it arrives, to whom.
    wire: Vec<(Instant, usize, Packet)>,
}

impl World {
    fn new(open: Open) -> Self {
        let caller = Side::new(Config::new(Role::Controlling), CALLER, TcpType::Active);
        let listener = Side::new(Config::new(Role::Controlled), LISTENER, TcpType::Passive);
        let (sides, now) = ([caller, listener], Instant::ZERO);
        let mut world = Self { sides, open, now, wire: Vec::new() };
        for from in [0, 1] {
            let agent = &world.sides[from].agent;
            let credentials = agent.local_credentials().clone();
            let candidates: Vec<_> = agent.local_candidates().into_iter().cloned().collect();
            let other = &mut world.sides[1 - from];
            other.tell(Instant::ZERO, Input::RemoteCredentials(credentials));
            for candidate in candidates {
                other.tell(Instant::ZERO, Input::RemoteCandidate(candidate));
            }
            other.tell(Instant::ZERO, Input::RemoteCandidatesDone);
        }
        world
    }

    /// Runs until then: each packet that gets through takes 10 ms.
    fn run(&mut self, until: Instant) {
        while self.now <= until {
            let (mut due, now) = (vec![until + Duration::from_millis(1)], self.now);
            for side in [0, 1] {
                self.sides[side].tell(now, Input::Timer);
                let (sent, next) = self.sides[side].poll(now);
                due.extend(next.filter(|next| *next > now));
                let passes = |packet: &Packet| match self.open {
                    Open::Both => true,
                    Open::TcpAlone => packet.path == TCP,
                    Open::Nothing => false,
                };
                let passing = sent.into_iter().filter(passes);
                self.wire.extend(passing.map(|it| (now + Duration::from_millis(10), 1 - side, it)));
            }
            due.extend(self.wire.iter().map(|(at, ..)| *at));
            self.now = due.into_iter().min().unwrap();
            let arrived: Vec<_> = self.wire.extract_if(.., |(at, ..)| *at <= self.now).collect();
            for (at, to, Packet { path, bytes, .. }) in arrived {
                let from = match (path, to) {
                    (_, 0) => addr(LISTENER),
                    (TCP, _) => addr(CONNECTION),
                    _ => addr(CALLER),
                };
                self.sides[to].tell(at, Input::Datagram { path, from, bytes: &bytes });
            }
        }
    }

    /// Both sides see it break.
    fn lose_connection(&mut self) {
        for (side, to) in self.sides.iter_mut().zip([addr(LISTENER), addr(CONNECTION)]) {
            side.tell(self.now, Input::StreamGone { path: TCP, to });
            assert_eq!(side.agent.send_pair(), None, "nothing can be sent");
        }
    }

    fn by_tcp(open: Open) -> Self {
        let mut world = Self::new(open);
        world.run(Instant::from_millis(2_000));
        world
    }
}

#[test]
fn candidates_say_who_connects_and_rank_below_udp() {
    // rfc6544-4.5-1
    let world = World::new(Open::Nothing);
    let [caller, listener] = world.sides.each_ref().map(|side| side.agent.local_candidates());
    let told = |candidate: &Candidate| (candidate.transport, candidate.tcp_type, candidate.addr);
    assert_eq!(told(caller[0]), (Transport::Udp, None, addr(CALLER)));
    let active = (Transport::Tcp, Some(TcpType::Active), addr("192.0.2.1:9"));
    assert_eq!(told(caller[1]), active, "whoever connects has port 9");
    assert_eq!(caller[1].priority, (90 << 24) + (((6 << 13) + 8_191) << 8) + 255);
    assert_eq!(told(listener[1]), (Transport::Tcp, Some(TcpType::Passive), addr(LISTENER)));
    assert_eq!(listener[1].priority, (90 << 24) + (((4 << 13) + 8_191) << 8) + 255);
    assert_ne!(caller[0].foundation, caller[1].foundation);
}

#[test]
fn where_no_udp_passes_a_connection_carries_the_call() {
    let world = World::by_tcp(Open::TcpAlone);
    let (ours, theirs) = world.sides[0].selected().expect("a pair");
    assert_eq!((ours.kind, ours.tcp_type), (Kind::Host, Some(TcpType::Active)));
    assert_eq!((theirs.kind, theirs.tcp_type), (Kind::Host, Some(TcpType::Passive)));
    let (ours, theirs) = world.sides[1].selected().expect("a pair");
    assert_eq!((ours.kind, ours.addr), (Kind::Host, addr(LISTENER)));
    assert_eq!((theirs.kind, theirs.addr), (Kind::PeerReflexive, addr(CONNECTION)));
    assert_eq!(theirs.tcp_type, Some(TcpType::Active));
    assert_eq!(theirs.priority >> 24, 80, "rfc8445-7.1.1-1: as which it would be seen");
    assert!(world.sides[0].agent.has_pair(TCP, addr(LISTENER)));
    assert!(world.sides[1].agent.has_proof_of(TCP, addr(CONNECTION)));
    assert!(!world.sides[1].agent.has_proof_of(UDP, addr(CONNECTION)), "that is another port");
}

#[test]
fn checks_by_tcp_leave_in_their_turn_and_are_not_repeated() {
    let mut world = World::new(Open::Nothing);
    world.run(Instant::from_millis(39_400));
    let caller = &world.sides[0];
    let by_tcp: Vec<_> = caller.by(TCP).collect();
    assert_eq!(by_tcp.len(), 1, "nothing is lost by TCP");
    assert_eq!(by_tcp[0].at, Instant::from_millis(50), "one check in 50 ms, the best first");
    assert_eq!(caller.by(UDP).count(), 7);
    assert!(world.sides[1].by(TCP).next().is_none(), "nobody has connected");
    assert_eq!(world.sides[1].agent.pairs().count(), 1);
}

#[test]
fn where_udp_passes_nothing_comes_of_tcp_and_nothing_is_later() {
    let mut world = World::new(Open::Both);
    world.run(Instant::from_millis(45));
    assert_eq!(world.sides[0].selected().unwrap().1.transport, Transport::Udp);
    world.run(Instant::from_millis(60_000));
    for side in &world.sides {
        assert_eq!(side.by(TCP).count(), 0, "no connection is made for a pair that only stands by");
        assert!(!side.agent.has_pair(TCP, addr(LISTENER)));
    }
}

#[test]
fn a_connection_that_is_refused_fails_its_pair_and_may_be_tried_again() {
    let mut world = World::new(Open::Nothing);
    world.run(Instant::from_millis(100));
    let now = world.now;
    let caller = &mut world.sides[0];
    caller.tell(now, Input::StreamGone { path: TCP, to: addr(LISTENER) });
    let pair = caller.agent.pairs().find(|pair| pair.path == TCP).unwrap();
    assert_eq!(pair.state, PairState::Failed);
    caller.tell(now, Input::StreamGone { path: TCP, to: addr("198.51.100.9:1") });
    caller.tell(now, Input::StreamGone { path: PathId(7), to: addr(LISTENER) });
    assert_eq!(caller.agent.pairs().count(), 2, "what is not ours changes nothing");
}

#[test]
fn a_connection_that_breaks_while_udp_is_still_tried_leaves_it_a_round_trip() {
    let mut world = World::by_tcp(Open::TcpAlone);
    world.lose_connection();
    let asks = |side: &Side| side.events.contains(&Event::RestartNeeded);
    world.run(world.now + Duration::from_millis(100));
    assert!(!world.sides.iter().any(asks), "a probe may yet be answered");
    world.run(world.now + Duration::from_millis(100));
    assert!(world.sides.iter().all(asks));

    let mut world = World::by_tcp(Open::TcpAlone);
    let now = world.now;
    world.sides.iter_mut().for_each(|side| side.tell(now, Input::RemoteRenomination));
    world.open = Open::Both;
    world.lose_connection();
    world.run(world.now + Duration::from_millis(100));
    assert_eq!(world.sides[0].agent.send_pair(), Some((UDP, addr(LISTENER))));
    assert!(!asks(&world.sides[0]) && !asks(&world.sides[1]), "UDP passes by now");
}

/// The pair by UDP has had its last probe, and the connection breaks before the answer can be there.
#[test]
fn a_connection_that_breaks_while_the_last_probe_is_out_leaves_that_a_round_trip() {
    let mut world = World::by_tcp(Open::TcpAlone);
    world.run(Instant::from_millis(30_000));
    let last = world.sides[0].by(UDP).last().expect("probes").at;
    assert!(last < Instant::from_millis(20_000), "given up since: {last:?}");
    let just_before = Instant::ZERO + (last.since_start() - Duration::from_millis(5));

    for answers in [true, false] {
        let mut world = World::by_tcp(Open::TcpAlone);
        let now = world.now;
        world.sides.iter_mut().for_each(|side| side.tell(now, Input::RemoteRenomination));
        world.run(just_before);
        world.open = if answers { Open::Both } else { Open::TcpAlone };
        world.run(last);
        let caller = &mut world.sides[0];
        assert_eq!(caller.by(UDP).last().unwrap().at, last);
        caller.tell(world.now, Input::StreamGone { path: TCP, to: addr(LISTENER) });
        world.run(last + Duration::from_millis(100));
        let asks = |world: &World| world.sides[0].events.contains(&Event::RestartNeeded);
        assert!(!asks(&world), "it may yet be answered");
        let way = answers.then_some((UDP, addr(LISTENER)));
        assert_eq!(world.sides[0].agent.send_pair(), way);
        world.run(last + Duration::from_millis(250));
        assert_eq!(asks(&world), !answers);
    }
}

#[test]
fn a_connection_that_breaks_in_the_call_asks_for_a_restart() {
    let mut world = World::by_tcp(Open::TcpAlone);
    world.run(Instant::from_millis(20_000)); // UDP is given up
    world.lose_connection();
    world.run(world.now);
    for side in &world.sides {
        assert!(side.events.contains(&Event::RestartNeeded), "at once: {:?}", side.events);
    }
    let now = world.now;
    // The caller restarts, connects anew, and is heard again.
    world.sides[0].tell(now, Input::Restart);
    let credentials = world.sides.each_ref().map(|side| side.agent.local_credentials().clone());
    world.sides[1].tell(now, Input::RemoteCredentials(credentials[0].clone()));
    let answer = world.sides[1].agent.local_credentials().clone();
    world.sides[0].tell(now, Input::RemoteCredentials(answer));
    let theirs: Vec<_> = world.sides[1].agent.local_candidates().into_iter().cloned().collect();
    for candidate in theirs {
        world.sides[0].tell(now, Input::RemoteCandidate(candidate));
    }
    let until = now + Duration::from_secs(2);
    world.run(until);
    assert_eq!(world.sides[0].agent.send_pair(), Some((TCP, addr(LISTENER))));
    assert_eq!(world.sides[1].agent.send_pair(), Some((TCP, addr(CONNECTION))));
}

#[test]
fn consent_is_kept_by_tcp() {
    // rfc7675-5.1-1
    let mut world = World::by_tcp(Open::TcpAlone);
    world.run(Instant::from_millis(60_000));
    for side in &world.sides {
        assert!(side.agent.send_pair().is_some());
    }
    world.open = Open::Nothing;
    world.run(Instant::from_millis(95_000));
    for side in &world.sides {
        assert!(side.agent.send_pair().is_none());
        assert!(side.events.contains(&Event::ConsentLost));
    }
}

#[test]
fn whoever_connects_and_does_not_know_the_password_makes_no_pair() {
    let mut world = World::new(Open::Nothing);
    world.run(Instant::from_millis(100));
    let mut check = world.sides[0].by(TCP).next().unwrap().bytes.clone();
    let message = Message::parse(&check).unwrap();
    assert!(message.username().is_some());
    let last = check.len() - 9; // in the integrity, before the fingerprint
    check[last] ^= 1;
    let listener = &mut world.sides[1];
    let from = addr(CONNECTION);
    listener.tell(world.now, Input::Datagram { path: TCP, from, bytes: &check });
    assert_eq!(listener.agent.pairs().count(), 1);
    assert!(!listener.agent.has_proof_of(TCP, from));
}

#[test]
fn where_only_relays_may_be_used_there_is_no_tcp() {
    let config = Config { policy: Policy::Relay, ..Config::new(Role::Controlled) };
    let side = Side::new(config, LISTENER, TcpType::Passive);
    assert!(side.agent.local_candidates().is_empty());
}

#[test]
fn a_public_address_is_announced_for_listeners_too() {
    let public_addresses = vec!["203.0.113.5".parse().unwrap()];
    let config = Config { public_addresses, ..Config::new(Role::Controlled) };
    let told = |tcp_type| {
        let side = Side::new(config.clone(), LISTENER, tcp_type);
        let told = side.agent.local_candidates().into_iter().cloned();
        let reflexive = told.filter(|it| it.kind == Kind::ServerReflexive);
        reflexive.map(|it| (it.addr.to_string(), it.tcp_type)).collect::<Vec<_>>()
    };
    let public = "203.0.113.5:6000".to_owned();
    let both = [(public.clone(), None), (public.clone(), Some(TcpType::Passive))];
    assert_eq!(told(TcpType::Passive), both);
    assert_eq!(told(TcpType::Active), [(public, None)]);
}
