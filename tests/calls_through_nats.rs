//! Whole calls between networks of all kinds, in virtual time and without any server: who reaches whom, how
//! fast, and what is said where nobody can be reached. `calls_between_nats.rs` has the servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation, unreachable_pub)]

mod common {
    pub mod internet;
    pub mod nat;
    pub mod relay_server;
    pub mod stands;
}

use std::time::Duration;

use common::internet::{INTERNET, Network, Sent, Weather, World};
use common::nat::{Behaviour, Dependence, Hairpin, Nat};
use common::stands::Place;
use halloo::peer::config::Config;
use halloo::peer::event::{End, Step};
use halloo::time::Instant;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

const SECOND: Duration = Duration::from_secs(1);

/// Two hosts, each with one address per place, that have exchanged descriptions.
fn between(seed: u64, weather: Weather, caller: &[Place], listener: &[Place]) -> World {
    let mut world = World::new(seed, weather);
    for (side, places) in [(1, caller), (101, listener)] {
        let addresses: Vec<(Network, String)> = (side..)
            .zip(places)
            .map(|(side, place)| (place.network(&mut world, side), place.address(side)))
            .collect();
        let addresses: Vec<_> = addresses.iter().map(|(net, ip)| (*net, ip.as_str())).collect();
        world.host(Config::default(), &addresses);
    }
    world.signal(0, 1);
    world
}

fn connects(world: &mut World) -> bool {
    world.run_until(60 * SECOND, World::all_connected)
}

fn random_place(rng: &mut StdRng) -> Place {
    let behaviour = Behaviour::ALL[rng.random_range(0..4)];
    match rng.random_range(0..6) {
        0 | 1 => Place::Public,
        2 | 3 => Place::Behind(behaviour),
        4 => Place::BehindTwo(behaviour),
        _ => Place::Nowhere,
    }
}

#[test]
fn a_nat_maps_and_filters_as_its_kind_says() {
    let [inside, near, far] =
        ["192.168.1.2:5000", "198.51.100.1:1", "198.51.100.2:1"].map(|addr| addr.parse().unwrap());
    let near_elsewhere = "198.51.100.1:2".parse().unwrap();
    for (behaviour, same_port, lets_in) in [
        (Behaviour::FULL_CONE, true, [true, true, true]),
        (Behaviour::ADDRESS_RESTRICTED, true, [true, true, false]),
        (Behaviour::PORT_RESTRICTED, true, [true, false, false]),
        (Behaviour::SYMMETRIC, false, [true, false, false]),
    ] {
        let mut nat = Nat::new(behaviour, "203.0.113.1".parse().unwrap());
        let outside = nat.outbound(Instant::ZERO, inside, near);
        let comes_in = [near, near_elsewhere, far]
            .map(|from| nat.inbound(Instant::ZERO, from, outside) == Some(inside));
        assert_eq!(comes_in, lets_in, "{behaviour:?}");
        assert_eq!(nat.outbound(Instant::ZERO, inside, far) == outside, same_port);
        assert_eq!(nat.outbound(Instant::ZERO, inside, near), outside, "it stays");
        let later = Instant::ZERO + behaviour.forgets_after;
        assert_eq!(nat.inbound(later, near, outside), None, "forgotten");
    }
    let by_address = Behaviour { mapping: Dependence::Address, ..Behaviour::SYMMETRIC };
    let mut nat = Nat::new(by_address, "203.0.113.1".parse().unwrap());
    let outside = nat.outbound(Instant::ZERO, inside, near);
    assert_eq!(nat.outbound(Instant::ZERO, inside, near_elsewhere), outside);
    assert_ne!(nat.outbound(Instant::ZERO, inside, far), outside);
}

#[test]
fn one_public_side_is_enough_whatever_nat_the_other_is_behind() {
    // rfc8445-7.3.1.3-1: its checks show the address that no candidate named.
    for behaviour in Behaviour::ALL {
        for place in [Place::Behind(behaviour), Place::BehindTwo(behaviour)] {
            for [caller, listener] in [[place, Place::Public], [Place::Public, place]] {
                let mut world = between(1, Weather::CLEAN, &[caller], &[listener]);
                assert!(connects(&mut world), "{caller:?} calls {listener:?}");
                assert!(world.now.since_start() < SECOND, "{:?}", world.now);
            }
        }
    }
}

#[test]
fn neighbours_behind_one_nat_need_no_hairpin() {
    for hairpin in [Hairpin::Yes, Hairpin::No] {
        let mut world = World::new(1, Weather::CLEAN);
        let behaviour = Behaviour { hairpin, ..Behaviour::PORT_RESTRICTED };
        let home = world.behind(INTERNET, behaviour, "203.0.113.1");
        for ip in ["192.168.1.2", "192.168.1.3"] {
            world.host(Config::default(), &[(home, ip)]);
        }
        world.signal(0, 1);
        assert!(connects(&mut world));
    }
}

#[test]
fn where_there_is_no_way_both_sides_say_so() {
    let home = Place::Behind(Behaviour::PORT_RESTRICTED);
    for places in [[home, home], [Place::Nowhere, Place::Public], [Place::Nowhere, home]] {
        let mut world = between(2, Weather::CLEAN, &places[..1], &places[1..]);
        assert!(world.run_until(60 * SECOND, World::all_ended), "{places:?}: it goes on");
        for host in &world.hosts {
            let (_, end, reason) = host.ended().unwrap();
            assert_eq!(end, End::Failed { step: Step::Ice }, "{places:?}");
            assert!(reason.starts_with("no way through"), "{reason}");
        }
    }
}

#[test]
fn without_servers_every_seed_connects_to_a_public_side_and_says_so_where_there_is_none() {
    let (mut connected, mut refused) = (0, 0);
    for seed in 0..300 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut places = || -> Vec<Place> {
            (0..rng.random_range(1..=3)).map(|_| random_place(&mut rng)).collect()
        };
        let (caller, listener) = (places(), places());
        // Nobody knows its outside: only a public address can be reached, from anywhere that leads to it.
        let leads = |place: &Place| *place != Place::Nowhere;
        let has_path = [(&caller, &listener), (&listener, &caller)]
            .iter()
            .any(|(a, b)| a.contains(&Place::Public) && b.iter().any(leads));
        let mut world = between(seed, Weather::BAD, &caller, &listener);
        if has_path {
            assert!(connects(&mut world), "seed {seed}: {caller:?} calls {listener:?}");
            connected += 1;
        } else {
            assert!(world.run_until(60 * SECOND, World::all_ended), "seed {seed}: it goes on");
            for host in &world.hosts {
                let (_, end, reason) = host.ended().unwrap();
                assert_eq!(end, End::Failed { step: Step::Ice }, "seed {seed}");
                assert!(reason.starts_with("no way through"), "seed {seed}: {reason}");
            }
            refused += 1;
        }
    }
    println!("{connected} connected, {refused} had no path");
    assert!(connected > 100 && refused > 30, "{connected}, {refused}: both are tried");
}

#[test]
fn at_20_percent_loss_the_median_call_is_set_up_within_a_second_and_three_round_trips() {
    let round_trip = 2 * (Weather::BAD.delay + Weather::BAD.jitter / 2);
    let mut times: Vec<Duration> = (0..200)
        .map(|seed| {
            let home = Place::Behind(Behaviour::ALL[seed as usize % 4]);
            let [caller, listener] =
                if seed % 2 == 0 { [home, Place::Public] } else { [Place::Public, home] };
            let mut world = between(seed, Weather::BAD, &[caller], &[listener]);
            assert!(connects(&mut world), "seed {seed}");
            world.now.since_start()
        })
        .collect();
    times.sort();
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    println!("median {median:?}, 95 % within {:?}, slowest {slowest:?}", times[190]);
    assert!(median < SECOND + 3 * round_trip, "{median:?}");
}

#[test]
fn any_order_of_candidates_within_a_description_ends_in_the_same_pair() {
    let home = Place::Behind(Behaviour::PORT_RESTRICTED);
    let mut chosen = None;
    for seed in 0..40 {
        let mut world = World::new(7, Weather::CLEAN);
        let networks = [home, Place::Public, Place::Public].map(|place| {
            let side = 1 + u8::try_from(world.hosts.len()).unwrap();
            place.network(&mut world, side)
        });
        let addresses = ["192.168.1.2", "198.51.100.1", "198.51.100.2"];
        let ours: Vec<_> = networks.into_iter().zip(addresses).collect();
        world.host(Config::default(), &ours);
        world
            .host(Config::default(), &[(INTERNET, "198.51.100.101"), (INTERNET, "198.51.100.102")]);

        let mut rng = StdRng::seed_from_u64(seed);
        let mut shuffled = |text: String| {
            let (mut candidates, others): (Vec<_>, Vec<_>) =
                text.lines().partition(|line| line.starts_with("a=candidate"));
            candidates.shuffle(&mut rng);
            let before = others.iter().take_while(|line| !line.starts_with("m=")).count() + 2;
            let (head, tail) = others.split_at(before);
            [head, &candidates, tail].concat().join("\r\n") + "\r\n"
        };
        let now = world.now;
        let offer = world.hosts[0].peer.make_offer(now).unwrap().to_string();
        let offer = shuffled(offer).parse().unwrap();
        let answer = world.hosts[1].peer.accept_offer(now, &offer).unwrap().to_string();
        let answer = shuffled(answer).parse().unwrap();
        world.hosts[0].peer.accept_answer(now, &answer).unwrap();
        assert!(connects(&mut world), "seed {seed}");
        let (_, local, remote) = world.hosts[0].pairs().pop().unwrap();
        let pair = (local, remote);
        assert_eq!(*chosen.get_or_insert(pair.clone()), pair, "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = |seed| {
        let home = Place::Behind(Behaviour::SYMMETRIC);
        let mut world = between(seed, Weather::BAD, &[home, home], &[Place::Public]);
        world.run_for(20 * SECOND);
        let is_dtls = |sent: &Sent| sent.protocol == Some(halloo::peer::demux::Protocol::Dtls);
        let mut trace = world.trace;
        trace.retain(|sent| !is_dtls(sent));
        trace
    };
    assert_eq!(trace(5), trace(5));
    assert_ne!(trace(5), trace(6));
}
