//! Names on the local network: mDNS (RFC 6762) and DNS-SD (RFC 6763), by a library.
//!
//! ```text
//! announce   "Anna's laptop._halloo._tcp.local": port, tls=, path=   -> others' `halloo peers`
//! neighbours everybody who announces that                            -> `halloo peers`, `halloo call NAME`
//! resolve    "4f2c….local", a browser's hidden candidate             -> its address
//! ```
//! It speaks on the interfaces that calls use and on no other, and not before it is asked something: a
//! program that nobody asked to announce itself should not be heard on the network.
//!
//! What comes from the network is a stranger's word: names are cleaned before they are shown, and that
//! somebody is called as they announce proves nothing. That is what first-use trust and the phrase are for.
//!
//! Comes from `cli`; the driver resolves candidates by it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use mdns_sd::{
    HostnameResolutionEvent, IfKind, Receiver, ResolvedService, ServiceDaemon, ServiceEvent,
    ServiceInfo,
};
use tokio::time::timeout;

use super::interfaces::{Link, addresses};
use super::world;

/// The service type (RFC 6335): calls by WHIP.
pub const SERVICE: &str = "_halloo._tcp.local.";

/// Speaks mDNS. Clones speak by the same sockets.
#[derive(Clone)]
pub struct Discovery {
    daemon: ServiceDaemon,
}

/// There is no mDNS here.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the local network can't be asked for names: {0}")]
pub struct DiscoveryError(String);

/// What others are to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// What people call it.
    pub name: String,
    /// Where its page and endpoints are.
    pub port: u16,
    /// Whether they speak TLS.
    pub tls: bool,
}

/// A halloo on this network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// What people call it.
    pub name: String,
    /// Where it is, IPv4 first; at least one.
    pub addresses: Vec<IpAddr>,
    /// Its port.
    pub port: u16,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The path of its endpoint.
    pub path: String,
}

/// Somebody came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// Is there, or is there with other addresses.
    Found(Neighbour),
    /// Said goodbye, or is not heard any more.
    Gone {
        /// What people called it.
        name: String,
    },
}

impl Discovery {
    /// Opens the sockets, on these interfaces or on those that calls use.
    ///
    /// # Errors
    /// The system doesn't allow it.
    pub fn start(interfaces: &[String]) -> Result<Self, DiscoveryError> {
        let addresses = addresses().map_err(DiscoveryError::new)?;
        let daemon = ServiceDaemon::new()?;
        let named = |names: Vec<String>| names.into_iter().map(IfKind::Name).collect::<Vec<_>>();
        if interfaces.is_empty() {
            // What leads into this machine; of other interfaces, also those that come later are used.
            let inside =
                addresses.iter().filter(|it| it.ip.is_loopback() || it.link == Link::Inside);
            daemon.disable_interface(named(inside.map(|it| it.interface.clone()).collect()))?;
        } else {
            daemon.disable_interface(IfKind::All)?;
            daemon.enable_interface(named(interfaces.to_vec()))?;
        }
        Ok(Self { daemon })
    }

    /// Tells the network who is here, until [`Discovery::farewell`].
    ///
    /// # Errors
    /// The name can't be announced.
    pub fn announce(&self, announcement: &Announcement) -> Result<(), DiscoveryError> {
        let Announcement { name, port, tls } = announcement;
        let properties = [("path", "/whip"), ("tls", if *tls { "1" } else { "0" })];
        // The machine's own name is its own responder's business.
        let host = format!("{}.local.", unguessable_label()?);
        let name = label(name);
        let service = ServiceInfo::new(SERVICE, &name, &host, "", *port, &properties[..])?;
        Ok(self.daemon.register(service.enable_addr_auto())?)
    }

    /// Answers for this host name, without `.local`, with this address (the mDNS candidate draft, section
    /// 3.1.1). It has to be a name that nobody else can have, so it isn't probed for.
    ///
    /// # Errors
    /// The name can't be used.
    pub fn host(&self, name: &str, ip: IpAddr) -> Result<(), DiscoveryError> {
        // The library answers for hosts of services only.
        let host = format!("{name}.local.");
        let mut service = ServiceInfo::new(HOSTS, name, &host, ip, DISCARD, &[("", ""); 0][..])?;
        service.set_requires_probe(false);
        Ok(self.daemon.register(service)?)
    }

    /// Whoever announces itself from now on; those who are there already within a second or so.
    ///
    /// # Errors
    /// The system doesn't allow it.
    pub fn neighbours(&self) -> Result<Neighbours, DiscoveryError> {
        let seen = self.daemon.browse(SERVICE)?;
        Ok(Neighbours { daemon: self.daemon.clone(), seen, asked: BTreeMap::new() })
    }

    /// The address behind a `.local` name; IPv4 if it has both.
    pub async fn resolve(&self, name: &str, within: Duration) -> Option<IpAddr> {
        let name = format!("{}.", name.trim_end_matches('.'));
        let limit = u64::try_from(within.as_millis()).ok();
        let found = self.daemon.resolve_hostname(&name, limit).ok()?;
        let first = async {
            loop {
                match found.recv_async().await.ok()? {
                    HostnameResolutionEvent::AddressesFound(_, addresses) => {
                        let addresses = sorted(addresses.iter().map(mdns_sd::ScopedIp::to_ip_addr));
                        return addresses.first().copied();
                    }
                    HostnameResolutionEvent::SearchTimeout(_)
                    | HostnameResolutionEvent::SearchStopped(_) => return None,
                    _ => {}
                }
            }
        };
        let address = timeout(within, first).await.ok().flatten();
        let _ended_already = self.daemon.stop_resolve_hostname(&name);
        address
    }

    /// Takes back what was announced, and ends.
    pub async fn farewell(self) {
        if let Ok(gone) = self.daemon.shutdown() {
            let _sent = timeout(FAREWELL, gone.recv_async()).await;
        }
    }
}

/// Who is seen on the network.
pub struct Neighbours {
    daemon: ServiceDaemon,
    seen: Receiver<ServiceEvent>,
    /// Hosts whose addresses are asked for; the daemon does it for as long as it can tell somebody.
    asked: BTreeMap<String, Receiver<HostnameResolutionEvent>>,
}

impl Neighbours {
    /// The next one who comes or goes; `None` when nobody looks any more.
    pub async fn next(&mut self) -> Option<Sighting> {
        loop {
            match self.seen.recv_async().await.ok()? {
                ServiceEvent::ServiceResolved(service) => match neighbour(&service) {
                    Some(neighbour) => return Some(Sighting::Found(neighbour)),
                    None => self.ask_for_addresses(&service.host),
                },
                ServiceEvent::ServiceRemoved(_, name) => {
                    return Some(Sighting::Gone { name: instance(&name) });
                }
                ServiceEvent::SearchStopped(_) => return None,
                _ => {}
            }
        }
    }

    /// An announcement comes by IPv4 and by IPv6, each with the addresses of its kind. One of the two may
    /// be left out, because its records went to everybody a moment ago (RFC 6762 section 6), and is not
    /// repeated to whoever knows the rest. What comes of asking is a sighting with more addresses.
    fn ask_for_addresses(&mut self, host: &str) {
        if self.asked.len() < HOSTS_ASKED
            && !self.asked.contains_key(host)
            && let Ok(answers) = self.daemon.resolve_hostname(host, Some(ASKED_FOR_MS))
        {
            self.asked.insert(host.to_owned(), answers);
        }
    }
}

impl Neighbour {
    /// Where to call it, by its first address.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let host = match self.addresses.first() {
            Some(IpAddr::V4(ip)) => ip.to_string(),
            Some(IpAddr::V6(ip)) => format!("[{ip}]"),
            None => String::new(),
        };
        format!("{scheme}://{host}:{}{}", self.port, self.path)
    }
}

impl DiscoveryError {
    /// Because of this.
    pub fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl From<mdns_sd::Error> for DiscoveryError {
    fn from(error: mdns_sd::Error) -> Self {
        Self(error.to_string())
    }
}

/// Who it is, if it can be called at all.
///
/// Not by a link-local IPv6 address: a URL can't name the interface that it needs (RFC 9844 has taken back how
/// one could). Where there is nothing else, nobody is seen; such cables have link-local IPv4 beside it.
fn neighbour(service: &ResolvedService) -> Option<Neighbour> {
    let addresses = service.addresses.iter().map(mdns_sd::ScopedIp::to_ip_addr);
    let addresses = sorted(addresses.filter(|ip| !is_scoped(*ip)));
    let path = service.get_property_val_str("path").unwrap_or("/whip");
    let callable = !addresses.is_empty() && service.port != 0 && path.starts_with('/');
    callable.then(|| Neighbour {
        name: instance(&service.fullname),
        addresses,
        port: service.port,
        tls: service.get_property_val_str("tls") == Some("1"),
        path: path.chars().filter(char::is_ascii_graphic).collect(),
    })
}

const fn is_scoped(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// IPv4 first; link-local addresses behind the others of their kind.
fn sorted(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut addresses: Vec<_> = addresses.collect();
    addresses.sort_by_key(|ip| match ip {
        IpAddr::V4(ip) => (u8::from(ip.is_link_local()), IpAddr::V4(*ip)),
        v6 @ IpAddr::V6(_) => (2 + u8::from(is_scoped(*v6)), *v6),
    });
    addresses
}

/// The instance's name without the type behind it, and without the backslashes that protect its dots.
fn instance(fullname: &str) -> String {
    let end = fullname.len().checked_sub(SERVICE.len() + 1);
    let escaped = end.and_then(|end| fullname.get(..end)).unwrap_or(fullname);
    let mut name = String::new();
    let mut characters = escaped.chars();
    while let Some(one) = characters.next() {
        let meant = if one == '\\' { characters.next().unwrap_or(one) } else { one };
        name.push(if meant.is_control() { ' ' } else { meant });
    }
    name
}

/// A DNS label has at most 63 bytes (RFC 6763 section 4.1.1).
fn label(name: &str) -> String {
    let mut label = String::new();
    for one in name.chars().filter(|one| !one.is_control()) {
        if label.len() + one.len_utf8() > 63 {
            break;
        }
        label.push(one);
    }
    label
}

/// A host name that nobody else has, without `.local`: a version 4 UUID (RFC 9562 section 5.4).
///
/// # Errors
/// The system has no randomness.
pub fn unguessable_label() -> Result<String, DiscoveryError> {
    let bits = world::unguessable().map_err(DiscoveryError::new)?;
    let bits = u128::from_ne_bytes(bits) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let (time, rest) = hex.split_at(8);
    let (mid, rest) = rest.split_at(4);
    let (high, rest) = rest.split_at(4);
    let (clock, node) = rest.split_at(4);
    Ok(format!("{time}-{mid}-{high}-{clock}-{node}"))
}

/// Host names without a service; the port is one at which nobody is.
const HOSTS: &str = "_halloo-host._udp.local.";
const DISCARD: u16 = 9;
/// Strangers may announce as many hosts as they like.
const HOSTS_ASKED: usize = 64;
/// Three times, the third after three seconds.
const ASKED_FOR_MS: u64 = 5_000;
/// A goodbye is one packet.
const FAREWELL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_its_way_through_dns() {
        assert_eq!(instance(r"Anna\.s \\ laptop._halloo._tcp.local."), r"Anna.s \ laptop");
        assert_eq!(instance("a\x1b[31m._halloo._tcp.local."), "a [31m");
        assert_eq!(instance("x"), "x");
        assert_eq!(instance("\\"), "\\");
    }

    #[test]
    fn a_made_up_name_is_a_uuid_of_version_4() {
        let label = unguessable_label().unwrap();
        let lengths: Vec<_> = label.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{label}");
        assert!(&label[14..15] == "4" && "89ab".contains(&label[19..20]), "{label}");
        assert_ne!(label, unguessable_label().unwrap());
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let name = label(&"ü".repeat(40));
        assert_eq!(name, "ü".repeat(31));
        assert_eq!(label("a\nb"), "ab");
    }

    #[test]
    fn addresses_that_everybody_can_use_come_first() {
        let [lan, cable, v6, scoped] =
            ["192.168.1.2", "169.254.1.1", "2001:db8::1", "fe80::1"].map(|ip| ip.parse().unwrap());
        assert_eq!(sorted([scoped, v6, cable, lan].into_iter()), [lan, cable, v6, scoped]);
    }

    #[test]
    fn nobody_is_called_by_an_address_that_a_url_cannot_name() {
        let addresses = |announced: &str| {
            let properties = &[("path", "/whip")][..];
            let service =
                ServiceInfo::new(SERVICE, "kit", "kit.local.", announced, 8_443, properties);
            neighbour(&service.unwrap().as_resolved_service()).map(|found| found.addresses)
        };
        assert_eq!(addresses("fe80::1"), None, "the rest of the announcement is to come");
        assert_eq!(addresses("fe80::1,192.0.2.7"), Some(vec!["192.0.2.7".parse().unwrap()]));
    }

    #[test]
    fn its_url_can_be_called() {
        let mut neighbour = Neighbour {
            name: "Anna".into(),
            addresses: vec!["2001:db8::1".parse().unwrap()],
            port: 8_443,
            tls: true,
            path: "/whip".into(),
        };
        assert_eq!(neighbour.url(), "https://[2001:db8::1]:8443/whip");
        neighbour.tls = false;
        neighbour.addresses = vec!["192.0.2.7".parse().unwrap()];
        assert_eq!(neighbour.url(), "http://192.0.2.7:8443/whip");
    }
}
