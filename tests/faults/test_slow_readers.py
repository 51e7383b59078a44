"""Clients that ask for much and read nothing: their answers do not stay in the memory."""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.report import Faults
from tests.faults.stores import SQLITE
from tests.support.server import Server

FAULT = "answers that nobody reads"
READ_SECONDS = 1.0
READERS = 20
ASKED = b"GET /docs/docs.json HTTP/1.1\r\nHost: aegis\r\n\r\n" * 50
#: The machine may be busy.
GONE_SECONDS = READ_SECONDS + 4.0


class HeldError(AssertionError):
    """The server keeps connections whose clients do not read."""


def unread(data: Path, *changes: str) -> float:
    """Return how many seconds it took until the last one was let go. Raises HeldError."""
    limit = f"tests.faults.planted_readers:read_within={READ_SECONDS}"
    with SQLITE.serving(data, limit, *changes) as server, ExitStack() as stack:
        before = sockets_of(server)
        for _ in range(READERS):
            ask(int(server.url.rpartition(":")[2]), stack)
        began = time.monotonic()
        time.sleep(READ_SECONDS / 2)
        assert sockets_of(server) == before + READERS
        while sockets_of(server) > before and time.monotonic() < began + GONE_SECONDS:
            time.sleep(0.1)
        taken, held = time.monotonic() - began, sockets_of(server) - before
    if held:
        raise HeldError(f"{held} of {READERS} are still held after {taken:.0f} s")
    return taken


def ask(port: int, stack: ExitStack) -> None:
    """Ask for more than the machine keeps between two processes, and read none of it."""
    reader = stack.enter_context(socket.socket())
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", port))
    reader.sendall(ASKED)


def sockets_of(server: Server) -> int:
    """Return how many sockets its process holds. Who does not read is not told that it was let go."""
    return sum(map(is_socket, Path(f"/proc/{server.process.pid}/fd").iterdir()))


def is_socket(name: Path) -> bool:
    try:
        return os.readlink(name).startswith("socket:")
    except FileNotFoundError:  # closed meanwhile
        return False


def test_who_does_not_read_is_sent_away(tmp_path: Path, faults: Faults) -> None:
    taken = unread(tmp_path / "data")
    assert taken > READ_SECONDS / 2
    faults.passed(
        "R19", FAULT, READERS, connections=READERS, held=0, ms_at_most=round(1000 * taken)
    )


def test_it_turns_red_where_answers_wait_for_good(tmp_path: Path, faults: Faults) -> None:
    bug = "tests.faults.planted_readers:waits_for_good"
    with pytest.raises(HeldError) as noticed:
        unread(tmp_path / "data", bug)
    faults.red("R19", FAULT, "no deadline", str(noticed.value))
