//! WAV files: any that we may be given, and the one kind that we write.
//!
//! ```text
//! "RIFF" size "WAVE"
//!        "fmt " size  format  channels  rate  bytes/s  bytes per frame  bits …
//!        "data" size  the samples, channels interleaved, little endian
//! ```
//! Reading is written here because recorders that are killed, or that write into a pipe, leave sizes
//! that are 0 or 2^32 - 1, and because telephones record G.711: libraries refuse both. Writing is
//! hound's; after each frame the sizes in front are set anew, so that a reader, or whoever comes after a
//! crash, finds a whole file.
//!
//! Files are opened by `cli`; here is only [`Read`], [`Write`] and [`Seek`]. Used by `source.rs` and
//! `sink.rs`, which is read next.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::frame::{Channels, Frame, SAMPLE_RATE};
use super::g711::{self, Law};

/// Why it can't be played.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// It can't be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("not a WAV file: {0}")]
    NotWav(&'static str),
    /// It is a WAV file with samples of a kind that we don't know.
    #[error("samples of format {format:#06x} with {bits} bits are not known")]
    UnknownFormat {
        /// The format's number in the file.
        format: u16,
        /// Bits per sample.
        bits: u16,
    },
}

/// Reads samples, whatever their format, as `f32` between -1 and 1.
pub struct WavReader<R> {
    file: R,
    format: Format,
    channels: u16,
    rate: u32,
    data_start: u64,
    /// Bytes of sound, as far as the file knows.
    data_len: u64,
    left: u64,
    bytes: Vec<u8>,
}

/// How a sample is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Unsigned8,
    Signed { bytes: usize },
    Float32,
    Float64,
    G711(Law),
}

impl Format {
    fn from_chunk(format: u16, bits: u16, bytes: usize) -> Result<Self, WavError> {
        match (format, bytes) {
            (1, 1) => Ok(Self::Unsigned8),
            (1, 2..=4) => Ok(Self::Signed { bytes }),
            (3, 4) => Ok(Self::Float32),
            (3, 8) => Ok(Self::Float64),
            (6, 1) => Ok(Self::G711(Law::A)),
            (7, 1) => Ok(Self::G711(Law::Mu)),
            _ => Err(WavError::UnknownFormat { format, bits }),
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Unsigned8 | Self::G711(_) => 1,
            Self::Signed { bytes } => bytes,
            Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "fewer digits are enough for sound")]
    fn sample(self, bytes: &[u8]) -> f32 {
        let sample = match (self, bytes) {
            (Self::Unsigned8, [byte]) => (f32::from(*byte) - 128.0) / 128.0,
            (Self::G711(law), [byte]) => g711::to_f32(law.decode(*byte)),
            (Self::Float32, [a, b, c, d]) => f32::from_le_bytes([*a, *b, *c, *d]),
            (Self::Float64, _) => {
                bytes.try_into().map_or(0.0, |bytes| f64::from_le_bytes(bytes) as f32)
            }
            // Put at the top of 32 bits, so that the sign is where it belongs.
            (Self::Signed { .. }, [a, b]) => signed([0, 0, *a, *b]),
            (Self::Signed { .. }, [a, b, c]) => signed([0, *a, *b, *c]),
            (Self::Signed { .. }, [a, b, c, d]) => signed([*a, *b, *c, *d]),
            _ => 0.0,
        };
        if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }
    }
}

fn signed(bytes: [u8; 4]) -> f32 {
    i32::from_le_bytes(bytes) as f32 / 2_147_483_648.0
}

impl<R: Read + Seek> WavReader<R> {
    /// Reads everything before the first sample.
    ///
    /// # Errors
    /// It can't be read, is no WAV file, or has samples of an unknown kind.
    pub fn new(mut file: R) -> Result<Self, WavError> {
        let [riff, _, wave]: [[u8; 4]; 3] = words(&mut file)?;
        if !matches!(&riff, b"RIFF" | b"RF64") || &wave != b"WAVE" {
            return Err(WavError::NotWav("it does not begin with RIFF and WAVE"));
        }
        let mut described = None;
        loop {
            let [id, size]: [[u8; 4]; 2] = words(&mut file)?;
            let size = u32::from_le_bytes(size);
            match (&id, described) {
                (b"fmt ", _) => described = Some(read_fmt(&mut file, size)?),
                (b"data", Some((format, channels, rate))) => {
                    let data_start = file.stream_position()?;
                    // Unfinished: to the end of the file.
                    let data_len =
                        if matches!(size, 0 | u32::MAX) { u64::MAX } else { u64::from(size) };
                    let bytes = Vec::new();
                    let left = data_len;
                    return Ok(Self {
                        file,
                        format,
                        channels,
                        rate,
                        data_start,
                        data_len,
                        left,
                        bytes,
                    });
                }
                (b"data", None) => {
                    return Err(WavError::NotWav("samples come before their format"));
                }
                _ => skip(&mut file, size)?,
            }
        }
    }

    /// Samples per second and channel.
    #[must_use]
    pub const fn rate(&self) -> u32 {
        self.rate
    }

    /// Channels, at least one.
    #[must_use]
    pub const fn channels(&self) -> u16 {
        self.channels
    }

    /// Appends up to `frames` samples of each channel, as mono or stereo: mono is the mean of all
    /// channels, stereo the first two. Answers how many; fewer only at the end.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(
        &mut self,
        frames: usize,
        wanted: Channels,
        out: &mut Vec<f32>,
    ) -> Result<usize, WavError> {
        let frame_bytes = self.format.bytes() * usize::from(self.channels);
        let most = (frames * frame_bytes) as u64;
        let mut part = (&mut self.file).take(most.min(self.left));
        self.bytes.clear();
        let read = part.read_to_end(&mut self.bytes)?;
        self.left = self.left.saturating_sub(read as u64);
        let format = self.format;
        for frame in self.bytes.chunks_exact(frame_bytes) {
            let mut samples = frame.chunks_exact(format.bytes()).map(|bytes| format.sample(bytes));
            match wanted {
                Channels::Mono => out.push(samples.sum::<f32>() / f32::from(self.channels)),
                Channels::Stereo => {
                    let left = samples.next().unwrap_or_default();
                    out.extend([left, samples.next().unwrap_or(left)]);
                }
            }
        }
        Ok(read / frame_bytes)
    }

    /// Back to the first sample.
    ///
    /// # Errors
    /// The file can't be wound back.
    pub fn rewind(&mut self) -> Result<(), WavError> {
        self.file.seek(SeekFrom::Start(self.data_start))?;
        self.left = self.data_len;
        Ok(())
    }
}

impl<R> fmt::Debug for WavReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WavReader({:?}, {} channels, {} Hz)", self.format, self.channels, self.rate)
    }
}

fn words<const N: usize>(file: &mut impl Read) -> Result<[[u8; 4]; N], WavError> {
    let mut words = [[0; 4]; N];
    file.read_exact(words.as_flattened_mut()).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => WavError::NotWav("it ends before the first sample"),
        _ => WavError::Io(error),
    })?;
    Ok(words)
}

fn read_fmt(file: &mut (impl Read + Seek), size: u32) -> Result<(Format, u16, u32), WavError> {
    if size < 16 {
        return Err(WavError::NotWav("its format is too short"));
    }
    let [kind, rate, _per_second, layout] = words(file)?;
    let [a, b, c, d] = kind;
    let (mut format, channels) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
    let [a, b, c, d] = layout;
    let (frame_bytes, bits) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
    let mut rest = size - 16;
    if format == EXTENSIBLE && size >= 40 {
        // Size of what follows, bits that count; which loudspeakers; and there the format's number.
        let [_, _, number]: [[u8; 4]; 3] = words(file)?;
        format = u16::from_le_bytes([number[0], number[1]]);
        rest = size - 28;
    }
    skip(file, rest)?;
    let rate = u32::from_le_bytes(rate);
    if channels == 0 || frame_bytes == 0 || !frame_bytes.is_multiple_of(channels) {
        return Err(WavError::NotWav("its channels don't fit its frames"));
    }
    if !(1_000..=768_000).contains(&rate) {
        return Err(WavError::NotWav("its sample rate is not between 1,000 and 768,000 Hz"));
    }
    let format = Format::from_chunk(format, bits, usize::from(frame_bytes / channels))?;
    Ok((format, channels, rate))
}

/// Chunks of odd length are followed by a byte that fills up.
fn skip(file: &mut impl Seek, size: u32) -> Result<(), WavError> {
    file.seek(SeekFrom::Current(i64::from(size) + i64::from(size % 2)))?;
    Ok(())
}

const EXTENSIBLE: u16 = 0xfffe;

/// Writes 48 kHz, 16 bits; whole after every frame.
pub struct WavWriter<W: Write + Seek> {
    file: hound::WavWriter<W>,
    frame: Frame,
}

impl<W: Write + Seek> WavWriter<W> {
    /// Writes the header, for a file without sound as yet.
    ///
    /// # Errors
    /// It can't be written.
    pub fn new(file: W, channels: Channels) -> Result<Self, WavError> {
        let spec = hound::WavSpec {
            channels: if channels == Channels::Mono { 1 } else { 2 },
            sample_rate: SAMPLE_RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = hound::WavWriter::new(file, spec).map_err(from_hound)?;
        file.flush().map_err(from_hound)?;
        Ok(Self { file, frame: Frame::silence(channels) })
    }

    /// Appends 10 ms and brings the header up to date.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&mut self, frame: &Frame) -> Result<(), WavError> {
        self.frame.copy_from(frame);
        let samples = self.frame.samples();
        let mut writer = self.file.get_i16_writer(u32::try_from(samples.len()).unwrap_or(0));
        for sample in samples {
            writer.write_sample(g711::to_i16(*sample));
        }
        writer.flush().map_err(from_hound)?;
        self.file.flush().map_err(from_hound)
    }
}

impl<W: Write + Seek> fmt::Debug for WavWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WavWriter({:?}, {} samples)", self.frame.channels(), self.file.duration())
    }
}

fn from_hound(error: hound::Error) -> WavError {
    match error {
        hound::Error::IoError(error) => WavError::Io(error),
        _ => WavError::NotWav("it would be longer than a WAV file can be (4 GB)"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_possible_truncation, reason = "sound needs no more digits")]
    use super::*;
    use std::io::Cursor;
    use std::sync::{Arc, Mutex};

    /// A file by hound, each channel a ramp of its own.
    fn ramp(channels: u16, bits: u16, sample_format: hound::SampleFormat, rate: u32) -> Vec<u8> {
        let spec =
            hound::WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format };
        let mut bytes = Vec::new();
        let mut writer = hound::WavWriter::new(Cursor::new(&mut bytes), spec).unwrap();
        for n in 0..100 {
            for channel in 0..channels {
                let value = n as f32 / 128.0 * if channel == 0 { 1.0 } else { -0.5 };
                match sample_format {
                    hound::SampleFormat::Float => writer.write_sample(value).unwrap(),
                    hound::SampleFormat::Int => {
                        let scale = (1_i64 << (bits - 1)) as f32;
                        writer.write_sample((value * scale) as i32).unwrap();
                    }
                }
            }
        }
        writer.finalize().unwrap();
        bytes
    }

    fn read_all(bytes: Vec<u8>, wanted: Channels) -> Vec<f32> {
        let mut reader = WavReader::new(Cursor::new(bytes)).unwrap();
        let mut samples = Vec::new();
        while reader.read(33, wanted, &mut samples).unwrap() == 33 {}
        samples
    }

    #[test]
    fn every_format_is_read_as_what_was_written() {
        use hound::SampleFormat::{Float, Int};
        for (bits, format) in [(8, Int), (16, Int), (24, Int), (32, Int), (32, Float)] {
            for channels in [1, 2, 6] {
                let samples = read_all(ramp(channels, bits, format, 44_100), Channels::Stereo);
                assert_eq!(samples.len(), 200, "{bits} {format:?} {channels}");
                for (n, pair) in samples.chunks(2).enumerate() {
                    let left = n as f32 / 128.0;
                    let right = if channels == 1 { left } else { left * -0.5 };
                    assert!((pair[0] - left).abs() < 0.008, "{bits} {format:?} {channels} {n}");
                    assert!((pair[1] - right).abs() < 0.008, "{bits} {format:?} {channels} {n}");
                }
            }
        }
        let mono = read_all(ramp(2, 16, Int, 8_000), Channels::Mono);
        assert!((mono[64] - 0.125).abs() < 0.001, "the mean of 0.5 and -0.25: {}", mono[64]);
    }

    /// A file by hand.
    fn file(format: u16, channels: u16, bits: u16, data_size: u32, data: &[u8]) -> Vec<u8> {
        let frame = channels * bits / 8;
        let mut bytes = b"RIFF\xff\xff\xff\xffWAVEfact\x03\0\0\0abc\0fmt \x12\0\0\0".to_vec();
        for field in [format, channels] {
            bytes.extend(field.to_le_bytes());
        }
        for field in [8_000_u32, 8_000 * u32::from(frame)] {
            bytes.extend(field.to_le_bytes());
        }
        for field in [frame, bits, 0] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(b"data");
        bytes.extend(data_size.to_le_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn telephone_recordings_and_doubles_are_read_too() {
        let mu = read_all(file(7, 1, 8, 3, &[0x00, 0xff, 0x80, 99]), Channels::Mono);
        assert_eq!(mu, [-32_124.0 / 32_768.0, 0.0, 32_124.0 / 32_768.0]);
        let a = read_all(file(6, 1, 8, 1, &[0xd5]), Channels::Mono);
        assert_eq!(a, [8.0 / 32_768.0]);
        let doubles: Vec<u8> =
            [0.5_f64, f64::NAN, 7.0].iter().flat_map(|f| f.to_le_bytes()).collect();
        assert_eq!(read_all(file(3, 1, 64, 24, &doubles), Channels::Mono), [0.5, 0.0, 1.0]);
    }

    #[test]
    fn a_recording_that_was_cut_off_is_read_to_its_end() {
        for size in [0, u32::MAX, 1_000] {
            let samples = read_all(file(1, 1, 16, size, &[0, 0x40, 0, 0xc0, 7]), Channels::Mono);
            assert_eq!(samples, [0.5, -0.5], "size {size}");
        }
    }

    #[test]
    fn what_is_no_wav_file_says_why() {
        for (bytes, why) in [
            (b"".to_vec(), "it ends before the first sample"),
            (b"<!DOCTYPE html>".to_vec(), "it does not begin with RIFF and WAVE"),
            (b"RIFF\0\0\0\0AVI LIST".to_vec(), "it does not begin with RIFF and WAVE"),
            (b"RIFF\0\0\0\0WAVEdata\0\0\0\0".to_vec(), "samples come before their format"),
            (file(1, 0, 16, 2, &[]), "its channels don't fit its frames"),
        ] {
            match WavReader::new(Cursor::new(bytes)) {
                Err(WavError::NotWav(said)) => assert_eq!(said, why),
                other => panic!("{other:?} instead of {why}"),
            }
        }
        match WavReader::new(Cursor::new(file(0x55, 1, 8, 0, &[]))) {
            Err(error) => {
                assert_eq!(error.to_string(), "samples of format 0x0055 with 8 bits are not known");
            }
            Ok(_) => panic!("MP3 in WAV was taken"),
        }
    }

    /// A file that others can look at while it is written.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Cursor<Vec<u8>>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Shared {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.lock().unwrap().seek(to)
        }
    }

    #[test]
    fn a_file_is_whole_after_every_frame_though_nobody_closes_it() {
        let shared = Shared::default();
        let mut writer = WavWriter::new(shared.clone(), Channels::Mono).unwrap();
        let mut frame = Frame::silence(Channels::Stereo);
        frame.samples_mut().fill(0.5);
        for frames in 0..5 {
            let bytes = shared.0.lock().unwrap().get_ref().clone();
            let mut reader = hound::WavReader::new(Cursor::new(bytes)).unwrap();
            assert_eq!(reader.spec().sample_rate, 48_000);
            assert_eq!((reader.spec().channels, reader.spec().bits_per_sample), (1, 16));
            assert_eq!(reader.len(), frames * 480);
            assert!(reader.samples::<i16>().all(|sample| sample.unwrap() == 16_384));
            writer.write(&frame).unwrap();
        }
        std::mem::forget(writer);
    }

    #[test]
    fn one_system_call_writes_the_samples_of_a_frame() {
        struct Counting(Cursor<Vec<u8>>, Arc<Mutex<usize>>);
        impl Write for Counting {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                *self.1.lock().unwrap() += usize::from(bytes.len() > 100);
                self.0.write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        impl Seek for Counting {
            fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
                self.0.seek(to)
            }
        }
        let count = Arc::new(Mutex::new(0));
        let mut writer =
            WavWriter::new(Counting(Cursor::default(), count.clone()), Channels::Mono).unwrap();
        writer.write(&Frame::silence(Channels::Mono)).unwrap();
        assert_eq!(*count.lock().unwrap(), 1);
    }
}
