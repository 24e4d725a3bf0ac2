//! What the agent sends, and the bytes of it: requests, answers, refusals (RFC 8445 section 7).
//!
//! Messages wait as small values and are written when the layer above polls, into one buffer that is
//! kept. A repeated request comes out byte for byte the same.

use std::net::SocketAddr;

use super::candidate::PathId;
use super::check::{Request, UseCandidate};
use super::interface::Role;
use super::session::Session;
use crate::stun::{
    Attribute, Class, ErrorCode, IntegrityKey, IntegrityKind, MessageWriter, Method, TransactionId,
    XorAddress,
};

/// A datagram to be written.
#[derive(Clone, Debug)]
pub(super) enum Outgoing {
    /// A check of ours.
    Request(Request),
    /// The answer to a check of theirs.
    Success(Answer),
    /// A refusal.
    Error(Answer, Refusal),
}

/// Whom an answer goes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) id: TransactionId,
    pub(super) path: PathId,
    pub(super) to: SocketAddr,
    /// Whose password proves it, and how; `None` if the request proved nothing.
    pub(super) proof: Option<(u32, IntegrityKind)>,
}

/// Why a request is refused.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) error: ErrorCode<'static>,
    /// For 420.
    pub(super) unknown: Vec<u16>,
}

impl Outgoing {
    /// By which socket, and to whom.
    pub(super) fn route(&self) -> (PathId, SocketAddr) {
        match self {
            Self::Request(request) => (request.path, request.to),
            Self::Success(answer) | Self::Error(answer, _) => (answer.path, answer.to),
        }
    }

    /// Writes the message; `None` if its session is over.
    pub(super) fn write<'s>(
        &self,
        out: &mut Vec<u8>,
        session: impl Fn(u32) -> Option<&'s Session>,
    ) -> Option<()> {
        let writer = match self {
            Self::Request(request) => write_request(out, request, session(request.session)?)?,
            Self::Success(answer) => {
                let mapped = Attribute::XorMappedAddress(XorAddress(answer.to));
                answer.prove(answer.writer(out, Class::Success).attribute(mapped), session)?
            }
            Self::Error(answer, refusal) => {
                let code = Attribute::ErrorCode(refusal.error);
                let mut writer = answer.writer(out, Class::Error).attribute(code);
                if !refusal.unknown.is_empty() {
                    writer = writer.unknown_attributes(refusal.unknown.iter().copied());
                }
                answer.prove(writer, session)?
            }
        };
        writer.fingerprint().finish();
        Some(())
    }
}

impl Answer {
    fn writer<'b>(&self, out: &'b mut Vec<u8>, class: Class) -> MessageWriter<'b> {
        MessageWriter::new(out, class, Method::BINDING, self.id)
    }

    fn prove<'b, 's>(
        &self,
        writer: MessageWriter<'b>,
        session: impl Fn(u32) -> Option<&'s Session>,
    ) -> Option<MessageWriter<'b>> {
        let Some((number, kind)) = self.proof else { return Some(writer) };
        let key: &IntegrityKey = &session(number)?.local_key;
        Some(match kind {
            IntegrityKind::Sha1 => writer.integrity(key),
            IntegrityKind::Sha256 => writer.integrity_sha256(key),
        })
    }
}

fn write_request<'b>(
    out: &'b mut Vec<u8>,
    request: &Request,
    session: &Session,
) -> Option<MessageWriter<'b>> {
    let remote = session.remote.as_ref()?;
    let role = match request.role {
        Role::Controlling => Attribute::IceControlling(request.tie_breaker),
        Role::Controlled => Attribute::IceControlled(request.tie_breaker),
    };
    let nominates = request.use_candidate == UseCandidate::Yes;
    let writer = MessageWriter::new(out, Class::Request, Method::BINDING, request.id)
        .attribute(Attribute::Username(&remote.username))
        .attribute(Attribute::Priority(request.priority))
        .attribute(role)
        .attributes(nominates.then_some(Attribute::UseCandidate))
        .attributes(request.nomination.value().map(Attribute::Nomination));
    Some(writer.integrity(&remote.key))
}
