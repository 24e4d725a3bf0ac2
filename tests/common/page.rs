//! halloo's own page, worked as a person would, and made to fail on purpose.
//!
//! Use it with `mod common { pub mod chromium; pub mod halloo; pub mod listen; pub mod namespace; pub mod
//! page; pub mod skip; pub mod stage; pub mod stall; }`.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::PathBuf;

use serde_json::json;

use super::chromium::{Browser, Page};
use super::halloo::Halloo;
use super::namespace::Namespace;
use super::stage::Stage;

/// A page in a call of its own making.
pub struct Talk {
    pub halloo: Halloo,
    pub page: Page,
    /// halloo's recording.
    pub file: PathBuf,
    pub browser: Browser,
}

/// halloo listens, and its page calls it; `script` runs before the page's own.
pub fn talk(stage: &Stage, more: &[&str], script: &str) -> Talk {
    let (mut halloo, file) = stage.listen(more);
    let browser = stage.browser();
    let page = browser.open_after(&halloo.url(), script);
    page.click("#call");
    is_in(&page, "connected");
    halloo.wait_for("connected", |_| true);
    Talk { halloo, page, file, browser }
}

/// Waits for a state of the page.
pub fn is_in(page: &Page, state: &str) {
    page.wait_for(&format!("document.body.dataset.state === '{state}'"));
}

/// Waits until the page calls its state so.
pub fn says(page: &Page, words: &str) {
    page.wait_for(&format!("document.querySelector('#state').innerText === {}", json!(words)));
}

/// Lets time pass.
pub fn wait(page: &Page, milliseconds: u32) {
    page.evaluate(&format!("new Promise((resolve) => setTimeout(resolve, {milliseconds}))"));
}

/// Sound that is lost here.
pub struct Loss<'a>(&'a Namespace);

/// Until this is dropped, sound is lost that leaves this place by UDP from or for such a port (`udp sport
/// 5004`); checks of the way pass. RFC 7983: what begins with the bits 10 is RTP or RTCP.
pub fn lose_sound<'a>(place: &'a Namespace, port: &str) -> Loss<'a> {
    let chain = "chain sound { type filter hook output priority 0;";
    let rules = format!("table inet loss {{ {chain} {port} @th,64,2 2 drop; }}; }}");
    assert!(place.command("nft").arg(rules).status().unwrap().success());
    Loss(place)
}

impl Drop for Loss<'_> {
    fn drop(&mut self) {
        let _gone = self.0.command("nft").args(["delete", "table", "inet", "loss"]).status();
    }
}

/// A script after which the microphone fails with this `DOMException`.
pub fn microphone_fails(name: &str) -> String {
    format!(
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', '{name}'));"
    )
}

/// A script after which the page takes itself for one that came over plain http from elsewhere.
pub const INSECURE: &str = "Object.defineProperty(window, 'isSecureContext', { value: false });";

/// A script after which everything that halloo says is changed by `change`, a method call on the text;
/// what the page itself finds does not reach halloo.
pub fn misheard(change: &str) -> String {
    format!(
        "const real = window.fetch;
        window.fetch = async (url, options = {{}}) => {{
            if (options.headers?.['Content-Type']?.includes('sdpfrag')) return new Response();
            const response = await real(url, options);
            const {{ status, headers }} = response;
            if (`${{url}}`.endsWith('/events')) {{
                const change = new TransformStream({{
                    transform: (text, out) => out.enqueue(text{change}),
                }});
                const body = response.body.pipeThrough(new TextDecoderStream());
                const changed = body.pipeThrough(change).pipeThrough(new TextEncoderStream());
                return new Response(changed, {{ status, headers }});
            }}
            if (url !== '/whip') return response;
            const answer = new Response((await response.text()){change}, {{ status, headers }});
            Object.defineProperty(answer, 'url', {{ value: response.url }});
            return answer;
        }};"
    )
}

/// For [`misheard`]: halloo is where nobody lives (RFC 5737 section 3).
pub const NOWHERE: &str = ".replace(/ (10\\.213\\.\\d+|127\\.0\\.0)\\.\\d+ /g, ' 192.0.2.7 ')
    .replace(/ ::1 /g, ' 192.0.2.8 ')";
