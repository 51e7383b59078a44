"""The Postgres journal keeps every law of the port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aegis_journal_postgres import Plugin, PostgresJournal, PostgresJournalSettings
from aegis_journal_postgres.address import Address

from aegis_kernel import Journal, Secret
from aegis_kernel.testing import JournalConformance
from aegis_kernel.testing.doubles import ManualClock, plugin_context


class TestPostgresJournal(JournalConformance):
    @pytest.fixture
    def opened(self) -> list[Journal]:
        return []

    @pytest.fixture
    async def journal(
        self, clock: ManualClock, postgres: str, opened: list[Journal]
    ) -> AsyncIterator[Journal]:
        opened.append(_journal(postgres, clock))
        await opened[-1].open()
        yield opened[-1]
        await opened[-1].aclose()

    @pytest.fixture
    def reopen(
        self, journal: Journal, clock: ManualClock, postgres: str, opened: list[Journal]
    ) -> Callable[[], Awaitable[Journal]]:
        async def reopened() -> Journal:
            await opened[-1].aclose()
            opened.append(_journal(postgres, clock))
            await opened[-1].open()
            return opened[-1]

        return reopened


def test_the_plugin_builds_a_journal_without_touching_anything(tmp_path):
    url = Secret(b"postgresql://aegis:hidden@postgres:5432/aegis")
    settings = PostgresJournalSettings(url=url)
    journal = Plugin().aegis_journal(context=plugin_context(settings, tmp_path))
    assert journal.description == "Postgres event journal at postgresql://postgres:5432/aegis"
    assert "hidden" not in repr(settings) + repr(journal) + repr(Address.of(url, None))


def _journal(url: str, clock: ManualClock) -> PostgresJournal:
    return PostgresJournal(Address.of(Secret(url.encode()), None), clock)
