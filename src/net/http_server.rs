//! Carries [`crate::signal`] over HTTP, and the page.
//!
//! Whoever reaches the port may connect, so nothing here waits for a stranger without end: so many
//! connections, so long for a head, so long and so large for a body, and a slow reader holds only its
//! own connection. The calls live in the driver's loop, which is never waited on by sound.
//!
//! ```text
//! accept -> connection -> answer -> origin::judge -> page, or signal::route -> driver -> response
//! ```
//! HTTP/1.1 by hyper (RFC 9112). Left out: TLS, HTTP/2, compression.
//!
//! Comes from `cli::listen`. Read next: `answer.rs`, then [`super::http_client`], the other side.

mod answer;
mod body;
mod events;
mod page;
mod room;
mod tab;

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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::driver::{Caller, Handle};
use crate::signal::origin::Policy;
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
    /// Held while a tab is given our offer: only one of them rings.
    tab: Arc<Mutex<()>>,
    /// The other end.
    remote: SocketAddr,
    followers: Arc<Semaphore>,
    /// Held while a wrong token is answered: those who guess wait for each other, and nobody else does.
    guesses: Arc<Mutex<()>>,
    seat: Arc<Seat>,
}

impl Server {
    /// Opens the port.
    ///
    /// # Errors
    /// The port is in use, or the address is not ours.
    pub async fn bind(bind: SocketAddr, access: Access) -> io::Result<Self> {
        let listener = TcpListener::bind(bind).await?;
        let local = listener.local_addr()?;
        let Access { allowed, token, answering, role } = access;
        let policy = Policy { names: own_names(), addresses: own_addresses(), allowed, token };
        let followers = Arc::new(Semaphore::new(FOLLOWERS));
        let guesses = Arc::default();
        let tab = Arc::default();
        Ok(Self { listener, local, policy, answering, role, tab, followers, guesses })
    }

    /// Where it listens; the real port if 0 was asked for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The page's URLs, the most likely one first: every address if it listens on all of them.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        let url = |ip: IpAddr| format!("http://{}/", SocketAddr::new(ip, self.local.port()));
        if !self.local.ip().is_unspecified() {
            return vec![url(self.local.ip())];
        }
        let mut addresses: Vec<_> = self
            .policy
            .addresses
            .iter()
            .filter(|ip| self.local.is_ipv6() || ip.is_ipv4())
            .filter(|ip| !is_link_local(ip))
            .collect();
        // People type IPv4 addresses more easily; loopback serves only this machine.
        addresses.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
        addresses.into_iter().map(|ip| url(*ip)).collect()
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
        mut stopping: watch::Receiver<()>,
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
            tab: Arc::clone(&self.tab),
            remote,
            followers: Arc::clone(&self.followers),
            guesses: Arc::clone(&self.guesses),
            seat: Arc::clone(&seat),
        };
        async move {
            let _small_answers_at_once = stream.set_nodelay(true);
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
                () = seat.cut.notified() => return,
                _ = stopping.changed() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = served {
                tracing::debug!("{remote}: {error}");
            }
        }
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

/// What this machine is called: `name`, and if that has a domain, the first part alone too.
fn own_names() -> Vec<String> {
    let full = gethostname::gethostname().to_string_lossy().to_ascii_lowercase();
    let first = full.split('.').next().map(str::to_owned);
    let mut names: Vec<_> = first.into_iter().chain([full]).filter(|n| !n.is_empty()).collect();
    names.dedup();
    names
}

fn own_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.iter().map(if_addrs::Interface::ip).collect()
}

/// Such an address means nothing without the name of an interface, and URLs have no place for it.
fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
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
