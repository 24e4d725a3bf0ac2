//! What the sound card gets: the decisions of the jitter buffer.
//!
//! ```text
//! nothing waits ─────────────────> Missing, after 200 ms or an announced pause Silence
//! next packet due ───────────────> Packet, perhaps faster or slower: `tempo.rs`
//! next packet due later:
//!   nothing missing in between ──> Silence: the sender paused (DTX)
//!   its copy fills the gap ──────> Fec
//!   else ────────────────────────> Missing, one frame for each lost packet, then Silence
//! next packet's time is over ────> dropped; played if it starts a burst or ends a silence
//! ```
//! Read next: `tempo.rs`.

use crate::time::Instant;

use super::ring::{Next, Slot};
use super::tempo::{SHORT_US, Tempo, Turn};
use super::{JitterBuffer, Playout, Sounding, duration, micros, samples};

/// An answer, before it borrows anything.
#[derive(Clone, Copy, Debug)]
enum Decision {
    Packet(u64, Tempo),
    Fec { behind: u64, us: i64 },
    Missing(i64),
    Silence(i64),
}

/// What to do about the next packet.
enum Step {
    Answer(Decision),
    /// The position or the packets have changed: look again.
    Again,
}

/// The facts about a waiting packet that decisions need, by value.
#[derive(Clone, Copy)]
pub(super) struct Waiting {
    next: Next,
    media_us: i64,
    pub(super) duration_us: i64,
    fec: bool,
    pub(super) quiet: bool,
}

impl JitterBuffer {
    /// What to play next. Ask whenever the last answer is used up; at even times or in bursts doesn't
    /// matter. The answer is never of no duration.
    pub fn next(&mut self, now: Instant) -> Playout<'_> {
        let now_us = micros(now.since_start());
        let decision = self.decide(now_us);
        match decision {
            Decision::Packet(number, tempo) => self.play(now_us, number, tempo),
            Decision::Fec { behind, us } => self.play_copy(behind, us),
            Decision::Missing(us) => Playout::Missing { duration: duration(us) },
            Decision::Silence(us) => Playout::Silence { duration: duration(us) },
        }
    }

    fn decide(&mut self, now_us: i64) -> Decision {
        let Some(position) = self.position_us.or_else(|| self.begin(now_us)) else {
            return Decision::Silence(CARD_STEP_US);
        };
        self.position_us = Some(position);
        self.delay.asked(now_us, position);
        while let Some(waiting) = self.waiting() {
            match self.consider(now_us, waiting) {
                Step::Answer(decision) => return decision,
                Step::Again => {}
            }
            if self.position_us.is_none() {
                return Decision::Silence(CARD_STEP_US);
            }
        }
        self.wait_for_any()
    }

    /// The position to start at, once the first packet has waited for as long as the start wants. If the
    /// sound card starts long after the sender, what is too old is left out.
    fn begin(&mut self, now_us: i64) -> Option<i64> {
        let start_us = self.target_us().max(START_US);
        let mut first = self.waiting()?;
        if self.delay.lag_of(now_us, first.media_us) < start_us {
            return None;
        }
        while self.delay.lag_of(now_us, first.media_us) > start_us + START_EXCESS_US {
            self.ring.taken = first.next.number;
            match self.waiting() {
                Some(next) if self.delay.lag_of(now_us, next.media_us) >= start_us => {
                    self.stats.dropped += 1;
                    first = next;
                }
                _ => break,
            }
        }
        self.ring.taken = first.next.number.saturating_sub(1);
        Some(first.media_us)
    }

    fn waiting(&self) -> Option<Waiting> {
        let next = self.ring.next_sound()?;
        let slot = self.ring.get(next.number)?;
        Some(Waiting {
            next,
            media_us: slot.media_us,
            duration_us: slot.duration_us,
            fec: slot.fec,
            quiet: slot.quiet,
        })
    }

    fn consider(&mut self, now_us: i64, waiting: Waiting) -> Step {
        let position = self.position_us.unwrap_or(waiting.media_us);
        let late_us = position - waiting.media_us;
        if late_us >= waiting.duration_us {
            self.time_is_over(now_us, waiting, late_us)
        } else if late_us > -NEARLY_US {
            self.due(now_us, waiting)
        } else if waiting.next.missing == 0 {
            self.pause(-late_us)
        } else {
            self.gap(waiting, -late_us)
        }
    }

    /// All of the packet's time was filled with something else.
    fn time_is_over(&mut self, now_us: i64, waiting: Waiting, late_us: i64) -> Step {
        let lag = self.delay.lag_of(now_us, waiting.media_us);
        let wanted = lag <= self.target_us() + waiting.duration_us;
        let is_burst = late_us >= 2 * waiting.duration_us || self.silent;
        if wanted || is_burst && lag <= BURST_LAG_US.max(self.target_us()) {
            self.stats.inserted += samples(late_us);
            self.move_position(-late_us);
            self.delay.unsettle();
            return self.due(now_us, waiting);
        }
        self.give_up(waiting);
        self.stats.late += 1;
        self.late_in_a_row += 1;
        if self.late_in_a_row >= MANY_LATE {
            // The sender's clock was set back, or all is lost: measure anew.
            self.start_anew(self.ring.taken + 1);
        }
        Step::Again
    }

    /// It's the packet's turn, give or take what rounding and uneven durations leave.
    fn due(&mut self, now_us: i64, waiting: Waiting) -> Step {
        let position = self.position_us.unwrap_or(waiting.media_us);
        self.move_position(waiting.media_us - position);
        match self.turn(now_us, waiting) {
            Turn::Play(tempo) => Step::Answer(Decision::Packet(waiting.next.number, tempo)),
            Turn::ConcealFirst(us) => {
                self.stats.inserted += samples(us);
                self.delay.moved(-us);
                Step::Answer(Decision::Missing(us))
            }
            Turn::Drop => {
                self.drop_for_delay(waiting);
                Step::Again
            }
        }
    }

    fn drop_for_delay(&mut self, waiting: Waiting) {
        self.give_up(waiting);
        self.stats.dropped += 1;
        self.stats.removed += samples(waiting.duration_us);
        self.move_position(waiting.duration_us);
    }

    /// The sender paused: its clock went on, its packets did not. Nobody hears it if the pause is cut to
    /// what the delay wants, or stretched.
    fn pause(&mut self, gap_us: i64) -> Step {
        let excess = self.delay.steady_lag_us().map_or(0, |lag| lag - self.target_us());
        if excess >= CARD_STEP_US {
            // By whole steps: an uneven rest would make the card ask earlier from then on.
            let cut = (excess / CARD_STEP_US * CARD_STEP_US).min(gap_us);
            self.stats.removed += samples(cut);
            self.move_position(cut);
            return Step::Again;
        }
        let us = gap_us.min(DEFAULT_FRAME_US);
        if excess <= -SHORT_US {
            self.stats.inserted += samples(us);
            self.delay.moved(-us);
        } else {
            self.advance(us);
        }
        self.concealed_us = 0;
        self.silent = true;
        Step::Answer(Decision::Silence(us))
    }

    /// Packets are lost in front of this one.
    fn gap(&mut self, waiting: Waiting, gap_us: i64) -> Step {
        if waiting.fec && gap_us <= waiting.duration_us {
            self.advance(gap_us);
            return Step::Answer(Decision::Fec { behind: waiting.next.number, us: gap_us });
        }
        let lost_us = i64::try_from(waiting.next.missing).unwrap_or(0) * self.frame_us;
        if self.concealed_us >= lost_us || self.silent {
            // More time than the lost packets can have lasted: the rest was a pause.
            return self.pause(gap_us);
        }
        let us = gap_us.min(self.frame_us);
        let excess = self.delay.steady_lag_us().map_or(0, |lag| lag - self.target_us());
        if excess >= us {
            // What is lost needn't be concealed if the delay should shrink anyway.
            self.stats.removed += samples(us);
            self.concealed_us += us;
            self.move_position(us);
            return Step::Again;
        }
        self.conceal(us)
    }

    fn conceal(&mut self, us: i64) -> Step {
        self.concealed_us += us;
        self.advance(us);
        Step::Answer(Decision::Missing(us))
    }

    /// Nothing waits. Perhaps it's late, perhaps lost, perhaps nobody speaks: that shows later.
    fn wait_for_any(&mut self) -> Decision {
        let us = self.frame_us.min(DEFAULT_FRAME_US);
        self.advance(us);
        if self.silent || self.concealed_us >= LONG_SILENCE_US {
            self.silent = true;
            return Decision::Silence(us);
        }
        self.concealed_us += us;
        Decision::Missing(us)
    }

    fn play(&mut self, now_us: i64, number: u64, tempo: Tempo) -> Playout<'_> {
        let missing = self.ring.next_sound().map_or(0, |next| next.missing);
        self.delay.lost(missing, missing + 1);
        self.ring.taken = number;
        self.concealed_us = 0;
        self.late_in_a_row = 0;
        let target_us = self.target_us();
        let Some(slot) = self.ring.get(number) else {
            return Playout::Silence { duration: duration(CARD_STEP_US) };
        };
        self.position_us = Some(slot.end_us());
        self.frame_us = slot.duration_us.max(NEARLY_US);
        self.silent = slot.codec.announces_silence(&slot.payload);
        count_delay(&mut self.stats, slot, now_us, target_us);
        self.sounding = Some(Sounding {
            timestamp: slot.timestamp,
            clock_rate: slot.codec.clock_rate(),
            since: Instant::from(duration(now_us)),
        });
        Playout::Packet {
            payload_type: slot.payload_type,
            codec: slot.codec,
            payload: &slot.payload,
            duration: duration(slot.duration_us),
            tempo,
        }
    }

    fn play_copy(&mut self, behind: u64, us: i64) -> Playout<'_> {
        self.stats.fec += 1;
        match self.ring.get(behind) {
            None => Playout::Missing { duration: duration(us) },
            Some(slot) => Playout::Fec {
                payload_type: slot.payload_type,
                codec: slot.codec,
                payload: &slot.payload,
                duration: duration(us),
            },
        }
    }

    fn give_up(&mut self, waiting: Waiting) {
        self.delay.lost(waiting.next.missing, waiting.next.missing);
        self.ring.taken = waiting.next.number;
    }

    /// Time passes: the position follows, and the lag stays.
    fn advance(&mut self, us: i64) {
        self.position_us = self.position_us.map(|position| position + us);
    }

    /// The position leaps: the lag changes.
    fn move_position(&mut self, us: i64) {
        self.advance(us);
        self.delay.moved(us);
    }

    /// The lag we want. Where packets are lost and repeated in the packet behind, that one must be here
    /// too when a packet is missed.
    pub(super) fn target_us(&self) -> i64 {
        let for_copies = if self.delay.waits_for_copies() { self.frame_us } else { 0 };
        self.delay.target_us() + for_copies
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds for people to read")]
fn count_delay(stats: &mut super::Stats, slot: &Slot, now_us: i64, target_us: i64) {
    let played = samples(slot.duration_us);
    stats.emitted += played;
    stats.delay += (now_us - slot.arrived_us).max(0) as f64 / 1e6 * played as f64;
    stats.target_delay += target_us as f64 / 1e6 * played as f64;
}

/// What a frame lasts if nothing else is known.
pub(super) const DEFAULT_FRAME_US: i64 = 20_000;
/// The first packet waits so long: one frame.
const START_US: i64 = 20_000;
/// What a sound card takes at a time; so soon look again while the first packet waits.
const CARD_STEP_US: i64 = 10_000;
/// A start so much later than wanted is still a start: nothing of the first words is left out.
const START_EXCESS_US: i64 = 60_000;
/// A difference of positions that is rounding, not a gap: less than the shortest Opus frame.
const NEARLY_US: i64 = 2_500;
/// A held-up burst is played late if the lag gets no longer than this.
const BURST_LAG_US: i64 = 200_000;
/// Concealed for so long, a voice has faded out.
const LONG_SILENCE_US: i64 = 200_000;
/// So many packets in a row that were all too late are no accident.
const MANY_LATE: u32 = 10;
