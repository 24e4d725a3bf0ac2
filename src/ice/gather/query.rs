//! One Binding request from one base to one server, and what keeps its mapping alive.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::StdRng;

use super::{Found, Sent};
use crate::ice::candidate::PathId;
use crate::ice::pair::LocalId;
use crate::stun::transaction::{
    Event as RequestEvent, Input as RequestInput, Output as RequestOutput, Request, Timing,
};
use crate::stun::{Class, Message, MessageWriter, Method, TransactionId};
use crate::time::Instant;

/// "Where do you see me?", from one base to one server.
#[derive(Debug)]
pub(super) struct Query {
    base: LocalId,
    pub(super) path: PathId,
    pub(super) server: SocketAddr,
    /// How good the base is: 0 is the best.
    pub(super) rank: usize,
    state: QueryState,
}

#[derive(Debug)]
enum QueryState {
    /// Its turn has not come.
    Waiting,
    Asked(Request),
    /// It was answered; the mapping is kept alive.
    Answered {
        again: Instant,
    },
    Failed,
}

/// NATs keep a mapping for 15 s at the very least (RFC 8445 section 11).
const KEEP_ALIVE: Duration = Duration::from_secs(15);

impl Query {
    pub(super) fn new(base: LocalId, path: PathId, server: SocketAddr, rank: usize) -> Self {
        Self { base, path, server, rank, state: QueryState::Waiting }
    }

    /// Whether it may still be answered.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, QueryState::Waiting | QueryState::Asked(_))
    }

    /// Time has come; says what is to be sent to keep the mapping alive.
    pub(super) fn tick(&mut self, now: Instant, rng: &mut StdRng) -> Option<Sent> {
        match &mut self.state {
            QueryState::Asked(request) => request.handle_input(now, RequestInput::Timer),
            QueryState::Answered { again } if *again <= now => {
                *again = now + KEEP_ALIVE;
                let (mut bytes, id) = (Vec::new(), TransactionId::random(rng));
                MessageWriter::new(&mut bytes, Class::Indication, Method::BINDING, id).finish();
                return Some((self.path, self.server, bytes));
            }
            _ => {}
        }
        None
    }

    pub(super) fn on_response(&mut self, now: Instant, message: &Message<'_>) -> Found {
        let mapped = message.xor_mapped_address().or_else(|| message.mapped_address());
        let (base, server) = (self.base, self.server);
        match mapped.filter(|_| message.class() == Class::Success) {
            Some(mapped) => {
                self.state = QueryState::Answered { again: now + KEEP_ALIVE };
                Found::Reflexive { base, server, mapped }
            }
            None => {
                self.state = QueryState::Failed;
                Found::Unanswered(server)
            }
        }
    }

    pub(super) fn waits(&self) -> bool {
        matches!(self.state, QueryState::Waiting)
    }

    pub(super) fn awaits(&self, id: TransactionId) -> bool {
        matches!(&self.state, QueryState::Asked(request) if request.id() == id)
    }

    pub(super) fn ask(&mut self, now: Instant, rng: &mut StdRng) {
        let (mut bytes, id) = (Vec::new(), TransactionId::random(rng));
        MessageWriter::new(&mut bytes, Class::Request, Method::BINDING, id).finish();
        self.state = QueryState::Asked(Request::new(now, id, bytes, Timing::default()));
    }

    pub(super) fn pump(
        &mut self,
        outgoing: &mut VecDeque<Sent>,
        found: &mut Vec<Found>,
        due: &mut Vec<Instant>,
    ) {
        if let QueryState::Answered { again } = self.state {
            due.push(again);
        }
        while let QueryState::Asked(request) = &mut self.state {
            match request.poll_output() {
                RequestOutput::Transmit(bytes) => {
                    outgoing.push_back((self.path, self.server, bytes.to_vec()));
                }
                RequestOutput::Event(RequestEvent::Answered { .. }) => {}
                RequestOutput::Event(RequestEvent::GaveUp) => {
                    self.state = QueryState::Failed;
                    found.push(Found::Unanswered(self.server));
                }
                RequestOutput::Timeout(at) => {
                    due.extend(at);
                    return;
                }
            }
        }
    }
}
