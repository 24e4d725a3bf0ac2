//! Tells what happens: JSON Lines for a program, plain lines for a person.
//!
//! ```text
//! {"t":1.204,"event":"connected","call":"bXk…","ms":31.4}           --json, on stdout
//!   1.204 s  bXkQ2v  connected 31 ms after the offer                  else, on stderr
//! ```
//! Only the address to call goes to stdout without `--json`: it is what a script wants to know.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::Failure;
use super::live::Live;
use super::options::{Loudness, TellingOptions};
use crate::net::driver::{CallId, TimedEvent};
use crate::peer::event::{Change, Directions, DtlsState, Event, MediaFirst, Side, Step};
use crate::sdp::Direction;
use crate::signal::events;
use crate::time::Instant;

/// Where events are told.
#[derive(Debug)]
pub struct Show {
    json: bool,
    loudness: Loudness,
    live: RefCell<Live>,
    /// The last warning: what concerns all calls is told of each, and read once.
    warned: RefCell<Option<(Instant, String)>>,
}

impl Show {
    /// As the options ask.
    #[must_use]
    pub fn new(telling: TellingOptions) -> Self {
        Self {
            json: telling.json,
            loudness: telling.loudness(),
            live: RefCell::new(Live::new(!telling.json && telling.loudness() > Loudness::Quiet)),
            warned: RefCell::default(),
        }
    }

    /// Where calls can come in.
    pub fn listening(&self, now: Instant, urls: Vec<String>, fingerprint: Option<String>) {
        if self.json {
            let event = Event::Listening { urls, fingerprint };
            self.event(None, &TimedEvent { at: now, event });
            return;
        }
        for url in urls {
            write_stdout(&format!("listening on {url}"));
        }
    }

    /// A line for the other side: data, like the address to call.
    pub fn paste(&self, call: CallId, timed: &TimedEvent) {
        match &timed.event {
            Event::Paste { line } if !self.json => write_stdout(line),
            _ => self.event(Some(call), timed),
        }
    }

    /// Something that happened in a call, or to all.
    pub fn event(&self, call: Option<CallId>, timed: &TimedEvent) {
        if self.json {
            let call = call.map(|id| id.to_string());
            write_stdout(&events::line(timed.at, call.as_deref(), &timed.event));
            return;
        }
        let figures = call.and_then(|id| self.live.borrow_mut().event(id, timed));
        if let Some(figures) = figures.filter(|_| self.loudness >= Loudness::Verbose) {
            self.line(timed.at, call, &figures);
        }
        if let Event::Warning { text, .. } = &timed.event {
            let warning = Some((timed.at, text.clone()));
            if self.warned.replace(warning.clone()) == warning {
                return;
            }
        }
        if let Some((needed, text)) = plain(&timed.event)
            && self.loudness >= needed
        {
            self.line(timed.at, call, &text);
        }
    }

    /// Whether the person's microphone is off, which the line of figures says.
    pub fn mute(&self, is_muted: bool) {
        self.live.borrow_mut().mute(is_muted);
    }

    /// A line of progress.
    pub fn line(&self, at: Instant, call: Option<CallId>, text: &str) {
        if self.json || self.loudness == Loudness::Quiet {
            return;
        }
        let short: String =
            call.map(|id| id.to_string().chars().take(6).collect()).unwrap_or_default();
        self.wipe();
        let seconds = at.since_start().as_secs_f64();
        write_stderr(&format!("{seconds:7.3} s  {short}{}{}", gap(&short), clean(text)));
    }

    /// Something that concerns no call, but should be known.
    pub fn warn(&self, now: Instant, text: String) {
        self.event(None, &TimedEvent { at: now, event: Event::warning(text) });
    }

    /// A picture made of characters: for a person at a terminal, and nobody else.
    pub fn picture(&self, lines: &[String]) {
        let is_seen = self.live.borrow().is_on_terminal() && io::stdout().is_terminal();
        if is_seen && self.loudness > Loudness::Quiet {
            self.wipe();
            lines.iter().for_each(|line| write_stderr(line));
        }
    }

    /// A question to the person, who is there to answer it, whatever else is told.
    pub fn ask(&self, question: &str) {
        self.wipe();
        write_stderr(&clean(question));
    }

    /// Whether events go out as JSON Lines.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// A stage of a call to oneself; with `--json` its event tells the same.
    pub fn stage(&self, at: Instant, begun: Instant, what: &str) {
        if !self.json && self.loudness > Loudness::Quiet {
            let ms = (at - begun).as_secs_f64() * 1e3;
            write_stdout(&format!("{ms:7.1} ms  {what}"));
        }
    }

    /// What is queued already.
    pub fn rest(&self, events: &mut Events) {
        loop {
            match events.try_recv() {
                Ok((call, timed)) => self.event(Some(call), &timed),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return self.wipe(),
            }
        }
    }

    /// Takes the line of figures away, so that what follows starts on a line of its own.
    pub fn wipe(&self) {
        self.live.borrow_mut().wipe();
    }
}

/// Events as the driver sends them.
pub type Events = broadcast::Receiver<(CallId, TimedEvent)>;

/// The next event; none when the driver has ended. Events that came faster than they could be told
/// are left out.
pub async fn next(events: &mut Events) -> Option<(CallId, TimedEvent)> {
    loop {
        match events.recv().await {
            Ok(event) => return Some(event),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

/// An event in words, and from which loudness on a person wants to read it.
fn plain(event: &Event) -> Option<(Loudness, String)> {
    use Loudness::{Normal, Verbose};
    Some(match event {
        Event::Listening { urls, .. } => (Normal, format!("listening on {}", urls.join(" "))),
        Event::Paste { .. } => return None, // printed as data
        Event::Ringing => (Normal, "ringing".into()),
        Event::Answered => (Verbose, "answered".into()),
        Event::Gathering { state } => (Verbose, format!("own addresses: {state:?}").to_lowercase()),
        Event::Candidate { side: Side::Local, candidate } => (Verbose, format!("own {candidate}")),
        Event::Candidate { side: Side::Remote, candidate } => {
            (Verbose, format!("their {candidate}"))
        }
        Event::Ice { state } => (Verbose, format!("ice {state:?}").to_lowercase()),
        Event::Pair { local, remote, rtt } => {
            (Verbose, format!("pair selected, {rtt:.1} ms round trip: {local} <-> {remote}"))
        }
        Event::Dtls { state: DtlsState::Connected, agreed: Some(agreed) } => {
            let what = format!(
                "encrypted by {}, {}; their certificate {}",
                agreed.version, agreed.srtp_profile, agreed.remote_fingerprint
            );
            (Verbose, what)
        }
        Event::Dtls { state, .. } => (Verbose, format!("dtls {state:?}").to_lowercase()),
        Event::Connected { ms, phrase: None } => {
            (Normal, format!("connected {ms:.0} ms after the offer"))
        }
        Event::Connected { ms, phrase: Some(phrase) } => {
            (Normal, format!("connected {ms:.0} ms after the offer; both ends show: {phrase}"))
        }
        Event::Media { first, ms } => {
            let what = match first {
                MediaFirst::PacketSent => "first packet sent",
                MediaFirst::PacketReceived => "first packet received",
                MediaFirst::SoundPlayed => "first sound played",
            };
            (Verbose, format!("{what} {ms:.0} ms after the offer"))
        }
        Event::Offer { change: Change::IceRestart, .. } => {
            (Normal, "looking for a way through the network again".into())
        }
        Event::Offer { .. } => (Verbose, "a new offer of ours goes to the other side".into()),
        Event::Direction(directions) => (Normal, held(directions).into()),
        Event::Stats(_) => return None,
        Event::RestartNeeded => (Normal, "the way is lost: looking for another".to_owned()),
        Event::Warning { text, .. } => (Normal, format!("warning: {text}")),
        Event::Heard { after_ms } => {
            (Normal, format!("the other side is heard, after {:.0} s", after_ms / 1e3))
        }
        Event::Ended { reason, .. } => (Normal, format!("ended: {reason}")),
    })
}

/// Who keeps the call on hold, if anybody.
const fn held(directions: &Directions) -> &'static str {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    match (directions.local, directions.remote, directions.current) {
        (_, _, SendRecv) => "both are heard",
        (Inactive, _, _) => "on hold: nobody is heard",
        (_, Inactive, _) | (_, _, Inactive) => "the other side keeps the call on hold",
        (_, _, SendOnly) => "one way: the other side is not heard",
        (_, _, RecvOnly) => "one way: the other side does not hear us",
    }
}

/// What a stranger sent must not move our cursor or colour our terminal.
fn clean(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}

const fn gap(short: &str) -> &'static str {
    if short.is_empty() { "" } else { "  " }
}

/// Whether stderr takes colours (<https://no-color.org>).
#[must_use]
pub fn colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !refused && !super::live::is_dumb()
}

/// Says why a command failed.
pub fn complain(text: &str) {
    write_stderr(text);
}

/// A line of data.
pub fn write_stdout(line: &str) {
    let mut stdout = io::stdout().lock();
    written(writeln!(stdout, "{line}").and_then(|()| stdout.flush()));
}

/// The same for text that has its line ends already.
pub fn write_stdout_bytes(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    written(stdout.write_all(bytes).and_then(|()| stdout.flush()));
}

/// A reader that has gone away has read enough. That data is lost in any other way is told when it happens, once,
/// and by the exit code; it is no reason to end a call.
fn written(outcome: io::Result<()>) {
    match outcome {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(_) if IS_DATA_LOST.swap(true, Ordering::Relaxed) => {}
        Err(error) => {
            let what = format!("standard output can't be written: {error}");
            let _code =
                Failure::at(Step::Signalling, what, "is there room where it goes?").report();
        }
    }
}

/// Whether standard output could not take all that was written to it.
#[must_use]
pub fn is_data_lost() -> bool {
    IS_DATA_LOST.load(Ordering::Relaxed)
}

/// The process has one standard output, and whoever writes to it goes on.
static IS_DATA_LOST: AtomicBool = AtomicBool::new(false);

fn write_stderr(line: &str) {
    let _gone = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_colour_the_terminal() {
        assert_eq!(clean("a\x1b[31mb\r\n"), "a [31mb  ");
    }
}
