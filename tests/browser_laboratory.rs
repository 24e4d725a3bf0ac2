//! Chromium calls a real `halloo listen` through the laboratory's NATs, firewalls and TURN server.
//!
//! `common/laboratory.rs` has the picture. HTTP goes by a network of its own, media has to find its way. Each
//! case is a network, a call, and what must come of it: both hear the other's tone, by a pair of the expected
//! types, as halloo's events and the browser's statistics have it. How long the set-up took is printed, and
//! the gap in the sound where something breaks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub, clippy::print_stdout)]

use std::path::PathBuf;

use serde_json::{Value, json};

mod common {
    pub mod chromium;
    pub mod coturn;
    pub mod halloo;
    pub mod laboratory;
    pub mod listen;
    pub mod namespace;
    pub mod skip;
    pub mod stage;
    pub mod stall;
}
use common::chromium::{Browser, Options, Page};
use common::coturn::{self, Coturn};
use common::halloo::{Halloo, recording};
use common::laboratory::{Computer, Internet, Mapping, Nat};
use common::listen::Recording;
use common::stage::{
    HALF, OURS, QUARTER, REMOTE, Site, THEIRS, TONE, halloo_heard, is_tone, lines, on_stage,
    page_hears,
};

/// The types that an end of a pair may have.
type Types = &'static [&'static str];
/// A TURN server's.
const RELAY: Types = &["relay"];
/// The outside of a NAT.
const OUTSIDE: Types = &["srflx", "prflx"];

/// A foreign page in a browser, and a halloo that it may call.
struct Visit {
    halloo: Halloo,
    page: Page,
    file: PathBuf,
    name: &'static str,
}

/// A browser on a computer with somebody else's site.
struct Visitor {
    browser: Browser,
    site: Site,
}

impl Visitor {
    fn new(computer: &Computer) -> Self {
        let options = Options {
            namespace: Some(computer.place()),
            microphone_denied: true,
            ..Options::default()
        };
        Self { browser: Browser::launch(&options), site: Site::new(computer.place()) }
    }

    /// The page calls `listener` and gets through; `configuration` is that of its connection.
    fn calls(
        &self,
        name: &'static str,
        listener: &Computer,
        more: &[&str],
        configuration: &Value,
    ) -> Visit {
        let more = [&["--allow-origin", &self.site.origin], more].concat();
        let (mut halloo, file) = listen(name, listener, &more);
        let page = self.site.open(&self.browser);
        let wishes = json!({ "wait": true, "configuration": configuration });
        page.evaluate(&format!("offer('{}/whip', {THEIRS}, {wishes})", halloo.url()));
        page.wait_for("window.pc.connectionState === 'connected'");
        let connected = halloo.wait_for("connected", |_| true);
        println!("{name}: set up in {:.0} ms", connected["ms"].as_f64().unwrap());
        Visit { halloo, page, file, name }
    }
}

impl Visit {
    /// Each hears the other's tone, then the page hangs up.
    fn both_hear(&mut self) -> Result<(), String> {
        page_hears(&self.page)?;
        self.page.evaluate("fetch(session, { method: 'DELETE' })");
        self.halloo.wait_for("ended", |event| event["end"] == "hung_up_by_peer");
        halloo_heard(&self.file, HALF)
    }

    /// The selected pair's ends, the page's and halloo's, come to be of these types, whichever of the two tells
    /// it: Chromium takes the first pair that is answered, and a better one when that is.
    fn goes_by(&mut self, pages: Types, halloos: Types) {
        let name = self.name;
        loop {
            let so_far = self.halloo.catch_up().len();
            let [page, halloo] = selected_by_page(&self.page);
            let [own, other] = selected_by_halloo(&mut self.halloo);
            println!("{name}: {page} to {halloo} says the page, {own} to {other} says halloo");
            let is_there = |types: Types, ends: [String; 2]| {
                ends.iter().all(|end| types.contains(&end.as_str()))
            };
            if is_there(pages, [page, other]) && is_there(halloos, [halloo, own]) {
                return;
            }
            self.halloo.wait_for_next("pair", so_far);
            // Chromium's statistics may be 50 ms old.
            self.page.evaluate("new Promise((resolve) => setTimeout(resolve, 100))");
        }
    }
}

/// `halloo listen` on a computer, and where it records.
fn listen(name: &str, computer: &Computer, more: &[&str]) -> (Halloo, PathBuf) {
    let file = recording(&format!("browser-laboratory-{}", name.replace(' ', "-")));
    let (input, output) = (format!("tone:{OURS}"), format!("file:{}", file.display()));
    let bind = format!("{}:8080", computer.place().address);
    let mut arguments =
        vec!["listen", "--bind", &bind, "--answer", "auto", "--input", &input, "--output", &output];
    let interfaces: Vec<_> = (0..computer.cables()).map(|n| format!("eth{n}")).collect();
    arguments.extend(interfaces.iter().flat_map(|name| ["--interface", name]));
    arguments.extend(more);
    let environment =
        [("HALLOO_TURN_USER", coturn::USER), ("HALLOO_TURN_PASSWORD", coturn::PASSWORD)];
    let mut halloo = Halloo::start_with(Some(computer.place()), &arguments, &environment);
    halloo.wait_for("listening", |_| true);
    (halloo, file)
}

/// The types of the selected pair's ends, the page's own first.
fn selected_by_page(page: &Page) -> [String; 2] {
    let types = page.evaluate(
        "(async () => {
            const all = await pc.getStats();
            const transport = [...all.values()].find(({ type }) => type === 'transport');
            const pair = all.get(transport.selectedCandidatePairId);
            const ends = [pair.localCandidateId, pair.remoteCandidateId];
            return ends.map((id) => all.get(id).candidateType);
        })()",
    );
    [0, 1].map(|end| types[end].as_str().unwrap().to_owned())
}

/// The same by halloo, its own first.
fn selected_by_halloo(halloo: &mut Halloo) -> [String; 2] {
    let events = halloo.catch_up();
    let pair = events.iter().rev().find(|event| event["event"] == "pair").expect("a `pair`");
    ["local", "remote"].map(|side| {
        let mut words = pair[side].as_str().unwrap().split(' ').skip_while(|word| *word != "typ");
        words.nth(1).unwrap().to_owned()
    })
}

/// What a page is given to use coturn with.
fn by_coturn(coturn: &Coturn, transport: &str, policy: &str) -> Value {
    json!({
        "iceServers": [
            { "urls": coturn.stun() },
            { "urls": coturn.turn(transport), "username": coturn::USER, "credential": coturn::PASSWORD },
        ],
        "iceTransportPolicy": policy,
    })
}

#[test]
fn a_page_that_uses_relays_only_is_heard_and_so_is_a_halloo_that_does() {
    on_stage(|_| {
        let internet = Internet::new().unwrap();
        let coturn = Coturn::new(&internet);
        let [anna, ben] =
            [(); 2].map(|()| internet.computer().plugged_into(&internet.nat(Mapping::Symmetric)));
        let visitor = Visitor::new(&ben);
        let servers = ["--stun", &coturn.stun(), "--turn", &coturn.turn("udp")];

        let relay = by_coturn(&coturn, "udp", "relay");
        let mut visit = visitor.calls("page by relay", &anna, &servers, &relay);
        visit.goes_by(RELAY, OUTSIDE);
        visit.both_hear()?;
        drop(visit);

        let more = [&servers[..], &["--ice-policy", "relay"]].concat();
        let all = by_coturn(&coturn, "udp", "all");
        let mut visit = visitor.calls("halloo by relay", &anna, &more, &all);
        visit.goes_by(OUTSIDE, RELAY);
        visit.both_hear()
    });
}

/// Where addresses of ours came from: both sides ask the same servers, and say so in the same words.
#[test]
fn both_name_the_servers_that_their_addresses_came_from() {
    on_stage(|_| {
        let internet = Internet::new().unwrap();
        let coturn = Coturn::new(&internet);
        let [anna, ben] =
            [(); 2].map(|()| internet.computer().plugged_into(&internet.nat(Mapping::Symmetric)));
        let visitor = Visitor::new(&ben);
        for transport in ["udp", "tcp"] {
            let servers = ["--stun", &coturn.stun(), "--turn", &coturn.turn(transport)];
            let configuration = by_coturn(&coturn, transport, "all");
            let visit = visitor.calls(transport, &anna, &servers, &configuration);
            let relayed = json!([[coturn.turn(transport).replace('?', ":3478?"), transport]]);
            let reflexive = json!([[format!("{}:3478", coturn.stun()), null]]);
            for report in ["theirs()", "halloos()"] {
                for (kind, named) in [("relay", &relayed), ("srflx", &reflexive)] {
                    let told = visit.page.evaluate(&format!("servers({report}, '{kind}')"));
                    assert_eq!(told, *named, "{kind} by {transport}, {report}");
                }
            }
        }
        Ok(())
    });
}

/// A browser hides its addresses from a page that may not use the microphone. Whoever has a firewall of its
/// own is not found by checks, but has to find: by the name. (A second of the set-up is Chromium's, which
/// answers for its names once a second; it says them unasked before halloo listens.)
#[test]
fn names_in_the_place_of_addresses_are_resolved_or_done_without() {
    on_stage(|_| {
        let internet = Internet::new().unwrap();
        let computer = || internet.computer().plugged_into(&internet);
        let [ben, wary] = [computer(), computer().with_firewall()];
        let nothing = json!({});

        let visitor = Visitor::new(&ben);
        for (name, listener, remote) in [
            ("halloo must resolve", computer().with_firewall(), "host"),
            ("halloo can not resolve", computer().without_mdns(), "prflx"),
        ] {
            let mut visit = visitor.calls(name, &listener, &[], &nothing);
            let offered = lines(&visit.page.evaluate("window.offered"), "a=candidate:");
            assert!(!offered.is_empty());
            assert!(offered.iter().all(|line| line.contains(".local ")), "{offered:?}");
            let way = selected_by_halloo(&mut visit.halloo);
            println!("{name}: {} to {}", way[0], way[1]);
            assert_eq!(way, ["host", remote], "{name}");
            visit.both_hear()?;
        }
        drop(visitor);

        let visitor = Visitor::new(&wary);
        let hide = ["--mdns-candidates"];
        let mut visit = visitor.calls("the page must resolve", &computer(), &hide, &nothing);
        let answered = lines(&visit.page.evaluate("window.answered"), "a=candidate:");
        assert!(!answered.is_empty());
        assert!(answered.iter().all(|line| line.contains(".local ")), "{answered:?}");
        let way = selected_by_page(&visit.page);
        println!("the page must resolve: {} to {}", way[0], way[1]);
        assert_eq!(way, ["host", "host"]);
        visit.both_hear()
    });
}

/// As a WHIP client does it (RFC 9725 section 4.3.3).
#[test]
fn the_page_begins_ice_anew_behind_two_nats_and_no_sound_is_lost() {
    on_stage(|_| {
        let internet = Internet::new().unwrap();
        let coturn = Coturn::new(&internet);
        let [anna, ben] = [(); 2]
            .map(|()| internet.computer().plugged_into(&internet.nat(Mapping::PortRestricted)));
        let visitor = Visitor::new(&ben);
        let stun = json!({ "iceServers": [{ "urls": coturn.stun() }] });
        let mut visit = visitor.calls("restart", &anna, &["--stun", &coturn.stun()], &stun);
        visit.goes_by(OUTSIDE, OUTSIDE);
        page_hears(&visit.page)?;

        let before = visit.halloo.catch_up().len();
        visit.page.evaluate("void setTimeout(() => window.restarted = restartByFragment(), 700)");
        let heard = visit.page.record(REMOTE, 3.0);
        assert_eq!(visit.page.evaluate("restarted"), 200);
        let (_, pair) = visit.halloo.wait_for_next("pair", before);
        println!("restart: another pair, {pair}");
        visit.goes_by(OUTSIDE, OUTSIDE);
        is_tone("the page", &heard.between(0.5, 3.0), OURS.into(), TONE)?;
        let at_halloo = Recording::read(&visit.file).last(3.0);
        is_tone("halloo", &at_halloo, THEIRS, HALF)
    });
}

/// halloo's own page in a call, whose microphone a browser lets it use: it sees every interface.
struct Talk {
    halloo: Halloo,
    page: Page,
    file: PathBuf,
    name: String,
    _browser: Browser,
}

impl Talk {
    fn new(name: &str, listener: &Computer, caller: &Computer) -> Self {
        let (mut halloo, file) = listen(name, listener, &[]);
        // Only so may a page over plain http have the microphone.
        let secure = format!("--unsafely-treat-insecure-origin-as-secure={}", halloo.url());
        let browser = Browser::launch(&Options {
            namespace: Some(caller.place()),
            microphone: Some(THEIRS),
            arguments: vec![secure],
            ..Options::default()
        });
        let page = browser.open_after(&halloo.url(), WATCHED);
        page.click("#call");
        page.wait_for("document.body.dataset.state === 'connected'");
        let connected = halloo.wait_for("connected", |_| true);
        println!("{name}: set up in {:.0} ms", connected["ms"].as_f64().unwrap());
        Self { halloo, page, file, name: name.into(), _browser: browser }
    }

    /// `disturb` happens a second or two after the begin of so many seconds of sound; the page may hear nothing
    /// for so long in between, and halloo for so long; then all must be well again.
    fn survives(
        &mut self,
        seconds: f64,
        limits: [f64; 2],
        disturb: impl FnOnce(&mut Halloo),
    ) -> Result<[f64; 2], String> {
        let Self { halloo, page, file, name, .. } = self;
        let mut disturbed = 0;
        let at_page = std::thread::scope(|scope| {
            let recording = scope.spawn(|| page.record(REMOTE, seconds));
            for _ in 0..2 {
                let so_far = halloo.catch_up().len();
                halloo.wait_for_next("stats", so_far);
            }
            disturb(halloo);
            disturbed = halloo.catch_up().len();
            recording.join().unwrap()
        });
        let at_halloo = Recording::read(file).last(seconds);
        let gaps = [at_page.longest_gap(OURS.into()), at_halloo.longest_gap(THEIRS)];
        println!("{name}: gaps of {gaps:.2?} s at the page and at halloo");
        if gaps.iter().zip(limits).any(|(gap, limit)| *gap > limit) {
            return Err(format!("{name}: gaps of {gaps:?} s"));
        }
        halloo.four_whole_seconds(disturbed);
        page_hears(page)?;
        is_tone("halloo", &Recording::read(file).last(1.5), THEIRS, QUARTER)?;
        assert_eq!(page.text("#state"), "You are talking.");
        Ok(gaps)
    }
}

/// Else nothing was disturbed.
fn are_heard(gaps: [f64; 2]) {
    assert!(gaps.iter().any(|gap| *gap > 0.1), "no gap at all");
}

/// Keeps the page's connection where a test can look at it.
const WATCHED: &str = "window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...all) { super(...all); window.pc = this; }
};";

/// One of two routers dies, and nobody is told. halloo finds another way within 1.5 s, and asks for a restart;
/// but Chromium, which chooses the pair for what it sends itself, leaves one for another that it likes less only
/// when it has heard nothing for 2.5 s, and a second more.
const ONE_OF_TWO: [f64; 2] = [1.5, 4.0];
/// Nothing is left of the old network when the new one is there: a new ICE session has to be agreed on, which
/// halloo asks for after 0.9 s. Chromium looks at a new address 2 s after it has come, and may like it less than
/// the one that is gone.
const ALL_ANEW: [f64; 2] = [3.0, 4.0];

#[test]
fn the_page_loses_one_of_two_uplinks_and_the_call_goes_on_by_the_other_one() {
    on_stage(|_| {
        let internet = Internet::new().unwrap();
        let anna = internet.computer().plugged_into(&internet);
        let nats = [(); 2].map(|()| internet.nat(Mapping::PortRestricted));
        let ben = nats.iter().fold(internet.computer(), Computer::plugged_into);
        let mut talk = Talk::new("the page's uplink dies", &anna, &ben);
        talk.survives(8.5, ONE_OF_TWO, |halloo| unplug_used(&nats, halloo, "remote")).map(are_heard)
    });
}

#[test]
fn halloo_loses_one_of_two_uplinks_and_the_page_follows() {
    on_stage(|_| {
        let internet = Internet::new().unwrap();
        let nats = [(); 2].map(|()| internet.nat(Mapping::PortRestricted));
        let anna = nats.iter().fold(internet.computer(), Computer::plugged_into);
        let ben = internet.computer().plugged_into(&internet);
        let mut talk = Talk::new("halloo's uplink dies", &anna, &ben);
        talk.survives(8.5, ONE_OF_TWO, |halloo| unplug_used(&nats, halloo, "local")).map(are_heard)
    });
}

#[test]
fn a_computer_goes_from_one_router_to_another_and_the_page_takes_its_call_along() {
    on_stage(|_| {
        let internet = Internet::new().unwrap();
        let anna = internet.computer().plugged_into(&internet);
        let nats = [(); 2].map(|()| internet.nat(Mapping::PortRestricted));
        let ben = nats.iter().fold(internet.computer(), Computer::plugged_into);
        ben.leave(1);
        let mut talk = Talk::new("another network", &anna, &ben);
        let gaps = talk.survives(7.5, ALL_ANEW, |_| {
            ben.leave(0);
            ben.join(1);
        })?;
        are_heard(gaps);
        let address = nats[1].address().to_string();
        let moved = |event: &Value| event["remote"].as_str().unwrap().contains(&address);
        talk.halloo.wait_for("pair", moved);
        Ok(())
    });
}

/// halloo knows that its network is gone, and looks for the page at once.
#[test]
fn halloo_goes_from_one_router_to_another_and_the_page_follows() {
    on_stage(|_| {
        let internet = Internet::new().unwrap();
        let nats = [(); 2].map(|()| internet.nat(Mapping::PortRestricted));
        let anna = nats.iter().fold(internet.computer(), Computer::plugged_into);
        let ben = internet.computer().plugged_into(&internet);
        let mut talk = Talk::new("halloo in another network", &anna, &ben);
        let mut first = 0;
        talk.survives(7.5, [1.5, 1.5], |halloo| {
            first = used(&nats, halloo, "local");
            anna.leave(1 - first);
            anna.leave(first);
            anna.join_as_another(1 - first);
        })?;
        assert_ne!(used(&nats, &mut talk.halloo, "local"), first);
        Ok(())
    });
}

/// Ends the router that the call goes through, by what halloo told of this side of the pair.
fn unplug_used(nats: &[Nat], halloo: &mut Halloo, side: &str) {
    nats[used(nats, halloo, side)].unplug();
}

fn used(nats: &[Nat], halloo: &mut Halloo, side: &str) -> usize {
    let events = halloo.catch_up();
    let pair = events.iter().rev().find(|event| event["event"] == "pair").unwrap();
    let words: Vec<_> = pair[side].as_str().unwrap().split(' ').collect();
    let used = nats.iter().position(|nat| words.contains(&nat.address().to_string().as_str()));
    used.expect("a way through one of them")
}

/// Browsers announce that they connect (port 9), and do so to whoever listens (RFC 6544).
#[test]
fn a_page_that_no_udp_reaches_connects_to_halloo_by_tcp() {
    on_stage(|_| {
        let internet = Internet::new().unwrap();
        let anna = internet.computer().plugged_into(&internet);
        let closed = internet.nat(Mapping::Symmetric).without_udp();
        let visitor = Visitor::new(&internet.computer().plugged_into(&closed));
        let mut visit = visitor.calls("page without udp", &anna, &[], &json!({}));
        visit.goes_by(&["host", "prflx"], &["host"]);
        let pair = visit.halloo.wait_for("pair", |_| true);
        for (side, tcp_type) in [("local", "passive"), ("remote", "active")] {
            let candidate = pair[side].as_str().unwrap();
            assert!(candidate.ends_with(&format!("tcptype {tcp_type}")), "{candidate}");
        }
        visit.both_hear()
    });
}
