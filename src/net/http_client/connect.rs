//! A connection for the client: TCP, then TLS where the URL says so, then the question whom to believe.
//!
//! All requests of a call, and wherever an endpoint sends us on to, come by here, so that none goes
//! around the rule of [`Trust`]. hyper asks by the trait `Service`.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::ReadBufCursor;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::resolve::Reachable;
use crate::net::target::Endpoint;
use crate::net::tls::client::{Stream, TlsClient, TlsError};
use crate::net::tls::trust::{Distrust, Trust};

/// Makes connections for one call.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    tcp: HttpConnector<Reachable>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    trust: Trust,
    /// Made when it is first needed, if it is.
    tls: OnceLock<TlsClient>,
}

/// Why there is no connection, as far as TCP has nothing to do with it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// TCP.
    #[error(transparent)]
    Tcp(Box<dyn std::error::Error + Send + Sync>),
    /// TLS.
    #[error("{error}")]
    Tls {
        error: TlsError,
        /// Who was reached.
        peer: SocketAddr,
    },
    /// The rule.
    #[error(transparent)]
    Distrust(#[from] Distrust),
    /// The URL has no host and port, or the socket no other end.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Connector {
    pub(super) fn new(within: Duration, trust: Trust) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Reachable::new());
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(within));
        Self { tcp, shared: Arc::new(Shared { trust, tls: OnceLock::new() }) }
    }

    pub(super) fn trust(&self) -> &Trust {
        &self.shared.trust
    }
}

impl Shared {
    async fn secured(&self, to: &Endpoint, stream: TcpStream) -> Result<MaybeTls, ConnectError> {
        let peer = stream.peer_addr()?;
        let at = to.authority();
        if !to.is_encrypted() {
            self.trust.judge_clear(&at, peer)?;
            return Ok(MaybeTls::Clear(TokioIo::new(stream)));
        }
        let failed = |error| ConnectError::Tls { error, peer };
        let tls = match self.tls.get() {
            Some(tls) => tls,
            None => {
                let made = TlsClient::new().map_err(failed)?;
                self.tls.get_or_init(|| made)
            }
        };
        let (host, _) = to.host_and_port();
        let (stream, shown) = tls.handshake(host, stream).await.map_err(failed)?;
        let certificate = (shown.fingerprint, shown.signed_by);
        self.trust.judge(&at, certificate, async || shown.objection().await).await?;
        Ok(MaybeTls::Tls(Box::new(TokioIo::new(stream))))
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeTls;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<MaybeTls, ConnectError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.tcp.poll_ready(context).map_err(|error| ConnectError::Tcp(error.into()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let connecting = self.tcp.call(url.clone());
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let stream = connecting.await.map_err(|error| ConnectError::Tcp(error.into()))?;
            let stream = stream.into_inner();
            let endpoint = Endpoint::from_uri(&url).map_err(io::Error::other)?;
            shared.secured(&endpoint, stream).await
        })
    }
}

/// A connection, encrypted or not.
pub(super) enum MaybeTls {
    /// `http:`
    Clear(TokioIo<TcpStream>),
    /// `https:`
    Tls(Box<TokioIo<Stream<TcpStream>>>),
}

impl MaybeTls {
    fn io(self: Pin<&mut Self>) -> Pin<&mut dyn Io> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream),
            Self::Tls(stream) => Pin::new(&mut **stream),
        }
    }
}

trait Io: hyper::rt::Read + hyper::rt::Write + Unpin {}
impl<T: hyper::rt::Read + hyper::rt::Write + Unpin> Io for T {}

impl Connection for MaybeTls {
    fn connected(&self) -> Connected {
        match self {
            Self::Clear(stream) => stream.connected(),
            Self::Tls(stream) => stream.inner().get_ref().inner().connected(),
        }
    }
}

impl hyper::rt::Read for MaybeTls {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.io().poll_read(context, buffer)
    }
}

impl hyper::rt::Write for MaybeTls {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(context)
    }
}
