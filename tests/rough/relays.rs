//! TURN servers that fail while a call goes through them: started anew, gone for good, changing their mind.

use std::time::{Duration, Instant};

use crate::common::coturn::Coturn;
use crate::common::laboratory::{Computer, Internet};
use crate::common::{skip, stall};
use crate::{Call, Options, RELAYED, internet, selected, strangers};

/// A call through relays goes on by relays: no gap in what either hears is longer than 1.5 s and the time for
/// which `disturb` says that there was no server.
fn survives(
    name: &str,
    sides: [&Computer; 2],
    options: &Options<'_>,
    disturb: impl FnOnce(&mut Call) -> Duration,
) -> Result<(), String> {
    crate::survives(name, sides, options, RELAYED, disturb).map(drop)
}

/// What `work` takes.
#[expect(clippy::disallowed_methods, reason = "a test of real processes runs in real time")]
pub fn time(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// For so long there is no server when one is started anew.
const AWAY: Duration = Duration::from_millis(1_500);

#[test]
fn a_relay_that_is_started_anew_is_asked_anew() {
    if skip::namespaces("a_relay_that_is_started_anew_is_asked_anew").is_none() {
        return;
    }
    // A relay at one side of the call, and one at both.
    for (transport, policy) in [("udp", "all"), ("tcp", "relay")] {
        stall::undisturbed(|| {
            let internet = Internet::new().unwrap();
            let mut coturn = Coturn::new(&internet);
            let [anna, ben] = strangers(&internet);
            let turn = coturn.turn(transport);
            let both = ["--turn", &turn, "--ice-policy", policy];
            let options = Options { both: &both, ..Options::default() };
            let name = format!("server restarts: {transport}");
            survives(&name, [&anna, &ben], &options, |_| {
                time(|| {
                    coturn.stop();
                    std::thread::sleep(AWAY);
                    coturn.start();
                })
            })
        });
    }
}

#[test]
fn where_one_relay_is_gone_for_good_another_carries_the_call() {
    if skip::namespaces("where_one_relay_is_gone_for_good_another_carries_the_call").is_none() {
        return;
    }
    for transport in ["udp", "tls"] {
        stall::undisturbed(|| {
            let internet = Internet::new().unwrap();
            let mut servers = [Coturn::new(&internet), Coturn::second(&internet)];
            let [anna, ben] = strangers(&internet);
            let trusted = all_of(&servers);
            let [first, second] = servers.each_ref().map(|server| server.turn(transport));
            let both = ["--turn", &first, "--turn", &second, "--ice-policy", "relay"];
            let options = Options { both: &both, trusted: Some(&trusted), ..Options::default() };
            let name = format!("server goes: {transport}");
            survives(&name, [&anna, &ben], &options, |call| {
                let used = relayed_by(call);
                let is_used = |server: &&mut Coturn| server.is_at(&used);
                servers.iter_mut().find(is_used).unwrap().stop();
                Duration::ZERO
            })
        });
    }
}

/// coturn then refuses with an error that nobody can have signed: our key is made with the old realm.
#[test]
fn a_relay_that_has_another_realm_since_its_restart_is_asked_anew() {
    let test = "a_relay_that_has_another_realm_since_its_restart_is_asked_anew";
    if skip::namespaces(test).is_none() {
        return;
    }
    stall::undisturbed(|| {
        let internet = Internet::new().unwrap();
        let mut coturn = Coturn::new(&internet);
        let [anna, ben] = strangers(&internet);
        let turn = coturn.turn("udp");
        let options = Options { both: &["--turn", &turn], ..Options::default() };
        survives("server changes its realm", [&anna, &ben], &options, |_| {
            coturn.realm = "elsewhere.example";
            time(|| coturn.restart())
        })
    });
}

/// One file with the certificates of all.
pub fn all_of(servers: &[Coturn]) -> String {
    let files: Vec<_> = servers.iter().map(Coturn::certificate).collect();
    let texts: Vec<_> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let all = format!("{}s", files[0]);
    std::fs::write(&all, texts.concat()).unwrap();
    all
}

/// The server's address by which the caller sends now.
pub fn relayed_by(call: &mut Call) -> String {
    assert_eq!(selected(&mut call.caller)[0], "relay");
    let events = call.caller.catch_up();
    let pair = events.iter().rev().find(|event| event["event"] == "pair").unwrap();
    pair["local"].as_str().unwrap().split(' ').nth(4).unwrap().to_owned()
}

/// The server asks once more who we are; but the call is over already, and its sockets could be closed.
#[test]
fn a_relay_is_given_back_though_its_nonce_is_old() {
    let Some(internet) = internet("a_relay_is_given_back_though_its_nonce_is_old") else { return };
    let mut coturn = Coturn::forgetful(&internet);
    let [anna, ben] = strangers(&internet);
    for transport in ["udp", "tls"] {
        let turn = coturn.turn(transport);
        let options = Options {
            both: &["--turn", &turn],
            trusted: Some(&coturn.certificate()),
            ..Options::default()
        };
        let mut call = Call::start("old nonce", &anna, &ben, &options);
        call.connected();
        call.caller.wait_for("stats", |stats| stats["packets_sent"].as_u64() > Some(100));
        call.caller.terminate();
        assert!(call.caller.wait(Duration::from_secs(10)).success());
        for _ in 0..2 {
            coturn.says(|line| line.contains("refreshed") && line.contains("lifetime=0"));
        }
    }
}
