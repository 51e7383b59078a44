"""The outermost layer: what a request must be before anybody looks at what it wants."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from aegis_kernel.domain.errors import BadRequestError, UnavailableError, UnsupportedMediaTypeError
from aegis_kernel.rest.answer import JSON, Answer, Headers
from aegis_kernel.rest.body import BoundedBody, Deadline, too_large
from aegis_kernel.rest.errors import answer_to
from aegis_kernel.rest.request_ids import RequestIds

# Answered even when the server is full: whoever asks would else restart a server that is only busy.
PROBES = frozenset({"/livez", "/readyz"})


# RFC 9110 §7.2: a name, an address or a bracketed IPv6 address, and perhaps a port.
_is_host = re.compile(rb"(?:[\w.~!$&'()*+,;=%-]*|\[[\w.:%~-]+\])(?::\d*)?", re.ASCII).fullmatch

# The listener's extension of the scope that sends a whole answer; another server has none.
WRITE_WHOLE = "aegis.write_whole"

TOO_MANY = "Too many requests at once; try again in a moment"

# How the paths end whose bodies may be larger.
BATCH = "/batch"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one request, and all of them together, may take.

    A refused body of up to `drain_bytes` is read and thrown away, so that the client sees the
    refusal; beyond it, the connection is closed. `requests_at_work` are those whose body is there.
    """

    body_bytes: int = 128 * 1024
    batch_bytes: int = 1024 * 1024
    body_seconds: float = 10.0
    drain_bytes: int = 1024 * 1024
    requests_in_flight: int = 1024
    requests_at_work: int = 512


class Edge:
    """Wraps an ASGI application: request id, limits, media types, HEAD as GET, the last catch."""

    def __init__(
        self, app: Any, limits: Limits, overloaded: Callable[[], None] | None = None
    ) -> None:
        self._app = app
        self._overloaded = overloaded
        self._limits = limits
        self._deadline = Deadline(limits.body_seconds)
        self._ids = RequestIds()
        self._in_flight = 0
        self._refusal = answer_to(UnavailableError(TOO_MANY), "")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer an HTTP request, always in one shape; other protocols are not spoken here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
            return
        self._in_flight += 1
        try:
            await self._serve(scope, receive, send)
        finally:
            self._in_flight -= 1

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        request_id = self._ids.next()
        scope.setdefault("state", {}).update(request_id=request_id, headers=headers)
        most = self._most_bytes(scope["path"])
        body = BoundedBody(receive, most, self._deadline)
        declared = _declared_bytes(headers)
        is_endless = declared is None or declared > self._limits.drain_bytes
        # Taken out: with it the scope would hold on to itself, and only a collection would free it.
        write_whole = scope.get("extensions", {}).pop(WRITE_WHOLE, None)
        outgoing = _Outgoing(send, write_whole, request_id, body, is_endless)
        if scope["method"] == "HEAD":
            scope, outgoing.is_head = {**scope, "method": "GET"}, True
        try:
            self._admit(scope["path"], headers, declared, most)
            await self._app(scope, body, outgoing)
        except Exception as error:
            if outgoing.has_started:
                raise
            await answer_to(error, request_id)(scope, body, outgoing)

    def shed(self, scope: Any, under_way: int) -> tuple[Answer, bytes] | None:
        """Return the refusal of a request that has just begun, and its id; None to let it pass.

        Refused here, it costs less than once it has a task. `under_way` are all others that
        have begun. What may have more of a body than is read and thrown away is left to the task.
        """
        if under_way - self._deadline.waiting < self._limits.requests_at_work:
            return None
        headers = dict(scope["headers"])
        declared = _declared_bytes(headers)
        is_small = declared is not None and declared <= self._limits.drain_bytes
        if not is_small or scope["method"] == "HEAD" or scope["path"] in PROBES:
            return None
        if self._overloaded is not None:
            self._overloaded()
        return self._refusal, self._ids.next().encode()

    def _is_full(self) -> bool:
        # Who still waits for a body costs no time: slow clients are counted apart.
        at_work = self._in_flight - self._deadline.waiting
        limits = self._limits
        return at_work > limits.requests_at_work or self._in_flight > limits.requests_in_flight

    def _most_bytes(self, path: str) -> int:
        return self._limits.batch_bytes if path.endswith(BATCH) else self._limits.body_bytes

    def _admit(
        self, path: str, headers: Mapping[bytes, bytes], declared: int | None, most: int
    ) -> None:
        if path not in PROBES and self._is_full():
            if self._overloaded is not None:
                self._overloaded()
            raise UnavailableError(TOO_MANY)
        host = headers.get(b"host")
        if host is not None and not _is_host(host):
            raise BadRequestError("The Host header is not a host and a port")
        if declared == 0:
            return
        if declared is not None and declared > most:
            raise too_large(most)
        _require_plain_json(headers)


class _Outgoing:
    """The `send` of a request: adds the request id, closes what should not go on, drops for HEAD."""

    def __init__(
        self, send: Any, write_whole: Any, request_id: str, body: BoundedBody, is_endless: bool
    ) -> None:
        self._send = send
        self._write_whole = write_whole
        self._request_id = request_id.encode()
        self._body = body
        self._is_endless = is_endless
        self.is_head = False
        self.has_started = False

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            headers = [*message["headers"], (b"x-request-id", self._request_id)]
            if self._must_close():
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        elif self.is_head:
            message = {**message, "body": b""}
        await self._send(message)

    def send_whole(self, status: int, headers: Headers, body: bytes) -> bool:
        """Send an answer at once where the server can; else do nothing and return False."""
        if self._write_whole is None or self.has_started or self.is_head or self._must_close():
            return False
        self.has_started = self._write_whole(status, headers, self._request_id, body)
        return self.has_started

    def _must_close(self) -> bool:
        return self._body.is_late or (self._is_endless and not self._body.is_complete)


def _declared_bytes(headers: Mapping[bytes, bytes]) -> int | None:
    """Return how long the body is said to be; None if that is left open."""
    if b"transfer-encoding" in headers:
        return None
    length = headers.get(b"content-length", b"0")
    return int(length) if length.isdigit() and len(length) <= 18 else None


def _require_plain_json(headers: Mapping[bytes, bytes]) -> None:
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMediaTypeError("Bodies are sent as they are, without Content-Encoding")
    sent = headers.get(b"content-type", b"")
    if sent == JSON:
        return
    kind, _, parameters = sent.lower().partition(b";")
    charset = parameters.strip().removeprefix(b"charset=").strip(b'"')
    if kind.strip() != JSON or charset not in (b"", b"utf-8"):
        raise UnsupportedMediaTypeError("A body needs the header Content-Type: application/json")
