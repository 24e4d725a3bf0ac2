//! What G.711 and G.722 have in common: eighty bytes for ten milliseconds, whatever is said in them.
//!
//! ```text
//! 48 kHz ─> decimate ─> 8 or 16 kHz ─> a byte for each sample, or for each two
//! bytes ──> 8 or 16 kHz ─> conceal: losses and pauses ─> interpolate ─> 48 kHz
//! ```
//! They know no loss, no pauses and no other packet time than any that is asked for; all that is done
//! around them here. Used by `codec.rs` and `decode.rs`. Read next: `decimate.rs`.

use super::comfort::ComfortNoise;
use super::conceal::Concealer;
use super::decimate::{Decimator, Interpolator, Rate};
use super::frame::{Channels, FRAME_SAMPLES as WIDE_SAMPLES, Frame};
use super::g711::{Law, to_f32, to_i16};
use super::g722;
use crate::wire::ParseError;

/// What the bytes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    G711(Law),
    G722,
}

impl Coding {
    pub(super) const fn rate(self) -> Rate {
        match self {
            Self::G711(_) => Rate::Khz8,
            Self::G722 => Rate::Khz16,
        }
    }
}

/// What gathers a payload.
pub(super) struct Encoder {
    coding: Coding,
    decimator: Decimator,
    samples: [f32; MOST_SAMPLES],
    g722: g722::Encoder,
    /// Kept here, not in the caller's buffer: that may be another one for each 10 ms.
    coded: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(coding: Coding) -> Self {
        Self {
            coding,
            decimator: Decimator::new(coding.rate()),
            samples: [0.0; MOST_SAMPLES],
            g722: g722::Encoder::new(),
            coded: Vec::with_capacity(LONGEST_FRAMES * FRAME_BYTES),
        }
    }

    /// 10 ms more, of one channel.
    pub(super) fn encode(&mut self, frame: &Frame) {
        let samples =
            self.samples.get_mut(..self.coding.rate().frame_samples()).unwrap_or_default();
        self.decimator.process(frame.samples(), samples);
        match self.coding {
            Coding::G711(law) => {
                self.coded.extend(samples.iter().map(|sample| law.encode(to_i16(*sample))));
            }
            Coding::G722 => {
                for pair in samples.as_chunks::<2>().0 {
                    self.coded.push(self.g722.encode(pair.map(to_i16)));
                }
            }
        }
    }

    /// Hands out what was gathered; `None` if `payload` is too short for it.
    pub(super) fn packet(&mut self, payload: &mut [u8]) -> Option<usize> {
        let room = payload.get_mut(..self.coded.len());
        let written = room.map(|room| {
            room.copy_from_slice(&self.coded);
            room.len()
        });
        self.coded.clear();
        written
    }
}

/// What makes sound of payloads of one rate, and of their absence: one channel or the same twice, at
/// 48 kHz. Each method answers with samples per channel.
pub(super) struct Decoder {
    rate: Rate,
    channels: Channels,
    g722: g722::Decoder,
    concealer: Concealer,
    noise: ComfortNoise,
    interpolator: Interpolator,
    samples: [f32; MOST_SAMPLES],
}

impl Decoder {
    pub(super) fn new(rate: Rate, channels: Channels) -> Self {
        Self {
            rate,
            channels,
            g722: g722::Decoder::new(),
            concealer: Concealer::new(rate),
            noise: ComfortNoise::new(),
            interpolator: Interpolator::new(rate),
            samples: [0.0; MOST_SAMPLES],
        }
    }

    /// `None` if the payload is empty, lasts longer than `out`, or is of the other rate.
    pub(super) fn decode(
        &mut self,
        coding: Coding,
        payload: &[u8],
        out: &mut [f32],
    ) -> Option<usize> {
        if coding.rate() != self.rate {
            return None;
        }
        let made = payload.len() * WIDE_SAMPLES / FRAME_BYTES;
        let out = out.get_mut(..made * self.channels.count()).filter(|out| !out.is_empty())?;
        let outs = out.chunks_mut(WIDE_SAMPLES * self.channels.count());
        for (bytes, out) in payload.chunks(FRAME_BYTES).zip(outs) {
            self.step(out, |decoder, samples| {
                match coding {
                    Coding::G711(law) => {
                        for (sample, byte) in samples.iter_mut().zip(bytes) {
                            *sample = to_f32(law.decode(*byte));
                        }
                    }
                    Coding::G722 => {
                        for (pair, byte) in samples.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
                            *pair = decoder.g722.decode(*byte).map(to_f32);
                        }
                    }
                }
                decoder.concealer.heard(samples);
            });
        }
        Some(made)
    }

    /// Goes on from what was heard last, for as long as `out` is.
    pub(super) fn conceal(&mut self, out: &mut [f32]) -> usize {
        self.fill(out, |decoder, samples| decoder.concealer.conceal(samples))
    }

    /// The noise of a pause.
    pub(super) fn pause(&mut self, out: &mut [f32]) -> usize {
        self.fill(out, |decoder, samples| {
            decoder.noise.fill(samples);
            decoder.concealer.pause(samples);
        })
    }

    /// What that noise is like.
    pub(super) fn describe_noise(&mut self, payload: &[u8]) -> Result<(), ParseError> {
        self.noise.describe(payload)
    }

    fn fill(&mut self, out: &mut [f32], make: impl Fn(&mut Self, &mut [f32])) -> usize {
        for out in out.chunks_mut(WIDE_SAMPLES * self.channels.count()) {
            self.step(out, &make);
        }
        out.len() / self.channels.count()
    }

    /// At most 10 ms: `make` writes them at the lower rate, `out` gets them at 48.
    fn step(&mut self, out: &mut [f32], make: impl FnOnce(&mut Self, &mut [f32])) {
        let mono = out.len() / self.channels.count();
        let mut samples = self.samples;
        let narrow = samples.get_mut(..mono / self.rate.ratio()).unwrap_or_default();
        make(self, narrow);
        self.interpolator.process(narrow, out.get_mut(..mono).unwrap_or_default());
        self.samples = samples;
        if self.channels == Channels::Stereo {
            // From the back, so that nothing is overwritten before it is read.
            for n in (0..mono).rev() {
                let sample = out.get(n).copied().unwrap_or_default();
                if let Some(pair) = out.get_mut(2 * n..2 * n + 2) {
                    pair.fill(sample);
                }
            }
        }
    }
}

/// 64 kbit/s.
const FRAME_BYTES: usize = 80;
/// At 16 kHz.
const MOST_SAMPLES: usize = 160;
/// A packet of 60 ms.
const LONGEST_FRAMES: usize = 6;
