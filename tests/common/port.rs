//! A port that a program may be given.
//!
//! Use it with `mod common { pub mod port; }`.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used)]

use std::net::UdpSocket;

/// A UDP port that is free at every address: other tests hold ports of their own at some.
pub fn free_port() -> u16 {
    let everywhere = UdpSocket::bind("[::]:0").or_else(|_no_ipv6| UdpSocket::bind("0.0.0.0:0"));
    everywhere.unwrap().local_addr().unwrap().port()
}
