//! Many calls, one loudspeaker: their sum, held below clipping by a limiter that nobody hears work.
//!
//! A sum of loud voices doesn't fit between -1 and 1, and cutting off what is too much crackles. So the
//! gain goes down before the peak comes and back up slowly. Each frame is looked at in steps of 1 ms:
//! the gain at the border of two steps is the smaller of what both allow, and in between it changes in
//! a straight line, so it is never too large anywhere. The first border was set a frame ago, in
//! ignorance of this one; only if that was too much, the first step is bent softly instead.
//!
//! A single call passes bit by bit. Comes from [`super::decode`] for each call; goes to the sound card.
//! Read next: `ring.rs`.

use super::frame::{Channels, FRAME_SAMPLES, Frame};

/// Sums frames up.
///
/// ```
/// use halloo::audio::{Channels, Frame, mix::Mixer};
/// let (mut mixer, mut loud) = (Mixer::new(), Frame::silence(Channels::Mono));
/// loud.samples_mut().fill(0.8);
/// let mut heard = Frame::silence(Channels::Mono);
/// mixer.mix([&loud, &loud, &loud], &mut heard);
/// assert!(heard.peak() <= 1.0);
/// ```
#[derive(Clone, Debug)]
pub struct Mixer {
    sum: Frame,
    part: Frame,
    /// At the end of the last frame.
    gain: f32,
}

impl Mixer {
    /// A mixer at full gain.
    #[must_use]
    pub const fn new() -> Self {
        let silence = Frame::silence(Channels::Mono);
        Self { sum: Frame::silence(Channels::Mono), part: silence, gain: 1.0 }
    }

    /// The sum of `frames` in `out`, with as many channels as `out` has; silence if there are none.
    pub fn mix<'a>(&mut self, frames: impl IntoIterator<Item = &'a Frame>, out: &mut Frame) {
        self.begin(out.channels());
        for frame in frames {
            self.add(frame);
        }
        self.finish(out);
    }

    /// Starts a new sum, for callers that have one frame at a time.
    pub fn begin(&mut self, channels: Channels) {
        self.sum.set_channels(channels);
        self.part.set_channels(channels);
        self.sum.silence_it();
    }

    /// Adds a call.
    pub fn add(&mut self, frame: &Frame) {
        self.part.copy_from(frame);
        for (sum, sample) in self.sum.samples_mut().iter_mut().zip(self.part.samples()) {
            *sum += sample;
        }
    }

    /// Writes the sum, limited.
    pub fn finish(&mut self, out: &mut Frame) {
        out.copy_from(&self.sum);
        let step = STEP * out.channels().count();
        if self.gain >= 1.0 && out.peak() <= CEILING {
            return;
        }
        let allowed = self.allowed(step);
        let channels = out.channels().count();
        let mut from = self.gain;
        for (number, samples) in out.samples_mut().chunks_mut(step).enumerate() {
            let here = allowed.get(number).copied().unwrap_or(1.0);
            let after = allowed.get(number + 1).copied().unwrap_or(1.0);
            let to = here.min(after).min(from + RECOVERY);
            let late = from > here;
            for (n, frame) in samples.chunks_mut(channels).enumerate() {
                let gain = from + (to - from) * (n + 1) as f32 / STEP as f32;
                for sample in frame {
                    *sample *= gain;
                    if late {
                        *sample = bent(*sample);
                    }
                }
            }
            from = to;
        }
        self.gain = from.min(1.0);
    }

    /// The gain that each step of the sum can bear.
    fn allowed(&self, step: usize) -> [f32; STEPS] {
        let mut allowed = [1.0; STEPS];
        for (gain, samples) in allowed.iter_mut().zip(self.sum.samples().chunks(step)) {
            let peak = samples.iter().fold(CEILING, |peak, sample| sample.abs().max(peak));
            *gain = CEILING / peak;
        }
        allowed
    }
}

impl Default for Mixer {
    fn default() -> Self {
        Self::new()
    }
}

/// Leaves alone what is below the knee; above, comes ever nearer to the ceiling and never gets there.
fn bent(sample: f32) -> f32 {
    let over = sample.abs() - KNEE;
    if over <= 0.0 {
        return sample;
    }
    let room = CEILING - KNEE;
    (KNEE + room * (over / room).tanh()).copysign(sample)
}

/// 1 ms.
const STEP: usize = 48;
const STEPS: usize = FRAME_SAMPLES / STEP;
const CEILING: f32 = 1.0;
const KNEE: f32 = 0.7;
/// Up by so much a millisecond: from a half to full in 200 ms.
const RECOVERY: f32 = 0.0025;

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frame: &mut Frame, number: usize, hz: f32, amplitude: f32) {
        for (n, sample) in frame.samples_mut().iter_mut().enumerate() {
            let at = (number * FRAME_SAMPLES + n) as f32;
            *sample = amplitude * (at * hz * std::f32::consts::TAU / 48_000.0).sin();
        }
    }

    #[test]
    fn one_call_passes_bit_by_bit() {
        let mut mixer = Mixer::new();
        let (mut frame, mut heard) =
            (Frame::silence(Channels::Mono), Frame::silence(Channels::Mono));
        for number in 0..10 {
            tone(&mut frame, number, 440.0, 1.0);
            mixer.mix([&frame], &mut heard);
            assert_eq!(heard.samples(), frame.samples());
        }
        mixer.mix([], &mut heard);
        assert_eq!(heard.peak(), 0.0);
    }

    #[test]
    fn many_loud_calls_neither_clip_nor_jump() {
        let mut mixer = Mixer::new();
        let (mut one, mut heard) = (Frame::silence(Channels::Mono), Frame::silence(Channels::Mono));
        let mut all = Vec::new();
        for number in 0..80 {
            mixer.begin(Channels::Mono);
            let calls = if (10..30).contains(&number) { 8 } else { 1 };
            for call in 0..calls {
                tone(&mut one, number, 200.0 + 37.0 * call as f32, 0.9);
                mixer.add(&one);
            }
            mixer.finish(&mut heard);
            all.extend_from_slice(heard.samples());
        }
        let peak = all.iter().fold(0.0, |peak: f32, sample| sample.abs().max(peak));
        assert!(peak <= 1.0, "{peak}");
        assert!(peak > 0.8, "it is not needlessly quiet");
        // No flat tops: hardly two neighbours are the same at the ceiling.
        let flat = all.windows(2).filter(|pair| pair[0] == pair[1] && pair[0].abs() > 0.9).count();
        assert_eq!(flat, 0);
        // Half a second after the crowd has gone, the one call is back at its own level.
        let end = &all[all.len() - FRAME_SAMPLES..];
        let rms = (end.iter().map(|s| s * s).sum::<f32>() / 480.0).sqrt();
        assert!(rms > 0.6, "{rms}");
    }

    #[test]
    fn calls_of_other_channel_counts_mix() {
        let (mut mono, mut stereo) =
            (Frame::silence(Channels::Mono), Frame::silence(Channels::Stereo));
        mono.samples_mut().fill(0.25);
        stereo.samples_mut().as_chunks_mut::<2>().0.fill([0.5, 0.0]);
        let mut heard = Frame::silence(Channels::Stereo);
        Mixer::new().mix([&mono, &stereo], &mut heard);
        assert_eq!(heard.samples()[..2], [0.75, 0.25]);
    }
}
