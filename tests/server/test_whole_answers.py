"""Answers over the listener that serves in production, byte for byte as a client receives them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from aegis_kernel import listener as listening
from aegis_kernel.listener import Listener
from aegis_kernel.rest.answer import Answer, json_answer
from aegis_kernel.rest.edge import Edge, Limits

BODY = b'{"answer": 42}'
GET = b"GET / HTTP/1.1\r\nHost: aegis\r\n"

Send = Callable[[bytes], Awaitable[bytes]]


@asynccontextmanager
async def served(answer: Answer) -> AsyncIterator[Send]:
    """Yield a function that sends bytes and returns all that comes until the server is done."""
    ports: asyncio.Queue[int] = asyncio.Queue()
    server = Listener(Edge(answer, Limits()), "127.0.0.1", 0, ports.put_nowait)
    serving = asyncio.create_task(server.serve())
    port = await ports.get()

    async def send(request: bytes) -> bytes:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            received = await reader.read()
            writer.close()
            return received

    try:
        yield send
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each answer was written whole."""
    seen: list[bool] = []
    write = listening.write_whole

    def watched(*arguments: Any) -> bool:
        seen.append(write(*arguments))
        return seen[-1]

    monkeypatch.setattr(listening, "write_whole", watched)
    return seen


def without_id(head: bytes) -> set[bytes]:
    return {line for line in head.split(b"\r\n") if not line.startswith(b"x-request-id: ")}


async def test_a_whole_answer_says_what_one_in_two_messages_says(written: list[bool]) -> None:
    async with served(json_answer(200, BODY)) as send:
        # Two requests in a row; the second asks to close, which uvicorn itself must write.
        received = await send(GET + b"\r\n" + GET + b"Connection: close\r\n\r\n")
    first, second, rest = received.split(BODY)
    assert written == [True, False]
    assert rest == b""
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert without_id(second) - without_id(first) == {b"connection: close"}
    assert without_id(first) <= without_id(second)
    assert first.count(b"x-request-id: ") == second.count(b"x-request-id: ") == 1


async def test_answers_to_requests_sent_at_once_come_in_order_and_apart() -> None:
    async with served(json_answer(200, BODY)) as send:
        received = await send((GET + b"\r\n") * 20 + GET + b"Connection: close\r\n\r\n")
    assert received.count(BODY) == received.count(b"HTTP/1.1 200 OK\r\n") == 21


async def test_a_head_has_the_length_of_the_body_that_it_leaves_out(written: list[bool]) -> None:
    async with served(json_answer(200, BODY)) as send:
        request = b"HEAD / HTTP/1.1\r\nHost: aegis\r\n\r\n" + GET + b"Connection: close\r\n\r\n"
        received = await send(request)
    assert written == [False]
    assert received.count(b"content-length: %d\r\n" % len(BODY)) == 2
    assert received.count(BODY) == 1


async def test_an_answer_without_content_has_no_length(written: list[bool]) -> None:
    async with served(Answer(204, b"", ())) as send:
        received = await send(GET + b"\r\n" + GET + b"Connection: close\r\n\r\n")
    assert written == [False, False]
    assert received.count(b"HTTP/1.1 204 No Content\r\n") == 2
    assert b"content-length" not in received


@pytest.mark.parametrize("value", [b"one\r\ntwo: 2", b"one\ntwo", b"one\0"])
async def test_a_header_that_would_be_two_is_never_sent(value: bytes, written: list[bool]) -> None:
    async with served(json_answer(200, BODY, ((b"x-one", value),))) as send:
        received = await send(GET + b"Connection: keep-alive\r\n\r\n")
    assert written == [False]
    assert b"one" not in received
