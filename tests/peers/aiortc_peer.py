"""aiortc as halloo's other side: it answers calls, or places one.

    aiortc_peer.py listen HOST:PORT TONE RECORDING [FOLDER]
    aiortc_peer.py call URL TONE RECORDING SECONDS

It sends a sine of TONE Hz at half of full scale and writes what it hears to RECORDING, a mono 48 kHz
WAV. `listen` takes WHIP-style POSTs (with PATCH and DELETE) and serves FOLDER's files, so that a page
can be tried without halloo. `call` speaks WHIP to a URL that ends in /whip, else aiortc's own JSON.
Each prints a line of JSON for what happens.
"""

import asyncio
import fractions
import json
import math
import struct
import sys
import time
import wave
from pathlib import Path

import av
from aiohttp import ClientSession, web
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp

RATE = 48_000
FRAME = RATE // 50


def say(event, **members):
    print(json.dumps({"event": event, **members}), flush=True)


class Tone(MediaStreamTrack):
    """A steady sine, 20 ms at a time, in real time."""

    kind = "audio"

    def __init__(self, hz):
        super().__init__()
        # A second of it, made beforehand: for whole hertz it joins its own beginning.
        step = 2 * math.pi * hz / RATE
        samples = [int(16_383 * math.sin(step * n)) for n in range(RATE)]
        self.second = struct.pack(f"<{RATE}h", *samples)
        self.sent = 0
        self.start = None

    async def recv(self):
        self.start = self.start or time.monotonic()
        due = self.start + self.sent / RATE
        await asyncio.sleep(max(0, due - time.monotonic()))
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME)
        at = 2 * (self.sent % RATE)
        frame.planes[0].update(self.second[at : at + 2 * FRAME])
        frame.sample_rate = RATE
        frame.pts = self.sent
        frame.time_base = fractions.Fraction(1, RATE)
        self.sent += FRAME
        return frame


async def record(track, path):
    """Writes a remote track until it ends."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        try:
            while True:
                for frame in resampler.resample(await track.recv()):
                    file.writeframes(bytes(frame.planes[0])[: frame.samples * 2])
        except Exception as end:  # aiortc ends a track by an exception
            say("track ended", why=repr(end))


def peer(recording):
    pc = RTCPeerConnection()

    @pc.on("track")
    def on_track(track):
        say("track", kind=track.kind)
        if track.kind == "audio":
            pc.recorder = asyncio.ensure_future(record(track, recording))

    @pc.on("connectionstatechange")
    def on_change():
        say("state", state=pc.connectionState)

    return pc


async def close(pc):
    await pc.close()
    if hasattr(pc, "recorder"):
        await asyncio.wait([pc.recorder], timeout=2)


async def listen(address, tone, recording, folder=None):
    calls = {}

    async def offered(request):
        pc = peer(recording)
        pc.addTrack(Tone(tone))
        await pc.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        name = str(len(calls) + 1)
        calls[name] = pc
        headers = {"Location": f"/calls/{name}", "ETag": '"1"'}
        answer = pc.localDescription.sdp
        return web.Response(status=201, headers=headers, text=answer, content_type="application/sdp")

    async def patched(request):
        pc = calls.get(request.match_info["name"])
        if not pc:
            raise web.HTTPNotFound
        fragment = await request.text()
        say("patch", fragment=fragment, if_match=request.headers.get("If-Match"))
        mid = "0"
        for line in fragment.splitlines():
            if line.startswith("a=mid:"):
                mid = line[6:]
            if line.startswith("a=candidate:") and ".local" not in line and " udp " in line:
                candidate = candidate_from_sdp(line[12:])
                candidate.sdpMid = mid
                await pc.addIceCandidate(candidate)
        return web.Response(status=204)

    async def deleted(request):
        pc = calls.pop(request.match_info["name"], None)
        if not pc:
            raise web.HTTPNotFound
        say("delete")
        await close(pc)
        return web.Response()

    async def closed(request):
        """Hangs up from this side: for tests of the other one."""
        for pc in calls.values():
            await close(pc)
        return web.Response()

    async def file(request):
        return web.FileResponse(Path(folder) / (request.match_info["name"] or "index.html"))

    app = web.Application()
    app.router.add_post("/whip", offered)
    app.router.add_patch("/calls/{name}", patched)
    app.router.add_delete("/calls/{name}", deleted)
    app.router.add_post("/hang-up", closed)
    if folder:
        app.router.add_get("/{name:[a-z.]*}", file)
    runner = web.AppRunner(app)
    await runner.setup()
    host, port = address.rsplit(":", 1)
    site = web.TCPSite(runner, host, int(port))
    await site.start()
    say("listening", port=site._server.sockets[0].getsockname()[1])
    await asyncio.Event().wait()


async def call(url, tone, recording, seconds):
    pc = peer(recording)
    pc.addTrack(Tone(tone))
    connected = asyncio.Event()

    @pc.on("connectionstatechange")
    def changed():
        if pc.connectionState == "connected":
            connected.set()

    await pc.setLocalDescription(await pc.createOffer())
    location = None
    async with ClientSession() as session:
        if url.endswith("/whip"):
            headers = {"Content-Type": "application/sdp"}
            async with session.post(url, data=pc.localDescription.sdp, headers=headers) as answer:
                say("answer", status=answer.status, type=answer.content_type)
                location = answer.headers.get("Location")
                sdp = await answer.text()
        else:
            # `video_transform` is what the example page sends beside the offer.
            offer = {"sdp": pc.localDescription.sdp, "type": "offer", "video_transform": "none"}
            async with session.post(url, json=offer) as answer:
                say("answer", status=answer.status, type=answer.content_type)
                sdp = (await answer.json())["sdp"]
        await pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        await asyncio.wait_for(connected.wait(), 20)
        await asyncio.sleep(seconds)
        if location:
            base = url.rsplit("/whip", 1)[0]
            async with session.delete(base + location) as answer:
                say("deleted", status=answer.status)
    await close(pc)
    say("done")


if __name__ == "__main__":
    what, where, tone, recording, *rest = sys.argv[1:]
    if what == "listen":
        asyncio.run(listen(where, float(tone), recording, *rest))
    else:
        asyncio.run(call(where, float(tone), recording, float(rest[0])))
