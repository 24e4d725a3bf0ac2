//! Calls that ring at `halloo listen`, and the person who takes them: `y` or `n`, one after another.

use std::collections::VecDeque;

use super::keys::Keys;
use super::show::Show;
use crate::net::driver::{CallId, Handle, TimedEvent};
use crate::peer::event::{Event, Side};

/// Those who wait for an answer, the first to come first.
#[derive(Debug)]
pub(super) struct Doorbell {
    waiting: VecDeque<CallId>,
    keys: Keys,
}

impl Doorbell {
    pub(super) const fn new(keys: Keys) -> Self {
        Self { waiting: VecDeque::new(), keys }
    }

    /// The next key, for [`Doorbell::decide`].
    pub(super) async fn key(&mut self) -> char {
        self.keys.next().await
    }

    /// Takes in what happened, and asks the person when it is somebody's turn.
    pub(super) async fn notice(
        &mut self,
        show: &Show,
        calls: &Handle,
        call: CallId,
        timed: &TimedEvent,
    ) {
        let first = self.waiting.front().copied();
        match timed.event {
            Event::Ringing => self.waiting.push_back(call),
            Event::Ended { .. } | Event::Answered => self.waiting.retain(|one| *one != call),
            _ => return,
        }
        let next = self.waiting.front().copied();
        if let Some(id) = next.filter(|_| next != first) {
            ask(show, calls, id).await;
        }
    }

    /// `y` takes the first who waits, `n` declines.
    pub(super) async fn decide(&mut self, key: char, show: &Show, calls: &Handle) {
        let takes = match key {
            'y' => true,
            'n' => false,
            _ => return,
        };
        let Some(id) = self.waiting.pop_front() else { return };
        let done =
            if takes { calls.accept(id).await } else { calls.hang_up(id, Side::Local).await };
        if let Err(refusal) = done {
            show.line(calls.world().now(), Some(id), &refusal.to_string());
        }
        if let Some(next) = self.waiting.front() {
            ask(show, calls, *next).await;
        }
    }
}

async fn ask(show: &Show, calls: &Handle, id: CallId) {
    let call = calls.call(id).await.ok();
    let from = call.and_then(|call| call.caller.signalling);
    let from = from.map_or_else(String::new, |address| format!(" from {}", address.ip()));
    show.ask(&format!("a call{from}: take it? y/n"));
}
