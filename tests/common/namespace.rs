//! Two network namespaces joined by a cable: two computers on one network, inside this one.
//!
//! Use it with `mod common { pub mod namespace; }`. It takes root and `ip` (Debian: iproute2); where
//! they are missing [`Namespaces::new`] says so, and the test decides whether to fail or to be
//! skipped. Everything is removed on drop; each pair has names and addresses of its own, so that tests
//! may run side by side.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

/// One of the two: a name for `ip netns exec`, and its address on the cable.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// As `ip netns` knows it.
    pub name: String,
    /// IPv4 address of its end of the cable; `lo` is up, too.
    pub address: Ipv4Addr,
    /// The interface of that address.
    pub interface: String,
}

impl Namespace {
    /// A command that will run in it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs an `ip` command in it, such as `["link", "set", "dev", &interface, "down"]`.
    pub fn ip(&self, arguments: &[&str]) {
        run(&[&["-n", self.name.as_str()], arguments].concat()).unwrap();
    }
}

/// Both, and the cable between them.
#[derive(Debug)]
pub struct Namespaces {
    /// One end.
    pub left: Namespace,
    /// The other.
    pub right: Namespace,
}

/// Pairs made by this process.
static PAIRS: AtomicU8 = AtomicU8::new(0);

impl Namespaces {
    /// Makes them; the error says what is missing.
    pub fn new() -> Result<Self, String> {
        let pair = PAIRS.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        // An interface name has 15 characters at most.
        let side = |letter: char, last: u8| Namespace {
            name: format!("halloo-{process}-{pair}{letter}"),
            address: Ipv4Addr::new(10, 213, pair, last),
            interface: format!("h{}{pair}{letter}", process % 100_000),
        };
        let made = Self { left: side('a', 1), right: side('b', 2) };
        for side in [&made.left, &made.right] {
            run(&["netns", "add", &side.name])?;
        }
        let (left, right) = (&made.left, &made.right);
        run(&[
            "link",
            "add",
            "name",
            &left.interface,
            "netns",
            &left.name,
            "type",
            "veth",
            "peer",
            "name",
            &right.interface,
            "netns",
            &right.name,
        ])?;
        for side in [left, right] {
            let address = format!("{}/24", side.address);
            for arguments in [
                &["address", "add", &address, "dev", &side.interface][..],
                // Ready at once: no waiting for the duplicate check of IPv6 addresses.
                &["link", "set", "dev", &side.interface, "addrgenmode", "none"],
                &["link", "set", "dev", &side.interface, "up"],
                &["link", "set", "dev", "lo", "up"],
            ] {
                run(&[&["-n", side.name.as_str()], arguments].concat())?;
            }
        }
        made.wait_until_up();
        Ok(made)
    }

    /// The kernel calls both ends up as late as a second after they were switched on (IFF_RUNNING). Whoever
    /// looks before that, as node does, sees no network.
    fn wait_until_up(&self) {
        for side in [&self.left, &self.right] {
            let is_up = || {
                let mut show = Command::new("ip");
                show.args(["-n", &side.name, "link", "show", "dev", &side.interface]);
                String::from_utf8_lossy(&show.output().unwrap().stdout).contains("state UP")
            };
            // Nothing tells but `ip monitor`, whose beginning may be too late. Each look takes a
            // millisecond or more.
            assert!((0..10_000).any(|_| is_up()), "{} stays down", side.interface);
        }
    }
}

impl Namespaces {
    /// Lays a second cable between the two: its ends, left and right.
    pub fn second_cable(&self) -> Result<[End; 2], String> {
        let [_, _, pair, _] = self.left.address.octets();
        let end = |side: &Namespace, last| End {
            interface: format!("{}2", side.interface),
            address: Ipv4Addr::new(10, 214, pair, last),
        };
        let ends = [end(&self.left, 1), end(&self.right, 2)];
        let [(left, right), (near, far)] =
            [(&ends[0].interface, &ends[1].interface), (&self.left.name, &self.right.name)];
        run(&[
            "link", "add", "name", left, "netns", near, "type", "veth", "peer", "name", right,
            "netns", far,
        ])?;
        for (side, end) in [&self.left, &self.right].into_iter().zip(&ends) {
            let address = format!("{}/24", end.address);
            side.ip(&["address", "add", &address, "dev", &end.interface]);
            side.ip(&["link", "set", "dev", &end.interface, "addrgenmode", "none"]);
            side.ip(&["link", "set", "dev", &end.interface, "up"]);
        }
        Ok(ends)
    }

    /// From here on nothing passes the first cable, and nobody is told: to the machines it is as good as
    /// before.
    pub fn cut_first_cable(&self) {
        let nobody = "02:00:00:00:00:99";
        for (side, other) in [(&self.left, &self.right), (&self.right, &self.left)] {
            let to = other.address.to_string();
            let arguments = [
                "neigh",
                "replace",
                &to,
                "lladdr",
                nobody,
                "dev",
                &side.interface,
                "nud",
                "permanent",
            ];
            side.ip(&arguments);
        }
    }
}

/// An end of a second cable.
#[derive(Clone, Debug)]
pub struct End {
    /// Its interface.
    pub interface: String,
    /// Its address.
    pub address: Ipv4Addr,
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for side in [&self.left, &self.right] {
            let _ = run(&["netns", "delete", &side.name]);
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), String> {
    let command = format!("ip {}", arguments.join(" "));
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .map_err(|error| format!("{command}: {error} (Debian: apt install iproute2)"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command}: {}", said.trim())) }
}
