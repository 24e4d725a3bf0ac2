//! Names to addresses, less those that no route leads to.
//!
//! Most names have an IPv4 and an IPv6 address, and many networks know only one of the two. What can't be
//! reached must not stand between a refusal by the other address and what it leads to: whether plain HTTP may
//! be tried (`routes.rs`), and what the person is told.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

use crate::net::udp::route_towards;

/// The system's resolver, and a look at the routes.
#[derive(Clone, Debug)]
pub(super) struct Reachable(GaiResolver);

impl Reachable {
    pub(super) fn new() -> Self {
        Self(GaiResolver::new())
    }
}

impl Service<Name> for Reachable {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let found = self.0.call(name);
        Box::pin(async move { Ok(reachable(found.await?.collect()).into_iter()) })
    }
}

/// All of them, if there is a route to none: whoever tries is told why.
fn reachable(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let routed: Vec<_> =
        found.iter().copied().filter(|addr| route_towards(*addr).is_ok()).collect();
    if routed.is_empty() { found } else { routed }
}
