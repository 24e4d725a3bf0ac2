//! The sound of one call: its own source, its own file.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use crate::audio::sink::path_of_call;
use crate::audio::{Channels, Frame, Sink, Source, sink, source};
use crate::net::driver::CallId;

/// What one call sends and where what it hears goes, apart from microphone and loudspeaker.
#[derive(Debug)]
pub(crate) struct Voice {
    source: Source,
    sink: Sink,
}

impl Voice {
    pub(super) fn new(
        input: &source::Spec,
        output: &sink::Spec,
        channels: Channels,
        id: CallId,
        number: usize,
    ) -> (Self, Vec<String>) {
        let mut warnings = Vec::new();
        let source = match input {
            source::Spec::Tone(hz) => Source::tone(*hz),
            // Only asked for when there is no microphone.
            source::Spec::Default => Source::tone(TONE_OF_THE_SILENT),
            source::Spec::File { path, repeat } => read(path, *repeat, channels, &mut warnings),
            _ => Source::silence(),
        };
        let sink = match output {
            sink::Spec::File(named) => {
                let path = path_of_call(named, &id.to_string(), number);
                let own_folder = path.parent().filter(|folder| named.parent() != Some(*folder));
                write(&path, own_folder, channels, &mut warnings)
            }
            _ => Sink::null(),
        };
        (Self { source, sink }, warnings)
    }

    /// The next 10 ms to send.
    pub(crate) fn speak(&mut self, frame: &mut Frame) {
        self.source.next(frame);
    }

    /// Takes 10 ms that were heard; says once what went wrong, and is deaf from then on.
    pub(crate) fn hear(&mut self, frame: &Frame) -> Option<String> {
        let error = self.sink.play(frame).err()?;
        self.sink = Sink::null();
        Some(format!("the recording ends here: {error}"))
    }
}

/// What a machine without a microphone sends, Hz.
const TONE_OF_THE_SILENT: f64 = 440.0;

/// A file that was there when the program started and now isn't costs the call its voice, not its life.
fn read(
    path: &Path,
    repeat: source::Repeat,
    channels: Channels,
    warnings: &mut Vec<String>,
) -> Source {
    let opened = File::open(path).map_err(|error| error.to_string()).and_then(|file| {
        Source::wav(Box::new(BufReader::new(file)), repeat, channels).map_err(|e| e.to_string())
    });
    opened.unwrap_or_else(|error| {
        warnings.push(format!("{} can't be played: {error}", path.display()));
        Source::silence()
    })
}

/// A folder that has the call's id in its name is made with it.
fn write(
    path: &Path,
    own_folder: Option<&Path>,
    channels: Channels,
    warnings: &mut Vec<String>,
) -> Sink {
    let opened = own_folder
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| File::create(path))
        .map_err(|error| error.to_string())
        .and_then(|file| Sink::wav(Box::new(file), channels).map_err(|error| error.to_string()));
    opened.unwrap_or_else(|error| {
        warnings.push(format!("{} can't be written: {error}", path.display()));
        Sink::null()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_gone_is_a_warning_and_silence() {
        let input = source::Spec::File { path: "no such.wav".into(), repeat: source::Repeat::Once };
        let output = sink::Spec::File("no such folder/heard.wav".into());
        let id = CallId::from_random([1; 16]);
        let (mut voice, warnings) = Voice::new(&input, &output, Channels::Mono, id, 1);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        let mut frame = Frame::silence(Channels::Mono);
        voice.speak(&mut frame);
        assert_eq!(frame.peak(), 0.0);
        assert_eq!(voice.hear(&frame), None);
    }

    #[test]
    fn a_folder_named_after_the_call_is_made_with_it() {
        let id = CallId::from_random([1; 16]);
        let all = std::env::temp_dir().join(format!("halloo-voice-{}", std::process::id()));
        let output = sink::Spec::File(all.join("{call}/heard.wav"));
        let input = source::Spec::Silence;
        let (voice, warnings) = Voice::new(&input, &output, Channels::Mono, id, 1);
        drop(voice);
        assert_eq!(warnings, [""; 0]);
        assert!(all.join(id.to_string()).join("heard.wav").is_file());
        fs::remove_dir_all(all).unwrap();
    }

    #[test]
    fn each_call_has_its_tone_from_the_start() {
        let speak = || {
            let id = CallId::from_random([1; 16]);
            let input = source::Spec::Tone(440.0);
            let (mut voice, _) = Voice::new(&input, &sink::Spec::Null, Channels::Mono, id, 1);
            let mut frame = Frame::silence(Channels::Mono);
            voice.speak(&mut frame);
            frame
        };
        assert!(speak().peak() > 0.1);
        assert_eq!(speak(), speak());
    }
}
