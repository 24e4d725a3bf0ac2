//! A proven, sealed way to the other side: ICE below, DTLS on it, SRTP beside it (W3C `RTCDtlsTransport`
//! on `RTCIceTransport`).
//!
//! ```text
//! ICE has a pair --> DTLS begins on it --> fingerprint matched --> SRTP seals and opens
//! ```
//! DTLS and media go where [`Agent::send_pair`] says, and move with it. What comes too early is kept for a
//! moment: DTLS until there is a pair to answer on and a role to answer in, media until there are keys,
//! for both may overtake the datagram that they wait for.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use rand::rngs::StdRng;

use crate::dtls_srtp::{
    Certificate, Connected, Failure, Fingerprint, Handshake, Inbound, Outbound, Role, SrtpError,
    SrtpProfile,
};
use crate::dtls_srtp::{Event as DtlsEvent, Input as DtlsInput, Output as DtlsOutput};
use crate::ice::{self, Agent, PathId};
use crate::peer::early::Early;
use crate::peer::outbox::{HEADROOM, Outbox};
use crate::peer::traffic::Traffic;
use crate::time::Instant;

/// ICE, DTLS and SRTP of one call.
pub(super) struct Transport {
    pub(super) agent: Agent,
    certificate: Arc<Certificate>,
    identity: Option<Identity>,
    handshake: Option<Handshake>,
    /// What the handshake agreed on, once it did.
    pub(super) agreed: Option<Agreed>,
    srtp: Option<(Outbound, Inbound)>,
    /// Whether a sealed packet of theirs was opened: they have the keys, too.
    heard: bool,
    early_dtls: Early,
    early_media: Early,
    timeouts: [Option<Instant>; 2],
    pub(super) counters: Counters,
    pub(super) traffic: Traffic,
    /// Datagrams of DTLS that came.
    pub(super) dtls_received: u64,
    /// Pairs selected so far.
    pub(super) selections: u64,
}

/// What a finished handshake agreed on; its keys went into the SRTP contexts and nowhere else.
#[derive(Clone, Debug)]
pub(super) struct Agreed {
    pub(super) version: &'static str,
    pub(super) cipher: &'static str,
    pub(super) profile: SrtpProfile,
    pub(super) remote_fingerprint: Fingerprint,
    /// DER.
    pub(super) remote_certificate: Vec<u8>,
}

/// How the other side is to be recognised, and who begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) role: Role,
    pub(super) fingerprints: Vec<Fingerprint>,
}

/// What happened below.
#[derive(Debug)]
pub(super) enum Happened {
    /// ICE says.
    Ice(ice::Event),
    /// The handshake has begun.
    Connecting,
    /// The other side is who the description says; sealed packets can travel.
    Connected,
    /// It sent close_notify.
    Closed,
    /// There will be no keys.
    Failed(Failure),
}

/// Datagrams that were dropped, by reason.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    /// Seen before, or older than the replay window.
    pub(super) replayed: u64,
    /// Forged, damaged, or of another call.
    pub(super) forged: u64,
    /// Not even worth a look at the tag.
    pub(super) malformed: u64,
    /// From an address that no authenticated check came from.
    pub(super) unproven: u64,
    /// Before the keys, beyond what is kept.
    pub(super) surplus_early: u64,
    /// Nothing could be sent: no pair, or consent was lost.
    pub(super) unsendable: u64,
}

/// Room for SRTP's tag, or SRTCP's index and tag.
const TRAILER: usize = 20;

impl Transport {
    pub(super) fn new(config: ice::Config, certificate: Arc<Certificate>, rng: StdRng) -> Self {
        Self {
            agent: Agent::new(config, rng),
            certificate,
            identity: None,
            handshake: None,
            agreed: None,
            srtp: None,
            heard: false,
            early_dtls: Early::new(8),
            early_media: Early::new(32),
            timeouts: [None; 2],
            counters: Counters::default(),
            traffic: Traffic::default(),
            dtls_received: 0,
            selections: 0,
        }
    }

    /// The first description told who the other side is.
    pub(super) fn identify(&mut self, identity: Identity) {
        self.identity.get_or_insert(identity);
    }

    /// Who the other side is, as its first description told.
    pub(super) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Whether the handshake has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.handshake.is_some()
    }

    pub(super) fn role(&self) -> Option<Role> {
        self.identity.as_ref().map(|identity| identity.role)
    }

    pub(super) fn is_secured(&self) -> bool {
        self.srtp.is_some()
    }

    /// Time has come for whatever is due.
    pub(super) fn tick(&mut self, now: Instant) {
        let [ice, dtls] = self.timeouts;
        if ice.is_some_and(|due| due <= now) {
            self.agent.handle_input(now, ice::Input::Timer);
        }
        if dtls.is_some_and(|due| due <= now)
            && let Some(handshake) = &mut self.handshake
        {
            handshake.handle_input(now, DtlsInput::Timer);
        }
    }

    /// The next moment at which [`Self::tick`] has something to do.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.timeouts.into_iter().flatten().min()
    }

    /// A datagram whose first byte says DTLS.
    pub(super) fn receive_dtls(&mut self, now: Instant, bytes: &[u8]) {
        self.traffic.received(now, bytes.len());
        self.dtls_received += 1;
        match &mut self.handshake {
            Some(handshake) => handshake.handle_input(now, DtlsInput::Datagram(bytes)),
            None => {
                let kept = self.early_dtls.keep(bytes);
                self.counters.surplus_early += u64::from(!kept);
            }
        }
    }

    /// Opens an RTP packet in place; none if it has to be dropped, or is kept until there are keys.
    pub(super) fn open_rtp<'a>(&mut self, now: Instant, packet: &'a mut [u8]) -> Option<&'a [u8]> {
        self.open(now, packet, Inbound::unprotect_rtp)
    }

    /// Opens an RTCP packet in place.
    pub(super) fn open_rtcp<'a>(&mut self, now: Instant, packet: &'a mut [u8]) -> Option<&'a [u8]> {
        self.open(now, packet, Inbound::unprotect_rtcp)
    }

    fn open<'a>(
        &mut self,
        now: Instant,
        packet: &'a mut [u8],
        unprotect: impl FnOnce(&mut Inbound, &mut [u8]) -> Result<usize, SrtpError>,
    ) -> Option<&'a [u8]> {
        let Some((_, inbound)) = &mut self.srtp else {
            let kept = self.early_media.keep(packet);
            self.counters.surplus_early += u64::from(!kept);
            return None;
        };
        let opened = unprotect(inbound, packet);
        match opened {
            Ok(length) => {
                self.traffic.received(now, packet.len());
                self.stop_repeating(now);
                return packet.get(..length);
            }
            Err(SrtpError::Replayed) => self.counters.replayed += 1,
            Err(SrtpError::AuthenticationFailed) => self.counters.forged += 1,
            Err(_) => self.counters.malformed += 1,
        }
        None
    }

    /// The other side sends sealed packets: nothing of the handshake has to be said again.
    fn stop_repeating(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.heard, true)
            && let Some(handshake) = &mut self.handshake
        {
            handshake.handle_input(now, DtlsInput::Heard);
        }
    }

    /// Media that came before the keys, in order; none until there are keys.
    pub(super) fn next_early_media(&mut self) -> Option<Vec<u8>> {
        self.srtp.as_ref().and_then(|_| self.early_media.next())
    }

    /// Seals an RTP packet and sends it. Says how long it is on the wire.
    pub(super) fn send_rtp(
        &mut self,
        now: Instant,
        outbox: &mut Outbox,
        packet: Vec<u8>,
    ) -> Option<usize> {
        self.send(now, outbox, packet, Outbound::protect_rtp)
    }

    /// Seals a compound of RTCP packets and sends it. Says how long it is on the wire.
    pub(super) fn send_rtcp(
        &mut self,
        now: Instant,
        outbox: &mut Outbox,
        packet: Vec<u8>,
    ) -> Option<usize> {
        self.send(now, outbox, packet, Outbound::protect_rtcp)
    }

    fn send(
        &mut self,
        now: Instant,
        outbox: &mut Outbox,
        mut packet: Vec<u8>,
        protect: impl FnOnce(&mut Outbound, &mut [u8], usize) -> Result<usize, SrtpError>,
    ) -> Option<usize> {
        let length = packet.len().saturating_sub(HEADROOM);
        packet.resize(HEADROOM + length + TRAILER, 0);
        let route = self.agent.send_pair().zip(self.srtp.as_mut());
        let sealed = route.and_then(|(pair, (outbound, _))| {
            let (_, bytes) = packet.split_at_mut(HEADROOM);
            Some((pair, protect(outbound, bytes, length).ok()?))
        });
        let Some((pair, sealed)) = sealed else {
            self.counters.unsendable += 1;
            outbox.recycle(packet);
            return None;
        };
        packet.truncate(HEADROOM + sealed);
        self.dispatch(now, outbox, pair, packet).then_some(sealed)
    }

    /// Sends what lies behind the headroom, by a relay if the path leads to one. Says whether it could.
    fn dispatch(
        &mut self,
        now: Instant,
        outbox: &mut Outbox,
        (path, to): (PathId, SocketAddr),
        mut packet: Vec<u8>,
    ) -> bool {
        let length = packet.len().saturating_sub(HEADROOM);
        let Some((next_hop, begin)) = self.agent.frame(path, to, &mut packet, HEADROOM) else {
            self.counters.unsendable += 1;
            outbox.recycle(packet);
            return false;
        };
        self.traffic.sent(now, (self.agent.media_session(), path, to), length);
        outbox.push(path, next_hop, packet, begin);
        true
    }

    /// Says goodbye by DTLS, then stops; call [`Self::pump`] in between to let it out.
    pub(super) fn close_dtls(&mut self, now: Instant) {
        if let Some(handshake) = &mut self.handshake {
            handshake.handle_input(now, DtlsInput::Close);
        }
    }

    /// Whether media and DTLS from there may be the other side's.
    pub(super) fn accepts(&mut self, path: PathId, from: SocketAddr) -> bool {
        let accepts = self.agent.accepts(path, from);
        self.counters.unproven += u64::from(!accepts);
        if accepts {
            self.traffic.arrives((self.agent.session_of(path, from), path, from));
        }
        accepts
    }

    /// Carries out what the machines ask for until they ask for nothing more.
    pub(super) fn pump(
        &mut self,
        now: Instant,
        outbox: &mut Outbox,
        happened: &mut VecDeque<Happened>,
    ) {
        self.pump_ice(outbox, happened);
        self.begin_dtls(now, happened);
        self.pump_dtls(now, outbox, happened);
    }

    fn pump_ice(&mut self, outbox: &mut Outbox, happened: &mut VecDeque<Happened>) {
        loop {
            match self.agent.poll_output() {
                ice::Output::Transmit { path, to, bytes } => outbox.push_copy(path, to, bytes),
                ice::Output::Event(event) => {
                    self.selections += u64::from(matches!(event, ice::Event::SelectedPair(_)));
                    happened.push_back(Happened::Ice(event));
                }
                ice::Output::Timeout(timeout) => {
                    self.timeouts[0] = timeout;
                    return;
                }
            }
        }
    }

    /// Once there is a pair to talk on, and somebody to expect.
    fn begin_dtls(&mut self, now: Instant, happened: &mut VecDeque<Happened>) {
        let Some(identity) = &self.identity else { return };
        if self.handshake.is_some() || self.agent.send_pair().is_none() {
            return;
        }
        let mut handshake = match Handshake::new(&self.certificate, identity.role) {
            Ok(handshake) => handshake,
            Err(error) => {
                happened.push_back(Happened::Failed(Failure::OpenSsl(error.to_string())));
                return;
            }
        };
        handshake.handle_input(now, DtlsInput::Expect(&identity.fingerprints));
        handshake.handle_input(now, DtlsInput::Timer);
        while let Some(datagram) = self.early_dtls.next() {
            handshake.handle_input(now, DtlsInput::Datagram(&datagram));
        }
        self.handshake = Some(handshake);
        happened.push_back(Happened::Connecting);
    }

    fn pump_dtls(&mut self, now: Instant, outbox: &mut Outbox, happened: &mut VecDeque<Happened>) {
        let pair = self.agent.send_pair();
        while let Some(handshake) = &mut self.handshake {
            match handshake.poll_output() {
                DtlsOutput::Transmit(bytes) => match pair {
                    Some(pair) => {
                        let mut packet = outbox.buffer();
                        packet.extend_from_slice(bytes);
                        self.dispatch(now, outbox, pair, packet);
                    }
                    None => self.counters.unsendable += 1, // its timer sends it again
                },
                DtlsOutput::Event(DtlsEvent::Connected(connected)) => {
                    let Connected { version, cipher, profile, .. } = *connected;
                    happened.push_back(match connected.keys.contexts() {
                        Ok(contexts) => {
                            self.srtp = Some(contexts);
                            self.agreed = Some(Agreed {
                                version,
                                cipher,
                                profile,
                                remote_fingerprint: connected.remote_fingerprint.clone(),
                                remote_certificate: connected.remote_certificate.clone(),
                            });
                            Happened::Connected
                        }
                        Err(error) => Happened::Failed(Failure::OpenSsl(error.to_string())),
                    });
                }
                DtlsOutput::Event(DtlsEvent::Closed) => happened.push_back(Happened::Closed),
                DtlsOutput::Event(DtlsEvent::Failed(failure)) => {
                    happened.push_back(Happened::Failed(failure));
                }
                DtlsOutput::Timeout(timeout) => {
                    self.timeouts[1] = timeout;
                    return;
                }
            }
        }
    }
}
