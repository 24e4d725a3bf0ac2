'use strict';
// @roamhq/wrtc: libwebrtc, the stack of Chromium, in node; its own codecs.

const { RTCPeerConnection, MediaStream, nonstandard } = require('@roamhq/wrtc');
const { main, say, every, Recording, Tone } = require('./call.js');

class Wrtc {
  constructor(codec, hz) {
    this.codec = codec;
    this.recording = new Recording();
    this.pc = new RTCPeerConnection();
    this.source = new nonstandard.RTCAudioSource();
    const tone = new Tone(hz, 48000);
    const format = { sampleRate: 48000, bitsPerSample: 16, channelCount: 1, numberOfFrames: 480 };
    every(10, () => this.source.onData({ samples: tone.next(480), ...format }));
    this.track = this.source.createTrack();
    this.pc.addTrack(this.track, new MediaStream([this.track]));
    this.pc.ontrack = ({ track }) => {
      this.sink = new nonstandard.RTCAudioSink(track);
      this.sink.ondata = ({ samples, sampleRate, channelCount }) => {
        const first = samples.filter((_, n) => n % channelCount === 0);
        this.recording.take(first, sampleRate);
      };
    };
    this.pc.onconnectionstatechange = () => say('state', { state: this.pc.connectionState });
  }

  // The description with every candidate, and in an offer no other codec than the one asked for.
  async complete(description) {
    await this.pc.setLocalDescription(description);
    await new Promise((resolve) => {
      const check = () => this.pc.iceGatheringState === 'complete' && resolve();
      this.pc.onicegatheringstatechange = check;
      check();
    });
    return this.pc.localDescription.sdp;
  }

  async offer() {
    const offer = await this.pc.createOffer();
    const only = { pcmu: 0, g722: 9 }[this.codec];
    if (only !== undefined) {
      const others = new RegExp(`a=(rtpmap|fmtp|rtcp-fb):(?!${only} ).*\\r\\n`, 'g');
      offer.sdp = offer.sdp.replace(/(m=audio \d+ \S+) .*/, `$1 ${only}`).replace(others, '');
    }
    return this.complete(offer);
  }

  accept(sdp) {
    return this.pc.setRemoteDescription({ type: 'answer', sdp });
  }

  async answer(sdp) {
    await this.pc.setRemoteDescription({ type: 'offer', sdp });
    return this.complete(await this.pc.createAnswer());
  }
}

main(Wrtc);
