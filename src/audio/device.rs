//! Microphone and loudspeaker, by cpal: the only file that opens them (RFC 7874 section 4).
//!
//! A [`Capture`] or [`Playback`] is a handle for the driver. Behind it a thread of its own opens the
//! device, watches over it and opens it again when it dies; opening can take a second, and the call must
//! not stop for it. While there is no device the handle keeps the pace by itself: the microphone gives
//! silence, the loudspeaker takes frames and forgets them.
//!
//! ```text
//! Opening    --it works----> Running    a ring for the driver; Event::Opened when it moves
//! Opening    --it fails----> Waiting    (the very first time: open() returns the error)
//! Running    --errors, no callback, gone, other default--> Waiting    Event::Lost
//! Waiting    --back-off----> Opening
//! any        --handle dropped--> ended
//! ```
//! How the driver uses them, whenever the [`Bell`] rings or one of them is due:
//! ```text
//! while capture.take(now, &mut frame) { … send … }
//! for _ in 0..playback.wanted(now) { … mix … playback.push(&frame) }
//! while let Some(event) = capture.next_event() { … tell … }
//! ```
//! The thread is in `supervise.rs`, counting and judging in `watch.rs`, choosing in `choose.rs`, callbacks in
//! `stream.rs`.

mod choose;
mod stream;
mod supervise;
mod watch;

use std::sync::Arc;

use super::bell::Bell;
use super::frame::{Channels, Frame};
use super::ring::{CaptureRing, PlaybackRing};
use crate::time::Instant;
pub use choose::{DeviceInfo, Devices, FormatInfo, list};
use supervise::{Supervised, Wish};
pub use watch::Lost;

/// Which device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The system's.
    Default,
    /// The one that [`list`] calls so.
    Named(String),
}

/// Why a device can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The machine has no sound, or none in this direction.
    #[error("this machine has no such sound device")]
    NoSound,
    /// There is none of that name.
    #[error("no device is called '{name}'; there are: {}", known.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// It is there, but another program keeps it to itself.
    #[error("another program keeps it to itself")]
    Busy,
    /// It is there, but this person or program may not use it.
    #[error("the system doesn't allow its use")]
    Forbidden,
    /// It is there, but can't be opened.
    #[error("the device can't be opened: {0}")]
    NotUsable(String),
}

impl OpenError {
    /// Whether the device is there, and only somebody or something keeps us from it.
    #[must_use]
    pub const fn is_taken(&self) -> bool {
        matches!(self, Self::Busy | Self::Forbidden)
    }
}

/// What happens to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It runs: the first time, or again.
    Opened(Opened),
    /// It was given up; it is tried again until it works.
    Lost(Lost),
    /// It runs on, but sound broke off so often since the last time that this was told.
    Interrupted(u64),
}

/// A device that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What the system calls it.
    pub name: String,
    /// Its samples per second.
    pub rate: u32,
    /// Its channels.
    pub channels: u16,
    /// Its sample format, as `f32`.
    pub format: String,
}

/// A microphone.
#[derive(Debug)]
pub struct Capture {
    supervised: Supervised<CaptureRing>,
    /// Frames of silence since it last moved: they went out instead of what may still come.
    stood_in: usize,
}

impl Capture {
    /// Opens it and waits until it runs: up to a second, so not in the driver's loop.
    ///
    /// `rate` is best [`SAMPLE_RATE`](super::SAMPLE_RATE); another one is for cards that lie about theirs.
    ///
    /// # Errors
    /// There is none, or it can't be opened.
    pub fn open(
        choice: Choice,
        channels: Channels,
        rate: u32,
        bell: &Arc<Bell>,
    ) -> Result<Self, OpenError> {
        Ok(Self {
            supervised: Supervised::start(Wish { choice, channels, rate }, bell)?,
            stood_in: 0,
        })
    }

    /// The next 10 ms, if they are there; call until they aren't. Silence at the right pace while the
    /// microphone is away.
    pub fn take(&mut self, now: Instant, frame: &mut Frame) -> bool {
        self.supervised.look();
        if let Some(ring) = &mut self.supervised.ring {
            if self.stood_in > 0 && ring.catch_up(self.stood_in) {
                self.stood_in = 0;
            }
            if ring.take(frame) {
                self.supervised.pace.moved(now);
                return true;
            }
        }
        frame.silence_it();
        let due = self.supervised.pace.due(now);
        self.stood_in += usize::from(due);
        due
    }

    /// When it is to be asked although the bell didn't ring: then silence may be due.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.supervised.pace.next_due()
    }

    /// What happened to it; call until there is nothing more.
    pub fn next_event(&mut self) -> Option<Event> {
        self.supervised.next_event()
    }
}

/// A loudspeaker.
#[derive(Debug)]
pub struct Playback {
    supervised: Supervised<PlaybackRing>,
    callbacks: u64,
    /// Frames that the ring still wants; others would only wait in it.
    for_ring: usize,
}

impl Playback {
    /// Opens it and waits until it runs: up to a second, so not in the driver's loop.
    ///
    /// `rate` is best [`SAMPLE_RATE`](super::SAMPLE_RATE); another one is for cards that lie about theirs.
    ///
    /// # Errors
    /// There is none, or it can't be opened.
    pub fn open(
        choice: Choice,
        channels: Channels,
        rate: u32,
        bell: &Arc<Bell>,
    ) -> Result<Self, OpenError> {
        Ok(Self {
            supervised: Supervised::start(Wish { choice, channels, rate }, bell)?,
            callbacks: 0,
            for_ring: 0,
        })
    }

    /// How many frames to [`Self::push`] now. One per 10 ms while the loudspeaker is away.
    pub fn wanted(&mut self, now: Instant) -> usize {
        self.supervised.look();
        let callbacks = self.supervised.gauge.callbacks();
        if callbacks != self.callbacks {
            self.callbacks = callbacks;
            self.supervised.pace.moved(now);
        }
        self.for_ring = self.supervised.ring.as_mut().map_or(0, PlaybackRing::wanted);
        let mut due = 0;
        while self.supervised.pace.due(now) {
            due += 1;
        }
        self.for_ring.max(due)
    }

    /// The next 10 ms.
    pub fn push(&mut self, frame: &Frame) {
        if let Some(ring) = self.supervised.ring.as_mut().filter(|_| self.for_ring > 0) {
            ring.push(frame);
            self.for_ring -= 1;
        }
    }

    /// When it is to be asked although the bell didn't ring: then a frame may be due that nobody hears.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.supervised.pace.next_due()
    }

    /// What happened to it; call until there is nothing more.
    pub fn next_event(&mut self) -> Option<Event> {
        self.supervised.next_event()
    }
}
