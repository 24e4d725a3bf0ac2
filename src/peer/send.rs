//! What we say: frames into payloads into packets, written where they will be sealed.
//!
//! ```text
//! buffer:  | header and extensions | payload, by the encoder | room for SRTP's tag |
//! ```
//! The header's length is the same for every packet of a description, so the encoder writes right behind
//! the place where the header will stand, and nothing is copied.

use rand::rngs::StdRng;

use crate::audio::{self, Channels, Codec, Dtx, Encoded, Encoder, Fec, Frame, PacketTime};
use crate::peer::config::{Microphone, OpusSettings};
use crate::peer::receive::Heard;
use crate::peer::silence;
use crate::peer::translate;
use crate::rtp::{
    AudioLevel, ExtensionIds, Extensions, Header, NoRoom, OwnSsrc, Packetizer, SequenceNumber, Ssrc,
};
use crate::sdp::{self, Agreed, OpusParameters};
use crate::time::Instant;

/// The stream that we send.
pub(super) struct Sender {
    own: OwnSsrc,
    pub(super) stream: Packetizer,
    format: Option<Format>,
    /// Every codec that they take, and their payload type for it.
    payload_types: Vec<(Codec, u8)>,
    mirror: Option<Mirror>,
    level: audio::AudioLevel,
    /// What came from the microphone, or whatever is in its place.
    pub(super) source: Heeded,
    pub(super) header_bytes: u64,
}

/// Sound that came in, sent or not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heeded {
    /// Samples per channel.
    pub(super) samples: u64,
    /// Sum over time of the squared level, in seconds.
    pub(super) energy: f64,
}

impl Heeded {
    /// Takes 10 ms; says how loud they are.
    fn add(&mut self, frame: &Frame) -> audio::AudioLevel {
        let rms = frame.rms();
        self.samples += audio::FRAME_SAMPLES as u64;
        self.energy += rms * rms * Frame::DURATION.as_secs_f64();
        audio::AudioLevel::from_rms(rms)
    }
}

/// How packets look, as long as one description holds.
struct Format {
    encoder: Encoder,
    codec: Codec,
    payload_type: u8,
    extensions: ExtensionIds,
    mid: Option<String>,
    header: usize,
}

/// How a received stream is numbered when it goes back: as it came, each number moved by the same.
#[derive(Clone, Copy)]
struct Mirror {
    source: Ssrc,
    numbers: u16,
    ticks: u32,
}

/// A payload that fits into 1,200 bytes with everything around it: no path fragments it.
const LONGEST_PAYLOAD: usize = 1_100;

impl Sender {
    pub(super) fn new(rng: &mut StdRng) -> Self {
        let own = OwnSsrc::new(rng);
        let stream = Packetizer::new(own.current(), rng);
        let level = audio::AudioLevel::SILENT;
        Self {
            own,
            stream,
            format: None,
            payload_types: Vec::new(),
            mirror: None,
            level,
            source: Heeded::default(),
            header_bytes: 0,
        }
    }

    pub(super) fn ssrc(&self) -> Ssrc {
        self.own.current()
    }

    /// Compares a source that we hear with our own.
    pub(super) fn check(&mut self, heard: Ssrc, rng: &mut StdRng) -> crate::rtp::Conflict {
        let conflict = self.own.check(heard, rng);
        if let crate::rtp::Conflict::Collision { new, .. } = conflict {
            self.stream.change_ssrc(new, rng);
            self.mirror = None;
        }
        conflict
    }

    /// What was agreed on holds from the next packet on.
    pub(super) fn configure(&mut self, agreed: &Agreed, opus: &OpusSettings) {
        let known = |agreed: &sdp::agreement::AgreedCodec| {
            (translate::audio_codec(agreed.codec), agreed.send_payload_type)
        };
        self.payload_types = agreed.codecs.iter().map(known).collect();
        let Some(first) = agreed.codecs.first() else { return };
        let codec = translate::audio_codec(first.codec);
        let settings = settings(codec, agreed, first.wishes, opus);
        let extensions = translate::extension_ids(agreed.extensions);
        let kept = self.format.take().filter(|format| *format.encoder.settings() == settings);
        let encoder = match kept {
            Some(format) => format.encoder,
            // Without memory for an encoder nothing is sent; the call can still be heard.
            None => match Encoder::new(&settings) {
                Ok(encoder) => encoder,
                Err(_) => return,
            },
        };
        let mut format = Format {
            encoder,
            codec: settings.codec,
            payload_type: first.send_payload_type,
            extensions,
            mid: agreed.mid.clone(),
            header: 0,
        };
        let mut scratch = [0; 64];
        let level = audio::AudioLevel::SILENT;
        let silent = format.header(format.payload_type, &self.stream, level, &mut scratch);
        format.header = silent.unwrap_or_default();
        self.format = Some(format);
    }

    /// The codec in use and its payload type.
    pub(super) fn codec(&self) -> Option<(Codec, u8)> {
        self.format.as_ref().map(|format| (format.codec, format.payload_type))
    }

    /// What the encoder aims at, bits per second.
    pub(super) fn target_bitrate(&self) -> u32 {
        self.format.as_ref().map_or(0, |format| match format.codec {
            Codec::Opus => format.encoder.settings().bitrate,
            Codec::G722 | Codec::Pcmu | Codec::Pcma => 64_000,
        })
    }

    /// Loudness of the latest frame.
    pub(super) fn level(&self) -> audio::AudioLevel {
        self.level
    }

    /// The far end loses so many packets of a hundred: FEC is made ready for that.
    pub(super) fn expect_loss(&mut self, percent: u8) {
        if let Some(format) = &mut self.format {
            format.encoder.set_expected_loss(percent);
        }
    }

    /// Takes 10 ms. Says whether a packet was appended to `buffer`.
    pub(super) fn push(&mut self, now: Instant, frame: &Frame, buffer: &mut Vec<u8>) -> bool {
        self.level = self.source.add(frame);
        let Some(format) = &mut self.format else { return false };
        let (begin, header) = (buffer.len(), format.header);
        buffer.resize(begin + header + LONGEST_PAYLOAD, 0);
        let (_, packet) = buffer.split_at_mut(begin);
        let (front, payload) = packet.split_at_mut(header);
        match format.encoder.encode(frame, payload) {
            Encoded::Packet { len, timestamp_units, level } => {
                if format.header(format.payload_type, &self.stream, level, front).is_err() {
                    return false;
                }
                self.header_bytes += format.header as u64;
                buffer.truncate(begin + header + len);
                self.stream.sent(now, len, timestamp_units);
                true
            }
            Encoded::Silence { timestamp_units } => {
                self.stream.skip(timestamp_units);
                false
            }
            Encoded::Gathering => false,
        }
    }

    /// Nobody wants these 10 ms: time goes on without a packet.
    pub(super) fn pass_over(&mut self, frame: &Frame) {
        self.level = self.source.add(frame);
        if let Some(format) = &self.format {
            let ten_ms = u32::try_from(audio::FRAME_SAMPLES).unwrap_or_default();
            self.stream.skip(format.codec.timestamp_units(ten_ms));
        }
    }

    /// Sends a received payload back as it is: what was lost, late or silent on the way here is so for
    /// them too. Says whether a packet was appended to `buffer`.
    pub(super) fn reflect(
        &mut self,
        now: Instant,
        heard: &Heard<'_>,
        microphone: Microphone,
        buffer: &mut Vec<u8>,
    ) -> bool {
        let known = self.payload_types.iter().find(|(codec, _)| *codec == heard.codec);
        let (Some(format), Some((_, payload_type))) = (&self.format, known) else { return false };
        let level = match microphone {
            Microphone::Open => heard.level.map_or(self.level, audio::AudioLevel::from_dbov),
            Microphone::Muted => audio::AudioLevel::SILENT,
        };
        let Header { ssrc: source, sequence_number: number, timestamp, .. } = heard.header;
        let mirror = self.mirror.filter(|mirror| mirror.source == source).unwrap_or(Mirror {
            source,
            numbers: self.stream.next_sequence_number().0.wrapping_sub(number.0),
            ticks: self.stream.timestamp().0.wrapping_sub(timestamp.0),
        });
        self.mirror = Some(mirror);
        self.stream.follow(
            SequenceNumber(number.0.wrapping_add(mirror.numbers)),
            timestamp.after(mirror.ticks),
        );
        let begin = buffer.len();
        buffer.resize(begin + format.header, 0);
        let (_, header) = buffer.split_at_mut(begin);
        if format.header(*payload_type, &self.stream, level, header).is_err() {
            return false;
        }
        let header = buffer.len();
        if microphone == Microphone::Open {
            buffer.extend_from_slice(heard.payload);
        } else if !silence::write(heard.codec, heard.ticks, buffer) {
            return false;
        }
        self.header_bytes += header as u64;
        self.stream.sent(now, buffer.len() - header, heard.ticks);
        true
    }
}

impl Format {
    fn header(
        &self,
        payload_type: u8,
        stream: &Packetizer,
        level: audio::AudioLevel,
        out: &mut [u8],
    ) -> Result<usize, NoRoom> {
        let level = AudioLevel { voice: level.dbov() < VOICE, below_overload: level.dbov() };
        let extensions = Extensions {
            mid: self.mid.as_ref().map(String::as_bytes),
            audio_level: Some(level),
            ..Extensions::default()
        };
        stream.header(payload_type, &extensions, &self.extensions, out)
    }
}

/// Louder than 50 dB below overload is taken for speech.
const VOICE: u8 = 50;

/// What we want, within what the other side wishes (RFC 7587 section 6.1).
fn settings(
    codec: Codec,
    agreed: &Agreed,
    wishes: OpusParameters,
    ours: &OpusSettings,
) -> audio::Settings {
    // Outside this range it is to be ignored (RFC 7587 section 6.1).
    let limit = wishes.max_average_bitrate.filter(|limit| (6_000..=510_000).contains(limit));
    let stereo = ours.stereo && wishes.stereo == Some(true);
    let fec = ours.fec && wishes.use_in_band_fec == Some(true);
    let dtx = ours.dtx || wishes.use_dtx == Some(true);
    let packet_time = PacketTime::at_most(agreed.ptime);
    let limit = limit.into_iter().chain(affordable(agreed, packet_time)).min();
    audio::Settings {
        packet_time,
        channels: if stereo { Channels::Stereo } else { Channels::Mono },
        bitrate: ours.bitrate.min(limit.unwrap_or(u32::MAX)),
        fec: if fec { Fec::On } else { Fec::Off },
        dtx: if dtx { Dtx::On } else { Dtx::Off },
        ..audio::Settings::new(codec)
    }
}

/// What is left for the codec of the bandwidth that the other side allows (`b=`), if it sets a limit:
/// every packet has its headers and its tag.
fn affordable(agreed: &Agreed, packet_time: PacketTime) -> Option<u32> {
    let (bits, around) = match agreed.remote.bandwidth? {
        sdp::Bandwidth::ApplicationSpecific(bits) => (bits, IP_AND_UDP + AROUND),
        sdp::Bandwidth::TransportIndependent(bits) => (bits, AROUND),
    };
    let packets = 1_000 / packet_time.millis().max(1);
    Some(bits.saturating_sub(packets * around * 8).max(LOWEST_BITRATE))
}

/// Bytes of an RTP header with our extensions and SRTP's longest tag.
const AROUND: u32 = 40;
/// Bytes of headers below (IPv4).
const IP_AND_UDP: u32 = 28;
/// Less than this is no speech (RFC 7587 section 3.1.1).
const LOWEST_BITRATE: u32 = 6_000;
