//! Somebody names another one's address as his own: what reaches that one, in virtual time (RFC 8445 section
//! 19.5.1). Nobody answers there, so it is checked as any address that has not answered: one new check in Ta
//! (section 14.2), each of them repeated as RFC 8489 section 6.2.1 says, and no more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout)]

mod common {
    pub mod ice_world;
}

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use common::ice_world::{Weather, World};
use halloo::ice::{Candidate, Config, Credentials, Event, Input, Kind, Role, Transport};
use halloo::stun::{Class, Message, TransactionId};
use halloo::time::Instant;

const OURS: &str = "192.0.2.1";
const ALSO_OURS: &str = "192.0.2.9";
const ATTACKER: &str = "198.51.100.2";
const VICTIM: [u8; 4] = [203, 0, 113, 66];

/// As many candidates as are taken.
const MANY: u16 = 64;
const TA: Duration = Duration::from_millis(50);
const RTO: Duration = Duration::from_millis(500);
/// Rc of RFC 8489.
const SENDS: usize = 7;
/// A check of ours, its user name at its longest.
const LONGEST_CHECK: usize = 160;

fn ms(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// How the victim is named.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Named {
    /// By many ports, each as if it had nothing to do with the others.
    Apart,
    /// By many ports, all alike: the check of one could stand for all.
    Alike,
    /// Always the same port, as another candidate each time, each better than the one before.
    Again,
}

fn candidate(named: Named, number: u16) -> Candidate {
    let port = if named == Named::Again { 7_000 } else { 7_000 + number };
    let foundation = if named == Named::Alike { 0 } else { number };
    Candidate {
        foundation: foundation.to_string(),
        component: 1,
        transport: Transport::Udp,
        priority: 2_130_706_431 - 65_536 + u32::from(number),
        addr: SocketAddr::new(IpAddr::from(VICTIM), port),
        kind: Kind::Host,
        related: None,
        tcp_type: None,
        ufrag: None,
    }
}

fn credentials(number: u32) -> Credentials {
    Credentials { ufrag: format!("attacker{number}"), pwd: "attackers+password+of+24".into() }
}

fn name_victim(world: &mut World, named: Named) {
    for number in 0..MANY {
        world.tell(0, Input::RemoteCandidate(candidate(named, number)));
    }
}

/// What was sent to the victim.
#[derive(Debug)]
struct Hits {
    packets: usize,
    bytes: usize,
    /// Most packets in a span of Ta.
    at_once: usize,
    /// Checks, each counted once.
    checks: usize,
}

/// Counts it, and holds it against the rules.
fn judge(world: &World, case: &str) -> Hits {
    let hits: Vec<_> =
        world.trace.iter().filter(|(_, it)| it.to.ip() == IpAddr::from(VICTIM)).collect();
    let mut checks: BTreeMap<TransactionId, Vec<Instant>> = BTreeMap::new();
    for (at, datagram) in &hits {
        let message = Message::parse(&datagram.bytes).unwrap();
        assert_eq!(message.class(), Class::Request, "{case}");
        assert!(datagram.bytes.len() <= LONGEST_CHECK, "{case}: {}", datagram.bytes.len());
        checks.entry(message.id()).or_default().push(*at);
    }
    for times in checks.values() {
        assert!(times.len() <= SENDS, "{case}: {times:?}");
        for (two, doubled) in times.windows(2).zip([1, 2, 4, 8, 16, 32]) {
            assert!(two[1] - two[0] >= RTO * doubled, "{case}: {times:?}");
        }
    }
    let mut first: Vec<Instant> = checks.values().map(|times| times[0]).collect();
    first.sort();
    for two in first.windows(2) {
        assert!(two[1] - two[0] >= TA, "{case}: {two:?}");
    }
    let within =
        |from: Instant| hits.iter().filter(move |(at, _)| (from..from + TA).contains(at)).count();
    let hits = Hits {
        packets: hits.len(),
        bytes: hits.iter().map(|(_, datagram)| datagram.bytes.len()).sum(),
        at_once: hits.iter().map(|(from, _)| within(*from)).max().unwrap_or(0),
        checks: checks.len(),
    };
    println!("{case}: {hits:?}");
    hits
}

/// rfc8445-14.2-1, rfc8489-6.2.1-1: for a minute, in which ICE begins anew once.
#[test]
fn a_victim_named_as_64_candidates_gets_one_check_in_ta_and_its_repetitions() {
    for role in [Role::Controlling, Role::Controlled] {
        for ours in [&[OURS][..], &[OURS, ALSO_OURS]] {
            for named in [Named::Apart, Named::Alike, Named::Again] {
                let mut world = World::new(1, Weather::CLEAN);
                world.add(Config::new(role), ours);
                for (session, until) in [(0, 30_000), (1, 60_000)] {
                    world.tell(0, Input::RemoteCredentials(credentials(session)));
                    name_victim(&mut world, named);
                    world.run_until(until);
                }
                let case = format!("{role:?}, {} of ours, {named:?}", ours.len());
                let hits = judge(&world, &case);
                let pairs = if named == Named::Again { 1 } else { usize::from(MANY) } * ours.len();
                assert!(hits.checks <= 2 * pairs.min(100), "{case}: each pair once a session");
                assert!(hits.checks >= 2, "{case}: the victim is checked at all");
                // In a minute there is room for 1200 checks; their repetitions need none beside it.
                assert!(hits.packets <= 1_200, "{case}");
                assert!(hits.bytes <= 1_200 * LONGEST_CHECK, "{case}");
                // Repetitions of the first one, which left before the others were known, meet theirs.
                let most = if named == Named::Alike { SENDS } else { 2 };
                assert!(hits.at_once <= most, "{case}: {hits:?}");
            }
        }
    }
}

/// They come one after the other, faster than they are checked: the first ones are repeated meanwhile.
#[test]
fn candidates_that_trickle_make_no_burst() {
    let mut world = World::new(2, Weather::CLEAN);
    world.add(Config::new(Role::Controlled), &[OURS]);
    world.tell(0, Input::RemoteCredentials(credentials(0)));
    for number in 0..MANY {
        world.tell(0, Input::RemoteCandidate(candidate(Named::Apart, number)));
        world.run(world.now + Duration::from_millis(20), |_| false);
    }
    world.run_until(60_000);
    let hits = judge(&world, "trickled");
    assert_eq!(hits.checks, usize::from(MANY));
    assert!(hits.at_once <= 3, "{hits:?}");
}

/// Whoever describes himself anew all the time gets no more out of us: Ta holds across sessions.
#[test]
fn restarts_one_after_the_other_do_not_make_checks_faster() {
    let mut world = World::new(3, Weather::CLEAN);
    world.add(Config::new(Role::Controlled), &[OURS]);
    for session in 0..600 {
        world.tell(0, Input::RemoteCredentials(credentials(session)));
        name_victim(&mut world, Named::Apart);
        world.run(world.now + Duration::from_millis(100), |_| false);
    }
    let hits = judge(&world, "600 restarts");
    assert!(hits.packets <= 1_201 && hits.at_once == 1, "{hits:?}");
}

/// A restart of ours that is taken back: checks that were put aside go on where they were, not all at once.
#[test]
fn checks_that_go_on_after_a_restart_was_taken_back_do_not_come_as_one() {
    let mut world = World::new(4, Weather::CLEAN);
    world.add(Config::new(Role::Controlling), &[OURS]);
    world.tell(0, Input::RemoteCredentials(credentials(0)));
    name_victim(&mut world, Named::Apart);
    world.run_until(2_000);
    world.tell(0, Input::Restart);
    world.run_until(22_000);
    let before = judge(&world, "put aside");
    world.tell(0, Input::Rollback);
    world.run_until(60_000);
    let hits = judge(&world, "taken back");
    assert!(hits.packets > before.packets + usize::from(MANY), "{hits:?}");
    assert!(hits.at_once <= 2, "{hits:?}");
}

/// The attacker answers for himself, and the victim stands by: a few probes each session, whatever doubt
/// there is about the pair in use.
#[test]
fn a_victim_beside_a_pair_that_works_gets_a_few_probes() {
    for role in [Role::Controlling, Role::Controlled] {
        let mut world = World::new(5, Weather::CLEAN);
        world.add(Config::new(role), &[OURS]);
        world.add(Config::new(role.opposite()), &[ATTACKER]);
        world.describe(0, 1);
        world.tell_credentials(1, 0);
        name_victim(&mut world, Named::Apart);
        for candidate in world.nodes[1].local_candidates() {
            world.tell(0, Input::RemoteCandidate(candidate));
        }
        assert!(world.run_to_selection(10_000));
        for _ in 0..25 {
            world.tell(0, Input::MediaStopped);
            world.run(world.now + Duration::from_secs(1), |_| false);
        }
        world.tell(1, Input::Restart);
        world.tell_credentials(1, 0);
        name_victim(&mut world, Named::Apart);
        for candidate in world.nodes[1].local_candidates() {
            world.tell(0, Input::RemoteCandidate(candidate));
        }
        world.describe(0, 1);
        world.run_until(60_000);
        let selections = |event: &&(Instant, Event)| matches!(event.1, Event::SelectedPair(_));
        assert_eq!(world.nodes[0].events.iter().filter(selections).count(), 2, "{role:?}");
        let hits = judge(&world, &format!("{role:?}, standing by"));
        // Sixteen pairs stand by, five probes each; the checks before the choice come on top.
        assert!(hits.packets <= 2 * (16 * 5 + 20), "{hits:?}");
        assert!(world.now >= ms(60_000));
    }
}
