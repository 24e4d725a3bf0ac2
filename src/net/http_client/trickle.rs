//! Candidates that came after the offer had left: a STUN or TURN server took its time (RFC 8838, RFC 9725
//! section 4.3.1).
//!
//! Each is told in a fragment with the offer's credentials; several that come at once go together. An endpoint
//! that doesn't take fragments is not bothered again: what it doesn't know it learns from our checks.

use crate::peer::event::{Event, GatheringState, Side};
use crate::sdp::{Attribute, Candidate, Description, Fragment};

/// What has been told, and what has yet to be.
#[derive(Debug)]
pub(super) struct Trickle {
    /// The offer's credentials and section, with all candidates that were told.
    told: Fragment,
    late: Vec<Attribute>,
    taken: Taken,
    etag: String,
}

/// Whether the other side takes fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Perhaps,
    Never,
}

impl Trickle {
    /// After this offer, and an answer with this `ETag`.
    pub(super) fn new(offer: &Description, etag: Option<String>) -> Self {
        let etag = etag.unwrap_or_default();
        Self { told: Fragment::of(offer), late: Vec::new(), taken: Taken::Perhaps, etag }
    }

    /// Another offer told everything anew. If it began ICE anew the tag is another one, too; any is then
    /// as good, for the credentials tell.
    pub(super) fn offered(&mut self, offer: &Description) {
        let told = Fragment::of(offer);
        if told.credentials() != self.told.credentials() && !self.etag.is_empty() {
            "*".clone_into(&mut self.etag);
        }
        self.told = told;
        self.late.clear();
    }

    /// What `If-Match` has to say.
    pub(super) fn etag(&self) -> &str {
        &self.etag
    }

    /// Notes what the other side doesn't know yet.
    pub(super) fn happened(&mut self, event: &Event) {
        let news = match event {
            Event::Candidate { side: Side::Local, candidate } => {
                let line = candidate.strip_prefix("candidate:").unwrap_or(candidate);
                line.parse::<Candidate>().ok().map(Attribute::Candidate)
            }
            Event::Gathering { state: GatheringState::Complete } => {
                Some(Attribute::EndOfCandidates)
            }
            _ => None,
        };
        self.late.extend(news.filter(|news| !self.is_told(news) && self.taken == Taken::Perhaps));
    }

    fn is_told(&self, news: &Attribute) -> bool {
        let mut told = self.told.media.iter().flat_map(|media| &media.attributes);
        told.any(|known| known == news) || self.late.contains(news)
    }

    /// Whether [`Self::take`] has something.
    pub(super) fn is_due(&self) -> bool {
        !self.late.is_empty()
    }

    /// The fragment to send now.
    pub(super) fn take(&mut self) -> Option<Fragment> {
        let late = std::mem::take(&mut self.late);
        let mut fragment = self.told.clone();
        let section = fragment.media.first_mut()?;
        section.attributes.retain(|attribute| matches!(attribute, Attribute::Mid(_)));
        section.attributes.extend(late.iter().cloned());
        if let Some(told) = self.told.media.first_mut() {
            told.attributes.extend(late);
        }
        Some(fragment)
    }

    /// The other side takes no fragments.
    pub(super) fn stop(&mut self) {
        self.taken = Taken::Never;
        self.late.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
        m=audio 5000 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 192.0.2.1\r\na=mid:0\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef01234567\r\n\
        a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host\r\n";

    fn local(line: &str) -> Event {
        Event::Candidate { side: Side::Local, candidate: format!("candidate:{line}") }
    }

    #[test]
    fn only_what_the_offer_did_not_say_is_told_and_that_once() {
        let mut trickle = Trickle::new(&OFFER.parse().unwrap(), None);
        trickle.happened(&local("1 1 udp 2130706431 192.0.2.1 5000 typ host"));
        assert!(!trickle.is_due());
        let reflexive = "2 1 udp 1694498815 203.0.113.1 5000 typ srflx raddr 192.0.2.1 rport 5000";
        trickle.happened(&local(reflexive));
        trickle.happened(&Event::Candidate { side: Side::Remote, candidate: "x".into() });
        trickle.happened(&Event::Gathering { state: GatheringState::Complete });
        let fragment = trickle.take().unwrap();
        assert_eq!(fragment.credentials().map(|(ufrag, _)| ufrag), Some("abcd"));
        let lines: Vec<_> =
            fragment.candidates().map(|(mid, line)| (mid, line.to_string())).collect();
        assert_eq!(lines, [(Some("0"), reflexive.to_owned())]);
        assert!(fragment.has_end_of_candidates(Some("0")));
        trickle.happened(&local(reflexive));
        assert!(!trickle.is_due());
    }

    #[test]
    fn whoever_takes_no_fragments_is_left_in_peace() {
        let mut trickle = Trickle::new(&OFFER.parse().unwrap(), None);
        trickle.stop();
        trickle.happened(&local("2 1 udp 1 203.0.113.1 5000 typ host"));
        assert!(!trickle.is_due());
    }
}
