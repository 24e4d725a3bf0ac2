//! One call, from its first description to its end.
//!
//! Where to look:
//!
//! - `call/phase.rs`: how far the call is, and the diagram.
//! - `call/describe.rs`: descriptions and fragments come and go.
//! - `call/renegotiate.rs`: a running call is described anew.
//! - `call/gathering.rs`: servers, their sockets, and what came of them.
//! - `call/packets.rs`: packets and sound come and go.
//! - `call/evidence.rs`: what was seen of a call that doesn't come about.
//! - `call/life.rs`: what happens below, and what the call makes of it: events, figures, the end.

mod describe;
pub(super) mod evidence;
mod gathering;
pub(super) mod life;
mod packets;
mod phase;
mod renegotiate;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use sha2::{Digest, Sha256};

use crate::audio::Frame;
use crate::dtls_srtp::{Certificate, CertificateHash};
use crate::ice::{self, PathId, TcpType, TransactionId};
use crate::peer::absence::Absence;
use crate::peer::config::{Config, Microphone};
use crate::peer::event::{Directions, Event, MediaFirst};
use crate::peer::interface::{Input, Output};
use crate::peer::negotiate::Negotiation;
use crate::peer::outbox::Outbox;
use crate::peer::receive::{Played, Receiver};
use crate::peer::report::{Leave, Reports};
use crate::peer::send::Sender;
use crate::peer::servers::Servers;
use crate::peer::transport::{Happened, Transport};
use crate::peer::vigil::Vigil;
use crate::peer::{stats, stats_report};
use crate::time::Instant;
use life::FAREWELL;
use phase::Phase;

/// A WebRTC audio peer.
pub struct Peer {
    config: Config,
    certificate: Arc<Certificate>,
    rng: StdRng,
    /// Sockets that were given before it was known who is in charge.
    sockets: Vec<Socket>,
    servers: Servers,
    addresses_done: bool,
    /// Sockets to be opened or closed.
    chores: VecDeque<Chore>,
    negotiation: Negotiation,
    transport: Option<Transport>,
    sender: Sender,
    receiver: Receiver,
    reports: Reports,
    outbox: Outbox,
    happened: VecDeque<Happened>,
    events: VecDeque<Event>,
    /// Of candidates of theirs, to be looked up.
    names: VecDeque<String>,
    phase: Phase,
    /// Until then it has to be connected.
    patience: Option<Instant>,
    /// When the other side said that it leaves (RTCP BYE), unless it was heard again later.
    left: Option<Instant>,
    /// When the first description was made or came.
    offered: Option<Instant>,
    /// Whether what we reflect is heard; frames are silenced by whoever makes them.
    reflection: Microphone,
    /// Until then our offer on the running call has to be answered.
    offer_due: Option<Instant>,
    /// Whether media still comes.
    vigil: Vigil,
    /// Whether sound is missing, and told to be.
    absence: Absence,
    /// The pair that was selected last, in words.
    in_use: Option<String>,
    /// When figures are due again.
    next_figures: Option<Instant>,
    told: Told,
    /// Packets received and lost when the last figures were told.
    figured: (u64, i64),
}

/// Something of ours that packets come and go by.
#[derive(Clone, Copy, Debug)]
enum Socket {
    Udp(PathId, SocketAddr),
    Tcp(PathId, SocketAddr, TcpType),
}

impl Socket {
    const fn path(self) -> PathId {
        let (Self::Udp(path, _) | Self::Tcp(path, ..)) = self;
        path
    }

    const fn candidate(self) -> ice::Input<'static> {
        match self {
            Self::Udp(path, addr) => ice::Input::LocalCandidate { path, addr },
            Self::Tcp(path, addr, tcp_type) => {
                ice::Input::LocalTcpCandidate { path, addr, tcp_type }
            }
        }
    }
}

/// Firsts that were told, and what is told when it changes.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    directions: Directions,
    sent: bool,
    received: bool,
    played: bool,
}

/// What the world is asked to do with relays' sockets.
#[derive(Clone, Copy, Debug)]
enum Chore {
    Open { server: usize, addr: SocketAddr },
    Close(PathId),
}

/// Time between two [`Event::Stats`].
const FIGURES_EVERY: Duration = Duration::from_secs(1);

impl Peer {
    /// A peer that knows nobody yet. Its randomness and its certificate should be of this call alone.
    #[must_use]
    pub fn new(config: Config, certificate: Arc<Certificate>, mut rng: StdRng) -> Self {
        let sender = Sender::new(&mut rng);
        let reports = Reports::new(&mut rng);
        let source = (sender.ssrc(), reports.cname());
        let negotiation = Negotiation::new(&config, &certificate, source, &mut rng);
        let receiver = Receiver::new(config.opus.channels());
        Self {
            servers: Servers::new(&config.servers),
            addresses_done: false,
            chores: VecDeque::new(),
            config,
            certificate,
            rng,
            sockets: Vec::new(),
            negotiation,
            transport: None,
            sender,
            receiver,
            reports,
            outbox: Outbox::default(),
            happened: VecDeque::new(),
            events: VecDeque::new(),
            names: VecDeque::new(),
            phase: Phase::New,
            patience: None,
            left: None,
            offered: None,
            reflection: Microphone::Open,
            offer_due: None,
            vigil: Vigil::default(),
            absence: Absence::default(),
            in_use: None,
            next_figures: None,
            told: Told::default(),
            figured: (0, 0),
        }
    }

    /// Never fails: what is late, foreign or garbage changes nothing but a counter.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        if self.phase == Phase::Ended {
            return; // datagrams still under way; [`Event::Ended`] was the last that is told
        }
        match input {
            Input::Datagram { path, from, bytes } => self.datagram(now, path, from, bytes),
            Input::Audio(frame) => self.speak(now, frame),
            Input::Timer => self.tick(now),
            Input::LocalAddress { path, addr } => self.socket(now, Socket::Udp(path, addr)),
            Input::LocalTcpAddress { path, addr, tcp_type } => {
                self.socket(now, Socket::Tcp(path, addr, tcp_type));
            }
            Input::StreamGone { path, to } => {
                self.tell_agent(now, ice::Input::StreamGone { path, to });
            }
            Input::StunServer { server, addr } => {
                self.servers.found(server, addr);
                self.tell_agent(now, ice::Input::StunServer(addr));
            }
            Input::RelaySocket { server, path, addr, transport } => {
                self.relay_socket(now, server, path, (addr, transport));
            }
            Input::LocalAddressGone { path } => self.lose_socket(now, path),
            Input::NameResolved { name, addr } => {
                if let Some(transport) = &mut self.transport {
                    let resolved = ice::Input::NameResolved { name, addr };
                    transport.agent.handle_input(now, resolved);
                }
            }
            Input::RelayDisconnected(path) => {
                self.tell_agent(now, ice::Input::RelayDisconnected(path));
            }
            Input::ServerUnreachable { server, why } => self.server_unreachable(now, server, &why),
            Input::LocalAddressesDone => self.tell_agent(now, ice::Input::LocalCandidatesDone),
            Input::Close => self.hang_up(now),
            Input::Failed { step, reason } => self.failed_elsewhere(now, step, reason),
        }
        self.settle(now);
    }

    /// Call until [`Output::Timeout`]; then wait for that moment or for input.
    pub fn poll_output(&mut self) -> Output<'_> {
        if self.outbox.advance()
            && let Some((path, to, bytes)) = self.outbox.lent()
        {
            return Output::Transmit { path, to, bytes };
        }
        match self.chores.pop_front() {
            Some(Chore::Open { server, addr }) => return Output::OpenRelay { server, addr },
            Some(Chore::Close(path)) => return Output::CloseRelay(path),
            None => {}
        }
        if let Some(event) = self.events.pop_front() {
            return Output::Event(event);
        }
        match self.names.pop_front() {
            Some(name) => Output::NameToResolve(name),
            None => Output::Timeout(self.timeout()),
        }
    }

    /// Fetches 10 ms of what is heard: decoded, concealed, or silence.
    pub fn play(&mut self, now: Instant, frame: &mut Frame) {
        if self.phase == Phase::Ended {
            return frame.silence_it();
        }
        self.receiver.rests = !self.negotiation.receives();
        let played = self.receiver.play(now, frame);
        if played == Played::Sound && !self.told.played {
            self.told.played = true;
            self.tell_first(now, MediaFirst::SoundPlayed);
        }
    }

    /// Our ufrag: datagrams that bear it are for this peer. It changes with an ICE restart.
    #[must_use]
    pub fn ufrag(&self) -> &str {
        let agent = self.transport.as_ref().map(|transport| &transport.agent);
        agent.map_or("", |agent| agent.local_credentials().ufrag.as_str())
    }

    /// The same in the ICE session that both sides know of: while our offer to begin anew is open, that is
    /// the one before.
    #[must_use]
    pub fn settled_ufrag(&self) -> &str {
        let agent = self.transport.as_ref().map(|transport| &transport.agent);
        agent.map_or("", |agent| agent.settled_credentials().0.ufrag.as_str())
    }

    /// Whether this peer made the request with this id, and still waits for the answer.
    #[must_use]
    pub fn awaits(&self, id: TransactionId) -> bool {
        self.transport.as_ref().is_some_and(|transport| transport.agent.awaits(id))
    }

    /// Whether an authenticated check came from there, or it was announced.
    #[must_use]
    pub fn accepts(&self, path: PathId, from: SocketAddr) -> bool {
        self.transport.as_ref().is_some_and(|transport| transport.agent.accepts(path, from))
    }

    /// Whether this way is of use still: what was checked in vain is not.
    #[must_use]
    pub fn has_way(&self, path: PathId, to: SocketAddr) -> bool {
        self.transport.as_ref().is_some_and(|transport| transport.agent.has_pair(path, to))
    }

    /// Whether an authenticated check or answer came from there; an announcement is not enough.
    #[must_use]
    pub fn has_proof_of(&self, path: PathId, from: SocketAddr) -> bool {
        self.transport.as_ref().is_some_and(|transport| transport.agent.has_proof_of(path, from))
    }

    /// Whether sound would be sent now: the other side is proven, and wants to hear.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        self.is_secured() && self.phase != Phase::Ended && self.negotiation.flows().sends()
    }

    /// Whether there are keys, and they are the right ones. Media need not wait for the choice of a pair
    /// (RFC 8445 section 12.1).
    fn is_secured(&self) -> bool {
        self.transport.as_ref().is_some_and(Transport::is_secured)
    }

    /// Whether a pair is selected, DTLS is done and the certificate matched.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// The hashes of both certificates, ours first, once the handshake has shown theirs: what
    /// [`crate::dtls_srtp::Phrase`] is made of.
    #[must_use]
    pub fn certificate_hashes(&self) -> Option<[CertificateHash; 2]> {
        let theirs = &self.transport.as_ref()?.agreed.as_ref()?.remote_certificate;
        Some([self.certificate.der(), theirs].map(|der| Sha256::digest(der).into()))
    }

    /// Whether the call is over.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// What `getStats()` would say.
    #[must_use]
    pub fn stats(&self, now: Instant) -> stats::Report {
        stats_report::write(&stats_report::Facts {
            now,
            wall_clock: self.config.wall_clock,
            certificate: &self.certificate,
            negotiation: &self.negotiation,
            transport: self.transport.as_ref(),
            servers: &self.servers,
            sender: &self.sender,
            is_sending: self.is_sending(),
            receiver: &self.receiver,
            reports: &self.reports,
            dtls: self.dtls_state(),
        })
    }

    fn tick(&mut self, now: Instant) {
        if let Some(transport) = &mut self.transport {
            transport.tick(now);
        }
        if self.phase == Phase::Connecting && self.patience.is_some_and(|until| until <= now) {
            self.settle(now);
            self.give_up(now);
        }
        self.check_farewell(now);
        self.check_open_offer(now);
        if self.phase == Phase::Ended {
            return;
        }
        self.try_servers_again(now);
        self.check_media(now);
        self.check_silence(now);
        if self.reports.is_due(now) {
            self.report(now, Leave::No);
        }
        if self.next_figures.is_some_and(|due| due <= now) {
            self.next_figures = Some(now + FIGURES_EVERY);
            let figures = self.figures();
            self.figured = (figures.packets_received, figures.packets_lost);
            self.events.push_back(Event::Stats(figures));
        }
    }

    fn timeout(&self) -> Option<Instant> {
        let protocol = self.transport.as_ref().and_then(Transport::timeout);
        let patience = match self.phase {
            Phase::Connecting => self.patience,
            Phase::New | Phase::Connected => None,
            Phase::Ended => return None,
        };
        let farewell = self.left.map(|left| left + FAREWELL);
        let own = [patience, farewell, self.offer_due, self.vigil.due(), self.next_figures];
        let others = [protocol, self.reports.timeout(), self.absence.due(), self.servers.due()];
        let due = own.into_iter().chain(others);
        due.flatten().min()
    }
}
