//! Ways that are lost as a whole: no other stands by, and a new ICE session has to be agreed on.

use std::time::Duration;

use crate::common::coturn::Coturn;
use crate::common::laboratory::{Computer, Internet, Mapping};
use crate::common::{skip, stall};
use crate::{Call, HOST, OUTSIDE, Options, RELAY, own_address, pair, strangers, survives};

/// Nobody is let in unasked at the other side, so it has to be told of the new address.
#[test]
fn who_goes_from_one_router_to_another_takes_the_call_along() {
    if skip::namespaces("who_goes_from_one_router_to_another_takes_the_call_along").is_none() {
        return;
    }
    for mover in ["caller", "listener"] {
        stall::undisturbed(|| {
            let internet = Internet::new().unwrap();
            let coturn = Coturn::new(&internet);
            let nats = [(); 2].map(|()| internet.nat(Mapping::PortRestricted));
            let moves = nats.iter().fold(internet.computer(), Computer::plugged_into);
            let stays = internet.computer().plugged_into(&internet.nat(Mapping::PortRestricted));
            let both = ["--stun", &coturn.stun()];
            let options = Options { both: &both, ..Options::default() };
            let sides = if mover == "caller" { [&stays, &moves] } else { [&moves, &stays] };
            let (name, ways) = (format!("another router: {mover}"), &[[OUTSIDE, OUTSIDE]]);
            survives(&name, sides, &options, ways, |call| {
                let side = if mover == "caller" { &mut call.caller } else { &mut call.listener };
                let used = own_address(side);
                let used = (0..2).find(|n| moves.address(*n).to_string() == used).unwrap();
                let other = 1 - used;
                moves.leave(other);
                moves.leave(used);
                moves.join_as_another(other);
                Duration::ZERO
            })
            .map(drop)
        });
    }
}

#[test]
fn a_connection_that_is_reset_is_made_anew() {
    if skip::namespaces("a_connection_that_is_reset_is_made_anew").is_none() {
        return;
    }
    stall::undisturbed(|| {
        let internet = Internet::new().unwrap();
        let anna = internet.computer().plugged_into(&internet);
        let ben = internet.computer().plugged_into(&internet.nat(Mapping::Symmetric).without_udp());
        let reset = |_: &mut Call| {
            ben.reset_connections();
            Duration::ZERO
        };
        let ways = &[[OUTSIDE, HOST]];
        let mut survivor =
            survives("connection reset", [&anna, &ben], &Options::default(), ways, reset)?;
        let by = pair(&mut survivor.call.caller);
        assert!(by.iter().all(|candidate| candidate.contains(" tcp ")), "{by:?}");
        Ok(())
    });
}

/// The caller has no relay, and hears nothing but silence: the listener knows what is wrong.
#[test]
fn a_listeners_own_relay_that_is_started_anew_is_asked_anew() {
    if skip::namespaces("a_listeners_own_relay_that_is_started_anew_is_asked_anew").is_none() {
        return;
    }
    for transport in ["udp", "tcp"] {
        stall::undisturbed(|| {
            let internet = Internet::new().unwrap();
            let mut coturn = Coturn::new(&internet);
            let [anna, ben] = strangers(&internet);
            let listener = ["--turn", &coturn.turn(transport)];
            let caller = ["--stun", &coturn.stun()]; // that its address is let in
            let options = Options { listener: &listener, caller: &caller, ..Options::default() };
            let name = format!("listener's server restarts: {transport}");
            survives(&name, [&anna, &ben], &options, &[[OUTSIDE, RELAY]], |_| {
                super::relays::time(|| coturn.restart())
            })
            .map(drop)
        });
    }
}
