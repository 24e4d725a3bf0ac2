//! `halloo call tab`: calls a browser tab. It serves the page; the tab that opens it rings.
//!
//! ```text
//! page served -> tab opened: our offer, ringing -> answered -> connected ... -> ended
//!                                            \-> declined, nobody answered: exit code 1
//! ```
//! Like `listen` it has a port, like `call` it is about one call, and ends with it.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::call::{Ended, Person, interrupted};
use super::controls::Controls;
use super::options::CallOptions;
use super::show::{Events, Show, next};
use super::signals::Asked;
use super::{Failure, port, sound};
use crate::net::driver::{self, Handle};
use crate::net::http_server::{Access, Role};
use crate::net::tcp::Tcp;
use crate::peer::event::{End, Event, Side, Step};
use crate::signal::token::Token;

/// Runs the command.
///
/// # Errors
/// The port or the sound can't be had, or the call did not come about, or broke.
pub async fn run(options: CallOptions) -> Result<(), Failure> {
    let show = Show::new(options.telling);
    let asked = Asked::listen().map_err(|e| Failure::machine("no signals", &e))?;
    let access = Access {
        token: options.token.as_ref().map(|secret| Token::new(secret.reveal())),
        role: Role::CallsTab,
        ..Access::default()
    };
    let port = port::open(&options.port, access).await?;
    let mut settings = options.media.driver();
    // For a moment there are two, when a page is loaded again.
    settings.max_calls = 2;
    settings.tcp = Tcp::Listens; // browsers only connect
    let calls = driver::start(settings, sound(&options.media)?)?;
    let mut events = calls.events();
    port.announce(&show, calls.world().now(), &options.port);
    let (end, ended) = oneshot::channel::<()>();
    let serving = tokio::spawn(port.server.run(calls.clone(), async move {
        let _sent_or_dropped = ended.await;
    }));
    let hint = "open it in a browser: the tab rings, and the call is answered or declined there";
    show.line(calls.world().now(), None, hint);
    let mut person = Person { asked, controls: Controls::new() };
    let done = follow(&show, &calls, &mut events, &mut person).await;
    drop(end);
    let _all_told = timeout(HANG_UP_WITHIN, calls.shutdown()).await;
    if done.is_ok() || show.is_json() {
        show.rest(&mut events);
    }
    show.wipe();
    let _all_answered = timeout(ANSWER_WITHIN, serving).await;
    done
}

/// Tells what happens until the call of the last tab has ended.
async fn follow(
    show: &Show,
    calls: &Handle,
    events: &mut Events,
    person: &mut Person,
) -> Result<(), Failure> {
    let mut current = None;
    let mut answered = false;
    let mut connected = false;
    let mut hanging_up = false;
    loop {
        let happened = tokio::select! {
            happened = next(events) => happened,
            () = person.hangs_up(show, calls), if !hanging_up => match current {
                None => return Err(interrupted()),
                Some(id) => {
                    hanging_up = true;
                    let _ended_already = calls.hang_up(id, Side::Local).await;
                    continue;
                }
            },
        };
        let Some((call, timed)) = happened else {
            return Err(Failure::machine("no more calls", &"the loop of all calls has ended"));
        };
        show.event(Some(call), &timed);
        match timed.event {
            // The tab that was opened last takes over.
            Event::Ringing => current = Some(call),
            Event::Answered => answered = true,
            Event::Connected { .. } => {
                connected = true;
                person.controls.explain(show, calls);
            }
            Event::Ended { reason, end, remedy } if current == Some(call) => {
                show.wipe();
                let ended = Ended { end, reason, remedy, connected };
                return if answered { ended.verdict() } else { unanswered(ended) };
            }
            _ => {}
        }
    }
}

fn unanswered(ended: Ended) -> Result<(), Failure> {
    match ended.end {
        End::HungUpByPeer => Err(Failure::at(
            Step::Signalling,
            "the call was declined in the browser",
            "call again, and press Answer there",
        )),
        _ => ended.verdict(),
    }
}

/// BYE and close_notify leave at once; what has not left by then will not.
const HANG_UP_WITHIN: Duration = Duration::from_secs(2);
/// Then the requests that wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
