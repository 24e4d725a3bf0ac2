//! A real TURN server: coturn, as Debian has it.
//!
//! Use it with `mod common { pub mod turn_server; pub mod namespace; }`. It is ended on drop. Debian: apt install
//! coturn.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};

use super::namespace::Namespace;

pub const USER: &str = "alice";
pub const PASSWORD: &str = "s3cret";

/// A running server.
pub struct Coturn {
    child: Child,
    ip: IpAddr,
    /// What it has logged.
    log: Arc<(Mutex<String>, Condvar)>,
    folder: PathBuf,
}

/// Where it listens: UDP and TCP, and TLS.
pub const PORT: u16 = 3478;
pub const TLS_PORT: u16 = 5349;

static STARTED: AtomicU32 = AtomicU32::new(0);

impl Coturn {
    /// Starts it in a namespace (or here) on this address, with further options.
    pub fn start(namespace: Option<&Namespace>, ip: IpAddr, more: &[&str]) -> Self {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("halloo-coturn-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let (certificate, key) = certificate(ip);
        std::fs::write(folder.join("cert.pem"), certificate).unwrap();
        std::fs::write(folder.join("key.pem"), key).unwrap();
        let mut command = match namespace {
            Some(namespace) => namespace.command("turnserver"),
            None => Command::new("turnserver"),
        };
        let path = |name: &str| folder.join(name).display().to_string();
        let (ip_text, user) = (ip.to_string(), format!("{USER}:{PASSWORD}"));
        let (port, tls_port) = (PORT.to_string(), TLS_PORT.to_string());
        command.args(["-n", "--log-file", "stdout", "--simple-log", "-v", "--no-cli", "--no-dtls"]);
        command.args(["--listening-ip", &ip_text, "--relay-ip", &ip_text, "--lt-cred-mech"]);
        command.args(["--user", &user, "--realm", "example.org", "--allow-loopback-peers"]);
        command.args(["--listening-port", &port, "--tls-listening-port", &tls_port]);
        command.args(["--cert", &path("cert.pem"), "--pkey", &path("key.pem")]);
        command.args(["--userdb", &path("db"), "--pidfile", &path("pid")]);
        command.args(["--min-port", "50000", "--max-port", "50200"]).args(more);
        let spawned =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.expect("turnserver (Debian: apt install coturn)");
        let log = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in stdout.lines().map_while(Result::ok) {
                    log.0.lock().unwrap().extend([line.as_str(), "\n"]);
                    log.1.notify_all();
                }
            }
        });
        let server = Self { child, ip, log, folder };
        server.wait_for(&["TLS/TCP listener opened", "TCP listener opened", "UDP listener opened"]);
        server
    }

    /// Waits until its log has all of these.
    pub fn wait_for(&self, lines: &[&str]) {
        let log = self.log.0.lock().unwrap();
        let lacks = |log: &mut String| !lines.iter().all(|line| log.contains(line));
        let waited = self.log.1.wait_timeout_while(log, Duration::from_secs(20), lacks);
        let (log, timeout) = waited.unwrap();
        assert!(!timeout.timed_out(), "coturn did not say all of {lines:?}:\n{log}");
    }

    /// Whether its log has this.
    pub fn has_logged(&self, text: &str) -> bool {
        self.log.0.lock().unwrap().contains(text)
    }

    /// Its URI by this transport.
    pub fn uri(&self, transport: &str) -> String {
        let ip = match self.ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        match transport {
            "tls" => format!("turns:{ip}:{TLS_PORT}"),
            other => format!("turn:{ip}:{PORT}?transport={other}"),
        }
    }

    /// The authority that vouches for it: for `SSL_CERT_FILE`.
    pub fn certificate(&self) -> String {
        self.folder.join("cert.pem").display().to_string()
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
        let _removed = std::fs::remove_dir_all(&self.folder);
    }
}

/// A certificate for an address, that vouches for itself.
fn certificate(ip: IpAddr) -> (Vec<u8>, Vec<u8>) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "halloo test").unwrap();
    let name = name.build();
    let mut serial = BigNum::new().unwrap();
    serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    let context = builder.x509v3_context(None, None);
    let names = SubjectAlternativeName::new().ip(&ip.to_string()).build(&context).unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (builder.build().to_pem().unwrap(), key.private_key_to_pem_pkcs8().unwrap())
}
