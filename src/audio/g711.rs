//! G.711: eight bits a sample, spaced so that quiet sounds keep theirs (RFC 3551 section 4.5.14).
//!
//! ```text
//!   7   6 5 4   3 2 1 0
//! +---+-------+---------+
//! | s |segment|mantissa |   value = (mantissa with its hidden bit) << segment, sign s
//! +---+-------+---------+
//! ```
//! mu-law (PCMU) sends all bits inverted and adds a bias of 33 steps before it looks for the segment;
//! A-law (PCMA) inverts every second bit. Both were meant to keep the lines of 1972 in step: silence
//! must not be a row of zeros.
//!
//! [`Law`] is at 8 kHz; `bytewise.rs` goes from and to 48. Read next: `g722.rs`.

/// Which of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// mu-law, North America and Japan: PCMU.
    Mu,
    /// A-law, everywhere else: PCMA.
    A,
}

impl Law {
    /// The sample that a byte means.
    /// ```
    /// use halloo::audio::g711::Law;
    /// assert_eq!(Law::Mu.decode(0x00), -32_124);
    /// assert_eq!(Law::Mu.encode(-32_124), 0x00);
    /// ```
    #[must_use]
    pub const fn decode(self, byte: u8) -> i16 {
        match self {
            Self::Mu => {
                let bits = !byte;
                let magnitude = (((bits & 0x0f) as i16) << 3) + MU_BIAS;
                let magnitude = (magnitude << ((bits >> 4) & 7)) - MU_BIAS;
                if bits & 0x80 == 0 { magnitude } else { -magnitude }
            }
            Self::A => {
                let bits = byte ^ 0x55;
                let mantissa = ((bits & 0x0f) as i16) << 4;
                let magnitude = match (bits >> 4) & 7 {
                    0 => mantissa + 8,
                    segment => (mantissa + 0x108) << (segment - 1),
                };
                if bits & 0x80 == 0 { -magnitude } else { magnitude }
            }
        }
    }

    /// The byte whose step the sample falls in.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "masked to the bits that are left")]
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Mu => {
                let sign = if sample < 0 { 0x80 } else { 0 };
                let magnitude = sample.unsigned_abs();
                let limit = i16::MAX.unsigned_abs() - MU_BIAS.unsigned_abs();
                let magnitude = if magnitude > limit { limit } else { magnitude } + 0x84;
                let segment = 8 - magnitude.leading_zeros(); // the bias keeps this from 0 to 7
                !(sign | (segment << 4) as u8 | (magnitude >> (segment + 3) & 0x0f) as u8)
            }
            Self::A => {
                let sign = if sample < 0 { 0 } else { 0x80 };
                // Below zero the steps' borders belong to the other side: -1 - sample, not -sample.
                let magnitude = if sample < 0 { !sample } else { sample }.unsigned_abs();
                let bits = if magnitude < 0x100 {
                    (magnitude >> 4) as u8
                } else {
                    let segment = 8 - magnitude.leading_zeros();
                    (segment << 4) as u8 | (magnitude >> (segment + 3) & 0x0f) as u8
                };
                (sign | bits) ^ 0x55
            }
        }
    }
}

/// Nearest 16-bit sample; too loud becomes as loud as can be.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, which is what is wanted")]
pub(super) fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0).round() as i16
}

/// And back.
pub(super) fn to_f32(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

/// Added before the segment is looked for, at the scale of 16 bits.
const MU_BIAS: i16 = 0x84;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_what_its_sample_encodes_to() {
        for byte in 0..=255 {
            assert_eq!(Law::A.encode(Law::A.decode(byte)), byte);
            let again = Law::Mu.encode(Law::Mu.decode(byte));
            // mu-law has two zeros; the positive one is used.
            assert_eq!(again, if byte == 0x7f { 0xff } else { byte });
        }
    }

    #[test]
    fn a_sample_comes_back_within_half_a_step_of_its_segment() {
        for sample in i16::MIN..=i16::MAX {
            let away = |law: Law, byte| (i32::from(law.decode(byte)) - i32::from(sample)).abs();
            let (mu, a) = (Law::Mu.encode(sample), Law::A.encode(sample));
            let (mu_segment, a_segment) = (!mu >> 4 & 7, (a ^ 0x55) >> 4 & 7);
            let loudest = 644; // the loudest mu-law sample is 32,124
            let half = if mu_segment == 7 { loudest } else { 4 << mu_segment };
            assert!(away(Law::Mu, mu) <= half, "mu-law {sample}");
            assert!(away(Law::A, a) <= 8 << a_segment.saturating_sub(1), "A-law {sample}");
        }
    }
}
