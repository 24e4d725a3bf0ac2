//! Being asked to end: Ctrl-C, and where there is such a thing SIGTERM, and SIGHUP when a terminal is closed.

use std::io;
#[cfg(unix)]
use std::io::IsTerminal;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its making on, so that no request between two waits is lost.
#[derive(Debug)]
pub(super) struct Asked {
    #[cfg(unix)]
    signals: [Signal; 2],
    /// Whose terminal is closed has gone. A program without one may have been told to stay (`nohup`).
    #[cfg(unix)]
    hung_up: Option<Signal>,
    #[cfg(windows)]
    ctrl_c: tokio::signal::windows::CtrlC,
}

impl Asked {
    #[cfg(unix)]
    pub(super) fn listen() -> io::Result<Self> {
        let signals = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        let has_terminal = io::stdin().is_terminal();
        let hung_up = has_terminal.then(|| signal(SignalKind::hangup())).transpose()?;
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
