//! What is told of a call, and when: in order, and `connected` not without its words.
//!
//! ```text
//! candidate, pair, dtls ──────────────────> told at once
//! connected ──> held ──┐
//! media, stats ─> held ├── words came ────> told, in order, each with the time at which it happened
//! ended ──────> held ──┘   or 3 s after the end, without
//! ```
//! Only the telling waits. The call's state changes at once, and its sound is under way before.

use std::collections::VecDeque;
use std::time::Duration;

use crate::dtls_srtp::Phrase;
use crate::net::driver::TimedEvent;
use crate::peer::event::{End, Event};
use crate::time::Instant;

/// A call's events.
#[derive(Default)]
pub(super) struct Story {
    /// Kept for those who ask later; the oldest go first.
    told: VecDeque<TimedEvent>,
    held: Vec<TimedEvent>,
    words: Words,
}

#[derive(Default)]
enum Words {
    /// Nobody asked for them, or there are none.
    #[default]
    None,
    Coming,
    There(Phrase),
}

impl Story {
    /// Words will come.
    pub(super) fn await_words(&mut self) {
        self.words = Words::Coming;
    }

    /// Adds what happened; gives it back if it is to be told now.
    pub(super) fn add(&mut self, mut timed: TimedEvent) -> Option<TimedEvent> {
        match (&mut timed.event, &self.words) {
            (Event::Connected { phrase, .. }, Words::There(words)) => {
                *phrase = Some(words.to_string());
            }
            (Event::Connected { .. }, Words::Coming) => self.held.push(timed.clone()),
            _ if self.is_holding() => self.held.push(timed.clone()),
            _ => {}
        }
        if self.is_holding() {
            return None;
        }
        self.keep(&timed);
        Some(timed)
    }

    /// The words have come, or will not: everything that was held is to be told.
    pub(super) fn release(&mut self, words: Option<Phrase>) -> Vec<TimedEvent> {
        self.words = words.map_or(Words::None, Words::There);
        let mut held = std::mem::take(&mut self.held);
        for timed in &mut held {
            if let Event::Connected { phrase, .. } = &mut timed.event {
                *phrase = words.map(|words| words.to_string());
            }
            self.keep(timed);
        }
        held
    }

    /// Whether something waits for the words.
    pub(super) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// What was told.
    pub(super) fn told(&self) -> impl Iterator<Item = &TimedEvent> {
        self.told.iter()
    }

    /// How it ended.
    pub(super) fn end(&self) -> Option<(End, String)> {
        self.held.iter().rev().chain(self.told.iter().rev()).find_map(|timed| match &timed.event {
            Event::Ended { reason, end, .. } => Some((*end, reason.clone())),
            _ => None,
        })
    }

    /// When a call that ended then is told of at the latest; none if that is done.
    pub(super) fn overdue(&self, ended: Instant) -> Option<Instant> {
        self.is_holding().then_some(ended + WORDS_WITHIN)
    }

    fn keep(&mut self, timed: &TimedEvent) {
        // An offer is not for those who come later: it is to be answered while it is open.
        if matches!(timed.event, Event::Stats(_) | Event::Offer { .. }) {
            return;
        }
        if self.told.len() == HISTORY {
            self.told.pop_front();
        }
        self.told.push_back(timed.clone());
    }
}

/// Events kept for those who ask later.
const HISTORY: usize = 256;
/// Who hangs up at once gets the words all the same, if the machine is not too slow for it.
const WORDS_WITHIN: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64, event: Event) -> TimedEvent {
        TimedEvent { at: Instant::from_millis(ms), event }
    }

    fn connected(phrase: Option<String>) -> Event {
        Event::Connected { ms: 4.0, phrase }
    }

    #[test]
    fn from_connected_on_everything_waits_for_the_words_and_keeps_its_order() {
        let words = Phrase::of(&[1; 32], &[2; 32]).unwrap();
        let ended = || Event::Ended { reason: "so".into(), end: End::HungUp, remedy: None };
        let mut story = Story::default();
        story.await_words();
        assert!(story.add(at(1, Event::Answered)).is_some(), "before it is connected");
        assert_eq!(story.add(at(4, connected(None))), None);
        assert_eq!(story.add(at(9, ended())), None);
        assert_eq!(story.end(), Some((End::HungUp, "so".into())), "known all the same");
        assert_eq!(story.told().count(), 1, "a reader that comes now gets the rest later");
        assert_eq!(story.overdue(Instant::from_millis(9)), Some(Instant::from_millis(3_009)));
        let told = [at(4, connected(Some(words.to_string()))), at(9, ended())];
        assert_eq!(story.release(Some(words)), told);
        assert_eq!(story.told().skip(1).cloned().collect::<Vec<_>>(), told);
        assert!(story.overdue(Instant::ZERO).is_none() && story.release(None).is_empty());
    }

    #[test]
    fn without_words_to_come_nothing_waits() {
        let mut story = Story::default();
        assert!(story.add(at(4, connected(None))).is_some());
    }

    #[test]
    fn words_that_come_before_connected_hold_nothing_up() {
        let mut story = Story::default();
        story.await_words();
        let words = Phrase::of(&[1; 32], &[2; 32]).unwrap();
        assert!(story.release(Some(words)).is_empty());
        let told = story.add(at(4, connected(None))).unwrap();
        assert_eq!(told.event, connected(Some(words.to_string())));
    }
}
