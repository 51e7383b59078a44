"""Four hundred clients that begin a request and do not end it: nobody else notices, and they have to go."""

from __future__ import annotations

import json
import selectors
import signal
import socket
import statistics
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.outside.secured import active_key, bearer, client, resident_mib, secured
from tests.support.server import Server

CROWD = 400
# 10 s for a head or a body (SECURITY.md), and time for a busy machine to notice.
DEADLINE_SECONDS = 12.0
HEALTHY_SECONDS = 1.0
HEAD_MIB = 64


class Slowpoke:
    """A connection that says part of a request, and then a byte now and then, or nothing."""

    def __init__(self, port: int, said: bytes, drip: bytes) -> None:
        self.opened = time.monotonic()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(said)
        self.heard = b""
        self.seconds: float | None = None
        self._drip = cycle(drip[at : at + 1] for at in range(len(drip)))

    def drip(self) -> None:
        if self.seconds is None:
            try:
                self.socket.send(next(self._drip, b""))
            except ConnectionError:
                self.gone()

    def hear(self) -> None:
        try:
            part = self.socket.recv(65_536)
        except ConnectionError:
            part = b""
        self.heard += part
        if not part:
            self.gone()

    def gone(self) -> None:
        self.seconds = time.monotonic() - self.opened


def heads() -> dict[str, tuple[bytes, bytes]]:
    """Return what slow clients say at once, and what they go on to say byte by byte."""
    token = bearer()["Authorization"]
    head = f"POST /v1/keys HTTP/1.1\r\nHost: aegis\r\nAuthorization: {token}\r\n".encode()
    body = b'Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"spec": '
    return {
        "nothing": (b"", b""),
        "half a head": (head, b""),
        "a head that goes on": (head, b"X-Slow: 1\r\n"),
        "half a body": (head + body, b""),
        "a body that goes on": (head + body, b" "),
    }


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with secured(tmp_path / "data") as server:
        yield server


class Stopping(NamedTuple):
    server: Server
    slow: Slowpoke


@pytest.fixture(scope="module", autouse=True)
def stopping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stopping]:
    """A server that was told to stop with half a body to read. It takes its time beside the tests."""
    with secured(tmp_path_factory.mktemp("stopping") / "data") as server:
        slow = Slowpoke(int(server.url.rpartition(":")[2]), *heads()["half a body"])
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        yield Stopping(server, slow)
        slow.socket.close()


def watch(crowd: list[Slowpoke], selector: selectors.BaseSelector, seconds: float) -> None:
    """Take what the server says to the crowd, for so long."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and selector.get_map():
        for key, _ in selector.select(left):
            slow: Slowpoke = key.data
            slow.hear()
            if slow.seconds is not None:
                selector.unregister(slow.socket)


def test_slow_clients_starve_nobody_and_are_sent_away(server: Server) -> None:
    port = int(server.url.rpartition(":")[2])
    kinds = heads()
    selector = selectors.DefaultSelector()
    crowd: list[Slowpoke] = []
    with client(server) as http:
        path = f"/v1/keys/{active_key(http)}/encrypt"
        for number in range(CROWD):
            crowd.append(Slowpoke(port, *list(kinds.values())[number % len(kinds)]))
            selector.register(crowd[-1].socket, selectors.EVENT_READ, crowd[-1])
        taken = []
        while selector.get_map() and time.monotonic() - crowd[0].opened < 2 * DEADLINE_SECONDS:
            for slow in crowd:
                slow.drip()
            taken += [ask(http, path) for _ in range(20)]
            watch(crowd, selector, 0.2)
    p99 = statistics.quantiles(taken, n=100)[98]
    print(f"{len(taken)} answers beside {CROWD} slow clients: p99 {p99 * 1000:.1f} ms")
    assert p99 < HEALTHY_SECONDS
    longest = max(slow.seconds or float("inf") for slow in crowd)
    print(f"the last slow client was gone after {longest:.1f} s")
    assert longest < DEADLINE_SECONDS
    for number, slow in enumerate(crowd):
        what = list(kinds)[number % len(kinds)]
        assert slow.heard == b"" if "body" not in what else is_refusal(slow.heard), what
        slow.socket.close()
    assert "Traceback" not in server.log


def ask(http: httpx.Client, path: str) -> float:
    began = time.monotonic()
    assert http.post(path, json={"plaintextBase64": "aGVsbG8="}).status_code == 200
    return time.monotonic() - began


def is_refusal(heard: bytes) -> bool:
    head, _, body = heard.partition(b"\r\n\r\n")
    told = json.loads(body)
    return (
        head.startswith(b"HTTP/1.1 400")
        and b"connection: close" in head
        and told == {"error": "BadRequest", "message": "The body did not arrive within 10 s"}
    )


def test_a_head_without_end_is_refused_before_it_fills_the_memory(server: Server) -> None:
    port = int(server.url.rpartition(":")[2])
    before = resident_mib(server)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(b"GET /livez HTTP/1.1\r\nHost: aegis\r\n")
        sent = 0
        try:
            while sent < HEAD_MIB:
                line.sendall(b"X-Long: " + b"x" * (1024 * 1024 - 10) + b"\r\n")
                sent += 1
        except ConnectionError:
            pass
    grown = resident_mib(server) - before
    print(f"{sent} MiB of {HEAD_MIB} were taken, and {grown:.1f} MiB kept")
    assert sent < HEAD_MIB
    assert grown < 8


def test_a_slow_body_is_refused_and_does_not_hold_the_stop(stopping: Stopping) -> None:
    assert stopping.server.wait() == 0
    stopping.slow.hear()
    assert is_refusal(stopping.slow.heard)
    assert "Traceback" not in stopping.server.log
    assert "Cancel" not in stopping.server.log
