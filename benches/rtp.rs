//! What a media packet costs besides its encryption, and what a report costs.
//!
//! `cargo bench --bench rtp`.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::Duration;

use divan::{Bencher, black_box};
use halloo::rtp::jitter::Incoming;
use halloo::rtp::rtcp::Compound;
use halloo::rtp::{
    AudioLevel, Codec, ExtensionIds, Extensions, Header, JitterBuffer, Packet, Packetizer,
    RtpTimestamp, SequenceNumber, Ssrc,
};
use halloo::time::Instant;
use rand::SeedableRng;
use rand::rngs::StdRng;

fn main() {
    divan::main();
}

const IDS: ExtensionIds =
    ExtensionIds { mid: Some(4), audio_level: Some(1), abs_send_time: None, transport_cc: None };

const EXTENSIONS: Extensions<'static> = Extensions {
    mid: Some(b"0"),
    audio_level: Some(AudioLevel { voice: true, below_overload: 30 }),
    abs_send_time: None,
    transport_cc: None,
};

/// A 20 ms Opus packet with two extensions.
fn packet() -> Vec<u8> {
    let stream = Packetizer::new(Ssrc(7), &mut StdRng::seed_from_u64(1));
    let mut wire = vec![0x78; 100];
    stream.header(111, &EXTENSIONS, &IDS, &mut wire).unwrap();
    wire
}

/// Mark: under 20 ns.
#[divan::bench]
fn read_a_header(bencher: Bencher<'_, '_>) {
    let wire = packet();
    bencher.bench_local(|| Header::parse(black_box(&wire)).unwrap());
}

/// Mark: under 20 ns.
#[divan::bench]
fn read_a_packet(bencher: Bencher<'_, '_>) {
    let wire = packet();
    bencher.bench_local(|| Packet::parse(black_box(&wire)).unwrap());
}

#[divan::bench]
fn read_a_packet_and_its_extensions(bencher: Bencher<'_, '_>) {
    let wire = packet();
    bencher.bench_local(|| {
        let packet = Packet::parse(black_box(&wire)).unwrap();
        black_box(Extensions::read(&packet, &IDS));
    });
}

#[divan::bench]
fn write_a_header_with_two_extensions(bencher: Bencher<'_, '_>) {
    let mut stream = Packetizer::new(Ssrc(7), &mut StdRng::seed_from_u64(1));
    let mut wire = [0; 100];
    bencher.bench_local(|| {
        let length = stream.header(111, black_box(&EXTENSIONS), &IDS, &mut wire).unwrap();
        stream.sent(Instant::ZERO, 80, 960);
        length
    });
}

#[divan::bench]
fn through_the_jitter_buffer(bencher: Bencher<'_, '_>) {
    let mut buffer = JitterBuffer::new();
    let payload = [0x78; 80];
    let (mut now, mut number, mut timestamp) = (Instant::ZERO, 0_u16, RtpTimestamp(0));
    bencher.bench_local(|| {
        now += Duration::from_millis(20);
        number = number.wrapping_add(1);
        timestamp = timestamp.after(960);
        buffer.insert(
            now,
            &Incoming {
                sequence_number: SequenceNumber(number),
                timestamp,
                payload_type: 111,
                codec: Codec::Opus,
                audio_level: None,
                payload: black_box(&payload),
            },
        );
        buffer.next(now).duration()
    });
}

/// A sender report with one block, and a name.
#[divan::bench]
fn read_a_compound(bencher: Bencher<'_, '_>) {
    let text = std::fs::read_to_string("vectors/rtcp_packets.json").unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["id"] == "compound-sr-sdes").unwrap();
    let digits: Vec<_> = case["packet"].as_str().unwrap().chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
    let wire: Vec<_> = digits.chunks(2).map(byte).collect();
    bencher.bench_local(|| Compound::parse(black_box(&wire)).unwrap().packets().count());
}
