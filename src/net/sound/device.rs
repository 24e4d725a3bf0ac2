//! Microphone and loudspeaker as the loop sees them: there, on their way, or not to be had.
//!
//! ```text
//! Closed   --a call came---------> Opening    a thread opens it; the loop goes on
//! Opening  --opened--------------> Open
//! Opening  --could not-----------> Missing    one warning; a tone and nowhere stand in
//! any      --no call is left-----> Closed     and is tried again with the next call
//! ```
//! A device that dies while open is opened again by `audio/device.rs`; here it is told of.

use std::fmt;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use crate::audio::{Channels, Frame, sink, source};
use crate::time::Instant;

#[cfg(not(feature = "device"))]
use super::no_device::{Capture, Choice, Event, OpenError, Playback};
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
    state: State<D>,
    /// Whether it was open before, so that opening again is news.
    was_lost: bool,
}

enum State<D> {
    Closed,
    Opening(Receiver<Result<D, OpenError>>),
    Open(D),
    Missing,
}

impl<D> fmt::Debug for State<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "Closed",
            Self::Opening(_) => "Opening",
            Self::Open(_) => "Open",
            Self::Missing => "Missing",
        })
    }
}

impl Microphone {
    pub(super) fn new(input: &source::Spec, channels: Channels) -> Self {
        Self(match input {
            source::Spec::Default => Some(Slot::new(Choice::Default, channels)),
            source::Spec::Device(name) => Some(Slot::new(Choice::Named(name.clone()), channels)),
            _ => None,
        })
    }

    /// Opens it if need be; whether it is to be looked at from now on.
    pub(super) fn call_came(&mut self) -> bool {
        self.0.as_mut().is_some_and(|slot| slot.open(Capture::open))
    }

    pub(super) fn close(&mut self) {
        if let Some(slot) = &mut self.0 {
            slot.state = State::Closed;
        }
    }

    pub(super) fn look(&mut self, warn: &mut impl FnMut(String)) {
        if let Some(slot) = &mut self.0 {
            let instead = match slot.choice {
                Choice::Default => "a tone is sent instead",
                Choice::Named(_) => "silence is sent instead",
            };
            slot.look("microphone", instead, Capture::next_event, warn);
        }
    }

    /// Whether it needs looking at.
    pub(super) fn is_looked_at(&self) -> bool {
        self.0.as_ref().is_some_and(Slot::is_looked_at)
    }

    /// Whether sound comes, or will come, from here.
    pub(super) fn is_used(&self) -> bool {
        self.0.as_ref().is_some_and(Slot::is_used)
    }

    pub(super) fn take(&mut self, now: Instant, frame: &mut Frame) -> bool {
        match &mut self.0 {
            Some(Slot { state: State::Open(capture), .. }) => capture.take(now, frame),
            _ => false,
        }
    }
}

impl Loudspeaker {
    pub(super) fn new(output: &sink::Spec, channels: Channels) -> Self {
        Self(match output {
            sink::Spec::Default => Some(Slot::new(Choice::Default, channels)),
            sink::Spec::Device(name) => Some(Slot::new(Choice::Named(name.clone()), channels)),
            _ => None,
        })
    }

    pub(super) fn call_came(&mut self) -> bool {
        self.0.as_mut().is_some_and(|slot| slot.open(Playback::open))
    }

    pub(super) fn close(&mut self) {
        if let Some(slot) = &mut self.0 {
            slot.state = State::Closed;
        }
    }

    pub(super) fn look(&mut self, warn: &mut impl FnMut(String)) {
        if let Some(slot) = &mut self.0 {
            slot.look("loudspeaker", "nothing is heard", Playback::next_event, warn);
        }
    }

    pub(super) fn is_looked_at(&self) -> bool {
        self.0.as_ref().is_some_and(Slot::is_looked_at)
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
    fn new(choice: Choice, channels: Channels) -> Self {
        Self { choice, channels, state: State::Closed, was_lost: false }
    }

    fn open(&mut self, open: fn(Choice, Channels) -> Result<D, OpenError>) -> bool {
        if matches!(self.state, State::Closed) {
            let (opened, receiver) = channel();
            let (choice, channels) = (self.choice.clone(), self.channels);
            let thread = std::thread::Builder::new().name("open a sound device".to_owned());
            // Without a thread the receiver finds nobody there, which look() takes for a failure.
            let _thread = thread.spawn(move || opened.send(open(choice, channels)));
            self.state = State::Opening(receiver);
        }
        self.is_looked_at()
    }

    fn look(
        &mut self,
        what: &str,
        instead: &str,
        next_event: fn(&mut D) -> Option<Event>,
        warn: &mut impl FnMut(String),
    ) {
        if let State::Opening(receiver) = &self.state {
            self.state = match receiver.try_recv() {
                Ok(Ok(device)) => State::Open(device),
                Ok(Err(error)) => {
                    warn(format!("no {what}, {instead}: {error}"));
                    State::Missing
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    warn(format!("no {what}, {instead}: the system has no thread for it"));
                    State::Missing
                }
            };
        }
        let State::Open(device) = &mut self.state else { return };
        while let Some(event) = next_event(device) {
            match event {
                Event::Opened(opened) if self.was_lost => {
                    self.was_lost = false;
                    warn(format!("the {what} is back: {}", opened.name));
                }
                Event::Opened(_) => {}
                Event::Lost(lost) => {
                    self.was_lost = true;
                    warn(format!("the {what} was lost, it is opened again: {lost}"));
                }
                Event::Interrupted(1) => {
                    warn(format!("sound broke off at the {what}: the machine was too busy"));
                }
                Event::Interrupted(times) => {
                    warn(format!(
                        "sound broke off {times} times at the {what}: the machine is too busy"
                    ));
                }
            }
        }
    }

    fn is_looked_at(&self) -> bool {
        matches!(self.state, State::Opening(_) | State::Open(_))
    }

    fn is_used(&self) -> bool {
        !matches!(self.state, State::Missing)
    }
}
