//! How calls fail and end: nobody is let in who isn't the one promised, and whoever leaves is missed in time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]

mod common {
    pub mod call;
    pub mod listen;
}

use std::time::Duration;

use common::call::{Call, Side, Who};
use halloo::net::impair::Impairment;
use halloo::peer::config::Config;
use halloo::peer::demux::{Protocol, classify};
use halloo::peer::event::{End, Event, Step};
use halloo::peer::{Input, NegotiateError, Output};
use halloo::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn network() -> Impairment {
    Impairment { delay: Duration::from_millis(20), ..Impairment::default() }
}

fn connected(seed: u64) -> Call {
    let mut call = Call::new(seed, &network());
    call.signal();
    call.connect();
    call.run_for(2 * SECOND);
    call
}

fn both_ended(call: &Call) -> bool {
    call.alice.ended().is_some() && call.bob.ended().is_some()
}

fn failed(side: &Side) -> (Instant, Step) {
    match side.ended() {
        Some((at, End::Failed { step }, _)) => (at, step),
        other => panic!("{other:?}"),
    }
}

/// Another hexadecimal digit where a fingerprint ends.
fn forge_fingerprint(text: String) -> String {
    let at = text.find("a=fingerprint:").unwrap();
    let end = at + text[at..].find("\r\n").unwrap();
    let other = if &text[end - 1..end] == "0" { "1" } else { "0" };
    [&text[..end - 1], other, &text[end..]].concat()
}

fn forge_password(text: String) -> String {
    let at = text.find("a=ice-pwd:").unwrap() + "a=ice-pwd:".len();
    [&text[..at], "AAAAAAAAAAAAAAAAAAAAAAAA", &text[at + 24..]].concat()
}

type Edit = fn(String) -> String;

fn same(text: String) -> String {
    text
}

#[test]
fn whoever_shows_another_certificate_is_refused_before_any_media() {
    // rfc8122-5-1, rfc5763-5-2, rfc8827-6.5-1: wrong in the offer, in the answer, in both.
    let edits: [[Edit; 2]; 3] = [
        [forge_fingerprint, same],
        [same, forge_fingerprint],
        [forge_fingerprint, forge_fingerprint],
    ];
    for (seed, [offer, answer]) in (0..).zip(edits) {
        let mut call = Call::new(seed, &network());
        call.signal_edited(Who::Alice, offer, answer);
        assert!(call.run_until(60 * SECOND, both_ended), "it goes on");
        for side in [&call.alice, &call.bob] {
            assert_eq!(failed(side).1, Step::Dtls, "{:?}", side.ended());
            assert!(!side.was_told(|event| matches!(event, Event::Connected { .. })));
            let figures = side.peer.figures();
            assert_eq!((figures.packets_sent, figures.packets_received), (0, 0));
        }
        let media = |protocol| matches!(protocol, Some(Protocol::Rtp | Protocol::Rtcp));
        assert!(!call.trace.iter().any(|sent| media(sent.2)), "not one sealed packet left");
        assert!(call.now.since_start() < SECOND, "both are told at once");
    }
}

#[test]
fn whoever_knows_another_password_gets_nowhere() {
    // rfc8863-4-1: not failed before 39.5 s, unless there is less patience.
    for (timeout, ends) in [(45_000, 39_500), (5_000, 5_000)] {
        let connect_timeout = Duration::from_millis(timeout);
        let config = Config { connect_timeout, ..Config::default() };
        let mut call = Call::with_configs(1, &network(), config.clone(), config);
        call.signal_edited(Who::Alice, forge_password, forge_password);
        assert!(call.run_until(60 * SECOND, both_ended));
        for side in [&call.alice, &call.bob] {
            assert_eq!(failed(side), (Instant::from_millis(ends), Step::Ice));
            assert!(side.peer.dropped().ice.foreign_requests > 0, "counted");
            assert!(!side.was_told(|event| matches!(event, Event::Dtls { .. })));
        }
        assert!(
            !call.trace.iter().any(|sent| sent.2 != Some(Protocol::Stun)),
            "nothing but checks"
        );
    }
}

#[test]
fn one_wrong_password_is_enough() {
    for (offer, answer) in
        [(forge_password as fn(String) -> String, same as fn(_) -> _), (same, forge_password)]
    {
        let mut call = Call::new(2, &network());
        call.signal_edited(Who::Alice, offer, answer);
        assert!(call.run_until(60 * SECOND, both_ended), "it goes on");
        for side in [&call.alice, &call.bob] {
            assert!(matches!(failed(side).1, Step::Ice | Step::Dtls), "{:?}", side.ended());
            assert_eq!(side.peer.figures().packets_sent, 0);
        }
    }
}

#[test]
fn a_call_without_an_answer_never_ends_by_itself_and_can_be_hung_up() {
    let mut call = Call::new(3, &network());
    call.alice.peer.make_offer(call.now).unwrap();
    call.run_for(120 * SECOND);
    assert!(call.alice.ended().is_none(), "it is the caller's patience that counts");
    call.hang_up(Who::Alice);
    assert!(matches!(call.alice.ended(), Some((_, End::HungUp, _))));
}

#[test]
fn a_hang_up_reaches_the_other_side_within_one_way() {
    for who in [Who::Alice, Who::Bob] {
        let mut call = connected(4);
        let since = call.trace.len();
        call.hang_up(who);
        let hung_up = call.now;
        let sent: Vec<_> =
            call.trace[since..].iter().filter(|sent| sent.1 == who).map(|sent| sent.2).collect();
        assert_eq!(sent, [Some(Protocol::Rtcp), Some(Protocol::Dtls)], "BYE, then close_notify");
        call.run_for(SECOND);
        assert!(matches!(call.side(who).ended(), Some((at, End::HungUp, _)) if at == hung_up));
        let (at, end, _) = call.side(who.other()).ended().unwrap();
        assert_eq!(end, End::HungUpByPeer);
        assert_eq!(at - hung_up, Duration::from_millis(20));
    }
}

#[test]
fn nothing_is_told_sent_or_heard_after_the_end() {
    let mut call = connected(5);
    call.hang_up(Who::Alice);
    let since = call.now + SECOND;
    call.run_for(10 * SECOND);
    assert!(!call.trace.iter().any(|sent| sent.0 > since), "silence");
    for side in [&mut call.alice, &mut call.bob] {
        let ends = |event: &Event| matches!(event, Event::Ended { .. });
        assert_eq!(side.events.iter().filter(|(_, event)| ends(event)).count(), 1);
        assert!(ends(&side.events.last().unwrap().1), "the last of all");
        assert!(side.heard_last(1.0).level() < -100.0);
        assert!(side.peer.is_ended() && !side.peer.is_sending());
        side.peer.handle_input(call.now, Input::Timer);
        side.peer.handle_input(call.now, Input::Close);
        assert!(matches!(side.peer.poll_output(), Output::Timeout(None)));
        assert_eq!(side.peer.make_offer(call.now), Err(NegotiateError::Ended));
    }
}

#[test]
fn what_arrives_after_the_end_is_no_news() {
    // Bob's first packets are under way when Alice hangs up.
    let mut call = Call::new(5, &network());
    call.signal();
    call.connect();
    let sends = |call: &Call| call.bob.peer.figures().packets_sent > 0;
    assert!(call.run_until(SECOND, sends));
    call.hang_up(Who::Alice);
    call.run_for(SECOND);
    assert!(matches!(call.alice.events.last(), Some((_, Event::Ended { .. }))));
    assert_eq!(call.alice.peer.figures().packets_received, 0);
}

#[test]
fn a_lost_close_notify_is_made_up_for_by_the_goodbye() {
    let mut call = connected(6);
    call.filter = Box::new(|_, _, bytes| classify(bytes) != Some(Protocol::Dtls));
    call.hang_up(Who::Alice);
    let hung_up = call.now;
    call.run_for(10 * SECOND);
    let (at, end, reason) = call.bob.ended().unwrap();
    assert_eq!((end, reason), (End::HungUpByPeer, "the other side said goodbye"));
    assert_eq!(at - hung_up, Duration::from_millis(3_020));
}

#[test]
fn who_leaves_without_a_word_is_missed_when_consent_runs_out() {
    // rfc7675-5.1-1, rfc7675-5.1-4: 30 s after the last answer, and then nothing is sent any more.
    let mut call = connected(7);
    call.run_for(10 * SECOND);
    let left = call.now;
    call.filter = Box::new(|_, who, _| who == Who::Bob);
    assert!(call.run_until(60 * SECOND, |call: &Call| call.bob.ended().is_some()));
    let (at, step) = failed(&call.bob);
    assert_eq!(step, Step::Ice);
    // The last answer came at most 6 s and a round trip before.
    let after = at - left;
    assert!((24 * SECOND..30 * SECOND + SECOND / 10).contains(&after), "{after:?}");
    call.run_for(5 * SECOND);
    assert!(!call.trace.iter().any(|sent| sent.1 == Who::Bob && sent.0 > at));
}

#[test]
fn media_alone_keeps_no_consent_alive() {
    // rfc7675-5.1-5: only an authenticated answer does.
    let mut call = connected(8);
    let since = call.now;
    call.filter = Box::new(|_, _, bytes| classify(bytes) != Some(Protocol::Stun));
    assert!(call.run_until(60 * SECOND, both_ended), "it goes on");
    for side in [&call.alice, &call.bob] {
        let (at, step) = failed(side);
        assert_eq!(step, Step::Ice);
        assert!(at - since <= 30 * SECOND, "{:?}", at - since);
    }
}

#[test]
fn ten_minutes_on_hold_end_nothing() {
    let config =
        Config { codecs: vec![halloo::peer::config::CodecName::Pcmu], ..Config::default() };
    let mut call = Call::with_configs(9, &network(), config.clone(), config);
    call.signal_edited(Who::Alice, |text| text.replace("a=sendrecv", "a=inactive"), same);
    call.connect();
    call.run_for(600 * SECOND);
    assert!(!both_ended(&call) && call.alice.ended().is_none() && call.bob.ended().is_none());
    let rtp = call.trace.iter().filter(|sent| sent.2 == Some(Protocol::Rtp)).count();
    let rtcp = call.trace.iter().filter(|sent| sent.2 == Some(Protocol::Rtcp)).count();
    assert_eq!(rtp, 0, "on hold from the first moment");
    assert!(rtcp > 800, "reports go on: {rtcp}");
}
