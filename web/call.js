// A call to this halloo, made by the browser: WHIP (RFC 9725) with sound in both directions.
//
//   Call pressed -> microphone -> offer POSTed to /whip -> answer -> ICE and DTLS -> sound
//
// Candidates that the browser finds after the offer left follow by PATCH (RFC 8840). Hanging up is a
// DELETE. When halloo hangs up, its DTLS close_notify closes the transport: `connectionState` hears of
// it only much later, so the transport itself is watched.
//
// Read from the bottom: the buttons, then `Call`, then what it uses.

const byId = (id) => document.getElementById(id);

/** A reason to end a call, in words for the person. */
class Failure extends Error {}

/** halloo asks for its token, or for another one. */
class TokenWanted extends Failure {}

/** What the person typed; kept for as long as the page is open, and nowhere else. */
let token = "";

function authorization() {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** One call, from the press of the button to its end. */
class Call {
  #abort = new AbortController();
  #peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  #microphone = null;
  #location = null;
  #offer = null;
  #sender = null;
  #figures = new Figures(this.#peer);
  #etag = null;
  #trickle = new Trickle((fragment) => this.#patch(fragment));
  #tell;
  #ended = false;
  #failed = "failed";
  #interrupted = null;

  /** `tell(state, reason)` is called for each change; `meters` show the two levels. */
  constructor(tell, meters, sound) {
    this.#tell = tell;
    this.meters = meters;
    this.sound = sound;
  }

  async start() {
    try {
      this.#tell("microphone");
      await this.#open();
      if (this.#ended) return;
      this.#tell("calling");
      await this.#negotiate();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** halloo calls: its offer is fetched, and waits for the person. */
  async ring() {
    try {
      const response = await this.#request("/whip", { method: "POST" });
      this.#take(response);
      this.#offer = { type: "offer", sdp: await response.text() };
      this.#tell("ringing");
      await this.#followRinging();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The person takes the call that rings. */
  async answer() {
    try {
      const offer = this.#offer;
      this.#offer = null;
      this.#tell("microphone");
      await this.#open();
      if (this.#ended) return;
      const sender = await this.#prepare(offer);
      await this.#peer.setLocalDescription();
      const { sdp } = this.#peer.localDescription;
      const headers = { "Content-Type": "application/sdp" };
      await this.#request(this.#location, { method: "PATCH", headers, body: sdp });
      this.#watch(sender, sdp);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The page goes away: a call that only rings may ring elsewhere, or here again. */
  leave() {
    if (this.#offer) this.#location = null;
    this.end("ended");
  }

  /** Ends the ringing when halloo does: it gave up, or another tab rings instead. */
  async #followRinging() {
    const response = await this.#request(`${this.#location}/events`, {});
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (this.#offer) {
      const { value, done } = await reader.read();
      const events = (text + (value ?? "")).split("\n\n");
      text = events.pop();
      const isEnd = (event) =>
        event.startsWith("data: ") && JSON.parse(event.slice(6)).event === "ended";
      if (this.#offer && events.some(isEnd)) {
        this.#location = null;
        this.end("ended", null, "halloo does not call any more.");
      }
      if (done || this.#ended) return;
    }
    reader.cancel();
  }

  #fail(error) {
    this.end(error instanceof TokenWanted ? "locked" : this.#failed, reasonOf(error));
  }

  async #open() {
    this.#microphone = await openMicrophone();
    if (this.#ended) return stop(this.#microphone);
    this.meters.mine.listenTo(this.#microphone);
  }

  /** Ready for a description of ours; `offer` is halloo's, if it was first. */
  async #prepare(offer = null) {
    const peer = this.#peer;
    peer.ontrack = (event) => this.#hear(event);
    peer.onicecandidate = (event) => this.#trickle.add(event.candidate);
    peer.onconnectionstatechange = () => this.#connectionChanged();
    const [track] = this.#microphone.getAudioTracks();
    this.#expectToKeep(track);
    if (offer) await peer.setRemoteDescription(offer);
    return peer.addTrack(track, this.#microphone);
  }

  async #negotiate() {
    const peer = this.#peer;
    const sender = await this.#prepare();
    await peer.setLocalDescription();
    // The offer leaves at once; the candidates follow.
    const response = await this.#request("/whip", {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: peer.localDescription.sdp,
    });
    this.#take(response);
    const answer = { type: "answer", sdp: await response.text() };
    if (this.#ended) return this.#remove();
    await peer.setRemoteDescription(answer);
    this.#watch(sender, peer.localDescription.sdp);
  }

  /** A call exists now, and has a URL of its own. */
  #take(response) {
    const location = response.headers.get("Location");
    if (response.status !== 201 || !location) {
      throw new Failure("What answered is no halloo: it sent no call back.");
    }
    this.#location = new URL(location, response.url);
    this.#etag = response.headers.get("ETag");
  }

  /** Both descriptions are there. */
  #watch(sender, sdp) {
    this.#sender = sender;
    sender.transport.onstatechange = () => this.#transportChanged(sender.transport.state);
    this.#trickle.start(sdp);
    if (!this.#ended && this.#peer.connectionState !== "connected") this.#tell("connecting");
  }

  #hear(event) {
    const stream = event.streams[0] ?? new MediaStream([event.track]);
    // Chromium's AudioContext hears a remote track only if an audio element plays it, too.
    this.sound.srcObject = stream;
    this.sound.play().catch(() => this.#tell("blocked"));
    this.meters.theirs.listenTo(stream);
  }

  #connectionChanged() {
    clearTimeout(this.#interrupted);
    switch (this.#peer.connectionState) {
      case "connected":
        this.#failed = "broken";
        this.#figures.start();
        return this.#tell("connected");
      case "disconnected":
        // A moment without an answer is normal on a bad network; say so only if it lasts.
        this.#interrupted = setTimeout(() => this.#tell("interrupted"), 1_000);
        return;
      case "failed":
        return this.end(this.#failed, this.#transportFailure());
    }
  }

  #transportFailure() {
    return this.#peer.iceConnectionState === "failed"
      ? "No way through the network was found, or it was lost. Is a firewall or a VPN in between?"
      : "The encryption could not be set up: the two sides do not trust each other's keys.";
  }

  #transportChanged(state) {
    if (state === "closed") {
      this.#location = null; // halloo knows
      this.end("ended", null, "halloo hung up.");
    }
    if (state === "failed") this.end(this.#failed, this.#transportFailure());
  }

  /** Ends the call, from whatever state, once. */
  end(state, reason, words) {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#interrupted);
    this.#figures.stop();
    this.#abort.abort();
    this.#trickle.stop();
    // The goodbye first: closing would tell halloo by DTLS, and the call to be deleted would be gone.
    this.#remove().finally(() => this.#peer.close());
    stop(this.#microphone);
    this.sound.srcObject = null;
    this.meters.mine.silence();
    this.meters.theirs.silence();
    this.#tell(state, reason, words);
  }

  /** Another microphone, in the middle of the call. */
  async changeMicrophone(muted) {
    if (!this.#sender || this.#ended) return;
    try {
      const microphone = await openMicrophone();
      const [track] = microphone.getAudioTracks();
      if (this.#ended) return stop(microphone);
      await this.#sender.replaceTrack(track);
      stop(this.#microphone);
      this.#microphone = microphone;
      this.#expectToKeep(track);
      this.meters.mine.listenTo(microphone);
      this.muted = muted;
    } catch (error) {
      this.#tell("connected", reasonOf(error));
    }
  }

  #expectToKeep(track) {
    track.onended = () => this.end(this.#failed, "The microphone is gone. Plug it in and call again.");
  }

  set muted(muted) {
    // A disabled track sends silence and keeps the connection as it is.
    for (const track of this.#microphone?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  /** Tells halloo that the call is over; `keepalive` lets it through when the page goes away. */
  async #remove() {
    const location = this.#location;
    this.#location = null;
    if (!location) return;
    const headers = authorization();
    await fetch(location, { method: "DELETE", keepalive: true, headers }).catch(() => {});
  }

  async #patch(fragment) {
    if (!this.#location) return;
    const headers = { "Content-Type": "application/trickle-ice-sdpfrag" };
    if (this.#etag) headers["If-Match"] = this.#etag;
    // A lost candidate is no reason to end a call: others may do.
    await this.#request(this.#location, { method: "PATCH", headers, body: fragment }).catch(
      (error) => console.warn("halloo took no candidates:", error.message),
    );
  }

  async #request(url, options) {
    let response;
    try {
      const headers = { ...options.headers, ...authorization() };
      response = await fetch(url, { ...options, headers, signal: this.#abort.signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failure("halloo cannot be reached. Is it still running?");
    }
    if (!response.ok) throw await refusal(response);
    return response;
  }
}

/** Collects candidates and sends those that the offer did not hold, a few at a time. */
class Trickle {
  #waiting = [];
  #send;
  #session = null;
  #busy = false;

  constructor(send) {
    this.#send = send;
  }

  /** `null` means that there are no more. */
  add(candidate) {
    // The empty candidate ends the candidates of one generation; `null` follows it.
    if (candidate && !candidate.candidate) return;
    this.#waiting.push(candidate ? `a=${candidate.candidate}` : "a=end-of-candidates");
    this.#flush();
  }

  /** From now on they may leave; `sdp` tells which session they belong to. */
  start(sdp) {
    const line = (prefix) => sdp.split("\r\n").find((line) => line.startsWith(prefix)) ?? "";
    const parts = ["a=group:BUNDLE ", "m=", "a=mid:", "a=ice-ufrag:", "a=ice-pwd:"];
    this.#session = parts.map(line).filter(Boolean);
    this.#flush();
  }

  stop() {
    this.#session = null;
  }

  async #flush() {
    // One request at a time, so that they arrive in order; what comes meanwhile goes together.
    if (!this.#session || this.#busy || this.#waiting.length === 0) return;
    this.#busy = true;
    const lines = [...this.#session, ...this.#waiting.splice(0)];
    await this.#send(lines.map((line) => `${line}\r\n`).join(""));
    this.#busy = false;
    this.#flush();
  }
}

/** Shows how loud a stream is, from -60 dBFS to full scale. */
class Meter {
  #element;
  #bar;
  #analyser = null;
  #source = null;
  #spoken = 0;

  constructor(element) {
    this.#element = element;
    this.#bar = element.querySelector(".bar");
  }

  listenTo(stream) {
    this.silence();
    Meter.context ??= new AudioContext();
    Meter.context.resume();
    this.#analyser = new AnalyserNode(Meter.context, { fftSize: 2_048 });
    this.#source = new MediaStreamAudioSourceNode(Meter.context, { mediaStream: stream });
    this.#source.connect(this.#analyser);
    this.#draw(new Float32Array(this.#analyser.fftSize));
  }

  silence() {
    this.#source?.disconnect();
    this.#source = this.#analyser = null;
    this.#show(-60);
  }

  #draw(samples) {
    if (!this.#analyser) return;
    this.#analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    this.#show(Math.max(-60, Math.min(0, 10 * Math.log10(power))));
    requestAnimationFrame(() => this.#draw(samples));
  }

  #show(level) {
    this.#bar.style.transform = `scaleX(${((level + 60) / 60).toFixed(3)})`;
    // Assistive technology need not follow each frame.
    const now = performance.now();
    if (level > -60 && now - this.#spoken < 250) return;
    this.#spoken = now;
    this.#element.setAttribute("aria-valuenow", level.toFixed(0));
    this.#element.setAttribute("aria-valuetext", level > -60 ? `${level.toFixed(0)} dB` : "silent");
  }
}

/** How well a call goes, once a second, by what the browser itself measures. */
class Figures {
  #peer;
  #timer = null;
  #before = null;
  #curve = [];

  constructor(peer) {
    this.#peer = peer;
  }

  start() {
    if (this.#timer) return;
    byId("figures").hidden = false;
    this.#timer = setInterval(() => this.#look(), 1_000);
    this.#look();
  }

  stop() {
    clearInterval(this.#timer);
    byId("figures").hidden = true;
  }

  async #look() {
    const report = await this.#peer.getStats();
    const all = [...report.values()];
    const inbound = all.find((one) => one.type === "inbound-rtp" && one.kind === "audio");
    const transport = all.find((one) => one.type === "transport");
    // Firefox has no transport, and marks the pair itself.
    const pair =
      report.get(transport?.selectedCandidatePairId) ??
      all.find((one) => one.type === "candidate-pair" && one.selected);
    if (!inbound || !pair || this.#peer.connectionState === "closed") return;
    this.#showPair(report, inbound, pair);
    this.#showSound(inbound, this.#before ?? inbound);
    this.#before = inbound;
  }

  #showPair(report, inbound, pair) {
    const trip = pair.currentRoundTripTime;
    set("round-trip", trip === undefined ? "–" : milliseconds(trip));
    this.#draw(trip ?? 0);
    const codec = report.get(inbound.codecId);
    set("codec", codec ? `${codec.mimeType.split("/")[1]}, ${codec.clockRate / 1_000} kHz` : "–");
    set("local", candidate(report.get(pair.localCandidateId)));
    set("remote", candidate(report.get(pair.remoteCandidateId)));
  }

  #showSound(now, before) {
    const lost = now.packetsLost - before.packetsLost;
    const sent = lost + now.packetsReceived - before.packetsReceived;
    set("loss", `${sent > 0 ? Math.max(0, (100 * lost) / sent).toFixed(1) : "0.0"} %`);
    set("jitter", milliseconds(now.jitter));
    const played = now.jitterBufferEmittedCount - before.jitterBufferEmittedCount;
    if (played > 0) {
      set("delay", milliseconds((now.jitterBufferDelay - before.jitterBufferDelay) / played));
    }
  }

  /** The round trips of the last minute; the highest reaches the top, but 20 ms at least do. */
  #draw(trip) {
    this.#curve = [...this.#curve, trip].slice(-60);
    const top = Math.max(0.02, ...this.#curve);
    const first = 60 - this.#curve.length;
    const points = this.#curve.map((one, at) => `${first + at},${(19 - (18 * one) / top).toFixed(2)}`);
    byId("curve").setAttribute("points", points.join(" "));
  }
}

function set(id, text) {
  byId(id).textContent = text;
}

function milliseconds(seconds) {
  return `${(1_000 * seconds).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
}

/** Where one end of the pair in use is. */
function candidate(one) {
  if (!one) return "–";
  const kinds = { host: "direct", srflx: "through a NAT", prflx: "through a NAT", relay: "relayed" };
  const kind = kinds[one.candidateType] ?? one.candidateType;
  return one.address ? `${one.address} port ${one.port}, ${one.protocol}, ${kind}` : kind;
}

/** Fills the two lists. Their names are told only once the microphone was allowed. */
async function listDevices() {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  const fill = (select, kind, none) => {
    const chosen = select.value;
    const own = devices.filter((device) => device.kind === kind && device.deviceId);
    select.replaceChildren(...own.map((device, at) => new Option(device.label || `${none} ${at + 1}`, device.deviceId)));
    if (own.some((device) => device.deviceId === chosen)) select.value = chosen;
    return own.length > 0;
  };
  const microphones = fill(byId("microphone"), "audioinput", "Microphone");
  const loudspeakers = fill(byId("loudspeaker"), "audiooutput", "Loudspeaker");
  byId("devices").hidden = !microphones;
  // Not every browser lets a page choose.
  for (const element of [byId("loudspeaker"), document.querySelector("label[for=loudspeaker]")]) {
    element.hidden = !loudspeakers || !("setSinkId" in sound);
  }
}

async function openMicrophone() {
  if (!window.isSecureContext || !navigator.mediaDevices) {
    throw new Failure(
      "Browsers give the microphone only to pages from this computer or over https. " +
        "Open this page as http://localhost, or over https.",
    );
  }
  const wish = byId("microphone").value;
  // `ideal`: one that was unplugged since is no reason for no call.
  const audio = wish ? { deviceId: { ideal: wish } } : true;
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  listDevices();
  return stream;
}

function stop(stream) {
  for (const track of stream?.getTracks() ?? []) {
    track.onended = null;
    track.stop();
  }
}

/** What went wrong, in words. */
function reasonOf(error) {
  if (error instanceof Failure) return error.message;
  switch (error.name) {
    case "NotAllowedError":
      return "The microphone was refused. Allow it in the browser's address bar and call again.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "No microphone was found. Plug one in and call again.";
    case "NotReadableError":
      return "The microphone is there but gives no sound: another program may be using it.";
    default:
      return `The browser could not make the call: ${error.message}`;
  }
}

/** Why halloo said no: its own words (RFC 9457), and what to do about it. */
async function refusal(response) {
  let detail = "";
  try {
    const problem = await response.json();
    detail = problem.detail || problem.title || "";
  } catch {
    // Something else answered, without words.
  }
  if (response.status === 401) {
    return new TokenWanted(
      token ? "That is not its token." : "It answers only callers who know its token.",
    );
  }
  const words = {
    403: "halloo refused the call.",
    404: "The call is over.",
    406: "halloo found no sound in the offer that it understands.",
    429: "halloo cannot take the call now. Try again soon.",
    503: "halloo cannot take the call now. Try again soon.",
  };
  const reason = words[response.status] ?? `halloo answered with error ${response.status}.`;
  return new Failure(detail ? `${reason} (${detail})` : reason);
}

/** What each state is called. */
const WORDS = {
  ringing: "halloo is calling you. Nobody hears you before you press Answer.",
  idle: "Ready. Nobody hears you before you press Call.",
  microphone: "Waiting for the microphone. Your browser may be asking you to allow it.",
  calling: "Calling…",
  connecting: "Answered. Finding a way through the network…",
  connected: "You are talking.",
  muted: "You are muted: you hear, and are not heard.",
  interrupted: "The other side is silent: the connection may be back in a moment.",
  blocked: "You are talking, but the browser plays no sound yet: press any button of this page.",
  ended: "You hung up.",
  failed: "The call could not be made.",
  locked: "This halloo asks who you are.",
  broken: "The call broke off.",
};

const meters = { mine: new Meter(byId("mine")), theirs: new Meter(byId("theirs")) };
const sound = byId("sound");
const [callButton, muteButton, hangUpButton] = ["call", "mute", "hang-up"].map(byId);
const [answerButton, declineButton] = ["answer", "decline"].map(byId);
/** Whether halloo calls, and this page is called. */
const isCalled = document.querySelector("meta[name=halloo]").content === "calls";
let call = null;

function show(state, reason = null, words = wordsFor(state)) {
  const active = !["idle", "ended", "failed", "broken", "locked"].includes(state);
  const hadFocus = document.activeElement !== document.body;
  document.body.dataset.state = state;
  byId("state").textContent = words;
  byId("reason").textContent = reason ?? "";
  byId("reason").hidden = !reason;
  byId("token-form").hidden = state !== "locked";
  callButton.hidden = active || isCalled || state === "locked";
  answerButton.hidden = declineButton.hidden = state !== "ringing";
  hangUpButton.hidden = !active || state === "ringing";
  document.title = state === "ringing" ? "halloo is calling" : "halloo";
  muteButton.hidden = !["connecting", "connected", "interrupted", "blocked"].includes(state);
  if (!active) call = null;
  // Whoever uses the keyboard is not thrown back to the top when the button in focus goes.
  if (hadFocus && document.activeElement === document.body) {
    (active ? hangUpButton : callButton).focus();
  }
  if (state === "locked") byId("token").focus();
}

let muted = false;

function wordsFor(state) {
  return state === "connected" && muted ? WORDS.muted : WORDS[state];
}

function setMuted(value) {
  muted = value;
  muteButton.textContent = muted ? "Unmute" : "Mute";
  document.body.classList.toggle("muted", muted);
  if (call) call.muted = muted;
  byId("state").textContent = wordsFor(document.body.dataset.state);
}

function startCall() {
  setMuted(false);
  call = new Call(show, meters, sound);
  if (isCalled) call.ring();
  else call.start();
}

callButton.addEventListener("click", startCall);
answerButton.addEventListener("click", () => call?.answer());
declineButton.addEventListener("click", () => call?.end("ended", null, "You declined the call."));
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value;
  byId("token").value = "";
  startCall();
});
muteButton.addEventListener("click", () => setMuted(!muted));
hangUpButton.addEventListener("click", () => call?.end("ended"));
byId("microphone").addEventListener("change", () => call?.changeMicrophone(muted));
byId("loudspeaker").addEventListener("change", (event) => {
  sound.setSinkId(event.target.value).catch((error) => {
    byId("reason").textContent = `That loudspeaker gives no sound: ${error.message}`;
    byId("reason").hidden = false;
  });
});
navigator.mediaDevices?.addEventListener?.("devicechange", listDevices);
document.addEventListener("click", () => sound.srcObject && sound.play().catch(() => {}));
// A closed tab says goodbye; one that is only put aside (the back/forward cache) hangs up, too.
window.addEventListener("pagehide", () => call?.leave());
if (isCalled) startCall();
