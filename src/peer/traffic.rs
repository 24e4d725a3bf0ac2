//! What went which way: packets and bytes of DTLS, RTP and RTCP, for each pair of addresses and in all. After an ICE
//! restart the same addresses are another pair, and counted anew.
//!
//! Bytes are those of whole datagrams, without the headers of IP and UDP; checks of ICE don't count (W3C
//! `RTCTransportStats`, `RTCIceCandidatePairStats`). What can't be opened isn't the other side's, and
//! doesn't count either. Comes from `transport.rs`, goes to `stats_report/transport.rs`.

use std::net::SocketAddr;

use crate::ice::{PathId, canonical};
use crate::time::Instant;

/// Of which ICE session ([`crate::ice::Agent::session_of`]), a socket of ours, and an address of theirs as
/// candidates have it.
pub(super) type Way = (u32, PathId, SocketAddr);

/// Counters by way.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) all: Counted,
    ways: Vec<(Way, Counted)>,
    /// The way of the datagram that is looked at.
    arriving: Option<Way>,
}

/// Datagrams both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) packets_sent: u64,
    pub(super) bytes_sent: u64,
    pub(super) packets_received: u64,
    pub(super) bytes_received: u64,
    pub(super) last_sent: Option<Instant>,
    pub(super) last_received: Option<Instant>,
}

/// A call uses one way, and after a change of network a few more. Those of past sessions make room.
const MOST_WAYS: usize = 32;

impl Traffic {
    /// A datagram that may be theirs came this way.
    pub(super) fn arrives(&mut self, (session, path, from): Way) {
        self.arriving = Some((session, path, canonical(from)));
    }

    /// It is theirs. One that was kept for a moment counts for the way of the one that set it free.
    pub(super) fn received(&mut self, now: Instant, bytes: usize) {
        for counted in [Some(&mut self.all), on(&mut self.ways, self.arriving)] {
            let Some(counted) = counted else { continue };
            counted.packets_received += 1;
            counted.bytes_received += bytes as u64;
            counted.last_received = Some(now);
        }
    }

    /// A datagram leaves.
    pub(super) fn sent(&mut self, now: Instant, way: Way, bytes: usize) {
        for counted in [Some(&mut self.all), on(&mut self.ways, Some(way))] {
            let Some(counted) = counted else { continue };
            counted.packets_sent += 1;
            counted.bytes_sent += bytes as u64;
            counted.last_sent = Some(now);
        }
    }

    /// What went one way.
    pub(super) fn of(&self, way: Way) -> Counted {
        let found = self.ways.iter().find(|(known, _)| *known == way);
        found.map(|(_, counted)| *counted).unwrap_or_default()
    }
}

/// The counters of a way; the one in use is almost always the only one.
fn on(ways: &mut Vec<(Way, Counted)>, way: Option<Way>) -> Option<&mut Counted> {
    let way = way?;
    if !ways.iter().any(|(known, _)| *known == way) {
        if ways.len() == MOST_WAYS {
            let past = ways.iter().position(|((session, ..), _)| *session != way.0)?;
            ways.remove(past);
        }
        ways.push((way, Counted::default()));
    }
    ways.iter_mut().find(|(known, _)| *known == way).map(|(_, counted)| counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(port: u16) -> Way {
        (0, PathId(0), ([0xfe80, 0, 0, 0, 0, 0, 0, 1], port).into())
    }

    #[test]
    fn each_way_has_its_own_counters_and_all_have_the_sum() {
        let mut traffic = Traffic::default();
        traffic.sent(Instant::from_millis(1), way(1), 100);
        traffic.sent(Instant::from_millis(2), way(2), 50);
        traffic.arrives((0, PathId(0), "[fe80::1%3]:2".parse().unwrap()));
        traffic.received(Instant::from_millis(3), 7);
        let second = Counted {
            packets_sent: 1,
            bytes_sent: 50,
            packets_received: 1,
            bytes_received: 7,
            last_sent: Some(Instant::from_millis(2)),
            last_received: Some(Instant::from_millis(3)),
        };
        assert_eq!(traffic.of(way(2)), second);
        assert_eq!((traffic.of(way(1)).bytes_sent, traffic.of(way(3))), (100, Counted::default()));
        assert_eq!((traffic.all.packets_sent, traffic.all.bytes_sent), (2, 150));
    }

    #[test]
    fn no_stranger_makes_it_grow() {
        let mut traffic = Traffic::default();
        (1..100).for_each(|port| traffic.sent(Instant::ZERO, way(port), 1));
        assert_eq!((traffic.ways.len(), traffic.all.packets_sent), (MOST_WAYS, 99));
    }

    #[test]
    fn a_new_session_counts_anew_however_many_there_were() {
        let mut traffic = Traffic::default();
        for session in 0..100 {
            let (_, path, to) = way(1);
            traffic.sent(Instant::ZERO, (session, path, to), 7);
            assert_eq!(traffic.of((session, path, to)).bytes_sent, 7);
        }
    }
}
