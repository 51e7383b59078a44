"""R21, the wall clock steps under load: order stays order, and nothing is destroyed early."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.faults.acknowledged import Log
from tests.faults.checker import delivered_lines, journal_of, ledger_of, require_kept
from tests.faults.clients import load
from tests.faults.clocks import set_by, step
from tests.faults.report import Faults
from tests.faults.stores import SQLITE

FAULT = "clock steps, sqlite"
HOUR, DAY = 3600, 86_400
# Beyond the 30 days after which a scheduled destruction is due, and back before a second sighting.
JUMP = 31 * DAY
STEPS = (HOUR, -HOUR, DAY, -DAY, 0, JUMP, 0)
DEV = {"AEGIS_AUTH_KIND": "dev"}
WHO = {"X-Aegis-User": "alice"}
SWEEP_SECONDS = 2.0


class EarlyError(AssertionError):
    """A key was destroyed before its time."""


async def step_about(data: Path, faults: Faults, rounds: int, *changes: str) -> tuple[Log, int]:
    """Let the clock step under load; return what was acknowledged, and the number of steps."""
    clock, log = data.parent / "clock", Log()
    step(clock, 0)
    change = f"{set_by.__module__}:{set_by.__name__}={clock}"
    environment = DEV | {"AEGIS_SWEEP_SECONDS": str(SWEEP_SECONDS)}
    with SQLITE.serving(data, change, *changes, **environment) as server:
        doomed = await schedule(server.url)
        async with load([server.url], faults.dice, log=log, credentials=WHO, clients=4):
            for seconds in STEPS * rounds:
                step(clock, seconds)
                # One sighting of the sweep falls into most jumps, and never two.
                await asyncio.sleep(0.75 * SWEEP_SECONDS if seconds == JUMP else 0.4)
                if await is_destroyed(server.url, doomed):
                    break
        assert server.terminate() == 0
        async with journal_of(server.environment) as journal:
            await require_kept(journal, log.acknowledged, delivered_lines(server.audit_files))
            destroyed = [r async for r in ledger_of(journal) if r["op"] == "KeyDestroyed"]
    assert log.wrong == []
    if destroyed:
        raise EarlyError(f"{len(destroyed)} keys destroyed 30 days early")
    return log, len(STEPS) * rounds


async def schedule(url: str) -> str:
    """Make a key whose destruction is scheduled for 30 days from now."""
    async with httpx.AsyncClient(base_url=url, headers=WHO) as http:
        spec = {"name": "doomed", "algorithm": "HMAC", "sizeBits": 256}
        key_id: str = (await http.post("/v1/keys", json={"spec": spec})).json()["id"]
        assert (await http.delete(f"/v1/keys/{key_id}")).is_success
        return key_id


async def is_destroyed(url: str, key_id: str) -> bool:
    async with httpx.AsyncClient(base_url=url, headers=WHO) as http:
        state: str = (await http.get(f"/v1/keys/{key_id}")).json()["state"]
        return state == "Destroyed"


async def test_order_stays_and_nothing_is_destroyed_early(tmp_path: Path, faults: Faults) -> None:
    log, steps = await step_about(tmp_path / "data", faults, faults.of(1, 10))
    count = len(log.acknowledged)
    faults.passed("R21", FAULT, steps, acknowledged=count, steps=steps, lost=0, destroyed_early=0)


async def test_it_turns_red_when_the_clock_is_believed_at_once(
    tmp_path: Path, faults: Faults
) -> None:
    bug = "tests.faults.planted:believes_the_clock_at_once"
    with pytest.raises(EarlyError, match="early") as noticed:
        await step_about(tmp_path / "data", faults, 6, bug)
    faults.red("R21", FAULT, "a due key is destroyed at its first sighting", str(noticed.value))
