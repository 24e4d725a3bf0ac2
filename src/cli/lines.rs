//! Lines that a person pastes, one at a time.
//!
//! A line is only read when it is asked for: what comes afterwards is left to [`super::keys`].

use std::io::{self, BufRead, Read};

use tokio::sync::oneshot;

/// Larger than any line of ours; a terminal hands over 4 kB at most.
const LONGEST: u64 = 64 << 10;

/// The next line of standard input, or a piece of an endless one. `None`: there are no more.
pub(super) async fn next_line() -> Option<String> {
    let (sender, line) = oneshot::channel();
    // Standard input can't be waited for in any other way. The thread ends with the line or the process.
    let reader = std::thread::Builder::new().name("paste".to_owned()).spawn(move || {
        let mut line = Vec::new();
        let read = io::stdin().lock().take(LONGEST).read_until(b'\n', &mut line);
        let line = String::from_utf8_lossy(&line).into_owned();
        let _nobody_waits = sender.send(read.is_ok_and(|length| length > 0).then_some(line));
    });
    reader.ok()?;
    line.await.ok().flatten()
}
