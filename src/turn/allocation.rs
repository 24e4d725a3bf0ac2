//! The allocation: an address on the server that is ours for ten minutes, and ten more, and ten more
//! (RFC 8656 sections 7 and 8).
//!
//! ```text
//! Asking     --Granted-> Held
//! Asking     --Refused-> Over     by the server, or by its silence
//! Held       --Due-----> Refreshing
//! Refreshing --Granted-> Held     for another while
//! Refreshing --Refused-> Over     the server has forgotten it, or doesn't answer
//! Held       --Refused-> Over     437 to anything else: it is gone (section 5)
//! Asking     --Close---> Over
//! Held       --Close---> Deleting
//! Refreshing --Close---> Deleting
//! Deleting   --Granted-> Over
//! Deleting   --Refused-> Over     gone already, and that is what we wanted
//! ```
//! Everything else changes nothing. Which message brings which signal, `client.rs` decides.

use std::net::SocketAddr;
use std::time::Duration;

use crate::stun::{Attribute, Message};
use crate::time::Instant;

/// How far the allocation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Allocate is under way, perhaps for the second time, signed.
    Asking,
    /// It is ours.
    Held,
    /// It is ours, and we are asking for it to stay so.
    Refreshing,
    /// We are giving it back.
    Deleting,
    /// It isn't ours any more, or never was.
    Over,
}

/// What moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// The server said yes.
    Granted,
    /// It said no, or nothing.
    Refused,
    /// It would expire soon.
    Due,
    /// We need it no more.
    Close,
}

impl State {
    /// The table above, row by row.
    pub(super) const fn after(self, signal: Signal) -> Self {
        use Signal::{Close, Due, Granted, Refused};
        match (self, signal) {
            (Self::Asking | Self::Refreshing, Granted) => Self::Held,
            (Self::Held, Due) => Self::Refreshing,
            (Self::Held | Self::Refreshing, Close) => Self::Deleting,
            (Self::Asking, Refused | Close)
            | (Self::Held | Self::Refreshing, Refused)
            | (Self::Deleting, Granted | Refused) => Self::Over,
            (unchanged, _) => unchanged,
        }
    }

    /// Whether packets pass.
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Held | Self::Refreshing)
    }
}

/// Which relayed addresses we ask for (section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Families {
    /// One of each, IPv4 if the server has no other: a server that doesn't know ADDITIONAL-ADDRESS-FAMILY
    /// passes over it.
    Both,
    /// IPv6 alone: a server that has no IPv4 refuses whoever doesn't say so (section 7.2).
    Ipv6,
    /// What the server gives to those who don't say, IPv4: for those that take the other two amiss.
    Default,
}

/// The second family (section 18.6): IPv6.
const IPV6: u8 = 2;
/// ADDITIONAL-ADDRESS-FAMILY for coturn (4.6 has it still), by a number that it had before it was a standard;
/// who knows only the right one passes over this, and the other way round.
const ADDITIONAL_AS_DRAFT: Attribute<'static> =
    Attribute::Unknown { number: 0x8032, value: &[IPV6, 0, 0, 0] };
/// UDP, as IP numbers it (section 18.8): the only one there is.
const UDP: u8 = 17;
/// What an allocation lives for if the server doesn't say (section 3.2).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);
/// "Roughly 1 minute before it expires" (section 8).
const MARGIN: Duration = Duration::from_secs(60);
/// A server that gives less doesn't make us ask more often.
const LEAST: Duration = Duration::from_secs(10);

impl Families {
    /// What an Allocate request says.
    pub(super) fn attributes(self) -> impl Iterator<Item = Attribute<'static>> {
        let transport = Attribute::RequestedTransport(crate::stun::value::Leading(UDP));
        let ipv6 = crate::stun::value::Leading(IPV6);
        let (family, as_draft) = match self {
            Self::Both => {
                (Some(Attribute::AdditionalAddressFamily(ipv6)), Some(ADDITIONAL_AS_DRAFT))
            }
            Self::Ipv6 => (Some(Attribute::RequestedAddressFamily(ipv6)), None),
            Self::Default => (None, None),
        };
        std::iter::once(transport).chain(family).chain(as_draft)
    }

    /// What else to ask a server that has not all of these.
    pub(super) const fn instead(self) -> Option<Self> {
        match self {
            Self::Both => Some(Self::Ipv6),
            Self::Ipv6 => Some(Self::Default),
            Self::Default => None,
        }
    }
}

/// What a successful answer gives us: addresses that packets can come to, at most one of each family;
/// and where the server sees us. `None` if there is no such (section 7.3).
pub(super) fn granted(answer: &Message<'_>) -> Option<(Vec<SocketAddr>, SocketAddr)> {
    let mapped = answer.xor_mapped_address()?;
    let mut relayed: Vec<SocketAddr> = Vec::new();
    for attribute in answer.attributes() {
        let Attribute::XorRelayedAddress(address) = attribute else { continue };
        let address = SocketAddr::from(address);
        let is_known = relayed.iter().any(|known| known.is_ipv4() == address.is_ipv4());
        let is_usable =
            address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast();
        if is_usable && !is_known {
            relayed.push(address);
        }
    }
    (!relayed.is_empty()).then_some((relayed, mapped))
}

/// When to ask for more, by what the server said.
pub(super) fn refresh_at(now: Instant, answer: &Message<'_>) -> Instant {
    let lifetime = answer.lifetime().map_or(DEFAULT_LIFETIME, |s| Duration::from_secs(s.into()));
    now + lifetime.saturating_sub(MARGIN).max(lifetime / 2).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::{Class, MessageWriter, Method, TransactionId, XorAddress};

    fn answer(attributes: &[Attribute<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        let id = TransactionId([1; 12]);
        MessageWriter::new(&mut out, Class::Success, Method::ALLOCATE, id)
            .attributes(attributes.iter().copied())
            .finish();
        out
    }

    #[test]
    fn the_diagram_is_the_table() {
        use Signal::{Close, Due, Granted, Refused};
        use State::{Asking, Deleting, Held, Over, Refreshing};
        let mut table = Vec::new();
        for from in [Asking, Held, Refreshing, Deleting, Over] {
            for signal in [Granted, Refused, Due, Close] {
                let to = from.after(signal);
                if to != from {
                    table.push(format!("{from:?} {signal:?} {to:?}"));
                }
            }
        }
        table.sort();
        let mut drawn: Vec<String> = include_str!("allocation.rs")
            .lines()
            .filter_map(|line| {
                let (from, rest) = line.strip_prefix("//! ")?.split_once(" --")?;
                let (signal, rest) = rest.split_once("> ")?;
                let to = rest.split_whitespace().next()?;
                Some(format!("{} {} {to}", from.trim(), signal.trim_end_matches('-')))
            })
            .collect();
        drawn.sort();
        assert_eq!(drawn, table);
    }

    #[test]
    fn the_first_usable_address_of_each_family_is_ours() {
        // rfc8656-7.3-1
        let relay = |text: &str| Attribute::XorRelayedAddress(XorAddress(text.parse().unwrap()));
        let mapped = Attribute::XorMappedAddress(XorAddress("192.0.2.1:5000".parse().unwrap()));
        let read = |attributes: &[Attribute<'_>]| {
            let bytes = answer(attributes);
            granted(&Message::parse(&bytes).unwrap()).map(|(relayed, _)| relayed)
        };
        let all = [
            mapped,
            relay("203.0.113.9:0"),
            relay("203.0.113.9:40000"),
            relay("203.0.113.9:40001"),
            relay("[2001:db8::9]:40000"),
        ];
        let ours = ["203.0.113.9:40000", "[2001:db8::9]:40000"];
        assert_eq!(read(&all), Some(ours.map(|text| text.parse().unwrap()).to_vec()));
        assert_eq!(read(&[mapped]), None);
        assert_eq!(read(&[mapped, relay("0.0.0.0:40000")]), None);
        assert_eq!(read(&[relay("203.0.113.9:40000")]), None, "and where are we?");
    }

    #[test]
    fn it_is_refreshed_a_minute_before_its_end_and_not_all_the_time() {
        // rfc8656-8-1
        for (seconds, at) in [(600, 540), (3_600, 3_540), (100, 50), (1, 10), (0, 10)] {
            let bytes = answer(&[Attribute::Lifetime(seconds)]);
            let due = refresh_at(Instant::ZERO, &Message::parse(&bytes).unwrap());
            assert_eq!(due, Instant::from_millis(at * 1_000), "{seconds}");
        }
        let bytes = answer(&[]);
        let due = refresh_at(Instant::ZERO, &Message::parse(&bytes).unwrap());
        assert_eq!(due, Instant::from_millis(540_000), "the default");
    }
}
