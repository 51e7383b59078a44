"""Requests at a rate, as bytes over kept connections: cheap enough to ask for more than a server can do.

A request's time runs from when it was due, not from when there was time to send it.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.faults.clients import headers

_TICK = 0.005
_HUNG_SECONDS = 30.0


class Answer(NamedTuple):
    """What a request came to. `status` is 0 where there was no answer, of a line cut or in time."""

    status: int
    seconds: float
    request_id: str = ""
    retry_after: str | None = None


class Line(asyncio.Protocol):
    """A connection with one request at a time."""

    def __init__(self) -> None:
        self._heard = b""
        self._done: asyncio.Future[tuple[dict[str, str], int]] | None = None
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, end, body = self._heard.partition(b"\r\n\r\n")
        if not end or self._done is None or self._done.done():
            return
        first, *rest = head.decode("latin-1").lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in rest)
        if len(body) >= int(fields.get("content-length", 0)):
            self._heard = b""
            self._done.set_result((fields, int(first.split()[1])))

    @property
    def is_lost(self) -> bool:
        """Whether the server has closed it: it keeps no idle connection for ever."""
        return bool(self._transport.is_closing())

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionResetError())

    async def ask(self, request: bytes) -> tuple[dict[str, str], int]:
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._done

    def close(self) -> None:
        self._transport.abort()


class Crowd:
    """A number of connections, as the pools of all clients together; a request waits for a free one."""

    def __init__(self, connections: int, connect: Callable[[], Awaitable[Line]]) -> None:
        self._connect = connect
        self._idle: asyncio.LifoQueue[Line | None] = asyncio.LifoQueue()
        for _ in range(connections):
            # Made when it is needed: a server closes what never asks.
            self._idle.put_nowait(None)

    async def ask(self, request: bytes, due: float | None = None) -> Answer:
        """Return the answer; its seconds are since `due` (monotonic), else since now."""
        due = time.monotonic() if due is None else due
        try:
            async with asyncio.timeout(_HUNG_SECONDS):
                line = await self._idle.get()
                if line is None or line.is_lost:
                    line = await self._connect()
                fields, status = await line.ask(request)
        except (OSError, TimeoutError):
            self._idle.put_nowait(None)
            return Answer(0, time.monotonic() - due)
        self._idle.put_nowait(line)
        seconds = time.monotonic() - due
        return Answer(status, seconds, fields["x-request-id"], fields.get("retry-after"))


@asynccontextmanager
async def crowd(url: str, connections: int) -> AsyncIterator[Crowd]:
    """Clients of this server, all gone at the end."""
    where, loop, lines = urlsplit(url), asyncio.get_running_loop(), list[Line]()

    async def connect() -> Line:
        _, line = await loop.create_connection(Line, where.hostname, where.port)
        lines.append(line)
        return line

    try:
        yield Crowd(connections, connect)
    finally:
        for line in lines:
            line.close()


async def closed_loop(clients: Crowd, request: bytes, at_once: int, seconds: float) -> list[Answer]:
    """Keep `at_once` requests under way for so long; return the answers."""
    until = time.monotonic() + seconds

    async def work() -> list[Answer]:
        answers = []
        while time.monotonic() < until:
            answers.append(await clients.ask(request))
        return answers

    worked = await asyncio.gather(*(work() for _ in range(at_once)))
    return [answer for answers in worked for answer in answers]


async def open_loop(clients: Crowd, request: bytes, rate: float, seconds: float) -> list[Answer]:
    """Send `rate` requests a second for so long, whatever is answered; return the answers."""
    began, asked = time.monotonic(), list[asyncio.Task[Answer]]()
    while (now := time.monotonic()) < began + seconds:
        while (due := began + len(asked) / rate) <= now:
            asked.append(asyncio.create_task(clients.ask(request, due)))
        await asyncio.sleep(_TICK)
    return list(await asyncio.gather(*asked))


def bytes_of(method: str, path: str, body: Any) -> bytes:
    """Return an administrator's request."""
    said = json.dumps(body).encode()
    fields = headers() | {"Host": "aegis", "Content-Type": "application/json"}
    fields["Content-Length"] = str(len(said))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + said


def p99(answers: Sequence[Answer], status: int = 200) -> float:
    """Return the seconds within which 99 of 100 answers of this status came."""
    return statistics.quantiles([a.seconds for a in answers if a.status == status], n=100)[98]
