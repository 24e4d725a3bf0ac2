//! `halloo probe` in real networks: each kind of NAT, a firewall, a real STUN and TURN server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod coturn;
    pub mod halloo;
    pub mod laboratory;
    pub mod namespace;
    pub mod skip;
}

use std::time::Duration;

use common::coturn::{self, Coturn};
use common::halloo::Halloo;
use common::laboratory::{Computer, Internet, Mapping};
use common::skip;
use serde_json::Value;

/// What is said, and the exit code.
struct Probed {
    events: Vec<Value>,
    code: Option<i32>,
    messages: String,
}

impl Probed {
    fn all(&self, name: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["event"] == name).collect()
    }

    fn verdict(&self) -> &str {
        self.all("verdict")[0]["text"].as_str().unwrap()
    }
}

/// Asks the servers by `eth0`.
fn probe(computer: &Computer, password: &str, servers: &[&str]) -> Probed {
    probe_trusting(computer, password, None, servers)
}

/// The same where the certificates in this file are trusted.
fn probe_trusting(
    computer: &Computer,
    password: &str,
    trusted: Option<&str>,
    servers: &[&str],
) -> Probed {
    let arguments = [&["probe", "--interface", "eth0"], servers].concat();
    let mut environment =
        vec![("HALLOO_TURN_USER", coturn::USER), ("HALLOO_TURN_PASSWORD", password)];
    environment.extend(trusted.map(|file| ("SSL_CERT_FILE", file)));
    let mut halloo = Halloo::start_with(Some(computer.place()), &arguments, &environment);
    let code = halloo.wait(Duration::from_secs(30)).code();
    Probed { events: halloo.catch_up().to_vec(), code, messages: halloo.messages() }
}

#[test]
fn every_kind_of_nat_is_recognised() {
    let Some(()) = skip::namespaces("every_kind_of_nat_is_recognised").map(drop) else { return };
    let internet = Internet::new().unwrap();
    let server = Coturn::new(&internet);
    let stun = server.stun();
    let ask = |computer: &Computer| probe(computer, "", &["--stun", &stun]);

    let public = ask(&internet.computer().plugged_into(&internet));
    assert_eq!(public.all("stun")[0]["nat"], false, "{:?}", public.events);
    assert_eq!(public.code, Some(0));

    for (kind, mapping, filtering) in [
        (Mapping::EndpointIndependent, "endpoint-independent", "endpoint-independent"),
        (Mapping::PortRestricted, "endpoint-independent", "address-and-port-dependent"),
        (Mapping::Symmetric, "address-and-port-dependent", "address-and-port-dependent"),
    ] {
        let nat = internet.nat(kind);
        let probed = ask(&internet.computer().plugged_into(&nat));
        let seen = probed.all("stun")[0];
        assert_eq!(seen["nat"], true, "{seen}");
        assert_eq!((&seen["mapping"], &seen["filtering"]), (&mapping.into(), &filtering.into()));
        let friendlier = probed.verdict().contains("friendlier NAT");
        assert_eq!(friendlier, kind == Mapping::Symmetric, "{}", probed.verdict());
    }
}

#[test]
fn where_udp_is_blocked_relays_by_tcp_and_tls_are_found_and_a_wrong_password_is_named() {
    let test = "where_udp_is_blocked_relays_by_tcp_and_tls_are_found_and_a_wrong_password_is_named";
    let Some(()) = skip::namespaces(test).map(drop) else { return };
    let internet = Internet::new().unwrap();
    let server = Coturn::new(&internet);
    let (stun, [udp, tcp, tls]) = (server.stun(), ["udp", "tcp", "tls"].map(|by| server.turn(by)));
    let nat = internet.nat(Mapping::PortRestricted).without_udp();
    let computer = internet.computer().plugged_into(&nat);
    let servers = ["--stun", &stun, "--turn", &udp, "--turn", &tcp, "--turn", &tls];

    let trusted = server.certificate();
    let right = probe_trusting(&computer, coturn::PASSWORD, Some(&trusted), &servers);
    let error = right.all("stun")[0]["error"].as_str().unwrap();
    assert!(error.contains("UDP is blocked"), "{error}");
    let [by_udp, by_tcp, by_tls] = right.all("turn")[..] else { panic!("{:?}", right.events) };
    assert!(by_udp["error"].is_string() && by_udp["relayed"].is_null(), "{by_udp}");
    for found in [by_tcp, by_tls] {
        assert!(found["error"].is_null() && found["relayed"][0].is_string(), "{found}");
    }
    assert_eq!(right.code, Some(0));

    let unknown = probe(&computer, coturn::PASSWORD, &["--turn", &tls]);
    let error = unknown.all("turn")[0]["error"].as_str().unwrap();
    assert!(error.contains("certificate is not valid"), "{error}");
    assert_eq!(unknown.code, Some(1));

    let wrong = probe(&computer, "wrong", &["--turn", &tcp]);
    let error = wrong.all("turn")[0]["error"].as_str().unwrap();
    assert!(error.contains("password"), "{error}");
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.messages.contains("ice: "), "{}", wrong.messages);
}
