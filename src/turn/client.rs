//! The client: joins allocation, permissions and channels into one machine.
//!
//! Any number of [`Input`]s, then [`Client::poll_output`] until it says `Timeout`. What the server sends goes
//! to [`Client::receive`], which says whether it is a peer's packet; what goes to a peer is framed by
//! [`Client::wrap`], in place. It never fails: what is hostile, late or repeated is dropped and counted.
//!
//! Whose answer a message is, its transaction id says; whether the server wrote it, its integrity. Only
//! challenges can't be proved: so they are taken up a few times and no more, and once there is an allocation
//! only from the realm in which it was made. If nothing better comes than one of another realm, then the
//! server is not the one that gave us the allocation, or has forgotten it: it is lost.
//!
//! Where to look: `client/answers.rs`: what the server's answers mean.

mod answers;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use rand::rngs::StdRng;

use super::allocation::{Families, Signal, State};
use super::channel::Channels;
use super::data::{self, Content};
use super::interface::{Carrier, Config, Dropped, Ended, Event, Input, Output, User};
use super::permission::Permissions;
use super::reason::Reason;
use super::transaction::{Purpose, Transaction};
use crate::stun::TransactionId;
use crate::stun::credential::LongTerm;
use crate::stun::transaction::{
    Event as RequestEvent, Input as RequestInput, Output as RequestOutput,
};
use crate::time::Instant;

/// A client of one server, by one socket or stream.
#[derive(Debug)]
pub struct Client {
    carrier: Carrier,
    credential: Option<LongTerm>,
    rng: StdRng,
    /// The latest moment we were told.
    now: Instant,
    state: State,
    /// When the allocation has to be refreshed.
    refresh_at: Option<Instant>,
    /// Until then a server that doesn't answer is asked again and again.
    probes_until: Instant,
    /// Somebody said in the server's name that we are known elsewhere. Then it counts, unless an answer
    /// that is proved comes first.
    elsewhere_at: Option<Instant>,
    /// What to say of the end, when the allocation is given back.
    verdict: Ended,
    permissions: Permissions,
    channels: Channels,
    transactions: Vec<Transaction>,
    events: VecDeque<Event>,
    /// The message that is lent out.
    message: Vec<u8>,
    /// What stands in front of a packet in a Send indication.
    head: Vec<u8>,
    dropped: Dropped,
}

/// For so long a server that may have gone is asked in a hurry: after that there is no consent to send, either.
const PROBING: Duration = Duration::from_secs(30);

impl Client {
    /// Asks for an allocation at once. `rng` must be seeded from the system's randomness (a fixed seed in
    /// tests): who guesses it can forge answers.
    #[must_use]
    pub fn new(now: Instant, config: &Config, rng: StdRng) -> Self {
        let mut client = Self {
            carrier: config.carrier,
            credential: config.user.as_ref().map(User::credential),
            rng,
            now,
            state: State::Asking,
            refresh_at: None,
            probes_until: Instant::ZERO,
            elsewhere_at: None,
            verdict: Ended::Closed,
            permissions: Permissions::default(),
            channels: Channels::default(),
            transactions: Vec::new(),
            events: VecDeque::new(),
            message: Vec::new(),
            head: Vec::new(),
            dropped: Dropped::default(),
        };
        client.start(Purpose::Allocate(Families::Both));
        client
    }

    /// Something happened. `now` doesn't go backwards.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.now = self.now.max(now);
        if self.state == State::Over {
            return;
        }
        match input {
            Input::Timer => {
                for transaction in &mut self.transactions {
                    transaction.request.handle_input(now, RequestInput::Timer);
                }
            }
            Input::Permit(ip) => {
                self.permissions.want(ip);
            }
            Input::Bind(peer) => {
                self.permissions.want(peer.ip());
                self.channels.want(peer);
            }
            Input::Probe => self.probe(),
            Input::Disconnected => self.end(Ended::Failed(Reason::Disconnected)),
            Input::Close => self.close(Ended::Closed),
        }
        self.start_what_is_due();
    }

    /// A datagram or message from the server. If it brings a peer's packet: whose, and in which of its
    /// bytes.
    pub fn receive(&mut self, now: Instant, datagram: &[u8]) -> Option<(SocketAddr, Range<usize>)> {
        self.now = self.now.max(now);
        let (peer, range) = match data::content(datagram) {
            Content::Channel(channel, range) => {
                let peer = self.channels.peer_of(self.now, channel);
                self.dropped.unknown_channels += u64::from(peer.is_none());
                (peer?, range)
            }
            Content::Indication(peer, range) => (peer, range),
            Content::Message => {
                self.on_message(datagram);
                self.start_what_is_due();
                return None;
            }
            Content::Malformed => {
                self.dropped.malformed += 1;
                return None;
            }
        };
        if !self.state.is_open() || !self.permissions.allow(self.now, peer.ip()) {
            self.dropped.unpermitted += 1;
            return None;
        }
        Some((peer, range))
    }

    /// Frames the packet in `bytes`, from `start` to the end, for its way to `peer` through the server.
    /// What comes in front is written into the room before `start` ([`super::HEADROOM`] is always enough),
    /// padding behind. Says where the message begins; `None` if nothing may be sent there.
    pub fn wrap(&mut self, peer: SocketAddr, bytes: &mut Vec<u8>, start: usize) -> Option<usize> {
        let begin = self.frame(peer, bytes, start);
        self.dropped.unsendable += u64::from(begin.is_none());
        begin
    }

    fn frame(&mut self, peer: SocketAddr, bytes: &mut Vec<u8>, start: usize) -> Option<usize> {
        if !self.may_send(peer) {
            return None;
        }
        if let Some(channel) = self.channels.number_of(self.now, peer) {
            let framing = data::on_channel(channel, bytes, start)?;
            bytes.get_mut(framing.begin..start)?.copy_from_slice(&framing.header);
            if self.carrier == Carrier::Stream {
                bytes.resize(start + framing.length.next_multiple_of(4), 0);
            }
            return Some(framing.begin);
        }
        let length = bytes.len().checked_sub(start)?;
        let id = TransactionId::random(&mut self.rng);
        data::write_send_head(&mut self.head, id, peer, length)?;
        let begin = start.checked_sub(self.head.len())?;
        bytes.get_mut(begin..start)?.copy_from_slice(&self.head);
        bytes.resize(start + length.next_multiple_of(4), 0);
        Some(begin)
    }

    /// Whether packets to this peer would pass now.
    #[must_use]
    pub fn may_send(&self, peer: SocketAddr) -> bool {
        self.state.is_open() && self.permissions.allow(self.now, peer.ip())
    }

    /// Whether there is an allocation.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// Whether the allocation is being given back.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.state == State::Deleting
    }

    /// Whether a request with this id is ours, and its answer would be welcome.
    #[must_use]
    pub fn awaits(&self, id: TransactionId) -> bool {
        self.transactions.iter().any(|transaction| transaction.request.id() == id)
    }

    /// What was dropped, by reason.
    #[must_use]
    pub fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    /// Call until [`Output::Timeout`]; then wait for that moment or for input.
    pub fn poll_output(&mut self) -> Output<'_> {
        let mut due = self.next_chore();
        let mut place = 0;
        while self.events.is_empty()
            && let Some(transaction) = self.transactions.get_mut(place)
        {
            match transaction.request.poll_output() {
                RequestOutput::Transmit(bytes) => {
                    self.message.clear();
                    self.message.extend_from_slice(bytes);
                    return Output::Transmit(&self.message);
                }
                RequestOutput::Event(RequestEvent::GaveUp) => {
                    let transaction = self.transactions.remove(place);
                    self.on_silence(transaction);
                    self.start_what_is_due();
                    (due, place) = (self.next_chore(), 0);
                }
                RequestOutput::Event(RequestEvent::Answered { .. }) => place += 1,
                RequestOutput::Timeout(at) => {
                    due = [due, at].into_iter().flatten().min();
                    place += 1;
                }
            }
        }
        match self.events.pop_front() {
            Some(event) => Output::Event(event),
            None => Output::Timeout(due),
        }
    }

    fn start(&mut self, purpose: Purpose) {
        let id = TransactionId::random(&mut self.rng);
        let credential = self.credential.as_ref();
        let carrier = self.carrier;
        self.transactions.push(Transaction::new(self.now, purpose, id, carrier, credential));
    }

    /// Takes the place of a refresh whose repetitions may be far apart by now.
    fn probe(&mut self) {
        if self.state.is_open() && !self.is_under_way(|purpose| *purpose == Purpose::Probe) {
            self.probes_until = self.now + PROBING;
            self.transactions.retain(|transaction| transaction.purpose != Purpose::Refresh);
            self.state = self.state.after(Signal::Due);
            self.start(Purpose::Probe);
        }
    }

    /// One of each kind at a time.
    fn start_what_is_due(&mut self) {
        if self.state.is_open() && self.elsewhere_at.is_some_and(|at| at <= self.now) {
            return self.end(Ended::Failed(Reason::Lost));
        }
        if self.state == State::Held && self.refresh_at.is_some_and(|at| at <= self.now) {
            self.state = self.state.after(Signal::Due);
            self.start(Purpose::Refresh);
        }
        if !self.state.is_open() {
            return;
        }
        if !self.is_under_way(|purpose| matches!(purpose, Purpose::Permit(_))) {
            let ips = self.permissions.next(self.now);
            if !ips.is_empty() {
                self.start(Purpose::Permit(ips));
            }
        }
        if !self.is_under_way(|purpose| matches!(purpose, Purpose::Bind(..)))
            && let Some((channel, peer)) = self.channels.next(self.now)
        {
            self.start(Purpose::Bind(channel, peer));
        }
    }

    /// The earliest moment at which [`Self::start_what_is_due`] has something to do.
    fn next_chore(&self) -> Option<Instant> {
        if !self.state.is_open() {
            return None;
        }
        let refresh = self.refresh_at.filter(|_| self.state == State::Held);
        let permit = self.permissions.due();
        let permit = permit.filter(|_| !self.is_under_way(|p| matches!(p, Purpose::Permit(_))));
        let bind = self.channels.due();
        let bind = bind.filter(|_| !self.is_under_way(|p| matches!(p, Purpose::Bind(..))));
        [refresh, permit, bind, self.elsewhere_at].into_iter().flatten().min()
    }

    fn is_under_way(&self, kind: impl Fn(&Purpose) -> bool) -> bool {
        self.transactions.iter().any(|transaction| kind(&transaction.purpose))
    }

    /// Gives the allocation back, if there is one; the verdict is told when that is done.
    fn close(&mut self, verdict: Ended) {
        let held = self.state.is_open();
        self.state = self.state.after(Signal::Close);
        if held {
            self.verdict = verdict;
            self.transactions.clear();
            self.start(Purpose::Delete);
        } else if self.state == State::Over {
            self.end(verdict);
        }
    }

    fn end(&mut self, verdict: Ended) {
        self.state = self.state.after(Signal::Refused); // from everywhere: Over
        self.transactions.clear();
        self.events.push_back(Event::Ended(verdict));
    }
}
