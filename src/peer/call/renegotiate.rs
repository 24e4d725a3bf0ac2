//! A running call is described anew: hold and resume, ICE restarts, and offers of ours that nobody takes.
//!
//! ```text
//! set_direction, restart_ice --> needs_offer --make_offer--> open --accept_answer--> told
//!                                    ^                        |--rollback-----------> due again
//!                                    |                        |--abandon, 20 s------> the call goes on
//!                                    '------------------------'                       as it was
//! ```
//! A direction that we want holds for what we send and play at once; the other side learns of it by the next
//! offer or answer. Nobody has to wait for signalling to fall silent, and a microphone that was put on
//! hold stays so whatever becomes of the offer.
//!
//! Comes from `describe.rs`; the rules for both offering at once are in `peer/negotiate.rs`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Peer;
use super::phase::Phase;
use crate::dtls_srtp::Fingerprint;
use crate::ice;
use crate::peer::event::{Directions, Event};
use crate::peer::negotiate::NegotiateError;
use crate::sdp::{Agreed, Candidate, Description, Direction, Fragment};
use crate::time::Instant;

/// How long an offer of ours on a running call waits for its answer.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(20);

impl Peer {
    /// Which way we want media to flow from now on (W3C `RTCRtpTransceiver.direction`); the other side
    /// learns of it by our next description.
    ///
    /// # Errors
    /// The call has ended.
    pub fn set_direction(&mut self, direction: Direction) -> Result<(), NegotiateError> {
        self.refuse_after_end()?;
        self.negotiation.want(direction);
        self.tell_directions();
        Ok(())
    }

    /// Begins ICE anew with the next offer (W3C `restartIce()`): it has new credentials, so
    /// [`Peer::ufrag`] changes then. Until a new pair is selected media stays on the old one.
    ///
    /// # Errors
    /// The call has ended.
    pub fn restart_ice(&mut self) -> Result<(), NegotiateError> {
        self.refuse_after_end()?;
        self.negotiation.want_restart();
        Ok(())
    }

    /// The way is lost ([`Event::RestartNeeded`]), or somebody wants another: the next offer begins ICE anew. It
    /// is due at once, or when the open one was answered or given up; none is due if that begins ICE anew itself,
    /// whatever else it tells, or if nothing was agreed yet.
    ///
    /// # Errors
    /// The call has ended.
    pub fn find_another_way(&mut self) -> Result<(), NegotiateError> {
        let is_agreed = self.negotiation.agreed().is_some();
        if is_agreed && !self.negotiation.has_open_restart() {
            return self.restart_ice();
        }
        self.refuse_after_end()
    }

    /// Whether there is something that only an offer can tell (W3C's "negotiation needed"), and none is open.
    #[must_use]
    pub fn needs_offer(&self) -> bool {
        self.phase != Phase::Ended && self.negotiation.needs_offer()
    }

    /// Whether the next offer begins ICE anew. Addresses that are given now go into it.
    #[must_use]
    pub fn wants_restart(&self) -> bool {
        self.negotiation.wants_restart()
    }

    /// From here on these names stand for these addresses of ours: for those that a later offer adds.
    pub fn hide(&mut self, hidden: BTreeMap<IpAddr, String>) {
        self.negotiation.hide(hidden);
    }

    /// Whether this is the answer that was taken last, once more.
    #[must_use]
    pub fn has_taken(&self, answer: &Description) -> bool {
        self.negotiation.was_taken(answer)
    }

    /// Whether an offer of ours waits for its answer.
    #[must_use]
    pub fn has_open_offer(&self) -> bool {
        self.negotiation.has_open_offer()
    }

    /// Whether our open offer begins ICE anew and changes nothing else.
    #[must_use]
    pub fn has_open_restart(&self) -> bool {
        self.negotiation.has_open_restart() && !self.negotiation.offers_news()
    }

    /// Takes the fragment that answers our open offer, where that only begins ICE anew (RFC 9725 section
    /// 4.3.3).
    ///
    /// # Errors
    /// No such offer is open, or the fragment has no new credentials; nothing has changed.
    pub fn accept_restart(
        &mut self,
        now: Instant,
        fragment: &Fragment,
    ) -> Result<(), NegotiateError> {
        self.refuse_after_end()?;
        if !self.has_open_restart() {
            return Err(NegotiateError::NoOpenOffer);
        }
        let agreed = self.negotiation.agreed_by(fragment)?;
        self.follow(now, &agreed);
        self.negotiation.conclude(None, agreed);
        self.offer_due = None;
        self.settle(now);
        Ok(())
    }

    /// A candidate of theirs that came alone; none is the end of them. One that is known changes nothing.
    pub fn add_candidate(&mut self, now: Instant, candidate: Option<&Candidate>) {
        let Some(transport) = &mut self.transport else { return };
        match candidate {
            Some(line) if !self.negotiation.knows_candidate(line) => {
                self.learn_candidate(now, line)
            }
            Some(_) => {}
            None => transport.agent.handle_input(now, ice::Input::RemoteCandidatesDone),
        }
        self.settle(now);
    }

    /// Takes our open offer back, to make room for theirs where both crossed (RFC 9429 section 4.1.10.2).
    /// What it was to tell is due again.
    ///
    /// # Errors
    /// There is no open offer.
    pub fn rollback(&mut self, now: Instant) -> Result<(), NegotiateError> {
        self.negotiation.rollback()?;
        self.take_back(now);
        Ok(())
    }

    /// Takes our open offer back for good: the other side doesn't take it. The call goes on as it was.
    ///
    /// # Errors
    /// There is no open offer.
    pub fn abandon_offer(&mut self, now: Instant) -> Result<(), NegotiateError> {
        self.negotiation.abandon()?;
        self.take_back(now);
        Ok(())
    }

    /// What came with the offer goes with it: new ICE credentials, and formats that were expected.
    fn take_back(&mut self, now: Instant) {
        self.offer_due = None;
        if let Some(transport) = &mut self.transport {
            transport.agent.handle_input(now, ice::Input::Rollback);
        }
        if let Some(agreed) = self.negotiation.agreed() {
            self.receiver.configure(agreed);
        }
        self.settle(now);
    }

    /// The other side doesn't answer our offer.
    pub(super) fn check_open_offer(&mut self, now: Instant) {
        let is_due = self.offer_due.is_some_and(|due| due <= now);
        // Without it the call may have no way left, and be over.
        if is_due && self.abandon_offer(now).is_ok() && self.phase != Phase::Ended {
            let seconds = ANSWER_WITHIN.as_secs();
            let text = format!(
                "the other side did not answer our new offer within {seconds} s; the call goes on"
            );
            self.events.push_back(Event::warning(text));
        }
    }

    /// Tells which way media flows, when that has changed.
    pub(super) fn tell_directions(&mut self) {
        let directions = self.directions();
        if self.negotiation.agreed().is_some() && directions != self.told.directions {
            self.told.directions = directions;
            self.events.push_back(Event::Direction(directions));
        }
    }

    /// Which way media is to flow, as each side says, and does.
    #[must_use]
    pub fn directions(&self) -> Directions {
        let remote = self.negotiation.agreed().map(|agreed| agreed.remote.direction);
        Directions {
            local: self.negotiation.wanted(),
            remote: remote.unwrap_or_default(),
            current: self.negotiation.flows(),
        }
    }

    /// A running association keeps its certificates and roles. How a description lists fingerprints may
    /// change, other certificates may be added: what counts is that the one in use is among them (RFC 8122
    /// section 5).
    pub(super) fn refuse_another_peer(&mut self, agreed: &Agreed) -> Result<(), NegotiateError> {
        let Some(transport) = &mut self.transport else { return Ok(()) };
        let described = super::describe::identity(agreed);
        let Some(known) = transport.identity() else { return Ok(()) };
        let is_listed = match &transport.agreed {
            Some(proven) => described.fingerprints.iter().any(|listed| {
                *listed == Fingerprint::of(listed.algorithm, &proven.remote_certificate)
            }),
            // Nobody has shown a certificate yet: one that is promised both times will do.
            None => described.fingerprints.iter().any(|one| known.fingerprints.contains(one)),
        };
        let same = described.role == known.role && is_listed;
        same.then_some(()).ok_or(NegotiateError::NewAssociation)
    }
}
