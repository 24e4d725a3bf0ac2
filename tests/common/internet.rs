//! Whole peers on a small internet, in virtual time: networks behind NATs, links that lose, delay and
//! reorder, cables that are pulled, addresses that come, STUN and TURN servers.
//!
//! Use it with `mod common { pub mod internet; pub mod nat; pub mod relay_server; }`. Time jumps from event
//! to event.
//! Everything but OpenSSL's own random bytes follows from the seed; OpenSSL re-sends by the wall clock,
//! which stands still here, so links delay DTLS datagrams but lose none, and no random number is drawn
//! for them; the same goes for those inside a relay's packets.
//!
//! ```text
//! host -- interface -- network -- NAT -- network 0, the internet -- servers
//! ```
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod servers;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use halloo::audio::{Channels, Frame};
use halloo::dtls_srtp::Certificate;
use halloo::ice::{PathId, Server};
use halloo::peer::config::Config;
use halloo::peer::demux::{Protocol, classify};
use halloo::peer::event::{End, Event};
use halloo::peer::{Input, Output, Peer};
use halloo::time::Instant;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::nat::{Behaviour, Hairpin, Nat};
use super::relay_server::RelayServer;

/// Names a network; 0 is the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(usize);

/// The internet itself.
pub const INTERNET: Network = Network(0);

/// How bad a link is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// One way.
    pub delay: Duration,
    /// Added at random: packets overtake each other.
    pub jitter: Duration,
    /// 0 to 1, each way.
    pub loss: f64,
    /// 0 to 1.
    pub duplication: f64,
}

impl Weather {
    pub const CLEAN: Self = Self {
        delay: Duration::from_millis(20),
        jitter: Duration::ZERO,
        loss: 0.0,
        duplication: 0.0,
    };
    pub const BAD: Self = Self {
        delay: Duration::from_millis(30),
        jitter: Duration::from_millis(30),
        loss: 0.2,
        duplication: 0.05,
    };

    /// Of a link that two make up one like this: from a host to a server, and on to another host.
    pub fn half_way(self) -> Self {
        let Self { delay, jitter, loss, duplication } = self;
        let loss = 1.0 - (1.0 - loss).sqrt();
        Self { delay: delay / 2, jitter: jitter / 2, loss, duplication }
    }
}

/// Whether packets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cable {
    Plugged,
    /// Packets vanish both ways, and nobody is told.
    Cut,
    /// What is sent vanishes.
    Mute,
}

/// An interface of a host, with a socket.
#[derive(Clone, Debug)]
pub struct Interface {
    pub path: PathId,
    pub addr: SocketAddr,
    pub network: Network,
    pub cable: Cable,
    /// On top of the world's delay, each way.
    pub extra_delay: Duration,
}

/// A machine with a peer.
pub struct Host {
    pub peer: Peer,
    pub interfaces: Vec<Interface>,
    pub events: Vec<(Instant, Event)>,
    /// Whether 10 ms of sound go in and out, each 10 ms.
    pub sound: bool,
    /// Pitch of the tone that it makes, in whole hertz.
    pub tone: f32,
    /// Loudness (root mean square) of every 10 ms that it heard, and when.
    pub heard: Vec<(Instant, f32)>,
    spoken: usize,
    timeout: Option<Instant>,
    /// Whom it may ask for help.
    servers: Vec<Server>,
    /// Sockets to TURN servers that it has opened so far.
    relays_opened: u32,
}

/// A NAT between two networks.
struct Router {
    nat: Nat,
    inside: Network,
    outside: Network,
}

/// A datagram on its way through a network.
#[derive(Clone, Debug)]
pub struct Packet {
    pub network: Network,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

/// One line of the trace: when a host sent what, from where, to where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub at: Instant,
    pub host: usize,
    pub path: PathId,
    pub to: SocketAddr,
    pub protocol: Option<Protocol>,
    pub length: usize,
}

/// Loses a datagram that somebody sends, by false.
pub type Filter = Box<dyn FnMut(Instant, &Packet) -> bool>;

pub struct World {
    pub now: Instant,
    pub hosts: Vec<Host>,
    pub weather: Weather,
    /// Datagrams that hosts sent.
    pub trace: Vec<Sent>,
    /// Datagrams that reached an address where nobody is: network, to.
    pub strays: Vec<(Instant, Packet)>,
    pub filter: Filter,
    /// On the internet, for all who are told of them.
    pub servers: Vec<RelayServer>,
    routers: Vec<Router>,
    /// Networks that no UDP leaves.
    walled: Vec<Network>,
    networks: usize,
    rng: StdRng,
    wire: BTreeMap<(Instant, u64), Packet>,
    sequence: u64,
    next_frame: Instant,
}

const FRAME: Duration = Duration::from_millis(10);
/// A tone quieter than this is no tone.
const AUDIBLE: f32 = 0.05;

impl World {
    pub fn new(seed: u64, weather: Weather) -> Self {
        Self {
            now: Instant::ZERO,
            hosts: Vec::new(),
            weather,
            trace: Vec::new(),
            strays: Vec::new(),
            filter: Box::new(|_, _| true),
            servers: Vec::new(),
            routers: Vec::new(),
            walled: Vec::new(),
            networks: 1,
            rng: StdRng::seed_from_u64(seed),
            wire: BTreeMap::new(),
            sequence: 0,
            next_frame: Instant::ZERO,
        }
    }

    /// A network behind a NAT whose outside address is in `outside`.
    pub fn behind(&mut self, outside: Network, behaviour: Behaviour, addr: &str) -> Network {
        let inside = Network(self.networks);
        self.networks += 1;
        let nat = Nat::new(behaviour, addr.parse().unwrap());
        self.routers.push(Router { nat, inside, outside });
        inside
    }

    /// The same where a firewall stops UDP; TCP passes.
    pub fn walled(&mut self, outside: Network, behaviour: Behaviour, addr: &str) -> Network {
        let inside = self.behind(outside, behaviour, addr);
        self.walled.push(inside);
        inside
    }

    /// A network that leads nowhere.
    pub fn island(&mut self) -> Network {
        self.networks += 1;
        Network(self.networks - 1)
    }

    /// The NAT before a network.
    pub fn nat(&mut self, inside: Network) -> &mut Nat {
        &mut self.routers.iter_mut().find(|router| router.inside == inside).unwrap().nat
    }

    /// A host with sockets on port 5000 of these addresses.
    pub fn host(&mut self, config: Config, addresses: &[(Network, &str)]) -> usize {
        let host = self.looking_host(config, addresses);
        self.tell(host, Input::LocalAddressesDone);
        host
    }

    /// The same while it may still find more: servers can be named until [`Input::LocalAddressesDone`].
    pub fn looking_host(&mut self, config: Config, addresses: &[(Network, &str)]) -> usize {
        let certificate = Arc::new(Certificate::generate().unwrap());
        let rng = StdRng::seed_from_u64(self.rng.random());
        let servers = config.servers.clone();
        let mut host = Host {
            peer: Peer::new(config, certificate, rng),
            interfaces: Vec::new(),
            events: Vec::new(),
            sound: false,
            tone: 440.0 + 110.0 * self.hosts.len() as f32,
            heard: Vec::new(),
            spoken: 0,
            timeout: None,
            servers,
            relays_opened: 0,
        };
        for (network, ip) in addresses {
            host.plug_in(self.now, *network, ip);
        }
        self.hosts.push(host);
        self.hosts.len() - 1
    }

    /// Something happens to a host.
    pub fn tell(&mut self, host: usize, input: Input<'_>) {
        self.with(host, |peer, now| peer.handle_input(now, input));
    }

    /// Something is done with a host's peer, and what comes of it goes its ways.
    pub fn with<T>(&mut self, host: usize, act: impl FnOnce(&mut Peer, Instant) -> T) -> T {
        let now = self.now;
        let done = act(&mut self.hosts[host].peer, now);
        self.drain(host);
        done
    }

    /// A host gets a new address while it runs.
    pub fn plug_in(&mut self, host: usize, network: Network, ip: &str) {
        let now = self.now;
        self.hosts[host].plug_in(now, network, ip);
        self.drain(host);
    }

    /// `caller` offers, `listener` answers, at once.
    pub fn signal(&mut self, caller: usize, listener: usize) {
        let now = self.now;
        let offer = self.hosts[caller].peer.make_offer(now).unwrap();
        let answer = self.hosts[listener].peer.accept_offer(now, &offer).unwrap();
        self.hosts[caller].peer.accept_answer(now, &answer).unwrap();
        self.drain_all();
    }

    /// Lets time pass until `done`, at most for `limit`; says whether it was done.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + limit;
        self.drain_all();
        while !done(self) {
            if !self.step(end) {
                return false;
            }
        }
        true
    }

    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Whether all are connected.
    pub fn all_connected(&self) -> bool {
        self.hosts.iter().all(|host| host.peer.is_connected())
    }

    /// Whether all have ended.
    pub fn all_ended(&self) -> bool {
        self.hosts.iter().all(|host| host.peer.is_ended())
    }

    /// A datagram out of nowhere.
    pub fn inject(&mut self, packet: Packet) {
        self.sequence += 1;
        self.wire.insert((self.now, self.sequence), packet);
    }

    /// Whether something happened before `end`.
    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.wire.keys().next().map(|(at, _)| *at);
        let sound = self.hosts.iter().any(|host| host.sound).then_some(self.next_frame);
        let timers = self.hosts.iter().filter_map(|host| host.timeout);
        let due = timers.chain(arrival).chain(sound).min().map(|due| due.max(self.now));
        let Some(next) = due.filter(|due| *due <= end) else {
            self.now = end;
            return false;
        };
        self.now = next;
        if arrival.is_some_and(|at| at <= next) {
            let (_, packet) = self.wire.pop_first().unwrap();
            self.arrive(packet);
        } else if sound.is_some_and(|at| at <= next) {
            self.next_frame = next + FRAME;
            self.hosts.iter_mut().filter(|host| host.sound).for_each(|host| host.sound(next));
        } else {
            for host in self.hosts.iter_mut() {
                if host.timeout.is_some_and(|due| due <= next) {
                    host.peer.handle_input(next, Input::Timer);
                }
            }
        }
        self.drain_all();
        true
    }

    fn drain_all(&mut self) {
        (0..self.hosts.len()).for_each(|host| self.drain(host));
    }

    fn drain(&mut self, number: usize) {
        loop {
            let now = self.now;
            let host = &mut self.hosts[number];
            match host.peer.poll_output() {
                Output::Event(event) => host.events.push((now, event)),
                Output::OpenRelay { server, addr } => self.open_relay(number, server, addr),
                Output::CloseRelay(path) => {
                    host.interfaces.retain(|interface| interface.path != path);
                }
                Output::NameToResolve(name) => {
                    let unknown = Input::NameResolved { name, addr: None };
                    host.peer.handle_input(now, unknown);
                }
                Output::Timeout(timeout) => {
                    host.timeout = timeout;
                    return;
                }
                Output::Transmit { path, to, bytes } => {
                    let bytes = bytes.to_vec();
                    self.send(number, path, to, bytes);
                }
            }
        }
    }

    fn send(&mut self, number: usize, path: PathId, to: SocketAddr, bytes: Vec<u8>) {
        let protocol = classify(&bytes);
        let length = bytes.len();
        self.trace.push(Sent { at: self.now, host: number, path, to, protocol, length });
        let Some(interface) = self.hosts[number].interface(path).cloned() else { return };
        let network = interface.network;
        let packet = Packet { network, from: interface.addr, to, bytes };
        if !(self.filter)(self.now, &packet) {
            return;
        }
        let lost = interface.cable != Cable::Plugged;
        self.put_on_wire(packet, lost, interface.extra_delay);
    }

    /// Draws the same random numbers whatever becomes of the packet.
    fn put_on_wire(&mut self, packet: Packet, lost: bool, extra: Duration) {
        let is_half_way =
            self.servers.iter().any(|it| it.is_at(packet.to) || it.is_at(packet.from));
        let weather = if is_half_way { self.weather.half_way() } else { self.weather };
        let Weather { delay, jitter, loss, duplication } = weather;
        let spoiled = !servers::is_by_tcp(&packet) && !servers::carries_dtls(&packet.bytes);
        let copies = if spoiled && self.rng.random_bool(duplication) { 2 } else { 1 };
        for _ in 0..copies {
            let (late, gone) = if spoiled {
                (jitter.mul_f64(self.rng.random()), self.rng.random_bool(loss))
            } else {
                (Duration::ZERO, false)
            };
            if !gone && !lost {
                self.sequence += 1;
                let at = self.now + delay + extra + late;
                self.wire.insert((at, self.sequence), packet.clone());
            }
        }
    }

    /// A packet has crossed its network: on through NATs, to a host, or to nobody.
    fn arrive(&mut self, mut packet: Packet) {
        for _ in 0..8 {
            if let Some((host, place)) = self.owner(packet.network, packet.to) {
                return self.deliver(host, place, packet);
            }
            if let Some(server) = self.server_at(&packet) {
                return self.serve(server, packet);
            }
            let Some(next) = self.cross(&packet) else {
                self.strays.push((self.now, packet));
                return;
            };
            packet = next;
        }
    }

    /// Through the NAT that stands in the way: inwards to whom a mapping names, or outwards.
    fn cross(&mut self, packet: &Packet) -> Option<Packet> {
        let now = self.now;
        let Packet { network, from, to, .. } = *packet;
        let inwards =
            |router: &&mut Router| router.outside == network && router.nat.outside == to.ip();
        if let Some(router) = self.routers.iter_mut().find(inwards) {
            let inside = router.inside;
            let to = router.nat.inbound(now, from, to)?;
            return Some(Packet { network: inside, to, ..packet.clone() });
        }
        if self.walled.contains(&network) && !servers::is_by_tcp(packet) {
            return None;
        }
        let router = self.routers.iter_mut().find(|router| router.inside == network)?;
        let outside = router.outside;
        let loops_back = to.ip() == router.nat.outside;
        if loops_back && router.nat.behaviour.hairpin == Hairpin::No {
            return None;
        }
        let from = router.nat.outbound(now, from, to);
        Some(Packet { network: outside, from, ..packet.clone() })
    }

    fn owner(&self, network: Network, addr: SocketAddr) -> Option<(usize, usize)> {
        self.hosts.iter().enumerate().find_map(|(number, host)| {
            let at = |other: &Interface| (other.network, other.addr) == (network, addr);
            Some((number, host.interfaces.iter().position(at)?))
        })
    }

    fn deliver(&mut self, host: usize, place: usize, mut packet: Packet) {
        let interface = self.hosts[host].interfaces[place].clone();
        if interface.cable == Cable::Cut {
            return;
        }
        let input =
            Input::Datagram { path: interface.path, from: packet.from, bytes: &mut packet.bytes };
        self.tell(host, input);
    }
}

impl Host {
    fn plug_in(&mut self, now: Instant, network: Network, ip: &str) {
        let addr = SocketAddr::new(ip.parse::<IpAddr>().unwrap(), 5000);
        let path = PathId(u32::try_from(self.interfaces.len()).unwrap());
        let (cable, extra_delay) = (Cable::Plugged, Duration::ZERO);
        self.interfaces.push(Interface { path, addr, network, cable, extra_delay });
        self.peer.handle_input(now, Input::LocalAddress { path, addr });
    }

    fn interface(&self, path: PathId) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.path == path)
    }

    /// How it ended, and when; none while it goes on.
    pub fn ended(&self) -> Option<(Instant, End, &str)> {
        self.events.iter().find_map(|(at, event)| match event {
            Event::Ended { reason, end, .. } => Some((*at, *end, reason.as_str())),
            _ => None,
        })
    }

    /// The pairs that were told as selected: when, and both candidate lines.
    pub fn pairs(&self) -> Vec<(Instant, String, String)> {
        let pair = |(at, event): &(Instant, Event)| match event {
            Event::Pair { local, remote, .. } => Some((*at, local.clone(), remote.clone())),
            _ => None,
        };
        self.events.iter().filter_map(pair).collect()
    }

    /// The longest time since `from` in which nothing was audible.
    pub fn longest_gap(&self, from: Instant) -> Duration {
        let mut longest = Duration::ZERO;
        let mut last = from;
        for (at, level) in self.heard.iter().filter(|(at, _)| *at >= from) {
            longest = longest.max(*at - last);
            if *level >= AUDIBLE {
                last = *at;
            }
        }
        longest
    }

    /// Whether a tone was heard at the end.
    pub fn hears(&self) -> bool {
        let latest = self.heard.iter().rev().take(20);
        latest.filter(|(_, level)| *level >= AUDIBLE).count() >= 15
    }

    /// Ten milliseconds go in by the microphone and come out of the loudspeaker.
    fn sound(&mut self, now: Instant) {
        let mut frame = Frame::silence(Channels::Mono);
        for sample in frame.samples_mut() {
            // A whole number of hertz: after a second all is as it was.
            let cycles = (self.spoken % 48_000) as f32 * self.tone / 48_000.0;
            *sample = 0.5 * (cycles.fract() * std::f32::consts::TAU).sin();
            self.spoken += 1;
        }
        self.peer.handle_input(now, Input::Audio(&frame));
        let mut frame = Frame::silence(Channels::Mono);
        self.peer.play(now, &mut frame);
        let sum: f32 = frame.samples().iter().map(|sample| sample * sample).sum();
        self.heard.push((now, (sum / frame.samples().len() as f32).sqrt()));
    }
}
