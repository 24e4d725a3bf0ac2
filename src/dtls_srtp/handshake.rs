//! The DTLS handshake: OpenSSL as datagrams in, datagrams out (RFC 5763, 5764, 6347).
//!
//! ```text
//! New ---------Timer-----> Handshaking   a client says hello; both begin to count
//! New ---------Datagram--> Handshaking   or further, like any datagram below
//! Handshaking -Datagram--> Proving       DTLS is done, but nothing was signalled yet
//! Handshaking -Datagram--> Connected     DTLS is done, and the certificate is the signalled one
//! Handshaking -Datagram--> Ended         Failed: an alert, nothing in common, a foreign certificate
//! Handshaking -Timer-----> Ended         Failed: no answer
//! Proving -----Expect----> Connected     the certificate is the signalled one
//! Proving -----Expect----> Ended         Failed: it is a foreign one
//! Proving -----Datagram--> Ended         Closed: close_notify came
//! Connected ---Datagram--> Ended         Closed: close_notify came
//! New ---------Close-----> Ended
//! Handshaking -Close-----> Ended
//! Proving -----Close-----> Ended         close_notify goes out
//! Connected ---Close-----> Ended         close_notify goes out
//! ```
//!
//! `Expect` may come at any time: an answer's fingerprint often comes after the first datagrams. No key
//! leaves before it matched. Proving and Connected read on, because only then does OpenSSL repeat its
//! last flight for a peer that asks for it; `last_flight` doesn't wait for that.
//!
//! OpenSSL draws its own randomness and repeats flights by the wall clock; that timer is read into
//! [`Output::Timeout`] relative to the caller's `now`. Its view of the network is `openssl_queue`, what
//! it agrees to `openssl_config`. Comes from [`super::certificate`]; read next: [`super::keys`].

use std::collections::VecDeque;
use std::time::Duration;

use openssl::ssl::{ErrorCode, SslStream};

use super::certificate::{Certificate, Fingerprint, HashAlgorithm};
use super::error::Error;
use super::failure::Failure;
use super::keys::{MasterKeys, SrtpProfile};
use super::last_flight::LastFlight;
use super::openssl_config::{Link, agreed_profile, new_ssl};
use super::openssl_queue::Queue;
use super::openssl_timer;
use crate::time::Instant;

/// Who begins. `a=setup:active` is the client (RFC 5763 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Says hello first.
    Client,
    /// Waits for it.
    Server,
}

/// What the world tells the machine.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A datagram whose first byte is 20 to 63.
    Datagram(&'a [u8]),
    /// Time has passed. The first one says that there is a path now: a client sends its hello.
    Timer,
    /// The signalled fingerprints. Another call replaces them while the handshake runs; none at all
    /// means that no certificate will do.
    Expect(&'a [Fingerprint]),
    /// An SRTP packet was opened: the other side has finished too, and needs nothing repeated.
    Heard,
    /// Hang up.
    Close,
}

/// What the machine asks of the world.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send these bytes, lent until the next call.
    Transmit(&'a [u8]),
    /// Tell the layer above.
    Event(Event),
    /// All done until this moment (`None`: until a datagram comes).
    Timeout(Option<Instant>),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The other side is the signalled one, and here are the keys. Comes once.
    Connected(Box<Connected>),
    /// The other side sent close_notify. Comes once, and nothing after it.
    Closed,
    /// It ended for this reason. Comes once, and nothing after it.
    Failed(Failure),
}

/// A finished handshake with the signalled peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The protocol, `DTLSv1.2`.
    pub version: &'static str,
    /// The cipher suite by its registered name.
    pub cipher: &'static str,
    /// How packets are sealed.
    pub profile: SrtpProfile,
    /// The fingerprint that matched.
    pub remote_fingerprint: Fingerprint,
    /// The certificate it belongs to, as DER bytes.
    pub remote_certificate: Vec<u8>,
    /// The master keys of both directions.
    pub keys: MasterKeys,
}

/// From the start until somebody must have answered.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Handshaking { until: Instant },
    Proving,
    Connected,
    Ended,
}

/// One DTLS association.
#[derive(Debug)]
pub struct Handshake {
    role: Role,
    stream: SslStream<Queue>,
    link: Link,
    state: State,
    events: VecDeque<Event>,
    last_flight: LastFlight,
    timeout: Option<Instant>,
    lent: Vec<u8>,
    dropped: u64,
}

impl Handshake {
    /// Prepares a handshake. Nothing is sent before the first [`Input::Timer`], which is due at once:
    /// begin to drive it when datagrams can travel.
    ///
    /// # Errors
    /// OpenSSL fails.
    pub fn new(certificate: &Certificate, role: Role) -> Result<Self, Error> {
        let link = Link::default();
        let mut ssl = new_ssl(certificate.context(), &link)?;
        match role {
            Role::Client => ssl.set_connect_state(),
            Role::Server => ssl.set_accept_state(),
        }
        Ok(Self {
            role,
            stream: SslStream::new(ssl, Queue::default())?,
            link,
            state: State::New,
            events: VecDeque::new(),
            last_flight: LastFlight::default(),
            timeout: Some(Instant::ZERO),
            lent: Vec::new(),
            dropped: 0,
        })
    }

    /// Our role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Datagrams that meant nothing: application data, or anything after the end.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Asks for a key log, with which a capture can be read. To be called before anything is sent.
    pub fn keep_key_log(&mut self) {
        self.link.lock().key_log.get_or_insert_default();
    }

    /// Takes the lines of the key log (NSS format) that came since the last call.
    pub fn take_key_log(&mut self) -> Vec<String> {
        self.link.lock().key_log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Never fails: what is late, foreign or garbage changes nothing.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Datagram(bytes) => self.receive(now, bytes),
            Input::Timer => self.tick(now),
            Input::Expect(fingerprints) => self.expect(fingerprints),
            Input::Heard => self.last_flight = LastFlight::default(),
            Input::Close => self.close(),
        }
        self.timeout = match self.state {
            State::New => Some(Instant::ZERO),
            State::Handshaking { until } => {
                let resend = openssl_timer::remaining(self.stream.ssl()).map(|left| now + left);
                Some(resend.map_or(until, |resend| resend.min(until)))
            }
            State::Proving | State::Connected => self.last_flight.due(), // OpenSSL's may be stale
            State::Ended => None,
        };
    }

    /// Call until [`Output::Timeout`]; then wait for that moment or for input.
    pub fn poll_output(&mut self) -> Output<'_> {
        if let Some(datagram) = self.stream.get_mut().leave() {
            self.lent = datagram;
            return Output::Transmit(&self.lent);
        }
        match self.events.pop_front() {
            Some(event) => Output::Event(event),
            None => Output::Timeout(self.timeout),
        }
    }

    fn receive(&mut self, now: Instant, datagram: &[u8]) {
        match self.state {
            _ if datagram.is_empty() => self.dropped += 1, // OpenSSL would take it for the end
            State::New => {
                self.start(now);
                self.receive(now, datagram);
            }
            State::Handshaking { .. } => {
                self.stream.get_mut().arrive(datagram);
                self.shake_hands(now);
            }
            State::Proving | State::Connected => {
                self.stream.get_mut().arrive(datagram);
                self.read_on();
            }
            State::Ended => self.dropped += 1,
        }
    }

    fn tick(&mut self, now: Instant) {
        match self.state {
            State::New => self.start(now),
            State::Handshaking { until } => {
                let given_up = openssl_timer::handle_timeout(&mut self.stream).is_err();
                if given_up || now >= until {
                    self.end(Event::Failed(Failure::NoAnswer));
                }
            }
            State::Proving | State::Connected => {
                if let Some(flight) = self.last_flight.again(now) {
                    flight.iter().for_each(|datagram| self.stream.get_mut().send(datagram));
                }
            }
            State::Ended => {}
        }
    }

    fn expect(&mut self, fingerprints: &[Fingerprint]) {
        self.link.lock().expected = Some(fingerprints.to_vec());
        if self.state == State::Proving {
            self.prove();
        }
    }

    fn close(&mut self) {
        if matches!(self.state, State::Proving | State::Connected) {
            self.send_close_notify();
        }
        self.state = State::Ended;
    }

    fn start(&mut self, now: Instant) {
        self.state = State::Handshaking { until: now + HANDSHAKE_LIMIT };
        self.shake_hands(now);
    }

    /// Lets OpenSSL read what arrived and answer it.
    fn shake_hands(&mut self, now: Instant) {
        match self.stream.do_handshake() {
            Ok(()) => {
                self.state = State::Proving;
                if self.role == Role::Server {
                    self.last_flight = LastFlight::sent(now, self.stream.get_ref().leaving());
                }
                self.prove();
                self.read_on();
            }
            Err(error) if error.code() == ErrorCode::WANT_READ => {}
            Err(error) => self.fail(&error),
        }
    }

    /// DTLS is done. Is the other side the signalled one? If that is known, the keys can go out.
    fn prove(&mut self) {
        let expected = self.link.lock().expected.clone();
        let Some(expected) = expected else { return };
        match self.connected(&expected) {
            Ok(connected) => {
                self.state = State::Connected;
                self.events.push_back(Event::Connected(Box::new(connected)));
            }
            Err(failure) => {
                self.send_close_notify();
                self.end(Event::Failed(failure));
            }
        }
    }

    fn connected(&self, expected: &[Fingerprint]) -> Result<Connected, Failure> {
        let ssl = self.stream.ssl();
        let openssl = |error: openssl::error::ErrorStack| Failure::OpenSsl(error.to_string());
        let profile = agreed_profile(ssl).ok_or(Failure::NoSharedProfile)?;
        let der =
            ssl.peer_certificate().map(|shown| shown.to_der()).transpose().map_err(openssl)?;
        let der = der.unwrap_or_default(); // none can't be: it was asked for
        if !Fingerprint::any_matches(expected, &der) {
            let shown = Fingerprint::of(HashAlgorithm::Sha256, &der);
            return Err(Failure::FingerprintMismatch { shown });
        }
        let algorithm = expected.iter().map(|f| f.algorithm).max();
        let mut exported = vec![0; MasterKeys::exported_length(profile)];
        ssl.export_keying_material(&mut exported, MasterKeys::LABEL, None).map_err(openssl)?;
        let keys = MasterKeys::split(profile, self.role, &exported);
        super::keys::wipe(&mut exported);
        let cipher = ssl.current_cipher();
        Ok(Connected {
            version: ssl.version_str(),
            cipher: cipher.and_then(|cipher| cipher.standard_name()).unwrap_or("unknown"),
            profile,
            remote_fingerprint: Fingerprint::of(algorithm.unwrap_or(HashAlgorithm::Sha256), &der),
            remote_certificate: der,
            keys: keys.map_err(|error| Failure::OpenSsl(error.to_string()))?,
        })
    }

    /// Reads what comes after the handshake: a repeated flight, which OpenSSL answers with its own last
    /// one; close_notify; application data, which nobody wants.
    fn read_on(&mut self) {
        let mut unwanted = [0; 2_048];
        while matches!(self.state, State::Proving | State::Connected) {
            match self.stream.ssl_read(&mut unwanted) {
                Ok(_) => self.dropped += 1,
                Err(error) if error.code() == ErrorCode::WANT_READ => return,
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                    self.send_close_notify(); // answered in kind (RFC 5246 section 7.2.1)
                    self.end(Event::Closed);
                }
                Err(error) => self.fail(&error),
            }
        }
    }

    fn send_close_notify(&mut self) {
        // An error can only mean that OpenSSL has nothing left to say.
        let _ = self.stream.shutdown();
    }

    fn end(&mut self, last: Event) {
        self.state = State::Ended;
        self.events.push_back(last);
    }

    fn fail(&mut self, error: &openssl::ssl::Error) {
        let failure =
            Failure::classify(error, &mut self.link.lock(), self.stream.get_ref().leaving());
        self.end(Event::Failed(failure));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NOW: Instant = Instant::from_millis(100);

    /// Remembers every change of state, as an arrow of the diagram.
    struct Recorded<'r> {
        handshake: Handshake,
        arrows: &'r mut BTreeSet<String>,
    }

    impl Recorded<'_> {
        fn handle(&mut self, now: Instant, input: Input<'_>) {
            let name = |state: State| format!("{state:?}").split(' ').next().unwrap().to_owned();
            let input_name = format!("{input:?}").split('(').next().unwrap().to_owned();
            let from = name(self.handshake.state);
            self.handshake.handle_input(now, input);
            let to = name(self.handshake.state);
            if from != to {
                self.arrows.insert(format!("{from} {input_name} {to}"));
            }
        }

        fn drain(&mut self) -> Vec<Vec<u8>> {
            let mut datagrams = Vec::new();
            loop {
                match self.handshake.poll_output() {
                    Output::Transmit(datagram) => datagrams.push(datagram.to_vec()),
                    Output::Event(_) => {}
                    Output::Timeout(_) => return datagrams,
                }
            }
        }
    }

    /// How far a scenario's server gets before the input in question.
    #[derive(Clone, Copy, PartialEq)]
    enum Until {
        New,
        Handshaking,
        Done,
    }

    /// A server that expects `expected`, and a client that accepts it; then one more input.
    fn scenario(arrows: &mut BTreeSet<String>, expected: Option<&str>, until: Until, last: &str) {
        let [a, b] = [(); 2].map(|()| Certificate::generate().unwrap());
        let of = |certificate: &Certificate| [certificate.fingerprint(HashAlgorithm::Sha256)];
        let signalled = |what: &str| if what == "right" { of(&a) } else { of(&b) };
        let mut client = Handshake::new(&a, Role::Client).unwrap();
        client.handle_input(NOW, Input::Expect(&of(&b)));
        let mut mine = BTreeSet::new();
        let mut client = Recorded { handshake: client, arrows: &mut mine };
        let mut server = Recorded { handshake: Handshake::new(&b, Role::Server).unwrap(), arrows };
        if let Some(what) = expected {
            server.handle(NOW, Input::Expect(&signalled(what)));
        }
        client.handle(NOW, Input::Timer);
        let rounds = [Until::New, Until::Handshaking, Until::Done].iter();
        for _ in rounds.take_while(|stage| **stage != until) {
            for _ in 0..2 {
                client.drain().iter().for_each(|d| server.handle(NOW, Input::Datagram(d)));
                if until == Until::Done {
                    server.drain().iter().for_each(|d| client.handle(NOW, Input::Datagram(d)));
                }
            }
        }
        server.handle(NOW, Input::Heard);
        match last {
            "goodbye" => {
                client.handle(NOW, Input::Close);
                client.drain().iter().for_each(|d| server.handle(NOW, Input::Datagram(d)));
            }
            "late" => server.handle(NOW + HANDSHAKE_LIMIT, Input::Timer),
            "close" => server.handle(NOW, Input::Close),
            what => server.handle(NOW, Input::Expect(&signalled(what))),
        }
        for input in [Input::Timer, Input::Heard, Input::Expect(&[]), Input::Datagram(&[20])] {
            if server.handshake.state == State::Ended {
                server.handle(NOW, input);
                assert_eq!(server.handshake.state, State::Ended, "{input:?}");
            }
        }
        server.arrows.append(&mut mine);
    }

    #[test]
    fn the_diagram_shows_every_change_of_state() {
        let mut seen = BTreeSet::new();
        for expected in [None, Some("right"), Some("wrong")] {
            for until in [Until::New, Until::Handshaking, Until::Done] {
                for last in ["goodbye", "late", "close", "right", "wrong"] {
                    scenario(&mut seen, expected, until, last);
                }
            }
        }
        let drawn: BTreeSet<String> = include_str!("handshake.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! ")?.split_once("--> "))
            .map(|(left, right)| {
                let (from, input) = left.split_once(' ').unwrap();
                let to = right.split(' ').next().unwrap();
                format!("{from} {} {to}", input.trim_matches('-'))
            })
            .collect();
        assert_eq!(seen, drawn);
    }
}
