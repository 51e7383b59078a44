"""R2, the loss of power at any step of the real journal: what it acknowledged is on the disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from aegis_journal_sqlite import SqliteJournal

from aegis_kernel.domain.errors import BootError, InternalError
from aegis_kernel.domain.key import KeyId
from aegis_kernel.testing.doubles import ManualClock
from tests.faults.checker import BrokenPromiseError
from tests.faults.power import DATABASE, Step, crash, record
from tests.faults.power_writer import BUSY
from tests.faults.report import Faults

pytestmark = [pytest.mark.strace, pytest.mark.timeout(1800)]

FAULT = "loss of power (simulated), sqlite"
WRITER = "tests.faults.power_writer:run"


async def lose_power(
    place: Path, steps: Sequence[Step], points: int, faults: Faults
) -> tuple[int, list[str]]:
    """Return how many acknowledgements were looked for in all, and what was broken, crash by crash."""
    looked_for, broken = 0, []
    for number in range(points):
        after = faults.dice.randint(1, len(steps))
        files, told = crash(steps, after, faults.dice)
        acknowledged = [line.split() for line in told.decode().splitlines()]
        looked_for += len(acknowledged)
        disk = place / str(number)
        disk.mkdir(mode=0o700)
        for name, content in files.items():
            (disk / name).write_bytes(content)
        try:
            await require_sound(disk, acknowledged)
        except (BrokenPromiseError, BootError, InternalError) as error:
            broken.append(f"power lost after step {after} of {len(steps)}: {error}")
    return looked_for, broken


async def require_sound(disk: Path, acknowledged: list[list[str]]) -> None:
    """Open what is left with the real journal: all acknowledged, nothing half there, no damage."""
    journal = SqliteJournal(disk / DATABASE, ManualClock())
    await journal.open()
    try:
        await journal.examine()
        rows = [json.loads(found.body) for found in await journal.ledger(0, 10**6)]
        known = {row["eventId"] for row in rows}
        for sequence, key, gone, *ids in acknowledged:
            if not known.issuperset(ids):
                raise BrokenPromiseError(f"lost: {len(set(ids) - known)} acknowledged records")
            stored = await journal.load(BUSY)
            if stored is None or stored.sequence < int(sequence):
                raise BrokenPromiseError("lost: acknowledged events")
            if gone != "-" and await journal.material(KeyId(gone), 1) is not None:
                raise BrokenPromiseError("lost: an acknowledged deletion")
            if await journal.load(f"key/{key}") is None:
                raise BrokenPromiseError("lost: an acknowledged key")
        await require_equal_prefixes(journal, rows)
    finally:
        await journal.aclose()


async def require_equal_prefixes(journal: SqliteJournal, rows: list[dict[str, str]]) -> None:
    noted = [row["note"] for row in rows if "@" in row["note"]]
    for stream in {note.rpartition("@")[0] for note in noted} | {BUSY}:
        events = len(await journal.history(stream))
        if [n for n in noted if n.startswith(f"{stream}@")] != [
            f"{stream}@{n}" for n in range(1, events + 1)
        ]:
            raise BrokenPromiseError(f"{stream} has {events} events, and other records")


async def test_nothing_acknowledged_is_lost_with_the_power(tmp_path: Path, faults: Faults) -> None:
    points = faults.of(60, 600)
    steps = record(tmp_path, WRITER, str(faults.of(60, 250)))
    looked_for, broken = await lose_power(tmp_path, steps, points, faults)
    assert broken == []
    assert looked_for > points
    faults.passed(
        "R2", FAULT, points, crashes=points, answers_looked_for=looked_for, lost=0, corrupt=0
    )


async def test_it_turns_red_with_synchronous_normal(tmp_path: Path, faults: Faults) -> None:
    points = 30
    steps = record(tmp_path, WRITER, "40", "tests.faults.planted:syncs_less")
    _, broken = await lose_power(tmp_path, steps, points, faults)
    assert len(broken) > points / 4
    seen = f"lost in {len(broken)} of {points} crashes"
    faults.red("R2", FAULT, "synchronous=NORMAL", seen)
