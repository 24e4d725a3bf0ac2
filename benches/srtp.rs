//! Sealing and opening a packet of 12 bytes of header and 80 of payload, for each profile.
//!
//! PERFORMANCE.md has what others take. Every packet has a number of its own, as in a call; what is
//! opened was sealed beforehand.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

use std::cell::RefCell;

use divan::Bencher;
use halloo::dtls_srtp::{Inbound, Outbound, Phrase, SrtpProfile};

fn main() {
    divan::main();
}

const HEADER: usize = 12;
const PLAIN: usize = HEADER + 80;
const ROOM: usize = 20;

fn packet(sequence_number: u16) -> [u8; PLAIN + ROOM] {
    let mut packet = [0x5a; PLAIN + ROOM];
    packet[..2].copy_from_slice(&[0x80, 111]);
    packet[2..4].copy_from_slice(&sequence_number.to_be_bytes());
    packet
}

fn key_and_salt(profile: SrtpProfile) -> (Vec<u8>, Vec<u8>) {
    (vec![7; profile.key_length()], vec![9; profile.salt_length()])
}

#[divan::bench(args = SrtpProfile::OFFERED, sample_size = 1000)]
fn protect_rtp(bencher: Bencher<'_, '_>, profile: SrtpProfile) {
    let (key, salt) = key_and_salt(profile);
    let mut outbound = Outbound::new(profile, &key, &salt).unwrap();
    let mut buffer = packet(0);
    let mut sequence_number = 0_u16;
    bencher.bench_local(|| {
        sequence_number = sequence_number.wrapping_add(1);
        buffer[2..4].copy_from_slice(&sequence_number.to_be_bytes());
        outbound.protect_rtp(divan::black_box(&mut buffer), PLAIN).unwrap()
    });
}

#[divan::bench(args = SrtpProfile::OFFERED, sample_size = 1000)]
fn unprotect_rtp(bencher: Bencher<'_, '_>, profile: SrtpProfile) {
    let (key, salt) = key_and_salt(profile);
    let mut outbound = Outbound::new(profile, &key, &salt).unwrap();
    let mut inbound = Inbound::new(profile, &key, &salt).unwrap();
    let sequence_number = RefCell::new(0_u16);
    bencher
        .with_inputs(|| {
            let next = sequence_number.borrow().wrapping_add(1);
            *sequence_number.borrow_mut() = next;
            let mut buffer = packet(next);
            let length = outbound.protect_rtp(&mut buffer, PLAIN).unwrap();
            (buffer, length)
        })
        .bench_local_refs(|(buffer, length)| {
            inbound.unprotect_rtp(divan::black_box(&mut buffer[..*length])).unwrap()
        });
}

/// What one call costs beside its packets; the rounds are meant to.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn phrase() -> Phrase {
    Phrase::of(divan::black_box(&[1; 32]), divan::black_box(&[2; 32])).unwrap()
}
