//! The loop: sleep until something is there, take all that is there, sleep again.
//!
//! ```text
//!   sockets ──┐                       ┌── datagrams  route → Peer::handle_input → drain
//!   commands ─┼─> one wake-up, then ──┼── commands   answered at once
//!   timer ────┤                       ├── timers     only those that are due
//!   devices ──┤                       ├── sound      frames that are due
//!   networks ─┘                       └── addresses  that came or went
//! ```
//! Draining follows every input at once, so a peer's buffer is on its way before the next datagram is
//! read. Nothing here waits for anybody: sends never block, and answers to commands are left behind.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::Sleep;

use crate::net::driver::network::{Arrived, Whose};
use crate::net::driver::{Driver, Which};
use crate::net::udp::Received;
use crate::peer::event::End;
use crate::peer::{Input, Route};
use crate::time::Instant;

/// Datagrams per wake-up, after which the others have their turn.
const BATCH: usize = 256;

/// How long hanging up may take: what has not left by then will not.
const FAREWELL: Duration = Duration::from_secs(2);

/// Whether the program goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// Everybody was told; what is on its way may still leave until then.
    Leaving(Instant),
}

/// Which addresses a datagram can win for its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moves {
    /// It names the call: another call's address, too.
    Any,
    /// It only answers it.
    Unowned,
}

impl Driver {
    /// Runs until shut down.
    pub(super) async fn run(mut self) {
        let mut sleep = Box::pin(tokio::time::sleep(Duration::ZERO));
        let mut buffer = vec![0; MAX_DATAGRAM].into_boxed_slice();
        while !self.has_left() {
            self.wait(sleep.as_mut()).await;
            let more = self.take_datagrams(&mut buffer);
            self.take_broken();
            self.take_changes();
            self.take_commands();
            let now = self.world.now();
            self.fire_timers(now);
            self.network.release(now);
            self.take_sound(now);
            if more {
                // The sockets alone must not keep the runtime from looking at its other sources.
                tokio::task::yield_now().await;
            }
        }
        for key in self.calls.all_keys() {
            self.words_came(key, None);
        }
        let farewells = std::mem::take(&mut self.farewells);
        drop(self); // and its sockets: whoever waited may bind the port again
        for answer in farewells {
            let _nobody_waits = answer.send(Ok(()));
        }
    }

    /// Returns when there is something to do.
    async fn wait(&mut self, mut sleep: Pin<&mut Sleep>) {
        let (now, due) = (self.world.now(), self.earliest());
        if let Some(due) = due.map(|due| self.world.to_runtime(due))
            && sleep.deadline() != due
        {
            sleep.as_mut().reset(due);
        }
        poll_fn(|cx| {
            let mut ready = self.network.poll_readable(now, cx).is_ready();
            if self.watch.poll_changed(cx).is_ready() {
                self.has_other_addresses = true;
                ready = true;
            }
            ready |= self.sound.poll_rung(cx).is_ready();
            ready |= self.returning.poll_done(cx).is_ready();
            ready |= due.is_some() && sleep.as_mut().poll(cx).is_ready();
            if self.next_command.is_none()
                && let Poll::Ready(command) = self.commands.poll_recv(cx)
            {
                match command {
                    Some(command) => self.next_command = Some(command),
                    None => self.leave(),
                }
                ready = true;
            }
            if ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn earliest(&self) -> Option<Instant> {
        let leaving = match self.life {
            Life::Running => None,
            Life::Leaving(until) => Some(until),
        };
        let others = [self.network.due(), self.sound.due(), leaving];
        self.timers.earliest().into_iter().chain(others.into_iter().flatten()).min()
    }

    /// Takes what the sockets have; says whether there may be more.
    fn take_datagrams(&mut self, buffer: &mut [u8]) -> bool {
        for _ in 0..BATCH {
            let now = self.world.now();
            let Some(arrived) = self.network.receive(now, buffer) else { return false };
            self.take_packet(now, arrived, buffer);
        }
        true
    }

    fn take_packet(&mut self, now: Instant, arrived: Arrived, buffer: &mut [u8]) {
        let Received { path, from, length } = arrived.packet;
        let Some(bytes) = buffer.get_mut(..length) else { return };
        let mut moves = Moves::Any;
        let key = match arrived.whose {
            Whose::Of(key) | Whose::Strangers(Some(key)) => Some(key),
            Whose::Strangers(None) => match self.router.route(path, from, bytes) {
                Route::Call(key) => self.network.streams.belongs_to((path, from), key),
                _ => return self.network.streams.close_strangers((path, from)),
            },
            Whose::Anybodys => match self.router.route(path, from, bytes) {
                Route::Call(key) => Some(key),
                Route::Answer(id) => {
                    moves = Moves::Unowned;
                    self.calls.asker(id)
                }
                Route::Nobody => None,
            },
        };
        let Some((key, peer)) = key.and_then(|key| Some((key, self.calls.peer(key)?))) else {
            return;
        };
        peer.handle_input(now, Input::Datagram { path, from, bytes });
        // Only proof moves an address from one call to another: an offer may announce anybody's. And an
        // answer to a call whose caller is gone may well come from the one who now has its port.
        let owner = self.router.owner(path, from);
        let may_move = match moves {
            Moves::Any => owner != Some(key),
            Moves::Unowned => owner.is_none(),
        };
        match arrived.whose {
            Whose::Of(_) => {}
            Whose::Strangers(_) if peer.has_proof_of(path, from) => {
                self.network.streams.is_proven((path, from));
            }
            Whose::Anybodys if may_move && peer.has_proof_of(path, from) => {
                self.router.learn(path, from, key);
            }
            Whose::Strangers(_) | Whose::Anybodys => {}
        }
        self.drain(now, key);
    }

    /// Streams to TURN servers and to the other side that broke.
    fn take_broken(&mut self) {
        let now = self.world.now();
        for (key, path) in self.network.relays.take_broken() {
            if let Some(peer) = self.calls.peer(key) {
                peer.handle_input(now, Input::RelayDisconnected(path));
            }
            self.drain(now, key);
        }
        for (key, path, to) in self.network.streams.take_broken(now) {
            if let Some(peer) = self.calls.peer(key) {
                peer.handle_input(now, Input::StreamGone { path, to });
            }
            self.drain(now, key);
        }
    }

    fn take_commands(&mut self) {
        while let Some(command) = self.next_command.take() {
            self.carry_out(command);
            match self.commands.try_recv() {
                Ok(command) => self.next_command = Some(command),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
            }
        }
    }

    fn fire_timers(&mut self, now: Instant) {
        while let Some((at, name)) = self.timers.pop(now) {
            let (key, which) = name;
            let Some(deadline) = self.calls.deadline(name) else { continue };
            if !self.timers.is_due(now, (at, name), deadline) {
                continue;
            }
            match which {
                Which::Peer => {
                    let mut is_given_up = false;
                    if let Some(peer) = self.calls.peer(key) {
                        let was_open = peer.has_open_offer();
                        peer.handle_input(now, Input::Timer);
                        is_given_up = was_open && !peer.has_open_offer();
                    }
                    self.drain(now, key);
                    if is_given_up {
                        self.offer_if_needed(now, key); // what has come up since it was made
                    }
                }
                Which::Chore => self.do_chore(now, key),
            }
        }
    }

    /// Hangs up every call, once; then only what is on its way is waited for.
    pub(super) fn leave(&mut self) {
        if self.life != Life::Running {
            return;
        }
        let now = self.world.now();
        self.life = Life::Leaving(now + FAREWELL);
        let running: Vec<_> = self.calls.running().collect();
        for key in running {
            self.close(now, key, End::HungUp, "halloo is ending");
        }
    }

    fn has_left(&self) -> bool {
        match self.life {
            Life::Running => false,
            Life::Leaving(until) => {
                let is_busy = self.network.is_sending() || !self.returning.is_empty();
                !is_busy || self.world.now() >= until
            }
        }
    }
}

/// The largest datagram that UDP carries: nothing is ever cut off.
const MAX_DATAGRAM: usize = 65_535;
