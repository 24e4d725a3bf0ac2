//! What a payload type means: `a=rtpmap`, `a=fmtp`, `a=rtcp-fb`, `a=extmap` (RFC 8866, 4585, 8285, 7587).
//!
//! ```text
//! m=audio 9 UDP/TLS/RTP/SAVPF 111 0        formats, best first
//! a=rtpmap:111 opus/48000/2                111 is Opus; its clock; its channels
//! a=fmtp:111 minptime=10;useinbandfec=1    what the writer of the line wishes to receive
//! a=rtcp-fb:111 transport-cc               reports it would send about 111
//! a=extmap:4 urn:…:sdes:mid                header extension 4 carries the mid
//! ```
//! Numbers below 35 or so are fixed for ever (RFC 3551: 0 is PCMU, 8 PCMA, 9 G722) and need no rtpmap;
//! one that is there counts all the same.

use std::fmt;

use super::agreement::HeaderExtension;
use super::lex::Reason;

/// A codec of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 6716, 7587.
    Opus,
    /// G.722: 16 kHz sound, but a clock of 8000 in SDP and RTP for history's sake (RFC 3551).
    G722,
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

/// (codec, name, clock rate, channels, the payload type we offer: for all but Opus the fixed one)
const CODECS: &[(Codec, &str, u32, u8, u8)] = &[
    (Codec::Opus, "opus", 48_000, 2, 111),
    (Codec::G722, "G722", 8_000, 1, 9),
    (Codec::Pcmu, "PCMU", 8_000, 1, 0),
    (Codec::Pcma, "PCMA", 8_000, 1, 8),
];

/// Payload types from here on mean nothing without an rtpmap (RFC 3551 section 6).
const FIRST_DYNAMIC: u8 = 35;

impl Codec {
    /// The codec that this line names.
    pub fn of(map: &RtpMap) -> Option<Self> {
        let found = CODECS.iter().find(|(_, name, clock_rate, channels, _)| {
            map.name.eq_ignore_ascii_case(name)
                && map.clock_rate == *clock_rate
                && map.channels == *channels
        })?;
        Some(found.0)
    }

    /// The codec of a fixed payload type.
    pub fn of_fixed(payload_type: u8) -> Option<Self> {
        let found = CODECS.iter().find(|row| row.4 == payload_type && row.4 < FIRST_DYNAMIC)?;
        Some(found.0)
    }

    /// The line that names this codec, under its usual payload type.
    pub fn rtp_map(self) -> RtpMap {
        let row = CODECS.iter().find(|row| row.0 == self);
        let (_, name, clock_rate, channels, payload_type) =
            row.copied().unwrap_or((self, "", 0, 0, 0));
        RtpMap { payload_type, name: name.to_owned(), clock_rate, channels }
    }

    /// Ticks a second of its RTP timestamps.
    pub fn clock_rate(self) -> u32 {
        CODECS.iter().find(|row| row.0 == self).map_or(8_000, |row| row.2)
    }
}

/// `a=rtpmap:111 opus/48000/2`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpMap {
    /// 0 to 127.
    pub payload_type: u8,
    /// Compared without case.
    pub name: String,
    /// Ticks a second.
    pub clock_rate: u32,
    /// 1 unless the line says more.
    pub channels: u8,
}

impl RtpMap {
    pub(super) fn parse(text: &str) -> Result<Self, Reason> {
        let rule = Reason::Invalid("rtpmap is `payload-type name/clock[/channels]`");
        let (payload_type, encoding) = text.split_once(' ').ok_or(rule)?;
        let mut parts = encoding.split('/');
        let name =
            parts.next().filter(|name| !name.is_empty() && !name.contains(' ')).ok_or(rule)?;
        let clock_rate = parts.next().and_then(digits).ok_or(rule)?;
        let channels = parts.next().map_or(Some(1), digits).ok_or(rule)?;
        if parts.next().is_some() {
            return Err(rule);
        }
        let payload_type = parse_payload_type(payload_type)?;
        Ok(Self { payload_type, name: name.to_owned(), clock_rate, channels })
    }
}

impl fmt::Display for RtpMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.payload_type, self.name, self.clock_rate)?;
        if self.channels != 1 {
            write!(f, "/{}", self.channels)?;
        }
        Ok(())
    }
}

/// `a=fmtp:111 minptime=10;useinbandfec=1`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fmtp {
    /// A payload type, or the format of something that isn't RTP.
    pub format: String,
    /// As they stand there: each codec has its own grammar.
    pub parameters: String,
}

/// `a=rtcp-fb:111 transport-cc`, `a=rtcp-fb:* nack pli`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtcpFeedback {
    /// `None` for `*`: all of the section.
    pub payload_type: Option<u8>,
    /// Such as `nack pli`.
    pub feedback: String,
}

impl RtcpFeedback {
    pub(super) fn parse(text: &str) -> Result<Self, Reason> {
        let (payload_type, feedback) =
            text.split_once(' ').ok_or(Reason::Invalid("rtcp-fb is `payload-type feedback`"))?;
        let payload_type = match payload_type {
            "*" => None,
            number => Some(parse_payload_type(number)?),
        };
        Ok(Self { payload_type, feedback: feedback.to_owned() })
    }
}

impl fmt::Display for RtcpFeedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload_type {
            Some(payload_type) => write!(f, "{payload_type} {}", self.feedback),
            None => write!(f, "* {}", self.feedback),
        }
    }
}

/// `a=extmap:4/sendonly urn:…`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtMap {
    /// 1 to 14 in one-byte form, to 255 in two-byte form; above 4095 an offer that asks for a number.
    pub id: u16,
    /// Whose packets carry it: all when it isn't said.
    pub direction: Option<super::Direction>,
    /// Which extension, then a space and its parameters, if it has any.
    pub uri: String,
}

impl ExtMap {
    pub(super) fn parse(text: &str) -> Result<Self, Reason> {
        let rule = Reason::Invalid("extmap is `id[/direction] uri`");
        let (id, uri) = text.split_once(' ').ok_or(rule)?;
        let (id, direction) = match id.split_once('/') {
            Some((id, direction)) => (id, Some(super::Direction::parse(direction).ok_or(rule)?)),
            None => (id, None),
        };
        let id = digits(id).filter(|id| *id > 0).ok_or(rule)?;
        Ok(Self { id, direction, uri: uri.to_owned() })
    }

    /// Whether it is about this extension, whatever its parameters (such as RFC 6464's `vad=on`).
    pub(super) fn is(&self, extension: HeaderExtension) -> bool {
        self.uri.split(' ').next() == Some(extension.uri())
    }
}

impl fmt::Display for ExtMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.direction {
            Some(direction) => write!(f, "{}/{direction} {}", self.id, self.uri),
            None => write!(f, "{} {}", self.id, self.uri),
        }
    }
}

/// What the writer of an Opus fmtp line wishes to receive (RFC 7587 section 6.1). `None`: not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpusParameters {
    /// Shortest packet, ms.
    pub min_ptime: Option<u32>,
    /// Highest sampling rate that is of use, Hz.
    pub max_playback_rate: Option<u32>,
    /// Highest average bitrate, bits a second.
    pub max_average_bitrate: Option<u32>,
    /// Prefers two channels.
    pub stereo: Option<bool>,
    /// Is likely to *send* two channels.
    pub sprop_stereo: Option<bool>,
    /// Can make use of in-band FEC.
    pub use_in_band_fec: Option<bool>,
    /// Prefers silence not to be sent.
    pub use_dtx: Option<bool>,
}

impl OpusParameters {
    /// Reads `name=value;name=value`; what is unknown or no number is skipped.
    pub fn parse(parameters: &str) -> Self {
        let mut read = Self::default();
        for parameter in parameters.split(';') {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            let Some(number) = digits::<u32>(value.trim()) else { continue };
            match name.trim() {
                "minptime" => read.min_ptime = Some(number),
                "maxplaybackrate" => read.max_playback_rate = Some(number),
                "maxaveragebitrate" => read.max_average_bitrate = Some(number),
                "stereo" => read.stereo = Some(number == 1),
                "sprop-stereo" => read.sprop_stereo = Some(number == 1),
                "useinbandfec" => read.use_in_band_fec = Some(number == 1),
                "usedtx" => read.use_dtx = Some(number == 1),
                _ => {}
            }
        }
        read
    }
}

impl fmt::Display for OpusParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameters = [
            ("minptime", self.min_ptime),
            ("maxplaybackrate", self.max_playback_rate),
            ("maxaveragebitrate", self.max_average_bitrate),
            ("stereo", self.stereo.map(u32::from)),
            ("sprop-stereo", self.sprop_stereo.map(u32::from)),
            ("useinbandfec", self.use_in_band_fec.map(u32::from)),
            ("usedtx", self.use_dtx.map(u32::from)),
        ];
        let mut separator = "";
        for (name, value) in parameters {
            if let Some(value) = value {
                write!(f, "{separator}{name}={value}")?;
                separator = ";";
            }
        }
        Ok(())
    }
}

pub(super) fn parse_payload_type(text: &str) -> Result<u8, Reason> {
    digits(text)
        .filter(|number| *number < 128)
        .ok_or(Reason::Invalid("a payload type is a number up to 127"))
}

/// A decimal number without sign.
pub(super) fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rtpmap_names_codec_clock_and_channels() {
        // rfc8866-6.6-1, rfc8866-5.13-1: names compare without case, channels default to 1
        let opus = RtpMap::parse("111 OPUS/48000/2").unwrap();
        assert_eq!(Codec::of(&opus), Some(Codec::Opus));
        assert_eq!(opus.to_string(), "111 OPUS/48000/2");
        let pcmu = RtpMap::parse("0 PCMU/8000/1").unwrap();
        assert_eq!(pcmu, RtpMap::parse("0 PCMU/8000").unwrap());
        assert_eq!(Codec::of(&pcmu), Some(Codec::Pcmu));
        let mono = RtpMap::parse("111 opus/48000").unwrap();
        assert_eq!(Codec::of(&mono), None, "Opus always has /2 in SDP (RFC 7587 section 7)");
    }

    #[test]
    fn a_broken_rtpmap_is_refused() {
        for text in
            ["111", "111 opus", "111 opus/48k", "128 opus/48000/2", "x opus/48000/2", "1 a/1/1/1"]
        {
            assert!(RtpMap::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_fixed_payload_types_speak_for_themselves() {
        assert_eq!(Codec::of_fixed(8), Some(Codec::Pcma));
        assert_eq!(Codec::of_fixed(111), None);
    }

    #[test]
    fn opus_wishes_are_read_and_written() {
        let text = "minptime=10;maxaveragebitrate=20000;stereo=1;useinbandfec=0;usedtx=1";
        let wishes = OpusParameters::parse(text);
        assert_eq!(wishes.to_string(), text);
        assert_eq!(wishes.use_in_band_fec, Some(false));
        let spaced = OpusParameters::parse("stereo=1; sprop-stereo=1; what=ever; cbr");
        assert_eq!(spaced.to_string(), "stereo=1;sprop-stereo=1");
    }

    #[test]
    fn an_extmap_may_have_a_direction() {
        for text in ["4 urn:ietf:params:rtp-hdrext:sdes:mid", "14/sendonly urn:a b=c"] {
            assert_eq!(ExtMap::parse(text).unwrap().to_string(), text);
        }
        assert!(ExtMap::parse("0 urn:a").is_err());
        assert!(ExtMap::parse("1/both urn:a").is_err());
    }
}
