//! From one sample rate to another: files and sound cards may have any, a call has 48 kHz.
//!
//! rubato's windowed sinc, in steps of 2.5 ms: short, because every sample that waits for its step is
//! delay. The filter itself delays by less than 1 ms between the usual rates. Buffers are made once.
//!
//! There is no correction for clocks that drift apart, because nothing here joins two of them: what the
//! microphone gives is sent at the microphone's pace, and what is played is asked for by the loudspeaker.
//! The jitter buffer at the far end bridges the difference.
//!
//! Used by `source.rs`, `ring.rs` and the sound card. Read next: `wav.rs`.

use std::fmt;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};

use super::frame::Channels;

/// Converts a stream of interleaved samples.
///
/// ```
/// use halloo::audio::{Channels, resample::Resampler};
/// let mut up = Resampler::new(24_000, 48_000, Channels::Mono)?;
/// up.push(&[0.0; 240]);
/// assert!(up.take(&mut [0.0; 400]), "10 ms went in, all but the filter's delay comes out");
/// # Ok::<(), halloo::audio::resample::RateError>(())
/// ```
pub struct Resampler {
    sinc: Option<Async<f32>>,
    channels: usize,
    /// Samples per channel that the sinc takes at a time.
    step: usize,
    input: Vec<f32>,
    output: Vec<f32>,
    taken: usize,
    scratch: Vec<f32>,
}

/// A rate that nobody means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sample rate of {0} Hz can't be converted (1,000 to 768,000 can)")]
pub struct RateError(pub u32);

impl Resampler {
    /// From `from` to `to` samples per second. Equal rates cost nothing.
    ///
    /// # Errors
    /// A rate outside 1,000 to 768,000 Hz.
    pub fn new(from: u32, to: u32, channels: Channels) -> Result<Self, RateError> {
        for rate in [from, to] {
            if !(1_000..=768_000).contains(&rate) {
                return Err(RateError(rate));
            }
        }
        let channels = channels.count();
        let step = (from as usize / 400).max(1);
        let sinc = if from == to { None } else { Some(sinc(from, to, step, channels)?) };
        let most = sinc.as_ref().map_or(0, |sinc| sinc.output_frames_max() * channels);
        Ok(Self {
            sinc,
            channels,
            step,
            input: Vec::with_capacity(ROOM * channels),
            output: Vec::with_capacity(ROOM * channels),
            taken: 0,
            scratch: vec![0.0; most],
        })
    }

    /// Puts samples in, any number.
    pub fn push(&mut self, samples: &[f32]) {
        self.output.drain(..self.taken);
        self.taken = 0;
        let Some(sinc) = &mut self.sinc else {
            self.output.extend_from_slice(samples);
            return;
        };
        self.input.extend_from_slice(samples);
        let mut steps = self.input.chunks_exact(self.step * self.channels);
        for step in &mut steps {
            let frames = self.scratch.len() / self.channels;
            let Ok(input) = InterleavedSlice::new(step, self.channels, self.step) else { break };
            let Ok(mut output) =
                InterleavedSlice::new_mut(&mut self.scratch, self.channels, frames)
            else {
                break;
            };
            // Fails for buffers of the wrong size only.
            let made = sinc.process_into_buffer(&input, &mut output, None).map_or(0, |made| made.1);
            let made = self.scratch.get(..made * self.channels).unwrap_or_default();
            self.output.extend_from_slice(made);
        }
        let left = steps.remainder().len();
        self.input.drain(..self.input.len() - left);
    }

    /// Fills `out` if there is enough; else takes nothing.
    pub fn take(&mut self, out: &mut [f32]) -> bool {
        let end = self.taken + out.len();
        let Some(ready) = self.output.get(self.taken..end) else { return false };
        out.copy_from_slice(ready);
        self.taken = end;
        true
    }

    /// Throws away up to `samples` samples per channel of what is ready; answers how many.
    pub fn skip(&mut self, samples: usize) -> usize {
        let skipped = samples.min(self.ready());
        self.taken += skipped * self.channels;
        skipped
    }

    /// Samples per channel that can be taken.
    #[must_use]
    pub fn ready(&self) -> usize {
        (self.output.len() - self.taken) / self.channels
    }

    /// Samples per channel, at the output's rate, by which the filter delays.
    #[must_use]
    pub fn delay(&self) -> usize {
        self.sinc.as_ref().map_or(0, rubato::Resampler::output_delay)
    }

    /// Samples per channel of the step that the conversion works in, at the input's rate.
    #[must_use]
    pub const fn step(&self) -> usize {
        self.step
    }
}

impl fmt::Debug for Resampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resampler")
            .field("delay", &self.delay())
            .field("ready", &self.ready())
            .finish_non_exhaustive()
    }
}

fn sinc(from: u32, to: u32, step: usize, channels: usize) -> Result<Async<f32>, RateError> {
    // The filter's length counts input samples: going down, it must span as much time as at `to`.
    let length = TAPS * from.max(to) as usize / to as usize;
    let parameters = SincInterpolationParameters::new(length, WindowFunction::BlackmanHarris)
        .oversampling_factor(256)
        .interpolation(SincInterpolationType::Cubic);
    let ratio = f64::from(to) / f64::from(from);
    Async::new_sinc(ratio, 1.0, &parameters, step, channels, FixedAsync::Input)
        .map_err(|_| RateError(from))
}

const TAPS: usize = 64;
/// Samples per channel that fit without another allocation: 100 ms at 48 kHz.
const ROOM: usize = 4_800;

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_possible_truncation, reason = "sound needs no more digits")]
    use super::*;

    /// Amplitude of `hz` in the samples, and how far below it everything else is, in dB.
    fn tone_and_rest(samples: &[f32], rate: f64, hz: f64) -> (f64, f64) {
        let turn = std::f64::consts::TAU * hz / rate;
        let whole = |n: usize| f64::from(samples[n]);
        // Least squares for a sine and a cosine.
        let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for n in 0..samples.len() {
            let (s, c) = (turn * n as f64).sin_cos();
            (ss, cc, sc) = (ss + s * s, cc + c * c, sc + s * c);
            (xs, xc) = (xs + whole(n) * s, xc + whole(n) * c);
        }
        let det = ss * cc - sc * sc;
        let (a, b) = ((xs * cc - xc * sc) / det, (xc * ss - xs * sc) / det);
        let rest: f64 = (0..samples.len())
            .map(|n| {
                let (s, c) = (turn * n as f64).sin_cos();
                (whole(n) - a * s - b * c).powi(2)
            })
            .sum();
        let amplitude = a.hypot(b);
        let rest = (rest / samples.len() as f64).sqrt() / (amplitude / 2f64.sqrt());
        (amplitude, 20.0 * rest.log10())
    }

    fn converted(from: u32, to: u32, hz: f32) -> Vec<f32> {
        let mut resampler = Resampler::new(from, to, Channels::Mono).unwrap();
        let mut out = Vec::new();
        for frame in 0..100 {
            let len = from as usize / 100;
            let samples: Vec<f32> = (0..len)
                .map(|n| {
                    let at = f64::from(frame) * len as f64 + n as f64;
                    let turn = std::f64::consts::TAU * f64::from(hz) / f64::from(from);
                    (0.5 * (at * turn).sin()) as f32
                })
                .collect();
            resampler.push(&samples);
            let mut ready = vec![0.0; resampler.ready()];
            assert!(resampler.take(&mut ready));
            out.extend(ready);
        }
        out
    }

    #[test]
    fn pitch_and_level_stay_and_distortion_is_low_between_all_usual_rates() {
        for (from, to) in [
            (44_100, 48_000),
            (48_000, 44_100),
            (8_000, 48_000),
            (48_000, 16_000),
            (96_000, 48_000),
            (192_000, 48_000),
            (11_025, 48_000),
            (48_000, 48_000),
        ] {
            let out = converted(from, to, 997.0);
            let expected = to as usize;
            assert!(out.len().abs_diff(expected) < expected / 100, "{from} to {to}: {}", out.len());
            let (amplitude, rest) = tone_and_rest(&out[out.len() / 4..], f64::from(to), 997.0);
            assert!((amplitude - 0.5).abs() < 0.005, "{from} to {to}: amplitude {amplitude}");
            assert!(rest < -80.0, "{from} to {to}: the rest is at {rest} dB");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_tell_is_gone() {
        let out = converted(48_000, 16_000, 11_000.0);
        let loudest = out[out.len() / 4..].iter().fold(0.0, |max: f32, s| s.abs().max(max));
        assert!(loudest < 0.001, "{loudest}");
    }

    #[test]
    fn the_delay_is_small() {
        for (from, to) in [(44_100, 48_000), (48_000, 44_100)] {
            let resampler = Resampler::new(from, to, Channels::Stereo).unwrap();
            assert!(resampler.delay() <= 48, "{from} to {to}: {}", resampler.delay());
        }
        assert_eq!(Resampler::new(48_000, 48_000, Channels::Mono).unwrap().delay(), 0);
        assert_eq!(Resampler::new(999, 48_000, Channels::Mono).unwrap_err(), RateError(999));
    }
}
