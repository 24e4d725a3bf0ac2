//! Strangers flood a call, from addresses that they make up: what they send never makes halloo send more, be it
//! to an address that they name or to the other side of the call. In virtual time.
//!
//! They know what somebody on the way may know: our ufrag, and datagrams of the call, which they spoil. (Who
//! repeats a genuine check from elsewhere is answered, as RFC 8445 has it, and that address is checked:
//! `ice_third_parties.rs` counts such checks.)
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation)]

mod common {
    pub mod call;
    pub mod listen;
}

use std::net::SocketAddr;
use std::time::Duration;

use common::call::{Call, Who, recorded};
use halloo::ice::PathId;
use halloo::net::impair::Impairment;
use halloo::peer::{Input, Output, Route, Router};
use halloo::stun::{
    Attribute, Class, IntegrityKey, MessageWriter, Method, TransactionId, XorAddress,
};
use halloo::time::Instant;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};

/// One in a millisecond.
const FLOOD: u32 = 12_000;
const PATH: PathId = PathId(0);
/// The shortest request has 20 bytes, and must be refused all the same (RFC 8489 section 9.1.3).
const BARE_REFUSAL: usize = 36;

/// How far the call is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    /// Alice's offer is out, and nobody is known yet.
    Offered,
    /// Both know each other, and nothing has passed yet.
    Described,
    Connected,
}

/// What stands before the peer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Gate {
    /// The one socket of many calls.
    Router,
    /// Nothing: a socket of the call's own.
    Open,
}

/// A silent call, whose network loses all that Bob would answer from here on.
fn call_at(moment: Moment) -> Call {
    let mut call = Call::new(1, &Impairment::default());
    for who in [Who::Alice, Who::Bob] {
        call.side(who).has_microphone = false;
        call.side(who).has_loudspeaker = false;
    }
    match moment {
        Moment::Offered => drop(call.alice.peer.make_offer(call.now).unwrap()),
        Moment::Described => call.signal(),
        Moment::Connected => {
            call.signal();
            call.connect();
            call.run_for(Duration::from_secs(3));
        }
    }
    call
}

struct Stranger {
    rng: StdRng,
    real: Vec<Vec<u8>>,
    /// Alice's.
    ufrag: String,
    bob: SocketAddr,
}

impl Stranger {
    fn datagram(&mut self) -> Vec<u8> {
        match self.rng.random_range(0..5_u8) {
            0 | 1 => self.stun(),
            2 => self.channel_data(),
            3 => {
                let mut noise = vec![0; self.rng.random_range(1..1_500)];
                self.rng.fill_bytes(&mut noise);
                noise[0] = *[0, 20, 22, 23, 64, 128, 144].choose(&mut self.rng).unwrap();
                noise
            }
            _ => self.spoilt(),
        }
    }

    /// From somewhere: half of all claim to be Bob.
    fn source(&mut self) -> SocketAddr {
        if self.rng.random() {
            return self.bob;
        }
        SocketAddr::from((
            [203, 0, 113, self.rng.random()],
            self.rng.random_range(1_024..=u16::MAX),
        ))
    }

    /// STUN that is well formed, down to the shortest there is.
    fn stun(&mut self) -> Vec<u8> {
        use Class::{Error, Indication, Request, Success};
        let class =
            *[Request, Request, Request, Indication, Success, Error].choose(&mut self.rng).unwrap();
        let other = [Method::ALLOCATE, Method::REFRESH, Method::SEND, Method::DATA];
        let method = if self.rng.random_bool(0.7) {
            Method::BINDING
        } else {
            *other.choose(&mut self.rng).unwrap()
        };
        let (ufrag, long) = (self.ufrag.clone(), format!("{}:stranger", self.ufrag));
        let name = *[None, Some(ufrag.as_str()), Some(&long), Some("nobody:nobody")]
            .choose(&mut self.rng)
            .unwrap();
        let victim = XorAddress(([203, 0, 113, 7], 7).into());
        let noise: [u8; 40] = self.rng.random();
        let mut extra = vec![
            Attribute::Priority(self.rng.random()),
            Attribute::UseCandidate,
            Attribute::IceControlled(self.rng.random()),
            Attribute::IceControlling(u64::MAX),
            Attribute::XorPeerAddress(victim),
            Attribute::XorMappedAddress(victim),
            Attribute::Unknown { number: 0x7ffe, value: &noise[..self.rng.random_range(0..40)] },
            Attribute::Data(&noise),
        ];
        extra.retain(|_| self.rng.random_bool(0.2));
        let mut out = Vec::new();
        let id = TransactionId(self.rng.random());
        let mut writer = MessageWriter::new(&mut out, class, method, id)
            .attributes(name.map(Attribute::Username))
            .attributes(extra);
        let key = IntegrityKey::short_term("a+guess+of+24+characters");
        writer = match self.rng.random_range(0..4_u8) {
            0 => writer.integrity(&key),
            1 => writer.integrity_sha256_cut(&key, 16),
            _ => writer,
        };
        writer.fingerprint().finish().to_vec()
    }

    fn channel_data(&mut self) -> Vec<u8> {
        let length = self.rng.random_range(0..300_u16);
        let mut out = self.rng.random_range(0x4000..0x5000_u16).to_be_bytes().to_vec();
        out.extend(length.to_be_bytes());
        out.resize(4 + usize::from(length), 0);
        self.rng.fill_bytes(&mut out[4..]);
        out
    }

    /// Something of the call, with bytes changed, or cut off.
    fn spoilt(&mut self) -> Vec<u8> {
        let mut bytes = self.real.choose(&mut self.rng).unwrap().clone();
        if self.rng.random() {
            bytes.truncate(self.rng.random_range(1..bytes.len()));
        }
        for _ in 0..self.rng.random_range(1..4) {
            let at = self.rng.random_range(0..bytes.len());
            bytes[at] ^= self.rng.random_range(1..=255_u8);
        }
        bytes
    }
}

/// Bytes that Alice sends by now, to Bob and to others.
fn drain(now: Instant, call: &mut Call, due: &mut Option<Instant>) -> [usize; 2] {
    let mut sent = [0; 2];
    loop {
        match call.alice.peer.poll_output() {
            Output::Transmit { to, bytes, .. } => {
                sent[usize::from(to != call.bob.addr)] += bytes.len();
            }
            Output::Timeout(at) if at.is_some_and(|at| at <= now) => {
                call.alice.peer.handle_input(now, Input::Timer);
            }
            Output::Timeout(at) => {
                *due = at;
                return sent;
            }
            Output::Event(_) | Output::NameToResolve(_) => {}
            other @ (Output::OpenRelay { .. } | Output::CloseRelay(_)) => panic!("{other:?}"),
        }
    }
}

/// A stranger's flood, or as much time without it: bytes that came, and that left for Bob and for others.
fn flood(call: &mut Call, mut stranger: Option<Stranger>, gate: Gate) -> (usize, [usize; 2]) {
    let mut router = Router::default();
    router.register(call.alice.peer.ufrag(), 1);
    router.learn(PATH, call.bob.addr, 1);
    let (mut now, mut due) = (call.now, None);
    let (mut came, mut left) = (0, [0; 2]);
    drain(now, call, &mut due);
    for _ in 0..FLOOD {
        now += Duration::from_millis(1);
        if due.is_some_and(|due| due <= now) {
            call.alice.peer.handle_input(now, Input::Timer);
            let sent = drain(now, call, &mut due);
            left = [left[0] + sent[0], left[1] + sent[1]];
        }
        let Some(stranger) = &mut stranger else { continue };
        let (mut bytes, from) = (stranger.datagram(), stranger.source());
        came += bytes.len();
        let passes = gate == Gate::Open
            || match router.route(PATH, from, &bytes) {
                Route::Call(_) => true,
                Route::Answer(id) => call.alice.peer.awaits(id),
                Route::Nobody => false,
            };
        if passes {
            let length = bytes.len();
            let shown = format!("{bytes:02x?}");
            let input = Input::Datagram { path: PATH, from, bytes: &mut bytes };
            call.alice.peer.handle_input(now, input);
            let sent = drain(now, call, &mut due);
            let most = length.max(BARE_REFUSAL);
            assert!(sent[0] + sent[1] <= most, "{sent:?} bytes for {length}: {shown}");
            left = [left[0] + sent[0], left[1] + sent[1]];
        }
    }
    (came, left)
}

#[test]
fn a_stranger_gets_no_more_bytes_out_of_a_call_than_he_sends() {
    let real = recorded(1);
    for moment in [Moment::Offered, Moment::Described, Moment::Connected] {
        let (_, quiet) = flood(&mut call_at(moment), None, Gate::Open);
        for gate in [Gate::Router, Gate::Open] {
            let mut call = call_at(moment);
            let stranger = Stranger {
                rng: StdRng::seed_from_u64(7),
                real: real.clone(),
                ufrag: call.alice.peer.ufrag().to_owned(),
                bob: call.bob.addr,
            };
            let (came, left) = flood(&mut call, Some(stranger), gate);
            let case = format!("{moment:?}, {gate:?}");
            println!("{case}: {came} bytes came, {left:?} left, {quiet:?} without them");
            assert_eq!(quiet[1], 0, "{case}: only Bob is known");
            assert!(left[1] > 0, "{case}: he is refused, so this counts something");
            assert!(left[0] + left[1] <= quiet[0] + came, "{case}");
            // Most of it is not worth a word.
            assert!(left[1] * 4 < came, "{case}");
            assert!(!call.alice.peer.is_ended(), "{case}");
        }
    }
}
