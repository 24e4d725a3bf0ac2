//! An internet in this machine: computers behind NATs, a TURN server, and cables to pull.
//!
//! ```text
//!        internet: 203.0.113.0/24, 2001:db8::/64
//!   ────┬──────────────┬──────────────┬─────────────┬────
//!     .3, .4          .10             .11           .12
//!     coturn          nat             nat           computer
//!                      │ 192.168.1.0/24             plugged straight in
//!               ┌──────┴──┐
//!               │         nat, behind the other one
//!            computer      │
//!                        computer
//!
//!   ────┬──────────────────┬──────────────────────────┬──
//!    10.99.0.0/24: only HTTP goes here, and every computer is on it
//! ```
//! So a call is set up over the lower network and has to find its way through the upper one: give each
//! halloo `--interface eth0` (`eth1` …).
//!
//! Use it with `mod common { pub mod laboratory; pub mod namespace; }`, and `coturn` for the server. All of it are network namespaces,
//! joined by veth pairs, the NATs rules of nftables. It takes root, `ip`, `nft` and `turnserver` (Debian:
//! iproute2, nftables, coturn). Each [`Internet`] is a world of its own, so tests may run side by side; it is
//! gone when the last of its parts is dropped.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::namespace::Namespace;

/// How a NAT maps an inside port to an outside one, and whom it lets in (RFC 4787 sections 4.1, 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// One outside port for all destinations, and anybody may answer: a "full cone".
    EndpointIndependent,
    /// One outside port for all destinations (as long as it is free), and only whoever was sent to may
    /// answer: a home router.
    PortRestricted,
    /// Another random outside port for each destination: a company's firewall, a phone network.
    Symmetric,
}

/// The routes of what leaves by a computer's address for HTTP.
const ONLY_HTTP: u8 = 99;

/// The network in the middle.
pub struct Internet {
    hub: Rc<Hub>,
}

/// What both networks hang on, and who is next.
struct Hub {
    machine: Machine,
    next: Cell<u8>,
}

/// Something with a socket for a cable.
pub trait Network {
    /// Lays a cable from here to an interface of `machine`, which then has an address.
    fn plug(&self, machine: &Machine, interface: &str, ports: Ports) -> Cable;
}

/// A NAT, with the internet or another NAT outside.
#[derive(Clone)]
pub struct Nat(Rc<Inside>);

struct Inside {
    machine: Machine,
    mapping: Mapping,
    outside: Cable,
    hub: Rc<Hub>,
}

/// Who has a call. Its interfaces are `eth0`, `eth1` … in the order of plugging.
pub struct Computer {
    machine: Machine,
    namespace: Namespace,
    ports: Ports,
    cables: Vec<Cable>,
}

/// The local ports that a computer takes, which no other one does: by them an endpoint-independent NAT with
/// several computers behind it knows whose packet that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    first: u16,
}

/// What plugging gave.
#[derive(Clone)]
pub struct Cable {
    address: Ipv4Addr,
    /// Who knows the way to everybody else.
    pub gateway: Ipv4Addr,
    /// It stays as long as somebody is plugged in.
    behind: Option<Nat>,
}

impl Internet {
    /// Nothing but the cables in the middle; the error says what is missing.
    pub fn new() -> Result<Self, String> {
        let machine = Machine::new()?;
        machine.may_forward()?;
        // Private addresses lead nowhere, silently, as at most providers.
        machine.ip("link add name internet type bridge mcast_snooping 0
             link set dev internet addrgenmode none up
             address add 203.0.113.1/24 dev internet
             address add 2001:db8::1/64 dev internet nodad
             route add blackhole 192.168.0.0/16
             link add name http type bridge mcast_snooping 0
             link set dev http addrgenmode none up")?;
        Ok(Self { hub: Rc::new(Hub { machine, next: Cell::new(0) }) })
    }

    /// A computer without a cable yet.
    pub fn computer(&self) -> Computer {
        let n = self.hub.number();
        let machine = Machine::new().unwrap();
        cable((&self.hub.machine, &format!("http{n}"), Some("http")), (&machine, "http"));
        let ports = Ports { first: 10_000 + 100 * u16::from(n) };
        let address = Ipv4Addr::new(10, 99, 0, n);
        // A browser tries its address there, too; by itself that network leads to nobody's media.
        let lines = format!(
            "address add {address}/24 dev http
             route add 10.99.0.0/24 dev http table {ONLY_HTTP}
             route add unreachable default table {ONLY_HTTP}
             rule add from {address} table {ONLY_HTTP}"
        );
        machine.ip(&lines).unwrap();
        let range = format!("{} {}", ports.first, ports.last());
        machine.set("ipv4/ip_local_port_range", &range).unwrap();
        let namespace = Namespace { name: machine.name.clone(), address, interface: "http".into() };
        Computer { machine, namespace, ports, cables: Vec::new() }
    }

    /// A NAT with one public address.
    pub fn nat(&self, mapping: Mapping) -> Nat {
        Nat::new(mapping, self, &self.hub)
    }

    /// An address from which nothing ever comes back, not even a refusal.
    pub fn black_hole(&self) -> Ipv4Addr {
        let address = Ipv4Addr::new(203, 0, 113, 66);
        self.hub.machine.ip(&format!("address add {address}/24 dev internet")).unwrap();
        self.hub.machine.nft(&format!(
            "table ip hole {{
                chain swallow {{
                    type filter hook input priority 0
                    ip daddr {address} drop
                }}
            }}"
        ));
        address
    }
}

impl Hub {
    /// 10, 11 …
    fn number(&self) -> u8 {
        self.next.set(self.next.get() + 1);
        9 + self.next.get()
    }
}

impl Network for Internet {
    fn plug(&self, machine: &Machine, interface: &str, _ports: Ports) -> Cable {
        let n = self.hub.number();
        let end = format!("public{n}");
        cable((&self.hub.machine, &end, Some("internet")), (machine, interface));
        machine
            .ip(&format!(
                "address add 203.0.113.{n}/24 dev {interface}
                 address add 2001:db8::{n}/64 dev {interface} nodad"
            ))
            .unwrap();
        let gateway = Ipv4Addr::new(203, 0, 113, 1);
        Cable { address: Ipv4Addr::new(203, 0, 113, n), gateway, behind: None }
    }
}

impl Nat {
    fn new(mapping: Mapping, outside: &impl Network, hub: &Rc<Hub>) -> Self {
        let machine = Machine::new().unwrap();
        machine.may_forward().unwrap();
        let outside = outside.plug(&machine, "outside", Ports::ANY);
        machine.ip(&format!("route add default via {}", outside.gateway)).unwrap();
        let ports = if mapping == Mapping::Symmetric { "fully-random" } else { "" };
        // Nothing for the NAT itself comes by UDP. A mere refusal would leave a trace in the table of
        // connections: the mapping that answers this very packet would then get another port.
        machine.nft(&format!(
            "table ip nat {{
                chain outward {{
                    type nat hook postrouting priority srcnat
                    oifname outside masquerade {ports}
                    ct status dnat ip saddr 192.168.0.0/16 snat to {}
                }}
                chain inward {{
                    type nat hook prerouting priority dstnat
                }}
            }}
            table ip guard {{
                chain own {{
                    type filter hook input priority 0
                    meta l4proto udp drop
                }}
                chain passing {{
                    type filter hook forward priority 0
                    ct state established,related accept
                    ct status dnat accept
                    iifname outside drop
                }}
            }}",
            outside.address
        ));
        Self(Rc::new(Inside { machine, mapping, outside, hub: Rc::clone(hub) }))
    }

    /// A NAT behind this one.
    pub fn nat(&self, mapping: Mapping) -> Self {
        Self::new(mapping, self, &self.0.hub)
    }

    /// Its outside address.
    pub fn address(&self) -> Ipv4Addr {
        self.0.outside.address
    }

    /// Lets no UDP through from now on.
    pub fn without_udp(self) -> Self {
        self.0.machine.nft("insert rule ip guard passing meta l4proto udp drop");
        self
    }

    /// Those behind it don't reach each other, as guests of a hotel; unless by their outside addresses.
    pub fn isolating(self) -> Self {
        let isolate = "iifname != outside oifname != outside ct status & dnat == 0 drop";
        self.0.machine.nft(&format!("insert rule ip guard passing {isolate}"));
        self
    }

    /// Forwards one port, by UDP and by TCP, as clouds do with their 1:1 NATs, and routers that were told so.
    pub fn forwards(&self, port: u16, computer: &Computer) {
        let (address, inside) = (self.address(), computer.address(0));
        let what = format!("ip daddr {address} meta l4proto {{ tcp, udp }} th dport {port}");
        self.0.machine.nft(&format!("add rule ip nat inward {what} dnat to {inside}"));
    }

    /// The cable to the outside is pulled. Nobody inside is told.
    pub fn unplug(&self) {
        self.0.machine.ip("link set dev outside down").unwrap();
    }

    /// Forgets who talks to whom, as a router does that starts anew.
    pub fn forget(&self) {
        // Masquerading drops what it knows of an interface that goes down.
        let gateway = self.0.outside.gateway;
        let lines = format!(
            "link set dev outside down
             link set dev outside up
             route add default via {gateway}"
        );
        self.0.machine.ip(&lines).unwrap();
    }

    /// What comes for these ports goes to this address inside.
    fn forward(&self, ports: Ports, inside: Ipv4Addr) {
        if self.0.mapping == Mapping::EndpointIndependent {
            let address = self.0.outside.address;
            let udp = format!("udp dport {}-{}", ports.first, ports.last());
            let rule = format!("ip daddr {address} {udp} dnat to {inside}");
            self.0.machine.nft(&format!("add rule ip nat inward {rule}"));
        }
        if let Some(upstream) = &self.0.outside.behind {
            upstream.forward(ports, self.0.outside.address);
        }
    }
}

impl Network for Nat {
    fn plug(&self, machine: &Machine, interface: &str, ports: Ports) -> Cable {
        let n = self.0.hub.number();
        let end = format!("inside{n}");
        cable((&self.0.machine, &end, None), (machine, interface));
        let gateway = Ipv4Addr::new(192, 168, n, 1);
        let address = Ipv4Addr::new(192, 168, n, 2);
        self.0.machine.ip(&format!("address add {gateway}/24 dev {end}")).unwrap();
        machine.ip(&format!("address add {address}/24 dev {interface}")).unwrap();
        if ports != Ports::ANY {
            self.forward(ports, address);
        }
        Cable { address, gateway, behind: Some(self.clone()) }
    }
}

impl Computer {
    /// One more cable. What leaves by an address of it goes through it.
    pub fn plugged_into(mut self, network: &impl Network) -> Self {
        let n = self.cables.len();
        let interface = format!("eth{n}");
        let cable = network.plug(&self.machine, &interface, self.ports);
        self.cables.push(cable);
        self.find_ways(n);
        let (address, table) = (self.address(n), 100 + n);
        self.machine.ip(&format!("rule add from {address} table {table}")).unwrap();
        self
    }

    /// The routes of the nth cable.
    fn find_ways(&self, n: usize) {
        let (gateway, interface) = (self.cables[n].gateway, format!("eth{n}"));
        let (table, metric) = (100 + n, 100 + n);
        let lines = format!(
            "route add default via {gateway} dev {interface} metric {metric}
             route add {gateway} dev {interface} table {table}
             route add default via {gateway} dev {interface} table {table}"
        );
        self.machine.ip(&lines).unwrap();
    }

    /// Knows these names and where they are: each address with its name.
    pub fn knowing(self, hosts: &[(&str, &str)]) -> Self {
        let lines = hosts.iter().map(|(address, name)| format!("{address} {name}\n"));
        self.machine.write_etc("hosts", &lines.collect::<String>());
        self
    }

    /// Asks this DNS server for names, and waits half a minute for its answer.
    pub fn asking(self, server: Ipv4Addr) -> Self {
        let resolver = format!("nameserver {server}\noptions timeout:30 attempts:1\n");
        self.machine.write_etc("resolv.conf", &resolver);
        self.machine.write_etc("nsswitch.conf", "hosts: files dns\n");
        self
    }

    /// Its address on the nth cable.
    pub fn address(&self, n: usize) -> Ipv4Addr {
        self.cables[n].address
    }

    /// How many cables it has.
    pub fn cables(&self) -> usize {
        self.cables.len()
    }

    /// Takes its IPv4 addresses away; those for HTTP stay.
    pub fn without_ipv4(self) -> Self {
        for (n, Cable { address, .. }) in self.cables.iter().enumerate() {
            self.machine.ip(&format!("address del {address}/24 dev eth{n}")).unwrap();
        }
        self
    }

    /// IPv6 looks alive, and no UDP comes in by it.
    pub fn with_broken_ipv6(self) -> Self {
        self.machine.nft(
            "table ip6 broken {
                chain swallow {
                    type filter hook input priority 0
                    meta l4proto udp drop
                }
            }",
        );
        self
    }

    /// Its own firewall lets in only who was sent to, HTTP aside; names are looked up (mDNS) all the same.
    pub fn with_firewall(self) -> Self {
        self.machine.nft(
            "table inet firewall {
                chain guard {
                    type filter hook input priority 0
                    ct state established,related accept
                    meta l4proto udp udp dport != 5353 drop
                    iifname eth* meta l4proto tcp drop
                }
            }",
        );
        self
    }

    /// No name is told to it by the network (mDNS).
    pub fn without_mdns(self) -> Self {
        self.machine.nft(
            "table ip deaf {
                chain swallow {
                    type filter hook input priority 0
                    udp dport 5353 drop
                }
            }",
        );
        self
    }

    /// Pulls the nth cable, which its system sees.
    pub fn unplug(&self, n: usize) {
        self.machine.ip(&format!("link set dev eth{n} down")).unwrap();
    }

    /// Pulls the nth cable, and its system takes the address away, too, as those of people do.
    pub fn leave(&self, n: usize) {
        let address = self.address(n);
        let lines = format!("address del {address}/24 dev eth{n}\nlink set dev eth{n} down");
        self.machine.ip(&lines).unwrap();
    }

    /// Its connections by `eth…` break, as when a router has forgotten them: whatever is sent by them is
    /// refused. New ones are not.
    pub fn reset_connections(&self) {
        let mut list = self.machine.command("ss");
        let listed = list.args(["-Htn", "state", "established"]).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let locals = listed.lines().filter_map(|line| line.split_whitespace().nth(2));
        let ports = locals.filter(|local| !local.starts_with("10.99.0."));
        let ports: Vec<_> = ports.filter_map(|local| Some(local.rsplit_once(':')?.1)).collect();
        assert!(!ports.is_empty(), "{listed}");
        self.machine.nft(&format!(
            "table inet broken {{
                chain refuse {{
                    type filter hook output priority 0
                    oifname eth* tcp sport {{ {} }} reject with tcp reset
                }}
            }}",
            ports.join(", ")
        ));
    }

    /// Puts in the cable that [`Computer::leave`] has pulled, and gets an address.
    pub fn join(&self, n: usize) {
        let address = self.address(n);
        let lines = format!("link set dev eth{n} up\naddress add {address}/24 dev eth{n}");
        self.machine.ip(&lines).unwrap();
        self.find_ways(n);
    }

    /// The same, as somebody whom that network has never seen: it gets another address.
    pub fn join_as_another(&self, n: usize) {
        let [a, b, c, d] = self.address(n).octets();
        let (address, table) = (Ipv4Addr::new(a, b, c, d + 1), 100 + n);
        let lines = format!(
            "link set dev eth{n} up
             address add {address}/24 dev eth{n}
             rule add from {address} table {table}"
        );
        self.machine.ip(&lines).unwrap();
        self.find_ways(n);
    }

    /// Where programs run on it, as soon as every interface works: whoever only looks once, at its start,
    /// would see no network.
    pub fn place(&self) -> &Namespace {
        let is_up = || {
            let links =
                Command::new("ip").args(["-n", &self.machine.name, "link"]).output().unwrap();
            let links = String::from_utf8(links.stdout).unwrap();
            // The flag is there unless the cable was pulled; the state follows it.
            let pulled = |line: &str| !line.contains(",UP");
            let up =
                |line: &str| line.contains("LOOPBACK") || line.contains("state UP") || pulled(line);
            links.lines().filter(|line| line.contains("state ")).all(up)
        };
        // Nothing tells but `ip monitor`, whose beginning may be too late. Each look takes a millisecond
        // or more.
        assert!((0..10_000).any(|_| is_up()), "an interface of {} stays down", self.machine.name);
        &self.namespace
    }
}

impl Ports {
    /// Whatever the system picks: nobody forwards these.
    pub const ANY: Self = Self { first: 0 };

    const fn last(self) -> u16 {
        self.first + 99
    }
}

/// A network namespace: a machine as far as networks are concerned.
pub struct Machine {
    name: String,
}

/// Machines made by this process.
static MACHINES: AtomicU32 = AtomicU32::new(0);

impl Machine {
    /// A machine without a cable.
    pub fn new() -> Result<Self, String> {
        let n = MACHINES.fetch_add(1, Ordering::Relaxed);
        let machine = Self { name: format!("halloo-{}-lab{n}", std::process::id()) };
        run(Command::new("ip").args(["netns", "add", &machine.name]), "")?;
        machine.ip("link set dev lo up")?;
        Ok(machine)
    }

    /// As `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs commands of `ip`, a line each.
    pub fn ip(&self, lines: &str) -> Result<(), String> {
        run(Command::new("ip").args(["-n", &self.name, "-batch", "-"]), lines)
    }

    /// Takes in rules of `nft`.
    pub fn nft(&self, rules: &str) {
        run(self.command("nft").args(["-f", "-"]), rules).unwrap();
    }

    /// A command that will run in it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// The files that `ip netns exec` shows instead of those in /etc.
    fn etc(&self) -> PathBuf {
        Path::new("/etc/netns").join(&self.name)
    }

    fn write_etc(&self, file: &str, text: &str) {
        std::fs::create_dir_all(self.etc()).unwrap();
        std::fs::write(self.etc().join(file), text).unwrap();
    }

    fn may_forward(&self) -> Result<(), String> {
        self.set("ipv4/ip_forward", "1")?;
        self.set("ipv6/conf/all/forwarding", "1")
    }

    fn set(&self, setting: &str, value: &str) -> Result<(), String> {
        run(self.command("tee").arg(format!("/proc/sys/net/{setting}")), value)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = run(Command::new("ip").args(["netns", "delete", &self.name]), "");
        let _none_of_its_own = std::fs::remove_dir_all(self.etc());
    }
}

/// A pair of interfaces, in two machines; the first may be part of a bridge there.
fn cable(one: (&Machine, &str, Option<&str>), other: (&Machine, &str)) {
    let ((hub, end, bridge), (machine, interface)) = (one, other);
    let mut lines =
        format!("link add name {end} type veth peer name {interface} netns {}\n", machine.name);
    if let Some(bridge) = bridge {
        writeln!(lines, "link set dev {end} master {bridge}").unwrap();
    }
    writeln!(lines, "link set dev {end} addrgenmode none up").unwrap();
    hub.ip(&lines).unwrap();
    machine.ip(&format!("link set dev {interface} addrgenmode none up")).unwrap();
}

fn run(command: &mut Command, input: &str) -> Result<(), String> {
    let told = format!("{command:?}");
    let Output { status, stderr, .. } = (|| {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        child.stdin.take().unwrap().write_all(input.as_bytes())?;
        child.wait_with_output()
    })()
    .map_err(|error: std::io::Error| format!("{told}: {error} (Debian: iproute2, nftables)"))?;
    let said = String::from_utf8_lossy(&stderr);
    if status.success() { Ok(()) } else { Err(format!("{told}: {}\n{input}", said.trim())) }
}
