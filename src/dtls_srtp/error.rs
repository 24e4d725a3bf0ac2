//! What can go wrong: an [`Error`] for whoever sets things up, an [`SrtpError`] for each packet.

/// Something of ours could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// OpenSSL refused.
    #[error("OpenSSL: {0}")]
    OpenSsl(#[from] openssl::error::ErrorStack),
    /// A key or salt whose length is not the profile's.
    #[error("{what} of {got} bytes, but the profile wants {want}")]
    KeyLength {
        /// Which one.
        what: &'static str,
        /// The length it should have.
        want: usize,
        /// The length it has.
        got: usize,
    },
}

/// Why a packet was dropped. None of these ends a call: they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SrtpError {
    /// Shorter than header, index and tag together.
    #[error("too short")]
    TooShort,
    /// The header runs past the packet, or is of another version.
    #[error("malformed header")]
    Malformed,
    /// Seen before, or older than the replay window (RFC 3711 section 3.3.2).
    #[error("replayed or too old")]
    Replayed,
    /// The tag is not ours: forged, damaged, or of another call.
    #[error("authentication failed")]
    AuthenticationFailed,
    /// An authentic packet of yet another SSRC than we keep state for.
    #[error("too many SSRCs")]
    TooManySources,
    /// No index is left under this key (RFC 3711 section 3.3.1): a new handshake is needed.
    #[error("the key is used up")]
    KeyExhausted,
    /// Ours: the index was used before; sealing again would give the key stream away.
    #[error("the index was used before")]
    IndexReused,
    /// Ours: no room behind the packet for the tag.
    #[error("no room for the tag")]
    NoRoom,
    /// OpenSSL failed.
    #[error("the cipher failed")]
    Cipher,
}
