//! What we offer (RFC 9429 section 5.2).
//!
//! A first offer has one section, audio. A later one keeps every section of the description before it
//! in its place, with its name, payload types and extension numbers; what isn't ours stays refused
//! there (RFC 3264 section 8). From the moment the offer leaves we take packets in any format of it
//! (section 5.1).
//!
//! Read next: `answer.rs`.

use super::agreement::{Capabilities, ExtensionIds, HeaderExtension};
use super::attribute::Attribute;
use super::codec::{Codec, RtpMap};
use super::local::{self, Format, Parameters};
use super::section::Section;
use super::session::{Description, Media};
use super::value::Setup;

/// Writes an offer.
pub fn write(parameters: &Parameters<'_>) -> Description {
    let Parameters { local, capabilities, previous } = parameters;
    let before: &[Media] = previous.map_or(&[], |previous| previous.media.as_slice());
    let live = before.iter().position(|media| media.port != 0);
    let section = previous.zip(live).and_then(|(previous, live)| previous.sections().nth(live));
    let mid =
        section.and_then(|section| section.mid()).map_or_else(|| unused_mid(before), str::to_owned);

    let options: Vec<_> = capabilities.ice_options.iter().map(String::as_str).collect();
    let mut offer = local.head(Some(&mid), &options);
    let audio = audio_section(parameters, section, mid);
    // Where nothing is live the first place is used again, under a new name (RFC 3264 section 8.2).
    let place = live.unwrap_or(0);
    offer.media = before.iter().map(local::refused).collect();
    match offer.media.get_mut(place) {
        Some(media) => *media = audio,
        None => offer.media.push(audio),
    }
    offer
}

fn audio_section(parameters: &Parameters<'_>, before: Option<Section<'_>>, mid: String) -> Media {
    let Parameters { local, capabilities, .. } = parameters;
    let formats = formats(capabilities, before);
    let extensions = extension_ids(capabilities, before);
    let named_before = before.is_some_and(|section| section.msid().is_some());
    // Both ends must go on as they began (RFC 9429 section 5.2.2).
    let rtcp_rsize = before.is_none_or(|section| section.has_rtcp_rsize());

    let protocol = before.map_or("UDP/TLS/RTP/SAVPF", |section| &section.media.protocol);
    let mut media = local.section(protocol, &formats);
    let lines = &mut media.attributes;
    lines.push(Attribute::Mid(mid));
    lines.extend(local.source_lines(capabilities.direction, named_before));
    lines.push(Attribute::RtcpMux);
    lines.extend(before.is_none().then_some(Attribute::RtcpMuxOnly));
    lines.extend(rtcp_rsize.then_some(Attribute::RtcpRsize));
    lines.extend(local::format_lines(formats));
    lines.push(Attribute::Ptime(capabilities.ptime));
    lines.push(Attribute::MaxPtime(capabilities.max_ptime));
    lines.extend(local::extension_lines(capabilities, &extensions));
    lines.extend(local.transport_lines(Setup::ActPass));
    media
}

/// Our codecs in our order, then telephone events of their clock rates; numbers as they were.
fn formats(capabilities: &Capabilities, before: Option<Section<'_>>) -> Vec<Format> {
    let mut maps: Vec<RtpMap> = capabilities.codecs.iter().map(|codec| codec.rtp_map()).collect();
    if capabilities.telephone_event {
        for (payload_type, clock_rate) in [(110, 48_000), (126, 8_000)] {
            if capabilities.codecs.iter().any(|codec| codec.clock_rate() == clock_rate) {
                maps.push(local::telephone_event_map(payload_type, clock_rate));
            }
        }
    }
    let known: Vec<_> = before.into_iter().flat_map(known_maps).collect();
    let mut used: Vec<_> = known.iter().map(|map| map.payload_type).collect();
    for map in &mut maps {
        let same = |other: &&RtpMap| {
            other.name.eq_ignore_ascii_case(&map.name) && other.clock_rate == map.clock_rate
        };
        if let Some(known) = known.iter().find(same) {
            map.payload_type = known.payload_type;
        } else {
            if used.contains(&map.payload_type) {
                let free = (96..=127).find(|number| !used.contains(number));
                map.payload_type = free.unwrap_or(map.payload_type);
            }
            used.push(map.payload_type);
        }
    }
    maps.into_iter().map(|map| format(capabilities, map)).collect()
}

/// What the payload types of a section mean, fixed ones without a line included.
fn known_maps(section: Section<'_>) -> Vec<RtpMap> {
    let map = |payload_type| {
        let fixed = || Codec::of_fixed(payload_type).map(Codec::rtp_map);
        section.rtp_map(payload_type).cloned().or_else(fixed)
    };
    section.payload_types().filter_map(map).collect()
}

fn format(capabilities: &Capabilities, map: RtpMap) -> Format {
    match Codec::of(&map) {
        Some(codec) => {
            let opus = (codec == Codec::Opus).then(|| capabilities.opus.to_string());
            let (fmtp, feedback) = (opus.unwrap_or_default(), capabilities.feedback.clone());
            Format { map, fmtp, feedback }
        }
        None => Format { map, fmtp: local::TELEPHONE_EVENTS.to_owned(), feedback: Vec::new() },
    }
}

/// The numbers of before, and unused ones for what is new.
fn extension_ids(capabilities: &Capabilities, before: Option<Section<'_>>) -> ExtensionIds {
    let known = |extension: HeaderExtension| {
        let section = before?;
        let map = section.ext_maps().find(|map| map.is(extension))?;
        u8::try_from(map.id).ok()
    };
    let mut used: Vec<u8> = capabilities.extensions.iter().copied().filter_map(known).collect();
    let mut ids = ExtensionIds::default();
    for extension in capabilities.extensions.iter().copied() {
        let id = known(extension).or_else(|| (1..=14).find(|id| !used.contains(id)));
        if let Some(id) = id {
            used.push(id);
            ids.set(extension, id);
        }
    }
    ids
}

/// `0`, or the next number that no section had.
fn unused_mid(media: &[Media]) -> String {
    let taken = |mid: &String| media.iter().any(|media| media.mid() == Some(mid));
    (0_u32..).map(|number| number.to_string()).find(|mid| !taken(mid)).unwrap_or_default()
}
