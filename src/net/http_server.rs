//! Carries [`crate::signal`] over HTTP, and the page.
//!
//! Whoever reaches the port may connect, so nothing here waits for a stranger without end: so many
//! connections, so long for a head, so long and so large for a body, and a slow reader holds only its
//! own connection. The calls live in the driver's loop, which is never waited on by sound.
//!
//! ```text
//! accept -> connection -> answer -> origin::judge -> page, or signal::route -> driver -> response
//!     tls::server \-> no TLS where there is some, and not from this machine -> redirect
//! ```
//! HTTP/1.1 by hyper (RFC 9112). Left out: HTTP/2, compression.
//!
//! With TLS one port serves both. From another machine, what comes in the clear is only told the same
//! address with https (308): neither page nor call is ever served so. From this machine's loopback it is
//! served like the rest, for nobody is on the way: `http://localhost` needs no certificate, and browsers
//! give it the microphone.
//!
//! Comes from `cli::port`, which opens it for `listen` and `call tab`. Read next: `answer.rs`, then [`super::http_client`], the other side.

mod answer;
mod body;
mod events;
mod page;
mod path;
mod redirect;
mod room;
mod tab;
mod urls;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::driver::{Caller, Handle};
use super::interfaces;
use super::tls::Fingerprint;
use super::tls::server::{Acceptor, Begun};
use crate::signal::origin::{Policy, Scheme};
use crate::signal::token::Token;
use room::{Room, Seat};

/// An open port, not yet served.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    local: SocketAddr,
    policy: Policy,
    answering: Answering,
    role: Role,
    name: Arc<str>,
    tls: Option<Acceptor>,
    tab: Arc<Mutex<()>>,
    /// Places for those who follow a call's events: each takes a connection for as long as the call.
    followers: Arc<Semaphore>,
    guesses: Arc<Mutex<()>>,
}

/// Who may call.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// `--allow-origin`
    pub allowed: Vec<String>,
    /// `--token`
    pub token: Option<Token>,
    /// `--answer`
    pub answering: Answering,
    /// Which way calls go.
    pub role: Role,
    /// `--name`
    pub name: String,
    /// `--tls`
    pub tls: Option<Acceptor>,
}

/// What this halloo does with those who open its page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// They call it: `halloo listen`.
    #[default]
    Listens,
    /// It calls the tab that opens the page, once: `halloo call tab`.
    CallsTab,
}

/// Whether a person is asked before a call is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answering {
    /// Every call is taken.
    #[default]
    Auto,
    /// Every call rings.
    Ask,
    /// Calls from other machines ring.
    AskOthers,
}

impl Answering {
    fn asks(self, caller: &Caller) -> bool {
        match self {
            Self::Auto => false,
            Self::Ask => true,
            Self::AskOthers => !caller.is_local(),
        }
    }
}

/// What each request on a connection needs to know.
#[derive(Clone, Debug)]
struct Context {
    calls: Handle,
    policy: Arc<Policy>,
    answering: Answering,
    role: Role,
    name: Arc<str>,
    link: Link,
    /// By which the page is reached.
    scheme: Scheme,
    /// The port that we listen on.
    port: u16,
    /// Held while a tab is given our offer: only one of them rings.
    tab: Arc<Mutex<()>>,
    /// The other end.
    remote: SocketAddr,
    followers: Arc<Semaphore>,
    /// Held while a wrong token is answered: those who guess wait for each other, and nobody else does.
    guesses: Arc<Mutex<()>>,
    seat: Arc<Seat>,
}

/// How a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Encrypted, or from where nobody can read it, or there is no encryption here at all.
    Served,
    /// In the clear from another machine, where it could be encrypted.
    Exposed,
}

impl Server {
    /// Opens the port.
    ///
    /// # Errors
    /// The port is in use, or the address is not ours.
    pub async fn bind(bind: SocketAddr, access: Access) -> io::Result<Self> {
        let listener = TcpListener::bind(bind).await?;
        let local = listener.local_addr()?;
        let Access { allowed, token, answering, role, name, tls } = access;
        let policy =
            Policy { names: interfaces::host_names(), addresses: own_addresses(), allowed, token };
        let followers = Arc::new(Semaphore::new(FOLLOWERS));
        let guesses = Arc::default();
        let tab = Arc::default();
        let name = name.into();
        Ok(Self { listener, local, policy, answering, role, name, tls, tab, followers, guesses })
    }

    /// Where it listens; the real port if 0 was asked for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The page's URLs, the most likely one first: every address if it listens on all of them.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        urls::all(self.local, if self.tls.is_some() { "https" } else { "http" })
    }

    /// The port that it got.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.local.port()
    }

    /// The certificate that callers see, with TLS.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.tls.as_ref().map(Acceptor::fingerprint)
    }

    /// Serves these calls until `stop` is ready; then lets requests that run come to their end, for a moment.
    pub async fn run(self, calls: Handle, stop: impl Future<Output = ()>) {
        let (stopped, stopping) = watch::channel(());
        let room = Room::new(CONNECTIONS);
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&self.listener, &room) => accepted,
            };
            match accepted {
                Ok((stream, remote, seat)) => {
                    tokio::spawn(self.serve(stream, remote, seat, calls.clone(), stopping.clone()));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: trying again at once would only spin.
                    tracing::warn!("can't accept a connection: {error}");
                    sleep(ACCEPT_AGAIN_AFTER).await;
                }
            }
        }
        drop(self.listener);
        drop(stopping);
        stopped.send_replace(());
        let all_gone = stopped.closed();
        let _gone_or_cut_off = timeout(GRACE, all_gone).await;
    }

    /// One connection, from its first byte to its last.
    fn serve(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        seat: Seat,
        calls: Handle,
        stopping: watch::Receiver<()>,
    ) -> impl Future<Output = ()> + use<> {
        let mut policy = self.policy.clone();
        // The address it was reached by is ours, even if it is newer than our list.
        policy.addresses.extend(stream.local_addr().map(|local| local.ip().to_canonical()));
        let seat = Arc::new(seat);
        let context = Context {
            calls,
            policy: Arc::new(policy),
            answering: self.answering,
            role: self.role,
            name: Arc::clone(&self.name),
            link: Link::Served,
            scheme: Scheme::Http,
            port: self.local.port(),
            tab: Arc::clone(&self.tab),
            remote,
            followers: Arc::clone(&self.followers),
            guesses: Arc::clone(&self.guesses),
            seat: Arc::clone(&seat),
        };
        let tls = self.tls.clone();
        async move {
            let _small_answers_at_once = stream.set_nodelay(true);
            let served = async {
                let Some(tls) = tls else { return carry(stream, context, stopping).await };
                match tls.begin(stream, remote).await {
                    Some(Begun::Tls(stream)) => {
                        carry(stream, Context { scheme: Scheme::Https, ..context }, stopping).await;
                    }
                    Some(Begun::Clear(stream)) => {
                        let is_here = remote.ip().to_canonical().is_loopback();
                        let link = if is_here { Link::Served } else { Link::Exposed };
                        carry(stream, Context { link, ..context }, stopping).await;
                    }
                    None => {}
                }
            };
            tokio::select! {
                () = served => {}
                () = seat.cut.notified() => {}
            }
        }
    }
}

/// The requests of a connection, one after another.
async fn carry<S>(stream: S, context: Context, mut stopping: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let remote = context.remote;
    let service = service_fn(move |request| {
        let context = context.clone();
        async move { Ok::<_, Infallible>(answer::answer(context, request).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
    );
    let served = tokio::select! {
        served = &mut connection => served,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!("{remote}: {error}");
    }
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Room>,
) -> io::Result<(TcpStream, SocketAddr, Seat)> {
    let (stream, remote) = listener.accept().await?;
    Ok((stream, remote, room.enter().await))
}

fn own_addresses() -> Vec<IpAddr> {
    interfaces::addresses().unwrap_or_default().iter().map(|address| address.ip).collect()
}

/// A page needs one or two, for the time of a request; more than this at once is no telephone.
const CONNECTIONS: usize = 256;
/// Those who follow a call must leave room for those who call.
const FOLLOWERS: usize = 64;
/// How long a head may take, and so how long a connection may idle before the next request.
const HEAD_WITHIN: Duration = Duration::from_secs(20);
/// Browsers send about 20.
const MAX_HEADERS: usize = 64;
/// All headers together, and what is read of a body at a time.
const MAX_HEAD: usize = 32 * 1024;
/// How long to wait after a failed accept.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// How long running requests may take when the program ends.
const GRACE: Duration = Duration::from_millis(500);
