//! STUN vectors: whole messages, keys, types, and when a request is repeated.

use std::time::Duration;

use halloo::stun::attribute::types;
use halloo::stun::header::{class_and_method, message_type};
use halloo::stun::transaction::{Event, Input, Output, Request, Timing};
use halloo::stun::{
    Attribute, Class, IntegrityKey, Message, MessageWriter, Method, PasswordAlgorithm,
    TransactionId, credential, integrity,
};
use halloo::time::Instant;
use serde_json::{Value, json};

use super::case::{hex, same, text, to_hex};

/// `None` if the kind is not one of ours.
pub fn check(kind: &str, case: &Value) -> Option<Result<(), String>> {
    Some(match kind {
        "stun" => message(case),
        "stun-key" => key(case),
        "stun-type" => type_both_ways(case),
        "stun-retransmit" => retransmit(case),
        "userhash" => userhash(case),
        "crc32" => crc32(case),
        "hmac" => hmac(case),
        _ => return None,
    })
}

fn message(case: &Value) -> Result<(), String> {
    let bytes = hex(text(case, "message"));
    let key = key_bytes(case).map(|key| IntegrityKey::new(&key));
    let judged = judge(&bytes, key.as_ref());
    match (case["verdict"].as_str(), judged) {
        (Some("accept"), Ok(message)) => {
            let expect = &case["expect"];
            same("class", &json!(class_name(message.class())), &expect["class"])?;
            same("method", &json!(message.method().number()), &expect["method"])?;
            same("id", &json!(to_hex(&message.id().0)), &expect["transaction_id"])?;
            let (attributes, expected): (Vec<_>, _) =
                (message.every_attribute().collect(), list(expect, "attributes"));
            same("attribute count", &json!(attributes.len()), &json!(expected.len()))?;
            for (attribute, expected) in attributes.iter().zip(expected) {
                compare_attribute(attribute, message.id(), expected)?;
            }
            effects(&message, case)?;
            written_back(&message, key.as_ref())
        }
        (Some("accept"), Err((stage, why))) => Err(format!("refused at {stage}: {why}")),
        (_, Ok(_)) => Err("accepted".to_owned()),
        // Whoever drops a datagram needs no stage; but what authentication has to catch must get there.
        (_, Err((stage, why))) => {
            let expected = text(case, "stage");
            let framing = |stage| matches!(stage, "parse" | "attribute");
            (stage == expected || framing(stage) && framing(expected))
                .then_some(())
                .ok_or_else(|| format!("refused at {stage} ({why}), not at {expected}"))
        }
    }
}

/// Reads and proves; else the stage that refused.
fn judge<'a>(
    bytes: &'a [u8],
    key: Option<&IntegrityKey>,
) -> Result<Message<'a>, (&'static str, String)> {
    let message = Message::parse(bytes).map_err(|error| ("parse", error.to_string()))?;
    let has_fingerprint =
        message.attributes().any(|attribute| matches!(attribute, Attribute::Fingerprint(_)));
    if has_fingerprint {
        message.verify_fingerprint().map_err(|error| ("fingerprint", error.to_string()))?;
    }
    if let Some(key) = key {
        let proof = message.verify_integrity_cut(key, 16);
        proof.map_err(|error| ("integrity", error.to_string()))?;
    }
    Ok(message)
}

fn compare_attribute(
    attribute: &Attribute<'_>,
    id: TransactionId,
    expected: &Value,
) -> Result<(), String> {
    let mut value = Vec::new();
    attribute.write(&mut value, id);
    same("type", &json!(attribute.number()), &expected["type"])?;
    if expected["name"] != "unknown" {
        same("name", &json!(attribute.name()), &expected["name"])?;
    }
    same("length", &json!(value.len()), &expected["length"])?;
    if !has_reserved_bits(attribute) {
        same("value", &json!(to_hex(&value)), &expected["value"])?;
    }
    for (member, decoded) in decoded(attribute) {
        if expected.get(member).is_some() {
            same(&format!("{member} of {}", attribute.name()), &decoded, &expected[member])?;
        }
    }
    for member in ["text", "number", "address", "code", "types"] {
        if expected.get(member).is_some() && !decoded(attribute).iter().any(|(m, _)| *m == member) {
            return Err(format!("{} has no {member}", attribute.name()));
        }
    }
    Ok(())
}

/// Attributes with bits that receivers ignore: those come back as zeros.
fn has_reserved_bits(attribute: &Attribute<'_>) -> bool {
    matches!(
        attribute,
        Attribute::ErrorCode(_)
            | Attribute::ChannelNumber(_)
            | Attribute::RequestedTransport(_)
            | Attribute::RequestedAddressFamily(_)
            | Attribute::AdditionalAddressFamily(_)
            | Attribute::MappedAddress(_)
            | Attribute::XorMappedAddress(_)
            | Attribute::XorPeerAddress(_)
            | Attribute::XorRelayedAddress(_)
            | Attribute::AlternateServer(_)
            | Attribute::ResponseOrigin(_)
            | Attribute::OtherAddress(_)
    )
}

/// What a value says, by the members of the files.
fn decoded(attribute: &Attribute<'_>) -> Vec<(&'static str, Value)> {
    match *attribute {
        Attribute::Username(s)
        | Attribute::Realm(s)
        | Attribute::Nonce(s)
        | Attribute::Software(s) => vec![("text", json!(s))],
        Attribute::Priority(n) | Attribute::Fingerprint(n) | Attribute::Lifetime(n) => {
            vec![("number", json!(n))]
        }
        Attribute::IceControlled(n) | Attribute::IceControlling(n) => vec![("number", json!(n))],
        Attribute::ErrorCode(e) => vec![("code", json!(e.code)), ("text", json!(e.reason))],
        Attribute::UnknownAttributes(list) => {
            vec![("types", json!(list.iter().collect::<Vec<_>>()))]
        }
        Attribute::MappedAddress(address)
        | Attribute::AlternateServer(address)
        | Attribute::ResponseOrigin(address)
        | Attribute::OtherAddress(address) => vec![("address", json!(address.to_string()))],
        Attribute::XorMappedAddress(address)
        | Attribute::XorPeerAddress(address)
        | Attribute::XorRelayedAddress(address) => vec![("address", json!(address.0.to_string()))],
        _ => vec![],
    }
}

/// `ignored_types` (rfc8489-9-1) and `unknown_comprehension_required` (rfc8489-6.3.1-1).
fn effects(message: &Message<'_>, case: &Value) -> Result<(), String> {
    for ignored in list(case, "ignored_types") {
        if message.attributes().any(|attribute| json!(attribute.number()) == *ignored) {
            return Err(format!("{ignored} stands after the integrity, and has an effect"));
        }
    }
    let unknown: Vec<_> = message.unknown_required().collect();
    same("unknown", &json!(unknown), &json!(list(case, "unknown_comprehension_required")))
}

/// Write it attribute by attribute: the same bytes, padding and reserved bits aside.
fn written_back(message: &Message<'_>, key: Option<&IntegrityKey>) -> Result<(), String> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::new(&mut out, message.class(), message.method(), message.id());
    let mut zeroed = message.bytes().to_vec();
    let same_input = zero_what_is_ignored(&mut zeroed);
    for attribute in message.every_attribute() {
        writer = match (attribute, key) {
            // Over other padding the proofs differ, too.
            (Attribute::MessageIntegrity(_), Some(key)) if same_input => writer.integrity(key),
            (Attribute::MessageIntegritySha256(mac), Some(key)) if same_input => {
                writer.integrity_sha256_cut(key, mac.bytes().len())
            }
            (Attribute::Fingerprint(_), _) if same_input => writer.fingerprint(),
            _ => writer.attribute(attribute),
        };
    }
    let written = writer.finish();
    same("written back", &json!(to_hex(written)), &json!(to_hex(&zeroed)))
}

/// Zeroes padding and reserved bits; whether there was nothing to zero.
fn zero_what_is_ignored(bytes: &mut [u8]) -> bool {
    let before = bytes.to_vec();
    let mut at = 20;
    while at + 4 <= bytes.len() {
        let number = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        let value = at + 4;
        at = value + length.next_multiple_of(4);
        bytes[value + length..at].fill(0);
        match number {
            types::ERROR_CODE => {
                bytes[value..value + 2].fill(0);
                bytes[value + 2] &= 7;
            }
            types::CHANNEL_NUMBER => bytes[value + 2..value + 4].fill(0),
            types::REQUESTED_TRANSPORT
            | types::REQUESTED_ADDRESS_FAMILY
            | types::ADDITIONAL_ADDRESS_FAMILY => bytes[value + 1..value + 4].fill(0),
            types::MAPPED_ADDRESS
            | types::XOR_MAPPED_ADDRESS
            | types::XOR_PEER_ADDRESS
            | types::XOR_RELAYED_ADDRESS
            | types::ALTERNATE_SERVER
            | types::RESPONSE_ORIGIN
            | types::OTHER_ADDRESS => bytes[value] = 0,
            _ => {}
        }
    }
    before == bytes
}

/// The key of a case by its `auth` member.
fn key_bytes(case: &Value) -> Option<Vec<u8>> {
    let algorithm = match case["password_algorithm"].as_str() {
        Some("SHA-256") => PasswordAlgorithm::Sha256,
        _ => PasswordAlgorithm::Md5,
    };
    match case["auth"].as_str() {
        Some("short") => {
            Some(credential::opaque_string(text(case, "password")).as_bytes().to_vec())
        }
        Some("long") => credential::long_term_key(
            text(case, "username"),
            text(case, "realm"),
            text(case, "password"),
            algorithm,
        )
        .ok(),
        _ => None,
    }
}

fn key(case: &Value) -> Result<(), String> {
    let key = key_bytes(case).ok_or("no key")?;
    same("key", &json!(to_hex(&key)), &case["key"])
}

fn userhash(case: &Value) -> Result<(), String> {
    let hash = credential::userhash(text(case, "username"), text(case, "realm"));
    same("userhash", &json!(to_hex(&hash)), &case["userhash"])
}

fn crc32(case: &Value) -> Result<(), String> {
    let fingerprint = integrity::fingerprint(&hex(text(case, "data")));
    same("crc32", &json!(format!("{:08x}", fingerprint ^ 0x5354_554e)), &case["crc32"])?;
    if case.get("fingerprint").is_none() {
        return Ok(());
    }
    same("fingerprint", &json!(format!("{fingerprint:08x}")), &case["fingerprint"])
}

fn hmac(case: &Value) -> Result<(), String> {
    let (key, data) = (IntegrityKey::new(&hex(text(case, "key"))), hex(text(case, "data")));
    let mac = match text(case, "alg") {
        "sha1" => key.hmac_sha1(&data).to_vec(),
        "sha256" => key.hmac_sha256(&data).to_vec(),
        other => return Err(format!("no HMAC of ours: {other}")),
    };
    let expected = text(case, "mac");
    same("mac", &json!(to_hex(&mac).get(..expected.len())), &json!(expected))
}

fn type_both_ways(case: &Value) -> Result<(), String> {
    let number = case["type"].as_u64().and_then(|n| u16::try_from(n).ok()).ok_or("no type")?;
    let (class, method) = class_and_method(number);
    same("class", &json!(class_name(class)), &case["class"])?;
    same("method", &json!(method.number()), &case["method"])?;
    same("type", &json!(message_type(class, Method::new(method.number()).unwrap())), &json!(number))
}

fn retransmit(case: &Value) -> Result<(), String> {
    let count = |member: &str| u32::try_from(case[member].as_u64().unwrap()).unwrap();
    let timing = Timing {
        rto: Duration::from_millis(u64::from(count("rto_ms"))),
        sends: count("rc"),
        last_wait: count("rm"),
    };
    let mut request = Request::new(Instant::ZERO, TransactionId([1; 12]), vec![1], timing);
    let (mut now, mut sent) = (Instant::ZERO, Vec::new());
    loop {
        match request.poll_output() {
            Output::Transmit(_) => sent.push(now.since_start().as_millis()),
            Output::Timeout(Some(due)) => {
                now = due;
                request.handle_input(now, Input::Timer);
            }
            Output::Event(Event::GaveUp) => break,
            other => return Err(format!("{other:?}")),
        }
    }
    same(
        "send_at_ms",
        &json!(sent.iter().map(|ms| *ms as u64).collect::<Vec<_>>()),
        &case["send_at_ms"],
    )?;
    same("fail_at_ms", &json!(now.since_start().as_millis() as u64), &case["fail_at_ms"])
}

fn class_name(class: Class) -> &'static str {
    match class {
        Class::Request => "request",
        Class::Indication => "indication",
        Class::Success => "success",
        Class::Error => "error",
    }
}

fn list<'a>(case: &'a Value, member: &str) -> &'a [Value] {
    case[member].as_array().map_or(&[], Vec::as_slice)
}
