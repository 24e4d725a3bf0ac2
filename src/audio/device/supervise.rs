//! The thread behind a [`super::Capture`] or [`super::Playback`]: it opens the device, watches over it, and
//! opens it again. Its diagram is in `device.rs`.
//!
//! Read next: `watch.rs`.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{ErrorKind, SampleFormat, Stream, StreamConfig};

use super::stream::{self, OneWay};
use super::watch::{BackOff, Buffer, Health, LOOK_EVERY, Lost, Pace, Watch};
use super::{Choice, Event, OpenError, Opened, choose};
use crate::audio::bell::{self, Bell, Ringing};
use crate::audio::frame::Channels;
use crate::audio::ring::{Gauge, Layout};

/// What is to be opened.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) choice: Choice,
    pub(super) channels: Channels,
    pub(super) rate: u32,
}

impl Wish {
    /// A default device that isn't there means that the machine has no sound.
    pub(super) fn refused(&self, error: &cpal::Error) -> OpenError {
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
pub(super) enum Direction {
    Input,
    Output,
}

/// The driver's side of a stream that another thread looks after.
#[derive(Debug)]
pub(super) struct Supervised<R> {
    pub(super) ring: Option<R>,
    pub(super) gauge: Arc<Gauge>,
    pub(super) pace: Pace,
    rings: Receiver<(R, Arc<Gauge>)>,
    events: Receiver<Event>,
    /// The supervisor ends when this is dropped.
    _alive: Sender<()>,
}

impl<R: OneWay> Supervised<R> {
    /// Waits until it runs, or can't.
    pub(super) fn start(wish: Wish, bell: &Arc<Bell>) -> Result<Self, OpenError> {
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
    pub(super) fn look(&mut self) {
        while let Ok((ring, gauge)) = self.rings.try_recv() {
            (self.ring, self.gauge) = (Some(ring), gauge);
        }
    }

    /// What happened; call until there is nothing more.
    pub(super) fn next_event(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
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
