//! In-band FEC from end to end: `audio` makes it, `rtp` finds it without decoding, `audio` uses it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use halloo::audio::decode::{Decoder, Input};
use halloo::audio::{Channels, Codec, Encoded, Encoder, Fec, Frame, Settings, Source};
use halloo::rtp::payload;

/// Two seconds of a tone.
fn payloads(settings: &Settings) -> Vec<Vec<u8>> {
    let (mut encoder, mut tone) = (Encoder::new(settings).unwrap(), Source::tone(300.0));
    let (mut frame, mut out) = (Frame::silence(Channels::Mono), [0; Encoder::MAX_PAYLOAD]);
    let mut payloads = Vec::new();
    for _ in 0..200 {
        tone.next(&mut frame);
        if let Encoded::Packet { len, .. } = encoder.encode(&frame, &mut out) {
            payloads.push(out[..len].to_vec());
        }
    }
    payloads
}

fn lossy(fec: Fec) -> Settings {
    Settings { expected_loss: 20, bitrate: 24_000, fec, ..Settings::new(Codec::Opus) }
}

/// rfc7587-3.3-1
#[test]
fn a_lost_packet_is_restored_from_the_one_behind_it() {
    let payloads = payloads(&lossy(Fec::On));
    let repeats = |n: &usize| payload::Codec::Opus.has_fec(&payloads[n + 1]);
    let lost = (20..90).find(repeats).expect("no packet carries FEC");
    let mut decoder = Decoder::new(Codec::Opus, Channels::Mono).unwrap();
    let mut frame = Frame::silence(Channels::Mono);
    for (n, payload) in payloads.iter().enumerate() {
        let made = if n == lost {
            decoder.decode(Input::Fec { next: &payloads[n + 1], samples: 960 })
        } else {
            decoder.decode(Input::Packet { payload, samples: 960 })
        };
        assert_eq!(made, 960);
        while decoder.take(&mut frame) {
            let heard = frame.level().dbov();
            assert!(n < 10 || (12..=16).contains(&heard), "packet {n}, lost {lost}: -{heard} dBov");
        }
    }
    assert_eq!(decoder.counters().fec_packets, 1);
    assert_eq!(decoder.counters().concealed_samples, 0);
}

/// rfc7587-6.1-2
#[test]
fn no_packet_repeats_another_when_the_far_end_wants_no_fec() {
    let any = |fec| payloads(&lossy(fec)).iter().any(|p| payload::Codec::Opus.has_fec(p));
    assert!(any(Fec::On) && !any(Fec::Off));
}
