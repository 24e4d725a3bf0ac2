//! Where packets wait: a ring of slots, found by sequence number, whose buffers are used again.
//!
//! No allocation once every slot has held a packet, no search, and no way to grow: a packet that comes
//! a lap too early takes the place of the oldest. Read next: `timeline.rs`.

use super::super::{Codec, RtpTimestamp};

/// Slots: 1.28 s of 10 ms packets.
pub(super) const SLOTS: u64 = 128;

/// Packets before the first that may still come before it's played.
const START_ROOM: u64 = 8;

/// A packet that waits, or a number of which we know that it carries no sound.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// The extended sequence number; 0 is never used.
    number: u64,
    /// Whether there is sound inside: not for padding and telephone events.
    pub(super) sound: bool,
    pub(super) payload_type: u8,
    pub(super) codec: Codec,
    pub(super) timestamp: RtpTimestamp,
    /// When its first sample is due, on the sender's clock.
    pub(super) media_us: i64,
    pub(super) duration_us: i64,
    pub(super) arrived_us: i64,
    /// Whether it holds a copy of the frame before it.
    pub(super) fec: bool,
    /// Whether nobody would miss it.
    pub(super) quiet: bool,
    pub(super) payload: Vec<u8>,
}

impl Slot {
    const EMPTY: Self = Self {
        number: 0,
        sound: false,
        payload_type: 0,
        codec: Codec::Opus,
        timestamp: RtpTimestamp(0),
        media_us: 0,
        duration_us: 0,
        arrived_us: 0,
        fec: false,
        quiet: false,
        payload: Vec::new(),
    };

    /// When its last sample is over.
    pub(super) fn end_us(&self) -> i64 {
        self.media_us + self.duration_us
    }
}

/// The next packet with sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) number: u64,
    /// Packets between the last one taken and this one that never came.
    pub(super) missing: u64,
}

/// The slots, and which numbers they hold.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    slots: Vec<Slot>,
    /// The last number taken out or given up.
    pub(super) taken: u64,
    /// The highest number put in.
    newest: u64,
}

impl Ring {
    pub(super) fn new() -> Self {
        let slots = (0..SLOTS).map(|_| Slot::EMPTY).collect();
        Self { slots, taken: 0, newest: 0 }
    }

    /// Forgets all; the stream starts about `first`, of whose predecessors some may still come.
    pub(super) fn restart(&mut self, first: u64) {
        for slot in &mut self.slots {
            slot.number = 0;
        }
        self.taken = first.saturating_sub(START_ROOM);
        self.newest = self.taken;
    }

    /// A packet that waits or waited here.
    pub(super) fn get(&self, number: u64) -> Option<&Slot> {
        self.slots.get(Self::index(number)).filter(|slot| slot.number == number)
    }

    /// The slot for `number`, and how many packets with sound had to make room for it.
    pub(super) fn put(&mut self, number: u64) -> Option<(&mut Slot, u64)> {
        let oldest = number.saturating_sub(SLOTS);
        let mut displaced = 0;
        while self.taken < oldest {
            match self.next_sound() {
                Some(next) if next.number <= oldest => {
                    self.taken = next.number;
                    displaced += 1;
                }
                _ => self.taken = oldest,
            }
        }
        self.newest = self.newest.max(number);
        let slot = self.slots.get_mut(Self::index(number))?;
        slot.number = number;
        Some((slot, displaced))
    }

    /// The first packet with sound behind the last one taken.
    pub(super) fn next_sound(&self) -> Option<Next> {
        let mut missing = 0;
        for number in self.taken + 1..=self.newest.min(self.taken + SLOTS) {
            match self.get(number) {
                Some(slot) if slot.sound => return Some(Next { number, missing }),
                Some(_) => {}
                None => missing += 1,
            }
        }
        None
    }

    /// Packets with sound that wait, and how long they last.
    pub(super) fn waiting_us(&self) -> i64 {
        let waiting = self.slots.iter().filter(|slot| slot.sound && slot.number > self.taken);
        waiting.map(|slot| slot.duration_us).sum()
    }

    fn index(number: u64) -> usize {
        usize::try_from(number % SLOTS).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(numbers: &[u64]) -> (Ring, u64) {
        let mut ring = Ring::new();
        ring.restart(1_000);
        ring.taken = 999;
        let mut displaced = 0;
        for number in numbers {
            let (slot, more) = ring.put(*number).unwrap();
            slot.sound = true;
            displaced += more;
        }
        (ring, displaced)
    }

    #[test]
    fn the_next_packet_is_found_behind_what_is_missing() {
        let (mut ring, _) = with(&[1_003, 1_001]);
        assert_eq!(ring.next_sound(), Some(Next { number: 1_001, missing: 1 }));
        ring.taken = 1_001;
        ring.put(1_002).unwrap().0.sound = false;
        assert_eq!(ring.next_sound(), Some(Next { number: 1_003, missing: 0 }), "padding");
    }

    #[test]
    fn a_packet_far_ahead_takes_the_place_of_the_oldest() {
        let (ring, displaced) = with(&[1_000, 1_001, 1_002, 1_001 + SLOTS]);
        assert_eq!(displaced, 2);
        assert_eq!(ring.next_sound().unwrap().number, 1_002);
        let (ring, displaced) = with(&[1_000, 1_001, 1_000_000]);
        assert_eq!((ring.next_sound().unwrap().number, displaced), (1_000_000, 2));
    }
}
