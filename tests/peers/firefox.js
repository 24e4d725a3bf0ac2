// Run by firefox.py inside a page: a peer with a steady tone for a microphone, and an ear.
window.start = (codec, hz) => {
  const context = new AudioContext({ sampleRate: 48000 });
  const oscillator = new OscillatorNode(context, { frequency: hz });
  const quarter = new GainNode(context, { gain: 0.25 });
  const out = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
  oscillator.connect(quarter).connect(out);
  oscillator.start();

  window.pieces = [];
  const pc = new RTCPeerConnection();
  window.pc = pc;
  // Unlike addTransceiver, this is also for an offer of the other side.
  pc.addTrack(out.stream.getTracks()[0], out.stream);
  const { codecs } = RTCRtpReceiver.getCapabilities("audio");
  const wanted = ({ mimeType }) => mimeType.toLowerCase() === `audio/${codec}`;
  pc.getTransceivers()[0].setCodecPreferences(codecs.filter(wanted));
  pc.ontrack = ({ track }) => {
    const source = context.createMediaStreamSource(new MediaStream([track]));
    // Old, but it works in a page that is no secure context.
    window.ear = context.createScriptProcessor(4096, 1, 1);
    window.ear.onaudioprocess = ({ inputBuffer }) => {
      window.pieces.push(Float32Array.from(inputBuffer.getChannelData(0)));
    };
    source.connect(window.ear).connect(context.destination);
  };
};

// The description of that kind, with all candidates.
window.complete = async () => {
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== "complete") {
    await new Promise((resolve) => pc.addEventListener("icegatheringstatechange", resolve));
  }
  return pc.localDescription.sdp;
};

window.heard = () => window.pieces.flatMap((piece) => Array.from(piece, (s) => Math.round(s * 32767)));
