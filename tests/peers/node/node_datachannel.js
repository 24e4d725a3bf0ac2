'use strict';
// node-datachannel: libdatachannel, a stack in C++ with libjuice's ICE. It carries packets; the codecs
// are ours, its own RTCP reports are switched on.

const rtc = require('node-datachannel');
const { main, say, Media } = require('./call.js');

const SSRC = 0x68616c6c;

class NodeDatachannel {
  constructor(codec, hz) {
    this.codec = codec;
    this.media = new Media(codec, hz);
    this.recording = this.media.recording;
    this.pc = new rtc.PeerConnection('peer', { iceServers: [], disableAutoNegotiation: true });
    this.pc.onStateChange((state) => say('state', { state }));
    this.complete = new Promise((resolve) => {
      this.pc.onGatheringStateChange((state) => state === 'complete' && resolve());
    });
  }

  track(mid, payloadType) {
    const audio = new rtc.Audio(mid, 'SendRecv');
    if (this.codec === 'opus') audio.addOpusCodec(payloadType);
    else audio.addAudioCodec(payloadType, 'PCMU');
    audio.addSSRC(SSRC, 'peer', 'stream', 'track');
    const track = this.pc.addTrack(audio);
    const rate = this.codec === 'opus' ? 48000 : 8000;
    const config = new rtc.RtpPacketizationConfig(SSRC, 'peer', payloadType, rate);
    const packetizer = new rtc.RtpPacketizer(config);
    const reporter = new rtc.RtcpSrReporter(config);
    packetizer.addToChain(reporter);
    const session = new rtc.RtcpReceivingSession();
    packetizer.addToChain(session);
    track.setMediaHandler(packetizer);
    // Native objects behind these; whether each keeps the next alive is not documented.
    this.kept = [audio, track, config, packetizer, reporter, session];
    track.onMessage((packet) => {
      const isRtcp = packet[1] >= 192 && packet[1] < 224; // RFC 5761 section 4
      if (!isRtcp) this.media.hear(packet.subarray(12 + extension(packet)));
    });
    track.onOpen(() => {
      this.media.start(({ timestamp, payload }) => {
        config.timestamp = timestamp;
        if (track.isOpen()) track.sendMessageBinary(payload);
      });
    });
  }

  async offer() {
    this.track('audio', this.codec === 'opus' ? 111 : 0);
    this.pc.setLocalDescription('offer');
    await this.complete;
    return this.pc.localDescription().sdp;
  }

  accept(sdp) {
    this.pc.setRemoteDescription(sdp, 'answer');
  }

  async answer(sdp) {
    const section = sdp.slice(sdp.indexOf('m=audio'));
    const opus = section.match(/^a=rtpmap:(\d+) opus\//im);
    this.track(section.match(/^a=mid:(\S+)/m)[1], this.codec === 'opus' ? Number(opus[1]) : 0);
    this.pc.setRemoteDescription(sdp, 'offer');
    this.pc.setLocalDescription('answer');
    await this.complete;
    return this.pc.localDescription().sdp;
  }
}

// Bytes of the header extension, RFC 3550 section 5.3.1.
function extension(packet) {
  return packet[0] & 16 ? 4 + 4 * packet.readUInt16BE(14) : 0;
}

main(NodeDatachannel);
