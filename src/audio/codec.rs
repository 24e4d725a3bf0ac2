//! From frames to payloads: one encoder, whatever was agreed (RFC 7874 section 3: Opus, PCMU, PCMA; and
//! G.722, which older telephones have).
//!
//! [`Encoder::encode`] takes 10 ms at a time and answers with a packet's payload when enough of them
//! are there. It tells how far the RTP timestamp moves, since each codec counts on its own clock: Opus
//! at 48 kHz whatever it codes (RFC 7587 section 4.1), the others at 8 kHz.
//!
//! The libopus side is in `opus.rs`, that of the others in `bytewise.rs`. Read next: `decode.rs`.

use std::fmt;
use std::time::Duration;

use super::bytewise::{self, Coding};
use super::frame::{AudioLevel, Channels, FRAME_SAMPLES, Frame};
use super::g711::Law;
use super::opus;

/// The codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 6716, in RTP by RFC 7587.
    Opus,
    /// ITU-T G.722, 7 kHz of sound, RFC 3551 section 4.5.2.
    G722,
    /// G.711 mu-law, RFC 3551 section 4.5.14.
    Pcmu,
    /// G.711 A-law, RFC 3551 section 4.5.14.
    Pcma,
}

impl Codec {
    /// Units of the RTP timestamp per second. G.722's are 8,000 too, though it has 16,000 samples: the
    /// error of an early document that was kept (RFC 3551 section 4.5.2).
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 | Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// What the RTP timestamp moves by in `samples` samples at 48 kHz.
    #[must_use]
    pub const fn timestamp_units(self, samples: u32) -> u32 {
        match self {
            Self::Opus => samples,
            Self::G722 | Self::Pcmu | Self::Pcma => samples / 6,
        }
    }

    /// What its bytes mean, unless it is Opus.
    pub(super) const fn bytewise(self) -> Option<Coding> {
        match self {
            Self::Opus => None,
            Self::G722 => Some(Coding::G722),
            Self::Pcmu => Some(Coding::G711(Law::Mu)),
            Self::Pcma => Some(Coding::G711(Law::A)),
        }
    }
}

/// Sound per packet: 10 to 60 ms, in steps of 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketTime {
    frames: u8,
}

impl PacketTime {
    /// The usual 20 ms.
    pub const DEFAULT: Self = Self { frames: 2 };

    /// The longest that fits in `ms`, between 10 and 60: what to make of a wish (`ptime`).
    #[must_use]
    pub fn at_most(ms: u32) -> Self {
        Self { frames: u8::try_from(ms / 10).unwrap_or(6).clamp(1, 6) }
    }

    /// In milliseconds.
    #[must_use]
    pub const fn millis(self) -> u32 {
        self.frames as u32 * 10
    }

    /// As a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.frames as u64 * 10)
    }

    /// Samples per channel at 48 kHz.
    #[must_use]
    pub const fn samples(self) -> usize {
        self.frames as usize * FRAME_SAMPLES
    }

    /// Opus has no frames of 30 or 50 ms (RFC 6716 section 2.1.4): then the next shorter one.
    const fn for_opus(self) -> Self {
        match self.frames {
            3 => Self { frames: 2 },
            5 => Self { frames: 4 },
            _ => self,
        }
    }
}

impl Default for PacketTime {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Whether packets repeat the one before them at a lower quality (RFC 7587 section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fec {
    /// They do, once loss is expected.
    On,
    /// No bit is spent on it (the far end said `useinbandfec=0`).
    Off,
}

/// Whether silence is left out (RFC 7587 section 3.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtx {
    /// It is; about 2.5 packets a second remain.
    On,
    /// Every frame is sent.
    Off,
}

/// How to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The codec.
    pub codec: Codec,
    /// Sound per packet.
    pub packet_time: PacketTime,
    /// Opus: channels; the others have one.
    pub channels: Channels,
    /// Opus: bits per second on average, 6,000 to 510,000.
    pub bitrate: u32,
    /// Opus: in-band FEC.
    pub fec: Fec,
    /// Opus: how much loss FEC should be ready for, in percent.
    pub expected_loss: u8,
    /// Opus: leaving out silence.
    pub dtx: Dtx,
}

impl Settings {
    /// The defaults of the command line: 20 ms, 32 kbit/s, FEC, no DTX, mono.
    #[must_use]
    pub const fn new(codec: Codec) -> Self {
        Self {
            codec,
            packet_time: PacketTime::DEFAULT,
            channels: Channels::Mono,
            bitrate: 32_000,
            fec: Fec::On,
            expected_loss: 5,
            dtx: Dtx::Off,
        }
    }
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// It waits for the rest of its packet.
    Gathering,
    /// A payload is at the start of the caller's buffer.
    Packet {
        /// Its length.
        len: usize,
        /// What it moves the RTP timestamp by: that of the *next* packet.
        timestamp_units: u32,
        /// Loudness of what it holds, for RFC 6464.
        level: AudioLevel,
    },
    /// DTX: nothing needs to be sent, but the RTP timestamp moves on.
    Silence {
        /// By this much.
        timestamp_units: u32,
    },
}

/// Turns frames into payloads.
///
/// ```
/// use halloo::audio::{Channels, Codec, Encoded, Encoder, Frame, Settings};
/// let mut encoder = Encoder::new(&Settings::new(Codec::Pcmu))?;
/// let mut payload = [0; Encoder::MAX_PAYLOAD];
/// let frame = Frame::silence(Channels::Mono);
/// assert_eq!(encoder.encode(&frame, &mut payload), Encoded::Gathering);
/// let Encoded::Packet { len, timestamp_units, .. } = encoder.encode(&frame, &mut payload) else {
///     panic!("20 ms are there");
/// };
/// assert_eq!((len, timestamp_units), (160, 160));
/// # Ok::<(), halloo::audio::CodecError>(())
/// ```
pub struct Encoder {
    settings: Settings,
    machine: Machine,
    gathered: Frame,
    /// Interleaved samples of the packet so far (Opus), with room for 60 ms of stereo.
    waiting: Vec<f32>,
    /// Frames of the packet so far, and the sum of their squares.
    frames: u8,
    energy: f64,
}

enum Machine {
    Opus(opus::Encoder),
    Bytewise(Box<bytewise::Encoder>),
}

impl Encoder {
    /// Large enough for every payload: the longest Opus frame (RFC 6716 section 3.4, R2), three times
    /// for 60 ms.
    pub const MAX_PAYLOAD: usize = 3 * 1275 + 7;

    /// An encoder that has heard nothing yet.
    ///
    /// # Errors
    /// When libopus has no memory left.
    pub fn new(settings: &Settings) -> Result<Self, CodecError> {
        let mut settings = *settings;
        let machine = match settings.codec.bytewise() {
            None => {
                settings.packet_time = settings.packet_time.for_opus();
                Machine::Opus(opus::Encoder::new(&settings)?)
            }
            Some(coding) => {
                settings.channels = Channels::Mono;
                Machine::Bytewise(Box::new(bytewise::Encoder::new(coding)))
            }
        };
        Ok(Self {
            settings,
            machine,
            gathered: Frame::silence(settings.channels),
            waiting: Vec::with_capacity(settings.packet_time.samples() * settings.channels.count()),
            frames: 0,
            energy: 0.0,
        })
    }

    /// What is in force (the packet time may be shorter than asked for).
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Call with every 10 ms; a packet's payload is written to the start of `payload` when complete.
    /// A buffer that is too small gives shorter Opus packets, and no others.
    pub fn encode(&mut self, frame: &Frame, payload: &mut [u8]) -> Encoded {
        self.gathered.copy_from(frame);
        self.energy += self.gathered.energy();
        self.frames += 1;
        match &mut self.machine {
            Machine::Opus(_) => self.waiting.extend_from_slice(self.gathered.samples()),
            Machine::Bytewise(encoder) => encoder.encode(&self.gathered),
        }
        if self.frames < self.settings.packet_time.frames {
            return Encoded::Gathering;
        }
        self.packet(payload)
    }

    fn packet(&mut self, payload: &mut [u8]) -> Encoded {
        let samples = u32::from(self.frames) * 480;
        let timestamp_units = self.settings.codec.timestamp_units(samples);
        let level = AudioLevel::from_rms((self.energy / f64::from(samples)).sqrt());
        let len = match &mut self.machine {
            Machine::Opus(encoder) => encoder.encode(&self.waiting, payload),
            Machine::Bytewise(encoder) => encoder.packet(payload),
        };
        self.waiting.clear();
        (self.frames, self.energy) = (0, 0.0);
        match len {
            Some(len) => Encoded::Packet { len, timestamp_units, level },
            None => Encoded::Silence { timestamp_units },
        }
    }

    /// Opus: another average bit rate, from the next packet on.
    pub fn set_bitrate(&mut self, bits_per_second: u32) {
        self.settings.bitrate = bits_per_second;
        self.apply();
    }

    /// Opus: how much loss FEC should be ready for, in percent (the far end's report blocks tell).
    pub fn set_expected_loss(&mut self, percent: u8) {
        self.settings.expected_loss = percent.min(100);
        self.apply();
    }

    fn apply(&mut self) {
        if let Machine::Opus(encoder) = &mut self.machine {
            encoder.apply(&self.settings);
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// An encoder or decoder that could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("libopus: {0}")]
pub struct CodecError(pub &'static str);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Decoder, Source, decode::Input};

    /// Noise with a melody: the hardest there is to code. Bits a second, and whether any packet was
    /// stereo.
    fn encoded(encoder: &mut Encoder, seconds: usize) -> (usize, bool) {
        let mut frame = Frame::silence(Channels::Stereo);
        let mut payload = [0; Encoder::MAX_PAYLOAD];
        let (mut bytes, mut stereo, mut random) = (0, false, 1_u32);
        for _ in 0..seconds * 100 {
            for (n, sample) in frame.samples_mut().iter_mut().enumerate() {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (random >> 8) as f32 / (1 << 24) as f32 - 0.5;
                *sample = 0.2 * noise + 0.4 * (n as f32 / 40.0).sin();
            }
            if let Encoded::Packet { len, .. } = encoder.encode(&frame, &mut payload) {
                bytes += len;
                stereo |= payload[0] & 4 != 0; // RFC 6716 section 3.1
            }
        }
        (bytes * 8 / seconds, stereo)
    }

    /// rfc7587-7.1-1
    #[test]
    fn the_bit_rate_is_kept_on_average_and_can_change_while_running() {
        let mut encoder = Encoder::new(&Settings::new(Codec::Opus)).unwrap();
        encoded(&mut encoder, 1);
        for bitrate in [32_000, 16_000, 64_000, 6_000] {
            encoder.set_bitrate(bitrate);
            encoded(&mut encoder, 1);
            let (sent, _) = encoded(&mut encoder, 5);
            let most = bitrate as usize * 105 / 100;
            assert!(sent <= most, "{sent} bits a second with {bitrate}");
            assert!(sent * 2 > bitrate as usize, "{sent} bits a second with {bitrate}");
        }
    }

    /// rfc7587-7.1-1
    #[test]
    fn stereo_is_only_sent_when_agreed() {
        let mut settings = Settings::new(Codec::Opus);
        assert!(!encoded(&mut Encoder::new(&settings).unwrap(), 1).1);
        (settings.channels, settings.bitrate) = (Channels::Stereo, 96_000);
        assert!(encoded(&mut Encoder::new(&settings).unwrap(), 1).1);
        settings.codec = Codec::Pcmu;
        let encoder = Encoder::new(&settings).unwrap();
        assert_eq!(encoder.settings().channels, Channels::Mono, "G.711 has no other");
    }

    /// rfc7587-4.2-1, rfc7587-4.1-1
    #[test]
    fn a_payload_is_one_opus_packet_of_the_time_that_the_timestamp_moves() {
        for ms in [10, 20, 40, 60] {
            let mut settings = Settings::new(Codec::Opus);
            settings.packet_time = PacketTime::at_most(ms);
            let mut encoder = Encoder::new(&settings).unwrap();
            let mut decoder = Decoder::new(Codec::Opus, Channels::Mono).unwrap();
            let (frame, mut payload) = (Frame::silence(Channels::Mono), [0; Encoder::MAX_PAYLOAD]);
            for number in 1..=60 / 10 {
                let encoded = encoder.encode(&frame, &mut payload);
                let Encoded::Packet { len, timestamp_units, level } = encoded else {
                    assert!(number * 10 % ms != 0, "{ms} ms");
                    continue;
                };
                let samples =
                    decoder.decode(Input::Packet { payload: &payload[..len], samples: 5_760 });
                assert_eq!((samples, timestamp_units), (ms as usize * 48, ms * 48));
                assert_eq!(level, AudioLevel::SILENT);
            }
        }
    }

    #[test]
    fn packet_times_are_what_fits() {
        for (wished, ms, opus_ms) in
            [(0, 10, 10), (19, 10, 10), (30, 30, 20), (55, 50, 40), (120, 60, 60)]
        {
            let time = PacketTime::at_most(wished);
            assert_eq!((time.millis(), time.for_opus().millis()), (ms, opus_ms));
        }
    }

    #[test]
    fn a_buffer_that_is_too_small_gives_no_broken_packet() {
        let mut encoder = Encoder::new(&Settings::new(Codec::Pcma)).unwrap();
        let frame = Frame::silence(Channels::Mono);
        encoder.encode(&frame, &mut [0; 100]);
        assert_eq!(
            encoder.encode(&frame, &mut [0; 100]),
            Encoded::Silence { timestamp_units: 160 }
        );
    }

    /// A caller keeps no buffer for a packet that is not complete yet.
    #[test]
    fn each_frame_may_come_with_a_buffer_of_its_own() {
        for codec in [Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma] {
            let settings = Settings::new(codec);
            let mut encoder = Encoder::new(&settings).unwrap();
            let mut decoder = Decoder::new(codec, Channels::Mono).unwrap();
            let mut tone = Source::tone(440.0);
            let mut frame = Frame::silence(Channels::Mono);
            let mut levels = Vec::new();
            for _ in 0..20 {
                tone.next(&mut frame);
                let mut payload = [0; 400];
                if let Encoded::Packet { len, .. } = encoder.encode(&frame, &mut payload) {
                    decoder.decode(Input::Packet { payload: &payload[..len], samples: 960 });
                }
                if decoder.take(&mut frame) {
                    levels.push(frame.level().dbov());
                }
            }
            let last = levels.last().copied().unwrap();
            assert!((12..=15).contains(&last), "{codec:?}: -13.5 dBov went in, -{last} came out");
        }
    }
}
