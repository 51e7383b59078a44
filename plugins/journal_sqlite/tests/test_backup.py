"""The kit's laws of backups, over files that are really there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aegis_journal_sqlite import SqliteJournal

from aegis_kernel import Journal
from aegis_kernel.testing import JournalBackupConformance
from aegis_kernel.testing.doubles import ManualClock


class TestBackupsOfTheSqliteJournal(JournalBackupConformance):
    @pytest.fixture
    async def journal(self, tmp_path: Path) -> AsyncIterator[Journal]:
        journal = SqliteJournal(tmp_path / "store" / "aegis.db", ManualClock())
        await journal.open()
        yield journal
        await journal.aclose()

    @pytest.fixture
    def vacant(self, tmp_path: Path) -> Callable[[], Journal]:
        return lambda: SqliteJournal(tmp_path / "vacant" / "aegis.db", ManualClock())
