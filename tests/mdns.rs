//! Names on the local network, between two computers joined by a cable: two real `halloo` processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod namespace;
    pub mod skip;
}

use std::time::Duration;

use common::halloo::Halloo;
use common::namespace::Namespaces;
use common::skip;
use serde_json::Value;

/// A call between the two ends, each with options of its own, once it is connected.
fn call(cable: &Namespaces, listener: &[&str], caller: &[&str]) -> [Halloo; 2] {
    let bind = format!("{}:0", cable.left.address);
    let media = ["--input", "silence", "--output", "null"];
    let listen = [&["listen", "--bind", &bind], &media[..], listener].concat();
    let mut listener = Halloo::start(Some(&cable.left), &listen);
    listener.wait_for("listening", |_| true);
    let url = listener.url();
    let call = [&["call", &url], &media[..], caller].concat();
    let mut caller = Halloo::start(Some(&cable.right), &call);
    caller.wait_for("connected", |_| true);
    listener.wait_for("connected", |_| true);
    [listener, caller]
}

fn candidates(halloo: &mut Halloo, side: &str) -> Vec<String> {
    let events = halloo.catch_up();
    let lines =
        events.iter().filter(|event| event["event"] == "candidate" && event["side"] == side);
    lines.map(|event| event["candidate"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn two_who_hide_their_addresses_find_each_other() {
    let Some(cable) = skip::namespaces("two_who_hide_their_addresses_find_each_other") else {
        return;
    };
    let hide = ["--mdns-candidates"];
    let [mut listener, mut caller] = call(&cable, &hide, &hide);
    for halloo in [&mut listener, &mut caller] {
        for side in ["local", "remote"] {
            let lines = candidates(halloo, side);
            assert!(!lines.is_empty());
            for line in lines {
                // An address stands behind a space; a random name may well end in 10.
                assert!(line.contains(".local ") && !line.contains(" 10."), "{side}: {line}");
            }
        }
    }
    // What anybody who knows the call's URL can read tells no address of ours either.
    let pair: Value = listener.wait_for("pair", |_| true);
    let ours = pair["local"].as_str().unwrap();
    assert!(ours.contains(".local ") && ours.ends_with("typ host"), "{ours}");
}

#[test]
fn who_looks_up_no_names_is_reached_by_who_hides() {
    let Some(cable) = skip::namespaces("who_looks_up_no_names_is_reached_by_who_hides") else {
        return;
    };
    let [_, mut caller] = call(&cable, &["--mdns-candidates"], &["--no-mdns"]);
    assert!(candidates(&mut caller, "remote").iter().all(|line| line.contains(".local ")));
    // Their check came from an address that no line had named.
    let pair = caller.wait_for("pair", |_| true);
    assert!(pair["remote"].as_str().unwrap().ends_with("typ prflx"), "{pair}");
}

/// An announcement may come by IPv6 alone, with a link-local address alone.
#[test]
fn a_link_local_address_beside_another_is_not_what_is_called() {
    let test = "a_link_local_address_beside_another_is_not_what_is_called";
    let Some(cable) = skip::namespaces(test) else { return };
    for (side, ip) in [(&cable.left, "fe80::a/64"), (&cable.right, "fe80::b/64")] {
        side.ip(&["address", "add", ip, "dev", &side.interface, "nodad"]);
    }
    let media = ["--input", "silence", "--output", "null"];
    let listen = [&["listen", "--lan", "--name", "kit"], &media[..]].concat();
    let mut listener = Halloo::start(Some(&cable.left), &listen);
    listener.wait_for("listening", |_| true);
    for _ in 0..6 {
        let mut peers = Halloo::start(Some(&cable.right), &["peers", "--duration", "30"]);
        let kit = peers.wait_for("peer", |_| true);
        assert_eq!(kit["addresses"], serde_json::json!([cable.left.address.to_string()]));
        let call = [&["call", "kit", "--duration", "0.2"], &media[..]].concat();
        let mut caller = Halloo::start(Some(&cable.right), &call);
        assert!(caller.wait(Duration::from_secs(20)).success());
    }
}

#[test]
fn who_announces_itself_is_listed_and_called_by_name() {
    let Some(cable) = skip::namespaces("who_announces_itself_is_listed_and_called_by_name") else {
        return;
    };
    let media = ["--input", "silence", "--output", "null"];
    let listen = [&["listen", "--lan", "--name", "Anna's laptop"], &media[..]].concat();
    let mut listener = Halloo::start(Some(&cable.left), &listen);
    listener.wait_for("listening", |_| true);

    let mut peers = Halloo::start(Some(&cable.right), &["peers", "--duration", "30"]);
    let anna = peers.wait_for("peer", |_| true);
    assert_eq!(anna["name"], "Anna's laptop");
    assert_eq!(anna["url"], format!("https://{}:8443/whip", cable.left.address));
    peers.terminate();
    assert!(peers.wait(Duration::from_secs(10)).success());

    let call = [&["call", "anna's laptop"], &media[..]].concat();
    let mut caller = Halloo::start(Some(&cable.right), &call);
    caller.wait_for("connected", |_| true);
    caller.terminate();
    assert!(caller.wait(Duration::from_secs(10)).success());

    // Whoever leaves takes its name along.
    listener.terminate();
    assert!(listener.wait(Duration::from_secs(10)).success());
    let mut caller = Halloo::start(Some(&cable.right), &call);
    assert_eq!(caller.wait(Duration::from_secs(20)).code(), Some(1));
    let said = caller.messages();
    assert!(said.contains("signalling: nobody on this network announces"), "{said}");
}
