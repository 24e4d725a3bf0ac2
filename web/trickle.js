// Candidates that the browser finds after its description has left (RFC 8840).
//
// They are collected and sent a few at a time: one request after another, so that they arrive in order.
// Comes from the peer connection by `call.js`; goes out by `signalling.js`.

import { fragmentOf, ufragOf } from "./sdp.js";

export class Trickle {
  #waiting = [];
  #send;
  #sdp = null;
  #busy = false;

  /** `send` brings a fragment to halloo. */
  constructor(send) {
    this.#send = send;
  }

  /** `null` means that there are no more. */
  add(candidate) {
    // The empty candidate ends the candidates of one generation; `null` follows it.
    if (candidate && !candidate.candidate) return;
    this.#waiting.push(candidate);
    this.#flush();
  }

  /** From now on they may leave. `sdp` is our description: it tells which session is current. */
  start(sdp) {
    this.#sdp = sdp;
    this.#flush();
  }

  /** A new description is being agreed on: what was found for the old one is of no use any more. */
  pause() {
    this.#sdp = null;
    this.#waiting = [];
  }

  async #flush() {
    if (!this.#sdp || this.#busy || this.#waiting.length === 0) return;
    const sdp = this.#sdp;
    const ufrag = ufragOf(sdp);
    const current = this.#waiting.splice(0).filter((one) => (one?.usernameFragment ?? ufrag) === ufrag);
    if (current.length === 0) return;
    this.#busy = true;
    const candidates = current.map((one) => (one ? `a=${one.candidate}` : "a=end-of-candidates"));
    // A lost candidate is no reason to end a call: others may do.
    await this.#send(fragmentOf(sdp, candidates)).catch((error) => {
      console.warn("halloo took no candidates:", error.message);
    });
    this.#busy = false;
    this.#flush();
  }
}
