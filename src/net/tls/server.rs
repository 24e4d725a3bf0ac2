//! The listening side: one port for HTTPS and for plain HTTP.
//!
//! ```text
//! connection -> first byte -> 0x16, a TLS handshake record -> handshake -> encrypted
//!          |              \-> anything else                             -> in the clear
//!          \-> nothing in time, too many that wait                      -> dropped
//! ```
//! No HTTP method begins with byte 0x16 (RFC 8446 section 5.1, RFC 9110 section 9.1). Until a connection
//! has said what it is, it holds a place among those that wait: there are so many, so many of them for
//! one address, and for so long. So whoever connects and says nothing keeps nobody else out.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
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
    waiting: Arc<Mutex<HashMap<IpAddr, usize>>>,
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
        let waiting = Arc::default();
        Ok(Self { acceptor: builder.build(), fingerprint: identity.fingerprint(), waiting })
    }

    /// The certificate that it shows.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Waits until a connection says what it is; `None` if it does not.
    pub async fn begin(&self, stream: TcpStream, remote: SocketAddr) -> Option<Begun> {
        let place = Place::take(&self.waiting, remote.ip())?;
        let begun = timeout(BEGINS_WITHIN, self.tell(stream, remote)).await;
        drop(place);
        begun.ok().flatten()
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

/// A place among those that have not yet said what they are.
struct Place {
    waiting: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Place {
    fn take(waiting: &Arc<Mutex<HashMap<IpAddr, usize>>>, address: IpAddr) -> Option<Self> {
        let address = network(address);
        let mut places = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = places.values().sum();
        let own = places.get(&address).copied().unwrap_or(0);
        if all >= WAITING || own >= WAITING_OF_ONE {
            return None;
        }
        places.insert(address, own + 1);
        Some(Self { waiting: Arc::clone(waiting), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = places.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                places.remove(&self.address);
            }
        }
    }
}

/// Whoever has one IPv6 address has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => std::net::Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// A handshake takes two round trips; browsers open connections that they may not need.
const BEGINS_WITHIN: Duration = Duration::from_secs(10);
/// How many may wait at once.
const WAITING: usize = 128;
/// How many of one address: a browser opens six.
const WAITING_OF_ONE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_places() {
        let waiting = Arc::default();
        let take = |last: u8| Place::take(&waiting, IpAddr::from([192, 0, 2, last]));
        let mut taken: Vec<_> = (0..WAITING_OF_ONE).filter_map(|_| take(1)).collect();
        assert_eq!(taken.len(), WAITING_OF_ONE);
        assert!(take(1).is_none());
        assert!(take(2).is_some());
        taken.pop();
        taken.extend(take(1));
        assert_eq!(taken.len(), WAITING_OF_ONE);
        taken.extend((2..=255).filter_map(take));
        assert_eq!(taken.len(), WAITING);
        assert!(take(255).is_none());
        taken.clear();
        assert!(waiting.lock().unwrap().is_empty());
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let [a, b, c] = ["2001:db8::1", "2001:db8::2:1", "2001:db8:0:1::1"]
            .map(|text| network(text.parse().unwrap()));
        assert_eq!(a, b);
        assert_ne!(a, c);
        let v4 = network("::ffff:192.0.2.1".parse().unwrap());
        assert_eq!(v4, IpAddr::from([192, 0, 2, 1]));
    }
}
