//! `halloo listen`: answers calls until it is told to end.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::doorbell::Doorbell;
use super::keys::{Keys, is_person_there};
use super::options::{Answer, ListenOptions};
use super::show::{Events, Show, next};
use super::signals::Asked;
use super::{Failure, port, sound};
use crate::net::driver::{self, Handle};
use crate::net::http_server::{Access, Answering, Role};
use crate::net::tcp::Tcp;
use crate::signal::token::Token;

/// Runs the command.
///
/// # Errors
/// The port or the sound can't be had.
pub async fn run(options: ListenOptions) -> Result<(), Failure> {
    let show = Show::new(options.telling);
    let mut asked = Asked::listen().map_err(|e| Failure::machine("no signals", &e))?;
    let answering = answering(options.port.answer);
    let access = Access {
        token: options.token.as_ref().map(|secret| Token::new(secret.reveal())),
        answering,
        role: Role::Listens,
        ..Access::default()
    };
    // The port first: with it taken, no microphone is opened.
    let port = port::open(&options.port, access).await?;
    let mut settings = options.media.driver();
    settings.max_calls = options.port.most_calls();
    settings.tcp = Tcp::Listens;
    let calls = driver::start(settings, sound(&options.media)?)?;
    let mut events = calls.events();
    port.announce(&show, calls.world().now(), &options.port);
    let announced = port.announce_to_neighbours(&options.port, &options.media);
    let (end, ended) = oneshot::channel::<()>();
    let serving = tokio::spawn(port.server.run(calls.clone(), async move {
        let _sent_or_dropped = ended.await;
    }));
    let mut doorbell = Doorbell::new(match answering {
        Answering::Auto if !is_person_there() => Keys::none(),
        _ => Keys::listen(),
    });
    if !options.port.address().ip().is_loopback()
        && options.token.is_none()
        && answering == Answering::Auto
    {
        let note = "note: whoever reaches this port can call, and hears what --input sends";
        show.line(calls.world().now(), None, note);
    }
    let done = tokio::select! {
        () = asked.heard() => Ok(()),
        () = attend(&show, &calls, &mut events, &mut doorbell) => {
            Err(Failure::machine("no more calls", &"the loop of all calls has ended"))
        }
    };
    let hang_up = async {
        tokio::select! {
            _ = timeout(HANG_UP_WITHIN, calls.shutdown()) => {}
            () = attend(&show, &calls, &mut events, &mut doorbell) => {}
        }
    };
    let leave = async {
        if let Some(discovery) = announced {
            discovery.farewell().await;
        }
    };
    tokio::join!(hang_up, leave);
    // Only now: whoever follows a call hears how it ended before the server closes.
    drop(end);
    // What the last calls said has been queued before the driver ended.
    show.rest(&mut events);
    let _all_answered = timeout(ANSWER_WITHIN, serving).await;
    done
}

/// Who is asked before a call is taken: nobody but a person who is there, unless it is wished for.
fn answering(wish: Option<Answer>) -> Answering {
    match wish {
        Some(Answer::Auto) => Answering::Auto,
        Some(Answer::Ask) => Answering::Ask,
        None if is_person_there() => Answering::AskOthers,
        None => Answering::Auto,
    }
}

/// Tells what happens in all calls, and lets the person decide on those that ring, until the driver
/// ends.
async fn attend(show: &Show, calls: &Handle, events: &mut Events, doorbell: &mut Doorbell) {
    loop {
        tokio::select! {
            happened = next(events) => {
                let Some((call, timed)) = happened else { return };
                show.event(Some(call), &timed);
                doorbell.notice(show, calls, call, &timed).await;
            }
            key = doorbell.key() => {
                if !super::hold::obey(key, calls) {
                    doorbell.decide(key, show, calls).await;
                }
            }
        }
    }
}

/// What has not left by then will not.
const HANG_UP_WITHIN: Duration = Duration::from_millis(2_000);
/// Then the requests that wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
