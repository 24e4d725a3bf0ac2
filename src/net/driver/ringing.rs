//! A call that a person has yet to take: known by name, and nothing more.
//!
//! ```text
//! Handle::ring --> Ringing --accept--> a Peer, its answer; the call goes on like any other
//!                     |-----hang_up--> Refusal::Declined, by us; Refusal::Deleted, by a DELETE
//!                     |-----60 s-----> Refusal::NobodyAnswered
//!                     '-----dropped--> nobody waits any more: ended
//! ```
//! While it rings there is no `Peer`: no check is answered, no packet is sent, no microphone is opened.
//! The offer was tried on a `Peer` that is thrown away, so that nobody is bothered for an offer that can't
//! be taken.

use tokio::sync::{mpsc, oneshot};

use crate::ice::Role;
use crate::net::driver::calls::{Call, CallKey, Progress, Waiting};
use crate::net::driver::handle::Command;
use crate::net::driver::made::{self, Made};
use crate::net::driver::run::Life;
use crate::net::driver::{CallId, CallState, Caller, Driver, Refusal};
use crate::peer::Peer;
use crate::peer::event::{End, Event};
use crate::peer::stats::Report;
use crate::sdp::Description;
use crate::time::Instant;

/// A call that rings. Dropped, it stops ringing; also on the way to whoever asked for it, if they have gone.
#[derive(Debug)]
pub struct Ringing {
    id: CallId,
    decision: oneshot::Receiver<Result<Made, Refusal>>,
    driver: mpsc::WeakUnboundedSender<Command>,
}

impl Ringing {
    fn new(
        id: CallId,
        decision: oneshot::Receiver<Result<Made, Refusal>>,
        driver: mpsc::WeakUnboundedSender<Command>,
    ) -> Self {
        Self { id, decision, driver }
    }

    /// The call's name.
    #[must_use]
    pub const fn id(&self) -> CallId {
        self.id
    }

    /// Waits for the person: our answer, or our offer if there was none to answer.
    ///
    /// # Errors
    /// Declined, deleted, or nobody answered.
    pub async fn decided(mut self) -> Result<(CallId, Description), Refusal> {
        let made = (&mut self.decision).await.unwrap_or(Err(Refusal::ShuttingDown))?;
        made.take().ok_or(Refusal::UnknownCall)
    }
}

impl Drop for Ringing {
    fn drop(&mut self) {
        // Of a call that has been decided on, it means nothing: what was made of it ends with its reply.
        if let Some(driver) = self.driver.upgrade() {
            let _driver_has_ended = driver.send(Command::GiveUp(self.id));
        }
    }
}

impl Driver {
    /// Lets a call ring. Without an offer it is us who will make one.
    pub(super) fn ring(
        &mut self,
        now: Instant,
        offer: Option<Box<Description>>,
        caller: Caller,
    ) -> Result<Ringing, Refusal> {
        self.room()?;
        let mut trial = self.new_peer(now, caller)?;
        describe(&mut trial, now, offer.as_deref())?;
        let (reply, decision) = oneshot::channel();
        let progress = Progress::Ringing { offer, reply };
        let (id, key) = self.enter(now, caller, CallState::Ringing, progress)?;
        self.tell(now, key, Event::Ringing);
        Ok(Ringing::new(id, decision, self.own_commands.clone()))
    }

    /// Takes a call that rings: described at once, or when its servers have told what they have to tell.
    pub(super) fn accept(&mut self, now: Instant, id: CallId) -> Result<(), Refusal> {
        let (_, call) = self.ringing(id)?;
        let caller = call.caller;
        let mut peer = self.new_peer(now, caller)?;
        let has_servers = self.has_servers();
        let (key, call) = self.ringing(id)?;
        let Progress::Ringing { offer, .. } = &call.progress else { return Ok(()) };
        let description = if has_servers {
            peer.gather(now, if offer.is_some() { Role::Controlled } else { Role::Controlling });
            None
        } else {
            Some(describe(&mut peer, now, offer.as_deref())?)
        };
        let ufrag = peer.ufrag().to_owned();
        let running = Progress::Running { peer: Box::new(peer), voice: None };
        let before = std::mem::replace(&mut call.progress, running);
        call.since = now; // our own offer may stay open as long as any other
        self.router.register(&ufrag, key);
        self.sound.call_came();
        let Progress::Ringing { offer, reply } = before else { return Ok(()) };
        match description {
            None => {
                self.look_for_servers(now, id, Waiting::Decided { offer, reply });
                self.drain(now, key);
            }
            Some(description) => {
                self.schedule_chore(key);
                self.drain(now, key);
                let made = Made::new(id, description, self.own_commands.clone());
                if !made::hand_over(reply, Ok(made)) {
                    self.nobody_waits(now, key);
                }
            }
        }
        Ok(())
    }

    /// The one who called doesn't wait any more; a call that was decided on goes on.
    pub(super) fn give_up(&mut self, now: Instant, id: CallId) {
        if let Ok((key, _)) = self.ringing(id) {
            self.stop_ringing(now, key, End::HungUpByPeer, "the caller gave up");
        }
    }

    /// Ends a call that rings; whoever waits for the decision hears of it.
    pub(super) fn stop_ringing(&mut self, now: Instant, key: CallKey, end: End, reason: &str) {
        let refusal = match (self.life, end) {
            (Life::Leaving(_), _) => Refusal::ShuttingDown,
            (_, End::Failed { .. }) => Refusal::NobodyAnswered,
            (_, End::HungUpByPeer) => Refusal::Deleted,
            (_, End::HungUp) => Refusal::Declined,
        };
        let Some(call) = self.calls.get_mut(key) else { return };
        let reason = reason.to_owned();
        let (stats, ufrag) = (Report::default(), String::new());
        let ended = Progress::Ended { stats, end, reason: reason.clone(), ufrag };
        if let Progress::Ringing { reply, .. } = std::mem::replace(&mut call.progress, ended) {
            let _gone = reply.send(Err(refusal));
        }
        call.verdict = None;
        self.tell(now, key, Event::Ended { reason, end, remedy: None });
    }

    fn ringing(&mut self, id: CallId) -> Result<(CallKey, &mut Call), Refusal> {
        let key = self.calls.key(id).ok_or(Refusal::UnknownCall)?;
        let call = self.calls.get_mut(key).ok_or(Refusal::UnknownCall)?;
        match call.progress {
            Progress::Ringing { .. } => Ok((key, call)),
            Progress::Ended { .. } => Err(Refusal::UnknownCall),
            Progress::Running { .. } => {
                Err(Refusal::WrongState { detail: "the call is not ringing".to_owned() })
            }
        }
    }
}

/// Our answer to the offer, or our own offer.
pub(super) fn describe(
    peer: &mut Peer,
    now: Instant,
    offer: Option<&Description>,
) -> Result<Description, Refusal> {
    match offer {
        Some(offer) => peer.accept_offer(now, offer),
        None => peer.make_offer(now),
    }
    .map_err(super::commands::refusal)
}
