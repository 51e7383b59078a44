"""Deleted material is gone from the live files before the commit is answered."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from aegis_kernel import DeleteMaterial, Entry, KeyId, Status
from aegis_kernel.testing.journal_entries import change, put


def copies(file: Path, wrapped: bytes) -> list[str]:
    """Name the live files that hold the bytes."""
    files = (file, Path(f"{file}-wal"), Path(f"{file}-shm"))
    return [live.name for live in files if live.exists() and wrapped in live.read_bytes()]


def deletion(key: str, at: int) -> Entry:
    return change(f"key/{key}", at, material=(DeleteMaterial(KeyId(key)),))


async def test_no_live_file_holds_a_copy_after_a_deletion(journal, file):
    wrapped = {f"{n}": os.urandom(40 + n * 23) for n in range(60)}
    for key, sealed in wrapped.items():
        await journal.commit([change(f"key/{key}", 0, material=(put(key, 1, sealed),))])
    assert all(copies(file, sealed[:32]) for sealed in wrapped.values())
    for key in list(wrapped)[::2]:
        await journal.commit([deletion(key, 1)])
        assert copies(file, wrapped[key][:32]) == []
    for key in list(wrapped)[1::2]:
        assert copies(file, wrapped[key][:32]) != []


async def test_what_a_crash_left_in_the_log_is_emptied_at_boot(journal, file):
    wrapped = os.urandom(64)
    await journal.commit([change("key/a", 0, material=(put("a", 1, wrapped),))])
    journal._store.writer.truncate = lambda: None
    await journal.commit([deletion("a", 1)])
    assert copies(file, wrapped) == ["aegis.db-wal"]
    del journal._store.writer.truncate
    # As after a crash: the same files, opened by another writer.
    writer = type(journal._store.writer)(file)
    assert copies(file, wrapped) == []
    writer._connection.close()


async def test_a_log_that_a_foreign_reader_holds_is_owed_and_emptied_later(journal, file):
    wrapped = os.urandom(64)
    await journal.commit([change("key/a", 0, material=(put("a", 1, wrapped),))])
    journal._store.writer._connection.execute("PRAGMA busy_timeout = 50")
    reader = sqlite3.connect(file, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM streams").fetchall()
    await journal.commit([deletion("a", 1)])
    assert (await journal.check()).status is Status.DEGRADED
    reader.close()
    assert (await journal.check()).status is Status.OK
    assert copies(file, wrapped) == []
