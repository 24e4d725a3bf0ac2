//! `halloo call tab`: the tab that opened the page last rings, until it answers.
//!
//! The page's empty POST brings our offer, so the page makes the call by existing. A page that is loaded
//! again, or a second tab, takes the ringing over; a call that was answered is nobody else's.

use std::time::Duration;

use super::{Context, Role};
use crate::net::driver::{CallId, CallState, Caller, Refusal};
use crate::peer::event::Side;
use crate::sdp::Description;
use crate::signal::Problem;

/// Our offer for the tab that asks.
pub(super) async fn offer(
    context: &Context,
    caller: Caller,
) -> Result<(CallId, Description), Refusal> {
    let _one_after_another = context.tab.lock().await;
    let before = context.calls.calls().await;
    let is_taken = |state| matches!(state, CallState::Connecting | CallState::Connected);
    let too_many = Refusal::TooMany { limit: 1, retry_after: RETRY_AFTER };
    if before.iter().any(|call| is_taken(call.state)) {
        return Err(too_many);
    }
    let made = context.calls.make_ringing_offer(caller).await?;
    for call in before.iter().filter(|call| call.state == CallState::Ringing) {
        // One that was answered meanwhile goes on; then the new one is the one too many.
        let now = context.calls.call(call.id).await.map(|now| now.state);
        let is_answered = now.is_ok_and(is_taken);
        let ends = if is_answered { made.0 } else { call.id };
        let _ended_meanwhile = context.calls.hang_up(ends, Side::Local).await;
        if is_answered {
            return Err(too_many);
        }
    }
    Ok(made)
}

/// Who calls a halloo that is calling itself is told so.
pub(super) fn takes_calls(context: &Context) -> Result<(), Problem> {
    match context.role {
        Role::Listens => Ok(()),
        Role::CallsTab => Err(Problem::new(403, "This halloo takes no calls")
            .detail("it calls the browser tab that opens its page")),
    }
}

/// A call lasts a while.
const RETRY_AFTER: Duration = Duration::from_secs(60);
