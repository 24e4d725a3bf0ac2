//! Makes a certificate that this machine signs for itself (RFC 5280).
//!
//! Valid for less than the 825 days that Apple's systems allow any server, beginning a day ago for clocks
//! that are late. It names everything by which the machine may be reached today; for a name that it lacks a
//! browser's warning is the same as for any such certificate, so a new address is no reason for a new one.

use std::net::IpAddr;

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName};

use crate::dtls_srtp::self_issued;

/// Whom a certificate is for.
#[derive(Clone, Debug, Default)]
pub struct Holder {
    /// The machine's names, without `.local`.
    pub names: Vec<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// A new key and its certificate; `now` is in seconds since 1970.
pub(super) fn make(holder: &Holder, now: i64) -> Result<(X509, PKey<Private>), ErrorStack> {
    let key = self_issued::key()?;
    let not_before = Asn1Time::from_unix(now - DAY)?;
    let not_after = Asn1Time::from_unix(now + (VALID_DAYS - 1) * DAY)?;
    let mut builder = self_issued::unsigned(&key, [&not_before, &not_after])?;
    // No key usage: OpenSSL 1.1 takes one without `keyCertSign` for signed by somebody unknown.
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
    let mut reached_by = SubjectAlternativeName::new();
    for name in dns_names(&holder.names) {
        reached_by.dns(&name);
    }
    for address in addresses(&holder.addresses) {
        reached_by.ip(&address.to_string());
    }
    let reached_by = reached_by.build(&builder.x509v3_context(None, None))?;
    builder.append_extension(reached_by)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok((builder.build(), key))
}

fn dns_names(names: &[String]) -> Vec<String> {
    let is_dns = |name: &&String| {
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        name.len() <= 253 && name.split('.').all(is_label)
    };
    let own = names.iter().filter(is_dns).map(|name| name.to_ascii_lowercase());
    let mut all = vec!["localhost".to_owned()];
    for name in own {
        // Multicast DNS (RFC 6762) knows only names of one label.
        let local = (!name.contains('.') && name != "localhost").then(|| format!("{name}.local"));
        all.push(name);
        all.extend(local);
    }
    let mut once = Vec::new();
    all.into_iter().for_each(|name| {
        if !once.contains(&name) {
            once.push(name);
        }
    });
    once
}

fn addresses(own: &[IpAddr]) -> Vec<IpAddr> {
    let loopback = [IpAddr::from([127, 0, 0, 1]), std::net::Ipv6Addr::LOCALHOST.into()];
    let others = own.iter().copied().filter(|ip| !loopback.contains(ip));
    loopback.into_iter().chain(others).collect()
}

pub(super) const DAY: i64 = 24 * 3_600;
/// From the first to the last.
pub(super) const VALID_DAYS: i64 = 820;

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        let names = ["Quiet", "quiet.example", "not a name", "", "localhost"].map(str::to_owned);
        let addresses = ["192.0.2.7", "2001:db8::7", "127.0.0.1"].map(|ip| ip.parse().unwrap());
        Holder { names: names.into(), addresses: addresses.into() }
    }

    #[test]
    fn it_names_what_the_machine_is_reached_by() {
        let (certificate, key) = make(&holder(), 1_700_000_000).unwrap();
        assert!(certificate.verify(&key).unwrap());
        let names = certificate.subject_alt_names().unwrap();
        let dns: Vec<_> = names.iter().filter_map(|name| name.dnsname()).collect();
        assert_eq!(dns, ["localhost", "quiet", "quiet.local", "quiet.example"]);
        let ips: Vec<_> = names.iter().filter_map(|name| name.ipaddress()).collect();
        assert_eq!(ips.len(), 4);
        assert!(ips.contains(&&[192, 0, 2, 7][..]));
    }

    #[test]
    fn browsers_take_how_long_it_is_valid() {
        let now = 1_700_000_000;
        let (certificate, _) = make(&holder(), now).unwrap();
        let (from, to) = (certificate.not_before(), certificate.not_after());
        let days = from.diff(to).unwrap().days;
        assert!((400..=825).contains(&days), "{days}");
        assert!(*from < Asn1Time::from_unix(now).unwrap());
        let (again, _) = make(&holder(), now).unwrap();
        assert_ne!(
            again.serial_number().to_bn().unwrap(),
            certificate.serial_number().to_bn().unwrap()
        );
    }
}
