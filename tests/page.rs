//! halloo's own page in Chromium: hold, networks that change, reasons, and who can't see or use a mouse.
//!
//! What a call through the page sounds like at all is in `browser.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub)]

use std::time::Duration;

use serde_json::{Value, json};

mod common {
    pub mod chromium;
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod page;
    pub mod script;
    pub mod skip;
    pub mod stage;
    pub mod stall;
    pub mod terminal;
}
use common::chromium::{Browser, Options, Page};
use common::halloo::Halloo;
use common::listen::Recording;
use common::page::{NOWHERE, Talk, is_in, lose_sound, misheard, says, talk, wait};
use common::script::{self, Script};
use common::stage::{OURS, QUARTER, REMOTE, Stage, THEIRS, TONE, is_tone, on_stage, page_hears};
use common::stall;
use common::terminal::Terminal;

/// The last second of what halloo has heard, as it is written now.
fn heard_lately(talk: &Talk) -> Recording {
    Recording::read(&talk.file).last(1.0)
}

#[test]
fn on_hold_nobody_hears_anybody_and_after_it_both_do() {
    on_stage(|stage| {
        let talk = talk(stage, &[], "");
        let page = &talk.page;
        page_hears(page)?;
        page.click("#hold");
        says(page, "On hold");
        assert_eq!(page.text("#hold"), "Resume");
        page.wait_for(&format!("{REMOTE}.muted"));
        wait(page, 2_500);
        let level = heard_lately(&talk).level();
        assert!(level < -60.0, "on hold, and halloo hears {level} dBFS");
        assert_eq!(page.evaluate("document.querySelector('#theirs').ariaValueText"), "silent");

        page.click("#hold");
        says(page, "You are talking.");
        assert_eq!(page.text("#hold"), "Hold");
        page_hears(page)?;
        is_tone("halloo", &Recording::read(&talk.file).last(1.5), THEIRS, QUARTER)?;
        page.click("#hang-up");
        assert_eq!(page.complaints(), Vec::<String>::new());
        Ok(())
    });
}

/// rfc9725-4.3.3: the restart travels as a fragment; sound goes on by the old pair until a new one is there.
#[test]
fn a_computer_that_is_online_again_looks_for_a_new_way_and_loses_no_sound() {
    on_stage(|stage| {
        let mut talk = talk(stage, &[], "");
        let page = &talk.page;
        page_hears(page)?;
        page.evaluate("setTimeout(() => window.dispatchEvent(new Event('online')), 700)");
        let heard = page.record(REMOTE, 2.5);
        is_tone("the page", &heard.between(0.5, 2.5), OURS.into(), TONE)?;
        let checking = |event: &Value| event["state"] == "checking";
        let first = talk.halloo.wait_for("ice", checking)["t"].as_f64();
        talk.halloo.wait_for("ice", |event| checking(event) && event["t"].as_f64() > first);
        is_tone("halloo", &Recording::read(&talk.file).last(2.0), THEIRS, QUARTER)?;
        page_hears(page)?;
        assert_eq!(page.text("#state"), "You are talking.");
        page.click("#hang-up");
        talk.halloo.wait_for("ended", |event| event["end"] == "hung_up_by_peer");
        Ok(())
    });
}

/// The browser's computer gets another address: its sockets are gone, halloo's are not.
#[test]
fn a_computer_that_moves_to_another_network_takes_its_call_along() {
    // Where one has moved, another try would find no way.
    stall::undisturbed(|| Stage::new().map_or(Ok(()), |stage| moves(&stage)));
}

fn moves(stage: &Stage) -> Result<(), String> {
    let (left, right) = (&stage.pair.left, &stage.pair.right);
    let file = stage.recording();
    let bind = format!("{}:8080", right.address);
    let mut halloo = Halloo::listen(Some(right), OURS, &file, &["--bind", &bind]);
    // Only so may a page over plain http have the microphone.
    let secure = format!("--unsafely-treat-insecure-origin-as-secure=http://{bind}");
    let browser = Browser::launch(&Options {
        namespace: Some(left),
        microphone: Some(THEIRS),
        arguments: vec![secure],
        ..Options::default()
    });
    let page = browser.open(&format!("http://{bind}/"));
    page.click("#call");
    is_in(&page, "connected");
    page_hears(&page)?;

    let [old, new] = [1, 77].map(|last| {
        let [a, b, c, _] = left.address.octets();
        format!("{a}.{b}.{c}.{last}/24")
    });
    left.ip(&["address", "add", &new, "dev", &left.interface]);
    left.ip(&["address", "delete", &old, "dev", &left.interface]);
    // Where deleting the first address deletes the others, too, it is put back.
    left.ip(&["address", "replace", &new, "dev", &left.interface]);
    let is_new = |event: &Value| {
        let remote = event["remote"].as_str().unwrap_or_default();
        remote.contains(new.trim_end_matches("/24"))
    };
    halloo.wait_for("pair", is_new);
    let moved = halloo.catch_up().len();
    is_in(&page, "connected");
    page_hears(&page)?;
    halloo.four_whole_seconds(moved);
    is_tone("halloo", &Recording::read(&file).last(1.5), THEIRS, QUARTER)?;
    // What halloo tells comes by a new connection: it hangs up, and says so.
    halloo.terminate();
    is_in(&page, "ended");
    assert_eq!(page.text("#state"), "halloo hung up.");
    Ok(())
}

/// Whoever hears nothing by a way that is well learns of it, and that it is over.
#[test]
fn a_page_and_a_halloo_that_hear_nothing_say_so_until_they_do() {
    on_stage(|stage| {
        let talk = talk(stage, &["--udp-port", "5004"], "");
        page_hears(&talk.page)?;
        for (port, words) in [
            ("udp sport 5004", "No sound comes from halloo."),
            ("udp dport 5004", "halloo does not hear you."),
        ] {
            let loss = lose_sound(&stage.pair.left, port);
            says(&talk.page, words);
            drop(loss);
            says(&talk.page, "You are talking.");
        }
        Ok(())
    });
}

/// Nothing but the events tells this page where halloo is, and nothing tells halloo where the page is.
#[test]
fn a_candidate_that_comes_late_is_used() {
    on_stage(|stage| {
        let talk = talk(
            stage,
            &[],
            "const real = window.fetch;
            window.fetch = async (url, options = {}) => {
                if (options.headers?.['Content-Type']?.includes('sdpfrag')) return new Response();
                const response = await real(url, options);
                if (url !== '/whip') return response;
                const sdp = (await response.text()).replace(/a=(candidate|end-of).*\\r\\n/g, '');
                const { status, headers } = response;
                const answer = new Response(sdp, { status, headers });
                Object.defineProperty(answer, 'url', { value: response.url });
                return answer;
            };",
        );
        page_hears(&talk.page)
    });
}

/// Keeps the page's connection where a test can look at it.
const WATCHED: &str = "window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...all) { super(...all); window.connection = this; }
};";

#[test]
fn sound_that_stops_in_either_direction_is_told_and_that_it_is_back() {
    on_stage(|stage| {
        let mut talk = talk(stage, &[], WATCHED);
        let page = &talk.page;
        page_hears(page)?;
        page.evaluate("connection.getSenders()[0].replaceTrack(null)");
        says(page, "halloo does not hear you.");
        let about = |event: &Value| event["about"] == "silence";
        let text = talk.halloo.wait_for("warning", about)["text"].to_string();
        assert!(text.contains("no sound from the other side for 5 s"), "{text}");
        page.evaluate(
            "navigator.mediaDevices.getUserMedia({ audio: true }).then((again) =>
                connection.getSenders()[0].replaceTrack(again.getAudioTracks()[0]))",
        );
        says(page, "You are talking.");
        talk.halloo.wait_for("heard", |event| event["after_ms"].as_f64() > Some(5_000.0));
        // halloo has no key to send nothing: the browser is made to count what comes no more.
        page.evaluate(
            "connection.getStats = async () => {
                const report = await RTCPeerConnection.prototype.getStats.call(connection);
                const all = [...report.values()].map((one) => ({ ...one, packetsReceived: 99 }));
                return new Map(all.map((one) => [one.id, one]));
            }",
        );
        says(page, "No sound comes from halloo.");
        page.click("#hold");
        says(page, "On hold");
        page.evaluate("delete connection.getStats");
        page.click("#hold");
        says(page, "You are talking.");
        Ok(())
    });
}

/// What halloo offers by itself on the running call, by the keys of its terminal.
mod offers {
    use super::*;

    /// A person at a terminal, whom the page has called.
    fn at_a_terminal(stage: &Stage, script: &str) -> (Terminal, Browser, Page) {
        let (mut terminal, address) =
            Terminal::listen(stage.here(), "tone:700", &["--answer", "auto"]);
        let browser = stage.browser();
        let page = browser.open_after(&format!("http://{address}/"), &[WATCHED, script].concat());
        page.click("#call");
        is_in(&page, "connected");
        terminal.wait_for("connected");
        (terminal, browser, page)
    }

    #[test]
    fn halloo_holds_and_resumes_and_the_page_follows() {
        on_stage(|stage| {
            let (mut terminal, _browser, page) = at_a_terminal(stage, "");
            page_hears(&page)?;
            terminal.press("h");
            says(&page, "halloo put you on hold.");
            page.wait_for(&format!("{REMOTE}.muted"));
            terminal.press("h");
            says(&page, "You are talking.");
            page_hears(&page)?;
            assert_eq!(page.complaints(), Vec::<String>::new());
            Ok(())
        });
    }

    #[test]
    fn halloo_begins_ice_anew_and_the_page_loses_no_sound() {
        on_stage(|stage| {
            let (mut terminal, _browser, page) = at_a_terminal(stage, "");
            page_hears(&page)?;
            let ufrags = "[connection.localDescription, connection.remoteDescription]
                .map(({ sdp }) => sdp.match(/a=ice-ufrag:(.*)/)[1])";
            let before = page.evaluate(ufrags);
            terminal.press("r");
            let heard = page.record(REMOTE, 2.5);
            is_tone("the page", &heard.between(0.5, 2.5), OURS.into(), TONE)?;
            page.wait_for(&format!(
                "({ufrags}).every((ufrag, side) => ufrag !== {before}[side])
                    && connection.iceConnectionState !== 'checking'"
            ));
            page_hears(&page)?;
            assert_eq!(page.text("#state"), "You are talking.");
            Ok(())
        });
    }

    /// An offer of halloo's is held back until the page's own has met it: each is open while its side
    /// does not know of the other.
    const LATE: &str = "const real = window.fetch;
        let met = () => {};
        window.fetch = async (url, options) => {
            const response = await real(url, options);
            if (response.status === 409) met();
            if (!`${url}`.endsWith('/events')) return response;
            const late = new TransformStream({
                async transform(part, out) {
                    if (new TextDecoder().decode(part).includes('\"event\":\"offer\"')) {
                        const conflict = new Promise((resolve) => (met = resolve));
                        window.offers = (window.offers ?? 0) + 1;
                        await conflict;
                    }
                    out.enqueue(part);
                },
            });
            return new Response(response.body.pipeThrough(late));
        };";

    /// W3C webrtc section 10.7: the page is the polite one, and takes its own offer back.
    #[test]
    fn both_hold_at_the_same_moment_and_both_resume() {
        on_stage(|stage| {
            let (mut terminal, _browser, page) = at_a_terminal(stage, LATE);
            page_hears(&page)?;
            for (offers, held) in [(1, "Here and there"), (2, "Encrypted from end to end")] {
                terminal.press("h");
                page.wait_for(&format!("window.offers === {offers}"));
                page.click("#hold");
                let says = "document.querySelector('#hint').innerText";
                page.wait_for(&format!("{says}.startsWith('{held}')"));
                page.wait_for("!document.querySelector('#hold').disabled");
            }
            page_hears(&page)?;
            assert_eq!(page.evaluate("connection.signalingState"), "stable");
            assert!(page.evaluate("document.querySelector('#reason').hidden").as_bool().unwrap());
            let conflicts = page.complaints();
            assert!(conflicts.iter().any(|one| one.contains("409")), "no glare: {conflicts:?}");
            Ok(())
        });
    }
}

/// A browser opens six connections to a server, for all its tabs; each call would like one for its events.
#[test]
fn of_six_tabs_in_calls_each_can_hang_up() {
    let Some(stage) = Stage::new() else { return };
    let (mut halloo, _) = stage.listen(&[]);
    let browser = stage.browser();
    let pages: Vec<_> = (0..6)
        .map(|_| {
            let page = browser.open(&halloo.url());
            page.click("#call");
            is_in(&page, "connected");
            page
        })
        .collect();
    pages[5].click("#hang-up");
    let ended = halloo.wait_for("ended", |_| true);
    assert_eq!(ended["end"], "hung_up_by_peer");
    let called = |event: &Value| event["event"] == "connected";
    let last = halloo.events.iter().rfind(|event| called(event)).unwrap();
    assert_eq!(ended["call"], last["call"]);
}

#[test]
fn the_six_words_are_those_of_halloo() {
    let Some(stage) = Stage::new() else { return };
    let mut talk = talk(&stage, &[], "");
    talk.page.wait_for("!document.querySelector('#phrase').hidden");
    let connected = talk.halloo.wait_for("connected", |event| event["phrase"].is_string());
    let phrase = connected["phrase"].as_str().unwrap();
    assert_eq!(phrase.split(' ').count(), 6, "{phrase}");
    assert_eq!(talk.page.text("#words"), phrase);
    assert!(talk.page.text("#phrase").contains("worth no more than this page's own TLS"));
}

/// Each way not to get through, as the page tells it.
mod reasons {
    use super::*;

    /// The page does not get through, and says these things about it.
    fn fails(page: &Page, state: &str, words: &[&str]) {
        is_in(page, state);
        let reason = page.text("#reason");
        for one in words {
            assert!(reason.contains(one), "{one:?} is not in {reason:?}");
        }
        assert!(page.evaluate("!document.querySelector('#call').hidden").as_bool().unwrap());
    }

    #[test]
    fn without_a_way_through_it_says_what_was_tried() {
        let Some(stage) = Stage::new() else { return };
        let (halloo, _) = stage.listen(&["--timeout", "3"]);
        let browser = stage.browser();
        let page = browser.open_after(&halloo.url(), &misheard(NOWHERE));
        page.click("#call");
        fails(&page, "failed", &["No way through", "of halloo: ", " own"]);
        // What would help is what halloo names, to whom this page has shown no address.
        let advice = page.text("#advice");
        let named = "named no address. Look at the network on both sides, then call again.";
        assert!(advice.contains("halloo says: no way") && advice.ends_with(named), "{advice}");
    }

    #[test]
    fn keys_that_are_not_the_promised_ones_are_not_trusted() {
        let Some(stage) = Stage::new() else { return };
        let (halloo, _) = stage.listen(&[]);
        let browser = stage.browser();
        let forged = ".replace(/(a=fingerprint:sha-256 )(..)/, (all, name, first) =>
            name + (first === '00' ? '01' : '00'))";
        // The candidates must get through, or there would be no handshake to fail.
        let script = misheard(forged).replace("return new Response()", "return real(url, options)");
        let page = browser.open_after(&halloo.url(), &script);
        page.click("#call");
        fails(&page, "failed", &["do not trust each other's keys"]);
    }

    #[test]
    fn a_person_who_declines_is_no_riddle() {
        let Some(stage) = Stage::new() else { return };
        let (mut terminal, address) =
            Terminal::listen(stage.here(), "tone:700", &["--answer", "ask"]);
        let browser = stage.browser();
        let page = browser.open(&format!("http://{address}/"));
        page.click("#call");
        is_in(&page, "calling");
        terminal.wait_for("127.0.0.1");
        assert!(page.text("#hint").contains("take the call first"));
        terminal.press("n");
        fails(&page, "failed", &["halloo declined the call."]);
    }

    /// What the page says of a call that halloo refuses: why, and what to do.
    fn refuses(page: &Page, reason: &str, advice: &str) {
        page.click("#call");
        fails(page, "failed", &[]);
        assert_eq!(page.text("#reason"), format!("{reason}\n\n{advice}"));
    }

    /// 503 with Retry-After.
    #[test]
    fn a_halloo_that_has_its_calls_says_when_to_try_again() {
        let Some(stage) = Stage::new() else { return };
        let (mut halloo, _) = stage.listen(&["--max-calls", "1"]);
        let browser = stage.browser();
        let [first, second] = [(); 2].map(|()| browser.open(&halloo.url()));
        first.click("#call");
        is_in(&first, "connected");
        refuses(
            &second,
            "halloo cannot take the call now: no more than 1 at a time.",
            "Try again in 10 seconds.",
        );
        first.click("#hang-up");
        halloo.wait_for("ended", |_| true);
        second.click("#call");
        is_in(&second, "connected");
        assert!(second.evaluate("document.querySelector('#reason').hidden").as_bool().unwrap());
    }

    /// 429 is no word of halloo's, but of what may stand in front of it.
    #[test]
    fn a_limit_in_front_of_halloo_says_when_to_try_again() {
        let Some(stage) = Stage::new() else { return };
        let (halloo, _) = stage.listen(&[]);
        let mut python = stage.pair.left.command("python3");
        python.arg(script::source("rate_limit.py")).arg(halloo.url());
        let mut front = Script::start(python);
        let url = front.wait_for("listening")["url"].as_str().unwrap().to_owned();
        let browser = stage.browser();
        let page = browser.open(&url);
        refuses(&page, "halloo cannot take the call now.", "Try again in 2 minutes.");
    }

    /// 406: the browser has no codec that halloo may use.
    #[test]
    fn an_offer_without_a_codec_of_halloos_is_told_as_such() {
        let Some(stage) = Stage::new() else { return };
        let (halloo, _) = stage.listen(&["--codec", "pcmu"]);
        let browser = stage.browser();
        let only_opus = "
            const real = RTCPeerConnection.prototype.addTrack;
            RTCPeerConnection.prototype.addTrack = function (...track) {
                const sender = real.apply(this, track);
                const { codecs } = RTCRtpReceiver.getCapabilities('audio');
                const opus = codecs.filter(({ mimeType }) => mimeType === 'audio/opus');
                this.getTransceivers()[0].setCodecPreferences(opus);
                return sender;
            };";
        let page = browser.open_after(&halloo.url(), only_opus);
        refuses(
            &page,
            "halloo found no sound in the offer that it understands: audio section 0 is of no use: it has no \
             codec of ours.",
            "Another browser may do.",
        );
        // Without that it has one.
        let page = browser.open(&halloo.url());
        page.click("#call");
        is_in(&page, "connected");
    }

    /// RFC 7675 section 5.1: 30 seconds without a sign of life.
    #[test]
    fn a_halloo_that_vanishes_is_waited_for_and_then_given_up() {
        let Some(stage) = Stage::new() else { return };
        let mut talk = talk(&stage, &[], "");
        talk.halloo.kill();
        talk.halloo.wait(Duration::from_secs(10));
        is_in(&talk.page, "interrupted");
        assert!(talk.page.text("#hint").contains("Looking for another way"));
        // Twice half a minute: a wait in the page has the first half only.
        let gone = "document.body.dataset.state === 'broken'";
        if talk.page.try_evaluate(&format!("({gone})")) != Ok(json!(true)) {
            wait(&talk.page, 20_000);
        }
        fails(&talk.page, "broken", &["Nothing came from halloo for 30 seconds."]);
    }
}

/// Whoever can't see the page, or not well, or has no mouse.
mod access {
    use super::*;

    /// Role and name of everything that is not left out, in the order of the page.
    fn tree(page: &Page) -> Vec<(String, String)> {
        let tree = page.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().unwrap().iter();
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        nodes
            .filter(|node| node["ignored"] != true)
            .map(|node| (text(&node["role"]), text(&node["name"])))
            .collect()
    }

    fn has(tree: &[(String, String)], role: &str, name: &str) {
        let is = |(r, n): &(String, String)| r == role && n == name;
        assert!(tree.iter().any(is), "no {role} called {name:?} in {tree:#?}");
    }

    #[test]
    fn a_screen_reader_finds_everything_by_role_and_name() {
        let Some(stage) = Stage::new() else { return };
        let (halloo, _) = stage.listen(&["--name", "Ada"]);
        let browser = stage.browser();
        let page = browser.open(&halloo.url());
        let idle = tree(&page);
        has(&idle, "heading", "Call Ada");
        has(&idle, "button", "Call");
        has(&idle, "status", "");
        assert!(!idle.iter().any(|(role, _)| role == "meter"), "no levels before the call");
        page.click("#call");
        page.wait_for("document.querySelector('#curve').points.numberOfItems > 1");
        let talking = tree(&page);
        for (role, name) in [
            ("button", "Mute"),
            ("button", "Hold"),
            ("button", "Hang up"),
            ("meter", "You"),
            ("meter", "halloo"),
            ("timer", "Duration"),
            ("heading", "How the call goes"),
            ("image", "Round trip, last minute"),
            ("combobox", "Microphone"),
        ] {
            has(&talking, role, name);
        }
        let nameless = |(role, name): &&(String, String)| {
            ["button", "meter", "combobox", "textbox", "image", "heading"].contains(&role.as_str())
                && name.is_empty()
        };
        assert_eq!(talking.iter().find(nameless), None);
        // The words of the state are spoken, the figures are not.
        let live = "[...document.querySelectorAll('[aria-live], [role=status], [role=alert]')]
            .map((element) => element.id || element.className)";
        assert_eq!(page.evaluate(live), json!(["words", "reason"]));
        page.click("#mute");
        has(&tree(&page), "button", "Unmute");
    }

    /// WCAG 2.2: 1.4.3 (text 4.5 to 1), 1.4.11 (parts of controls 3 to 1), 1.4.10 (320 pixels are enough).
    #[test]
    fn everything_can_be_read_in_light_and_dark_and_on_a_narrow_screen() {
        let Some(stage) = Stage::new() else { return };
        let (mut halloo, _) = stage.listen(&["--token", "open-sesame"]);
        let browser = stage.browser();
        let page = browser.open(&halloo.url());
        let is_readable = |state: &str| {
            for scheme in ["light", "dark"] {
                page.look(320, 800, scheme);
                let wide = page.evaluate("document.documentElement.scrollWidth").as_u64().unwrap();
                assert!(wide <= 320, "{state}, {scheme}: {wide} pixels on a narrow screen");
                let bad = page.evaluate(CONTRASTS);
                assert_eq!(bad, json!([]), "{state}, {scheme}");
            }
        };
        is_readable("idle");
        page.click("#call");
        is_in(&page, "locked");
        is_readable("locked");
        page.call("Input.insertText", json!({ "text": "open-sesame" }));
        page.press("Enter");
        page.wait_for("!document.querySelector('#figures').hidden");
        is_readable("connected");
        page.click("#mute");
        is_readable("muted");
        page.click("#hold");
        says(&page, "On hold");
        is_readable("held");
        halloo.terminate();
        is_in(&page, "ended");
        is_readable("ended");
        page.click("#call");
        is_in(&page, "failed");
        is_readable("failed");
    }

    #[test]
    fn the_focus_is_seen_and_nothing_moves_for_those_who_asked_for_that() {
        let Some(stage) = Stage::new() else { return };
        let (halloo, _) = stage.listen(&[]);
        let browser = stage.browser();
        let page = browser.open(&halloo.url());
        page.press("Tab");
        let outline = "(() => {
            const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
            return `${document.activeElement.id} ${outlineStyle} ${outlineWidth}`;
        })()";
        assert_eq!(page.evaluate(outline), "call solid 3px");
        let moves = "(() => {
            document.body.dataset.state = 'ringing';
            return getComputedStyle(document.querySelector('#halo')).animationName;
        })()";
        assert_eq!(page.evaluate(moves), "wave");
        let still = json!([{ "name": "prefers-reduced-motion", "value": "reduce" }]);
        page.call("Emulation.setEmulatedMedia", json!({ "features": still }));
        assert_eq!(page.evaluate(moves), "none");
    }

    /// What is too faint: each text against what lies under it, each control's edge or face likewise.
    const CONTRASTS: &str = "(() => {
        const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
        const rgba = (colour) => {
            canvas.clearRect(0, 0, 1, 1);
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data];
        };
        const luminance = ([r, g, b]) => {
            const [R, G, B] = [r, g, b].map((part) => {
                const share = part / 255;
                return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * R + 0.7152 * G + 0.0722 * B;
        };
        const ratio = (one, other) => {
            const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
            return (light + 0.05) / (dark + 0.05);
        };
        const under = (element) => {
            for (let at = element; at; at = at.parentElement) {
                const colour = rgba(getComputedStyle(at).backgroundColor);
                if (colour[3] === 255) return colour;
            }
            return [255, 255, 255, 255];
        };
        const seen = (element) => element.getClientRects().length > 0;
        const bad = [];
        for (const element of document.querySelectorAll('main *')) {
            if (!seen(element)) continue;
            const texts = [...element.childNodes].filter((node) => node.nodeType === 3);
            const style = getComputedStyle(element);
            if (texts.some((node) => node.data.trim())) {
                const found = ratio(rgba(style.color), under(element));
                if (found < 4.5) bad.push([element.id || element.tagName, 'text', found]);
            }
            if (element.matches('.round svg, select, input, .pill')) {
                const paper = under(element.parentElement);
                const edge = ratio(rgba(style.borderTopColor), paper);
                const face = ratio(under(element), paper);
                const found = Math.max(style.borderTopWidth === '0px' ? 0 : edge, face);
                if (found < 3) bad.push([element.id || element.tagName, 'edge', found]);
            }
        }
        return bad;
    })()";
}
