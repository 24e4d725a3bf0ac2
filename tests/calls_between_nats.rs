//! Whole calls between any two networks, with STUN and TURN servers or without, in virtual time: whoever has
//! a way to the other side is connected by it and heard, and whoever has none is told what would help.
//!
//! Which ways there are follows from the NATs alone (`common/stands.rs`); ICE has to find them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, unreachable_pub)]

mod common {
    pub mod dialling;
    pub mod internet;
    pub mod nat;
    pub mod relay_server;
    pub mod stands;
}

use std::collections::BTreeMap;
use std::time::Duration;

use common::dialling::Call;
use common::internet::{Host, Weather, World};
use common::nat::{Behaviour, Dependence};
use common::stands::{Help, Place, Stand, Ways, is_relayed, kind, world};
use halloo::peer::event::{End, Event, Remedy, Step};
use rand::SeedableRng;
use rand::rngs::StdRng;

const SECOND: Duration = Duration::from_secs(1);
const FULL_CONE: Place = Place::Behind(Behaviour::FULL_CONE);
const ADDRESS_RESTRICTED: Place = Place::Behind(Behaviour::ADDRESS_RESTRICTED);
const PORT_RESTRICTED: Place = Place::Behind(Behaviour::PORT_RESTRICTED);
const SYMMETRIC: Place = Place::Behind(Behaviour::SYMMETRIC);
const NATS: [Place; 4] = [FULL_CONE, ADDRESS_RESTRICTED, PORT_RESTRICTED, SYMMETRIC];

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Became {
    Direct,
    Relayed,
    Refused,
}

/// How many calls of which ways became what.
type Tally = BTreeMap<(Ways, Became), usize>;

/// Makes a call, and holds it to the ways there are.
fn hold(seed: u64, weather: Weather, stands: [&Stand; 2]) -> (Ways, Became, Call) {
    let ways = stands[0].ways(stands[1]);
    let what = format!("seed {seed}: {:?} calls {:?}: {ways:?}", stands[0], stands[1]);
    let mut call = Call::dial(world(seed, weather, stands));
    if !ways.direct && !ways.relayed {
        assert!(call.run_until(100 * SECOND, World::all_ended), "{what}: it goes on");
        for (host, [ours, theirs]) in [stands, [stands[1], stands[0]]].into_iter().enumerate() {
            is_explained(&call.world.hosts[host], ours, theirs, &what);
        }
        return (ways, Became::Refused, call);
    }
    assert!(call.run_until(60 * SECOND, World::all_connected), "{what}: {:?}", ends(&call.world));
    let connected = call.world.now;
    call.world.hosts.iter_mut().for_each(|host| host.sound = true);
    call.run_for(SECOND);
    for host in &call.world.hosts {
        let heard = host.heard.iter().filter(|(at, _)| *at >= connected + SECOND / 2);
        let (heard, all) =
            (heard.clone().filter(|(_, level)| *level > 0.05).count(), heard.count());
        assert!(all >= 49 && heard * 2 > all, "{what}: {heard} of {all} are heard");
    }
    let relayed = call.world.hosts.iter().map(|host| {
        let (_, local, remote) = host.pairs().pop().unwrap();
        assert!(!is_relayed(&local) || kind(&local) == "relay", "{what}: {local}");
        is_relayed(&local) || is_relayed(&remote)
    });
    let relayed: Vec<bool> = relayed.collect();
    assert_eq!(relayed[0], relayed[1], "{what}: both go the same way");
    let became = if relayed[0] { Became::Relayed } else { Became::Direct };
    let exists = if relayed[0] { ways.relayed } else { ways.direct };
    assert!(exists, "{what}: {became:?}");
    (ways, became, call)
}

fn ends(world: &World) -> Vec<String> {
    world.hosts.iter().map(|host| format!("{:?}", host.events.last())).collect()
}

/// It failed for want of a way, says so, and names what would have made one.
fn is_explained(host: &Host, ours: &Stand, theirs: &Stand, what: &str) {
    let Some((_, Event::Ended { end, reason, remedy })) = host.events.last() else {
        panic!("{what}: {:?}", host.events.last());
    };
    assert_eq!(*end, End::Failed { step: Step::Ice }, "{what}: {reason}");
    assert!(reason.starts_with("no way through: "), "{what}: {reason}");
    assert!(remedy.is_some(), "{what}: {reason}");
    let have_udp = |stand: &Stand| stand.places.iter().all(|place| place.has_udp());
    if !have_udp(ours) || !have_udp(theirs) {
        return; // no server helps whoever is cut off
    }
    let know_outsides = ours.help.reflects() && theirs.help.reflects();
    let needed = if know_outsides { Remedy::TurnServer } else { Remedy::StunServer };
    assert_eq!(*remedy, Some(needed), "{what}: {reason}");
    let option = if know_outsides { "(--turn)" } else { "(--stun)" };
    assert!(reason.contains(option), "{what}: {reason}");
    let helped = |stand: &Stand| Stand { help: Help::Turn, ..stand.clone() };
    let ways = helped(ours).ways(&helped(theirs));
    assert!(ways.direct || ways.relayed, "{what}: that would not help: {reason}");
}

#[test]
fn which_nats_can_be_punched_through_is_what_is_known_of_them() {
    let direct = |a: Stand, b: Stand| (a.ways(&b).direct, b.ways(&a).direct);
    // Both know their outsides.
    let [yes, no] = [true, false];
    let punched =
        [[yes, yes, yes, yes], [yes, yes, yes, yes], [yes, yes, yes, no], [yes, yes, no, no]];
    for (a, row) in NATS.into_iter().zip(punched) {
        for (b, expected) in NATS.into_iter().zip(row) {
            let both = [a, b].map(|place| Stand::at(place, Help::Stun));
            let [a, b] = both.clone();
            assert_eq!(direct(a, b), (expected, expected), "{both:?}");
        }
    }
    // One knows; then it must let in whom it never sent to.
    for place in NATS {
        for other in NATS {
            let both = [Stand::at(place, Help::Stun), Stand::at(other, Help::Nobody)];
            let expected = place == FULL_CONE;
            let [a, b] = both.clone();
            assert_eq!(direct(a, b), (expected, expected), "{both:?}");
        }
        let unknown = |place| Stand::at(place, Help::Nobody);
        assert_eq!(direct(unknown(place), unknown(FULL_CONE)), (false, false));
        assert_eq!(direct(unknown(place), unknown(Place::Public)), (true, true));
    }
    let ways = |a: &Stand, b: &Stand| (a.ways(b).direct, a.ways(b).relayed);
    let walled = Stand::at(Place::Walled, Help::TurnByTcp);
    assert_eq!(ways(&walled, &walled), (false, true));
    assert_eq!(ways(&walled, &Stand::at(SYMMETRIC, Help::Stun)), (false, true));
    assert_eq!(ways(&walled, &Stand::at(SYMMETRIC, Help::Nobody)), (false, false), "no permission");
    assert_eq!(ways(&walled, &Stand::at(Place::Walled, Help::Turn)), (false, false));
}

/// Every two places with every two helps, over links that lose nothing: there the kind of pair is known.
mod between_any_two_places_the_best_way_there_is_is_taken {
    use super::*;

    #[test]
    fn where_nobody_helps_the_caller() {
        all_who_have(Help::Nobody);
    }

    #[test]
    fn where_the_caller_has_stun_servers() {
        all_who_have(Help::Stun);
    }

    #[test]
    fn where_the_caller_has_a_turn_server() {
        all_who_have(Help::Turn);
    }

    #[test]
    fn where_the_caller_has_a_turn_server_by_tcp() {
        all_who_have(Help::TurnByTcp);
    }

    fn all_who_have(help: Help) {
        let mut tally = Tally::new();
        for caller in Place::ALL {
            for listener in Place::ALL {
                for other_help in Help::ALL {
                    let stands = [Stand::at(caller, help), Stand::at(listener, other_help)];
                    let (ways, became, call) = hold(1, Weather::CLEAN, [&stands[0], &stands[1]]);
                    let what = format!("{:?} calls {:?}", stands[0], stands[1]);
                    if ways.direct && !(ways.relayed && is_late(caller, listener)) {
                        assert_eq!(became, Became::Direct, "{what}");
                        goes_from_outside_to_outside(&call, [caller, listener], &what);
                    }
                    *tally.entry((ways, became)).or_default() += 1;
                }
            }
        }
        print(&tally);
    }

    /// One NAT lets in only whom its host has sent to. The other side's check, from a port that nobody knows yet,
    /// can come a moment before that; by the time of its repetition a relay has answered, and is chosen.
    fn is_late(a: Place, b: Place) -> bool {
        let is_symmetric =
            |place: Place| place.nat().is_some_and(|nat| nat.mapping != Dependence::None);
        let one_of_each = |a, b| a == ADDRESS_RESTRICTED && is_symmetric(b);
        one_of_each(a, b) || one_of_each(b, a)
    }

    fn goes_from_outside_to_outside(call: &Call, places: [Place; 2], what: &str) {
        let expected = places.map(|place| match place {
            Place::Public => &["host"][..],
            _ => &["srflx", "prflx"],
        });
        for host in [0, 1] {
            let (_, local, remote) = call.world.hosts[host].pairs().pop().unwrap();
            assert!(expected[host].contains(&kind(&local)), "{what}: {local}");
            assert!(expected[1 - host].contains(&kind(&remote)), "{what}: {remote}");
        }
    }
}

mod every_seed_connects_where_a_path_exists_and_says_so_where_none_does {
    use super::*;

    #[test]
    fn seeds_0_to_99() {
        hold_all(0..100);
    }

    #[test]
    fn seeds_100_to_199() {
        hold_all(100..200);
    }

    #[test]
    fn seeds_200_to_299() {
        hold_all(200..300);
    }

    #[test]
    fn seeds_300_to_399() {
        hold_all(300..400);
    }

    fn hold_all(seeds: std::ops::Range<u64>) {
        let mut tally = Tally::new();
        for seed in seeds {
            let mut rng = StdRng::seed_from_u64(seed);
            let stands = [Stand::random(&mut rng), Stand::random(&mut rng)];
            let (ways, became, _) = hold(seed, Weather::BAD, [&stands[0], &stands[1]]);
            *tally.entry((ways, became)).or_default() += 1;
        }
        print(&tally);
        let count = |of: &dyn Fn(Ways, Became) -> bool| -> usize {
            tally
                .iter()
                .filter(|((ways, became), _)| of(*ways, *became))
                .map(|(_, count)| count)
                .sum()
        };
        for each in [Became::Direct, Became::Relayed, Became::Refused] {
            let count = count(&|_, became| became == each);
            assert!(count >= 15, "{count} {each:?}: all are tried");
        }
        // Where a direct check is lost twice, a relay that answers is not left waiting.
        let [direct, detours] = [Became::Direct, Became::Relayed]
            .map(|taken| count(&|ways, became| ways.direct && ways.relayed && became == taken));
        assert!(direct > 2 * detours, "{direct} direct, {detours} by a relay where both are there");
    }
}

fn print(tally: &Tally) {
    for ((Ways { direct, relayed }, became), count) in tally {
        println!("direct way: {direct}, by a relay: {relayed}: {count} became {became:?}");
    }
}

/// How long 200 calls took from the offer until both were connected, sorted; prints it, and how long from
/// the first search for addresses on.
fn set_up_times(name: &str, pairs: &[[Stand; 2]]) -> Vec<Duration> {
    let mut times: Vec<(Duration, Duration)> = (0..200)
        .zip(pairs.iter().cycle())
        .map(|(seed, stands)| {
            let mut call = Call::dial(world(seed, Weather::BAD, [&stands[0], &stands[1]]));
            let connected = call.run_until(60 * SECOND, World::all_connected);
            assert!(connected, "seed {seed}: {stands:?}");
            (call.world.now - call.offered, call.world.now - call.dialled)
        })
        .collect();
    let mut dialled: Vec<Duration> = times.iter().map(|(_, dialled)| *dialled).collect();
    dialled.sort();
    times.sort();
    let times: Vec<Duration> = times.into_iter().map(|(offered, _)| offered).collect();
    println!(
        "{name}: median {:?}, 95 % within {:?}, slowest {:?}; from the dialling on, median {:?}",
        times[100], times[190], times[199], dialled[100]
    );
    times
}

/// There and back, on average; a relay stands half way.
fn round_trip() -> Duration {
    2 * (Weather::BAD.delay + Weather::BAD.jitter / 2)
}

#[test]
fn at_20_percent_loss_the_median_call_between_two_nats_takes_a_second_and_three_round_trips_at_most()
 {
    let pairs =
        NATS.into_iter().flat_map(|a| NATS.map(|b| [a, b].map(|at| Stand::at(at, Help::Stun))));
    let pairs: Vec<[Stand; 2]> = pairs.filter(|[a, b]| a.ways(b).direct).collect();
    assert_eq!(pairs.len(), 13);
    let times = set_up_times("between two NATs", &pairs);
    assert!(times[100] < SECOND + 3 * round_trip(), "{:?}", times[100]);
}

#[test]
fn at_20_percent_loss_the_median_relayed_call_takes_a_second_and_three_round_trips_at_most() {
    let pairs = [
        [Stand::at(SYMMETRIC, Help::Turn), Stand::at(SYMMETRIC, Help::Turn)],
        [Stand::at(SYMMETRIC, Help::Turn), Stand::at(PORT_RESTRICTED, Help::Stun)],
        [Stand::at(PORT_RESTRICTED, Help::Stun), Stand::at(SYMMETRIC, Help::Turn)],
        [Stand::at(Place::Walled, Help::TurnByTcp), Stand::at(PORT_RESTRICTED, Help::Stun)],
        [Stand::at(FULL_CONE, Help::Stun), Stand::at(Place::Walled, Help::TurnByTcp)],
    ];
    assert!(pairs.iter().all(|[a, b]| !a.ways(b).direct));
    let times = set_up_times("by a relay", &pairs);
    assert!(times[100] < SECOND + 3 * round_trip(), "{:?}", times[100]);
}
