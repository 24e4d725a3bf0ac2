//! One socket, many calls: whose datagram is this?
//!
//! A connectivity check names the call: its USERNAME starts with our ufrag (RFC 8445 section 7.2.2).
//! Everything else, and every later packet, is told by the address it comes from, once an authenticated
//! check came from there. An answer to a check of ours may come from an address that never asked
//! anything: its transaction id decides, and only the calls themselves know theirs.
//!
//! What belongs to nobody is dropped and counted; a stranger can't make this table grow, since only
//! [`Router::learn`] adds addresses, and only after a check was authentic.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::ice::{PathId, Recipient, TransactionId};
use crate::peer::demux::{self, Protocol};

/// Where a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<K> {
    /// To this call.
    Call(K),
    /// To the call that awaits this answer ([`super::Peer::awaits`]).
    Answer(TransactionId),
    /// To nobody.
    Nobody,
}

/// The calls of a set of sockets, by what their datagrams look like. `K` names a call.
#[derive(Debug)]
pub struct Router<K> {
    by_ufrag: HashMap<String, K>,
    by_address: HashMap<(PathId, SocketAddr), K>,
    unrouted: u64,
}

impl<K> Default for Router<K> {
    fn default() -> Self {
        Self { by_ufrag: HashMap::new(), by_address: HashMap::new(), unrouted: 0 }
    }
}

impl<K: Copy + PartialEq> Router<K> {
    /// Makes a call known by one of its own ufrags, before the other side can hear of it.
    pub fn register(&mut self, ufrag: &str, call: K) {
        self.by_ufrag.insert(ufrag.to_owned(), call);
    }

    /// Remembers that an authenticated check of `call` came from there. The latest call wins: a
    /// caller that calls again from the same port has left its old call.
    pub fn learn(&mut self, path: PathId, from: SocketAddr, call: K) {
        self.by_address.insert((path, from), call);
    }

    /// Whose datagrams from there are, as far as is known.
    #[must_use]
    pub fn owner(&self, path: PathId, from: SocketAddr) -> Option<K> {
        self.by_address.get(&(path, from)).copied()
    }

    /// Forgets a call.
    pub fn remove(&mut self, call: K) {
        self.by_ufrag.retain(|_, k| *k != call);
        self.by_address.retain(|_, k| *k != call);
    }

    /// Names the call of a datagram.
    pub fn route(&mut self, path: PathId, from: SocketAddr, datagram: &[u8]) -> Route<K> {
        let route = match demux::classify(datagram) {
            Some(Protocol::Stun) => self.route_stun(path, from, datagram),
            _ => self.route_by_address(path, from),
        };
        if matches!(route, Route::Nobody) {
            self.unrouted += 1;
        }
        route
    }

    /// Datagrams that belonged to no call.
    #[must_use]
    pub fn unrouted(&self) -> u64 {
        self.unrouted
    }

    fn route_stun(&self, path: PathId, from: SocketAddr, datagram: &[u8]) -> Route<K> {
        match Recipient::of(datagram) {
            Some(Recipient::Ufrag(ufrag)) => match self.by_ufrag.get(ufrag) {
                Some(call) => Route::Call(*call),
                None => self.route_by_address(path, from),
            },
            Some(Recipient::Asker(id)) => Route::Answer(id),
            Some(Recipient::Unnamed) => self.route_by_address(path, from),
            None => Route::Nobody,
        }
    }

    fn route_by_address(&self, path: PathId, from: SocketAddr) -> Route<K> {
        self.by_address.get(&(path, from)).map_or(Route::Nobody, |call| Route::Call(*call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: PathId = PathId(0);
    const DTLS: [u8; 3] = [22, 0xfe, 0xfd];

    fn address(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    #[test]
    fn what_comes_from_an_unproven_address_is_nobodys() {
        let mut router = Router::default();
        router.register("abcd", 1);
        assert_eq!(router.route(PATH, address(1), &DTLS), Route::Nobody);
        assert_eq!(router.unrouted(), 1);
        router.learn(PATH, address(1), 1);
        assert_eq!(router.route(PATH, address(1), &DTLS), Route::Call(1));
        assert_eq!(router.route(PathId(1), address(1), &DTLS), Route::Nobody, "another socket");
        router.remove(1);
        assert_eq!(router.route(PATH, address(1), &DTLS), Route::Nobody);
    }

    #[test]
    fn a_caller_that_calls_again_from_its_port_reaches_the_new_call() {
        let mut router = Router::default();
        router.learn(PATH, address(1), 1);
        router.learn(PATH, address(1), 2);
        router.remove(1);
        assert_eq!(router.route(PATH, address(1), &DTLS), Route::Call(2));
    }
}
