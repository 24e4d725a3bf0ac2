//! Vectors of the layer `sdp`: `sdp`, `candidate`, `sdpfrag`.

use halloo::sdp::attribute::Attribute;
use halloo::sdp::candidate::{Candidate, Kind, Transport};
use halloo::sdp::{Codec, Description, Fragment, Media, Section};
use serde_json::{Value, json};

use super::case::same;

/// Whether the case holds; `None` if another layer reads this kind.
pub fn check(kind: &str, case: &Value) -> Option<Result<(), String>> {
    match kind {
        "sdp" => Some(description(case)),
        "candidate" => Some(candidate(case)),
        "sdpfrag" => Some(fragment(case)),
        _ => None,
    }
}

fn description(case: &Value) -> Result<(), String> {
    let text = case["sdp"].as_str().ok_or("no sdp")?;
    let read = text.parse::<Description>();
    let accepted = case["verdict"] == "accept";
    let read = match (read, accepted) {
        (Ok(read), true) => read,
        (Err(_), false) => return Ok(()),
        (Ok(_), false) => return Err("accepted, should be rejected".into()),
        (Err(error), true) => return Err(format!("rejected: {error}")),
    };
    let written = read.to_string();
    same("read, written, read", &json!(written.parse() == Ok(read.clone())), &json!(true))?;

    if let Some(kinds) = case.get("media_kinds") {
        let found: Vec<_> = read.media.iter().map(|media| media.kind.as_str()).collect();
        same("media_kinds", &json!(found), kinds)?;
    }
    if let Some(origin) = case.get("origin") {
        let found = json!({
            "username": read.origin.username,
            "session_id": read.origin.session_id,
            "session_version": read.origin.version.to_string(),
            "address": read.origin.address,
        });
        same("origin", &found, origin)?;
    }
    let audio = read.sections().find(|section| section.media.kind == "audio");
    if let (Some(expected), Some(audio)) = (case.get("audio"), audio) {
        summary(&read, audio, expected)?;
    }
    if let Some(answerable) = case.get("answerable") {
        same("answerable", &json!(audio.is_some_and(|audio| is_answerable(&audio))), answerable)?;
    }
    Ok(())
}

/// What an answerer reads from the first audio section.
fn summary(read: &Description, audio: Section<'_>, expected: &Value) -> Result<(), String> {
    let found = json!({
        "mid": audio.mid(),
        "ice_ufrag": audio.ice_ufrag(),
        "ice_pwd": audio.ice_pwd(),
        "setup": audio.setup().map(|setup| setup.to_string()),
        "rtcp_mux": audio.has_rtcp_mux(),
        "port": audio.media.port,
        "protocol": audio.media.protocol,
        "formats": audio.media.formats,
        "bundle": read.bundles().next().map(|group| group.mids.clone()),
        "fmtp": lines(audio.media, "fmtp:"),
        "extmap": lines(audio.media, "extmap:"),
    });
    for (name, value) in found.as_object().into_iter().flatten() {
        same(name, value, &expected[name])?;
    }
    // One summary gives the session's direction although the section has its own (firefox153-audio-
    // recvonly); the section wins (RFC 8866 section 6.7), so either is taken where they differ.
    let session_line = Attribute::parse(expected["direction"].as_str().ok_or("no direction")?);
    if !session_line.is_ok_and(|line| read.attributes.contains(&line)) {
        same("direction", &json!(audio.direction().to_string()), &expected["direction"])?;
    }
    // These are written in one way of several: hex in upper case, one channel not said, UDP small.
    let fingerprint = audio.fingerprints().next().map(|it| it.to_string().to_lowercase());
    let wanted = expected["fingerprint"].as_str().map(str::to_lowercase);
    same("fingerprint", &json!(fingerprint), &json!(wanted))?;
    for (name, prefix) in [("rtpmap", "rtpmap:"), ("candidates", "candidate:")] {
        let wanted = expected[name].as_array().ok_or(format!("no {name}"))?;
        let wanted: Vec<_> = wanted
            .iter()
            .filter_map(|line| Attribute::parse(&format!("{prefix}{}", line.as_str()?)).ok())
            .map(|line| without(prefix, &line))
            .collect();
        same(name, &json!(lines(audio.media, prefix)), &json!(wanted))?;
    }
    Ok(())
}

/// The section's attributes whose written form starts with `prefix`, which is left out.
fn lines(media: &Media, prefix: &str) -> Vec<String> {
    let written = media.attributes.iter().filter(|line| line.to_string().starts_with(prefix));
    written.map(|line| without(prefix, line)).collect()
}

fn without(prefix: &str, line: &Attribute) -> String {
    line.to_string().trim_start_matches(prefix).to_owned()
}

/// Whether an endpoint with Opus, PCMU and PCMA could say yes.
fn is_answerable(audio: &Section<'_>) -> bool {
    let protocols = ["UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVP", "RTP/SAVP"];
    let protocol = audio.media.protocol.trim_end_matches('F');
    let has_codec = audio.payload_types().filter_map(|number| audio.codec(number));
    audio.media.port != 0
        && protocols.contains(&protocol)
        && audio.fingerprints().next().is_some()
        && audio.ice_ufrag().is_some()
        && audio.ice_pwd().is_some()
        && has_codec.into_iter().any(|codec| codec != Codec::G722)
}

fn candidate(case: &Value) -> Result<(), String> {
    let line = case["line"].as_str().ok_or("no line")?;
    let read = line.strip_prefix("a=").unwrap_or(line).parse::<Candidate>();
    let Ok(read) = read else { return same("verdict", &json!("reject"), &case["verdict"]) };
    let known = read.transport == Transport::Udp && !matches!(read.kind, Kind::Other(_));
    same("verdict", &json!(if known { "accept" } else { "ignore" }), &case["verdict"])?;
    same(
        "read, written, read",
        &json!(read.to_string().parse() == Ok(read.clone())),
        &json!(true),
    )?;

    let mut found = json!({
        "foundation": read.foundation,
        "component": read.component,
        "transport": read.transport.to_string(),
        "priority": read.priority,
        "address": read.address.to_string(),
        "port": read.port,
        "type": read.kind.to_string(),
    });
    if let Some((address, port)) = &read.related {
        found["raddr"] = json!(address.to_string());
        found["rport"] = json!(port.to_string());
    }
    if let Transport::Tcp(tcp_type) = read.transport {
        found["tcptype"] = json!(tcp_type.to_string());
    }
    for name in ["generation", "ufrag", "network-id", "network-cost"] {
        if let Some(value) = read.extension(name) {
            found[name] = json!(value);
        }
    }
    case.get("expect").map_or(Ok(()), |expected| same("fields", &found, expected))
}

fn fragment(case: &Value) -> Result<(), String> {
    let read = case["fragment"].as_str().ok_or("no fragment")?.parse::<Fragment>();
    let Ok(read) = read else { return same("verdict", &json!("reject"), &case["verdict"]) };
    same("verdict", &json!("accept"), &case["verdict"])?;
    same(
        "read, written, read",
        &json!(read.to_string().parse() == Ok(read.clone())),
        &json!(true),
    )?;

    let sections = read.media.iter().map(|media| {
        let line = media.to_string();
        json!({
            "m": line.lines().next().unwrap_or_default().trim_start_matches("m="),
            "mid": media.mid(),
            "candidates": lines(media, "candidate:"),
            "end": media.attributes.contains(&Attribute::EndOfCandidates),
        })
    });
    let sections: Vec<_> = sections.collect();
    let credentials = read.credentials();
    let found = json!({
        "ufrag": credentials.map(|(ufrag, _)| ufrag),
        "pwd": credentials.map(|(_, pwd)| pwd),
        "sections": sections,
    });
    same("fields", &found, &case["expect"])
}
