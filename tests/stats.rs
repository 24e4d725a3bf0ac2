//! Statistics of the W3C's webrtc-stats: complete, joined to one another, and the same seen from both ends.
//!
//! Virtual time; `browser_stats.rs` compares with what a browser counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common {
    pub mod call;
    pub mod listen;
}

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::call::{Call, Side};
use halloo::dtls_srtp::Certificate;
use halloo::ice::{PathId, Role, ServerTransport};
use halloo::net::impair::Impairment;
use halloo::peer::config::{CodecName, Config};
use halloo::peer::{Input, Output, Peer};
use halloo::stun::{Attribute, Message, MessageWriter, XorAddress};
use halloo::time::Instant;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;

/// Every dictionary has `id`, `timestamp` and `type`; beside them, members that a call of sound has.
/// Absent are those for video, for retransmission, for DTLS certificates with an issuer, for bandwidth
/// estimates and for ECN marks: halloo has none of these, and a figure would be made up.
const MEMBERS: &[(&str, &str)] = &[
    (
        "inbound-rtp",
        "ssrc kind transportId codecId packetsReceived packetsLost jitter trackIdentifier mid remoteId
        lastPacketReceivedTimestamp headerBytesReceived packetsDiscarded fecPacketsReceived
        fecPacketsDiscarded bytesReceived nackCount totalProcessingDelay estimatedPlayoutTimestamp
        jitterBufferDelay jitterBufferTargetDelay jitterBufferEmittedCount jitterBufferMinimumDelay
        totalSamplesReceived concealedSamples silentConcealedSamples concealmentEvents
        insertedSamplesForDeceleration removedSamplesForAcceleration audioLevel totalAudioEnergy
        totalSamplesDuration playoutId retransmittedPacketsReceived retransmittedBytesReceived",
    ),
    (
        "outbound-rtp",
        "ssrc kind transportId codecId packetsSent bytesSent mid mediaSourceId remoteId headerBytesSent
        retransmittedPacketsSent retransmittedBytesSent targetBitrate totalPacketSendDelay nackCount
        active",
    ),
    (
        "remote-inbound-rtp",
        "ssrc kind transportId codecId packetsReceived packetsLost jitter localId roundTripTime
        totalRoundTripTime fractionLost roundTripTimeMeasurements",
    ),
    (
        "remote-outbound-rtp",
        "ssrc kind transportId codecId packetsSent bytesSent localId remoteTimestamp reportsSent
        totalRoundTripTime roundTripTimeMeasurements",
    ),
    ("media-source", "trackIdentifier kind audioLevel totalAudioEnergy totalSamplesDuration"),
    (
        "media-playout",
        "kind synthesizedSamplesDuration synthesizedSamplesEvents totalSamplesDuration
        totalPlayoutDelay totalSamplesCount",
    ),
    ("codec", "payloadType transportId mimeType clockRate channels sdpFmtpLine"),
    (
        "transport",
        "packetsSent packetsReceived bytesSent bytesReceived iceRole iceLocalUsernameFragment dtlsState
        iceState selectedCandidatePairId localCertificateId remoteCertificateId tlsVersion dtlsCipher
        dtlsRole srtpCipher selectedCandidatePairChanges",
    ),
    (
        "candidate-pair",
        "transportId localCandidateId remoteCandidateId state nominated packetsSent packetsReceived
        bytesSent bytesReceived lastPacketSentTimestamp lastPacketReceivedTimestamp totalRoundTripTime
        currentRoundTripTime requestsReceived requestsSent responsesReceived responsesSent
        consentRequestsSent",
    ),
    (
        "local-candidate",
        "transportId address port protocol candidateType priority foundation usernameFragment",
    ),
    (
        "remote-candidate",
        "transportId address port protocol candidateType priority foundation usernameFragment",
    ),
    ("certificate", "fingerprint fingerprintAlgorithm base64Certificate"),
];

/// Members that name another dictionary, and of which type that is.
const REFERENCES: &[(&str, &str)] = &[
    ("transportId", "transport"),
    ("codecId", "codec"),
    ("mediaSourceId", "media-source"),
    ("playoutId", "media-playout"),
    ("selectedCandidatePairId", "candidate-pair"),
    ("localCandidateId", "local-candidate"),
    ("remoteCandidateId", "remote-candidate"),
    ("localCertificateId", "certificate"),
    ("remoteCertificateId", "certificate"),
];

fn report(call: &Call, side: &Side) -> BTreeMap<String, Value> {
    serde_json::from_value(serde_json::to_value(side.peer.stats(call.now)).unwrap()).unwrap()
}

/// The only dictionary of a type.
fn one<'a>(report: &'a BTreeMap<String, Value>, kind: &str) -> &'a Value {
    let mut found = report.values().filter(|entry| entry["type"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    first
}

fn talk(config: &Config, impairment: &Impairment) -> Call {
    let mut call = Call::with_configs(1, impairment, config.clone(), config.clone());
    call.signal();
    call.connect();
    call.run_for(Duration::from_secs(5));
    call
}

#[test]
fn every_member_for_sound_is_there_and_no_other() {
    let call = talk(&Config::default(), &Impairment::default());
    for side in [&call.alice, &call.bob] {
        let report = report(&call, side);
        for (kind, members) in MEMBERS {
            let entries: Vec<_> = report.values().filter(|entry| entry["type"] == *kind).collect();
            assert!(!entries.is_empty(), "no {kind}");
            for entry in entries {
                let mut found: Vec<_> =
                    entry.as_object().unwrap().keys().map(String::as_str).collect();
                let mut wanted: Vec<_> = members.split_whitespace().collect();
                wanted.extend(["id", "timestamp", "type"]);
                found.sort_unstable();
                wanted.sort_unstable();
                assert_eq!(found, wanted, "{kind}");
            }
        }
        let known = |entry: &Value| MEMBERS.iter().any(|(kind, _)| entry["type"] == *kind);
        assert!(report.values().all(known), "{report:#?}");
    }
}

#[test]
fn what_a_member_names_is_in_the_report() {
    let call = talk(&Config::default(), &Impairment::default());
    let report = report(&call, &call.alice);
    for entry in report.values() {
        for (member, kind) in REFERENCES {
            let Some(id) = entry.get(member) else { continue };
            assert_eq!(report[id.as_str().unwrap()]["type"], *kind, "{entry}");
        }
    }
    for (ours, theirs) in
        [("inbound-rtp", "remote-outbound-rtp"), ("outbound-rtp", "remote-inbound-rtp")]
    {
        let (ours, theirs) = (one(&report, ours), one(&report, theirs));
        assert_eq!((&ours["remoteId"], &theirs["localId"]), (&theirs["id"], &ours["id"]));
        for same in ["ssrc", "kind", "transportId", "codecId"] {
            assert_eq!(ours[same], theirs[same], "{same}");
        }
        assert!(theirs["timestamp"].as_f64() < ours["timestamp"].as_f64(), "as of their report");
    }
}

/// The pair that media goes by, after a look at all that its report names.
fn in_use(report: &BTreeMap<String, Value>) -> &Value {
    for entry in report.values() {
        for (member, kind) in REFERENCES {
            let Some(id) = entry.get(member) else { continue };
            let named = report.get(id.as_str().unwrap());
            assert_eq!(named.map(|named| &named["type"]), Some(&Value::from(*kind)), "{entry}");
        }
    }
    let id = &one(report, "transport")["selectedCandidatePairId"];
    &report[id.as_str().expect("a pair is in use")]
}

fn ufrags(report: &BTreeMap<String, Value>) -> [&Value; 2] {
    ["localCandidateId", "remoteCandidateId"].map(|member| {
        let id = in_use(report)[member].as_str().unwrap();
        &report[id]["usernameFragment"]
    })
}

#[test]
fn in_a_restart_the_pair_that_carries_media_is_reported() {
    // W3C webrtc-stats, selectedCandidatePairId; rfc8445-9-1
    let mut call = talk(&Config::default(), &Impairment::default());
    let before = report(&call, &call.alice);
    call.alice.peer.restart_ice().unwrap();
    let offer = call.alice.peer.make_offer(call.now).unwrap();
    call.run_for(Duration::from_secs(12));
    let meanwhile = report(&call, &call.alice);
    assert_eq!(one(&meanwhile, "transport")["iceState"], "completed", "nobody takes part yet");
    let (old, still) = (in_use(&before), in_use(&meanwhile));
    for same in ["id", "state", "nominated", "localCandidateId", "remoteCandidateId"] {
        assert_eq!(old[same], still[same], "{same}");
    }
    assert_eq!(ufrags(&before), ufrags(&meanwhile));
    for counted in ["packetsSent", "packetsReceived", "bytesReceived"] {
        assert!(still[counted].as_u64() > old[counted].as_u64().map(|n| n + 500), "{counted}");
    }
    for checked in ["consentRequestsSent", "responsesReceived", "requestsReceived", "responsesSent"]
    {
        assert!(still[checked].as_u64() > old[checked].as_u64(), "{checked}: {still}");
    }
    // What is offered now is another candidate: it has another ufrag.
    let ours = meanwhile.values().filter(|entry| entry["type"] == "local-candidate");
    let ours: Vec<_> = ours.map(|entry| entry["usernameFragment"].as_str().unwrap()).collect();
    assert_eq!((ours.len(), ours.contains(&call.alice.peer.ufrag())), (2, true), "{ours:?}");

    let answer = call.bob.peer.accept_offer(call.now, &offer).unwrap();
    let told = report(&call, &call.bob);
    assert_eq!(one(&told, "transport")["iceState"], "checking");
    assert_eq!(
        in_use(&told)["consentRequestsSent"].as_u64(),
        still["consentRequestsSent"].as_u64()
    );
    call.alice.peer.accept_answer(call.now, &answer).unwrap();
    call.run_for(Duration::from_secs(2));
    for side in [&call.alice, &call.bob] {
        let after = report(&call, side);
        let new = in_use(&after);
        assert_eq!(one(&after, "candidate-pair")["id"], new["id"], "the old one is forgotten");
        for renewed in ["id", "localCandidateId", "remoteCandidateId"] {
            assert_ne!(old[renewed], new[renewed], "{renewed}");
        }
        assert!(new["packetsSent"].as_u64().unwrap() < 150, "counted anew: {new}");
    }
}

#[test]
fn a_restart_that_is_taken_back_leaves_its_pair_with_all_that_it_counted() {
    let mut call = talk(&Config::default(), &Impairment::default());
    call.alice.peer.restart_ice().unwrap();
    call.alice.peer.make_offer(call.now).unwrap();
    call.run_for(Duration::from_secs(12));
    let meanwhile = report(&call, &call.alice);
    call.alice.peer.rollback(call.now).unwrap();
    let after = report(&call, &call.alice);
    assert_ne!(one(&after, "transport")["iceState"], "checking");
    assert_eq!(in_use(&meanwhile), in_use(&after));
    assert_eq!(ufrags(&meanwhile), ufrags(&after));
}

#[test]
fn the_report_of_a_call_that_has_ended_is_its_last_one() {
    type End = fn(&mut Call);
    let hang_up: End = |call| call.alice.peer.handle_input(call.now, Input::Close);
    let restart: End = |call| {
        call.alice.peer.restart_ice().unwrap();
        call.alice.peer.make_offer(call.now).unwrap();
        call.run_for(Duration::from_secs(1));
        call.bob.peer.handle_input(call.now, Input::Close);
    };
    // Consent runs out after 30 s.
    let vanish: End = |call| call.filter = Box::new(|_, _, _| false);
    for (name, end) in [("hang up", hang_up), ("restart", restart), ("vanish", vanish)] {
        let mut call = talk(&Config::default(), &Impairment::default());
        let before = [&call.alice, &call.bob].map(|side| report(&call, side));
        end(&mut call);
        let all_ended = |call: &Call| call.alice.ended().is_some() && call.bob.ended().is_some();
        assert!(call.run_until(Duration::from_secs(120), all_ended), "{name}");
        for (side, before) in [&call.alice, &call.bob].into_iter().zip(before) {
            let after = report(&call, side);
            let transport = one(&after, "transport");
            for state in ["iceState", "dtlsState"] {
                assert_eq!(transport[state], "closed", "{name}: {state}");
            }
            assert_eq!(in_use(&before)["id"], in_use(&after)["id"], "{name}");
            assert_eq!(ufrags(&before), ufrags(&after), "{name}");
            let kinds = ["local-candidate", "remote-candidate", "candidate-pair"];
            for (id, entry) in
                before.iter().filter(|(_, it)| kinds.iter().any(|k| it["type"] == *k))
            {
                let still = after.get(id).unwrap_or_else(|| panic!("{name}: no {entry}"));
                assert!(still["packetsSent"].as_u64() >= entry["packetsSent"].as_u64(), "{name}");
            }
        }
    }
}

#[test]
fn both_ends_count_the_same() {
    for codec in [CodecName::Opus, CodecName::Pcma] {
        let config = Config { codecs: vec![codec], ..Config::default() };
        let call = talk(&config, &Impairment::default());
        let (alice, bob) = (report(&call, &call.alice), report(&call, &call.bob));
        for (from, to) in [(&alice, &bob), (&bob, &alice)] {
            let same = |kind: &str, member: &str, far: &str, there: &str| {
                assert_eq!(one(from, kind)[member], one(to, far)[there], "{member}, {there}");
            };
            let packets = one(from, "outbound-rtp")["packetsSent"].as_u64().unwrap();
            assert!(packets > 200, "{packets}");
            same("outbound-rtp", "packetsSent", "inbound-rtp", "packetsReceived");
            same("outbound-rtp", "bytesSent", "inbound-rtp", "bytesReceived");
            same("outbound-rtp", "headerBytesSent", "inbound-rtp", "headerBytesReceived");
            same("outbound-rtp", "ssrc", "inbound-rtp", "ssrc");
            same("media-source", "trackIdentifier", "inbound-rtp", "trackIdentifier");
            for (sent, received) in
                [("packetsSent", "packetsReceived"), ("bytesSent", "bytesReceived")]
            {
                same("transport", sent, "transport", received);
                let pair =
                    &from[one(from, "transport")["selectedCandidatePairId"].as_str().unwrap()];
                assert_eq!(pair[sent], one(from, "transport")[sent]);
            }
        }
    }
}

#[test]
fn what_the_other_side_says_of_us_is_what_it_counts() {
    let impairment: Impairment = "loss=10%,burst=2,delay=40ms".parse().unwrap();
    let mut call = talk(&Config::default(), &impairment);
    call.run_for(Duration::from_secs(10));
    let (alice, bob) = (report(&call, &call.alice), report(&call, &call.bob));
    let (inbound, remote) = (one(&bob, "inbound-rtp"), one(&alice, "remote-inbound-rtp"));
    // Since then only a few packets have gone.
    let near = |member: &str, most: i64| {
        let (told, now) = (remote[member].as_i64().unwrap(), inbound[member].as_i64().unwrap());
        assert!((now - most..=now).contains(&told), "{member}: told {told}, now {now}");
    };
    near("packetsReceived", 250);
    near("packetsLost", 60);
    assert!(inbound["packetsLost"].as_u64().unwrap() > 30, "{inbound}");
    let round_trip = remote["roundTripTime"].as_f64().unwrap();
    assert!((0.080..0.090).contains(&round_trip), "{round_trip}: 40 ms each way");
    let times = remote["roundTripTimeMeasurements"].as_f64().unwrap();
    let mean = remote["totalRoundTripTime"].as_f64().unwrap() / times;
    assert!((0.080..0.090).contains(&mean), "{mean}");

    // Copies that came are either used or not.
    let fec = |member: &str| inbound[member].as_u64().unwrap();
    assert!(fec("fecPacketsReceived") > 300, "{inbound}");
    let used = fec("fecPacketsReceived") - fec("fecPacketsDiscarded");
    assert!((1..=fec("packetsLost")).contains(&used), "{inbound}");
}

#[test]
fn levels_and_times_are_those_of_the_sound() {
    let call = talk(&Config::default(), &Impairment::default());
    let (alice, bob) = (report(&call, &call.alice), report(&call, &call.bob));
    let (source, inbound) = (one(&alice, "media-source"), one(&bob, "inbound-rtp"));
    let number = |entry: &Value, member: &str| entry[member].as_f64().unwrap();
    let (sent, heard) = (number(source, "audioLevel"), number(inbound, "audioLevel"));
    assert!(sent > 0.05 && (heard / sent - 1.0).abs() < 0.13, "{sent} is heard as {heard}");
    let energy = number(source, "totalAudioEnergy") / number(source, "totalSamplesDuration");
    assert!((energy.sqrt() / sent - 1.0).abs() < 0.07, "the root of the mean energy is the level");

    let playout = one(&bob, "media-playout");
    let (samples, seconds) =
        (number(playout, "totalSamplesCount"), number(playout, "totalSamplesDuration"));
    assert_eq!(samples, seconds * 48_000.0);
    assert!(samples >= number(inbound, "totalSamplesReceived"));
    assert_eq!(
        number(inbound, "totalSamplesReceived") / 48_000.0,
        number(inbound, "totalSamplesDuration")
    );

    // Both clocks are one here: what is heard was said a jitter buffer ago.
    let now = number(inbound, "timestamp") + 2_208_988_800_000.0;
    let ago = now - number(inbound, "estimatedPlayoutTimestamp");
    assert!((0.0..100.0).contains(&ago), "{ago} ms");
}

/// `url` and `relayProtocol` are members of our candidates alone, and only of those that servers gave us.
#[test]
fn a_candidate_from_a_server_names_it() {
    let stun: SocketAddr = "203.0.113.1:3478".parse().unwrap();
    let turn: SocketAddr = "203.0.113.2:5349".parse().unwrap();
    let servers = ["stun:stun.example", "turns:relay.example"].map(|uri| uri.parse().unwrap());
    let config = Config { servers: servers.to_vec(), ..Config::default() };
    let certificate = Arc::new(Certificate::generate().unwrap());
    let mut peer = Peer::new(config, certificate, StdRng::seed_from_u64(1));
    let mut now = Instant::ZERO;
    let here = "192.168.1.2:5000".parse().unwrap();
    peer.gather(now, Role::Controlling);
    peer.handle_input(now, Input::LocalAddress { path: PathId(0), addr: here });
    peer.handle_input(now, Input::StunServer { server: 0, addr: stun });
    let (path, transport) = (PathId(9), ServerTransport::Tls);
    peer.handle_input(now, Input::RelaySocket { server: 1, path, addr: turn, transport });
    loop {
        let answer = match peer.poll_output() {
            Output::Transmit { path, to, bytes } => Some((path, to, bytes.to_vec())),
            Output::Timeout(Some(due)) if due < Instant::from_millis(300) => {
                now = due;
                peer.handle_input(now, Input::Timer);
                continue;
            }
            Output::Timeout(_) => break,
            _ => continue,
        };
        let Some((path, from, request)) = answer else { continue };
        let mut bytes = Vec::new();
        let outside = XorAddress("198.51.100.1:4000".parse().unwrap());
        let relayed = XorAddress("203.0.113.2:50000".parse().unwrap());
        MessageWriter::success(&mut bytes, &Message::parse(&request).unwrap())
            .attribute(Attribute::XorMappedAddress(outside))
            .attributes((from == turn).then_some(Attribute::XorRelayedAddress(relayed)))
            .finish();
        peer.handle_input(now, Input::Datagram { path, from, bytes: &mut bytes });
    }
    let report: BTreeMap<String, Value> =
        serde_json::from_value(serde_json::to_value(peer.stats(now)).unwrap()).unwrap();
    let told = |kind: &str| {
        let mut ours = report.values().filter(|entry| entry["type"] == "local-candidate");
        let one =
            ours.find(|entry| entry["candidateType"] == kind).unwrap_or_else(|| panic!("{kind}"));
        (one.get("url").cloned(), one.get("relayProtocol").cloned())
    };
    assert_eq!(told("host"), (None, None));
    assert_eq!(told("srflx"), (Some("stun:stun.example:3478".into()), None));
    let url = "turns:relay.example:5349?transport=tcp".into();
    assert_eq!(told("relay"), (Some(url), Some("tls".into())));
}
