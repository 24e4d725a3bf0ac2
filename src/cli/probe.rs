//! `halloo probe`: what the network lets through, in plain words.
//!
//! ```text
//! our addresses          -> who is on the same network can call
//! each STUN server       -> is there a NAT, and of which kind? (RFC 5780, if the server has two addresses)
//! each TURN server       -> does it give us a relay?
//! all of it              -> what calls will work
//! ```
//! Servers are asked at the same time, and told of in the order in which they were given.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Failure;
use super::options::ProbeOptions;
use super::show::{complain, write_stdout};
use super::signals::Asked;
use crate::ice::Server;
use crate::net::interfaces::{self, Serves};
use crate::net::probe::{self, Relay, Seen};
use crate::net::world::World;
use crate::peer::event::Step;
use crate::peer::is_private;
use crate::signal::events::line;
use crate::stun::behaviour::Behaviour;
use crate::turn;

/// Runs the command, until it is asked to end: then what was told so far was all.
///
/// # Errors
/// This machine has no network, nothing that was asked for answers, or there was no time for a verdict.
pub async fn run(options: ProbeOptions) -> Result<(), Failure> {
    let mut asked = Asked::listen().map_err(|e| Failure::machine("no signals", &e))?;
    tokio::select! {
        asked_all = ask(&options) => asked_all,
        () = asked.heard() => Err(Failure::at(
            Step::Signalling,
            "ended before every server had its time to answer",
            "let it run to its end",
        )),
    }
}

async fn ask(options: &ProbeOptions) -> Result<(), Failure> {
    let world = World::new();
    let json = options.telling.json.then_some(world);
    let ours = addresses(&options.interface).map_err(|e| Failure::machine("no addresses", &e))?;
    for (interface, ip) in &ours {
        tell(json, &Found::Address { interface, ip: *ip });
    }
    let user = options.servers.turn_user.as_ref().zip(options.servers.turn_password.as_ref());
    let user = user.map(|(name, password)| turn::User::new(name, password.reveal()));
    let stun: Vec<_> = options.servers.stun.iter().map(|it| ask_stun(world, it.clone())).collect();
    let turn = options.servers.turn.iter();
    let turn: Vec<_> = turn.map(|it| ask_turn(world, it.clone(), user.clone())).collect();
    if !stun.is_empty() || !turn.is_empty() {
        patience(options);
    }
    let mut summary =
        Summary { ours: ours.len(), asked: stun.len() + turn.len(), ..Summary::default() };
    for (server, asked) in options.servers.stun.iter().zip(stun) {
        let seen = asked.await.unwrap_or_else(|error| Err(error.to_string()));
        tell(json, &Found::Stun { server, seen: &seen });
        summary.stun(seen.ok());
    }
    for (server, asked) in options.servers.turn.iter().zip(turn) {
        let relay = asked.await.unwrap_or_else(|error| Err(error.to_string()));
        tell(json, &Found::Turn { server, relay: &relay });
        summary.relays += usize::from(relay.is_ok());
    }
    tell(json, &Found::Verdict { text: summary.verdict() });
    summary.judge()
}

fn patience(options: &ProbeOptions) {
    if !options.telling.quiet && !options.telling.json {
        complain("asking the servers; where nothing answers this takes some seconds ...");
    }
}

/// The addresses that a call would use.
fn addresses(wanted: &[String]) -> std::io::Result<Vec<(String, IpAddr)>> {
    let all = interfaces::addresses()?;
    let usable = interfaces::usable(&all, wanted).into_iter();
    let usable = usable.filter(|(_, serves)| *serves == Serves::EveryCall);
    Ok(usable.map(|(address, _)| (address.interface.clone(), address.ip)).collect())
}

fn ask_stun(world: World, server: Server) -> JoinHandle<Result<Seen, String>> {
    tokio::spawn(async move {
        let addr = resolve(&server).await?;
        let seen = probe::stun(world, addr).await;
        let seen = seen.map_err(|error| format!("no way to {addr}: {error}"))?;
        if seen.verdict.mapped.is_none() {
            return Err(format!("{addr} does not answer: UDP is blocked, or nobody is there"));
        }
        Ok(seen)
    })
}

fn ask_turn(
    world: World,
    server: Server,
    user: Option<turn::User>,
) -> JoinHandle<Result<Relay, String>> {
    tokio::spawn(async move {
        let addr = resolve(&server).await?;
        let relay = timeout(PATIENCE, probe::turn(world, &server, addr, user)).await;
        relay.unwrap_or_else(|_| Err(format!("{addr} does not answer, or is blocked")))
    })
}

/// IPv4 first: that is where NATs are.
async fn resolve(server: &Server) -> Result<SocketAddr, String> {
    let found = tokio::net::lookup_host((server.host.as_str(), server.port)).await;
    let mut found: Vec<_> = found.map_err(|error| format!("unknown host: {error}"))?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied().ok_or_else(|| "the name has no address".to_owned())
}

/// A call would go on asking for half a minute; a person wants to know now. Four repetitions fit in.
const PATIENCE: Duration = Duration::from_secs(8);

/// What is told, one line or one event each.
enum Found<'a> {
    Address { interface: &'a str, ip: IpAddr },
    Stun { server: &'a Server, seen: &'a Result<Seen, String> },
    Turn { server: &'a Server, relay: &'a Result<Relay, String> },
    Verdict { text: String },
}

/// In words; or as JSON, where that world says when.
fn tell(json: Option<World>, found: &Found<'_>) {
    write_stdout(&match json {
        Some(world) => line(world.now(), None, &found.members()),
        None => found.words(),
    });
}

impl Found<'_> {
    fn words(&self) -> String {
        match self {
            Self::Address { interface, ip } => format!("{ip:<24} {interface}: {}", reach(*ip)),
            Self::Stun { server, seen: Err(why) } => format!("{server}\n  {why}"),
            Self::Stun { server, seen: Ok(seen) } => {
                let verdict = &seen.verdict;
                let mapped = verdict.mapped.map_or_else(String::new, |mapped| mapped.to_string());
                let away = verdict.round_trip_time.map_or_else(String::new, |rtt| {
                    format!(", {:.0} ms there and back", rtt.as_secs_f64() * 1e3)
                });
                let nat = if seen.is_translated() { "behind a NAT" } else { "no NAT" };
                format!(
                    "{server}\n  sees us at {mapped}{away}: {nat}\n  mapping:   {}\n  filtering: {}",
                    mapping(verdict.mapping),
                    filtering(verdict.filtering)
                )
            }
            Self::Turn { server, relay: Err(why) } => format!("{server}\n  no relay: {why}"),
            Self::Turn { server, relay: Ok(relay) } => {
                let relayed: Vec<_> = relay.relayed.iter().map(ToString::to_string).collect();
                let took = relay.took.as_secs_f64() * 1e3;
                format!(
                    "{server}\n  gives us a relay at {} within {took:.0} ms",
                    relayed.join(", ")
                )
            }
            Self::Verdict { text } => format!("\n{text}"),
        }
    }

    fn members(&self) -> Value {
        match self {
            Self::Address { interface, ip } => {
                json!({ "event": "address", "interface": interface, "address": ip.to_string() })
            }
            Self::Stun { server, seen } => json!({
                "event": "stun",
                "server": server.to_string(),
                "mapped": seen.as_ref().ok().and_then(|seen| seen.verdict.mapped),
                "rtt": seen.as_ref().ok().and_then(|seen| seen.verdict.round_trip_time)
                    .map(|rtt| rtt.as_secs_f64() * 1e3),
                "nat": seen.as_ref().ok().map(Seen::is_translated),
                "mapping": seen.as_ref().ok().map(|seen| name(seen.verdict.mapping)),
                "filtering": seen.as_ref().ok().map(|seen| name(seen.verdict.filtering)),
                "error": seen.as_ref().err(),
            }),
            Self::Turn { server, relay } => json!({
                "event": "turn",
                "server": server.to_string(),
                "relayed": relay.as_ref().ok().map(|relay| &relay.relayed),
                "mapped": relay.as_ref().ok().map(|relay| relay.mapped),
                "ms": relay.as_ref().ok().map(|relay| relay.took.as_secs_f64() * 1e3),
                "error": relay.as_ref().err(),
            }),
            Self::Verdict { text } => json!({ "event": "verdict", "text": text }),
        }
    }
}

fn reach(ip: IpAddr) -> &'static str {
    match (ip.is_loopback(), is_private(ip)) {
        (true, _) => "this machine only",
        (_, true) => "private, for the same network",
        (_, false) => "public, unless a firewall is in between",
    }
}

/// As RFC 4787 calls it.
const fn name(behaviour: Behaviour) -> &'static str {
    match behaviour {
        Behaviour::EndpointIndependent => "endpoint-independent",
        Behaviour::AddressDependent => "address-dependent",
        Behaviour::AddressAndPortDependent => "address-and-port-dependent",
        Behaviour::Unknown => "unknown",
    }
}

fn mapping(behaviour: Behaviour) -> String {
    let means = match behaviour {
        Behaviour::EndpointIndependent => "one address for all; direct calls work with most others",
        Behaviour::AddressDependent | Behaviour::AddressAndPortDependent => {
            "another address for each; two such NATs need a relay"
        }
        Behaviour::Unknown => "the server has no second address to tell by",
    };
    format!("{}: {means}", name(behaviour))
}

fn filtering(behaviour: Behaviour) -> String {
    let means = match behaviour {
        Behaviour::EndpointIndependent => "whoever knows our address gets in",
        Behaviour::AddressDependent | Behaviour::AddressAndPortDependent => {
            "only those get in that we sent something to, as a call does"
        }
        Behaviour::Unknown => "the server has no second address to tell by",
    };
    format!("{}: {means}", name(behaviour))
}

/// What all answers together mean.
#[derive(Debug, Default)]
struct Summary {
    ours: usize,
    asked: usize,
    seen: Vec<Seen>,
    relays: usize,
}

impl Summary {
    fn stun(&mut self, seen: Option<Seen>) {
        self.seen.extend(seen);
    }

    /// Whether two servers see us at two addresses.
    fn depends_on_the_other_side(&self) -> bool {
        let tells = |seen: &Seen| {
            let behaviour = seen.verdict.mapping;
            matches!(behaviour, Behaviour::AddressDependent | Behaviour::AddressAndPortDependent)
        };
        self.seen.iter().any(tells)
    }

    fn verdict(&self) -> String {
        let relay = match self.relays {
            0 => "a TURN server (--turn) would help where there is no direct way",
            _ => "where there is no direct way, the relay carries the call",
        };
        match (self.ours, self.seen.is_empty(), self.depends_on_the_other_side()) {
            (0, ..) => "this machine has no network: only calls to itself work".to_owned(),
            _ if self.asked == 0 => {
                "calls within this network work; a STUN server (--stun) would tell how \
                                     others can reach us"
                    .to_owned()
            }
            (_, true, _) if self.relays > 0 => {
                "no STUN server answers, but a relay is there: calls work through it".to_owned()
            }
            (_, true, _) => {
                "no server answers: calls to other networks will hardly work".to_owned()
            }
            (_, false, true) => {
                format!("direct calls work with whoever is behind a friendlier NAT; {relay}")
            }
            (_, false, false) => format!("direct calls should work with most others; {relay}"),
        }
    }

    /// A probe has failed if nothing that was asked for answered.
    fn judge(&self) -> Result<(), Failure> {
        if self.asked > 0 && self.seen.is_empty() && self.relays == 0 {
            return Err(Failure::at(
                Step::Ice,
                "none of the servers could be used",
                "check the names, the password and whether the network blocks UDP: \
                 turns: servers are let through by most",
            ));
        }
        Ok(())
    }
}
