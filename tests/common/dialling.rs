//! How two hosts of the small internet come to know each other, as `halloo call` and `halloo listen` do it:
//! each looks for its addresses first, for half a second at most, and what it finds later follows alone.
//!
//! Use it with `mod common { pub mod dialling; pub mod internet; pub mod nat; pub mod relay_server; }`.
//! Signalling goes by TCP: it takes its time, and loses nothing.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::VecDeque;
use std::time::Duration;

use halloo::ice::Role;
use halloo::peer::event::{Event, GatheringState, Side};
use halloo::sdp::Candidate;
use halloo::time::Instant;

use super::internet::World;

/// No description waits longer for slow servers.
const GATHER_WITHIN: Duration = Duration::from_millis(500);

pub const CALLER: usize = 0;
pub const LISTENER: usize = 1;

/// A call between host 0 and host 1.
pub struct Call {
    pub world: World,
    /// When the caller began to look for its addresses.
    pub dialled: Instant,
    /// When its offer was made: from here on halloo itself counts.
    pub offered: Instant,
    /// Events of each that were looked at.
    seen: [usize; 2],
    /// When, to whom, which candidate; none is the end of them.
    on_their_way: VecDeque<(Instant, usize, Option<Candidate>)>,
}

impl Call {
    /// Until both have the other's description.
    pub fn dial(world: World) -> Self {
        let dialled = world.now;
        let on_their_way = VecDeque::new();
        let mut call = Self { world, dialled, offered: dialled, seen: [0; 2], on_their_way };
        let delay = call.world.weather.delay;

        call.gather(CALLER, Role::Controlling);
        call.offered = call.world.now;
        let offer = call.world.with(CALLER, |peer, now| peer.make_offer(now)).unwrap();
        call.world.run_for(delay);
        call.gather(LISTENER, Role::Controlled);
        let answer = call.world.with(LISTENER, |peer, now| peer.accept_offer(now, &offer)).unwrap();
        call.world.run_for(delay);
        call.world.with(CALLER, |peer, now| peer.accept_answer(now, &answer)).unwrap();
        call
    }

    /// Lets time pass until `done`, at most for `limit`, and carries late candidates meanwhile; says whether
    /// it was done.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&World) -> bool) -> bool {
        let end = self.world.now + limit;
        loop {
            self.post();
            let due = self.on_their_way.front().map_or(end, |(at, ..)| (*at).min(end));
            let seen = self.seen;
            let has_news =
                |world: &World| [0, 1].iter().any(|h| world.hosts[*h].events.len() > seen[*h]);
            let wait = due - self.world.now;
            self.world.run_until(wait, |world| done(world) || has_news(world));
            if done(&self.world) {
                return true;
            }
            self.deliver();
            if self.world.now >= end {
                return false;
            }
        }
    }

    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    fn gather(&mut self, host: usize, role: Role) {
        self.world.gather(host, role);
        self.world.run_until(GATHER_WITHIN, |world| world.hosts[host].peer.has_gathered());
        self.seen[host] = self.world.hosts[host].events.len();
    }

    /// What each has found since its description.
    fn post(&mut self) {
        let at = self.world.now + self.world.weather.delay;
        for host in [CALLER, LISTENER] {
            let events = &self.world.hosts[host].events;
            for (_, event) in &events[self.seen[host]..] {
                let found = match event {
                    Event::Candidate { side: Side::Local, candidate } => {
                        Some(candidate.parse().unwrap())
                    }
                    Event::Gathering { state: GatheringState::Complete } => None,
                    _ => continue,
                };
                self.on_their_way.push_back((at, 1 - host, found));
            }
            self.seen[host] = events.len();
        }
    }

    fn deliver(&mut self) {
        let now = self.world.now;
        while let Some((_, to, candidate)) = self.on_their_way.pop_front_if(|(at, ..)| *at <= now) {
            self.world.with(to, |peer, now| peer.add_candidate(now, candidate.as_ref()));
        }
    }
}
