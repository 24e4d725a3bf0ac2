//! Ten milliseconds of sound, the unit in which everything above the codec counts.
//!
//! 48 kHz is Opus' own rate and that of most sound cards, 10 ms the shortest packet that we send and
//! the step of the voice processing. Samples are `f32` between -1 and 1, two channels interleaved.
//!
//! Comes from [`super::source`], [`super::device`] or [`super::decode`]; goes to [`super::codec`],
//! [`super::sink`] or [`super::mix`]. Read next: `codec.rs`.

use std::fmt;
use std::time::Duration;

/// Samples per second and channel.
pub const SAMPLE_RATE: u32 = 48_000;

/// Samples per channel in a [`Frame`].
pub const FRAME_SAMPLES: usize = 480;

/// One channel or two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Channels {
    /// One.
    #[default]
    Mono,
    /// Left and right.
    Stereo,
}

impl Channels {
    /// How many.
    #[must_use]
    pub const fn count(self) -> usize {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
        }
    }
}

/// 10 ms at 48 kHz, mono or stereo. Made once, then lent and overwritten.
///
/// ```
/// use halloo::audio::{AudioLevel, Channels, Frame};
/// let mut frame = Frame::silence(Channels::Mono);
/// assert_eq!(frame.level(), AudioLevel::SILENT);
/// frame.samples_mut().fill(1.0);
/// assert_eq!(frame.level().dbov(), 0);
/// ```
#[derive(Clone, PartialEq)]
pub struct Frame {
    samples: [f32; 2 * FRAME_SAMPLES],
    channels: Channels,
}

impl Frame {
    /// How long it sounds.
    pub const DURATION: Duration = Duration::from_millis(10);

    /// Nothing to hear.
    #[must_use]
    pub const fn silence(channels: Channels) -> Self {
        Self { samples: [0.0; 2 * FRAME_SAMPLES], channels }
    }

    /// Mono or stereo.
    #[must_use]
    pub const fn channels(&self) -> Channels {
        self.channels
    }

    /// The samples, channels interleaved: 480 or 960.
    #[must_use]
    pub fn samples(&self) -> &[f32] {
        self.samples.get(..FRAME_SAMPLES * self.channels.count()).unwrap_or_default()
    }

    /// The samples, to be overwritten.
    pub fn samples_mut(&mut self) -> &mut [f32] {
        self.samples.get_mut(..FRAME_SAMPLES * self.channels.count()).unwrap_or_default()
    }

    /// Overwrites all samples with silence.
    pub fn silence_it(&mut self) {
        self.samples_mut().fill(0.0);
    }

    /// Takes over what `other` holds; the number of channels stays our own.
    pub fn copy_from(&mut self, other: &Self) {
        match (self.channels, other.channels) {
            (Channels::Mono, Channels::Stereo) => {
                for (ours, pair) in self.samples.iter_mut().zip(other.samples.as_chunks().0) {
                    *ours = middle(*pair);
                }
            }
            (Channels::Stereo, Channels::Mono) => {
                for (pair, sample) in self.samples.as_chunks_mut().0.iter_mut().zip(&other.samples)
                {
                    *pair = [*sample; 2];
                }
            }
            _ => self.samples_mut().copy_from_slice(other.samples()),
        }
    }

    /// Turns mono into stereo (the same on both sides) or stereo into mono (their mean).
    pub fn set_channels(&mut self, channels: Channels) {
        if channels != self.channels {
            let before = self.clone();
            self.channels = channels;
            self.copy_from(&before);
        }
    }

    /// Sum of the squares of all samples, in one channel's worth: stereo counts the mean of both.
    #[must_use]
    pub fn energy(&self) -> f64 {
        let sum: f64 = self.samples().iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
        match self.channels {
            Channels::Mono => sum,
            Channels::Stereo => sum / 2.0,
        }
    }

    /// Root mean square: 1 for a square wave as loud as can be, 0.707 for such a sine.
    #[must_use]
    pub fn rms(&self) -> f64 {
        (self.energy() / 480.0).sqrt()
    }

    /// The farthest from zero that any sample gets.
    #[must_use]
    pub fn peak(&self) -> f32 {
        self.samples().iter().fold(0.0, |peak, sample| sample.abs().max(peak))
    }

    /// Loudness as RFC 6464 counts it.
    #[must_use]
    pub fn level(&self) -> AudioLevel {
        AudioLevel::from_rms(self.rms())
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:?}, {})", self.channels, self.level())
    }
}

fn middle([left, right]: [f32; 2]) -> f32 {
    (left + right) / 2.0
}

/// Loudness in -dBov, as the audio level extension carries it (RFC 6464 section 3): 0 is the
/// loudest there is, 127 silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AudioLevel(u8);

impl AudioLevel {
    /// Nothing to hear.
    pub const SILENT: Self = Self(127);

    /// From a root mean square; 1 is 0 dBov.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "within 0 and 127 after the clamp")]
    #[expect(clippy::cast_sign_loss, reason = "within 0 and 127 after the clamp")]
    pub fn from_rms(rms: f64) -> Self {
        if rms > 0.0 {
            Self((-20.0 * rms.log10()).round().clamp(0.0, 127.0) as u8)
        } else {
            Self(127)
        }
    }

    /// From decibels below overload; more than 127 is silence.
    #[must_use]
    pub const fn from_dbov(below_overload: u8) -> Self {
        if below_overload < 127 { Self(below_overload) } else { Self::SILENT }
    }

    /// Decibels below overload, 0 to 127.
    #[must_use]
    pub const fn dbov(self) -> u8 {
        self.0
    }
}

impl fmt::Display for AudioLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-{} dBov", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_sine_is_three_decibels_below_a_full_square() {
        let mut frame = Frame::silence(Channels::Mono);
        for (n, sample) in frame.samples_mut().iter_mut().enumerate() {
            *sample = (n as f32 * std::f32::consts::TAU / 48.0).sin();
        }
        assert_eq!(frame.level().dbov(), 3);
        frame.samples_mut().fill(-1.0);
        assert_eq!(frame.level().dbov(), 0);
        frame.samples_mut().fill(1e-9);
        assert_eq!(frame.level(), AudioLevel::SILENT);
    }

    #[test]
    fn mono_to_stereo_and_back_changes_no_sample() {
        let mut frame = Frame::silence(Channels::Mono);
        for (n, sample) in frame.samples_mut().iter_mut().enumerate() {
            *sample = n as f32 / 480.0;
        }
        let before = frame.clone();
        frame.set_channels(Channels::Stereo);
        assert_eq!(frame.samples()[2..4], [before.samples()[1]; 2]);
        assert_eq!(frame.level(), before.level());
        frame.set_channels(Channels::Mono);
        assert_eq!(frame.samples(), before.samples());
    }
}
