//! Calls that can't be made: who called and who listened are told why, and what would help.

use std::time::Duration;

use crate::common::coturn::Coturn;
use crate::common::halloo::Halloo;
use crate::common::laboratory::{Computer, Mapping};
use crate::{Call, Options, internet, strangers};

/// What a person can do who is told this.
struct Remedy {
    /// In `ended`.
    name: &'static str,
    /// On the caller's terminal, behind `try: `.
    words: &'static str,
}

const TURN: Remedy = Remedy {
    name: "turn_server",
    words: "--turn turn:HOST with --turn-user and --turn-password, on one side; --stun is not enough",
};
const OPEN_FIREWALL: Remedy = Remedy {
    name: "open_firewall",
    words: "let UDP through the firewalls (with --udp-port it is one port), or --turn turns:HOST",
};

/// The listener gives up first, and tells the caller. Both name the remedy; why, the caller and the listener.
fn reasons(
    name: &str,
    [listener, caller]: [&Computer; 2],
    both: &[&str],
    remedy: &Remedy,
) -> [String; 2] {
    let options = Options { both, listener: &["--timeout", "3"], ..Options::default() };
    let Call { mut listener, mut caller, .. } = Call::start(name, listener, caller, &options);
    let status = caller.wait(Duration::from_secs(30));
    assert_eq!(status.code(), Some(1), "{name}");
    let reasons = [&mut caller, &mut listener].map(|side| reason(side, remedy));
    let [at_caller, at_listener] = &reasons;
    println!("{name}: the caller: {at_caller}\n{name}: the listener: {at_listener}");
    // What a person reads last.
    let last = format!("ice: {at_caller}\ntry: {}\n", remedy.words);
    assert!(caller.messages().ends_with(&last), "{}", caller.messages());
    reasons
}

/// Of its end.
fn reason(side: &mut Halloo, remedy: &Remedy) -> String {
    let ended = side.wait_for("ended", |_| true);
    assert_eq!(["failed", "ice", remedy.name], ["end", "step", "remedy"].map(|it| &ended[it]));
    ended["reason"].as_str().unwrap().to_owned()
}

#[test]
fn two_symmetric_nats_without_a_relay_are_told_that_they_need_one() {
    let test = "two_symmetric_nats_without_a_relay_are_told_that_they_need_one";
    let Some(internet) = internet(test) else { return };
    let coturn = Coturn::new(&internet);
    let [anna, ben] = strangers(&internet);
    // Two addresses that say where one socket is seen show what kind of NAT that is.
    let [one, other] = coturn.both_stun();
    let both = ["--stun", &one, "--stun", &other];
    for reason in reasons("symmetric, no relay", [&anna, &ben], &both, &TURN) {
        assert!(reason.starts_with("no way through: "), "{reason}");
        let suggests = "both seem to give every destination another port (symmetric)";
        let needs = format!("{suggests}: a TURN server is needed (--turn)");
        assert!(reason.ends_with(&needs), "{reason}");
    }
}

/// Who listens has a port for TCP, too, and nobody reaches it: behind a NAT, or a firewall of its own.
#[test]
fn where_no_udp_passes_and_no_tcp_comes_in_both_are_told_of_the_firewall() {
    let test = "where_no_udp_passes_and_no_tcp_comes_in_both_are_told_of_the_firewall";
    let Some(internet) = internet(test) else { return };
    let behind_nat = || {
        let closed = internet.nat(Mapping::Symmetric).without_udp();
        internet.computer().plugged_into(&closed)
    };
    let open = internet.computer().plugged_into(&internet);
    let guarded = internet.computer().plugged_into(&internet).with_firewall();
    for (name, sides, public) in [
        ("listener without udp", [&behind_nat(), &open], ["this side", "the other side"]),
        ("caller without udp", [&guarded, &behind_nat()], ["the other side", "this side"]),
    ] {
        let reasons = reasons(name, sides, &[], &OPEN_FIREWALL);
        // Who called has tried TCP as well.
        for (reason, (whose, what)) in reasons.iter().zip(public.iter().zip(["UDP and TCP", "UDP"]))
        {
            assert!(reason.starts_with("no way through: "), "{reason}");
            let suggests = format!(
                "{whose} has a public address, so probably a firewall stops {what}: open it, or a \
                 TURN server is needed (--turn)"
            );
            assert!(reason.ends_with(&suggests), "{reason}");
        }
    }
}
