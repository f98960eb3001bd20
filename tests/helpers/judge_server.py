"""An OpenAI-compatible server on this machine that answers well, badly, late and not at all."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Behaves as the text it is sent says."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((body, self.headers.get("Authorization")))  # type: ignore[attr-defined]
        prompt = body["messages"][0]["content"]
        if "LATE" in prompt:
            time.sleep(0.6)
        if "GONE" in prompt:
            self.connection.close()
            return
        status = 500 if "BROKEN" in prompt else 200
        content = "I had rather not say." if "BADLY" in prompt else "It is there.\nGrade: 2"
        reply = {} if "EMPTY" in prompt else {"choices": [{"message": {"content": content}}]}
        data = b"<html>" if "HTML" in prompt else json.dumps(reply).encode()
        try:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            return  # the judge has hung up

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def judge_server() -> Iterator[ThreadingHTTPServer]:
    """A server whose `seen` lists what it was sent: (body, authorization)."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.seen = []  # type: ignore[attr-defined]
    made.handle_error = lambda *args: None  # type: ignore[method-assign]
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        made.server_close()


def address_of(server: ThreadingHTTPServer) -> str:
    """Base address of a server."""
    return f"http://127.0.0.1:{server.server_address[1]}/v1"
