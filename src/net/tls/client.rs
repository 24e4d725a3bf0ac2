//! The calling side of TLS: a handshake, and what the other side showed.
//!
//! ```text
//! handshake -> (stream, Shown) -> somebody judges -> the stream is used
//! connect   -> the system's certificate authorities judge -> the stream is used
//! ```
//! The handshake itself refuses nobody: whether to believe a certificate may depend on what was seen
//! before, and a reason can be told better than an alert. So nothing may be sent on the stream before
//! its [`Shown`] was judged: by [`super::trust`] for calls, by [`TlsClient::connect`] for everything
//! else. Read next: `authorities.rs`.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslMode, SslOptions, SslVerifyMode, SslVersion};
use openssl::x509::{X509, X509Ref};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_openssl::SslStream;

use super::stream::{Beginning, Noted};
use super::{Fingerprint, authorities};

/// OpenSSL's configuration for all connections that we make.
#[derive(Clone)]
pub struct TlsClient(SslContext);

/// An encrypted stream.
pub type Stream<S> = SslStream<Noted<S>>;

/// What the other side showed in its handshake.
#[derive(Clone)]
pub struct Shown {
    /// Its certificate's hash.
    pub fingerprint: Fingerprint,
    /// Who signed it.
    pub signed_by: Signer,
    host: String,
    certificate: X509,
    chain: Vec<X509>,
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
    /// Ready for handshakes.
    ///
    /// # Errors
    /// OpenSSL fails.
    pub fn new() -> Result<Self, TlsError> {
        let mut builder = SslContext::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        builder.set_cipher_list("DEFAULT:!aNULL:!eNULL:!MD5:!3DES:!RC4:!PSK:!SRP")?;
        builder.set_options(SslOptions::NO_RENEGOTIATION | SslOptions::NO_COMPRESSION);
        // A stream to a TURN server keeps what was not taken in a queue that grows meanwhile.
        builder.set_mode(SslMode::ACCEPT_MOVING_WRITE_BUFFER | SslMode::ENABLE_PARTIAL_WRITE);
        // Not by OpenSSL in the middle of the handshake: see above.
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
        let mut ssl = Ssl::new(&self.0)?;
        // RFC 6066 section 3: an address is no server name.
        if host.parse::<IpAddr>().is_err() {
            ssl.set_hostname(host)?;
        }
        let mut stream = SslStream::new(ssl, Noted::new(stream))?;
        let done = timeout(HANDSHAKE_WITHIN, Pin::new(&mut stream).connect()).await;
        if let Err(error) = done.map_err(|_| TlsError::Slow)? {
            return Err(match stream.get_ref().beginning() {
                Beginning::Http => TlsError::PlainHttp,
                Beginning::Nothing | Beginning::Other => TlsError::NoTls,
                Beginning::Tls => TlsError::Handshake(reason(&error)),
            });
        }
        let ssl = stream.ssl();
        let Some(certificate) = ssl.peer_certificate() else {
            return Err(TlsError::Handshake("it shows no certificate".to_owned()));
        };
        let chain = ssl.peer_cert_chain().into_iter().flatten().map(ToOwned::to_owned).collect();
        let shown = Shown {
            fingerprint: Fingerprint::of(&certificate)?,
            signed_by: signer(&certificate),
            host: host.to_owned(),
            certificate,
            chain,
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
        match shown.objection().await {
            None => Ok(stream),
            Some(objection) => Err(TlsError::Untrusted(objection)),
        }
    }
}

impl Shown {
    /// What the system's certificate authorities say against it, its name and its dates: nothing, if
    /// somebody vouches for it.
    pub async fn objection(&self) -> Option<String> {
        let Self { host, certificate, chain, .. } = self.clone();
        let asked = spawn_blocking(move || authorities::objection(&certificate, chain, &host));
        match asked.await {
            Ok(Ok(objection)) => objection,
            // What can't be checked is not vouched for.
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shown({} by {:?})", self.fingerprint, self.signed_by)
    }
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsClient(..)")
    }
}

fn signer(certificate: &X509Ref) -> Signer {
    let own_key = certificate.public_key().and_then(|key| certificate.verify(&key));
    // A signature of somebody else leaves its story in OpenSSL's queue of errors, where the next read
    // from the stream would take it for its own.
    drop(ErrorStack::get());
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

#[cfg(test)]
mod tests {
    use super::super::self_signed::{Holder, make};
    use super::*;
    use crate::net::message_stream::{Framing, MessageStream};
    use openssl::ssl::SslAcceptor;
    use std::future::poll_fn;
    use std::task::{Context, Waker};
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};

    /// The other side of a handshake.
    async fn accept(stream: DuplexStream) -> SslStream<DuplexStream> {
        let (certificate, key) = make(&Holder::default(), 1_700_000_000).unwrap();
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        builder.set_private_key(&key).unwrap();
        builder.set_certificate(&certificate).unwrap();
        // A ticket for the next time would wait for who reads it in a pipe that is full.
        builder.set_num_tickets(0).unwrap();
        let mut stream =
            SslStream::new(Ssl::new(builder.build().context()).unwrap(), stream).unwrap();
        Pin::new(&mut stream).accept().await.unwrap();
        stream
    }

    /// What did not leave at once is offered to OpenSSL again from another place, with more behind it.
    #[tokio::test]
    async fn a_server_that_reads_slowly_gets_every_byte_in_order() {
        let (near, far) = duplex(400);
        let client = TlsClient::new().unwrap();
        let (shaken, mut server) = tokio::join!(client.handshake("localhost", near), accept(far));
        let mut stream = MessageStream::new(shaken.unwrap().0, Framing::Turn);
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        // Less than the queue takes: nothing is dropped.
        for n in 0_u16..700 {
            let length = 4 * (n % 40);
            let mut message = [0x4000, length].map(u16::to_be_bytes).concat();
            message.extend((0..length / 2).flat_map(|_| n.to_be_bytes()));
            stream.send(&mut Context::from_waker(Waker::noop()), &message);
            sent.extend(message);
            // It takes half of what comes while there is more to come, and the rest at the end.
            while got.len() < if n == 699 { sent.len() } else { sent.len() / 2 } {
                let mut piece = [0; 50];
                let read = tokio::select! {
                    read = server.read(&mut piece) => read.unwrap(),
                    () = poll_fn(|cx| stream.poll(cx)) => panic!("it broke, {} bytes on", got.len()),
                };
                assert!(read > 0, "it ended, {} bytes on", got.len());
                got.extend_from_slice(&piece[..read]);
            }
        }
        assert!(got == sent, "other bytes than were sent");
    }
}
