//! What happens on the sound card's own thread, counted without waiting for anybody.
//!
//! Written by the callbacks of `ring.rs`; read by the driver's end there, and by `device.rs`, which judges
//! by it whether the card still lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::bell::Bell;

/// What the card's thread tells, without waiting for anybody.
#[derive(Debug)]
pub struct Gauge {
    callbacks: AtomicU64,
    /// Samples per channel in the largest callback.
    largest: AtomicUsize,
    dry: AtomicU64,
    /// Samples per channel: the fewest that a playback callback left, the most that one lacked.
    left: AtomicUsize,
    lacked: AtomicUsize,
    overflowed: AtomicU64,
    errors: AtomicU64,
    gone: AtomicBool,
    bell: Arc<Bell>,
}

impl Gauge {
    /// Of a card that has not begun; its callbacks ring `bell`.
    #[must_use]
    pub fn new(bell: Arc<Bell>) -> Self {
        Self {
            callbacks: AtomicU64::new(0),
            largest: AtomicUsize::new(0),
            dry: AtomicU64::new(0),
            left: AtomicUsize::new(usize::MAX),
            lacked: AtomicUsize::new(0),
            overflowed: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            gone: AtomicBool::new(false),
            bell,
        }
    }

    /// Data callbacks so far.
    #[must_use]
    pub fn callbacks(&self) -> u64 {
        self.callbacks.load(Ordering::Relaxed)
    }

    /// Playback callbacks that found too little.
    #[must_use]
    pub fn dry(&self) -> u64 {
        self.dry.load(Ordering::Relaxed)
    }

    /// Samples per channel that were captured while the ring was full.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// Error callbacks so far.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Whether the card said that it is gone for good.
    #[must_use]
    pub fn gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Counts an error callback.
    pub fn error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that the card is gone.
    pub fn set_gone(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    /// What playback callbacks needed of `margin` since this was last asked; nothing if there was none.
    pub(super) fn needed(&self, margin: usize) -> usize {
        let left = self.left.swap(usize::MAX, Ordering::Relaxed);
        let lacked = self.lacked.swap(0, Ordering::Relaxed);
        margin.saturating_sub(left) + lacked
    }

    /// A playback callback wanted so many samples per channel, and so many were there.
    pub(super) fn gave(&self, ready: usize, wanted: usize) {
        self.left.fetch_min(ready.saturating_sub(wanted), Ordering::Relaxed);
        self.lacked.fetch_max(wanted.saturating_sub(ready), Ordering::Relaxed);
        self.dry.fetch_add(u64::from(ready < wanted), Ordering::Relaxed);
    }

    /// So many samples per channel were captured while the ring was full.
    pub(super) fn lost(&self, samples: u64) {
        self.overflowed.fetch_add(samples, Ordering::Relaxed);
    }

    /// Samples per channel in the largest callback so far.
    pub(super) fn largest(&self) -> usize {
        self.largest.load(Ordering::Relaxed)
    }

    /// At the end of a callback: what it moved is there.
    pub(super) fn called(&self, samples: usize) {
        self.largest.fetch_max(samples, Ordering::Relaxed);
        self.callbacks.fetch_add(1, Ordering::Relaxed);
        self.bell.ring();
    }
}

impl Default for Gauge {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}
