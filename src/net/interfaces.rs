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
//! | IPv6 site-local (fec0::/10), IPv4-compatible, IPv4-mapped | never | deprecated, or the IPv4 address again |
//! | unspecified, multicast, broadcast | never | not an address to be reached at |
//! | any other | always | |
//!
//! Comes from the system by [`addresses`]; goes to `udp`, which binds a socket to each. Read next:
//! `udp.rs`.

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
}

/// Whether an interface works, as far as the system says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does, or the system doesn't know (loopback and tunnels often have no such notion).
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
}

/// The addresses that this machine has at the moment.
///
/// # Errors
/// The system doesn't say.
pub fn addresses() -> std::io::Result<Vec<Address>> {
    let interfaces = get_if_addrs()?;
    Ok(interfaces.into_iter().map(address).collect())
}

fn address(interface: if_addrs::Interface) -> Address {
    let status = match interface.oper_status {
        IfOperStatus::Down | IfOperStatus::NotPresent | IfOperStatus::LowerLayerDown => {
            Status::Down
        }
        _ => Status::Up,
    };
    Address {
        ip: interface.ip(),
        index: interface.index.unwrap_or(0),
        status,
        interface: interface.name,
    }
}

/// The table above: the usable addresses, and which calls each serves, loopback last.
#[must_use]
pub fn usable<'a>(addresses: &'a [Address], wanted: &[String]) -> Vec<(&'a Address, Serves)> {
    let mut usable: Vec<_> = addresses
        .iter()
        .filter_map(|address| Some((address, serves(address, addresses, wanted)?)))
        .collect();
    usable.sort_by_key(|(address, _)| address.ip.is_loopback()); // stable: the rest keep their order
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
    if address.status == Status::Down || !is_reachable(address.ip) {
        return None;
    }
    let is_wanted = wanted.contains(&address.interface);
    if !wanted.is_empty() && !is_wanted {
        return None;
    }
    if address.ip.is_loopback() {
        return Some(if is_wanted { Serves::EveryCall } else { Serves::LocalCalls });
    }
    let mut neighbours = all.iter().filter(|other| other.interface == address.interface);
    let has_better = if is_link_local(address.ip) {
        neighbours.any(|other| !is_link_local(other.ip) && is_reachable(other.ip))
    } else {
        tells_the_hardware(address.ip)
            && neighbours.any(|other| hides_the_hardware(other.ip, address.ip))
    };
    (!has_better).then_some(Serves::EveryCall)
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
        Address { interface: interface.into(), index: 1, ip: ip.parse().unwrap(), status }
    }

    type Rule =
        (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

    /// (the rule, the machine's addresses, `--interface`, those used, with `~` before those
    /// for local calls only)
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
                    let status = if words.len() == 3 { Status::Down } else { Status::Up };
                    address(words[0], words[1], status)
                })
                .collect();
            let wanted: Vec<_> = wanted.iter().map(|name| (*name).to_owned()).collect();
            let used: Vec<_> = usable(&machine, &wanted)
                .into_iter()
                .map(|(address, serves)| match serves {
                    Serves::EveryCall => address.ip.to_string(),
                    Serves::LocalCalls => format!("~{}", address.ip),
                })
                .collect();
            assert_eq!(used, *expected, "{rule}");
        }
    }

    #[test]
    fn the_system_names_its_addresses() {
        let found = addresses().unwrap();
        assert!(found.iter().any(|address| address.ip.is_loopback()), "{found:?}");
    }
}
