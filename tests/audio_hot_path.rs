//! Nothing on a frame's way through the layer `audio` allocates: counted by the allocator itself.
//!
//! In the sound card's callbacks an allocation may wait for a lock and crackle; elsewhere it is only
//! time. libopus allocates nothing while it runs; its C side is not counted here.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::hint::black_box;
use std::io::Cursor;
use std::sync::Arc;

use allocation_counter::measure;
use halloo::audio::decode::Input;
use halloo::audio::ring::{self, Gauge, Layout};
use halloo::audio::source::Repeat;
use halloo::audio::{
    Channels, Codec, Decoder, Encoded, Encoder, Frame, Mixer, Settings, Source, Tempo,
};

/// Runs it a few times to warm up, then counts.
fn assert_allocates_nothing(what: &str, mut run: impl FnMut()) {
    (0..50).for_each(|_| run());
    let counted = measure(|| (0..200).for_each(|_| run()));
    assert_eq!(counted.count_total, 0, "{what}: {counted:?}");
}

fn frame(channels: Channels) -> Frame {
    let mut frame = Frame::silence(channels);
    for (n, sample) in frame.samples_mut().iter_mut().enumerate() {
        *sample = ((n * n) % 97) as f32 / 97.0 - 0.5;
    }
    frame
}

#[test]
fn the_counter_counts() {
    assert!(measure(|| drop(black_box(Box::new(1)))).count_total > 0);
}

#[test]
fn callbacks_of_the_sound_card_and_the_driver_s_ends_allocate_nothing() {
    for (rate, channels) in [(48_000, 1), (48_000, 2), (44_100, 2), (96_000, 6)] {
        let layout = Layout { rate, channels };
        let per_tick = rate as usize / 100 * channels;
        let gauge = Arc::new(Gauge::default());
        let (mut callback, mut ring) = ring::capture(layout, Channels::Mono, &gauge).unwrap();
        let samples = vec![100_i16; per_tick];
        assert_allocates_nothing("the microphone's callback", || {
            callback.heard(&samples, |sample| f32::from(sample) / 32_768.0);
        });
        let mut heard = Frame::silence(Channels::Mono);
        assert_allocates_nothing("the microphone's frames", || {
            callback.heard(&samples, |sample| f32::from(sample) / 32_768.0);
            while ring.take(&mut heard) {}
        });

        let (mut callback, mut ring) = ring::playback(layout, Channels::Stereo, &gauge).unwrap();
        let mut wanted = vec![0.0_f32; per_tick];
        assert_allocates_nothing("the loudspeaker's callback", || {
            callback.wanted(&mut wanted, |sample| sample);
        });
        let played = frame(Channels::Mono);
        assert_allocates_nothing("the loudspeaker's frames", || {
            callback.wanted(&mut wanted, |sample| sample);
            (0..ring.wanted()).for_each(|_| ring.push(&played));
        });
    }
}

#[test]
fn encoding_and_decoding_allocate_nothing() {
    for codec in [Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma] {
        for channels in [Channels::Mono, Channels::Stereo] {
            let settings = Settings { channels, ..Settings::new(codec) };
            let mut encoder = Encoder::new(&settings).unwrap();
            let mut decoder = Decoder::new(codec, channels).unwrap();
            let (mut spoken, mut heard) = (Frame::silence(channels), Frame::silence(channels));
            // Five cycles: it goes on in the next frame, and can be stretched.
            for (n, samples) in spoken.samples_mut().chunks_mut(channels.count()).enumerate() {
                samples.fill(0.5 * (n as f32 * std::f32::consts::TAU / 96.0).sin());
            }
            let mut payload = [0; Encoder::MAX_PAYLOAD];
            let (mut packets, mut stretched) = (0_u32, 0_u32);
            assert_allocates_nothing("codec", || {
                let Encoded::Packet { len, .. } = encoder.encode(&spoken, &mut payload) else {
                    return;
                };
                packets += 1;
                let payload = &payload[..len];
                decoder.decode(match packets % 10 {
                    3 => Input::Missing { samples: 960 },
                    4 => Input::Fec { next: payload, samples: 960 },
                    5 => Input::Silence { samples: 480 },
                    6 => Input::ComfortNoise(&[40, 100]),
                    7 => Input::Packet { payload: &[0x7b], samples: 960 },
                    _ => Input::Packet { payload, samples: 960 },
                });
                let tempo = if packets.is_multiple_of(2) { Tempo::Faster } else { Tempo::Slower };
                stretched += u32::from(decoder.stretch(tempo) != 0);
                while decoder.take(&mut heard) {}
            });
            assert!(stretched > 20, "{codec:?} {channels:?}: {stretched} of {packets}");
        }
    }
}

#[test]
fn mixing_and_playing_files_allocate_nothing() {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 24,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    (0..100_000).for_each(|n| writer.write_sample((n % 1_000) * 4_000).unwrap());
    writer.finalize().unwrap();
    let file = Box::new(Cursor::new(file.into_inner()));
    let mut source = Source::wav(file, Repeat::Forever, Channels::Mono).unwrap();
    let (mut one, mut out) = (Frame::silence(Channels::Mono), Frame::silence(Channels::Stereo));
    assert_allocates_nothing("a file", || source.next(&mut one));

    let mut mixer = Mixer::new();
    let calls = [frame(Channels::Mono), frame(Channels::Stereo), frame(Channels::Mono)];
    assert_allocates_nothing("the mix", || mixer.mix(&calls, &mut out));
}
