//! What we can do, what both sides agreed on, and why they could not.
//!
//! ```text
//! Capabilities + their offer  --answer::choose-->  Agreed or Refusal
//! our offer + their answer    --answer::read---->  Agreed or Refusal
//! ```
//! [`Agreed`] is the same for both ends of the exchange: everything is said from our side of the call,
//! so that nobody above asks who offered.

use super::candidate::Candidate;
use super::codec::{Codec, OpusParameters};
use super::value::{Bandwidth, Direction, Fingerprint, Msid};

/// What we would do, before the other side is asked.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// Codecs, the one we like best first.
    pub codecs: Vec<Codec>,
    /// Whose order of codecs counts in our answers.
    pub preference: Preference,
    /// Whether keys pressed are taken as RFC 4733 events.
    pub telephone_event: bool,
    /// Which way media may flow.
    pub direction: Direction,
    /// Header extensions that we write or read.
    pub extensions: Vec<HeaderExtension>,
    /// RTCP feedback that we really send, such as `transport-cc`.
    pub feedback: Vec<String>,
    /// What we wish an Opus sender to do.
    pub opus: OpusParameters,
    /// The packet length that we prefer, ms: one of [`PACKET_LENGTHS`].
    pub ptime: u32,
    /// The longest packet that we take, ms.
    pub max_ptime: u32,
    /// ICE options that our agent follows.
    pub ice_options: Vec<String>,
    /// Which offered sections may have a transport of their own.
    pub bundle_policy: BundlePolicy,
    /// Our role in a DTLS association that goes on: a later exchange has to keep it.
    pub dtls_role: Option<DtlsRole>,
}

/// Packet lengths that we send, ms.
pub const PACKET_LENGTHS: [u32; 4] = [10, 20, 40, 60];

impl Default for Capabilities {
    fn default() -> Self {
        let opus = OpusParameters {
            min_ptime: Some(10),
            use_in_band_fec: Some(true),
            ..OpusParameters::default()
        };
        Self {
            codecs: vec![Codec::Opus, Codec::Pcmu, Codec::Pcma],
            preference: Preference::Theirs,
            telephone_event: true,
            direction: Direction::SendRecv,
            extensions: vec![HeaderExtension::Mid, HeaderExtension::AudioLevel],
            feedback: Vec::new(),
            opus,
            ptime: 20,
            max_ptime: 60,
            ice_options: vec!["trickle".into(), "ice2".into(), "renomination".into()],
            bundle_policy: BundlePolicy::MaxCompat,
            dtls_role: None,
        }
    }
}

/// Whose order of codecs counts (RFC 9429 section 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// The offer's: the usual way.
    Theirs,
    /// Ours: somebody asked for these codecs in this order.
    Ours,
}

/// Which offered sections may be accepted outside a bundle (RFC 9429 section 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundlePolicy {
    /// Only the first live section of its kind, or what is bundled with it.
    Balanced,
    /// Any.
    MaxCompat,
    /// Only the first live section of all, or what is bundled with it.
    MaxBundle,
}

/// RTP header extensions that we know (RFC 8285).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderExtension {
    /// Which section a packet belongs to (RFC 8843 section 15.2).
    Mid,
    /// How loud a packet is (RFC 6464).
    AudioLevel,
    /// When a packet was sent, by the sender's clock.
    AbsSendTime,
    /// Its number over all streams, to be reported back.
    TransportCc,
}

impl HeaderExtension {
    /// The name in `a=extmap`.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Self::TransportCc => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
        }
    }
}

/// The number of each header extension in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// See [`HeaderExtension::Mid`].
    pub mid: Option<u8>,
    /// See [`HeaderExtension::AudioLevel`].
    pub audio_level: Option<u8>,
    /// See [`HeaderExtension::AbsSendTime`].
    pub abs_send_time: Option<u8>,
    /// See [`HeaderExtension::TransportCc`].
    pub transport_cc: Option<u8>,
}

impl ExtensionIds {
    pub(super) fn of(&self, extension: HeaderExtension) -> Option<u8> {
        match extension {
            HeaderExtension::Mid => self.mid,
            HeaderExtension::AudioLevel => self.audio_level,
            HeaderExtension::AbsSendTime => self.abs_send_time,
            HeaderExtension::TransportCc => self.transport_cc,
        }
    }

    pub(super) fn set(&mut self, extension: HeaderExtension, id: u8) {
        let slot = match extension {
            HeaderExtension::Mid => &mut self.mid,
            HeaderExtension::AudioLevel => &mut self.audio_level,
            HeaderExtension::AbsSendTime => &mut self.abs_send_time,
            HeaderExtension::TransportCc => &mut self.transport_cc,
        };
        slot.get_or_insert(id);
    }
}

/// Our part in the DTLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsRole {
    /// We begin: `setup:active`.
    Client,
    /// They begin: `setup:passive`.
    Server,
}

/// What both sides now know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The section, by its place.
    pub section: usize,
    /// The section, by its name.
    pub mid: Option<String>,
    /// Codecs of both; we send with the first, and take packets of all.
    pub codecs: Vec<AgreedCodec>,
    /// Payload types of keys pressed, one for each clock rate.
    pub telephone_events: Vec<AgreedTelephoneEvent>,
    /// Which way media flows, seen by us.
    pub direction: Direction,
    /// Numbers of the header extensions, the same both ways.
    pub extensions: ExtensionIds,
    /// Whether an RTCP packet may travel alone (RFC 5506).
    pub rtcp_rsize: bool,
    /// Our part in the DTLS handshake.
    pub dtls_role: DtlsRole,
    /// How long our packets are, ms.
    pub ptime: u32,
    /// What the other side told about itself.
    pub remote: Remote,
}

impl Agreed {
    /// Whether we may send a kind of RTCP feedback, such as `transport-cc`.
    pub fn has_feedback(&self, feedback: &str) -> bool {
        self.codecs.iter().any(|codec| codec.feedback.iter().any(|agreed| agreed == feedback))
    }

    /// Whether the other side began ICE anew since `before`: both ufrag and password are new (RFC 8839
    /// section 4.4.1.1.1).
    pub fn restarts_ice(&self, before: &Self) -> bool {
        self.remote.ice_ufrag != before.remote.ice_ufrag
            && self.remote.ice_pwd != before.remote.ice_pwd
    }
}

/// A codec of both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedCodec {
    /// Which.
    pub codec: Codec,
    /// Its number in packets that we send: theirs (RFC 3264 section 6.1).
    pub send_payload_type: u8,
    /// Its number in packets that we receive: ours.
    pub receive_payload_type: u8,
    /// What they wish us to do when we send Opus: their `stereo`, `usedtx`, `maxaveragebitrate` and so on.
    pub wishes: OpusParameters,
    /// RTCP feedback that we send about it.
    pub feedback: Vec<String>,
}

/// Keys pressed (RFC 4733).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgreedTelephoneEvent {
    /// Number in packets that we send.
    pub send_payload_type: u8,
    /// Number in packets that we receive.
    pub receive_payload_type: u8,
    /// That of the codec beside it.
    pub clock_rate: u32,
}

/// What the other side told about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Which way it wants media to flow, seen by itself.
    pub direction: Direction,
    /// Its ICE user name fragment.
    pub ice_ufrag: String,
    /// Its ICE password.
    pub ice_pwd: String,
    /// Whether it only answers checks.
    pub ice_lite: bool,
    /// Its ICE options, such as `trickle`, `ice2`, `renomination`.
    pub ice_options: Vec<String>,
    /// Its addresses so far; component 1 only, for RTCP shares it.
    pub candidates: Vec<Candidate>,
    /// Whether that was all of them.
    pub end_of_candidates: bool,
    /// Hashes of its certificate, by algorithms that are still to be trusted.
    pub fingerprints: Vec<Fingerprint>,
    /// The first source that it sends from, where it says so.
    pub ssrc: Option<u32>,
    /// The name of its clock.
    pub cname: Option<String>,
    /// Its stream and track.
    pub msid: Option<Msid>,
    /// The packet length that it prefers, ms.
    pub ptime: Option<u32>,
    /// The longest packet that it takes, ms.
    pub max_ptime: Option<u32>,
    /// The most that it wants to be sent.
    pub bandwidth: Option<Bandwidth>,
}

impl Remote {
    /// Whether an ICE option is announced.
    pub fn has_ice_option(&self, option: &str) -> bool {
        self.ice_options.iter().any(|announced| announced == option)
    }
}

/// Why there is no agreement. The call goes on as it was (RFC 9429 section 5.10).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No `m=audio` at all.
    #[error("there is no audio section")]
    NoAudio,
    /// There is audio, but we can't use it; the first one's reason.
    #[error("audio section {section} is of no use: {why}")]
    Unusable {
        /// Its place among the `m=` lines.
        section: usize,
        /// What is in the way.
        why: Obstacle,
    },
    /// An answer needs as many sections as its offer (RFC 3264 section 6).
    #[error("the answer has {answered} sections, the offer {offered}")]
    SectionCount {
        /// In our offer.
        offered: usize,
        /// In their answer.
        answered: usize,
    },
    /// A section of the answer is of another kind, transport or name than the one offered.
    #[error("section {section} of the answer is not the one that was offered")]
    OtherSection {
        /// Its place.
        section: usize,
    },
}

/// What makes an audio section useless.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// It was refused or stopped.
    #[error("its port is 0")]
    PortZero,
    /// It isn't RTP over DTLS.
    #[error("its transport is {0}, not UDP/TLS/RTP/SAVPF")]
    Protocol(String),
    /// The bundle policy wants it bundled with another.
    #[error("it is not bundled with the first section")]
    NotBundled,
    /// No codec of ours.
    #[error("it has no codec of ours")]
    NoCodec,
    /// No ufrag or password.
    #[error("it has no ice-ufrag and ice-pwd")]
    NoIce,
    /// RTP and RTCP would need two ports.
    #[error("it has no rtcp-mux")]
    NoRtcpMux,
    /// No fingerprint.
    #[error("it has no fingerprint")]
    NoFingerprint,
    /// Only fingerprints that can be forged (RFC 8122 section 5).
    #[error("its fingerprint is not sha-256, sha-384 or sha-512")]
    WeakFingerprint,
    /// A `setup` that leads to no handshake.
    #[error("its setup leads to no DTLS handshake")]
    Setup,
    /// The DTLS roles would change although the association goes on (RFC 8842 section 5.5).
    #[error("its setup changes the DTLS role of a running call")]
    RoleChanged,
}
