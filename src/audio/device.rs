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
//! Counting and judging are in `watch.rs`, choosing in `choose.rs`, callbacks in `stream.rs`.

mod choose;
mod stream;
mod watch;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{ErrorKind, SampleFormat, Stream, StreamConfig};

use super::bell::{self, Bell, Ringing};
use super::frame::{Channels, Frame, SAMPLE_RATE};
use super::ring::{CaptureRing, Gauge, Layout, PlaybackRing};
use crate::time::Instant;
pub use choose::{DeviceInfo, Devices, FormatInfo, list};
use stream::OneWay;
pub use watch::Lost;
use watch::{BackOff, Buffer, Health, LOOK_EVERY, Pace, Watch};

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
    /// # Errors
    /// There is none, or it can't be opened.
    pub fn open(choice: Choice, channels: Channels, bell: &Arc<Bell>) -> Result<Self, OpenError> {
        Self::open_at(SAMPLE_RATE, choice, channels, bell)
    }

    /// Opens it at another rate than 48 kHz, if it can do that one: for cards that lie about theirs.
    ///
    /// # Errors
    /// There is none, or it can't be opened.
    pub fn open_at(
        rate: u32,
        choice: Choice,
        channels: Channels,
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
        self.supervised.events.try_recv().ok()
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
    /// # Errors
    /// There is none, or it can't be opened.
    pub fn open(choice: Choice, channels: Channels, bell: &Arc<Bell>) -> Result<Self, OpenError> {
        Self::open_at(SAMPLE_RATE, choice, channels, bell)
    }

    /// Opens it at another rate than 48 kHz, if it can do that one: for cards that lie about theirs.
    ///
    /// # Errors
    /// There is none, or it can't be opened.
    pub fn open_at(
        rate: u32,
        choice: Choice,
        channels: Channels,
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
        self.supervised.events.try_recv().ok()
    }
}

/// What is to be opened.
#[derive(Debug)]
struct Wish {
    choice: Choice,
    channels: Channels,
    rate: u32,
}

impl Wish {
    /// A default device that isn't there means that the machine has no sound.
    fn refused(&self, error: &cpal::Error) -> OpenError {
        match (error.kind(), &self.choice) {
            (ErrorKind::DeviceBusy, _) => OpenError::Busy,
            (ErrorKind::PermissionDenied, _) => OpenError::Forbidden,
            (_, Choice::Default) => OpenError::NoSound,
            (_, Choice::Named(_)) => OpenError::NotUsable(error.to_string()),
        }
    }
}

/// Input or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Input,
    Output,
}

/// The driver's side of a stream that another thread looks after.
#[derive(Debug)]
struct Supervised<R> {
    ring: Option<R>,
    gauge: Arc<Gauge>,
    pace: Pace,
    rings: Receiver<(R, Arc<Gauge>)>,
    events: Receiver<Event>,
    /// The supervisor ends when this is dropped.
    _alive: Sender<()>,
}

impl<R: OneWay> Supervised<R> {
    fn start(wish: Wish, bell: &Arc<Bell>) -> Result<Self, OpenError> {
        let (alive, ended) = mpsc::channel();
        let (events, driver_events) = bell::channel(bell);
        let (rings, driver_rings) = bell::channel(bell);
        let (first, opened) = mpsc::channel();
        let supervisor = Supervisor { wish, ended, events, rings, bell: bell.clone() };
        thread::Builder::new()
            .name(format!("sound {:?}", R::DIRECTION).to_lowercase())
            .spawn(move || supervisor.run(&first))
            .map_err(|error| OpenError::NotUsable(error.to_string()))?;
        opened.recv().unwrap_or(Err(OpenError::NoSound))?;
        Ok(Self {
            ring: None,
            gauge: Arc::default(),
            pace: Pace::default(),
            rings: driver_rings,
            events: driver_events,
            _alive: alive,
        })
    }

    /// Takes over a stream that was opened anew.
    fn look(&mut self) {
        while let Ok((ring, gauge)) = self.rings.try_recv() {
            (self.ring, self.gauge) = (Some(ring), gauge);
        }
    }
}

/// The thread that owns the stream.
struct Supervisor<R> {
    wish: Wish,
    ended: Receiver<()>,
    events: Ringing<Event>,
    rings: Ringing<(R, Arc<Gauge>)>,
    bell: Arc<Bell>,
}

impl<R: OneWay> Supervisor<R> {
    fn run(self, first: &Sender<Result<(), OpenError>>) {
        let mut back_off = BackOff::default();
        let mut buffer = Buffer::default();
        let mut ever = false;
        loop {
            let wait = match self.open(buffer) {
                Ok(stream) => {
                    let _ = first.send(Ok(()));
                    ever = true;
                    let Some(lost) = self.watch(&stream, &mut back_off) else { return };
                    self.events.send(Event::Lost(lost));
                    bury(stream);
                    buffer.after(lost);
                    back_off.after_failure()
                }
                Err(error) if !ever => {
                    let _ = first.send(Err(error));
                    return;
                }
                Err(_) => back_off.after_failure(),
            };
            if self.handle_dropped(wait) {
                return;
            }
        }
    }

    fn open(&self, buffer: Buffer) -> Result<Running, OpenError> {
        let _quiet = choose::Quiet::new();
        let host = cpal::default_host();
        let device = choose::find(&host, R::DIRECTION, &self.wish.choice)?;
        let (config, format) = choose::format(&device, R::DIRECTION, &self.wish, buffer)?;
        let gauge = Arc::new(Gauge::new(self.bell.clone()));
        let built = self.build(&device, config, format, &gauge).or_else(|_| {
            let config = StreamConfig { buffer_size: cpal::BufferSize::Default, ..config };
            self.build(&device, config, format, &gauge)
        });
        let (stream, ring) = built.map_err(|error| self.wish.refused(&error))?;
        stream.play().map_err(|error| self.wish.refused(&error))?;
        self.rings.send((ring, gauge.clone()));
        let opened = Opened {
            name: device.to_string(),
            rate: config.sample_rate,
            channels: config.channels,
            format: format.to_string(),
        };
        Ok(Running { _stream: stream, gauge, id: device.id().ok(), opened })
    }

    fn build(
        &self,
        device: &cpal::Device,
        config: StreamConfig,
        format: SampleFormat,
        gauge: &Arc<Gauge>,
    ) -> Result<(Stream, R), cpal::Error> {
        let layout = Layout { rate: config.sample_rate, channels: config.channels.into() };
        let (callback, ring) = R::ends(layout, self.wish.channels, gauge)
            .map_err(|_rate| cpal::Error::from(ErrorKind::UnsupportedConfig))?;
        let stream = stream::build(device, config, format, callback, gauge.clone())?;
        Ok((stream, ring))
    }

    /// Until the stream dies; `None` when the handle was dropped.
    fn watch(&self, running: &Running, back_off: &mut BackOff) -> Option<Lost> {
        let mut watch = Watch::default();
        let (mut looks, mut told) = (0_u32, false);
        loop {
            if self.handle_dropped(LOOK_EVERY) {
                return None;
            }
            looks = looks.wrapping_add(1);
            match watch.look(&running.gauge) {
                Health::Lost(lost) => return Some(lost),
                Health::Interrupted(times) => {
                    self.events.send(Event::Interrupted(times));
                }
                Health::Fine => {}
            }
            // A sound server that has just been started opens streams that never move.
            if running.gauge.callbacks() > 0 && !told {
                back_off.succeeded();
                self.events.send(Event::Opened(running.opened.clone()));
                told = true;
            }
            if looks.is_multiple_of(LOOKS_PER_DEFAULT) && self.default_is_another(running) {
                return Some(Lost::DefaultChanged);
            }
        }
    }

    /// No system tells us of it in a way that cpal hands on everywhere, so it is asked.
    fn default_is_another(&self, running: &Running) -> bool {
        let _quiet = choose::Quiet::new();
        let now = choose::default_device(&cpal::default_host(), R::DIRECTION);
        let now = now.and_then(|device| device.id().ok());
        self.wish.choice == Choice::Default && now.is_some() && now != running.id
    }

    fn handle_dropped(&self, within: Duration) -> bool {
        self.ended.recv_timeout(within) == Err(RecvTimeoutError::Disconnected)
    }
}

/// Every 2 seconds.
const LOOKS_PER_DEFAULT: u32 = 40;

/// Drops a stream on a thread of its own: when a sound server dies, its client library may hold the
/// stream's thread for ever (seen with PulseAudio's plugin for ALSA), and dropping waits for that thread.
fn bury(stream: Running) {
    // Without a thread it is dropped here and now.
    let _ = thread::Builder::new().name("lost sound device".to_owned()).spawn(move || drop(stream));
}

struct Running {
    _stream: Stream,
    gauge: Arc<Gauge>,
    id: Option<cpal::DeviceId>,
    opened: Opened,
}
