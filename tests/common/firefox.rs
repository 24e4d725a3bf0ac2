//! A headless Firefox, driven by its own protocol, Marionette: JSON over TCP with its length in front.
//!
//! Use it with `mod common { pub mod chromium; pub mod firefox; pub mod halloo; pub mod listen; pub mod
//! namespace; pub mod pulse; pub mod skip; pub mod stage; pub mod stall; }`. It runs in
//! a namespace, whose loopback this process doesn't share: a shell in there joins the port to its standard
//! input and output. The microphone is Firefox's fake one, a steady tone; what the page plays goes to the
//! loudspeaker of a sound server, as for a person, and is recorded there. The profile is removed on drop.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::chromium::until;
use super::listen::Recording;
use super::namespace::Namespace;
use super::pulse::{Card, SoundServer};
use super::stage::{Browses, Stage, THEIRS, Tab, in_browser_for_each, on_stage};

/// Its loudspeaker, of two channels.
const LOUDSPEAKER: &str = "speaker";

/// A test of sound in Firefox, as `on_stage` of `common/stage.rs`.
pub fn in_firefox(test: impl Fn(&Stage, &Rc<Firefox>) -> Result<(), String>) {
    on_stage(|stage| test(stage, &Rc::new(Firefox::on(stage))));
}

/// The same for each case, one after another in one Firefox.
pub fn in_firefox_for_each<Case: Copy>(
    cases: &[Case],
    test: impl Fn(&Stage, &Rc<Firefox>, Case) -> Result<(), String>,
) {
    in_browser_for_each(Firefox::on, cases, test);
}

/// The browser.
pub struct Firefox {
    child: Child,
    profile: PathBuf,
    wire: Rc<RefCell<Wire>>,
    /// The tab that it came with, which stays.
    first: Value,
    sound: Rc<SoundServer>,
    _loudspeaker: Card,
}

/// One of its tabs, closed on drop.
pub struct Page {
    wire: Rc<RefCell<Wire>>,
    handle: Value,
    sound: Rc<SoundServer>,
}

struct Wire {
    shell: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    last_id: u64,
    /// The tab that commands go to.
    turned_to: Value,
}

impl Firefox {
    /// Starts one whose microphone hears [`THEIRS`].
    pub fn on(stage: &Stage) -> Self {
        let place = &stage.pair.left;
        // Without the microphone's permission Firefox tells only the address that leads to the internet.
        place.ip(&["route", "replace", "default", "dev", &place.interface]);
        let sound = SoundServer::bare(&place.name);
        let loudspeaker = sound.plug_loudspeaker(LOUDSPEAKER, 48_000, 2);
        let profile = std::env::temp_dir().join(format!("halloo-{}-firefox", place.name));
        std::fs::create_dir_all(&profile).unwrap();
        std::fs::write(profile.join("user.js"), preferences()).unwrap();
        let mut command = place.command("firefox-esr");
        command.args(["--headless", "--no-remote", "--marionette", "--remote-allow-system-access"]);
        command.arg("--profile").arg(&profile);
        command.envs(sound.environment()).env("HOME", &profile);
        let spawned =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.expect("a browser (Debian: apt install firefox-esr)");
        let mut wire = Wire::join(place, port(&mut child));
        wire.call("WebDriver:NewSession", json!({ "acceptInsecureCerts": true }));
        wire.call("WebDriver:SetTimeouts", json!({ "script": 60_000 }));
        let first = wire.call("WebDriver:GetWindowHandle", json!({}))["value"].take();
        let wire = Rc::new(RefCell::new(wire));
        Self { child, profile, wire, first, sound: Rc::new(sound), _loudspeaker: loudspeaker }
    }

    /// From now on the browser notes what it is refused; see [`Self::refusals`].
    pub fn note_refusals(&self) {
        self.as_itself(
            "window.refusals = [];
            Services.obs.addObserver((subject) => {
                const { requestMethod, responseStatus, URI } =
                    subject.QueryInterface(Ci.nsIHttpChannel);
                if (responseStatus < 400) return;
                window.refusals.push(`${requestMethod} ${URI.filePath} ${responseStatus}`);
            }, 'http-on-examine-response');",
        );
    }

    /// How it was refused, preflights included, also where the page may not know: `POST /whip 403`.
    pub fn refusals(&self) -> Vec<String> {
        let noted = self.as_itself("return window.refusals;");
        noted.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    }

    /// Runs a script with the browser's own rights.
    fn as_itself(&self, script: &str) -> Value {
        let mut wire = self.wire.borrow_mut();
        wire.call("Marionette:SetContext", json!({ "value": "chrome" }));
        let parameters = json!({ "script": script, "args": [], "sandbox": "system" });
        let value = wire.call("WebDriver:ExecuteScript", parameters)["value"].take();
        wire.call("Marionette:SetContext", json!({ "value": "content" }));
        value
    }
}

impl Browses for Firefox {
    type Tab = Page;

    const MICROPHONE: f64 = -23.0;
    const UNREADABLE: &str = "NetworkError when attempting to fetch resource";

    fn open(&self, url: &str) -> Page {
        let mut wire = self.wire.borrow_mut();
        // The one that commands went to may be closed, and then none is heard.
        wire.turn_to(&self.first);
        let new = json!({ "type": "tab", "focus": true });
        let handle = wire.call("WebDriver:NewWindow", new)["handle"].take();
        wire.turn_to(&handle);
        wire.call("WebDriver:Navigate", json!({ "url": url }));
        Page { wire: Rc::clone(&self.wire), handle, sound: Rc::clone(&self.sound) }
    }
}

impl Page {
    /// A command of the protocol to this tab, and its result.
    pub fn call(&self, command: &str, parameters: Value) -> Value {
        self.try_call(command, parameters).unwrap_or_else(|why| panic!("{command}: {why}"))
    }

    fn try_call(&self, command: &str, parameters: Value) -> Result<Value, String> {
        let mut wire = self.wire.borrow_mut();
        wire.turn_to(&self.handle);
        wire.try_call(command, parameters)
    }

    /// The text of an element.
    pub fn text(&self, selector: &str) -> String {
        let text = self.evaluate(&format!("document.querySelector({}).innerText", json!(selector)));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Writes a picture of it into `target/tmp`.
    pub fn screenshot(&self, name: &str) {
        let shot = self.call("WebDriver:TakeScreenshot", json!({ "full": false }));
        let png = openssl::base64::decode_block(shot["value"].as_str().unwrap()).unwrap();
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        std::fs::write(path, png).unwrap();
    }

    /// Closes the tab; its page gets its `pagehide`.
    pub fn close(self) {}
}

impl Drop for Page {
    fn drop(&mut self) {
        // The browser may be gone already.
        let _ = self.try_call("WebDriver:CloseWindow", json!({}));
    }
}

impl Tab for Page {
    fn try_evaluate(&self, expression: &str) -> Result<Value, String> {
        let script = format!("return ({expression});");
        let parameters = json!({ "script": script, "args": [], "sandbox": null });
        Ok(self.try_call("WebDriver:ExecuteScript", parameters)?["value"].take())
    }

    fn wait_for(&self, expression: &str) -> Value {
        self.try_evaluate(&until(expression)).unwrap_or_else(|why| {
            let text = self.try_evaluate("document.body.innerText").unwrap_or_default();
            panic!("waiting for {expression}: {why}\nthe page says: {text}")
        })
    }

    fn click(&self, selector: &str) {
        // A person turns to the tab first.
        let focused = json!({ "handle": self.handle, "focus": true });
        self.call("WebDriver:SwitchToWindow", focused);
        let find = json!({ "using": "css selector", "value": selector });
        let found = self.call("WebDriver:FindElement", find);
        let element = found["value"].as_object().unwrap().values().next().unwrap().clone();
        self.call("WebDriver:ElementClick", json!({ "id": element }));
    }

    /// All tabs play to one loudspeaker, so the others are muted.
    fn hear_channels(&self, seconds: f64) -> Vec<Recording> {
        let all = self.call("WebDriver:GetWindowHandles", json!({}));
        for handle in all.as_array().unwrap() {
            let muted = *handle != self.handle;
            let script = format!(
                "for (const sound of document.querySelectorAll('audio')) sound.muted = {muted};"
            );
            let mut wire = self.wire.borrow_mut();
            wire.turn_to(handle);
            let parameters = json!({ "script": script, "args": [], "sandbox": null });
            wire.call("WebDriver:ExecuteScript", parameters);
        }
        let tape = self.sound.record_at(LOUDSPEAKER, 2);
        self.pass(seconds + 0.5);
        tape.stop_all().iter().map(|channel| channel.last(seconds)).collect()
    }
}

impl Wire {
    /// To the browser in this place that listens on this port of loopback.
    fn join(place: &Namespace, port: u16) -> Self {
        // Bash alone can open a socket without a further program. It ends with the browser.
        let socket = format!("/dev/tcp/127.0.0.1/{port}");
        let joined = format!("exec 3<>{socket} 4<&0; cat <&4 >&3 & cat <&3; kill $! 2>&-");
        let mut shell = place.command("bash");
        shell.args(["-c", &joined]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let (stdin, stdout) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
        let stdout = BufReader::new(stdout);
        let mut wire = Self { shell, stdin, stdout, last_id: 0, turned_to: Value::Null };
        wire.receive().expect("its greeting");
        wire
    }

    /// A command, and its result.
    fn call(&mut self, command: &str, parameters: Value) -> Value {
        self.try_call(command, parameters).unwrap_or_else(|why| panic!("{command}: {why}"))
    }

    fn try_call(&mut self, command: &str, parameters: Value) -> Result<Value, String> {
        self.last_id += 1;
        let message = json!([0, self.last_id, command, parameters]).to_string();
        let gone = |error: std::io::Error| format!("firefox no longer listens: {error}");
        self.stdin.write_all(format!("{}:{message}", message.len()).as_bytes()).map_err(gone)?;
        self.stdin.flush().map_err(gone)?;
        let mut answer = self.receive()?;
        if answer[2].is_null() { Ok(answer[3].take()) } else { Err(answer[2].to_string()) }
    }

    /// Commands go to this tab from now on; what a person sees stays.
    fn turn_to(&mut self, tab: &Value) {
        if self.turned_to != *tab {
            let parameters = json!({ "handle": tab, "focus": false });
            if self.try_call("WebDriver:SwitchToWindow", parameters).is_ok() {
                self.turned_to = tab.clone();
            }
        }
    }

    fn receive(&mut self) -> Result<Value, String> {
        let gone = |error: std::io::Error| format!("firefox no longer talks: {error}");
        let mut length = Vec::new();
        self.stdout.read_until(b':', &mut length).map_err(gone)?;
        let length = String::from_utf8(length).unwrap();
        let length = length.trim_end_matches(':').parse();
        let mut message = vec![0; length.map_err(|_| "firefox no longer talks".to_owned())?];
        self.stdout.read_exact(&mut message).map_err(gone)?;
        Ok(serde_json::from_slice(&message).unwrap())
    }
}

impl Drop for Firefox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mut wire = self.wire.borrow_mut();
        let _ = wire.shell.kill();
        let _ = wire.shell.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// The port that it took, which its output names. What else it says is read and forgotten, or it would wait.
fn port(child: &mut Child) -> u16 {
    let said = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    let (tell, told) = channel();
    thread::spawn(move || {
        for line in said.map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            let port = line.split_once("Listening on port ").map(|(_, port)| port.trim().parse());
            let _only_the_first_is_awaited = port.map(|port| tell.send(port.unwrap()));
        }
    });
    told.recv_timeout(Duration::from_secs(60)).expect("firefox-esr has ended, or does not start")
}

fn preferences() -> String {
    let preferences = json!({
        "marionette.port": 0,
        "media.navigator.permission.disabled": true,
        "media.navigator.streams.fake": true,
        "media.navigator.audio.fake_frequency": THEIRS as u32,
        "media.autoplay.default": 0,
        "media.autoplay.blocking_policy": 0,
        // A tab behind another one is as awake as the first.
        "media.block-autoplay-until-in-foreground": false,
        "dom.min_background_timeout_value": 4,
        "dom.timeout.enable_budget_timer_throttling": false,
        "media.peerconnection.ice.obfuscate_host_addresses": false,
        "app.update.enabled": false,
        "browser.shell.checkDefaultBrowser": false,
        "datareporting.policy.dataSubmissionEnabled": false,
        "toolkit.startup.max_resumed_crashes": -1,
    });
    let lines = preferences.as_object().unwrap().iter();
    lines.map(|(name, value)| format!("user_pref({}, {value});\n", json!(name))).collect()
}
