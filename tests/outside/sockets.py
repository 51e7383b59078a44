"""HTTP as rude clients speak it: exactly these bytes, on a socket of our own."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from urllib.parse import urlsplit

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """What came back. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class Line:
    """A connection that is kept, and made again when the server has closed it."""

    def __init__(self, url: str, seconds: float = 5.0) -> None:
        where = urlsplit(url)
        self._address = (where.hostname or "", where.port or 0)
        self._seconds = seconds
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> Answer | None:
        """Send exactly these bytes; return the answer, or None if the line was closed without one.

        Raises TimeoutError after `seconds`.
        """
        is_fresh = self._socket is None
        answer = self._exchange(request)
        if answer is None and not is_fresh:  # closed since the answer before
            answer = self._exchange(request)
        return answer

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, request: bytes) -> Answer | None:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, self._seconds)
        began = time.monotonic()
        try:
            _send(self._socket, request)
            response = HTTPResponse(
                self._socket, method=request.split(b" ", 1)[0].decode("latin-1")
            )
            response.begin()
            body = response.read()
        except (ConnectionError, HTTPException):
            self.close()
            return None
        if response.will_close:
            self.close()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, body, time.monotonic() - began)


def request(
    method: str, target: bytes | str, headers: Mapping[str, bytes | str], body: bytes = b""
) -> bytes:
    """Return a request's bytes; its length is said, and it goes on the line that is kept."""
    lines = [b"%b %b HTTP/1.1" % (method.encode(), _bytes(target)), b"Host: aegis"]
    lines += [b"%b: %b" % (name.encode(), _bytes(value)) for name, value in headers.items()]
    if body:
        lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, b"", body])


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _send(line: socket.socket, data: bytes) -> None:
    try:
        line.sendall(data)
    except ConnectionError:
        # Refused before all was sent: what it said of that is still to be read.
        return
