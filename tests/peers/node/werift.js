'use strict';
// werift: WebRTC in TypeScript. It carries packets; the codecs are ours.

const { RTCPeerConnection, MediaStreamTrack, RtpPacket, RtpHeader, useOPUS, usePCMU } =
  require('werift');
const { main, say, Media } = require('./call.js');

class Werift {
  constructor(codec, hz) {
    this.media = new Media(codec, hz);
    this.recording = this.media.recording;
    const audio = [codec === 'opus' ? useOPUS() : usePCMU()];
    this.pc = new RTCPeerConnection({ iceServers: [], codecs: { audio } });
    this.track = new MediaStreamTrack({ kind: 'audio' });
    this.pc.addTransceiver(this.track, { direction: 'sendrecv' });
    this.pc.onTrack.subscribe((track) => {
      track.onReceiveRtp.subscribe((rtp) => this.media.hear(rtp.payload));
    });
    this.pc.connectionStateChange.subscribe((state) => {
      say('state', { state });
      if (state === 'connected') this.send();
    });
  }

  async offer() {
    await this.pc.setLocalDescription(await this.pc.createOffer());
    return this.pc.localDescription.sdp;
  }

  accept(sdp) {
    return this.pc.setRemoteDescription({ type: 'answer', sdp });
  }

  async answer(sdp) {
    await this.pc.setRemoteDescription({ type: 'offer', sdp });
    await this.pc.setLocalDescription(await this.pc.createAnswer());
    return this.pc.localDescription.sdp;
  }

  send() {
    this.media.start(({ sequenceNumber, timestamp, payload }) => {
      // SSRC and payload type are the sender's own to fill in.
      const header = new RtpHeader({ sequenceNumber, timestamp, payloadType: 96 });
      this.track.writeRtp(new RtpPacket(header, payload));
    });
  }
}

main(Werift);
