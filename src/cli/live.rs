//! The one line that stays at the bottom of a terminal while calls run.
//!
//! It is written over once a second (and only then: more would flicker), and taken away before another
//! line is printed. The cursor stays visible behind it, so that nothing needs putting back however the
//! program ends. A terminal that can't do this (`TERM=dumb`) gets none.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use super::meter::{self, Row};
use crate::net::driver::{CallId, TimedEvent};
use crate::peer::event::{Directions, Event};
use crate::sdp::Direction;
use crate::time::Instant;

/// The calls that run and the line about them.
#[derive(Debug)]
pub(super) struct Live {
    on_terminal: bool,
    calls: BTreeMap<CallId, Call>,
    is_muted: bool,
    /// How long the line is that stands there.
    shown: usize,
}

#[derive(Debug)]
struct Call {
    since: Instant,
    row: Option<Row>,
    /// Set while not both are heard.
    held: Option<&'static str>,
}

impl Live {
    /// `wanted`: unless stdout has events for programs.
    pub(super) fn new(wanted: bool) -> Self {
        let on_terminal = wanted && io::stderr().is_terminal() && !is_dumb();
        Self { on_terminal, calls: BTreeMap::new(), is_muted: false, shown: 0 }
    }

    /// Whether somebody looks, on something that can show it.
    pub(super) const fn is_on_terminal(&self) -> bool {
        self.on_terminal
    }

    pub(super) fn mute(&mut self, is_muted: bool) {
        self.is_muted = is_muted;
    }

    /// Keeps what the line says of this call. The line itself, if it has changed and there is no
    /// terminal to show it on.
    pub(super) fn event(&mut self, id: CallId, timed: &TimedEvent) -> Option<String> {
        match &timed.event {
            Event::Connected { .. } => {
                self.calls.insert(id, Call { since: timed.at, row: None, held: None });
            }
            Event::Ended { .. } => {
                self.calls.remove(&id);
            }
            Event::Direction(now) => {
                let held = (now.current != Direction::SendRecv).then(|| in_short(now));
                self.calls.entry(id).and_modify(|call| call.held = held);
            }
            Event::Stats(figures) => {
                let is_muted = self.is_muted;
                let call = self.calls.get_mut(&id)?;
                let lasts = timed.at - call.since;
                call.row = Some(Row { lasts, figures: *figures, held: call.held, is_muted });
                if !self.on_terminal {
                    return call.row.map(|row| meter::line(&[row], usize::MAX));
                }
                self.show();
            }
            _ => {}
        }
        None
    }

    fn show(&mut self) {
        let columns = columns();
        let rows: Vec<Row> = self.calls.values().filter_map(|call| call.row).collect();
        let line = meter::line(&rows, columns);
        let up = up(self.shown, columns);
        self.shown = line.len();
        // Over what stands there, then away with what it was longer: never an empty line in between.
        let mut stderr = io::stderr();
        let _gone = write!(stderr, "{up}\r{line}\x1b[J").and_then(|()| stderr.flush());
    }

    /// Takes the line away, so that what follows starts on a line of its own.
    pub(super) fn wipe(&mut self) {
        if self.shown > 0 {
            let up = up(std::mem::take(&mut self.shown), columns());
            let _gone = write!(io::stderr(), "{up}\r\x1b[J");
        }
    }
}

/// Whether the terminal prints every character, those of control sequences too.
pub(super) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// A terminal that was made narrower has broken our line into several rows.
fn up(shown: usize, columns: usize) -> String {
    match shown.saturating_sub(1) / columns.max(1) {
        0 => String::new(),
        rows => format!("\x1b[{rows}A"),
    }
}

#[cfg(unix)]
fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(USUAL)
}

#[cfg(not(unix))]
fn columns() -> usize {
    USUAL
}

/// Where a terminal doesn't say how wide it is.
const USUAL: usize = 80;

/// Who keeps the call on hold, in a few words for the line of figures; `show.rs` says it whole.
const fn in_short(directions: &Directions) -> &'static str {
    match (directions.local, directions.current) {
        (Direction::Inactive, _) => "on hold (h resumes)",
        (_, Direction::Inactive) => "held by the other side",
        (_, Direction::SendOnly) => "they are not heard",
        (_, _) => "they don't hear us",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_a_narrower_terminal_has_broken_is_taken_away_whole() {
        assert_eq!(up(0, 80), "");
        assert_eq!(up(79, 80), "");
        assert_eq!(up(80, 80), "");
        assert_eq!(up(79, 40), "\x1b[1A");
        assert_eq!(up(79, 20), "\x1b[3A");
    }
}
