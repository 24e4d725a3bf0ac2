//! STUN: asking a server "where do you see me?", and asking a peer "do you hear me?"
//!
//! RFC 8489 sections 5, 6, 9 and 14, with the attributes of ICE (RFC 8445 section 16) and TURN
//! (RFC 8656 section 18); vectors: RFC 5769. Left out: STUN over TLS and DNS discovery, because a
//! machine without sockets has no use for them; the server's side of long-term credentials, because
//! halloo is no TURN server.
//!
//! A datagram whose first byte is 0 to 3 comes from `peer::demux`, is read by [`header`] and [`message`], whose
//! values [`attribute`], [`value`] and [`xor_address`] know, is proved by [`integrity`] with a key that
//! [`credential`] made, matched to its [`transaction`], and leaves as an answer (written by
//! [`writer`]) or an event to [`crate::ice`].
//!
//! ```
//! use halloo::stun::{Attribute, Class, IntegrityKey, Message, MessageWriter, Method, TransactionId};
//! let key = IntegrityKey::short_term("VOkJxbRl1RmTxUk/WvJxBt");
//! let mut datagram = Vec::new();
//! MessageWriter::new(&mut datagram, Class::Request, Method::BINDING, TransactionId([7; 12]))
//!     .attribute(Attribute::Username("evtj:h6vY"))
//!     .attribute(Attribute::Priority(0x6e00_01ff))
//!     .integrity(&key)
//!     .fingerprint()
//!     .finish();
//! let message = Message::parse(&datagram)?;
//! assert_eq!(message.username(), Some("evtj:h6vY"));
//! assert_eq!(message.verify_integrity(&key), Ok(()));
//! # Ok::<(), halloo::wire::ParseError>(())
//! ```
//!
//! What a NAT does is found out by [`behaviour`] (RFC 5780).
//!
//! Read first: [`message`]. Then [`transaction`]. Next layer: [`crate::ice`].

pub mod attribute;
pub mod behaviour;
pub mod credential;
pub mod header;
pub mod integrity;
pub mod message;
pub mod transaction;
pub mod value;
pub mod writer;
pub mod xor_address;

pub use attribute::Attribute;
pub use credential::PasswordAlgorithm;
pub use header::{Class, Method, TransactionId, is_stun};
pub use integrity::{IntegrityError, IntegrityKey, IntegrityKind};
pub use message::Message;
pub use value::ErrorCode;
pub use writer::MessageWriter;
pub use xor_address::XorAddress;
