//! Payloads that sound like nothing, for whoever reflects what comes and is muted.
//!
//! A reflected packet is never decoded, so it can't be turned down: it is replaced by one of the same length
//! in time. The stream's numbers and times go on, and nobody takes the silence for loss.
//!
//! ```text
//! Opus, RFC 6716 section 3:  | TOC: CELT, full band, 2.5 to 20 ms | FF FE |         one frame
//!                            | TOC, code 3 | frame count | FF FE | FF FE | ...       40 ms and more
//! G.711:                     the value of zero, once per sample
//! G.722:                     the smallest step, once per two samples
//! ```
//! `FF FE` is a CELT frame whose silence flag is set (section 4.3): the decoder fades out and stays silent.

use crate::audio::Codec;

/// Appends silence of so many ticks of the codec's clock; says whether there is such silence.
pub(super) fn write(codec: Codec, ticks: u32, payload: &mut Vec<u8>) -> bool {
    match codec {
        Codec::Opus => write_opus(ticks, payload),
        Codec::Pcmu => fill(0xFF, ticks, payload),
        Codec::Pcma => fill(0xD5, ticks, payload),
        // The smallest step, which shrinks with each byte. Its clock says 8,000, too.
        Codec::G722 => fill(0xFA, ticks, payload),
    }
}

fn write_opus(ticks: u32, payload: &mut Vec<u8>) -> bool {
    /// CELT only, full band, mono, one frame of 2.5 ms; the next configurations are twice as long each.
    const SHORTEST: u8 = 28 << 3;
    const TWENTY_MS: u32 = 960;
    const FRAME: [u8; 2] = [0xFF, 0xFE];
    let single = match ticks {
        120 => Some(SHORTEST),
        240 => Some(SHORTEST + (1 << 3)),
        480 => Some(SHORTEST + (2 << 3)),
        TWENTY_MS => Some(SHORTEST + (3 << 3)),
        _ => None,
    };
    if let Some(toc) = single {
        payload.push(toc);
        payload.extend(FRAME);
        return true;
    }
    // At most 120 ms (section 3.2.5).
    let frames = u8::try_from(ticks / TWENTY_MS).unwrap_or(u8::MAX);
    if !ticks.is_multiple_of(TWENTY_MS) || !(2..=6).contains(&frames) {
        return false;
    }
    payload.extend([SHORTEST + (3 << 3) + 3, frames]);
    (0..frames).for_each(|_| payload.extend(FRAME));
    true
}

fn fill(zero: u8, ticks: u32, payload: &mut Vec<u8>) -> bool {
    let Ok(length) = usize::try_from(ticks) else { return false };
    if length > LONGEST {
        return false;
    }
    payload.resize(payload.len() + length, zero);
    true
}

/// 120 ms of 8,000 samples a second.
const LONGEST: usize = 960;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::decode::Input;
    use crate::audio::{Channels, Decoder, Encoded, Encoder, Frame, Settings};

    /// The level of what a decoder makes of it, behind a loud tone.
    fn heard_behind_a_tone(codec: Codec, payload: &[u8], samples: usize) -> f32 {
        let mut decoder = Decoder::new(codec, Channels::Mono).unwrap();
        let mut encoder = Encoder::new(&Settings::new(codec)).unwrap();
        let mut frame = Frame::silence(Channels::Mono);
        let mut packet = [0; 1_500];
        for n in 0..40 {
            for (at, sample) in frame.samples_mut().iter_mut().enumerate() {
                *sample = 0.5 * ((n * 480 + at) as f32 * 0.06).sin();
            }
            if let Encoded::Packet { len, .. } = encoder.encode(&frame, &mut packet) {
                decoder.decode(Input::Packet { payload: &packet[..len], samples: 960 });
            }
        }
        let mut loudest = 0.0_f32;
        while decoder.take(&mut frame) {
            loudest = frame.samples().iter().fold(0.0, |max, sample| max.max(sample.abs()));
        }
        assert!(loudest > 0.3, "{codec:?}: the tone before");
        for round in 0..10 {
            assert!(decoder.decode(Input::Packet { payload, samples }) > 0, "{codec:?} {samples}");
            loudest = 0.0;
            while decoder.take(&mut frame) {
                let max = frame.samples().iter().fold(0.0, |m: f32, sample| m.max(sample.abs()));
                loudest = loudest.max(if round < 5 { 0.0 } else { max });
            }
        }
        loudest
    }

    #[test]
    fn silence_of_every_length_is_silent() {
        for (codec, per_ms) in
            [(Codec::Opus, 48), (Codec::Pcmu, 8), (Codec::Pcma, 8), (Codec::G722, 8)]
        {
            for ms in [10, 20, 40, 60, 120] {
                let mut payload = Vec::new();
                assert!(write(codec, ms * per_ms, &mut payload), "{codec:?} {ms}");
                let samples = usize::try_from(ms).unwrap() * 48;
                let loudest = heard_behind_a_tone(codec, &payload, samples);
                // An adaptive codec forgets what was before only bit by bit.
                let limit = if codec == Codec::G722 { 0.01 } else { 0.001 };
                assert!(loudest < limit, "{codec:?}, {ms} ms: {loudest}");
            }
        }
    }

    #[test]
    fn no_such_length_no_silence() {
        let mut payload = Vec::new();
        for ticks in [0, 1, 961, 960 * 7, u32::MAX] {
            assert!(!write(Codec::Opus, ticks, &mut payload), "{ticks}");
        }
        assert!(!write(Codec::Pcmu, 961, &mut payload));
        assert!(payload.is_empty());
    }
}
