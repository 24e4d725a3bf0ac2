//! SRTP and SRTCP as a call uses them: two contexts, many packets, and a stranger in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

use halloo::dtls_srtp::context::STREAMS_MAX;
use halloo::dtls_srtp::{Inbound, Outbound, SrtpError, SrtpProfile};
use halloo::rtp::Ssrc;
use proptest::prelude::*;

const ROOM: usize = 20;
const OURS: u32 = 0xcafe_babe;

fn contexts(profile: SrtpProfile) -> (Outbound, Inbound) {
    let (key, salt) = (vec![7; profile.key_length()], vec![9; profile.salt_length()]);
    (Outbound::new(profile, &key, &salt).unwrap(), Inbound::new(profile, &key, &salt).unwrap())
}

fn rtp(ssrc: u32, sequence_number: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 111];
    packet.extend(sequence_number.to_be_bytes());
    packet.extend((u32::from(sequence_number) * 960).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

fn receiver_report(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0x80, 203, 0, 1]); // BYE, so that something is encrypted
    packet.extend(ssrc.to_be_bytes());
    packet
}

type Seal = fn(&mut Outbound, &mut [u8], usize) -> Result<usize, SrtpError>;

fn sealed(outbound: &mut Outbound, seal: Seal, plain: &[u8]) -> Vec<u8> {
    let mut buffer = [plain, &[0; ROOM]].concat();
    let length = seal(outbound, &mut buffer, plain.len()).unwrap();
    buffer.truncate(length);
    buffer
}

fn opened(inbound: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = packet.to_vec();
    let length = inbound.unprotect_rtp(&mut packet)?;
    packet.truncate(length);
    Ok(packet)
}

/// rfc3711-3.3.1-1, rfc3711-3.3.1-2: the counter follows the sequence number around twice, with
/// neighbours swapped and every seventh packet lost.
#[test]
fn a_stream_wraps_twice_with_reordering_and_loss() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, mut inbound) = contexts(profile);
        let mut pending = Vec::new();
        for i in 65_000..(65_536 * 2 + 500_u32) {
            if (600..65_000).contains(&(i % 65_536)) && i % 97 != 0 {
                continue; // nothing happens far from the wrap
            }
            let plain = rtp(OURS, i as u16, &i.to_be_bytes());
            pending.push((sealed(&mut outbound, Outbound::protect_rtp, &plain), plain));
            if pending.len() == 2 {
                for (packet, plain) in pending.drain(..).rev() {
                    if i % 7 != 0 {
                        assert_eq!(opened(&mut inbound, &packet), Ok(plain), "{profile}, {i}");
                    }
                }
            }
        }
        assert_eq!(inbound.rollover_counter(Ssrc(OURS)), Some(2));
    }
}

/// rfc3711-3.3.2-1, rfc3711-3.4-2, rfc3711-3.2.3-1, rfc3711-3.3.1-3
#[test]
fn replays_and_forgeries_are_dropped_and_change_nothing() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, mut inbound) = contexts(profile);
        let first = sealed(&mut outbound, Outbound::protect_rtp, &rtp(OURS, 60_000, b"sound"));
        assert!(opened(&mut inbound, &first).is_ok());
        assert_eq!(opened(&mut inbound, &first), Err(SrtpError::Replayed));
        // A stranger makes the number jump across the wrap: the counter must stay.
        let mut forged = first.clone();
        forged[2..4].copy_from_slice(&10_u16.to_be_bytes());
        assert_eq!(opened(&mut inbound, &forged), Err(SrtpError::AuthenticationFailed));
        let next = sealed(&mut outbound, Outbound::protect_rtp, &rtp(OURS, 60_001, b"more"));
        assert!(opened(&mut inbound, &next).is_ok());
        assert_eq!(inbound.rollover_counter(Ssrc(OURS)), Some(0));

        let mut report = sealed(&mut outbound, Outbound::protect_rtcp, &receiver_report(OURS));
        let copy = report.clone();
        assert_eq!(inbound.unprotect_rtcp(&mut report), Ok(16));
        assert_eq!(report[..16], receiver_report(OURS));
        assert_eq!(inbound.unprotect_rtcp(&mut copy.clone()), Err(SrtpError::Replayed));
        let index_at = if profile.is_aead() { copy.len() - 1 } else { 16 + 3 };
        let mut forged = copy;
        forged[index_at] = 200;
        assert_eq!(inbound.unprotect_rtcp(&mut forged), Err(SrtpError::AuthenticationFailed));
    }
}

/// rfc3711-3.4-1: index from zero, one more each time, for each SSRC its own; E set; always a tag.
/// rfc8827-6.5-4: and no MKI beside it.
#[test]
fn rtcp_counts_from_zero_for_each_sender() {
    for profile in SrtpProfile::OFFERED {
        let (mut outbound, _) = contexts(profile);
        for expected in 0..3_u32 {
            for ssrc in [1, 2] {
                let plain = receiver_report(ssrc);
                let packet = sealed(&mut outbound, Outbound::protect_rtcp, &plain);
                assert_eq!(packet.len(), plain.len() + 4 + profile.rtcp_tag_length());
                let index_at = if profile.is_aead() { packet.len() - 4 } else { plain.len() };
                let word = u32::from_be_bytes(packet[index_at..][..4].try_into().unwrap());
                assert_eq!(word, 0x8000_0000 | expected);
                assert_eq!(packet[..8], plain[..8], "header and SSRC stay in the clear");
                assert_ne!(packet[8..16], plain[8..16]);
            }
        }
    }
}

/// rfc3711-9.1-1: sealing another packet under the same index would give both away.
#[test]
fn an_index_is_never_used_twice() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, _) = contexts(profile);
        let mut buffer = [rtp(OURS, 5, b"one"), vec![0; ROOM]].concat();
        assert!(outbound.protect_rtp(&mut buffer, 15).is_ok());
        let mut buffer = [rtp(OURS, 5, b"two"), vec![0; ROOM]].concat();
        assert_eq!(outbound.protect_rtp(&mut buffer, 15), Err(SrtpError::IndexReused));
        assert_eq!(buffer[12..15], *b"two", "nothing was written");
        let mut buffer = [rtp(OURS + 1, 5, b"two"), vec![0; ROOM]].concat();
        assert!(outbound.protect_rtp(&mut buffer, 15).is_ok(), "another SSRC is another stream");
    }
}

/// rfc3711-3.3-1, rfc8827-6.5-4: CSRC and extension in the clear, padding encrypted, no MKI.
#[test]
fn the_whole_header_is_clear_and_the_padding_is_not() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, mut inbound) = contexts(profile);
        let mut plain = rtp(OURS, 1, &[0; 4]);
        plain[0] |= 0x20 | 0x10 | 1; // padding, extension, one CSRC
        plain.extend([0xbe, 0xde, 0, 1, 0x10, 0x85, 0, 0]);
        plain.extend(b"sound, and padding\0\0\0\x04");
        let packet = sealed(&mut outbound, Outbound::protect_rtp, &plain);
        assert_eq!(packet.len(), plain.len() + profile.rtp_tag_length());
        assert_eq!(packet[..24], plain[..24]);
        assert_ne!(packet[24..][..18], plain[24..][..18]);
        assert_ne!(packet[plain.len() - 4..][..4], plain[plain.len() - 4..]);
        assert_eq!(opened(&mut inbound, &packet), Ok(plain));
    }
}

/// rfc3711-3.1-1
#[test]
fn what_is_not_authentic_is_not_decrypted() {
    let (mut outbound, mut inbound) = contexts(SrtpProfile::AesCm128HmacSha1_80);
    let mut packet = sealed(&mut outbound, Outbound::protect_rtp, &rtp(OURS, 1, b"sound"));
    *packet.last_mut().unwrap() ^= 1;
    let before = packet.clone();
    assert_eq!(inbound.unprotect_rtp(&mut packet), Err(SrtpError::AuthenticationFailed));
    assert_eq!(packet, before);
}

/// rfc3711-3.2.3-1
#[test]
fn only_authentic_packets_make_streams_and_only_so_many() {
    for profile in SrtpProfile::OFFERED {
        let (_, mut inbound) = contexts(profile);
        for stranger in 0..10_000 {
            let packet = rtp(stranger, 1, &[0; 40]);
            assert_eq!(opened(&mut inbound, &packet), Err(SrtpError::AuthenticationFailed));
        }
        // A peer gone mad: it has the keys, and a new SSRC for each packet.
        let (key, salt) = (vec![7; profile.key_length()], vec![9; profile.salt_length()]);
        for ssrc in 0..STREAMS_MAX as u32 + 9 {
            let mut mad = Outbound::new(profile, &key, &salt).unwrap();
            let packet = sealed(&mut mad, Outbound::protect_rtp, &rtp(ssrc, 1, b"sound"));
            let verdict = opened(&mut inbound, &packet).map(drop);
            let full = ssrc >= STREAMS_MAX as u32;
            assert_eq!(verdict, if full { Err(SrtpError::TooManySources) } else { Ok(()) });
        }
        let mut known = Outbound::new(profile, &key, &salt).unwrap();
        let packet = sealed(&mut known, Outbound::protect_rtp, &rtp(3, 2, b"sound"));
        assert!(opened(&mut inbound, &packet).is_ok(), "who was there before goes on");
    }
}

#[test]
fn what_is_no_packet_or_has_no_room_is_refused() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, mut inbound) = contexts(profile);
        let plain = rtp(OURS, 1, b"sound");
        let mut tight = [&plain[..], &vec![0; profile.rtp_tag_length() - 1]].concat();
        assert_eq!(outbound.protect_rtp(&mut tight, plain.len()), Err(SrtpError::NoRoom));
        assert_eq!(outbound.protect_rtp(&mut tight, 1_000), Err(SrtpError::NoRoom));
        assert_eq!(outbound.protect_rtp(&mut tight, 11), Err(SrtpError::TooShort));
        let report = receiver_report(OURS);
        let mut tight = [&report[..], &vec![0; profile.rtcp_tag_length() + 3]].concat();
        assert_eq!(outbound.protect_rtcp(&mut tight, report.len()), Err(SrtpError::NoRoom));

        let mut extension_runs_past = rtp(OURS, 1, &[0xbe, 0xde, 0xff, 0xff, 0, 0]);
        extension_runs_past[0] |= 0x10;
        extension_runs_past.extend([0; ROOM]);
        let verdict = inbound.unprotect_rtp(&mut extension_runs_past);
        assert_eq!(verdict, Err(SrtpError::Malformed));
        let mut version_1 = rtp(OURS, 1, &[0; 40]);
        version_1[0] = 0x40;
        assert_eq!(inbound.unprotect_rtp(&mut version_1), Err(SrtpError::Malformed));
        let mut short = vec![0x80; 12 + profile.rtp_tag_length() - 1];
        assert_eq!(inbound.unprotect_rtp(&mut short), Err(SrtpError::TooShort));
        let mut short = vec![0x80; 12 + profile.rtcp_tag_length() - 1];
        assert_eq!(inbound.unprotect_rtcp(&mut short), Err(SrtpError::TooShort));
    }
}

#[test]
fn keys_of_foreign_lengths_are_refused() {
    for profile in SrtpProfile::ALL {
        let (key, salt) = (vec![7; profile.key_length()], vec![9; profile.salt_length()]);
        assert!(Outbound::new(profile, &key[1..], &salt).is_err());
        assert!(Inbound::new(profile, &key, &salt[1..]).is_err());
    }
}

fn any_profile() -> impl Strategy<Value = SrtpProfile> {
    prop::sample::select(&SrtpProfile::ALL[..])
}

proptest! {
    #[test]
    fn no_bytes_panic(profile in any_profile(), mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut outbound, mut inbound) = contexts(profile);
        for version in [None, Some(0x80)] {
            if let (Some(version), Some(first)) = (version, bytes.first_mut()) {
                *first = version | *first & 0x3f;
            }
            prop_assert!(inbound.unprotect_rtp(&mut bytes.clone()).is_err());
            prop_assert!(inbound.unprotect_rtcp(&mut bytes.clone()).is_err());
            for length in [0, bytes.len() / 2, bytes.len()] {
                let _ = outbound.protect_rtp(&mut bytes.clone(), length);
                let _ = outbound.protect_rtcp(&mut bytes.clone(), length);
            }
        }
    }

    #[test]
    fn every_packet_comes_back_and_none_with_a_flipped_bit(
        profile in any_profile(),
        csrc_count in 0_u8..16,
        extension in prop::option::of(0_u8..5),
        payload in prop::collection::vec(any::<u8>(), 0..600),
        sequence_number: u16,
        bit: prop::sample::Index,
    ) {
        let (mut outbound, mut inbound) = contexts(profile);
        let mut plain = rtp(OURS, sequence_number, &vec![3; usize::from(csrc_count) * 4]);
        plain[0] |= csrc_count;
        if let Some(words) = extension {
            plain[0] |= 0x10;
            plain.extend([0xbe, 0xde, 0, words]);
            plain.extend(vec![0x11; usize::from(words) * 4]);
        }
        plain.extend(payload);
        let packet = sealed(&mut outbound, Outbound::protect_rtp, &plain);
        let mut damaged = packet.clone();
        let bit = bit.index(8 * packet.len());
        damaged[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(opened(&mut inbound, &damaged).is_err());
        prop_assert_eq!(opened(&mut inbound, &packet), Ok(plain));
    }
}
