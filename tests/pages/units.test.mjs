// The page's pure functions, by node's own test runner. `tests/web.rs` runs it.

import assert from "node:assert/strict";
import { test } from "node:test";

const { answerToRestart, directionOf, fragmentOf } = await import("../../web/sdp.js");
const { Unheard, placeAmongTabs, readEvents } = await import("../../web/events.js");
const { Trickle } = await import("../../web/trickle.js");
const { Figures, Quiet, figuresOf } = await import("../../web/figures.js");
const words = await import("../../web/words.js");

const sdp = (...lines) => lines.map((line) => `${line}\r\n`).join("");
const THEIRS = sdp(
  "v=0",
  "a=group:BUNDLE 0",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=mid:0",
  "a=ice-ufrag:olde",
  "a=ice-pwd:oldpasswordoldpasswordol",
  "a=ice-options:trickle",
  "a=setup:actpass",
  "a=candidate:1 1 udp 1 10.0.0.1 1 typ host",
  "a=end-of-candidates",
  "a=sendonly",
);

test("an answer to a restart is the old description with the new ICE session", () => {
  const fragment = sdp(
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "a=mid:0",
    "a=ice-ufrag:newf",
    "a=ice-pwd:newpasswordnewpasswordne",
    "a=candidate:1 1 udp 1 10.0.0.2 2 typ host",
    "a=end-of-candidates",
  );
  const answer = answerToRestart(THEIRS, fragment, "active");
  assert.match(answer, /a=ice-ufrag:newf\r\na=ice-pwd:newpasswordnewpasswordne\r\na=candidate:1 1 udp 1 10.0.0.2/);
  assert.doesNotMatch(answer, /olde|10\.0\.0\.1/);
  assert.equal(answer.match(/end-of-candidates/g).length, 1);
  // An answer may not leave the role open, and a running call keeps it.
  assert.match(answer, /a=setup:passive\r\n/);
  assert.match(answerToRestart(THEIRS, fragment, "passive"), /a=setup:active\r\n/);
  assert.throws(() => answerToRestart(THEIRS, "a=mid:0\r\n", "active"), /without ice-ufrag/);
});

test("a fragment names its session and its section", () => {
  const fragment = fragmentOf(THEIRS, ["a=candidate:x"]);
  assert.equal(
    fragment,
    sdp(
      "a=group:BUNDLE 0",
      "a=ice-options:trickle",
      "m=audio 9 UDP/TLS/RTP/SAVPF 111",
      "a=mid:0",
      "a=ice-ufrag:olde",
      "a=ice-pwd:oldpasswordoldpasswordol",
      "a=candidate:x",
    ),
  );
});

test("a direction that is not told is both ways", () => {
  assert.equal(directionOf(THEIRS), "sendonly");
  assert.equal(directionOf("v=0\na=inactive\n"), "inactive");
  assert.equal(directionOf("v=0\n"), "sendrecv");
});

const streamOf = (...parts) =>
  new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part));
      controller.close();
    },
  });

test("events are read however they are cut, and comments are none", async () => {
  const seen = [];
  const body = streamOf('data: {"t":1', ',"event":"a"}\n', '\n:\n\ndata: {"t":2,"event":"b"}\n\ndata: {"t":3');
  for await (const event of readEvents(body)) seen.push(event.event);
  assert.deepEqual(seen, ["a", "b"]);
});

test("a story told twice is heard once", () => {
  const unheard = new Unheard();
  const story = [1, 1, 2].map((t, n) => ({ t, event: `e${n}` }));
  assert.deepEqual(story.map((event) => unheard.has(event)), [true, true, true]);
  assert.deepEqual(story.map((event) => unheard.has({ ...event })), [false, false, false]);
  assert.equal(unheard.has({ t: 2, event: "new, at the same time" }), true);
});

test("four tabs follow their calls, a fifth waits for its turn", async (t) => {
  const { locks } = locksOfABrowser();
  t.after(replace(globalThis, "navigator", { locks }));
  const leave = [];
  for (let tab = 0; tab < 4; tab++) leave.push(await placeAmongTabs(new AbortController().signal));
  let fifth = false;
  const waiting = placeAmongTabs(new AbortController().signal).then((done) => ((fifth = true), done));
  await new Promise(setImmediate);
  assert.equal(fifth, false);
  leave.forEach((done) => done());
  (await waiting)();
});

/** As much of the Web Locks API as the page uses. */
function locksOfABrowser() {
  const tails = new Map();
  return {
    locks: {
      async request(name, { ifAvailable }, callback) {
        if (ifAvailable && tails.has(name)) return callback(null);
        const before = tails.get(name);
        const done = Promise.resolve(before).then(() => callback({ name }));
        tails.set(name, done);
        await done;
        if (tails.get(name) === done) tails.delete(name);
      },
    },
  };
}

function replace(object, name, value) {
  const before = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { value, configurable: true });
  return () => (before ? Object.defineProperty(object, name, before) : delete object[name]);
}

test("candidates wait for their session, and those of an old one are not sent", async () => {
  const sent = [];
  const trickle = new Trickle(async (fragment) => sent.push(fragment));
  const found = (ufrag, n) => ({ candidate: `candidate:${n}`, usernameFragment: ufrag });
  trickle.add(found("olde", 1));
  trickle.add({ candidate: "", usernameFragment: "olde" });
  assert.deepEqual(sent, []);
  trickle.start(THEIRS);
  await new Promise(setImmediate);
  assert.match(sent[0], /a=ice-ufrag:olde\r\n.*\r\na=candidate:1\r\n$/s);
  trickle.pause();
  trickle.add(found("olde", 2));
  trickle.add(found("newf", 3));
  trickle.start(THEIRS.replaceAll("olde", "newf"));
  trickle.add(null);
  await new Promise(setImmediate);
  assert.equal(sent.length, 3);
  assert.match(sent[1], /a=ice-ufrag:newf.*a=candidate:3\r\n$/s);
  assert.doesNotMatch(sent[1], /candidate:2/);
  assert.match(sent[2], /a=end-of-candidates\r\n$/);
});

const report = (...all) => new Map(all.map((one) => [one.id, one]));

test("figures are those of the last second", () => {
  const inbound = (received, lost, emitted, delay) => ({
    id: "in", type: "inbound-rtp", kind: "audio", packetsReceived: received, packetsLost: lost,
    jitter: 0.002, jitterBufferEmittedCount: emitted, jitterBufferDelay: delay, codecId: "c",
  });
  const rest = [
    { id: "t", type: "transport", selectedCandidatePairId: "p" },
    { id: "p", type: "candidate-pair", currentRoundTripTime: 0.03, localCandidateId: "l" },
    { id: "c", type: "codec", mimeType: "audio/opus" },
  ];
  const figures = figuresOf(report(inbound(145, 5, 96_000, 4_000), ...rest), inbound(100, 0, 48_000, 1_600));
  assert.equal(figures.loss, 0.1);
  assert.equal(figures.delay, 0.05);
  assert.equal(figures.roundTrip, 0.03);
  assert.equal(figures.codec.mimeType, "audio/opus");
  // Firefox marks the pair itself.
  const firefox = { id: "p", type: "candidate-pair", selected: true, currentRoundTripTime: 0.01 };
  assert.equal(figuresOf(report(inbound(1, 0, 0, 0), firefox), null).roundTrip, 0.01);
  assert.equal(figuresOf(report(), null), null);
});

test("what a report tells after the end is not shown", async () => {
  let report;
  const peer = { getStats: () => new Promise((resolve) => (report = resolve)) };
  const told = [];
  const tell = { figures: (all) => told.push(all), quiet: (is) => told.push(is) };
  const figures = new Figures(peer, tell, () => true);
  figures.start();
  figures.stop();
  report(new Map());
  await new Promise(setImmediate);
  figures.start();
  assert.deepEqual(told, [], "neither that one nor another");
});

test("quiet is where packets stop for six seconds though they should come", () => {
  const quiet = new Quiet();
  const at = (seconds, packets, expected = true) => quiet.is(packets, 1_000 * seconds, expected);
  assert.deepEqual([0, 1, 6].map((second) => at(second, 50)), [false, false, true]);
  assert.equal(at(7, 51), false);
  assert.equal(at(12.9, 51), false);
  assert.equal(at(13, 51), true);
  assert.equal(at(14, 51, false), false, "on hold");
  assert.equal(at(19, 51), false);
  assert.equal(at(20, 51), true);
});

test("each refusal says what to do", () => {
  const { refusal } = words;
  const said = (status, problem, retryAfter, hadToken = false) => {
    const failure = refusal(status, problem, retryAfter, hadToken);
    return `${failure.message} ${failure.advice}`;
  };
  assert.match(said(401, {}, null), /who know its token/);
  assert.match(said(401, {}, null, true), /not its token/);
  assert.match(said(403, { title: "The call was declined" }), /halloo declined the call/);
  assert.match(said(403, { title: "This page may not call here", detail: "why" }), /from here: why\./);
  assert.match(said(406, { detail: "why" }), /no sound .*: why\./);
  assert.match(said(503, {}, "60"), /cannot take the call now. Try again in a minute/);
  assert.match(said(429, {}, "5"), /in 5 seconds/);
  assert.match(said(503, { title: "Nobody answered" }, "300"), /Nobody answered. Try again in 5 minutes/);
  assert.match(said(503, {}, null), /Try again soon/);
  assert.match(said(500, { title: "This machine can't take the call" }), /can't take the call/);
  assert.match(said(502, {}), /error 502/);
});

test("no way through says what was tried", () => {
  const without = words.noWay({ local: ["host", "host", "srflx"], remote: [] });
  assert.match(without.advice, /browser: 2 own, 1 seen from outside; of halloo: none/);
  assert.match(without.advice, /TURN server is needed/);
  assert.doesNotMatch(words.noWay({ local: ["relay"], remote: ["host"] }).advice, /TURN|halloo says/);
});

test("what would help is what halloo names, and a guess only where it names nothing", () => {
  const tried = { local: ["host"], remote: ["host"] };
  const told = words.noWay(tried, { reason: "no way", remedy: "open_firewall" }).advice;
  assert.match(told, /halloo says: no way\. Let UDP through/);
  assert.doesNotMatch(told, /may be in between/);
  for (const remedy of [undefined, "of_tomorrow", "toString"]) {
    assert.match(words.noWay(tried, { reason: "no way", remedy }).advice, /no way\. A firewall .* is needed/);
    assert.equal(words.endOf({ end: "failed", step: "dtls", reason: "so", remedy }).failure.advice, "");
  }
  const broken = { end: "failed", step: "ice", reason: "gone", remedy: "check_network" };
  assert.match(words.endOf(broken).failure.advice, /network on both sides/);
});

test("each end and each hold is told apart", () => {
  assert.equal(words.endOf({ end: "hung_up" }).words[0], "halloo hung up.");
  assert.equal(words.endOf({ end: "hung_up_by_peer" }).state, "ended");
  assert.match(words.endOf({ end: "failed", step: "ice", reason: "gone" }).failure.message, /hears nothing.*gone/);
  const held = (here, there) => words.wordsFor("connected", { held: { here, there } }).join(" ");
  assert.match(held(true, false), /Press Resume/);
  assert.match(held(false, true), /halloo put you on hold/);
  assert.match(held(true, true), /Here and there/);
  assert.match(held(false, false), /You are talking/);
  assert.match(words.wordsFor("connected", { muted: true })[0], /muted/);
  assert.match(words.wordsFor("connected", { muted: true, unheard: true })[0], /muted/);
  assert.match(words.wordsFor("connected", { unheard: true })[0], /does not hear you/);
  assert.match(words.wordsFor("connected", { quiet: true, unheard: true })[0], /No sound comes/);
  assert.match(words.wordsFor("interrupted", { quiet: true })[0], /Nothing arrives/);
  assert.match(words.wordsFor("connected", { quiet: true, held: { there: true } })[0], /on hold/);
});

test("each trouble with the microphone is told apart", () => {
  const said = (name) => words.failureOf(new DOMException("no", name)).message;
  assert.match(said("NotAllowedError"), /refused/);
  assert.match(said("NotFoundError"), /No microphone/);
  assert.match(said("NotReadableError"), /no sound/);
  assert.match(words.unreachable(false).advice, /offline/);
});
