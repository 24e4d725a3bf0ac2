//! Calls that run and are described anew, by either side.
//!
//! ```text
//! PATCH an offer --> exchange --> answer             set_direction, restart_ice
//! PATCH an answer -> exchange --> applied                  |
//!                                                          v  if somebody reads the call's events
//!        a reader comes, an exchange ends, and more is to tell --> Event::Offer
//! ```
//! Our offers go out as events of the call: on a server to those who read `/calls/ID/events`, on a caller
//! to the task that carries its signalling. Where nobody reads, nothing is offered: a direction then holds
//! on our side alone, and is offered as soon as a reader comes.

use crate::net::driver::calls::{Call, CallKey, Progress};
use crate::net::driver::uplinks::give_addresses;
use crate::net::driver::{CallId, Driver, Refusal};
use crate::peer::Peer;
use crate::peer::event::{Change, Event};
use crate::sdp::{Candidate, Description, Direction, Fragment};
use crate::signal::whip::Exchange;
use crate::time::Instant;

use super::commands::refusal;

/// What came of a description that was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchanged {
    /// Our answer, if it was an offer.
    pub answer: Option<Description>,
    /// Our ufrag in the ICE session that now holds.
    pub ufrag: String,
}

/// What came of a fragment that was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// Ours, if theirs began ICE anew.
    pub restarted: Option<Fragment>,
    /// Our ufrag in the ICE session that now holds.
    pub ufrag: String,
}

/// Whether the other side hears of what we want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// An offer is on its way, or will be when the open one is answered.
    Told,
    /// Nobody carries our offers to the other side: it holds on our side alone.
    Nobody,
}

/// What we want of a running call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Direction(Direction),
    RestartIce,
    /// What an offer could not tell, once more.
    Again,
}

/// An open offer is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TakeBack {
    /// Theirs goes first; ours is due again.
    GiveWay,
    /// The other side doesn't take it, for this reason.
    Refused(String),
}

impl Driver {
    /// A description on a running call.
    pub(super) fn exchange(
        &mut self,
        now: Instant,
        id: CallId,
        description: &Description,
        exchange: Exchange,
    ) -> Result<Exchanged, Refusal> {
        let key = self.running_key(id)?;
        let answer = self.negotiate(now, id, |peer| {
            let is_answer = exchange == Exchange::AnswerOrOffer
                && (peer.has_open_offer() || peer.has_taken(description));
            match is_answer {
                true => peer.accept_answer(now, description).map(|()| None),
                false => peer.accept_offer(now, description).map(Some),
            }
        })?;
        Ok(Exchanged { answer, ufrag: self.settled_ufrag(key) })
    }

    /// Trickled candidates, or an ICE restart: of the session that our ufrag `session` names, if that is
    /// given. It may have been replaced since the request was looked at.
    pub(super) fn apply_fragment(
        &mut self,
        now: Instant,
        id: CallId,
        fragment: &Fragment,
        session: Option<&str>,
    ) -> Result<Applied, Refusal> {
        let key = self.running_key(id)?;
        if session.is_some_and(|session| session != self.settled_ufrag(key)) {
            return Err(Refusal::OtherSession);
        }
        let restarted = self.negotiate(now, id, |peer| peer.apply_fragment(now, fragment))?;
        Ok(Applied { restarted, ufrag: self.settled_ufrag(key) })
    }

    /// A candidate that came alone; none is the end of them.
    pub(super) fn add_candidate(
        &mut self,
        now: Instant,
        id: CallId,
        candidate: Option<&Candidate>,
    ) -> Result<(), Refusal> {
        self.negotiate(now, id, |peer| {
            peer.add_candidate(now, candidate);
            Ok(())
        })
    }

    /// Changes a running call from our side.
    pub(super) fn wish(
        &mut self,
        now: Instant,
        id: CallId,
        wish: Wish,
    ) -> Result<Offered, Refusal> {
        let key = self.running_key(id)?;
        let is_read = self.calls.get(key).is_some_and(Call::is_read);
        let peer = self.calls.peer(key).ok_or(Refusal::UnknownCall)?;
        match wish {
            Wish::Direction(direction) => peer.set_direction(direction).map_err(refusal)?,
            Wish::RestartIce if is_read => peer.find_another_way().map_err(refusal)?,
            Wish::RestartIce | Wish::Again => {}
        }
        let needs_offer = peer.needs_offer() || peer.has_open_offer();
        self.drain(now, key);
        if needs_offer && !is_read {
            let text = "nobody tells the other side: its program reads no events of this call";
            self.tell(now, key, Event::warning(text));
        }
        self.offer_if_needed(now, key);
        Ok(if is_read && needs_offer { Offered::Told } else { Offered::Nobody })
    }

    /// Our open offer goes no further.
    pub(super) fn take_back(
        &mut self,
        now: Instant,
        id: CallId,
        why: TakeBack,
    ) -> Result<(), Refusal> {
        let key = self.running_key(id)?;
        let peer = self.calls.peer(key).ok_or(Refusal::UnknownCall)?;
        match why {
            TakeBack::GiveWay => {
                peer.rollback(now).map_err(refusal)?;
                self.drain(now, key);
            }
            TakeBack::Refused(text) => {
                peer.abandon_offer(now).map_err(refusal)?;
                self.tell(now, key, Event::warning(text));
                self.drain(now, key);
                self.offer_if_needed(now, key); // what has come up since it was made
            }
        }
        Ok(())
    }

    /// Makes the offer that is due, if somebody takes it to the other side.
    pub(super) fn offer_if_needed(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get_mut(key).filter(|call| call.is_read()) else { return };
        let caller = call.caller;
        let Some(peer) = call.peer_mut().filter(|peer| peer.needs_offer()) else { return };
        if peer.wants_restart() {
            // Perhaps because the network is another one.
            if let Err(error) = self.network.sockets.refresh() {
                tracing::warn!(%error, "new addresses are not used");
            }
            let serving = self.network.sockets.serving(caller.signalling);
            give_addresses(now, peer, &mut self.names, &self.network, serving);
        }
        let Ok(offer) = peer.make_offer(now) else { return };
        let change = if peer.has_open_restart() { Change::IceRestart } else { Change::Direction };
        self.router.register(peer.ufrag(), key);
        self.tell(now, key, Event::Offer { sdp: offer.to_string(), change });
        self.drain(now, key);
    }

    fn running_key(&self, id: CallId) -> Result<CallKey, Refusal> {
        let key = self.calls.key(id).ok_or(Refusal::UnknownCall)?;
        match self.calls.get(key).map(|call| &call.progress) {
            Some(Progress::Running { .. }) => Ok(key),
            Some(Progress::Ringing { .. }) => {
                Err(Refusal::WrongState { detail: "the call still rings".to_owned() })
            }
            Some(Progress::Ended { .. }) | None => Err(Refusal::UnknownCall),
        }
    }

    fn settled_ufrag(&mut self, key: CallKey) -> String {
        self.calls
            .peer(key)
            .map(|peer: &mut Peer| peer.settled_ufrag().to_owned())
            .unwrap_or_default()
    }
}
