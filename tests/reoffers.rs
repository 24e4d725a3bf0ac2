//! Two real `halloo` processes hold, resume and begin ICE anew, from either side, by the keys of a terminal;
//! their tones are checked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod common {
    pub mod halloo;
    pub mod http;
    pub mod listen;
    pub mod namespace;
    pub mod stall;
    pub mod terminal;
}

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use common::halloo::{Halloo, recording};
use common::listen::Recording;
use common::stall;
use common::terminal::Terminal;
use serde_json::Value;

/// Who sits at the terminal sends this, Hz, and the other one that.
const PERSON: f64 = 660.0;
const OTHER: f64 = 440.0;

/// Calls that are judged by their sound have the machine to themselves.
static QUIET: Mutex<()> = Mutex::new(());

fn quiet() -> std::sync::MutexGuard<'static, ()> {
    QUIET.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Which of the two sits at the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Person {
    Calls,
    IsCalled,
}

/// One at a terminal, one that tells its events, and what each heard.
struct Pair {
    person: Terminal,
    other: Halloo,
    at_person: PathBuf,
    at_other: PathBuf,
}

impl Pair {
    fn connected(name: &str, who: Person) -> Self {
        let side = |side: &str| recording(&format!("{name}-{who:?}-{side}"));
        let (at_person, at_other) = (side("person"), side("other"));
        let to = |path: &PathBuf| format!("file:{}", path.display());
        let (to_person, to_other) = (to(&at_person), to(&at_other));
        let person_sound = ["--input", "tone:660", "--output", &to_person, "-v"];
        let (mut person, mut other);
        match who {
            Person::Calls => {
                other = Halloo::listen(None, 440, &at_other, &[]);
                let url = other.url();
                person = Terminal::start(None, &[&["call", &url][..], &person_sound].concat());
            }
            Person::IsCalled => {
                let listen = ["listen", "--bind", "127.0.0.1:0", "--answer", "auto"];
                person = Terminal::start(None, &[&listen[..], &person_sound].concat());
                let at = person.listening_at().to_string();
                let sound = ["--input", "tone:440", "--output", &to_other];
                other = Halloo::start(None, &[&["call", &at][..], &sound].concat());
            }
        }
        person.wait_for("first sound played");
        other.wait_for("connected", |_| true);
        Self { person, other, at_person, at_other }
    }

    /// The other one's clock, as far as its events tell.
    fn now(&mut self) -> f64 {
        self.other.catch_up().last().map_or(0.0, |event| event["t"].as_f64().unwrap())
    }

    /// An event of the other one that is told from now on.
    fn next(&mut self, name: &str) -> Value {
        let now = self.now();
        self.other.wait_for(name, |event| event["t"].as_f64() > Some(now))
    }

    /// The person presses a key; what the other one then tells.
    fn press(&mut self, key: &str, name: &str) -> Value {
        let now = self.now();
        self.person.press(key);
        self.other.wait_for(name, |event| event["t"].as_f64() > Some(now))
    }

    /// Lets so many seconds of the call pass.
    fn let_pass(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.next("stats");
        }
    }

    /// What both heard in the last second.
    fn last_second(&self) -> [Recording; 2] {
        [&self.at_person, &self.at_other].map(|path| Recording::read(path).last(0.8))
    }

    fn hears(&self, sound: bool) -> Result<(), String> {
        for (heard, hz) in self.last_second().iter().zip([OTHER, PERSON]) {
            let (level, pitch) = (heard.level(), heard.pitch());
            let right = match sound {
                true => level > -20.0 && pitch.is_some_and(|pitch| (pitch - hz).abs() < 2.0),
                false => level < -60.0,
            };
            if !right {
                return Err(format!("{hz} Hz: {pitch:?} at {level} dBFS"));
            }
        }
        Ok(())
    }
}

/// The longest time in which this tone was not there, in seconds.
fn longest_gap(heard: &Recording, hz: f64) -> f64 {
    let window = 0.01;
    let (mut longest, mut gap) = (0.0_f64, 0.0);
    let mut at = 0.0;
    while at + window <= heard.seconds() {
        let there = heard.between(at, at + window).amplitude(hz) > 0.1;
        gap = if there { 0.0 } else { gap + window };
        longest = longest.max(gap);
        at += window;
    }
    longest
}

fn hold_and_resume(who: Person) -> Result<(), String> {
    let mut pair = Pair::connected("hold", who);
    pair.let_pass(2);
    pair.hears(true)?;
    let held = pair.press("h", "direction");
    assert_eq!((&held["remote"], &held["current"]), (&"inactive".into(), &"inactive".into()));
    assert_eq!(held["local"], "sendrecv", "they did not ask for it");
    pair.person.wait_for("on hold: nobody is heard");
    pair.person.wait_for("on hold (h resumes)");
    pair.let_pass(3);
    pair.hears(false)?;
    let resumed = pair.press("h", "direction");
    assert_eq!((&resumed["remote"], &resumed["current"]), (&"sendrecv".into(), &"sendrecv".into()));
    pair.person.wait_for("both are heard");
    pair.let_pass(3);
    pair.hears(true)
}

#[test]
fn the_caller_holds_and_resumes() {
    let _quiet = quiet();
    stall::undisturbed(|| hold_and_resume(Person::Calls));
}

#[test]
fn the_called_one_holds_and_resumes() {
    let _quiet = quiet();
    stall::undisturbed(|| hold_and_resume(Person::IsCalled));
}

fn restart(who: Person) -> Result<(), String> {
    let mut pair = Pair::connected("restart", who);
    pair.let_pass(2);
    let begun = [&pair.at_person, &pair.at_other].map(|path| Recording::read(path).seconds());
    for _ in 0..3 {
        pair.press("r", "pair");
        pair.person.wait_for("pair selected");
    }
    pair.let_pass(2);
    for ((path, hz), from) in [(&pair.at_person, OTHER), (&pair.at_other, PERSON)].iter().zip(begun)
    {
        let heard = Recording::read(path);
        let gap = longest_gap(&heard.between(from - 0.5, heard.seconds() - 0.1), *hz);
        if gap > 0.1 {
            return Err(format!("{hz} Hz was gone for {gap} s"));
        }
    }
    let restarted = pair.other.events.iter().filter(|event| event["event"] == "ice");
    let checking = restarted.filter(|event| event["state"] == "checking").count();
    if checking != 4 {
        return Err(format!("ICE began {checking} times, not once and three times anew"));
    }
    let figures = pair.next("stats");
    assert!(figures["packets_lost"].as_i64() < Some(5), "{figures}");
    Ok(())
}

#[test]
fn the_caller_begins_ice_anew_and_the_sound_goes_on() {
    let _quiet = quiet();
    stall::undisturbed(|| restart(Person::Calls));
}

#[test]
fn the_called_one_begins_ice_anew_and_the_sound_goes_on() {
    let _quiet = quiet();
    stall::undisturbed(|| restart(Person::IsCalled));
}

#[test]
fn what_the_other_side_says_of_the_end_is_shown() {
    let mut listener = Halloo::listen(None, 440, &recording("reason"), &["--duration", "3"]);
    let url = listener.url();
    let arguments = ["call", &url, "--input", "tone:660", "--output", "null"];
    let mut person = Terminal::start(None, &arguments);
    person.wait_for("the other side says: the time is over");
    assert_eq!(person.wait(), Some(0));
    listener.terminate();
    assert!(listener.wait(Duration::from_secs(10)).success());
}
