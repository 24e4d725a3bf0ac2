//! Whom a bare word means: somebody who announces that name on the local network, else a DNS name.
//!
//! Both are asked at once. Whoever is on this network answers within a tenth of a second, so a DNS name
//! waits no longer for them than that takes.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Failure;
use super::options::MediaOptions;
use super::show::complain;
use crate::net::discovery::{Discovery, Neighbour, Sighting};
use crate::net::http_client::resolve_endpoint;
use crate::net::target::{Endpoint, Named, Routes};
use crate::peer::event::Step;

/// The ways to whoever is called so.
///
/// # Errors
/// Nobody is.
pub(super) async fn find(
    named: Named,
    media: &MediaOptions,
    quiet: bool,
) -> Result<Routes, Failure> {
    if let Some(neighbour) = announced(&named, media).await {
        let url = neighbour.url();
        if !quiet {
            complain(&format!("{} is at {url}", neighbour.name));
        }
        let endpoint = url.parse().ok().and_then(|uri| Endpoint::from_uri(&uri).ok());
        return endpoint.map(Routes::from).ok_or_else(|| nobody(&named.name));
    }
    named.routes.ok_or_else(|| nobody(&named.name))
}

/// The neighbour of that name, if it answers before a DNS name would have to wait for it.
async fn announced(named: &Named, media: &MediaOptions) -> Option<Neighbour> {
    if media.no_mdns {
        return None;
    }
    let told = |error| tracing::debug!("{error}");
    let discovery = Discovery::start(&media.interface).map_err(told).ok()?;
    let found = tokio::select! {
        found = timeout(PATIENCE, called(&discovery, &named.name)) => found.ok().flatten(),
        () = known_elsewhere(named) => None,
    };
    discovery.farewell().await;
    found
}

async fn called(discovery: &Discovery, name: &str) -> Option<Neighbour> {
    let mut neighbours = discovery.neighbours().ok()?;
    loop {
        match neighbours.next().await? {
            Sighting::Found(neighbour) if neighbour.name.eq_ignore_ascii_case(name) => {
                return Some(neighbour);
            }
            Sighting::Found(_) | Sighting::Gone { .. } => {}
        }
    }
}

/// Ready when the name is one of the DNS, and everybody on this network has had time to answer to it.
async fn known_elsewhere(named: &Named) {
    let known = async {
        match &named.routes {
            Some(routes) if resolve_endpoint(&routes.first).await.is_ok() => {}
            _ => std::future::pending().await,
        }
    };
    tokio::join!(known, sleep(ANSWERED_WITHIN));
}

fn nobody(name: &str) -> Failure {
    Failure::at(
        Step::Signalling,
        format!("nobody on this network announces the name {name:?}, and it is no host"),
        "`halloo peers` lists who is there; over there: halloo listen --lan",
    )
}

/// Answers are delayed by up to 120 ms (RFC 6762 section 6); with a round trip over Wi-Fi.
const ANSWERED_WITHIN: Duration = Duration::from_millis(400);
/// Where there is no other way to find it: the question is repeated after a second.
const PATIENCE: Duration = Duration::from_secs(3);
