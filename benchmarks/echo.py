"""The floor that every Python server stands on: a bare ASGI application that answers a constant."""

from __future__ import annotations

from typing import Any

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"2")],
}
BODY = {"type": "http.response.body", "body": b"{}"}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Read the body, answer `{}`."""
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send(BODY)
