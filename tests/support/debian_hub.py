"""A hub's web server on the machine of tests/support/debian.py: it answers 204, and writes down what came, a line each.

Run there as `python3 debian_hub.py PORT FILE`; the standard library only.
"""

import http.server
import json
import pathlib
import sys


class _Hub(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        with pathlib.Path(sys.argv[2]).open("a") as heard:
            heard.write(json.dumps({"headers": headers, "body": body}) + "\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Hub).serve_forever()
