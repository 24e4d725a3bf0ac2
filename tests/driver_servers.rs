//! Calls whose servers take their time, by sockets on loopback: what a description waits for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod relay_server;
}

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::relay_server::{PASSWORD, RelayServer, USER};
use halloo::audio::Channels;
use halloo::ice::RelayUser;
use halloo::net::driver::{Caller, Options, start};
use halloo::net::sound::Sound;
use halloo::peer::config::Config;
use halloo::peer::event::{Event, GatheringState, Side};

/// A TURN server by TCP. The first who asks it for a relay is taken for somebody else (437).
fn turn_by_tcp() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let server = Arc::new(Mutex::new(RelayServer::new(&at.to_string())));
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let server = Arc::clone(&server);
            std::thread::spawn(move || serve(stream, &server, (number == 0).then_some(437)));
        }
    });
    at
}

fn serve(mut stream: TcpStream, server: &Mutex<RelayServer>, refuses: Option<u16>) {
    let from = stream.peer_addr().unwrap();
    let mut message = vec![0; 20];
    while stream.read_exact(&mut message[..20]).is_ok() {
        let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
        message.resize(20 + length, 0);
        if stream.read_exact(&mut message[20..]).is_err() {
            return;
        }
        let mut server = server.lock().unwrap();
        server.refuses = refuses;
        let at = server.addr;
        for (_, to, answer) in server.receive(from, at, &message) {
            assert_eq!(to, from, "nobody else has a part in this");
            let _perhaps_gone = stream.write_all(&answer);
        }
    }
}

/// A call with two servers: one that gives a relay at the second attempt, one that says nothing yet.
#[tokio::test]
async fn a_relay_that_is_opened_again_does_not_stand_for_another_server() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let turns = format!("turns:{}", silent.local_addr().unwrap());
    let turn = format!("turn:{}?transport=tcp", turn_by_tcp());
    let servers = [&turns, &turn].map(|uri| uri.parse().unwrap()).to_vec();
    let peer =
        Config { servers, relay_user: Some(RelayUser::new(USER, PASSWORD)), ..Config::default() };
    // Not the time, but what servers say is to decide.
    let options = Options { gather_within: Duration::from_secs(60), peer, ..Options::default() };
    let sound = Sound::open("silence".parse().unwrap(), "null".parse().unwrap(), Channels::Mono);
    let driver = start(options, sound.unwrap()).unwrap();
    let mut events = driver.events();
    let offering = tokio::spawn({
        let driver = driver.clone();
        async move { driver.make_offer(Caller::at(([127, 0, 0, 1], 0).into())).await }
    });
    let mut told = async |fits: &dyn Fn(&Event) -> bool| loop {
        let event = events.recv().await.unwrap().1.event;
        assert!(!matches!(event, Event::Ended { .. }), "{event:?}");
        if fits(&event) {
            return event;
        }
    };
    let is_relay = |event: &Event| match event {
        Event::Candidate { side: Side::Local, candidate } => candidate.contains("typ relay"),
        event => *event == Event::Gathering { state: GatheringState::Complete },
    };
    let relay = told(&is_relay).await;
    assert!(matches!(relay, Event::Candidate { .. }), "{relay:?} without the other server");
    driver.calls().await; // what the relay led to has been done
    assert!(!offering.is_finished(), "the offer does not wait for the other server");

    drop(silent); // and with it the connection
    told(&|event| *event == Event::Gathering { state: GatheringState::Complete }).await;
    let (_, offer) = offering.await.unwrap().unwrap();
    assert!(offer.to_string().contains(" typ relay "), "{offer}");
}
