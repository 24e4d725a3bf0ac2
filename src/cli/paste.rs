//! `halloo call paste` and `halloo listen paste`: a call whose descriptions people carry, by any chat.
//!
//! ```text
//! call paste                                listen paste
//! prints the offer's line  ---(a person)--> reads it
//! reads the answer's line <--(a person)---  prints it
//!          \_______ ICE, DTLS, sound _______/
//! ```
//! Both are patient: a person may take minutes. Lines are data and go to stdout, what to do with them to
//! stderr. A line that is cut, altered or the wrong one is named as such, and another one may be pasted.

use std::time::Duration;

use tokio::time::timeout;

use super::call::{Person, follow, give_up, interrupted};
use super::controls::Controls;
use super::lines::next_line;
use super::options::{CallOptions, ListenOptions, MediaOptions, TellingOptions};
use super::show::{Events, Show};
use super::signals::Asked;
use super::{Failure, sound};
use crate::net::driver::{self, CallId, Caller, Handle, TimedEvent};
use crate::net::tcp::Tcp;
use crate::peer::config::Config;
use crate::peer::event::{Event, Step};
use crate::signal::paste::{self, Collector, Kind, Pasted};

/// Runs `halloo call paste`.
///
/// # Errors
/// No answer came, or the call did not come about, or broke.
pub async fn call(options: CallOptions) -> Result<(), Failure> {
    let mut paste = Paste::begin(&options.media, options.telling, Tcp::Connects)?;
    let done = paste.call().await;
    paste.end(done).await
}

/// Runs `halloo listen paste`.
///
/// # Errors
/// No offer came, or the call did not come about, or broke.
pub async fn listen(options: ListenOptions) -> Result<(), Failure> {
    let mut paste = Paste::begin(&options.media, options.telling, Tcp::Listens)?;
    let done = paste.listen().await;
    paste.end(done).await
}

/// What both need.
struct Paste {
    show: Show,
    person: Person,
    calls: Handle,
    events: Events,
}

/// Why a line that was read won't do.
type Wrong = &'static str;

impl Paste {
    fn begin(media: &MediaOptions, telling: TellingOptions, tcp: Tcp) -> Result<Self, Failure> {
        let asked = Asked::listen().map_err(|e| Failure::machine("no signals", &e))?;
        let mut settings = media.driver();
        settings.max_calls = 1;
        settings.tcp = tcp;
        settings.answer_within = PATIENCE;
        // Nothing can be told later: better to wait for slow servers than to go without them.
        settings.gather_within = Duration::from_secs(5);
        // Who answers has all it needs, but the other side comes only when the line has come back.
        if settings.peer.connect_timeout >= Config::CONNECT_TIMEOUT {
            settings.peer.connect_timeout = settings.peer.connect_timeout.max(PATIENCE);
        }
        let calls = driver::start(settings, sound(media)?)?;
        let events = calls.events();
        let person = Person { asked, controls: Controls::none() };
        Ok(Self { show: Show::new(telling), person, calls, events })
    }

    async fn call(&mut self) -> Result<(), Failure> {
        let (id, offer) = self.calls.make_offer(Caller::default()).await?;
        let (line, ours) = paste::write(Kind::Offer, &offer);
        self.say("send this line to the other side, to paste into `halloo listen paste`:");
        self.print(id, line);
        self.say("then paste the line that comes back, and press Enter:");
        if let Err(failure) = self.answered(id, ours).await {
            failure.end(&self.calls, id).await;
            return Err(failure);
        }
        self.follow(id).await
    }

    /// Reads the answer to the offer of this checksum, and applies it.
    async fn answered(&mut self, id: CallId, ours: u32) -> Result<(), Failure> {
        let answer = self.pasted(Some(id), |kind, checksum| match kind {
            Kind::Answer { to } if to == ours => Ok(()),
            Kind::Answer { .. } => Err("that line answers another call"),
            Kind::Offer if checksum == ours => {
                Err("that is the line to send; wait for the one that comes back")
            }
            Kind::Offer => Err("that line is a call of its own: `halloo listen paste` takes it"),
        });
        let answer = answer.await?;
        self.calls.accept_answer(id, answer.description).await?;
        Ok(())
    }

    async fn listen(&mut self) -> Result<(), Failure> {
        self.say(
            "paste the line that `halloo call paste` printed for the caller, and press Enter:",
        );
        let offer = self.pasted(None, |kind, _| match kind {
            Kind::Offer => Ok(()),
            Kind::Answer { .. } => {
                Err("that line is an answer: it belongs into the `halloo call paste` it answers")
            }
        });
        let offer = offer.await?;
        let (id, answer) = self.calls.accept_offer(offer.description, Caller::default()).await?;
        let (line, _) = paste::write(Kind::Answer { to: offer.checksum }, &answer);
        self.say("send this line back:");
        self.print(id, line);
        self.say("the call begins when it is pasted there");
        self.follow(id).await
    }

    /// Reads until there is a line that will do. Who gives up before gives up the call that waits for it.
    async fn pasted(
        &mut self,
        waiting: Option<CallId>,
        judge: impl Fn(Kind, u32) -> Result<(), Wrong>,
    ) -> Result<Pasted, Failure> {
        let mut collector = Collector::default();
        let mut wrong = None;
        loop {
            let piece = tokio::select! {
                piece = next_line() => piece,
                () = self.person.asked.heard() => return Err(match waiting {
                    Some(id) => give_up(&self.calls, id).await,
                    None => interrupted(),
                }),
            };
            let Some(piece) = piece else {
                let cut = collector.finish().err().map(|error| error.to_string());
                return Err(no_line(cut.or(wrong)));
            };
            let complaint = match collector.add(&piece) {
                None => continue,
                Some(Ok(pasted)) => match judge(pasted.kind, pasted.checksum) {
                    Ok(()) => return Ok(pasted),
                    Err(what) => what.to_owned(),
                },
                Some(Err(error)) => error.to_string(),
            };
            self.say(&format!("{complaint}; paste another one:"));
            wrong = Some(complaint);
        }
    }

    /// From here on keys are keys.
    async fn follow(&mut self, id: CallId) -> Result<(), Failure> {
        self.person.controls = Controls::new();
        let Self { show, person, calls, events } = self;
        follow(show, calls, id, events, person).await.verdict()
    }

    async fn end(mut self, done: Result<(), Failure>) -> Result<(), Failure> {
        let _all_told = timeout(HANG_UP_WITHIN, self.calls.shutdown()).await;
        if done.is_ok() || self.show.is_json() {
            self.show.rest(&mut self.events);
        }
        self.show.wipe();
        done
    }

    fn say(&self, what: &str) {
        self.show.line(self.calls.world().now(), None, what);
    }

    /// The line is what a script wants to have.
    fn print(&self, id: CallId, line: String) {
        let at = self.calls.world().now();
        self.show.paste(id, &TimedEvent { at, event: Event::Paste { line } });
    }
}

/// Standard input ended without a line that would do.
fn no_line(wrong: Option<String>) -> Failure {
    match wrong {
        Some(wrong) => Failure::Usage(wrong),
        None => Failure::at(
            Step::Signalling,
            "standard input ended before a line was pasted",
            "leave the terminal open until the other side has sent its line",
        ),
    }
}

/// How long a person may take to carry a line.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// BYE and close_notify leave at once; what has not left by then will not.
const HANG_UP_WITHIN: Duration = Duration::from_secs(2);
