"""R1, kill -9 under load: nothing acknowledged is lost, nothing happens without its audit record."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.faults.acknowledged import Log
from tests.faults.checker import (
    BrokenPromiseError,
    delivered_lines,
    journal_of,
    require_kept,
)
from tests.faults.clients import load
from tests.faults.filling import fill
from tests.faults.report import Faults
from tests.faults.stores import SQLITE, Store
from tests.support.server import Server, running

READY_SECONDS = 3.0
EVENTS = 100_000
FAULT = "kill -9, sqlite"


async def kill_rounds(store: Store, data: Path, faults: Faults, rounds: int, *changes: str) -> Log:
    """Kill the whole process group `rounds` times under load, and look at all that is left."""
    log, slowest = Log(), 0.0
    with store.serving(data, *changes) as server:
        for number in range(rounds):
            if number:
                slowest = max(slowest, start(server))
            async with load([server.url], faults.dice, log=log):
                await asyncio.sleep(faults.dice.uniform(0.2, 2.0))
                server.kill()
        slowest = max(slowest, start(server))
        assert server.terminate() == 0
        async with journal_of(server.environment) as journal:
            await require_kept(journal, log.acknowledged, delivered_lines(server.audit_files))
    assert log.wrong == []
    # The short form runs beside other tests; only the full one may read a stopwatch.
    assert slowest < READY_SECONDS or not faults.is_full
    return log


def start(server: Server) -> float:
    began = time.monotonic()
    server.start()
    return time.monotonic() - began


async def test_nothing_acknowledged_is_lost_and_nothing_is_unaudited(
    tmp_path: Path, faults: Faults
) -> None:
    rounds = faults.of(5, 50)
    if faults.is_full:
        await fill(tmp_path / "data", EVENTS)
    log = await kill_rounds(SQLITE, tmp_path / "data", faults, rounds)
    assert len(log.acknowledged) > rounds * 8
    count = len(log.acknowledged)
    faults.passed("R1", FAULT, rounds, acknowledged=count, crashes=rounds, lost=0, unaudited=0)


async def test_it_turns_red_when_answers_leave_before_the_commit(
    tmp_path: Path, faults: Faults
) -> None:
    bug = "tests.faults.planted:answers_first=300"
    with pytest.raises(BrokenPromiseError, match="lost") as noticed:
        await kill_rounds(SQLITE, tmp_path / "data", faults, 2, bug)
    faults.red("R1", FAULT, "answers before the commit", str(noticed.value))


def test_a_second_process_on_the_same_file_is_refused(tmp_path: Path) -> None:
    with running(tmp_path / "data"), pytest.raises(RuntimeError, match="in use"):
        Server(tmp_path / "data")
