//! A new call on its way to whoever asked for it: they may have gone, and nobody else knows its name.
//!
//! ```text
//! driver --Made--> Handle::accept_offer, Handle::make_offer, Ringing::decided --> its name, our description
//!           '----> dropped unread: Command::NobodyWaits, the call ends
//! ```

use tokio::sync::mpsc::WeakUnboundedSender;

use crate::net::driver::handle::{Answer, Command};
use crate::net::driver::{CallId, Refusal};
use crate::sdp::Description;

/// Says whether somebody is still there to take it. If not, what becomes of the call is the asker's affair.
pub(super) fn hand_over(to: Answer<Made>, made: Result<Made, Refusal>) -> bool {
    match to.send(made) {
        Ok(()) => true,
        Err(unread) => {
            drop(unread.map(Made::take));
            false
        }
    }
}

/// Its name and our description. Dropped with them, the call is over.
#[derive(Debug)]
pub(super) struct Made {
    call: Option<(CallId, Description)>,
    driver: WeakUnboundedSender<Command>,
}

impl Made {
    pub(super) const fn new(
        id: CallId,
        description: Description,
        driver: WeakUnboundedSender<Command>,
    ) -> Self {
        Self { call: Some((id, description)), driver }
    }

    /// Somebody has it now.
    pub(super) fn take(mut self) -> Option<(CallId, Description)> {
        self.call.take()
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if let (Some((id, _)), Some(driver)) = (self.call.take(), self.driver.upgrade()) {
            let _driver_has_ended = driver.send(Command::NobodyWaits(id));
        }
    }
}
