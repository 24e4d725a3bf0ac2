//! Comfort noise: what a pause of G.711 sounds like at the other end (RFC 3389).
//!
//! ```text
//! +---------------+---------------+---- … ----+---------------+
//! |0|    level    |      N1       |           |      NM       |
//! +---------------+---------------+---- … ----+---------------+
//! ```
//! The level is in -dBov; each N is a reflection coefficient, which together give the noise its colour.
//! White noise goes through the lattice filter that they describe (section 3), scaled so that what comes
//! out has the level told.
//!
//! Used by `decode.rs`. Read next: `resample.rs`.

use crate::wire::{ParseError, Reader};

/// Noise as the last packet described it, at 8 kHz.
#[derive(Clone, Debug)]
pub(super) struct ComfortNoise {
    gain: f32,
    reflection: [f32; MAX_ORDER],
    backward: [f32; MAX_ORDER + 1],
    random: u32,
}

impl ComfortNoise {
    /// Silence, until a packet says otherwise.
    pub(super) fn new() -> Self {
        Self {
            gain: 0.0,
            reflection: [0.0; MAX_ORDER],
            backward: [0.0; MAX_ORDER + 1],
            random: 0x1357_9bdf,
        }
    }

    /// Reads a payload. Coefficients beyond the 16th colour too little to be worth it.
    pub(super) fn describe(&mut self, payload: &[u8]) -> Result<(), ParseError> {
        let mut r = Reader::new(payload);
        let level = f32::from(r.u8()? & 0x7f);
        let mut lost = 1.0;
        self.reflection = [0.0; MAX_ORDER];
        for (coefficient, byte) in self.reflection.iter_mut().zip(r.rest()) {
            let k = 258.0 * (f32::from(*byte) - 127.0) / 32_768.0;
            *coefficient = k.clamp(-0.99, 0.99); // 1 and beyond would ring for ever
            lost *= 1.0 - *coefficient * *coefficient;
        }
        // The filter amplifies noise by 1 / sqrt(lost).
        self.gain = 10f32.powf(-level / 20.0) * f32::sqrt(f32::max(lost, 0.0));
        Ok(())
    }

    /// More of it.
    pub(super) fn fill(&mut self, out: &mut [f32]) {
        for sample in out {
            // Uniform between -sqrt(3) and sqrt(3): its root mean square is 1.
            let white = (self.next_random() * 2.0 - 1.0) * 3f32.sqrt();
            *sample = self.filter(white * self.gain).clamp(-1.0, 1.0);
        }
    }

    /// The all-pole lattice: from the last stage to the first.
    fn filter(&mut self, input: f32) -> f32 {
        let mut forward = input;
        for stage in (0..MAX_ORDER).rev() {
            let k = self.reflection.get(stage).copied().unwrap_or_default();
            let behind = self.backward.get(stage).copied().unwrap_or_default();
            forward -= k * behind;
            if let Some(next) = self.backward.get_mut(stage + 1) {
                *next = behind + k * forward;
            }
        }
        if let Some(first) = self.backward.first_mut() {
            *first = forward;
        }
        forward
    }

    /// 0 to 1. Noise for the ear, so a linear congruence is random enough, and it is the same each run.
    fn next_random(&mut self) -> f32 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.random >> 8) as f32 / (1u32 << 24) as f32
    }
}

const MAX_ORDER: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn rms(payload: &[u8]) -> f32 {
        let mut noise = ComfortNoise::new();
        noise.describe(payload).unwrap();
        let mut out = [0.0; 16_000];
        noise.fill(&mut out);
        (out.iter().map(|s| s * s).sum::<f32>() / out.len() as f32).sqrt()
    }

    /// rfc3389-3.1-1
    #[test]
    fn noise_is_as_loud_as_its_packet_says_whatever_its_colour() {
        for payload in [&[40][..], &[40, 127, 127], &[40, 20, 150], &[40, 200, 90, 140, 127]] {
            let decibels = 20.0 * rms(payload).log10();
            assert!((decibels + 40.0).abs() < 1.0, "{payload:?} gives {decibels} dB");
        }
        assert!(rms(&[127]) < 1e-6);
    }

    #[test]
    fn an_empty_packet_changes_nothing() {
        let mut noise = ComfortNoise::new();
        noise.describe(&[30]).unwrap();
        let before = noise.gain;
        assert!(noise.describe(&[]).is_err());
        assert_eq!(noise.gain, before);
    }

    #[test]
    fn no_coefficients_make_the_noise_run_away() {
        let mut noise = ComfortNoise::new();
        let mut payload = [255; 40];
        payload[0] = 0;
        noise.describe(&payload).unwrap();
        let mut out = [0.0; 8_000];
        noise.fill(&mut out);
        assert!(out.iter().all(|sample| sample.is_finite()));
    }
}
