//! What the world is told about a call, as it happens.
//!
//! Each event is one JSON object `{"event": NAME, …}`; whoever passes it on puts the time and the call
//! in front. Names follow the W3C's where it has one (`RTCIceTransportState`, `RTCDtlsTransportState`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sdp::Direction;

/// Something that happened in a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Calls can come in at these addresses.
    Listening {
        /// Pages and endpoints, the most likely one first.
        urls: Vec<String>,
        /// The SHA-256 fingerprint of the certificate, with TLS.
        #[serde(skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
    },
    /// Our description, as a line for the other side to paste.
    Paste {
        /// All of it.
        line: String,
    },
    /// A call is waiting to be taken.
    Ringing,
    /// Both descriptions are there.
    Answered,
    /// Looking for own addresses.
    Gathering {
        /// How far that is.
        state: GatheringState,
    },
    /// An address at which a side may be reached.
    Candidate {
        /// Whose address it is.
        side: Side,
        /// The line as in SDP, without `a=`: `candidate:…`.
        candidate: String,
    },
    /// The state of connectivity checks changed.
    Ice {
        /// The new state.
        state: IceState,
    },
    /// The pair of addresses that the call uses from now on.
    Pair {
        /// Our candidate, as in SDP without `a=`.
        local: String,
        /// Theirs.
        remote: String,
        /// Round trip of the check that selected it, milliseconds.
        rtt: f64,
    },
    /// The state of the DTLS handshake changed.
    Dtls {
        /// The new state.
        state: DtlsState,
        /// What was agreed, once connected.
        #[serde(flatten, skip_serializing_if = "Option::is_none")]
        agreed: Option<DtlsAgreed>,
    },
    /// A pair is selected, DTLS is done, the certificate is the one the description promised.
    Connected {
        /// Milliseconds since the offer was made.
        ms: f64,
        /// The words that both ends show ([`crate::dtls_srtp::phrase`]). Computing them takes a while, so
        /// a peer leaves it to whoever runs it.
        #[serde(skip_serializing_if = "Option::is_none")]
        phrase: Option<String>,
    },
    /// A first: sound now flows this far.
    Media {
        /// What happened for the first time.
        first: MediaFirst,
        /// Milliseconds since the offer was made.
        ms: f64,
    },
    /// Figures of the running call, once a second.
    Stats(Figures),
    /// Our offer on the running call: whoever carries the signalling takes it to the other side, and brings
    /// its answer back.
    Offer {
        /// All of it.
        sdp: String,
        /// What it is made for.
        change: Change,
    },
    /// Media is to flow another way: hold, resume.
    Direction(Directions),
    /// No way to the other side answers any more, or the one in use was never agreed on. Whoever
    /// carries the descriptions restarts ICE ([`super::Peer::restart_ice`], then a new offer); told
    /// again after a while if nobody did.
    RestartNeeded,
    /// Something a person should know; the call goes on.
    Warning {
        /// What, in one line.
        text: String,
        /// What it is about, where a program may want to know.
        #[serde(skip_serializing_if = "Option::is_none")]
        about: Option<Concern>,
    },
    /// The other side's sound is there, after a warning that it is not.
    Heard {
        /// Milliseconds without it.
        after_ms: f64,
    },
    /// The call is over.
    Ended {
        /// In words.
        reason: String,
        /// Which kind of end.
        #[serde(flatten)]
        end: End,
        /// What would help, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        remedy: Option<Remedy>,
    },
}

impl Event {
    /// Something that a person should know, and no program.
    pub fn warning(text: impl Into<String>) -> Self {
        Self::Warning { text: text.into(), about: None }
    }
}

/// What a warning is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Concern {
    /// The other side is not heard, though its answers come.
    Silence,
}

/// What an offer on a running call changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Which way media flows; perhaps ICE begins anew, too.
    Direction,
    /// Nothing but that ICE begins anew.
    IceRestart,
}

/// Which way media is to flow (W3C `RTCRtpTransceiverDirection`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Directions {
    /// What we want, seen by us.
    pub local: Direction,
    /// What the other side wants, seen by itself: `sendonly` is to send to us.
    pub remote: Direction,
    /// What comes of both, seen by us (W3C `currentDirection`).
    pub current: Direction,
}

/// Whose candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Ours.
    Local,
    /// The other side's.
    Remote,
}

/// W3C `RTCIceGatheringState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GatheringState {
    /// Sockets are being opened.
    Gathering,
    /// No more candidates will come.
    Complete,
}

/// W3C `RTCIceTransportState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IceState {
    /// Nothing to check yet.
    #[default]
    New,
    /// Checking pairs.
    Checking,
    /// A pair works; better ones may follow.
    Connected,
    /// The pair to keep was chosen.
    Completed,
    /// Checks go unanswered for the moment.
    Disconnected,
    /// No pair works, or consent was lost.
    Failed,
    /// Over.
    Closed,
}

/// W3C `RTCDtlsTransportState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DtlsState {
    /// Waiting for a pair.
    #[default]
    New,
    /// The handshake runs.
    Connecting,
    /// Keys are there and the certificate matched.
    Connected,
    /// A side closed it.
    Closed,
    /// It broke; the `ended` event says how.
    Failed,
}

/// What a DTLS handshake agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DtlsAgreed {
    /// Such as `DTLSv1.2`.
    pub version: String,
    /// Such as `ECDHE-ECDSA-AES128-GCM-SHA256`.
    pub cipher: String,
    /// Such as `SRTP_AEAD_AES_128_GCM`.
    pub srtp_profile: String,
    /// Ours, as in SDP.
    pub local_fingerprint: String,
    /// Theirs, as in SDP.
    pub remote_fingerprint: String,
}

/// What happened for the first time in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaFirst {
    /// The first RTP packet left.
    PacketSent,
    /// The first RTP packet came and was authentic.
    PacketReceived,
    /// The first decoded sound was asked for and given.
    SoundPlayed,
}

/// The figures that a person looks at during a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Share of packets lost on the way to us within the last second, 0 to 1.
    pub loss: f64,
    /// Interarrival jitter, milliseconds (RFC 3550 section 6.4.1).
    pub jitter: f64,
    /// Round trip, milliseconds; none until a report or a check measured it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt: Option<f64>,
    /// Level of what we send, dBov (0 is the loudest, -127 silence).
    pub level_in: f64,
    /// Level of what we hear, dBov.
    pub level_out: f64,
    /// How long the jitter buffer holds a packet at present, milliseconds.
    pub jitter_buffer_delay: f64,
    /// Samples made up so far because no packet was there.
    pub concealed_samples: u64,
    /// Samples played so far.
    pub total_samples: u64,
    /// RTP packets so far.
    pub packets_sent: u64,
    /// RTP packets so far.
    pub packets_received: u64,
    /// Packets lost so far; duplicates can make it negative.
    pub packets_lost: i64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum End {
    /// We hung up.
    HungUp,
    /// The other side hung up.
    HungUpByPeer,
    /// It failed at this step.
    Failed {
        /// The layer that could not go on.
        step: Step,
    },
}

/// What would help a call that failed, as far as the evidence goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// A STUN server, which tells a side its address on the internet.
    StunServer,
    /// A TURN server, which passes packets on where nothing else does.
    TurnServer,
    /// The servers that were given are not of the help that they should be.
    CheckServers,
    /// A TURN server knows no such user, or another password.
    CheckPassword,
    /// Something stops UDP.
    OpenFirewall,
    /// A cable, a network, or the other side is gone.
    CheckNetwork,
    /// Names of a local network can be looked up only there.
    SameNetwork,
    /// The descriptions don't belong together.
    CallAgain,
}

/// The layer at which a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The two sides could not exchange or agree on descriptions.
    Signalling,
    /// No way through, or it was lost.
    Ice,
    /// The handshake failed, or the certificate is not the promised one.
    Dtls,
    /// Connected, and no sound.
    Media,
    /// The sound card.
    Audio,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signalling => "signalling",
            Self::Ice => "ice",
            Self::Dtls => "dtls",
            Self::Media => "media",
            Self::Audio => "audio",
        })
    }
}
