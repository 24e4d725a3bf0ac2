//! TURN servers that are not simply there by an address of IPv4: those by IPv6, by a name, by the word of
//! another one; and those that lie or hang up.

use std::time::Duration;

use serde_json::Value;

use super::relays::{all_of, relayed_by};
use crate::common::coturn::{self, Coturn, NAME};
use crate::common::laboratory::{Computer, Internet, Mapping};
use crate::common::{skip, stall};
use crate::{Call, HOST, Options, RELAY, call, internet, kind, pair, strangers, survives};

/// A call by relays alone, both tones included; `look` may do so while it lasts. Each side's relay has an
/// address that `lent` says yes to.
fn relayed(
    name: &str,
    [listener, caller]: [&Computer; 2],
    options: &Options<'_>,
    lent: impl Fn(&str) -> bool,
    look: impl Fn(&mut Call),
) {
    stall::undisturbed(|| {
        let mut call = Call::start(name, listener, caller, options);
        call.connected();
        look(&mut call);
        let heard = call.tones(2.0);
        for side in [&mut call.caller, &mut call.listener] {
            let [ours, theirs] = pair(side);
            println!("{name}: {ours} to {theirs}");
            for candidate in [ours, theirs] {
                let address = candidate.split(' ').nth(4).unwrap();
                assert!(kind(&candidate) == "relay" && lent(address), "{candidate}");
            }
        }
        heard
    });
}

/// Why the call failed of a caller who has no way but by relays.
fn failed(name: &str, [listener, caller]: [&Computer; 2], options: &Options<'_>) -> String {
    let mut call = Call::start(name, listener, caller, options);
    let status = call.caller.wait(Duration::from_secs(10));
    assert_eq!(status.code(), Some(1), "{name}");
    let ended = call.caller.catch_up().last().unwrap().clone();
    assert_eq!((&ended["event"], &ended["step"]), (&"ended".into(), &"ice".into()), "{ended}");
    let reason = ended["reason"].as_str().unwrap();
    let messages = call.caller.messages();
    assert!(messages.contains(reason), "{messages}");
    println!("{name}: {reason}");
    reason.to_owned()
}

/// The relay's address is of IPv6, and so is all that leads there.
#[test]
fn ipv6_alone_is_enough_for_a_relay() {
    let Some(internet) = internet("ipv6_alone_is_enough_for_a_relay") else { return };
    let coturn = Coturn::of_ipv6(&internet);
    let [anna, ben] = [(); 2].map(|()| internet.computer().plugged_into(&internet).without_ipv4());
    for transport in ["udp", "tls"] {
        let turn = coturn.turn_by_ipv6(transport);
        let both = ["--turn", &turn, "--ice-policy", "relay"];
        let trusted = coturn.certificate();
        let options = Options { both: &both, trusted: Some(&trusted), ..Options::default() };
        let name = format!("relay by ipv6, {transport}");
        relayed(&name, [&anna, &ben], &options, |address| address == "2001:db8::3", |_| {});
    }
}

/// Each has but one family, and not the same; the server has both, and lends an address of each.
#[test]
fn ipv4_and_ipv6_meet_at_a_relay() {
    let Some(internet) = internet("ipv4_and_ipv6_meet_at_a_relay") else { return };
    let coturn = Coturn::new(&internet);
    let anna = internet.computer().plugged_into(&internet).without_ipv4();
    let ben = internet.computer().plugged_into(&internet.nat(Mapping::PortRestricted));
    let caller = ["--turn", &coturn.turn("udp")];
    let options = Options { caller: &caller, ..Options::default() };
    call("ipv4 and ipv6", [&anna, &ben], &options, &[[RELAY, HOST]]);
}

#[test]
fn a_server_is_found_by_its_name_and_its_certificate_has_to_bear_it() {
    let test = "a_server_is_found_by_its_name_and_its_certificate_has_to_bear_it";
    let Some(internet) = internet(test) else { return };
    let coturn = Coturn::new(&internet);
    let impostor = "impostor.example";
    let hosts = [(coturn.address(), NAME), (coturn.address(), impostor)];
    let [anna, ben] = strangers(&internet).map(|computer| computer.knowing(&hosts));
    let trusted = coturn.certificate();
    for transport in ["udp", "tls"] {
        let turn = coturn::turn(NAME, transport);
        let both = ["--turn", &turn, "--ice-policy", "relay"];
        let options = Options { both: &both, trusted: Some(&trusted), ..Options::default() };
        let name = format!("server by name, {transport}");
        relayed(&name, [&anna, &ben], &options, |address| coturn.is_at(address), |_| {});
    }
    let turn = coturn::turn(impostor, "tls");
    let caller = ["--turn", &turn, "--ice-policy", "relay"];
    let options = Options { caller: &caller, trusted: Some(&trusted), ..Options::default() };
    let why = failed("server by another's name", [&anna, &ben], &options);
    let said = "turns:impostor.example:5349?transport=tcp: its certificate is not valid: hostname";
    assert!(why.contains(said), "{why}");
}

/// The DNS says nothing for longer than the call lasts: neither its beginning waits for that, nor its end.
#[test]
fn a_name_that_nobody_answers_for_delays_nothing() {
    let Some(internet) = internet("a_name_that_nobody_answers_for_delays_nothing") else { return };
    let coturn = Coturn::new(&internet);
    let hole = internet.black_hole();
    let [anna, ben] = strangers(&internet).map(|computer| computer.asking(hole));
    let both = ["--turn", &coturn.turn("udp"), "--ice-policy", "relay"];
    let listener = ["--turn", "turn:relay.nowhere.example"];
    let options = Options { both: &both, listener: &listener, ..Options::default() };
    stall::undisturbed(|| {
        let mut call = Call::start("silent dns", &anna, &ben, &options);
        let ms = call.connected();
        call.tones(2.0)?;
        call.goes_by(&[[RELAY, RELAY]])?;
        assert!(ms >= 500.0, "it did not look the name up");
        if ms < 2_000.0 { Ok(()) } else { Err(format!("connected after {ms} ms")) }
    });
}

/// rfc8656-7.4: 300, ALTERNATE-SERVER. The other server has to show the certificate that the first one would.
#[test]
fn a_server_that_sends_on_to_another_is_followed() {
    let Some(internet) = internet("a_server_that_sends_on_to_another_is_followed") else { return };
    let servers = [Coturn::new(&internet), Coturn::redirecting(&internet)];
    let [there, sends_on] = &servers;
    let hosts = [(sends_on.address(), NAME)];
    let [anna, ben] = [(); 2].map(|()| internet.computer().plugged_into(&internet).knowing(&hosts));
    let trusted = all_of(&servers);
    let (udp, tcp) = (sends_on.turn("udp"), sends_on.turn_by_ipv6("tcp"));
    for turn in [udp, tcp, coturn::turn(NAME, "tls")] {
        let both = ["--turn", &turn, "--ice-policy", "relay"];
        let options = Options { both: &both, trusted: Some(&trusted), ..Options::default() };
        let name = format!("sent on by {turn}");
        relayed(&name, [&anna, &ben], &options, |address| there.is_at(address), |_| {});
    }
    let turn = sends_on.turn("tls");
    let caller = ["--turn", &turn, "--ice-policy", "relay"];
    let options = Options { caller: &caller, trusted: Some(&trusted), ..Options::default() };
    let why = failed("sent on to another certificate", [&anna, &ben], &options);
    assert!(why.contains(&turn) && why.contains("its certificate is not valid"), "{why}");
}

/// The first says a wrong realm, and so never knows us; the others hang up: at once, before the handshake, and
/// after it.
#[test]
fn servers_that_lie_or_hang_up_are_named_and_a_good_one_carries_the_call() {
    let test = "servers_that_lie_or_hang_up_are_named_and_a_good_one_carries_the_call";
    let Some(internet) = internet(test) else { return };
    let servers = [Coturn::new(&internet), Coturn::second(&internet)];
    let [bad, good] = &servers;
    let (liar, closing, closing_tls) = (bad.lying(), bad.closing(), bad.closing_tls());
    let [anna, ben] = strangers(&internet);
    let trusted = all_of(&servers);
    let unshaken = format!("turns:{}:3492", bad.address());
    let uris = [&liar.turn, &closing.turn, &unshaken, &closing_tls.turn, &good.turn("udp")];
    let turns: Vec<_> = uris.iter().flat_map(|uri| ["--turn", uri.as_str()]).collect();
    let said = [
        (format!("{}?transport=udp: ", liar.turn), "the server refuses this user or password"),
        (format!("{}: ", closing.turn), "the connection to the server broke"),
        (format!("{unshaken}?transport=tcp: "), "it does not speak TLS"),
        (format!("{}?transport=tcp: ", closing_tls.turn), "the connection to the server broke"),
    ]
    .map(|(uri, why)| uri + why);

    let both = [&turns[..], &["--ice-policy", "relay"]].concat();
    let options = Options { both: &both, trusted: Some(&trusted), ..Options::default() };
    let lent = |address: &str| good.is_at(address);
    relayed("bad servers and a good one", [&anna, &ben], &options, lent, |call| {
        for side in [&mut call.caller, &mut call.listener] {
            for said in &said {
                side.wait_for("warning", |warning| warning["text"] == said.as_str());
            }
        }
    });

    let caller = [&turns[..turns.len() - 2], &["--ice-policy", "relay"]].concat();
    let options = Options { caller: &caller, trusted: Some(&trusted), ..Options::default() };
    let why = failed("bad servers alone", [&anna, &ben], &options);
    assert!(said.iter().all(|said| why.contains(said)), "{why}");
}

/// Whoever sits before a server can do that: nothing is passed on any more, and every request is answered by a
/// question from another realm. It is not taken for the server's word, nor is the server for one that is there.
#[test]
fn a_server_that_begins_to_lie_in_the_call_is_left_for_another() {
    let test = "a_server_that_begins_to_lie_in_the_call_is_left_for_another";
    if skip::namespaces(test).is_none() {
        return;
    }
    stall::undisturbed(|| {
        let internet = Internet::new().unwrap();
        let servers = [Coturn::new(&internet), Coturn::second(&internet)];
        let mut liars = servers.each_ref().map(Coturn::turning);
        let [anna, ben] = strangers(&internet);
        let turns = liars.each_ref().map(|liar| liar.turn.clone());
        let both = ["--turn", &turns[0], "--turn", &turns[1], "--ice-policy", "relay"];
        let options = Options { both: &both, ..Options::default() };
        let mut used = 0;
        let lie = |call: &mut Call| {
            let address = relayed_by(call);
            used = servers.iter().position(|server| server.is_at(&address)).unwrap();
            liars[used].begin();
            Duration::ZERO
        };
        let name = "server begins to lie";
        let mut survivor = survives(name, [&anna, &ben], &options, &[[RELAY, RELAY]], lie)?;
        let (left, call) = (&servers[used], &mut survivor.call);
        let by = pair(&mut call.caller);
        assert!(!by.iter().any(|it| left.is_at(it.split(' ').nth(4).unwrap())), "{by:?}");
        // Whoever first missed the sound asked the server, and was told.
        let said =
            format!("{}?transport=udp: the server refuses this user or password", turns[used]);
        let is_told = |events: &[Value]| events.iter().any(|event| event["text"] == said.as_str());
        assert!(is_told(call.caller.catch_up()) || is_told(call.listener.catch_up()), "{said}");
        Ok(())
    });
}
