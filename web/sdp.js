// The few things that the page itself does with SDP: everything else is the browser's business.
//
// Pure text in, text out. Used by `negotiation.js` and `trickle.js`; tested in `tests/pages/`.

const lines = (sdp) => sdp.split(/\r?\n/).filter(Boolean);
const text = (lines) => lines.map((line) => `${line}\r\n`).join("");
const first = (sdp, prefix) => lines(sdp).find((line) => line.startsWith(prefix));
const value = (sdp, name) => first(sdp, `a=${name}:`)?.slice(name.length + 3);

/** `sendrecv`, `sendonly`, `recvonly` or `inactive`: what its writer does. */
export function directionOf(sdp) {
  const directions = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
  return lines(sdp).find((line) => directions.includes(line))?.slice(2) ?? "sendrecv";
}

export const ufragOf = (sdp) => value(sdp, "ice-ufrag");

/**
 * A fragment (RFC 8840 section 9): which ICE session of which section, then `candidates`. With
 * BUNDLE all sections have one session, so the first stands for all. The options of the description belong to
 * it (RFC 9725 section 4.3.3).
 */
export function fragmentOf(sdp, candidates = []) {
  const session = ["a=group:BUNDLE ", "a=ice-options:"];
  const head = [...session, "m=", "a=mid:", "a=ice-ufrag:", "a=ice-pwd:"];
  return text([...head.map((prefix) => first(sdp, prefix)).filter(Boolean), ...candidates]);
}

/**
 * The answer to an ICE restart. halloo sends only what is new, as a fragment (RFC 9725 section 4.3.3);
 * the browser wants a whole description: the one before, with the new ICE session in it.
 *
 * `setup` is the DTLS role of this page. Where halloo's description was an offer it left the role open,
 * which an answer may not; and the role of a running call stays (RFC 8842 section 5.2).
 */
export function answerToRestart(theirs, fragment, setup) {
  const [ufrag, pwd] = [value(fragment, "ice-ufrag"), value(fragment, "ice-pwd")];
  if (!ufrag || !pwd) throw new Error("a fragment without ice-ufrag and ice-pwd");
  const candidates = lines(fragment).filter(isCandidate);
  const renewed = lines(theirs)
    .filter((line) => !isCandidate(line))
    .flatMap((line) => {
      if (line.startsWith("a=ice-ufrag:")) return `a=ice-ufrag:${ufrag}`;
      if (line.startsWith("a=ice-pwd:")) return [`a=ice-pwd:${pwd}`, ...candidates.splice(0)];
      if (line === "a=setup:actpass") return `a=setup:${setup === "active" ? "passive" : "active"}`;
      return line;
    });
  return text(renewed);
}

export const setupOf = (sdp) => value(sdp, "setup");

const isCandidate = (line) =>
  line.startsWith("a=candidate:") || line.startsWith("a=end-of-candidates");
