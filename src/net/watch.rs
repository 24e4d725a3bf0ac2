//! Notices that this machine's addresses changed: a cable, a Wi-Fi, a VPN that comes or goes.
//!
//! Linux tells whoever asks, by a netlink socket (rtnetlink(7)): a message for each link and address that
//! changes. What it says is not read: it only means that it is time to look at the addresses again, which
//! [`super::interfaces`] does the same way on every system. So there is no parser here, and none to fuzz.
//!
//! Elsewhere, and where the socket can't be had (a sandbox), the addresses are looked at every two seconds:
//! a pulled cable is noticed by the silence before that in any case.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};

/// Without a system that tells, the addresses are looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Ready when the addresses may have changed.
#[derive(Debug)]
pub struct Watch {
    #[cfg(target_os = "linux")]
    told: Option<netlink::Told>,
    looks: Interval,
}

impl Watch {
    /// Begins; must be called within the runtime that polls it.
    #[must_use]
    pub fn new() -> Self {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        looks.reset(); // the first look has been had
        Self {
            #[cfg(target_os = "linux")]
            told: netlink::Told::new()
                .map_err(|error| tracing::debug!(%error, "addresses are looked at, not told"))
                .ok(),
            looks,
        }
    }

    /// Ready when it is time to look at the addresses.
    pub fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        #[cfg(target_os = "linux")]
        if let Some(told) = &mut self.told {
            return told.poll_changed(cx);
        }
        self.looks.poll_tick(cx).map(drop)
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(target_os = "linux")]
mod netlink {
    use std::io;
    use std::task::{Context, Poll};

    use rustix::io::Errno;
    use rustix::net::netlink::SocketAddrNetlink;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
    use tokio::net::UdpSocket;

    /// Links; addresses of IPv4; addresses of IPv6 (`RTMGRP_*` of linux/rtnetlink.h).
    const GROUPS: u32 = 0x1 | 0x10 | 0x100;

    const OVERFLOW: i32 = Errno::NOBUFS.raw_os_error();

    /// The kernel's word that something changed. To the runtime it is a socket for datagrams like any.
    #[derive(Debug)]
    pub(super) struct Told(UdpSocket);

    impl Told {
        pub(super) fn new() -> io::Result<Self> {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            // Protocol 0 is NETLINK_ROUTE.
            let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
            bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
            Ok(Self(UdpSocket::from_std(socket.into())?))
        }

        /// Takes all messages that are there: they come in bursts, and one look is enough for all.
        pub(super) fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            let mut changed = Poll::Pending;
            while self.0.poll_recv_ready(cx).is_ready() {
                match self.0.try_recv(&mut [0; 64]) {
                    // The rest of the message is dropped, as all of it is.
                    Ok(_) => changed = Poll::Ready(()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // More happened than fits into its buffer: all the more reason to look.
                    Err(error) if error.raw_os_error() == Some(OVERFLOW) => {
                        changed = Poll::Ready(());
                    }
                    Err(_) => return changed,
                }
            }
            changed
        }
    }
}
