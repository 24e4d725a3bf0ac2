"""A web server in front of a halloo: files of a folder, and POSTs passed on.

    front.py FOLDER HALLOO-URL

A page that posts to its own origin so reaches halloo, as through the proxy of a real site. Prints its own
URL, one line of JSON.
"""

import functools
import http.server
import json
import sys
import urllib.error
import urllib.request


class Front(http.server.SimpleHTTPRequestHandler):
    halloo = sys.argv[2]

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {"Content-Type": self.headers["Content-Type"]}
        request = urllib.request.Request(self.halloo + self.path, body, headers)
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        text = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


handler = functools.partial(Front, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
url = f"http://127.0.0.1:{server.server_address[1]}"
print(json.dumps({"event": "listening", "url": url}), flush=True)
server.serve_forever()
