//! Descriptions come and go: what a peer makes of them.

use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::phase::{Phase, Signal};
use super::renegotiate::ANSWER_WITHIN;
use super::{Peer, Socket};
use crate::ice::{self, PathId, Role};
use crate::peer::event::{Event, GatheringState, Side};
use crate::peer::negotiate::NegotiateError;
use crate::peer::translate;
use crate::peer::transport::{Identity, Transport};
use crate::sdp::{Agreed, Candidate, Description, Fragment};
use crate::time::Instant;

impl Peer {
    /// Writes an offer and keeps it open until [`Peer::accept_answer`].
    ///
    /// # Errors
    /// Our offer is open already, or the call has ended.
    pub fn make_offer(&mut self, now: Instant) -> Result<Description, NegotiateError> {
        self.refuse_after_end()?;
        self.offered.get_or_insert(now);
        self.start_transport(now, Role::Controlling);
        let Some(transport) = &mut self.transport else { return Err(NegotiateError::Ended) };
        let mut replaces = None;
        if self.negotiation.wants_restart() && !self.negotiation.has_open_offer() {
            let known = transport.agent.remote_credentials();
            replaces = known.map(|known| known.ufrag.clone());
            transport.agent.handle_input(now, ice::Input::Restart);
            for socket in self.sockets.drain(..) {
                transport.agent.handle_input(now, socket.candidate());
            }
            transport.agent.handle_input(now, ice::Input::LocalCandidatesDone);
        }
        let offer = self.negotiation.make_offer(&transport.agent, replaces)?;
        self.offer_due = (self.phase != Phase::New).then(|| now + ANSWER_WITHIN);
        // From here on whatever was offered can come (RFC 3264 section 5.1).
        self.receiver.expect_also(self.negotiation.offered_formats());
        self.settle(now);
        Ok(offer)
    }

    /// Takes their offer, the first or a later one, and writes the answer.
    ///
    /// # Errors
    /// It can't be taken; nothing has changed.
    pub fn accept_offer(
        &mut self,
        now: Instant,
        offer: &Description,
    ) -> Result<Description, NegotiateError> {
        self.refuse_after_end()?;
        if let Some(answer) = self.negotiation.answered_before(offer) {
            return Ok(answer);
        }
        let agreed = self.negotiation.choose(offer)?;
        self.refuse_another_peer(&agreed)?;
        self.offered.get_or_insert(now);
        self.start_transport(now, Role::Controlled);
        self.follow(now, &agreed);
        let Some(transport) = &self.transport else { return Err(NegotiateError::Ended) };
        let answer = self.negotiation.answer(offer, agreed, &transport.agent);
        self.described(now);
        Ok(answer)
    }

    /// Takes their answer to our open offer. The same answer once more changes nothing.
    ///
    /// # Errors
    /// It can't be taken, or there is no open offer; nothing has changed.
    pub fn accept_answer(
        &mut self,
        now: Instant,
        answer: &Description,
    ) -> Result<(), NegotiateError> {
        self.refuse_after_end()?;
        if self.negotiation.was_taken(answer) {
            return Ok(());
        }
        let agreed = self.negotiation.read_answer(answer)?;
        self.refuse_another_peer(&agreed)?;
        self.refuse_restart_by_answer(&agreed)?;
        self.follow(now, &agreed);
        self.negotiation.conclude(Some(answer), agreed);
        self.offer_due = None;
        self.described(now);
        Ok(())
    }

    /// Takes trickled candidates. Other credentials than the ones in use restart ICE: then the answer
    /// is a fragment with ours.
    ///
    /// # Errors
    /// There is no description that it could belong to; nothing has changed.
    pub fn apply_fragment(
        &mut self,
        now: Instant,
        fragment: &Fragment,
    ) -> Result<Option<Fragment>, NegotiateError> {
        self.refuse_after_end()?;
        let (Some(transport), Some((ufrag, pwd))) = (&mut self.transport, fragment.credentials())
        else {
            return Err(NegotiateError::ForeignFragment);
        };
        let Some(known) = transport.agent.remote_credentials().cloned() else {
            // Candidates of the session that our open offer would replace come too late to be of use.
            let settled = transport.agent.settled_credentials().1;
            let is_late = settled.is_some_and(|known| known.ufrag == ufrag && known.pwd == pwd);
            return if is_late { Ok(None) } else { Err(self.crossed()) };
        };
        let restarts = known.ufrag != ufrag && known.pwd != pwd;
        if !restarts && (known.ufrag != ufrag || known.pwd != pwd) {
            return Err(NegotiateError::ForeignFragment); // both change, or none (RFC 8839 4.4.1.1.1)
        }
        if restarts && self.negotiation.is_retired(ufrag) {
            return Err(NegotiateError::ForeignFragment); // late: it belongs before a restart
        }
        if restarts && self.negotiation.has_open_offer() {
            return Err(self.crossed()); // ours has the credentials that would change
        }
        if !restarts && self.negotiation.restarted_by(fragment) {
            return Ok(Some(self.negotiation.fragment(&transport.agent))); // sent twice
        }
        if restarts {
            self.negotiation.retire(&known.ufrag);
            let credentials = ice::Credentials { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() };
            transport.agent.handle_input(now, ice::Input::RemoteCredentials(credentials));
        }
        for (_, line) in fragment.candidates() {
            self.learn_candidate(now, line);
        }
        let mid = self.negotiation.agreed().and_then(|agreed| agreed.mid.as_deref());
        if fragment.has_end_of_candidates(mid)
            && let Some(transport) = &mut self.transport
        {
            transport.agent.handle_input(now, ice::Input::RemoteCandidatesDone);
        }
        self.settle(now);
        if !restarts {
            return Ok(None);
        }
        self.negotiation.remember_restart(fragment);
        let agent = self.transport.as_ref().map(|transport| &transport.agent);
        Ok(agent.map(|agent| self.negotiation.fragment(agent)))
    }

    fn crossed(&self) -> NegotiateError {
        match self.negotiation.has_open_offer() && self.phase != Phase::New {
            true => NegotiateError::OfferIsOpen,
            false => NegotiateError::ForeignFragment,
        }
    }

    pub(super) fn refuse_after_end(&self) -> Result<(), NegotiateError> {
        if self.phase == Phase::Ended { Err(NegotiateError::Ended) } else { Ok(()) }
    }

    /// Whoever answers may begin ICE anew only if the offer did (RFC 8839 section 4.4.1.1.1): our own
    /// credentials would change again, and nobody would tell the other side.
    fn refuse_restart_by_answer(&self, agreed: &Agreed) -> Result<(), NegotiateError> {
        let agent = self.transport.as_ref().map(|transport| &transport.agent);
        let known = agent.and_then(|agent| agent.remote_credentials());
        let same = known.is_none_or(|known| known.ufrag == agreed.remote.ice_ufrag);
        same.then_some(()).ok_or(NegotiateError::AnswerRestartsIce)
    }

    pub(super) fn start_transport(&mut self, now: Instant, role: Role) {
        if self.transport.is_some() {
            return;
        }
        let config = ice::Config {
            patience: self.config.ice_patience(),
            policy: self.config.policy,
            public_addresses: self.config.public_addresses.clone(),
            ..ice::Config::new(role)
        };
        let rng = StdRng::from_rng(&mut self.rng);
        let mut transport = Transport::new(config, Arc::clone(&self.certificate), rng);
        self.events.push_back(Event::Gathering { state: GatheringState::Gathering });
        for socket in self.sockets.drain(..) {
            transport.agent.handle_input(now, socket.candidate());
        }
        if self.config.servers.is_empty() || self.addresses_done {
            transport.agent.handle_input(now, ice::Input::LocalCandidatesDone);
        }
        self.transport = Some(transport);
        self.settle(now);
    }

    pub(super) fn socket(&mut self, now: Instant, socket: Socket) {
        match &mut self.transport {
            Some(transport) if !self.negotiation.wants_restart() => {
                transport.agent.handle_input(now, socket.candidate());
            }
            _ => self.sockets.push(socket),
        }
    }

    pub(super) fn lose_socket(&mut self, now: Instant, path: PathId) {
        self.sockets.retain(|socket| socket.path() != path);
        if let Some(transport) = &mut self.transport {
            transport.agent.handle_input(now, ice::Input::PathGone(path));
        }
    }

    /// Hands what both sides know to the machines.
    pub(super) fn follow(&mut self, now: Instant, agreed: &Agreed) {
        let Some(transport) = &mut self.transport else { return };
        transport.identify(identity(agreed));
        let remote = &agreed.remote;
        let known = transport.agent.remote_credentials().cloned();
        if remote.ice_lite && known.is_none() {
            transport.agent.handle_input(now, ice::Input::RemoteLite);
        }
        if remote.has_ice_option(RENOMINATION) {
            transport.agent.handle_input(now, ice::Input::RemoteRenomination);
        }
        let goes_on = known.as_ref().is_some_and(|known| known.ufrag == remote.ice_ufrag);
        if !goes_on {
            if let Some(known) = &known {
                self.negotiation.retire(&known.ufrag);
            }
            let credentials =
                ice::Credentials { ufrag: remote.ice_ufrag.clone(), pwd: remote.ice_pwd.clone() };
            transport.agent.handle_input(now, ice::Input::RemoteCredentials(credentials));
        }
        let before: Vec<Candidate> = match self.negotiation.agreed() {
            Some(before) if goes_on => before.remote.candidates.clone(),
            _ => Vec::new(),
        };
        for line in remote.candidates.iter().filter(|line| !before.contains(line)) {
            self.learn_candidate(now, line);
        }
        if remote.end_of_candidates
            && let Some(transport) = &mut self.transport
        {
            transport.agent.handle_input(now, ice::Input::RemoteCandidatesDone);
        }
        self.sender.configure(agreed, &self.config.opus);
        self.receiver.configure(agreed);
    }

    pub(super) fn learn_candidate(&mut self, now: Instant, line: &Candidate) {
        let (Some(transport), Some(input)) =
            (&mut self.transport, translate::remote_candidate(line))
        else {
            return;
        };
        let candidate = translate::candidate_text(line);
        self.events.push_back(Event::Candidate { side: Side::Remote, candidate });
        transport.agent.handle_input(now, input);
    }

    /// Both descriptions hold.
    fn described(&mut self, now: Instant) {
        if self.phase == Phase::New {
            self.phase = self.phase.after(Signal::Described);
            self.patience = Some(now + self.config.connect_timeout);
            self.events.push_back(Event::Answered);
        }
        self.tell_directions();
        self.settle(now);
    }
}

/// The ICE option of draft-thatcher-ice-renomination: we follow a later nomination, and make some.
const RENOMINATION: &str = "renomination";

/// How the other side is to be recognised, as its description says.
pub(super) fn identity(agreed: &Agreed) -> Identity {
    Identity {
        role: translate::dtls_role(agreed.dtls_role),
        fingerprints: translate::fingerprints(&agreed.remote.fingerprints),
    }
}
