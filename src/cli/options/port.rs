//! The options of commands that listen: where, encrypted or not, who may come.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use super::Answer;

/// Where calls or tabs come in.
#[derive(Debug, Default, Args)]
pub struct PortOptions {
    /// Where to listen: address and port (0: any free one) [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    pub bind: Option<SocketAddr>,
    /// For the other computers and phones on this network: --bind 0.0.0.0:8443 --tls, and a QR code of
    /// the address on a terminal
    #[arg(long)]
    pub lan: bool,
    /// HTTPS, which browsers on other computers need for the microphone; plain HTTP from there is sent on
    /// to it
    #[arg(long, overrides_with = "no_tls")]
    pub tls: bool,
    /// No HTTPS, even with --lan
    #[arg(long, overrides_with = "tls")]
    pub no_tls: bool,
    /// HTTPS with this certificate (PEM, then those who signed it) [default: one signed by itself, kept]
    #[arg(long, value_name = "FILE", requires = "tls_key", conflicts_with = "no_tls")]
    pub tls_cert: Option<PathBuf>,
    /// The key of --tls-cert (PEM, without a passphrase)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Let pages of this origin call, such as `https://app.example`; * for any
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub allow_origin: Vec<String>,
    /// Take every call, or ask at the terminal (y/n); with call tab the person in the tab is asked in any
    /// case [default: ask on a terminal for callers from other machines, else auto]
    #[arg(long, value_enum, value_name = "HOW")]
    pub answer: Option<Answer>,
    /// How many calls may run at once; call tab has one in any case [default: 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub max_calls: Option<u16>,
    /// What this halloo is called: on its page and its terminal [default: the computer's name]
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub name: Option<String>,
}

impl PortOptions {
    /// Where to listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let default = match self.lan {
            true => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8_443),
            false => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8_080),
        };
        self.bind.unwrap_or(default)
    }

    /// How many calls may run at once.
    #[must_use]
    pub fn most_calls(&self) -> usize {
        usize::from(self.max_calls.unwrap_or(32))
    }

    /// Whether HTTPS is wished for.
    #[must_use]
    pub const fn wants_tls(&self) -> bool {
        (self.tls || self.lan || self.tls_cert.is_some()) && !self.no_tls
    }

    /// One of these options that was given, for commands that have no port.
    #[must_use]
    pub fn given(&self) -> Option<&'static str> {
        [
            ("--bind", self.bind.is_some()),
            ("--lan", self.lan),
            ("--tls", self.tls),
            ("--no-tls", self.no_tls),
            ("--tls-cert", self.tls_cert.is_some()),
            ("--allow-origin", !self.allow_origin.is_empty()),
            ("--answer", self.answer.is_some()),
            ("--max-calls", self.max_calls.is_some()),
            ("--name", self.name.is_some()),
        ]
        .into_iter()
        .find_map(|(option, is_given)| is_given.then_some(option))
    }
}

/// An origin as browsers send it: scheme, host, and the port unless it is the scheme's own.
fn origin(text: &str) -> Result<String, String> {
    let bare = text.trim_end_matches('/');
    let rest = bare.split_once("://").map(|(_, rest)| rest);
    match rest {
        _ if text == "*" || text == "null" => Ok(text.to_owned()),
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', ' ']) => {
            Ok(bare.to_ascii_lowercase())
        }
        _ => Err("an origin is scheme://host[:port], without a path; or *".into()),
    }
}

/// A name is announced, too, where it has 63 bytes at most (RFC 6763 section 4.1.1).
fn name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a name is at least one character".into()),
        long if long.len() > 63 => Err("a name has 63 bytes at most".into()),
        odd if odd.chars().any(char::is_control) => Err("a name has no control characters".into()),
        name => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;
    use clap::Parser;

    fn port(line: &str) -> Result<PortOptions, clap::Error> {
        let words = ["halloo", "listen"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words)?.command {
            Command::Listen(options) => Ok(options.port),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn lan_is_short_for_an_address_and_tls() {
        for (line, address, tls) in [
            ("", "127.0.0.1:8080", false),
            ("--tls", "127.0.0.1:8080", true),
            ("--no-tls", "127.0.0.1:8080", false),
            ("--lan", "0.0.0.0:8443", true),
            ("--lan --bind 192.0.2.7:1", "192.0.2.7:1", true),
            ("--lan --no-tls", "0.0.0.0:8443", false),
            ("--no-tls --tls", "127.0.0.1:8080", true),
            ("--tls --no-tls", "127.0.0.1:8080", false),
            ("--tls-cert a --tls-key b", "127.0.0.1:8080", true),
        ] {
            let port = port(line).unwrap();
            assert_eq!(port.address().to_string(), address, "{line}");
            assert_eq!(port.wants_tls(), tls, "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let long = format!("--name {}", "x".repeat(64));
        for line in [
            "--tls-cert a",
            "--tls-key b",
            "--no-tls --tls-cert a --tls-key b",
            "--name \u{7}",
            &long,
            "--lan --bind here",
        ] {
            assert!(port(line).is_err(), "{line}");
        }
        assert_eq!(port("--name Küche").unwrap().name.as_deref(), Some("Küche"));
    }
}
