"""A small issuer that answers as a test says: rightly, wrongly, late, elsewhere, or without an end."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .forge import JWKS

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/keys"


class Place:
    """`answers` maps a path to a document, or to (status, headers, body)."""

    def __init__(self, server: ThreadingHTTPServer, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{server.server_port}"
        self.asked: list[str] = []
        self.pause_seconds = 0.0
        self.answers: dict[str, Any] = {
            DISCOVERY: {"issuer": self.url, "jwks_uri": self.url + KEYS},
            KEYS: JWKS,
        }


@contextmanager
def place(trust: ssl.SSLContext | None = None) -> Iterator[Place]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.asked.append(self.path)
            answer = here.answers.get(self.path, (404, {}, b""))
            status, headers, body = (
                answer if isinstance(answer, tuple) else (200, {}, json.dumps(answer).encode())
            )
            with suppress(OSError):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                step = 1 if here.pause_seconds else max(1, len(body))
                for start in range(0, len(body), step):
                    self.wfile.write(body[start : start + step])
                    time.sleep(here.pause_seconds)

        def log_message(self, *given: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if trust is not None:
        server.socket = trust.wrap_socket(server.socket, server_side=True)
    here = Place(server, "https" if trust else "http")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
