// Server-sent events (HTML standard, section 9.2), read from an answer's body.
//
// Why not the browser's own EventSource: it can't send the token. Comes from `signalling.js`; tested in
// `tests/pages/`.

/** Each event of a stream of bytes, as the object that its JSON describes. */
export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const messages = (text + value).split("\n\n");
      text = messages.pop(); // the last one may go on
      yield* messages.map(eventOf).filter(Boolean);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Comments, which keep the connection awake, are none. */
function eventOf(message) {
  return message.startsWith("data: ") ? JSON.parse(message.slice(6)) : null;
}

/**
 * Tells what is new: whoever asks again is first told the call's whole story again. Times never go
 * back, and several events may have one time.
 */
export class Unheard {
  #until = -1;
  #then = new Set();

  has(event) {
    const text = JSON.stringify(event);
    if (event.t < this.#until || (event.t === this.#until && this.#then.has(text))) return false;
    if (event.t > this.#until) this.#then.clear();
    this.#until = event.t;
    this.#then.add(text);
    return true;
  }
}

/**
 * A browser opens six connections to one host and port, for all its tabs together. If each of six
 * calls kept one for its events, none would be left to hang up by. So four may; another call goes
 * without events until one of them has ended. The result gives the place back.
 */
export async function placeAmongTabs(signal) {
  const { locks } = navigator;
  if (!locks) return () => {};
  const take = (name, options) =>
    new Promise((taken) => {
      const held = (lock) => (lock ? new Promise((leave) => taken(leave)) : taken(null));
      locks.request(name, options, held).catch(() => taken(() => {}));
    });
  for (const name of PLACES) {
    const leave = await take(name, { ifAvailable: true });
    if (leave) return leave;
  }
  return take(PLACES[Math.floor(Math.random() * PLACES.length)], { signal });
}

const PLACES = ["halloo events 1", "halloo events 2", "halloo events 3", "halloo events 4"];
