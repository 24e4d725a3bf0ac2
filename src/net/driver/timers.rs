//! One heap of timers for all calls: the loop sleeps until the earliest and looks at no other.
//!
//! A call's deadline moves with almost every packet, mostly to later. Taking it out of the heap each
//! time would cost more than it saves; so each call has at most one entry that counts, at or before
//! its deadline, and an entry that comes up too early goes back in at the right place.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Instant;

/// The deadlines of all calls. `K` names a call.
#[derive(Debug)]
pub(super) struct Timers<K> {
    heap: BinaryHeap<Reverse<(Instant, K)>>,
}

/// A call's own end of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deadline {
    due: Option<Instant>,
    /// The earliest entry in the heap.
    entered: Option<Instant>,
}

impl<K: Ord + Copy> Timers<K> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new() }
    }

    /// Moves a call's deadline.
    pub(super) fn set(&mut self, key: K, deadline: &mut Deadline, due: Option<Instant>) {
        deadline.due = due;
        if let Some(due) = due
            && deadline.entered.is_none_or(|entered| due < entered)
        {
            deadline.entered = Some(due);
            self.heap.push(Reverse((due, key)));
        }
    }

    /// The earliest entry; possibly before any deadline, never after one.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the next entry that has come up; ask [`Timers::is_due`] whether it means anything.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Instant, K)> {
        if self.earliest()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Whether a call's deadline has come, now that its entry came up; if not, it is entered anew.
    pub(super) fn is_due(
        &mut self,
        now: Instant,
        (at, key): (Instant, K),
        deadline: &mut Deadline,
    ) -> bool {
        if deadline.entered != Some(at) {
            return false; // an older entry: an earlier one was made since
        }
        deadline.entered = None;
        let is_due = deadline.due.is_some_and(|due| due <= now);
        let due = if is_due { None } else { deadline.due };
        self.set(key, deadline, due);
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    /// All that fires up to `now`.
    fn fire(timers: &mut Timers<usize>, deadlines: &mut [Deadline], now: Instant) -> Vec<usize> {
        let mut fired = Vec::new();
        while let Some(entry) = timers.pop(now) {
            if timers.is_due(now, entry, &mut deadlines[entry.1]) {
                fired.push(entry.1);
            }
        }
        fired
    }

    #[test]
    fn a_deadline_moved_a_thousand_times_fires_once_and_has_one_entry() {
        let (mut timers, mut calls) = (Timers::new(), [Deadline::default(); 1]);
        for later in 10..1_010 {
            timers.set(0, &mut calls[0], Some(ms(later)));
        }
        assert_eq!(timers.heap.len(), 1);
        assert!(fire(&mut timers, &mut calls, ms(1_008)).is_empty());
        assert_eq!(timers.earliest(), Some(ms(1_009)));
        assert_eq!(fire(&mut timers, &mut calls, ms(1_009)), [0]);
        assert_eq!(timers.earliest(), None);
    }

    #[test]
    fn an_earlier_deadline_fires_first_and_none_fires_twice() {
        let (mut timers, mut calls) = (Timers::new(), [Deadline::default(); 2]);
        timers.set(0, &mut calls[0], Some(ms(50)));
        timers.set(1, &mut calls[1], Some(ms(30)));
        timers.set(0, &mut calls[0], Some(ms(20)));
        assert_eq!(fire(&mut timers, &mut calls, ms(20)), [0]);
        timers.set(0, &mut calls[0], Some(ms(60)));
        assert_eq!(fire(&mut timers, &mut calls, ms(55)), [1]);
        timers.set(0, &mut calls[0], None);
        assert!(fire(&mut timers, &mut calls, ms(100)).is_empty(), "taken back");
        assert_eq!(timers.earliest(), None);
    }
}
