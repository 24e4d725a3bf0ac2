// Start here: the page's buttons, and the call that they make.
//
//   page.js         the person presses a button
//   call.js         one call, from there to its end
//   negotiation.js  who sends what to whom: offers and answers, hold, ICE restart   (sdp.js)
//   recovery.js     what if the network breaks
//   signalling.js   the same by HTTP                                                (events.js)
//   trickle.js      addresses that are found late
//   sound.js        microphone and levels
//   figures.js      how well it goes
//   words.js        what the person is told
//   view.js         what the person sees
//
// No build step, nothing from elsewhere: the browser loads these files as they are.

import { Call } from "./call.js";
import { Meter, listDevices } from "./sound.js";
import { View } from "./view.js";
import { Failure, INSECURE, failureOf } from "./words.js";

const byId = (id) => document.getElementById(id);
const sound = byId("sound");
/** Whether halloo calls, and this page is called. */
const isCalled = document.querySelector("meta[name=halloo]").content === "calls";
const view = new View({ isCalled });
const meters = { mine: new Meter(view.meter("mine")), theirs: new Meter(view.meter("theirs")) };

let call = null;
let muted = false;
let held = {};
/** What the person typed; kept for as long as the page is open, and nowhere else. */
let token = "";

/** What a call tells. */
const told = {
  state(state, why) {
    view.show(state, why);
    if (view.isAtRest) rest();
  },
  held(now) {
    held = now;
    view.set({ held });
  },
  phrase: (words) => view.phrase(words),
  figures: (figures) => view.figures(figures),
  quiet: (quiet) => view.set({ quiet }),
  unheard: (unheard) => view.set({ unheard }),
  sound(stream) {
    // Chromium's AudioContext hears a remote track only if an audio element plays it, too.
    sound.srcObject = stream;
    play();
    meters.theirs.listenTo(stream);
  },
  microphone(stream) {
    meters.mine.listenTo(stream);
    refreshDevices();
  },
};

function rest() {
  call = null;
  sound.srcObject = null;
  meters.mine.silence();
  meters.theirs.silence();
}

function play() {
  if (!sound.srcObject) return;
  const blocked = (is) => () => view.set({ blocked: is });
  sound.play().then(blocked(false), blocked(true));
}

function startCall() {
  setMuted(false);
  told.held({});
  view.set({ quiet: false, unheard: false });
  call = new Call(told, token);
  if (isCalled) call.ring();
  else call.start(byId("microphone").value);
}

function setMuted(value) {
  muted = value;
  if (call) call.muted = muted;
  view.set({ muted });
}

async function toggleHold() {
  byId("hold").disabled = true;
  await call?.hold(!held.here).catch((error) => didNot("hold", error));
  byId("hold").disabled = false;
}

/** Something did not work, and the call goes on as it was. */
function didNot(what, error) {
  const { message, advice } = failureOf(error);
  view.notice(new Failure(`That did not work (${what}): ${message}`, advice));
}

async function refreshDevices() {
  view.devices(await listDevices());
}

byId("call").addEventListener("click", startCall);
byId("answer").addEventListener("click", () => call?.answer(byId("microphone").value));
byId("decline").addEventListener("click", () => call?.decline());
byId("mute").addEventListener("click", () => setMuted(!muted));
byId("hold").addEventListener("click", toggleHold);
byId("hang-up").addEventListener("click", () => call?.hangUp());
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value;
  byId("token").value = "";
  startCall();
});
byId("microphone").addEventListener("change", (event) => {
  call?.changeMicrophone(event.target.value).catch((error) => didNot("microphone", error));
});
byId("loudspeaker").addEventListener("change", (event) => {
  sound.setSinkId(event.target.value).catch((error) => didNot("loudspeaker", error));
});
navigator.mediaDevices?.addEventListener?.("devicechange", refreshDevices);
// A browser that plays nothing unasked does after any press.
document.addEventListener("click", play);
// A closed tab says goodbye; one that is only put aside (the back/forward cache) hangs up, too.
window.addEventListener("pagehide", () => call?.leave());
if (!window.isSecureContext) view.notice(INSECURE); // before somebody presses Call in vain
if (isCalled) startCall();
