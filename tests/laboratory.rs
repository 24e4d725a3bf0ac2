//! Two real `halloo` processes call each other through real NATs, firewalls and a real TURN server.
//!
//! `common/laboratory.rs` has the picture. Each case is a network, a call, and what must come of it: both
//! hear the other's tone, by a pair of the expected types; and how long it took is printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub, clippy::print_stdout, clippy::cast_possible_truncation)]

mod common {
    pub mod coturn;
    pub mod halloo;
    pub mod laboratory;
    pub mod listen;
    pub mod namespace;
    pub mod skip;
    pub mod stall;
}
mod rough {
    mod no_way;
    mod only_relays;
    mod open_port;
    mod relays;
    mod servers;
    mod ways;
}

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::coturn::{self, Coturn};
use common::halloo::{Halloo, recording};
use common::laboratory::{Computer, Internet, Mapping};
use common::listen::Recording;
use common::{skip, stall};

/// Who listens sends this, Hz, and who calls that.
const LISTENER: u32 = 440;
const CALLER: u32 = 660;

/// A tone of amplitude 0.3 (see `audio/source.rs`), as root mean square in dBFS.
const TONE_LEVEL: f64 = -13.5;

/// The types that a pair may have, at the caller's end and at the listener's.
type Way = [&'static [&'static str]; 2];
/// A TURN server in it somewhere.
const RELAYED: &[Way] = &[[RELAY, ANY], [ANY, RELAY]];
const ANY: &[&str] = &["host", "srflx", "prflx", "relay"];
/// The outside of a NAT.
const OUTSIDE: &[&str] = &["srflx", "prflx"];
/// Our own address.
const HOST: &[&str] = &["host"];
/// A TURN server's.
const RELAY: &[&str] = &["relay"];

/// An internet with nothing on it; `None` where it takes rights that nobody gave.
fn internet(test: &str) -> Option<Internet> {
    skip::namespaces(test)?;
    Some(Internet::new().unwrap())
}

/// Two who have no way to each other but by a server.
fn strangers(internet: &Internet) -> [Computer; 2] {
    [(); 2].map(|()| internet.computer().plugged_into(&internet.nat(Mapping::Symmetric)))
}

/// A call between two computers, while it lasts.
struct Call {
    name: String,
    listener: Halloo,
    caller: Halloo,
    at_listener: PathBuf,
    at_caller: PathBuf,
}

/// How a call is made.
#[derive(Default)]
struct Options<'a> {
    /// `--stun` and `--turn` of both, and what else both are told.
    both: &'a [&'a str],
    /// What only the listener is told.
    listener: &'a [&'a str],
    /// What only the caller is told.
    caller: &'a [&'a str],
    /// Trusted besides: a PEM file.
    trusted: Option<&'a str>,
    /// Instead of the right password for TURN.
    password: Option<&'a str>,
}

impl Call {
    /// `caller` calls `listener`, media by `eth…` only.
    fn start(name: &str, listener: &Computer, caller: &Computer, options: &Options<'_>) -> Self {
        let [at_listener, at_caller] =
            ["listener", "caller"].map(|side| recording(&format!("{name}-{side}")));
        let bind = format!("{}:0", listener.place().address);
        let more = [options.both, options.listener, &["--bind", &bind]];
        let mut listening = begin(listener, "listen", LISTENER, &at_listener, &more, options);
        listening.wait_for("listening", |_| true);
        let url = listening.url();
        let more = [&[url.as_str()], options.both, options.caller];
        let caller = begin(caller, "call", CALLER, &at_caller, &more, options);
        Self { name: name.into(), listener: listening, caller, at_listener, at_caller }
    }

    /// Waits until it is connected, and prints how long that took.
    fn connected(&mut self) -> f64 {
        let connected = self.caller.wait_for("connected", |_| true);
        self.listener.wait_for("connected", |_| true);
        let ms = connected["ms"].as_f64().unwrap();
        println!("{}: set up in {ms:.0} ms", self.name);
        ms
    }

    /// Goes on until both have heard `seconds` more of each other's sound, then hangs up; both must have
    /// heard a clean tone in the last second.
    fn tones(&mut self, seconds: f64) -> Result<(), String> {
        for side in [&mut self.caller, &mut self.listener] {
            seconds_pass(side, seconds);
        }
        self.caller.terminate();
        let status = self.caller.wait(Duration::from_secs(10));
        self.listener.wait_for("ended", |_| true);
        self.listener.terminate();
        let of_listener = self.listener.wait(Duration::from_secs(10));
        assert!(status.success() && of_listener.success(), "{status}, {of_listener}");
        is_tone(&self.at_caller, LISTENER.into())?;
        is_tone(&self.at_listener, CALLER.into())
    }

    /// The pair that was selected last has the types of one of these, as the caller sees it.
    fn goes_by(&mut self, ways: &[Way]) -> Result<(), String> {
        let way = selected(&mut self.caller);
        println!("{}: {} to {}", self.name, way[0], way[1]);
        let is_such = |such: &Way| such.iter().zip(&way).all(|(types, is)| types.contains(&&**is));
        if ways.iter().any(is_such) { Ok(()) } else { Err(format!("{way:?} is none of {ways:?}")) }
    }
}

/// Waits for so many reports more; there is one a second.
fn seconds_pass(side: &mut Halloo, seconds: f64) {
    let mut seen = side.catch_up().len();
    let mut due = seconds;
    while due > 0.0 {
        let (at, _) = side.wait_for_next("stats", seen);
        (seen, due) = (at + 1, due - 1.0);
    }
}

fn begin(
    computer: &Computer,
    command: &str,
    tone: u32,
    output: &Path,
    more: &[&[&str]],
    options: &Options<'_>,
) -> Halloo {
    let (input, output) = (format!("tone:{tone}"), format!("file:{}", output.display()));
    let mut arguments = vec![command, "--input", &input, "--output", &output];
    arguments.extend(more.iter().copied().flatten());
    let interfaces: Vec<_> = (0..computer.cables()).map(|n| format!("eth{n}")).collect();
    arguments.extend(interfaces.iter().flat_map(|name| ["--interface", name]));
    let password = options.password.unwrap_or(coturn::PASSWORD);
    let mut environment =
        vec![("HALLOO_TURN_USER", coturn::USER), ("HALLOO_TURN_PASSWORD", password)];
    environment.extend(options.trusted.map(|file| ("SSL_CERT_FILE", file)));
    Halloo::start_with(Some(computer.place()), &arguments, &environment)
}

fn selected(halloo: &mut Halloo) -> [String; 2] {
    pair(halloo).map(|candidate| kind(&candidate))
}

/// The pair that was selected last, ours and theirs.
fn pair(halloo: &mut Halloo) -> [String; 2] {
    let events = halloo.catch_up();
    let pair = events.iter().rev().find(|event| event["event"] == "pair").expect("a `pair`");
    ["local", "remote"].map(|side| pair[side].as_str().unwrap().to_owned())
}

/// The `typ` of a candidate.
fn kind(candidate: &str) -> String {
    let mut words = candidate.split(' ').skip_while(|word| *word != "typ");
    words.nth(1).unwrap().to_owned()
}

/// Pitch and level of the last second before the end.
fn is_tone(path: &Path, hz: f64) -> Result<(), String> {
    let heard = Recording::read(path);
    // The very last packets may be on their way still when the other side hangs up.
    let steady = heard.between(heard.seconds() - 1.2, heard.seconds() - 0.2);
    let (pitch, level) = (steady.pitch().unwrap_or(0.0), steady.level());
    let right = (pitch - hz).abs() < 1.0 && (level - TONE_LEVEL).abs() < 1.0;
    let wrong = || format!("{}: {pitch} Hz, {level} dBFS", path.display());
    if right { Ok(()) } else { Err(wrong()) }
}

/// A whole call: set up, two seconds of sound, the expected types at the caller's end and the listener's.
#[track_caller]
fn call(name: &str, [listener, caller]: [&Computer; 2], options: &Options<'_>, ways: &[Way]) {
    stall::undisturbed(|| {
        let mut call = Call::start(name, listener, caller, options);
        call.connected();
        let heard = call.tones(2.0);
        let goes = call.goes_by(ways);
        heard.and(goes)
    });
}

#[test]
fn ipv6_alone_is_enough() {
    let Some(internet) = internet("ipv6_alone_is_enough") else { return };
    let [anna, ben] = [(); 2].map(|()| internet.computer().plugged_into(&internet).without_ipv4());
    call("ipv6 only", [&anna, &ben], &Options::default(), &[[HOST, HOST]]);
}

#[test]
fn where_ipv6_is_broken_ipv4_carries_the_call() {
    let Some(internet) = internet("where_ipv6_is_broken_ipv4_carries_the_call") else {
        return;
    };
    let [anna, ben] =
        [(); 2].map(|()| internet.computer().plugged_into(&internet).with_broken_ipv6());
    call("broken ipv6", [&anna, &ben], &Options::default(), &[[HOST, HOST]]);
}

#[test]
fn behind_one_nat_the_way_does_not_leave_the_house() {
    let Some(internet) = internet("behind_one_nat_the_way_does_not_leave_the_house") else {
        return;
    };
    let coturn = Coturn::new(&internet);
    let nat = internet.nat(Mapping::PortRestricted);
    let [anna, ben] = [(); 2].map(|()| internet.computer().plugged_into(&nat));
    let servers = ["--stun", &coturn.stun(), "--turn", &coturn.turn("udp")];
    let options = Options { both: &servers, ..Options::default() };
    call("one house", [&anna, &ben], &options, &[[HOST, HOST]]);
}

#[test]
fn a_nat_at_one_side_only_needs_no_server() {
    let Some(internet) = internet("a_nat_at_one_side_only_needs_no_server") else {
        return;
    };
    let nat = internet.nat(Mapping::Symmetric);
    let (anna, ben) =
        (internet.computer().plugged_into(&internet), internet.computer().plugged_into(&nat));
    call("caller behind a nat", [&anna, &ben], &Options::default(), &[[OUTSIDE, HOST]]);
    call("listener behind a nat", [&ben, &anna], &Options::default(), &[[HOST, OUTSIDE]]);
}

#[test]
fn two_endpoint_independent_nats_need_stun_alone() {
    let Some(internet) = internet("two_endpoint_independent_nats_need_stun_alone") else {
        return;
    };
    let coturn = Coturn::new(&internet);
    let [anna, ben] = [(); 2]
        .map(|()| internet.computer().plugged_into(&internet.nat(Mapping::EndpointIndependent)));
    let options = Options { both: &["--stun", &coturn.stun()], ..Options::default() };
    call("endpoint-independent", [&anna, &ben], &options, &[[OUTSIDE, OUTSIDE]]);
}

#[test]
fn two_home_routers_are_passed_directly_though_a_relay_is_there() {
    let test = "two_home_routers_are_passed_directly_though_a_relay_is_there";
    let Some(internet) = internet(test) else { return };
    let coturn = Coturn::new(&internet);
    let [anna, ben] =
        [(); 2].map(|()| internet.computer().plugged_into(&internet.nat(Mapping::PortRestricted)));
    let servers = ["--stun", &coturn.stun(), "--turn", &coturn.turn("udp")];
    let options = Options { both: &servers, ..Options::default() };
    call("port-restricted", [&anna, &ben], &options, &[[OUTSIDE, OUTSIDE]]);
}

#[test]
fn a_symmetric_nat_at_one_side_is_met_at_an_open_one_and_relayed_at_another() {
    let test = "a_symmetric_nat_at_one_side_is_met_at_an_open_one_and_relayed_at_another";
    let Some(internet) = internet(test) else { return };
    let coturn = Coturn::new(&internet);
    let [anna, ben, cleo] =
        [Mapping::Symmetric, Mapping::EndpointIndependent, Mapping::PortRestricted]
            .map(|mapping| internet.computer().plugged_into(&internet.nat(mapping)));
    let servers = ["--stun", &coturn.stun(), "--turn", &coturn.turn("udp")];
    let options = Options { both: &servers, ..Options::default() };
    call("symmetric, endpoint-independent", [&anna, &ben], &options, &[[OUTSIDE, OUTSIDE]]);
    call("symmetric, port-restricted", [&anna, &cleo], &options, RELAYED);
}

#[test]
fn two_symmetric_nats_take_a_relay() {
    let Some(internet) = internet("two_symmetric_nats_take_a_relay") else { return };
    let coturn = Coturn::new(&internet);
    let [anna, ben] = strangers(&internet);
    let servers = ["--stun", &coturn.stun(), "--turn", &coturn.turn("udp")];
    let options = Options { both: &servers, ..Options::default() };
    call("symmetric", [&anna, &ben], &options, RELAYED);
}

#[test]
fn where_no_udp_passes_a_relay_is_reached_by_tcp_and_by_tls() {
    let test = "where_no_udp_passes_a_relay_is_reached_by_tcp_and_by_tls";
    let Some(internet) = internet(test) else { return };
    let coturn = Coturn::new(&internet);
    let closed = internet.nat(Mapping::Symmetric).without_udp();
    let anna = internet.computer().plugged_into(&internet.nat(Mapping::PortRestricted));
    let ben = internet.computer().plugged_into(&closed);
    let certificate = coturn.certificate();
    for transport in ["tcp", "tls"] {
        let servers = ["--stun", &coturn.stun(), "--turn", &coturn.turn(transport)];
        let options = Options { both: &servers, trusted: Some(&certificate), ..Options::default() };
        call(&format!("no udp, turn by {transport}"), [&anna, &ben], &options, &[[RELAY, ANY]]);
    }
}

/// Nobody helps: the listener is reached by TCP, directly.
#[test]
fn where_no_udp_passes_a_listener_with_a_public_address_is_reached_by_tcp() {
    let test = "where_no_udp_passes_a_listener_with_a_public_address_is_reached_by_tcp";
    let Some(internet) = internet(test) else { return };
    let anna = internet.computer().plugged_into(&internet);
    let ben = internet.computer().plugged_into(&internet.nat(Mapping::Symmetric).without_udp());
    stall::undisturbed(|| {
        let mut call = Call::start("no udp, no relay", &anna, &ben, &Options::default());
        let ms = call.connected();
        let heard = call.tones(2.0);
        let [ours, theirs] = pair(&mut call.caller);
        println!("no udp, no relay: {ours} to {theirs}");
        assert!(ours.contains(" tcp ") && ours.ends_with("tcptype active"), "{ours}");
        assert!(theirs.contains(" tcp ") && theirs.ends_with("tcptype passive"), "{theirs}");
        heard?;
        if ms < 1_500.0 { Ok(()) } else { Err(format!("connected after {ms} ms")) }
    });
}

#[test]
fn a_nat_behind_a_nat_is_no_obstacle() {
    let Some(internet) = internet("a_nat_behind_a_nat_is_no_obstacle") else { return };
    let coturn = Coturn::new(&internet);
    let inner = internet.nat(Mapping::PortRestricted).nat(Mapping::PortRestricted);
    let anna = internet.computer().plugged_into(&inner);
    let ben = internet.computer().plugged_into(&internet.nat(Mapping::PortRestricted));
    let servers = ["--stun", &coturn.stun(), "--turn", &coturn.turn("udp")];
    let options = Options { both: &servers, ..Options::default() };
    call("double nat", [&anna, &ben], &options, &[[OUTSIDE, OUTSIDE]]);
}

#[test]
fn guests_of_one_hotel_meet_at_its_outside_or_at_a_relay() {
    let test = "guests_of_one_hotel_meet_at_its_outside_or_at_a_relay";
    let Some(internet) = internet(test) else { return };
    let coturn = Coturn::new(&internet);
    let servers = ["--stun", &coturn.stun(), "--turn", &coturn.turn("udp")];
    let options = Options { both: &servers, ..Options::default() };
    for (name, mapping, way) in [
        ("hairpin", Mapping::EndpointIndependent, &[[OUTSIDE, OUTSIDE]][..]),
        ("no hairpin", Mapping::PortRestricted, RELAYED),
    ] {
        let hotel = internet.nat(mapping).isolating();
        let [anna, ben] = [(); 2].map(|()| internet.computer().plugged_into(&hotel));
        call(name, [&anna, &ben], &options, way);
    }
}

/// The answer waits 500 ms for servers, however many addresses ask them.
#[test]
fn five_interfaces_and_a_silent_server_delay_nothing() {
    let Some(internet) = internet("five_interfaces_and_a_silent_server_delay_nothing") else {
        return;
    };
    let anna = (0..5).fold(internet.computer(), |computer, _| computer.plugged_into(&internet));
    let ben = internet.computer().plugged_into(&internet);
    let server = format!("stun:{}", internet.black_hole());
    let options = Options { listener: &["--stun", &server], ..Options::default() };
    stall::undisturbed(|| {
        let mut call = Call::start("five interfaces", &anna, &ben, &options);
        let ms = call.connected();
        call.tones(2.0)?;
        call.goes_by(&[[HOST, HOST]])?;
        assert!(ms >= 500.0, "it did not ask the server");
        if ms < 700.0 { Ok(()) } else { Err(format!("connected after {ms} ms")) }
    });
}

#[test]
fn a_wrong_password_for_the_relay_is_told_as_such() {
    let Some(internet) = internet("a_wrong_password_for_the_relay_is_told_as_such") else { return };
    let coturn = Coturn::new(&internet);
    let [anna, ben] = strangers(&internet);
    let servers = ["--stun", &coturn.stun(), "--turn", &coturn.turn("udp")];
    let options = Options {
        both: &servers,
        caller: &["--timeout", "3"],
        password: Some("mistyped"),
        ..Options::default()
    };
    let mut call = Call::start("wrong password", &anna, &ben, &options);
    let status = call.caller.wait(Duration::from_secs(10));
    assert_eq!(status.code(), Some(1));
    let ended = call.caller.catch_up().last().unwrap().clone();
    assert_eq!((&ended["event"], &ended["step"]), (&"ended".into(), &"ice".into()), "{ended}");
    let messages = call.caller.messages();
    for said in [ended["reason"].as_str().unwrap(), &messages] {
        assert!(said.contains("--turn-user, --turn-password"), "{said}");
        assert!(said.contains("turn:203.0.113.3"), "{said}");
    }
    let hint = messages.lines().last().unwrap();
    assert!(hint.contains("check --turn-user and --turn-password"), "{hint}");
}

/// Sound is back so long after a way is.
const GAP: f64 = 1.5;

/// A call that went on.
struct Survivor {
    call: Call,
    /// The longest silence that its caller and its listener heard, s.
    gaps: [f64; 2],
}

impl Survivor {
    /// Else nothing was disturbed.
    fn was_disturbed(&self) -> bool {
        self.gaps.iter().any(|gap| *gap > 0.1)
    }
}

/// The call goes by a pair of these types, and after `disturb` again: no gap in what either hears is longer
/// than `GAP` and the time for which `disturb` says that there was no way at all.
fn survives(
    name: &str,
    [listener, caller]: [&Computer; 2],
    options: &Options<'_>,
    ways: &[Way],
    disturb: impl FnOnce(&mut Call) -> Duration,
) -> Result<Survivor, String> {
    let mut call = Call::start(name, listener, caller, options);
    call.connected();
    call.caller.wait_for("stats", |_| true);
    call.goes_by(ways)?;
    let away = disturb(&mut call).as_secs_f64();
    let heard = call.tones(4.0);
    let goes = call.goes_by(ways);
    heard.and(goes)?;
    let gaps = [(&call.at_caller, LISTENER), (&call.at_listener, CALLER)]
        .map(|(path, hz)| Recording::read(path).longest_gap(hz.into()));
    println!("{name}: gaps of {gaps:.2?} s, with no way for {away:.2} s");
    match gaps.iter().all(|gap| *gap < away + GAP) {
        true => Ok(Survivor { call, gaps }),
        false => Err(format!("gaps of {gaps:?} s")),
    }
}

/// The address of its own by which a side sends now.
fn own_address(side: &mut Halloo) -> String {
    let events = side.catch_up();
    let pair = events.iter().rev().find(|event| event["event"] == "pair").unwrap();
    let words: Vec<_> = pair["local"].as_str().unwrap().split(' ').collect();
    let at = words.iter().position(|word| *word == "raddr").map_or(4, |n| n + 1);
    words[at].to_owned()
}

/// What happens to one of two uplinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dies {
    /// The cable of the computer itself: its system sees it.
    Seen,
    /// The one behind the router: nobody is told.
    Silently,
}

#[test]
fn a_call_by_an_uplink_that_dies_goes_on_by_the_other_one() {
    if skip::namespaces("a_call_by_an_uplink_that_dies_goes_on_by_the_other_one").is_none() {
        return;
    }
    for dies in [Dies::Seen, Dies::Silently] {
        stall::undisturbed(|| {
            let internet = Internet::new().unwrap();
            let anna = internet.computer().plugged_into(&internet);
            let nats = [(); 2].map(|()| internet.nat(Mapping::PortRestricted));
            let ben = nats.iter().fold(internet.computer(), Computer::plugged_into);
            let mut used = String::new();
            let die = |call: &mut Call| {
                used = own_address(&mut call.caller);
                let at = (0..2).find(|n| ben.address(*n).to_string() == used).unwrap();
                match dies {
                    Dies::Seen => ben.unplug(at),
                    Dies::Silently => nats[at].unplug(),
                }
                Duration::ZERO
            };
            let name = format!("uplink dies: {dies:?}");
            let mut survivor =
                survives(&name, [&anna, &ben], &Options::default(), &[[OUTSIDE, HOST]], die)?;
            // Of a cable that is pulled the system tells at once: perhaps nothing is heard of it.
            assert!(dies == Dies::Seen || survivor.was_disturbed(), "no gap at all");
            assert_ne!(own_address(&mut survivor.call.caller), used, "{dies:?}");
            Ok(())
        });
    }
}

#[test]
fn a_nat_that_forgets_a_call_is_passed_anew() {
    if skip::namespaces("a_nat_that_forgets_a_call_is_passed_anew").is_none() {
        return;
    }
    stall::undisturbed(|| {
        let internet = Internet::new().unwrap();
        let nat = internet.nat(Mapping::Symmetric);
        let anna = internet.computer().plugged_into(&internet);
        let ben = internet.computer().plugged_into(&nat);
        let forget = |_: &mut Call| {
            nat.forget();
            Duration::ZERO
        };
        let ways = &[[OUTSIDE, HOST]];
        let survivor = survives("forgetful nat", [&anna, &ben], &Options::default(), ways, forget)?;
        assert!(survivor.was_disturbed(), "no gap at all");
        Ok(())
    });
}
