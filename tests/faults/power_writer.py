"""What is recorded for R2: the journal as it is, committing, acknowledging, truncating its log."""

from __future__ import annotations

import asyncio
import os
import uuid
from importlib import import_module
from pathlib import Path

from aegis_journal_sqlite import SqliteJournal

from aegis_kernel.domain.key import KeyId
from aegis_kernel.spi.journal import Committed, DeleteMaterial
from aegis_kernel.testing.doubles import ManualClock
from aegis_kernel.testing.journal_entries import change, put, record, use
from tests.faults.power import ACKNOWLEDGED, DATABASE

BUSY = "key/busy"
USES = 10


def run(place: str, rounds: str, *changes: str) -> None:
    """Commit `rounds` batches; write down what each acknowledged as soon as it did."""
    for name in changes:
        module, _, function = name.partition(":")
        getattr(import_module(module), function)()
    asyncio.run(_run(Path(place), int(rounds)))


async def _run(place: Path, rounds: int) -> None:
    journal = SqliteJournal(place / DATABASE, ManualClock())
    await journal.open()
    acknowledged = os.open(place / ACKNOWLEDGED, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    old: str | None = None
    for number in range(rounds):
        key = str(uuid.uuid4())
        entries = [
            *(use(record(), key_busy=number) for _ in range(USES)),
            change(BUSY, number, records=(record(f"{BUSY}@{number + 1}"),)),
            change(f"key/{key}", 0, records=(record(f"key/{key}@1"),), material=(put(key, 1),)),
        ]
        if old is not None and number % 10 == 0:
            entries.append(
                change(
                    f"gone/{old}", 0, records=(record(),), material=(DeleteMaterial(KeyId(old)),)
                )
            )
        verdicts = await journal.commit(entries)
        assert set(verdicts) == {Committed()}, verdicts
        gone = old if len(entries) > USES + 2 else ""
        ids = [each.event_id for entry in entries for each in entry.records]
        os.write(acknowledged, f"{number + 1} {key} {gone or '-'} {' '.join(ids)}\n".encode())
        alone = use(record(), key_busy=number + 1)
        await journal.commit([alone])
        os.write(acknowledged, f"{number + 1} {key} - {alone.records[0].event_id}\n".encode())
        old = key
    await journal.aclose()
