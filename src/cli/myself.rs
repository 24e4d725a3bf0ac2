//! `halloo call self`: two peers in this process call each other, and listen.
//!
//! A tone of its own pitch goes each way through all that a call is made of: codec, RTP, SRTP, sockets.
//! Nothing else is needed, no device, no second program, so this is the first thing to try when a
//! call doesn't work: it tells whether the machine is to blame.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use super::Failure;
use super::failure::hint;
use super::options::CallOptions;
use super::pitch;
use super::show::{Events, Show, next, write_stdout};
use super::signals::Asked;
use crate::audio::wav::{WavError, WavReader};
use crate::audio::{Channels, sink, source};
use crate::net::driver::{self, CallId, Caller, Handle};
use crate::net::interfaces;
use crate::net::sound::Sound;
use crate::net::tcp::Tcp;
use crate::net::world::World;
use crate::peer::event::{DtlsState, End, Event, IceState, MediaFirst, Step};
use crate::signal::events::line;
use crate::time::Instant;

/// Runs the command.
///
/// # Errors
/// The call did not come about, or the tones were not heard.
pub async fn run(options: CallOptions) -> Result<(), Failure> {
    if options.media.input != source::Spec::Default || options.media.output != sink::Spec::Default {
        let why = "a call to oneself brings its own tones: leave --input and --output out";
        return Err(Failure::Usage(why.into()));
    }
    let show = Show::new(options.telling);
    let mut asked = Asked::listen().map_err(|e| Failure::machine("no signals", &e))?;
    let recordings = Recordings::new().map_err(|e| Failure::machine("no randomness", &e))?;
    let mut ends = Vec::new();
    for (hz, path) in PITCHES.into_iter().zip(&recordings.0) {
        let mut settings = options.media.driver();
        settings.tcp = Tcp::Off;
        if settings.interfaces.is_empty() && settings.peer.servers.is_empty() {
            settings.interfaces = loopback();
        }
        settings.duration = Some(options.media.duration.unwrap_or(LISTEN_FOR));
        let spec = (source::Spec::Tone(hz), sink::Spec::File(path.clone()));
        let channels = options.media.channels();
        ends.push(driver::start(settings, Sound::open(spec.0, spec.1, channels)?)?);
    }
    let [caller, answerer] = ends.as_slice() else { return Ok(()) };
    let called = tokio::select! {
        called = call(&show, caller, answerer) => called,
        () = asked.heard() => Err(Failure::at(Step::Signalling, "given up", "call again")),
    };
    for end in &ends {
        let _told = timeout(HANG_UP_WITHIN, end.shutdown()).await;
    }
    called?;
    verdict(options.telling.json.then_some(caller.world()), &recordings)
}

/// No network is needed, and none is judged. Where the system names none, all interfaces serve.
fn loopback() -> Vec<String> {
    let all = interfaces::addresses().unwrap_or_default().into_iter();
    all.filter(|address| address.ip.is_loopback()).map(|address| address.interface).collect()
}

/// Sets the call up without any HTTP, and follows it to its end.
async fn call(show: &Show, caller: &Handle, answerer: &Handle) -> Result<(), Failure> {
    let here = Caller::at(([127, 0, 0, 1], 0).into());
    let mut events = caller.events();
    let begun = caller.world().now();
    let (id, offer) = caller.make_offer(here).await?;
    show.stage(caller.world().now(), begun, "offer made");
    let (_, answer) = answerer.accept_offer(offer, here).await?;
    show.stage(caller.world().now(), begun, "offer answered");
    caller.accept_answer(id, answer).await?;
    follow(show, &mut events, id, begun).await
}

async fn follow(
    show: &Show,
    events: &mut Events,
    id: CallId,
    begun: Instant,
) -> Result<(), Failure> {
    let mut connected = false;
    while let Some((call, timed)) = next(events).await {
        if call != id {
            continue;
        }
        match stage(&timed.event) {
            Some(stage) if !show.is_json() => show.stage(timed.at, begun, stage),
            _ => show.event(Some(call), &timed),
        }
        match timed.event {
            Event::Connected { .. } => connected = true,
            Event::Ended { end: End::Failed { step }, reason, remedy } => {
                return Err(Failure::at(step, reason, hint(step, remedy)));
            }
            Event::Ended { .. } if connected => return Ok(()),
            Event::Ended { reason, .. } => {
                return Err(Failure::at(Step::Signalling, reason, hint(Step::Signalling, None)));
            }
            _ => {}
        }
    }
    Err(Failure::at(Step::Signalling, "the driver ended", hint(Step::Signalling, None)))
}

/// What a person is told of an event.
const fn stage(event: &Event) -> Option<&'static str> {
    match event {
        Event::Ice { state: IceState::Connected } => Some("a way through found (ICE)"),
        Event::Dtls { state: DtlsState::Connected, .. } => Some("keys agreed (DTLS)"),
        Event::Connected { .. } => Some("connected"),
        Event::Media { first: MediaFirst::PacketSent, .. } => Some("first packet sent (RTP)"),
        Event::Media { first: MediaFirst::PacketReceived, .. } => {
            Some("first packet received (RTP)")
        }
        Event::Media { first: MediaFirst::SoundPlayed, .. } => Some("first sound played"),
        _ => None,
    }
}

/// Listens to what each side has recorded: the other's tone, and hardly anything else. As JSON where that
/// world says when.
fn verdict(json: Option<World>, recordings: &Recordings) -> Result<(), Failure> {
    let mut good = true;
    for (path, hz) in recordings.0.iter().zip(PITCHES.into_iter().rev()) {
        let (samples, rate) = read(path).map_err(|error| {
            Failure::at(
                Step::Audio,
                format!("the recording can't be read: {error}"),
                "is the disk full?",
            )
        })?;
        let skipped = usize::try_from(rate / 2).unwrap_or(0);
        let settled = samples.get(skipped..).unwrap_or_default();
        let (purity, level) = (pitch::purity(settled, hz, f64::from(rate)), pitch::level(settled));
        good &= purity > PURE;
        if let Some(world) = json {
            let heard = serde_json::json!({
                "event": "heard", "hz": hz, "purity": purity, "level": level,
            });
            write_stdout(&line(world.now(), None, &heard));
        } else {
            write_stdout(&format!(
                "{:>10}  heard {hz} Hz: {:.1} % of the sound, {level:.1} dBFS",
                "",
                100.0 * purity
            ));
        }
    }
    if let Some(world) = json {
        let verdict = serde_json::json!({ "event": "verdict", "ok": good });
        write_stdout(&line(world.now(), None, &verdict));
    } else if good {
        write_stdout("good: this machine can call, and the tones came through both ways");
    }
    match good {
        true => Ok(()),
        false => Err(Failure::at(
            Step::Media,
            "connected, but the tones did not come through clean",
            "is the machine too busy for real time? with --impair that is to be expected",
        )),
    }
}

fn read(path: &Path) -> Result<(Vec<f32>, u32), WavError> {
    let mut reader = WavReader::new(BufReader::new(File::open(path)?))?;
    let (rate, mut samples) = (reader.rate(), Vec::new());
    while reader.read(AT_ONCE, Channels::Mono, &mut samples)? == AT_ONCE {}
    Ok((samples, rate))
}

/// Samples that are read at a time.
const AT_ONCE: usize = 48_000;

/// What each side hears, until the verdict is spoken.
struct Recordings([PathBuf; 2]);

impl Recordings {
    /// Others may write into the folder too, so the names can't be foreseen.
    fn new() -> std::io::Result<Self> {
        let name = u128::from_ne_bytes(crate::net::world::unguessable()?);
        let path = |side| std::env::temp_dir().join(format!("halloo-{name:032x}-{side}.wav"));
        Ok(Self(["caller", "answerer"].map(path)))
    }
}

impl Drop for Recordings {
    fn drop(&mut self) {
        for path in &self.0 {
            let _never_made = std::fs::remove_file(path);
        }
    }
}

/// What the caller and the answerer send, Hz: no multiples of each other.
const PITCHES: [f64; 2] = [440.0, 620.0];
/// How long the tones run.
const LISTEN_FOR: Duration = Duration::from_secs(2);
/// Share of the sound that must be the tone: codecs add a little of their own.
const PURE: f64 = 0.9;
/// As long as hanging up may take.
const HANG_UP_WITHIN: Duration = Duration::from_secs(2);
