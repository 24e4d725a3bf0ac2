//! The pairs that stand by are asked whether they work, and the one in use while it is in doubt: one probe
//! after the other, at the pace of connectivity checks.
//!
//! When a pair is due: `standby.rs`. What its answer means for the pair in use: `rescue.rs`.

use std::net::SocketAddr;

use super::super::candidate::PathId;
use super::super::check::UseCandidate;
use super::super::checklist::has_consent;
use super::super::message::Outgoing;
use super::super::pair::{Pair, PairId, PairSignal};
use super::super::standby::{Proven, Urgency};
use super::Agent;
use super::response::{FORBIDDEN, ROLE_CONFLICT, is_error};
use crate::stun::{Class, Message, TransactionId};
use crate::time::Instant;

impl Agent {
    /// They check a pair that stands by: if it isn't proven it is probed as soon as the pace allows,
    /// once for each of their checks.
    pub(super) fn probe_soon(&mut self, id: PairId) {
        let now = self.now;
        let Some(pair) = self.list.get_mut(id) else { return };
        if Some(id) != self.selected && !pair.lost_consent && proven(pair, now) == Proven::No {
            pair.standby.due = Some(now);
            self.rescue.probes.hurry(now, self.config.pace);
        }
    }

    pub(super) fn probe_next(&mut self) {
        let now = self.now;
        if now < self.rescue.probes.next_slot() {
            return;
        }
        self.give_up_expired();
        let due = self.list.pairs().iter().filter(|pair| self.may_be_probed(pair));
        let due = due.filter(|pair| pair.standby.due.is_some_and(|due| due <= now));
        let next = due.min_by_key(|pair| {
            let is_standby = Some(pair.id) != self.selected;
            (is_standby, proven(pair, now) == Proven::No, pair.standby.due)
        });
        if let Some(id) = next.map(|pair| pair.id) {
            self.probe(id);
        }
    }

    pub(super) fn may_be_probed(&self, pair: &Pair) -> bool {
        !pair.lost_consent && (Some(pair.id) != self.selected || self.rescue.doubt.is_some())
    }

    fn probe(&mut self, id: PairId) {
        let now = self.now;
        let soon = now + self.config.pace;
        let waits = |pair: &Pair| {
            let is_due = pair.standby.due.is_some_and(|due| due <= soon);
            pair.id != id && is_due && self.may_be_probed(pair)
        };
        let is_alone = !self.list.pairs().iter().any(waits);
        let urgency = match &self.rescue.doubt {
            Some(doubt) => doubt.urgency(now, is_alone),
            None => Urgency::Calm,
        };
        let Some(request) = self.request(id, UseCandidate::No) else { return };
        let Some(pair) = self.list.get_mut(id) else { return };
        let proven = proven(pair, now);
        pair.on(PairSignal::Trigger);
        pair.on(PairSignal::Send);
        match proven {
            Proven::Yes => pair.standby.probed(now, proven, urgency),
            Proven::No => pair.standby.probed(now, proven, Urgency::Calm),
        }
        if pair.standby.due.is_none() {
            pair.on(PairSignal::Fail); // that was the last; an answer still counts
        }
        self.rescue.probes.sent(now, request.id, id, self.config.pace, urgency);
        self.outgoing.push_back(Outgoing::Request(request));
    }

    /// Pairs that stand by and have not answered for 30 s: their consent has run out.
    fn give_up_expired(&mut self) {
        let (now, selected) = (self.now, self.selected);
        for pair in self.list.pairs_mut().filter(|pair| Some(pair.id) != selected) {
            if pair.valid.is_some_and(|valid| !has_consent(valid, now)) {
                pair.on(PairSignal::Fail);
                pair.standby.due = None;
            }
        }
    }

    /// Session, socket and address of the probe with this id.
    pub(super) fn probed_by(&self, id: TransactionId) -> Option<(u32, PathId, SocketAddr)> {
        let pair = self.list.get(self.rescue.probes.find(id)?.0)?;
        Some((self.session.number, pair.path, pair.to))
    }

    pub(super) fn on_probe_response(
        &mut self,
        id: PairId,
        sent: Instant,
        message: &Message<'_>,
        symmetric: bool,
    ) {
        if !symmetric || message.unknown_required().next().is_some() {
            return;
        }
        match message.class() {
            Class::Success => {
                let (now, mapped) = (self.now, message.xor_mapped_address());
                self.on_proof(id, now - sent, mapped);
                let calm = self.rescue.doubt.is_none();
                if let Some(pair) = self.list.get_mut(id) {
                    pair.standby.unanswered = 0;
                    if calm && Some(id) != self.selected {
                        pair.standby.rest(now, Proven::Yes, &mut self.rng);
                    }
                }
            }
            _ if is_error(message, ROLE_CONFLICT) => self.give_way(self.role),
            _ if is_error(message, FORBIDDEN) && Some(id) == self.selected => {
                self.on_consent_refused();
            }
            _ => {}
        }
    }
}

pub(super) fn proven(pair: &Pair, now: Instant) -> Proven {
    if pair.valid.is_some_and(|valid| has_consent(valid, now)) { Proven::Yes } else { Proven::No }
}
