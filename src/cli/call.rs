//! `halloo call URL`: places a call, and stays until it ends.
//!
//! ```text
//! make_offer -> POST -> accept_answer -> connected ... -> ended
//!                 \-> failure            \-> Ctrl-C, --duration: hang up, DELETE
//! ```
//! It has done what it was asked if the call was connected and then ended by either side.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};

use super::controls::{Controls, Wish};
use super::failure::hint;
use super::options::CallOptions;
use super::show::{Events, Show, next};
use super::signals::Asked;
use super::{Failure, sound};
use crate::net::data_folder;
use crate::net::driver::{self, CallId, Caller, Handle, TimedEvent};
use crate::net::http_client::{Carrier, Client, Session, resolve_endpoint};
use crate::net::target::Routes;
use crate::net::tls::KnownHosts;
use crate::net::tls::trust::{Clear, Note, Trust};
use crate::peer::event::{End, Event, Remedy, Side, Step};
use crate::sdp::Description;

/// Runs the command.
///
/// # Errors
/// The call did not come about, or broke.
pub async fn run(options: CallOptions, routes: Routes) -> Result<(), Failure> {
    let show = Show::new(options.telling);
    let mut asked = Asked::listen().map_err(|e| Failure::machine("no signals", &e))?;
    let address = tokio::select! {
        address = resolve_endpoint(&routes.first) => address?,
        () = asked.heard() => return Err(interrupted()),
    };
    let (client, mut notes) = client(&options, &routes);
    client.may_call(&routes, address)?;
    let calls = driver::start(options.media.driver(), sound(&options.media)?)?;
    let mut events = calls.events();
    let mut controls = Controls::new();
    show.line(calls.world().now(), None, &format!("calling {routes}"));
    let done = async {
        let (id, offer) = calls.make_offer(Caller::at(address)).await?;
        let answered = tokio::select! {
            biased;
            // Before the answer: whom we trust, that it goes unencrypted, and what we offer.
            never = tell(&show, &calls, id, &mut events, &mut notes) => match never {},
            answered = answered(&client, &routes, &calls, id, &offer) => answered,
            () = asked.heard() => Err(give_up(&calls, id).await),
            () = controls.quit() => Err(give_up(&calls, id).await),
        };
        if let Err(failure) = &answered {
            failure.end(&calls, id).await;
        }
        while let Ok(note) = notes.try_recv() {
            warn(&show, &calls, id, &mut events, &note);
        }
        let session = answered?;
        let carrier = Carrier::new(&client, &session, &calls, (id, &offer));
        let carrying = carrier.map(|carrier| tokio::spawn(carrier.run()));
        let mut person = Person { asked, controls };
        let ended = follow(&show, &calls, id, &mut events, &mut person).await;
        if ended.end == End::HungUpByPeer
            && let Some(carrying) = carrying
            && let Ok(Ok(Some(reason))) = timeout(REASON_WITHIN, carrying).await
            && !ended.reason.contains(&reason)
        {
            show.line(calls.world().now(), Some(id), &format!("the other side says: {reason}"));
        }
        if ended.end != End::HungUpByPeer {
            client.hang_up(&session).await;
        }
        ended.verdict()
    };
    let done = done.await;
    let _all_told = timeout(HANG_UP_WITHIN, calls.shutdown()).await;
    // Of a call that failed, its own words say more than that it was then ended.
    if done.is_ok() || show.is_json() {
        show.rest(&mut events);
    }
    show.wipe();
    done
}

/// What carries the signalling, and what it has to tell on the way.
fn client(options: &CallOptions, routes: &Routes) -> (Client, UnboundedReceiver<Note>) {
    let clear = if options.token.is_some() { Clear::Loopback } else { Clear::Anywhere };
    let known = data_folder::path().map(|folder| KnownHosts::within(&folder));
    let (trust, notes) = Trust::new(options.pin, known, clear);
    let client = Client::new(patience(options.media.timeout), trust);
    match &options.token {
        None => (client, notes),
        Some(token) => (client.bearing(token, routes), notes),
    }
}

/// Tells what is to be known while the other side lets us wait, for as long as it is let.
async fn tell(
    show: &Show,
    calls: &Handle,
    id: CallId,
    events: &mut Events,
    notes: &mut UnboundedReceiver<Note>,
) -> Infallible {
    let waits = sleep(SOON);
    tokio::pin!(waits);
    let mut is_told = false;
    loop {
        tokio::select! {
            Some(note) = notes.recv() => warn(show, calls, id, events, &note),
            Some((call, timed)) = next(events) => show.event(Some(call), &timed),
            () = &mut waits, if !is_told => {
                is_told = true;
                show.line(calls.world().now(), Some(id), "waiting for an answer");
            }
            else => pending().await,
        }
    }
}

fn warn(show: &Show, calls: &Handle, id: CallId, events: &mut Events, note: &Note) {
    show.rest(events); // they are older
    let event = Event::warning(note.to_string());
    show.event(Some(id), &TimedEvent { at: calls.world().now(), event });
}

/// Posts the offer and applies the answer.
async fn answered(
    client: &Client,
    routes: &Routes,
    calls: &Handle,
    id: CallId,
    offer: &Description,
) -> Result<Session, Failure> {
    let offer = offer.to_string();
    tracing::debug!("offer:\n{offer}");
    let session = client.post_offer(routes, &offer).await?;
    tracing::debug!("answer:\n{}", session.answer);
    let applied = match session.answer.parse::<Description>() {
        Ok(answer) => calls.accept_answer(id, answer).await.map_err(Failure::from),
        Err(error) => Err(Failure::at(
            Step::Signalling,
            format!("the answer can't be read: {error}"),
            "is there a WHIP endpoint at this URL? -v shows what came",
        )),
    };
    match applied {
        Ok(()) => Ok(session),
        Err(failure) => {
            // The other side believes that a call has begun.
            client.hang_up(&session).await;
            Err(failure)
        }
    }
}

/// How a call ended.
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) reason: String,
    pub(super) remedy: Option<Remedy>,
    pub(super) connected: bool,
}

impl Ended {
    pub(super) fn verdict(self) -> Result<(), Failure> {
        match self.end {
            End::Failed { step } => Err(Failure::at(step, self.reason, hint(step, self.remedy))),
            End::HungUp | End::HungUpByPeer if self.connected => Ok(()),
            End::HungUp | End::HungUpByPeer => Err(Failure::at(
                Step::Signalling,
                format!("the call ended before it was connected: {}", self.reason),
                "call again; -v shows how far it came",
            )),
        }
    }
}

/// Tells what happens in the call until it ends, and hangs up when asked to.
pub(super) async fn follow(
    show: &Show,
    calls: &Handle,
    id: CallId,
    events: &mut Events,
    person: &mut Person,
) -> Ended {
    let mut connected = false;
    let mut hanging_up = false;
    loop {
        let happened = tokio::select! {
            happened = next(events) => happened,
            () = person.hangs_up(show, calls), if !hanging_up => {
                hanging_up = true;
                let _ended_already = calls.hang_up(id, Side::Local).await;
                continue;
            }
        };
        let Some((call, timed)) = happened else {
            let reason = "the driver ended".to_owned();
            return Ended { end: End::HungUp, reason, remedy: None, connected };
        };
        show.event(Some(call), &timed);
        match timed.event {
            Event::Connected { .. } if call == id => {
                connected = true;
                person.controls.explain(show, calls);
            }
            Event::Ended { reason, end, remedy } if call == id => {
                show.wipe();
                return Ended { end, reason, remedy, connected };
            }
            _ => {}
        }
    }
}

/// Who may end the call from here: by a signal or by a key.
pub(super) struct Person {
    pub(super) asked: Asked,
    pub(super) controls: Controls,
}

impl Person {
    /// Does what keys ask for, until one or a signal says that the call shall end.
    pub(super) async fn hangs_up(&mut self, show: &Show, calls: &Handle) {
        loop {
            let key = tokio::select! {
                () = self.asked.heard() => return,
                key = self.controls.key() => key,
            };
            if self.controls.obey(key, show, calls).await == Wish::HangUp {
                return;
            }
        }
    }
}

/// The person doesn't wait for an answer any more.
pub(super) async fn give_up(calls: &Handle, id: CallId) -> Failure {
    let _ended_already = calls.hang_up(id, Side::Local).await;
    interrupted()
}

pub(super) fn interrupted() -> Failure {
    Failure::at(
        Step::Signalling,
        "the call was given up before it was answered",
        "call again, and wait for the answer",
    )
}

/// A person at the other side may let it ring for 60 s; who is in more of a hurry says so.
fn patience(limit: Duration) -> Duration {
    if limit < RINGS_FOR { limit } else { limit.max(RINGS_FOR + Duration::from_secs(20)) }
}

/// Who takes calls without asking anybody has answered by then.
const SOON: Duration = Duration::from_secs(1);
/// From so long a `--timeout` on (it is the default), ringing is waited out.
const RINGS_FOR: Duration = Duration::from_secs(45);
/// What the other side tells of the end comes by another way than the end itself.
const REASON_WITHIN: Duration = Duration::from_millis(500);
/// BYE and close_notify leave at once; what has not left by then will not.
const HANG_UP_WITHIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_that_was_connected_has_succeeded() {
        let ended = |end, connected| {
            let verdict = Ended { end, reason: "so".into(), remedy: None, connected }.verdict();
            verdict.err().map(|failure| match failure {
                Failure::Could { step, .. } => step,
                Failure::Usage(what) => panic!("{what}"),
            })
        };
        assert_eq!(ended(End::HungUp, true), None);
        assert_eq!(ended(End::HungUpByPeer, true), None);
        assert_eq!(ended(End::HungUp, false), Some(Step::Signalling));
        assert_eq!(ended(End::HungUpByPeer, false), Some(Step::Signalling));
        // Consent lost in a running call.
        assert_eq!(ended(End::Failed { step: Step::Ice }, true), Some(Step::Ice));
        assert_eq!(ended(End::Failed { step: Step::Dtls }, false), Some(Step::Dtls));
    }
}
