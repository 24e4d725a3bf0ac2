//! Sound through the loop: what is due is played by every call, and sent by every call.

use crate::audio::Frame;
use crate::net::driver::calls::{CallKey, Progress};
use crate::net::driver::{Driver, Microphone};
use crate::peer::Input;
use crate::peer::event::Event;
use crate::time::Instant;

/// What is lent to every call in turn, and used again: sound allocates nothing.
#[derive(Debug)]
pub(super) struct Frames {
    pub(super) heard: Frame,
    pub(super) spoken: Frame,
    pub(super) keys: Vec<CallKey>,
}

impl Driver {
    /// Gives a call its voice: there are keys, so packets can travel.
    ///
    /// What a source makes doesn't have to be waited for, so the first packet leaves at once; a
    /// microphone's would first have to be spoken.
    pub(super) fn start_voice(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let id = call.id;
        let Progress::Running { peer, voice } = &mut call.progress else { return };
        if voice.is_some() {
            return;
        }
        let (mut made, warnings) = self.sound.voice(now, id);
        if self.sound.speaks() {
            let frames = self.options.peer.opus.frame.as_millis() / Frame::DURATION.as_millis();
            for _ in 0..frames {
                made.speak(&mut self.frames.spoken);
                self.sound.hush(&mut self.frames.spoken);
                pass(self.microphone, &mut self.frames.spoken);
                peer.handle_input(now, Input::Audio(&self.frames.spoken));
            }
        }
        *voice = Some(Box::new(made));
        for text in warnings {
            self.tell(now, key, Event::warning(text));
        }
        self.drain(now, key);
    }

    /// Plays and sends what is due.
    pub(super) fn take_sound(&mut self, now: Instant) {
        if !self.sound.is_due(now) {
            return;
        }
        let mut warnings = Vec::new();
        let due = self.sound.take(now, |text| warnings.push(text));
        for _ in 0..due.play {
            self.play(now, &mut warnings);
        }
        for _ in 0..due.speak {
            self.speak(now);
        }
        while self.sound.capture(now, &mut self.frames.spoken) {
            pass(self.microphone, &mut self.frames.spoken);
            for (_, call) in self.calls.all_mut() {
                if let Progress::Running { peer, voice: Some(_) } = &mut call.progress {
                    peer.handle_input(now, Input::Audio(&self.frames.spoken));
                }
            }
        }
        let mut keys = std::mem::take(&mut self.frames.keys);
        keys.extend(self.calls.running());
        for key in keys.drain(..) {
            for text in &warnings {
                self.tell(now, key, Event::warning(text.clone()));
            }
            self.drain(now, key);
        }
        self.frames.keys = keys;
    }

    /// Every call plays 10 ms: into its own file, and into the sum for the loudspeaker.
    fn play(&mut self, now: Instant, warnings: &mut Vec<String>) {
        let heard = &mut self.frames.heard;
        self.sound.begin_mix();
        for (_, call) in self.calls.all_mut() {
            let Progress::Running { peer, voice: Some(voice) } = &mut call.progress else {
                continue;
            };
            peer.play(now, heard);
            warnings.extend(voice.hear(heard));
            self.sound.mix(heard);
            if self.sound.echoes() {
                pass(self.microphone, heard);
                peer.handle_input(now, Input::Audio(heard));
            }
        }
        self.sound.play_mix();
    }

    /// Every call sends 10 ms of its own.
    fn speak(&mut self, now: Instant) {
        let spoken = &mut self.frames.spoken;
        for (_, call) in self.calls.all_mut() {
            if let Progress::Running { peer, voice: Some(voice) } = &mut call.progress {
                voice.speak(spoken);
                self.sound.hush(spoken);
                pass(self.microphone, spoken);
                peer.handle_input(now, Input::Audio(spoken));
            }
        }
    }
}

/// Lets a frame through, or makes it silence. A source goes on meanwhile, as speech does.
fn pass(microphone: Microphone, frame: &mut Frame) {
    if microphone == Microphone::Muted {
        frame.silence_it();
    }
}
