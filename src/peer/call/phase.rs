//! How far a call is, and what moves it on.
//!
//! ```text
//! New ---------Described--> Connecting   both descriptions are there
//! Connecting --Secured----> Connected    a pair is selected, DTLS is done, the fingerprint matched
//! New ---------Over-------> Ended
//! Connecting --Over-------> Ended        hung up, no way through, no keys, or too late
//! Connected ---Over-------> Ended        hung up, or consent lost
//! ```
//! Everything else changes nothing: a later description is no new call, and an end is one for good.

/// How far the call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    New,
    Connecting,
    Connected,
    Ended,
}

/// What can move it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Described,
    Secured,
    Over,
}

impl Phase {
    /// The phase after `signal`: the table above, row by row.
    pub(super) const fn after(self, signal: Signal) -> Self {
        match (self, signal) {
            (Self::New, Signal::Described) => Self::Connecting,
            (Self::Connecting, Signal::Secured) => Self::Connected,
            (Self::New | Self::Connecting | Self::Connected, Signal::Over) => Self::Ended,
            (unchanged, _) => unchanged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arrows `from --signal--> to` of this file's text, sorted.
    fn drawn() -> Vec<String> {
        let arrow = |line: &str| {
            let (from, rest) = line.strip_prefix("//! ")?.split_once(" --")?;
            let (signal, rest) = rest.split_once("> ")?;
            let to = rest.split_whitespace().next()?;
            Some(format!("{from} {} {to}", signal.trim_matches('-')))
        };
        let mut arrows: Vec<_> = include_str!("phase.rs").lines().filter_map(arrow).collect();
        arrows.sort();
        arrows
    }

    #[test]
    fn the_diagram_shows_exactly_what_every_signal_does_in_every_phase() {
        let mut moved = Vec::new();
        for phase in [Phase::New, Phase::Connecting, Phase::Connected, Phase::Ended] {
            for signal in [Signal::Described, Signal::Secured, Signal::Over] {
                let after = phase.after(signal);
                if after != phase {
                    moved.push(format!("{phase:?} {signal:?} {after:?}"));
                }
            }
        }
        moved.sort();
        assert_eq!(moved, drawn());
    }
}
