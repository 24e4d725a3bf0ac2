// A call whose way through the network breaks gets another one: an ICE restart, again and again.
//
//   disconnected --1 s--> interrupted: restart, and every 4 s until a way is found
//   failed -------------> the same, at once
//   connected ----------> all is well
//   30 s after the last sign of life: lost. By then each side must stop to send (RFC 7675 section 5.1).
//
// And when the computer changes networks, the call moves with it before anything has broken.
//
// Comes from `call.js`; restarts by `negotiation.js`.

const UNNOTICED = 1_000;
const BETWEEN = 4_000;
const CONSENT = 30_000;

export class Recovery {
  #restart;
  #told;
  #timer = null;
  #lostAt = null;
  #busy = false;
  #stop = new AbortController();

  /** `restart` looks for a new way; `told.interrupted()` and `told.lost()` hear how it goes. */
  constructor(restart, told) {
    this.#restart = restart;
    this.#told = told;
  }

  /** From the first connection on. */
  watch() {
    const { signal } = this.#stop;
    window.addEventListener("online", () => this.#move(), { signal });
    // It changes with every estimate of the speed, too; only another kind of network is news.
    const { connection } = navigator;
    let kind = connection?.type;
    const changed = () => {
      if (connection.type !== kind) this.#move();
      kind = connection.type;
    };
    connection?.addEventListener?.("change", changed, { signal });
  }

  /** The state of ICE, as the browser tells it. */
  changed(state) {
    if (this.#stop.signal.aborted) return;
    if (state === "connected" || state === "completed") {
      clearTimeout(this.#timer);
      this.#timer = this.#lostAt = null;
    }
    if (state === "disconnected" && !this.#timer) this.#in(UNNOTICED);
    if (state === "failed" && !this.#lostAt) this.#in(0);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#stop.abort();
  }

  #in(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#try(), milliseconds);
  }

  #try() {
    this.#lostAt ??= performance.now();
    if (performance.now() - this.#lostAt > CONSENT) return this.#told.lost();
    this.#told.interrupted();
    this.#in(BETWEEN);
    this.#move();
  }

  async #move() {
    if (this.#busy) return;
    this.#busy = true;
    // It may fail as the call does: the network is away. The next try may not.
    await this.#restart().catch((error) => console.warn("no new way yet:", error.message));
    this.#busy = false;
  }
}
