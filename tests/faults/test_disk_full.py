"""R8, a full disk: writes are refused with 503, reads are served, and it heals by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from tests.faults.acknowledged import Log
from tests.faults.checker import (
    BrokenPromiseError,
    delivered_lines,
    journal_of,
    require_kept,
)
from tests.faults.clients import headers, load
from tests.faults.disks import (
    files_that_cannot_grow,
    flagged,
    full_while,
    no_room_left,
    small_disk,
)
from tests.faults.report import Faults
from tests.faults.stores import SQLITE
from tests.support.server import Server

HEALS_WITHIN = 5.0
FULL = f"{full_while.__module__}:{full_while.__name__}"


async def fill_and_empty(
    server: Server, faults: Faults, times: int, full: Callable[[], AbstractContextManager[None]]
) -> Log:
    """Work, fill the disk under load, look at what is served, empty it, and see it heal."""
    log = Log()
    async with (
        load([server.url], faults.dice, log=log),
        httpx.AsyncClient(base_url=server.url, headers=headers()) as watcher,
    ):
        for _ in range(times):
            await acknowledged_within(log, HEALS_WITHIN)
            with full():
                await refused_within(log, HEALS_WITHIN)
                await require_bearing(watcher, log)
            await acknowledged_within(log, HEALS_WITHIN)
            await ready_within(watcher, HEALS_WITHIN)
    assert server.terminate() == 0
    async with journal_of(server.environment) as journal:
        await require_kept(journal, log.acknowledged, delivered_lines(server.audit_files))
    assert log.wrong == []
    return log


async def require_bearing(watcher: httpx.AsyncClient, log: Log) -> None:
    """Not ready, alive, reading; and once the last room is taken, nothing is acknowledged."""
    await asyncio.sleep(1.2)
    key = log.acknowledged[0].key_id
    assert (await watcher.get("/readyz")).status_code == 503
    assert (await watcher.get("/livez")).status_code == 200
    assert (await watcher.get(f"/v1/keys/{key}")).status_code == 200
    before = len(log.acknowledged)
    await asyncio.sleep(0.3)
    assert len(log.acknowledged) == before


async def refused_within(log: Log, seconds: float) -> None:
    before, until = log.refused, time.monotonic() + seconds
    while log.refused < before + 20:
        assert time.monotonic() < until, "a full disk refuses nothing"
        await asyncio.sleep(0.02)


async def acknowledged_within(log: Log, seconds: float) -> None:
    before, until = len(log.acknowledged), time.monotonic() + seconds
    while len(log.acknowledged) < before + 50:
        assert time.monotonic() < until, "it does not heal"
        await asyncio.sleep(0.02)


async def ready_within(watcher: httpx.AsyncClient, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (await watcher.get("/readyz")).status_code != 200:
        assert time.monotonic() < until, "it does not become ready again"
        await asyncio.sleep(0.1)


def told(faults: Faults, fault: str, times: int, log: Log) -> None:
    count = len(log.acknowledged)
    faults.passed("R8", fault, times, acknowledged=count, refused=log.refused, lost=0, unaudited=0)


async def test_a_database_that_may_not_grow(tmp_path: Path, faults: Faults) -> None:
    flag, times = tmp_path / "full", faults.of(1, 5)
    with SQLITE.serving(tmp_path / "data", f"{FULL}={flag}") as server:
        log = await fill_and_empty(server, faults, times, lambda: flagged(flag))
    told(faults, "disk full (SQLITE_FULL)", times, log)


async def test_files_that_may_not_grow(tmp_path: Path, faults: Faults) -> None:
    times = faults.of(1, 5)
    with SQLITE.serving(tmp_path / "data") as server:
        log = await fill_and_empty(server, faults, times, lambda: files_that_cannot_grow(server))
    told(faults, "disk full (RLIMIT_FSIZE)", times, log)


async def test_a_disk_without_room(tmp_path: Path, faults: Faults) -> None:
    times = faults.of(1, 5)
    with small_disk(tmp_path / "disk", 24) as mounted:
        if not mounted:
            print("this user may not mount a file system: only the other two ways were tried")
            return
        data = tmp_path / "disk" / "data"
        with SQLITE.serving(data) as server:
            log = await fill_and_empty(server, faults, times, lambda: no_room_left(data))
    told(faults, "disk full (tmpfs)", times, log)


async def test_it_turns_red_when_errors_of_the_disk_are_swallowed(
    tmp_path: Path, faults: Faults
) -> None:
    flag, log = tmp_path / "full", Log()
    bug = "tests.faults.planted:swallows_errors_of_the_disk"
    with SQLITE.serving(tmp_path / "data", f"{FULL}={flag}", bug) as server:
        async with load([server.url], faults.dice, log=log):
            await acknowledged_within(log, HEALS_WITHIN)
            with flagged(flag):
                await asyncio.sleep(1)
        assert server.terminate() == 0
        with pytest.raises(BrokenPromiseError, match="lost") as noticed:
            async with journal_of(server.environment) as journal:
                await require_kept(journal, log.acknowledged)
    faults.red("R8", "disk full", "errors of the disk are swallowed", str(noticed.value))
