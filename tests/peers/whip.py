"""WHIP by Python's own library, both sides, for peers that have `offer`, `accept` and `close`.

What happens is told on stdout, a JSON object a line.
"""

import json
import os
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urljoin


def say(event, **members):
    print(json.dumps({"event": event, **members}), flush=True)


def call(peer, url, seconds):
    """The peer offers, talks for so long, and hangs up."""
    request = urllib.request.Request(url, peer.offer().encode(), {"Content-Type": "application/sdp"})
    with urllib.request.urlopen(request) as response:
        location = urljoin(url, response.headers["Location"])
        peer.accept(response.read().decode())
    time.sleep(float(seconds))
    with urllib.request.urlopen(urllib.request.Request(location, method="DELETE")) as response:
        say("deleted", status=response.status)
    peer.close()
    os._exit(0)


def listen(address, answer):
    """One call is taken: `answer(offer)` gives the peer and its answer. It ends when the caller hangs up."""
    peers = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            peer, sdp = answer(self.rfile.read(int(self.headers["Content-Length"])).decode())
            peers.append(peer)
            self.send_response(201)
            self.send_header("Content-Type", "application/sdp")
            self.send_header("Content-Length", str(len(sdp.encode())))
            self.send_header("Location", "/calls/1")
            self.end_headers()
            self.wfile.write(sdp.encode())

        def do_DELETE(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.wfile.flush()
            peers[0].close()
            os._exit(0)

        def log_message(self, *_):
            pass

    host, port = address.split(":")
    server = HTTPServer((host, int(port)), Handler)
    say("listening", port=server.server_port)
    server.serve_forever()
