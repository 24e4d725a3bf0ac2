//! halloo's own page in Firefox: it calls and is called, mutes and holds, and either side hangs up.
//!
//! Plain `cargo test` leaves this file out (Cargo.toml says `test = false`); `./check --all` installs what it
//! needs and runs it. The page's sound is heard at the loudspeaker, of a sound server without a card.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod chromium;
    pub mod firefox;
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod pulse;
    pub mod skip;
    pub mod stage;
    pub mod stall;
}
use std::path::Path;
use std::time::Duration;

use common::firefox::Firefox;
use common::halloo::Halloo;
use common::listen::Recording;
use common::pulse::SoundServer;
use common::stage::{OURS, Stage, TONE, is_tone, on_stage};

/// What Firefox's fake microphone hears, and how loud.
const THEIRS: u32 = 440;
const LEVEL: f64 = -23.0;

/// A person at a computer with a loudspeaker, in front of Firefox.
struct Person {
    firefox: Firefox,
    sound: SoundServer,
}

impl Person {
    fn at(stage: &Stage) -> Self {
        let place = &stage.pair.left;
        // Without the microphone's permission Firefox tells only the address that leads to the internet.
        place.ip(&["route", "replace", "default", "dev", &place.interface]);
        let sound = SoundServer::start();
        Self { firefox: Firefox::launch(place, &sound, THEIRS), sound }
    }

    fn is_in(&self, state: &str) {
        self.firefox.wait_for(&format!("document.body.dataset.state === '{state}'"));
    }

    /// The person hears halloo's tone from the loudspeaker.
    fn hears(&self) -> Result<(), String> {
        let heard = self.listens(2.5);
        is_tone("the person", &heard.after_silence(0.02).between(0.3, 1.8), OURS.into(), TONE)
    }

    fn listens(&self, seconds: f64) -> Recording {
        let tape = self.sound.record();
        self.waits(seconds);
        tape.stop()
    }

    fn waits(&self, seconds: f64) {
        let script = format!("new Promise((resolve) => setTimeout(resolve, {seconds} * 1000))");
        self.firefox.evaluate(&script);
    }
}

/// The latest second and a half in halloo's recording.
fn halloo_hears(file: &Path) -> Result<(), String> {
    let heard = Recording::read(file).last(1.6).between(0.0, 1.5);
    is_tone("halloo", &heard, THEIRS.into(), LEVEL)
}

#[test]
fn the_page_calls_mutes_holds_and_hangs_up() {
    on_stage(|stage| {
        let (mut halloo, file) = stage.listen(&[]);
        let person = Person::at(stage);
        let firefox = &person.firefox;
        firefox.open(&halloo.url());
        firefox.click("#call");
        person.is_in("connected");
        halloo.wait_for("connected", |_| true);
        person.hears()?;
        halloo_hears(&file)?;
        firefox.screenshot("firefox-1-connected");

        firefox.click("#mute");
        person.waits(1.5);
        let level = Recording::read(&file).last(0.5).level();
        assert!(level < -60.0, "muted, and halloo hears {level} dBFS");
        firefox.click("#mute");
        person.waits(2.0);
        halloo_hears(&file)?;

        firefox.click("#hold");
        person.waits(1.5);
        let level = person.listens(0.8).level();
        assert!(level < -60.0, "on hold, and the person hears {level} dBFS");
        let level = Recording::read(&file).last(0.5).level();
        assert!(level < -60.0, "on hold, and halloo hears {level} dBFS");
        firefox.click("#hold");
        person.waits(0.5);
        person.hears()?;
        halloo_hears(&file)?;

        firefox.click("#hang-up");
        let ended = halloo.wait_for("ended", |_| true);
        assert_eq!(ended["end"], "hung_up_by_peer", "{ended}");
        assert_eq!(firefox.text("#state"), "You hung up.");
        Ok(())
    });
}

/// From the network, as `--lan` serves it; the person has said yes to halloo's own certificate.
#[test]
fn the_page_calls_by_https() {
    on_stage(|stage| {
        let (mut halloo, file) = stage.listen(&["--lan", "--bind", "0.0.0.0:0"]);
        let url = halloo.url();
        assert!(url.starts_with(&format!("https://{}:", stage.pair.left.address)), "{url}");
        let person = Person::at(stage);
        person.firefox.open(&url);
        assert_eq!(person.firefox.evaluate("window.isSecureContext"), true);
        person.firefox.click("#call");
        person.is_in("connected");
        halloo.wait_for("connected", |_| true);
        person.hears()?;
        halloo_hears(&file)?;
        person.firefox.click("#hang-up");
        halloo.wait_for("ended", |event| event["end"] == "hung_up_by_peer");
        Ok(())
    });
}

#[test]
fn the_page_says_that_halloo_hung_up_and_a_closed_tab_hangs_up() {
    on_stage(|stage| {
        let person = Person::at(stage);
        let firefox = &person.firefox;
        let (mut halloo, _) = stage.listen(&[]);
        firefox.open(&halloo.url());
        firefox.click("#call");
        person.is_in("connected");
        halloo.wait_for("connected", |_| true);
        halloo.terminate();
        assert_eq!(halloo.wait(Duration::from_secs(10)).code(), Some(0));
        person.is_in("ended");
        assert_eq!(firefox.text("#state"), "halloo hung up.");

        let (mut halloo, _) = stage.listen(&[]);
        firefox.open(&halloo.url());
        firefox.click("#call");
        person.is_in("connected");
        firefox.close_tab();
        let ended = halloo.wait_at_most(Duration::from_secs(5), "ended", |_| true);
        assert_eq!(ended["end"], "hung_up_by_peer", "{ended}");
        Ok(())
    });
}

#[test]
fn the_tab_rings_and_the_person_answers() {
    on_stage(|stage| {
        let file = stage.recording();
        let (input, output) = (format!("tone:{OURS}"), format!("file:{}", file.display()));
        let arguments =
            ["call", "tab", "--bind", "127.0.0.1:0", "--input", &input, "--output", &output];
        let mut halloo = Halloo::start(stage.here(), &arguments);
        halloo.wait_for("listening", |_| true);
        let person = Person::at(stage);
        let firefox = &person.firefox;
        firefox.open(&halloo.url());
        person.is_in("ringing");
        firefox.screenshot("firefox-2-ringing");
        firefox.click("#answer");
        person.is_in("connected");
        halloo.wait_for("connected", |_| true);
        person.hears()?;
        halloo_hears(&file)?;
        firefox.click("#hang-up");
        assert_eq!(halloo.wait(Duration::from_secs(10)).code(), Some(0));
        Ok(())
    });
}
