"""Requests beyond what may be at work: refused where they begin, and never at the cost of the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from aegis_kernel import listener as listening
from aegis_kernel.listener import Listener
from aegis_kernel.rest.answer import json_answer
from aegis_kernel.rest.edge import Edge, Limits

GET = b"GET /v1/keys HTTP/1.1\r\nHost: aegis\r\n"
BODY = b'{"answer": 42}'


class Held:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.first = asyncio.Event()
        self.begun = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun += 1
        await (self.first if scope["path"] == "/first" else self.go).wait()
        await json_answer(200, BODY)(scope, receive, send)


Lines = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Ask = Callable[[bytes], Awaitable[Lines]]


@asynccontextmanager
async def served(held: Held, counted: list[int], most: int = 1) -> AsyncIterator[Ask]:
    """A server where `most` may be at work; yields what sends bytes over a new connection."""
    ports: asyncio.Queue[int] = asyncio.Queue()
    edge = Edge(held, Limits(requests_at_work=most), lambda: counted.append(1))
    server = Listener(edge, "127.0.0.1", 0, ports.put_nowait)
    serving = asyncio.create_task(server.serve())
    port, writers = await ports.get(), list[asyncio.StreamWriter]()

    async def ask(request: bytes) -> Lines:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        writer.write(request)
        return reader, writer

    try:
        yield ask
    finally:
        held.go.set()
        held.first.set()
        for writer in writers:
            writer.close()
            await writer.wait_closed()
        server.should_exit = True
        await serving


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(h[16:]) for h in head.split(b"\r\n") if h.startswith(b"content-length: "))
    return head, await reader.readexactly(length)


async def test_one_too_many_is_refused_whole_and_the_line_kept() -> None:
    held, counted = Held(), list[int]()
    async with asyncio.timeout(10), served(held, counted) as ask:
        slow, _ = await ask(GET + b"\r\n")
        while held.begun < 1:
            await asyncio.sleep(0.01)
        posted = b"POST /v1/keys HTTP/1.1\r\nHost: aegis\r\nContent-Length: 2\r\n\r\n{}"
        reader, writer = await ask(posted)
        for _ in range(3):
            head, body = await answer(reader)
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 1\r\n" in head
            assert head.count(b"x-request-id: ") == 1
            assert b'"Unavailable"' in body
            writer.write(posted)
        await answer(reader)
        held.go.set()
        await answer(slow)
        writer.write(GET + b"\r\n")
        head, _ = await answer(reader)
        assert head.startswith(b"HTTP/1.1 200 ")
    assert len(counted) == 4
    assert held.begun == 2


async def test_whoever_is_refused_again_and_again_keeps_the_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.2)
    held = Held()
    async with asyncio.timeout(10), served(held, []) as ask:
        await ask(GET + b"\r\n")
        while held.begun < 1:
            await asyncio.sleep(0.01)
        reader, writer = await ask(GET + b"\r\n")
        for _ in range(10):
            await answer(reader)
            await asyncio.sleep(0.05)
            writer.write(GET + b"\r\n")
        await answer(reader)


async def test_probes_are_let_through() -> None:
    held = Held()
    async with asyncio.timeout(10), served(held, []) as ask:
        await ask(GET + b"\r\n")
        while held.begun < 1:
            await asyncio.sleep(0.01)
        await ask(b"GET /livez HTTP/1.1\r\nHost: aegis\r\n\r\n")
        while held.begun < 2:
            await asyncio.sleep(0.01)


async def test_a_burst_behind_one_request_is_answered_in_order() -> None:
    held = Held()
    async with asyncio.timeout(20), served(held, [], 2) as ask:
        first = b"GET /first HTTP/1.1\r\nHost: aegis\r\n\r\n"
        reader, _ = await ask(first + (GET + b"\r\n") * 1200)
        while held.begun < 1:
            await asyncio.sleep(0.01)
        await ask(GET + b"\r\n")
        while held.begun < 2:
            await asyncio.sleep(0.01)
        held.first.set()  # and there are as many at work as may be, for what waits behind it
        await answer(reader)
        held.go.set()
        for _ in range(1200):
            head, _ = await answer(reader)
            assert head.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 503 "))
