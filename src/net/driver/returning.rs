//! Allocations of ended calls are given back: the call is over for everybody but its TURN servers.
//!
//! A server that has another nonce by now asks who we are once more (438), so the one message that the end
//! of a call sends is not always enough; and an allocation that is not given back counts against its user for
//! ten minutes (RFC 8656 section 8). Each has a task of its own, for a second at most.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::relay_link::Link;
use crate::net::world::World;
use crate::turn::{Client, Event, Input, Output};

/// All that are on their way back.
#[derive(Debug, Default)]
pub(super) struct Returning(JoinSet<()>);

/// For so long a server may take: it is asked twice by then.
const PATIENCE: Duration = Duration::from_secs(1);
/// Longer than any answer.
const MESSAGE: usize = 2_048;

impl Returning {
    /// One more: its client has just said that it needs it no more.
    pub(super) fn add(&mut self, world: World, link: Link, client: Client) {
        self.0.spawn(give_back(world, link, client));
    }

    /// Ready when the last one is back.
    pub(super) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let was_empty = self.0.is_empty();
        while let Poll::Ready(Some(_)) = self.0.poll_join_next(cx) {}
        if self.0.is_empty() && !was_empty { Poll::Ready(()) } else { Poll::Pending }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

async fn give_back(world: World, mut link: Link, mut client: Client) {
    let limit = world.now() + PATIENCE;
    let mut buffer = [0; MESSAGE];
    loop {
        let due = match client.poll_output() {
            Output::Transmit(bytes) => {
                link.send(&mut Context::from_waker(Waker::noop()), bytes); // polled right after
                continue;
            }
            Output::Event(Event::Ended(_)) => return link.flush_now(),
            Output::Event(_) => continue,
            Output::Timeout(due) => due.map_or(limit, |due| due.min(limit)),
        };
        let taken = poll_fn(|cx| link.poll_take(cx, &mut buffer));
        match timeout_at(world.to_runtime(due), taken).await {
            Ok(Some(length)) => {
                let message = buffer.get(..length).unwrap_or_default();
                let _late_sound = client.receive(world.now(), message);
            }
            Ok(None) => return,
            Err(_) if limit <= world.now() => return,
            Err(_) => client.handle_input(world.now(), Input::Timer),
        }
    }
}
