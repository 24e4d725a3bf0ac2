//! What a browser may ask for, whichever it is: codecs, packet lengths, pauses, repair, two channels, in
//! whatever order.
//!
//! Use it with all that `common/stage.rs` needs. A foreign page calls (`tests/pages/foreign.html`), and both
//! must hear each other. What is agreed on is judged by what then happens: packets a second, bytes, copies,
//! pitch in each ear.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;

use super::listen::Recording;
use super::stage::{
    Browses, HALF, OURS, REMOTE, Stage, THEIRS, TONE, Tab, Visit, halloo_heard, is_tone, lines,
    page_hears,
};

type Outcome = Result<(), String>;

/// Packets a second that halloo receives and the page does, over two seconds.
pub fn packets_a_second(page: &impl Tab) -> (f64, f64) {
    let rates = page.evaluate(
        "(async () => {
            const inbound = async (report) =>
                (await report()).find(({ type }) => type === 'inbound-rtp');
            const both = async () => [await inbound(halloos), await inbound(theirs)];
            const before = await both();
            await new Promise((resolve) => setTimeout(resolve, 2000));
            const after = await both();
            return [0, 1].map((which) => {
                const [old, now] = [before[which], after[which]];
                const seconds = (now.timestamp - old.timestamp) / 1000;
                return (now.packetsReceived - old.packetsReceived) / seconds;
            });
        })()",
    );
    (rates[0].as_f64().unwrap(), rates[1].as_f64().unwrap())
}

/// A member of what is received; `report` is `halloos()` or `theirs()`.
pub fn received(page: &impl Tab, report: &str, member: &str) -> Value {
    page.evaluate(&format!(
        "{report}.then((all) => all.find(({{ type }}) => type === 'inbound-rtp').{member})"
    ))
}

/// The codec of what the page hears, and of what halloo does.
pub fn codecs(page: &impl Tab) -> [Value; 2] {
    ["theirs()", "halloos()"].map(|report| {
        page.evaluate(&format!(
            "{report}.then((all) => {{
                const {{ codecId }} = all.find(({{ type }}) => type === 'inbound-rtp');
                return all.find(({{ id }}) => id === codecId).mimeType;
            }})"
        ))
    })
}

/// What was agreed on for Opus: the parameters of its `a=fmtp`.
pub fn opus(page: &impl Tab) -> Vec<String> {
    let answer = page.evaluate("answered");
    let map = lines(&answer, "a=rtpmap:");
    let number = map
        .iter()
        .find(|line| line.contains("opus/"))
        .and_then(|line| line.strip_prefix("a=rtpmap:")?.split(' ').next());
    let prefix = format!("a=fmtp:{} ", number.expect("Opus is agreed on"));
    let line = lines(&answer, &prefix).swap_remove(0);
    line[prefix.len()..].split(';').map(str::to_owned).collect()
}

/// One codec that is not Opus, and no other.
pub fn one_codec_alone<B: Browses>(stage: &Stage, browser: &Rc<B>, codec: &str) -> Outcome {
    let mut visit = stage.visit_by(browser, &[]);
    visit.calls(&format!("{{ codecs: ['{codec}'] }}"));
    page_hears(&visit.page)?;
    assert_eq!(codecs(&visit.page), [format!("audio/{codec}"), format!("audio/{codec}")]);
    visit.hang_up();
    halloo_heard(&visit.file, HALF)
}

/// RFC 2198: halloo doesn't ask for copies outside of Opus, and so gets none.
pub fn red_first<B: Browses>(stage: &Stage, browser: &Rc<B>, wishes: &str) -> Outcome {
    let mut visit = stage.visit_by(browser, &[]);
    visit.calls(wishes);
    let offered = visit.page.evaluate("offered");
    let audio = lines(&offered, "m=audio").swap_remove(0);
    assert_eq!(audio.split(' ').nth(3), Some("63"), "{audio}: RED is first");
    assert_eq!(lines(&offered, "a=rtpmap:63 red/48000"), ["a=rtpmap:63 red/48000/2"]);
    assert_eq!(lines(&visit.page.evaluate("answered"), "a=rtpmap:63"), Vec::<String>::new());
    page_hears(&visit.page)?;
    assert_eq!(codecs(&visit.page), ["audio/opus", "audio/opus"]);
    visit.hang_up();
    halloo_heard(&visit.file, HALF)
}

/// RFC 9429 section 4.1.1: for those who know no BUNDLE, candidates are gathered for each section.
pub fn max_compat<B: Browses>(stage: &Stage, browser: &Rc<B>) -> Outcome {
    let mut visit = stage.visit_by(browser, &[]);
    let policy = "configuration: { bundlePolicy: 'max-compat' }";
    visit.calls(&format!("{{ wait: true, video: true, channel: true, {policy} }}"));
    let offered = visit.page.evaluate("offered");
    let offered = offered.as_str().unwrap();
    let ports: Vec<Vec<&str>> = offered.split("\r\nm=").skip(1).map(ports_of_rtp).collect();
    assert_eq!(ports.len(), 3, "{offered}");
    for (n, own) in ports.iter().enumerate() {
        assert!(!own.is_empty(), "candidates for each section: {offered}");
        let others = ports.iter().take(n).flatten();
        assert!(!others.into_iter().any(|port| own.contains(port)), "a socket for each: {offered}");
    }
    visit.both_hear()
}

/// The UDP ports of a section's candidates, those for RTCP alone left out.
fn ports_of_rtp(section: &str) -> Vec<&str> {
    let candidates = section.lines().filter(|line| line.starts_with("a=candidate:"));
    let words = candidates.map(|line| line.split(' ').collect::<Vec<_>>());
    words
        .filter(|words| words[1] == "1" && words[2].eq_ignore_ascii_case("udp"))
        .map(|words| words[5])
        .collect()
}

/// An answer's `a=ptime` is obeyed by the browser, and its offer's by us.
pub fn packets_of<B: Browses>(
    stage: &Stage,
    browser: &Rc<B>,
    (ptime, rate): (&str, f64),
) -> Outcome {
    let mut visit = stage.visit_by(browser, &["--frame", ptime]);
    visit.calls(&format!(
        "{{ edits: [['a=rtcp-mux\\r\\n', 'a=rtcp-mux\\r\\na=ptime:{ptime}\\r\\n']] }}"
    ));
    page_hears(&visit.page)?;
    let (at_halloo, at_page) = packets_a_second(&visit.page);
    for (who, packets) in [("halloo", at_halloo), ("the page", at_page)] {
        if !(0.9 * rate..1.1 * rate).contains(&packets) {
            return Err(format!("{who} gets {packets} packets/s of {ptime} ms"));
        }
    }
    visit.hang_up();
    halloo_heard(&visit.file, HALF)
}

/// RFC 7587 section 3.1.3: in silence a packet now and then, and not a gap when speech goes on.
pub fn pauses<B: Browses>(stage: &Stage, browser: &Rc<B>) -> Outcome {
    let file = tone_with_pause();
    let input = format!("file:{}", file.display());
    let mut visit = stage.visit_by(browser, &["--dtx", "--input", &input]);
    visit.calls("{ edits: [['useinbandfec=1', 'useinbandfec=1;usedtx=1']] }");
    let answer = opus(&visit.page);
    assert!(answer.iter().any(|one| one == "usedtx=1"), "{answer:?}");

    // Both fall silent, the page by itself and halloo by its file.
    visit.page.evaluate("loudness.value = 0.5");
    visit.page.pass(1.5);
    let concealed =
        |visit: &Visit<B>| received(&visit.page, "halloos()", "concealedSamples").as_u64().unwrap();
    let before = concealed(&visit);
    visit.page.evaluate("loudness.value = 0");
    let level =
        "halloos().then((all) => all.find(({ type }) => type === 'media-source').audioLevel";
    visit.page.wait_for(&format!("{level} === 0)"));
    visit.page.pass(1.0);
    let (at_halloo, at_page) = packets_a_second(&visit.page);
    for (who, packets) in [("the page", at_halloo), ("halloo", at_page)] {
        if !(1.0..12.0).contains(&packets) {
            return Err(format!("{who} sends {packets} packets/s of silence"));
        }
    }
    let concealed = concealed(&visit) - before;
    if concealed >= 4_800 {
        return Err(format!("a pause is no loss: {concealed} samples"));
    }

    // Both speak again.
    visit.page.wait_for(&format!("{level} > 0.01)"));
    visit.page.evaluate("loudness.value = 0.5");
    visit.page.pass(1.0);
    page_hears(&visit.page)?;
    visit.hang_up();
    is_tone("halloo", &Recording::read(&visit.file).last(1.7).between(0.0, 1.5), THEIRS, HALF)
}

/// Two seconds of halloo's tone, twelve of silence, and the tone again.
fn tone_with_pause() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tone-with-pause.wav");
    let mut sound = Recording::tone(f64::from(OURS), 0.3, 40.0, 48_000);
    sound.samples[2 * 48_000..14 * 48_000].fill(0.0);
    sound.write(&path);
    path
}

/// RFC 7587 section 3.3, with a fifth of the packets lost on purpose.
///
/// libopus takes a tone for music, and then carries no copies until more than 8 % are reported lost. A report
/// speaks of 50 to 300 packets only: at a tenth, one after another says 8.
pub fn copies<B: Browses>(stage: &Stage, browser: &Rc<B>, fec: bool) -> Outcome {
    let more: &[&str] = if fec { &[] } else { &["--no-fec"] };
    let mut visit = stage.visit_by(browser, &[&["--impair", "loss=20%,seed=3"], more].concat());
    let edit = "edits: [['useinbandfec=1', 'useinbandfec=0']]";
    visit.calls(&if fec { "{}".to_owned() } else { format!("{{ {edit} }}") });
    let answer = opus(&visit.page);
    let flag = format!("useinbandfec={}", u8::from(fec));
    assert!(answer.contains(&flag), "{answer:?}");

    // They begin once losses were reported, and heeded.
    for (who, report) in [("the page", "halloos()"), ("halloo", "theirs()")] {
        let figures = |test: &str| {
            format!(
                "{report}.then((all) => all.find(({{ type }}) => type === 'inbound-rtp'){test})"
            )
        };
        if fec {
            visit.page.wait_for(&figures(".fecPacketsReceived > 20"));
        } else {
            visit.page.wait_for(&figures(".packetsReceived > 300"));
            let copies = received(&visit.page, report, "fecPacketsReceived");
            assert_eq!(copies, 0, "{who} sends copies");
        }
    }
    let lost = received(&visit.page, "halloos()", "packetsLost");
    assert!(lost.as_u64().unwrap() > 10, "{lost}");
    visit.hang_up();
    Ok(())
}

/// RFC 7587 section 7: `wishes` offer both `stereo` and `sprop-stereo`.
pub fn left_and_right<B: Browses>(stage: &Stage, browser: &Rc<B>, wishes: &str) -> Outcome {
    let (left, right) = (f64::from(OURS), 1_000.0);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("left-and-right.wav");
    write_stereo(&path, left, right);
    let input = format!("file:{}?loop", path.display());
    let more = ["--stereo", "--bitrate", "96000", "--input", &input];
    let mut visit: Visit<B> = stage.visit_by(browser, &more);
    visit.runs(&format!("offer(WHIP, [{THEIRS}, 660], {wishes})"));
    visit.get_connected();
    visit.page.wait_for(&format!("{REMOTE}.muted === false"));
    let heard = visit.page.hear_channels(2.0);
    assert_eq!(heard.len(), 2, "the page hears two channels");
    let ear =
        |who: &str, heard: &Recording, hz, level| is_tone(who, &heard.between(0.5, 2.0), hz, level);
    ear("the page's left ear", &heard[0], left, TONE)?;
    ear("the page's right ear", &heard[1], right, TONE)?;
    visit.hang_up();
    let heard = Recording::read_channels(&visit.file);
    assert_eq!(heard.len(), 2, "halloo records two channels");
    ear("halloo's left ear", &heard[0].after_silence(0.02), THEIRS, HALF)?;
    ear("halloo's right ear", &heard[1].after_silence(0.02), 660.0, HALF)
}

/// Ten seconds of a tone for each ear, as loud as halloo's own.
fn write_stereo(path: &Path, left: f64, right: f64) {
    let [left, right] = [left, right].map(|hz| Recording::tone(hz, 0.3, 10.0, 48_000));
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for (left, right) in left.samples.iter().zip(&right.samples) {
        for sample in [left, right] {
            #[expect(clippy::cast_possible_truncation, reason = "it is below full scale")]
            writer.write_sample((sample * 32_767.0) as i16).unwrap();
        }
    }
    writer.finalize().unwrap();
}
