//! Which certificate a host showed last time: a file as SSH keeps one.
//!
//! ```text
//! # host:port, then the hash of its certificate
//! kitchen.local:8443 sha-256 5A:0F:...
//! ```
//! It is only ever added to, a line at a time, so that two calls at once lose nothing of each other; of
//! several lines for a host the last one counts. People may edit it. A line that says nothing is passed
//! over, unless it names the very host that is asked for: then nobody may be believed.

use std::io;
use std::path::{Path, PathBuf};

use super::Fingerprint;
use crate::net::data_folder;

/// The file, read anew for each question.
#[derive(Clone, Debug)]
pub struct KnownHosts(PathBuf);

impl KnownHosts {
    /// The file of this name in a folder; it need not be there yet.
    #[must_use]
    pub fn within(folder: &Path) -> Self {
        Self(folder.join("known-hosts"))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What `host` (with its port) showed last time.
    ///
    /// # Errors
    /// The file can't be read, or says nothing understandable about the host.
    pub fn find(&self, host: &str) -> io::Result<Option<Fingerprint>> {
        let text = match std::fs::read_to_string(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // Where a folder should be is something else (HOME=/dev/null): no file can be there either.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
            read => read?,
        };
        let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
        let ours = lines.filter_map(|(number, line)| {
            let (name, rest) = line.trim().split_once(char::is_whitespace)?;
            name.eq_ignore_ascii_case(host).then_some((number + 1, rest))
        });
        let Some((number, value)) = ours.last() else { return Ok(None) };
        value.parse().map(Some).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("line {number}: {error}"))
        })
    }

    /// Notes what `host` has shown.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn remember(&self, host: &str, shown: Fingerprint) -> io::Result<()> {
        let line = format!("{} sha-256 {shown}\n", host.to_ascii_lowercase());
        data_folder::append(&self.0, line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(pair: &str) -> Fingerprint {
        pair.repeat(32).parse().unwrap()
    }

    fn file(name: &str) -> KnownHosts {
        let folder = std::env::temp_dir().join(format!("halloo-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        KnownHosts::within(&folder)
    }

    #[test]
    fn the_last_line_for_a_host_counts() {
        let known = file("last-line");
        assert_eq!(known.find("a:1").unwrap(), None, "no file yet");
        known.remember("A:1", fingerprint("11")).unwrap();
        known.remember("b:1", fingerprint("22")).unwrap();
        known.remember("a:1", fingerprint("33")).unwrap();
        assert_eq!(known.find("a:1").unwrap(), Some(fingerprint("33")));
        assert_eq!(known.find("B:1").unwrap(), Some(fingerprint("22")));
        assert_eq!(known.find("a:12").unwrap(), None);
        std::fs::remove_dir_all(known.path().parent().unwrap()).unwrap();
    }

    #[test]
    fn where_there_can_be_no_file_nobody_is_known() {
        let known = file("no-folder");
        std::fs::write(known.path().parent().unwrap(), "a file").unwrap();
        assert_eq!(known.find("a:1").unwrap(), None);
        known.remember("a:1", fingerprint("11")).unwrap_err();
        std::fs::remove_file(known.path().parent().unwrap()).unwrap();
    }

    #[test]
    fn a_broken_line_matters_only_to_its_host() {
        let known = file("broken-line");
        known.remember("a:1", fingerprint("11")).unwrap();
        // Whoever edited the file by hand left out the last line end.
        let text = std::fs::read_to_string(known.path()).unwrap();
        std::fs::write(
            known.path(),
            format!("# mine\n\nnonsense\nb:1 sha-256 zz\n{}", text.trim()),
        )
        .unwrap();
        known.remember("c:1", fingerprint("33")).unwrap();
        assert_eq!(known.find("a:1").unwrap(), Some(fingerprint("11")));
        assert_eq!(known.find("c:1").unwrap(), Some(fingerprint("33")));
        assert!(known.find("b:1").unwrap_err().to_string().starts_with("line 4: "));
        std::fs::remove_dir_all(known.path().parent().unwrap()).unwrap();
    }
}
