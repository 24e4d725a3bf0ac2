// Who sends what to whom, where, and encrypted with which key: the two descriptions of a call.
//
//   call      the page offers, halloo answers
//   answer    halloo offers (`halloo call tab`), the page answers
//   hold      the page offers anew on the running call: another direction
//   restart   the page offers a new ICE session: another way through the network
//   takeOffer halloo offers anew
//
// Both may offer at the same moment ("glare"). Then one has to give way, and it is this page: halloo
// answers 409, the page takes its own offer back (`rollback`), answers halloo's and tries again. That is
// the polite side of "perfect negotiation" (W3C webrtc, section 10.7). One exchange at a time: an offer
// of halloo's that comes while ours is under way waits for its answer, be it 200 or 409.
//
// Comes from `call.js`. Read next: `sdp.js`, then `signalling.js`.

import { answerToRestart, directionOf, fragmentOf, setupOf } from "./sdp.js";

/** Milliseconds between tries; by the last one, an offer of halloo's that was in the way is long settled. */
const AGAIN_AFTER = [100, 250, 500, 1_000, 2_000];

export class Negotiation {
  #peer;
  #signalling;
  #trickle;
  #turn = Promise.resolve();
  #heldThere = false;

  constructor(peer, signalling, trickle) {
    this.#peer = peer;
    this.#signalling = signalling;
    this.#trickle = trickle;
  }

  /** The first exchange, by this page. The offer leaves at once; its candidates follow. */
  async call() {
    await this.#peer.setLocalDescription();
    const sdp = await this.#signalling.offer(this.#peer.localDescription.sdp);
    await this.#peer.setRemoteDescription({ type: "answer", sdp });
    this.#settled();
  }

  /** The first exchange, by halloo: its offer is in place, and the tracks are there. */
  async answer() {
    await this.#peer.setLocalDescription();
    await this.#signalling.answer(this.#peer.localDescription.sdp);
    this.#settled();
  }

  /** Whether sound is stopped, by either side. */
  get held() {
    return { here: this.#audio()?.direction === "inactive", there: this.#heldThere };
  }

  /** Stops sound in both directions, or lets it flow again. */
  async hold(held) {
    const transceiver = this.#audio();
    const before = transceiver.direction;
    try {
      await this.#untilTaken(async () => {
        transceiver.direction = held ? "inactive" : "sendrecv";
        await this.#offer((sdp) => this.#signalling.offerAgain(sdp));
      });
    } catch (error) {
      transceiver.direction = before;
      throw error;
    }
  }

  /** A new ICE session, in which both sides look again for a way through. Sound goes on meanwhile. */
  async restart() {
    await this.#untilTaken(() => {
      this.#peer.restartIce();
      return this.#offer(async (sdp) => {
        const fragment = await this.#signalling.restart(fragmentOf(sdp));
        const setup = setupOf(this.#peer.currentLocalDescription.sdp);
        return answerToRestart(this.#peer.currentRemoteDescription.sdp, fragment, setup);
      });
    });
  }

  async takeOffer(sdp) {
    await this.#inTurn(async () => {
      this.#trickle.pause();
      await this.#peer.setRemoteDescription({ type: "offer", sdp });
      await this.#peer.setLocalDescription();
      await this.#bring(this.#peer.localDescription.sdp);
      this.#settled();
    });
  }

  /** This answer holds here already, so it must arrive: halloo takes it twice, should the first get there. */
  async #bring(answer) {
    for (const wait of [...AGAIN_AFTER, null]) {
      try {
        return await this.#signalling.answer(answer);
      } catch (error) {
        if (error.status !== null || wait === null) throw error;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }

  /** One offer and its answer; without the answer it is as if there had been no offer. */
  async #offer(answerTo) {
    const peer = this.#peer;
    this.#trickle.pause();
    await peer.setLocalDescription();
    try {
      const sdp = await answerTo(peer.localDescription.sdp);
      await peer.setRemoteDescription({ type: "answer", sdp });
    } catch (error) {
      if (peer.signalingState === "have-local-offer") {
        await peer.setLocalDescription({ type: "rollback" });
      }
      throw error;
    } finally {
      if (peer.currentLocalDescription) this.#settled();
    }
  }

  #settled() {
    const { currentLocalDescription: ours, currentRemoteDescription: theirs } = this.#peer;
    // An answer to "nothing, please" says nothing about what halloo itself would like.
    if (theirs.type === "offer" || directionOf(ours.sdp) === "sendrecv") {
      this.#heldThere = ["sendonly", "inactive"].includes(directionOf(theirs.sdp));
    }
    this.#trickle.start(ours.sdp);
  }

  #audio() {
    return this.#peer.getTransceivers()[0];
  }

  async #untilTaken(exchange) {
    for (const wait of [...AGAIN_AFTER, null]) {
      try {
        return await this.#inTurn(exchange);
      } catch (error) {
        if (error.status !== 409 || wait === null) throw error;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }

  #inTurn(exchange) {
    const done = this.#turn.then(exchange);
    this.#turn = done.catch(() => {});
    return done;
  }
}
