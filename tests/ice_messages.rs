//! One ICE agent against messages written by hand: what it sends, what it takes, what it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::SocketAddr;
use std::time::Duration;

use halloo::ice::{
    Agent, Candidate, Config, Credentials, Event, Input, Kind, Output, PairState, PathId, Role,
    State, Transport, pair_priority,
};
use halloo::stun::{
    Attribute, Class, ErrorCode, IntegrityKey, IntegrityKind, Message, MessageWriter, Method,
    TransactionId, XorAddress,
};
use halloo::time::Instant;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

const OURS: &str = "192.0.2.1:5000";
const THEIRS: &str = "198.51.100.2:6000";
const ELSEWHERE: &str = "198.51.100.3:7000";
const HOST: u32 = 2_130_706_431;
const REFLEXIVE: u32 = 1_862_270_975;

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// An agent with one socket, and a hand that plays the other side.
struct Hand {
    agent: Agent,
    now: Instant,
    theirs: Credentials,
    next_id: u8,
    events: Vec<Event>,
}

/// What the agent sent.
struct Sent {
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Sent {
    fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).unwrap()
    }
    fn is(&self, class: Class) -> bool {
        self.message().class() == class
    }
    fn error(&self) -> Option<u16> {
        self.message().error_code().map(|error| error.code)
    }
}

impl Hand {
    /// Nothing is known of the other side.
    fn early(role: Role) -> Self {
        let mut hand = Self {
            agent: Agent::new(Config::new(role), StdRng::seed_from_u64(1)),
            now: Instant::ZERO,
            theirs: Credentials { ufrag: "them".into(), pwd: "their+password+24+chars/".into() },
            next_id: 0,
            events: Vec::new(),
        };
        hand.tell(Input::LocalCandidate { path: PathId(0), addr: addr(OURS) });
        hand.tell(Input::LocalCandidatesDone);
        hand
    }

    /// Credentials are exchanged, but no candidates.
    fn new(role: Role) -> Self {
        let mut hand = Self::early(role);
        hand.tell(Input::RemoteCredentials(hand.theirs.clone()));
        hand
    }

    fn tell(&mut self, input: Input<'_>) {
        self.agent.handle_input(self.now, input);
    }

    fn wait(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.tell(Input::Timer);
    }

    fn candidate(&mut self, addr: &str, priority: u32) {
        self.tell(Input::RemoteCandidate(host(addr, priority)));
    }

    fn give(&mut self, from: &str, bytes: &[u8]) {
        self.tell(Input::Datagram { path: PathId(0), from: addr(from), bytes });
    }

    fn poll(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        loop {
            match self.agent.poll_output() {
                Output::Transmit { to, bytes, .. } => sent.push(Sent { to, bytes: bytes.to_vec() }),
                Output::Event(event) => self.events.push(event),
                Output::Timeout(at) => {
                    assert!(at.is_none_or(|at| at > self.now), "due in the past: {at:?}");
                    return sent;
                }
            }
        }
    }

    fn requests(&mut self) -> Vec<Sent> {
        self.poll().into_iter().filter(|sent| sent.is(Class::Request)).collect()
    }

    fn only_request(&mut self) -> Sent {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1);
        requests.remove(0)
    }

    fn id(&mut self) -> TransactionId {
        self.next_id += 1;
        TransactionId([self.next_id; 12])
    }

    fn username(&self) -> String {
        format!("{}:{}", self.agent.local_credentials().ufrag, self.theirs.ufrag)
    }

    fn our_key(&self) -> IntegrityKey {
        IntegrityKey::short_term(&self.agent.local_credentials().pwd)
    }

    fn their_key(&self) -> IntegrityKey {
        IntegrityKey::short_term(&self.theirs.pwd)
    }

    /// A genuine check of theirs with these attributes.
    fn check(&mut self, attributes: &[Attribute<'_>]) -> Vec<u8> {
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
    fn fitting_check(&mut self, attributes: &[Attribute<'_>]) -> Vec<u8> {
        let role = match self.agent.role() {
            Role::Controlling => Attribute::IceControlled(5),
            Role::Controlled => Attribute::IceControlling(5),
        };
        self.check(&[&[role], attributes].concat())
    }

    /// Their genuine answer to one of our requests.
    fn answer(&self, to: &Sent) -> Vec<u8> {
        self.answer_seeing(to, OURS)
    }

    fn answer_seeing(&self, to: &Sent, mapped: &str) -> Vec<u8> {
        let mut out = Vec::new();
        MessageWriter::success(&mut out, &to.message())
            .attribute(Attribute::XorMappedAddress(XorAddress(addr(mapped))))
            .integrity(&self.their_key())
            .fingerprint()
            .finish();
        out
    }

    fn error(&self, to: &Sent, error: ErrorCode<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        MessageWriter::error(&mut out, &to.message(), error)
            .integrity(&self.their_key())
            .fingerprint()
            .finish();
        out
    }

    fn pair_states(&self) -> Vec<PairState> {
        self.agent.pairs().map(|pair| pair.state).collect()
    }

    /// Controlled, with one pair that works and is selected.
    fn selected() -> Self {
        let mut hand = Self::new(Role::Controlled);
        hand.candidate(THEIRS, HOST);
        let ours = hand.only_request();
        hand.give(THEIRS, &hand.answer(&ours));
        let check = hand.fitting_check(&[Attribute::UseCandidate]);
        hand.give(THEIRS, &check);
        hand.poll();
        assert!(hand.agent.selected().is_some());
        hand
    }
}

fn host(text: &str, priority: u32) -> Candidate {
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

#[test]
fn a_check_carries_what_the_rfc_asks_for() {
    for role in [Role::Controlling, Role::Controlled] {
        let mut hand = Hand::new(role);
        hand.candidate(THEIRS, HOST);
        let sent = hand.only_request();
        assert_eq!(sent.to, addr(THEIRS));
        let message = sent.message();
        let username = format!("them:{}", hand.agent.local_credentials().ufrag);
        assert_eq!(message.username(), Some(username.as_str()), "rfc8445-7.2.2-1");
        assert_eq!(message.verify_integrity(&hand.their_key()), Ok(()), "rfc8445-7.2.2-1");
        assert_eq!(message.integrity_kind(), Some(IntegrityKind::Sha1));
        assert_eq!(message.verify_fingerprint(), Ok(()), "rfc8445-7.2.4-1");
        assert_eq!(message.priority(), Some(REFLEXIVE), "rfc8445-7.1.1-1");
        assert!(!message.use_candidate(), "rfc8445-7.1.2-1");
        let roles = (message.ice_controlling().is_some(), message.ice_controlled().is_some());
        let controlling = role == Role::Controlling;
        assert_eq!(roles, (controlling, !controlling), "rfc8445-7.1.3-1");
    }
}

#[test]
fn every_check_of_a_session_has_the_same_tie_breaker_and_its_own_id() {
    // rfc8445-16.1-1
    let mut hand = Hand::new(Role::Controlling);
    hand.candidate(THEIRS, HOST);
    hand.candidate(ELSEWHERE, HOST - 1);
    let mut sent = hand.requests();
    hand.wait(50);
    sent.extend(hand.requests());
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].message().ice_controlling(), sent[1].message().ice_controlling());
    assert_ne!(sent[0].message().id(), sent[1].message().id());
}

#[test]
fn a_repeated_check_is_the_same_byte_for_byte() {
    let mut hand = Hand::new(Role::Controlling);
    hand.candidate(THEIRS, HOST);
    let first = hand.only_request();
    hand.wait(499);
    assert!(hand.poll().is_empty());
    hand.wait(1);
    assert_eq!(hand.only_request().bytes, first.bytes);
}

#[test]
fn a_genuine_check_is_answered_with_where_it_came_from() {
    let mut hand = Hand::new(Role::Controlled);
    let check = hand.fitting_check(&[]);
    hand.give(THEIRS, &check);
    let sent = hand.poll();
    let answer = sent.iter().find(|sent| sent.is(Class::Success)).unwrap();
    assert_eq!(answer.to, addr(THEIRS));
    assert_eq!(answer.message().id(), Message::parse(&check).unwrap().id());
    assert_eq!(answer.message().xor_mapped_address(), Some(addr(THEIRS)));
    assert_eq!(answer.message().verify_integrity(&hand.our_key()), Ok(()));
    assert_eq!(answer.message().verify_fingerprint(), Ok(()));
}

#[test]
fn a_check_proved_by_sha256_is_answered_so() {
    let mut hand = Hand::new(Role::Controlled);
    let (id, username, key) = (hand.id(), hand.username(), hand.our_key());
    let mut check = Vec::new();
    MessageWriter::new(&mut check, Class::Request, Method::BINDING, id)
        .attribute(Attribute::Username(&username))
        .attribute(Attribute::IceControlling(1))
        .integrity_sha256(&key)
        .fingerprint()
        .finish();
    hand.give(THEIRS, &check);
    let answer = hand.poll().remove(0);
    assert_eq!(answer.message().integrity_kind(), Some(IntegrityKind::Sha256));
}

#[test]
fn a_request_that_proves_nothing_is_refused_and_changes_nothing() {
    // rfc8445-7.3-1
    let mut hand = Hand::new(Role::Controlled);
    let (username, key) = (hand.username(), hand.our_key());
    let foreign = IntegrityKey::short_term("somebody+elses+password!");
    let cases = [
        (None, Some(&key), 400),
        (Some(username.as_str()), None, 400),
        (Some("wrong:them"), Some(&key), 401),
        (Some("them"), Some(&key), 401),
        (Some(username.as_str()), Some(&foreign), 401),
    ];
    for (username, key, code) in cases {
        let id = hand.id();
        let mut request = Vec::new();
        let mut writer = MessageWriter::new(&mut request, Class::Request, Method::BINDING, id)
            .attributes(username.map(Attribute::Username))
            .attribute(Attribute::IceControlled(u64::MAX))
            .attribute(Attribute::UseCandidate);
        if let Some(key) = key {
            writer = writer.integrity(key);
        }
        writer.fingerprint().finish();
        hand.give(THEIRS, &request);
        let answer = hand.poll();
        assert_eq!(answer.len(), 1, "no check back");
        assert_eq!(answer[0].error(), Some(code), "{username:?}");
        assert_eq!(answer[0].message().integrity_kind(), None);
    }
    assert_eq!(hand.agent.pairs().count(), 0);
    assert_eq!(hand.agent.role(), Role::Controlled);
    assert!(!hand.agent.accepts(PathId(0), addr(THEIRS)));
    let dropped = hand.agent.dropped();
    assert_eq!((dropped.unauthenticated_requests, dropped.foreign_requests), (2, 3));
}

#[test]
fn an_unknown_required_attribute_is_named_in_a_420() {
    let mut hand = Hand::new(Role::Controlled);
    let unknown = Attribute::Unknown { number: 0x7ffe, value: &[1, 2, 3] };
    let check = hand.fitting_check(&[unknown]);
    hand.give(THEIRS, &check);
    let sent = hand.poll();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].error(), Some(420));
    let named = sent[0].message().attributes().find_map(|attribute| match attribute {
        Attribute::UnknownAttributes(list) => Some(list.iter().collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(named, Some(vec![0x7ffe]));
    assert_eq!(sent[0].message().verify_integrity(&hand.our_key()), Ok(()));
    let optional = Attribute::Unknown { number: 0xfffe, value: &[1] };
    let check = hand.fitting_check(&[optional]);
    hand.give(THEIRS, &check);
    assert!(hand.poll()[0].is(Class::Success), "optional ones are ignored");
}

#[test]
fn a_request_without_fingerprint_is_not_stun_for_us() {
    let mut hand = Hand::new(Role::Controlled);
    let (id, username, key) = (hand.id(), hand.username(), hand.our_key());
    let mut check = Vec::new();
    MessageWriter::new(&mut check, Class::Request, Method::BINDING, id)
        .attribute(Attribute::Username(&username))
        .integrity(&key)
        .finish();
    hand.give(THEIRS, &check);
    assert!(hand.poll().is_empty());
    assert_eq!(hand.agent.dropped().malformed, 1);
}

#[test]
fn the_larger_tie_breaker_controls() {
    // rfc8445-7.3.1.1-1, rfc8445-7.3.1.1-2: ours is neither 0 nor the largest.
    for (role, theirs, refused, after) in [
        (Role::Controlling, Attribute::IceControlling(0), true, Role::Controlling),
        (Role::Controlling, Attribute::IceControlling(u64::MAX), false, Role::Controlled),
        (Role::Controlled, Attribute::IceControlled(0), false, Role::Controlling),
        (Role::Controlled, Attribute::IceControlled(u64::MAX), true, Role::Controlled),
    ] {
        let mut hand = Hand::new(role);
        let check = hand.check(&[theirs]);
        hand.give(THEIRS, &check);
        let sent = hand.poll();
        assert_eq!(sent[0].error(), refused.then_some(487), "{role:?} {theirs:?}");
        assert_eq!(sent[0].message().verify_integrity(&hand.our_key()), Ok(()));
        assert_eq!(hand.agent.role(), after);
        assert_eq!(hand.agent.pairs().count(), usize::from(!refused), "a refused one ends there");
    }
}

#[test]
fn an_equal_tie_breaker_refuses_or_takes_control() {
    // rfc8445-7.3.1.1-1, rfc8445-7.3.1.1-2
    for role in [Role::Controlling, Role::Controlled] {
        let mut hand = Hand::new(role);
        hand.candidate(THEIRS, HOST);
        let own = hand.only_request();
        let own = own.message().ice_controlling().or(own.message().ice_controlled()).unwrap();
        let claim = match role {
            Role::Controlling => Attribute::IceControlling(own),
            Role::Controlled => Attribute::IceControlled(own),
        };
        let check = hand.check(&[claim]);
        hand.give(THEIRS, &check);
        let refused = hand.poll()[0].error() == Some(487);
        assert_eq!((refused, hand.agent.role()), (role == Role::Controlling, Role::Controlling));
    }
}

#[test]
fn on_487_the_role_claimed_is_given_up_and_the_pair_checked_again() {
    // rfc8445-7.2.5.1-1
    for role in [Role::Controlling, Role::Controlled] {
        let mut hand = Hand::new(role);
        hand.candidate(THEIRS, HOST);
        let first = hand.only_request();
        hand.wait(50);
        hand.give(THEIRS, &hand.error(&first, ErrorCode::ROLE_CONFLICT));
        assert_eq!(hand.agent.role(), role.opposite());
        let again = hand.only_request();
        let breaker =
            |sent: &Sent| sent.message().ice_controlling().or(sent.message().ice_controlled());
        assert_ne!(breaker(&first), breaker(&again), "the tie-breaker changes");
        assert_ne!(first.message().id(), again.message().id());
        let controlling = again.message().ice_controlling().is_some();
        assert_eq!(controlling, role == Role::Controlled);
        hand.give(THEIRS, &hand.error(&first, ErrorCode::ROLE_CONFLICT));
        assert_eq!(hand.agent.role(), role.opposite(), "the same answer again is nobody's");
    }
}

#[test]
fn two_conflicts_from_one_role_change_it_once() {
    let mut hand = Hand::new(Role::Controlling);
    hand.candidate(THEIRS, HOST);
    hand.candidate(ELSEWHERE, HOST - 1);
    let first = hand.only_request();
    hand.wait(50);
    let second = hand.only_request();
    hand.give(THEIRS, &hand.error(&first, ErrorCode::ROLE_CONFLICT));
    hand.wait(50);
    let mut again = vec![hand.only_request()];
    hand.give(ELSEWHERE, &hand.error(&second, ErrorCode::ROLE_CONFLICT));
    assert_eq!(hand.agent.role(), Role::Controlled);
    hand.wait(50);
    again.push(hand.only_request());
    let breakers: Vec<_> = again.iter().map(|sent| sent.message().ice_controlled()).collect();
    assert_eq!(breakers.len(), 2);
    assert_eq!(breakers[0], breakers[1], "and the tie-breaker once");
}

#[test]
fn the_choice_ends_all_other_checks() {
    // rfc8445-8.1.2
    let mut hand = Hand::new(Role::Controlled);
    hand.candidate(THEIRS, HOST);
    let first = hand.only_request();
    for (port, below) in [(7_000, 256), (7_001, 512), (7_002, 768)] {
        hand.candidate(&format!("198.51.100.3:{port}"), HOST - below);
    }
    hand.wait(50);
    assert_eq!(hand.requests().len(), 1, "one of the others is out");
    hand.give(THEIRS, &hand.answer(&first));
    let check = hand.fitting_check(&[Attribute::UseCandidate]);
    hand.give(THEIRS, &check);
    hand.candidate("198.51.100.3:7003", HOST - 1_024);
    for _ in 0..60 {
        hand.wait(50);
        assert!(hand.requests().is_empty(), "neither repeated nor begun");
    }
    assert_eq!(hand.agent.pairs().count(), 1);
}

#[test]
fn a_check_that_was_replaced_is_not_repeated() {
    // rfc8445-7.3.1.4-1: "will not retransmit"
    let mut hand = Hand::new(Role::Controlled);
    hand.candidate(THEIRS, HOST);
    hand.only_request();
    let check = hand.fitting_check(&[]);
    hand.give(THEIRS, &check);
    hand.wait(50);
    let second = hand.only_request();
    hand.wait(450);
    assert!(hand.requests().is_empty(), "500 ms after the first");
    hand.wait(50);
    assert_eq!(hand.only_request().bytes, second.bytes, "500 ms after the second");
}

#[test]
fn a_success_lets_its_foundation_go_before_lower_pairs() {
    // rfc8445-7.2.5.3.3-1
    let mut hand = Hand::new(Role::Controlled);
    for (port, priority) in [(6_000, HOST), (6_001, HOST - 256)] {
        let same = Candidate {
            foundation: "same".into(),
            ..host(&format!("198.51.100.2:{port}"), priority)
        };
        hand.tell(Input::RemoteCandidate(same));
    }
    hand.candidate(ELSEWHERE, HOST - 512);
    let first = hand.only_request();
    hand.give(THEIRS, &hand.answer(&first));
    hand.wait(50);
    assert_eq!(hand.only_request().to, addr("198.51.100.2:6001"));
}

#[test]
fn a_candidate_met_before_its_line_gets_the_priority_of_the_line() {
    let mut hand = Hand::new(Role::Controlled);
    let check = hand.fitting_check(&[]);
    hand.give(THEIRS, &check);
    let before = hand.agent.pairs().next().unwrap().priority;
    assert_eq!(before, pair_priority(REFLEXIVE, HOST), "they are controlling");
    hand.candidate(THEIRS, HOST - 256);
    let pairs: Vec<_> = hand.agent.pairs().map(|pair| (pair.priority, pair.remote.kind)).collect();
    assert_eq!(pairs, [(pair_priority(HOST - 256, HOST), Kind::Host)]);
}

#[test]
fn a_worse_line_than_the_reflexive_priority_still_replaces_it() {
    let mut hand = Hand::new(Role::Controlled);
    let check = hand.fitting_check(&[]);
    hand.give(THEIRS, &check);
    let line = Candidate { kind: Kind::Relayed, ..host(THEIRS, 16_777_215) };
    hand.tell(Input::RemoteCandidate(line));
    let pair = hand.agent.pairs().next().unwrap();
    assert_eq!((pair.remote.kind, pair.remote.priority), (Kind::Relayed, 16_777_215));
}

#[test]
fn a_change_of_roles_changes_all_pair_priorities() {
    // rfc8445-6.1.2.3-1, rfc8445-7.3.1.1-2
    let mut hand = Hand::new(Role::Controlled);
    hand.candidate(THEIRS, HOST - 256);
    let priority = |hand: &Hand| hand.agent.pairs().next().unwrap().priority;
    assert_eq!(priority(&hand), pair_priority(HOST - 256, HOST));
    hand.tell(Input::RemoteLite);
    assert_eq!(priority(&hand), pair_priority(HOST, HOST - 256));
}

#[test]
fn a_forged_answer_is_dropped_and_the_genuine_one_still_counts() {
    let mut hand = Hand::new(Role::Controlling);
    hand.candidate(THEIRS, HOST);
    let request = hand.only_request();
    let mut forged = Vec::new();
    let mapped = Attribute::XorMappedAddress(XorAddress(addr(OURS)));
    let foreign = IntegrityKey::short_term("somebody+elses+password!");
    MessageWriter::success(&mut forged, &request.message())
        .attribute(mapped)
        .integrity(&foreign)
        .fingerprint()
        .finish();
    hand.give(THEIRS, &forged);
    MessageWriter::success(&mut forged, &request.message())
        .attribute(mapped)
        .fingerprint()
        .finish();
    hand.give(THEIRS, &forged);
    MessageWriter::error(&mut forged, &request.message(), ErrorCode::UNAUTHENTICATED)
        .fingerprint()
        .finish();
    hand.give(THEIRS, &forged);
    assert_eq!(hand.agent.dropped().forged_responses, 3);
    assert_eq!(hand.pair_states(), [PairState::InProgress]);
    assert_eq!(hand.agent.send_pair(), None);
    hand.give(THEIRS, &hand.answer(&request));
    assert_eq!(hand.pair_states(), [PairState::Succeeded]);
}

#[test]
fn an_answer_to_no_request_is_counted_whoever_signs_it() {
    let mut hand = Hand::new(Role::Controlling);
    hand.candidate(THEIRS, HOST);
    let request = hand.only_request();
    let answer = hand.answer(&request);
    hand.give(THEIRS, &answer);
    hand.give(THEIRS, &answer);
    assert_eq!(hand.agent.dropped().unknown_transactions, 1, "the second is late");
}

#[test]
fn an_answer_from_another_address_fails_the_pair() {
    // rfc8445-7.2.5.2.1-1
    let mut hand = Hand::new(Role::Controlling);
    hand.candidate(THEIRS, HOST);
    let request = hand.only_request();
    hand.give(ELSEWHERE, &hand.answer(&request));
    assert_eq!(hand.pair_states(), [PairState::Failed]);
    assert_eq!(hand.agent.dropped().asymmetric_responses, 1);
    assert_eq!(hand.agent.send_pair(), None);
}

#[test]
fn an_error_that_cannot_be_repaired_fails_the_pair() {
    let mut hand = Hand::new(Role::Controlling);
    hand.candidate(THEIRS, HOST);
    let request = hand.only_request();
    hand.give(THEIRS, &hand.error(&request, ErrorCode::SERVER_ERROR));
    assert_eq!(hand.pair_states(), [PairState::Failed]);
}

#[test]
fn the_valid_pair_has_the_mapped_address_and_not_the_one_checked_from() {
    // rfc8445-7.2.5.3.1-1, rfc8445-7.2.5.3.2-1
    let mut hand = Hand::new(Role::Controlling);
    hand.candidate(THEIRS, HOST);
    let request = hand.only_request();
    hand.give(THEIRS, &hand.answer_seeing(&request, "203.0.113.9:40000"));
    let pair = hand.agent.pairs().next().unwrap();
    assert_eq!(
        (pair.local.kind, pair.local.addr),
        (Kind::PeerReflexive, addr("203.0.113.9:40000"))
    );
    assert_eq!(pair.local.priority, REFLEXIVE, "the PRIORITY that the check carried");
    assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(THEIRS))));
    let announced = hand.agent.local_candidates().len();
    assert_eq!(announced, 1, "the other side knows it already");
}

#[test]
fn a_check_from_an_unknown_address_makes_a_candidate_and_is_checked_back_at_once() {
    // rfc8445-7.3.1.3-1, rfc8445-7.3.1.4-1
    let mut hand = Hand::new(Role::Controlled);
    let check = hand.fitting_check(&[]);
    hand.give(ELSEWHERE, &check);
    let back = hand.only_request();
    assert_eq!(back.to, addr(ELSEWHERE));
    let pair = hand.agent.pairs().next().unwrap();
    assert_eq!((pair.remote.kind, pair.remote.priority), (Kind::PeerReflexive, REFLEXIVE));
    assert!(hand.agent.accepts(PathId(0), addr(ELSEWHERE)));
    assert!(!hand.agent.accepts(PathId(1), addr(ELSEWHERE)), "by a path that we don't have");
}

#[test]
fn a_check_of_a_pair_under_way_is_answered_by_a_new_one_and_either_answer_counts() {
    // rfc8445-7.3.1.4-1: In-Progress
    let mut hand = Hand::new(Role::Controlled);
    hand.candidate(THEIRS, HOST);
    let first = hand.only_request();
    let check = hand.fitting_check(&[]);
    hand.give(THEIRS, &check);
    assert!(hand.requests().is_empty(), "the pace holds");
    hand.wait(50);
    let second = hand.only_request();
    assert_ne!(first.message().id(), second.message().id());
    hand.give(THEIRS, &hand.answer(&first));
    assert_eq!(hand.pair_states(), [PairState::Succeeded]);
    hand.wait(2_000);
    assert!(hand.requests().is_empty(), "nothing is repeated for a pair that works");
}

#[test]
fn a_check_of_a_succeeded_pair_is_answered_and_that_is_all() {
    // rfc8445-7.3.1.4-1: Succeeded
    let mut hand = Hand::new(Role::Controlled);
    hand.candidate(THEIRS, HOST);
    let request = hand.only_request();
    hand.give(THEIRS, &hand.answer(&request));
    hand.wait(100);
    let check = hand.fitting_check(&[]);
    hand.give(THEIRS, &check);
    let sent = hand.poll();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].is(Class::Success));
}

#[test]
fn a_failed_pair_gets_another_chance_when_the_other_side_checks_it() {
    // rfc8445-7.3.1.4-1: Failed
    let mut hand = Hand::new(Role::Controlled);
    hand.candidate(THEIRS, HOST);
    let request = hand.only_request();
    hand.give(THEIRS, &hand.error(&request, ErrorCode::SERVER_ERROR));
    hand.wait(100);
    let check = hand.fitting_check(&[]);
    hand.give(THEIRS, &check);
    assert_eq!(hand.requests().len(), 1);
}

#[test]
fn use_candidate_selects_at_once_if_the_pair_works_and_else_when_it_does() {
    // rfc8445-7.3.1.5-1
    let mut hand = Hand::new(Role::Controlled);
    let check = hand.fitting_check(&[Attribute::UseCandidate]);
    hand.give(THEIRS, &check);
    assert_eq!(hand.agent.selected(), None, "our own check is not through");
    let back = hand.only_request();
    hand.give(THEIRS, &hand.answer(&back));
    assert!(hand.agent.selected().is_some());
    assert_eq!(Hand::selected().agent.send_pair(), Some((PathId(0), addr(THEIRS))));
}

#[test]
fn of_several_nominations_the_highest_priority_counts_whatever_the_order() {
    // rfc8445-8.1.1: an aggressive peer nominates with every check, as Chromium does.
    for order in [[THEIRS, ELSEWHERE], [ELSEWHERE, THEIRS]] {
        let mut hand = Hand::new(Role::Controlled);
        hand.candidate(THEIRS, HOST);
        hand.candidate(ELSEWHERE, HOST - 256);
        for from in order {
            let check = hand.fitting_check(&[Attribute::UseCandidate]);
            hand.give(from, &check);
            for _ in 0..4 {
                let requests = hand.requests();
                for request in &requests {
                    let from = request.to.to_string();
                    hand.give(&from, &hand.answer(request));
                }
                hand.wait(50);
            }
        }
        assert_eq!(hand.agent.selected().unwrap().remote.addr, addr(THEIRS), "{order:?}");
        assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(THEIRS))));
    }
}

#[test]
fn a_silent_pair_is_left_when_the_controlling_side_nominates_another() {
    let mut hand = Hand::selected();
    hand.wait(4_999);
    hand.poll();
    let check = hand.fitting_check(&[Attribute::UseCandidate]);
    hand.give(ELSEWHERE, &check);
    let back = hand.only_request();
    hand.give(ELSEWHERE, &hand.answer(&back));
    assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(THEIRS))), "a lower one, too early");
    hand.wait(5_001);
    hand.poll();
    assert_eq!(hand.agent.state(), State::Disconnected);
    let check = hand.fitting_check(&[Attribute::UseCandidate]);
    hand.give(ELSEWHERE, &check);
    hand.poll();
    assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(ELSEWHERE))));
    assert_eq!(hand.agent.state(), State::Connected);
}

#[test]
fn what_goes_wrong_with_a_replaced_check_does_not_harm_the_pair() {
    for bad in 0..3 {
        let mut hand = Hand::new(Role::Controlled);
        hand.candidate(THEIRS, HOST);
        let first = hand.only_request();
        let check = hand.fitting_check(&[Attribute::UseCandidate]);
        hand.give(THEIRS, &check);
        hand.wait(50);
        let second = hand.only_request();
        hand.give(THEIRS, &hand.answer(&second));
        assert!(hand.agent.selected().is_some());
        match bad {
            0 => hand.give(THEIRS, &hand.error(&first, ErrorCode::SERVER_ERROR)),
            1 => hand.give(ELSEWHERE, &hand.answer(&first)),
            _ => hand.give(THEIRS, &hand.error(&first, ErrorCode::ROLE_CONFLICT)),
        }
        assert_eq!(hand.pair_states(), [PairState::Succeeded], "{bad}");
        assert!(hand.agent.send_pair().is_some());
    }
}

#[test]
fn a_lite_peer_that_claims_our_role_only_loses_its_pair() {
    let mut hand = Hand::early(Role::Controlling);
    hand.tell(Input::RemoteLite);
    hand.tell(Input::RemoteCredentials(hand.theirs.clone()));
    hand.candidate(THEIRS, HOST);
    let request = hand.only_request();
    hand.give(THEIRS, &hand.error(&request, ErrorCode::ROLE_CONFLICT));
    assert_eq!(hand.agent.role(), Role::Controlling);
    assert_eq!(hand.pair_states(), [PairState::Failed]);
}

#[test]
fn scope_and_flow_of_an_address_make_no_other_address() {
    let mut hand = Hand::early(Role::Controlling);
    hand.tell(Input::Restart);
    let ours = "[fe80::1%3]:5000".parse().unwrap();
    hand.tell(Input::LocalCandidate { path: PathId(1), addr: ours });
    hand.tell(Input::RemoteCredentials(hand.theirs.clone()));
    hand.candidate("[fe80::2]:6000", HOST);
    let request = hand.only_request();
    let answer = hand.answer_seeing(&request, "[fe80::1]:5000");
    let from = "[fe80::2%3]:6000".parse().unwrap();
    hand.tell(Input::Datagram { path: PathId(1), from, bytes: &answer });
    assert_eq!(hand.pair_states(), [PairState::Succeeded]);
    assert!(hand.agent.accepts(PathId(1), from));
}

#[test]
fn silence_and_then_their_choice_of_a_new_address_moves_media_there() {
    // As after a NAT has given the other side a new address.
    let mut hand = Hand::selected();
    hand.wait(10_000);
    hand.poll();
    assert_eq!(hand.agent.state(), State::Disconnected);
    let check = hand.fitting_check(&[Attribute::UseCandidate]);
    hand.give(ELSEWHERE, &check);
    let back: Vec<Sent> =
        hand.requests().into_iter().filter(|sent| sent.to == addr(ELSEWHERE)).collect();
    hand.give(ELSEWHERE, &hand.answer(&back[0]));
    assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(ELSEWHERE))));
    assert_eq!(hand.agent.state(), State::Connected);
}

#[test]
fn the_controlling_side_nominates_one_pair_and_no_other_after_it() {
    // rfc8445-8.1.1-1, rfc8445-8.1.1-2
    let mut hand = Hand::new(Role::Controlling);
    hand.candidate(THEIRS, HOST - 256);
    let request = hand.only_request();
    hand.give(THEIRS, &hand.answer(&request));
    let nomination = hand.only_request();
    assert!(nomination.message().use_candidate());
    assert_eq!(nomination.to, addr(THEIRS));
    hand.give(THEIRS, &hand.answer(&nomination));
    assert!(hand.agent.selected().is_some());
    // A better candidate comes, and even checks us.
    hand.candidate(ELSEWHERE, HOST);
    hand.wait(100);
    assert!(hand.requests().is_empty(), "nobody checks it any more");
    let check = hand.fitting_check(&[]);
    hand.give(ELSEWHERE, &check);
    for _ in 0..100 {
        hand.wait(100);
        let requests = hand.requests();
        assert!(requests.iter().all(|sent| !sent.message().use_candidate()));
        for request in &requests {
            hand.give(THEIRS, &hand.answer(request));
        }
    }
    assert_eq!(hand.agent.selected().unwrap().remote.addr, addr(THEIRS));
    assert!(hand.agent.accepts(PathId(0), addr(ELSEWHERE)), "it is theirs all the same");
}

#[test]
fn a_nomination_whose_answers_are_all_lost_is_made_again_for_the_same_pair() {
    // rfc8445-8.1.1-1: the other side has probably taken it already.
    let mut hand = Hand::new(Role::Controlling);
    hand.candidate(THEIRS, HOST);
    hand.candidate(ELSEWHERE, HOST - 256);
    let request = hand.only_request();
    hand.wait(50);
    let other = hand.only_request();
    hand.give(ELSEWHERE, &hand.answer(&other));
    hand.give(THEIRS, &hand.answer(&request));
    let mut nominations = std::collections::HashMap::new();
    for _ in 0..1_000 {
        for request in &hand.requests() {
            if request.message().use_candidate() {
                assert_eq!(request.to, addr(THEIRS));
                *nominations.entry(request.message().id()).or_insert(0) += 1;
            } else {
                hand.give(&request.to.to_string(), &hand.answer(request));
            }
        }
        hand.wait(50);
    }
    let mut sends: Vec<i32> = nominations.into_values().collect();
    sends.sort_unstable();
    assert_eq!(sends, [5, 7], "the first was repeated to the end, the second is under way");
}

#[test]
fn a_chosen_pair_that_dies_before_the_choice_is_confirmed_is_replaced() {
    let mut hand = Hand::new(Role::Controlling);
    hand.candidate(THEIRS, HOST);
    hand.candidate(ELSEWHERE, HOST - 256);
    let request = hand.only_request();
    hand.wait(50);
    let other = hand.only_request();
    hand.give(THEIRS, &hand.answer(&request));
    hand.wait(20);
    hand.give(ELSEWHERE, &hand.answer(&other));
    hand.poll();
    // From here on only the other pair answers, and its nomination at the second time of asking.
    let mut to_the_dead = 0;
    let mut nominations = 0;
    while hand.agent.selected().is_none() && hand.now < Instant::from_millis(39_000) {
        hand.wait(10);
        for request in &hand.requests() {
            if request.to == addr(THEIRS) {
                to_the_dead += u32::from(hand.now > Instant::from_millis(30_060));
                continue;
            }
            nominations += u32::from(request.message().use_candidate());
            if !request.message().use_candidate() || nominations == 3 {
                hand.give(ELSEWHERE, &hand.answer(request));
            }
        }
    }
    assert_eq!(hand.agent.selected().unwrap().remote.addr, addr(ELSEWHERE));
    assert_eq!(to_the_dead, 0, "given up when its consent ran out");
}

#[test]
fn whoever_loses_control_stops_nominating() {
    // rfc8445-7.1.2-1
    let mut hand = Hand::new(Role::Controlling);
    hand.candidate(THEIRS, HOST);
    let request = hand.only_request();
    hand.give(THEIRS, &hand.answer(&request));
    assert!(hand.only_request().message().use_candidate());
    let check = hand.check(&[Attribute::IceControlling(u64::MAX)]);
    hand.give(THEIRS, &check);
    assert_eq!(hand.agent.role(), Role::Controlled);
    for _ in 0..100 {
        hand.wait(100);
        assert!(hand.requests().iter().all(|sent| !sent.message().use_candidate()));
    }
}

#[test]
fn a_pair_that_worked_long_ago_must_work_again_before_it_is_taken() {
    // rfc7675-5.1-1
    let mut hand = Hand::new(Role::Controlled);
    hand.candidate(THEIRS, HOST);
    hand.candidate(ELSEWHERE, HOST - 256);
    let first = hand.only_request();
    hand.wait(50);
    let second = hand.only_request();
    hand.give(THEIRS, &hand.answer(&first));
    hand.give(ELSEWHERE, &hand.answer(&second));
    let check = hand.fitting_check(&[Attribute::UseCandidate]);
    hand.give(THEIRS, &check);
    for _ in 0..40 {
        for request in &hand.requests() {
            hand.give(THEIRS, &hand.answer(request));
        }
        hand.wait(1_000);
    }
    hand.poll();
    hand.wait(9_000);
    hand.poll();
    let check = hand.fitting_check(&[Attribute::UseCandidate]);
    hand.give(ELSEWHERE, &check);
    assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(THEIRS))), "not yet");
    let back: Vec<Sent> =
        hand.requests().into_iter().filter(|sent| sent.to == addr(ELSEWHERE)).collect();
    hand.give(ELSEWHERE, &hand.answer(&back[0]));
    assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(ELSEWHERE))));
}

#[test]
fn without_a_choice_consent_is_needed_as_well() {
    // rfc7675-5.1-1: a controlling side that never nominates, and falls silent.
    let mut hand = Hand::new(Role::Controlled);
    hand.candidate(THEIRS, HOST);
    hand.candidate(ELSEWHERE, HOST - 256);
    for _ in 0..2 {
        let request = hand.only_request();
        hand.give(&request.to.to_string(), &hand.answer(&request));
        hand.wait(50);
    }
    for _ in 0..400 {
        for request in &hand.requests() {
            hand.give(&request.to.to_string(), &hand.answer(request));
        }
        hand.wait(100);
    }
    assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(THEIRS))), "kept for 40 s");
    for _ in 0..320 {
        hand.wait(100);
        hand.poll();
    }
    assert_eq!(hand.agent.send_pair(), None);
    assert_eq!(hand.agent.state(), State::Failed);
    assert!(hand.events.contains(&Event::ConsentLost));
}

#[test]
fn a_nomination_by_the_controlled_side_means_nothing() {
    let mut hand = Hand::new(Role::Controlling);
    hand.candidate(THEIRS, HOST);
    let request = hand.only_request();
    hand.give(THEIRS, &hand.answer(&request));
    let check = hand.check(&[Attribute::IceControlled(1), Attribute::UseCandidate]);
    hand.give(THEIRS, &check);
    assert_eq!(hand.agent.selected(), None);
}

#[test]
fn after_the_choice_checks_are_still_answered() {
    // rfc8445-8.1.2-1, rfc8445-11-3
    let mut hand = Hand::selected();
    hand.wait(3_000);
    hand.poll();
    for from in [THEIRS, ELSEWHERE] {
        let check = hand.fitting_check(&[]);
        hand.give(from, &check);
        let sent = hand.poll();
        assert_eq!(sent.len(), 1, "no check back");
        assert!(sent[0].is(Class::Success));
        // rfc8445-12.2-1: media may come from an address that has proved itself.
        assert!(hand.agent.accepts(PathId(0), addr(from)));
    }
}

#[test]
fn a_lite_peer_makes_us_controlling_and_only_answers() {
    // rfc8445-6.1.1-1
    let mut hand = Hand::early(Role::Controlled);
    hand.tell(Input::RemoteLite);
    assert_eq!(hand.agent.role(), Role::Controlling);
    hand.tell(Input::RemoteCredentials(hand.theirs.clone()));
    hand.candidate(THEIRS, HOST);
    hand.tell(Input::RemoteCandidatesDone);
    let request = hand.only_request();
    hand.give(THEIRS, &hand.answer(&request));
    let nomination = hand.only_request();
    assert!(nomination.message().use_candidate());
    hand.give(THEIRS, &hand.answer(&nomination));
    assert_eq!(hand.agent.state(), State::Completed);
    for _ in 0..60 {
        hand.wait(1_000);
        for request in &hand.requests() {
            hand.give(THEIRS, &hand.answer(request));
        }
    }
    assert_eq!(hand.agent.state(), State::Completed);
}

#[test]
fn only_a_proved_answer_renews_consent() {
    // rfc7675-5.1-1, rfc7675-5.1-3
    let mut hand = Hand::selected();
    let mut ids = std::collections::HashSet::new();
    let foreign = IntegrityKey::short_term("somebody+elses+password!");
    for second in 1..30 {
        hand.now = Instant::from_millis(second * 1_000);
        hand.tell(Input::Timer);
        for request in &hand.requests() {
            assert!(ids.insert(request.message().id()), "each has its own id and goes out once");
            let mut forged = Vec::new();
            MessageWriter::success(&mut forged, &request.message())
                .attribute(Attribute::XorMappedAddress(XorAddress(addr(OURS))))
                .integrity(&foreign)
                .fingerprint()
                .finish();
            hand.give(THEIRS, &forged);
            hand.give(ELSEWHERE, &hand.answer(request));
            hand.give(THEIRS, &hand.error(request, ErrorCode::SERVER_ERROR));
        }
        let check = hand.fitting_check(&[]);
        hand.give(THEIRS, &check);
        assert!(hand.agent.send_pair().is_some());
    }
    assert!(ids.len() >= 4);
    hand.now = Instant::from_millis(30_000);
    hand.tell(Input::Timer);
    hand.poll();
    assert_eq!(hand.agent.send_pair(), None);
    assert!(hand.events.contains(&Event::ConsentLost));
    assert_eq!(hand.agent.state(), State::Failed);
}

#[test]
fn an_answer_to_an_older_consent_check_counts_too() {
    let mut hand = Hand::selected();
    hand.wait(6_000);
    let older = hand.only_request();
    hand.wait(6_000);
    hand.poll();
    hand.give(THEIRS, &hand.answer(&older));
    hand.now = Instant::from_millis(41_999);
    hand.tell(Input::Timer);
    hand.poll();
    assert!(hand.agent.send_pair().is_some());
    hand.wait(1);
    hand.poll();
    assert_eq!(hand.agent.send_pair(), None);
}

#[test]
fn forbidden_takes_consent_back_at_once() {
    // rfc7675-5.2-1
    let mut hand = Hand::selected();
    hand.wait(6_000);
    let consent = hand.only_request();
    hand.give(THEIRS, &hand.error(&consent, ErrorCode { code: 403, reason: "Forbidden" }));
    hand.poll();
    assert_eq!(hand.agent.send_pair(), None);
    assert!(hand.events.contains(&Event::ConsentLost));
}

#[test]
fn early_checks_are_answered_remembered_and_limited() {
    // rfc8445-7.3-2
    let mut hand = Hand::early(Role::Controlled);
    for port in 1..=40u16 {
        let check = hand.fitting_check(&[]);
        hand.give(&format!("198.51.100.2:{}", 6_000 + port), &check);
    }
    let answers = hand.poll();
    assert_eq!(answers.len(), 40, "answered, all of them");
    assert!(answers.iter().all(|sent| sent.is(Class::Success)));
    assert_eq!(hand.agent.dropped().surplus_early_checks, 40 - 16);
    hand.tell(Input::RemoteCredentials(hand.theirs.clone()));
    assert_eq!(hand.requests().len(), 1, "the first is checked back at once");
    assert_eq!(hand.agent.pairs().count(), 16);
}

#[test]
fn an_early_nomination_is_remembered() {
    // rfc8445-7.3-2, rfc8445-7.3.1.5-1
    let mut hand = Hand::early(Role::Controlled);
    let check = hand.fitting_check(&[]);
    hand.give(THEIRS, &check);
    let check = hand.fitting_check(&[Attribute::UseCandidate]);
    hand.give(THEIRS, &check);
    hand.poll();
    hand.tell(Input::RemoteCredentials(hand.theirs.clone()));
    let back = hand.only_request();
    hand.give(THEIRS, &hand.answer(&back));
    assert!(hand.agent.selected().is_some());
}

#[test]
fn a_sender_with_another_ufrag_is_answered_but_not_checked_back() {
    let mut hand = Hand::new(Role::Controlled);
    let ours = hand.theirs.clone();
    hand.theirs.ufrag = "else".into();
    let check = hand.fitting_check(&[]);
    hand.theirs = ours;
    hand.give(THEIRS, &check);
    let sent = hand.poll();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].is(Class::Success));
    assert_eq!(hand.agent.dropped().unknown_senders, 1);
}

#[test]
fn candidates_that_are_not_for_us_are_counted_and_forgotten() {
    // rfc6544-4.5-1, rfc8445-6.1.2.2-1, rfc8838-14-1
    let mut hand = Hand::new(Role::Controlling);
    let good = host(THEIRS, HOST);
    let unusable = [
        Candidate { transport: Transport::Tcp, ..good.clone() },
        Candidate { component: 2, ..good.clone() },
        Candidate { addr: addr("198.51.100.2:9"), ..good.clone() },
        Candidate { addr: addr("198.51.100.2:0"), ..good.clone() },
    ];
    for candidate in unusable {
        hand.tell(Input::RemoteCandidate(candidate));
    }
    assert_eq!(hand.agent.dropped().unusable_candidates, 4);
    hand.tell(Input::RemoteCandidate(Candidate { ufrag: Some("past".into()), ..good.clone() }));
    assert_eq!(hand.agent.dropped().late_candidates, 1);
    hand.tell(Input::RemoteCandidate(Candidate { addr: addr("[2001:db8::1]:5"), ..good.clone() }));
    assert_eq!(hand.agent.pairs().count(), 0, "no address of ours in that family");
    hand.tell(Input::RemoteCandidatesDone);
    hand.tell(Input::RemoteCandidate(good));
    assert_eq!(hand.agent.dropped().late_candidates, 2);
    assert_eq!(hand.agent.pairs().count(), 0);
    assert!(hand.requests().is_empty());
}

#[test]
fn candidates_that_come_before_the_credentials_wait_for_them() {
    let mut hand = Hand::early(Role::Controlling);
    hand.candidate(THEIRS, HOST);
    let stale = Candidate { ufrag: Some("past".into()), ..host(ELSEWHERE, HOST) };
    hand.tell(Input::RemoteCandidate(stale));
    assert!(hand.poll().is_empty());
    hand.tell(Input::RemoteCredentials(hand.theirs.clone()));
    assert_eq!(hand.only_request().to, addr(THEIRS));
    assert_eq!(hand.agent.pairs().count(), 1);
}

#[test]
fn no_candidate_is_announced_after_the_end_or_the_choice() {
    // rfc8838-13-1
    let mut hand = Hand::new(Role::Controlling);
    hand.poll();
    hand.events.clear();
    hand.tell(Input::LocalCandidate { path: PathId(7), addr: addr("192.0.2.7:7") });
    hand.poll();
    assert!(hand.events.is_empty());
    assert_eq!(hand.agent.local_candidates().len(), 1);
}

#[test]
fn after_a_restart_old_checks_are_answered_and_new_ones_counted_by_the_new_name() {
    // rfc8445-9-1, rfc8445-5.3-2
    let mut hand = Hand::selected();
    let old = hand.fitting_check(&[]);
    hand.tell(Input::Restart);
    assert_eq!(hand.agent.local_ufrags().count(), 2);
    hand.give(THEIRS, &old);
    assert!(hand.poll()[0].is(Class::Success));
    assert_eq!(hand.agent.pairs().count(), 0, "it is not for the new session");
    let new = hand.fitting_check(&[]);
    hand.give(THEIRS, &new);
    assert!(hand.poll()[0].is(Class::Success));
    hand.theirs = Credentials { ufrag: "new+".into(), pwd: "their+second+password+24".into() };
    hand.tell(Input::RemoteCredentials(hand.theirs.clone()));
    assert_eq!(hand.agent.pairs().count(), 0, "that check came from the old ufrag");
    hand.give(THEIRS, &old);
    assert!(hand.poll()[0].is(Class::Success));
    assert_eq!(hand.agent.dropped().unknown_senders, 0, "the old session's name is known");
    assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(THEIRS))));
}

#[test]
fn indications_and_other_methods_are_left_alone() {
    // rfc8445-11-2: a keepalive needs no proof and means nothing.
    let mut hand = Hand::selected();
    let id = hand.id();
    let mut keepalive = Vec::new();
    MessageWriter::new(&mut keepalive, Class::Indication, Method::BINDING, id)
        .fingerprint()
        .finish();
    hand.give(THEIRS, &keepalive);
    MessageWriter::new(&mut keepalive, Class::Request, Method::ALLOCATE, id).fingerprint().finish();
    hand.give(THEIRS, &keepalive);
    assert!(hand.poll().is_empty());
    assert_eq!(hand.agent.dropped().ignored_messages, 2);
}

#[test]
fn figures_of_a_pair_count_what_w3c_counts() {
    let mut hand = Hand::new(Role::Controlled);
    hand.candidate(THEIRS, HOST);
    let request = hand.only_request();
    hand.wait(30);
    hand.give(THEIRS, &hand.answer(&request));
    let check = hand.fitting_check(&[Attribute::UseCandidate]);
    hand.give(THEIRS, &check);
    hand.wait(6_000);
    let consent = hand.only_request();
    hand.wait(50);
    hand.give(THEIRS, &hand.answer(&consent));
    let pair = hand.agent.pairs().next().unwrap();
    assert!(pair.selected && pair.nominated);
    let figures = pair.figures;
    assert_eq!((figures.requests_sent, figures.consent_requests_sent), (2, 1));
    assert_eq!((figures.responses_received, figures.requests_received), (2, 1));
    assert_eq!(figures.responses_sent, 1);
    assert_eq!(figures.current_round_trip_time, Some(Duration::from_millis(50)));
    assert_eq!(figures.total_round_trip_time, Duration::from_millis(80));
}

#[test]
fn an_unpolled_agent_keeps_a_limited_number_of_answers() {
    let mut hand = Hand::new(Role::Controlled);
    for _ in 0..1_000 {
        let check = hand.fitting_check(&[]);
        hand.next_id = 0;
        hand.give(THEIRS, &check);
    }
    assert!(hand.poll().len() <= 300);
    assert!(hand.agent.dropped().surplus_answers >= 700);
}

/// A step that a stranger or a confused peer might cause.
fn step() -> impl Strategy<Value = (u8, u16, Vec<u8>)> {
    (any::<u8>(), 0..2_000u16, proptest::collection::vec(any::<u8>(), 0..120))
}

proptest! {
    #[test]
    fn no_bytes_and_no_order_of_inputs_break_it(
        seed in any::<u64>(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let role = if seed % 2 == 0 { Role::Controlling } else { Role::Controlled };
        let mut hand = Hand::early(role);
        let mut sent: Vec<Sent> = Vec::new();
        for (what, number, bytes) in steps {
            let from = format!("198.51.100.{}:{}", number % 3, 6_000 + number % 7);
            match what % 16 {
                0 => hand.give(&from, &bytes),
                1 => {
                    let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
                    stun.extend(&bytes);
                    stun[3] = u8::try_from(stun.len().saturating_sub(20)).unwrap();
                    hand.give(&from, &stun);
                }
                2 | 3 => {
                    let nominates = (number % 2 == 0).then_some(Attribute::UseCandidate);
                    let attributes: Vec<_> = nominates.into_iter().collect();
                    let mut check = hand.fitting_check(&attributes);
                    if let Some(byte) = bytes.first().filter(|_| what > 128) {
                        let at = usize::from(*byte) % check.len();
                        check[at] ^= 1;
                    }
                    hand.give(&from, &check);
                }
                4 => {
                    let check = hand.check(&[Attribute::IceControlling(u64::MAX)]);
                    hand.give(&from, &check);
                }
                5 => {
                    let check = hand.check(&[Attribute::IceControlled(u64::MAX)]);
                    hand.give(&from, &check);
                }
                6..=8 => {
                    if let Some(request) = sent.pop() {
                        let answer = hand.answer_seeing(&request, &from);
                        hand.give(&request.to.to_string(), &answer);
                    }
                }
                9 => {
                    if let Some(request) = sent.pop() {
                        let error = hand.error(&request, ErrorCode::ROLE_CONFLICT);
                        hand.give(&request.to.to_string(), &error);
                    }
                }
                10 => hand.tell(Input::RemoteCredentials(hand.theirs.clone())),
                11 => hand.candidate(&from, u32::from(number) << 8),
                12 if number > 1_500 => hand.tell(Input::Restart),
                13 if number > 1_000 => hand.tell(Input::RemoteLite),
                14 => hand.wait(u64::from(number) * 20),
                15 if number > 1_900 => hand.tell(Input::Close),
                _ => hand.wait(u64::from(number)),
            }
            sent.extend(hand.requests());
            let states = hand.agent.pairs().count();
            prop_assert!(states <= 100);
            if matches!(hand.agent.state(), State::Failed | State::Closed) {
                prop_assert_eq!(hand.agent.send_pair(), None);
            }
            if hand.agent.selected().is_some() {
                prop_assert!(hand.agent.state() != State::New);
            }
        }
    }
}
