// What the person says and hears: the microphone, the choice of devices, and how loud it is.
//
// Comes from `call.js`. Sound itself goes straight from the browser's devices to its peer connection.

import { INSECURE } from "./words.js";

/** The microphone of this `deviceId`, if it is still there. */
export async function openMicrophone(wish) {
  if (!window.isSecureContext || !navigator.mediaDevices) throw INSECURE;
  // `ideal`: one that was unplugged since is no reason for no call.
  const audio = wish ? { deviceId: { ideal: wish } } : true;
  return navigator.mediaDevices.getUserMedia({ audio });
}

export function stop(stream) {
  for (const track of stream?.getTracks() ?? []) {
    track.onended = null;
    track.stop();
  }
}

/** Microphones and loudspeakers. Their names are told only once the microphone was allowed. */
export async function listDevices() {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  const of = (kind) => devices.filter((device) => device.kind === kind && device.deviceId);
  return { microphones: of("audioinput"), loudspeakers: of("audiooutput") };
}

/** Measures how loud a stream is, from -60 dBFS to full scale, for each frame that is drawn. */
export class Meter {
  #show;
  #analyser = null;
  #source = null;

  /** `show` is told the level. */
  constructor(show) {
    this.#show = show;
  }

  listenTo(stream) {
    this.silence();
    Meter.context ??= new AudioContext();
    Meter.context.resume();
    this.#analyser = new AnalyserNode(Meter.context, { fftSize: 2_048 });
    this.#source = new MediaStreamAudioSourceNode(Meter.context, { mediaStream: stream });
    this.#source.connect(this.#analyser);
    this.#measure(new Float32Array(this.#analyser.fftSize), this.#analyser);
  }

  silence() {
    this.#source?.disconnect();
    this.#source = this.#analyser = null;
    this.#show(-60);
  }

  #measure(samples, analyser) {
    if (this.#analyser !== analyser) return;
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    this.#show(Math.max(-60, Math.min(0, 10 * Math.log10(power))));
    requestAnimationFrame(() => this.#measure(samples, analyser));
  }
}
