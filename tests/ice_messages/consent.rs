//! May we still send?

use halloo::ice::{Event, Input, PathId, Role, State};
use halloo::stun::{Attribute, ErrorCode, IntegrityKey, MessageWriter, XorAddress};
use halloo::time::Instant;

use super::hand::{ELSEWHERE, HOST, Hand, OURS, Sent, THEIRS, addr};

#[test]
fn a_pair_that_worked_long_ago_must_work_again_before_it_is_taken() {
    // rfc7675-5.1-1
    let (mut hand, [first, second]) = Hand::checking_two(Role::Controlled);
    hand.confirm(&first);
    hand.confirm(&second);
    hand.check_from(THEIRS, &[Attribute::UseCandidate]);
    for _ in 0..40 {
        for request in hand.requests().iter().filter(|sent| sent.to == addr(THEIRS)) {
            hand.confirm(request);
        }
        hand.wait(1_000);
    }
    hand.poll();
    hand.wait(9_000);
    hand.poll();
    hand.check_from(ELSEWHERE, &[Attribute::UseCandidate]);
    assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(THEIRS))), "not yet");
    let back: Vec<Sent> =
        hand.requests().into_iter().filter(|sent| sent.to == addr(ELSEWHERE)).collect();
    hand.confirm(&back[0]);
    assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(ELSEWHERE))));
}

#[test]
fn when_the_chosen_pairs_consent_ends_another_carries_for_as_long_as_it_has_its_own() {
    // rfc7675-5.1-1
    let (mut hand, [first, second]) = Hand::checking_two(Role::Controlled);
    hand.confirm(&first);
    hand.check_from(THEIRS, &[Attribute::UseCandidate]);
    hand.poll();
    hand.wait(2_000);
    hand.confirm(&second);
    let (mut carried, mut lost) = (Vec::new(), None);
    while hand.now < Instant::from_millis(40_000) {
        hand.poll();
        let pair = hand.agent.send_pair().map(|(_, to)| to);
        if carried.last().is_none_or(|(_, last)| *last != pair) {
            carried.push((hand.now.since_start().as_secs(), pair));
        }
        if lost.is_none() && hand.events.contains(&Event::ConsentLost) {
            lost = Some(hand.now.since_start().as_secs());
        }
        hand.wait(100);
    }
    let (one, other) = (Some(addr(THEIRS)), Some(addr(ELSEWHERE)));
    assert_eq!(carried, [(2, one), (30, other), (32, None)]);
    assert_eq!(lost, Some(32));
}

#[test]
fn without_a_choice_consent_is_needed_as_well() {
    // rfc7675-5.1-1: a controlling side that never nominates, and falls silent.
    let mut hand = Hand::new(Role::Controlled);
    hand.candidate(THEIRS, HOST);
    hand.candidate(ELSEWHERE, HOST - 256);
    for _ in 0..2 {
        let request = hand.only_request();
        hand.confirm(&request);
        hand.wait(50);
    }
    for _ in 0..400 {
        hand.confirm_all();
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
        hand.check_from(THEIRS, &[]);
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
    hand.confirm(&older);
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
