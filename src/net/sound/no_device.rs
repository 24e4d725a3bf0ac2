//! A build without the feature `device`: what `audio/device.rs` has, and every device is missing.

use std::sync::Arc;

use crate::audio::bell::Bell;
use crate::audio::{Channels, Frame};
use crate::time::Instant;

#[derive(Clone, Debug)]
pub(in crate::net::sound) enum Choice {
    Default,
    Named(String),
}

#[derive(Debug, thiserror::Error)]
#[error("{}", match .0 {
    Choice::Default => "this halloo was built without sound devices".to_owned(),
    Choice::Named(name) => format!("this halloo was built without sound devices, so there is no '{name}'"),
})]
pub(in crate::net::sound) struct OpenError(Choice);

pub(in crate::net::sound) struct Opened {
    pub(in crate::net::sound) name: String,
}

impl OpenError {
    pub(in crate::net::sound) fn is_taken(&self) -> bool {
        false
    }
}

/// Never happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(dead_code, reason = "without devices none is lost")]
pub(in crate::net::sound) enum Lost {
    Gone,
    Crackling,
    DefaultChanged,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is lost")
    }
}

/// Never happens.
#[expect(dead_code, reason = "without devices nothing happens to them")]
pub(in crate::net::sound) enum Event {
    Opened(Opened),
    Lost(Lost),
    Interrupted(u64),
}

/// Never made.
#[derive(Debug)]
pub(in crate::net::sound) enum Capture {}
/// Never made.
#[derive(Debug)]
pub(in crate::net::sound) enum Playback {}

impl Capture {
    pub(in crate::net::sound) fn open(
        choice: Choice,
        _: Channels,
        _: u32,
        _: &Arc<Bell>,
    ) -> Result<Self, OpenError> {
        Err(OpenError(choice))
    }
    pub(in crate::net::sound) fn take(&mut self, _: Instant, _: &mut Frame) -> bool {
        match *self {}
    }
    pub(in crate::net::sound) fn due(&self) -> Instant {
        match *self {}
    }
    pub(in crate::net::sound) fn next_event(&mut self) -> Option<Event> {
        match *self {}
    }
}

impl Playback {
    pub(in crate::net::sound) fn open(
        choice: Choice,
        _: Channels,
        _: u32,
        _: &Arc<Bell>,
    ) -> Result<Self, OpenError> {
        Err(OpenError(choice))
    }
    pub(in crate::net::sound) fn wanted(&mut self, _: Instant) -> usize {
        match *self {}
    }
    pub(in crate::net::sound) fn push(&mut self, _: &Frame) {
        match *self {}
    }
    pub(in crate::net::sound) fn due(&self) -> Instant {
        match *self {}
    }
    pub(in crate::net::sound) fn next_event(&mut self) -> Option<Event> {
        match *self {}
    }
}
