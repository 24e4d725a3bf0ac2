//! Calls that show and use nothing but relays (`--ice-policy relay`), and relays that come late.

use std::time::Duration;

use serde_json::Value;

use crate::common::coturn::Coturn;
use crate::common::stall;
use crate::{Call, Options, internet, selected, strangers};

const RELAYED: [&str; 2] = ["relay", "relay"];

/// rfc8835-3.4-1
#[test]
fn relays_alone_are_shown_and_used_by_udp_tcp_and_tls() {
    let Some(internet) = internet("relays_alone_are_shown_and_used_by_udp_tcp_and_tls") else {
        return;
    };
    let mut coturn = Coturn::new(&internet);
    // They could reach each other; that they don't is their own decision.
    let [anna, ben] = [(); 2].map(|()| internet.computer().plugged_into(&internet));
    let own = [&anna, &ben].map(|computer| computer.address(0).to_string());
    for transport in ["udp", "tcp", "tls"] {
        let turn = coturn.turn(transport);
        let certificate = coturn.certificate();
        let both = ["--turn", &turn, "--ice-policy", "relay"];
        let options = Options { both: &both, trusted: Some(&certificate), ..Options::default() };
        stall::undisturbed(|| {
            let name = format!("only by {transport}");
            let mut call = Call::start(&name, &anna, &ben, &options);
            call.connected();
            call.tones(2.0)?;
            for side in [&mut call.caller, &mut call.listener] {
                assert_eq!(selected(side), RELAYED);
                let shown = side.catch_up().iter().filter(|event| event["event"] == "candidate");
                let lines: Vec<_> = shown.map(|event| event["candidate"].to_string()).collect();
                let hides = |line: &String| {
                    ["0.0.0.0", "::"].iter().any(|no| line.contains(&format!("relay raddr {no} ")))
                };
                assert!(lines.iter().all(hides), "{lines:?}");
                assert!(!lines.iter().any(|line| own.iter().any(|own| line.contains(own))));
            }
            Ok(())
        });
        coturn.says(|line| line.contains("CHANNEL_BIND processed, success"));
        // What was lent is given back.
        coturn.says(|line| line.contains("lifetime=0"));
    }
}

/// Neither side has an address when the descriptions are written: all of them are trickled, by PATCH from the
/// caller and by events from the listener.
#[test]
fn relays_that_come_late_are_trickled() {
    let Some(internet) = internet("relays_that_come_late_are_trickled") else { return };
    let coturn = Coturn::new(&internet);
    // Allocate, 401, Allocate, the address: 800 ms; descriptions wait for 500.
    let slow = coturn.slowly(Duration::from_millis(200));
    let [anna, ben] = strangers(&internet);
    let both = ["--turn", &slow.turn, "--ice-policy", "relay"];
    let options = Options { both: &both, ..Options::default() };
    stall::undisturbed(|| {
        let mut call = Call::start("late", &anna, &ben, &options);
        call.connected();
        for side in [&mut call.caller, &mut call.listener] {
            assert_eq!(selected(side), RELAYED);
        }
        // Each side let the other wait for half a second, and then told what it had: nothing.
        let events = call.caller.catch_up();
        let at = |name: &str, side: Option<&str>| {
            let fits = |event: &&Value| {
                event["event"] == name && side.is_none_or(|side| event["side"] == side)
            };
            events.iter().find(fits).and_then(|event| event["t"].as_f64()).unwrap()
        };
        let offered = at("gathering", None) + 0.5;
        assert!(at("candidate", Some("local")) > offered, "it was in the offer: {events:?}");
        let answered = at("answered", None);
        assert!(at("candidate", Some("remote")) > answered, "it was in the answer: {events:?}");
        call.tones(2.0)
    });
}
