//! A whole WebRTC audio peer as one object, without a socket or a clock.

pub mod config;
pub mod demux;
pub mod event;
pub mod stats;
