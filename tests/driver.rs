//! Drivers in one process call each other over real sockets on loopback, without HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(unreachable_pub)]
mod common {
    pub mod listen;
    pub mod port;
}

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::listen::Recording;
use common::port::free_port;
use halloo::audio::{Channels, sink, source};
use halloo::dtls_srtp::Certificate;
use halloo::ice::PathId;
use halloo::net::driver::{
    CallId, CallState, Caller, Handle, Options, Refusal, TimedEvent, Words, start,
};
use halloo::net::sound::Sound;
use halloo::peer::config::Config;
use halloo::peer::event::{End, Event, MediaFirst, Side, Step};
use halloo::peer::{Input, Output, Peer};
use halloo::time::Instant;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

type Events = Receiver<(CallId, TimedEvent)>;

/// Signalling over loopback: both ends are on this machine.
fn here() -> Caller {
    Caller::at(([127, 0, 0, 1], 0).into())
}

fn driver(input: &str, output: &str, options: Options) -> Handle {
    let (input, output) = (input.parse().unwrap(), output.parse().unwrap());
    start(options, sound(input, output)).unwrap()
}

fn sound(input: source::Spec, output: sink::Spec) -> Sound {
    Sound::open(input, output, Channels::Mono).unwrap()
}

/// A folder of the test's own, gone when it ends.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("halloo-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn file(path: &Path) -> String {
    format!("file:{}", path.display())
}

/// The first event of a call that is like this; half a minute is more than any of them takes.
async fn told(events: &mut Events, id: CallId, like: impl Fn(&Event) -> bool) -> TimedEvent {
    let found = async {
        loop {
            let (call, timed) = events.recv().await.unwrap();
            if call == id && like(&timed.event) {
                return timed;
            }
        }
    };
    timeout(Duration::from_secs(30), found).await.expect("the event never came")
}

/// `caller` offers, `callee` answers.
async fn call(caller: &Handle, callee: &Handle) -> (CallId, CallId) {
    let (ours, offer) = caller.make_offer(here()).await.unwrap();
    let (theirs, answer) = callee.accept_offer(offer, here()).await.unwrap();
    caller.accept_answer(ours, answer).await.unwrap();
    (ours, theirs)
}

async fn connected_call(caller: &Handle, callee: &Handle) -> (CallId, CallId) {
    let (mut at_caller, mut at_callee) = (caller.events(), callee.events());
    let (ours, theirs) = call(caller, callee).await;
    let is_connected = |event: &Event| matches!(event, Event::Connected { .. });
    told(&mut at_caller, ours, is_connected).await;
    told(&mut at_callee, theirs, is_connected).await;
    (ours, theirs)
}

/// Lets a connected call be heard for so many seconds, by its own clock.
async fn listen(events: &mut Events, id: CallId, seconds: usize) {
    for _ in 0..seconds {
        told(events, id, |event| matches!(event, Event::Stats(_))).await;
    }
}

/// The pitches of these tests.
const PITCHES: [f64; 6] = [440.0, 523.0, 600.0, 660.0, 750.0, 900.0];

/// Tests with sound run one after the other: on a busy machine each would spoil the others' figures.
static QUIET: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn assert_hears(recording: &Path, hz: f64) {
    let heard = Recording::read(recording).after_silence(0.01).between(0.3, 1.5);
    assert!(heard.seconds() > 1.0, "{}: only {} s", recording.display(), heard.seconds());
    let pitch = heard.pitch().expect("silence");
    assert!((pitch - hz).abs() < 2.0, "{}: {pitch} Hz, not {hz}", recording.display());
    // A busy machine may cost a packet; it never lets somebody else be heard.
    let ours = heard.amplitude(hz);
    for other in PITCHES.into_iter().filter(|other| (other - hz).abs() > 1.0) {
        let theirs = heard.amplitude(other);
        assert!(theirs < 0.05 * ours, "{}: {other} Hz too: {theirs}", recording.display());
    }
}

#[tokio::test]
async fn two_drivers_hear_each_others_tones_and_one_hangs_up() {
    let _quiet = QUIET.lock().await;
    let folder = Folder::new("tones");
    let [at_caller, at_callee] = ["caller.wav", "callee.wav"].map(|name| folder.file(name));
    let caller = driver("tone:440", &file(&at_caller), Options::default());
    let callee = driver("tone:660", &file(&at_callee), Options::default());
    let (mut events, mut their_events) = (caller.events(), callee.events());
    let (ours, theirs) = connected_call(&caller, &callee).await;
    assert_eq!(caller.call(ours).await.unwrap().state, CallState::Connected);
    listen(&mut events, ours, 2).await;
    let stats = serde_json::to_value(caller.stats(ours).await.unwrap()).unwrap();
    assert!(stats.as_object().unwrap().values().any(|entry| entry["type"] == "inbound-rtp"));

    caller.hang_up(ours, Side::Local).await.unwrap();
    let ended = told(&mut events, ours, |event| matches!(event, Event::Ended { .. })).await;
    assert!(matches!(ended.event, Event::Ended { end: End::HungUp, .. }), "{ended:?}");
    let ended = told(&mut their_events, theirs, |event| matches!(event, Event::Ended { .. })).await;
    assert!(matches!(ended.event, Event::Ended { end: End::HungUpByPeer, .. }), "{ended:?}");
    assert_hears(&at_caller, 660.0);
    assert_hears(&at_callee, 440.0);

    // Readable afterwards, but over.
    let summary = callee.call(theirs).await.unwrap();
    assert_eq!(summary.state, CallState::Ended);
    assert!(matches!(summary.ended, Some((End::HungUpByPeer, _))));
    assert!(callee.stats(theirs).await.is_ok());
    assert_eq!(callee.hang_up(theirs, Side::Local).await, Err(Refusal::UnknownCall));
    let (history, _, _) = callee.follow(theirs).await.unwrap();
    assert!(history.iter().any(|timed| matches!(timed.event, Event::Connected { .. })));
    let first_sound = |timed: &TimedEvent| {
        matches!(timed.event, Event::Media { first: MediaFirst::SoundPlayed, .. })
    };
    assert!(history.iter().any(first_sound), "{history:?}");
}

#[tokio::test]
async fn callers_at_one_time_hear_the_callee_and_not_each_other() {
    let _quiet = QUIET.lock().await;
    let folder = Folder::new("many");
    let callee = driver("tone:440", &file(&folder.file("heard.wav")), Options::default());
    let mut callers = Vec::new();
    for (number, hz) in [(1, 600), (2, 750), (3, 900)] {
        let heard = folder.file(&format!("caller{number}.wav"));
        let caller = driver(&format!("tone:{hz}"), &file(&heard), Options::default());
        let mut events = caller.events();
        let (id, _) = connected_call(&caller, &callee).await;
        told(&mut events, id, |event| matches!(event, Event::Stats(_))).await;
        callers.push((caller, id, events, heard));
    }
    assert_eq!(callee.calls().await.len(), 3);
    for (_, id, events, _) in &mut callers {
        listen(events, *id, 2).await;
    }
    for (caller, id, _, heard) in &callers {
        caller.hang_up(*id, Side::Local).await.unwrap();
        assert_hears(heard, 440.0);
    }
    // One file a call, in the order in which they were connected.
    for (name, hz) in [("heard.wav", 600.0), ("heard-2.wav", 750.0), ("heard-3.wav", 900.0)] {
        assert_hears(&folder.file(name), hz);
    }
}

#[tokio::test]
async fn what_is_heard_comes_back_as_an_echo_and_what_comes_is_reflected() {
    let _quiet = QUIET.lock().await;
    for mirror in ["echo", "reflect"] {
        let folder = Folder::new(mirror);
        let heard = folder.file("heard.wav");
        let caller = driver("tone:523", &file(&heard), Options::default());
        let callee = driver(mirror, "null", Options::default());
        let mut events = caller.events();
        let (id, _) = connected_call(&caller, &callee).await;
        listen(&mut events, id, 3).await;
        caller.hang_up(id, Side::Local).await.unwrap();
        assert_hears(&heard, 523.0);
    }
}

#[tokio::test]
async fn a_call_survives_a_bad_network() {
    let _quiet = QUIET.lock().await;
    let folder = Folder::new("impair");
    let heard = folder.file("heard.wav");
    let impair = "loss=5%,delay=30ms,jitter=10ms,reorder=2%,dup=2%,seed=3".parse().unwrap();
    let options = Options { impair: Some(impair), ..Options::default() };
    let caller = driver("tone:440", &file(&heard), options);
    let callee = driver("tone:660", "null", Options::default());
    let mut events = caller.events();
    let (id, _) = connected_call(&caller, &callee).await;
    listen(&mut events, id, 3).await;
    caller.shutdown().await;
    let steady = Recording::read(&heard).after_silence(0.01).between(0.3, 2.3);
    assert!((steady.pitch().unwrap() - 660.0).abs() < 3.0);
}

#[tokio::test]
async fn an_answer_that_nobody_stands_behind_times_out_at_the_ice_step() {
    let mut options = Options::default();
    options.peer.connect_timeout = Duration::from_millis(700);
    let caller = driver("silence", "null", options);
    let callee = driver("silence", "null", Options::default());
    let mut events = caller.events();
    let (id, offer) = caller.make_offer(here()).await.unwrap();
    let (_, answer) = callee.accept_offer(offer, here()).await.unwrap();
    callee.shutdown().await;
    caller.accept_answer(id, answer).await.unwrap();
    let answered = told(&mut events, id, |event| matches!(event, Event::Answered)).await;
    let ended = told(&mut events, id, |event| matches!(event, Event::Ended { .. })).await;
    let Event::Ended { end, .. } = ended.event else { unreachable!() };
    assert_eq!(end, End::Failed { step: Step::Ice });
    let after = ended.at - answered.at;
    assert!((700..1_500).contains(&after.as_millis()), "{after:?}");
}

#[tokio::test]
async fn an_offer_that_nobody_answers_ends() {
    let options = Options { answer_within: Duration::from_millis(200), ..Options::default() };
    let caller = driver("silence", "null", options);
    let mut events = caller.events();
    let (id, _) = caller.make_offer(here()).await.unwrap();
    assert_eq!(caller.call(id).await.unwrap().state, CallState::Ringing);
    let ended = told(&mut events, id, |event| matches!(event, Event::Ended { .. })).await;
    let Event::Ended { end, reason, .. } = ended.event else { unreachable!() };
    assert_eq!((end, reason.as_str()), (End::Failed { step: Step::Signalling }, "nobody answered"));
}

#[tokio::test]
async fn a_duration_ends_a_connected_call_in_time() {
    let options = Options { duration: Some(Duration::from_millis(500)), ..Options::default() };
    let caller = driver("tone:440", "null", options);
    let callee = driver("tone:660", "null", Options::default());
    let mut events = caller.events();
    let (id, _) = call(&caller, &callee).await;
    let connected = told(&mut events, id, |event| matches!(event, Event::Connected { .. })).await;
    let ended = told(&mut events, id, |event| matches!(event, Event::Ended { .. })).await;
    assert!(matches!(ended.event, Event::Ended { end: End::HungUp, .. }));
    let lasted = ended.at - connected.at;
    // Soon after, too: the next thing that would wake the loop anyway is a second's statistics.
    assert!((500..900).contains(&lasted.as_millis()), "{lasted:?}");
}

#[tokio::test]
async fn a_shutdown_tells_the_other_side_and_frees_the_port() {
    let callee = driver("silence", "null", Options::default());
    let port = free_port();
    let options = || Options { udp_port: port, ..Options::default() };
    let caller = driver("silence", "null", options());
    let taken = start(options(), sound(source::Spec::Silence, sink::Spec::Null));
    assert!(matches!(taken, Err(Refusal::System { .. })), "{taken:?}");

    let mut their_events = callee.events();
    let (ours, theirs) = connected_call(&caller, &callee).await;
    timeout(Duration::from_secs(2), caller.shutdown()).await.expect("two seconds are the limit");
    let ended = told(&mut their_events, theirs, |event| matches!(event, Event::Ended { .. })).await;
    assert!(matches!(ended.event, Event::Ended { end: End::HungUpByPeer, .. }), "{ended:?}");
    assert_eq!(caller.call(ours).await, Err(Refusal::ShuttingDown));
    assert_eq!(caller.make_offer(here()).await, Err(Refusal::ShuttingDown));
    caller.shutdown().await;
    // The port is free the moment the shutdown is over.
    let again = driver("silence", "null", options());
    connected_call(&again, &callee).await;
}

#[tokio::test]
async fn no_more_calls_than_allowed_and_bad_requests_disturb_none() {
    let callee = driver("tone:440", "null", Options { max_calls: 1, ..Options::default() });
    let caller = driver("tone:660", "null", Options::default());
    let mut events = callee.events();
    let (ours, theirs) = connected_call(&caller, &callee).await;
    let (second, offer) = caller.make_offer(here()).await.unwrap();
    let refused = callee.accept_offer(offer.clone(), here()).await.unwrap_err();
    assert!(matches!(refused, Refusal::TooMany { limit: 1, .. }), "{refused:?}");
    let refused = callee.accept_answer(theirs, offer).await.unwrap_err();
    assert!(matches!(refused, Refusal::WrongState { .. }), "{refused:?}");
    let stranger = CallId::from_random([7; 16]);
    assert_eq!(callee.hang_up(stranger, Side::Local).await, Err(Refusal::UnknownCall));
    listen(&mut events, theirs, 1).await;
    assert_eq!(callee.call(theirs).await.unwrap().state, CallState::Connected);
    caller.hang_up(ours, Side::Local).await.unwrap();
    caller.hang_up(second, Side::Local).await.unwrap();
    told(&mut events, theirs, |event| matches!(event, Event::Ended { .. })).await;
    connected_call(&caller, &callee).await; // there is room again
}

#[tokio::test]
async fn loopback_is_offered_only_to_callers_on_loopback() {
    let driver = driver("silence", "null", Options::default());
    let elsewhere = Caller::at(([192, 0, 2, 77], 80).into());
    let (_, offer) = driver.make_offer(elsewhere).await.unwrap();
    assert!(!offer.to_string().contains(" 127.0.0.1 "), "{offer}");
    let (_, offer) = driver.make_offer(here()).await.unwrap();
    assert!(offer.to_string().contains(" 127.0.0.1 "), "{offer}");
}

/// Anybody can announce anybody's address; packets from there follow only those who know our password.
#[test]
fn an_announced_address_is_no_proof_and_a_genuine_check_is() {
    let peer = |seed, port| {
        let certificate = Arc::new(Certificate::generate().unwrap());
        let mut peer = Peer::new(Config::default(), certificate, StdRng::seed_from_u64(seed));
        let addr = ([192, 0, 2, 1], port).into();
        peer.handle_input(Instant::ZERO, Input::LocalAddress { path: PathId(0), addr });
        (peer, addr)
    };
    let ((mut alice, at_alice), (mut bob, at_bob)) = (peer(1, 5_000), peer(2, 5_001));
    let offer = alice.make_offer(Instant::ZERO).unwrap();
    let answer = bob.accept_offer(Instant::ZERO, &offer).unwrap();
    assert!(bob.accepts(PathId(0), at_alice));
    assert!(!bob.has_proof_of(PathId(0), at_alice));

    alice.accept_answer(Instant::ZERO, &answer).unwrap();
    let mut check = loop {
        match alice.poll_output() {
            Output::Transmit { to, bytes, .. } if to == at_bob => break bytes.to_vec(),
            Output::Timeout(due) => alice.handle_input(due.unwrap(), Input::Timer),
            _ => {}
        }
    };
    let input = Input::Datagram { path: PathId(0), from: at_alice, bytes: &mut check };
    bob.handle_input(Instant::ZERO, input);
    assert!(bob.has_proof_of(PathId(0), at_alice));
}

/// The words that `connected` bears.
async fn phrase(events: &mut Events, id: CallId) -> String {
    let connected = told(events, id, |event| matches!(event, Event::Connected { .. })).await;
    let Event::Connected { phrase: Some(phrase), ms } = connected.event else {
        panic!("{connected:?}")
    };
    assert!(ms < 5_000.0, "{ms} ms: when it was connected, not when the words were found");
    assert_eq!(phrase.split(' ').count(), 6, "{phrase}");
    phrase
}

#[tokio::test]
async fn both_ends_show_the_same_words_and_somebody_in_between_has_others() {
    let [alice, middle, bob] = ["silence"; 3].map(|hear| driver(hear, "null", Options::default()));
    let mut heard = [alice.events(), middle.events(), bob.events()];
    let (at_alice, of_alice) = call(&alice, &middle).await;
    let (of_bob, at_bob) = call(&middle, &bob).await;
    let alices = phrase(&mut heard[0], at_alice).await;
    let bobs = phrase(&mut heard[2], at_bob).await;
    assert_ne!(alices, bobs);
    // The middle's two calls may be told of in either order.
    for (id, words) in [(of_alice, alices), (of_bob, bobs)] {
        let (story, mut live, _reader) = middle.follow(id).await.unwrap();
        let told = story.into_iter().find_map(|timed| match timed.event {
            Event::Connected { phrase, .. } => phrase,
            _ => None,
        });
        let told = match told {
            Some(told) => told,
            None => phrase(&mut live, id).await,
        };
        assert_eq!(told, words);
    }
}

#[tokio::test]
async fn who_hangs_up_before_the_words_are_there_is_told_them_and_then_the_end() {
    // Who counts at the same time would only take time from her: she must have words within 3 s.
    let wordless = Options { words: Words::LeftOut, ..Options::default() };
    let [alice, bob] =
        [Options::default(), wordless].map(|options| driver("silence", "null", options));
    let mut events = alice.events();
    let (id, _) = call(&alice, &bob).await;
    loop {
        let state = alice.call(id).await.unwrap().state;
        if state == CallState::Connected {
            break;
        }
        tokio::task::yield_now().await;
    }
    alice.hang_up(id, Side::Local).await.unwrap();
    assert_eq!(alice.call(id).await.unwrap().state, CallState::Ended, "it doesn't wait itself");
    phrase(&mut events, id).await;
    told(&mut events, id, |event| matches!(event, Event::Ended { .. })).await;
}
