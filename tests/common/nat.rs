//! A NAT as a box without wires: which address a packet leaves with, and which packets come back in.
//!
//! Use it with `mod common { pub mod nat; }`. Words are those of RFC 4787: *mapping* says when two
//! packets from one inside port leave by the same outside port, *filtering* who may answer it.
#![allow(dead_code, unreachable_pub)]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use halloo::time::Instant;

/// What a mapping or a filter looks at (RFC 4787 sections 4.1 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// Nothing: endpoint-independent.
    None,
    /// The other end's address.
    Address,
    /// The other end's address and port. A mapping of this kind is called symmetric.
    AddressAndPort,
}

/// Whether two machines inside reach each other by their outside addresses (RFC 4787 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hairpin {
    Yes,
    No,
}

/// How a NAT behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    pub mapping: Dependence,
    pub filtering: Dependence,
    pub hairpin: Hairpin,
    /// A mapping that nothing left by for so long is forgotten.
    pub forgets_after: Duration,
}

impl Behaviour {
    /// Anybody may answer.
    pub const FULL_CONE: Self = Self {
        mapping: Dependence::None,
        filtering: Dependence::None,
        hairpin: Hairpin::No,
        forgets_after: Duration::from_secs(120),
    };
    /// Whom we have sent to may answer, from any port.
    pub const ADDRESS_RESTRICTED: Self = Self { filtering: Dependence::Address, ..Self::FULL_CONE };
    /// The usual home router.
    pub const PORT_RESTRICTED: Self =
        Self { filtering: Dependence::AddressAndPort, ..Self::FULL_CONE };
    /// What phone networks and companies have.
    pub const SYMMETRIC: Self =
        Self { mapping: Dependence::AddressAndPort, ..Self::PORT_RESTRICTED };

    /// All of the above.
    pub const ALL: [Self; 4] =
        [Self::FULL_CONE, Self::ADDRESS_RESTRICTED, Self::PORT_RESTRICTED, Self::SYMMETRIC];
}

/// One outside port, and for whom it is.
#[derive(Clone, Debug)]
struct Mapping {
    inside: SocketAddr,
    outside: SocketAddr,
    /// The first to be sent to: what a dependent mapping is bound to.
    first: SocketAddr,
    /// All who were sent to.
    sent_to: Vec<SocketAddr>,
    last_sent: Instant,
}

/// A NAT with one outside address.
#[derive(Clone, Debug)]
pub struct Nat {
    pub behaviour: Behaviour,
    pub outside: IpAddr,
    mappings: Vec<Mapping>,
    next_port: u16,
}

impl Nat {
    pub fn new(behaviour: Behaviour, outside: IpAddr) -> Self {
        Self { behaviour, outside, mappings: Vec::new(), next_port: 40_000 }
    }

    /// A packet leaves: with which source.
    pub fn outbound(&mut self, now: Instant, from: SocketAddr, to: SocketAddr) -> SocketAddr {
        self.forget(now);
        let dependence = self.behaviour.mapping;
        let known = self
            .mappings
            .iter_mut()
            .find(|mapping| mapping.inside == from && agrees(dependence, mapping.first, to));
        if let Some(mapping) = known {
            mapping.last_sent = now;
            if !mapping.sent_to.contains(&to) {
                mapping.sent_to.push(to);
            }
            return mapping.outside;
        }
        let outside = SocketAddr::new(self.outside, self.next_port);
        self.next_port += 7; // no neighbour's port can be guessed
        self.mappings.push(Mapping {
            inside: from,
            outside,
            first: to,
            sent_to: vec![to],
            last_sent: now,
        });
        outside
    }

    /// A packet comes: for whom, unless it is kept out.
    pub fn inbound(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
    ) -> Option<SocketAddr> {
        self.forget(now);
        let filtering = self.behaviour.filtering;
        let mapping = self.mappings.iter().find(|mapping| mapping.outside == to)?;
        let may_answer = mapping.sent_to.iter().any(|sent_to| agrees(filtering, *sent_to, from));
        may_answer.then_some(mapping.inside)
    }

    /// Restarted: nothing is known any more, and other ports are given.
    pub fn reset(&mut self) {
        self.mappings.clear();
    }

    fn forget(&mut self, now: Instant) {
        let forgets_after = self.behaviour.forgets_after;
        self.mappings.retain(|mapping| now - mapping.last_sent < forgets_after);
    }
}

fn agrees(dependence: Dependence, a: SocketAddr, b: SocketAddr) -> bool {
    match dependence {
        Dependence::None => true,
        Dependence::Address => a.ip() == b.ip(),
        Dependence::AddressAndPort => a == b,
    }
}
