// What the person sees: the one file that touches the page's elements.
//
// `page.js` tells it what happened; the words are those of `words.js`. Whoever can't see it hears the
// same: state and reason are live regions, levels and figures are there to be asked for.

import { wordsFor } from "./words.js";

const byId = (id) => document.getElementById(id);
const set = (id, text) => (byId(id).textContent = text);

/** What the person at the other side calls this halloo. */
const NAME = document.querySelector("meta[name=halloo-name]").content;
/** States in which no call is under way. */
const AT_REST = ["idle", "ended", "failed", "broken", "locked"];
/** States in which both sides have agreed to talk. */
const TALKING = ["connecting", "connected", "interrupted"];

export class View {
  #state = "idle";
  #flags = { muted: false, held: {}, blocked: false, quiet: false, unheard: false };
  #since = null;
  #clock = null;
  #curve = [];

  /** `isCalled`: halloo calls, so there is no Call button. */
  constructor({ isCalled }) {
    this.isCalled = isCalled;
    const isSecret = location.protocol === "https:";
    set("worth", isSecret ? ": who could change the page could change the words." : ", and it came without any.");
  }

  get isAtRest() {
    return AT_REST.includes(this.#state);
  }

  /** Another state; `words` and `failure` say more about an end. */
  show(state, { words, failure } = {}) {
    const hadFocus = document.activeElement !== document.body;
    this.#state = state;
    document.body.dataset.state = state;
    this.#time();
    this.#say(words);
    this.#showButtons();
    this.notice(failure ?? null);
    if (this.isAtRest) this.#rest();
    // Whoever uses the keyboard is not thrown back to the top when the button in focus goes.
    if (hadFocus && document.activeElement === document.body) {
      byId(this.isAtRest ? "call" : state === "ringing" ? "answer" : "hang-up").focus();
    }
    if (state === "locked") byId("token").focus();
  }

  /** What changes how a state is called: see `wordsFor`. */
  set(flags) {
    Object.assign(this.#flags, flags);
    const { muted, held, blocked, quiet, unheard } = this.#flags;
    document.body.classList.toggle("muted", muted);
    document.body.classList.toggle("amiss", Boolean(blocked || quiet || (unheard && !muted)));
    document.body.classList.toggle("held", Boolean(held.here || held.there));
    document.body.classList.toggle("held-here", Boolean(held.here));
    set("mute-label", muted ? "Unmute" : "Mute");
    byId("mute-icon").setAttribute("href", muted ? "#icon-muted" : "#icon-microphone");
    set("hold-label", held.here ? "Resume" : "Hold");
    byId("hold-icon").setAttribute("href", held.here ? "#icon-resume" : "#icon-hold");
    if (!this.isAtRest) this.#say();
  }

  /** A reason, or that something did not work. `null`: nothing of the kind. */
  notice(failure) {
    set("why", failure?.message ?? "");
    // What is to be typed stands between backticks.
    const parts = (failure?.advice ?? "").split("`").map((part, at) => {
      if (at % 2 === 0) return part;
      const code = document.createElement("code");
      code.textContent = part;
      return code;
    });
    byId("advice").replaceChildren(...parts);
    byId("reason").hidden = !failure;
  }

  phrase(words) {
    set("words", words);
    byId("phrase").hidden = false;
  }

  /** A level in dBFS, of `mine` or `theirs`. */
  meter(id) {
    const element = byId(id);
    const bar = element.firstElementChild;
    let spoken = 0;
    return (level) => {
      const share = (level + 60) / 60;
      bar.style.transform = `scaleX(${share.toFixed(3)})`;
      if (id === "theirs") byId("halo").style.transform = `scale(${(1 + 0.45 * share).toFixed(3)})`;
      // Assistive technology need not follow each frame.
      const now = performance.now();
      if (level > -60 && now - spoken < 250) return;
      spoken = now;
      element.setAttribute("aria-valuenow", level.toFixed(0));
      element.setAttribute("aria-valuetext", level > -60 ? `${level.toFixed(0)} dB` : "silent");
    };
  }

  figures({ roundTrip, loss, jitter, delay, codec, local, remote }) {
    byId("figures").hidden = false;
    set("round-trip", roundTrip === undefined ? "–" : milliseconds(roundTrip));
    set("loss", `${(100 * loss).toFixed(1)} %`);
    set("jitter", milliseconds(jitter));
    if (delay !== undefined) set("delay", milliseconds(delay));
    set("codec", codec ? `${codec.mimeType.split("/")[1]}, ${codec.clockRate / 1_000} kHz` : "–");
    set("local", placeOf(local));
    set("remote", placeOf(remote));
    this.#draw(roundTrip ?? 0);
  }

  devices({ microphones, loudspeakers }) {
    fill(byId("microphone"), microphones, "Microphone");
    fill(byId("loudspeaker"), loudspeakers, "Loudspeaker");
    byId("devices").hidden = microphones.length === 0;
    // Not every browser lets a page choose.
    const canChoose = loudspeakers.length > 0 && "setSinkId" in byId("sound");
    for (const element of [byId("loudspeaker"), document.querySelector("label[for=loudspeaker]")]) {
      element.hidden = !canChoose;
    }
  }

  #say(words = this.#wordsNow()) {
    this.#light();
    // A live region speaks when it changes; the same words again are no news.
    if (byId("state").textContent !== words[0]) set("state", words[0]);
    if (byId("hint").textContent !== words[1]) set("hint", words[1]);
    const title = words[0].replace(/[.…]$/, "");
    document.title = title.includes(NAME) ? title : `${title} – ${NAME}`;
  }

  #wordsNow() {
    return wordsFor(this.#state, this.#flags);
  }

  #showButtons() {
    const talking = TALKING.includes(this.#state);
    byId("token-form").hidden = this.#state !== "locked";
    byId("call").hidden = !this.isAtRest || this.isCalled || this.#state === "locked";
    set("call-label", this.#state === "idle" ? "Call" : "Call again");
    byId("answer").hidden = byId("decline").hidden = this.#state !== "ringing";
    byId("mute").hidden = !talking;
    byId("hold").hidden = !talking || this.#since === null;
    byId("hang-up").hidden = this.isAtRest || this.#state === "ringing";
    byId("levels").hidden = !talking;
  }

  /** The lamp's picture: what the words say, at a glance. */
  #light() {
    const { muted, held } = this.#flags;
    const talks = this.#state === "connected";
    let icon = "voice";
    if (this.isAtRest && !["idle", "locked"].includes(this.#state)) icon = "hang-up";
    if (["ringing", "calling"].includes(this.#state)) icon = "call";
    if (this.#state === "microphone") icon = "microphone";
    if (talks && muted) icon = "muted";
    if (talks && (held.here || held.there)) icon = "hold";
    byId("lamp-icon").setAttribute("href", `#icon-${icon}`);
  }

  /** The clock runs from the first sound to the end. */
  #time() {
    if (this.#state === "connected" && this.#since === null) {
      this.#since = performance.now();
      this.#clock = setInterval(() => this.#tick(), 1_000);
      this.#tick();
      byId("time").hidden = false;
    }
  }

  #tick() {
    const seconds = Math.floor((performance.now() - this.#since) / 1_000);
    set("time", `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`);
  }

  #rest() {
    clearInterval(this.#clock);
    if (this.#since !== null) set("hint", `You talked for ${byId("time").textContent}.`);
    this.#since = null;
    this.#curve = [];
    for (const id of ["time", "figures", "phrase"]) byId(id).hidden = true;
  }

  /** The round trips of the last minute; the highest reaches the top, but 20 ms at least do. */
  #draw(trip) {
    this.#curve = [...this.#curve, trip].slice(-60);
    const top = Math.max(0.02, ...this.#curve);
    const first = 60 - this.#curve.length;
    const points = this.#curve.map((one, at) => `${first + at},${(19 - (18 * one) / top).toFixed(2)}`);
    byId("curve").setAttribute("points", points.join(" "));
    byId("area").setAttribute("points", [`${first},20`, ...points, "59,20"].join(" "));
    set("curve-top", `up to ${milliseconds(Math.max(...this.#curve))}`);
  }
}

function fill(select, devices, name) {
  const chosen = select.value;
  const options = devices.map(({ label, deviceId }, at) => new Option(label || `${name} ${at + 1}`, deviceId));
  select.replaceChildren(...options);
  if (devices.some(({ deviceId }) => deviceId === chosen)) select.value = chosen;
}

function milliseconds(seconds) {
  return `${(1_000 * seconds).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
}

/** Where one end of the pair in use is. */
function placeOf(candidate) {
  if (!candidate) return "–";
  const kinds = { host: "direct", srflx: "through a NAT", prflx: "through a NAT", relay: "relayed" };
  const { address, port, protocol, candidateType } = candidate;
  const kind = kinds[candidateType] ?? candidateType;
  return address ? `${address} port ${port}, ${protocol}, ${kind}` : kind;
}
