//! Room for so many connections; when all is taken, the one that has kept us waiting longest goes.
//!
//! ```text
//! enter ──> Waiting for a request ──> Answering ──> Waiting ...
//!              │ no room for the next: cut              │ never cut: somebody waits for the answer
//! ```
//! So neither idle browsers nor strangers who open connections and say nothing, or say it byte by byte,
//! keep a caller out. Who has asked all of it is answered, however long that takes (a call may ring).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// All connections.
#[derive(Debug)]
pub(super) struct Room {
    limit: usize,
    taken: Mutex<Taken>,
    /// A seat is free again, or its owner waits and may be sent away.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    seats: HashMap<u64, Sitting>,
    /// Counts connections and turns of waiting: an order that needs no clock.
    turns: u64,
}

#[derive(Debug)]
struct Sitting {
    /// The turn at which we began to wait for what comes.
    waiting: u64,
    /// Answers that we owe: one, or a second one that comes as a stream.
    owed: u32,
    cut: Arc<Notify>,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    room: Arc<Room>,
    name: u64,
    /// Ends the connection at once.
    pub(super) cut: Arc<Notify>,
}

/// Until this is dropped, the connection is owed an answer.
#[derive(Debug)]
pub(super) struct Owed(Arc<Seat>);

impl Room {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, taken: Mutex::default(), changed: Notify::new() })
    }

    /// Takes a seat, and somebody else's if there is no other; waits while everybody is being answered.
    pub(super) async fn enter(self: &Arc<Self>) -> Seat {
        loop {
            // Before looking, so that a change in between is not missed.
            let changed = self.changed.notified();
            if let Some(seat) = self.try_enter() {
                return seat;
            }
            changed.await;
        }
    }

    fn try_enter(self: &Arc<Self>) -> Option<Seat> {
        let mut taken = self.taken();
        if taken.seats.len() >= self.limit {
            let waiting = taken.seats.iter().filter(|(_, one)| one.owed == 0);
            let (_, longest) = waiting.map(|(name, one)| (one.waiting, *name)).min()?;
            taken.seats.remove(&longest)?.cut.notify_one();
        }
        let (name, cut) = (taken.turn(), Arc::new(Notify::new()));
        taken.seats.insert(name, Sitting { waiting: name, owed: 0, cut: Arc::clone(&cut) });
        Some(Seat { room: Arc::clone(self), name, cut })
    }

    /// Nobody panics while holding it, so what it guards is whole.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }
}

impl Seat {
    /// All of a request is here.
    pub(super) fn owe(self: &Arc<Self>) -> Owed {
        if let Some(sitting) = self.room.taken().seats.get_mut(&self.name) {
            sitting.owed += 1;
        }
        Owed(Arc::clone(self))
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let Seat { room, name, .. } = &*self.0;
        let mut taken = room.taken();
        let turn = taken.turn();
        if let Some(sitting) = taken.seats.get_mut(name) {
            sitting.waiting = turn;
            sitting.owed = sitting.owed.saturating_sub(1);
        }
        room.changed.notify_one();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.taken().seats.remove(&self.name);
        self.room.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_cut(seat: &Seat) -> bool {
        is_ready(seat.cut.notified())
    }

    /// Whether it is ready at once.
    fn is_ready(future: impl Future<Output = ()>) -> bool {
        let mut future = std::pin::pin!(future);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        future.as_mut().poll(&mut cx).is_ready()
    }

    #[test]
    fn who_has_kept_us_waiting_longest_goes() {
        let room = Room::new(3);
        let enter = || Arc::new(room.try_enter().unwrap());
        let [first, second, third] = [enter(), enter(), enter()];
        drop(first.owe()); // answered: its wait begins anew
        let owed = second.owe();
        let fourth = enter();
        assert!(is_cut(&third) && !is_cut(&first) && !is_cut(&second));
        let _fifth = enter();
        assert!(is_cut(&first) && !is_cut(&fourth) && !is_cut(&second));
        drop(third); // its seat is somebody else's already
        assert_eq!(room.taken().seats.len(), 3);
        drop(owed);
    }

    #[tokio::test]
    async fn while_everybody_is_being_answered_the_next_one_waits() {
        let room = Room::new(1);
        let only = Arc::new(room.enter().await);
        let owed = only.owe();
        assert!(room.try_enter().is_none());
        let next = tokio::spawn({
            let room = Arc::clone(&room);
            async move { room.enter().await }
        });
        tokio::task::yield_now().await;
        assert!(!next.is_finished());
        drop(owed);
        let _seat = next.await.unwrap();
        assert!(is_cut(&only));
    }
}
