//! One STUN request over UDP, repeated until it is answered (RFC 8489 section 6.2.1).
//!
//! ```text
//! Sending --polled---> Waiting
//! Waiting --Timer----> Sending    it is time, and fewer than Rc are out: wait twice as long
//! Waiting --Timer----> Ended      GaveUp, Rm times RTO after the last
//! Sending --Response-> Ended      Answered, if the id is ours
//! Waiting --Response-> Ended      Answered, if the id is ours
//! Ended ----polled---> Told
//! ```
//! A retransmission is the same bytes: the same transaction id, so that any of the answers fits, and
//! the same proof. Whether an answer proves itself, and what it says, is for the caller to find out
//! *before* it is put in here: over UDP one that doesn't is as if never received (section 9.1.4).
//! [`Answer::of`] helps with what follows.
//!
//! Comes from whoever asks: `ice::gather`, `ice::check` with its own pacing, `turn`. Read next:
//! [`crate::ice`].

use std::time::Duration;

use super::message::{Class, Message, TransactionId};
use super::value::ErrorCode;
use crate::time::Instant;

/// How patiently a request is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The first interval; each following one is twice as long.
    pub rto: Duration,
    /// How often the request is sent in all (Rc).
    pub sends: u32,
    /// How many RTOs an answer to the last one may take (Rm).
    pub last_wait: u32,
}

impl Default for Timing {
    /// The RFC's: sent 7 times within 31.5 s, given up after 39.5 s.
    fn default() -> Self {
        Self { rto: Duration::from_millis(500), sends: 7, last_wait: 16 }
    }
}

/// A request on its way.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
    id: TransactionId,
    timing: Timing,
    started: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The `sent`th copy is to leave; the next step is `due` then.
    Sending { sent: u32, due: Instant },
    /// `sent` copies are out.
    Waiting { sent: u32, due: Instant },
    /// Over, but nobody knows.
    Ended(Event),
    /// Over.
    Told,
}
use State::{Ended, Sending, Told, Waiting};

/// What the world tells the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The moment of the last [`Output::Timeout`] has come, or any other.
    Timer,
    /// A response that proves itself has come, with this id.
    Response(TransactionId),
}

/// What the machine asks of the world.
#[derive(Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// Send these bytes, lent until the next call.
    Transmit(&'a [u8]),
    /// Tell the layer above.
    Event(Event),
    /// All done until this moment (`None`: for good).
    Timeout(Option<Instant>),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A response came. The round-trip time is known if the request was sent only once: else nobody
    /// can tell which copy was answered (Karn's algorithm).
    Answered {
        /// From the only copy to its answer.
        rtt: Option<Duration>,
    },
    /// No response came.
    GaveUp,
}

impl Request {
    /// Starts with a finished message; the first [`Request::poll_output`] sends it.
    ///
    /// `now` is when that happens. Keep `bytes` within the path's MTU: 576 bytes over IPv4 and 1280
    /// over IPv6 where nobody knows better (section 6.1).
    #[must_use]
    pub fn new(now: Instant, id: TransactionId, bytes: Vec<u8>, timing: Timing) -> Self {
        let mut request = Self { bytes, id, timing, started: now, state: Told };
        request.state = request.sending(now, 1);
        request
    }

    /// What its response carries.
    #[must_use]
    pub fn id(&self) -> TransactionId {
        self.id
    }

    /// Late and foreign input changes nothing: both are normal on UDP.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.state = match (self.state, input) {
            (Sending { sent, .. } | Waiting { sent, .. }, Input::Response(id)) if id == self.id => {
                let rtt = (sent == 1).then_some(now - self.started);
                Ended(Event::Answered { rtt })
            }
            (Waiting { sent, due }, Input::Timer) if due <= now => {
                if sent < self.timing.sends {
                    self.sending(now, sent + 1)
                } else {
                    Ended(Event::GaveUp)
                }
            }
            (unchanged, _) => unchanged,
        };
    }

    /// Call until [`Output::Timeout`]; then wait for that moment or for input.
    pub fn poll_output(&mut self) -> Output<'_> {
        match self.state {
            Sending { sent, due } => {
                self.state = Waiting { sent, due };
                Output::Transmit(&self.bytes)
            }
            Waiting { due, .. } => Output::Timeout(Some(due)),
            Ended(event) => {
                self.state = Told;
                Output::Event(event)
            }
            Told => Output::Timeout(None),
        }
    }

    /// The `sent`th copy leaves now: 1, 2, 4 .. RTO until the next, Rm after the last.
    fn sending(&self, now: Instant, sent: u32) -> State {
        let rtos = if sent < self.timing.sends {
            1_u32.checked_shl(sent - 1).unwrap_or(u32::MAX)
        } else {
            self.timing.last_wait
        };
        Sending { sent, due: now + self.timing.rto.saturating_mul(rtos) }
    }
}

/// What a response means for its transaction (sections 6.3.3 and 6.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// Done.
    Success,
    /// Refused, and why.
    Error(ErrorCode<'a>),
    /// Not to be understood, so the transaction has failed: an attribute that must be known is not,
    /// or an error lacks its code.
    Failed,
}

impl<'a> Answer<'a> {
    /// `None` if the message is no response.
    #[must_use]
    pub fn of(message: &Message<'a>) -> Option<Self> {
        let unknown = message.unknown_required().next().is_some();
        match message.class() {
            Class::Request | Class::Indication => None,
            Class::Success if unknown => Some(Self::Failed),
            Class::Success => Some(Self::Success),
            Class::Error if unknown => Some(Self::Failed),
            Class::Error => Some(message.error_code().map_or(Self::Failed, Self::Error)),
        }
    }
}
