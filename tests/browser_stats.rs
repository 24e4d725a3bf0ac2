//! `GET /calls/ID/stats` beside the browser's own `getStats()` of the same call.
//!
//! Two programs count the same packets: what one sent the other received, byte for byte.
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
use std::collections::{BTreeMap, BTreeSet};

use common::chromium::Page;
use common::stage::on_stage;
use serde_json::Value;

/// Dictionaries by id.
struct Report(BTreeMap<String, Value>);

impl Report {
    /// From an expression that gives all of them.
    fn ask(page: &Page, expression: &str) -> Self {
        Self::of(&page.evaluate(expression))
    }

    fn of(dictionaries: &Value) -> Self {
        let entry = |entry: &Value| (entry["id"].as_str().unwrap().to_owned(), entry.clone());
        Self(dictionaries.as_array().unwrap().iter().map(entry).collect())
    }

    /// The dictionary of a type that only one has.
    fn one(&self, kind: &str) -> &Value {
        let found = self.0.values().find(|entry| entry["type"] == kind);
        found.unwrap_or_else(|| panic!("no {kind} in {:#?}", self.0))
    }

    /// What a member of a dictionary names.
    fn named(&self, entry: &Value, member: &str) -> &Value {
        let id = entry[member].as_str().unwrap_or_else(|| panic!("no {member} in {entry}"));
        self.0.get(id).unwrap_or_else(|| panic!("no {id}"))
    }

    fn selected_pair(&self) -> &Value {
        self.named(self.one("transport"), "selectedCandidatePairId")
    }
}

fn number(entry: &Value, member: &str) -> f64 {
    entry[member].as_f64().unwrap_or_else(|| panic!("no {member} in {entry}"))
}

#[test]
fn both_agree_on_who_talks_to_whom_and_how_it_goes() {
    on_stage(|stage| {
        let mut visit = stage.visit(&[]);
        visit.calls("{}");
        // Both have reported twice, so jitter and round trips are known.
        let reported =
            "(all) => all.some(({ roundTripTimeMeasurements }) => roundTripTimeMeasurements > 1)";
        visit.page.wait_for(&format!("halloos().then({reported})"));
        visit.page.wait_for(&format!("theirs().then({reported})"));
        let reports = visit.page.evaluate(
            "(async () => {
                await theirs();
                await new Promise((resolve) => setTimeout(resolve, 60)); // they keep it for 50 ms
                return [await halloos(), await theirs(), await halloos()];
            })()",
        );
        let [before, theirs, ours] = [0, 1, 2].map(|which| Report::of(&reports[which]));

        same_streams(&ours, &theirs);
        same_transport(&ours, &theirs);
        counters_in_between(&before, &theirs, &ours)?;
        figures_are_near(&before, &theirs, &ours)
    });
}

/// Who sends what to whom: the same names and numbers at both ends.
fn same_streams(ours: &Report, theirs: &Report) {
    for (from, to) in [(ours, theirs), (theirs, ours)] {
        let (sent, received) = (from.one("outbound-rtp"), to.one("inbound-rtp"));
        for member in ["ssrc", "mid", "kind"] {
            assert_eq!(sent[member], received[member], "{member}");
        }
        from.named(sent, "mediaSourceId");
        let (encoded, decoded) = (from.named(sent, "codecId"), to.named(received, "codecId"));
        for member in ["payloadType", "mimeType", "clockRate", "channels"] {
            assert_eq!(encoded[member], decoded[member], "{member}");
        }
        assert_eq!(sent["nackCount"], 0);
        to.named(received, "playoutId");
    }
    // Who offers has made a track for what it will hear, before it knows what the other calls it.
    let source = theirs.named(theirs.one("outbound-rtp"), "mediaSourceId");
    assert_eq!(source["trackIdentifier"], ours.one("inbound-rtp")["trackIdentifier"]);
}

/// ICE, DTLS and certificates: one transport, seen from its two ends.
fn same_transport(ours: &Report, theirs: &Report) {
    let (here, there) = (ours.one("transport"), theirs.one("transport"));
    for member in ["tlsVersion", "dtlsCipher", "srtpCipher", "dtlsState"] {
        assert_eq!(here[member], there[member], "{member}");
    }
    for (member, mine, yours) in
        [("dtlsRole", "client", "server"), ("iceRole", "controlled", "controlling")]
    {
        assert_eq!((&here[member], &there[member]), (&mine.into(), &yours.into()));
    }
    for (mine, yours) in [
        ("localCertificateId", "remoteCertificateId"),
        ("remoteCertificateId", "localCertificateId"),
    ] {
        let (mine, yours) = (ours.named(here, mine), theirs.named(there, yours));
        for member in ["fingerprint", "fingerprintAlgorithm", "base64Certificate"] {
            assert_eq!(mine[member], yours[member], "{member}");
        }
    }
    let (here, there) = (ours.selected_pair(), theirs.selected_pair());
    for (mine, yours) in
        [("localCandidateId", "remoteCandidateId"), ("remoteCandidateId", "localCandidateId")]
    {
        let (mine, yours) = (ours.named(here, mine), theirs.named(there, yours));
        assert_eq!((&mine["port"], &mine["protocol"]), (&yours["port"], &yours["protocol"]));
        // What a check revealed before the candidate was told, Chromium keeps to itself.
        if let Some(address) = yours.get("address").filter(|address| *address != "") {
            assert_eq!(mine["address"], *address);
        }
        assert_eq!(mine["usernameFragment"], yours["usernameFragment"]);
    }
    for pair in [here, there] {
        assert_eq!((&pair["state"], &pair["nominated"]), (&"succeeded".into(), &true.into()));
    }
}

/// What they have received lies between what we had sent before and after we asked them; a packet may
/// be under way. And what they had sent, we have received when we look again.
fn counters_in_between(before: &Report, theirs: &Report, after: &Report) -> Result<(), String> {
    let stream = |members: [&'static str; 2]| (["outbound-rtp", "inbound-rtp"], members);
    let transport = |members: [&'static str; 2]| (["transport", "transport"], members);
    for ([sending, receiving], [sent, received]) in [
        stream(["packetsSent", "packetsReceived"]),
        stream(["bytesSent", "bytesReceived"]),
        stream(["headerBytesSent", "headerBytesReceived"]),
        transport(["packetsSent", "packetsReceived"]),
        transport(["bytesSent", "bytesReceived"]),
    ] {
        let (least, most) = (number(before.one(sending), sent), number(after.one(sending), sent));
        let there = number(theirs.one(receiving), received);
        let under_way = 3.0 * most / number(after.one("outbound-rtp"), "packetsSent");
        let right = (least - under_way..=most).contains(&there);
        if !right {
            return Err(format!("{received}: they count {there}, we {least} to {most}"));
        }
        let (least, most) =
            (number(before.one(receiving), received), number(after.one(receiving), received));
        let there = number(theirs.one(sending), sent);
        let right = (least..=most + under_way).contains(&there);
        if !right {
            return Err(format!("{sent}: they count {there}, we {least} to {most}"));
        }
    }
    Ok(())
}

/// Figures that each side takes in its own way, on a cable, in a call of a few seconds.
fn figures_are_near(before: &Report, theirs: &Report, ours: &Report) -> Result<(), String> {
    let mut wrong = Vec::new();
    let mut near = |what: &str, here: f64, there: f64, most: f64| {
        if (here - there).abs() > most {
            wrong.push(format!("{what}: {here} here, {there} there"));
        }
    };
    // Who was told may not know more than the sender did, so it is asked first.
    for (from, to, told_before) in [(ours, theirs, theirs), (theirs, ours, before)] {
        let (inbound, told) = (to.one("inbound-rtp"), from.one("remote-inbound-rtp"));
        near("lost", number(inbound, "packetsLost"), number(told, "packetsLost"), 0.0);
        near("jitter", number(inbound, "jitter"), number(told, "jitter"), 0.005);
        near("a round trip", number(told, "roundTripTime"), 0.0, 0.030);
        assert_eq!(number(told, "fractionLost"), 0.0);
        let sent = number(from.one("outbound-rtp"), "packetsSent");
        let told = number(told_before.one("remote-outbound-rtp"), "packetsSent");
        assert!(told <= sent && told > sent - 400.0, "{told} of {sent}");
    }
    let mean = |report: &Report| {
        let told = report.one("remote-inbound-rtp");
        number(told, "totalRoundTripTime") / number(told, "roundTripTimeMeasurements")
    };
    near("the mean round trip", mean(ours), mean(theirs), 0.020);
    let trip = |report: &Report| number(report.selected_pair(), "currentRoundTripTime");
    near("a check's round trip", trip(ours), trip(theirs), 0.020);

    // Both began to play when the first packet came.
    let played = |report: &Report| number(report.one("inbound-rtp"), "totalSamplesDuration");
    near("seconds played", played(ours), played(theirs), 0.5);
    let concealed = |report: &Report| number(report.one("inbound-rtp"), "concealedSamples");
    near("concealed here", concealed(ours), 0.0, 2_400.0);

    // Chromium's level is that of the peak, ours of the root mean square; a sine's are 3 dB apart.
    for (from, to, factor) in [(ours, theirs, 2_f64.sqrt()), (theirs, ours, 0.5_f64.sqrt())] {
        let level = number(from.one("media-source"), "audioLevel") * factor;
        let heard = number(to.one("inbound-rtp"), "audioLevel");
        near("a level", heard, level, 0.15 * level);
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

#[test]
fn when_all_is_said_both_have_counted_the_same() {
    on_stage(|stage| {
        let mut visit = stage.visit(&[]);
        visit.calls("{}");
        let talked =
            "(all) => all.find(({ type }) => type === 'inbound-rtp')?.packetsReceived > 150";
        visit.page.wait_for(&format!("theirs().then({talked})"));
        // The page falls silent, and what it has said arrives; then it hangs up.
        let quiet = "pc.getSenders()[0].replaceTrack(null)
            .then(() => new Promise((resolve) => setTimeout(resolve, 300)))";
        visit.page.evaluate(quiet);
        visit.hang_up();
        visit.page.wait_for("pc.getSenders()[0].transport.state === 'closed'");
        visit.page.evaluate("new Promise((resolve) => setTimeout(resolve, 100))");
        let ours = Report::ask(&visit.page, "halloos()");
        let theirs = Report::ask(&visit.page, "theirs()");
        for (from, to) in [(&ours, &theirs), (&theirs, &ours)] {
            let (sent, received) = (from.one("outbound-rtp"), to.one("inbound-rtp"));
            for (here, there) in [
                ("packetsSent", "packetsReceived"),
                ("bytesSent", "bytesReceived"),
                ("headerBytesSent", "headerBytesReceived"),
            ] {
                assert_eq!(sent[here], received[there], "{here}");
            }
            assert_eq!(received["packetsLost"], 0);
        }
        Ok(())
    });
}

/// Members that Chromium has and we don't: for pictures, of its own, or of what we don't do.
const NOT_OURS: &[&str] = &[
    // Candidates: which kind of network.
    "isRemote ip networkType",
    // No estimate of bandwidth, no ECN.
    "availableOutgoingBitrate packetsDiscardedOnSend bytesDiscardedOnSend ccfbMessagesSent
    ccfbMessagesReceived packetsReceivedWithEct1 packetsReceivedWithCe packetsReportedAsLost
    packetsReportedAsLostButRecovered packetsSentWithEct1 packetsWithBleachedEct1Marking",
    // Its own, without a place in the W3C's text, or without it any more.
    "priority mediaType jitterBufferFlushes delayedPacketOutageSamples relativePacketArrivalDelay
    interruptionCount totalInterruptionDuration writable",
];

#[test]
fn no_member_that_a_browser_has_for_sound_is_missing() {
    on_stage(|stage| {
        let mut visit = stage.visit(&[]);
        visit.calls("{}");
        let reported =
            "(all) => all.some(({ roundTripTimeMeasurements }) => roundTripTimeMeasurements > 0)";
        visit.page.wait_for(&format!("halloos().then({reported})"));
        visit.page.wait_for(&format!("theirs().then({reported})"));
        let (ours, theirs) = (members(&visit.page, "halloos()"), members(&visit.page, "theirs()"));
        let mut missing = Vec::new();
        let excused: BTreeSet<_> =
            NOT_OURS.iter().flat_map(|text| text.split_whitespace()).collect();
        for (kind, names) in &theirs {
            if kind == "peer-connection" {
                continue; // data channels, of which we have none
            }
            let have = ours.get(kind).unwrap_or_else(|| panic!("no {kind}"));
            let names = names.difference(have).filter(|name| !excused.contains(name.as_str()));
            missing.extend(names.map(|name| format!("{kind}.{name}")));
        }
        assert_eq!(missing, Vec::<String>::new());
        Ok(())
    });
}

/// Names of members by type.
fn members(page: &Page, report: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut members = BTreeMap::<String, BTreeSet<String>>::new();
    for entry in Report::ask(page, report).0.values() {
        let names = entry.as_object().unwrap().keys().cloned();
        members.entry(entry["type"].as_str().unwrap().to_owned()).or_default().extend(names);
    }
    members
}
