//! For whom a STUN datagram is: what whoever shares a socket among several agents has to know.
//!
//! A check names its recipient: USERNAME is `recipient's ufrag:sender's ufrag` (RFC 8445 section 7.2.2). An
//! answer only repeats the transaction id of the request. Nothing is proven by either; that is the
//! agent's business.

use crate::stun::{Class, Message, TransactionId};

/// Whom a datagram names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient<'a> {
    /// The agent with this ufrag.
    Ufrag(&'a str),
    /// The agent that made the request with this id: see [`super::Agent::awaits`].
    Asker(TransactionId),
    /// Nobody: an indication, or a request without a name.
    Unnamed,
}

impl<'a> Recipient<'a> {
    /// Reads it from a datagram; none if that is no STUN.
    #[must_use]
    pub fn of(datagram: &'a [u8]) -> Option<Self> {
        let message = Message::parse(datagram).ok()?;
        Some(match message.class() {
            Class::Request => match message.username().and_then(|name| name.split(':').next()) {
                Some(ufrag) => Self::Ufrag(ufrag),
                None => Self::Unnamed,
            },
            Class::Success | Class::Error => Self::Asker(message.id()),
            Class::Indication => Self::Unnamed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_names_a_ufrag_and_an_answer_its_request() {
        // The fields that matter: type, length, cookie, id, and USERNAME "ab:cd" padded to 8.
        let mut check = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
        check.extend([7; 12]);
        check.extend(b"\x00\x06\x00\x05ab:cd\0\0\0");
        assert_eq!(Recipient::of(&check), Some(Recipient::Ufrag("ab")));
        let mut answer = vec![1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        answer.extend([7; 12]);
        assert_eq!(Recipient::of(&answer), Some(Recipient::Asker(TransactionId([7; 12]))));
        assert_eq!(Recipient::of(&[22, 254, 253]), None);
    }
}
