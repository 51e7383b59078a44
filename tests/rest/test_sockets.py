"""Over real sockets, with the server that serves in production, as rude clients speak."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest_asyncio
import uvicorn

from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.rest.app import build_app
from aegis_kernel.rest.edge import Limits

ALICE = "Host: aegis\r\nX-Aegis-User: alice\r\nContent-Type: application/json\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port(kernel: Kernel) -> AsyncIterator[int]:
    app = build_app(kernel, Limits(body_seconds=0.2))
    config = uvicorn.Config(
        app, port=0, http="httptools", ws="none", lifespan="off", log_config=None, loop="none"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


@asynccontextmanager
async def connection(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Read one answer: status, headers, body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(lines[0].split()[1]), headers, body


def code(body: bytes) -> str:
    return str(json.loads(body)["error"])


async def test_a_body_that_is_too_long_is_refused_and_the_connection_goes_on(port: int) -> None:
    async with connection(port) as (reader, writer):
        length = 512 * 1024
        writer.write(f"POST /v1/keys HTTP/1.1\r\n{ALICE}Content-Length: {length}\r\n\r\n".encode())
        status, headers, body = await answer(reader)  # before a single byte of it is sent
        assert (status, code(body)) == (413, "PayloadTooLarge")
        assert "x-request-id" in headers
        writer.write(bytes(length))
        writer.write(f"GET /v1/keys HTTP/1.1\r\n{ALICE}\r\n".encode())
        assert (await answer(reader))[0] == 200


async def test_a_body_without_end_is_refused_and_the_connection_closed(port: int) -> None:
    async with connection(port) as (reader, writer):
        writer.write(
            f"POST /v1/keys HTTP/1.1\r\n{ALICE}Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        for _ in range(3):
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        status, headers, body = await answer(reader)
        assert (status, code(body)) == (413, "PayloadTooLarge")
        assert headers["connection"] == "close"


async def test_a_body_that_does_not_come_is_refused_and_the_connection_closed(port: int) -> None:
    async with connection(port) as (reader, writer):
        writer.write(
            f'POST /v1/keys HTTP/1.1\r\n{ALICE}Content-Length: 50\r\n\r\n{{"spec"'.encode()
        )
        status, headers, body = await answer(reader)
        assert (status, code(body)) == (400, "BadRequest")
        assert headers["connection"] == "close"
        assert await reader.read() == b""


async def test_two_requests_in_one_packet_get_two_answers_in_order(port: int) -> None:
    async with connection(port) as (reader, writer):
        first = f"GET /v1/nothing HTTP/1.1\r\n{ALICE}\r\n"
        second = f"HEAD /docs/ HTTP/1.1\r\n{ALICE}\r\n"
        third = f"GET /livez HTTP/1.1\r\n{ALICE}\r\n"
        writer.write((first + second + third).encode())
        assert (await answer(reader))[0] == 404
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        status, _, body = await answer(reader)
        assert (status, body) == (200, b'{"status":"ok"}')


async def test_whoever_asks_first_whether_to_send_gets_the_refusal_first(port: int) -> None:
    async with connection(port) as (reader, writer):
        writer.write(
            b"POST /v1/keys HTTP/1.1\r\nHost: aegis\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"
        )
        status, _, body = await answer(reader)
        assert (status, code(body)) == (401, "Unauthorized")


async def test_a_header_twice_is_nobody(port: int) -> None:
    async with connection(port) as (reader, writer):
        writer.write(f"GET /v1/keys HTTP/1.1\r\n{ALICE}X-Aegis-User: bob\r\n\r\n".encode())
        assert (await answer(reader))[0] == 401


async def test_bytes_that_are_not_http_are_answered_and_forgotten(port: int) -> None:
    async with connection(port) as (reader, writer):
        writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
