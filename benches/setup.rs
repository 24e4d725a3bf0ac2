//! How long from an offer to sound: two drivers, real sockets on loopback, a hundred calls.
//!
//! `cargo bench --bench setup`. Descriptions go from one driver to the other in memory, so HTTP's share
//! is not in it; sound is a tone one way and the other. Marks: first RTP 15 ms in the median and never
//! over 100, first sound within 60 ms.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(clippy::expect_used)]

use std::time::Duration;

use halloo::audio::{Channels, sink, source};
use halloo::net::driver::{Caller, Handle, Options, Words, start};
use halloo::net::sound::Sound;
use halloo::peer::event::{Event, MediaFirst, Side};
use tokio::time::timeout;

const CALLS: usize = 100;

/// Milliseconds after the offer was asked for, as the caller sees it.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    connected: f64,
    sent: f64,
    received: f64,
    sound: f64,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let times = runtime.block_on(hundred_calls());
    println!("{}: {CALLS} calls on loopback, ms after the offer", processor());
    println!("{:<28}{:>8}{:>8}{:>8}", "", "median", "90 %", "max");
    type Row = (&'static str, fn(&Times) -> f64);
    let rows: [Row; 4] = [
        ("connected", |times| times.connected),
        ("first RTP packet sent", |times| times.sent),
        ("first RTP packet received", |times| times.received),
        ("first sound played", |times| times.sound),
    ];
    for (name, pick) in rows {
        let mut row: Vec<f64> = times.iter().map(pick).collect();
        row.sort_by(f64::total_cmp);
        let at = |share: usize| row[(row.len() - 1) * share / 100];
        println!("{name:<28}{:>8.1}{:>8.1}{:>8.1}", at(50), at(90), at(100));
    }
}

async fn hundred_calls() -> Vec<Times> {
    let driver = |hz| {
        let sound = Sound::open(source::Spec::Tone(hz), sink::Spec::Null, Channels::Mono).unwrap();
        let options = Options { words: Words::LeftOut, ..Options::default() };
        start(options, sound).unwrap()
    };
    let (caller, callee) = (driver(440.0), driver(660.0));
    let mut times = Vec::new();
    for _ in 0..CALLS {
        let call = timeout(Duration::from_secs(10), one_call(&caller, &callee));
        times.push(call.await.expect("no sound after 10 s"));
    }
    caller.shutdown().await;
    callee.shutdown().await;
    times
}

async fn one_call(caller: &Handle, callee: &Handle) -> Times {
    let here = Caller::at(([127, 0, 0, 1], 0).into());
    let mut events = caller.events();
    let (id, offer) = caller.make_offer(here).await.unwrap();
    let (_, answer) = callee.accept_offer(offer, here).await.unwrap();
    caller.accept_answer(id, answer).await.unwrap();
    let mut times = Times::default();
    loop {
        match events.recv().await.unwrap() {
            (call, _) if call != id => {}
            (_, timed) => match timed.event {
                Event::Connected { ms, .. } => times.connected = ms,
                Event::Media { first: MediaFirst::PacketSent, ms } => times.sent = ms,
                Event::Media { first: MediaFirst::PacketReceived, ms } => times.received = ms,
                Event::Media { first: MediaFirst::SoundPlayed, ms } => {
                    times.sound = ms;
                    caller.hang_up(id, Side::Local).await.unwrap();
                    return times;
                }
                Event::Ended { reason, .. } => unreachable!("{reason}"),
                _ => {}
            },
        }
    }
}

/// Figures mean nothing without the machine.
fn processor() -> String {
    let system = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = system.lines().find_map(|line| line.strip_prefix("model name"));
    let model =
        model.map_or("unknown processor", |model| model.trim_start_matches(['\t', ' ', ':']));
    format!("{model}, {} cores", std::thread::available_parallelism().map_or(0, usize::from))
}
