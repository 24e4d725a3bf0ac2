//! The replay window: which indices were seen (RFC 3711 section 3.3.2).
//!
//! ```text
//!  bit 127                                bit 2  bit 1  bit 0
//! +--------+-- - - - - - - - - - - - --+--------+------+--------+
//! | oldest |                           |        |      | newest |   a set bit: seen
//! +--------+-- - - - - - - - - - - - --+--------+------+--------+
//!   older: refused                                       newer: moves the window
//! ```
//! Asked before authentication, told after it. Read next: [`super::srtp`].

/// Remembers up to 128 indices below the newest one.
#[derive(Clone, Copy, Debug)]
pub struct ReplayWindow {
    newest: Option<u64>,
    seen: u128,
    size: u64,
}

impl ReplayWindow {
    /// The usual size, and the largest.
    pub const SIZE: u32 = 128;

    /// An empty window of `size` indices: 64, the least that RFC 3711 allows, to 128.
    #[must_use]
    pub fn new(size: u32) -> Self {
        Self { newest: None, seen: 0, size: size.clamp(64, Self::SIZE).into() }
    }

    /// The newest index so far.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Whether a packet of this index could be new.
    #[must_use]
    pub fn admits(&self, index: u64) -> bool {
        match self.newest {
            Some(newest) if index <= newest => {
                let age = newest - index;
                age < self.size && self.seen >> age & 1 == 0
            }
            _ => true,
        }
    }

    /// Remembers an index whose packet was authentic.
    pub fn mark(&mut self, index: u64) {
        match self.newest {
            Some(newest) if index <= newest => {
                self.seen |= shifted(1, newest - index);
            }
            Some(newest) => {
                self.seen = shifted(self.seen, index - newest) | 1;
                self.newest = Some(index);
            }
            None => (self.newest, self.seen) = (Some(index), 1),
        }
    }
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self::new(Self::SIZE)
    }
}

/// Shifts bits out on the left, any distance.
fn shifted(bits: u128, left: u64) -> u128 {
    u32::try_from(left).ok().and_then(|left| bits.checked_shl(left)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// rfc3711-3.3.2-1
    #[test]
    fn duplicates_and_what_is_older_than_128_are_refused() {
        let mut window = ReplayWindow::default();
        window.mark(1_000);
        assert!(!window.admits(1_000), "a duplicate");
        assert!(window.admits(873) && !window.admits(872), "the edge");
        window.mark(1_127);
        assert!(!window.admits(1_000), "still remembered at the far edge");
        assert!(window.admits(1_001));
        window.mark(1 << 40);
        assert!(!window.admits(1_127), "far older");
    }

    proptest! {
        #[test]
        fn the_bits_agree_with_a_set(indices in prop::collection::vec(0_u64..400, 0..200)) {
            let mut window = ReplayWindow::default();
            let mut seen = HashSet::new();
            for index in indices {
                let newest = seen.iter().max().copied().unwrap_or(0);
                let expected = !seen.contains(&index) && index + 128 > newest;
                prop_assert_eq!(window.admits(index), expected);
                if expected {
                    window.mark(index);
                    seen.insert(index);
                }
            }
        }
    }
}
