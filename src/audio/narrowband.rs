//! From 48 kHz to 8 and back, for G.711: a low-pass filter and every sixth sample.
//!
//! What lies above 4 kHz can't be told at 8 kHz; left in, it would come out as a false tone below. So
//! both ways the same filter (a windowed sinc, 3.5 kHz passed, 4.5 kHz 60 dB down) runs over the samples
//! at 48 kHz. Going up, five of six inputs are zeros and are not computed: each output needs every
//! sixth coefficient. Whole frames in, whole frames out, a delay of 2.6 ms each way.
//!
//! `resample.rs` can do any ratio but not exactly 480 samples to 80 every time. Read next: `resample.rs`.

use super::frame::FRAME_SAMPLES;
use super::g711::FRAME_SAMPLES as NARROW_SAMPLES;

/// 48 kHz to 8 kHz.
#[derive(Clone, Debug)]
pub(super) struct Decimator {
    filter: [f32; TAPS],
    /// The end of the frame before, then this frame.
    heard: [f32; PAST + FRAME_SAMPLES],
}

impl Decimator {
    pub(super) fn new() -> Self {
        Self { filter: low_pass(), heard: [0.0; PAST + FRAME_SAMPLES] }
    }

    /// 480 samples in, 80 out.
    pub(super) fn process(&mut self, wide: &[f32], narrow: &mut [f32; NARROW_SAMPLES]) {
        self.heard.copy_within(FRAME_SAMPLES.., 0);
        for (kept, sample) in self.heard.iter_mut().skip(PAST).zip(wide) {
            *kept = *sample;
        }
        // The window that ends with the 6th, 12th … new sample.
        let windows = self.heard.windows(TAPS).skip(RATIO - 1).step_by(RATIO);
        for (out, window) in narrow.iter_mut().zip(windows) {
            *out = window.iter().zip(&self.filter).map(|(sample, tap)| sample * tap).sum();
        }
    }
}

/// 8 kHz to 48 kHz.
#[derive(Clone, Debug)]
pub(super) struct Interpolator {
    /// The filter's coefficients by the phase of the output they serve, newest input last.
    phases: [[f32; PHASE_TAPS]; RATIO],
    heard: [f32; PHASE_TAPS - 1 + NARROW_SAMPLES],
}

impl Interpolator {
    pub(super) fn new() -> Self {
        let mut phases = [[0.0; PHASE_TAPS]; RATIO];
        for (n, tap) in low_pass().into_iter().enumerate() {
            // Output `phase` after input k sees input k - age through tap 6 age + phase.
            let (age, phase) = (n / RATIO, n % RATIO);
            let place = phases.get_mut(phase).and_then(|taps| taps.get_mut(PHASE_TAPS - 1 - age));
            if let Some(place) = place {
                *place = tap * RATIO as f32; // five of six inputs are zeros
            }
        }
        Self { phases, heard: [0.0; PHASE_TAPS - 1 + NARROW_SAMPLES] }
    }

    /// At most 80 samples in, six times as many out.
    pub(super) fn process(&mut self, narrow: &[f32], wide: &mut [f32]) {
        for (kept, sample) in self.heard.iter_mut().skip(PHASE_TAPS - 1).zip(narrow) {
            *kept = *sample;
        }
        let windows = self.heard.windows(PHASE_TAPS).take(narrow.len());
        for (six, window) in wide.as_chunks_mut::<RATIO>().0.iter_mut().zip(windows) {
            for (out, taps) in six.iter_mut().zip(&self.phases) {
                *out = window.iter().zip(taps).map(|(sample, tap)| sample * tap).sum();
            }
        }
        let end = narrow.len().min(NARROW_SAMPLES);
        self.heard.copy_within(end..end + PHASE_TAPS - 1, 0);
    }
}

/// A sinc cut off at 3.9 kHz under a Kaiser window, its sum 1. Symmetric, so no phase is bent.
fn low_pass() -> [f32; TAPS] {
    let mut taps = [0.0; TAPS];
    let centre = (TAPS as f64 - 1.0) / 2.0;
    for (n, tap) in taps.iter_mut().enumerate() {
        let from_centre = n as f64 - centre;
        let turn = std::f64::consts::TAU * CUTOFF_HZ / 48_000.0;
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

/// 48 kHz in 8 kHz.
pub(super) const RATIO: usize = 6;
const PHASE_TAPS: usize = 42;
const TAPS: usize = RATIO * PHASE_TAPS;
const PAST: usize = TAPS - 1;
const CUTOFF_HZ: f64 = 3_900.0;
const KAISER_BETA: f64 = 6.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// Loudness, at 8 kHz and back at 48, of a sine that has gone through both.
    fn gains(hz: f32) -> (f32, f32) {
        let (mut down, mut up) = (Decimator::new(), Interpolator::new());
        let (mut narrow, mut wide) = ([0.0; NARROW_SAMPLES], [0.0; FRAME_SAMPLES]);
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
        for hz in [300.0, 1_000.0, 2_000.0, 3_000.0, 3_400.0] {
            let (narrow, wide) = gains(hz);
            assert!((narrow - 1.0).abs() < 0.02, "{hz} Hz: {narrow} at 8 kHz");
            assert!((wide - 1.0).abs() < 0.02, "{hz} Hz: {wide} back at 48 kHz");
        }
    }

    #[test]
    fn what_8_khz_cannot_tell_is_not_told_wrongly() {
        for hz in [4_600.0, 5_000.0, 7_000.0, 12_000.0, 20_000.0] {
            let (narrow, _) = gains(hz);
            assert!(narrow < 0.001, "{hz} Hz comes out as {narrow}");
        }
    }
}
