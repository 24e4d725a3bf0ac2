//! The ICE agent: joins candidates, check list, checks, choice and consent into one machine.
//!
//! Any number of [`Input`]s, then [`Agent::poll_output`] until it says `Timeout`. It never fails: what
//! is hostile, late or repeated is dropped and counted ([`Agent::dropped`]).
//!
//! Where to look:
//!
//! - `agent/remote.rs`: what signalling brings: credentials, candidates, names.
//! - `agent/restart.rs`: a new session begins, and may be taken back.
//! - `agent/carried.rs`: the pair that media stays on meanwhile.
//! - `agent/request.rs`: a check of theirs comes in: is it genuine, who is in charge, check back.
//! - `agent/response.rs`: an answer comes in: whose, is it genuine, what does it prove.
//! - `agent/advance.rs`: what is due now: repetitions, the next check, the choice, consent, the state.
//! - `agent/gathering.rs`: servers: reflexive and relayed candidates, and what goes by a relay.
//! - `agent/gone.rs`: a socket or a connection is no more.
//! - `agent/rescue.rs`: another pair takes the place of the one in use, when that has died.
//! - `agent/probing.rs`: the pairs that stand by, and the one in doubt, are asked whether they work.
//! - `agent/report.rs`: what can be asked of the agent.
//!
//! The state and its arrows: `state.rs`. A pair's: `pair.rs`.

mod advance;
mod carried;
mod gathering;
mod gone;
mod probing;
mod remote;
mod report;
mod request;
mod rescue;
mod response;
mod restart;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::candidate::{Candidate, PathId, canonical};
use super::candidates::Remotes;
use super::check::Checks;
use super::checklist::Checklist;
use super::consent::Consent;
use super::credentials::Credentials;
use super::gather::Gatherer;
use super::interface::{Config, Dropped, Event, Input, Output, Policy, Role};
use super::locals::Locals;
use super::message::Outgoing;
use super::pair::{LocalId, PairId};
use super::session::Session;
use super::state::{Signal, State};
use crate::time::Instant;
use carried::Carried;
pub use gathering::Arrival;
use request::Early;
use rescue::Rescue;
use restart::Before;

/// Answers that wait to be polled: beyond this, further requests are dropped.
const MAX_OUTGOING: usize = 256;

/// A full ICE agent for one component of one bundled stream.
#[derive(Debug)]
pub struct Agent {
    config: Config,
    rng: StdRng,
    /// The latest moment we were told.
    now: Instant,
    state: State,
    role: Role,
    tie_breaker: u64,
    remote_is_lite: bool,
    session: Session,
    /// The session before a restart.
    previous: Option<Session>,
    /// Its pair, if media is still there.
    carried: Option<Carried>,
    /// Ways that work with its credentials: a browser goes on sending by them.
    old_ways: Vec<(PathId, SocketAddr)>,
    /// What a restart put aside, until the other side is known to take part in it.
    before_restart: Option<Box<Before>>,
    /// Sessions begun after the first.
    restarts: u32,
    /// When the latest of them was begun, or the other side took part in it.
    restarted: Option<Instant>,
    /// When the remote credentials of this session came: the PAC timer runs from here.
    started: Option<Instant>,

    locals: Locals,
    gathering: Gathering,
    gatherer: Gatherer,
    gatherer_due: Option<Instant>,
    told_gathered: bool,
    told_gathered_at: Instant,
    /// Those that came too late to be told to the other side in this session.
    unannounced: Vec<LocalId>,
    remotes: Remotes,
    remote_done: bool,
    /// Candidates whose address isn't known yet, and under which name it is looked up.
    names: Vec<(String, Candidate)>,
    /// Checks that came before the remote credentials.
    early: Vec<Early>,

    list: Checklist,
    checks: Checks,
    /// No check of a new pair leaves before this.
    next_slot: Instant,
    /// When the pairs that failed were last checked anew.
    round: Instant,
    first_success: Option<Instant>,
    nominating: Option<PairId>,
    selected: Option<PairId>,
    rescue: Rescue,
    /// Whether nominations may be followed by others.
    renomination: bool,
    /// When the other side last answered, in whatever session and by whatever pair.
    answered: Option<Instant>,
    /// Where media goes, and whether it still may.
    consent: Option<Consent>,
    /// Where it went last, once it may not go anywhere any more.
    last_in_use: Option<PairId>,
    /// The other side took it back (403).
    consent_refused: bool,

    outgoing: VecDeque<Outgoing>,
    events: VecDeque<Event>,
    /// The datagram that is lent out.
    datagram: Vec<u8>,
    dropped: Dropped,
}

impl Agent {
    /// An agent with credentials of its own. `rng` must be seeded from the system's randomness (a
    /// fixed seed in tests): who guesses it can forge answers.
    #[must_use]
    pub fn new(config: Config, mut rng: StdRng) -> Self {
        let session = Session::new(0, Credentials::generate(&mut rng));
        Self {
            now: Instant::ZERO,
            state: State::New,
            role: config.role,
            tie_breaker: rng.random(),
            remote_is_lite: false,
            session,
            previous: None,
            carried: None,
            old_ways: Vec::new(),
            before_restart: None,
            restarts: 0,
            restarted: None,
            started: None,
            locals: Locals::default(),
            gathering: Gathering::Running,
            gatherer: Gatherer::default(),
            gatherer_due: None,
            told_gathered: false,
            told_gathered_at: Instant::ZERO,
            unannounced: Vec::new(),
            remotes: Remotes::new(config.max_remote_candidates),
            remote_done: false,
            names: Vec::new(),
            early: Vec::new(),
            list: Checklist::new(config.max_pairs),
            checks: Checks::default(),
            next_slot: Instant::ZERO,
            round: Instant::ZERO,
            first_success: None,
            nominating: None,
            selected: None,
            rescue: Rescue::default(),
            renomination: false,
            answered: None,
            consent: None,
            last_in_use: None,
            consent_refused: false,
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
            datagram: Vec::with_capacity(256),
            dropped: Dropped::default(),
            config,
            rng,
        }
    }

    /// Something happened. `now` doesn't go backwards.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        if self.state == State::Closed {
            return;
        }
        match input {
            Input::Datagram { path, from, bytes } => {
                self.on_datagram(path, canonical(from), bytes);
            }
            Input::Timer => {}
            Input::LocalCandidate { .. } | Input::LocalTcpCandidate { .. }
                if self.config.policy == Policy::Relay => {}
            Input::LocalCandidate { path, addr } => {
                self.on_local_candidate(path, canonical(addr));
                self.add_public_addresses(path);
                self.ask_servers();
            }
            Input::LocalTcpCandidate { path, addr, tcp_type } => {
                self.on_local_tcp_candidate(path, canonical(addr), tcp_type);
                self.add_public_addresses(path);
            }
            Input::StreamGone { path, to } => self.on_stream_gone(path, canonical(to)),
            Input::StunServer(server) => self.on_stun_server(server),
            Input::RelaySocket(socket) => self.on_relay_socket(socket),
            Input::RelayDisconnected(path) => self.gatherer.forget(self.now, path),
            Input::RelaysExpected(expected) => {
                self.gatherer.expect(expected);
                // The relay that was the last to be waited for has ended in this very moment, and another is
                // expected in its place: the end was told too soon.
                let just_told = self.told_gathered_at == self.now && self.selected.is_none();
                self.told_gathered &= !(expected && just_told);
            }
            Input::LocalCandidatesDone => self.gathering = Gathering::Done,
            Input::PathGone(path) => self.on_path_gone(path),
            Input::RemoteRenomination => self.renomination = true,
            Input::MediaStopped => {
                self.gatherer.probe(self.now); // perhaps it is the relay that has gone
                self.on_media_stopped();
            }
            Input::HeardElsewhere { path, from } => {
                self.on_heard_elsewhere(path, canonical(from));
            }
            Input::RemoteCredentials(credentials) => self.on_remote_credentials(credentials),
            Input::RemoteLite => {
                self.remote_is_lite = true;
                self.set_role(Role::Controlling);
            }
            Input::RemotePacing(pace) => self.config.pace = self.config.pace.max(pace.min(SLOWEST)),
            Input::RemoteCandidate(candidate) => self.on_remote_candidate(candidate),
            Input::NamedCandidate { name, candidate } => self.on_named_candidate(name, candidate),
            Input::NameResolved { name, addr } => self.on_name_resolved(&name, addr),
            Input::RemoteCandidatesDone => self.remote_done = true,
            Input::Restart => self.begin_restart(),
            Input::Rollback => self.take_restart_back(),
            Input::Close => self.close(),
        }
        self.advance();
    }

    /// Call until [`Output::Timeout`]; then wait for that moment or for input.
    pub fn poll_output(&mut self) -> Output<'_> {
        if let Some(event) = self.events.pop_front() {
            return Output::Event(event);
        }
        let due = self.due();
        self.next_datagram().unwrap_or(Output::Timeout(due))
    }

    fn on_datagram(&mut self, path: PathId, from: SocketAddr, bytes: &[u8]) {
        use crate::stun::{Class, IntegrityError, Message, Method};
        if self.locals.base_of(path, from.ip()).is_none() {
            self.dropped.unknown_path += 1;
            return;
        }
        let Ok(message) = Message::parse(bytes) else {
            self.dropped.malformed += 1;
            return;
        };
        // Checks carry it (RFC 8445 section 7.2.4); answers that lack it are proved by their integrity.
        let fingerprint = message.verify_fingerprint();
        let is_request = message.class() == Class::Request;
        if fingerprint == Err(IntegrityError::Mismatch) || (is_request && fingerprint.is_err()) {
            self.dropped.malformed += 1;
            return;
        }
        if message.method() != Method::BINDING || !self.state.is_alive() {
            self.dropped.ignored_messages += 1;
            return;
        }
        match message.class() {
            Class::Request => self.on_request(path, from, &message),
            Class::Success | Class::Error if self.gatherer.awaits(message.id()) => {
                let found = self.gatherer.on_response(self.now, path, &message);
                found.into_iter().for_each(|found| self.on_found(found));
            }
            Class::Success | Class::Error => self.on_response(path, from, &message),
            Class::Indication => self.dropped.ignored_messages += 1,
        }
    }

    fn close(&mut self) {
        self.signal(Signal::Closed);
        self.checks.clear();
        self.stop_media();
        self.rescue = Rescue::default();
        self.outgoing.clear();
        self.gatherer.close(self.now);
    }

    /// Moves the state, and tells.
    fn signal(&mut self, signal: Signal) {
        let after = self.state.after(signal);
        if after != self.state {
            self.state = after;
            self.events.push_back(Event::State(after));
        }
    }

    /// Changes the role, on which all pair priorities depend (RFC 8445 section 7.3.1.1).
    fn set_role(&mut self, role: Role) {
        if role == self.role {
            return;
        }
        self.role = role;
        self.nominating = None;
        self.checks.cancel_nominations();
        self.events.push_back(Event::Role(role));
        self.reprioritize();
    }

    fn session_numbered(&self, number: u32) -> Option<&Session> {
        find_session(&self.session, self.previous.as_ref(), number)
    }
}

/// Whether more candidates of ours can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gathering {
    /// They can.
    Running,
    /// They can't: the other side knows that it has all.
    Done,
    /// A restart: all sockets are there already, but new ones may be added.
    Restarted,
}

/// Ta can be slowed down by the other side, but not to a standstill.
const SLOWEST: Duration = Duration::from_millis(500);

fn find_session<'s>(
    current: &'s Session,
    previous: Option<&'s Session>,
    number: u32,
) -> Option<&'s Session> {
    std::iter::once(current).chain(previous).find(|session| session.number == number)
}
