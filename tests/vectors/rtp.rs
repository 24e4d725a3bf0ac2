//! Vectors of the layer `rtp`: RTP, RTCP, their header extensions, payloads and arithmetic.

use halloo::rtp::payload::{Bandwidth, Mode, OpusPacket, RedBlocks, TelephoneEvent, Toc};
use halloo::rtp::reception::{self, Jitter, Validation};
use halloo::rtp::rtcp::{Chunk, Compound, Packet as RtcpPacket, ReportBlock, SenderInfo, Writer};
use halloo::rtp::{
    AudioLevel, Elements, Packet, RtpTimestamp, SequenceNumber, Ssrc, Validity, round_trip,
};
use halloo::time::NtpTime;
use serde_json::{Value, json};

use super::case::{hex, number, same, text, to_hex};

/// Whether the case holds; `None` if another layer reads this kind.
pub fn check(kind: &str, case: &Value) -> Option<Result<(), String>> {
    Some(match kind {
        "rtp" => rtp(case),
        "header-extension" => header_extension(case),
        "audio-level" => audio_level(case),
        "rtcp" => rtcp(case),
        "rtp-receiver" => receiver(case),
        "fraction-lost" => fraction_lost(case),
        "jitter" => jitter(case),
        "unwrap" => unwrap(case),
        "ntp" => ntp(case),
        "rtt" => rtt(case),
        "rtp-from-ntp" => rtp_from_ntp(case),
        "opus-toc" => opus_toc(case),
        "opus-packet" => opus_packet(case),
        "red" => red(case),
        "telephone-event" => telephone_event(case),
        _ => return None,
    })
}

/// rfc3550-5.1-1, rfc3550-5.1-4, rfc3550-5.3.1-1
fn rtp(case: &Value) -> Result<(), String> {
    let wire = hex(text(case, "packet"));
    let Some(packet) = verdict(case, Packet::parse(&wire))? else { return Ok(()) };
    let header = packet.header;
    let extension =
        header.extension.map(|e| json!({ "profile": e.profile, "data": to_hex(packet.extension) }));
    let csrcs: Vec<_> = packet.csrcs().map(|csrc| csrc.0).collect();
    if let Some(expect) = case.get("expect") {
        let found = json!({
            "marker": u8::from(header.marker),
            "payload_type": header.payload_type,
            "sequence_number": header.sequence_number.0,
            "timestamp": header.timestamp.0,
            "ssrc": header.ssrc.0,
            "csrc": csrcs,
            "extension": extension,
            "padding": packet.padding,
            "payload": to_hex(packet.payload),
        });
        same("fields", &found, expect)?;
    }
    if let (Some(expected), Some(extension)) = (case.get("extensions"), header.extension) {
        same("elements", &elements(extension.profile, packet.extension)?, expected)?;
    }
    same("the fixed header written back", &header.fixed()[..], &wire[..12])
}

/// The elements as the vectors write them; null for a foreign profile.
fn elements(profile: u16, extension: &[u8]) -> Result<Value, String> {
    let Some(elements) = Elements::new(profile, extension) else { return Ok(Value::Null) };
    let read = |element: Result<(u8, &[u8]), _>| match element {
        Ok((id, value)) => Ok(json!([id, to_hex(value)])),
        Err(error) => Err(format!("{error}")),
    };
    elements.map(read).collect::<Result<Vec<_>, _>>().map(Value::from)
}

/// rfc8285-4.2-1, rfc8285-4.3-1
fn header_extension(case: &Value) -> Result<(), String> {
    let profile = number::<u16>(case, "profile");
    let data = hex(text(case, "data"));
    match verdict(case, elements(profile, &data))? {
        Some(found) => same("elements", &found, &case["elements"]),
        None => Ok(()),
    }
}

/// rfc6464-3-1
fn audio_level(case: &Value) -> Result<(), String> {
    let wire = hex(text(case, "data"));
    let level = AudioLevel::from_byte(wire[0]);
    same("voice", &json!(u8::from(level.voice)), &case["voice"])?;
    same("dbov", &json!(level.dbov()), &case["dbov"])?;
    same("written back", &level.to_byte(), &wire[0])
}

fn rtcp(case: &Value) -> Result<(), String> {
    let wire = hex(text(case, "packet"));
    let Some(compound) = verdict(case, Compound::parse(&wire))? else { return Ok(()) };
    let found: Vec<_> = compound.packets().map(|packet| rtcp_fields(&packet)).collect();
    if let Some(expect) = case.get("expect") {
        same("packets", &Value::from(found.clone()), expect)?;
    }
    // Written back, what we can write reads as the same.
    for (packet, fields) in compound.packets().zip(found) {
        let mut buffer = vec![0; 4_000];
        if let Some(length) = rtcp_written(&packet, &mut buffer) {
            let again = Compound::parse(&buffer[..length]).map_err(|error| error.to_string())?;
            let again: Vec<_> = again.packets().map(|packet| rtcp_fields(&packet)).collect();
            same("written back", &again, &vec![fields])?;
        }
    }
    Ok(())
}

fn rtcp_fields(packet: &RtcpPacket<'_>) -> Value {
    match packet {
        RtcpPacket::SenderReport(report) => {
            let blocks: Vec<_> = report.blocks().map(block_fields).collect();
            json!({
                "type": 200, "count": blocks.len(), "ssrc": report.ssrc.0, "ntp": report.info.ntp.0,
                "rtp": report.info.timestamp.0, "packets": report.info.packets,
                "octets": report.info.octets, "reports": blocks,
            })
        }
        RtcpPacket::ReceiverReport(report) => {
            let blocks: Vec<_> = report.blocks().map(block_fields).collect();
            json!({
                "type": 201, "count": blocks.len(), "ssrc": report.ssrc.0, "reports": blocks,
            })
        }
        RtcpPacket::SourceDescription(description) => {
            let chunks: Vec<_> = description.chunks().map(chunk_fields).collect();
            json!({ "type": 202, "count": chunks.len(), "chunks": chunks })
        }
        RtcpPacket::Goodbye(bye) => {
            let sources: Vec<_> = bye.sources().map(|ssrc| ssrc.0).collect();
            let mut fields = json!({ "type": 203, "count": sources.len(), "sources": sources });
            if let Some(reason) = bye.reason {
                fields["reason"] = json!(String::from_utf8_lossy(reason));
            }
            fields
        }
        RtcpPacket::TransportFeedback(feedback) | RtcpPacket::PayloadFeedback(feedback) => {
            let is_transport = matches!(packet, RtcpPacket::TransportFeedback(_));
            let mut fields = json!({
                "type": if is_transport { 205 } else { 206 }, "count": feedback.format,
                "ssrc": feedback.ssrc.0, "media_ssrc": feedback.media_ssrc.0,
                "fci": to_hex(feedback.fci),
            });
            if is_transport && let Some(nack) = feedback.nack() {
                fields["lost"] = nack.lost().map(|number| number.0).collect();
            }
            fields
        }
        // The vectors give its body whole; what is inside is tested beside the code.
        RtcpPacket::ExtendedReport(report) => {
            let body = to_hex(&report.ssrc.0.to_be_bytes()) + &to_hex(report.bytes);
            json!({ "type": 207, "count": report.reserved, "body": body })
        }
        RtcpPacket::Unknown { packet_type, count, body } => {
            json!({ "type": packet_type, "count": count, "body": to_hex(body) })
        }
    }
}

fn block_fields(block: ReportBlock) -> Value {
    json!({
        "ssrc": block.ssrc.0, "fraction_lost": block.fraction_lost,
        "cumulative_lost": block.cumulative_lost, "highest_sequence": block.highest_sequence,
        "jitter": block.jitter, "lsr": block.lsr, "dlsr": block.dlsr,
    })
}

fn chunk_fields(chunk: Chunk<'_>) -> Value {
    let items: Vec<_> = chunk.items().map(|item| json!([item.kind, to_hex(item.text)])).collect();
    json!({ "ssrc": chunk.ssrc.0, "items": items })
}

/// `None` for what we never send.
fn rtcp_written(packet: &RtcpPacket<'_>, buffer: &mut [u8]) -> Option<usize> {
    let writer = Writer::new(buffer);
    match packet {
        RtcpPacket::SenderReport(report) => {
            let blocks: Vec<_> = report.blocks().collect();
            Some(writer.sender_report(report.ssrc, &report.info, &blocks).unwrap().finish())
        }
        RtcpPacket::ReceiverReport(report) => {
            let blocks: Vec<_> = report.blocks().collect();
            Some(writer.receiver_report(report.ssrc, &blocks).unwrap().finish())
        }
        RtcpPacket::SourceDescription(description) => {
            // Only names, and the same for all: others are never written.
            let chunks: Vec<_> = description.chunks().collect();
            let name = chunks.first()?.cname()?;
            let only_it =
                |chunk: &Chunk<'_>| chunk.items().count() == 1 && chunk.cname() == Some(name);
            if !chunks.iter().all(only_it) {
                return None;
            }
            let sources: Vec<_> = chunks.iter().map(|chunk| chunk.ssrc).collect();
            let name = str::from_utf8(name).ok()?;
            Some(writer.cname(&sources, name).unwrap().finish())
        }
        RtcpPacket::Goodbye(bye) => {
            let sources: Vec<_> = bye.sources().collect();
            let reason = str::from_utf8(bye.reason.unwrap_or_default()).ok()?;
            (bye.reason != Some(b"")).then(|| writer.goodbye(&sources, reason).unwrap())
        }
        _ => None,
    }
}

/// rfc3550-A.1-1, rfc3550-6.4.1-5
fn receiver(case: &Value) -> Result<(), String> {
    let steps = case["steps"].as_array().ok_or("no steps")?;
    let sequence = |step: &Value| SequenceNumber(number(step, "seq"));
    let probation = case["probation"]
        .as_u64()
        .map_or(reception::MIN_SEQUENTIAL, |probation| u8::try_from(probation).unwrap());
    let mut source = Validation::new(sequence(&steps[0]), probation);
    for (at, step) in steps.iter().enumerate() {
        let valid = source.update(sequence(step)) == Validity::Valid;
        same(&format!("valid at step {at}"), &json!(u8::from(valid)), &step["valid"])?;
        if let Some(highest) = step.get("extended_max") {
            same(&format!("highest at step {at}"), &json!(source.highest()), highest)?;
        }
    }
    let Some(end) = case.get("final") else { return Ok(()) };
    let (expected, received) = (source.expected(), source.received());
    let found = json!({
        "expected": expected, "received": received, "cumulative_lost": expected - received,
    });
    same("the end", &found, end)
}

fn fraction_lost(case: &Value) -> Result<(), String> {
    let interval = |name| number::<i64>(case, name);
    let lost =
        reception::fraction_lost(interval("expected_interval"), interval("received_interval"));
    same("fraction", &json!(lost), &case["fraction_lost"])
}

/// rfc3550-A.8-1
fn jitter(case: &Value) -> Result<(), String> {
    let rate = word(&case["clock_rate"]);
    let mut jitter = Jitter::default();
    let packets = case["arrival_and_timestamp"].as_array().ok_or("no packets")?;
    let reported = packets.iter().map(|packet| {
        jitter.arrived(word(&packet[0]), RtpTimestamp(word(&packet[1])), rate);
        json!(jitter.reported())
    });
    same("jitter", &Value::from(reported.collect::<Vec<_>>()), &case["jitter"])
}

fn unwrap(case: &Value) -> Result<(), String> {
    let mut last: Option<i64> = None;
    let wide = |input: &Value| {
        let input = input.as_u64().unwrap();
        let step = |last: i64| match case["bits"].as_u64() {
            Some(16) => {
                let before = SequenceNumber(last.rem_euclid(1 << 16) as u16);
                i64::from(SequenceNumber(u16::try_from(input).unwrap()).since(before))
            }
            _ => {
                let before = RtpTimestamp(last.rem_euclid(1 << 32) as u32);
                i64::from(RtpTimestamp(u32::try_from(input).unwrap()).since(before))
            }
        };
        let wide = last.map_or(i64::try_from(input).unwrap(), |last| last + step(last));
        last = Some(wide);
        json!(wide)
    };
    let found: Vec<_> = case["input"].as_array().ok_or("no input")?.iter().map(wide).collect();
    same("unwrapped", &Value::from(found), &case["output"])
}

fn ntp(case: &Value) -> Result<(), String> {
    let ntp = NtpTime(u64::from_str_radix(text(case, "ntp"), 16).unwrap());
    let nanos =
        number::<u128>(case, "unix_seconds") * 1_000_000_000 + number::<u128>(case, "nanoseconds");
    same("nanoseconds since 1970", &ntp.to_unix().as_nanos(), &nanos)?;
    same("middle", &format!("{:08x}", ntp.middle()), &text(case, "middle32").to_owned())?;
    let back = NtpTime::from_unix(ntp.to_unix()).0;
    // A nanosecond is 4.3 steps of the fraction; the last moment of an era is rounded into the next.
    let apart = back.wrapping_sub(ntp.0).cast_signed().unsigned_abs();
    if apart <= 5 { Ok(()) } else { Err(format!("written back it is {back:016x}")) }
}

/// rfc3550-6.4.1-4
fn rtt(case: &Value) -> Result<(), String> {
    let field = |name| u32::from_str_radix(text(case, name), 16).unwrap();
    let (arrival, lsr, dlsr) = (field("arrival"), field("lsr"), field("dlsr"));
    same("ticks", &reception::round_trip_ticks(arrival, lsr, dlsr), &field("rtt"))?;
    let block = ReportBlock {
        ssrc: Ssrc(1),
        fraction_lost: 0,
        cumulative_lost: 0,
        highest_sequence: 0,
        jitter: 0,
        lsr,
        dlsr,
    };
    let trip = round_trip(NtpTime(u64::from(arrival) << 16), &block).ok_or("no round trip")?;
    let expected = case["rtt_seconds"].as_f64().unwrap();
    let apart = (trip.as_secs_f64() - expected).abs();
    if apart < 2e-6 { Ok(()) } else { Err(format!("{trip:?}, not {expected} s")) }
}

/// rfc3550-6.4.1-1
fn rtp_from_ntp(case: &Value) -> Result<(), String> {
    let time = |name| NtpTime(u64::from_str_radix(text(case, name), 16).unwrap());
    let timestamp = RtpTimestamp(word(&case["sr_rtp"]));
    let info = SenderInfo { ntp: time("sr_ntp"), timestamp, packets: 0, octets: 0 };
    let found = info.timestamp_at(time("ntp"), word(&case["clock_rate"]));
    same("timestamp", &json!(found.0), &case["rtp"])
}

/// rfc6716-3.1-1
fn opus_toc(case: &Value) -> Result<(), String> {
    let toc = Toc(number::<u8>(case, "toc"));
    let mode = match toc.mode() {
        Mode::Silk => "SILK",
        Mode::Hybrid => "Hybrid",
        Mode::Celt => "CELT",
    };
    let bandwidth = match toc.bandwidth() {
        Bandwidth::Narrow => "NB",
        Bandwidth::Medium => "MB",
        Bandwidth::Wide => "WB",
        Bandwidth::SuperWide => "SWB",
        Bandwidth::Full => "FB",
    };
    for (name, found) in [
        ("config", json!(toc.config())),
        ("mode", json!(mode)),
        ("bandwidth", json!(bandwidth)),
        ("frame_us", json!(toc.frame_us())),
        ("stereo", json!(toc.stereo())),
        ("code", json!(toc.code())),
    ] {
        same(name, &found, &case[name])?;
    }
    Ok(())
}

/// rfc6716-3.4-1, rfc6716-3.4-2, rfc6716-3.4-3
fn opus_packet(case: &Value) -> Result<(), String> {
    let wire = hex(text(case, "packet"));
    match verdict(case, OpusPacket::parse(&wire))? {
        Some(opus) => {
            let sizes: Vec<_> = opus.frame_sizes().collect();
            same("frame sizes", &json!(sizes), &case["frame_sizes"])
        }
        None => Ok(()),
    }
}

/// rfc2198-3-1
fn red(case: &Value) -> Result<(), String> {
    let wire = hex(text(case, "payload"));
    let Some(blocks) = verdict(case, RedBlocks::parse(&wire))? else { return Ok(()) };
    let fields: Vec<_> = blocks
        .map(|block| {
            json!({
                "payload_type": block.payload_type, "timestamp_offset": block.timestamp_offset,
                "data": to_hex(block.payload),
            })
        })
        .collect();
    same("blocks", &Value::from(fields), &case["blocks"])
}

fn telephone_event(case: &Value) -> Result<(), String> {
    let wire = hex(text(case, "payload"));
    let event = TelephoneEvent::parse(&wire).map_err(|error| error.to_string())?;
    let fields = json!({
        "event": event.event, "end": event.end, "reserved": u8::from(event.reserved),
        "volume": event.volume, "duration": event.duration,
    });
    same("event", &fields, &case["expect"])?;
    same("written back", &event.to_bytes()[..], &wire[..4])
}

/// `Some` if the case should be taken and was, `None` if it should be refused and was.
fn verdict<T, E: std::fmt::Display>(case: &Value, read: Result<T, E>) -> Result<Option<T>, String> {
    match (case["verdict"].as_str(), read) {
        (Some("accept") | None, Ok(read)) => Ok(Some(read)),
        (Some("accept") | None, Err(error)) => Err(format!("refused: {error}")),
        (Some(_), Err(_)) => Ok(None),
        (Some(verdict), Ok(_)) => Err(format!("taken, but it is to {verdict}")),
    }
}

fn word(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}
