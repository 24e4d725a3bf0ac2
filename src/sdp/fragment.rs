//! `application/trickle-ice-sdpfrag`: a few lines about ICE, on their way after the description (RFC
//! 8840 section 9; RFC 9725 section 4.3).
//!
//! ```text
//! a=ice-options:trickle ice2       what the description said of its writer
//! a=ice-ufrag:EsAw                 whose candidates these are: without it they could be of the past
//! a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1
//! m=audio 9 UDP/TLS/RTP/SAVPF 0    a section, only to have a place
//! a=mid:0                          for its name
//! a=candidate:1 1 udp 2130706431 198.51.100.1 39132 typ host
//! a=end-of-candidates
//! ```
//! Credentials other than the ones in use ask for an ICE restart. The section's own win over the
//! session's, as in a description.

use std::fmt;
use std::str::FromStr;

use super::attribute::Attribute;
use super::candidate::Candidate;
use super::lex::{Line, Lines, Reason, SdpError};
use super::session::{Description, Media};

/// Candidates and credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// `a=` before the first section.
    pub attributes: Vec<Attribute>,
    /// Sections: the `m=` line has no meaning of its own.
    pub media: Vec<Media>,
}

impl Fragment {
    /// What a description says of ICE, alone: its options, and its first live section's credentials and
    /// candidates.
    pub fn of(description: &Description) -> Self {
        let live = live(description);
        let ice = |attribute: &&Attribute| {
            matches!(attribute, Attribute::IceUfrag(_) | Attribute::IcePwd(_))
        };
        let rest = |attribute: &&Attribute| {
            matches!(
                attribute,
                Attribute::Mid(_) | Attribute::Candidate(_) | Attribute::EndOfCandidates
            )
        };
        let media = live.map(|media| Media {
            port: 9,
            lines: Vec::new(),
            attributes: media.attributes.iter().filter(rest).cloned().collect(),
            ..media.clone()
        });
        let lines = live.map(|media| media.attributes.as_slice()).unwrap_or_default();
        let attributes = options(description).chain(lines.iter().filter(ice)).cloned().collect();
        Self { attributes, media: media.into_iter().collect() }
    }

    /// The first section's ufrag and password, else those at the top.
    pub fn credentials(&self) -> Option<(&str, &str)> {
        let sections = self.media.iter().map(|media| media.attributes.as_slice());
        let mut places = sections.chain([self.attributes.as_slice()]);
        let ufrag = places.clone().find_map(|place| {
            find(place, |attribute| match attribute {
                Attribute::IceUfrag(ufrag) => Some(ufrag.as_str()),
                _ => None,
            })
        });
        let pwd = places.find_map(|place| {
            find(place, |attribute| match attribute {
                Attribute::IcePwd(pwd) => Some(pwd.as_str()),
                _ => None,
            })
        });
        ufrag.zip(pwd)
    }

    /// All candidates, each with the `mid` of its section.
    pub fn candidates(&self) -> impl Iterator<Item = (Option<&str>, &Candidate)> {
        self.media.iter().flat_map(|media| {
            media.attributes.iter().filter_map(|attribute| match attribute {
                Attribute::Candidate(candidate) => Some((media.mid(), candidate)),
                _ => None,
            })
        })
    }

    /// Whether no more will come for the section of this `mid`.
    pub fn has_end_of_candidates(&self, mid: Option<&str>) -> bool {
        let of_section = self.media.iter().find(|media| media.mid() == mid);
        let of_section = of_section.map(|media| media.attributes.as_slice()).unwrap_or_default();
        [of_section, &self.attributes]
            .iter()
            .any(|place| place.contains(&Attribute::EndOfCandidates))
    }

    /// Whether an ICE-lite agent wrote this.
    pub fn is_ice_lite(&self) -> bool {
        self.attributes.contains(&Attribute::IceLite)
    }
}

/// What a description says of its writer's ICE: a fragment says the same (RFC 9725 section 4.3.3). The third
/// such attribute, `a=ice-pacing`, is never ours.
pub(crate) fn options(description: &Description) -> impl Iterator<Item = &Attribute> {
    let of_section = live(description).map(|media| media.attributes.as_slice()).unwrap_or_default();
    description
        .attributes
        .iter()
        .chain(of_section)
        .filter(|attribute| matches!(attribute, Attribute::IceOptions(_) | Attribute::IceLite))
}

fn live(description: &Description) -> Option<&Media> {
    description.media.iter().find(|media| media.port != 0)
}

fn find<'a, T>(place: &'a [Attribute], pick: impl Fn(&'a Attribute) -> Option<T>) -> Option<T> {
    place.iter().find_map(pick)
}

impl FromStr for Fragment {
    type Err = SdpError;

    fn from_str(text: &str) -> Result<Self, SdpError> {
        let mut fragment = Self { attributes: Vec::new(), media: Vec::new() };
        let mut lines = Lines::new(text)?;
        for line in lines.by_ref() {
            fragment.read(&line?)?;
        }
        if fragment.credentials().is_none() {
            let rule = "a fragment needs ice-ufrag and ice-pwd, or nobody knows whose it is";
            return Err(lines.error_at_end(Reason::Invalid(rule)));
        }
        Ok(fragment)
    }
}

impl Fragment {
    fn read(&mut self, line: &Line<'_>) -> Result<(), SdpError> {
        let at_top = self.media.is_empty();
        match line.letter {
            'm' if self.media.len() == super::session::MAX_SECTIONS => {
                let limit = super::session::MAX_SECTIONS;
                Err(line.error(Reason::TooMuch { what: "sections", limit }))
            }
            'm' => Media::parse(line).map(|media| self.media.push(media)),
            'a' if at_top && line.value.starts_with("candidate:") => {
                Err(line.error(Reason::Invalid("a candidate belongs to a section")))
            }
            'a' => {
                let attribute = super::session::attribute(line)?;
                let last = self.media.last_mut().map(|media| &mut media.attributes);
                last.unwrap_or(&mut self.attributes).push(attribute);
                Ok(())
            }
            letter => Err(line.error(Reason::UnknownLetter(letter))),
        }
    }
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.attributes.iter().try_for_each(|attribute| write!(f, "a={attribute}\r\n"))?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a=ice-ufrag:Yz9k\r\na=ice-pwd:jV3nuxd8yQdUue49gGeP0J7Z\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
        a=candidate:1 1 udp 2130706431 192.0.2.10 40000 typ host\r\na=end-of-candidates\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n";

    #[test]
    fn candidates_know_their_section() {
        let fragment: Fragment = TEXT.parse().unwrap();
        assert_eq!(fragment.credentials(), Some(("Yz9k", "jV3nuxd8yQdUue49gGeP0J7Z")));
        let ports: Vec<_> = fragment.candidates().map(|(mid, c)| (mid, c.port)).collect();
        assert_eq!(ports, [(Some("0"), 40000)]);
        assert!(fragment.has_end_of_candidates(Some("0")));
        assert!(!fragment.has_end_of_candidates(Some("1")));
        assert_eq!(fragment.to_string(), TEXT);
    }

    #[test]
    fn an_end_at_the_top_is_for_all_sections() {
        let fragment: Fragment = format!("a=end-of-candidates\r\n{TEXT}").parse().unwrap();
        assert!(fragment.has_end_of_candidates(Some("1")));
    }

    #[test]
    fn a_fragment_says_what_it_lacks() {
        // rfc9725-4.3.1-1
        let error = |text: &str| text.parse::<Fragment>().unwrap_err().to_string();
        assert!(error("a=mid:0\n").starts_with("line 2, column 1: a fragment needs ice-ufrag"));
        let early = "a=candidate:1 1 udp 1 192.0.2.10 1 typ host\n";
        assert_eq!(error(early), "line 1, column 1: a candidate belongs to a section");
        assert_eq!(error("v=0\n"), "line 1, column 1: `v=` is no line of SDP here");
    }

    #[test]
    fn a_description_gives_its_ice_lines_away() {
        // The options come along (RFC 9725 section 4.3.3).
        let description: Description = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
            a=group:BUNDLE 0\r\na=ice-options:trickle ice2\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n\
            m=audio 40000 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 192.0.2.10\r\na=mid:0\r\n\
            a=sendrecv\r\na=ice-ufrag:Yz9k\r\na=ice-pwd:jV3nuxd8yQdUue49gGeP0J7Z\r\n\
            a=candidate:1 1 udp 2130706431 192.0.2.10 40000 typ host\r\na=end-of-candidates\r\n"
            .parse()
            .unwrap();
        let fragment = Fragment::of(&description).to_string();
        let audio = TEXT.split("m=video").next().unwrap();
        assert_eq!(fragment, format!("a=ice-options:trickle ice2\r\n{audio}"));
    }

    #[test]
    fn a_last_line_may_lack_its_end() {
        assert!(TEXT.trim_end().parse::<Fragment>().is_ok());
    }
}
