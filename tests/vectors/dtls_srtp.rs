//! Vectors of the layer `dtls_srtp`: `srtp*`, `srtcp*`, `aes-ctr-keystream`, `cert-fingerprint`, `dtls-srtp-export`.

use halloo::dtls_srtp::certificate::{Fingerprint, FingerprintError};
use halloo::dtls_srtp::cm_hmac::AesCm;
use halloo::dtls_srtp::derive::{Label, SessionKey, derive};
use halloo::dtls_srtp::srtcp::{RtcpIndex, Secrecy, Srtcp};
use halloo::dtls_srtp::srtp::Srtp;
use halloo::dtls_srtp::{Inbound, MasterKeys, Role, SrtpError, SrtpProfile};
use halloo::rtp::Ssrc;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Sha256, Sha384};

use super::case::{self, hex, number, to_hex};

/// Whether the case holds; `None` if another layer reads this kind.
pub fn check(kind: &str, case: &Value) -> Option<Result<(), String>> {
    Some(match kind {
        "aes-ctr-keystream" => key_stream(case),
        "cert-fingerprint" => fingerprints(case),
        "dtls-srtp-export" => export(case),
        "srtp-kdf" => derivation(case),
        "srtp" => rtp_packet(case),
        "srtcp" => rtcp_packet(case),
        "srtp-sequence" => rtp_sequence(case),
        "srtcp-sequence" => rtcp_sequence(case),
        _ => return None,
    })
}

/// Room behind a packet for the longest tag and index.
const ROOM: usize = 20;

/// rfc3711-4.1.1-1
fn key_stream(case: &Value) -> Result<(), String> {
    let iv = bytes(case, "iv")?.try_into().map_err(|_| "an iv has 16 bytes")?;
    let offset = case["block_offset"].as_u64().unwrap_or(0);
    let expected = bytes(case, "keystream")?;
    let mut cipher = AesCm::new(&bytes(case, "key")?).map_err(|e| e.to_string())?;
    let mut stream = vec![0; expected.len()];
    let start = u128::from_be_bytes(iv).wrapping_add(offset.into());
    cipher.key_stream(start, &mut stream).map_err(|e| e.to_string())?;
    same("key stream", &stream, &expected)
}

/// rfc8122-5-1, rfc8122-5-2
fn fingerprints(case: &Value) -> Result<(), String> {
    let der = bytes(case, "certificate_der")?;
    for (algorithm, value) in case["fingerprints"].as_object().ok_or("no fingerprints")? {
        let text = format!("{algorithm} {}", value.as_str().ok_or("not a text")?);
        match text.parse::<Fingerprint>() {
            Ok(read) => {
                let ours = Fingerprint::of(read.algorithm, &der);
                same("fingerprint", &ours.bytes, &read.bytes)?;
                if ours.to_string() != text {
                    return Err(format!("{text} is written as {ours}"));
                }
                if text.to_lowercase().parse() != Ok(read) {
                    return Err(format!("{text} in lower case is read as another"));
                }
            }
            Err(FingerprintError::Algorithm(name)) if ["sha-1", "md5", "md2"].contains(&&*name) => {
            }
            Err(error) => return Err(format!("{text}: {error}")),
        }
    }
    Ok(())
}

/// rfc5764-4.2-1, rfc5764-4.2-2
fn export(case: &Value) -> Result<(), String> {
    let exported = bytes(case, "keying_material")?;
    if !case["master_secret"].is_null() {
        let seed = [bytes(case, "client_random")?, bytes(case, "server_random")?].concat();
        let seed = [MasterKeys::LABEL.as_bytes(), &seed].concat();
        let secret = bytes(case, "master_secret")?;
        let stream = match case["prf_hash"].as_str().unwrap_or("sha256") {
            "sha256" => prf::<Hmac<Sha256>>(&secret, &seed, exported.len()),
            "sha384" => prf::<Hmac<Sha384>>(&secret, &seed, exported.len()),
            other => return Err(format!("no such hash: {other}")),
        };
        same("exporter", &stream, &exported)?;
    }
    let profile = profile(case)?;
    if exported.len() != MasterKeys::exported_length(profile) {
        return Err(format!("{} bytes would be exported", MasterKeys::exported_length(profile)));
    }
    for role in [Role::Client, Role::Server] {
        let keys = MasterKeys::split(profile, role, &exported).map_err(|e| e.to_string())?;
        let (client, server) = match role {
            Role::Client => (&keys.local, &keys.remote),
            Role::Server => (&keys.remote, &keys.local),
        };
        same("client key", &client.key, &bytes(case, "client_write_key")?)?;
        same("server key", &server.key, &bytes(case, "server_write_key")?)?;
        same("client salt", &client.salt, &bytes(case, "client_write_salt")?)?;
        same("server salt", &server.salt, &bytes(case, "server_write_salt")?)?;
    }
    Ok(())
}

/// P_hash of RFC 5246 section 5: what OpenSSL does inside, here only to show that the label is right.
fn prf<H: Mac + KeyInit>(secret: &[u8], seed: &[u8], length: usize) -> Vec<u8> {
    let mac = |parts: &[&[u8]]| {
        let mut mac = <H as KeyInit>::new_from_slice(secret).unwrap();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    };
    let (mut a, mut output) = (seed.to_vec(), Vec::new());
    while output.len() < length {
        a = mac(&[&a]);
        output.extend(mac(&[&a, seed]));
    }
    output.truncate(length);
    output
}

/// rfc3711-4.3-1
fn derivation(case: &Value) -> Result<(), String> {
    let expected = bytes(case, "output")?;
    let (key, salt) = (bytes(case, "master_key")?, bytes(case, "master_salt")?);
    let label = Label(number(case, "label"));
    let r = case["index_div_kdr"].as_u64().unwrap_or(0);
    let mut output = vec![0; expected.len()];
    derive(&key, &salt, label, r, &mut output).map_err(|e| e.to_string())?;
    same("derived", &output, &expected)
}

/// rfc3711-3.1-1, rfc3711-3.3-1, rfc3711-4.2-1, rfc3711-4.2.1-1, rfc7714-8.1-1, rfc7714-13.2-1
fn rtp_packet(case: &Value) -> Result<(), String> {
    let (profile, key) = session_key(case, SessionKey::rtp)?;
    let roc = number(case, "roc");
    let mut srtp = Srtp::new(profile, &key).map_err(|e| e.to_string())?;
    let (plain, protected) = (bytes(case, "plain")?, bytes(case, "protected")?);
    seal_rtp(&mut srtp, roc, &plain, &protected)?;
    let mut packet = protected;
    let length = srtp.unprotect(roc, &mut packet).map_err(|e| e.to_string())?;
    same("plain", &packet[..length], &plain)
}

fn seal_rtp(srtp: &mut Srtp, roc: u32, plain: &[u8], protected: &[u8]) -> Result<(), String> {
    let mut buffer = [plain, &[0xee; ROOM]].concat();
    let length = srtp.protect(roc, &mut buffer, plain.len()).map_err(|e| e.to_string())?;
    same("protected", &buffer[..length], protected)?;
    same("what lies behind", &buffer[length..], &[0xee; ROOM][..plain.len() + ROOM - length])
}

/// rfc3711-3.4-1, rfc3711-4.1.1-1, rfc3711-4.2-1, rfc7714-9.3-1
fn rtcp_packet(case: &Value) -> Result<(), String> {
    let (profile, key) = session_key(case, SessionKey::rtcp)?;
    let secrecy = match case["encrypted"].as_bool() {
        Some(false) => Secrecy::AuthenticatedOnly,
        _ => Secrecy::Encrypted,
    };
    let mut srtcp = Srtcp::new(profile, &key).map_err(|e| e.to_string())?;
    let (plain, protected) = (bytes(case, "plain")?, bytes(case, "protected")?);
    seal_rtcp(&mut srtcp, number(case, "index"), secrecy, &plain, &protected)?;
    let mut packet = protected;
    let length = srtcp.unprotect(&mut packet).map_err(|e| e.to_string())?;
    same("plain", &packet[..length], &plain)
}

fn seal_rtcp(
    srtcp: &mut Srtcp,
    index: u64,
    secrecy: Secrecy,
    plain: &[u8],
    protected: &[u8],
) -> Result<(), String> {
    let index = u32::try_from(index).ok().and_then(RtcpIndex::new).ok_or("no RTCP index")?;
    let mut buffer = [plain, &[0xee; ROOM]].concat();
    let sealed = srtcp.protect(index, secrecy, &mut buffer, plain.len());
    same("protected", &buffer[..sealed.map_err(|e| e.to_string())?], protected)
}

/// rfc3711-3.3.1-1, rfc3711-3.3.1-2, rfc3711-3.3.1-3, rfc3711-3.3.2-1
fn rtp_sequence(case: &Value) -> Result<(), String> {
    let window = case["window"].as_u64().map_or(128, |window| u32::try_from(window).unwrap());
    let (mut inbound, profile) = inbound(case, window)?;
    let (_, key) = session_key(case, SessionKey::rtp)?;
    let mut sender = Srtp::new(profile, &key).map_err(|e| e.to_string())?;
    for (i, step) in steps(case)?.iter().enumerate() {
        let sealed = bytes(step, "packet")?;
        let ssrc = sealed.get(8..12).map(|ssrc| Ssrc(u32::from_be_bytes(ssrc.try_into().unwrap())));
        let before = ssrc.and_then(|ssrc| inbound.rollover_counter(ssrc));
        let mut packet = sealed.clone();
        let verdict = inbound.unprotect_rtp(&mut packet);
        let after = ssrc.and_then(|ssrc| inbound.rollover_counter(ssrc));
        expect_verdict(i, step, verdict, &packet)?;
        if verdict.is_ok() {
            let roc = u32::try_from(number::<u64>(step, "index") >> 16).unwrap();
            seal_rtp(&mut sender, roc, &bytes(step, "plain")?, &sealed)
                .map_err(|why| format!("step {i}, {why}"))?;
            if step["roc"].as_u64().is_some_and(|roc| after.map(u64::from) != Some(roc)) {
                return Err(format!("step {i}: counter {after:?}, not {}", step["roc"]));
            }
        } else if before != after {
            return Err(format!("step {i}: a reject moved the counter to {after:?}"));
        }
    }
    Ok(())
}

/// rfc3711-3.4-2
fn rtcp_sequence(case: &Value) -> Result<(), String> {
    let (mut inbound, profile) = inbound(case, 128)?;
    let (_, key) = session_key(case, SessionKey::rtcp)?;
    let mut sender = Srtcp::new(profile, &key).map_err(|e| e.to_string())?;
    for (i, step) in steps(case)?.iter().enumerate() {
        let sealed = bytes(step, "packet")?;
        let mut packet = sealed.clone();
        let verdict = inbound.unprotect_rtcp(&mut packet);
        expect_verdict(i, step, verdict, &packet)?;
        if verdict.is_ok() {
            let (index, plain) = (number(step, "index"), bytes(step, "plain")?);
            seal_rtcp(&mut sender, index, Secrecy::Encrypted, &plain, &sealed)
                .map_err(|why| format!("step {i}, {why}"))?;
        }
    }
    Ok(())
}

fn expect_verdict(
    i: usize,
    step: &Value,
    verdict: Result<usize, SrtpError>,
    packet: &[u8],
) -> Result<(), String> {
    let name = match verdict {
        Ok(length) => {
            same(&format!("step {i}: plain"), &packet[..length], &bytes(step, "plain")?)?;
            "ok"
        }
        Err(SrtpError::Replayed) => "replay",
        Err(SrtpError::AuthenticationFailed) => "auth-fail",
        Err(SrtpError::TooShort) => "too-short",
        Err(other) => return Err(format!("step {i}: {other}")),
    };
    if step["verdict"] == name {
        Ok(())
    } else {
        Err(format!("step {i}: {name}, not {}", step["verdict"]))
    }
}

fn inbound(case: &Value, window: u32) -> Result<(Inbound, SrtpProfile), String> {
    let (key, salt) = (bytes(case, "master_key")?, bytes(case, "master_salt")?);
    let profile = profile(case)?;
    let inbound = Inbound::with_window(profile, &key, &salt, window);
    Ok((inbound.map_err(|e| e.to_string())?, profile))
}

type Derive = fn(SrtpProfile, &[u8], &[u8]) -> Result<SessionKey, halloo::dtls_srtp::Error>;

/// From the master key, or given directly.
fn session_key(case: &Value, derive: Derive) -> Result<(SrtpProfile, SessionKey), String> {
    let profile = profile(case)?;
    if case["session_key"].is_null() {
        let key = derive(profile, &bytes(case, "master_key")?, &bytes(case, "master_salt")?);
        return Ok((profile, key.map_err(|e| e.to_string())?));
    }
    let authentication = case["session_auth"].as_str().map(hex).unwrap_or_default();
    let (encryption, salt) = (bytes(case, "session_key")?, bytes(case, "session_salt")?);
    Ok((profile, SessionKey { encryption, authentication, salt }))
}

fn profile(case: &Value) -> Result<SrtpProfile, String> {
    let name = case["profile"].as_str().ok_or("no profile")?;
    name.parse().map_err(|()| format!("no such profile: {name}"))
}

fn steps(case: &Value) -> Result<&Vec<Value>, String> {
    case["steps"].as_array().ok_or_else(|| "no steps".into())
}

fn bytes(case: &Value, field: &str) -> Result<Vec<u8>, String> {
    case[field].as_str().map(hex).ok_or_else(|| format!("no {field}"))
}

fn same(what: &str, computed: &[u8], expected: &[u8]) -> Result<(), String> {
    case::same(what, &to_hex(computed), &to_hex(expected))
}
