//! Packets come and go: what a peer does with each.

use std::net::SocketAddr;

use super::Peer;
use crate::audio::Frame;
use crate::ice::{self, Arrival, PathId};
use crate::peer::config::{Microphone, Sending};
use crate::peer::demux::{self, Protocol};
use crate::peer::event::{Event, MediaFirst};
use crate::peer::interface::Dropped;
use crate::peer::receive::Heard;
use crate::peer::report::{Leave, Presence};
use crate::rtp::{Conflict, Header};
use crate::time::{Instant, NtpTime};

/// Whether a sealed packet was authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    Yes,
    No,
}

impl Peer {
    /// What was dropped so far.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        let ignored = self.receiver.ignored;
        let counters = self.transport.as_ref().map(|transport| transport.counters);
        let counters = counters.unwrap_or_default();
        Dropped {
            replayed: counters.replayed,
            forged: counters.forged,
            malformed: counters.malformed + ignored.malformed + self.reports.malformed,
            unproven: counters.unproven,
            surplus_early: counters.surplus_early,
            unknown_format: ignored.unknown_format,
            other_section: ignored.other_section,
            other_source: ignored.other_source,
            ice: self.transport.as_ref().map(|t| *t.agent.dropped()).unwrap_or_default(),
        }
    }

    pub(super) fn datagram(
        &mut self,
        now: Instant,
        path: PathId,
        from: SocketAddr,
        bytes: &mut [u8],
    ) {
        let Some(transport) = &mut self.transport else { return };
        let (from, bytes) = match transport.agent.arrive(now, path, from, bytes) {
            Arrival::Direct => (from, bytes),
            Arrival::Relayed(peer, range) => (peer, bytes.get_mut(range).unwrap_or_default()),
            Arrival::Consumed => return,
        };
        match demux::classify(bytes) {
            Some(Protocol::Stun) => {
                transport.agent.handle_input(now, ice::Input::Datagram { path, from, bytes });
            }
            Some(Protocol::Dtls) if transport.accepts(path, from) => {
                transport.receive_dtls(now, bytes);
            }
            Some(Protocol::Rtp | Protocol::Rtcp) if transport.accepts(path, from) => {
                let goes_by = transport.agent.send_pair();
                if self.media(now, bytes) == Opened::Yes && goes_by != Some((path, from)) {
                    self.heard_elsewhere(now, path, from);
                }
            }
            _ => {}
        }
    }

    /// Something authentic came, though not by the pair that we send by: have they moved?
    fn heard_elsewhere(&mut self, now: Instant, path: PathId, from: SocketAddr) {
        if let Some(transport) = &mut self.transport {
            transport.agent.handle_input(now, ice::Input::HeardElsewhere { path, from });
        }
    }

    /// A sealed packet from the other side.
    pub(super) fn media(&mut self, now: Instant, bytes: &mut [u8]) -> Opened {
        match demux::classify(bytes) {
            Some(Protocol::Rtcp) => self.receive_rtcp(now, bytes),
            _ => self.receive_rtp(now, bytes),
        }
    }

    fn receive_rtp(&mut self, now: Instant, bytes: &mut [u8]) -> Opened {
        let Some(packet) =
            self.transport.as_mut().and_then(|transport| transport.open_rtp(now, bytes))
        else {
            return Opened::No;
        };
        self.heard(now);
        self.vigil.packet(now);
        self.hear(now, packet);
        Opened::Yes
    }

    fn hear(&mut self, now: Instant, packet: &[u8]) {
        if !self.negotiation.receives() {
            return;
        }
        if self.check_collision(now, packet) == Some(Conflict::Loop) {
            return;
        }
        let Some(heard) = self.receiver.receive(now, packet) else { return };
        if self.config.sending == Sending::Reflect {
            self.reflect(now, &heard);
        }
        if let Some(missing) = self.absence.heard(now) {
            self.events.push_back(Event::Heard { after_ms: missing.as_secs_f64() * 1e3 });
        }
        if !self.told.received {
            self.told.received = true;
            self.tell_first(now, MediaFirst::PacketReceived);
        }
    }

    /// Mutes what is reflected, or lets it be heard again.
    pub fn mute_reflection(&mut self, microphone: Microphone) {
        self.reflection = microphone;
    }

    fn reflect(&mut self, now: Instant, heard: &Heard<'_>) {
        if !self.is_sending() || !self.has_a_way() {
            return;
        }
        let mut buffer = self.outbox.buffer();
        if self.sender.reflect(now, heard, self.reflection, &mut buffer) {
            self.send_rtp(now, buffer);
        } else {
            self.outbox.recycle(buffer);
        }
    }

    /// Somebody else speaks under our number: one of us has to take another (RFC 3550 section 8.2).
    fn check_collision(&mut self, now: Instant, packet: &[u8]) -> Option<Conflict> {
        let ssrc = Header::parse(packet).ok()?.ssrc;
        let conflict = self.sender.check(ssrc, &mut self.rng);
        if let Conflict::Collision { old, new } = conflict {
            self.report(now, Leave::Yes(old));
            self.negotiation.rename_source(new);
        }
        Some(conflict)
    }

    fn receive_rtcp(&mut self, now: Instant, bytes: &mut [u8]) -> Opened {
        let Some(packet) =
            self.transport.as_mut().and_then(|transport| transport.open_rtcp(now, bytes))
        else {
            return Opened::No;
        };
        let clocks = (now, self.ntp(now));
        match self.reports.receive(clocks, packet, &mut self.sender, &mut self.receiver) {
            Presence::Leaves => self.left = Some(now),
            Presence::Stays => self.heard(now),
        }
        Opened::Yes
    }

    pub(super) fn speak(&mut self, now: Instant, frame: &Frame) {
        if self.config.sending == Sending::Reflect {
            return;
        }
        if !self.is_sending() || !self.has_a_way() {
            self.sender.pass_over(frame);
            return;
        }
        let mut buffer = self.outbox.buffer();
        if self.sender.push(now, frame, &mut buffer) {
            self.send_rtp(now, buffer);
        } else {
            self.outbox.recycle(buffer);
        }
    }

    /// Whether a packet could leave: else none is made, nor counted as sent.
    fn has_a_way(&self) -> bool {
        self.transport.as_ref().is_some_and(|transport| transport.agent.send_pair().is_some())
    }

    fn send_rtp(&mut self, now: Instant, packet: Vec<u8>) {
        let Some(transport) = &mut self.transport else { return };
        if transport.send_rtp(now, &mut self.outbox, packet).is_some() && !self.told.sent {
            self.told.sent = true;
            self.tell_first(now, MediaFirst::PacketSent);
        }
    }

    pub(super) fn report(&mut self, now: Instant, leave: Leave) {
        let mut buffer = self.outbox.buffer();
        let clocks = (now, self.ntp(now));
        let (sender, receiver) = (&self.sender, &mut self.receiver);
        let written = self.reports.write(clocks, sender, receiver, leave, &mut buffer);
        let sent = match (written, &mut self.transport) {
            (Ok(()), Some(transport)) => transport.send_rtcp(now, &mut self.outbox, buffer),
            _ => {
                self.outbox.recycle(buffer);
                None
            }
        };
        // Where nothing can be sent the next one is due no earlier for that.
        self.reports.sent(now, sent.unwrap_or_default());
    }

    fn ntp(&self, now: Instant) -> NtpTime {
        self.config.wall_clock + now.since_start()
    }
}
