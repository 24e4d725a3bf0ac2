//! Two ends of a DTLS handshake in one process: ours, and plain OpenSSL as other stacks use it.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use halloo::dtls_srtp::{
    Certificate, Connected, Event, Failure, Fingerprint, Handshake, HashAlgorithm, Input, Output,
    Role,
};
use halloo::time::Instant;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::{X509, X509NameBuilder};

/// Who can stand at an end of a wire.
pub trait End {
    fn receive(&mut self, now: Instant, datagram: &[u8]);
    fn tick(&mut self, now: Instant);
    fn leave(&mut self) -> Option<Vec<u8>>;
    fn is_connected(&self) -> bool;
}

/// Our end, with what it said.
pub struct Ours {
    pub handshake: Handshake,
    pub events: Vec<Event>,
    pub timeout: Option<Instant>,
}

impl Ours {
    /// `expected`: nothing signalled yet if `None`.
    pub fn new(certificate: &Certificate, role: Role, expected: Option<&[Fingerprint]>) -> Self {
        let mut handshake = Handshake::new(certificate, role).unwrap();
        if let Some(expected) = expected {
            handshake.handle_input(Instant::ZERO, Input::Expect(expected));
        }
        Self { handshake, events: Vec::new(), timeout: None }
    }

    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.handshake.handle_input(now, input);
    }

    /// Lays events and timeout aside and gives the datagrams.
    pub fn drain(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.leave()).collect()
    }

    pub fn connected(&self) -> Option<&Connected> {
        self.events.iter().find_map(|event| match event {
            Event::Connected(connected) => Some(&**connected),
            _ => None,
        })
    }

    pub fn failure(&self) -> Option<&Failure> {
        self.events.iter().find_map(|event| match event {
            Event::Failed(failure) => Some(failure),
            _ => None,
        })
    }
}

impl End for Ours {
    fn receive(&mut self, now: Instant, datagram: &[u8]) {
        self.handle(now, Input::Datagram(datagram));
    }

    fn tick(&mut self, now: Instant) {
        self.handle(now, Input::Timer);
    }

    fn leave(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.handshake.poll_output() {
                Output::Transmit(datagram) => return Some(datagram.to_vec()),
                Output::Event(event) => self.events.push(event),
                Output::Timeout(at) => {
                    self.timeout = at;
                    return None;
                }
            }
        }
    }

    fn is_connected(&self) -> bool {
        self.connected().is_some()
    }
}

/// A key and a certificate for it, of the kind that GStreamer has.
pub fn rsa() -> (X509, PKey<Private>) {
    self_signed(PKey::from_rsa(Rsa::generate(2_048).unwrap()).unwrap())
}

/// A key and a certificate for it, of the kind that browsers have.
pub fn ecdsa() -> (X509, PKey<Private>) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    self_signed(PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap())
}

fn self_signed(key: PKey<Private>) -> (X509, PKey<Private>) {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, "plain").unwrap();
    let name = name.build();
    let mut serial = BigNum::new().unwrap();
    serial.rand(64, MsbOption::ONE, false).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(30).unwrap()).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}

pub fn fingerprint_of(x509: &X509) -> Fingerprint {
    Fingerprint::of(HashAlgorithm::Sha256, &x509.to_der().unwrap())
}

/// What a plain end agrees to.
pub struct Manners<'a> {
    pub ciphers: &'a str,
    pub profiles: Option<&'a str>,
    pub verify: SslVerifyMode,
    pub shows_certificate: bool,
    pub mtu: u32,
}

impl Default for Manners<'_> {
    fn default() -> Self {
        Self {
            ciphers: "DEFAULT",
            profiles: Some("SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM"),
            verify: SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
            shows_certificate: true,
            mtu: 1_200,
        }
    }
}

/// Plain OpenSSL, its retransmission timer at the default of one second.
pub struct Plain {
    pub stream: SslStream<Queue>,
    pub done: bool,
    pub failed: Option<ErrorStack>,
    pub closed: bool,
}

impl Plain {
    pub fn new((x509, key): &(X509, PKey<Private>), role: Role, manners: &Manners<'_>) -> Self {
        let mut context = SslContext::builder(SslMethod::dtls()).unwrap();
        context.set_min_proto_version(Some(SslVersion::DTLS1_2)).unwrap();
        context.set_options(SslOptions::NO_QUERY_MTU);
        context.set_cipher_list(manners.ciphers).unwrap();
        if let Some(profiles) = manners.profiles {
            context.set_tlsext_use_srtp(profiles).unwrap();
        }
        if manners.shows_certificate {
            context.set_certificate(x509).unwrap();
            context.set_private_key(key).unwrap();
        }
        context.set_verify_callback(manners.verify, |_, _| true);
        let mut ssl = Ssl::new(&context.build()).unwrap();
        ssl.set_mtu(manners.mtu).unwrap();
        match role {
            Role::Client => ssl.set_connect_state(),
            Role::Server => ssl.set_accept_state(),
        }
        let stream = SslStream::new(ssl, Queue::default()).unwrap();
        Self { stream, done: false, failed: None, closed: false }
    }

    fn drive(&mut self) {
        if self.failed.is_some() {
            return;
        }
        let step = if self.done {
            self.stream.ssl_read(&mut [0; 100]).map(drop)
        } else {
            self.stream.do_handshake().map(|()| self.done = true)
        };
        match step {
            Ok(()) => {}
            Err(error) if error.code() == ErrorCode::WANT_READ => {}
            Err(error) if error.code() == ErrorCode::ZERO_RETURN => self.closed = true,
            Err(error) => {
                self.failed = Some(error.ssl_error().cloned().unwrap_or_else(ErrorStack::get));
            }
        }
    }
}

impl End for Plain {
    fn receive(&mut self, _now: Instant, datagram: &[u8]) {
        self.stream.get_mut().arrived.push_back(datagram.to_vec());
        self.drive();
    }

    fn tick(&mut self, _now: Instant) {
        self.drive(); // reading nothing lets OpenSSL look at its timer
    }

    fn leave(&mut self) -> Option<Vec<u8>> {
        self.stream.get_mut().leaving.pop_front()
    }

    fn is_connected(&self) -> bool {
        self.done
    }
}

/// A socket for [`Plain`].
#[derive(Default, Debug)]
pub struct Queue {
    arrived: VecDeque<Vec<u8>>,
    leaving: VecDeque<Vec<u8>>,
}

impl Read for Queue {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = self.arrived.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        datagram.as_slice().read(buffer)
    }
}

impl Write for Queue {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.leaving.push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Carries datagrams between the ends until both are silent; time stands still.
pub fn settle(now: Instant, a: &mut dyn End, b: &mut dyn End) {
    loop {
        let mut moved = false;
        while let Some(datagram) = a.leave() {
            moved = true;
            b.receive(now, &datagram);
        }
        while let Some(datagram) = b.leave() {
            moved = true;
            a.receive(now, &datagram);
        }
        if !moved {
            return;
        }
    }
}
