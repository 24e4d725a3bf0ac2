//! Asking a section for its attributes: its own first, then those of the session.
//!
//! Some attributes may stand in either place, and the section's win (RFC 8866 section 6.7; RFC 8122
//! section 5 for fingerprints; RFC 8839 section 5.4 for ICE). Firefox and libdatachannel put
//! fingerprints at the top, Chromium writes everything into each section.
//!
//! Read next: `answer.rs`, which asks.

use super::attribute::Attribute;
use super::candidate::Candidate;
use super::codec::{Codec, ExtMap, OpusParameters, RtcpFeedback, RtpMap};
use super::session::{Description, Media, TextLine};
use super::value::{Bandwidth, Direction, Fingerprint, Group, Msid, Setup};

/// A section as its session lets it look.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// Its place among the `m=` lines.
    pub index: usize,
    /// The section itself.
    pub media: &'a Media,
    session: &'a [Attribute],
    session_lines: &'a [TextLine],
}

impl Description {
    /// All sections, in order.
    pub fn sections(&self) -> impl Iterator<Item = Section<'_>> {
        let (session, session_lines) = (self.attributes.as_slice(), self.lines.as_slice());
        let sections = self.media.iter().enumerate();
        sections.map(move |(index, media)| Section { index, media, session, session_lines })
    }

    /// The groups of sections that share one transport (RFC 8843).
    pub fn bundles(&self) -> impl Iterator<Item = &Group> {
        self.attributes.iter().filter_map(|attribute| match attribute {
            Attribute::Group(group) if group.semantics == "BUNDLE" => Some(group),
            _ => None,
        })
    }

    /// The bundle that `mid` is in.
    pub fn bundle_of(&self, mid: Option<&str>) -> Option<&Group> {
        let mid = mid?;
        self.bundles().find(|group| group.mids.iter().any(|member| member == mid))
    }
}

/// The first of the section, else of the session.
macro_rules! find {
    ($section:expr, $pattern:pat => $value:expr) => {
        $section.media.attributes.iter().chain($section.session).find_map(|attribute| {
            match attribute {
                $pattern => Some($value),
                _ => None,
            }
        })
    };
}

/// All of the section itself.
macro_rules! own {
    ($section:expr, $pattern:pat => $value:expr) => {
        $section.media.attributes.iter().filter_map(|attribute| match attribute {
            $pattern => Some($value),
            _ => None,
        })
    };
}

impl<'a> Section<'a> {
    /// `a=mid`
    pub fn mid(&self) -> Option<&'a str> {
        self.media.mid()
    }

    /// Which way media flows, seen by the writer.
    pub fn direction(&self) -> Direction {
        find!(self, Attribute::Direction(direction) => *direction).unwrap_or_default()
    }

    /// `a=ice-ufrag`
    pub fn ice_ufrag(&self) -> Option<&'a str> {
        find!(self, Attribute::IceUfrag(ufrag) => ufrag.as_str())
    }

    /// `a=ice-pwd`
    pub fn ice_pwd(&self) -> Option<&'a str> {
        find!(self, Attribute::IcePwd(pwd) => pwd.as_str())
    }

    /// `a=ice-options`, here and of the session.
    pub fn ice_options(&self) -> impl Iterator<Item = &'a str> {
        let lines = self.media.attributes.iter().chain(self.session);
        lines
            .flat_map(|attribute| match attribute {
                Attribute::IceOptions(options) => options.split(' '),
                _ => "".split(' '),
            })
            .filter(|option| !option.is_empty())
    }

    /// `a=ice-lite`
    pub fn is_ice_lite(&self) -> bool {
        find!(self, Attribute::IceLite => ()).is_some()
    }

    /// `a=candidate`
    pub fn candidates(&self) -> impl Iterator<Item = &'a Candidate> {
        own!(self, Attribute::Candidate(candidate) => candidate)
    }

    /// Whether no more candidates will come.
    pub fn has_end_of_candidates(&self) -> bool {
        find!(self, Attribute::EndOfCandidates => ()).is_some()
    }

    /// The section's fingerprints, or the session's if it has none (RFC 8122 section 5).
    pub fn fingerprints(&self) -> impl Iterator<Item = &'a Fingerprint> {
        let is_fingerprint = |attribute: &Attribute| matches!(attribute, Attribute::Fingerprint(_));
        let own = self.media.attributes.iter().any(is_fingerprint);
        let lines = if own { self.media.attributes.as_slice() } else { self.session };
        lines.iter().filter_map(|attribute| match attribute {
            Attribute::Fingerprint(fingerprint) => Some(fingerprint),
            _ => None,
        })
    }

    /// `a=setup`
    pub fn setup(&self) -> Option<Setup> {
        find!(self, Attribute::Setup(setup) => *setup)
    }

    /// `a=rtcp-mux`
    pub fn has_rtcp_mux(&self) -> bool {
        find!(self, Attribute::RtcpMux => ()).is_some()
    }

    /// `a=rtcp-mux-only`
    pub fn has_rtcp_mux_only(&self) -> bool {
        own!(self, Attribute::RtcpMuxOnly => ()).next().is_some()
    }

    /// `a=rtcp-rsize`
    pub fn has_rtcp_rsize(&self) -> bool {
        find!(self, Attribute::RtcpRsize => ()).is_some()
    }

    /// `a=bundle-only`: live although its port is 0.
    pub fn is_bundle_only(&self) -> bool {
        own!(self, Attribute::BundleOnly => ()).next().is_some()
    }

    /// `a=ptime`, ms
    pub fn ptime(&self) -> Option<u32> {
        find!(self, Attribute::Ptime(ms) => *ms)
    }

    /// `a=maxptime`, ms
    pub fn max_ptime(&self) -> Option<u32> {
        find!(self, Attribute::MaxPtime(ms) => *ms)
    }

    /// `b=`: the section's own, else the session's; `TIAS` says it better than `AS` (RFC 3890 section 6.4).
    pub fn bandwidth(&self) -> Option<Bandwidth> {
        let of = |lines: &[TextLine]| {
            let limits = lines.iter().filter(|line| line.0 == 'b');
            limits.filter_map(|line| line.1.parse().ok()).max()
        };
        of(&self.media.lines).or_else(|| of(self.session_lines))
    }

    /// `a=msid`
    pub fn msid(&self) -> Option<&'a Msid> {
        own!(self, Attribute::Msid(msid) => msid).next()
    }

    /// The first source and its `cname`.
    pub fn source(&self) -> Option<(u32, Option<&'a str>)> {
        let first = own!(self, Attribute::Ssrc(source) => source.ssrc).next()?;
        let cname = own!(self, Attribute::Ssrc(source) => source)
            .find(|source| source.ssrc == first && source.name == "cname")
            .and_then(|source| source.value.as_deref());
        Some((first, cname))
    }

    /// `a=extmap`
    pub fn ext_maps(&self) -> impl Iterator<Item = &'a ExtMap> {
        self.media.attributes.iter().chain(self.session).filter_map(|attribute| match attribute {
            Attribute::ExtMap(map) => Some(map),
            _ => None,
        })
    }

    /// Payload types of the `m=` line, best first.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> {
        self.media.formats.iter().filter_map(|format| format.parse().ok())
    }

    /// What `a=rtpmap` says about a payload type.
    pub fn rtp_map(&self, payload_type: u8) -> Option<&'a RtpMap> {
        own!(self, Attribute::RtpMap(map) => map).find(|map| map.payload_type == payload_type)
    }

    /// The codec of a payload type: by its rtpmap, else by its fixed number.
    pub fn codec(&self, payload_type: u8) -> Option<Codec> {
        match self.rtp_map(payload_type) {
            Some(map) => Codec::of(map),
            None => Codec::of_fixed(payload_type),
        }
    }

    /// What `a=fmtp` wishes for a payload type, read as Opus does.
    pub fn opus_parameters(&self, payload_type: u8) -> OpusParameters {
        own!(self, Attribute::Fmtp(fmtp) => fmtp)
            .find(|fmtp| fmtp.format.parse() == Ok(payload_type))
            .map(|fmtp| OpusParameters::parse(&fmtp.parameters))
            .unwrap_or_default()
    }

    /// `a=rtcp-fb` of a payload type, those for all included.
    pub fn feedback(&self, payload_type: u8) -> impl Iterator<Item = &'a str> {
        own!(self, Attribute::RtcpFeedback(line) => line)
            .filter(move |line: &&RtcpFeedback| {
                line.payload_type.is_none_or(|of| of == payload_type)
            })
            .map(|line| line.feedback.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(session: &str, media: &str) -> Description {
        format!(
            "v=0\no=- 1 2 IN IP4 a\ns=-\nt=0 0\n{session}m=audio 9 UDP/TLS/RTP/SAVPF 111 0\n{media}"
        )
        .parse()
        .unwrap()
    }

    #[test]
    fn the_sections_own_attribute_wins_over_the_sessions() {
        // rfc8866-6.7-1
        let both = description("a=inactive\na=setup:active\n", "a=sendonly\n");
        let section = both.sections().next().unwrap();
        assert_eq!(section.direction(), Direction::SendOnly);
        assert_eq!(section.setup(), Some(Setup::Active));
        let none = description("", "");
        assert_eq!(none.sections().next().unwrap().direction(), Direction::SendRecv);
    }

    #[test]
    fn session_fingerprints_serve_sections_without() {
        // rfc8122-5-3
        let session = "a=fingerprint:x-a 01\na=fingerprint:x-b 02\n";
        let names = |description: &Description| -> Vec<String> {
            let section = description.sections().next().unwrap();
            section.fingerprints().map(|found| found.algorithm.clone()).collect()
        };
        assert_eq!(names(&description(session, "")), ["x-a", "x-b"]);
        let own = "a=fingerprint:x-c 03\na=fingerprint:x-d 04\n";
        assert_eq!(names(&description(session, own)), ["x-c", "x-d"]);
    }

    #[test]
    fn sources_have_unknown_attributes() {
        // rfc5576-4.1-1
        let media = "a=ssrc:7 x-what:ever\na=ssrc:7 cname:me\na=ssrc:8 cname:other\n";
        let with = description("", media);
        assert_eq!(with.sections().next().unwrap().source(), Some((7, Some("me"))));
    }

    #[test]
    fn feedback_of_a_star_is_for_all() {
        let media = "a=rtcp-fb:* nack\na=rtcp-fb:111 transport-cc\n";
        let with = description("", media);
        let section = with.sections().next().unwrap();
        assert_eq!(section.feedback(111).collect::<Vec<_>>(), ["nack", "transport-cc"]);
        assert_eq!(section.feedback(0).collect::<Vec<_>>(), ["nack"]);
    }
}
