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
        sink::Spec::File(path) => file_can_be_written(path)?,
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
    match token.is_none_or(Secret::is_token) {
        true => Ok(()),
        false => Err(Failure::Usage(
            "--token (or HALLOO_TOKEN): must be visible ASCII characters without spaces, at least one"
                .into(),
        )),
    }
}

fn wav_can_be_read(path: &Path) -> Result<(), Failure> {
    let refuse = |why: &dyn std::fmt::Display| {
        Failure::Usage(format!("--input file:{}: {why}", path.display()))
    };
    let file = File::open(path).map_err(|error| refuse(&in_words(&error)))?;
    // A folder can be opened, too, on some systems.
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(refuse(&"it is a folder"));
    }
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

/// The file itself is made when a call begins; its folder is not. Whether it can be made is tried, and
/// what was there already is left alone.
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
    // `{call}` may stand in the folder's name, which is then not known yet.
    if !folder.to_string_lossy().contains("{call}") && !folder.is_dir() {
        return refuse(&format!("there is no folder {}", folder.display()));
    }
    if path.to_string_lossy().contains("{call}") {
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
