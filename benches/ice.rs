//! What the agent costs: a connection, a check of theirs, consent, and a media packet's share.
//!
//! `cargo bench --bench ice`. The `alloc` rows show that a running call allocates nothing here.
#![allow(missing_docs, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use divan::{AllocProfiler, Bencher, black_box};
use halloo::ice::{Agent, Config, Input, Output, PathId, Role, State};
use halloo::time::Instant;
use rand::SeedableRng;
use rand::rngs::StdRng;

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// Two agents on a wire without delay.
struct Pair {
    agents: [Agent; 2],
    now: Instant,
    datagram: Vec<u8>,
}

fn address(node: usize) -> SocketAddr {
    let text = ["192.0.2.1:5000", "198.51.100.2:6000"];
    text.get(node).unwrap().parse().unwrap()
}

impl Pair {
    fn connected() -> Self {
        let agent = |role, seed| Agent::new(Config::new(role), StdRng::seed_from_u64(seed));
        let agents = [agent(Role::Controlling, 1), agent(Role::Controlled, 2)];
        let mut pair = Self { agents, now: Instant::ZERO, datagram: Vec::with_capacity(256) };
        for (node, agent) in pair.agents.iter_mut().enumerate() {
            let addr = address(node);
            agent.handle_input(pair.now, Input::LocalCandidate { path: PathId(0), addr });
            agent.handle_input(pair.now, Input::LocalCandidatesDone);
        }
        let [a, b] = &mut pair.agents;
        describe(pair.now, a, b);
        describe(pair.now, b, a);
        pair.pump();
        pair.tick(Duration::from_millis(50));
        assert!(pair.agents.iter().all(|agent| agent.state() == State::Completed));
        pair
    }

    /// Lets time pass on both sides, and delivers what they send until both are quiet.
    fn tick(&mut self, time: Duration) {
        self.now += time;
        for agent in &mut self.agents {
            agent.handle_input(self.now, Input::Timer);
        }
        self.pump();
    }

    fn pump(&mut self) {
        while self.pump_one(0) || self.pump_one(1) {}
    }

    fn pump_one(&mut self, node: usize) -> bool {
        let [a, b] = &mut self.agents;
        let (sender, receiver) = if node == 0 { (a, b) } else { (b, a) };
        match sender.poll_output() {
            Output::Transmit { bytes, .. } => {
                self.datagram.clear();
                self.datagram.extend_from_slice(bytes);
                let (path, from) = (PathId(0), address(node));
                let bytes = &self.datagram;
                receiver.handle_input(self.now, Input::Datagram { path, from, bytes });
                true
            }
            Output::Event(_) => true,
            Output::Timeout(_) => false,
        }
    }
}

fn describe(now: Instant, from: &Agent, to: &mut Agent) {
    to.handle_input(now, Input::RemoteCredentials(from.local_credentials().clone()));
    for candidate in from.local_candidates() {
        to.handle_input(now, Input::RemoteCandidate(candidate.clone()));
    }
    to.handle_input(now, Input::RemoteCandidatesDone);
}

/// Both ends, from nothing to a selected pair.
#[divan::bench]
fn connect() -> Pair {
    Pair::connected()
}

/// One consent check each way with its answer: both ends, four datagrams, every 5 s of a call.
#[divan::bench]
fn consent_round(bencher: Bencher<'_, '_>) {
    let mut pair = Pair::connected();
    bencher.bench_local(move || pair.tick(Duration::from_secs(6)));
}

/// A timer that finds nothing to do.
#[divan::bench]
fn idle_timer(bencher: Bencher<'_, '_>) {
    let mut pair = Pair::connected();
    let now = pair.now;
    bencher.bench_local(move || {
        let [agent, _] = &mut pair.agents;
        agent.handle_input(black_box(now), Input::Timer);
        matches!(agent.poll_output(), Output::Timeout(_))
    });
}

/// What each media packet asks, in and out.
#[divan::bench]
fn media_packet(bencher: Bencher<'_, '_>) {
    let pair = Pair::connected();
    let from = address(1);
    bencher.bench_local(|| {
        let [agent, _] = &pair.agents;
        (agent.accepts(PathId(0), black_box(from)), agent.send_pair())
    });
}
