//! What sound costs: 20 ms through each codec, and 10 ms through the rest.
//!
//! `cargo bench --bench audio`. The sound is a voice-like mixture of tones, louder and softer by turns; a
//! core has 20 ms for 20 ms, so 200 us is 1 % of one.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use divan::{Bencher, black_box};
use halloo::audio::decode::Input;
use halloo::audio::resample::Resampler;
use halloo::audio::{Channels, Codec, Decoder, Encoded, Encoder, Frame, Mixer, Settings, Tempo};

fn main() {
    divan::main();
}

const CODECS: [Codec; 3] = [Codec::Opus, Codec::Pcmu, Codec::Pcma];

/// A second.
fn voice() -> Vec<Frame> {
    (0..100)
        .map(|number| {
            let mut frame = Frame::silence(Channels::Mono);
            for (n, sample) in frame.samples_mut().iter_mut().enumerate() {
                let at = (number * 480 + n) as f32 / 48_000.0;
                let turn = at * std::f32::consts::TAU;
                let loudness = 0.2 + 0.2 * (3.0 * turn).sin();
                let tones: f32 = (1..12).map(|k| (140.0 * k as f32 * turn).sin() / k as f32).sum();
                *sample = loudness * tones;
            }
            frame
        })
        .collect()
}

#[divan::bench(args = CODECS)]
fn encode_20_ms(bencher: Bencher<'_, '_>, codec: Codec) {
    let (voice, mut at) = (voice(), 0);
    let mut encoder = Encoder::new(&Settings::new(codec)).unwrap();
    let mut payload = [0; Encoder::MAX_PAYLOAD];
    bencher.bench_local(|| {
        at = (at + 2) % 100;
        encoder.encode(black_box(&voice[at]), &mut payload);
        encoder.encode(black_box(&voice[at + 1]), &mut payload)
    });
}

/// The same second, encoded.
fn payloads(codec: Codec) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(&Settings::new(codec)).unwrap();
    let mut payloads = Vec::new();
    let mut out = [0; Encoder::MAX_PAYLOAD];
    for frame in voice() {
        if let Encoded::Packet { len, .. } = encoder.encode(&frame, &mut out) {
            payloads.push(out[..len].to_vec());
        }
    }
    payloads
}

#[divan::bench(args = CODECS)]
fn decode_20_ms(bencher: Bencher<'_, '_>, codec: Codec) {
    decode_at(bencher, codec, |_| Tempo::AsSent);
}

/// Less [`decode_20_ms`]: that is what a change of the delay costs.
#[divan::bench(args = CODECS)]
fn decode_and_stretch_20_ms(bencher: Bencher<'_, '_>, codec: Codec) {
    decode_at(bencher, codec, |at| if at % 2 == 0 { Tempo::Faster } else { Tempo::Slower });
}

fn decode_at(bencher: Bencher<'_, '_>, codec: Codec, tempo: impl Fn(usize) -> Tempo) {
    let payloads = payloads(codec);
    let mut decoder = Decoder::new(codec, Channels::Mono).unwrap();
    let (mut frame, mut at) = (Frame::silence(Channels::Mono), 0);
    bencher.bench_local(|| {
        at = (at + 1) % payloads.len();
        let payload = black_box(&payloads[at]);
        decoder.decode(Input::Packet { payload, samples: 960 });
        let longer = decoder.stretch(tempo(at));
        while decoder.take(&mut frame) {}
        longer
    });
}

#[divan::bench]
fn conceal_20_ms_of_opus(bencher: Bencher<'_, '_>) {
    let mut encoder = Encoder::new(&Settings::new(Codec::Opus)).unwrap();
    let mut decoder = Decoder::new(Codec::Opus, Channels::Mono).unwrap();
    let mut out = [0; Encoder::MAX_PAYLOAD];
    for frame in voice() {
        if let Encoded::Packet { len, .. } = encoder.encode(&frame, &mut out) {
            decoder.decode(Input::Packet { payload: &out[..len], samples: 960 });
        }
    }
    let mut frame = Frame::silence(Channels::Mono);
    bencher.bench_local(|| {
        decoder.decode(Input::Missing { samples: 960 });
        while decoder.take(&mut frame) {}
    });
}

#[divan::bench(args = [44_100, 48_000, 96_000])]
fn resample_10_ms_to_48_khz(bencher: Bencher<'_, '_>, rate: u32) {
    let mut resampler = Resampler::new(rate, 48_000, Channels::Mono).unwrap();
    let samples = vec![0.1; rate as usize / 100];
    let mut frame = Frame::silence(Channels::Mono);
    bencher.bench_local(|| {
        resampler.push(black_box(&samples));
        while resampler.take(frame.samples_mut()) {}
    });
}

#[divan::bench(args = [1, 2, 10, 32])]
fn mix_10_ms_of_calls(bencher: Bencher<'_, '_>, calls: usize) {
    let voice = voice();
    let mut mixer = Mixer::new();
    let mut out = Frame::silence(Channels::Mono);
    bencher.bench_local(|| mixer.mix(black_box(&voice[..calls]), &mut out));
}
