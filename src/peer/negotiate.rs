//! Offers and answers: which descriptions hold, and what they make of us (RFC 3264, RFC 9429).
//!
//! ```text
//! Stable --make_offer-----> Offered      our description is pending
//! Stable --accept_offer---> Stable       theirs and our answer hold at once
//! Offered --accept_answer-> Stable
//! Offered --rollback------> Stable       as if ours had never been made; it is due again
//! Offered --abandon-------> Stable       the same, and it is not tried again on its own
//! ```
//! A description that can't be taken changes nothing.
//!
//! # When both offer at once
//!
//! While our own offer is open theirs is refused ([`NegotiateError::OfferIsOpen`], HTTP 409): the two
//! crossed, and one side has to give way. Over HTTP the sides are not alike: the one that was called
//! answers a PATCH at once, and its own offers arrive some time later as an event. So:
//!
//! - The called side never gives way. Its open offer is answered, or given up after 20 s.
//! - The calling side has one exchange at a time. An offer that comes while its own is on the way waits
//!   until the fate of that is known: 200 means that the other side took it first, and its answer is
//!   applied before the waiting offer is looked at; 409 means that theirs came first: ours is rolled back,
//!   theirs is answered, and then ours is due again.
//! - An answer that a side can't place (its offer was given up) is refused, and nothing has changed.
//!
//! What is due again is known here ([`Negotiation::needs_offer`], W3C's "negotiation needed"): whoever
//! rolls back loses the description, not the wish.

mod error;
mod fragment;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::audio;
use crate::dtls_srtp::{Certificate, HashAlgorithm};
use crate::ice::{self, Agent, Credentials};
use crate::peer::config::Config;
use crate::peer::translate;
use crate::rtp::Ssrc;
use crate::sdp::agreement::Preference;
use crate::sdp::value::Msid;
use crate::sdp::{
    self, Agreed, Candidate, Capabilities, Description, Direction, Fragment, Local, OpusParameters,
    Parameters, answer, offer,
};
pub use error::NegotiateError;

/// The descriptions of one call.
#[derive(Debug)]
pub(super) struct Negotiation {
    local: Local,
    capabilities: Capabilities,
    /// Ours, once both sides had agreed.
    current: Option<Description>,
    /// Our open offer.
    pending: Option<Pending>,
    /// What holds.
    agreed: Option<Agreed>,
    /// The direction that the other side was last told that we want, whatever came of it.
    told: Direction,
    restart: Restart,
    /// The latest description of theirs, and what we answered if it was an offer.
    latest: Option<(Description, Option<Description>)>,
    /// The fragment by which they began ICE anew last.
    restarted_by: Option<Fragment>,
    /// Ufrags of theirs before the last restarts, the oldest first.
    retired: VecDeque<String>,
    /// What our addresses are called instead.
    hidden: BTreeMap<IpAddr, String>,
}

/// Our open offer.
#[derive(Debug)]
struct Pending {
    offer: Description,
    /// What we wanted when it was written.
    direction: Direction,
    /// If it begins ICE anew: their ufrag so far.
    replaces: Option<String>,
    restarts: Restart,
}

/// Whether ICE is to begin anew with our next offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restart {
    NotWanted,
    Wanted,
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
            told: Direction::SendRecv,
            restart: Restart::NotWanted,
            latest: None,
            restarted_by: None,
            retired: VecDeque::new(),
            hidden: config.hidden.clone(),
        }
    }

    /// What addresses are called instead, from now on.
    pub(super) fn hide(&mut self, hidden: BTreeMap<IpAddr, String>) {
        self.hidden = hidden;
    }

    /// A candidate as it may be shown.
    pub(super) fn candidate_line(&self, candidate: &ice::Candidate) -> sdp::Candidate {
        translate::candidate_line(candidate, &self.hidden)
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

    /// Which way we want media to flow (W3C `RTCRtpTransceiver.direction`).
    pub(super) fn wanted(&self) -> Direction {
        self.capabilities.direction
    }

    /// Wants media to flow this way, from the next description on.
    pub(super) fn want(&mut self, direction: Direction) {
        self.capabilities.direction = direction;
    }

    /// Wants ICE to begin anew, with the next offer.
    pub(super) fn want_restart(&mut self) {
        self.restart = Restart::Wanted;
    }

    /// Whether the next offer begins ICE anew.
    pub(super) fn wants_restart(&self) -> bool {
        self.restart == Restart::Wanted && self.current.is_some()
    }

    /// Whether there is something that only an offer of ours can tell.
    pub(super) fn needs_offer(&self) -> bool {
        let news = self.told != self.wanted() || self.wants_restart();
        self.current.is_some() && self.pending.is_none() && news
    }

    /// Writes our offer and keeps it open. `replaces` is their ufrag so far, if the agent has begun anew
    /// for this offer.
    pub(super) fn make_offer(
        &mut self,
        agent: &Agent,
        replaces: Option<String>,
    ) -> Result<Description, NegotiateError> {
        if self.pending.is_some() {
            return Err(NegotiateError::OfferIsOpen);
        }
        self.describe(agent);
        let offer = offer::write(&self.parameters());
        let restarts = std::mem::replace(&mut self.restart, Restart::NotWanted);
        let direction = self.wanted();
        self.pending = Some(Pending { offer: offer.clone(), direction, replaces, restarts });
        Ok(offer)
    }

    /// Whether our offer waits for its answer.
    pub(super) fn has_open_offer(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether our open offer begins ICE anew.
    pub(super) fn has_open_restart(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.restarts == Restart::Wanted)
    }

    /// Whether our open offer tells of another direction.
    pub(super) fn offers_news(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.direction != self.told)
    }

    /// Our open offer is taken back; what it was to tell has still to be told.
    pub(super) fn rollback(&mut self) -> Result<(), NegotiateError> {
        let pending = self.pending.take().ok_or(NegotiateError::NoOpenOffer)?;
        if pending.restarts == Restart::Wanted {
            self.restart = Restart::Wanted;
        }
        Ok(())
    }

    /// Our open offer is taken back, and nobody tries again to tell the same.
    pub(super) fn abandon(&mut self) -> Result<(), NegotiateError> {
        let pending = self.pending.take().ok_or(NegotiateError::NoOpenOffer)?;
        self.told = pending.direction;
        Ok(())
    }

    /// Whether packets of theirs are welcome: as agreed, or as our open offer says (RFC 3264 section
    /// 5.1: they may come before its answer).
    pub(super) fn receives(&self) -> bool {
        let agreed = self.agreed.as_ref().is_some_and(|agreed| agreed.direction.receives());
        let offered = self.pending.as_ref().is_some_and(|pending| pending.direction.receives());
        self.wanted().receives() && (agreed || (offered && self.agreed.is_some()))
    }

    /// Which way media flows now, seen by us: as agreed, and as we want by now.
    pub(super) fn flows(&self) -> Direction {
        let agreed = self.agreed.as_ref().map(|agreed| agreed.direction);
        agreed.map_or(Direction::Inactive, |agreed| agreed.intersection(self.wanted()))
    }

    /// Payload types of our open offer.
    pub(super) fn offered_formats(&self) -> Vec<(u8, audio::Codec)> {
        let mut formats = Vec::new();
        let offer = self.pending.iter().map(|pending| &pending.offer);
        for section in offer.flat_map(Description::sections) {
            let codec = |number| Some(translate::audio_codec(section.codec(number)?));
            formats.extend(section.payload_types().filter_map(|n| Some((n, codec(n)?))));
        }
        formats
    }

    /// What we answered, if this is the offer that we answered last: a request that was sent twice.
    pub(super) fn answered_before(&self, offer: &Description) -> Option<Description> {
        let (latest, answer) = self.latest.as_ref().filter(|_| self.pending.is_none())?;
        answer.clone().filter(|_| latest == offer)
    }

    /// Whether this is the answer that we took last, and nothing has come since.
    pub(super) fn was_taken(&self, answer: &Description) -> bool {
        let latest = self.latest.as_ref().filter(|_| self.pending.is_none());
        latest.is_some_and(|(latest, ours)| ours.is_none() && latest == answer)
    }

    /// We speak under another number now.
    pub(super) fn rename_source(&mut self, ssrc: Ssrc) {
        self.local.ssrc = ssrc.0;
    }

    /// Their ICE session of this ufrag is over.
    pub(super) fn retire(&mut self, ufrag: &str) {
        self.latest = None; // the same description would now mean something else
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
        self.latest = Some((offer.clone(), Some(answer.clone())));
        self.told = self.wanted();
        self.hold(answer.clone(), agreed);
        answer
    }

    /// What their answer to our open offer comes to; nothing holds yet.
    pub(super) fn read_answer(&self, answer: &Description) -> Result<Agreed, NegotiateError> {
        let pending = self.pending.as_ref().ok_or(NegotiateError::NoOpenOffer)?;
        Ok(answer::read(&pending.offer, answer, &self.capabilities)?)
    }

    /// Whether a candidate of theirs stands in their last description.
    pub(super) fn knows_candidate(&self, line: &Candidate) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| agreed.remote.candidates.contains(line))
    }

    /// Our open offer and their answer hold.
    pub(super) fn conclude(&mut self, answer: Option<&Description>, agreed: Agreed) {
        if let Some(pending) = self.pending.take() {
            let Pending { offer, direction, replaces, .. } = pending;
            if let Some(ufrag) = replaces.filter(|ufrag| *ufrag != agreed.remote.ice_ufrag) {
                self.retire(&ufrag);
            }
            self.told = direction;
            self.latest = answer.map(|answer| (answer.clone(), None));
            self.hold(offer, agreed);
        }
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
        self.local.candidates =
            candidates.map(|candidate| self.candidate_line(candidate)).collect();
        self.local.end_of_candidates = agent.has_gathered();
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
            "make_offer" => negotiation.make_offer(agent, None).is_ok(),
            "rollback" => negotiation.rollback().is_ok(),
            "abandon" => negotiation.abandon().is_ok(),
            "accept_offer" => {
                let offer = theirs.0.make_offer(&theirs.1, None).unwrap();
                let agreed = negotiation.choose(&offer);
                agreed.is_ok_and(|agreed| {
                    negotiation.answer(&offer, agreed, agent);
                    true
                })
            }
            _ => {
                let (mut other, other_agent) = sides().into_iter().next().unwrap();
                let offer = negotiation.pending.as_ref().map(|pending| pending.offer.clone());
                let offer = offer.unwrap_or_else(|| other.make_offer(&other_agent, None).unwrap());
                let agreed = theirs.0.choose(&offer).unwrap();
                let answer = theirs.0.answer(&offer, agreed, &theirs.1);
                negotiation.read_answer(&answer).is_ok_and(|agreed| {
                    negotiation.conclude(Some(&answer), agreed);
                    true
                })
            }
        }
    }

    #[test]
    fn the_diagram_shows_what_every_description_does_in_every_state() {
        let mut moved = Vec::new();
        for from in ["Stable", "Offered"] {
            for input in ["make_offer", "accept_offer", "accept_answer", "rollback", "abandon"] {
                let [mut ours, mut theirs] = sides();
                if from == "Offered" {
                    ours.0.make_offer(&ours.1, None).unwrap();
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
