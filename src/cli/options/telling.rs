//! How much a command tells, and in which form.

use clap::Args;

/// What is told while a command runs.
#[derive(Clone, Copy, Debug, Args)]
pub struct TellingOptions {
    /// Events as JSON Lines on stdout
    #[arg(long)]
    pub json: bool,
    /// Tell more (twice: everything)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Tell less: only what fails
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loudness {
    /// `-q`
    Quiet,
    /// Neither.
    Normal,
    /// `-v`
    Verbose,
    /// `-vv`
    Everything,
}

impl TellingOptions {
    /// How much is told.
    #[must_use]
    pub const fn loudness(self) -> Loudness {
        match (self.quiet, self.verbose) {
            (true, _) => Loudness::Quiet,
            (false, 0) => Loudness::Normal,
            (false, 1) => Loudness::Verbose,
            (false, _) => Loudness::Everything,
        }
    }
}
