//! One port of a public address is all that there is of a listener: `--public-address`, `--udp-port`.

use std::path::Path;
use std::time::Duration;

use crate::common::halloo::{Halloo, recording};
use crate::common::laboratory::{Computer, Mapping, Nat};
use crate::common::stall;
use crate::{CALLER, LISTENER, Options, begin, internet, is_tone, kind, pair, seconds_pass};

/// The one that is forwarded.
const PORT: u16 = 5_000;

/// Who calls, with which tone.
struct Caller {
    computer: Computer,
    hz: u32,
    by: Transport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
}

/// As in a cloud: the machine itself knows nothing of its public address, and no STUN server is asked.
#[test]
fn one_forwarded_port_takes_several_calls_at_once_by_udp_and_by_tcp() {
    let test = "one_forwarded_port_takes_several_calls_at_once_by_udp_and_by_tcp";
    let Some(internet) = internet(test) else { return };
    let cloud = internet.nat(Mapping::PortRestricted);
    let anna = internet.computer().plugged_into(&cloud);
    cloud.forwards(PORT, &anna);
    let callers = [
        (CALLER, internet.nat(Mapping::PortRestricted), Transport::Udp),
        (880, internet.nat(Mapping::Symmetric), Transport::Udp),
        (1_000, internet.nat(Mapping::Symmetric).without_udp(), Transport::Tcp),
    ]
    .map(|(hz, nat, by)| Caller { computer: internet.computer().plugged_into(&nat), hz, by });
    stall::undisturbed(|| all_at_once(&cloud, &anna, &callers));
}

fn all_at_once(cloud: &Nat, anna: &Computer, callers: &[Caller; 3]) -> Result<(), String> {
    // The listener's recording of the second call has this name with -2, and so on.
    let at_listener = [1, 2, 3].map(|n| match n {
        1 => recording("open-port-listener"),
        later => recording(&format!("open-port-listener-{later}")),
    });
    let mut listener = listen(cloud, anna, &at_listener[0]);
    let url = listener.url();
    let (mut seen, mut ids) = (0, Vec::new());
    let mut calls = callers.each_ref().map(|caller| {
        let heard = recording(&format!("open-port-caller-{}", caller.hz));
        let options = Options::default();
        let mut call =
            begin(&caller.computer, "call", caller.hz, &heard, &[&[url.as_str()]], &options);
        call.wait_for("connected", |_| true);
        // One after the other, or nobody knew whose recording is whose.
        let (at, connected) = listener.wait_for_next("connected", seen);
        seen = at + 1;
        ids.push(connected["call"].clone());
        (call, heard)
    });
    seconds_pass(&mut calls[2].0, 2.0);
    // All of them at once.
    assert!(listener.catch_up().iter().all(|event| event["event"] != "ended"));
    for (caller, (call, _)) in callers.iter().zip(&mut calls) {
        goes_by_the_port(cloud, caller, call);
        call.terminate();
        assert!(call.wait(Duration::from_secs(10)).success(), "{} Hz", caller.hz);
    }
    for id in &ids {
        listener.wait_for("ended", |event| event["call"] == *id);
    }
    listener.terminate();
    assert!(listener.wait(Duration::from_secs(10)).success());
    for ((caller, (_, heard)), at_listener) in callers.iter().zip(&calls).zip(&at_listener) {
        is_tone(heard, LISTENER.into())?;
        is_tone(at_listener, caller.hz.into())?;
    }
    Ok(())
}

fn listen(cloud: &Nat, anna: &Computer, heard: &Path) -> Halloo {
    let (public, port) = (cloud.address().to_string(), PORT.to_string());
    let bind = format!("{}:0", anna.place().address);
    let more = ["--bind", &bind, "--public-address", &public, "--udp-port", &port];
    let mut listener = begin(anna, "listen", LISTENER, heard, &[&more], &Options::default());
    listener.wait_for("listening", |_| true);
    listener
}

/// From the outside of a NAT, which the caller learns of by its checks alone, to the announced address.
fn goes_by_the_port(cloud: &Nat, caller: &Caller, call: &mut Halloo) {
    let [ours, theirs] = pair(call);
    println!("one port, {} Hz: {ours} to {theirs}", caller.hz);
    assert_eq!([kind(&ours), kind(&theirs)], ["prflx", "srflx"]);
    let announced = format!(" {} {PORT} typ srflx ", cloud.address());
    assert!(theirs.contains(&announced), "{theirs}");
    let (by, ends) = match caller.by {
        Transport::Udp => (" udp ", ["", ""]),
        Transport::Tcp => (" tcp ", [" tcptype active", " tcptype passive"]),
    };
    for (candidate, end) in [&ours, &theirs].into_iter().zip(ends) {
        assert!(candidate.contains(by) && candidate.ends_with(end), "{candidate}");
    }
}
