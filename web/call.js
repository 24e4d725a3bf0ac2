// One call, from the press of the button to its end: the middle of the page.
//
//   start   microphone -> offer -> answer -> ICE and DTLS -> sound        the page calls
//   ring    halloo's offer -> the person answers -> microphone -> answer  the page is called
//
// The call says what happens by `tell(state, { failure, words })` and asks nobody; what the person sees
// is `view.js`. When halloo hangs up, its DTLS close_notify closes the transport: `connectionState`
// hears of it only much later, so the transport itself is watched.
//
// Read next: `negotiation.js`, then `recovery.js`.

import { Figures, candidatesOf } from "./figures.js";
import { Negotiation } from "./negotiation.js";
import { Recovery } from "./recovery.js";
import { Signalling } from "./signalling.js";
import { openMicrophone, stop } from "./sound.js";
import { Trickle } from "./trickle.js";
import { Failure, TokenWanted, UNPLUGGED, UNTRUSTED, endOf, failureOf, noWay } from "./words.js";

/** By DTLS a call is over at once; by HTTP halloo says why, a moment later. */
const REASON_WITHIN = 400;

export class Call {
  #peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  #signalling;
  #trickle;
  #negotiation;
  #recovery;
  #figures;
  #told;
  #microphone = null;
  #sender = null;
  #rings = false;
  #ended = false;
  #muted = false;
  /** The state that a failure leads to. */
  #failed = "failed";

  /**
   * `told` hears of the call: `state`, `held`, `phrase`, `figures`, `sound` (what is heard),
   * `microphone` (what is said), and what is missing: `quiet` (nothing comes) and `unheard` (halloo
   * hears nothing).
   */
  constructor(told, token) {
    this.#told = told;
    this.#signalling = new Signalling(token);
    this.#trickle = new Trickle((fragment) => this.#signalling.trickle(fragment));
    this.#negotiation = new Negotiation(this.#peer, this.#signalling, this.#trickle);
    this.#figures = new Figures(this.#peer, told, () => this.#expectsSound());
    this.#recovery = new Recovery(() => this.#negotiation.restart(), {
      interrupted: () => this.#tell("interrupted"),
      lost: () => this.#lose(),
    });
  }

  /** The person calls with this microphone. */
  async start(device) {
    try {
      await this.#open(device);
      if (this.#ended) return;
      this.#tell("calling");
      this.#sender = this.#prepare();
      await this.#negotiation.call();
      this.#follow();
      this.#watch();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** halloo calls: its offer is fetched, and waits for the person. */
  async ring() {
    try {
      const sdp = await this.#signalling.fetchOffer();
      await this.#peer.setRemoteDescription({ type: "offer", sdp });
      this.#rings = true;
      this.#tell("ringing");
      this.#follow();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The person takes the call that rings. */
  async answer(device) {
    try {
      this.#rings = false;
      await this.#open(device);
      if (this.#ended) return;
      this.#sender = this.#prepare();
      await this.#negotiation.answer();
      this.#watch();
    } catch (error) {
      this.#fail(error);
    }
  }

  hangUp() {
    this.#end("ended");
  }

  decline() {
    this.#end("ended", { words: ["You declined the call.", ""] });
  }

  /** The page goes away: a call that only rings may ring elsewhere, or here again. */
  leave() {
    if (this.#rings) this.#signalling.forget();
    this.#end("ended");
  }

  async hold(held) {
    await this.#negotiation.hold(held);
    this.#told.held(this.#negotiation.held);
    this.#listen();
  }

  set muted(muted) {
    this.#muted = muted;
    this.#listen();
  }

  /** Another microphone, in the middle of the call. */
  async changeMicrophone(device) {
    if (!this.#sender || this.#ended) return;
    const before = this.#microphone;
    await this.#open(device);
    if (this.#ended) return;
    await this.#sender.replaceTrack(this.#microphone.getAudioTracks()[0]);
    stop(before);
  }

  async #open(device) {
    if (!this.#microphone) this.#tell("microphone");
    const microphone = await openMicrophone(device);
    if (this.#ended) return stop(microphone);
    this.#microphone = microphone;
    // Pulled out: another one does, if there is one.
    const [track] = microphone.getAudioTracks();
    track.onended = () => this.changeMicrophone("").catch(() => this.#fail(UNPLUGGED));
    this.#listen();
    this.#told.microphone(microphone);
  }

  /** A disabled track sends silence and keeps the connection as it is. */
  #listen() {
    const silent = this.#muted || this.#negotiation.held.here;
    for (const track of this.#microphone?.getAudioTracks() ?? []) track.enabled = !silent;
  }

  /** Ready for a description of ours. */
  #prepare() {
    const peer = this.#peer;
    peer.ontrack = (event) => this.#hear(event.track);
    peer.onicecandidate = (event) => this.#trickle.add(event.candidate);
    peer.oniceconnectionstatechange = () => this.#iceChanged(peer.iceConnectionState);
    peer.onconnectionstatechange = () => this.#connectionChanged(peer.connectionState);
    // Where halloo offered, its track came with the offer, before anybody listened.
    const [theirs] = peer.getReceivers();
    if (theirs) this.#hear(theirs.track);
    return peer.addTrack(this.#microphone.getAudioTracks()[0], this.#microphone);
  }

  /** In a stream of our own: from the one that came with it, hold would take it away. */
  #hear(track) {
    this.#told.sound(new MediaStream([track]));
  }

  /** Both descriptions are there. */
  #watch() {
    const { transport } = this.#sender;
    transport.onstatechange = () => this.#transportChanged(transport.state);
    if (this.#peer.connectionState !== "connected") this.#tell("connecting");
  }

  /** What halloo tells by HTTP, from now to the end. */
  async #follow() {
    for await (const event of this.#signalling.events()) {
      if (this.#ended) return;
      // A bad event, or one that the browser does not like, does not end the call.
      await this.#happened(event).catch((error) => console.warn(event.event, error.message));
    }
  }

  async #happened(event) {
    switch (event.event) {
      case "candidate":
        return event.side === "local" ? this.#addCandidate(event.candidate) : undefined;
      case "offer":
        await this.#negotiation.takeOffer(event.sdp);
        return this.#told.held(this.#negotiation.held);
      case "connected":
        return event.phrase && this.#told.phrase(event.phrase);
      case "warning":
        return event.about === "silence" && this.#told.unheard(true);
      case "heard":
        return this.#told.unheard(false);
      case "ended":
        return this.#endedThere(event);
    }
  }

  async #addCandidate(candidate) {
    const { mid } = this.#peer.getTransceivers()[0];
    await this.#peer.addIceCandidate({ candidate, sdpMid: mid });
  }

  #endedThere(event) {
    this.#signalling.forget();
    if (this.#rings) {
      return this.#end("ended", { words: ["halloo does not call any more.", ""] });
    }
    if (event.step === "ice" && this.#failed === "failed") return this.#noWay(event);
    const { state, ...why } = endOf(event);
    this.#end(state === "broken" ? this.#failed : state, why);
  }

  #iceChanged(state) {
    // Before the first connection there is nothing to recover.
    if (this.#failed === "broken") this.#recovery.changed(state);
    else if (state === "failed") this.#noWay();
  }

  #expectsSound() {
    const { here, there } = this.#negotiation.held;
    return this.#peer.connectionState === "connected" && !here && !there;
  }

  #connectionChanged(state) {
    if (state === "failed" && this.#peer.iceConnectionState !== "failed") this.#fail(UNTRUSTED);
    if (state !== "connected" || this.#ended) return;
    if (this.#failed === "failed") this.#recovery.watch();
    this.#failed = "broken";
    this.#figures.start();
    this.#tell("connected");
  }

  #transportChanged(state) {
    if (state === "failed") this.#fail(UNTRUSTED);
    if (state !== "closed") return;
    this.#signalling.forget();
    setTimeout(() => this.#endedThere({ end: "hung_up" }), REASON_WITHIN);
  }

  async #noWay(told) {
    this.#fail(noWay(candidatesOf(await this.#peer.getStats()), told));
  }

  #lose() {
    this.#fail(new Failure("Nothing came from halloo for 30 seconds.", "Is your network there? Call again."));
  }

  #fail(error) {
    const failure = failureOf(error);
    this.#end(failure instanceof TokenWanted ? "locked" : this.#failed, { failure });
  }

  /** Ends the call, from whatever state, once. */
  #end(state, why = {}) {
    if (this.#ended) return;
    this.#ended = true;
    this.#recovery.stop();
    this.#figures.stop();
    this.#trickle.pause();
    // The goodbye first: closing would tell halloo by DTLS, and the call to be deleted would be gone.
    this.#signalling.hangUp().finally(() => this.#peer.close());
    stop(this.#microphone);
    this.#told.state(state, why);
  }

  #tell(state) {
    if (!this.#ended) this.#told.state(state, {});
  }
}
