//! One pair is chosen, by us or by them.

use halloo::ice::{PathId, Role, State};
use halloo::stun::{Attribute, Class};
use halloo::time::Instant;

use super::hand::{ELSEWHERE, HOST, Hand, Sent, THEIRS, addr};

#[test]
fn use_candidate_selects_at_once_if_the_pair_works_and_else_when_it_does() {
    // rfc8445-7.3.1.5-1
    let mut hand = Hand::new(Role::Controlled);
    hand.check_from(THEIRS, &[Attribute::UseCandidate]);
    assert_eq!(hand.agent.selected(), None, "our own check is not through");
    let back = hand.only_request();
    hand.confirm(&back);
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
            hand.check_from(from, &[Attribute::UseCandidate]);
            for _ in 0..4 {
                hand.confirm_all();
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
    hand.check_from(ELSEWHERE, &[Attribute::UseCandidate]);
    let back = hand.only_request();
    hand.confirm(&back);
    assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(THEIRS))), "a lower one, too early");
    hand.wait(5_001);
    hand.poll();
    assert_eq!(hand.agent.state(), State::Disconnected);
    hand.check_from(ELSEWHERE, &[Attribute::UseCandidate]);
    hand.poll();
    assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(ELSEWHERE))));
    assert_eq!(hand.agent.state(), State::Connected);
}

#[test]
fn silence_and_then_their_choice_of_a_new_address_moves_media_there() {
    // As after a NAT has given the other side a new address.
    let mut hand = Hand::selected();
    hand.wait(10_000);
    hand.poll();
    assert_eq!(hand.agent.state(), State::Disconnected);
    hand.check_from(ELSEWHERE, &[Attribute::UseCandidate]);
    let back: Vec<Sent> =
        hand.requests().into_iter().filter(|sent| sent.to == addr(ELSEWHERE)).collect();
    hand.confirm(&back[0]);
    assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(ELSEWHERE))));
    assert_eq!(hand.agent.state(), State::Connected);
}

#[test]
fn the_controlling_side_nominates_one_pair_and_no_other_after_it() {
    // rfc8445-8.1.1-1, rfc8445-8.1.1-2
    let mut hand = Hand::new(Role::Controlling);
    hand.candidate(THEIRS, HOST - 256);
    let request = hand.only_request();
    hand.confirm(&request);
    let nomination = hand.only_request();
    assert!(nomination.message().use_candidate());
    assert_eq!(nomination.to, addr(THEIRS));
    hand.confirm(&nomination);
    assert!(hand.agent.selected().is_some());
    // A better candidate comes, and even checks us.
    hand.candidate(ELSEWHERE, HOST);
    hand.wait(100);
    assert!(hand.requests().is_empty(), "nobody checks it any more");
    hand.check_from(ELSEWHERE, &[]);
    for _ in 0..100 {
        hand.wait(100);
        let requests = hand.requests();
        assert!(requests.iter().all(|sent| !sent.message().use_candidate()));
        for request in &requests {
            hand.confirm(request);
        }
    }
    assert_eq!(hand.agent.selected().unwrap().remote.addr, addr(THEIRS));
    assert!(hand.agent.accepts(PathId(0), addr(ELSEWHERE)), "it is theirs all the same");
}

#[test]
fn a_nomination_whose_answers_are_all_lost_is_made_again_for_the_same_pair() {
    // rfc8445-8.1.1-1: the other side has probably taken it already.
    let (mut hand, [request, other]) = Hand::checking_two(Role::Controlling);
    hand.confirm(&other);
    hand.confirm(&request);
    let mut nominations = std::collections::HashMap::new();
    for _ in 0..1_000 {
        for request in &hand.requests() {
            if request.message().use_candidate() {
                assert_eq!(request.to, addr(THEIRS));
                *nominations.entry(request.message().id()).or_insert(0) += 1;
            } else {
                hand.confirm(request);
            }
        }
        hand.wait(50);
    }
    let mut sends: Vec<i32> = nominations.into_values().collect();
    sends.sort_unstable();
    assert_eq!(sends, [21, 64], "the first was repeated to the end, the second is under way");
}

#[test]
fn a_chosen_pair_that_dies_before_the_choice_is_confirmed_is_replaced() {
    let (mut hand, [request, other]) = Hand::checking_two(Role::Controlling);
    hand.confirm(&request);
    hand.wait(20);
    hand.confirm(&other);
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
    let (mut hand, request) = Hand::checking(Role::Controlling);
    hand.confirm(&request);
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
fn a_nomination_by_the_controlled_side_means_nothing() {
    let (mut hand, request) = Hand::checking(Role::Controlling);
    hand.confirm(&request);
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
    for (from, back) in [(THEIRS, 0), (ELSEWHERE, 1)] {
        hand.check_from(from, &[]);
        let mut sent = hand.poll();
        assert!(sent.remove(0).is(Class::Success));
        for _ in 0..9 {
            hand.wait(50);
            sent.extend(hand.poll());
        }
        assert_eq!(sent.len(), back, "one probe of the pair that will stand by");
        // rfc8445-12.2-1: media may come from an address that has proved itself.
        assert!(hand.agent.accepts(PathId(0), addr(from)));
    }
}
