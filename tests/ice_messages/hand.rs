//! An agent, and a hand that plays the other side.

use std::net::SocketAddr;
use std::time::Duration;

use halloo::ice::{
    Agent, Candidate, Config, Credentials, Event, Input, Kind, Output, PairState, PathId, Role,
    Transport,
};
use halloo::stun::{
    Attribute, Class, ErrorCode, IntegrityKey, Message, MessageWriter, Method, TransactionId,
    XorAddress,
};
use halloo::time::Instant;
use rand::SeedableRng;
use rand::rngs::StdRng;

pub const OURS: &str = "192.0.2.1:5000";
pub const THEIRS: &str = "198.51.100.2:6000";
pub const ELSEWHERE: &str = "198.51.100.3:7000";
pub const HOST: u32 = 2_130_706_431;
pub const REFLEXIVE: u32 = 1_862_270_975;

pub fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// An agent with one socket, and a hand that plays the other side.
pub struct Hand {
    pub agent: Agent,
    pub now: Instant,
    pub theirs: Credentials,
    pub next_id: u8,
    pub events: Vec<Event>,
}

/// What the agent sent.
pub struct Sent {
    pub path: PathId,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

impl Sent {
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).unwrap()
    }
    pub fn is(&self, class: Class) -> bool {
        self.message().class() == class
    }
    pub fn error(&self) -> Option<u16> {
        self.message().error_code().map(|error| error.code)
    }
}

impl Hand {
    /// Nothing is known of the other side.
    pub fn early(role: Role) -> Self {
        Self::configured(Config::new(role))
    }

    fn configured(config: Config) -> Self {
        let mut hand = Self {
            agent: Agent::new(config, StdRng::seed_from_u64(1)),
            now: Instant::ZERO,
            theirs: Credentials { ufrag: "them".into(), pwd: "their+password+24+chars/".into() },
            next_id: 0,
            events: Vec::new(),
        };
        hand.tell(Input::LocalCandidate { path: PathId(0), addr: addr(OURS) });
        hand.tell(Input::LocalCandidatesDone);
        hand
    }

    /// Credentials are exchanged, and this side waits so long for the other one to come.
    pub fn patient(role: Role, patience: Duration) -> Self {
        let mut hand = Self::configured(Config { patience, ..Config::new(role) });
        hand.tell(Input::RemoteCredentials(hand.theirs.clone()));
        hand
    }

    /// Credentials are exchanged, but no candidates.
    pub fn new(role: Role) -> Self {
        let mut hand = Self::early(role);
        hand.tell(Input::RemoteCredentials(hand.theirs.clone()));
        hand
    }

    /// One candidate of theirs is known, and this is its check.
    pub fn checking(role: Role) -> (Self, Sent) {
        let mut hand = Self::new(role);
        hand.candidate(THEIRS, HOST);
        let check = hand.only_request();
        (hand, check)
    }

    /// Two candidates of theirs are known, the better one first, and these are their checks.
    pub fn checking_two(role: Role) -> (Self, [Sent; 2]) {
        let mut hand = Self::new(role);
        hand.candidate(THEIRS, HOST);
        hand.candidate(ELSEWHERE, HOST - 256);
        let first = hand.only_request();
        hand.wait(50);
        let second = hand.only_request();
        (hand, [first, second])
    }

    pub fn tell(&mut self, input: Input<'_>) {
        self.agent.handle_input(self.now, input);
    }

    pub fn wait(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.tell(Input::Timer);
    }

    pub fn candidate(&mut self, addr: &str, priority: u32) {
        self.tell(Input::RemoteCandidate(host(addr, priority)));
    }

    pub fn give(&mut self, from: &str, bytes: &[u8]) {
        self.tell(Input::Datagram { path: PathId(0), from: addr(from), bytes });
    }

    pub fn poll(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        loop {
            match self.agent.poll_output() {
                Output::Transmit { path, to, bytes } => {
                    sent.push(Sent { path, to, bytes: bytes.to_vec() })
                }
                Output::Event(event) => self.events.push(event),
                Output::Timeout(at) => {
                    assert!(at.is_none_or(|at| at > self.now), "due in the past: {at:?}");
                    return sent;
                }
            }
        }
    }

    pub fn requests(&mut self) -> Vec<Sent> {
        self.poll().into_iter().filter(|sent| sent.is(Class::Request)).collect()
    }

    pub fn only_request(&mut self) -> Sent {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1);
        requests.remove(0)
    }

    pub fn id(&mut self) -> TransactionId {
        self.next_id += 1;
        TransactionId([self.next_id; 12])
    }

    pub fn username(&self) -> String {
        format!("{}:{}", self.agent.local_credentials().ufrag, self.theirs.ufrag)
    }

    pub fn our_key(&self) -> IntegrityKey {
        IntegrityKey::short_term(&self.agent.local_credentials().pwd)
    }

    pub fn their_key(&self) -> IntegrityKey {
        IntegrityKey::short_term(&self.theirs.pwd)
    }

    /// A genuine check of theirs with these attributes.
    pub fn check(&mut self, attributes: &[Attribute<'_>]) -> Vec<u8> {
        let (id, username, key) = (self.id(), self.username(), self.our_key());
        let mut out = Vec::new();
        MessageWriter::new(&mut out, Class::Request, Method::BINDING, id)
            .attribute(Attribute::Username(&username))
            .attribute(Attribute::Priority(REFLEXIVE))
            .attributes(attributes.iter().copied())
            .integrity(&key)
            .fingerprint()
            .finish();
        out
    }

    /// As the controlling or controlled side would send it, whichever we are not.
    pub fn fitting_check(&mut self, attributes: &[Attribute<'_>]) -> Vec<u8> {
        let role = match self.agent.role() {
            Role::Controlling => Attribute::IceControlled(5),
            Role::Controlled => Attribute::IceControlling(5),
        };
        self.check(&[&[role], attributes].concat())
    }

    /// Such a check comes in.
    pub fn check_from(&mut self, from: &str, attributes: &[Attribute<'_>]) {
        let check = self.fitting_check(attributes);
        self.give(from, &check);
    }

    /// Their genuine answer to one of our requests.
    pub fn answer(&self, to: &Sent) -> Vec<u8> {
        self.answer_seeing(to, OURS)
    }

    pub fn answer_seeing(&self, to: &Sent, mapped: &str) -> Vec<u8> {
        let mut out = Vec::new();
        MessageWriter::success(&mut out, &to.message())
            .attribute(Attribute::XorMappedAddress(XorAddress(addr(mapped))))
            .integrity(&self.their_key())
            .fingerprint()
            .finish();
        out
    }

    pub fn error(&self, to: &Sent, error: ErrorCode<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        MessageWriter::error(&mut out, &to.message(), error)
            .integrity(&self.their_key())
            .fingerprint()
            .finish();
        out
    }

    /// Their genuine answer, from where the request went.
    pub fn confirm(&mut self, request: &Sent) {
        self.give(&request.to.to_string(), &self.answer(request));
    }

    /// They answer whatever was sent.
    pub fn confirm_all(&mut self) {
        for request in &self.requests() {
            self.confirm(request);
        }
    }

    pub fn pair_states(&self) -> Vec<PairState> {
        self.agent.pairs().map(|pair| pair.state).collect()
    }

    /// Controlled, with one pair that works and is selected.
    pub fn selected() -> Self {
        let mut hand = Self::new(Role::Controlled);
        hand.candidate(THEIRS, HOST);
        let ours = hand.only_request();
        hand.confirm(&ours);
        hand.check_from(THEIRS, &[Attribute::UseCandidate]);
        hand.poll();
        assert!(hand.agent.selected().is_some());
        hand
    }
}

pub fn host(text: &str, priority: u32) -> Candidate {
    Candidate {
        foundation: text.replace([':', '.'], ""),
        component: 1,
        transport: Transport::Udp,
        priority,
        addr: addr(text),
        kind: Kind::Host,
        related: None,
        tcp_type: None,
        ufrag: None,
    }
}
