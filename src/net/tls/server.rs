//! The listening side: one port for HTTPS and for plain HTTP.
//!
//! ```text
//! connection -> first byte -> 0x16, a TLS handshake record -> handshake -> encrypted
//!          |              \-> anything else                             -> in the clear
//!          \-> nothing in time                                          -> dropped
//! ```
//! No HTTP method begins with byte 0x16 (RFC 8446 section 5.1, RFC 9110 section 9.1). All this happens in
//! the connection's own task and has a limit in time; the server's room for connections limits their
//! number, and those who have not asked anything yet are the first to go when it is full.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslAcceptor, SslMethod, SslOptions};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_openssl::SslStream;

use super::Fingerprint;
use super::kept::Identity;
use super::stream::HANDSHAKE;

/// Makes connections that ask for it encrypted.
#[derive(Clone)]
pub struct Acceptor {
    acceptor: SslAcceptor,
    fingerprint: Fingerprint,
}

/// A connection that has begun to speak.
#[derive(Debug)]
pub enum Begun {
    /// Without TLS.
    Clear(TcpStream),
    /// With it.
    Tls(SslStream<TcpStream>),
}

impl Acceptor {
    /// Shows this certificate.
    ///
    /// # Errors
    /// OpenSSL refuses it.
    pub fn new(identity: &Identity) -> Result<Self, ErrorStack> {
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        builder.set_options(SslOptions::NO_RENEGOTIATION);
        builder.set_private_key(&identity.key)?;
        builder.set_certificate(&identity.certificate)?;
        for signer in &identity.chain {
            builder.add_extra_chain_cert(signer.clone())?;
        }
        builder.check_private_key()?;
        Ok(Self { acceptor: builder.build(), fingerprint: identity.fingerprint() })
    }

    /// The certificate that it shows.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Waits until a connection says what it is; `None` if it does not.
    pub async fn begin(&self, stream: TcpStream, remote: SocketAddr) -> Option<Begun> {
        timeout(BEGINS_WITHIN, self.tell(stream, remote)).await.ok().flatten()
    }

    async fn tell(&self, stream: TcpStream, remote: SocketAddr) -> Option<Begun> {
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(1) if first == [HANDSHAKE] => {}
            Ok(1) => return Some(Begun::Clear(stream)),
            _ => return None,
        }
        let ssl = Ssl::new(self.acceptor.context()).ok()?;
        let mut stream = SslStream::new(ssl, stream).ok()?;
        match Pin::new(&mut stream).accept().await {
            Ok(()) => Some(Begun::Tls(stream)),
            Err(error) => {
                // A browser that warns its person hangs up first: nothing to worry about.
                tracing::debug!("{remote}: no TLS handshake: {error}");
                None
            }
        }
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Acceptor({})", self.fingerprint)
    }
}

/// A handshake takes two round trips; browsers open connections that they may not need.
const BEGINS_WITHIN: Duration = Duration::from_secs(10);
