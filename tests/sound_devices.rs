//! Sound cards as people have them: pulled out and put back, changed, odd, taken by others, or none at
//! all. A call goes on through all of it; the sound is judged, and every line that the person reads.
//!
//! The cards are those of a sound server, reached through cpal and ALSA as a real one is.
#![cfg(all(feature = "device", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod pulse;
    pub mod stall;
}

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::time::Duration;

use common::halloo::{Halloo, recording};
use common::listen::Recording;
use common::pulse::SoundServer;
use common::stall::undisturbed;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

/// What the person's microphone hears, and what the other side sends, Hz; and at which level. A tone
/// keeps a tenth of a second free of fractions of its period.
const VOICE: u32 = 700;
const VOICE_LEVEL: f64 = -9.0;
const TONE: u32 = 440;
const TONE_LEVEL: f64 = -13.5;

/// One sound server at a time has enough to do.
static QUIET: Mutex<()> = Mutex::new(());

fn quiet() -> std::sync::MutexGuard<'static, ()> {
    QUIET.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A call of a person with sound cards, and the other side: a tone, and a recording of what it hears.
struct Call {
    person: Halloo,
    other: Halloo,
    heard: PathBuf,
    seen: usize,
}

impl Call {
    fn new(name: &str, server: &SoundServer, options: &[&str]) -> Self {
        let environment = server.environment();
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| (*name, value.to_str().unwrap())).collect();
        Self::with(name, &environment, options)
    }

    fn with(name: &str, environment: &[(&str, &str)], options: &[&str]) -> Self {
        let heard = recording(name);
        // G.711 leaves a tone as it is, but for its rounding.
        let other = Halloo::listen(None, TONE, &heard, &[]);
        let url = other.url();
        let arguments = [&["call", url.as_str()], options].concat();
        let mut person = Halloo::start_with(None, &arguments, environment);
        person.wait_for("connected", |_| true);
        Self { person, other, heard, seen: 0 }
    }

    /// Lets so many seconds go by, by the call's own clock.
    fn seconds(&mut self, count: usize) {
        let stats = |events: &[Value]| events.iter().filter(|e| e["event"] == "stats").count();
        let target = stats(self.person.catch_up()) + count;
        while stats(&self.person.events) < target {
            let so_far = self.person.events.len();
            self.person.wait_for_next("stats", so_far);
        }
    }

    /// Waits for the next warnings, which must be these, in whatever order.
    fn reads(&mut self, lines: &[&str]) -> Result<(), String> {
        let mut left = lines.to_vec();
        while !left.is_empty() {
            let (at, warning) = self.person.wait_for_next("warning", self.seen);
            self.seen = at + 1;
            let text = warning["text"].as_str().unwrap();
            match left.iter().position(|line| *line == text) {
                Some(place) => drop(left.remove(place)),
                None => return Err(format!("read {text:?} instead of {left:?}")),
            }
        }
        Ok(())
    }

    /// Ends the call; there must have been no warning but those that were waited for, and nothing of
    /// ALSA's on the terminal. What the other side heard.
    fn end(mut self) -> Result<Recording, String> {
        self.person.terminate();
        assert!(self.person.wait(Duration::from_secs(10)).success());
        self.other.terminate();
        assert!(self.other.wait(Duration::from_secs(10)).success());
        let more = self.person.events[self.seen..].iter().find(|e| e["event"] == "warning");
        if let Some(warning) = more {
            return Err(format!("one line too many: {warning}"));
        }
        let messages = self.person.messages();
        assert!(!messages.contains("ALSA") && !messages.contains("alsa"), "noise: {messages}");
        Ok(Recording::read(&self.heard))
    }
}

fn is_voice(heard: &Recording) -> Result<(), String> {
    heard.is_tone("microphone", VOICE.into(), VOICE_LEVEL)
}

fn is_tone(played: &Recording) -> Result<(), String> {
    played.is_tone("loudspeaker", TONE.into(), TONE_LEVEL)
}

#[test]
fn a_headset_that_is_pulled_out_and_put_back_is_used_again() {
    let _quiet = quiet();
    undisturbed(|| {
        let server = SoundServer::bare("replug");
        let plug = || {
            let speaker = server.plug_loudspeaker("speaker", 48_000, 1);
            vec![speaker, server.plug_microphone("mic", 48_000, VOICE)]
        };
        let headset = plug();
        let mut call = Call::new("replug", &server, &[]);
        call.seconds(2);
        server.unplug_all(headset);
        call.reads(&[
            "the loudspeaker was lost: the device only gives errors; you hear nothing until it is back",
            "the microphone was lost: the device only gives errors; the other side hears silence until it \
             is back",
        ])?;
        call.seconds(2);
        let silent = Recording::read(&call.heard).last(0.5);
        assert!(silent.level() < -90.0, "{} dBFS of silence", silent.level());
        let _headset = plug();
        call.reads(&["the loudspeaker is back", "the microphone is back"])?;
        call.seconds(1);
        let tape = server.record();
        call.seconds(3);
        is_tone(&tape.stop().last(2.0))?;
        is_voice(&call.end()?.last(2.0))
    });
}

#[test]
fn another_default_is_used_at_once() {
    let _quiet = quiet();
    undisturbed(|| {
        let server = SoundServer::bare("default");
        let _cards = [
            server.plug_loudspeaker("speaker", 48_000, 1),
            server.plug_loudspeaker("other", 44_100, 2),
            server.plug_microphone("mic", 48_000, VOICE),
        ];
        server.control(&["set-default-sink", "speaker"]);
        let mut call = Call::new("default", &server, &[]);
        call.seconds(1);
        server.control(&["set-default-sink", "other"]);
        call.seconds(1);
        let tape = server.record_at("other", 2);
        call.seconds(2);
        for channel in tape.stop_all() {
            is_tone(&channel.last(1.5))?;
        }
        let _another = server.plug_microphone("another", 44_100, 900);
        call.seconds(4);
        // Moving what plays over to another card may cost it a moment, and that is told.
        let warnings = call.person.catch_up().iter().filter(|event| event["event"] == "warning");
        let texts = warnings.filter_map(|event| event["text"].as_str().map(str::to_owned));
        let (moved, other): (Vec<_>, Vec<_>) =
            texts.partition(|text| text.contains("the loudspeaker broke off"));
        let mut told: Vec<_> = moved.iter().map(String::as_str).collect();
        // A sound server may take half a second to move a microphone over.
        let was_lost = !other.is_empty();
        if was_lost {
            told.push(
                "the microphone was lost: the device stands still; the other side hears silence until it is \
                 back",
            );
            told.push("the microphone is back");
        }
        call.reads(&told)?;
        if was_lost {
            call.seconds(3);
        }
        call.end()?.last(1.5).is_tone("the other microphone", 900.0, VOICE_LEVEL)
    });
}

#[test]
fn a_mono_microphone_and_a_stereo_loudspeaker_of_44100_hz_keep_pitch_level_and_time() {
    let _quiet = quiet();
    undisturbed(|| {
        let server = SoundServer::bare("odd");
        let _cards = [
            server.plug_loudspeaker("speaker", 44_100, 2),
            server.plug_microphone("mic", 44_100, VOICE),
        ];
        for options in [&[][..], &["--stereo"]] {
            let mut call = Call::new("odd", &server, options);
            // Meanwhile the jitter buffer comes down to what it needs, which is a splice of a few samples.
            call.seconds(4);
            let tape = server.record_at("speaker", 2);
            let before = Recording::read(&call.heard).seconds();
            call.seconds(3);
            let lasted = Recording::read(&call.heard).seconds() - before;
            for channel in tape.stop_all() {
                is_tone(&channel.last(2.0))?;
            }
            let heard = call.end()?;
            if (lasted - 3.0).abs() > 0.1 {
                return Err(format!("{lasted} s were heard in 3 s"));
            }
            is_voice(&heard.last(2.0))?;
        }
        Ok(())
    });
}

#[test]
fn a_call_without_any_sound_sends_a_tone_and_uses_what_is_plugged_in_later() {
    let _quiet = quiet();
    undisturbed(|| {
        let server = SoundServer::bare("none");
        let mut call = Call::new("none", &server, &[]);
        call.reads(&[
            "no microphone: this machine has no such sound device; the other side hears a tone until it \
             can be opened",
            "no loudspeaker: this machine has no such sound device; you hear nothing until it can be opened",
        ])?;
        call.seconds(5); // as above
        Recording::read(&call.heard).last(1.0).is_tone("instead", 440.0, TONE_LEVEL)?;
        let _cards = [
            server.plug_loudspeaker("speaker", 48_000, 1),
            server.plug_microphone("mic", 48_000, VOICE),
        ];
        call.reads(&["the microphone is there now", "the loudspeaker is there now"])?;
        call.seconds(4);
        let tape = server.record();
        call.seconds(2);
        is_tone(&tape.stop().last(1.5))?;
        is_voice(&call.end()?.last(1.5))
    });
}

/// Runs halloo where the default card and one called `taken` are held by somebody else.
///
/// A terminal stands in for the card: the kernel opens it for nobody else (TIOCEXCL), just as it opens a
/// sound card that is in use, except for those who may administer the system; so that right is left out.
fn with_a_taken_card(arguments: &[&str]) -> Output {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let card = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let holder = File::options().read(true).write(true).open(&card).unwrap();
    rustix::termios::ioctl_tiocexcl(&holder).unwrap();
    let home = std::env::temp_dir().join(format!("halloo-taken-{}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let is = format!("type oss device \"{card}\" hint {{ show on description \"A card\" }}");
    let cards = format!("pcm.!default {{ {is} }}\npcm.taken {{ {is} }}\n");
    std::fs::write(home.join(".asoundrc"), cards).unwrap();
    let run = Command::new("setpriv")
        .args(["--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"])
        .arg(env!("CARGO_BIN_EXE_halloo"))
        .args(arguments)
        .env("HOME", &home)
        .env("XDG_RUNTIME_DIR", &home)
        .env_remove("PULSE_SERVER")
        .output()
        .expect("setpriv (Debian: util-linux)");
    let _ = std::fs::remove_dir_all(&home);
    run
}

#[test]
fn a_card_that_another_program_keeps_is_listed_and_said_to_be_taken() {
    let listed = with_a_taken_card(&["devices"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let both = ["* default  (A card)\n      another", "  taken  (A card)\n      another"];
    assert!(both.iter().all(|card| listed.matches(card).count() == 2), "{listed}");

    for device in ["default", "device:taken"] {
        let heard = recording("taken");
        let other = Halloo::listen(None, TONE, &heard, &[]);
        let url = other.url();
        let options = ["--input", device, "--output", device, "--duration", "2"];
        let call = with_a_taken_card(&[&["call", url.as_str()], &options[..]].concat());
        let read = String::from_utf8(call.stderr).unwrap();
        assert_eq!(call.status.code(), Some(0), "{read}");
        let mut warnings: Vec<_> =
            read.lines().filter_map(|line| Some(line.split_once("warning: ")?.1)).collect();
        warnings.sort_unstable(); // whichever thread was first
        assert_eq!(
            warnings,
            [
                "no loudspeaker: another program keeps it to itself; you hear nothing until it can be opened",
                "no microphone: another program keeps it to itself; the other side hears silence until it \
                 can be opened",
            ]
        );
        assert!(!read.contains("ALSA"), "noise: {read}");
        assert!(Recording::read(&heard).level() < -90.0, "nobody asked for a tone");
    }
}
