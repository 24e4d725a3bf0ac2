//! Sound on its way between calls and the world: microphones, loudspeakers, files, tones.
//!
//! ```text
//! microphone ──────────────> every call            one for all, open only while a call needs it
//! tone, file, silence ─────> its own call          each call has its own, from its start
//! call ─┬─> its own file     each call's alone
//!       └─> [`Mixer`] ──> loudspeaker              the limited sum; callers don't hear each other
//! echo: what a call plays goes back to that call
//! ```
//! The loudspeaker sets the pace of what is played, the microphone that of what is sent; where there is
//! none, a timer of 10 ms does (see `pace.rs`). A machine without a sound card sends a tone and
//! hears nothing, after a warning: a first call works anywhere.
//!
//! Devices wake the driver's loop by a [`Bell`]; what no device says is due by `Sound::due`. Read next: `sound/device.rs`.

mod device;
#[cfg(not(feature = "device"))]
mod no_device;
mod pace;
mod told;
mod voice;

use std::sync::Arc;
use std::task::{Context, Poll};

use crate::audio::bell::Bell;
use crate::audio::{Channels, Frame, Mixer, sink, source};
use crate::net::driver::{CallId, Refusal};
use crate::peer::config::Sending;
use crate::time::Instant;
use device::{Loudspeaker, Microphone};
use pace::Pace;
pub(crate) use voice::Voice;

/// All sound of a driver.
#[derive(Debug)]
pub struct Sound {
    input: source::Spec,
    output: sink::Spec,
    channels: Channels,
    microphone: Microphone,
    loudspeaker: Loudspeaker,
    /// Set while a voice sounds.
    pace: Option<Pace>,
    /// Rung by devices.
    bell: Arc<Bell>,
    /// Whether it was.
    was_rung: bool,
    mixer: Mixer,
    mixed: Frame,
    recorded: usize,
}

/// Ten milliseconds that are due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Frames to play.
    pub(crate) play: usize,
    /// Frames to take from each call's own source.
    pub(crate) speak: usize,
}

impl Sound {
    /// What is sent and where what is heard goes. Opens nothing: a device is opened when a call is
    /// there, a file when it is connected.
    ///
    /// # Errors
    /// None at present; devices that fail later are warnings.
    pub fn open(
        input: source::Spec,
        output: sink::Spec,
        channels: Channels,
    ) -> Result<Self, Refusal> {
        let bell = Arc::new(Bell::default());
        let microphone = Microphone::new(&input, channels, &bell);
        let loudspeaker = Loudspeaker::new(&output, channels, &bell);
        Ok(Self {
            input,
            output,
            channels,
            microphone,
            loudspeaker,
            pace: None,
            bell,
            was_rung: false,
            mixer: Mixer::new(),
            mixed: Frame::silence(channels),
            recorded: 0,
        })
    }

    /// A frame of the right number of channels, to be lent around.
    pub(crate) fn frame(&self) -> Frame {
        Frame::silence(self.channels)
    }

    /// Where a peer gets what it sends.
    pub(crate) fn sending(&self) -> Sending {
        match self.input {
            source::Spec::Reflect => Sending::Reflect,
            _ => Sending::Frames,
        }
    }

    /// Whether what a call plays goes back to it.
    pub(crate) fn echoes(&self) -> bool {
        self.input == source::Spec::Echo
    }

    /// A call is there: devices take up to a second to open, so that begins now, beside the loop.
    pub(crate) fn call_came(&mut self) {
        self.microphone.call_came();
        self.loudspeaker.call_came();
    }

    /// No call is left: the microphone's lamp goes out.
    pub(crate) fn all_calls_left(&mut self) {
        self.microphone.close();
        self.loudspeaker.close();
        self.pace = None;
    }

    /// The sound of a call that has just been connected, and what a person should know about it.
    pub(crate) fn voice(&mut self, now: Instant, id: CallId) -> (Voice, Vec<String>) {
        if !self.is_mirror() {
            self.pace.get_or_insert(Pace::from(now + Frame::DURATION));
        }
        self.recorded += 1;
        Voice::new(&self.input, &self.output, self.channels, id, self.recorded)
    }

    /// Ready when a device has something.
    pub(crate) fn poll_rung(&mut self, cx: &Context<'_>) -> Poll<()> {
        let rung = self.bell.poll_rung(cx);
        self.was_rung |= rung.is_ready();
        rung
    }

    /// When [`Sound::take`] has something, unless a device rings before that.
    pub(crate) fn due(&self) -> Option<Instant> {
        let devices = [self.microphone.due(), self.loudspeaker.due()];
        self.pace.map(Pace::due).into_iter().chain(devices.into_iter().flatten()).min()
    }

    /// Whether [`Sound::take`] has something.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.was_rung || self.due().is_some_and(|due| due <= now)
    }

    /// What is due now, and what happened to devices.
    pub(crate) fn take(&mut self, now: Instant, mut warn: impl FnMut(String)) -> Due {
        self.was_rung = false;
        self.microphone.look(now, &mut warn);
        self.loudspeaker.look(now, &mut warn);
        let mut ticks = 0;
        while self.pace.as_mut().is_some_and(|pace| pace.tick(now)) {
            ticks += 1;
        }
        let speak = if self.speaks() { ticks } else { 0 };
        Due { play: self.frames_to_play(now, ticks), speak }
    }

    /// What is reflected was never decoded; with nowhere to go it isn't at all, and no timer runs.
    fn is_mirror(&self) -> bool {
        self.output == sink::Spec::Null && self.input == source::Spec::Reflect
    }

    fn frames_to_play(&mut self, now: Instant, ticks: usize) -> usize {
        self.loudspeaker.wanted(now).unwrap_or(ticks)
    }

    /// The next 10 ms of the microphone, if there are any; `false` too when there is no microphone.
    pub(crate) fn capture(&mut self, now: Instant, frame: &mut Frame) -> bool {
        self.microphone.take(now, frame)
    }

    /// Whether each call sends what its own source makes: there is no microphone to wait for.
    pub(crate) fn speaks(&self) -> bool {
        let goes_back = matches!(self.input, source::Spec::Echo | source::Spec::Reflect);
        !goes_back && !self.microphone.is_used()
    }

    /// Silences what a source made, where a microphone is there and only somebody else has it: nobody
    /// asked for a tone.
    pub(crate) fn hush(&self, frame: &mut Frame) {
        if self.microphone.is_taken() {
            frame.silence_it();
        }
    }

    /// Starts the sum of what all calls play in the next 10 ms.
    pub(crate) fn begin_mix(&mut self) {
        self.mixer.begin(self.channels);
    }

    /// Adds a call to the sum.
    pub(crate) fn mix(&mut self, frame: &Frame) {
        if self.loudspeaker.is_used() {
            self.mixer.add(frame);
        }
    }

    /// Plays the sum.
    pub(crate) fn play_mix(&mut self) {
        if self.loudspeaker.is_used() {
            self.mixer.finish(&mut self.mixed);
            self.loudspeaker.push(&self.mixed);
        }
    }
}
