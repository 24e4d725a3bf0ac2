//! How long to wait: the delay that nearly all packets keep within, and the delay we have.
//!
//! A packet's *transit* is its arrival less its place on the sender's clock; the clocks have nothing in
//! common, so only differences mean something. The fastest packet of the last seconds is the measure:
//!
//! ```text
//! relative delay = transit - transit of the fastest        of each packet that arrives
//! target         = what 99 of 100 relative delays stay within, and a margin
//! lag            = (now - position) - transit of the fastest    whenever a packet is asked for
//! ```
//! A packet is in time if its relative delay is no more than the lag. So the lag should be the target, and
//! everything else follows: jitter moves the target; a sound card that runs faster or slower than the
//! sender moves the lag; a path that gets longer or shorter moves the fastest transit. NetEq (libwebrtc)
//! measures alike; unlike it, this file forgets after a fixed number of packets and knows no fractions.
//! Read next: `playout.rs`.

/// Everything measured about arrivals and asking.
#[derive(Clone, Debug)]
pub(super) struct Delay {
    fastest: WindowedMin,
    asked: WindowedMin,
    histogram: Histogram,
    /// Share of packets lost lately, in millionths.
    loss: u64,
    lossy: bool,
    /// Packets since one held a copy of the packet before it.
    without_copy: u32,
}

impl Delay {
    pub(super) fn new() -> Self {
        Self {
            fastest: WindowedMin::new(FASTEST_SPAN_US),
            asked: WindowedMin::new(ASKED_SPAN_US),
            histogram: Histogram::new(),
            loss: 0,
            lossy: false,
            without_copy: NO_MORE_COPIES,
        }
    }

    /// A packet with sound arrived.
    pub(super) fn arrived(&mut self, now_us: i64, media_us: i64) {
        let transit = now_us - media_us;
        let before = self.fastest.min();
        self.fastest.add(now_us, transit);
        let longer = before.map_or(0, |before| self.base() - before);
        if longer >= LONGER_PATH_US {
            self.histogram.lower(longer);
        }
        self.histogram.add(transit - self.base());
    }

    /// A packet was asked for, which is due at `position_us`.
    pub(super) fn asked(&mut self, now_us: i64, position_us: i64) {
        self.asked.add(now_us, now_us - position_us);
    }

    /// The position was moved on by this much, or back: the lag is less, or more, from now on.
    pub(super) fn moved(&mut self, by_us: i64) {
        self.asked.shift(-by_us);
    }

    /// The position was moved back for a burst: watch anew before anything is done about the long lag.
    pub(super) fn unsettle(&mut self) {
        self.asked.previous = None;
        self.asked.started_us = None;
    }

    /// Whether a packet was lost, for each that was played or given up.
    pub(super) fn lost(&mut self, packets: u64, of: u64) {
        for at in 0..of.min(LOSS_MEMORY) {
            let loss = if at < packets { 1_000_000 } else { 0 };
            self.loss = (self.loss * (LOSS_MEMORY - 1) + loss) / LOSS_MEMORY;
        }
        self.lossy = self.loss > if self.lossy { LOSSLESS } else { LOSSY };
    }

    /// Whether a packet holds a copy of the one before it. Encoders leave it out now and then: that is no reason
    /// to want another delay for a moment.
    pub(super) fn repeats(&mut self, copy: bool) {
        self.without_copy = if copy { 0 } else { self.without_copy.saturating_add(1) };
    }

    /// Whether packets are lost often enough, and repeated, to wait for the copy in the packet behind.
    pub(super) fn waits_for_copies(&self) -> bool {
        self.lossy && self.without_copy < NO_MORE_COPIES
    }

    /// The lag we want.
    pub(super) fn target_us(&self) -> i64 {
        self.histogram.quantile_us() + MARGIN_US
    }

    /// The least lag of the last half second or so: the sound card asks in bursts, and the last question
    /// of each burst decides whether a packet is in time.
    pub(super) fn lag_us(&self) -> Option<i64> {
        Some(self.asked.min()? - self.base())
    }

    /// The same once it has been watched for long enough to act on.
    pub(super) fn steady_lag_us(&self) -> Option<i64> {
        Some(self.asked.settled_min()? - self.base())
    }

    /// The lag that playing a packet now would mean.
    pub(super) fn lag_of(&self, now_us: i64, media_us: i64) -> i64 {
        now_us - media_us - self.base()
    }

    fn base(&self) -> i64 {
        self.fastest.min().unwrap_or(0)
    }
}

/// The least of all values of the last one to two spans.
#[derive(Clone, Copy, Debug)]
struct WindowedMin {
    span_us: i64,
    started_us: Option<i64>,
    current: Option<i64>,
    previous: Option<i64>,
}

impl WindowedMin {
    fn new(span_us: i64) -> Self {
        Self { span_us, started_us: None, current: None, previous: None }
    }

    fn add(&mut self, now_us: i64, value: i64) {
        let age_us = now_us - *self.started_us.get_or_insert(now_us);
        if age_us >= self.span_us {
            self.previous = if age_us >= 2 * self.span_us { None } else { self.current };
            self.current = None;
            self.started_us = Some(now_us);
        }
        self.current = Some(self.current.map_or(value, |least| least.min(value)));
    }

    fn shift(&mut self, by: i64) {
        self.current = self.current.map(|least| least + by);
        self.previous = self.previous.map(|least| least + by);
    }

    fn min(&self) -> Option<i64> {
        self.current.into_iter().chain(self.previous).min()
    }

    /// Only if a whole span has been seen.
    fn settled_min(&self) -> Option<i64> {
        self.previous.and(self.min())
    }
}

/// The relative delays of the last packets, sorted into steps.
#[derive(Clone, Debug)]
struct Histogram {
    /// The step of each packet, oldest overwritten first.
    packets: Vec<u8>,
    at: usize,
    counts: [u16; STEPS],
}

impl Histogram {
    fn new() -> Self {
        Self { packets: Vec::with_capacity(MEMORY), at: 0, counts: [0; STEPS] }
    }

    fn add(&mut self, relative_us: i64) {
        let last = i64::try_from(STEPS - 1).unwrap_or(0);
        let step = u8::try_from((relative_us / STEP_US).clamp(0, last)).unwrap_or(0);
        if self.packets.len() < MEMORY {
            self.packets.push(step);
        } else if let Some(oldest) = self.packets.get_mut(self.at) {
            let forgotten = std::mem::replace(oldest, step);
            self.at = (self.at + 1) % MEMORY;
            self.count(forgotten, |count| count.saturating_sub(1));
        }
        self.count(step, |count| count.saturating_add(1));
    }

    /// The measure has moved by this much: what was late by it was the new path's normal.
    fn lower(&mut self, by_us: i64) {
        let steps = u8::try_from(by_us / STEP_US).unwrap_or(u8::MAX);
        self.counts = [0; STEPS];
        for packet in &mut self.packets {
            *packet = packet.saturating_sub(steps);
            if let Some(count) = self.counts.get_mut(usize::from(*packet)) {
                *count += 1;
            }
        }
    }

    fn count(&mut self, step: u8, change: impl Fn(u16) -> u16) {
        if let Some(count) = self.counts.get_mut(usize::from(step)) {
            *count = change(*count);
        }
    }

    /// The upper edge of the step beyond which hardly any packet is: one, and one of each 128.
    fn quantile_us(&self) -> i64 {
        let mut beyond = 0;
        let allowed = 1 + self.packets.len() / 128;
        let mut step = STEPS;
        for count in self.counts.iter().rev() {
            beyond += usize::from(*count);
            if beyond > allowed {
                break;
            }
            step -= 1;
        }
        i64::try_from(step.max(1)).unwrap_or(0) * STEP_US
    }
}

/// Packets remembered: ten seconds of 20 ms.
const MEMORY: usize = 512;
/// 5 ms a step.
const STEP_US: i64 = 5_000;
/// Up to half a second: who needs more has no conversation.
const STEPS: usize = 100;
/// The sound card doesn't ask at even times either.
const MARGIN_US: i64 = 5_000;
/// Fastest packets that differ by less are jitter, not another path.
const LONGER_PATH_US: i64 = 20_000;
/// The fastest packet is remembered for two to four seconds: clocks that differ by 200 ppm drift apart by
/// less than a millisecond meanwhile.
const FASTEST_SPAN_US: i64 = 2_000_000;
const ASKED_SPAN_US: i64 = 500_000;
const LOSS_MEMORY: u64 = 128;
/// 1.5 %: more than one loss makes of [`LOSS_MEMORY`].
const LOSSY: u64 = 15_000;
/// Below 0.3 % the path is good again.
const LOSSLESS: u64 = 3_000;
/// Two seconds of 20 ms.
const NO_MORE_COPIES: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_what_nearly_all_packets_keep_within() {
        let mut delay = Delay::new();
        for packet in 0..512 {
            let late = if packet % 80 == 50 { 400_000 } else { packet % 8 * 5_000 };
            delay.arrived(packet * 20_000 + late, packet * 20_000);
        }
        assert!(delay.target_us() > 300_000, "6 of 512 are too many to leave behind");
        let mut delay = Delay::new();
        for packet in 0..512 {
            let late = if packet % 130 == 50 { 400_000 } else { packet % 8 * 5_000 };
            delay.arrived(packet * 20_000 + late, packet * 20_000);
        }
        assert_eq!(delay.target_us(), 40_000 + MARGIN_US);
    }

    #[test]
    fn what_was_is_forgotten() {
        let mut delay = Delay::new();
        for packet in 0..1_024 {
            let late = if packet < 512 { packet % 2 * 100_000 } else { 0 };
            delay.arrived(packet * 20_000 + late, packet * 20_000);
        }
        assert_eq!(delay.target_us(), STEP_US + MARGIN_US);
    }

    #[test]
    fn a_longer_path_is_the_new_measure_after_some_seconds() {
        let mut delay = Delay::new();
        for packet in 0..500 {
            let path = if packet < 100 { 30_000 } else { 130_000 };
            delay.arrived(packet * 20_000 + path, packet * 20_000);
        }
        assert_eq!(delay.lag_of(1_130_000, 1_000_000), 0);
    }

    #[test]
    fn the_least_lag_counts_and_moves_with_the_position() {
        let mut delay = Delay::new();
        delay.arrived(50_000, 0);
        assert_eq!(delay.lag_us(), None);
        for burst in 0..60 {
            delay.asked(burst * 40_000 + 100_000, burst * 40_000);
            delay.asked(burst * 40_000 + 100_000, burst * 40_000 + 20_000);
        }
        assert_eq!((delay.lag_us(), delay.steady_lag_us()), (Some(30_000), Some(30_000)));
        delay.moved(20_000);
        assert_eq!(delay.lag_us(), Some(10_000));
    }
}
