//! Asks servers what the network lets through, outside any call: `halloo probe`.
//!
//! [`stun()`] runs [`crate::stun::behaviour`] on two sockets, [`turn()`] makes an allocation and gives it back.
//!
//! Comes from `cli::probe`.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::UdpSocket;

use super::message_stream::{MessageStream, Taken};
use super::relay_stream;
use super::world::{self, World};
use crate::ice::{Server, ServerTransport};
use crate::stun::behaviour::{Input, Output, Probe, Socket, Verdict};
use crate::turn;

/// What [`stun`] found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What the server says.
    pub verdict: Verdict,
    /// The address of ours that it was asked from.
    pub local: SocketAddr,
}

impl Seen {
    /// Whether there is a NAT at all.
    #[must_use]
    pub fn is_translated(&self) -> bool {
        self.verdict.mapped.is_some_and(|mapped| mapped != self.local)
    }
}

/// What a NAT does on the way to this server.
///
/// # Errors
/// There is no way to it.
pub async fn stun(world: World, server: SocketAddr) -> io::Result<Seen> {
    let (mapping, filtering) = (towards(server).await?, towards(server).await?);
    let mut probe = Probe::new(world.now(), server, world::rng()?);
    let (mut first, mut second) = ([0; LARGEST], [0; LARGEST]);
    loop {
        let due = match probe.poll_output() {
            Output::Transmit { socket, to, bytes } => {
                let socket = if socket == Socket::Mapping { &mapping } else { &filtering };
                // What can't be sent is as if lost.
                let _lost = socket.send_to(bytes, to).await;
                continue;
            }
            Output::Verdict(verdict) => {
                return Ok(Seen { verdict, local: mapping.local_addr()? });
            }
            Output::Timeout(due) => due.map(|due| world.to_runtime(due)),
        };
        let (socket, received, buffer) = tokio::select! {
            received = mapping.recv_from(&mut first) => (Socket::Mapping, received, &first),
            received = filtering.recv_from(&mut second) => (Socket::Filtering, received, &second),
            () = at(due) => {
                probe.handle_input(world.now(), Input::Timer);
                continue;
            }
        };
        if let Ok((length, from)) = received
            && let Some(bytes) = buffer.get(..length)
        {
            probe.handle_input(world.now(), Input::Datagram { socket, from, bytes });
        }
    }
}

/// A socket on the address of ours by which this server is reached.
async fn towards(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let route = UdpSocket::bind((any, 0)).await?;
    route.connect(server).await?;
    UdpSocket::bind((route.local_addr()?.ip(), 0)).await
}

/// A relay that was had, and given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Where it listened for us.
    pub relayed: Vec<SocketAddr>,
    /// Where the server sees us.
    pub mapped: SocketAddr,
    /// From the first byte to the allocation, connecting included.
    pub took: Duration,
}

/// Whether a TURN server gives us a relay.
///
/// # Errors
/// Why not, in words.
pub async fn turn(
    world: World,
    server: &Server,
    addr: SocketAddr,
    user: Option<turn::User>,
) -> Result<Relay, String> {
    let begun = world.now();
    let mut link = Link::open(server, addr).await?;
    let carrier = match link {
        Link::Udp(_) => turn::Carrier::Datagrams,
        Link::Stream(_) => turn::Carrier::Stream,
    };
    let rng = world::rng().map_err(|error| error.to_string())?;
    let mut client = turn::Client::new(world.now(), &turn::Config { user, carrier }, rng);
    let mut had = None;
    let mut buffer = vec![0; LARGEST];
    loop {
        let due = match client.poll_output() {
            turn::Output::Transmit(bytes) => {
                link.send(bytes).await;
                continue;
            }
            turn::Output::Event(turn::Event::Allocated { relayed, mapped }) => {
                had = Some(Relay { relayed, mapped, took: world.now() - begun });
                client.handle_input(world.now(), turn::Input::Close);
                continue;
            }
            turn::Output::Event(turn::Event::Ended(end)) => return had.ok_or_else(|| why(&end)),
            turn::Output::Event(_) => continue,
            turn::Output::Timeout(due) => due.map(|due| world.to_runtime(due)),
        };
        tokio::select! {
            received = link.receive(&mut buffer) => match received {
                Some(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    let _nobody_writes_to_it = client.receive(world.now(), bytes);
                }
                None => client.handle_input(world.now(), turn::Input::Disconnected),
            },
            () = at(due) => client.handle_input(world.now(), turn::Input::Timer),
        }
    }
}

fn why(end: &turn::Ended) -> String {
    match end {
        turn::Ended::Failed(reason) => reason.to_string(),
        turn::Ended::Alternate { servers, .. } => match servers.first() {
            Some(other) => format!("it wants us to ask {other} instead"),
            None => "it wants us to ask another one".to_owned(),
        },
        turn::Ended::Closed => "it took the relay back".to_owned(),
    }
}

/// What lies between us and a TURN server.
enum Link {
    Udp(UdpSocket),
    Stream(MessageStream),
}

impl Link {
    async fn open(server: &Server, addr: SocketAddr) -> Result<Self, String> {
        if server.transport != ServerTransport::Udp {
            let stream = relay_stream::connect(&server.host, addr, None, server.transport).await?;
            return Ok(Self::Stream(stream));
        }
        let open = async {
            let socket = towards(addr).await?;
            socket.connect(addr).await?;
            Ok(socket)
        };
        let opened: io::Result<UdpSocket> = open.await;
        opened.map(Self::Udp).map_err(|error| format!("no way to {addr}: {error}"))
    }

    async fn send(&mut self, bytes: &[u8]) {
        match self {
            // What can't be sent is as if lost.
            Self::Udp(socket) => drop(socket.send(bytes).await),
            Self::Stream(stream) => {
                let sent = |cx: &mut Context<'_>| {
                    stream.send(cx, bytes);
                    Poll::Ready(())
                };
                poll_fn(sent).await;
            }
        }
    }

    /// The length of the next message; `None` when the stream broke.
    async fn receive(&mut self, buffer: &mut [u8]) -> Option<usize> {
        match self {
            Self::Udp(socket) => loop {
                // An error is that of an earlier datagram: nobody is there, which silence tells, too.
                if let Ok(length) = socket.recv(buffer).await {
                    return Some(length);
                }
            },
            Self::Stream(stream) => loop {
                match stream.take(buffer) {
                    Taken::Message(length) => return Some(length),
                    Taken::Broken => return None,
                    Taken::Nothing => poll_fn(|cx| stream.poll(cx)).await,
                }
            },
        }
    }
}

async fn at(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Larger than any answer.
const LARGEST: usize = 2048;
