//! Single keys, while lines go on being printed as ever.
//!
//! On a terminal, a key counts at once and is not echoed; Ctrl-C and Ctrl-Z keep their meaning. Where
//! there is no terminal, the characters of standard input do, so that a script can answer a call.
//! A program in the background must not read from the terminal (it would be stopped), so it has none.

use std::io::{self, IsTerminal, Read};

use tokio::sync::mpsc;

/// Keys, as they are pressed. The terminal is as before when this is dropped.
#[derive(Debug)]
pub(super) struct Keys {
    pressed: mpsc::UnboundedReceiver<char>,
    source: Source,
    _terminal: Option<Unbuffered>,
}

/// Where keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    StandardInput,
    Nowhere,
}

/// Whether a person sits in front of this program, reads what it says and can press keys.
pub(super) fn is_person_there() -> bool {
    io::stderr().is_terminal() && io::stdin().is_terminal() && is_in_foreground()
}

impl Keys {
    /// Starts to listen to standard input, whatever that is.
    pub(super) fn listen() -> Self {
        let (sender, pressed) = mpsc::unbounded_channel();
        let terminal = io::stdin().is_terminal();
        if terminal && !is_in_foreground() {
            return Self { pressed, source: Source::Nowhere, _terminal: None };
        }
        let unbuffered = if terminal { Unbuffered::begin() } else { None };
        // It can't be told to end; it ends with the process, or with standard input.
        let reader = std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
            for byte in io::stdin().lock().bytes().map_while(Result::ok) {
                if sender.send(char::from(byte)).is_err() {
                    return;
                }
            }
        });
        if let Err(error) = reader {
            tracing::warn!("no keys: {error}");
        }
        Self { pressed, source: Source::StandardInput, _terminal: unbuffered }
    }

    /// No keys at all.
    pub(super) fn none() -> Self {
        let (_, pressed) = mpsc::unbounded_channel();
        Self { pressed, source: Source::Nowhere, _terminal: None }
    }

    /// Whether a key can be pressed at all.
    pub(super) fn are_there(&self) -> bool {
        self.source == Source::StandardInput
    }

    /// The next key, in lower case. Never ready when there are no more.
    pub(super) async fn next(&mut self) -> char {
        match self.pressed.recv().await {
            Some(key) => key.to_ascii_lowercase(),
            None => std::future::pending().await,
        }
    }
}

#[cfg(unix)]
use on_unix::{Unbuffered, is_in_foreground};

#[cfg(unix)]
mod on_unix {
    use std::io;

    use rustix::process::getpgrp;
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

    /// Puts the terminal back as it was.
    #[derive(Debug)]
    pub(super) struct Unbuffered(Termios);

    impl Unbuffered {
        pub(super) fn begin() -> Option<Self> {
            let before = tcgetattr(io::stdin()).ok()?;
            let mut keys = before.clone();
            keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            tcsetattr(io::stdin(), OptionalActions::Now, &keys).ok()?;
            Some(Self(before))
        }
    }

    impl Drop for Unbuffered {
        fn drop(&mut self) {
            let _gone = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
        }
    }

    /// Whether the terminal is ours now, and not the shell's or another program's.
    pub(super) fn is_in_foreground() -> bool {
        tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp())
    }
}

#[cfg(not(unix))]
use elsewhere::{Unbuffered, is_in_foreground};

#[cfg(not(unix))]
mod elsewhere {
    /// There, keys count once Enter is pressed.
    #[derive(Debug)]
    pub(super) struct Unbuffered;

    impl Unbuffered {
        pub(super) const fn begin() -> Option<Self> {
            None
        }
    }

    pub(super) const fn is_in_foreground() -> bool {
        true
    }
}
