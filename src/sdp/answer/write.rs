//! Our answer as text: the section that was taken, the others refused where they stand.
//!
//! Comes from [`super::choose`]. Read next: `../local.rs`, the lines that offers and answers share.

use super::super::agreement::{Agreed, AgreedCodec, AgreedTelephoneEvent, Capabilities, DtlsRole};
use super::super::attribute::Attribute;
use super::super::codec::Codec;
use super::super::local::{self, Format, Parameters};
use super::super::section::Section;
use super::super::session::{Description, Media};
use super::super::value::Setup;

/// Writes our answer: `agreed` must come from [`super::choose`] of this offer.
pub fn write(offer: &Description, agreed: &Agreed, parameters: &Parameters<'_>) -> Description {
    let Parameters { local, capabilities, .. } = parameters;
    let options = capabilities.ice_options.iter().map(String::as_str);
    let options: Vec<_> = options.filter(|option| agreed.remote.has_ice_option(option)).collect();
    let bundle = agreed.mid.as_deref().filter(|mid| offer.bundle_of(Some(mid)).is_some());

    let mut answer = local.head(bundle, &options);
    for section in offer.sections() {
        answer.media.push(if section.index == agreed.section {
            audio_section(section, agreed, parameters)
        } else {
            local::refused(section.media)
        });
    }
    answer
}

fn audio_section(offered: Section<'_>, agreed: &Agreed, parameters: &Parameters<'_>) -> Media {
    let Parameters { local, capabilities, previous } = parameters;
    let formats = formats(offered, agreed, capabilities);
    let setup = match agreed.dtls_role {
        DtlsRole::Client => Setup::Active,
        DtlsRole::Server => Setup::Passive,
    };
    let before = previous.and_then(|previous| previous.sections().nth(agreed.section));
    let named_before = before.is_some_and(|section| section.msid().is_some());

    let mut media = local.section(&offered.media.protocol, &formats);
    let lines = &mut media.attributes;
    lines.extend(agreed.mid.clone().map(Attribute::Mid));
    lines.extend(local.source_lines(agreed.direction, named_before));
    lines.push(Attribute::RtcpMux);
    // RFC 8858 section 4.3 forbids this in answers, RFC 9725 section 4.4.1 asks both sides for it: it is
    // repeated to those who said it.
    lines.extend(offered.has_rtcp_mux_only().then_some(Attribute::RtcpMuxOnly));
    lines.extend(agreed.rtcp_rsize.then_some(Attribute::RtcpRsize));
    lines.extend(local::format_lines(formats));
    lines.push(Attribute::Ptime(agreed.ptime));
    lines.push(Attribute::MaxPtime(capabilities.max_ptime));
    lines.extend(local::extension_lines(capabilities, &agreed.extensions));
    lines.extend(local.transport_lines(setup));
    media
}

/// The agreed codecs and telephone events, spelt and numbered as the offer does.
fn formats(offered: Section<'_>, agreed: &Agreed, capabilities: &Capabilities) -> Vec<Format> {
    let codec = |agreed: &AgreedCodec| {
        let payload_type = agreed.receive_payload_type;
        let map = offered.rtp_map(payload_type).cloned();
        let map = map.unwrap_or_else(|| agreed.codec.rtp_map());
        // What we wish to hear, whatever they wish: neither depends on the other (RFC 7587 section 7.1).
        let wishes = || capabilities.opus.to_string();
        let fmtp = if agreed.codec == Codec::Opus { wishes() } else { String::new() };
        Format { map, fmtp, feedback: agreed.feedback.clone() }
    };
    let event = |event: &AgreedTelephoneEvent| Format {
        map: local::telephone_event_map(event.receive_payload_type, event.clock_rate),
        fmtp: local::TELEPHONE_EVENTS.to_owned(),
        feedback: Vec::new(),
    };
    let codecs = agreed.codecs.iter().map(codec);
    codecs.chain(agreed.telephone_events.iter().map(event)).collect()
}
