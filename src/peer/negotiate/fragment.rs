//! ICE begins anew by fragments (RFC 8840, RFC 9725 section 4.3.3): credentials and candidates travel alone, and
//! the rest of the descriptions holds on.

use super::{NegotiateError, Negotiation};
use crate::ice::{Agent, Credentials};
use crate::sdp::answer::MAX_CANDIDATES;
use crate::sdp::fragment::options;
use crate::sdp::{Agreed, Attribute, Fragment, Media};

impl Negotiation {
    /// A fragment with our credentials and candidates: the answer to an ICE restart. Its ICE options are those of
    /// our description (RFC 9725 section 4.3.3).
    pub(in crate::peer) fn fragment(&self, agent: &Agent) -> Fragment {
        let Credentials { ufrag, pwd } = agent.local_credentials().clone();
        let mid = self.agreed.as_ref().and_then(|agreed| agreed.mid.clone());
        let lines =
            agent.local_candidates().into_iter().map(|candidate| self.candidate_line(candidate));
        let attributes = mid
            .map(Attribute::Mid)
            .into_iter()
            .chain(lines.map(Attribute::Candidate))
            .chain(agent.has_gathered().then_some(Attribute::EndOfCandidates))
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
        let options = self.current.iter().flat_map(options).cloned();
        let attributes = options.chain([Attribute::IceUfrag(ufrag), Attribute::IcePwd(pwd)]);
        Fragment { attributes: attributes.collect(), media: vec![media] }
    }

    /// What their fragment makes of what holds: they answer a restart of ours.
    pub(in crate::peer) fn agreed_by(&self, fragment: &Fragment) -> Result<Agreed, NegotiateError> {
        let foreign = NegotiateError::ForeignFragment;
        let mut agreed = self.agreed.clone().ok_or(foreign.clone())?;
        let (ufrag, pwd) = fragment.credentials().ok_or(foreign.clone())?;
        let remote = &mut agreed.remote;
        if remote.ice_ufrag == ufrag || remote.ice_pwd == pwd {
            return Err(foreign);
        }
        (remote.ice_ufrag, remote.ice_pwd) = (ufrag.to_owned(), pwd.to_owned());
        remote.candidates = fragment.candidates().map(|(_, line)| line.clone()).collect();
        remote.candidates.truncate(MAX_CANDIDATES);
        remote.end_of_candidates = fragment.has_end_of_candidates(agreed.mid.as_deref());
        Ok(agreed)
    }

    /// They began ICE anew by this fragment.
    pub(in crate::peer) fn remember_restart(&mut self, fragment: &Fragment) {
        self.restarted_by = Some(fragment.clone());
    }

    /// Whether it was by this fragment that they began ICE anew last.
    pub(in crate::peer) fn restarted_by(&self, fragment: &Fragment) -> bool {
        self.restarted_by.as_ref() == Some(fragment)
    }
}
