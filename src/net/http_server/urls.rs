//! Where people can open the page: addresses that they can use, never `0.0.0.0`.
//!
//! One that listens on a single address is reached there. One that listens on all is reached at each
//! address by which a call could go (see [`interfaces::usable`]), in this order: that of the way to the
//! internet, which is nearly always the one that phones and other computers are on too; the others;
//! loopback, which serves only this machine. IPv4 first, because people type it more easily. IPv6
//! link-local addresses are left out: URLs have no place for the interface that they need.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use crate::net::interfaces::{self, Address};

/// The URLs for a listener at `local`, the best first.
pub(super) fn all(local: SocketAddr, scheme: &str) -> Vec<String> {
    let url = |ip: IpAddr| format!("{scheme}://{}/", SocketAddr::new(ip, local.port()));
    if !local.ip().is_unspecified() {
        return vec![url(local.ip())];
    }
    let machine = interfaces::addresses().unwrap_or_default();
    addresses(&machine, local, way_out()).into_iter().map(url).collect()
}

fn addresses(machine: &[Address], local: SocketAddr, way_out: Option<IpAddr>) -> Vec<IpAddr> {
    let usable = interfaces::usable(machine, &[]).into_iter().map(|(address, _)| address.ip);
    let mut urls: Vec<_> = usable
        .filter(|ip| local.is_ipv6() || ip.is_ipv4())
        .filter(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()))
        .collect();
    urls.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6(), Some(*ip) != way_out));
    urls.dedup();
    urls
}

/// The address that packets to the internet would bear. Connecting a UDP socket sends none.
fn way_out() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((SOMEWHERE, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Nobody has it (RFC 5737); the way there is the way to everywhere.
const SOMEWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::interfaces::{Link, Standing, Status};

    fn machine(lines: &[&str]) -> Vec<Address> {
        let address = |line: &&str| {
            let (interface, ip) = line.split_once(' ').unwrap();
            let (interface, ip) = (interface.to_owned(), ip.parse().unwrap());
            let (status, link, standing) = (Status::Up, Link::Network, Standing::Lasting);
            Address { interface, index: 1, ip, status, link, standing }
        };
        lines.iter().map(address).collect()
    }

    #[test]
    fn the_address_that_others_reach_comes_first() {
        let machine = machine(&[
            "lo 127.0.0.1",
            "lo ::1",
            "docker0 172.17.0.1",
            "wlan0 192.0.2.2",
            "wlan0 2001:db8::2",
            "eth0 fe80::1",
        ]);
        let shown = |local: &str, way_out: &str| {
            let way_out = way_out.parse().ok();
            let urls = addresses(&machine, local.parse().unwrap(), way_out);
            urls.iter().map(IpAddr::to_string).collect::<Vec<_>>()
        };
        assert_eq!(shown("0.0.0.0:1", "192.0.2.2"), ["192.0.2.2", "172.17.0.1", "127.0.0.1"]);
        assert_eq!(shown("0.0.0.0:1", ""), ["172.17.0.1", "192.0.2.2", "127.0.0.1"]);
        assert_eq!(
            shown("[::]:1", "192.0.2.2"),
            ["192.0.2.2", "172.17.0.1", "2001:db8::2", "127.0.0.1", "::1"]
        );
    }

    #[test]
    fn one_address_is_shown_as_it_is() {
        assert_eq!(all("[::1]:81".parse().unwrap(), "https"), ["https://[::1]:81/"]);
        let urls = all("0.0.0.0:81".parse().unwrap(), "http");
        assert!(urls.contains(&"http://127.0.0.1:81/".to_owned()), "{urls:?}");
        assert!(!urls.iter().any(|url| url.contains("0.0.0.0")), "{urls:?}");
    }
}
