//! G.722: 7 kHz of sound in the 64 kbit/s that a telephone has for 3.4 (ITU-T G.722; RFC 3551 section
//! 4.5.2).
//!
//! ```text
//! 16 kHz ─> QMF ─┬─ 0 to 4 kHz at 8 kHz ─> ADPCM, 6 bits ─┐    7 6 5 4 3 2 1 0
//!                └─ 4 to 8 kHz at 8 kHz ─> ADPCM, 2 bits ─┴─> | high|    low    |  one byte
//! ```
//! Each band is coded as the difference to what a predictor expected (two poles, six zeros), in steps that
//! grow while the differences are large and shrink while they are small. Predictor and step follow from
//! the bytes alone, so decoder and encoder stay alike without a word, and come together again after a
//! loss. In RTP its clock runs at 8 kHz although sound has 16: an error of RFC 1890 that everybody kept.
//!
//! Numbers are the Recommendation's, in its fixed point: every implementation gives the same bytes.
//! `g722/band.rs` is one band's ADPCM. `bytewise.rs` goes from and to 48 kHz.

mod band;

use band::{Band, HIGH, LOW};

/// Makes bytes.
#[derive(Clone, Debug)]
pub struct Encoder {
    low: Band,
    high: Band,
    past: History,
}

impl Encoder {
    /// One that has heard nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { low: Band::new(&LOW), high: Band::new(&HIGH), past: History::new() }
    }

    /// The byte for the next two samples at 16 kHz.
    pub fn encode(&mut self, samples: [i16; 2]) -> u8 {
        let [first, second] = samples.map(i32::from);
        let [odd, even] = self.past.filter(first, second);
        let low = self.low.code((even + odd) >> 14);
        let high = self.high.code((even - odd) >> 14);
        high << 6 | low
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes sound of them.
#[derive(Clone, Debug)]
pub struct Decoder {
    low: Band,
    high: Band,
    past: History,
}

impl Decoder {
    /// One that has heard nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { low: Band::new(&LOW), high: Band::new(&HIGH), past: History::new() }
    }

    /// The two samples of a byte, at 16 kHz.
    pub fn decode(&mut self, byte: u8) -> [i16; 2] {
        let low = self.low.decode(byte & 0x3f);
        let high = self.high.decode(byte >> 6);
        let [odd, even] = self.past.filter(low + high, low - high);
        [even, odd].map(|sample| band::saturated(sample >> 11))
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// The 24 latest values of the quadrature mirror filter, as pairs: it splits the sound in two halves of
/// the spectrum with half the samples each, and joins them again so that what overlapped cancels out.
#[derive(Clone, Debug)]
struct History {
    pairs: [[i32; 2]; TAPS],
}

impl History {
    const fn new() -> Self {
        Self { pairs: [[0; 2]; TAPS] }
    }

    /// Takes a pair; the sums over the first and over the second of each.
    fn filter(&mut self, first: i32, second: i32) -> [i32; 2] {
        self.pairs.copy_within(1.., 0);
        if let Some(newest) = self.pairs.last_mut() {
            *newest = [first, second];
        }
        let mut sums = [0; 2];
        let taps = QMF.iter().zip(QMF.iter().rev());
        for ([first, second], (forward, backward)) in self.pairs.iter().zip(taps) {
            sums = [sums[0] + first * forward, sums[1] + second * backward];
        }
        sums
    }
}

const TAPS: usize = 12;
/// Every second coefficient of the filter (table 11); the others are the same from behind.
const QMF: [i32; TAPS] = [3, -11, 12, 32, -210, 951, 3_876, -805, 362, -156, 53, -11];

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_possible_truncation, reason = "sound needs no more digits")]
    use super::*;

    fn sine(hz: f64, amplitude: f64, samples: usize) -> Vec<i16> {
        let turn = std::f64::consts::TAU * hz / 16_000.0;
        (0..samples).map(|n| (amplitude * (n as f64 * turn).sin()).round() as i16).collect()
    }

    fn there_and_back(samples: &[i16]) -> Vec<i16> {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        let pairs = samples.as_chunks::<2>().0;
        pairs.iter().flat_map(|pair| decoder.decode(encoder.encode(*pair))).collect()
    }

    /// dB between a signal and what has become of it, at the delay where they are most alike.
    fn snr(sent: &[i16], heard: &[i16]) -> f64 {
        let at = |delay: usize| {
            let pairs = sent.iter().zip(heard.iter().skip(delay)).skip(800);
            let (mut signal, mut noise) = (0.0, 1e-9);
            for (sent, heard) in pairs {
                signal += f64::from(*sent).powi(2);
                noise += (f64::from(*sent) - f64::from(*heard)).powi(2);
            }
            10.0 * f64::log10(signal / noise)
        };
        (15..30).map(at).fold(f64::MIN, f64::max)
    }

    #[test]
    fn tones_of_all_its_bandwidth_come_back() {
        for (hz, at_least) in [(200.0, 35.0), (1_000.0, 30.0), (3_000.0, 30.0), (6_000.0, 12.0)] {
            for amplitude in [16_000.0, 1_000.0] {
                let sent = sine(hz, amplitude, 16_000);
                let seen = snr(&sent, &there_and_back(&sent));
                assert!(seen > at_least, "{hz} Hz, {amplitude}: {seen} dB");
            }
        }
    }

    #[test]
    fn silence_stays_silent_and_noise_does_not_run_away() {
        let silent = there_and_back(&[0; 1_600]);
        assert!(silent.iter().all(|sample| sample.abs() <= 4), "{silent:?}");
        let mut random = 1_u32;
        let mut decoder = Decoder::new();
        for _ in 0..100_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            decoder.decode((random >> 24) as u8); // must not overflow, which tests would notice
        }
        let loudest = sine(1_000.0, 32_767.0, 16_000);
        let square: Vec<i16> =
            loudest.iter().map(|s| if *s < 0 { i16::MIN } else { i16::MAX }).collect();
        there_and_back(&square);
    }

    /// A decoder that comes in late, or lost packets, is soon like one that heard all.
    #[test]
    fn after_a_loss_the_decoder_finds_back() {
        let sent = sine(700.0, 8_000.0, 16_000);
        let (mut encoder, mut all, mut late) = (Encoder::new(), Decoder::new(), Decoder::new());
        let mut apart = 0;
        for (n, pair) in sent.as_chunks::<2>().0.iter().enumerate() {
            let byte = encoder.encode(*pair);
            let whole = all.decode(byte);
            if n > 800 {
                let heard = late.decode(byte);
                if n > 4_000 {
                    apart = apart.max(whole[0].abs_diff(heard[0]));
                }
            }
        }
        assert!(apart < 200, "still {apart} apart after 0.4 s");
    }
}
