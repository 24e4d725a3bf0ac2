//! Opus, by libopus: what we ask of it (RFC 6716; in RTP, RFC 7587).
//!
//! The one thing in a call's path that is not written here: a codec is a science of its own. It is
//! used by `codec.rs` and `decode.rs` only; no other file knows the crate. Read next: `g711.rs`.

use super::codec::{CodecError, Dtx, Fec, Settings};
use super::frame::{Channels, SAMPLE_RATE};

/// libopus' encoder.
pub(super) struct Encoder {
    libopus: opus::Encoder,
    /// Whether the last packet made says "silence from here on".
    pausing: bool,
}

impl Encoder {
    /// Tuned for speech; two channels are taken for music.
    pub(super) fn new(settings: &Settings) -> Result<Self, CodecError> {
        let application = match settings.channels {
            Channels::Mono => opus::Application::Voip,
            Channels::Stereo => opus::Application::Audio,
        };
        let encoder = opus::Encoder::new(SAMPLE_RATE, channels(settings.channels), application)
            .map_err(|error| CodecError(error.description()))?;
        let mut encoder = Self { libopus: encoder, pausing: false };
        encoder.apply(settings);
        Ok(encoder)
    }

    /// Takes over what may change while running.
    pub(super) fn apply(&mut self, settings: &Settings) {
        let bitrate = i32::try_from(settings.bitrate.clamp(MIN_BITRATE, MAX_BITRATE));
        let loss = i32::from(settings.expected_loss.min(100));
        // Each of these only fails for values out of range, and none is.
        let _ = self.libopus.set_bitrate(opus::Bitrate::Bits(bitrate.unwrap_or(32_000)));
        let _ = self.libopus.set_inband_fec(settings.fec == Fec::On);
        let _ = self.libopus.set_packet_loss_perc(if settings.fec == Fec::On { loss } else { 0 });
        let _ = self.libopus.set_dtx(settings.dtx == Dtx::On);
    }

    /// The payload's length; `None` when it needn't be sent (DTX) or no payload could be made.
    ///
    /// The first short packet of a pause is sent: it tells the receiver that what follows is a pause and
    /// no loss (RFC 7587 section 3.1.3).
    pub(super) fn encode(&mut self, samples: &[f32], payload: &mut [u8]) -> Option<usize> {
        let len = self.libopus.encode_float(samples, payload).ok()?;
        let paused = std::mem::replace(&mut self.pausing, len <= DTX_LEN);
        (len > DTX_LEN || !paused).then_some(len)
    }
}

/// libopus' decoder.
pub(super) struct Decoder(opus::Decoder);

impl Decoder {
    pub(super) fn new(wanted: Channels) -> Result<Self, CodecError> {
        opus::Decoder::new(SAMPLE_RATE, channels(wanted))
            .map(Self)
            .map_err(|error| CodecError(error.description()))
    }

    /// Samples per channel; `None` if it is malformed, and then nothing was decoded.
    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Option<usize> {
        if payload.is_empty() {
            return None;
        }
        self.0.decode_float(payload, out, false).ok()
    }

    /// What the packet `next` says about the one before it; `out` is as long as that one was.
    pub(super) fn decode_fec(&mut self, next: &[u8], out: &mut [f32]) -> Option<usize> {
        self.0.decode_float(next, out, true).ok()
    }

    /// Goes on from what was heard last, for as long as `out` is: loss, or the background noise of a
    /// DTX pause.
    pub(super) fn conceal(&mut self, out: &mut [f32]) -> Option<usize> {
        self.0.decode_float(&[], out, false).ok()
    }
}

fn channels(channels: Channels) -> opus::Channels {
    match channels {
        Channels::Mono => opus::Channels::Mono,
        Channels::Stereo => opus::Channels::Stereo,
    }
}

/// Packets up to this long say only "still silent".
const DTX_LEN: usize = 2;
const MIN_BITRATE: u32 = 6_000;
const MAX_BITRATE: u32 = 510_000;
