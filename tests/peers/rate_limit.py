"""A web server in front of a halloo that lets nobody call: pages are passed on, POSTs come too often.

    rate_limit.py HALLOO-URL

So a site's own limit on requests answers (RFC 6585 section 4), with a page for people instead of halloo's
problem document. Prints its own URL, one line of JSON.
"""

import http.server
import json
import sys
import urllib.request


class RateLimit(http.server.BaseHTTPRequestHandler):
    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with urllib.request.urlopen(sys.argv[1] + self.path) as page:
            kept = {"Content-Type": page.headers["Content-Type"]}
            self.answer(page.status, kept, page.read())

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        headers = {"Content-Type": "text/html", "Retry-After": "120"}
        self.answer(429, headers, b"<h1>429 Too Many Requests</h1>")

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RateLimit)
url = f"http://127.0.0.1:{server.server_address[1]}"
print(json.dumps({"event": "listening", "url": url}), flush=True)
server.serve_forever()
