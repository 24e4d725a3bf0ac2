//! Which of this machine's addresses a call may use (RFC 8445 section 5.1.1.1).
//!
//! | address | used | because |
//! | --- | --- | --- |
//! | of an interface that is down | never | nobody hears us there |
//! | of an interface not named, when some are | never | that is what naming them is for |
//! | on a named interface, also loopback | always | whoever names it means it |
//! | 127.0.0.0/8, ::1 | only when the signalling runs over loopback, last | elsewhere it is the other side's own machine |
//! | link-local (169.254/16, fe80::/10) | only where the interface has nothing else | it works on a cable between two laptops; elsewhere it only costs checks, and a candidate can't say which of the other side's interfaces it belongs to |
//! | an IPv6 address made from the hardware's, beside one that isn't, in one network | never | it would tell everywhere which machine this is |
//! | a lasting IPv6 address beside a temporary one of its interface | never | RFC 8835 section 3.3: the temporary ones are there to be shown instead |
//! | a deprecated IPv6 address | by calls that have it, not by new ones, if its interface has another | RFC 8835 section 3.3; it will be gone soon |
//! | an IPv6 address that is still being checked for duplicates, or is one | not yet, or never | it can't be bound |
//! | of a tunnel (VPN, point to point) | after the others | it is a detour, unless it is the only way |
//! | of a bridge to containers or virtual machines | only for calls signalled by it | it leads into this machine; 172.17.0.1 is on half of all others, too, and each such pair costs a check |
//! | IPv6 site-local (fec0::/10), IPv4-compatible, IPv4-mapped | never | deprecated, or the IPv4 address again |
//! | unspecified, multicast, broadcast | never | not an address to be reached at |
//! | any other | always | |
//!
//! Comes from the system by [`addresses`]; goes to `udp`, which binds a socket to each. Read next:
//! `udp.rs`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use if_addrs::{IfOperStatus, get_if_addrs};

/// An address of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The interface that has it.
    pub interface: String,
    /// That interface's number: a link-local address means nothing without it.
    pub index: u32,
    /// The address.
    pub ip: IpAddr,
    /// Whether the interface works.
    pub status: Status,
    /// What sort of interface it is.
    pub link: Link,
    /// How long the address will last.
    pub standing: Standing,
}

/// What an interface leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// A network.
    #[default]
    Network,
    /// One other machine, through another network: VPN, PPP.
    Tunnel,
    /// Containers and virtual machines on this machine.
    Inside,
}

/// How long an address will last, as far as the system says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// No end is known.
    #[default]
    Lasting,
    /// Made up for some hours, so that nobody is recognised by it (RFC 8981).
    Temporary,
    /// To be used no more for what begins now (RFC 4862 section 5.5.4).
    Deprecated,
    /// Not ours yet, or somebody else's, too (RFC 4862 section 5.4).
    Unusable,
}

/// Whether an interface works, as far as the system says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does, or the system doesn't know.
    Up,
    /// No cable, switched off.
    Down,
}

/// When an address serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// Every call.
    EveryCall,
    /// Calls whose signalling runs over loopback.
    LocalCalls,
    /// Calls whose signalling comes by this very address.
    CallsByIt,
    /// Calls that have it already.
    OldCalls,
}

/// The addresses that this machine has at the moment.
///
/// # Errors
/// The system doesn't say.
pub fn addresses() -> std::io::Result<Vec<Address>> {
    let interfaces = get_if_addrs()?;
    let standings = standings();
    let standing = |ip| standings.get(&ip).copied().unwrap_or_default();
    Ok(interfaces.into_iter().map(|it| address(standing(it.ip()), it)).collect())
}

/// What Linux says of its IPv6 addresses. Elsewhere, and where it says nothing, all are lasting.
fn standings() -> BTreeMap<IpAddr, Standing> {
    let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    table.lines().filter_map(standing).collect()
}

/// A line of `/proc/net/if_inet6`: address, interface number, prefix length, scope, flags, interface.
fn standing(line: &str) -> Option<(IpAddr, Standing)> {
    let mut words = line.split_whitespace();
    let ip = Ipv6Addr::from(u128::from_str_radix(words.next()?, 16).ok()?);
    let flags = u32::from_str_radix(words.nth(3)?, 16).ok()?;
    // linux/if_addr.h
    let has = |flag: u32| flags & flag != 0;
    let standing = if has(0x40 | 0x08) && !has(0x04) {
        Standing::Unusable // tentative, or found twice; unless optimistic
    } else if has(0x20) {
        Standing::Deprecated
    } else if has(0x01) {
        Standing::Temporary
    } else {
        Standing::Lasting
    };
    Some((ip.into(), standing))
}

/// Bridges to containers and virtual machines, by the names that those who make them give.
fn leads_inside(interface: &str) -> bool {
    const MAKERS: [&str; 10] = [
        "docker", "podman", "cni", "flannel", "cali", "virbr", "lxcbr", "lxdbr", "vmnet", "vboxnet",
    ];
    let of_docker = interface.strip_prefix("br-");
    MAKERS.iter().any(|maker| interface.starts_with(maker))
        || of_docker.is_some_and(|id| id.len() == 12 && id.chars().all(|c| c.is_ascii_hexdigit()))
}

fn address(standing: Standing, interface: if_addrs::Interface) -> Address {
    let link = if leads_inside(&interface.name) {
        Link::Inside
    } else if interface.is_p2p {
        Link::Tunnel
    } else {
        Link::Network
    };
    let status = match interface.oper_status {
        // What getifaddrs(3) knows is IFF_RUNNING; Linux sets it for tunnels and loopback, too.
        IfOperStatus::Unknown if cfg!(unix) => Status::Down,
        IfOperStatus::Down | IfOperStatus::NotPresent | IfOperStatus::LowerLayerDown => {
            Status::Down
        }
        _ => Status::Up,
    };
    Address {
        ip: interface.ip(),
        index: interface.index.unwrap_or(0),
        status,
        link,
        standing,
        interface: interface.name,
    }
}

/// The table above: the usable addresses, and which calls each serves; tunnels after networks, then what
/// leads into this machine, loopback last.
#[must_use]
pub fn usable<'a>(addresses: &'a [Address], wanted: &[String]) -> Vec<(&'a Address, Serves)> {
    let mut usable: Vec<_> = addresses
        .iter()
        .filter_map(|address| Some((address, serves(address, addresses, wanted)?)))
        .collect();
    usable.sort_by_key(|(address, _)| (address.ip.is_loopback(), address.link)); // stable
    usable
}

/// What this machine is called: `name`, and if that has a domain, the first part alone before it.
#[must_use]
pub fn host_names() -> Vec<String> {
    let full = gethostname::gethostname().to_string_lossy().to_ascii_lowercase();
    let first = full.split('.').next().map(str::to_owned);
    let mut names: Vec<_> = first.into_iter().chain([full]).filter(|n| !n.is_empty()).collect();
    names.dedup();
    names
}

fn serves(address: &Address, all: &[Address], wanted: &[String]) -> Option<Serves> {
    let dead = address.status == Status::Down || address.standing == Standing::Unusable;
    if dead || !is_reachable(address.ip) {
        return None;
    }
    let is_wanted = wanted.contains(&address.interface);
    if !wanted.is_empty() && !is_wanted {
        return None;
    }
    if address.ip.is_loopback() {
        return Some(if is_wanted { Serves::EveryCall } else { Serves::LocalCalls });
    }
    if has_better(address, all) {
        return None;
    }
    Some(if is_outlived(address, all) {
        Serves::OldCalls
    } else if address.link == Link::Inside && !is_wanted {
        Serves::CallsByIt
    } else {
        Serves::EveryCall
    })
}

/// The others of its interface.
fn neighbours<'a>(
    address: &'a Address,
    all: &'a [Address],
) -> impl Iterator<Item = &'a Address> + 'a {
    all.iter().filter(move |other| other.interface == address.interface && other.ip != address.ip)
}

/// Whether another address of its interface is to be used instead.
fn has_better(address: &Address, all: &[Address]) -> bool {
    let mut neighbours = neighbours(address, all);
    if is_link_local(address.ip) {
        let usable =
            |other: &Address| other.standing != Standing::Unusable && is_reachable(other.ip);
        return neighbours.any(|other| !is_link_local(other.ip) && usable(other));
    }
    address.ip.is_ipv6()
        && neighbours.any(|other| {
            let is_temporary =
                other.standing == Standing::Temporary && address.standing == Standing::Lasting;
            let hides = tells_the_hardware(address.ip) && hides_the_hardware(other.ip, address.ip);
            is_temporary || hides
        })
}

/// Whether it is deprecated, and another IPv6 address of its interface isn't.
fn is_outlived(address: &Address, all: &[Address]) -> bool {
    let lasts = |other: &Address| {
        let alive = matches!(other.standing, Standing::Lasting | Standing::Temporary);
        other.ip.is_ipv6() && !is_link_local(other.ip) && is_reachable(other.ip) && alive
    };
    address.standing == Standing::Deprecated && neighbours(address, all).any(lasts)
}

/// Whether this is one machine's address at all.
fn is_reachable(ip: IpAddr) -> bool {
    let deprecated = match ip {
        IpAddr::V4(ip) => ip.is_broadcast(),
        // `to_ipv4` takes ::1 for an IPv4 address too.
        IpAddr::V6(ip) => is_site_local(ip) || (ip.to_ipv4().is_some() && !ip.is_loopback()),
    };
    !deprecated && !ip.is_unspecified() && !ip.is_multicast()
}

fn is_site_local(ip: Ipv6Addr) -> bool {
    let [first, ..] = ip.segments();
    first & 0xffc0 == 0xfec0
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// An interface identifier made from a MAC address has ff:fe in its middle (RFC 4291 appendix A).
fn tells_the_hardware(ip: IpAddr) -> bool {
    let IpAddr::V6(ip) = ip else { return false };
    let [.., a, b, _, _, _] = ip.octets();
    [a, b] == [0xff, 0xfe]
}

/// Whether `other` says the same as `ip`, less the hardware: it is in the same /64.
fn hides_the_hardware(other: IpAddr, ip: IpAddr) -> bool {
    let network = |ip: Ipv6Addr| u128::from(ip) >> 64;
    match (other, ip) {
        (IpAddr::V6(other), IpAddr::V6(ip)) => {
            network(other) == network(ip) && !tells_the_hardware(other.into())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(interface: &str, ip: &str, status: Status) -> Address {
        let link = if leads_inside(interface) {
            Link::Inside
        } else if interface.starts_with("tun") {
            Link::Tunnel
        } else {
            Link::Network
        };
        let standing = Standing::Lasting;
        Address {
            interface: interface.into(),
            index: 1,
            ip: ip.parse().unwrap(),
            status,
            link,
            standing,
        }
    }

    type Rule =
        (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

    /// (the rule, the machine's addresses, `--interface`, those used, with `~` before those
    /// for local calls only, `=` for calls by them, `-` for old ones)
    const RULES: &[Rule] = &[
        (
            "rfc8445-5.1.1.1-2: an ordinary machine",
            &["lo 127.0.0.1", "lo ::1", "eth0 192.0.2.2", "eth0 2001:db8::2"],
            &[],
            &["192.0.2.2", "2001:db8::2", "~127.0.0.1", "~::1"],
        ),
        ("down", &["eth0 192.0.2.2 down", "wlan0 192.0.2.3"], &[], &["192.0.2.3"]),
        (
            "named",
            &["eth0 192.0.2.2", "wlan0 192.0.2.3", "lo 127.0.0.1"],
            &["wlan0"],
            &["192.0.2.3"],
        ),
        (
            "rfc8445-5.1.1.1-1: loopback named",
            &["eth0 192.0.2.2", "lo 127.0.0.1"],
            &["lo"],
            &["127.0.0.1"],
        ),
        (
            "both named",
            &["lo 127.0.0.1", "eth0 192.0.2.2"],
            &["lo", "eth0"],
            &["192.0.2.2", "127.0.0.1"],
        ),
        (
            "an address of a service, on loopback's interface",
            &["lo 192.0.2.9"],
            &[],
            &["192.0.2.9"],
        ),
        (
            "rfc8445-5.1.1.1-3: link-local beside a global address",
            &["eth0 fe80::1", "eth0 192.0.2.2", "wlan0 169.254.1.1"],
            &[],
            &["192.0.2.2", "169.254.1.1"],
        ),
        (
            "nothing but link-local",
            &["eth0 fe80::1", "eth0 169.254.1.1"],
            &[],
            &["fe80::1", "169.254.1.1"],
        ),
        (
            "hardware address beside a private one",
            &["eth0 2001:db8::fc:ff:fe00:1", "eth0 2001:db8::77"],
            &[],
            &["2001:db8::77"],
        ),
        (
            "hardware address alone in its network",
            &["eth0 2001:db8::fc:ff:fe00:1", "eth0 2001:db8:1::77"],
            &[],
            &["2001:db8::fc:ff:fe00:1", "2001:db8:1::77"],
        ),
        (
            "temporary beside lasting, each interface for itself",
            &["eth0 2001:db8::1", "eth0 2001:db8::77 temporary", "wlan0 2001:db8:1::1"],
            &[],
            &["2001:db8::77", "2001:db8:1::1"],
        ),
        (
            "deprecated, with another and alone",
            &["eth0 2001:db8::1", "eth0 2001:db8::2 deprecated", "wlan0 2001:db8:1::1 deprecated"],
            &[],
            &["2001:db8::1", "-2001:db8::2", "2001:db8:1::1"],
        ),
        ("not ours yet", &["eth0 2001:db8::1 tentative", "eth0 fe80::1"], &[], &["fe80::1"]),
        (
            "tunnels and bridges",
            &["docker0 172.17.0.1", "tun0 10.8.0.2", "eth0 192.0.2.2", "br-lan 192.0.2.3"],
            &[],
            &["192.0.2.2", "192.0.2.3", "10.8.0.2", "=172.17.0.1"],
        ),
        ("a bridge named", &["docker0 172.17.0.1"], &["docker0"], &["172.17.0.1"]),
        (
            "rfc8445-5.1.1.1-3: no unicast, or none any more",
            &[
                "a 0.0.0.0",
                "a 224.0.0.1",
                "a 255.255.255.255",
                "a ::",
                "a ff02::1",
                "a fec0::1",
                "a ::ffff:192.0.2.1",
                "a ::192.0.2.1",
            ],
            &[],
            &[],
        ),
    ];

    #[test]
    fn each_rule_of_the_table_holds() {
        for (rule, machine, wanted, expected) in RULES {
            let machine: Vec<_> = machine
                .iter()
                .map(|line| {
                    let words: Vec<_> = line.split(' ').collect();
                    let word = words.get(2).copied().unwrap_or_default();
                    let status = if word == "down" { Status::Down } else { Status::Up };
                    let standing = match word {
                        "temporary" => Standing::Temporary,
                        "deprecated" => Standing::Deprecated,
                        "tentative" => Standing::Unusable,
                        _ => Standing::Lasting,
                    };
                    Address { standing, ..address(words[0], words[1], status) }
                })
                .collect();
            let wanted: Vec<_> = wanted.iter().map(|name| (*name).to_owned()).collect();
            let used: Vec<_> = usable(&machine, &wanted)
                .into_iter()
                .map(|(address, serves)| match serves {
                    Serves::EveryCall => address.ip.to_string(),
                    Serves::LocalCalls => format!("~{}", address.ip),
                    Serves::CallsByIt => format!("={}", address.ip),
                    Serves::OldCalls => format!("-{}", address.ip),
                })
                .collect();
            assert_eq!(used, *expected, "{rule}");
        }
    }

    #[test]
    fn linux_says_how_long_an_ipv6_address_will_last() {
        for (flags, expected) in [
            ("80", Standing::Lasting),
            ("01", Standing::Temporary),
            ("a1", Standing::Deprecated),
            ("c0", Standing::Unusable),
            ("48", Standing::Unusable),
            ("44", Standing::Lasting),
        ] {
            let line = format!("20010db8000000000000000000000001 02 40 00 {flags}     eth0");
            assert_eq!(standing(&line), Some(("2001:db8::1".parse().unwrap(), expected)));
        }
        assert_eq!(standing("nonsense"), None);
    }

    #[test]
    fn the_system_names_its_addresses() {
        let found = addresses().unwrap();
        assert!(found.iter().any(|address| address.ip.is_loopback()), "{found:?}");
    }
}
