"""An opened journal on a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from aegis_journal_postgres import PostgresJournal
from aegis_journal_postgres.address import Address

from aegis_kernel import Secret
from aegis_kernel.testing.doubles import ManualClock


@pytest.fixture
def build(postgres: str) -> Callable[[], PostgresJournal]:
    """A function that builds a journal on the test's database."""
    return lambda: PostgresJournal(Address.of(Secret(postgres.encode()), None), ManualClock())


@pytest.fixture
async def journal(build: Callable[[], PostgresJournal]) -> AsyncIterator[PostgresJournal]:
    journal = build()
    await journal.open()
    yield journal
    await journal.aclose()
