"""kill -9 at any moment: all that was acknowledged is there, and the file is sound."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from aegis_journal_sqlite import SqliteJournal

from aegis_kernel import KeyId, Query
from aegis_kernel.testing.doubles import ManualClock

_WRITER = """
import asyncio, sys, uuid
from pathlib import Path
from aegis_journal_sqlite import SqliteJournal
from aegis_kernel import Attributes, DeleteMaterial, KeyId
from aegis_kernel.testing.doubles import ManualClock
from aegis_kernel.testing.journal_entries import change, put, record, use

async def main():
    journal = SqliteJournal(Path(sys.argv[1]), ManualClock())
    await journal.open()
    while True:
        stored = await journal.load("key/busy")
        at = stored.sequence if stored else 0
        key, old = str(uuid.uuid4()), str(uuid.uuid4())
        uses = [use(record(), key_busy=at) for _ in range(20)]
        batch = [
            *uses,
            change("key/busy", at, records=(record(),)),
            change(f"key/{key}", 0, records=(record(),), material=(put(key, 1), put(old, 1))),
            change("key/gone", 0 if at == 0 else at, material=(DeleteMaterial(KeyId(old)),)),
        ]
        verdicts = await journal.commit(batch)
        assert all(type(verdict).__name__ == "Committed" for verdict in verdicts), verdicts
        # Outside the batch, uses alone take the way of one step.
        alone = use(record(), key_busy=at + 1)
        await journal.commit([alone])
        ids = [r.event_id for entry in [*batch, alone] for r in entry.records]
        print(at + 1, key, old, *ids, flush=True)

asyncio.run(main())
"""


def run_and_kill(file: Path, seconds: float) -> list[list[str]]:
    """Return what the writer had acknowledged when it was killed."""
    command = [sys.executable, "-c", _WRITER, file]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        assert first, "the writer failed"
        time.sleep(seconds)
        child.kill()
        rest = child.stdout.read()
    return [line.split() for line in (first + rest).splitlines(keepends=True) if line[-1] == "\n"]


async def test_everything_acknowledged_survives_ten_kills(file):
    acknowledged: list[list[str]] = []
    dice = random.Random()
    for _ in range(10):
        acknowledged += run_and_kill(file, dice.uniform(0, 0.1))
        await require_all(file, acknowledged)
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA foreign_key_check").fetchone() is None
    connection.close()


async def require_all(file: Path, acknowledged: list[list[str]]) -> None:
    journal = SqliteJournal(file, ManualClock())
    await journal.open()
    records = await journal.ledger(0, 10**6)
    ids = [json.loads(found.body)["eventId"] for found in records]
    assert len(ids) == len(set(ids)) == await journal.head()
    stored = await journal.load("key/busy")
    assert stored is not None
    assert stored.sequence >= int(acknowledged[-1][0])
    assert len(await journal.history("key/busy")) == stored.sequence
    known = set(ids)
    for _, key, old, *records_acknowledged in acknowledged:
        assert known.issuperset(records_acknowledged)
        assert await journal.load(f"key/{key}") is not None
        assert await journal.material(KeyId(key), 1) is not None
        assert await journal.material(KeyId(old), 1) is None
    assert (await journal.find(Query(prefix="key/"))).items[0].stored == stored
    await journal.aclose()
