//! The loop that owns all calls.

mod call;
mod call_id;
mod handle;
mod options;
mod refusal;

pub use call::{CallState, CallSummary, Caller, TimedEvent};
pub use call_id::{CallId, NotACallId};
pub use handle::{Followed, Handle};
pub use options::Options;
pub use refusal::Refusal;
