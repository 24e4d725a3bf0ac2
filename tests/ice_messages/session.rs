//! What signalling brings, early, late, or again.

use halloo::ice::{
    Candidate, Credentials, Event, Input, PairState, PathId, Role, State, Transport,
};
use halloo::stun::{Attribute, Class, ErrorCode};

use super::hand::{ELSEWHERE, HOST, Hand, THEIRS, addr, host};

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
fn a_lite_peer_makes_us_controlling_and_only_answers() {
    // rfc8445-6.1.1-1
    let mut hand = Hand::early(Role::Controlled);
    hand.tell(Input::RemoteLite);
    assert_eq!(hand.agent.role(), Role::Controlling);
    hand.tell(Input::RemoteCredentials(hand.theirs.clone()));
    hand.candidate(THEIRS, HOST);
    hand.tell(Input::RemoteCandidatesDone);
    let request = hand.only_request();
    hand.confirm(&request);
    let nomination = hand.only_request();
    assert!(nomination.message().use_candidate());
    hand.confirm(&nomination);
    assert_eq!(hand.agent.state(), State::Completed);
    for _ in 0..60 {
        hand.wait(1_000);
        hand.confirm_all();
    }
    assert_eq!(hand.agent.state(), State::Completed);
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
    hand.check_from(THEIRS, &[]);
    hand.check_from(THEIRS, &[Attribute::UseCandidate]);
    hand.poll();
    hand.tell(Input::RemoteCredentials(hand.theirs.clone()));
    let back = hand.only_request();
    hand.confirm(&back);
    assert!(hand.agent.selected().is_some());
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
    assert_eq!(hand.events, [Event::RestartNeeded], "only that helps, while nothing is chosen");
    assert_eq!(hand.agent.local_candidates().len(), 1);
    hand.candidate(THEIRS, HOST);
    let from: Vec<_> = (0..10)
        .flat_map(|_| {
            hand.wait(50);
            hand.requests()
        })
        .map(|sent| sent.path)
        .collect();
    assert!(from.contains(&PathId(7)), "checks may get through: {from:?}");

    let mut hand = Hand::selected();
    hand.events.clear();
    hand.tell(Input::LocalCandidate { path: PathId(7), addr: addr("192.0.2.7:7") });
    hand.poll();
    assert!(hand.events.is_empty(), "it stands by");
    assert_eq!(hand.agent.local_candidates().len(), 1);
    hand.tell(Input::Restart);
    hand.poll();
    assert!(matches!(&hand.events[0], Event::LocalCandidate(late) if late.addr.port() == 7));
    assert_eq!(hand.agent.local_candidates().len(), 2);
}

#[test]
fn after_a_restart_old_checks_are_answered_and_new_ones_counted_by_the_new_name() {
    // rfc8445-9-1, rfc8445-5.3-2
    let mut hand = Hand::selected();
    let old = hand.fitting_check(&[]);
    hand.tell(Input::Restart);
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
fn a_restart_that_fails_ends_what_the_session_before_it_carried() {
    let mut hand = Hand::selected();
    let in_use =
        |hand: &Hand| hand.agent.every_pair().find(|pair| pair.selected).map(|pair| pair.id);
    let old = in_use(&hand).expect("a pair is in use");
    hand.tell(Input::Restart);
    assert_eq!(hand.agent.send_pair(), Some((PathId(0), addr(THEIRS))), "media goes on");
    let new = Credentials { ufrag: "new+".into(), pwd: "their+second+password+24".into() };
    hand.tell(Input::RemoteCredentials(new));
    // The old pair's consent is kept by answers; nobody is found in the new session.
    while hand.agent.state() == State::Checking {
        hand.wait(1_000);
        for consent in hand.requests() {
            hand.confirm(&consent);
        }
        let carries = hand.agent.send_pair().is_some();
        assert_eq!(carries, hand.agent.state() == State::Checking, "{:?}", hand.now);
        assert_eq!(in_use(&hand), Some(old), "and it is told which, to the last");
    }
    assert_eq!(hand.agent.state(), State::Failed);
}
