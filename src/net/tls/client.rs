//! The calling side of TLS: a handshake, and what the other side showed.
//!
//! ```text
//! handshake -> (stream, Shown) -> somebody judges -> the stream is used
//! connect   -> the system's certificate authorities judge -> the stream is used
//! ```
//! The handshake itself refuses nobody: whether to believe a certificate may depend on what was seen
//! before, and a reason can be told better than an alert. So nothing may be sent on the stream before
//! its [`Shown`] was judged: by [`super::trust`] for calls, by [`TlsClient::connect`] for everything
//! else. The authorities are the system's, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslMethod, SslOptions, SslVerifyMode, SslVersion};
use openssl::x509::{X509Ref, X509VerifyResult};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_openssl::SslStream;

use super::Fingerprint;
use super::stream::{Beginning, Noted};

/// OpenSSL's configuration for all connections that we make.
#[derive(Clone)]
pub struct TlsClient(SslConnector);

/// An encrypted stream.
pub type Stream<S> = SslStream<Noted<S>>;

/// What the other side showed in its handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its certificate's hash.
    pub fingerprint: Fingerprint,
    /// Whether nobody but itself signed it.
    pub signed_by: Signer,
    /// What the system's certificate authorities say to it, name and dates included: `None` is good.
    pub objection: Option<String>,
}

/// Who signed a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The holder.
    Itself,
    /// Somebody else.
    Another,
}

/// Why there is no encrypted stream.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The other side answers with plain HTTP.
    #[error("it speaks plain HTTP, not TLS")]
    PlainHttp,
    /// The other side answers with something else, or hangs up without a word.
    #[error("it does not speak TLS")]
    NoTls,
    /// The two find no common way.
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
    /// It takes too long.
    #[error("the TLS handshake took longer than {} s", HANDSHAKE_WITHIN.as_secs())]
    Slow,
    /// The certificate authorities object.
    #[error("its certificate is not valid: {0}")]
    Untrusted(String),
    /// OpenSSL itself fails.
    #[error("OpenSSL: {0}")]
    System(#[from] ErrorStack),
}

impl TlsClient {
    /// Reads the system's certificate authorities.
    ///
    /// # Errors
    /// OpenSSL fails.
    pub fn new() -> Result<Self, TlsError> {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        builder.set_options(SslOptions::NO_RENEGOTIATION);
        // The chain is checked all the same, and its result kept for `Shown`.
        builder.set_verify(SslVerifyMode::NONE);
        Ok(Self(builder.build()))
    }

    /// Makes a connection encrypted; `host` is the name or address that was asked for. Nothing may be
    /// sent before somebody has judged what is shown.
    ///
    /// # Errors
    /// There is no handshake.
    pub async fn handshake<S>(&self, host: &str, stream: S) -> Result<(Stream<S>, Shown), TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // Sets the name in the ClientHello, unless it is an address, and the name to check.
        let ssl = self.0.configure()?.into_ssl(host)?;
        let mut stream = SslStream::new(ssl, Noted::new(stream))?;
        let done = timeout(HANDSHAKE_WITHIN, Pin::new(&mut stream).connect()).await;
        match done.map_err(|_| TlsError::Slow)? {
            Ok(()) => {}
            Err(error) => {
                return Err(match stream.get_ref().beginning() {
                    Beginning::Http => TlsError::PlainHttp,
                    Beginning::Nothing | Beginning::Other => TlsError::NoTls,
                    Beginning::Tls => TlsError::Handshake(reason(&error)),
                });
            }
        }
        let ssl = stream.ssl();
        let Some(certificate) = ssl.peer_certificate() else {
            return Err(TlsError::Handshake("it shows no certificate".to_owned()));
        };
        let shown = Shown {
            fingerprint: Fingerprint::of(&certificate)?,
            signed_by: signer(&certificate),
            objection: match ssl.verify_result() {
                X509VerifyResult::OK => None,
                objection => Some(objection.error_string().to_owned()),
            },
        };
        Ok((stream, shown))
    }

    /// The same for whomever the system's certificate authorities vouch for, under this name.
    ///
    /// # Errors
    /// There is no handshake, or its certificate is not valid.
    pub async fn connect<S>(&self, host: &str, stream: S) -> Result<Stream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (stream, shown) = self.handshake(host, stream).await?;
        match shown.objection {
            None => Ok(stream),
            Some(objection) => Err(TlsError::Untrusted(objection)),
        }
    }
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsClient(..)")
    }
}

fn signer(certificate: &X509Ref) -> Signer {
    let own_key = certificate.public_key().and_then(|key| certificate.verify(&key));
    // A certificate of another kind of key than its signature's is none of its own.
    if own_key.unwrap_or(false) { Signer::Itself } else { Signer::Another }
}

/// OpenSSL's words for people, without its file names and numbers.
fn reason(error: &openssl::ssl::Error) -> String {
    if let Some(io) = error.io_error() {
        return match io.kind() {
            io::ErrorKind::UnexpectedEof => "the connection was closed".to_owned(),
            _ => io.to_string(),
        };
    }
    let stack = error.ssl_error().map(ErrorStack::errors).unwrap_or_default();
    let reasons: Vec<_> = stack.iter().filter_map(openssl::error::Error::reason).collect();
    match reasons.is_empty() {
        true => "the connection was closed".to_owned(),
        false => reasons.join(", "),
    }
}

/// Three round trips; a busy phone needs its time for a signature.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
