'use strict';
// What every peer in node shares: WHIP on both sides, a tone, a recording. A peer's own file says how
// its stack makes and takes descriptions, and hands it to `main`:
//
//     node werift.js listen HOST:PORT CODEC TONE RECORDING
//     node werift.js call URL CODEC TONE RECORDING SECONDS
//
// It sends a sine of TONE Hz at a quarter of full scale and writes what it hears to RECORDING, a mono
// WAV. CODEC is `opus` or `pcmu`. Each line that it prints is JSON.

const fs = require('node:fs');
const http = require('node:http');

const say = (event, members = {}) => console.log(JSON.stringify({ event, ...members }));

// A sine, so many samples at a time.
class Tone {
  constructor(hz, rate) {
    this.step = (2 * Math.PI * hz) / rate;
    this.sent = 0;
  }

  next(count) {
    return Int16Array.from({ length: count }, () => 8192 * Math.sin(this.step * this.sent++));
  }
}

// Samples as they come, written when the call is over.
class Recording {
  constructor() {
    this.pieces = [];
    this.rate = 48000;
  }

  take(samples, rate = this.rate) {
    this.rate = rate;
    this.pieces.push(Buffer.from(Int16Array.from(samples).buffer));
  }

  write(path) {
    const data = Buffer.concat(this.pieces);
    const header = Buffer.alloc(44);
    header.write('RIFF');
    header.writeUInt32LE(36 + data.length, 4);
    header.write('WAVEfmt ', 8);
    header.writeUInt32LE(16, 16);
    header.writeUInt16LE(1, 20); // PCM
    header.writeUInt16LE(1, 22); // channels
    header.writeUInt32LE(this.rate, 24);
    header.writeUInt32LE(2 * this.rate, 28);
    header.writeUInt16LE(2, 32);
    header.writeUInt16LE(16, 34);
    header.write('data', 36);
    header.writeUInt32LE(data.length, 40);
    fs.writeFileSync(path, Buffer.concat([header, data]));
  }
}

// For stacks that carry packets but know no codec.
class Opus {
  static rate = 48000;

  constructor() {
    const OpusScript = require('opusscript');
    this.codec = new OpusScript(48000, 1, OpusScript.Application.VOIP);
  }

  encode(samples) {
    return this.codec.encode(Buffer.from(samples.buffer), samples.length);
  }

  decode(payload) {
    const bytes = this.codec.decode(payload);
    return new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  }
}

// ITU-T G.711, mu-law: sign, exponent and mantissa of the magnitude, all bits inverted.
class Pcmu {
  static rate = 8000;

  encode(samples) {
    return Buffer.from(Array.from(samples, (sample) => {
      const magnitude = Math.min(Math.abs(sample), 32635) + 132;
      const exponent = 31 - Math.clz32(magnitude) - 7;
      const mantissa = (magnitude >> (exponent + 3)) & 15;
      return ~((sample < 0 ? 128 : 0) | (exponent << 4) | mantissa) & 255;
    }));
  }

  decode(payload) {
    return Int16Array.from(payload, (byte) => {
      const bits = ~byte & 255;
      const magnitude = ((((bits & 15) << 3) + 132) << ((bits >> 4) & 7)) - 132;
      return bits & 128 ? -magnitude : magnitude;
    });
  }
}

// One direction each of sending and hearing RTP: a packet every 20 ms.
class Media {
  constructor(codec, hz) {
    const Codec = { opus: Opus, pcmu: Pcmu }[codec];
    this.rate = Codec.rate;
    // Two of them: an Opus coder and its decoder both remember the last frame.
    [this.encoder, this.decoder] = [new Codec(), new Codec()];
    // The first frames take node up to half a second, which must not fall into the call.
    for (let n = 0; n < 50; n++) {
      this.decoder.decode(this.encoder.encode(new Int16Array(this.rate / 50)));
    }
    this.tone = new Tone(hz, this.rate);
    this.recording = new Recording();
    this.sequenceNumber = Math.floor(Math.random() * 65536);
    this.timestamp = Math.floor(Math.random() * 2 ** 32);
    this.received = 0;
  }

  // Calls `send` with { sequenceNumber, timestamp, payload } at each packet's time.
  start(send) {
    const samples = this.rate / 50;
    every(20, () => {
      send({
        sequenceNumber: this.sequenceNumber++ & 65535,
        timestamp: this.timestamp >>> 0,
        payload: this.encoder.encode(this.tone.next(samples)),
      });
      this.timestamp += samples;
    });
  }

  hear(payload) {
    if (this.received++ === 0) say('media', { first: 'packet_received' });
    this.recording.take(this.decoder.decode(payload), this.rate);
  }
}

// In real time on average: a timer that comes late is made up for.
function every(ms, work) {
  const start = performance.now();
  let done = 0;
  setInterval(() => {
    for (; done * ms <= performance.now() - start; done++) work();
  }, ms / 2);
}

async function post(url, sdp) {
  const headers = { 'Content-Type': 'application/sdp' };
  const answer = await fetch(url, { method: 'POST', headers, body: sdp });
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(`${answer.status}: ${text}`);
  return { sdp: text, location: new URL(answer.headers.get('Location'), url) };
}

function body(request) {
  return new Promise((resolve) => {
    let text = '';
    request.on('data', (piece) => (text += piece)).on('end', () => resolve(text));
  });
}

// Takes one call and ends with it.
function listen(address, peer, recording) {
  const [host, port] = address.split(':');
  const server = http.createServer(async (request, response) => {
    const text = await body(request);
    if (request.method === 'POST') {
      try {
        const sdp = await peer.answer(text);
        const headers = { 'Content-Type': 'application/sdp', Location: '/calls/1', ETag: '"1"' };
        response.writeHead(201, headers).end(sdp);
      } catch (error) {
        say('error', { error: error.stack });
        response.writeHead(500).end(`${error}`);
      }
    } else if (request.method === 'PATCH') {
      const trickled = peer.candidates && (await peer.candidates(text));
      response.writeHead(trickled ? 204 : 405).end();
    } else if (request.method === 'DELETE') {
      recording();
      response.writeHead(200).end(() => process.exit(0));
    }
  });
  server.listen(Number(port), host, () => say('listening', { port: server.address().port }));
}

async function call(url, peer, recording, seconds) {
  const { sdp, location } = await post(url, await peer.offer());
  await peer.accept(sdp);
  setTimeout(async () => {
    recording();
    const deleted = await fetch(location, { method: 'DELETE' });
    say('deleted', { status: deleted.status });
    process.exit(0);
  }, seconds * 1000);
}

// `Peer(codec, hz)` has offer(), answer(sdp), accept(sdp) and `recording`.
async function main(Peer) {
  const [what, where, codec, hz, path, seconds] = process.argv.slice(2);
  const peer = new Peer(codec, Number(hz));
  const recording = () => {
    peer.recording.write(path);
    say('recorded');
  };
  if (what === 'listen') listen(where, peer, recording);
  else await call(where, peer, recording, Number(seconds));
}

module.exports = { main, say, every, Media, Recording, Tone };
