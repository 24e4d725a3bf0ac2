//! A running call allocates nothing in the layer `ice`: neither for consent nor for a media packet.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::net::SocketAddr;
use std::time::Duration;

use allocation_counter::measure;
use halloo::ice::{Agent, Config, Input, Output, PathId, Role, State};
use halloo::time::Instant;
use rand::SeedableRng;
use rand::rngs::StdRng;

fn address(node: usize) -> SocketAddr {
    ["192.0.2.1:5000", "198.51.100.2:6000"][node].parse().unwrap()
}

fn describe(from: &Agent, to: &mut Agent) {
    to.handle_input(Instant::ZERO, Input::RemoteCredentials(from.local_credentials().clone()));
    for candidate in from.local_candidates() {
        to.handle_input(Instant::ZERO, Input::RemoteCandidate(candidate.clone()));
    }
    to.handle_input(Instant::ZERO, Input::RemoteCandidatesDone);
}

/// Delivers what both send until both are quiet; says how many datagrams there were.
fn pump(now: Instant, agents: &mut [Agent; 2], datagram: &mut Vec<u8>) -> usize {
    let mut count = 0;
    let mut quiet = 0;
    for node in (0..2).cycle() {
        if quiet == 2 {
            return count;
        }
        match agents[node].poll_output() {
            Output::Timeout(_) => quiet += 1,
            Output::Event(_) => quiet = 0,
            Output::Transmit { bytes, .. } => {
                (quiet, count) = (0, count + 1);
                datagram.clear();
                datagram.extend_from_slice(bytes);
                let (path, from) = (PathId(0), address(node));
                agents[1 - node].handle_input(now, Input::Datagram { path, from, bytes: datagram });
            }
        }
    }
    unreachable!()
}

#[test]
fn consent_and_media_allocate_nothing() {
    let agent = |role, seed| Agent::new(Config::new(role), StdRng::seed_from_u64(seed));
    let mut agents = [agent(Role::Controlling, 1), agent(Role::Controlled, 2)];
    for (node, agent) in agents.iter_mut().enumerate() {
        let addr = address(node);
        agent.handle_input(Instant::ZERO, Input::LocalCandidate { path: PathId(0), addr });
        agent.handle_input(Instant::ZERO, Input::LocalCandidatesDone);
    }
    let [a, b] = &mut agents;
    describe(a, b);
    describe(b, a);
    let mut datagram = Vec::with_capacity(256);
    let mut now = Instant::ZERO;
    let mut round = || {
        now += Duration::from_secs(6);
        for agent in &mut agents {
            agent.handle_input(now, Input::Timer);
        }
        let sent = pump(now, &mut agents, &mut datagram);
        for (node, agent) in agents.iter().enumerate() {
            assert!(agent.accepts(PathId(0), address(1 - node)));
            assert!(agent.send_pair().is_some());
        }
        assert!(agents.iter().all(|agent| agent.state() == State::Completed));
        sent
    };
    for _ in 0..10 {
        round();
    }
    let mut sent = 0;
    let counted = measure(|| (0..100).for_each(|_| sent += round()));
    assert_eq!(sent, 400, "a check and an answer each way");
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
