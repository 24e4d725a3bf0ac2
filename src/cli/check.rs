//! What the command line names must be there: files and devices, looked at before anything starts.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::Failure;
use super::options::MediaOptions;
use crate::audio::wav::WavReader;
use crate::audio::{sink, source};
use crate::net::secret::Secret;

/// Refuses files that are none, and devices that nobody has.
pub(super) fn named_things_exist(media: &MediaOptions) -> Result<(), Failure> {
    match &media.input {
        source::Spec::File { path, .. } => wav_can_be_read(path)?,
        source::Spec::Device(name) => device_exists(Direction::Input, name)?,
        _ => {}
    }
    match &media.output {
        sink::Spec::File(path) => file_can_be_written(path),
        sink::Spec::Device(name) => device_exists(Direction::Output, name),
        _ => Ok(()),
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
    let file = File::open(path).map_err(|error| refuse(&error))?;
    // A folder can be opened, too, on some systems.
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(refuse(&"it is a folder"));
    }
    WavReader::new(BufReader::new(file)).map(drop).map_err(|error| refuse(&error))
}

/// The file itself is made when a call begins; its folder is not.
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
    Ok(())
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
