//! Listening to a tone: is it there, and is there anything else?

use std::f64::consts::TAU;

/// Share of the sound's energy that is at this frequency, 0 to 1; 0 in silence.
///
/// Taken piece by piece: where a jitter buffer has left out or made up a moment, the phase jumps, and
/// the tone before would cancel the tone behind.
pub(super) fn purity(samples: &[f32], hz: f64, rate: f64) -> f64 {
    let (mut heard, mut energy) = (0.0, 0.0);
    for piece in samples.chunks_exact(PIECE) {
        let (tone, all) = energies(piece, hz, rate);
        (heard, energy) = (heard + tone, energy + all);
    }
    let silence = SILENCE * samples.len() as f64;
    if energy > silence { f64::min(heard / energy, 1.0) } else { 0.0 }
}

/// The energy of the tone, and of everything.
///
/// G. Goertzel's filter (1958): one term of a Fourier transform, at the cost of one multiplication a
/// sample.
fn energies(samples: &[f32], hz: f64, rate: f64) -> (f64, f64) {
    let twice_cos = 2.0 * (TAU * hz / rate).cos();
    let (mut energy, mut last, mut before) = (0.0, 0.0, 0.0);
    for sample in samples.iter().copied().map(f64::from) {
        energy += sample * sample;
        (last, before) = (sample + twice_cos * last - before, last);
    }
    let power = last * last + before * before - twice_cos * last * before;
    // A sine of amplitude a has the power (a n / 2)^2 and the energy n a^2 / 2.
    (2.0 * power / samples.len().max(1) as f64, energy)
}

/// Root mean square in dB below full scale.
pub(super) fn level(samples: &[f32]) -> f64 {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    10.0 * (energy / samples.len().max(1) as f64).max(1e-12).log10()
}

/// 100 ms at 48 kHz: long enough to tell 440 Hz from 450.
const PIECE: usize = 4_800;
/// Mean square below which nothing is heard: -60 dBFS.
const SILENCE: f64 = 1e-6;

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_possible_truncation, reason = "sound needs no more digits")]
    use super::*;

    fn tone(hz: f64, amplitude: f64) -> Vec<f32> {
        (0..48_000)
            .map(|n| (amplitude * (TAU * hz * f64::from(n) / 48_000.0).sin()) as f32)
            .collect()
    }

    #[test]
    fn a_tone_is_heard_at_its_own_pitch_only() {
        let samples = tone(440.0, 0.5);
        assert!(purity(&samples, 440.0, 48_000.0) > 0.999);
        assert!(purity(&samples, 450.0, 48_000.0) < 0.01, "a whole period less in 100 ms");
        assert!((level(&samples) - -9.03).abs() < 0.01);
    }

    #[test]
    fn a_tone_that_has_jumped_is_still_heard() {
        let mut samples = tone(440.0, 0.5);
        samples.drain(20_000..20_054); // half a period
        assert!(purity(&samples, 440.0, 48_000.0) > 0.9);
    }

    #[test]
    fn silence_and_noise_are_no_tone() {
        assert_eq!(purity(&tone(440.0, 0.000_1), 440.0, 48_000.0), 0.0);
        assert_eq!(purity(&[], 440.0, 48_000.0), 0.0);
        let both: Vec<f32> =
            tone(440.0, 0.3).iter().zip(tone(1_000.0, 0.3)).map(|(a, b)| a + b).collect();
        let share = purity(&both, 440.0, 48_000.0);
        assert!((share - 0.5).abs() < 0.01, "{share}");
    }
}
