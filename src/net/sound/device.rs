//! Microphone and loudspeaker as the loop sees them: there, on their way, or not to be had.
//!
//! ```text
//! Closed   --a call came---------> Opening    a thread opens it; the loop goes on
//! Opening  --opened--------------> Open
//! Opening  --could not-----------> Missing    one warning; a tone or silence, and nowhere, stand in
//! Missing  --plugged in, free----> Open       it was tried again, ever more slowly: told
//! any      --no call is left-----> Closed     and is tried again with the next call
//! ```
//! A device that dies while open is opened again by `audio/device.rs`; here it is told of. What a person
//! reads about each of these is in `told.rs`.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use crate::audio::bell::{self, Bell};
use crate::audio::{Channels, Frame, SAMPLE_RATE, sink, source};
use crate::time::Instant;

#[cfg(not(feature = "device"))]
use super::no_device::{Capture, Choice, Event, OpenError, Playback};
use super::told::{self, Told};
#[cfg(feature = "device")]
use crate::audio::device::{Capture, Choice, Event, OpenError, Playback};

/// The microphone, if what is sent comes from one.
#[derive(Debug)]
pub(super) struct Microphone(Option<Slot<Capture>>);

/// The loudspeaker, if what is heard goes to one.
#[derive(Debug)]
pub(super) struct Loudspeaker(Option<Slot<Playback>>);

/// A device and the way to it.
#[derive(Debug)]
struct Slot<D> {
    choice: Choice,
    channels: Channels,
    open: Open<D>,
    bell: Arc<Bell>,
    state: State<D>,
    told: Told,
}

type Open<D> = fn(Choice, Channels, u32, &Arc<Bell>) -> Result<D, OpenError>;

enum State<D> {
    Closed,
    Opening(Receiver<Result<D, OpenError>>),
    Open(D),
    Missing { is_taken: bool, again: Again<D> },
}

/// When a missing device is tried again.
struct Again<D> {
    at: Instant,
    wait: Duration,
    opening: Option<Receiver<Result<D, OpenError>>>,
}

impl<D> fmt::Debug for State<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "Closed",
            Self::Opening(_) => "Opening",
            Self::Open(_) => "Open",
            Self::Missing { .. } => "Missing",
        })
    }
}

impl Microphone {
    pub(super) fn new(input: &source::Spec, channels: Channels, bell: &Arc<Bell>) -> Self {
        let slot = |choice| Slot::new((choice, channels), Capture::open, told::MICROPHONE, bell);
        Self(match input {
            source::Spec::Default => Some(slot(Choice::Default)),
            source::Spec::Device(name) => Some(slot(Choice::Named(name.clone()))),
            _ => None,
        })
    }

    /// Opens it if need be.
    pub(super) fn call_came(&mut self) {
        if let Some(slot) = &mut self.0 {
            slot.open();
        }
    }

    pub(super) fn close(&mut self) {
        if let Some(slot) = &mut self.0 {
            slot.state = State::Closed;
        }
    }

    /// Looks after it.
    pub(super) fn look(&mut self, now: Instant, warn: &mut impl FnMut(String)) {
        if let Some(slot) = &mut self.0 {
            slot.look(now, Capture::next_event, warn);
        }
    }

    /// When there is something to do although the bell didn't ring.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.as_ref()?.due(Capture::due)
    }

    /// Whether sound comes, or will come, from here.
    pub(super) fn is_used(&self) -> bool {
        self.0.as_ref().is_some_and(Slot::is_used)
    }

    /// Whether there is one, only not for us: then nobody's tone speaks instead.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self.0, Some(Slot { state: State::Missing { is_taken: true, .. }, .. }))
    }

    pub(super) fn take(&mut self, now: Instant, frame: &mut Frame) -> bool {
        match &mut self.0 {
            Some(Slot { state: State::Open(capture), .. }) => capture.take(now, frame),
            _ => false,
        }
    }
}

impl Loudspeaker {
    pub(super) fn new(output: &sink::Spec, channels: Channels, bell: &Arc<Bell>) -> Self {
        let slot = |choice| Slot::new((choice, channels), Playback::open, told::LOUDSPEAKER, bell);
        Self(match output {
            sink::Spec::Default => Some(slot(Choice::Default)),
            sink::Spec::Device(name) => Some(slot(Choice::Named(name.clone()))),
            _ => None,
        })
    }

    pub(super) fn call_came(&mut self) {
        if let Some(slot) = &mut self.0 {
            slot.open();
        }
    }

    pub(super) fn close(&mut self) {
        if let Some(slot) = &mut self.0 {
            slot.state = State::Closed;
        }
    }

    pub(super) fn look(&mut self, now: Instant, warn: &mut impl FnMut(String)) {
        if let Some(slot) = &mut self.0 {
            slot.look(now, Playback::next_event, warn);
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.0.as_ref()?.due(Playback::due)
    }

    pub(super) fn is_used(&self) -> bool {
        matches!(self.0, Some(Slot { state: State::Open(_), .. }))
    }

    /// Frames to push now; `None` when a timer must tell.
    pub(super) fn wanted(&mut self, now: Instant) -> Option<usize> {
        match &mut self.0 {
            Some(Slot { state: State::Open(playback), .. }) => Some(playback.wanted(now)),
            _ => None,
        }
    }

    pub(super) fn push(&mut self, frame: &Frame) {
        if let Some(Slot { state: State::Open(playback), .. }) = &mut self.0 {
            playback.push(frame);
        }
    }
}

impl<D: Send + 'static> Slot<D> {
    fn new(
        (choice, channels): (Choice, Channels),
        open: Open<D>,
        words: told::Words,
        bell: &Arc<Bell>,
    ) -> Self {
        let told = Told::new(words, matches!(choice, Choice::Default));
        Self { choice, channels, open, bell: bell.clone(), state: State::Closed, told }
    }

    fn open(&mut self) {
        if matches!(self.state, State::Closed) {
            self.state = State::Opening(self.opening());
        }
    }

    fn opening(&self) -> Receiver<Result<D, OpenError>> {
        let (opened, receiver) = bell::channel(&self.bell);
        let (open, choice, channels) = (self.open, self.choice.clone(), self.channels);
        let bell = self.bell.clone();
        let thread = std::thread::Builder::new().name("open a sound device".to_owned());
        // Without a thread the receiver finds nobody there, which counts as a failure.
        let _thread = thread.spawn(move || opened.send(open(choice, channels, SAMPLE_RATE, &bell)));
        receiver
    }

    fn look(
        &mut self,
        now: Instant,
        next_event: fn(&mut D) -> Option<Event>,
        warn: &mut impl FnMut(String),
    ) {
        match &mut self.state {
            State::Closed => {}
            State::Opening(receiver) => match received(receiver) {
                None => {}
                Some(Ok(device)) => self.state = State::Open(device),
                Some(Err(why)) => {
                    warn(self.told.missing(why.as_ref()));
                    self.state = State::Missing {
                        is_taken: why.is_some_and(|why| why.is_taken()),
                        again: Again { at: now + FIRST_WAIT, wait: FIRST_WAIT, opening: None },
                    };
                }
            },
            State::Missing { again, .. } => match again.opening.as_ref().map(received) {
                Some(Some(Ok(device))) => {
                    warn(self.told.found());
                    self.state = State::Open(device);
                }
                Some(Some(Err(_))) => {
                    again.wait = (again.wait * 2).min(LONGEST_WAIT);
                    (again.at, again.opening) = (now + again.wait, None);
                }
                Some(None) => {}
                None if again.at <= now => self.try_again(),
                None => {}
            },
            State::Open(_) => {}
        }
        if let State::Open(device) = &mut self.state {
            while let Some(event) = next_event(device) {
                self.told.event(&event).into_iter().for_each(&mut *warn);
            }
        }
    }

    /// A thread that opens it rings, and so does whatever an open one does.
    fn due(&self, due: fn(&D) -> Instant) -> Option<Instant> {
        match &self.state {
            State::Missing { again: Again { at, opening: None, .. }, .. } => Some(*at),
            State::Closed | State::Opening(_) | State::Missing { .. } => None,
            State::Open(device) => Some(due(device)),
        }
    }

    fn try_again(&mut self) {
        let opening = Some(self.opening());
        if let State::Missing { again, .. } = &mut self.state {
            again.opening = opening;
        }
    }

    fn is_used(&self) -> bool {
        !matches!(self.state, State::Missing { .. })
    }
}

/// What a thread has sent, if it is done; no reason for a failure if there was no thread.
fn received<T, E>(receiver: &Receiver<Result<T, E>>) -> Option<Result<T, Option<E>>> {
    match receiver.try_recv() {
        Ok(done) => Some(done.map_err(Some)),
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Disconnected) => Some(Err(None)),
    }
}

/// A missing device is tried again after so long, and then ever later.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
