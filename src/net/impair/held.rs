//! What is on its way: packets in the order in which they arrive.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Instant;

/// Packets held back until their time has come; those of one moment leave in the order they came.
#[derive(Debug)]
pub struct Held<T> {
    heap: BinaryHeap<Reverse<Waiting<T>>>,
    taken: u64,
    limit: usize,
}

#[derive(Debug)]
struct Waiting<T> {
    at: Instant,
    place: u64,
    packet: T,
}

impl<T> Held<T> {
    /// Holds nothing yet, and never more than `limit` packets: a queue has an end, in routers too.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { heap: BinaryHeap::new(), taken: 0, limit }
    }

    /// Keeps a packet until `at`; drops it when full.
    pub fn hold(&mut self, at: Instant, packet: T) {
        if self.heap.len() < self.limit {
            self.heap.push(Reverse(Waiting { at, place: self.taken, packet }));
            self.taken += 1;
        }
    }

    /// The next packet whose time has come.
    pub fn release(&mut self, now: Instant) -> Option<T> {
        if self.next_release()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(waiting)| waiting.packet)
    }

    /// When [`Held::release`] has something again.
    #[must_use]
    pub fn next_release(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(waiting)| waiting.at)
    }
}

impl<T> Ord for Waiting<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.place).cmp(&(other.at, other.place))
    }
}

impl<T> PartialOrd for Waiting<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Waiting<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Waiting<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_leave_by_time_then_by_arrival_and_not_before() {
        let mut held = Held::new(3);
        held.hold(Instant::from_millis(20), "b");
        held.hold(Instant::from_millis(10), "a");
        held.hold(Instant::from_millis(20), "c");
        held.hold(Instant::from_millis(5), "too many");
        assert_eq!(held.next_release(), Some(Instant::from_millis(10)));
        assert_eq!(held.release(Instant::from_millis(9)), None);
        let now = Instant::from_millis(20);
        let left: Vec<_> = std::iter::from_fn(|| held.release(now)).collect();
        assert_eq!(left, ["a", "b", "c"]);
        assert_eq!(held.next_release(), None);
    }
}
