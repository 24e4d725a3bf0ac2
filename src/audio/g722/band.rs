//! One band of G.722: adaptive differential PCM (ITU-T G.722 sections 3 to 6).
//!
//! ```text
//! x ──(-)── e ──> quantizer ──> code ──┬─> inverse ──> d ──(+)──> r
//!      └── s <── predictor <───────────┼───────────────────┘
//!                  step size <─────────┘ logarithm, so that it grows and shrinks by factors
//! ```
//! The decoder is the right half of it. In the lower band the two last of six bits only refine what is
//! heard: predictor and step look at the first four, for a network might take those two for data.
//! Names of steps in capitals are the Recommendation's.

/// What differs between the bands.
#[derive(Debug)]
pub(super) struct Tables {
    /// Borders between the levels of the quantizer, as parts of the step (4,096 is one).
    borders: &'static [i32],
    /// Codes of those levels, for positive and for negative differences.
    positive: &'static [u8],
    negative: &'static [u8],
    /// What a code means: as it is heard, and as the predictor takes it (32,768 is one step).
    heard: &'static [i32],
    predicted: &'static [i32],
    /// Bits of the code that the predictor doesn't see.
    fine_bits: u8,
    /// What a code adds to the logarithm of the step; its limit; what it starts from.
    growth: &'static [i32],
    largest: i32,
    first_step: i32,
    /// Where the logarithm's whole part starts.
    shift: i32,
}

/// State of one band.
#[derive(Clone, Debug)]
pub(super) struct Band {
    tables: &'static Tables,
    /// The logarithm of the step: 2,048 is a factor of two.
    log_step: i32,
    step: i32,
    predictor: Predictor,
}

impl Band {
    pub(super) const fn new(tables: &'static Tables) -> Self {
        Self { tables, log_step: 0, step: tables.first_step, predictor: Predictor::new() }
    }

    /// The code for a sample of this band.
    pub(super) fn code(&mut self, sample: i32) -> u8 {
        let error = clamped(sample - self.predictor.expected);
        // One's complement: -1 is as near to zero as 0.
        let magnitude = if error < 0 { !error } else { error };
        let above = |border: &&i32| magnitude >= (**border * self.step) >> 12;
        let level = self.tables.borders.iter().take_while(above).count();
        let codes = if error < 0 { self.tables.negative } else { self.tables.positive };
        let code = codes.get(level).copied().unwrap_or_default();
        self.follow(code);
        code
    }

    /// The sample that a code means.
    pub(super) fn decode(&mut self, code: u8) -> i32 {
        let difference = self.difference(self.tables.heard, code);
        let sample = (self.predictor.expected + difference).clamp(-16_384, 16_383);
        self.follow(code);
        sample
    }

    fn difference(&self, meaning: &[i32], code: u8) -> i32 {
        let steps = meaning.get(usize::from(code)).copied().unwrap_or_default();
        (self.step * steps) >> 15
    }

    /// What encoder and decoder both learn from a code.
    fn follow(&mut self, code: u8) {
        let code = code >> self.tables.fine_bits;
        let difference = self.difference(self.tables.predicted, code);
        // LOGSCL, LOGSCH, SCALEL, SCALEH
        let growth = self.tables.growth.get(usize::from(code)).copied().unwrap_or_default();
        self.log_step = (((self.log_step * 127) >> 7) + growth).clamp(0, self.tables.largest);
        self.step = power_of_two(self.log_step, self.tables.shift) << 2;
        self.predictor.adapt(difference);
    }
}

/// 2 to the power of `log` / 2,048, by a table of its fraction.
fn power_of_two(log: i32, shift: i32) -> i32 {
    let fraction = usize::try_from((log >> 6) & 31).unwrap_or_default();
    let mantissa = POWERS.get(fraction).copied().unwrap_or_default();
    let shift = shift - (log >> 11);
    if shift < 0 { mantissa << -shift } else { mantissa >> shift }
}

/// Expects the next sample from the last ones: from two as they came out (poles), and from six differences
/// (zeros). Each weight moves by a little towards what would have been right, and leaks away slowly, so
/// that what a loss has spoiled is forgotten.
#[derive(Clone, Debug)]
struct Predictor {
    poles: [i32; 2],
    zeros: [i32; 6],
    /// The last samples as they came out, and what zeros alone had made of them; newest first.
    samples: [i32; 2],
    partial: [i32; 2],
    differences: [i32; 6],
    /// What the zeros expect, and all together.
    from_zeros: i32,
    expected: i32,
}

impl Predictor {
    const fn new() -> Self {
        Self {
            poles: [0; 2],
            zeros: [0; 6],
            samples: [0; 2],
            partial: [0; 2],
            differences: [0; 6],
            from_zeros: 0,
            expected: 0,
        }
    }

    fn adapt(&mut self, difference: i32) {
        let sample = clamped(self.expected + difference); // RECONS
        let partial = clamped(self.from_zeros + difference); // PARREC
        self.adapt_poles(partial);
        self.adapt_zeros(difference);
        // DELAYA
        self.samples = [sample, self.samples[0]];
        self.partial = [partial, self.partial[0]];
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        // FILTEP, FILTEZ, PREDIC
        let weighed = |(weight, value): (&i32, &i32)| (weight * clamped(value * 2)) >> 15;
        let from_poles: i32 = self.poles.iter().zip(&self.samples).map(weighed).sum();
        self.from_zeros = clamped(self.zeros.iter().zip(&self.differences).map(weighed).sum());
        self.expected = clamped(clamped(from_poles) + self.from_zeros);
    }

    /// UPPOL2, UPPOL1: by signs alone; what keeps the filter stable are the limits.
    fn adapt_poles(&mut self, partial: i32) {
        let alike = self.partial.map(|before| (before < 0) == (partial < 0));
        let [first, second] = self.poles;
        let quadrupled = clamped(first * 4);
        let against = clamped(if alike[0] { -quadrupled } else { quadrupled });
        let nudge = if alike[1] { 128 } else { -128 };
        let second = (nudge + (against >> 7) + ((second * 32_512) >> 15)).clamp(-12_288, 12_288);
        let nudge = if alike[0] { 192 } else { -192 };
        let limit = clamped(15_360 - second);
        let first = clamped(nudge + ((first * 32_640) >> 15)).clamp(-limit, limit);
        self.poles = [first, second];
    }

    /// UPZERO
    fn adapt_zeros(&mut self, difference: i32) {
        let nudge = if difference == 0 { 0 } else { 128 };
        for (weight, before) in self.zeros.iter_mut().zip(self.differences) {
            let alike = (before < 0) == (difference < 0);
            let nudge = if alike { nudge } else { -nudge };
            *weight = clamped(nudge + ((*weight * 32_640) >> 15));
        }
    }
}

/// 16 bits, as the Recommendation's arithmetic has them.
fn clamped(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

/// The same as a sample.
pub(super) fn saturated(value: i32) -> i16 {
    i16::try_from(clamped(value)).unwrap_or_default()
}

/// 2,048 times the powers of two from 0 to 31/32 (table 14's ILB).
const POWERS: [i32; 32] = [
    2_048, 2_093, 2_139, 2_186, 2_233, 2_282, 2_332, 2_383, 2_435, 2_489, 2_543, 2_599, 2_656,
    2_714, 2_774, 2_834, 2_896, 2_960, 3_025, 3_091, 3_158, 3_228, 3_298, 3_371, 3_444, 3_520,
    3_597, 3_676, 3_756, 3_838, 3_922, 4_008,
];

/// 0 to 4 kHz: 60 levels, of which 15 count for the predictor.
pub(super) static LOW: Tables = Tables {
    borders: &[
        35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940,
        1_023, 1_121, 1_219, 1_339, 1_458, 1_612, 1_765, 1_980, 2_195, 2_557, 2_919,
    ],
    positive: &[
        61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39,
        38, 37, 36, 35, 34, 33, 32,
    ],
    negative: &[
        63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11,
        10, 9, 8, 7, 6, 5, 4,
    ],
    heard: &[
        -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280,
        -11_192, -10_232, -9_360, -8_576, -7_856, -7_192, -6_576, -6_000, -5_456, -4_944, -4_464,
        -4_008, -3_576, -3_168, -2_776, -2_400, -2_032, -1_688, -1_360, -1_040, -728, 24_808,
        21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9_360, 8_576, 7_856, 7_192,
        6_576, 6_000, 5_456, 4_944, 4_464, 4_008, 3_576, 3_168, 2_776, 2_400, 2_032, 1_688, 1_360,
        1_040, 728, 432, 136, -432, -136,
    ],
    predicted: &[
        0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288,
        4_240, 2_584, 1_200, 0,
    ],
    fine_bits: 2,
    growth: &[-60, 3_042, 1_198, 538, 334, 172, 58, -30, 3_042, 1_198, 538, 334, 172, 58, -30, -60],
    largest: 18_432,
    first_step: 32,
    shift: 8,
};

/// 4 to 8 kHz: four levels.
pub(super) static HIGH: Tables = Tables {
    borders: &[564],
    positive: &[3, 2],
    negative: &[1, 0],
    heard: &[-7_408, -1_616, 7_408, 1_616],
    predicted: &[-7_408, -1_616, 7_408, 1_616],
    fine_bits: 0,
    growth: &[798, -214, 798, -214],
    largest: 22_528,
    first_step: 8,
    shift: 10,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_fit_each_other() {
        for (n, power) in POWERS.iter().enumerate() {
            let exact = 2_048.0 * 2f64.powf(n as f64 / 32.0);
            assert!((f64::from(*power) - exact).abs() <= 1.0, "{power} for {exact}");
        }
        for tables in [&LOW, &HIGH] {
            let levels = tables.borders.len() + 1;
            assert_eq!((tables.positive.len(), tables.negative.len()), (levels, levels));
            // What a code means lies between the borders of its level.
            for (level, (positive, negative)) in
                tables.positive.iter().zip(tables.negative).enumerate()
            {
                let heard = tables.heard[usize::from(*positive)];
                assert_eq!(-heard, tables.heard[usize::from(*negative)], "level {level}");
                let from = if level == 0 { 0 } else { tables.borders[level - 1] * 8 };
                let to = tables.borders.get(level).map_or(i32::MAX, |border| border * 8);
                assert!((from..to).contains(&heard), "level {level}: {heard} in {from} to {to}");
            }
        }
    }
}
