//! The TURN client against a server played by hand, in virtual time (RFC 8656).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, unreachable_pub)]

mod turn {
    pub mod authentication;
    pub mod hand;
    pub mod hostile;
    pub mod keeping;
    pub mod packets;
    pub mod refusals;
}
