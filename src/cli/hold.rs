//! The keys that change a running call: `h` holds and resumes, `r` looks for another way through the network.
//!
//! They mean the one call that runs; where several do, nobody can know which is meant. What comes of them is
//! told by the call's events.

use crate::net::driver::{CallState, CallSummary, Handle, Offered};
use crate::sdp::Direction;

/// Does what the key asks for; says whether it was one of these.
///
/// It is done apart: whoever waits for keys also waits for other things, and may stop at any of them.
pub(super) fn obey(key: char, calls: &Handle) -> bool {
    if key != 'h' && key != 'r' {
        return false;
    }
    let calls = calls.clone();
    tokio::spawn(async move {
        let running =
            |call: &CallSummary| matches!(call.state, CallState::Connecting | CallState::Connected);
        let all: Vec<_> = calls.calls().await.into_iter().filter(running).collect();
        match (all.as_slice(), key) {
            ([call], 'h') => hold(call, &calls).await,
            ([call], _) => restart(call, &calls).await,
            ([.., latest], _) => {
                let text = "several calls run: which one is meant by this key can't be known";
                calls.warn(latest.id, text.to_owned());
            }
            ([], _) => {}
        }
    });
    true
}

/// Silence both ways, or an end to it.
async fn hold(call: &CallSummary, calls: &Handle) {
    let held = call.directions.is_some_and(|directions| directions.local == Direction::Inactive);
    let direction = if held { Direction::SendRecv } else { Direction::Inactive };
    let _ended = calls.set_direction(call.id, direction).await;
}

async fn restart(call: &CallSummary, calls: &Handle) {
    if calls.restart_ice(call.id).await == Ok(Offered::Nobody) {
        let text = "can't look for another way: the other side reads no events of this call";
        calls.warn(call.id, text.to_owned());
    }
}
