//! A browser and a halloo in one network, and what each of the two hears of the other.
//!
//! Use it with `mod common { pub mod chromium; pub mod halloo; pub mod listen; pub mod namespace; pub mod
//! skip; pub mod stage; pub mod stall; }`.
//!
//! halloo listens on loopback, so that pages are a secure context, and media takes the veth address.
//! Sound is checked by its pitch, level and smoothness: at halloo from its recording, in the page from the
//! samples that Chromium decoded or from the loudspeaker that Firefox plays to. Tests of one file take turns:
//! two browsers on a small machine would make each other's sound stutter.
//!
//! The browser is Chromium, or whatever else is a [`Browses`] (`common/firefox.rs`).
//!
//! ```ignore
//! on_stage(|stage| {
//!     let mut visit = stage.visit(&["--codec", "pcmu"]);
//!     visit.calls("{}");
//!     visit.both_hear()
//! });
//! ```
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::chromium::{Browser, Options, Page};
use super::halloo::{Halloo, recording};
use super::listen::Recording;
use super::namespace::{Namespace, Namespaces};
use super::{skip, stall};

/// What halloo sends, and what the browser does, in hertz.
pub const OURS: u32 = 700;
pub const THEIRS: f64 = 440.0;

/// A sine of a quarter of full scale, as the fake microphone has, and of half, as a foreign page sends.
pub const QUARTER: f64 = -15.0;
pub const HALF: f64 = -9.0;
/// halloo's own tone.
pub const TONE: f64 = -13.5;

/// The track that a page plays, halloo's own page and the foreign one.
pub const REMOTE: &str = "document.querySelector('#sound').srcObject.getAudioTracks()[0]";

/// A browser, whichever it is.
pub trait Browses {
    /// What it opens.
    type Tab: Tab;

    /// The level of its microphone's tone.
    const MICROPHONE: f64;
    /// How a page is told that it must not read an answer.
    const UNREADABLE: &str;

    /// Opens a tab and waits until its page has loaded.
    fn open(&self, url: &str) -> Self::Tab;
}

/// A tab of it.
pub trait Tab {
    /// The value of an expression, awaited if it is a promise; an exception is the error.
    fn try_evaluate(&self, expression: &str) -> Result<Value, String>;

    /// Waits until an expression is true, and returns its value.
    fn wait_for(&self, expression: &str) -> Value;

    /// Presses the mouse on an element, as a person does.
    fn click(&self, selector: &str);

    /// What this tab alone plays from now on, channel by channel.
    fn hear_channels(&self, seconds: f64) -> Vec<Recording>;

    /// The first of them.
    fn hear(&self, seconds: f64) -> Recording {
        self.hear_channels(seconds).swap_remove(0)
    }

    /// The value of an expression, awaited if it is a promise.
    fn evaluate(&self, expression: &str) -> Value {
        self.try_evaluate(expression).unwrap_or_else(|why| panic!("{expression}\n{why}"))
    }

    /// Lets time pass.
    fn pass(&self, seconds: f64) {
        let script = "new Promise((resolve) => setTimeout(resolve, SECONDS * 1000))";
        self.evaluate(&script.replace("SECONDS", &seconds.to_string()));
    }
}

impl Browses for Browser {
    type Tab = Page;

    const MICROPHONE: f64 = QUARTER;
    const UNREADABLE: &str = "Failed to fetch";

    fn open(&self, url: &str) -> Page {
        self.open(url)
    }
}

impl Tab for Page {
    fn try_evaluate(&self, expression: &str) -> Result<Value, String> {
        self.try_evaluate(expression)
    }

    fn wait_for(&self, expression: &str) -> Value {
        self.wait_for(expression)
    }

    fn click(&self, selector: &str) {
        self.click(selector);
    }

    fn hear_channels(&self, seconds: f64) -> Vec<Recording> {
        self.record_channels(REMOTE, seconds)
    }
}

/// A test of sound in real time: it may only go wrong (`Err`) while the machine stalls.
pub fn on_stage(test: impl Fn(&Stage) -> Result<(), String>) {
    if let Some(stage) = Stage::new() {
        stall::undisturbed(|| test(&stage));
    }
}

/// The same for each case, one after another in one browser.
pub fn on_stage_for_each<Case: Copy>(
    cases: &[Case],
    test: impl Fn(&Stage, &Rc<Browser>, Case) -> Result<(), String>,
) {
    in_browser_for_each(Stage::browser, cases, test);
}

/// The same in a browser of its own.
pub fn on_stage_in_browser(test: impl Fn(&Stage, &Rc<Browser>) -> Result<(), String>) {
    on_stage(|stage| test(stage, &Rc::new(stage.browser())));
}

/// The same in the browser that `launch` starts.
pub fn in_browser_for_each<B: Browses, Case: Copy>(
    launch: impl Fn(&Stage) -> B,
    cases: &[Case],
    test: impl Fn(&Stage, &Rc<B>, Case) -> Result<(), String>,
) {
    let Some(stage) = Stage::new() else { return };
    let browser = Rc::new(launch(&stage));
    for case in cases {
        stall::undisturbed(|| test(&stage, &browser, *case));
    }
}

/// A network, and the turn to use the machine.
pub struct Stage {
    pub pair: Namespaces,
    test: String,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    /// `None` where namespaces are not allowed: the test is skipped.
    pub fn new() -> Option<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let test = std::thread::current().name().unwrap_or("a browser test").replace("::", "-");
        let pair = skip::namespaces(&test)?;
        Some(Self { pair, test, _turn: turn })
    }

    pub fn here(&self) -> Option<&Namespace> {
        Some(&self.pair.left)
    }

    /// Where a halloo of this test records.
    pub fn recording(&self) -> PathBuf {
        recording(&format!("browser-{}", self.test))
    }

    /// A halloo that listens, and where it records.
    pub fn listen(&self, more: &[&str]) -> (Halloo, PathBuf) {
        let file = self.recording();
        (Halloo::listen(self.here(), OURS, &file, more), file)
    }

    /// A browser whose microphone hears [`THEIRS`].
    pub fn browser(&self) -> Browser {
        self.browser_with(&[])
    }

    /// The same with further arguments.
    pub fn browser_with(&self, arguments: &[&str]) -> Browser {
        Browser::launch(&Options {
            namespace: self.here(),
            microphone: Some(THEIRS),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            ..Options::default()
        })
    }

    /// A site with somebody else's page.
    pub fn site(&self) -> Site {
        Site::new(&self.pair.left)
    }

    /// A foreign page in a browser of its own, and a halloo that allows its origin.
    pub fn visit(&self, more: &[&str]) -> Visit {
        self.visit_by(&Rc::new(self.browser()), more)
    }

    /// The same in a browser that is there already.
    pub fn visit_by<B: Browses>(&self, browser: &Rc<B>, more: &[&str]) -> Visit<B> {
        let site = self.site();
        let allow = ["--allow-origin", site.origin.as_str()];
        let (halloo, file) = self.listen(&[&allow, more].concat());
        let page = site.open(browser.as_ref());
        Visit { halloo, page, file, site, browser: Rc::clone(browser) }
    }
}

/// A web server of somebody else; it ends with its test.
pub struct Site {
    server: Child,
    pub origin: String,
}

impl Site {
    /// On loopback of this place.
    pub fn new(place: &Namespace) -> Self {
        let mut python = place.command("python3");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pages");
        // -u: the line with the port must not stay in a buffer.
        python.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder]);
        let mut server = python.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.split_whitespace().nth(5).expect("Serving HTTP on .. port N ..");
        Self { server, origin: format!("http://127.0.0.1:{port}") }
    }

    /// Its page, ready.
    pub fn open<B: Browses>(&self, browser: &B) -> B::Tab {
        let page = browser.open(&format!("{}/foreign.html", self.origin));
        page.wait_for("window.ready");
        page
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A foreign page and the halloo that it calls.
pub struct Visit<B: Browses = Browser> {
    pub halloo: Halloo,
    pub page: B::Tab,
    /// halloo's recording.
    pub file: PathBuf,
    pub site: Site,
    pub browser: Rc<B>,
}

impl<B: Browses> Visit<B> {
    /// The page calls, with wishes as `offer` in `tests/pages/foreign.html` has them, and gets through.
    pub fn calls(&mut self, wishes: &str) {
        self.runs(&format!("offer(WHIP, {THEIRS}, {wishes})"));
        self.get_connected();
    }

    /// Runs an expression in the page, in which `WHIP` stands for where halloo is called.
    pub fn runs(&self, expression: &str) -> Value {
        let whip = format!("'{}/whip'", self.halloo.url());
        self.page.evaluate(&expression.replace("WHIP", &whip))
    }

    /// Waits until both say that they are connected.
    pub fn get_connected(&mut self) {
        self.page.wait_for("window.pc.connectionState === 'connected'");
        self.halloo.wait_for("connected", |_| true);
    }

    /// Each hears the other's tone; then the page hangs up.
    pub fn both_hear(&mut self) -> Result<(), String> {
        page_hears(&self.page)?;
        self.hang_up();
        halloo_heard(&self.file, HALF)
    }

    /// The page hangs up, by DELETE.
    pub fn hang_up(&mut self) {
        self.page.evaluate("fetch(session, { method: 'DELETE' }).then(({ status }) => status)");
        let ended = self.halloo.wait_for("ended", |_| true);
        assert!(ended["end"].as_str().unwrap().starts_with("hung_up"), "{ended}");
    }
}

/// The page hears our tone, at its pitch and level and without a gap.
pub fn page_hears(page: &impl Tab) -> Result<(), String> {
    page.wait_for(&format!("{REMOTE}.muted === false"));
    let heard = page.hear(2.0);
    is_tone("the page", &heard.between(0.5, 2.0), OURS.into(), TONE)
}

/// Half a second after the first sound, the recording has their tone at its pitch and level.
pub fn halloo_heard(file: &Path, level: f64) -> Result<(), String> {
    let heard = Recording::read(file).after_silence(0.02);
    is_tone("halloo", &heard.between(0.5, 2.0), THEIRS, level)
}

/// A second and a half of a tone. Silence or another pitch is never the machine's fault; that a recording
/// is short may be.
pub fn is_tone(who: &str, heard: &Recording, hz: f64, level: f64) -> Result<(), String> {
    let seconds = heard.seconds();
    if seconds <= 1.4 {
        return Err(format!("{who} heard only {seconds} s of sound"));
    }
    let pitch = heard.pitch().unwrap_or_else(|| panic!("{who} heard silence"));
    assert!((pitch - hz).abs() < 20.0, "{who} heard {pitch} Hz, not {hz}");
    let glitches = heard.glitches(hz);
    let right = (pitch - hz).abs() < 1.0 && (heard.level() - level).abs() < 2.0 && glitches <= 3;
    let wrong = || {
        let level = heard.level();
        format!("{who} heard {pitch} Hz, {level} dBFS; {glitches} of 150 pieces of 10 ms are wrong")
    };
    if right { Ok(()) } else { Err(wrong()) }
}

/// The lines of a description that start with `prefix`.
pub fn lines(sdp: &Value, prefix: &str) -> Vec<String> {
    let sdp = sdp.as_str().unwrap_or_default();
    sdp.lines().filter(|line| line.starts_with(prefix)).map(str::to_owned).collect()
}
