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
//! For whoever asks a server. The checks of ICE pace each other, so `ice/check.rs` counts for itself.
//! Next layer: [`crate::ice`].

use std::time::Duration;

use super::header::{Class, TransactionId};
use super::message::Message;
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

    /// Whether the next [`Request::poll_output`] is a [`Output::Transmit`].
    pub(super) fn has_to_send(&self) -> bool {
        matches!(self.state, Sending { .. })
    }

    /// When it has to be looked at again.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.state {
            Waiting { due, .. } => Some(due),
            Sending { .. } | Ended(_) | Told => None,
        }
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

#[cfg(test)]
mod tests {
    use super::super::{Attribute, MessageWriter, Method};
    use super::*;

    const ID: TransactionId = TransactionId([1; 12]);
    const FOREIGN: TransactionId = TransactionId([2; 12]);

    fn request() -> Request {
        Request::new(Instant::ZERO, ID, b"hi".to_vec(), Timing::default())
    }

    /// (requirement, when the timer is driven, what must come out)
    const SILENT_SERVER: &[(&str, u64, Output<'static>)] = &[
        ("rfc8489-6.2.1-2: at once", 0, Output::Transmit(b"hi")),
        ("rfc8489-6.2.1-2: not before RTO", 499, wait(500)),
        ("rfc8489-6.2.1-2: at RTO", 500, Output::Transmit(b"hi")),
        ("rfc8489-6.2.1-1: doubled", 1_499, wait(1_500)),
        ("rfc8489-6.2.1-1: doubled", 1_500, Output::Transmit(b"hi")),
        ("rfc8489-6.2.1-1: again", 3_500, Output::Transmit(b"hi")),
        ("rfc8489-6.2.1-1: again", 7_500, Output::Transmit(b"hi")),
        ("rfc8489-6.2.1-1: again", 15_500, Output::Transmit(b"hi")),
        ("rfc8489-6.2.1-2: the seventh", 31_500, Output::Transmit(b"hi")),
        ("rfc8489-6.2.1-2: patient to the end", 39_499, wait(39_500)),
        ("rfc8489-6.2.1-2: fails 16 RTO later", 39_500, Output::Event(Event::GaveUp)),
        ("and says so once", 40_000, Output::Timeout(None)),
    ];

    const fn wait(ms: u64) -> Output<'static> {
        Output::Timeout(Some(Instant::from_millis(ms)))
    }

    #[test]
    fn a_silent_server_is_asked_seven_times_and_given_up() {
        let mut request = request();
        for (requirement, ms, expected) in SILENT_SERVER {
            request.handle_input(Instant::from_millis(*ms), Input::Timer);
            assert_eq!(request.poll_output(), *expected, "{requirement}, at {ms} ms");
        }
    }

    #[test]
    fn a_foreign_response_changes_nothing() {
        let mut request = request();
        request.handle_input(Instant::ZERO, Input::Response(FOREIGN));
        assert_eq!(request.poll_output(), Output::Transmit(b"hi"));
        request.handle_input(Instant::ZERO, Input::Response(FOREIGN));
        assert_eq!(request.poll_output(), wait(500));
    }

    /// rfc8489-6.2.1-3
    #[test]
    fn the_round_trip_is_known_only_if_one_copy_was_sent() {
        let mut once = request();
        once.poll_output();
        once.handle_input(Instant::from_millis(30), Input::Response(ID));
        let rtt = Some(Duration::from_millis(30));
        assert_eq!(once.poll_output(), Output::Event(Event::Answered { rtt }));

        let mut twice = request();
        twice.poll_output();
        twice.handle_input(Instant::from_millis(500), Input::Timer);
        twice.poll_output();
        twice.handle_input(Instant::from_millis(530), Input::Response(ID));
        assert_eq!(twice.poll_output(), Output::Event(Event::Answered { rtt: None }));
    }

    /// rfc8489-5-4
    #[test]
    fn a_copy_is_the_same_bytes() {
        let mut request = request();
        let mut sent = Vec::new();
        for ms in [0, 500, 1_500] {
            request.handle_input(Instant::from_millis(ms), Input::Timer);
            if let Output::Transmit(bytes) = request.poll_output() {
                sent.push(bytes.to_vec());
            }
        }
        assert_eq!(sent, [b"hi", b"hi", b"hi"]);
    }

    /// The arrows in the module's comment are exactly the transitions there are.
    #[test]
    fn the_diagram_is_the_machine() {
        let due = Instant::from_millis(500);
        let last = Timing::default().sends;
        let states = [
            ("Sending", Sending { sent: 1, due }),
            ("Waiting", Waiting { sent: 1, due }),
            ("Waiting", Waiting { sent: last, due }),
            ("Ended", Ended(Event::GaveUp)),
            ("Told", Told),
        ];
        let name = |state: State| match state {
            Sending { .. } => "Sending",
            Waiting { .. } => "Waiting",
            Ended(_) => "Ended",
            Told => "Told",
        };
        let mut arrows = std::collections::BTreeSet::new();
        for (from, state) in states {
            for input in [Input::Timer, Input::Response(ID), Input::Response(FOREIGN)] {
                let mut machine = Request { state, ..request() };
                machine.handle_input(due, input);
                if machine.state != state {
                    let by = if input == Input::Timer { "Timer" } else { "Response" };
                    arrows.insert((from, by, name(machine.state)));
                }
            }
            let mut machine = Request { state, ..request() };
            machine.poll_output();
            if machine.state != state {
                arrows.insert((from, "polled", name(machine.state)));
            }
        }
        let source = include_str!("transaction.rs");
        let drawn: std::collections::BTreeSet<_> = source
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .filter(|line| line.contains("-> "))
            .filter_map(|line| {
                let mut words = line.trim_start_matches("//!").split(|c: char| " ->".contains(c));
                let mut word = || words.find(|word| !word.is_empty());
                Some((word()?, word()?, word()?))
            })
            .collect();
        assert_eq!(drawn, arrows);
    }

    /// rfc8489-6.3.3-1, rfc8489-6.3.4-1, rfc8489-6.3.1.1-1
    #[test]
    fn a_response_that_is_not_understood_fails_its_transaction() {
        let mut out = Vec::new();
        let mut answer = |class, attributes: &[Attribute<'_>]| {
            let writer = MessageWriter::new(&mut out, class, Method::BINDING, ID)
                .attributes(attributes.iter().copied());
            let message = Message::parse(writer.finish()).unwrap();
            Answer::of(&message).map(|answer| match answer {
                Answer::Success => 0,
                Answer::Error(error) => error.code,
                Answer::Failed => 999,
            })
        };
        let unknown = Attribute::Unknown { number: 0x7ff0, value: &[] };
        let error = Attribute::ErrorCode(ErrorCode::ROLE_CONFLICT);
        assert_eq!(answer(Class::Success, &[]), Some(0));
        assert_eq!(answer(Class::Success, &[unknown]), Some(999));
        assert_eq!(answer(Class::Error, &[error]), Some(487));
        assert_eq!(answer(Class::Error, &[error, unknown]), Some(999));
        assert_eq!(answer(Class::Error, &[]), Some(999));
        assert_eq!(answer(Class::Request, &[]), None);
        assert_eq!(answer(Class::Indication, &[]), None);
    }
}
