//! From payloads to samples, and something to play where no payload is.
//!
//! The jitter buffer says what is there; [`Decoder::decode`] makes sound of it, however long the packet
//! is; [`Decoder::take`] hands it out 10 ms at a time:
//! ```text
//! Packet        decoded; a malformed one counts as Missing (RFC 6716 section 3.4)
//! Fec           the packet after the missing one, if it repeats that (RFC 7587 section 3.3)
//! Missing       made up from what was heard: libopus' own way, conceal.rs for G.711
//! Silence       the sender pauses (DTX): background noise, not loss
//! ComfortNoise  what that noise is like (RFC 3389, G.711 only)
//! ```
//! Figures have the names of W3C webrtc-stats. Comes from `rtp::jitter` by way of `peer::media`, goes to
//! [`super::mix`] or [`super::sink`]. Read next: `conceal.rs`.

use std::fmt;

use super::codec::{Codec, CodecError};
use super::comfort::ComfortNoise;
use super::conceal::Concealer;
use super::frame::{Channels, FRAME_SAMPLES, Frame, SAMPLE_RATE};
use super::g711::{self, Law};
use super::narrowband::Interpolator;
use super::opus;
use super::opus_packet::OpusPacket;

/// What the jitter buffer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// The payload whose turn it is.
    Packet(&'a [u8]),
    /// It is missing, but the payload after it is here.
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
    /// Packets that broke the rules of their format.
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
/// assert_eq!(decoder.decode(Input::Packet(&[0xff; 160])), 960);
/// assert!(decoder.take(&mut frame) && decoder.take(&mut frame));
/// # Ok::<(), halloo::audio::CodecError>(())
/// ```
pub struct Decoder {
    codec: Codec,
    channels: Channels,
    opus: opus::Decoder,
    g711: Narrow,
    /// Decoded and not yet taken, from `taken` on. Room for the longest packet is made once.
    ready: Vec<f32>,
    taken: usize,
    /// Samples per channel of the last packet: what a missing one is taken to be.
    packet_samples: usize,
    heard_any: bool,
    concealing: bool,
    counters: Counters,
}

/// What G.711 needs.
struct Narrow {
    concealer: Concealer,
    noise: ComfortNoise,
    up: Interpolator,
    samples: [f32; g711::FRAME_SAMPLES],
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
            g711: Narrow::new(),
            ready: Vec::with_capacity((MAX_SAMPLES + FRAME_SAMPLES) * channels.count()),
            taken: 0,
            packet_samples: 2 * FRAME_SAMPLES,
            heard_any: false,
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

    /// How long a packet sounds, in samples per channel at 48 kHz, without decoding it; `None` if it is
    /// malformed.
    #[must_use]
    pub fn packet_samples(codec: Codec, payload: &[u8]) -> Option<usize> {
        match codec {
            Codec::Opus => OpusPacket::parse(payload).ok().map(|packet| packet.samples()),
            Codec::Pcmu | Codec::Pcma => {
                Some(payload.len() * 6).filter(|samples| (1..=MAX_SAMPLES).contains(samples))
            }
        }
    }

    /// Makes sound; call when [`Self::take`] has no whole frame. Answers how many samples per channel
    /// there are more: a packet's length, or what was asked for in whole steps of 2.5 ms.
    pub fn decode(&mut self, input: Input<'_>) -> usize {
        match input {
            Input::Packet(payload) => self.packet(payload),
            Input::Fec { next, samples } => self.fec(next, whole_steps(samples)),
            Input::Missing { samples } => self.missing(whole_steps(samples)),
            Input::Silence { samples } => self.pause(whole_steps(samples)),
            Input::ComfortNoise(payload) => {
                if self.g711.noise.describe(payload).is_err() {
                    self.counters.malformed_packets += 1;
                }
                self.pause(FRAME_SAMPLES)
            }
        }
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

    fn packet(&mut self, payload: &[u8]) -> usize {
        let Some(samples) = Self::packet_samples(self.codec, payload) else {
            self.counters.malformed_packets += 1;
            return self.missing(self.packet_samples);
        };
        let Some(made) = self.make(samples, |opus, g711, out| match g711 {
            None => opus.decode(payload, out).is_some(),
            Some((narrow, law, channels)) => {
                narrow.decode(law, payload, channels, out);
                true
            }
        }) else {
            self.counters.malformed_packets += 1;
            return self.missing(samples);
        };
        self.packet_samples = made;
        self.heard_any = true;
        self.count(made, Origin::Received)
    }

    fn fec(&mut self, next: &[u8], samples: usize) -> usize {
        let repeats = self.codec == Codec::Opus
            && OpusPacket::parse(next).is_ok_and(|packet| packet.carries_fec());
        if !repeats || !self.heard_any {
            return self.missing(samples);
        }
        match self.make(samples, |opus, _, out| opus.decode_fec(next, out).is_some()) {
            Some(made) => {
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
        let made = self.make(samples, |opus, g711, out| match g711 {
            None => opus.conceal(out).is_some(),
            Some((narrow, _, channels)) => {
                narrow.conceal(channels, out);
                true
            }
        });
        match made {
            Some(made) => self.count(made, Origin::MadeUp),
            None => 0,
        }
    }

    fn pause(&mut self, samples: usize) -> usize {
        let heard_any = self.heard_any;
        let made = self.make(samples, |opus, g711, out| match g711 {
            _ if !heard_any => true,
            // Opus makes the noise of its pauses where it conceals.
            None => opus.conceal(out).is_some(),
            Some((narrow, _, channels)) => {
                narrow.pause(channels, out);
                true
            }
        });
        match made {
            Some(made) => self.count(made, Origin::Pause),
            None => 0,
        }
    }

    /// Lets `fill` write `samples` samples per channel behind those that wait; `None` if it couldn't.
    fn make(
        &mut self,
        samples: usize,
        fill: impl FnOnce(&mut opus::Decoder, Option<NarrowPart<'_>>, &mut [f32]) -> bool,
    ) -> Option<usize> {
        self.ready.drain(..self.taken);
        self.taken = 0;
        let start = self.ready.len();
        self.ready.resize(start + samples * self.channels.count(), 0.0);
        let law = match self.codec {
            Codec::Opus => None,
            Codec::Pcmu => Some(Law::Mu),
            Codec::Pcma => Some(Law::A),
        };
        let g711 = law.map(|law| (&mut self.g711, law, self.channels));
        let out = self.ready.get_mut(start..).unwrap_or_default();
        if fill(&mut self.opus, g711, out) {
            return Some(samples);
        }
        self.ready.truncate(start);
        None
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

type NarrowPart<'a> = (&'a mut Narrow, Law, Channels);

impl Narrow {
    fn new() -> Self {
        Self {
            concealer: Concealer::new(),
            noise: ComfortNoise::new(),
            up: Interpolator::new(),
            samples: [0.0; g711::FRAME_SAMPLES],
        }
    }

    fn decode(&mut self, law: Law, payload: &[u8], channels: Channels, out: &mut [f32]) {
        let outs = out.chunks_mut(FRAME_SAMPLES * channels.count());
        for (bytes, out) in payload.chunks(g711::FRAME_SAMPLES).zip(outs) {
            self.step(bytes.len(), channels, out, |concealer, _, samples| {
                for (sample, byte) in samples.iter_mut().zip(bytes) {
                    *sample = g711::to_f32(law.decode(*byte));
                }
                concealer.heard(samples);
            });
        }
    }

    fn conceal(&mut self, channels: Channels, out: &mut [f32]) {
        for out in out.chunks_mut(FRAME_SAMPLES * channels.count()) {
            let samples = out.len() / channels.count() / 6;
            self.step(samples, channels, out, |concealer, _, samples| concealer.conceal(samples));
        }
    }

    fn pause(&mut self, channels: Channels, out: &mut [f32]) {
        for out in out.chunks_mut(FRAME_SAMPLES * channels.count()) {
            let samples = out.len() / channels.count() / 6;
            self.step(samples, channels, out, |concealer, noise, samples| {
                noise.fill(samples);
                concealer.pause(samples);
            });
        }
    }

    /// At most 10 ms: `make` writes them at 8 kHz, `out` gets them at 48.
    fn step(
        &mut self,
        samples: usize,
        channels: Channels,
        out: &mut [f32],
        make: impl FnOnce(&mut Concealer, &mut ComfortNoise, &mut [f32]),
    ) {
        let narrow = self.samples.get_mut(..samples).unwrap_or_default();
        make(&mut self.concealer, &mut self.noise, narrow);
        let mono = out.len() / channels.count();
        self.up.process(narrow, out.get_mut(..mono).unwrap_or_default());
        if channels == Channels::Stereo {
            // From the back, so that nothing is overwritten before it is read.
            for n in (0..mono).rev() {
                let sample = out.get(n).copied().unwrap_or_default();
                if let Some(pair) = out.get_mut(2 * n..2 * n + 2) {
                    pair.fill(sample);
                }
            }
        }
    }
}

/// Gaps are filled in steps of 2.5 ms, libopus' shortest; at most one packet's worth at a time.
fn whole_steps(samples: usize) -> usize {
    (samples / STEP).clamp(1, MAX_SAMPLES / STEP) * STEP
}

/// 2.5 ms.
const STEP: usize = 120;

/// 120 ms, the longest packet that is taken (RFC 6716 section 3.4, R5).
const MAX_SAMPLES: usize = 5_760;
/// Less than half a step of 16 bits.
const SILENT: f32 = 0.5 / 32_768.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::codec::{Dtx, Encoded, Encoder, Fec, PacketTime, Settings};

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
        for codec in [Codec::Opus, Codec::Pcmu, Codec::Pcma] {
            for ms in [10, 20, 30, 40, 50, 60] {
                let mut settings = Settings::new(codec);
                settings.packet_time = PacketTime::at_most(ms);
                let mut decoder = Decoder::new(codec, Channels::Mono).unwrap();
                let mut heard = Vec::new();
                for payload in payloads(&settings, 120, 440.0) {
                    decoder.decode(Input::Packet(&payload.unwrap()));
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
        for codec in [Codec::Opus, Codec::Pcmu, Codec::Pcma] {
            let mut decoder = Decoder::new(codec, Channels::Mono).unwrap();
            let mut heard = Vec::new();
            for (n, payload) in payloads(&Settings::new(codec), 100, 440.0).iter().enumerate() {
                match n {
                    20 | 21 | 30 => decoder.decode(Input::Missing { samples: 960 }),
                    _ => decoder.decode(Input::Packet(payload.as_ref().unwrap())),
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

    /// rfc7587-3.3-1
    #[test]
    fn fec_restores_a_packet_that_concealment_only_guesses() {
        let mut settings = Settings::new(Codec::Opus);
        settings.expected_loss = 20;
        settings.bitrate = 24_000;
        let with_fec = payloads(&settings, 200, 300.0);
        let carries = |n: usize| {
            let payload: &Vec<u8> = with_fec[n].as_ref().unwrap();
            OpusPacket::parse(payload).unwrap().carries_fec()
        };
        let lost = (20..90).find(|n| carries(n + 1)).expect("no packet carries FEC");

        let mut decoder = Decoder::new(Codec::Opus, Channels::Mono).unwrap();
        for n in 0..lost + 5 {
            if n == lost {
                let next = with_fec[n + 1].as_ref().unwrap();
                assert_eq!(decoder.decode(Input::Fec { next, samples: 960 }), 960);
            } else {
                decoder.decode(Input::Packet(with_fec[n].as_ref().unwrap()));
            }
            play(&mut decoder, &mut Vec::new());
        }
        assert_eq!(decoder.counters().fec_packets, 1);
        assert_eq!(decoder.counters().concealed_samples, 0);

        // rfc7587-6.1-2: with FEC off, no packet carries any, and asking for it is concealment.
        settings.fec = Fec::Off;
        let without = payloads(&settings, 20, 300.0);
        assert!(
            without
                .iter()
                .flatten()
                .all(|payload| !OpusPacket::parse(payload).unwrap().carries_fec())
        );
        decoder.decode(Input::Fec { next: without[9].as_ref().unwrap(), samples: 960 });
        assert_eq!(decoder.counters().fec_packets, 1);
        assert_eq!(decoder.counters().concealed_samples, 960);
    }

    /// rfc6716-3.4-4
    #[test]
    fn a_malformed_packet_counts_as_lost() {
        let mut decoder = Decoder::new(Codec::Opus, Channels::Mono).unwrap();
        let good = payloads(&Settings::new(Codec::Opus), 10, 440.0);
        decoder.decode(Input::Packet(good[0].as_ref().unwrap()));
        for malformed in [&[][..], &[0x79, 1, 2, 3, 4, 5], &[0x7b, 0], &[0x7a, 200, 1]] {
            assert_eq!(decoder.decode(Input::Packet(malformed)), 960, "{malformed:?}");
        }
        assert_eq!(decoder.counters().malformed_packets, 4);
        assert_eq!(decoder.counters().concealed_samples, 4 * 960);
        assert_eq!(Decoder::packet_samples(Codec::Pcmu, &[]), None);
        assert_eq!(Decoder::packet_samples(Codec::Pcmu, &[0; 961]), None, "over 120 ms");
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
                    decoder.decode(Input::Packet(&out[..len]));
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
                    assert_eq!(decoder.decode(Input::Packet(&payload)), 960);
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
        decoder.decode(Input::Packet(&[0xd5; 160]));
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
        for len in [1, 40, 81, 120, 163, 960] {
            let before = decoder.waiting();
            assert_eq!(decoder.decode(Input::Packet(&vec![0x80; len])), len * 6);
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
                _ => Input::Packet(&bytes[..len]),
            });
            while decoder.take(&mut frame) {
                assert!(frame.samples().iter().all(|sample| sample.is_finite()));
            }
        }
    }
}
