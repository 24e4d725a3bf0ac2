//! HTTPS: one port for both, a certificate that stays, and whom a caller believes.
//!
//! Real sockets and real processes, each with a data folder of its own. What must not go over a network
//! in the clear is watched between two network namespaces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod chromium;
    pub mod halloo;
    pub mod http;
    pub mod listen;
    pub mod namespace;
    pub mod skip;
    pub mod stall;
    pub mod terminal;
}

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use common::chromium::{Browser, Options};
use common::halloo::{Halloo, data_folder, recording};
use common::http::{Listener, Reply, halloo, run, timed};
use common::listen::Recording;
use common::namespace::{Namespace, Namespaces};
use common::{skip, stall};
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use serde_json::Value;

const SOUND: [&str; 4] = ["--input", "tone:440", "--output", "null"];

/// A TLS connection that believes everybody, and the fingerprint of the certificate shown.
fn secure(at: SocketAddr) -> (SslStream<TcpStream>, String) {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let stream = connector.build().connect("localhost", stream).unwrap();
    let certificate = stream.ssl().peer_certificate().unwrap();
    let fingerprint = fingerprint(&certificate);
    (stream, fingerprint)
}

fn fingerprint(certificate: &X509) -> String {
    let digest = certificate.digest(MessageDigest::sha256()).unwrap();
    let pairs: Vec<_> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// What comes back over TLS.
fn ask_securely(at: SocketAddr, request: &str) -> Reply {
    let (mut stream, _) = secure(at);
    let request = format!("{request} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    Reply::read(&mut stream)
}

fn ask_plainly(at: SocketAddr, request: &str) -> Reply {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    Reply::read(&mut stream)
}

/// An address of this machine that is not loopback, if it has one.
fn outer_address() -> Option<std::net::Ipv4Addr> {
    let interfaces = if_addrs::get_if_addrs().unwrap();
    interfaces.iter().find_map(|interface| match interface.ip() {
        std::net::IpAddr::V4(ip) if !ip.is_loopback() && !ip.is_link_local() => Some(ip),
        _ => None,
    })
}

/// `halloo listen --tls` with this data folder.
fn listen(folder: &Path, more: &[&str]) -> Listener {
    let mut arguments = vec!["listen", "--input", "tone:440", "--output", "null"];
    if !more.contains(&"--bind") {
        arguments.extend(["--bind", "127.0.0.1:0"]);
    }
    arguments.extend(more);
    let folder = folder.to_str().unwrap();
    let mut program = Halloo::start_with(None, &arguments, &[("XDG_DATA_HOME", folder)]);
    program.wait_for("listening", |_| true);
    let at = program.url().split("://").nth(1).unwrap().parse().unwrap();
    Listener { program, at }
}

fn told_fingerprint(listener: &Listener) -> String {
    listener.program.events[0]["fingerprint"].as_str().expect("a fingerprint").to_owned()
}

/// A short call with this data folder, to its end.
fn call(folder: &Path, target: &str, more: &[&str]) -> Output {
    let short = ["--duration", "0.2", "--timeout", "20"];
    let arguments = [&["call", target], &SOUND[..], &short, more].concat();
    halloo(&arguments).env("XDG_DATA_HOME", folder).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_called(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
}

/// Exit code 1 at `signalling`; the line that says why, and the one on what to try.
fn refused(output: &Output) -> (String, String) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let lines: Vec<_> = said.lines().collect();
    let [.., why, hint] = lines.as_slice() else { panic!("{said}") };
    assert!(why.starts_with("signalling: ") && hint.starts_with("try: "), "{said}");
    ((*why).to_owned(), (*hint).to_owned())
}

#[test]
fn one_port_serves_both_to_this_machine() {
    let listener = listen(&data_folder(), &["--tls"]);
    assert!(listener.program.url().starts_with("https://127.0.0.1:"), "{}", listener.program.url());
    for path in ["/", "/calls"] {
        assert_eq!(ask_securely(listener.at, &format!("GET {path}")).status, 200, "{path}");
        assert_eq!(listener.ask("GET", path, &[], b"").status, 200, "{path}, without TLS");
    }
    let (_, shown) = secure(listener.at);
    assert_eq!(shown, told_fingerprint(&listener));
    // Our own page; any other is as foreign as ever.
    for (origin, status) in [
        (format!("https://{}", listener.at), 201),
        (format!("http://{}", listener.at), 403), // whoever is in between can show a page there
        ("https://evil.example".to_owned(), 403),
        (format!("https://localhost:{}", listener.at.port()), 403),
    ] {
        let request = format!("POST /whip HTTP/1.1\r\nContent-Length: 0\r\nOrigin: {origin}");
        let (mut stream, _) = secure(listener.at);
        let head = format!("{request}\r\nHost: {}\r\nConnection: close\r\n\r\n", listener.at);
        stream.write_all(head.as_bytes()).unwrap();
        assert_eq!(Reply::read(&mut stream).status, status, "{origin}");
    }
}

#[test]
fn from_another_machine_there_is_only_the_way_to_https() {
    let Some(outer) = outer_address() else {
        return skip::skip("from_another_machine_there_is_only_the_way_to_https", "no network");
    };
    let listener = listen(&data_folder(), &["--lan", "--bind", "0.0.0.0:0"]);
    let at = SocketAddr::new(outer.into(), listener.at.port());
    for (request, to) in [
        ("GET / HTTP/1.1\r\n", "/"),
        ("GET /page.js?x=%20 HTTP/1.1\r\n", "/page.js?x=%20"),
        ("POST /whip HTTP/1.1\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n", "/whip"),
        ("DELETE /calls/x HTTP/1.1\r\nAuthorization: Bearer s3cret\r\n", "/calls/x"),
    ] {
        let body = if request.starts_with("POST") { "v=0\r\n" } else { "" };
        let request = format!("{request}Host: {at}\r\nConnection: close\r\n\r\n{body}");
        let reply = ask_plainly(at, &request);
        assert_eq!(reply.status, 308, "{reply:?}");
        assert_eq!(reply.header("location"), Some(format!("https://{at}{to}").as_str()));
        assert_eq!(reply.header("strict-transport-security"), None);
    }
    let foreign = format!(
        "POST /whip HTTP/1.1\r\nHost: {at}\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(ask_plainly(at, &foreign).status, 403);
    let rebound = "GET / HTTP/1.1\r\nHost: evil.example\r\nReferer: http://evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(ask_plainly(at, rebound).status, 403);
    assert_eq!(ask_securely(at, "GET /").status, 200);
    assert_eq!(ask_securely(at, "GET /calls").text(), "[]", "no call came of it");
}

#[test]
fn urls_are_those_that_people_can_use() {
    for (arguments, scheme) in [
        (&["--bind", "0.0.0.0:0"][..], "http://"),
        (&["--bind", "[::]:0"], "http://"),
        (&["--lan", "--bind", "0.0.0.0:0"], "https://"),
        (&["--lan", "--bind", "[::]:0"], "https://"),
        (&["--lan", "--no-tls", "--bind", "0.0.0.0:0"], "http://"),
    ] {
        let listener = listen(&data_folder(), arguments);
        let event = &listener.program.events[0];
        let urls: Vec<_> =
            event["urls"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(!urls.is_empty());
        for url in &urls {
            assert!(url.starts_with(scheme) && url.ends_with('/'), "{arguments:?}: {url}");
            assert!(!url.contains("//0.0.0.0") && !url.contains("//[::]"), "{arguments:?}: {url}");
        }
        assert!(urls.iter().any(|url| url.contains("127.0.0.1:")), "{urls:?}");
        if let Some(outer) = outer_address() {
            assert!(urls.iter().any(|url| url.contains(&outer.to_string())), "{urls:?}");
            assert!(!urls[0].contains("127.0.0.1"), "loopback serves nobody else: {urls:?}");
        }
        assert_eq!(event.get("fingerprint").is_some(), scheme == "https://", "{event}");
    }
}

#[test]
fn the_certificate_stays_the_same_and_is_the_owners_alone() {
    let folder = data_folder();
    let first = told_fingerprint(&listen(&folder, &["--tls"]));
    assert_eq!(told_fingerprint(&listen(&folder, &["--tls"])), first);
    assert_ne!(told_fingerprint(&listen(&data_folder(), &["--tls"])), first);
    let file = folder.join("halloo/certificate.pem");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    }
    // A broken one is said, and left to its owner.
    std::fs::write(&file, "nothing").unwrap();
    let arguments = ["listen", "--tls", "--bind", "127.0.0.1:0", "--input", "silence"];
    let output = halloo(&arguments).env("XDG_DATA_HOME", &folder).output().unwrap();
    let (why, hint) = refused(&output);
    assert!(why.contains("certificate.pem") && hint.contains("--tls-cert"), "{why}\n{hint}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "nothing");
    // Many at once agree on one.
    let folder = data_folder();
    let all: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| told_fingerprint(&listen(&folder, &["--tls"]))))
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    // Nowhere to keep it: there is one all the same, and the person is told.
    let nowhere = data_folder();
    std::fs::write(&nowhere, "a file, not a folder").unwrap();
    let mut listener = listen(&nowhere, &["--tls"]);
    told_fingerprint(&listener);
    listener.program.wait_for("warning", |event| {
        event["text"].as_str().unwrap().contains("another one next time")
    });
    let _ = std::fs::remove_file(&nowhere);
}

/// A certificate and its key, made for a test.
struct Made {
    certificate: X509,
    key: PKey<Private>,
}

/// `signer`: none signs itself. `days`: from when to when it is valid, from now.
fn made(names: &[&str], signer: Option<&Made>, days: (i64, i64)) -> Made {
    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap();
    let now = std::process::Command::new("date").arg("+%s").output().unwrap();
    let now: i64 = String::from_utf8(now.stdout).unwrap().trim().parse().unwrap();
    let at = |days: i64| Asn1Time::from_unix(now + days * 86_400).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    let common = names.first().copied().unwrap_or("An authority");
    subject.append_entry_by_nid(openssl::nid::Nid::COMMONNAME, common).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&subject).unwrap();
    let issuer = signer.map_or(&*subject, |signer| signer.certificate.subject_name());
    builder.set_issuer_name(issuer).unwrap();
    builder.set_not_before(&at(days.0)).unwrap();
    builder.set_not_after(&at(days.1)).unwrap();
    builder.set_pubkey(&key).unwrap();
    let mut constraints = BasicConstraints::new();
    let constraints = if names.is_empty() { constraints.ca() } else { &mut constraints };
    builder.append_extension(constraints.critical().build().unwrap()).unwrap();
    if !names.is_empty() {
        let mut alternative = SubjectAlternativeName::new();
        names.iter().for_each(|name| match name.parse::<std::net::IpAddr>() {
            Ok(_) => drop(alternative.ip(name)),
            Err(_) => drop(alternative.dns(name)),
        });
        let built = alternative.build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(built).unwrap();
    }
    builder.sign(signer.map_or(&key, |signer| &signer.key), MessageDigest::sha256()).unwrap();
    Made { certificate: builder.build(), key }
}

impl Made {
    /// Both as files.
    fn write(&self, folder: &Path, name: &str) -> [PathBuf; 2] {
        std::fs::create_dir_all(folder).unwrap();
        let files = ["crt", "key"].map(|ending| folder.join(format!("{name}.{ending}")));
        std::fs::write(&files[0], self.certificate.to_pem().unwrap()).unwrap();
        std::fs::write(&files[1], self.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        files
    }

    fn listen(&self, folder: &Path, bind: &str) -> Listener {
        let [certificate, key] = self.write(folder, "given");
        let files = [certificate.to_str().unwrap(), key.to_str().unwrap()];
        listen(folder, &["--tls-cert", files[0], "--tls-key", files[1], "--bind", bind])
    }
}

#[test]
fn a_certificate_that_was_given_is_shown_and_a_wrong_one_is_wrong_usage() {
    let folder = data_folder();
    let given = made(&["localhost"], None, (-1, 90));
    let listener = given.listen(&folder, "127.0.0.1:0");
    assert_eq!(secure(listener.at).1, fingerprint(&given.certificate));
    let [certificate, key] = given.write(&folder, "given");
    let [_, other] = made(&["localhost"], None, (-1, 90)).write(&folder, "other");
    let missing = folder.join("missing.pem");
    for (certificate, key, shown) in [
        (&certificate, &other, "other.key"),
        (&missing, &key, "missing.pem"),
        (&key, &key, "given.key"),
        (&certificate, &certificate, "given.crt"),
    ] {
        let files = [certificate.to_str().unwrap(), key.to_str().unwrap()];
        let output = run(&["listen", "--tls", "--tls-cert", files[0], "--tls-key", files[1]]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(shown), "{}", stderr(&output));
    }
}

#[test]
fn a_self_signed_certificate_is_trusted_on_first_use_and_a_changed_one_refused() {
    let (theirs, ours) = (data_folder(), data_folder());
    let mut listener = listen(&theirs, &["--tls"]);
    let at = listener.at.to_string();
    let first = told_fingerprint(&listener);
    let output = call(&ours, &at, &[]);
    assert_called(&output);
    assert!(stderr(&output).contains(&first), "it is shown: {}", stderr(&output));
    let again = call(&ours, &at, &[]);
    assert_called(&again);
    assert!(!stderr(&again).contains("warning"), "{}", stderr(&again));
    // As a URL it is the same host; under another name it is met for the first time.
    assert!(!stderr(&call(&ours, &format!("https://{at}/whip"), &[])).contains("warning"));
    let named = format!("localhost:{}", listener.at.port());
    assert!(stderr(&call(&ours, &named, &["-v"])).contains(&first));

    listener.program.terminate();
    assert!(listener.program.wait(Duration::from_secs(10)).success());
    let changed = listen(&data_folder(), &["--tls", "--bind", &at]);
    let second = told_fingerprint(&changed);
    let (why, hint) = refused(&call(&ours, &at, &[]));
    assert!(why.contains("changed") && why.contains(&first) && why.contains(&second), "{why}");
    assert!(hint.contains(&format!("--pin {second}")), "{hint}");
    assert_eq!(changed.json("/calls").as_array().unwrap().len(), 0, "it was told nothing");
    // Accepted as the hint says, it is the known one from then on.
    assert_called(&call(&ours, &at, &["--pin", &second]));
    assert_called(&call(&ours, &at, &[]));
}

#[test]
fn a_pin_leaves_no_first_use() {
    let listener = listen(&data_folder(), &["--tls"]);
    let at = listener.at.to_string();
    let right = told_fingerprint(&listener);
    for pin in [right.clone(), right.replace(':', "").to_lowercase()] {
        let output = call(&data_folder(), &at, &["--pin", &pin]);
        assert_called(&output);
        assert!(!stderr(&output).contains("first call"), "{}", stderr(&output));
    }
    let wrong = if right.starts_with('0') { "1" } else { "0" }.to_owned() + &right[1..];
    let ours = data_folder();
    let (why, hint) = refused(&call(&ours, &at, &["--pin", &wrong]));
    assert!(why.contains("pinned") && why.contains(&right) && hint.contains("--pin"), "{why}");
    assert!(!ours.join("halloo/known-hosts").exists(), "a wrong one is not remembered");
    for malformed in ["", "12", &right[1..], &format!("{right}:00"), "sha-1 12:34"] {
        let output = run(&["call", &at, "--pin", malformed]);
        assert_eq!(output.status.code(), Some(2), "{malformed:?}: {}", stderr(&output));
    }
    // The whole call went by the pinned connection: hanging up, too.
    let state = listener.json("/calls")[0]["state"].clone();
    assert_eq!(state, "ended");
}

#[test]
fn a_pin_is_not_passed_over_where_nothing_can_be_pinned() {
    let listener = Listener::start(&["--input", "tone:440"]);
    let pin = ["5A"; 32].join(":");
    let url = format!("http://{}/whip", listener.at);
    let (why, hint) = refused(&call(&data_folder(), &url, &["--pin", &pin]));
    assert!(why.contains("shows no certificate") && hint.contains("https://"), "{why}\n{hint}");
    assert_eq!(listener.json("/calls").as_array().unwrap().len(), 0, "it was told nothing");
    assert_called(&call(&data_folder(), &url, &["--token", "s3cret"]));
}

#[test]
fn a_home_that_is_no_folder_only_forgets() {
    let listener = listen(&data_folder(), &["--tls"]);
    let output = call(Path::new("/dev/null"), &listener.at.to_string(), &[]);
    assert_called(&output);
    assert!(stderr(&output).contains("can't be remembered"), "{}", stderr(&output));
}

#[test]
fn an_authority_is_believed_for_its_names_and_dates_only() {
    let folder = data_folder();
    let authority = made(&[], None, (-10, 1_000));
    let [trusted, _] = authority.write(&folder, "authority");
    let call = |listener: &Listener, more: &[&str]| {
        let target = format!("https://{}/whip", listener.at);
        let arguments = [&["call", &target], &SOUND[..], &["--duration", "0.2"], more].concat();
        let mut command = halloo(&arguments);
        command.env("SSL_CERT_FILE", &trusted).env("SSL_CERT_DIR", "/nonexistent").output().unwrap()
    };
    let good = made(&["127.0.0.1"], Some(&authority), (-1, 90)).listen(&folder, "127.0.0.1:0");
    let output = call(&good, &[]);
    assert_called(&output);
    assert!(!stderr(&output).contains("warning"), "{}", stderr(&output));
    let stranger = made(&[], None, (-10, 1_000));
    for (certificate, shown) in [
        (made(&["127.0.0.2"], Some(&authority), (-1, 90)), "mismatch"),
        (made(&["elsewhere.example"], Some(&authority), (-1, 90)), "mismatch"),
        (made(&["127.0.0.1"], Some(&authority), (-9, -1)), "expired"),
        (made(&["127.0.0.1"], Some(&authority), (2, 9)), "not yet valid"),
        (made(&["127.0.0.1"], Some(&stranger), (-1, 90)), "signature"),
    ] {
        let listener = certificate.listen(&folder, "127.0.0.1:0");
        let (why, hint) = refused(&call(&listener, &[]));
        assert!(why.contains(shown) && why.contains("not valid"), "{shown}: {why}");
        assert!(hint.contains("SSL_CERT_FILE"), "{hint}");
        assert_called(&call(&listener, &["--pin", &fingerprint(&certificate.certificate)]));
    }
}

#[test]
fn a_plain_port_on_this_machine_is_called_after_a_warning() {
    let listener = Listener::start(&["--input", "tone:440", "--token", "s3cret"]);
    let at = listener.at.to_string();
    let output = call(&data_folder(), &at, &["--token", "s3cret"]);
    assert_called(&output);
    let said = stderr(&output);
    assert!(said.contains("warning: ") && said.contains("unencrypted"), "{said}");
    // Who writes http knows.
    let output = call(&data_folder(), &format!("http://{at}"), &["--token", "s3cret"]);
    assert!(!stderr(&output).contains("warning"), "{}", stderr(&output));
    let (why, hint) = refused(&call(&data_folder(), &format!("https://{at}"), &[]));
    assert!(why.contains("no TLS") && hint.contains("http://"), "{why}\n{hint}");
}

/// A server in a namespace that writes down what it gets, by a script for Python.
struct Watched {
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Watched {
    /// `answer`: what it says to the first bytes of each connection.
    fn start(place: &Namespace, answer: &str) -> Self {
        let script = format!(
            "import socket\n\
             s = socket.create_server(('{}', 8080))\n\
             print('ready', flush=True)\n\
             while True:\n\
             \x20   c = s.accept()[0]\n\
             \x20   print(c.recv(9999), flush=True)\n\
             \x20   c.sendall({answer})\n\
             \x20   c.close()\n",
            place.address
        );
        let mut python = place.command("python3");
        let mut process =
            python.args(["-u", "-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        Self { process, lines }
    }

    /// All that came.
    fn end(mut self) -> Vec<String> {
        self.process.kill().unwrap();
        self.lines.by_ref().map_while(Result::ok).collect()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const REFUSES: &str =
    "b'HTTP/1.1 400 Bad Request\\r\\nConnection: close\\r\\nContent-Length: 0\\r\\n\\r\\n'";

#[test]
fn neither_token_nor_pin_goes_over_a_network_in_the_clear() {
    let test = "neither_token_nor_pin_goes_over_a_network_in_the_clear";
    let Some(pair) = skip::namespaces(test) else { return };
    let call = |target: &str, more: &[&str]| {
        let program = env!("CARGO_BIN_EXE_halloo");
        let mut command = pair.right.command(program);
        command.args(["call", target, "--timeout", "5"]).args(SOUND).args(more);
        command.env("XDG_DATA_HOME", data_folder()).stdin(Stdio::null()).output().unwrap()
    };
    let host = pair.left.address.to_string();
    let at = format!("{host}:8080");
    let pin = ["5A"; 32].join(":");
    let secrets = [&["--token", "s3cret"][..], &["--pin", &pin]];
    // By a port that speaks plain HTTP, by a URL, and where https is refused and http is not.
    let server = Watched::start(&pair.left, REFUSES);
    for target in [at.as_str(), &format!("http://{at}/whip"), &host] {
        for secret in secrets {
            let (why, hint) = refused(&call(target, secret));
            assert!(why.contains("unencrypted"), "{target} {secret:?}: {why}");
            assert!(hint.contains("--tls"), "{hint}");
        }
    }
    let came = server.end();
    assert!(came.iter().all(|bytes| !bytes.contains("POST")), "{came:?}");
    assert!(came.iter().any(|bytes| bytes.contains("\\x16\\x03")), "{came:?}");
    // Without a secret it is called, after a warning, where it says plainly that it speaks no TLS.
    let server = Watched::start(&pair.left, REFUSES);
    for target in [at.as_str(), &host] {
        let output = call(target, &[]);
        assert!(stderr(&output).contains("unencrypted"), "{target}: {}", stderr(&output));
    }
    let came = server.end();
    assert_eq!(came.iter().filter(|bytes| bytes.contains("POST /whip")).count(), 2, "{came:?}");
    // Anything else is no refusal.
    for answer in ["b''", "b'SSH-2.0-OpenSSH_9.2\\r\\n'", "b'\\x15\\x03\\x01\\0\\x02\\x02\\x28'"] {
        let server = Watched::start(&pair.left, answer);
        refused(&call(&at, &[]));
        let came = server.end();
        assert!(came.iter().all(|bytes| !bytes.contains("POST")), "{answer}: {came:?}");
    }
}

#[test]
fn a_host_that_took_encrypted_calls_is_not_called_otherwise() {
    let test = "a_host_that_took_encrypted_calls_is_not_called_otherwise";
    let Some(pair) = skip::namespaces(test) else { return };
    let folder = data_folder();
    let at = format!("{}:8080", pair.left.address);
    let call = |target: &str| {
        let mut command = pair.right.command(env!("CARGO_BIN_EXE_halloo"));
        command.args(["call", target, "--duration", "0.2"]).args(SOUND);
        command.env("XDG_DATA_HOME", &folder).stdin(Stdio::null()).output().unwrap()
    };
    let start = |more: &[&str]| {
        let arguments = [&["listen", "--bind", &at], &SOUND[..], more].concat();
        let mut program = Halloo::start(Some(&pair.left), &arguments);
        program.wait_for("listening", |_| true);
        program
    };
    let end = |mut program: Halloo| {
        program.terminate();
        assert!(program.wait(Duration::from_secs(10)).success());
    };
    let secure = start(&["--tls"]);
    assert_called(&call(&at));
    // A URL in the clear is sent on to https, and the certificate is known already.
    let output = call(&format!("http://{at}/whip"));
    assert_called(&output);
    assert!(!stderr(&output).contains("warning"), "{}", stderr(&output));
    end(secure);
    let plain = start(&[]);
    let (why, hint) = refused(&call(&at));
    assert!(why.contains("took encrypted calls before") && hint.contains("http://"), "{why}");
    assert_called(&call(&format!("http://{at}/whip")));
    end(plain);
}

#[test]
fn silent_and_broken_handshakes_keep_nobody_out() {
    let listener = listen(&data_folder(), &["--tls"]);
    let (end, _) = timed(|| {
        let mut silent: Vec<_> = (0..300)
            .map(|n| {
                let mut stream = TcpStream::connect(listener.at).unwrap();
                // Nothing, the beginning of a handshake, or no handshake at all.
                let begin: &[u8] = [&b""[..], b"\x16", b"\x16\x03\x01\x02\0\x01"][n % 3];
                stream.write_all(begin).unwrap();
                stream
            })
            .collect();
        assert_eq!(ask_securely(listener.at, "GET /calls").status, 200);
        assert_eq!(listener.ask("GET", "/calls", &[], b"").status, 200);
        silent.pop().unwrap()
    });
    // The last that came is still there, and is sent away in its time.
    let mut end = end;
    end.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (read, took) = timed(|| end.read(&mut [0; 99]));
    assert!(read.is_ok_and(|length| length == 0) || took < Duration::from_secs(15), "{took:?}");
    // Garbage in a handshake record is answered by an alert or the end.
    let mut stream = TcpStream::connect(listener.at).unwrap();
    stream.write_all(b"\x16\x03\x01\x00\x05hello and more that is no TLS at all").unwrap();
    let mut answer = Vec::new();
    let _reset_perhaps = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    assert_eq!(ask_securely(listener.at, "GET /calls").status, 200);
}

#[test]
fn the_page_and_the_terminal_show_the_name() {
    let listener = listen(&data_folder(), &["--name", "Küche & <Bad>"]);
    let page = listener.ask("GET", "/", &[], b"");
    let page = page.text();
    assert!(page.contains("<title>Call Küche &amp; &lt;Bad&gt;</title>"), "{page}");
    assert!(page.contains("<h1>Call Küche &amp; &lt;Bad&gt;</h1>") && !page.contains("<Bad>"));
    let unnamed = Listener::start(&[]);
    let host = gethostname::gethostname().to_string_lossy().to_ascii_lowercase();
    let host = host.split('.').next().unwrap();
    assert!(unnamed.ask("GET", "/", &[], b"").text().contains(&format!("<h1>Call {host}</h1>")));

    let arguments = [&["listen", "--lan", "--bind", "0.0.0.0:0", "--name", "Küche"], &SOUND[..]];
    let mut terminal = common::terminal::Terminal::start(None, &arguments.concat());
    terminal.wait_for("listening on https://");
    terminal.wait_for("its name is Küche, its certificate sha-256 ");
    terminal.wait_for("a browser warns");
    if outer_address().is_some() {
        terminal.wait_for("\u{2580}");
    }
    terminal.interrupt();
    assert_eq!(terminal.wait(), Some(0));
    assert!(!terminal.text().contains("0.0.0.0"), "{}", terminal.text());
    // Nobody points a camera at a file.
    let mut program = listen(&data_folder(), &["--lan", "--bind", "0.0.0.0:0"]).program;
    program.terminate();
    program.wait(Duration::from_secs(10));
    assert!(!program.messages().contains('\u{2580}'));
}

#[test]
fn call_tab_takes_the_same_options() {
    let folder = data_folder();
    let arguments = [
        &["call", "tab", "--bind", "127.0.0.1:0", "--tls", "--name", "Küche"],
        &["--allow-origin", "https://app.example", "--answer", "auto", "--max-calls", "1"][..],
        &SOUND,
    ];
    let environment = [("XDG_DATA_HOME", folder.to_str().unwrap())];
    let mut program = Halloo::start_with(None, &arguments.concat(), &environment);
    program.wait_for("listening", |event| event["fingerprint"].is_string());
    let at = program.url().trim_start_matches("https://").parse().unwrap();
    assert!(ask_securely(at, "GET /").text().contains("<h1>Küche calls</h1>"));
    let (mut stream, _) = secure(at);
    let head = format!(
        "POST /whip HTTP/1.1\r\nHost: {at}\r\nOrigin: https://app.example\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let reply = Reply::read(&mut stream);
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
    for option in ["--lan", "--tls", "--no-tls", "--name=x", "--max-calls=2"] {
        let output = run(&["call", "localhost", option]);
        assert_eq!(output.status.code(), Some(2));
        let name = option.split('=').next().unwrap();
        assert!(stderr(&output).contains(name), "{}", stderr(&output));
    }
}

#[test]
fn a_browser_on_another_computer_calls_over_https() {
    let Some(pair) = skip::namespaces("a_browser_on_another_computer_calls_over_https") else {
        return;
    };
    stall::undisturbed(|| over_https(&pair));
}

fn over_https(pair: &Namespaces) -> Result<(), String> {
    let heard = recording("tls-browser");
    let bind = format!("{}:8443", pair.left.address);
    let more = ["--lan", "--bind", &bind, "--name", "Küche"];
    let mut halloo = Halloo::listen(Some(&pair.left), 700, &heard, &more);
    assert_eq!(halloo.url(), format!("https://{bind}"));
    let browser = Browser::launch(&Options {
        namespace: Some(&pair.right),
        microphone: Some(440.0),
        arguments: vec!["--ignore-certificate-errors".into()],
        ..Options::default()
    });
    // As people type it: without https.
    let page = browser.open(&format!("http://{bind}/"));
    assert_eq!(page.evaluate("location.href"), format!("https://{bind}/"));
    assert_eq!(page.evaluate("isSecureContext"), true);
    assert_eq!(page.text("h1"), "Call Küche");
    page.click("#call");
    page.wait_for("document.body.dataset.state === 'connected'");
    assert!(page.evaluate("document.title").as_str().unwrap().contains("Küche"));
    page.screenshot("tls-page");
    halloo.wait_for("connected", |_| true);
    let remote = "document.querySelector('#sound').srcObject.getAudioTracks()[0]";
    page.wait_for(&format!("{remote}.muted === false"));
    let at_page = page.record(remote, 2.0).between(0.5, 2.0);
    page.click("#hang-up");
    halloo.wait_for("ended", |_| true);
    assert_eq!(page.complaints(), Vec::<String>::new());
    let at_halloo = Recording::read(&heard).after_silence(0.02).between(0.5, 2.0);
    for (who, heard, hz) in [("the page", &at_page, 700.0), ("halloo", &at_halloo, 440.0)] {
        let pitch = heard.pitch().ok_or_else(|| format!("{who} heard silence"))?;
        if (pitch - hz).abs() > 2.0 {
            return Err(format!("{who} heard {pitch} Hz, not {hz}"));
        }
    }
    Ok(())
}

#[test]
fn two_computers_call_by_the_hosts_address_alone() {
    let Some(pair) = skip::namespaces("two_computers_call_by_the_hosts_address_alone") else {
        return;
    };
    let at_listener = recording("tls-listener");
    // As typed: nothing but --lan.
    let mut listener = Halloo::start(
        Some(&pair.left),
        &[
            "listen",
            "--lan",
            "--input",
            "tone:440",
            "--output",
            &format!("file:{}", at_listener.display()),
        ],
    );
    let listening = listener.wait_for("listening", |_| true);
    assert_eq!(listening["urls"][0], format!("https://{}:8443/", pair.left.address));
    let at_caller = recording("tls-caller");
    let output = format!("file:{}", at_caller.display());
    let host = pair.left.address.to_string();
    let arguments = ["call", &host, "--input", "tone:660", "--output", &output, "--duration", "3"];
    let mut caller = Halloo::start(Some(&pair.right), &arguments);
    let fingerprint = listening["fingerprint"].as_str().unwrap();
    caller.wait_for("warning", |event| event["text"].as_str().unwrap().contains(fingerprint));
    caller.wait_for("connected", |_| true);
    assert!(caller.wait(Duration::from_secs(20)).success());
    listener.wait_for("ended", |_| true);
    listener.terminate();
    assert!(listener.wait(Duration::from_secs(10)).success());
    for (file, hz) in [(&at_caller, 440.0), (&at_listener, 660.0)] {
        let pitch = Recording::read(file).after_silence(0.01).between(0.5, 2.0).pitch();
        assert!((pitch.expect("silence") - hz).abs() < 2.0, "{pitch:?}, not {hz}");
    }
}
