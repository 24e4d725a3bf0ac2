//! Whole calls whose way dies, in virtual time: another takes its place, and how long that is heard.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, unreachable_pub)]

mod common {
    pub mod internet;
    pub mod nat;
    pub mod relay_server;
}

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use common::internet::{Cable, INTERNET, Network, Weather, World};
use common::nat::Behaviour;
use halloo::ice::PathId;
use halloo::peer::Input;
use halloo::peer::config::Config;
use halloo::peer::demux::Protocol;
use halloo::peer::event::{End, Event, IceState, Step};
use halloo::sdp::Description;
use halloo::stun::{Class, Message};
use halloo::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
/// The longest silence that a dying way may cost.
const BEARABLE: Duration = Duration::from_millis(1_500);

const CALLER: usize = 0;
const LISTENER: usize = 1;

/// Whether both sides say that they know renomination.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Renomination {
    Agreed,
    Unknown,
}

fn edited(description: &Description, renomination: Renomination) -> Description {
    let text = description.to_string();
    match renomination {
        Renomination::Agreed => text.parse().unwrap(),
        Renomination::Unknown => text.replace(" renomination", "").parse().unwrap(),
    }
}

/// `caller` and `listener` with these addresses, in a call with sound.
fn in_a_call(
    mut world: World,
    caller: &[(Network, &str)],
    listener: &[(Network, &str)],
    renomination: Renomination,
) -> World {
    world.host(Config::default(), caller);
    world.host(Config::default(), listener);
    describe(&mut world, renomination);
    assert!(world.run_until(30 * SECOND, World::all_connected));
    world.hosts.iter_mut().for_each(|host| host.sound = true);
    world.run_for(3 * SECOND);
    assert!(world.hosts.iter().all(|host| host.hears()), "it never began");
    world
}

fn describe(world: &mut World, renomination: Renomination) {
    let now = world.now;
    let offer = world.hosts[CALLER].peer.make_offer(now).unwrap();
    let offer = edited(&offer, renomination);
    let answer = world.hosts[LISTENER].peer.accept_offer(now, &offer).unwrap();
    let answer = edited(&answer, renomination);
    world.hosts[CALLER].peer.accept_answer(now, &answer).unwrap();
}

/// The place in its list of the interface that a host sends media by.
fn in_use(world: &World, host: usize) -> usize {
    let (_, local, _) = world.hosts[host].pairs().pop().unwrap();
    let by = |ip: String| local.contains(&format!(" {ip} "));
    world.hosts[host].interfaces.iter().position(|i| by(i.addr.ip().to_string())).unwrap()
}

/// When a host was told that a restart is needed.
fn asked(world: &World, host: usize) -> impl Iterator<Item = Instant> {
    let told = world.hosts[host].events.iter();
    told.filter(|(_, event)| *event == Event::RestartNeeded).map(|(at, _)| *at)
}

/// How often.
fn restarts_asked(world: &World, host: usize) -> usize {
    asked(world, host).count()
}

/// Runs on for 5 s; the gaps that both heard.
fn gaps(world: &mut World) -> [Duration; 2] {
    let since = world.now;
    world.run_for(5 * SECOND);
    for (number, host) in world.hosts.iter().enumerate() {
        assert!(host.hears(), "{number} hears nothing: {:?}", host.ended());
    }
    [CALLER, LISTENER].map(|host| world.hosts[host].longest_gap(since))
}

fn weather(loss: f64) -> Weather {
    Weather { loss, jitter: Duration::from_millis(10), ..Weather::CLEAN }
}

const TWO: [(Network, &str); 2] = [(INTERNET, "198.51.100.1"), (INTERNET, "203.0.113.1")];
const ONE: [(Network, &str); 1] = [(INTERNET, "192.0.2.1")];

#[test]
fn a_cable_that_is_pulled_is_heard_for_less_than_a_second_and_a_half() {
    let mut worst = Duration::ZERO;
    for seed in 0..24 {
        let renomination = if seed % 2 == 0 { Renomination::Agreed } else { Renomination::Unknown };
        let (caller, listener, mover) = if seed % 4 < 2 {
            (&TWO[..], &ONE[..], CALLER)
        } else {
            (&ONE[..], &TWO[..], LISTENER)
        };
        let world = World::new(seed, weather(if seed < 12 { 0.0 } else { 0.05 }));
        let mut world = in_a_call(world, caller, listener, renomination);
        let used = in_use(&world, mover);
        world.hosts[mover].interfaces[used].cable = Cable::Cut;
        let heard = gaps(&mut world);
        assert!(heard.iter().all(|gap| *gap < BEARABLE), "seed {seed}: {heard:?}");
        assert_ne!(in_use(&world, mover), used, "seed {seed}");
        for side in [CALLER, LISTENER] {
            let asked = restarts_asked(&world, side);
            assert_eq!(asked > 0, renomination == Renomination::Unknown, "seed {seed}: {asked}");
        }
        worst = worst.max(heard[0]).max(heard[1]);
    }
    println!("silence of a pulled cable: at most {worst:?}");
}

#[test]
fn an_interface_that_says_it_is_gone_is_hardly_missed() {
    for (seed, mover) in [(1, CALLER), (2, LISTENER)] {
        let (caller, listener) =
            if mover == CALLER { (&TWO[..], &ONE[..]) } else { (&ONE[..], &TWO[..]) };
        let world = World::new(seed, weather(0.0));
        let mut world = in_a_call(world, caller, listener, Renomination::Agreed);
        let used = in_use(&world, mover);
        world.hosts[mover].interfaces[used].cable = Cable::Cut;
        let path = world.hosts[mover].interfaces[used].path;
        world.tell(mover, Input::LocalAddressGone { path });
        let heard = gaps(&mut world);
        assert!(heard[1 - mover] < Duration::from_millis(200), "they hear us: {heard:?}");
        assert!(heard[mover] < BEARABLE, "we hear them: {heard:?}");
    }
}

#[test]
fn a_way_that_is_dead_in_one_direction_is_left_by_both() {
    for (seed, mover) in [(1, CALLER), (2, LISTENER), (3, CALLER), (4, LISTENER)] {
        let (caller, listener) =
            if mover == CALLER { (&TWO[..], &ONE[..]) } else { (&ONE[..], &TWO[..]) };
        let world = World::new(seed, weather(0.0));
        let mut world = in_a_call(world, caller, listener, Renomination::Agreed);
        let used = in_use(&world, mover);
        let before = world.hosts[1 - mover].pairs().pop().unwrap().2;
        world.hosts[mover].interfaces[used].cable = Cable::Mute;
        let heard = gaps(&mut world);
        assert!(heard[1 - mover] < BEARABLE + SECOND, "seed {seed}: {heard:?}");
        assert_ne!(in_use(&world, mover), used, "seed {seed}");
        assert_ne!(world.hosts[1 - mover].pairs().pop().unwrap().2, before, "seed {seed}");
    }
}

#[test]
fn a_router_that_forgets_and_gives_another_port_is_followed() {
    for behaviour in Behaviour::ALL {
        for mover in [CALLER, LISTENER] {
            let mut world = World::new(3, weather(0.0));
            let home = world.behind(INTERNET, behaviour, "203.0.113.7");
            let behind = [(home, "192.168.1.2")];
            let (caller, listener) =
                if mover == CALLER { (&behind[..], &ONE[..]) } else { (&ONE[..], &behind[..]) };
            let mut world = in_a_call(world, caller, listener, Renomination::Agreed);
            world.nat(home).reset();
            let heard = gaps(&mut world);
            assert!(heard.iter().all(|gap| *gap < 2 * BEARABLE), "{behaviour:?}: {heard:?}");
        }
    }
}

#[test]
fn who_falls_silent_on_purpose_is_not_left() {
    let world = World::new(4, weather(0.05));
    let mut world = in_a_call(world, &TWO, &ONE, Renomination::Agreed);
    world.hosts[LISTENER].sound = false; // muted at the source, without a word
    world.run_for(60 * SECOND);
    for host in [CALLER, LISTENER] {
        assert_eq!(world.hosts[host].pairs().len(), 1, "the pair answers: nobody moves");
        assert_eq!(restarts_asked(&world, host), 0);
    }
    world.hosts[LISTENER].sound = true;
    world.run_for(2 * SECOND);
    assert!(world.hosts.iter().all(|host| host.hears()));
}

#[test]
fn an_address_that_comes_during_the_call_takes_over_when_the_old_one_dies() {
    for mover in [CALLER, LISTENER] {
        let (ours, theirs) = (&TWO[..1], &ONE[..]);
        let (caller, listener) = if mover == CALLER { (ours, theirs) } else { (theirs, ours) };
        let world = World::new(5, weather(0.0));
        let mut world = in_a_call(world, caller, listener, Renomination::Agreed);
        world.plug_in(mover, INTERNET, "203.0.113.1");
        world.run_for(3 * SECOND);
        assert_eq!(world.hosts[mover].pairs().len(), 1, "it only stands by");
        world.hosts[mover].interfaces[0].cable = Cable::Cut;
        world.tell(mover, Input::LocalAddressGone { path: PathId(0) });
        let heard = gaps(&mut world);
        assert!(heard.iter().all(|gap| *gap < BEARABLE), "{heard:?}");
    }
}

#[test]
fn an_address_that_comes_after_the_only_one_went_revives_the_call() {
    // A phone that leaves the house: the new network is there some seconds later.
    for mover in [CALLER, LISTENER] {
        let (ours, theirs) = (&TWO[..1], &ONE[..]);
        let (caller, listener) = if mover == CALLER { (ours, theirs) } else { (theirs, ours) };
        let world = World::new(6, weather(0.0));
        let mut world = in_a_call(world, caller, listener, Renomination::Agreed);
        world.hosts[mover].interfaces[0].cable = Cable::Cut;
        world.tell(mover, Input::LocalAddressGone { path: PathId(0) });
        world.run_for(8 * SECOND);
        let since = world.now;
        world.plug_in(mover, INTERNET, "203.0.113.1");
        world.run_for(5 * SECOND);
        for host in &world.hosts {
            assert!(host.hears(), "{:?}", host.ended());
            let back = host.heard.iter().find(|(at, level)| *at > since && *level > 0.05);
            let after = back.unwrap().0 - since;
            assert!(after < 2 * SECOND, "{after:?}");
        }
    }
}

#[test]
fn where_no_way_is_left_a_restart_is_asked_for_and_brings_the_sound_back() {
    // Both behind routers of their own: the new address can't be reached unless it is signalled.
    let mut world = World::new(7, weather(0.0));
    let home = world.behind(INTERNET, Behaviour::SYMMETRIC, "203.0.113.7");
    let behind = [(home, "192.168.1.2")];
    let mut world = in_a_call(world, &TWO[..1], &behind, Renomination::Agreed);
    let gone = world.now;
    world.hosts[CALLER].interfaces[0].cable = Cable::Cut;
    world.tell(CALLER, Input::LocalAddressGone { path: PathId(0) });
    world.plug_in(CALLER, INTERNET, "203.0.113.1");
    world.run_for(4 * SECOND);
    assert!(!world.hosts[CALLER].hears());
    let after = [CALLER, LISTENER]
        .map(|host| asked(&world, host).map(|at| (at - gone).as_millis()).collect::<Vec<_>>());
    let [ours, theirs] = &after;
    assert_eq!(ours[0], 0, "nobody is left to wait for: {after:?}");
    assert!(ours[1] < 250, "there is another network now: {after:?}");
    assert!((900..1_000).contains(&theirs[0]), "half a second to notice: {after:?}");
    assert_eq!([ours.len(), theirs.len()], [2, 1], "{after:?}");
    let now = world.now;
    world.hosts[CALLER].peer.restart_ice().unwrap();
    describe(&mut world, Renomination::Agreed);
    world.run_for(2 * SECOND);
    for host in &world.hosts {
        assert!(host.hears(), "{:?}", host.ended());
        let back = host.heard.iter().find(|(at, level)| *at > now && *level > 0.05);
        assert!(back.unwrap().0 - now < SECOND, "{:?}", back.unwrap().0 - now);
    }
}

/// How many packets of DTLS, RTP and RTCP came by the pair that a host's media goes by, as its statistics say.
fn received_by_pair(world: &World, host: usize) -> u64 {
    let report = serde_json::to_value(world.hosts[host].peer.stats(world.now)).unwrap();
    let mut all = report.as_object().unwrap().values();
    let transport = all.find(|entry| entry["type"] == "transport").unwrap();
    let pair = &report[transport["selectedCandidatePairId"].as_str().unwrap()];
    pair["packetsReceived"].as_u64().unwrap()
}

/// In a restart the listener goes by the new pair as soon as the caller has chosen it, and the caller only when
/// he knows that the listener has heard of the choice: what comes by it meanwhile is counted for it.
#[test]
fn what_comes_by_a_new_pair_before_ours_goes_by_it_is_counted_for_it() {
    let world = World::new(9, weather(0.0));
    let mut world = in_a_call(world, &TWO, &ONE, Renomination::Unknown);
    let used = in_use(&world, CALLER);
    let other = world.hosts[CALLER].interfaces[1 - used].addr;
    world.hosts[CALLER].interfaces[used].cable = Cable::Cut;
    world.hosts[CALLER].peer.restart_ice().unwrap();
    let came = Rc::new(Cell::new(0));
    let (counted, since, mut choice) = (came.clone(), world.now, None);
    world.filter = Box::new(move |now, packet| {
        if let Ok(message) = Message::parse(&packet.bytes) {
            if packet.from == other && message.use_candidate() {
                choice = Some(message.id());
            }
            // The answer to the choice gets lost until something else is heard to be wrong.
            let is_lost = message.class() == Class::Success && choice == Some(message.id());
            return !is_lost || now - since > SECOND;
        }
        counted.set(counted.get() + u64::from(packet.to == other));
        true
    });
    describe(&mut world, Renomination::Unknown);
    let goes_by = |world: &World| in_use(world, CALLER) != used;
    world.run_until(2 * SECOND, goes_by);
    let before = came.get();
    assert!(before > 10, "{before} packets were sooner");
    world.run_for(2 * SECOND);
    let received = received_by_pair(&world, CALLER);
    assert!((came.get() - 3..=came.get()).contains(&received), "{received} of {}", came.get());
}

/// As a page does it, of which nobody is told that its old network is gone; and as a program that is told.
#[test]
fn who_goes_to_another_network_is_heard_again_within_a_second_and_a_half() {
    let mut worst = Duration::ZERO;
    for seed in 0..12 {
        let mut world = World::new(seed, weather(if seed < 6 { 0.0 } else { 0.05 }));
        let home = world.behind(INTERNET, Behaviour::SYMMETRIC, "203.0.113.7");
        let behind = [(home, "192.168.1.2")];
        let mut world = in_a_call(world, &TWO[..1], &behind, Renomination::Agreed);
        let since = world.now;
        world.hosts[CALLER].interfaces[0].cable = Cable::Cut;
        world.plug_in(CALLER, INTERNET, "203.0.113.1");
        if seed % 2 == 0 {
            world.tell(CALLER, Input::LocalAddressGone { path: PathId(0) });
        }
        let is_asked =
            |world: &World| [CALLER, LISTENER].iter().any(|it| restarts_asked(world, *it) > 0);
        assert!(world.run_until(2 * SECOND, is_asked), "seed {seed}");
        world.run_for(SECOND / 10); // the descriptions' way
        world.hosts[CALLER].peer.restart_ice().unwrap();
        describe(&mut world, Renomination::Agreed);
        world.run_for(5 * SECOND);
        let heard = [CALLER, LISTENER].map(|host| world.hosts[host].longest_gap(since));
        assert!(heard.iter().all(|gap| *gap < BEARABLE), "seed {seed}: {heard:?}");
        worst = worst.max(heard[0]).max(heard[1]);
    }
    println!("silence of another network: at most {worst:?}");
}

#[test]
fn nobody_left_ends_the_call_30_seconds_after_the_last_answer() {
    // rfc7675-5.1-1: with the interface gone as well as with the other side gone.
    for gone in [true, false] {
        let world = World::new(8, weather(0.0));
        let mut world = in_a_call(world, &TWO[..1], &ONE, Renomination::Agreed);
        let since = world.now;
        world.hosts[CALLER].interfaces[0].cable = Cable::Cut;
        if gone {
            world.tell(CALLER, Input::LocalAddressGone { path: PathId(0) });
        }
        assert!(world.run_until(60 * SECOND, World::all_ended), "it goes on");
        for (number, host) in world.hosts.iter().enumerate() {
            let (at, _, reason) = host.ended().unwrap();
            assert!(at - since <= 30 * SECOND + SECOND / 10, "{number}: {:?}", at - since);
            assert!(reason.contains("has not answered"), "{reason}");
            assert!(restarts_asked(&world, number) >= 2);
        }
    }
}

/// What becomes of offers that begin ICE anew, once nothing else passes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Signalling {
    /// Nobody answers: they are taken back after 20 s.
    Dead,
    /// After two seconds it is known that they do not arrive.
    Refuses,
    /// They are answered at once.
    Works,
}

/// Soon nothing passes any more; says when the last answer to either was on its way.
fn cut_off(world: &mut World) -> [Instant; 2] {
    const BINDING_SUCCESS: [u8; 2] = [1, 1];
    let caller = world.hosts[CALLER].interfaces[0].addr;
    let answered = Rc::new(Cell::new([Instant::ZERO; 2]));
    let (noted, cut) = (answered.clone(), world.now + 7 * SECOND);
    world.filter = Box::new(move |now, packet| {
        if now < cut && packet.bytes.starts_with(&BINDING_SUCCESS) {
            let mut answered = noted.get();
            answered[if packet.to == caller { CALLER } else { LISTENER }] = now;
            noted.set(answered);
        }
        now < cut
    });
    world.run_for(7 * SECOND);
    answered.get()
}

/// Restarts are tried whenever they are asked for, until all have ended.
fn try_restarts(world: &mut World, signalling: Signalling) {
    let asked_for = |world: &World| [CALLER, LISTENER].map(|host| restarts_asked(world, host));
    let mut tried = asked_for(world);
    let mut given_up = [None; 2];
    while !world.all_ended() {
        let next = given_up.iter().flatten().min().copied();
        let limit = next.map_or(100 * SECOND, |at: Instant| at - world.now);
        world.run_until(limit, |world| world.all_ended() || asked_for(world) != tried);
        let now = world.now;
        for host in [CALLER, LISTENER] {
            if given_up[host].is_some_and(|at| at <= now) {
                given_up[host] = None;
                let _ended = world.hosts[host].peer.abandon_offer(now);
            }
            let asked = restarts_asked(world, host);
            let peer = &mut world.hosts[host].peer;
            if std::mem::replace(&mut tried[host], asked) == asked || peer.is_ended() {
                continue;
            }
            if signalling == Signalling::Works {
                peer.restart_ice().unwrap();
                let offer = peer.make_offer(now).unwrap();
                if let Ok(answer) = world.hosts[1 - host].peer.accept_offer(now, &offer) {
                    world.hosts[host].peer.accept_answer(now, &answer).unwrap();
                }
            } else if !peer.has_open_offer() {
                peer.restart_ice().unwrap();
                peer.make_offer(now).unwrap();
                given_up[host] = (signalling == Signalling::Refuses).then(|| now + 2 * SECOND);
            }
        }
        assert!(now < Instant::from_millis(120_000), "it goes on");
    }
}

/// rfc7675-5.1-1: whatever restarts are tried, and whoever is told that its address has gone.
#[test]
fn a_restart_gives_nobody_more_than_30_seconds_after_the_last_answer() {
    use IceState::{Checking, Closed, Disconnected, Failed};
    for signalling in [Signalling::Dead, Signalling::Refuses, Signalling::Works] {
        for (seed, told) in
            [&[][..], &[CALLER], &[LISTENER], &[CALLER, LISTENER]].iter().enumerate()
        {
            let case = format!("{signalling:?}, {told:?} told");
            let world = World::new(seed as u64, weather(0.0));
            let mut world = in_a_call(world, &TWO[..1], &ONE, Renomination::Agreed);
            let answered = cut_off(&mut world);
            let cut = world.now;
            for host in *told {
                world.tell(*host, Input::LocalAddressGone { path: PathId(0) });
            }
            try_restarts(&mut world, signalling);
            world.run_for(60 * SECOND);
            for (number, host) in world.hosts.iter().enumerate() {
                let case = format!("{case}, host {number}");
                let (at, end, reason) = host.ended().unwrap();
                let after = at - answered[number];
                assert!((30 * SECOND..31 * SECOND).contains(&after), "{case}: {after:?}");
                assert_eq!(end, End::Failed { step: Step::Ice }, "{case}");
                assert!(reason.contains("has not answered"), "{case}: {reason}");
                let last = &host.events.last().unwrap().1;
                assert!(matches!(last, Event::Ended { .. }), "{case}: {last:?}");
                let sent = world.trace.iter().filter(|sent| sent.host == number);
                let media = sent.filter(|sent| sent.protocol == Some(Protocol::Rtp));
                let last = media.clone().next_back().unwrap().at;
                let stops = if told.contains(&number) { cut } else { at };
                assert!(last <= stops, "{case}: media {:?} too late", last - stops);
                let counted = host.peer.figures().packets_sent;
                assert_eq!(counted, media.count() as u64, "{case}: more told than sent");
                let states = host.events.iter().filter(|(at, _)| *at > cut);
                let states: Vec<_> = states
                    .filter_map(|(_, event)| match event {
                        Event::Ice { state } => Some(*state),
                        _ => None,
                    })
                    .collect();
                let all = [Checking, Disconnected, Failed, Closed];
                let skipped = usize::from(signalling != Signalling::Works);
                assert_eq!(states, all[skipped..], "{case}");
            }
        }
    }
}

/// As after a computer's sleep: its timer fires when the answer to an offer is overdue, and consent as well.
#[test]
fn nothing_is_told_after_the_end() {
    let world = World::new(1, weather(0.0));
    let mut world = in_a_call(world, &TWO[..1], &ONE, Renomination::Agreed);
    world.hosts[CALLER].peer.restart_ice().unwrap();
    world.hosts[CALLER].peer.make_offer(world.now).unwrap();
    world.now += 60 * SECOND;
    world.tell(CALLER, Input::Timer);
    let last = &world.hosts[CALLER].events.last().unwrap().1;
    assert!(matches!(last, Event::Ended { .. }), "{last:?}");
}

#[test]
fn at_20_percent_loss_nobody_wanders_about() {
    let mut moves = 0;
    for seed in 0..2 {
        let mut world = World::new(seed, weather(0.2));
        world.host(Config::default(), &TWO);
        world.host(Config::default(), &[ONE[0], (INTERNET, "192.0.2.9")]);
        world.signal(CALLER, LISTENER);
        assert!(world.run_until(30 * SECOND, World::all_connected));
        world.hosts.iter_mut().for_each(|host| host.sound = true);
        world.run_for(90 * SECOND);
        assert!(world.hosts.iter().all(|host| host.ended().is_none()), "seed {seed}");
        moves += world.hosts.iter().map(|host| host.pairs().len() - 1).sum::<usize>();
    }
    println!("{moves} moves in 3 minutes at a loss of a fifth each way");
    assert!(moves <= 1, "{moves}");
}
