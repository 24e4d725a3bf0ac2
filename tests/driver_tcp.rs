//! Strangers at the port where media comes in by TCP: who doesn't name a call is shown out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use halloo::audio::Channels;
use halloo::ice::Policy;
use halloo::net::driver::{Caller, Handle, Options, start};
use halloo::net::sound::Sound;
use halloo::net::tcp::Tcp;
use halloo::peer::config::Config;
use halloo::stun::{Attribute, Class, IntegrityKey, Message, MessageWriter, Method, TransactionId};

fn driver(options: Options) -> Handle {
    let [input, output] = ["silence", "null"];
    let sound = Sound::open(input.parse().unwrap(), output.parse().unwrap(), Channels::Mono);
    start(options, sound.unwrap()).unwrap()
}

/// What a call offers: the lines of its candidates by TCP, its ufrag.
async fn offered(driver: &Handle) -> (Vec<String>, String) {
    let here = Caller::at(([127, 0, 0, 1], 0).into());
    let (_, offer) = driver.make_offer(here).await.unwrap();
    let text = offer.to_string();
    let tcp = text.lines().filter(|line| line.contains(" tcp ")).map(str::to_owned).collect();
    let ufrag = text.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap();
    (tcp, ufrag.to_owned())
}

/// A call that listens on loopback, and where.
async fn listener(driver: &Handle) -> (SocketAddr, String) {
    let (lines, ufrag) = offered(driver).await;
    let line = lines.iter().find(|line| line.contains(" 127.0.0.1 ")).expect("on loopback");
    assert!(line.ends_with("tcptype passive"), "{line}");
    let port: u16 = line.split(' ').nth(5).unwrap().parse().unwrap();
    (([127, 0, 0, 1], port).into(), ufrag)
}

fn listening() -> Options {
    Options { tcp: Tcp::Listens, ..Options::default() }
}

/// A stranger.
struct Stranger(TcpStream);

impl Stranger {
    fn at(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Self(stream)
    }

    fn say(&mut self, packet: &[u8]) -> &mut Self {
        let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
        let _perhaps_closed = self.0.write_all(&[&length, packet].concat());
        self
    }

    /// The next packet; `None` when the connection was closed.
    fn hears(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 2];
        match self.0.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("still open"),
            Err(_) => return None,
        }
        let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut packet).unwrap();
        Some(packet)
    }

    fn is_shown_out(&mut self) {
        assert_eq!(self.hears(), None);
    }
}

/// A check by somebody who doesn't know the password.
fn check(ufrag: &str, class: Class) -> Vec<u8> {
    let mut check = Vec::new();
    let username = format!("{ufrag}:them");
    MessageWriter::new(&mut check, class, Method::BINDING, TransactionId([7; 12]))
        .attribute(Attribute::Username(&username))
        .attribute(Attribute::Priority(1))
        .attribute(Attribute::IceControlled(1))
        .integrity(&IntegrityKey::short_term("a guess"))
        .fingerprint()
        .finish();
    check
}

#[tokio::test]
async fn whoever_does_not_begin_with_a_check_for_a_call_is_shown_out() {
    let driver = driver(listening());
    let (addr, ufrag) = listener(&driver).await;
    let hello = [22, 0xfe, 0xfd, 0, 0, 0, 0];
    for wrong in [
        &b"\x80\x00 sound"[..],
        &hello,
        b"x",
        &check("nobody", Class::Request),
        &check(&ufrag, Class::Indication),
        &check(&ufrag, Class::Success),
    ] {
        Stranger::at(addr).say(wrong).is_shown_out();
    }
    let mut honest = Stranger::at(addr);
    let refused = honest.say(b"").say(&check(&ufrag, Class::Request)).hears().expect("an answer");
    let refused = Message::parse(&refused).unwrap();
    assert_eq!(refused.error_code().unwrap().code, 401, "the password decides");
}

#[tokio::test]
async fn a_stranger_has_few_guesses_and_small_ones() {
    let driver = driver(listening());
    let (addr, ufrag) = listener(&driver).await;
    let mut guesser = Stranger::at(addr);
    let guess = check(&ufrag, Class::Request);
    for _ in 0..20 {
        guesser.say(&guess);
    }
    let answers = std::iter::from_fn(|| guesser.hears()).count();
    assert!(answers <= 16, "{answers}");
    let mut talker = Stranger::at(addr);
    talker.say(&guess).hears().expect("an answer");
    talker.say(&[0; 1_501]).is_shown_out();
}

#[tokio::test]
async fn a_crowd_of_strangers_keeps_nobody_out() {
    let driver = driver(listening());
    let (addr, ufrag) = listener(&driver).await;
    let mut crowd: Vec<_> = (0..65).map(|_| Stranger::at(addr)).collect();
    let mut honest = Stranger::at(addr);
    assert!(honest.say(&check(&ufrag, Class::Request)).hears().is_some());
    crowd[0].is_shown_out(); // the one that stood there longest
    let last = crowd.last_mut().unwrap();
    assert!(last.say(&check(&ufrag, Class::Request)).hears().is_some());
}

#[tokio::test]
async fn who_calls_announces_that_it_connects_and_relays_alone_have_no_tcp() {
    let calls = driver(Options { tcp: Tcp::Connects, ..Options::default() });
    let (lines, _) = offered(&calls).await;
    assert!(!lines.is_empty());
    let connects = |line: &String| line.contains(" 9 typ host") && line.ends_with("tcptype active");
    assert!(lines.iter().all(connects), "{lines:?}");

    let peer = Config { policy: Policy::Relay, ..Config::default() };
    let relays = driver(Options { peer, ..listening() });
    assert_eq!(offered(&relays).await.0, Vec::<String>::new());
}

#[tokio::test]
async fn who_spoils_its_network_offers_no_way_that_sends_again_what_was_lost() {
    for tcp in [Tcp::Listens, Tcp::Connects] {
        let impair = Some("loss=100%".parse().unwrap());
        let (lines, _) = offered(&driver(Options { tcp, impair, ..Options::default() })).await;
        assert_eq!(lines, [""; 0]);
    }
}
