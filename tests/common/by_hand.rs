//! The far end of a call, written by hand: it can send any RTP and RTCP packet, and reads what comes in
//! the clear.
//!
//! ICE, DTLS and SRTP are the crate's own; what goes in them is the test's. The network between is perfect
//! and takes no time.
#![allow(dead_code, unreachable_pub)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use halloo::audio::{Channels, Codec, Encoded, Encoder, Frame, Settings};
use halloo::dtls_srtp::{
    Certificate, Event as DtlsEvent, Handshake, HashAlgorithm, Inbound, Input as DtlsInput,
    Outbound, Output as DtlsOutput, Role as DtlsRole,
};
use halloo::ice::{self, Agent, PathId, Role};
use halloo::peer::config::Config;
use halloo::peer::demux::{Protocol, classify};
use halloo::peer::event::Event;
use halloo::peer::{Input, Output, Peer};
use halloo::sdp::Description;
use halloo::time::Instant;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Addresses of the peer under test and of the hand.
const PEER: ([u8; 4], u16) = ([192, 0, 2, 1], 5_000);
const HAND: ([u8; 4], u16) = ([192, 0, 2, 9], 9_000);

/// A peer under test, connected to a hand.
pub struct Hand {
    /// Under test.
    pub peer: Peer,
    /// The virtual time.
    pub now: Instant,
    /// What the peer told.
    pub events: Vec<Event>,
    /// RTP packets of the peer, in the clear.
    pub rtp: Vec<Vec<u8>>,
    /// RTCP compounds of the peer, in the clear.
    pub rtcp: Vec<Vec<u8>>,
    /// What the peer played.
    pub heard: Vec<f32>,
    agent: Agent,
    handshake: Handshake,
    srtp: Option<(Outbound, Inbound)>,
    closed: bool,
}

/// An RTP packet to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Rtp<'a> {
    pub ssrc: u32,
    pub payload_type: u8,
    pub number: u16,
    pub timestamp: u32,
    /// The section it names, by extension 1.
    pub mid: Option<&'a str>,
    pub payload: &'a [u8],
    /// Bytes of padding behind the payload.
    pub padding: u8,
}

impl Default for Rtp<'_> {
    fn default() -> Self {
        Self {
            ssrc: 0x1111_1111,
            payload_type: 0,
            number: 0,
            timestamp: 0,
            mid: None,
            payload: &[],
            padding: 0,
        }
    }
}

impl Rtp<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x80, self.payload_type];
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        if let Some(mid) = self.mid {
            bytes[0] |= 0x10;
            let mut element = vec![1 << 4 | (mid.len() as u8 - 1)];
            element.extend(mid.as_bytes());
            element.resize(element.len().next_multiple_of(4), 0);
            bytes.extend([0xbe, 0xde, 0, (element.len() / 4) as u8]);
            bytes.extend(element);
        }
        bytes.extend(self.payload);
        if self.padding > 0 {
            bytes[0] |= 0x20;
            bytes.extend(vec![0; usize::from(self.padding) - 1]);
            bytes.push(self.padding);
        }
        bytes
    }
}

impl Hand {
    /// The peer offers; the hand answers and both connect.
    pub fn connected(config: Config) -> Self {
        Self::new(config, |answer| answer)
    }

    /// The same with another answer.
    pub fn new(config: Config, edit: impl FnOnce(String) -> String) -> Self {
        let certificate = Certificate::generate().unwrap();
        let mut peer =
            Peer::new(config, Arc::new(Certificate::generate().unwrap()), StdRng::seed_from_u64(1));
        let now = Instant::ZERO;
        let (path, addr) = (PathId(0), SocketAddr::from(PEER));
        peer.handle_input(now, Input::LocalAddress { path, addr });
        let offer = peer.make_offer(now).unwrap();
        let mut agent = Agent::new(ice::Config::new(Role::Controlled), StdRng::seed_from_u64(2));
        agent.handle_input(now, ice::Input::LocalCandidate { path, addr: HAND.into() });
        agent.handle_input(now, ice::Input::LocalCandidatesDone);
        let section = offer.sections().next().unwrap();
        let credentials = ice::Credentials {
            ufrag: section.ice_ufrag().unwrap().to_owned(),
            pwd: section.ice_pwd().unwrap().to_owned(),
        };
        agent.handle_input(now, ice::Input::RemoteCredentials(credentials));
        let expected: Vec<_> =
            section.fingerprints().map(|print| print.to_string().parse().unwrap()).collect();
        let mut handshake = Handshake::new(&certificate, DtlsRole::Client).unwrap();
        handshake.handle_input(now, DtlsInput::Expect(&expected));
        let answer: Description = edit(answer(&agent, &certificate)).parse().unwrap();
        peer.accept_answer(now, &answer).unwrap();
        let mut hand = Self {
            peer,
            now,
            events: vec![],
            rtp: vec![],
            rtcp: vec![],
            heard: vec![],
            agent,
            handshake,
            srtp: None,
            closed: false,
        };
        for _ in 0..100 {
            hand.wait(Duration::from_millis(10));
        }
        assert!(hand.peer.is_connected(), "{:?}", hand.events);
        hand
    }

    /// Time passes, timers run, what is sent arrives.
    pub fn wait(&mut self, time: Duration) {
        self.now += time;
        self.peer.handle_input(self.now, Input::Timer);
        self.agent.handle_input(self.now, ice::Input::Timer);
        if self.agent.send_pair().is_some() && self.srtp.is_none() {
            self.handshake.handle_input(self.now, DtlsInput::Timer);
        }
        self.exchange();
    }

    /// Ten milliseconds: the peer speaks and listens.
    pub fn tick(&mut self) {
        let mut frame = Frame::silence(Channels::Mono);
        frame.samples_mut().iter_mut().step_by(3).for_each(|sample| *sample = 0.3);
        self.peer.handle_input(self.now, Input::Audio(&frame));
        self.peer.play(self.now, &mut frame);
        self.heard.extend(frame.samples());
        self.wait(Frame::DURATION);
    }

    /// Seals an RTP packet and sends it.
    pub fn send(&mut self, packet: &Rtp<'_>) {
        let mut bytes = packet.bytes();
        let length = bytes.len();
        bytes.resize(length + 32, 0);
        let (outbound, _) = self.srtp.as_mut().unwrap();
        let sealed = outbound.protect_rtp(&mut bytes, length).unwrap();
        self.give(&mut bytes[..sealed]);
    }

    /// Seals RTCP and sends it.
    pub fn send_rtcp(&mut self, rtcp: &[u8]) {
        let mut bytes = rtcp.to_vec();
        bytes.resize(rtcp.len() + 32, 0);
        let (outbound, _) = self.srtp.as_mut().unwrap();
        let sealed = outbound.protect_rtcp(&mut bytes, rtcp.len()).unwrap();
        self.give(&mut bytes[..sealed]);
    }

    /// Hangs up by close_notify.
    pub fn close(&mut self) {
        self.handshake.handle_input(self.now, DtlsInput::Close);
        self.exchange();
    }

    /// Whether the peer has said close_notify.
    pub fn was_closed(&self) -> bool {
        self.closed
    }

    /// The peer hangs up.
    pub fn peer_hangs_up(&mut self) {
        self.peer.handle_input(self.now, Input::Close);
        self.exchange();
    }

    fn give(&mut self, bytes: &mut [u8]) {
        let input = Input::Datagram { path: PathId(0), from: HAND.into(), bytes };
        self.peer.handle_input(self.now, input);
        self.exchange();
    }

    fn exchange(&mut self) {
        loop {
            let sent = self.pump_peer();
            let answered = self.pump_hand();
            if !sent && !answered {
                return;
            }
        }
    }

    fn pump_peer(&mut self) -> bool {
        let mut any = false;
        loop {
            let mut bytes = match self.peer.poll_output() {
                Output::Timeout(_) => return any,
                Output::Event(event) => {
                    self.events.push(event);
                    continue;
                }
                Output::NameToResolve(name) => panic!("nobody named {name}"),
                other @ (Output::OpenRelay { .. } | Output::CloseRelay(_)) => panic!("{other:?}"),
                Output::Transmit { bytes, .. } => bytes.to_vec(),
            };
            any = true;
            match classify(&bytes) {
                Some(Protocol::Stun) => {
                    let (path, from, bytes) = (PathId(0), PEER.into(), bytes.as_slice());
                    self.agent.handle_input(self.now, ice::Input::Datagram { path, from, bytes });
                }
                Some(Protocol::Dtls) => {
                    self.handshake.handle_input(self.now, DtlsInput::Datagram(&bytes));
                }
                Some(Protocol::Rtp) => {
                    let Some((_, inbound)) = &mut self.srtp else { continue };
                    let length = inbound.unprotect_rtp(&mut bytes).unwrap();
                    self.rtp.push(bytes[..length].to_vec());
                }
                _ => {
                    let Some((_, inbound)) = &mut self.srtp else { continue };
                    let length = inbound.unprotect_rtcp(&mut bytes).unwrap();
                    self.rtcp.push(bytes[..length].to_vec());
                }
            }
        }
    }

    fn pump_hand(&mut self) -> bool {
        let mut datagrams: Vec<Vec<u8>> = Vec::new();
        loop {
            match self.agent.poll_output() {
                ice::Output::Transmit { bytes, .. } => datagrams.push(bytes.to_vec()),
                ice::Output::Event(_) => {}
                ice::Output::Timeout(_) => break,
            }
        }
        loop {
            match self.handshake.poll_output() {
                DtlsOutput::Transmit(bytes) => datagrams.push(bytes.to_vec()),
                DtlsOutput::Event(DtlsEvent::Connected(connected)) => {
                    self.srtp = Some(connected.keys.contexts().unwrap());
                }
                DtlsOutput::Event(DtlsEvent::Closed) => self.closed = true,
                DtlsOutput::Event(DtlsEvent::Failed(failure)) => panic!("{failure}"),
                DtlsOutput::Timeout(_) => break,
            }
        }
        for bytes in &mut datagrams {
            let input = Input::Datagram { path: PathId(0), from: HAND.into(), bytes };
            self.peer.handle_input(self.now, input);
        }
        !datagrams.is_empty()
    }
}

/// What the hand answers: Opus, PCMU and PCMA under the usual numbers, names of sections as extension 1.
fn answer(agent: &Agent, certificate: &Certificate) -> String {
    let ice::Credentials { ufrag, pwd } = agent.local_credentials();
    let fingerprint = certificate.fingerprint(HashAlgorithm::Sha256);
    [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 useinbandfec=1",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=setup:active",
        &format!("a=ice-ufrag:{ufrag}"),
        &format!("a=ice-pwd:{pwd}"),
        &format!("a=fingerprint:{fingerprint}"),
        "a=candidate:1 1 udp 2130706431 192.0.2.9 9000 typ host",
        "a=end-of-candidates",
    ]
    .map(|line| format!("{line}\r\n"))
    .concat()
}

/// Payloads of a tone, 20 ms each.
pub fn tone(codec: Codec, hz: f32, count: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(&Settings::new(codec)).unwrap();
    let mut payload = [0; Encoder::MAX_PAYLOAD];
    let mut frame = Frame::silence(Channels::Mono);
    let mut payloads = Vec::new();
    let mut spoken = 0_u32;
    while payloads.len() < count {
        for sample in frame.samples_mut() {
            let cycles = (spoken % 48_000) as f32 * hz / 48_000.0;
            *sample = 0.5 * (cycles.fract() * std::f32::consts::TAU).sin();
            spoken += 1;
        }
        if let Encoded::Packet { len, .. } = encoder.encode(&frame, &mut payload) {
            payloads.push(payload[..len].to_vec());
        }
    }
    payloads
}
