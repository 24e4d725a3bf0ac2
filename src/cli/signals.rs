//! Being asked to end: Ctrl-C, and where there is such a thing SIGTERM, and SIGHUP when a terminal is closed.
//!
//! Whoever started the program may have told it to outlive the terminal (`nohup`): then SIGHUP is ignored from
//! the beginning, and stays so.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its making on, so that no request between two waits is lost.
#[derive(Debug)]
pub(super) struct Asked {
    #[cfg(unix)]
    signals: [Signal; 2],
    /// Whose terminal is closed has gone, unless we are to stay.
    #[cfg(unix)]
    hung_up: Option<Signal>,
    #[cfg(windows)]
    ctrl_c: tokio::signal::windows::CtrlC,
}

impl Asked {
    #[cfg(unix)]
    pub(super) fn listen() -> io::Result<Self> {
        let signals = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        let hung_up =
            (!stays_without_terminal()).then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Self { signals, hung_up })
    }

    #[cfg(windows)]
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { ctrl_c: tokio::signal::windows::ctrl_c()? })
    }

    /// Ready when the person or the system wants the program to end.
    pub(super) async fn heard(&mut self) {
        #[cfg(unix)]
        {
            let [interrupt, terminate] = &mut self.signals;
            let hung_up = async {
                match &mut self.hung_up {
                    Some(signal) => signal.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hung_up => {}
            }
        }
        #[cfg(windows)]
        {
            let _one_is_enough = self.ctrl_c.recv().await;
        }
    }
}

/// Whether SIGHUP was ignored when the program began. Asked before it is listened for.
#[cfg(target_os = "linux")]
fn stays_without_terminal() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // A bit for each signal, from 1 on; SIGHUP is 1 (proc_pid_status(5)).
    ignored.is_some_and(|mask| mask & 1 == 1)
}

/// Elsewhere it can't be asked without unsafe code. `nohup` takes the terminal away from standard error (POSIX);
/// standard input it may leave alone.
#[cfg(all(unix, not(target_os = "linux")))]
fn stays_without_terminal() -> bool {
    !io::IsTerminal::is_terminal(&io::stderr())
}
