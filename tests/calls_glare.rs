//! Both sides of a running call change it at about the same moment, in virtual time.
//!
//! Alice called, Bob was called: her requests are answered at once, his offers come to her as events some
//! time later, and she has one exchange at a time (`peer/negotiate.rs` has the rules). Every way in which
//! the messages can pass each other has to end with both sides agreeing on one pair of descriptions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common {
    pub mod call;
    pub mod listen;
}

use std::collections::VecDeque;
use std::time::Duration;

use common::call::{Call, Who};
use halloo::net::impair::Impairment;
use halloo::peer::event::Event;
use halloo::peer::{NegotiateError, Peer};
use halloo::sdp::{Description, Direction};
use halloo::time::Instant;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Hold,
    Restart,
    Both,
}

/// How long each kind of message is on its way.
#[derive(Clone, Copy, Debug)]
struct Delays {
    request: Duration,
    reply: Duration,
    event: Duration,
}

/// A message on its way, or what it tells.
#[derive(Clone, Debug)]
enum Message {
    /// To Bob: PATCH of an offer.
    Offer(Description),
    /// To Bob: PATCH of an answer.
    Answer(Description),
    /// To Alice: 200 and an answer, or 409.
    Reply(Result<Description, NegotiateError>),
    /// To Alice: 204, or what Bob has against her answer.
    Taken(Result<(), NegotiateError>),
    /// To Alice: an event.
    Event(Description),
    /// Alice tries again.
    Again,
}

/// Two in a call, and the HTTP between them.
struct Signalling {
    call: Call,
    delays: Delays,
    under_way: Vec<(Instant, Message)>,
    /// Whether Alice waits for the reply to a request.
    busy: bool,
    /// Bob's offers that have come meanwhile.
    waiting: VecDeque<Description>,
    crossed: usize,
    lost: usize,
}

impl Signalling {
    fn connected(delays: Delays) -> Self {
        let network = Impairment { delay: ms(20), ..Impairment::default() };
        let mut call = Call::new(1, &network);
        for who in [Who::Alice, Who::Bob] {
            let side = call.side(who);
            (side.has_microphone, side.has_loudspeaker) = (false, false); // quick
        }
        call.signal();
        call.connect();
        call.run_for(ms(200));
        Self {
            call,
            delays,
            under_way: Vec::new(),
            busy: false,
            waiting: VecDeque::new(),
            crossed: 0,
            lost: 0,
        }
    }

    fn peer(&mut self, who: Who) -> &mut Peer {
        &mut self.call.side(who).peer
    }

    fn send(&mut self, after: Duration, message: Message) {
        self.under_way.push((self.call.now + after, message));
    }

    fn wish(&mut self, who: Who, wish: Wish) {
        if wish != Wish::Restart {
            self.peer(who).set_direction(Direction::Inactive).unwrap();
        }
        if wish != Wish::Hold {
            self.peer(who).restart_ice().unwrap();
        }
        self.offer_if_needed(who);
    }

    fn offer_if_needed(&mut self, who: Who) {
        let now = self.call.now;
        if !self.peer(who).needs_offer() || (who == Who::Alice && self.busy) {
            return;
        }
        let offer = self.peer(who).make_offer(now).unwrap();
        match who {
            Who::Alice => {
                self.busy = true;
                self.send(self.delays.request, Message::Offer(offer));
            }
            Who::Bob => self.send(self.delays.event, Message::Event(offer)),
        }
    }

    /// Lets time pass, and messages come.
    fn run_for(&mut self, time: Duration) {
        let end = self.call.now + time;
        loop {
            self.under_way.sort_by_key(|(at, _)| *at); // stable: in the order in which they left
            match self.under_way.first() {
                Some((at, _)) if *at <= end => {
                    let (at, message) = self.under_way.remove(0);
                    self.call.run_for(at - self.call.now);
                    self.arrive(message);
                }
                _ => return self.call.run_for(end - self.call.now),
            }
        }
    }

    fn arrive(&mut self, message: Message) {
        let now = self.call.now;
        match message {
            Message::Offer(offer) => {
                let reply = self.peer(Who::Bob).accept_offer(now, &offer);
                self.send(self.delays.reply, Message::Reply(reply));
                self.offer_if_needed(Who::Bob);
            }
            Message::Answer(answer) => {
                let taken = self.peer(Who::Bob).accept_answer(now, &answer);
                self.send(self.delays.reply, Message::Taken(taken));
                self.offer_if_needed(Who::Bob);
            }
            Message::Reply(Ok(answer)) => {
                self.busy = false;
                self.peer(Who::Alice).accept_answer(now, &answer).unwrap();
                self.go_on();
            }
            Message::Reply(Err(refused)) => {
                assert_eq!(refused, NegotiateError::OfferIsOpen);
                self.busy = false;
                self.crossed += 1;
                self.peer(Who::Alice).rollback(now).unwrap();
                self.send(ms(250), Message::Again);
                if !self.waiting.is_empty() {
                    self.go_on();
                }
            }
            Message::Taken(taken) => {
                self.busy = false;
                self.lost += usize::from(taken.is_err());
                self.go_on();
            }
            Message::Event(offer) => {
                self.waiting.push_back(offer);
                if !self.busy {
                    self.go_on();
                }
            }
            Message::Again => self.offer_if_needed(Who::Alice),
        }
    }

    /// Alice's next exchange: his offer before her own.
    fn go_on(&mut self) {
        let now = self.call.now;
        if let Some(offer) = self.waiting.pop_front() {
            let answer = self.peer(Who::Alice).accept_offer(now, &offer).unwrap();
            self.busy = true;
            self.send(self.delays.request, Message::Answer(answer));
        } else {
            self.offer_if_needed(Who::Alice);
        }
    }

    /// Both know the same, nothing is open or due, and packets flow or rest as both want.
    fn assert_agreed(&mut self, story: &str) {
        assert!(!self.busy && self.waiting.is_empty() && self.under_way.is_empty(), "{story}");
        for who in [Who::Alice, Who::Bob] {
            let now = self.call.now;
            let side = self.call.side(who);
            assert!(side.ended().is_none(), "{story}: {who:?} {:?}", side.ended());
            assert!(!side.peer.needs_offer() && !side.peer.has_open_offer(), "{story}: {who:?}");
            assert_eq!(side.peer.settled_ufrag(), side.peer.ufrag(), "{story}: {who:?}");
            let state = side.stat(now, "transport", "iceState");
            assert!(state == "completed" || state == "connected", "{story}: {who:?} {state}");
            assert!(!side.was_told(|event| matches!(event, Event::Warning { .. })), "{story}");
        }
        let [alice, bob] = [Who::Alice, Who::Bob].map(|who| self.peer(who).directions());
        assert_eq!(alice.current, bob.current.reversed(), "{story}: {alice:?} {bob:?}");
    }
}

/// Every pair of wishes, at moments before, at and behind each other, over fast and slow ways.
fn all_interleavings(mut check: impl FnMut(&mut Signalling, [Wish; 2], &str)) -> [usize; 2] {
    let (mut crossed, mut runs) = (0, 0);
    for (request, reply, event) in [(10, 10, 10), (60, 10, 10), (10, 60, 10), (10, 10, 60)] {
        let delays = Delays { request: ms(request), reply: ms(reply), event: ms(event) };
        for hers in [Wish::Hold, Wish::Restart, Wish::Both] {
            for his in [Wish::Hold, Wish::Restart, Wish::Both] {
                for offset in (-80_i64..=80).step_by(20) {
                    let mut signalling = Signalling::connected(delays);
                    let order = match offset < 0 {
                        true => [(Who::Bob, his), (Who::Alice, hers)],
                        false => [(Who::Alice, hers), (Who::Bob, his)],
                    };
                    signalling.wish(order[0].0, order[0].1);
                    // One millisecond beside the grid: no two things at the very same moment.
                    signalling.run_for(ms(offset.unsigned_abs() + 1));
                    signalling.wish(order[1].0, order[1].1);
                    signalling.run_for(ms(3_000));
                    let story = format!("{hers:?} {his:?} {offset} {delays:?}");
                    check(&mut signalling, [hers, his], &story);
                    crossed += signalling.crossed;
                    runs += 1;
                }
            }
        }
    }
    [runs, crossed]
}

#[test]
fn whatever_crosses_both_sides_agree_in_the_end_and_every_wish_is_heard() {
    // rfc8829-4.1.10.2-1
    let [runs, crossed] = all_interleavings(|signalling, wishes, story| {
        signalling.assert_agreed(story);
        assert_eq!(signalling.lost, 0, "{story}");
        let held = wishes.iter().any(|wish| *wish != Wish::Restart);
        let restarts = wishes.iter().any(|wish| *wish != Wish::Hold);
        let current = signalling.peer(Who::Alice).directions().current;
        assert_eq!(current == Direction::Inactive, held, "{story}");
        for who in [Who::Alice, Who::Bob] {
            let is_pair = |(_, event): &&(Instant, Event)| matches!(event, Event::Pair { .. });
            let pairs = signalling.call.side(who).events.iter().filter(is_pair).count();
            assert_eq!(pairs > 1, restarts, "{story}: {who:?} chose {pairs} pairs");
        }
    });
    assert!(runs == 324 && crossed > 50, "{crossed} of {runs} crossed");
}

#[test]
fn a_restart_that_was_rolled_back_leaves_the_session_and_the_sound_as_they_were() {
    // Alice's offer begins ICE anew and is rolled back; Bob's then doesn't.
    for hers_is_known in [false, true] {
        let network = Impairment { delay: ms(20), ..Impairment::default() };
        let mut call = Call::new(7, &network);
        call.signal();
        call.connect();
        call.run_for(ms(1_000));
        let before = [&call.alice, &call.bob].map(|side| side.peer.ufrag().to_owned());
        call.alice.peer.restart_ice().unwrap();
        let offer = call.alice.peer.make_offer(call.now).unwrap();
        assert_ne!(call.alice.peer.ufrag(), before[0]);
        assert_eq!(call.alice.peer.settled_ufrag(), before[0]);
        call.run_for(ms(6_000)); // past a check of consent, by the old credentials
        if hers_is_known {
            // Bob has taken it, and his answer was lost. His checks find nobody.
            call.bob.peer.accept_offer(call.now, &offer).unwrap();
            call.run_for(ms(500));
        }
        call.alice.peer.rollback(call.now).unwrap();
        assert_eq!(call.alice.peer.ufrag(), before[0], "the old credentials again");
        assert!(call.alice.peer.needs_offer(), "the wish is not forgotten");
        call.alice.peer.abandon_offer(call.now).unwrap_err();
        call.run_for(ms(1_000));
        if !hers_is_known {
            let selections = call.alice.stat(call.now, "transport", "selectedCandidatePairChanges");
            call.signal_from(Who::Bob);
            assert_eq!(call.alice.peer.ufrag(), before[0], "no restart by his offer");
            call.run_for(ms(1_000));
            let after = call.alice.stat(call.now, "transport", "selectedCandidatePairChanges");
            assert_eq!(after, selections);
        }
        // Hers is due again; it brings both into one session whatever had become of the first.
        call.signal_from(Who::Alice);
        assert_ne!(call.alice.peer.ufrag(), before[0]);
        call.run_for(ms(60_000));
        assert!(call.alice.ended().is_none() && call.bob.ended().is_none(), "{hers_is_known}");
        for side in [&call.alice, &call.bob] {
            assert_eq!(side.stat(call.now, "transport", "iceState"), "completed");
            let others = 1_100.0 - f64::from(side.tone);
            assert_eq!(side.heard_last(1.0).glitches(others), 0, "{others} Hz");
            let lost = side.peer.figures().packets_lost;
            assert_eq!(lost, 0, "media never stopped");
        }
    }
}

/// Bob's way is lost while an offer of his is open: a restart follows as soon as that is answered, unless the
/// offer is one itself.
#[test]
fn a_way_that_is_lost_while_an_offer_is_open_is_looked_for_when_it_is_answered() {
    for wish in [Wish::Hold, Wish::Restart, Wish::Both] {
        let delays = Delays { request: ms(10), reply: ms(10), event: ms(900) };
        let mut signalling = Signalling::connected(delays);
        signalling.wish(Who::Bob, wish);
        signalling.run_for(ms(100));
        let bob = signalling.peer(Who::Bob);
        let first = bob.ufrag().to_owned();
        // What a driver does when it is told that a restart is needed.
        bob.find_another_way().unwrap();
        assert!(!bob.needs_offer(), "{wish:?}: one is open");
        signalling.offer_if_needed(Who::Bob);
        signalling.run_for(ms(811)); // the answer has come
        let bob = signalling.peer(Who::Bob);
        let is_due = wish == Wish::Hold;
        assert_eq!(bob.has_open_restart(), is_due, "{wish:?}");
        assert_eq!(*bob.ufrag() != first, is_due, "{wish:?}");
        signalling.run_for(ms(3_000));
        signalling.assert_agreed(&format!("{wish:?}"));
    }
}

/// Before anything is agreed there is no way to be lost.
#[test]
fn a_call_that_is_not_answered_yet_begins_nothing_anew() {
    let mut call = Call::new(1, &Impairment::default());
    call.alice.peer.find_another_way().unwrap();
    call.alice.peer.make_offer(call.now).unwrap();
    call.alice.peer.find_another_way().unwrap();
    assert!(!call.alice.peer.wants_restart() && !call.alice.peer.needs_offer());
    call.alice.peer.abandon_offer(call.now).unwrap();
    call.signal();
    assert!(!call.alice.peer.needs_offer() && !call.bob.peer.needs_offer());
}

#[test]
fn an_offer_that_nobody_answers_is_given_up_after_20_s_and_the_call_goes_on() {
    for wish in [Wish::Hold, Wish::Restart] {
        let delays = Delays { request: ms(10), reply: ms(10), event: ms(10) };
        let mut signalling = Signalling::connected(delays);
        let ufrag = signalling.peer(Who::Bob).ufrag().to_owned();
        signalling.wish(Who::Bob, wish);
        signalling.under_way.clear(); // nobody reads the event
        let (at, late) = (signalling.call.now, ms(20_001));
        signalling.call.run_for(ms(19_990));
        assert!(signalling.peer(Who::Bob).has_open_offer());
        signalling.call.run_for(at + late - signalling.call.now);
        let bob = &signalling.call.bob;
        // (That nobody has a microphone here is warned of, too.)
        let tells =
            |event: &Event| matches!(event, Event::Warning { text, .. } if text.contains("offer"));
        let given_up = bob.told_at(tells).unwrap();
        assert_eq!(given_up, at + ms(20_000));
        assert!(!bob.peer.has_open_offer() && !bob.peer.needs_offer(), "not tried again");
        assert_eq!(bob.peer.ufrag(), ufrag);
        let held = bob.peer.directions().current == Direction::Inactive;
        assert_eq!(held, wish == Wish::Hold, "a microphone on hold stays so");
        // Whatever comes next is taken.
        signalling.wish(Who::Alice, Wish::Restart);
        signalling.run_for(ms(60_000));
        assert!(signalling.call.alice.ended().is_none() && signalling.call.bob.ended().is_none());
        assert_ne!(signalling.peer(Who::Bob).ufrag(), ufrag);
    }
}
