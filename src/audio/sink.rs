//! Where the sound that we hear goes, when not to a loudspeaker: into a file, or nowhere.
//!
//! A file grows by 10 ms each 10 ms, with silence where nothing arrived: one sample per sample heard, so
//! that its length is the call's. Comes from [`super::decode`]. Read next: `mix.rs`.

use std::fmt;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::frame::{Channels, Frame};
use super::source::{SpecError, device_name, file_path};
use super::wav::{WavError, WavWriter};

/// What `--output` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// The system's loudspeaker.
    Default,
    /// The device of this name.
    Device(String),
    /// A WAV file per call.
    File(PathBuf),
    /// Nowhere, in real time.
    Null,
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (word, rest) = text.split_once(':').map_or((text, None), |(w, r)| (w, Some(r)));
        match (word, rest) {
            ("default", None) => Ok(Self::Default),
            ("null", None) => Ok(Self::Null),
            ("device", Some(name)) => device_name(text, name).map(Self::Device),
            ("file", Some(path)) if path.ends_with("?loop") => {
                Err(SpecError::new("?loop", "is for inputs"))
            }
            ("file", Some(path)) => file_path(text, path).map(Self::File),
            ("device" | "file", None) => {
                Err(SpecError::new(text, "lacks what follows the colon (device:NAME, file:PATH)"))
            }
            ("default" | "null", Some(_)) => {
                Err(SpecError::new(text, "takes nothing after a colon"))
            }
            ("tone" | "silence" | "echo" | "reflect", _) => {
                Err(SpecError::new(text, "is an input, no output"))
            }
            _ => Err(SpecError::new(
                text,
                "is no output (default, device:NAME, file:PATH and null are)",
            )),
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Device(name) => write!(f, "device:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Null => f.write_str("null"),
        }
    }
}

/// The file of a call: `{call}` becomes its id; else the second call, counted from 1, gets `-2` before
/// the ending, and so on.
///
/// ```
/// use halloo::audio::sink::path_of_call;
/// use std::path::Path;
/// assert_eq!(path_of_call(Path::new("heard/{call}.wav"), "x7", 3), Path::new("heard/x7.wav"));
/// assert_eq!(path_of_call(Path::new("heard.wav"), "x7", 1), Path::new("heard.wav"));
/// assert_eq!(path_of_call(Path::new("heard.wav"), "x7", 3), Path::new("heard-3.wav"));
/// ```
#[must_use]
pub fn path_of_call(path: &Path, call: &str, number: usize) -> PathBuf {
    if let Some(text) = path.to_str().filter(|text| text.contains("{call}")) {
        return text.replace("{call}", call).into();
    }
    if number < 2 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

/// A file that is open for writing.
pub trait Paper: Write + Seek + Send {}

impl<T: Write + Seek + Send> Paper for T {}

/// Takes frames.
pub struct Sink(Option<WavWriter<Box<dyn Paper>>>);

impl Sink {
    /// Forgets them.
    #[must_use]
    pub const fn null() -> Self {
        Self(None)
    }

    /// Writes them, 48 kHz and 16 bits. Give the bare file: each frame is written in one piece, and at
    /// once, so that nothing is lost when the process is killed.
    ///
    /// # Errors
    /// It can't be written.
    pub fn wav(file: Box<dyn Paper>, channels: Channels) -> Result<Self, WavError> {
        Ok(Self(Some(WavWriter::new(file, channels)?)))
    }

    /// The next 10 ms.
    ///
    /// # Errors
    /// The file can't be written; what was written so far stays readable.
    pub fn play(&mut self, frame: &Frame) -> Result<(), WavError> {
        match &mut self.0 {
            Some(writer) => writer.write(frame),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sink").field(&self.0).finish()
    }
}
