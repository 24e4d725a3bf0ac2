// How well a call goes, once a second, by what the browser itself measures (W3C webrtc-stats).
//
// `figuresOf` is a pure function of two reports, `Quiet` knows no clock; both are tested in
// `tests/pages/`. Comes from `call.js`; shown by `view.js`.

/** So long without a packet is worth a word; a broken way, which has words of its own, shows sooner. */
const QUIET = 6_000;

export class Figures {
  #peer;
  #told;
  #quiet = new Quiet();
  #expected;
  #timer = null;
  #stopped = false;
  #before = null;

  /**
   * `told.figures` is told those of each second, `told.quiet` whether sound that `expected()` says
   * should come does not.
   */
  constructor(peer, told, expected) {
    this.#peer = peer;
    this.#told = told;
    this.#expected = expected;
  }

  start() {
    if (this.#stopped) return;
    this.#timer ??= setInterval(() => this.#look(), 1_000);
    this.#look();
  }

  /** For good: a report that is still on its way is not told any more. */
  stop() {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  async #look() {
    const report = await this.#peer.getStats();
    if (this.#stopped) return;
    const figures = figuresOf(report, this.#before);
    if (figures) this.#told.figures(figures);
    this.#before = inboundOf(report) ?? this.#before;
    const packets = this.#before?.packetsReceived ?? 0;
    this.#told.quiet(this.#quiet.is(packets, performance.now(), this.#expected()));
  }
}

/** Whether nothing has come for a while, though it should; to be asked once a second. */
export class Quiet {
  #packets = 0;
  #since = null;

  is(packets, now, expected) {
    if (!expected || packets !== this.#packets) this.#since = null;
    this.#since ??= now;
    this.#packets = packets;
    return now - this.#since >= QUIET;
  }
}

const inboundOf = (report) =>
  [...report.values()].find((one) => one.type === "inbound-rtp" && one.kind === "audio");

/**
 * The figures of one report, seconds and shares; `before` is the inbound-rtp of the last one. What can't
 * be told is `undefined`. `null` while there is nothing to tell at all.
 */
export function figuresOf(report, before) {
  const all = [...report.values()];
  const inbound = inboundOf(report);
  const transport = all.find((one) => one.type === "transport");
  // Firefox has no transport, and marks the pair itself.
  const pair =
    report.get(transport?.selectedCandidatePairId) ??
    all.find((one) => one.type === "candidate-pair" && one.selected);
  if (!inbound || !pair) return null;
  return {
    roundTrip: pair.currentRoundTripTime,
    codec: report.get(inbound.codecId),
    local: report.get(pair.localCandidateId),
    remote: report.get(pair.remoteCandidateId),
    ...soundOf(inbound, before ?? inbound),
  };
}

/** What happened since `before`: a figure of the whole call would hide what is wrong now. */
function soundOf(now, before) {
  const lost = now.packetsLost - before.packetsLost;
  const sent = lost + now.packetsReceived - before.packetsReceived;
  const played = now.jitterBufferEmittedCount - before.jitterBufferEmittedCount;
  return {
    loss: sent > 0 ? Math.max(0, lost / sent) : 0,
    jitter: now.jitter,
    delay: played > 0 ? (now.jitterBufferDelay - before.jitterBufferDelay) / played : undefined,
  };
}

/** Which kinds of addresses each side had, for whoever wonders why none did. */
export function candidatesOf(report) {
  const kinds = (type) =>
    [...report.values()].filter((one) => one.type === type).map((one) => one.candidateType);
  return { local: kinds("local-candidate"), remote: kinds("remote-candidate") };
}
