//! Hearing: what a recording sounds like, in numbers that a test can compare.
//!
//! Use it with `mod common { pub mod listen; }`. Everything works on mono samples from -1 to 1; a
//! stereo file is read channel by channel. Pure functions, no clock: the same recording always gives
//! the same figures. `tests/listen.rs` checks the ear itself.
//!
//! ```ignore
//! let heard = Recording::read(&path);
//! let steady = heard.between(0.5, 2.5);
//! assert!((steady.pitch().unwrap() - 440.0).abs() < 2.0);
//! assert!((steady.level() - -9.0).abs() < 1.5, "{} dBFS", steady.level());
//! assert_eq!(steady.glitches(440.0), 0);
//! ```
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

use std::f64::consts::TAU;
use std::path::Path;

/// Sound of one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Samples a second.
    pub rate: u32,
    /// From -1 to 1.
    pub samples: Vec<f32>,
}

impl Recording {
    /// The first channel of a WAV file of any sample format.
    pub fn read(path: &Path) -> Self {
        let mut channels = Self::read_channels(path);
        assert!(!channels.is_empty(), "{}: a file without channels", path.display());
        channels.swap_remove(0)
    }

    /// Every channel of a WAV file.
    pub fn read_channels(path: &Path) -> Vec<Self> {
        let reader = hound::WavReader::open(path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let spec = reader.spec();
        let full_scale = f64::from(2.0_f32).powi(i32::from(spec.bits_per_sample) - 1);
        let samples: Vec<f32> = match spec.sample_format {
            hound::SampleFormat::Float => reader.into_samples().map(Result::unwrap).collect(),
            hound::SampleFormat::Int => reader
                .into_samples::<i32>()
                .map(|sample| (f64::from(sample.unwrap()) / full_scale) as f32)
                .collect(),
        };
        let channels = usize::from(spec.channels);
        let channel = |n: usize| samples.iter().skip(n).step_by(channels).copied().collect();
        (0..channels).map(|n| Self { rate: spec.sample_rate, samples: channel(n) }).collect()
    }

    /// A sine of `amplitude`; 1.0 is full scale, whose level is -3 dBFS.
    pub fn tone(hz: f64, amplitude: f64, seconds: f64, rate: u32) -> Self {
        let sample = |n: usize| (amplitude * (TAU * hz * n as f64 / f64::from(rate)).sin()) as f32;
        let count = (seconds * f64::from(rate)).round() as usize;
        Self { rate, samples: (0..count).map(sample).collect() }
    }

    /// Writes a 16-bit mono WAV file.
    pub fn write(&self, path: &Path) {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: self.rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for sample in &self.samples {
            writer.write_sample((sample.clamp(-1.0, 1.0) * 32_767.0).round() as i16).unwrap();
        }
        writer.finalize().unwrap();
    }

    /// Its length in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }

    /// The part from one second to another, as far as it exists.
    pub fn between(&self, from: f64, to: f64) -> Self {
        let index = |seconds: f64| {
            ((seconds.max(0.0) * f64::from(self.rate)).round() as usize).min(self.samples.len())
        };
        let (from, to) = (index(from), index(to));
        Self { rate: self.rate, samples: self.samples[from..to.max(from)].to_vec() }
    }

    /// The last `seconds` of it.
    pub fn last(&self, seconds: f64) -> Self {
        self.between(self.seconds() - seconds, self.seconds())
    }

    /// Root mean square in dBFS: a full-scale sine has -3.0, digital silence -200.
    pub fn level(&self) -> f64 {
        let sum: f64 = self.samples.iter().map(|s| f64::from(*s).powi(2)).sum();
        let mean = sum / (self.samples.len().max(1) as f64);
        (10.0 * mean.log10()).max(-200.0)
    }

    /// Seconds until a sample is louder than `threshold` (an amplitude); `None` if none is.
    pub fn first_sound(&self, threshold: f32) -> Option<f64> {
        let at = self.samples.iter().position(|sample| sample.abs() > threshold)?;
        Some(at as f64 / f64::from(self.rate))
    }

    /// From the first sound on.
    pub fn after_silence(&self, threshold: f32) -> Self {
        self.between(self.first_sound(threshold).unwrap_or(self.seconds()), self.seconds())
    }

    /// Amplitude of the sine of `hz` in it (Goertzel's filter): 0.5 for `tone(hz, 0.5, ..)`.
    pub fn amplitude(&self, hz: f64) -> f64 {
        let step = TAU * hz / f64::from(self.rate);
        let (mut s1, mut s2) = (0.0_f64, 0.0_f64);
        for sample in &self.samples {
            (s1, s2) = (f64::from(*sample) + 2.0 * step.cos() * s1 - s2, s1);
        }
        let power = s1 * s1 + s2 * s2 - 2.0 * step.cos() * s1 * s2;
        2.0 * power.max(0.0).sqrt() / (self.samples.len().max(1) as f64)
    }

    /// Share of the energy that is at `hz`, from 0 to 1: near 1 for a clean tone.
    pub fn purity(&self, hz: f64) -> f64 {
        let sum: f64 = self.samples.iter().map(|s| f64::from(*s).powi(2)).sum();
        let tone = self.amplitude(hz).powi(2) / 2.0 * self.samples.len() as f64;
        if sum > 0.0 { tone / sum } else { 0.0 }
    }

    /// The strongest frequency from 30 Hz up, to about 0.2 Hz in a second of sound; `None` in silence
    /// (below -60 dBFS).
    pub fn pitch(&self) -> Option<f64> {
        if self.level() < -60.0 || self.samples.len() < 64 {
            return None;
        }
        let size = self.samples.len().next_power_of_two();
        let last = (self.samples.len() - 1) as f64;
        // Hann's window: else the edges of the cut smear over all frequencies.
        let hann = |n: usize| 0.5 - 0.5 * (TAU * n as f64 / last).cos();
        let mut bins: Vec<Complex> =
            self.samples.iter().enumerate().map(|(n, s)| (f64::from(*s) * hann(n), 0.0)).collect();
        bins.resize(size, (0.0, 0.0));
        fft(&mut bins);
        let magnitude = |n: usize| bins[n].0.hypot(bins[n].1).max(1e-12).ln();
        let hz_per_bin = f64::from(self.rate) / size as f64;
        let lowest = ((30.0 / hz_per_bin) as usize).max(1);
        let peak = (lowest..size / 2 - 1).max_by(|a, b| magnitude(*a).total_cmp(&magnitude(*b)))?;
        // The peak of a parabola through three bins lies between them.
        let (left, top, right) = (magnitude(peak - 1), magnitude(peak), magnitude(peak + 1));
        let offset = 0.5 * (left - right) / (left - 2.0 * top + right);
        Some((peak as f64 + offset) * hz_per_bin)
    }

    /// Whether this is a tone of this pitch and level without a click: each tenth of a second is judged
    /// by itself. `hz` must be a whole number of periods in a tenth.
    pub fn is_tone(&self, what: &str, hz: f64, level: f64) -> Result<(), String> {
        let pitch = self.pitch().ok_or_else(|| format!("{what}: nothing is heard"))?;
        let seen = self.level();
        if (pitch - hz).abs() > hz / 1_000.0 {
            return Err(format!("{what}: {pitch} Hz instead of {hz}"));
        }
        if (seen - level).abs() > 0.5 {
            return Err(format!("{what}: {seen} dBFS instead of {level}"));
        }
        let tenths = (self.seconds() * 10.0) as usize;
        let tenth = |n: usize| self.between(n as f64 / 10.0, (n + 1) as f64 / 10.0).purity(hz);
        let spoiled: Vec<_> = (0..tenths).filter(|n| tenth(*n) < 0.999).collect();
        match spoiled.is_empty() {
            true => Ok(()),
            false => Err(format!("{what}: of {tenths} tenths, {spoiled:?} are not the tone")),
        }
    }

    /// Seconds without the tone of `hz` in one go, once there was sound, in steps of 20 ms.
    pub fn longest_gap(&self, hz: f64) -> f64 {
        let heard = self.after_silence(0.01);
        let pieces = (heard.seconds() / 0.02) as usize;
        let (mut longest, mut gap) = (0, 0);
        for n in 0..pieces {
            let piece = heard.between(n as f64 * 0.02, (n + 1) as f64 * 0.02);
            gap = if piece.amplitude(hz) < 0.1 { gap + 1 } else { 0 };
            longest = longest.max(gap);
        }
        f64::from(longest) * 0.02
    }

    /// How many 10 ms pieces of a recording that should be a steady tone of `hz` are not: gaps,
    /// clicks, jumps of phase, changes of level by more than half.
    ///
    /// The pitch may be off by a few tenths of a hertz: each piece is judged by itself, and its phase
    /// by what the pieces before it led to expect.
    pub fn glitches(&self, hz: f64) -> usize {
        let size = (self.rate / 100) as usize;
        let pieces: Vec<_> = self.samples.chunks_exact(size).collect();
        let mut levels: Vec<f64> = pieces.iter().map(|p| self.fit(p, hz).amplitude).collect();
        levels.sort_by(f64::total_cmp);
        let Some(usual) = levels.get(levels.len() / 2).copied().filter(|level| *level > 1e-4)
        else {
            return pieces.len();
        };
        let advance = TAU * hz * size as f64 / f64::from(self.rate);
        let (mut glitches, mut before): (usize, Option<(f64, f64)>) = (0, None);
        for piece in pieces {
            let fit = self.fit(piece, hz);
            let (phase, drift) = before.unwrap_or((fit.phase - advance, 0.0));
            let jump = wrap(fit.phase - phase - advance - drift);
            let good = (0.5 * usual..2.0 * usual).contains(&fit.amplitude)
                && fit.residual < 0.1 * usual
                && jump.abs() < 0.3;
            glitches += usize::from(!good);
            // After a jump the tone goes on from its new phase: it counts once.
            let drift = if good { drift + 0.1 * jump } else { drift };
            before = Some((fit.phase, drift));
        }
        glitches
    }

    /// The sine of `hz` that comes closest to a piece.
    fn fit(&self, piece: &[f32], hz: f64) -> Fit {
        let step = TAU * hz / f64::from(self.rate);
        let (mut ss, mut cc, mut sc, mut ys, mut yc, mut yy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (n, sample) in piece.iter().enumerate() {
            let (sin, cos) = (step * n as f64).sin_cos();
            let y = f64::from(*sample);
            ss += sin * sin;
            cc += cos * cos;
            sc += sin * cos;
            ys += y * sin;
            yc += y * cos;
            yy += y * y;
        }
        let determinant = ss * cc - sc * sc;
        let (a, b) = ((ys * cc - yc * sc) / determinant, (yc * ss - ys * sc) / determinant);
        let left = (yy - a * ys - b * yc).max(0.0) / piece.len() as f64;
        Fit { amplitude: a.hypot(b), phase: b.atan2(a), residual: (2.0 * left).sqrt() }
    }

    /// Where `reference` is in this recording, and how alike the two are there: 1.0 is the same up to
    /// loudness, 0 has nothing to do with it. The lag is in samples and may be negative; the whole of
    /// the shorter one is compared.
    pub fn correlation(&self, reference: &Self) -> (isize, f64) {
        assert_eq!(self.rate, reference.rate, "bring them to one rate first");
        let (long, short) = (&self.samples, &reference.samples);
        let size = (long.len() + short.len()).next_power_of_two();
        let spectrum = |samples: &[f32]| {
            let mut bins: Vec<Complex> = samples.iter().map(|s| (f64::from(*s), 0.0)).collect();
            bins.resize(size, (0.0, 0.0));
            fft(&mut bins);
            bins
        };
        let (a, b) = (spectrum(long), spectrum(short));
        // Product with the conjugate, then back: the inverse is the forward transform, mirrored.
        let mut product: Vec<Complex> = a
            .iter()
            .zip(&b)
            .map(|((ar, ai), (br, bi))| (ar * br + ai * bi, -(ai * br - ar * bi)))
            .collect();
        fft(&mut product);
        let (at, peak) = product
            .iter()
            .enumerate()
            .map(|(n, bin)| (n, bin.0 / size as f64))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap_or((0, 0.0));
        let lag = if at < size / 2 { at as isize } else { at as isize - size as isize };
        let energy = |samples: &[f32]| samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
        let start = lag.max(0) as usize;
        let end = (lag + short.len() as isize).clamp(0, long.len() as isize) as usize;
        let overlap = energy(&long[start.min(end)..end]);
        let both = (overlap * energy(short)).sqrt();
        (lag, if both > 0.0 { peak / both } else { 0.0 })
    }
}

/// A sine: `amplitude * sin(step * n + phase)`, and the amplitude of what it leaves over.
struct Fit {
    amplitude: f64,
    phase: f64,
    residual: f64,
}

type Complex = (f64, f64);

/// Fourier's transform in place, length a power of two (Cooley and Tukey).
fn fft(bins: &mut [Complex]) {
    let size = bins.len();
    assert!(size.is_power_of_two());
    let bits = size.trailing_zeros();
    for n in 0..size {
        let mirrored = if bits == 0 { 0 } else { n.reverse_bits() >> (usize::BITS - bits) };
        if n < mirrored {
            bins.swap(n, mirrored);
        }
    }
    let mut half = 1;
    while half < size {
        for n in 0..half {
            let (wi, wr) = (-TAU * n as f64 / (2 * half) as f64).sin_cos();
            for even in (n..size).step_by(2 * half) {
                let ((er, ei), (or, oi)) = (bins[even], bins[even + half]);
                let (tr, ti) = (or * wr - oi * wi, or * wi + oi * wr);
                bins[even] = (er + tr, ei + ti);
                bins[even + half] = (er - tr, ei - ti);
            }
        }
        half *= 2;
    }
}

/// An angle from -pi to pi.
fn wrap(angle: f64) -> f64 {
    (angle + TAU / 2.0).rem_euclid(TAU) - TAU / 2.0
}
