//! The agent's state: W3C's `RTCIceTransportState`, and what moves it.
//!
//! ```text
//! New          --Started---> Checking      the remote credentials are known
//! Checking     --Valid-----> Connected     a check was answered
//! Checking     --Silent----> Disconnected  a restart found nobody yet, and the old pair fell silent, too
//! Checking     --Lost------> Failed        nothing left to check, and the time for surprises is over
//! Connected    --Concluded-> Completed     a pair is selected, and no candidate can still come
//! Connected    --Silent----> Disconnected  nothing was heard for a while
//! Connected    --Lost------> Failed        consent ran out
//! Connected    --Restarted-> Checking      both sides take part in a new session
//! Completed    --Silent----> Disconnected
//! Completed    --Lost------> Failed
//! Completed    --Restarted-> Checking
//! Disconnected --Heard-----> Connected     an answer or a check came again
//! Disconnected --Lost------> Failed
//! Failed       --Restarted-> Checking
//! New          --Closed----> Closed
//! Checking     --Closed----> Closed
//! Connected    --Closed----> Closed
//! Completed    --Closed----> Closed
//! Disconnected --Closed----> Closed
//! Failed       --Closed----> Closed
//! ```
//! Everything else changes nothing. Who is disconnected and restarts stays so until somebody is heard: the W3C
//! has it checking, as if nothing had been, and with one restart after the other both would alternate.
//! `agent/advance.rs` finds out which signal is due.

/// `RTCIceTransportState` (W3C webrtc-pc section 5.6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Waiting for the remote credentials.
    New,
    /// Checking pairs; none has worked yet.
    Checking,
    /// Packets pass; a better pair may still be found.
    Connected,
    /// Packets pass, a pair is selected, and nothing more can come.
    Completed,
    /// Nothing was heard lately; it may pass.
    Disconnected,
    /// No pair works, or consent ran out: only a restart helps.
    Failed,
    /// Over.
    Closed,
}

/// What can move the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Started,
    Valid,
    Concluded,
    Silent,
    Heard,
    Lost,
    Restarted,
    Closed,
}

impl State {
    /// The state after `signal`: the table above, row by row.
    pub(super) const fn after(self, signal: Signal) -> Self {
        match (self, signal) {
            (Self::New, Signal::Started)
            | (Self::Connected | Self::Completed | Self::Failed, Signal::Restarted) => {
                Self::Checking
            }
            (Self::Checking, Signal::Valid) | (Self::Disconnected, Signal::Heard) => {
                Self::Connected
            }
            (Self::Connected, Signal::Concluded) => Self::Completed,
            (Self::Checking | Self::Connected | Self::Completed, Signal::Silent) => {
                Self::Disconnected
            }
            (
                Self::Checking | Self::Connected | Self::Completed | Self::Disconnected,
                Signal::Lost,
            ) => Self::Failed,
            (_, Signal::Closed) => Self::Closed,
            (unchanged, _) => unchanged,
        }
    }

    /// Whether checks go out and come in.
    pub(super) const fn is_alive(self) -> bool {
        !matches!(self, Self::Failed | Self::Closed)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::fmt::Debug;

    /// The arrows `from --signal-> to` of a module's text, sorted.
    pub(in crate::ice) fn arrows_drawn(source: &str) -> Vec<String> {
        let lines = source.lines().filter_map(|line| line.strip_prefix("//! "));
        let mut arrows: Vec<String> = lines
            .filter_map(|line| {
                let (from, rest) = line.split_once(" --")?;
                let (signal, rest) = rest.split_once("> ")?;
                let to = rest.split_whitespace().next()?;
                Some(format!("{} {} {to}", from.trim(), signal.trim_end_matches('-')))
            })
            .collect();
        arrows.sort();
        arrows
    }

    /// The arrows of a function from state and signal to state, sorted.
    pub(in crate::ice) fn arrows_of<S: Copy + Debug + PartialEq, G: Copy + Debug>(
        states: &[S],
        signals: &[G],
        after: impl Fn(S, G) -> S,
    ) -> Vec<String> {
        let each =
            states.iter().flat_map(|from| signals.iter().map(move |signal| (*from, *signal)));
        let mut arrows: Vec<String> = each
            .map(|(from, signal)| (from, signal, after(from, signal)))
            .filter(|(from, _, to)| from != to)
            .map(|(from, signal, to)| format!("{from:?} {signal:?} {to:?}"))
            .collect();
        arrows.sort();
        arrows
    }

    #[test]
    fn the_diagram_is_the_table() {
        use Signal::{Concluded, Heard, Lost, Restarted, Silent, Started, Valid};
        use State::{Checking, Completed, Connected, Disconnected, Failed, New};
        let states = [New, Checking, Connected, Completed, Disconnected, Failed, State::Closed];
        let signals = [Started, Valid, Concluded, Silent, Heard, Lost, Restarted, Signal::Closed];
        let table = arrows_of(&states, &signals, State::after);
        assert_eq!(arrows_drawn(include_str!("state.rs")), table);
    }
}
