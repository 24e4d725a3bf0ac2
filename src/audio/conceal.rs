//! G.711 and G.722 know nothing about lost packets, so we go on from what was heard last (at 8 or 16 kHz).
//!
//! Speech repeats itself every 3 to 15 ms while a vowel lasts. [`Concealer`] finds that pitch in the
//! last 40 ms, repeats the last cycle, lets it fade from 10 ms on, and is silent after 60: longer would
//! buzz. Where sound comes back, both overlap for 5 ms, so that nothing clicks. This is the idea of
//! ITU-T G.711 appendix I without its delay. Opus does all this itself, inside libopus.
//!
//! Used by `decode.rs`. Read next: `comfort.rs`.

use super::decimate::Rate;

/// Remembers enough to go on.
#[derive(Clone, Debug)]
pub(super) struct Concealer {
    /// Samples in a millisecond.
    ms: usize,
    /// The last 40 ms; at 8 kHz they are the second half of it.
    history: [f32; MOST_HISTORY],
    cycle: [f32; MOST_PITCH],
    pitch: usize,
    /// What the first repeated sample would jump by; taken away smoothly.
    jump: f32,
    /// Samples made up since the last one heard.
    made_up: usize,
}

impl Concealer {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            ms: rate.frame_samples() / 10,
            history: [0.0; MOST_HISTORY],
            cycle: [0.0; MOST_PITCH],
            pitch: MOST_PITCH,
            jump: 0.0,
            made_up: 0,
        }
    }

    /// Samples that did arrive; their start is blended with what was made up before.
    pub(super) fn heard(&mut self, samples: &mut [f32]) {
        if self.made_up > 0 {
            self.blend(samples);
            self.made_up = 0;
        }
        let new = samples.len().min(MOST_HISTORY);
        self.history.copy_within(new.., 0);
        let newest = samples.get(samples.len() - new..).unwrap_or_default();
        for (kept, sample) in self.history.iter_mut().skip(MOST_HISTORY - new).zip(newest) {
            *kept = *sample;
        }
    }

    /// Samples to play instead of those that are missing.
    pub(super) fn conceal(&mut self, out: &mut [f32]) {
        if self.made_up == 0 {
            self.find_cycle();
        }
        out.iter_mut().for_each(|sample| *sample = self.next_sample());
    }

    /// From here on silence or noise is played on purpose: what comes next fades in from it, and
    /// `out`, which holds it, begins with the end of what was heard.
    pub(super) fn pause(&mut self, out: &mut [f32]) {
        if self.made_up == 0 {
            self.find_cycle();
        }
        if self.made_up < FADED_MS * self.ms {
            self.blend(out);
            self.made_up = FADED_MS * self.ms;
        }
    }

    /// What was made up goes over into these samples.
    fn blend(&mut self, samples: &mut [f32]) {
        let overlap = OVERLAP_MS * self.ms;
        for (n, sample) in samples.iter_mut().take(overlap).enumerate() {
            let share = (n + 1) as f32 / (overlap + 1) as f32;
            *sample = *sample * share + self.next_sample() * (1.0 - share);
        }
    }

    fn next_sample(&mut self) -> f32 {
        let sample = self.cycle.get(self.made_up % self.pitch).copied().unwrap_or_default();
        let overlap = OVERLAP_MS * self.ms;
        let join = (overlap.saturating_sub(self.made_up)) as f32 / overlap as f32;
        let fading = self.made_up.saturating_sub(STEADY_MS * self.ms) as f32;
        let fading = fading / ((FADED_MS - STEADY_MS) * self.ms) as f32;
        self.made_up += 1;
        (sample + self.jump * join) * (1.0 - fading).max(0.0)
    }

    fn find_cycle(&mut self) {
        self.pitch = self.pitch_of_history();
        let last_cycle = self.history.iter().skip(MOST_HISTORY - self.pitch);
        for (kept, sample) in self.cycle.iter_mut().zip(last_cycle) {
            *kept = *sample;
        }
        // The cycle's last quarter turns into what came before its start: then it can be repeated.
        let quarter = self.pitch / 4;
        let before = self.history.iter().skip(MOST_HISTORY - self.pitch - quarter);
        let tail = self.cycle.iter_mut().skip(self.pitch - quarter).zip(before).take(quarter);
        for (n, (sample, earlier)) in tail.enumerate() {
            let share = (n + 1) as f32 / (quarter + 1) as f32;
            *sample = *sample * (1.0 - share) + earlier * share;
        }
        let cycle_before =
            self.history.get(MOST_HISTORY - self.pitch - 1).copied().unwrap_or_default();
        self.jump = self.history.last().copied().unwrap_or_default() - cycle_before;
    }

    /// The lag at which the last 20 ms resemble what came before them most.
    fn pitch_of_history(&self) -> usize {
        let from = MOST_HISTORY - WINDOW_MS * self.ms;
        let recent = self.history.get(from..).unwrap_or_default();
        let longest = MAX_PITCH_MS * self.ms;
        let mut best = (0.0, longest);
        for lag in self.ms * 5 / 2..=longest {
            let earlier = self.history.get(from - lag..).unwrap_or_default();
            let (mut product, mut energy) = (0.0, 1e-9);
            for (a, b) in recent.iter().zip(earlier) {
                product += a * b;
                energy += b * b;
            }
            let likeness = product / f32::sqrt(energy);
            if likeness > best.0 {
                best = (likeness, lag);
            }
        }
        best.1
    }
}

/// 40 ms at 16 kHz.
const MOST_HISTORY: usize = 640;
/// So much is compared.
const WINDOW_MS: usize = 20;
/// 66 Hz; the shortest is 2.5 ms, 400 Hz.
const MAX_PITCH_MS: usize = 15;
const MOST_PITCH: usize = MAX_PITCH_MS * 16;
/// In which made-up and real samples blend.
const OVERLAP_MS: usize = 5;
/// At full loudness.
const STEADY_MS: usize = 10;
/// Silent from then on.
const FADED_MS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(from: usize, samples: &mut [f32]) {
        for (n, sample) in samples.iter_mut().enumerate() {
            *sample = 0.5 * ((from + n) as f32 * 200.0 * std::f32::consts::TAU / 8_000.0).sin();
        }
    }

    #[test]
    fn a_lost_packet_of_a_tone_goes_on_as_that_tone() {
        let mut concealer = Concealer::new(Rate::Khz8);
        let mut heard = [0.0; 320];
        tone(0, &mut heard);
        concealer.heard(&mut heard);
        let (mut made_up, mut expected) = ([0.0; 80], [0.0; 80]);
        concealer.conceal(&mut made_up);
        tone(320, &mut expected);
        for (made_up, expected) in made_up.iter().zip(expected) {
            assert!((made_up - expected).abs() < 0.05, "{made_up} for {expected}");
        }
    }

    #[test]
    fn a_long_loss_fades_to_silence_and_nothing_clicks() {
        let mut concealer = Concealer::new(Rate::Khz8);
        let mut played = vec![0.0; 320];
        tone(0, &mut played);
        concealer.heard(&mut played);
        let mut made_up = [0.0; 800];
        concealer.conceal(&mut made_up);
        assert!(made_up[480..].iter().all(|sample| *sample == 0.0));
        let mut again = [0.0; 160];
        tone(1_120, &mut again);
        concealer.heard(&mut again);
        played.extend(made_up.iter().chain(&again));
        let steepest = played.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(steepest < 0.12, "a step of {steepest}; the tone's own is 0.08");
    }
}
