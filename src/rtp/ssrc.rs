//! Two who chose the same SSRC, and packets of our own that come back (RFC 3550 section 8.2).
//!
//! SRTP makes both rare: what comes back from a reflecting network was sealed with our key, not the
//! peer's, and does not open. But a peer may choose our number, or answer with our own packets on
//! purpose. Then we leave under the old number (BYE) and take a new one, once: whoever keeps sending
//! under our number has a loop, which is ignored.

use rand::RngExt;
use rand::rngs::StdRng;

use super::Ssrc;

/// The number that we send under, and how often we changed it.
#[derive(Clone, Debug)]
pub struct OwnSsrc {
    current: Ssrc,
    changes: u8,
}

/// What a received SSRC is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Someone else's.
    None,
    /// Ours: say BYE as the first, go on as the second. The packet itself is somebody's sound.
    Collision {
        /// The number that both had.
        old: Ssrc,
        /// The number that we have now.
        new: Ssrc,
    },
    /// Ours again, however often we change it: our own packets come back. Ignore the packet.
    Loop,
}

impl OwnSsrc {
    /// Takes a random number.
    #[must_use]
    pub fn new(rng: &mut StdRng) -> Self {
        Self { current: Ssrc(rng.random()), changes: 0 }
    }

    /// The number that we send under.
    #[must_use]
    pub fn current(&self) -> Ssrc {
        self.current
    }

    /// Compares an authenticated packet's source with our own.
    pub fn check(&mut self, received: Ssrc, rng: &mut StdRng) -> Conflict {
        if received != self.current {
            return Conflict::None;
        }
        if self.changes >= MOST_CHANGES {
            return Conflict::Loop;
        }
        self.changes += 1;
        let old = self.current;
        while self.current == old {
            self.current = Ssrc(rng.random());
        }
        Conflict::Collision { old, new: self.current }
    }
}

/// A chance of one in 2^32 doesn't strike three times: then it's a loop.
const MOST_CHANGES: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_collision_changes_our_number_and_a_loop_does_not() {
        // rfc3550-8.2-1
        let mut rng = StdRng::seed_from_u64(1);
        let mut own = OwnSsrc::new(&mut rng);
        assert_eq!(own.check(Ssrc(own.current().0 ^ 1), &mut rng), Conflict::None);
        for _ in 0..MOST_CHANGES {
            let old = own.current();
            let Conflict::Collision { old: left, new } = own.check(old, &mut rng) else {
                panic!("no collision");
            };
            assert_eq!((left, new), (old, own.current()));
            assert_ne!(old, new);
        }
        assert_eq!(own.check(own.current(), &mut rng), Conflict::Loop);
    }
}
