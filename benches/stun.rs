//! What a connectivity check costs: read and proved, and answered.
//!
//! `cargo bench --bench stun`. The request is Chromium's kind: 120 bytes of username, tie-breaker,
//! priority, USE-CANDIDATE, HMAC-SHA1 and CRC.
#![allow(missing_docs, clippy::unwrap_used)]

use divan::{Bencher, black_box};
use halloo::stun::{
    Attribute, Class, IntegrityKey, Message, MessageWriter, Method, TransactionId, XorAddress,
};

fn main() {
    divan::main();
}

fn key() -> IntegrityKey {
    IntegrityKey::short_term("mb7AVlTh8K79JnWM3K7KhzcB")
}

fn request() -> Vec<u8> {
    let mut out = Vec::new();
    MessageWriter::new(&mut out, Class::Request, Method::BINDING, TransactionId([7; 12]))
        .attribute(Attribute::Username("NWsKNWsKNWsKNWsKNWsK:nQT+nQT+nQT+nQT+"))
        .attribute(Attribute::IceControlling(0x1442_4588_16c0_334a))
        .attribute(Attribute::UseCandidate)
        .attribute(Attribute::Priority(0x6e7f_1eff))
        .integrity(&key())
        .fingerprint()
        .finish();
    assert_eq!(out.len(), 120);
    out
}

/// Mark: under 250 ns.
#[divan::bench]
fn parse_and_verify(bencher: Bencher<'_, '_>) {
    let (request, key) = (request(), key());
    bencher.bench_local(|| {
        let message = Message::parse(black_box(&request)).unwrap();
        message.verify_fingerprint().unwrap();
        message.verify_integrity(&key).unwrap();
        message.username().unwrap().len()
    });
}

/// Mark: under 200 ns.
#[divan::bench]
fn build_answer(bencher: Bencher<'_, '_>) {
    let (request, key) = (request(), key());
    let message = Message::parse(&request).unwrap();
    let from = XorAddress("192.0.2.1:32853".parse().unwrap());
    let mut out = Vec::with_capacity(128);
    bencher.bench_local(|| {
        MessageWriter::success(&mut out, black_box(&message))
            .attribute(Attribute::XorMappedAddress(from))
            .integrity(&key)
            .fingerprint()
            .finish()
            .len()
    });
}

/// Keying both HMACs: why the key is kept.
#[divan::bench]
fn make_key(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| IntegrityKey::short_term(black_box("mb7AVlTh8K79JnWM3K7KhzcB")));
}
