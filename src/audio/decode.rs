//! From payloads to samples, and something to play where no payload is.
//!
//! The jitter buffer says what is there; [`Decoder::decode`] makes sound of it, however long the packet
//! is; [`Decoder::take`] hands it out 10 ms at a time:
//! ```text
//! Packet        decoded; one that can't be counts as Missing (RFC 6716 section 3.4)
//! Fec           the packet after the missing one, if it repeats that (RFC 7587 section 3.3)
//! Missing       made up from what was heard: libopus' own way, conceal.rs for the others
//! Silence       the sender pauses (DTX): background noise, not loss
//! ComfortNoise  what that noise is like (RFC 3389, G.711 only)
//! ```
//! Where the delay should change, [`Decoder::stretch`] makes what a packet held a little shorter or longer.
//! Figures have the names of W3C webrtc-stats. Comes from `rtp::jitter` by way of `peer/receive.rs`, goes
//! to [`super::mix`] or [`super::sink`]. Read next: `conceal.rs`, `stretch.rs`.

use std::fmt;

use super::bytewise;
use super::codec::{Codec, CodecError};
use super::decimate::Rate;
use super::frame::{Channels, FRAME_SAMPLES, Frame, SAMPLE_RATE};
use super::opus;
use super::stretch::{self, Tempo};

/// What the jitter buffer found. It has looked at payloads from outside: how long they sound, whether
/// they repeat the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// It is its turn.
    Packet {
        /// The payload.
        payload: &'a [u8],
        /// How long it sounds, in samples per channel at 48 kHz.
        samples: usize,
    },
    /// It is missing, but the payload after it is here and repeats it.
    Fec {
        /// That payload.
        next: &'a [u8],
        /// How much is missing, in samples per channel at 48 kHz.
        samples: usize,
    },
    /// It is missing.
    Missing {
        /// How much, in samples per channel at 48 kHz.
        samples: usize,
    },
    /// Nothing was sent: a pause.
    Silence {
        /// How much of it to fill, in samples per channel at 48 kHz.
        samples: usize,
    },
    /// A payload of comfort noise.
    ComfortNoise(&'a [u8]),
}

/// How much was played and how much of it was made up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    /// Samples per channel, made-up ones included.
    pub total_samples_received: u64,
    /// Those made up because a packet was missing (a pause or FEC is not that).
    pub concealed_samples: u64,
    /// Those of them that are silent.
    pub silent_concealed_samples: u64,
    /// Times that making up began.
    pub concealment_events: u64,
    /// Packets restored from the FEC in the one after them.
    pub fec_packets: u64,
    /// Packets that could not be decoded.
    pub malformed_packets: u64,
    /// Sum over time of the squared level, in seconds.
    pub total_audio_energy: f64,
}

impl Counters {
    /// W3C `totalSamplesDuration`, in seconds.
    #[must_use]
    pub fn total_samples_duration(&self) -> f64 {
        self.total_samples_received as f64 / f64::from(SAMPLE_RATE)
    }
}

/// Turns payloads into frames, with the number of channels that the listener has.
///
/// ```
/// use halloo::audio::{Channels, Codec, Decoder, Frame, decode::Input};
/// let mut decoder = Decoder::new(Codec::Pcmu, Channels::Mono)?;
/// let mut frame = Frame::silence(Channels::Mono);
/// assert!(!decoder.take(&mut frame));
/// assert_eq!(decoder.decode(Input::Packet { payload: &[0xff; 160], samples: 960 }), 960);
/// assert!(decoder.take(&mut frame) && decoder.take(&mut frame));
/// # Ok::<(), halloo::audio::CodecError>(())
/// ```
pub struct Decoder {
    codec: Codec,
    channels: Channels,
    opus: opus::Decoder,
    narrow: bytewise::Decoder,
    wide: bytewise::Decoder,
    /// Decoded and not yet taken, from `taken` on; before it, what was heard last. Room for the longest
    /// packet is made once.
    ready: Vec<f32>,
    taken: usize,
    /// So much of the end of `ready` is what the latest packet held, and may still be stretched.
    stretchable: usize,
    heard_any: bool,
    /// Samples per channel since the last packet.
    unheard: usize,
    concealing: bool,
    counters: Counters,
}

/// Where samples come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Received,
    Pause,
    MadeUp,
}

impl Decoder {
    /// A decoder that has heard nothing yet.
    ///
    /// # Errors
    /// When libopus has no memory left.
    pub fn new(codec: Codec, channels: Channels) -> Result<Self, CodecError> {
        Ok(Self {
            codec,
            channels,
            opus: opus::Decoder::new(channels)?,
            narrow: bytewise::Decoder::new(Rate::Khz8, channels),
            wide: bytewise::Decoder::new(Rate::Khz16, channels),
            ready: Vec::with_capacity(MOST_READY * channels.count()),
            taken: 0,
            stretchable: 0,
            heard_any: false,
            unheard: 0,
            concealing: false,
            counters: Counters::default(),
        })
    }

    /// From the next packet on they are of another codec (the payload type changed). Counting goes on.
    pub fn set_codec(&mut self, codec: Codec) {
        self.codec = codec;
    }

    /// The codec of the packets.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// What was played so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Makes sound; call when [`Self::take`] has no whole frame. Answers how many samples per channel
    /// there are more: a packet's length, or what was asked for in whole steps of 2.5 ms.
    pub fn decode(&mut self, input: Input<'_>) -> usize {
        self.stretchable = 0;
        match input {
            Input::Packet { payload, samples } => self.packet(payload, samples.min(MAX_SAMPLES)),
            Input::Fec { next, samples } => self.fec(next, whole_steps(samples)),
            Input::Missing { samples } => self.missing(whole_steps(samples)),
            Input::Silence { samples } => self.pause(whole_steps(samples)),
            Input::ComfortNoise(payload) => {
                if self.narrow.describe_noise(payload).is_err() {
                    self.counters.malformed_packets += 1;
                }
                self.pause(FRAME_SAMPLES)
            }
        }
    }

    /// Makes what [`Self::decode`] just made of a packet shorter or longer by one cycle, if it repeats itself;
    /// call before any of it is taken. Answers by how many samples per channel it is longer now; below 0,
    /// shorter. What was received is counted as it was.
    pub fn stretch(&mut self, tempo: Tempo) -> isize {
        let start = self.ready.len() - self.stretchable;
        if std::mem::take(&mut self.stretchable) == 0 || self.taken > start {
            return 0;
        }
        stretch::stretch(&mut self.ready, start, self.channels, tempo)
    }

    /// The next 10 ms, if there are as many; else `frame` stays as it is.
    pub fn take(&mut self, frame: &mut Frame) -> bool {
        let end = self.taken + FRAME_SAMPLES * self.channels.count();
        let Some(samples) = self.ready.get(self.taken..end) else { return false };
        frame.set_channels(self.channels);
        frame.samples_mut().copy_from_slice(samples);
        self.taken = end;
        true
    }

    /// Samples per channel that wait to be taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        (self.ready.len() - self.taken) / self.channels.count()
    }

    fn packet(&mut self, payload: &[u8], samples: usize) -> usize {
        let coding = self.codec.bytewise();
        let made = self.make(samples, |opus, bytewise, out| match coding {
            None => opus.decode(payload, out),
            Some(coding) => bytewise.decode(coding, payload, out),
        });
        let Some(made) = made else {
            self.counters.malformed_packets += 1;
            return self.missing(whole_steps(samples));
        };
        self.heard_any = true;
        self.unheard = 0;
        self.stretchable = made * self.channels.count();
        self.count(made, Origin::Received)
    }

    fn fec(&mut self, next: &[u8], samples: usize) -> usize {
        if self.codec != Codec::Opus || !self.heard_any {
            return self.missing(samples);
        }
        match self.make(samples, |opus, _, out| opus.decode_fec(next, out)) {
            Some(made) => {
                self.unheard = 0;
                self.counters.fec_packets += 1;
                self.count(made, Origin::Received)
            }
            None => self.missing(samples),
        }
    }

    fn missing(&mut self, samples: usize) -> usize {
        if !self.heard_any {
            return self.pause(samples); // nothing to go on from
        }
        let coding = self.codec.bytewise();
        let made = self.make(samples, |opus, bytewise, out| match coding {
            None => opus.conceal(out),
            Some(_) => Some(bytewise.conceal(out)),
        });
        self.fade(made.unwrap_or(0));
        made.map_or(0, |made| self.count(made, Origin::MadeUp))
    }

    fn pause(&mut self, samples: usize) -> usize {
        let (coding, heard_any) = (self.codec.bytewise(), self.heard_any);
        let made = self.make(samples, |opus, bytewise, out| match coding {
            _ if !heard_any => Some(samples), // silence
            // Opus makes the noise of its pauses where it conceals.
            None => opus.conceal(out),
            Some(_) => Some(bytewise.pause(out)),
        });
        self.fade(made.unwrap_or(0));
        made.map_or(0, |made| self.count(made, Origin::Pause))
    }

    /// What libopus makes up never ends: a tone that broke off becomes a hiss. A sender that only pauses
    /// tells its noise anew every 400 ms (RFC 6716 section 2.1.9), so whoever says nothing for twice as
    /// long is gone, and what is played goes to silence. G.711 knows its own end (`conceal.rs`), and its
    /// noise holds until it is told otherwise (RFC 3389).
    fn fade(&mut self, made: usize) {
        let channels = self.channels.count();
        let start = self.ready.len() - made * channels;
        let new = self.ready.get_mut(start..).unwrap_or_default();
        for samples in new.chunks_mut(channels) {
            self.unheard = self.unheard.saturating_add(1);
            if self.codec == Codec::Opus && self.unheard > GONE {
                let left = FADE.saturating_sub(self.unheard - GONE) as f32 / FADE as f32;
                samples.iter_mut().for_each(|sample| *sample *= left);
            }
        }
    }

    /// Lets `fill` write up to `samples` samples per channel behind those that wait. It answers how many
    /// there are; `None` if it couldn't.
    fn make(
        &mut self,
        samples: usize,
        fill: impl FnOnce(&mut opus::Decoder, &mut bytewise::Decoder, &mut [f32]) -> Option<usize>,
    ) -> Option<usize> {
        let past = self.taken.min(stretch::PAST * self.channels.count());
        self.ready.drain(..self.taken - past);
        self.taken = past;
        let start = self.ready.len();
        self.ready.resize(start + samples * self.channels.count(), 0.0);
        let out = self.ready.get_mut(start..).unwrap_or_default();
        let bytewise = match self.codec {
            Codec::G722 => &mut self.wide,
            Codec::Opus | Codec::Pcmu | Codec::Pcma => &mut self.narrow,
        };
        let made = fill(&mut self.opus, bytewise, out);
        self.ready.truncate(start + made.unwrap_or(0) * self.channels.count());
        made
    }

    fn count(&mut self, samples: usize, origin: Origin) -> usize {
        let new = self.ready.len() - samples * self.channels.count();
        let new = self.ready.get(new..).unwrap_or_default();
        let squares: f64 = new.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
        let figures = &mut self.counters;
        figures.total_samples_received += samples as u64;
        figures.total_audio_energy +=
            squares / f64::from(SAMPLE_RATE) / self.channels.count() as f64;
        if origin == Origin::MadeUp {
            figures.concealed_samples += samples as u64;
            figures.concealment_events += u64::from(!self.concealing);
            if new.iter().all(|sample| sample.abs() < SILENT) {
                figures.silent_concealed_samples += samples as u64;
            }
        }
        self.concealing = origin == Origin::MadeUp;
        samples
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("codec", &self.codec)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

/// Gaps are filled in steps of 2.5 ms, libopus' shortest; at most one packet's worth at a time.
fn whole_steps(samples: usize) -> usize {
    (samples / STEP).clamp(1, MAX_SAMPLES / STEP) * STEP
}

/// 2.5 ms.
const STEP: usize = 120;

/// 200 ms, the longest packet of G.711 and G.722 (RFC 3551 section 4.2); those of Opus end at 120.
const MAX_SAMPLES: usize = 9_600;
/// That, what was left when it was asked for, what was heard before, and the longest cycle.
const MOST_READY: usize = MAX_SAMPLES + FRAME_SAMPLES + stretch::PAST + stretch::MAX_LAG;
/// 800 ms without a packet: no pause any more.
const GONE: usize = 38_400;
/// 200 ms.
const FADE: usize = 9_600;
/// Less than half a step of 16 bits.
const SILENT: f32 = 0.5 / 32_768.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::codec::{Dtx, Encoded, Encoder, PacketTime, Settings};

    fn tone(frame: &mut Frame, number: usize, hz: f32) {
        let channels = frame.channels().count();
        for (n, sample) in frame.samples_mut().chunks_mut(channels).enumerate() {
            let at = (number * FRAME_SAMPLES + n) as f32;
            sample.fill(0.5 * (at * hz * std::f32::consts::TAU / 48_000.0).sin());
        }
    }

    /// The payloads of a tone.
    fn payloads(settings: &Settings, frames: usize, hz: f32) -> Vec<Option<Vec<u8>>> {
        let mut encoder = Encoder::new(settings).unwrap();
        let (mut out, mut payloads) = ([0; Encoder::MAX_PAYLOAD], Vec::new());
        let mut frame = Frame::silence(Channels::Mono);
        for number in 0..frames {
            tone(&mut frame, number, hz);
            match encoder.encode(&frame, &mut out) {
                Encoded::Gathering => {}
                Encoded::Packet { len, .. } => payloads.push(Some(out[..len].to_vec())),
                Encoded::Silence { .. } => payloads.push(None),
            }
        }
        payloads
    }

    /// A packet that may be of any length.
    fn packet(payload: &[u8]) -> Input<'_> {
        Input::Packet { payload, samples: MAX_SAMPLES }
    }

    fn play(decoder: &mut Decoder, heard: &mut Vec<f32>) {
        let mut frame = Frame::silence(Channels::Mono);
        while decoder.take(&mut frame) {
            heard.extend_from_slice(frame.samples());
        }
    }

    /// Upward crossings of zero in the second half, as a frequency, and the root mean square there.
    fn pitch_and_rms(heard: &[f32]) -> (f64, f64) {
        let half = &heard[heard.len() / 2..];
        let crossings: Vec<usize> =
            (1..half.len()).filter(|n| half[n - 1] < 0.0 && half[*n] >= 0.0).collect();
        let span = crossings[crossings.len() - 1] - crossings[0];
        let hz = (crossings.len() - 1) as f64 * 48_000.0 / span as f64;
        let squares: f64 = half.iter().map(|s| f64::from(*s).powi(2)).sum();
        (hz, (squares / half.len() as f64).sqrt())
    }

    /// rfc7874-3-1, rfc7587-4.1-1
    #[test]
    fn a_tone_keeps_pitch_and_level_in_every_codec_and_packet_time() {
        for codec in [Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma] {
            for ms in [10, 20, 30, 40, 50, 60] {
                let mut settings = Settings::new(codec);
                settings.packet_time = PacketTime::at_most(ms);
                let mut decoder = Decoder::new(codec, Channels::Mono).unwrap();
                let mut heard = Vec::new();
                for payload in payloads(&settings, 120, 440.0) {
                    decoder.decode(packet(&payload.unwrap()));
                    play(&mut decoder, &mut heard);
                }
                assert_eq!(heard.len(), 120 * FRAME_SAMPLES, "{codec:?} {ms} ms");
                let (hz, rms) = pitch_and_rms(&heard);
                assert!((hz - 440.0).abs() < 1.0, "{codec:?} {ms} ms: {hz} Hz");
                assert!((rms / 0.3536 - 1.0).abs() < 0.1, "{codec:?} {ms} ms: rms {rms}");
                let figures = decoder.counters();
                assert_eq!(figures.total_samples_received, 57_600);
                assert_eq!(figures.concealed_samples, 0);
                let mean = figures.total_audio_energy / figures.total_samples_duration();
                assert!((mean.sqrt() / 0.3536 - 1.0).abs() < 0.1, "{codec:?}: {mean}");
            }
        }
    }

    #[test]
    fn a_lost_packet_is_made_up_and_counted_once() {
        for codec in [Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma] {
            let mut decoder = Decoder::new(codec, Channels::Mono).unwrap();
            let mut heard = Vec::new();
            for (n, payload) in payloads(&Settings::new(codec), 100, 440.0).iter().enumerate() {
                match n {
                    20 | 21 | 30 => decoder.decode(Input::Missing { samples: 960 }),
                    _ => decoder.decode(packet(payload.as_ref().unwrap())),
                };
                play(&mut decoder, &mut heard);
            }
            let figures = decoder.counters();
            assert_eq!(figures.concealed_samples, 3 * 960, "{codec:?}");
            assert_eq!(figures.concealment_events, 2, "{codec:?}");
            assert_eq!(figures.silent_concealed_samples, 0, "{codec:?}: the tone goes on");
            let gap = &heard[30 * 960..31 * 960];
            let squares: f32 = gap.iter().map(|s| s * s).sum();
            assert!((squares / 960.0).sqrt() > 0.15, "{codec:?}: the gap is filled");
        }
    }

    /// rfc6716-3.4-4
    #[test]
    fn a_malformed_packet_counts_as_lost() {
        let mut decoder = Decoder::new(Codec::Opus, Channels::Mono).unwrap();
        let good = payloads(&Settings::new(Codec::Opus), 10, 440.0);
        decoder.decode(packet(good[0].as_ref().unwrap()));
        for payload in [&[][..], &[0x79, 1, 2, 3, 4, 5], &[0x7b, 0], &[0x7a, 200, 1]] {
            let malformed = Input::Packet { payload, samples: 960 };
            assert_eq!(decoder.decode(malformed), 960, "{payload:?}");
        }
        assert_eq!(decoder.counters().malformed_packets, 4);
        assert_eq!(decoder.counters().concealed_samples, 4 * 960);
    }

    #[test]
    fn a_packet_that_is_longer_than_announced_counts_as_lost() {
        for codec in [Codec::Opus, Codec::Pcma] {
            let mut decoder = Decoder::new(codec, Channels::Stereo).unwrap();
            let mut settings = Settings::new(codec);
            settings.packet_time = PacketTime::at_most(40);
            let long = payloads(&settings, 4, 440.0).remove(0).unwrap();
            assert_eq!(decoder.decode(packet(&long)), 1_920, "{codec:?}");
            assert_eq!(decoder.decode(Input::Packet { payload: &long, samples: 960 }), 960);
            assert_eq!(decoder.waiting(), 1_920 + 960);
            assert_eq!(decoder.counters().malformed_packets, 1);
            assert_eq!(decoder.counters().concealed_samples, 960);
        }
    }

    /// rfc7587-3.1.3-1
    #[test]
    fn a_pause_of_dtx_is_not_sent_and_not_counted_as_loss() {
        let mut settings = Settings::new(Codec::Opus);
        settings.dtx = Dtx::On;
        let mut encoder = Encoder::new(&settings).unwrap();
        let mut decoder = Decoder::new(Codec::Opus, Channels::Mono).unwrap();
        let mut out = [0; Encoder::MAX_PAYLOAD];
        let (mut sent, mut units) = (0, 0);
        for _ in 0..400 {
            match encoder.encode(&Frame::silence(Channels::Mono), &mut out) {
                Encoded::Gathering => {}
                Encoded::Packet { len, timestamp_units, .. } => {
                    (sent, units) = (sent + 1, units + timestamp_units);
                    decoder.decode(packet(&out[..len]));
                }
                Encoded::Silence { timestamp_units } => {
                    units += timestamp_units;
                    assert_eq!(
                        decoder.decode(Input::Silence { samples: FRAME_SAMPLES }),
                        FRAME_SAMPLES
                    );
                    assert_eq!(
                        decoder.decode(Input::Silence { samples: FRAME_SAMPLES }),
                        FRAME_SAMPLES
                    );
                }
            }
            play(&mut decoder, &mut Vec::new());
        }
        assert!(sent < 60, "{sent} of 200 packets were sent");
        assert_eq!(units, 400 * 480, "the timestamp counts what was left out");
        assert_eq!(decoder.counters().concealed_samples, 0);
    }

    /// rfc7587-6.1-1, rfc7874-3-5
    #[test]
    fn stereo_is_decoded_for_a_mono_listener_and_mono_for_a_stereo_one() {
        for (sent, heard) in
            [(Channels::Stereo, Channels::Mono), (Channels::Mono, Channels::Stereo)]
        {
            for codec in [Codec::Opus, Codec::Pcmu] {
                let mut settings = Settings::new(codec);
                settings.channels = sent;
                let mut decoder = Decoder::new(codec, heard).unwrap();
                let mut frame = Frame::silence(heard);
                for payload in payloads(&settings, 40, 1_000.0).into_iter().flatten() {
                    assert_eq!(decoder.decode(packet(&payload)), 960);
                    while decoder.take(&mut frame) {}
                }
                assert_eq!(frame.channels(), heard);
                assert!((frame.rms() / 0.3536 - 1.0).abs() < 0.1, "{codec:?}: {}", frame.rms());
            }
        }
    }

    /// rfc7874-3-2
    #[test]
    fn comfort_noise_is_heard_at_its_level_in_pauses_of_g711() {
        let mut decoder = Decoder::new(Codec::Pcma, Channels::Mono).unwrap();
        decoder.decode(packet(&[0xd5; 160]));
        let mut frame = Frame::silence(Channels::Mono);
        while decoder.take(&mut frame) {}
        decoder.decode(Input::ComfortNoise(&[40]));
        for _ in 0..10 {
            decoder.take(&mut frame);
            decoder.decode(Input::Silence { samples: FRAME_SAMPLES });
        }
        assert!((37..=43).contains(&frame.level().dbov()), "{}", frame.level());
        assert_eq!(decoder.counters().concealed_samples, 0);
    }

    #[test]
    fn packets_of_odd_lengths_are_played_whole() {
        let mut decoder = Decoder::new(Codec::Pcmu, Channels::Stereo).unwrap();
        for len in [1, 40, 81, 120, 163, 960, 1_600] {
            let before = decoder.waiting();
            assert_eq!(decoder.decode(packet(&vec![0x80; len])), len * 6);
            assert_eq!(decoder.waiting() - before, len * 6);
        }
    }

    #[test]
    fn a_stranger_with_random_bytes_gets_nowhere() {
        let mut decoder = Decoder::new(Codec::Opus, Channels::Stereo).unwrap();
        let mut frame = Frame::silence(Channels::Stereo);
        let mut random = 1_u32;
        let mut bytes = [0_u8; 200];
        for len in (0..200).cycle().take(2_000) {
            for byte in &mut bytes {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = (random >> 24) as u8;
            }
            decoder.decode(match random >> 30 {
                0 => Input::Fec { next: &bytes[..len], samples: 960 },
                1 => Input::ComfortNoise(&bytes[..len]),
                2 => Input::Packet { payload: &bytes[..len], samples: usize::from(bytes[0]) * 48 },
                _ => packet(&bytes[..len]),
            });
            while decoder.take(&mut frame) {
                assert!(frame.samples().iter().all(|sample| sample.is_finite()));
            }
        }
    }

    #[test]
    fn a_sender_that_is_gone_is_followed_by_silence_not_by_a_hiss_without_end() {
        let mut decoder = Decoder::new(Codec::Opus, Channels::Mono).unwrap();
        let mut heard = Vec::new();
        for payload in payloads(&Settings::new(Codec::Opus), 200, 440.0).iter().flatten() {
            decoder.decode(packet(payload));
            play(&mut decoder, &mut heard);
        }
        heard.clear();
        for _ in 0..120 {
            decoder.decode(Input::Silence { samples: FRAME_SAMPLES });
            play(&mut decoder, &mut heard);
        }
        assert!(level(&heard[30_000..38_000]) > -60.0, "a pause has its noise");
        assert_eq!(heard[48_000..].iter().copied().fold(0.0, f32::max), 0.0);
        // The first packet after it is heard as it is.
        let payloads = payloads(&Settings::new(Codec::Opus), 40, 440.0);
        heard.clear();
        for payload in payloads.iter().flatten() {
            decoder.decode(packet(payload));
            play(&mut decoder, &mut heard);
        }
        assert!(level(&heard[9_600..]) > -12.0, "{}", level(&heard[9_600..]));
    }

    /// In dBFS.
    fn level(samples: &[f32]) -> f32 {
        let squares: f32 = samples.iter().map(|sample| sample * sample).sum();
        10.0 * (squares / samples.len() as f32).log10()
    }
}
