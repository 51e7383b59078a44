"""A kernel of this process behind a real socket, with the server that serves in production."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.rest.app import build_app
from aegis_kernel.rest.edge import Limits

Answer = tuple[int, dict[str, str], bytes]


@asynccontextmanager
async def serving(kernel: Kernel, limits: Limits | None = None) -> AsyncIterator[int]:
    """The port on loopback where `kernel` is served."""
    app = build_app(kernel, limits) if limits else build_app(kernel)
    config = uvicorn.Config(
        app, port=0, http="httptools", ws="none", lifespan="off", log_config=None, loop="none"
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def connection(
    port: int, seconds: float = 10
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that fails the test if it is needed for longer than `seconds`."""
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer: status, headers with lower-case names, body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(first.split()[1]), headers, body
