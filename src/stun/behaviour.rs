//! What a NAT does, found out with a server that has two addresses (RFC 5780 section 4).
//!
//! ```text
//!            to the server's            the NAT shows                     so its mapping is
//! mapping 1  address                    A                                 none, if A is our own
//! mapping 2  other address, same port   A again                           endpoint-independent
//! mapping 3  other address, other port  what mapping 2 showed             address-dependent
//!                                       something else                    address-and-port-dependent
//!
//!            the server answers from    the answer                        so its filtering is
//! filter 1   its other address          comes                             endpoint-independent
//! filter 2   its other port             comes                             address-dependent
//!                                       neither comes                     address-and-port-dependent
//! ```
//! With endpoint-independent mapping a call needs a STUN server only; two NATs that both map otherwise
//! need a relay. The tests of the filter have a socket of their own: those of the mapping open holes, which
//! would let answers in that nobody asked for.
//!
//! A server that has but one address tells only where it sees us. Comes from and goes to `cli::probe`.

use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::StdRng;

use super::transaction::{Event, Input as Step, Output as Progress, Request, Timing};
use super::{Attribute, Class, Message, MessageWriter, Method, TransactionId};
use crate::time::Instant;

/// Which of the two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// Asks where it is seen.
    Mapping,
    /// Asks to be answered from elsewhere.
    Filtering,
}

/// How a NAT chooses the outer address, or what it lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// The same for all.
    EndpointIndependent,
    /// Depends on the other side's address.
    AddressDependent,
    /// Depends on the other side's address and port.
    AddressAndPortDependent,
    /// The server has no second address, or did not answer.
    Unknown,
}

/// What was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Where the server sees us; none if it did not answer.
    pub mapped: Option<SocketAddr>,
    /// The round trip to it.
    pub round_trip_time: Option<Duration>,
    /// How the NAT maps.
    pub mapping: Behaviour,
    /// What it lets in.
    pub filtering: Behaviour,
}

/// What the machine is told.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A datagram came in.
    Datagram {
        /// By this socket.
        socket: Socket,
        /// From there.
        from: SocketAddr,
        /// All of it.
        bytes: &'a [u8],
    },
    /// The moment of the last [`Output::Timeout`] has come.
    Timer,
}

/// What the machine asks of the world.
#[derive(Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// Send these bytes, lent until the next call.
    Transmit {
        /// By this socket.
        socket: Socket,
        /// To there.
        to: SocketAddr,
        /// All of it.
        bytes: &'a [u8],
    },
    /// All there is to know. The last that is told.
    Verdict(Verdict),
    /// All done until this moment (`None`: for good).
    Timeout(Option<Instant>),
}

/// Asks one server.
#[derive(Debug)]
pub struct Probe {
    rng: StdRng,
    server: SocketAddr,
    questions: Vec<Question>,
    other: Option<SocketAddr>,
    mapped: [Option<SocketAddr>; 3],
    round_trip_time: Option<Duration>,
    /// Whether an answer came from the other address, and from the other port.
    let_in: [Option<bool>; 2],
    told: bool,
    /// The datagram that is lent out.
    datagram: Vec<u8>,
}

/// One request under way.
#[derive(Debug)]
struct Question {
    what: What,
    to: SocketAddr,
    request: Request,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Where am I seen: by the address, the other address, the other address and port.
    Mapped(usize),
    /// Answer from your other address, or from your other port.
    Filtered(usize),
}

impl What {
    const fn socket(self) -> Socket {
        match self {
            Self::Mapped(_) => Socket::Mapping,
            Self::Filtered(_) => Socket::Filtering,
        }
    }
}

impl Probe {
    /// Begins to ask this server.
    #[must_use]
    pub fn new(now: Instant, server: SocketAddr, rng: StdRng) -> Self {
        let mut probe = Self {
            rng,
            server,
            questions: Vec::new(),
            other: None,
            mapped: [None; 3],
            round_trip_time: None,
            let_in: [None; 2],
            told: false,
            datagram: Vec::new(),
        };
        probe.ask(now, What::Mapped(0), server);
        probe
    }

    /// What is foreign, late or garbage changes nothing.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Timer => {
                for question in &mut self.questions {
                    question.request.handle_input(now, Step::Timer);
                }
            }
            Input::Datagram { socket, from, bytes } => self.answered(now, socket, from, bytes),
        }
        self.conclude(now);
    }

    /// Call until [`Output::Timeout`]; then wait for that moment or for input.
    pub fn poll_output(&mut self) -> Output<'_> {
        let mut sending = self.questions.iter_mut().filter(|it| it.request.has_to_send());
        if let Some(Question { what, to, request }) = sending.next()
            && let Progress::Transmit(bytes) = request.poll_output()
        {
            self.datagram.clear();
            self.datagram.extend_from_slice(bytes);
            return Output::Transmit { socket: what.socket(), to: *to, bytes: &self.datagram };
        }
        if self.questions.is_empty() {
            if self.told {
                return Output::Timeout(None);
            }
            self.told = true;
            return Output::Verdict(self.verdict());
        }
        let due = self.questions.iter().filter_map(|question| question.request.due()).min();
        Output::Timeout(due)
    }

    fn ask(&mut self, now: Instant, what: What, to: SocketAddr) {
        let id = TransactionId::random(&mut self.rng);
        let change = match what {
            What::Mapped(_) => None,
            What::Filtered(0) => Some(CHANGE_ADDRESS | CHANGE_PORT),
            What::Filtered(_) => Some(CHANGE_PORT),
        };
        let mut bytes = Vec::new();
        MessageWriter::new(&mut bytes, Class::Request, Method::BINDING, id)
            .attributes(change.map(Attribute::ChangeRequest))
            .fingerprint()
            .finish();
        self.questions.push(Question { what, to, request: Request::new(now, id, bytes, TIMING) });
    }

    fn answered(&mut self, now: Instant, socket: Socket, from: SocketAddr, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else { return };
        let asked = |question: &&mut Question| {
            question.request.id() == message.id() && question.what.socket() == socket
        };
        let Some(question) = self.questions.iter_mut().find(asked) else { return };
        let what = question.what;
        match (message.class(), what) {
            (Class::Success, What::Mapped(at)) => {
                let mapped = message.xor_mapped_address().or(message.mapped_address());
                if let Some(seen) = self.mapped.get_mut(at) {
                    *seen = mapped;
                }
                if at == 0 {
                    self.other = message.other_address().filter(|other| is_other(*other, from));
                }
            }
            // One that does not know what it was asked for answers from where it was asked.
            (Class::Success, What::Filtered(at)) if from != question.to => {
                if let Some(let_in) = self.let_in.get_mut(at) {
                    *let_in = Some(true);
                }
            }
            (Class::Success | Class::Error, _) => {}
            (Class::Request | Class::Indication, _) => return,
        }
        question.request.handle_input(now, Step::Response(message.id()));
    }

    /// Lets go of what has ended, and asks what follows.
    fn conclude(&mut self, now: Instant) {
        let mut ended = Vec::new();
        for question in &mut self.questions {
            if question.request.has_to_send() {
                continue; // it has not even left
            }
            if let Progress::Event(event) = question.request.poll_output() {
                ended.push((question.what, event));
            }
        }
        for (what, event) in ended {
            self.questions.retain(|question| question.what != what);
            self.follow(now, what, event);
        }
    }

    fn follow(&mut self, now: Instant, what: What, event: Event) {
        if let (What::Mapped(0), Event::Answered { rtt }) = (what, event) {
            self.round_trip_time = rtt;
        }
        let Some(other) = self.other else { return };
        match (what, event) {
            (What::Mapped(0), Event::Answered { .. }) => {
                let same_port = SocketAddr::new(other.ip(), self.server.port());
                self.ask(now, What::Mapped(1), same_port);
                self.ask(now, What::Filtered(0), self.server);
                self.ask(now, What::Filtered(1), self.server);
            }
            (What::Mapped(1), Event::Answered { .. }) if self.mapped[0] != self.mapped[1] => {
                self.ask(now, What::Mapped(2), other);
            }
            // Nothing came, though the server can do it: the NAT kept it out.
            (What::Filtered(at), Event::GaveUp) => {
                if let Some(let_in) = self.let_in.get_mut(at) {
                    *let_in = Some(false);
                }
            }
            _ => {}
        }
    }

    fn verdict(&self) -> Verdict {
        use Behaviour::{AddressAndPortDependent, AddressDependent, EndpointIndependent, Unknown};
        let mapping = match self.mapped {
            [Some(first), Some(second), _] if first == second => EndpointIndependent,
            [Some(_), Some(second), Some(third)] if second == third => AddressDependent,
            [Some(_), Some(_), Some(_)] => AddressAndPortDependent,
            _ => Unknown,
        };
        let filtering = match self.let_in {
            [Some(true), _] => EndpointIndependent,
            [Some(false), Some(true)] => AddressDependent,
            [Some(false), Some(false)] => AddressAndPortDependent,
            _ => Unknown,
        };
        let [mapped, ..] = self.mapped;
        Verdict { mapped, round_trip_time: self.round_trip_time, mapping, filtering }
    }
}

/// Another address and another port, or it is of no use.
fn is_other(other: SocketAddr, server: SocketAddr) -> bool {
    other.ip() != server.ip() && other.port() != server.port()
}

/// RFC 5780 section 7.2.
const CHANGE_ADDRESS: u32 = 0b100;
const CHANGE_PORT: u32 = 0b010;
/// Silence is an answer here, so it must not take half a minute: sent 4 times, 3.5 s in all.
const TIMING: Timing = Timing { rto: Duration::from_millis(250), sends: 4, last_wait: 7 };

#[cfg(test)]
mod tests {
    use super::super::XorAddress;
    use super::*;
    use rand::SeedableRng;

    const SERVER: &str = "192.0.2.1:3478";
    const OTHER: &str = "192.0.2.2:3479";

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// A NAT, and a server behind it that does what RFC 5780 asks for, or less.
    #[derive(Clone, Copy)]
    struct World {
        mapping: Behaviour,
        filtering: Behaviour,
        /// Whether the server has two addresses.
        two: bool,
        /// Whether it answers from where it is asked to.
        obeys: bool,
    }

    impl World {
        fn mapped(self, socket: Socket, to: SocketAddr) -> SocketAddr {
            let port = match self.mapping {
                Behaviour::AddressDependent if to.ip() == addr(OTHER).ip() => 7_001,
                Behaviour::AddressAndPortDependent => {
                    7_000 + to.port() + u16::from(to.ip() == addr(OTHER).ip())
                }
                _ => 7_000,
            };
            let second = u16::from(socket == Socket::Filtering) * 100;
            SocketAddr::new(addr("203.0.113.1:0").ip(), port + second)
        }

        fn lets_in(self, asked: SocketAddr, from: SocketAddr) -> bool {
            match self.filtering {
                Behaviour::EndpointIndependent | Behaviour::Unknown => true,
                Behaviour::AddressDependent => asked.ip() == from.ip(),
                Behaviour::AddressAndPortDependent => asked == from,
            }
        }

        /// The answer, and from where; none if the NAT keeps it out.
        fn answer(
            self,
            socket: Socket,
            to: SocketAddr,
            bytes: &[u8],
        ) -> Option<(SocketAddr, Vec<u8>)> {
            let request = Message::parse(bytes).unwrap();
            let change = request.attributes().find_map(|attribute| match attribute {
                Attribute::ChangeRequest(flags) => Some(flags),
                _ => None,
            });
            let flags = change.filter(|_| self.obeys).unwrap_or(0);
            let far = if flags & CHANGE_ADDRESS != 0 { addr(OTHER).ip() } else { to.ip() };
            let port = if flags & CHANGE_PORT != 0 { addr(OTHER).port() } else { to.port() };
            let from = SocketAddr::new(far, port);
            let other = self.two.then_some(Attribute::OtherAddress(addr(OTHER)));
            let mut out = Vec::new();
            MessageWriter::success(&mut out, &request)
                .attribute(Attribute::XorMappedAddress(XorAddress(self.mapped(socket, to))))
                .attributes(other)
                .finish();
            self.lets_in(to, from).then_some((from, out))
        }

        fn verdict(self) -> (Verdict, Duration) {
            let mut now = Instant::ZERO;
            let mut probe = Probe::new(now, addr(SERVER), StdRng::seed_from_u64(1));
            let mut answers = Vec::new();
            loop {
                match probe.poll_output() {
                    Output::Transmit { socket, to, bytes } => {
                        answers.extend(self.answer(socket, to, bytes).map(|it| (socket, it)));
                    }
                    Output::Verdict(verdict) => return (verdict, now - Instant::ZERO),
                    Output::Timeout(due) => match answers.pop() {
                        Some((socket, (from, bytes))) => {
                            now += Duration::from_millis(20);
                            let bytes = &bytes;
                            probe.handle_input(now, Input::Datagram { socket, from, bytes });
                        }
                        None => {
                            now = due.unwrap();
                            probe.handle_input(now, Input::Timer);
                        }
                    },
                }
            }
        }
    }

    use Behaviour::{AddressAndPortDependent, AddressDependent, EndpointIndependent, Unknown};

    #[test]
    fn every_kind_of_nat_is_told_from_the_others() {
        for mapping in [EndpointIndependent, AddressDependent, AddressAndPortDependent] {
            for filtering in [EndpointIndependent, AddressDependent, AddressAndPortDependent] {
                let world = World { mapping, filtering, two: true, obeys: true };
                let (verdict, took) = world.verdict();
                assert_eq!((verdict.mapping, verdict.filtering), (mapping, filtering));
                assert_eq!(verdict.mapped, Some(world.mapped(Socket::Mapping, addr(SERVER))));
                assert_eq!(verdict.round_trip_time, Some(Duration::from_millis(20)));
                assert!(took < Duration::from_secs(4), "{took:?}");
            }
        }
    }

    #[test]
    fn a_server_that_cannot_tell_is_not_taken_for_one_that_can() {
        let mapping = AddressDependent;
        let one = World { mapping, filtering: Unknown, two: false, obeys: true };
        let (verdict, took) = one.verdict();
        assert_eq!((verdict.mapping, verdict.filtering), (Unknown, Unknown));
        assert!(verdict.mapped.is_some() && took < Duration::from_secs(1));
        // It says that it has another address, and answers from the first all the same.
        let lies = World { mapping, filtering: EndpointIndependent, two: true, obeys: false };
        let (verdict, _) = lies.verdict();
        assert_eq!((verdict.mapping, verdict.filtering), (AddressDependent, Unknown));
    }

    #[test]
    fn silence_ends_after_some_seconds() {
        let mut probe = Probe::new(Instant::ZERO, addr(SERVER), StdRng::seed_from_u64(1));
        let mut sent = 0;
        let verdict = loop {
            match probe.poll_output() {
                Output::Transmit { .. } => sent += 1,
                Output::Timeout(due) => probe.handle_input(due.unwrap(), Input::Timer),
                Output::Verdict(verdict) => break verdict,
            }
        };
        let (mapped, mapping) = (verdict.mapped, verdict.mapping);
        assert_eq!((sent, mapped, mapping), (4, None, Unknown));
        assert_eq!(probe.poll_output(), Output::Timeout(None));
    }

    #[test]
    fn strangers_and_garbage_change_nothing() {
        let mut probe = Probe::new(Instant::ZERO, addr(SERVER), StdRng::seed_from_u64(1));
        let Output::Transmit { bytes, .. } = probe.poll_output() else { panic!() };
        let mut forged = Vec::new();
        MessageWriter::new(&mut forged, Class::Success, Method::BINDING, TransactionId([9; 12]))
            .attribute(Attribute::XorMappedAddress(XorAddress(addr(OTHER))))
            .finish();
        let request = bytes.to_vec();
        for (socket, bytes) in [
            (Socket::Mapping, &forged),
            (Socket::Mapping, &request),
            (Socket::Filtering, &vec![0; 30]),
        ] {
            let from = addr(SERVER);
            probe.handle_input(Instant::ZERO, Input::Datagram { socket, from, bytes });
        }
        assert!(matches!(probe.poll_output(), Output::Timeout(Some(_))));
    }
}
