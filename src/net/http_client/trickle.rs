//! Our candidates that were found after the offer left: to be sent by PATCH (RFC 9725 section 4.3.2).
//!
//! ```text
//! description of ours --> told          candidate of ours --not told yet--> fragment --PATCH--> told
//! ```
//! A server that gave no ETag takes none (section 4.3.1), and one that refuses the first gets no more: its
//! own checks, or a relay, will have to do.
//!
//! Comes from `carrier.rs`. Read next: `events.rs`.

use crate::sdp::{Attribute, Candidate, Description, Fragment};

/// Who is to be told what.
#[derive(Debug)]
pub(super) struct Trickle {
    /// What a fragment of ours begins with; without candidates.
    head: Fragment,
    told: Vec<Candidate>,
    has_told_end: bool,
    waiting: Vec<Attribute>,
    etag: Option<String>,
}

impl Trickle {
    /// The offer, and the ETag of its answer.
    pub(super) fn new(offer: &Description, etag: Option<String>) -> Self {
        let mut trickle = Self {
            head: Fragment::of(offer),
            told: Vec::new(),
            has_told_end: false,
            waiting: Vec::new(),
            etag,
        };
        trickle.described(offer);
        trickle
    }

    /// A later description of ours holds.
    pub(super) fn described(&mut self, ours: &Description) {
        let whole = Fragment::of(ours);
        self.told.extend(whole.candidates().map(|(_, candidate)| candidate.clone()));
        self.head = whole;
        self.has_told_end = false;
        self.waiting.clear();
        for media in &mut self.head.media {
            self.has_told_end |= media.attributes.contains(&Attribute::EndOfCandidates);
            media.attributes.retain(|attribute| matches!(attribute, Attribute::Mid(_)));
        }
    }

    /// The ICE session has another name now.
    pub(super) fn renamed(&mut self, etag: Option<String>) {
        self.etag = etag.or(self.etag.take());
    }

    /// A candidate of ours, as events tell it.
    pub(super) fn candidate(&mut self, text: &str) {
        let line = text.strip_prefix("candidate:").and_then(|line| line.parse::<Candidate>().ok());
        let Some(line) = line.filter(|line| !self.told.contains(line)) else { return };
        self.told.push(line.clone());
        self.waiting.push(Attribute::Candidate(line));
    }

    /// There are no more.
    pub(super) fn end(&mut self) {
        if !std::mem::replace(&mut self.has_told_end, true) {
            self.waiting.push(Attribute::EndOfCandidates);
        }
    }

    /// What is to be sent now: a fragment, and the session that it is for.
    pub(super) fn next(&mut self) -> Option<(String, String)> {
        let news = std::mem::take(&mut self.waiting);
        let etag = self.etag.clone().filter(|_| !news.is_empty())?;
        let mut fragment = self.head.clone();
        fragment.media.first_mut()?.attributes.extend(news);
        Some((fragment.to_string(), etag))
    }

    /// The server takes none.
    pub(super) fn stop(&mut self) {
        self.etag = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
        m=audio 40000 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 192.0.2.10\r\na=mid:0\r\na=sendrecv\r\n\
        a=ice-ufrag:Yz9k\r\na=ice-pwd:jV3nuxd8yQdUue49gGeP0J7Z\r\n\
        a=candidate:1 1 udp 2130706431 192.0.2.10 40000 typ host\r\n";
    const HOST: &str = "candidate:1 1 udp 2130706431 192.0.2.10 40000 typ host";
    const SEEN: &str =
        "candidate:2 1 udp 1694498815 203.0.113.9 4000 typ srflx raddr 192.0.2.10 rport 40000";

    #[test]
    fn what_the_offer_did_not_hold_follows_once_and_then_the_end() {
        let mut trickle = Trickle::new(&OFFER.parse().unwrap(), Some("\"x\"".into()));
        trickle.candidate(HOST);
        assert_eq!(trickle.next(), None, "it was in the offer");
        trickle.candidate(SEEN);
        trickle.candidate(SEEN);
        trickle.end();
        let (fragment, etag) = trickle.next().unwrap();
        assert_eq!(etag, "\"x\"");
        let expected = format!(
            "a=ice-ufrag:Yz9k\r\na=ice-pwd:jV3nuxd8yQdUue49gGeP0J7Z\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na={SEEN}\r\na=end-of-candidates\r\n"
        );
        assert_eq!(fragment, expected);
        trickle.end();
        assert_eq!(trickle.next(), None);
        // A later offer has new credentials, and its own end.
        let later = OFFER.replace("Yz9k", "Ab12") + "a=end-of-candidates\r\n";
        trickle.described(&later.parse().unwrap());
        trickle.renamed(Some("\"y\"".into()));
        trickle.end();
        assert_eq!(trickle.next(), None);
        trickle.candidate(&SEEN.replace("4000 ", "4001 "));
        let (fragment, etag) = trickle.next().unwrap();
        assert!(fragment.contains("a=ice-ufrag:Ab12") && etag == "\"y\"", "{fragment}");
    }

    #[test]
    fn a_server_without_etag_is_told_nothing() {
        let mut trickle = Trickle::new(&OFFER.parse().unwrap(), None);
        trickle.candidate(SEEN);
        assert_eq!(trickle.next(), None);
    }
}
