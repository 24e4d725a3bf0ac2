//! Offers and answers, as browsers make them and as RFCs want them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use halloo::sdp::agreement::{BundlePolicy, HeaderExtension, Obstacle, Preference};
use halloo::sdp::attribute::Attribute;
use halloo::sdp::{
    Agreed, Capabilities, Codec, Description, Direction, DtlsRole, Fingerprint, Local, Msid,
    Parameters, Refusal, answer, offer,
};

/// A description of `vectors/sdp_browsers.json`.
fn browser(id: &str) -> String {
    let text = std::fs::read_to_string("vectors/sdp_browsers.json").unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["id"] == id).expect(id);
    case["sdp"].as_str().unwrap().to_owned()
}

fn chromium() -> String {
    browser("chromium156-audio-sendrecv")
}

fn local() -> Local {
    Local {
        session_id: 42,
        version: 1,
        ice_ufrag: "ours".into(),
        ice_pwd: "0123456789012345678901".into(),
        candidates: vec![
            "1 1 udp 2130706431 192.0.2.20 40000 typ host".parse().unwrap(),
            "2 1 udp 2130706175 2001:db8::20 40001 typ host".parse().unwrap(),
        ],
        end_of_candidates: true,
        fingerprints: vec![Fingerprint { algorithm: "sha-256".into(), bytes: vec![7; 32] }],
        ssrc: 1234,
        cname: "clock".into(),
        msid: Msid { stream: "stream".into(), track: Some("track".into()) },
    }
}

/// What comes of an offer: what was agreed on, and the answer.
fn answered(offer: &str, capabilities: &Capabilities) -> (Agreed, Description) {
    answered_after(offer, capabilities, None)
}

fn answered_after(
    offer: &str,
    capabilities: &Capabilities,
    previous: Option<&Description>,
) -> (Agreed, Description) {
    let offer: Description = offer.parse().unwrap();
    let agreed = answer::choose(&offer, capabilities).unwrap();
    let parameters = Parameters { local: &local(), capabilities, previous };
    let answer = answer::write(&offer, &agreed, &parameters);
    assert_eq!(answer.to_string().parse(), Ok(answer.clone()), "what we write is what we read");
    (agreed, answer)
}

fn refused(offer: &str) -> Obstacle {
    let offer: Description = offer.parse().unwrap();
    match answer::choose(&offer, &Capabilities::default()) {
        Err(Refusal::Unusable { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

fn first_offer(capabilities: &Capabilities) -> Description {
    offer::write(&Parameters { local: &local(), capabilities, previous: None })
}

/// The lines of a description's section, or of its session for `None`.
fn lines(description: &Description, section: Option<usize>) -> Vec<String> {
    let attributes = match section {
        Some(section) => &description.media[section].attributes,
        None => &description.attributes,
    };
    attributes.iter().map(ToString::to_string).collect()
}

fn has(description: &Description, section: usize, line: &str) -> bool {
    lines(description, Some(section)).iter().any(|found| found == line)
}

#[test]
fn chromiums_offer_gets_the_answer_that_jsep_wants() {
    // rfc8829-5.3.1-1, rfc8829-5.3.1-2, rfc5761-5.1.1-1, rfc8839-4.3.1-1, rfc8838-3-1, rfc8830-2-1
    let (agreed, answer) = answered(&chromium(), &Capabilities::default());
    let expected = "v=0\r\n\
        o=- 42 1 IN IP4 0.0.0.0\r\n\
        s=-\r\n\
        t=0 0\r\n\
        a=group:BUNDLE 0\r\n\
        a=ice-options:trickle\r\n\
        m=audio 40000 UDP/TLS/RTP/SAVPF 111 0 8 110 126\r\n\
        c=IN IP4 192.0.2.20\r\n\
        a=mid:0\r\n\
        a=sendrecv\r\n\
        a=msid:stream track\r\n\
        a=ssrc:1234 cname:clock\r\n\
        a=ssrc:1234 msid:stream track\r\n\
        a=rtcp-mux\r\n\
        a=rtcp-rsize\r\n\
        a=rtpmap:111 opus/48000/2\r\n\
        a=fmtp:111 minptime=10;useinbandfec=1\r\n\
        a=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:110 telephone-event/48000\r\n\
        a=fmtp:110 0-15\r\n\
        a=rtpmap:126 telephone-event/8000\r\n\
        a=fmtp:126 0-15\r\n\
        a=ptime:20\r\n\
        a=maxptime:60\r\n\
        a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
        a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
        a=ice-ufrag:ours\r\n\
        a=ice-pwd:0123456789012345678901\r\n\
        a=fingerprint:sha-256 07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07\r\n\
        a=setup:active\r\n\
        a=candidate:1 1 udp 2130706431 192.0.2.20 40000 typ host\r\n\
        a=candidate:2 1 udp 2130706175 2001:db8::20 40001 typ host\r\n\
        a=end-of-candidates\r\n";
    assert_eq!(answer.to_string(), expected);

    assert_eq!((agreed.section, agreed.mid.as_deref()), (0, Some("0")));
    assert_eq!(agreed.dtls_role, DtlsRole::Client);
    assert_eq!((agreed.extensions.mid, agreed.extensions.audio_level), (Some(4), Some(1)));
    assert_eq!(agreed.extensions.transport_cc, None, "nobody here sends that feedback");
    assert!(!agreed.has_feedback("transport-cc"));
    assert_eq!(agreed.codecs[0].wishes.use_in_band_fec, Some(true));
    assert_eq!(agreed.remote.ice_ufrag, "ASvE");
    assert_eq!(agreed.remote.candidates.len(), 4);
    assert_eq!(
        (agreed.remote.ssrc, agreed.remote.cname.as_deref()),
        (Some(1_451_864_154), Some("bP522ss9jlV1yBaT"))
    );
    assert!(agreed.remote.has_ice_option("trickle") && !agreed.remote.end_of_candidates);
}

#[test]
fn every_answerable_vector_is_answered_and_no_other() {
    for file in ["sdp_browsers", "sdp_endpoints", "sdp_malformed", "sdp_rfc_examples"] {
        let text = std::fs::read_to_string(format!("vectors/{file}.json")).unwrap();
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let Ok(mut offer) = case["sdp"].as_str().unwrap().parse::<Description>() else {
                continue;
            };
            // Some of them are answers; as offers they would do all the same.
            for media in &mut offer.media {
                media.attributes.retain(|line| *line != Attribute::parse("setup:actpass").unwrap());
            }
            let agreed = answer::choose(&offer, &Capabilities::default());
            assert_eq!(agreed.is_ok(), case["answerable"] == true, "{}: {agreed:?}", case["id"]);
            let Ok(agreed) = agreed else { continue };
            let capabilities = &Capabilities::default();
            let parameters = Parameters { local: &local(), capabilities, previous: None };
            let answer = answer::write(&offer, &agreed, &parameters);
            assert_eq!(answer.media.len(), offer.media.len(), "rfc3264-6-1");
            for (offered, answered) in offer.media.iter().zip(&answer.media) {
                assert_eq!(offered.kind, answered.kind, "rfc3264-6-1");
                assert_eq!(offered.protocol, answered.protocol, "rfc8829-5.1.2-1");
                assert_eq!(offered.mid(), answered.mid(), "rfc8829-5.3.1-1");
                let known = |format| offered.formats.contains(format);
                assert!(answered.formats.iter().all(known), "rfc3264-6.1-2");
                assert!(answered.lines.iter().any(|line| line.0 == 'c'), "rfc8866-5.7-1");
            }
        }
    }
}

#[test]
fn what_is_not_audio_is_refused_in_its_place() {
    // rfc3264-6-2, rfc8829-5.3.1-3, rfc8843-7.3-1
    let (agreed, answer) =
        answered(&browser("chromium156-audio-video-data"), &Capabilities::default());
    assert_eq!(agreed.section, 0);
    let ports: Vec<_> =
        answer.media.iter().map(|media| (media.port, media.mid().unwrap())).collect();
    assert_eq!(ports, [(40000, "0"), (0, "1"), (0, "2")]);
    assert_eq!(lines(&answer, None)[0], "group:BUNDLE 0");
    assert_eq!(lines(&answer, Some(1)), ["mid:1", "inactive"]);
    assert_eq!(answer.media[2].formats, ["webrtc-datachannel"]);
}

/// Chromium's offer of all three, its sections in another order.
fn reordered(order: [usize; 3]) -> String {
    let mut offer: Description = browser("chromium156-audio-video-data").parse().unwrap();
    offer.media = order.map(|index| offer.media[index].clone()).to_vec();
    let group = order.map(|index| index.to_string()).join(" ");
    offer.attributes[0] = Attribute::parse(&format!("group:BUNDLE {group}")).unwrap();
    offer.to_string()
}

#[test]
fn a_data_channel_first_or_video_first_changes_nothing() {
    for (order, section) in [([2, 0, 1], 1), ([1, 2, 0], 2)] {
        let (agreed, answer) = answered(&reordered(order), &Capabilities::default());
        assert_eq!((agreed.section, agreed.mid.as_deref()), (section, Some("0")));
        assert_eq!(lines(&answer, None)[0], "group:BUNDLE 0");
        let live: Vec<_> = answer.media.iter().map(|media| media.port != 0).collect();
        assert_eq!(live.iter().position(|live| *live), Some(section));
    }
}

#[test]
fn a_second_audio_section_is_refused_and_a_dead_first_one_skipped() {
    let two = browser("chromium156-two-audio");
    let (agreed, answer) = answered(&two, &Capabilities::default());
    assert_eq!(agreed.section, 0);
    assert_eq!(answer.media[1].port, 0);

    let mut dead: Description = two.parse().unwrap();
    dead.media[0].port = 0;
    let (agreed, _) = answered(&dead.to_string(), &Capabilities::default());
    assert_eq!(agreed.section, 1);
}

#[test]
fn a_bundle_only_section_lives_on_the_transport_of_its_bundle() {
    // rfc8843-7.2-1
    let mut offer: Description = reordered([2, 0, 1]).parse().unwrap();
    offer.media[1].port = 0;
    let stopped = offer.to_string();
    assert_eq!(refused(&stopped), Obstacle::PortZero, "port 0 alone is a refusal");
    offer.media[1].attributes.push(Attribute::BundleOnly);
    // Firefox repeats in it what holds for all (it is the same there); Chromium leaves it out.
    for line in &mut offer.media[1].attributes {
        if let Attribute::IceUfrag(ufrag) = line {
            *ufrag = "mine".into();
        }
    }
    lives_on_its_bundle(&offer);
    offer.media[1].attributes.retain(|line| {
        !matches!(
            line,
            Attribute::IceUfrag(_)
                | Attribute::IcePwd(_)
                | Attribute::Fingerprint(_)
                | Attribute::Setup(_)
                | Attribute::Candidate(_)
                | Attribute::RtcpMux
        )
    });
    lives_on_its_bundle(&offer);
}

fn lives_on_its_bundle(offer: &Description) {
    let (agreed, answer) = answered(&offer.to_string(), &Capabilities::default());
    assert_eq!((agreed.section, agreed.remote.ice_ufrag.as_str()), (1, "fDyb"));
    assert_eq!(answer.media[1].port, 40000);
    assert!(!has(&answer, 1, "bundle-only"), "never in an answer (RFC 8843 section 7.3)");
}

#[test]
fn transport_attributes_of_other_sections_do_not_count() {
    // rfc8843-7.1.3-1
    let mut offer: Description = reordered([2, 0, 1]).parse().unwrap();
    for line in &mut offer.media[0].attributes {
        if let Attribute::IceUfrag(ufrag) = line {
            *ufrag = "else".into();
        }
    }
    let (agreed, _) = answered(&offer.to_string(), &Capabilities::default());
    assert_eq!(agreed.remote.ice_ufrag, "fDyb");
}

#[test]
fn the_bundle_policy_says_which_sections_may_stand_alone() {
    let unbundled = reordered([1, 0, 2]).replace("a=group:BUNDLE 1 0 2\r\n", "");
    let offer: Description = unbundled.parse().unwrap();
    let choose = |bundle_policy| {
        let capabilities = Capabilities { bundle_policy, ..Capabilities::default() };
        answer::choose(&offer, &capabilities).map(|agreed| agreed.section)
    };
    assert_eq!(choose(BundlePolicy::MaxCompat), Ok(1));
    assert_eq!(choose(BundlePolicy::Balanced), Ok(1), "the first of its kind");
    let refusal = Refusal::Unusable { section: 1, why: Obstacle::NotBundled };
    assert_eq!(choose(BundlePolicy::MaxBundle), Err(refusal));

    let bundled: Description = reordered([1, 0, 2]).parse().unwrap();
    let bundle_policy = BundlePolicy::MaxBundle;
    let capabilities = Capabilities { bundle_policy, ..Capabilities::default() };
    assert!(answer::choose(&bundled, &capabilities).is_ok());
    let capabilities = Capabilities::default();
    let parameters = Parameters { local: &local(), capabilities: &capabilities, previous: None };
    let agreed = answer::choose(&offer, &capabilities).unwrap();
    let answer = answer::write(&offer, &agreed, &parameters);
    assert!(answer.bundles().next().is_none(), "no bundle was offered");
}

#[test]
fn an_offer_without_what_webrtc_needs_is_refused_with_the_reason() {
    // rfc8829-5.1.1-1, rfc8858-4-1
    let without = |what: &str| -> String {
        chromium().split_inclusive('\n').filter(|line| !line.starts_with(what)).collect()
    };
    assert_eq!(refused(&without("a=ice-ufrag")), Obstacle::NoIce);
    assert_eq!(refused(&without("a=fingerprint")), Obstacle::NoFingerprint);
    assert_eq!(refused(&without("a=rtcp-mux")), Obstacle::NoRtcpMux);
    assert_eq!(refused(&chromium().replace("m=audio 60233", "m=audio 0")), Obstacle::PortZero);
    let plain = chromium().replace("UDP/TLS/RTP/SAVPF", "RTP/AVP");
    assert_eq!(refused(&plain), Obstacle::Protocol("RTP/AVP".into()));
    let codecs = chromium().replace("opus", "speex").replace("PCM", "ADPCM");
    assert_eq!(refused(&codecs), Obstacle::NoCodec);
    let data: Description = browser("chromium156-data-only").parse().unwrap();
    assert_eq!(answer::choose(&data, &Capabilities::default()), Err(Refusal::NoAudio));
}

#[test]
fn sha_1_is_no_fingerprint_but_may_stand_beside_one() {
    let sha1 =
        "a=fingerprint:sha-1 07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07\r\n";
    let start = chromium().find("a=fingerprint").unwrap();
    let end = start + chromium()[start..].find('\n').unwrap() + 1;
    let mut only = chromium();
    only.replace_range(start..end, sha1);
    assert_eq!(refused(&only), Obstacle::WeakFingerprint);
    let mut both = chromium();
    both.insert_str(start, sha1);
    let (agreed, _) = answered(&both, &Capabilities::default());
    let algorithms: Vec<_> = agreed.remote.fingerprints.iter().map(|it| &it.algorithm).collect();
    assert_eq!(algorithms, ["sha-256"]);
}

#[test]
fn the_savp_profiles_are_echoed() {
    // rfc8829-5.1.2-1
    for protocol in ["UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVPF", "RTP/SAVPF", "RTP/SAVP"] {
        let offer = chromium().replace("UDP/TLS/RTP/SAVPF", protocol);
        let (_, answer) = answered(&offer, &Capabilities::default());
        assert_eq!(answer.media[0].protocol, protocol);
    }
}

#[test]
fn the_answerer_is_active_unless_the_peer_is() {
    // rfc8829-5.3.1-2, rfc4145-4-1
    for (offered, role, setup) in [
        ("actpass", DtlsRole::Client, "setup:active"),
        ("passive", DtlsRole::Client, "setup:active"),
        ("active", DtlsRole::Server, "setup:passive"),
    ] {
        let offer = chromium().replace("setup:actpass", &format!("setup:{offered}"));
        let (agreed, answer) = answered(&offer, &Capabilities::default());
        assert_eq!(agreed.dtls_role, role);
        assert!(has(&answer, 0, setup));
    }
    assert_eq!(refused(&chromium().replace("setup:actpass", "setup:holdconn")), Obstacle::Setup);
}

#[test]
fn a_running_association_keeps_its_roles() {
    let running =
        |dtls_role| Capabilities { dtls_role: Some(dtls_role), ..Capabilities::default() };
    let (agreed, answer) = answered(&chromium(), &running(DtlsRole::Server));
    assert_eq!(agreed.dtls_role, DtlsRole::Server);
    assert!(has(&answer, 0, "setup:passive"));
    let offer: Description = chromium().replace("setup:actpass", "setup:active").parse().unwrap();
    let refusal = Refusal::Unusable { section: 0, why: Obstacle::RoleChanged };
    assert_eq!(answer::choose(&offer, &running(DtlsRole::Client)), Err(refusal));
}

#[test]
fn directions_are_answered_as_rfc_3264_says() {
    // rfc3264-6.1-1, rfc8866-6.7-1
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (offered, ours, expected) in [
        ("sendrecv", SendRecv, SendRecv),
        ("sendonly", SendRecv, RecvOnly),
        ("recvonly", SendRecv, SendOnly),
        ("inactive", SendRecv, Inactive),
        ("sendrecv", RecvOnly, RecvOnly),
        ("sendonly", SendOnly, Inactive),
    ] {
        let offer = chromium().replace("a=sendrecv", &format!("a={offered}"));
        let capabilities = Capabilities { direction: ours, ..Capabilities::default() };
        let (agreed, answer) = answered(&offer, &capabilities);
        assert_eq!(agreed.direction, expected);
        assert!(has(&answer, 0, &expected.to_string()));
        assert_eq!(has(&answer, 0, "msid:stream track"), expected.sends());
    }
}

#[test]
fn holding_and_resuming_keeps_the_stream_and_raises_the_version() {
    // rfc3264-8-1, rfc8866-5.2-1
    let (_, first) = answered(&chromium(), &Capabilities::default());
    let hold = chromium().replace("a=sendrecv", "a=sendonly");
    let (agreed, second) = answered_after(&hold, &Capabilities::default(), Some(&first));
    assert_eq!(agreed.direction, Direction::RecvOnly);
    assert!(has(&second, 0, "msid:stream track"), "named once, it keeps its name");

    let mut local = local();
    local.version += 1;
    let capabilities = Capabilities { direction: Direction::SendOnly, ..Capabilities::default() };
    let parameters =
        Parameters { local: &local, capabilities: &capabilities, previous: Some(&first) };
    let ours = offer::write(&parameters);
    assert_eq!((ours.origin.version, &ours.origin.session_id), (2, &first.origin.session_id));
    assert!(has(&ours, 0, "sendonly") && has(&ours, 0, "mid:0") && has(&ours, 0, "setup:actpass"));
    assert!(has(&ours, 0, "rtpmap:111 opus/48000/2"));
}

#[test]
fn the_offers_order_counts_unless_ours_was_asked_for() {
    // rfc3264-6.1-2
    let pcma_first = chromium().replace("111 63 9 0 8", "8 63 9 0 111");
    let codecs = |capabilities: &Capabilities| -> Vec<Codec> {
        answered(&pcma_first, capabilities).0.codecs.iter().map(|agreed| agreed.codec).collect()
    };
    let theirs = Capabilities::default();
    assert_eq!(codecs(&theirs), [Codec::Pcma, Codec::Pcmu, Codec::Opus]);
    let ours = Capabilities {
        codecs: vec![Codec::Pcmu, Codec::Opus],
        preference: Preference::Ours,
        ..Capabilities::default()
    };
    assert_eq!(codecs(&ours), [Codec::Pcmu, Codec::Opus]);
    assert_eq!(answered(&pcma_first, &ours).1.media[0].formats, ["0", "111", "110", "126"]);
}

#[test]
fn a_codec_keeps_the_offers_number_and_spelling() {
    // rfc8866-5.13-1: webrtcbin writes OPUS
    let offer = chromium().replace("111", "96").replace("opus/", "OPUS/");
    let (agreed, answer) = answered(&offer, &Capabilities::default());
    let opus = &agreed.codecs[0];
    assert_eq!(
        (opus.codec, opus.send_payload_type, opus.receive_payload_type),
        (Codec::Opus, 96, 96)
    );
    assert!(has(&answer, 0, "rtpmap:96 OPUS/48000/2"));
}

#[test]
fn our_wishes_for_opus_are_ours_whatever_theirs_are() {
    // rfc7587-7.1: "completely orthogonal"
    let offer = chromium().replace(
        "minptime=10;useinbandfec=1",
        "minptime=10;stereo=1;usedtx=1;maxaveragebitrate=64000",
    );
    let mut capabilities = Capabilities::default();
    let fmtp = |capabilities: &Capabilities| {
        let (_, answer) = answered(&offer, capabilities);
        lines(&answer, Some(0)).into_iter().find(|line| line.starts_with("fmtp:111")).unwrap()
    };
    assert_eq!(fmtp(&capabilities), "fmtp:111 minptime=10;useinbandfec=1");
    capabilities.opus.stereo = Some(true);
    capabilities.opus.max_average_bitrate = Some(96_000);
    capabilities.opus.use_in_band_fec = None;
    let expected = "fmtp:111 minptime=10;maxaveragebitrate=96000;stereo=1";
    assert_eq!(fmtp(&capabilities), expected);
    let (agreed, _) = answered(&offer, &capabilities);
    assert_eq!(agreed.codecs[0].wishes.max_average_bitrate, Some(64_000));
    assert_eq!(agreed.codecs[0].wishes.stereo, Some(true));
    assert_eq!(agreed.codecs[0].wishes.use_dtx, Some(true));
}

#[test]
fn packets_have_the_length_that_the_receiver_asked_for() {
    let capabilities = Capabilities { ptime: 40, ..Capabilities::default() };
    for (lines, expected) in [
        ("", 40),
        ("a=ptime:10\r\n", 10),
        ("a=ptime:30\r\n", 20),
        ("a=ptime:120\r\n", 60),
        ("a=maxptime:20\r\n", 20),
        ("a=ptime:3\r\n", 10),
    ] {
        let (agreed, answer) = answered(&format!("{}{lines}", chromium()), &capabilities);
        assert_eq!(agreed.ptime, expected, "{lines}");
        assert!(has(&answer, 0, &format!("ptime:{expected}")));
    }
}

#[test]
fn feedback_and_extensions_are_agreed_on_only_if_we_do_them() {
    let mut capabilities = Capabilities::default();
    capabilities.feedback.push("transport-cc".into());
    capabilities.extensions.push(HeaderExtension::TransportCc);
    let (agreed, answer) = answered(&chromium(), &capabilities);
    assert!(agreed.has_feedback("transport-cc"));
    assert_eq!(agreed.extensions.transport_cc, Some(3));
    assert!(has(&answer, 0, "rtcp-fb:111 transport-cc"));
    assert!(!has(&answer, 0, "rtcp-fb:0 transport-cc"), "not offered for PCMU");
}

#[test]
fn an_extension_may_have_parameters_and_has_its_number_for_itself() {
    let level = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
    let offer = chromium().replace(level, &format!("{level} vad=on"));
    let (_, answer) = answered(&offer, &Capabilities::default());
    assert!(lines(&answer, Some(0)).contains(&format!("extmap:1 {level}")), "{answer}");

    let offer = chromium().replace("extmap:4 ", "extmap:1 ");
    let (_, answer) = answered(&offer, &Capabilities::default());
    let numbers = lines(&answer, Some(0)).into_iter().filter(|line| line.starts_with("extmap:1 "));
    assert_eq!(numbers.count(), 1, "{answer}");
}

#[test]
fn what_would_look_like_rtcp_is_no_payload_type() {
    // rfc5761-4-1
    let offer = chromium().replace(" 111 ", " 72 ").replace(":111 ", ":72 ");
    let (agreed, _) = answered(&offer, &Capabilities::default());
    assert!(agreed.codecs.iter().all(|codec| codec.codec != Codec::Opus), "{agreed:?}");
    assert!(!agreed.codecs.is_empty());
}

#[test]
fn only_extensions_that_fit_and_go_both_ways_are_agreed_on() {
    let mid = |id: &str| {
        let offer = chromium().replace("extmap:4 ", &format!("extmap:{id} "));
        answered(&offer, &Capabilities::default()).0.extensions.mid
    };
    assert_eq!(mid("14"), Some(14));
    assert_eq!(mid("15"), None, "one byte has no room for it (RFC 8285 section 4.2)");
    assert_eq!(mid("7/sendrecv"), Some(7));
    assert_eq!(mid("7/sendonly"), None);
}

#[test]
fn a_codec_offered_twice_is_taken_once() {
    let offer = chromium()
        .replace("SAVPF 111", "SAVPF 112 111")
        .replace("a=rtpmap:111", "a=rtpmap:112 opus/48000/2\r\na=rtpmap:111");
    let (_, answer) = answered(&offer, &Capabilities::default());
    assert_eq!(answer.media[0].formats, ["112", "0", "8", "110", "126"]);
}

#[test]
fn telephone_events_need_a_codec_of_their_clock_rate() {
    let opus = Capabilities { codecs: vec![Codec::Opus], ..Capabilities::default() };
    assert_eq!(answered(&chromium(), &opus).1.media[0].formats, ["111", "110"]);
    let none = Capabilities { telephone_event: false, ..opus };
    assert_eq!(answered(&chromium(), &none).1.media[0].formats, ["111"]);
}

#[test]
fn candidates_for_a_port_of_rtcp_are_left_out() {
    let second = "a=candidate:9 2 udp 1 192.0.2.9 9 typ host\r\na=ice-ufrag";
    let offer = chromium().replacen("a=ice-ufrag", second, 1);
    assert_eq!(answered(&offer, &Capabilities::default()).0.remote.candidates.len(), 4);
    let many = "a=candidate:9 1 udp 1 192.0.2.9 9 typ host\r\n".repeat(100) + "a=ice-ufrag";
    let offer = chromium().replacen("a=ice-ufrag", &many, 1);
    let (agreed, _) = answered(&offer, &Capabilities::default());
    assert_eq!(agreed.remote.candidates.len(), answer::MAX_CANDIDATES);
}

#[test]
fn reduced_size_rtcp_is_neither_given_up_nor_brought_in_later() {
    for rsize in [true, false] {
        let line = if rsize { "a=rtcp-rsize\r\n" } else { "" };
        let offer = chromium().replace("a=rtcp-rsize\r\n", line);
        let (agreed, first) = answered(&offer, &Capabilities::default());
        assert_eq!(agreed.rtcp_rsize, rsize);
        let capabilities = &Capabilities::default();
        let parameters = Parameters { local: &local(), capabilities, previous: Some(&first) };
        assert_eq!(has(&offer::write(&parameters), 0, "rtcp-rsize"), rsize);
    }
}

#[test]
fn ice_may_begin_anew() {
    // rfc8839-4.4.1.1.1-1
    let (before, _) = answered(&chromium(), &Capabilities::default());
    let new_ufrag = chromium().replace("ice-ufrag:ASvE", "ice-ufrag:newU");
    let (half, _) = answered(&new_ufrag, &Capabilities::default());
    assert!(!half.restarts_ice(&before), "both have to be new");
    let both = new_ufrag.replace("jV3nuxd8yQdUue49gGeP0J7Z", "0123456789012345678901");
    let (restarted, _) = answered(&both, &Capabilities::default());
    assert!(restarted.restarts_ice(&before) && !before.restarts_ice(&before));
}

#[test]
fn placeholders_stand_where_no_address_is_known() {
    // rfc8829-5.3.1-4, rfc8839-4.2.5-1
    let offer: Description =
        browser("chromium156-audio-recvonly-before-gathering").parse().unwrap();
    let capabilities = Capabilities::default();
    let agreed = answer::choose(&offer, &capabilities).unwrap();
    assert!(agreed.remote.candidates.is_empty());
    let mut local = local();
    local.candidates = vec!["1 1 udp 1 name.local 1 typ host".parse().unwrap()];
    let parameters = Parameters { local: &local, capabilities: &capabilities, previous: None };
    let answer = answer::write(&offer, &agreed, &parameters).to_string();
    assert!(answer.contains("m=audio 9 ") && answer.contains("c=IN IP4 0.0.0.0"), "{answer}");
    local.candidates = vec!["1 1 udp 1 2001:db8::1 77 typ host".parse().unwrap()];
    let parameters = Parameters { local: &local, capabilities: &capabilities, previous: None };
    let answer = answer::write(&offer, &agreed, &parameters).to_string();
    assert!(answer.contains("m=audio 77 ") && answer.contains("c=IN IP6 2001:db8::1"), "{answer}");
}

#[test]
fn our_offer_has_what_jsep_asks_for() {
    // rfc8829-5.2.1-1, rfc8858-4-1, rfc9725-4.4.1-1, rfc3605-2.1-1
    let offer = first_offer(&Capabilities::default());
    assert_eq!(offer.to_string().parse(), Ok(offer.clone()));
    let text = offer.to_string();
    assert!(text.starts_with("v=0\r\no=- 42 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"), "{text}");
    assert_eq!(lines(&offer, None), ["group:BUNDLE 0", "ice-options:trickle ice2 renomination"]);
    assert_eq!(offer.media[0].formats, ["111", "0", "8", "110", "126"]);
    for line in [
        "mid:0",
        "sendrecv",
        "rtcp-mux",
        "rtcp-mux-only",
        "rtcp-rsize",
        "rtpmap:111 opus/48000/2",
        "fmtp:111 minptime=10;useinbandfec=1",
        "maxptime:60",
        "extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
        "extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "ice-ufrag:ours",
        "setup:actpass",
        "msid:stream track",
        "end-of-candidates",
    ] {
        assert!(has(&offer, 0, line), "{line}");
    }
    assert!(!text.contains("a=ice-lite") && !text.contains("a=crypto") && !text.contains("k="));
}

/// Our offer, answered by ourselves, perhaps with a change.
fn exchange(change: impl Fn(String) -> String, offerer: &Capabilities) -> Result<Agreed, Refusal> {
    let ours = first_offer(offerer);
    let (_, answer) = answered(&ours.to_string(), &Capabilities::default());
    let changed: Description = change(answer.to_string()).parse().unwrap();
    answer::read(&ours, &changed, offerer)
}

#[test]
fn both_ends_come_to_the_same_agreement() {
    let offerer = exchange(|answer| answer, &Capabilities::default()).unwrap();
    let ours = first_offer(&Capabilities::default());
    let (answerer, _) = answered(&ours.to_string(), &Capabilities::default());
    assert_eq!(offerer.dtls_role, DtlsRole::Server);
    assert_eq!(answerer.dtls_role, DtlsRole::Client);
    assert_eq!(offerer.codecs, answerer.codecs);
    assert_eq!(offerer.telephone_events, answerer.telephone_events);
    assert_eq!(offerer.extensions, answerer.extensions);
    assert_eq!((offerer.section, offerer.mid), (answerer.section, answerer.mid));
    assert!(offerer.rtcp_rsize && answerer.rtcp_rsize);
}

#[test]
fn an_answer_that_does_not_answer_us_is_refused() {
    // rfc3264-6-1, rfc8829-5.10-1: nothing is changed by a refusal, for `read` changes nothing
    let capabilities = Capabilities::default();
    let refusal = |from: &str, to: &str| {
        exchange(|answer| answer.replace(from, to), &capabilities).unwrap_err()
    };
    let unusable = |why| Refusal::Unusable { section: 0, why };
    assert_eq!(refusal("m=audio 40000", "m=audio 0"), unusable(Obstacle::PortZero));
    assert_eq!(refusal("setup:active", "setup:actpass"), unusable(Obstacle::Setup));
    assert_eq!(refusal("a=rtcp-mux\r\n", ""), unusable(Obstacle::NoRtcpMux));
    assert_eq!(refusal("m=audio", "m=video"), Refusal::OtherSection { section: 0 });
    assert_eq!(refusal("mid:0", "mid:1"), Refusal::OtherSection { section: 0 });
    let ours = first_offer(&capabilities);
    let two: Description = browser("chromium156-two-audio").parse().unwrap();
    let count = Refusal::SectionCount { offered: 1, answered: 2 };
    assert_eq!(answer::read(&ours, &two, &capabilities), Err(count));
}

#[test]
fn an_answer_may_number_a_codec_its_own_way() {
    // rfc3264-6.1-2: the number for sending is the receiver's
    let renumber = |answer: String| answer.replace("111", "96");
    let agreed = exchange(renumber, &Capabilities::default()).unwrap();
    let opus = &agreed.codecs[0];
    assert_eq!((opus.send_payload_type, opus.receive_payload_type), (96, 111));
}

#[test]
fn our_offer_on_a_running_call_keeps_names_and_numbers() {
    // rfc3264-8-1, rfc3264-8.2-1: the browser's three sections stay three
    let offer = browser("chromium156-audio-video-data").replace("111", "96");
    let (_, answer) = answered(&offer, &Capabilities::default());
    let capabilities = Capabilities::default();
    let parameters =
        Parameters { local: &local(), capabilities: &capabilities, previous: Some(&answer) };
    let again = offer::write(&parameters);
    let sections: Vec<_> =
        again.media.iter().map(|media| (media.port, media.mid().unwrap())).collect();
    assert_eq!(sections, [(40000, "0"), (0, "1"), (0, "2")]);
    assert!(has(&again, 0, "rtpmap:96 opus/48000/2"));
    assert!(has(&again, 0, "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid"));
    assert!(!has(&again, 0, "rtcp-mux-only"), "it is settled (RFC 9429 section 5.2.2)");
}

#[test]
fn a_place_where_nothing_lives_is_used_again_under_a_new_name() {
    // rfc3264-8.2-1
    let mut before = first_offer(&Capabilities::default());
    before.media[0].port = 0;
    let capabilities = Capabilities::default();
    let parameters =
        Parameters { local: &local(), capabilities: &capabilities, previous: Some(&before) };
    let again = offer::write(&parameters);
    assert_eq!((again.media.len(), again.media[0].mid()), (1, Some("1")));
}

#[test]
fn a_new_codec_gets_a_number_that_nobody_has() {
    let text = first_offer(&Capabilities::default()).to_string();
    let before: Description = text.replace("opus", "speex").parse().unwrap();
    let capabilities = Capabilities::default();
    let parameters =
        Parameters { local: &local(), capabilities: &capabilities, previous: Some(&before) };
    assert_eq!(offer::write(&parameters).media[0].formats[0], "96", "111 was another's");
}

#[test]
fn firefox_and_aiortc_answers_are_read() {
    for (id, ufrag) in [
        ("chromium156-audio-answer", None),
        ("firefox153-audio-answer", Some("181d1acd")),
        ("aiortc116-answer-to-chromium156-audio-sendrecv", Some("0R2k")),
    ] {
        let answer: Description = browser(id).parse().unwrap();
        let ours = first_offer(&Capabilities::default());
        let agreed = answer::read(&ours, &answer, &Capabilities::default()).expect(id);
        assert_eq!(agreed.codecs[0].codec, Codec::Opus, "{id}");
        assert_eq!(agreed.dtls_role, DtlsRole::Server, "{id}");
        assert!(ufrag.is_none_or(|ufrag| ufrag == agreed.remote.ice_ufrag), "{id}");
        assert!(agreed.remote.candidates.iter().all(|candidate| candidate.component == 1));
    }
}

mod properties {
    use super::*;
    use halloo::sdp::{Candidate, Fragment};
    use proptest::prelude::*;

    /// Lines of a real offer, some of them cut, repeated, swapped or spoilt.
    fn spoilt() -> impl Strategy<Value = String> {
        let lines: Vec<String> =
            browser("chromium156-audio-video-data").lines().map(str::to_owned).collect();
        let count = lines.len();
        let edit = (0..count, 0..count, ".{0,12}", 0_usize..80);
        proptest::collection::vec(edit, 0..6).prop_map(move |edits| {
            let mut lines = lines.clone();
            for (from, to, text, at) in edits {
                let mut line: String = lines[from].chars().take(at).collect();
                line.push_str(&text);
                if text.len() % 2 == 0 { lines[to] = line } else { lines.swap(from, to) }
            }
            lines.join("\r\n") + "\r\n"
        })
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), almost in spoilt()) {
            for text in [text, almost] {
                let _ = text.parse::<Candidate>();
                let _ = text.parse::<Fragment>();
                if let Ok(offer) = text.parse::<Description>() {
                    let _ = answer::choose(&offer, &Capabilities::default());
                    let ours = first_offer(&Capabilities::default());
                    let _ = answer::read(&ours, &offer, &Capabilities::default());
                }
            }
        }

        #[test]
        fn what_was_read_is_written_and_read_alike(text in spoilt()) {
            if let Ok(read) = text.parse::<Description>() {
                prop_assert_eq!(read.to_string().parse(), Ok(read));
            }
        }

        #[test]
        fn an_attribute_is_written_as_it_was_read(text in "(mid|msid|ssrc|group|rtpmap|fmtp|extmap|rtcp-fb|candidate|fingerprint|setup|ptime|rtcp|ice-options|[a-z-]{1,10})(:[0-9]{0,3} ?[ -~]{0,40})?") {
            if let Ok(read) = Attribute::parse(text.trim_end()) {
                prop_assert_eq!(Attribute::parse(read.to_string().trim_end()), Ok(read));
            }
        }
    }
}
