//! A headless Chromium, driven by its DevTools protocol over two pipes.
//!
//! Use it with `mod common { pub mod chromium; pub mod listen; pub mod namespace; }`. The pipes need no
//! port, no WebSocket and no crate: a shell joins the browser's descriptors 3 and 4, where
//! `--remote-debugging-pipe` listens, to the standard input and output that Rust gave it. Messages are
//! JSON, ended by a zero byte.
//!
//! The microphone is fake: a tone of the test's choice. Every browser has a profile of its own,
//! removed on drop with the processes.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::listen::Recording;
use super::namespace::Namespace;

/// How long anything in the browser may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The browser's processes and the wire to them.
pub struct Browser {
    child: Child,
    profile: PathBuf,
    wire: Arc<Mutex<Wire>>,
}

/// What a browser is started with.
#[derive(Default)]
pub struct Options<'a> {
    /// Where it runs; the test's own network if `None`.
    pub namespace: Option<&'a Namespace>,
    /// What its microphone hears, in hertz, with a quarter of full scale; a beep if `None`.
    pub microphone: Option<f64>,
    /// Whether pages may use the microphone. Those that may not keep their addresses to themselves,
    /// too: their candidates are `.local` names.
    pub microphone_denied: bool,
    /// Further arguments.
    pub arguments: Vec<String>,
}

/// Requests go out, answers are sorted by their id, events are kept.
struct Wire {
    stdin: ChildStdin,
    last_id: u64,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    answers: std::collections::HashMap<u64, Sender<Value>>,
    events: Vec<Value>,
}

impl Browser {
    /// Starts one.
    pub fn launch(options: &Options<'_>) -> Self {
        static BROWSERS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = BROWSERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let profile =
            std::env::temp_dir().join(format!("halloo-chromium-{}-{number}", std::process::id()));
        let mut command = match options.namespace {
            Some(namespace) => namespace.command("sh"),
            None => Command::new("sh"),
        };
        // Chromium's own output goes to a file, for whoever has to find out why it did not start.
        let log = format!("{}.log", profile.display());
        command.args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >"$0" 2>&1"#, &log, chromium()]);
        command.args(ARGUMENTS);
        if !options.microphone_denied {
            command.arg("--use-fake-ui-for-media-stream");
        }
        command.arg(format!("--user-data-dir={}", profile.display()));
        if let Some(hz) = options.microphone {
            let file = format!("{}.wav", profile.display());
            // Longer than a test: Chromium stumbles where the file starts over, though whole periods fit in.
            Recording::tone(hz, 0.25, 60.0, 48_000).write(Path::new(&file));
            command.arg(format!("--use-file-for-fake-audio-capture={file}"));
        }
        command.args(&options.arguments).arg("about:blank");
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.expect("a shell to start chromium with");
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn({
            let waiting = Arc::clone(&waiting);
            move || sort(stdout, &waiting)
        });
        let wire = Wire { stdin: child.stdin.take().unwrap(), last_id: 0, waiting };
        let browser = Self { child, profile, wire: Arc::new(Mutex::new(wire)) };
        if let Err(why) = try_call(&browser.wire, None, "Browser.getVersion", json!({})) {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            panic!("chromium does not answer (Debian: apt install chromium): {why}\n{log}");
        }
        browser
    }

    /// Opens a tab and waits until its page has loaded.
    pub fn open(&self, url: &str) -> Page {
        self.open_after(url, "")
    }

    /// The same, with a script that runs before any of the page's own.
    pub fn open_after(&self, url: &str, script: &str) -> Page {
        let target = call(&self.wire, None, "Target.createTarget", json!({ "url": "about:blank" }));
        let target = target["targetId"].as_str().unwrap().to_owned();
        let attach = json!({ "targetId": target, "flatten": true });
        let session = call(&self.wire, None, "Target.attachToTarget", attach);
        let session = session["sessionId"].as_str().unwrap().to_owned();
        let page = Page { wire: Arc::clone(&self.wire), session, target };
        for domain in ["Page", "Runtime", "Log"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        page.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": PLAIN_MICROPHONE }));
        page.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }));
        page.navigate(url);
        page
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = try_call(&self.wire, None, "Browser.close", json!({}));
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
        for ending in ["log", "wav"] {
            let _ = std::fs::remove_file(format!("{}.{ending}", self.profile.display()));
        }
    }
}

/// A tab.
pub struct Page {
    wire: Arc<Mutex<Wire>>,
    session: String,
    target: String,
}

impl Page {
    /// A command of the DevTools protocol, and its result.
    pub fn call(&self, method: &str, parameters: Value) -> Value {
        call(&self.wire, Some(&self.session), method, parameters)
    }

    /// Goes to another page and waits until it has loaded.
    pub fn navigate(&self, url: &str) {
        let gone = self.call("Page.navigate", json!({ "url": url }));
        assert!(gone.get("errorText").is_none(), "{url}: {}", gone["errorText"]);
        self.wait_for("document.readyState === 'complete'");
    }

    /// The value of an expression, awaited if it is a promise, as a person's gesture would have it.
    pub fn evaluate(&self, expression: &str) -> Value {
        self.try_evaluate(expression).unwrap_or_else(|why| panic!("{expression}\n{why}"))
    }

    /// The same; an exception is the error.
    pub fn try_evaluate(&self, expression: &str) -> Result<Value, String> {
        let parameters = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let result = try_call(&self.wire, Some(&self.session), "Runtime.evaluate", parameters)?;
        match result.get("exceptionDetails") {
            Some(details) => {
                let thrown = &details["exception"]["description"];
                Err(format!("{}: {thrown}\n{}", details["text"], self.complaints().join("\n")))
            }
            None => Ok(result["result"]["value"].clone()),
        }
    }

    /// Waits until an expression is true, and returns its value.
    pub fn wait_for(&self, expression: &str) -> Value {
        self.try_evaluate(&until(expression)).unwrap_or_else(|why| {
            let text = self.try_evaluate("document.body.innerText").unwrap_or_default();
            panic!("waiting for {expression}: {why}\nthe page says: {text}")
        })
    }

    /// The text of an element.
    pub fn text(&self, selector: &str) -> String {
        let script = format!("document.querySelector({}).innerText", json!(selector));
        self.evaluate(&script).as_str().unwrap_or_default().to_owned()
    }

    /// Presses the mouse on the middle of an element, wherever it is.
    pub fn click(&self, selector: &str) {
        let script = format!(
            "(() => {{
                const element = document.querySelector({});
                element.scrollIntoView({{ block: 'center' }});
                const box = element.getBoundingClientRect();
                if (box.width === 0) throw new Error('not to be seen');
                return [box.x + box.width / 2, box.y + box.height / 2];
            }})()",
            json!(selector)
        );
        let place = self.evaluate(&script);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({
                "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1,
            });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Presses a key, `Tab`, `Enter` or a space.
    pub fn press(&self, key: &str) {
        let (code, number, text) = match key {
            "Tab" => ("Tab", 9, ""),
            "Enter" => ("Enter", 13, "\r"),
            " " => ("Space", 32, " "),
            other => panic!("no such key here: {other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({
                "type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number,
            });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Sets the window's size in CSS pixels and the colour scheme, `light` or `dark`.
    pub fn look(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Writes a picture of it into `target/tmp`.
    pub fn screenshot(&self, name: &str) {
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let png = openssl::base64::decode_block(shot["data"].as_str().unwrap()).unwrap();
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        std::fs::write(path, png).unwrap();
    }

    /// A picture as a PNG, from the top to the end of an element: so wide, `scale` dots for each CSS pixel.
    pub fn picture(&self, until: &str, width: u32, scale: f64, scheme: &str) -> Vec<u8> {
        self.call("Page.bringToFront", json!({}));
        self.call("Emulation.setScrollbarsHidden", json!({ "hidden": true }));
        self.look(width, 300, scheme);
        let high = self.evaluate(&format!(
            "(() => {{
                scrollTo(0, 0);
                const end = (element) => element.getBoundingClientRect().bottom;
                const MARGIN = 12; // less than is between two cards
                const wanted = end(document.querySelector({})) + MARGIN;
                return Math.ceil(Math.min(wanted, end(document.body)));
            }})()",
            json!(until)
        ));
        let size = json!({
            "width": width, "height": high, "deviceScaleFactor": scale, "mobile": false,
        });
        self.call("Emulation.setDeviceMetricsOverride", size);
        self.evaluate(
            "new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 50)))",
        );
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        openssl::base64::decode_block(shot["data"].as_str().unwrap()).unwrap()
    }

    /// Sound of an audio track, taken as the browser has decoded it: `track` is an expression.
    pub fn record(&self, track: &str, seconds: f64) -> Recording {
        self.record_channels(track, seconds).swap_remove(0)
    }

    /// The same, channel by channel.
    pub fn record_channels(&self, track: &str, seconds: f64) -> Vec<Recording> {
        let script = format!("({RECORD})({track}, {seconds})");
        let result = self.evaluate(&script);
        let rate = result["rate"].as_u64().unwrap() as u32;
        let channels = result["channels"].as_array().unwrap().iter();
        channels
            .map(|samples| {
                let bytes = openssl::base64::decode_block(samples.as_str().unwrap()).unwrap();
                let samples = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
                Recording { rate, samples: samples.collect() }
            })
            .collect()
    }

    /// Errors that the page or the browser logged for this tab, policy violations included.
    pub fn complaints(&self) -> Vec<String> {
        let waiting = Arc::clone(&self.wire.lock().unwrap().waiting);
        let waiting = waiting.lock().unwrap();
        let ours = waiting.events.iter().filter(|event| event["sessionId"] == self.session);
        ours.filter_map(|event| {
            let parameters = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => {
                    Some(parameters["exceptionDetails"]["exception"]["description"].to_string())
                }
                "Runtime.consoleAPICalled" if parameters["type"] == "error" => {
                    Some(parameters["args"].to_string())
                }
                "Log.entryAdded" if parameters["entry"]["level"] == "error" => {
                    Some(format!("{} {}", parameters["entry"]["text"], parameters["entry"]["url"]))
                }
                _ => None,
            }
        })
        .collect()
    }

    /// Closes the tab; its page gets its `pagehide`.
    pub fn close(self) {
        self.call("Page.close", json!({}));
    }

    /// Ends the tab's renderer at once, as a crash does: no page can say goodbye.
    pub fn crash(self) {
        // It is never answered.
        let wire = self.wire.lock().unwrap();
        let message = json!({ "id": 0, "sessionId": self.session, "method": "Page.crash" });
        let mut stdin = &wire.stdin;
        stdin.write_all(format!("{message}\0").as_bytes()).unwrap();
    }
}

/// An expression whose value is that of this one once it is true; it looks again 50 times a second.
pub fn until(expression: &str) -> String {
    let seconds = PATIENCE.as_secs() / 2;
    format!(
        "(async () => {{
            const end = performance.now() + {seconds} * 1000;
            for (;;) {{
                const value = await ({expression});
                if (value) return value;
                if (performance.now() > end) throw new Error('never true');
                await new Promise((resolve) => setTimeout(resolve, 20));
            }}
        }})()"
    )
}

fn call(wire: &Arc<Mutex<Wire>>, session: Option<&str>, method: &str, parameters: Value) -> Value {
    try_call(wire, session, method, parameters).unwrap_or_else(|why| panic!("{method}: {why}"))
}

fn try_call(
    wire: &Arc<Mutex<Wire>>,
    session: Option<&str>,
    method: &str,
    parameters: Value,
) -> Result<Value, String> {
    let answer: Receiver<Value> = {
        let mut wire = wire.lock().unwrap();
        wire.last_id += 1;
        let mut message = json!({ "id": wire.last_id, "method": method, "params": parameters });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        let (sender, receiver) = channel();
        wire.waiting.lock().unwrap().answers.insert(wire.last_id, sender);
        let written = wire.stdin.write_all(format!("{message}\0").as_bytes());
        written.map_err(|error| error.to_string())?;
        receiver
    };
    let mut answer = answer.recv_timeout(PATIENCE).map_err(|error| error.to_string())?;
    match answer.get("error") {
        Some(error) => Err(error.to_string()),
        None => Ok(answer["result"].take()),
    }
}

/// Reads what the browser says until it says no more.
fn sort(mut stdout: impl BufRead, waiting: &Mutex<Waiting>) {
    let mut message = Vec::new();
    while stdout.read_until(0, &mut message).is_ok_and(|length| length > 0) {
        message.pop();
        let Ok(value) = serde_json::from_slice::<Value>(&message) else { break };
        message.clear();
        let mut waiting = waiting.lock().unwrap();
        match value["id"].as_u64() {
            Some(id) => {
                if let Some(sender) = waiting.answers.remove(&id) {
                    let _ = sender.send(value);
                }
            }
            None => waiting.events.push(value),
        }
    }
    // Whoever still waits learns at once that nothing will come.
    waiting.lock().unwrap().answers.clear();
}

/// Its name differs between distributions.
fn chromium() -> &'static str {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = |name: &&&str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    names.iter().find(has).expect("a browser (Debian: apt install chromium)")
}

const ARGUMENTS: &[&str] = &[
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    // A key pressed before the first picture counts.
    "--allow-pre-commit-input",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    // A tab behind another one is as awake as the first.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--window-size=800,700",
];

/// Takes the voice processing off: to it, a test's steady tone is a noise to be removed.
const PLAIN_MICROPHONE: &str = "
    if (navigator.mediaDevices) {
        const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = (constraints) => open({
            ...constraints,
            audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
        });
    }";

/// Collects a track's channels, frame by frame, without a microtask lost to an AudioContext.
const RECORD: &str = "async (track, seconds) => {
    const reader = new MediaStreamTrackProcessor({ track: track.clone() }).readable.getReader();
    const channels = [];
    let rate = 0, wanted = Infinity, length = 0;
    while (length < wanted) {
        const { value, done } = await reader.read();
        if (done) break;
        rate = value.sampleRate;
        wanted = seconds * rate;
        for (let planeIndex = 0; planeIndex < value.numberOfChannels; planeIndex += 1) {
            const part = new Float32Array(value.numberOfFrames);
            value.copyTo(part, { planeIndex, format: 'f32-planar' });
            (channels[planeIndex] ??= []).push(part);
        }
        length += value.numberOfFrames;
        value.close();
    }
    reader.cancel();
    const text = async (parts) => {
        const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
        let text = '';
        for (let at = 0; at < bytes.length; at += 3 * 8192) {
            text += btoa(String.fromCharCode(...bytes.subarray(at, at + 3 * 8192)));
        }
        return text;
    };
    return { rate, channels: await Promise.all(channels.map(text)) };
}";
