//! Every datagram of a DTLS handshake lost in turn, in real time, because OpenSSL's retransmission
//! timer reads the wall clock.
//!
//! Who can mend what:
//! - a lost flight of ours: our timer, after 50 ms (OpenSSL counts 35: it rounds what is left down);
//! - a lost last flight (the server's Finished): ours is sent again unasked, theirs comes again when
//!   our timer repeats the flight before it;
//! - any other lost flight of theirs: only their timer. OpenSSL drops a repeated message without
//!   repeating its answer, so nothing that we send can hurry a peer whose timer is at one second.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods, unreachable_pub, dead_code)]

use std::time::Duration;

use halloo::dtls_srtp::{Certificate, HashAlgorithm, Role};
use halloo::time::Instant;

mod common {
    pub mod dtls;
}
use common::dtls::{End, Manners, Ours, Plain, ecdsa, fingerprint_of};

/// What the issue asks for wherever our side can do something.
const MENDED: Duration = Duration::from_millis(500);
/// Plain OpenSSL's first timeout, and room for a busy machine.
const THEIR_TIMER: Duration = Duration::from_millis(1_500);

#[test]
fn whatever_is_lost_between_two_of_us_is_mended_within_500_ms() {
    let [a, b] = [(); 2].map(|()| Certificate::generate().unwrap());
    let of = |certificate: &Certificate| [certificate.fingerprint(HashAlgorithm::Sha256)];
    for lost in 0.. {
        let mut client = Ours::new(&a, Role::Client, Some(&of(&b)));
        let mut server = Ours::new(&b, Role::Server, Some(&of(&a)));
        let run = shake_hands(&mut client, &mut server, lost);
        let Some((_, datagram)) = run.lost else {
            assert!(lost >= 4, "only {lost} datagrams had their turn");
            return;
        };
        assert!(run.took < MENDED, "{:?} without {}", run.took, describe(&datagram));
    }
}

#[test]
fn against_plain_openssl_what_our_side_can_mend_is_mended_within_500_ms() {
    std::thread::scope(|scope| {
        for role in [Role::Client, Role::Server] {
            // The small one makes several datagrams of their long flight.
            for (mtu, datagrams) in [(1_200, 4), (300, 5)] {
                scope.spawn(move || each_lost_against_plain_openssl(role, mtu, datagrams));
            }
        }
    });
}

fn each_lost_against_plain_openssl(role: Role, mtu: u32, datagrams: usize) {
    let plain = ecdsa();
    let certificate = Certificate::generate().unwrap();
    let their_role = if role == Role::Client { Role::Server } else { Role::Client };
    for lost in 0.. {
        let mut ours = Ours::new(&certificate, role, Some(&[fingerprint_of(&plain.0)]));
        let manners = Manners { mtu, ..Manners::default() };
        let mut theirs = Plain::new(&plain, their_role, &manners);
        let run = shake_hands(&mut ours, &mut theirs, lost);
        let Some((sender, datagram)) = run.lost else {
            assert!(lost >= datagrams, "only {lost} datagrams had their turn");
            return;
        };
        let last_flight = their_role == Role::Server && is_last_flight(&datagram);
        let mendable = sender == Sender::A || last_flight;
        let limit = if mendable { MENDED } else { THEIR_TIMER };
        let what = describe(&datagram);
        assert!(run.took < limit, "we, {role:?}: {:?} without {sender:?}'s {what}", run.took);
    }
}

/// The copies that go out unasked are lost too: the client asks again, and OpenSSL answers because a
/// finished handshake reads on.
#[test]
fn a_last_flight_lost_with_all_its_copies_is_mended_when_the_client_asks_again() {
    let [a, b] = [(); 2].map(|()| Certificate::generate().unwrap());
    let of = |certificate: &Certificate| [certificate.fingerprint(HashAlgorithm::Sha256)];
    let mut client = Ours::new(&a, Role::Client, Some(&of(&b)));
    let mut server = Ours::new(&b, Role::Server, Some(&of(&a)));
    let mut original = None;
    let run = shake_hands_losing(&mut client, &mut server, |number, datagram| {
        if number == 3 {
            original = Some(datagram.to_vec());
        }
        original.as_deref() == Some(datagram)
    });
    assert!(run.took < MENDED, "{:?}", run.took);
}

#[derive(Debug, PartialEq, Eq)]
enum Sender {
    A,
    B,
}

struct Run {
    took: Duration,
    lost: Option<(Sender, Vec<u8>)>,
}

/// Runs a handshake that loses the datagram of this number.
fn shake_hands(a: &mut dyn End, b: &mut dyn End, lose: usize) -> Run {
    shake_hands_losing(a, b, |number, _| number == lose)
}

/// Runs a handshake that loses the datagrams which `lose` names by number and content.
fn shake_hands_losing(
    a: &mut dyn End,
    b: &mut dyn End,
    mut lose: impl FnMut(usize, &[u8]) -> bool,
) -> Run {
    let start = std::time::Instant::now();
    let now = || Instant::from(start.elapsed());
    let (mut sent, mut lost) = (0, None);
    while !(a.is_connected() && b.is_connected()) {
        assert!(start.elapsed() < Duration::from_secs(10), "not connected without {lost:?}");
        a.tick(now());
        b.tick(now());
        let before = sent;
        while let Some(datagram) = a.leave() {
            if lose(sent, &datagram) {
                lost = Some((Sender::A, datagram));
            } else {
                b.receive(now(), &datagram);
            }
            sent += 1;
        }
        while let Some(datagram) = b.leave() {
            if lose(sent, &datagram) {
                lost = Some((Sender::B, datagram));
            } else {
                a.receive(now(), &datagram);
            }
            sent += 1;
        }
        if sent == before {
            std::thread::sleep(Duration::from_millis(1)); // OpenSSL's clock is the wall's
        }
    }
    Run { took: start.elapsed(), lost }
}

/// Content type and epoch of each record.
fn describe(datagram: &[u8]) -> String {
    records(datagram).map(|(kind, epoch)| format!("[type {kind}, epoch {epoch}]")).collect()
}

/// ChangeCipherSpec or the encrypted Finished behind it.
fn is_last_flight(datagram: &[u8]) -> bool {
    records(datagram).any(|(kind, epoch)| epoch == 1 || kind == 20)
}

fn records(mut rest: &[u8]) -> impl Iterator<Item = (u8, u8)> {
    std::iter::from_fn(move || {
        let header = rest.get(..13)?;
        let record = (header[0], header[4]);
        rest = &rest[13 + usize::from(u16::from_be_bytes([header[11], header[12]]))..];
        Some(record)
    })
}
