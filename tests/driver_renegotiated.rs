//! Offers on running calls, between drivers in one process over real sockets, without HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

use std::time::Duration;

use halloo::audio::Channels;
use halloo::net::driver::{CallId, Caller, Followed, Handle, Offered, Options, Refusal, start};
use halloo::net::sound::Sound;
use halloo::peer::event::{Change, Event};
use halloo::sdp::{Description, Direction};
use halloo::signal::whip::Exchange;
use tokio::time::timeout;

fn driver(input: &str) -> Handle {
    let sound = Sound::open(input.parse().unwrap(), "null".parse().unwrap(), Channels::Mono);
    start(Options::default(), sound.unwrap()).unwrap()
}

/// Two that talk: who called, and who was called.
struct Pair {
    caller: Handle,
    callee: Handle,
    ours: CallId,
    theirs: CallId,
}

impl Pair {
    async fn connected() -> Self {
        let (caller, callee) = (driver("tone:440"), driver("tone:660"));
        let here = Caller::at(([127, 0, 0, 1], 0).into());
        let (ours, offer) = caller.make_offer(here).await.unwrap();
        let (theirs, answer) = callee.accept_offer(offer, here).await.unwrap();
        caller.accept_answer(ours, answer).await.unwrap();
        let pair = Self { caller, callee, ours, theirs };
        let connected = |event: &Event| matches!(event, Event::Connected { .. });
        told(&mut pair.caller.follow(ours).await.unwrap(), ours, connected).await;
        told(&mut pair.callee.follow(theirs).await.unwrap(), theirs, connected).await;
        pair
    }

    /// Takes the callee's offer to the caller, and the answer back.
    async fn carry(&self, sdp: &str) {
        let offer: Description = sdp.parse().unwrap();
        let answered = self.caller.exchange(self.ours, offer, Exchange::Offer).await.unwrap();
        let answer = answered.answer.expect("an answer");
        let taken = self.callee.exchange(self.theirs, answer, Exchange::AnswerOrOffer).await;
        assert_eq!(taken.unwrap().answer, None);
    }
}

/// The first event like this, past ones included.
async fn told(followed: &mut Followed, id: CallId, like: impl Fn(&Event) -> bool) -> Event {
    if let Some(timed) = followed.0.iter().find(|timed| like(&timed.event)) {
        return timed.event.clone();
    }
    let found = async {
        loop {
            let (call, timed) = followed.1.recv().await.unwrap();
            if call == id && like(&timed.event) {
                return timed.event;
            }
        }
    };
    timeout(Duration::from_secs(30), found).await.expect("the event never came")
}

async fn offer(followed: &mut Followed, id: CallId) -> (String, Change) {
    match told(followed, id, |event| matches!(event, Event::Offer { .. })).await {
        Event::Offer { sdp, change } => (sdp, change),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn hold_goes_out_as_an_event_to_whoever_reads_and_holds_at_once() {
    let pair = Pair::connected().await;
    let mut reader = pair.callee.follow(pair.theirs).await.unwrap();
    let told = pair.callee.set_direction(pair.theirs, Direction::Inactive).await;
    assert_eq!(told, Ok(Offered::Told));
    let directions = pair.callee.call(pair.theirs).await.unwrap().directions.unwrap();
    assert_eq!(
        directions.current,
        Direction::Inactive,
        "nobody waits for the answer to fall silent"
    );
    let (sdp, change) = offer(&mut reader, pair.theirs).await;
    assert_eq!(change, Change::Direction);
    assert!(sdp.contains("a=inactive") && sdp.contains("a=setup:actpass"), "{sdp}");
    // While it is open theirs are refused, and those who begin to read now are told of it.
    let (theirs, other) = (pair.theirs, sdp.parse().unwrap());
    let crossed = pair.callee.exchange(theirs, other, Exchange::Offer).await;
    assert!(matches!(crossed, Err(Refusal::WrongState { .. })), "{crossed:?}");
    let mut late = pair.callee.follow(theirs).await.unwrap();
    assert_eq!(offer(&mut late, theirs).await.0, sdp);

    pair.carry(&sdp).await;
    let directions = pair.caller.call(pair.ours).await.unwrap().directions.unwrap();
    assert_eq!((directions.remote, directions.current), (Direction::Inactive, Direction::Inactive));
    let late = pair.callee.follow(theirs).await.unwrap();
    let is_offer = |event: &Event| matches!(event, Event::Offer { .. });
    assert!(!late.0.iter().any(|timed| is_offer(&timed.event)), "it was answered");

    pair.callee.set_direction(theirs, Direction::SendRecv).await.unwrap();
    let (sdp, _) = offer(&mut reader, theirs).await;
    assert!(sdp.contains("a=sendrecv"), "{sdp}");
    pair.carry(&sdp).await;
    let directions = pair.caller.call(pair.ours).await.unwrap().directions.unwrap();
    assert_eq!(directions.current, Direction::SendRecv);
}

#[tokio::test]
async fn where_nobody_reads_hold_holds_alone_until_a_reader_comes() {
    let pair = Pair::connected().await;
    let told = pair.callee.set_direction(pair.theirs, Direction::Inactive).await;
    assert_eq!(told, Ok(Offered::Nobody));
    let directions = pair.callee.call(pair.theirs).await.unwrap().directions.unwrap();
    assert_eq!(directions.current, Direction::Inactive);
    assert_eq!(pair.callee.restart_ice(pair.theirs).await, Ok(Offered::Nobody));
    let mut reader = pair.callee.follow(pair.theirs).await.unwrap();
    let (sdp, change) = offer(&mut reader, pair.theirs).await;
    assert!(sdp.contains("a=inactive") && change == Change::Direction, "{sdp}");
    pair.carry(&sdp).await;
}

/// A restart that is wished while an offer of something else is open follows when that comes to nothing: because
/// the other side refused it, or never said a word for 20 s.
#[tokio::test]
async fn a_restart_goes_out_when_the_open_offer_is_given_up() {
    for is_refused in [true, false] {
        let pair = Pair::connected().await;
        let (callee, theirs) = (&pair.callee, pair.theirs);
        let mut reader = callee.follow(theirs).await.unwrap();
        callee.set_direction(theirs, Direction::Inactive).await.unwrap();
        assert_eq!(offer(&mut reader, theirs).await.1, Change::Direction);
        assert_eq!(callee.restart_ice(theirs).await, Ok(Offered::Told));
        if is_refused {
            callee.abandon_offer(theirs, "not now".to_owned()).await.unwrap();
        }
        reader.0.clear();
        let (sdp, change) = offer(&mut reader, theirs).await;
        assert_eq!(change, Change::IceRestart, "refused: {is_refused}");
        pair.carry(&sdp).await;
    }
}

/// Whoever carries the offers and ICE itself may find at the same moment that a way is lost.
#[tokio::test]
async fn a_restart_that_is_wished_twice_is_offered_once() {
    let pair = Pair::connected().await;
    let (callee, theirs) = (&pair.callee, pair.theirs);
    let mut reader = callee.follow(theirs).await.unwrap();
    for _ in 0..2 {
        assert_eq!(callee.restart_ice(theirs).await, Ok(Offered::Told));
    }
    assert_eq!(offer(&mut reader, theirs).await.1, Change::IceRestart);
    callee.abandon_offer(theirs, "nobody is there".to_owned()).await.unwrap();
    callee.set_direction(theirs, Direction::Inactive).await.unwrap();
    assert_eq!(offer(&mut reader, theirs).await.1, Change::Direction, "not the restart once more");
}

#[tokio::test]
async fn an_ice_restart_of_the_called_side_ends_in_a_new_pair_on_both_sides() {
    let pair = Pair::connected().await;
    let mut reader = pair.callee.follow(pair.theirs).await.unwrap();
    let mut at_caller = pair.caller.follow(pair.ours).await.unwrap();
    let before = pair.callee.call(pair.theirs).await.unwrap().ufrag;
    assert_eq!(pair.callee.restart_ice(pair.theirs).await, Ok(Offered::Told));
    let (sdp, change) = offer(&mut reader, pair.theirs).await;
    assert_eq!(change, Change::IceRestart);
    assert!(!sdp.contains(&format!("a=ice-ufrag:{before}\r\n")), "new credentials");
    let open = pair.callee.call(pair.theirs).await.unwrap().ufrag;
    assert_eq!(open, before, "the ETag is that of the session that both know");
    pair.carry(&sdp).await;
    assert_ne!(pair.callee.call(pair.theirs).await.unwrap().ufrag, before);
    (reader.0, at_caller.0) = (Vec::new(), Vec::new());
    let is_pair = |event: &Event| matches!(event, Event::Pair { .. });
    told(&mut reader, pair.theirs, is_pair).await;
    told(&mut at_caller, pair.ours, is_pair).await;
}
