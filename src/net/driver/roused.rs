//! Which of many sockets have something, without asking each of them.
//!
//! ```text
//! the system -> a socket's own Waker --its name--> the list of the roused --> the loop's Waker
//!                                                        |
//! the loop <------------- asks these sockets alone ------'
//! ```
//! Every call has sockets of its own to its TURN servers, and connections to its other side. With one Waker for
//! all of them each packet would cost a look at every socket; so each has its own, made once. A name stands in the
//! list once, however often its socket wakes us: nothing is allocated for a packet. The lock is never waited for in practice, since the
//! runtime wakes from the loop's own thread; the system's wakers may be called from any.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// The list of names.
#[derive(Debug)]
pub(super) struct Roused<Name>(Arc<Mutex<List<Name>>>);

#[derive(Debug)]
struct List<Name> {
    names: Vec<Name>,
    sleeper: Option<Waker>,
}

/// What a socket is polled with.
#[derive(Debug)]
pub(super) struct Alarm<Name> {
    name: Name,
    /// Whether it is in the list.
    is_listed: AtomicBool,
    list: Arc<Mutex<List<Name>>>,
}

impl<Name> Default for Roused<Name> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(List { names: Vec::new(), sleeper: None })))
    }
}

impl<Name: Copy> Roused<Name> {
    /// One for a socket, which is in the list from the start: nobody has looked at it yet.
    pub(super) fn alarm(&self, name: Name) -> Arc<Alarm<Name>> {
        let is_listed = AtomicBool::new(false);
        let alarm = Arc::new(Alarm { name, is_listed, list: Arc::clone(&self.0) });
        alarm.raise();
        alarm
    }

    /// Appends the names of those who were roused to `names`; the next one wakes `sleeper`.
    pub(super) fn take(&self, sleeper: &Waker, names: &mut Vec<Name>) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.append(&mut list.names);
        match &mut list.sleeper {
            Some(known) => known.clone_from(sleeper), // for free, if it is the same
            None => list.sleeper = Some(sleeper.clone()),
        }
    }
}

impl<Name: Copy> Alarm<Name> {
    /// To be called before the socket is looked at: what comes from then on counts anew.
    pub(super) fn reset(&self) {
        self.is_listed.store(false, Ordering::Release);
    }

    /// Has the socket looked at the next time that the loop looks, without waking it.
    pub(super) fn raise(&self) {
        self.list(|_| {});
    }

    fn list(&self, then: impl FnOnce(&List<Name>)) {
        if !self.is_listed.swap(true, Ordering::AcqRel) {
            let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
            list.names.push(self.name);
            then(&list);
        }
    }
}

impl<Name: Copy + Send + Sync> Wake for Alarm<Name> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.list(|list| {
            if let Some(sleeper) = &list.sleeper {
                sleeper.wake_by_ref();
            }
        });
    }
}
