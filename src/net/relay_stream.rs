//! A connection to a TURN server: TCP, or TLS on it. It may take as long as the network does.
//!
//! Comes from `driver::servers`; goes to `driver::relays`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::ice::ServerTransport;
use crate::net::message_stream::{self, Framing, MessageStream};
use crate::net::tls::client::TlsClient;

/// How long a connection may take, TLS included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to a TURN server by TCP, and by TLS if it is asked for; `host` is the name in its certificate, `from`
/// the address of ours to use.
///
/// # Errors
/// In words.
pub async fn connect(
    host: &str,
    addr: SocketAddr,
    from: Option<IpAddr>,
    transport: ServerTransport,
) -> Result<MessageStream, String> {
    let connected = tokio::time::timeout(PATIENCE, open(host, addr, from, transport)).await;
    connected.unwrap_or_else(|_| Err("the connection takes too long".to_owned()))
}

async fn open(
    host: &str,
    addr: SocketAddr,
    from: Option<IpAddr>,
    transport: ServerTransport,
) -> Result<MessageStream, String> {
    let stream = message_stream::connect(addr, from.map(|ip| SocketAddr::new(ip, 0)))
        .await
        .map_err(|error| format!("no connection: {error}"))?;
    if transport != ServerTransport::Tls {
        return Ok(MessageStream::new(stream, Framing::Turn));
    }
    let client = TlsClient::new().map_err(|error| error.to_string())?;
    let stream = client.connect(host, stream).await.map_err(|error| error.to_string())?;
    Ok(MessageStream::new(stream, Framing::Turn))
}
