//! Sound that is missing though the way is well: what a person is told about it, and when.
//!
//! `vigil.rs` doubts the way after half a second, and checks decide. Where they are answered and still
//! nothing comes, the other side sends nothing, or something that isn't sound to us. No machine can
//! mend that, so it is said.
//!
//! ```text
//! waiting --nothing for 5 s-----------> missed   told: nothing has ever come
//! heard   --nothing for 5 s-----------> missed   told: it has stopped
//! waiting --sound---------------------> heard
//! missed  --sound---------------------> heard    told: it is there; next time it takes twice as long
//! ```
//! On hold, after a goodbye, and where the other side may be silent to save bandwidth (DTX), nothing is
//! expected; while the way is in doubt it is to blame. Twice as long, because whoever talks by
//! push-to-talk and sends nothing in between is not to be complained about for the whole call.
//!
//! Asked by `call/evidence.rs`; the words are those of `reason.rs`.

use std::time::Duration;

use crate::peer::reason::NoMedia;
use crate::time::Instant;

/// Watches for sound that does not come.
#[derive(Debug)]
pub(super) struct Absence {
    expected_since: Option<Instant>,
    /// Since when the way is beyond doubt.
    well_since: Option<Instant>,
    latest: Option<Instant>,
    patience: Duration,
    /// Told, and not heard since.
    missed_since: Option<Instant>,
    /// What was counted when sound was last heard.
    before: NoMedia,
    /// What the first report since then says that they have sent.
    reported: Option<u32>,
}

/// What may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Hold, a goodbye, or no connection.
    Nothing,
    /// Sound, unless the way is broken: it is in doubt.
    Doubtful,
    /// The first sound; silence after it may be meant.
    First,
    /// Sound without an end.
    Sound,
}

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// All of it, from the beginning.
    Ever(Duration, NoMedia),
    /// It came, and has stopped for so long.
    Now(Duration, NoMedia),
}

/// So long after sound could come, silence is worth a word.
const PATIENCE: Duration = Duration::from_secs(5);
/// A way that was in doubt and is well again has so long to bring something.
const RECOVERY: Duration = Duration::from_secs(2);
/// Reports about packets that were heard are here by then.
const REPORTS_LAG: Duration = Duration::from_secs(1);

impl Default for Absence {
    fn default() -> Self {
        Self {
            expected_since: None,
            well_since: None,
            latest: None,
            patience: PATIENCE,
            missed_since: None,
            before: NoMedia::default(),
            reported: None,
        }
    }
}

impl Absence {
    /// Sound came. Gives back for how long it was missing, if that was told.
    pub(super) fn heard(&mut self, now: Instant) -> Option<Duration> {
        self.latest = Some(now);
        let since = self.missed_since.take()?;
        self.patience *= 2;
        Some(now - since)
    }

    /// Whether something is missing that was not yet told. `facts` are those of the whole call.
    pub(super) fn check(
        &mut self,
        now: Instant,
        expected: Expected,
        facts: NoMedia,
    ) -> Option<Missing> {
        let expects = match expected {
            Expected::Nothing => false,
            Expected::First => self.latest.is_none(),
            Expected::Doubtful | Expected::Sound => true,
        };
        keep(&mut self.expected_since, now, expects);
        keep(&mut self.well_since, now, expects && expected != Expected::Doubtful);
        let since = self.silent_since()?;
        if self.latest.is_some() {
            self.take_evidence(now - since, facts);
        }
        if self.due()? > now {
            return None;
        }
        self.missed_since = Some(since);
        let silent = now - since;
        Some(match self.latest {
            None => Missing::Ever(silent, facts),
            Some(_) => Missing::Now(silent, self.since_then(facts)),
        })
    }

    /// When [`Self::check`] may have something to say.
    pub(super) fn due(&self) -> Option<Instant> {
        let well = self.well_since?;
        let since = self.silent_since().filter(|_| self.missed_since.is_none())?;
        // Where the way was well all the time, there is nothing to recover from.
        let recovered = if well <= since { since } else { well + RECOVERY };
        Some(recovered.max(since + self.patience))
    }

    fn silent_since(&self) -> Option<Instant> {
        self.expected_since.map(|since| self.latest.map_or(since, |latest| since.max(latest)))
    }

    fn take_evidence(&mut self, silent: Duration, facts: NoMedia) {
        if silent < REPORTS_LAG {
            (self.before, self.reported) = (facts, None);
        } else if self.reported.is_none() && facts.they_sent != self.before.they_sent {
            self.reported = facts.they_sent;
        }
    }

    /// The facts since it stopped. How much they have sent is known by two reports since then: the first
    /// one counts what was still heard, too.
    fn since_then(&self, facts: NoMedia) -> NoMedia {
        let rising = self.reported.zip(facts.they_sent).map(|(first, now)| now.wrapping_sub(first));
        NoMedia {
            they_sent: rising.filter(|more| *more > 0),
            unopened: facts.unopened.saturating_sub(self.before.unopened),
            unknown: facts.unknown.saturating_sub(self.before.unknown),
        }
    }
}

/// Keeps since when something holds.
fn keep(since: &mut Option<Instant>, now: Instant, holds: bool) {
    *since = holds.then(|| since.unwrap_or(now));
}

#[cfg(test)]
mod tests {
    use super::*;
    use Expected::{Doubtful, First, Nothing, Sound};

    const NONE: NoMedia = NoMedia { they_sent: None, unopened: 0, unknown: 0 };

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn seconds(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Sound for the first second.
    fn stopped() -> Absence {
        let mut absence = Absence::default();
        for at in (0..=1_000).step_by(20) {
            assert_eq!(absence.check(ms(at), Sound, NONE), None);
            assert_eq!(absence.heard(ms(at)), None);
        }
        absence
    }

    #[test]
    fn what_stopped_is_told_once_and_when_it_is_there_again() {
        let mut absence = stopped();
        assert_eq!(absence.due(), Some(ms(6_000)));
        assert_eq!(absence.check(ms(5_999), Sound, NONE), None);
        let missing = Some(Missing::Now(seconds(5_000), NONE));
        assert_eq!(absence.check(ms(6_000), Sound, NONE), missing);
        assert_eq!((absence.due(), absence.check(ms(60_000), Sound, NONE)), (None, None));
        assert_eq!(absence.heard(ms(61_000)), Some(seconds(60_000)));
        assert_eq!(absence.heard(ms(61_020)), None);
        assert_eq!(absence.due(), Some(ms(71_020)), "next time twice as long");
    }

    #[test]
    fn what_has_never_come_is_told_apart() {
        let mut absence = Absence::default();
        assert_eq!(absence.check(ms(100), First, NONE), None);
        let missing = Some(Missing::Ever(seconds(5_000), NONE));
        assert_eq!(absence.check(ms(5_100), First, NONE), missing);
        assert_eq!(absence.heard(ms(7_100)), Some(seconds(7_000)));
    }

    #[test]
    fn nothing_is_missed_on_hold_nor_where_silence_may_be_meant() {
        for expected in [Nothing, First] {
            let mut absence = stopped();
            assert_eq!(absence.check(ms(9_000), expected, NONE), None);
            assert_eq!((absence.due(), absence.check(ms(90_000), expected, NONE)), (None, None));
            assert_eq!(absence.check(ms(90_100), Sound, NONE), None, "resumed");
            assert_eq!(absence.due(), Some(ms(95_100)));
        }
    }

    #[test]
    fn while_the_way_is_in_doubt_it_is_to_blame_and_after_it_not_at_once() {
        let mut absence = stopped();
        assert_eq!(absence.check(ms(1_500), Doubtful, NONE), None);
        assert_eq!(absence.check(ms(1_600), Sound, NONE), None);
        assert_eq!(absence.due(), Some(ms(6_000)), "the way was well soon");
        let mut absence = stopped();
        for at in [1_500, 6_000, 9_000] {
            assert_eq!((absence.check(ms(at), Doubtful, NONE), absence.due()), (None, None));
        }
        assert_eq!(absence.check(ms(9_100), Sound, NONE), None);
        assert_eq!(absence.due(), Some(ms(11_100)));
        let missing = Some(Missing::Now(seconds(10_100), NONE));
        assert_eq!(absence.check(ms(11_100), Sound, NONE), missing);
    }

    #[test]
    fn only_what_was_counted_since_it_stopped_explains_it() {
        let mut absence = stopped();
        let facts = |they_sent, unopened, unknown| NoMedia { they_sent, unopened, unknown };
        for (at, they_sent) in [(1_500, 30), (2_500, 50), (3_500, 100)] {
            let facts = facts(Some(they_sent), 7, 9);
            assert_eq!(absence.check(ms(at), Sound, facts), None);
        }
        let missing = Missing::Now(seconds(5_000), facts(Some(100), 3, 1));
        assert_eq!(absence.check(ms(6_000), Sound, facts(Some(150), 10, 10)), Some(missing));
        // One report since then may still count what was heard.
        let mut absence = stopped();
        assert_eq!(absence.check(ms(1_500), Sound, NONE), None);
        let told = absence.check(ms(6_000), Sound, facts(Some(250), 0, 0));
        assert_eq!(told, Some(Missing::Now(seconds(5_000), NONE)));
    }
}
