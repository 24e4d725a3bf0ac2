//! A sound server without a sound card: PulseAudio in user space, with a loudspeaker that we can hear
//! and a microphone that we can speak into.
//!
//! Use it with `mod common { pub mod listen; pub mod pulse; }`. Programs that are to use it get
//! [`SoundServer::environment`]; there ALSA's `default` is this server. [`SoundServer::say`] plays into
//! the microphone, [`SoundServer::record`] writes down what the loudspeaker plays. All processes end when
//! it is dropped. Packages: pulseaudio, pulseaudio-utils, libasound2-plugins.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::{fs, thread};

use super::listen::Recording;

/// A running server.
#[derive(Debug)]
pub struct SoundServer {
    folder: PathBuf,
    rate: u32,
    server: Option<Child>,
    /// Cards that are kept awake, and by whom: asleep, they take up to two seconds to answer.
    awake: Vec<&'static str>,
    listeners: Vec<Child>,
}

impl SoundServer {
    /// Starts one at 48 kHz, in a folder of its own.
    pub fn start() -> Self {
        let name = format!("halloo-sound-{}-{:?}", std::process::id(), thread::current().id());
        let name: String = name.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect();
        Self::start_in(&std::env::temp_dir().join(name), 48_000)
    }

    /// Starts one whose cards have this rate, in this folder, which it makes and removes.
    pub fn start_in(folder: &Path, rate: u32) -> Self {
        let cards = format!(
            "load-module module-null-sink sink_name=speaker rate={rate} channels=1 format=float32le\n\
             load-module module-null-sink sink_name=micfeed rate={rate} channels=1 format=float32le\n\
             load-module module-remap-source source_name=mic master=micfeed.monitor\n\
             set-default-sink speaker\n\
             set-default-source mic\n"
        );
        Self::start_script(folder, rate, &cards, &["speaker.monitor", "micfeed.monitor"])
    }

    /// Starts one without any card, in a folder of its own: see [`Self::plug_loudspeaker`].
    pub fn bare(name: &str) -> Self {
        let name = format!("halloo-bare-{}-{name}", std::process::id());
        Self::start_script(&std::env::temp_dir().join(name), 48_000, "", &[])
    }

    fn start_script(folder: &Path, rate: u32, cards: &str, awake: &[&'static str]) -> Self {
        fs::create_dir_all(folder).unwrap();
        let socket = folder.join("pulse.socket");
        let script = format!(
            ".fail\nload-module module-native-protocol-unix auth-anonymous=1 socket={}\n{cards}",
            socket.display()
        );
        fs::write(folder.join("script.pa"), script).unwrap();
        let mut server = Self {
            folder: folder.to_owned(),
            rate,
            server: None,
            awake: awake.to_vec(),
            listeners: Vec::new(),
        };
        server.restart();
        server
    }

    /// Plugs a loudspeaker in; the default, if it is the first.
    pub fn plug_loudspeaker(&self, name: &str, rate: u32, channels: u16) -> Card {
        Card { _awake: self.null_sink(name, rate, channels) }
    }

    /// Plugs a microphone of one channel in, the default from now on, which hears this pitch all the time
    /// at -9 dBFS.
    pub fn plug_microphone(&self, name: &str, rate: u32, hz: u32) -> Card {
        let awake = self.null_sink(name, rate, 1);
        let (sink, frequency) = (format!("sink={name}"), format!("frequency={hz}"));
        self.control(&["load-module", "module-sine", &sink, &frequency]);
        self.control(&["set-default-source", &format!("{name}.monitor")]);
        Card { _awake: awake }
    }

    fn null_sink(&self, name: &str, rate: u32, channels: u16) -> Running {
        let (sink, rate) = (format!("sink_name={name}"), format!("rate={rate}"));
        let channels = format!("channels={channels}");
        let format = "format=float32le";
        self.control(&["load-module", "module-null-sink", &sink, &rate, &channels, format]);
        let listener = self.client("parec", &format!("{name}.monitor"));
        Running(awake({ listener }.stderr(Stdio::null())))
    }

    /// Pulls out every card at once, as when all of them are in one headset.
    pub fn unplug_all(&self, cards: Vec<Card>) {
        if self.control(&["list", "short", "modules"]).contains("module-sine") {
            self.control(&["unload-module", "module-sine"]);
        }
        self.control(&["unload-module", "module-null-sink"]);
        drop(cards);
    }

    /// What a program needs in its environment to find it.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        environment(&self.folder)
    }

    /// Ends the server as a crash would. Programs that use it notice by errors.
    pub fn kill(&mut self) {
        for child in self.listeners.drain(..).chain(self.server.take()) {
            end(child);
        }
    }

    /// Starts the server again.
    pub fn restart(&mut self) {
        let _ = fs::remove_file(self.folder.join("pulse.socket"));
        let log = fs::File::create(self.folder.join("server.log")).unwrap();
        // It tells whoever started it when it listens, as systemd has it (sd_notify).
        let told = self.folder.join("told.socket");
        let _ = fs::remove_file(&told);
        let ready = UnixDatagram::bind(&told).unwrap();
        let started = self
            .command("pulseaudio")
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit"])
            .args(["--use-pid-file=no", "--realtime=no", "--high-priority=no", "-F"])
            .arg(self.folder.join("script.pa"))
            .env("NOTIFY_SOCKET", &told)
            .stderr(log)
            .spawn();
        self.server = Some(started.unwrap_or_else(|error| missing("pulseaudio", &error)));
        self.await_ready(&ready);
        for card in self.awake.clone() {
            self.listeners.push(awake(&mut self.client("parec", card)));
        }
    }

    fn await_ready(&self, ready: &UnixDatagram) {
        ready.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut said = [0; 64];
        let told = ready.recv(&mut said).map(|length| said[..length].starts_with(b"READY=1"));
        if !told.as_ref().is_ok_and(|is_ready| *is_ready) {
            let log = fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
            panic!("the sound server does not start ({told:?}):\n{log}");
        }
    }

    /// What changes at the server, from now on.
    pub fn changes(&self) -> Changes {
        let follower = self.command("pactl").arg("subscribe").stdout(Stdio::piped()).spawn();
        let mut follower = follower.unwrap_or_else(|error| missing("pactl", &error));
        let lines = BufReader::new(follower.stdout.take().unwrap()).lines();
        let (tell, changes) = channel();
        // It ends with `pactl`, whose output it reads.
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        // Whoever asks the server something is a change itself: once that is told, all others are.
        while changes.try_recv().is_err() {
            self.control(&["info"]);
        }
        Changes { _follower: Running(follower), changes }
    }

    /// Plays a recording into the microphone, from now on. It ends when the answer is dropped.
    pub fn say(&self, recording: &Recording) -> Running {
        let path = self.folder.join("said.wav");
        recording.write(&path);
        let speaker = self.client("paplay", "micfeed").arg(&path).spawn();
        Running(speaker.unwrap_or_else(|error| missing("paplay", &error)))
    }

    /// The microphone hears this pitch at -9 dBFS, from now on. The server makes it by itself: unlike
    /// [`Self::say`], no process can be too late with it when the machine is busy.
    pub fn hum(&self, hz: u32) {
        self.control(&["load-module", "module-sine", "sink=micfeed", &format!("frequency={hz}")]);
    }

    /// Tells the server something, as `pactl` has it; its answer.
    pub fn control(&self, words: &[&str]) -> String {
        let asked = self.command("pactl").args(words).stdout(Stdio::piped()).output();
        let asked = asked.unwrap_or_else(|error| missing("pactl", &error));
        assert!(asked.status.success(), "{words:?}: {}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8(asked.stdout).unwrap().trim().to_owned()
    }

    /// From now on the microphone hears the loudspeaker and nothing else.
    pub fn microphone_at_loudspeaker(&self) {
        self.control(&["set-default-source", "speaker.monitor"]);
    }

    /// Writes down what the loudspeaker plays, from now on.
    pub fn record(&self) -> Tape {
        self.record_at("speaker", 1)
    }

    /// Writes down what a loudspeaker plays, all its channels one after the other, from now on.
    pub fn record_at(&self, loudspeaker: &str, channels: u16) -> Tape {
        let path = self.folder.join(format!("heard-{loudspeaker}.raw"));
        let file = fs::File::create(&path).unwrap();
        let recorder = self
            .client("parec", &format!("{loudspeaker}.monitor"))
            .args(["--raw", "--format=s16le"])
            .arg(format!("--channels={channels}"))
            .arg(format!("--rate={}", self.rate))
            .stdout(file)
            .spawn();
        let recorder = Running(recorder.unwrap_or_else(|error| missing("parec", &error)));
        Tape { recorder, path, rate: self.rate, channels: channels.into() }
    }

    fn client(&self, program: &str, device: &str) -> Command {
        let mut command = self.command(program);
        command.arg("--latency-msec=20").arg(format!("--device={device}"));
        command
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment()).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

/// The environment that names the server of this folder, whether it runs yet or not.
pub fn environment(folder: &Path) -> Vec<(&'static str, OsString)> {
    let mut socket = OsString::from("unix:");
    socket.push(folder.join("pulse.socket"));
    vec![("XDG_RUNTIME_DIR", folder.into()), ("HOME", folder.into()), ("PULSE_SERVER", socket)]
}

impl Drop for SoundServer {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A process that ends when this is dropped.
#[derive(Debug)]
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What changes at a server, as it tells it.
#[derive(Debug)]
pub struct Changes {
    _follower: Running,
    changes: Receiver<String>,
}

impl Changes {
    /// Waits until one of these words is told, such as `'remove' on source-output`.
    pub fn wait_for(&self, words: &str) {
        loop {
            let change = self.changes.recv_timeout(Duration::from_secs(10));
            if change.unwrap_or_else(|_| panic!("{words}: never told")).contains(words) {
                return;
            }
        }
    }
}

/// What the loudspeaker plays.
#[derive(Debug)]
pub struct Tape {
    recorder: Running,
    path: PathBuf,
    rate: u32,
    channels: usize,
}

impl Tape {
    /// Stops, and gives what was heard on the first channel.
    pub fn stop(self) -> Recording {
        self.stop_all().swap_remove(0)
    }

    /// Stops, and gives what was heard on each channel.
    pub fn stop_all(self) -> Vec<Recording> {
        drop(self.recorder);
        let bytes = fs::read(&self.path).unwrap();
        let samples: Vec<f32> = bytes
            .chunks_exact(2)
            .map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0)
            .collect();
        let channel = |n| samples.iter().skip(n).step_by(self.channels).copied().collect();
        (0..self.channels).map(|n| Recording { rate: self.rate, samples: channel(n) }).collect()
    }
}

/// A card that was plugged in.
#[derive(Debug)]
pub struct Card {
    /// Who keeps it awake; see [`SoundServer`].
    _awake: Running,
}

fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Starts a `parec` that keeps a card awake, once sound flows to it. What it hears is thrown away.
fn awake(parec: &mut Command) -> Child {
    let spawned = parec.arg("--raw").stdout(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| missing("parec", &error));
    let mut sound = child.stdout.take().unwrap();
    sound.read_exact(&mut [0]).unwrap();
    thread::spawn(move || std::io::copy(&mut sound, &mut std::io::sink()));
    child
}

fn missing(program: &str, error: &std::io::Error) -> ! {
    panic!(
        "{program} can't be started ({error}); this test needs: \
         apt-get install pulseaudio pulseaudio-utils libasound2-plugins"
    );
}
