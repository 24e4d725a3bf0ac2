//! Received bytes, and the only way to them.
//!
//! Every binary parser of halloo reads through [`Reader`], which can run out but cannot panic, and
//! reports a [`ParseError`]: where, and what was wrong there. What comes by a stream is cut into
//! [`Messages`] first.

mod messages;
mod reader;

pub use messages::{Extent, Measure, Messages, OutOfStep};
pub use reader::{ParseError, Reader, Why};
