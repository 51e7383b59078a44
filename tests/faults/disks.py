"""Disks that fill up and are emptied again, under a server that runs."""

from __future__ import annotations

import functools
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.server import Server

_NO_LIMIT = 2**30
# SQLite's log is written in frames of a page and 24 bytes.
_LESS_THAN_A_FRAME = 4 * 1024


def full_while(flag: str) -> None:
    """Let SQLite's database not grow while the file `flag` is there (a change of the launcher)."""
    marker = Path(flag)

    class Limited(sqlite3.Connection):
        is_full = False

        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if marker.exists() is not self.is_full and not self.in_transaction:
                self.is_full = not self.is_full
                self._limit()
            return super().execute(sql, *parameters)

        def _limit(self) -> None:
            (pages,) = super().execute("PRAGMA page_count").fetchone()
            most = pages if self.is_full else _NO_LIMIT
            super().execute(f"PRAGMA max_page_count = {most}").fetchone()

    sqlite3.connect = functools.partial(sqlite3.connect, factory=Limited)


@contextmanager
def flagged(flag: Path) -> Iterator[None]:
    flag.touch()
    try:
        yield
    finally:
        flag.unlink()


@contextmanager
def files_that_cannot_grow(server: Server) -> Iterator[None]:
    """No file of that process is written beyond its first page.

    A limit at the log's present size would heal by itself: after a checkpoint the log begins anew.
    """
    size = _LESS_THAN_A_FRAME
    soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[bool]:
    """A file system of its own at `place`; yields False where this user may not mount one."""
    place.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def no_room_left(place: Path) -> Iterator[None]:
    """Fill the file system of `place` to the last byte."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(64 * 1024))
        except OSError:
            pass
    try:
        yield
    finally:
        ballast.unlink()
