//! What others ask of the loop.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::net::driver::calls::{Call, CallKey, Progress};
use crate::net::driver::handle::{Answer, Bell, Command, Followed};
use crate::net::driver::made::{self, Made};
use crate::net::driver::run::Life;
use crate::net::driver::story::Story;
use crate::net::driver::timers::Deadline;
use crate::net::driver::{CallId, CallState, Caller, Driver, Refusal};
use crate::net::world;
use crate::peer::event::{End, Event, Side, Step};
use crate::peer::{Input, NegotiateError, Peer};
use crate::sdp::Description;
use crate::time::Instant;

/// What a caller that was refused for want of room is told to wait: calls end at any time.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(10);

impl Driver {
    /// Does it, and answers. Whoever asked may be gone, which matters only where they asked for a call.
    pub(super) fn carry_out(&mut self, command: Command) {
        let now = self.world.now();
        match command {
            Command::AcceptOffer(offer, caller, answer) if self.has_servers() => {
                self.answer_later(now, offer, caller, answer);
            }
            Command::MakeOffer(caller, bell, answer) if self.has_servers() => {
                self.offer_later(now, caller, bell, answer);
            }
            Command::Reached(reached) => self.reached(now, *reached),
            Command::AcceptOffer(offer, caller, answer) => {
                let made = self.accept_offer(now, &offer, caller);
                self.hand_over(now, answer, made);
            }
            Command::MakeOffer(caller, bell, answer) => {
                let made = self.make_offer(now, caller, bell);
                self.hand_over(now, answer, made);
            }
            Command::NobodyWaits(id) => self.nobody_waits_for(now, id),
            Command::Ring(offer, caller, answer) => reply(answer, self.ring(now, offer, caller)),
            Command::Accept(id, answer) => reply(answer, self.accept(now, id)),
            Command::GiveUp(id) => self.give_up(now, id),
            Command::AcceptAnswer(id, description, answer) => {
                reply(answer, self.accept_answer(now, id, &description));
            }
            Command::Renegotiate(id, offer, answer) => {
                let done = self.negotiate(now, id, |peer| peer.accept_offer(now, &offer));
                reply(answer, done);
            }
            Command::Exchange(id, description, exchange, answer) => {
                reply(answer, self.exchange(now, id, &description, exchange));
            }
            Command::ApplyFragment(id, fragment, session, answer) => {
                reply(answer, self.apply_fragment(now, id, &fragment, session.as_deref()));
            }
            Command::AcceptRestart(id, fragment, answer) => {
                let done = self.negotiate(now, id, |peer| peer.accept_restart(now, &fragment));
                reply(answer, done);
            }
            Command::AddCandidate(id, candidate, answer) => {
                reply(answer, self.add_candidate(now, id, candidate.as_ref()));
            }
            Command::Wish(id, wish, answer) => reply(answer, self.wish(now, id, wish)),
            Command::TakeBack(id, why, answer) => reply(answer, self.take_back(now, id, why)),
            Command::Warn(id, text) => {
                if let Some(key) = self.calls.key(id) {
                    self.tell(now, key, Event::warning(text));
                }
            }
            Command::HangUp(id, by, answer) => reply(answer, self.hang_up(now, id, by)),
            Command::Fail(id, step, reason, answer) => {
                reply(answer, self.fail(now, id, step, reason));
            }
            Command::Calls(answer) => {
                reply(answer, Ok(self.calls.all().map(Call::summary).collect()));
            }
            Command::Call(id, answer) => reply(answer, self.find(id).map(Call::summary)),
            Command::Stats(id, answer) => {
                reply(answer, self.find(id).map(|call| call.stats(now)));
            }
            Command::Follow(id, answer) => {
                reply(answer, self.follow(id));
                // Whoever reads now can be told what nobody was there to be told.
                if let Some(key) = self.calls.key(id) {
                    self.offer_if_needed(now, key);
                }
            }
            Command::SetMicrophone(microphone, answer) => {
                self.microphone = microphone;
                for peer in self.calls.peers() {
                    peer.mute_reflection(microphone);
                }
                reply(answer, Ok(()));
            }
            Command::Words(key, words) => self.words_came(key, words),
            Command::NameResolved(key, name, addr) => {
                self.hand_name(now, key, name, addr);
                self.drain(now, key);
            }
            Command::Shutdown(answer) => {
                self.farewells.push(answer);
                self.leave();
            }
        }
    }

    /// The call is registered when this returns, and so before the answer can leave.
    fn accept_offer(
        &mut self,
        now: Instant,
        offer: &Description,
        caller: Caller,
    ) -> Result<(CallId, Description), Refusal> {
        self.room()?;
        let mut peer = self.new_peer(now, caller)?;
        let answer = peer.accept_offer(now, offer).map_err(refusal)?;
        let id = self.begin(now, peer, caller, CallState::Connecting)?;
        Ok((id, answer))
    }

    fn make_offer(
        &mut self,
        now: Instant,
        caller: Caller,
        bell: Bell,
    ) -> Result<(CallId, Description), Refusal> {
        self.room()?;
        let mut peer = self.new_peer(now, caller)?;
        let offer = peer.make_offer(now).map_err(refusal)?;
        let id = self.begin(now, peer, caller, CallState::Ringing)?;
        if bell == Bell::Heard
            && let Some(key) = self.calls.key(id)
        {
            self.tell(now, key, Event::Ringing);
        }
        Ok((id, offer))
    }

    /// Hands over a new call's description.
    fn hand_over(
        &mut self,
        now: Instant,
        to: Answer<Made>,
        made: Result<(CallId, Description), Refusal>,
    ) {
        let id = made.as_ref().ok().map(|(id, _)| *id);
        let driver = self.own_commands.clone();
        let made = made.map(|(id, description)| Made::new(id, description, driver));
        if !made::hand_over(to, made)
            && let Some(id) = id
        {
            self.nobody_waits_for(now, id);
        }
    }

    fn nobody_waits_for(&mut self, now: Instant, id: CallId) {
        if let Some(key) = self.calls.key(id) {
            self.nobody_waits(now, key);
        }
    }

    /// Whoever asked for a call's description has gone before it was there: nobody will answer it.
    pub(super) fn nobody_waits(&mut self, now: Instant, key: CallKey) {
        self.close(now, key, End::HungUpByPeer, "the caller is gone");
    }

    fn accept_answer(
        &mut self,
        now: Instant,
        id: CallId,
        answer: &Description,
    ) -> Result<(), Refusal> {
        self.negotiate(now, id, |peer| peer.accept_answer(now, answer))
    }

    /// Lets a running call's peer take a description; its ufrag may be another one afterwards.
    pub(super) fn negotiate<T>(
        &mut self,
        now: Instant,
        id: CallId,
        take: impl FnOnce(&mut Peer) -> Result<T, NegotiateError>,
    ) -> Result<T, Refusal> {
        let key = self.calls.key(id).ok_or(Refusal::UnknownCall)?;
        let peer = self.calls.peer(key).ok_or(Refusal::UnknownCall)?;
        let taken = take(peer).map_err(refusal)?;
        self.router.register(peer.ufrag(), key);
        self.drain(now, key);
        self.offer_if_needed(now, key);
        Ok(taken)
    }

    fn hang_up(&mut self, now: Instant, id: CallId, by: Side) -> Result<(), Refusal> {
        let key = self.calls.key(id).ok_or(Refusal::UnknownCall)?;
        let call = self.calls.get(key).ok_or(Refusal::UnknownCall)?;
        let (end, reason) = match (&call.progress, by) {
            (Progress::Ended { .. }, _) => return Err(Refusal::UnknownCall),
            (Progress::Ringing { .. }, Side::Local) => (End::HungUp, "declined"),
            (Progress::Ringing { .. }, Side::Remote) => {
                (End::HungUpByPeer, "deleted while it rang")
            }
            (Progress::Running { .. }, Side::Local) if call.state == CallState::Ringing => {
                (End::HungUp, "given up before it was answered")
            }
            (Progress::Running { .. }, Side::Local) => (End::HungUp, "hung up"),
            (Progress::Running { .. }, Side::Remote) => {
                (End::HungUpByPeer, "the other side hung up")
            }
        };
        self.close(now, key, end, reason);
        Ok(())
    }

    fn fail(
        &mut self,
        now: Instant,
        id: CallId,
        step: Step,
        reason: String,
    ) -> Result<(), Refusal> {
        let key = self.calls.key(id).ok_or(Refusal::UnknownCall)?;
        let peer = self.calls.peer(key).ok_or(Refusal::UnknownCall)?;
        peer.handle_input(now, Input::Failed { step, reason });
        self.drain(now, key);
        Ok(())
    }

    fn follow(&self, id: CallId) -> Result<Followed, Refusal> {
        let call = self.find(id)?;
        Ok((call.story(), self.events.subscribe(), call.reader()))
    }

    fn find(&self, id: CallId) -> Result<&Call, Refusal> {
        self.calls.key(id).and_then(|key| self.calls.get(key)).ok_or(Refusal::UnknownCall)
    }

    /// Whether one more call may come.
    pub(super) fn room(&self) -> Result<(), Refusal> {
        if self.life != Life::Running {
            return Err(Refusal::ShuttingDown);
        }
        let limit = self.options.max_calls;
        if self.calls.running().count() >= limit {
            return Err(Refusal::TooMany { limit, retry_after: RETRY_AFTER });
        }
        Ok(())
    }

    /// A peer that knows its own addresses.
    pub(super) fn new_peer(&mut self, now: Instant, caller: Caller) -> Result<Peer, Refusal> {
        let mut config = self.options.peer.clone();
        config.wall_clock = self.world.ntp_at_start();
        config.sending = self.sound.sending();
        let rng = world::rng().map_err(|error| Refusal::System { detail: error.to_string() })?;
        // A network may have come since; that this fails is no reason to go without those we have.
        if let Err(error) = self.network.sockets.refresh() {
            tracing::warn!(%error, "new addresses are not used");
        }
        let serving = self.network.sockets.serving(caller.signalling);
        let addresses = serving.iter().map(|(_, addr)| addr.ip());
        let hidden = self.names.hide(addresses);
        config.hidden = hidden.map_err(|error| Refusal::System { detail: error.to_string() })?;
        let mut peer = Peer::new(config, self.certificate.clone(), rng);
        peer.mute_reflection(self.microphone);
        self.network.give_addresses(now, &mut peer, serving);
        if !self.has_servers() {
            peer.handle_input(now, Input::LocalAddressesDone);
        }
        Ok(peer)
    }

    pub(super) fn begin(
        &mut self,
        now: Instant,
        peer: Peer,
        caller: Caller,
        state: CallState,
    ) -> Result<CallId, Refusal> {
        let ufrag = peer.ufrag().to_owned();
        let progress = Progress::Running { peer: Box::new(peer), voice: None };
        let (id, key) = self.enter(now, caller, state, progress)?;
        self.router.register(&ufrag, key);
        self.sound.call_came();
        self.drain(now, key);
        Ok(id)
    }

    /// Enters a call into the table, under a name of its own.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        caller: Caller,
        state: CallState,
        progress: Progress,
    ) -> Result<(CallId, CallKey), Refusal> {
        let bits = world::unguessable();
        let bits = bits.map_err(|error| Refusal::System { detail: error.to_string() })?;
        let (id, key) = (CallId::from_random(bits), self.calls.next_key());
        let call = Call {
            id,
            caller,
            began: now,
            state,
            since: now,
            progress,
            story: Story::default(),
            waiting: None,
            unreached: BTreeSet::new(),
            verdict: None,
            open_offer: None,
            readers: Arc::default(),
            peer_deadline: Deadline::default(),
            chore_deadline: Deadline::default(),
        };
        self.calls.insert(key, call);
        self.schedule_chore(key);
        Ok((id, key))
    }

    /// When the driver itself has to look at the call again.
    pub(super) fn schedule_chore(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let due = call.chore(self.options.answer_within, self.options.duration);
        self.timers.set((key, super::Which::Chore), &mut call.chore_deadline, due);
    }
}

pub(super) fn reply<T>(answer: Answer<T>, done: Result<T, Refusal>) {
    let _nobody_waits = answer.send(done);
}

/// What a description was refused for, as the outside says it.
pub(super) fn refusal(error: NegotiateError) -> Refusal {
    let detail = error.to_string();
    match error {
        NegotiateError::Refused(_) => Refusal::NoUsableAudio { detail },
        NegotiateError::Ended => Refusal::UnknownCall,
        NegotiateError::NewAssociation | NegotiateError::AnswerRestartsIce => {
            Refusal::NotAcceptable { detail }
        }
        _ => Refusal::WrongState { detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Channels, sink, source};
    use crate::net::driver::{Options, start};
    use crate::net::sound::Sound;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_call_that_rings_for_nobody_ends_at_once() {
        let sound = Sound::open(source::Spec::Silence, sink::Spec::Null, Channels::Mono);
        let driver = start(Options::default(), sound.unwrap()).unwrap();
        let here = Caller::at(([127, 0, 0, 1], 0).into());
        let mut events = driver.events();
        for leaves in ["before it rings", "before it is told that it does"] {
            let (answer, told) = oneshot::channel();
            let mut told = Some(told).filter(|_| leaves != "before it rings");
            driver.commands.send(Command::Ring(None, here, answer)).unwrap();
            assert_eq!(events.recv().await.unwrap().1.event, Event::Ringing);
            drop(told.take());
            let (_, ended) = events.recv().await.unwrap();
            assert!(matches!(ended.event, Event::Ended { .. }), "{leaves}: {ended:?}");
        }
    }

    #[tokio::test]
    async fn a_call_that_is_taken_for_nobody_ends_at_once() {
        let sound = Sound::open(source::Spec::Silence, sink::Spec::Null, Channels::Mono);
        let driver = start(Options::default(), sound.unwrap()).unwrap();
        let ringing = driver.ring(None, Caller::at(([127, 0, 0, 1], 0).into())).await.unwrap();
        let mut events = driver.events();
        driver.accept(ringing.id()).await.unwrap();
        drop(ringing);
        while !matches!(events.recv().await.unwrap().1.event, Event::Ended { .. }) {}
    }

    #[tokio::test]
    async fn a_new_call_that_nobody_waits_for_ends_at_once() {
        let driver = |max_calls| {
            let sound = Sound::open(source::Spec::Silence, sink::Spec::Null, Channels::Mono);
            start(Options { max_calls, ..Options::default() }, sound.unwrap()).unwrap()
        };
        let (driver, other) = (driver(1), driver(1));
        let here = Caller::at(([127, 0, 0, 1], 0).into());
        let (_, offer) = other.make_offer(here).await.unwrap();
        let commands: [fn(Description, Caller, Answer<_>) -> Command; 2] = [
            |_, caller, answer| Command::MakeOffer(caller, Bell::Silent, answer),
            |offer, caller, answer| Command::AcceptOffer(Box::new(offer), caller, answer),
        ];
        for (before, command) in commands.into_iter().enumerate() {
            let (answer, _) = oneshot::channel();
            driver.commands.send(command(offer.clone(), here, answer)).unwrap();
            let calls = driver.calls().await;
            assert_eq!(calls.len(), before + 1);
            assert!(calls.iter().all(|call| call.state == CallState::Ended), "{calls:?}");
        }
        // And who goes while it is on its way to them.
        let (answer, on_its_way) = oneshot::channel();
        let mut events = driver.events();
        driver.commands.send(Command::MakeOffer(here, Bell::Silent, answer)).unwrap();
        assert_eq!(driver.calls().await.len(), 3);
        drop(on_its_way);
        while !matches!(events.recv().await.unwrap().1.event, Event::Ended { .. }) {}
        driver.make_offer(here).await.expect("room for one");
    }
}
