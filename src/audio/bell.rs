//! Wakes the driver from other threads: the sound card moved samples, or something happened to it.
//!
//! ```text
//! card's thread: callback --ring--.
//! supervisor: Ringing::send ------+--> Bell --> the driver's loop: poll_rung
//! whoever opens a device ---------'
//! ```
//! Ringing sets a flag and wakes a task: no allocation and no lock of ours; the runtime writes to a file
//! descriptor if its thread sleeps, which takes a microsecond or two and never waits. The card's thread can
//! afford that once per callback, since what wakes itself is a system call as well; looking by a timer
//! would be later on average, and wake more often.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;

/// Rung by any thread, heard by one task.
#[derive(Debug, Default)]
pub struct Bell {
    rung: AtomicBool,
    task: AtomicWaker,
}

impl Bell {
    /// Wakes the task that polls; once for all rings until then.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.task.wake();
        }
    }

    /// Ready if it was rung since the last time.
    pub fn poll_rung(&self, cx: &Context<'_>) -> Poll<()> {
        // First the waker, then the look: a ring in between wakes.
        self.task.register(cx.waker());
        if self.rung.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// The sending end of a channel to the task that the bell wakes. Rings for each message, and when it is
/// dropped.
#[derive(Debug)]
pub struct Ringing<T> {
    /// There until it is dropped.
    sender: Option<Sender<T>>,
    bell: Arc<Bell>,
}

/// Such a channel.
#[must_use]
pub fn channel<T>(bell: &Arc<Bell>) -> (Ringing<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel();
    (Ringing { sender: Some(sender), bell: bell.clone() }, receiver)
}

impl<T> Ringing<T> {
    /// Sends it; if nobody is there any more, it is dropped.
    pub fn send(&self, message: T) {
        let _nobody_waits = self.sender.as_ref().map(|sender| sender.send(message));
        self.bell.ring();
    }
}

impl<T> Drop for Ringing<T> {
    fn drop(&mut self) {
        self.sender = None; // before the ring: whoever comes for it finds the end
        self.bell.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Wake, Waker};

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn rings_wake_once_until_they_are_heard_and_none_is_lost() {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let cx = Context::from_waker(&waker);
        let bell = Arc::new(Bell::default());
        bell.ring();
        assert!(bell.poll_rung(&cx).is_ready(), "rung before anybody listened");
        assert!(bell.poll_rung(&cx).is_pending());
        std::thread::scope(|scope| {
            scope.spawn(|| (0..1_000).for_each(|_| bell.ring()));
        });
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(bell.poll_rung(&cx).is_ready());
        assert!(bell.poll_rung(&cx).is_pending());

        let (ringing, receiver) = channel(&bell);
        ringing.send(7);
        assert!(bell.poll_rung(&cx).is_ready());
        assert_eq!(receiver.try_recv(), Ok(7));
        drop(ringing);
        assert!(bell.poll_rung(&cx).is_ready());
        assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}
