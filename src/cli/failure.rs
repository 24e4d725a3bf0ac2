//! Why a command could not do what it was asked, and what a person may try.

use std::fmt::Display;
use std::process::ExitCode;

use crate::net::driver::{CallId, Handle, Refusal};
use crate::net::http_client;
use crate::peer::event::{Remedy, Step};

/// Ends a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Exit code 1: it could not be done, at this step.
    Could {
        /// Where.
        step: Step,
        /// What, in one line.
        what: String,
        /// What to try.
        hint: String,
    },
    /// Exit code 2: the command line asks for what can't be.
    Usage(String),
}

impl Failure {
    /// Exit code 1.
    pub fn at(step: Step, what: impl Display, hint: impl Display) -> Self {
        Self::Could { step, what: one_line(&what), hint: hint.to_string() }
    }

    /// The machine itself lacks something.
    pub fn machine(what: &str, why: &impl Display) -> Self {
        Self::at(
            Step::Signalling,
            format!("{what}: {why}"),
            "is the machine out of memory or files?",
        )
    }

    /// Ends the call that fails by this, so that its last event says the same; one that has ended stays as it is.
    pub(super) async fn end(&self, calls: &Handle, id: CallId) {
        let (step, reason) = match self {
            Self::Could { step, what, .. } => (*step, what),
            Self::Usage(what) => (Step::Signalling, what),
        };
        let _ended_already = calls.fail(id, step, reason.clone()).await;
    }

    /// Writes it to stderr.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Could { step, what, hint } => {
                super::show::complain(&format!("{step}: {what}\ntry: {hint}"));
                ExitCode::from(1)
            }
            Self::Usage(what) => {
                super::show::complain(&format!(
                    "error: {what}\n\nFor more information, try '--help'."
                ));
                ExitCode::from(2)
            }
        }
    }
}

impl From<http_client::Failure> for Failure {
    fn from(failure: http_client::Failure) -> Self {
        Self::at(Step::Signalling, &failure, failure.hint())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let hint = match refusal {
            Refusal::NoUsableAudio { .. } => {
                "leave --codec out; if it was not given, the other side has to use other codecs"
            }
            Refusal::NoWay { .. } => {
                "check --turn, --turn-user and --turn-password, or leave out --ice-policy relay"
            }
            Refusal::System { .. } => "check --interface and --udp-port, and the network",
            _ => "try again; -v shows more",
        };
        let step = match refusal {
            Refusal::NoWay { .. } => Step::Ice,
            _ => Step::Signalling,
        };
        Self::at(step, refusal, hint)
    }
}

/// What a person may try when a call fails at this step, where this would help.
#[must_use]
pub(super) fn hint(step: Step, remedy: Option<Remedy>) -> &'static str {
    match remedy {
        Some(Remedy::StunServer) => "--stun stun:HOST on both sides, or --turn turn:HOST on one",
        Some(Remedy::TurnServer) => {
            "--turn turn:HOST with --turn-user and --turn-password, on one side; --stun is not enough"
        }
        Some(Remedy::CheckServers) => {
            "check --stun, --turn, --turn-user and --turn-password; `halloo probe` tries them alone"
        }
        Some(Remedy::CheckPassword) => {
            "check --turn-user and --turn-password, which the server refuses; `halloo probe` tries them"
        }
        Some(Remedy::OpenFirewall) => {
            "let UDP through the firewalls (with --udp-port it is one port), or --turn turns:HOST"
        }
        Some(Remedy::CheckNetwork) => "check the network of both sides, then call again",
        Some(Remedy::SameNetwork) => {
            "call from the same local network, or let the other side show its addresses or use --turn"
        }
        Some(Remedy::CallAgain) => "call again: both sides then describe themselves anew",
        None => hint_of(step),
    }
}

const fn hint_of(step: Step) -> &'static str {
    match step {
        Step::Signalling => "try again; -v shows more",
        Step::Ice => {
            "check that no firewall between the two keeps UDP out; -v shows the candidates"
        }
        Step::Dtls => "if the other side is the right one, call again; -v shows the handshake",
        Step::Media => "check the other side's microphone and codecs; -v shows more",
        Step::Audio => "see `halloo devices`, or use --input tone:440 --output null",
    }
}

/// The first of two lines must stay one.
fn one_line(text: &impl Display) -> String {
    text.to_string().replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_recommended_only_where_it_would_help() {
        for (remedy, names_turn) in [
            (Some(Remedy::StunServer), true),
            (Some(Remedy::TurnServer), true),
            (Some(Remedy::CheckServers), true),
            (Some(Remedy::CheckPassword), true),
            (Some(Remedy::CheckNetwork), false),
            (Some(Remedy::CallAgain), false),
            (None, false),
        ] {
            assert_eq!(hint(Step::Ice, remedy).contains("--turn"), names_turn, "{remedy:?}");
        }
    }
}
