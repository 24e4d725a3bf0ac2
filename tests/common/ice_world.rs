//! Agents and a network between them, in virtual time: seeded loss, delay, reordering, duplication,
//! dead addresses and NATs. The same seed gives the same trace.
//!
//! Use it with `mod common { pub mod ice_world; }`.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use halloo::ice::{
    Agent, Candidate, Config, Credentials, Event, Input, Output, PathId, Role, SelectedPair, State,
};
use halloo::time::Instant;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// How bad the network is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// One way.
    pub delay: Duration,
    /// Added at random: packets overtake each other.
    pub jitter: Duration,
    /// 0 to 1.
    pub loss: f64,
    /// 0 to 1.
    pub duplication: f64,
}

impl Weather {
    pub const CLEAN: Self = Self {
        delay: Duration::from_millis(10),
        jitter: Duration::ZERO,
        loss: 0.0,
        duplication: 0.0,
    };
    pub const BAD: Self = Self {
        delay: Duration::from_millis(30),
        jitter: Duration::from_millis(40),
        loss: 0.2,
        duplication: 0.1,
    };
}

/// One agent and what it has told.
pub struct Node {
    pub agent: Agent,
    pub events: Vec<(Instant, Event)>,
    /// Its sockets, by path.
    pub sockets: Vec<SocketAddr>,
}

impl Node {
    pub fn selected(&self) -> Option<SelectedPair> {
        self.agent.selected()
    }

    /// When the first event of this sort came.
    pub fn when(&self, wanted: impl Fn(&Event) -> bool) -> Option<Instant> {
        self.events.iter().find(|(_, event)| wanted(event)).map(|(at, _)| *at)
    }

    pub fn when_state(&self, state: State) -> Option<Instant> {
        self.when(|event| *event == Event::State(state))
    }

    pub fn when_selected(&self) -> Option<Instant> {
        self.when(|event| matches!(event, Event::SelectedPair(_)))
    }

    pub fn local_candidates(&self) -> Vec<Candidate> {
        self.agent.local_candidates().into_iter().cloned().collect()
    }
}

/// A datagram on its way: who sent it as the receiver sees it, to whom, what.
#[derive(Clone, Debug)]
pub struct Datagram {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

pub struct World {
    pub now: Instant,
    pub nodes: Vec<Node>,
    pub weather: Weather,
    /// Addresses whose packets, in and out, get lost.
    pub dead: HashSet<IpAddr>,
    /// Extra delay of one way to or from an address.
    pub slow: HashMap<IpAddr, Duration>,
    /// Private address → public address of the NAT before it. A NAT lets in only what comes from
    /// where something was sent.
    pub nats: HashMap<IpAddr, IpAddr>,
    opened: HashSet<(SocketAddr, SocketAddr)>,
    /// Everything is lost.
    pub cut: bool,
    /// What was sent: when, by whom, to whom, length, and the transaction.
    pub trace: Vec<(Instant, Datagram)>,
    rng: StdRng,
    wire: BTreeMap<(Instant, u64), Datagram>,
    sequence: u64,
}

impl World {
    pub fn new(seed: u64, weather: Weather) -> Self {
        Self {
            now: Instant::ZERO,
            nodes: Vec::new(),
            weather,
            dead: HashSet::new(),
            slow: HashMap::new(),
            nats: HashMap::new(),
            opened: HashSet::new(),
            cut: false,
            trace: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
            wire: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// Two agents with these addresses, the first one controlling, that have exchanged everything.
    pub fn pair(seed: u64, weather: Weather, ours: &[&str], theirs: &[&str]) -> Self {
        let mut world = Self::new(seed, weather);
        world.add(Config::new(Role::Controlling), ours);
        world.add(Config::new(Role::Controlled), theirs);
        world.exchange_all();
        world
    }

    /// An agent whose sockets are bound to port 5000 of these addresses.
    pub fn add(&mut self, config: Config, ips: &[&str]) -> usize {
        let mut agent = Agent::new(config, StdRng::seed_from_u64(self.rng.random()));
        let address = |ip: &&str| SocketAddr::new(ip.parse().unwrap(), 5000);
        let sockets: Vec<SocketAddr> = ips.iter().map(address).collect();
        for (number, addr) in (0..).zip(&sockets) {
            agent.handle_input(
                self.now,
                Input::LocalCandidate { path: PathId(number), addr: *addr },
            );
        }
        agent.handle_input(self.now, Input::LocalCandidatesDone);
        self.nodes.push(Node { agent, events: Vec::new(), sockets });
        self.nodes.len() - 1
    }

    /// Something happens to node `to`.
    pub fn tell(&mut self, to: usize, input: Input<'_>) {
        let now = self.now;
        self.nodes[to].agent.handle_input(now, input);
        self.drain(to);
    }

    /// Each learns everything about the other now.
    pub fn exchange_all(&mut self) {
        self.describe(0, 1);
        self.describe(1, 0);
    }

    /// Node `to` learns credentials and all candidates of node `of`.
    pub fn describe(&mut self, of: usize, to: usize) {
        self.tell_credentials(of, to);
        for candidate in self.nodes[of].local_candidates() {
            self.tell(to, Input::RemoteCandidate(candidate));
        }
        self.tell(to, Input::RemoteCandidatesDone);
    }

    pub fn tell_credentials(&mut self, of: usize, to: usize) {
        let credentials: Credentials = self.nodes[of].agent.local_credentials().clone();
        self.tell(to, Input::RemoteCredentials(credentials));
    }

    /// Runs until `until`, or until `done`.
    pub fn run(&mut self, until: Instant, mut done: impl FnMut(&Self) -> bool) {
        (0..self.nodes.len()).for_each(|node| self.drain(node));
        while !done(self) {
            let arrival = self.wire.keys().next().map(|(at, _)| *at);
            let timers = (0..self.nodes.len()).filter_map(|node| self.timeout(node));
            let Some(next) = timers.chain(arrival).min().filter(|next| *next <= until) else {
                self.now = self.now.max(until);
                return;
            };
            assert!(next >= self.now, "a timer in the past: {next:?} at {:?}", self.now);
            self.now = next;
            self.step();
        }
    }

    pub fn run_until(&mut self, ms: u64) {
        self.run(Instant::from_millis(ms), |_| false);
    }

    /// Runs until every node has a selected pair.
    pub fn run_to_selection(&mut self, ms: u64) -> bool {
        self.run(Instant::from_millis(ms), Self::all_selected);
        self.all_selected()
    }

    pub fn all_selected(&self) -> bool {
        self.nodes.iter().all(|node| node.selected().is_some())
    }

    /// Whether both ends of the selected pair are the same two sockets.
    pub fn agree(&self) -> bool {
        let end = |node: &Node| {
            let (path, to) = node.agent.send_pair().unwrap();
            (node.sockets[path.0 as usize], to)
        };
        let [(a, to_b), (b, to_a)] = [end(&self.nodes[0]), end(&self.nodes[1])];
        (self.public(a), self.public(b)) == (to_a, to_b)
    }

    /// A datagram out of nowhere.
    pub fn inject(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.sequence += 1;
        self.wire.insert((self.now, self.sequence), Datagram { from, to, bytes });
    }

    fn step(&mut self) {
        while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let datagram = entry.remove();
            self.deliver(&datagram);
        }
        for node in 0..self.nodes.len() {
            if self.timeout(node).is_some_and(|at| at <= self.now) {
                self.tell(node, Input::Timer);
                let next = self.timeout(node);
                assert!(next.is_none_or(|at| at > self.now), "the timer did nothing: {next:?}");
            }
        }
    }

    fn timeout(&mut self, node: usize) -> Option<Instant> {
        match self.nodes[node].agent.poll_output() {
            Output::Timeout(at) => at,
            other => panic!("not drained: {other:?}"),
        }
    }

    fn deliver(&mut self, datagram: &Datagram) {
        let to = self.private(datagram.to);
        let found = self.nodes.iter().enumerate().find_map(|(number, node)| {
            let path = node.sockets.iter().position(|socket| *socket == to)?;
            Some((number, PathId(u32::try_from(path).unwrap())))
        });
        let Some((number, path)) = found else { return };
        let closed = to != datagram.to && !self.opened.contains(&(to, datagram.from));
        if closed || (to == datagram.to && self.nats.contains_key(&to.ip())) {
            return;
        }
        self.tell(number, Input::Datagram { path, from: datagram.from, bytes: &datagram.bytes });
    }

    fn drain(&mut self, number: usize) {
        loop {
            let now = self.now;
            let node = &mut self.nodes[number];
            match node.agent.poll_output() {
                Output::Event(event) => node.events.push((now, event)),
                Output::Timeout(_) => return,
                Output::Transmit { path, to, bytes } => {
                    let from = node.sockets[path.0 as usize];
                    let datagram = Datagram { from, to, bytes: bytes.to_vec() };
                    self.send(datagram);
                }
            }
        }
    }

    fn send(&mut self, datagram: Datagram) {
        self.trace.push((self.now, datagram.clone()));
        self.opened.insert((datagram.from, datagram.to));
        let Datagram { from, to, bytes } = datagram;
        let seen_from = self.public(from);
        if self.cut || self.dead.contains(&from.ip()) || self.dead.contains(&to.ip()) {
            return;
        }
        let copies = if self.rng.random_bool(self.weather.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            if self.rng.random_bool(self.weather.loss) {
                continue;
            }
            let jitter = self.weather.jitter.mul_f64(self.rng.random());
            let slow = |ip| self.slow.get(&ip).copied().unwrap_or_default();
            let at = self.now + self.weather.delay + jitter + slow(from.ip()) + slow(to.ip());
            self.sequence += 1;
            let datagram = Datagram { from: seen_from, to, bytes: bytes.clone() };
            self.wire.insert((at, self.sequence), datagram);
        }
    }

    /// As the other side of the NAT sees it.
    fn public(&self, addr: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.nats.get(&addr.ip()).copied().unwrap_or(addr.ip()), addr.port())
    }

    fn private(&self, addr: SocketAddr) -> SocketAddr {
        let behind = self.nats.iter().find(|(_, public)| **public == addr.ip());
        SocketAddr::new(behind.map_or(addr.ip(), |(private, _)| *private), addr.port())
    }
}
