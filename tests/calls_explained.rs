//! A call that fails says why, with its evidence, and what would help; whole peers, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common {
    pub mod internet;
    pub mod nat;
    pub mod relay_server;
}

use std::net::SocketAddr;
use std::time::Duration;

use common::internet::{INTERNET, Packet, Weather, World};
use common::nat::Behaviour;
use halloo::ice::{PathId, Role, TcpType};
use halloo::peer::Input;
use halloo::peer::config::Config;
use halloo::peer::demux::{Protocol, classify};
use halloo::peer::event::{End, Event, Remedy, Step};
use halloo::stun::{Attribute, Message, MessageWriter, XorAddress};
use halloo::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
/// Whoever is asked at two of them shows whether its NAT maps by destination.
const STUN_SERVERS: [&str; 2] = ["198.51.100.200:3478", "198.51.100.201:3478"];

/// Two hosts, each behind a NAT of its own.
fn homes(caller: Behaviour, listener: Behaviour, config: &Config) -> World {
    let mut world = looking_homes(caller, listener, config);
    for host in [0, 1] {
        world.tell(host, Input::LocalAddressesDone);
    }
    world
}

/// STUN servers, so that nobody believes to know all addresses before they were asked.
fn with_stun() -> Config {
    let servers = STUN_SERVERS.map(|server| format!("stun:{server}").parse().unwrap()).to_vec();
    Config { servers, ..Config::default() }
}

/// The same, and there may be servers to ask.
fn looking_homes(caller: Behaviour, listener: Behaviour, config: &Config) -> World {
    let mut world = World::new(1, Weather::CLEAN);
    for (side, behaviour) in [(1, caller), (2, listener)] {
        let home = world.behind(INTERNET, behaviour, &format!("203.0.113.{side}"));
        world.looking_host(config.clone(), &[(home, &format!("192.168.{side}.2"))]);
    }
    world
}

/// Two hosts on the internet itself.
fn neighbours(config: &Config) -> World {
    let mut world = World::new(1, Weather::CLEAN);
    for ip in ["198.51.100.1", "198.51.100.2"] {
        world.host(config.clone(), &[(INTERNET, ip)]);
    }
    world
}

/// Both ask the STUN servers where they are, and are answered.
fn ask_stun(world: &mut World) {
    for (host, role) in [(0, Role::Controlling), (1, Role::Controlled)] {
        let now = world.now;
        world.hosts[host].peer.gather(now, role);
        for (server, addr) in STUN_SERVERS.iter().enumerate() {
            world.tell(host, Input::StunServer { server, addr: addr.parse().unwrap() });
        }
        world.tell(host, Input::LocalAddressesDone);
    }
    world.run_for(SECOND / 4);
    for (_, packet) in std::mem::take(&mut world.strays) {
        if STUN_SERVERS.iter().any(|server| packet.to == server.parse::<SocketAddr>().unwrap()) {
            world.inject(seen(&packet));
        }
    }
    world.run_for(SECOND / 4);
}

/// A STUN server's answer.
fn seen(request: &Packet) -> Packet {
    let mut bytes = Vec::new();
    MessageWriter::success(&mut bytes, &Message::parse(&request.bytes).unwrap())
        .attribute(Attribute::XorMappedAddress(XorAddress(request.from)))
        .finish();
    Packet { network: INTERNET, from: request.to, to: request.from, bytes }
}

/// Host 0 calls host 1; both descriptions are changed on the way.
fn signal(world: &mut World, edit: impl Fn(String) -> String) {
    let now = world.now;
    let offer = world.hosts[0].peer.make_offer(now).unwrap().to_string();
    let answer = world.hosts[1].peer.accept_offer(now, &edit(offer).parse().unwrap()).unwrap();
    let answer = edit(answer.to_string()).parse().unwrap();
    world.hosts[0].peer.accept_answer(now, &answer).unwrap();
}

/// How both sides say that it ended, and what would help.
fn reasons(world: &mut World) -> [(Step, String, Option<Remedy>); 2] {
    assert!(world.run_until(60 * SECOND, World::all_ended), "it goes on");
    [0, 1].map(|host| match world.hosts[host].events.last() {
        Some((_, Event::Ended { end: End::Failed { step }, reason, remedy })) => {
            (*step, reason.clone(), *remedy)
        }
        other => panic!("{other:?}"),
    })
}

fn warnings<'w>(world: &'w World, host: usize) -> Vec<(Duration, &'w str)> {
    let warning = |told: &'w (Instant, Event)| match &told.1 {
        Event::Warning { text, .. } => Some((told.0.since_start(), text.as_str())),
        _ => None,
    };
    world.hosts[host].events.iter().filter_map(warning).collect()
}

fn connect(world: &mut World) -> Duration {
    assert!(world.run_until(10 * SECOND, World::all_connected));
    world.now.since_start()
}

#[test]
fn between_two_symmetric_nats_it_is_said_that_a_relay_is_needed() {
    let mut world = looking_homes(Behaviour::SYMMETRIC, Behaviour::SYMMETRIC, &with_stun());
    ask_stun(&mut world);
    world.signal(0, 1);
    for (step, reason, remedy) in reasons(&mut world) {
        assert_eq!((step, remedy), (Step::Ice, Some(Remedy::TurnServer)), "{reason}");
        let evidence = "3 pairs of addresses were checked by UDP (1 host-host, 2 host-srflx)";
        assert!(
            reason.starts_with(&format!("no way through: {evidence}, none answered")),
            "{reason}"
        );
        let suggests = "both seem to give every destination another port (symmetric)";
        assert!(
            reason.ends_with(&format!("{suggests}: a TURN server is needed (--turn)")),
            "{reason}"
        );
    }
}

#[test]
fn whose_nat_is_symmetric_is_told_from_each_side() {
    let mut world = looking_homes(Behaviour::PORT_RESTRICTED, Behaviour::SYMMETRIC, &with_stun());
    ask_stun(&mut world);
    world.signal(0, 1);
    let [ours, theirs] = reasons(&mut world);
    assert!(ours.1.contains("that of the other side seems to give"), "{ours:?}");
    assert!(theirs.1.contains("that of this side seems to give"), "{theirs:?}");
}

#[test]
fn without_any_server_a_stun_server_is_what_is_missing() {
    let mut world =
        homes(Behaviour::PORT_RESTRICTED, Behaviour::PORT_RESTRICTED, &Config::default());
    world.signal(0, 1);
    for (_, reason, remedy) in reasons(&mut world) {
        assert_eq!(remedy, Some(Remedy::StunServer), "{reason}");
        assert!(
            reason.contains("the one pair of addresses (host-host by UDP) did not answer"),
            "{reason}"
        );
        assert!(reason.contains("both sides know only their addresses in the local network"));
    }
}

#[test]
fn a_public_address_that_is_silent_is_behind_a_firewall() {
    let mut world = neighbours(&Config::default());
    world.filter = Box::new(|_, _| false);
    world.signal(0, 1);
    for (_, reason, remedy) in reasons(&mut world) {
        assert_eq!(remedy, Some(Remedy::OpenFirewall), "{reason}");
        assert!(reason.contains("probably a firewall stops UDP"), "{reason}");
    }
}

#[test]
fn what_was_tried_by_tcp_is_told_apart_and_blamed_as_well() {
    let mut world = neighbours(&Config::default());
    world.filter = Box::new(|_, _| false);
    let ways = [("198.51.100.1:0", TcpType::Active), ("198.51.100.2:5000", TcpType::Passive)];
    for (host, (addr, tcp_type)) in ways.into_iter().enumerate() {
        let (path, addr) = (PathId(7), addr.parse().unwrap());
        world.tell(host, Input::LocalTcpAddress { path, addr, tcp_type });
    }
    world.signal(0, 1);
    let [caller, listener] = reasons(&mut world);
    let tried =
        "1 pair of addresses was checked by UDP (1 host-host) and 1 by TCP (1 host-host), none";
    assert!(caller.1.contains(tried), "{caller:?}");
    assert!(caller.1.contains("probably a firewall stops UDP and TCP: open it"), "{caller:?}");
    assert!(listener.1.contains("the one pair of addresses (host-host by UDP)"), "{listener:?}");
    assert!(listener.1.contains("probably a firewall stops UDP: open it"), "{listener:?}");
}

#[test]
fn packets_that_pass_one_way_only_are_told_by_those_who_got_them() {
    let mut world = neighbours(&Config::default());
    let caller: SocketAddr = "198.51.100.1:5000".parse().unwrap();
    world.filter = Box::new(move |_, packet| packet.from == caller);
    world.signal(0, 1);
    let [deaf, heard] = reasons(&mut world);
    assert!(deaf.1.contains("a firewall stops UDP"), "{deaf:?}");
    assert!(heard.1.contains("packets pass in one direction only"), "{heard:?}");
}

#[test]
fn a_turn_server_of_no_use_is_named_at_the_end() {
    let config =
        Config { servers: vec!["turn:relay.example".parse().unwrap()], ..Config::default() };
    let mut world = homes(Behaviour::SYMMETRIC, Behaviour::SYMMETRIC, &config);
    for host in [0, 1] {
        let why = "its name is unknown".to_owned();
        world.tell(host, Input::ServerUnreachable { server: 0, why });
        world.tell(host, Input::LocalAddressesDone);
    }
    world.signal(0, 1);
    for (_, reason, remedy) in reasons(&mut world) {
        assert_eq!(remedy, Some(Remedy::CheckServers));
        let named = "; turn:relay.example:3478?transport=udp: its name is unknown";
        assert!(reason.ends_with(named), "{reason}");
    }
}

#[test]
fn refused_credentials_are_told_with_their_number() {
    let mut world = neighbours(&Config::default());
    signal(&mut world, |text| {
        let (head, tail) = text.split_once("a=ice-pwd:").unwrap();
        format!("{head}a=ice-pwd:AAAAAAAAAAAAAAAAAAAAAAAA{}", &tail[24..])
    });
    for (step, reason, remedy) in reasons(&mut world) {
        assert_eq!((step, remedy), (Step::Ice, Some(Remedy::CallAgain)), "{reason}");
        assert!(reason.contains("refused our credentials 7 times (401)"), "{reason}");
    }
}

#[test]
fn hidden_names_and_missing_candidates_are_told() {
    for (line, says, expected) in [
        ("", "the other side named no address", Remedy::CheckNetwork),
        (
            "a=candidate:1 1 udp 2113937151 3f0c0c5e-7a2b-4d6c-9a51-5b8f0a6d2e11.local 5000 typ host\r\n",
            "named only a hidden one (.local), which nobody here knows",
            Remedy::SameNetwork,
        ),
    ] {
        let mut world = neighbours(&Config::default());
        world.filter = Box::new(|_, _| false);
        signal(&mut world, |text| {
            let others =
                text.split_inclusive("\r\n").filter(|line| !line.starts_with("a=candidate"));
            let mut lines: Vec<&str> = others.collect();
            let place = lines.iter().position(|line| line.starts_with("a=mid:")).unwrap();
            lines.insert(place, line);
            lines.concat()
        });
        for (step, reason, remedy) in reasons(&mut world) {
            assert_eq!((step, remedy), (Step::Ice, Some(expected)), "{reason}");
            assert!(reason.contains(says), "{reason}");
        }
    }
}

#[test]
fn dtls_that_never_comes_is_told_with_the_pair_that_answers() {
    let mut world = neighbours(&Config::default());
    world.filter = Box::new(|_, packet| classify(&packet.bytes) != Some(Protocol::Dtls));
    world.signal(0, 1);
    let [caller, listener] = reasons(&mut world);
    for ((step, reason, _), other) in [(caller, "198.51.100.2"), (listener, "198.51.100.1")] {
        assert_eq!(step, Step::Dtls);
        let by = format!("within 45 s by the pair host-host to {other}:5000");
        assert!(reason.contains("no answer: no DTLS packet came"), "{reason}");
        assert!(reason.contains(&by), "{reason}");
    }
}

#[test]
fn a_wrong_certificate_is_told_by_both_in_their_own_way() {
    let mut world = neighbours(&Config::default());
    let forged = format!("a=fingerprint:sha-256 {}", vec!["AB"; 32].join(":"));
    let now = world.now;
    let offer = world.hosts[0].peer.make_offer(now).unwrap().to_string();
    let line = offer.lines().find(|line| line.starts_with("a=fingerprint:")).unwrap().to_owned();
    let offer = offer.replace(&line, &forged).parse().unwrap();
    let answer = world.hosts[1].peer.accept_offer(now, &offer).unwrap();
    world.hosts[0].peer.accept_answer(now, &answer).unwrap();
    let [refused, refuses] = reasons(&mut world);
    assert!(refused.1.ends_with("their alert bad_certificate (42)"), "{refused:?}");
    let shown = line.strip_prefix("a=fingerprint:").unwrap();
    assert!(refuses.1.contains("is not the one that its description promised"), "{refuses:?}");
    assert!(refuses.1.to_lowercase().contains(&shown.to_lowercase()), "{refuses:?}");
}

#[test]
fn a_way_that_is_lost_is_told_with_its_pair() {
    let mut world = neighbours(&Config::default());
    world.signal(0, 1);
    connect(&mut world);
    world.filter = Box::new(|_, _| false);
    let [caller, _] = reasons(&mut world);
    let lost =
        "the other side has not answered for 30 s by the pair host-host to 198.51.100.2:5000";
    assert_eq!(caller, (Step::Ice, lost.to_owned(), Some(Remedy::CheckNetwork)));
}

#[test]
fn silence_from_the_first_moment_is_warned_of_once() {
    let mut world = neighbours(&Config::default());
    world.signal(0, 1);
    connect(&mut world);
    world.hosts[1].sound = true;
    world.run_for(60 * SECOND);
    let is_connected = |told: &&(Instant, Event)| matches!(told.1, Event::Connected { .. });
    let connected = world.hosts[1].events.iter().find(is_connected).unwrap().0.since_start();
    let [(at, text)] = warnings(&world, 1)[..] else { panic!("{:?}", warnings(&world, 1)) };
    assert!(at >= connected + 5 * SECOND && at < connected + 6 * SECOND, "{at:?}");
    assert!(text.starts_with("connected, but nothing has arrived for 5 s: "), "{text}");
    assert!(text.ends_with("it has sent none: is its microphone on?"), "{text}");
    assert_eq!(warnings(&world, 0), [], "it hears the other one");
}

#[test]
fn sound_that_gets_lost_is_told_apart_from_none() {
    let mut world = neighbours(&Config::default());
    world.filter = Box::new(|_, packet| classify(&packet.bytes) != Some(Protocol::Rtp));
    world.signal(0, 1);
    connect(&mut world);
    world.hosts.iter_mut().for_each(|host| host.sound = true);
    world.run_for(10 * SECOND);
    for host in [0, 1] {
        let [(_, text)] = warnings(&world, host)[..] else {
            panic!("{:?}", warnings(&world, host))
        };
        assert!(text.contains("says that it has sent ") && text.ends_with("get lost"), "{text}");
    }
}

/// Both talk for three seconds, then host 0 falls silent, and only it.
fn one_falls_silent(config: &Config) -> (World, Duration) {
    let mut world = neighbours(config);
    world.signal(0, 1);
    connect(&mut world);
    world.hosts.iter_mut().for_each(|host| host.sound = true);
    world.run_for(3 * SECOND);
    world.hosts[0].sound = false;
    let stopped = world.now.since_start();
    (world, stopped)
}

/// When the other side was heard again, and after how many milliseconds.
fn heard_again(world: &World, host: usize) -> Vec<(Duration, f64)> {
    let heard = |told: &(Instant, Event)| match told.1 {
        Event::Heard { after_ms } => Some((told.0.since_start(), after_ms)),
        _ => None,
    };
    world.hosts[host].events.iter().filter_map(heard).collect()
}

#[test]
fn sound_that_stops_is_warned_of_once_and_its_return_is_told() {
    let (mut world, stopped) = one_falls_silent(&Config::default());
    world.run_for(30 * SECOND);
    let [(at, text)] = warnings(&world, 1)[..] else { panic!("{:?}", warnings(&world, 1)) };
    assert!(at >= stopped + 5 * SECOND - SECOND / 10 && at < stopped + 6 * SECOND, "{at:?}");
    assert!(
        text.starts_with("no sound from the other side for 5 s: it is there and sends"),
        "{text}"
    );
    assert!(heard_again(&world, 1).is_empty());
    world.hosts[0].sound = true;
    let resumed = world.now.since_start();
    world.run_for(30 * SECOND);
    let [(at, after_ms)] = heard_again(&world, 1)[..] else { panic!() };
    assert!(at - resumed < SECOND / 2, "{at:?}");
    assert!((30_000.0..30_500.0).contains(&after_ms), "{after_ms}");
    assert_eq!((warnings(&world, 1).len(), warnings(&world, 0).len()), (1, 0));
}

#[test]
fn sound_that_stops_on_its_way_is_told_apart_from_none() {
    let mut world = neighbours(&Config::default());
    world.signal(0, 1);
    connect(&mut world);
    world.hosts.iter_mut().for_each(|host| host.sound = true);
    world.run_for(3 * SECOND);
    world.filter = Box::new(|_, packet| classify(&packet.bytes) != Some(Protocol::Rtp));
    world.run_for(10 * SECOND);
    for host in [0, 1] {
        let [(_, text)] = warnings(&world, host)[..] else {
            panic!("{:?}", warnings(&world, host))
        };
        assert!(text.ends_with(" more packets: they get lost"), "{text}");
    }
}

/// The way is to blame, which is told otherwise.
#[test]
fn a_broken_way_is_no_silence() {
    let mut world = neighbours(&Config::default());
    world.signal(0, 1);
    connect(&mut world);
    world.hosts.iter_mut().for_each(|host| host.sound = true);
    world.run_for(3 * SECOND);
    world.filter = Box::new(|_, _| false);
    world.run_for(12 * SECOND);
    world.filter = Box::new(|_, _| true);
    world.run_for(20 * SECOND);
    assert!(world.all_connected());
    assert_eq!((warnings(&world, 0), warnings(&world, 1)), (vec![], vec![]));
}

#[test]
fn where_silence_saves_bandwidth_it_is_no_news() {
    let mut config = Config::default();
    config.opus.dtx = true;
    let (mut world, _) = one_falls_silent(&config);
    world.run_for(60 * SECOND);
    assert_eq!(warnings(&world, 1), []);
}

#[test]
fn silence_on_hold_is_no_news() {
    let mut world = neighbours(&Config::default());
    signal(&mut world, |text| text.replace("a=sendrecv", "a=inactive"));
    connect(&mut world);
    world.run_for(60 * SECOND);
    assert_eq!((warnings(&world, 0), warnings(&world, 1)), (vec![], vec![]));
}
