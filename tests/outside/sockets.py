"""HTTP as rude clients speak it: exactly these bytes, on a socket of our own."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from contextlib import suppress
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
        self._sent = b""
        self._began = 0.0

    def ask(self, request: bytes) -> Answer | None:
        """Send exactly these bytes; return the answer, or None if the line was closed without one.

        Raises TimeoutError after `seconds`.
        """
        is_fresh = self._socket is None
        self.send(request)
        answer = self.hear()
        if answer is None and not is_fresh:  # closed since the answer before
            self.send(request)
            answer = self.hear()
        return answer

    def send(self, request: bytes) -> None:
        """Send exactly these bytes, as far as they are taken."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, self._seconds)
        self._sent = request
        self._began = time.monotonic()
        with suppress(ConnectionError):  # refused before all was sent: what was said of it comes
            self._socket.sendall(request)

    def hear(self) -> Answer | None:
        """Return the answer to what was sent last, or None if the line was closed without one."""
        assert self._socket is not None
        try:
            response = HTTPResponse(self._socket, method=_method(self._sent))
            response.begin()
            body = response.read()
        except (ConnectionError, HTTPException):
            self.close()
            return None
        if response.will_close:
            self.close()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, body, time.monotonic() - self._began)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


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


def _method(sent: bytes) -> str:
    return sent.split(b" ", 1)[0].decode("latin-1")
