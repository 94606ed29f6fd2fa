"""A service that knows nothing of amesh: it answers with what it is told of the caller."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        told = {name: value for name, value in self.headers.items() if name.lower().startswith("x-authmesh-")}
        body = json.dumps({"path": self.path, **told}).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


print("listening", flush=True)
HTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
