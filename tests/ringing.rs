//! Calls that ring until a person takes or declines them, over HTTP and at the terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod http;
    pub mod namespace;
    pub mod skip;
    pub mod terminal;
}

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use common::halloo::Halloo;
use common::http::{Listener, Reply};
use common::terminal::Terminal;
use halloo::audio::{Channels, sink, source};
use halloo::net::driver::{CallState, Caller, Handle, Options, Refusal, TimedEvent, start};
use halloo::net::sound::Sound;
use halloo::peer::config::Config;
use halloo::peer::event::{End, Event, Side};
use halloo::sdp::Description;
use serde_json::Value;

fn browsers_offer() -> String {
    let path = format!("{}/vectors/sdp_browsers.json", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut cases = file["cases"].as_array().unwrap().iter();
    let case = cases.find(|case| case["id"] == "chromium156-audio-sendrecv").unwrap();
    case["sdp"].as_str().unwrap().to_owned()
}

/// A request on its way; [`Reply::read`] waits for its answer.
fn post(at: SocketAddr, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(
        stream,
        "POST /whip HTTP/1.1\r\nHost: {at}\r\nContent-Type: application/sdp\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    stream
}

fn get(at: SocketAddr, path: &str) -> Value {
    let mut stream = TcpStream::connect(at).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n").unwrap();
    serde_json::from_slice(&Reply::read(&mut stream).body).unwrap()
}

/// A person at a terminal who is asked about each call, and where they listen.
fn asking() -> (Terminal, SocketAddr) {
    Terminal::listen(None, "silence", &["--answer", "ask"])
}

#[test]
fn y_takes_a_call_and_n_declines_it() {
    let (mut terminal, at) = asking();
    let mut first = post(at, &browsers_offer());
    terminal.wait_for("a call from 127.0.0.1: take it? y/n");
    let calls = get(at, "/calls");
    assert_eq!((&calls[0]["state"], calls.as_array().unwrap().len()), (&"ringing".into(), 1));
    let id = calls[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(get(at, &format!("/calls/{id}/stats")), serde_json::json!({}));
    // Another one waits its turn.
    let mut second = post(at, &browsers_offer());
    terminal.press("x");
    terminal.press("y");
    let taken = Reply::read(&mut first);
    assert_eq!(taken.status, 201, "{taken:?}");
    assert_eq!(taken.header("location"), Some(format!("/calls/{id}").as_str()));
    assert!(taken.text().contains("a=setup:active"));

    terminal.wait_for("take it? y/n");
    terminal.press("n");
    let declined = Reply::read(&mut second);
    assert_eq!(declined.status, 403, "{declined:?}");
    declined.problem();
    terminal.wait_for("ended: declined");
    assert!(!terminal.echoes(), "keys are not echoed");

    // Who has us offer is asked about, too; our offer comes when the call is taken.
    let mut third = post(at, "");
    terminal.wait_for("take it? y/n");
    terminal.press("Y");
    let offered = Reply::read(&mut third);
    assert!(offered.status == 201 && offered.text().contains("a=setup:actpass"), "{offered:?}");
    terminal.interrupt();
    assert_eq!(terminal.wait(), Some(0));
}

#[test]
fn a_caller_who_hangs_up_before_is_gone() {
    let (mut terminal, at) = asking();
    let caller = post(at, &browsers_offer());
    terminal.wait_for("take it? y/n");
    drop(caller);
    terminal.wait_for("ended: the caller gave up");
    assert_eq!(get(at, "/calls")[0]["state"], "ended");
    // The end of the program answers who still waits.
    let mut other = post(at, &browsers_offer());
    terminal.wait_for("take it? y/n");
    terminal.interrupt();
    assert_eq!(Reply::read(&mut other).status, 503);
    assert_eq!(terminal.wait(), Some(0));
}

#[test]
fn who_waits_for_a_call_that_is_deleted_is_not_told_that_a_person_declined_it() {
    let listener = Listener::start(&["--answer", "ask"]);
    let mut ringing = post(listener.at, &browsers_offer());
    let mut program = listener.program;
    let id = program.wait_for("ringing", |_| true)["call"].as_str().unwrap().to_owned();
    let mut delete = TcpStream::connect(listener.at).unwrap();
    let at = listener.at;
    write!(delete, "DELETE /calls/{id} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")
        .unwrap();
    assert_eq!(Reply::read(&mut delete).status, 200);
    let told = Reply::read(&mut ringing);
    assert_eq!(told.status, 410, "{told:?}");
    assert_eq!(told.problem()["detail"], "the call was deleted while it rang");
    let ended = program.wait_for("ended", |_| true);
    assert_eq!(
        (&ended["end"], &ended["reason"]),
        (&"hung_up_by_peer".into(), &"deleted while it rang".into())
    );
}

/// It does not even ring there, but its servers are asked for up to half a second before it answers.
#[test]
fn a_caller_who_hangs_up_while_servers_are_asked_is_gone_too() {
    let (_silent, stun) = silent_server();
    let mut listener = Listener::start(&["--stun", &stun, "--max-calls", "1"]);
    for offer in [browsers_offer(), String::new()] {
        let so_far = listener.program.catch_up().len();
        let caller = post(listener.at, &offer);
        listener.program.wait_for_next("gathering", so_far);
        drop(caller);
        let (_, ended) = listener.program.wait_for_next("ended", so_far);
        assert_eq!(ended["end"], "hung_up_by_peer");
        assert_eq!(ended["reason"], "the caller is gone");
    }
    // Its place is free again.
    assert_eq!(Reply::read(&mut post(listener.at, &browsers_offer())).status, 201);
    assert_eq!(Reply::read(&mut post(listener.at, &browsers_offer())).status, 503);
}

#[test]
fn on_a_terminal_strangers_ring_and_this_machine_does_not() {
    let Some(pair) = common::skip::namespaces("ringing from elsewhere") else { return };
    let arguments = ["listen", "--bind", "0.0.0.0:8080", "--input", "tone:440", "--output", "null"];
    let mut terminal = Terminal::start(Some(&pair.left), &arguments);
    terminal.wait_for("listening on");
    let more = ["--input", "tone:660", "--output", "null", "--duration", "0.5"];
    let mut local =
        Halloo::start(Some(&pair.left), &[&["call", "http://127.0.0.1:8080"][..], &more].concat());
    local.wait_for("connected", |_| true);
    assert!(local.wait(Duration::from_secs(10)).success());
    assert!(!terminal.text().contains("y/n"), "{}", terminal.text());

    let target = format!("http://{}:8080", pair.left.address);
    let mut remote = Halloo::start(Some(&pair.right), &[&["call", &target][..], &more].concat());
    terminal.wait_for(&format!("a call from {}: take it? y/n", pair.right.address));
    terminal.press("y");
    remote.wait_for("connected", |_| true);
    assert!(remote.wait(Duration::from_secs(10)).success());

    let mut declined = Halloo::start(Some(&pair.right), &[&["call", &target][..], &more].concat());
    terminal.wait_for("take it? y/n");
    terminal.press("n");
    assert_eq!(declined.wait(Duration::from_secs(10)).code(), Some(1));
    assert!(declined.messages().contains("declined"), "{}", declined.messages());
    terminal.interrupt();
    assert_eq!(terminal.wait(), Some(0));
}

/// A STUN server that never answers, and its URI.
fn silent_server() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let uri = format!("stun:{}", socket.local_addr().unwrap());
    (socket, uri)
}

fn driver(options: Options) -> Handle {
    let sound = Sound::open(source::Spec::Silence, sink::Spec::Null, Channels::Mono).unwrap();
    start(options, sound).unwrap()
}

fn here() -> Caller {
    Caller::at(([127, 0, 0, 1], 0).into())
}

async fn offer() -> (Handle, Description) {
    let caller = driver(Options::default());
    let (_, offer) = caller.make_offer(here()).await.unwrap();
    (caller, offer)
}

#[tokio::test]
async fn nobody_answers_and_the_caller_is_told() {
    let short = Duration::from_millis(50);
    let callee = driver(Options { answer_within: short, ..Options::default() });
    let (_caller, offer) = offer().await;
    let mut events = callee.events();
    let ringing = callee.ring(Some(offer), here()).await.unwrap();
    let id = ringing.id();
    assert_eq!(ringing.decided().await.unwrap_err(), Refusal::NobodyAnswered);
    assert_eq!(callee.call(id).await.unwrap().state, CallState::Ended);
    assert_eq!(events.recv().await.unwrap().1.event, Event::Ringing);
    let ended = events.recv().await.unwrap().1.event;
    assert!(matches!(ended, Event::Ended { end: End::Failed { .. }, .. }), "{ended:?}");
    assert_eq!(callee.accept(id).await, Err(Refusal::UnknownCall));
    assert_eq!(callee.hang_up(id, Side::Local).await, Err(Refusal::UnknownCall));
}

/// Between the person's yes and the answer, servers are asked.
#[tokio::test]
async fn who_is_gone_when_the_taken_call_is_described_leaves_no_call() {
    let (_silent, stun) = silent_server();
    let peer = Config { servers: vec![stun.parse().unwrap()], ..Config::default() };
    let callee = driver(Options { max_calls: 1, peer, ..Options::default() });
    let (_caller, offer) = offer().await;
    for offer in [Some(offer.clone()), None] {
        let ringing = callee.ring(offer, here()).await.unwrap();
        let id = ringing.id();
        callee.accept(id).await.unwrap();
        let (_, mut events, _) = callee.follow(id).await.unwrap();
        drop(ringing);
        let ended = loop {
            match events.recv().await.unwrap() {
                (call, TimedEvent { event: Event::Ended { end, reason, .. }, .. })
                    if call == id =>
                {
                    break (end, reason);
                }
                _ => {}
            }
        };
        assert_eq!(ended, (End::HungUpByPeer, "the caller is gone".to_owned()));
        assert_eq!(callee.call(id).await.unwrap().state, CallState::Ended);
    }
    callee.accept_offer(offer, here()).await.expect("room for one");
}

#[tokio::test]
async fn a_call_that_rings_counts_and_an_offer_that_is_useless_does_not_ring() {
    let callee = driver(Options { max_calls: 1, ..Options::default() });
    let (_caller, offer) = offer().await;
    let mute = offer.to_string().replace("m=audio", "m=video").parse().unwrap();
    let refused = callee.ring(Some(mute), here()).await.unwrap_err();
    assert!(matches!(refused, Refusal::NoUsableAudio { .. }), "{refused:?}");
    assert_eq!(callee.calls().await, []);

    let ringing = callee.ring(Some(offer.clone()), here()).await.unwrap();
    let refused = callee.ring(Some(offer.clone()), here()).await.unwrap_err();
    assert!(matches!(refused, Refusal::TooMany { limit: 1, .. }), "{refused:?}");
    // At the limit, the one that rings may still be taken; twice it may not.
    let id = ringing.id();
    callee.accept(id).await.unwrap();
    assert!(matches!(callee.accept(id).await, Err(Refusal::WrongState { .. })));
    ringing.decided().await.unwrap();
    assert_eq!(callee.call(id).await.unwrap().state, CallState::Connecting, "and goes on");
}
