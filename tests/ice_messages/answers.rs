//! What they answer: proof, errors, roles given up.

use std::time::Duration;

use halloo::ice::{Input, Kind, PairState, PathId, Role, pair_priority};
use halloo::stun::{Attribute, ErrorCode, IntegrityKey, MessageWriter, XorAddress};

use super::hand::{ELSEWHERE, HOST, Hand, OURS, REFLEXIVE, Sent, THEIRS, addr};

#[test]
fn on_487_the_role_claimed_is_given_up_and_the_pair_checked_again() {
    // rfc8445-7.2.5.1-1
    for role in [Role::Controlling, Role::Controlled] {
        let (mut hand, first) = Hand::checking(role);
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
    let (mut hand, request) = Hand::checking(Role::Controlling);
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
    hand.confirm(&request);
    assert_eq!(hand.pair_states(), [PairState::Succeeded]);
}

#[test]
fn an_answer_to_no_request_is_counted_whoever_signs_it() {
    let (mut hand, request) = Hand::checking(Role::Controlling);
    let answer = hand.answer(&request);
    hand.give(THEIRS, &answer);
    hand.give(THEIRS, &answer);
    assert_eq!(hand.agent.dropped().unknown_transactions, 1, "the second is late");
}

#[test]
fn an_answer_from_another_address_fails_the_pair() {
    // rfc8445-7.2.5.2.1-1
    let (mut hand, request) = Hand::checking(Role::Controlling);
    hand.give(ELSEWHERE, &hand.answer(&request));
    assert_eq!(hand.pair_states(), [PairState::Failed]);
    assert_eq!(hand.agent.dropped().asymmetric_responses, 1);
    assert_eq!(hand.agent.send_pair(), None);
}

/// ffmpeg's WHIP muxer answers so.
#[test]
fn an_answer_that_does_not_tell_what_it_saw_counts_for_the_base() {
    let (mut hand, request) = Hand::checking(Role::Controlling);
    let mut bare = Vec::new();
    MessageWriter::success(&mut bare, &request.message())
        .integrity(&hand.their_key())
        .fingerprint()
        .finish();
    hand.give(THEIRS, &bare);
    assert_eq!(hand.pair_states(), [PairState::Succeeded]);
    assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(THEIRS))));
}

#[test]
fn an_error_that_cannot_be_repaired_fails_the_pair() {
    let (mut hand, request) = Hand::checking(Role::Controlling);
    hand.give(THEIRS, &hand.error(&request, ErrorCode::SERVER_ERROR));
    assert_eq!(hand.pair_states(), [PairState::Failed]);
}

#[test]
fn the_valid_pair_has_the_mapped_address_and_not_the_one_checked_from() {
    // rfc8445-7.2.5.3.1-1, rfc8445-7.2.5.3.2-1
    let (mut hand, request) = Hand::checking(Role::Controlling);
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
fn what_goes_wrong_with_a_replaced_check_does_not_harm_the_pair() {
    for bad in 0..3 {
        let (mut hand, first) = Hand::checking(Role::Controlled);
        hand.check_from(THEIRS, &[Attribute::UseCandidate]);
        hand.wait(50);
        let second = hand.only_request();
        hand.confirm(&second);
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
fn figures_of_a_pair_count_what_w3c_counts() {
    let (mut hand, request) = Hand::checking(Role::Controlled);
    hand.wait(30);
    hand.confirm(&request);
    hand.check_from(THEIRS, &[Attribute::UseCandidate]);
    hand.wait(6_000);
    let consent = hand.only_request();
    hand.wait(50);
    hand.confirm(&consent);
    let pair = hand.agent.pairs().next().unwrap();
    assert!(pair.selected && pair.nominated);
    let figures = pair.figures;
    assert_eq!((figures.requests_sent, figures.consent_requests_sent), (2, 1));
    assert_eq!((figures.responses_received, figures.requests_received), (2, 1));
    assert_eq!(figures.responses_sent, 1);
    assert_eq!(figures.current_round_trip_time, Some(Duration::from_millis(50)));
    assert_eq!(figures.total_round_trip_time, Duration::from_millis(80));
}
