//! `halloo listen`: answers calls until it is told to end.

use std::io;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::options::ListenOptions;
use super::show::{Show, tell_all};
use super::signals::Asked;
use super::{Failure, sound};
use crate::net::driver;
use crate::net::http_server::{Access, Server};
use crate::peer::event::Step;
use crate::signal::token::Token;

/// Runs the command.
///
/// # Errors
/// The port or the sound can't be had.
pub async fn run(options: ListenOptions) -> Result<(), Failure> {
    let show = Show::new(options.telling);
    let mut asked = Asked::listen().map_err(|e| Failure::machine("no signals", &e))?;
    let access = Access {
        allowed: options.allow_origin.clone(),
        token: options.token.as_ref().map(|secret| Token::new(secret.reveal())),
    };
    // The port first: with it taken, no microphone is opened.
    let server =
        Server::bind(options.bind, access).await.map_err(|error| port_failure(&options, &error))?;
    let mut settings = options.media.driver();
    settings.max_calls = usize::from(options.max_calls);
    let calls = driver::start(settings, sound(&options.media)?)?;
    let mut events = calls.events();
    let urls = server.urls();
    let (end, ended) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(calls.clone(), async move {
        let _sent_or_dropped = ended.await;
    }));
    show.listening(calls.world().now(), urls);
    if !options.bind.ip().is_loopback() && options.token.is_none() {
        let note = "note: whoever reaches this port can call, and hears what --input sends";
        show.line(calls.world().now(), None, note);
    }
    let done = tokio::select! {
        () = asked.heard() => Ok(()),
        () = tell_all(&show, &mut events) => {
            Err(Failure::machine("no more calls", &"the loop of all calls has ended"))
        }
    };
    drop(end);
    tokio::select! {
        _ = timeout(HANG_UP_WITHIN, calls.shutdown()) => {}
        () = tell_all(&show, &mut events) => {}
    }
    // What the last calls said has been queued before the driver ended.
    show.rest(&mut events);
    let _all_answered = timeout(ANSWER_WITHIN, serving).await;
    done
}

fn port_failure(options: &ListenOptions, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "is another halloo running? --bind 127.0.0.1:0 takes any free port"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 are for root: take a higher one",
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; --bind 0.0.0.0:8080 listens on all it has"
        }
        _ => "try another --bind ADDR:PORT",
    };
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => format!("port {} is in use", options.bind.port()),
        _ => error.to_string(),
    };
    Failure::at(Step::Signalling, format!("can't listen on {}: {what}", options.bind), hint)
}

/// What has not left by then will not.
const HANG_UP_WITHIN: Duration = Duration::from_millis(2_000);
/// Then the requests that wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
