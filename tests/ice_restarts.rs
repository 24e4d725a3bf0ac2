//! When two agents want to begin anew, in virtual time: as soon as it helps, but not as often as signalling goes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common {
    pub mod ice_world;
}

use std::net::SocketAddr;
use std::time::Duration;

use common::ice_world::{Weather, World};
use halloo::ice::{Config, Event, Input, PathId, Role};
use halloo::time::Instant;

const OURS: [&str; 2] = ["192.0.2.1", "192.0.2.9"];
const THEIRS: &str = "198.51.100.2";
const SECOND: Duration = Duration::from_secs(1);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Node 0 has two sockets and this role, and a pair is chosen; renomination was not agreed.
fn chosen(role: Role) -> World {
    let mut world = World::new(1, Weather::CLEAN);
    world.add(Config::new(role), &OURS);
    world.add(Config::new(role.opposite()), &[THEIRS]);
    world.exchange_all();
    assert!(world.run_to_selection(1_000));
    world.run(world.now + 3 * SECOND, |_| false);
    world
}

/// When node 0 asked for restarts.
fn asked(world: &World) -> Vec<Instant> {
    let events = world.nodes[0].events.iter();
    events.filter(|(_, event)| *event == Event::RestartNeeded).map(|(at, _)| *at).collect()
}

/// Lets time pass; each restart that node 0 asks for is made, by signalling that takes 20 ms, and noted.
fn run_with_signalling(world: &mut World, time: Duration, made: &mut Vec<Instant>) {
    let end = world.now + time;
    loop {
        world.run(end, |world| asked(world).len() > made.len());
        if asked(world).len() == made.len() {
            return;
        }
        world.tell(0, Input::Restart);
        world.run(world.now + ms(20), |_| false);
        world.describe(0, 1);
        world.describe(1, 0);
        made.push(world.now);
    }
}

/// The socket in use goes, and another one comes.
fn change_sockets(world: &mut World, number: usize) {
    let (path, _) = world.nodes[0].agent.send_pair().expect("a way");
    let addr = SocketAddr::from(([192, 0, 2, 20 + u8::try_from(number).unwrap()], 5_000));
    world.nodes[0].sockets.push(addr);
    let new = PathId(u32::try_from(world.nodes[0].sockets.len() - 1).unwrap());
    world.tell(0, Input::LocalCandidate { path: new, addr });
    world.tell(0, Input::PathGone(path));
}

/// Where a pair stands by it is taken at once; that both sides agree on it can wait.
#[test]
fn ways_that_die_one_after_the_other_make_one_restart_a_second() {
    for role in [Role::Controlling, Role::Controlled] {
        let mut world = chosen(role);
        let mut restarted: Vec<Instant> = Vec::new();
        for number in 0..12 {
            change_sockets(&mut world, number);
            run_with_signalling(&mut world, ms(700), &mut restarted);
            assert!(world.nodes[0].agent.send_pair().is_some(), "{role:?}: the call goes on");
        }
        let asked = asked(&world);
        assert!(asked.len() >= 5, "{role:?}: {asked:?}");
        for (restarted, asked) in restarted.iter().zip(&asked[1..]) {
            assert!(*asked - *restarted >= SECOND, "{role:?}: {restarted:?}, {asked:?}");
        }
    }
}

/// It has to wait for its second, and when that has passed all is well again.
#[test]
fn a_restart_that_is_not_needed_any_more_is_not_asked_for() {
    let mut world = chosen(Role::Controlling);
    world.tell(0, Input::Restart);
    world.describe(0, 1);
    world.describe(1, 0);
    world.run(world.now + ms(100), |_| false);
    assert!(world.all_selected());
    world.cut = true;
    world.tell(0, Input::MediaStopped);
    world.run(world.now + ms(700), |_| false);
    world.cut = false;
    world.run(world.now + 10 * SECOND, |_| false);
    // A moment's doubt later doesn't bring it back.
    world.tell(0, Input::MediaStopped);
    world.run(world.now + 10 * SECOND, |_| false);
    assert_eq!(asked(&world), []);
    assert!(world.nodes[0].agent.is_sure());
}

/// The same, and all is not well.
#[test]
fn a_restart_that_is_needed_soon_after_another_is_asked_for_when_its_second_is_over() {
    let mut world = chosen(Role::Controlled);
    world.tell(0, Input::Restart);
    world.describe(0, 1);
    world.describe(1, 0);
    let restarted = world.now;
    world.run(world.now + ms(100), |_| false);
    world.cut = true;
    world.tell(0, Input::MediaStopped);
    world.run(world.now + 4 * SECOND, |_| false);
    assert_eq!(asked(&world), [restarted + SECOND]);
}
