"""A catalog that holds every course, and an LMS that knows every customer: the services around a fuzzed server."""

import http.server
import json
import sys


class Upstreams(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        customer = self.path.strip("/").split("/")[-1]
        known = {"uuid": customer, "slug": f"fuzz-{customer}", "name": "Fuzz", "contains_content_items": True}
        body = json.dumps(known).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Upstreams).serve_forever()
