//! What we ask: checks, and when they leave again.

use halloo::ice::{Candidate, Input, Role};
use halloo::stun::{Attribute, IntegrityKind};

use super::hand::{ELSEWHERE, HOST, Hand, REFLEXIVE, THEIRS, addr, host};

#[test]
fn a_check_carries_what_the_rfc_asks_for() {
    for role in [Role::Controlling, Role::Controlled] {
        let (hand, sent) = Hand::checking(role);
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
    let (mut hand, first) = Hand::checking(Role::Controlling);
    hand.wait(499);
    assert!(hand.poll().is_empty());
    hand.wait(1);
    assert_eq!(hand.only_request().bytes, first.bytes);
}

#[test]
fn the_choice_ends_all_other_checks() {
    // rfc8445-8.1.2
    let (mut hand, first) = Hand::checking(Role::Controlled);
    for (port, below) in [(7_000, 256), (7_001, 512), (7_002, 768)] {
        hand.candidate(&format!("198.51.100.3:{port}"), HOST - below);
    }
    hand.wait(50);
    assert_eq!(hand.requests().len(), 1, "one of the others is out");
    hand.confirm(&first);
    hand.check_from(THEIRS, &[Attribute::UseCandidate]);
    hand.candidate("198.51.100.3:7003", HOST - 1_024);
    for _ in 0..9 {
        hand.wait(50);
        assert!(hand.requests().is_empty(), "neither repeated nor begun");
    }
    // The others stand by: five probes each, none repeated, and not more than five a second.
    let mut probes = Vec::new();
    for _ in 0..800 {
        hand.wait(50);
        for request in hand.requests() {
            if request.to == addr(THEIRS) {
                hand.confirm(&request);
            } else {
                probes.push((hand.now, request));
            }
        }
    }
    assert_eq!(probes.len(), 4 * 5);
    assert!(probes.windows(2).all(|two| (two[1].0 - two[0].0).as_millis() >= 200));
    let ids = probes.iter().map(|(_, probe)| probe.message().id());
    assert_eq!(ids.collect::<std::collections::HashSet<_>>().len(), probes.len());
}

#[test]
fn a_check_that_was_replaced_is_not_repeated() {
    // rfc8445-7.3.1.4-1: "will not retransmit"
    let mut hand = Hand::new(Role::Controlled);
    hand.candidate(THEIRS, HOST);
    hand.only_request();
    hand.check_from(THEIRS, &[]);
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
    hand.confirm(&first);
    hand.wait(50);
    assert_eq!(hand.only_request().to, addr("198.51.100.2:6001"));
}
