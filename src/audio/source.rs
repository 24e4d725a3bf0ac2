//! Where the sound that we send comes from, when not from a microphone.
//!
//! ```text
//! default         the system's microphone        tone:HZ     a steady tone
//! device:NAME     that one                       silence     nothing to hear
//! file:PATH       a WAV file, then silence       echo        what is heard goes back
//! file:PATH?loop  a WAV file for ever            reflect     what arrives goes back, undecoded
//! ```
//! [`Spec`] is such a text, parsed. [`Source`] makes the frames of tone, silence and file; a timer asks
//! for one each 10 ms. Microphones are in `device.rs`, `echo` and `reflect` in `peer`.
//!
//! Goes to [`super::codec`]. Read next: `sink.rs`.

use std::fmt;
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::str::FromStr;

use super::frame::{Channels, Frame, SAMPLE_RATE};
use super::resample::{RateError, Resampler};
use super::wav::{WavError, WavReader};

/// What `--input` says.
#[derive(Clone, Debug, PartialEq)]
pub enum Spec {
    /// The system's microphone.
    Default,
    /// The device of this name.
    Device(String),
    /// A WAV file.
    File {
        /// Where it is.
        path: PathBuf,
        /// What follows its end.
        repeat: Repeat,
    },
    /// A tone of so many hertz.
    Tone(f64),
    /// Nothing to hear.
    Silence,
    /// What is heard is sent back, through jitter buffer and codec.
    Echo,
    /// Each packet's payload is sent back at once.
    Reflect,
}

/// What follows the end of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Silence.
    Once,
    /// Its beginning.
    Forever,
}

/// A text that is no [`Spec`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{part}' {why}")]
pub struct SpecError {
    /// The part that is wrong.
    pub part: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl SpecError {
    pub(super) fn new(part: &str, why: &'static str) -> Self {
        Self { part: part.to_owned(), why }
    }
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (word, rest) = text.split_once(':').map_or((text, None), |(w, r)| (w, Some(r)));
        match (word, rest) {
            ("default", None) => Ok(Self::Default),
            // As an input, sending nothing and sending silence are the same.
            ("silence" | "null", None) => Ok(Self::Silence),
            ("echo", None) => Ok(Self::Echo),
            ("reflect", None) => Ok(Self::Reflect),
            ("device", Some(name)) => device_name(text, name).map(Self::Device),
            ("file", Some(path)) => {
                let (path, repeat) = match path.strip_suffix("?loop") {
                    Some(path) => (path, Repeat::Forever),
                    None => (path, Repeat::Once),
                };
                Ok(Self::File { path: file_path(text, path)?, repeat })
            }
            ("tone", Some(hz)) => match hz.parse() {
                Ok(hz) if (1.0..=20_000.0).contains(&hz) => Ok(Self::Tone(hz)),
                Ok(_) => Err(SpecError::new(hz, "is no audible pitch (1 to 20000 Hz are)")),
                Err(_) => Err(SpecError::new(hz, "is no number of hertz")),
            },
            ("device" | "file" | "tone", None) => Err(SpecError::new(
                text,
                "lacks what follows the colon (device:NAME, file:PATH, tone:HZ)",
            )),
            ("default" | "silence" | "null" | "echo" | "reflect", Some(_)) => {
                Err(SpecError::new(text, "takes nothing after a colon"))
            }
            _ => Err(SpecError::new(
                text,
                "is no input (default, device:NAME, file:PATH, tone:HZ, silence, echo and reflect are)",
            )),
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Device(name) => write!(f, "device:{name}"),
            Self::File { path, repeat: Repeat::Once } => write!(f, "file:{}", path.display()),
            Self::File { path, repeat: Repeat::Forever } => {
                write!(f, "file:{}?loop", path.display())
            }
            Self::Tone(hz) => write!(f, "tone:{hz}"),
            Self::Silence => f.write_str("silence"),
            Self::Echo => f.write_str("echo"),
            Self::Reflect => f.write_str("reflect"),
        }
    }
}

pub(super) fn device_name(text: &str, name: &str) -> Result<String, SpecError> {
    if name.is_empty() {
        return Err(SpecError::new(text, "lacks the device's name"));
    }
    Ok(name.to_owned())
}

pub(super) fn file_path(text: &str, path: &str) -> Result<PathBuf, SpecError> {
    if path.is_empty() {
        return Err(SpecError::new(text, "lacks the file's path"));
    }
    Ok(path.into())
}

/// A file that is open for reading.
pub trait Media: Read + Seek + Send {}

impl<T: Read + Seek + Send> Media for T {}

/// Makes frames. Each call has its own, so that a file starts anew for each.
pub struct Source(Kind);

enum Kind {
    Silence,
    Tone { phase: f64, step: f64 },
    File(Box<FileSource>),
}

impl Source {
    /// Nothing to hear.
    #[must_use]
    pub const fn silence() -> Self {
        Self(Kind::Silence)
    }

    /// A sine of this pitch, from its rising zero on, as loud as somebody who speaks up.
    #[must_use]
    pub fn tone(hz: f64) -> Self {
        Self(Kind::Tone { phase: 0.0, step: std::f64::consts::TAU * hz / f64::from(SAMPLE_RATE) })
    }

    /// A WAV file: its first sample is the first of the first frame. `channels` is what frames will
    /// mostly have.
    ///
    /// # Errors
    /// It is none, or can't be read.
    pub fn wav(
        media: Box<dyn Media>,
        repeat: Repeat,
        channels: Channels,
    ) -> Result<Self, WavError> {
        Ok(Self(Kind::File(Box::new(FileSource::new(WavReader::new(media)?, repeat, channels)?))))
    }

    /// Fills the next 10 ms.
    pub fn next(&mut self, frame: &mut Frame) {
        match &mut self.0 {
            Kind::Silence => frame.silence_it(),
            Kind::Tone { phase, step } => {
                let channels = frame.channels().count();
                for samples in frame.samples_mut().chunks_exact_mut(channels) {
                    samples.fill(loudness(*phase));
                    *phase = (*phase + *step) % std::f64::consts::TAU;
                }
            }
            Kind::File(file) => file.next(frame),
        }
    }

    /// Whether a file has been played to its end, or could not be read on.
    #[must_use]
    pub fn ended(&self) -> bool {
        matches!(&self.0, Kind::File(file) if file.ended)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Silence => f.write_str("Source(silence)"),
            Kind::Tone { .. } => f.write_str("Source(tone)"),
            Kind::File(file) => write!(f, "Source({:?})", file.reader),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "fewer digits are enough for sound")]
fn loudness(phase: f64) -> f32 {
    (TONE_AMPLITUDE * phase.sin()) as f32
}

struct FileSource {
    reader: WavReader<Box<dyn Media>>,
    repeat: Repeat,
    resampler: Resampler,
    /// What was read, and the frame made of it.
    read: Vec<f32>,
    frame: Frame,
    /// Samples per channel that come out of the filter before the file's first.
    early: usize,
    ended: bool,
}

impl FileSource {
    fn new(
        reader: WavReader<Box<dyn Media>>,
        repeat: Repeat,
        channels: Channels,
    ) -> Result<Self, WavError> {
        let resampler = Resampler::new(reader.rate(), SAMPLE_RATE, channels)
            .map_err(|RateError(_)| WavError::NotWav("its sample rate is out of range"))?;
        Ok(Self {
            reader,
            repeat,
            read: Vec::with_capacity(resampler.step() * channels.count()),
            early: resampler.delay(),
            resampler,
            frame: Frame::silence(channels),
            ended: false,
        })
    }

    fn next(&mut self, frame: &mut Frame) {
        while !self.resampler.take(self.frame.samples_mut()) {
            self.read_on();
            self.early -= self.resampler.skip(self.early);
        }
        frame.copy_from(&self.frame);
    }

    /// One step more into the filter: of the file, or of the silence that follows it.
    fn read_on(&mut self) {
        let (step, channels) = (self.resampler.step(), self.frame.channels());
        self.read.clear();
        let whole = step * channels.count();
        let mut rewound = false;
        while !self.ended && self.read.len() < whole {
            let missing = (whole - self.read.len()) / channels.count();
            let got = self.reader.read(missing, channels, &mut self.read).unwrap_or(0);
            if got == missing {
                break;
            }
            // A file without a sample, or one that can't be read any more, has no beginning either.
            let again = self.repeat == Repeat::Forever && !(got == 0 && rewound);
            self.ended = !again || self.reader.rewind().is_err();
            rewound = true;
        }
        self.read.resize(whole, 0.0);
        self.resampler.push(&self.read);
    }
}

/// Its root mean square is -13.5 dBov.
const TONE_AMPLITUDE: f64 = 0.3;

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_possible_truncation, reason = "sound needs no more digits")]
    use super::*;
    use std::io::Cursor;

    #[test]
    fn every_spec_of_the_interface_is_understood_and_written_back() {
        for text in [
            "default",
            "device:USB Headset: Mic",
            "file:/tmp/a b.wav",
            "file:speech.wav?loop",
            "tone:440",
            "tone:997.5",
            "silence",
            "echo",
            "reflect",
        ] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
        assert_eq!("null".parse(), Ok(Spec::Silence));
        let path = "what?.wav".into();
        assert_eq!("file:what?.wav".parse(), Ok(Spec::File { path, repeat: Repeat::Once }));
    }

    #[test]
    fn a_wrong_spec_shows_the_part_that_is_wrong() {
        for (text, part) in [
            ("tone:loud", "loud"),
            ("tone:-5", "-5"),
            ("tone:NaN", "NaN"),
            ("tone", "tone"),
            ("file:", "file:"),
            ("device:", "device:"),
            ("echo:1", "echo:1"),
            ("microphone", "microphone"),
            ("", ""),
        ] {
            assert_eq!(text.parse::<Spec>().unwrap_err().part, part, "{text}");
        }
        for (text, part) in [("tone:440", "tone:440"), ("file:a.wav?loop", "?loop"), ("x", "x")] {
            assert_eq!(text.parse::<super::super::sink::Spec>().unwrap_err().part, part);
        }
        assert_eq!(
            "tone:loud".parse::<Spec>().unwrap_err().to_string(),
            "'loud' is no number of hertz"
        );
    }

    #[test]
    fn a_tone_goes_on_without_a_jump_between_frames() {
        let (mut source, mut frame) = (Source::tone(441.0), Frame::silence(Channels::Stereo));
        let mut left = Vec::new();
        for _ in 0..10 {
            source.next(&mut frame);
            left.extend(frame.samples().chunks(2).map(|pair| pair[0]));
        }
        assert_eq!(left[0], 0.0);
        let steepest = left.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(steepest < 0.3 * 441.0 * std::f32::consts::TAU / 48_000.0 * 1.001);
        assert!(frame.level().dbov().abs_diff(13) <= 1, "{}", frame.level());
    }

    fn wav(rate: u32, samples: impl IntoIterator<Item = f32>) -> Box<dyn Media> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for sample in samples {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
        Box::new(Cursor::new(bytes.into_inner()))
    }

    fn play(source: &mut Source, frames: usize) -> Vec<f32> {
        let mut frame = Frame::silence(Channels::Mono);
        let mut heard = Vec::new();
        for _ in 0..frames {
            source.next(&mut frame);
            heard.extend_from_slice(frame.samples());
        }
        heard
    }

    #[test]
    fn the_first_frame_begins_with_the_first_sample_and_silence_follows_the_last() {
        let ramp: Vec<f32> = (0..700).map(|n| 0.9 - n as f32 / 1_000.0).collect();
        let mut source =
            Source::wav(wav(48_000, ramp.clone()), Repeat::Once, Channels::Mono).unwrap();
        assert!(!source.ended());
        let heard = play(&mut source, 3);
        assert_eq!(heard[..700], ramp);
        assert!(heard[700..].iter().all(|sample| *sample == 0.0));
        assert!(source.ended());
    }

    #[test]
    fn the_first_sample_is_not_late_at_any_rate() {
        for rate in [8_000_u32, 16_000, 44_100, 96_000] {
            let len = rate / 10;
            let samples = (0..len).map(|n| {
                let turn = std::f64::consts::TAU * 500.0 / f64::from(rate);
                (0.5 * (f64::from(n) * turn).cos()) as f32
            });
            let mut source = Source::wav(wav(rate, samples), Repeat::Once, Channels::Mono).unwrap();
            let heard = play(&mut source, 11);
            // A cosine: its tops are at 0, 96, 192 …
            for top in [960, 2_880] {
                let (before, at, after) = (heard[top - 5], heard[top], heard[top + 5]);
                assert!(at > 0.49 && before < at && after < at, "{rate}: {before} {at} {after}");
                assert!((before - after).abs() < 0.03, "{rate}: {before} {after}");
            }
            assert!(heard[0] > 0.2, "{rate}: {}", heard[0]);
            assert!(heard[4_700..4_780].iter().any(|s| s.abs() > 0.4), "{rate}: the end is there");
            assert!(heard[4_900..].iter().all(|s| s.abs() < 0.01), "{rate}: then silence");
        }
    }

    #[test]
    fn a_loop_has_no_gap() {
        // 10.5 periods would jump; 10 do not. 44.1 kHz, and a length that is no whole frame.
        for rate in [44_100_u32, 48_000] {
            let period = 100;
            let samples = (0..10 * period)
                .map(|n| 0.5 * (n as f32 / period as f32 * std::f32::consts::TAU).sin());
            let mut source =
                Source::wav(wav(rate, samples), Repeat::Forever, Channels::Mono).unwrap();
            let heard = play(&mut source, 100);
            let steepest =
                heard[100..].windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
            assert!(steepest < 0.034, "{rate}: a step of {steepest}");
            let rms = (heard.iter().map(|s| s * s).sum::<f32>() / heard.len() as f32).sqrt();
            assert!((rms - 0.3536).abs() < 0.005, "{rate}: {rms}");
            assert!(!source.ended());
        }
    }

    #[test]
    fn a_loop_of_nothing_is_silence_and_ends() {
        let mut source = Source::wav(wav(48_000, []), Repeat::Forever, Channels::Mono).unwrap();
        assert!(play(&mut source, 2).iter().all(|sample| *sample == 0.0));
        assert!(source.ended());
    }
}
