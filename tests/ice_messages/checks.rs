//! What they ask: checks of theirs, genuine or not, and who is in charge.

use std::time::Duration;

use halloo::ice::{Candidate, Input, Kind, PairState, PathId, Role, State, pair_priority};
use halloo::stun::{
    Attribute, Class, ErrorCode, IntegrityKey, IntegrityKind, Message, MessageWriter, Method,
};

use super::hand::{ELSEWHERE, HOST, Hand, REFLEXIVE, THEIRS, addr, host};

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
fn a_refusal_has_words_only_if_they_make_it_no_longer_than_what_it_refuses() {
    // rfc8489-9.1.3-1, rfc8445-7.3-1: who proves nothing is refused, and may have made up his address.
    let mut hand = Hand::new(Role::Controlled);
    let name = hand.username();
    for (username, length, answered) in
        [(None, 28, 36), (Some(&name[..4]), 36, 36), (Some(&name[..]), 48, 48)]
    {
        let id = hand.id();
        let mut request = Vec::new();
        MessageWriter::new(&mut request, Class::Request, Method::BINDING, id)
            .attributes(username.map(Attribute::Username))
            .fingerprint()
            .finish();
        assert_eq!(request.len(), length);
        hand.give(ELSEWHERE, &request);
        let sent = hand.poll();
        assert_eq!((sent.len(), sent[0].error()), (1, Some(400)));
        assert_eq!(sent[0].bytes.len(), answered);
    }
    assert_eq!(hand.agent.dropped().unauthenticated_requests, 3);
}

#[test]
fn an_unknown_required_attribute_is_named_in_a_420() {
    let mut hand = Hand::new(Role::Controlled);
    let unknown = Attribute::Unknown { number: 0x7ffe, value: &[1, 2, 3] };
    hand.check_from(THEIRS, &[unknown]);
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
    hand.check_from(THEIRS, &[optional]);
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
        let (mut hand, own) = Hand::checking(role);
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
fn a_candidate_met_before_its_line_gets_the_priority_of_the_line() {
    let mut hand = Hand::new(Role::Controlled);
    hand.check_from(THEIRS, &[]);
    let before = hand.agent.pairs().next().unwrap().priority;
    assert_eq!(before, pair_priority(REFLEXIVE, HOST), "they are controlling");
    hand.candidate(THEIRS, HOST - 256);
    let pairs: Vec<_> = hand.agent.pairs().map(|pair| (pair.priority, pair.remote.kind)).collect();
    assert_eq!(pairs, [(pair_priority(HOST - 256, HOST), Kind::Host)]);
}

#[test]
fn a_worse_line_than_the_reflexive_priority_still_replaces_it() {
    let mut hand = Hand::new(Role::Controlled);
    hand.check_from(THEIRS, &[]);
    let line = Candidate { kind: Kind::Relayed, ..host(THEIRS, 16_777_215) };
    hand.tell(Input::RemoteCandidate(line));
    let pair = hand.agent.pairs().next().unwrap();
    assert_eq!((pair.remote.kind, pair.remote.priority), (Kind::Relayed, 16_777_215));
}

#[test]
fn a_check_from_an_unknown_address_makes_a_candidate_and_is_checked_back_at_once() {
    // rfc8445-7.3.1.3-1, rfc8445-7.3.1.4-1
    let mut hand = Hand::new(Role::Controlled);
    hand.check_from(ELSEWHERE, &[]);
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
    let (mut hand, first) = Hand::checking(Role::Controlled);
    hand.check_from(THEIRS, &[]);
    assert!(hand.requests().is_empty(), "the pace holds");
    hand.wait(50);
    let second = hand.only_request();
    assert_ne!(first.message().id(), second.message().id());
    hand.confirm(&first);
    assert_eq!(hand.pair_states(), [PairState::Succeeded]);
    hand.wait(2_000);
    assert!(hand.requests().is_empty(), "nothing is repeated for a pair that works");
}

#[test]
fn a_check_of_a_succeeded_pair_is_answered_and_that_is_all() {
    // rfc8445-7.3.1.4-1: Succeeded
    let (mut hand, request) = Hand::checking(Role::Controlled);
    hand.confirm(&request);
    hand.wait(100);
    hand.check_from(THEIRS, &[]);
    let sent = hand.poll();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].is(Class::Success));
}

#[test]
fn a_failed_pair_gets_another_chance_when_the_other_side_checks_it() {
    // rfc8445-7.3.1.4-1: Failed
    let (mut hand, request) = Hand::checking(Role::Controlled);
    hand.give(THEIRS, &hand.error(&request, ErrorCode::SERVER_ERROR));
    hand.wait(100);
    hand.check_from(THEIRS, &[]);
    assert_eq!(hand.requests().len(), 1);
}

/// Chromium, restarting, checks from new sockets by the old name of ours and the new one of its own.
#[test]
fn a_sender_with_another_ufrag_is_refused_and_not_checked_back() {
    let mut hand = Hand::new(Role::Controlled);
    let ours = hand.theirs.clone();
    hand.theirs.ufrag = "else".into();
    let check = hand.fitting_check(&[]);
    hand.theirs = ours;
    hand.give(THEIRS, &check);
    let sent = hand.poll();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].is(Class::Error));
    assert_eq!(hand.agent.dropped().foreign_requests, 0, "it knows our password");
    assert_eq!(hand.agent.dropped().unknown_senders, 1);
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

#[test]
fn a_patient_agent_checks_again_until_the_other_side_comes() {
    // Descriptions that people carry by hand: the answerer checks long before the offerer can answer,
    // and what its NAT has opened must stay open.
    let minutes = 10 * 60;
    let mut hand = Hand::patient(Role::Controlled, Duration::from_secs(minutes));
    hand.candidate(THEIRS, HOST);
    hand.tell(Input::RemoteCandidatesDone);
    let mut last = hand.now;
    let mut longest_silence = Duration::ZERO;
    for _ in 0..(minutes - 60) * 10 {
        hand.wait(100);
        if !hand.requests().is_empty() {
            longest_silence = longest_silence.max(hand.now - last);
            last = hand.now;
        }
    }
    assert!(longest_silence < Duration::from_secs(30), "{longest_silence:?}");
    assert_eq!(hand.agent.state(), State::Checking);
    hand.check_from(THEIRS, &[Attribute::UseCandidate]);
    let back = hand.only_request();
    hand.confirm(&back);
    assert!(hand.agent.selected().is_some());

    let mut nobody = Hand::patient(Role::Controlled, Duration::from_secs(minutes));
    nobody.candidate(THEIRS, HOST);
    for _ in 0..=minutes {
        nobody.wait(1_000);
        nobody.poll();
    }
    assert_eq!(nobody.agent.state(), State::Failed);
}

#[test]
fn a_patient_agent_does_not_hammer_who_refuses_it() {
    let mut hand = Hand::patient(Role::Controlled, Duration::from_secs(600));
    hand.candidate(THEIRS, HOST);
    let mut sent = 0;
    for _ in 0..600 {
        for request in hand.requests() {
            sent += 1;
            let refusal = hand.error(&request, ErrorCode { code: 400, reason: "no" });
            hand.give(THEIRS, &refusal);
        }
        hand.wait(1_000);
    }
    assert!((20..=41).contains(&sent), "{sent} checks in ten minutes");
}
