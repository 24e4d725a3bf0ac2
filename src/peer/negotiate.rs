//! Offers and answers: which descriptions hold, and what they make of us (RFC 3264, RFC 9429).
//!
//! ```text
//! Stable --make_offer-----> Offered      our description is pending
//! Stable --accept_offer---> Stable       theirs and our answer hold at once
//! Offered --accept_answer-> Stable
//! Offered --rollback------> Stable       as if ours had never been made
//! ```
//! A description that can't be taken changes nothing. While our own offer is open theirs is refused:
//! the two crossed, and one has to give way by [`super::Peer::rollback`].

use std::collections::VecDeque;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::audio;
use crate::dtls_srtp::{Certificate, HashAlgorithm};
use crate::ice::{Agent, Credentials};
use crate::peer::config::Config;
use crate::peer::translate;
use crate::rtp::Ssrc;
use crate::sdp::agreement::Preference;
use crate::sdp::value::Msid;
use crate::sdp::{
    self, Agreed, Attribute, Capabilities, Description, Fragment, Local, Media, OpusParameters,
    Parameters, Refusal, answer, offer,
};

/// Why a description or fragment was not taken. The call goes on as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NegotiateError {
    /// It holds nothing that we can do.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Both sides offered at once.
    #[error("our own offer is still open")]
    OfferIsOpen,
    /// An answer, but to nothing.
    #[error("there is no open offer")]
    NoOpenOffer,
    /// Candidates of a session that has no description yet, or of another.
    #[error("the fragment belongs to no description of this call")]
    ForeignFragment,
    /// The other side would be another one: another certificate or DTLS role.
    #[error("a running call keeps its certificates and DTLS roles")]
    NewAssociation,
    /// The call is over.
    #[error("the call has ended")]
    Ended,
}

/// The descriptions of one call.
#[derive(Debug)]
pub(super) struct Negotiation {
    local: Local,
    capabilities: Capabilities,
    /// Ours, once both sides had agreed.
    current: Option<Description>,
    /// Our open offer.
    pending: Option<Description>,
    /// What holds.
    agreed: Option<Agreed>,
    /// Ufrags of theirs before the last restarts, the oldest first.
    retired: VecDeque<String>,
}

/// Ufrags remembered: a fragment that is later than so many restarts isn't under way any more.
const MOST_RETIRED: usize = 8;

impl Negotiation {
    pub(super) fn new(
        config: &Config,
        certificate: &Certificate,
        (ssrc, cname): (Ssrc, &str),
        rng: &mut StdRng,
    ) -> Self {
        let fingerprint = certificate.fingerprint(HashAlgorithm::Sha256);
        let local = Local {
            session_id: rng.random::<u64>() >> 2,
            version: 0,
            ice_ufrag: String::new(),
            ice_pwd: String::new(),
            candidates: Vec::new(),
            end_of_candidates: true,
            fingerprints: vec![translate::fingerprint_line(fingerprint)],
            ssrc: ssrc.0,
            cname: cname.to_owned(),
            msid: Msid { stream: "halloo".to_owned(), track: Some(track_id(rng)) },
        };
        Self {
            local,
            capabilities: capabilities(config),
            current: None,
            pending: None,
            agreed: None,
            retired: VecDeque::new(),
        }
    }

    /// What both sides know.
    pub(super) fn agreed(&self) -> Option<&Agreed> {
        self.agreed.as_ref()
    }

    /// What we wish of the Opus sender, as our current description says.
    pub(super) fn own_wishes(&self) -> Option<OpusParameters> {
        let agreed = self.agreed.as_ref()?;
        let section = self.current.as_ref()?.sections().nth(agreed.section)?;
        let opus = agreed.codecs.iter().find(|codec| codec.codec == sdp::Codec::Opus)?;
        Some(section.opus_parameters(opus.receive_payload_type))
    }

    /// The name of the track that we send.
    pub(super) fn own_track(&self) -> &str {
        self.local.msid.track.as_deref().unwrap_or_default()
    }

    /// Writes our offer and keeps it open.
    pub(super) fn make_offer(&mut self, agent: &Agent) -> Result<Description, NegotiateError> {
        if self.pending.is_some() {
            return Err(NegotiateError::OfferIsOpen);
        }
        self.describe(agent);
        let offer = offer::write(&self.parameters());
        self.pending = Some(offer.clone());
        Ok(offer)
    }

    /// Whether our offer waits for its answer.
    pub(super) fn has_open_offer(&self) -> bool {
        self.pending.is_some()
    }

    /// Our open offer is taken back.
    pub(super) fn rollback(&mut self) -> Result<(), NegotiateError> {
        self.pending.take().map(drop).ok_or(NegotiateError::NoOpenOffer)
    }

    /// Payload types of our open offer.
    pub(super) fn offered_formats(&self) -> Vec<(u8, audio::Codec)> {
        let mut formats = Vec::new();
        for section in self.pending.iter().flat_map(Description::sections) {
            let codec = |number| translate::audio_codec(section.codec(number)?);
            formats.extend(section.payload_types().filter_map(|n| Some((n, codec(n)?))));
        }
        formats
    }

    /// We speak under another number now.
    pub(super) fn rename_source(&mut self, ssrc: Ssrc) {
        self.local.ssrc = ssrc.0;
    }

    /// Their ICE session of this ufrag is over.
    pub(super) fn retire(&mut self, ufrag: &str) {
        if self.retired.len() == MOST_RETIRED {
            self.retired.pop_front();
        }
        self.retired.push_back(ufrag.to_owned());
    }

    /// Whether an earlier ICE session of theirs had this ufrag.
    pub(super) fn is_retired(&self, ufrag: &str) -> bool {
        self.retired.iter().any(|retired| retired == ufrag)
    }

    /// What their offer comes to; nothing holds yet.
    pub(super) fn choose(&self, offer: &Description) -> Result<Agreed, NegotiateError> {
        if self.pending.is_some() {
            return Err(NegotiateError::OfferIsOpen);
        }
        Ok(answer::choose(offer, &self.capabilities)?)
    }

    /// Writes our answer; from here on it holds.
    pub(super) fn answer(
        &mut self,
        offer: &Description,
        agreed: Agreed,
        agent: &Agent,
    ) -> Description {
        self.describe(agent);
        let answer = answer::write(offer, &agreed, &self.parameters());
        self.hold(answer.clone(), agreed);
        answer
    }

    /// What their answer to our open offer comes to; nothing holds yet.
    pub(super) fn read_answer(&self, answer: &Description) -> Result<Agreed, NegotiateError> {
        let offer = self.pending.as_ref().ok_or(NegotiateError::NoOpenOffer)?;
        Ok(answer::read(offer, answer, &self.capabilities)?)
    }

    /// Our open offer and their answer hold.
    pub(super) fn conclude(&mut self, agreed: Agreed) {
        if let Some(offer) = self.pending.take() {
            self.hold(offer, agreed);
        }
    }

    /// A fragment with our credentials and candidates: the answer to an ICE restart.
    pub(super) fn fragment(&self, agent: &Agent) -> Fragment {
        let Credentials { ufrag, pwd } = agent.local_credentials().clone();
        let mid = self.agreed.as_ref().and_then(|agreed| agreed.mid.clone());
        let lines = agent.local_candidates().into_iter().map(translate::candidate_line);
        let attributes = mid
            .map(Attribute::Mid)
            .into_iter()
            .chain(lines.map(Attribute::Candidate))
            .chain([Attribute::EndOfCandidates])
            .collect();
        let media = Media {
            kind: "audio".to_owned(),
            port: 9,
            ports: None,
            protocol: "UDP/TLS/RTP/SAVPF".to_owned(),
            formats: vec!["0".to_owned()],
            lines: Vec::new(),
            attributes,
        };
        let credentials = vec![Attribute::IceUfrag(ufrag), Attribute::IcePwd(pwd)];
        Fragment { attributes: credentials, media: vec![media] }
    }

    fn hold(&mut self, ours: Description, agreed: Agreed) {
        self.capabilities.dtls_role = Some(agreed.dtls_role);
        self.current = Some(ours);
        self.agreed = Some(agreed);
    }

    /// Brings our lines up to date; a description once written is never written again (RFC 9429
    /// section 5.2.2).
    fn describe(&mut self, agent: &Agent) {
        let Credentials { ufrag, pwd } = agent.local_credentials().clone();
        self.local.version += 1;
        (self.local.ice_ufrag, self.local.ice_pwd) = (ufrag, pwd);
        let candidates = agent.local_candidates().into_iter();
        self.local.candidates = candidates.map(translate::candidate_line).collect();
    }

    fn parameters(&self) -> Parameters<'_> {
        Parameters {
            local: &self.local,
            capabilities: &self.capabilities,
            previous: self.current.as_ref(),
        }
    }
}

/// What the settings let us do.
fn capabilities(config: &Config) -> Capabilities {
    let standard = Capabilities::default();
    let mut opus = standard.opus;
    opus.stereo = config.opus.stereo.then_some(true);
    opus.sprop_stereo = config.opus.stereo.then_some(true);
    opus.use_in_band_fec = Some(config.opus.fec);
    opus.use_dtx = config.opus.dtx.then_some(true);
    let ptime = u32::try_from(config.opus.frame.as_millis()).unwrap_or(20);
    let asked_for = config.codecs != Config::default().codecs;
    Capabilities {
        codecs: config.codecs.iter().copied().map(translate::sdp_codec).collect(),
        preference: if asked_for { Preference::Ours } else { Preference::Theirs },
        opus,
        ptime,
        ..standard
    }
}

/// 96 random bits in hexadecimal digits.
fn track_id(rng: &mut StdRng) -> String {
    rng.random::<[u8; 12]>().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::ice::{self, PathId, Role};
    use crate::time::Instant;

    /// Two sides that know their addresses.
    fn sides() -> [(Negotiation, Agent); 2] {
        [1, 2].map(|seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            let certificate = Certificate::generate().unwrap();
            let source = (Ssrc(7), "name");
            let negotiation = Negotiation::new(&Config::default(), &certificate, source, &mut rng);
            let mut agent = Agent::new(ice::Config::new(Role::Controlling), rng);
            let addr = std::net::SocketAddr::from(([192, 0, 2, 1], 5_000));
            let input = ice::Input::LocalCandidate { path: PathId(0), addr };
            agent.handle_input(Instant::ZERO, input);
            (negotiation, agent)
        })
    }

    fn state(negotiation: &Negotiation) -> &'static str {
        if negotiation.has_open_offer() { "Offered" } else { "Stable" }
    }

    /// Does one thing to ours; says whether it was taken.
    fn perform(
        input: &str,
        ours: &mut (Negotiation, Agent),
        theirs: &mut (Negotiation, Agent),
    ) -> bool {
        let (negotiation, agent) = ours;
        match input {
            "make_offer" => negotiation.make_offer(agent).is_ok(),
            "rollback" => negotiation.rollback().is_ok(),
            "accept_offer" => {
                let offer = theirs.0.make_offer(&theirs.1).unwrap();
                let agreed = negotiation.choose(&offer);
                agreed.is_ok_and(|agreed| {
                    negotiation.answer(&offer, agreed, agent);
                    true
                })
            }
            _ => {
                let (mut other, other_agent) = sides().into_iter().next().unwrap();
                let offer = negotiation.pending.clone();
                let offer = offer.unwrap_or_else(|| other.make_offer(&other_agent).unwrap());
                let agreed = theirs.0.choose(&offer).unwrap();
                let answer = theirs.0.answer(&offer, agreed, &theirs.1);
                negotiation.read_answer(&answer).is_ok_and(|agreed| {
                    negotiation.conclude(agreed);
                    true
                })
            }
        }
    }

    #[test]
    fn the_diagram_shows_what_every_description_does_in_every_state() {
        let mut moved = Vec::new();
        for from in ["Stable", "Offered"] {
            for input in ["make_offer", "accept_offer", "accept_answer", "rollback"] {
                let [mut ours, mut theirs] = sides();
                if from == "Offered" {
                    ours.0.make_offer(&ours.1).unwrap();
                }
                assert_eq!(state(&ours.0), from);
                let held = ours.0.agreed.clone();
                if perform(input, &mut ours, &mut theirs) {
                    moved.push(format!("{from} {input} {}", state(&ours.0)));
                } else {
                    assert_eq!((state(&ours.0), &ours.0.agreed), (from, &held), "{input}");
                }
            }
        }
        moved.sort();
        let arrow = |line: &str| {
            let (from, rest) = line.strip_prefix("//! ")?.split_once(" --")?;
            let (input, rest) = rest.split_once("> ")?;
            let to = rest.split_whitespace().next()?;
            Some(format!("{from} {} {to}", input.trim_matches('-')))
        };
        let mut drawn: Vec<_> = include_str!("negotiate.rs").lines().filter_map(arrow).collect();
        drawn.sort();
        assert_eq!(moved, drawn);
    }

    #[test]
    fn a_handful_of_former_ufrags_is_remembered() {
        let [(mut negotiation, _), _] = sides();
        (0..20).for_each(|n| negotiation.retire(&format!("ufrag{n}")));
        assert!(negotiation.is_retired("ufrag19") && negotiation.is_retired("ufrag12"));
        assert!(!negotiation.is_retired("ufrag11"));
    }
}
