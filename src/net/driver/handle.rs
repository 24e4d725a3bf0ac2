//! How the rest of the program talks to the driver: a cloneable handle, a question, an answer.
//!
//! Each method sends one command to the loop and awaits the one answer. HTTP may be slow, or stop
//! listening half way: the loop never waits for it.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, oneshot};

use crate::dtls_srtp::Phrase;
use crate::net::driver::calls::CallKey;
use crate::net::driver::made::Made;
use crate::net::driver::renegotiate::{Applied, Exchanged, Offered, TakeBack, Wish};
use crate::net::driver::servers::Reached;
use crate::net::driver::{CallId, CallSummary, Caller, Refusal, Ringing, TimedEvent};
use crate::net::world::World;
pub use crate::peer::config::Microphone;
use crate::peer::event::{Side, Step};
use crate::peer::stats::Report;
use crate::sdp::{Candidate, Description, Direction, Fragment};
use crate::signal::whip::Exchange;

/// A running driver. Clones talk to the same one.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) events: broadcast::Sender<(CallId, TimedEvent)>,
    pub(super) world: World,
}

/// Whether an offer of ours is told as `ringing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bell {
    Heard,
    Silent,
}

/// An answer on its way back.
pub(super) type Answer<T> = oneshot::Sender<Result<T, Refusal>>;

/// What the loop can be asked. Each answer may find nobody listening any more.
#[derive(Debug)]
pub(super) enum Command {
    AcceptOffer(Box<Description>, Caller, Answer<Made>),
    MakeOffer(Caller, Bell, Answer<Made>),
    /// What was made for somebody found nobody.
    NobodyWaits(CallId),
    Ring(Option<Box<Description>>, Caller, Answer<Ringing>),
    Accept(CallId, Answer<()>),
    GiveUp(CallId),
    AcceptAnswer(CallId, Box<Description>, Answer<()>),
    Renegotiate(CallId, Box<Description>, Answer<Description>),
    Exchange(CallId, Box<Description>, Exchange, Answer<Exchanged>),
    ApplyFragment(CallId, Box<Fragment>, Option<String>, Answer<Applied>),
    AcceptRestart(CallId, Box<Fragment>, Answer<()>),
    AddCandidate(CallId, Option<Candidate>, Answer<()>),
    Wish(CallId, Wish, Answer<Offered>),
    TakeBack(CallId, TakeBack, Answer<()>),
    Warn(CallId, String),
    HangUp(CallId, Side, Answer<()>),
    Fail(CallId, Step, String, Answer<()>),
    Calls(Answer<Vec<CallSummary>>),
    Call(CallId, Answer<CallSummary>),
    Stats(CallId, Answer<Report>),
    Follow(CallId, Answer<Followed>),
    SetMicrophone(Microphone, Answer<()>),
    /// What the thread of that name found.
    Words(CallKey, Option<Phrase>),
    NameResolved(CallKey, String, Option<IpAddr>),
    Reached(Box<Reached>),
    Shutdown(Answer<()>),
}

/// A call's events: those that were, and those to come (of all calls; pick by id), without a gap.
///
/// As long as the [`Reader`] is kept, our offers on the running call count as carried to the other side.
pub type Followed = (Vec<TimedEvent>, broadcast::Receiver<(CallId, TimedEvent)>, Reader);

/// Somebody reads the events of a call.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    _alive: Arc<()>,
}

impl Reader {
    pub(super) fn of(readers: &Arc<()>) -> Self {
        Self { _alive: Arc::clone(readers) }
    }
}

impl Handle {
    /// Answers an offer. The call is registered with its sockets before the answer is returned, so
    /// that a check that overtakes the answer finds it.
    ///
    /// # Errors
    /// The offer can't be taken, or no more calls are.
    pub async fn accept_offer(
        &self,
        offer: Description,
        caller: Caller,
    ) -> Result<(CallId, Description), Refusal> {
        self.made(|answer| Command::AcceptOffer(Box::new(offer), caller, answer)).await
    }

    /// Makes an offer; [`Handle::accept_answer`] completes it.
    ///
    /// # Errors
    /// No more calls are taken.
    pub async fn make_offer(&self, caller: Caller) -> Result<(CallId, Description), Refusal> {
        self.made(|answer| Command::MakeOffer(caller, Bell::Silent, answer)).await
    }

    /// The same, told as `ringing`: somebody is there already who may take the call.
    ///
    /// # Errors
    /// No more calls are taken.
    pub async fn make_ringing_offer(
        &self,
        caller: Caller,
    ) -> Result<(CallId, Description), Refusal> {
        self.made(|answer| Command::MakeOffer(caller, Bell::Heard, answer)).await
    }

    /// Lets a call ring until [`Handle::accept`], [`Handle::hang_up`], or nobody comes. Without an offer
    /// it is us who will make one.
    ///
    /// # Errors
    /// The offer can't be taken, or no more calls are.
    pub async fn ring(
        &self,
        offer: Option<Description>,
        caller: Caller,
    ) -> Result<Ringing, Refusal> {
        let offer = offer.map(Box::new);
        self.ask(|answer| Command::Ring(offer, caller, answer)).await
    }

    /// Takes a call that rings.
    ///
    /// # Errors
    /// The call is unknown or doesn't ring.
    pub async fn accept(&self, id: CallId) -> Result<(), Refusal> {
        self.ask(|answer| Command::Accept(id, answer)).await
    }

    /// Applies the answer to our open offer.
    ///
    /// # Errors
    /// The call is unknown, has no open offer, or the answer doesn't fit it.
    pub async fn accept_answer(&self, id: CallId, answer: Description) -> Result<(), Refusal> {
        self.ask(|reply| Command::AcceptAnswer(id, Box::new(answer), reply)).await
    }

    /// Answers a new offer on a running call: hold, resume, another direction, an ICE restart.
    ///
    /// # Errors
    /// The call is unknown, our own offer is open, or the offer can't be taken; the call goes on as
    /// it was.
    pub async fn renegotiate(
        &self,
        id: CallId,
        offer: Description,
    ) -> Result<Description, Refusal> {
        self.ask(|answer| Command::Renegotiate(id, Box::new(offer), answer)).await
    }

    /// Takes a description on a running call, whichever it turns out to be: the answer to our open
    /// offer, or an offer.
    ///
    /// # Errors
    /// As [`Handle::accept_answer`] and [`Handle::renegotiate`].
    pub async fn exchange(
        &self,
        id: CallId,
        description: Description,
        exchange: Exchange,
    ) -> Result<Exchanged, Refusal> {
        let description = Box::new(description);
        self.ask(|answer| Command::Exchange(id, description, exchange, answer)).await
    }

    /// Applies trickled candidates (RFC 8840); an ICE restart is answered with a fragment. `session` is
    /// our ufrag in the ICE session that it is meant for, if that matters.
    ///
    /// # Errors
    /// The call is unknown, or the fragment isn't for it.
    pub async fn apply_fragment(
        &self,
        id: CallId,
        fragment: Fragment,
        session: Option<String>,
    ) -> Result<Applied, Refusal> {
        let fragment = Box::new(fragment);
        self.ask(|answer| Command::ApplyFragment(id, fragment, session, answer)).await
    }

    /// Applies the fragment that answers our offer to begin ICE anew.
    ///
    /// # Errors
    /// The call is unknown or has no such offer open, or the fragment doesn't answer it.
    pub async fn accept_restart(&self, id: CallId, fragment: Fragment) -> Result<(), Refusal> {
        self.ask(|answer| Command::AcceptRestart(id, Box::new(fragment), answer)).await
    }

    /// A candidate of theirs that came alone; none is the end of them.
    ///
    /// # Errors
    /// The call is unknown.
    pub async fn add_candidate(
        &self,
        id: CallId,
        candidate: Option<Candidate>,
    ) -> Result<(), Refusal> {
        self.ask(|answer| Command::AddCandidate(id, candidate, answer)).await
    }

    /// Lets media flow this way only, from now on: [`Direction::Inactive`] is hold. Our side follows at
    /// once; the other side is told by an offer, [`Event::Offer`](crate::peer::event::Event::Offer).
    ///
    /// # Errors
    /// The call is unknown, or still rings.
    pub async fn set_direction(
        &self,
        id: CallId,
        direction: Direction,
    ) -> Result<Offered, Refusal> {
        self.ask(|answer| Command::Wish(id, Wish::Direction(direction), answer)).await
    }

    /// Begins ICE anew, by an offer. Where nobody would carry it nothing is done.
    ///
    /// # Errors
    /// The call is unknown, or still rings.
    pub async fn restart_ice(&self, id: CallId) -> Result<Offered, Refusal> {
        self.ask(|answer| Command::Wish(id, Wish::RestartIce, answer)).await
    }

    /// Makes the offer that is still due after [`Handle::give_way`], if it is.
    ///
    /// # Errors
    /// The call is unknown.
    pub async fn offer_again(&self, id: CallId) -> Result<Offered, Refusal> {
        self.ask(|answer| Command::Wish(id, Wish::Again, answer)).await
    }

    /// Takes our open offer back because theirs goes first; ours is made again when that is done.
    ///
    /// # Errors
    /// The call is unknown or has no open offer.
    pub async fn give_way(&self, id: CallId) -> Result<(), Refusal> {
        self.ask(|answer| Command::TakeBack(id, TakeBack::GiveWay, answer)).await
    }

    /// Takes our open offer back because the other side refuses it. The call goes on as it was, and
    /// `why` is told as a warning.
    ///
    /// # Errors
    /// The call is unknown or has no open offer.
    pub async fn abandon_offer(&self, id: CallId, why: String) -> Result<(), Refusal> {
        self.ask(|answer| Command::TakeBack(id, TakeBack::Refused(why), answer)).await
    }

    /// Tells those who read the call's events of something that a person should know.
    pub fn warn(&self, id: CallId, text: String) {
        let _driver_has_ended = self.commands.send(Command::Warn(id, text));
    }

    /// Ends a call, because we or they hung up: RTCP BYE, then DTLS close_notify.
    ///
    /// # Errors
    /// The call is unknown or has ended.
    pub async fn hang_up(&self, id: CallId, by: Side) -> Result<(), Refusal> {
        self.ask(|answer| Command::HangUp(id, by, answer)).await
    }

    /// Ends a call that failed at this step, as whoever carries its signalling knows. Of a way through the
    /// network that neither side found, our own evidence is told in place of the reason.
    ///
    /// # Errors
    /// The call is unknown, rings until a person takes it, or has ended.
    pub async fn fail(&self, id: CallId, step: Step, reason: String) -> Result<(), Refusal> {
        self.ask(|answer| Command::Fail(id, step, reason, answer)).await
    }

    /// Mutes what we say in all calls, or lets it be heard again. The calls and their packets go on.
    ///
    /// # Errors
    /// The driver has ended.
    pub async fn set_microphone(&self, microphone: Microphone) -> Result<(), Refusal> {
        self.ask(|answer| Command::SetMicrophone(microphone, answer)).await
    }

    /// Every call, the oldest first; ended ones for another minute.
    pub async fn calls(&self) -> Vec<CallSummary> {
        self.ask(Command::Calls).await.unwrap_or_default()
    }

    /// One call.
    ///
    /// # Errors
    /// The call is unknown.
    pub async fn call(&self, id: CallId) -> Result<CallSummary, Refusal> {
        self.ask(|answer| Command::Call(id, answer)).await
    }

    /// What `getStats()` would say of a call; of an ended one, what it said last.
    ///
    /// # Errors
    /// The call is unknown.
    pub async fn stats(&self, id: CallId) -> Result<Report, Refusal> {
        self.ask(|answer| Command::Stats(id, answer)).await
    }

    /// All events of all calls from now on. A listener that is too slow loses the oldest.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<(CallId, TimedEvent)> {
        self.events.subscribe()
    }

    /// A call's events from its beginning (`stats` left out), then all events to come.
    ///
    /// # Errors
    /// The call is unknown.
    pub async fn follow(&self, id: CallId) -> Result<Followed, Refusal> {
        self.ask(|answer| Command::Follow(id, answer)).await
    }

    /// Hangs up every call and ends the driver; returns when all have been told, within 2 s. Later
    /// requests are refused.
    pub async fn shutdown(&self) {
        let _already_ended = self.ask(Command::Shutdown).await;
    }

    /// The driver's clock: what `t` of an event counts from.
    #[must_use]
    pub fn world(&self) -> World {
        self.world
    }

    async fn made(
        &self,
        command: impl FnOnce(Answer<Made>) -> Command,
    ) -> Result<(CallId, Description), Refusal> {
        self.ask(command).await?.take().ok_or(Refusal::UnknownCall)
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).map_err(|_| Refusal::ShuttingDown)?;
        answered.await.unwrap_or(Err(Refusal::ShuttingDown))
    }
}
