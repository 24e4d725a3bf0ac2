//! The folder for what is to be there the next time: our certificate, and those of others.
//!
//! | system | folder |
//! | --- | --- |
//! | any with `XDG_DATA_HOME` | `$XDG_DATA_HOME/halloo` |
//! | Linux and the like | `~/.local/share/halloo` |
//! | macOS | `~/Library/Application Support/halloo` |
//! | Windows | `%LOCALAPPDATA%\halloo` |
//!
//! By hand, because libraries that know these folders pass `XDG_DATA_HOME` over on some systems, and it
//! is the one way to keep two halloos apart. What is in it is for its owner's eyes: on Unix the folder
//! has mode 0700, its files 0600. On Windows a user's profile is closed to others already.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Our folder, there or not; none on a system without a home.
#[must_use]
pub fn path() -> Option<PathBuf> {
    // The specification asks to ignore a relative one.
    let xdg = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    xdg.or_else(of_the_platform).map(|folder| folder.join("halloo"))
}

fn of_the_platform() -> Option<PathBuf> {
    if cfg!(windows) {
        return env::var_os("LOCALAPPDATA").map(PathBuf::from).filter(|path| path.is_absolute());
    }
    let home = env::home_dir().filter(|home| home.is_absolute())?;
    Some(home.join(if cfg!(target_os = "macos") {
        "Library/Application Support"
    } else {
        ".local/share"
    }))
}

/// Puts a new file in place, whole or not at all. Whoever comes second finds the first one's.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if there is one; else what the system says.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    written_aside(path, content, |aside| fs::hard_link(aside, path))
}

/// The same where a file may be there, which it takes the place of.
///
/// # Errors
/// The system says no.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    written_aside(path, content, |aside| fs::rename(aside, path))
}

fn written_aside(
    path: &Path,
    content: &[u8],
    place: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    make_folder_of(path)?;
    let aside = path.with_extension(format!("new-{}", std::process::id()));
    let _left_by_one_that_was_killed = fs::remove_file(&aside);
    let written = private(OpenOptions::new().write(true).create_new(true))
        .open(&aside)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| place(&aside));
    let _gone_or_renamed = fs::remove_file(&aside);
    written
}

/// Adds a line to a file, which is made if need be.
///
/// # Errors
/// The system says no.
pub fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    make_folder_of(path)?;
    let mut file = private(OpenOptions::new().read(true).append(true).create(true)).open(path)?;
    let mut whole = if ends_in_a_line(&mut file)? { Vec::new() } else { vec![b'\n'] };
    whole.extend(line);
    // In one go, so that lines of two processes don't mix.
    file.write_all(&whole)
}

fn ends_in_a_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn make_folder_of(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("halloo-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn what_is_there_is_not_overwritten_by_creating_it() {
        let folder = folder("create");
        let file = folder.join("a/b.pem");
        create(&file, b"first").unwrap();
        assert_eq!(create(&file, b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&file).unwrap(), b"first");
        replace(&file, b"third").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"third");
        let left: Vec<_> = fs::read_dir(folder.join("a")).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_look() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder("modes");
        create(&folder.join("key.pem"), b"key").unwrap();
        append(&folder.join("lines"), b"line\n").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join("key.pem")), 0o600);
        assert_eq!(mode(&folder.join("lines")), 0o600);
        fs::remove_dir_all(&folder).unwrap();
    }
}
