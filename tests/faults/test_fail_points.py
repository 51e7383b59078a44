"""R3, death at named points: whatever was under way, all of it is there, or nothing."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from aegis_kernel.domain.spec import Algorithm
from aegis_kernel.engine import operations as op
from aegis_kernel.engine.kernel import Kernel
from aegis_kernel.engine.operations import messages as m
from aegis_kernel.testing.doubles import ManualClock
from tests.faults.acknowledged import Log
from tests.faults.checker import (
    BrokenPromiseError,
    delivered_lines,
    journal_of,
    require_kept,
)
from tests.faults.clients import REAL, load
from tests.faults.points import AT_BOOT, AT_WORK, UNDER_LOAD
from tests.faults.report import Faults
from tests.faults.stores import SQLITE
from tests.faults.test_master_kill import send
from tests.support.kernel import ALICE, active_key, settings
from tests.support.server import Server

FAULT = "death at a named point, sqlite"
DIES_WITHIN = 20
MOST_ROTATIONS = 5
SWEEP = {"AEGIS_SWEEP_SECONDS": "0.2"}
DAYS = 86_400


async def doomed_keys(data: Path) -> None:
    """Leave keys whose time to be destroyed has come."""
    clock = ManualClock(time.time() - 40 * DAYS)
    async with Kernel(settings(data, AEGIS_JOURNAL_KIND="sqlite", **REAL), clock) as kernel:
        for _ in range(3):
            key_id = await active_key(kernel, algorithm=Algorithm.AES, size_bits=256)
            await kernel.pipeline.run(
                op.SCHEDULE_DESTRUCTION, ALICE, m.ScheduleDestruction(), key_id
            )


async def die(server: Server, point: str, faults: Faults, log: Log, *changes: str) -> None:
    """Start the server with a point to die at, and keep it at work until it has died there."""
    server.command = SQLITE.command(f"tests.faults.points:die_at={point}", *changes)
    try:
        server.start()
    except RuntimeError:
        # What was left to deliver, or to migrate, can kill it before it says that it is up.
        assert server.process.returncode == -signal.SIGKILL, server.log
        return
    async with load([server.url], faults.dice, log=log):
        if point.startswith(("before_rewrap", "mid_rewrap", "before_master")):
            await asyncio.to_thread(rotate_until_it_dies, server.data_dir)
        async with asyncio.timeout(DIES_WITHIN):
            while server.process.poll() is None:
                await asyncio.sleep(0.02)
    assert server.process.returncode == -signal.SIGKILL, server.log
    server.wait()


def rotate_until_it_dies(data: Path) -> None:
    """Ask for rotations of the master key: the first may have only the end of another left to do."""
    for _ in range(MOST_ROTATIONS):
        try:
            with send(data, b'{"do":"master.rotate"}\n') as connection:
                if not connection.recv(8192):
                    return
        except OSError:
            return


async def require_all(server: Server, log: Log) -> None:
    async with journal_of(server.environment) as journal:
        await require_kept(journal, log.acknowledged)


@pytest.mark.timeout(3600)  # some twenty servers, one after the other
async def test_nothing_is_half_done_at_any_point(tmp_path: Path, faults: Faults) -> None:
    data, log, deaths = tmp_path / "data", Log(), 0
    data.mkdir(mode=0o700)
    with SQLITE.serving(data, **SWEEP) as server:
        assert server.terminate() == 0
        for name in faults.of(1, 5) * (*UNDER_LOAD, *AT_WORK):
            if name in ("mid_destroy", "mid_sweep"):
                await doomed_keys(data)
            often = 1 if name in AT_WORK or "cursor" in name else faults.dice.randint(1, 30)
            await die(server, f"{name}@{often}", faults, log)
            await require_all(server, log)
            deaths += 1
        server.command = SQLITE.command()
        server.start()
        await asyncio.sleep(1)
        send_and_wait(data)
        assert server.terminate() == 0
        async with journal_of(server.environment) as journal:
            await require_kept(journal, log.acknowledged, delivered_lines(server.audit_files))
    assert log.wrong == []
    count = len(log.acknowledged)
    faults.passed(
        "R3", FAULT, deaths, acknowledged=count, points=len(UNDER_LOAD) + len(AT_WORK),
        crashes=deaths, lost=0, unaudited=0,
    )  # fmt: skip


def send_and_wait(data: Path) -> None:
    """Finish a rotation of the master key that was cut off."""
    with send(data, b'{"do":"master.rotate"}\n') as connection:
        assert b'"ok"' in connection.recv(8192)


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("name", AT_BOOT)
async def test_a_migration_that_was_cut_off_is_taken_up_again(
    tmp_path: Path, faults: Faults, name: str, step: int
) -> None:
    data, log = tmp_path / "data", Log()
    with pytest.raises(RuntimeError, match="did not boot"):
        SQLITE.serving(data, f"tests.faults.points:die_at={name}@{step}").__enter__()
    with SQLITE.serving(data) as server:
        async with load([server.url], faults.dice, log=log):
            await asyncio.sleep(0.3)
        assert server.terminate() == 0
        await require_all(server, log)
    count = len(log.acknowledged)
    faults.passed("R3", f"death {name} {step}", 1, acknowledged=count, crashes=1, lost=0)


async def test_it_turns_red_when_records_are_written_after_the_commit(
    tmp_path: Path, faults: Faults
) -> None:
    bug = "tests.faults.planted:records_after_the_commit"
    log = Log()
    with SQLITE.serving(tmp_path / "data") as server:
        assert server.terminate() == 0
        await die(server, "after_commit@19", faults, log, bug)
        with pytest.raises(BrokenPromiseError, match="without record") as noticed:
            await require_all(server, log)
    faults.red("R3", FAULT, "audit records in a transaction of their own", str(noticed.value))
