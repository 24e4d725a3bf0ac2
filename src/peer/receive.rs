//! What we hear: packets into the jitter buffer as they come, sound out of it as the loudspeaker wants it.
//!
//! One stream at a time is played. Another source takes its place when the old one has said goodbye or
//! has fallen silent; two that talk at once would be a conference, which is not what was agreed on.

use std::time::Duration;

use crate::audio::decode::{Counters, Input};
use crate::audio::{self, Channels, Codec, Decoder, Frame};
use crate::peer::translate;
use crate::rtp::jitter::{Incoming, JitterBuffer, Playout, Stats};
use crate::rtp::rtcp::{ReportBlock, SenderInfo};
use crate::rtp::{ExtensionIds, Extensions, Header, Packet, Reception, Ssrc};
use crate::sdp::Agreed;
use crate::time::Instant;

/// The stream that we play.
pub(super) struct Receiver {
    formats: Vec<(u8, Codec)>,
    extensions: ExtensionIds,
    /// The section's name: packets that name another are not ours to play.
    mid: Option<String>,
    stream: Option<Stream>,
    decoder: Option<Decoder>,
    level: audio::AudioLevel,
    /// Whether nothing is to come, as on hold: what is missing isn't lost, and what is left isn't heard.
    pub(super) rests: bool,
    /// Samples per channel that the listener fetched.
    pub(super) played: u64,
    pub(super) ignored: Ignored,
}

/// One source.
pub(super) struct Stream {
    pub(super) reception: Reception,
    pub(super) jitter: JitterBuffer,
    pub(super) payload_type: u8,
    has_left: bool,
}

/// Authentic packets that were not played, by reason.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ignored {
    /// Not RTP inside.
    pub(super) malformed: u64,
    /// Of a payload type that nobody agreed to.
    pub(super) unknown_format: u64,
    /// Of a section that was refused.
    pub(super) other_section: u64,
    /// Of a second source that talks beside the first.
    pub(super) other_source: u64,
}

/// A packet whose sound will be played.
pub(super) struct Heard<'a> {
    pub(super) header: Header,
    pub(super) payload: &'a [u8],
    pub(super) codec: Codec,
    /// How long it sounds, on its codec's clock.
    pub(super) ticks: u32,
    /// How loud its sender says it is.
    pub(super) level: Option<u8>,
}

/// Whether there was something to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Played {
    /// What a packet held.
    Sound,
    /// Silence, or something made up.
    Filling,
}

/// A source that was silent for so long gives way to another.
const SILENT_FOR: Duration = Duration::from_millis(200);

impl Receiver {
    pub(super) fn new(channels: Channels) -> Self {
        Self {
            formats: Vec::new(),
            extensions: ExtensionIds::default(),
            mid: None,
            stream: None,
            // Without memory for a decoder nothing is heard; the call can still be sent.
            decoder: Decoder::new(Codec::Opus, channels).ok(),
            level: audio::AudioLevel::SILENT,
            rests: false,
            played: 0,
            ignored: Ignored::default(),
        }
    }

    /// What was agreed on holds from the next packet on.
    pub(super) fn configure(&mut self, agreed: &Agreed) {
        let format = |agreed: &crate::sdp::agreement::AgreedCodec| {
            (agreed.receive_payload_type, translate::audio_codec(agreed.codec))
        };
        self.formats = agreed.codecs.iter().map(format).collect();
        self.extensions = translate::extension_ids(agreed.extensions);
        self.mid.clone_from(&agreed.mid);
    }

    /// Formats of our open offer, which may come before the answer does; the agreed ones keep their
    /// meaning.
    pub(super) fn expect_also(&mut self, offered: Vec<(u8, Codec)>) {
        for (payload_type, codec) in offered {
            if !self.formats.iter().any(|(known, _)| *known == payload_type) {
                self.formats.push((payload_type, codec));
            }
        }
    }

    /// Takes an opened packet. `None`: nothing in it will be played.
    pub(super) fn receive<'a>(&mut self, now: Instant, packet: &'a [u8]) -> Option<Heard<'a>> {
        let Ok(packet) = Packet::parse(packet) else {
            self.ignored.malformed += 1;
            return None;
        };
        let payload_type = packet.header.payload_type;
        let extensions = Extensions::read(&packet, &self.extensions);
        if let (Some(theirs), Some(ours)) = (extensions.mid, &self.mid)
            && theirs != ours.as_bytes()
        {
            self.ignored.other_section += 1; // the name decides (RFC 8843 section 9.2)
            return None;
        }
        let known = self.formats.iter().find(|(known, _)| *known == payload_type);
        let codec = known.map(|(_, codec)| *codec);
        let stream = self.stream_of(now, &packet, codec)?;
        let playing = codec.map_or(48_000, Codec::clock_rate);
        stream.reception.received(now, &packet, playing);
        let number = packet.header.sequence_number;
        let Some(codec) = codec.filter(|_| !packet.is_padding_only()) else {
            stream.jitter.insert_nothing(number); // neither sound nor loss
            self.ignored.unknown_format += u64::from(codec.is_none());
            return None;
        };
        stream.payload_type = payload_type;
        let level = extensions.audio_level;
        let format = translate::rtp_codec(codec);
        self.stream.as_mut()?.jitter.insert(
            now,
            &Incoming {
                sequence_number: number,
                timestamp: packet.header.timestamp,
                payload_type,
                codec: format,
                audio_level: level,
                payload: packet.payload,
            },
        );
        Some(Heard {
            header: packet.header,
            payload: packet.payload,
            codec,
            ticks: format.ticks(packet.payload).ok()?,
            level: level.map(|level| level.below_overload),
        })
    }

    /// The stream that a packet belongs to, if it is or becomes the one that we play.
    fn stream_of(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        codec: Option<Codec>,
    ) -> Option<&mut Stream> {
        let ssrc = packet.header.ssrc;
        let goes_on = self.stream.as_ref().is_some_and(|stream| stream.reception.ssrc() == ssrc);
        if !goes_on {
            let free = self.stream.as_ref().is_none_or(|stream| stream.gives_way(now));
            if codec.is_none() || !free {
                self.ignored.other_source += u64::from(codec.is_some());
                return None;
            }
            self.stream = Some(Stream {
                reception: Reception::new(now, packet),
                jitter: JitterBuffer::new(),
                payload_type: packet.header.payload_type,
                has_left: false,
            });
        }
        self.stream.as_mut()
    }

    /// The next 10 ms.
    pub(super) fn play(&mut self, now: Instant, frame: &mut Frame) -> Played {
        let mut played = Played::Filling;
        self.played += audio::FRAME_SAMPLES as u64;
        let (Some(decoder), Some(stream)) = (&mut self.decoder, &mut self.stream) else {
            frame.silence_it();
            return played;
        };
        if self.rests {
            stream.jitter.expect_silence();
        }
        while !decoder.take(frame) {
            let made = match stream.jitter.next(now) {
                Playout::Packet { payload, codec, duration, tempo, .. } => {
                    played = Played::Sound;
                    decoder.set_codec(translate::decoder_codec(codec));
                    let samples = samples(duration);
                    let made = decoder.decode(Input::Packet { payload, samples });
                    let longer = decoder.stretch(translate::tempo(tempo));
                    stream.jitter.stretched(now, longer);
                    made.saturating_add_signed(longer)
                }
                Playout::Fec { payload, duration, .. } => {
                    decoder.decode(Input::Fec { next: payload, samples: samples(duration) })
                }
                Playout::Missing { duration } => {
                    decoder.decode(Input::Missing { samples: samples(duration) })
                }
                Playout::Silence { duration } => {
                    decoder.decode(Input::Silence { samples: samples(duration) })
                }
            };
            if made == 0 {
                frame.silence_it();
                break;
            }
        }
        if self.rests {
            frame.silence_it();
        }
        self.level = frame.level();
        played
    }

    /// The block of our next report, if there is something to report on.
    pub(super) fn report(&mut self, now: Instant) -> Option<ReportBlock> {
        self.stream.as_mut().map(|stream| stream.reception.report(now))
    }

    /// A sender report of theirs.
    pub(super) fn sender_report(&mut self, now: Instant, ssrc: Ssrc, info: SenderInfo) {
        if let Some(stream) = &mut self.stream
            && stream.reception.ssrc() == ssrc
        {
            stream.reception.sender_report(now, info);
        }
    }

    /// A source of theirs leaves.
    pub(super) fn goodbye(&mut self, ssrc: Ssrc) {
        if let Some(stream) = &mut self.stream
            && stream.reception.ssrc() == ssrc
        {
            stream.has_left = true;
        }
    }

    pub(super) fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
    }

    pub(super) fn jitter_stats(&self) -> Stats {
        self.stream.as_ref().map(|stream| stream.jitter.stats()).unwrap_or_default()
    }

    /// What was decoded and what was made up.
    pub(super) fn counters(&self) -> Counters {
        self.decoder.as_ref().map(|decoder| *decoder.counters()).unwrap_or_default()
    }

    /// Loudness of the latest 10 ms.
    pub(super) fn level(&self) -> audio::AudioLevel {
        self.level
    }

    /// The codec of the latest packet.
    pub(super) fn codec(&self) -> Option<(Codec, u8)> {
        let payload_type = self.stream.as_ref()?.payload_type;
        let known = self.formats.iter().find(|(known, _)| *known == payload_type);
        known.map(|(payload_type, codec)| (*codec, *payload_type))
    }
}

impl Stream {
    fn gives_way(&self, now: Instant) -> bool {
        self.has_left || now - self.reception.last_packet_at() >= SILENT_FOR
    }
}

/// Samples at 48 kHz.
fn samples(duration: Duration) -> usize {
    usize::try_from(duration.as_micros() * 48 / 1_000).unwrap_or(audio::FRAME_SAMPLES)
}
