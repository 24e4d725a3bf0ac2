//! The keys of a call, for the person at the terminal: `m` mutes, `h` holds, `q` hangs up; `hold.rs` has more.

use super::keys::{Keys, is_person_there};
use super::show::Show;
use crate::net::driver::{Handle, Microphone};

/// Listens to the keys while a call runs.
#[derive(Debug)]
pub(super) struct Controls {
    keys: Keys,
    microphone: Microphone,
}

/// What a key means for the call as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    GoOn,
    HangUp,
}

impl Controls {
    /// There are none where no person is.
    pub(super) fn new() -> Self {
        let keys = if is_person_there() { Keys::listen() } else { Keys::none() };
        Self { keys, microphone: Microphone::Open }
    }

    /// None yet: standard input is read for something else.
    pub(super) fn none() -> Self {
        Self { keys: Keys::none(), microphone: Microphone::Open }
    }

    /// Tells which keys there are, once they do something.
    pub(super) fn explain(&self, show: &Show, calls: &Handle) {
        if self.keys.are_there() {
            show.line(calls.world().now(), None, KEYS);
        }
    }

    /// The next key, for [`Controls::obey`].
    pub(super) async fn key(&mut self) -> char {
        self.keys.next().await
    }

    /// Ready when the person gives up, before there is anything to mute.
    pub(super) async fn quit(&mut self) {
        while self.keys.next().await != 'q' {}
    }

    /// Does what the key asks for.
    pub(super) async fn obey(&mut self, key: char, show: &Show, calls: &Handle) -> Wish {
        let (microphone, told) = match (key, self.microphone) {
            ('q', _) => return Wish::HangUp,
            ('m', Microphone::Open) => (Microphone::Muted, "muted: the other side hears silence"),
            ('m', Microphone::Muted) => (Microphone::Open, "no longer muted"),
            _ => {
                super::hold::obey(key, calls);
                return Wish::GoOn;
            }
        };
        self.microphone = microphone;
        show.mute(microphone == Microphone::Muted);
        // Told first: what follows an `await` may never come, when an event ends the wait for keys.
        show.line(calls.world().now(), None, told);
        let _driver_has_ended = calls.set_microphone(microphone).await;
        Wish::GoOn
    }
}

/// What is said of them.
const KEYS: &str = "keys: m mutes, h holds, r looks for another way, q hangs up";
