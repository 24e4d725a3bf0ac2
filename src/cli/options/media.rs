//! What a call is like: its sound, and its way through the network.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::seconds;
use super::servers::PathOptions;
use crate::audio::{Channels, sink, source};
use crate::net::driver::{self, Mdns};
use crate::net::impair::Impairment;
use crate::net::tcp::Tcp;
use crate::peer::config::{CodecName, Config, OpusSettings};

/// What a call is like.
#[derive(Debug, Args)]
pub struct MediaOptions {
    /// What is sent: default, device:NAME, file:PATH[?loop], tone:HZ, silence, echo, reflect
    #[arg(long, help_heading = SOUND, value_name = "SPEC", default_value = "default")]
    pub input: source::Spec,
    /// Where what is heard goes: default, device:NAME, file:PATH ({call} becomes the call's id), null
    #[arg(long, help_heading = SOUND, value_name = "SPEC", default_value = "default")]
    pub output: sink::Spec,
    /// Codecs in order of preference (repeatable) [default: opus, g722, pcmu, pcma]
    #[arg(long, help_heading = SOUND, value_enum, value_name = "CODEC")]
    pub codec: Vec<Codec>,
    /// Opus: bits per second
    #[arg(long, help_heading = SOUND, value_name = "BPS", default_value = "32000", value_parser = clap::value_parser!(u32).range(6_000..=510_000))]
    pub bitrate: u32,
    /// Opus: milliseconds of sound in a packet
    #[arg(long, help_heading = SOUND, value_name = "MS", default_value = "20", value_parser = ["10", "20", "40", "60"])]
    pub frame: String,
    /// Opus: no forward error correction
    #[arg(long, help_heading = SOUND)]
    pub no_fec: bool,
    /// Opus: hardly any packets in silence
    #[arg(long, help_heading = SOUND)]
    pub dtx: bool,
    /// Opus: two channels
    #[arg(long, help_heading = SOUND)]
    pub stereo: bool,
    /// Hang up after so many seconds of connected call
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub duration: Option<Duration>,
    /// Give up when not connected so many seconds after the answer. The answer itself may take 60 s of ringing (`call URL` waits no longer than a limit below 45), and with `paste` as long as it takes
    #[arg(long, value_name = "S", default_value = "45", value_parser = seconds)]
    pub timeout: Duration,
    /// Media only by this network interface (repeatable) [default: every usable one]
    #[arg(long, help_heading = NETWORK, value_name = "NAME")]
    pub interface: Vec<String>,
    /// One UDP port for the media of all calls, and TCP where calls come in [default: any free one]
    #[arg(long, help_heading = NETWORK, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub udp_port: Option<u16>,
    /// Don't look up the .local names that browsers hide their addresses behind
    #[arg(long, help_heading = NETWORK)]
    pub no_mdns: bool,
    /// Show random .local names instead of our own addresses; only this network can look them up
    #[arg(long, help_heading = NETWORK, conflicts_with = "no_mdns")]
    pub mdns_candidates: bool,
    /// How a call gets through a NAT.
    #[command(flatten, next_help_heading = NETWORK)]
    pub paths: PathOptions,
    /// Make the own network bad, both ways, repeatably:
    /// loss=10%,burst=3,delay=80ms,jitter=40ms,reorder=2%,dup=1%,seed=1. No media goes by TCP then,
    /// except to a TURN server by TCP or TLS, which is not made worse
    #[arg(long, help_heading = NETWORK, value_name = "HOW")]
    pub impair: Option<Impairment>,
}

/// Headings of the help.
const SOUND: &str = "Sound";
const NETWORK: &str = "Network";

/// A codec by the name that people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Codec {
    /// Opus (RFC 7587)
    Opus,
    /// G.722, 7 kHz of sound
    G722,
    /// G.711 mu-law
    Pcmu,
    /// G.711 A-law
    Pcma,
}

impl MediaOptions {
    /// The driver's settings, for whoever calls.
    #[must_use]
    pub fn driver(&self) -> driver::Options {
        driver::Options {
            peer: self.paths.apply(self.peer()),
            interfaces: self.interface.clone(),
            udp_port: self.udp_port.unwrap_or(0),
            tcp: Tcp::Connects,
            impair: self.impair,
            mdns: match (self.no_mdns, self.mdns_candidates) {
                (true, _) => Mdns::Off,
                (false, true) => Mdns::Hide,
                (false, false) => Mdns::On,
            },
            duration: self.duration,
            ..driver::Options::default()
        }
    }

    /// What a recording has.
    #[must_use]
    pub const fn channels(&self) -> Channels {
        if self.stereo { Channels::Stereo } else { Channels::Mono }
    }

    fn peer(&self) -> Config {
        let mut codecs = Vec::new();
        for codec in &self.codec {
            let name = match codec {
                Codec::Opus => CodecName::Opus,
                Codec::G722 => CodecName::G722,
                Codec::Pcmu => CodecName::Pcmu,
                Codec::Pcma => CodecName::Pcma,
            };
            if !codecs.contains(&name) {
                codecs.push(name);
            }
        }
        let default = Config::default();
        Config {
            codecs: if codecs.is_empty() { default.codecs } else { codecs },
            opus: OpusSettings {
                bitrate: self.bitrate,
                frame: Duration::from_millis(self.frame.parse().unwrap_or(20)),
                fec: !self.no_fec,
                dtx: self.dtx,
                stereo: self.stereo,
            },
            connect_timeout: self.timeout,
            ..default
        }
    }
}
