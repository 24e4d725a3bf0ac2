//! DTLS handshakes: with ourselves and with plain OpenSSL, both roles, and everything that can be
//! wrong with the other side.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub, dead_code)]

use halloo::dtls_srtp::{
    Alert, Certificate, CertificateKind, Event, Failure, Fingerprint, Handshake, HashAlgorithm,
    Input, MasterKeys, Output, Role, Sender, SrtpProfile,
};
use halloo::time::Instant;
use openssl::ssl::SslVerifyMode;
use proptest::prelude::*;

mod common {
    pub mod dtls;
}
use common::dtls::{End, Manners, Ours, Plain, ecdsa, fingerprint_of, rsa, settle};

const NOW: Instant = Instant::from_millis(5_000);

fn sha256(certificate: &Certificate) -> [Fingerprint; 1] {
    [certificate.fingerprint(HashAlgorithm::Sha256)]
}

fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// Two of us, each expecting the other.
fn pair() -> (Ours, Ours, [Certificate; 2]) {
    let [a, b] = [(); 2].map(|()| Certificate::generate().unwrap());
    let client = Ours::new(&a, Role::Client, Some(&sha256(&b)));
    let server = Ours::new(&b, Role::Server, Some(&sha256(&a)));
    (client, server, [a, b])
}

fn connected_pair() -> (Ours, Ours) {
    let (mut client, mut server, _) = pair();
    client.tick(NOW);
    settle(NOW, &mut client, &mut server);
    assert!(client.is_connected() && server.is_connected());
    (client, server)
}

/// rfc5764-4.2-1, rfc5764-4.2-2, rfc8827-6.5-1
#[test]
fn two_of_us_agree_on_crossed_keys_and_know_each_other() {
    let (mut client, mut server, certificates) = pair();
    client.tick(NOW);
    settle(NOW, &mut client, &mut server);
    let (a, b) = (client.connected().unwrap(), server.connected().unwrap());
    assert_eq!(a.profile, SrtpProfile::AeadAes128Gcm);
    assert_eq!((&a.keys.local, &a.keys.remote), (&b.keys.remote, &b.keys.local));
    assert_ne!(a.keys.local, a.keys.remote);
    assert_eq!(a.cipher, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    assert_eq!(a.version, "DTLSv1.2");
    assert_eq!(a.remote_certificate, certificates[1].der());
    assert_eq!(b.remote_fingerprint, sha256(&certificates[0])[0]);

    let (mut outbound, _) = a.keys.contexts().unwrap();
    let (_, mut inbound) = b.keys.contexts().unwrap();
    let mut packet = [0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 42, 43].to_vec();
    packet.resize(14 + a.profile.rtp_tag_length(), 0);
    assert_eq!(outbound.protect_rtp(&mut packet, 14), Ok(30));
    assert_eq!(inbound.unprotect_rtp(&mut packet), Ok(14));
    assert_eq!(packet[12..14], [42, 43]);
}

/// rfc5764-4.1-1, rfc8827-6.5-2: plain OpenSSL offers and chooses each profile; both kinds of
/// certificate.
#[test]
fn plain_openssl_with_either_certificate_and_any_profile_works_in_both_roles() {
    let ours = Certificate::generate().unwrap();
    for plain in [rsa(), ecdsa()] {
        for role in [Role::Client, Role::Server] {
            for (name, profile) in [
                ("SRTP_AES128_CM_SHA1_80", SrtpProfile::AesCm128HmacSha1_80),
                ("SRTP_AEAD_AES_128_GCM", SrtpProfile::AeadAes128Gcm),
                ("SRTP_AEAD_AES_256_GCM", SrtpProfile::AeadAes256Gcm),
                ("SRTP_AES128_CM_SHA1_32:SRTP_AES128_CM_SHA1_80", SrtpProfile::AesCm128HmacSha1_80),
            ] {
                let manners = Manners { profiles: Some(name), ..Manners::default() };
                let mut theirs = Plain::new(&plain, other(role), &manners);
                let mut us = Ours::new(&ours, role, Some(&[fingerprint_of(&plain.0)]));
                us.tick(NOW);
                theirs.tick(NOW);
                settle(NOW, &mut us, &mut theirs);
                let connected = us.connected().unwrap_or_else(|| panic!("{:?}", us.events));
                assert_eq!(connected.profile, profile);
                let mut exported = vec![0; MasterKeys::exported_length(profile)];
                let ssl = theirs.stream.ssl();
                ssl.export_keying_material(&mut exported, MasterKeys::LABEL, None).unwrap();
                let keys = MasterKeys::split(profile, role, &exported).unwrap();
                assert_eq!(connected.keys, keys);
            }
        }
    }
}

/// rfc5763-5-2, rfc5764-5.1-1: every way in which the fingerprint can come, and in time or late.
#[test]
fn no_key_leaves_before_the_fingerprint_is_known() {
    let [a, b] = [(); 2].map(|()| Certificate::generate().unwrap());
    for algorithm in HashAlgorithm::ALL {
        let mut client = Ours::new(&a, Role::Client, Some(&sha256(&b)));
        let mut server = Ours::new(&b, Role::Server, None);
        client.tick(NOW);
        settle(NOW, &mut client, &mut server);
        assert!(client.is_connected());
        assert_eq!(server.events, [], "DTLS is done, but nothing was signalled");
        let weak_and_wrong = Fingerprint::of(HashAlgorithm::Sha256, b"another");
        let right = a.fingerprint(algorithm);
        let expected = if algorithm == HashAlgorithm::Sha256 {
            vec![right.clone()]
        } else {
            vec![weak_and_wrong, right.clone()]
        };
        server.handle(NOW, Input::Expect(&expected));
        server.drain();
        assert_eq!(server.connected().unwrap().remote_fingerprint, right);
    }
}

/// rfc5763-5-2, rfc8122-6.2-1
#[test]
fn a_foreign_certificate_ends_it_whenever_the_fingerprint_comes() {
    let [a, b] = [(); 2].map(|()| Certificate::generate().unwrap());
    let wrong = [Fingerprint::of(HashAlgorithm::Sha256, b"another")];
    for role in [Role::Client, Role::Server] {
        for expected in [Some(&wrong[..]), Some(&[]), None] {
            let (ours, theirs) = if role == Role::Client { (&a, &b) } else { (&b, &a) };
            let mut us = Ours::new(ours, role, expected);
            let mut them = Ours::new(theirs, other(role), Some(&sha256(ours)));
            us.tick(NOW);
            them.tick(NOW);
            settle(NOW, &mut us, &mut them);
            if expected.is_none() {
                us.handle(NOW, Input::Expect(&wrong));
                settle(NOW, &mut us, &mut them);
                assert_eq!(them.events.last(), Some(&Event::Closed), "they are told");
            } else {
                let told = Failure::Alert { alert: Alert::BAD_CERTIFICATE, sender: Sender::Remote };
                assert_eq!(them.failure(), Some(&told));
            }
            let [shown] = sha256(theirs);
            assert_eq!(us.events, [Event::Failed(Failure::FingerprintMismatch { shown })]);
            assert_eq!(us.timeout, None);
            us.handle(NOW, Input::Expect(&sha256(theirs)));
            assert_eq!((us.drain(), us.events.len()), (vec![], 1), "it is over");
        }
    }
}

/// rfc8122-6.2-1
#[test]
fn a_client_without_certificate_is_refused() {
    let ours = Certificate::generate().unwrap();
    let plain = ecdsa();
    let manners = Manners { shows_certificate: false, ..Manners::default() };
    let mut theirs = Plain::new(&plain, Role::Client, &manners);
    let mut us = Ours::new(&ours, Role::Server, Some(&[fingerprint_of(&plain.0)]));
    theirs.tick(NOW);
    settle(NOW, &mut us, &mut theirs);
    let alert = Alert::HANDSHAKE_FAILURE;
    assert_eq!(us.failure(), Some(&Failure::Alert { alert, sender: Sender::Local }));
    assert!(theirs.failed.is_some());
}

/// rfc5764-4.1-2, rfc5764-4.1-3, rfc8827-6.5-3
#[test]
fn without_a_common_srtp_profile_there_is_an_alert_and_no_media() {
    let ours = Certificate::generate().unwrap();
    let plain = ecdsa();
    for role in [Role::Client, Role::Server] {
        for profiles in [None, Some("SRTP_AES128_CM_SHA1_32")] {
            let manners = Manners { profiles, ..Manners::default() };
            let mut theirs = Plain::new(&plain, other(role), &manners);
            let mut us = Ours::new(&ours, role, Some(&[fingerprint_of(&plain.0)]));
            us.tick(NOW);
            theirs.tick(NOW);
            settle(NOW, &mut us, &mut theirs);
            assert_eq!(us.events, [Event::Failed(Failure::NoSharedProfile)]);
            let told = theirs.failed.expect("they got an alert").to_string();
            assert!(told.contains("alert handshake failure"), "{told}");
        }
    }
}

#[test]
fn no_common_cipher_names_the_certificate_that_the_client_wants() {
    let ours = Certificate::generate().unwrap();
    let plain = rsa();
    for (ciphers, client_insists_on) in [
        ("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384", Some(CertificateKind::Rsa)),
        ("ECDHE-ECDSA-AES128-CCM", None),
    ] {
        let manners = Manners { ciphers, ..Manners::default() };
        let mut theirs = Plain::new(&plain, Role::Client, &manners);
        let mut us = Ours::new(&ours, Role::Server, Some(&[fingerprint_of(&plain.0)]));
        theirs.tick(NOW);
        settle(NOW, &mut us, &mut theirs);
        assert_eq!(us.failure(), Some(&Failure::NoSharedCipher { client_insists_on }));
    }
}

#[test]
fn the_servers_refusal_is_told_as_its_alert() {
    let ours = Certificate::generate().unwrap();
    let plain = rsa();
    let manners = Manners { ciphers: "DHE-RSA-AES128-SHA", ..Manners::default() };
    let mut theirs = Plain::new(&plain, Role::Server, &manners);
    let mut us = Ours::new(&ours, Role::Client, Some(&[fingerprint_of(&plain.0)]));
    us.tick(NOW);
    settle(NOW, &mut us, &mut theirs);
    let alert = Alert::HANDSHAKE_FAILURE;
    assert_eq!(us.failure(), Some(&Failure::Alert { alert, sender: Sender::Remote }));
    assert_eq!(us.failure().unwrap().to_string(), "their alert handshake_failure (40)");
}

/// rfc6347-4.1.1-1
#[test]
fn no_datagram_is_larger_than_1200_bytes() {
    let (mut client, mut server, _) = pair();
    client.tick(NOW);
    let mut largest = 0;
    loop {
        let sent = [client.drain(), server.drain()];
        if sent.iter().all(Vec::is_empty) {
            break;
        }
        sent[0].iter().for_each(|datagram| server.receive(NOW, datagram));
        sent[1].iter().for_each(|datagram| client.receive(NOW, datagram));
        largest = sent.iter().flatten().map(Vec::len).max().unwrap_or(0).max(largest);
    }
    assert!((500..=1_200).contains(&largest), "{largest}");
    assert!(client.is_connected());
}

/// Browsers' hellos, with a post-quantum key share in them, need two datagrams.
#[test]
fn a_client_hello_in_pieces_is_taken_in_any_order() {
    let ours = Certificate::generate().unwrap();
    let plain = ecdsa();
    for reversed in [false, true] {
        let mut theirs = Plain::new(&plain, Role::Client, &Manners::default());
        let mut us = Ours::new(&ours, Role::Server, Some(&[fingerprint_of(&plain.0)]));
        theirs.tick(NOW);
        let mut pieces = in_two_fragments(&theirs.leave().unwrap());
        if reversed {
            pieces.reverse();
        }
        us.receive(NOW, &pieces[0]);
        assert_eq!(us.drain(), [] as [Vec<u8>; 0], "half a hello is not answered");
        us.receive(NOW, &pieces[1]);
        settle(NOW, &mut us, &mut theirs);
        assert!(us.is_connected() && theirs.is_connected(), "reversed: {reversed}");
    }
}

/// A record with one whole handshake message as two records with a fragment each (RFC 6347 section
/// 4.2.3).
fn in_two_fragments(record: &[u8]) -> [Vec<u8>; 2] {
    let (record_header, message) = record.split_at(13);
    let (message_header, body) = message.split_at(12);
    let (front, back) = body.split_at(body.len() / 3);
    let fragment = |number: u8, offset: usize, bytes: &[u8]| {
        let short = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
        let mut datagram = record_header.to_vec();
        datagram[10] = number;
        datagram[11..].copy_from_slice(&short(12 + bytes.len()));
        datagram.extend(&message_header[..6]);
        datagram.push(0);
        datagram.extend(short(offset));
        datagram.push(0);
        datagram.extend(short(bytes.len()));
        datagram.extend(bytes);
        datagram
    };
    // The number of the second is one that the sender won't reach.
    [fragment(0, 0, front), fragment(40, front.len(), back)]
}

/// rfc6347-4.2.1-1
#[test]
fn a_server_that_asks_for_a_cookie_gets_it() {
    // HelloVerifyRequest: message type 3, sequence number 0, version 1.0, a cookie of four bytes.
    let mut request = vec![22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 19];
    request.extend([3, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 7, 254, 255, 4, 0xc0, 0x0c, 0x1e, 0x5a]);
    let certificate = Certificate::generate().unwrap();
    let mut client = Ours::new(&certificate, Role::Client, None);
    client.tick(NOW);
    let first = client.drain().concat();
    client.receive(NOW, &request);
    // The first one may have been repeated in front of it.
    let second = client.drain().pop().unwrap();
    let random = |hello: &[u8]| hello[27..59].to_vec();
    assert_eq!(random(&first), random(&second), "the same hello");
    assert_eq!((first[60], &second[60..65]), (0, &[4, 0xc0, 0x0c, 0x1e, 0x5a][..]));
}

#[test]
fn a_hang_up_reaches_the_other_side_once_and_is_answered() {
    for closes_first in [Role::Client, Role::Server] {
        let (mut client, mut server) = connected_pair();
        let (a, b) = match closes_first {
            Role::Client => (&mut client, &mut server),
            Role::Server => (&mut server, &mut client),
        };
        a.handle(NOW, Input::Close);
        let goodbye = a.drain();
        assert_eq!(goodbye.len(), 1, "close_notify");
        b.receive(NOW, &goodbye[0]);
        b.receive(NOW, &goodbye[0]);
        assert_eq!(b.drain().len(), 1, "answered in kind");
        assert_eq!(b.events.len(), 2);
        assert_eq!(b.events.last(), Some(&Event::Closed));
        assert_eq!((a.timeout, b.timeout), (None, None));
        assert_eq!(a.events.len(), 1, "who hangs up knows");
    }
}

#[test]
fn a_plain_peer_hears_our_hang_up_and_we_hear_theirs() {
    let ours = Certificate::generate().unwrap();
    let plain = ecdsa();
    for we_close in [true, false] {
        let mut theirs = Plain::new(&plain, Role::Server, &Manners::default());
        let mut us = Ours::new(&ours, Role::Client, Some(&[fingerprint_of(&plain.0)]));
        us.tick(NOW);
        settle(NOW, &mut us, &mut theirs);
        if we_close {
            us.handle(NOW, Input::Close);
        } else {
            theirs.stream.shutdown().unwrap();
        }
        settle(NOW, &mut us, &mut theirs);
        assert!(theirs.closed || !we_close);
        assert_eq!(us.events.last() == Some(&Event::Closed), !we_close);
    }
}

#[test]
fn nobody_answering_is_a_failure_after_30_s() {
    for role in [Role::Client, Role::Server] {
        let certificate = Certificate::generate().unwrap();
        let mut us = Ours::new(&certificate, role, None);
        us.drain();
        assert_eq!(us.timeout, Some(Instant::ZERO), "due at once");
        us.tick(Instant::from_millis(1_000));
        assert_eq!(us.drain().len(), if role == Role::Client { 1 } else { 0 });
        us.tick(Instant::from_millis(30_999));
        us.drain();
        assert_eq!(us.events, []);
        us.tick(Instant::from_millis(31_000));
        us.drain();
        assert_eq!(us.events, [Event::Failed(Failure::NoAnswer)]);
        assert_eq!(us.timeout, None);
    }
}

/// OpenSSL's clock is the wall's; its timer is told relative to the `now` of the call.
#[test]
fn an_unanswered_hello_is_due_again_within_50_ms() {
    let (mut client, mut server, _) = pair();
    client.tick(NOW);
    let hello = client.drain();
    let due = client.timeout.unwrap();
    assert!((NOW..=Instant::from_millis(5_050)).contains(&due), "{due:?}");
    server.tick(NOW);
    server.drain();
    assert_eq!(server.timeout, Some(Instant::from_millis(35_000)), "only the limit");
    server.receive(NOW, &hello[0]);
    server.drain();
    let due = server.timeout.unwrap();
    assert!(due <= Instant::from_millis(5_050), "its flight awaits an answer: {due:?}");
}

/// rfc9147-4-1: records of DTLS 1.3 are DTLS, but not of this association.
#[test]
fn a_record_of_dtls_1_3_changes_nothing() {
    let (mut client, mut server, _) = pair();
    client.tick(NOW);
    for first_byte in 32..64 {
        let mut record = [0x5a; 40];
        record[0] = first_byte;
        client.receive(NOW, &record);
        server.receive(NOW, &record);
    }
    settle(NOW, &mut client, &mut server);
    assert!(client.is_connected() && server.is_connected());
}

/// A server's last flight goes out again, unless the client was heard.
#[test]
fn the_last_flight_is_repeated_until_the_client_is_heard() {
    let (_, mut server) = connected_pair();
    assert_eq!(server.timeout, Some(Instant::from_millis(5_050)));
    server.tick(Instant::from_millis(5_050));
    // ChangeCipherSpec begins it. On a machine that stood still, OpenSSL's own timer repeats more.
    let begins_the_last = |datagram: &&Vec<u8>| datagram[0] == 20;
    assert_eq!(server.drain().iter().filter(begins_the_last).count(), 1);
    server.handle(Instant::from_millis(5_060), Input::Heard);
    server.tick(Instant::from_millis(5_150));
    assert_eq!((server.drain().len(), server.timeout), (0, None));
}

/// UDP has empty datagrams; to OpenSSL an empty read is the end of the stream.
#[test]
fn an_empty_datagram_ends_nothing() {
    let (mut client, mut server) = connected_pair();
    for end in [&mut client, &mut server] {
        end.receive(NOW, &[]);
        end.drain();
        assert_eq!((end.events.len(), end.handshake.dropped()), (1, 1));
    }
}

#[test]
fn application_data_is_dropped_and_counted() {
    let ours = Certificate::generate().unwrap();
    let plain = ecdsa();
    let mut theirs = Plain::new(&plain, Role::Server, &Manners::default());
    let mut us = Ours::new(&ours, Role::Client, Some(&[fingerprint_of(&plain.0)]));
    us.tick(NOW);
    settle(NOW, &mut us, &mut theirs);
    theirs.stream.ssl_write(b"SCTP, perhaps").unwrap();
    settle(NOW, &mut us, &mut theirs);
    assert_eq!(us.handshake.dropped(), 1);
    assert_eq!(us.events.len(), 1);
}

/// rfc8827-6.5-5
#[test]
fn a_new_hello_on_a_finished_association_changes_nothing() {
    let (mut client, mut server) = connected_pair();
    let stranger = Certificate::generate().unwrap();
    let mut intruder = Ours::new(&stranger, Role::Client, None);
    intruder.tick(NOW);
    for hello in intruder.drain() {
        server.receive(NOW, &hello);
        client.receive(NOW, &hello);
    }
    assert_eq!((server.drain().len(), server.events.len()), (0, 1));
    assert_eq!((client.drain().len(), client.events.len()), (0, 1));
}

#[test]
fn the_key_log_is_kept_only_when_asked_for() {
    let (mut client, mut server, _) = pair();
    client.handshake.keep_key_log();
    client.tick(NOW);
    settle(NOW, &mut client, &mut server);
    let lines = client.handshake.take_key_log();
    assert!(lines.iter().any(|line| line.starts_with("CLIENT_RANDOM ")), "{lines:?}");
    assert!(server.handshake.take_key_log().is_empty());
}

#[test]
fn a_plain_server_that_asks_for_no_certificate_still_proves_itself() {
    let ours = Certificate::generate().unwrap();
    let plain = ecdsa();
    let manners = Manners { verify: SslVerifyMode::NONE, ..Manners::default() };
    let mut theirs = Plain::new(&plain, Role::Server, &manners);
    let mut us = Ours::new(&ours, Role::Client, Some(&[fingerprint_of(&plain.0)]));
    us.tick(NOW);
    settle(NOW, &mut us, &mut theirs);
    assert!(us.is_connected());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Hostile datagrams before, during and after: never a panic, never a key, and once connected
    /// nothing that isn't authentic counts.
    #[test]
    fn garbage_never_panics_and_never_yields_keys(
        garbage in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8),
        header in any::<bool>(),
    ) {
        let (mut client, mut server, _) = pair();
        client.tick(NOW);
        for bytes in &garbage {
            let record = [&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9][..],
                &u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
            let bytes = if header { &record } else { bytes };
            client.receive(NOW, bytes);
            server.receive(NOW, bytes);
        }
        client.drain();
        server.drain();
        prop_assert!(!client.is_connected() && !server.is_connected());

        let (mut client, mut server) = connected_pair();
        for bytes in &garbage {
            client.receive(NOW, bytes);
            server.receive(NOW, bytes);
        }
        client.drain();
        server.drain();
        prop_assert_eq!((client.events.len(), server.events.len()), (1, 1));
    }

    /// A bit flipped in any datagram: the handshake ends, hangs or succeeds, but never with other keys.
    #[test]
    fn a_damaged_handshake_yields_the_same_keys_or_none(at in 0_usize..4, bit in 0_usize..5_000) {
        let (mut client, mut server, _) = pair();
        client.tick(NOW);
        let mut sent = 0;
        loop {
            let mut moved = false;
            for from_client in [true, false] {
                let datagrams = if from_client { client.drain() } else { server.drain() };
                for mut datagram in datagrams {
                    moved = true;
                    if sent == at {
                        let bit = bit % (8 * datagram.len());
                        datagram[bit / 8] ^= 1 << (bit % 8);
                    }
                    sent += 1;
                    if from_client {
                        server.receive(NOW, &datagram);
                    } else {
                        client.receive(NOW, &datagram);
                    }
                }
            }
            if !moved {
                break;
            }
        }
        if let (Some(a), Some(b)) = (client.connected(), server.connected()) {
            prop_assert_eq!(&a.keys.local, &b.keys.remote);
        }
    }
}

/// The arrows over `handshake.rs`: what each state answers to what leaves it alone.
#[test]
fn a_finished_or_failed_handshake_has_nothing_more_to_say() {
    let certificate = Certificate::generate().unwrap();
    let mut handshake = Handshake::new(&certificate, Role::Server).unwrap();
    handshake.handle_input(NOW, Input::Close);
    for input in
        [Input::Timer, Input::Expect(&[]), Input::Heard, Input::Datagram(&[22]), Input::Close]
    {
        handshake.handle_input(NOW, input);
        assert!(matches!(handshake.poll_output(), Output::Timeout(None)), "{input:?}");
    }
    assert_eq!(handshake.dropped(), 1);
}
