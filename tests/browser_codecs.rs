//! What a browser may ask for: codecs, packet lengths, pauses, repair, two channels, in whatever order.
//!
//! A foreign page calls (`tests/pages/foreign.html`), and both must hear each other. What is agreed on is
//! judged by what then happens: packets a second, bytes, copies, pitch in each ear.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub)]

mod common {
    pub mod chromium;
    pub mod halloo;
    pub mod listen;
    pub mod namespace;
    pub mod skip;
    pub mod stage;
    pub mod stall;
}
use std::path::{Path, PathBuf};

use common::listen::Recording;
use common::stage::{
    HALF, OURS, REMOTE, THEIRS, TONE, Visit, halloo_heard, is_tone, lines, on_stage,
    on_stage_for_each, page_hears,
};
use serde_json::Value;

/// Packets a second that halloo receives and the page does, over two seconds.
fn packets_a_second(visit: &Visit) -> (f64, f64) {
    let rates = visit.page.evaluate(
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

/// A member of the only dictionary of this type; `report` is `halloos()` or `theirs()`.
fn stat(visit: &Visit, report: &str, kind: &str, member: &str) -> Value {
    visit.page.evaluate(&format!(
        "{report}.then((all) => all.find(({{ type }}) => type === '{kind}').{member})"
    ))
}

/// The codec of what the page hears, and of what halloo does.
fn codecs(visit: &Visit) -> [Value; 2] {
    ["theirs()", "halloos()"].map(|report| {
        visit.page.evaluate(&format!(
            "{report}.then((all) => {{
                const {{ codecId }} = all.find(({{ type }}) => type === 'inbound-rtp');
                return all.find(({{ id }}) => id === codecId).mimeType;
            }})"
        ))
    })
}

#[test]
fn g711_or_g722_alone_will_do() {
    on_stage_for_each(&["PCMU", "PCMA", "G722"], |stage, browser, law| {
        let mut visit = stage.visit_by(browser, &[]);
        visit.calls(&format!("{{ codecs: ['{law}'] }}"));
        page_hears(&visit.page)?;
        assert_eq!(codecs(&visit), [format!("audio/{law}"), format!("audio/{law}")]);
        visit.hang_up();
        halloo_heard(&visit.file, HALF)
    });
}

#[test]
fn our_own_order_of_codecs_counts_when_it_was_asked_for() {
    on_stage(|stage| {
        let mut visit = stage.visit(&["--codec", "pcma", "--codec", "opus"]);
        visit.calls("{}");
        page_hears(&visit.page)?;
        assert_eq!(codecs(&visit), ["audio/PCMA", "audio/PCMA"]);
        visit.hang_up();
        halloo_heard(&visit.file, HALF)
    });
}

/// RFC 2198: halloo doesn't ask for copies outside of Opus, and so gets none.
#[test]
fn red_in_front_of_the_offer_is_left_out_of_the_answer() {
    on_stage(|stage| {
        let mut visit = stage.visit(&[]);
        visit.calls("{ codecs: ['red', 'opus', 'PCMU'] }");
        let offered = lines(&visit.page.evaluate("offered"), "m=audio")[0].clone();
        assert_eq!(offered.split(' ').nth(3), Some("63"), "{offered}: RED is first");
        assert_eq!(lines(&visit.page.evaluate("answered"), "a=rtpmap:63"), Vec::<String>::new());
        page_hears(&visit.page)?;
        assert_eq!(codecs(&visit), ["audio/opus", "audio/opus"]);
        visit.hang_up();
        halloo_heard(&visit.file, HALF)
    });
}

/// RFC 9429 section 4.1.1: for those who know no BUNDLE, Chromium gathers candidates for each section.
#[test]
fn sections_with_a_transport_each_may_be_offered() {
    on_stage(|stage| {
        let mut visit = stage.visit(&[]);
        let policy = "configuration: { bundlePolicy: 'max-compat' }";
        visit.calls(&format!("{{ wait: true, video: true, channel: true, {policy} }}"));
        let candidates = lines(&visit.page.evaluate("offered"), "a=candidate:");
        let udp = candidates.iter().filter(|line| line.contains(" udp "));
        let mut ports: Vec<_> = udp.filter_map(|line| line.split(' ').nth(5)).collect();
        ports.dedup();
        assert_eq!(ports.len(), 3, "a socket for each section: {candidates:?}");
        visit.both_hear()
    });
}

/// An answer's `a=ptime` is obeyed by Chromium, and its offer's by us.
#[test]
fn packets_are_as_long_as_was_agreed() {
    on_stage_for_each(&[("10", 100.0), ("60", 1_000.0 / 60.0)], |stage, browser, (ptime, rate)| {
        let mut visit = stage.visit_by(browser, &["--frame", ptime]);
        visit.calls(&format!(
            "{{ edits: [['a=rtcp-mux\\r\\n', 'a=rtcp-mux\\r\\na=ptime:{ptime}\\r\\n']] }}"
        ));
        page_hears(&visit.page)?;
        let (at_halloo, at_page) = packets_a_second(&visit);
        for (who, packets) in [("halloo", at_halloo), ("the page", at_page)] {
            if !(0.9 * rate..1.1 * rate).contains(&packets) {
                return Err(format!("{who} gets {packets} packets/s of {ptime} ms"));
            }
        }
        visit.hang_up();
        halloo_heard(&visit.file, HALF)
    });
}

/// RFC 7587 section 3.1.3: in silence a packet now and then, and not a gap when speech goes on.
#[test]
fn pauses_are_not_sent_where_that_was_agreed() {
    on_stage(|stage| {
        let file = tone_with_pause();
        let input = format!("file:{}", file.display());
        let mut visit = stage.visit(&["--dtx", "--input", &input]);
        visit.calls("{ edits: [['useinbandfec=1', 'useinbandfec=1;usedtx=1']] }");
        let answer = lines(&visit.page.evaluate("answered"), "a=fmtp:111 ");
        assert!(answer[0].contains("usedtx=1"), "{answer:?}");

        // Both fall silent, the page by itself and halloo by its file.
        let concealed_so_far = |visit: &Visit| {
            stat(visit, "halloos()", "inbound-rtp", "concealedSamples").as_u64().unwrap()
        };
        let before = concealed_so_far(&visit);
        visit.page.wait_for("performance.now() > 0 && (loudness.value = 0.5) && true");
        visit.page.evaluate("new Promise((resolve) => setTimeout(resolve, 1500))");
        visit.page.evaluate("loudness.value = 0");
        let level =
            "halloos().then((all) => all.find(({ type }) => type === 'media-source').audioLevel";
        visit.page.wait_for(&format!("{level} === 0)"));
        visit.page.evaluate("new Promise((resolve) => setTimeout(resolve, 1000))");
        let (at_halloo, at_page) = packets_a_second(&visit);
        assert!(
            (1.0..12.0).contains(&at_halloo),
            "the page sends {at_halloo} packets/s of silence"
        );
        assert!((1.0..12.0).contains(&at_page), "halloo sends {at_page} packets/s of silence");
        let concealed = concealed_so_far(&visit) - before;
        if concealed >= 4_800 {
            return Err(format!("a pause is no loss: {concealed} samples were made up"));
        }

        // Both speak again.
        visit.page.wait_for(&format!("{level} > 0.01)"));
        visit.page.evaluate("loudness.value = 0.5");
        visit.page.evaluate("new Promise((resolve) => setTimeout(resolve, 1000))");
        page_hears(&visit.page)?;
        visit.hang_up();
        is_tone("halloo", &Recording::read(&visit.file).last(1.7).between(0.0, 1.5), THEIRS, HALF)
    });
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
#[test]
fn copies_are_sent_where_the_receiver_can_use_them() {
    on_stage_for_each(
        &[(true, &[][..]), (false, &["--no-fec"][..])],
        |stage, browser, (fec, more)| {
            let more = [&["--impair", "loss=20%,seed=3"], more].concat();
            let mut visit = stage.visit_by(browser, &more);
            let edit = "edits: [['useinbandfec=1', 'useinbandfec=0']]";
            visit.calls(&if fec { "{}".to_owned() } else { format!("{{ {edit} }}") });
            let answer = lines(&visit.page.evaluate("answered"), "a=fmtp:111 ");
            let flag = format!("useinbandfec={}", u8::from(fec));
            assert!(answer[0].contains(&flag), "{answer:?}");

            // They begin once losses were reported, and heeded.
            let found = "find(({ type }) => type === 'inbound-rtp')";
            for (who, report) in [("the page", "halloos()"), ("halloo", "theirs()")] {
                let figures = format!("{report}.then((all) => all.{found})");
                if fec {
                    let many = "({ fecPacketsReceived }) => fecPacketsReceived > 20";
                    visit.page.wait_for(&format!("{figures}.then({many})"));
                } else {
                    let many = "({ packetsReceived }) => packetsReceived > 300";
                    visit.page.wait_for(&format!("{figures}.then({many})"));
                    let copies = stat(&visit, report, "inbound-rtp", "fecPacketsReceived");
                    assert_eq!(copies, 0, "{who} sends copies");
                }
            }
            let lost = stat(&visit, "halloos()", "inbound-rtp", "packetsLost");
            assert!(lost.as_u64().unwrap() > 10, "{lost}");
            visit.hang_up();
            Ok(())
        },
    );
}

#[test]
fn left_stays_left_and_right_stays_right() {
    on_stage(|stage| {
        let (left, right) = (f64::from(OURS), 1_000.0);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("left-and-right.wav");
        write_stereo(&path, left, right);
        let input = format!("file:{}?loop", path.display());
        let mut visit = stage.visit(&["--stereo", "--bitrate", "96000", "--input", &input]);
        let both = "edits: [['useinbandfec=1', 'useinbandfec=1;stereo=1;sprop-stereo=1']]";
        visit.runs(&format!("offer(WHIP, [{THEIRS}, 660], {{ {both} }})"));
        visit.get_connected();
        visit.page.wait_for(&format!("{REMOTE}.muted === false"));
        let heard = visit.page.record_channels(REMOTE, 2.0);
        assert_eq!(heard.len(), 2, "the page hears two channels");
        let ear = |who: &str, heard: &Recording, hz, level| {
            is_tone(who, &heard.between(0.5, 2.0), hz, level)
        };
        ear("the page's left ear", &heard[0], left, TONE)?;
        ear("the page's right ear", &heard[1], right, TONE)?;
        visit.hang_up();
        let heard = Recording::read_channels(&visit.file);
        assert_eq!(heard.len(), 2, "halloo records two channels");
        ear("halloo's left ear", &heard[0].after_silence(0.02), THEIRS, HALF)?;
        ear("halloo's right ear", &heard[1].after_silence(0.02), 660.0, HALF)
    });
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
