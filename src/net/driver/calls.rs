//! The table of calls: those that run, and those that ended less than a minute ago.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::net::driver::handle::{Answer, Bell};
use crate::net::driver::made::{self, Made};
use crate::net::driver::story::Story;
use crate::net::driver::timers::Deadline;
use crate::net::driver::{CallId, CallState, CallSummary, Caller, Reader, Refusal, TimedEvent};
use crate::net::sound::Voice;
use crate::peer::Peer;
use crate::peer::event::{End, Event};
use crate::peer::stats::Report;
use crate::sdp::Description;
use crate::stun::TransactionId;
use crate::time::Instant;

/// Names a call inside the driver: in order of age, and never used again, so that a late timer or
/// route of an ended call finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CallKey(u64);

/// A call has two deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Which {
    /// The protocol's.
    Peer,
    /// The driver's own: an offer that nobody answers, `--duration`, forgetting an ended call.
    Chore,
}

/// One call.
pub(super) struct Call {
    pub(super) id: CallId,
    pub(super) caller: Caller,
    pub(super) began: Instant,
    pub(super) state: CallState,
    pub(super) since: Instant,
    pub(super) progress: Progress,
    pub(super) story: Story,
    /// Who waits for our description, and until when servers may keep them waiting.
    pub(super) waiting: Option<(Instant, Waiting)>,
    /// Servers that were neither reached nor given up, by their places in the configuration.
    pub(super) unreached: BTreeSet<usize>,
    /// Why the driver itself ended it: the peer only knows that it was told to hang up.
    pub(super) verdict: Option<(End, String)>,
    /// Our last offer on the running call, for those who come while it is open.
    pub(super) open_offer: Option<TimedEvent>,
    /// Held by each who reads its events.
    pub(super) readers: Arc<()>,
    pub(super) peer_deadline: Deadline,
    pub(super) chore_deadline: Deadline,
}

/// Who waits for a description of ours while servers are asked.
pub(super) enum Waiting {
    /// Somebody who offers.
    Answer { offer: Box<Description>, reply: Answer<Made> },
    /// Somebody for whom we offer.
    Offer { bell: Bell, reply: Answer<Made> },
    /// Somebody whose call rang, and was taken.
    Decided { offer: Option<Box<Description>>, reply: Answer<Made> },
}

impl Waiting {
    /// What our description answers; none if it is our offer.
    pub(super) fn offer(&self) -> Option<&Description> {
        match self {
            Self::Answer { offer, .. } => Some(offer),
            Self::Offer { .. } => None,
            Self::Decided { offer, .. } => offer.as_deref(),
        }
    }

    /// Hands over what there is, and says whether somebody was still there to take it.
    pub(super) fn hand_over(self, made: Result<Made, Refusal>) -> bool {
        let (Self::Answer { reply, .. } | Self::Offer { reply, .. } | Self::Decided { reply, .. }) =
            self;
        made::hand_over(reply, made)
    }
}

/// What is left of a call depends on whether it runs.
pub(super) enum Progress {
    /// A person has yet to take it.
    Ringing {
        /// What the caller offers; none if we are to offer.
        offer: Option<Box<Description>>,
        /// Who waits for the decision.
        reply: Answer<Made>,
    },
    /// It does.
    Running {
        /// Its protocols. Boxed: an ended call should weigh little.
        peer: Box<Peer>,
        /// Its sound, once there are keys.
        voice: Option<Box<Voice>>,
    },
    /// It did.
    Ended {
        /// The last figures.
        stats: Report,
        /// How.
        end: End,
        /// In words.
        reason: String,
        /// The last ufrag.
        ufrag: String,
    },
}

/// An ended call stays readable for so long.
const READABLE: Duration = Duration::from_secs(60);

/// All calls.
#[derive(Default)]
pub(super) struct Calls {
    calls: BTreeMap<CallKey, Call>,
    keys: HashMap<CallId, CallKey>,
    made: u64,
}

impl Calls {
    /// The name that the next call will have.
    pub(super) fn next_key(&mut self) -> CallKey {
        self.made += 1;
        CallKey(self.made)
    }

    pub(super) fn insert(&mut self, key: CallKey, call: Call) {
        self.keys.insert(call.id, key);
        self.calls.insert(key, call);
    }

    pub(super) fn forget(&mut self, key: CallKey) {
        if let Some(call) = self.calls.remove(&key) {
            self.keys.remove(&call.id);
        }
    }

    pub(super) fn key(&self, id: CallId) -> Option<CallKey> {
        self.keys.get(&id).copied()
    }

    pub(super) fn get(&self, key: CallKey) -> Option<&Call> {
        self.calls.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: CallKey) -> Option<&mut Call> {
        self.calls.get_mut(&key)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }

    pub(super) fn all_keys(&self) -> Vec<CallKey> {
        self.calls.keys().copied().collect()
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = (&CallKey, &mut Call)> {
        self.calls.iter_mut()
    }

    /// The peer of a running call.
    pub(super) fn peer(&mut self, key: CallKey) -> Option<&mut Peer> {
        self.calls.get_mut(&key)?.peer_mut()
    }

    /// The peers of all running calls.
    pub(super) fn peers(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.calls.values_mut().filter_map(Call::peer_mut)
    }

    /// Whose request this answers. Only answers to checks are looked for in this way, a few a second.
    pub(super) fn asker(&self, id: TransactionId) -> Option<CallKey> {
        let asks = |call: &Call| call.peer().is_some_and(|peer| peer.awaits(id));
        self.calls.iter().find(|(_, call)| asks(call)).map(|(key, _)| *key)
    }

    pub(super) fn deadline(&mut self, (key, which): (CallKey, Which)) -> Option<&mut Deadline> {
        let call = self.calls.get_mut(&key)?;
        Some(match which {
            Which::Peer => &mut call.peer_deadline,
            Which::Chore => &mut call.chore_deadline,
        })
    }

    /// The calls that have not ended.
    pub(super) fn running(&self) -> impl Iterator<Item = CallKey> {
        let has_ended = |call: &Call| matches!(call.progress, Progress::Ended { .. });
        let running = self.calls.iter().filter(move |(_, call)| !has_ended(call));
        running.map(|(key, _)| *key)
    }
}

impl Call {
    pub(super) fn peer(&self) -> Option<&Peer> {
        match &self.progress {
            Progress::Running { peer, .. } => Some(peer),
            Progress::Ringing { .. } | Progress::Ended { .. } => None,
        }
    }

    pub(super) fn peer_mut(&mut self) -> Option<&mut Peer> {
        match &mut self.progress {
            Progress::Running { peer, .. } => Some(peer),
            Progress::Ringing { .. } | Progress::Ended { .. } => None,
        }
    }

    /// Keeps what an event says of the state.
    pub(super) fn note(&mut self, timed: &TimedEvent) {
        let state = match &timed.event {
            Event::Ringing => CallState::Ringing,
            Event::Answered if self.state == CallState::Ringing => CallState::Connecting,
            Event::Connected { .. } => CallState::Connected,
            Event::Ended { .. } => CallState::Ended,
            _ => self.state,
        };
        if state != self.state {
            (self.state, self.since) = (state, timed.at);
        }
        if let Event::Offer { .. } = timed.event {
            self.open_offer = Some(timed.clone());
        }
    }

    /// What is told to those who come now: what was, and our offer if it is still open.
    pub(super) fn story(&self) -> Vec<TimedEvent> {
        let is_open = self.peer().is_some_and(Peer::has_open_offer);
        let open = self.open_offer.iter().filter(|_| is_open);
        self.story.told().chain(open).cloned().collect()
    }

    /// One more who reads its events.
    pub(super) fn reader(&self) -> Reader {
        Reader::of(&self.readers)
    }

    /// Whether anybody does.
    pub(super) fn is_read(&self) -> bool {
        Arc::strong_count(&self.readers) > 1
    }

    /// When the driver has something to do with the call on its own.
    pub(super) fn chore(
        &self,
        answer_within: Duration,
        duration: Option<Duration>,
    ) -> Option<Instant> {
        if let Some((until, _)) = &self.waiting {
            return Some(*until);
        }
        match self.state {
            CallState::Ringing => Some(self.since + answer_within),
            CallState::Connecting => None, // the peer has a timeout of its own
            CallState::Connected => duration.map(|duration| self.since + duration),
            CallState::Ended => {
                self.story.overdue(self.since).or_else(|| Some(self.since + READABLE))
            }
        }
    }

    /// Drops all but what can still be read.
    pub(super) fn bury(&mut self, now: Instant) {
        let Progress::Running { peer, .. } = &self.progress else { return };
        let (end, reason) = self.story.end().unwrap_or((End::HungUp, String::new()));
        let (stats, ufrag) = (peer.stats(now), peer.ufrag().to_owned());
        self.progress = Progress::Ended { stats, end, reason, ufrag };
    }

    pub(super) fn summary(&self) -> CallSummary {
        let (ended, ufrag, directions) = match &self.progress {
            Progress::Ringing { .. } => (None, String::new(), None),
            Progress::Running { peer, .. } => {
                (None, peer.settled_ufrag().to_owned(), Some(peer.directions()))
            }
            Progress::Ended { end, reason, ufrag, .. } => {
                (Some((*end, reason.clone())), ufrag.clone(), None)
            }
        };
        CallSummary {
            id: self.id,
            state: self.state,
            since: self.since,
            began: self.began,
            caller: self.caller,
            ended,
            ufrag,
            directions,
        }
    }

    pub(super) fn stats(&self, now: Instant) -> Report {
        match &self.progress {
            Progress::Running { peer, .. } => peer.stats(now),
            Progress::Ringing { .. } => Report::default(),
            Progress::Ended { stats, .. } => stats.clone(),
        }
    }
}
