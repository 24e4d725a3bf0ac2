//! A port for `listen` and `call tab`: opened, and told to people so that they find it.
//!
//! ```text
//! listening on https://192.0.2.7:8443/           stdout, one line for each address
//!   0.004 s  kitchen, certificate sha-256 5A:0F:…
//!   0.004 s  a browser warns: …
//! (the first address as a QR code)               on a terminal, with --lan
//! ```

use std::io;
use std::net::SocketAddr;

use super::options::{MediaOptions, PortOptions};
use super::show::Show;
use super::{Failure, qr};
use crate::net::data_folder;
use crate::net::discovery::{Announcement, Discovery};
use crate::net::http_server::{Access, Server};
use crate::net::interfaces;
use crate::net::tls::kept::{Holder, Identity, IdentityError, Origin};
use crate::net::tls::server::Acceptor;
use crate::net::world::World;
use crate::peer::event::Step;
use crate::time::Instant;

/// An open port, and what is to be told of it.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) server: Server,
    name: String,
    /// Where its certificate came from; `None` if it was given, or there is none.
    origin: Option<Origin>,
}

/// Opens a port as the options say.
///
/// # Errors
/// It can't be had, or its certificate can't.
pub(super) async fn open(options: &PortOptions, access: Access) -> Result<Port, Failure> {
    let own_name = || interfaces::host_names().into_iter().next();
    let name = options.name.clone().or_else(own_name).unwrap_or_else(|| "halloo".to_owned());
    let (tls, origin) = match options.wants_tls() {
        true => acceptor(options)?,
        false => (None, None),
    };
    let access =
        Access { name: name.clone(), tls, allowed: options.allow_origin.clone(), ..access };
    let bind = options.address();
    let server = Server::bind(bind, access).await.map_err(|error| port_failure(bind, &error))?;
    Ok(Port { server, name, origin })
}

fn acceptor(options: &PortOptions) -> Result<(Option<Acceptor>, Option<Origin>), Failure> {
    let (identity, origin) = match (&options.tls_cert, &options.tls_key) {
        (Some(certificate), Some(key)) => {
            let given = Identity::from_files(certificate, key);
            let refuse = |error| Failure::Usage(format!("--tls-cert, --tls-key: {error}"));
            (given.map_err(refuse)?, None)
        }
        _ => {
            let (kept, origin) = kept()?;
            (kept, Some(origin))
        }
    };
    let acceptor = Acceptor::new(&identity).map_err(|e| Failure::machine("no TLS", &e))?;
    Ok((Some(acceptor), origin))
}

/// This machine's own certificate.
fn kept() -> Result<(Identity, Origin), Failure> {
    let addresses = interfaces::addresses().unwrap_or_default();
    let usable = interfaces::usable(&addresses, &[]).into_iter().map(|(address, _)| address.ip);
    let holder = Holder { names: interfaces::host_names(), addresses: usable.collect() };
    let now = World::new().since_1970(Instant::ZERO).as_secs();
    let folder = data_folder::path();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    Identity::kept(folder.as_deref(), &holder, now).map_err(|error| unusable(&error))
}

fn unusable(error: &IdentityError) -> Failure {
    Failure::at(
        Step::Signalling,
        format!("the certificate that was kept can't be used: {error}"),
        "remove that file for a new one (whoever knows the old one is then warned of a change), or give \
         --tls-cert and --tls-key",
    )
}

impl Port {
    /// Tells the local network, if it was opened for it.
    pub(super) fn announce_to_neighbours(
        &self,
        options: &PortOptions,
        media: &MediaOptions,
    ) -> Option<Discovery> {
        if !options.lan || media.no_mdns {
            return None;
        }
        let announcement = Announcement {
            name: self.name.clone(),
            port: self.server.port(),
            tls: self.server.fingerprint().is_some(),
        };
        let announced = Discovery::start(&media.interface)
            .and_then(|it| it.announce(&announcement).map(|()| it));
        announced.map_err(|error| tracing::warn!("`halloo peers` will not show us: {error}")).ok()
    }

    /// Tells where it is. A port is told of before it is served: nobody can be faster.
    pub(super) fn announce(&self, show: &Show, now: Instant, options: &PortOptions) {
        let urls = self.server.urls();
        let fingerprint = self.server.fingerprint().map(|it| it.to_string());
        show.listening(now, urls.clone(), fingerprint.clone());
        let line = |text: &str| show.line(now, None, text);
        match &fingerprint {
            None => line(&format!("its name is {}", self.name)),
            Some(it) => line(&format!("its name is {}, its certificate sha-256 {it}", self.name)),
        }
        match &self.origin {
            None => {}
            Some(Origin::NotKept { why }) => {
                show.warn(now, format!("the certificate will be another one next time: {why}"));
            }
            Some(Origin::Renewed) => show.warn(
                now,
                "the certificate was about to expire and is a new one: who remembers the old one is \
                 warned, and accepts it with --pin"
                    .to_owned(),
            ),
            Some(Origin::Found | Origin::Made) => {}
        }
        if self.origin.is_some() {
            line(
                "a browser warns, because nobody but this computer vouches for it: see that it shows the \
                 same certificate, then go on (Advanced)",
            );
        }
        let for_others = urls.first().filter(|_| options.lan && is_lan(&self.server));
        match for_others {
            Some(url) => show.picture(&qr::lines(url, colours())),
            None if options.lan => line("there is no network that others could come by"),
            None => {}
        }
    }
}

fn colours() -> qr::Colours {
    if super::show::colours() { qr::Colours::Set } else { qr::Colours::AsTheyAre }
}

/// Whether another computer may come by the first URL.
fn is_lan(server: &Server) -> bool {
    let urls = server.urls();
    let first = urls.first().and_then(|url| url.split("://").nth(1));
    let first = first.and_then(|rest| rest.trim_end_matches('/').parse::<SocketAddr>().ok());
    first.is_some_and(|address| !address.ip().is_loopback())
}

fn port_failure(bind: SocketAddr, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "is another halloo running? --bind 127.0.0.1:0 takes any free port"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 are for root: take a higher one",
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; --lan listens on all it has"
        }
        _ => "try another --bind ADDR:PORT",
    };
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => format!("port {} is in use", bind.port()),
        _ => error.to_string(),
    };
    Failure::at(Step::Signalling, format!("can't listen on {bind}: {what}"), hint)
}
