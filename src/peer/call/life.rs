//! What happens below, and what a call makes of it: states, firsts, figures, the end.

use std::time::Duration;

use super::phase::{Phase, Signal};
use super::{FIGURES_EVERY, Peer, evidence};
use crate::dtls_srtp::{Failure, HashAlgorithm};
use crate::ice;
use crate::peer::event::{
    DtlsAgreed, DtlsState, End, Event, Figures, IceState, MediaFirst, Side, Step,
};
use crate::peer::reason::Reason;
use crate::peer::report::Leave;
use crate::peer::translate;
use crate::peer::transport::Happened;
use crate::time::Instant;

/// Whoever has said goodbye and is not heard for so long has left: reports alone come every second.
pub(super) const FAREWELL: Duration = Duration::from_secs(3);
/// What arrives so soon after a goodbye was sent before it, and overtaken.
const STRAGGLERS: Duration = Duration::from_millis(500);

impl Peer {
    /// Lets the machines say what they have to say, and follows, until they are silent.
    pub(super) fn settle(&mut self, now: Instant) {
        while self.phase != Phase::Ended {
            let Some(transport) = &mut self.transport else { return };
            transport.pump(now, &mut self.outbox, &mut self.happened);
            if self.happened.is_empty() {
                return;
            }
            while let Some(happened) = self.happened.pop_front() {
                self.follow_up(now, happened);
            }
        }
    }

    fn follow_up(&mut self, now: Instant, happened: Happened) {
        match happened {
            Happened::Ice(event) => self.follow_ice(now, event),
            Happened::Connecting => self.tell_dtls(DtlsState::Connecting),
            Happened::Connected => self.secured(now),
            Happened::Closed => {
                self.tell_dtls(DtlsState::Closed);
                self.end(now, End::HungUpByPeer, "the other side hung up");
            }
            Happened::Failed(failure) => {
                self.tell_dtls(DtlsState::Failed);
                let reason = match failure {
                    Failure::NoAnswer => self.why_no_keys(),
                    other => Reason::new(format!("the DTLS handshake failed: {other}"), None),
                };
                self.end(now, End::Failed { step: Step::Dtls }, reason);
            }
        }
    }

    fn follow_ice(&mut self, now: Instant, event: ice::Event) {
        match event {
            ice::Event::State(state) => {
                self.events.push_back(Event::Ice { state: ice_state(state) });
                if state == ice::State::Failed {
                    let reason = self.why_no_pair();
                    self.end(now, End::Failed { step: Step::Ice }, reason);
                }
            }
            ice::Event::LocalCandidate(candidate) => {
                let candidate =
                    translate::candidate_text(&self.negotiation.candidate_line(&candidate));
                self.events.push_back(Event::Candidate { side: Side::Local, candidate });
            }
            ice::Event::SelectedPair(pair) => {
                self.in_use = Some(evidence::selected_text(&pair));
                self.events.push_back(Event::Pair {
                    local: translate::candidate_text(&self.negotiation.candidate_line(&pair.local)),
                    remote: translate::candidate_text(
                        &self.negotiation.candidate_line(&pair.remote),
                    ),
                    rtt: pair.round_trip_time.map_or(0.0, |rtt| rtt.as_secs_f64() * 1e3),
                });
                self.check_connected(now);
            }
            ice::Event::ConsentLost => {
                let reason = self.why_consent_is_lost();
                self.end(now, End::Failed { step: Step::Ice }, reason);
            }
            ice::Event::NameToResolve(name) => self.names.push_back(name),
            ice::Event::Gathered => self.gathered(now),
            ice::Event::ServerSilent(addr) => self.server_silent(addr),
            ice::Event::RelayEnded { path, ended } => self.relay_ended(now, path, ended),
            ice::Event::RestartNeeded => self.events.push_back(Event::RestartNeeded),
            ice::Event::Role(_) | ice::Event::SendPair(_) => {}
        }
    }

    /// There are keys, and they are the right ones.
    fn secured(&mut self, now: Instant) {
        self.tell_dtls(DtlsState::Connected);
        self.reports.start(now);
        self.check_connected(now);
        while let Some(mut packet) = self.transport.as_mut().and_then(|t| t.next_early_media()) {
            self.media(now, &mut packet);
        }
    }

    fn check_connected(&mut self, now: Instant) {
        let Some(transport) = &self.transport else { return };
        let ready = transport.is_secured() && transport.agent.selected().is_some();
        if ready && self.phase == Phase::Connecting {
            self.phase = self.phase.after(Signal::Secured);
            self.next_figures = Some(now + FIGURES_EVERY);
            self.events.push_back(Event::Connected { ms: self.since_offer(now), phrase: None });
        }
    }

    /// An authentic packet came. A goodbye may also mean that they go on under another number (RFC 3550
    /// section 8.2): then they are heard again.
    pub(super) fn heard(&mut self, now: Instant) {
        if self.left.is_some_and(|left| left + STRAGGLERS < now) {
            self.left = None;
        }
    }

    /// They have said goodbye by RTCP, and their close_notify was lost.
    pub(super) fn check_farewell(&mut self, now: Instant) {
        if self.left.is_some_and(|left| left + FAREWELL <= now) {
            self.end(now, End::HungUpByPeer, "the other side said goodbye");
        }
    }

    /// Media came steadily and stopped, though nobody said that it would.
    pub(super) fn check_media(&mut self, now: Instant) {
        if self.left.is_some() || !self.negotiation.receives() || self.config.opus.dtx {
            self.vigil.rest();
        }
        if self.vigil.has_stopped(now)
            && let Some(transport) = &mut self.transport
        {
            transport.agent.handle_input(now, ice::Input::MediaStopped);
        }
    }

    /// It takes too long.
    pub(super) fn give_up(&mut self, now: Instant) {
        if self.phase == Phase::Ended {
            return;
        }
        let (step, reason) = if self.has_way_out() {
            (Step::Dtls, self.why_no_keys())
        } else {
            (Step::Ice, self.why_no_pair())
        };
        self.end(now, End::Failed { step }, reason);
    }

    /// Who found no way from there knows of their checks; we know of ours, and where we stand.
    pub(super) fn failed_elsewhere(&mut self, now: Instant, step: Step, reason: String) {
        let is_ours = step == Step::Ice && self.phase == Phase::Connecting && !self.has_way_out();
        let reason = if is_ours { self.why_no_pair() } else { Reason::new(reason, None) };
        self.end(now, End::Failed { step }, reason);
    }

    fn has_way_out(&self) -> bool {
        self.transport.as_ref().is_some_and(|t| t.agent.send_pair().is_some())
    }

    /// Tells the other side, then ends.
    pub(super) fn hang_up(&mut self, now: Instant) {
        if self.phase == Phase::Ended {
            return;
        }
        if self.is_secured() {
            self.report(now, Leave::Yes(self.sender.ssrc()));
        }
        if let Some(transport) = &mut self.transport {
            transport.close_dtls(now);
        }
        self.settle(now);
        self.end(now, End::HungUp, "hung up");
    }

    /// Over. [`Event::Ended`] is the last that is told.
    pub(super) fn end(&mut self, now: Instant, end: End, reason: impl Into<Reason>) {
        if self.phase == Phase::Ended {
            return;
        }
        self.phase = self.phase.after(Signal::Over);
        if let Some(transport) = &mut self.transport {
            // What the machines have still to say goes out, their last events too.
            transport.pump(now, &mut self.outbox, &mut self.happened);
            transport.agent.handle_input(now, ice::Input::Close);
            transport.pump(now, &mut self.outbox, &mut self.happened);
        }
        for happened in std::mem::take(&mut self.happened) {
            if let Happened::Ice(ice::Event::State(state)) = happened {
                self.events.push_back(Event::Ice { state: ice_state(state) });
            }
        }
        let Reason { sentence: reason, remedy } = reason.into();
        self.events.push_back(Event::Ended { reason, end, remedy });
    }

    fn tell_dtls(&mut self, state: DtlsState) {
        let agreed = match state {
            DtlsState::Connected => self.dtls_agreed(),
            _ => None,
        };
        self.events.push_back(Event::Dtls { state, agreed });
    }

    fn dtls_agreed(&self) -> Option<DtlsAgreed> {
        let agreed = self.transport.as_ref()?.agreed.as_ref()?;
        Some(DtlsAgreed {
            version: agreed.version.to_owned(),
            cipher: agreed.cipher.to_owned(),
            srtp_profile: agreed.profile.to_string(),
            local_fingerprint: self.certificate.fingerprint(HashAlgorithm::Sha256).to_string(),
            remote_fingerprint: agreed.remote_fingerprint.to_string(),
        })
    }

    /// What happened for the first time, and when.
    pub(super) fn tell_first(&mut self, now: Instant, first: MediaFirst) {
        self.events.push_back(Event::Media { first, ms: self.since_offer(now) });
    }

    fn since_offer(&self, now: Instant) -> f64 {
        self.offered.map_or(0.0, |offered| (now - offered).as_secs_f64() * 1e3)
    }

    /// The figures since the last ones.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let reception = self.receiver.stream().map(|stream| &stream.reception);
        let received = reception.map_or(0, crate::rtp::Reception::packets);
        let lost = reception.map_or(0, |reception| i64::from(reception.cumulative_lost()));
        let (received_before, lost_before) = self.figured;
        let newly_lost = (lost - lost_before).max(0) as f64;
        let expected = newly_lost + received.saturating_sub(received_before) as f64;
        let counters = self.receiver.counters();
        let agent = self.transport.as_ref().map(|transport| &transport.agent);
        // The one that media goes by, also while ICE begins anew.
        let pair = agent.and_then(|agent| agent.every_pair().find(|pair| pair.selected));
        let by_ice = pair.and_then(|pair| pair.figures.current_round_trip_time);
        let rtt = self.reports.round_trip.or(by_ice);
        let lag = self.receiver.stream().and_then(|stream| stream.jitter.lag());
        Figures {
            loss: if expected > 0.0 { newly_lost / expected } else { 0.0 },
            jitter: reception.map_or(0.0, |reception| reception.jitter().as_secs_f64() * 1e3),
            rtt: rtt.map(|rtt| rtt.as_secs_f64() * 1e3),
            level_in: -f64::from(self.sender.level().dbov()),
            level_out: -f64::from(self.receiver.level().dbov()),
            jitter_buffer_delay: lag.map_or(0.0, |lag| lag.as_secs_f64() * 1e3),
            concealed_samples: counters.concealed_samples,
            total_samples: counters.total_samples_received,
            packets_sent: self.sender.stream.packets(),
            packets_received: received,
            packets_lost: lost,
        }
    }

    /// The state of DTLS, as the W3C names it.
    pub(super) fn dtls_state(&self) -> DtlsState {
        match (&self.transport, self.phase) {
            (_, Phase::Ended) => DtlsState::Closed,
            (Some(transport), _) if transport.is_secured() => DtlsState::Connected,
            (Some(transport), _) if transport.has_begun() => DtlsState::Connecting,
            _ => DtlsState::New,
        }
    }
}

pub(in crate::peer) const fn ice_state(state: ice::State) -> IceState {
    match state {
        ice::State::New => IceState::New,
        ice::State::Checking => IceState::Checking,
        ice::State::Connected => IceState::Connected,
        ice::State::Completed => IceState::Completed,
        ice::State::Disconnected => IceState::Disconnected,
        ice::State::Failed => IceState::Failed,
        ice::State::Closed => IceState::Closed,
    }
}
