//! How the delay changes while somebody speaks: sound is played a little faster or slower.
//!
//! The lag should be the target. Less makes packets late, and is mended at once; more only keeps people
//! waiting, and is mended once it has been seen for half a second and is worth it:
//!
//! ```text
//!        target - 5 ms             target + 20 ms
//! Slower       │            AsSent          │         Faster
//! ─────────────┴──────┬─────────────────────┴──────────────────────────> lag
//!                   target
//! ```
//! The buffer wishes a [`Tempo`] with each packet; whoever makes sound of it does what that sound allows,
//! some milliseconds, and tells by [`JitterBuffer::stretched`]. 60 ms later it may be done again: NetEq
//! (libwebrtc) waits 50, and has the same 20 ms. A noise can't be stretched. So after half a second in vain
//! it goes by what is heard: one concealed frame, or one packet dropped. That is also done, and at once, with
//! packets that are quiet, and with a lag beyond bearing.
//!
//! No wish begins another: the longest cycle that goes is 15 ms, at most 20 ms of the sound card's steps of
//! ten, so what was too long isn't too short afterwards. Read next: `../rtcp/mod.rs`.

use crate::time::Instant;

use super::playout::{DEFAULT_FRAME_US, Waiting};
use super::{JitterBuffer, micros};

/// How fast a packet should be played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tempo {
    /// Just as it was sent.
    #[default]
    AsSent,
    /// In less time, to shorten the delay.
    Faster,
    /// In more time, to lengthen it.
    Slower,
}

/// What becomes of a packet whose turn it is.
pub(super) enum Turn {
    Play(Tempo),
    /// Something else comes first, to lengthen the delay by so much.
    ConcealFirst(i64),
    /// It goes, to shorten the delay.
    Drop,
}

/// What is wished, and what became of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    tempo: Tempo,
    /// Since when in vain.
    since_us: i64,
    /// When sound was stretched last.
    stretched_us: Option<i64>,
    /// Whether packets are dropped one after the other, because the delay is beyond bearing.
    shedding: bool,
}

impl JitterBuffer {
    /// The packet that was handed out last lasts so many samples of 48 kHz longer than its duration says; below
    /// 0, shorter.
    pub fn stretched(&mut self, now: Instant, by: isize) {
        if by == 0 {
            return;
        }
        let longer = i64::try_from(by).unwrap_or(0);
        self.delay.moved(-longer * 1_000 / 48);
        self.wish.since_us = micros(now.since_start());
        self.wish.stretched_us = Some(self.wish.since_us);
        let samples = u64::try_from(by.unsigned_abs()).unwrap_or(0);
        match by {
            ..0 => self.stats.removed += samples,
            0.. => self.stats.inserted += samples,
        }
    }

    /// It's this packet's turn: how should it be played, or what instead?
    pub(super) fn turn(&mut self, now_us: i64, waiting: Waiting) -> Turn {
        let target = self.target_us();
        let excess = self.delay.steady_lag_us().map_or(0, |lag| lag - target);
        let bearable = if self.wish.shedding { waiting.duration_us } else { FAR_TOO_LONG_US };
        self.wish.shedding = excess >= bearable;
        if self.wish.shedding || waiting.quiet && excess >= waiting.duration_us {
            return Turn::Drop;
        }
        let tempo = if target - self.delay.lag_us().unwrap_or(target) >= SHORT_US {
            Tempo::Slower
        } else if excess >= LONG_US {
            Tempo::Faster
        } else {
            Tempo::AsSent
        };
        let in_vain = self.wish.is_in_vain(now_us, tempo);
        match tempo {
            Tempo::Slower if in_vain => {
                Turn::ConcealFirst(waiting.duration_us.min(DEFAULT_FRAME_US))
            }
            Tempo::Faster if in_vain && excess >= waiting.duration_us + SPARE_US => Turn::Drop,
            _ if self.wish.rests(now_us) => Turn::Play(Tempo::AsSent),
            _ => Turn::Play(tempo),
        }
    }
}

impl Wish {
    /// Whether the same has been wished for long, and nothing came of it. Then it starts anew.
    fn is_in_vain(&mut self, now_us: i64, tempo: Tempo) -> bool {
        let in_vain = self.tempo == tempo && now_us - self.since_us >= PATIENCE_US;
        if self.tempo != tempo || in_vain {
            (self.tempo, self.since_us) = (tempo, now_us);
        }
        in_vain
    }

    /// Whether the last change is too fresh for another one.
    fn rests(&self, now_us: i64) -> bool {
        self.stretched_us.is_some_and(|last| now_us - last < REST_US)
    }
}

/// The lag is so much below the target: play slower.
pub(super) const SHORT_US: i64 = 5_000;
/// It is so much above: play faster.
const LONG_US: i64 = 20_000;
/// So much above the target stays when a packet is dropped for want of anything better.
const SPARE_US: i64 = 10_000;
/// Unless the delay is beyond bearing: then all of it goes at once.
const FAR_TOO_LONG_US: i64 = 200_000;
/// Between two changes of tempo, which would be heard as one large one.
const REST_US: i64 = 60_000;
/// A voice has a vowel or a pause in each half second.
const PATIENCE_US: i64 = 500_000;
