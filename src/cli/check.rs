//! What the command line names must be there: files and devices, looked at before anything starts.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;

use super::Failure;
use super::options::MediaOptions;
use crate::audio::wav::WavReader;
use crate::audio::{sink, source};
use crate::net::interfaces::addresses;
use crate::net::secret::Secret;

/// Refuses files that are none, and devices that nobody has.
pub(super) fn named_things_exist(media: &MediaOptions) -> Result<(), Failure> {
    match &media.input {
        source::Spec::File { path, .. } => wav_can_be_read(path)?,
        source::Spec::Device(name) => device_exists(Direction::Input, name)?,
        _ => {}
    }
    match &media.output {
        sink::Spec::File(path) => {
            file_can_be_written(path)?;
            input_is_kept(&media.input, path)?;
        }
        sink::Spec::Device(name) => device_exists(Direction::Output, name)?,
        _ => {}
    }
    interfaces_exist(&media.interface)
}

/// A name that nothing has is more likely mistyped than one of something to come.
pub(super) fn interfaces_exist(wanted: &[String]) -> Result<(), Failure> {
    // A system that doesn't tell is not the command line's fault.
    let Ok(there) = addresses() else { return Ok(()) };
    let mut names: Vec<_> = there.iter().map(|address| address.interface.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    match wanted.iter().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Failure::Usage(format!(
            "--interface {name}: no such interface with an address. There are: {}",
            names.join(", ")
        ))),
    }
}

/// What was given is not shown: it is a secret, if a wrong one, and stderr may go to a log.
pub(super) fn token(token: Option<&Secret>) -> Result<(), Failure> {
    let why = match token {
        // Perhaps from a script that found no secret: nobody meant to be without.
        Some(token) if token.reveal().is_empty() => {
            "is empty: give a secret, or none at all (unset HALLOO_TOKEN)"
        }
        Some(token) if !token.is_token() => "must be visible ASCII characters without spaces",
        Some(_) | None => return Ok(()),
    };
    Err(Failure::Usage(format!("--token (or HALLOO_TOKEN) {why}")))
}

fn wav_can_be_read(path: &Path) -> Result<(), Failure> {
    let refuse = |why: &dyn std::fmt::Display| {
        Failure::Usage(format!("--input file:{}: {why}", path.display()))
    };
    // Looked at before it is opened: opening a pipe waits for somebody who writes.
    let found = fs::metadata(path).map_err(|error| refuse(&in_words(&error)))?;
    if found.is_dir() {
        return Err(refuse(&"it is a folder"));
    }
    if !found.is_file() {
        return Err(refuse(
            &"it is a pipe or a device, and each call begins at a file's beginning",
        ));
    }
    let file = File::open(path).map_err(|error| refuse(&in_words(&error)))?;
    WavReader::new(BufReader::new(file)).map(drop).map_err(|error| refuse(&error))
}

/// Without the number that only programmers know.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "the system doesn't allow that".to_owned(),
        _ => error.to_string(),
    }
}

/// What is heard would be written over what is to be said.
fn input_is_kept(input: &source::Spec, output: &Path) -> Result<(), Failure> {
    match input {
        source::Spec::File { path, .. } if is_same_file(path, output) => {
            let (input, output) = (path.display(), output.display());
            Err(Failure::Usage(format!(
                "--input file:{input} and --output file:{output}: they are the same file, which would be \
                 written over"
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let names = |path| fs::metadata(path).map(|found| (found.dev(), found.ino()));
    names(one).ok().zip(names(other).ok()).is_some_and(|(one, other)| one == other)
}

#[cfg(not(unix))]
fn is_same_file(one: &Path, other: &Path) -> bool {
    fs::canonicalize(one).ok().zip(fs::canonicalize(other).ok()).is_some_and(|(a, b)| a == b)
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

#[cfg(not(unix))]
const fn is_pipe(_: &Path) -> bool {
    false
}

/// The file itself is made when a call begins; its folder is not, unless it is named after the call. Whether
/// it can be made is tried, and what was there already is left alone.
fn file_can_be_written(path: &Path) -> Result<(), Failure> {
    let refuse =
        |why: &str| Err(Failure::Usage(format!("--output file:{}: {why}", path.display())));
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return refuse("it is no file"),
    };
    if path.is_dir() {
        return refuse("it is a folder");
    }
    // Opening a pipe waits for somebody who reads, and a WAV file's head is written more than once.
    if is_pipe(path) {
        return refuse("it is a pipe");
    }
    let is_of_a_call = |path: &Path| path.to_string_lossy().contains("{call}");
    let known = folder.ancestors().find(|folder| !is_of_a_call(folder));
    let known = known.filter(|known| !known.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !known.is_dir() {
        return refuse(&format!("there is no folder {}", known.display()));
    }
    if is_of_a_call(path) {
        return Ok(());
    }
    let tried = match File::options().write(true).create_new(true).open(path) {
        Ok(_made) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            File::options().append(true).open(path).map(drop)
        }
        Err(error) => Err(error),
    };
    tried.or_else(|error| refuse(&format!("it can't be written: {}", in_words(&error))))
}

#[derive(Clone, Copy, Debug)]
enum Direction {
    Input,
    Output,
}

#[cfg(feature = "device")]
fn device_exists(direction: Direction, name: &str) -> Result<(), Failure> {
    let devices = crate::audio::device::list();
    let (option, devices) = match direction {
        Direction::Input => ("--input", devices.inputs),
        Direction::Output => ("--output", devices.outputs),
    };
    if devices.iter().any(|device| device.name == name) {
        return Ok(());
    }
    let list: String = devices.iter().map(|device| format!("\n  device:{}", device.name)).collect();
    let list = if list.is_empty() { "\n  none".to_owned() } else { list };
    Err(Failure::Usage(format!("{option} device:{name}: no such device. There are:{list}")))
}

#[cfg(not(feature = "device"))]
fn device_exists(direction: Direction, name: &str) -> Result<(), Failure> {
    let option = match direction {
        Direction::Input => "--input",
        Direction::Output => "--output",
    };
    let why = "this halloo was built without sound devices. There are:\n  none";
    Err(Failure::Usage(format!("{option} device:{name}: {why}")))
}
