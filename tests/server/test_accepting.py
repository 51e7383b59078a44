"""Connections are accepted as many as wait, in one turn of the loop."""

from __future__ import annotations

import asyncio
import resource
import socket
from contextlib import ExitStack

import pytest

from aegis_kernel import acceptor as accepting
from aegis_kernel.acceptor import Acceptor
from aegis_kernel.sockets import bind

AT_ONCE = 100


class Met(asyncio.Protocol):
    """Counts the connections that have their protocol."""

    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Met.count += 1
        transport.close()


def connect(stack: ExitStack, port: int, count: int) -> None:
    for _ in range(count):
        stack.enter_context(socket.create_connection(("127.0.0.1", port)))


async def test_a_busy_loop_keeps_nobody_waiting_at_the_door(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Met, "count", 0)
    (bound,) = bind("127.0.0.1", 0)
    acceptor = Acceptor(bound, Met, 2048)
    with ExitStack() as stack:
        connect(stack, bound.getsockname()[1], AT_ONCE)  # and the loop does not turn meanwhile
        for _ in range(10):
            await asyncio.sleep(0)
        assert Met.count == AT_ONCE
    acceptor.close()
    await acceptor.wait_closed()


async def test_without_a_free_descriptor_it_waits_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Met, "count", 0)
    monkeypatch.setattr(accepting, "PAUSE_SECONDS", 0.05)
    (bound,) = bind("127.0.0.1", 0)
    acceptor = Acceptor(bound, Met, 2048)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        connect(stack, bound.getsockname()[1], 1)
        taken = socket.socket()
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (taken.fileno() + 1, limits[1]))
            await asyncio.sleep(0.02)
            assert Met.count == 0
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            taken.close()
        async with asyncio.timeout(5):
            while Met.count == 0:
                await asyncio.sleep(0.01)
    assert "no connection can be accepted now" in caplog.text
    acceptor.close()


async def test_once_closed_nobody_connects() -> None:
    (bound,) = bind("127.0.0.1", 0)
    port = bound.getsockname()[1]
    acceptor = Acceptor(bound, Met, 16)
    acceptor.close()
    acceptor.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
