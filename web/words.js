// What the page says: each state, each way to end, each reason why there is no call.
//
// Pure functions from what happened to words for a person, and what to do about it; what is to be typed
// stands between backticks. Tested in `tests/pages/`.

/** Each state: in a few words, and what they mean for the person. */
const STATES = {
  idle: ["Ready", "Nobody hears you before you press Call."],
  microphone: ["Waiting for the microphone", "Your browser may be asking you to allow it."],
  calling: ["Calling…", "Somebody there may have to take the call first."],
  ringing: ["halloo is calling you", "Nobody hears you before you press Answer."],
  connecting: ["Answered", "Finding a way through the network…"],
  connected: ["You are talking.", "Encrypted from end to end."],
  interrupted: ["Nothing arrives", "The connection broke. Looking for another way…"],
  ended: ["You hung up.", ""],
  failed: ["The call could not be made.", ""],
  broken: ["The call broke off.", ""],
  locked: ["This halloo asks who you are.", ""],
};

/**
 * `held` says on which side the call is on hold, `blocked` that the browser plays nothing unasked, `quiet`
 * that nothing comes from halloo, `unheard` that halloo hears nothing; by a way that is well in both cases.
 */
export function wordsFor(state, { muted, held = {}, blocked, quiet, unheard } = {}) {
  if (state === "connected") {
    if (held.here && held.there) return ["On hold", "Here and there: nobody hears anybody."];
    if (held.here) return ["On hold", "You hear nothing and are not heard. Press Resume to go on."];
    if (held.there) return ["halloo put you on hold.", "You are not heard until it resumes."];
  }
  if (state === "connected" && blocked) {
    return ["You are talking.", "But the browser plays no sound yet: press any button of this page."];
  }
  if (state === "connected" && quiet) {
    return ["No sound comes from halloo.", "It is there, and sends none: is its microphone on?"];
  }
  if (state === "connected" && unheard && !muted) {
    return ["halloo does not hear you.", "Nothing of your sound arrives there: is your microphone on?"];
  }
  if (state === "connected" && muted) return ["You are muted.", "You hear, and are not heard."];
  return STATES[state];
}

/** A reason to end a call, in words for the person. */
export class Failure extends Error {
  /** `advice` is what to do; `status` that of HTTP, where that was it. */
  constructor(message, advice = "", status = null) {
    super(message);
    Object.assign(this, { advice, status });
  }
}

/** halloo asks for its token, or for another one. */
export class TokenWanted extends Failure {}

export const INSECURE = new Failure(
  "Browsers give the microphone only to pages from this computer or over https.",
  "On the computer that runs halloo, open `http://localhost` with the same port. From another one: " +
    "start it as `halloo listen --lan` and open the https address that it prints.",
);

export const UNPLUGGED = new Failure("The microphone is gone.", "Plug it in and call again.");

export const UNTRUSTED = new Failure(
  "The encryption could not be set up: the two sides do not trust each other's keys.",
  "Something in between may have changed the call. Load this page again, then call again.",
);

/** No answer by HTTP at all. */
export function unreachable(onLine) {
  return onLine
    ? new Failure("halloo cannot be reached.", "Is it still running? Is this computer in its network?")
    : new Failure("halloo cannot be reached.", "This computer is offline: join a network, then call again.");
}

/** What went wrong in the browser. */
export function failureOf(error) {
  if (error instanceof Failure) return error;
  switch (error.name) {
    case "NotAllowedError":
      return new Failure(
        "The microphone was refused.",
        "Allow it for this page, beside the browser's address bar, and call again.",
      );
    case "NotFoundError":
    case "OverconstrainedError":
      return new Failure("No microphone was found.", "Plug one in and call again.");
    case "NotReadableError":
    case "AbortError":
      return new Failure(
        "The microphone is there but gives no sound.",
        "It may be in use by another program: close that, and call again.",
      );
    default:
      return new Failure(`The browser could not make the call: ${error.message}`);
  }
}

/** halloo's own "no" (RFC 9457): `status`, its problem document, its Retry-After. */
export function refusal(status, { title = "", detail = "" }, retryAfter, hadToken) {
  const said = (message, advice = "") => {
    return new Failure(because(message, detail), advice, status);
  };
  const later = `Try again ${soon(retryAfter)}.`;
  switch (status) {
    case 401:
      return hadToken
        ? new TokenWanted("That is not its token.", "Ask whoever started halloo for it.", status)
        : new TokenWanted("It answers only callers who know its token.", "", status);
    case 403:
      return title === "The call was declined"
        ? new Failure("halloo declined the call.", "", status)
        : said("halloo does not take calls from here.", "Open the address that it printed itself.");
    case 404:
      return new Failure("The call is over for halloo.", "", status);
    case 406:
      return said("halloo found no sound in the offer that it understands.", "Another browser may do.");
    case 429:
    case 503:
      return title === "Nobody answered"
        ? new Failure("Nobody answered.", later, status)
        : said("halloo cannot take the call now.", later);
    default:
      return said(title || `halloo answered with error ${status}.`);
  }
}

/** One sentence of a message and what halloo gives as its reason, if it does. */
function because(message, reason) {
  const end = /[.?!]$/.test(reason) ? "" : ".";
  return reason ? `${message.replace(/\.$/, "")}: ${reason}${end}` : message;
}

/** Retry-After, in seconds, as a person says it. */
function soon(retryAfter) {
  const seconds = Number.parseInt(retryAfter, 10);
  if (!(seconds > 0)) return "soon";
  if (seconds < 55) return `in ${seconds} second${seconds === 1 ? "" : "s"}`;
  const minutes = Math.round(seconds / 60);
  return minutes === 1 ? "in a minute" : `in ${minutes} minutes`;
}

/** What would help, by the `remedy` that halloo names, which knows more of the network than a browser tells. */
const REMEDIES = {
  stun_server:
    "Join halloo's network, or let it learn its address on the internet: `halloo listen --stun stun:HOST`.",
  turn_server: "A TURN server is needed to get around what is in between: `halloo listen --turn turn:HOST`.",
  check_servers: "Its STUN or TURN server does not help. `halloo probe` tries it alone.",
  check_password: "Its TURN server refuses it: look at its --turn-user and --turn-password.",
  open_firewall:
    "Let UDP through the firewalls, or get around them: `halloo listen --turn turns:HOST`.",
  check_network: "Look at the network on both sides, then call again.",
  same_network: "Join halloo's network, or get around that: `halloo listen --turn turn:HOST`.",
  call_again: "Load this page again, then call again.",
};

/** What to do about an end, as far as halloo knows; an older or newer one may name what is unknown here. */
const adviceOf = (remedy) => (Object.hasOwn(REMEDIES, remedy ?? "") ? REMEDIES[remedy] : "");

/** No way through the network: how many addresses of each kind each side had, and halloo's own view, if it told. */
export function noWay({ local, remote }, { reason, remedy } = {}) {
  const kinds = { host: "own", srflx: "seen from outside", prflx: "seen from outside", relay: "relayed" };
  const list = (all) => {
    const counts = new Map();
    for (const kind of all) counts.set(kinds[kind] ?? kind, (counts.get(kinds[kind] ?? kind) ?? 0) + 1);
    return [...counts].map(([kind, count]) => `${count} ${kind}`).join(", ") || "none";
  };
  const tried = `Tried: addresses of this browser: ${list(local)}; of halloo: ${list(remote)}.`;
  const view = reason ? ` halloo says: ${reason}.` : "";
  const relayed = [...local, ...remote].includes("relay");
  const guess = `A firewall or a VPN may be in between. ${relayed ? "" : REMEDIES.turn_server}`;
  const advice = `${tried}${view} ${adviceOf(remedy) || guess}`;
  return new Failure("No way through the network was found.", advice.trimEnd());
}

/** The last event of halloo's: state, words and reason of the end. */
export function endOf({ end, step, reason, remedy }) {
  if (end === "hung_up") return { state: "ended", words: ["halloo hung up.", ""] };
  if (end === "hung_up_by_peer") return { state: "ended" };
  if (end === "forgotten") return { state: "broken", failure: new Failure("The call is over for halloo.") };
  const lost = step === "ice" ? "halloo hears nothing from here any more." : "halloo gave up.";
  return { state: "broken", failure: new Failure(because(lost, reason), adviceOf(remedy)) };
}
