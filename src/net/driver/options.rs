//! What a person chooses for all calls of a driver.

use std::time::Duration;

use crate::net::driver::{Mdns, Words};
use crate::net::impair::Impairment;
use crate::net::tcp::Tcp;
use crate::peer::config::Config;

/// Settings of a driver.
#[derive(Clone, Debug)]
pub struct Options {
    /// What each call is like. The driver fills in `wall_clock`.
    pub peer: Config,
    /// `--interface`: only these; empty for every usable one.
    pub interfaces: Vec<String>,
    /// `--udp-port`: one port for all calls; 0 for any free one.
    pub udp_port: u16,
    /// Whether media may go by TCP where UDP is blocked, and who connects.
    pub tcp: Tcp,
    /// `--impair`: a bad network, both ways.
    pub impair: Option<Impairment>,
    /// `--duration`: hang up after this much of connected call.
    pub duration: Option<Duration>,
    /// `--max-calls`: how many may run at once.
    pub max_calls: usize,
    /// How long a description waits for STUN and TURN servers; what they tell later is trickled.
    pub gather_within: Duration,
    /// How long our own offer stays open without an answer.
    pub answer_within: Duration,
    /// `--no-mdns`: whether `.local` candidates are looked up.
    pub mdns: Mdns,
    /// Whether `connected` bears the words for the two people to compare.
    pub words: Words,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            peer: Config::default(),
            interfaces: Vec::new(),
            udp_port: 0,
            tcp: Tcp::default(),
            impair: None,
            duration: None,
            max_calls: 32,
            gather_within: Duration::from_millis(500),
            answer_within: Duration::from_secs(60),
            mdns: Mdns::default(),
            words: Words::default(),
        }
    }
}
