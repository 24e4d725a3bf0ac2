//! A request to the server on its way, and what it was for.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::allocation::Families;
use super::interface::Carrier;
use crate::stun::credential::LongTerm;
use crate::stun::transaction::{Request, Timing};
use crate::stun::value::Leading;
use crate::stun::{Attribute, Class, MessageWriter, Method, TransactionId, XorAddress};
use crate::time::Instant;

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An address of our own.
    Allocate(Families),
    /// It is to stay ours.
    Refresh,
    /// Is it still ours? The answer is wanted soon.
    Probe,
    /// It is not needed any more.
    Delete,
    /// These may send to us.
    Permit(Vec<IpAddr>),
    /// This peer is to have this number.
    Bind(u16, SocketAddr),
}

/// One of them under way.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) purpose: Purpose,
    pub(super) request: Request,
    /// Whether it carries our proof: then its answer must, too.
    pub(super) proof: Proof,
    /// Whether an answer came that was not proved.
    pub(super) unproven: bool,
}

/// Whether a request proves who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The server has not asked yet.
    None,
    /// By user, realm, nonce and the key made of them.
    Signed,
}

/// No request is repeated on a stream; it is given up when it would be on UDP (RFC 8489 section 6.2.2).
const ON_STREAM: Timing = Timing { rto: Duration::from_millis(39_500), sends: 1, last_wait: 1 };
/// Who waits for sound can't wait for intervals that double: another probe follows this one.
const IN_A_HURRY: Timing = Timing { rto: Duration::from_millis(500), sends: 2, last_wait: 2 };

impl Transaction {
    /// Writes the request; the first poll sends it.
    pub(super) fn new(
        now: Instant,
        purpose: Purpose,
        id: TransactionId,
        carrier: Carrier,
        credential: Option<&LongTerm>,
    ) -> Self {
        let mut bytes = Vec::new();
        let writer = MessageWriter::new(&mut bytes, Class::Request, purpose.method(), id);
        let writer = purpose.describe(writer);
        let signed = credential.filter(|credential| credential.realm().is_some());
        let writer = match signed {
            Some(credential) => credential.sign(writer),
            None => writer,
        };
        writer.fingerprint().finish();
        let timing = match carrier {
            Carrier::Datagrams if purpose == Purpose::Probe => IN_A_HURRY,
            Carrier::Datagrams => Timing::default(),
            Carrier::Stream => ON_STREAM,
        };
        let proof = if signed.is_some() { Proof::Signed } else { Proof::None };
        let request = Request::new(now, id, bytes, timing);
        Self { purpose, request, proof, unproven: false }
    }
}

impl Purpose {
    /// Whether its refusal is the end.
    pub(super) const fn is_refresh(&self) -> bool {
        matches!(self, Self::Refresh | Self::Probe)
    }

    pub(super) fn method(&self) -> Method {
        match self {
            Self::Allocate(_) => Method::ALLOCATE,
            Self::Refresh | Self::Probe | Self::Delete => Method::REFRESH,
            Self::Permit(_) => Method::CREATE_PERMISSION,
            Self::Bind(..) => Method::CHANNEL_BIND,
        }
    }

    fn describe<'b>(&self, writer: MessageWriter<'b>) -> MessageWriter<'b> {
        match self {
            Self::Allocate(families) => writer.attributes(families.attributes()),
            Self::Refresh | Self::Probe => writer,
            Self::Delete => writer.attribute(Attribute::Lifetime(0)),
            Self::Permit(ips) => {
                // The port means nothing here (RFC 8656 section 10.1).
                let peer =
                    |ip: &IpAddr| Attribute::XorPeerAddress(XorAddress(SocketAddr::new(*ip, 0)));
                writer.attributes(ips.iter().map(peer))
            }
            Self::Bind(channel, peer) => writer
                .attribute(Attribute::ChannelNumber(Leading(*channel)))
                .attribute(Attribute::XorPeerAddress(XorAddress(*peer))),
        }
    }
}
