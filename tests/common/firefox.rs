//! A headless Firefox, driven by its own protocol, Marionette: JSON over TCP with its length in front.
//!
//! Use it with `mod common { pub mod firefox; pub mod listen; pub mod namespace; pub mod pulse; }`. It runs in
//! a namespace, whose loopback this process doesn't share: a shell in there joins the port to its standard
//! input and output. The microphone is Firefox's fake one, a steady tone; what the page plays goes to the
//! loudspeaker of a sound server, as for a person, and is recorded there. The profile is removed on drop.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::namespace::Namespace;
use super::pulse::SoundServer;

/// The browser, and the wire to the tab in front.
pub struct Firefox {
    child: Child,
    profile: PathBuf,
    wire: Mutex<Wire>,
}

struct Wire {
    shell: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    last_id: u64,
}

impl Firefox {
    /// Starts one whose microphone hears a tone of `hz`.
    pub fn launch(place: &Namespace, sound: &SoundServer, hz: u32) -> Self {
        let profile = std::env::temp_dir().join(format!("halloo-{}-firefox", place.name));
        std::fs::create_dir_all(&profile).unwrap();
        std::fs::write(profile.join("user.js"), preferences(hz)).unwrap();
        let mut command = place.command("firefox-esr");
        command.args(["--headless", "--no-remote", "--marionette", "--profile"]).arg(&profile);
        command.envs(sound.environment()).env("HOME", &profile);
        let spawned =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.expect("a browser (Debian: apt install firefox-esr)");
        let port = port(&mut child);
        // Bash alone can open a socket without a further program.
        let joined = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3 & cat >&3; kill $! 2>&-");
        let mut shell = place.command("bash");
        shell.args(["-c", &joined]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let (stdin, stdout) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
        let mut wire = Wire { shell, stdin, stdout: BufReader::new(stdout), last_id: 0 };
        wire.receive(); // its greeting
        let firefox = Self { child, profile, wire: Mutex::new(wire) };
        firefox.call("WebDriver:NewSession", json!({ "acceptInsecureCerts": true }));
        firefox.call("WebDriver:SetTimeouts", json!({ "script": 60_000 }));
        firefox
    }

    /// A command of the protocol, and its result.
    pub fn call(&self, command: &str, parameters: Value) -> Value {
        let mut wire = self.wire.lock().unwrap();
        wire.last_id += 1;
        let message = json!([0, wire.last_id, command, parameters]).to_string();
        wire.stdin.write_all(format!("{}:{message}", message.len()).as_bytes()).unwrap();
        wire.stdin.flush().unwrap();
        let mut answer = wire.receive();
        assert!(answer[2].is_null(), "{command}: {}", answer[2]);
        answer[3].take()
    }

    /// Goes to a page and waits until it has loaded.
    pub fn open(&self, url: &str) {
        self.call("WebDriver:Navigate", json!({ "url": url }));
    }

    /// The value of an expression, awaited if it is a promise.
    pub fn evaluate(&self, expression: &str) -> Value {
        let script = format!("return {expression};");
        let parameters = json!({ "script": script, "args": [], "sandbox": null });
        self.call("WebDriver:ExecuteScript", parameters)["value"].take()
    }

    /// Waits until an expression is true; looks again 50 times a second.
    pub fn wait_for(&self, expression: &str) {
        let script = format!(
            "(async () => {{
                for (let left = 1500; left > 0; left -= 1) {{
                    if ({expression}) return true;
                    await new Promise((resolve) => setTimeout(resolve, 20));
                }}
                return document.body.innerText;
            }})()"
        );
        let came = self.evaluate(&script);
        assert!(came == true, "{expression} is never true; the page says: {came}");
    }

    /// Presses the mouse on an element, as a person does.
    pub fn click(&self, selector: &str) {
        let find = json!({ "using": "css selector", "value": selector });
        let found = self.call("WebDriver:FindElement", find);
        let element = found["value"].as_object().unwrap().values().next().unwrap().clone();
        self.call("WebDriver:ElementClick", json!({ "id": element }));
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

    /// Closes the tab that is in front, and goes on in a new one.
    pub fn close_tab(&self) {
        let old = self.call("WebDriver:GetWindowHandle", json!({}))["value"].clone();
        let new = self.call("WebDriver:NewWindow", json!({ "type": "tab", "focus": true }));
        self.call("WebDriver:SwitchToWindow", json!({ "handle": old }));
        self.call("WebDriver:CloseWindow", json!({}));
        self.call("WebDriver:SwitchToWindow", json!({ "handle": new["handle"] }));
    }
}

impl Wire {
    fn receive(&mut self) -> Value {
        let mut length = Vec::new();
        self.stdout.read_until(b':', &mut length).unwrap();
        let length = String::from_utf8(length).unwrap();
        let length = length.trim_end_matches(':').parse().expect("firefox goes on talking");
        let mut message = vec![0; length];
        self.stdout.read_exact(&mut message).unwrap();
        serde_json::from_slice(&message).unwrap()
    }
}

impl Drop for Firefox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Ok(wire) = self.wire.get_mut() {
            let _ = wire.shell.kill();
            let _ = wire.shell.wait();
        }
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

fn preferences(hz: u32) -> String {
    let preferences = json!({
        "marionette.port": 0,
        "media.navigator.permission.disabled": true,
        "media.navigator.streams.fake": true,
        "media.navigator.audio.fake_frequency": hz,
        "media.autoplay.default": 0,
        "media.autoplay.blocking_policy": 0,
        "media.peerconnection.ice.obfuscate_host_addresses": false,
        "app.update.enabled": false,
        "browser.shell.checkDefaultBrowser": false,
        "datareporting.policy.dataSubmissionEnabled": false,
        "toolkit.startup.max_resumed_crashes": -1,
    });
    let lines = preferences.as_object().unwrap().iter();
    lines.map(|(name, value)| format!("user_pref({}, {value});\n", json!(name))).collect()
}
