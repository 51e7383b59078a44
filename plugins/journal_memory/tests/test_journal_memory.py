"""The reference journal keeps every law of the port."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aegis_journal_memory import MemoryJournal, Plugin

from aegis_kernel import Journal, NoSettings
from aegis_kernel.testing import JournalConformance
from aegis_kernel.testing.doubles import ManualClock, plugin_context


class TestMemoryJournal(JournalConformance):
    @pytest.fixture
    async def journal(self, clock: ManualClock) -> AsyncIterator[Journal]:
        journal = MemoryJournal(clock)
        await journal.open()
        yield journal
        await journal.aclose()

    @pytest.fixture
    def reopen(self) -> None:
        return None

    # Nothing survives this journal: its reopening has no laws.
    test_everything_survives_a_reopening = None
    test_a_lease_from_before_a_reopening_is_over = None


def test_the_plugin_builds_the_journal_and_says_that_nothing_survives(tmp_path):
    journal = Plugin().aegis_journal(context=plugin_context(NoSettings(), tmp_path))
    assert journal.description == "memory event journal (nothing survives the process)"
    assert not list(tmp_path.iterdir())
