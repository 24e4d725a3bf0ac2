//! Where a host stands in the small internet, who helps it, and what follows from that alone: whether two
//! hosts have a way to each other (RFC 4787, RFC 8445 section 2, RFC 8656 section 9).
//!
//! ```text
//! direct    one side's check comes in at an address that the other side has named
//! relayed   a TURN server of one side lets the other side's packets pass
//! ```
//! Nothing here looks at ICE. Use it with
//! `mod common { pub mod internet; pub mod nat; pub mod relay_server; pub mod stands; }`.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use halloo::ice::RelayUser;
use halloo::peer::config::Config;
use rand::RngExt;
use rand::rngs::StdRng;

use super::internet::{INTERNET, Network, Weather, World};
use super::nat::{Behaviour, Dependence};
use super::relay_server::{PASSWORD, RelayServer, USER};

/// Where a network of a host's is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    Public,
    Behind(Behaviour),
    /// A home router behind the provider's own NAT.
    BehindTwo(Behaviour),
    /// A company's: UDP is stopped, TCP passes.
    Walled,
    /// In a network that leads nowhere.
    Nowhere,
}

/// Who helps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Help {
    Nobody,
    /// Two STUN servers.
    Stun,
    /// A TURN server, which says as well where it sees us.
    Turn,
    /// A TURN server that is talked to by TCP, and sees none of our UDP.
    TurnByTcp,
}

/// A host: its networks, the best first, and its servers.
#[derive(Clone, Debug, PartialEq)]
pub struct Stand {
    pub places: Vec<Place>,
    pub help: Help,
}

/// The ways there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ways {
    pub direct: bool,
    pub relayed: bool,
}

const STUN_SERVERS: [&str; 2] = ["198.51.100.200", "198.51.100.201"];
const TURN_SERVER: &str = "198.51.100.202";
const TURN_BY_TCP: &str = "198.51.100.203";

impl Place {
    /// One of each kind.
    pub const ALL: [Self; 8] = [
        Self::Public,
        Self::Behind(Behaviour::FULL_CONE),
        Self::Behind(Behaviour::ADDRESS_RESTRICTED),
        Self::Behind(Behaviour::PORT_RESTRICTED),
        Self::Behind(Behaviour::SYMMETRIC),
        Self::BehindTwo(Behaviour::PORT_RESTRICTED),
        Self::Walled,
        Self::Nowhere,
    ];

    /// Its network, built into `world`; `side` keeps the addresses of all apart.
    pub fn network(self, world: &mut World, side: u8) -> Network {
        let outside = format!("203.0.113.{side}");
        match self {
            Self::Public => INTERNET,
            Self::Behind(behaviour) => world.behind(INTERNET, behaviour, &outside),
            Self::BehindTwo(behaviour) => {
                let carrier = world.behind(INTERNET, Behaviour::SYMMETRIC, &outside);
                world.behind(carrier, behaviour, &format!("100.64.0.{side}"))
            }
            Self::Walled => world.walled(INTERNET, Behaviour::SYMMETRIC, &outside),
            Self::Nowhere => world.island(),
        }
    }

    pub fn address(self, side: u8) -> String {
        match self {
            Self::Public => format!("198.51.100.{side}"),
            _ => format!("192.168.{side}.2"),
        }
    }

    /// What stands between it and the internet, seen as one NAT.
    pub fn nat(self) -> Option<Behaviour> {
        match self {
            Self::Behind(behaviour) => Some(behaviour),
            // What the provider's maps by destination no home router makes one again.
            Self::BehindTwo(_) | Self::Walled => Some(Behaviour::SYMMETRIC),
            Self::Public | Self::Nowhere => None,
        }
    }

    /// Whether UDP gets from here to the internet.
    pub fn has_udp(self) -> bool {
        !matches!(self, Self::Walled | Self::Nowhere)
    }
}

impl Help {
    pub const ALL: [Self; 4] = [Self::Nobody, Self::Stun, Self::Turn, Self::TurnByTcp];

    pub fn config(self) -> Config {
        let servers = match self {
            Self::Nobody => Vec::new(),
            Self::Stun => STUN_SERVERS.map(|ip| format!("stun:{ip}")).to_vec(),
            Self::Turn => vec![format!("turn:{TURN_SERVER}")],
            Self::TurnByTcp => vec![format!("turn:{TURN_BY_TCP}:443?transport=tcp")],
        };
        Config {
            servers: servers.iter().map(|uri| uri.parse().unwrap()).collect(),
            relay_user: Some(RelayUser::new(USER, PASSWORD)),
            ..Config::default()
        }
    }

    /// Whether a side learns from it how its NATs look from outside.
    pub fn reflects(self) -> bool {
        matches!(self, Self::Stun | Self::Turn)
    }
}

impl Stand {
    pub fn at(place: Place, help: Help) -> Self {
        Self { places: vec![place], help }
    }

    /// Mostly behind NATs, mostly in one network.
    pub fn random(rng: &mut StdRng) -> Self {
        let place = |rng: &mut StdRng| {
            let behaviour = Behaviour::ALL[rng.random_range(0..4)];
            match rng.random_range(0..10) {
                0 => Place::Public,
                1..=6 => Place::Behind(behaviour),
                7 => Place::BehindTwo(behaviour),
                8 => Place::Walled,
                _ => Place::Nowhere,
            }
        };
        let networks = if rng.random_bool(0.75) { 1 } else { 2 };
        Self {
            places: (0..networks).map(|_| place(rng)).collect(),
            help: Help::ALL[rng.random_range(0..4)],
        }
    }

    /// Whether it gets an address from a TURN server.
    fn has_relay(&self) -> bool {
        self.places.iter().any(|place| match self.help {
            Help::Turn => place.has_udp(),
            Help::TurnByTcp => *place != Place::Nowhere,
            Help::Nobody | Help::Stun => false,
        })
    }

    /// Whether the other side learns the addresses that its packets from this network will come from.
    fn shows_itself(&self, place: Place) -> bool {
        place.has_udp() && (place == Place::Public || self.help.reflects())
    }

    /// The ways between two.
    pub fn ways(&self, other: &Self) -> Ways {
        let pairs = || self.places.iter().flat_map(|a| other.places.iter().map(|b| (*a, *b)));
        let comes_in = |(a, b)| comes_in((self, a), (other, b)) || comes_in((other, b), (self, a));
        Ways {
            direct: pairs().any(comes_in),
            relayed: self.relays_for(other) || other.relays_for(self),
        }
    }

    /// A relay passes on packets of those whose address its client knows, and no others: they have named it, or
    /// their checks have come in at the client itself.
    fn relays_for(&self, other: &Self) -> bool {
        let comes_to_us =
            |place| self.places.iter().any(|ours| comes_in((other, place), (self, *ours)));
        let is_known = |place: &Place| other.shows_itself(*place) || comes_to_us(*place);
        self.has_relay() && (other.has_relay() || other.places.iter().any(is_known))
    }
}

/// Whether a check from one network to an address of the other one comes in there, and is answered from there.
fn comes_in((from, its_place): (&Stand, Place), (to, place): (&Stand, Place)) -> bool {
    if !its_place.has_udp() || !to.shows_itself(place) {
        return false;
    }
    let Some(nat) = place.nat() else { return true };
    let keeps_port = |nat: Behaviour| nat.mapping == Dependence::None;
    // `to` sends to what `from` has named; that opens its own NAT for an address, or for a port of it.
    let opens = match nat.filtering {
        Dependence::None => true,
        Dependence::Address => from.shows_itself(its_place),
        Dependence::AddressAndPort => {
            from.shows_itself(its_place) && its_place.nat().is_none_or(keeps_port)
        }
    };
    keeps_port(nat) && opens
}

/// The first stand's host calls the second one's.
pub fn world(seed: u64, weather: Weather, stands: [&Stand; 2]) -> World {
    let mut world = World::new(seed, weather);
    let servers = STUN_SERVERS.iter().chain([&TURN_SERVER]).map(|ip| format!("{ip}:3478"));
    let by_tcp = format!("{TURN_BY_TCP}:443");
    world.servers = servers.chain([by_tcp]).map(|addr| RelayServer::new(&addr)).collect();
    for (side, stand) in [1, 101].into_iter().zip(stands) {
        let addresses: Vec<(Network, String)> = (side..)
            .zip(&stand.places)
            .map(|(side, place)| (place.network(&mut world, side), place.address(side)))
            .collect();
        let addresses: Vec<_> = addresses.iter().map(|(net, ip)| (*net, ip.as_str())).collect();
        world.looking_host(stand.help.config(), &addresses);
    }
    world
}

/// Whether a candidate, as an event tells it, is a TURN server's.
pub fn is_relayed(candidate: &str) -> bool {
    let addr = candidate.split(' ').nth(4).unwrap();
    [TURN_SERVER, TURN_BY_TCP].contains(&addr)
}

/// Its kind, in the words of SDP.
pub fn kind(candidate: &str) -> &str {
    candidate.split(' ').nth(7).unwrap()
}
