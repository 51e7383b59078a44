"""An answer: status, headers, bytes. Every answer of this wire is one, errors included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

Header = tuple[bytes, bytes]
Headers = Sequence[Header]

JSON = b"application/json"

NO_STORE: Header = (b"cache-control", b"no-store")
NO_SNIFF: Header = (b"x-content-type-options", b"nosniff")

_JSON_HEADERS = ((b"content-type", JSON), NO_STORE, NO_SNIFF)


class Answer(msgspec.Struct, frozen=True, gc=False):
    """Sends itself: an ASGI application of one answer."""

    status: int
    body: bytes
    headers: Headers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the head and the whole body, in one piece where `send` can."""
        send_whole = getattr(send, "send_whole", None)
        if send_whole is not None and send_whole(self.status, self.headers, self.body):
            return
        headers = list(self.headers)
        if self.status not in (204, 304):  # RFC 9110 §8.6
            headers.append((b"content-length", b"%d" % len(self.body)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def json_answer(status: int, body: bytes, extra: Headers = ()) -> Answer:
    """Return an answer of encoded JSON that nobody may keep."""
    return Answer(status, body, (*_JSON_HEADERS, *extra) if extra else _JSON_HEADERS)


def page_answer(content_type: str, body: bytes, extra: Headers = (NO_STORE,)) -> Answer:
    """Return an answer of any other content type."""
    return Answer(200, body, ((b"content-type", content_type.encode()), NO_SNIFF, *extra))
