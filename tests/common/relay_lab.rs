//! Two computers that can't send each other datagrams, and a server between them that both can reach.
//!
//! ```text
//! left ---- server ---- right      TCP is forwarded (the signalling), UDP is not
//! ```
//! Use it with `mod common { pub mod namespace; pub mod relay_lab; }`. It takes root, `ip` and `nft` (Debian:
//! iproute2, nftables).
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::namespace::Namespace;

/// The three.
pub struct RelayLab {
    pub left: Namespace,
    pub right: Namespace,
    /// Its address on the left; both reach it.
    pub server: Namespace,
}

static LABS: AtomicU8 = AtomicU8::new(0);

impl RelayLab {
    /// Makes them; the error says what is missing.
    pub fn new() -> Result<Self, String> {
        let (process, lab) = (std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        let place = |letter: char, net: u8, last: u8| Namespace {
            name: format!("halloo-lab-{process}-{lab}{letter}"),
            address: Ipv4Addr::new(10, 214, 2 * lab + net, last),
            interface: format!("l{}{lab}{letter}", process % 100_000),
        };
        let made =
            Self { left: place('l', 0, 2), right: place('r', 1, 2), server: place('s', 0, 1) };
        for place in [&made.left, &made.right, &made.server] {
            run("ip", &["netns", "add", &place.name])?;
            run("ip", &["-n", &place.name, "link", "set", "dev", "lo", "up"])?;
        }
        for side in [&made.left, &made.right] {
            made.join(side)?;
        }
        let server = &made.server.name;
        let inside = ["netns", "exec", server.as_str()];
        run("ip", &[&inside[..], &["sysctl", "-qw", "net.ipv4.ip_forward=1"]].concat())?;
        for rule in [
            "add table inet lab",
            "add chain inet lab forward { type filter hook forward priority 0; policy accept; }",
            "add rule inet lab forward meta l4proto udp drop",
        ] {
            run("ip", &[&inside[..], &["nft", rule]].concat())?;
        }
        Ok(made)
    }

    /// Datagrams to this port of the server reach the other one, and are answered, each that much later.
    pub fn slow_port(&self, port: u16, behind: u16, delay: Duration) -> SlowPort {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/slow_udp.py");
        let (ip, ms) = (self.server.address.to_string(), delay.as_millis().to_string());
        let mut command = self.server.command("python3");
        command.args([script, &ip, &port.to_string(), &behind.to_string(), &ms]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        SlowPort(child)
    }

    /// A cable from the server to a side, which sends everything there.
    fn join(&self, side: &Namespace) -> Result<(), String> {
        let [a, b, c, _] = side.address.octets();
        let gateway = Ipv4Addr::new(a, b, c, 1);
        let port = format!("{}s", side.interface);
        let (server, name) = (self.server.name.as_str(), side.name.as_str());
        run(
            "ip",
            &[
                "link",
                "add",
                "name",
                &port,
                "netns",
                server,
                "type",
                "veth",
                "peer",
                "name",
                &side.interface,
                "netns",
                name,
            ],
        )?;
        for (place, device, address) in
            [(server, &port, gateway), (name, &side.interface, side.address)]
        {
            let address = format!("{address}/24");
            run("ip", &["-n", place, "address", "add", &address, "dev", device])?;
            run("ip", &["-n", place, "link", "set", "dev", device, "addrgenmode", "none"])?;
            run("ip", &["-n", place, "link", "set", "dev", device, "up"])?;
        }
        run("ip", &["-n", name, "route", "add", "default", "via", &gateway.to_string()])
    }
}

/// Ends on drop.
pub struct SlowPort(Child);

impl Drop for SlowPort {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Drop for RelayLab {
    fn drop(&mut self) {
        for place in [&self.left, &self.right, &self.server] {
            let _gone = run("ip", &["netns", "delete", &place.name]);
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let command = format!("{program} {}", arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{command}: {error} (Debian: apt install iproute2 nftables)"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command}: {}", said.trim())) }
}
