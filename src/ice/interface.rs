//! What the agent is told, what it says, and how it is set up: the types at its border.
//!
//! [`super::Agent`] takes an [`Input`] at a time and answers with [`Output`]s. Read next: `agent.rs`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::candidate::{Candidate, PathId, TcpType};
use super::credentials::Credentials;
use super::gather::RelaySocket;
use super::pair::{LocalId, Pair, PairFigures, PairId, PairState, RemoteId};
use super::server::ServerTransport;
use super::state::State;
use crate::time::Instant;
use crate::turn;

/// Who chooses the pair (RFC 8445 section 6.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Chooses; the side that made the offer.
    Controlling,
    /// Takes what is chosen.
    Controlled,
}

impl Role {
    /// The other side's role, if all is well.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Controlling => Self::Controlled,
            Self::Controlled => Self::Controlling,
        }
    }
}

/// How an agent is set up. `Config::new(role)` is what the RFCs recommend.
#[derive(Clone, Debug)]
pub struct Config {
    /// Until a conflict or a lite peer decides otherwise.
    pub role: Role,
    /// Ta: the time between two checks (RFC 8445 section 14.2).
    pub pace: Duration,
    /// The PAC timer: failure is not declared earlier than this after the remote credentials came
    /// (RFC 8863). A value below the default also ends checks that are still under way. With one above
    /// it, pairs that failed are checked again and again until then, since the other side may come
    /// late; that also keeps open what our NAT opened for them.
    pub patience: Duration,
    /// Pairs in the check list (RFC 8445 section 6.1.2.5).
    pub max_pairs: usize,
    /// Remote candidates from signalling; peer-reflexive ones have a limit of their own.
    pub max_remote_candidates: usize,
    /// Which candidates are shown and used.
    pub policy: Policy,
    /// Addresses at which each host candidate of their family can be reached as well, by the same port.
    pub public_addresses: Vec<IpAddr>,
}

/// Which candidates are shown and used (W3C `RTCIceTransportPolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Every one.
    #[default]
    All,
    /// Relayed ones: the other side learns no address of ours.
    Relay,
}

impl Config {
    /// How long one check is repeated before it fails, at the smallest RTO: 79 times 500 ms.
    pub const PATIENCE: Duration = Duration::from_millis(39_500);

    /// Between two rounds of a patient agent's checks: NATs forget after 30 s or more.
    pub(super) const ROUND: Duration = Duration::from_secs(15);

    /// The values that the RFCs recommend.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self {
            role,
            pace: Duration::from_millis(50),
            patience: Self::PATIENCE,
            max_pairs: 100,
            max_remote_candidates: 64,
            policy: Policy::All,
            public_addresses: Vec::new(),
        }
    }
}

/// What happens to the agent.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A STUN datagram (first byte 0 to 3) came in.
    Datagram {
        /// The socket it came in by.
        path: PathId,
        /// Who sent it, as the network says.
        from: SocketAddr,
        /// All of it.
        bytes: &'a [u8],
    },
    /// The moment of the last [`Output::Timeout`] has come.
    Timer,
    /// A UDP socket is bound, and its candidate goes to the other side now. Give the best address
    /// first: earlier ones get higher priorities, with the address families taking turns.
    LocalCandidate {
        /// The socket.
        path: PathId,
        /// Its address.
        addr: SocketAddr,
    },
    /// An address where we listen for TCP connections, or from which we make them; the port of one that
    /// connects means nothing. A path and the other side's address name a connection: what is sent by one
    /// that connects makes it. Packets are framed by whoever owns it.
    LocalTcpCandidate {
        /// The listener, or whoever connects.
        path: PathId,
        /// Its address.
        addr: SocketAddr,
        /// Which of them.
        tcp_type: TcpType,
    },
    /// A TCP connection broke, or can't be made.
    StreamGone {
        /// Whose.
        path: PathId,
        /// The other end.
        to: SocketAddr,
    },
    /// A STUN server: every host base asks it where it sees us.
    StunServer(SocketAddr),
    /// A socket to a TURN server: it is asked for an address.
    RelaySocket(RelaySocket),
    /// A relay's stream broke, or its socket is of no use.
    RelayDisconnected(PathId),
    /// Whether sockets to TURN servers are on their way, in place of others that led nowhere: the end of our
    /// candidates waits for them, even if it was just told.
    RelaysExpected(bool),
    /// No more sockets in this session. One that comes all the same can't be told to the other side
    /// before a restart (RFC 8838 section 13); it stands by, and checks from it show its address.
    LocalCandidatesDone,
    /// A socket, its interface or its address is gone. What used it goes on elsewhere, if it can.
    PathGone(PathId),
    /// The other side follows renominations (`a=ice-options:renomination` of both sides).
    RemoteRenomination,
    /// Media is expected, came steadily until now, and stopped half a second ago.
    MediaStopped,
    /// Authentic media or RTCP came in, not by the pair in use.
    HeardElsewhere {
        /// The socket it came in by.
        path: PathId,
        /// Who sent it.
        from: SocketAddr,
    },
    /// The other side's ufrag and pwd. Different ones than before are the other side's ICE restart:
    /// ours change too, unless [`Input::Restart`] has already changed them.
    RemoteCredentials(Credentials),
    /// The other side is ICE-lite: it doesn't check, so we are controlling (RFC 8445 section 6.1.1).
    RemoteLite,
    /// The other side's Ta (`a=ice-pacing`): the larger of both holds.
    RemotePacing(Duration),
    /// A candidate of theirs.
    RemoteCandidate(Candidate),
    /// A candidate of theirs whose address is a name; `candidate.addr` has the port, any address.
    NamedCandidate {
        /// What to look up, e.g. `4f2c….local`.
        name: String,
        /// The rest of the line.
        candidate: Candidate,
    },
    /// A name of [`Event::NameToResolve`] was looked up; `None`: there is no such name.
    NameResolved {
        /// Which.
        name: String,
        /// Where it is.
        addr: Option<IpAddr>,
    },
    /// No more candidates of theirs in this session.
    RemoteCandidatesDone,
    /// Begin anew with new credentials; media stays where it is until a new pair is chosen.
    Restart,
    /// The last [`Input::Restart`] is taken back, unless the other side's new credentials are known by now.
    Rollback,
    /// The other side took back its consent, provably: DTLS close, or SRTCP BYE where that ends it
    /// (RFC 7675 section 5.2). Or we are done. Nothing is sent any more.
    Close,
}

/// What the agent asks of the world.
#[derive(Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// Send these bytes, lent until the next call.
    Transmit {
        /// By this socket.
        path: PathId,
        /// To this address.
        to: SocketAddr,
        /// All of it.
        bytes: &'a [u8],
    },
    /// Tell the layer above.
    Event(Event),
    /// All done until this moment (`None`: until there is input).
    Timeout(Option<Instant>),
}

/// What the layer above is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The state changed.
    State(State),
    /// The role changed: by a conflict or a lite peer.
    Role(Role),
    /// A candidate of ours, to be told to the other side.
    LocalCandidate(Candidate),
    /// No candidate of ours can come any more.
    Gathered,
    /// This STUN server doesn't answer.
    ServerSilent(SocketAddr),
    /// The allocation by this socket is no more, or never was; the socket has served its purpose.
    RelayEnded {
        /// The socket.
        path: PathId,
        /// Why.
        ended: turn::Ended,
    },
    /// Look this name up and answer with [`Input::NameResolved`]. Nothing waits for it.
    NameToResolve(String),
    /// [`super::Agent::send_pair`] changed.
    SendPair(Option<(PathId, SocketAddr)>),
    /// The nominated pair, now used for everything; or the one that took the place of a dead one.
    SelectedPair(Box<SelectedPair>),
    /// No pair answers, or one is in use that was never agreed on: a restart (by [`Input::Restart`] and a
    /// new offer, or by theirs) would help. Told again after a while; until then what can be tried is. Not told
    /// within a second of the latest restart, nor while one of ours awaits the other side.
    RestartNeeded,
    /// 30 s without an authenticated answer, or consent was taken back: sending has stopped.
    ConsentLost,
}

/// The pair that both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedPair {
    /// Which of [`super::Agent::pairs`].
    pub pair: PairId,
    /// Ours, as the other side sees it.
    pub local: Candidate,
    /// Theirs.
    pub remote: Candidate,
    /// By this socket it goes out.
    pub path: PathId,
    /// The latest round trip.
    pub round_trip_time: Option<Duration>,
}

/// What a candidate of ours came from, for statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The socket by which it was asked for.
    pub path: PathId,
    /// The server that saw or lent the address.
    pub server: SocketAddr,
    /// How we talk to it, if it lent it.
    pub transport: Option<ServerTransport>,
}

/// One pair, for statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairReport<'a> {
    /// Names it.
    pub id: PairId,
    /// Of which session it is ([`super::Agent::session`]).
    pub session: u32,
    /// Names `local`.
    pub local_id: LocalId,
    /// Ours.
    pub local: &'a Candidate,
    /// Names `remote`.
    pub remote_id: RemoteId,
    /// Theirs.
    pub remote: &'a Candidate,
    /// The socket.
    pub path: PathId,
    /// How its check stands.
    pub state: PairState,
    /// Whether it was chosen.
    pub nominated: bool,
    /// Whether it is the one that media goes by, or went by to the last.
    pub selected: bool,
    /// RFC 8445 section 6.1.2.3.
    pub priority: u64,
    /// Requests, answers, round trips.
    pub figures: PairFigures,
}

impl<'a> PairReport<'a> {
    pub(super) fn of(
        pair: &Pair,
        session: u32,
        (local_id, local): (LocalId, &'a Candidate),
        remote: &'a Candidate,
        in_use: Option<PairId>,
    ) -> Self {
        Self {
            id: pair.id,
            session,
            local_id,
            local,
            remote_id: pair.remote,
            remote,
            path: pair.path,
            state: pair.state,
            nominated: pair.nominated,
            selected: in_use == Some(pair.id),
            priority: pair.valid.map_or(pair.priority, |valid| valid.priority),
            figures: pair.figures,
        }
    }
}

/// What was dropped or refused, by reason: what strangers and accidents send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Not STUN, or wrong inside, or with a wrong FINGERPRINT.
    pub malformed: u64,
    /// Came in by a relay's socket, and not from the relay.
    pub not_the_relay: u64,
    /// Came in by a path that no candidate of ours has.
    pub unknown_path: u64,
    /// Requests without USERNAME or MESSAGE-INTEGRITY (answered 400).
    pub unauthenticated_requests: u64,
    /// Requests with another's USERNAME or a wrong password (answered 401).
    pub foreign_requests: u64,
    /// Requests with a required attribute that is unknown (answered 420).
    pub unknown_attributes: u64,
    /// Checks by a sender whose ufrag is not the one we were told (answered 401).
    pub unknown_senders: u64,
    /// Answers to no request of ours, late or repeated or made up.
    pub unknown_transactions: u64,
    /// Answers whose MESSAGE-INTEGRITY is wrong or missing.
    pub forged_responses: u64,
    /// Those of them that say 401: the other side knows us by other credentials, or somebody makes it up.
    pub refused_checks: u64,
    /// Remote candidates with a name that has no address.
    pub unresolved_candidates: u64,
    /// Answers from or to another address than the request's (RFC 8445 section 7.2.5.2.1).
    pub asymmetric_responses: u64,
    /// Binding indications (keepalives: nothing to do) and methods that are not ICE's.
    pub ignored_messages: u64,
    /// Remote candidates of a transport or component that is not ours, or that lead nowhere.
    pub unusable_candidates: u64,
    /// Remote candidates beyond the limit.
    pub surplus_candidates: u64,
    /// Remote candidates of another session, after the end, or after the choice.
    pub late_candidates: u64,
    /// Checks before the remote credentials, beyond the limit.
    pub surplus_early_checks: u64,
    /// Answers that could not be queued: the layer above does not poll.
    pub surplus_answers: u64,
}
