//! Credentials: from a name and a password to the key of an HMAC, and who must show one (RFC 8489
//! section 9).
//!
//! Short-term, as ICE has it: both sides know name and password beforehand; every request carries the
//! proof at once ([`authenticate`]). Long-term, as TURN has it: the server challenges first.
//!
//! ```text
//! client                                     server
//!   | request ------------------------------> |
//!   | <----- 401, REALM, NONCE, [algorithms]  |   LongTerm::challenged
//!   | request, USERNAME, REALM, NONCE, proof  |   LongTerm::sign
//!   | <----------------------- success, proof |
//!   |            ... much later               |
//!   | <------------ 438, a new NONCE          |   LongTerm::challenged
//! ```
//! The trap is who may weaken this on the way: a nonce that begins with `obMatJos2` and 4 characters
//! of base64 says which features the server has, and a challenge that lacks the list of algorithms
//! which its nonce announces was tampered with (section 9.2.1).
//!
//! Read next: `transaction.rs`.

use std::borrow::Cow;

use openssl::hash::{MessageDigest, hash};
use sha1::Digest;
use sha2::Sha256;

use super::attribute::Attribute;
use super::integrity::{IntegrityError, IntegrityKey};
use super::message::Message;
use super::value::{AlgorithmList, ErrorCode};
use super::writer::MessageWriter;

/// How a long-term key is made from name, realm and password (section 18.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordAlgorithm {
    /// 16 bytes, as it always was.
    Md5,
    /// 32 bytes, since RFC 8489.
    Sha256,
}

impl PasswordAlgorithm {
    /// By IANA's number; `None` if unknown.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Md5),
            2 => Some(Self::Sha256),
            _ => None,
        }
    }

    /// As PASSWORD-ALGORITHM carries it: number, then no parameters.
    fn entry(self) -> &'static [u8] {
        match self {
            Self::Md5 => &[0, 1, 0, 0],
            Self::Sha256 => &[0, 2, 0, 0],
        }
    }
}

/// Why a challenge is not taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// It is no challenge: neither 401 nor 438 with realm and nonce.
    #[error("the server did not say how to authenticate")]
    NoChallenge,
    /// The same credentials were refused already.
    #[error("the server refuses this user or password")]
    Refused,
    /// The nonce announces a list of algorithms that is not there: somebody took it out.
    #[error("the server's list of password algorithms was removed on the way")]
    Downgraded,
    /// The list has no algorithm that we know.
    #[error("the server takes no password algorithm that is known here")]
    NoAlgorithm,
    /// The system's OpenSSL refuses the hash, as one in FIPS mode refuses MD5.
    #[error("this system's OpenSSL refuses the password algorithm's hash")]
    HashUnavailable,
}

/// A user's long-term credential, and what the server has asked of it so far.
#[derive(Clone, Debug)]
pub struct LongTerm {
    username: String,
    password: Secret,
    challenge: Option<Challenge>,
    /// Since the last response that proved itself.
    challenges: u8,
    /// Whether the server has taken this credential: a 401 is then no verdict on it, but a server that was
    /// started anew.
    taken: bool,
}

/// Challenges taken up in a row: anyone on the path can forge them, and go on for ever.
const MAX_CHALLENGES: u8 = 4;

/// What the last challenge said.
#[derive(Clone, Debug)]
struct Challenge {
    realm: String,
    nonce: String,
    /// PASSWORD-ALGORITHMS as it came, and what we chose from it.
    algorithms: Option<(Vec<u8>, PasswordAlgorithm)>,
    key: IntegrityKey,
}

impl LongTerm {
    /// Nothing is sent of it before the server asks (rfc8489-9.2.3.1-1).
    #[must_use]
    pub fn new(username: &str, password: &str) -> Self {
        let password = Secret(password.to_owned());
        Self {
            username: opaque_string(username).into_owned(),
            password,
            challenge: None,
            challenges: 0,
            taken: false,
        }
    }

    /// Where the server says this credential is valid, once it has asked for it.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.challenge.as_ref().map(|challenge| challenge.realm.as_str())
    }

    /// Takes up a 401 or 438. `Ok`: send the request again, as a new transaction, signed.
    ///
    /// # Errors
    /// The reason not to try again; the transaction has failed.
    pub fn challenged(&mut self, response: &Message<'_>) -> Result<(), Declined> {
        let code = response.error_code().map(|error| error.code);
        let (realm, nonce) = match (code, &self.challenge, response.realm()) {
            (Some(401 | 438), _, Some(realm)) => (realm, response.nonce()),
            (Some(438), Some(known), None) => (known.realm.as_str(), response.nonce()),
            _ => return Err(Declined::NoChallenge),
        };
        let nonce = nonce.ok_or(Declined::NoChallenge)?;
        let tried = self.challenge.as_ref().is_some_and(|known| known.realm == realm);
        if tried && code == Some(401) && !self.taken || self.challenges >= MAX_CHALLENGES {
            return Err(Declined::Refused);
        }
        let algorithms = choose(nonce, response.password_algorithms())?;
        let algorithm = algorithms.as_ref().map_or(PasswordAlgorithm::Md5, |(_, chosen)| *chosen);
        let key = IntegrityKey::long_term(&self.username, realm, &self.password.0, algorithm)
            .map_err(|HashUnavailable| Declined::HashUnavailable)?;
        let (realm, nonce) = (realm.to_owned(), nonce.to_owned());
        self.challenge = Some(Challenge { realm, nonce, algorithms, key });
        self.taken &= code == Some(438);
        self.challenges += 1;
        Ok(())
    }

    /// Appends what the server asked for; nothing if it has not asked yet. Put FINGERPRINT behind.
    #[must_use]
    pub fn sign<'b>(&self, writer: MessageWriter<'b>) -> MessageWriter<'b> {
        let Some(challenge) = &self.challenge else { return writer };
        let anonymous =
            features(&challenge.nonce).is_some_and(|bits| bits & USERNAME_ANONYMITY != 0);
        let user = if anonymous {
            Attribute::Userhash(userhash(&self.username, &challenge.realm))
        } else {
            Attribute::Username(&self.username)
        };
        let writer = writer
            .attribute(user)
            .attribute(Attribute::Realm(&challenge.realm))
            .attribute(Attribute::Nonce(&challenge.nonce));
        let Some((offered, chosen)) = &challenge.algorithms else {
            return writer.integrity(&challenge.key);
        };
        writer
            .attribute(Attribute::PasswordAlgorithms(AlgorithmList(offered)))
            .attribute(Attribute::PasswordAlgorithm(AlgorithmList(chosen.entry())))
            .integrity_sha256(&challenge.key)
    }

    /// Checks a response's proof; over UDP drop one that has none (section 9.2.5), challenges aside.
    ///
    /// # Errors
    /// It was not made with this credential, or carries no proof, or no challenge came yet.
    pub fn verify(&mut self, response: &Message<'_>) -> Result<(), IntegrityError> {
        let challenge = self.challenge.as_ref().ok_or(IntegrityError::Missing)?;
        response.verify_integrity(&challenge.key)?;
        (self.challenges, self.taken) = (0, true);
        Ok(())
    }
}

/// The server's list and the first of it that we know; `None` if it has no list: MD5, as always.
fn choose(
    nonce: &str,
    offered: Option<AlgorithmList<'_>>,
) -> Result<Option<(Vec<u8>, PasswordAlgorithm)>, Declined> {
    let announced = features(nonce).is_some_and(|bits| bits & PASSWORD_ALGORITHMS != 0);
    let Some(offered) = offered else {
        return if announced { Err(Declined::Downgraded) } else { Ok(None) };
    };
    let known = offered.numbers().find_map(PasswordAlgorithm::from_number);
    let chosen = known.ok_or(Declined::NoAlgorithm)?;
    Ok(Some((offered.0.to_vec(), chosen)))
}

/// What a nonce cookie says of the server (section 18.1); bit 0 of the RFC is the leftmost of 24.
pub const PASSWORD_ALGORITHMS: u32 = 1 << 23;
/// The server knows USERHASH.
pub const USERNAME_ANONYMITY: u32 = 1 << 22;

/// The 24 security feature bits of a nonce; `None` if it doesn't begin with the cookie (section 9.2).
#[must_use]
pub fn features(nonce: &str) -> Option<u32> {
    let encoded = nonce.strip_prefix("obMatJos2")?.as_bytes();
    let digits: &[u8; 4] = encoded.first_chunk()?;
    digits.iter().try_fold(0, |bits, digit| {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        Some(bits << 6 | u32::from(value))
    })
}

/// Judges a short-term request or indication in the RFC's order (section 9.1.3); `key_of` knows whose
/// username has which key.
///
/// # Errors
/// What to answer a request with, without USERNAME and proof; an indication is dropped.
pub fn authenticate<'k>(
    message: &Message<'_>,
    key_of: impl FnOnce(&str) -> Option<&'k IntegrityKey>,
) -> Result<(), ErrorCode<'static>> {
    let username = message.username().ok_or(ErrorCode::BAD_REQUEST)?;
    if message.integrity_kind().is_none() {
        return Err(ErrorCode::BAD_REQUEST);
    }
    let key = key_of(username).ok_or(ErrorCode::UNAUTHENTICATED)?;
    message.verify_integrity(key).map_err(|_| ErrorCode::UNAUTHENTICATED)
}

/// The key bytes of a long-term credential (section 9.2.2).
///
/// # Errors
/// The system's OpenSSL refuses the hash, as one in FIPS mode refuses MD5.
pub fn long_term_key(
    username: &str,
    realm: &str,
    password: &str,
    algorithm: PasswordAlgorithm,
) -> Result<Vec<u8>, HashUnavailable> {
    let (realm, password) = (opaque_string(realm), opaque_string(password));
    let text = format!("{username}:{realm}:{password}");
    let digest = match algorithm {
        PasswordAlgorithm::Md5 => MessageDigest::md5(),
        PasswordAlgorithm::Sha256 => MessageDigest::sha256(),
    };
    hash(digest, text.as_bytes()).map(|key| key.to_vec()).map_err(|_| HashUnavailable)
}

/// The system's OpenSSL refuses a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this system's OpenSSL refuses the password algorithm's hash")]
pub struct HashUnavailable;

/// USERHASH: a username that others can't read (section 14.4).
#[must_use]
pub fn userhash(username: &str, realm: &str) -> [u8; 32] {
    let (username, realm) = (opaque_string(username), opaque_string(realm));
    Sha256::digest(format!("{username}:{realm}")).into()
}

/// A name, password or realm as it is hashed (RFC 8265 section 4.2.2): every kind of space becomes
/// U+0020.
///
/// The profile's other step, normalization to NFC, is left out: it would take Unicode's tables, and
/// ICE passwords are ASCII. A TURN password typed in decomposed form is refused by the server.
#[must_use]
pub fn opaque_string(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_space_separator(c) { ' ' } else { c }).collect())
}

/// Unicode category Zs.
fn is_space_separator(c: char) -> bool {
    matches!(
        c,
        ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

/// Text that is not printed by accident.
#[derive(Clone)]
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Class, Method, TransactionId};
    use super::*;

    const ID: TransactionId = TransactionId([3; 12]);
    const BOTH: &[u8] = &[0, 9, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0];

    fn challenge<'v>(code: u16, rest: impl IntoIterator<Item = Attribute<'v>>) -> Vec<u8> {
        let mut out = Vec::new();
        MessageWriter::new(&mut out, Class::Error, Method::ALLOCATE, ID)
            .attribute(Attribute::ErrorCode(ErrorCode { code, reason: "" }))
            .attributes(rest)
            .finish();
        out
    }

    fn take_up(credential: &mut LongTerm, bytes: &[u8]) -> Result<(), Declined> {
        credential.challenged(&Message::parse(bytes).unwrap())
    }

    fn signed(credential: &LongTerm) -> Vec<u8> {
        let mut out = Vec::new();
        let writer = MessageWriter::new(&mut out, Class::Request, Method::ALLOCATE, ID);
        credential.sign(writer).finish();
        out
    }

    /// rfc8489-9.2.3.1-1, rfc8489-9.2.5-1, rfc8489-9.2.5-2
    #[test]
    fn a_name_is_shown_only_when_asked_for_and_not_twice_in_vain() {
        let mut credential = LongTerm::new("user", "pass");
        assert_eq!(signed(&credential).len(), 20, "nothing before the server asks");

        let asked = [Attribute::Realm("realm"), Attribute::Nonce("n1")];
        assert_eq!(take_up(&mut credential, &challenge(401, asked)), Ok(()));
        let bytes = signed(&credential);
        let request = Message::parse(&bytes).unwrap();
        assert_eq!((request.username(), request.realm()), (Some("user"), Some("realm")));
        assert_eq!(request.nonce(), Some("n1"));
        let key = IntegrityKey::long_term("user", "realm", "pass", PasswordAlgorithm::Md5).unwrap();
        assert_eq!(request.verify_integrity(&key), Ok(()));

        let stale = challenge(438, [Attribute::Nonce("n2")]);
        assert_eq!(take_up(&mut credential, &stale), Ok(()));
        assert_eq!(Message::parse(&signed(&credential)).unwrap().nonce(), Some("n2"));

        let again = [Attribute::Realm("realm"), Attribute::Nonce("n3")];
        assert_eq!(take_up(&mut credential, &challenge(401, again)), Err(Declined::Refused));
        let elsewhere = [Attribute::Realm("other"), Attribute::Nonce("n3")];
        assert_eq!(take_up(&mut credential, &challenge(401, elsewhere)), Ok(()));
    }

    #[test]
    fn a_server_that_only_challenges_is_given_up() {
        let mut credential = LongTerm::new("user", "pass");
        let stale = challenge(438, [Attribute::Realm("realm"), Attribute::Nonce("n")]);
        for _ in 0..MAX_CHALLENGES {
            assert_eq!(take_up(&mut credential, &stale), Ok(()));
        }
        assert_eq!(take_up(&mut credential, &stale), Err(Declined::Refused));
        let bytes = signed(&credential);
        assert_eq!(credential.verify(&Message::parse(&bytes).unwrap()), Ok(()));
        assert_eq!(take_up(&mut credential, &stale), Ok(()), "a good answer in between");
    }

    #[test]
    fn a_server_that_was_started_anew_may_ask_once_more() {
        let mut credential = LongTerm::new("user", "pass");
        let asked = challenge(401, [Attribute::Realm("realm"), Attribute::Nonce("n")]);
        assert_eq!(take_up(&mut credential, &asked), Ok(()));
        let bytes = signed(&credential);
        assert_eq!(credential.verify(&Message::parse(&bytes).unwrap()), Ok(()));
        assert_eq!(take_up(&mut credential, &asked), Ok(()));
        assert_eq!(take_up(&mut credential, &asked), Err(Declined::Refused));
    }

    #[test]
    fn what_lacks_realm_or_nonce_is_no_challenge() {
        let mut credential = LongTerm::new("user", "pass");
        for bytes in [
            challenge(401, [Attribute::Nonce("n")]),
            challenge(401, [Attribute::Realm("r")]),
            challenge(438, [Attribute::Nonce("n")]),
            challenge(400, [Attribute::Realm("r"), Attribute::Nonce("n")]),
        ] {
            assert_eq!(take_up(&mut credential, &bytes), Err(Declined::NoChallenge));
        }
    }

    /// rfc8489-9.2.2-1
    #[test]
    fn the_first_known_algorithm_is_chosen_and_the_list_sent_back() {
        let mut credential = LongTerm::new("user", "pass");
        let asked = [
            Attribute::Realm("realm"),
            Attribute::Nonce("obMatJos2wAAAxyz"),
            Attribute::PasswordAlgorithms(AlgorithmList(BOTH)),
        ];
        assert_eq!(take_up(&mut credential, &challenge(401, asked)), Ok(()));
        let bytes = signed(&credential);
        let request = Message::parse(&bytes).unwrap();
        assert_eq!(request.password_algorithms(), Some(AlgorithmList(BOTH)));
        let chosen = Attribute::PasswordAlgorithm(AlgorithmList(&[0, 2, 0, 0]));
        assert!(request.attributes().any(|attribute| attribute == chosen));
        // The nonce's second bit asks for a hidden name.
        assert_eq!(request.username(), None);
        let hidden = Attribute::Userhash(userhash("user", "realm"));
        assert!(request.attributes().any(|attribute| attribute == hidden));
        let key = IntegrityKey::long_term("user", "realm", "pass", PasswordAlgorithm::Sha256);
        assert_eq!(request.verify_integrity(&key.unwrap()), Ok(()));
        assert_eq!(request.integrity_kind(), Some(crate::stun::IntegrityKind::Sha256));
    }

    /// rfc8489-9.2.5-3
    #[test]
    fn a_list_that_the_nonce_announces_must_be_there() {
        let mut credential = LongTerm::new("user", "pass");
        let stripped = [Attribute::Realm("realm"), Attribute::Nonce("obMatJos2gAAAxyz")];
        assert_eq!(take_up(&mut credential, &challenge(401, stripped)), Err(Declined::Downgraded));
        let unknown = [
            Attribute::Realm("realm"),
            Attribute::Nonce("obMatJos2gAAAxyz"),
            Attribute::PasswordAlgorithms(AlgorithmList(&[0, 9, 0, 0])),
        ];
        assert_eq!(take_up(&mut credential, &challenge(401, unknown)), Err(Declined::NoAlgorithm));
        assert_eq!(signed(&credential).len(), 20);
    }

    #[test]
    fn features_are_24_bits_of_base64_behind_the_cookie() {
        assert_eq!(features("obMatJos2AAAA"), Some(0));
        assert_eq!(features("obMatJos2gAAAmore"), Some(PASSWORD_ALGORITHMS));
        assert_eq!(features("obMatJos2QAAA"), Some(USERNAME_ANONYMITY));
        assert_eq!(features("obMatJos2////"), Some(0xff_ffff));
        assert_eq!(features("obMatJos2gAA"), None);
        assert_eq!(features("obMatJos2g=AA"), None);
        assert_eq!(features("f//499k954d6OL34oL9FSTvy64sA"), None);
    }

    #[test]
    fn a_response_is_believed_only_with_our_key() {
        let mut credential = LongTerm::new("user", "pass");
        let bytes = signed(&credential);
        let early = Message::parse(&bytes).unwrap();
        assert_eq!(credential.verify(&early), Err(IntegrityError::Missing));
        let asked = [Attribute::Realm("realm"), Attribute::Nonce("n1")];
        take_up(&mut credential, &challenge(401, asked)).unwrap();
        let bytes = signed(&credential);
        assert_eq!(credential.verify(&Message::parse(&bytes).unwrap()), Ok(()));
        let mut forged = bytes.clone();
        *forged.last_mut().unwrap() ^= 1;
        let forged = Message::parse(&forged).unwrap();
        assert_eq!(credential.verify(&forged), Err(IntegrityError::Mismatch));
    }

    /// rfc8489-9.1.3-1, rfc8489-9.1.3-2, rfc8489-9.1.3-3
    #[test]
    fn a_request_is_judged_in_the_order_of_the_rfc() {
        let (ours, other) = (IntegrityKey::short_term("ours"), IntegrityKey::short_term("other"));
        let judge = |username: Option<&str>, key: Option<&IntegrityKey>| {
            let mut out = Vec::new();
            let mut writer = MessageWriter::new(&mut out, Class::Request, Method::BINDING, ID)
                .attributes(username.map(Attribute::Username));
            if let Some(key) = key {
                writer = writer.integrity(key);
            }
            let message = Message::parse(writer.finish()).unwrap();
            authenticate(&message, |name| (name == "us:them").then_some(&ours))
                .map_err(|error| error.code)
        };
        assert_eq!(judge(None, Some(&ours)), Err(400));
        assert_eq!(judge(Some("us:them"), None), Err(400));
        assert_eq!(judge(Some("you:them"), Some(&ours)), Err(401));
        assert_eq!(judge(Some("us:them"), Some(&other)), Err(401));
        assert_eq!(judge(Some("us:them"), Some(&ours)), Ok(()));
    }

    /// rfc8489-9.1.1-1
    #[test]
    fn every_kind_of_space_is_the_same_in_a_password() {
        assert_eq!(opaque_string("no change"), "no change");
        assert_eq!(opaque_string("a\u{a0}b\u{3000}c\u{e9}"), "a b c\u{e9}");
    }

    #[test]
    fn a_password_does_not_show_itself() {
        let shown = format!("{:?}", LongTerm::new("user", "hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
