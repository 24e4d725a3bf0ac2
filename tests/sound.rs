//! Microphone and loudspeaker for real: through cpal, ALSA and a sound server, judged by ear.
//!
//! Each test runs twice: outside it starts itself again as a process whose environment names a sound
//! server (a program can't change its own); inside it does what its name says. Sound is judged strictly,
//! and so only counts as wrong while the machine itself ran on (`common/stall.rs`).
#![cfg(all(feature = "device", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::print_stdout, unreachable_pub)]
#![allow(clippy::disallowed_methods, reason = "a real sound card keeps real time")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant as Clock};

use common::listen::Recording;
use common::pulse::{self, SoundServer};
use common::stall::undisturbed;
use halloo::audio::bell::Bell;
use halloo::audio::device::{self, Capture, Choice, Event, OpenError, Playback};
use halloo::audio::{Channels, Frame, Source};
use halloo::time::Instant;

mod common {
    pub mod listen;
    pub mod pulse;
    pub mod stall;
}

/// Inside, the folder for the server; outside, runs the test of this name inside and answers `None`.
fn inside(test: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(INSIDE) {
        return Some(folder.into());
    }
    // A socket's path must not be longer than 107 bytes.
    let short: String = test.chars().take(20).collect();
    let folder = std::env::temp_dir().join(format!("halloo-{}-{short}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .envs(pulse::environment(&folder))
        .env(INSIDE, &folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = run.id().to_string();
    let (ended, end) = channel();
    thread::spawn(move || ended.send(run.wait_with_output().unwrap()));
    let Ok(run) = end.recv_timeout(LIMIT) else {
        let _ = Command::new("kill").args(["-KILL", &pid]).status();
        panic!("{test} does not end");
    };
    let _ = std::fs::remove_dir_all(&folder);
    let said = String::from_utf8_lossy(&run.stdout);
    let complained = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}\n{complained}");
    assert!(!complained.contains("ALSA"), "noise on the terminal:\n{complained}");
    print!("{said}");
    None
}

const INSIDE: &str = "HALLOO_TEST_SOUND_FOLDER";
/// Enough for every run that a busy machine may spoil.
const LIMIT: Duration = Duration::from_secs(150);

/// A driver's loop without a call: what the microphone hears is kept, the loudspeaker gets `source`.
struct Loop {
    start: Clock,
    bell: Arc<Bell>,
    capture: Capture,
    playback: Playback,
    source: Source,
    heard: Vec<f32>,
    frames_played: usize,
    events: Vec<(f64, &'static str, Event)>,
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Loop {
    fn new(rate: u32, source: Source) -> Self {
        let bell = Arc::new(Bell::default());
        Self {
            start: Clock::now(),
            capture: Capture::open(Choice::Default, Channels::Mono, rate, &bell).unwrap(),
            playback: Playback::open(Choice::Default, Channels::Mono, rate, &bell).unwrap(),
            bell,
            source,
            heard: Vec::new(),
            frames_played: 0,
            events: Vec::new(),
        }
    }

    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn run(&mut self, seconds: f64) {
        self.run_until(seconds, |_| false);
    }

    /// Whether `enough` came true within so many seconds.
    fn run_until(&mut self, seconds: f64, enough: impl Fn(&Self) -> bool) -> bool {
        let end = self.seconds() + seconds;
        let mut frame = Frame::silence(Channels::Mono);
        while self.seconds() < end {
            let now = Instant::from(self.start.elapsed());
            while self.capture.take(now, &mut frame) {
                self.heard.extend_from_slice(frame.samples());
            }
            for _ in 0..self.playback.wanted(now) {
                self.source.next(&mut frame);
                self.playback.push(&frame);
                self.frames_played += 1;
            }
            let at = self.seconds();
            while let Some(event) = self.capture.next_event() {
                self.events.push((at, "capture", event));
            }
            while let Some(event) = self.playback.next_event() {
                self.events.push((at, "playback", event));
            }
            if enough(self) {
                return true;
            }
            self.wait(end);
        }
        false
    }

    /// As the driver does: until the bell rings or something is due.
    fn wait(&self, end: f64) {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        if self.bell.poll_rung(&Context::from_waker(&waker)).is_ready() {
            return;
        }
        let due = self.capture.due().min(self.playback.due()).since_start();
        let due = due.min(Duration::from_secs_f64(end));
        thread::park_timeout(due.saturating_sub(self.start.elapsed()));
    }

    fn heard(&self) -> Recording {
        Recording { rate: 48_000, samples: self.heard.clone() }
    }

    fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|(_, _, event)| wanted(event)).count()
    }
}

fn holds(fact: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if fact { Ok(()) } else { Err(otherwise()) }
}

#[test]
fn microphone_and_loudspeaker_carry_a_tone_each() {
    let Some(folder) = inside("microphone_and_loudspeaker_carry_a_tone_each") else { return };
    undisturbed(|| carries_a_tone_each(&folder, 48_000));
}

fn carries_a_tone_each(folder: &Path, rate: u32) -> Result<(), String> {
    let server = SoundServer::start_in(folder, rate);
    server.hum(440);
    let mut driver = Loop::new(rate, Source::tone(700.0));
    driver.run(1.5);
    let tape = server.record();
    driver.run(0.5);
    let (heard, played, at) = (driver.heard.len(), driver.frames_played, driver.seconds());
    driver.run(2.5);
    let seconds = driver.seconds() - at;
    let captured = (driver.heard.len() - heard) as f64 / 48_000.0;
    let taken = (driver.frames_played - played) as f64 / 100.0;
    let on_tape = tape.stop();
    driver.heard().last(2.0).is_tone("microphone", 440.0, -9.0)?;
    on_tape.last(2.0).is_tone("loudspeaker", 700.0, -13.5)?;
    println!("in {seconds:.3} s, {captured:.3} s captured and {taken:.3} s played");
    for (what, moved) in [("captured", captured), ("played", taken)] {
        let right = (moved - seconds).abs() < ONE_WAKE_UP;
        holds(right, || format!("{moved} s {what} in {seconds} s"))?;
    }
    let opened = |event: &Event| matches!(event, Event::Opened(opened) if opened.rate == rate);
    let only_that = driver.count(opened) == 2 && driver.events.len() == 2;
    holds(only_that, || format!("{:?}", driver.events))
}

/// What the server moves at a time, and our look at it: by so much the count may be behind or ahead.
const ONE_WAKE_UP: f64 = 0.04;

#[test]
fn the_call_goes_on_while_the_sound_server_is_dead_and_with_sound_when_it_is_back() {
    let name = "the_call_goes_on_while_the_sound_server_is_dead_and_with_sound_when_it_is_back";
    let Some(folder) = inside(name) else { return };
    undisturbed(|| survives_the_death_of_its_server(&folder));
}

fn survives_the_death_of_its_server(folder: &Path) -> Result<(), String> {
    let mut server = SoundServer::start_in(folder, 48_000);
    server.hum(440);
    let mut driver = Loop::new(48_000, Source::tone(700.0));
    driver.run(1.5);

    server.kill();
    let lost = |driver: &Loop| driver.count(|event| matches!(event, Event::Lost(_))) >= 2;
    assert!(driver.run_until(3.0, lost), "nobody noticed: {:?}", driver.events);
    driver.events.clear();
    let (heard, played, at) = (driver.heard.len(), driver.frames_played, driver.seconds());
    driver.run(1.0);
    let seconds = driver.seconds() - at;
    let captured = (driver.heard.len() - heard) as f64 / 48_000.0;
    let taken = (driver.frames_played - played) as f64 / 100.0;
    let is_near = |passed: f64| (passed / seconds - 1.0).abs() < 0.1;
    holds(is_near(captured), || format!("{captured} s of silence in {seconds} s"))?;
    holds(is_near(taken), || format!("{taken} s taken in {seconds} s"))?;
    assert!(driver.heard().last(0.5).level() < -100.0);
    assert!(driver.events.len() < 5, "events storm too: {:?}", driver.events);

    server.restart();
    server.hum(520);
    let opened = |driver: &Loop| driver.count(|event| matches!(event, Event::Opened(_))) >= 2;
    assert!(driver.run_until(8.0, opened), "not reopened: {:?}", driver.events);
    driver.run(2.0);
    let tape = server.record();
    driver.run(2.0);
    let played = tape.stop();
    driver.heard().last(1.0).is_tone("microphone, again", 520.0, -9.0)?;
    played.last(1.0).is_tone("loudspeaker, again", 700.0, -13.5)
}

/// Between a frame pushed and the same sound taken: both rings, both streams and the server itself.
#[test]
fn the_way_through_loudspeaker_and_microphone_is_short() {
    let Some(folder) = inside("the_way_through_loudspeaker_and_microphone_is_short") else {
        return;
    };
    undisturbed(|| is_a_short_way(&folder));
}

fn is_a_short_way(folder: &Path) -> Result<(), String> {
    let server = SoundServer::start_in(folder, 48_000);
    server.microphone_at_loudspeaker();
    let mut driver = Loop::new(48_000, Source::silence());
    driver.run(3.0);
    let mut ways = Vec::new();
    for _ in 0..5 {
        driver.heard.clear();
        let (played, at) = (driver.frames_played, driver.seconds());
        driver.source = Source::tone(1_000.0);
        let came = |driver: &Loop| driver.heard.iter().any(|sample| sample.abs() > 0.1);
        assert!(driver.run_until(2.0, came), "it never came: {:?}", driver.events);
        assert!(driver.frames_played > played);
        ways.push((driver.seconds() - at) * 1_000.0);
        driver.source = Source::silence();
        driver.run(0.6);
    }
    ways.sort_by(f64::total_cmp);
    println!("loudspeaker to microphone: {ways:.0?} ms");
    holds(ways[2] < 250.0, || format!("{ways:?} ms"))
}

#[test]
fn a_sound_card_of_44100_hz_keeps_the_pitch() {
    let Some(folder) = inside("a_sound_card_of_44100_hz_keeps_the_pitch") else { return };
    undisturbed(|| carries_a_tone_each(&folder, 44_100));
}

#[test]
fn an_unknown_device_is_answered_with_the_list() {
    let Some(folder) = inside("an_unknown_device_is_answered_with_the_list") else { return };
    let _server = SoundServer::start_in(&folder, 48_000);
    let named = Choice::Named("No Such Headset".to_owned());
    match Capture::open(named, Channels::Mono, 48_000, &Arc::default()) {
        Err(OpenError::Unknown { name, known }) => {
            assert_eq!(name, "No Such Headset");
            assert!(known.contains(&"pulse".to_owned()), "{known:?}");
        }
        other => panic!("{other:?}"),
    }
    let devices = device::list();
    let default = devices.outputs.iter().find(|device| device.default).unwrap();
    assert_eq!(default.name, "default");
    assert!(default.formats.iter().any(|format| format.format == "f32"), "{default:?}");
    assert!(
        Playback::open(
            Choice::Named("pulse".to_owned()),
            Channels::Stereo,
            48_000,
            &Arc::default()
        )
        .is_ok()
    );
}

#[test]
fn a_machine_without_sound_says_so_and_nothing_else() {
    let Some(_folder) = inside("a_machine_without_sound_says_so_and_nothing_else") else { return };
    assert!(device::list().is_empty(), "{:?}", device::list());
    for opened in [
        Capture::open(Choice::Default, Channels::Mono, 48_000, &Arc::default()).err(),
        Playback::open(Choice::Default, Channels::Mono, 48_000, &Arc::default()).err(),
    ] {
        assert_eq!(opened, Some(OpenError::NoSound));
    }
}
