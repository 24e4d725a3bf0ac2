//! Two whole peers and a bad network between them, in virtual time.
//!
//! Time jumps from event to event: a datagram arrives, a timer is due, ten milliseconds of sound are
//! there. Everything but OpenSSL's own random bytes follows from the seed. OpenSSL re-sends by the wall
//! clock, which stands still here: so the wire delays DTLS datagrams but spoils none of them, and their
//! number doesn't decide what happens to others.
#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use halloo::audio::{Channels, Frame};
use halloo::dtls_srtp::Certificate;
use halloo::ice::PathId;
use halloo::net::impair::{Direction, Impairment, Link};
use halloo::peer::config::Config;
use halloo::peer::demux::{Protocol, classify};
use halloo::peer::event::{End, Event};
use halloo::peer::{Input, Output, Peer};
use halloo::sdp::Description;
use halloo::time::Instant;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::listen::Recording;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Alice, at 192.0.2.1.
    Alice,
    /// Bob, at 192.0.2.2.
    Bob,
}

impl Who {
    /// The one at the far end.
    pub fn other(self) -> Self {
        match self {
            Self::Alice => Self::Bob,
            Self::Bob => Self::Alice,
        }
    }
}

/// One person's side.
pub struct Side {
    /// Their peer.
    pub peer: Peer,
    /// Their address.
    pub addr: SocketAddr,
    /// What they were told, and when.
    pub events: Vec<(Instant, Event)>,
    /// Every sample that they heard.
    pub heard: Vec<f32>,
    /// Pitch of the tone they make; 0 is silence.
    pub tone: f32,
    /// How many multiples of it sound with it: a tone has 1, a voice many, and four syllables a second.
    pub overtones: u16,
    /// Pitch of a second tone, on the right: they speak in stereo.
    pub right: Option<f32>,
    /// Every sample heard on the right, if it is heard in stereo.
    pub heard_right: Vec<f32>,
    /// Whether they speak at all: without, a long call is run through quickly.
    pub has_microphone: bool,
    /// Whether they listen.
    pub has_loudspeaker: bool,
    /// Mono or stereo loudspeakers.
    pub loudspeakers: Channels,
    spoken: usize,
    timeout: Option<Instant>,
}

/// Looks at, may change, and may lose (by false) a datagram that somebody hands over.
pub type Filter = Box<dyn FnMut(Instant, Who, &mut Vec<u8>) -> bool>;

/// How much longer a datagram takes that somebody hands over.
pub type Detour = Box<dyn FnMut(Who, &[u8]) -> Duration>;

/// A call between two.
pub struct Call {
    /// The virtual time.
    pub now: Instant,
    /// Makes sound, hears sound.
    pub alice: Side,
    /// The other one.
    pub bob: Side,
    /// Every datagram that was handed to the network: when, by whom, which protocol, how long.
    pub trace: Vec<(Instant, Who, Option<Protocol>, usize)>,
    /// What becomes of a datagram beside the impairment: false loses it.
    pub filter: Filter,
    /// What a datagram takes longer than the impairment says.
    pub detour: Detour,
    /// Looks at every datagram as it arrives.
    pub arrival: Filter,
    to_bob: Link,
    to_alice: Link,
    delay: Duration,
    under_way: BTreeMap<(Instant, u64), (Who, Vec<u8>)>,
    handed_over: u64,
    next_frame: Instant,
}

const FRAME: Duration = Duration::from_millis(10);

impl Call {
    /// Two peers that know their own addresses and nothing of each other.
    pub fn new(seed: u64, impairment: &Impairment) -> Self {
        Self::with_configs(seed, impairment, Config::default(), Config::default())
    }

    /// The same with settings.
    pub fn with_configs(seed: u64, impairment: &Impairment, alice: Config, bob: Config) -> Self {
        let impairment = Impairment { seed, ..*impairment };
        Self {
            now: Instant::ZERO,
            alice: Side::new(alice, seed * 2, [192, 0, 2, 1], 440.0),
            bob: Side::new(bob, seed * 2 + 1, [192, 0, 2, 2], 660.0),
            trace: Vec::new(),
            filter: Box::new(|_, _, _| true),
            detour: Box::new(|_, _| Duration::ZERO),
            arrival: Box::new(|_, _, _| true),
            to_bob: Link::new(&impairment, Direction::Out),
            to_alice: Link::new(&impairment, Direction::In),
            delay: impairment.delay,
            under_way: BTreeMap::new(),
            handed_over: 0,
            next_frame: Instant::ZERO,
        }
    }

    /// One of the two.
    pub fn side(&mut self, who: Who) -> &mut Side {
        match who {
            Who::Alice => &mut self.alice,
            Who::Bob => &mut self.bob,
        }
    }

    /// Alice offers, Bob answers, at once.
    pub fn signal(&mut self) {
        self.signal_from(Who::Alice);
    }

    /// `who` offers, the other answers, at once.
    pub fn signal_from(&mut self, who: Who) {
        let now = self.now;
        let offer = self.side(who).peer.make_offer(now).unwrap();
        let answer = self.side(who.other()).peer.accept_offer(now, &offer).unwrap();
        self.side(who).peer.accept_answer(now, &answer).unwrap();
        self.drain_both();
    }

    /// `who` offers and the other answers, while somebody rewrites both on their way.
    pub fn signal_edited(
        &mut self,
        who: Who,
        edit_offer: impl FnOnce(String) -> String,
        edit_answer: impl FnOnce(String) -> String,
    ) {
        let now = self.now;
        let offer = edited(&self.side(who).peer.make_offer(now).unwrap(), edit_offer);
        let answer = self.side(who.other()).peer.accept_offer(now, &offer).unwrap();
        let answer = edited(&answer, edit_answer);
        self.side(who).peer.accept_answer(now, &answer).unwrap();
        self.drain_both();
    }

    /// Gives a datagram to `to`, as if the other one had sent it.
    pub fn inject(&mut self, to: Who, bytes: &[u8]) {
        let (now, from, mut bytes) = (self.now, self.side(to.other()).addr, bytes.to_vec());
        let input = Input::Datagram { path: PathId(0), from, bytes: &mut bytes };
        self.side(to).peer.handle_input(now, input);
        self.drain_both();
    }

    /// `who` hangs up.
    pub fn hang_up(&mut self, who: Who) {
        let now = self.now;
        self.side(who).peer.handle_input(now, Input::Close);
        self.drain_both();
    }

    /// Lets time pass until `done`, at most until `limit` from now; says whether it was done.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + limit;
        self.drain_both();
        while !done(self) {
            if !self.step(end) {
                return false;
            }
        }
        true
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Runs until both are connected.
    pub fn connect(&mut self) {
        let connected =
            |call: &Self| call.alice.peer.is_connected() && call.bob.peer.is_connected();
        assert!(
            self.run_until(Duration::from_secs(60), connected),
            "not connected: alice {:?}, bob {:?}",
            self.alice.events,
            self.bob.events
        );
    }

    /// Whether something happened before `end`.
    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.under_way.keys().next().map(|(at, _)| *at);
        let timers = [self.alice.timeout, self.bob.timeout];
        let next = [arrival, Some(self.next_frame)].into_iter().chain(timers).flatten().min();
        let next = next.unwrap_or(end).max(self.now);
        if next > end {
            self.now = end;
            return false;
        }
        self.now = next;
        if arrival.is_some_and(|at| at <= next) {
            self.deliver_one();
        } else if self.next_frame <= next {
            self.next_frame += FRAME;
            self.alice.sound(next);
            self.bob.sound(next);
        } else {
            for side in [&mut self.alice, &mut self.bob] {
                if side.timeout.is_some_and(|due| due <= next) {
                    side.peer.handle_input(next, Input::Timer);
                }
            }
        }
        self.drain_both();
        true
    }

    fn deliver_one(&mut self) {
        let Some((_, (to, mut bytes))) = self.under_way.pop_first() else { return };
        let (now, from) = (self.now, self.side(to.other()).addr);
        if !(self.arrival)(now, to.other(), &mut bytes) {
            return;
        }
        let input = Input::Datagram { path: PathId(0), from, bytes: &mut bytes };
        self.side(to).peer.handle_input(now, input);
    }

    fn drain_both(&mut self) {
        for who in [Who::Alice, Who::Bob] {
            let now = self.now;
            for bytes in self.side(who).drain(now) {
                self.hand_over(who, bytes);
            }
        }
    }

    fn hand_over(&mut self, who: Who, mut bytes: Vec<u8>) {
        let protocol = classify(&bytes);
        self.trace.push((self.now, who, protocol, bytes.len()));
        if !(self.filter)(self.now, who, &mut bytes) {
            return;
        }
        let link = match who {
            Who::Alice => &mut self.to_bob,
            Who::Bob => &mut self.to_alice,
        };
        let arrivals: Vec<_> = match protocol {
            Some(Protocol::Dtls) => vec![self.now + self.delay],
            _ => link.carry(self.now, &bytes).collect(),
        };
        let longer = (self.detour)(who, &bytes);
        for at in arrivals {
            self.handed_over += 1;
            self.under_way.insert((at + longer, self.handed_over), (who.other(), bytes.clone()));
        }
    }
}

impl Side {
    fn new(config: Config, seed: u64, ip: [u8; 4], tone: f32) -> Self {
        let certificate = Arc::new(Certificate::generate().unwrap());
        let mut peer = Peer::new(config.clone(), certificate, StdRng::seed_from_u64(seed));
        let addr = SocketAddr::from((ip, 5_000));
        peer.handle_input(Instant::ZERO, Input::LocalAddress { path: PathId(0), addr });
        peer.handle_input(Instant::ZERO, Input::LocalAddressesDone);
        Self {
            peer,
            addr,
            events: vec![],
            heard: vec![],
            tone,
            overtones: 1,
            right: None,
            heard_right: vec![],
            has_microphone: true,
            has_loudspeaker: true,
            loudspeakers: config.opus.channels(),
            spoken: 0,
            timeout: None,
        }
    }

    /// How it ended, and when; none while it goes on.
    pub fn ended(&self) -> Option<(Instant, End, &str)> {
        self.events.iter().find_map(|(at, event)| match event {
            Event::Ended { reason, end, .. } => Some((*at, *end, reason.as_str())),
            _ => None,
        })
    }

    /// When they were told of an event like this for the first time.
    pub fn told_at(&self, like: impl Fn(&Event) -> bool) -> Option<Instant> {
        self.events.iter().find(|(_, event)| like(event)).map(|(at, _)| *at)
    }

    /// What they heard in the last seconds.
    pub fn heard_last(&self, seconds: f64) -> Recording {
        Recording { samples: self.heard.clone(), rate: 48_000 }.last(seconds)
    }

    /// One member of one dictionary of the statistics.
    pub fn stat(&self, now: Instant, kind: &str, member: &str) -> serde_json::Value {
        let report = serde_json::to_value(self.peer.stats(now)).unwrap();
        let of_kind = |stats: &&serde_json::Value| stats["type"] == kind;
        let found = report.as_object().unwrap().values().find(of_kind).map(|s| s[member].clone());
        found.unwrap_or_default()
    }

    /// Whether they were told of an event like this.
    pub fn was_told(&self, like: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(|(_, event)| like(event))
    }

    /// Ten milliseconds go in by the microphone and come out of the loudspeaker.
    fn sound(&mut self, now: Instant) {
        if self.has_microphone {
            let frame = self.spoken_frame();
            self.peer.handle_input(now, Input::Audio(&frame));
        }
        if self.has_loudspeaker {
            self.listen(now);
        }
    }

    fn spoken_frame(&mut self) -> Frame {
        let channels = if self.right.is_some() { Channels::Stereo } else { Channels::Mono };
        let mut frame = Frame::silence(channels);
        let pitches = [self.tone, self.right.unwrap_or(self.tone)];
        let silent = pitches == [0.0; 2];
        for samples in frame.samples_mut().chunks_mut(channels.count()).filter(|_| !silent) {
            for (sample, pitch) in samples.iter_mut().zip(pitches) {
                // Each pitch is a whole number of hertz: after a second all is as it was.
                let cycles = (self.spoken % 48_000) as f32 * pitch / 48_000.0;
                let overtone = |n: u16| (cycles * f32::from(n)).fract() * std::f32::consts::TAU;
                let sum: f32 = (1..=self.overtones).map(|n| overtone(n).sin() / f32::from(n)).sum();
                let syllable =
                    if self.overtones == 1 { 1.0 } else { (cycles * 4.0 / pitch).fract() };
                *sample = 0.5 * sum * syllable;
            }
            self.spoken += 1;
        }
        frame
    }

    fn listen(&mut self, now: Instant) {
        let mut frame = Frame::silence(self.loudspeakers);
        self.peer.play(now, &mut frame);
        if self.loudspeakers == Channels::Stereo {
            self.heard.extend(frame.samples().iter().step_by(2));
            self.heard_right.extend(frame.samples().iter().skip(1).step_by(2));
        } else {
            self.heard.extend_from_slice(frame.samples());
        }
        if self.heard.len() > 60 * 48_000 {
            self.heard.drain(..30 * 48_000); // calls of hours would fill the memory
        }
    }

    fn drain(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        loop {
            match self.peer.poll_output() {
                Output::Transmit { bytes, .. } => datagrams.push(bytes.to_vec()),
                Output::Event(event) => self.events.push((now, event)),
                other @ (Output::OpenRelay { .. } | Output::CloseRelay(_)) => panic!("{other:?}"),
                Output::NameToResolve(name) => {
                    let unknown = Input::NameResolved { name, addr: None };
                    self.peer.handle_input(now, unknown);
                }
                Output::Timeout(timeout) => {
                    self.timeout = timeout;
                    return datagrams;
                }
            }
        }
    }
}

/// A description as somebody else would have written it.
pub fn edited(description: &Description, edit: impl FnOnce(String) -> String) -> Description {
    edit(description.to_string()).parse().unwrap()
}

/// The datagrams of a call of two seconds: some of each protocol.
pub fn recorded(seed: u64) -> Vec<Vec<u8>> {
    let mut call = Call::new(seed, &Impairment::default());
    let real = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let kept = std::rc::Rc::clone(&real);
    call.filter = Box::new(move |_, _, bytes| {
        kept.borrow_mut().push(bytes.clone());
        true
    });
    call.signal();
    call.connect();
    call.run_for(Duration::from_secs(2));
    let real = real.borrow().clone();
    for protocol in [Protocol::Stun, Protocol::Dtls, Protocol::Rtp, Protocol::Rtcp] {
        assert!(real.iter().any(|bytes| classify(bytes) == Some(protocol)), "{protocol:?}");
    }
    real
}
