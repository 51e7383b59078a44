"""An opened journal on disk, and the entries that these tests commit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aegis_journal_sqlite import SqliteJournal

from aegis_kernel.testing.doubles import ManualClock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "aegis.db"


@pytest.fixture
async def journal(file: Path) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(file, ManualClock())
    await journal.open()
    yield journal
    await journal.aclose()
