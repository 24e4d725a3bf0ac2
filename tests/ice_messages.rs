//! One ICE agent against messages written by hand: what it sends, what it takes, what it refuses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, unreachable_pub)]

#[path = "ice_messages/answers.rs"]
mod answers;
#[path = "ice_messages/checks.rs"]
mod checks;
#[path = "ice_messages/choice.rs"]
mod choice;
#[path = "ice_messages/consent.rs"]
mod consent;
#[path = "ice_messages/hand.rs"]
mod hand;
#[path = "ice_messages/hostile.rs"]
mod hostile;
#[path = "ice_messages/requests.rs"]
mod requests;
#[path = "ice_messages/session.rs"]
mod session;
