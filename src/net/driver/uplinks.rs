//! Networks that come and go while calls run: every call is told at once, and those without a way ask for
//! one.
//!
//! ```text
//! Watch --changed--> Sockets::refresh --> gone: Input::LocalAddressGone    to every call
//!                                     '-> come: Input::LocalAddress        to every call that it serves
//! Event::RestartNeeded --> an offer that begins ICE anew, if somebody carries it to the other side
//! ```

use std::net::SocketAddr;

use crate::ice::PathId;
use crate::net::driver::Driver;
use crate::net::driver::calls::{Call, CallKey};
use crate::net::driver::names::Names;
use crate::net::driver::network::Network;
use crate::peer::{Input, Peer};
use crate::time::Instant;

impl Driver {
    /// Looks at the addresses, if they may have changed, and tells the calls.
    pub(super) fn take_changes(&mut self) {
        if std::mem::take(&mut self.has_other_addresses)
            && let Err(error) = self.network.sockets.refresh()
        {
            tracing::warn!(%error, "the machine's addresses can't be looked at");
        }
        // Something else may have had it looked at: a new call does.
        let changes = self.network.sockets.take_changes();
        if changes.come.is_empty() && changes.gone.is_empty() {
            return;
        }
        let now = self.world.now();
        let running: Vec<_> = self.calls.running().collect();
        for key in running {
            let Some(caller) = self.calls.get(key).map(|call| call.caller) else { continue };
            let mut serving = self.network.sockets.serving(caller.signalling);
            serving.retain(|(path, _)| changes.come.contains(path));
            let Some(peer) = self.calls.peer(key) else { continue };
            // What came first: who loses one has another to go to.
            give_addresses(now, peer, &mut self.names, &self.network, serving);
            for path in &changes.gone {
                peer.handle_input(now, Input::LocalAddressGone { path: *path });
            }
            self.drain(now, key);
        }
    }

    /// A call has lost its way, or goes by one that was never agreed on: it is described anew, if anybody
    /// takes the offer to the other side. Else the other side may do it, or what is left has to do. If an offer
    /// of something else is open, the next one follows as soon as its fate is known.
    pub(super) fn restart_ice_if_read(&mut self, now: Instant, key: CallKey) {
        if !self.calls.get(key).is_some_and(Call::is_read) {
            return;
        }
        if self.calls.peer(key).is_some_and(|peer| peer.find_another_way().is_ok()) {
            self.offer_if_needed(now, key);
        }
    }
}

/// Tells a call of addresses. One that is to be hidden, and can't be, is not used.
pub(super) fn give_addresses(
    now: Instant,
    peer: &mut Peer,
    names: &mut Names,
    network: &Network,
    addresses: Vec<(PathId, SocketAddr)>,
) {
    if let Ok(hidden) = names.hide(addresses.iter().map(|(_, addr)| addr.ip())) {
        peer.hide(hidden);
        network.give_addresses(now, peer, addresses);
    }
}
