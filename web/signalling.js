// What page and halloo say to each other by HTTP: WHIP (RFC 9725), descriptions in both directions.
//
//   offer         POST   /whip        an offer -> 201, the answer, the call's URL in Location
//   fetchOffer    POST   /whip        empty    -> 201, halloo's offer
//   answer        PATCH  the call     an answer -> 204
//   offerAgain    PATCH  the call     an offer on the running call -> 200, the answer
//   trickle       PATCH  the call     candidates -> 204
//   restart       PATCH  the call     new ICE credentials -> 200, halloo's new ones
//   events        GET    the call/events: what halloo tells, as it happens
//   hangUp        DELETE the call
//
// Text in, text out: this file knows no RTCPeerConnection. Comes from `call.js` and `negotiation.js`.

import { Unheard, placeAmongTabs, readEvents } from "./events.js";
import { Failure, refusal, unreachable } from "./words.js";

const SDP = "application/sdp";
const SDPFRAG = "application/trickle-ice-sdpfrag";
const PATCH_WITHIN = 6_000;

export class Signalling {
  #abort = new AbortController();
  #location = null;
  #etag = null;
  #token;

  /** `token` is what the person typed, if halloo asked. */
  constructor(token) {
    this.#token = token;
  }

  async offer(sdp) {
    return this.#begin({ method: "POST", headers: { "Content-Type": SDP }, body: sdp });
  }

  async fetchOffer() {
    return this.#begin({ method: "POST" });
  }

  /** A call exists from here on, and has a URL of its own. */
  async #begin(options) {
    const response = await this.#request("/whip", options);
    const location = response.headers.get("Location");
    if (response.status !== 201 || !location) {
      throw new Failure("What answered is no halloo: it sent no call back.");
    }
    this.#location = new URL(location, response.url);
    this.#etag = response.headers.get("ETag");
    return response.text();
  }

  async answer(sdp) {
    await this.#patch(SDP, sdp);
  }

  async offerAgain(sdp) {
    return (await this.#patch(SDP, sdp)).text();
  }

  async trickle(fragment) {
    await this.#patch(SDPFRAG, fragment, this.#etag);
  }

  /** RFC 9725 section 4.3.3: whatever the ICE session was, it is to be a new one. */
  async restart(fragment) {
    return (await this.#patch(SDPFRAG, fragment, "*")).text();
  }

  async #patch(type, body, ifMatch = null) {
    const headers = { "Content-Type": type };
    if (ifMatch) headers["If-Match"] = ifMatch;
    // A network that is away must not keep the next try waiting for minutes.
    const limit = AbortSignal.timeout(PATCH_WITHIN);
    const response = await this.#request(this.#location, { method: "PATCH", headers, body }, limit);
    this.#etag = response.headers.get("ETag") ?? this.#etag;
    return response;
  }

  /** The call's events until its last, across connections that break. */
  async *events() {
    const unheard = new Unheard();
    for (let wait = 500; !this.#abort.signal.aborted; wait = Math.min(2 * wait, 8_000)) {
      const leave = await placeAmongTabs(this.#abort.signal);
      try {
        const response = await this.#request(`${this.#location}/events`, {});
        for await (const event of readEvents(response.body)) {
          wait = 500;
          if (unheard.has(event)) yield event;
          if (event.event === "ended") return;
        }
      } catch (error) {
        // A call that halloo has forgotten has no more to tell. Everything else may pass.
        if (error.status === 404) yield { event: "ended", end: "forgotten" };
        if (error.status === 404) return;
      } finally {
        leave();
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  /** halloo knows that the call is over, or it is somebody else's now: nothing is to be deleted. */
  forget() {
    this.#location = null;
  }

  /** Tells halloo, and ends what else is under way. */
  async hangUp() {
    const location = this.#location;
    this.#location = null;
    this.#abort.abort();
    if (!location) return;
    // `keepalive` lets it through when the page goes away.
    const options = { method: "DELETE", keepalive: true, headers: this.#authorization() };
    await fetch(location, options).catch(() => {});
  }

  #authorization() {
    return this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
  }

  async #request(url, options, limit = null) {
    const { signal: abort } = this.#abort;
    const signal = limit ? AbortSignal.any([abort, limit]) : abort;
    const headers = { ...options.headers, ...this.#authorization() };
    let response;
    try {
      response = await fetch(url, { ...options, headers, signal });
    } catch (error) {
      throw error.name === "AbortError" ? error : unreachable(navigator.onLine);
    }
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    throw refusal(response.status, problem, response.headers.get("Retry-After"), Boolean(this.#token));
  }
}
