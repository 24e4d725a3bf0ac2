//! `--stun`, `--turn` and what goes with them: how a call gets through a NAT.
#![allow(rustdoc::broken_intra_doc_links, reason = "the help's brackets mean what may be left out")]

use std::net::IpAddr;

use clap::{Args, ValueEnum};

use crate::ice::{Policy, Purpose, RelayUser, Server};
use crate::net::secret::Secret;
use crate::peer::config::Config;

/// Servers that help a call through.
#[derive(Debug, Args)]
pub struct ServerOptions {
    /// A STUN server, as stun:HOST[:PORT]: it tells where the other side can reach us (repeatable)
    #[arg(long, value_name = "URI", value_parser = stun)]
    pub stun: Vec<Server>,
    /// A TURN server, as turn:HOST[:PORT][?transport=udp|tcp] or turns:HOST[:PORT]: it passes the call on
    /// when there is no direct way (repeatable)
    #[arg(long, value_name = "URI", value_parser = turn)]
    pub turn: Vec<Server>,
    /// The user at the TURN servers
    #[arg(long, value_name = "NAME", env = "HALLOO_TURN_USER", hide_env_values = true)]
    pub turn_user: Option<String>,
    /// The password there; better by the variable, which no process list shows
    #[arg(long, value_name = "SECRET", env = "HALLOO_TURN_PASSWORD", hide_env_values = true)]
    pub turn_password: Option<Secret>,
}

/// Which addresses a call uses.
#[derive(Debug, Args)]
pub struct PathOptions {
    /// Who tells and lends them.
    #[command(flatten)]
    pub servers: ServerOptions,
    /// Which addresses are shown and used: every one, or only those of TURN servers, so that the other side
    /// learns none of ours
    #[arg(
        long,
        value_enum,
        value_name = "WHICH",
        default_value = "all",
        requires_if("relay", "turn")
    )]
    pub ice_policy: IcePolicy,
    /// An address at which this machine can be reached as well, by the same ports: of a host behind a 1:1
    /// NAT, as clouds have (repeatable)
    #[arg(long, value_name = "IP", value_parser = public_address)]
    pub public_address: Vec<IpAddr>,
}

/// W3C `RTCIceTransportPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IcePolicy {
    /// Every one
    All,
    /// Those of TURN servers
    Relay,
}

impl PathOptions {
    /// Puts them into a call's settings.
    #[must_use]
    pub fn apply(&self, config: Config) -> Config {
        let ServerOptions { stun, turn, turn_user, turn_password } = &self.servers;
        let relay_user = turn_user.as_ref().zip(turn_password.as_ref());
        Config {
            servers: stun.iter().chain(turn).cloned().collect(),
            relay_user: relay_user.map(|(user, password)| RelayUser::new(user, password.reveal())),
            policy: match self.ice_policy {
                IcePolicy::All => Policy::All,
                IcePolicy::Relay => Policy::Relay,
            },
            public_addresses: self.public_address.clone(),
            ..config
        }
    }
}

fn stun(text: &str) -> Result<Server, String> {
    server(text, Purpose::Reflection, "--turn")
}

fn turn(text: &str) -> Result<Server, String> {
    server(text, Purpose::Relay, "--stun")
}

fn server(text: &str, purpose: Purpose, other: &str) -> Result<Server, String> {
    let server: Server = text.parse().map_err(|error| format!("{error}"))?;
    if server.purpose == purpose { Ok(server) } else { Err(format!("that is for {other}")) }
}

fn public_address(text: &str) -> Result<IpAddr, String> {
    let ip: IpAddr = text.parse().map_err(|_| "not an IP address".to_owned())?;
    if ip.is_unspecified() || ip.is_multicast() || ip.is_loopback() {
        return Err("nobody elsewhere can reach it".to_owned());
    }
    Ok(ip)
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_refused;
    use super::super::{Cli, Command};
    use super::*;
    use clap::Parser;

    fn config(line: &str) -> Config {
        let Command::Call(options) = Cli::parse_from(line.split_whitespace()).command else {
            panic!("another command")
        };
        options.media.driver().peer
    }

    #[test]
    fn servers_and_addresses_reach_the_call() {
        let config = config(
            "halloo call a --stun stun:one.example --stun stun:192.0.2.1:19302 \
             --turn turns:relay.example --turn-user alice --turn-password s3cret \
             --ice-policy relay --public-address 192.0.2.7 --public-address 2001:db8::7",
        );
        let servers: Vec<_> = config.servers.iter().map(Server::to_string).collect();
        let expected = [
            "stun:one.example:3478",
            "stun:192.0.2.1:19302",
            "turns:relay.example:5349?transport=tcp",
        ];
        assert_eq!(servers, expected);
        assert_eq!(config.relay_user, Some(RelayUser::new("alice", "s3cret")));
        assert_eq!((config.policy, config.public_addresses.len()), (Policy::Relay, 2));
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[test]
    fn wrong_ones_are_usage_errors_with_the_part_shown() {
        assert_refused(&[
            ("call a --stun example.org", "example.org"),
            ("call a --stun turn:example.org", "--turn"),
            ("call a --turn stun:example.org", "--stun"),
            ("call a --turn turn:example.org?transport=sctp", "sctp"),
            ("call a --turn turn:example.org:99999", "99999"),
            ("call a --ice-policy relay", "--turn"),
            ("call a --ice-policy some", "some"),
            ("call a --public-address localhost", "localhost"),
            ("call a --public-address 0.0.0.0", "0.0.0.0"),
            ("listen --stun stun://example.org", "without //"),
        ]);
    }
}
