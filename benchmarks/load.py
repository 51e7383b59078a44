"""Clients that ask a server again as soon as it has answered: `python -m benchmarks.load` in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

#: One principal asks for all that a server can do.
UNLIMITED: Mapping[str, str] = MappingProxyType(
    {
        "AEGIS_RATE_LIMIT_REQUESTS": "0",
        "AEGIS_RATE_LIMIT_HEAVY": "0",
        "AEGIS_RATE_LIMIT_MAKING": "0",
    }
)


async def ask_for(urls: list[str], request: bytes, connections: int, seconds: float) -> float:
    """Return answers a second, with so many connections to each of `urls`; all must be 200."""
    answers = 0
    until = time.monotonic() + seconds

    async def client(host: str, port: int) -> None:
        nonlocal answers
        reader, writer = await asyncio.open_connection(host, port)
        while time.monotonic() < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(head.decode())
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            answers += 1
        writer.close()

    began = time.monotonic()
    places = [(urlsplit(url).hostname or "", urlsplit(url).port or 80) for url in urls]
    await asyncio.gather(*(client(*place) for place in places for _ in range(connections)))
    return answers / (time.monotonic() - began)


def post(path: str, token: str, body: object) -> bytes:
    """Return one whole request."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    rate = asyncio.run(
        ask_for(asked["urls"], asked["request"].encode(), asked["connections"], asked["seconds"])
    )
    print(json.dumps({"rate": rate, "processor": time.process_time()}))
