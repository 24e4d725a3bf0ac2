//! What can be asked: commands and their options.
//!
//! Here are the commands; what several of them take is in `options/`: `media.rs`, `servers.rs`, `port.rs`,
//! `telling.rs`.

mod media;
mod port;
mod servers;
mod telling;

pub use media::{Codec, MediaOptions};
pub use port::PortOptions;
pub use servers::{IcePolicy, PathOptions, ServerOptions};
pub use telling::{Loudness, TellingOptions};

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::net::secret::Secret;
use crate::net::target::Target;
use crate::net::tls::Fingerprint;

/// A two-way voice call over WebRTC, from one computer or browser to another.
#[derive(Debug, Parser)]
#[command(name = "halloo", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  halloo listen                  then open http://127.0.0.1:8080/ in a browser and press Call
  halloo call self               does this machine work? without microphone, network or browser
  halloo listen --lan            on one computer, and on another:
  halloo call 192.0.2.7          or in the browser of a phone: https://192.0.2.7:8443/";

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer calls: from browsers by the page, from other programs by WHIP.
    #[command(after_help = LISTEN_EXAMPLES)]
    Listen(Box<ListenOptions>),
    /// Place a call.
    #[command(after_help = CALL_EXAMPLES)]
    Call(Box<CallOptions>),
    /// List the halloos on this network that announce themselves.
    #[command(after_help = PEERS_EXAMPLES)]
    Peers(PeersOptions),
    /// Say what the network lets through: NAT, STUN and TURN servers.
    #[command(after_help = PROBE_EXAMPLES)]
    Probe(ProbeOptions),
    /// List microphones and loudspeakers.
    #[command(after_help = DEVICES_EXAMPLES)]
    Devices(DevicesOptions),
    /// Print what lets a shell complete commands and options.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsOptions),
    /// Print a manual page, of halloo or of a command.
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManOptions),
}

const LISTEN_EXAMPLES: &str = "\
Examples:
  halloo listen                          the page is at http://127.0.0.1:8080/
  halloo listen --lan                    phones and other computers may call too; y or n answers them
  halloo listen --lan --name Kitchen --token SECRET
  halloo listen paste                    answers a `halloo call paste`
  halloo listen --input echo --output null      callers hear themselves
  halloo listen --input tone:440 --output file:heard-{call}.wav --json";

const CALL_EXAMPLES: &str = "\
Examples:
  halloo call self                       two peers in this process, and a verdict
  halloo call tab                        a browser tab: open the URL there, and it rings
  halloo call paste                      without any server: send a line, paste the one that comes back
  halloo call tab --lan                  a phone's browser: point its camera at the QR code
  halloo call 192.0.2.7                  a `halloo listen --lan` there
  halloo call kitchen --pin FINGERPRINT  only if it shows this certificate
  halloo call https://whip.example/endpoint      any WHIP endpoint
  halloo call localhost --input file:speech.wav --output file:heard.wav --duration 10
  halloo call localhost --codec g722 --codec pcma --frame 40
  halloo call localhost --interface lo --udp-port 5000
  halloo call localhost --impair loss=10%,burst=3,delay=80ms,seed=1";

const PEERS_EXAMPLES: &str = "\
Examples:
  halloo listen --lan --name anna        announces itself, and on another computer:
  halloo peers
  halloo call anna";

const PROBE_EXAMPLES: &str = "\
Examples:
  halloo probe                                        our own addresses
  halloo probe --stun stun:stun.example.org           what kind of NAT is there?
  HALLOO_TURN_PASSWORD=secret halloo probe --turn turns:turn.example.org --turn-user anna";

const DEVICES_EXAMPLES: &str = "\
Examples:
  halloo devices
  halloo devices --json
  halloo call localhost --input device:NAME      NAME as `halloo devices` lists it";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  mkdir -p ~/.local/share/bash-completion/completions
  halloo completions bash > ~/.local/share/bash-completion/completions/halloo
  halloo completions fish > ~/.config/fish/completions/halloo.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  mkdir -p ~/.local/share/man/man1
  halloo man > ~/.local/share/man/man1/halloo.1
  halloo man listen > ~/.local/share/man/man1/halloo-listen.1";

impl Command {
    /// How much is told.
    #[must_use]
    pub fn loudness(&self) -> Loudness {
        match self {
            Self::Listen(options) => options.telling.loudness(),
            Self::Call(options) => options.telling.loudness(),
            Self::Peers(options) => options.telling.loudness(),
            Self::Probe(options) => options.telling.loudness(),
            Self::Devices(options) => options.telling.loudness(),
            Self::Completions(_) | Self::Man(_) => Loudness::Normal,
        }
    }
}

/// `halloo listen`.
#[derive(Debug, Args)]
pub struct ListenOptions {
    /// paste: answer one call whose lines are carried by hand, instead of serving any
    #[arg(value_enum, value_name = "paste", hide_possible_values = true,
        conflicts_with_all = [
            "bind", "lan", "tls", "no_tls", "tls_cert", "allow_origin", "answer", "max_calls", "name",
        ])]
    pub by: Option<ListenBy>,
    /// Where calls come in.
    #[command(flatten)]
    pub port: PortOptions,
    /// Callers must know it: they send Authorization: Bearer SECRET
    #[arg(long, value_name = "SECRET", env = "HALLOO_TOKEN", hide_env_values = true)]
    pub token: Option<Secret>,
    /// What the calls are like.
    #[command(flatten)]
    pub media: MediaOptions,
    /// What is told.
    #[command(flatten)]
    pub telling: TellingOptions,
}

/// How calls come in, if not by HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListenBy {
    /// As lines of text.
    Paste,
}

/// What happens to a call that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Answer {
    /// It is taken.
    Auto,
    /// It rings, and a person decides.
    Ask,
}

/// `halloo call`.
#[derive(Debug, Args)]
pub struct CallOptions {
    /// `https://host:port[/path]` or `http://...`, `host[:port]`, a name that `halloo peers` shows, `self`, `tab` (the browser tab that opens our page) or `paste` (lines of text, carried by any chat)
    #[arg(value_name = "TARGET")]
    pub target: Target,
    /// The secret that the other side asks for (tab: that we ask for); better by the variable, which no process list shows
    #[arg(long, value_name = "SECRET", env = "HALLOO_TOKEN", hide_env_values = true)]
    pub token: Option<Secret>,
    /// The other side's certificate must have this SHA-256 fingerprint, whoever vouches for it
    #[arg(long, value_name = "FINGERPRINT")]
    pub pin: Option<Fingerprint>,
    /// What the call is like.
    #[command(flatten)]
    pub media: MediaOptions,
    /// What is told.
    #[command(flatten)]
    pub telling: TellingOptions,
    /// tab: where the page is served.
    #[command(flatten, next_help_heading = "Options of call tab")]
    pub port: PortOptions,
}

/// `halloo peers`.
#[derive(Debug, Args)]
pub struct PeersOptions {
    /// Look around for so many seconds
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    pub duration: Duration,
    /// Look only by this network interface (repeatable) [default: every usable one]
    #[arg(long, value_name = "NAME")]
    pub interface: Vec<String>,
    /// What is told.
    #[command(flatten)]
    pub telling: TellingOptions,
}

/// `halloo probe`.
#[derive(Debug, Args)]
pub struct ProbeOptions {
    /// Whom to ask.
    #[command(flatten)]
    pub servers: ServerOptions,
    /// Look only at this network interface (repeatable) [default: every usable one]
    #[arg(long, value_name = "NAME")]
    pub interface: Vec<String>,
    /// What is told.
    #[command(flatten)]
    pub telling: TellingOptions,
}

/// `halloo devices`.
#[derive(Debug, Args)]
pub struct DevicesOptions {
    /// What is told.
    #[command(flatten)]
    pub telling: TellingOptions,
}

/// `halloo completions`.
#[derive(Debug, Args)]
pub struct CompletionsOptions {
    /// For which shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// `halloo man`.
#[derive(Debug, Args)]
pub struct ManOptions {
    /// The page of this command, such as listen [default: of halloo itself]
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if duration.is_zero() => Err("must be more than 0 seconds".into()),
        Ok(duration) if duration > LONGEST => Err("must be at most a year".into()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("not a number of seconds".into()),
    }
}

const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::config::{CodecName, OpusSettings};
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        for command in Cli::command().get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            let example = format!("  halloo {}", command.get_name());
            assert!(help.contains("Examples:") && help.contains(&example), "{help}");
        }
    }

    #[test]
    fn options_reach_the_driver() {
        let line = "halloo call a.example --codec pcma --codec opus --codec pcma --bitrate 64000 \
            --frame 60 --no-fec --dtx --stereo --duration 1.5 --timeout 5 --udp-port 5000 \
            --interface lo --impair loss=10%";
        let Command::Call(options) = Cli::parse_from(line.split_whitespace()).command else {
            panic!("another command")
        };
        let driver = options.media.driver();
        assert_eq!(driver.peer.codecs, [CodecName::Pcma, CodecName::Opus]);
        let frame = Duration::from_millis(60);
        let opus = OpusSettings { bitrate: 64_000, frame, fec: false, dtx: true, stereo: true };
        assert_eq!(driver.peer.opus, opus);
        assert_eq!(driver.duration, Some(Duration::from_millis(1_500)));
        assert_eq!(driver.peer.connect_timeout, Duration::from_secs(5));
        assert_eq!((driver.udp_port, driver.interfaces), (5_000, vec!["lo".to_owned()]));
        assert_eq!(driver.impair.map(|impair| impair.loss), Some(0.1));
    }

    /// Each line is wrong usage, and the message shows the part that is wrong.
    #[track_caller]
    pub(super) fn assert_refused(lines: &[(&str, &str)]) {
        for (line, shown) in lines {
            let words = std::iter::once("halloo").chain(line.split_whitespace());
            let Err(error) = Cli::try_parse_from(words) else { panic!("{line} was taken") };
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(shown), "{line}: {error}");
        }
    }

    #[test]
    fn wrong_values_are_refused_with_the_part_shown() {
        assert_refused(&[
            ("call", "TARGET"),
            ("call ftp://a.example", "ftp"),
            ("call a --pin 12:34", "12:34"),
            ("call a --codec g723", "g723"),
            ("call a --impair loss=much", "much"),
            ("call a --frame 30", "30"),
            ("call a --bitrate 5", "5"),
            ("call a --duration 0", "0"),
            ("call a --timeout -1", "-1"),
            ("call a --timeout NaN", "NaN"),
            ("call a --udp-port 0", "0"),
            ("call a --input what:ever", "what:ever"),
            ("call a -q -v", "-v"),
            ("listen --bind here", "here"),
            ("listen --allow-origin app.example", "app.example"),
            ("listen --max-calls 0", "0"),
            ("listen --tls-cert a.pem", "--tls-key"),
            ("sing", "sing"),
        ]);
    }
}
