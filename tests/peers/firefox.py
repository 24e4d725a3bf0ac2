"""Firefox as halloo's other side; arguments as in node/call.js:

    firefox.py listen HOST:PORT CODEC TONE RECORDING
    firefox.py call URL CODEC TONE RECORDING SECONDS

It is driven by its own Marionette protocol (JSON with its length in front, over TCP). Its AudioContext
runs only where there is a sound device: a software sound server does.
"""

import array
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import wave
from pathlib import Path

sys.dont_write_bytecode = True  # the sources' folder is no place for it
import whip  # noqa: E402
from whip import say  # noqa: E402

PREFERENCES = {
    "marionette.port": 0,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.startup.max_resumed_crashes": -1,
}


class Firefox:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="halloo-firefox-")
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in PREFERENCES.items()]
        Path(self.profile, "user.js").write_text("\n".join(lines))
        command = ["firefox-esr", "--headless", "--no-remote", "--marionette", "--profile", self.profile]
        environment = {**os.environ, "HOME": self.profile}
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.socket = socket.create_connection(("127.0.0.1", self.port()))
        self.buffer = b""
        self.last = 0
        self.receive()  # its greeting
        self.send("WebDriver:NewSession", {})
        self.send("WebDriver:SetTimeouts", {"script": 30_000})
        self.send("WebDriver:Navigate", {"url": "about:blank"})
        self.script(Path(__file__).with_suffix(".js").read_text())

    def port(self):
        """Its output names the port that it took. What else it says is read, or it would wait."""
        for line in self.process.stdout:
            if b"Listening on port " in line:
                forget = lambda: [None for _ in self.process.stdout]
                threading.Thread(target=forget, daemon=True).start()
                return int(line.split()[-1])
        raise RuntimeError(f"firefox-esr ended with {self.process.wait()}")

    def receive(self):
        while b":" not in self.buffer:
            self.buffer += self.socket.recv(65_536)
        length, self.buffer = self.buffer.split(b":", 1)
        while len(self.buffer) < int(length):
            self.buffer += self.socket.recv(65_536)
        text, self.buffer = self.buffer[: int(length)], self.buffer[int(length) :]
        return json.loads(text)

    def send(self, command, parameters):
        self.last += 1
        message = json.dumps([0, self.last, command, parameters]).encode()
        self.socket.sendall(str(len(message)).encode() + b":" + message)
        _, _, error, result = self.receive()
        if error:
            raise RuntimeError(f"{command}: {error}")
        return result

    def script(self, script, *arguments):
        parameters = {"script": script, "args": arguments, "sandbox": None}
        result = self.send("WebDriver:ExecuteScript", parameters)
        return result["value"]

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)


class Peer:
    def __init__(self, codec, tone, recording):
        self.firefox = Firefox()
        self.recording = recording
        self.firefox.script("start(...arguments)", codec, float(tone))

    def offer(self):
        return self.firefox.script("return complete()")

    def accept(self, sdp):
        self.firefox.script("return pc.setRemoteDescription({ type: 'answer', sdp: arguments[0] })", sdp)

    def answer(self, sdp):
        self.firefox.script("return pc.setRemoteDescription({ type: 'offer', sdp: arguments[0] })", sdp)
        return self.firefox.script("return complete()")

    def close(self):
        samples = array.array("h", self.firefox.script("return heard()"))
        with wave.open(self.recording, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(48_000)
            file.writeframes(samples.tobytes())
        self.firefox.close()
        say("recorded")


def call(url, codec, tone, recording, seconds):
    whip.call(Peer(codec, tone, recording), url, seconds)


def listen(address, codec, tone, recording):
    peer = Peer(codec, tone, recording)
    whip.listen(address, lambda offer: (peer, peer.answer(offer)))


if __name__ == "__main__":
    {"call": call, "listen": listen}[sys.argv[1]](*sys.argv[2:])
