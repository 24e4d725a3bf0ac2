//! The command line: one file for each command.
//!
//! [`options`] says what can be asked, [`listen`], [`call`], [`tab`], [`paste`], [`myself`], [`peers`], [`probe`]
//! and [`devices`] do it,
//! [`show`] tells what happens while they do: as lines for a person, or as JSON Lines with `--json`.
//! What a command could not do is a [`Failure`]; [`main`] makes it two lines and an exit code.
//!
//! Data goes to stdout, messages and progress to stderr. Exit codes: 0 = done, 1 = could not (at the
//! step that the line names), 2 = the command line was wrong. Read first: [`options`], [`call`].

pub mod call;
mod check;
mod controls;
pub mod devices;
mod doorbell;
mod failure;
mod hold;
mod keys;
mod lines;
pub mod listen;
mod live;
mod meter;
pub mod myself;
mod named;
pub mod options;
pub mod paper;
pub mod paste;
pub mod peers;
mod pitch;
mod port;
pub mod probe;
mod qr;
pub mod show;
mod signals;
pub mod tab;

pub use failure::Failure;

use std::future::Future;
use std::process::ExitCode;

use clap::Parser;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::net::sound::Sound;
use crate::net::target::Target;

use options::{CallOptions, Cli, Command, ListenBy, Loudness, MediaOptions};

/// Runs the program with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log(cli.command.loudness());
    match obey(cli.command) {
        Ok(()) if show::is_data_lost() => ExitCode::from(1), // told when it was
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// What the command line names is looked at first: what is wrong there is wrong whatever the network
/// and the sound card say.
fn obey(command: Command) -> Result<(), Failure> {
    match command {
        Command::Listen(options) => {
            let options = *options;
            check::named_things_exist(&options.media)?;
            check::token(options.token.as_ref())?;
            match options.by {
                Some(ListenBy::Paste) => run(paste::listen(options)),
                None => run(listen::run(options)),
            }
        }
        Command::Call(options) => {
            let options = *options;
            check::named_things_exist(&options.media)?;
            check::token(options.token.as_ref())?;
            if let Some(why) = misplaced(&options.target, &options) {
                return Err(Failure::Usage(why));
            }
            match options.target.clone() {
                Target::Tab => run(tab::run(options)),
                Target::Myself => run(myself::run(options)),
                Target::Paste => run(paste::call(options)),
                Target::Routes(routes) => run(call::run(options, routes)),
                Target::Named(named) => run(async move {
                    let quiet = options.telling.quiet || options.telling.json;
                    let routes = named::find(named, &options.media, quiet).await?;
                    call::run(options, routes).await
                }),
            }
        }
        Command::Peers(options) => {
            check::interfaces_exist(&options.interface)?;
            run(peers::run(options))
        }
        Command::Probe(options) => {
            check::interfaces_exist(&options.interface)?;
            run(probe::run(options))
        }
        Command::Devices(options) => devices::run(&options),
        Command::Completions(options) => paper::completions(&options),
        Command::Man(options) => paper::man(&options),
    }
}

/// Options that mean nothing for this target.
fn misplaced(target: &Target, options: &CallOptions) -> Option<String> {
    match (options.port.given(), target) {
        (Some(option), Target::Myself | Target::Paste | Target::Routes(_) | Target::Named(_)) => {
            Some(format!("{option} is for `halloo call tab`, which serves a page"))
        }
        (_, Target::Myself | Target::Paste | Target::Tab) => {
            let why = "--pin is for calls to a host, which shows a certificate";
            options.pin.map(|_| why.to_owned())
        }
        (None, Target::Routes(_) | Target::Named(_)) => None,
    }
}

/// Everything of the command line fits on one thread; the driver has its own.
fn run(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::machine("no event loop", &e))?;
    let done = runtime.block_on(command);
    // A name that is being looked up in the DNS can't be called back; nobody waits for it any more.
    runtime.shutdown_background();
    done
}

fn log(loudness: Loudness) {
    // What libraries say helps only who looks for everything.
    let (ours, theirs) = match loudness {
        Loudness::Quiet => (LevelFilter::ERROR, LevelFilter::ERROR),
        Loudness::Normal => (LevelFilter::WARN, LevelFilter::WARN),
        Loudness::Verbose => (LevelFilter::DEBUG, LevelFilter::WARN),
        Loudness::Everything => (LevelFilter::TRACE, LevelFilter::TRACE),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(show::colours())
        .without_time()
        .with_target(false);
    let wanted = Targets::new().with_target("halloo", ours).with_default(theirs);
    tracing_subscriber::registry().with(lines).with(wanted).init();
}

/// What is sent and where what is heard goes.
fn sound(media: &MediaOptions) -> Result<Sound, Failure> {
    Ok(Sound::open(media.input.clone(), media.output.clone(), media.channels())?)
}
