//! What the server's answers mean, and what its silence.
//!
//! Proof first: an answer to a signed request that isn't signed is as if it had never come, on UDP; on a
//! stream nothing better can come, so it ends the matter (RFC 8489 section 9.2.5).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Client;
use crate::stun::transaction::Answer;
use crate::stun::{Attribute, Class, ErrorCode, IntegrityError, Message};
use crate::turn::allocation::{self, Signal, State};
use crate::turn::interface::{Carrier, Ended, Event};
use crate::turn::reason::{Reason, Refusal};
use crate::turn::transaction::{Proof, Purpose, Transaction};

/// Challenges: who are you (again)? RFC 8489 section 9.2.4.
const UNAUTHENTICATED: u16 = 401;
const STALE_NONCE: u16 = 438;
/// RFC 8489 section 10.
const TRY_ALTERNATE: u16 = 300;
/// RFC 8656 section 5.
const ALLOCATION_MISMATCH: u16 = 437;
/// RFC 8656 section 7.4.
const FAMILY_NOT_SUPPORTED: u16 = 440;

/// What stands between an answer in another realm and our belief in it: several round trips.
const TRUE_ANSWER_WITHIN: Duration = Duration::from_millis(300);

/// Whether a message is the server's.
enum Proven {
    Yes,
    No,
    /// It says that we are not known where we were, which can't be proved.
    Elsewhere,
}

/// Alternate servers that are looked at: one of each family is what the RFC speaks of.
const MOST_ALTERNATES: usize = 4;

impl Client {
    pub(super) fn on_message(&mut self, datagram: &[u8]) {
        let genuine =
            |message: &Message<'_>| message.verify_fingerprint() != Err(IntegrityError::Mismatch);
        let Some(message) = Message::parse(datagram).ok().filter(genuine) else {
            self.dropped.malformed += 1;
            return;
        };
        if !matches!(message.class(), Class::Success | Class::Error) {
            self.dropped.ignored_messages += 1;
            return;
        }
        let fits = |transaction: &Transaction| {
            transaction.request.id() == message.id()
                && transaction.purpose.method() == message.method()
        };
        let Some(place) = self.transactions.iter().position(fits) else {
            self.dropped.unknown_transactions += 1;
            return;
        };
        let transaction = self.transactions.swap_remove(place);
        match self.proof_of(&transaction, &message) {
            Proven::Yes => self.on_answer(transaction.purpose, &message),
            Proven::No => self.on_unproven(transaction),
            Proven::Elsewhere => self.on_elsewhere(transaction),
        }
    }

    fn proof_of(&mut self, transaction: &Transaction, message: &Message<'_>) -> Proven {
        let challenges = [UNAUTHENTICATED, STALE_NONCE];
        if message.error_code().is_some_and(|error| challenges.contains(&error.code)) {
            // The realm is the server's name for where we are known: it has no reason to change, and
            // whoever changes it wants to see the password hashed with a realm of his choice.
            let known = self.credential.as_ref().and_then(|known| known.realm());
            let is_same = message.realm().is_none_or(|realm| known == Some(realm));
            let taken_up = self.state == State::Asking || is_same;
            return if taken_up { Proven::Yes } else { Proven::Elsewhere };
        }
        let proven = match (transaction.proof, &mut self.credential) {
            (Proof::None, _) | (_, None) => true,
            (Proof::Signed, Some(credential)) => credential.verify(message).is_ok(),
        };
        // A server that has forgotten the realm of our key can sign nothing with it: coturn says 441.
        let is_refused = message.class() == Class::Error && transaction.purpose.is_refresh();
        match proven {
            true => Proven::Yes,
            false if is_refused && self.state.is_open() => Proven::Elsewhere,
            false => Proven::No,
        }
    }

    /// A server that was set up anew may well have another name for where its users are. Whoever can only
    /// forge is outrun by the true answer, which takes a round trip.
    fn on_elsewhere(&mut self, mut transaction: Transaction) {
        self.dropped.unproven_answers += 1;
        let patience = match self.carrier {
            Carrier::Datagrams => TRUE_ANSWER_WITHIN,
            Carrier::Stream => Duration::ZERO,
        };
        self.elsewhere_at.get_or_insert(self.now + patience);
        transaction.unproven = true;
        self.transactions.push(transaction);
    }

    fn on_unproven(&mut self, mut transaction: Transaction) {
        self.dropped.unproven_answers += 1;
        match self.carrier {
            Carrier::Datagrams => {
                transaction.unproven = true;
                self.transactions.push(transaction);
            }
            Carrier::Stream => self.on_failure(transaction.purpose, Reason::Unproven),
        }
    }

    fn on_answer(&mut self, purpose: Purpose, message: &Message<'_>) {
        self.elsewhere_at = None;
        match Answer::of(message) {
            Some(Answer::Success) => self.on_success(purpose, message),
            Some(Answer::Error(error)) => self.on_error(purpose, error, message),
            Some(Answer::Failed) | None => self.on_failure(purpose, Reason::NotUnderstood),
        }
    }

    fn on_success(&mut self, purpose: Purpose, message: &Message<'_>) {
        let now = self.now;
        match purpose {
            Purpose::Allocate(_) => {
                self.state = self.state.after(Signal::Granted);
                self.refresh_at = Some(allocation::refresh_at(now, message));
                match allocation::granted(message) {
                    Some((relayed, mapped)) => {
                        self.events.push_back(Event::Allocated { relayed, mapped });
                    }
                    None => self.close(Ended::Failed(Reason::NoUsableAddress)),
                }
            }
            Purpose::Refresh | Purpose::Probe => {
                self.state = self.state.after(Signal::Granted);
                self.refresh_at = Some(allocation::refresh_at(now, message));
            }
            Purpose::Delete => self.end_as_meant(),
            Purpose::Permit(ips) => self.on_permitted(&ips),
            Purpose::Bind(channel, peer) => {
                self.channels.bound(now, channel);
                self.on_permitted(&[peer.ip()]); // a binding is a permission, too (section 12.1)
            }
        }
    }

    fn on_permitted(&mut self, ips: &[IpAddr]) {
        let first = self.permissions.granted(self.now, ips);
        self.events.extend(first.into_iter().map(Event::Permitted));
    }

    fn on_error(&mut self, purpose: Purpose, error: ErrorCode<'_>, message: &Message<'_>) {
        match (error.code, &purpose) {
            (UNAUTHENTICATED | STALE_NONCE, _) => self.on_challenge(purpose, message),
            (TRY_ALTERNATE, Purpose::Allocate(_)) => self.end(alternate(message)),
            (FAMILY_NOT_SUPPORTED, Purpose::Allocate(families)) => match families.instead() {
                Some(others) => self.start(Purpose::Allocate(others)),
                None => self.on_failure(purpose, Reason::Refused(Refusal::from(error))),
            },
            (ALLOCATION_MISMATCH, Purpose::Allocate(_) | Purpose::Delete) => {
                self.on_failure(purpose, Reason::Refused(Refusal::from(error)));
            }
            (ALLOCATION_MISMATCH, _) => self.end(Ended::Failed(Reason::Lost)), // rfc8656-5-2
            _ => self.on_failure(purpose, Reason::Refused(Refusal::from(error))),
        }
    }

    /// The same again, in another transaction, signed with what the server asked for.
    fn on_challenge(&mut self, purpose: Purpose, message: &Message<'_>) {
        let taken_up = match &mut self.credential {
            Some(credential) => credential.challenged(message).map_err(Reason::Credential),
            None => Err(Reason::NoCredential),
        };
        match taken_up {
            Ok(()) => self.start(purpose),
            Err(reason) => self.on_failure(purpose, reason),
        }
    }

    /// It was refused, or can't be done.
    fn on_failure(&mut self, purpose: Purpose, reason: Reason) {
        match purpose {
            Purpose::Allocate(_) | Purpose::Refresh | Purpose::Probe => {
                self.end(Ended::Failed(reason))
            }
            Purpose::Delete => self.end_as_meant(),
            Purpose::Permit(ips) => {
                let settled = self.permissions.refused(&ips);
                self.forbid(settled, &reason);
            }
            Purpose::Bind(channel, _) => self.channels.refused(channel),
        }
    }

    /// Nobody answered.
    pub(super) fn on_silence(&mut self, transaction: Transaction) {
        let reason = if transaction.unproven { Reason::Unproven } else { Reason::Silent };
        match transaction.purpose {
            Purpose::Probe if self.now < self.probes_until => self.start(Purpose::Probe),
            Purpose::Permit(ips) => {
                let settled = self.permissions.unanswered(self.now, &ips);
                self.forbid(settled, &reason);
            }
            other => self.on_failure(other, reason),
        }
    }

    fn forbid(&mut self, ips: Vec<IpAddr>, reason: &Reason) {
        self.events.extend(ips.into_iter().map(|ip| Event::Forbidden(ip, reason.clone())));
    }

    /// It was given back, or was gone already.
    fn end_as_meant(&mut self) {
        let verdict = self.verdict.clone();
        self.end(verdict);
    }
}

/// Where the server sends us; nowhere is a server that can't be understood.
fn alternate(message: &Message<'_>) -> Ended {
    let server = |attribute: Attribute<'_>| match attribute {
        Attribute::AlternateServer(server) => Some(server),
        _ => None,
    };
    let servers: Vec<SocketAddr> =
        message.attributes().filter_map(server).take(MOST_ALTERNATES).collect();
    let domain = message.attributes().find_map(|attribute| match attribute {
        Attribute::AlternateDomain(domain) => Some(domain.to_owned()),
        _ => None,
    });
    if servers.is_empty() {
        return Ended::Failed(Reason::NotUnderstood);
    }
    Ended::Alternate { servers, domain }
}
