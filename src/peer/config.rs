//! What one call is to be like.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::audio::Channels;
pub use crate::audio::Codec as CodecName;
use crate::ice;
use crate::time::NtpTime;

/// Settings of one [`super::Peer`].
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What we offer and accept, in order of preference.
    pub codecs: Vec<CodecName>,
    /// The Opus encoder.
    pub opus: OpusSettings,
    /// What is sent: frames given by [`super::Input::Audio`], or what is received.
    pub sending: Sending,
    /// The call fails when it is not connected this long after both descriptions were there.
    /// More than [`Config::CONNECT_TIMEOUT`]: the other side may come late, so checks go on until then.
    pub connect_timeout: Duration,
    /// `.local` names that are shown instead of our addresses; whoever has a name sees it resolved by mDNS.
    pub hidden: BTreeMap<IpAddr, String>,
    /// Servers that help to find a way. Whoever runs the peer resolves their names, opens the sockets, and
    /// tells it by [`super::Input`].
    pub servers: Vec<ice::Server>,
    /// Who we are to TURN servers.
    pub relay_user: Option<ice::RelayUser>,
    /// Which candidates are shown and used.
    pub policy: ice::Policy,
    /// Addresses at which we can be reached beside our own.
    pub public_addresses: Vec<IpAddr>,
    /// Wall-clock time at [`crate::time::Instant::ZERO`], for sender reports and statistics.
    pub wall_clock: NtpTime,
}

/// The Opus encoder's settings, as far as a person chooses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusSettings {
    /// Bits per second.
    pub bitrate: u32,
    /// Length of a packet: 10, 20, 40 or 60 ms. Also what is asked of the other side (`ptime`).
    pub frame: Duration,
    /// In-band forward error correction.
    pub fec: bool,
    /// Hardly any packets in silence.
    pub dtx: bool,
    /// Two channels.
    pub stereo: bool,
}

/// Where what we send comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// From frames that the caller of [`super::Peer`] hands in.
    Frames,
    /// Each received packet's payload goes back at once, not decoded.
    Reflect,
}

/// Whether we are heard. Packets go on either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Microphone {
    /// What is sent is what there is.
    #[default]
    Open,
    /// Silence goes out instead.
    Muted,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            codecs: vec![CodecName::Opus, CodecName::G722, CodecName::Pcmu, CodecName::Pcma],
            opus: OpusSettings::default(),
            sending: Sending::Frames,
            connect_timeout: Self::CONNECT_TIMEOUT,
            hidden: BTreeMap::new(),
            servers: Vec::new(),
            relay_user: None,
            policy: ice::Policy::All,
            public_addresses: Vec::new(),
            wall_clock: NtpTime::from_unix(Duration::ZERO),
        }
    }
}

impl Config {
    /// For two sides that are both there.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(45);

    /// How long ICE checks. Where nobody is late, it need not take all the time there is.
    pub(super) fn ice_patience(&self) -> Duration {
        let usual = self.connect_timeout <= Self::CONNECT_TIMEOUT;
        if usual { self.connect_timeout.min(ice::Config::PATIENCE) } else { self.connect_timeout }
    }
}

impl Default for OpusSettings {
    fn default() -> Self {
        Self {
            bitrate: 32_000,
            frame: Duration::from_millis(20),
            fec: true,
            dtx: false,
            stereo: false,
        }
    }
}

impl OpusSettings {
    /// How many channels we encode and play.
    #[must_use]
    pub const fn channels(&self) -> Channels {
        if self.stereo { Channels::Stereo } else { Channels::Mono }
    }
}
