//! Received bytes, and the only way to them.
//!
//! Every binary parser of halloo reads through [`Reader`], which can run out but cannot panic, and
//! reports a [`ParseError`]: where, and what was wrong there.

mod reader;

pub use reader::{ParseError, Reader, Why};
