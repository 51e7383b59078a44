"""The SQLite journal keeps every law of the port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aegis_journal_sqlite import Plugin, SqliteJournal, SqliteJournalSettings

from aegis_kernel import Journal
from aegis_kernel.testing import JournalConformance
from aegis_kernel.testing.doubles import ManualClock, plugin_context


class TestSqliteJournal(JournalConformance):
    @pytest.fixture
    def opened(self) -> list[Journal]:
        return []

    @pytest.fixture
    async def journal(
        self, clock: ManualClock, tmp_path: Path, opened: list[Journal]
    ) -> AsyncIterator[Journal]:
        opened.append(SqliteJournal(tmp_path / "aegis.db", clock))
        await opened[-1].open()
        yield opened[-1]
        await opened[-1].aclose()

    @pytest.fixture
    def reopen(
        self, journal: Journal, clock: ManualClock, tmp_path: Path, opened: list[Journal]
    ) -> Callable[[], Awaitable[Journal]]:
        async def reopened() -> Journal:
            await opened[-1].aclose()
            opened.append(SqliteJournal(tmp_path / "aegis.db", clock))
            await opened[-1].open()
            return opened[-1]

        return reopened


def test_the_plugin_builds_a_journal_in_the_data_directory_without_touching_it(tmp_path):
    context = plugin_context(SqliteJournalSettings(), tmp_path / "data")
    journal = Plugin().aegis_journal(context=context)
    assert journal.description == f"SQLite event journal at {tmp_path}/data/aegis.db"
    assert not list(tmp_path.iterdir())


def test_the_file_can_be_set(tmp_path):
    context = plugin_context(SqliteJournalSettings(file=tmp_path / "x.db"), tmp_path / "data")
    assert Plugin().aegis_journal(context=context).description.endswith("/x.db")
