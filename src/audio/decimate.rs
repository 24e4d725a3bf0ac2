//! From 48 kHz to 8 or 16 and back, for G.711 and G.722: a low-pass filter and every sixth or third sample.
//!
//! What lies above half the lower rate can't be told there; left in, it would come out as a false tone
//! below. So both ways the same filter (a windowed sinc: at 8 kHz 3.5 passed, 4.5 60 dB down; at 16 kHz
//! 7.2 and 8) runs over the samples at 48 kHz. Going up, all inputs but every sixth or third are zeros and
//! are not computed: each output needs every sixth or third coefficient. Whole frames in, whole frames
//! out, a delay of 2.6 ms each way.
//!
//! `resample.rs` can do any ratio but not exactly 480 samples to 80 every time. Read next: `resample.rs`.

use super::frame::FRAME_SAMPLES;

/// A rate that 48 kHz is brought down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    /// G.711's.
    Khz8,
    /// G.722's.
    Khz16,
}

impl Rate {
    /// 48 kHz in this.
    pub(super) const fn ratio(self) -> usize {
        match self {
            Self::Khz8 => 6,
            Self::Khz16 => 3,
        }
    }

    /// Samples in 10 ms.
    pub(super) const fn frame_samples(self) -> usize {
        FRAME_SAMPLES / self.ratio()
    }

    const fn cutoff_hz(self) -> f64 {
        match self {
            Self::Khz8 => 3_900.0,
            Self::Khz16 => 7_600.0,
        }
    }
}

/// 48 kHz to less.
#[derive(Clone, Debug)]
pub(super) struct Decimator {
    rate: Rate,
    filter: [f32; TAPS],
    /// The end of the frame before, then this frame.
    heard: [f32; PAST + FRAME_SAMPLES],
}

impl Decimator {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, filter: low_pass(rate), heard: [0.0; PAST + FRAME_SAMPLES] }
    }

    /// 480 samples in, [`Rate::frame_samples`] out.
    pub(super) fn process(&mut self, wide: &[f32], narrow: &mut [f32]) {
        self.heard.copy_within(FRAME_SAMPLES.., 0);
        for (kept, sample) in self.heard.iter_mut().skip(PAST).zip(wide) {
            *kept = *sample;
        }
        // The windows that end with the last of each six or three new samples.
        let ratio = self.rate.ratio();
        let windows = self.heard.windows(TAPS).skip(ratio - 1).step_by(ratio);
        for (out, window) in narrow.iter_mut().zip(windows) {
            *out = dot(window, &self.filter);
        }
    }
}

/// Less to 48 kHz.
#[derive(Clone, Debug)]
pub(super) struct Interpolator {
    rate: Rate,
    /// The filter's coefficients by the phase of the output they serve, newest input last.
    phases: [f32; TAPS],
    /// The end of what came before, then what comes; as much of it as this rate needs.
    heard: [f32; MOST_PHASE_TAPS + MOST_SAMPLES],
}

impl Interpolator {
    pub(super) fn new(rate: Rate) -> Self {
        let (ratio, phase_taps) = (rate.ratio(), TAPS / rate.ratio());
        let mut phases = [0.0; TAPS];
        for (n, tap) in low_pass(rate).into_iter().enumerate() {
            // Output `phase` after input k sees input k - age through tap ratio * age + phase.
            let (age, phase) = (n / ratio, n % ratio);
            if let Some(place) = phases.get_mut(phase * phase_taps + phase_taps - 1 - age) {
                *place = tap * ratio as f32; // all other inputs are zeros
            }
        }
        Self { rate, phases, heard: [0.0; MOST_PHASE_TAPS + MOST_SAMPLES] }
    }

    /// At most 10 ms in, six or three times as many samples out.
    pub(super) fn process(&mut self, narrow: &[f32], wide: &mut [f32]) {
        let phase_taps = TAPS / self.rate.ratio();
        for (kept, sample) in self.heard.iter_mut().skip(phase_taps - 1).zip(narrow) {
            *kept = *sample;
        }
        let windows = self.heard.windows(phase_taps).take(narrow.len());
        for (outs, window) in wide.chunks_mut(self.rate.ratio()).zip(windows) {
            for (out, taps) in outs.iter_mut().zip(self.phases.chunks(phase_taps)) {
                *out = dot(window, taps);
            }
        }
        let end = narrow.len().min(self.rate.frame_samples());
        self.heard.copy_within(end..end + phase_taps - 1, 0);
    }
}

/// The sum of products, six at a time: the order of a single sum would have to be kept, and a processor
/// adds faster side by side. Every number of taps here is a multiple of six.
fn dot(samples: &[f32], taps: &[f32]) -> f32 {
    let sixes = samples.as_chunks::<6>().0.iter().zip(taps.as_chunks::<6>().0);
    let [a, b, c, d, e, f] = sixes.fold([0.0; 6], |[a, b, c, d, e, f], (s, t)| {
        let ([s0, s1, s2, s3, s4, s5], [t0, t1, t2, t3, t4, t5]) = (s, t);
        [a + s0 * t0, b + s1 * t1, c + s2 * t2, d + s3 * t3, e + s4 * t4, f + s5 * t5]
    });
    (a + b) + (c + d) + (e + f)
}

/// A sinc under a Kaiser window, its sum 1. Symmetric, so no phase is bent.
fn low_pass(rate: Rate) -> [f32; TAPS] {
    let mut taps = [0.0; TAPS];
    let centre = (TAPS as f64 - 1.0) / 2.0;
    let turn = std::f64::consts::TAU * rate.cutoff_hz() / 48_000.0;
    for (n, tap) in taps.iter_mut().enumerate() {
        let from_centre = n as f64 - centre;
        let sinc = (turn * from_centre).sin() / (turn * from_centre); // TAPS is even: never 0 / 0
        let edge = from_centre / (centre + 1.0);
        *tap = sinc * bessel(KAISER_BETA * (1.0 - edge * edge).sqrt());
    }
    let sum: f64 = taps.iter().sum();
    taps.map(|tap| narrow_down(tap / sum))
}

/// The modified Bessel function of order 0, as its series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..32 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

#[expect(clippy::cast_possible_truncation, reason = "fewer digits are enough for a coefficient")]
fn narrow_down(value: f64) -> f32 {
    value as f32
}

const TAPS: usize = 252;
const PAST: usize = TAPS - 1;
/// Of the higher rate.
const MOST_PHASE_TAPS: usize = TAPS / 3;
const MOST_SAMPLES: usize = FRAME_SAMPLES / 3;
const KAISER_BETA: f64 = 6.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// Loudness, at the lower rate and back at 48 kHz, of a sine that has gone through both.
    fn gains(rate: Rate, hz: f32) -> (f32, f32) {
        let (mut down, mut up) = (Decimator::new(rate), Interpolator::new(rate));
        let (mut narrow, mut wide) = (vec![0.0; rate.frame_samples()], [0.0; FRAME_SAMPLES]);
        for frame in 0..20 {
            for (n, sample) in wide.iter_mut().enumerate() {
                let at = (frame * FRAME_SAMPLES + n) as f32;
                *sample = (at * hz * std::f32::consts::TAU / 48_000.0).sin();
            }
            down.process(&wide, &mut narrow);
            up.process(&narrow, &mut wide);
        }
        let rms = |s: &[f32]| (s.iter().map(|x| x * x).sum::<f32>() / s.len() as f32).sqrt();
        (rms(&narrow) * 2f32.sqrt(), rms(&wide) * 2f32.sqrt())
    }

    #[test]
    fn speech_passes_unchanged() {
        let narrow = [300.0, 1_000.0, 2_000.0, 3_000.0, 3_400.0].map(|hz| (Rate::Khz8, hz));
        let wide = [100.0, 1_000.0, 3_900.0, 6_000.0, 7_000.0].map(|hz| (Rate::Khz16, hz));
        for (rate, hz) in narrow.into_iter().chain(wide) {
            let (narrow, wide) = gains(rate, hz);
            assert!((narrow - 1.0).abs() < 0.02, "{hz} Hz: {narrow} at {rate:?}");
            assert!((wide - 1.0).abs() < 0.02, "{hz} Hz: {wide} back at 48 kHz");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_tell_is_not_told_wrongly() {
        let narrow = [4_600.0, 5_000.0, 7_000.0, 12_000.0, 20_000.0].map(|hz| (Rate::Khz8, hz));
        let wide = [8_300.0, 9_000.0, 12_000.0, 20_000.0].map(|hz| (Rate::Khz16, hz));
        for (rate, hz) in narrow.into_iter().chain(wide) {
            let (narrow, _) = gains(rate, hz);
            assert!(narrow < 0.001, "{hz} Hz comes out as {narrow} at {rate:?}");
        }
    }
}
