//! `.local` names instead of addresses: theirs looked up, ours made up.
//!
//! The addresses behind the `.local` names of candidates: browsers hide theirs, at least from pages without a
//! microphone.
//!
//! ```text
//! Output::NameToResolve -> ask -> mDNS, at most 5 s -> Command::NameResolved -> Input::NameResolved
//! ```
//! No call waits for it: the other side's own checks usually make the pair first. Not asked for are names
//! outside `.local` (whoever calls could make us ask any DNS server anything) and those of calls from this
//! machine itself, whose checks need no help.
//!
//! Ours are hidden when somebody asks for it (`--mdns-candidates`): those on this network can still
//! reach us, others see a random name. It lasts as long as the program.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::mpsc::WeakUnboundedSender;

use crate::net::discovery::{Discovery, DiscoveryError, unguessable_label};
use crate::net::driver::calls::CallKey;
use crate::net::driver::handle::Command;
use crate::net::driver::{Caller, Driver};
use crate::peer::Input;
use crate::time::Instant;

/// Whether the local network is asked for names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mdns {
    /// It is.
    #[default]
    On,
    /// `--no-mdns`
    Off,
    /// `--mdns-candidates`: it is, and answers for names that stand for our own addresses.
    Hide,
}

/// Who asks.
pub(super) struct Names {
    mdns: Mdns,
    interfaces: Vec<String>,
    /// Begun with the first question: nobody should hear of us before.
    discovery: Option<Discovery>,
    /// What our addresses are called.
    hidden: BTreeMap<IpAddr, String>,
    /// Weak, because the driver ends when nobody holds a handle any more.
    answers: WeakUnboundedSender<Command>,
}

impl Names {
    pub(super) fn new(
        mdns: Mdns,
        interfaces: Vec<String>,
        answers: WeakUnboundedSender<Command>,
    ) -> Self {
        Self { mdns, interfaces, discovery: None, hidden: BTreeMap::new(), answers }
    }

    /// Asks; says whether an answer will come.
    fn ask(&mut self, key: CallKey, name: &str, caller: Caller) -> bool {
        if self.mdns == Mdns::Off || caller.is_local() || !is_hidden(name) {
            return false;
        }
        let Some(discovery) = self.discovery() else { return false };
        let (answers, name) = (self.answers.clone(), name.to_owned());
        tokio::spawn(async move {
            let addr = discovery.resolve(&name, PATIENCE).await;
            if let Some(driver) = answers.upgrade() {
                let _driver_has_ended = driver.send(Command::NameResolved(key, name, addr));
            }
        });
        true
    }

    /// What these addresses of ours are called, if they are not to be shown. An address that can't get a
    /// name is not shown either.
    pub(super) fn hide(
        &mut self,
        addresses: impl Iterator<Item = IpAddr>,
    ) -> Result<BTreeMap<IpAddr, String>, DiscoveryError> {
        if self.mdns == Mdns::Hide {
            for ip in addresses.filter(|ip| !ip.is_loopback()) {
                self.name(ip)?;
            }
        }
        Ok(self.hidden.clone())
    }

    fn name(&mut self, ip: IpAddr) -> Result<(), DiscoveryError> {
        if self.hidden.contains_key(&ip) {
            return Ok(());
        }
        let label = unguessable_label()?;
        let discovery = self.discovery().ok_or_else(|| DiscoveryError::new("no sockets"))?;
        discovery.host(&label, ip)?;
        self.hidden.insert(ip, format!("{label}.local"));
        Ok(())
    }

    fn discovery(&mut self) -> Option<Discovery> {
        if self.discovery.is_none() {
            let discovery = Discovery::start(&self.interfaces);
            self.discovery = discovery.map_err(|error| tracing::warn!("{error}")).ok();
        }
        self.discovery.clone()
    }
}

impl Driver {
    pub(super) fn resolve(&mut self, now: Instant, key: CallKey, name: String) {
        let Some(caller) = self.calls.get(key).map(|call| call.caller) else { return };
        if !self.names.ask(key, &name, caller) {
            self.hand_name(now, key, name, None);
        }
    }

    /// To the call, if it still runs.
    pub(super) fn hand_name(
        &mut self,
        now: Instant,
        key: CallKey,
        name: String,
        addr: Option<IpAddr>,
    ) {
        if let Some(peer) = self.calls.peer(key) {
            peer.handle_input(now, Input::NameResolved { name, addr });
        }
    }
}

/// One label before `.local` (the mDNS candidate draft, section 3.1).
fn is_hidden(name: &str) -> bool {
    let label = name.to_ascii_lowercase();
    label.strip_suffix(".local").is_some_and(|label| !label.is_empty() && !label.contains('.'))
}

/// Who is there answers within a second, if not the first time then the second.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hidden_names_are_asked_for() {
        for (name, hidden) in [
            ("4f2c2a6e-0c5f-4a5c-8d9e-1b2c3d4e5f60.local", true),
            ("A.LOCAL", true),
            (".local", false),
            ("a.b.local", false),
            ("a.example", false),
            ("local", false),
        ] {
            assert_eq!(is_hidden(name), hidden, "{name}");
        }
    }
}
