//! `halloo peers`: which halloos announce themselves on this network, and how to call them.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};

use serde_json::json;
use tokio::time::timeout;

use super::Failure;
use super::options::PeersOptions;
use super::show::{complain, write_stdout};
use super::signals::Asked;
use crate::net::discovery::{Discovery, Neighbour, Neighbours, Sighting};
use crate::net::world::World;
use crate::peer::event::Step;
use crate::signal::events::line;
use crate::time::Instant;

/// Runs the command.
///
/// # Errors
/// The network can't be asked.
pub async fn run(options: PeersOptions) -> Result<(), Failure> {
    let world = World::new();
    let mut asked = Asked::listen().map_err(|e| Failure::machine("no signals", &e))?;
    let discovery = Discovery::start(&options.interface).map_err(no_network)?;
    let mut neighbours = discovery.neighbours().map_err(no_network)?;
    if io::stderr().is_terminal() && !options.telling.quiet {
        complain("looking around ...");
    }
    let mut told = BTreeSet::new();
    tokio::select! {
        _ = timeout(options.duration, look(world, &mut neighbours, &options, &mut told)) => {}
        () = asked.heard() => {}
    }
    discovery.farewell().await;
    if told.is_empty() && !options.telling.json && !options.telling.quiet {
        complain("nobody announces a halloo on this network; `halloo listen --lan` does");
    }
    Ok(())
}

/// Tells everybody once, as soon as they are found.
async fn look(
    world: World,
    neighbours: &mut Neighbours,
    options: &PeersOptions,
    told: &mut BTreeSet<String>,
) {
    while let Some(sighting) = neighbours.next().await {
        if let Sighting::Found(neighbour) = sighting
            && told.insert(neighbour.name.clone())
        {
            write_stdout(&match options.telling.json {
                true => json_line(world.now(), &neighbour),
                false => plain(&neighbour),
            });
        }
    }
}

fn plain(neighbour: &Neighbour) -> String {
    format!("{:<24} {}", neighbour.name, neighbour.url())
}

fn json_line(at: Instant, neighbour: &Neighbour) -> String {
    let found = json!({
        "event": "peer",
        "name": neighbour.name,
        "url": neighbour.url(),
        "addresses": neighbour.addresses,
    });
    line(at, None, &found)
}

fn no_network(error: crate::net::discovery::DiscoveryError) -> Failure {
    Failure::at(
        Step::Signalling,
        error,
        "is there a network? --interface NAME says by which to look",
    )
}
