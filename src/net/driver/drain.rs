//! What a peer wants, carried out: packets leave, events are told, deadlines move, calls end.

use crate::dtls_srtp::Phrase;
use crate::net::driver::calls::{CallKey, Progress};
use crate::net::driver::{CallState, Driver, TimedEvent, Which};
use crate::peer::event::{DtlsState, End, Event, Step};
use crate::peer::{Input, Output, Peer};
use crate::time::Instant;

impl Driver {
    /// Empties a peer, after each input.
    pub(super) fn drain(&mut self, now: Instant, key: CallKey) {
        let mut is_secured = false;
        let mut has_ended = false;
        let mut has_chosen = false;
        let mut has_lost_its_way = false;
        while let Some(call) = self.calls.get_mut(key) {
            let Progress::Running { peer, .. } = &mut call.progress else { return };
            match peer.poll_output() {
                Output::Transmit { path, to, bytes } => {
                    self.network.send(now, key, (path, to), bytes);
                }
                Output::Event(event) => {
                    if matches!(event, Event::Dtls { state: DtlsState::Connected, .. }) {
                        is_secured = true;
                        self.ask_for_words(key);
                    }
                    has_ended |= matches!(event, Event::Ended { .. });
                    has_chosen |= matches!(event, Event::Pair { .. });
                    has_lost_its_way |= matches!(event, Event::RestartNeeded);
                    self.tell(now, key, event);
                }
                Output::NameToResolve(name) => self.resolve(now, key, name),
                Output::OpenRelay { server, addr } => self.open_relay(now, key, server, addr),
                Output::CloseRelay(path) => self.network.relays.close(path),
                Output::Timeout(due) => {
                    self.timers.set((key, Which::Peer), &mut call.peer_deadline, due);
                    break;
                }
            }
        }
        if has_chosen && let Some(peer) = self.calls.peer(key) {
            self.network.streams.retain_of(key, |path, to| peer.has_way(path, to));
        }
        if has_ended {
            self.bury(now, key);
            self.describe_now(now, key); // whoever waits hears that there is nothing to wait for
        } else if is_secured {
            // Sound doesn't wait for the choice of a pair (RFC 8445 section 12.1).
            self.start_voice(now, key);
        }
        if self.calls.get(key).is_some_and(Self::is_ready) {
            self.describe_now(now, key);
        }
        if has_lost_its_way && !has_ended {
            self.restart_ice_if_read(now, key);
        }
    }

    /// Tells everybody, and keeps it for those who ask later. After the end of a call nothing is told of it:
    /// whoever carries its offers may learn too late that they did not arrive.
    pub(super) fn tell(&mut self, now: Instant, key: CallKey, event: Event) {
        let call = self.calls.get_mut(key);
        let Some(call) = call.filter(|call| call.state != CallState::Ended) else { return };
        let event = match (event, call.verdict.take()) {
            (Event::Ended { .. }, Some((end, reason))) => {
                Event::Ended { end, reason, remedy: None }
            }
            (event, verdict) => {
                call.verdict = verdict;
                event
            }
        };
        let timed = TimedEvent { at: now, event };
        let before = call.state;
        call.note(&timed);
        let (id, changed) = (call.id, call.state != before);
        if let Some(timed) = call.story.add(timed) {
            let _nobody_listens = self.events.send((id, timed));
        }
        if changed {
            self.schedule_chore(key);
        }
    }

    /// The handshake has shown who is there.
    fn ask_for_words(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let hashes = call.peer().and_then(Peer::certificate_hashes);
        if hashes.is_some_and(|hashes| self.phrases.ask(key, hashes)) {
            call.story.await_words();
        }
    }

    /// Tells what waited for the words, with them or without.
    pub(super) fn words_came(&mut self, key: CallKey, words: Option<Phrase>) {
        let Some(call) = self.calls.get_mut(key) else { return };
        for timed in call.story.release(words) {
            let _nobody_listens = self.events.send((call.id, timed));
        }
        self.schedule_chore(key);
    }

    /// Hangs up: the peer says goodbye, and its last event ends the call.
    pub(super) fn close(&mut self, now: Instant, key: CallKey, end: End, reason: &str) {
        let Some(call) = self.calls.get_mut(key) else { return };
        if let Progress::Ringing { .. } = call.progress {
            return self.stop_ringing(now, key, end, reason);
        }
        call.verdict = Some((end, reason.to_owned()));
        if let Some(peer) = call.peer_mut() {
            peer.handle_input(now, Input::Close);
        }
        self.drain(now, key);
    }

    /// What the driver itself does with a call when its time has come.
    pub(super) fn do_chore(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get(key) else { return };
        if call.waiting.is_some() {
            return self.describe_now(now, key);
        }
        match call.state {
            CallState::Ended if call.story.is_holding() => self.words_came(key, None),
            CallState::Ended => self.calls.forget(key),
            CallState::Ringing => {
                let end = End::Failed { step: Step::Signalling };
                self.close(now, key, end, "nobody answered");
            }
            CallState::Connecting => {}
            CallState::Connected => self.close(now, key, End::HungUp, "the time is over"),
        }
    }

    /// An ended call keeps what can be read of it; sockets, sound and memory are free again.
    fn bury(&mut self, now: Instant, key: CallKey) {
        self.router.remove(key);
        for (path, client) in self.calls.peer(key).map(Peer::take_relays).unwrap_or_default() {
            if let Some(link) = self.network.relays.take(path) {
                self.returning.add(self.world, link, client);
            }
        }
        self.network.relays.close_of(key);
        self.network.streams.retain_of(key, |_, _| false);
        if let Some(call) = self.calls.get_mut(key) {
            call.bury(now);
        }
        if self.calls.running().next().is_none() {
            self.sound.all_calls_left();
        }
    }
}
