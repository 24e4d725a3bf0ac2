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
import time
import urllib.request
import wave
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urljoin

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


def say(event, **members):
    print(json.dumps({"event": event, **members}), flush=True)


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
    peer = Peer(codec, tone, recording)
    request = urllib.request.Request(url, peer.offer().encode(), {"Content-Type": "application/sdp"})
    with urllib.request.urlopen(request) as response:
        location = urljoin(url, response.headers["Location"])
        peer.accept(response.read().decode())
    time.sleep(float(seconds))
    with urllib.request.urlopen(urllib.request.Request(location, method="DELETE")) as response:
        say("deleted", status=response.status)
    peer.close()


def listen(address, codec, tone, recording):
    peer = Peer(codec, tone, recording)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            sdp = self.rfile.read(int(self.headers["Content-Length"])).decode()
            answer = peer.answer(sdp).encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/sdp")
            self.send_header("Content-Length", str(len(answer)))
            self.send_header("Location", "/calls/1")
            self.end_headers()
            self.wfile.write(answer)

        def do_DELETE(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.wfile.flush()
            peer.close()
            os._exit(0)

        def log_message(self, *_):
            pass

    host, port = address.split(":")
    server = HTTPServer((host, int(port)), Handler)
    say("listening", port=server.server_port)
    server.serve_forever()


if __name__ == "__main__":
    {"call": call, "listen": listen}[sys.argv[1]](*sys.argv[2:])
