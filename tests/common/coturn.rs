//! coturn in the laboratory: a STUN and TURN server that others wrote, on its usual ports.
//!
//! Use it with `mod common { pub mod coturn; pub mod laboratory; pub mod namespace; }`. It has two IPv4
//! addresses, as asking what a NAT does takes (RFC 5780), and two of IPv6. Debian: coturn.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};

use super::laboratory::{Internet, Machine, Network, Ports};

/// Who may use it.
pub const USER: &str = "anna";
/// The password.
pub const PASSWORD: &str = "only for the laboratory";
/// A name that its certificate bears; nobody but [`super::laboratory::Computer::knowing`] tells it.
pub const NAME: &str = "relay.laboratory.example";
/// Its addresses, and those of a second one.
const ADDRESSES: [[&str; 4]; 2] = [
    ["203.0.113.3", "203.0.113.4", "2001:db8::3", "2001:db8::4"],
    ["203.0.113.5", "203.0.113.6", "2001:db8::5", "2001:db8::6"],
];

/// A running server, plugged into an [`Internet`].
pub struct Coturn {
    machine: Machine,
    addresses: [&'static str; 4],
    folder: PathBuf,
    /// Where it says that its users are known.
    pub realm: &'static str,
    /// What it is told besides.
    pub options: Vec<&'static str>,
    running: Option<Running>,
}

/// A script beside the server, which looks like another one. Ends on drop.
pub struct Beside {
    /// Its URI.
    pub turn: String,
    process: Child,
}

struct Running {
    process: Child,
    log: Receiver<String>,
}

impl Coturn {
    /// Plugs it in, starts it, and waits until it serves.
    pub fn new(internet: &Internet) -> Self {
        Self::with(internet, ADDRESSES[0], &[])
    }

    /// Another one.
    pub fn second(internet: &Internet) -> Self {
        Self::with(internet, ADDRESSES[1], &[])
    }

    /// One that forgets its nonces in no time, and asks again.
    pub fn forgetful(internet: &Internet) -> Self {
        Self::with(internet, ADDRESSES[0], &["--stale-nonce=1"])
    }

    /// One that lends addresses of IPv6 alone.
    pub fn of_ipv6(internet: &Internet) -> Self {
        Self::with(internet, ADDRESSES[0], &["--relay-ip=2001:db8::3"])
    }

    /// The second one, which serves nobody: it sends everybody on to the first (300, ALTERNATE-SERVER).
    pub fn redirecting(internet: &Internet) -> Self {
        let to_the_first = [
            "--alternate-server=203.0.113.3:3478",
            "--alternate-server=[2001:db8::3]:3478",
            "--tls-alternate-server=203.0.113.3:5349",
            "--tls-alternate-server=[2001:db8::3]:5349",
        ];
        Self::with(internet, ADDRESSES[1], &to_the_first)
    }

    fn with(internet: &Internet, addresses: [&'static str; 4], options: &[&'static str]) -> Self {
        let machine = Machine::new().unwrap();
        let gateway = internet.plug(&machine, "eth0", Ports::ANY).gateway;
        // Without a way to everybody it ends a relay with the first packet that it can't send.
        machine.ip(&format!("route add default via {gateway}")).unwrap();
        for address in addresses {
            let more = if address.contains(':') { "/64 nodad" } else { "/24" };
            let (length, nodad) = more.split_once(' ').unwrap_or((more, ""));
            machine.ip(&format!("address add {address}{length} dev eth0 {nodad}")).unwrap();
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(machine.name());
        std::fs::create_dir_all(&folder).unwrap();
        certify(&folder, addresses);
        let options = options.to_vec();
        let realm = "laboratory.example";
        let mut coturn = Self { machine, addresses, folder, realm, options, running: None };
        coturn.start();
        coturn
    }

    /// `stun:` of it.
    pub fn stun(&self) -> String {
        format!("stun:{}", self.addresses[0])
    }

    /// `stun:` of both its IPv4 addresses.
    pub fn both_stun(&self) -> [String; 2] {
        [self.addresses[0], self.addresses[1]].map(|address| format!("stun:{address}"))
    }

    /// `turn:` of it, by `udp` or `tcp`; by `tls` it is `turns:`.
    pub fn turn(&self, transport: &str) -> String {
        turn(self.addresses[0], transport)
    }

    /// The same by its address of IPv6.
    pub fn turn_by_ipv6(&self, transport: &str) -> String {
        turn(&format!("[{}]", self.addresses[2]), transport)
    }

    /// Its address of IPv4.
    pub fn address(&self) -> &'static str {
        self.addresses[0]
    }

    /// The file of the certificate that it shows; nobody but itself has signed it.
    pub fn certificate(&self) -> String {
        self.folder.join("certificate").display().to_string()
    }

    /// Ends it without a word, and starts it anew: it knows nothing of its allocations.
    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// Ends it without a word.
    pub fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _gone_already = running.process.kill();
            let _ = running.process.wait();
        }
    }

    /// Whether this is an address of its own.
    pub fn is_at(&self, address: &str) -> bool {
        self.addresses.contains(&address)
    }

    /// The same server at another port, where each datagram takes so much longer.
    pub fn slowly(&self, delay: Duration) -> Beside {
        let ms = delay.as_millis().to_string();
        self.beside("slow_udp.py", &["3490", "3478", &ms], "turn:IP:3490")
    }

    /// The same server at another port, where it says a wrong realm.
    pub fn lying(&self) -> Beside {
        let lie = "lab0ratory.example";
        self.beside("lying_realm.py", &["3491", "3478", self.realm, lie], "turn:IP:3491")
    }

    /// The same server at another port, where it is honest until [`Beside::begin`].
    pub fn turning(&self) -> Beside {
        self.beside("turning_realm.py", &["3493", "3478", "elsewhere.example"], "turn:IP:3493")
    }

    /// A server that closes every connection at once.
    pub fn closing(&self) -> Beside {
        self.beside("closing.py", &["3492"], "turn:IP:3492?transport=tcp")
    }

    /// One that does so after the handshake.
    pub fn closing_tls(&self) -> Beside {
        let [certificate, key] =
            ["certificate", "key"].map(|name| self.folder.join(name).display().to_string());
        self.beside("closing.py", &["5351", &certificate, &key], "turns:IP:5351")
    }

    /// A script of `tests/peers`, told this server's address and then `arguments`.
    fn beside(&self, script: &str, arguments: &[&str], turn: &str) -> Beside {
        let script = format!("{}/tests/peers/{script}", env!("CARGO_MANIFEST_DIR"));
        let mut command = self.machine.command("python3");
        command.args([&script, self.addresses[0]]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        Beside { turn: turn.replace("IP", self.addresses[0]), process }
    }

    /// Waits for a line of its log.
    pub fn says(&mut self, what: impl Fn(&str) -> bool) -> String {
        let running = self.running.as_mut().expect("a running server");
        let mut said = String::new();
        loop {
            match running.log.recv_timeout(Duration::from_secs(30)) {
                Ok(line) if what(&line) => return line,
                Ok(line) => said.extend([line.as_str(), "\n"]),
                Err(error) => panic!("it never said so ({error}):\n{said}"),
            }
        }
    }

    /// Starts it, and waits until it serves.
    pub fn start(&mut self) {
        let file = |name: &str| self.folder.join(name).display().to_string();
        // Into a pipe it would tell a page at a time.
        let mut command = self.machine.command("stdbuf");
        command.args(["--output=L", "turnserver"]);
        command.args([
            "-n",
            "--no-cli",
            "--log-file=stdout",
            "--simple-log",
            "--verbose",
            "-m",
            "1",
        ]);
        command.args(["--lt-cred-mech", "--realm", self.realm]).args(&self.options);
        command.arg(format!("--user={USER}:{PASSWORD}"));
        command.args(self.addresses.map(|address| format!("--listening-ip={address}")));
        for (option, name) in
            [("cert", "certificate"), ("pkey", "key"), ("pidfile", "pid"), ("userdb", "users")]
        {
            command.arg(format!("--{option}={}", file(name)));
        }
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let (sender, log) = channel();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        // The last it says before it serves.
        let mut said = String::new();
        while !said.contains("admin thread") {
            match log.recv_timeout(Duration::from_secs(10)) {
                Ok(line) => said.extend([line.as_str(), "\n"]),
                Err(error) => panic!("turnserver (Debian: coturn) doesn't start: {error}\n{said}"),
            }
        }
        self.running = Some(Running { process, log });
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        if let Some(running) = self.running.as_ref().filter(|_| std::thread::panicking()) {
            let log: Vec<_> = running.log.try_iter().collect();
            eprintln!("coturn's story:\n{}", log.join("\n"));
        }
        self.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Beside {
    /// From here on it does what it is there for.
    pub fn begin(&mut self) {
        drop(self.process.stdin.take());
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _gone_already = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `turn:` of this host, by `udp` or `tcp`; by `tls` it is `turns:`.
pub fn turn(host: &str, transport: &str) -> String {
    match transport {
        "tls" => format!("turns:{host}"),
        _ => format!("turn:{host}?transport={transport}"),
    }
}

/// Writes a certificate for the addresses and for [`NAME`], and its key.
fn certify(folder: &Path, addresses: [&str; 4]) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    builder.set_pubkey(&key).unwrap();
    // Who trusts two certificates tells them apart by their names.
    let mut common_name = X509NameBuilder::new().unwrap();
    common_name.append_entry_by_nid(Nid::COMMONNAME, addresses[0]).unwrap();
    let common_name = common_name.build();
    builder.set_subject_name(&common_name).unwrap();
    builder.set_issuer_name(&common_name).unwrap();
    let mut name = SubjectAlternativeName::new();
    for address in addresses {
        name.ip(address);
    }
    let name = name.dns(NAME).build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(name).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    std::fs::write(folder.join("certificate"), builder.build().to_pem().unwrap()).unwrap();
    std::fs::write(folder.join("key"), key.private_key_to_pem_pkcs8().unwrap()).unwrap();
}
