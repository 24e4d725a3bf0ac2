//! What we accept of an offer, and what was accepted of ours (RFC 3264 section 6, RFC 9429 section 5.3).
//!
//! One section is taken: the first audio that works. All others are answered where they stand, with port
//! 0, and are not in the bundle; so ours is the bundle's tagged section, and its own transport attributes
//! are the ones that count (RFC 8843 section 7.3). Only a `bundle-only` section, whose own ones don't count, uses
//! those of the first section of its bundle that has a port.
//!
//! ```text
//! offered   sendrecv sendonly recvonly inactive      actpass  active   passive
//! answered  sendrecv recvonly sendonly inactive      active   passive  active
//! ```
//! Nothing is changed here: a refusal leaves the call as it was. Read next: `answer/write.rs`.

mod write;

pub use write::write;

use super::agreement::{
    Agreed, AgreedCodec, AgreedTelephoneEvent, BundlePolicy, Capabilities, DtlsRole, ExtensionIds,
    Obstacle, PACKET_LENGTHS, Preference, Refusal, Remote,
};
use super::codec::{Codec, OpusParameters};
use super::local;
use super::section::Section;
use super::session::Description;
use super::value::{Direction, Fingerprint, Setup};

/// Finds the audio section that we take, and what we make of it.
///
/// # Errors
/// When there is none; the reason is that of the first audio section.
pub fn choose(offer: &Description, capabilities: &Capabilities) -> Result<Agreed, Refusal> {
    let mut refusal = Refusal::NoAudio;
    for section in offer.sections().filter(|section| section.media.kind == "audio") {
        match accept(offer, section, capabilities) {
            Ok(agreed) => return Ok(agreed),
            Err(why) if refusal == Refusal::NoAudio => {
                refusal = Refusal::Unusable { section: section.index, why };
            }
            Err(_) => {}
        }
    }
    Err(refusal)
}

/// Reads the answer to our offer.
///
/// # Errors
/// When it answers another offer than ours, or leaves us no audio.
pub fn read(
    offer: &Description,
    answer: &Description,
    capabilities: &Capabilities,
) -> Result<Agreed, Refusal> {
    let (offered, answered) = (offer.media.len(), answer.media.len());
    if offered != answered {
        return Err(Refusal::SectionCount { offered, answered });
    }
    for (section, (ours, theirs)) in offer.media.iter().zip(&answer.media).enumerate() {
        let renamed = theirs.mid().is_some_and(|mid| ours.mid() != Some(mid));
        if ours.kind != theirs.kind || ours.protocol != theirs.protocol || renamed {
            return Err(Refusal::OtherSection { section });
        }
    }
    let mut pairs = offer.sections().zip(answer.sections());
    let live = pairs.find(|(ours, _)| ours.media.port != 0).ok_or(Refusal::NoAudio)?;
    let section = live.0.index;
    accept_answer(answer, live, capabilities).map_err(|why| Refusal::Unusable { section, why })
}

fn accept(
    offer: &Description,
    section: Section<'_>,
    capabilities: &Capabilities,
) -> Result<Agreed, Obstacle> {
    if !is_live(offer, section) {
        return Err(Obstacle::PortZero);
    }
    check_protocol(section)?;
    check_bundle_policy(offer, section, capabilities.bundle_policy)?;
    let mut codecs = common_codecs(section, section, capabilities);
    if capabilities.preference == Preference::Ours {
        let rank = |codec: Codec| capabilities.codecs.iter().position(|ours| *ours == codec);
        codecs.sort_by_key(|agreed| rank(agreed.codec));
    }
    let transport = transport_of(offer, section);
    check_rtcp_mux(section, transport)?;
    let dtls_role = match (transport.setup(), capabilities.dtls_role) {
        (Some(Setup::ActPass), running) => running.unwrap_or(DtlsRole::Client),
        // An offer that says nothing is active (RFC 4145 section 4.1).
        (None | Some(Setup::Active), None | Some(DtlsRole::Server)) => DtlsRole::Server,
        (Some(Setup::Passive), None | Some(DtlsRole::Client)) => DtlsRole::Client,
        (Some(Setup::HoldConn), _) => return Err(Obstacle::Setup),
        _ => return Err(Obstacle::RoleChanged),
    };
    let direction = section.direction().reversed().intersection(capabilities.direction);
    let both = Both { ours: section, theirs: section, transport, codecs, direction, dtls_role };
    both.agree(capabilities)
}

fn accept_answer(
    answer: &Description,
    (ours, theirs): (Section<'_>, Section<'_>),
    capabilities: &Capabilities,
) -> Result<Agreed, Obstacle> {
    if theirs.media.port == 0 {
        return Err(Obstacle::PortZero);
    }
    let codecs = common_codecs(ours, theirs, capabilities);
    let transport = transport_of(answer, theirs);
    check_rtcp_mux(theirs, transport)?;
    let dtls_role = match (transport.setup(), capabilities.dtls_role) {
        (Some(Setup::Active), None | Some(DtlsRole::Server)) => DtlsRole::Server,
        // An answer that says nothing is passive (RFC 4145 section 4.1).
        (None | Some(Setup::Passive), None | Some(DtlsRole::Client)) => DtlsRole::Client,
        (Some(Setup::ActPass | Setup::HoldConn), _) => return Err(Obstacle::Setup),
        _ => return Err(Obstacle::RoleChanged),
    };
    let direction = theirs.direction().reversed().intersection(ours.direction());
    Both { ours, theirs, transport, codecs, direction, dtls_role }.agree(capabilities)
}

/// A section from both sides (for an answerer, who has said nothing yet, twice the offered one), and what
/// was settled about it.
struct Both<'a> {
    ours: Section<'a>,
    theirs: Section<'a>,
    transport: Section<'a>,
    codecs: Vec<AgreedCodec>,
    direction: Direction,
    dtls_role: DtlsRole,
}

impl Both<'_> {
    fn agree(self, capabilities: &Capabilities) -> Result<Agreed, Obstacle> {
        let Self { ours, theirs, transport, codecs, direction, dtls_role } = self;
        if codecs.is_empty() {
            return Err(Obstacle::NoCodec);
        }
        let remote = remote(theirs, transport)?;
        let wishes = codecs.first().map(|codec| codec.wishes).unwrap_or_default();
        let has_rsize = |section: Section<'_>| section.has_rtcp_rsize();
        Ok(Agreed {
            section: theirs.index,
            mid: theirs.mid().or(ours.mid()).map(str::to_owned),
            telephone_events: telephone_events(ours, theirs, &codecs, capabilities),
            codecs,
            direction,
            extensions: extensions(ours, theirs, capabilities),
            rtcp_rsize: has_rsize(ours) && (has_rsize(theirs) || has_rsize(transport)),
            dtls_role,
            ptime: ptime(&remote, wishes, capabilities.ptime),
            remote,
        })
    }
}

/// A section of port 0 lives if it is `bundle-only` and bundled with one that has a port (RFC 8843 section 7.2).
fn is_live(description: &Description, section: Section<'_>) -> bool {
    section.media.port != 0
        || section.is_bundle_only() && transport_of(description, section).media.port != 0
}

fn check_protocol(section: Section<'_>) -> Result<(), Obstacle> {
    let protocol = section.media.protocol.as_str();
    let known = ["UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVP", "RTP/SAVP"];
    if known.contains(&protocol.strip_suffix('F').unwrap_or(protocol)) {
        return Ok(());
    }
    Err(Obstacle::Protocol(protocol.to_owned()))
}

fn check_bundle_policy(
    offer: &Description,
    section: Section<'_>,
    policy: BundlePolicy,
) -> Result<(), Obstacle> {
    let mut live = offer.sections().filter(|other| other.media.port != 0);
    let first = match policy {
        BundlePolicy::MaxCompat => return Ok(()),
        BundlePolicy::Balanced => live.find(|other| other.media.kind == section.media.kind),
        BundlePolicy::MaxBundle => live.next(),
    };
    let bundle = offer.bundle_of(section.mid());
    let shares = |first: Section<'_>| {
        first.index == section.index || bundle.is_some() && bundle == offer.bundle_of(first.mid())
    };
    first.is_none_or(shares).then_some(()).ok_or(Obstacle::NotBundled)
}

/// The section whose ICE and DTLS attributes count for `section`.
fn transport_of<'a>(description: &'a Description, section: Section<'a>) -> Section<'a> {
    // What a section without a port says of ICE, as Firefox writes it into all, is not its own.
    if section.media.port != 0 && section.ice_ufrag().is_some() {
        return section;
    }
    let bundle = description.bundle_of(section.mid());
    let mids = bundle.into_iter().flat_map(|group| &group.mids);
    let named = |mid: &String| description.sections().find(|other| other.mid() == Some(mid));
    let mut members = mids.filter_map(named);
    members.find(|other| other.media.port != 0 && other.ice_ufrag().is_some()).unwrap_or(section)
}

/// A bundle can't be without (RFC 8843 section 9.3), so one that lends its transport needn't say it.
fn check_rtcp_mux(section: Section<'_>, transport: Section<'_>) -> Result<(), Obstacle> {
    let lent = section.index != transport.index;
    (lent || section.has_rtcp_mux()).then_some(()).ok_or(Obstacle::NoRtcpMux)
}

/// Codecs of both, in their order; each but once.
fn common_codecs(
    ours: Section<'_>,
    theirs: Section<'_>,
    capabilities: &Capabilities,
) -> Vec<AgreedCodec> {
    let mut common: Vec<AgreedCodec> = Vec::new();
    for send_payload_type in theirs.payload_types().filter(is_usable) {
        let Some(codec) = theirs.codec(send_payload_type) else { continue };
        let known = common.iter().any(|agreed| agreed.codec == codec);
        let Some(receive_payload_type) =
            ours.payload_types().find(|ours_type| ours.codec(*ours_type) == Some(codec))
        else {
            continue;
        };
        if known || !capabilities.codecs.contains(&codec) {
            continue;
        }
        let asked = |feedback: &&String| {
            theirs.feedback(send_payload_type).any(|theirs| theirs == feedback.as_str())
        };
        common.push(AgreedCodec {
            codec,
            send_payload_type,
            receive_payload_type,
            wishes: theirs.opus_parameters(send_payload_type),
            feedback: capabilities.feedback.iter().filter(asked).cloned().collect(),
        });
    }
    common
}

/// With the marker bit of RTP these would look like RTCP (RFC 5761 section 4).
fn is_usable(payload_type: &u8) -> bool {
    !matches!(payload_type, 64..=95)
}

/// Those of the clock rates in use.
fn telephone_events(
    ours: Section<'_>,
    theirs: Section<'_>,
    codecs: &[AgreedCodec],
    capabilities: &Capabilities,
) -> Vec<AgreedTelephoneEvent> {
    let clock_rate = |section: Section<'_>, payload_type: u8| {
        let map = section.rtp_map(payload_type)?;
        map.name.eq_ignore_ascii_case(local::TELEPHONE_EVENT).then_some(map.clock_rate)
    };
    let event = |send_payload_type| {
        let rate = clock_rate(theirs, send_payload_type)?;
        let of_rate = |ours_type: &u8| clock_rate(ours, *ours_type) == Some(rate);
        let receive_payload_type = ours.payload_types().find(of_rate)?;
        let in_use = codecs.iter().any(|agreed| agreed.codec.clock_rate() == rate);
        (in_use && capabilities.telephone_event).then_some(AgreedTelephoneEvent {
            send_payload_type,
            receive_payload_type,
            clock_rate: rate,
        })
    };
    theirs.payload_types().filter(is_usable).filter_map(event).collect()
}

/// Extensions of both under one number, which no other has; 15 and above don't fit the one-byte form that we
/// write.
fn extensions(ours: Section<'_>, theirs: Section<'_>, capabilities: &Capabilities) -> ExtensionIds {
    let mut ids = ExtensionIds::default();
    let mut taken = Vec::new();
    for extension in capabilities.extensions.iter().copied() {
        let number = |section: Section<'_>| {
            let map = section.ext_maps().find(|map| map.is(extension))?;
            let both_ways = matches!(map.direction, None | Some(Direction::SendRecv));
            u8::try_from(map.id).ok().filter(|id| *id <= 14 && both_ways)
        };
        let common = number(theirs).filter(|id| number(ours) == Some(*id) && !taken.contains(id));
        if let Some(id) = common {
            ids.set(extension, id);
            taken.push(id);
        }
    }
    ids
}

/// What they told about themselves.
fn remote(section: Section<'_>, transport: Section<'_>) -> Result<Remote, Obstacle> {
    let (ice_ufrag, ice_pwd) =
        transport.ice_ufrag().zip(transport.ice_pwd()).ok_or(Obstacle::NoIce)?;
    let fingerprints = fingerprints(transport)?;
    let (ssrc, cname) = section.source().unzip();
    Ok(Remote {
        direction: section.direction(),
        ice_ufrag: ice_ufrag.to_owned(),
        ice_pwd: ice_pwd.to_owned(),
        ice_lite: transport.is_ice_lite(),
        ice_options: transport.ice_options().map(str::to_owned).collect(),
        candidates: transport
            .candidates()
            .filter(|c| c.component == 1)
            .take(MAX_CANDIDATES)
            .cloned()
            .collect(),
        end_of_candidates: transport.has_end_of_candidates(),
        fingerprints,
        ssrc,
        cname: cname.flatten().map(str::to_owned),
        msid: section.msid().cloned(),
        ptime: section.ptime(),
        max_ptime: section.max_ptime(),
        bandwidth: section.bandwidth(),
    })
}

/// Most candidates taken from one description.
pub const MAX_CANDIDATES: usize = 64;

/// SHA-1 and MD5 can be forged, so they count as none (RFC 8122 section 5).
fn fingerprints(transport: Section<'_>) -> Result<Vec<Fingerprint>, Obstacle> {
    let strong = |found: &&Fingerprint| {
        let names = ["sha-256", "sha-384", "sha-512"];
        names.iter().any(|name| found.algorithm.eq_ignore_ascii_case(name))
    };
    if transport.fingerprints().next().is_none() {
        return Err(Obstacle::NoFingerprint);
    }
    let found: Vec<_> = transport.fingerprints().filter(strong).cloned().collect();
    if found.is_empty() { Err(Obstacle::WeakFingerprint) } else { Ok(found) }
}

/// Their wish if they have one, else ours, as far as we can make such packets and they take them.
fn ptime(remote: &Remote, wishes: OpusParameters, ours: u32) -> u32 {
    let longest = remote.max_ptime.unwrap_or(u32::MAX);
    let wish = remote.ptime.unwrap_or(ours).max(wishes.min_ptime.unwrap_or(0)).min(longest);
    let mut lengths = PACKET_LENGTHS.into_iter().rev();
    lengths.find(|length| *length <= wish).unwrap_or(10)
}
