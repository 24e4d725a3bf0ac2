//! `halloo peers`: which halloos announce themselves on this network, and how to call them.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};

use serde_json::{Map, Value};
use tokio::time::timeout;

use super::Failure;
use super::options::PeersOptions;
use super::show::{complain, write_stdout};
use super::signals::Asked;
use crate::net::discovery::{Discovery, Neighbour, Neighbours, Sighting};
use crate::peer::event::Step;

/// Runs the command.
///
/// # Errors
/// The network can't be asked.
pub async fn run(options: PeersOptions) -> Result<(), Failure> {
    let mut asked = Asked::listen().map_err(|e| Failure::machine("no signals", &e))?;
    let discovery = Discovery::start(&options.interface).map_err(no_network)?;
    let mut neighbours = discovery.neighbours().map_err(no_network)?;
    if io::stderr().is_terminal() && !options.telling.quiet {
        complain("looking around ...");
    }
    let mut told = BTreeSet::new();
    tokio::select! {
        _ = timeout(options.duration, look(&mut neighbours, &options, &mut told)) => {}
        () = asked.heard() => {}
    }
    discovery.farewell().await;
    if told.is_empty() && !options.telling.json && !options.telling.quiet {
        complain("nobody announces a halloo on this network; `halloo listen --lan` does");
    }
    Ok(())
}

/// Tells everybody once, as soon as they are found.
async fn look(neighbours: &mut Neighbours, options: &PeersOptions, told: &mut BTreeSet<String>) {
    while let Some(sighting) = neighbours.next().await {
        if let Sighting::Found(neighbour) = sighting
            && told.insert(neighbour.name.clone())
        {
            let json = options.telling.json;
            write_stdout(&if json { json_line(&neighbour) } else { plain(&neighbour) });
        }
    }
}

fn plain(neighbour: &Neighbour) -> String {
    format!("{:<24} {}", neighbour.name, neighbour.url())
}

fn json_line(neighbour: &Neighbour) -> String {
    let addresses = neighbour.addresses.iter().map(|ip| ip.to_string().into()).collect();
    let mut line = Map::new();
    line.insert("event".into(), "peer".into());
    line.insert("name".into(), neighbour.name.clone().into());
    line.insert("url".into(), neighbour.url().into());
    line.insert("addresses".into(), Value::Array(addresses));
    Value::Object(line).to_string()
}

fn no_network(error: crate::net::discovery::DiscoveryError) -> Failure {
    Failure::at(
        Step::Signalling,
        error,
        "is there a network? --interface NAME says by which to look",
    )
}
